"""v0.0.37 with dbv0.0.37, as Slurm 22.05 still serves it: its differences from v0.0.38."""

from __future__ import annotations

import copy
from typing import Any

from . import partitions, v0_0_38
from .errors import Context
from .flat import accounts, cluster, documented, option_words, submissions
from .flat.documented import array, ref
from .flat.envelopes import envelopes
from .flat.jobs import FLAG_NAMES, JOB_RESOURCES
from .flat.plugin import FlatPlugin
from .flat.types import FlatTable, Names, Whole
from .types import UNSET, Reference, Type
from .versions import Derivation

VERSION = "v0.0.37"

TEXT = {"type": "string"}
INTEGER = {"type": "integer"}


class Allocation(Type):
    """{index of the node: sockets, cores, memory, cpus}; which core is of which socket is not told."""

    def schema(self, reference: Reference) -> dict[str, Any]:
        return array("V_node_allocation")

    def dump(self, value: Any) -> dict[str, Any]:
        return {str(index): self._node(node) for index, node in enumerate(value)}

    def _node(self, node: dict[str, Any]) -> dict[str, Any]:
        held = [divmod(core, max(1, node.get("cores_per_socket", 1))) for core in sorted(node.get("core_ids", ()))]
        return {
            "sockets": {str(socket): "unassigned" for socket, _ in held},
            "cores": {str(core): "unassigned" for _, core in held},
            "memory": node["memory"],
            "cpus": node["cpus"],
        }

    def parse(self, document: Any, at: str, context: Context) -> Any:
        if not isinstance(document, dict):
            return UNSET
        return tuple(_node(node) for node in document.values() if isinstance(node, dict))


def _node(node: dict[str, Any]) -> dict[str, Any]:
    cores = [int(core) for core in node.get("cores", ())]
    per_socket = max(cores, default=0) + 1
    held = sorted(int(socket) * per_socket + core for socket in node.get("sockets", ()) for core in cores)
    return {
        "name": "",
        "memory": node.get("memory", 0),
        "cpus": node.get("cpus", 0),
        "core_ids": tuple(held),
        "cores_per_socket": per_socket,
    }


class Held(Type):
    """The resources of a job, an empty object for one that has none."""

    def __init__(self, table: FlatTable) -> None:
        self.table = table

    def schema(self, reference: Reference) -> dict[str, Any]:
        return reference(self.table)

    def parts(self) -> tuple[Type, ...]:
        return (self.table,)

    def dump(self, value: Any) -> Any:
        return {} if value is None else self.table.dump(value)

    def parse(self, document: Any, at: str, context: Context) -> Any:
        return self.table.parse(document, at, context) if document else UNSET


RESOURCES = JOB_RESOURCES.changed(change={"allocated_nodes": {"type": Allocation()}})

#: what has no mode of its own is told with these words
_UNSET_MODE = ("requeue", "gang_schedule")
_MODES = cluster.PREEMPTION_MODE
PREEMPTION_MODE = Names(
    "preemption_mode",
    _MODES.choices,
    lambda value: cluster.modes_of(value) if value else _UNSET_MODE,
    lambda words: "" if words == _UNSET_MODE else cluster.mode_of(words),
)
MEMORY = Whole("int64", none=0)


def _put_memory(name: str) -> Any:
    """One number for two limits: a negative one is marked as of a CPU."""

    def put(values: dict[str, Any], value: int) -> None:
        if value < 0:
            values[f"{name}_mem_per_cpu"] = value + 2**63
        elif value:
            values[f"{name}_mem_per_node"] = value

    return put


#: one of the flags' names has a space behind it here
_FLAG_NAMES = FLAG_NAMES | {"EXACT_CPU_COUNT_REQUESTED": "JOB_CPUS_SET "}
_FLAGS = {theirs: name for name, theirs in _FLAG_NAMES.items()} | {"JOB_CPUS_SET": "EXACT_CPU_COUNT_REQUESTED"}
JOB_FLAGS = Names(
    "job_flags",
    (*_FLAG_NAMES.values(), "JOB_CPUS_SET"),
    lambda value: tuple(_FLAG_NAMES.get(name, "") for name in value or ()),
    lambda names: tuple(_FLAGS[name] for name in names),
    ordered=True,
)

_STRINGS = (
    "derived_exit_code", "tasks_per_socket", "time_minimum", "job_id", "sockets_per_node", "het_job_offset",
    "array_job_id", "last_sched_evaluation", "threads_per_core", "user_id", "array_max_tasks", "max_cpus",
    "memory_per_cpu", "tasks_per_board", "restart_cnt", "priority", "time_limit", "sockets_per_board", "max_nodes",
    "nice", "cpus", "billable_tres", "tasks", "memory_per_node", "het_job_id", "group_id", "association_id",
    "node_count", "array_task_id", "minimum_tmp_disk_per_node", "minimum_cpus_per_node", "delay_boot",
    "tasks_per_core", "deadline",
)  # fmt: skip

