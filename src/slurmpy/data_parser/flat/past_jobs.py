"""Jobs and steps of the accounting database."""

from __future__ import annotations

import signal
from typing import Any

from slurmpy.core.ids import STEP_NAMES, step_name
from slurmpy.core.records.accounting import DbJob, DbStep

from .. import slurmdb_jobs as newer
from ..errors import Context
from ..lists import ListOf
from ..tables import Field as F
from ..tres import TresExtremes
from ..types import UNSET, Reference, Type
from .accounts import ASSOCIATION_SHORT
from .jobs import JOB_STATE
from .types import INT, INT_OR_NULL, TEXT, TEXT_OR_NULL, TRES, Constant, FlatTable, Names, Tres, Whole


class ExitCode(Type):
    """{"status", "return_code"}, and "signal" for what was ended by one."""

    name = "job_exit_code"

    def schema(self, reference: Reference) -> dict[str, Any]:
        signal = {"type": "object", "properties": {"signal_id": {"type": "integer"}, "name": {"type": "string"}}}
        return {
            "type": "object",
            "properties": {"status": {"type": "string"}, "return_code": {"type": "integer"}, "signal": signal},
        }

    def dump(self, value: Any) -> dict[str, Any]:
        if value is None:
            return {"status": "PENDING", "return_code": None}
        number = value & 0x7F
        if number:
            ended = {"signal_id": number, "name": signal.strsignal(number) or f"Unknown signal {number}"}
            return {"status": "SIGNALED", "return_code": None, "signal": ended}
        code = value >> 8 & 0xFF
        return {"status": "ERROR" if code else "SUCCESS", "return_code": code}

    def parse(self, document: Any, at: str, context: Context) -> Any:
        if not isinstance(document, dict):
            return UNSET
        if document.get("status") == "PENDING":
            return None
        number = (document.get("signal") or {}).get("signal_id")
        return number if isinstance(number, int) else (INT.parse(document.get("return_code") or 0, at, context)) << 8


EXIT_CODE = ExitCode()


class Extremes(Tres, TresExtremes):
    """Counts with the node and task of each."""

    name = "tres_list"

    def __init__(self) -> None:
        pass

    def dump(self, value: Any) -> Any:
        return [entry | {"name": entry["name"] or None} for entry in TresExtremes.dump(self, value)]

    def parse(self, document: Any, at: str, context: Context) -> Any:
        return TresExtremes.parse(self, document, at, context)


EXTREMES = Extremes()


def _extremes(direction: str, end: str) -> F:
    field = newer._extremes(direction, end)
    return field.changed(type=EXTREMES)


def _step_id(step: DbStep) -> Any:
    return step_name(step.step_id) if step.step_id in STEP_NAMES else step.step_id


_STEP_NUMBERS = {name: number for number, name in STEP_NAMES.items()}


class StepId(Type):
    """A number, or the word for one of the special steps."""

    def schema(self, reference: Reference) -> dict[str, Any]:
        return {"type": "string"}

    def dump(self, value: Any) -> Any:
        return value

    def parse(self, document: Any, at: str, context: Context) -> Any:
        return _STEP_NUMBERS[document] if document in _STEP_NUMBERS else INT.parse(document, at, context)


def _put(name: str) -> Any:
    def put(values: dict[str, Any], value: Any) -> None:
        values[name] = value

    return put


def _frequency(name: str) -> Any:
    """Null where srun did not ask for one; a batch step cannot, and has 0."""

    def frequency(step: DbStep) -> int | None:
        value: int | None = getattr(step, name)
        return 0 if value is None and step.step_id in STEP_NAMES else value

    return frequency


def _put_frequency(name: str) -> Any:
    def put(values: dict[str, Any], value: int | None) -> None:
        values[name] = value or None

    return put


_GOVERNORS = {
    "Conservative": 0x88000000, "Performance": 0x90000000, "PowerSave": 0xA0000000, "OnDemand": 0x84000000,
    "UserSpace": 0xC0000000,
}  # fmt: skip


def _governor(step: DbStep) -> tuple[str, ...]:
    """«Not set» has the bits of all of them."""
    if step.cpu_frequency_governor is None:
        return () if step.step_id in STEP_NAMES else tuple(_GOVERNORS)
    return tuple(name for name, bits in _GOVERNORS.items() if step.cpu_frequency_governor & bits & 0x7FFFFFFF)


def _put_governor(values: dict[str, Any], names: tuple[str, ...]) -> None:
    values["cpu_frequency_governor"] = _GOVERNORS[names[0]] if len(names) == 1 else None


def _cpu(part: str) -> tuple[F, ...]:
    return tuple(field.changed(type=INT) for field in newer._cpu(part, INT))


