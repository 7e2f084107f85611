"""What a client asks for: job descriptions, and the bodies of requests that carry them."""

from __future__ import annotations

from typing import Any

from slurmpy.core.records.base import HUGE
from slurmpy.core.records.description import JobDescriptor

from .errors import Context, ParseFailed
from .kinds import (
    ACCT_GATHER_PROFILE,
    BOOLEAN,
    EMPTY_LIST,
    INT32,
    JOB_FLAGS,
    JOB_MAIL_FLAGS,
    JOB_SHARED_CHOICES,
    STRING_ARRAY,
    UINT16,
    UINT32,
    UINT64,
    WARN_FLAGS,
    first_name,
    one_name,
)
from .lists import Commas, Flags, ListOf
from .tables import Field as F
from .tables import Table
from .types import STRING, UNSET, Integer, Reference, Type


class Identity(Type):
    """A user or group: name or number in the document, number in the record."""

    def __init__(self, database: str) -> None:
        self.database = database

    def schema(self, reference: Reference) -> dict[str, Any]:
        return {"type": "string"}

    def dump(self, value: Any) -> str:
        return "" if value is None else str(value)

    def parse(self, document: Any, at: str, context: Context) -> Any:
        if document is None or document == "":
            return UNSET
        text = str(document)
        if text.isdecimal() and text.isascii() and len(text) <= 10 and int(text) < 2**32 - 1:
            return int(text)
        try:
            if self.database == "user":
                import pwd

                return pwd.getpwnam(text).pw_uid
            import grp

            return grp.getgrnam(text).gr_gid
        except (KeyError, ValueError):
            context.error("ESLURM_DATA_CONV_FAILED", f"Unable to resolve {self.database}: {text}", at)
            raise ParseFailed from None


class Count(Integer):
    """How many of something; a negative number says nothing."""

    def parse(self, document: Any, at: str, context: Context) -> Any:
        value = super().parse(document, at, context)
        return UNSET if value is not UNSET and value < 0 else value


class Environment(ListOf):
    """A list of NAME=value; an object of names and values is taken as well."""

    def parse(self, document: Any, at: str, context: Context) -> Any:
        if isinstance(document, dict):
            document = [f"{name}={value}" for name, value in document.items()]
        elif isinstance(document, str):  # not a list with commas between: values have commas
            document = [document]
        return super().parse(document, at, context)


COUNT = Count("int32")
EPOCH = Integer("int64", most=HUGE)
USER_ID = Identity("user")
GROUP_ID = Identity("group")
ENVIRONMENT = Environment(STRING, "string_array")
NODE_LIST = Commas(STRING, "csv_string")

CPU_BINDING_FLAGS = Flags(
    "cpu_binding_flags",
    (
        "CPU_BIND_TO_THREADS", "CPU_BIND_TO_CORES", "CPU_BIND_TO_SOCKETS", "CPU_BIND_TO_LDOMS", "CPU_BIND_NONE",
        "CPU_BIND_RANK", "CPU_BIND_MAP", "CPU_BIND_MASK", "CPU_BIND_LDRANK", "CPU_BIND_LDMAP", "CPU_BIND_LDMASK",
        "VERBOSE", "CPU_BIND_ONE_THREAD_PER_CORE",
    ),
)  # fmt: skip
MEMORY_BINDING_TYPE = Flags(
    "memory_binding_type", ("NONE", "RANK", "MAP", "MASK", "LOCAL", "VERBOSE", "SORT", "PREFER")
)
_OPEN_MODES = {"a": "APPEND", "t": "TRUNCATE"}
OPEN_MODE = Flags(
    "open_mode",
    ("APPEND", "TRUNCATE"),
    lambda value: (_OPEN_MODES[value],) if value in _OPEN_MODES else (),
    lambda names: names[0][0].lower() if names else None,
)
X11_FLAGS = Flags("x11_flags", ("FORWARD_ALL_NODES", "BATCH_NODE", "FIRST_NODE", "LAST_NODE"))
JOB_SHARED = Flags("job_shared", JOB_SHARED_CHOICES, one_name, first_name)

