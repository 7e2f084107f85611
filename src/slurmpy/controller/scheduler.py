"""The main scheduling pass: waiting jobs in priority order, started where they fit, with Slurm's reasons where not.

The queue is kept sorted between passes. An event costs what it changes: new and changed jobs come in through
``state.dirty_queue``; a pass walks from the top and leaves a partition at the first job that does not fit, so that
100,000 waiting jobs cost as much as ten.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from typing import TYPE_CHECKING, Any

from slurmpy.controller import (
    arrays,
    dependencies,
    holds,
    job_request,
    job_sizes,
    licenses,
    limits,
    partition_access,
    preempt,
    priority,
    reservations,
    select,
)
from slurmpy.controller.starting import start
from slurmpy.core import hostlist
from slurmpy.core.states import NodeState

if TYPE_CHECKING:
    from slurmpy.controller.select import Placement
    from slurmpy.controller.state import Job, Node, Partition, State

#: (-PriorityTier, -priority, job id): the order of the queue
Key = tuple[int, int, int]

#: reasons that say nothing about the queue any more once a job is ready
UNJUDGED = ("None", "", "BeginTime", "Dependency", "JobHeldUser", "JobHeldAdmin", "JobArrayTaskLimit", "Reservation",
            "InvalidQOS")  # fmt: skip
#: reasons found before nodes are looked at, so that the number of nodes is an estimate
BEFORE_SELECTION = ("Reservation", "ReqNodeNotAvail")
RESERVED = "ReqNodeNotAvail, May be reserved for other job"
#: what Slurm says where the nodes that are up could not serve the job even if they were idle
NODES_DOWN = "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions"

#: (partition, reservation or ""): jobs wait for those before them in their lane; those of a reservation have their own
Lane = tuple[str, str]

#: jobs that a pass looks at in vain before it gives up (SchedulerParameters=default_queue_depth)
QUEUE_DEPTH = 100


class Queue:
    """The scheduler's memory between passes, all of it derivable from the state."""

    def __init__(self) -> None:
        self.lists: dict[Lane, list[Key]] = {}  # ascending
        self.keys: dict[int, dict[Lane, Key]] = {}  # job id -> where it is
        self.timers: list[tuple[int, int]] = []  # (when, job id): begin times, dependencies on time, reservations
        self.at_limit: dict[int, int] = {}  # arrays at their %limit: array id -> id of the waiting record
        self.running_tasks: dict[int, set[int]] = {}  # array id -> job ids of tasks started, for arrays with a %limit
        self.doomed: dict[int, Job] = {}  # waiting jobs that are to be cancelled
        self.more = False  # the last pass stopped at its limit of starts
        self.backfill_from = 0  # where in the queue the last backfill pass had to stop

    def insert(self, lane: Lane, key: Key) -> None:
        insort(self.lists.setdefault(lane, []), key)
        self.keys.setdefault(key[2], {})[lane] = key

    def drop(self, job_id: int) -> None:
        for lane, key in self.keys.pop(job_id, {}).items():
            entries = self.lists.get(lane, [])
            at = bisect_left(entries, key)
            if at < len(entries) and entries[at] == key:
                del entries[at]


def queue(state: State) -> Queue:
    found = state.__dict__.get("_queue")
    if found is None:
        found = state.__dict__["_queue"] = Queue()
        for job_id, job in state.pending.items():
            state.dirty_queue.setdefault(job_id, job)
    result: Queue = found
    return result


# ------------------------------------------------------------------------------------------------ the controller calls


def run(state: State, now: int, limit: int | None = None) -> list[Job]:
    """One pass. Returns the jobs that now hold an allocation; their job_state is still for the caller to change.

    `limit` ends the pass after so many starts; `pending_work` then says that there is more to do.
    """
    line = queue(state)
    due = line.timers and line.timers[0][0] <= now
    if not (state.dirty_queue or state.freed_nodes or due or line.more):
        return []
    line.more = False
    if state.freed_nodes:
        for array, waiting in list(line.at_limit.items()):
            if waiting not in state.pending:
                del line.at_limit[array]
            elif _tasks_running(state, line, state.pending[waiting]) < state.pending[waiting].array_max_tasks:
                state.requeue_look(state.pending[waiting])
    fresh = _refresh(state, line, now)
    state.freed_nodes.clear()
    return _Pass(state, line, now, limit, fresh).walk()


