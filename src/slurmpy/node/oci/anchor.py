"""The process of a task that is a container: slurmstepd's fork, which has become the user, and does what the runtime
needs.

With RunTimeRun it becomes the runtime, which stays until the container ends. With RunTimeCreate and RunTimeStart it
stays itself, as the one whom the container's process is left to, passes signals on, and ends as that process ends.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Mapping
from typing import NoReturn

from .. import processes
from . import calls

PASSED_ON = (
    signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM,
    signal.SIGCONT, signal.SIGWINCH, signal.SIGTSTP, signal.SIGURG,
)  # fmt: skip


def become_runtime(text: str, environment: Mapping[str, str]) -> NoReturn:
    """RunTimeRun. Raises OSError if the runtime cannot be started."""
    program, words = calls.words_of(text, environment)
    os.execve(program, words, environment)


class Anchor:
    """RunTimeCreate, RunTimeStart, and the wait. The commands are expanded; `prefix` is slurmstepd's."""

    def __init__(
        self,
        create: str,
        start: str,
        query: str,
        environment: Mapping[str, str],
        prefix: str,
        seconds: float = calls.SECONDS,
    ) -> None:
        self._create, self._start, self._query = create, start, query
        self._environment, self._prefix, self._seconds = environment, prefix, seconds
        self._pid = 0
        self._early: list[int] = []

    def _say(self, text: str) -> None:
        try:
            os.write(2, f"{self._prefix}: error: {text}\n".encode("utf-8", "surrogateescape"))
        except OSError:
            pass

    def run(self) -> NoReturn:
        """Ends this process with the exit code of the container's, 128 and its number for a signal, as `runc run`."""
        calls.leave_only_standard_files()
        processes.become_subreaper()
        for number in PASSED_ON:
            signal.signal(number, self._pass_on)
        code = 1
        try:
            code = self._through()
        except Exception as error:
            self._say(f"container: {error}")
        finally:
            os._exit(code)

    def _pass_on(self, number: int, _frame: object) -> None:
        """To the container's process; what comes before its program has been started is kept for it."""
        if self._pid:
            processes.send((self._pid,), number)
        else:
            self._early.append(number)

    def _through(self) -> int:
        created = calls.call(self._create, self._environment, own_files=True, seconds=self._seconds)
        if created.status:
            self._say(f"RunTimeCreate failed with {created.told}")
            return created.status >> 8 or 1
        asked = calls.call(self._query, self._environment, seconds=self._seconds)
        state = calls.state_of(asked)
        if state is None or not state.pid:
            if asked.status:
                self._say(f"RunTimeQuery failed with {asked.told}")
            else:
                self._say(f"RunTimeQuery knows of no process after RunTimeCreate: {asked.told}")
            return 1
        try:
            handle = os.pidfd_open(state.pid)
        except ProcessLookupError:
            handle = -1
        started = calls.call(self._start, self._environment, seconds=self._seconds)
        if started.status:
            self._say(f"RunTimeStart failed with {started.told}")
            return started.status >> 8 or 1
        self._pid = state.pid
        for number in self._early:
            processes.send((state.pid,), number)
        if handle >= 0:
            select.select([handle], [], [])
        try:
            _, status = os.waitpid(state.pid, 0)
        except ChildProcessError:
            return 0  # somebody else's child, who has its status
        return 128 + (status & 0x7F) if status & 0x7F else status >> 8
