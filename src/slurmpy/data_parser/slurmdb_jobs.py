"""Jobs and steps of the accounting database (``job``, ``step``: what ``sacct --json`` prints)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slurmpy.core.ids import STEP_NAMES, step_name
from slurmpy.core.records.accounting import DbJob, DbStep

from . import job_paths
from .kinds import BOOLEAN, EXIT_CODE, INT32, INT64, JOB_STATE, SET64, UINT32, UINT64
from .lists import Flags, Hosts, ListOf
from .slurmdb_accounts import ASSOC_SHORT
from .steps import NO_VAL
from .tables import Field as F
from .tables import Table
from .tres import TRES_TEXT, TresExtremes
from .types import STRING

_MILLION = 1_000_000
_NOWHERE = "None assigned"


def _put(name: str) -> Callable[[dict[str, Any], Any], None]:
    def put(values: dict[str, Any], value: Any) -> None:
        values[name] = value

    return put


def _elapsed(record: DbJob | DbStep, now: float) -> int:
    if not record.start_time:
        return 0
    return max(0, (record.end_time or int(now)) - record.start_time - record.suspended)


def _planned(job: DbJob, now: float) -> int:
    """Seconds that it was eligible before it started (or ended, or until now)."""
    if not job.eligible_time:
        return 0
    return max(0, (job.start_time or job.end_time or int(now)) - job.eligible_time)


def _start(job: DbJob) -> int:
    return job.start_time or (NO_VAL if job.end_time else 0)


def _put_start(values: dict[str, Any], value: int) -> None:
    values["start_time"] = 0 if value == NO_VAL else value


def _put_seconds(name: str) -> Callable[[dict[str, Any], Any], None]:
    def put(values: dict[str, Any], value: int) -> None:
        values[name] = values.get(name, 0) + value * _MILLION

    return put


def _put_microseconds(name: str) -> Callable[[dict[str, Any], Any], None]:
    def put(values: dict[str, Any], value: int) -> None:
        values[name] = values.get(name, 0) + value

    return put


def _cpu(part: str, micro: Any) -> tuple[F, ...]:
    """Seconds and microseconds of the user's, the system's or all processor time."""
    if part == "total":
        return (
            F("time/total/seconds", INT64, get=lambda r: (r.user_cpu_usec + r.system_cpu_usec) // _MILLION),
            F("time/total/microseconds", micro, get=lambda r: (r.user_cpu_usec + r.system_cpu_usec) % _MILLION),
        )
    attr = f"{part}_cpu_usec"

    def seconds(record: DbJob | DbStep) -> int:
        return int(getattr(record, attr) // _MILLION)

    def microseconds(record: DbJob | DbStep) -> int:
        return int(getattr(record, attr) % _MILLION)

    return (
        F(f"time/{part}/seconds", INT64, get=seconds, put=_put_seconds(attr)),
        F(f"time/{part}/microseconds", micro, get=microseconds, put=_put_microseconds(attr)),
    )


def _association(job: DbJob) -> dict[str, Any]:
    return {
        "account": job.association_account or job.account,
        "cluster": job.cluster,
        "partition": job.association_partition,
        "user": job.association_user or job.user_name,
        "id": job.association_id,
    }


def _put_association(values: dict[str, Any], value: dict[str, Any]) -> None:
    values["association_account"] = value.get("account", "")
    values["association_user"] = value.get("user", "")
    values["association_partition"] = value.get("partition", "")
    values["association_id"] = value.get("id", 0)


def _nodes(job: DbJob) -> str:
    return job.nodes or _NOWHERE


def _put_nodes(values: dict[str, Any], value: str) -> None:
    values["nodes"] = "" if value == _NOWHERE else value


def _hold(job: DbJob) -> bool:
    return job.hold or job.priority == 0


def _expanded(name: str) -> Callable[[DbJob], str]:
    def expanded(job: DbJob) -> str:
        pattern: str = getattr(job, name)
        return job_paths.fill(job, pattern) if "%" in pattern or "\\" in pattern else pattern

    return expanded


def _wckey(job: DbJob) -> dict[str, Any]:
    default = job.wckey.startswith("*")
    return {"wckey": job.wckey[default:], "flags": ("ASSIGNED_DEFAULT",) if default else ()}


def _put_wckey(values: dict[str, Any], value: dict[str, Any]) -> None:
    values["wckey"] = ("*" if "ASSIGNED_DEFAULT" in value.get("flags", ()) else "") + value.get("wckey", "")


def _governor(step: DbStep) -> str:
    return "Unknown" if step.cpu_frequency_governor is None else str(step.cpu_frequency_governor)


def _put_governor(values: dict[str, Any], value: str) -> None:
    values["cpu_frequency_governor"] = int(value) if value.isdecimal() else None


_STEP_NUMBERS = {name: number for number, name in STEP_NAMES.items()}


def _step_id(step: DbStep) -> str:
    text = f"{getattr(step, '_job_id', 0)}.{step_name(step.step_id)}"
    return text if step.step_het_comp is None else f"{text}+{step.step_het_comp}"


def _put_step_id(values: dict[str, Any], value: str) -> None:
    step, _, component = value.partition(".")[2].partition("+")
    values["step_id"] = _STEP_NUMBERS[step] if step in _STEP_NUMBERS else int(step) if step.isdecimal() else 0
    if component.isdecimal():
        values["step_het_comp"] = int(component)


def _extremes(direction: str, end: str) -> F:
    """A step's highest or lowest figures; ``in`` is what it requested, ``out`` what it consumed."""
    place = "requested" if direction == "in" else "consumed"
    base = f"tres_usage_{direction}_{end}"
    node, task = base + "_node", base + "_task"

    def get(step: DbStep) -> tuple[str, str, str]:
        return getattr(step, base), getattr(step, node), getattr(step, task)

    def put(values: dict[str, Any], value: tuple[str, str, str]) -> None:
        values[base], values[node], values[task] = value

    component = f"step_tres_{'req' if direction == 'in' else 'usage'}_{end}"
    return F(f"tres/{place}/{end}", TresExtremes(component), get=get, put=put)


