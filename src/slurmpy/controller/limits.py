"""Limits of associations and QOS: checked at submission and before a start, and the usage they are checked against.

Usage is counted on the records of `AssocCache` themselves (their ``_usage``): for an association and all above it
``{"submit": jobs known, "jobs": running, "tres": {...}, "run_secs": {...}, "nodes": {name: running jobs}}``; a QOS has
the same for itself and per user and per account. ``run_secs`` is each TRES times the seconds that the running jobs may
still have; it is brought up to date when a time limit changes and every PriorityCalcPeriod.
A job notes in ``_limits`` whether it is counted, so that no event counts twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from slurmpy.controller import fairshare, partition_access
from slurmpy.core.errors import SlurmError
from slurmpy.core.records.base import INFINITE

if TYPE_CHECKING:
    from slurmpy.controller.assocs import Association, Qos
    from slurmpy.controller.state import Job, Partition, State

#: the name of a TRES within the names of reasons; of those with a slash the part before it
_TRES_WORDS = {
    "cpu": "Cpu", "mem": "Memory", "node": "Node", "billing": "Billing", "energy": "Energy", "license": "License",
    "gres": "GRES", "bb": "BB",
}  # fmt: skip
#: the reasons that end in "Limit"
_WITH_LIMIT = {
    "cpu": (
        "Grp{}", "Grp{}Minutes", "Grp{}RunMinutes", "Max{}PerJob", "Max{}MinutesPerJob", "Max{}PerUser",
    ),
    "mem": ("Grp{}",),
    "node": ("Grp{}", "Max{}PerJob", "Max{}PerUser"),
}  # fmt: skip


#: minutes for which a job without time limit counts in ``run_secs``, as Slurm shows it
UNLIMITED_MINUTES = INFINITE


def reason_name(owner: str, place: str, name: str) -> str:
    """Slurm's reason for a limit on the TRES `name`, of a "QOS" or "Assoc", in a `place` such as ``Max{}PerJob``.

    They follow no rule; this is how a 24.11 names them.
    """
    word = _TRES_WORDS.get(name.partition("/")[0], "Unknown")
    if place == "Min{}" and name == "cpu":
        return f"{owner}MinCpuNotSatisfied"
    if name == "cpu" and place in ("Grp{}Minutes", "Grp{}RunMinutes"):
        word = "CPU"
    elif name == "mem" and (owner == "Assoc" or place == "Grp{}"):
        word = "Mem"
    if place.endswith("PerAccount") or "RunMinsPer" in place:
        owner = ""
    return owner + place.format(word) + ("Limit" if place in _WITH_LIMIT.get(name, ()) else "")


def enforced(state: State) -> bool:
    """Are limits to be looked at (AccountingStorageEnforce=limits, qos or safe)?"""
    words = partition_access.words(str(state.conf.AccountingStorageEnforce or "").lower())
    return bool(words & {"limits", "safe", "all", "qos"})


def _is_safe(state: State) -> bool:
    """Do jobs start only where the minutes left are enough for their time limits (AccountingStorageEnforce=safe)?"""
    words = partition_access.words(str(state.conf.AccountingStorageEnforce or "").lower())
    return bool(words & {"safe", "all"})


#: sacctmgr's names of flags, as they may come from slurmdbd
FLAG_NAMES = {
    "DenyOnLimit": "DENY_LIMIT", "PartitionTimeLimit": "PARTITION_TIME_LIMIT", "OverPartQOS": "OVERRIDE_PARTITION_QOS",
    "PartitionMaxNodes": "PARTITION_MAXIMUM_NODE", "PartitionMinNodes": "PARTITION_MINIMUM_NODE",
    "RequiresReservation": "REQUIRED_RESERVATION", "NoReserve": "NO_RESERVE", "NoDecay": "NO_DECAY",
    "EnforceUsageThreshold": "ENFORCE_USAGE_THRESHOLD",
}  # fmt: skip


def flags_of(qos: Qos | None) -> frozenset[str]:
    """A QOS's flags by their names in data_parser."""
    if qos is None or not qos.flags:
        return frozenset()
    return frozenset(FLAG_NAMES.get(flag, flag) for flag in qos.flags)


def qos_flags(state: State, job: Job) -> frozenset[str]:
    return flags_of(state.assocs.qos.get(job.qos))


