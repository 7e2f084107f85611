"""``sreport job Sizes...``: usage by the size of the jobs, for each account or WCKey."""

from __future__ import annotations

from .errors import Stop
from .sreport_reports import TITLES, Field, Request, header, heading, print_row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .sreport import Session


def show(session: Session, report: str, request: Request) -> int:
    """Prints the report; returns the exit code."""
    if len(session.tres) > 1:
        raise Stop(
            1, err=" Job report only supports a single --tres type.\n Generate a separate report for each TRES type.\n"
        )
    unit = "Units are in number of jobs ran" if "PrintJobCount" in request.flags else (
        f"Time reported in {session.usage_title('')}"
    )  # fmt: skip
    heading(session, request, TITLES[report], unit, True)
    tres = session.tres[0]
    jobs = [job for job in session.call("job_sizes", request.args())["jobs"] if not _left_out(request, job)]
    groups = _groups(request, jobs, tres)
    fields = _fields(session, report, groups, tres)
    header(session, fields)
    parents = _parents(session, request) if report != "SizesByWckey" else {}
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    everything: dict[str, int] = {}
    for cluster, account, wckey, counts, seconds in jobs:
        size = counts.get(tres, 0)
        amount = 1 if "PrintJobCount" in request.flags else size * seconds
        everything[cluster] = everything.get(cluster, 0) + amount
        name = wckey if report == "SizesByWckey" else parents.get((cluster, account), account)
        if report == "SizesByAccountAndWcKey":
            name = f"{name}:{wckey}"
        row = rows.setdefault((cluster, name), {"sums": [0] * len(groups), "count": 0})
        for index, (low, high) in enumerate(groups):
            if size >= low and (high is None or size <= high):
                row["sums"][index] += amount
                break
        row["count"] += 1
    for (cluster, name), row in sorted(rows.items()):
        total = sum(row["sums"])
        whole = everything[cluster]
        cells: dict[str, Any] = {"cluster": cluster, "name": name, "count": row["count"]}
        for index, amount in enumerate(row["sums"]):
            counted = "PrintJobCount" in request.flags
            cells[f"size{index}"] = str(amount) if counted else session.amount(amount, total)
        cells["share"] = f"{100 * total / whole:.2f}%" if whole else "0.00%"
        print_row(session, fields, cells)
    return 1 if request.failed else 0


def _left_out(request: Request, job: tuple[Any, ...]) -> bool:
    wanted = request.where.get("accounts", ())
    return wanted is not None and bool(wanted) and "FlatView" in request.flags and job[1] not in wanted


def _groups(request: Request, jobs: list[tuple[Any, ...]], tres: str) -> list[tuple[int, int | None]]:
    """(smallest, largest or None) of each column."""
    if request.grouping is None:
        sizes = sorted({job[3].get(tres, 0) for job in jobs})
        return [(size, size) for size in sizes] or [(0, None)]
    bounds = [0, *request.grouping]
    inner: list[tuple[int, int | None]] = [(low, bounds[at + 1] - 1) for at, low in enumerate(bounds[:-1])]
    return [*inner, (bounds[-1], None)]


def _fields(session: Session, report: str, groups: list[tuple[int, int | None]], tres: str) -> list[Field]:
    unit = "CPUs" if tres == "cpu" else f"{tres} TRES"
    width = 20 if session.share else 13
    fields: list[Field] = [("Cluster", "Cluster", 9, "cluster")]
    if report == "SizesByWckey":
        fields.append(("Wckey", "Wckey", 9, "name"))
    elif report == "SizesByAccountAndWcKey":
        fields.append(("Account", "Account", -20, "name"))
    else:
        fields.append(("Account", "Account", 9, "name"))
    for index, (low, high) in enumerate(groups):
        text = f">= {low} {unit}" if high is None else f"{low}-{high} {unit}" if low != high else f"{low} {unit}"
        fields.append((f"size{index}", text, width, f"size{index}"))
    return [*fields, ("Count", "Total Count", 11, "count"), ("Share", "% of cluster", 12, "share")]


def _parents(session: Session, request: Request) -> dict[tuple[str, str], str]:
    """(cluster, account): the account under which its jobs are counted: the topmost ones, or those asked for."""
    if "FlatView" in request.flags:
        return {}
    asked = request.where.get("accounts", ())
    found = {}
    for row in session.query("associations", {"no_users": True}).dicts():
        path = [part for part in row["lineage"].split("/") if part] or ["root"]
        chosen = next((name for name in reversed(path) if name in asked), None) if asked else None
        if chosen is not None and "AcctAsParent" in request.flags:
            after = path[path.index(chosen) + 1 :]
            chosen = after[0] if after else chosen
        found[row["cluster"], row["account"]] = chosen or path[0]
    return found
