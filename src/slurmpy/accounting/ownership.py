"""One slurmdbd at a time writes to a database: a lock that goes with its process, whatever ends it.

SQLite: flock(2) on a file beside the database. MariaDB and PostgreSQL: a lock of the writer's own connection, so that
who can write has it; a server that is told nothing any more (a host without power, a process that is stopped) gives it
up after `SILENCE`. Who has lost it and finds, once he has it again, that another slurmdbd had the database meanwhile
must not go on: what he remembers of the books is old.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
import time
from typing import TYPE_CHECKING, Any

from slurmpy.core.errors import SlurmError

from . import storage

if TYPE_CHECKING:
    import sqlalchemy as sa

#: seconds after which a server ends the connection of a writer that says nothing, and how often a writer says something
SILENCE, SIGN_OF_LIFE = 60, 20
#: seconds to wait for the lock of one's own last connection, which the server has not noticed the end of yet
LINGERING = 10.0
#: seconds that somebody else may still have it when a slurmdbd starts: one that is just ending
ENDING = 10.0

#: the name in `slurmpy_meta` of who has the database
OWNER = "owner"
#: PostgreSQL's name of the lock, within the database
_ADVISORY = 0x736C75726D646264
_NOT_SUPPORTED = 1235  # MariaDB in a Galera cluster


class InUse(SlurmError):
    """Another slurmdbd has the database."""

    def __init__(self, name: str, who: str) -> None:
        super().__init__("ESLURM_DB_CONNECTION", f"{name}: in use by another slurmdbd{who and f' ({who})'}")


class Ownership:
    """This process's claim to one database."""

    def __init__(self, conf: Any) -> None:
        self._conf = conf
        self._path = storage.sqlite_path(conf)
        self._file: int | None = None
        self._token = secrets.token_hex(16)
        self._told = False

    def take_file(self) -> None:
        """SQLite's lock. Raises InUse, OSError."""
        if self._path is None or self._file is not None:
            return
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        handle = os.open(f"{self._path}.lock", flags, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = os.pread(handle, 200, 0).decode(errors="replace").strip()
            os.close(handle)
            raise InUse(self._path, " ".join(who.split())) from None
        except OSError:
            os.close(handle)
            raise
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{_self()}\n".encode(), 0)
        self._file = handle

    def take(self, connection: sa.Connection, patience: float = 0.0) -> None:
        """A server's lock for `connection`, which is to be the only one that writes. Raises InUse, DBAPIError."""
        kind = storage.kind_of(self._conf)
        if kind == "sqlite":
            return
        until = time.monotonic() + patience
        while True:
            with connection.begin():
                if self._try_mysql(connection) if kind == "mysql" else _try_postgresql(connection):
                    return
                who = _owner(connection).get("who", "")
            if time.monotonic() >= until:
                raise InUse(storage.name_of(self._conf), str(who)[:200])
            time.sleep(0.1)

    def _try_mysql(self, connection: sa.Connection) -> bool:
        import sqlalchemy as sa

        connection.exec_driver_sql(f"SET SESSION wait_timeout = {SILENCE}")
        # a name is the whole server's, and bounded
        lock = sa.text("SELECT GET_LOCK(CONCAT('slurmdbd-', SHA1(DATABASE())), 0)")
        try:
            return connection.execute(lock).scalar() == 1
        except sa.exc.DBAPIError as error:
            if error.orig is None or error.orig.args[:1] != (_NOT_SUPPORTED,):
                raise
            if not self._told:
                from slurmpy.rpc.log import log

                self._told = True
                log.error("this database server has no locks: a second slurmdbd on it would not be noticed")
            return True

    def sign(self, connection: sa.Connection) -> None:
        """Notes in the database whose it is, in the caller's transaction."""
        from . import notes

        notes.put(connection, OWNER, json.dumps({"token": self._token, "who": _self()}))

    def is_ours(self, connection: sa.Connection) -> bool:
        """Whether nobody else has signed since we did."""
        with connection.begin():
            return bool(_owner(connection).get("token") == self._token)

    def release(self) -> None:
        """SQLite's lock; a server's goes with its connection."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _try_postgresql(connection: sa.Connection) -> bool:
    import sqlalchemy as sa

    connection.execute(sa.text(f"SET tcp_keepalives_idle = {SIGN_OF_LIFE}"))
    connection.execute(sa.text(f"SET tcp_keepalives_interval = {SIGN_OF_LIFE // 2}"))
    connection.execute(sa.text("SET tcp_keepalives_count = 4"))
    if (connection.dialect.server_version_info or (0,)) >= (14,):
        connection.execute(sa.text(f"SET idle_session_timeout = '{SILENCE}s'"))
    return bool(connection.execute(sa.text(f"SELECT pg_try_advisory_lock({_ADVISORY})")).scalar())


def _owner(connection: sa.Connection) -> dict[str, Any]:
    import sqlalchemy as sa

    from . import notes, schema

    if schema.meta.name not in sa.inspect(connection).get_table_names():
        return {}
    return dict(json.loads(notes.get(connection, OWNER) or "{}"))


def _self() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"