def _qos_list(state: State, job: Job, partition: Partition | None) -> list[Qos]:
    """The QOS whose limits count, the one that wins first: the partition's before the job's, or the other way round."""
    own = state.assocs.qos.get(job.qos)
    theirs = state.assocs.qos.get(partition.qos) if partition is not None and partition.qos else None
    found = [theirs, own]
    if "OVERRIDE_PARTITION_QOS" in flags_of(own):
        found.reverse()
    result: list[Qos] = []
    for qos in found:
        if qos is not None and qos not in result:
            result.append(qos)
    return result


def _first(qos_list: list[Qos], field: str) -> tuple[Qos, int] | None:
    """The first QOS of the list that sets a plain limit."""
    for qos in qos_list:
        value = getattr(qos, field)
        if value is not None and value != INFINITE:
            return qos, int(value)
    return None


def _tres_limits(qos_list: list[Qos], field: str) -> Iterator[tuple[Qos, str, int]]:
    """Each TRES's limit, of the first QOS that sets it."""
    seen: set[str] = set()
    for qos in qos_list:
        for name, value in qos.limit(field).items():
            if name not in seen and value >= 0:
                seen.add(name)
                yield qos, name, value


# ------------------------------------------------------------------------------------------------ usage


def _slot(usage: dict[str, Any]) -> dict[str, Any]:
    if "tres" not in usage:
        usage.update(submit=usage.get("submit", 0), jobs=usage.get("jobs", 0), tres={})
    return usage


def _slots(state: State, job: Job) -> Iterator[dict[str, Any]]:
    """All the counters that a job counts in."""
    assoc = state.assocs.assocs.get(job.association_id)
    if assoc is not None:
        for one in state.assocs.chain(assoc):
            yield _slot(one._usage)
    partition = state.partitions.get(job.partition)
    for qos in _qos_list(state, job, partition):
        yield _slot(qos._usage)
        yield _slot(_user(qos, job))
        yield _slot(_account(qos, job))


def _user(qos: Qos, job: Job) -> dict[str, Any]:
    found: dict[str, Any] = qos._usage.setdefault("users", {}).setdefault(job.user_id, {})
    return found


def _account(qos: Qos, job: Job) -> dict[str, Any]:
    found: dict[str, Any] = qos._usage.setdefault("accounts", {}).setdefault(job.account, {})
    return found


def _records(job: Job) -> int:
    return len(job._array_tasks) if job._array_tasks is not None else 1


def on_submit(state: State, job: Job, now: int = 0) -> None:
    """A job (with all the tasks it stands for) is known now."""
    count = _records(job)
    if job._sched.get("counted_submit"):
        return
    job._sched = {**job._sched, "counted_submit": True}
    for slot in _slots(state, job):
        slot["submit"] += count


def on_start(state: State, job: Job, now: int = 0) -> None:
    """The job holds its allocation now: it counts among the running."""
    if job._sched.get("counted_start"):
        return
    if not job._sched.get("counted_submit"):
        on_submit(state, job)
    counts = dict(job._tres_alloc)
    nodes = tuple(job._allocation)
    job._sched = {**job._sched, "counted_start": counts, "counted_nodes": nodes}
    # a job that starts right now has no end yet
    count_left(state, job, _time_limit_minutes(job, job.time_limit) * 60 if now else None)
    for slot in _slots(state, job):
        slot["jobs"] += 1
        held, used = slot["tres"], slot.setdefault("nodes", {})
        for name, value in counts.items():
            held[name] = held.get(name, 0) + value
        for node in nodes:
            used[node] = used.get(node, 0) + 1
        held["node"] = len(used)  # a node that several jobs share is one


def on_end(state: State, job: Job, now: int = 0) -> None:
    """This life of the job is over: it counts neither as running nor as known (a requeued one is submitted again)."""
    counts = job._sched.get("counted_start")
    submitted = job._sched.get("counted_submit")
    if not counts and not submitted:
        return
    if counts and now and not job.is_suspended:
        fairshare.finish(state, job, now)
    number = _records(job)
    count_left(state, job, 0)
    for slot in _slots(state, job):
        if counts:
            slot["jobs"] = max(0, slot["jobs"] - 1)
            held, used = slot["tres"], slot.setdefault("nodes", {})
            for name, value in counts.items():
                held[name] = max(0, held.get(name, 0) - value)
            for node in job._sched.get("counted_nodes", ()):
                left = used.pop(node, 0) - 1
                if left > 0:
                    used[node] = left
            held["node"] = len(used)
        if submitted:
            slot["submit"] = max(0, slot["submit"] - number)
    job._sched = {name: value for name, value in job._sched.items() if name not in _COUNTED}


