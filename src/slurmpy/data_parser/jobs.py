"""Jobs and their allocated resources (``job_info``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slurmpy.core.records.job import JobInfo

from . import job_paths
from .job_resources import JOB_RES
from .kinds import (
    ACCT_GATHER_PROFILE,
    BOOLEAN,
    CSV,
    EMPTY_LIST,
    EXIT_CODE,
    FLOAT64,
    INT32,
    JOB_FLAGS,
    JOB_MAIL_FLAGS,
    JOB_SHARED_CHOICES,
    JOB_STATE,
    UINT16,
    UINT32,
    UINT64,
)
from .lists import Flags, ListOf
from .tables import Field as F
from .tables import Table
from .types import STRING

#: no thread specialization, as it looks once its marking bit is taken off
_NO_THREAD_SPEC = 32766


def _put(name: str) -> Callable[[dict[str, Any], Any], None]:
    def put(values: dict[str, Any], value: Any) -> None:
        values[name] = value

    return put


def _task_string(job: JobInfo) -> str:
    if job.array_task_string and job.array_max_tasks:
        return f"{job.array_task_string}%{job.array_max_tasks}"
    return job.array_task_string


def _put_task_string(values: dict[str, Any], value: str) -> None:
    values["array_task_string"] = value.partition("%")[0]


def _core_spec(job: JobInfo) -> int:
    return job.core_spec or 0


def _put_core_spec(values: dict[str, Any], value: int) -> None:
    if value:
        values["core_spec"] = value


def _thread_spec(job: JobInfo) -> int:
    if job.thread_spec is not None:
        return job.thread_spec
    return _NO_THREAD_SPEC if job.core_spec is None else 0


def _put_thread_spec(values: dict[str, Any], value: int) -> None:
    if value == 0:
        values.setdefault("core_spec", 0)
    elif value != _NO_THREAD_SPEC:
        values["thread_spec"] = value


#: OverSubscribe as the record has it -> name
_SHARED = {"NO": "none", "YES": "oversubscribe", "USER": "user", "MCS": "mcs", "TOPO": "topo"}
_NOT_SHARED = {name: value for value, name in _SHARED.items()}

JOB_SHARED = Flags(
    "job_shared",
    JOB_SHARED_CHOICES,
    lambda value: (_SHARED[value],) if value in _SHARED else (),
    lambda names: _NOT_SHARED[names[0]] if names else "OK",
)

GRES_DETAIL = ListOf(STRING, "job_info_gres_detail")

PART_PRIO = Table("part_prio", tuple, (F("partition", STRING, "0"), F("priority", INT32, "1")))
PRIORITY_BY_PARTITION = ListOf(PART_PRIO, "priority_by_partition")

JOB_INFO = Table(
    "job_info",
    JobInfo,
    (
        F("account", STRING),
        F("accrue_time", UINT64),
        F("admin_comment", STRING),
        F("allocating_node", STRING),
        F("array_job_id", UINT32),
        F("array_task_id", UINT32),
        F("array_max_tasks", UINT32),
        F("array_task_string", STRING, get=_task_string, put=_put_task_string),
        F("association_id", INT32),
        F("batch_features", STRING),
        F("batch_flag", BOOLEAN),
        F("batch_host", STRING),
        F("flags", JOB_FLAGS),
        F("burst_buffer", STRING),
        F("burst_buffer_state", STRING),
        F("cluster", STRING),
        F("cluster_features", STRING),
        F("command", STRING),
        F("comment", STRING),
        F("container", STRING),
        F("container_id", STRING),
        F("contiguous", BOOLEAN),
        F("core_spec", INT32, get=_core_spec, put=_put_core_spec),
        F("thread_spec", INT32, get=_thread_spec, put=_put_thread_spec),
        F("cores_per_socket", UINT16),
        F("billable_tres", FLOAT64),
        F("cpus_per_task", UINT16),
        F("cpu_frequency_minimum", UINT32),
        F("cpu_frequency_maximum", UINT32),
        F("cpu_frequency_governor", UINT32),
        F("cpus_per_tres", STRING),
        F("cron", STRING),
        F("deadline", UINT64),
        F("delay_boot", UINT32),
        F("dependency", STRING),
        F("derived_exit_code", EXIT_CODE),
        F("eligible_time", UINT64),
        F("end_time", UINT64),
        F("excluded_nodes", STRING),
        F("exit_code", EXIT_CODE),
        F("extra", STRING),
        F("failed_node", STRING),
        F("features", STRING),
        F("federation_origin", STRING),
        F("federation_siblings_active", STRING),
        F("federation_siblings_viable", STRING),
        F("gres_detail", GRES_DETAIL),
        F("group_id", INT32),
        F("group_name", STRING),
        F("het_job_id", UINT32),
        F("het_job_id_set", STRING),
        F("het_job_offset", UINT32),
        F("job_id", INT32),
        F("job_resources", JOB_RES),
        F("job_size_str", CSV),
        F("job_state", JOB_STATE),
        F("last_sched_evaluation", UINT64),
        F("licenses", STRING),
        F("mail_type", JOB_MAIL_FLAGS),
        F("mail_user", STRING),
        F("max_cpus", UINT32),
        F("max_nodes", UINT32),
        F("mcs_label", STRING),
        F("memory_per_tres", STRING),
        F("name", STRING),
        F("network", STRING),
        F("nodes", STRING),
        F("nice", INT32),
        F("tasks_per_core", UINT16),
        F("tasks_per_tres", UINT16),
        F("tasks_per_node", UINT16),
        F("tasks_per_socket", UINT16),
        F("tasks_per_board", UINT16),
        F("cpus", UINT32),
        F("node_count", UINT32),
        F("tasks", UINT32),
        F("partition", STRING),
        F("prefer", STRING),
        F("memory_per_cpu", UINT64),
        F("memory_per_node", UINT64),
        F("minimum_cpus_per_node", UINT16),
        F("minimum_tmp_disk_per_node", UINT32),
        F("power/flags", EMPTY_LIST, ""),
        F("preempt_time", UINT64),
        F("preemptable_time", UINT64),
        F("pre_sus_time", UINT64),
        F("hold", BOOLEAN),
        F("priority", UINT32),
        F("priority_by_partition", PRIORITY_BY_PARTITION),
        F("profile", ACCT_GATHER_PROFILE),
        F("qos", STRING),
        F("reboot", BOOLEAN),
        F("required_nodes", STRING),
        F("required_switches", INT32),
        F("requeue", BOOLEAN),
        F("resize_time", UINT64),
        F("restart_cnt", INT32),
        F("resv_name", STRING),
        F("scheduled_nodes", STRING),
        F("selinux_context", STRING),
        F("shared", JOB_SHARED),
        F("sockets_per_board", INT32),
        F("sockets_per_node", UINT16),
        F("start_time", UINT64),
        F("state_description", STRING),
        F("state_reason", STRING),
        F("standard_error", STRING, get=job_paths.standard_error, put=_put("standard_error")),
        F("standard_input", STRING, get=job_paths.standard_input, put=_put("standard_input")),
        F("standard_output", STRING, get=job_paths.standard_output, put=_put("standard_output")),
        F("submit_time", UINT64),
        F("suspend_time", UINT64),
        F("system_comment", STRING),
        F("time_limit", UINT32),
        F("time_minimum", UINT32),
        F("threads_per_core", UINT16),
        F("tres_bind", STRING),
        F("tres_freq", STRING),
        F("tres_per_job", STRING),
        F("tres_per_node", STRING),
        F("tres_per_socket", STRING),
        F("tres_per_task", STRING),
        F("tres_req_str", STRING),
        F("tres_alloc_str", STRING),
        F("user_id", INT32),
        F("user_name", STRING),
        F("maximum_switch_wait_time", INT32),
        F("wckey", STRING),
        F("current_working_directory", STRING),
    ),
)
JOB_INFO_MSG = ListOf(JOB_INFO, "job_info_msg")
