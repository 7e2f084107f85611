"""Two slurmdbds and one database: the second is kept out, or stands by until the first is dead."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from slurmpy.accounting import ownership, schema, storage
from slurmpy.accounting.database import Database
from slurmpy.conf import slurmdbd_conf
from slurmpy.core.errors import SlurmError

from .dbd import Slurmdbd, running, start_and_end
from .servers import DATABASES

SERVERS = [param for param in DATABASES if param.values[0] != "sqlite"]


def beside(first: Slurmdbd, place: Path, more: str = "") -> Slurmdbd:
    """Another slurmdbd, not started, with the same database."""
    place.mkdir()
    second = Slurmdbd(place)
    lines = (first.place / "slurmdbd.conf").read_text().splitlines()
    storing = [line for line in lines if line.startswith("Storage")]
    own = [line for line in (place / "slurmdbd.conf").read_text().splitlines() if not line.startswith("Storage")]
    (place / "slurmdbd.conf").write_text("\n".join([*own, *storing, more, ""]))
    return second


def conf_of(daemon: Slurmdbd) -> Any:
    return slurmdbd_conf.load(str(daemon.place / "slurmdbd.conf"))


@pytest.mark.parametrize("kind", DATABASES)
def test_a_backup_stands_by_until_the_first_is_killed(kind: str, tmp_path: Path) -> None:
    place = tmp_path / "first"
    place.mkdir()
    with running(place, kind) as first:
        first.register()
        backup = beside(first, tmp_path / "second", "DbdBackupHost=elsewhere")
        backup.start()
        try:
            with pytest.raises(SlurmError) as refusal:
                backup.call("stats")
            assert refusal.value.name == "ESLURM_DB_CONNECTION"
            first.call("records", cluster="ref", source="s", first_seq=1, items=start_and_end(1))
            first.kill()
            while True:
                try:
                    confirmed = backup.call("records", cluster="ref", source="s", first_seq=1, items=start_and_end(1))
                    break
                except SlurmError as error:
                    assert error.name == "ESLURM_DB_CONNECTION"  # noqa: PT017 - anything else is a failure
            assert confirmed == {"confirmed": 4}
            assert backup.rows("jobs", ("job_id",), {"duplicates": True}) == [(1,)]
            log = (backup.place / "slurmdbd.log").read_text()
            assert re.search(r"in use by another slurmdbd \(process \d+ on .*\): standing by", log)
            # who was first is the second now: without a backup in its slurmdbd.conf it is not let in
            with pytest.raises(ownership.InUse):
                Database(conf_of(first)).open()
        finally:
            backup.stop()
        database = Database(conf_of(first))
        database.open()
        database.close()


def test_a_second_one_is_kept_out(tmp_path: Path) -> None:
    place = tmp_path / "first"
    place.mkdir()
    with running(place) as first:
        first.register()
        second = beside(first, tmp_path / "second")
        second.start()
        assert second.process is not None
        _, errors = second.process.communicate(timeout=60)
        assert second.process.returncode == 1
        assert first.process is not None
        assert f"fatal: {place}/accounting.db: in use by another slurmdbd (process {first.process.pid} on" in (
            errors.decode()
        )
        first.call("records", cluster="ref", source="s", first_seq=1, items=start_and_end(1))
        assert (place / "accounting.db.lock").stat().st_mode & 0o777 == 0o600


def end_connections(conf: Any) -> None:
    """The server ends every connection but this one, as when it is restarted, only sooner."""
    with storage.engine(conf, isolation_level="AUTOCOMMIT").connect() as connection:
        if storage.kind_of(conf) == "mysql":
            own = connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar()
            listed = "SELECT id FROM information_schema.processlist WHERE db = DATABASE()"
            for number in connection.exec_driver_sql(listed).scalars().all():
                if number != own:
                    connection.exec_driver_sql(f"KILL {number}")
        else:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


@pytest.mark.parametrize("kind", SERVERS)
def test_a_lock_that_was_lost_is_taken_again_unless_somebody_has_had_it(kind: str, tmp_path: Path) -> None:
    place = tmp_path / "first"
    place.mkdir()
    conf = conf_of(Slurmdbd(place, kind))
    taken: list[int] = []

    def put(name: str) -> Any:
        return lambda connection: connection.execute(schema.meta.insert().values(name=name, value=""))

    async def go() -> None:
        first, second = Database(conf), Database(conf)
        first.on_taken = lambda: taken.append(1)
        await first.write_opening()
        end_connections(conf)
        with pytest.raises(SlurmError) as refusal:
            await first.write(put("lost"))
        assert refusal.value.name == "ESLURM_DB_CONNECTION"
        await first.write(put("again"))
        with pytest.raises(ownership.InUse):
            await second.write_opening()
        end_connections(conf)
        await second.write_opening()
        for _ in range(2):
            with pytest.raises(SlurmError) as refusal:
                await first.write(put("never"))
            assert refusal.value.name == "ESLURM_DB_CONNECTION"
        second.close()
        with pytest.raises(SlurmError, match="another slurmdbd has had the database meanwhile"):
            await first.write(put("never"))
        assert taken
        first.close()

    ownership_wait, ownership.LINGERING = ownership.LINGERING, 0.5
    try:
        asyncio.run(go())
    finally:
        ownership.LINGERING = ownership_wait
    with storage.connectable(conf).connect() as connection:
        names = set(connection.execute(sa.select(schema.meta.c.name)).scalars())
    assert "again" in names
    assert not names & {"lost", "never"}
