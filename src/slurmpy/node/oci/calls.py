"""Calling the OCI runtime's operations, each a command of oci.conf. To be called as the job's user."""

from __future__ import annotations

import json
import os
import select
import signal
import time
from collections.abc import Mapping

from slurmpy.conf import oci_conf

from .. import processes, tasks
from . import pattern
from .errors import shown

#: An operation that takes longer is ended; UnkillableStepTimeout of slurm.conf is what slurmstepd gives it.
SECONDS = 60.0
#: The shell's words for a command that it could not run.
NOT_RUN = (126, 127)
MAX_OUTPUT = 64 << 10
#: How long a container may take to stop once RunTimeKill was called, before RunTimeDelete has to do.
STOPPING = 5.0


class Outcome:
    """How a command ended: its wait status and the last of what it said (standard output and error in one)."""

    __slots__ = ("status", "text")

    def __init__(self, status: int, text: str) -> None:
        self.status, self.text = status, text

    @property
    def told(self) -> str:
        """One line for a message: exit code or signal, and what was said."""
        how = f"exit code {self.status >> 8}" if self.status & 0x7F == 0 else f"signal {self.status & 0x7F}"
        said = " ".join(self.text.split())
        return f"{how}: {shown(said[:800])}" if said else how

    @property
    def refused(self) -> bool:
        """Whether the command itself has said no: it ran, it was not ended, and its exit code is not 0."""
        return self.status & 0x7F == 0 and self.status >> 8 not in (0, *NOT_RUN)


def words_of(text: str, environment: Mapping[str, str]) -> tuple[str, list[str]]:
    """(program, arguments) for an expanded pattern; what is no program may still be something that the shell knows."""
    words = pattern.command(text)
    path = tasks.find(words[0], environment.get("PATH", os.defpath), "/")
    if "/" not in path:
        return "/bin/sh", ["/bin/sh", "-c", text]
    return path, words


def call(text: str, environment: Mapping[str, str], own_files: bool = False, seconds: float = SECONDS) -> Outcome:
    """Runs one operation and waits for it. `own_files`: with this process's standard files (which a container's
    process will have), so that only the status is known; else nothing to read, and what it writes is returned.
    """
    program, words = words_of(text, environment)
    reader = writer = -1
    actions: list[tuple[int, ...]] = []
    if not own_files:
        reader, writer = os.pipe2(os.O_CLOEXEC)
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        actions = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, writer, 1), (os.POSIX_SPAWN_DUP2, writer, 2)]
    try:
        pid = os.posix_spawn(program, words, environment, file_actions=actions, setsigmask=(), setsigdef=_DEFAULTS)
    except OSError as error:
        if reader >= 0:
            os.close(reader)
        return Outcome(127 << 8, f"{program}: {error.strerror}")
    except ValueError as error:  # a NUL
        if reader >= 0:
            os.close(reader)
        return Outcome(127 << 8, f"{program}: {error}")
    finally:
        if not own_files:
            os.close(writer)
            os.close(null)
    return _wait(pid, reader, seconds)


_DEFAULTS = tuple(sorted(tasks.CHANGED_SIGNALS))


def _wait(pid: int, reader: int, seconds: float) -> Outcome:
    deadline = time.monotonic() + seconds
    handle = os.pidfd_open(pid)
    waiting = {handle}
    if reader >= 0:
        waiting.add(reader)
    said = bytearray()
    late = False
    while handle in waiting:
        left = deadline - time.monotonic()
        if left <= 0 and not late:
            late = True
            # those that a shell has started for it, too, as far as they can still be told
            processes.send([*processes.descendants(pid), pid], signal.SIGKILL)
        ready, _, _ = select.select(waiting, [], [], max(left, 0.0) if not late else None)
        if reader in ready and not _take(reader, said):
            waiting.discard(reader)
        if handle in ready:
            waiting.discard(handle)
    while reader in waiting and select.select([reader], [], [], 0)[0]:  # who holds it open still has nothing to tell
        if not _take(reader, said):
            break
    _, status = os.waitpid(pid, 0)
    os.close(handle)
    if reader >= 0:
        os.close(reader)
    text = said.decode("utf-8", "replace")
    return Outcome(status, f"it took longer than {seconds:.0f} s {text}" if late else text)


