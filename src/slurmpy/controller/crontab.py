"""scrontab's requests. A user's crontab is a file in StateSaveLocation; each of its entries is a job that comes
back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from slurmpy.controller import cancel, submit
from slurmpy.controller.state import Job
from slurmpy.core.cron import CronTime
from slurmpy.core.errors import SlurmError
from slurmpy.core.records.description import JobDescriptor
from slurmpy.rpc.log import log

if TYPE_CHECKING:
    from slurmpy.controller.control import Controller
    from slurmpy.rpc.server import Peer


def _enabled(ctl: Controller) -> None:
    if "enable" not in str(ctl.conf.ScronParameters or "").lower().split(","):
        raise SlurmError("ESLURM_DISABLED", "scrontab is disabled on this cluster")


def _path(ctl: Controller, uid: int) -> str:
    return os.path.join(str(ctl.conf.StateSaveLocation), "crontab", f"crontab.{uid}")


def _read(ctl: Controller, uid: int) -> str | None:
    try:
        with open(_path(ctl, uid), encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _write(ctl: Controller, uid: int, text: str) -> None:
    path = _path(ctl, uid)
    os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    new = path + ".new"
    try:
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", errors="surrogateescape") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except OSError as error:
        raise SlurmError("ESLURM_WRITING_TO_FILE", f"{path}: {error.strerror}") from None


def crontab(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    """{user_id} -> {"crontab": the text, None if there is none}. The user's own, or for operators."""
    _enabled(ctl)
    return {"crontab": _read(ctl, int(args.get("user_id", peer.uid)))}


def _changes(ctl: Controller, peer: Peer, args: dict[str, Any]) -> int:
    """The user whose crontab is to be changed."""
    _enabled(ctl)
    return int(args.get("user_id", peer.uid))


async def update_crontab(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    """{user_id, crontab, descriptions: JobDescriptor wires with `crontab`} -> {"job_ids"}. All of it, or nothing.

    The jobs of the entries before are cancelled; those that run end as they are and do not come back.
    """
    uid = _changes(ctl, peer, args)
    descriptions = []
    for wire in args.get("descriptions") or ():
        description = JobDescriptor.received(wire)
        try:
            description.begin_time = CronTime(description.crontab or "").next(ctl.state.now)
        except ValueError as error:
            raise SlurmError("ESLURM_INVALID_TIME_VALUE", str(error)) from None
        description.user_id = uid
        descriptions.append(description)
    new: list[Job] = []
    before = _jobs(ctl, uid)
    try:
        for description in descriptions:
            new += submit.enter(ctl, peer, [description], batch=True)
        _write(ctl, uid, str(args.get("crontab", "")))
        _retire(ctl, peer, before)
        await ctl.committed()
    except SlurmError:
        submit.withdraw(ctl, new)
        raise
    return {"job_ids": tuple(job.job_id for job in new)}


async def delete_crontab(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    """{user_id}: the crontab goes, and with it its jobs; those that run end as they are."""
    uid = _changes(ctl, peer, args)
    try:
        os.unlink(_path(ctl, uid))
    except FileNotFoundError:
        return {}
    _retire(ctl, peer, _jobs(ctl, uid))
    await ctl.committed()
    return {}


def _jobs(ctl: Controller, uid: int) -> list[Job]:
    return [job for job in ctl.state.by_user.get(uid, {}).values() if job.cron and not job.is_finished]


def _retire(ctl: Controller, peer: Peer, jobs: list[Job]) -> None:
    for job in jobs:
        if job.is_pending:
            cancel.cancel(ctl, job, peer.uid, peer.name)
        else:
            job.cron = ""
            ctl.state.touch_job(job)


def comes_back(ctl: Controller, job: Job) -> bool:
    """Sets the next time of a job of a crontab that has just run; False for any other job."""
    if not job.cron:
        return False
    try:
        job._begin_time = CronTime(job.cron).next(ctl.state.now)
    except ValueError as error:
        log.error(f"JobId={job.job_id}: {error}")
        return False
    return True


METHODS = {"crontab": crontab, "update_crontab": update_crontab, "delete_crontab": delete_crontab}
