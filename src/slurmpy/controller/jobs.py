"""The life of a job: started, told to end, completing, ended, requeued, forgotten."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from slurmpy.controller import dependencies, launch, limits, nodes, records, scheduler, select
from slurmpy.controller.state import Job, Step
from slurmpy.core.ids import STEP_BATCH
from slurmpy.core.records.base import INFINITE
from slurmpy.core.states import JobState
from slurmpy.rpc.log import log

if TYPE_CHECKING:
    from slurmpy.controller.control import Controller

#: a requeued batch job starts again after so long, seconds: its old processes' credential has run out by then
REQUEUE_DELAY = 121

#: a pass that starts more goes on in the next turn of the loop, so that requests are heard in between
STARTS_PER_PASS = 64

#: why a running job is told to end: (state, reason, exit code unless its processes give one)
ENDS: dict[str, tuple[int, str, int]] = {
    "cancelled": (JobState.CANCELLED, "None", signal.SIGTERM),
    "timeout": (JobState.TIMEOUT, "TimeLimit", signal.SIGTERM),
    "deadline": (JobState.DEADLINE, "DeadLine", 1),
    "preempted": (JobState.PREEMPTED, "None", signal.SIGTERM),
    "node_fail": (JobState.NODE_FAIL, "NodeDown", 1),
    "inactive": (JobState.TIMEOUT, "InactiveLimit", signal.SIGTERM),
}


# ---------------------------------------------------------------------------------------------- queue


def added(ctl: Controller, job: Job) -> None:
    """A new job is in the state: tell the scheduler, accounting and the clock."""
    limits.on_submit(ctl.state, job, ctl.state.now)
    dependencies.watch(ctl.state, job)
    records.job_start(ctl, job)
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
            end_waiting(ctl, job, JobState.DEADLINE, "DeadLine", exit_code=1)
    elif ctl.state.now >= job.deadline:
        tell_to_end(ctl, job, "deadline")
    else:
        ctl.at("deadline", job_id, job.deadline)


def schedule(ctl: Controller) -> None:
    """One pass of the main scheduler, and the start of what it gave an allocation."""
    state = ctl.state
    for job in scheduler.run(state, state.now, STARTS_PER_PASS):
        begin(ctl, job)
    _act_on_decisions(ctl)
    when = scheduler.next_wakeup(state)
    if when:
        ctl.at("look", 0, when)
    if scheduler.pending_work(state, state.now):
        ctl.schedule()


def _act_on_decisions(ctl: Controller) -> None:
    """Cancels what can never start, and takes the preempted jobs off."""
    for job in scheduler.take_doomed(ctl.state):
        end_waiting(ctl, job, JobState.CANCELLED, "DependencyNeverSatisfied")
    wanted, ctl.state.preempt_requests = ctl.state.preempt_requests, {}
    for job_id, mode in wanted.items():
        victim = ctl.state.running.get(job_id)
        if victim is None or not victim.is_running or victim.is_completing:
            continue
        log.info(f"preempted JobId={job_id} has been told to make room ({mode.lower()})")
        victim.preempt_time = ctl.state.now
        if mode == "REQUEUE" and victim.batch_flag and victim.requeue:
            requeue(ctl, victim, 0, "preempted")
        elif mode == "SUSPEND":
            suspend(ctl, victim)
        else:
            tell_to_end(ctl, victim, "preempted")


def run_backfill(ctl: Controller, _key: Any = None) -> None:
    """One pass of the backfill scheduler; it comes again after bf_interval."""
    import time

    from slurmpy.controller import backfill

    state = ctl.state
    began = time.perf_counter()
    ctl.at("backfill", 0, state.now + backfill.interval(state))
    if not state.pending:
        return
    started = backfill.run(state, state.now)
    for job in started:
        begin(ctl, job)
    _act_on_decisions(ctl)
    statistics = ctl.statistics
    statistics.bf_cycles += 1
    statistics.bf_last = int((time.perf_counter() - began) * 1e6)
    statistics.bf_max = max(statistics.bf_max, statistics.bf_last)
    statistics.bf_total += statistics.bf_last
    statistics.bf_when = state.now
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
    job._end_state = None
    job._next_step = 0
    job._launched = False
    job.exit_code = job.derived_exit_code = 0
    job.state_reason = "None"
    job.state_description = ""
    job.suspend_time = job.pre_sus_time = 0
    limit = job.time_limit
    if limit is None or limit == INFINITE:
        job.end_time = 0
        job._end_limit = 0
    else:
        job.end_time = job._end_limit = now + limit * 60
    if job.deadline and (not job._end_limit or job._end_limit > job.deadline):
        job.end_time = job._end_limit = job.deadline
    if not job.eligible_time:
        job.eligible_time = now
    job.batch_host = next(iter(job._allocation)) if job.batch_flag or job._srun else ""
    state.set_job_state(job, JobState.RUNNING)
    arm_limit(ctl, job)
    for name in job._allocation:
        nodes.refresh(ctl, state.nodes[name])
    records.job_start(ctl, job)
    ctl.statistics.jobs_started += 1
    if job.batch_flag:
        if not job.het_job_id or job.het_job_offset == 0:
            step = batch_step(ctl, job)
            records.step_start(ctl, job, step)
            ctl.after_commit(lambda: launch.batch(ctl, job))
    if ctl.events.listening(job):
        ctl.after_commit(lambda: ctl.events.publish(job, {"event": "started"}))


def batch_step(ctl: Controller, job: Job) -> Step:
    """The step that the batch script runs in."""
    node = job.batch_host
    held = job._allocation[node]
    request = job._request
    step = Step(
        job_id=job.job_id, step_id=STEP_BATCH, name="batch", user_id=job.user_id, user_name=job.user_name,
        partition=job.partition, state=JobState.RUNNING, nodes=node, node_count=1, number_cpus=held.cpus,
        number_tasks=1, tasks_per_node=(1,), start_time=ctl.state.now, cluster=job.cluster,
        tres_alloc_str=records.batch_tres(held),
    )  # fmt: skip
    if job.array_job_id:
        step.array_job_id, step.array_task_id = job.array_job_id, job.array_task_id
    if job.het_job_id:
        step.het_job_id, step.het_job_offset = job.het_job_id, job.het_job_offset
    for name in ("standard_input", "standard_output", "standard_error", "current_working_directory", "container"):
        value = getattr(job, name)
        if value:
            setattr(step, name, value)
    if request is not None and request.submit_line:
        step.submit_line = request.submit_line
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
        job._end_limit = job.end_time = 0
    else:
        paused = getattr(job, "_limits", {}).get("paused", 0)
        job._end_limit = job.end_time = job.start_time + job.time_limit * 60 + paused
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
    ctl.events.publish(job, {"event": "timeout", "message": "time limit"})
    tell_to_end(ctl, job, "timeout")


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


# ---------------------------------------------------------------------------------------------- end


def tell_to_end(ctl: Controller, job: Job, why: str, failed_node: str = "") -> None:
    """Ends a running or suspended job: it is COMPLETING until every node has confirmed that nothing of it is left."""
    state, reason, exit_code = ENDS[why]
    if job.is_suspended:
        unsuspend_records(ctl, job)
    if failed_node:
        job.failed_node = failed_node
    _complete(ctl, job, state, reason, exit_code, why)


def _complete(ctl: Controller, job: Job, base: int, reason: str, exit_code: int, why: str) -> None:
    """The job takes its end state; its nodes clean up and confirm."""
    now = ctl.state.now
    job.state_reason = reason
    job.exit_code = exit_code
    job.end_time = now
    job._kill_time = now
    job._completing = frozenset(name for name in job._allocation if _answers(ctl, name))
    flags = JobState.COMPLETING if job._completing else 0
    ctl.timers.drop(("limit", job.job_id))
    ctl.state.set_job_state(job, base | flags)
    life_over(ctl, job)
    if job._requeue is None:
        records.job_complete(ctl, job)
        _count_end(ctl, base)
    for name in job._allocation:
        nodes.refresh(ctl, ctl.state.nodes[name])
    message = {
        "job_id": job.job_id, "restart_cnt": job.restart_cnt, "reason": why, "kill_wait": ctl.conf.KillWait,
        "user_id": job.user_id,
    }  # fmt: skip
    names = tuple(job._completing)

    def send() -> None:
        for name in names:
            ctl.agent.send(name, "terminate_job", message)

    ctl.after_commit(send)
    last = {"event": "ended", "why": why, "state": base, "exit_code": exit_code, "reason": reason}
    if why == "cancelled":
        ctl.events.publish(job, {"event": "revoked", "message": "cancelled"})
    elif why == "node_fail":
        ctl.events.publish(job, {"event": "node_fail", "message": job.failed_node})
    elif why in ("preempted", "deadline", "inactive"):
        ctl.events.publish(job, {"event": "revoked", "message": why})
    ctl.after_commit(lambda: ctl.events.publish(job, last))
    if not job._completing:
        cleaned_up(ctl, job)


def life_over(ctl: Controller, job: Job) -> None:
    """The job (or this life of it) counts no longer in limits; who waits for its end looks again."""
    state = ctl.state
    limits.on_end(state, job, state.now)
    dependencies.unwatch(state, job)
    for other in dependencies.on_job_end(state, job):
        state.requeue_look(other)
    ctl.schedule()


def _answers(ctl: Controller, name: str) -> bool:
    """Whether it makes sense to wait for that node's confirmation."""
    node = ctl.state.nodes.get(name)
    return node is not None and not nodes.is_gone(node)


