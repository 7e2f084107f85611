"""What is purged is in files first: their names, that nothing is lost whatever is killed, and back again."""

from __future__ import annotations

import json
import os
import random
import signal
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from slurmpy.accounting import archive_files, purge, schema
from slurmpy.accounting.archive_files import Reader
from slurmpy.accounting.archive_loading import Loading
from slurmpy.accounting.database import Database
from slurmpy.core.errors import SlurmError

from .dbd import start_and_end
from .servers import DATABASES
from .test_purge import DAY, NOW, Books, suspension


@pytest.fixture(params=DATABASES)
def books(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Books]:
    made = Books(tmp_path, request.param)
    made.look(NOW - 400 * DAY)
    yield made
    made.close()


def files(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir() if "archive" in path.name)


def records(path: Path) -> list[dict[str, Any]]:
    reader = Reader(str(path))
    try:
        return [dict(zip(reader.header["columns"], reader.decode(line), strict=True)) for line in reader.lines()]
    finally:
        reader.close()


def load(books: Books, path: Path) -> None:
    file = Loading(str(path), ("ref",))
    books.do(file.write)


def moment(text: str) -> int:
    import time

    return int(time.mktime(time.strptime(text, "%Y-%m-%d %H:%M")))


def test_names_are_those_of_real_slurmdbd(books: Books) -> None:
    """As observed of 24.11.5: what is old by more than 60 days by the month, the rest up to what is purged."""
    for number, submit in enumerate(
        ("2026-03-28 10:30", "2026-06-28 10:30", "2026-10-10 10:30", "2026-10-28 10:30"), 1
    ):
        books.write(start_and_end(number, moment(submit)))
    books.configure("PurgeJobAfter=27days\nArchiveJobs=yes\n")
    books.look()
    assert files(books.place) == [
        "ref_job_table_archive_2026-03-01T00:00:00_2026-04-01T00:00:00",
        "ref_job_table_archive_2026-06-01T00:00:00_2026-07-01T00:00:00",
        "ref_job_table_archive_2026-10-10T00:00:00_2026-10-31T23:59:59",
    ]
    assert books.jobs == []
    for name in files(books.place):
        assert (books.place / name).stat().st_mode & 0o777 == 0o600
        assert (books.place / name).stat().st_nlink == 1


def test_no_file_is_overwritten_and_none_is_too_long(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_files, "MOST_RECORDS", 3)
    submit = moment("2026-06-28 10:30")
    for number in range(1, 8):
        books.write(start_and_end(number, submit + number))
    books.configure("PurgeJobAfter=1\nArchiveJobs=yes\n")
    books.look()
    name = "ref_job_table_archive_2026-06-01T00:00:00_2026-07-01T00:00:00"
    assert files(books.place) == [name, f"{name}.2", f"{name}.3"]
    found = [[row["job_id"] for row in records(books.place / one)] for one in files(books.place)]
    assert found == [[1, 2, 3], [4, 5, 6], [7]]


def test_a_job_is_archived_with_all_that_belongs_to_it(books: Books) -> None:
    submit = NOW - 100 * DAY
    books.write(start_and_end(1, submit, script="#!/bin/sh\necho 'ä😀'\n", environment="A=1\n", name="a'b\\n\n"))
    books.write([suspension(1, submit, submit + 3, submit + 5)])
    books.configure("PurgeJobAfter=1\nArchiveJobs=yes\n")
    books.look(NOW)
    (name,) = files(books.place)
    (row,) = records(books.place / name)
    assert (row["job_id"], row["cluster"], row["name"]) == (1, "ref", "a'b\\n\n")
    assert (row["script"], row["environment"]) == ("#!/bin/sh\necho 'ä😀'\n", "A=1\n")
    assert [step["name"] for step in row["steps"]] == ["batch"]
    assert row["suspensions"] == [{"time_start": submit + 3, "time_end": submit + 5}]


def test_steps_and_suspensions_are_archived_before_their_jobs(books: Books) -> None:
    submit = NOW - 100 * DAY
    books.write(start_and_end(1, submit))
    books.write([suspension(1, submit, submit + 3, submit + 5)])
    lines = "PurgeJobAfter=1\nPurgeStepAfter=1\nPurgeSuspendAfter=1\n"
    books.configure(f"{lines}ArchiveJobs=yes\nArchiveSteps=yes\nArchiveSuspend=yes\n")
    books.look()
    of = {name.partition("_archive_")[0]: records(books.place / name)[0] for name in files(books.place)}
    assert sorted(of) == ["ref_job_table", "ref_step_table", "ref_suspend_table"]
    assert (of["ref_step_table"]["job_id"], of["ref_step_table"]["submit_time"]) == (1, submit)
    assert of["ref_suspend_table"]["time_end"] == submit + 5
    assert (of["ref_job_table"]["steps"], of["ref_job_table"]["suspensions"]) == ([], [])
    assert of["ref_job_table"]["time_suspended"] == 2