def _take(reader: int, said: bytearray) -> bool:
    piece = os.read(reader, 65536)
    said += piece
    del said[:-MAX_OUTPUT]
    return bool(piece)


class State:
    """What RunTimeQuery says (runtime.md, "State"): `status` is "creating", "created", "running" or "stopped"."""

    __slots__ = ("pid", "status")

    def __init__(self, status: str, pid: int) -> None:
        self.status, self.pid = status, pid


def state_of(outcome: Outcome) -> State | None:
    """None where the runtime knows of no such container, or what it says is no state."""
    if outcome.status:
        return None
    begin = outcome.text.find("{")
    try:
        found, _ = json.JSONDecoder().raw_decode(outcome.text[max(begin, 0) :])
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    pid = found.get("pid")
    if not isinstance(pid, int) or isinstance(pid, bool) or not 0 < pid < 1 << 31:
        pid = 0
    return State(str(found.get("status", "")), pid)


def remove(
    query: str,
    kill: str,
    delete: str,
    environment: Mapping[str, str],
    aborted: bool = False,
    seconds: float = SECONDS,
    until: float | None = None,
) -> str | None:
    """Makes sure that there is no container: asked for by RunTimeQuery, ended by RunTimeKill, taken away by
    RunTimeDelete. Returns what went wrong, None if it is gone.

    A runtime that was killed while it made the container (`aborted`) leaves one that it does not know of itself: runc
    has a directory then, without the state that its own query looks for, but its delete takes that away. A query that
    does not answer says nothing at all: the container may be there, so it is killed and deleted. Each command has
    `seconds`; after `until` (of the monotonic clock) each has one."""

    def run(text: str) -> Outcome:
        left = seconds if until is None else max(1.0, min(seconds, until - time.monotonic()))
        return call(text, environment, seconds=left)

    asked = run(query)
    state = state_of(asked)
    if state is None and asked.refused:
        if aborted:
            run(delete)
        return None
    if state is None:
        run(kill)
        gone = run(delete)
        problem = f"RunTimeQuery failed with {asked.told}"
        return f"{problem}; RunTimeDelete failed with {gone.told}" if gone.status else problem
    problem = ""
    if state.status != "stopped":
        killed = run(kill)
        if killed.status:
            problem = f"RunTimeKill failed with {killed.told}"
        stopping = time.monotonic() + STOPPING
        pause = 0.01
        while state is not None and state.status != "stopped" and not killed.status and time.monotonic() < stopping:
            time.sleep(pause)
            pause = min(pause * 2, 0.5)
            state = state_of(run(query))
    gone = run(delete)
    if gone.status and state_of(run(query)) is not None:
        return f"{problem}{'; ' if problem else ''}RunTimeDelete failed with {gone.told}"
    return problem or None


def leave_only_standard_files(kept: int = -1) -> None:
    """Closes whatever else (but `kept`) this process has inherited: a copy of slurmstepd must not hold on to its
    connections."""
    for name in os.listdir("/proc/self/fd"):
        number = int(name)
        if number > 2 and number != kept:
            try:
                os.close(number)
            except OSError:
                pass  # the listing's own


def environment_without(environment: Mapping[str, str], expression: str | None) -> dict[str, str]:
    """Without the variables that RunTimeEnvExclude or EnvExclude matches ("NAME=value" is what it is held against)."""
    if not expression:
        return dict(environment)
    pattern_ = oci_conf.expression("", expression)
    return {name: value for name, value in environment.items() if not pattern_.search(f"{name}={value}")}
