"""Nodes, partitions, reservations, licenses, and what slurmctld tells about itself."""

from __future__ import annotations

from typing import Any

from slurmpy.core.records.cluster import LicenseInfo, NodeInfo, PartitionInfo, ReservationInfo
from slurmpy.core.states import NodeState

from ..kinds import NODE_STATES
from ..lists import ListOf
from ..reservations import RESERVATION_FLAGS
from ..tables import Field as F
from .types import (
    BOOL,
    INT,
    INT_OR_NULL,
    LONG,
    TEXT,
    TEXT_OR_NULL,
    TEXTS,
    Choice,
    Constant,
    FlatTable,
    Names,
    Omitted,
    Real,
    Whole,
)

# ---- nodes

_BASES = {number: name.lower() for number, name in NodeState.NAMES.items()}
_STATE_FLAGS = tuple(name for name in NODE_STATES.choices[1:] if name.lower() not in _BASES.values())
BASE_STATE = Choice(_BASES, None, fallback="invalid")
STATE_FLAGS = Names(
    "node_state_flags",
    (
        "CLOUD", "COMPLETING", "DRAIN", "DYNAMIC_FUTURE", "DYNAMIC_NORM", "INVALID_REG", "FAIL", "MAINTENANCE",
        "POWER_DOWN", "POWER_UP", "POWER_DRAIN", "POWERED_DOWN", "REBOOT_REQUESTED", "REBOOT_ISSUED", "RESERVED",
        "RESUME", "NOT_RESPONDING", "UNDRAIN", "PLANNED", "POWERING_UP", "POWERING_DOWN", "REBOOT_CANCELED",
    ),
    lambda value: tuple(name for name in _STATE_FLAGS if value and value & getattr(NodeState, name)),
    lambda names: _union(names),
    ordered=True,
)  # fmt: skip


def _union(names: tuple[str, ...]) -> int:
    number = 0
    for name in names:
        number |= int(getattr(NodeState, name))
    return number


def _base(attr: str) -> Any:
    def base(node: NodeInfo) -> int | None:
        state = getattr(node, attr)
        return None if state is None else state & NodeState.BASE

    return base


def _flags(attr: str) -> Any:
    def flags(node: NodeInfo) -> int | None:
        state: int | None = getattr(node, attr)
        return state

    return flags


def _put_state(attr: str) -> Any:
    def put(values: dict[str, Any], value: int | None) -> None:
        if value is not None:
            values[attr] = (values.get(attr) or 0) | value

    return put


def _put_flags(attr: str) -> Any:
    def put(values: dict[str, Any], value: int) -> None:
        if value or values.get(attr) is not None:
            values[attr] = (values.get(attr) or 0) | value

    return put


def _idle_cpus(node: NodeInfo) -> int:
    return node.effective_cpus - node.alloc_cpus


class _Features(ListOf):
    """Features of a node: text with commas in the document, a tuple in the record."""

    def schema(self, reference: Any) -> dict[str, Any]:
        return {"type": "string"}

    def dump_at(self, value: Any, now: float) -> str:
        return ",".join(value or ())

    def json_code(self, c: Any, value: str, indent: int) -> str:
        return TEXT.json_code(c, f"','.join({value} or ())", indent)

    def yaml_code(self, c: Any, value: str, indent: int, column: int) -> str:
        return TEXT.yaml_code(c, f"','.join({value} or ())", indent, column)


FEATURES = _Features(TEXT)
#: Slurm's 32-bit «not set»
_NO_VAL = 0xFFFFFFFE
_UNDOCUMENTED_OF_NODES = dict.fromkeys(("comment", "extra", "last_busy"))

