"""Partitions (``partition_info``)."""

from __future__ import annotations

from typing import Any

from slurmpy.core.records.cluster import PartitionInfo

from .kinds import CR_TYPE, INT32, INT64, UINT16, UINT32, UINT64, first_name, one_name
from .lists import Flags, ListOf
from .tables import Field as F
from .tables import Table
from .types import STRING

#: marks a memory limit in the old combined fields as one a CPU; makes the number negative
_PER_CPU = -(2**63)
#: marks the number of a sharing partition as FORCE
_FORCE = 0x8000

OVERSUBSCRIBE_FLAGS = Flags("oversubscribe_flags", ("force",))
PARTITION_STATES = Flags("partition_states", ("INACTIVE", "UNKNOWN", "UP", "DOWN", "DRAIN"), one_name, first_name)


def _def_mem(part: PartitionInfo) -> int:
    return part.def_mem_per_node or 0 if part.def_mem_per_cpu is None else _PER_CPU + part.def_mem_per_cpu


def _max_mem(part: PartitionInfo) -> int:
    return part.max_mem_per_node or 0 if part.max_mem_per_cpu is None else _PER_CPU + part.max_mem_per_cpu


def _def_mem_per_node(part: PartitionInfo) -> int | None:
    return part.def_mem_per_node or 0 if part.def_mem_per_cpu is None else None


def _max_mem_per_node(part: PartitionInfo) -> int | None:
    return part.max_mem_per_node or 0 if part.max_mem_per_cpu is None else None


def _put_def_mem_per_node(values: dict[str, Any], value: int | None) -> None:
    values["def_mem_per_node"] = value or None


def _put_max_mem_per_node(values: dict[str, Any], value: int | None) -> None:
    values["max_mem_per_node"] = value or None


def _oversubscribe_jobs(part: PartitionInfo) -> int:
    kind, _, count = part.oversubscribe.partition(":")
    if kind == "EXCLUSIVE":
        return 0
    return 1 if kind == "NO" else int(count or 4)


def _oversubscribe_flags(part: PartitionInfo) -> tuple[str, ...]:
    return ("force",) if part.oversubscribe.startswith("FORCE") else ()


def _shares(part: PartitionInfo) -> int:
    return _oversubscribe_jobs(part) | (_FORCE if _oversubscribe_flags(part) else 0)


def _put_shares(values: dict[str, Any], value: int) -> None:
    if value & _FORCE:
        values["oversubscribe"] = f"FORCE:{value & ~_FORCE}"
    elif value > 1:
        values["oversubscribe"] = f"YES:{value}"
    else:
        values["oversubscribe"] = "NO" if value else "EXCLUSIVE"


PARTITION_INFO = Table(
    "partition_info",
    PartitionInfo,
    (
        F("nodes/allowed_allocation", STRING, "allow_alloc_nodes"),
        F("nodes/configured", STRING, "nodes"),
        F("nodes/total", INT32, "total_nodes"),
        F("accounts/allowed", STRING, "allow_accounts"),
        F("accounts/deny", STRING, "deny_accounts"),
        F("groups/allowed", STRING, "allow_groups"),
        F("qos/allowed", STRING, "allow_qos"),
        F("qos/deny", STRING, "deny_qos"),
        F("qos/assigned", STRING, "qos"),
        F("alternate", STRING),
        F("tres/billing_weights", STRING, "billing_weights"),
        F("tres/configured", STRING, "tres"),
        F("cluster", STRING),
        F("select_type", CR_TYPE, ""),
        F("cpus/task_binding", INT32, "cpu_binding"),
        F("cpus/total", INT32, "total_cpus"),
        F("defaults/memory_per_cpu", INT64, get=_def_mem),
        F("defaults/partition_memory_per_cpu", UINT64, "def_mem_per_cpu"),
        F("defaults/partition_memory_per_node", UINT64, get=_def_mem_per_node, put=_put_def_mem_per_node),
        F("defaults/time", UINT32, "default_time"),
        F("defaults/job", STRING, "job_defaults"),
        F("grace_time", INT32),
        F("maximums/cpus_per_node", UINT32, "max_cpus_per_node"),
        F("maximums/cpus_per_socket", UINT32, "max_cpus_per_socket"),
        F("maximums/memory_per_cpu", INT64, get=_max_mem),
        F("maximums/partition_memory_per_cpu", UINT64, "max_mem_per_cpu"),
        F("maximums/partition_memory_per_node", UINT64, get=_max_mem_per_node, put=_put_max_mem_per_node),
        F("maximums/nodes", UINT32, "max_nodes"),
        F("maximums/shares", INT32, get=_shares, put=_put_shares),
        F("maximums/oversubscribe/jobs", INT32, get=_oversubscribe_jobs),
        F("maximums/oversubscribe/flags", OVERSUBSCRIBE_FLAGS, get=_oversubscribe_flags),
        F("maximums/time", UINT32, "max_time"),
        F("maximums/over_time_limit", UINT16, "over_time_limit"),
        F("minimums/nodes", INT32, "min_nodes"),
        F("name", STRING),
        F("node_sets", STRING),
        F("priority/job_factor", INT32, "priority_job_factor"),
        F("priority/tier", INT32, "priority_tier"),
        F("timeouts/resume", UINT16, "resume_timeout"),
        F("timeouts/suspend", UINT16, "suspend_timeout"),
        F("partition/state", PARTITION_STATES, "state"),
        F("suspend_time", UINT32),
    ),
)
PARTITION_INFO_MSG = ListOf(PARTITION_INFO, "partition_info_msg")
