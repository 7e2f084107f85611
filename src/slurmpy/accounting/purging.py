"""When slurmdbd purges: at the start of each hour, day and month, as the ages of slurmdbd.conf are counted in.

What has been done is marked in the database, so that a start of a unit that slurmdbd slept through is made up for.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slurmpy.conf.slurmdbd_conf import ARCHIVES
from slurmpy.core import purge_time
from slurmpy.core.errors import SlurmError
from slurmpy.core.purge_time import PurgeTime
from slurmpy.rpc.log import log

from . import archive, archive_files, archive_script, notes, purge

if TYPE_CHECKING:
    import sqlalchemy as sa

    from slurmpy.auth.peer import Peer

    from .service import Service

#: seconds after which the clock is looked at again: it may be set, and a database that was away be back
LOOK = 60.0


@dataclass(frozen=True)
class How:
    """`archived`: parameters whose records go to files in `directory` first; `clusters`: only those (none: all);
    `script`: the program that archives in place of that."""

    directory: str
    archived: frozenset[str]
    clusters: frozenset[str] = frozenset()
    script: str = ""


async def _nothing() -> None:
    pass


class Purging:
    """Removes what is old; one run at a time, `before` which what is to go is rolled up."""

    def __init__(self, service: Service, before: Callable[[], Awaitable[None]] = _nothing) -> None:
        self.service, self.database = service, service.database
        self.archiver = archive.Archiver(self.database)
        self.lock, self._before = asyncio.Lock(), before
        self._seen: dict[str, int] = {}  # unit: its start that was dealt with

    async def watch(self) -> None:
        """For as long as the daemon lives."""
        told = ""
        while True:
            now = time.time()
            try:
                await self.look(int(now))
                told = ""
            except (SlurmError, OSError) as error:
                if str(error) != told:
                    told = str(error)
                    log.error(f"purge: {told}; it is tried again")
            hour = purge_time.unit_start("hours", int(now)) + 3600
            await asyncio.sleep(min(LOOK, max(1.0, hour - time.time())))

    async def look(self, now: int) -> None:
        """Purges whatever is due at `now`. Raises SlurmError; the same is due again then."""
        starts = {unit: purge_time.unit_start(unit, now) for unit in purge_time.UNITS}
        if starts == self._seen:
            return
        marks = await self.database.read(_marks)
        # a database that has never been looked at waits for the next start
        known = {unit: marks.get(unit, start) for unit, start in starts.items()}
        ages = self.ages()
        due = {name: ages[name] for name in purge.due(ages, known, starts)}
        await self.run(due, now)
        if marks != starts:
            await self.database.write(lambda connection: _mark(connection, starts))
        self._seen = starts

    def ages(self) -> dict[str, PurgeTime | None]:
        """Parameter of slurmdbd.conf: age."""
        names = (*(kind.parameter for kind in purge.KINDS.values()), *purge.FILES)
        return {name: getattr(self.service.conf, name) for name in names}

    async def run(self, ages: Mapping[str, PurgeTime | None], now: int, how: How | None = None) -> None:
        """Purges by `ages`, parameter by parameter; `how` is slurmdbd.conf's where None. Raises SlurmError, OSError.

        Where something is archived and cannot be, it stays in the database.
        """
        how = how or self.how()
        async with self.lock:
            if any(age is not None for age in ages.values()):
                await self._before()
            await self.archiver.recover()
            if how.script and any(age is not None for age in ages.values()):
                await archive_script.run(how.script, ages, how.archived, now)
            elif any(ages.get(name) is not None for name in how.archived):
                archive_files.check_directory(how.directory)
            for kind in purge.KINDS.values():
                age = ages.get(kind.parameter)
                if age is None:
                    continue
                gone, until = 0, age.until(now)
                for cluster in await self._clusters(kind):
                    if how.clusters and cluster not in how.clusters:
                        continue
                    if kind.parameter in how.archived and not how.script:
                        gone += await self.archiver.run(kind, cluster, age, until, how.directory)
                    else:
                        gone += await self._remove(kind, cluster, until)
                if gone:
                    log.info(f"{kind.parameter}={age}: {gone} records removed")
            for name, column in purge.FILES.items():
                age = ages.get(name)
                if age is not None:
                    await self._remove_files(column, age.until(now))

    def how(self) -> How:
        """What slurmdbd.conf says."""
        conf = self.service.conf
        archived = frozenset(kind.parameter for kind in purge.KINDS.values() if getattr(conf, ARCHIVES[kind.parameter]))
        return How(str(conf.ArchiveDir), archived, script=str(conf.ArchiveScript or ""))

    # -- asked for by sacctmgr -----------------------------------------------------------------------------------

    async def dump(self, args: Mapping[str, Any]) -> None:
        """`archive dump`: ``ages`` (parameter: text), ``archive`` (parameters), ``directory``, ``script``,
        ``clusters``; what is left out is as slurmdbd.conf says. Raises SlurmError and OSError."""
        ages, names = self.ages(), {kind.parameter for kind in purge.KINDS.values()}
        for name, text in dict(args.get("ages") or {}).items():
            if name not in names:
                raise SlurmError("SLURM_ERROR", f"archive dump: {name} is no age of records")
            try:
                ages[name] = purge_time.parse(str(text))
            except ValueError as error:
                raise SlurmError("SLURM_ERROR", str(error)) from None
        wanted = frozenset(str(name) for name in args.get("archive") or ())
        if not all(ages.get(name) for name in wanted):
            raise SlurmError("SLURM_ERROR")  # nothing says how old what is to be archived is
        clusters = frozenset(str(name).lower() for name in args.get("clusters") or ())
        if clusters - set(self.service.books.clusters) and any(ages.values()):
            raise SlurmError("SLURM_ERROR")
        usual = self.how()
        how = How(
            str(args.get("directory") or usual.directory),
            usual.archived | wanted,
            clusters,
            str(args.get("script") or usual.script),
        )
        await self.run(ages, int(time.time()), how)

    async def load(self, path: str) -> int:
        """`archive load`: the records of a file; how many. Raises SlurmError and OSError, and then none are loaded."""
        from .archive_loading import Loading

        recorder = self.service.recorder
        loop = asyncio.get_running_loop()
        async with self.lock:
            file = await loop.run_in_executor(None, Loading, path, frozenset(self.service.books.clusters))

            def work(connection: sa.Connection) -> int:
                try:
                    return file.write(connection)
                finally:
                    if recorder is not None:
                        recorder.forget()

            count: int = await self.database.write(work)
        log.info(f"archive: {count} records loaded from {path}")
        return count

    async def _clusters(self, kind: purge.Kind) -> list[str]:
        return await self.database.read(lambda connection: purge.clusters(kind, connection))

    async def _remove(self, kind: purge.Kind, cluster: str, until: int) -> int:
        gone, after = 0, None
        while True:
            seen = after

            def find(connection: sa.Connection, seen: Any = seen) -> list[purge.Key]:
                return purge.old_rows(kind, connection, cluster, until, seen)

            keys = await self.database.read(find)
            if not keys:
                return gone

            def work(connection: sa.Connection, keys: list[purge.Key] = keys) -> int:
                return purge.remove(kind, connection, cluster, until, keys)

            gone += await self.database.write(work)
            after = keys[-1]

    async def _remove_files(self, column: str, until: int) -> None:
        after = 0
        while True:
            seen = after

            def find(connection: sa.Connection, seen: int = seen) -> list[int]:
                return purge.old_files(column, connection, until, seen)

            numbers = await self.database.read(find)
            if not numbers:
                return

            def work(connection: sa.Connection, numbers: list[int] = numbers) -> None:
                purge.remove_files(column, connection, numbers)

            await self.database.write(work)
            after = numbers[-1]


def _marks(connection: sa.Connection) -> dict[str, int]:
    found = {unit: notes.get(connection, _name(unit)) for unit in purge_time.UNITS}
    return {unit: int(value) for unit, value in found.items() if value}


def _mark(connection: sa.Connection, starts: Mapping[str, int]) -> None:
    for unit, start in starts.items():
        notes.put(connection, _name(unit), str(start))


def _name(unit: str) -> str:
    return f"purged {unit}"


# ---- methods; each is a stream of one part, as it may take long


async def archive_dump(service: Service, peer: Peer, args: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """See `Purging.dump` -> ``{}``. It goes on if whoever asked goes away."""
    await _whole(service, _purging(service).dump(args))
    yield {}


async def archive_load(service: Service, peer: Peer, args: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """``file``, a path of slurmdbd's host -> ``records``, how many were loaded. Raises SlurmError, with data["errno"]
    if the file cannot be read."""
    path = str(args.get("file") or "")
    if not path or "\0" in path:
        raise SlurmError("SLURM_ERROR")
    count = await _whole(service, _purging(service).load(os.path.abspath(path)))
    yield {"records": count}


def _purging(service: Service) -> Purging:
    if service.conf.DisableArchiveCommands:
        raise SlurmError("ESLURM_DISABLED", "archive commands are disabled by DisableArchiveCommands of slurmdbd.conf")
    assert service.purging is not None
    return service.purging


async def _whole(service: Service, work: Coroutine[Any, Any, Any]) -> Any:
    """The result of `work`, which is ended by the end of the daemon only."""
    done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def run() -> None:
        try:
            result = await work
        except Exception as error:
            if done.cancelled():
                raise
            done.set_exception(_told(error) if isinstance(error, SlurmError | OSError) else error)
        else:
            if not done.cancelled():
                done.set_result(result)
        finally:
            if not done.done():
                done.set_exception(SlurmError("SLURM_ERROR"))

    service.run(run())
    return await done


def _told(error: SlurmError | OSError) -> SlurmError:
    log.error(f"archive: {error.message if isinstance(error, SlurmError) else error}")
    if isinstance(error, SlurmError):
        return error
    name = f"{error.filename}: " if error.filename else ""
    return SlurmError("SLURM_ERROR", f"{name}{error.strerror}", data={"errno": error.errno or 0})


STREAMS = {"archive_dump": archive_dump, "archive_load": archive_load}
