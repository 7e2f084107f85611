"""scontrol's requests on jobs: update, hold, release, requeue, suspend, resume, top, notify."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from slurmpy.controller import dependencies, ends, holds, jobs, lookup, permissions, priority, records, submission
from slurmpy.controller import requeue as requeueing
from slurmpy.controller.state import Job
from slurmpy.core.errors import SlurmError
from slurmpy.core.intervals import IntervalSet
from slurmpy.core.records.description import JobDescriptor
from slurmpy.core.states import JobState

if TYPE_CHECKING:
    from slurmpy.controller.control import Controller
    from slurmpy.rpc.server import Peer


#: what may still be changed when a job has ended
AFTER_THE_END = {"comment", "admin_comment", "system_comment", "extra", "derived_exit_code"}


def _each(ctl: Controller, args: dict[str, Any], act: Callable[[Job], None], detach: bool = True) -> dict[str, Any]:
    """Does `act` to all jobs that `job_id` names. For one job its error is raised; for an array the results are listed:
    {"results": ((tasks or id, error number, message), ...)}, as Slurm does."""
    target = lookup.parse(args["job_id"])
    found = lookup.detach(ctl, target) if detach else lookup.records(ctl, target)
    if len(found) == 1:
        act(found[0])
        return {}
    failed: SlurmError | None = None
    outcome: dict[tuple[int, str], list[Job]] = {}
    for job in sorted(found, key=lambda one: (one.array_task_id is None, one.array_task_id or one.het_job_offset)):
        try:
            act(job)
            outcome.setdefault((0, "No error"), []).append(job)
        except SlurmError as error:
            failed = error
            outcome.setdefault((error.number, error.message), []).append(job)
    if failed is None:
        return {}
    if len(outcome) == 1:
        raise failed
    return {"results": tuple((_together(jobs), *said) for said, jobs in outcome.items())}


def _together(found: list[Job]) -> str:
    """``62_1-2`` for tasks of one array, else the ids as they are shown."""
    if not found[0].array_job_id:
        return ",".join(lookup.show_id(job) for job in found)
    tasks: set[int] = set()
    for job in found:
        if job.array_task_id is not None:
            tasks.add(job.array_task_id)
        elif job._array_tasks is not None:
            tasks.update(job._array_tasks)
    return f"{found[0].array_job_id}_{IntervalSet(tasks).format()}"


def update_job(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    changes = dict(args.get("changes") or {})
    JobDescriptor.check_types(changes)

    def act(job: Job) -> None:
        if not changes:  # no error: whoever may change it has changed nothing
            return
        if job.is_finished and not set(changes) <= AFTER_THE_END:
            raise SlurmError("ESLURM_JOB_FINISHED")
        before = (job.time_limit, job.deadline)
        dependencies.unwatch(ctl.state, job)
        try:
            submission.apply_update(ctl.state, job, changes, peer, ctl.state.now)
        finally:
            if job.is_pending:
                dependencies.watch(ctl.state, job)
        ctl.state.touch_job(job)
        if (job.is_running or job.is_suspended) and (job.time_limit, job.deadline) != before:
            jobs.set_end_limit(ctl, job)
        if job.is_pending:
            jobs.arm_deadline(ctl, job)
            ctl.state.requeue_look(job)
            ctl.schedule()
        records.job_start(ctl, job)

    return _each(ctl, args, act)


def hold(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    """Holds jobs: by an operator (only operators release them then) or, with `user_hold`, as by the user."""

    def act(job: Job) -> None:
        if job.is_finished and not job.is_completing:
            raise SlurmError("ESLURM_JOB_FINISHED")
        if job.is_finished:
            return
        holds.hold(job, permissions.may_operate(ctl, peer) and not args.get("user_hold"), ctl.state.now)
        ctl.state.touch_job(job)
        if job.is_pending:
            ctl.state.requeue_look(job)
            ctl.schedule()
        records.job_start(ctl, job)

    return _each(ctl, args, act)


def release(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    def act(job: Job) -> None:
        if job.is_finished and not job.is_completing:
            raise SlurmError("ESLURM_JOB_FINISHED")
        if job.is_finished:
            return
        if job._hold_admin and not permissions.may_operate(ctl, peer):
            raise SlurmError("ESLURM_ACCESS_DENIED")
        held = not job._limits.get("priority_before", 1) if job.is_suspended else job.hold or job.priority == 0
        if not held:
            return
        holds.release(job)
        if job.is_pending:
            ctl.state.set_job_state(job, holds.unmarked(job))
        holds.prioritise(ctl.state, job, ctl.state.now)
        ctl.state.touch_job(job)
        records.job_start(ctl, job)
        if job.is_pending:
            ctl.state.requeue_look(job)
            ctl.schedule()

    return _each(ctl, args, act)


def _reprioritise(ctl: Controller, job: Job) -> None:
    job.priority = priority.compute(ctl.state, job, ctl.state.now)
    priority.set_by_partition(ctl.state, job, ctl.state.now)


def requeue(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    """Ends and requeues running or ended batch jobs; `hold`, `special_exit`, `incomplete` as scontrol's options."""
    flags = 0
    if args.get("hold"):
        flags |= JobState.REQUEUE_HOLD
    if args.get("special_exit"):
        flags |= JobState.SPECIAL_EXIT | JobState.REQUEUE_HOLD

    def act(job: Job) -> None:
        if not job.batch_flag:
            raise SlurmError("ESLURM_BATCH_ONLY")
        if job.is_pending and not job.is_completing:
            raise SlurmError("ESLURM_JOB_PENDING")
        if args.get("incomplete") and job.is_finished and job.job_state & JobState.BASE == JobState.COMPLETED:
            raise SlurmError("ESLURM_ALREADY_DONE")
        if not job.requeue:
            raise SlurmError("ESLURM_DISABLED")
        if job.is_completing and job._requeue is not None:
            raise SlurmError("ESLURM_TRANSITION_STATE_NO_UPDATE")
        for component in ends.het_components(ctl, job):
            requeueing.requeue(ctl, component, flags, "requeue")

    return _each(ctl, args, act)


