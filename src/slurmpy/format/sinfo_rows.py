"""How sinfo puts nodes together: one row for the nodes of a partition that look alike in the columns shown."""

from __future__ import annotations

from . import sinfo_state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ..core.records.cluster import NodeInfo, PartitionInfo
    from ..core.records.sinfo import SinfoRow


class Row:
    """One line: a partition (the first that led here) and nodes of it that look alike; there may be none."""

    __slots__ = ("names", "nodes", "order", "partition")

    def __init__(self, partition: PartitionInfo | None, order: int) -> None:
        self.partition = partition
        self.order = order
        self.nodes: list[NodeInfo] = []
        self.names: set[str] = set()

    def add(self, node: NodeInfo) -> None:
        """Takes a node, once."""
        if node.name not in self.names:
            self.names.add(node.name)
            self.nodes.append(node)

    @property
    def node(self) -> NodeInfo | None:
        return self.nodes[0] if self.nodes else None

    def span(self, field: str) -> tuple[Any, Any]:
        """The smallest and the largest value of a field; None counts as more than any, but as no load."""
        values = [getattr(node, field) for node in self.nodes]
        if field == "cpu_load":
            values = [value or 0 for value in values]
        if not values:
            return 0, 0
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            return (min(known) if known else None), None
        return min(known), max(known)

    def node_counts(self) -> tuple[int, int, int, int]:
        """Nodes allocated, idle, other, in total."""
        allocated = other = 0
        for node in self.nodes:
            if sinfo_state.is_allocated(node.state):
                allocated += 1
            elif sinfo_state.is_unavailable(node.state):
                other += 1
        total = len(self.nodes)
        return allocated, total - allocated - other, other, total

    def cpu_counts(self) -> tuple[int, int, int, int]:
        """CPUs allocated, idle, other, in total."""
        allocated = idle = other = 0
        for node in self.nodes:
            allocated += node.alloc_cpus
            rest = max(0, node.cpus - node.alloc_cpus)
            if sinfo_state.is_unavailable(node.state):
                other += rest
            else:
                idle += rest
        return allocated, idle, other, sum(node.cpus for node in self.nodes)


class Grouping:
    """By what nodes are told apart.

    by_partition, by_node: functions of the record whose values must agree within a row; per_node: every node and
    partition has a row of its own (-N); empty: a partition of which no node is shown has a row, too.
    """

    def __init__(
        self,
        by_partition: Iterable[Callable[[PartitionInfo], Any]],
        by_node: Iterable[Callable[[NodeInfo], Any]],
        per_node: bool,
        empty: bool,
    ) -> None:
        self.by_partition = tuple(by_partition)
        self.by_node = tuple(by_node)
        self.per_node = per_node
        self.empty = empty

    def rows(
        self, partitions: list[PartitionInfo], nodes: dict[str, NodeInfo], shown: Callable[[NodeInfo], bool]
    ) -> list[Row]:
        """The rows, in the order in which their first nodes come up."""
        from ..core import hostlist

        rows: dict[Any, Row] = {}
        node_keys: dict[str, Any] = {}
        for name, node in nodes.items():
            if shown(node):
                node_keys[name] = name if self.per_node else tuple([key(node) for key in self.by_node])
        for order, partition in enumerate(partitions):
            own = partition.name if self.per_node else tuple([key(partition) for key in self.by_partition])
            members = hostlist.expand(partition.nodes) if partition.nodes else []
            some = False
            for name in members:
                if name not in node_keys:
                    continue
                some = True
                key = (own, node_keys[name])
                row = rows.get(key)
                if row is None:
                    row = rows[key] = Row(partition, order)
                row.add(nodes[name])
            if not some and self.empty:
                rows.setdefault((own, None), Row(partition, order))
        return list(rows.values())


def record(row: Row) -> SinfoRow:
    """A row as the record that --json and --yaml show."""
    from ..core.records.cluster import NodeInfo, PartitionInfo
    from ..core.records.sinfo import SinfoRow

    # a row without nodes is all zeros, and of the user of that number
    nothing = dict.fromkeys(("boards", "sockets", "cores", "threads", "cpus", "real_memory", "weight"), 0)
    node = row.node or NodeInfo(reason_set_by_user="root", **nothing)
    if node.reason and not node.reason_set_by_user:
        node = node.copy(reason_set_by_user="root")  # it stands in slurm.conf
    partition = row.partition or PartitionInfo()
    if partition.cluster:
        partition = partition.copy(cluster="")
    values: dict[str, Any] = {
        "node": node,
        "partition": partition,
        "nodes": tuple(row.nodes),
        "node_names": tuple(one.name for one in row.nodes),
        "alloc_memory": node.alloc_memory,
    }
    counts = (*row.node_counts(), *row.cpu_counts())
    names = ("allocated", "idle", "other", "total")
    values.update(zip([f"{kind}_{name}" for kind in ("nodes", "cpus") for name in names], counts, strict=True))
    for name, field in (
        ("cpus", "cpus"), ("cpu_load", "cpu_load"), ("sockets", "sockets"), ("cores", "cores"), ("threads", "threads"),
        ("disk", "temporary_disk"), ("memory", "real_memory"), ("free_mem", "free_mem"), ("weight", "weight"),
    ):  # fmt: skip
        values[name] = row.span(field)
    return SinfoRow(**values)
