"""The order of the queue, arrays, limits, licenses, reservations, preemption, backfill, and what a pass costs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slurmpy.controller import (
    arrays,
    backfill,
    limits,
    partition_access,
    priority,
    reservation_admin,
    reservations,
    scheduler,
    submission,
)
from slurmpy.controller.state import Job, State
from slurmpy.core.errors import SlurmError
from slurmpy.core.intervals import IntervalSet
from slurmpy.core.reasons import REASONS
from slurmpy.core.states import JobState, NodeState

from . import world


@pytest.fixture
def state(tmp_path: Path) -> State:
    return world.simple(
        tmp_path, nodes=2, sockets=1, cores=4, partitions="PartitionName=top Nodes=ALL PriorityTier=10 MaxTime=30"
    )


def names(jobs: list[Job]) -> list[str]:
    return [job.name for job in jobs]


def test_tier_then_priority_then_age(state: State) -> None:
    full = [world.submit(state, "-N1 --exclusive -J full --wrap true") for _ in range(2)]
    assert world.run(state) == full
    low = world.submit(state, "-n4 -N1 -J low --wrap true")
    high = world.submit(state, "-n4 -N1 -J high --priority=50 --wrap true")
    tier = world.submit(state, "-n4 -N1 -J tier -p top -t 10 --wrap true")
    assert world.run(state) == []
    assert (low.state_reason, high.state_reason, tier.state_reason) == ("Priority", "Resources", "Resources")
    world.end(state, full[0])
    assert names(world.run(state)) == ["tier"]
    world.end(state, full[1])
    assert names(world.run(state)) == ["high"]
    world.end(state, tier)
    assert names(world.run(state)) == ["low"]


def test_a_job_behind_one_that_waits_does_not_overtake_it(state: State) -> None:
    first = world.submit(state, "-n4 -N1 --wrap true")
    wide = world.submit(state, "-N2 -n8 --wrap true")
    small = world.submit(state, "-n1 --wrap true")
    assert world.run(state) == [first]
    assert (wide.state_reason, small.state_reason) == ("Resources", "Priority")


def test_a_job_that_waits_for_a_named_node_keeps_only_that_node(state: State) -> None:
    first = world.submit(state, "-n4 -w n1 --wrap true")
    named = world.submit(state, "-n1 -w n1 --wrap true")
    other = world.submit(state, "-n1 --wrap true")
    assert world.run(state) == [first, other]
    assert other.nodes == "n2"
    assert named.state_reason == "Resources"


def test_held_jobs_start_when_released(state: State) -> None:
    job = world.submit(state, "-H --wrap true")
    assert world.run(state) == []
    assert job.state_reason == "JobHeldUser"
    assert "DEPENDENT" in job.flags
    job.hold = False
    priority.set_priority(state, job, state.now)
    state.requeue_look(job)
    assert world.run(state) == [job]
    assert "DEPENDENT" not in job.flags


def test_begin_time_wakes_the_queue(state: State) -> None:
    job = world.submit(state, "--begin=2030-01-01T00:00:00 --wrap true")
    assert world.run(state) == []
    assert job.state_reason == "BeginTime"
    assert scheduler.next_wakeup(state) == job._begin_time
    assert world.run(state, job._begin_time - 1) == []
    assert world.run(state, job._begin_time) == [job]
    assert job.eligible_time == job._begin_time


def test_down_and_drained_nodes(state: State) -> None:
    state.nodes["n1"].state = NodeState.DOWN
    named = world.submit(state, "-w n1 --wrap true")
    everything = world.submit(state, "-N2 --wrap true")
    assert world.run(state) == []
    assert named.state_description == "ReqNodeNotAvail, UnavailableNodes:n1"
    assert everything.state_description == scheduler.NODES_DOWN
    state.nodes["n1"].state = NodeState.IDLE | NodeState.DRAIN
    state.requeue_look(named)
    world.run(state)
    assert named.state_description == "ReqNodeNotAvail, May be reserved for other job"
    state.nodes["n1"].state = NodeState.IDLE
    state.freed_nodes.add("n1")
    assert world.run(state) == [named, everything]


def test_partition_limits_and_their_lifting(state: State) -> None:
    job = world.submit(state, "-p top -t 60 --wrap true")
    assert world.run(state) == []
    assert job.state_reason == "PartitionTimeLimit"
    state.partitions["top"].max_time = 120
    scheduler.partition_changed(state, "top")
    assert world.run(state) == [job]
    state.partitions["top"].state = "DOWN"
    later = world.submit(state, "-p top -t 10 --wrap true")
    assert world.run(state) == []
    assert later.state_reason == "PartitionDown"
    state.partitions["top"].state = "DRAIN"
    with pytest.raises(SlurmError, match="inactive or drain"):
        world.submit(state, "-p top -t 10 --wrap true")


def test_several_partitions_first_that_can(state: State) -> None:
    state.partitions["top"].state = "DOWN"
    job = world.submit(state, "-p top,main -t 10 --wrap true")
    assert world.run(state) == [job]
    assert job.partition == "main"
    state.partitions["top"].state = "UP"
    job = world.submit(state, "-p main,top -t 10 --wrap true")
    assert job.partition == "top,main"  # highest tier first
    assert world.run(state) == [job]
    assert job.partition == "top"


def test_licenses(state: State) -> None:
    jobs = [world.submit(state, "-L matlab:2,ansys -J lic --wrap true") for _ in range(3)]
    assert world.run(state) == jobs[:2]
    assert jobs[2].state_reason == "Licenses"
    assert (state.licenses["matlab"].used, state.licenses["ansys"].free) == (4, 0)
    world.end(state, jobs[0])
    assert world.run(state) == jobs[2:]
    for job in jobs[1:]:
        world.end(state, job)
    assert state.licenses["matlab"].used == 0


# ------------------------------------------------------------------------------------------------ arrays


def test_array_tasks_get_records_as_they_start(state: State) -> None:
    meta = world.submit(state, "--array=3-12 --mem=1 --wrap true")
    started = world.run(state)
    assert [job.array_task_id for job in started] == list(range(3, 11))
    assert [job.job_id for job in started] == list(range(meta.job_id + 1, meta.job_id + 9))
    assert meta.array_task_string == "11-12"
    assert meta.state_reason == "Resources"
    assert state.find_task(meta.job_id, 11) is meta
    world.end(state, started[0])
    world.end(state, started[1])
    last = world.run(state)
    assert [job.array_task_id for job in last] == [11, 12]
    assert last[1] is meta  # the last task has the array's own id
    assert meta._array_tasks is None


def test_array_limit(state: State) -> None:
    meta = world.submit(state, "--array=0-5%2 --mem=1 --wrap true")
    started = world.run(state)
    assert len(started) == 2
    assert meta.state_reason == "JobArrayTaskLimit"
    other = world.submit(state, "--wrap true")
    assert world.run(state) == [other]
    for job in started:
        world.end(state, job)
    assert [job.array_task_id for job in world.run(state)] == [2, 3]


def test_limit_of_starts_in_one_pass(state: State) -> None:
    world.submit(state, "--array=0-5 --mem=1 --wrap true")
    first = scheduler.run(state, state.now, limit=2)
    for job in first:
        world.began(state, job, state.now)
    assert len(first) == 2
    assert scheduler.pending_work(state, state.now)
    assert len(world.run(state)) == 4


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tasks=st.sets(st.integers(0, 50), min_size=1, max_size=20), order=st.randoms())
def test_splitting_an_array_loses_no_task(tmp_path_factory: pytest.TempPathFactory, tasks: set[int], order) -> None:  # type: ignore[no-untyped-def]
    state = world.simple(tmp_path_factory.mktemp("array"))
    text = ",".join(map(str, sorted(tasks)))
    meta = world.submit(state, f"-H --array={text} --wrap true")
    left = sorted(tasks)
    made: dict[int, int] = {}
    while left:
        task = left.pop(order.randrange(len(left)))
        job = arrays.split(state, meta, task)
        assert job.array_task_id == task
        assert state.find_task(meta.job_id, task) is job
        made[task] = job.job_id
        if left:
            assert meta._array_tasks == IntervalSet(left)
            assert all(state.find_task(meta.job_id, other) is meta for other in left)
    assert set(made) == tasks
    assert len(set(made.values())) == len(tasks)
    assert len(state.by_array[meta.job_id]) == len(tasks)
    assert meta.job_id in made.values()


# ------------------------------------------------------------------------------------------------ heterogeneous jobs


def test_components_start_together_or_not_at_all(state: State) -> None:
    from .test_sched_golden import submit_het

    blocker = world.submit(state, "-w n2 -n4 --wrap true", "anna")
    assert world.run(state) == [blocker]
    leader = state.jobs[submit_het(state, "-n1 -w n1 : -n1 -w n2")]
    before = (state.nodes["n1"]._cpus_used, state.nodes["n1"]._memory_used)
    assert world.run(state) == []
    assert (state.nodes["n1"]._cpus_used, state.nodes["n1"]._memory_used) == before
    assert leader.state_reason == "Resources"
    world.end(state, blocker)
    started = world.run(state)
    assert [job.het_job_offset for job in started] == [0, 1]
    assert [job.nodes for job in started] == ["n1", "n2"]
    assert started[1].accrue_time == started[0].accrue_time > 0  # each component has waited


def test_components_have_nodes_of_their_own(state: State) -> None:
    from .test_sched_golden import submit_het

    submit_het(state, "-n1 : -n1")
    assert [job.nodes for job in world.run(state)] == ["n1", "n2"]
    jobs = [world.submit(state, f"-H -w {name} --wrap true") for name in ("n1", "n2")]
    submission.link_components(jobs)
    assert [job.excluded_nodes for job in jobs] == ["n2", "n1"]
    twins = [world.submit(state, "-H -w n1 --wrap true") for _ in range(2)]
    with pytest.raises(SlurmError, match="Invalid node name"):
        submission.link_components(twins)


# ------------------------------------------------------------------------------------------------ limits


@pytest.fixture
def golden(tmp_path: Path) -> State:
    if not world.GOLDEN.is_dir():
        pytest.skip("no golden captures beside the repository")
    return world.golden_state(tmp_path)


def test_qos_limits_count_what_runs(golden: State) -> None:
    first = world.submit(golden, "--qos=limited -n1 --wrap true", "carol")
    second = world.submit(golden, "--qos=limited -n1 --wrap true", "carol")
    others = world.submit(golden, "--qos=limited -n2 --wrap true", "bob")
    assert world.run(golden) == [others, first]  # two CPUs weigh more
    assert second.state_reason == "QOSMaxJobsPerUserLimit"
    third = world.submit(golden, "--qos=limited -n1 --wrap true", "carol")
    with pytest.raises(SlurmError) as caught:
        world.submit(golden, "--qos=limited -n1 --wrap true", "carol")
    assert caught.value.name == "ESLURM_ACCOUNTING_POLICY"
    assert caught.value.data["user_message"] == "QOSMaxSubmitJobPerUserLimit"
    world.end(golden, first)
    assert world.run(golden) == [second]
    world.end(golden, second)
    assert world.run(golden) == [third]


def test_recounting_gives_the_same_counts(golden: State) -> None:
    for options, user in (("-n2", "anna"), ("--qos=limited", "carol"), ("--array=0-3%2", "bob"), ("-H", "dave")):
        world.submit(golden, f"{options} --wrap true", user)
    world.run(golden)
    before = {one.id: repr(one._usage) for one in golden.assocs.assocs.values()}
    limits.recount(golden)
    after = {one.id: repr(one._usage) for one in golden.assocs.assocs.values()}
    assert {key: value for key, value in after.items() if "tres" in value} == {
        key: value for key, value in before.items() if "tres" in value
    }


def test_priorities_are_the_real_ones(golden: State) -> None:
    """sprio's rows of the scenario: fairshare factors as they were there."""
    shares = {8: 1 / 7, 10: 2 / 7, 11: 6 / 7, 12: 3 / 7}
    for assoc_id, value in shares.items():
        golden.assocs.assocs[assoc_id]._usage["fairshare"] = value
    rows = {"-w n4 --wrap true": ("anna", 1739), "-L ansys:2 --wrap true": ("bob", 3167),
            "-N1 -n8 -t 20 --wrap true": ("carol", 8954), "-p small -N2 --mem=100 --wrap true": ("anna", 1849),
            "--qos=limited -n4 --wrap true": ("bob", 3198), "--qos=high -n8 --wrap true": ("bob", 8240)}  # fmt: skip
    for options, (user, expected) in rows.items():
        job = world.submit(golden, options, user)
        job.eligible_time = job.submit_time
        assert priority.compute(golden, job, golden.now + 71) == expected, options


