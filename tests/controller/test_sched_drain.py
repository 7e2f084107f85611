"""Whatever is submitted runs in the end, in any order of ends, with and without backfill; nothing is counted twice."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slurmpy.controller import backfill, limits, scheduler
from slurmpy.controller.state import State
from slurmpy.core.states import JobState

from . import world

PARTITIONS = """PartitionName=top Nodes=n[1-2] PriorityTier=5 MaxTime=INFINITE
PartitionName=sharing Nodes=n3 OverSubscribe=FORCE:2 MaxTime=INFINITE"""

sizes = st.sampled_from(
    ["-n1", "-n3", "-n5", "-N2", "-N3 -n6", "-c2", "--exclusive", "--mem=9000", "-w n2 -n2", "-n4 -N1", "-x n1 -n2"]
)
places = st.sampled_from(["", "", "", "-p top", "-p top,main", "-p sharing -n2 -N1"])
shapes = st.sampled_from(["", "", "", "--array=0-4", "--array=1-6%2", "-L matlab:3", "-d singleton -J one", "--nice=5"])


def command(size: str, place: str, shape: str, minutes: int) -> str:
    if "sharing" in place:
        size = ""
    elif place == "-p top" and "-N3" in size:
        place = ""  # it has two nodes
    return f"{size} {place} {shape} -t {minutes} --wrap true"


submissions = st.builds(command, sizes, places, shapes, st.sampled_from([5, 30, 90]))


def check(state: State) -> None:
    for node in state.nodes.values():
        assert node._memory_used <= node.real_memory
        if not node._rows:
            assert node._cpus_used <= node.cpus
            assert node._cores_used.bit_count() == node._cpus_used
    used = sum(count for job in state.running.values() for name, count in job._licenses if name == "matlab")
    assert used == state.licenses["matlab"].used <= state.licenses["matlab"].total
    for array_id, members in state.by_array.items():
        most = next(iter(members.values())).array_max_tasks
        if most:
            assert sum(1 for job_id in members if job_id in state.running) <= most, array_id


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    wishes=st.lists(submissions, min_size=1, max_size=15),
    chained=st.lists(st.tuples(st.sampled_from(["afterany", "after", "afterok"]), st.integers(0, 9)), max_size=4),
    with_backfill=st.booleans(),
    order=st.randoms(use_true_random=False),
)
def test_everything_runs_in_the_end(
    tmp_path_factory: pytest.TempPathFactory,
    wishes: list[str],
    chained: list[tuple[str, int]],
    with_backfill: bool,
    order,  # type: ignore[no-untyped-def]
) -> None:
    state = world.simple(tmp_path_factory.mktemp("drain"), nodes=3, sockets=1, cores=4, partitions=PARTITIONS)
    left = list(wishes)
    known: list[int] = []
    tasks = 0
    for _ in range(600):
        if left and order.random() < 0.5:
            job = world.submit(state, left.pop(0))
            known.append(job.job_id)
            tasks += len(job._array_tasks or (0,))
            if chained and order.random() < 0.3:
                kind, at = chained.pop()
                job = world.submit(state, f"-d {kind}:{known[at % len(known)]} --wrap true")
                tasks += 1
        world.run(state)
        if with_backfill:
            for job in backfill.run(state, state.now):
                world.began(state, job, state.now)
        check(state)
        if not left and not state.pending and not state.running:
            break
        state.now += 30
        running = list(state.running.values())
        if running and (order.random() < 0.8 or not left):
            world.end(state, order.choice(running))
    assert not left
    assert not state.running
    assert not state.pending, [(job, job.state_description) for job in state.pending.values()]
    ended = [job for job in state.jobs.values() if job.base_state == JobState.COMPLETED]
    assert len(ended) == tasks
    line = scheduler.queue(state)
    assert not line.keys
    assert not any(line.lists.values())
    assert not state.dependents
    before = [one._usage for one in state.assocs.assocs.values()]
    limits.recount(state)
    assert [one._usage for one in state.assocs.assocs.values()] == before
    for node in state.nodes.values():
        assert not node._jobs
        assert (node._cpus_used, node._cores_used, node._memory_used, node._exclusive) == (0, 0, 0, 0)
        assert not node._rows
