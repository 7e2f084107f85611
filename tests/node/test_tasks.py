"""The first moments of a task, between slurmstepd's fork and the user's program."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from slurmpy.node import tasks


@pytest.fixture
def handled() -> Iterator[list[int]]:
    """SIGTERM goes to a handler here, as in slurmstepd; the signals it got."""
    got: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: got.append(number))
    yield got
    signal.signal(signal.SIGTERM, before)


def spawn(enter: object) -> int:
    program = tasks.Program(["/bin/true"], "/", 0o022, {}, "slurmstepd")
    me = tasks.Identity(os.getuid(), os.getgid(), "")
    return tasks.spawn(me, program, lambda pid: {}, (0, 1, 2), enter=enter)  # type: ignore[arg-type]


def test_a_signal_before_the_program_runs_ends_the_task(handled: list[int]) -> None:
    pid = spawn(lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGTERM


def test_a_signal_during_the_fork_ends_the_task(handled: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    fork = os.fork

    def hit() -> int:
        pid = fork()
        if not pid:
            os.kill(os.getpid(), signal.SIGTERM)
        return pid

    monkeypatch.setattr(os, "fork", hit)
    pid = spawn(None)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGTERM
    assert not handled, "it was the child's"


def test_slurmstepd_is_as_it_was_after_the_fork(handled: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    os.waitpid(spawn(None), 0)

    def fails() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", fails)
    with pytest.raises(BlockingIOError):
        spawn(None)
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())
    os.kill(os.getpid(), signal.SIGTERM)
    assert handled == [signal.SIGTERM]