_COUNTED = ("counted_start", "counted_nodes", "counted_submit", "counted_left")


def _time_limit_minutes(job: Job, limit: int | None) -> int:
    return limit if limit is not None and limit != INFINITE else UNLIMITED_MINUTES


def count_left(state: State, job: Job, seconds: int | None = None) -> None:
    """Notes with each counter how long a running job may still have: `seconds`, or what its limit leaves it now."""
    counts = job._sched.get("counted_start")
    if not counts:
        return
    if seconds is None:
        seconds = max(0, job._end_limit - state.now) if job._end_limit else UNLIMITED_MINUTES * 60
    more = seconds - job._sched.get("counted_left", 0)
    if not more:
        return
    job._sched = {**job._sched, "counted_left": seconds}
    for slot in _slots(state, job):
        left = slot.setdefault("run_secs", {})
        for name, value in counts.items():
            left[name] = max(0, left.get(name, 0) + value * more)


def count_accruing(state: State) -> None:
    """Notes with each counter how many jobs gather priority by their age: for who looks, as no limit goes by it."""
    for usage in _usages(state):
        for slot in (usage, *usage.get("users", {}).values(), *usage.get("accounts", {}).values()):
            slot["accrue"] = 0
    for job in state.pending.values():
        if job.accrue_time and job.priority and not job.hold:
            for slot in _slots(state, job):
                slot["accrue"] = slot.get("accrue", 0) + _records(job)


def _usages(state: State) -> list[dict[str, Any]]:
    found = [assoc._usage for assoc in state.assocs.assocs.values()]
    return found + [qos._usage for qos in state.assocs.qos.values()]


def recount(state: State) -> None:
    """Count everything anew: after a restart, or when slurmdbd has sent a new view."""
    for usage in _usages(state):
        for name in ("submit", "jobs", "tres", "run_secs", "nodes", "users", "accounts"):
            usage.pop(name, None)
    for job in state.jobs.values():
        job._sched = {name: value for name, value in job._sched.items() if name not in _COUNTED}
        if job.is_finished and not job.is_completing:
            continue
        if not job.is_finished:
            on_submit(state, job)
        if job._allocation and (job.is_running or job.is_suspended):
            on_start(state, job)


# ------------------------------------------------------------------------------------------------ at submission


def _refuse(reason: str) -> None:
    raise SlurmError("ESLURM_ACCOUNTING_POLICY", data={"user_message": reason})


def check_submit(state: State, job: Job) -> None:
    """Refuse a job that may not even wait: the submission limits, and every limit of a QOS with DenyOnLimit.

    Raises ESLURM_ACCOUNTING_POLICY; the reason's name is the user message.
    """
    if not enforced(state):
        return
    partition = state.partitions.get(job._partitions[0]) if job._partitions else None
    qos_list = _qos_list(state, job, partition)
    number = _records(job)
    found = _first(qos_list, "grp_submit_jobs")
    if found and _slot(found[0]._usage)["submit"] + number > found[1]:
        _refuse("QOSGrpSubmitJobsLimit")
    found = _first(qos_list, "max_submit_jobs_per_account")
    if found and _slot(_account(found[0], job))["submit"] + number > found[1]:
        _refuse("MaxSubmitJobsPerAccount")
    found = _first(qos_list, "max_submit_jobs_per_user")
    if found and _slot(_user(found[0], job))["submit"] + number > found[1]:
        _refuse("QOSMaxSubmitJobPerUserLimit")
    if any("REQUIRED_RESERVATION" in flags_of(qos) for qos in qos_list) and not job.resv_name:
        raise SlurmError("ESLURM_INVALID_QOS")
    assoc = state.assocs.assocs.get(job.association_id)
    if assoc is not None:
        own = True
        for one in state.assocs.chain(assoc):
            limit = one.grp_submit_jobs
            if limit is not None and _slot(one._usage)["submit"] + number > limit:
                _refuse("AssocGrpSubmitJobsLimit")
            limit = _inherited(state, one, "max_submit_jobs") if own else None
            if limit is not None and _slot(one._usage)["submit"] + number > limit:
                _refuse("AssocMaxSubmitJobLimit")
            own = False
    for qos in qos_list:
        if "DENY_LIMIT" in flags_of(qos):
            reason = per_job_reason(job, [qos], job._tres_request)
            reason = reason or _beyond_group(state, job, [qos])
            if reason:
                _refuse(reason)


