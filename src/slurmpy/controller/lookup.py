"""From the ids that users write ("12", "12_3", "12_[1-3,7]", "12+1") to records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slurmpy.controller import arrays
from slurmpy.core.errors import SlurmError
from slurmpy.core.intervals import IntervalSet

if TYPE_CHECKING:
    from slurmpy.controller.control import Controller
    from slurmpy.controller.state import Job


class Target:
    """What an id stands for: whole jobs, or single tasks that still wait in an array's record."""

    __slots__ = ("component", "job_id", "tasks", "text")

    def __init__(self, text: str, job_id: int, tasks: IntervalSet | None, component: int | None) -> None:
        self.text, self.job_id, self.tasks, self.component = text, job_id, tasks, component


def parse(text: str | int) -> Target:
    """Raises SlurmError ESLURM_INVALID_JOB_ID."""
    written = str(text).strip()
    number, plus, component = written.partition("+")
    number, underscore, tasks = number.partition("_")
    if not number.isdigit() or int(number) == 0 or (plus and not component.isdigit()):
        raise SlurmError("ESLURM_INVALID_JOB_ID")
    wanted = None
    if underscore and tasks != "*":
        try:
            wanted = IntervalSet.parse(tasks.strip("[]").partition("%")[0])
        except (ValueError, SlurmError):
            raise SlurmError("ESLURM_INVALID_JOB_ID") from None
    return Target(written, int(number), wanted, int(component) if plus else None)


def records(ctl: Controller, target: Target) -> list[Job]:
    """The records that a target touches, without changing anything. Raises SlurmError if there is none."""
    state = ctl.state
    job = state.jobs.get(target.job_id)
    if target.component is not None:
        for part in state.by_het.get(target.job_id, {}).values():
            if part.het_job_offset == target.component:
                return [part]
        raise SlurmError("ESLURM_INVALID_JOB_ID")
    if target.tasks is not None:
        found: dict[int, Job] = {}
        for task in target.tasks:
            one = state.find_task(target.job_id, task)
            if one is not None:
                found[one.job_id] = one
        if not found:
            raise SlurmError("ESLURM_INVALID_JOB_ID")
        return list(found.values())
    if (job is not None and job.array_job_id == job.job_id) or (job is None and target.job_id in state.by_array):
        return list(state.by_array[target.job_id].values())
    if job is None:
        raise SlurmError("ESLURM_INVALID_JOB_ID")
    if job.het_job_id and job.het_job_id == target.job_id:
        return list(state.by_het[job.het_job_id].values())
    return [job]


def detach(ctl: Controller, target: Target) -> list[Job]:
    """As `records`, but waiting tasks that are named singly get records of their own first, so that they can be
    changed.

    All waiting tasks of a record together are that record itself.
    """
    state = ctl.state
    if target.tasks is None:
        return records(ctl, target)
    records(ctl, target)
    meta = state.jobs.get(target.job_id)
    waiting = meta._array_tasks if meta is not None else None
    if meta is not None and waiting is not None:
        named = [task for task in target.tasks if task in waiting]
        if named and len(named) < len(waiting):
            for task in named:
                split(ctl, meta, task)
    return records(ctl, target)


def split(ctl: Controller, meta: Job, task: int) -> Job:
    """Gives one waiting task of an array a record of its own."""
    from slurmpy.controller import records as accounting

    job = arrays.split(ctl.state, meta, task)
    accounting.job_start(ctl, job)
    return job


def show_id(job: Job) -> str:
    """``12``, ``12_3``, ``12_[4-9]``, ``12+1``."""
    if job.array_job_id:
        if job.array_task_id is not None:
            return f"{job.array_job_id}_{job.array_task_id}"
        if job._array_tasks is not None:
            return f"{job.array_job_id}_[{job._array_tasks.format()}]"
    if job.het_job_id:
        return f"{job.het_job_id}+{job.het_job_offset}"
    return str(job.job_id)
