"""sreport's reports: rows out of what slurmdbd tells of usage."""

from __future__ import annotations

from .errors import Stop, line
from .sreport_request import Request
from .sreport_table import Amount, Report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from .sreport import Session

    Row = dict[str, Any]

TITLES = {
    "AccountUtilizationByUser": "Cluster/Account/User Utilization",
    "AccountUtilizationByQOS": "Cluster/Account/QOS Utilization",
    "UserUtilizationByAccount": "Cluster/User/Account Utilization",
    "UserUtilizationByWckey": "Cluster/User/WCKey Utilization",
    "WCKeyUtilizationByUser": "Cluster/WCKey/User Utilization",
    "cluster Utilization": "Cluster Utilization",
    "reservation Utilization": "Reservation Utilization",
    "SizesByAccount": "Job Sizes",
    "SizesByAccountAndWcKey": "Job Sizes",
    "SizesByWckey": "Job Sizes by Wckey",
}
_NO_NODES = "TRES node usage is no longer reported in the Cluster Utilization report.  Please use TRES CPU instead."
UTILIZATION = ("allocated", "down", "planned_down", "idle", "planned", "reported", "over")


def make(session: Session, kind: str, report: str, argv: Sequence[str]) -> Report:
    """The report with its rows. Raises Stop and SlurmError."""
    if (kind, report) == ("cluster", "Utilization") and "node" in session.tres and not session.tres_all:
        raise Stop(1, err=line("sreport", _NO_NODES, "fatal"))
    request = Request(session, kind, report, argv)
    key = f"{kind} {report}" if report == "Utilization" else report
    if kind == "job":
        from .sreport_sizes import make as make_sizes

        return make_sizes(session, report, request)
    title = TITLES.get(key) or f"Top {'ALL' if request.top < 0 else request.top} Users"
    what = "TRES " if session.tres_given or kind == "reservation" else "CPU "
    made = Report(session, request, key, title, [f"Usage reported in {session.usage_title(what)}"])
    made.rows = list(_ROWS[key](session, request))
    return made


# ---- rows


def _add(sums: dict[str, int], more: dict[str, int]) -> None:
    for name, seconds in more.items():
        sums[name] = sums.get(name, 0) + seconds


def _totals(answer: Row) -> dict[tuple[str, str], int]:
    """(cluster, TRES): all the seconds that there were."""
    return {(row["cluster"], row["tres"]): row["reported"] for row in answer["utilization"]}


def _usage_rows(
    session: Session, totals: dict[tuple[str, str], int], sums: dict[str, int], **columns: Any
) -> Iterable[Row]:
    cluster = columns["cluster"]
    for tres in session.tres:
        yield {
            **columns,
            "tres": tres,
            "used": Amount(sums.get(tres, 0), totals.get((cluster, tres), 0)),
            "energy": Amount(sums.get("energy", 0), totals.get((cluster, "energy"), 0)),
        }


def proper_name(user: str) -> str:
    import pwd

    try:
        return pwd.getpwnam(user).pw_gecos.partition(",")[0]
    except (KeyError, ValueError):
        return ""


def _accounts(session: Session, request: Request) -> list[Row]:
    """The associations of accounts, in the order of the tree."""
    clusters = request.where.get("clusters", ())
    where: Row = {"no_users": True, **({"clusters": clusters} if clusters else {})}
    return list(session.query("associations", where).dicts())


def _by_account(column: int) -> Callable[[Session, Request], Iterable[Row]]:
    """Rows of accounts, of all below them, and of the users in each (column 2), or of accounts by QOS (column 4)."""

    def rows(session: Session, request: Request) -> Iterable[Row]:
        args = request.args()
        if column == 4:
            args.pop("users", None)  # accounts are told of with all that is below them, users asked for beside them
        answer = session.call("usage", args)
        totals = _totals(answer)
        own: dict[tuple[str, str], dict[tuple[str, str], dict[str, int]]] = {}  # of (user, QOS)
        for *who, sums in answer["used"]:
            if request.where.get("qos") and who[4] not in request.where["qos"]:
                continue
            _add(own.setdefault((who[0], who[1]), {}).setdefault((who[2], who[4] if column == 4 else ""), {}), sums)
        order = _qos_order(session) if column == 4 else {}
        tree = _accounts(session, request)
        wanted, users = request.where.get("accounts"), request.where.get("users")
        above: set[tuple[str, str]] = set()  # accounts that have a row
        for assoc in tree:
            cluster, account, lineage = assoc["cluster"], assoc["account"], assoc["lineage"]
            path = [part for part in lineage.split("/") if part and part != account]
            if wanted and not {account, *path} & set(wanted):
                continue
            total: dict[str, dict[str, int]] = {}
            for below in tree:
                if below["cluster"] != cluster or not (account == "root" or below["lineage"].startswith(lineage)):
                    continue
                for (_, qos), sums in own.get((cluster, below["account"]), {}).items():
                    _add(total.setdefault(qos, {}), sums)
            used = sorted(
                (qos for qos in total if any(total[qos].values())), key=lambda qos: (order.get(qos, 1 << 30), qos)
            )
            depth = len({name for name in ("root", *path) if name != account and (cluster, name) in above})
            if used and (column == 4 or not users):
                above.add((cluster, account))
                shown = " " * depth + account if "Tree" in request.flags else account
                for qos in used:
                    names = {"qos": qos} if column == 4 else {"user": "", "proper": ""}
                    yield from _usage_rows(session, totals, total[qos], cluster=cluster, account=shown, **names)
                depth += 1
            inner = " " * depth + account if "Tree" in request.flags else account
            for (user, qos), sums in sorted(own.get((cluster, account), {}).items()):
                if user not in users if users else column == 4 or not user:
                    continue  # what has no user is an account's share of an idle reservation
                names = {"qos": qos} if column == 4 else {"user": user, "proper": proper_name(user)}
                yield from _usage_rows(session, totals, sums, cluster=cluster, account=inner, **names)

    if column == 4:
        return rows

    def by_user(session: Session, request: Request) -> Iterable[Row]:
        found = rows(session, request)
        # with no accounts above them, users stand by name
        return sorted(found, key=lambda row: (row["cluster"], row["user"])) if request.where.get("users") else found

    return by_user


