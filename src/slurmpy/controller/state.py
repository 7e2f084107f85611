"""What slurmctld knows: jobs, steps, nodes, partitions, reservations, and the indexes that find them without a scan.

No clock and no I/O in here. Every change of a record is announced by `State.touch_*`, which gives the record a new
version (so cached fragments of it are dropped) and puts it among those the store writes at the end of the turn.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from slurmpy.controller.assocs import AssocCache
from slurmpy.core.records.cluster import LicenseInfo, NodeInfo, PartitionInfo, ReservationInfo
from slurmpy.core.records.job import JobInfo, StepInfo
from slurmpy.core.states import JobState, NodeState

if TYPE_CHECKING:
    from slurmpy.conf.slurm_conf import SlurmConf
    from slurmpy.core.intervals import IntervalSet
    from slurmpy.core.records.description import JobDescriptor

FINISHED_BASE = JobState.COMPLETED  # this base state and all above it are ends


class NodeAlloc:
    """What a job (or a step) holds on one node.

    `cores` is a bit mask over the node's cores (socket * cores per socket + core), `memory` MiB (0: not tracked),
    `gres` a tuple of (name, type, count, (index, ...)); the indices are empty for gres without device files.
    """

    __slots__ = ("cores", "cpus", "gres", "memory")

    def __init__(
        self, cpus: int, cores: int, memory: int, gres: tuple[tuple[str, str, int, tuple[int, ...]], ...] = ()
    ) -> None:
        self.cpus = cpus
        self.cores = cores
        self.memory = memory
        self.gres = gres

    def to_wire(self) -> tuple[Any, ...]:
        cores = self.cores
        # msgpack knows no integer above 64 bits; nodes have more cores than that
        return (self.cpus, cores.to_bytes((cores.bit_length() + 7) // 8, "little"), self.memory, self.gres)

    @classmethod
    def from_wire(cls, wire: Any) -> NodeAlloc:
        cpus, cores, memory, gres = wire
        return cls(cpus, int.from_bytes(cores, "little"), memory, tuple((n, t, c, tuple(i)) for n, t, c, i in gres))

    def core_ids(self) -> list[int]:
        return [i for i in range(self.cores.bit_length()) if self.cores >> i & 1]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NodeAlloc) and self.to_wire() == other.to_wire()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"NodeAlloc(cpus={self.cpus}, cores={self.cores:#x}, memory={self.memory}, gres={self.gres!r})"


class Job(JobInfo):
    """A job with what only the controller needs to know. One record may stand for many waiting tasks of an array."""

    # --- what was asked for; filled by submission.build_job
    _request: JobDescriptor | None = None  # without script and environment, which the store keeps apart
    _partitions: tuple[str, ...] = ()  # all that it may run in, in the order asked for
    _array_tasks: IntervalSet | None = None  # tasks that wait in this record; None once it is a single job
    _dependencies: tuple[Any, ...] = ()  # dependencies.py's own form; msgpack types only
    _tres_request: dict[str, int] = {}  # noqa: RUF012 - replaced, never mutated: {"cpu": 2, "mem": 1000, "node": 1, ...}
    _licenses: tuple[tuple[str, int], ...] = ()
    _begin_time: int = 0  # as asked for by --begin
    _hold_admin: bool = False  # held by an operator: the user may not release it
    _time_limit_set: bool = False  # the user gave one, it is no default
    _script_id: int = 0  # under which job id the store keeps script and environment; 0: none
    _limits: dict[str, Any] = {}  # noqa: RUF012 - limits.py's notes on the job; msgpack types only
    _sched: dict[str, Any] = {}  # noqa: RUF012 - the scheduler's notes (parsed requests and the like); never stored
    # --- what it has
    _allocation: dict[str, NodeAlloc] = {}  # noqa: RUF012 - by node name, in the order of the node list; replaced, never mutated
    _tres_alloc: dict[str, int] = {}  # noqa: RUF012
    _steps: dict[int, Step]
    _next_step: int = 0
    # --- its way to the end
    _end_limit: int = 0  # when its time limit is over; 0: never
    _warned: bool = False  # the signal of --signal was sent
    _kill_time: int = 0  # when it was told to end
    _completing: frozenset[str] = frozenset()  # nodes that have not confirmed the end of its epilog
    _requeue: int | None = None  # flags for its next life (0, or REQUEUE_HOLD...) after it has ended
    _launched: bool = False  # batch: slurmd has confirmed the launch
    _srun: bool = False  # made by srun or salloc: somebody waits for the allocation
    # --- bookkeeping
    _version: int = 0

    #: private fields that the store keeps besides the public ones, as they are
    STORED = (
        "_partitions", "_dependencies", "_tres_request", "_licenses", "_begin_time", "_hold_admin", "_time_limit_set",
        "_script_id", "_limits", "_tres_alloc", "_next_step", "_end_limit", "_warned", "_kill_time",
        "_requeue", "_launched", "_srun",
    )  # fmt: skip

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self._steps = {}

    def copy(self, **changes: Any) -> Job:
        twin: Job = super().copy(**changes)
        twin._steps = {}
        return twin

    @property
    def base_state(self) -> int:
        return self.job_state & JobState.BASE

    @property
    def is_pending(self) -> bool:
        return self.job_state & JobState.BASE == JobState.PENDING and not self.job_state & JobState.COMPLETING

    @property
    def is_running(self) -> bool:
        return self.job_state & JobState.BASE == JobState.RUNNING

    @property
    def is_suspended(self) -> bool:
        return self.job_state & JobState.BASE == JobState.SUSPENDED

    @property
    def is_finished(self) -> bool:
        """At an end; it may still be completing."""
        return self.job_state & JobState.BASE >= FINISHED_BASE

    @property
    def is_completing(self) -> bool:
        return bool(self.job_state & JobState.COMPLETING)

    @property
    def is_meta(self) -> bool:
        """It stands for waiting tasks of an array."""
        return self._array_tasks is not None

    def __repr__(self) -> str:
        return f"Job({self.job_id}, {self.name!r}, state={self.job_state:#x}, reason={self.state_reason})"


class Step(StepInfo):
    """A step that runs (ended ones are forgotten as soon as accounting has been told)."""

    _allocation: dict[str, NodeAlloc] = {}  # noqa: RUF012 - of the job's allocation, what this step holds; replaced, never mutated
    _task_ids: tuple[tuple[int, ...], ...] = ()  # global task ids per node
    _running_on: frozenset[str] = frozenset()  # nodes that have not yet reported its end
    _exit_code: int = 0  # highest so far
    _usage: dict[str, Any] = {}  # noqa: RUF012
    _exclusive: bool = True  # its CPUs are its own within the job
    _memory_own: bool = False

    _oom: bool = False  # a node has said that the kernel ran out of its memory
    _over_memory: bool = False  # OverMemoryKill has ended it on a node

    STORED = ("_task_ids", "_exit_code", "_usage", "_exclusive", "_memory_own", "_oom", "_over_memory")

    def __repr__(self) -> str:
        return f"Step({self.job_id}.{self.step_id})"


class Node(NodeInfo):
    """A node with the counters of what is in use on it. `select.allocate` and `select.release` maintain these."""

    # --- hardware, from slurm.conf and gres.conf (or a registration, where the configuration leaves it open)
    _core_count: int = 1  # all cores of the node: boards * sockets * cores
    _cores_reserved: int = 0  # mask of specialized cores that no job gets
    _gres: tuple[tuple[str, str, int, tuple[int, ...]], ...] = ()  # (name, type, count, indices of device files)
    # --- in use
    _jobs: dict[int, Job]  # those with an allocation here, completing ones included
    _cpus_used: int = 0
    _cores_used: int = 0  # mask, of jobs that share with nobody
    _memory_used: int = 0
    _gres_used: dict[tuple[str, str], int]  # (name, type) -> mask of indices in use (or a count where there are none)
    _rows: dict[str, list[int]]  # partition that shares (OverSubscribe): the core masks of its rows
    _exclusive: int = 0  # how many jobs hold the node for themselves
    _suspended: dict[int, Job]  # here, but without their CPUs
    # --- health
    _last_response: int = 0  # when its slurmd was last heard of
    _registered: bool = False  # since this slurmctld runs
    _conf: Any = None  # its line of slurm.conf
    _version: int = 0

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self._jobs = {}
        self._gres_used = {}
        self._rows = {}
        self._suspended = {}

    @property
    def base_state(self) -> int:
        return self.state & NodeState.BASE

    @property
    def is_up(self) -> bool:
        """Jobs may start here, as far as its state is concerned."""
        bad = (
            NodeState.DRAIN | NodeState.FAIL | NodeState.NOT_RESPONDING | NodeState.POWERED_DOWN
            | NodeState.POWERING_DOWN | NodeState.INVALID_REG | NodeState.REBOOT_ISSUED
        )  # fmt: skip
        base = self.state & NodeState.BASE
        return not self.state & bad and base in (NodeState.IDLE, NodeState.ALLOCATED, NodeState.MIXED)

    def __repr__(self) -> str:
        return f"Node({self.name!r}, state={self.state:#x})"


class Partition(PartitionInfo):
    _node_names: tuple[str, ...] = ()  # expanded, in the order of the configuration
    _node_set: frozenset[str] = frozenset()
    _version: int = 0

    def __repr__(self) -> str:
        return f"Partition({self.name!r})"


class Reservation(ReservationInfo):
    _node_names: tuple[str, ...] = ()
    _cores: dict[str, int] = {}  # noqa: RUF012 - node -> mask, where it holds single cores; replaced, never mutated
    _notes: dict[str, Any] = {}  # noqa: RUF012 - reservations.py's own; msgpack types only
    _version: int = 0

    STORED = ("_node_names", "_cores", "_notes")

    def __repr__(self) -> str:
        return f"Reservation({self.name!r})"


class State:
    """All records and their indexes. The single thread of slurmctld's loop changes it; nobody else does."""

    def __init__(self, conf: SlurmConf) -> None:
        self.conf = conf
        self.jobs: dict[int, Job] = {}
        self.nodes: dict[str, Node] = {}  # in the order of slurm.conf
        self.partitions: dict[str, Partition] = {}
        self.reservations: dict[str, Reservation] = {}
        self.licenses: dict[str, LicenseInfo] = {}
        self.assocs = AssocCache()
        self.default_partition = ""
        self.next_id = 1  # of the next job; kept by the store
        # indexes of jobs, all by job id (dicts keep the order and remove in constant time)
        self.pending: dict[int, Job] = {}
        self.running: dict[int, Job] = {}  # suspended ones too
        self.completing: dict[int, Job] = {}
        self.finished: dict[int, Job] = {}  # in the order of their ends, for MinJobAge
        self.by_user: dict[int, dict[int, Job]] = {}
        self.by_partition: dict[str, dict[int, Job]] = {}
        self.by_user_name: dict[tuple[int, str], dict[int, Job]] = {}  # (uid, job name), for `singleton`
        self.by_array: dict[int, dict[int, Job]] = {}
        self.array_tasks: dict[tuple[int, int], Job] = {}  # (array_job_id, task): tasks with a record of their own
        self.by_het: dict[int, dict[int, Job]] = {}  # het_job_id -> its components
        self.dependents: dict[int, set[int]] = {}  # job id -> jobs that wait for it; dependencies.py's
        # what changed since it was last asked for
        self.dirty_jobs: dict[int, Job | None] = {}  # for the store; None: deleted
        self.dirty_steps: dict[tuple[int, int], Step | None] = {}
        self.dirty_nodes: dict[str, Node] = {}
        self.dirty_partitions: dict[str, Partition | None] = {}
        self.dirty_reservations: dict[str, Reservation | None] = {}
        self.dirty_queue: dict[int, Job] = {}  # for the scheduler: new, released, reprioritised, changed waiting jobs
        self.freed_nodes: set[str] = set()  # for the scheduler: resources came free there
        self.preempt_requests: dict[int, str] = {}  # job id -> CANCEL, REQUEUE or SUSPEND: the scheduler asks for it
        # when something of the kind last changed, as queries report it; the server sets the clock
        self.now = 0
        self.jobs_update = 0
        self.nodes_update = 0
        self.partitions_update = 0
        self.reservations_update = 0
        self.version = 0  # grows with every change of any record

    # ---------------------------------------------------------------- jobs

    def take_job_id(self) -> int:
        """The next free job id, between FirstJobId and MaxJobId, wrapping around."""
        first, last = self.conf.FirstJobId, self.conf.MaxJobId
        job_id = max(self.next_id, first)
        while job_id in self.jobs or job_id > last:
            job_id = job_id + 1 if job_id < last else first
        self.next_id = job_id + 1
        return job_id

    def add_job(self, job: Job) -> None:
        """Put a job (with its final id) into all indexes."""
        job_id = job.job_id
        self.jobs[job_id] = job
        self.by_user.setdefault(job.user_id, {})[job_id] = job
        self.by_user_name.setdefault((job.user_id, job.name), {})[job_id] = job
        for name in self._partitions_of(job):
            self.by_partition.setdefault(name, {})[job_id] = job
        if job.array_job_id:
            self.by_array.setdefault(job.array_job_id, {})[job_id] = job
            if job.array_task_id is not None:
                self.array_tasks[job.array_job_id, job.array_task_id] = job
        if job.het_job_id:
            self.by_het.setdefault(job.het_job_id, {})[job_id] = job
        self._index_state(job)
        for name in job._allocation:
            if name in self.nodes:
                self.nodes[name]._jobs[job_id] = job
        self.touch_job(job)

    def remove_job(self, job: Job) -> None:
        """Forget a job (purged, or never to be)."""
        job_id = job.job_id
        self.jobs.pop(job_id, None)
        _discard(self.by_user, job.user_id, job_id)
        _discard(self.by_user_name, (job.user_id, job.name), job_id)
        for name in self._partitions_of(job):
            _discard(self.by_partition, name, job_id)
        if job.array_job_id:
            _discard(self.by_array, job.array_job_id, job_id)
            if job.array_task_id is not None:
                self.array_tasks.pop((job.array_job_id, job.array_task_id), None)
        if job.het_job_id:
            _discard(self.by_het, job.het_job_id, job_id)
        for index in (self.pending, self.running, self.completing, self.finished, self.dirty_queue):
            index.pop(job_id, None)
        self.dependents.pop(job_id, None)
        self.dirty_jobs[job_id] = None
        self.jobs_update = self.now

    def set_job_state(self, job: Job, job_state: int) -> None:
        """The only way to change `job_state` of a job that is in the indexes."""
        job.job_state = job_state
        self._index_state(job)
        self.touch_job(job)

    def rekey(self, job: Job, **changes: Any) -> None:
        """Change fields that are keys of indexes: name, partition, _partitions, array_task_id, _array_tasks..."""
        dirty_queue = job.job_id in self.dirty_queue
        self.remove_job(job)
        job.__dict__.update(changes)
        self.add_job(job)
        if dirty_queue:
            self.dirty_queue[job.job_id] = job

    def touch_job(self, job: Job) -> None:
        """The job has changed: a new version of it is to be stored and shown."""
        self.version += 1
        job._version = self.version
        self.dirty_jobs[job.job_id] = job
        self.jobs_update = self.now

    def requeue_look(self, job: Job) -> None:
        """The scheduler shall look at this waiting job again."""
        self.dirty_queue[job.job_id] = job

    def find_task(self, array_job_id: int, task_id: int) -> Job | None:
        """The record that task belongs to: its own, or the one in which it waits."""
        own = self.array_tasks.get((array_job_id, task_id))
        if own is not None:
            return own
        meta = self.jobs.get(array_job_id)
        if meta is not None and meta._array_tasks is not None and task_id in meta._array_tasks:
            return meta
        return None

    def array_running(self, array_job_id: int) -> int:
        """How many tasks of the array run or complete, for its %limit."""
        return sum(
            1
            for job in self.by_array.get(array_job_id, {}).values()
            if job.job_id in self.running or job.job_id in self.completing
        )

    def _partitions_of(self, job: Job) -> Iterable[str]:
        return job._partitions or (job.partition,)

    def _index_state(self, job: Job) -> None:
        job_id, job_state = job.job_id, job.job_state
        base = job_state & JobState.BASE
        completing = bool(job_state & JobState.COMPLETING)
        _member(self.pending, job, base == JobState.PENDING and not completing)
        _member(self.running, job, base in (JobState.RUNNING, JobState.SUSPENDED))
        _member(self.completing, job, completing)
        _member(self.finished, job, base >= FINISHED_BASE and not completing)
        if job_id in self.pending:
            self.dirty_queue[job_id] = job
        else:
            self.dirty_queue.pop(job_id, None)

    # ---------------------------------------------------------------- steps, nodes, partitions, reservations

    def touch_step(self, step: Step) -> None:
        self.dirty_steps[step.job_id, step.step_id] = step
        self.jobs_update = self.now

    def remove_step(self, job: Job, step: Step) -> None:
        job._steps.pop(step.step_id, None)
        self.dirty_steps[step.job_id, step.step_id] = None
        self.jobs_update = self.now

    def touch_node(self, node: Node, stored: bool = True) -> None:
        """`stored`: also what the store keeps of a node has changed, not just its load or its counters."""
        self.version += 1
        node._version = self.version
        self.nodes_update = self.now
        if stored:
            self.dirty_nodes[node.name] = node

    def touch_partition(self, partition: Partition) -> None:
        self.version += 1
        partition._version = self.version
        self.partitions_update = self.now
        self.dirty_partitions[partition.name] = partition

    def touch_reservation(self, reservation: Reservation) -> None:
        self.version += 1
        reservation._version = self.version
        self.reservations_update = self.now
        self.dirty_reservations[reservation.name] = reservation

    def remove_reservation(self, name: str) -> None:
        del self.reservations[name]
        self.dirty_reservations[name] = None
        self.reservations_update = self.now


def _member(index: dict[int, Job], job: Job, belongs: bool) -> None:
    if belongs:
        if job.job_id not in index:
            index[job.job_id] = job
    else:
        index.pop(job.job_id, None)


def _discard(index: dict[Any, dict[int, Job]], key: Any, job_id: int) -> None:
    members = index.get(key)
    if members is not None:
        members.pop(job_id, None)
        if not members:
            del index[key]
