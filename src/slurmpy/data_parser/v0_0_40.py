"""data_parser/v0.0.40, the oldest that Slurm 24.11 serves: its differences from v0.0.41."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import v0_0_41, v0_0_42
from .envelopes import ENVELOPES, JOB_ARRAY_RESPONSE
from .errors import Context
from .job_resources import held_by_socket
from .kinds import INT32, INT64, UINT32, UINT64
from .lists import ListOf
from .plugin import Plugin
from .reservations import WATTS
from .slurmdb_accounts import ASSOC_SHORT
from .tables import Field as F
from .tables import Table
from .types import STRING, UNSET, Empty, OptionalNumber, Reference, Type
from .versions import Derivation, flags

if TYPE_CHECKING:
    from .compiler import Compiler

VERSION = "v0.0.40"


def _older(type: Type) -> Type:
    """The same in the document; in the schema with defaults, and always of 64 bits."""
    other = copy.copy(type)
    other.name = type.name.removesuffix("_struct")
    if not isinstance(other, OptionalNumber):
        return other
    other.form = "double" if other.real else "int64"
    other.defaults = True
    return other


class _Blank(Empty):
    """One that is marked as obsolete itself, not where it is used."""

    deprecated = False

    def __init__(self, name: str, schema: dict[str, Any], document: Any) -> None:
        super().__init__({**schema, "deprecated": True}, document)
        self.name = name


class _Unmarked(Empty):
    deprecated = False

    def __init__(self, name: str, schema: dict[str, Any], document: Any) -> None:
        super().__init__(schema, document)
        self.name = name


class HeldCores(Type):
    """The cores that a job holds on a node: {socket: {"cores": {core: "allocated"}}}."""

    def schema(self, reference: Reference) -> dict[str, Any]:
        return {"type": "object", "properties": {}}

    def dump(self, value: Any) -> dict[str, Any]:
        return held_by_socket(value)

    def parse(self, document: Any, at: str, context: Context) -> Any:
        return UNSET  # it does not say how many cores there are


class _Nodes(ListOf):
    """The document says nothing of what is in it."""

    def schema(self, reference: Reference) -> dict[str, Any]:
        return {"type": "array", "items": {}}

    def parts(self) -> tuple[Type, ...]:
        return ()


ALLOCATED_NODE = Table(
    "",
    dict,
    (
        F("sockets", HeldCores(), get=lambda node: node),
        F("nodename", STRING, "name"),
        F("cpus_used", INT32, "cpus_used"),
        F("memory_used", INT64, "memory_used"),
        F("memory_allocated", INT64, "memory"),
    ),
)


def _cpus(resources: dict[str, Any]) -> int:
    return sum(node["cpus"] for node in resources["allocation"])


class _JobResources(Table):
    """An empty object where the others have null."""

    def dump_at(self, value: Any, now: float) -> dict[str, Any] | None:
        return super().dump_at(value, now) or (None if self.nullable else {})

    def json_code(self, c: Compiler, value: str, indent: int) -> str:
        if self.nullable:
            return super().json_code(c, value, indent)
        return f"('{{}}' if {value} is None else {super().json_code(c, value, indent)})"

    def yaml_code(self, c: Compiler, value: str, indent: int, column: int) -> str:
        if self.nullable:
            return super().yaml_code(c, value, indent, column)
        return f"(' !!map {{}}' if {value} is None else {super().yaml_code(c, value, indent, column)})"

    def parse(self, document: Any, at: str, context: Context) -> Any:
        values = super().parse(document, at, context)
        return values or UNSET


JOB_RESOURCES = _JobResources(
    "job_res",
    dict,
    (
        F("nodes", STRING),
        F("allocated_cores", INT32, ""),
        F("allocated_cpus", INT32, get=_cpus),
        F("allocated_hosts", INT32, get=lambda resources: len(resources["allocation"])),
        F("allocated_nodes", _Nodes(ALLOCATED_NODE, "job_res_nodes"), "allocation"),
    ),
)

#: fields that stand elsewhere in the same object
_STATS = {
    path: v0_0_42.field("stats_msg", path) for path in ("schedule_queue_length", "bf_exit")
}  # the order of the answers


def _id(association: Any) -> dict[str, Any]:
    return {name: getattr(association, name) for name in ("account", "cluster", "partition", "user", "id")}


def _put_id(values: dict[str, Any], value: dict[str, Any]) -> None:
    values["id"] = value.get("id", 0)


BEGIN_TIME = copy.copy(_older(UINT64))
BEGIN_TIME.plain = True  # type: ignore[attr-defined]

_OLDER_RPCS = ("queued", "dropped", "cycle_last", "cycle_max", "total_time", "average_time")


def _watts() -> Type:
    other = copy.copy(WATTS)
    other.name = UINT32.name.removesuffix("_struct")
    other.deprecated = False
    other._number = _older(UINT32)  # type: ignore[assignment]
    return other


#: not yet obsolete
_CURRENT: dict[str, Any] = {"deprecated": False}
_OBJECT: dict[str, Any] = {"type": "object", "properties": {}}
#: what it says of the roll-ups, of which it then tells nothing
_ROLLUPS: dict[str, Any] = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "type": {"type": "string", "enum": ["internal", "user", "unknown"]},
            "last run": {"type": "integer", "format": "int32"},
            **{
                name: {"type": "integer", "format": "int64"}
                for name in ("max_cycle", "total_time", "total_cycles", "mean_cycles")
            },
        },
    },
}

TABLES: dict[str, dict[str, Any]] = {
    "partition_info": {"drop": ("select_type",)},
    "node": {
        "drop": ("res_cores_per_gpu", "gpu_spec"),
        "change": {
            "external_sensors": {"type": _Blank("ext_sensors_data", _OBJECT, {}), **_CURRENT},
            "power": {"type": _Blank("power_mgmt_data", _OBJECT, {}), **_CURRENT},
        },
    },
    "cluster_rec": {"change": {"select_plugin": _CURRENT}},
    "reservation_info": {"change": {"watts": {"type": _watts(), **_CURRENT}}},
    "job_info": {
        "change": {
            "job_resources": {"type": JOB_RESOURCES},
            "power/flags": {"type": _Blank("power_flags", {"type": "array", "items": {}}, []), **_CURRENT},
            **dict.fromkeys(("exclusive", "oversubscribe", "show_flags"), _CURRENT),
        }
    },
    "job_submit_req": {"change": {"script": _CURRENT}},
    "openapi_job_submit_response": {"change": {"result": _CURRENT}},
    "job": {
        "drop": (
            "time/planned", "stdin_expanded", "stdout_expanded", "stderr_expanded", "stdin", "stdout", "stderr",
        )
    },
    "job_desc_msg": {
        "drop": ("resv_mpi_ports", "segment_size"),
        "change": {
            "distribution_plane_size": {"type": INT32},
            "begin_time": {"type": BEGIN_TIME},
            **dict.fromkeys(("exclusive", "oversubscribe"), _CURRENT),
            "power_flags": {"type": _Blank("power_flags", {"type": "array", "items": {}}, []), **_CURRENT},
        },
        "add": (("core_specification", F("cores_per_socket", INT32)),),
    },
    "assoc": {"change": {"id": {"type": ASSOC_SHORT, "get": _id, "put": _put_id}}},
    "stats_msg": {
        "drop": (
            "schedule_cycle_sum", "schedule_cycle_depth", "schedule_queue_length", "bf_cycle_max", "bf_exit",
            "bf_table_size_sum", "pending_rpcs", "pending_rpcs_by_hostlist",
        ),
        "add": (
            ("schedule_cycle_per_minute", _STATS["schedule_queue_length"]),
            ("bf_active", _STATS["bf_exit"]),
        ),
    },
    "stats_msg_rpc_type": {
        "change": {"count": {"type": INT64, "required": False}, "message_type": {"required": False}},
        "drop": ("type_id", *_OLDER_RPCS),
        "add": (
            ("count", F("total_time", INT64)),
            ("count", F("average_time", INT64)),
            ("message_type", F("type_id", INT32)),
        ),
    },
    "stats_msg_rpc_user": {
        "change": {"count": {"type": INT64, "required": False}, "user": {"required": False}},
        "drop": ("user_id", "total_time", "average_time"),
        "add": (
            ("count", F("total_time", INT64)),
            ("count", F("average_time", INT64)),
            ("user", F("user_id", INT32)),
        ),
    },
    "openapi_job_post_response": {
        "change": {
            "results": {"type": ListOf(JOB_ARRAY_RESPONSE.item, "job_array_response_array")},
            **dict.fromkeys(("job_id", "step_id", "job_submit_user_msg"), _CURRENT),
        },
    },
    "stats_rec": {
        "change": {"rollups": {"type": _Unmarked("rollup_stats", _ROLLUPS, []), **_CURRENT}},
    },
}  # fmt: skip

TYPES: dict[str, Callable[[Type], Type]] = {
    **dict.fromkeys(
        ("uint16_no_val_struct", "uint32_no_val_struct", "uint64_no_val_struct", "float64_no_val_struct"), _older
    ),
    "account_flags": flags(drop=("WithAssociations", "WithCoordinators", "NoUsersAreCoords", "UsersAreCoords")),
    "assoc_flags": flags(drop=("NoUpdate", "Exact", "NoUsersAreCoords", "UsersAreCoords")),
    "job_exclusive_flags": flags(drop=("topo",)),
    "job_shared": flags(drop=("topo",)),
    "reservation_flags": flags(drop=("USER_DELETE", "NO_USER_DELETE")),
    "warn_flags": flags(add=(("RESERVATION_JOB", "NO_CRON_JOBS"),)),
    "job_flags": flags(
        drop=("STEPMGR_ENABLED",),
        add=(
            ("SCHEDULING_ATTEMPTED", "SAVE_BATCH_SCRIPT"),
            ("SAVE_BATCH_SCRIPT", "GRES_ONE_TASK_PER_SHARING"),
            ("GRES_ONE_TASK_PER_SHARING", "GRES_MULTIPLE_TASKS_PER_SHARING"),
            ("GRES_MULTIPLE_TASKS_PER_SHARING", "GRES_ALLOW_TASK_SHARING"),
        ),
    ),
}


UNPUBLISHED = v0_0_41.UNPUBLISHED | {
    "job_alloc_req",
    "openapi_job_alloc_resp",
    "stats_msg_rpc_type",
    "stats_msg_rpc_user",
}


def plugin() -> Plugin:
    newer = Derivation(v0_0_41.TABLES)
    derivation = Derivation(TABLES, TYPES)
    return Plugin(
        VERSION,
        tuple(derivation.of(newer.of(type)) for type in v0_0_42.TYPES),
        {kind: derivation.table(newer.table(table)) for kind, table in ENVELOPES.items()},
        UNPUBLISHED,
    )
