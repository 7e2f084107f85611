"""The counters of what is in use on the nodes: jobs take their allocation, give it back, are suspended and resumed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slurmpy.controller import gres_request, licenses
from slurmpy.controller.job_request import wants_whole_nodes
from slurmpy.controller.node_room import cpus_per_core, rules, share_limit
from slurmpy.core.states import NodeState

if TYPE_CHECKING:
    from slurmpy.controller.state import Job, Node, NodeAlloc, State


class Placement:
    """Where a job would run: `allocation` by node name, in the order of slurm.conf."""

    __slots__ = ("allocation", "cpus", "partition")

    def __init__(self, partition: str, allocation: dict[str, NodeAlloc]) -> None:
        self.partition = partition
        self.allocation = allocation
        self.cpus = sum(alloc.cpus for alloc in allocation.values())

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(self.allocation)

    def __repr__(self) -> str:
        return f"Placement({self.partition!r}, {self.allocation!r})"


def allocate(state: State, job: Job, placement: Placement | None = None) -> None:
    """Count a job's allocation (a new one, or that of a job read back from the store) on its nodes."""
    if placement is not None:
        job._allocation = placement.allocation
    partition = state.partitions.get(job.partition)
    sharing = partition is not None and share_limit(partition, job.shared == "YES") > 1
    whole = wants_whole_nodes(job) or (partition is not None and partition.oversubscribe == "EXCLUSIVE")
    whole = whole or (rules(state).whole_nodes and not sharing)
    job._sched = {**job._sched, "rows": job.partition if sharing else "", "whole": whole}
    one_user = job.shared == "USER" or (partition is not None and partition.exclusive_user)
    for name, alloc in job._allocation.items():
        node = state.nodes.get(name)
        if node is None:
            continue
        node._jobs[job.job_id] = job
        _take(node, job, alloc, cores_too=not job.is_suspended)
        if whole:
            node._exclusive += 1
        if one_user:
            node.owner = job.user_name
        _describe(state, node)


def release(state: State, job: Job) -> None:
    """Give back what the job holds on all its nodes, and its licenses. `job._allocation` stays, for the record."""
    for name in job._allocation:
        release_node(state, job, name)
    if job._sched.get("started"):
        licenses.give_back(state, job)
        job._sched = {key: value for key, value in job._sched.items() if key != "started"}


def release_node(state: State, job: Job, name: str) -> None:
    """Give back what the job holds on one node (the others may still be at its end)."""
    node = state.nodes.get(name)
    if node is None or not release_shadow(node, job):
        return
    state.freed_nodes.add(name)
    _describe(state, node)


def release_shadow(node: Node, job: Job) -> bool:
    """Take a job off the counters of one node, which may be a `shadow`; False if it is not there."""
    name = node.name
    alloc = job._allocation.get(name)
    if alloc is None or job.job_id not in node._jobs:
        return False
    suspended = job.job_id in node._suspended
    del node._jobs[job.job_id]
    node._suspended.pop(job.job_id, None)
    if not suspended:
        _give_cores(node, job, alloc)
    node._memory_used -= alloc.memory
    for gres_name, kind, count, indices in alloc.gres:
        key = (gres_name, kind)
        if indices:
            node._gres_used[key] = node._gres_used.get(key, 0) & ~sum(1 << index for index in indices)
        else:
            node._gres_used[key] = node._gres_used.get(key, 0) - count
        if not node._gres_used[key]:
            del node._gres_used[key]
    if job._sched.get("whole"):
        node._exclusive -= 1
    if node.owner and not node._jobs:
        node.owner = ""
    return True


def suspend(state: State, job: Job) -> None:
    """The job's CPUs become free for others; memory and devices stay its own."""
    for name, alloc in job._allocation.items():
        node = state.nodes.get(name)
        if node is not None and job.job_id in node._jobs and job.job_id not in node._suspended:
            node._suspended[job.job_id] = job
            _give_cores(node, job, alloc)
            state.freed_nodes.add(name)
            _describe(state, node)


def resume(state: State, job: Job) -> None:
    """The job has its CPUs again (whoever got them meanwhile shares them with it until one of the two ends)."""
    for name, alloc in job._allocation.items():
        node = state.nodes.get(name)
        if node is not None and node._suspended.pop(job.job_id, None) is not None:
            _take_cores(node, job, alloc)
            _describe(state, node)


def _take(node: Node, job: Job, alloc: NodeAlloc, cores_too: bool) -> None:
    if cores_too:
        _take_cores(node, job, alloc)
    else:
        node._suspended[job.job_id] = job
    node._memory_used += alloc.memory
    for name, kind, count, indices in alloc.gres:
        key = (name, kind)
        if indices:
            node._gres_used[key] = node._gres_used.get(key, 0) | sum(1 << index for index in indices)
        else:
            node._gres_used[key] = node._gres_used.get(key, 0) + count