# ------------------------------------------------------------------------------------------------ preemption


def test_preemption_asks_lower_jobs_to_go(golden: State) -> None:
    low = world.submit(golden, "--qos=low -w n2 -n8 --mem=100 --wrap true", "anna")
    assert world.run(golden) == [low]
    normal = world.submit(golden, "-w n2 -n8 --mem=100 --wrap true", "carol")
    world.run(golden)
    assert golden.preempt_requests == {}
    high = world.submit(golden, "--qos=high -w n2 -n8 --mem=100 -t 2 --wrap true", "bob")
    assert world.run(golden) == []
    assert golden.preempt_requests == {low.job_id: "CANCEL"}
    assert high.state_reason == "Resources"
    world.end(golden, low, JobState.PREEMPTED)
    assert world.run(golden) == [high]
    assert not normal._allocation


# ------------------------------------------------------------------------------------------------ reservations


@pytest.fixture
def anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reservation_admin, "_user_exists", lambda name: name in world.UIDS)


def reserve(state: State, **wishes: object) -> reservations.Reservation:
    return reservations.create(state, dict(wishes), None, state.now)  # type: ignore[arg-type]


def test_a_reservation_keeps_its_nodes(state: State, anybody: None) -> None:
    reserve(state, name="r", start_time=state.now, duration=60, users="anna", node_list="n1")
    outside = [world.submit(state, "-n4 -N1 -t 5 --wrap true", "bob") for _ in range(2)]
    assert world.run(state) == outside[:1]
    assert outside[0].nodes == "n2"
    inside = world.submit(state, "-n4 -N1 -t 5 --reservation=r --wrap true", "anna")
    assert world.run(state) == [inside]
    assert inside.nodes == "n1"
    with pytest.raises(SlurmError) as caught:
        world.submit(state, "--reservation=r --wrap true", "bob")
    assert caught.value.name == "ESLURM_RESERVATION_ACCESS"


