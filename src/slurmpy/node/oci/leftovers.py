"""What a step's containers leave if nobody takes it away: a note of it lies in the spool directory before the first
container is made, and goes when all of it has gone.

containers/JOB.STEP.RESTART     the note: msgpack, root's (or slurmd's user's) alone

As a program (``python -m slurmpy.node.oci.leftovers SPOOL JOB STEP RESTART``) it cleans up after a slurmstepd that was
killed.
"""

from __future__ import annotations

import os
import re
import signal
import stat
import sys
import time
from collections.abc import Mapping
from typing import Any

import msgpack

from slurmpy.core.ids import step_name

from .. import cgroup, keyring, processes
from ..tasks import Identity
from . import calls

_NAME = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:\.new)?\Z")
#: So long may all commands for the containers of one step take, before each has but a second.
LONGEST = 90.0
#: Who does not die of SIGKILL within so many seconds is the kernel's.
DYING = 5.0
#: Beside the tasks' directories: one that a runtime may use for its own state, and how oci.conf names it after %b.
RUNTIME = "runtime"
KEPT = f"/../{RUNTIME}"


def directory(spool: str) -> str:
    return os.path.join(spool, "containers")


def noted(spool: str) -> list[tuple[int, int, int]]:
    """(job, step, restart count) of every note there, of half a one, too."""
    try:
        names = os.listdir(directory(spool))
    except FileNotFoundError:
        return []
    found = (_NAME.match(name) for name in names)
    return sorted({(int(match[1]), int(match[2]), int(match[3])) for match in found if match})


def command(spool: str, job_id: int, step_id: int, restart_cnt: int) -> list[str]:
    """What runs this module as a program."""
    key = map(str, (job_id, step_id, restart_cnt))
    return [sys.executable, "-P", "-m", "slurmpy.node.oci.leftovers", spool, *key]


def base_of(spool: str, job_id: int, step_id: int) -> str:
    """The directory of a step's containers below the spool directory."""
    return os.path.join(spool, f"oci-job{job_id}-{step_name(step_id)}")


class Note:
    """`tasks`: (query, kill, delete) commands of each; `base`: the step's directory below the spool directory, removed
    with all that is in it; `files` and `made`: with ContainerPath, the files that are ours, and the directories that
    were not there; `keep`: DisableCleanup; `cgroup`: the step's control group below the mount points; `seconds`: what
    each command has."""

    FIELDS = (
        "base", "cgroup", "environment", "files", "group_id", "keep", "made", "seconds", "tasks", "user_id",
        "user_name",
    )  # fmt: skip

    def __init__(self, launch: Mapping[str, Any]) -> None:
        name = f"{launch['job_id']}.{launch['step_id']}.{launch['restart_cnt']}"
        self.path = os.path.join(directory(launch["spool"]), name)
        self.user_id, self.group_id, self.user_name = launch["user_id"], launch["group_id"], launch["user_name"]
        self.tasks: list[tuple[str, str, str]] = []
        self.base = self.cgroup = ""
        self.files: list[str] = []
        self.made: list[str] = []
        self.keep = False
        self.seconds = calls.SECONDS
        self.environment: dict[str, str] = {}
        self.aborted = True  # the runtime may have been killed at any point; who has seen its end knows better

    def write(self) -> None:
        """Raises OSError."""
        os.makedirs(os.path.dirname(self.path), 0o700, exist_ok=True)
        draft = f"{self.path}.new"
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            data = msgpack.packb({name: getattr(self, name) for name in self.FIELDS}, unicode_errors="surrogateescape")
            while data:
                data = data[os.write(handle, data) :]
        finally:
            os.close(handle)
        os.rename(draft, self.path)

    @classmethod
    def read(cls, spool: str, job_id: int, step_id: int, restart_cnt: int) -> Note | None:
        """None if there is none that can be read."""
        launch = {"job_id": job_id, "step_id": step_id, "restart_cnt": restart_cnt, "spool": spool}
        note = cls({**launch, "user_id": 0, "group_id": 0, "user_name": ""})
        try:
            with open(note.path, "rb") as file:
                found = msgpack.unpackb(file.read(), unicode_errors="surrogateescape")
            for name in cls.FIELDS:
                setattr(note, name, found[name])
        except (OSError, ValueError, KeyError, TypeError, msgpack.exceptions.UnpackException):
            return None
        return note

    def clean(self, identity: Identity) -> list[str]:
        """Containers, control groups, files, and the note itself; returns what went wrong, a line each."""
        nothing = not (self.tasks or self.files or self.made) or self._is_all_gone()
        problems = [] if nothing else _as_user(identity, self._with_the_users_rights)
        if self.cgroup:
            cgroup.remove_everywhere(self.cgroup)
        if self.base and not self.keep:
            remove_tree(self.base)
        self.discard()
        return problems

    def discard(self) -> None:
        """The note alone, and a draft of it."""
        for path in (self.path, f"{self.path}.new"):
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass

    def _is_all_gone(self) -> bool:
        """Whether it can be seen without asking the runtime: it keeps all it knows in the step's own directory, and
        there is nothing in that. (Asking costs runc 10 ms, as much as all else that is done for a task here.)"""
        if not self.base or self.files or not all(f"{KEPT} " in query for query, _, _ in self.tasks):
            return False
        try:
            return not os.listdir(os.path.join(self.base, RUNTIME))
        except OSError:
            return False

    def _with_the_users_rights(self) -> list[str]:
        problems = []
        environment = self.environment or {"PATH": os.environ.get("PATH", os.defpath)}
        until = time.monotonic() + LONGEST
        for query, kill, delete in self.tasks:
            if query:
                problem = calls.remove(query, kill, delete, environment, self.aborted, self.seconds, until)
                if problem:
                    problems.append(problem)
        if not self.keep:
            for path in self.files:
                _quietly(os.unlink, path)
            for place in self.made:
                _quietly(os.rmdir, place)
        return problems


