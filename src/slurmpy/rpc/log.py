"""The daemons' log, in Slurm's form: ``[2026-11-22T10:19:09.123] error: text``."""

from __future__ import annotations

import os
import sys
import time

#: Slurm's levels, the least talkative first; -v raises by one from "info".
LEVELS = ("quiet", "fatal", "error", "info", "verbose", "debug", "debug2", "debug3", "debug4", "debug5")


class Log:
    """Writes lines to a file, or to stderr while there is none. One write a line, so lines of several processes do not
    mix."""

    def __init__(self) -> None:
        self.name = ""
        self.level = LEVELS.index("info")
        self._path: str | None = None
        self._handle: int | None = None
        self.to_stderr = True

    def open(self, path: str | None, to_stderr: bool) -> None:
        """Writes to `path` from now on (appending; readable by its owner and group) and to stderr if told."""
        self.to_stderr, self._path = to_stderr or not path, path
        self.reopen()

    def reopen(self) -> None:
        """After log rotation (SIGUSR2, SIGHUP)."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
        if self._path:
            self._handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)

    def set_level(self, level: str | int) -> None:
        """By Slurm's name or number. Raises ValueError."""
        number = level if isinstance(level, int) else int(level) if level.isdigit() else LEVELS.index(level.lower())
        if not 0 <= number < len(LEVELS):
            raise ValueError(f"no such log level: {level}")
        self.level = number

    def _write(self, level: int, prefix: str, text: str) -> None:
        if level > self.level:
            return
        text = text.replace("\n", "\\n")
        if self._handle is not None:
            now = time.time()
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(now))
            line = f"[{stamp}.{int(now % 1 * 1000):03d}] {prefix}{text}\n"
            try:
                os.write(self._handle, line.encode(errors="surrogateescape"))
            except OSError:
                pass  # a full disk must not take the daemon down; what it did is in its state
        if self.to_stderr:
            try:
                sys.stderr.write(f"{self.name}: {prefix}{text}\n")
                sys.stderr.flush()
            except (OSError, ValueError):
                self.to_stderr = False

    def fatal(self, text: str) -> None:
        self._write(1, "fatal: ", text)

    def error(self, text: str) -> None:
        self._write(2, "error: ", text)

    def info(self, text: str) -> None:
        self._write(3, "", text)

    def verbose(self, text: str) -> None:
        self._write(4, "", text)

    def debug(self, text: str) -> None:
        self._write(5, "debug:  ", text)

    def debug2(self, text: str) -> None:
        self._write(6, "debug2: ", text)

    def debug3(self, text: str) -> None:
        self._write(7, "debug3: ", text)

    def exception(self, text: str, error: BaseException) -> None:
        """A defect: what happened and where, for the log only."""
        import traceback

        self.error(f"{text}: {type(error).__name__}: {error}")
        for line in traceback.format_exception(error):
            for piece in line.rstrip().splitlines():
                self._write(2, "error:   ", piece)


log = Log()