def test_a_future_reservation_stops_jobs_that_would_reach_into_it(state: State, anybody: None) -> None:
    reserve(state, name="r", start_time=state.now + 3600, duration=60, users="anna", node_list="n1,n2")
    long = world.submit(state, "-t 90 --wrap true", "bob")
    short = world.submit(state, "-t 30 --wrap true", "bob")
    assert world.run(state) == [short]
    assert long.state_description == scheduler.RESERVED
    assert backfill.run(state, state.now) == []
    assert long.start_time == state.now + 7200
    waiting = world.submit(state, "-t 10 --reservation=r --wrap true", "anna")
    world.run(state)
    assert waiting.state_reason == "Reservation"
    state.now += 3600
    assert waiting in world.run(state)


def test_maintenance_of_all_nodes_is_named(state: State, anybody: None) -> None:
    when = {"start_time": state.now + 3600, "duration": 60, "users": "anna", "flags": ("MAINT",)}
    reserve(state, name="m", node_list="n1,n2", **when)
    job = world.submit(state, "-t 90 --wrap true", "bob")
    world.run(state)
    assert (job.state_reason, job.state_description) == (
        "ReqNodeNotAvail", "ReqNodeNotAvail, Reserved for maintenance",
    )  # fmt: skip
    busy = [world.submit(state, "-t 30 -n4 -N1 --wrap true", "bob") for _ in range(3)]
    assert world.run(state) == busy[:2]
    assert busy[2].state_reason == "Resources"


