"""Backfill: jobs of lower priority start where they delay none above them; and when waiting jobs are expected to start.

The plan is a list of moments at which running jobs end. Each waiting job, highest priority first, is placed at the
first moment where it fits for all of its time; what it would use is then kept from those below it.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from slurmpy.controller import arrays, job_request, licenses, limits, reservations, scheduler, select, starting
from slurmpy.controller.state import Node
from slurmpy.core import hostlist
from slurmpy.core.errors import SlurmError
from slurmpy.core.records.base import INFINITE
from slurmpy.core.states import NodeState

if TYPE_CHECKING:
    from slurmpy.controller.select import Placement
    from slurmpy.controller.state import Job, Partition, State

DAY = 86400
#: what "without limit" counts for in a plan
LONGEST = 365 * DAY

#: SchedulerParameters that count here: name -> default
PARAMETERS = {"bf_interval": 30, "bf_max_job_test": 500, "bf_window": 1440, "bf_max_job_user": 0, "bf_resolution": 60}

#: placements that one pass tries at most: the controller answers nobody meanwhile
MOST_WORK = 300
#: jobs that one pass keeps resources clear for
MOST_PLANNED = 50


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


class View:
    """The nodes at a moment: those that differ from the state's own, and the state's own."""

    __slots__ = ("base", "own")

    def __init__(self, base: dict[str, Node], own: dict[str, Node]) -> None:
        self.base = base
        self.own = own

    def __getitem__(self, name: str) -> Node:
        node = self.own.get(name)
        return node if node is not None else self.base[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.base)

    def __len__(self) -> int:
        return len(self.base)

    def get(self, name: str) -> Node | None:
        node = self.own.get(name)
        return node if node is not None else self.base.get(name)

    def take(self, placement: Placement, job: Job) -> None:
        """Count what a planned job would hold."""
        for name, alloc in placement.allocation.items():
            node = self.own[name] = select.shadow(self[name])
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
            if job_request.wants_whole_nodes(job):
                node._exclusive += 1


class Plan:
    """What is free now and at each later moment at which something is given back, less what is planned already.

    Moments are rounded up to bf_resolution, so that a thousand ends within an hour are sixty moments.
    """

    def __init__(self, state: State, now: int) -> None:
        self.state = state
        self.now = now
        self.work = 0  # placements tried; what a pass costs
        self.resolution = max(1, parameter(state, "bf_resolution"))
        self.ends: dict[int, list[Job]] = {}
        for job in state.running.values():
            if job._allocation:
                end = job._end_limit or job.end_time or now + LONGEST
                # over its time: it will be gone any moment
                self.ends.setdefault(self.rounded(max(end, now + 1)), []).append(job)
        for job_id, job in state.completing.items():
            if job_id not in state.running and job._allocation:
                self.ends.setdefault(self.rounded(now + 1), []).append(job)
        moments = {now, *self.ends}
        for reservation in state.reservations.values():
            if reservation.end_time > now:
                moments.add(self.rounded(reservation.end_time))
        self.moments = sorted(moments)
        self.views: list[View] = [View(state.nodes, {})]  # of the first moments; made as they are needed
        self.released: list[View] = [View(state.nodes, {})]  # the same without what is planned
        self.planned: list[tuple[int, int, Placement, Job]] = []  # (start, end, where, who)
        self.windows: dict[tuple[int, int], View] = {}  # answers of `window`

    def rounded(self, moment: int) -> int:
        return self.now + -(-(moment - self.now) // self.resolution) * self.resolution

    def view(self, at: int) -> View:
        """The nodes at the moment of that index."""
        while len(self.views) <= at:
            index = len(self.views)
            moment = self.moments[index]
            free = View(self.state.nodes, dict(self.released[-1].own))
            for job in self.ends.get(moment, ()):
                for name in job._allocation:
                    if name in self.state.nodes:
                        node = free.own[name] = select.shadow(free[name])
                        select.release_shadow(node, job)
            self.released.append(free)
            view = View(self.state.nodes, dict(free.own))
            for start, end, placement, job in self.planned:
                if start <= moment < end:
                    view.take(placement, job)
            self.views.append(view)
        return self.views[at]

    def window(self, at: int, end: int) -> View:
        """The nodes from the moment of that index until `end`: less what planned jobs begin to use in between."""
        moment = self.moments[at]
        # jobs of about the same length share the answer: the next planned start is what counts
        reach = end + self.resolution  # moments are rounded up: a planned job may really start that much earlier
        until = next((start for start in sorted({one[0] for one in self.planned}) if start >= reach), reach)
        known = self.windows.get((moment, until))
        if known is not None:
            return known
        view = self.view(at)
        later = [(placement, job) for start, _, placement, job in self.planned if moment < start < reach]
        if later:
            view = View(self.state.nodes, dict(view.own))
            for placement, job in later:
                view.take(placement, job)
        self.windows[moment, until] = view
        return view

    def add(self, start: int, end: int, placement: Placement, job: Job) -> None:
        """Keep clear what a planned job will use."""
        self.windows.clear()
        over = self.rounded(end)
        self.planned.append((start, over, placement, job))
        for moment, view in zip(self.moments, self.views, strict=False):
            if start <= moment < over:
                view.take(placement, job)
        if over not in self.ends and over not in self.moments and over < self.now + LONGEST:
            at = bisect_left(self.moments, over)
            self.moments.insert(at, over)
            del self.views[at:], self.released[at:]

    def begun(self, job: Job, end: int) -> None:
        """A job was started in this pass: everything is worked out anew from the state's nodes."""
        self.windows.clear()
        over = self.rounded(max(end, self.now + 1))
        self.ends.setdefault(over, []).append(job)
        if over not in self.moments:
            self.moments.insert(bisect_left(self.moments, over), over)
        del self.views[1:], self.released[1:]
        self.views[0] = View(self.state.nodes, {})
        for start, until, placement, planned in self.planned:
            if start <= self.now < until:
                self.views[0].take(placement, planned)

    def first_start(self, job: Job, partition: Partition, horizon: int, after: int = 0) -> tuple[int, Placement] | None:
        """The first moment (not before `after`) at which the job fits for all of its time, and where."""
        seconds = _seconds(job, partition)
        minutes = job.time_limit if job.time_limit is not None else partition.max_time
        at = bisect_left(self.moments, after) if after else 0
        refused = 0
        while at < len(self.moments):
            moment = self.moments[at]
            if moment > horizon:
                return None
            fence = reservations.barriers(self.state, job, moment, minutes)
            self.work += 1
            found = select.place(
                self.state,
                job,
                partition,
                moment,
                nodes=self.window(at, moment + seconds),
                closed=fence.closed,
                blocked=fence.blocked,
                within=fence.within,
            )
            if not isinstance(found, str):
                return moment, found
            refused += found == "ReqNodeNotAvail"
            if refused > 1:
                return None
            at += 1
        return None


