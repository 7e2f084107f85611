"""scrun's messages: on standard error, in the file of --log (as text or JSON lines), and in syslog."""

from __future__ import annotations

import os
import sys
import time

from .errors import Stop, line, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: Slurm's levels, the least talkative first
LEVELS = ("quiet", "fatal", "error", "info", "verbose", "debug", "debug2", "debug3", "debug4", "debug5")
#: level: what callers of OCI runtimes know it as (the words of runc's log)
OCI_LEVELS = {"fatal": "error", "error": "error", "info": "info", "verbose": "info"}
#: level: priority of syslog(3)
PRIORITIES = {"fatal": 2, "error": 3, "info": 6, "verbose": 6}


class ScrunLog:
    """Where messages go. `file` is --log's, opened for each message: the caller may remove it at any time.

    Raises Stop for an unknown level or format, and for a file that cannot be written.
    """

    def __init__(
        self, env: Mapping[str, str], file: str | None = None, form: str = "text", debug: bool = False, verbose: int = 0
    ) -> None:
        if form not in ("text", "json"):
            raise Stop(1, err=line("scrun", f'Invalid --log-format "{form}": it must be text or json', "fatal"))
        self.file, self.form = os.path.abspath(file) if file else "", form
        common = _level(env, "SCRUN_DEBUG")
        typed = LEVELS.index("debug") if debug else min(LEVELS.index("error") + verbose, len(LEVELS) - 1)
        base = max(LEVELS.index("error") if common is None else common, typed)
        if common is not None and not debug and not verbose:
            base = common
        self.stderr_level = _or(_level(env, "SCRUN_STDERR_DEBUG"), base)
        self.file_level = _or(_level(env, "SCRUN_FILE_DEBUG"), base)
        self.syslog_level = _or(_level(env, "SCRUN_SYSLOG_DEBUG"), common or 0)
        #: standard error is the container's, not ours, once the anchor stands for it
        self.to_stderr = True
        if self.file:
            try:
                os.close(os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640))
            except OSError as error:
                raise Stop(1, err=line("scrun", f"unable to open {self.file}: {error.strerror}", "fatal")) from None

    def say(self, level: str, message: str, told: bool = False) -> None:
        """One message; with `told` standard error has it already."""
        number = LEVELS.index(level)
        if self.to_stderr and not told and number <= self.stderr_level:
            prefix = {"info": "", "verbose": "", "fatal": "fatal", "error": "error"}.get(level, level)
            try:
                write(sys.stderr, line("scrun", message, prefix))
            except (OSError, ValueError):
                self.to_stderr = False
        if self.file and number <= self.file_level:
            self._to_file(level, message)
        if number <= self.syslog_level:
            import syslog

            syslog.openlog("scrun", syslog.LOG_PID, syslog.LOG_DAEMON)
            syslog.syslog(PRIORITIES.get(level, 7), message)

    def _to_file(self, level: str, message: str) -> None:
        word = OCI_LEVELS.get(level, "debug")
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06d}Z"
        import json

        if self.form == "json":
            text = json.dumps({"level": word, "msg": message, "time": stamp})
        else:
            text = f'time="{stamp}" level={word} msg={json.dumps(message, ensure_ascii=False)}'
        try:
            descriptor = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
            try:
                os.write(descriptor, text.encode("utf-8", "replace") + b"\n")
            finally:
                os.close(descriptor)
        except OSError:
            pass  # a full disk or a removed directory must not end a container

    def error(self, message: str) -> None:
        self.say("error", message)

    def info(self, message: str) -> None:
        self.say("info", message)

    def debug(self, message: str) -> None:
        self.say("debug", message)


def _or(level: int | None, other: int) -> int:
    return other if level is None else level


def _level(env: Mapping[str, str], variable: str) -> int | None:
    """The number of a level given by name or number; None if the variable is not set. Raises Stop."""
    word = env.get(variable)
    if not word:
        return None
    if word.lower() in LEVELS:
        return LEVELS.index(word.lower())
    if word.isascii() and word.isdigit() and int(word) < len(LEVELS):
        return int(word)
    raise Stop(1, err=line("scrun", f"Invalid {variable} specification: {word}", "fatal"))
