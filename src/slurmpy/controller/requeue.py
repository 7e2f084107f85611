"""Jobs that go back to the queue, that are suspended for a while, and that are forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slurmpy.controller import (
    dependencies,
    ends,
    holds,
    jobs,
    limits,
    nodes,
    programs,
    records,
    scheduler,
    select,
    submission,
)
from slurmpy.controller.state import Job
from slurmpy.core.states import JobState

if TYPE_CHECKING:
    from slurmpy.controller.control import Controller

#: a requeued batch job starts again after so long, seconds: its old processes' credential has run out by then
REQUEUE_DELAY = 121


def requeue(ctl: Controller, job: Job, flags: int, why: str, reason: str = "") -> None:
    """Ends this life of a job and puts it back into the queue; `flags` may hold SPECIAL_EXIT and REQUEUE_HOLD."""
    job._requeue = flags
    job._limits = {**job._limits, "requeue_reason": reason, "requeue_why": why}
    if job.is_finished:
        # the end that is in the books becomes one that was requeued
        records.job_complete(ctl, job, job_state=int(JobState.REQUEUED))
    if job.is_finished and not job.is_completing:
        back_to_queue(ctl, job)
        return
    if job.is_completing:
        ctl.state.touch_job(job)
        return
    if job.is_suspended:
        unsuspend_records(ctl, job)
    base = JobState.NODE_FAIL if why == "node_fail" else JobState.PREEMPTED if why == "preempted" else JobState.PENDING
    job.end_time = ctl.state.now
    shown = job.copy(job_state=(base or JobState.CANCELLED) | JobState.REQUEUED, end_time=ctl.state.now)
    records.job_complete(ctl, shown, **({} if base else {"job_state": int(JobState.REQUEUED)}))
    ends.complete(ctl, job, base, "None", 0, "requeue" if why != "node_fail" else why)


def back_to_queue(ctl: Controller, job: Job) -> None:
    state = ctl.state
    now = state.now
    flags = job._requeue or 0
    reason = job._limits.get("requeue_reason", "")
    job._requeue = None
    over = ("requeue_why", "requeue_reason", "paused", "killed_by", "oom")
    job._limits = {key: value for key, value in job._limits.items() if key not in over}
    job.restart_cnt += 1
    # job id and submit time are the key of a life in the books: the next one must never be taken for this one, even if
    # it begins within the same second, or the clock has been set back
    job.submit_time = max(now, job.submit_time + 1)
    job.start_time = job.end_time = 0
    job._end_limit = job._kill_time = 0
    scheduler.reset_for_requeue(state, job)
    job.gres_used = ""
    job.exit_code = job.derived_exit_code = 0
    job.suspend_time = job.pre_sus_time = job.preempt_time = 0
    job.accrue_time = 0
    job.eligible_time = 0
    job._launched = False
    job.flags = tuple(flag for flag in job.flags if flag not in ("JOB_WAS_RUNNING", "ACCRUE_COUNT_CLEARED"))
    if flags & (JobState.REQUEUE_HOLD | JobState.SPECIAL_EXIT):
        job.priority = 0
        job.hold = True
        job.state_reason = "JobHeldUser"
        job.state_description = reason or "job requeued in held state"
        job._begin_time = max(job._begin_time, now + REQUEUE_DELAY)
        state.set_job_state(job, JobState.PENDING | flags & JobState.SPECIAL_EXIT)
    else:
        job.state_reason = holds.reason(job) if job.hold else "BeginTime"
        if not job.cron:  # which comes back exactly when its crontab says
            job._begin_time = max(job._begin_time, now + REQUEUE_DELAY)
        state.set_job_state(job, JobState.PENDING)
    # when it may start at the earliest is shown as its start
    job.eligible_time = job.start_time = job._begin_time
    submission.show_begin(job)
    limits.on_submit(state, job, now)
    dependencies.watch(state, job)
    jobs.arm_deadline(ctl, job)
    records.job_start(ctl, job)
    programs.mail(ctl, job, "REQUEUE", now)
    ctl.events.publish(job, {"event": "requeued"})
    ctl.schedule()


# ---------------------------------------------------------------------------------------------- suspend


def suspend(ctl: Controller, job: Job) -> None:
    """Stops a running job's processes; its CPUs are free for others, its memory is not."""
    now = ctl.state.now
    since = job.suspend_time or job.start_time
    job.pre_sus_time += now - since
    job.suspend_time = now
    job._limits = {**job._limits, "priority_before": job.priority}
    job.priority, job.hold = 0, True
    ctl.timers.drop(("limit", job.job_id))
    select.suspend(ctl.state, job)
    ctl.state.set_job_state(job, JobState.SUSPENDED)
    for name in job._allocation:
        nodes.refresh(ctl, ctl.state.nodes[name])
    records.suspended(ctl, job, now)
    names = tuple(job._allocation)

    def send() -> None:
        for name in names:
            ctl.agent.send(name, "suspend_job", {"job_id": job.job_id})

    ctl.after_commit(send)
    ctl.events.publish(job, {"event": "suspended"})
    ctl.schedule()


def resume(ctl: Controller, job: Job) -> None:
    """Lets a suspended job run on; its time limit is moved by the pause."""
    select.resume(ctl.state, job)
    unsuspend_records(ctl, job)
    ctl.state.set_job_state(job, JobState.RUNNING)
    for name in job._allocation:
        nodes.refresh(ctl, ctl.state.nodes[name])
    jobs.set_end_limit(ctl, job)
    names = tuple(job._allocation)

    def send() -> None:
        for name in names:
            ctl.agent.send(name, "resume_job", {"job_id": job.job_id})

    ctl.after_commit(send)
    ctl.events.publish(job, {"event": "resumed"})


def unsuspend_records(ctl: Controller, job: Job) -> None:
    now = ctl.state.now
    paused = job._limits.get("paused", 0) + now - job.suspend_time
    job._limits = {**job._limits, "paused": paused}
    job.priority = job._limits.get("priority_before", 1)
    job.hold = job.priority == 0
    records.resumed(ctl, job, job.suspend_time, now)
    job.suspend_time = now


# ---------------------------------------------------------------------------------------------- purge


def on_purge(ctl: Controller, _key: Any = None) -> None:
    """Forgets jobs that ended more than MinJobAge ago, the oldest first."""
    state = ctl.state
    age = ctl.conf.MinJobAge
    if not age:
        return
    left = 1000  # a turn's share: the rest a little later
    for job in list(state.finished.values())[: left + 1]:
        if job.end_time + age > state.now:
            ctl.at("purge", 0, job.end_time + age + 1)
            return
        if left == 0:
            ctl.at("purge", 0, state.now + 1)
            return
        left -= 1
        purge(ctl, job)


def purge(ctl: Controller, job: Job) -> None:
    state = ctl.state
    state.remove_job(job)
    script_id = job._script_id
    in_use = script_id in state.jobs or script_id in state.by_array or script_id in state.by_het
    if script_id and not in_use:
        ctl.store.drop_script(script_id)
    for kind in ("deadline", "limit"):
        ctl.timers.drop((kind, job.job_id))


TIMERS = {"purge": on_purge}
