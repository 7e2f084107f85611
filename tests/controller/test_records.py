"""What accounting is told of jobs: lives that ended, lives that never began, what a job was submitted with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from slurmpy.controller import admin, ends, records
from slurmpy.core.records.accounting import Association
from slurmpy.core.records.cluster import ReservationInfo
from slurmpy.core.states import JobState

from .harness import Cluster

Told = list[dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def start(test: Callable[[Cluster, Told], Awaitable[None]], more: str = "") -> None:
        async def go() -> None:
            async with Cluster(tmp_path, more) as cluster:
                told: Told = []
                monkeypatch.setattr(records, "wanted", lambda ctl: True)
                monkeypatch.setattr(cluster.ctl.store, "add_record", told.append)
                await asyncio.wait_for(test(cluster, told), 30)

        asyncio.run(go())

    return start


def of(told: Told, kind: str, number: int) -> Told:
    return [item for item in told if item["kind"] == kind and item["job_id"] == number]


def test_a_finished_job_that_is_requeued_has_its_end_told_again(run: Callable[..., None]) -> None:
    async def test(c: Cluster, told: Told) -> None:
        number = await c.submit(requeue=True)
        await c.finished(number)
        await c.until(lambda: not c.state.jobs[number].is_completing)
        await c.call("requeue", {"job_id": str(number)})
        first, second = of(told, "job_complete", number)
        assert (first["job_state"], second["job_state"]) == (JobState.COMPLETED, JobState.REQUEUED)
        assert second["submit_time"] == first["submit_time"]
        assert second["end_time"] == first["end_time"] > 0
        again = of(told, "job_start", number)[-1]
        assert again["submit_time"] > first["submit_time"]
        assert (again["restart_cnt"], again["start_time"], again["job_state"]) == (1, 0, JobState.PENDING)
        started = next(one for one in of(told, "job_start", number) if one["job_state"] == JobState.RUNNING)
        # only an allocation has nodes; what a waiting job asks for is among the requested TRES
        assert (started["allocation_nodes"], again["allocation_nodes"]) == (1, 0)
        assert "node=1" in again["tres_requested"]

    run(test)


def test_a_running_job_that_is_requeued_ends_as_requeued(run: Callable[..., None]) -> None:
    async def test(c: Cluster, told: Told) -> None:
        for slurmd in c.slurmd.values():
            slurmd.auto = None
        number = await c.submit(requeue=True)
        await c.until(lambda: c.state.jobs[number].is_running)
        await c.call("requeue", {"job_id": str(number)})
        (end,) = of(told, "job_complete", number)
        assert (end["job_state"], end["exit_code"]) == (JobState.REQUEUED, 0)

    run(test)


def test_the_books_have_why_a_job_waited_unless_it_was_just_not_its_turn(run: Callable[..., None]) -> None:
    """sacct(1): the last reason that blocked it other than Priority and Resources."""

    async def test(c: Cluster, told: Told) -> None:
        number = await c.submit(hold=True)
        job = c.state.jobs[number]
        for reason in ("QOSMaxJobsPerUserLimit", "Priority", "Resources"):
            job.state_reason = reason
            records.job_start(c.ctl, job)
        last = [item.get("state_reason") for item in of(told, "job_start", number)][-3:]
        assert last == ["QOSMaxJobsPerUserLimit", None, None]

    run(test)


def test_a_preempted_job_was_killed_by_root(run: Callable[..., None]) -> None:
    async def test(c: Cluster, told: Told) -> None:
        for slurmd in c.slurmd.values():
            slurmd.auto = None
        number = await c.submit()
        await c.until(lambda: bool(c.state.running))
        ends.tell_to_end(c.ctl, c.state.jobs[number], "preempted")
        (end,) = of(told, "job_complete", number)
        assert (end["job_state"], end["kill_request_user"]) == (JobState.PREEMPTED, "root")

    run(test)


def test_what_never_started_has_no_start_and_no_limit_but_its_own(run: Callable[..., None]) -> None:
    async def test(c: Cluster, told: Told) -> None:
        plain = await c.submit(hold=True)
        limited = await c.submit(hold=True, time_limit=5)
        assert [of(told, "job_start", number)[0]["time_limit"] for number in (plain, limited)] == [None, 5]
        await c.call("kill_job", {"job_id": str(plain)})
        (end,) = of(told, "job_complete", plain)
        assert (end["start_time"], end["job_state"]) == (0, JobState.CANCELLED)
        assert end["end_time"] > 0

    run(test)


def test_the_environment_in_the_books_has_the_limits(run: Callable[..., None]) -> None:
    async def test(c: Cluster, told: Told) -> None:
        number = await c.submit(environment=("A=1",), rlimits={"RLIMIT_NOFILE": 1024, "RLIMIT_CPU": 2**64 - 1})
        told_once = [item["environment"] for item in of(told, "job_start", number) if "environment" in item]
        expected = "A=1\nSLURM_RLIMIT_NOFILE=1024\nSLURM_RLIMIT_CPU=18446744073709551615"
        assert told_once == [expected]

    run(test, "AccountingStoreFlags=job_env\n")


def test_associations_of_a_reservation() -> None:
    tree = (
        Association(id=6, account="chem", lineage="/chem/"),
        Association(id=7, account="bio", lineage="/bio/"),
        Association(id=8, account="physics", user="anna", lineage="/physics/0-anna/"),
        Association(id=9, account="chem", user="anna", lineage="/chem/0-anna/"),
        Association(id=14, account="chem", user="carol", partition="long", lineage="/chem/0-carol/long/"),
        Association(id=11, account="chem", user="carol", lineage="/chem/0-carol/"),
    )
    assocs = SimpleNamespace(assocs={one.id: one for one in tree})
    ctl: Any = SimpleNamespace(state=SimpleNamespace(assocs=assocs))
    made = [
        admin._associations(ctl, ReservationInfo(users=users, accounts=accounts))
        for users, accounts in (("anna", ""), ("carol", ""), ("", "chem,bio"), ("carol,anna", "chem"), ("", ""))
    ]
    assert made == ["9,8", "11,14", "6,7", "11,14,9", ""]