def test_reservation_errors(state: State, anybody: None) -> None:
    now = state.now
    reserve(state, name="r", start_time=now + 60, duration=60, users="anna", node_list="n1")
    soon = {"start_time": now, "duration": 5, "users": "anna"}
    here = {**soon, "node_list": "n2"}
    for wishes, error in (
        ({**here, "name": "r"}, "ESLURM_RESERVATION_NAME_DUP"),
        ({**here, "users": "nosuch"}, "ESLURM_USER_ID_MISSING"),
        ({**soon, "node_list": "nosuch"}, "ESLURM_INVALID_NODE_NAME"),
        ({**soon, "node_count": 99}, "ESLURM_NODES_BUSY"),
        ({**soon, "node_count": 1, "partition": "x"}, "ESLURM_INVALID_PARTITION_NAME"),
        ({**here, "start_time": 1000, "end_time": 2000}, "ESLURM_INVALID_TIME_VALUE"),
        ({**here, "users": ""}, "ESLURM_RESERVATION_EMPTY"),
        ({**soon, "duration": 60, "node_list": "n1"}, "ESLURM_RESERVATION_OVERLAP"),
        ({**soon, "licenses": "no:1", "flags": ("ANY_NODES",)}, "ESLURM_INVALID_LICENSES"),
    ):
        with pytest.raises(SlurmError) as caught:
            reserve(state, **wishes)
        assert caught.value.name == error, wishes
    assert list(state.reservations) == ["r"]
    job = world.submit(state, "-w n2 --wrap true")
    world.run(state)
    with pytest.raises(SlurmError, match="busy"):
        reserve(state, start_time=now, duration=5, users="anna", node_list="n2")
    world.end(state, job)


