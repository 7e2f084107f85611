"""Job priorities: priority/basic (first come, first served) and priority/multifactor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slurmpy.controller import fairshare, limits
from slurmpy.core import hostlist
from slurmpy.core.records.base import INFINITE

if TYPE_CHECKING:
    from slurmpy.controller.state import Job, Partition, State

#: priority/basic counts down from here
TOP_PRIORITY = 0xFFFF0000
HIGHEST = 0xFFFFFFFD


def is_basic(state: State) -> bool:
    return str(state.conf.PriorityType or "").endswith("basic")


def compute(state: State, job: Job, now: int, partition: Partition | None = None) -> int:
    """The priority of a job that is not held; `partition` is the one to run in (its first one if not given)."""
    manual = job._limits.get("priority")
    if manual is not None:
        return int(manual)
    if is_basic(state):
        known = job._limits.get("basic")
        if known is None:
            last = state.__dict__.get("_basic_counter")
            if last is None:  # go on below those that wait since before a restart
                known_ones = (one._limits.get("basic", TOP_PRIORITY) for one in state.jobs.values())
                last = min(known_ones, default=TOP_PRIORITY)
            known = state.__dict__["_basic_counter"] = last - 1
            job._limits = {**job._limits, "basic": known}
        return max(1, min(int(known) - job.nice, HIGHEST))
    total = sum(weighted(state, job, now, partition).values()) + job.site_factor - job.nice
    return max(1, min(int(total), HIGHEST))


def set_priority(state: State, job: Job, now: int) -> None:
    """Give a job that is not (or no longer) held its priority."""
    job.priority = compute(state, job, now)
    job.priority_by_partition = ()
    set_by_partition(state, job, now)


def set_by_partition(state: State, job: Job, now: int) -> None:
    """Where partitions have factors of their own, a job of several has a priority in each."""
    if len(job._partitions) < 2 or not int(state.conf.PriorityWeightPartition or 0) or job.hold:
        return
    pairs = []
    for name in job._partitions:
        partition = state.partitions.get(name)
        if partition is not None:
            pairs.append((name, compute(state, job, now, partition)))
    job.priority_by_partition = tuple(pairs)


def in_partition(state: State, job: Job, name: str) -> int:
    """The priority that counts when this partition's queue is sorted."""
    if len(job._partitions) < 2 or job._limits.get("priority") is not None:
        return job.priority
    for partition, value in job.priority_by_partition:
        if partition == name:
            return value
    weight = int(state.conf.PriorityWeightPartition or 0)
    most = _totals(state)["partition"]
    first = _first_asked(state, job)
    other = state.partitions.get(name)
    if not weight or not most or first is None or other is None or is_basic(state):
        return job.priority
    return max(1, job.priority + int(weight * (other.priority_job_factor - first.priority_job_factor) / most))


def _first_asked(state: State, job: Job) -> Partition | None:
    """The partition whose factor counts in the job's own priority: the first that it named."""
    asked = job._request.partition if job._request is not None else None
    first = state.partitions.get((asked or "").split(",")[0].strip())
    return first or state.partitions.get(job._partitions[0] if job._partitions else job.partition)


def factors(state: State, job: Job, now: int, partition: Partition | None = None) -> dict[str, float]:
    """The normalised factors, 0 to 1 each: age, assoc, fairshare, jobsize, partition, qos."""
    conf = state.conf
    totals = _totals(state)
    if partition is None:
        partition = _first_asked(state, job)
    max_age = int(conf.PriorityMaxAge or 604800)
    since = job.accrue_time or (job.eligible_time if job.eligible_time and job.eligible_time <= now else 0)
    age = min(1.0, max(0, now - since) / max_age) if since else 0.0
    cpus = job._tres_request.get("cpu", job.cpus)
    if job.shared == "NO" and job.scheduled_nodes:
        cpus = sum(state.nodes[name].cpus for name in hostlist.expand(job.scheduled_nodes) if name in state.nodes)
    nodes = job._tres_request.get("node", job.node_count)
    size = (cpus / max(1, totals["cpus"]) + nodes / max(1, totals["nodes"])) / 2
    if conf.PriorityFavorSmall:
        size = 1.0 - size
    qos = state.assocs.qos.get(job.qos)
    assoc = state.assocs.assocs.get(job.association_id)
    assoc_priority = getattr(assoc, "priority", None) or 0
    return {
        "age": age,
        "assoc": assoc_priority / totals["assoc"] if totals["assoc"] else 0.0,
        "fairshare": float(assoc._usage.get("fairshare", 0.0)) if assoc is not None else 0.0,
        "jobsize": min(1.0, max(0.0, size)),
        "partition": partition.priority_job_factor / totals["partition"] if partition and totals["partition"] else 0.0,
        "qos": qos.priority / totals["qos"] if qos is not None and totals["qos"] and qos.priority != INFINITE else 0.0,
    }