NODE = FlatTable(
    "node",
    NodeInfo,
    (
        F("architecture", TEXT),
        F("burstbuffer_network_address", TEXT),
        F("boards", INT),
        F("boot_time", LONG),
        F("comment", TEXT),
        F("cores", INT),
        F("cpu_binding", INT),
        F("cpu_load", Whole("int64", none=_NO_VAL)),
        F("extra", TEXT),
        F("free_memory", Whole(none=-2), "free_mem"),
        F("cpus", INT),
        F("last_busy", LONG),
        F("features", FEATURES),
        F("active_features", FEATURES),
        F("gres", TEXT),
        F("gres_drained", TEXT),
        F("gres_used", TEXT),
        F("mcs_label", TEXT),
        F("name", TEXT),
        F(
            "next_state_after_reboot",
            BASE_STATE,
            get=_base("next_state_after_reboot"),
            put=_put_state("next_state_after_reboot"),
        ),
        F("address", TEXT),
        F("hostname", TEXT),
        F("state", BASE_STATE, get=_base("state"), put=_put_state("state")),
        F("state_flags", STATE_FLAGS, get=_flags("state"), put=_put_flags("state")),
        F(
            "next_state_after_reboot_flags",
            STATE_FLAGS,
            get=_flags("next_state_after_reboot"),
            put=_put_flags("next_state_after_reboot"),
        ),
        F("operating_system", TEXT),
        F("owner", TEXT_OR_NULL),
        F("partitions", TEXTS),
        F("port", INT),
        F("real_memory", INT),
        F("reason", TEXT),
        F("reason_changed_at", INT),
        F("reason_set_by_user", TEXT_OR_NULL),
        F("slurmd_start_time", LONG),
        F("sockets", INT),
        F("threads", INT),
        F("temporary_disk", INT),
        F("weight", INT),
        F("tres", TEXT),
        F("slurmd_version", TEXT, "version"),
        F("alloc_memory", LONG),
        F("alloc_cpus", LONG),
        F("idle_cpus", LONG, get=_idle_cpus),
        F("tres_used", TEXT_OR_NULL),
        F("tres_weighted", Real("double")),
    ),
    documented=_UNDOCUMENTED_OF_NODES,
)

# ---- partitions

#: what a partition is -> word, in the documents' order
_PARTITION_FLAGS = {
    "default": "default",
    "hidden": "hidden",
    "disable_root_jobs": "no_root",
    "root_only": "root_only",
    "req_resv": "reservation_required",
    "lln": "least_loaded_nodes",
    "exclusive_user": "exclusive_user",
    "power_down_on_idle": "power_down_on_idle",
}
PARTITION_FLAGS = Names("partition_flags", tuple(_PARTITION_FLAGS.values()))


def _partition_flags(partition: PartitionInfo) -> tuple[str, ...]:
    return tuple(word for attr, word in _PARTITION_FLAGS.items() if getattr(partition, attr))


def _put_partition_flags(values: dict[str, Any], words: tuple[str, ...]) -> None:
    values |= {attr: True for attr, word in _PARTITION_FLAGS.items() if word in words}


#: mode -> word
PREEMPTION = {
    "SUSPEND": "suspend", "REQUEUE": "requeue", "CANCEL": "cancel", "GANG": "gang_schedule",
    "WITHIN": "within", "OFF": "disabled",
}  # fmt: skip
_MODES = {word: mode for mode, word in PREEMPTION.items()}


def modes_of(value: Any) -> tuple[str, ...]:
    return tuple(PREEMPTION.get(mode.upper(), "") for mode in (value or "OFF").split(","))


def mode_of(words: tuple[str, ...]) -> str:
    return "" if words in ((), ("disabled",)) else ",".join(_MODES[word] for word in words)


PREEMPTION_MODE = Names("preemption_mode", tuple(PREEMPTION.values()), modes_of, mode_of)
LIMIT = Whole(infinite=-1)
LONG_LIMIT = Whole("int64", infinite=-1)
LONG_OR_NULL = Whole("int64")

PARTITION = FlatTable(
    "partition_info",
    PartitionInfo,
    (
        F("flags", PARTITION_FLAGS, get=_partition_flags, put=_put_partition_flags),
        F("preemption_mode", PREEMPTION_MODE, "preempt_mode"),
        F("allowed_allocation_nodes", TEXT, "allow_alloc_nodes"),
        F("allowed_accounts", TEXT, "allow_accounts"),
        F("allowed_groups", TEXT, "allow_groups"),
        F("allowed_qos", TEXT, "allow_qos"),
        F("alternative", TEXT, "alternate"),
        F("billing_weights", TEXT),
        F("default_memory_per_cpu", LONG_OR_NULL, "def_mem_per_cpu"),
        F("default_memory_per_node", LONG_OR_NULL, "def_mem_per_node"),
        F("default_time_limit", LONG_LIMIT, "default_time"),
        F("denied_accounts", TEXT, "deny_accounts"),
        F("denied_qos", TEXT, "deny_qos"),
        F("preemption_grace_time", LONG, "grace_time"),
        F("maximum_cpus_per_node", LIMIT, "max_cpus_per_node"),
        F("maximum_memory_per_cpu", LONG_OR_NULL, "max_mem_per_cpu"),
        F("maximum_memory_per_node", LONG_OR_NULL, "max_mem_per_node"),
        F("maximum_nodes_per_job", LIMIT, "max_nodes"),
        F("max_time_limit", LONG_LIMIT, "max_time"),
        F("min nodes per job", INT, "min_nodes"),
        F("name", TEXT),
        F("nodes", TEXT),
        F("over_time_limit", INT_OR_NULL),
        F("priority_job_factor", INT),
        F("priority_tier", INT),
        F("qos", TEXT),
        F("state", TEXT),
        F("total_cpus", INT),
        F("total_nodes", INT),
        F("tres", TEXT),
    ),
    documented={"min nodes per job": None, "min_nodes_per_job": {"type": "integer"}},
)

