"""squeue: the jobs that wait and run, and their steps."""

from __future__ import annotations

import os

from ..core.errors import SlurmError
from ..core.states import JobState
from .errors import Stop, entry, fail
from .options.squeue import COMMAND
from .squeue_request import NAME, Request, state_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, NoReturn

    from ..rpc.cluster import Answer, Cluster

    Write = Callable[[bytes], object]

_IDS = (
    "job_id", "array_job_id", "array_task_id", "array_task_string", "het_job_id", "het_job_offset", "job_state",
)  # fmt: skip


def main() -> NoReturn:
    import gc

    gc.disable()  # nothing of ours goes in circles, and looking for that costs a third of the time
    entry(NAME, run)


def run(argv: Sequence[str], env: Mapping[str, str], cluster: Cluster | None = None, write: Write | None = None) -> int:
    """The command: `argv` without the program's name. With a `cluster` it asks that one; `write` takes the output."""
    parsed = COMMAND.parse(argv, env)
    write = write or _to_stdout
    if "helpFormat" in parsed:
        from ..format.squeue_jobs import VIEW

        write(VIEW.help_names().encode())
        return 0
    if "helpstate" in parsed:
        write(("\n".join(state_names()) + "\n").encode())
        return 0
    request = Request(parsed, env)
    if request.encoding:
        from . import json_output

        refused = json_output.check(NAME, request.encoding, request.parser)
        if refused is not None:
            return refused
    if request.verbose:
        write(request.describe().encode())
    if cluster is None:
        from . import connect

        cluster = connect.cluster(NAME)
    request.settle_clusters(cluster)
    while True:
        try:
            _once(request, cluster, write, argv)
        except SlurmError as error:
            raise Stop(1, err=f"slurm_load_jobs error: {error.message}\n") from None
        if not request.iterate:
            return 0
        import time

        time.sleep(request.iterate)


def _once(request: Request, cluster: Cluster, write: Write, argv: Sequence[str]) -> None:
    if request.encoding:
        from . import json_output

        what = "steps" if request.steps is not None else "jobs"
        where = request.where(cluster)
        for piece in json_output.dump(cluster, NAME, argv, what, where, request.encoding, request.parser):
            write(piece)
        return
    if request.cluster_heading:
        write(f"CLUSTER: {request.cluster_heading}\n".encode())
    if request.verbose or request.long or request.iterate:
        import time

        if request.verbose:
            write(b"\n")
        write((time.ctime() + "\n").encode())
    if request.steps is not None:
        _steps(request, cluster, write)
    else:
        _jobs(request, cluster, write)


# ---- jobs


def _jobs(request: Request, cluster: Cluster, write: Write) -> None:
    from ..format import squeue_jobs, squeue_sort

    view = squeue_jobs.VIEW
    if request.start:
        default = squeue_jobs.START
    elif request.only_state:
        default = squeue_jobs.ONLY_STATE
    else:
        default = squeue_jobs.LONG if request.long else squeue_jobs.DEFAULT
    layout = request.layout(view, default)
    spec = request.sort or (squeue_sort.START if request.start else squeue_sort.DEFAULT_JOBS)
    order, wrong = squeue_sort.parse(spec, squeue_sort.JOBS, True)
    where = request.where(cluster)
    wanted = dict.fromkeys((*layout.fields, *order.fields, "job_state"))
    if request.array or request.tasks:
        wanted.update(dict.fromkeys(_IDS))
        wanted["array_max_tasks"] = None
    if request.priority:
        wanted.update(dict.fromkeys(("partition", "priority", "priority_by_partition")))
    if request.notme:
        wanted["user_id"] = None
    fields = tuple(wanted)
    if request.nobody:
        columns: Sequence[str] = fields
    rows: list[Any] = []
    meta: dict[str, Any] = {}
    constants: dict[str, Any] = {}
    if not request.nobody:
        asked = tuple(name for name in fields if name in _IDS) if request.only_state else fields
        answer = cluster.query("jobs", asked, where, constants=True)
        if len(request.jobs or ()) == 1 and not answer.rows:
            raise SlurmError("ESLURM_INVALID_JOB_ID")
        needed = (*order.fields, *(name for name in fields if name not in layout.fields or name == "job_state"))
        if request.array or request.tasks or request.priority or request.only_state:
            needed = fields
        columns, rows, constants = _complete(answer, fields, frozenset(needed))
        meta = answer.meta
    if request.verbose:
        write(f"last_update_time={int(meta.get('last_update', 0))} records={len(rows)}\n".encode())
    context = request.context(meta, cluster)
    if not request.noheader:
        write(layout.header())
    if wrong:
        fail(NAME, f"Invalid sort specification: {wrong}")
    index = {name: position for position, name in enumerate(columns)}
    rows = request.select(rows, index)
    if request.priority:
        rows = _by_partition(rows, index)
    if request.only_state:
        rows = _plain_tasks(rows, index)
    rows = order.sort(columns, rows, context)
    if request.array or request.tasks:
        rows = _every_task(rows, index, request)
    for piece in layout.rows(columns, rows, context, constants):
        write(piece)


