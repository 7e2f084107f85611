"""TRES as text in the database: ``cpu=2,mem=1000,node=1`` with plain counts, in the order of TRES ids."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from slurmpy.core.records.accounting import STANDARD_TRES

_ORDER = {(f"{kind}/{name}" if name else kind): number for number, kind, name in STANDARD_TRES}
_UNITS = {"K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4, "P": 1024**5}


def _rank(name: str) -> tuple[int, str]:
    return _ORDER.get(name, 1000), name


@lru_cache(8192)
def parse(text: str) -> Mapping[str, int]:
    """Counts by name. Units are resolved: mem is MiB, a bare number of mem too. Raises ValueError."""
    counts: dict[str, int] = {}
    for part in text.split(","):
        if not part:
            continue
        name, _, value = part.partition("=")
        unit = value[-1:].upper()
        if unit in _UNITS:
            amount = float(value[:-1]) * _UNITS[unit]
            counts[name] = int(amount / 1048576 if name == "mem" else amount)
        else:
            counts[name] = int(value) if value.isdecimal() else int(float(value))
    return counts


def render(counts: Mapping[str, int]) -> str:
    return ",".join(f"{name}={counts[name]}" for name in sorted(counts, key=_rank))


@lru_cache(8192)
def canonical(text: str) -> str:
    """`text` with plain counts, in order. Raises ValueError."""
    return render(parse(text))


def combine(texts: list[str]) -> str:
    """The sum of several."""
    total: dict[str, int] = {}
    for text in texts:
        for name, count in parse(text).items():
            total[name] = total.get(name, 0) + count
    return render(total)
