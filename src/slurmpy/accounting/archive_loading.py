"""Records of archive files back into the database: all of a file's, in one transaction, or none.

A file may be of anybody's making: it is read to its end and checked, value by value, before the database is touched,
and again as it is written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from slurmpy.core.errors import SlurmError
from slurmpy.core.times import format_time

from . import archive, archive_files, numbering, purge, schema
from .purge import Kind

Row = dict[str, Any]

#: records written at once
PORTION = 200

_OF_JOB = ("job_id", "submit_time")


class Loading:
    """One file. Raises SlurmError for one that is no archive, or not of what this database keeps, and OSError."""

    def __init__(self, path: str, clusters: Collection[str]) -> None:
        self.path = path
        self.written: set[int] = set()  # numbers of transactions
        reader = archive_files.Reader(path)
        try:
            header = reader.header
            found = next((kind for kind in purge.KINDS.values() if kind.object == header["object"]), None)
            if found is None:
                raise archive_files.bad(path, f"records of {header['object'][:80]!r} are not known here")
            self.kind: Kind = found
            self.cluster = str(header["cluster"])
            if self.cluster not in clusters and not (self.kind.table is schema.transactions and not self.cluster):
                raise archive_files.bad(path, f"its cluster {self.cluster[:80]!r} is not known here")
            names = header["columns"]
            new = [name for name in names if name not in archive.columns(self.kind)]
            if new:
                raise archive_files.bad(path, f"it has columns of another release: {', '.join(new)[:200]}")
            needed = {column.name for column in self.kind.table.primary_key} - {"job_index"} | {self.kind.begin.name}
            if self.kind.table is schema.usage_by_name:
                needed = needed - {"name"} | set(archive.WHOSE)
            needed |= set(_OF_JOB) if archive.is_of_job(self.kind) or self.kind.table is schema.jobs else set()
            if needed - set(names):
                raise archive_files.bad(path, f"it has no column {min(needed - set(names))}")
            for line in reader.lines():
                self._row(reader, line)
        finally:
            reader.close()

    def rows(self) -> Iterator[list[Row]]:
        """Portions of the records, checked."""
        reader = archive_files.Reader(self.path)
        try:
            for portion in archive_files.portions(reader.lines(), PORTION):
                yield [self._row(reader, line) for line in portion]
        finally:
            reader.close()

    # -- checking ------------------------------------------------------------------------------------------------

    def _row(self, reader: archive_files.Reader, line: bytes) -> Row:
        given: Row = dict(zip(reader.header["columns"], reader.decode(line), strict=True))
        row = self._values(self.kind.table, given)
        if self.kind.table is schema.usage_by_name:
            for name in archive.WHOSE:
                row[name] = self._value(schema.usage_names.c[name], given[name])
        if "cluster" in row and row["cluster"] != self.cluster:
            raise archive_files.bad(self.path, "a record is of another cluster than the file")
        if archive.is_of_job(self.kind):
            for name in _OF_JOB:
                row[name] = self._value(schema.jobs.c[name], given[name])
        if self.kind.table is schema.jobs:
            for name in ("script", "environment"):
                row[name] = self._value(schema.job_files.c[name], given.get(name, ""))
            for name, table in (("steps", schema.steps), ("suspensions", schema.suspensions)):
                parts = given.get(name, [])
                if not isinstance(parts, list) or any(not isinstance(part, dict) for part in parts):
                    raise archive_files.bad(self.path, f"the {name} of a job are no list of records")
                row[name] = [self._values(table, part) for part in parts]
        return row

    def _values(self, table: sa.Table, given: Mapping[str, Any]) -> Row:
        row = {}
        for column in table.c:
            name = str(column.name)
            if name == "job_index" or (name == "name" and table is schema.usage_by_name):
                continue
            if name in given:
                row[name] = self._value(column, given[name])
            elif column.primary_key or name in ("step_id", "step_het_comp"):
                raise archive_files.bad(self.path, f"a record has no {name}")
            else:  # the file is of an older release
                row[name] = None if column.nullable else _BLANK[_kind(column)]
        return row

    def _value(self, column: sa.Column[Any], value: Any) -> Any:
        if value is None and column.nullable:
            return None
        kind = _kind(column)
        if not _FITS[kind](value):
            raise archive_files.bad(self.path, f"the value of {column.name} is none that it can have")
        if isinstance(value, str):
            limit = getattr(column.type, "length", None)
            if limit and len(value) > limit:
                raise archive_files.bad(self.path, f"the value of {column.name} is too long")
            return schema.storable(value)
        return value

    # -- writing -------------------------------------------------------------------------------------------------

    def write(self, connection: sa.Connection) -> int:
        """All records, in the caller's transaction; how many. Raises SlurmError if one is there already."""
        writer = _WRITERS.get(self.kind.table.name, _write_plain)
        count = 0
        self.written.clear()
        for rows in self.rows():
            writer(self, connection, rows)
            count += len(rows)
        if self.kind.table is schema.transactions and connection.dialect.name == "postgresql":
            # numbers that the database gives next must lie behind those that came with the records
            last = sa.select(sa.func.max(schema.transactions.c.id)).scalar_subquery()
            connection.execute(sa.select(sa.func.setval(sa.func.pg_get_serial_sequence("transactions", "id"), last)))
        return count

    def there(self, what: str) -> SlurmError:
        return archive_files.bad(self.path, f"{what} is in the database already, nothing is loaded")


