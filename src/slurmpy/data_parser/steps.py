"""Running steps, as ``scontrol show step`` and ``squeue --steps`` dump them."""

from __future__ import annotations

from typing import Any

from slurmpy.core.ids import STEP_NAMES, step_name
from slurmpy.core.records.job import StepInfo
from slurmpy.core.states import JobState

from .kinds import INT32, JOB_STATE, UINT32, UINT64
from .lists import ListOf
from .tables import Field as F
from .tables import Table
from .types import STRING, Integer

#: Slurm's NO_VAL, written as a plain number
NO_VAL = 0xFFFFFFFE

_STEP_NUMBERS = {name: number for number, name in STEP_NAMES.items()}


def _id(step: StepInfo) -> str:
    text = f"{step.job_id}.{step_name(step.step_id)}"
    return text if step.step_het_comp is None else f"{text}+{step.step_het_comp}"


def _put_id(values: dict[str, Any], value: str) -> None:
    job, _, step = value.partition(".")
    step, _, component = step.partition("+")
    values["job_id"] = int(job) if job.isdecimal() else 0
    values["step_id"] = _STEP_NUMBERS[step] if step in _STEP_NUMBERS else int(step) if step.isdecimal() else 0
    if component.isdecimal():
        values["step_het_comp"] = int(component)


def running(step: StepInfo, now: float) -> int:
    """Seconds that it has run up to ``now``; with no clock (0) what is on record."""
    if not now or step.state & JobState.BASE == JobState.SUSPENDED:
        return step.run_time
    return step.run_time + max(0, int(now) - (step.resume_time or step.start_time))


def _put_running(values: dict[str, Any], value: int | None) -> None:
    values["run_time"] = value or 0


STEP_INFO = Table(
    "step_info",
    StepInfo,
    (
        F("array/job_id", INT32, "array_job_id"),
        F("array/task_id", Integer("int32", NO_VAL), "array_task_id"),
        F("cluster", STRING),
        F("container", STRING),
        F("container_id", STRING),
        F("cpu/frequency/min", UINT32, "cpu_frequency_minimum"),
        F("cpu/frequency/max", UINT32, "cpu_frequency_maximum"),
        F("cpu/frequency/governor", UINT32, "cpu_frequency_governor"),
        F("tres/per/cpu", STRING, "cpus_per_tres"),
        F("tres/per/memory", STRING, "memory_per_tres"),
        F("tres/per/step", STRING, "tres_per_step"),
        F("tres/per/node", STRING, "tres_per_node"),
        F("tres/per/socket", STRING, "tres_per_socket"),
        F("tres/per/task", STRING, "tres_per_task"),
        F("tres/allocation", STRING, "tres_alloc_str"),
        F("tres/binding", STRING, "tres_bind"),
        F("tres/frequency", STRING, "tres_freq"),
        F("name", STRING),
        F("network", STRING),
        F("nodes", STRING),
        F("number_cpus", INT32),
        F("number_tasks", INT32),
        F("partition", STRING),
        F("reserved_ports", STRING),
        F("time/running", UINT64, get=running, put=_put_running, timed=True),
        F("time/start", UINT64, "start_time"),
        F("time/limit", UINT32, "time_limit"),
        F("srun/host", STRING, "srun_host"),
        F("srun/pid", INT32, "srun_pid"),
        F("state", JOB_STATE),
        F("id", STRING, get=_id, put=_put_id),
        F("submit_line", STRING),
        F("task/distribution", STRING, "distribution"),
        F("user", STRING, "user_name"),
    ),
)
STEP_INFO_MSG = ListOf(STEP_INFO, "step_info_msg")
