"""The arithmetic of a job's size: nodes, tasks, CPUs, memory, devices, and the TRES that come of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from slurmpy.controller import gres_request, job_request
from slurmpy.core import hostlist, tres
from slurmpy.core.errors import SlurmError
from slurmpy.core.records.base import INFINITE

if TYPE_CHECKING:
    from slurmpy.controller.state import Job, Partition, State
    from slurmpy.core.records.description import JobDescriptor


def set_sizes(state: State, job: Job, desc: JobDescriptor, partition: Partition) -> None:
    """Fill node, task, CPU and memory fields of a new job; raises Slurm's error for contradictions."""
    if desc.minimum_nodes == 0 or (desc.maximum_nodes is not None and desc.maximum_nodes == 0 and desc.minimum_nodes):
        raise SlurmError("ESLURM_INVALID_NODE_COUNT")
    min_nodes = desc.minimum_nodes or 1
    max_nodes = desc.maximum_nodes or 0
    if desc.required_nodes:
        required = len(set(hostlist.expand(desc.required_nodes)))
        if max_nodes and required > max_nodes and required > min_nodes:
            raise SlurmError("ESLURM_INVALID_NODE_COUNT")
        min_nodes = max(min_nodes, required)
    if max_nodes and max_nodes < min_nodes:
        raise SlurmError("ESLURM_INVALID_NODE_COUNT")
    flags = set(job.flags)
    _task_tres(job, desc, flags)
    cpus_per_task = job.cpus_per_task or 1
    job.tasks_per_node = _tasks_per_node(job, desc)
    job.tasks = _tasks(job, desc, min_nodes)
    if desc.tasks is not None:
        flags.add("EXACT_TASK_COUNT_REQUESTED")
        if max_nodes and job.tasks < min_nodes and desc.minimum_nodes is None:
            min_nodes = job.tasks
    node_cpus = max(desc.minimum_cpus_per_node or 0, cpus_per_task, job.tasks_per_node * cpus_per_task, 1)
    job.minimum_cpus_per_node = node_cpus
    cpus = job.tasks * cpus_per_task
    if desc.overcommit:
        cpus = min_nodes
    cpus = max(cpus, desc.minimum_cpus or 0, min_nodes, (desc.minimum_cpus_per_node or 0) * min_nodes)
    if job.cpus_per_tres:
        per_device = gres_request.parse(job.cpus_per_tres)
        for name, kind, count in total_gres(job, min_nodes):
            cpus = max(cpus, *(n * count for m, k, n in per_device if m == name and (not k or k == kind)), 0)
    job.cpus = cpus
    job.node_count = min_nodes
    job.max_nodes = max_nodes
    if desc.maximum_cpus is not None and desc.maximum_cpus < cpus:
        raise SlurmError("ESLURM_INVALID_CPU_COUNT")
    job.flags = tuple(flags)
    _set_memory(state, job, desc, partition)


def _task_tres(job: Job, desc: JobDescriptor, flags: set[str]) -> None:
    """--cpus-per-task and --tres-per-task are two spellings of one thing; the record has both."""
    devices: tuple[gres_request.Gres, ...] = ()
    cpus = 0
    others: list[str] = []
    if desc.tres_per_task:
        devices, cpus = job_request.split_task_tres(desc.tres_per_task)
        others = [
            item for item in desc.tres_per_task.split(",") if item and not item.startswith(("cpu=", "gres", "cpu:"))
        ]
    if desc.cpus_per_task is not None:
        if desc.cpus_per_task == 0:
            raise SlurmError("ESLURM_INVALID_CPU_COUNT")
        if cpus and cpus != desc.cpus_per_task:
            raise SlurmError("ESLURM_INVALID_TRES")
        cpus = desc.cpus_per_task
    parts = [f"cpu={cpus}"] if cpus else []
    if devices:
        parts.append(gres_request.canonical(devices, "="))
    parts += others
    job.tres_per_task = ",".join(parts)
    job.cpus_per_task = cpus or 1
    if cpus:
        flags.add("EXACT_CPU_COUNT_REQUESTED")


