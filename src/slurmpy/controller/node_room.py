"""What one node has for one request: cores, CPUs, memory, devices that are free, and how many tasks they take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slurmpy.controller import gres_request
from slurmpy.core.records.base import INFINITE

if TYPE_CHECKING:
    from slurmpy.controller.job_request import Request
    from slurmpy.controller.state import Job, Node, Partition, State


class Room:
    """What one node has for one request."""

    __slots__ = ("cores", "cpus", "node", "per_core", "request", "whole")

    def __init__(self, node: Node, request: Request, cores: int, per_core: int, cpus: int, whole: bool) -> None:
        self.node = node
        self.request = request
        self.cores = cores  # mask of usable cores
        self.per_core = per_core  # CPUs that each of them counts for
        self.cpus = cpus  # how many CPUs the request could use here, a multiple of its CPUs per task
        self.whole = whole


class Rules:
    """How slurm.conf has cores and memory counted (SelectTypeParameters)."""

    __slots__ = ("by_core", "least_loaded", "memory", "one_thread", "whole_nodes")

    def __init__(self, parameters: str, select_type: str) -> None:
        words = {word.strip().upper() for word in parameters.split(",")}
        self.memory = any(word.endswith("_MEMORY") for word in words)
        self.by_core = any(word.startswith(("CR_CORE", "CR_SOCKET")) for word in words)
        self.one_thread = "CR_ONE_TASK_PER_CORE" in words
        self.least_loaded = "CR_LLN" in words
        self.whole_nodes = select_type.endswith("linear")


def rules(state: State) -> Rules:
    known = state.__dict__.get("_select_rules")
    if known is None or known[0] is not state.conf:
        made = Rules(str(state.conf.SelectTypeParameters or ""), str(state.conf.SelectType or ""))
        known = (state.conf, made)
        state.__dict__["_select_rules"] = known
    result: Rules = known[1]
    return result


def share_limit(partition: Partition, oversubscribe: bool) -> int:
    """How many jobs may hold one core in this partition (1: nobody shares)."""
    mode, _, number = partition.oversubscribe.partition(":")
    if mode == "FORCE" or (mode == "YES" and oversubscribe):
        return int(number) if number.isdigit() else 4
    return 1


# ------------------------------------------------------------------------------------------------ what a node has


def cpus_per_core(node: Node) -> int:
    """CPUs that a whole core counts for: its threads, or 1 where slurm.conf counts cores as CPUs."""
    return max(1, node.cpus // node._core_count) if node._core_count else 1


def fits_ever(node: Node, request: Request, counts_memory: bool = True) -> str:
    """ "" if the empty node satisfies the request's demands on each node, else what is wrong: cpus, memory, ..."""
    threads = cpus_per_core(node)
    usable = min(threads, request.threads) if request.threads else threads
    if request.tasks_per_core:
        usable = min(usable, max(1, request.tasks_per_core * request.cpus_per_task))
    cpus = node._core_count * usable - (node.cpus - (node.effective_cpus or node.cpus))
    if max(request.node_cpus, 1 if request.overcommit else request.cpus_per_task) > cpus:
        return "cpus"
    if counts_memory and request.mem_per_node > node.real_memory - node.specialized_memory:
        return "memory"
    if counts_memory and request.mem_per_cpu * max(request.node_cpus, request.cpus_per_task) > node.real_memory:
        return "memory"
    if request.tmp_disk > node.temporary_disk:
        return "disk"
    if request.sockets > node.boards * node.sockets or request.cores_per_socket > node.cores:
        return "topology"
    if request.threads > node.threads:
        return "topology"
    if request.tasks_per_socket and not _socket_holds(node, request):
        return "topology"
    for name, kind, count in request.gres_per_node:
        if gres_request.node_total(node, name, kind) < count:
            return "gres"
    for name, kind, count in request.gres_per_task:
        if gres_request.node_total(node, name, kind) < count:
            return "gres"
    if request.constraint is not None and not request.constraint.any_node(node.active_features or node.features):
        return "features"
    return ""


