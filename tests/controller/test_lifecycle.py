"""What happens to jobs between submission and end, with nodes that pretend."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from slurmpy.controller import limits
from slurmpy.core.errors import SlurmError
from slurmpy.core.states import JobState, NodeState

from .harness import Cluster


def run(directory: Path, test: Callable[[Cluster], Awaitable[None]], **more: Any) -> None:
    async def go() -> None:
        async with Cluster(directory, **more) as cluster:
            await asyncio.wait_for(test(cluster), 30)

    asyncio.run(go())


def test_batch_job_completes(tmp_path: Path) -> None:
    async def test(c: Cluster) -> None:
        job_id = await c.submit("#!/bin/sh\nexit 0\n", name="first", environment=("A=1", "B=\udcff"))
        end = await c.finished(job_id)
        assert end["state"] == JobState.COMPLETED
        launch = next(one for s in c.slurmd.values() for one in s.launches)
        assert launch["script"] == "#!/bin/sh\nexit 0\n"
        assert launch["environment"] == ("A=1", "B=\udcff")
        assert launch["job"]["job_id"] == job_id
        job = c.state.jobs[job_id]
        assert job.end_time >= job.start_time > 0
        node = c.state.nodes["n1"]
        assert node.state & NodeState.BASE == NodeState.IDLE
        assert node._cpus_used == 0

    run(tmp_path, test)


@pytest.mark.parametrize(
    ("status", "state", "reason", "more"),
    [
        (3 << 8, JobState.FAILED, "NonZeroExitCode", ""),
        (9, JobState.FAILED, "RaisedSignal", "RaisedSignal:9(Killed)"),
    ],
)
def test_exit_status_decides(tmp_path: Path, status: int, state: int, reason: str, more: str) -> None:
    async def test(c: Cluster) -> None:
        for slurmd in c.slurmd.values():
            slurmd.auto = status
        end = await c.finished(await c.submit())
        assert (end["state"], end["exit_code"]) == (state, status)
        assert (c.state.jobs[1].state_reason, c.state.jobs[1].state_description) == (reason, more)

    run(tmp_path, test)


def _hold_all(c: Cluster) -> None:
    for slurmd in c.slurmd.values():
        slurmd.auto = None


def test_one_that_runs_is_held_and_let_go(tmp_path: Path) -> None:
    async def test(c: Cluster) -> None:
        _hold_all(c)
        number = await c.submit()
        await c.until(lambda: c.slurmd["n1"].running)
        job = c.state.jobs[number]

        def shown() -> tuple[str, bool, int, bool]:
            return job.state_reason, job.priority > 0, job.job_state, job.eligible_time > 0

        for _ in range(2):
            await c.call("hold", {"job_id": str(number)})
            assert shown() == ("JobHeldAdmin", False, JobState.RUNNING, False)
        await c.call("release", {"job_id": str(number)})
        assert shown() == ("None", True, JobState.RUNNING, False)
        await c.call("suspend", {"job_id": str(number)})
        await c.call("hold", {"job_id": str(number)})
        await c.call("resume", {"job_id": str(number)})
        assert shown() == ("JobHeldAdmin", False, JobState.RUNNING, False)
        await c.call("suspend", {"job_id": str(number)})
        await c.call("release", {"job_id": str(number)})
        await c.call("resume", {"job_id": str(number)})
        assert shown()[:3] == ("None", True, JobState.RUNNING)
        await c.call("hold", {"job_id": str(number), "user_hold": True})
        await c.call("requeue", {"job_id": str(number)})
        await c.until(lambda: job.job_state == JobState.PENDING)
        assert shown()[:2] == ("JobHeldUser", False)
        await c.call("release", {"job_id": str(number)})
        assert shown()[1]

    run(tmp_path, test)


def test_cancel_running_and_waiting(tmp_path: Path) -> None:
    async def test(c: Cluster) -> None:
        _hold_all(c)
        running = await c.submit()
        waiting = await c.submit(hold=True)
        await c.until(lambda: c.slurmd["n1"].running)
        assert c.state.jobs[waiting].state_reason == "JobHeldUser"
        await c.call("kill_job", {"job_id": str(waiting)})
        assert c.state.jobs[waiting].job_state == JobState.CANCELLED
        await c.call("kill_job", {"job_id": str(running)})
        assert c.state.jobs[running].job_state & JobState.BASE == JobState.CANCELLED
        end = await c.finished(running)
        assert end["exit_code"] == 15
        assert c.state.jobs[running].job_state == JobState.CANCELLED
        with pytest.raises(SlurmError, match="already completing or completed"):
            await c.call("kill_job", {"job_id": str(running)})
        with pytest.raises(SlurmError, match="Invalid job id"):
            await c.call("kill_job", {"job_id": "999"})

    run(tmp_path, test)


def test_time_limit(tmp_path: Path) -> None:
    async def test(c: Cluster) -> None:
        _hold_all(c)
        job_id = await c.submit(time_limit=1)
        await c.until(lambda: c.slurmd["n1"].running)
        job = c.state.jobs[job_id]
        assert job._end_limit == job.start_time + 60
        job.start_time -= 60  # as if a minute had passed
        job._end_limit -= 60
        c.ctl.at("limit", job_id, job._end_limit)
        end = await c.finished(job_id)
        assert end["state"] == JobState.TIMEOUT
        assert job.state_reason == "TimeLimit"
        assert job.exit_code == 15

    run(tmp_path, test)


def test_array_splits_and_waits_for_all(tmp_path: Path) -> None:
    async def test(c: Cluster) -> None:
        job_id = await c.submit(array="0-9%3")
        await c.finished(job_id)
        tasks = c.state.by_array[job_id]
        assert sorted(job.array_task_id for job in tasks.values()) == list(range(10))
        assert {job.job_state for job in tasks.values()} == {JobState.COMPLETED}
        assert len({job.job_id for job in tasks.values()}) == 10

    run(tmp_path, test)


def test_array_limit_holds(tmp_path: Path) -> None:
    async def test(c: Cluster) -> None:
        _hold_all(c)
        job_id = await c.submit(array="1-6%2")
        await c.until(lambda: len(c.state.running) == 2)
        meta = c.state.jobs[job_id]
        assert meta.array_task_string == "3-6"
        assert meta.state_reason == "JobArrayTaskLimit"
        await c.call("kill_job", {"job_id": f"{job_id}_[4-5]"})
        assert meta.array_task_string == "3,6"
        assert c.state.array_tasks[job_id, 4].job_state == JobState.CANCELLED
        await c.call("kill_job", {"job_id": str(job_id)})
        await c.until(lambda: not c.state.running and not c.state.completing and not c.state.pending)

    run(tmp_path, test)


def test_changes_of_an_array_tell_which_tasks_refused(tmp_path: Path) -> None:
    async def test(c: Cluster) -> None:
        _hold_all(c)
        array = await c.submit(array="0-5%1", hold=True)
        await c.call("kill_job", {"job_id": f"{array}_[0,3]"})
        answer = await c.call("hold", {"job_id": str(array)})
        assert [row[0] for row in answer["results"]] == [f"{array}_0,3", f"{array}_1-2,4-5"]
        assert [row[2] for row in answer["results"]] == ["Job has already finished", "No error"]
        assert await c.call("hold", {"job_id": f"{array}_[1-2]"}) == {}
        with pytest.raises(SlurmError, match="already finished"):
            await c.call("hold", {"job_id": f"{array}_0"})

    run(tmp_path, test)


def test_hold_release_requeue(tmp_path: Path) -> None:
    async def test(c: Cluster) -> None:
        _hold_all(c)
        job_id = await c.submit(hold=True)
        await c.call("release", {"job_id": str(job_id)})
        await c.until(lambda: c.slurmd["n1"].running)
        await c.call("requeue", {"job_id": str(job_id)})
        job = c.state.jobs[job_id]
        await c.until(lambda: job.is_pending and not job.is_completing)
        assert job.restart_cnt == 1
        assert job.state_reason == "BeginTime"
        assert not job._allocation
        assert job._begin_time > job.submit_time
        assert c.state.nodes["n1"]._cpus_used == 0
        await c.call("update_job", {"job_id": str(job_id), "changes": {"begin_time": 1}})
        await c.until(lambda: job.is_running)
        await c.until(lambda: len(c.slurmd["n1"].launches) == 2)
        assert c.slurmd["n1"].launches[1]["job"]["restart_cnt"] == 1

    run(tmp_path, test)


def test_suspend_frees_cpus(tmp_path: Path) -> None:
    async def test(c: Cluster) -> None:
        _hold_all(c)
        job_id = await c.submit(time_limit=10, minimum_cpus=4, tasks=4, required_nodes="n1")
        await c.until(lambda: c.slurmd["n1"].running)
        job = c.state.jobs[job_id]
        await c.call("suspend", {"job_id": str(job_id)})
        assert job.is_suspended
        assert c.state.nodes["n1"]._cpus_used == 0
        await c.until(lambda: ("suspend_job", {"job_id": job_id}) in c.slurmd["n1"].calls)
        other = await c.submit(tasks=4, required_nodes="n1")
        await c.until(lambda: c.state.jobs[other].is_running)
        await c.call("kill_job", {"job_id": str(other)})
        await c.finished(other)
        await c.call("resume", {"job_id": str(job_id)})
        assert job.is_running
        assert c.state.nodes["n1"]._cpus_used == 4
        with pytest.raises(SlurmError, match="not suspended"):
            await c.call("resume", {"job_id": str(job_id)})

    run(tmp_path, test)


def test_dependency_and_its_failure(tmp_path: Path) -> None:
    async def test(c: Cluster) -> None:
        _hold_all(c)
        first = await c.submit()
        after = await c.submit(dependency=f"afterok:{first}")
        never = await c.submit(dependency=f"afternotok:{first}")
        await c.until(lambda: c.slurmd["n1"].running)
        assert c.state.jobs[after].state_reason == "Dependency"
        await c.slurmd["n1"].complete(first)
        await c.until(lambda: c.state.jobs[after].is_running)
        assert c.state.jobs[never].state_reason == "DependencyNeverSatisfied"

    run(tmp_path, test)


def test_node_failure_requeues_or_fails(tmp_path: Path) -> None:
    async def test(c: Cluster) -> None:
        _hold_all(c)
        again = await c.submit(required_nodes="n1")
        lost = await c.submit(required_nodes="n1", requeue=False)
        await c.until(lambda: len(c.slurmd["n1"].running) == 2)
        await c.call("update_node", {"names": "n1", "changes": {"state": "DOWN", "reason": "power"}})
        assert c.state.jobs[lost].job_state & JobState.BASE == JobState.NODE_FAIL
        assert c.state.jobs[lost].failed_node == "n1"
        await c.until(lambda: c.state.jobs[again].is_pending)
        assert c.state.jobs[again].restart_cnt == 1
        assert c.state.nodes["n1"].reason == "power"
        with pytest.raises(SlurmError, match="Invalid node state"):
            await c.call("update_node", {"names": "n2", "changes": {"state": "RESUME"}})
        await c.call("update_node", {"names": "n1", "changes": {"state": "RESUME"}})
        assert c.state.nodes["n1"].state & NodeState.BASE == NodeState.IDLE

    # with 2, a slurmd that is well brings its node back by itself after a second: before us, if we are slow
    run(tmp_path, test, more="ReturnToService=1")


def test_silent_node_goes_down_and_comes_back(tmp_path: Path) -> None:
    async def test(c: Cluster) -> None:
        _hold_all(c)
        job_id = await c.submit(required_nodes="n2", requeue=False)
        await c.until(lambda: c.state.jobs[job_id]._launched)
        await c.slurmd["n2"].stop()
        node = c.state.nodes["n2"]
        node._last_response -= 1000
        c.ctl.at("ping", 0, 1)
        await c.until(lambda: node.state & NodeState.BASE == NodeState.DOWN)
        assert node.state & NodeState.NOT_RESPONDING
        assert node.reason == "Not responding"
        assert c.state.jobs[job_id].job_state == JobState.NODE_FAIL
        await c.slurmd["n2"].start()
        assert node.state & NodeState.BASE == NodeState.IDLE
        assert not node.reason
        # the job that goes on there has no record of running any more: it is told to end
        await c.until(lambda: any(name == "terminate_job" for name, _ in c.slurmd["n2"].calls))

    run(tmp_path, test)


def test_allocation_stream(tmp_path: Path) -> None:
    async def test(c: Cluster) -> None:
        description = {"name": "alloc", "tasks": 2, "current_working_directory": "/tmp"}
        stream = c.client.stream("allocate_resources", {"description": description})
        granted = await anext(stream)
        assert granted["granted"] is True
        job_id = granted["job_id"]
        assert granted["job"]["nodes"] == "n1"
        assert granted["job"]["cpus_per_node"] == ((2, 1),)
        step = {"job_id": job_id, "tasks": 2, "name": "work"}
        parts = [part async for part in c.client.stream("create_step", {"step": step})]
        made = parts[-1]["step"]
        assert (made["step_id"], made["nodes"], made["tasks_per_node"]) == (0, "n1", (2,))
        waits = c.client.stream("create_step", {"step": step})
        assert "pending" in await anext(waits)
        done = {"job_id": job_id, "step_id": 0, "node": "n1", "exit_code": 256, "restart_cnt": 0}
        await c.call("step_complete", done)
        second = await anext(waits)
        assert second["step"]["step_id"] == 1
        await c.call("step_complete", {**done, "step_id": 1, "exit_code": 0})
        await c.call("complete_allocation", {"job_id": job_id, "status": 0})
        await c.until(lambda: c.state.jobs[job_id].job_state == JobState.COMPLETED)
        assert c.state.jobs[job_id].derived_exit_code == 256
        assert [part["event"] async for part in stream][-1] in ("ended_all", "ended")

    run(tmp_path, test)


def test_allocation_waits_and_is_cancelled(tmp_path: Path) -> None:
    async def test(c: Cluster) -> None:
        _hold_all(c)
        blocker = await c.submit(minimum_nodes=2, shared="none")
        await c.until(lambda: c.state.jobs[blocker].is_running)
        description = {"name": "alloc", "current_working_directory": "/tmp"}
        stream = c.client.stream("allocate_resources", {"description": description})
        first = await anext(stream)
        assert first["granted"] is False
        await c.call("kill_job", {"job_id": str(first["job_id"])})
        rest = [part async for part in stream]
        assert rest[-1]["event"] == "revoked"
        with pytest.raises(SlurmError):
            async for _ in c.client.stream("allocate_resources", {"description": {**description, "immediate": 1}}):
                pass

    run(tmp_path, test)


def test_a_job_whose_group_has_used_up_its_minutes_times_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(c: Cluster) -> None:
        _hold_all(c)
        number, other = await c.submit(), await c.submit()
        await c.until(lambda: len(c.state.running) == 2)
        monkeypatch.setattr(limits, "used_up", lambda state, job: "GrpWall" if job.job_id == number else "")
        c.ctl.at("priority", 0, 1)
        end = await c.finished(number)
        assert end["state"] == JobState.TIMEOUT
        assert c.state.jobs[number].state_reason == "TimeLimit"
        assert c.state.jobs[other].is_running

    run(tmp_path, test)


def test_heterogeneous_job(tmp_path: Path) -> None:
    async def test(c: Cluster) -> None:
        _hold_all(c)
        common = {"current_working_directory": "/tmp", "environment": ("PATH=/bin",)}
        parts = ({"script": "#!/bin/sh\n", "required_nodes": "n1", **common}, {"required_nodes": "n2", **common})
        job_id = (await c.call("submit_batch_job", {"descriptions": parts}))["job_id"]
        await c.until(lambda: len(c.state.running) == 2)
        assert c.state.jobs[job_id].het_job_id_set == f"{job_id}-{job_id + 1}"
        await c.until(lambda: c.slurmd["n1"].running)
        launch = c.slurmd["n1"].launches[0]
        assert len(launch["het_components"]) == 2
        assert launch["job"]["het_size"] == 2
        assert "SLURM_JOB_NODELIST_HET_GROUP_1=n2" in launch["environment"]
        assert not c.slurmd["n2"].launches
        await c.slurmd["n1"].complete(job_id)
        await c.until(lambda: all(c.state.jobs[i].job_state == JobState.COMPLETED for i in (job_id, job_id + 1)))

    run(tmp_path, test)


def test_refused_submission_leaves_nothing(tmp_path: Path) -> None:
    async def test(c: Cluster) -> None:
        with pytest.raises(SlurmError, match="Invalid partition name"):
            await c.submit(partition="nosuch")
        assert not c.state.jobs
        assert not c.ctl.store.dirty(c.state) or not c.state.dirty_jobs

    run(tmp_path, test)


def test_purge_forgets_script_with_the_last_task(tmp_path: Path) -> None:
    async def test(c: Cluster) -> None:
        job_id = await c.submit(array="0-1")
        await c.finished(job_id)
        for job in c.state.jobs.values():
            job.end_time -= 10000
        c.ctl.at("purge", 0, 1)
        await c.until(lambda: not c.state.jobs)
        await c.ctl.committed()
        assert c.ctl.store.script(job_id) is None
        assert not c.ctl.store.load_jobs()

    run(tmp_path, test)


def test_launch_failure_requeues_held(tmp_path: Path) -> None:
    async def test(c: Cluster) -> None:
        def refuse(peer: Any, args: dict[str, Any]) -> None:
            raise SlurmError("ESLURMD_CREATE_BATCH_DIR_ERROR")

        for slurmd in c.slurmd.values():
            assert slurmd.server is not None
            slurmd.server.handlers["launch_batch_job"] = refuse
        job_id = await c.submit()
        job = c.state.jobs[job_id]
        await c.until(lambda: job.restart_cnt == 1)
        assert job.is_pending
        assert job.hold
        assert job.state_description == "launch failed requeued held"

    run(tmp_path, test)


def test_full_disk_refuses_and_recovers(tmp_path: Path) -> None:
    async def test(c: Cluster) -> None:
        store = c.ctl.store
        works = store.commit
        broken = True

        def commit(state: Any) -> None:
            if broken:
                raise SlurmError("SLURM_ERROR", "database or disk is full")
            works(state)

        store.commit = commit  # type: ignore[method-assign]
        with pytest.raises(SlurmError, match=r"I/O error|disk is full"):
            await c.submit()
        assert not c.state.jobs
        assert not any(s.launches for s in c.slurmd.values())
        broken = False
        await c.until(lambda: not c.ctl.failing)
        await c.finished(await c.submit())

    run(tmp_path, test)


def test_reconfigure_adds_a_node_and_keeps_jobs(tmp_path: Path) -> None:
    async def test(c: Cluster) -> None:
        _hold_all(c)
        job_id = await c.submit()
        await c.until(lambda: c.slurmd["n1"].running)
        text = Path(c.path).read_text().replace("n[1-2] CPUs", "n[1-3] CPUs")
        Path(c.path).write_text(text)
        await c.call("reconfigure")
        assert list(c.state.nodes) == ["n1", "n2", "n3"]
        assert c.state.jobs[job_id].is_running
        assert c.state.nodes["n1"]._cpus_used == 1
        Path(c.path).write_text(text + "NoSuchParameter=1\n")
        with pytest.raises(SlurmError):
            await c.call("reconfigure")
        assert list(c.state.nodes) == ["n1", "n2", "n3"]
        await c.slurmd["n1"].complete(job_id)

    run(tmp_path, test)


def _program(directory: Path, name: str, text: str) -> Path:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_mail_prolog_and_epilog_of_slurmctld(tmp_path: Path) -> None:
    mail = _program(tmp_path, "mail", f'echo "$2 -> $3" >> {tmp_path}/mails')
    prolog = _program(tmp_path, "prolog", f"echo prolog $SLURM_JOB_ID >> {tmp_path}/order")
    epilog = _program(tmp_path, "epilog", f"echo epilog $SLURM_JOB_EXIT_CODE2 >> {tmp_path}/order")

    async def test(c: Cluster) -> None:
        for slurmd in c.slurmd.values():
            slurmd.auto = 2 << 8
        job_id = await c.submit(mail_type=("BEGIN", "END", "FAIL"), mail_user="anna@example.org")
        await c.finished(job_id)
        order = tmp_path / "order"
        mails = tmp_path / "mails"
        await c.until(lambda: order.exists() and len(order.read_text().splitlines()) == 2)
        assert order.read_text() == f"prolog {job_id}\nepilog 2:0\n"
        await c.until(lambda: mails.exists() and len(mails.read_text().splitlines()) == 2)
        first, second = sorted(mails.read_text().splitlines())
        assert first.startswith(f"Slurm Job_id={job_id} Name=job Began, Queued time 00:00:0")
        assert second.endswith("FAILED, ExitCode 2 -> anna@example.org")

    run(tmp_path, test, more=f"MailProg={mail}\nPrologSlurmctld={prolog}\nEpilogSlurmctld={epilog}")


def test_failing_prolog_of_slurmctld_requeues(tmp_path: Path) -> None:
    prolog = _program(tmp_path, "prolog", "exit 1")

    async def test(c: Cluster) -> None:
        job_id = await c.submit()
        job = c.state.jobs[job_id]
        await c.until(lambda: job.restart_cnt == 1 and job.is_pending)
        assert not any(s.launches for s in c.slurmd.values())

    run(tmp_path, test, more=f"PrologSlurmctld={prolog}")
