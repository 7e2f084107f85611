"""Jobs and steps out of the database, for sacct: the filters run in SQL, only the fields asked for travel.

A row is a tuple of the job's fields in the order asked for; if steps are wanted its last value is a tuple of step
tuples.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from slurmpy.core.errors import SlurmError
from slurmpy.core.states import JobState

from . import schema

if TYPE_CHECKING:
    from .books import Books

CHUNK = 500

#: fields of a job that are no columns: what they need besides
_COMPUTED = {
    "suspended",
    "user_cpu_usec",
    "system_cpu_usec",
    "association_user",
    "association_account",
    "association_partition",
    "qos_id",
    "script",
    "environment",
    "hold",
    "consumed_energy",
}
_JOB_COLUMNS = frozenset(schema.jobs.c.keys())
_STEP_COLUMNS = frozenset(schema.steps.c.keys())

#: base states that mean a job has ended, at `end_time`
_LIVE = (JobState.PENDING, JobState.RUNNING, JobState.SUSPENDED)
#: the flags that a caller may ask for as states
_STATE_FLAGS = JobState.REQUEUED | JobState.REVOKED | JobState.RESIZING | JobState.SPECIAL_EXIT

#: filter: column that must be one of the values
_ONE_OF = {
    "users": "user_id",
    "groups": "group_id",
    "accounts": "account",
    "partitions": "partition",
    "qos": "qos",
    "wckeys": "wckey",
    "names": "name",
    "associations": "association_id",
    "reservations": "reservation_name",
    "clusters": "cluster",
    "reasons": "state_reason",
    "db_indexes": "db_index",
}
#: filter: column that must lie between two values (None: open)
_RANGES = {
    "cpus": "alloc_cpus",
    "node_counts": "allocation_nodes",
    "time_limits": "time_limit",
}


def check_fields(fields: Sequence[str], step_fields: Sequence[str] | None) -> None:
    """Raises SlurmError for a field that there is not."""
    for name in fields:
        if name not in _JOB_COLUMNS and name not in _COMPUTED:
            raise SlurmError("SLURM_ERROR", f"jobs have no field {name}")
    for name in step_fields or ():
        if name not in _STEP_COLUMNS and name not in ("suspended", "step_het_comp"):
            raise SlurmError("SLURM_ERROR", f"steps have no field {name}")


def _time_window(where: Mapping[str, Any]) -> list[Any]:
    job = schema.jobs.c
    start, end = int(where.get("start") or 0), int(where.get("end") or 0)
    states: Sequence[int] = where.get("states") or ()
    if not states:
        # from the beginning of time on, jobs that are not yet eligible count too (that is what sacct -j asks)
        conditions: list[Any] = [job.eligible_time > 0] if start else []
        if end:
            conditions.append(job.eligible_time < end)
        if start:
            conditions.append(sa.or_(job.end_time == 0, job.end_time >= start))
        return conditions
    alternatives: list[Any] = []
    for state in states:
        if state in (JobState.PENDING, JobState.RUNNING, JobState.SUSPENDED):
            alternatives.append(_in_state(state, start, end))
            continue
        if state > 0xFF:
            matches = job.job_state.op("&")(state) != 0
        else:
            # a requeued record keeps the state that its run ended in below the flag
            matches = sa.and_(job.job_state.op("&")(0xFF) == state, job.job_state.op("&")(int(JobState.REQUEUED)) == 0)
        if start:
            matches = sa.and_(matches, sa.or_(job.end_time == 0, job.end_time >= start))
        if end:
            matches = sa.and_(matches, job.end_time <= end)
        alternatives.append(sa.and_(matches, sa.or_(job.end_time > 0, job.job_state > 0xFF)))
    return [sa.or_(*alternatives)]


def _in_state(state: int, start: int, end: int) -> Any:
    """Jobs that waited, ran or were suspended at some time of the window."""
    job = schema.jobs.c
    begin, finish = (start or end), (end or start)
    base = job.job_state.op("&")(0xFF)
    if state == JobState.PENDING:
        # until it started; a job that never did waited until its end
        until = sa.case((job.start_time > 0, job.start_time), else_=job.end_time)
        return sa.and_(job.eligible_time > 0, job.eligible_time <= finish, sa.or_(until == 0, until >= begin))
    if state == JobState.RUNNING:
        return sa.and_(
            job.start_time > 0,
            job.start_time <= finish,
            sa.or_(job.end_time == 0, job.end_time >= begin),
            base != JobState.SUSPENDED,
        )
    stretch = schema.suspensions.c
    return sa.or_(
        sa.and_(base == JobState.SUSPENDED, job.start_time <= finish),
        sa.exists().where(
            stretch.job_index == job.db_index,
            stretch.time_start <= finish,
            sa.or_(stretch.time_end == 0, stretch.time_end >= begin),
        ),
    )


def _chosen_jobs(chosen: Sequence[tuple[Any, ...]], whole_hetjob: bool | None) -> Any:
    """``(job id, array task or None, het offset or None)``: a job, all of an array or het job, or one part of it."""
    job = schema.jobs.c
    plain = [one[0] for one in chosen if one[1] is None and one[2] is None]
    alternatives: list[Any] = []
    if plain:
        alternatives += [job.job_id.in_(plain), job.array_job_id.in_(plain), job.het_job_id.in_(plain)]
    for number, task, offset, *_ in chosen:
        if task is not None:
            alternatives.append(sa.and_(job.array_job_id == number, job.array_task_id == task))
        elif offset is not None:
            mine = job.het_job_id == number
            alternatives.append(mine if whole_hetjob else sa.and_(mine, job.het_job_offset == offset))
    return sa.or_(*alternatives)


def conditions(where: Mapping[str, Any]) -> list[Any]:
    """The filters of a query as SQL conditions. Values are always parameters, never text of a statement."""
    job = schema.jobs.c
    found = _time_window(where)
    for name, column in _ONE_OF.items():
        values = where.get(name)
        if values:
            found.append(job[column].in_(list(values)))
    for name, column in _RANGES.items():
        bounds = where.get(name)
        if bounds:
            low, high = bounds
            if name != "time_limits":
                found.append(job.alloc_cpus > 0)  # what never started has been given nothing
            if low is not None:
                found.append(job[column] >= low)
            if high is not None:
                found.append(job[column] <= high)
    if where.get("jobs"):
        found.append(_chosen_jobs(where["jobs"], where.get("whole_hetjob")))
    for word in where.get("constraints") or ():
        found.append(job.constraints.contains(word, autoescape=True))
    flags = where.get("flags")
    if flags:
        found.append(sa.or_(*(job.flags.contains(flag, autoescape=True) for flag in flags)))
    own = where.get("visible")
    if own is not None:
        # what PrivateData=jobs leaves: the caller's own jobs, and those of accounts that the caller coordinates
        found.append(sa.or_(job.user_id == own[0], job.account.in_(list(own[1]))))
    return found


def select(columns: Sequence[str], where: Mapping[str, Any]) -> sa.Select[Any]:
    """`columns` of the jobs chosen by `where`, in sacct's order; of a job that was requeued the last record only,
    unless
    ``duplicates`` is set."""
    job = schema.jobs.c
    order = (
        "submit_time",
        "array_job_id",
        "array_task_id",
        "job_id",
    )
    if where.get("duplicates"):
        wanted: Any = sa.select(*(job[name] for name in columns)).where(*conditions(where))
        if where.get("order") == "job_id":
            return wanted.order_by(job.job_id, job.submit_time)
        return wanted.order_by(
            job.submit_time,
            sa.case((job.array_job_id > 0, job.array_job_id), else_=job.job_id),
            sa.func.coalesce(job.array_task_id, 0xFFFFFFFF),
            job.job_id,
        )
    names = list(dict.fromkeys((*columns, *order, "cluster")))
    # first find the rows by whatever index the filters have, then look for the last record of each job among them
    found = sa.select(*(job[name] for name in names)).where(*conditions(where)).cte("found")
    found = found.prefix_with("MATERIALIZED", dialect="sqlite").prefix_with("MATERIALIZED", dialect="postgresql")
    latest = sa.func.row_number().over(
        partition_by=(found.c.cluster, found.c.job_id), order_by=found.c.submit_time.desc()
    )
    inner = sa.select(*(found.c[name] for name in names), latest.label("nth")).subquery()
    wanted = sa.select(*(inner.c[name] for name in columns)).where(inner.c.nth == 1)
    if where.get("order") == "job_id":
        return wanted.order_by(inner.c.job_id, inner.c.submit_time)
    return wanted.order_by(
        inner.c.submit_time,
        sa.case((inner.c.array_job_id > 0, inner.c.array_job_id), else_=inner.c.job_id),
        sa.func.coalesce(inner.c.array_task_id, 0xFFFFFFFF),
        inner.c.job_id,
    )


#: batch, extern and interactive steps stand before the numbered ones
_STEP_ORDER = sa.case(
    (schema.steps.c.step_id >= 0xFFFFFFF0, schema.steps.c.step_id - 0x1_0000_0000), else_=schema.steps.c.step_id
)


def rows(
    connection: sa.Connection,
    books: Books,
    fields: Sequence[str],
    step_fields: Sequence[str] | None,
    where: Mapping[str, Any],
    now: int | None = None,
) -> Iterator[list[tuple[Any, ...]]]:
    """Lists of at most `CHUNK` rows. `step_fields` None: jobs only. Raises SlurmError for unknown fields."""
    check_fields(fields, step_fields)
    moment = int(time.time()) if now is None else now
    columns = ["db_index", *(name for name in fields if name in _JOB_COLUMNS and name != "db_index")]
    computed = [name for name in fields if name in _COMPUTED]
    extra = {
        "suspended": ("start_time", "end_time"),
        "association_user": ("cluster", "association_id"),
        "association_account": ("cluster", "association_id"),
        "association_partition": ("cluster", "association_id"),
        "qos_id": ("qos",),
        "hold": ("priority",),
    }
    for name in computed:
        columns += [need for need in extra.get(name, ()) if need not in columns]
    at = {name: index for index, name in enumerate(columns)}
    statement = select(columns, where).execution_options(yield_per=CHUNK)
    with contextlib.ExitStack() as stack:
        besides = connection
        if connection.dialect.name in ("mysql", "mariadb"):
            # its connections do one thing at a time: what belongs to a chunk cannot be asked while the rest streams
            besides = stack.enter_context(connection.engine.connect())
        yield from _chunks(connection, besides, statement, books, fields, step_fields, computed, at, moment, where)


def _chunks(
    connection: sa.Connection,
    besides: sa.Connection,
    statement: sa.Select[Any],
    books: Books,
    fields: Sequence[str],
    step_fields: Sequence[str] | None,
    computed: Sequence[str],
    at: Mapping[str, int],
    moment: int,
    where: Mapping[str, Any],
) -> Iterator[list[tuple[Any, ...]]]:
    for part in connection.execute(statement).partitions(CHUNK):
        indexes = [row[0] for row in part]
        found: list[Callable[[Any], Any]] = []
        makers = _Makers(besides, books, indexes, at, moment, bool(where.get("allocations")))
        for name in fields:
            found.append(makers.of(name) if name in _COMPUTED else _column(at[name]))
        by_job = _steps(besides, indexes, step_fields, makers, moment) if step_fields is not None else None
        if not computed:
            # the common case: columns as they are, and nothing called for each value
            pick = itemgetter(*(at[name] for name in fields)) if len(fields) > 1 else None
            first = at[fields[0]] if fields else 0
            plain = [pick(row) for row in part] if pick is not None else [(row[first],) for row in part]
            if by_job is not None:
                plain = [(*values, by_job.get(index, ())) for values, index in zip(plain, indexes, strict=True)]
            yield plain
            continue
        if by_job is not None:
            found.append(lambda row, by_job=by_job: by_job.get(row[0], ()))  # type: ignore[misc]
        yield [tuple(get(row) for get in found) for row in part]


def _column(index: int) -> Callable[[Any], Any]:
    return lambda row: row[index]


class _Makers:
    """The computed fields of one chunk of jobs."""

    def __init__(
        self,
        connection: sa.Connection,
        books: Books,
        indexes: list[int],
        at: Mapping[str, int],
        now: int,
        without_steps: bool = False,
    ) -> None:
        self.without_steps = without_steps
        self.connection, self.books, self.indexes, self.at, self.now = connection, books, indexes, at, now
        self._cpu: dict[int, Any] | None = None
        self._files: dict[int, Any] | None = None
        self._stretches: dict[int, list[tuple[int, int]]] | None = None

    def stretches(self) -> dict[int, list[tuple[int, int]]]:
        if self._stretches is None:
            table = schema.suspensions.c
            self._stretches = {}
            query = sa.select(table.job_index, table.time_start, table.time_end).where(
                table.job_index.in_(self.indexes)
            )
            for index, start, end in self.connection.execute(query):
                self._stretches.setdefault(index, []).append((start, end))
        return self._stretches

    def cpu(self) -> dict[int, Any]:
        if self._cpu is None:
            step = schema.steps.c
            query = (
                sa.select(step.job_index, sa.func.sum(step.user_cpu_usec), sa.func.sum(step.system_cpu_usec))
                .where(step.job_index.in_(self.indexes))
                .group_by(step.job_index)
            )
            self._cpu = {row[0]: (int(row[1] or 0), int(row[2] or 0)) for row in self.connection.execute(query)}
        return self._cpu

    def energy(self) -> dict[int, int]:
        """Joules of a job's numbered steps; jobs that have none are not in it."""
        step = schema.steps.c
        query = (
            sa.select(step.job_index, sa.func.sum(step.consumed_energy))
            .where(step.job_index.in_(self.indexes), step.step_id < 0xFFFFFFF0)
            .group_by(step.job_index)
        )
        return {row[0]: int(row[1] or 0) for row in self.connection.execute(query)}

    def files(self) -> dict[int, Any]:
        if self._files is None:
            table = schema.job_files.c
            query = sa.select(table.job_index, table.script, table.environment).where(table.job_index.in_(self.indexes))
            self._files = {row[0]: (row[1], row[2]) for row in self.connection.execute(query)}
        return self._files

    def of(self, name: str) -> Callable[[Any], Any]:
        at, books = self.at, self.books
        if name == "suspended":
            stretches, start, end, now = self.stretches(), at["start_time"], at["end_time"], self.now
            return lambda row: _overlap(stretches.get(row[0]), row[start], row[end] or now, now)
        if name in ("user_cpu_usec", "system_cpu_usec"):
            if self.without_steps:  # sacct -X leaves the steps out, and their processor time with them
                return lambda row: 0
            cpu, part = self.cpu(), int(name == "system_cpu_usec")
            return lambda row: cpu.get(row[0], (0, 0))[part]
        if name == "consumed_energy":
            energy = self.energy()
            return lambda row: energy.get(row[0])
        if name in ("script", "environment"):
            files, part = self.files(), int(name == "environment")
            return lambda row: files.get(row[0], ("", ""))[part]
        if name == "qos_id":
            ids, qos = books.qos_ids, at["qos"]
            return lambda row: ids.get(row[qos], 0)
        if name == "hold":
            priority = at["priority"]
            return lambda row: row[priority] == 0
        field = name.removeprefix("association_")
        cluster, number, assocs = at["cluster"], at["association_id"], books.associations

        def assoc(row: Any) -> str:
            found = assocs.get((row[cluster], row[number]))
            return str(getattr(found, field)) if found is not None else ""

        return assoc


