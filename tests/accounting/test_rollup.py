"""Rolled up usage is what counting from the records gives, whatever is reported, however late, and whoever is killed.

A made up world reports jobs, nodes and reservations with a clock of its own; now and then it is rolled up, with records
that arrive in the middle of it, and with transactions that are lost.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmpy.accounting import rollup, rollup_marks, schema
from slurmpy.accounting.job_records import Recorder, close_open_jobs
from slurmpy.accounting.periods import DAY, HOUR, MONTH, cut, hour_of
from slurmpy.accounting.rollup import Roller, State
from slurmpy.accounting.rollup_marks import FOREVER, Marks
from slurmpy.accounting.rollup_reading import parts, totals
from slurmpy.accounting.usage import collect
from slurmpy.core.errors import SlurmError

from .servers import DATABASES, opened
from .zones import zone

#: two days before the clocks of Berlin went back
START = 1_792_713_600  # 2026-10-23T00:00:00Z
SIZE = "cpu=40,mem=1000,energy=0,billing=40"


@pytest.fixture(scope="module", autouse=True)
def _zone() -> Iterator[None]:
    with zone("Europe/Berlin"):
        yield


@pytest.fixture(params=DATABASES)
def connection(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Connection]:
    database = opened(request.param, tmp_path)
    yield database.connection()
    database.close()


class Killed(Exception):
    pass


class World:
    """What reports, rolls up and reads; `now` is its time. It stands in for the database of the roller as well."""

    def __init__(self, connection: sa.Connection, dice: random.Random) -> None:
        self.connection, self.dice, self.now, self.deaths = connection, dice, START, 0.0
        self.jobs: list[dict[str, Any]] = []
        self.numbers = iter(range(1, 1 << 30))
        self.between: Callable[[], None] = lambda: None  # what happens between the reading and the writing
        with connection.begin():
            for number, account, user in ((1, "root", ""), (2, "a", ""), (3, "a", "anna"), (4, "b", "bob")):
                connection.execute(schema.associations.insert().values(_association(number, account, user)))
        self.restart()
        self.tell({"kind": "cluster_tres", "time": self.now - 90_000, "tres": SIZE, "nodes": "n[1-4]"})

    def restart(self) -> None:
        marks = Marks()
        self.recorder = Recorder(lambda *_: 0, marks)
        self.roller = Roller(self, marks)  # type: ignore[arg-type]
        deaths, self.deaths = self.deaths, 0.0
        asyncio.run(self.roller.open())
        self.deaths = deaths

    # -- as the roller sees a database

    async def read(self, work: Callable[[sa.Connection], Any]) -> Any:
        with self.connection.begin():
            found = work(self.connection)
        self.between()
        return found

    async def write(self, work: Callable[[sa.Connection], Any], failed: Callable[[], None] | None = None) -> Any:
        try:
            with self.connection.begin():
                found = work(self.connection)
                if self.dice.random() < self.deaths:
                    raise Killed
                return found
        except Killed:
            if failed is not None:
                failed()
            raise

    def roll(self, again: tuple[int, int] | None = None) -> None:
        fake = SimpleNamespace(time=lambda: float(self.now), monotonic=time.monotonic)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rollup, "time", fake)
            try:
                asyncio.run(self.roller.run("internal", again))
            except Killed:
                if self.dice.random() < 0.5:
                    self.restart()

    # -- as slurmctld

    def tell(self, *items: dict[str, Any]) -> None:
        with self.connection.begin():
            self.recorder.write(self.connection, "ref", items)

    def moment(self) -> int:
        """About now; at times it is told hours later."""
        late = self.dice.choice((0, 0, 0, 5, 600, 4000, 150_000))
        return self.now - self.dice.randint(0, late)

    def step(self) -> None:
        self.now += self.dice.choice((1, 60, 700, 3600, 9000))
        self.dice.choice((self.submit, self.submit, self.begin, self.begin, self.finish, self.finish, self.pause,
                          self.node, self.reserve, self.change, self.array, self.flush, self.runaway))()  # fmt: skip

    def submit(self, **more: Any) -> dict[str, Any]:
        dice, eligible = self.dice, self.moment()
        who = dice.choice((("a", "anna"), ("b", "bob"), ("a", "bob")))
        job = {
            "kind": "job_start", "job_id": next(self.numbers), "submit_time": eligible, "eligible_time": eligible,
            "user_id": 1, "account": who[0], "user_name": who[1], "wckey": dice.choice(("", "w")), "job_state": 0,
            "qos": dice.choice(("normal", "high")), "required_cpus": dice.randint(1, 30), "start_time": 0,
            "end_time": 0, "tres_allocated": "", "reservation_name": dice.choice(("", "", "r", "m")), **more,
        }  # fmt: skip
        self.jobs.append(job)
        self.tell(job)
        return job

    def array(self) -> None:
        number = next(self.numbers)
        self.submit(job_id=number, array_job_id=number, array_task_string=f"1-{self.dice.randint(2, 5)}")

    def _some(self, **state: bool) -> dict[str, Any] | None:
        found = [
            job for job in self.jobs if not job["end_time"] and bool(job["start_time"]) == state.get("started", False)
        ]
        return self.dice.choice(found) if found else None

    def begin(self) -> None:
        job = self._some(started=False)
        if job is None:
            return
        items = []
        if job.get("array_task_string"):
            first, last = (int(one) for one in job["array_task_string"].split("-"))
            if first < last:
                job["array_task_string"] = f"{first + 1}-{last}"
                items.append(dict(job))
                job = {**job, "job_id": next(self.numbers)}
                self.jobs.append(job)
            job.update(array_task_string="", array_task_id=first)
        start = max(job["eligible_time"], self.moment())
        cpus = job["required_cpus"] + self.dice.choice((0, 0, 1))
        job.update(start_time=start, job_state=1, tres_allocated=f"cpu={cpus},mem=10,billing={cpus}")
        self.tell(*items, dict(job))

    def finish(self) -> None:
        job = self._some(started=self.dice.random() < 0.9)
        if job is None:
            return
        job["end_time"] = max(job["start_time"] or job["eligible_time"], self.moment())
        if job["start_time"] and self.dice.random() < 0.3:
            job["tres_allocated"] += ",energy=77"
        self.tell({**job, "kind": "job_complete", "job_state": 3})

    def pause(self) -> None:
        job = self._some(started=True)
        if job is None:
            return
        key = {"kind": "suspend", "job_id": job["job_id"], "submit_time": job["submit_time"]}
        start = max(job["start_time"], self.moment())
        self.tell({**key, "start": start, "end": self.dice.choice((0, start + self.dice.randint(0, 9000)))})

    def node(self) -> None:
        start, node = self.moment(), self.dice.choice(("n1", "n2"))
        down = {
            "kind": "node_down", "node": node, "start": start, "end": self.dice.choice((0, start + 5000)),
            "state": self.dice.choice((1, 1 | 0x1000, 0x202)), "tres": "cpu=10,mem=250",
        }  # fmt: skip
        self.tell(self.dice.choice((down, {"kind": "node_up", "node": node, "end": start})))

    def reserve(self) -> None:
        start = self.moment() + self.dice.randint(-9000, 9000)
        name, flags = self.dice.choice((("r", ()), ("r", ("IGNORE_JOBS",)), ("m", ("MAINT",))))
        self.tell(
            {
                "kind": "reservation", "id": self.dice.randint(1, 3), "name": name, "flags": flags,
                "start_time": start // 40_000 * 40_000, "end_time": start + self.dice.randint(100, 20_000),
                "tres": f"cpu={self.dice.randint(1, 9)}", "associations": self.dice.choice(("3,4", "2", "-3", "")),
            }
        )  # fmt: skip

    def change(self) -> None:
        if self.jobs:
            job = self.dice.choice(self.jobs)
            if not job.get("array_job_id"):
                job["qos"] = self.dice.choice(("normal", "high"))
                kind = "job_complete" if job["end_time"] else "job_start"
                self.tell({**job, "kind": kind})

    def flush(self) -> None:
        if self.dice.random() < 0.1:
            self.tell({"kind": "flush_jobs", "time": self.now})
            self.jobs = [job for job in self.jobs if job["end_time"]]

    def runaway(self) -> None:
        job = self._some(started=True)
        if job is None or self.dice.random() < 0.7:
            return
        table = schema.jobs.c
        with self.connection.begin():
            number = self.connection.execute(sa.select(table.db_index).where(table.job_id == job["job_id"])).scalar()
            earliest = close_open_jobs(self.connection, "ref", [int(number or 0)])
            self.recorder.forget()
            if earliest is not None:
                self.recorder.marks.note(self.connection, [(earliest, FOREVER)])
        self.jobs.remove(job)

    # -- as sreport

    def check(self) -> None:
        """Stretches of all kinds are read as they are counted."""
        first = START - 90_000
        for start, end in (
            (first, self.now), (hour_of(first), hour_of(self.now)),
            *(sorted(self.dice.sample(range(first, self.now + 3600), 2)) for _ in range(3)),
        ):  # fmt: skip
            with self.connection.begin():
                counted = collect(self.connection, cut(start, end), self.now, {})
                used, whole = totals(self.connection, start, end, self.now)
            assert {who: nonzero(sums) for who, sums in used.items() if nonzero(sums)} == {
                who: nonzero(sums) for who, sums in counted.used.items() if nonzero(sums)
            }
            assert whole == counted.utilization()

    def rows(self) -> dict[str, list[Any]]:
        """All that is rolled up, with names instead of their numbers."""
        names, used = schema.usage_names.c, schema.usage_by_name.c
        joined = sa.select(used.period, used.time_start, names.cluster, names.account, names.user_name, names.wckey,
                           names.qos, used.tres, used.seconds).join_from(schema.usage_by_name, schema.usage_names,
                                                                         used.name == names.id)  # fmt: skip
        with self.connection.begin():
            return {
                "used": sorted(tuple(row) for row in self.connection.execute(joined)),
                **{
                    table.name: sorted(tuple(row) for row in self.connection.execute(table.select()))
                    for table in (schema.usage_of_cluster, schema.usage_of_reservation)
                },
            }


def _association(number: int, account: str, user: str) -> dict[str, Any]:
    mapper = schema.MAPPERS["associations"]
    return mapper.row(schema.records.Association(id=number, cluster="ref", account=account, user=user))


def nonzero(sums: dict[str, int]) -> dict[str, int]:
    return {name: seconds for name, seconds in sums.items() if seconds}


@pytest.mark.parametrize("seed", range(4))
def test_what_is_rolled_up_is_what_is_counted(connection: sa.Connection, seed: int) -> None:
    world = World(connection, random.Random(seed))
    for number in range(60):
        world.step()
        if number % 5 == 0:
            world.roll()
        if number % 7 == 0:
            world.check()
    world.now += 40 * 86400
    world.roll()
    world.check()
    rows = world.rows()
    assert {row[0] for row in rows["used"]} == {HOUR, DAY, MONTH}
    with connection.begin():
        assert parts(connection, START, hour_of(world.now)) == ([(START, hour_of(world.now))], [])
    world.roll()
    world.roll((START, world.now))
    assert world.rows() == rows  # doing it again changes nothing


@pytest.mark.parametrize("seed", range(3))
def test_records_that_arrive_meanwhile_and_deaths_are_made_up_for(connection: sa.Connection, seed: int) -> None:
    world = World(connection, random.Random(100 + seed))
    world.between = lambda: world.dice.choice((world.submit, world.begin, world.finish, lambda: None))()
    world.deaths = 0.3
    for number in range(40):
        world.step()
        if number % 3 == 0:
            world.roll()
            world.check()
    world.deaths, world.between = 0.0, lambda: None
    world.restart()
    world.roll()
    world.check()
    rows = world.rows()
    with connection.begin():
        for table in (schema.usage_by_name, schema.usage_of_cluster, schema.usage_of_reservation, schema.usage_names):
            connection.execute(table.delete())
        State().save(connection)
    world.restart()
    world.roll()
    assert world.rows() == rows  # as if it had been done at once


@given(st.integers(0, 1 << 32), st.lists(st.integers(0, 9), min_size=10, max_size=40))
@settings(max_examples=12)
def test_any_history(tmp_path_factory: pytest.TempPathFactory, seed: int, moves: list[int]) -> None:
    database = opened("sqlite", tmp_path_factory.mktemp("history"))
    try:
        world = World(database.connection(), random.Random(seed))
        world.deaths = 0.1
        for move in moves:
            world.step()
            if move == 0:
                world.roll()
            elif move == 1:
                world.check()
            elif move == 2:
                world.roll((world.moment(), world.now))
        world.roll()
        world.check()
    finally:
        database.close()


def test_hours_whose_jobs_are_purged_stay(connection: sa.Connection) -> None:
    world = World(connection, random.Random(1))
    job = world.submit()
    job.update(start_time=job["eligible_time"], end_time=job["eligible_time"] + 3000, tres_allocated="cpu=3")
    world.tell({**job, "kind": "job_complete", "job_state": 3})
    world.now += 2 * 86400
    world.roll()
    rows = world.rows()
    with connection.begin():
        connection.execute(schema.jobs.delete())
        rollup.purged(connection, hour_of(world.now) - 3600)
        world.recorder.forget()
    world.tell(
        {"kind": "node_down", "node": "n1", "start": START + 5000, "end": START + 6000, "state": 1, "tres": "cpu=1"}
    )
    with connection.begin():
        used, _ = totals(connection, START - 90_000, world.now, world.now)
    assert sum(sums["cpu"] for sums in used.values()) == 9000
    world.roll((0, world.now))
    assert world.rows() == rows


def test_another_calendar_makes_it_all_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = opened("sqlite", tmp_path)
    world = World(database.connection(), random.Random(5))
    for _ in range(30):
        world.step()
    world.now += 3 * 86400
    world.roll()
    try:
        monkeypatch.setenv("TZ", "Asia/Kathmandu")  # whose hours begin at other minutes as well
        time.tzset()
        world.restart()
        world.check()
        world.roll()
        world.check()
        assert all(hour_of(row[1]) == row[1] for row in world.rows()["used"])
    finally:
        monkeypatch.undo()
        time.tzset()
        database.close()


def test_the_end_of_a_job_leaves_no_mark_before_it(connection: sa.Connection) -> None:
    """As a rule what is reported is of the current hour: nothing is done twice."""
    world = World(connection, random.Random(1))
    job = world.submit(wckey="")
    world.now += 7200
    job.update(start_time=world.now, job_state=1, tres_allocated="cpu=2")
    world.tell(dict(job))
    world.now += 50_000
    world.roll()
    world.tell({**job, "kind": "job_complete", "job_state": 3, "end_time": world.now})
    with connection.begin():
        assert Marks.load(connection) == []
    world.now += 7200
    world.roll()
    world.tell({**job, "kind": "job_complete", "job_state": 3, "end_time": world.now - 7100})
    with connection.begin():
        assert [one[1:] for one in Marks.load(connection)] == [(hour_of(world.now) - 7200, hour_of(world.now))]


def test_a_mark_that_cannot_be_made_loses_the_change_with_it(connection: sa.Connection, monkeypatch: Any) -> None:
    world = World(connection, random.Random(1))
    world.now += 7200
    world.roll()

    def broken(*_: object) -> None:
        raise SlurmError("SLURM_ERROR")

    monkeypatch.setattr(rollup_marks.Marks, "add", broken)
    with pytest.raises(SlurmError):
        world.submit(eligible_time=START, submit_time=START)
    with connection.begin():
        assert connection.execute(sa.select(sa.func.count()).select_from(schema.jobs)).scalar() == 0