def _steps(job: DbJob) -> tuple[DbStep, ...]:
    for step in job.steps:
        step.__dict__["_job_id"] = job.job_id  # its document names the whole id
    return job.steps


SLURMDB_JOB_FLAGS = Flags(
    "slurmdb_job_flags",
    (
        "NONE", "CLEAR_SCHEDULING", "NOT_SET", "STARTED_ON_SUBMIT", "STARTED_ON_SCHEDULE", "STARTED_ON_BACKFILL",
        "START_RECEIVED",
    ),
)  # fmt: skip
HOSTLIST = Hosts(STRING, "hostlist")
WCKEY_TAG_FLAGS = Flags("wckey_tag_flags", ("ASSIGNED_DEFAULT",))
WCKEY_TAG = Table(
    "wckey_tag_struct", dict, (F("wckey", STRING, required=True), F("flags", WCKEY_TAG_FLAGS, required=True))
)

STEP = Table(
    "step",
    DbStep,
    (
        F("time/elapsed", INT32, get=_elapsed, timed=True),
        F("time/end", UINT64, "end_time"),
        F("time/start", UINT64, "start_time"),
        F("time/suspended", INT32, "suspended"),
        *_cpu("system", INT32),
        *_cpu("total", INT32),
        *_cpu("user", INT32),
        F("exit_code", EXIT_CODE),
        F("nodes/count", INT32, "node_count"),
        F("nodes/range", STRING, "nodes"),
        F("nodes/list", HOSTLIST, get=lambda step: step.nodes),
        F("tasks/count", INT32, "number_tasks"),
        F("pid", STRING, "", deprecated=True),
        F("CPU/requested_frequency/min", UINT32, "cpu_frequency_minimum"),
        F("CPU/requested_frequency/max", UINT32, "cpu_frequency_maximum"),
        F("CPU/governor", STRING, get=_governor, put=_put_governor),
        F("kill_request_user", STRING),
        F("state", JOB_STATE, "job_state"),
        F("statistics/CPU/actual_frequency", INT64, "actual_cpu_frequency"),
        F("statistics/energy/consumed", UINT64, "consumed_energy"),
        F("step/id", STRING, get=_step_id, put=_put_step_id),
        F("step/name", STRING, "name"),
        F("task/distribution", STRING, "distribution"),
        _extremes("in", "max"),
        _extremes("in", "min"),
        F("tres/requested/average", TRES_TEXT, "tres_usage_in_ave"),
        F("tres/requested/total", TRES_TEXT, "tres_usage_in_tot"),
        _extremes("out", "max"),
        _extremes("out", "min"),
        F("tres/consumed/average", TRES_TEXT, "tres_usage_out_ave"),
        F("tres/consumed/total", TRES_TEXT, "tres_usage_out_tot"),
        F("tres/allocated", TRES_TEXT, "tres_allocated"),
    ),
)
STEP_LIST = ListOf(STEP, "step_list")

