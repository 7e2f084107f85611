"""slurmctld is killed at any moment, and everything that was acknowledged is there when it comes back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from slurmpy.controller.state import Job, NodeAlloc, Reservation, State, Step
from slurmpy.controller.store import Store, pack_job, pack_step, unpack_job, unpack_step
from slurmpy.core.errors import SlurmError
from slurmpy.core.intervals import IntervalSet
from slurmpy.core.records.description import JobDescriptor
from slurmpy.core.states import JobState, NodeState

from .harness import Cluster


class Conf:
    FirstJobId = 1
    MaxJobId = 1000


def test_rows_hold_everything() -> None:
    job = Job(
        job_id=7, name="x\udcff", job_state=JobState.RUNNING, flags=("A",), time_limit=None, array_job_id=7,
        job_resources={"nodes": "n1"},
    )  # fmt: skip
    job._allocation = {"n2": NodeAlloc(2, 1 << 200 | 5, 100, (("gpu", "a100", 2, (0, 3)),)), "n1": NodeAlloc(1, 0, 0)}
    job._array_tasks = IntervalSet.parse("4-9,20-30:5")
    job._request = JobDescriptor(name="x", argv=("a", "b"))
    job._partitions = ("a", "b")
    job._completing = frozenset(("n1",))
    job._dependencies = (("afterok", 3, None, 0, "unfulfilled", False),)
    job._limits = {"killed_by": (0, "root")}
    job._sched = {"started": True}
    back = unpack_job(pack_job(job))
    assert list(back._allocation) == ["n2", "n1"]
    for name in (*Job.STORED, "_allocation", "_array_tasks", "_completing", "_request", "name", "flags", "time_limit"):
        assert getattr(back, name) == getattr(job, name), name
    assert back._sched == {}
    assert back.job_resources is None
    step = Step(job_id=7, step_id=0xFFFFFFFB, name="batch")
    step._allocation = {"n1": NodeAlloc(1, 3, 0)}
    step._running_on = frozenset(("n1",))
    step._usage = {"tasks": 1}
    again = unpack_step(pack_step(step))
    assert again.to_wire() == step.to_wire()
    assert (again._allocation, again._running_on, again._usage) == (step._allocation, step._running_on, step._usage)


def test_store_writes_whole_turns(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    state: Any = State(Conf())  # type: ignore[arg-type]
    job = Job(job_id=state.take_job_id(), name="one")
    state.add_job(job)
    store.put_script(1, "#!/bin/sh\n\udc80", ("A=\udcff",))
    store.add_record({"kind": "job_start", "job_id": 1})
    store.add_record({"kind": "job_complete", "job_id": 1})
    reservation = Reservation(name="r")
    reservation._cores = {"n1": 1 << 70}
    state.reservations["r"] = reservation
    state.touch_reservation(reservation)
    store.commit(state)
    assert not store.dirty(state)
    state.add_job(Job(job_id=state.take_job_id(), name="never written"))
    store.close()
    with pytest.raises(SlurmError, match=r"cannot use|another"):
        Store("/proc/nowhere")
    store = Store(str(tmp_path))
    state = State(Conf())  # type: ignore[arg-type]
    assert [job.name for job in store.load_jobs()] == ["one"]
    assert store.load_next_id() == 2
    assert store.script(1) == ("#!/bin/sh\n\udc80", ("A=\udcff",))
    assert store.load_reservations()[0]._cores == {"n1": 1 << 70}
    source, numbers, items = store.spooled(0, 10)
    assert (numbers, items) == ([1, 2], [{"kind": "job_start", "job_id": 1}, {"kind": "job_complete", "job_id": 1}])
    store.add_record({"kind": "job_start", "job_id": 2})
    store.commit(state)
    newer, numbers, _ = store.spooled(2, 10)
    assert numbers == [3]
    assert newer != source  # each start counts under a name of its own, and a batch is of one alone
    assert store.spooled(0, 10)[:2] == (source, [1, 2])
    store.confirm(1)
    assert store.spool_size() == 2
    assert store.spooled(0, 10)[1] == [2]
    store.confirm(3)
    assert store.spool_size() == 0
    store.commit(state)
    store.close()
    store = Store(str(tmp_path))
    assert store.last_seq == 3  # numbers are never used twice
    with pytest.raises(SlurmError, match="another slurmctld"):
        Store(str(tmp_path))
    store.close()
    store = Store(str(tmp_path), fresh=True)
    assert not store.load_jobs()
    store.close()


def test_killed_controller_finds_its_jobs(tmp_path: Path) -> None:
    async def go() -> None:
        async with Cluster(tmp_path) as c:
            for slurmd in c.slurmd.values():
                slurmd.auto = None
            running = await c.submit(time_limit=30, tasks=2)
            waiting = await c.submit(hold=True, name="later")
            array = await c.submit(array="0-99%1")
            await c.until(lambda: sum(len(s.running) for s in c.slurmd.values()) == 2)
            before = {job_id: job.to_wire() for job_id, job in c.state.jobs.items()}
            await c.kill()
            await c.start()
            for job_id, wire in before.items():
                new = c.state.jobs[job_id].to_wire()
                for name in ("job_state", "name", "nodes", "start_time", "end_time", "array_task_string", "priority"):
                    assert new.get(name) == wire.get(name), (job_id, name)
            assert c.state.nodes["n1"]._cpus_used + c.state.nodes["n2"]._cpus_used == 3
            await c.until(lambda: all(node._registered for node in c.state.nodes.values()))
            assert {job.job_id for job in c.state.running.values()} == {running, array + 1}
            node = next(s for s in c.slurmd.values() if running in s.running)
            await node.complete(running)
            await c.until(lambda: c.state.jobs[running].job_state == JobState.COMPLETED)
            assert c.state.jobs[waiting].state_reason == "JobHeldUser"
            assert sum(one["job"]["job_id"] == running for s in c.slurmd.values() for one in s.launches) == 1

    asyncio.run(asyncio.wait_for(go(), 30))


def test_result_that_came_while_it_was_down(tmp_path: Path) -> None:
    async def go() -> None:
        async with Cluster(tmp_path) as c:
            for slurmd in c.slurmd.values():
                slurmd.auto = None
            job_id = await c.submit()
            await c.until(lambda: c.slurmd["n1"].running)
            await c.kill()
            held = asyncio.get_running_loop().create_task(c.slurmd["n1"].complete(job_id, 7 << 8))
            await asyncio.sleep(0.05)
            assert not held.done()
            await c.start()
            await held
            assert c.state.jobs[job_id].job_state == JobState.FAILED
            assert c.state.jobs[job_id].exit_code == 7 << 8

    asyncio.run(asyncio.wait_for(go(), 30))


def test_kills_under_load_lose_nothing_and_run_nothing_twice(tmp_path: Path) -> None:
    import random

    chance = random.Random(3)

    async def go() -> None:
        async with Cluster(tmp_path) as c:
            acknowledged: list[int] = []
            stop = False

            async def submitter() -> None:
                while not stop:
                    # a submission whose answer was lost may or may not exist; only answers count
                    try:
                        job_id = (await asyncio.wait_for(c.client.call("submit_batch_job", {"description": wish}), 5))[
                            "job_id"
                        ]
                    except (SlurmError, TimeoutError):
                        await asyncio.sleep(0.01)
                        continue
                    acknowledged.append(job_id)

            wish = {
                "name": "load", "script": "#!/bin/sh\n", "environment": (), "current_working_directory": "/tmp",
            }  # fmt: skip
            task = asyncio.get_running_loop().create_task(submitter())
            for _ in range(12):
                await asyncio.sleep(chance.uniform(0.02, 0.12))
                await c.kill()
                await c.start()
            await c.until(lambda: len(acknowledged) > 50, 20)
            stop = True
            await task
            await c.until(lambda: not c.state.pending and not c.state.running and not c.state.completing, 20)
            assert len(set(acknowledged)) == len(acknowledged)
            states = {c.state.jobs[job_id].job_state for job_id in acknowledged}
            assert states == {JobState.COMPLETED}
            ran = [key for s in c.slurmd.values() for key in s.seen]
            assert len(ran) == len(set(ran))
            assert set(acknowledged) <= {job_id for job_id, _ in ran}
            assert all(c.state.jobs[job_id].restart_cnt == 0 for job_id in acknowledged)

    asyncio.run(asyncio.wait_for(go(), 60))


def test_drained_node_and_reason_outlive_a_restart(tmp_path: Path) -> None:
    async def go() -> None:
        async with Cluster(tmp_path) as c:
            await c.call("update_node", {"names": "n1", "changes": {"state": "DRAIN", "reason": "bad disk"}})
            await c.call("update_partition", {"name": "other", "changes": {"state": "DOWN"}})
            await c.kill()
            await c.start()
            node = c.state.nodes["n1"]
            assert node.state & NodeState.DRAIN
            assert node.reason == "bad disk"
            assert c.state.partitions["other"].state == "DOWN"
            await c.until(lambda: node._registered)
            assert node.state & NodeState.BASE == NodeState.IDLE
            assert node.state & NodeState.DRAIN

    asyncio.run(asyncio.wait_for(go(), 30))
