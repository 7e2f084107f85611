"""Calling the OCI runtime's operations, each a command of oci.conf. To be called as the job's user."""

from __future__ import annotations

import json
import os
import select
import signal
import time
from collections.abc import Mapping

from slurmpy.conf import oci_conf

from .. import tasks
from . import pattern

#: An operation that takes longer is ended.
SECONDS = 60.0
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
        return f"{how}: {said[:800]}" if said else how


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
    finally:
        if not own_files:
            os.close(writer)
            os.close(null)
    return _wait(pid, reader, time.monotonic() + seconds)


_DEFAULTS = tuple(sorted(tasks.CHANGED_SIGNALS))


def _wait(pid: int, reader: int, deadline: float) -> Outcome:
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
            os.kill(pid, signal.SIGKILL)
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
    return Outcome(status, f"took longer than {SECONDS:.0f} s; {text}" if late else text)


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
    return State(str(found.get("status", "")), pid if isinstance(pid, int) and pid > 0 else 0)


def remove(query: str, kill: str, delete: str, environment: Mapping[str, str], aborted: bool = False) -> str | None:
    """Makes sure that there is no container: asked for by RunTimeQuery, ended by RunTimeKill, taken away by
    RunTimeDelete. Returns what went wrong, None if it is gone.

    A runtime that was killed while it made the container (`aborted`) leaves one that it does not know of itself: runc
    has a directory then, without the state that its own query looks for, but its delete takes that away."""
    state = state_of(call(query, environment))
    if state is None:
        if aborted:
            call(delete, environment)
        return None
    if state.status != "stopped":
        killed = call(kill, environment)
        until = time.monotonic() + STOPPING
        pause = 0.01
        while state is not None and state.status != "stopped" and not killed.status and time.monotonic() < until:
            time.sleep(pause)
            pause = min(pause * 2, 0.5)
            state = state_of(call(query, environment))
    gone = call(delete, environment)
    if gone.status and state_of(call(query, environment)) is not None:
        return f"RunTimeDelete failed with {gone.told}"
    return None


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
