"""Orders that several views share."""

from __future__ import annotations


def natural(name: str) -> tuple[str, int, str]:
    """A node name as a key under which n9 comes before n10."""
    first = name.partition(",")[0].replace("[", "")
    stem = first.rstrip("0123456789-")
    digits = first[len(stem) :].partition("-")[0]
    return (stem, int(digits) if digits else -1, name)
