"""Parts of slurmctld by themselves: the clock, the queue to a node, ids as users write them, queries."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from slurmpy.controller import launch, lookup
from slurmpy.controller.agent import Agent
from slurmpy.controller.state import NodeAlloc
from slurmpy.controller.timers import Timers
from slurmpy.core.errors import SlurmError
from slurmpy.core.states import JobState
from slurmpy.rpc.address import Address

from .harness import Cluster


def test_timers_fire_once_at_their_latest_time() -> None:
    async def go() -> list[tuple[Any, float]]:
        fired: list[tuple[Any, float]] = []
        began = time.time()
        timers = Timers(lambda key: fired.append((key, time.time() - began)))
        timers.set("moved", began + 0.01)
        timers.set("moved", began + 0.08)
        timers.set("early", began + 0.03)
        timers.set("dropped", began + 0.02)
        timers.drop("dropped")
        assert timers.pending("early")
        assert not timers.pending("dropped")
        await asyncio.sleep(0.15)
        timers.close()
        return fired

    fired = asyncio.run(go())
    assert [key for key, _ in fired] == ["early", "moved"]
    assert fired[1][1] >= 0.075


def test_stale_timers_do_not_pile_up() -> None:
    async def go() -> int:
        timers = Timers(lambda key: None)
        for turn in range(5000):
            timers.set("one", time.time() + 1000 + turn)
        count = len(timers._heap)
        timers.close()
        return count

    assert asyncio.run(go()) < 200


def test_agent_sends_in_order_in_batches_and_drops_what_is_pointless() -> None:
    async def go() -> None:
        sent: list[list[str]] = []
        gate = asyncio.Event()

        class Client:
            connected = True

            async def call(self, method: str, args: dict[str, Any], timeout: float) -> Any:
                names = [method] if method != "many" else [one for one, _ in args["calls"]]
                sent.append(names)
                await gate.wait()
                return {} if method != "many" else tuple({"ok": {}} for _ in names)

            def close(self) -> None:
                pass

        class Conf:
            MessageTimeout = 10

        agent = Agent(Conf(), lambda name: Address("/nowhere"), lambda name: None, lambda name: None)
        answers: list[Any] = []
        agent.send("n1", "first", {}, answers.append)
        agent._links["n1"].client = Client()  # type: ignore[assignment]
        await asyncio.sleep(0.01)
        useful = True
        agent.send("n1", "second", {}, answers.append)
        agent.send("n1", "pointless", {}, answers.append, lambda: useful)
        agent.send("n1", "third", {}, answers.append)
        useful = False
        gate.set()
        await asyncio.sleep(0.01)
        assert sent == [["first"], ["second", "third"]]
        assert len(answers) == 3
        agent.close()

    asyncio.run(go())


def test_a_lost_message_is_sent_again() -> None:
    async def go() -> None:
        calls = 0
        done: list[Any] = []

        class Client:
            connected = True

            async def call(self, method: str, args: dict[str, Any], timeout: float) -> Any:
                nonlocal calls
                calls += 1
                if calls < 3:
                    raise SlurmError("SLURM_COMMUNICATIONS_RECEIVE_ERROR")
                return {"heard": calls}

            def close(self) -> None:
                pass

        class Conf:
            MessageTimeout = 10

        silent: list[str] = []
        agent = Agent(Conf(), lambda name: Address("/nowhere"), silent.append, lambda name: None)
        agent.send("n1", "ping", {}, done.append)
        agent._links["n1"].client = Client()  # type: ignore[assignment]
        for _ in range(200):
            agent.heard("n1")
            await asyncio.sleep(0.005)
            if done:
                break
        assert done == [{"heard": 3}]
        assert silent == ["n1", "n1"]
        agent.close()

    asyncio.run(go())


@pytest.mark.parametrize(
    ("text", "job_id", "tasks", "component"),
    [("12", 12, None, None), ("12_3", 12, [3], None), ("12_[1-3,7]", 12, [1, 2, 3, 7], None), ("12_*", 12, None, None),
     ("12+1", 12, None, 1), (7, 7, None, None), ("12_[1-9:4%2]", 12, [1, 5, 9], None)],
)  # fmt: skip
def test_ids_as_users_write_them(text: str, job_id: int, tasks: list[int] | None, component: int | None) -> None:
    target = lookup.parse(text)
    assert target.job_id == job_id
    assert (list(target.tasks) if target.tasks is not None else None) == tasks
    assert target.component == component


@pytest.mark.parametrize("text", ["", "x", "0", "12_", "12_a", "12+", "12+x", "-3", "1 2"])
def test_ids_that_are_none(text: str) -> None:
    with pytest.raises(SlurmError, match="Invalid job id"):
        lookup.parse(text)


def test_repeats() -> None:
    assert launch.repeats([4, 4, 2]) == ((4, 2), (2, 1))
    assert launch._repeated(launch.repeats([4, 4, 2])) == "4(x2),2"


def test_core_masks_travel(tmp_path: Path) -> None:
    alloc = NodeAlloc(3, 1 << 130 | 6, 100, (("gpu", "", 1, (2,)),))
    assert NodeAlloc.from_wire(alloc.to_wire()) == alloc
    assert alloc.core_ids() == [1, 2, 130]


def test_queries_filter_and_project_where_the_data_is(tmp_path: Path) -> None:
    async def rows(c: Cluster, fields: tuple[str, ...], where: dict[str, Any], **more: Any) -> list[Any]:
        parts = [p async for p in c.client.stream("query", {"what": "jobs", "fields": fields, "where": where, **more})]
        return [row for part in parts for row in part["rows"]]

    async def go() -> None:
        async with Cluster(tmp_path) as c:
            for slurmd in c.slurmd.values():
                slurmd.auto = None
            running = await c.submit(name="a", partition="main")
            held = await c.submit(name="b", hold=True, partition="other")
            array = await c.submit(name="c", array="1-4", hold=True)
            await c.until(lambda: c.slurmd["n1"].running)
            one = ("job_id",)
            assert await rows(c, one, {"states": (JobState.RUNNING,)}) == [(running,)]
            assert await rows(c, one, {"names": ("b", "c")}) == [(held,), (array,)]
            assert await rows(c, one, {"partitions": ("other",)}) == [(held,)]
            assert await rows(c, one, {"nodes": ("n1",)}) == [(running,)]
            assert await rows(c, one, {"job_ids": ((array, 2, None), (held, None, None))}) == [(held,), (array,)]
            assert await rows(c, one, {"users": (4242,)}) == []
            assert await rows(c, ("name", "job_id"), {"job_ids": ((running, None, None),)}) == [("a", running)]
            with pytest.raises(SlurmError, match="no field nosuch"):
                await rows(c, ("nosuch",), {})
            with pytest.raises(SlurmError, match="no such thing"):
                [p async for p in c.client.stream("query", {"what": "nosuch"})]
            parts = [
                p
                async for p in c.client.stream(
                    "query", {"what": "jobs", "fields": ("job_id", "user_id", "name"), "constants": True}
                )
            ]
            assert parts[0]["columns"] == ("job_id", "name")
            assert list(parts[0]["meta"]["constants"]) == ["user_id"]
            await c.call("kill_job", {"job_id": f"{array}_[2-3]"})
            assert await rows(c, one, {}) == [(running,), (held,), (array + 1,), (array + 2,), (array,)]
            document = b"".join([p async for p in c.client.stream("dump", {"what": "jobs", "parser": "v0.0.42"})])
            import json

            assert [job["job_id"] for job in json.loads(document)["jobs"]][:2] == [running, held]
            stats = [p async for p in c.client.stream("query", {"what": "stats"})]
            assert dict(stats[0]["rows"])["jobs_submitted"] == 3
            config = [p async for p in c.client.stream("query", {"what": "config"})]
            assert ("HASH_VAL", "Match") in config[0]["rows"]

    asyncio.run(asyncio.wait_for(go(), 30))
