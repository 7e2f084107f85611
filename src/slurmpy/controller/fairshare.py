"""Usage of associations (decaying) and the fair-share factors that the Fair Tree makes of it.

``_usage["raw"]`` of an association is its usage in billing seconds, that of everything below it included (``"wall"`` in
seconds of jobs, ``"spent"`` in seconds of each TRES; a QOS has the same);
``_usage["fairshare"]`` of a user's association is the factor, 0 to 1; ``_usage["level_fs"]`` ranks it among siblings.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from slurmpy.core.records.accounting import SHARES_PARENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from slurmpy.controller.assocs import Association, Qos
    from slurmpy.controller.state import Job, State

#: columns of `rows`
COLUMNS = (
    "id", "account", "user", "partition", "parent_account", "level", "shares_raw", "shares_norm", "usage_raw",
    "usage_norm", "usage_effective", "fairshare", "level_fs", "grp_tres_mins", "tres_run_secs", "tres_usage",
)  # fmt: skip


#: what of an association's or QOS's usage is kept over a restart
KEPT = ("raw", "wall", "spent")


def decay_factor(seconds: int, half_life: int) -> float:
    """What is left of usage after so many seconds; 1 where nothing decays (half_life 0)."""
    return 0.5 ** (max(0, seconds) / half_life) if half_life > 0 else 1.0


def next_reset(period: str, last: int) -> int | None:
    """The first moment after `last` at which usage is cleared (local time), None where it never is.

    As slurm.conf(5) says of PriorityUsageResetPeriod: at midnight DAILY, on Sundays WEEKLY, on the first of a month,
    of January, April, July and October, or of January. NOW is no period: that is done at the start and when slurm.conf
    is read anew.
    """
    local = time.localtime(last)
    year, month, day = local.tm_year, local.tm_mon, local.tm_mday
    if period == "DAILY":
        day += 1
    elif period == "WEEKLY":
        day += 7 - (local.tm_wday + 1) % 7
    elif period in _MONTHS:
        length = _MONTHS[period]
        month, day = (month - 1) // length * length + 1 + length, 1
    else:
        return None
    return int(time.mktime((year, month, day, 0, 0, 0, 0, 0, -1)))


_MONTHS = {"MONTHLY": 1, "QUARTERLY": 3, "YEARLY": 12}


def clear(state: State) -> None:
    """Takes all usage counted so far from associations and QOS."""
    usages = [one._usage for one in state.assocs.assocs.values()] + [one._usage for one in state.assocs.qos.values()]
    for usage in usages:
        usage |= {"raw": 0.0, "wall": 0.0, "spent": {}}


def advance(state: State, now: int) -> None:
    """Count what running jobs have used since the last call, let older usage decay, and rank everybody anew.

    Where no earlier call is known (no saved state) running jobs are counted from their start.
    """
    last = int(state.__dict__.get("_usage_at", 0))
    seconds = max(0, now - last) if last else 0
    state.__dict__["_usage_at"] = now
    due = next_reset(str(state.conf.PriorityUsageResetPeriod or ""), int(state.__dict__.get("_usage_reset", 0)) or now)
    state.__dict__.setdefault("_usage_reset", now)
    if due is not None and due <= now:
        clear(state)
        state.__dict__["_usage_reset"] = now
        last = max(last, due)  # what was used before belongs to what is forgotten
    factor = decay_factor(seconds, int(state.conf.PriorityDecayHalfLife or 0))
    if factor < 1.0:
        for assoc in state.assocs.assocs.values():
            _decay(assoc._usage, factor)
        for qos in state.assocs.qos.values():
            if "NoDecay" not in qos.flags and "NO_DECAY" not in qos.flags:
                _decay(qos._usage, factor)
    for job in state.running.values():
        if job.is_running:
            charge(state, job, last, now)
    rank(state)


def _decay(usage: dict[str, Any], factor: float) -> None:
    for name in ("raw", "wall"):
        if usage.get(name):
            usage[name] *= factor
    spent = usage.get("spent")
    if spent:
        usage["spent"] = {name: value * factor for name, value in spent.items()}


def charge(state: State, job: Job, since: int, until: int) -> None:
    """Add a running job's usage of a time to its association and all above it, and to its QOS."""
    begin = max(since, job.start_time)
    if until <= begin:
        return
    qos = state.assocs.qos.get(job.qos)
    seconds = (until - begin) * (qos.usage_factor if qos is not None else 1.0)
    amount = seconds * (job.billable_tres if job.billable_tres is not None else job.cpus)
    assoc = state.assocs.assocs.get(job.association_id)
    usages = [one._usage for one in state.assocs.chain(assoc)] if assoc is not None else []
    if qos is not None:
        usages.append(qos._usage)
    for usage in usages:
        usage["raw"] = usage.get("raw", 0.0) + amount
        usage["wall"] = usage.get("wall", 0.0) + seconds
        spent = usage.setdefault("spent", {})
        for name, count in job._tres_alloc.items():
            spent[name] = spent.get(name, 0.0) + seconds * count


