"""Old records go, and only these: on every kind of database, by ages of slurmdbd.conf and a clock of the test's own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from slurmpy.accounting import purge, schema
from slurmpy.accounting.database import Database
from slurmpy.accounting.job_records import Recorder
from slurmpy.accounting.main import run as slurmdbd
from slurmpy.accounting.purging import Purging
from slurmpy.accounting.tally import PARTS
from slurmpy.conf import slurmdbd_conf
from slurmpy.core import purge_time

from .dbd import start_and_end
from .servers import DATABASES, storage_lines

NOW = int(time.mktime((2026, 11, 28, 7, 13, 5, 0, 0, -1)))
DAY = 86400


class Books:
    """A database with `Purging` over it; `conf` lines go to slurmdbd.conf."""

    def __init__(self, place: Path, kind: str) -> None:
        self.place, self.storage = place, storage_lines(kind, place)
        self.configure("")
        self.database = Database(self.conf)
        asyncio.run(self.database.write_opening())
        self.recorder = Recorder(lambda *_: 0)
        self.number = 0

    def configure(self, lines: str) -> None:
        path = self.place / "slurmdbd.conf"
        path.write_text(f"DbdHost=localhost\n{self.storage}ArchiveDir={self.place}\n{lines}")
        path.chmod(0o600)
        self.conf = slurmdbd_conf.load(str(path))

    def write(self, items: Any, cluster: str = "ref") -> None:
        self.do(lambda connection: self.recorder.write(connection, cluster, list(items)))

    def do(self, work: Any) -> Any:
        return asyncio.run(self.database.write(work))

    def look(self, now: int = NOW) -> None:
        asyncio.run(Purging(SimpleNamespace(conf=self.conf, database=self.database)).look(now))  # type: ignore[arg-type]

    def column(self, column: Any) -> list[Any]:
        return sorted(self.do(lambda connection: [row[0] for row in connection.execute(sa.select(column))]))

    @property
    def jobs(self) -> list[int]:
        return self.column(schema.jobs.c.job_id)

    def close(self) -> None:
        self.database.close()


@pytest.fixture(params=DATABASES)
def books(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Books]:
    made = Books(tmp_path, request.param)
    made.look(NOW - 40 * DAY)  # of a daemon that ran then
    yield made
    made.close()


def suspension(number: int, submit: int, start: int, end: int) -> dict[str, Any]:
    return {"kind": "suspend", "job_id": number, "submit_time": submit, "start": start, "end": end}


def test_nothing_goes_unless_it_is_said(books: Books) -> None:
    books.write(item for age in (1, 100, 2000) for item in start_and_end(age, NOW - age * DAY))
    books.look()
    assert books.jobs == [1, 100, 2000]


def test_jobs_go_by_their_end(books: Books) -> None:
    books.configure("PurgeJobAfter=10days\n")
    today = purge_time.unit_start("days", NOW)
    for number, end in ((1, today - 10 * DAY - 1), (2, today - 10 * DAY), (3, NOW)):
        books.write(start_and_end(number, end - 11))
    books.write(start_and_end(4, today - 20 * DAY, script="#!/bin/sh\n", environment="A=1\n"))
    books.look()
    assert books.jobs == [2, 3]
    assert len(books.column(schema.steps.c.db_index)) == 2
    assert books.column(schema.job_files.c.job_index) == []


def test_what_may_still_get_records_stays(books: Books) -> None:
    books.configure("PurgeJobAfter=0hours\nPurgeStepAfter=0hours\nPurgeSuspendAfter=0hours\n")
    old = NOW - 30 * DAY
    running, stepping, pausing = (start_and_end(number, old) for number in (1, 2, 3))
    books.write([*running[:3], suspension(1, old, old + 2, old + 3)])  # the job runs, its step is over
    books.write([*stepping[:2], stepping[3]])  # the job is over, its step not
    books.write([*pausing, suspension(3, old, old + 2, 0)])
    books.write(start_and_end(4, old))
    books.look()
    assert books.jobs == [1, 2, 3]
    assert len(books.column(schema.steps.c.db_index)) == 2  # that of the third is over, and so is its job
    assert len(books.column(schema.suspensions.c.job_index)) == 2
    books.write([running[3], stepping[2], suspension(3, old, old + 2, old + 4)])
    books.look(NOW + DAY)
    assert books.jobs == []


def test_a_purge_takes_place_once_at_the_start_of_its_unit(books: Books) -> None:
    books.look()
    books.configure("PurgeJobAfter=2days\nPurgeStepAfter=1\nPurgeTXNAfter=1hours\n")
    books.write(start_and_end(1, NOW - 10 * DAY))
    books.look(NOW + 60)
    books.look(NOW + 3600)
    assert books.jobs == [1]
    books.look(NOW + DAY)
    assert books.jobs == []


def test_numbers_are_not_given_twice(books: Books) -> None:
    books.configure("PurgeJobAfter=1hours\n")
    books.write(start_and_end(1, NOW - DAY))
    (first,), (step,) = books.column(schema.jobs.c.db_index), books.column(schema.steps.c.db_index)
    books.look()
    assert books.jobs == []
    books.recorder = Recorder(lambda *_: 0)
    books.write(start_and_end(2, NOW))
    assert books.column(schema.jobs.c.db_index) == [first + 1]
    assert books.column(schema.steps.c.db_index) == [step + 1]


def test_a_job_keeps_how_long_it_was_suspended(books: Books) -> None:
    from slurmpy.accounting import job_queries
    from slurmpy.accounting.books import Books as Entities

    submit = NOW - 3 * DAY
    job = start_and_end(1, submit)
    books.write([*job[:3], {**job[3], "end_time": submit + 2 * DAY}])
    for start, end in ((submit + 10, submit + 30), (submit + 47 * 3600, submit + 47 * 3600 + 5)):
        books.write([suspension(1, submit, start, end)])

    def seconds() -> int:
        rows = books.do(lambda connection: list(job_queries.rows(connection, Entities(), ("suspended",), None, {})))
        return int(rows[0][0][0])

    assert seconds() == 25
    books.configure("PurgeSuspendAfter=2days\n")
    books.look()
    assert len(books.column(schema.suspensions.c.job_index)) == 1
    assert seconds() == 25
    books.configure("PurgeSuspendAfter=1hours\n")
    books.look(NOW + 3600)
    assert books.column(schema.suspensions.c.job_index) == []
    assert seconds() == 25


def test_scripts_and_environments_have_ages_of_their_own(books: Books) -> None:
    books.configure("PurgeJobScriptAfter=1days\nPurgeJobEnvAfter=5days\n")
    for number, age in ((1, 2), (2, 10), (3, 0)):
        books.write(start_and_end(number, NOW - age * DAY, script="#!/bin/sh\n", environment="A=1\n"))
    books.look()
    assert books.column(schema.job_files.c.script) == ["", "#!/bin/sh\n"]
    assert books.column(schema.job_files.c.environment) == ["A=1\n", "A=1\n"]
    assert books.jobs == [1, 2, 3]


def test_everything_else_that_is_old(books: Books) -> None:
    old = NOW - 100 * DAY
    books.write([
        {"kind": "node_down", "node": "n1", "start": old, "end": old + 5, "state": 1, "reason": "r"},
        {"kind": "node_down", "node": "n2", "start": old, "end": 0, "state": 1, "reason": "r"},
        {"kind": "node_down", "node": "n3", "start": NOW - 60, "end": NOW, "state": 1, "reason": "r"},
        {"kind": "reservation", "id": 1, "start_time": old, "name": "r1", "end_time": old + 5},
        {"kind": "reservation", "id": 2, "start_time": old, "name": "r2", "end_time": NOW + 5},
    ])  # fmt: skip

    def more(connection: sa.Connection) -> None:
        row = {"action": "a", "actor": "b", "where": "", "info": "", "cluster": "ref"}
        connection.execute(schema.transactions.insert(), [{**row, "time": old}, {**row, "time": NOW, "cluster": ""}])
        connection.execute(schema.transactions.insert(), [{**row, "time": old, "cluster": ""}])

    books.do(more)
    books.configure("PurgeEventAfter=1\nPurgeResvAfter=1days\nPurgeTXNAfter=1hours\n")
    books.look()
    assert books.column(schema.events.c.node) == ["n2", "n3"]
    assert books.column(schema.reservations.c.id) == [2]
    assert books.column(schema.transactions.c.time) == [NOW]


def test_usage_that_is_old(books: Books) -> None:
    def rows(connection: sa.Connection) -> None:
        who = {"cluster": "ref", "account": "a", "user_name": "u", "wckey": "", "qos": ""}
        connection.execute(schema.usage_names.insert(), [{"id": 1, **who}])
        for start in (NOW - 100 * DAY, NOW - 3600):
            key = {"period": 0, "time_start": start, "tres": "cpu"}
            connection.execute(schema.usage_by_name.insert().values(**key, name=1, seconds=5.0))
            parts = dict.fromkeys(PARTS, 1.0)
            connection.execute(schema.usage_of_cluster.insert().values(**key, cluster="ref", **parts))

    books.do(rows)
    books.configure("PurgeUsageAfter=10days\n")
    books.look()
    assert books.column(schema.usage_by_name.c.time_start) == [NOW - 3600]
    assert books.column(schema.usage_of_cluster.c.time_start) == [NOW - 3600]


def test_portions_cover_every_row(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "PORTION", 7)
    monkeypatch.setattr(purge.old_rows, "__defaults__", (7,))
    old = NOW - 100 * DAY
    events = [
        {"kind": "node_down", "node": f"n{number % 5}", "start": old + number, "end": old + number + 1, "state": 1}
        for number in range(50)
    ]
    books.write(events)
    books.write(events, "other")
    books.write(item for number in range(1, 31) for item in start_and_end(number, old))
    books.configure("PurgeEventAfter=1days\nPurgeJobAfter=1hours\n")
    books.look()
    assert books.column(schema.events.c.node) == []
    assert books.jobs == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "PurgeJobAfter=5weeks",
            "slurmdbd: error: Invalid purge unit 'weeks', valid options are hours, days, or months\n"
            'slurmdbd: fatal: Bad value "5weeks" for PurgeJobAfter\n',
        ),
        (
            "PurgeTXNAfter=abc",
            "slurmdbd: error: Invalid purge string 'abc'\nslurmdbd: fatal: Bad value \"abc\" for PurgeTXNAfter\n",
        ),
    ],
)
def test_bad_ages_end_the_start(tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, said: str) -> None:
    path = tmp_path / "slurmdbd.conf"
    path.write_text(f"DbdHost=localhost\nStorageLoc={tmp_path}/books.db\n{line}\n")
    assert slurmdbd(["-D", "-f", str(path)]) == 1
    assert capsys.readouterr().err == said
    assert not (tmp_path / "books.db").exists()
