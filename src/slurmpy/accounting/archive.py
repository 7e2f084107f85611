"""Archiving what is purged: records go to a file first, and leave the database as they stand in the file.

A run is safe from being ended anywhere. The file is written under a temporary name, noted in the database (`Note`),
given its name, and only then read back: what it has and the database has just the same is removed, portion by portion.
Whoever comes after a run that was ended finds the note: a file that is not whole is thrown away, one that is has its
records removed to the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa

from slurmpy.core import purge_time
from slurmpy.core.purge_time import PurgeTime
from slurmpy.rpc.log import log

from . import archive_files, notes, purge, schema
from .purge import Key, Kind

if TYPE_CHECKING:
    from .database import Database

_NOTE = "archive"
#: jobs are read some at a time: their scripts and environments may be long
PAGE = 100

_OF_JOB = ("job_id", "submit_time")
#: whose usage it is, in place of the number that they have in this database
WHOSE = ("cluster", "account", "user_name", "wckey", "qos")
_STEP_COLUMNS = tuple(str(column.name) for column in schema.steps.c if column.name != "job_index")
_PAUSE_COLUMNS = ("time_start", "time_end")


def is_of_job(kind: Kind) -> bool:
    """Whether each record belongs to a job, and names it."""
    return kind.table is schema.steps or kind.table is schema.suspensions


def columns(kind: Kind) -> tuple[str, ...]:
    """Of the records of a file."""
    own = tuple(str(column.name) for column in kind.table.c)
    if is_of_job(kind):
        return (*_OF_JOB, *(name for name in own if name != "job_index"))
    if kind.table is schema.jobs:
        return (*own, "script", "environment", "steps", "suspensions")
    if kind.table is schema.usage_by_name:
        return (*WHOSE, *(name for name in own if name != "name"))
    return own


def fetch(kind: Kind, connection: sa.Connection, keys: Sequence[Key]) -> dict[Key, bytes]:
    """The records that are there of `keys`, as lines of a file."""
    if is_of_job(kind):
        job = schema.jobs
        chosen = [job.c[name] for name in _OF_JOB]
        chosen += [kind.table.c[name] for name in columns(kind)[len(_OF_JOB) :]]
        query = sa.select(*kind.key, *chosen).select_from(kind.source()).where(kind.of_keys(keys))
    elif kind.table is schema.usage_by_name:
        chosen = [schema.usage_names.c[name] for name in WHOSE]
        chosen += [kind.table.c[name] for name in columns(kind)[len(WHOSE) :]]
        query = sa.select(*kind.key, *chosen).select_from(kind.source()).where(kind.of_keys(keys))
    else:
        query = sa.select(*kind.key, *kind.table.c).where(kind.of_keys(keys))
    size = len(kind.key)
    found = {tuple(row[:size]): list(row[size:]) for row in connection.execute(query)}
    if kind.table is schema.jobs:
        _add_parts(connection, found)
    return {key: archive_files.encode(values) for key, values in found.items()}


def _add_parts(connection: sa.Connection, jobs: dict[Key, list[Any]]) -> None:
    """Script, environment, steps and stretches of suspension of each job, behind its own columns."""
    numbers = [key[0] for key in jobs]
    files, step, pause = schema.job_files.c, schema.steps.c, schema.suspensions.c
    texts = sa.select(files.job_index, files.script, files.environment).where(files.job_index.in_(numbers))
    written = {row[0]: (row[1], row[2]) for row in connection.execute(texts)}
    steps: dict[int, list[dict[str, Any]]] = {}
    query: Any = sa.select(step.job_index, *(step[name] for name in _STEP_COLUMNS))
    for row in connection.execute(query.where(step.job_index.in_(numbers)).order_by(step.db_index)):
        steps.setdefault(row[0], []).append(dict(zip(_STEP_COLUMNS, row[1:], strict=True)))
    pauses: dict[int, list[dict[str, Any]]] = {}
    query = sa.select(pause.job_index, *(pause[name] for name in _PAUSE_COLUMNS))
    for row in connection.execute(query.where(pause.job_index.in_(numbers)).order_by(pause.time_start)):
        pauses.setdefault(row[0], []).append(dict(zip(_PAUSE_COLUMNS, row[1:], strict=True)))
    for (number,), values in jobs.items():
        values += [*written.get(number, ("", "")), steps.get(number, []), pauses.get(number, [])]


def key_of(kind: Kind, names: Sequence[str], values: Sequence[Any]) -> Key | None:
    """The key of a record of this database's; None for a record of a job, whose number the record does not have."""
    at = {name: number for number, name in enumerate(names)}
    wanted = [column.name for column in kind.key]
    return tuple(values[at[name]] for name in wanted) if all(name in at for name in wanted) else None


class Note:
    """What is known of a file on its way, in the database: there is one at a time."""

    def __init__(self, kind: str, cluster: str, until: int, temporary: str, path: str = "") -> None:
        self.kind, self.cluster, self.until, self.temporary, self.path = kind, cluster, until, temporary, path

    @classmethod
    def load(cls, connection: sa.Connection) -> Note | None:
        value = notes.get(connection, _NOTE)
        return cls(**json.loads(value)) if value else None

    def save(self, connection: sa.Connection) -> None:
        notes.put(connection, _NOTE, json.dumps(vars(self)))

    @staticmethod
    def drop(connection: sa.Connection) -> None:
        notes.drop(connection, _NOTE)


