"""The golden captures and OpenAPI documents beside the repository, where they are."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).parents[3] / "shared" / "reference"
GOLDEN = SHARED / "golden" / "slurm-24.11"

needs_reference = pytest.mark.skipif(not GOLDEN.is_dir(), reason="the golden captures of real Slurm are not here")


@functools.cache
def _captures(group: str) -> dict[str, dict[str, Any]]:
    with (GOLDEN / f"{group}.jsonl").open() as lines:
        return {record["name"]: record for record in map(json.loads, lines)}


def capture(name: str) -> dict[str, Any]:
    """A capture as "squeue/json"; names of the REST groups have a slash of their own: "rest-get/get/slurm_..."."""
    group, _, rest = name.partition("/")
    return _captures(group)[rest]


@functools.cache
def text(name: str) -> str:
    return str(capture(name)["out"])


def document(name: str) -> dict[str, Any]:
    """The capture's JSON document, fresh."""
    found: dict[str, Any] = json.loads(text(name))
    return found


@functools.cache
def openapi(version: str = "v0.0.42") -> dict[str, Any]:
    path = SHARED / "openapi" / f"slurm-24.11-{version}.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found
