"""The captures of real Slurm 24.11 that the tests compare with, where they are at hand."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest

REFERENCE = Path(__file__).parents[2].parent / "shared" / "reference"
GOLDEN = REFERENCE / "golden" / "slurm-24.11"

needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"the reference captures are not at {GOLDEN}")


@functools.cache
def captures(group: str) -> dict[str, dict[str, Any]]:
    found = {}
    for text in (GOLDEN / f"{group}.jsonl").read_text().splitlines():
        record = json.loads(text)
        # the packager's name of the release: every program of ours says `slurm`
        record["out"] = record["out"].replace("slurm-wlm 24.11.5\n", "slurm 24.11.5\n")
        found[record["name"]] = record
    return found
