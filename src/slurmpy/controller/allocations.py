"""srun's and salloc's allocations, and waiting for a job's end."""

from __future__ import annotations

import os
import select
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from slurmpy.controller import ends, launch
from slurmpy.controller.state import Job
from slurmpy.controller.submit import descriptions, enter, withdraw
from slurmpy.core.errors import SlurmError
from slurmpy.core.states import JobState

#: A process closes its connection a moment before it has ended.
OWNER_GRACE = 0.5

if TYPE_CHECKING:
    from slurmpy.controller.control import Controller
    from slurmpy.rpc.server import Peer


async def allocate_resources(ctl: Controller, peer: Peer, args: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """A stream: {"job_id", "granted": False, "state_reason"} if it has to wait, {"granted": True, "job": allocation},
    then events of the job ("timeout", "revoked", "node_fail", "signal", "requeued", ...) up to its end.

    With ``bound`` the allocation goes with the process that asked, however that ends (kill -9, too)."""
    descs = descriptions(args)
    owner = _handle_of(peer) if args.get("bound") else None
    new = enter(ctl, peer, descs, batch=False)
    leader = new[0]
    with ctl.events.subscribe(*(job.job_id for job in new)) as queue:
        try:
            await ctl.committed()
        except SlurmError:
            withdraw(ctl, new)
            raise
        try:
            if not all(job.is_running for job in new):
                if descs[0].immediate is not None and descs[0].immediate <= 1:
                    _give_up(ctl, new)
                    await ctl.committed()
                    others = any(all(job is not one for one in new) for job in ctl.state.pending.values())
                    why = "ESLURM_NOT_TOP_PRIORITY" if others else "ESLURM_NODES_BUSY"
                    raise SlurmError(why, data={"job_id": leader.job_id})
                yield {
                    "job_id": leader.job_id, "granted": False, "state_reason": leader.state_reason,
                    "state_description": leader.state_description,
                }  # fmt: skip
            granted = False
            while True:
                if not granted and all(job.is_running for job in new):
                    granted = True
                    yield {"job_id": leader.job_id, "granted": True, "job": launch.allocation_reply(ctl, leader)}
                if leader.is_finished and not leader.is_completing and queue.empty():
                    if not granted:
                        yield {"event": "revoked", "job_id": leader.job_id, "state": leader.job_state}
                    return
                event = await queue.get()
                if event["event"] in ("started", "done"):
                    if event["event"] == "done" and granted:
                        yield {**event, "event": "ended_all"}
                    continue
                yield event
        finally:
            _caller_gone(ctl, new, owner)


def _give_up(ctl: Controller, new: list[Job]) -> None:
    ctl.now()
    for job in new:
        if job.is_pending:
            ends.end_waiting(ctl, job, JobState.CANCELLED)


def _handle_of(peer: Peer) -> int | None:
    """A descriptor of the process that asks, on which its end can be seen; None if it is on another host."""
    if peer.pid is None:
        return None
    try:
        return os.pidfd_open(peer.pid)
    except OSError:
        return None


def _owner_ended(ctl: Controller, new: list[Job], owner: int) -> None:
    """The connection has gone a moment ago: was that because the process has ended?"""
    ended = bool(select.select([owner], [], [], 0)[0])
    os.close(owner)
    if not ended or ctl.stopping:
        return
    ctl.now()
    for job in new:
        if job.is_pending:
            ends.end_waiting(ctl, job, JobState.CANCELLED)
        elif job.is_running and not job.is_completing:
            ends.tell_to_end(ctl, job, "cancelled")
    ctl.changed()


def _caller_gone(ctl: Controller, new: list[Job], owner: int | None) -> None:
    """Who asked is gone. A bound job goes, too; others stay, as in Slurm, unless InactiveLimit says how long."""
    if owner is not None:
        ctl.later(OWNER_GRACE, lambda: _owner_ended(ctl, new, owner))
    leader = new[0]
    limit = int(ctl.conf.InactiveLimit or 0)
    if limit and leader.is_running and not ctl.stopping:
        ctl.at("inactive", leader.job_id, ctl.now() + limit)


def on_inactive(ctl: Controller, job_id: int) -> None:
    job = ctl.state.jobs.get(job_id)
    if job is None or not job.is_running or job.is_completing or ctl.events.listening(job):
        return
    if job._steps:
        ctl.at("inactive", job_id, ctl.state.now + int(ctl.conf.InactiveLimit))
        return
    ends.tell_to_end(ctl, job, "inactive")


def _job(ctl: Controller, args: dict[str, Any]) -> Job:
    job = ctl.state.jobs.get(int(args["job_id"]))
    if job is None:
        raise SlurmError("ESLURM_INVALID_JOB_ID")
    return job


def complete_allocation(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    """The allocation's owner is done with it; `status` is its command's wait status."""
    job = _job(ctl, args)
    if job.is_finished:
        return {}
    if job.is_pending:
        for component in ends.het_components(ctl, job):
            if component.is_pending:
                component._limits = {**component._limits, "killed_by": (peer.uid, peer.name)}
                ends.end_waiting(ctl, component, JobState.CANCELLED)
        return {}
    ends.allocation_done(ctl, job, int(args.get("status") or 0))
    return {}


def lookup_allocation(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    """The allocation of a running job, for an srun within it."""
    job = _job(ctl, args)
    if job.is_pending:
        raise SlurmError("ESLURM_JOB_PENDING")
    if job.is_finished or job.is_completing:
        raise SlurmError("ESLURM_ALREADY_DONE")
    return launch.allocation_reply(ctl, job)


def job_ready(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    job = _job(ctl, args)
    if job.is_finished:
        raise SlurmError("ESLURM_ALREADY_DONE")
    return {"ready": job.is_running and not job.job_state & JobState.CONFIGURING, "state": job.job_state}


async def wait_job(ctl: Controller, peer: Peer, args: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """A stream of one part, {"state", "exit_code", "derived_exit_code"}, when the job (all tasks of an array, all
    components of a heterogeneous job) has ended. With `events` true, the job's events come before it."""
    job_id = int(args["job_id"])
    state = ctl.state
    if job_id not in state.jobs and job_id not in state.by_array:
        raise SlurmError("ESLURM_INVALID_JOB_ID")
    ids = list(state.by_het.get(job_id, {})) or [job_id]
    wants_all = bool(args.get("events"))
    if args.get("started"):
        async for part in _until_started(ctl, ids):
            yield part
        return
    worst: tuple[int, int, int] | None = None
    with ctl.events.subscribe(*ids) as queue:
        for job in _parts(ctl, ids):
            if job.is_finished and not job.is_completing:
                worst = _worse(worst, (job.job_state, job.exit_code, job.derived_exit_code))
        while (open_part := _unfinished(ctl, ids)) is not None:
            # no look at all the others as long as this one is under way: an array may have 100,000 tasks
            while not open_part.is_finished or open_part.is_completing:
                event = await queue.get()
                if event["event"] == "done":
                    worst = _worse(worst, (event["state"], event["exit_code"], event["derived_exit_code"]))
                elif wants_all:
                    yield event
    while not queue.empty():
        event = queue.get_nowait()
        if event["event"] == "done":
            worst = _worse(worst, (event["state"], event["exit_code"], event["derived_exit_code"]))
    ended = worst or (JobState.COMPLETED, 0, 0)
    yield {"event": "done", "state": ended[0], "exit_code": ended[1], "derived_exit_code": ended[2]}


async def _until_started(ctl: Controller, ids: list[int]) -> AsyncIterator[dict[str, Any]]:
    """{"ready": True, "state"} when the job has started. Raises SlurmError ESLURM_ALREADY_DONE if it ends before."""
    with ctl.events.subscribe(*ids) as queue:
        while True:
            job = ctl.state.jobs.get(ids[0])
            if job is None or job.is_finished:
                raise SlurmError("ESLURM_ALREADY_DONE")
            if job.is_running and not job.job_state & JobState.CONFIGURING:
                yield {"ready": True, "state": job.job_state}
                return
            await queue.get()


def _parts(ctl: Controller, ids: list[int]) -> Iterator[Job]:
    """The components of a heterogeneous job, all records of an array, or the one job."""
    for job_id in ids:
        job = ctl.state.jobs.get(job_id)
        if job is not None:
            yield job
        for task in ctl.state.by_array.get(job_id, {}).values():
            if task is not job:
                yield task


def _unfinished(ctl: Controller, ids: list[int]) -> Job | None:
    """A part that has not ended, the one that stands for waiting tasks if there is such."""
    for job in _parts(ctl, ids):
        if not job.is_finished or job.is_completing:
            return job
    return None


def _worse(left: tuple[int, int, int] | None, right: tuple[int, int, int]) -> tuple[int, int, int]:
    """That of two ends with the higher exit code (or signal), as sbatch --wait reports for arrays."""
    if left is None:
        return right
    return right if _rank(right[1]) > _rank(left[1]) else left


def _rank(status: int) -> int:
    return status >> 8 if status >> 8 else status & 0x7F


TIMERS = {"inactive": on_inactive}
METHODS = {
    "allocate_resources": allocate_resources,
    "complete_allocation": complete_allocation,
    "lookup_allocation": lookup_allocation,
    "job_ready": job_ready,
    "wait_job": wait_job,
}
