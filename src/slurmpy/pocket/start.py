"""Starts the pocket cluster when a command needs one, and says where it is. Few imports: it is on every command's
way."""

from __future__ import annotations

import os
import sys

from slurmpy.core.errors import SlurmError

from .directory import Directory

#: A running supervisor brings a dead slurmctld back within this time.
PATIENCE = 15.0


def answers(directory: Directory) -> bool:
    """Whether somebody listens on the pocket's slurmctld socket."""
    from slurmpy.rpc.address import connect_unix

    try:
        connect_unix(directory.socket, 5.0).close()
    except OSError:
        return False
    return True


def ensure(command: str, start: bool = True) -> str:
    """The path of the running pocket cluster's slurm.conf; starts the cluster if `start`.

    Raises SlurmError if it does not come up, or does not run and is not to be started.
    """
    directory = Directory()
    if answers(directory):
        return directory.conf
    if not start:
        raise SlurmError(
            "SLURMCTLD_COMMUNICATIONS_CONNECTION_ERROR", data={"reason": "the pocket cluster is not running"}
        )
    if launch(directory, command):
        text = "started a pocket cluster, as there is no slurm.conf; 'slurmpy down' stops it"
        sys.stderr.write(f"{command}: {text}\n")
    return directory.conf


def launch(directory: Directory, command: str = "slurmpy", new: bool = False) -> bool:
    """Brings the cluster up; False if another process had done so meanwhile. Raises SlurmError.

    `new`: it has never run, so a runtime for containers is looked for; so it is if there is no slurm.conf.
    """
    import fcntl

    directory.make()
    try:
        lock = os.open(directory["start.lock"], os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SlurmError("SLURM_ERROR", f"cannot write in {directory.root}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several commands at once one starts, the others wait here and find it up
        if answers(directory):
            return False
        if supervised(directory):
            _wait_for_recovery(directory)
            return False
        if not os.path.exists(directory.conf):
            from .settings import Settings

            Settings().write(directory)
            new = True
        _spawn(directory, new)
    finally:
        os.close(lock)
    return True


def supervised(directory: Directory) -> int:
    """The supervisor's pid while one lives (it holds a lock for its life), else 0."""
    import fcntl

    try:
        handle = os.open(directory["supervisor.lock"], os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.read(handle, 32).strip()
        return int(text) if text.isdigit() else -1
    finally:
        os.close(handle)
    return 0


def _wait_for_recovery(directory: Directory) -> None:
    """A live supervisor restarts slurmctld: waits for its socket. Raises SlurmError if that takes too long."""
    import time

    end = time.monotonic() + PATIENCE
    while not answers(directory):
        if time.monotonic() > end:
            raise SlurmError(
                "SLURM_ERROR",
                f"the pocket cluster's supervisor (pid {supervised(directory)}) runs, but slurmctld does"
                " not answer; see 'slurmpy logs', or end it with 'slurmpy down --force'",
            )
        time.sleep(0.02)


def _spawn(directory: Directory, new: bool) -> None:
    """Starts the supervisor in a session of its own and waits until the cluster serves. Raises SlurmError."""
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    # -P: what lies in the directory where somebody happens to be is no part of the cluster's programs
    argv = [sys.executable, "-P", "-s", "-m", "slurmpy.pocket.supervisor", directory.root, str(writer)]
    if new:
        argv.append("new")
    # The cluster outlives this command, so it must not take over the command's descriptors, variables or directory.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "SLURMPY_READY", "SBATCH_"))}
    environment["SLURM_CONF"] = directory.conf  # by this its processes are known as the cluster's
    null = os.open("/dev/null", os.O_RDWR)
    try:
        os.posix_spawn(
            sys.executable,
            argv,
            environment,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, null, 0),
                (os.POSIX_SPAWN_DUP2, null, 1),
                (os.POSIX_SPAWN_DUP2, null, 2),
            ],
            setsid=True,
        )
    finally:
        os.close(writer)
        os.close(null)
    said = b""
    while not said.endswith(b"\n"):
        more = os.read(reader, 4096)
        if not more:
            break
        said += more
    os.close(reader)
    if said != b"ready\n":
        reason = said.decode(errors="replace").strip() or "its supervisor ended; see 'slurmpy logs'"
        raise SlurmError("SLURM_ERROR", f"the pocket cluster did not start: {reason}")
