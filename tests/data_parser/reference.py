"""The golden captures and OpenAPI documents beside the repository, where they are."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).parents[3] / "shared" / "reference"
GOLDEN = SHARED / "golden" / "slurm-24.11"

needs_reference = pytest.mark.skipif(not GOLDEN.is_dir(), reason="the golden captures of real Slurm are not here")


#: parser version -> the release whose answers it is held to, where that is not 24.11
RELEASES = dict.fromkeys(("v0.0.43", "v0.0.44", "v0.0.45"), "26.05") | dict.fromkeys(("v0.0.37", "v0.0.38"), "22.05")


@functools.cache
def _captures(group: str, release: str) -> dict[str, dict[str, Any]]:
    with (SHARED / "golden" / f"slurm-{release}" / f"{group}.jsonl").open() as lines:
        return {record["name"]: record for record in map(json.loads, lines)}


def capture(name: str, release: str = "24.11") -> dict[str, Any]:
    """A capture as "squeue/json"; names of the REST groups have a slash of their own: "rest-get/get/slurm_..."."""
    group, _, rest = name.partition("/")
    return _captures(group, release)[rest]


@functools.cache
def text(name: str, release: str = "24.11") -> str:
    return str(capture(name, release)["out"])


def document(name: str, release: str = "24.11") -> dict[str, Any]:
    """The capture's JSON document, fresh."""
    found: dict[str, Any] = json.loads(text(name, release))
    return found


def captures(group: str, release: str) -> list[dict[str, Any]]:
    """All captures of a group in their order."""
    return list(_captures(group, release).values()) if GOLDEN.is_dir() else []


def rest_captures(group: str) -> list[dict[str, Any]]:
    """The captures of a REST group ("rest-bad", ...), each of the release that its parser version is held to."""
    if not GOLDEN.is_dir():
        return []
    found = list(_captures(group, "24.11").values())
    newer = [record for record in _captures(group, "26.05").values() if version_of(record) in RELEASES]
    return found + newer


def version_of(record: dict[str, Any]) -> str:
    """The parser version that a REST capture's path names, "" for none."""
    match = re.match(r"\w+ /+\w+/+(v0\.0\.\d\d)\b", record["cmd"])
    return match[1] if match else ""


@functools.cache
def openapi(version: str = "v0.0.42") -> dict[str, Any]:
    """The OpenAPI document of a version, as the release printed it that the version is held to."""
    release = RELEASES.get(version, "24.11")
    if release == "22.05":  # it has one document for all
        found: dict[str, Any] = json.loads((SHARED / "openapi" / f"slurm-{release}.json").read_text())
        schemas = found["components"]["schemas"]
        found["components"]["schemas"] = {name: one for name, one in schemas.items() if version in name}
        found["paths"] = {name: one for name, one in found["paths"].items() if f"/{version}/" in name}
        return found
    found = json.loads((SHARED / "openapi" / f"slurm-{release}-{version}.json").read_text())
    return found
