"""scancel's requests: kill_job, kill_jobs with filters, kill_step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slurmpy.controller import ends, jobs, lookup, permissions, records
from slurmpy.controller.state import Job, Step
from slurmpy.core.errors import SlurmError
from slurmpy.core.states import JobState

if TYPE_CHECKING:
    from slurmpy.controller.control import Controller
    from slurmpy.rpc.server import Peer

SIGKILL = 9

#: flags of a request, by the words that scancel sends
BATCH, FULL, STEPS_ONLY, HURRY, CTLD = "batch", "full", "steps_only", "hurry", "ctld"


def _flags(args: dict[str, Any]) -> frozenset[str]:
    return frozenset(str(flag).lower() for flag in args.get("flags") or ())


def kill_job(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    """Signals or cancels a job, an array, tasks of it, or a heterogeneous job. `signal` 9 without `flags` cancels."""
    target = lookup.parse(args["job_id"])
    number = int(args.get("signal") or SIGKILL)
    flags = _flags(args)
    lookup.records(ctl, target)
    error: SlurmError | None = None
    done = 0
    for job in lookup.detach(ctl, target):
        try:
            _one(ctl, peer, job, number, flags)
            done += 1
        except SlurmError as problem:
            error = problem
    if error is not None and not done:
        raise error
    return {}


def _one(ctl: Controller, peer: Peer, job: Job, number: int, flags: frozenset[str]) -> None:
    """Raises SlurmError if the job cannot be signalled now."""
    if job.is_finished and not job.is_completing:
        raise SlurmError("ESLURM_ALREADY_DONE")
    cancels = number == SIGKILL and not flags & {BATCH, STEPS_ONLY}
    if job.is_completing:
        if cancels and job._requeue is not None:  # it was on its way back to the queue
            job._requeue = None
            ctl.state.set_job_state(job, JobState.CANCELLED | JobState.COMPLETING)
            records.job_complete(ctl, job)
            return
        if not cancels:
            raise SlurmError("ESLURM_ALREADY_DONE")
        return
    if cancels:
        cancel(ctl, job, peer.uid, peer.name)
        return
    if job.is_pending:
        raise SlurmError("ESLURM_TRANSITION_STATE_NO_UPDATE")
    if job.is_suspended and number not in (SIGKILL,):
        raise SlurmError("ESLURM_JOB_SUSPENDED")
    if FULL in flags:
        jobs.send_signal(ctl, job, number, full=True)
    elif BATCH in flags:
        jobs.send_signal(ctl, job, number, batch_only=True)
    else:
        jobs.send_signal(ctl, job, number, steps_only=True)


def cancel(ctl: Controller, job: Job, uid: int, name: str) -> None:
    """Cancels a job that waits or runs. Components of a heterogeneous job go together."""
    for component in ends.het_components(ctl, job):
        if component.is_finished:
            continue
        component._limits = {**component._limits, "killed_by": (uid, name)}
        if component.is_pending:
            ends.end_waiting(ctl, component, JobState.CANCELLED)
        elif not component.is_completing:
            ends.tell_to_end(ctl, component, "cancelled")


def kill_jobs(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    """Signals or cancels all jobs that match all filters.

    Filters: job_ids (texts), user_id or users (numbers), user_name, states (base states), partition, account, name,
    qos, reservation, wckey, nodes (hostlist). Answers {"jobs": ({"job_id": text, "number": id, "error": n, "message"},
    ...)}.
    """
    number = int(args.get("signal") or SIGKILL)
    flags = _flags(args)
    found = _matching(ctl, args)
    results = []
    for text, job, problem in found:
        error = problem
        if job is not None and error is None:
            try:
                permissions.check(ctl, peer, "kill_jobs", job)
                _one(ctl, peer, job, number, flags)
            except SlurmError as refused:
                error = refused
        results.append(
            {
                "job_id": text,
                "number": job.job_id if job is not None else 0,
                "error": error.number if error else 0,
                "message": error.message if error else "",
            }
        )
    return {"jobs": tuple(results)}


def _list(value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(piece for piece in value.split(",") if piece)
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _matching(ctl: Controller, args: dict[str, Any]) -> list[tuple[str, Job | None, SlurmError | None]]:
    from slurmpy.core import hostlist

    state = ctl.state
    ids = _list(args.get("job_ids"))
    users = set(_list(args.get("users"))) | set(_list(args.get("user_id")))
    if args.get("user_name"):
        import pwd

        try:
            users.add(pwd.getpwnam(args["user_name"]).pw_uid)
        except (KeyError, ValueError):  # a NUL is no part of a name
            return []
    states = {int(one) for one in _list(args.get("states") or args.get("state"))}
    nodes = set(hostlist.expand(args["nodes"])) if args.get("nodes") else set()
    plain = {
        field: set(_list(args.get(field) if args.get(field) is not None else args.get(field + "s")))
        for field in ("account", "name", "qos", "wckey")
    }
    partitions = set(_list(args.get("partition") or args.get("partitions")))
    reservations = set(_list(args.get("reservation") or args.get("reservations")))

    def fits(job: Job) -> bool:
        if users and job.user_id not in users:
            return False
        if states and job.job_state & JobState.BASE not in states:
            return False
        if partitions and not partitions & set(job.partition.split(",")):
            return False
        if reservations and job.resv_name not in reservations:
            return False
        if nodes and not nodes & set(job._allocation):
            return False
        return all(not wanted or getattr(job, field).lstrip("*") in wanted for field, wanted in plain.items())

    found: list[tuple[str, Job | None, SlurmError | None]] = []
    if ids:
        for text in ids:
            try:
                target = lookup.parse(text)
                hits = [job for job in lookup.detach(ctl, target) if fits(job)]
            except SlurmError as error:
                found.append((str(text), None, error))
                continue
            if len(hits) == 1 or (target.tasks is None and hits and all(job.is_finished for job in hits)):
                found.append((str(text), hits[0], None))
            else:
                found.extend((lookup.show_id(job), job, None) for job in hits if not job.is_finished)
        return found
    if users:
        pool = [job for uid in users for job in state.by_user.get(uid, {}).values()]
    else:
        pool = [*state.pending.values(), *state.running.values()]
    for job in pool:
        if (job.is_pending or job.is_running or job.is_suspended) and fits(job):
            found.append((lookup.show_id(job), job, None))
    return found


def kill_step(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    """Signals the processes of a step on all its nodes; SIGKILL ends it, as scancel JOB.STEP does."""
    job, step = find_step(ctl, args)
    number = int(args.get("signal") or SIGKILL)
    names = tuple(step._running_on)
    message: dict[str, Any] = {
        "job_id": job.job_id, "step_id": step.step_id, "signal": number, "flags": tuple(args.get("flags") or ()),
    }  # fmt: skip
    if number == SIGKILL:
        job._limits = {**job._limits, "step_killed_by": (peer.uid, peer.name)}

    def send() -> None:
        for name in names:
            ctl.agent.send(name, "signal_step", message)

    ctl.after_commit(send)
    return {}


def find_step(ctl: Controller, args: dict[str, Any]) -> tuple[Job, Step]:
    """Raises SlurmError ESLURM_INVALID_JOB_ID if there is no such step."""
    found = lookup.records(ctl, lookup.parse(args["job_id"]))
    step_id = int(args["step_id"])
    for job in found:
        step = job._steps.get(step_id)
        if step is not None:
            return job, step
    if all(job.is_finished for job in found):
        raise SlurmError("ESLURM_ALREADY_DONE")
    raise SlurmError("ESLURM_INVALID_JOB_ID")


METHODS = {"kill_job": kill_job, "kill_jobs": kill_jobs, "kill_step": kill_step}