def _count_end(ctl: Controller, base: int) -> None:
    statistics = ctl.statistics
    if base == JobState.COMPLETED:
        statistics.jobs_completed += 1
    elif base == JobState.CANCELLED:
        statistics.jobs_canceled += 1
    else:
        statistics.jobs_failed += 1


def batch_done(ctl: Controller, job: Job, args: dict[str, Any]) -> None:
    """slurmd says that the batch script has ended, or could not be started."""
    status = int(args.get("exit_code", 0))
    why = args.get("reason") or ""
    step = job._steps.get(STEP_BATCH)
    cleaned = bool(args.get("epilog_complete"))
    if step is not None:
        end_step(ctl, job, step, status, args, out_of_memory=why == "oom")
    if job.is_finished or job._requeue is not None:  # was told to end before
        if cleaned and job.is_completing:
            node_cleaned(ctl, job, args.get("node") or job.batch_host)
        elif job.is_completing and job.job_state & JobState.BASE == JobState.CANCELLED and status:
            job.exit_code = status
            ctl.state.touch_job(job)
        return
    if why in ("launch_failed", "prolog_failed"):
        log.error(f"JobId={job.job_id}: {args.get('message') or why} on {args.get('node')}")
        hold_after_failure(ctl, job, args)
        return
    if why == "oom":
        base, reason = JobState.OUT_OF_MEMORY, "OutOfMemory"
    elif status & 0x7F:
        base, reason = JobState.FAILED, _raised(status & 0x7F)
    elif status:
        base, reason = JobState.FAILED, "NonZeroExitCode"
        code = status >> 8
        if code in _requeue_codes(ctl, "RequeueExit") or code in _requeue_codes(ctl, "RequeueExitHold"):
            if job.requeue:
                held = code in _requeue_codes(ctl, "RequeueExitHold")
                requeue(ctl, job, JobState.SPECIAL_EXIT | JobState.REQUEUE_HOLD if held else 0, "ended")
                return
    else:
        base, reason = JobState.COMPLETED, "None"
    others = [one for one in job._steps.values() if one.step_id != STEP_BATCH]
    if cleaned and len(job._allocation) == 1 and not others:
        _ended_clean(ctl, job, base, reason, status)
    else:
        _complete(ctl, job, base, reason, status, "ended")
    for component in het_components(ctl, job):
        if component is not job and component.is_running:
            _complete(ctl, component, base, reason, status, "ended")


