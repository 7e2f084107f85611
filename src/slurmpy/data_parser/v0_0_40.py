"""data_parser/v0.0.40, the oldest that Slurm 24.11 serves: its differences from v0.0.41."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from . import v0_0_41, v0_0_42
from .envelopes import ENVELOPES, JOB_ARRAY_RESPONSE
from .errors import Context
from .kinds import INT32, INT64, UINT64
from .lists import ListOf
from .plugin import Plugin
from .slurmdb_accounts import ASSOC_SHORT
from .tables import Field as F
from .tables import Table
from .types import STRING, UNSET, Empty, OptionalNumber, Reference, Type
from .versions import Derivation

if TYPE_CHECKING:
    from .compiler import Compiler

VERSION = "v0.0.40"


def _older(type: Type) -> Type:
    """The same in the document; in the schema with defaults, and always of 64 bits."""
    if not isinstance(type, OptionalNumber):
        return type
    other = copy.copy(type)
    other.form = "double" if other.real else "int64"
    other.defaults = True
    return other


class HeldCores(Type):
    """The cores that a job holds on a node: {socket: {"cores": {core: "allocated"}}}."""

    name = "job_res_sockets"

    def schema(self, reference: Reference) -> dict[str, Any]:
        return {"type": "object", "properties": {}}

    def dump(self, value: Any) -> dict[str, Any]:
        sockets: dict[str, Any] = {}
        for core in sorted(value.get("core_ids", ())):
            socket, within = divmod(core, max(1, value.get("cores_per_socket", 1)))
            sockets.setdefault(str(socket), {"cores": {}})["cores"][str(within)] = "allocated"
        return sockets

    def parse(self, document: Any, at: str, context: Context) -> Any:
        return UNSET  # it does not say how many cores there are


ALLOCATED_NODE = Table(
    "job_resources_node",
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

    def dump_at(self, value: Any, now: float) -> dict[str, Any]:
        return super().dump_at(value, now) or {}

    def json_code(self, c: Compiler, value: str, indent: int) -> str:
        return f"('{{}}' if {value} is None else {super().json_code(c, value, indent)})"

    def yaml_code(self, c: Compiler, value: str, indent: int, column: int) -> str:
        return f"(' !!map {{}}' if {value} is None else {super().yaml_code(c, value, indent, column)})"

    def parse(self, document: Any, at: str, context: Context) -> Any:
        values = super().parse(document, at, context)
        return values or UNSET


JOB_RESOURCES = _JobResources(
    "job_resources",
    dict,
    (
        F("nodes", STRING),
        F("allocated_cores", INT32, ""),
        F("allocated_cpus", INT32, get=_cpus),
        F("allocated_hosts", INT32, get=lambda resources: len(resources["allocation"])),
        F("allocated_nodes", ListOf(ALLOCATED_NODE, "job_resources_nodes"), "allocation"),
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

TABLES: dict[str, dict[str, Any]] = {
    "partition_info": {"drop": ("select_type",)},
    "node": {"drop": ("res_cores_per_gpu", "gpu_spec")},
    "job_info": {"change": {"job_resources": {"type": JOB_RESOURCES}}},
    "job": {
        "drop": (
            "time/planned", "stdin_expanded", "stdout_expanded", "stderr_expanded", "stdin", "stdout", "stderr",
        )
    },
    "job_desc_msg": {
        "drop": ("resv_mpi_ports", "segment_size"),
        "change": {"distribution_plane_size": {"type": INT32}, "begin_time": {"type": BEGIN_TIME}},
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
        "drop": ("type_id", *_OLDER_RPCS),
        "add": (
            ("count", F("total_time", INT64)),
            ("count", F("average_time", INT64)),
            ("message_type", F("type_id", INT32)),
        ),
    },
    "stats_msg_rpc_user": {
        "drop": ("user_id", "total_time", "average_time"),
        "add": (
            ("count", F("total_time", INT64)),
            ("count", F("average_time", INT64)),
            ("user", F("user_id", INT32)),
        ),
    },
    "openapi_job_post_response": {
        "change": {"results": {"type": ListOf(JOB_ARRAY_RESPONSE.item, "job_array_response_array")}},
    },
    "stats_rec": {
        "change": {"rollups": {"type": Empty({"type": "array", "items": {"type": "object"}}, [])}},
    },
}  # fmt: skip

TYPES = dict.fromkeys(
    ("uint16_no_val_struct", "uint32_no_val_struct", "uint64_no_val_struct", "float64_no_val_struct"), _older
)


def plugin() -> Plugin:
    newer = Derivation(v0_0_41.TABLES)
    derivation = Derivation(TABLES, TYPES)
    return Plugin(
        VERSION,
        tuple(derivation.of(newer.of(type)) for type in v0_0_42.TYPES),
        {kind: derivation.table(newer.table(table)) for kind, table in ENVELOPES.items()},
        v0_0_42.UNPUBLISHED,
    )
