"""Jobs that wait and start: scheduling passes, the start of what got an allocation, time limits and signals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slurmpy.controller import (
    dependencies,
    ends,
    launch,
    limits,
    nodes,
    programs,
    records,
    requeue,
    scheduler,
    select,
    submission,
)
from slurmpy.controller.state import Job, Step
from slurmpy.core.ids import STEP_BATCH
from slurmpy.core.records.base import INFINITE
from slurmpy.core.states import JobState
from slurmpy.core.times import NO_LIMIT_SECONDS
from slurmpy.rpc.log import log

if TYPE_CHECKING:
    from slurmpy.controller.control import Controller

#: a pass that starts more goes on in the next turn of the loop, so that requests are heard in between
STARTS_PER_PASS = 64

# ---------------------------------------------------------------------------------------------- queue


def added(ctl: Controller, job: Job) -> None:
    """A new job is in the state: tell the scheduler, accounting and the clock."""
    limits.on_submit(ctl.state, job, ctl.state.now)
    dependencies.watch(ctl.state, job)
    ctl.unrecorded[job.job_id] = job  # accounting hears of it when the scheduler has had its first look
    arm_deadline(ctl, job)
    ctl.statistics.jobs_submitted += 1
    ctl.schedule()


def arm_deadline(ctl: Controller, job: Job) -> None:
    if job.deadline:
        ctl.at("deadline", job.job_id, _last_start(job))


def _last_start(job: Job) -> float:
    """When a waiting job can no longer end before its deadline."""
    limit = job.time_minimum or job.time_limit or 0
    return job.deadline - (limit * 60 if limit != INFINITE else 0)


def on_deadline(ctl: Controller, job_id: int) -> None:
    job = ctl.state.jobs.get(job_id)
    if job is None or not job.deadline or job.is_finished:
        return
    if job.is_pending:
        if ctl.state.now >= _last_start(job):
            log.info(f"JobId={job_id} deadline passed, cancelled")
            ends.end_waiting(ctl, job, JobState.DEADLINE, "DeadLine", exit_code=1)
    elif ctl.state.now >= job.deadline:
        ends.tell_to_end(ctl, job, "deadline")
    else:
        ctl.at("deadline", job_id, job.deadline)


def schedule(ctl: Controller) -> None:
    """One pass of the main scheduler, and the start of what it gave an allocation."""
    state = ctl.state
    shrunk: dict[int, Job] = {}
    for job in scheduler.run(state, state.now, STARTS_PER_PASS):
        begin(ctl, job)
        if job.array_job_id in state.pending and job.array_job_id != job.job_id:
            shrunk[job.array_job_id] = state.pending[job.array_job_id]
    for meta in shrunk.values():
        if meta.is_pending:  # its last task may have started by now
            meta.eligible_time = 0  # that of the tasks which still wait is open
            records.job_start(ctl, meta)
    _act_on_decisions(ctl)
    when = scheduler.next_wakeup(state)
    if when:
        ctl.at("look", 0, when)
    if scheduler.pending_work(state, state.now):
        ctl.schedule()


def _act_on_decisions(ctl: Controller) -> None:
    """Cancels what can never start, and takes the preempted jobs off."""
    for job in scheduler.take_doomed(ctl.state):
        programs.mail(ctl, job, "INVALID_DEPENDENCY", ctl.state.now)
        ends.end_waiting(ctl, job, JobState.CANCELLED, "DependencyNeverSatisfied")
    wanted, ctl.state.preempt_requests = ctl.state.preempt_requests, {}
    for job_id, mode in wanted.items():
        victim = ctl.state.running.get(job_id)
        if victim is None or not victim.is_running or victim.is_completing:
            continue
        log.info(f"preempted JobId={job_id} has been told to make room ({mode.lower()})")
        victim.preempt_time = ctl.state.now
        if mode == "REQUEUE" and victim.batch_flag and victim.requeue:
            requeue.requeue(ctl, victim, 0, "preempted")
        elif mode == "SUSPEND":
            requeue.suspend(ctl, victim)
        else:
            ends.tell_to_end(ctl, victim, "preempted")


def run_backfill(ctl: Controller, _key: Any = None) -> None:
    """One pass of the backfill scheduler; it comes again after bf_interval."""
    import time

    from slurmpy.controller import backfill

    state = ctl.state
    statistics = ctl.statistics
    statistics.bf_when = state.now
    began = time.perf_counter()
    started = backfill.run(state, state.now) if state.pending else []
    for job in started:
        begin(ctl, job)
    _act_on_decisions(ctl)
    took = time.perf_counter() - began
    # requests wait while it runs, so it gets a tenth of the time at most
    ctl.at("backfill", 0, time.time() + max(backfill.interval(state), 10 * took))
    if not state.pending and not started:
        return
    statistics.bf_cycles += 1
    statistics.bf_last = int(took * 1e6)
    statistics.bf_max = max(statistics.bf_max, statistics.bf_last)
    statistics.bf_total += statistics.bf_last
    statistics.bf_queue_length = len(state.pending)
    statistics.bf_backfilled += len(started)
    statistics.bf_backfilled_total += len(started)


def on_look(ctl: Controller, _key: Any) -> None:
    """A begin time has come, a reservation starts or ends, ..."""
    ctl.schedule()


# ---------------------------------------------------------------------------------------------- start


def begin(ctl: Controller, job: Job) -> None:
    """The scheduler gave the job an allocation: it runs from now."""
    state = ctl.state
    now = state.now
    job.start_time = now
    job._warned = False
    job._kill_time = 0
    job._next_step = 0
    job._launched = False
    job.exit_code = job.derived_exit_code = 0
    job.state_reason = "None"
    job.state_description = ""
    job.suspend_time = job.pre_sus_time = 0
    limit = job.time_limit
    if limit is None or limit == INFINITE:
        job.end_time = now + NO_LIMIT_SECONDS
        job._end_limit = 0
    else:
        job.end_time = job._end_limit = now + limit * 60
    if job.deadline and (not job._end_limit or job._end_limit > job.deadline):
        job.end_time = job._end_limit = job.deadline
    if not job.eligible_time:
        job.eligible_time = now
    accrued = ("ACCRUE_COUNT_CLEARED",) if job.accrue_time else ()
    job.flags = submission.order_flags((*job.flags, "JOB_WAS_RUNNING", *accrued))
    job.batch_host = next(iter(job._allocation)) if job.batch_flag or job._srun else ""
    job.job_resources = select.job_resources(state, job)
    prolog = programs.needs_prolog(ctl) and not (job.het_job_id and job.het_job_offset)
    state.set_job_state(job, JobState.RUNNING | JobState.CONFIGURING if prolog else JobState.RUNNING)
    arm_limit(ctl, job)
    for name in job._allocation:
        nodes.refresh(ctl, state.nodes[name])
    records.job_start(ctl, job)
    ctl.statistics.jobs_started += 1
    if job.mail_type:
        programs.mail(ctl, job, "BEGIN", now)
        programs.arm_mails(ctl, job)
    if prolog:
        ctl.after_commit(lambda: programs.start_prolog(ctl, job))
    else:
        ready(ctl, job)


def ready(ctl: Controller, job: Job) -> None:
    """Nothing more is to be done before the job's own processes start."""
    if job.batch_flag and not (job.het_job_id and job.het_job_offset):
        step = batch_step(ctl, job)
        records.step_start(ctl, job, step, tres_allocated=records.batch_tres(job._allocation[job.batch_host]))
        ctl.after_commit(lambda: launch.batch(ctl, job))
    if ctl.events.listening(job):
        ctl.after_commit(lambda: ctl.events.publish(job, {"event": "started"}))


