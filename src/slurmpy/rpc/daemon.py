"""What every daemon does around its own work: log, pid file, background, signals."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from slurmpy.core.errors import SlurmError

from .log import log

__all__ = ["READY", "Daemon", "log", "refuse"]

#: The descriptor on which a supervisor wants to hear that the daemon serves ("\\n") or why it does not.
READY = "SLURMPY_READY_FD"


def refuse(name: str, error: SlurmError | OSError) -> int:
    """Says on stderr why a daemon does not start, every wrong line of its configuration first; the exit code, 1."""
    for detail in getattr(error, "details", ()):
        sys.stderr.write(f"{name}: error: {detail}\n")
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"{name}: fatal: {place}{error.strerror or error}\n")
    else:
        sys.stderr.write(f"{name}: fatal: {error.message}\n")
    return 1


class Daemon:
    """A daemon's life.

    `name` as Slurm calls it; `log_file` and `pid_file` as configured (None or "": none); `foreground` for -D; `verbose`
    counts -v less -q. `run(main)` goes into the background unless `foreground`: the calling process waits until the
    daemon serves (`serving()`) and exits 0, or prints why it does not and exits 1. The coroutine function
    `main(daemon)` sets up, calls `serving()`, awaits `stopped()` and cleans up. SIGTERM and SIGINT stop it, SIGHUP
    calls `on_hangup`, SIGUSR2 reopens the log. Raises nothing: errors are logged.
    """

    def __init__(
        self,
        name: str,
        log_file: str | None = None,
        pid_file: str | None = None,
        foreground: bool = False,
        level: str | int = "info",
        on_hangup: Callable[[], Awaitable[None] | None] | None = None,
    ) -> None:
        self.name, self.log_file, self.pid_file = name, log_file, pid_file
        self.foreground, self.level, self.on_hangup = foreground, level, on_hangup
        self.exit_code = 0
        self._report: int | None = None
        self._stop: asyncio.Event | None = None
        self._pid_written: str | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    # -- starting ------------------------------------------------------------------------------------------------

    def run(self, main: Callable[[Daemon], Coroutine[Any, Any, None]]) -> int:
        """The exit code of this process: at once that of the parent when the daemon went to the background."""
        os.umask(0o022)
        ready = os.environ.pop(READY, "")
        if ready.isdigit():
            self._report = int(ready)
            os.set_inheritable(self._report, False)
        if not self.foreground:
            code = self._to_background()
            if code is not None:
                return code
        try:
            log.name = self.name
            log.set_level(self.level)
            log.open(self.log_file, to_stderr=self.foreground)
        except (OSError, ValueError) as error:
            return self._fatal(f"cannot open the log file {self.log_file}: {getattr(error, 'strerror', None) or error}")
        try:
            asyncio.run(self._main(main))
        except KeyboardInterrupt:
            pass
        except SlurmError as error:
            return self._fatal(error.message)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return self._fatal(f"{error.filename or 'address'}: already in use: is another {self.name} running?")
            place = f"{error.filename}: " if error.filename else ""
            return self._fatal(f"{place}{error.strerror or error}")
        except Exception as error:
            log.exception("defect", error)
            return self._fatal(f"{type(error).__name__}: {error}")
        finally:
            self._remove_pid()
        return self.exit_code

    def _fatal(self, text: str) -> int:
        log.fatal(text)
        self._tell(f"{self.name}: fatal: {text}\n")
        return 1

    def _to_background(self) -> int | None:
        """Forks; None in the daemon, the exit code in the process that started it."""
        reader, writer = os.pipe()
        child = os.fork()
        if child:
            os.close(writer)
            said = b""
            while True:
                more = os.read(reader, 4096)
                if not more:
                    break
                said += more
            os.waitpid(child, 0)
            if said == b"\n":
                return 0
            text = said.decode(errors="replace") or f"{self.name}: fatal: ended before it served\n"
            sys.stderr.write(text)
            return 1
        os.close(reader)
        os.setsid()
        if os.fork():
            os._exit(0)
        os.chdir("/")
        null = os.open("/dev/null", os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        os.close(null)
        os.set_inheritable(writer, False)
        self._report = writer
        return None

    def _tell(self, text: str) -> None:
        if self._report is not None:
            try:
                os.write(self._report, text.encode(errors="replace"))
                os.close(self._report)
            except OSError:
                pass
            self._report = None

    async def _main(self, main: Callable[[Daemon], Coroutine[Any, Any, None]]) -> None:
        self._stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._unhandled)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._hangup)
        loop.add_signal_handler(signal.SIGUSR2, log.reopen)
        await main(self)

    @staticmethod
    def _unhandled(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, BaseException):
            log.exception(str(context.get("message")), error)
        else:
            log.error(str(context.get("message")))

    def _hangup(self) -> None:
        log.info("received SIGHUP")
        log.reopen()
        if self.on_hangup is not None:
            result = self.on_hangup()
            if result is not None:
                task = asyncio.ensure_future(result)
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    # -- while it runs -------------------------------------------------------------------------------------------

    def serving(self) -> None:
        """Says that the daemon answers now: writes the pid file and lets the process that started it go."""
        gc.collect()
        gc.freeze()
        if self.pid_file:
            draft = f"{self.pid_file}.new"
            try:
                with open(draft, "w") as file:
                    file.write(f"{os.getpid()}\n")
                os.replace(draft, self.pid_file)
                self._pid_written = self.pid_file
            except OSError as error:
                log.error(f"Unable to write the pid file {self.pid_file}: {error.strerror}")
        self._tell("\n")

    async def stopped(self) -> None:
        """Returns when the daemon is to end."""
        assert self._stop is not None
        await self._stop.wait()

    def stop(self) -> None:
        """Ends the daemon (also by SIGTERM)."""
        if self._stop is not None and not self._stop.is_set():
            log.info("Terminate signal (SIGINT or SIGTERM) received" if not self._stop.is_set() else "ending")
            self._stop.set()

    def fail(self) -> None:
        """Ends the daemon with exit code 1; why has been logged."""
        self.exit_code = 1
        if self._stop is not None:
            self._stop.set()

    def _remove_pid(self) -> None:
        if self._pid_written is None:
            return
        try:
            with open(self._pid_written) as file:
                if file.read().strip() != str(os.getpid()):
                    return
            os.unlink(self._pid_written)
        except OSError:
            pass