def test_everything_else(books: Books) -> None:
    old = NOW - 100 * DAY
    books.write([
        {"kind": "node_down", "node": "n1", "start": old, "end": old + 5, "state": 1, "reason": "r"},
        {"kind": "reservation", "id": 1, "start_time": old, "name": "r1", "end_time": old + 5},
    ])  # fmt: skip
    row = {"action": "a", "actor": "b", "where": "", "info": "", "time": old, "cluster": "ref"}
    some = [{**row, "cluster": "ref"}, {**row, "cluster": ""}]
    books.do(lambda connection: connection.execute(schema.transactions.insert(), some))
    tables = (schema.events, schema.reservations, schema.transactions)

    def contents() -> list[Any]:
        def read(connection: sa.Connection) -> list[Any]:
            return [sorted(connection.execute(sa.select(table)).all(), key=str) for table in tables]

        return list(books.do(read))

    before = contents()
    books.configure(
        "PurgeEventAfter=1\nPurgeResvAfter=1\nPurgeTXNAfter=1\nArchiveEvents=yes\nArchiveResvs=yes\nArchiveTXN=yes\n"
    )
    books.look()
    assert [name.partition("_archive_")[0] for name in files(books.place)] == [
        "all_txn_table", "ref_event_table", "ref_resv_table", "ref_txn_table",
    ]  # fmt: skip
    assert contents() == [[], [], []]
    if books.database.path is not None:
        # SQLite gives the number of a last row that is gone once more: the old transaction steps aside
        fresh = {**row, "action": "new", "cluster": "ref"}
        books.do(lambda connection: connection.execute(schema.transactions.insert(), [fresh]))
    for name in files(books.place):
        load(books, books.place / name)
        with pytest.raises(SlurmError, match="is in the database already, nothing is loaded"):
            load(books, books.place / name)
    if books.database.path is not None:
        assert sorted(row.action for row in contents()[2]) == ["a", "a", "new"]
    else:
        assert contents() == before
    books.do(lambda connection: connection.execute(schema.transactions.insert(), [row]))  # its number is free


def test_what_changes_meanwhile_goes_as_it_is_then(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2):
        books.write(start_and_end(number, NOW - 100 * DAY))
    placed, there = archive_files.place, []

    def place(temporary: str, path: str) -> str:
        def change(connection: sa.Connection) -> None:
            job = schema.jobs
            there.append(len(connection.execute(sa.select(job.c.job_id)).all()))
            connection.execute(job.update().where(job.c.job_id == 2).values(comment="late"))

        books.database._in_transaction(change)
        return placed(temporary, path)

    monkeypatch.setattr(archive_files, "place", place)
    books.configure("PurgeJobAfter=1\nArchiveJobs=yes\n")
    books.look()
    assert there == [2, 1]  # the second stayed when the first file was read back
    assert books.jobs == []
    found = [[(row["job_id"], row["comment"]) for row in records(books.place / name)] for name in files(books.place)]
    assert found == [[(1, ""), (2, "")], [(2, "late")]]


def test_what_cannot_be_archived_stays(books: Books) -> None:
    books.write(start_and_end(1, NOW - 100 * DAY))
    nowhere = books.place / "nowhere"
    nowhere.mkdir()
    books.configure("PurgeJobAfter=1\nArchiveJobs=yes\n")
    path = books.place / "slurmdbd.conf"
    path.write_text(path.read_text().replace(f"ArchiveDir={books.place}\n", f"ArchiveDir={nowhere}\n"))
    from slurmpy.conf import slurmdbd_conf

    books.conf = slurmdbd_conf.load(str(path))
    nowhere.rmdir()
    with pytest.raises(SlurmError, match="Failed to stat the archive directory"):
        books.look()
    assert books.jobs == [1]
    nowhere.mkdir()
    books.look()
    assert books.jobs == []


def test_usage_there_and_back(books: Books) -> None:
    from slurmpy.accounting.tally import PARTS

    old = NOW - 100 * DAY

    def rows(connection: sa.Connection) -> None:
        who = {"cluster": "ref", "account": "a", "user_name": "u", "wckey": "", "qos": "q"}
        connection.execute(schema.usage_names.insert(), [{"id": 1, **who}])
        key = {"period": 0, "time_start": old, "tres": "cpu"}
        connection.execute(schema.usage_by_name.insert().values(**key, name=1, seconds=5.5))
        connection.execute(schema.usage_of_cluster.insert().values(**key, cluster="ref", **dict.fromkeys(PARTS, 1.0)))

    books.do(rows)
    tables = (schema.usage_by_name, schema.usage_of_cluster)

    def contents() -> list[Any]:
        return list(books.do(lambda connection: [connection.execute(sa.select(table)).all() for table in tables]))

    before = contents()
    books.configure("PurgeUsageAfter=1\nArchiveUsage=yes\n")
    books.look()
    assert contents() == [[], []]
    assert len(files(books.place)) == 2
    for name in files(books.place):
        load(books, books.place / name)
        with pytest.raises(SlurmError, match="is in the database already, nothing is loaded"):
            load(books, books.place / name)
    assert contents() == before


