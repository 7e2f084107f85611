"""slurmdbd's lists as JSON and YAML documents: a job is read, encoded and sent, so any number of them takes flat
memory."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from slurmpy.core.errors import SlurmError
from slurmpy.core.records.accounting import DbJob, DbStep

if TYPE_CHECKING:
    from slurmpy.auth.peer import Peer

    from .service import Service

# scripts and environments are sacct -B's and --env-vars' business
_NOT_DUMPED = ("steps", "script", "environment", "kill_request_user")
_JOB_FIELDS = (*(name for name in DbJob.FIELDS if name not in _NOT_DUMPED), "consumed_energy")
_STEP_FIELDS = tuple(name for name in DbStep.FIELDS if name != "kill_request_user")


#: Slurm's 64-bit «not set»
_NO_VALUE = 0xFFFFFFFFFFFFFFFE


async def dump(service: Service, peer: Peer, args: dict[str, Any]) -> AsyncIterator[bytes]:
    """The pieces of the document. Raises SlurmError for lists that have none."""
    what = str(args.get("what"))
    if what != "jobs":
        raise SlurmError("SLURM_ERROR", f"slurmdbd has no document of {what}")
    from slurmpy.data_parser import stream, tres

    where = service.permissions.jobs_filter(peer, args.get("where") or {})
    books, now = service.books, int(time.time())
    tres.learn((one.id, one.type, one.name) for one in books.tres.values())

    def pieces(connection: Any) -> Iterator[bytes]:
        return _joined(stream.answer(args, records(connection, books, where, now), kind="slurmdb_jobs", now=now))

    async for piece in service.database.parts(pieces):
        yield piece


def records(connection: Any, books: Any, where: dict[str, Any], now: int) -> Iterator[DbJob]:
    """The jobs of a query as records with their steps, unless ``allocations`` leaves the steps out."""
    from . import job_queries

    steps = None if where.get("allocations") else _STEP_FIELDS
    names: dict[int, str] = {}
    for part in job_queries.rows(connection, books, _JOB_FIELDS, steps, where, now):
        for row in part:
            job = DbJob.__new__(DbJob)
            values = job.__dict__
            for name, value in zip(_JOB_FIELDS, row, strict=False):
                values[name] = value
            energy = values.pop("consumed_energy")
            if values["tres_allocated"]:
                values["tres_allocated"] = _with_energy(
                    values["tres_allocated"], energy if energy is not None and values["end_time"] else _NO_VALUE
                )
            values["flags"] = tuple(values["flags"].split(",")) if values["flags"] else ()
            values["kill_request_user"] = _user_name(names, values["kill_request_user_id"])
            if steps is not None:
                values["steps"] = tuple(_step(found, names) for found in row[-1])
            yield job


def _with_energy(allocated: str, energy: int) -> str:
    """What an allocation is told to have: its energy too, which is known when the job and a step of it are over."""
    parts = [part for part in allocated.split(",") if not part.startswith("energy=")]
    at = next((index for index, part in enumerate(parts) if part[:4] not in ("cpu=", "mem=")), len(parts))
    return ",".join([*parts[:at], *([f"energy={energy}"] if energy else []), *parts[at:]])


def _step(row: tuple[Any, ...], names: dict[int, str]) -> DbStep:
    step = DbStep.__new__(DbStep)
    values = step.__dict__
    for name, value in zip(_STEP_FIELDS, row, strict=True):
        values[name] = value
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


def _joined(pieces: Iterator[bytes], size: int = 1 << 16) -> Iterator[bytes]:
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
