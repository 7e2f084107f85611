"""What stands in the database after batches of records is what merging them one by one gives, on every database."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from slurmpy.accounting import merging, schema
from slurmpy.accounting.job_records import Recorder

from .dbd import start_and_end
from .servers import DATABASES, opened

JOBS = range(100, 112)


@pytest.fixture(params=DATABASES)
def connection(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Connection]:
    database = opened(request.param, tmp_path)
    yield database.connection()
    database.close()


def shuffled(dice: random.Random) -> list[dict[str, Any]]:
    """Records of some jobs in any order, several times over; of some jobs the start, or the end, is told last."""
    items = [item for number in JOBS for item in start_and_end(number, 1_700_000_000 + number % 3)]
    items += [
        {"kind": "job_start", **_key(number), "user_id": 1, "job_state": 1, "comment": f"changed {number}"}
        for number in JOBS
        if number % 2
    ]
    items += [
        {"kind": "step_complete", **_key(number), "step_id": step, "job_state": 3, "end_time": 1_700_000_020}
        for number in JOBS
        for step in (0, 1)
        if number % 3
    ]
    items += dice.sample(items, len(items) // 2)
    dice.shuffle(items)
    return items


def _key(number: int) -> dict[str, int]:
    return {"job_id": number, "submit_time": 1_700_000_000 + number % 3}


def expected(items: list[dict[str, Any]]) -> tuple[dict[Any, Any], dict[Any, Any]]:
    jobs: dict[Any, Any] = {}
    steps: dict[Any, Any] = {}
    for item in items:
        key = (item["job_id"], item["submit_time"])
        if item["kind"].startswith("job_"):
            jobs[key] = merging.merge_job(jobs.get(key), item, "ref")
            continue
        if key not in jobs:
            jobs[key] = merging.merge_job(None, {"kind": "job_start", "job_state": 1, **_key(key[0])}, "ref")
        step = (*key, item["step_id"])
        steps[step] = merging.merge_step(steps.get(step), item)
    return jobs, steps


@pytest.mark.parametrize("seed", range(6))
def test_batches_of_any_size_give_the_same_rows(connection: sa.Connection, seed: int) -> None:
    dice = random.Random(seed)
    items = shuffled(dice)
    recorder = Recorder(lambda *_: 0)
    left = list(items)
    while left:
        size = dice.choice((1, 2, 7, 40, 200))
        with connection.begin():
            recorder.write(connection, "ref", left[:size])
        del left[:size]
        if dice.random() < 0.2:
            recorder.forget()  # as after a restart
    jobs, steps = expected(items)
    table = schema.jobs
    indexes: dict[int, tuple[int, int]] = {}
    with connection.begin():
        for row in connection.execute(sa.select(table)).mappings():
            found = dict(row)
            key = (found["job_id"], found["submit_time"])
            indexes[found.pop("db_index")] = key
            assert found == jobs.pop(key)
        assert not jobs
        for row in connection.execute(sa.select(schema.steps)).mappings():
            found = dict(row)
            step = (*indexes[found.pop("job_index")], found["step_id"])
            del found["db_index"]
            assert found == steps.pop(step)
        assert not steps


def test_a_batch_that_fails_leaves_nothing(connection: sa.Connection) -> None:
    recorder = Recorder(lambda *_: 0)
    with connection.begin():
        recorder.write(connection, "ref", start_and_end(7)[:2])
    broken = {"kind": "node_down", "node": "n1", "start": "no number"}
    with pytest.raises(ValueError, match="no number"), connection.begin():
        recorder.write(connection, "ref", [*start_and_end(7), *start_and_end(8), broken])
    with connection.begin():
        recorder.write(connection, "ref", start_and_end(8))
        rows = connection.execute(sa.select(schema.jobs.c.job_id, schema.jobs.c.end_time).order_by("job_id")).all()
    assert [tuple(row) for row in rows] == [(7, 0), (8, 1_700_000_011)]


def test_one_job_number_of_two_clusters_is_two_jobs(connection: sa.Connection) -> None:
    recorder = Recorder(lambda *_: 0)
    for cluster in ("a", "b", "a"):
        with connection.begin():
            recorder.write(connection, cluster, start_and_end(7))
            recorder.forget()
    with connection.begin():
        rows = connection.execute(sa.select(schema.jobs.c.cluster).order_by("cluster")).scalars().all()
        count = connection.execute(sa.select(sa.func.count()).select_from(schema.steps)).scalar()
    assert (rows, count) == (["a", "b"], 2)


def test_what_was_there_before_is_found_after_batches_of_other_things(connection: sa.Connection) -> None:
    recorder = Recorder(lambda *_: 0)
    down = {"kind": "node_down", "node": "n1", "start": 1_700_000_000, "state": 1, "reason": "", "reason_user": "",
            "tres": ""}  # fmt: skip
    with connection.begin():
        recorder.write(connection, "ref", [*start_and_end(7)[:1], *start_and_end(9)])
    for items in ([down], start_and_end(12), start_and_end(7), start_and_end(9), start_and_end(12)):
        if items[0] is down:
            recorder.forget()
        with connection.begin():
            recorder.write(connection, "ref", items)
    with connection.begin():
        rows = connection.execute(sa.select(schema.jobs.c.job_id, schema.jobs.c.end_time).order_by("job_id")).all()
    assert [tuple(row) for row in rows] == [(7, 1_700_000_011), (9, 1_700_000_011), (12, 1_700_000_011)]
