"""Where a step's tasks run within its job's allocation: nodes, tasks per node, task numbers, CPUs, memory, devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slurmpy.controller import gres_request
from slurmpy.controller.state import NodeAlloc
from slurmpy.core import hostlist
from slurmpy.core.errors import SlurmError

if TYPE_CHECKING:
    from slurmpy.controller.state import Job, State, Step
    from slurmpy.core.records.description import StepDescriptor

#: the first word of --distribution, as scontrol shows it
DISTRIBUTIONS = {"block": "Block", "cyclic": "Cyclic", "plane": "Plane", "arbitrary": "Arbitrary"}


class Layout:
    """A step's place: parallel tuples over its nodes, in the order of the job's node list."""

    __slots__ = ("allocation", "cpus_per_task", "distribution", "nodes", "task_ids", "tasks", "tasks_per_node")

    def __init__(
        self,
        nodes: tuple[str, ...],
        task_ids: tuple[tuple[int, ...], ...],
        cpus_per_task: int,
        allocation: dict[str, NodeAlloc],
        distribution: str,
    ) -> None:
        self.nodes = nodes
        self.task_ids = task_ids
        self.tasks_per_node = tuple(len(ids) for ids in task_ids)
        self.tasks = sum(self.tasks_per_node)
        self.cpus_per_task = cpus_per_task
        self.allocation = allocation
        self.distribution = distribution


def place(state: State, job: Job, desc: StepDescriptor) -> Layout:
    """Lay a step out. Raises ESLURM_NODES_BUSY where it has to wait for other steps, another error if it never fits."""
    names = _eligible(job, desc)
    sharing = desc.overlap or not desc.exclusive
    free = {name: _free(job, name, sharing) for name in names}
    everything = {name: job._allocation[name] for name in names}
    cpus_per_task = max(1, desc.cpus_per_task or 1)
    tasks = _task_count(job, desc, names)
    wanted_nodes = _node_count(job, desc, names, tasks)
    if desc.minimum_nodes and desc.minimum_nodes > len(names):
        raise SlurmError("ESLURM_REQUESTED_NODE_CONFIG_UNAVAILABLE")
    kind = _distribution(desc, tasks, wanted_nodes)
    if kind == "arbitrary":
        return _arbitrary(job, desc, cpus_per_task)
    # how many tasks each node could take if no other step were there, and now
    unit = 1 if desc.overcommit else cpus_per_task
    could = {name: everything[name].cpus // unit for name in names}
    can = {name: free[name].cpus // unit for name in names}
    if not desc.exact and not sharing:  # it takes every CPU of the job on its nodes
        for name in names:
            if free[name].cpus < everything[name].cpus:
                can[name] = 0
    per_node = desc.tasks_per_node or 0
    if per_node and not desc.overcommit:
        could = {name: min(count, per_node) for name, count in could.items()}
        can = {name: min(count, per_node) for name, count in can.items()}
    _check_devices(job, desc, names, tasks)
    chosen = _choose(names, can, tasks, wanted_nodes, desc)
    if chosen is None:
        if _choose(names, could, tasks, wanted_nodes, desc) is None:
            raise SlurmError("ESLURM_TOO_MANY_REQUESTED_CPUS")
        raise SlurmError("ESLURM_NODES_BUSY")
    capacity = [can[name] for name in chosen]
    counts = _spread(tasks, capacity, kind, desc, per_node)
    chosen = [name for name, count in zip(chosen, counts, strict=True) if count]  # wide planes may fill the first alone
    counts = [count for count in counts if count]
    task_ids = _number(counts, kind, desc.distribution_plane_size or 1)
    allocation = {}
    for name, count in zip(chosen, counts, strict=True):
        allocation[name] = _node_alloc(job, desc, name, free[name], count, cpus_per_task, sharing)
    return Layout(tuple(chosen), task_ids, cpus_per_task, allocation, DISTRIBUTIONS[kind])


def _eligible(job: Job, desc: StepDescriptor) -> list[str]:
    names = list(job._allocation)
    if desc.excluded_nodes:
        gone = set(hostlist.expand(desc.excluded_nodes))
        names = [name for name in names if name not in gone]
    if desc.required_nodes:
        wanted = set(hostlist.expand(desc.required_nodes))
        if not wanted <= set(names):
            raise SlurmError("ESLURM_REQUESTED_NODE_CONFIG_UNAVAILABLE")
        if not desc.minimum_nodes or desc.minimum_nodes <= len(wanted):
            names = [name for name in names if name in wanted]
        else:  # those named, and others after them
            names = [name for name in names if name in wanted] + [name for name in names if name not in wanted]
    if desc.relative:
        if desc.relative >= len(names):
            raise SlurmError("ESLURM_REQUESTED_NODE_CONFIG_UNAVAILABLE")
        names = names[desc.relative :] + names[: desc.relative]
        names = names[: len(job._allocation) - desc.relative]
    if not names:
        raise SlurmError("ESLURM_REQUESTED_NODE_CONFIG_UNAVAILABLE")
    return names


def _task_count(job: Job, desc: StepDescriptor, names: list[str]) -> int:
    if desc.tasks is not None:
        if desc.tasks < 1:
            raise SlurmError("ESLURM_BAD_TASK_COUNT")
        return desc.tasks
    nodes = desc.minimum_nodes or len(names)
    if desc.tasks_per_node:
        return desc.tasks_per_node * nodes
    return nodes


def _node_count(job: Job, desc: StepDescriptor, names: list[str], tasks: int) -> int:
    """The least number of nodes that the step has to use."""
    if desc.minimum_nodes:
        return min(desc.minimum_nodes, max(tasks, 1)) if desc.tasks is not None else desc.minimum_nodes
    if desc.tasks_per_node and desc.tasks is not None:
        return -(-tasks // desc.tasks_per_node)
    return 1


def _distribution(desc: StepDescriptor, tasks: int, nodes: int) -> str:
    word = (desc.distribution or "").split(":")[0].split(",")[0].split("=")[0].lower()
    if word in ("*", "", "pack", "nopack"):
        return "cyclic" if tasks <= nodes else "block"
    if word not in DISTRIBUTIONS:
        raise SlurmError("ESLURM_BAD_DIST")
    return word


def _others(job: Job, name: str) -> list[NodeAlloc]:
    """What the steps that keep their CPUs to themselves hold on a node."""
    return [step._allocation[name] for step in job._steps.values() if step._exclusive and name in step._allocation]


def _free(job: Job, name: str, sharing: bool) -> NodeAlloc:
    mine = job._allocation[name]
    if sharing:
        return mine
    cores, cpus = mine.cores, mine.cpus
    for other in _others(job, name):
        cores &= ~other.cores
        cpus -= other.cpus
    memory = mine.memory
    for step in job._steps.values():
        if step._memory_own and name in step._allocation:
            memory -= step._allocation[name].memory
    return NodeAlloc(max(0, cpus), cores, max(0, memory), mine.gres)


def _choose(
    names: list[str], capacity: dict[str, int], tasks: int, wanted_nodes: int, desc: StepDescriptor
) -> list[str] | None:
    """The first nodes that together take the tasks; None if they do not."""
    most = desc.maximum_nodes or len(names)
    usable = [name for name in names if capacity[name] > 0]
    must = set(hostlist.expand(desc.required_nodes)) if desc.required_nodes else set()
    if must - set(usable):
        return None
    chosen: list[str] = []
    room = 0
    for name in usable:
        if len(chosen) >= wanted_nodes and (room >= tasks or desc.overcommit) and must <= set(chosen):
            break
        if len(chosen) >= most:
            break
        chosen.append(name)
        room += capacity[name]
    if len(chosen) < wanted_nodes or (room < tasks and not desc.overcommit) or not must <= set(chosen):
        return None
    if len(chosen) > tasks:
        chosen = chosen[:tasks]
    return chosen


def _spread(tasks: int, capacity: list[int], kind: str, desc: StepDescriptor, per_node: int) -> list[int]:
    """Tasks of each node."""
    nodes = len(capacity)
    counts = [0] * nodes
    if desc.overcommit:
        room = [max(1, each) for each in capacity]
    else:
        room = list(capacity)
    if per_node and tasks == per_node * nodes:
        return [per_node] * nodes
    left = tasks
    if kind == "block":
        for at in range(nodes):
            take = max(0, min(room[at], left - (nodes - at - 1)))
            counts[at] = take
            left -= take
    elif kind == "plane":
        size = max(1, desc.distribution_plane_size or 1)
        while left and any(counts[at] < room[at] for at in range(nodes)):
            for at in range(nodes):
                take = min(size, room[at] - counts[at], left)
                counts[at] += take
                left -= take
    else:
        while left and any(counts[at] < room[at] for at in range(nodes)):
            for at in range(nodes):
                if left and counts[at] < room[at]:
                    counts[at] += 1
                    left -= 1
    while left:  # overcommit: round after round over all nodes
        for at in range(nodes):
            if left:
                counts[at] += 1
                left -= 1
    return counts


def _number(counts: list[int], kind: str, plane: int) -> tuple[tuple[int, ...], ...]:
    """The global numbers of the tasks of each node."""
    ids: list[list[int]] = [[] for _ in counts]
    if kind == "block":
        start = 0
        for at, count in enumerate(counts):
            ids[at] = list(range(start, start + count))
            start += count
        return tuple(tuple(one) for one in ids)
    size = plane if kind == "plane" else 1
    number, total = 0, sum(counts)
    while number < total:
        for at, count in enumerate(counts):
            for _ in range(min(size, count - len(ids[at]))):
                ids[at].append(number)
                number += 1
    return tuple(tuple(one) for one in ids)


def _arbitrary(job: Job, desc: StepDescriptor, cpus_per_task: int) -> Layout:
    """One task for each name of the node list, in its order; a node is named as often as it gets tasks."""
    order = hostlist.expand(desc.required_nodes or "")
    if desc.tasks is not None and len(order) != desc.tasks:
        raise SlurmError("ESLURM_BAD_TASK_COUNT")
    if not order or not set(order) <= set(job._allocation):
        raise SlurmError("ESLURM_REQUESTED_NODE_CONFIG_UNAVAILABLE")
    nodes = [name for name in job._allocation if name in order]
    ids = tuple(tuple(number for number, name in enumerate(order) if name == node) for node in nodes)
    sharing = desc.overlap or not desc.exclusive
    allocation = {}
    for node, own in zip(nodes, ids, strict=True):
        free = _free(job, node, sharing)
        if not desc.overcommit and free.cpus < len(own) * cpus_per_task:
            busy = job._allocation[node].cpus >= len(own) * cpus_per_task
            raise SlurmError("ESLURM_NODES_BUSY" if busy else "ESLURM_TOO_MANY_REQUESTED_CPUS")
        allocation[node] = _node_alloc(job, desc, node, free, len(own), cpus_per_task, sharing)
    return Layout(tuple(nodes), ids, cpus_per_task, allocation, DISTRIBUTIONS["arbitrary"])


def _node_alloc(
    job: Job, desc: StepDescriptor, name: str, free: NodeAlloc, tasks: int, cpus_per_task: int, sharing: bool
) -> NodeAlloc:
    mine = job._allocation[name]
    if desc.exact:
        cpus = max(1, min(free.cpus, tasks * cpus_per_task))
        threads = max(1, -(-mine.cpus // max(1, mine.cores.bit_count())))
        if mine.cores.bit_count() and mine.cpus < mine.cores.bit_count():
            threads = 1
        cores = _lowest(free.cores or mine.cores, -(-cpus // threads))
    else:
        cpus, cores = free.cpus, free.cores
    memory = mine.memory
    if desc.memory_per_cpu:
        memory = desc.memory_per_cpu * cpus
    elif desc.memory_per_node:
        memory = desc.memory_per_node
    if mine.memory and memory > mine.memory:
        raise SlurmError("ESLURM_INVALID_TASK_MEMORY")
    if mine.memory and memory > free.memory and not sharing and (desc.memory_per_cpu or desc.memory_per_node):
        raise SlurmError("ESLURM_NODES_BUSY")
    return NodeAlloc(cpus, cores, memory, _devices(job, desc, name, tasks, sharing))


def _lowest(mask: int, count: int) -> int:
    picked = 0
    while count > 0 and mask:
        low = mask & -mask
        picked |= low
        mask ^= low
        count -= 1
    return picked


def _wanted_devices(desc: StepDescriptor, tasks: int) -> list[gres_request.Gres] | None:
    """What a step asks for on a node with so many of its tasks; None: it says nothing."""
    wanted: list[gres_request.Gres] = []
    asked = False
    if desc.tres_per_node:
        asked = True
        wanted += gres_request.parse(desc.tres_per_node)
    if desc.tres_per_task and "gres" in desc.tres_per_task:
        from slurmpy.controller.job_request import split_task_tres

        asked = True
        wanted += [(name, kind, count * tasks) for name, kind, count in split_task_tres(desc.tres_per_task)[0]]
    if desc.tres_per_step and "gres" in desc.tres_per_step:
        asked = True
        wanted += gres_request.parse(",".join(one for one in desc.tres_per_step.split(",") if "gres" in one))
    return wanted if asked else None


def _check_devices(job: Job, desc: StepDescriptor, names: list[str], tasks: int) -> None:
    """Raise ESLURM_INVALID_GRES where the job itself does not have what the step asks for."""
    wanted = _wanted_devices(desc, 1)
    for name, kind, count in wanted or ():
        most = max(
            sum(n for g, k, n, _ in job._allocation[node].gres if g == name and (not kind or kind == k))
            for node in names
        )
        if count > most:
            raise SlurmError("ESLURM_INVALID_GRES")


def _devices(
    job: Job, desc: StepDescriptor, name: str, tasks: int, sharing: bool
) -> tuple[tuple[str, str, int, tuple[int, ...]], ...]:
    """The job's devices that the step gets on a node: all of them unless it asks for some."""
    mine = job._allocation[name].gres
    wanted = _wanted_devices(desc, tasks)
    if wanted is None:
        return mine
    taken: dict[tuple[str, str], set[int]] = {}
    counts: dict[tuple[str, str], int] = {}
    if not sharing:
        for step in job._steps.values():
            if step._exclusive and name in step._allocation and not _holds_all(job, step, name):
                for gres_name, kind, count, indices in step._allocation[name].gres:
                    taken.setdefault((gres_name, kind), set()).update(indices)
                    counts[gres_name, kind] = counts.get((gres_name, kind), 0) + count
    got: list[tuple[str, str, int, tuple[int, ...]]] = []
    for gres_name, kind, count in wanted:
        left = count
        for own_name, own_kind, own_count, indices in mine:
            if left <= 0 or own_name != gres_name or (kind and own_kind != kind):
                continue
            key = (own_name, own_kind)
            if indices:
                free = [index for index in indices if index not in taken.get(key, set())][:left]
                if free:
                    got.append((own_name, own_kind, len(free), tuple(free)))
                    left -= len(free)
            else:
                take = min(left, own_count - counts.get(key, 0))
                if take > 0:
                    got.append((own_name, own_kind, take, ()))
                    left -= take
        if left > 0:
            total = sum(n for g, k, n, _ in mine if g == gres_name and (not kind or kind == k))
            raise SlurmError("ESLURM_NODES_BUSY" if total >= count else "ESLURM_INVALID_GRES")
    return tuple(got)


def _holds_all(job: Job, step: Step, name: str) -> bool:
    """The step did not ask for devices: it sees all of the job's, and keeps none from others."""
    return not (step.tres_per_node or step.tres_per_task or step.tres_per_step)