def _qos_order(session: Session) -> dict[str, int]:
    return {row[1]: row[0] for row in session.query("qos", {}, ("id", "name")).rows}


def _left_out(request: Request, who: Sequence[str]) -> bool:
    return any(
        request.where.get(name) and who[index] not in request.where[name]
        for name, index in (("accounts", 1), ("users", 2), ("wckeys", 3), ("qos", 4))
    )


_LABELS = ("cluster", "account", "user", "wckey", "qos")


def _sums(answer: Row, request: Request, keys: Sequence[int]) -> dict[tuple[str, ...], dict[str, int]]:
    """Usage summed by the given columns of (cluster, account, user, wckey, qos).

    What has no user (an account's share of an idle reservation), or no WCKey, is told of in no report by these.
    """
    found: dict[tuple[str, ...], dict[str, int]] = {}
    for *who, sums in answer["used"]:
        if not _left_out(request, who) and all(who[key] for key in (2, *((3,) if 3 in keys else ()))):
            _add(found.setdefault(tuple(who[key] for key in keys), {}), sums)
    return found


def _by_usage(*keys: int) -> Callable[[Session, Request], Iterable[Row]]:
    """Rows by the given columns, who used most first."""

    def rows(session: Session, request: Request) -> Iterable[Row]:
        answer = session.call("usage", request.args())
        totals, found = _totals(answer), _sums(answer, request, keys)
        first = session.tres[0]
        for who in sorted(found, key=lambda who: (-found[who].get(first, 0), who)):
            columns = {_LABELS[key]: value for key, value in zip(keys, who, strict=True)}
            columns["proper"] = proper_name(columns["user"])
            yield from _usage_rows(session, totals, found[who], **columns)

    return rows


def _by_wckey(session: Session, request: Request) -> Iterable[Row]:
    answer = session.call("usage", request.args())
    totals, found = _totals(answer), _sums(answer, request, (0, 3, 2))
    whole = _sums(answer, request, (0, 3))
    for (cluster, wckey), total in sorted(whole.items()):
        yield from _usage_rows(session, totals, total, cluster=cluster, wckey=wckey, user="", proper="")
        for who in sorted(key for key in found if key[:2] == (cluster, wckey)):
            names = {"user": who[2], "proper": proper_name(who[2])}
            yield from _usage_rows(session, totals, found[who], cluster=cluster, wckey=wckey, **names)


def _top(session: Session, request: Request) -> Iterable[Row]:
    answer = session.call("usage", request.args())
    totals, found = _totals(answer), _sums(answer, request, (0, 2, 1))
    accounts: dict[tuple[str, ...], str] = {}
    if "Group" in request.flags:
        place = {(row["cluster"], row["account"]): at for at, row in enumerate(_accounts(session, request))}
        grouped: dict[tuple[str, ...], dict[str, int]] = {}
        for who in sorted(found, key=lambda who: (place.get((who[0], who[2]), 1 << 30), who)):
            _add(grouped.setdefault(who[:2], {}), found[who])
            accounts[who[:2]] = f"{accounts[who[:2]]}, {who[2]}" if who[:2] in accounts else who[2]
        found = grouped
    first = session.tres[0]
    ordered = sorted(found, key=lambda who: (-found[who].get(first, 0), who))
    for who in ordered if request.top < 0 else ordered[: max(1, request.top)]:  # of none Slurm shows one
        names = {"user": who[1], "proper": proper_name(who[1]), "account": accounts.get(who) or who[-1]}
        yield from _usage_rows(session, totals, found[who], cluster=who[0], **names)