TABLES: dict[str, dict[str, Any]] = {
    "job_info": {
        "drop": ("container", "group_name", "prefer"),
        "change": {"job_resources": {"type": Held(RESOURCES)}, "flags": {"type": JOB_FLAGS}},
        "documented": dict.fromkeys(_STRINGS, TEXT),
    },
    "job_properties": {
        "drop": ("container", "prefer", "oversubscribe"),
        "change": {
            "nice": {"type": option_words.Option(lambda value: None if value is None else option_words.number(value))}
        },
    },
    "partition_info": {
        "drop": ("default_memory_per_node", "maximum_memory_per_cpu"),
        "change": {
            "preemption_mode": {"type": PREEMPTION_MODE},
            "default_memory_per_cpu": {"type": MEMORY, "get": partitions._def_mem, "put": _put_memory("def")},
            "maximum_memory_per_node": {"type": MEMORY, "get": partitions._max_mem, "put": _put_memory("max")},
        },
    },
    "stats_msg": {
        "drop": ("rpcs_by_message_type", "rpcs_by_user", "bf_table_size", "bf_table_size_mean"),
    },
    "user": {
        "drop": ("flags",),
        "documented": {"associations": None, "associations/root": ref("dbV_association_short_info")},
    },
    "assoc": {
        "documented": {
            "max/jobs/active": INTEGER,
            "max/jobs/accruing": INTEGER,
            "max/jobs/total": INTEGER,
            "max/tres/group/minutes": ref("dbV_tres_list"),
            "max/tres/group/active": ref("dbV_tres_list"),
            "is_default": INTEGER,
            "QOS": None,
            "qos": {"type": "array", "items": TEXT},
        },
    },
    "qos": {"documented": {"name": None, "limits/max/tres/minutes/per/qos": None}},
    "wckey": {"documented": {"accounting": None, "accounts": {"type": "array", "items": TEXT}}},
    "job": {
        "drop": ("container",),
        "documented": {"het/job_id": {"type": "object"}, "het/job_offset": {"type": "object"}},
    },
    "step": {"documented": {"task": None, "task/distribution": TEXT}},
}


def _described(newer: dict[str, Any]) -> dict[str, Any]:
    """Bodies without meta, with another name for what a lost association brings, and fewer of them."""
    found = copy.deepcopy(newer)
    for name in (
        "V_errors", "V_license", "V_licenses", "V_meta", "dbV_accounting", "dbV_clusters_properties", "dbV_errors",
        "dbV_meta", "dbV_response_associations_delete", "dbV_response_qos", "dbV_set_config", "dbV_tres_update",
        "dbV_update_account", "dbV_update_qos", "dbV_update_users",
    ):  # fmt: skip
        found.pop(name, None)
    found["dbV_response_association_delete"] = found["dbV_response_account_delete"]
    for schema in found.values():
        schema.get("properties", {}).pop("meta", None)
    found["dbV_tres_info"]["properties"]["tres"] = array("dbV_tres_list")
    error = {"type": "object", "properties": {"errno": INTEGER, "error": TEXT}}
    found["V_error"] = found["dbV_error"] = error
    found["V_node_allocation"] = {
        "type": "object",
        "properties": {
            "sockets": {"type": "object"},
            "cores": {"type": "object"},
            "memory": INTEGER,
            "cpus": {"type": "object"},
        },
    }
    return found


_GONE = ("license", "meta", "db_meta", "diag_rpcm", "diag_rpcu", "node_allocation")


def plugin() -> FlatPlugin:
    derivation = Derivation(TABLES)
    kinds = {kind: table for kind, table in envelopes(VERSION).items() if kind != "licenses"}
    components = {name: told for name, told in v0_0_38.COMPONENTS.items() if name not in _GONE}
    made = FlatPlugin(
        VERSION,
        tuple(derivation.of(type) for type in v0_0_38.TYPES),
        {kind: derivation.table(table) for kind, table in kinds.items()},  # type: ignore[misc]
        components,
    )
    properties = made.types["job_properties"]
    assert isinstance(properties, submissions.JobProperties)
    properties.unusable = "Unknown key"
    properties.disabled |= {"oversubscribe"}
    statistics = (made.reference(derivation.of(one.STATISTICS)) for one in (cluster, accounts))
    made.described = _described(documented.components(*statistics))
    return made
