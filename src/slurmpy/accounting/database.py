"""The connection to the database: opening it, refusing a newer schema, one writer, several readers.

Which database that is, `storage` says. SQLAlchemy is imported when the first connection is opened, after the daemon
answers.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from slurmpy.core.errors import SlurmError

from . import ownership, storage

if TYPE_CHECKING:
    import sqlalchemy as sa

#: the schema that this release writes; `schema.SCHEMA_VERSION` is the same number (a test holds them together)
SCHEMA_VERSION = 6

READERS = 2

#: seconds after which a connection to a server is asked whether it still stands before it is used
IDLE = 1.0

Value = TypeVar("Value")


def check_sqlite(path: str) -> None:
    """Refuses a file of a newer release before anything touches it, and one that is no database; both untouched.

    Raises SlurmError with the reason. A missing file is made later; its directory must be there.
    """
    if not os.path.exists(path) or os.path.getsize(path) == 0:
        directory = os.path.dirname(path)
        if not os.path.isdir(directory):
            raise SlurmError("SLURM_ERROR", f"{path}: the directory of StorageLoc does not exist")
        if not os.access(directory, os.W_OK):
            raise SlurmError("SLURM_ERROR", f"{path}: the directory of StorageLoc is not writable")
        return
    from urllib.parse import quote

    try:
        connection = sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, timeout=10)
        try:
            row = connection.execute("SELECT value FROM slurmpy_meta WHERE name = 'schema'").fetchone()
            version = int(row[0]) if row is not None else 0
        finally:
            connection.close()
    except (sqlite3.Error, TypeError, ValueError) as error:
        if isinstance(error, sqlite3.OperationalError) and "no such table" in str(error):
            raise SlurmError("SLURM_ERROR", f"{path}: this database is none of slurmdbd's") from error
        raise SlurmError("SLURM_ERROR", f"{path}: cannot read the database: {error}") from error
    _check(version, path)


def _check(version: int, name: str) -> None:
    if version > SCHEMA_VERSION:
        raise SlurmError(
            "SLURM_ERROR",
            f"{name}: database has schema {version}, newer than this release's {SCHEMA_VERSION}; it is left untouched",
        )


class DatabaseFailed(SlurmError):
    """The database did not do what it was asked, and not for the sake of what it was told."""


class Database:
    """One database. `write` runs a function in the one writer's transaction, `read` in one of the readers' threads."""

    def __init__(self, conf: Any) -> None:
        self.conf = conf
        self.path = storage.sqlite_path(conf)
        self._writer = ThreadPoolExecutor(1, "slurmdbd-writer")
        self._readers = ThreadPoolExecutor(READERS, "slurmdbd-reader")
        self._engine: sa.Engine | None = None
        self._local = threading.local()
        self.ownership = ownership.Ownership(conf)
        self._owned: sa.Connection | None = None  # the writer's, which has the lock
        self._failing = False  # whether the last transaction of the writer failed for the database's sake
        #: called in the writer's thread when another slurmdbd has had the database since we opened it
        self.on_taken: Callable[[], None] = lambda: None

    # -- opening -------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """What can be said before SQLAlchemy is there: raises SlurmError for a database that must not be opened."""
        storage.check(self.conf)
        if self.path is not None:
            check_sqlite(self.path)

    def open(self) -> None:
        """Connects, makes the tables where there are none, brings older ones up to date. Blocking.

        This thread's connection is then the one that writes. Raises SlurmError: ESLURM_DB_CONNECTION if the server does
        not answer (yet), `InUse` while another slurmdbd has the database, another one for good.
        """
        import sqlalchemy as sa

        try:
            self.ownership.take_file()
        except OSError as error:
            raise SlurmError("SLURM_ERROR", f"{self.path}.lock: {error.strerror}") from error
        if self.path is not None and not os.path.exists(self.path):
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        engine = storage.connectable(self.conf)
        connection = None
        try:
            connection = engine.connect()
            self.ownership.take(connection)
            with connection.begin():
                self._prepare(connection)
                self.ownership.sign(connection)
        except BaseException as error:
            if connection is not None:
                connection.close()
            if isinstance(error, sa.exc.DBAPIError):
                raise failure(error, self.path is None) from error
            raise
        self._engine, self._owned = engine, connection
        self._local.connection, self._local.used = connection, time.monotonic()

    def version(self) -> int | None:
        """The schema that the database has: 0 before its tables are made, None if it holds tables of somebody else."""
        with storage.connectable(self.conf).connect() as connection:
            return self._version(connection)

    @staticmethod
    def _version(connection: sa.Connection) -> int | None:
        import sqlalchemy as sa

        tables = sa.inspect(connection).get_table_names()
        if "slurmpy_meta" not in tables:
            return None if tables else 0
        found = connection.execute(sa.text("SELECT value FROM slurmpy_meta WHERE name = 'schema'")).scalar()
        return int(found or 0)

    def _prepare(self, connection: sa.Connection) -> None:
        found, name = self._version(connection), storage.name_of(self.conf)
        if found is None:
            raise SlurmError("SLURM_ERROR", f"{name}: this database is none of slurmdbd's")
        _check(found, name)
        if found == SCHEMA_VERSION:
            return
        from . import migrations, schema

        if found:
            from slurmpy.rpc.log import log

            log.info(f"{name}: schema {found} is brought up to {SCHEMA_VERSION}")
            migrations.upgrade(connection)
            return
        # `slurmpy_meta` first: where each statement is a commit of its own, an interrupted start is known by it
        schema.meta.create(connection, checkfirst=True)
        schema.metadata.create_all(connection)
        migrations.mark(connection, SCHEMA_VERSION)

    def close(self) -> None:
        self._writer.submit(self._disown)
        self._writer.shutdown(wait=True)
        self._readers.shutdown(wait=True, cancel_futures=True)
        if self._engine is not None:
            self._engine.dispose()
        self.ownership.release()

    def _disown(self) -> None:
        if self._owned is not None and self.path is None:
            self._owned.close()

    # -- using ---------------------------------------------------------------------------------------------------

    def connection(self) -> sa.Connection:
        """This thread's own connection."""
        found: sa.Connection | None = getattr(self._local, "connection", None)
        if found is not None and not found.closed and self.path is None and time.monotonic() - self._local.used > IDLE:
            found = _alive(found)  # the server may have been restarted meanwhile
        if found is None or found.closed:
            assert self._engine is not None
            found = self._engine.connect()
            self._local.connection = found
        self._local.used = time.monotonic()
        return found

    def _owned_connection(self) -> sa.Connection:
        """The writer's connection; one that is new has the lock first. Raises SlurmError."""
        connection = self.connection()
        if self.path is None and connection is not self._owned:
            try:
                self.ownership.take(connection, ownership.LINGERING)
                if not self.ownership.is_ours(connection):
                    self.on_taken()
                    raise SlurmError("ESLURM_DB_CONNECTION", "another slurmdbd has had the database meanwhile")
            except BaseException:
                connection.invalidate()
                connection.close()
                raise
            self._owned = connection
        return connection

    def _in_transaction(
        self,
        work: Callable[[sa.Connection], Value],
        failed: Callable[[], None] | None = None,
        connect: Callable[[], sa.Connection] | None = None,
    ) -> Value:
        import sqlalchemy as sa

        from .refused import is_of_the_data

        connection = None
        try:
            connection = (connect or self.connection)()
            with connection.begin():
                return work(connection)
        except BaseException as error:
            if isinstance(error, sa.exc.DBAPIError) and connection is not None and not is_of_the_data(error):
                connection.invalidate()
                connection.close()
            if failed is not None:
                failed()
            if isinstance(error, sa.exc.DBAPIError):
                raise failure(error, self.path is None) from error
            raise

    async def write_opening(self) -> None:
        """`open()` in the writer's thread."""
        await asyncio.get_running_loop().run_in_executor(self._writer, self.open)

    async def write(self, work: Callable[[sa.Connection], Value], failed: Callable[[], None] | None = None) -> Value:
        """`work(connection)` in one transaction of the writer; returns after the commit.

        `failed()` is called, in the writer's thread and before anything else is written, if nothing was committed:
        `work` itself cannot know, for it is over when the commit fails.
        """
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._write, work, failed)

    def _write(self, work: Callable[[sa.Connection], Value], failed: Callable[[], None] | None) -> Value:
        """Tells once when the database takes nothing (a full disk, a server that is away), and when that is over."""
        from slurmpy.rpc.log import log

        try:
            found = self._in_transaction(work, failed, self._owned_connection)
        except DatabaseFailed as error:
            if not self._failing:
                self._failing = True
                log.error(f"{error.message}: nothing can be stored, what comes is refused until it can")
            raise
        if self._failing:
            self._failing = False
            log.info("the database takes what comes again")
        return found

    async def show_life(self) -> None:
        """Keeps a server from ending the writer's connection, for as long as this runs; and notices that it has."""
        while self.path is None:
            await asyncio.sleep(ownership.SIGN_OF_LIFE)
            try:
                await self.write(lambda connection: connection.exec_driver_sql("SELECT 1").scalar())
            except SlurmError:
                continue  # whoever wants to write is told

    async def read(self, work: Callable[[sa.Connection], Value]) -> Value:
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._in_transaction, work)

    async def parts(self, work: Callable[[sa.Connection], Iterator[Value]]) -> Any:
        """An async iterator over what `work(connection)` yields, fetched in a reader's thread one step ahead."""
        loop = asyncio.get_running_loop()
        lane = ThreadPoolExecutor(1, "slurmdbd-stream")
        end = object()
        iterator: list[Iterator[Value]] = []

        def step() -> Any:
            if not iterator:
                assert self._engine is not None
                connection = self._engine.connect()
                self._local.stream = connection
                iterator.append(work(connection))
            return next(iterator[0], end)

        def guarded() -> Any:
            import sqlalchemy as sa

            try:
                return step()
            except sa.exc.DBAPIError as error:
                raise failure(error, self.path is None) from error

        def finish() -> None:
            connection = getattr(self._local, "stream", None)
            if connection is not None:
                connection.close()

        try:
            ahead = loop.run_in_executor(lane, guarded)
            while True:
                part = await ahead
                if part is end:
                    break
                ahead = loop.run_in_executor(lane, guarded)
                yield part
        finally:
            await loop.run_in_executor(lane, finish)
            lane.shutdown(wait=False)


def _alive(connection: sa.Connection) -> sa.Connection | None:
    """The connection, or None if the server has closed it."""
    import sqlalchemy as sa

    try:
        with connection.begin():
            connection.exec_driver_sql("SELECT 1")
    except sa.exc.DBAPIError:
        connection.invalidate()
        connection.close()
        return None
    return connection


def failure(error: sa.exc.DBAPIError, server: bool) -> SlurmError:
    """A driver's error as ours; a server that is gone is told from a statement that failed, and from a value that the
    database never takes (`RefusedRecord`)."""
    import sqlalchemy as sa

    from .refused import RefusedRecord, is_of_the_data

    if is_of_the_data(error):
        return RefusedRecord(f"database: {storage.one_line(error)}")
    gone = server and (error.connection_invalidated or isinstance(error, sa.exc.OperationalError))
    return DatabaseFailed("ESLURM_DB_CONNECTION" if gone else "SLURM_ERROR", f"database: {storage.one_line(error)}")