def batch_step(ctl: Controller, job: Job) -> Step:
    """The step that the batch script runs in."""
    node = job.batch_host
    step = Step(
        job_id=job.job_id, step_id=STEP_BATCH, name="batch", user_id=job.user_id, user_name=job.user_name,
        partition=job.partition, state=JobState.RUNNING, nodes=node, node_count=1, number_tasks=1, tasks_per_node=(1,),
        start_time=ctl.state.now, cluster=job.cluster, distribution="Unknown", cpu_frequency_minimum=0,
        cpu_frequency_maximum=0, cpu_frequency_governor=0,
    )  # fmt: skip
    if job.array_job_id:
        step.array_job_id, step.array_task_id = job.array_job_id, job.array_task_id
    if job.het_job_id:
        step.het_job_id, step.het_job_offset = job.het_job_id, job.het_job_offset
    for name in ("standard_input", "standard_output", "standard_error", "current_working_directory", "container"):
        value = getattr(job, name)
        if value:
            setattr(step, name, value)
    step._running_on = frozenset((node,))
    step._exclusive = False
    job._steps[STEP_BATCH] = step
    ctl.state.touch_step(step)
    return step


def arm_limit(ctl: Controller, job: Job) -> None:
    """Sets the clock for the job's time limit, and for the warning signal before it."""
    if not job._end_limit or job._kill_time:
        ctl.timers.drop(("limit", job.job_id))
        return
    when: float = job._end_limit
    if job.kill_warning_signal and not job._warned:
        when = max(job.start_time, when - job.kill_warning_delay)
    else:
        grace = ctl.conf.OverTimeLimit or 0
        if grace == INFINITE:
            return
        when += grace * 60
    ctl.at("limit", job.job_id, when)


