"""sbatch's requests: submit_batch_job and will_run; and how a described job becomes one of ours."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from slurmpy.controller import containers, ends, jobs, permissions, scheduler, submission
from slurmpy.controller.state import Job
from slurmpy.core.errors import SlurmError
from slurmpy.core.ids import STEP_BATCH
from slurmpy.core.records.description import JobDescriptor
from slurmpy.core.states import JobState

if TYPE_CHECKING:
    from slurmpy.controller.control import Controller
    from slurmpy.rpc.server import Peer

MAX_SCRIPT = 4 * 1024 * 1024


def who(ctl: Controller, peer: Peer, desc: JobDescriptor) -> tuple[int, int, str]:
    """(uid, gid, name) of the job's user: the caller, or whom root names."""
    uid = peer.uid if desc.user_id is None else desc.user_id
    gid = peer.gid if desc.group_id is None else desc.group_id
    permissions.check_user(ctl, peer, uid, gid)
    if uid == peer.uid:
        return uid, gid, peer.name
    import pwd

    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise SlurmError("ESLURM_USER_ID_UNKNOWN") from None
    if desc.group_id is None:
        gid = entry.pw_gid
    return uid, gid, entry.pw_name


def build(ctl: Controller, peer: Peer, desc: JobDescriptor) -> Job:
    """A job by its description, for the caller or whom root names. Raises SlurmError."""
    uid, gid, user = who(ctl, peer, desc)
    if peer.source == "unix":
        desc = desc.copy(allocation_node_list="localhost")  # the name of where the request came from

    def groups() -> frozenset[str]:
        import grp
        import os

        names = set()
        for number in os.getgrouplist(user, gid):
            try:
                names.add(grp.getgrgid(number).gr_name)
            except KeyError:
                continue
        return frozenset(names)

    return submission.build_job(
        ctl.state, desc, (uid, gid, user), ctl.state.now, groups=groups, group_name=group_name(gid)
    )


@functools.lru_cache(1024)
def group_name(gid: int) -> str:
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def descriptions(args: dict[str, Any]) -> list[JobDescriptor]:
    found = args.get("descriptions") or ((args["description"],) if "description" in args else ())
    if not found:
        raise SlurmError("ESLURM_JOB_MISSING_SIZE_SPECIFICATION")
    return [JobDescriptor.received(one) for one in found]


def enter(ctl: Controller, peer: Peer, descs: list[JobDescriptor], batch: bool) -> list[Job]:
    """Checks the descriptions and puts the jobs (the components of a heterogeneous one) into the state.

    Raises SlurmError and leaves nothing behind if any of them is refused.
    """
    state = ctl.state
    if ctl.failing:
        raise SlurmError("ESLURM_WRITING_TO_FILE", f"{ctl.store.path} cannot be written")
    new: list[Job] = []
    room = int(ctl.conf.MaxJobCount) - len(state.jobs)
    for desc in descs:
        if batch and desc is descs[0]:
            if desc.script is None:
                raise SlurmError("ESLURM_JOB_SCRIPT_MISSING")
            if len(desc.script) > MAX_SCRIPT:
                raise SlurmError("ESLURM_PATHNAME_TOO_LONG")
            if desc.environment is None:
                raise SlurmError("ESLURM_ENVIRONMENT_MISSING")
        try:
            job = build(ctl, peer, desc)
        except SlurmError as error:
            if error.data.get("uses_job_id"):
                error.data["job_id"] = state.take_job_id()
            raise
        said = containers.remark(ctl, desc.container, "job")
        if said and batch:  # srun's and salloc's steps say it for themselves
            before = job._limits.get("user_message", "")
            job._limits = {**job._limits, "user_message": f"{before}\n{said}" if before else said}
        job.batch_flag = batch
        job._srun = not batch
        if job._array_tasks is not None:
            room -= len(job._array_tasks)
            if len(descs) > 1:
                raise SlurmError("ESLURM_INVALID_ARRAY")
        else:
            room -= 1
        new.append(job)
    if len(new) > 1:
        submission.link_components(new)
    if room < 0:
        raise SlurmError("EAGAIN")
    first_id = 0
    for offset, job in enumerate(new):
        job.job_id = state.take_job_id()
        first_id = first_id or job.job_id
        job.cluster = ctl.conf.ClusterName
        if job._array_tasks is not None:
            tasks = list(job._array_tasks)
            job.array_job_id = job.job_id
            step = tasks[1] - tasks[0] if len(tasks) > 1 else 1
            job._limits = {**job._limits, "array": (len(tasks), tasks[0], tasks[-1], step)}
        if len(new) > 1:
            job.het_job_id = first_id
            job.het_job_offset = offset
    if len(new) > 1:
        from slurmpy.core import intervals

        ids = intervals.IntervalSet(job.job_id for job in new).format()
        for job in new:
            job.het_job_id_set = ids
    if batch:
        script = descs[0].script or ""
        ctl.store.put_script(first_id, script, tuple(descs[0].environment or ()))
        for job in new:
            job._script_id = first_id
    for job in new:
        state.add_job(job)
    for job in new:
        jobs.added(ctl, job)
        containers.note(f"JobId={job.job_id}", job.container, job.container_id)
    return new


def withdraw(ctl: Controller, new: list[Job]) -> None:
    """Takes jobs back whose submission could not be written and so was never acknowledged."""
    for job in new:
        if job.job_id in ctl.state.jobs:
            ends.life_over(ctl, job)
            ctl.state.remove_job(job)
            if job._script_id:
                ctl.store.drop_script(job._script_id)


async def submit_batch_job(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    new = enter(ctl, peer, descriptions(args), batch=True)
    try:
        await ctl.committed()
    except SlurmError:
        withdraw(ctl, new)
        raise
    message = new[0]._limits.get("user_message", "")
    return {"job_id": new[0].job_id, "step_id": STEP_BATCH, "user_message": message, "error": 0}


def will_run(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    """When and where a job would start, if it were submitted now; nothing of it stays."""
    descs = descriptions(args)
    desc = descs[0]
    if desc.job_id:
        known = ctl.state.jobs.get(desc.job_id)
        if known is None:
            raise SlurmError("ESLURM_INVALID_JOB_ID")
        if not known.is_pending:
            raise SlurmError("ESLURM_JOB_NOT_PENDING")
        job = known.copy()
    else:
        job = build(ctl, peer, desc)
        job.job_id = ctl.state.take_job_id()  # as Slurm, which does not give it back
    job.job_state = JobState.PENDING
    return dict(scheduler.will_run(ctl.state, job, ctl.state.now))


def batch_script(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    job = _batch_job(ctl, args)
    both = ctl.store.script(job._script_id)
    if both is None:
        raise SlurmError("ESLURM_JOB_SCRIPT_MISSING")
    return {"script": both[0]}


def job_environment(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    job = _batch_job(ctl, args)
    both = ctl.store.script(job._script_id)
    if both is None:
        raise SlurmError("ESLURM_JOB_SCRIPT_MISSING")
    return {"environment": both[1]}


def _batch_job(ctl: Controller, args: dict[str, Any]) -> Job:
    job = ctl.state.jobs.get(int(args["job_id"]))
    if job is None:
        raise SlurmError("ESLURM_INVALID_JOB_ID")
    if not job.batch_flag:
        raise SlurmError("ESLURM_JOB_SCRIPT_MISSING")
    return job


METHODS = {
    "submit_batch_job": submit_batch_job,
    "will_run": will_run,
    "batch_script": batch_script,
    "job_environment": job_environment,
}
