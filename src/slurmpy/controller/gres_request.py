"""Generic resources as jobs ask for them and as nodes have them: ``gpu:a100:2``, ``gres/gpu:2``, ``gres/gpu=2``."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from slurmpy.core import tres
from slurmpy.core.errors import SlurmError

if TYPE_CHECKING:
    from slurmpy.controller.state import Node

#: (name, type or "", count)
Gres = tuple[str, str, int]


@lru_cache(maxsize=1024)
def parse(text: str) -> tuple[Gres, ...]:
    """``"gres/gpu:a100:2,gres/shard:1"`` -> (name, type, count) each; raises ESLURM_INVALID_GRES."""
    return tres.parse_gres(",".join(item for item in text.split(",") if item.strip()))


def canonical(wanted: tuple[Gres, ...], separator: str = ":") -> str:
    """The form that Slurm shows: ``gres/gpu:a100:2``; tres_per_task has ``=`` before the count."""
    return ",".join(f"gres/{name}{':' + kind if kind else ''}{separator}{count}" for name, kind, count in wanted)


def check_names(text: str | None, known: frozenset[str]) -> None:
    """Raise ESLURM_INVALID_GRES for a name that GresTypes does not have."""
    if not text:
        return
    for name, _, _ in parse(text):
        if name not in known:
            raise SlurmError("ESLURM_INVALID_GRES")


def node_total(node: Node, name: str, kind: str) -> int:
    """How many of the kind the node has at all; an empty kind counts every type."""
    return sum(entry[2] for entry in node._gres if entry[0] == name and (not kind or entry[1] == kind))


def node_free(node: Node, name: str, kind: str) -> int:
    """How many of the kind no job holds."""
    return sum(_free_count(node, entry) for entry in node._gres if entry[0] == name and (not kind or entry[1] == kind))


def _free_count(node: Node, entry: tuple[str, str, int, tuple[int, ...]]) -> int:
    used = node._gres_used.get((entry[0], entry[1]), 0)
    return entry[2] - (used.bit_count() if entry[3] else used)


def pick(node: Node, wanted: tuple[Gres, ...]) -> tuple[tuple[str, str, int, tuple[int, ...]], ...] | None:
    """Devices for a request on one node, lowest indices first: (name, type, count, indices); None if too few."""
    taken: list[tuple[str, str, int, tuple[int, ...]]] = []
    extra_used: dict[tuple[str, str], int] = {}
    for name, kind, count in wanted:
        left = count
        for entry in node._gres:
            if left <= 0:
                break
            if entry[0] != name or (kind and entry[1] != kind):
                continue
            key = (entry[0], entry[1])
            used = node._gres_used.get(key, 0)
            if entry[3]:
                used |= extra_used.get(key, 0)
                free = [index for index in entry[3] if not used >> index & 1][:left]
                if free:
                    extra_used[key] = extra_used.get(key, 0) | sum(1 << index for index in free)
                    taken.append((entry[0], entry[1], len(free), tuple(free)))
                    left -= len(free)
            else:
                free_count = min(left, entry[2] - used - extra_used.get(key, 0))
                if free_count > 0:
                    extra_used[key] = extra_used.get(key, 0) + free_count
                    taken.append((entry[0], entry[1], free_count, ()))
                    left -= free_count
        if left > 0:
            return None
    return tuple(taken)


def all_of(node: Node) -> tuple[tuple[str, str, int, tuple[int, ...]], ...]:
    """Everything of the node, for a job that has it for itself."""
    return tuple(node._gres)


def describe(taken: tuple[tuple[str, str, int, tuple[int, ...]], ...]) -> str:
    """One node's devices as `gres_detail` shows them: ``gpu:a100:2(IDX:0-1)``."""
    shown = []
    for name, kind, count, indices in taken:
        text = f"{name}:{kind}:{count}" if kind else f"{name}:{count}"
        if indices:
            text += f"(IDX:{ranges(indices)})"
        shown.append(text)
    return ",".join(shown)


def ranges(numbers: tuple[int, ...] | list[int]) -> str:
    """Ascending numbers as ``0-1,4``."""
    parts: list[str] = []
    start = previous = -2
    for number in (*numbers, -9):
        if number == previous + 1:
            previous = number
            continue
        if start >= 0:
            parts.append(str(start) if start == previous else f"{start}-{previous}")
        start = previous = number
    return ",".join(parts)
