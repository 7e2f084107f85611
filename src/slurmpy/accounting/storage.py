"""Where the database is: StorageType and its companions in slurmdbd.conf, as an engine of SQLAlchemy.

`accounting_storage/sqlite` (ours, the default: StorageLoc is a file), `accounting_storage/mysql` (MariaDB and MySQL, by
PyMySQL) and `accounting_storage/postgresql` (by psycopg). Passwords go to the driver only, never into a text.
"""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Any

from slurmpy.core.errors import SlurmError

if TYPE_CHECKING:
    import sqlalchemy as sa

#: kind of StorageType: (SQLAlchemy's driver, the package to install)
DRIVERS = {"mysql": ("mysql+pymysql", "PyMySQL"), "postgresql": ("postgresql+psycopg", "psycopg[binary]")}

#: seconds until a server that does not answer counts as away
CONNECT_TIMEOUT = 10
#: seconds that StoragePassScript may take
SCRIPT_TIMEOUT = 30

#: where MariaDB's own clients look when the host is this one and no port is given, in Debian and in Red Hat; nowhere
#: that anybody may make a socket, for it would be told the password
SOCKETS = ("/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock")

#: words of StorageParameters (slurmdbd.conf(5)) and what the drivers call them
SSL_WORDS = {
    "mysql": {"SSL_CA": "ca", "SSL_CAPATH": "capath", "SSL_CERT": "cert", "SSL_CIPHER": "cipher", "SSL_KEY": "key"},
    "postgresql": {"SSL_CA": "sslrootcert", "SSL_CERT": "sslcert", "SSL_KEY": "sslkey"},
    "sqlite": {},
}

#: WAL: readers do not wait for the writer. FULL: a commit that was confirmed is on the disk. Nothing is mapped: that
#: saved no time when measured, and the pages would count as memory of the daemon. What is committed goes from the log
#: to its places only every 40 MB: records touch pages all over large books, many of them again and again.
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "wal_autocheckpoint=10000",
    "busy_timeout=10000",
    "cache_size=-32000",
)


def refused(text: str) -> SlurmError:
    return SlurmError("SLURM_ERROR", text)


def kind_of(conf: Any) -> str:
    """``sqlite``, ``mysql`` or ``postgresql``. Raises SlurmError for a StorageType that we do not have."""
    plugin = str(conf.StorageType or "accounting_storage/sqlite")
    kind = plugin.rpartition("/")[2]
    if kind != "sqlite" and kind not in DRIVERS:
        raise refused(f"StorageType={plugin} is not supported: use accounting_storage/sqlite, mysql or postgresql")
    return kind


def sqlite_path(conf: Any) -> str | None:
    """The database's file, or None when it is another kind of database. Raises SlurmError for a kind we do not have."""
    if kind_of(conf) != "sqlite":
        return None
    place = str(conf.StorageLoc or "")
    if "/" not in place:
        place = os.path.join(os.path.dirname(os.path.abspath(conf.path)), place or "slurmdbd.sqlite")
    return place


def name_of(conf: Any) -> str:
    """What messages call the database."""
    return sqlite_path(conf) or f"{conf.StorageLoc or DEFAULT_NAME} at {conf.StorageHost or 'localhost'}"


#: StorageLoc where it is not set (slurmdbd.conf(5))
DEFAULT_NAME = "slurm_acct_db"


def parameters(conf: Any) -> dict[str, str]:
    """StorageParameters in the driver's words. Raises SlurmError for one that the database cannot be given."""
    kind = kind_of(conf)
    found = {}
    for piece in str(conf.StorageParameters or "").split(","):
        name, equals, value = piece.strip().partition("=")
        if not name:
            continue
        word = SSL_WORDS[kind].get(name.upper())
        if word is None or not equals or not value:
            raise refused(f"StorageParameters: {piece.strip()} is not supported with accounting_storage/{kind}")
        found[word] = value
    return found


def password(conf: Any) -> str:
    """StoragePass, or what StoragePassScript prints. Blocking; raises SlurmError."""
    script = str(conf.StoragePassScript or "")
    if not script:
        return str(conf.StoragePass or "")
    import subprocess

    if not os.path.isabs(script):
        raise refused(f"StoragePassScript={script} is no absolute path")
    try:
        done = subprocess.run(
            [script], stdin=subprocess.DEVNULL, capture_output=True, timeout=SCRIPT_TIMEOUT, check=False, text=True
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError) as error:
        raise refused(
            f"StoragePassScript={script}: {getattr(error, 'strerror', None) or type(error).__name__}"
        ) from None
    if done.returncode:
        raise refused(f"StoragePassScript={script}: exit code {done.returncode}")
    return done.stdout.rstrip("\n")


