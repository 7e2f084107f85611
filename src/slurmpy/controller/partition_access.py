"""Which partitions a job may use, and which of their limits it breaks (at submission an error, later a reason)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slurmpy.core.errors import SlurmError
from slurmpy.core.records.base import INFINITE

if TYPE_CHECKING:
    from collections.abc import Callable

    from slurmpy.controller.state import Job, Partition, State


def words(text: str) -> frozenset[str]:
    return frozenset(item.strip() for item in text.split(",") if item.strip())


def find(state: State, text: str | None) -> tuple[Partition, ...]:
    """The partitions a request names (the default one if none), highest PriorityTier first.

    Raises ESLURM_INVALID_PARTITION_NAME (with Slurm's word on which) or ESLURM_DEFAULT_PARTITION_NOT_SET.
    """
    if text is None:
        default = state.partitions.get(state.default_partition)
        if default is None:
            raise SlurmError("ESLURM_DEFAULT_PARTITION_NOT_SET")
        return (default,)
    found = []
    for name in text.split(","):
        name = name.strip()
        if not name:
            continue
        partition = state.partitions.get(name)
        if partition is None:
            message: dict[str, object] = {"user_message": f"invalid partition specified: {name}"}
            raise SlurmError("ESLURM_INVALID_PARTITION_NAME", data=message)
        if partition not in found:
            found.append(partition)
    if not found:
        nothing: dict[str, object] = {"user_message": "invalid partition specified: (null)"}
        raise SlurmError("ESLURM_INVALID_PARTITION_NAME", data=nothing)
    return tuple(found)


def check(
    state: State,
    partition: Partition,
    *,
    uid: int,
    super_user: bool,
    account: str,
    qos: str,
    reservation: bool,
    groups: Callable[[], frozenset[str]] | None,
    host: str,
) -> None:
    """Raise Slurm's error if this user may not submit to the partition at all."""
    if partition.state in ("DRAIN", "INACTIVE"):
        raise SlurmError("ESLURM_PARTITION_NOT_AVAIL")
    if partition.req_resv and not reservation:
        raise SlurmError("ESLURM_ACCESS_DENIED")
    if partition.root_only and not super_user:
        raise SlurmError("ESLURM_ACCESS_DENIED")
    if partition.disable_root_jobs and uid == 0:
        raise SlurmError("ESLURM_ACCESS_DENIED")
    checks_groups = partition.allow_groups and not super_user and groups is not None
    if checks_groups and groups is not None and not words(partition.allow_groups) & groups():
        raise SlurmError("ESLURM_JOB_MISSING_REQUIRED_PARTITION_GROUP")
    if partition.allow_alloc_nodes and not super_user:
        from slurmpy.core import hostlist

        if host not in hostlist.expand(partition.allow_alloc_nodes):
            raise SlurmError("ESLURM_ACCESS_DENIED")
    if not may_account(partition, account):
        raise SlurmError("ESLURM_INVALID_ACCOUNT")


def may_account(partition: Partition, account: str) -> bool:
    if partition.allow_accounts:
        return account in words(partition.allow_accounts)
    return account not in words(partition.deny_accounts)


def may_qos(partition: Partition, qos: str) -> bool:
    if partition.allow_qos:
        return qos in words(partition.allow_qos)
    return qos not in words(partition.deny_qos)


def limit_reason(job: Job, partition: Partition, qos_flags: frozenset[str] | set[str] = frozenset()) -> str:
    """The reason for which a job waits in this partition because of the partition's own limits, or ""."""
    if partition.state in ("DOWN", "INACTIVE"):
        return "PartitionDown" if partition.state == "DOWN" else "PartitionInactive"
    minimum = job._tres_request.get("node", job.node_count)
    if minimum > partition.max_nodes and "PARTITION_MAXIMUM_NODE" not in qos_flags:
        return "PartitionNodeLimit"
    maximum = job._request.maximum_nodes if job._request is not None else job.max_nodes
    if maximum and maximum < partition.min_nodes and "PARTITION_MINIMUM_NODE" not in qos_flags:
        return "PartitionNodeLimit"
    if "PARTITION_TIME_LIMIT" not in qos_flags and partition.max_time != INFINITE:
        limit = job.time_minimum or job.time_limit
        if limit is not None and limit > partition.max_time:
            return "PartitionTimeLimit"
    if not may_account(partition, job.account):
        return "AccountNotAllowed"
    if not may_qos(partition, job.qos):
        return "QOSNotAllowed"
    return ""


#: what the reasons are called where EnforcePartLimits turns them into errors
ENFORCED = {
    "PartitionNodeLimit": "ESLURM_INVALID_NODE_COUNT",
    "PartitionTimeLimit": "ESLURM_INVALID_TIME_LIMIT",
    "AccountNotAllowed": "ESLURM_INVALID_ACCOUNT",
    "QOSNotAllowed": "ESLURM_INVALID_QOS",
}


def enforce(state: State, job: Job, partitions: tuple[Partition, ...]) -> None:
    """With EnforcePartLimits: refuse a job that breaks the limits of all (ANY) or of one (ALL) of its partitions."""
    mode = str(state.conf.EnforcePartLimits or "NO").upper()
    if mode in ("NO", "FALSE"):
        return
    errors = [error for error in (_limit_error(state, job, partition) for partition in partitions) if error]
    if errors and (mode == "ALL" or len(errors) == len(partitions)):
        raise SlurmError(errors[0])


def _limit_error(state: State, job: Job, partition: Partition) -> str:
    if job.required_nodes:
        from slurmpy.core import hostlist

        if not partition._node_set.issuperset(hostlist.expand(job.required_nodes)):
            return "ESLURM_REQUESTED_NODES_NOT_IN_PARTITION"
    total = sum(state.nodes[name].cpus for name in partition._node_names if name in state.nodes)
    if job.cpus > total:
        return "ESLURM_TOO_MANY_REQUESTED_CPUS"
    reason = limit_reason(job, partition)
    return ENFORCED.get(reason, "")
