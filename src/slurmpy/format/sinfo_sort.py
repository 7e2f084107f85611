"""The orders that sinfo -S knows: letters, the most important first, ``-`` for the opposite, ``#P`` for the configured
one."""

from __future__ import annotations

from .order import natural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..core.records.cluster import PartitionInfo
    from .sinfo_rows import Row

DEFAULT = "#P,-t"
BY_NODE = "N"


def _node(field: str) -> tuple[str, str, Callable[[Row], Any]]:
    def key(row: Row) -> Any:
        value = getattr(row.nodes[0], field) if row.nodes else None
        return (value is not None, value if value is not None else 0)

    return field, "", key


def _least(field: str) -> tuple[str, str, Callable[[Row], Any]]:
    def key(row: Row) -> Any:
        low = row.span(field)[0]
        return (low is None, low or 0)

    return field, "", key


def _partition(field: str) -> tuple[str, str, Callable[[Row], Any]]:
    def key(row: Row) -> Any:
        value = getattr(row.partition, field)
        return (value is not None, value if value is not None else 0)

    return "", field, key


def _job_size(partition: PartitionInfo) -> Any:
    return (partition.min_nodes, partition.max_nodes)


def _names(row: Row) -> Any:
    return natural(row.nodes[0].name) if row.nodes else ("", -1, "")


def _state(row: Row) -> int:
    return row.nodes[0].state if row.nodes else 0


#: letter: (fields of nodes, fields of partitions, key)
KEYS: dict[str, tuple[str, str, Callable[[Row], Any]]] = {
    "a": _partition("state"),
    "A": ("state", "", lambda row: row.node_counts()[0]),
    "b": _node("active_features"),
    "B": _partition("max_cpus_per_node"),
    "c": _least("cpus"),
    "C": ("state cpus alloc_cpus", "", lambda row: row.cpu_counts()[0]),
    "d": _least("temporary_disk"),
    "D": ("state", "", lambda row: len(row.nodes)),
    "e": _least("free_mem"),
    "E": _node("reason"),
    "f": _node("features"),
    "F": ("state", "", lambda row: row.node_counts()[0]),
    "g": _partition("allow_groups"),
    "G": _node("gres"),
    "h": _partition("oversubscribe"),
    "H": _node("reason_changed_at"),
    "l": _partition("max_time"),
    "L": _partition("default_time"),
    "m": _least("real_memory"),
    "M": _partition("preempt_mode"),
    "n": _node("hostname"),
    "N": ("", "", _names),
    "o": _node("address"),
    "O": _least("cpu_load"),
    "p": _partition("priority_tier"),
    "P": ("", "", lambda row: row.partition.name if row.partition else ""),
    "r": _partition("root_only"),
    "R": ("", "", lambda row: row.partition.name if row.partition else ""),
    "s": ("", "min_nodes max_nodes", lambda row: _job_size(row.partition) if row.partition else (0, 0)),
    "S": _partition("priority_tier"),
    "t": ("state", "", _state),
    "T": ("state", "", _state),
    "u": _node("reason_set_by_user"),
    "U": _node("reason_set_by_user"),
    "v": _node("version"),
    "V": ("", "", lambda row: 0),
    "w": _least("weight"),
    "X": _least("sockets"),
    "Y": _least("cores"),
    "Z": _least("threads"),
    "z": ("sockets cores threads", "", lambda row: tuple(row.span(one)[0] for one in ("sockets", "cores", "threads"))),
}


class Order:
    """A parsed sort text. Letters that nothing sorts by are left out, as Slurm does."""

    def __init__(self, text: str) -> None:
        self.keys: list[tuple[Callable[[Row], Any], bool]] = []
        nodes: dict[str, None] = {}
        partitions: dict[str, None] = {}
        reverse = configured = False
        for letter in text:
            if letter == "-":
                reverse = True
                continue
            if letter == "#":
                configured = True
                continue
            if letter in KEYS:
                node_fields, partition_fields, key = KEYS[letter]
                if configured and letter == "P":
                    key = _configured
                nodes.update(dict.fromkeys(node_fields.split()))
                partitions.update(dict.fromkeys(partition_fields.split()))
                self.keys.append((key, reverse))
            if letter != "+":
                reverse = configured = False
        self.nodes, self.partitions = tuple(nodes), tuple(partitions)

    def sort(self, rows: list[Row]) -> list[Row]:
        for key, reverse in reversed(self.keys):
            rows = sorted(rows, key=key, reverse=reverse)
        return rows


def _configured(row: Row) -> int:
    return row.order