def suspend(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    target = _suspendable(ctl, args)

    def act(job: Job) -> None:
        if job.is_pending:
            raise SlurmError("ESLURM_JOB_PENDING")
        if job.is_finished:
            raise SlurmError("ESLURM_ALREADY_DONE")
        if not job.is_running or job.is_completing:
            raise SlurmError("ESLURM_JOB_NOT_RUNNING")
        for component in ends.het_components(ctl, job):
            if component.is_running:
                requeueing.suspend(ctl, component)

    return _each(ctl, target, act, detach=False)


def resume(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    target = _suspendable(ctl, args)

    def act(job: Job) -> None:
        if job.is_finished:
            raise SlurmError("ESLURM_ALREADY_DONE")
        if job.is_pending:
            raise SlurmError("ESLURM_JOB_PENDING")
        if not job.is_suspended:
            raise SlurmError("ESLURM_JOB_NOT_SUSPENDED")
        for component in ends.het_components(ctl, job):
            if component.is_suspended:
                requeueing.resume(ctl, component)

    return _each(ctl, target, act, detach=False)


def _suspendable(ctl: Controller, args: dict[str, Any]) -> dict[str, Any]:
    """An unknown job gets the peculiar answer that Slurm gives."""
    try:
        lookup.records(ctl, lookup.parse(args["job_id"]))
    except SlurmError:
        raise SlurmError("SLURM_UNEXPECTED_MSG_ERROR") from None
    return args


def top_job(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    """Moves jobs before all others of the same user, by exchanging nice values (needs enable_user_top for users)."""
    named = [job for text in str(args["job_id"]).split(",") for job in lookup.records(ctl, lookup.parse(text))]
    for job in named:
        if not job.is_pending:
            raise SlurmError("ESLURM_JOB_NOT_PENDING")
    for job in named:
        others = [
            other
            for other in ctl.state.by_user.get(job.user_id, {}).values()
            if other.is_pending and all(other is not one for one in named) and other.priority > job.priority
        ]
        if not others:
            continue
        gain = max(other.priority for other in others) - job.priority + 1
        job.nice -= gain
        share = gain // len(others) + (1 if gain % len(others) else 0)
        for other in others:
            other.nice += share
            _reprioritise(ctl, other)
            ctl.state.touch_job(other)
            ctl.state.requeue_look(other)
        _reprioritise(ctl, job)
        ctl.state.touch_job(job)
        ctl.state.requeue_look(job)
    ctl.schedule()
    return {}


def notify_job(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    """A message to the job's srun or salloc, or into a batch job's standard error."""
    text = str(args.get("message", ""))
    for job in lookup.records(ctl, lookup.parse(args["job_id"])):
        if not job.is_running:
            raise SlurmError("ESLURM_ALREADY_DONE" if job.is_finished else "ESLURM_JOB_PENDING")
        if job.batch_flag:
            ctl.agent.send(job.batch_host, "notify_job", {"job_id": job.job_id, "message": text})
        else:
            ctl.events.publish(job, {"event": "message", "message": text})
    return {}


METHODS = {
    "update_job": update_job,
    "hold": hold,
    "release": release,
    "requeue": requeue,
    "suspend": suspend,
    "resume": resume,
    "top_job": top_job,
    "notify_job": notify_job,
}
