"""``sreport job Sizes...``: usage by the size of the jobs, in CPUs, for each account or WCKey."""

from __future__ import annotations

from .errors import Stop
from .sreport_request import Request
from .sreport_table import Amount, Field, Report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .sreport import Session

_NO_LIMIT = 0xFFFFFFFF


def make(session: Session, report: str, request: Request) -> Report:
    """The report with its rows. Raises Stop and SlurmError."""
    from .sreport_reports import TITLES

    if len(session.tres) > 1:
        raise Stop(
            1, err=" Job report only supports a single --tres type.\n Generate a separate report for each TRES type.\n"
        )
    counted = "PrintJobCount" in request.flags
    unit = "Units are in number of jobs ran" if counted else f"Time reported in {session.usage_title('')}"
    tres = session.tres[0]
    made = Report(
        session, request, report, TITLES[report], [*([f"TRES type is {tres}"] if session.tres_given else []), unit]
    )
    places = _places(session, request) if report != "SizesByWckey" else None
    jobs = []
    for cluster, account, wckey, counts, seconds in session.call("job_sizes", request.args())["jobs"]:
        name = wckey if places is None else places.get((cluster, account))
        if name is None:
            continue
        if report == "SizesByAccountAndWcKey":
            name = f"{name}:{wckey}"
        jobs.append((cluster, name, counts.get("cpu", 0), 1 if counted else counts.get(tres, 0) * seconds))
    groups = _groups(request, [job[2] for job in jobs])
    if not groups:
        raise Stop(1, err=" We need a grouping list to set up the print.\n")
    made.sizes = _columns(
        session, groups, "TRES" if session.tres_given and tres != "cpu" else "CPUs", request.grouping is None
    )
    sums: dict[tuple[str, str], list[int]] = {}
    for cluster, name, size, amount in jobs:
        row = sums.setdefault((cluster, name), [0] * len(groups))
        for index, (low, high) in enumerate(groups):
            if low <= size <= high:
                row[index] += amount
    whole: dict[str, int] = {}
    for (cluster, _), row in sums.items():
        whole[cluster] = whole.get(cluster, 0) + sum(row)
    for (cluster, name), row in sorted(sums.items()):
        total = sum(row)
        cells: dict[str, Any] = {f"size{index}": Amount(amount, total, counted) for index, amount in enumerate(row)}
        # Slurm writes the whole's share of one second
        cells["total"] = Amount(total, 1, counted)
        cells["share"] = f"{100 * total / whole[cluster]:.2f}%" if whole[cluster] else "0.00%"
        made.rows.append({"cluster": cluster, "account": name, **cells})
    return made


def _groups(request: Request, sizes: list[int]) -> list[tuple[int, int]]:
    """(smallest, largest) of each column, as the list says them, in whatever order."""
    if request.grouping is None:
        return [(size, size) for size in sorted(set(sizes))]
    groups, last = [], 0
    for bound in request.grouping:
        groups.append((last, bound - 1 if bound else _NO_LIMIT))
        last = bound
    return [*groups, (last, _NO_LIMIT)] if last else groups


def _columns(session: Session, groups: list[tuple[int, int]], unit: str, individual: bool) -> list[Field]:
    width = 20 if session.share else 13
    fields: list[Field] = []
    for index, (low, high) in enumerate(groups):
        last = index == len(groups) - 1 and index > 0 and high == _NO_LIMIT
        text = f">= {low} {unit}" if last else f"{low} {unit}" if individual else f"{low}-{high} {unit}"
        fields.append((f"size{index}", 1, text, width, f"size{index}"))
    return [*fields, ("Count", 1, "Total Count", 11, "total"), ("Share", 1, "% of cluster", 12, "share")]


def _places(session: Session, request: Request) -> dict[tuple[str, str], str]:
    """(cluster, account): the account under which its jobs are counted; accounts that are not counted are left out.

    root, or those asked for; with AcctAsParent their children; with FlatView each account by itself.
    """
    asked = set(request.where.get("accounts", ()))
    flat, as_parent = "FlatView" in request.flags, "AcctAsParent" in request.flags
    found = {}
    for row in session.query("associations", {"no_users": True}).dicts():
        account = row["account"]
        path = ["root", *(part for part in row["lineage"].split("/") if part and part != "root")]
        if flat:
            place = account if not asked or account in asked else None
        else:
            at = next((index for index, name in enumerate(path) if name in (asked or {"root"})), None)
            if at is not None and as_parent:
                at = at + 1 if at + 1 < len(path) else None
            place = path[at] if at is not None else None
        if place is not None:
            found[row["cluster"], account] = place
    return found