def test_reservations_repeat_float_and_end(state: State, anybody: None) -> None:
    now = state.now
    reserve(state, name="daily", start_time=now, duration=60, users="anna", node_list="n1", flags=("DAILY",))
    floating = ("TIME_FLOAT", "MAINT")
    reserve(state, name="float", start_time=now + 600, duration=60, users="anna", node_list="n2", flags=floating)
    reserve(state, name="once", start_time=now, duration=30, users="anna", node_list="n2")
    assert reservation_admin.next_change(state, now) == now + 1800
    gone = reservation_admin.advance(state, now + 3600)
    assert [one.name for one in gone] == ["once"]
    assert state.reservations["daily"].start_time == now + 86400
    assert state.reservations["float"].start_time == now + 3600 + 600


# ------------------------------------------------------------------------------------------------ backfill


def test_backfill_starts_what_delays_nobody(state: State) -> None:
    first = world.submit(state, "-n4 -N1 -t 60 --wrap true")
    wide = world.submit(state, "-N2 -n8 -t 10 --wrap true")
    long = world.submit(state, "-n4 -N1 -t 120 --wrap true")
    short = world.submit(state, "-n4 -N1 -t 30 --wrap true")
    assert world.run(state) == [first]
    assert backfill.run(state, state.now) == [short]
    assert wide.start_time == first.end_time
    assert wide.scheduled_nodes == "n[1-2]"
    assert long.start_time >= wide.start_time + 600
    assert short.scheduler == "Backfill"


def test_will_run_leaves_nothing(state: State) -> None:
    first = [world.submit(state, "-N1 --exclusive -t 10 --wrap true") for _ in range(2)]
    world.run(state)
    job = world.submit(state, "-n2 -t 5 --wrap true")
    state.remove_job(job)
    before = [(node._cpus_used, node._cores_used, node._exclusive) for node in state.nodes.values()]
    answer = scheduler.will_run(state, job, state.now)
    assert answer["start_time"] == min(one.end_time for one in first)
    assert (answer["nodes"], answer["processors"], answer["partition"]) == ("n1", 2, "main")
    assert [(node._cpus_used, node._cores_used, node._exclusive) for node in state.nodes.values()] == before


# ------------------------------------------------------------------------------------------------ cost


def fill(state: State, count: int) -> None:
    model = world.submit(state, "--mem=10 --wrap true")
    for _ in range(count - 1):
        job = model.copy(job_id=0, _sched={}, _steps={})
        world.enter(state, job)


def seconds_for_events(state: State, events: int) -> float:
    began = time.process_time()
    for _ in range(events):
        world.end(state, next(iter(state.running.values())))
        assert world.run(state)
    return time.process_time() - began


def test_an_event_costs_the_same_with_many_jobs_waiting(tmp_path: Path) -> None:
    figures = []
    for count in (500, 20000):
        state = world.simple(tmp_path, nodes=2, sockets=2, cores=16)
        fill(state, count)
        world.run(state)
        seconds_for_events(state, 50)
        figures.append(min(seconds_for_events(state, 100) for _ in range(3)))
    assert figures[1] < figures[0] * 4 + 0.02


def test_a_thousand_tasks_are_placed_quickly(tmp_path: Path) -> None:
    state = world.simple(tmp_path, nodes=1, sockets=1, cores=32)
    world.submit(state, "--array=1-1000 --mem=1 --wrap true")
    began, started = time.process_time(), 0
    while True:
        started += len(world.run(state))
        if not state.running:
            break
        for job in list(state.running.values())[:4]:
            world.end(state, job)
    assert started == 1000
    assert started / (time.process_time() - began) > 300


def test_words() -> None:
    assert partition_access.words("a, b,,c") == {"a", "b", "c"}


