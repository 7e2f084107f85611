"""ArchiveScript: a site's own program that copies old records out of the database before they are removed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
from collections.abc import Collection, Mapping

from slurmpy.core.errors import SlurmError
from slurmpy.core.purge_time import PurgeTime
from slurmpy.rpc.log import log

#: parameter: names of its variables, whether it is archived and up to when
VARIABLES = {
    "PurgeEventAfter": ("SLURM_ARCHIVE_EVENTS", "SLURM_ARCHIVE_LAST_EVENT"),
    "PurgeJobAfter": ("SLURM_ARCHIVE_JOBS", "SLURM_ARCHIVE_LAST_JOB"),
    "PurgeResvAfter": ("SLURM_ARCHIVE_RESVS", "SLURM_ARCHIVE_LAST_RESV"),
    "PurgeStepAfter": ("SLURM_ARCHIVE_STEPS", "SLURM_ARCHIVE_LAST_STEP"),
    "PurgeSuspendAfter": ("SLURM_ARCHIVE_SUSPEND", "SLURM_ARCHIVE_LAST_SUSPEND"),
    "PurgeTXNAfter": ("SLURM_ARCHIVE_TXN", "SLURM_ARCHIVE_LAST_TXN"),
    "PurgeUsageAfter": ("SLURM_ARCHIVE_USAGE", "SLURM_ARCHIVE_LAST_USAGE"),
}


def check(path: str) -> None:
    """Raises SlurmError for what is no program."""
    try:
        there = os.stat(path)
    except OSError as error:
        raise SlurmError("SLURM_ERROR", f"Failed to stat the archive script {path}: {error.strerror}") from None
    if not stat.S_ISREG(there.st_mode):
        raise SlurmError("SLURM_ERROR", f"archive script {path} isn't a regular file")
    if not os.access(path, os.X_OK):
        raise SlurmError("SLURM_ERROR", f"archive script {path} is not executable")
    if not os.path.isabs(path):
        raise SlurmError("SLURM_ERROR", f"archive script {path} is no absolute path")


def environment(ages: Mapping[str, PurgeTime | None], archived: Collection[str], now: int) -> dict[str, str]:
    """The script's variables: of each kind 1 or 0, and the last second (since 1970) that is old enough, or 0."""
    found = {name: os.environ[name] for name in ("PATH", "TZ", "LANG", "SLURM_CONF") if name in os.environ}
    for parameter, (flag, last) in VARIABLES.items():
        age = ages.get(parameter)
        wanted = age is not None and parameter in archived
        found[flag] = str(int(wanted))
        found[last] = str(max(0, age.until(now) - 1)) if age is not None and wanted else "0"
    return found


async def run(path: str, ages: Mapping[str, PurgeTime | None], archived: Collection[str], now: int) -> None:
    """Returns after it has ended well. Raises SlurmError, and OSError: then nothing must be removed."""
    check(path)
    process = await asyncio.create_subprocess_exec(
        path,
        env=environment(ages, archived, now),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        code = await process.wait()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        raise
    if code:
        raise SlurmError("SLURM_ERROR", f"archive script {path} ended with {code}, nothing is purged")
    log.info(f"archive script {path} has run")