STEP = FlatTable(
    "step",
    DbStep,
    (
        F("nodes/list", newer.HOSTLIST, get=lambda step: step.nodes),
        F("nodes/count", INT, "node_count"),
        F("nodes/range", TEXT, "nodes"),
        _extremes("in", "max"),
        _extremes("in", "min"),
        F("tres/requested/average", TRES, "tres_usage_in_ave"),
        F("tres/requested/total", TRES, "tres_usage_in_tot"),
        _extremes("out", "max"),
        _extremes("out", "min"),
        F("tres/consumed/average", TRES, "tres_usage_out_ave"),
        F("tres/consumed/total", TRES, "tres_usage_out_tot"),
        F("tres/allocated", TRES, "tres_allocated"),
        F("time/elapsed", INT, get=newer._elapsed, timed=True),
        F("time/end", INT, "end_time"),
        F("time/start", INT, "start_time"),
        F("time/suspended", INT, "suspended"),
        *_cpu("system"),
        *_cpu("total"),
        *_cpu("user"),
        F("exit_code", EXIT_CODE),
        F("tasks/count", INT, "number_tasks"),
        F("pid", Constant(None), ""),
        F(
            "CPU/requested_frequency/min",
            INT_OR_NULL,
            get=_frequency("cpu_frequency_minimum"),
            put=_put_frequency("cpu_frequency_minimum"),
        ),
        F(
            "CPU/requested_frequency/max",
            INT_OR_NULL,
            get=_frequency("cpu_frequency_maximum"),
            put=_put_frequency("cpu_frequency_maximum"),
        ),
        F("CPU/governor", Names("governor", tuple(_GOVERNORS)), get=_governor, put=_put_governor),
        F("kill_request_user", TEXT_OR_NULL),
        F("state", JOB_STATE, "job_state"),
        F("statistics/CPU/actual_frequency", INT, "actual_cpu_frequency"),
        F("statistics/energy/consumed", INT, "consumed_energy"),
        F("step/job_id", INT, get=lambda step: getattr(step, "_job_id", 0)),
        F("step/het/component", INT_OR_NULL, "step_het_comp"),
        F("step/id", StepId(), get=_step_id, put=_put("step_id")),
        F("step/name", TEXT, "name"),
        F("task/distribution", TEXT, "distribution"),
    ),
    documented={
        "nodes/list": None,
        "task/distribution": None,
        "task": {"type": "string"},
    },
)

_FLAGS = Names(
    "slurmdb_job_flags",
    ("CLEAR_SCHEDULING", "STARTED_ON_SUBMIT", "STARTED_ON_SCHEDULE", "STARTED_ON_BACKFILL"),
    lambda value: ("CLEAR_SCHEDULING", *value) if any(name.startswith("STARTED") for name in value or ()) else (),
    lambda names: tuple(name for name in names if name != "CLEAR_SCHEDULING"),
)


def _memory(job: DbJob) -> int | None:
    return job.required_memory_per_node if job.required_memory_per_cpu is None else job.required_memory_per_cpu


def _put_memory(values: dict[str, Any], value: int | None) -> None:
    values["required_memory_per_node"] = value


def _association(job: DbJob) -> dict[str, Any]:
    return newer._association(job)


def _put_association(values: dict[str, Any], value: dict[str, Any]) -> None:
    for name in ("account", "user", "partition"):
        values[f"association_{name}"] = value.get(name, "")


WCKEY = FlatTable("", dict, (F("wckey", TEXT), F("flags", Names("", ("ASSIGNED_DEFAULT",)))))

JOB = FlatTable(
    "job",
    DbJob,
    (
        F("account", TEXT),
        F("comment/administrator", TEXT_OR_NULL, "admin_comment"),
        F("comment/job", TEXT_OR_NULL, "comment"),
        F("comment/system", TEXT_OR_NULL, "system_comment"),
        F("allocation_nodes", INT),
        F("array/job_id", INT, "array_job_id"),
        F("array/limits/max/running/tasks", INT, "array_max_tasks"),
        F("array/task", TEXT_OR_NULL, "array_task_string"),
        F("array/task_id", INT_OR_NULL, "array_task_id"),
        F("association", ASSOCIATION_SHORT, get=_association, put=_put_association),
        F("cluster", TEXT),
        F("constraints", TEXT),
        F("container", TEXT_OR_NULL),
        F("derived_exit_code", EXIT_CODE),
        F("time/elapsed", INT, get=newer._elapsed, timed=True),
        F("time/eligible", INT, "eligible_time"),
        F("time/end", INT, "end_time"),
        F("time/start", INT, "start_time"),
        F("time/submission", INT, "submit_time"),
        F("time/suspended", INT, "suspended"),
        *_cpu("system"),
        F("time/limit", Whole(), "time_limit"),
        *_cpu("total"),
        *_cpu("user"),
        F("exit_code", EXIT_CODE),
        F("flags", _FLAGS),
        F("group", TEXT, "group_name"),
        F("het/job_id", INT, "het_job_id"),
        F("het/job_offset", INT_OR_NULL, "het_job_offset"),
        F("job_id", INT),
        F("name", TEXT),
        F("mcs/label", TEXT, "mcs_label"),
        F("nodes", TEXT, get=newer._nodes, put=newer._put_nodes),
        F("partition", TEXT),
        F("priority", INT_OR_NULL),
        F("qos", TEXT),
        F("required/CPUs", INT, "required_cpus"),
        F("required/memory", INT_OR_NULL, get=_memory, put=_put_memory),
        F("kill_request_user", TEXT_OR_NULL),
        F("reservation/id", INT, "reservation_id"),
        # 22.05 writes the place in memory of a name here, which nobody can use; as a number it stands for the same
        F("reservation/name", INT, get=lambda job: job.reservation_id),
        F("state/current", JOB_STATE, "job_state"),
        F("state/reason", TEXT, "state_reason"),
        F("steps", ListOf(STEP), get=newer._steps, put=_put("steps")),
        F("tres/allocated", TRES, "tres_allocated"),
        F("tres/requested", TRES, "tres_requested"),
        F("user", TEXT, "user_name"),
        F("wckey", WCKEY, get=newer._wckey, put=newer._put_wckey),
        F("working_directory", TEXT, "current_working_directory"),
    ),
    documented={"allocation_nodes": {"type": "string"}},
)