JOB = Table(
    "job",
    DbJob,
    (
        F("account", STRING),
        F("comment/administrator", STRING, "admin_comment"),
        F("comment/job", STRING, "comment"),
        F("comment/system", STRING, "system_comment"),
        F("allocation_nodes", INT32),
        F("array/job_id", INT32, "array_job_id"),
        F("array/limits/max/running/tasks", INT32, "array_max_tasks"),
        F("array/task_id", UINT32, "array_task_id"),
        F("array/task", STRING, "array_task_string"),
        F("association", ASSOC_SHORT, get=_association, put=_put_association),
        F("block", STRING),
        F("cluster", STRING),
        F("constraints", STRING),
        F("container", STRING),
        F("derived_exit_code", EXIT_CODE),
        F("time/elapsed", INT32, get=_elapsed, timed=True),
        F("time/eligible", INT64, "eligible_time"),
        F("time/end", INT64, "end_time"),
        F("time/planned", SET64, get=_planned, timed=True),
        F("time/start", INT64, get=_start, put=_put_start),
        F("time/submission", INT64, "submit_time"),
        F("time/suspended", INT32, "suspended"),
        *_cpu("system", INT64),
        F("time/limit", UINT32, "time_limit"),
        *_cpu("total", INT64),
        *_cpu("user", INT64),
        F("exit_code", EXIT_CODE),
        F("extra", STRING),
        F("failed_node", STRING),
        F("flags", SLURMDB_JOB_FLAGS),
        F("group", STRING, "group_name"),
        F("het/job_id", INT32, "het_job_id"),
        F("het/job_offset", UINT32, "het_job_offset"),
        F("job_id", INT32),
        F("name", STRING),
        F("licenses", STRING),
        F("mcs/label", STRING, "mcs_label"),
        F("nodes", STRING, get=_nodes, put=_put_nodes),
        F("partition", STRING),
        F("hold", BOOLEAN, get=_hold, put=_put("hold")),
        F("priority", UINT32),
        F("qos", STRING),
        F("qosreq", STRING),
        F("required/CPUs", INT32, "required_cpus"),
        F("required/memory_per_cpu", UINT64, "required_memory_per_cpu"),
        F("required/memory_per_node", UINT64, "required_memory_per_node"),
        F("kill_request_user", STRING),
        F("restart_cnt", INT32),
        F("reservation/id", INT32, "reservation_id"),
        F("reservation/name", STRING, "reservation_name"),
        F("script", STRING),
        F("stdin_expanded", STRING, get=_expanded("standard_input")),
        F("stdout_expanded", STRING, get=_expanded("standard_output")),
        F("stderr_expanded", STRING, get=_expanded("standard_error")),
        F("stdout", STRING, "standard_output"),
        F("stderr", STRING, "standard_error"),
        F("stdin", STRING, "standard_input"),
        F("state/current", JOB_STATE, "job_state"),
        F("state/reason", STRING, "state_reason"),
        F("steps", STEP_LIST, get=_steps, put=_put("steps")),
        F("submit_line", STRING),
        F("tres/allocated", TRES_TEXT, "tres_allocated"),
        F("tres/requested", TRES_TEXT, "tres_requested"),
        F("used_gres", STRING),
        F("user", STRING, "user_name"),
        F("wckey", WCKEY_TAG, get=_wckey, put=_put_wckey),
        F("working_directory", STRING, "current_working_directory"),
    ),
)
JOB_LIST = ListOf(JOB, "job_list")