def _tasks_per_node(job: Job, desc: JobDescriptor) -> int:
    if desc.tasks_per_node:
        return desc.tasks_per_node
    if desc.tres_per_node and job.tres_per_task:
        per_node = {name: count for name, _, count in gres_request.parse(desc.tres_per_node)}
        for name, _, count in job_request.split_task_tres(job.tres_per_task)[0]:
            if count and name in per_node:
                return max(1, per_node[name] // count)
    return 0


def _tasks(job: Job, desc: JobDescriptor, min_nodes: int) -> int:
    if desc.tasks is not None:
        if desc.tasks < 1:
            raise SlurmError("ESLURM_BAD_TASK_COUNT")
        return desc.tasks
    if desc.ntasks_per_tres:
        devices = sum(count for _, _, count in total_gres(job, min_nodes))
        return max(1, devices * desc.ntasks_per_tres)
    if job.tasks_per_node:
        return job.tasks_per_node * min_nodes
    if desc.tasks_per_socket and desc.sockets_per_node:
        return desc.tasks_per_socket * desc.sockets_per_node * min_nodes
    return min_nodes


def _set_memory(state: State, job: Job, desc: JobDescriptor, partition: Partition) -> None:
    job.memory_per_cpu = job.memory_per_node = None
    flags = list(job.flags)
    if desc.memory_per_cpu is not None and desc.memory_per_cpu != INFINITE:
        job.memory_per_cpu = desc.memory_per_cpu
        flags.append("EXACT_MEMORY_REQUESTED")
    elif desc.memory_per_node is not None:
        job.memory_per_node = desc.memory_per_node
        flags.append("EXACT_MEMORY_REQUESTED")
    elif job.memory_per_tres:
        job.memory_per_node = gres_request.parse(job.memory_per_tres)[0][2]
    else:
        per_cpu, per_node = default_memory(state, partition)
        job.memory_per_cpu, job.memory_per_node = per_cpu or None, None if per_cpu else per_node or None
    job.flags = tuple(dict.fromkeys(flags))
    limit_per_cpu, limit_per_node = max_memory(state, partition)
    if limit_per_cpu and job.memory_per_cpu and job.memory_per_cpu > limit_per_cpu:
        # more memory for each CPU than allowed is paid with more CPUs
        factor = -(-job.memory_per_cpu // limit_per_cpu)
        job.memory_per_cpu = -(-job.memory_per_cpu // factor)
        job.cpus_per_task = (job.cpus_per_task or 1) * factor
        job.minimum_cpus_per_node = max(job.minimum_cpus_per_node, job.cpus_per_task)
        job.cpus *= factor
    elif limit_per_cpu and job.memory_per_node:
        needed = -(-job.memory_per_node // limit_per_cpu)
        job.minimum_cpus_per_node = max(job.minimum_cpus_per_node, needed)
        job.cpus = max(job.cpus, needed * job.node_count)
    elif limit_per_node and (job.memory_per_node or 0) > limit_per_node and not _limits_wait(state):
        raise SlurmError("ESLURM_INVALID_TASK_MEMORY")


def _limits_wait(state: State) -> bool:
    """Partition limits make a job wait instead of being refused (EnforcePartLimits=NO)."""
    return str(state.conf.EnforcePartLimits or "NO").upper() in ("NO", "FALSE")


def _positive(value: Any) -> int:
    return value if isinstance(value, int) and 0 < value < INFINITE else 0


def default_memory(state: State, partition: Partition) -> tuple[int, int]:
    """(per CPU, per node) in MiB that a job gets which does not ask; 0: none."""
    if partition.def_mem_per_cpu or partition.def_mem_per_node:
        return _positive(partition.def_mem_per_cpu), _positive(partition.def_mem_per_node)
    return _positive(state.conf.DefMemPerCPU), _positive(state.conf.DefMemPerNode)


def max_memory(state: State, partition: Partition) -> tuple[int, int]:
    if partition.max_mem_per_cpu or partition.max_mem_per_node:
        return _positive(partition.max_mem_per_cpu), _positive(partition.max_mem_per_node)
    return _positive(state.conf.MaxMemPerCPU), _positive(state.conf.MaxMemPerNode)


def total_gres(job: Job, nodes: int) -> tuple[gres_request.Gres, ...]:
    """The devices that the whole job asks for, on so many nodes."""
    total: dict[tuple[str, str], int] = {}

    def at_least(wanted: tuple[gres_request.Gres, ...], factor: int) -> None:
        for name, kind, count in wanted:
            total[name, kind] = max(total.get((name, kind), 0), count * factor)

    if job.tres_per_job:
        at_least(gres_request.parse(job.tres_per_job), 1)
    if job.tres_per_node:
        at_least(gres_request.parse(job.tres_per_node), nodes)
    if job.tres_per_task:
        at_least(job_request.split_task_tres(job.tres_per_task)[0], job.tasks)
    if job.tres_per_socket:
        at_least(gres_request.parse(job.tres_per_socket), nodes * max(1, job.sockets_per_node or 1))
    return tuple((name, kind, count) for (name, kind), count in total.items())


# ------------------------------------------------------------------------------------------------ as shown


def show_asked(job: Job) -> None:
    """Node counts as the job asked for them."""
    asked = job._request.maximum_nodes if job._request is not None else None
    job.node_count, job.max_nodes = job._tres_request.get("node", job.node_count), asked or 0


def show_estimate(state: State, job: Job) -> None:
    """Node counts of a job that was never matched with nodes: as few as the partition's biggest nodes need.

    Slurm shows the estimate as minimum and maximum, unless the job says how its tasks are laid out.
    """
    show_asked(job)
    laid_out = (job.cpus_per_task or 1) > 1 or job.tasks_per_node or job.tasks_per_core not in (None, INFINITE)
    partition = state.partitions.get(job._partitions[0]) if job._partitions else None
    if job.max_nodes or laid_out or partition is None:
        return
    biggest = max((state.nodes[name].cpus for name in partition._node_names if name in state.nodes), default=1)
    job.node_count = job.max_nodes = max(job.node_count, -(-job.cpus // max(1, biggest)))


# ------------------------------------------------------------------------------------------------ TRES


def tracked(state: State, name: str) -> bool:
    """Does the database (or, without one, AccountingStorageTRES) know this TRES?"""
    if state.assocs.tres:
        return name in state.assocs.tres
    return name in _configured_tres(str(state.conf.AccountingStorageTRES or ""))


@lru_cache(maxsize=8)
def _configured_tres(text: str) -> frozenset[str]:
    return frozenset(item.strip().lower() for item in text.split(",") if item.strip())


def request_tres(state: State, job: Job, partition: Partition) -> dict[str, int]:
    """What the job asks for as TRES; the origin of ``tres_req_str``."""
    nodes = job.node_count
    counts = {"cpu": job.cpus}
    devices = total_gres(job, nodes)
    if job.memory_per_tres:
        per_device = gres_request.parse(job.memory_per_tres)
        counts["mem"] = sum(
            each * count for name, kind, count in devices for m, k, each in per_device if m == name and k in ("", kind)
        )
    elif job.memory_per_cpu:
        counts["mem"] = job.memory_per_cpu * job.cpus
    elif job.memory_per_node:
        counts["mem"] = job.memory_per_node * nodes
    elif job.memory_per_node == 0:
        memories = [state.nodes[name].real_memory for name in partition._node_names if name in state.nodes]
        counts["mem"] = min(memories, default=0) * nodes
    counts["node"] = nodes
    _add_devices(state, counts, devices, job._licenses)
    counts["billing"] = billing(counts, partition)
    return counts


def allocated_tres(state: State, job: Job, partition: Partition | None) -> dict[str, int]:
    """What the job holds as TRES; the origin of ``tres_alloc_str``."""
    counts = {"cpu": 0, "mem": 0, "node": len(job._allocation)}
    devices: dict[tuple[str, str], int] = {}
    for alloc in job._allocation.values():
        counts["cpu"] += alloc.cpus
        counts["mem"] += alloc.memory
        for name, kind, count, _ in alloc.gres:
            devices[name, kind] = devices.get((name, kind), 0) + count
    if not counts["mem"]:
        del counts["mem"]
    _add_devices(state, counts, tuple((n, k, c) for (n, k), c in devices.items()), job._licenses)
    counts["billing"] = billing(counts, partition) if partition is not None else counts["cpu"]
    return counts


def _add_devices(
    state: State, counts: dict[str, int], devices: tuple[gres_request.Gres, ...], licenses: tuple[tuple[str, int], ...]
) -> None:
    for name, kind, count in devices:
        if tracked(state, f"gres/{name}"):
            counts[f"gres/{name}"] = counts.get(f"gres/{name}", 0) + count
        if kind and tracked(state, f"gres/{name}:{kind}"):
            counts[f"gres/{name}:{kind}"] = counts.get(f"gres/{name}:{kind}", 0) + count
    for name, count in licenses:
        if tracked(state, f"license/{name}"):
            counts[f"license/{name}"] = counts.get(f"license/{name}", 0) + count


_PER_UNIT = {"K": 1024.0, "M": 1.0, "G": 1 / 1024, "T": 1 / 1024**2, "P": 1 / 1024**3}


@lru_cache(maxsize=64)
def billing_weights(text: str) -> tuple[tuple[str, float], ...]:
    """``CPU=1.0,Mem=0.25G`` -> (name, weight) each, memory per MiB. Raises ESLURM_INVALID_TRES_BILLING_WEIGHTS."""
    weights = []
    for item in text.split(","):
        if not item.strip():
            continue
        name, _, value = item.partition("=")
        name, value = name.strip().lower(), value.strip()
        factor = 1.0
        if value[-1:].upper() in _PER_UNIT:
            if name in tres.MEMORY:
                factor = _PER_UNIT[value[-1].upper()]
            value = value[:-1]
        try:
            weights.append((name, float(value) * factor))
        except ValueError:
            raise SlurmError("ESLURM_INVALID_TRES_BILLING_WEIGHTS") from None
    return tuple(weights)


def billing(counts: Mapping[str, int], partition: Partition) -> int:
    """The billing TRES: CPUs where the partition has no weights, else the whole part of the weighted sum."""
    return int(weighted(counts, partition))


def weighted(counts: Mapping[str, int], partition: Partition) -> float:
    """What billing is the whole part of."""
    if not partition.billing_weights:
        return float(counts["cpu"])
    total = 0.0
    for name, weight in billing_weights(partition.billing_weights):
        for tres_name, count in counts.items():
            if tres_name.lower() == name:
                total += weight * count
    return total


def show(counts: Mapping[str, int]) -> str:
    """TRES as squeue and scontrol print them."""
    return tres.format(counts)