def _seconds(job: Job, partition: Partition) -> int:
    limit = job.time_limit if job.time_limit is not None else partition.max_time
    return LONGEST if limit == INFINITE else limit * 60


def run(state: State, now: int) -> list[Job]:
    """One pass. Returns the jobs that now hold an allocation, and notes expected starts on those that wait.

    A pass does a bounded amount of work: half of it plans for the first jobs of the queue, with the rest those further
    down are tried, one of each kind. Where it had to stop, the next pass goes on.
    """
    if not enabled(state) or not state.pending:
        _mark_planned(state, set())
        return []
    line = scheduler.queue(state)
    pairs = _top(line.lists, parameter(state, "bf_max_job_test"))
    plan = Plan(state, now)
    horizon = now + parameter(state, "bf_window") * 60
    per_user_limit = parameter(state, "bf_max_job_user")
    per_user: dict[int, int] = {}
    started: list[Job] = []
    seen: set[int] = set()
    late: dict[tuple[object, ...], int] = {}  # kinds of jobs that cannot start now: when the last one planned starts
    position = 0
    for position, (key, lane) in enumerate(pairs):
        if plan.work >= MOST_WORK:
            break
        full = len(plan.planned) >= MOST_PLANNED or plan.work >= MOST_WORK // 2
        if full and position < line.backfill_from:
            continue
        job = state.pending.get(key[2])
        partition = state.partitions.get(lane[0])
        if job is None or partition is None or key[2] in seen or line.keys.get(key[2], {}).get(lane) != key:
            continue
        if partition.state not in ("UP", "DRAIN") or job.het_job_id:
            continue
        kind = (lane, job_request.of(job).key, _seconds(job, partition), job.user_id if state.reservations else 0)
        if kind in late and full:
            continue
        if per_user_limit:
            per_user[job.user_id] = per_user.get(job.user_id, 0) + 1
            if per_user[job.user_id] > per_user_limit:
                continue
        reason = limits.check_start(state, job, partition)
        if reason:
            _note_size(plan, job, partition, reason)
            continue
        if job._licenses and not licenses.available(state, job):
            continue
        until = now if full else horizon
        while True:
            found = plan.first_start(job, partition, until, late.get(kind, 0))
            if found is None or found[0] > now:
                break
            record = _begin(state, line, job, found[1], partition, now)
            started.append(record)
            plan.begun(record, now + _seconds(record, partition))
            if record is job or _at_limit(line, job) or limits.check_start(state, job, partition):
                break
        seen.add(job.job_id)
        if found is None:
            late[kind] = horizon + 1
        elif found[0] > now:
            late[kind] = found[0]
            plan.add(found[0], found[0] + _seconds(job, partition), found[1], job)
            _note(state, job, found[0], found[1], partition)
    line.backfill_from = position if plan.work >= MOST_WORK else 0
    _mark_planned(state, {name for _, _, placement, _ in plan.planned for name in placement.allocation})
    return started