def check(conf: Any) -> None:
    """What can be said before a driver is loaded. Raises SlurmError for a database that must not be opened."""
    path = sqlite_path(conf)
    parameters(conf)
    if path is None:
        import importlib.util

        kind = kind_of(conf)
        driver, package = DRIVERS[kind]
        if importlib.util.find_spec(driver.partition("+")[2]) is None:
            raise refused(f"StorageType=accounting_storage/{kind} needs the Python package {package}")


def _url(conf: Any, host: str, database: str | None) -> sa.URL:
    import sqlalchemy as sa

    kind = kind_of(conf)
    port = int(conf.StoragePort or 0) or None
    query = {}
    place: str | None = host
    if kind == "mysql":
        query = {"charset": "utf8mb4"}
        local = host if host.startswith("/") else ""
        if host == "localhost" and port is None:
            local = next((path for path in SOCKETS if os.path.exists(path)), "")
        if local:
            query["unix_socket"], place = local, "localhost"
    elif host.startswith("/"):
        query, place = {"host": host}, None  # the directory of the server's socket
    return sa.URL.create(
        DRIVERS[kind][0],
        username=str(conf.StorageUser or "") or _own_name(),
        password=password(conf) or None,
        host=place,
        port=port,
        database=database,
        query=query,
    )


def _own_name() -> str:
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name


def hosts(conf: Any) -> list[str]:
    """StorageHost, then StorageBackupHost."""
    return [str(host) for host in (conf.StorageHost or "localhost", conf.StorageBackupHost) if host]


def engine(conf: Any, host: str = "", database: str | None = None, **more: Any) -> sa.Engine:
    """An engine without a pool: every thread keeps a connection of its own. Raises SlurmError."""
    import sqlalchemy as sa

    path, kind = sqlite_path(conf), kind_of(conf)
    if path is not None:
        made = sa.create_engine(sa.URL.create("sqlite", database=path), poolclass=sa.pool.NullPool)
        sa.event.listen(made, "connect", _tune_sqlite)
        sa.event.listen(made, "begin", _begin)
        return made
    given = parameters(conf)
    arguments: dict[str, Any] = {"connect_timeout": CONNECT_TIMEOUT}
    if kind == "mysql":
        if given:
            arguments["ssl"] = given
    else:
        arguments |= given | {"application_name": "slurmdbd"}
        if given:
            arguments["sslmode"] = "verify-full" if "sslrootcert" in given else "require"
    name = database if database is not None else str(conf.StorageLoc or DEFAULT_NAME)
    return sa.create_engine(
        _url(conf, host or hosts(conf)[0], name or None), poolclass=sa.pool.NullPool, connect_args=arguments, **more
    )


def connectable(conf: Any) -> sa.Engine:
    """The engine of the first host that answers; the database is made where it is missing. Blocking.

    Raises SlurmError: ESLURM_DB_CONNECTION while no host answers (to be tried again), another one for good.
    """
    import sqlalchemy as sa

    if sqlite_path(conf) is not None:
        return engine(conf)
    last: Exception | None = None
    for host in hosts(conf):
        made = engine(conf, host)
        try:
            try:
                made.connect().close()
            except sa.exc.DBAPIError as error:
                if not _is_missing(error):
                    raise
                _create(conf, host)
                made.connect().close()
            return made
        except sa.exc.DBAPIError as error:
            last = error
    assert isinstance(last, sa.exc.DBAPIError)
    raise SlurmError("ESLURM_DB_CONNECTION", f"{name_of(conf)}: {one_line(last)}") from last


def one_line(error: sa.exc.DBAPIError) -> str:
    """The driver's own words in one line; statements and values of ours are not in it."""
    seen = error.orig
    text = seen.args[1] if seen is not None and len(seen.args) > 1 else seen
    return " ".join(str(text).split())


def _is_missing(error: sa.exc.DBAPIError) -> bool:
    """The server is there and has no such database: MariaDB's ER_BAD_DB_ERROR; libpq gives a text only."""
    seen: Any = error.orig
    text = str(seen)
    return (seen is not None and seen.args[:1] == (1049,)) or (
        type(seen).__module__.startswith("psycopg") and 'database "' in text and "does not exist" in text
    )


def _create(conf: Any, host: str) -> None:
    import sqlalchemy as sa

    kind = kind_of(conf)
    made = engine(conf, host, "" if kind == "mysql" else "postgres", isolation_level="AUTOCOMMIT")
    name = made.dialect.identifier_preparer.quote_identifier(str(conf.StorageLoc or DEFAULT_NAME))
    more = " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin" if kind == "mysql" else " ENCODING 'UTF8' TEMPLATE template0"
    with made.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name.replace(':', chr(92) + ':')}{more}"))


def _tune_sqlite(connection: sqlite3.Connection, record: object) -> None:
    # the driver's own notion of transactions leaves out changes of the layout: `_begin` opens them all
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN")