jobs_of_all_sizes = st.lists(
    st.tuples(st.integers(1, 8), st.integers(1, 2), st.integers(1, 90)), min_size=4, max_size=14
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=jobs_of_all_sizes)
def test_backfill_never_delays_the_first_that_waits(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[tuple[int, int, int]]
) -> None:
    state = world.simple(tmp_path_factory.mktemp("backfill"), nodes=2, sockets=1, cores=4)
    for tasks, nodes, minutes in sizes:
        world.submit(state, f"-n{max(tasks, nodes)} -N{nodes}-2 -t {minutes} --mem=10 --wrap true")
    world.run(state)
    waiting = sorted(state.pending.values(), key=lambda job: (-job.priority, job.job_id))
    if not waiting:
        return
    first, partition = waiting[0], state.partitions["main"]
    far = state.now + 10**8
    before = backfill.Plan(state, state.now).first_start(first, partition, far)
    for job in backfill.run(state, state.now):
        world.began(state, job, state.now)
    for node in state.nodes.values():
        assert node._cpus_used <= node.cpus
        assert node._cores_used.bit_count() == node._cpus_used
    if first.is_pending:
        after = backfill.Plan(state, state.now).first_start(first, partition, far)
        assert before is not None
        assert after is not None
        assert after[0] <= before[0]


def test_a_backfill_pass_is_bounded_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    state = world.simple(tmp_path, nodes=2, sockets=1, cores=8)
    for at in range(300):
        world.submit(state, f"-n{1 + at % 8} -N1 -t {10 + at} --mem={1 + at} --wrap true")
    world.run(state)
    looked: set[int] = set()
    for _ in range(6):
        backfill.run(state, state.now)
        looked.add(scheduler.queue(state).backfill_from)
    assert 0 in looked
    assert len(looked) > 1


@pytest.mark.parametrize(("enforce", "reason"), [("safe", "AssocGrpCPUMinutesLimit"), ("limits", "")])
def test_limits_on_what_was_used_up(golden: State, monkeypatch: pytest.MonkeyPatch, enforce: str, reason: str) -> None:
    """Safe: a job's whole time limit, and what running jobs may still use, have to fit; else jobs start until it is."""
    monkeypatch.setattr(golden.conf, "AccountingStorageEnforce", f"associations,qos,{enforce}")
    bob = golden.assocs.assocs[10]
    bob._parsed.clear()
    bob.grp_tres_mins = "cpu=100"
    long = world.submit(golden, "-n2 -t 60 --mem=10 --wrap true", "bob")
    assert world.run(golden) == ([] if reason else [long])
    if not reason:
        world.end(golden, long, now=golden.now + 50 * 60)
    else:
        assert long.state_reason == reason
        short = world.submit(golden, "-n2 -t 40 --mem=10 --wrap true", "bob")
        assert world.run(golden) == [short]
        beside = world.submit(golden, "-n1 -t 30 --mem=10 --wrap true", "bob")
        assert world.run(golden) == []
        assert beside.state_reason == reason
        world.end(golden, short, now=golden.now + 40 * 60)
    late = world.submit(golden, "-n1 -t 30 --mem=10 --wrap true", "bob")
    assert world.run(golden) == []
    assert late.state_reason == "AssocGrpCPUMinutesLimit"


def test_what_is_used_up_leaves_running_jobs_no_time(golden: State) -> None:
    bob, qos = golden.assocs.assocs[10], golden.assocs.qos["normal"]
    job = world.submit(golden, "-n2 -t 60 --mem=10 --wrap true", "bob")
    assert world.run(golden) == [job]
    assert limits.used_up(golden, job) == ""
    for holder in (bob, qos):
        holder._usage |= {"wall": 3600.0, "spent": {"cpu": 7200.0}}
        holder._parsed.clear()
        holder.grp_tres_mins, holder.grp_wall = "cpu=121,gres/gpu=1", 61
        assert limits.used_up(golden, job) == ""
        holder._parsed.clear()
        holder.grp_tres_mins = "cpu=120"
        assert limits.used_up(golden, job) == "GrpTRESMins of cpu"
        holder._parsed.clear()
        holder.grp_tres_mins, holder.grp_wall = "", 60
        assert limits.used_up(golden, job) == "GrpWall"
        holder.grp_wall = None


def test_the_minutes_of_a_job_without_time_limit_have_no_end(golden: State) -> None:
    for holder, reason in (
        (golden.assocs.qos["normal"], "QOSMaxCpuMinutesPerJobLimit"),
        (golden.assocs.assocs[10], "AssocMaxCpuMinutesPerJobLimit"),
    ):
        holder._parsed.clear()
        holder.max_tres_mins_per_job = "cpu=100"
        job = world.submit(golden, "-t unlimited --mem=10 --wrap true", "bob")
        assert world.run(golden) == []
        assert job.state_reason == reason
        holder._parsed.clear()
        holder.max_tres_mins_per_job = ""
        world.end(golden, job)


