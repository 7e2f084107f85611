"""Limits of associations and QOS as they come with a change, checked, and as text in the answers to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slurmpy.core import times, tres
from slurmpy.core.errors import SlurmError
from slurmpy.core.records.accounting import SHARES_PARENT, Association

from .books import Books

#: (sacctmgr's word, field, kind) in the order in which they are told
ASSOC_LIMITS: tuple[tuple[str, str, str], ...] = (
    ("Fairshare", "shares_raw", "shares"),
    ("Flags", "flags", "words"),
    ("GrpJobs", "grp_jobs", "number"),
    ("GrpJobsAccrue", "grp_jobs_accrue", "number"),
    ("GrpSubmitJobs", "grp_submit_jobs", "number"),
    ("GrpTRES", "grp_tres", "tres"),
    ("GrpTRESMins", "grp_tres_mins", "tres"),
    ("GrpTRESRunMins", "grp_tres_run_mins", "tres"),
    ("GrpWall", "grp_wall", "minutes"),
    ("MaxJobs", "max_jobs", "number"),
    ("MaxJobsPrioAcc", "max_jobs_accrue", "number"),
    ("MaxSubmitJobs", "max_submit_jobs", "number"),
    ("MaxTRES", "max_tres_per_job", "tres"),
    ("MaxTRESPerNode", "max_tres_per_node", "tres"),
    ("MaxTRESMins", "max_tres_mins_per_job", "tres"),
    ("MaxWall", "max_wall_duration_per_job", "minutes"),
    ("MinPrioThresh", "min_prio_threshold", "number"),
    ("Parent", "parent_account", "text"),
    ("Priority", "priority", "number"),
    ("QOS", "qos", "qos"),
    ("Comment", "comment", "text"),
    ("DefQOS", "default_qos", "text"),
)
_KINDS = {field: kind for _, field, kind in ASSOC_LIMITS}

#: what a change of an account hands down to those below that have none of their own
HANDED_DOWN = frozenset(
    (
        "default_qos",
        "qos",
        "max_jobs",
        "max_jobs_accrue",
        "max_submit_jobs",
        "max_wall_duration_per_job",
        "max_tres_per_job",
        "max_tres_per_node",
        "max_tres_mins_per_job",
        "min_prio_threshold",
        "priority",
    )
)


def value_text(kind: str, value: Any) -> str:
    """A limit as sacctmgr tells it in what it is about to do."""
    if value is None or value == "":
        return "NONE"
    if kind == "shares":
        return "parent" if value == SHARES_PARENT else str(value)
    if kind == "minutes":
        return times.format_time_limit(value)
    if kind == "tres":
        return tres_limits(value)
    if kind == "qos":
        sign, names = value
        return ",".join(f"{sign}{name}" if sign != "=" else name for name in sorted(names))
    if kind == "words":
        return ",".join(value)
    return str(value)


def settings(limits: Mapping[str, Any]) -> list[str]:
    """``  Fairshare     = 10`` for each limit that is set, in order."""
    return [
        f"  {word:<{_WIDTHS.get(word, 14)}}= {value_text(kind, limits[field])}"
        for word, field, kind in ASSOC_LIMITS
        if field in limits
    ]


#: a word that Slurm writes wider than the others
_WIDTHS = {"GrpJobsAccrue": 25}


def tres_limits(text: str) -> str:
    """``cpu=10,mem=2M``; ``cpu=NONE`` for a limit that is taken away."""
    counts = tres.parse(text)
    found = []
    for name in sorted(counts):
        count = counts[name]
        found.append(f"{name}=NONE" if count < 0 else tres.format({name: count}, zeros=True))
    return ",".join(found)


def merged_tres(old: str, new: str) -> str:
    """TRES limits after a change that names some of them; -1 takes a limit away."""
    counts = tres.parse(old)
    counts.update(tres.parse(new))
    return raw_tres({name: count for name, count in counts.items() if count >= 0})


def raw_tres(counts: Mapping[str, int]) -> str:
    return ",".join(f"{name}={counts[name]}" for name in sorted(counts, key=tres.order_key))


def check_tres(books: Books, text: str) -> None:
    """Raises SlurmError for a TRES that no cluster has."""
    for name in tres.parse(text):
        if name not in books.tres_ids:
            raise SlurmError("SLURM_ERROR", f"slurmdb_format_tres_str: no TRES known by type {name.partition('/')[0]}")


def check_qos_names(books: Books, names: tuple[str, ...]) -> None:
    for name in names:
        if name not in books.qos_ids:
            raise SlurmError("ESLURM_INVALID_QOS", f"Invalid qos '{name}'")


def apply(books: Books, assoc: Association, limits: Mapping[str, Any]) -> Association:
    """The association with `limits` set. Raises SlurmError for values that there cannot be."""
    changes: dict[str, Any] = {}
    for field, value in limits.items():
        kind = _KINDS.get(field)
        if kind is None or field == "parent_account":
            raise SlurmError("SLURM_ERROR", f"associations have no limit {field}")
        if kind == "tres":
            check_tres(books, value)
            changes[field] = merged_tres(getattr(assoc, field), value)
        elif kind == "qos":
            changes.update(qos_change(books, assoc, value))
        elif kind == "text":
            if field == "default_qos" and value:
                check_qos_names(books, (value,))
            changes[field] = str(value or "")
        elif kind == "words":
            changes[field] = tuple(str(word) for word in value)
        elif kind == "shares":
            changes[field] = 1 if value is None else int(value)
        else:
            changes[field] = None if value is None else int(value)
    return assoc.copy(**changes)


def qos_change(books: Books, assoc: Association, change: tuple[str, tuple[str, ...]]) -> dict[str, Any]:
    """``("=", names)`` is a list of its own (empty: the parent's again); "+" and "-" change the list in force."""
    sign, names = change
    check_qos_names(books, names)
    if sign == "=":
        return {"qos_own": tuple(names), "delta_qos": ()}
    if assoc.qos_own:
        own = [name for name in assoc.qos_own if name not in names]
        return {"qos_own": tuple(own + list(names) if sign == "+" else own)}
    deltas = [delta for delta in assoc.delta_qos if delta[1:] not in names]
    return {"delta_qos": tuple(deltas + [sign + name for name in names])}
