"""Special step numbers, and how job and step ids are written and read."""

from __future__ import annotations

STEP_PENDING = 0xFFFFFFFD
STEP_EXTERN = 0xFFFFFFFC
STEP_BATCH = 0xFFFFFFFB
STEP_INTERACTIVE = 0xFFFFFFFA

STEP_NAMES = {STEP_PENDING: "TBD", STEP_EXTERN: "extern", STEP_BATCH: "batch", STEP_INTERACTIVE: "interactive"}


def step_name(step_id: int) -> str:
    """``batch``, ``extern``, ``interactive``, ``TBD`` or the number."""
    return STEP_NAMES.get(step_id) or str(step_id)
