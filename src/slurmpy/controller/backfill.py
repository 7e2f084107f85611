"""Backfill: jobs of lower priority start where they delay none above them; and when waiting jobs are expected to start.

The plan is a list of moments at which running jobs end. Each waiting job, highest priority first, is placed at the
first moment where it fits for all of its time; what it would use is then kept from those below it.
"""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING, Any

from slurmpy.controller import job_request, licenses, limits, reservations, scheduler, select
from slurmpy.controller.state import Node
from slurmpy.core import hostlist
from slurmpy.core.errors import SlurmError
from slurmpy.core.records.base import INFINITE

if TYPE_CHECKING:
    from slurmpy.controller.select import Placement
    from slurmpy.controller.state import Job, Partition, State

DAY = 86400
#: what "without limit" counts for in a plan
LONGEST = 365 * DAY

#: SchedulerParameters that count here: name -> default
PARAMETERS = {"bf_interval": 30, "bf_max_job_test": 500, "bf_window": 1440, "bf_max_job_user": 0, "bf_max_job_part": 0}


def parameter(state: State, name: str) -> int:
    for item in str(state.conf.SchedulerParameters or "").split(","):
        key, _, value = item.partition("=")
        if key.strip() == name and value.strip().isdigit():
            return int(value)
    return PARAMETERS[name]


def interval(state: State) -> int:
    """Seconds between two passes (bf_interval)."""
    return max(1, parameter(state, "bf_interval"))


def enabled(state: State) -> bool:
    return str(state.conf.SchedulerType or "").endswith("backfill")


class Plan:
    """Free resources now and at each later moment at which something is given back (or taken by a planned job)."""

    def __init__(self, state: State, now: int) -> None:
        self.state = state
        self.now = now
        self.ends: list[tuple[int, int]] = []  # (when, job id) of running jobs
        for job in state.running.values():
            if job._allocation:
                end = job._end_limit or job.end_time or now + LONGEST
                if end <= now:
                    end = now + 1  # over its time: it will be gone any moment
                self.ends.append((end, job.job_id))
        for job_id, job in state.completing.items():
            if job_id not in state.running and job._allocation:
                self.ends.append((now + 1, job_id))
        self.ends.sort()
        self.planned: list[tuple[int, int, Placement, Job]] = []  # (start, end, where, who)

    def moments(self, horizon: int) -> list[int]:
        found = {self.now}
        found.update(end for end, _ in self.ends if end <= horizon)
        found.update(end for _, end, _, _ in self.planned if self.now < end <= horizon)
        for reservation in self.state.reservations.values():
            if self.now < reservation.end_time <= horizon:
                found.add(reservation.end_time)
        return sorted(found)

    def nodes_at(self, when: int) -> dict[str, Node]:
        """The nodes as they are at a moment: without the jobs that have ended by then."""
        nodes: dict[str, Node] = dict(self.state.nodes)
        for end, job_id in self.ends:
            if end > when:
                break
            job = self.state.jobs[job_id]
            for name in job._allocation:
                node = nodes.get(name)
                if node is None:
                    continue
                if node is self.state.nodes[name]:
                    node = nodes[name] = select.shadow(node)
                select.release_shadow(node, job)
        return nodes

    def add(self, start: int, end: int, placement: Placement, job: Job) -> None:
        insort(self.planned, (start, end, placement, job), key=lambda entry: entry[0])

    def keep_clear(self, nodes: dict[str, Node], start: int, end: int) -> dict[str, Node]:
        """Take what planned jobs use in that time off the nodes."""
        for their_start, their_end, placement, job in self.planned:
            if their_start >= end or their_end <= start:
                continue
            for name, alloc in placement.allocation.items():
                node = nodes[name]
                if node is self.state.nodes[name]:
                    node = nodes[name] = select.shadow(node)
                node._cores_used |= alloc.cores
                node._cpus_used += alloc.cpus
                node._memory_used += alloc.memory
                for gres_name, kind, count, indices in alloc.gres:
                    key = (gres_name, kind)
                    if indices:
                        mask = sum(1 << index for index in indices)
                        node._gres_used[key] = node._gres_used.get(key, 0) | mask
                    else:
                        node._gres_used[key] = node._gres_used.get(key, 0) + count
                if job.shared == "NO":
                    node._exclusive += 1
        return nodes


def _seconds(job: Job, partition: Partition) -> int:
    limit = job.time_limit if job.time_limit is not None else partition.max_time
    return LONGEST if limit == INFINITE else limit * 60


