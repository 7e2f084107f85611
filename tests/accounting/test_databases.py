"""SQLite, MariaDB and PostgreSQL: the layout from release to release, and servers that come, go and die."""

from __future__ import annotations

import hashlib
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from slurmpy.accounting import migrations, schema, storage
from slurmpy.accounting.database import SCHEMA_VERSION, Database
from slurmpy.accounting.main import run as slurmdbd
from slurmpy.accounting.migrations.versions import r0001_first
from slurmpy.conf import slurmdbd_conf
from slurmpy.core.errors import SlurmError

from .dbd import Slurmdbd, running, start_and_end
from .servers import DATABASES, KINDS, own, storage_lines

SERVERS = [param for param in DATABASES if param.values[0] != "sqlite"]


def conf_of(place: Path, lines: str) -> Any:
    path = place / "slurmdbd.conf"
    path.write_text(f"DbdHost=localhost\n{lines}")
    path.chmod(0o600)
    return slurmdbd_conf.load(str(path))


@pytest.fixture(params=DATABASES)
def conf(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return conf_of(tmp_path, storage_lines(request.param, tmp_path))


@pytest.fixture
def first(conf: Any) -> sa.Engine:
    """A database as the first release made it, with a row in every table."""
    engine = storage.connectable(conf)
    with engine.begin() as connection:
        migrations.upgrade(connection, migrations.FIRST)
        migrations.marks.drop(connection)  # the first release had no such table
        for table in tables_of(connection):
            if table.name != "slurmpy_meta":
                connection.execute(table.insert(), [row_of(table, number) for number in (1, 2)])
    return engine


def tables_of(connection: sa.Connection) -> list[sa.Table]:
    found = sa.MetaData()
    # no release has ever written into `usage`, and the second revision takes it away
    found.reflect(connection, only=[name for name in r0001_first.TABLES if name != "usage"])
    return list(found.sorted_tables)


def row_of(table: sa.Table, number: int) -> dict[str, Any]:
    """A row that could be told from any other; `number` is every numeric part of its key."""
    kinds = {text.partition(":")[0]: text.partition(":")[2] for text in r0001_first.TABLES[table.name][0].split()}
    row: dict[str, Any] = {}
    for at, (name, kind) in enumerate(kinds.items()):
        if kind.startswith(("number", "big", "small")):
            row[name] = number if name in r0001_first.TABLES[table.name][1] else 100 * at + number
        elif kind.startswith("real"):
            row[name] = at + 0.5
        elif kind == "flag":
            row[name] = number == 1
        elif kind == "key":
            row[name] = f"{name}-{number}-ä€😀"
        elif kind == "word":
            row[name] = f"w{number}"
        else:
            row[name] = "" if name in ("qos_own", "delta_qos", "clusters", "preempt") else f"{name} {number} ä€😀"
    return row


def contents(connection: sa.Connection) -> dict[str, list[dict[str, Any]]]:
    return {
        table.name: [dict(row._mapping) for row in connection.execute(table.select().order_by(*table.primary_key))]
        for table in tables_of(connection)
        if table.name != "slurmpy_meta"
    }


def opened(conf: Any) -> None:
    database = Database(conf)
    database.check()
    try:
        database.open()
    finally:
        database.close()


def differences(engine: sa.Engine) -> list[Any]:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), schema.metadata)
    return [one for one in found if not _same_float(one)]


def _same_float(difference: Any) -> bool:
    """PostgreSQL calls FLOAT(53) DOUBLE PRECISION."""
    changes = difference if isinstance(difference, list) else [difference]
    return all(
        one[0] == "modify_type" and isinstance(one[-1], sa.Float) and isinstance(one[-2], sa.Float) for one in changes
    )


def test_a_fresh_database_and_an_upgraded_one_have_one_layout(conf: Any, first: sa.Engine, tmp_path: Path) -> None:
    opened(conf)
    assert differences(first) == []
    place = tmp_path / "fresh"
    place.mkdir()
    other = conf_of(place, storage_lines(storage.kind_of(conf), place))
    opened(other)
    fresh = storage.connectable(other)
    assert differences(fresh) == []
    for engine in (first, fresh):
        with engine.connect() as connection:
            marks = dict(connection.execute(sa.select(schema.meta).where(schema.meta.c.name == "schema")).all())  # type: ignore[arg-type]
            assert marks == {"schema": str(SCHEMA_VERSION)}
            if engine is first and int(migrations.FIRST) == SCHEMA_VERSION:
                continue  # nothing was due
            assert connection.execute(sa.select(migrations.marks)).scalar() == migrations.revision_of(SCHEMA_VERSION)


