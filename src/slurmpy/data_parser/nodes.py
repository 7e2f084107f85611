"""Nodes (``node``)."""

from __future__ import annotations

from slurmpy.core.records.cluster import NodeInfo

from .kinds import CSV, DOUBLE, EMPTY_OBJECT, INT32, INT64, NODE_STATES, SET32, UINT64
from .lists import ListOf
from .tables import Field as F
from .tables import Table
from .types import STRING


def _idle_cpus(node: NodeInfo) -> int:
    return node.effective_cpus - node.alloc_cpus


def _no_energy(node: NodeInfo) -> dict[str, int]:
    """Nothing here measures energy: all its figures are zero."""
    return {}


ACCT_GATHER_ENERGY = Table(
    "acct_gather_energy",
    dict,
    (
        F("average_watts", INT32),
        F("base_consumed_energy", INT64),
        F("consumed_energy", INT64),
        F("current_watts", SET32),
        F("previous_consumed_energy", INT64),
        F("last_collected", INT64),
    ),
)

NODE = Table(
    "node",
    NodeInfo,
    (
        F("architecture", STRING),
        F("burstbuffer_network_address", STRING),
        F("boards", INT32),
        F("boot_time", UINT64),
        F("cluster_name", STRING),
        F("cores", INT32),
        F("specialized_cores", INT32),
        F("cpu_binding", INT32),
        F("cpu_load", INT32),
        F("free_mem", UINT64),
        F("cpus", INT32),
        F("effective_cpus", INT32),
        F("specialized_cpus", STRING),
        F("energy", ACCT_GATHER_ENERGY, get=_no_energy),
        F("external_sensors", EMPTY_OBJECT, ""),
        F("extra", STRING),
        F("power", EMPTY_OBJECT, ""),
        F("features", CSV),
        F("active_features", CSV),
        F("gpu_spec", STRING),
        F("gres", STRING),
        F("gres_drained", STRING),
        F("gres_used", STRING),
        F("instance_id", STRING),
        F("instance_type", STRING),
        F("last_busy", UINT64),
        F("mcs_label", STRING),
        F("specialized_memory", INT64),
        F("name", STRING),
        F("next_state_after_reboot", NODE_STATES),
        F("address", STRING),
        F("hostname", STRING),
        F("state", NODE_STATES),
        F("operating_system", STRING),
        F("owner", STRING),
        F("partitions", CSV),
        F("port", INT32),
        F("real_memory", INT64),
        F("res_cores_per_gpu", INT32),
        F("comment", STRING),
        F("reason", STRING),
        F("reason_changed_at", UINT64),
        F("reason_set_by_user", STRING),
        F("resume_after", UINT64),
        F("reservation", STRING),
        F("alloc_memory", INT64),
        F("alloc_cpus", INT32),
        F("alloc_idle_cpus", INT32, get=_idle_cpus),
        F("tres_used", STRING),
        F("tres_weighted", DOUBLE),
        F("slurmd_start_time", UINT64),
        F("sockets", INT32),
        F("threads", INT32),
        F("temporary_disk", INT32),
        F("weight", INT32),
        F("tres", STRING),
        F("version", STRING),
    ),
)
NODES = ListOf(NODE, "nodes")