CRON_ENTRY = Table(
    "cron_entry",
    dict,
    (
        F(
            "flags",
            Flags(
                "cron_entry_flags",
                ("WILD_MINUTE", "WILD_HOUR", "WILD_DAY_OF_MONTH", "WILD_MONTH", "WILD_DAY_OF_WEEK"),
            ),
        ),
        F("minute", STRING),
        F("hour", STRING),
        F("day_of_month", STRING),
        F("month", STRING),
        F("day_of_week", STRING),
        F("specification", STRING),
        F("command", STRING),
        F("line/start", INT32, "line_start"),
        F("line/end", INT32, "line_end"),
    ),
)

#: flag of the document: (attribute, value) of a description
_FLAGS = {
    "GRES_BINDING_ENFORCED": ("gres_enforce_binding", True),
    "SPREAD_JOB": ("spread_job", True),
    "PREFER_MINIMUM_NODE_COUNT": ("use_min_nodes", True),
    "STEPMGR_ENABLED": ("stepmgr", True),
}


def _flags(job: JobDescriptor) -> tuple[str, ...] | None:
    return tuple(name for name, (attr, value) in _FLAGS.items() if getattr(job, attr) == value) or None


def _put_flags(values: dict[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        if name not in _FLAGS:
            raise ValueError(f'Flag "{name}" cannot be requested')
        attr, value = _FLAGS[name]
        values[attr] = value


def _immediate(job: JobDescriptor) -> bool | None:
    return None if job.immediate is None else bool(job.immediate)


def _put_immediate(values: dict[str, Any], value: bool) -> None:
    if value:
        values["immediate"] = 1


def _nothing(job: JobDescriptor) -> None:
    return None


def _nodes(job: JobDescriptor) -> str | None:
    if job.minimum_nodes is None or job.maximum_nodes is None:
        return None
    return f"{job.minimum_nodes}-{job.maximum_nodes}"


def _put_nodes(values: dict[str, Any], value: str) -> None:
    least, dash, most = value.partition("-")
    if not least.isdecimal() or (dash and not most.isdecimal()):
        raise ValueError(f'Invalid node count "{value}"')
    values["minimum_nodes"] = int(least)
    values["maximum_nodes"] = int(most if dash else least)


def _limit(name: str) -> F:
    key = f"RLIMIT_{name.upper()}"

    def get(job: JobDescriptor) -> int | None:
        return (job.rlimits or {}).get(key)

    def put(values: dict[str, Any], value: int | None) -> None:
        if value is not None:
            values["rlimits"] = {**values.get("rlimits", {}), key: value}

    return F(f"rlimits/{name}", UINT64, get=get, put=put)


_LIMITS = tuple(
    _limit(name) for name in ("as", "core", "cpu", "data", "fsize", "memlock", "nofile", "nproc", "rss", "stack")
)

JOB_DESC_MSG = Table(
    "job_desc_msg",
    JobDescriptor,
    (
        F("account", STRING),
        F("account_gather_frequency", STRING),
        F("admin_comment", STRING),
        F("allocation_node_list", STRING),
        F("allocation_node_port", INT32, "", unsupported=True),
        F("argv", STRING_ARRAY),
        F("array", STRING),
        F("batch_features", STRING),
        F("begin_time", UINT64),
        F("burst_buffer", STRING),
        F("cluster_constraint", STRING),
        F("clusters", STRING),
        F("comment", STRING),
        F("constraints", STRING),
        F("container", STRING),
        F("container_id", STRING),
        F("contiguous", BOOLEAN),
        F("core_specification", COUNT),
        F("cpu_binding", STRING),
        F("cpu_binding_flags", CPU_BINDING_FLAGS, "", unsupported=True),
        F("cpu_frequency", STRING),
        F("cpus_per_task", COUNT),
        F("cpus_per_tres", STRING),
        F("crontab", CRON_ENTRY, "", unsupported=True),
        F("current_working_directory", STRING),
        F("deadline", EPOCH),
        F("delay_boot", COUNT),
        F("dependency", STRING),
        F("distribution", STRING),
        F("distribution_plane_size", UINT16),
        F("end_time", EPOCH),
        F("environment", ENVIRONMENT),
        F("excluded_nodes", NODE_LIST),
        F("extra", STRING),
        F("flags", JOB_FLAGS, get=_flags, put=_put_flags),
        F("group_id", GROUP_ID),
        F("hetjob_group", INT32, "", unsupported=True),
        F("hold", BOOLEAN),
        F("immediate", BOOLEAN, get=_immediate, put=_put_immediate),
        F("job_id", INT32),
        F("kill_on_node_fail", BOOLEAN),
        F("kill_warning_delay", UINT16),
        F("kill_warning_flags", WARN_FLAGS),
        F("kill_warning_signal", STRING),
        F("licenses", STRING),
        F("mail_type", JOB_MAIL_FLAGS),
        F("mail_user", STRING),
        F("maximum_cpus", COUNT),
        F("maximum_nodes", COUNT),
        F("mcs_label", STRING),
        F("memory_binding", STRING),
        F("memory_binding_type", MEMORY_BINDING_TYPE, "", unsupported=True),
        F("memory_per_cpu", UINT64),
        F("memory_per_node", UINT64),
        F("memory_per_tres", STRING),
        F("minimum_boards_per_node", COUNT),
        F("minimum_cpus", COUNT),
        F("minimum_cpus_per_node", COUNT),
        F("minimum_nodes", COUNT),
        F("minimum_sockets_per_board", COUNT),
        F("name", STRING),
        F("network", STRING),
        F("nice", INT32),
        F("nodes", STRING, get=_nodes, put=_put_nodes),
        F("ntasks_per_tres", COUNT),
        F("oom_kill_step", COUNT),
        F("open_mode", OPEN_MODE),
        F("overcommit", BOOLEAN),
        F("partition", STRING),
        F("power_flags", EMPTY_LIST, "", get=_nothing),
        F("prefer", STRING),
        F("priority", UINT32),
        F("profile", ACCT_GATHER_PROFILE),
        F("qos", STRING),
        F("reboot", BOOLEAN),
        F("requeue", BOOLEAN),
        F("required_nodes", NODE_LIST),
        F("required_switches", UINT32),
        F("reservation", STRING),
        F("reserve_ports", INT32, "", unsupported=True),
        *_LIMITS,
        F("script", STRING),
        F("segment_size", UINT16),
        F("selinux_context", STRING),
        F("shared", JOB_SHARED),
        F("site_factor", INT32),
        F("sockets_per_node", COUNT),
        F("spank_environment", STRING_ARRAY, "", unsupported=True),
        F("standard_error", STRING),
        F("standard_input", STRING),
        F("standard_output", STRING),
        F("tasks", COUNT),
        F("tasks_per_board", COUNT),
        F("tasks_per_core", COUNT),
        F("tasks_per_node", COUNT),
        F("tasks_per_socket", COUNT),
        F("temporary_disk_per_node", COUNT),
        F("thread_specification", COUNT),
        F("threads_per_core", COUNT),
        F("time_limit", UINT32),
        F("time_minimum", UINT32),
        F("tres_bind", STRING),
        F("tres_freq", STRING),
        F("tres_per_job", STRING),
        F("tres_per_node", STRING),
        F("tres_per_socket", STRING),
        F("tres_per_task", STRING),
        F("user_id", USER_ID),
        F("wait_all_nodes", BOOLEAN),
        F("wait_for_switch", COUNT),
        F("wckey", STRING),
        F("x11", X11_FLAGS),
        F("x11_magic_cookie", STRING, "", unsupported=True),
        F("x11_target_host", STRING, "", unsupported=True),
        F("x11_target_port", INT32, "", unsupported=True),
    ),
    sparse=True,
)
JOB_DESC_MSG_LIST = ListOf(JOB_DESC_MSG, "job_desc_msg_list")

JOB_SUBMIT_REQ = Table(
    "job_submit_req",
    dict,
    (F("script", STRING, deprecated=True), F("job", JOB_DESC_MSG), F("jobs", JOB_DESC_MSG_LIST)),
    sparse=True,
)
JOB_ALLOC_REQ = Table("job_alloc_req", dict, (F("job", JOB_DESC_MSG), F("hetjob", JOB_DESC_MSG_LIST)), sparse=True)
