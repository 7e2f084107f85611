"""What slurmstepd tells of its containers: FileDebug, StdIODebug, SyslogDebug and DebugFlags of oci.conf."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from slurmpy.rpc.log import log

ERROR, INFO, DEBUG = 2, 3, 5
_WORDS = {ERROR: "error: ", INFO: "", DEBUG: "debug:  "}


def tell(settings: Mapping[str, Any], text: str, level: int, say: Callable[[str, str], None]) -> None:
    """To the log, the step's error output (`say(text, prefix)`) and syslog, as far as each is to have this `level`.

    A flag of DebugFlags makes what is for debugging a message like others, as in slurm.conf.
    """
    shown = INFO if level > INFO and settings["DebugFlags"] else level
    to_file = settings["FileDebug"]
    if shown <= (log.level if to_file is None else to_file):
        before, log.level = log.level, max(log.level, shown)
        {ERROR: log.error, INFO: log.info}.get(shown, log.debug)(text)
        log.level = before
    to_user = settings["StdIODebug"]
    if to_user is not None and shown <= to_user:
        say(text, _WORDS[shown])
    to_syslog = settings["SyslogDebug"]
    if to_syslog is not None and shown <= to_syslog:
        import syslog

        syslog.openlog("slurmstepd", syslog.LOG_PID, syslog.LOG_DAEMON)
        priority = {ERROR: syslog.LOG_ERR, INFO: syslog.LOG_INFO}.get(shown, syslog.LOG_DEBUG)
        syslog.syslog(priority, text)