def _mark_planned(state: State, planned: set[str]) -> None:
    """Show which nodes are kept for waiting jobs."""
    before: frozenset[str] = state.__dict__.get("_planned_nodes", frozenset())
    for name in before ^ planned:
        node = state.nodes.get(name)
        if node is not None:
            node.state = node.state | NodeState.PLANNED if name in planned else node.state & ~NodeState.PLANNED
            state.touch_node(node, stored=False)
    state.__dict__["_planned_nodes"] = frozenset(planned)


def _note_size(plan: Plan, job: Job, partition: Partition, reason: str) -> None:
    """How many nodes a job would have that a limit on TRES keeps waiting: Slurm finds them before it asks the limit."""
    if scheduler.counts_jobs(reason) or job.max_nodes:
        return
    found = plan.first_start(job, partition, plan.now)
    if found is not None and job.node_count != len(found[1].allocation):
        job.node_count = len(found[1].allocation)
        plan.state.touch_job(job)


def _at_limit(line: scheduler.Queue, job: Job) -> bool:
    return bool(job.array_max_tasks) and len(line.running_tasks.get(job.array_job_id, ())) >= job.array_max_tasks


def _top(lists: dict[scheduler.Lane, list[scheduler.Key]], count: int) -> list[tuple[scheduler.Key, scheduler.Lane]]:
    """The first entries of the whole queue, without sorting all of it."""
    heads = [[(key, lane) for key in entries[:count]] for lane, entries in lists.items()]
    return list(islice(heapq.merge(*heads), count))


def _begin(state: State, line: scheduler.Queue, job: Job, placement: Placement, partition: Partition, now: int) -> Job:
    if job._array_tasks is not None:
        record = arrays.split(state, job, arrays.first_task(job))
        state.dirty_queue.pop(record.job_id, None)
    else:
        record = job
    if record is job:
        line.drop(job.job_id)
    if record.array_max_tasks and record.array_job_id in line.running_tasks:
        line.running_tasks[record.array_job_id].add(record.job_id)
        if _at_limit(line, record) and record is not job:
            state.requeue_look(job)
    _flag(record)
    starting.start(state, record, placement, partition, now, by="Backfill")
    return record


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
        found = plan.first_start(job, partition, now + LONGEST)
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