def _kind(column: sa.Column[Any]) -> str:
    if isinstance(column.type, sa.Boolean):
        return "flag"
    if isinstance(column.type, sa.Float):
        return "real"
    if isinstance(column.type, sa.BigInteger):
        return "number"
    return "small" if isinstance(column.type, sa.Integer) else "text"


def _is_number(value: Any, bits: int = 63) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(1 << bits) <= value < 1 << bits


_FITS: dict[str, Callable[[Any], bool]] = {
    "flag": lambda value: isinstance(value, bool),
    "real": lambda value: _is_number(value) or (isinstance(value, float) and math.isfinite(value)),
    "number": _is_number,
    "small": lambda value: _is_number(value, 31),
    "text": lambda value: isinstance(value, str),
}
_BLANK = {"flag": False, "real": 0.0, "number": 0, "small": 0, "text": ""}


def _job_name(row: Mapping[str, Any]) -> str:
    return f"job {row['job_id']} of {format_time(row['submit_time'])}"


def _job_numbers(connection: sa.Connection, cluster: str, rows: Sequence[Row]) -> dict[tuple[int, int], int]:
    """(job id, submit time): number, of those jobs of `rows` that are there."""
    job = schema.jobs.c
    query = sa.select(job.job_id, job.submit_time, job.db_index).where(
        job.cluster == cluster, job.job_id.in_(sorted({row["job_id"] for row in rows}))
    )
    wanted = {(row["job_id"], row["submit_time"]) for row in rows}
    return {(row[0], row[1]): row[2] for row in connection.execute(query) if (row[0], row[1]) in wanted}


