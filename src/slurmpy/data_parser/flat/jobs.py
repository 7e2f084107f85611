"""Jobs and what they hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slurmpy.core.records.base import INFINITE
from slurmpy.core.records.job import JobInfo
from slurmpy.core.states import JobState

from ..errors import Context
from ..job_resources import held_by_socket
from ..lists import ListOf
from ..tables import Field as F
from ..types import UNSET, Reference, Type
from .types import (
    BOOL,
    INT,
    INT_OR_NULL,
    LONG,
    NUMBER,
    TEXT,
    TEXTS,
    Choice,
    Constant,
    FlatTable,
    Names,
    Omitted,
    Whole,
)

#: flag of a job -> how these documents call it
FLAG_NAMES = {
    "KILL_INVALID_DEPENDENCY": "KILL_INV_DEP",
    "NO_KILL_INVALID_DEPENDENCY": "NO_KILL_INV_DEP",
    "HAS_STATE_DIRECTORY": "HAS_STATE_DIR",
    "TESTING_BACKFILL": "BACKFILL_TEST",
    "GRES_BINDING_ENFORCED": "GRES_ENFORCE_BIND",
    "TEST_NOW_ONLY": "TEST_NOW_ONLY",
    "SPREAD_JOB": "SPREAD_JOB",
    "PREFER_MINIMUM_NODE_COUNT": "USE_MIN_NODES",
    "JOB_KILL_HURRY": "JOB_KILL_HURRY",
    "SKIP_TRES_STRING_ACCOUNTING": "TRES_STR_CALC",
    "SIBLING_CLUSTER_UPDATE_ONLY": "SIB_JOB_FLUSH",
    "HETEROGENEOUS_JOB": "HET_JOB_FLAG",
    "EXACT_TASK_COUNT_REQUESTED": "JOB_NTASKS_SET",
    "EXACT_CPU_COUNT_REQUESTED": "JOB_CPUS_SET",
    "TESTING_WHOLE_NODE_BACKFILL": "BF_WHOLE_NODE_TEST",
    "TOP_PRIORITY_JOB": "TOP_PRIO_TMP",
    "ACCRUE_COUNT_CLEARED": "JOB_ACCRUE_OVER",
    "GRES_BINDING_DISABLED": "GRES_DISABLE_BIND",
    "JOB_WAS_RUNNING": "JOB_WAS_RUNNING",
    "JOB_ACCRUE_TIME_RESET": "RESET_ACCRUE_TIME",
    "CRON_JOB": "CRON_JOB",
    "EXACT_MEMORY_REQUESTED": "JOB_MEM_SET",
}
_FLAGS = {theirs: name for name, theirs in FLAG_NAMES.items()}
JOB_FLAGS = Names(
    "job_flags",
    tuple(FLAG_NAMES.values()),
    lambda value: tuple(FLAG_NAMES.get(name, "") for name in value or ()),
    lambda names: tuple(_FLAGS[name] for name in names),
    ordered=True,
)

#: by name; a flag comes before the base state below it
_STATES = {names[0]: number for number, names in JobState.NAMES.items()} | {
    names[0]: number for number, names in JobState.FLAG_NAMES.items()
}


class State(Type):
    """One word: the flag that says most, or the base state."""

    def schema(self, reference: Reference) -> dict[str, Any]:
        return {"type": "string"}

    def dump(self, value: Any) -> str:
        for flag, names in JobState.FLAG_NAMES.items():
            if value & flag:
                return names[0]
        return JobState.NAMES.get(value & JobState.BASE, ("UNKNOWN", ""))[0]

    def parse(self, document: Any, at: str, context: Context) -> Any:
        return _STATES.get(document, UNSET) if isinstance(document, str) else UNSET


JOB_STATE = State()
#: OverSubscribe as the record has it -> word
SHARED = Choice({"OK": None, "NO": "none", "YES": "shared", "USER": "user", "MCS": "mcs"}, "OK")


class Nice(Type):
    """Null for none, and a number without a sign otherwise."""

    def schema(self, reference: Reference) -> dict[str, Any]:
        return {"type": "integer"}

    def dump(self, value: Any) -> Any:
        return value % 2**32 if value else None

    def parse(self, document: Any, at: str, context: Context) -> Any:
        value = INT.parse(document, at, context)
        return 0 if document is None else value - 2**32 if value is not UNSET and value >= 2**31 else value


#: profile flag -> word; null for none
_PROFILES = {"ENERGY": "Energy", "LUSTRE": "Lustre", "NETWORK": "Network", "TASK": "Task"}
_PROFILE_NAMES = {word: name for name, word in _PROFILES.items()}


class Profile(Type):
    def schema(self, reference: Reference) -> dict[str, Any]:
        return {"type": "array", "items": {"type": "string"}}

    def dump(self, value: Any) -> Any:
        return [_PROFILES[name] for name in _PROFILES if name in (value or ())] or None

    def parse(self, document: Any, at: str, context: Context) -> Any:
        if not isinstance(document, list):
            return ("NOT_SET",)
        return tuple(_PROFILE_NAMES[word] for word in document if word in _PROFILE_NAMES)


class HeldCores(Type):
    """The cores that a job holds on a node: {socket: {"cores": {core: "allocated"}}}."""

    def schema(self, reference: Reference) -> dict[str, Any]:
        return {"type": "object", "properties": {"cores": {"type": "object"}}}

    def dump(self, value: Any) -> dict[str, Any]:
        return held_by_socket(value)

    def parse(self, document: Any, at: str, context: Context) -> Any:
        return document if isinstance(document, dict) else UNSET


def _put_cores(values: dict[str, Any], sockets: dict[str, Any]) -> None:
    """How many cores a socket has is not told; as few as there can be."""
    held = [(int(socket), int(core)) for socket, entry in sockets.items() for core in entry.get("cores", ())]
    per_socket = max((core for _, core in held), default=0) + 1
    values["sockets"] = max((socket for socket, _ in held), default=0) + 1
    values["cores_per_socket"] = per_socket
    values["core_ids"] = tuple(socket * per_socket + core for socket, core in held)
    values["cpus"] = len(held)


NODE_ALLOCATION = FlatTable(
    "node_allocation",
    dict,
    (
        F("sockets", HeldCores(), get=lambda node: node, put=_put_cores),
        F("nodename", TEXT, "name"),
        F("cpus_used", INT, "cpus_used"),
        F("memory_used", INT, "memory_used"),
        F("memory_allocated", INT, "memory"),
    ),
    documented={
        "cpus_used": None,
        "memory_used": None,
        "memory_allocated": None,
        "cpus": {"type": "integer"},
        "memory": {"type": "integer"},
    },
)


def cpus_of(resources: dict[str, Any]) -> int:
    return sum(node["cpus"] for node in resources["allocation"])


JOB_RESOURCES = FlatTable(
    "job_resources",
    dict,
    (
        F("nodes", TEXT),
        F("allocated_cpus", INT, get=cpus_of),
        F("allocated_hosts", INT, get=lambda resources: len(resources["allocation"])),
        F("allocated_nodes", ListOf(NODE_ALLOCATION), "allocation"),
    ),
)


class TresRequest(Type):
    """What a job asks for by TRES: "gres:gpu:2" here, "gres/gpu:2" in the record; a binding has no such word."""

    def __init__(self, here: str) -> None:
        self.here = here

    def schema(self, reference: Reference) -> dict[str, Any]:
        return {"type": "string"}

    def dump(self, value: Any) -> str:
        return ",".join(self.here + part[5:] if part.startswith("gres/") else part for part in (value or "").split(","))

    def parse(self, document: Any, at: str, context: Context) -> Any:
        value = TEXT.parse(document, at, context)
        if value is UNSET or not value:
            return value
        here = self.here
        return ",".join(
            f"gres/{part.removeprefix(here)}" if part.startswith(here) else part for part in value.split(",")
        )


TRES_REQUEST = TresRequest("gres:")
TRES_BINDING = TresRequest("")


def _put(name: str) -> Callable[[dict[str, Any], Any], None]:
    def put(values: dict[str, Any], value: Any) -> None:
        values[name] = value

    return put


def _tasks(job: JobInfo) -> str:
    if job.array_task_string and job.array_max_tasks:
        return f"{job.array_task_string}%{job.array_max_tasks}"
    return job.array_task_string


def _put_tasks(values: dict[str, Any], value: str) -> None:
    values["array_task_string"] = value.partition("%")[0]


def _file(name: str) -> Callable[[JobInfo], str]:
    """A stream's file as it was requested: the letters of a pattern are not filled in here."""

    def file(job: JobInfo) -> str:
        path = getattr(job, name)
        if not job.batch_flag or not path:
            return "/dev/null" if name == "standard_input" and job.batch_flag else str(path)
        return path if path[0] == "/" else f"{job.current_working_directory}/{path}"

    return file