def pending_work(state: State, now: int) -> bool:
    """Is a pass worth while right now?"""
    line = queue(state)
    due = bool(line.timers) and line.timers[0][0] <= now
    return bool(state.dirty_queue or state.freed_nodes or due or line.more)


def next_wakeup(state: State) -> int:
    """When time alone asks for the next pass (a begin time, a reservation's start); 0: never."""
    timers = queue(state).timers
    return timers[0][0] if timers else 0


def take_doomed(state: State) -> list[Job]:
    """Waiting jobs to be cancelled: their dependency can never be satisfied and they asked to be cancelled then."""
    line = queue(state)
    jobs = [job for job in line.doomed.values() if job.is_pending]
    line.doomed = {}
    return jobs


def partition_changed(state: State, name: str) -> None:
    """A partition's state or limits have changed: its waiting jobs are to be judged anew."""
    for job_id, job in list(state.by_partition.get(name, {}).items()):
        if job_id in state.pending:
            state.requeue_look(job)


def reset_for_requeue(state: State, job: Job) -> None:
    """Bring what a start has changed back to what was asked for, before a job goes back to the queue."""
    wanted = job._tres_request
    job.cpus = wanted.get("cpu", job.cpus)
    job_sizes.show_asked(job)
    job.partition = ",".join(job._partitions) if job._partitions else job.partition
    job._allocation = {}
    job._tres_alloc = {}
    job.tres_alloc_str = job.nodes = job.batch_host = job.scheduled_nodes = ""
    job.gres_detail = ()
    job.job_resources = None
    job.preemptable_time = 0
    job_request.forget(job)


def restore(state: State, job: Job) -> None:
    """Count a job read back from the store as it was: its allocation, its licenses, its usage."""
    if job._allocation and not job.is_finished:
        select.allocate(state, job)
        job._sched = {**job._sched, "started": True}
        licenses.take(state, job)
        limits.on_start(state, job)
    elif job._allocation and job.is_completing:
        select.allocate(state, job)
        limits.on_start(state, job)
    if job.is_pending:
        limits.on_submit(state, job)
        dependencies.watch(state, job)


# ------------------------------------------------------------------------------------------------ who is ready


def _refresh(state: State, line: Queue, now: int) -> list[Job]:
    """Sort new and changed jobs into the queue; returns those that are ready."""
    while line.timers and line.timers[0][0] <= now:
        _, job_id = heapq.heappop(line.timers)
        job = state.pending.get(job_id)
        if job is not None:
            state.dirty_queue[job_id] = job
    ready: list[Job] = []
    while state.dirty_queue:
        changed, state.dirty_queue = state.dirty_queue, {}
        for job_id, job in changed.items():
            line.drop(job_id)
            if job_id not in state.pending or state.pending[job_id] is not job:
                continue
            job_request.forget(job)
            if _enqueue(state, line, job, now):
                ready.append(job)
    return ready