def _free_cores(node: Node, partition: Partition, request: Request, blocked: int, overlap: bool) -> int:
    """The cores that a job of this partition could get now (in the row that has most).

    Jobs that share cores and jobs that do not are never on one node together. `overlap`: cores of others will do.
    """
    usable = ((1 << node._core_count) - 1) & ~node._cores_reserved & ~blocked & ~node._cores_used
    limit = share_limit(partition, request.oversubscribe)
    if (node._rows and limit == 1) or (node._cores_used and limit > 1):
        return 0
    if node._rows:
        for name, rows in node._rows.items():
            if name != partition.name or not overlap:
                for row in rows:
                    usable &= ~row
        rows = node._rows.get(partition.name, []) if overlap else []
        if rows:
            choices = [usable & ~row for row in rows]
            if len(rows) < limit:
                choices.append(usable)
            needed = -(-request.cpus_per_task // cpus_per_core(node))
            best = choices[0]
            wanted = max(needed, -(-request.cpus // cpus_per_core(node)) if request.min_nodes == 1 else needed)
            for choice in choices:
                if choice.bit_count() >= wanted:
                    return choice
                if choice.bit_count() > best.bit_count():
                    best = choice
            return best
    return usable


def room_on(
    node: Node,
    job: Job,
    request: Request,
    partition: Partition,
    rule: Rules,
    blocked: int = 0,
    empty: bool = False,
    overlap: bool = False,
) -> Room | None:
    """What the node could give to the job; `empty`: as if nobody used it, `overlap`: cores of sharing jobs will do."""
    sharing = share_limit(partition, request.oversubscribe) > 1
    whole = request.exclusive == "node" or partition.oversubscribe == "EXCLUSIVE" or (rule.whole_nodes and not sharing)
    if empty:
        cores = ((1 << node._core_count) - 1) & ~node._cores_reserved
        memory = node.real_memory - node.specialized_memory
    else:
        if node._exclusive:
            return None
        if node._jobs:
            if whole:
                return None
            one_user = request.exclusive == "user" or partition.exclusive_user
            if (one_user or node.owner) and any(other.user_id != job.user_id for other in node._jobs.values()):
                return None
        cores = _free_cores(node, partition, request, blocked, overlap)
        if whole and cores.bit_count() < node._core_count - node._cores_reserved.bit_count():
            return None
        memory = node.real_memory - node.specialized_memory - node._memory_used
    if not cores:
        return None
    threads = cpus_per_core(node)
    per_core = min(threads, request.threads) if request.threads else threads
    if request.tasks_per_core:
        per_core = min(per_core, max(1, request.tasks_per_core * request.cpus_per_task))
    elif rule.one_thread:
        per_core = min(per_core, max(1, request.cpus_per_task))
    cpus = cores.bit_count() * per_core
    if node.effective_cpus and node.effective_cpus < cpus:
        cpus = node.effective_cpus
    limit = partition.max_cpus_per_node
    if limit != INFINITE and limit is not None:
        if not empty:
            limit -= sum(
                other._allocation[node.name].cpus
                for other in node._jobs.values()
                if other.partition == partition.name and node.name in other._allocation
            )
        cpus = min(cpus, limit)
    if rule.memory:
        if request.mem_per_node > memory or (request.whole_memory and node._memory_used and not empty):
            return None
        if request.mem_per_cpu:
            cpus = min(cpus, memory // request.mem_per_cpu)
    unit = request.cpus_per_task
    if request.overcommit:
        unit = 1
    tasks = cpus // unit
    if request.tasks_per_node:
        tasks = min(tasks, request.tasks_per_node)
    if request.tasks_per_socket:
        if not _socket_holds(node, request):
            return None
        tasks = min(tasks, _socket_tasks(node, cores, per_core, request))
    if request.gres_per_node or request.gres_per_task or request.gres_per_job or request.gres_per_socket:
        tasks = _gres_tasks(node, request, tasks, empty)
    if tasks <= 0:
        return None
    cpus = tasks * unit
    if cpus < request.node_cpus:
        enough = cores.bit_count() * per_core >= request.node_cpus
        if enough and (tasks * unit + unit > request.node_cpus or request.tasks_per_node):
            cpus = request.node_cpus
        else:
            return None
    return Room(node, request, cores, per_core, cpus, whole)


def _socket_holds(node: Node, request: Request) -> bool:
    """Is a socket big enough for all the tasks that are to share one?"""
    return node.cores * cpus_per_core(node) >= request.tasks_per_socket * request.cpus_per_task


def _socket_tasks(node: Node, cores: int, per_core: int, request: Request) -> int:
    size = max(1, node.cores)
    mask = (1 << size) - 1
    total = 0
    while cores:
        total += min(request.tasks_per_socket, (cores & mask).bit_count() * per_core // request.cpus_per_task)
        cores >>= size
    return total


def _gres_tasks(node: Node, request: Request, tasks: int, empty: bool) -> int:
    """How many of the tasks the node's devices allow."""
    count_of = gres_request.node_total if empty else gres_request.node_free
    for name, kind, count in request.gres_per_node:
        if count_of(node, name, kind) < count:
            return 0
    for name, kind, count in request.gres_per_socket:
        if count_of(node, name, kind) < count * max(1, request.sockets):
            return 0
    for name, kind, count in request.gres_per_task:
        if count:
            tasks = min(tasks, count_of(node, name, kind) // count)
    for name, kind, count in request.gres_per_job:
        if count and not request.gres_per_node and not count_of(node, name, kind):
            return 0
    return tasks
