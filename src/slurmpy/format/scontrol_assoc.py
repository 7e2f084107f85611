"""``scontrol show assoc_mgr``: associations, QOS and users as slurmctld holds them, with what is in use of limits."""

from __future__ import annotations

from .scontrol_job import null

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..core.records.accounting import Association, Qos, User

    Usage = dict[str, Any]

SHARES_PARENT = 0x7FFFFFFF
#: limits of an association that those below it inherit
INHERITED = (
    *("max_jobs", "max_jobs_accrue", "max_submit_jobs", "max_wall_duration_per_job", "max_tres_per_job"),
    *("max_tres_per_node", "max_tres_mins_per_job", "min_prio_threshold"),
)


class State:
    """What the records hang on: all associations by id, the labels of TRES in their order, users' numbers."""

    def __init__(self, assocs: dict[int, Association], tres: list[str], uids: dict[str, int], one_line: bool) -> None:
        self.assocs = assocs
        self.tres = tres
        self.uids = uids
        self.one_line = one_line

    def block(self, lines: list[str]) -> str:
        return (" " if self.one_line else "\n    ").join(lines) + "\n"

    def user(self, name: str) -> str:
        return f"{name}({self.uids[name]})" if name in self.uids else name

    def inherited(self, assoc: Association, field: str) -> Any:
        """The limit of an association, its parents' where it has none."""
        one: Association | None = assoc
        while one is not None:
            value = getattr(one, field)
            if value not in (None, ""):
                return value
            one = self.assocs.get(one.parent_id)
        return None

    def shares(self, assoc: Association) -> tuple[float, int]:
        """(normalised shares, sum of the shares at its level)"""
        if not assoc.parent_id:
            return 0.0, 1
        level = sum(
            one.shares_raw
            for one in self.assocs.values()
            if one.parent_id == assoc.parent_id and one.shares_raw != SHARES_PARENT
        )
        if assoc.shares_raw == SHARES_PARENT:
            parent = self.assocs.get(assoc.parent_id)
            return (self.shares(parent)[0] if parent else 0.0), level
        return (assoc.shares_raw / level if level else 0.0), level

    def all_tres(self, limits: str, used: dict[str, float]) -> str:
        """``cpu=16(1),mem=N(50)``: the limit, or N, and the use of each TRES."""
        limit = _limits(limits)
        return ",".join(f"{name}={limit.get(name, 'N')}({int(used.get(name, 0))})" for name in self.tres)


def _limits(text: str) -> dict[str, str]:
    found = {}
    for item in (text or "").split(","):
        name, equals, value = item.partition("=")
        if equals:
            found[name] = value
    return found


def of(limit: int | None, used: float) -> str:
    """``50(3)``, ``N(3)``"""
    return f"{'N' if limit is None else limit}({used})"


def only(limit: int | None, used: int) -> str:
    """``60(5)``, or nothing where there is no limit."""
    return "" if limit is None else f"{limit}({used})"


def _spent(usage: Usage) -> dict[str, float]:
    return {name: seconds / 60 for name, seconds in (usage.get("spent") or {}).items()}


def _running(usage: Usage) -> dict[str, float]:
    return {name: seconds / 60 for name, seconds in (usage.get("run_secs") or {}).items()}


def _group(one: Association | Qos, usage: Usage, state: State, joined: bool) -> list[str]:
    """The lines about the limits of the whole group."""
    jobs = (
        f"GrpJobs={of(one.grp_jobs, usage.get('jobs', 0))} "
        f"GrpJobsAccrue={of(one.grp_jobs_accrue, usage.get('accrue', 0))}"
    )
    submitted = f"GrpSubmitJobs={of(one.grp_submit_jobs, usage.get('submit', 0))}"
    wall = f"GrpWall={'N' if one.grp_wall is None else one.grp_wall}({usage.get('wall', 0.0) / 60:.2f})"
    return [
        *([f"{jobs} {submitted} {wall}"] if joined else [jobs, f"{submitted} {wall}"]),
        f"GrpTRES={state.all_tres(one.grp_tres, usage.get('tres') or {})}",
        f"GrpTRESMins={state.all_tres(one.grp_tres_mins, _spent(usage))}",
        f"GrpTRESRunMins={state.all_tres(one.grp_tres_run_mins, _running(usage))}",
    ]