def _enqueue(state: State, line: Queue, job: Job, now: int) -> bool:
    reason, when = _not_ready(state, line, job, now)
    if when:
        heapq.heappush(line.timers, (when, job.job_id))
    if reason:
        if job.eligible_time and reason in ("Dependency", "JobArrayTaskLimit", "Reservation", "InvalidQOS"):
            job.eligible_time = 0
            if reason == "InvalidQOS":
                job.start_time = job.end_time = 0
                job.scheduled_nodes = ""
            state.touch_job(job)
        set_reason(state, job, reason)
        return False
    if job._begin_time:  # it has come: the time shown was a plan
        job.start_time = job.end_time = 0
    if not job.eligible_time or job.eligible_time > now:
        job.eligible_time = now
    if not job.accrue_time:
        job.accrue_time = now
    if job.het_job_id and job.het_job_offset:
        return False  # its leader brings it along, and says why not
    entered = False
    first_reason = ""
    flags = limits.qos_flags(state, job)
    for name in job._partitions or (job.partition,):
        partition = state.partitions.get(name)
        if partition is None:
            continue
        reason = partition_access.limit_reason(job, partition, flags)
        if reason:
            first_reason = first_reason or reason
            continue
        rank = priority.in_partition(state, job, name)
        line.insert((name, job.resv_name), (-partition.priority_tier, -rank, job.job_id))
        entered = True
    if not entered:
        set_reason(state, job, first_reason or "PartitionDown")
    return entered


def _not_ready(state: State, line: Queue, job: Job, now: int) -> tuple[str, int]:
    """(reason, when to look again) for a job that no resources could help; ("", 0) for one that is ready."""
    if job.hold or not job.priority:
        if job.state_description and job.state_reason == "JobHeldUser":
            return job.state_reason, 0
        return holds.reason(job), 0
    if job.qos and state.assocs.filled and job.qos not in state.assocs.qos:
        return "InvalidQOS", 0  # until it is there again, or the job is given another one
    if job._dependencies:
        if job._array_tasks is not None and any(entry[0] == "aftercorr" for entry in job._dependencies):
            for task in arrays.split_all(state, job):
                dependencies.watch(state, task)
        verdict = dependencies.evaluate(state, job, now)
        if verdict != dependencies.FULFILLED:
            _flag(job, "DEPENDENT", True)
            if verdict == dependencies.FAILED:
                if _cancels_when_invalid(state, job):
                    line.doomed[job.job_id] = job
                return "DependencyNeverSatisfied", 0
            return "Dependency", dependencies.next_look(state, job, now)
    _flag(job, "DEPENDENT", False)
    if job._begin_time > now:
        return "BeginTime", job._begin_time
    if job.array_max_tasks and job._array_tasks is not None:
        if _tasks_running(state, line, job) >= job.array_max_tasks:
            line.at_limit[job.array_job_id] = job.job_id
            return "JobArrayTaskLimit", 0
        line.at_limit.pop(job.array_job_id, None)
    reason, when = reservations.wait_reason(state, job, now)
    return reason, when


def _tasks_running(state: State, line: Queue, job: Job) -> int:
    """How many tasks of the array run or complete; costs as much as its %limit, not as the array."""
    known = line.running_tasks.get(job.array_job_id)
    if known is None:
        members = state.by_array.get(job.array_job_id, {})
        known = {one for one in members if one in state.running or one in state.completing}
    else:
        known = {
            one
            for one in known
            if one in state.running or (one in state.jobs and state.jobs[one]._sched.get("started"))
        }
    line.running_tasks[job.array_job_id] = known
    return len(known)


def _cancels_when_invalid(state: State, job: Job) -> bool:
    if "KILL_INVALID_DEPENDENCY" in job.flags:
        return True
    parameters = f"{state.conf.DependencyParameters or ''},{state.conf.SchedulerParameters or ''}"
    return "kill_invalid_depend" in parameters and "NO_KILL_INVALID_DEPENDENCY" not in job.flags


def _flag(job: Job, flag: str, wanted: bool) -> None:
    if wanted != (flag in job.flags):
        from slurmpy.controller.submission import order_flags

        job.flags = order_flags((*job.flags, flag) if wanted else (one for one in job.flags if one != flag))


def counts_jobs(reason: str) -> bool:
    """Is it a limit on the number of jobs, which is looked at before nodes are?"""
    return reason.endswith(("JobsLimit", "JobsPerUserLimit", "JobsPerAccount"))