def run(state: State, now: int) -> list[Job]:
    """One pass. Returns the jobs that now hold an allocation, and notes expected starts on those that wait."""
    if not enabled(state) or not state.pending:
        return []
    line = scheduler.queue(state)
    pairs = _top(line.lists, parameter(state, "bf_max_job_test"))
    plan = Plan(state, now)
    horizon = now + parameter(state, "bf_window") * 60
    started: list[Job] = []
    tested = 0
    seen: set[int] = set()
    per_user: dict[int, int] = {}
    hopeless: set[tuple[object, ...]] = set()
    for key, lane in pairs:
        if tested >= parameter(state, "bf_max_job_test"):
            break
        job = state.pending.get(key[2])
        partition = state.partitions.get(lane[0])
        if job is None or partition is None or key[2] in seen or line.keys.get(key[2], {}).get(lane) != key:
            continue
        if partition.state not in ("UP", "DRAIN") or job.het_job_id:
            continue
        limit = parameter(state, "bf_max_job_user")
        if limit and per_user.get(job.user_id, 0) >= limit:
            continue
        request = job_request.of(job)
        same = (lane, request.key, _seconds(job, partition), job.user_id if state.reservations else 0)
        if same in hopeless:
            continue
        tested += 1
        per_user[job.user_id] = per_user.get(job.user_id, 0) + 1
        reason = limits.check_start(state, job, partition)
        if reason or (job._licenses and not licenses.available(state, job)):
            continue
        found = _first_start(state, plan, job, partition, horizon)
        if found is None:
            hopeless.add(same)
            continue
        start, placement = found
        if start <= now:
            began = _begin(state, line, job, placement, partition, now)
            started.extend(began)
            for one in began:
                insort(plan.ends, (now + _seconds(one, partition), one.job_id))
            if job._array_tasks is not None and job not in began:
                pass  # more of its tasks may start in the next pass
            else:
                seen.add(job.job_id)
            continue
        plan.add(start, start + _seconds(job, partition), placement, job)
        _note(state, job, start, placement, partition)
        seen.add(job.job_id)
    return started


def _top(
    lists: dict[scheduler.Lane, list[scheduler.Key]], count: int
) -> list[tuple[scheduler.Key, scheduler.Lane]]:
    """The first entries of the whole queue, without sorting all of it."""
    import heapq

    heads = [[(key, lane) for key in entries[: count * 2]] for lane, entries in lists.items()]
    merged = heapq.merge(*heads)
    return [entry for _, entry in zip(range(count * 2), merged, strict=False)]


def _first_start(
    state: State, plan: Plan, job: Job, partition: Partition, horizon: int
) -> tuple[int, Placement] | None:
    """The first moment at which the job fits for all of its time, and where."""
    seconds = _seconds(job, partition)
    minutes = job.time_limit if job.time_limit is not None else partition.max_time
    last: tuple[str, ...] = ()
    for moment in plan.moments(horizon):
        nodes = plan.keep_clear(plan.nodes_at(moment), moment, moment + seconds)
        fence = reservations.barriers(state, job, moment, minutes)
        found = select.place(
            state, job, partition, moment, nodes=nodes, closed=fence.closed, blocked=fence.blocked, within=fence.within
        )
        if not isinstance(found, str):
            return moment, found
        if found == "ReqNodeNotAvail" and last == ("ReqNodeNotAvail",):
            return None
        last = (found,)
    return None


def _begin(
    state: State, line: scheduler.Queue, job: Job, placement: Placement, partition: Partition, now: int
) -> list[Job]:
    from slurmpy.controller import arrays

    if job._array_tasks is not None:
        record = arrays.split(state, job, arrays.first_task(job))
        state.dirty_queue.pop(record.job_id, None)
        if record is not job:
            state.requeue_look(job)
    else:
        record = job
    if record is job:
        line.drop(job.job_id)
    if record.array_max_tasks and record.array_job_id in line.running_tasks:
        line.running_tasks[record.array_job_id].add(record.job_id)
    _flag(record)
    scheduler.start(state, record, placement, partition, now, by="Backfill")
    return [record]


def _flag(job: Job) -> None:
    from slurmpy.controller.submission import order_flags

    if "BACKFILL_ATTEMPTED" not in job.flags:
        job.flags = order_flags((*job.flags, "BACKFILL_ATTEMPTED"))


def _note(state: State, job: Job, start: int, placement: Placement, partition: Partition) -> None:
    """Expected start and nodes, as squeue --start and scontrol show them."""
    nodes = hostlist.compress(list(placement.allocation))
    seconds = _seconds(job, partition)
    if job.scheduled_nodes == nodes and abs(job.start_time - start) < 60:
        return
    job.start_time, job.end_time, job.scheduled_nodes = start, start + seconds, nodes
    state.touch_job(job)


def will_run(state: State, job: Job, now: int) -> dict[str, Any]:
    """When and where a job (not in the state) would start: job_id, start_time, nodes, processors, partition, preempt.

    Raises ESLURM_REQUESTED_NODE_CONFIG_UNAVAILABLE where it never would.
    """
    best: tuple[int, Placement, Partition] | None = None
    plan = Plan(state, now)
    begin = max(now, job._begin_time)
    for name in job._partitions or (job.partition,):
        partition = state.partitions.get(name)
        if partition is None:
            continue
        found = _first_start(state, plan, job, partition, now + LONGEST)
        if found is not None and (best is None or found[0] < best[0]):
            best = (max(found[0], begin), found[1], partition)
    if best is None:
        raise SlurmError("ESLURM_REQUESTED_NODE_CONFIG_UNAVAILABLE")
    start, placement, partition = best
    return {
        "job_id": job.job_id,
        "start_time": start,
        "nodes": hostlist.compress(list(placement.allocation)),
        "processors": placement.cpus,
        "partition": partition.name,
        "preempt": (),
    }