def tres_counts(session: Session) -> dict[tuple[str, str], int]:
    """(cluster, TRES): how many of it the cluster has; asked once for all of a report's periods."""
    from ..core import tres

    if session.tres_counts is None:
        session.tres_counts = {
            (name, of): count
            for name, text in session.query("clusters", {}, ("name", "tres")).rows
            for of, count in tres.parse(text).items()
        }
    return session.tres_counts


def utilization(session: Session, request: Request, start: int | None = None, end: int | None = None) -> list[Row]:
    """Rows of clusters and TRES for the stretch, or a part of it."""
    answer = {
        (row["cluster"], row["tres"]): row for row in session.call("usage", request.args(start, end))["utilization"]
    }
    seconds = max(1, (request.end if end is None else end) - (request.start if start is None else start))
    have = tres_counts(session)
    rows = []
    for cluster in dict.fromkeys(cluster for cluster, _ in answer):
        for tres in session.tres:
            row = answer.get((cluster, tres), {"reported": 0})
            whole = row["reported"]
            count = have.get((cluster, tres)) or whole // seconds
            cells: Row = {name: Amount(row.get(name, 0), whole) for name in UTILIZATION}
            cells["reported"] = Amount(whole, count * seconds)
            energy = answer.get((cluster, "energy"), {}).get("allocated", 0)
            rows.append({"cluster": cluster, "tres": tres, "count": count, "energy": Amount(energy, 0), **cells})
    return rows


def _reservations(session: Session, request: Request) -> Iterable[Row]:
    from ..core import tres
    from ..core.hostlist import expand
    from ..core.times import format_duration, format_time

    where: Row = {"start": request.start, "end": request.end}
    for name in ("clusters", "names"):
        if request.where.get(name):
            where[name] = request.where[name]
    found = list(session.query("reservations", where).dicts())
    if request.where.get("nodes"):
        asked = set(request.where["nodes"])
        found = [row for row in found if asked & set(expand(row["nodes"]))]
    used = _used_in(session, found)
    for row in sorted(found, key=lambda row: (row["cluster"], row["start_time"], row["id"])):
        wall = max(0, (row["end_time"] or session.now) - row["start_time"])
        counts = tres.parse(row["tres"])
        for name in session.tres:
            if name not in counts:
                continue
            total = counts[name] * wall
            taken = min(total, used.get((row["cluster"], row["id"], row["start_time"]), {}).get(name, 0))
            yield {
                "cluster": row["cluster"],
                "name": row["name"],
                "start": format_time(row["start_time"]),
                "end": format_time(row["end_time"]),
                "tres": name,
                "allocated": Amount(taken, total),
                "idle": Amount(total - taken, total),
                "associations": row["associations"],
                "flags": ",".join(row["flags"]),
                "nodes": row["nodes"],
                "id": row["id"],
                "count": counts[name],
                "time": format_duration(total),
                "wall": format_duration(wall),
            }


def _used_in(session: Session, reservations: list[Row]) -> dict[tuple[str, int, int], dict[str, int]]:
    """(cluster, id, start) of each reservation: TRES seconds that its jobs had, from its start to its end."""
    from ..core import tres

    if not reservations:
        return {}
    fields = ("cluster", "reservation_id", "reservation_name", "start_time", "end_time", "suspended", "tres_allocated")
    where = {
        "reservations": tuple({row["name"] for row in reservations}),
        "clusters": tuple({row["cluster"] for row in reservations}),
        "start": min(row["start_time"] for row in reservations),
        "end": max(row["end_time"] or session.now for row in reservations),
        "all": True,
        "duplicates": True,
    }
    sums: dict[tuple[str, int, int], dict[str, int]] = {}
    for job in session.query("jobs", where, fields).dicts():
        for row in reservations:
            if job["cluster"] != row["cluster"] or job["reservation_name"] != row["name"] or not job["start_time"]:
                continue
            if job["reservation_id"] and job["reservation_id"] != row["id"]:
                continue
            first = max(job["start_time"], row["start_time"])
            last = min(job["end_time"] or session.now, row["end_time"] or session.now)
            seconds = max(0, last - first - job["suspended"])
            one = sums.setdefault((row["cluster"], row["id"], row["start_time"]), {})
            _add(one, {name: count * seconds for name, count in tres.parse(job["tres_allocated"]).items()})
    return sums


_ROWS: dict[str, Callable[[Session, Request], Iterable[Row]]] = {
    "AccountUtilizationByUser": _by_account(2),
    "AccountUtilizationByQOS": _by_account(4),
    "UserUtilizationByAccount": _by_usage(0, 2, 1),
    "UserUtilizationByWckey": _by_usage(0, 2, 3),
    "WCKeyUtilizationByUser": _by_wckey,
    "TopUsage": _top,
    "cluster Utilization": utilization,
    "reservation Utilization": _reservations,
}