def _requeue_codes(ctl: Controller, parameter: str) -> frozenset[int]:
    codes = set()
    for piece in str(getattr(ctl.conf, parameter, "") or "").split(","):
        low, dash, high = piece.strip().partition("-")
        if low.isdigit():
            codes.update(range(int(low), int(high if dash else low) + 1))
    return frozenset(codes)


def _raised(number: int) -> str:
    return f"RaisedSignal:{number}({signal.strsignal(number) or 'Unknown signal'})"


def _ended_clean(ctl: Controller, job: Job, base: int, reason: str, status: int) -> None:
    """The usual end of a small batch job: script over, epilog run, all in one message."""
    job.state_reason = reason
    job.exit_code = status
    job.end_time = ctl.state.now
    ctl.timers.drop(("limit", job.job_id))
    ctl.state.set_job_state(job, base)
    life_over(ctl, job)
    records.job_complete(ctl, job)
    _count_end(ctl, base)
    if ctl.events.listening(job):
        last = {"event": "ended", "why": "ended", "state": base, "exit_code": status, "reason": reason}
        ctl.after_commit(lambda: ctl.events.publish(job, last))
    cleaned_up(ctl, job)


def hold_after_failure(ctl: Controller, job: Job, args: dict[str, Any]) -> None:
    """A launch failed: the job goes back to the queue, held; the node is drained if its prolog failed."""
    name = args.get("node") or job.batch_host
    if args.get("reason") == "prolog_failed" and name in ctl.state.nodes:
        nodes.drain(ctl, ctl.state.nodes[name], "Prolog error", "slurm")
    if job.requeue and job.batch_flag:
        hold = 0 if args.get("reason") == "prolog_failed" else JobState.REQUEUE_HOLD
        requeue(ctl, job, hold, "requeue", reason="launch_failed_requeued_held" if hold else "")
    else:
        _complete(ctl, job, JobState.FAILED, "JobLaunchFailure", 1, "ended")