def test_a_limit_factor_widens_an_associations_tres(golden: State) -> None:
    bob, qos = golden.assocs.assocs[10], golden.assocs.qos["normal"]
    bob._parsed.clear()
    bob.grp_tres, bob.max_tres_per_job, qos.limit_factor = "cpu=4", "cpu=3", 2.0
    six = world.submit(golden, "-n6 -t 10 --mem=10 --wrap true", "bob")
    seven = world.submit(golden, "-n7 -t 10 --mem=10 --wrap true", "bob")
    three = world.submit(golden, "-n3 -t 10 --mem=10 --wrap true", "bob")
    assert world.run(golden) == [six]
    assert (seven.state_reason, three.state_reason) == ("AssocMaxCpuPerJobLimit", "AssocGrpCpuLimit")


def test_a_usage_threshold_keeps_who_has_used_much_waiting(golden: State) -> None:
    qos = golden.assocs.qos["normal"]
    golden.assocs.assocs[10]._usage["fairshare"] = 0.2
    qos.usage_threshold = 0.5
    assert world.run(golden) == []
    free = world.submit(golden, "-t 10 --mem=10 --wrap true", "bob")
    assert world.run(golden) == [free]  # without EnforceUsageThreshold it is only a number
    qos.flags = ("EnforceUsageThreshold", "DenyOnLimit")
    kept = world.submit(golden, "-t 10 --mem=10 --wrap true", "bob")
    assert world.run(golden) == []
    assert kept.state_reason == "QOSUsageThreshold"
    golden.assocs.assocs[10]._usage["fairshare"] = 0.6
    world.end(golden, free)  # something has to happen for a new look
    assert world.run(golden) == [kept]


def test_the_names_of_reasons_are_slurms() -> None:
    """As a 24.11 has shown them; the list of all names is its own, too."""
    assert [
        limits.reason_name(owner, place, name)
        for owner, place, name in (
            ("QOS", "Grp{}", "billing"), ("QOS", "Grp{}", "mem"), ("QOS", "Min{}", "node"), ("QOS", "Min{}", "cpu"),
            ("QOS", "Max{}PerAccount", "mem"), ("QOS", "Max{}PerNode", "cpu"), ("QOS", "Max{}PerJob", "mem"),
            ("QOS", "Max{}PerUser", "node"), ("Assoc", "Max{}PerNode", "cpu"), ("Assoc", "Grp{}RunMinutes", "mem"),
        )
    ] == [
        "QOSGrpBilling", "QOSGrpMemLimit", "QOSMinNode", "QOSMinCpuNotSatisfied", "MaxMemoryPerAccount",
        "QOSMaxCpuPerNode", "QOSMaxMemoryPerJob", "QOSMaxNodePerUserLimit", "AssocMaxCpuPerNode",
        "AssocGrpMemRunMinutes",
    ]  # fmt: skip
    both = ("Grp{}", "Grp{}Minutes", "Grp{}RunMinutes", "Max{}PerJob", "Max{}MinutesPerJob")
    places = {"Assoc": both, "QOS": (*both, "Max{}PerUser", "Max{}PerAccount", "Max{}RunMinsPerUser", "Min{}")}
    kinds = ("cpu", "mem", "node", "billing", "energy", "gres/gpu", "license/matlab", "vmem")
    made = {limits.reason_name(owner, place, name) for owner in places for place in places[owner] for name in kinds}
    made |= {limits.reason_name(owner, "Max{}PerNode", name) for owner in places for name in ("cpu", "mem", "gres/gpu")}
    assert made <= set(REASONS)


