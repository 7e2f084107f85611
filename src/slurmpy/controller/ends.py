"""The ends of jobs: told to end, completing until their nodes have cleaned up, ended; and those of steps."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from slurmpy.controller import dependencies, limits, nodes, programs, records, requeue, select
from slurmpy.controller.state import Job, Step
from slurmpy.core.ids import STEP_BATCH
from slurmpy.core.states import JobState
from slurmpy.rpc.log import log

if TYPE_CHECKING:
    from slurmpy.controller.control import Controller

#: why a running job is told to end: (state, reason, exit code unless its processes give one)
ENDS: dict[str, tuple[int, str, int]] = {
    "cancelled": (JobState.CANCELLED, "None", signal.SIGTERM),
    "timeout": (JobState.TIMEOUT, "TimeLimit", signal.SIGTERM),
    "deadline": (JobState.DEADLINE, "DeadLine", 1),
    "preempted": (JobState.PREEMPTED, "None", signal.SIGTERM),
    "node_fail": (JobState.NODE_FAIL, "NodeDown", 1),
    "prolog_failed": (JobState.FAILED, "Prolog", 1),
    "inactive": (JobState.TIMEOUT, "InactiveLimit", signal.SIGTERM),
}


def tell_to_end(ctl: Controller, job: Job, why: str, failed_node: str = "") -> None:
    """Ends a running or suspended job: it is COMPLETING until every node has confirmed that nothing of it is left."""
    state, reason, exit_code = ENDS[why]
    if job.is_suspended:
        requeue.unsuspend_records(ctl, job)
    if failed_node:
        job.failed_node = failed_node
    if why == "preempted":
        job._limits = {**job._limits, "killed_by": (0, "root")}  # whom the books of every release name
    complete(ctl, job, state, reason, exit_code, why)


def complete(ctl: Controller, job: Job, base: int, reason: str, exit_code: int, why: str) -> None:
    """The job takes its end state; its nodes clean up and confirm."""
    now = ctl.state.now
    _because(job, reason)
    job.exit_code = exit_code
    job.end_time = now
    job.flags = tuple(flag for flag in job.flags if flag != "JOB_WAS_RUNNING")
    job._kill_time = now
    job._completing = frozenset(name for name in job._allocation if _answers(ctl, name))
    flags = JobState.COMPLETING if job._completing else 0
    ctl.timers.drop(("limit", job.job_id))
    ctl.state.set_job_state(job, base | flags)
    life_over(ctl, job)
    if job._requeue is None:
        records.job_complete(ctl, job)
        _count_end(ctl, base)
        _mail_end(ctl, job, base)
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


def _mail_end(ctl: Controller, job: Job, base: int) -> None:
    if job.mail_type:
        failed = base not in (JobState.COMPLETED, JobState.CANCELLED)
        programs.mail(ctl, job, "FAIL" if failed and "FAIL" in job.mail_type else "END", ctl.state.now)


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
    from slurmpy.controller import crontab

    status = int(args.get("exit_code", 0))
    why = args.get("reason") or ""
    step = job._steps.get(STEP_BATCH)
    cleaned = bool(args.get("epilog_complete"))
    if step is not None:
        step._over_memory = why == "over_memory"
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
        held = code in _requeue_codes(ctl, "RequeueExitHold")
        if job.requeue and (held or code in _requeue_codes(ctl, "RequeueExit")):
            requeue.requeue(ctl, job, JobState.SPECIAL_EXIT | JobState.REQUEUE_HOLD if held else 0, "ended")
            return
    else:
        base, reason = JobState.COMPLETED, "None"
    if job.cron and crontab.comes_back(ctl, job):
        requeue.requeue(ctl, job, 0, "ended")
        return
    others = [one for one in job._steps.values() if one.step_id != STEP_BATCH]
    if cleaned and len(job._allocation) == 1 and not others:
        _ended_clean(ctl, job, base, reason, status)
    else:
        complete(ctl, job, base, reason, status, "ended")
    for component in het_components(ctl, job):
        if component is not job and component.is_running:
            complete(ctl, component, base, reason, status, "ended")


def _requeue_codes(ctl: Controller, parameter: str) -> frozenset[int]:
    codes: set[int] = set()
    for piece in str(getattr(ctl.conf, parameter, "") or "").split(","):
        low, dash, high = piece.strip().partition("-")
        if low.isdigit():
            codes.update(range(int(low), int(high if dash else low) + 1))
    return frozenset(codes)


def _raised(number: int) -> str:
    return f"RaisedSignal:{number}({signal.strsignal(number) or 'Unknown signal'})"


def _because(job: Job, reason: str) -> None:
    job.state_reason, more, _ = reason.partition(":")
    job.state_description = reason if more else ""


def _ended_clean(ctl: Controller, job: Job, base: int, reason: str, status: int) -> None:
    """The usual end of a small batch job: script over, epilog run, all in one message."""
    _because(job, reason)
    job.exit_code = status
    job.end_time = ctl.state.now
    job.flags = tuple(flag for flag in job.flags if flag != "JOB_WAS_RUNNING")
    ctl.timers.drop(("limit", job.job_id))
    ctl.state.set_job_state(job, base)
    life_over(ctl, job)
    records.job_complete(ctl, job)
    _count_end(ctl, base)
    _mail_end(ctl, job, base)
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
        requeue.requeue(ctl, job, hold, "requeue", reason="launch failed requeued held" if hold else "")
    else:
        complete(ctl, job, JobState.FAILED, "JobLaunchFailure", 1, "ended")


def _correct_end(ctl: Controller, job: Job, status: int) -> None:
    """A step's end is told after its srun has given the allocation back: the job's own end follows from it, too."""
    number = status & 0x7F
    if number and not job.batch_flag and job.exit_code >> 8 in (number, 128 + number):
        job.exit_code = number
        _because(job, _raised(number))
    records.job_complete(ctl, job)


def allocation_done(ctl: Controller, job: Job, status: int) -> None:
    """srun or salloc gives its allocation back with the status of its command."""
    worst = job.derived_exit_code & 0x7F
    if worst and status >> 8 in (worst, 128 + worst):
        status = worst  # a shell's or srun's way to say that a signal ended the step
    if status & 0x7F:
        base, reason = JobState.FAILED, _raised(status & 0x7F)
    elif status:
        base, reason = JobState.FAILED, "NonZeroExitCode"
    else:
        base, reason = JobState.COMPLETED, "None"
    for component in het_components(ctl, job):
        if component.is_suspended:
            requeue.unsuspend_records(ctl, component)
        if component.is_running and not component.is_completing:
            complete(ctl, component, base, reason, status, "ended")


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
    job.gres_detail = ()
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
    programs.run_epilog(ctl, job)
    if job._requeue is not None:
        requeue.back_to_queue(ctl, job)
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
        _because(job, reason)
    job.exit_code = exit_code
    job.start_time = job.end_time = job.preemptable_time = now
    if job._request is None or job._request.tasks is None:
        job.__dict__["tasks"] = None  # never worked out for a job that never started
    if job._array_tasks is not None and job._array_tasks and base != JobState.CANCELLED:
        job.array_task_string = job._array_tasks.format()
    ctl.state.set_job_state(job, base)
    life_over(ctl, job)
    ctl.timers.drop(("deadline", job.job_id))
    records.job_complete(ctl, job, start_time=0)  # in the books it never started
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
    killed = job._kill_time and (job.is_finished or job._requeue is not None)
    if out_of_memory:
        base = JobState.OUT_OF_MEMORY
    elif status & 0x7F and (killed or step._over_memory or step.step_id == STEP_BATCH):
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
            if job.is_finished:
                _correct_end(ctl, job, status)
            ctl.state.touch_job(job)
