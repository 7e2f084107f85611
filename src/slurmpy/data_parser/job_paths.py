"""Where a job's standard streams are: the patterns of sbatch filled in for one job."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slurmpy.core.records.accounting import DbJob
    from slurmpy.core.records.job import JobInfo, StepInfo

_PATTERN = re.compile(r"%(\d*)([%AaJjNnstuxb])")
_NO_TASK = 0xFFFFFFFE


def standard_output(job: JobInfo) -> str:
    """The absolute path, or "" for a job without a batch script."""
    if not job.batch_flag:
        return job.standard_output
    return _absolute(job, job.standard_output or _default(job))


def standard_error(job: JobInfo) -> str:
    if not job.batch_flag:
        return job.standard_error
    return _absolute(job, job.standard_error) if job.standard_error else standard_output(job)


def standard_input(job: JobInfo) -> str:
    if not job.batch_flag:
        return job.standard_input
    return _absolute(job, job.standard_input or "/dev/null")


def output_pattern(job: JobInfo) -> str:
    """As it was asked for, with a batch job's default."""
    return job.standard_output or (_default(job) if job.batch_flag else "")


def input_pattern(job: JobInfo) -> str:
    return job.standard_input or ("/dev/null" if job.batch_flag and not job.cron else "")


def patterns(job: JobInfo) -> dict[str, str]:
    """What accounting keeps: a batch job's patterns as absolute paths, defaults filled in but not the letters."""
    if not job.batch_flag:
        return {name: getattr(job, name) for name in ("standard_input", "standard_output", "standard_error")}
    found = {
        "standard_input": job.standard_input or "/dev/null",
        "standard_output": job.standard_output or _default(job),
        "standard_error": job.standard_error,
    }
    for name, path in found.items():
        if path and path[0] != "/":
            found[name] = f"{job.current_working_directory}/{path}"
    return found


def _default(job: JobInfo) -> str:
    return "slurm-%A_%a.out" if job.array_job_id else "slurm-%j.out"


def _absolute(job: JobInfo, pattern: str) -> str:
    path = fill(job, pattern) if "%" in pattern or "\\" in pattern else pattern
    return path if path[:1] == "/" else f"{job.current_working_directory}/{path}"


def fill(job: JobInfo | DbJob | StepInfo, pattern: str, *, step: str = "batch") -> str:
    r"""The pattern with its %-letters replaced, for the step called ``step``. A backslash anywhere switches them off
    (and goes away)."""
    if "\\" in pattern:
        return pattern.replace("\\", "")

    def replace(match: re.Match[str]) -> str:
        width, letter = match.groups()
        task = _NO_TASK if job.array_task_id is None else job.array_task_id
        value: str | int
        if letter == "%":
            return "%"
        if letter == "A":
            value = job.array_job_id or job.job_id
        elif letter == "a":
            value = task
        elif letter == "b":
            value = task % 10
        elif letter in "jJ":
            value = job.job_id
        elif letter == "u":
            value = job.user_name
        elif letter == "x":
            value = job.name
        elif letter == "N":
            value = getattr(job, "batch_host", "") or _first_node(job)
        elif letter in "nt":
            value = 0
        else:  # s: the step
            value = step
        if isinstance(value, int):
            return str(value).zfill(min(int(width or 0), 10))
        return value

    return _PATTERN.sub(replace, pattern)


def _first_node(job: JobInfo | DbJob | StepInfo) -> str:
    if not job.nodes:
        return ""
    from slurmpy.core.hostlist import expand

    return expand(job.nodes)[0]