def allocation_done(ctl: Controller, job: Job, status: int) -> None:
    """srun or salloc gives its allocation back with the status of its command."""
    if status & 0x7F:
        base, reason = JobState.FAILED, _raised(status & 0x7F)
    elif status:
        base, reason = JobState.FAILED, "NonZeroExitCode"
    else:
        base, reason = JobState.COMPLETED, "None"
    for component in het_components(ctl, job):
        if component.is_suspended:
            unsuspend_records(ctl, component)
        if component.is_running and not component.is_completing:
            _complete(ctl, component, base, reason, status, "ended")


def het_components(ctl: Controller, job: Job) -> list[Job]:
    if not job.het_job_id:
        return [job]
    return list(ctl.state.by_het.get(job.het_job_id, {}).values())


def node_cleaned(ctl: Controller, job: Job, name: str) -> None:
    """A node has confirmed that nothing of the job is left there."""
    for step in list(job._steps.values()):
        if name in step._running_on:
            step._running_on -= {name}
            if not step._running_on:
                end_step(ctl, job, step, step._exit_code or job.exit_code, {})
    if name in job._completing:
        job._completing -= {name}
        ctl.state.touch_job(job)
        if not job._completing:
            cleaned_up(ctl, job)
        elif name in ctl.state.nodes:
            nodes.refresh(ctl, ctl.state.nodes[name])


def cleaned_up(ctl: Controller, job: Job) -> None:
    """Nothing of the job is left anywhere: its resources are free."""
    state = ctl.state
    for step in list(job._steps.values()):
        end_step(ctl, job, step, step._exit_code or job.exit_code, {})
    names = tuple(job._allocation)
    select.release(state, job)
    for other in dependencies.on_job_end(state, job):
        state.requeue_look(other)
    job._completing = frozenset()
    if job.is_completing:
        state.set_job_state(job, job.job_state & ~JobState.COMPLETING)
    for name in names:
        if name in state.nodes:
            state.nodes[name].last_busy = state.now
            nodes.refresh(ctl, state.nodes[name])
    if job._requeue is not None:
        _back_to_queue(ctl, job)
    else:
        state.touch_job(job)
        if not ctl.timers.pending(("purge", 0)):
            ctl.at("purge", 0, state.now + ctl.conf.MinJobAge + 1)
        if ctl.events.listening(job):
            done = {
                "event": "done", "state": job.job_state, "exit_code": job.exit_code,
                "derived_exit_code": job.derived_exit_code, "last": True,
            }  # fmt: skip
            ctl.after_commit(lambda: ctl.events.publish(job, done))
    ctl.schedule()


def end_waiting(ctl: Controller, job: Job, base: int, reason: str | None = None, exit_code: int = 0) -> None:
    """Ends a job (or all waiting tasks of an array) that never started, or not again."""
    now = ctl.state.now
    if reason is not None:
        job.state_reason = reason
    job.exit_code = exit_code
    job.start_time = job.end_time = now
    if job._array_tasks is not None and job._array_tasks and base != JobState.CANCELLED:
        job.array_task_string = job._array_tasks.format()
    ctl.state.set_job_state(job, base)
    life_over(ctl, job)
    ctl.timers.drop(("deadline", job.job_id))
    records.job_complete(ctl, job)
    _count_end(ctl, base)
    ctl.events.publish(job, {"event": "revoked", "message": "cancelled"})
    done = {"event": "done", "state": base, "exit_code": exit_code, "derived_exit_code": 0, "last": True}
    ctl.after_commit(lambda: ctl.events.publish(job, done))
    if not ctl.timers.pending(("purge", 0)):
        ctl.at("purge", 0, now + ctl.conf.MinJobAge + 1)
    ctl.schedule()


# ---------------------------------------------------------------------------------------------- steps' ends