#: this release never tells these numbers
_NEVER = Constant(None, {"type": "string"})
#: what the default of a record means is told as null
_UNLESS_ANY = Whole(empty=INFINITE)

JOB_INFO = FlatTable(
    "job_info",
    JobInfo,
    (
        F("account", TEXT),
        F("accrue_time", LONG),
        F("admin_comment", TEXT),
        F("array_job_id", INT),
        F("array_task_id", INT_OR_NULL),
        F("array_max_tasks", INT),
        F("array_task_string", TEXT, get=_tasks, put=_put_tasks),
        F("association_id", INT),
        F("batch_features", TEXT),
        F("batch_flag", BOOL),
        F("batch_host", TEXT),
        F("flags", JOB_FLAGS),
        F("burst_buffer", TEXT),
        F("burst_buffer_state", TEXT),
        F("cluster", TEXT),
        F("cluster_features", TEXT),
        F("command", TEXT),
        F("comment", TEXT),
        F("container", TEXT),
        F("contiguous", BOOL),
        F("core_spec", _NEVER, ""),
        F("thread_spec", _NEVER, ""),
        F("cores_per_socket", INT_OR_NULL),
        F("billable_tres", NUMBER),
        F("cpus_per_task", _NEVER, ""),
        F("cpu_frequency_minimum", _NEVER, ""),
        F("cpu_frequency_maximum", _NEVER, ""),
        F("cpu_frequency_governor", _NEVER, ""),
        F("cpus_per_tres", TRES_REQUEST),
        F("deadline", INT),
        F("delay_boot", INT),
        F("dependency", TEXT),
        F("derived_exit_code", INT),
        F("eligible_time", LONG),
        F("end_time", LONG),
        F("excluded_nodes", TEXT),
        F("exit_code", INT),
        F("features", TEXT),
        F("federation_origin", TEXT),
        F("federation_siblings_active", TEXT),
        F("federation_siblings_viable", TEXT),
        F("gres_detail", TEXTS),
        F("group_id", INT),
        F("group_name", TEXT),
        F("job_id", INT),
        F("job_resources", Omitted(JOB_RESOURCES)),
        F("job_state", JOB_STATE),
        F("last_sched_evaluation", INT),
        F("licenses", TEXT),
        F("max_cpus", INT),
        F("max_nodes", INT),
        F("mcs_label", TEXT),
        F("memory_per_tres", TRES_REQUEST),
        F("name", TEXT),
        F("nodes", TEXT),
        F("nice", Nice()),
        F("tasks_per_core", _UNLESS_ANY),
        F("tasks_per_node", INT),
        F("tasks_per_socket", _UNLESS_ANY),
        F("tasks_per_board", INT),
        F("cpus", INT_OR_NULL),
        F("node_count", INT),
        F("tasks", INT_OR_NULL),
        F("het_job_id", INT),
        F("het_job_id_set", TEXT),
        F("het_job_offset", INT),
        F("partition", TEXT),
        F("prefer", TEXT),
        F("memory_per_node", INT_OR_NULL),
        F("memory_per_cpu", INT_OR_NULL),
        F("minimum_cpus_per_node", INT),
        F("minimum_tmp_disk_per_node", INT),
        F("preempt_time", LONG),
        F("pre_sus_time", LONG),
        F("priority", INT),
        F("profile", Profile()),
        F("qos", TEXT),
        F("reboot", BOOL),
        F("required_nodes", TEXT),
        F("requeue", BOOL),
        F("resize_time", LONG),
        F("restart_cnt", INT),
        F("resv_name", TEXT),
        F("shared", SHARED),
        F(
            "show_flags",
            Constant(["SHOW_ALL", "SHOW_DETAIL", "SHOW_LOCAL"], {"type": "array", "items": {"type": "string"}}),
            "",
        ),
        F("sockets_per_board", INT),
        F("sockets_per_node", INT_OR_NULL),
        F("start_time", LONG),
        F("state_description", TEXT),
        F("state_reason", TEXT),
        F("standard_error", TEXT, get=_file("standard_error"), put=_put("standard_error")),
        F("standard_input", TEXT, get=_file("standard_input"), put=_put("standard_input")),
        F("standard_output", TEXT, get=_file("standard_output"), put=_put("standard_output")),
        F("submit_time", LONG),
        F("suspend_time", LONG),
        F("system_comment", TEXT),
        F("time_limit", Whole("int64")),
        F("time_minimum", LONG),
        F("threads_per_core", INT_OR_NULL),
        F("tres_bind", TRES_BINDING),
        F("tres_freq", TEXT),
        F("tres_per_job", TRES_REQUEST),
        F("tres_per_node", TRES_REQUEST),
        F("tres_per_socket", TRES_REQUEST),
        F("tres_per_task", TRES_REQUEST),
        F("tres_req_str", TEXT),
        F("tres_alloc_str", TEXT),
        F("user_id", LONG),
        F("user_name", TEXT),
        F("wckey", TEXT),
        F("current_working_directory", TEXT),
    ),
    omit=("job_resources",),
    documented={
        "group_name": None,
        "prefer": None,
        "tasks_per_node": None,
        "cores_per_socket": {"type": "string"},
    },
)