def _complete(
    answer: Answer, fields: tuple[str, ...], needed: frozenset[str]
) -> tuple[tuple[str, ...], list[Any], dict[str, Any]]:
    """Columns and rows with the `needed` fields, and the other fields that are the same in all rows.

    The controller leaves out of the rows what is the same in all of them, and we what was not asked for.
    """
    from ..core.records.job import JobInfo

    same = dict(answer.meta.get("constants") or {})
    for name in fields:
        if name not in same and name not in answer.columns:
            same[name] = getattr(JobInfo, name)
    missing = [name for name in same if name in needed]
    if not missing:
        return answer.columns, answer.rows, same
    rest = tuple(same.pop(name) for name in missing)
    return (*answer.columns, *missing), [(*row, *rest) for row in answer.rows], same


def _by_partition(rows: list[Any], index: dict[str, int]) -> list[Any]:
    """A waiting job once for each of its partitions."""
    partition, state = index["partition"], index["job_state"]
    priority, priorities = index["priority"], index["priority_by_partition"]
    result = []
    for row in rows:
        if "," not in row[partition] or row[state] & JobState.BASE != JobState.PENDING:
            result.append(row)
            continue
        own = dict(row[priorities])
        for name in row[partition].split(","):
            changed = list(row)
            changed[partition] = name
            changed[priority] = own.get(name, row[priority])
            result.append(tuple(changed))
    return result


def _plain_tasks(rows: list[Any], index: dict[str, int]) -> list[Any]:
    """Task expressions as the list of states gives them: without steps."""
    tasks = index.get("array_task_string")
    if tasks is None:
        return rows
    result = []
    for row in rows:
        if ":" in row[tasks]:
            words: list[str] = []
            for word in row[tasks].split(","):
                span, colon, step = word.partition(":")
                first, _, last = span.partition("-")
                words.extend([word] if not colon else map(str, range(int(first), int(last) + 1, int(step))))
            row = (*row[:tasks], ",".join(words), *row[tasks + 1 :])
        result.append(row)
    return result


def _every_task(rows: list[Any], index: dict[str, int], request: Request) -> list[Any]:
    """The records of waiting array tasks, taken apart into those that are asked for."""
    from ..core.intervals import IntervalSet

    tasks, task, array_job = index["array_task_string"], index["array_task_id"], index["array_job_id"]
    result = []
    for row in rows:
        if not row[tasks]:
            result.append(row)
            continue
        chosen = request.tasks.get(row[array_job])
        if chosen is None and not request.array:
            result.append(row)
            continue
        for number in IntervalSet.parse(row[tasks]):
            if chosen is None or number in chosen:
                changed = list(row)
                changed[tasks], changed[task] = "", number
                result.append(tuple(changed))
    return result


# ---- steps


def _steps(request: Request, cluster: Cluster, write: Write) -> None:
    from ..format import squeue_sort, squeue_steps

    layout = request.layout(squeue_steps.VIEW, squeue_steps.DEFAULT)
    order, wrong = squeue_sort.parse(request.sort or squeue_sort.DEFAULT_STEPS, squeue_sort.STEPS, False)
    fields = tuple(dict.fromkeys((*layout.fields, *order.fields, "job_id", "step_id", "array_job_id", "array_task_id",
                                  "partition", "user_id", "nodes", "name")))  # fmt: skip
    if request.nobody:
        columns: Sequence[str] = fields
    rows: list[Any] = []
    meta: dict[str, Any] = {}
    if not request.nobody:
        answer = cluster.query("steps", fields, request.where_steps())
        columns, rows, meta = answer.columns, answer.rows, answer.meta
    if request.verbose:
        write(f"last_update_time={int(meta.get('last_update', 0))} records={len(rows)}\n".encode())
    context = request.context(meta, cluster)
    if not request.noheader:
        write(layout.header())
    if wrong:
        fail(NAME, f"Invalid sort specification: {wrong}")
    rows = request.select_steps(rows, {name: position for position, name in enumerate(columns)}, cluster)
    for piece in layout.rows(columns, order.sort(columns, rows, context), context):
        write(piece)


def _to_stdout(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]
