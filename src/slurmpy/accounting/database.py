"""The connection to the database: opening it, refusing a newer schema, one writer, several readers.

SQLite is the default (`StorageType=accounting_storage/sqlite`, ours, StorageLoc the file); MySQL/MariaDB and PostgreSQL
go through the same tables where their drivers are installed. SQLAlchemy is imported when the first connection is
opened, after the daemon answers.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from slurmpy.core.errors import SlurmError

if TYPE_CHECKING:
    import sqlalchemy as sa

#: the schema that this release writes; `schema.SCHEMA_VERSION` is the same number (a test holds them together)
SCHEMA_VERSION = 1

READERS = 2

Value = TypeVar("Value")

#: WAL: readers do not wait for the writer. FULL: a commit that was confirmed is on the disk.
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "busy_timeout=10000",
    "cache_size=-32000",
    "mmap_size=268435456",
)


def sqlite_path(conf: Any) -> str | None:
    """The database's file, or None when it is another kind of database. Raises SlurmError for a kind we do not have."""
    kind = str(conf.StorageType or "accounting_storage/sqlite").rpartition("/")[2]
    if kind != "sqlite":
        return None
    place = str(conf.StorageLoc or "")
    if "/" not in place:
        place = os.path.join(os.path.dirname(os.path.abspath(conf.path)), place or "slurmdbd.sqlite")
    return place


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


class Database:
    """One database. `write` runs a function in the one writer's transaction, `read` in one of the readers' threads."""

    def __init__(self, conf: Any) -> None:
        self.conf = conf
        self.path = sqlite_path(conf)
        self._writer = ThreadPoolExecutor(1, "slurmdbd-writer")
        self._readers = ThreadPoolExecutor(READERS, "slurmdbd-reader")
        self._engine: sa.Engine | None = None
        self._local = threading.local()

    # -- opening -------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """What can be said before SQLAlchemy is there: raises SlurmError for a database that must not be opened."""
        if self.path is not None:
            check_sqlite(self.path)

    def _url(self) -> sa.URL:
        import sqlalchemy as sa

        conf = self.conf
        if self.path is not None:
            return sa.URL.create("sqlite", database=self.path)
        kind = str(conf.StorageType).rpartition("/")[2]
        driver = {"mysql": "mysql+pymysql", "postgresql": "postgresql+psycopg"}.get(kind)
        if driver is None:
            raise SlurmError("SLURM_ERROR", f"StorageType={conf.StorageType} is not supported")
        return sa.URL.create(
            driver,
            username=str(conf.StorageUser or "") or None,
            password=str(conf.StoragePass or "") or None,
            host=str(conf.StorageHost or "localhost"),
            port=int(conf.StoragePort or 0) or None,
            database=str(conf.StorageLoc or "slurm_acct_db"),
        )

    def open(self) -> None:
        """Connects and makes the tables where there are none. Blocking; raises SlurmError."""
        import sqlalchemy as sa

        from . import schema

        url = self._url()
        if self.path is not None and not os.path.exists(self.path):
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        try:
            engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
        except ImportError as error:
            raise SlurmError("SLURM_ERROR", f"StorageType={self.conf.StorageType} needs {error.name}") from error
        if self.path is not None:
            sa.event.listen(engine, "connect", _tune_sqlite)
        try:
            with engine.begin() as connection:
                if sa.inspect(connection).has_table("slurmpy_meta"):
                    found = connection.execute(
                        sa.select(schema.meta.c.value).where(schema.meta.c.name == "schema")
                    ).scalar()
                    _check(int(found or 0), str(self.conf.StorageLoc or self.path))
                else:
                    schema.metadata.create_all(connection)
                    connection.execute(schema.meta.insert().values(name="schema", value=str(schema.SCHEMA_VERSION)))
        except sa.exc.DBAPIError as error:
            raise SlurmError("SLURM_ERROR", f"cannot open the database: {error.orig}") from error
        self._engine = engine

    def close(self) -> None:
        self._writer.shutdown(wait=True)
        self._readers.shutdown(wait=True, cancel_futures=True)
        if self._engine is not None:
            self._engine.dispose()

    # -- using ---------------------------------------------------------------------------------------------------

    def connection(self) -> sa.Connection:
        """This thread's own connection."""
        found: sa.Connection | None = getattr(self._local, "connection", None)
        if found is None or found.closed:
            assert self._engine is not None
            found = self._engine.connect()
            self._local.connection = found
        return found

    def _in_transaction(
        self, work: Callable[[sa.Connection], Value], failed: Callable[[], None] | None = None
    ) -> Value:
        import sqlalchemy as sa

        try:
            connection = self.connection()
            try:
                with connection.begin():
                    return work(connection)
            except sa.exc.DBAPIError as error:
                connection.close()
                raise SlurmError("SLURM_ERROR", f"database: {error.orig}") from error
        except BaseException:
            if failed is not None:
                failed()
            raise

    async def write_opening(self) -> None:
        """`open()` in the writer's thread."""
        await asyncio.get_running_loop().run_in_executor(self._writer, self.open)

    async def write(self, work: Callable[[sa.Connection], Value], failed: Callable[[], None] | None = None) -> Value:
        """`work(connection)` in one transaction of the writer; returns after the commit.

        `failed()` is called, in the writer's thread and before anything else is written, if nothing was committed:
        `work` itself cannot know, for it is over when the commit fails.
        """
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._in_transaction, work, failed)

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

        def finish() -> None:
            connection = getattr(self._local, "stream", None)
            if connection is not None:
                connection.close()

        try:
            ahead = loop.run_in_executor(lane, step)
            while True:
                part = await ahead
                if part is end:
                    break
                ahead = loop.run_in_executor(lane, step)
                yield part
        finally:
            await loop.run_in_executor(lane, finish)
            lane.shutdown(wait=False)


def _tune_sqlite(connection: sqlite3.Connection, record: object) -> None:
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
