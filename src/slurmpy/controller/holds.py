"""Jobs that are held and let go again. One that runs may be held, too: it runs on, and stays held if it is requeued."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slurmpy.core.states import JobState

if TYPE_CHECKING:
    from slurmpy.controller.state import Job, State


def hold(job: Job, by_admin: bool, now: int) -> None:
    """Takes a job's priority away; with ``by_admin`` only operators may give it back."""
    job.hold, job.priority, job._hold_admin = True, 0, by_admin
    job.state_reason = reason(job)
    job.state_description = ""
    if job._begin_time <= now:
        job.eligible_time = 0
    if job.is_suspended:
        job._limits = {**job._limits, "priority_before": 0}


def reason(job: Job) -> str:
    return "JobHeldAdmin" if job._hold_admin else "JobHeldUser"


def release(job: Job) -> None:
    """Lets a job go; its priority is still to be computed (`prioritise`)."""
    job.hold, job._hold_admin = False, False
    job.priority = 1
    job.state_reason = "None"
    job.state_description = ""


def unmarked(job: Job) -> int:
    """The state of a job that is let go: without what said why it was held."""
    return job.job_state & ~(JobState.SPECIAL_EXIT | JobState.REQUEUE_HOLD)


def prioritise(state: State, job: Job, now: int) -> None:
    """Gives a job that is not (or no longer) held its priority; a suspended one gets it when it runs on."""
    from slurmpy.controller import priority

    if job.is_suspended:
        job._limits = {**job._limits, "priority_before": priority.compute(state, job, now)}
        job.priority, job.hold = 0, True
    elif job.is_pending:
        priority.set_priority(state, job, now)
    else:
        job.priority = priority.compute(state, job, now)
