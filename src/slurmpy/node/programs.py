"""Prolog and Epilog: the site's own programs around a job on this node, run by slurmd's user."""

from __future__ import annotations

import asyncio
import glob
import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any

from slurmpy.rpc.log import log

#: PrologEpilogTimeout that stands for «no limit».
NO_TIMEOUT = 65534


class Failed(Exception):
    """A program ended with something else than 0, or not at all."""


def environment(launch: Mapping[str, Any], conf: Any) -> dict[str, str]:
    """What such a program gets to know (the Prolog and Epilog guide)."""
    job = launch.get("job") or {}
    found = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "SLURM_CLUSTER_NAME": conf.ClusterName,
        "SLURM_CONF": conf.path,
        "SLURMD_NODENAME": launch["node"],
        "SLURM_JOBID": str(launch["job_id"]),
        "SLURM_JOB_ID": str(launch["job_id"]),
        "SLURM_JOB_UID": str(launch["user_id"]),
        "SLURM_UID": str(launch["user_id"]),
    }
    for name, field in (
        ("SLURM_JOB_USER", "user_name"),
        ("SLURM_JOB_PARTITION", "partition"),
        ("SLURM_JOB_ACCOUNT", "account"),
        ("SLURM_JOB_NAME", "name"),
        ("SLURM_JOB_NODELIST", "nodes"),
        ("SLURM_JOB_WORK_DIR", "current_working_directory"),
    ):
        if job.get(field):
            found[name] = str(job[field])
    return found


async def run(what: str, patterns: Sequence[str], variables: Mapping[str, str], timeout: int = NO_TIMEOUT) -> None:
    """Runs every program that `patterns` name, in their order, `what` ("prolog", "epilog") as their context. Raises
    Failed."""
    limit = None if timeout == NO_TIMEOUT else timeout
    for pattern in patterns:
        for path in sorted(glob.glob(pattern)) or [pattern]:
            log.debug(f"running {what} {path}")
            try:
                process = await asyncio.create_subprocess_exec(
                    path,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.DEVNULL,
                    env={**variables, "SLURM_SCRIPT_CONTEXT": f"{what}_slurmd"},
                    start_new_session=True,
                )
            except OSError as error:
                raise Failed(f"{path}: {error.strerror}") from error
            try:
                status = await asyncio.wait_for(process.wait(), limit)
            except TimeoutError as error:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
                raise Failed(f"{path}: ran longer than {limit} s") from error
            if status:
                raise Failed(f"{path}: exit status {status}")
