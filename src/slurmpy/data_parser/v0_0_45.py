"""data_parser/v0.0.45, the newest that Slurm 26.05 serves: its differences from v0.0.44."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slurmpy.core.records.cluster import PartitionInfo

from . import configuration, job_changes, sinfo_rows, v0_0_42, v0_0_43, v0_0_44
from .envelopes import JOB_ARRAY_RESPONSE, envelope, listing
from .job_changes import attached
from .kinds import INT32
from .lists import Flags, ListOf
from .partitions import PARTITION_STATES
from .plugin import Plugin
from .slurmdb_accounts import LIMIT
from .tables import Field as F
from .tables import Table
from .types import STRING, Type
from .versions import Derivation, flags

VERSION = "v0.0.45"


def _select_types(type: Type) -> Type:
    return Flags("cr_type", configuration.SELECT_TYPES, lambda value: value or ("NONE",))


# ---- pings


def _ping_status(ping: dict[str, Any]) -> str:
    return ping.get("status") or ("No error" if ping.get("responding") else "Unspecified error")


def _put_status(values: dict[str, Any], value: str) -> None:
    values["status"] = value


PING_STATUS: dict[str, Any] = {"get": _ping_status, "put": _put_status}

# ---- partitions

#: flag of the document -> the record's field
_PARTITION_FLAGS = {
    "DEFAULT": "default",
    "HIDDEN": "hidden",
    "NO_ROOT": "disable_root_jobs",
    "ROOT_ONLY": "root_only",
    "REQ_RESV": "req_resv",
    "LLN": "lln",
    "PDOI": "power_down_on_idle",
}
PARTITION_FLAGS = Flags("partition_flags", (*_PARTITION_FLAGS, *(f"{name}_CLEAR" for name in _PARTITION_FLAGS)))
#: which CPUs tasks are bound to, by the bits of the record's number
_BINDINGS = {
    "CPU_BIND_TO_THREADS": 0x2,
    "CPU_BIND_TO_CORES": 0x4,
    "CPU_BIND_TO_SOCKETS": 0x8,
    "CPU_BIND_TO_LDOMS": 0x10,
    "CPU_BIND_NONE": 0x20,
    "CPU_BIND_OFF": 0x1000,
    "VERBOSE": 0x1,
}
CPU_BINDINGS = Flags(
    "cpu_binding_bits",
    tuple(_BINDINGS),
    lambda value: tuple(name for name, bit in _BINDINGS.items() if (value or 0) & bit),
    lambda names: sum(_BINDINGS[name] for name in dict.fromkeys(names)),
)
_PREEMPT_MODES = {"": "CLUSTER_GLOBAL", "OFF": "DISABLED"}
_PREEMPT_WORDS = {told: word for word, told in _PREEMPT_MODES.items()}
PREEMPT_MODES = Flags(
    "preempt_modes",
    ("CLUSTER_GLOBAL", "DISABLED", "SUSPEND", "REQUEUE", "CANCEL", "PRIORITY"),
    lambda value: tuple(_PREEMPT_MODES.get(word, word) for word in (value or "").upper().split(",")),
    lambda names: ",".join(_PREEMPT_WORDS.get(name, name) for name in names),
)


def _partition_flags(partition: PartitionInfo) -> tuple[str, ...]:
    return tuple(name for name, field in _PARTITION_FLAGS.items() if getattr(partition, field))


def _put_partition_flags(values: dict[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        values[_PARTITION_FLAGS[name.removesuffix("_CLEAR")]] = not name.endswith("_CLEAR")


def _exclusive(partition: PartitionInfo) -> str:
    if partition.oversubscribe == "EXCLUSIVE":
        return "NODE"
    return "USER" if partition.exclusive_user else "TOPO" if partition.exclusive_topo else "NO"


def _put_exclusive(values: dict[str, Any], value: str) -> None:
    word = value.upper()
    if word not in ("NO", "NODE", "USER", "TOPO"):
        raise ValueError(f'Invalid exclusive "{value}"')
    if word == "NODE":
        values["oversubscribe"] = "EXCLUSIVE"
    if word in ("NO", "USER", "TOPO"):
        values["exclusive_user"], values["exclusive_topo"] = word == "USER", word == "TOPO"


def _oversubscribe(partition: PartitionInfo) -> str:
    return "NO" if partition.oversubscribe == "EXCLUSIVE" else partition.oversubscribe


def _put_oversubscribe(values: dict[str, Any], value: str) -> None:
    kind, colon, count = value.upper().partition(":")
    if kind not in ("NO", "YES", "FORCE") or (colon and (kind == "NO" or not count.isdecimal())):
        raise ValueError(f'Invalid oversubscribe "{value}"')
    if values.get("oversubscribe") != "EXCLUSIVE":
        values["oversubscribe"] = kind if kind == "NO" else f"{kind}:{int(count) if colon else 4}"


#: told by newer properties, and no more by these
_DEAD = {"get": None, "put": None, "attr": "", "deprecated": True}

TABLES: dict[str, dict[str, Any]] = {
    "cluster_rec": {"drop": ("select_plugin",)},
    "controller_ping": {"drop": ("mode", "pinged"), "add": (("primary", F("status", STRING, **PING_STATUS)),)},
    "slurmdbd_ping": {"add": (("primary", F("status", STRING, **PING_STATUS, required=True)),)},
    "job": {
        "add": (
            ("container", attached("sluid")),
            ("time/user/microseconds", attached("exclusive")),
            ("nodes", attached("oversubscribe")),
            ("segment_size", attached("original_sluid")),
        )
    },
    "step": {"drop": ("pid",), "add": (("step/stdout_expanded", F("submit_line", STRING)),)},
    "step_info": {"add": (("container_id", attached("container_type")),)},
    "sinfo": {"drop": ("reason/user",), "add": (("reservation", sinfo_rows.REASON_USER),)},
    "job_info": {
        "drop": ("power/flags",),
        "change": {"shared": {"deprecated": True}},
        "add": (
            ("container_id", attached("container_type")),
            ("memory_per_tres", F("memory_update_margin", INT32, "")),
            ("memory_per_tres", F("memory_update_delay", INT32, "")),
        ),
    },
    "job_desc_msg": {
        "drop": ("power_flags",),
        "add": (
            ("container_id", F("container_type", STRING, "", unsupported=True)),
            ("core_specification", F("cores_per_socket", INT32)),
            ("memory_per_tres", F("memory_update_delay", INT32, "", unsupported=True)),
            ("memory_per_tres", F("memory_update_margin", INT32, "", unsupported=True)),
        ),
    },
    "job_res": {"change": {"select_type": {"get": lambda resources: ("CR_CPU_MEMORY",)}}},
    "node": {
        "drop": ("external_sensors", "power", "tres_weighted"),
        "add": (("reservation", F("suspend_time", LIMIT, "")),),
    },
    "partition_info": {
        "drop": ("partition/state",),
        "change": {
            "cpus/task_binding": {"type": CPU_BINDINGS},
            "defaults/memory_per_cpu": _DEAD,
            "maximums/memory_per_cpu": _DEAD,
            "maximums/shares": _DEAD,
            "maximums/oversubscribe/jobs": _DEAD,
            "maximums/oversubscribe/flags": _DEAD,
        },
        "add": (
            ("defaults/job", F("partition/state", PARTITION_STATES, "state")),
            ("defaults/job", F("partition/oversubscribe", STRING, get=_oversubscribe, put=_put_oversubscribe)),
            ("defaults/job", F("partition/exclusive", STRING, get=_exclusive, put=_put_exclusive)),
            ("defaults/job", F("flags", PARTITION_FLAGS, get=_partition_flags, put=_put_partition_flags)),
            ("node_sets", F("preempt_mode", PREEMPT_MODES)),
        ),
    },
    "reservation_info": {"drop": ("watts",)},
    "stats_msg": {"drop": ("parts_packed",)},
    "openapi_slurmdbd_config_resp": {"drop": ("instances",)},
}

TYPE_CHANGES: dict[str, Callable[[Type], Type]] = {
    "node_states": flags(add=(("POWER_DRAIN", "POWER_DOWN_ASAP"), ("POWER_DOWN_ASAP", "POWER_DOWN_FORCE"))),
    "job_flags": flags(add=(("EXPEDITED_REQUEUE", "JOB_IMPLICIT_MAX_NODES"),)),
    "cpu_binding_flags": flags(drop=("CPU_BIND_RANK",)),
    "cr_type": _select_types,
}

DERIVATION = Derivation(TABLES, TYPE_CHANGES)

_DERIVED: tuple[Type, ...] = tuple(DERIVATION.of(type) for type in v0_0_44.TYPES)
_PARTITION = next(type for type in _DERIVED if isinstance(type, Table) and type.name == "partition_info")

#: the partition as a request has it: what is given, even if it is what a new one has anyway
UPDATE_PARTITIONS = Table(
    "openapi_partitions_mod_req",
    dict,
    (
        F(
            "partitions",
            ListOf(_PARTITION.changed(record=dict), "update_partition_msg_list"),
            required=True,
        ),
        *envelope("").fields,
    ),
    sparse=True,
)
#: an empty list where a changed job's answer has null
_RESPONSES = ListOf(JOB_ARRAY_RESPONSE.item, JOB_ARRAY_RESPONSE.name)
REQUEUE_FLAGS = Flags("job_requeue_flags", ("Incomplete", "Hold", "SpecialExit"))
JOBS_REQUEUE = Table(
    "openapi_jobs_requeue_query", dict, (F("flags", REQUEUE_FLAGS), F("jobs", job_changes.SELECTED_STEPS)), sparse=True
)

TYPES: tuple[Type, ...] = (*_DERIVED, UPDATE_PARTITIONS, JOBS_REQUEUE)
ENVELOPES: dict[str, Table] = {
    **{kind: DERIVATION.table(table) for kind, table in v0_0_44.ENVELOPES.items()},
    "conf": configuration.CONF_RESP,
    "slurmdbd_conf": configuration.SLURMDBD_CONF_RESP,
    "job_requeued": listing("openapi_job_requeue_resp", "status", _RESPONSES),
    "jobs_requeued": listing(
        "openapi_jobs_requeue_resp", "status", ListOf(_RESPONSES, "job_array_response_msg_ptr_list")
    ),
}


def plugin() -> Plugin:
    return Plugin(VERSION, TYPES, ENVELOPES, v0_0_42.UNPUBLISHED, inline=v0_0_43.INLINE)