#: factor: the parameter with its weight
WEIGHTS = {
    "age": "PriorityWeightAge",
    "assoc": "PriorityWeightAssoc",
    "fairshare": "PriorityWeightFairShare",
    "jobsize": "PriorityWeightJobSize",
    "partition": "PriorityWeightPartition",
    "qos": "PriorityWeightQOS",
}


def weighted(state: State, job: Job, now: int, partition: Partition | None = None) -> dict[str, float]:
    """Factor times weight, by name; what sprio shows."""
    weights = {name: int(getattr(state.conf, parameter) or 0) for name, parameter in WEIGHTS.items()}
    if not any(weights.values()):
        return {}
    found = factors(state, job, now, partition)
    return {name: found[name] * weight for name, weight in weights.items() if weight}


#: what `factor_rows` gives; factors normalised (0 to 1) and, with ``_weighted``, as parts of the priority
FACTOR_COLUMNS = (
    "job_id", "partition", "user_name", "user_id", "account", "qos", "cluster", "nice", "site", "priority", "tres",
    *WEIGHTS, *(f"{name}_weighted" for name in WEIGHTS),
)  # fmt: skip


def factor_rows(state: State, job: Job, now: int) -> list[tuple[Any, ...]]:
    """One row a partition with what sprio shows of a waiting job; none for jobs that nothing could start yet."""
    rows: list[tuple[Any, ...]] = []
    if not job.eligible_time or job.eligible_time > now:
        return rows
    weights = {name: int(getattr(state.conf, parameter) or 0) for name, parameter in WEIGHTS.items()}
    for partition_name in job._partitions or (job.partition,):
        partition = state.partitions.get(partition_name)
        found = factors(state, job, now, partition)
        rows.append(
            (
                job.job_id,
                partition_name,
                job.user_name,
                job.user_id,
                job.account,
                job.qos,
                job.cluster,
                job.nice,
                job.site_factor,
                compute(state, job, now, partition),
                "",
                *(found[name] for name in WEIGHTS),
                *(found[name] * weights[name] for name in WEIGHTS),
            )
        )
    return rows


def _totals(state: State) -> dict[str, Any]:
    """Sums and maxima that normalise; worked out anew when nodes, partitions or associations change."""
    stamp = (len(state.nodes), state.partitions_update, len(state.partitions), state.assocs.version)
    known = state.__dict__.get("_priority_totals")
    if known is None or known[0] != stamp:
        totals = {
            "cpus": sum(node.cpus for node in state.nodes.values()),
            "nodes": len(state.nodes),
            "partition": max((p.priority_job_factor for p in state.partitions.values()), default=0),
            "qos": max((q.priority for q in state.assocs.qos.values()), default=0),
            "assoc": max((getattr(a, "priority", None) or 0 for a in state.assocs.assocs.values()), default=0),
        }
        known = (stamp, totals)
        state.__dict__["_priority_totals"] = known
    result: dict[str, Any] = known[1]
    return result


def recompute(state: State, now: int) -> None:
    """Bring usage, fair shares and the priorities of all waiting jobs up to date (every PriorityCalcPeriod)."""
    for job in state.running.values():
        if job.is_running:
            limits.count_left(state, job)
    if is_basic(state):
        return
    fairshare.advance(state, now)
    if not any(int(getattr(state.conf, parameter) or 0) for parameter in WEIGHTS.values()):
        return  # nothing that changes with time
    for job in list(state.pending.values()):
        if job.hold or not job.priority or job._limits.get("priority") is not None:
            continue
        old = (job.priority, job.priority_by_partition)
        job.priority = compute(state, job, now)
        set_by_partition(state, job, now)
        if (job.priority, job.priority_by_partition) != old:
            state.touch_job(job)
            state.requeue_look(job)
