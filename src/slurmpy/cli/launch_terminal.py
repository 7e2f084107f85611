"""srun's terminal (--pty) and its signals."""

from __future__ import annotations

import _signal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

# signal(7)'s numbers on Linux; the module `signal` costs a command milliseconds
SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGUSR1, SIGUSR2, SIGPIPE = 1, 2, 3, 9, 10, 12, 13
SIGALRM, SIGTERM, SIGCONT, SIGSTOP, SIGTSTP, SIGWINCH = 14, 15, 18, 19, 20, 28
#: given to the tasks as they are
FORWARDED = (SIGUSR1, SIGUSR2, SIGALRM)
#: end the step
ENDING = (SIGHUP, SIGQUIT, SIGTERM)
HANDLED = (SIGINT, *ENDING, *FORWARDED, SIGCONT, SIGTSTP, SIGWINCH)


class Terminal:
    """Our own terminal, raw while the tasks' pseudo terminal does the work of one."""

    def __init__(self) -> None:
        self._before: list[Any] | None = None

    @property
    def is_raw(self) -> bool:
        return self._before is not None

    def window(self) -> tuple[int, int, int, int]:
        """Rows, columns, and the size in pixels."""
        import fcntl
        import struct
        import termios

        try:
            rows, columns, width, height = struct.unpack("HHHH", fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8)))
        except OSError:
            return (24, 80, 0, 0)
        return (rows, columns, width, height)

    def make_raw(self) -> None:
        if self._before is None:
            import termios
            import tty

            self._before = termios.tcgetattr(0)
            tty.setraw(0, termios.TCSADRAIN)  # what was typed ahead is for the tasks

    def give_back(self) -> None:
        if self._before is not None:
            import termios

            termios.tcsetattr(0, termios.TCSADRAIN, self._before)
            self._before = None


def may_have_terminal() -> bool:
    """Whether standard input is a terminal; says what srun says if it is not."""
    if os.isatty(0):
        return True
    sys.stderr.write(
        "srun: error: ioctl(TIOCGWINSZ): Inappropriate ioctl for device\n"
        "srun: error: Not using a pseudo-terminal, disregarding --pty option\n"
    )
    sys.stderr.flush()
    return False


class Signals:
    """Signals as bytes on a descriptor, until `give_back`. Outside the main thread they stay somebody else's."""

    def __init__(self, on_signal: Callable[[int], None]) -> None:
        self._on_signal = on_signal
        self.reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._old: dict[int, Any] = {}
        self._old_descriptor: int | None = None
        try:
            for number in HANDLED:
                self._old[number] = _signal.signal(number, _handler)
            self._old[SIGPIPE] = _signal.signal(SIGPIPE, _signal.SIG_IGN)
            self._old_descriptor = _signal.set_wakeup_fd(self._writer)
        except ValueError:
            pass

    def woken(self, events: int) -> None:
        for number in self._arrived():
            self._on_signal(number)

    def _arrived(self) -> Iterable[int]:
        try:
            return os.read(self.reader, 256)
        except BlockingIOError:
            return ()

    def give_back(self) -> None:
        if self._old_descriptor is not None:
            _signal.set_wakeup_fd(self._old_descriptor)
        for number, handler in self._old.items():
            _signal.signal(number, _signal.SIG_DFL if handler is None else handler)
        os.close(self.reader)
        os.close(self._writer)


def _handler(number: int, frame: object) -> None:
    """Only so that the wake-up descriptor is written."""