def test_the_newest_revision_is_the_schema_of_this_release() -> None:
    names = sorted(path.name for path in Path(r0001_first.__file__).parent.glob("r[0-9]*.py"))
    assert [int(name[1:5]) for name in names] == list(range(1, SCHEMA_VERSION + 1))


def test_an_upgrade_keeps_every_row(conf: Any, first: sa.Engine) -> None:
    with first.connect() as connection:
        before = contents(connection)
    assert all(len(rows) == 2 for rows in before.values())
    opened(conf)
    opened(conf)
    with first.connect() as connection:
        after = contents(connection)
    for name, rows in before.items():
        kept = [{column: row[column] for column in rows[0]} for row in after[name]]
        assert kept == rows, name


def daemon_of(conf: Any, tmp_path: Path) -> Slurmdbd:
    """A slurmdbd, not started, on the database of `conf`, whose file it replaces."""
    daemon = Slurmdbd(tmp_path, storage.kind_of(conf))
    text = (tmp_path / "slurmdbd.conf").read_text()
    wanted = [f"{name}={getattr(conf, name)}" for name in ("StorageHost", "StorageLoc", "StoragePass")]
    kept = [line for line in text.splitlines() if not line.startswith(("StorageHost", "StorageLoc", "StoragePass"))]
    (tmp_path / "slurmdbd.conf").write_text("\n".join([*kept, *(w for w in wanted if not w.endswith("=None"))]) + "\n")
    return daemon


def test_an_upgraded_database_serves(tmp_path: Path, conf: Any, first: sa.Engine) -> None:
    daemon = daemon_of(conf, tmp_path)
    daemon.start()
    try:
        jobs = daemon.rows("jobs", ("job_id", "name", "account"), {"duplicates": True})
        assert sorted(tuple(row) for row in jobs) == [
            (100 * 2 + number, f"name {number} ä€😀", f"account {number} ä€😀") for number in (1, 2)
        ]
        assert [row[0] for row in daemon.rows("accounts", ("name",))] == [f"name-{number}-ä€😀" for number in (1, 2)]
    finally:
        daemon.stop()


def test_an_interrupted_upgrade_goes_on(conf: Any, first: sa.Engine) -> None:
    """The connection breaks after each statement in turn; what was done stays where DDL is no transaction. Elsewhere
    all these lead back to the beginning, and some of them are enough."""
    with first.connect() as connection:
        before = contents(connection)
    for limit in range(1, 1000, 1 if first.dialect.name == "mysql" else 7):
        engine, count = storage.connectable(conf), iter(range(limit))

        def stop(*_: Any, count: Any = count) -> None:
            if next(count, None) is None:
                raise InterruptedError

        sa.event.listen(engine, "before_cursor_execute", stop)
        try:
            with engine.begin() as connection:
                migrations.upgrade(connection)
            break
        except InterruptedError:
            engine.dispose()
    opened(conf)
    assert differences(first) == []
    with first.connect() as connection:
        after = contents(connection)
    assert {name: len(rows) for name, rows in after.items()} == {name: len(rows) for name, rows in before.items()}


#: slurmdbd, killed before a change of the database: the one of the number that it is given
KILLED = """
import os, signal, sys
import sqlalchemy as sa
from slurmpy.accounting import database
from slurmpy.accounting.main import run

left, opened = iter(range(int(sys.argv[1]))), database.Database.open

@sa.event.listens_for(sa.engine.Engine, "before_cursor_execute")
def count(connection, cursor, statement, *_):
    if statement.split()[0].upper() in ("CREATE", "ALTER", "INSERT", "UPDATE", "DELETE", "DROP"):
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

def open_and_end(self):
    opened(self)
    os._exit(0)

database.Database.open = open_and_end
sys.exit(run(["-D"]))
"""