def association(assoc: Association, usage: Usage, state: State) -> str:
    norm, level = state.shares(assoc)
    parent = f"{assoc.parent_account}({assoc.parent_id})" if assoc.parent_account and not assoc.user else ""
    held = {field: state.inherited(assoc, field) for field in INHERITED}
    wall = held["max_wall_duration_per_job"]
    threshold = held["min_prio_threshold"]
    jobs, submitted, accruing = (usage.get(name, 0) for name in ("jobs", "submit", "accrue"))
    return state.block(
        [
            f"ClusterName={assoc.cluster} Account={assoc.account} UserName={state.user(assoc.user)} "
            f"Partition={assoc.partition} Priority={assoc.priority or 0} ID={assoc.id}",
            f"SharesRaw/Norm/Level/Factor={assoc.shares_raw}/{norm:.2f}/{level}/{usage.get('fairshare', 0.0):.2f}",
            f"UsageRaw/Norm/Efctv={usage.get('raw', 0.0):.2f}/{usage.get('norm', 0.0):.2f}/"
            f"{usage.get('effective', 0.0):.2f}",
            f"ParentAccount={parent} Lineage={assoc.lineage} DefAssoc={'Yes' if assoc.is_default else 'No'}",
            *_group(assoc, usage, state, joined=False),
            f"MaxJobs={only(held['max_jobs'], jobs)} MaxJobsAccrue={only(held['max_jobs_accrue'], accruing)} "
            f"MaxSubmitJobs={only(held['max_submit_jobs'], submitted)} MaxWallPJ={'' if wall is None else wall}",
            f"MaxTRESPJ={held['max_tres_per_job'] or ''}",
            f"MaxTRESPN={held['max_tres_per_node'] or ''}",
            f"MaxTRESMinsPJ={held['max_tres_mins_per_job'] or ''}",
            f"MinPrioThresh={'' if threshold is None else threshold}",
            f"Comment={null(assoc.comment)}",
        ]
    )


def qos(one: Qos, usage: Usage, state: State) -> str:
    wall, threshold = one.max_wall_duration_per_job, one.min_prio_threshold
    lines = [
        f"QOS={one.name}({one.id})",
        f"UsageRaw={usage.get('raw', 0.0):.6f}",
        *_group(one, usage, state, joined=True),
        f"MaxWallPJ={'' if wall is None else wall}",
        f"MaxTRESPJ={one.max_tres_per_job}",
        f"MaxTRESPN={one.max_tres_per_node}",
        f"MaxTRESMinsPJ={one.max_tres_mins_per_job}",
        f"MinPrioThresh={'' if threshold is None else threshold} ",
        f"MinTRESPJ={one.min_tres_per_job}",
        f"PreemptMode={(one.preempt_mode or 'OFF').upper()}",
        f"Priority={one.priority}",
    ]
    by_number = {number: name for name, number in state.uids.items()}
    accounts = dict(usage.get("accounts") or {})
    users = {
        state.user(by_number.get(int(number), str(number))): own for number, own in (usage.get("users") or {}).items()
    }
    lines += _people("Account Limits", "PA", accounts, one, "account", state)
    lines += _people("User Limits", "PU", users, one, "user", state)
    return state.block(lines)


def _people(title: str, mark: str, found: dict[str, Usage], one: Qos, by: str, state: State) -> list[str]:
    """What each account or user has of a QOS."""
    if not found:
        return []
    lines = [f"{title}=" if state.one_line else title]
    for name, usage in found.items():
        own = [
            f"MaxJobs{mark}={of(getattr(one, f'max_jobs_per_{by}'), usage.get('jobs', 0))} "
            f"MaxJobsAccrue{mark}={of(getattr(one, f'max_jobs_accrue_per_{by}'), usage.get('accrue', 0))} "
            f"MaxSubmitJobs{mark}={of(getattr(one, f'max_submit_jobs_per_{by}'), usage.get('submit', 0))}",
            f"MaxTRES{mark}={state.all_tres(getattr(one, f'max_tres_per_{by}'), usage.get('tres') or {})}",
            f"MaxTRESRunMins{mark}={state.all_tres(getattr(one, f'max_tres_run_mins_per_{by}'), _running(usage))}",
        ]
        if state.one_line:
            lines.append(f"{name}={{{' '.join(own)}}}")
        else:
            lines += [f"  {name}", *(f"    {line}" for line in own)]
    return lines


def user(one: User, state: State) -> str:
    return (
        f"UserName={state.user(one.name)} DefAccount={null(one.default_account)} "
        f"DefWckey={one.default_wckey if one.default_wckey else '(null)'} AdminLevel={one.administrator_level}\n"
    )
