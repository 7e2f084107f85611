"""Jobs and steps out of the database, for sacct: the filters run in SQL, only the fields asked for travel.

First the numbers of the rows are found, in sacct's order; then the rows are fetched by them, a portion at a time, with
what belongs to them. So memory stays flat whatever is asked for, and one connection does it all.

A row is a tuple of the job's fields in the order asked for; if steps are wanted its last value is a list of step
tuples.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from slurmpy.core.errors import SlurmError

from . import schema
from .bulk import Statement, values_of
from .job_conditions import conditions

if TYPE_CHECKING:
    from .books import Books

#: jobs that are fetched at a time
CHUNK = 500
#: the same if their scripts or environments go with them, which may have megabytes each
WITH_FILES = 8
#: steps that a portion may have, unless one job alone has more
STEPS = 5000
#: keys that the cursor hands over at a time
_KEYS = 2000

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
#: columns that computed fields are made of
_NEEDS = {
    "suspended": ("start_time", "end_time", "time_suspended"),
    "association_user": ("cluster", "association_id"),
    "association_account": ("cluster", "association_id"),
    "association_partition": ("cluster", "association_id"),
    "qos_id": ("qos",),
    "hold": ("priority",),
}
#: the first of the numbers that stand for a name: batch, extern, interactive
_FIRST_NAMED = 0xFFFFFFF0
#: fields of a job that are sums over its steps
_SUMS = ("user_cpu_usec", "system_cpu_usec", "consumed_energy")
_JOB_COLUMNS = frozenset(schema.jobs.c.keys())
_STEP_COLUMNS = frozenset(schema.steps.c.keys())


def check_fields(fields: Sequence[str], step_fields: Sequence[str] | None) -> None:
    """Raises SlurmError for a field that there is not."""
    for name in fields:
        if name not in _JOB_COLUMNS and name not in _COMPUTED:
            raise SlurmError("SLURM_ERROR", f"jobs have no field {name}")
    for name in step_fields or ():
        if name not in _STEP_COLUMNS and name not in ("suspended", "step_het_comp"):
            raise SlurmError("SLURM_ERROR", f"steps have no field {name}")


# ---- which jobs


def ordered_keys(where: Mapping[str, Any]) -> sa.Select[Any]:
    """``db_index`` of the jobs chosen by `where`, in sacct's order; then whether the database has a later record of
    the same job, its cluster and number (unless ``duplicates`` is set: then nobody wants to know)."""
    job = schema.jobs.c
    columns: list[Any] = [job.db_index]
    if not where.get("duplicates"):
        other = schema.jobs.alias("later").c
        later = sa.exists().where(
            other.job_id == job.job_id, other.submit_time > job.submit_time, other.cluster == job.cluster
        )
        columns += [sa.case((later, 1), else_=0), job.cluster, job.job_id]
    wanted = sa.select(*columns).where(*conditions(where))
    if where.get("order") == "job_id":
        return wanted.order_by(job.job_id, job.submit_time)
    return wanted.order_by(
        job.submit_time,
        job.array_job_id,  # within a second, what is no array's comes first
        sa.func.coalesce(job.array_task_id, 0xFFFFFFFF),
        job.job_id,
    )


def keys(connection: sa.Connection, where: Mapping[str, Any]) -> array[int]:
    """``db_index`` of the jobs chosen by `where`, in sacct's order; of a job that was requeued that of the last record
    chosen only, unless ``duplicates`` is set. Eight bytes a job."""
    found = array("q")
    rows = connection.execute(ordered_keys(where).execution_options(yield_per=_KEYS))
    if where.get("duplicates"):
        for part in rows.scalars().partitions():
            found.extend(part)
        return found
    # records of a job come in the order of their submission: one that has a later one is given up when that comes
    earlier: dict[tuple[str, int], int] = {}
    given_up = set()
    for part in rows.partitions():
        for index, later, cluster, number in part:
            if earlier and (at := earlier.pop((cluster, number), None)) is not None:
                given_up.add(at)
            if later:
                earlier[cluster, number] = len(found)
            found.append(index)
    if given_up:
        return array("q", [index for at, index in enumerate(found) if at not in given_up])
    return found


def select(columns: Sequence[str], where: Mapping[str, Any]) -> sa.Select[Any]:
    """`columns` of every record chosen by `where`."""
    return sa.select(*(schema.jobs.c[name] for name in columns)).where(*conditions(where))


# ---- rows


@lru_cache(64)
def _by_number(dialect: Any, table: str, columns: tuple[str, ...], key: str, size: int, limit: int) -> Statement:
    """Selects rows by `size` values of the column `key`, compiled once."""
    source = schema.metadata.tables[table]
    given = [sa.bindparam(f"n{number}", type_=sa.BigInteger()) for number in range(size)]
    statement = sa.select(*(source.c[name] for name in columns)).where(source.c[key].in_(given))
    if limit:
        statement = statement.suffix_with(f"LIMIT {limit}")
    return Statement(statement, dialect)


def fetch(
    connection: sa.Connection, table: str, columns: tuple[str, ...], key: str, numbers: Sequence[int], limit: int = 0
) -> list[tuple[Any, ...]]:
    """`columns` of the rows whose `key` is one of `numbers`, in no order; with `limit` no more than that.

    The values are the driver's own: numbers and text, which need no conversion.
    """
    if not numbers:
        return []
    size = next(size for size in (1, 16, 128, 1 << 30) if len(numbers) <= size)
    size = CHUNK if size > CHUNK else size
    statement = _by_number(connection.dialect, table, columns, key, size, limit)
    given = {f"n{at}": numbers[min(at, len(numbers) - 1)] for at in range(size)}
    result = connection.exec_driver_sql(statement.text, statement.values(given))
    assert result.cursor is not None
    rows = [*result.cursor.fetchall()]
    result.close()
    return rows


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
    names = [name for name in fields if name in _JOB_COLUMNS]
    computed = [name for name in dict.fromkeys(fields) if name in _COMPUTED]
    needed = [need for name in computed for need in _NEEDS.get(name, ())]
    columns = tuple(dict.fromkeys(("db_index", *names, *needed)))
    at = {name: index for index, name in enumerate((*columns, *computed))}
    pick = values_of([at[name] for name in fields])
    chosen = keys(connection, where)
    most = WITH_FILES if "script" in fields or "environment" in fields else CHUNK
    size, begin = most, 0
    while begin < len(chosen):
        indexes = chosen[begin : begin + size]
        makers = _Makers(connection, books, indexes, at, moment, bool(where.get("allocations")))
        if step_fields is not None and not makers.find_steps(step_fields, computed):
            size = max(1, len(indexes) // 2)
            continue
        by_index = {row[0]: row for row in fetch(connection, "jobs", columns, "db_index", indexes)}
        part = [by_index[index] for index in indexes if index in by_index]
        if computed:
            made = [makers.of(name) for name in computed]
            part = [(*row, *[make(row) for make in made]) for row in part]
        if step_fields is None:
            yield [pick(row) for row in part]
        else:
            steps = makers.steps
            yield [(*pick(row), steps.get(row[0], ())) for row in part]
        begin += len(indexes)
        size = min(most, size * 2)


class _Makers:
    """The computed fields of one portion of jobs, and their steps."""

    def __init__(
        self,
        connection: sa.Connection,
        books: Books,
        indexes: Sequence[int],
        at: Mapping[str, int],
        now: int,
        without_steps: bool = False,
    ) -> None:
        self.without_steps = without_steps
        self.connection, self.books, self.indexes, self.at, self.now = connection, books, indexes, at, now
        self.steps: dict[int, Sequence[tuple[Any, ...]]] = {}
        self._cpu: dict[int, tuple[int, int]] | None = None
        self._energy: dict[int, int] | None = None
        self._files: dict[int, Any] | None = None
        self._stretches: dict[int, list[tuple[int, int]]] | None = None

    def find_steps(self, fields: Sequence[str], computed: Sequence[str]) -> bool:
        """The steps of the jobs, in sacct's order; False if they are too many to take at once."""
        sums = tuple(name for name in computed if name in _SUMS)
        extra = ("start_time", "end_time") if "suspended" in fields else ()
        names = tuple(name for name in fields if name != "suspended")
        columns = ("job_index", "step_id", "step_het_comp", *extra, *sums, *names)
        limit = STEPS + 1 if len(self.indexes) > 1 else 0
        found = fetch(self.connection, "steps", columns, "job_index", self.indexes, limit)
        if limit and len(found) == limit:
            return False
        by_job: dict[int, list[tuple[Any, ...]]] = {}
        for row in found:
            by_job.setdefault(row[0], []).append(row)
        for mine in by_job.values():
            if len(mine) > 1:
                mine.sort(key=_step_order)
        if sums:
            self._sum(by_job, {name: columns.index(name) for name in sums})
        first = 3 + len(extra) + len(sums)
        if "suspended" in fields:
            self._put_suspended(by_job, fields, first)
        else:
            self.steps = {job: [row[first:] for row in mine] for job, mine in by_job.items()}
        return True

    def _sum(self, by_job: dict[int, list[tuple[Any, ...]]], at: Mapping[str, int]) -> None:
        user, system, energy = (at.get(name) for name in _SUMS)
        if user is not None or system is not None:
            self._cpu = {job: (_total(mine, user), _total(mine, system)) for job, mine in by_job.items()}
        if energy is not None:
            self._energy = {}
            for job, mine in by_job.items():
                numbered = [row for row in mine if row[1] < _FIRST_NAMED]
                if numbered:
                    self._energy[job] = _total(numbered, energy)

    def _put_suspended(self, by_job: dict[int, list[tuple[Any, ...]]], fields: Sequence[str], first: int) -> None:
        stretches, now, place = self.stretches(), self.now, first + list(fields).index("suspended")
        for job, mine in by_job.items():
            mine_too = stretches.get(job)
            self.steps[job] = [
                (*row[first:place], _overlap(mine_too, row[3], row[4] or now, now), *row[place:]) for row in mine
            ]

    def stretches(self) -> dict[int, list[tuple[int, int]]]:
        if self._stretches is None:
            self._stretches = {}
            columns = ("job_index", "time_start", "time_end")
            for index, start, end in fetch(self.connection, "suspensions", columns, "job_index", self.indexes):
                self._stretches.setdefault(index, []).append((start, end))
        return self._stretches

    def cpu(self) -> dict[int, tuple[int, int]]:
        if self._cpu is None:
            self._cpu = {
                row[0]: (int(row[1] or 0), int(row[2] or 0))
                for row in self._sums(schema.steps.c.user_cpu_usec, schema.steps.c.system_cpu_usec)
            }
        return self._cpu

    def energy(self) -> dict[int, int]:
        """Joules of a job's numbered steps; jobs that have none are not in it."""
        if self._energy is None:
            step = schema.steps.c
            found = self._sums(step.consumed_energy, more=(step.step_id < _FIRST_NAMED,))
            self._energy = {row[0]: int(row[1] or 0) for row in found}
        return self._energy

    def _sums(self, *columns: Any, more: Sequence[Any] = ()) -> Any:
        """Of the steps of each job."""
        job = schema.steps.c.job_index
        sums = sa.select(job, *(sa.func.sum(column) for column in columns)).where(job.in_(list(self.indexes)), *more)
        return self.connection.execute(sums.group_by(job))

    def files(self) -> dict[int, Any]:
        if self._files is None:
            columns = ("job_index", "script", "environment")
            found = fetch(self.connection, "job_files", columns, "job_index", self.indexes)
            self._files = {row[0]: (row[1], row[2]) for row in found}
        return self._files

    def of(self, name: str) -> Callable[[Any], Any]:
        at, books = self.at, self.books
        if name == "suspended":
            stretches, start, end, now = self.stretches(), at["start_time"], at["end_time"], self.now
            kept = at["time_suspended"]  # when stretches have been purged
            return lambda row: max(_overlap(stretches.get(row[0]), row[start], row[end] or now, now), row[kept])
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
        gone = books.deleted.records

        def assoc(row: Any) -> str:
            key = (row[cluster], row[number])
            found = assocs.get(key) or gone.get(("associations", key))
            return str(getattr(found, field)) if found is not None else ""

        return assoc


def _overlap(stretches: list[tuple[int, int]] | None, start: int, end: int, now: int) -> int:
    """Seconds of suspension between two times."""
    if not stretches:
        return 0
    return sum(max(0, min(last or now, end) - max(first, start)) for first, last in stretches)


def _step_order(row: tuple[Any, ...]) -> tuple[int, int]:
    """Batch, extern and interactive steps stand before the numbered ones."""
    return row[1] - 0x1_0000_0000 if row[1] >= _FIRST_NAMED else row[1], row[2]


def _total(rows: Sequence[tuple[Any, ...]], at: int | None) -> int:
    return 0 if at is None else sum([row[at] or 0 for row in rows])