def set_end_limit(ctl: Controller, job: Job) -> None:
    """The time limit of a running job has changed, or it has been suspended for a while."""
    if job.time_limit is None or job.time_limit == INFINITE:
        job._end_limit, job.end_time = 0, job.start_time + NO_LIMIT_SECONDS
    else:
        paused = getattr(job, "_limits", {}).get("paused", 0)
        job._end_limit = job.end_time = job.start_time + job.time_limit * 60 + paused
    limits.count_left(ctl.state, job)
    arm_limit(ctl, job)


def on_limit(ctl: Controller, job_id: int) -> None:
    job = ctl.state.jobs.get(job_id)
    if job is None or not job.is_running or job.is_completing or not job._end_limit:
        return
    if job.kill_warning_signal and not job._warned:
        job._warned = True
        send_signal(ctl, job, _signal_number(job.kill_warning_signal), batch_only="BATCH_JOB" in job.kill_warning_flags)
        ctl.state.touch_job(job)
        arm_limit(ctl, job)
        return
    log.info(f"Time limit exhausted for JobId={job_id}")
    programs.mail(ctl, job, "TIME=100%", ctl.state.now)
    _time_out(ctl, job)


def _time_out(ctl: Controller, job: Job) -> None:
    ctl.events.publish(job, {"event": "timeout", "message": "time limit"})
    ends.tell_to_end(ctl, job, "timeout")


def end_used_up(ctl: Controller) -> None:
    """Ends the running jobs whose association or QOS has used up its minutes."""
    for job in list(ctl.state.running.values()):
        limit = limits.used_up(ctl.state, job) if job.is_running and not job.is_completing else ""
        if limit:
            log.info(f"JobId={job.job_id} timed out: {limit} is used up")
            _time_out(ctl, job)


def _signal_number(name: str) -> int:
    from slurmpy.core import signals

    return signals.parse(name)


def send_signal(
    ctl: Controller, job: Job, number: int, batch_only: bool = False, full: bool = False, steps_only: bool = False
) -> None:
    """Signals the processes of a running job, after the commit of what led to it."""
    message = {
        "job_id": job.job_id, "signal": number, "batch_only": batch_only, "full": full, "steps_only": steps_only,
    }  # fmt: skip
    names = (job.batch_host,) if batch_only and job.batch_host else tuple(job._allocation)

    def send() -> None:
        for name in names:
            ctl.agent.send(name, "signal_job", message)

    ctl.after_commit(send)
    ctl.events.publish(job, {"event": "signal", "signal": number})


TIMERS = {
    "deadline": on_deadline,
    "limit": on_limit,
    "look": on_look,
    "backfill": run_backfill,
}
