"""sacct's queries give what looking at every record gives, in portions of any size; none of them reads every row."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from slurmpy.accounting import job_queries, schema
from slurmpy.accounting.books import Books
from slurmpy.accounting.job_records import Recorder

from .servers import DATABASES, opened

NOW = 1_700_000_000
FIELDS = ("job_id", "submit_time", "user_cpu_usec", "system_cpu_usec", "consumed_energy", "qos", "suspended")
STEP_FIELDS = ("step_id", "name", "suspended", "step_het_comp")
_BATCH, _EXTERN = 0xFFFFFFFB, 0xFFFFFFFC


@pytest.fixture(params=DATABASES)
def connection(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Connection]:
    database = opened(request.param, tmp_path)
    yield database.connection()
    database.close()


def made_up(dice: random.Random) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Jobs, some requeued once or twice, some tasks of arrays; and steps of theirs."""
    jobs, steps = [], []
    for number in range(1, 61):
        array = number - number % 10 if number > 30 else 0
        for run in range(dice.choice((1, 1, 1, 2, 3))):
            submit = NOW + dice.randrange(20) * 10 + run * 300
            start = submit + dice.randrange(5)
            end = 0 if run == 0 and dice.random() < 0.1 else start + dice.randrange(100)
            job = {
                "kind": "job_start", "job_id": number, "submit_time": submit, "eligible_time": submit, "end_time": end,
                "start_time": start, "job_state": 3 if end else 1, "user_id": number % 3, "array_job_id": array,
                "array_task_id": number % 10 if array else None, "qos": "normal",
            }  # fmt: skip
            jobs.append(job)
            numbers = dice.sample((_BATCH, _EXTERN, *range(12)), dice.randrange(14))
            for step in numbers:
                steps.append(
                    {
                        "kind": "step_start",
                        "job_id": number,
                        "submit_time": submit,
                        "step_id": step,
                        "name": f"s{step}",
                        "start_time": start,
                        "end_time": end,
                        "user_cpu_usec": step % 100,
                        "system_cpu_usec": step % 7,
                        "consumed_energy": step % 11,
                    }
                )
    return jobs, steps