def _quietly(remove: Any, path: str) -> None:
    try:
        remove(path)
    except OSError:
        pass  # not there, or something of the user's is in it


def remove_tree(base: str) -> None:
    """Takes a step's or a script's directory away. What is in it a user has made, who may still be at it, and may have
    made it deep enough for any recursion: so each directory's content is moved up into `base`, which becomes ours first
    where it was the user's, and no link is ever followed."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        top = os.open(base, flags)
    except OSError:
        _quietly(os.unlink, base)
        return
    number = 0
    before: list[str] = []
    until = time.monotonic() + LONGEST
    try:
        if os.geteuid() == 0:
            os.fchown(top, 0, 0)
        os.fchmod(top, 0o700)
        while (names := os.listdir(top)) != before and time.monotonic() < until:
            before = names
            for name in names:
                number = _remove_one(top, name, flags, number)
    finally:
        os.close(top)
    _quietly(os.rmdir, base)


def _remove_one(top: int, name: str, flags: int, number: int) -> int:
    """Removes an entry of the directory `top`; what a directory has is in `top` then. Returns the next free number."""
    try:
        os.unlink(name, dir_fd=top)
        return number
    except OSError:
        pass
    try:
        if not stat.S_ISDIR(os.stat(name, dir_fd=top, follow_symlinks=False).st_mode):
            return number
        os.chmod(name, 0o700, dir_fd=top)  # nobody but us can put a link in its place: `top` is ours
        inner = os.open(name, flags, dir_fd=top)
    except OSError:
        return number
    try:
        for entry in os.listdir(inner):
            try:
                os.unlink(entry, dir_fd=inner)
            except OSError:
                number += 1
                _move(entry, inner, f".moved.{number}", top)
    finally:
        os.close(inner)
    try:
        os.rmdir(name, dir_fd=top)
    except OSError:
        pass
    return number


def _move(name: str, inner: int, new: str, top: int) -> None:
    try:
        try:
            os.rename(name, new, src_dir_fd=inner, dst_dir_fd=top)
        except PermissionError:
            if os.geteuid() == 0:
                raise
            os.chmod(name, 0o700, dir_fd=inner)  # an ordinary user can move no directory that he may not write to
            os.rename(name, new, src_dir_fd=inner, dst_dir_fd=top)
    except OSError:
        pass  # a mount, say, which keeps what is above it


def _end_rest() -> None:
    """Whatever the commands have started and left: nobody of the step's may live longer than the step. To be called by
    a subreaper, none of whose children is needed any more."""
    until = time.monotonic() + DYING
    while processes.send(processes.descendants(os.getpid()), signal.SIGKILL) and time.monotonic() < until:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.002)


def _as_user(identity: Identity, act: Any) -> list[str]:
    """Calls `act` in a process that is the user's, with nothing of ours open; returns its lines."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(writer, 1)
            for target in (0, 2):
                os.dup2(null, target)
            calls.leave_only_standard_files()
            identity.become()
            os.chdir("/")
            text = "\n".join(act())
            os.write(1, text.encode("utf-8", "surrogateescape")[:60000])
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    said = b""
    while piece := os.read(reader, 65536):
        said += piece
    os.close(reader)
    _, status = os.waitpid(pid, 0)
    _end_rest()
    lines = said.decode("utf-8", "replace").splitlines()
    if status:
        lines.append(f"containers could not be taken away ({status})")
    return lines


def main(argv: list[str]) -> int:
    """Cleans up by a note; says what went wrong on standard error."""
    spool, *words = argv
    job_id, step_id, restart_cnt = map(int, words)
    processes.become_subreaper()
    if os.geteuid() == 0:
        keyring.leave()
    note = Note.read(spool, job_id, step_id, restart_cnt)
    if note is None:  # a draft, which is before everything else; or a disk that was full, or has forgotten
        launch = {"job_id": job_id, "step_id": step_id, "restart_cnt": restart_cnt, "spool": spool}
        Note({**launch, "user_id": 0, "group_id": 0, "user_name": ""}).discard()
        remove_tree(base_of(spool, job_id, step_id))
        return 0
    problems = note.clean(Identity(note.user_id, note.group_id, note.user_name))
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