def end_step(
    ctl: Controller, job: Job, step: Step, status: int, report: dict[str, Any], out_of_memory: bool = False
) -> None:
    """A step is over on all its nodes: accounting hears of it, then it is forgotten."""
    if step.step_id not in job._steps:
        return
    ctl.state.remove_step(job, step)
    usage = report.get("usage") or step._usage
    killed = job._kill_time and job.is_finished
    if out_of_memory:
        base = JobState.OUT_OF_MEMORY
    elif killed and status & 0x7F:
        base = job.job_state & JobState.BASE if job.job_state & JobState.BASE > JobState.COMPLETED else JobState.CANCELLED
        if base in (JobState.TIMEOUT, JobState.DEADLINE, JobState.PREEMPTED, JobState.FAILED):
            base = JobState.CANCELLED
    elif status:
        base = JobState.FAILED
    else:
        base = JobState.COMPLETED
    records.step_complete(ctl, job, step, base, status, usage, report)
    if step.step_id < 0xFFFFFFF0 and status:
        code = status >> 8 if status >> 8 else status & 0x7F
        worst = job.derived_exit_code
        if code > (worst >> 8 if worst >> 8 else worst & 0x7F):
            job.derived_exit_code = status
            ctl.state.touch_job(job)


# ---------------------------------------------------------------------------------------------- requeue


def requeue(ctl: Controller, job: Job, flags: int, why: str, reason: str = "") -> None:
    """Ends this life of a job and puts it back into the queue; `flags` may hold SPECIAL_EXIT and REQUEUE_HOLD."""
    job._requeue = flags
    job._limits = {**job._limits, "requeue_reason": reason, "requeue_why": why}
    if job.is_finished and not job.is_completing:
        _back_to_queue(ctl, job)
        return
    if job.is_completing:
        ctl.state.touch_job(job)
        return
    if job.is_suspended:
        unsuspend_records(ctl, job)
    base = JobState.NODE_FAIL if why == "node_fail" else JobState.PREEMPTED if why == "preempted" else JobState.PENDING
    job.end_time = ctl.state.now
    shown = job.copy(job_state=(base or JobState.CANCELLED) | JobState.REQUEUED, end_time=ctl.state.now)
    records.job_complete(ctl, shown)
    _complete(ctl, job, base, "None", 0, "requeue" if why != "node_fail" else why)


def _back_to_queue(ctl: Controller, job: Job) -> None:
    state = ctl.state
    now = state.now
    flags = job._requeue or 0
    why = job._limits.get("requeue_why", "")
    reason = job._limits.get("requeue_reason", "")
    job._requeue = None
    job._limits = {key: value for key, value in job._limits.items() if not key.startswith("requeue_") and key != "paused"}
    job.restart_cnt += 1
    job.submit_time = now
    job.start_time = job.end_time = 0
    job._end_limit = job._kill_time = 0
    scheduler.reset_for_requeue(state, job)
    job.gres_used = ""
    job.exit_code = job.derived_exit_code = 0
    job.suspend_time = job.pre_sus_time = job.preempt_time = 0
    job.accrue_time = 0
    job.eligible_time = 0
    job._launched = False
    if flags & (JobState.REQUEUE_HOLD | JobState.SPECIAL_EXIT):
        job.priority = 0
        job.hold = True
        job.state_reason = reason or "job_requeued_in_held_state"
        job.state_description = reason.replace("_", " ")
        state.set_job_state(job, JobState.PENDING | flags & JobState.SPECIAL_EXIT)
    else:
        job.state_reason = "BeginTime"
        job._begin_time = max(job._begin_time, now + REQUEUE_DELAY)
        job.eligible_time = job._begin_time
        state.set_job_state(job, JobState.PENDING)
    limits.on_submit(state, job, now)
    dependencies.watch(state, job)
    arm_deadline(ctl, job)
    records.job_start(ctl, job)
    ctl.events.publish(job, {"event": "requeued"})
    ctl.schedule()


# ---------------------------------------------------------------------------------------------- suspend


def suspend(ctl: Controller, job: Job) -> None:
    """Stops a running job's processes; its CPUs are free for others, its memory is not."""
    now = ctl.state.now
    since = job.suspend_time or job.start_time
    job.pre_sus_time += now - since
    job.suspend_time = now
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
    set_end_limit(ctl, job)
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
    if script_id and not state.by_array.get(script_id) and not state.by_het.get(script_id) and script_id not in state.jobs:
        ctl.store.drop_script(script_id)
    for kind in ("deadline", "limit"):
        ctl.timers.drop((kind, job.job_id))


TIMERS = {
    "deadline": on_deadline,
    "limit": on_limit,
    "look": on_look,
    "backfill": run_backfill,
    "purge": on_purge,
}
