"""What a waiting job asks of nodes, in the form that placement works with: worked out once, kept in ``job._sched``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slurmpy.controller import constraints, gres_request
from slurmpy.core import hostlist
from slurmpy.core.records.base import INFINITE

if TYPE_CHECKING:
    from slurmpy.controller.constraints import Constraint
    from slurmpy.controller.gres_request import Gres
    from slurmpy.controller.state import Job


class Request:
    """A job's demand. Memory in MiB; 0 or an empty value means that the user did not ask for it."""

    __slots__ = (
        "constraint",
        "contiguous",
        "cores_per_socket",
        "cpus",
        "cpus_per_gres",
        "cpus_per_task",
        "exact_tasks",
        "excluded",
        "exclusive",
        "gres_per_job",
        "gres_per_node",
        "gres_per_socket",
        "gres_per_task",
        "key",
        "max_nodes",
        "mem_per_cpu",
        "mem_per_gres",
        "mem_per_node",
        "min_nodes",
        "node_cpus",
        "overcommit",
        "oversubscribe",
        "prefer",
        "required",
        "sockets",
        "spread",
        "tasks",
        "tasks_per_core",
        "tasks_per_node",
        "tasks_per_socket",
        "threads",
        "tmp_disk",
        "use_min_nodes",
        "whole_memory",
    )  # fmt: skip

    min_nodes: int
    max_nodes: int  # 0: no limit of the job's own
    tasks: int
    exact_tasks: bool  # the number of tasks was asked for
    cpus: int  # in all
    cpus_per_task: int
    tasks_per_node: int
    tasks_per_socket: int
    tasks_per_core: int
    node_cpus: int  # at least so many on each node
    sockets: int
    cores_per_socket: int
    threads: int  # CPUs used of each core at most
    mem_per_node: int
    mem_per_cpu: int
    mem_per_gres: tuple[Gres, ...]
    whole_memory: bool  # --mem=0
    tmp_disk: int
    constraint: Constraint | None
    prefer: Constraint | None
    required: tuple[str, ...]
    excluded: frozenset[str]
    contiguous: bool
    exclusive: str  # "", "node", "user", "mcs"
    oversubscribe: bool
    overcommit: bool
    spread: bool
    use_min_nodes: bool
    gres_per_node: tuple[Gres, ...]
    gres_per_job: tuple[Gres, ...]
    gres_per_task: tuple[Gres, ...]
    gres_per_socket: tuple[Gres, ...]
    cpus_per_gres: tuple[Gres, ...]
    key: tuple[object, ...]  # jobs with equal keys fit, or do not fit, alike


#: how `JobInfo.shared` says exclusive use
EXCLUSIVE = {"NO": "node", "USER": "user", "MCS": "mcs"}


def wants_whole_nodes(job: Job) -> bool:
    """--exclusive, or a reboot of its nodes before it starts."""
    return job.shared == "NO" or job.reboot


def of(job: Job) -> Request:
    """The request of a job; made on first use. `forget` after the job's fields have changed."""
    request = job._sched.get("request")
    if request is None:
        request = _make(job)
        job._sched = {**job._sched, "request": request}
    return request


def forget(job: Job) -> None:
    if "request" in job._sched:
        job._sched = {name: value for name, value in job._sched.items() if name != "request"}


def _limit(value: int | None) -> int:
    return 0 if value is None or value == INFINITE else value


def split_task_tres(text: str) -> tuple[tuple[Gres, ...], int]:
    """``"cpu=2,gres/gpu=1"`` -> the gres of it, and the CPUs (0: none named)."""
    cpus = 0
    rest = []
    for item in text.split(","):
        name, _, value = item.partition("=")
        if name.strip() == "cpu" and value.isdigit():
            cpus = int(value)
        elif item.strip().startswith(("gres", "gres/")):
            rest.append(item)
    return (gres_request.parse(",".join(rest)) if rest else ()), cpus


def _make(job: Job) -> Request:
    request = Request.__new__(Request)
    asked = job._request
    wanted = job._tres_request
    request.min_nodes = max(1, wanted.get("node", job.node_count))
    request.max_nodes = _limit(asked.maximum_nodes) if asked is not None else _limit(job.max_nodes)
    request.tasks = max(1, job.tasks)
    request.exact_tasks = "EXACT_TASK_COUNT_REQUESTED" in job.flags
    request.cpus_per_task = max(1, job.cpus_per_task or 1)
    request.tasks_per_node = job.tasks_per_node
    request.tasks_per_socket = _limit(job.tasks_per_socket)
    request.tasks_per_core = _limit(job.tasks_per_core)
    request.cpus = max(1, job._limits.get("cpus", wanted.get("cpu", job.cpus)))
    request.node_cpus = max(1, job.minimum_cpus_per_node)
    request.sockets = job.sockets_per_node or 0
    request.cores_per_socket = job.cores_per_socket or 0
    request.threads = job.threads_per_core or 0
    request.mem_per_node = job.memory_per_node or 0
    request.mem_per_cpu = job.memory_per_cpu or 0
    request.whole_memory = job.memory_per_node == 0
    request.mem_per_gres = gres_request.parse(job.memory_per_tres) if job.memory_per_tres else ()
    if request.mem_per_gres:
        request.mem_per_node = 0
    request.tmp_disk = job.minimum_tmp_disk_per_node
    request.constraint = constraints.parse(job.features) if job.features else None
    request.prefer = constraints.parse(job.prefer) if job.prefer else None
    request.required = tuple(dict.fromkeys(hostlist.expand(job.required_nodes))) if job.required_nodes else ()
    request.excluded = frozenset(hostlist.expand(job.excluded_nodes)) if job.excluded_nodes else frozenset()
    request.contiguous = job.contiguous
    request.exclusive = "node" if job.reboot else EXCLUSIVE.get(job.shared, "")
    request.oversubscribe = job.shared == "YES"
    request.overcommit = job.overcommit
    request.spread = "SPREAD_JOB" in job.flags
    request.use_min_nodes = "PREFER_MINIMUM_NODE_COUNT" in job.flags
    request.gres_per_node = gres_request.parse(job.tres_per_node) if job.tres_per_node else ()
    request.gres_per_job = gres_request.parse(job.tres_per_job) if job.tres_per_job else ()
    request.gres_per_socket = gres_request.parse(job.tres_per_socket) if job.tres_per_socket else ()
    request.gres_per_task = split_task_tres(job.tres_per_task)[0] if job.tres_per_task else ()
    request.cpus_per_gres = gres_request.parse(job.cpus_per_tres) if job.cpus_per_tres else ()
    request.key = (
        request.min_nodes, request.max_nodes, request.tasks, request.exact_tasks, request.cpus, request.cpus_per_task,
        request.tasks_per_node, request.tasks_per_socket, request.tasks_per_core, request.node_cpus, request.sockets,
        request.cores_per_socket, request.threads, request.mem_per_node, request.mem_per_cpu, request.whole_memory,
        job.memory_per_tres, request.tmp_disk, job.features, job.prefer, job.required_nodes, job.excluded_nodes,
        request.contiguous, request.exclusive, request.oversubscribe, request.overcommit, request.spread,
        request.use_min_nodes, job.tres_per_node, job.tres_per_job, job.tres_per_task, job.tres_per_socket,
        job.cpus_per_tres, job.resv_name, job.core_spec, job.thread_spec,
    )  # fmt: skip
    return request