def test_slurmdbd_killed_in_the_middle_of_an_upgrade(conf: Any, first: sa.Engine, tmp_path: Path) -> None:
    """kill -9 again and again, a little further each time; the next start completes it, and every row is there."""
    with first.connect() as connection:
        before = contents(connection)
    first.dispose()
    daemon = daemon_of(conf, tmp_path)
    changes = killed = 0
    while True:
        done = subprocess.run([sys.executable, "-c", KILLED, str(changes)], env=daemon.environment, timeout=120,
                              capture_output=True, check=False)  # fmt: skip
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()
        killed += 1
        changes = 2 * changes + 1
    assert killed >= 3
    daemon.start()
    try:
        jobs = daemon.rows("jobs", ("job_id",), {"duplicates": True})
        assert sorted(row[0] for row in jobs) == [201, 202]
    finally:
        daemon.stop()
    assert differences(first) == []
    with first.connect() as connection:
        after = contents(connection)
    for name, rows in before.items():
        kept = [{column: row[column] for column in rows[0]} for row in after[name]]
        assert kept[: len(rows)] == rows, name


def test_an_interrupted_first_start_goes_on(conf: Any) -> None:
    engine = storage.connectable(conf)
    with engine.begin() as connection:
        schema.meta.create(connection)
        schema.accounts.create(connection)
    opened(conf)
    assert differences(engine) == []


def test_a_newer_schema_is_left_untouched(conf: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    opened(conf)
    engine = storage.connectable(conf)
    with engine.begin() as connection:
        connection.execute(schema.meta.update().where(schema.meta.c.name == "schema").values(value="999"))
        connection.execute(
            schema.accounts.insert().values(name="x", description="", organization="", flags="", creation_time=1)
        )
        before = contents(connection)
    path = storage.sqlite_path(conf)
    if path is not None:
        with engine.connect() as connection:
            connection.exec_driver_sql("ROLLBACK")
            connection.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    digest = hashlib.sha256(Path(path).read_bytes()).digest() if path else b""
    with pytest.raises(SlurmError, match="schema 999, newer than this release"):
        opened(conf)
    assert slurmdbd(["-f", conf.path, "-D"]) == 1 if path else True
    assert slurmdbd(["-f", conf.path, "-u"]) == 1
    assert "schema 999" in capsys.readouterr().err
    assert digest == (hashlib.sha256(Path(path).read_bytes()).digest() if path else b"")
    with engine.connect() as connection:
        assert contents(connection) == before


def test_tables_of_somebody_else_are_left_alone(conf: Any) -> None:
    engine = storage.connectable(conf)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE acct_table (name VARCHAR(10))"))
    with pytest.raises(SlurmError, match="none of slurmdbd's"):
        opened(conf)
    assert sa.inspect(engine).get_table_names() == ["acct_table"]


def test_what_u_says(conf: Any, first: sa.Engine, capsys: pytest.CaptureFixture[str]) -> None:
    if SCHEMA_VERSION > 1:
        assert slurmdbd(["-f", conf.path, "-u"]) == 1
        assert "from schema 1 to" in capsys.readouterr().out
    opened(conf)
    assert slurmdbd(["-f", conf.path, "-u"]) == 0
    assert capsys.readouterr().out == "slurmdbd: the database is in order\n"


def test_text_of_every_kind_comes_back(conf: Any) -> None:
    opened(conf)
    engine = storage.connectable(conf)
    texts = {"a": "ä€😀", "A": "x' OR 1=1 --", "b%_\\": "\\%_'\"`", "long": "y" * 100_000}
    mapper = schema.MAPPERS["accounts"]
    with engine.begin() as connection:
        for name, text in texts.items():
            connection.execute(
                schema.accounts.insert(),
                mapper.row(schema.records.Account(name=name, description=text, creation_time=1)),
            )
        found = {row.name: row.description for row in connection.execute(schema.accounts.select())}
    assert found == texts
    with pytest.raises(SlurmError, match="too long"):
        mapper.row(schema.records.Account(name="z" * 200))
    odd = mapper.row(schema.records.Account(name="n", description="nul\0 and half \udcff"))
    with engine.begin() as connection:
        connection.execute(schema.accounts.insert(), odd)


# ---- servers


def lines_without_host(kind: str, lines: str, host: str) -> str:
    return "".join(
        f"StorageHost={host}\n" if line.startswith("StorageHost=") else line + "\n" for line in lines.splitlines()
    )


@pytest.mark.parametrize("kind", SERVERS)
def test_the_backup_host_and_the_password_script(kind: str, tmp_path: Path) -> None:
    lines = storage_lines(kind, tmp_path)
    found = dict(line.split("=", 1) for line in lines.splitlines())
    script = tmp_path / "word"
    script.write_text(f"#!/bin/sh\necho '{found['StoragePass']}'\n")
    script.chmod(stat.S_IRWXU)
    lines = lines_without_host(kind, lines, str(tmp_path / "nobody"))
    lines = lines.replace(f"StoragePass={found['StoragePass']}\n", f"StoragePassScript={script}\n")
    conf = conf_of(tmp_path, lines + f"StorageBackupHost={found['StorageHost']}\n")
    opened(conf)
    assert conf.StoragePass is None
    script.write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(SlurmError, match="exit code 3"):
        opened(conf)
    script.write_text("#!/bin/sh\necho wrong\n")
    with pytest.raises(SlurmError) as refusal:
        opened(conf)
    assert "wrong" not in refusal.value.message


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("StorageType=accounting_storage/oracle\n", "not supported"),
        ("StorageType=accounting_storage/mysql\nStorageParameters=FAST=yes\n", "FAST=yes is not supported"),
        ("StorageType=accounting_storage/sqlite\nStorageParameters=SSL_CA=/x\n", "SSL_CA=/x is not supported"),
        ("StorageType=accounting_storage/mysql\nStoragePassScript=word\n", "no absolute path"),
    ],
)
def test_what_is_refused_by_name(lines: str, reason: str, tmp_path: Path) -> None:
    conf = conf_of(tmp_path, lines)
    with pytest.raises(SlurmError, match=reason):
        opened(conf)