def _take_cores(node: Node, job: Job, alloc: NodeAlloc) -> None:
    node._cpus_used += alloc.cpus
    partition = job._sched.get("rows")
    if not partition:
        node._cores_used |= alloc.cores
        return
    rows = node._rows.setdefault(partition, [])
    for position, row in enumerate(rows):
        if not row & alloc.cores:
            rows[position] = row | alloc.cores
            return
    rows.append(alloc.cores)


def _give_cores(node: Node, job: Job, alloc: NodeAlloc) -> None:
    node._cpus_used -= alloc.cpus
    partition = job._sched.get("rows")
    others = [
        other
        for other in node._jobs.values()
        if other is not job and other.job_id not in node._suspended and node.name in other._allocation
    ]
    if not partition:
        left = ~alloc.cores
        if node._suspended or node._cpus_used > node.cpus:  # somebody else may have been put on the same cores
            for other in others:
                if not other._sched.get("rows"):
                    left |= other._allocation[node.name].cores
        node._cores_used &= left
        return
    rows: list[int] = []  # packed anew: a row is several jobs that do not touch
    for other in others:
        if other._sched.get("rows") == partition:
            cores = other._allocation[node.name].cores
            for position, row in enumerate(rows):
                if not row & cores:
                    rows[position] = row | cores
                    break
            else:
                rows.append(cores)
    if rows:
        node._rows[partition] = rows
    else:
        node._rows.pop(partition, None)


def _describe(state: State, node: Node) -> None:
    """Bring the shown fields of a node in line with its counters."""
    # shown are the threads of all cores that are taken, also where a job uses one of two
    cores = node._cores_used
    for rows in node._rows.values():
        for row in rows:
            cores |= row
    cpus = min(cores.bit_count() * cpus_per_core(node), node.cpus)
    node.alloc_cpus, node.tres_weighted = cpus, float(cpus)
    node.alloc_memory = node._memory_used
    node.gres_used = gres_used_text(node)
    tracked = state.assocs.tres
    parts = []
    if cpus:
        parts.append(f"cpu={cpus}")
    if node._memory_used:
        from slurmpy.core.sizes import format_mem

        parts.append(f"mem={format_mem(node._memory_used)}")
    for (name, kind), used in node._gres_used.items():
        count = gres_used_count(node, name, kind, used)
        parts.append(f"gres/{name}={count}")
        if kind and f"gres/{name}:{kind}" in tracked:
            parts.append(f"gres/{name}:{kind}={count}")
    node.tres_used = ",".join(parts)
    base = node.state & NodeState.BASE
    if base in (NodeState.IDLE, NodeState.ALLOCATED, NodeState.MIXED):
        running = len(node._jobs) > len(node._suspended)
        full = cpus >= (node.effective_cpus or node.cpus) or node._exclusive
        new = NodeState.IDLE if not node._jobs else NodeState.ALLOCATED if full and running else NodeState.MIXED
        node.state = node.state & ~NodeState.BASE | new
    state.touch_node(node, stored=False)


def gres_used_count(node: Node, name: str, kind: str, used: int) -> int:
    with_files = any(entry[3] for entry in node._gres if entry[0] == name and entry[1] == kind)
    return used.bit_count() if with_files else used


def gres_used_text(node: Node) -> str:
    """``gpu:a100:2(IDX:0-1)``; nothing used is ``gpu:a100:0(IDX:N/A)``, as scontrol -d show node has it."""
    shown = []
    for name, kind, _, indices in node._gres:
        used = node._gres_used.get((name, kind), 0)
        label = f"{name}:{kind}" if kind else name
        if indices:
            held = tuple(index for index in indices if used >> index & 1)
            shown.append(f"{label}:{len(held)}(IDX:{gres_request.ranges(held) or 'N/A'})")
        else:
            shown.append(f"{label}:{used}")
    return ",".join(shown)


# ------------------------------------------------------------------------------------------------ what-if


def shadow(node: Node) -> Node:
    """A copy of a node whose counters may be changed without touching the real one."""
    twin = node.copy()
    twin._jobs = dict(node._jobs)
    twin._gres_used = dict(node._gres_used)
    twin._rows = {name: list(rows) for name, rows in node._rows.items()}
    twin._suspended = dict(node._suspended)
    return twin


def job_resources(state: State, job: Job) -> dict[str, Any]:
    """The public form of an allocation (`JobInfo.job_resources`)."""
    from slurmpy.core import hostlist

    allocation = []
    for name, alloc in job._allocation.items():
        node = state.nodes.get(name)
        allocation.append(
            {
                "name": name,
                "cpus": alloc.cpus,
                "cpus_used": 0,
                "memory": alloc.memory,
                "memory_used": 0,
                "sockets": node.boards * node.sockets if node is not None else 1,
                "cores_per_socket": node.cores if node is not None else 1,
                "threads": cpus_per_core(node) if node is not None else 1,
                "core_ids": tuple(alloc.core_ids()),
                "gres": tuple((n, kind, indices) for n, kind, _, indices in alloc.gres),
            }
        )
    return {
        "nodes": hostlist.compress(list(job._allocation)),
        "whole": bool(job._sched.get("whole")),
        "threads_per_core": job.threads_per_core,
        "allocation": tuple(allocation),
    }