# ---- killed anywhere


def _archive_and_die(directory: Path, left: int) -> None:
    """Archives and purges all that is old in a process of its own, which is killed at its `left`th step."""

    def step() -> None:
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(owner: Any, name: str) -> None:
        inner = getattr(owner, name)

        def outer(*args: Any, **kwargs: Any) -> Any:
            step()
            found = inner(*args, **kwargs)
            step()
            return found

        setattr(owner, name, outer)

    books = Books(directory, "sqlite")
    books.configure("PurgeJobAfter=1\nArchiveJobs=yes\n")
    archive_files.MOST_RECORDS = 4
    purge.PORTION = 2
    around(archive_files, "place")
    around(archive_files, "fsync_directory")
    around(archive_files.Writer, "add")
    around(archive_files.Writer, "finish")
    around(os, "unlink")
    around(Database, "_in_transaction")
    books.look()


def _status_of(work: Callable[[], None]) -> int:
    """The wait status of a fork of this process that does `work`: a Python that starts anew takes half a second."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    return os.waitpid(pid, 0)[1]


def test_killed_anywhere_nothing_is_lost_and_running_again_ends_it(tmp_path: Path) -> None:
    """One book, killed a little later each time, until a run comes to its end by itself."""
    books = Books(tmp_path, "sqlite")
    books.look(NOW - 400 * DAY)
    books.close()
    kills = at = 0
    written: set[int] = set()
    while True:
        # as many new jobs as there were, so that there is always something to do
        books = Books(tmp_path, "sqlite")
        there = set(books.jobs)
        kept = {row["job_id"] for name in files(tmp_path) if name[0] != "." for row in records(tmp_path / name)}
        assert written == there | kept
        if kills % 5 == 0:
            for number in range(len(written) + 1, len(written) + 7):
                books.write(start_and_end(number, moment("2026-06-28 10:30") + number))
                written.add(number)
        books.close()
        at += 1
        status = _status_of(lambda at=at: _archive_and_die(tmp_path, at))  # type: ignore[misc]
        if status == 0:
            break
        assert status == signal.SIGKILL
        kills += 1
    assert kills > 30
    books = Books(tmp_path, "sqlite")
    assert books.jobs == []
    books.close()
    found = sorted(row["job_id"] for name in files(tmp_path) for row in records(tmp_path / name))
    assert found == sorted(written)  # each once
    assert [name for name in files(tmp_path) if name.startswith(".")] == []


# ---- files of whatever origin


def read(path: Path) -> None:
    for _ in Reader(str(path)).lines():
        pass


def header(**more: Any) -> bytes:
    head = {"format": "slurmpy archive", "version": 1, "object": "job_table", "cluster": "ref", "columns": ["a"]}
    return json.dumps({**head, **more}).encode() + b"\n"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "this is no archive file of slurmpy's slurmdbd"),
        (b"root:x:0:0\n" * 9, "this is no archive file of slurmpy's slurmdbd"),
        pytest.param(random.Random(5).randbytes(100_000), "this is no archive file of slurmpy's slurmdbd", id="bytes"),
        pytest.param(b"[" * 200_000, "this is no archive file of slurmpy's slurmdbd", id="brackets"),
        (header(version=2), "archive files of version 2 are not known here"),
        (header(columns="a"), "its columns are no list of names"),
        (header(columns=["a", "a"]), "its columns are no list of names"),
        (header(cluster=5), "it does not say what is in it"),
        (header(), "it has no end"),
        (header() + b"[1]\n[2", "it is cut off"),
        (header() + b"[1]\n{}\n", "its records are not those that were written"),
        (header() + b"[1]\n{garbage\n", "its records are not those that were written"),
        (header() + b"[1]\n" * 50_001, "more than 50000 records"),
    ],
)
def test_what_is_no_archive(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(SlurmError) as error:
        read(path)
    assert error.value.message == f"{path}: {why}"


def test_every_byte_counts(tmp_path: Path) -> None:
    path = tmp_path / "file"
    writer = archive_files.Writer(str(path), "job_table", "ref", ("a",))
    for number in range(10):
        writer.add(orjson.dumps([number]))
    writer.finish()
    whole = path.read_bytes()
    reader = Reader(str(path))
    assert [reader.decode(line) for line in reader.lines()] == [[number] for number in range(10)]
    for changed in (whole.replace(b"[7]", b"[8]"), whole.replace(b"[7]\n", b""), whole[:-1], whole + b"x"):
        path.write_bytes(changed)
        with pytest.raises(SlurmError):
            list(Reader(str(path)).lines())


def test_a_pipe_makes_nobody_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(SlurmError, match="not a regular file"):
            Reader(str(path))