def steps_of(job: dict[str, Any], steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    own = [step for step in steps if (step["job_id"], step["submit_time"]) == (job["job_id"], job["submit_time"])]
    return sorted(own, key=lambda step: step["step_id"] - (1 << 32 if step["step_id"] >= _EXTERN - 4 else 0))


def expected(jobs: list[dict[str, Any]], steps: list[dict[str, Any]], start: int, end: int, user: int | None) -> Any:
    found = [
        job
        for job in jobs
        if job["eligible_time"] < end
        and (not job["end_time"] or job["end_time"] >= start)
        and (user is None or job["user_id"] == user)
    ]
    last = {job["job_id"]: job for job in sorted(found, key=lambda job: job["submit_time"])}
    ordered = sorted(
        last.values(),
        key=lambda job: (
            job["submit_time"],
            job["array_job_id"] or job["job_id"],
            1 << 32 if job["array_task_id"] is None else job["array_task_id"],
            job["job_id"],
        ),
    )
    rows = []
    for job in ordered:
        own = steps_of(job, steps)
        numbered = [step for step in own if step["step_id"] < _EXTERN - 4]
        sums = [sum(step[name] for step in own) for name in ("user_cpu_usec", "system_cpu_usec")]
        energy = sum(step["consumed_energy"] for step in numbered) if numbered else None
        told = [(step["step_id"], step["name"], 0, -1) for step in own]
        rows.append((job["job_id"], job["submit_time"], *sums, energy, "normal", 0, told))
    return rows


@pytest.mark.parametrize("seed", range(3))
def test_rows_are_the_same_in_portions_of_any_size(
    connection: sa.Connection, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(seed)
    jobs, steps = made_up(dice)
    recorder = Recorder(lambda *_: 0)
    with connection.begin():
        recorder.write(connection, "ref", dice.sample(jobs, len(jobs)) + steps)
    books = Books.fresh(NOW)
    for start, end, user in ((1, NOW + 10_000, None), (NOW + 150, NOW + 400, None), (NOW + 90, NOW + 170, 1)):
        wanted = expected(jobs, steps, start, end, user)
        where: dict[str, Any] = {"start": start, "end": end} | ({} if user is None else {"users": (user,)})
        for chunk, most in ((500, 5000), (500, 20), (7, 5000), (3, 1)):
            monkeypatch.setattr(job_queries, "CHUNK", chunk)
            monkeypatch.setattr(job_queries, "STEPS", most)
            parts = list(job_queries.rows(connection, books, FIELDS, STEP_FIELDS, where, NOW + 10_000))
            found = [(*row[:-1], list(row[-1])) for part in parts for row in part]
            assert found == wanted
            assert all(len(part) <= chunk for part in parts)
            # one job alone may have more steps than a portion should
            assert all(sum(len(row[-1]) for row in part) <= most or len(part) == 1 for part in parts)
        # without the steps the sums over them are the same
        alone = [row for part in job_queries.rows(connection, books, FIELDS, None, where, NOW + 10_000) for row in part]
        assert alone == [row[:-1] for row in wanted]
    connection.rollback()


QUERIES: dict[str, dict[str, Any]] = {
    "the last hour": {"start": NOW, "end": NOW + 3600},
    "an hour long ago, by state": {"start": NOW, "end": NOW + 3600, "states": (3,)},
    "what runs": {"start": NOW, "end": NOW, "states": (1,)},
    "a job": {"jobs": ((7, None, None, None),)},
    "a task": {"jobs": ((7, 1, None, None),)},
    "a part": {"jobs": ((7, None, 1, None),)},
    "a user": {"users": (5,)},
    "a user's last hour": {"start": NOW, "end": NOW + 3600, "users": (5,)},
    "what may be seen": {"start": NOW, "end": NOW + 3600, "visible": (5, ("physics",))},
}


def plan(connection: sa.Connection, statement: Any) -> list[str]:
    compiled = statement.compile(connection, compile_kwargs={"render_postcompile": True})
    values = tuple(compiled.params[name] for name in compiled.positiontup)
    return [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", values)]


@pytest.mark.parametrize("name", QUERIES)
def test_no_query_reads_every_job(tmp_path: Path, name: str) -> None:
    database = opened("sqlite", tmp_path)
    connection = database.connection()
    try:
        steps = plan(connection, job_queries.ordered_keys(QUERIES[name]))
        assert not [step for step in steps if step.startswith("SCAN")], steps
        # nor is the later record of a job looked for in more than its own
        assert "SEARCH later USING INDEX sqlite_autoindex_jobs_1 (job_id=? AND submit_time>?)" in steps
    finally:
        database.close()


@pytest.mark.parametrize(("table", "key"), [("jobs", "db_index"), ("steps", "job_index"), ("suspensions", "job_index")])
def test_rows_are_fetched_by_their_keys(tmp_path: Path, table: str, key: str) -> None:
    database = opened("sqlite", tmp_path)
    connection = database.connection()
    try:
        source = schema.metadata.tables[table]
        (step,) = plan(connection, sa.select(source).where(source.c[key].in_((1, 2, 3))))
        assert step.startswith(f"SEARCH {table} USING"), step
    finally:
        database.close()


def test_a_portion_is_fetched_when_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to come takes no memory but for its keys."""
    monkeypatch.setattr(job_queries, "CHUNK", 10)
    database = opened("sqlite", tmp_path)
    connection = database.connection()
    try:
        jobs, steps = made_up(random.Random(1))
        with connection.begin():
            Recorder(lambda *_: 0).write(connection, "ref", jobs + steps)
        asked: list[str] = []
        sa.event.listen(connection, "before_cursor_execute", lambda *call: asked.append(call[2]))
        parts = job_queries.rows(connection, Books.fresh(NOW), FIELDS, STEP_FIELDS, {"start": 1}, NOW + 10_000)
        for number in range(1, 4):
            assert len(next(parts)) == 10
            assert sum("FROM steps" in text for text in asked) == number
        parts.close()  # type: ignore[attr-defined]
        connection.rollback()
    finally:
        database.close()
