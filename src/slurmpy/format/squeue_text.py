"""How squeue writes the values of jobs and steps. Every function takes the `table.Context` and raw field values."""

from __future__ import annotations

from ..core.ids import step_name
from ..core.records.base import INFINITE
from ..core.sizes import convert_num_unit
from ..core.states import JobState
from ..core.times import format_elapsed_short, format_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .table import Context

#: states in which a job has no use for nodes: NODELIST(REASON) shows the reason
_SHOWS_REASON = frozenset(
    (JobState.PENDING, JobState.TIMEOUT, JobState.OUT_OF_MEMORY, JobState.DEADLINE, JobState.FAILED)
)
_PROFILES = {
    "NOT_SET": "NotSet",
    "NONE": "None",
    "ENERGY": "Energy",
    "TASK": "Task",
    "LUSTRE": "Lustre",
    "NETWORK": "Network",
}
#: what squeue keeps of a job id with its array expression, unless SLURM_BITSTR_LEN is set
_ID_WIDTH = 31


def or_null(context: Context, value: str) -> str:
    return value or "(null)"


def or_na(context: Context, value: str) -> str:
    return value or "N/A"


def or_not_federated(context: Context, value: str) -> str:
    return value or "NA"


def flag(context: Context, value: bool) -> str:
    return "1" if value else "0"


def number_or_na(context: Context, value: int | None) -> str:
    return "N/A" if value is None or value == INFINITE else str(value)


def id_or_na(context: Context, value: int) -> str:
    return str(value) if value else "N/A"


def number_or_star(context: Context, value: int | None) -> str:
    return "*" if value is None else str(value)


def moment(context: Context, value: int) -> str:
    """A time, or N/A where there is none."""
    return format_time(value, context.time_format, context.now) if value and value != INFINITE else "N/A"


def minutes(context: Context, value: int | None) -> str:
    """A time limit."""
    if value is None:
        return "NOT_SET"
    return "UNLIMITED" if value == INFINITE else format_elapsed_short(value * 60)


def seconds(context: Context, value: int) -> str:
    return format_elapsed_short(value or 0)


def minutes_at_least(context: Context, value: int) -> str:
    return format_elapsed_short((value or 0) * 60)


def exit_status(context: Context, value: int) -> str:
    return f"{value >> 8 & 0xFF}:{value & 0x7F}"


def size(context: Context, value: int) -> str:
    """MiB with their unit; 0 alone."""
    if not value:
        return "0"
    return f"{value}M" if context.noconvert else convert_num_unit(value, "M")


def count(context: Context, value: int) -> str:
    """A number of CPUs, nodes or tasks; thousands become K where they divide."""
    return str(value) if context.noconvert or value < 1024 else convert_num_unit(value, "")


def memory(context: Context, per_cpu: int | None, per_node: int | None) -> str:
    return size(context, per_cpu if per_cpu is not None else per_node or 0)


def max_cpus(context: Context, most: int, least: int) -> str:
    return count(context, most or least)


def max_nodes(context: Context, most: int, least: int) -> str:
    return count(context, most or least)


def tres_alloc(context: Context, allocated: str, requested: str) -> str:
    return allocated or requested or "N/A"


# ---- ids


def job_id(
    context: Context,
    number: int,
    array_job: int,
    task: int | None,
    tasks: str,
    most: int,
    het_job: int,
    het_offset: int,
) -> str:
    """``46_2``, ``46_[4-9%2]``, ``44+1`` or the number."""
    if array_job:
        if tasks:
            text = f"{array_job}_[{array_tasks(context, tasks, most)}]"
            return text if "array_width" in context.more else text[:_ID_WIDTH]
        if task is not None:
            return f"{array_job}_{task}"
    if het_job:
        return f"{het_job}+{het_offset}"
    return str(number)


def array_tasks(context: Context, tasks: str, most: int) -> str:
    """The expression of the tasks that wait, cut to SLURM_BITSTR_LEN, and how many may run."""
    width = context.array_width
    if width and len(tasks) >= width:
        tasks = tasks[: max(0, width - 4)] + "..."
    return f"{tasks}%{most}" if most else tasks


def array_task_id(context: Context, task: int | None, tasks: str, most: int) -> str:
    if tasks:
        return array_tasks(context, tasks, most)
    return "N/A" if task is None else str(task)


def array_job_id(context: Context, array_job: int, number: int) -> str:
    return str(array_job or number)


def het_offset(context: Context, het_job: int, offset: int) -> str:
    return str(offset) if het_job else "N/A"


def step_id(context: Context, job: int, array_job: int, task: int | None, step: int) -> str:
    first = f"{array_job}_{task}" if array_job and task is not None else str(job)
    return f"{first}.{step_name(step)}"


# ---- states


def state(context: Context, value: int) -> str:
    return _state(value)[0]


def state_compact(context: Context, value: int) -> str:
    return _state(value)[1]


