"""Job arrays: one record for all tasks that wait; a task gets a record and a job id of its own when it is to start."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slurmpy.controller.state import Job, State


def first_task(job: Job) -> int:
    """The next task to start of a record that stands for waiting ones."""
    assert job._array_tasks is not None
    return job._array_tasks.first()


def split(state: State, meta: Job, task_id: int) -> Job:
    """Make a task a job of its own and return it. The array's own id stays with the last task, as in Slurm."""
    tasks = meta._array_tasks
    assert tasks is not None
    assert task_id in tasks
    if len(tasks) == 1:
        meta._array_tasks = None
        meta.array_task_id = task_id
        meta.array_task_string = ""
        state.array_tasks[meta.array_job_id, task_id] = meta
        state.touch_job(meta)
        return meta
    left = tasks.copy()
    left.discard(task_id)
    task = meta.copy(
        job_id=state.take_job_id(),
        array_task_id=task_id,
        array_task_string="",
        _array_tasks=None,
        _steps={},
        _next_step=0,
    )
    task._script_id = meta._script_id or meta.job_id
    meta._array_tasks = left
    meta.array_task_string = left.format()
    state.add_job(task)
    state.touch_job(meta)
    return task


def split_all(state: State, meta: Job) -> list[Job]:
    """A record for every waiting task (aftercorr: each waits for a task of its own)."""
    made = []
    while meta._array_tasks is not None:
        made.append(split(state, meta, meta._array_tasks.first()))
    return made
