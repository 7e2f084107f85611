"""A row of sinfo: nodes of one partition that look alike, and what they have together."""

from __future__ import annotations

from .base import Record
from .cluster import NodeInfo, PartitionInfo


class SinfoRow(Record):
    """Pairs are (lowest, highest); ``node`` is the first of the row, of which what they share is taken."""

    node: NodeInfo = NodeInfo()
    partition: PartitionInfo = PartitionInfo()
    nodes: tuple[NodeInfo, ...] = ()
    node_names: tuple[str, ...] = ()
    hostnames: tuple[str, ...] = ()  # only where the row is told apart by them
    addresses: tuple[str, ...] = ()
    nodes_allocated: int = 0
    nodes_idle: int = 0
    nodes_other: int = 0
    nodes_total: int = 0
    cpus_allocated: int = 0
    cpus_idle: int = 0
    cpus_other: int = 0
    cpus_total: int = 0
    cpus: tuple[int, int] = (0, 0)
    cpu_load: tuple[int | None, int | None] = (0, 0)
    sockets: tuple[int, int] = (0, 0)
    cores: tuple[int, int] = (0, 0)
    threads: tuple[int, int] = (0, 0)
    disk: tuple[int, int] = (0, 0)
    memory: tuple[int, int] = (0, 0)
    free_mem: tuple[int | None, int | None] = (None, None)
    weight: tuple[int, int] = (0, 0)
    alloc_memory: int = 0