def _state(value: int) -> tuple[str, str]:
    if value > JobState.BASE:
        for bit, names in JobState.FLAG_NAMES.items():
            if value & bit:
                return names
    return JobState.NAMES.get(value & JobState.BASE, ("?", "?"))


def reason(context: Context, reason: str, description: str) -> str:
    return description or reason


def reason_list(context: Context, value: int, nodes: str, reason: str, description: str) -> str:
    """The nodes of a job that has or had some; what another one waits for or failed of."""
    if value & JobState.BASE in _SHOWS_REASON and not value & JobState.COMPLETING:
        return f"({description or reason})"
    return nodes


def exec_host(context: Context, batch: bool, batch_host: str, submit_host: str, nodes: str) -> str:
    if batch:
        return batch_host or "n/a"
    return (submit_host if nodes else "") or "n/a"


# ---- times


def time_used(context: Context, value: int, start: int, end: int, suspended: int, before: int) -> int:
    """Seconds that a job has run, without its suspensions."""
    base = value & JobState.BASE
    if not start or base == JobState.PENDING:
        return 0
    if base == JobState.SUSPENDED:
        return before
    until = context.now if base == JobState.RUNNING or value & JobState.COMPLETING else end
    return max(0, until - suspended + before if suspended else until - start)


def elapsed(context: Context, value: int, start: int, end: int, suspended: int, before: int) -> str:
    return format_elapsed_short(time_used(context, value, start, end, suspended, before))


def time_left(
    context: Context, limit: int | None, value: int, start: int, end: int, suspended: int, before: int
) -> str:
    if limit is None:
        return "NOT_SET"
    if limit == INFINITE:
        return "UNLIMITED"
    left = limit * 60 - time_used(context, value, start, end, suspended, before)
    return format_elapsed_short(left) if left >= 0 else "INVALID"


def end_time(context: Context, end: int, start: int, limit: int | None) -> str:
    """The recorded end, else the one that the expected start and the limit give; NONE where there is no limit."""
    if limit == INFINITE and end > context.now:
        return "NONE"
    if not end and start and limit is not None and limit != INFINITE:
        end = start + limit * 60
    return moment(context, end)


def pending_time(context: Context, submit: int, start: int) -> str:
    until = start if start and start < context.now else context.now
    return str(max(0, until - submit)) if submit else "0"


def step_time(context: Context, value: int, start: int, ran: int, resumed: int) -> str:
    if value & JobState.BASE == JobState.SUSPENDED or not start:
        return format_elapsed_short(ran)
    return format_elapsed_short(ran + max(0, context.now - (resumed or start)))


# ---- the rest


def priority(context: Context, value: int) -> str:
    """The share of the highest priority there is."""
    return f"{value / 0xFFFFFFFF:16.14f}"


def sockets_cores_threads(context: Context, sockets: int | None, cores: int | None, threads: int | None) -> str:
    return ":".join("*" if value is None else str(value) for value in (sockets, cores, threads))


def profile(context: Context, value: tuple[str, ...]) -> str:
    return ",".join(_PROFILES.get(name, name) for name in value) or "NotSet"


def cpu_frequency(context: Context, low: int | None, high: int | None, governor: int | None) -> str:
    texts = ["Unknown" if value is None else str(value) for value in (low, high, governor)]
    return f"{texts[0]}-{texts[1]}:{texts[2]}"


def standard_output(context: Context, pattern: str, batch: bool, folder: str, *ids: Any) -> str:
    default = "slurm-%A_%a.out" if ids[1] else "slurm-%j.out"
    return _path(context, pattern or (default if batch else ""), folder, ids)


def standard_error(context: Context, pattern: str, batch: bool, folder: str, *ids: Any) -> str:
    return _path(context, pattern, folder, ids)


def standard_input(context: Context, cron: str, pattern: str, batch: bool, folder: str, *ids: Any) -> str:
    """A job of a crontab has none, which is to say /dev/null too."""
    return _path(context, pattern or ("/dev/null" if batch and not cron else ""), folder, ids)


def session(context: Context, value: int) -> str:
    """A session id, as a signed number."""
    return str(value - 0x100000000 if value > 0x7FFFFFFF else value)


def _path(context: Context, pattern: str, folder: str, ids: tuple[Any, ...]) -> str:
    """A file of a job as it was asked for, from the root; with --expand-patterns as it will be called.

    ids: job_id, array_job_id, array_task_id, name, user_name, batch_host, nodes.
    """
    if not pattern:
        return "(null)"
    if context.expand and ("%" in pattern or "\\" in pattern):
        from ..core.records.job import JobInfo
        from ..data_parser.job_paths import fill

        names = ("job_id", "array_job_id", "array_task_id", "name", "user_name", "batch_host", "nodes")
        pattern = fill(JobInfo(**dict(zip(names, ids, strict=True))), pattern)
    return pattern if pattern[0] == "/" else f"{folder}/{pattern}"
