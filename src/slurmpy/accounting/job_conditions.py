"""Which jobs a query of sacct means, in SQL: what it names, its window of time and the states in it.

Values are always parameters of the statement, never text of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from slurmpy.core.states import JobState

from . import schema

#: filter: column that must be one of the values
_ONE_OF = {
    "users": "user_id",
    "groups": "group_id",
    "accounts": "account",
    "partitions": "partition",
    "qos": "qos",
    "wckeys": "wckey",
    "names": "name",
    "associations": "association_id",
    "reservations": "reservation_name",
    "clusters": "cluster",
    "reasons": "state_reason",
    "db_indexes": "db_index",
}
#: filter: column that must lie between two values (None: open)
_RANGES = {
    "cpus": "alloc_cpus",
    "node_counts": "allocation_nodes",
    "time_limits": "time_limit",
}


def _time_window(where: Mapping[str, Any]) -> list[Any]:
    job = schema.jobs.c
    start, end = int(where.get("start") or 0), int(where.get("end") or 0)
    states: Sequence[int] = where.get("states") or ()
    if not states:
        if where.get("jobs"):
            # jobs that are asked for by number were there from their submission on, eligible or not
            conditions: list[Any] = [job.submit_time < end] if end else []
        else:
            conditions = [job.eligible_time > 0] if start else []
            if end:
                conditions.append(job.eligible_time < end)
        if start:
            conditions.append(sa.or_(job.end_time == 0, job.end_time >= start))
        return conditions
    alternatives: list[Any] = []
    for state in states:
        if state in (JobState.PENDING, JobState.RUNNING, JobState.SUSPENDED):
            alternatives.append(_in_state(state, start, end))
            continue
        if state > 0xFF:
            matches = job.job_state.op("&")(state) != 0
        else:
            # a requeued record keeps the state that its run ended in below the flag
            matches = sa.and_(job.job_state.op("&")(0xFF) == state, job.job_state.op("&")(int(JobState.REQUEUED)) == 0)
        if start:
            matches = sa.and_(matches, sa.or_(job.end_time == 0, job.end_time >= start))
        if end:
            matches = sa.and_(matches, job.end_time <= end)
        alternatives.append(sa.and_(matches, sa.or_(job.end_time > 0, job.job_state > 0xFF)))
    return [sa.or_(*alternatives)]


def _in_state(state: int, start: int, end: int) -> Any:
    """Jobs that waited, ran or were suspended at some time of the window."""
    job = schema.jobs.c
    begin, finish = (start or end), (end or start)
    base = job.job_state.op("&")(0xFF)
    if state == JobState.PENDING:
        # until it started; a job that never did waited until its end
        until = sa.case((job.start_time > 0, job.start_time), else_=job.end_time)
        return sa.and_(job.eligible_time > 0, job.eligible_time <= finish, sa.or_(until == 0, until >= begin))
    if state == JobState.RUNNING:
        return sa.and_(
            job.start_time > 0,
            job.start_time <= finish,
            sa.or_(job.end_time == 0, job.end_time >= begin),
            base != JobState.SUSPENDED,
        )
    stretch = schema.suspensions.c
    return sa.or_(
        sa.and_(base == JobState.SUSPENDED, job.start_time <= finish),
        sa.exists().where(
            stretch.job_index == job.db_index,
            stretch.time_start <= finish,
            sa.or_(stretch.time_end == 0, stretch.time_end >= begin),
        ),
    )


def _chosen_jobs(chosen: Sequence[tuple[Any, ...]], whole_hetjob: bool | None) -> Any:
    """``(job id, array task or None, het offset or None)``: a job, all of an array or het job, or one part of it.

    With `whole_hetjob` every part stands for its whole het job, with False the first one does not either (as sacct
    ``--whole-hetjob``).
    """
    job = schema.jobs.c
    chosen = [one for one in chosen if one[0]]  # 0 stands for "no array" and "no het job" in most records
    plain = [one[0] for one in chosen if one[1] is None and one[2] is None]
    alternatives: list[Any] = []
    if plain:
        alternatives += [job.job_id.in_(plain), job.array_job_id.in_(plain)]
        if whole_hetjob is not False:
            alternatives.append(job.het_job_id.in_(plain))
        if whole_hetjob:
            part = schema.jobs.alias("part").c
            alternatives.append(
                job.het_job_id.in_(sa.select(part.het_job_id).where(part.job_id.in_(plain), part.het_job_id != 0))
            )
    for number, task, offset, *_ in chosen:
        if task is not None:
            alternatives.append(sa.and_(job.array_job_id == number, job.array_task_id == task))
        elif offset is not None:
            mine = job.het_job_id == number
            alternatives.append(mine if whole_hetjob else sa.and_(mine, job.het_job_offset == offset))
    return sa.or_(sa.false(), *alternatives)


def conditions(where: Mapping[str, Any]) -> list[Any]:
    """The filters of a query as SQL conditions. Values are always parameters, never text of a statement."""
    job = schema.jobs.c
    found = _time_window(where)
    for name, column in _ONE_OF.items():
        values = where.get(name)
        if values:
            found.append(job[column].in_(list(values)))
    for name, column in _RANGES.items():
        bounds = where.get(name)
        if bounds:
            low, high = bounds
            if name != "time_limits":
                found.append(job.alloc_cpus > 0)  # what never started has been given nothing
            if low is not None:
                found.append(job[column] >= low)
            if high is not None:
                found.append(job[column] <= high)
    if where.get("jobs"):
        found.append(_chosen_jobs(where["jobs"], where.get("whole_hetjob")))
    for word in where.get("constraints") or ():
        found.append(job.constraints.contains(word, autoescape=True))
    flags = where.get("flags")
    if flags:
        found.append(sa.or_(*(job.flags.contains(flag, autoescape=True) for flag in flags)))
    own = where.get("visible")
    if own is not None:
        # what PrivateData=jobs leaves: the caller's own jobs, and those of accounts that the caller coordinates
        found.append(sa.or_(job.user_id == own[0], job.account.in_(list(own[1]))))
    return found
