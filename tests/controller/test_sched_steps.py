"""Where the tasks of a step go; the table was measured on real Slurm 24.11 with the golden scenario's nodes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slurmpy.controller import steps_layout
from slurmpy.controller.state import Job, State, Step
from slurmpy.core.errors import SlurmError
from slurmpy.core.records.description import StepDescriptor

from . import world
from .test_sched_place import GRES, NODES


@pytest.fixture
def state(tmp_path: Path) -> State:
    return world.state_of(NODES.format(select="CR_CPU_Memory"), tmp_path, GRES)


def job_of(state: State, options: str) -> Job:
    job = world.submit(state, f"{options} --wrap true")
    assert world.run(state) == [job]
    return job


def add(job: Job, layout: steps_layout.Layout, **fields: object) -> Step:
    step = Step(job_id=job.job_id, step_id=len(job._steps), **fields)
    step._allocation = layout.allocation
    job._steps[step.step_id] = step
    return step


def step(job: Job, **fields: object) -> StepDescriptor:
    return StepDescriptor(job_id=job.job_id, **fields)


REAL = (
    # job, what srun asks for, (node, CPUs on it) of each task in the order of their numbers
    ("-N2 -n4", {"tasks": 4, "minimum_nodes": 2}, "n1 n1 n1 n2", {"n1": 3, "n2": 1}),
    ("-N2 -n4", {"tasks": 2, "minimum_nodes": 2}, "n1 n2", {"n1": 3, "n2": 1}),
    ("-N2 -n5", {"tasks": 1, "minimum_nodes": 1}, "n1", {"n1": 4}),
    ("-n9", {"tasks": 9, "minimum_nodes": 2}, "n1 n1 n1 n1 n1 n1 n1 n1 n2", {"n1": 8, "n2": 1}),
    (
        "-n9",
        {"tasks": 9, "minimum_nodes": 2, "distribution": "cyclic"},
        "n1 n2 n1 n1 n1 n1 n1 n1 n1",
        {"n1": 8, "n2": 1},
    ),
    ("-n9", {"tasks": 4, "minimum_nodes": 2}, "n1 n1 n1 n2", {"n1": 8, "n2": 1}),
    ("-n4 -c2", {"tasks": 4, "cpus_per_task": 2, "minimum_nodes": 1}, "n1 n1 n1 n1", {"n1": 8}),
    ("-n4", {"tasks": 5, "overcommit": True, "minimum_nodes": 1}, "n1 n1 n1 n1 n1", {"n1": 4}),
    ("-n4", {"tasks": 2, "cpus_per_task": 2, "minimum_nodes": 1}, "n1 n1", {"n1": 4}),
    (
        "-N2 --ntasks-per-node=4",
        {"tasks": 8, "minimum_nodes": 2, "tasks_per_node": 4, "distribution": "plane", "distribution_plane_size": 2},
        "n1 n1 n2 n2 n1 n1 n2 n2",
        {"n1": 4, "n2": 4},
    ),
    ("-N2 -n8", {"tasks": 6, "minimum_nodes": 2, "distribution": "cyclic"}, "n1 n2 n1 n1 n1 n1", {"n1": 7, "n2": 1}),
    ("-N2 -n8", {"tasks": 1, "minimum_nodes": 1, "required_nodes": "n2"}, "n2", {"n2": 1}),
    ("-N2 -n8", {"tasks": 1, "minimum_nodes": 1, "relative": 1}, "n2", {"n2": 1}),
    ("-n3 -w n3", {"tasks": 3, "minimum_nodes": 1}, "n3 n3 n3", {"n3": 3}),
    ("-n3 -w n3", {"tasks": 1, "minimum_nodes": 1, "exact": True}, "n3", {"n3": 1}),
)


@pytest.mark.parametrize(("options", "fields", "tasks", "cpus"), REAL)
def test_layout_equals_the_real_one(
    state: State, options: str, fields: dict[str, object], tasks: str, cpus: dict[str, int]
) -> None:
    job = job_of(state, options)
    layout = steps_layout.place(state, job, step(job, **fields))
    where = {number: name for name, ids in zip(layout.nodes, layout.task_ids, strict=True) for number in ids}
    assert " ".join(where[number] for number in range(layout.tasks)) == tasks
    assert {name: alloc.cpus for name, alloc in layout.allocation.items()} == cpus


@pytest.mark.parametrize(("options", "tasks"), [("-n4", 5), ("-N2 -n8", 20)])
def test_more_tasks_than_cpus_are_refused_as_the_real_one_does(state: State, options: str, tasks: int) -> None:
    job = job_of(state, options)
    with pytest.raises(SlurmError, match="More processors requested than permitted"):
        steps_layout.place(state, job, step(job, tasks=tasks))


def test_the_default_distribution_shows(state: State) -> None:
    job = job_of(state, "-N2 -n8")
    assert steps_layout.place(state, job, step(job, tasks=2, minimum_nodes=2)).distribution == "Cyclic"
    assert steps_layout.place(state, job, step(job, tasks=3, minimum_nodes=2)).distribution == "Block"
    with pytest.raises(SlurmError, match="distribution"):
        steps_layout.place(state, job, step(job, tasks=3, distribution="nosuch"))


def test_arbitrary_distribution_follows_the_list(state: State) -> None:
    job = job_of(state, "-N2 -n8 --ntasks-per-node=4")
    layout = steps_layout.place(state, job, step(job, tasks=4, required_nodes="n2,n1,n1,n2", distribution="arbitrary"))
    assert layout.nodes == ("n1", "n2")
    assert layout.task_ids == ((1, 2), (0, 3))


def test_steps_wait_for_one_another_unless_they_overlap(state: State) -> None:
    job = job_of(state, "-n4")
    add(job, steps_layout.place(state, job, step(job, tasks=1)))  # without --exact it has all CPUs
    with pytest.raises(SlurmError) as caught:
        steps_layout.place(state, job, step(job, tasks=1))
    assert caught.value.name == "ESLURM_NODES_BUSY"
    assert steps_layout.place(state, job, step(job, tasks=1, overlap=True)).allocation["n1"].cpus == 4


def test_exact_steps_share_a_job(state: State) -> None:
    job = job_of(state, "-n4")
    layouts = []
    for _ in range(2):
        layouts.append(steps_layout.place(state, job, step(job, tasks=2, exact=True)))
        add(job, layouts[-1])
    masks = [layout.allocation["n1"].cores for layout in layouts]
    assert masks[0] & masks[1] == 0
    assert masks[0] | masks[1] == job._allocation["n1"].cores
    with pytest.raises(SlurmError, match="busy"):
        steps_layout.place(state, job, step(job, tasks=1, exact=True))


def test_devices_of_steps(state: State) -> None:
    job = job_of(state, "-n2 --gres=gpu:2")
    everything = steps_layout.place(state, job, step(job, tasks=1, overlap=True))
    assert everything.allocation["n1"].gres == (("gpu", "a100", 2, (0, 1)),)
    one = step(job, tasks=1, exact=True, tres_per_node="gres/gpu:1")
    first = steps_layout.place(state, job, one)
    add(job, first, tres_per_node="gres/gpu:1")
    second = steps_layout.place(state, job, one)
    assert [layout.allocation["n1"].gres[0][3] for layout in (first, second)] == [(0,), (1,)]
    with pytest.raises(SlurmError, match="gres"):
        steps_layout.place(state, job, step(job, tasks=1, tres_per_node="gres/gpu:3"))


def test_memory_of_steps(state: State) -> None:
    job = job_of(state, "-n2 --mem=1000")
    assert steps_layout.place(state, job, step(job, tasks=1)).allocation["n1"].memory == 1000
    assert steps_layout.place(state, job, step(job, tasks=1, memory_per_node=300)).allocation["n1"].memory == 300
    with pytest.raises(SlurmError, match="Memory"):
        steps_layout.place(state, job, step(job, tasks=1, memory_per_node=2000))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    tasks=st.integers(1, 16),
    nodes=st.integers(1, 3),
    kind=st.sampled_from(["block", "cyclic", "plane", None]),
    plane=st.integers(1, 4),
    overcommit=st.booleans(),
)
def test_every_task_has_one_place(
    tmp_path_factory: pytest.TempPathFactory, tasks: int, nodes: int, kind: str | None, plane: int, overcommit: bool
) -> None:
    state = world.simple(tmp_path_factory.mktemp("steps"), nodes=3, sockets=1, cores=4)
    job = job_of(state, "-N3 -n9")
    desc = step(job, tasks=tasks, minimum_nodes=nodes, distribution=kind, overcommit=overcommit)
    desc.distribution_plane_size = plane
    try:
        layout = steps_layout.place(state, job, desc)
    except SlurmError as error:
        assert error.name == "ESLURM_TOO_MANY_REQUESTED_CPUS"  # noqa: PT017
        assert tasks > 9
        assert not overcommit
        return
    numbers = sorted(number for ids in layout.task_ids for number in ids)
    assert numbers == list(range(tasks))
    assert len(layout.nodes) >= (min(nodes, tasks) if kind != "plane" else min(nodes, -(-tasks // plane)))
    assert all(layout.tasks_per_node)
    if not overcommit:
        for name, count in zip(layout.nodes, layout.tasks_per_node, strict=True):
            assert count <= job._allocation[name].cpus
