"""slurmdbd's lists as JSON and YAML documents: a job is read, encoded and sent, so any number of them takes flat
memory."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from slurmpy.core.errors import SlurmError
from slurmpy.core.records.accounting import DbJob, DbStep

if TYPE_CHECKING:
    from slurmpy.auth.peer import Peer

    from .service import Service

# scripts and environments are told to those only who ask for them: they may be long
_NOT_DUMPED = ("steps", "script", "environment", "kill_request_user")
_JOB_FIELDS = (*(name for name in DbJob.FIELDS if name not in _NOT_DUMPED), "consumed_energy")
_STEP_FIELDS = tuple(name for name in DbStep.FIELDS if name != "kill_request_user")


#: Slurm's 64-bit «not set»
_NO_VALUE = 0xFFFFFFFFFFFFFFFE


async def dump(service: Service, peer: Peer, args: dict[str, Any]) -> AsyncIterator[bytes]:
    """The pieces of the document. Raises SlurmError for lists that have none.

    ``files`` ("script" or "environment", may be left out): the jobs whose files the peer may see, the script in the
    documents. An environment has no place there (as with Slurm): it only chooses the jobs.
    """
    what = str(args.get("what"))
    if what != "jobs":
        raise SlurmError("SLURM_ERROR", f"slurmdbd has no document of {what}")
    from slurmpy.data_parser import stream, tres

    from . import fragments

    files = str(args.get("files") or "")
    where = service.permissions.jobs_filter(peer, args.get("where") or {}, (files,) if files else ())
    books, now = service.books, int(time.time())
    tres.learn((one.id, one.type, one.name) for one in books.tres.values())
    if service.fragments is None:
        service.fragments = fragments.EndedJobs()
    made = Records(where, script=files == "script")
    cache = fragments.OfRows(service.fragments, made.over, made.record)

    def pieces(connection: Any) -> Iterator[bytes]:
        found = made.rows(connection, books, now)
        return _joined(stream.answer(args, found, kind="slurmdb_jobs", cache=cache, now=now))

    async for piece in service.database.parts(pieces):
        yield piece


_END, _INDEX, _KILLED = (_JOB_FIELDS.index(name) for name in ("end_time", "db_index", "kill_request_user_id"))
_IDS = tuple(
    _JOB_FIELDS.index(name) for name in ("job_id", "array_job_id", "array_task_id", "het_job_id", "het_job_offset")
)
_STEP_ID, _STEP_END, _STEP_KILLED = (
    _STEP_FIELDS.index(name) for name in ("step_id", "end_time", "kill_request_user_id")
)


class Records:
    """The jobs of a query as records with their steps, unless ``allocations`` leaves the steps out; with the scripts
    of batch jobs if those are wanted."""

    def __init__(self, where: dict[str, Any], script: bool = False) -> None:
        self.where = where
        self.fields = (*_JOB_FIELDS, "script") if script else _JOB_FIELDS
        self.with_steps = not where.get("allocations")
        self._names: dict[int, str] = {}

    def rows(self, connection: Any, books: Any, now: int) -> Iterator[tuple[Any, ...]]:
        from . import job_queries

        steps = _STEP_FIELDS if self.with_steps else None
        named = any(len(one) > 3 and one[3] is not None for one in self.where.get("jobs") or ())
        for part in job_queries.rows(connection, books, self.fields, steps, self.where, now):
            yield from map(self._with_named, part) if named and steps else part

    def _with_named(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """With the steps alone that ``jobs`` names; a job that is named as a whole keeps all of its own."""
        job, array, task, het, offset = (row[at] for at in _IDS)
        wanted = set()
        for number, asked_task, asked_offset, step in self.where["jobs"]:
            if (
                (number == job and asked_task is None and asked_offset is None)
                or (number == array and asked_task in (None, task))
                or (number == het and asked_offset in (None, offset))
            ):
                if step is None:
                    return row
                wanted.add(step)
        return (*row[:-1], tuple(step for step in row[-1] if step[_STEP_ID] in wanted))

    def over(self, row: tuple[Any, ...]) -> Any:
        """A key of all that is told of a job that is over, with its steps; None of one that is not."""
        if not row[_END]:
            return None
        steps: tuple[Any, ...] = ()
        names: list[str] = []
        if row[_KILLED] is not None:
            names.append(_user_name(self._names, row[_KILLED]))
        if self.with_steps:
            steps = tuple(row[-1])
            for step in steps:
                if not step[_STEP_END]:
                    return None
                if step[_STEP_KILLED] is not None:
                    names.append(_user_name(self._names, step[_STEP_KILLED]))
            row = row[:-1]
        return row[_INDEX], self.with_steps, hash((row, steps, *names))

    def record(self, row: tuple[Any, ...]) -> DbJob:
        job = DbJob.__new__(DbJob)
        values = job.__dict__ = dict(zip(self.fields, row, strict=False))  # behind them stand the steps
        energy = values.pop("consumed_energy")
        if values["tres_allocated"]:
            values["tres_allocated"] = _with_energy(
                values["tres_allocated"], energy if energy is not None and values["end_time"] else _NO_VALUE
            )
        values["flags"] = tuple(values["flags"].split(",")) if values["flags"] else ()
        values["kill_request_user"] = _user_name(self._names, values["kill_request_user_id"])
        if self.with_steps:
            values["steps"] = tuple(_step(found, self._names) for found in row[-1])
        return job


@lru_cache(4096)
def _with_energy(allocated: str, energy: int) -> str:
    """What an allocation is told to have: its energy too, which is known when the job and a step of it are over."""
    parts = [part for part in allocated.split(",") if not part.startswith("energy=")]
    at = next((index for index, part in enumerate(parts) if part[:4] not in ("cpu=", "mem=")), len(parts))
    return ",".join([*parts[:at], *([f"energy={energy}"] if energy else []), *parts[at:]])


def _step(row: tuple[Any, ...], names: dict[int, str]) -> DbStep:
    step = DbStep.__new__(DbStep)
    values = step.__dict__ = dict(zip(_STEP_FIELDS, row, strict=True))
    if values["step_het_comp"] == -1:
        values["step_het_comp"] = None
    values["kill_request_user"] = _user_name(names, values["kill_request_user_id"])
    return step


def _user_name(names: dict[int, str], number: int | None) -> str:
    if number is None:
        return ""
    found = names.get(number)
    if found is None:
        import pwd

        try:
            found = pwd.getpwuid(number).pw_name
        except KeyError:
            found = str(number)
        names[number] = found
    return found


#: bytes that go at a time: each costs a turn between the thread that reads and the one that sends. One batch of jobs
#: has them as a rule, and is not copied any more.
_PIECE = 1 << 17


def _joined(pieces: Iterator[bytes], size: int = _PIECE) -> Iterator[bytes]:
    held: list[bytes] = []
    length = 0
    for piece in pieces:
        held.append(piece)
        length += len(piece)
        if length >= size:
            yield b"".join(held)
            held, length = [], 0
    if held:
        yield b"".join(held)