def until_it_answers(daemon: Slurmdbd, method: str, **args: Any) -> int:
    """Calls until the database takes it; how often it was refused."""
    for refusals in range(100_000):
        try:
            daemon.call(method, **args)
        except SlurmError as error:
            if error.name != "ESLURM_DB_CONNECTION":
                raise
        else:
            return refusals
    raise AssertionError("the database never answered")


@pytest.mark.parametrize("kind", SERVERS)
def test_records_flow_through_a_server_that_dies(kind: str, tmp_path: Path) -> None:
    """Killed and started again while records come in: what was confirmed is there, and all of it once."""

    def dies() -> None:
        for _ in range(4):
            server.kill()
            server.start()

    server = own(kind)
    try:
        with running(tmp_path, kind, server) as daemon, ThreadPoolExecutor(1) as other:
            daemon.register()
            dying = other.submit(dies)
            sent = 0
            while sent < 200 or not dying.done():
                items = tuple(item for number in range(sent + 1, sent + 11) for item in start_and_end(number))
                until_it_answers(daemon, "records", cluster="ref", first_seq=sent * 4 + 1, items=items)
                sent += 10
            dying.result()
            jobs = daemon.rows("jobs", ("job_id", "job_state", "end_time"), {"duplicates": True})
            assert sorted(row[0] for row in jobs) == list(range(1, sent + 1))
            assert {tuple(row[1:]) for row in jobs} == {(3, 1_700_000_011)}
    finally:
        server.close()


@pytest.mark.parametrize("kind", SERVERS)
def test_slurmdbd_waits_for_its_server(kind: str, tmp_path: Path) -> None:
    server = own(kind)
    try:
        server.stop()
        daemon = Slurmdbd(tmp_path, kind, server)
        daemon.start()
        try:
            with pytest.raises(SlurmError, match="Unable to connect to database"):
                daemon.call("stats")
            assert daemon.call("ping")["pid"]
            server.start()
            until_it_answers(daemon, "stats")
            daemon.register()
            assert [tuple(row) for row in daemon.rows("clusters", ("name",))] == [("ref",)]
            server.stop()
            with pytest.raises(SlurmError) as gone:
                daemon.rows("jobs", ("job_id",))
            assert gone.value.name == "ESLURM_DB_CONNECTION"
            server.start()
            assert daemon.rows("jobs", ("job_id",)) == []
        finally:
            daemon.stop()
        log = (tmp_path / "slurmdbd.log").read_text()
        assert "trying again until it answers" in log
        assert "Traceback" not in log
    finally:
        server.close()


def test_the_kinds_of_servers_are_those_of_the_plugin() -> None:
    assert set(KINDS) == set(storage.DRIVERS)
