"""What a step's containers leave if nobody takes it away: a note of it lies in the spool directory before the first
container is made, and goes when all of it has gone.

containers/JOB.STEP.RESTART     the note: msgpack, root's (or slurmd's user's) alone

As a program (``python -m slurmpy.node.oci.leftovers SPOOL JOB STEP RESTART``) it cleans up after a slurmstepd that was
killed.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from typing import Any

import msgpack

from .. import cgroup
from ..tasks import Identity
from . import calls

_NAME = re.compile(r"(\d+)\.(\d+)\.(\d+)\Z")
FILES = ("config.json", "environment")
#: Beside the tasks' directories: one that a runtime may use for its own state, and how oci.conf names it after %b.
RUNTIME = "runtime"
KEPT = f"/../{RUNTIME}"


def directory(spool: str) -> str:
    return os.path.join(spool, "containers")


def noted(spool: str) -> list[tuple[int, int, int]]:
    """(job, step, restart count) of every note there."""
    try:
        names = os.listdir(directory(spool))
    except FileNotFoundError:
        return []
    found = (_NAME.match(name) for name in names)
    return [(int(match[1]), int(match[2]), int(match[3])) for match in found if match]


class Note:
    """`tasks`: (query, kill, delete) commands of each; `base`: the step's directory below the spool directory, removed
    with all that is in it; `shared` and `made`: with ContainerPath, where our files are, and what directories were
    made; `keep`: DisableCleanup; `cgroup`: the step's control group below the mount points."""

    FIELDS = ("base", "cgroup", "environment", "group_id", "keep", "made", "shared", "tasks", "user_id", "user_name")

    def __init__(self, launch: Mapping[str, Any]) -> None:
        name = f"{launch['job_id']}.{launch['step_id']}.{launch['restart_cnt']}"
        self.path = os.path.join(directory(launch["spool"]), name)
        self.user_id, self.group_id, self.user_name = launch["user_id"], launch["group_id"], launch["user_name"]
        self.tasks: list[tuple[str, str, str]] = []
        self.base = self.cgroup = ""
        self.shared: list[str] = []
        self.made: list[str] = []
        self.keep = False
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
        nothing = not (self.tasks or self.shared) or self._is_all_gone()
        problems = [] if nothing else _as_user(identity, self._with_the_users_rights)
        if self.cgroup:
            cgroup.remove_everywhere(self.cgroup)
        if self.base and not self.keep:
            remove_tree(self.base)
        try:
            os.unlink(self.path)
        except FileNotFoundError:
            pass
        return problems

    def _is_all_gone(self) -> bool:
        """Whether it can be seen without asking the runtime: it keeps all it knows in the step's own directory, and
        there is nothing in that. (Asking costs runc 10 ms, as much as all else that is done for a task here.)"""
        if not self.base or self.shared or not all(f"{KEPT} " in query for query, _, _ in self.tasks):
            return False
        try:
            return not os.listdir(os.path.join(self.base, RUNTIME))
        except OSError:
            return False

    def _with_the_users_rights(self) -> list[str]:
        problems = []
        environment = self.environment or {"PATH": os.environ.get("PATH", os.defpath)}
        for query, kill, delete in self.tasks:
            if query:
                problem = calls.remove(query, kill, delete, environment, self.aborted)
                if problem:
                    problems.append(problem)
        if not self.keep:
            for place in self.shared:
                for name in FILES:
                    _quietly(os.unlink, os.path.join(place, name))
            for place in self.made:
                _quietly(os.rmdir, place)
        return problems


def _quietly(remove: Any, path: str) -> None:
    try:
        remove(path)
    except OSError:
        pass  # not there, or something of the user's is in it


def remove_tree(base: str) -> None:
    """Takes a step's directory away; nobody has a process in it any more."""
    if os.path.lexists(base):
        shutil.rmtree(base, ignore_errors=True)


def _as_user(identity: Identity, act: Any) -> list[str]:
    """Calls `act` in a process that is the user's, with nothing of ours open; returns its lines."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            import signal

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
    lines = said.decode("utf-8", "replace").splitlines()
    if status:
        lines.append(f"containers could not be taken away ({status})")
    return lines


def main(argv: list[str]) -> int:
    """Cleans up by a note; says what went wrong on standard error."""
    spool, *key = argv
    note = Note.read(spool, *map(int, key))
    if note is None:
        return 0
    problems = note.clean(Identity(note.user_id, note.group_id, note.user_name))
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