def _renumber(connection: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    """Records keep their numbers, but for those that something else has here."""
    own = [row["db_index"] for row in rows]
    query = sa.select(table.c.db_index).where(table.c.db_index.in_(own))
    taken = {row[0] for row in connection.execute(query)}
    last = 0
    for row in rows:
        if row["db_index"] in taken or row["db_index"] <= 0:
            last = (last or max(numbering.highest(connection, table), *own)) + 1
            row["db_index"] = last
        taken.add(row["db_index"])


def _insert(connection: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    if rows:
        names = [str(column.name) for column in table.c]
        connection.execute(table.insert(), [{name: row[name] for name in names} for row in rows])


def _write_jobs(file: Loading, connection: sa.Connection, rows: list[Row]) -> None:
    there = _job_numbers(connection, file.cluster, rows)
    seen: set[tuple[int, int]] = set(there)
    for row in rows:
        key = (row["job_id"], row["submit_time"])
        if key in seen:
            raise file.there(_job_name(row))
        seen.add(key)
    _renumber(connection, schema.jobs, rows)
    for row in rows:
        for part in (*row["steps"], *row["suspensions"]):
            part["job_index"] = row["db_index"]
    _insert(connection, schema.jobs, rows)
    files = [{**row, "job_index": row["db_index"]} for row in rows if row["script"] or row["environment"]]
    _insert(connection, schema.job_files, files)
    steps = [step for row in rows for step in row["steps"]]
    if steps:
        _renumber(connection, schema.steps, steps)
        _insert(connection, schema.steps, steps)
    _insert(connection, schema.suspensions, [pause for row in rows for pause in row["suspensions"]])


def _of_jobs(file: Loading, connection: sa.Connection, rows: list[Row]) -> None:
    """Gives records of jobs their jobs' numbers. Raises SlurmError where the job is missing."""
    numbers = _job_numbers(connection, file.cluster, rows)
    for row in rows:
        number = numbers.get((row["job_id"], row["submit_time"]))
        if number is None:
            raise archive_files.bad(file.path, f"{_job_name(row)} is not in the database: load the file with it first")
        row["job_index"] = number


def _write_steps(file: Loading, connection: sa.Connection, rows: list[Row]) -> None:
    _of_jobs(file, connection, rows)
    step = schema.steps.c
    query = sa.select(step.job_index, step.step_id, step.step_het_comp)
    found = connection.execute(query.where(step.job_index.in_(sorted({row["job_index"] for row in rows}))))
    seen = {tuple(row) for row in found}
    for row in rows:
        key = (row["job_index"], row["step_id"], row["step_het_comp"])
        if key in seen:
            raise file.there(f"step {row['step_id']} of {_job_name(row)}")
        seen.add(key)
    _renumber(connection, schema.steps, rows)
    _insert(connection, schema.steps, rows)


def _write_suspensions(file: Loading, connection: sa.Connection, rows: list[Row]) -> None:
    _of_jobs(file, connection, rows)
    _write_plain(file, connection, rows)


def _write_plain(file: Loading, connection: sa.Connection, rows: list[Row]) -> None:
    keys = tuple(file.kind.table.primary_key)
    own = [tuple(row[column.name] for column in keys) for row in rows]
    chosen = keys[0].in_([key[0] for key in own]) if len(keys) == 1 else sa.tuple_(*keys).in_(own)
    seen = {tuple(row) for row in connection.execute(sa.select(*keys).where(chosen))}
    for key in own:
        if key in seen:
            raise file.there(f"a record of {file.kind.object} ({', '.join(str(part) for part in key)})")
        seen.add(key)
    _insert(connection, file.kind.table, rows)


def _write_transactions(file: Loading, connection: sa.Connection, rows: list[Row]) -> None:
    """They are known by what they say: a number may have been given anew by now, and is replaced then."""
    table = schema.transactions
    said = itemgetter(*(str(column.name) for column in table.c if column.name != "id"))
    own = [row["id"] for row in rows]
    same_time = sa.select(table).where(table.c.time.in_(sorted({row["time"] for row in rows})))
    # transactions of this file that say the same twice came with it, and do not stand against each other
    there = {said(dict(row._mapping)) for row in connection.execute(same_time) if row.id not in file.written}
    taken = {row[0] for row in connection.execute(sa.select(table.c.id).where(table.c.id.in_(own)))}
    last = 0
    for row in rows:
        if said(row) in there:
            raise file.there(f"transaction {row['id']}")
        if row["id"] in taken:
            last = (last or max(int(connection.execute(sa.select(sa.func.max(table.c.id))).scalar() or 0), *own)) + 1
            row["id"] = last
        taken.add(row["id"])
        file.written.add(row["id"])
    _insert(connection, table, rows)


def _write_usage(file: Loading, connection: sa.Connection, rows: list[Row]) -> None:
    whose = itemgetter(*archive.WHOSE)
    table = schema.usage_names
    found = connection.execute(sa.select(table).where(table.c.cluster == file.cluster))
    numbers = {whose(row._mapping): row.id for row in found}
    for row in rows:
        if whose(row) not in numbers:
            raise archive_files.bad(file.path, f"there never was usage of {whose(row)!r} in this database")
        row["name"] = numbers[whose(row)]
    _write_plain(file, connection, rows)


_WRITERS: dict[str, Callable[[Loading, sa.Connection, list[Row]], None]] = {
    "jobs": _write_jobs,
    "steps": _write_steps,
    "suspensions": _write_suspensions,
    "transactions": _write_transactions,
    "usage_by_name": _write_usage,
}