def _inherited(state: State, assoc: Association, field: str) -> Any:
    """A Max... limit: the association's own, or that of the nearest one above which sets it."""
    for one in state.assocs.chain(assoc):
        value = getattr(one, field)
        if value is not None and value != INFINITE:
            return value
    return None


def _inherited_tres(state: State, assoc: Association, field: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in state.assocs.chain(assoc):
        for name, value in one.limit(field).items():
            if value >= 0:
                found.setdefault(name, value)
    return found


def _beyond_group(state: State, job: Job, qos_list: list[Qos]) -> str:
    """The group limits that the job alone would break."""
    wanted = job._tres_request
    for _, name, value in _tres_limits(qos_list, "grp_tres"):
        if wanted.get(name, 0) > value:
            return reason_name("QOS", "Grp{}", name)
    for _, name, value in _tres_limits(qos_list, "grp_tres_mins") if _is_safe(state) else ():
        if _run_minutes(job, wanted, name) > value:
            return reason_name("QOS", "Grp{}Minutes", name)
    for _, name, value in _tres_limits(qos_list, "grp_tres_run_mins"):
        if _run_minutes(job, wanted, name) > value:
            return reason_name("QOS", "Grp{}RunMinutes", name)
    for _, name, value in _tres_limits(qos_list, "max_tres_per_user"):
        if wanted.get(name, 0) > value:
            return reason_name("QOS", "Max{}PerUser", name)
    for by, per in _PER:
        for _, name, value in _tres_limits(qos_list, f"max_tres_run_mins_{by}"):
            if _run_minutes(job, wanted, name) > value:
                return reason_name("QOS", "Max{}RunMins" + per, name)
    return ""


# ------------------------------------------------------------------------------------------------ before a start


def per_job_reason(job: Job, qos_list: list[Qos], wanted: dict[str, int]) -> str:
    """The QOS limits that concern one job alone."""
    for _, name, value in _tres_limits(qos_list, "max_tres_per_job"):
        if wanted.get(name, 0) > value:
            return reason_name("QOS", "Max{}PerJob", name)
    nodes = max(1, wanted.get("node", 1))
    for _, name, value in _tres_limits(qos_list, "max_tres_per_node"):
        if not name.startswith("license/") and -(-wanted.get(name, 0) // nodes) > value:
            return reason_name("QOS", "Max{}PerNode", name)
    for _, name, value in _tres_limits(qos_list, "min_tres_per_job"):
        if wanted.get(name, 0) < value:
            return reason_name("QOS", "Min{}", name)
    found = _first(qos_list, "max_wall_duration_per_job")
    limit = job.time_minimum or job.time_limit
    if found and limit is not None and limit > found[1] and job._time_limit_set:
        return "QOSMaxWallDurationPerJobLimit"
    for _, name, value in _tres_limits(qos_list, "max_tres_mins_per_job"):
        if _run_minutes(job, wanted, name) > value:
            return reason_name("QOS", "Max{}MinutesPerJob", name)
    return ""


def check_start(state: State, job: Job, partition: Partition, wanted: dict[str, int] | None = None) -> str:
    """The reason for which limits keep the job waiting in this partition, or "". `wanted`: TRES it would get."""
    if not enforced(state):
        return ""
    wanted = wanted if wanted is not None else job._tres_request
    qos_list = _qos_list(state, job, partition)
    assoc = state.assocs.assocs.get(job.association_id)
    if assoc is not None and _below_threshold(assoc, qos_list):
        return "QOSUsageThreshold"
    return _qos_reason(state, job, qos_list, wanted) or (_assoc_reason(state, job, assoc, wanted) if assoc else "")


def _below_threshold(assoc: Association, qos_list: list[Qos]) -> bool:
    """Has the association used so much that a QOS (EnforceUsageThreshold, UsageThreshold) runs nothing for it?"""
    share = assoc._usage.get("fairshare")
    return share is not None and any(
        qos.usage_threshold is not None
        and "ENFORCE_USAGE_THRESHOLD" in flags_of(qos)
        and 0 <= share < qos.usage_threshold
        for qos in qos_list
    )


def _spent(usage: dict[str, Any], name: str) -> float:
    """Minutes of a TRES that are used up."""
    return float(usage.get("spent", {}).get(name, 0.0)) / 60


def _beyond_minutes(
    state: State, job: Job, usage: dict[str, Any], wanted: dict[str, int], name: str, limit: int
) -> bool:
    """Would the job break a limit on the TRES minutes used in all (GrpTRESMins)? Running jobs count as if they went on
    to their ends where limits are safe; elsewhere jobs start until all is used up."""
    if not _is_safe(state):
        return bool(limit) and _spent(usage, name) >= limit
    return _spent(usage, name) + _left_minutes(usage, name) + _run_minutes(job, wanted, name) > limit


def used_up(state: State, job: Job) -> str:
    """The limit on what may be used in all (GrpTRESMins, GrpWall) that leaves a running job no time, as the log names
    it; or "". Slurm ends such jobs as if their own time limit were over."""
    if not enforced(state):
        return ""
    assoc = state.assocs.assocs.get(job.association_id)
    chain = list(state.assocs.chain(assoc)) if assoc is not None else []
    qos_list = _qos_list(state, job, state.partitions.get(job.partition))
    walls = [(qos._usage, qos.grp_wall) for qos in qos_list] + [(one._usage, one.grp_wall) for one in chain]
    if any(wall and wall != INFINITE and usage.get("wall", 0.0) >= wall * 60 for usage, wall in walls):
        return "GrpWall"
    minutes = [(qos._usage, name, value) for qos, name, value in _tres_limits(qos_list, "grp_tres_mins")]
    minutes += [(one._usage, name, value) for one in chain for name, value in one.limit("grp_tres_mins").items()]
    for usage, name, value in minutes:
        if value > 0 and job._tres_alloc.get(name) and _spent(usage, name) >= value:
            return f"GrpTRESMins of {name}"
    return ""


#: fields of QOS limits by whom they concern, and how the reasons name that
_PER = (("per_account", "PerAccount"), ("per_user", "PerUser"))


def _run_minutes(job: Job, wanted: dict[str, int], name: str) -> int:
    """What a TRES of the job adds to the ...RunMins counters if it starts."""
    return wanted.get(name, 0) * _time_limit_minutes(job, job.time_minimum or job.time_limit)


def _left_minutes(usage: dict[str, Any], name: str) -> float:
    return float((usage.get("run_secs") or {}).get(name, 0)) / 60


def most_minutes(state: State, job: Job, partition: Partition | None) -> int | None:
    """The longest time limit that QOS and associations allow the job; what one without a limit of its own gets."""
    if not enforced(state):
        return None
    found = _first(_qos_list(state, job, partition), "max_wall_duration_per_job")
    allowed = [found[1]] if found else []
    assoc = state.assocs.assocs.get(job.association_id)
    wall = _inherited(state, assoc, "max_wall_duration_per_job") if assoc is not None else None
    if wall is not None and not found:
        allowed.append(int(wall))
    return min(allowed, default=None)


def _qos_reason(state: State, job: Job, qos_list: list[Qos], wanted: dict[str, int]) -> str:
    if not qos_list:
        return ""
    found = _first(qos_list, "grp_jobs")
    if found and _slot(found[0]._usage)["jobs"] >= found[1]:
        return "QOSGrpJobsLimit"
    found = _first(qos_list, "max_jobs_per_account")
    if found and _slot(_account(found[0], job))["jobs"] >= found[1]:
        return "MaxJobsPerAccount"
    found = _first(qos_list, "max_jobs_per_user")
    if found and _slot(_user(found[0], job))["jobs"] >= found[1]:
        return "QOSMaxJobsPerUserLimit"
    reason = per_job_reason(job, qos_list, wanted)
    if reason:
        return reason
    for qos, name, value in _tres_limits(qos_list, "grp_tres"):
        if _slot(qos._usage)["tres"].get(name, 0) + wanted.get(name, 0) > value:
            return reason_name("QOS", "Grp{}", name)
    found = _first(qos_list, "grp_wall")
    if found and found[0]._usage.get("wall", 0.0) >= found[1] * 60:
        return "QOSGrpWallLimit"
    for qos, name, value in _tres_limits(qos_list, "grp_tres_mins"):
        if _beyond_minutes(state, job, qos._usage, wanted, name, value):
            return reason_name("QOS", "Grp{}Minutes", name)
    for qos, name, value in _tres_limits(qos_list, "grp_tres_run_mins"):
        if _left_minutes(qos._usage, name) + _run_minutes(job, wanted, name) > value:
            return reason_name("QOS", "Grp{}RunMinutes", name)
    for qos, name, value in _tres_limits(qos_list, "max_tres_per_account"):
        if _slot(_account(qos, job))["tres"].get(name, 0) + wanted.get(name, 0) > value:
            return reason_name("QOS", "Max{}PerAccount", name)
    for qos, name, value in _tres_limits(qos_list, "max_tres_per_user"):
        if _slot(_user(qos, job))["tres"].get(name, 0) + wanted.get(name, 0) > value:
            return reason_name("QOS", "Max{}PerUser", name)
    for (by, per), slot_of in zip(_PER, (_account, _user), strict=True):
        for qos, name, value in _tres_limits(qos_list, f"max_tres_run_mins_{by}"):
            if _left_minutes(slot_of(qos, job), name) + _run_minutes(job, wanted, name) > value:
                return reason_name("QOS", "Max{}RunMins" + per, name)
    return ""


def _assoc_reason(state: State, job: Job, assoc: Association, wanted: dict[str, int]) -> str:
    qos = state.assocs.qos.get(job.qos)
    # a QOS's LimitFactor widens GrpTRES and MaxTRESPerJob of associations, no other limit
    factor = max(0.0, qos.limit_factor or 0.0) or 1.0 if qos is not None else 1.0
    limit = _inherited(state, assoc, "max_jobs")
    if limit is not None and _slot(assoc._usage)["jobs"] >= limit:
        return "AssocMaxJobsLimit"
    for name, value in _inherited_tres(state, assoc, "max_tres_per_job").items():
        if wanted.get(name, 0) > value * factor:
            return reason_name("Assoc", "Max{}PerJob", name)
    nodes = max(1, wanted.get("node", 1))
    for name, value in _inherited_tres(state, assoc, "max_tres_per_node").items():
        if not name.startswith("license/") and -(-wanted.get(name, 0) // nodes) > value:
            return reason_name("Assoc", "Max{}PerNode", name)
    minutes = job.time_minimum or job.time_limit
    wall = _inherited(state, assoc, "max_wall_duration_per_job")
    if wall is not None and minutes is not None and minutes > wall and job._time_limit_set:
        return "AssocMaxWallDurationPerJobLimit"
    for name, value in _inherited_tres(state, assoc, "max_tres_mins_per_job").items():
        if _run_minutes(job, wanted, name) > value:
            return reason_name("Assoc", "Max{}MinutesPerJob", name)
    for one in state.assocs.chain(assoc):
        usage = _slot(one._usage)
        if one.grp_jobs is not None and usage["jobs"] >= one.grp_jobs:
            return "AssocGrpJobsLimit"
        for name, value in one.limit("grp_tres").items():
            if value >= 0 and usage["tres"].get(name, 0) + wanted.get(name, 0) > value * factor:
                return reason_name("Assoc", "Grp{}", name)
        if one.grp_wall is not None and one.grp_wall != INFINITE and usage.get("wall", 0.0) >= one.grp_wall * 60:
            return "AssocGrpWallLimit"
        for name, value in one.limit("grp_tres_mins").items():
            if value >= 0 and _beyond_minutes(state, job, usage, wanted, name, value):
                return reason_name("Assoc", "Grp{}Minutes", name)
        for name, value in one.limit("grp_tres_run_mins").items():
            if value >= 0 and _left_minutes(usage, name) + _run_minutes(job, wanted, name) > value:
                return reason_name("Assoc", "Grp{}RunMinutes", name)
    return ""
