"""Trackable resources: ``cpu=2,mem=1000M,node=1,billing=6,gres/gpu=2`` and requests like ``gpu:a100:2``."""

from __future__ import annotations

from .errors import SlurmError
from .sizes import format_mem, parse_mem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: the order in which Slurm prints them; what is not here follows by name
ORDER = ("cpu", "mem", "energy", "node", "billing", "fs/disk", "vmem", "pages")
#: those of the numbers 1 to 8, which every cluster has, in slurmdbd's order
STATIC = {name: number for number, name in enumerate(ORDER, 1)}
#: counted in MiB
MEMORY = frozenset(("mem", "vmem", "bb"))

_MULTIPLIERS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4, "P": 1024**5}


def order_key(name: str) -> tuple[int, str]:
    return STATIC.get(name, 99), name


def parse(text: str) -> dict[str, int]:
    """Counts by name, memory in MiB, in the order of the text. Raises SlurmError ESLURM_INVALID_TRES."""
    counts: dict[str, int] = {}
    for item in text.split(","):
        if not item:
            continue
        name, equals, value = item.partition("=")
        name = name.strip().lower() if name.isupper() else name.strip()
        try:
            if not (name and equals):
                raise ValueError
            if value.strip() == "-1":
                counts[name] = -1
            elif name in MEMORY:
                counts[name] = _fraction(value) if "." in value or value[-1:] in "PE" else parse_mem(value)
            else:
                counts[name] = parse_count(value)
        except ValueError:
            raise SlurmError("ESLURM_INVALID_TRES") from None
    return counts


def _fraction(text: str) -> int:
    """MiB of ``62.50G``, which is how they are printed. Raises ValueError."""
    number, unit = text.strip()[:-1], text.strip()[-1:].upper()
    return round(float(number) * 1024 ** "MGTPE".index(unit))


def format(counts: Mapping[str, int], zeros: bool = False) -> str:
    """The text of counts in Slurm's order; zero counts are left out unless `zeros`."""
    return ",".join(
        f"{name}={format_mem(counts[name]) if name in MEMORY else counts[name]}"
        for name in sorted(counts, key=order_key)
        if counts[name] or zeros
    )


def add(*several: Mapping[str, int]) -> dict[str, int]:
    """The sum of counts."""
    total: dict[str, int] = {}
    for counts in several:
        for name, value in counts.items():
            total[name] = total.get(name, 0) + value
    return total


def subtract(left: Mapping[str, int], right: Mapping[str, int]) -> dict[str, int]:
    """`left` less `right`, never below zero."""
    return {name: max(value - right.get(name, 0), 0) for name, value in left.items()}


def parse_count(text: str) -> int:
    """``2``, ``2K`` (2048). Raises ValueError."""
    digits = text.strip().upper()
    unit = digits[-1:] if digits[-1:] in _MULTIPLIERS else ""
    digits = digits.removesuffix(unit)
    if not (digits.isdecimal() and digits.isascii()):
        raise ValueError(f"not a count: {text}")
    return int(digits) * _MULTIPLIERS[unit]


def parse_gres(text: str) -> tuple[tuple[str, str, int], ...]:
    """(name, type or "", count) of each item of ``gpu``, ``gpu:2``, ``gpu:a100:2``, ``gres/gpu=2``, ``gres:gpu:2``.

    Raises SlurmError ESLURM_INVALID_GRES.
    """
    items = []
    for item in text.split(","):
        words = item.strip().removeprefix("gres/").removeprefix("gres:").replace("=", ":").split(":")
        count = 1
        if len(words) > 1 and words[-1][:1].isdigit():
            try:
                count = parse_count(words[-1])
            except ValueError:  # a type that begins with a digit
                pass
            else:
                words.pop()
        if not 1 <= len(words) <= 2 or not all(words):
            raise SlurmError("ESLURM_INVALID_GRES")
        items.append((words[0], words[1] if len(words) > 1 else "", count))
    return tuple(items)


def canonical_gres(text: str) -> str:
    """A request as the controller keeps it: each item with its ``gres/`` and otherwise as written."""
    items = (item.strip().removeprefix("gres:").removeprefix("gres/") for item in text.split(","))
    return ",".join(f"gres/{item}" for item in items if item)


def gres_counts(items: Iterable[tuple[str, str, int]], types: bool = True) -> dict[str, int]:
    """Counts as TRES: of each name, and (with `types`) of each typed one as well."""
    counts: dict[str, int] = {}
    for name, kind, count in items:
        counts[f"gres/{name}"] = counts.get(f"gres/{name}", 0) + count
        if kind and types:
            counts[f"gres/{name}:{kind}"] = counts.get(f"gres/{name}:{kind}", 0) + count
    return counts