# ---- reservations, licenses

PURGE_COMPLETED = FlatTable("", dict, (F("time", INT),))


def _purge(reservation: ReservationInfo) -> dict[str, int] | None:
    return None if reservation.purge_comp_time is None else {"time": reservation.purge_comp_time}


def _put_purge(values: dict[str, Any], value: dict[str, int]) -> None:
    values["purge_comp_time"] = value.get("time", 0)


_FLAGS = [name for name in RESERVATION_FLAGS.choices if name != "PART_NODES"]
_FLAGS.insert(_FLAGS.index("TIME_FLOAT"), "PART_NODES")

RESERVATION = FlatTable(
    "reservation_info",
    ReservationInfo,
    (
        F("flags", Names("reservation_flags", tuple(_FLAGS), ordered=True)),
        F("accounts", TEXT),
        F("burst_buffer", TEXT),
        F("core_count", INT),
        F("core_spec_cnt", INT, get=lambda reservation: len(reservation.core_specializations)),
        F("end_time", INT),
        F("features", TEXT),
        F("groups", TEXT),
        F("licenses", TEXT),
        F("max_start_delay", INT),
        F("name", TEXT),
        F("node_count", INT),
        F("node_list", TEXT),
        F("partition", TEXT),
        F("purge_completed", Omitted(PURGE_COMPLETED), get=_purge, put=_put_purge),
        F("start_time", INT),
        F("watts", Constant(_NO_VAL, {"type": "integer"}), ""),
        F("tres", TEXT),
        F("users", TEXT),
    ),
    omit=("purge_completed",),
)

LICENSE = FlatTable(
    "license",
    LicenseInfo,
    (
        F("LicenseName", TEXT, "name"),
        F("Total", INT, "total"),
        F("Used", INT, "used"),
        F("Free", INT, "free"),
        F("Reserved", INT, "reserved"),
        F("Remote", BOOL, "remote"),
    ),
)

# ---- slurmctld


def _pinged(ping: dict[str, Any]) -> str:
    return "UP" if ping.get("responding") else "DOWN"


def _put_pinged(values: dict[str, Any], value: str) -> None:
    values["responding"] = value == "UP"


PING = FlatTable(
    "controller_ping",
    dict,
    (
        F("hostname", TEXT),
        F("ping", TEXT, get=_pinged, put=_put_pinged),
        F("status", INT, get=lambda ping: 0 if ping.get("responding") else -1),
        F("mode", TEXT),
    ),
    documented={"ping": {"type": "string", "enum": ["UP", "DOWN"]}},
)

RPC_TYPE = FlatTable(
    "diag_rpcm",
    dict,
    (F("message_type", TEXT), F("type_id", INT), F("count", INT), F("average_time", INT), F("total_time", INT)),
)
RPC_USER = FlatTable(
    "diag_rpcu",
    dict,
    (F("user", TEXT), F("user_id", INT), F("count", INT), F("average_time", INT), F("total_time", INT)),
)
STATISTICS = FlatTable(
    "stats_msg",
    dict,
    (
        F("rpcs_by_message_type", ListOf(RPC_TYPE)),
        F("rpcs_by_user", ListOf(RPC_USER)),
        *(
            F(name, INT)
            for name in (
                "parts_packed", "req_time", "req_time_start", "server_thread_count", "agent_queue_size", "agent_count",
                "agent_thread_count", "dbd_agent_queue_size", "gettimeofday_latency", "schedule_cycle_max",
                "schedule_cycle_last", "schedule_cycle_total", "schedule_cycle_mean", "schedule_cycle_mean_depth",
                "schedule_cycle_per_minute", "schedule_queue_length", "jobs_submitted", "jobs_started",
                "jobs_completed", "jobs_canceled", "jobs_failed", "jobs_pending", "jobs_running", "job_states_ts",
                "bf_backfilled_jobs", "bf_last_backfilled_jobs", "bf_backfilled_het_jobs", "bf_cycle_counter",
                "bf_cycle_mean", "bf_depth_mean", "bf_depth_mean_try", "bf_cycle_last", "bf_cycle_max", "bf_queue_len",
                "bf_queue_len_mean", "bf_table_size", "bf_table_size_mean", "bf_when_last_cycle",
            )
        ),
        F("bf_active", BOOL),
    ),
    documented={
        "bf_backfilled_het_jobs": {"type": "integer"},
        "bf_last_depth": {"type": "integer"},
        "bf_last_depth_try": {"type": "integer"},
    },
)  # fmt: skip