def set_reason(state: State, job: Job, reason: str, description: str = "") -> None:
    """Say why the job waits; nothing happens where that is known already."""
    if job.state_reason != reason or job.state_description != description:
        if reason.startswith("JobHeld") and job.state_reason == reason:
            return  # its description says more (requeued in held state)
        if reason.startswith(BEFORE_SELECTION) or counts_jobs(reason):
            job_sizes.show_estimate(state, job)
        elif not reason.startswith("JobHeld"):
            job_sizes.show_asked(job)
        job.state_reason = reason
        job.state_description = description
        job.last_sched_evaluation = state.now or job.last_sched_evaluation
        state.touch_job(job)
        if job.het_job_id and not job.het_job_offset:
            for part in state.by_het.get(job.het_job_id, {}).values():
                if part is not job and part.is_pending:
                    set_reason(state, part, reason, description)


# ------------------------------------------------------------------------------------------------ the pass


class _Pass:
    """One walk over the queue."""

    def __init__(self, state: State, line: Queue, now: int, limit: int | None, fresh: list[Job]) -> None:
        self.state = state
        self.line = line
        self.now = now
        self.limit = limit if limit is not None else 1 << 30
        self.fresh = fresh
        self.started: list[Job] = []
        self.failed: set[Lane] = set()
        self.failed_requests: dict[tuple[object, ...], tuple[str, str]] = {}
        self.closed: set[str] = set()  # nodes that a job higher up waits for by name
        self.done: set[int] = set()  # jobs judged in this pass (they may be in several partitions)

    def walk(self) -> list[Job]:
        state, line = self.state, self.line
        heads: list[tuple[Key, Lane, int]] = []
        for lane, entries in line.lists.items():
            partition = state.partitions.get(lane[0])
            if entries and partition is not None and partition.state in ("UP", "DRAIN"):
                heads.append((entries[0], lane, 0))
        heapq.heapify(heads)
        depth = _queue_depth(state)
        while heads:
            if len(self.started) >= self.limit or depth <= 0:
                break
            key, lane, at = heads[0]
            if lane in self.failed:
                heapq.heappop(heads)
                continue
            entries = line.lists[lane]
            before = len(self.started)
            stays = True
            if key[2] not in self.done and line.keys.get(key[2], {}).get(lane) == key:
                stays = self.consider(state.pending.get(key[2]), state.partitions[lane[0]])
                depth -= len(self.started) == before
            # whatever started has left the lists, so the next entry has moved to its place
            if at < len(entries) and entries[at] == key and stays:
                at += 1
            if at < len(entries):
                heapq.heapreplace(heads, (entries[at], lane, at))
            else:
                heapq.heappop(heads)
        line.more = len(self.started) >= self.limit
        self.leave_reasons()
        return self.started

    def consider(self, job: Job | None, partition: Partition) -> bool:
        """Try to start a job (all the tasks of an array that fit). Returns whether it stays in the queue."""
        if job is None:
            return True
        while len(self.started) < self.limit:
            placed = self.try_place(job, partition)
            if placed is None:
                return True
            was_meta = job._array_tasks is not None
            for one, placement in placed:
                self.begin(one, placement, partition)
            if not was_meta:
                return False
            if job._array_tasks is None:  # the last task was the record itself
                return False
            if job.array_max_tasks and len(self.line.running_tasks.get(job.array_job_id, ())) >= job.array_max_tasks:
                self.line.drop(job.job_id)
                self.line.at_limit[job.array_job_id] = job.job_id
                job.eligible_time = 0
                self.reason(job, "JobArrayTaskLimit")
                return False
        return True

    def try_place(self, job: Job, partition: Partition) -> list[tuple[Job, Placement]] | None:
        """The placements of a job (of all components of a heterogeneous one), or None with the reason noted."""
        if not job.het_job_id:
            placement = self.place_one(job, partition)
            return [(job, placement)] if placement is not None else None
        parts = sorted(self.state.by_het.get(job.het_job_id, {}).values(), key=lambda part: part.het_job_offset)
        placed: list[tuple[Job, Placement]] = []
        taken: set[str] = set()  # every component has nodes of its own
        for part in parts:
            where = self.partition_of(part) if part is not job else partition
            placement = self.place_one(part, where, taken) if where is not None and part.is_pending else None
            if placement is None:
                for other, _ in placed:
                    select.release(self.state, other)
                    other._allocation = {}
                self.state.freed_nodes.clear()
                self.reason(job, part.state_reason, part.state_description)
                return None
            part.partition = placement.partition
            select.allocate(self.state, part, placement)  # undone below, and if another one has no room
            placed.append((part, placement))
            taken.update(placement.allocation)
        for part, _ in placed:
            select.release(self.state, part)
        self.state.freed_nodes.clear()
        return placed

    def partition_of(self, job: Job) -> Partition | None:
        return self.state.partitions.get(job._partitions[0] if job._partitions else job.partition)

    def place_one(
        self, job: Job, partition: Partition, taken: set[str] | frozenset[str] = frozenset()
    ) -> Placement | None:
        state, now = self.state, self.now
        reason = limits.check_start(state, job, partition)
        if reason:
            self.limited(job, partition, reason)
            return None
        minutes = job.time_limit if job.time_limit is not None else partition.max_time
        fence = reservations.barriers(state, job, now, minutes)
        if job._licenses and not licenses.available(state, job, fence.licenses):
            self.reason(job, "Licenses")
            return None
        request = job_request.of(job)
        # who asks for the same in the same partition fares alike; reservations tell users and time limits apart
        whose = (job.user_id, minutes if state.reservations else 0) if state.reservations or request.exclusive else 0
        same = (partition.name, request.key, whose, tuple(sorted(taken)))
        known = self.failed_requests.get(same)
        if known is None:
            closed = fence.closed | self.closed | taken if self.closed or taken else fence.closed
            found = select.place(state, job, partition, now, closed=closed, blocked=fence.blocked, within=fence.within)
            if not isinstance(found, str):
                extra = self.limits_after(job, partition, found)
                if not extra:
                    return found
                self.reason(job, extra)
                return None
            known = self.reserved(job, partition, fence, closed) or self.refused(job, partition, found)
            if known[0] == "Resources" and self.make_room(job, partition, fence, closed):
                known = ("Resources", "")
            self.failed_requests[same] = known
        self.reason(job, *known)
        self.block(job, partition, request, known[0])
        return None

    def limited(self, job: Job, partition: Partition, reason: str) -> None:
        """A limit keeps the job waiting. Those on TRES are looked at when nodes were found: it shows how many."""
        known = job.state_reason == reason
        self.reason(job, reason)
        if not known and not counts_jobs(reason):
            fence = reservations.barriers(self.state, job, self.now, job.time_limit)
            found = select.place(
                self.state, job, partition, self.now, closed=fence.closed, blocked=fence.blocked, within=fence.within
            )
            if not isinstance(found, str) and not job.max_nodes:
                job.node_count = len(found.allocation)

    def limits_after(self, job: Job, partition: Partition, placement: Placement) -> str:
        """Limits once more, where the job gets more than it asked for (whole nodes)."""
        if placement.cpus <= job._tres_request.get("cpu", placement.cpus):
            return ""
        wanted = {**job._tres_request, "cpu": placement.cpus, "node": len(placement.allocation)}
        return limits.check_start(self.state, job, partition, wanted)

    def reserved(
        self, job: Job, partition: Partition, fence: reservations.Barriers, closed: set[str]
    ) -> tuple[str, str] | None:
        """The reason of a job that would fit if reservations of others were not: it holds up nobody behind it."""
        if not (fence.closed or fence.blocked) or fence.within is not None:
            return None
        found = select.place(self.state, job, partition, self.now, closed=closed - fence.closed)
        if isinstance(found, str):
            return None
        if fence.maintenance.issuperset(partition._node_names):
            return "ReqNodeNotAvail", "ReqNodeNotAvail, Reserved for maintenance"
        return "ReqNodeNotAvail", RESERVED

    def refused(self, job: Job, partition: Partition, answer: str) -> tuple[str, str]:
        state = self.state
        if answer != "ReqNodeNotAvail":
            if all(state.nodes[name].is_up for name in partition._node_names if name in state.nodes):
                return "Resources", ""
            idle = select.place(state, job, partition, self.now, empty=True, only_up=True)
            return "Resources", NODES_DOWN if isinstance(idle, str) else ""
        request = job_request.of(job)
        down = [name for name in request.required if name in state.nodes and _is_down(state.nodes[name])]
        if down:
            return "ReqNodeNotAvail", f"ReqNodeNotAvail, UnavailableNodes:{hostlist.compress(down)}"
        return "ReqNodeNotAvail", RESERVED

    def block(self, job: Job, partition: Partition, request: job_request.Request, reason: str) -> None:
        """A job that waits for resources holds up those behind it: only the nodes it names, or its whole partition."""
        if reason == "ReqNodeNotAvail":
            return
        if request.required and len(request.required) >= request.min_nodes:
            self.closed.update(request.required)
            self.failed_requests.clear()
        else:
            self.failed.add((partition.name, job.resv_name))

    def make_room(self, job: Job, partition: Partition, fence: reservations.Barriers, closed: set[str]) -> bool:
        """Ask running jobs of lower rank to go, where that would help."""
        victims = preempt.find(self.state, job, partition, self.now, fence, closed)
        for victim, mode in victims:
            self.state.preempt_requests[victim.job_id] = mode
        return bool(victims)

    def begin(self, job: Job, placement: Placement, partition: Partition) -> None:
        line = self.line
        if job._array_tasks is not None:
            task_id = arrays.first_task(job)
            record = arrays.split(self.state, job, task_id)
            self.state.dirty_queue.pop(record.job_id, None)
        else:
            record = job
        if record.array_max_tasks and record.array_job_id in line.running_tasks:
            line.running_tasks[record.array_job_id].add(record.job_id)
        if record is job:
            line.drop(job.job_id)
            self.done.add(job.job_id)
        where = partition if placement.partition == partition.name else self.state.partitions[placement.partition]
        start(self.state, record, placement, where, self.now)
        self.started.append(record)

    def reason(self, job: Job, reason: str, description: str = "") -> None:
        self.done.add(job.job_id) if len(job._partitions) < 2 else None
        set_reason(self.state, job, reason, description)
        job.scheduler = "Main"

    def leave_reasons(self) -> None:
        """New jobs that the walk did not reach: what keeps them besides those before them."""
        state = self.state
        for job in self.fresh:
            if job.job_id not in state.pending or job._allocation or job.state_reason not in UNJUDGED:
                continue
            if job.job_id not in self.line.keys:
                continue
            partition = self.partition_of(job)
            reason, description = "Priority", ""
            if partition is not None:
                reason = limits.check_start(state, job, partition) or reason
                if reason != "Priority":
                    self.limited(job, partition, reason)
                    continue
                if job.required_nodes:
                    request = job_request.of(job)
                    if any(name in state.nodes and not state.nodes[name].is_up for name in request.required):
                        reason, description = self.refused(job, partition, "ReqNodeNotAvail")
            set_reason(state, job, reason, description)


def _is_down(node: Node) -> bool:
    """Gone, and not just drained or reserved."""
    return node.base_state == NodeState.DOWN or bool(node.state & NodeState.NOT_RESPONDING)


def _queue_depth(state: State) -> int:
    text = str(state.conf.SchedulerParameters or "")
    for item in text.split(","):
        name, _, value = item.partition("=")
        if name.strip() == "default_queue_depth" and value.strip().isdigit():
            return int(value)
    return QUEUE_DEPTH


def will_run(state: State, job: Job, now: int) -> dict[str, Any]:
    """When and where a job would start; see `backfill.will_run`."""
    from slurmpy.controller import backfill

    return backfill.will_run(state, job, now)
