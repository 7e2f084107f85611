"""The start of a job: it takes its allocation, and its record shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slurmpy.controller import dependencies, gres_request, job_sizes, licenses, limits, select
from slurmpy.core import hostlist

if TYPE_CHECKING:
    from slurmpy.controller.select import Placement
    from slurmpy.controller.state import Job, Partition, State


def start(state: State, job: Job, placement: Placement, partition: Partition, now: int, by: str = "Main") -> None:
    """Give a job its allocation and fill the fields that show it. The caller changes its state and launches it."""
    job.partition = partition.name
    select.allocate(state, job, placement)
    licenses.take(state, job)
    job._sched = {**job._sched, "started": True}
    if job.time_limit is None:
        job.time_limit = partition.default_time if partition.default_time is not None else partition.max_time
    names = list(job._allocation)
    job.nodes = hostlist.compress(names)
    job.node_count = len(names)
    job.batch_host = names[0]
    job.cpus = placement.cpus
    job._tres_alloc = job_sizes.allocated_tres(state, job, partition)
    job.tres_alloc_str = job_sizes.show(job._tres_alloc)
    job.billable_tres = job_sizes.weighted(job._tres_alloc, partition)
    with_gres = [alloc for alloc in job._allocation.values() if alloc.gres]
    job.gres_detail = tuple(gres_request.describe(alloc.gres) for alloc in with_gres)
    job.scheduled_nodes = ""
    job.eligible_time = job.eligible_time or job.accrue_time or now
    job.scheduler = by
    job.last_sched_evaluation = now
    job.preemptable_time = now
    job.state_reason = "None"
    job.state_description = ""
    job.max_nodes = 0
    limits.on_start(state, job, now)
    for other in dependencies.on_job_start(state, job):
        state.requeue_look(other)
    state.touch_job(job)