class Archiver:
    """Archives and removes; one run at a time (its caller sees to that)."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def recover(self) -> None:
        """Ends what a run that was ended left. Raises SlurmError and OSError; then the note stays."""
        note = await self.database.read(Note.load)
        if note is None:
            return
        if note.path and os.path.exists(note.temporary):
            await self._remove_what_is_in_it(note)
            log.info(f"archive: {note.path} was written before, its records are removed now")
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(note.temporary)
            await self.database.write(Note.drop)

    async def run(self, kind: Kind, cluster: str, age: PurgeTime, until: int, directory: str) -> int:
        """Archives records that ended before `until` and removes them; how many. Raises SlurmError and OSError."""
        gone = 0
        while True:
            oldest = await self.database.read(lambda connection: _oldest(kind, connection, cluster, until))
            if oldest is None:
                return gone
            # as real slurmdbd cuts them: long ago by the month, later all in one
            long_ago = oldest + archive_files.LONG_AGO < until
            end = min(purge_time.next_month(oldest), until) if long_ago else until
            unit, last = ("months", end) if long_ago else (age.unit, end - 1)
            done = await self._file(kind, cluster, end, unit, last, directory)
            if not done:
                return gone  # what is left has changed meanwhile
            gone += done

    async def _file(self, kind: Kind, cluster: str, until: int, unit: str, last: int, directory: str) -> int:
        """One file of records that ended before `until`; how many went."""
        note = Note(kind.name, cluster, until, archive_files.temporary(directory))
        await self.database.write(note.save)
        try:
            begin = await self._write(kind, note)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(note.temporary)
            raise
        if begin is None:
            os.unlink(note.temporary)
            await self.database.write(Note.drop)
            return 0
        name = archive_files.name(cluster or "all", kind.object, purge_time.unit_start(unit, begin), last)
        note.path = os.path.join(directory, name)
        await self.database.write(note.save)
        return await self._remove_what_is_in_it(note)

    async def _write(self, kind: Kind, note: Note) -> int | None:
        """Writes the temporary file; the earliest begin of its records, None if there are none."""
        names = columns(kind)
        begin_at = names.index(kind.begin.name)
        begin: int | None = None
        after: Key | None = None
        writer = archive_files.Writer(note.temporary, kind.object, note.cluster, names)
        most = PAGE if kind.table is schema.jobs else purge.PORTION
        try:
            while (room := archive_files.MOST_RECORDS - writer.records) > 0:

                def page(connection: sa.Connection, seen: Key | None = after, most: int = min(most, room)) -> Any:
                    keys = purge.old_rows(kind, connection, note.cluster, note.until, seen, most)
                    found = fetch(kind, connection, keys) if keys else {}
                    begins = []
                    for key in keys:
                        if key in found:
                            writer.add(found[key])
                            begins.append(int(orjson.loads(found[key])[begin_at]))
                    return keys, begins

                keys, begins = await self.database.read(page)
                if not keys:
                    break
                begin = min([*begins, *(() if begin is None else (begin,))], default=None)
                after = keys[-1]
            await asyncio.get_running_loop().run_in_executor(None, writer.finish)
        finally:
            writer.close()
        return begin

    async def _remove_what_is_in_it(self, note: Note) -> int:
        """Gives the file of `note` its name, removes its records, and forgets the note; how many went."""
        kind = purge.KINDS[note.kind]
        path = archive_files.place(note.temporary, note.path)
        reader = archive_files.Reader(note.temporary)
        gone = 0
        try:
            names = reader.header["columns"]
            for portion in archive_files.portions(reader.lines(), purge.PORTION):

                def work(connection: sa.Connection, portion: list[bytes] = portion) -> int:
                    return remove(kind, connection, note, names, portion)

                gone += await self.database.write(work)
        finally:
            reader.close()
        os.unlink(note.temporary)
        await self.database.write(Note.drop)
        log.info(f"archive: {gone} records of cluster {note.cluster} are in {path} and no longer in the database")
        return gone


def remove(kind: Kind, connection: sa.Connection, note: Note, names: Sequence[str], lines: Sequence[bytes]) -> int:
    """Takes away the records of `lines` that the database has just as they are; how many."""
    wanted: dict[Key, bytes] = {}
    for line in lines:
        key = _key(kind, connection, note.cluster, names, orjson.loads(line))
        if key is not None:
            wanted[key] = line
    same = [key for key, line in fetch(kind, connection, list(wanted)).items() if wanted[key] == line]
    return purge.remove(kind, connection, note.cluster, note.until, same) if same else 0


def _key(kind: Kind, connection: sa.Connection, cluster: str, names: Sequence[str], values: list[Any]) -> Key | None:
    found = key_of(kind, names, values)
    if found is not None:
        return found
    record = dict(zip(names, values, strict=True))
    if kind.table is schema.usage_by_name:
        who = schema.usage_names.c
        query = sa.select(who.id).where(*(who[name] == record[name] for name in WHOSE))
        number = connection.execute(query).scalar()
        return None if number is None else tuple({**record, "name": number}[column.name] for column in kind.key)
    job = schema.jobs.c
    query = sa.select(job.db_index).where(
        job.cluster == cluster, job.job_id == record["job_id"], job.submit_time == record["submit_time"]
    )
    number = connection.execute(query).scalar()
    return None if number is None else (number, record["time_start"])


def _oldest(kind: Kind, connection: sa.Connection, cluster: str, until: int) -> int | None:
    query = sa.select(sa.func.min(kind.end)).select_from(kind.source()).where(kind.condition(cluster, until))
    found = connection.execute(query).scalar()
    return None if found is None else int(found)
