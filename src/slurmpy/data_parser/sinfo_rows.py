"""The rows of ``sinfo --json``: groups of nodes of a partition that look alike.

A row is a dictionary with the attribute names of the table below; ``partition`` is a PartitionInfo, ``state`` a
number of NodeState, ranges are two numbers (``cpus_minimum``, ``cpus_maximum``). The caller counts.
"""

from __future__ import annotations

from .kinds import CSV, INT32, INT64, NODE_STATES, UINT32, UINT64
from .lists import ListOf
from .partitions import PARTITION_INFO
from .tables import Field as F
from .tables import Table
from .types import STRING

SINFO = Table(
    "sinfo",
    dict,
    (
        F("port", INT32),
        F("node/state", NODE_STATES, "state"),
        F("nodes/allocated", INT32, "nodes_allocated"),
        F("nodes/idle", INT32, "nodes_idle"),
        F("nodes/other", INT32, "nodes_other"),
        F("nodes/total", INT32, "nodes_total"),
        F("nodes/hostnames", CSV, "hostnames"),
        F("nodes/addresses", CSV, "addresses"),
        F("nodes/nodes", CSV, "nodes"),
        F("cpus/allocated", INT32, "cpus_allocated"),
        F("cpus/idle", INT32, "cpus_idle"),
        F("cpus/other", INT32, "cpus_other"),
        F("cpus/total", INT32, "cpus_total"),
        F("cpus/minimum", INT32, "cpus_minimum"),
        F("cpus/maximum", INT32, "cpus_maximum"),
        F("cpus/load/minimum", INT32, "load_minimum"),
        F("cpus/load/maximum", INT32, "load_maximum"),
        F("cpus/per_node/max", UINT32, "max_cpus_per_node"),
        F("sockets/minimum", INT32, "sockets_minimum"),
        F("sockets/maximum", INT32, "sockets_maximum"),
        F("cores/minimum", INT32, "cores_minimum"),
        F("cores/maximum", INT32, "cores_maximum"),
        F("threads/minimum", INT32, "threads_minimum"),
        F("threads/maximum", INT32, "threads_maximum"),
        F("disk/minimum", INT32, "disk_minimum"),
        F("disk/maximum", INT32, "disk_maximum"),
        F("memory/minimum", INT64, "memory_minimum"),
        F("memory/maximum", INT64, "memory_maximum"),
        F("memory/free/minimum", UINT64, "free_minimum"),
        F("memory/free/maximum", UINT64, "free_maximum"),
        F("memory/allocated", INT64, "memory_allocated"),
        F("weight/minimum", INT32, "weight_minimum"),
        F("weight/maximum", INT32, "weight_maximum"),
        F("features/total", STRING, "features"),
        F("features/active", STRING, "active_features"),
        F("gres/total", STRING, "gres"),
        F("gres/used", STRING, "gres_used"),
        F("cluster", STRING),
        F("comment", STRING),
        F("extra", STRING),
        F("reason/description", STRING, "reason"),
        F("reason/time", INT64, "reason_time"),
        F("reason/user", STRING, "reason_user"),
        F("reservation", STRING),
        F("resource_spec/cpus", STRING, "specialized_cpus"),
        F("resource_spec/memory", INT64, "specialized_memory"),
        F("partition", PARTITION_INFO),
    ),
)
SINFO_ROWS = ListOf(SINFO, "sinfo_rows")