@pytest.mark.parametrize(
    ("of", "field", "limit", "reason"),
    [
        ("qos", "grp_tres_run_mins", "cpu=100", "QOSGrpCPURunMinutesLimit"),
        ("qos", "grp_tres_run_mins", "mem=1000", "QOSGrpMemoryRunMinutes"),
        ("qos", "max_tres_run_mins_per_user", "cpu=100", "MaxCpuRunMinsPerUser"),
        ("qos", "max_tres_run_mins_per_account", "node=100", "MaxNodeRunMinsPerAccount"),
        ("assoc", "grp_tres_run_mins", "cpu=100", "AssocGrpCPURunMinutesLimit"),
        ("assoc", "grp_tres_run_mins", "mem=1000", "AssocGrpMemRunMinutes"),
        ("assoc", "grp_tres_run_mins", "billing=100", "AssocGrpBillingRunMinutes"),
    ],
)
def test_limits_on_what_running_jobs_may_still_use(golden: State, of: str, field: str, limit: str, reason: str) -> None:
    holder: Any = golden.assocs.qos["normal"] if of == "qos" else golden.assocs.assocs[10]
    holder._parsed.clear()
    setattr(holder, field, limit)
    first = world.submit(golden, "-t 60 --mem=10 --wrap true", "bob")
    second = world.submit(golden, "-t 60 --mem=10 --wrap true", "bob")
    third = world.submit(golden, "-t 30 --mem=10 --wrap true", "bob")
    endless = world.submit(golden, "-t unlimited --mem=10 --wrap true", "bob")
    assert world.run(golden) == [first, third]  # one that still fits goes before the one that does not, as in Slurm
    assert second.state_reason == endless.state_reason == reason
    assert holder._usage["run_secs"]["cpu"] == 90 * 60
    world.end(golden, first)
    assert holder._usage["run_secs"]["cpu"] == 30 * 60
    assert world.run(golden) == [second]
    # the time that is over counts no longer, once that is looked at again
    second._end_limit, third._end_limit = golden.now + 3600, golden.now + 1800
    golden.now += 1200
    priority.recompute(golden, golden.now)
    assert holder._usage["run_secs"]["cpu"] == (40 + 10) * 60


def test_a_qos_that_denies_refuses_what_could_never_run_within_its_minutes(golden: State) -> None:
    qos = golden.assocs.qos["normal"]
    qos.flags = ("DENY_LIMIT",)
    for field, reason in (
        ("grp_tres_run_mins", "QOSGrpCPURunMinutesLimit"),
        ("max_tres_run_mins_per_user", "MaxCpuRunMinsPerUser"),
        ("max_tres_run_mins_per_account", "MaxCpuRunMinsPerAccount"),
    ):
        qos._parsed.clear()
        setattr(qos, field, "cpu=100")
        assert world.submit(golden, "-t 100 --mem=10 --wrap true", "bob").is_pending
        with pytest.raises(SlurmError) as refused:
            world.submit(golden, "-t 101 --mem=10 --wrap true", "bob")
        assert refused.value.data == {"user_message": reason}
        setattr(qos, field, "")


def test_a_job_without_time_limit_gets_the_longest_it_may_have(golden: State) -> None:
    golden.assocs.qos["normal"].max_wall_duration_per_job = 45
    assert world.submit(golden, "--wrap true", "bob").time_limit == 45
    job = world.submit(golden, "-t 50 --wrap true", "bob")
    assert world.run(golden)
    assert job.state_reason == "QOSMaxWallDurationPerJobLimit"


def test_first_come_first_served_goes_on_after_a_restart(tmp_path: Path) -> None:
    state = world.simple(tmp_path, more="PriorityType=priority/basic")
    old = [world.submit(state, "-H --wrap true") for _ in range(3)]
    for job in old:
        priority.set_priority(state, job, state.now)
    del state.__dict__["_basic_counter"]
    new = world.submit(state, "--wrap true")
    assert [job.priority for job in old] == sorted((job.priority for job in old), reverse=True)
    assert new.priority < old[-1].priority


def test_a_node_of_several_jobs_is_one_and_the_old_are_counted(golden: State) -> None:
    bob = golden.assocs.assocs[10]
    jobs = [world.submit(golden, "-n1 --mem=10 -w n1 --wrap true", "bob") for _ in range(2)]
    jobs.append(world.submit(golden, "-n1 --mem=10 -w n2 --wrap true", "bob"))
    waits = [world.submit(golden, f"--exclusive -w n1 {more} --wrap true", "bob") for more in ("", "--array=1-3", "-H")]
    assert world.run(golden) == jobs
    assert bob._usage["tres"]["node"] == 2
    for other in (jobs[0], jobs[2]):
        world.end(golden, other)
    assert (bob._usage["tres"]["node"], bob._usage["nodes"]) == (1, {"n1": 1})
    limits.recount(golden)
    assert bob._usage["tres"]["node"] == 1
    limits.count_accruing(golden)
    assert bob._usage["accrue"] == sum(bool(job.accrue_time) * (3 if job._array_tasks else 1) for job in waits) == 4
    world.end(golden, jobs[1])
    assert (bob._usage["tres"]["node"], bob._usage["nodes"]) == (0, {})