def finish(state: State, job: Job, now: int) -> None:
    """A job that ends is charged for the time since the last `advance`."""
    charge(state, job, int(state.__dict__.get("_usage_at", 0)) or job.start_time, now)


def reset(state: State, chosen: Sequence[Association], qos: Iterable[Qos] = ()) -> None:
    """Takes the usage counted so far from associations, from everything below each, and out of the sums above it."""
    cache = state.assocs
    for assoc in chosen:
        gone = {name: float(assoc._usage.get(name, 0.0)) for name in ("raw", "wall")}
        spent = dict(assoc._usage.get("spent") or {})
        for above in cache.chain(assoc):
            for name, amount in gone.items():
                above._usage[name] = max(0.0, float(above._usage.get(name, 0.0)) - amount)
            for name, amount in spent.items():
                counts = above._usage.setdefault("spent", {})
                counts[name] = max(0.0, counts.get(name, 0.0) - amount)
    gone_ids = {assoc.id for assoc in chosen}
    for assoc in cache.assocs.values():
        if any(above.id in gone_ids for above in cache.chain(assoc)):
            assoc._usage |= {"raw": 0.0, "wall": 0.0, "spent": {}}
    for one in qos:
        one._usage |= {"raw": 0.0, "wall": 0.0, "spent": {}}
    rank(state)


def rank(state: State) -> None:
    """The Fair Tree: siblings in the order of shares over usage, depth first; the first user gets 1, the last 1/n."""
    children: dict[int, list[Association]] = {}
    for assoc in state.assocs.assocs.values():
        children.setdefault(assoc.parent_id if assoc.parent_id != assoc.id else 0, []).append(assoc)
    users = [assoc for assoc in state.assocs.assocs.values() if assoc.user]
    total = len(users)
    if not total:
        return
    place = total
    tied = 0.0

    def walk(group: list[Association]) -> None:
        nonlocal place, tied
        levels = _levels(state, group)
        ordered = sorted(group, key=lambda assoc: (-levels[assoc.id], not assoc.user, assoc.id))
        before: float | None = None
        for assoc in ordered:
            level = levels[assoc.id]
            assoc._usage["level_fs"] = level
            if assoc.user:
                if before is None or level != before:
                    tied = place / total
                assoc._usage["fairshare"] = tied
                before = level
                place -= 1
            else:
                before = None
                walk(children.get(assoc.id, []))

    roots = children.get(0, [])
    for root in roots:
        walk(children.get(root.id, []))


def _levels(state: State, group: list[Association]) -> dict[int, float]:
    """Shares over usage of each sibling; infinite for those that have used nothing or share as their parent does."""
    shares = sum(assoc.shares_raw for assoc in group if assoc.shares_raw != SHARES_PARENT)
    usage = sum(float(assoc._usage.get("raw", 0.0)) for assoc in group)
    found = {}
    for assoc in group:
        used = float(assoc._usage.get("raw", 0.0))
        if assoc.shares_raw == SHARES_PARENT or not used or not usage:
            found[assoc.id] = math.inf
        else:
            found[assoc.id] = (assoc.shares_raw / shares if shares else 0.0) / (used / usage)
    return found


def rows(state: State) -> list[tuple[Any, ...]]:
    """What sshare shows, the root first and everything else below what it belongs to; see COLUMNS."""
    assocs = state.assocs.assocs
    children: dict[int, list[Association]] = {}
    for assoc in assocs.values():
        children.setdefault(assoc.parent_id if assoc.parent_id != assoc.id else 0, []).append(assoc)
    total = sum(float(root._usage.get("raw", 0.0)) for root in children.get(0, []))
    found: list[tuple[Any, ...]] = []

    def walk(group: list[Association], level: int, parent: Association | None) -> None:
        shares = sum(one.shares_raw for one in group if one.shares_raw != SHARES_PARENT)
        used_by_all = float(parent._usage.get("raw", 0.0)) if parent is not None else total
        for one in sorted(group, key=lambda assoc: (not assoc.user, assoc.account, assoc.user, assoc.partition)):
            used = float(one._usage.get("raw", 0.0))
            norm = None if one.shares_raw == SHARES_PARENT else one.shares_raw / shares if shares else 0.0
            found.append(
                (
                    one.id, one.account, one.user, one.partition, parent.account if parent else "", level,
                    one.shares_raw, norm if level else 1.0, int(used), used / total if total else 0.0,
                    used / used_by_all if used_by_all else 0.0, one._usage.get("fairshare") if one.user else None,
                    one._usage.get("level_fs") if level else None, one.grp_tres_mins or "",
                    dict(one._usage.get("run_secs") or {}),
                    {name: int(value) for name, value in one._usage.get("spent", {}).items()},
                )
            )  # fmt: skip
            walk(children.get(one.id, []), level + 1, one)

    walk(children.get(0, []), 0, None)
    return found