def _overlap(stretches: list[tuple[int, int]] | None, start: int, end: int, now: int) -> int:
    """Seconds of suspension between two times."""
    if not stretches:
        return 0
    return sum(max(0, min(last or now, end) - max(first, start)) for first, last in stretches)


def _steps(
    connection: sa.Connection, indexes: list[int], fields: Sequence[str], makers: _Makers, now: int
) -> dict[int, list[tuple[Any, ...]]]:
    step = schema.steps.c
    suspended = fields.index("suspended") if "suspended" in fields else None
    names = [name for name in fields if name != "suspended"]
    columns = [step.job_index, step.start_time, step.end_time, *(step[name] for name in names)]
    query = (
        sa.select(*columns).where(step.job_index.in_(indexes)).order_by(step.job_index, _STEP_ORDER, step.step_het_comp)
    )
    stretches = makers.stretches() if suspended is not None else {}
    by_job: dict[int, list[tuple[Any, ...]]] = {}
    for row in connection.execute(query):
        values = row[3:]
        if suspended is not None:
            seconds = _overlap(stretches.get(row[0]), row[1], row[2] or now, now)
            values = (*values[:suspended], seconds, *values[suspended:])
        else:
            values = tuple(values)
        by_job.setdefault(row[0], []).append(values)
    return by_job
