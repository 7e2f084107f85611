"""--dependency: what each kind waits for, how entries combine, and what happens when one can never come true."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from slurmpy.controller import dependencies, scheduler
from slurmpy.controller.state import Job, State
from slurmpy.core.errors import SlurmError
from slurmpy.core.states import JobState

from . import world

UNFULFILLED, FULFILLED, FAILED = dependencies.UNFULFILLED, dependencies.FULFILLED, dependencies.FAILED


@pytest.fixture
def state(tmp_path: Path) -> State:
    return world.simple(tmp_path, nodes=4)


def bring(state: State, job: Job, situation: str) -> None:
    """Put a waiting job into a situation."""
    if situation == "waiting":
        return
    job.hold, job.priority = False, 1
    state.requeue_look(job)
    world.run(state)
    assert job._allocation
    bases = {"good": JobState.COMPLETED, "bad": JobState.FAILED, "cancelled": JobState.CANCELLED,
             "timeout": JobState.TIMEOUT}  # fmt: skip
    if situation in bases:
        world.end(state, job, bases[situation])
    elif situation == "completing":
        state.set_job_state(job, JobState.COMPLETED | JobState.COMPLETING)


TRUTH = {
    "after": {"waiting": UNFULFILLED, "running": FULFILLED, "completing": FULFILLED, "good": FULFILLED,
              "bad": FULFILLED},
    "afterany": {"waiting": UNFULFILLED, "running": UNFULFILLED, "completing": UNFULFILLED, "good": FULFILLED,
                 "bad": FULFILLED, "cancelled": FULFILLED, "timeout": FULFILLED},
    "afterok": {"waiting": UNFULFILLED, "running": UNFULFILLED, "completing": UNFULFILLED, "good": FULFILLED,
                "bad": FAILED, "cancelled": FAILED, "timeout": FAILED},
    "afternotok": {"waiting": UNFULFILLED, "running": UNFULFILLED, "completing": UNFULFILLED, "good": FAILED,
                   "bad": FULFILLED, "cancelled": FULFILLED, "timeout": FULFILLED},
    "aftercorr": {"waiting": UNFULFILLED, "running": UNFULFILLED, "good": FULFILLED, "bad": FAILED},
}  # fmt: skip


@pytest.mark.parametrize(("kind", "situation"), [(kind, each) for kind, row in TRUTH.items() for each in row])
def test_one_entry(state: State, kind: str, situation: str) -> None:
    base = world.submit(state, "-H --wrap true")
    waiting = world.submit(state, f"-d {kind}:{base.job_id} --wrap true")
    bring(state, base, situation)
    assert dependencies.evaluate(state, waiting, state.now) == TRUTH[kind][situation]
    if TRUTH[kind][situation] == FULFILLED:
        assert waiting.dependency == ""
        assert base.job_id not in state.dependents
    else:
        assert waiting.dependency == f"{kind}:{base.job_id}({TRUTH[kind][situation]})"


@pytest.mark.parametrize(
    ("joint", "situations"), list(itertools.product(",?", itertools.product(("waiting", "good", "bad"), repeat=2)))
)
def test_entries_combine(state: State, joint: str, situations: tuple[str, str]) -> None:
    bases = [world.submit(state, "-H --wrap true") for _ in situations]
    waiting = world.submit(state, "-d " + joint.join(f"afterok:{base.job_id}" for base in bases) + " --wrap true")
    for base, situation in zip(bases, situations, strict=True):
        bring(state, base, situation)
    singles = [TRUTH["afterok"][situation] for situation in situations]
    if joint == ",":
        expected = FAILED if FAILED in singles else UNFULFILLED if UNFULFILLED in singles else FULFILLED
    else:
        expected = FULFILLED if FULFILLED in singles else UNFULFILLED if UNFULFILLED in singles else FAILED
    assert dependencies.evaluate(state, waiting, state.now) == expected


def test_time_after_a_start(state: State) -> None:
    base = world.submit(state, "--wrap true")
    waiting = world.submit(state, f"-d after:{base.job_id}+10 --wrap true")
    world.run(state)
    world.run(state)
    assert waiting.state_reason == "Dependency"
    assert waiting.dependency == f"after:{base.job_id}+10(unfulfilled)"
    assert scheduler.next_wakeup(state) == state.now + 600
    assert world.run(state, state.now + 600) == [waiting]


def test_singleton(state: State) -> None:
    first = world.submit(state, "-J one -d singleton --wrap true", "anna")
    second = world.submit(state, "-J one -d singleton --wrap true", "anna")
    other_name = world.submit(state, "-J two -d singleton --wrap true", "anna")
    other_user = world.submit(state, "-J one -d singleton --wrap true", "bob")
    assert world.run(state) == [first, other_name, other_user]
    assert (second.state_reason, second.dependency) == ("Dependency", "singleton(unfulfilled)")
    world.end(state, first)
    assert world.run(state) == [second]


def test_a_whole_array_and_its_tasks(state: State) -> None:
    array = world.submit(state, "--array=0-1 --wrap true")
    everything = world.submit(state, f"-d afterany:{array.job_id} --wrap true")
    one = world.submit(state, f"-d afterok:{array.job_id}_1 --wrap true")
    tasks = world.run(state)
    assert everything.dependency == f"afterany:{array.job_id}_*(unfulfilled)"
    assert one.dependency == f"afterok:{array.job_id}_1(unfulfilled)"
    world.end(state, tasks[0], JobState.FAILED)
    assert world.run(state) == []
    world.end(state, tasks[1])
    assert world.run(state) == [everything, one]


def test_corresponding_tasks(state: State) -> None:
    first = world.submit(state, "--array=0-2 --wrap true")
    second = world.submit(state, f"--array=0-2 -d aftercorr:{first.job_id} --wrap true")
    tasks = world.run(state)
    for task, base in zip(tasks, (JobState.COMPLETED, JobState.FAILED), strict=False):
        world.end(state, task, base)
    assert [(job.array_job_id, job.array_task_id) for job in world.run(state)] == [(second.job_id, 0)]
    reasons = {job.array_task_id: job.state_reason for job in state.by_array[second.job_id].values()}
    assert reasons == {0: "None", 1: "DependencyNeverSatisfied", 2: "Dependency"}


def test_never_satisfied_waits_or_goes(state: State) -> None:
    base = world.submit(state, "--wrap true")
    stays = world.submit(state, f"-d afterok:{base.job_id} --wrap true")
    goes = world.submit(state, f"-d afterok:{base.job_id} --kill-on-invalid-dep=yes --wrap true")
    world.run(state)
    world.end(state, base, JobState.FAILED)
    assert world.run(state) == []
    assert (stays.state_reason, goes.state_reason) == ("DependencyNeverSatisfied", "DependencyNeverSatisfied")
    assert scheduler.take_doomed(state) == [goes]
    assert scheduler.take_doomed(state) == []


WRONG = ("nonsense", "afterok", "afterok:", "afterok:abc", "afterok:99999", "after:1+x", "afterok:1+5", "afterok:1_x")


@pytest.mark.parametrize("text", WRONG)
def test_what_cannot_be_read(state: State, text: str) -> None:
    world.submit(state, "--wrap true")
    with pytest.raises(SlurmError, match="Job dependency problem"):
        dependencies.parse(state, text)


def test_expansion_is_refused_by_name(state: State) -> None:
    base = world.submit(state, "--wrap true")
    with pytest.raises(SlurmError, match="expand"):
        dependencies.parse(state, f"expand:{base.job_id}")


def test_circles_are_refused(state: State) -> None:
    first = world.submit(state, "-H --wrap true")
    second = world.submit(state, f"-H -d afterok:{first.job_id} --wrap true")
    with pytest.raises(SlurmError, match="Circular"):
        dependencies.parse(state, f"afterok:{second.job_id}", first.job_id)
    with pytest.raises(SlurmError, match="Job dependency problem"):
        dependencies.parse(state, f"afterok:{first.job_id}", first.job_id)


def test_a_job_that_was_forgotten_has_ended(state: State) -> None:
    base = world.submit(state, "--wrap true")
    any_end = world.submit(state, f"-H -d afterany:{base.job_id} --wrap true")
    good_end = world.submit(state, f"-H -d afterok:{base.job_id} --wrap true")
    world.run(state)
    state.remove_job(base)
    assert dependencies.evaluate(state, any_end, state.now) == FULFILLED
    assert dependencies.evaluate(state, good_end, state.now) == FAILED
