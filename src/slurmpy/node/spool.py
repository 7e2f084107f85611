"""The spool directory of a slurmd: sockets of slurmstepds, ends of steps that slurmctld has not confirmed, scripts.

slurmctld                the name of the state of slurmctld whose jobs these are
slurmd.lock              held by the slurmd of this node
spawner.lock             held by the spawner, and by a slurmstepd until its socket is there
JOB.STEP.sock            where a live slurmstepd answers; JOB.STEP.RESTART.sock in a job's later lives
ends/JOB.STEP.RESTART    how a step ended: msgpack, written by its slurmstepd
done/JOB.STEP.RESTART    ends that slurmctld knows: kept for a while, so that no belated launch runs a job again
ending/JOB.RESTART       a job that slurmctld wants to be ended: until its epilog is confirmed
jobNNNNN/slurm_script    a batch job's script, its user's
"""

from __future__ import annotations

import os
import re
from typing import Any

import msgpack

_SOCKET = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?\.sock\Z")
_END = re.compile(r"(\d+)\.(\d+)\.(\d+)\Z")
_ENDING = re.compile(r"(\d+)\.(\d+)\Z")


def prepare(spool: str) -> None:
    """Makes the directories. Everybody may pass (scripts lie below), nobody else may look into the queues."""
    os.makedirs(spool, mode=0o755, exist_ok=True)
    for name in ("ends", "done", "ending"):
        os.makedirs(os.path.join(spool, name), mode=0o700, exist_ok=True)


def socket_path(spool: str, job_id: int, step_id: int, restart_cnt: int) -> str:
    life = f".{restart_cnt}" if restart_cnt else ""
    return os.path.join(spool, f"{job_id}.{step_id}{life}.sock")


def sockets(spool: str) -> list[tuple[int, int, int]]:
    """(job, step, restart count) of every socket file there, of the dead too."""
    found = (_SOCKET.match(name) for name in os.listdir(spool))
    return [(int(match[1]), int(match[2]), int(match[3] or 0)) for match in found if match]


def job_directory(spool: str, job_id: int) -> str:
    return os.path.join(spool, f"job{job_id:05d}")


def script_path(spool: str, job_id: int) -> str:
    return os.path.join(job_directory(spool, job_id), "slurm_script")


def write_script(spool: str, job_id: int, script: str, user_id: int, group_id: int) -> str:
    """Writes a batch job's script for its user alone; returns its path. Raises OSError."""
    directory = job_directory(spool, job_id)
    try:
        os.mkdir(directory, 0o700)
    except FileExistsError:  # of a slurmstepd that was killed, perhaps for another user
        from .oci.leftovers import remove_tree

        remove_tree(directory)
        os.mkdir(directory, 0o700)
    path = os.path.join(directory, "slurm_script")
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o700)
    try:
        data = script.encode("utf-8", "surrogateescape")
        while data:
            data = data[os.write(handle, data) :]
        if os.geteuid() == 0:
            os.fchown(handle, user_id, group_id)
    finally:
        os.close(handle)
    if os.geteuid() == 0:
        os.chown(directory, user_id, group_id)
    return path


def remove_script(spool: str, job_id: int) -> None:
    directory = job_directory(spool, job_id)
    try:
        os.unlink(os.path.join(directory, "slurm_script"))
        os.rmdir(directory)
    except FileNotFoundError:
        pass
    except OSError:
        from .oci.leftovers import remove_tree  # what is in it is the user's, however deep: no recursion

        remove_tree(directory)


def _write(path: str, value: Any) -> None:
    draft = f"{path}.new"
    _write_to(draft, value)
    os.rename(draft, path)


def _write_to(path: str, value: Any) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        data = msgpack.packb(value, unicode_errors="surrogateescape")
        while data:
            data = data[os.write(handle, data) :]
    finally:
        os.close(handle)


def _read(path: str) -> dict[str, Any] | None:
    try:
        with open(path, "rb") as file:
            value = msgpack.unpackb(file.read(), use_list=False, strict_map_key=False, unicode_errors="surrogateescape")
    except (OSError, ValueError, msgpack.exceptions.UnpackException):
        return None
    return value if isinstance(value, dict) else None


def end_path(spool: str, job_id: int, step_id: int, restart_cnt: int) -> str:
    return os.path.join(spool, "ends", f"{job_id}.{step_id}.{restart_cnt}")


def write_end(spool: str, end: dict[str, Any]) -> None:
    """Keeps how a step ended (`job_id`, `step_id`, `restart_cnt` and the rest). Raises OSError.

    In place: nobody reads it before its writer says so or is dead, and half an end is read as none.
    """
    _write_to(end_path(spool, end["job_id"], end["step_id"], end["restart_cnt"]), end)


def read_end(spool: str, job_id: int, step_id: int, restart_cnt: int) -> dict[str, Any] | None:
    """None if there is none, or none that can be read."""
    return _read(end_path(spool, job_id, step_id, restart_cnt))


def confirm_end(spool: str, job_id: int, step_id: int, restart_cnt: int) -> None:
    """slurmctld knows of it."""
    path = end_path(spool, job_id, step_id, restart_cnt)
    try:
        os.rename(path, os.path.join(spool, "done", os.path.basename(path)))
    except FileNotFoundError:
        pass


def confirmed(spool: str, now: float) -> list[tuple[float, tuple[int, int, int]]]:
    """(when it ended, (job, step, restart count)) of what slurmctld knows and is still kept, the oldest first."""
    directory = os.path.join(spool, "done")
    found = []
    for name in os.listdir(directory):
        match = _END.match(name)
        if match:
            when = os.stat(os.path.join(directory, name)).st_mtime
            found.append((min(when, now), (int(match[1]), int(match[2]), int(match[3]))))
    return sorted(found)


def forget(spool: str, job_id: int, step_id: int, restart_cnt: int) -> None:
    """A confirmed end, after its while."""
    try:
        os.unlink(os.path.join(spool, "done", f"{job_id}.{step_id}.{restart_cnt}"))
    except FileNotFoundError:
        pass


def ends(spool: str) -> list[dict[str, Any]]:
    """All ends that wait for slurmctld, the oldest first."""
    directory = os.path.join(spool, "ends")
    found = []
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        if _END.match(name):
            end = _read(path)
            if end is not None:
                found.append(end)
        elif name.endswith(".new"):
            os.unlink(path)
    return sorted(found, key=lambda end: (end.get("end_time", 0), end["job_id"], end["step_id"]))


def ending_path(spool: str, job_id: int, restart_cnt: int) -> str:
    return os.path.join(spool, "ending", f"{job_id}.{restart_cnt}")


def write_ending(spool: str, job_id: int, restart_cnt: int, request: dict[str, Any]) -> None:
    """Notes that a job is to be ended. Raises OSError."""
    _write(ending_path(spool, job_id, restart_cnt), request)


def remove_ending(spool: str, job_id: int, restart_cnt: int) -> None:
    try:
        os.unlink(ending_path(spool, job_id, restart_cnt))
    except FileNotFoundError:
        pass


def endings(spool: str) -> list[tuple[int, int, dict[str, Any]]]:
    """(job, restart count, request) of all jobs that are to be ended."""
    directory = os.path.join(spool, "ending")
    found = []
    for name in os.listdir(directory):
        match = _ENDING.match(name)
        request = _read(os.path.join(directory, name)) if match else None
        if match and request is not None:
            found.append((int(match[1]), int(match[2]), request))
    return found
