"""sreport's reports: conditions and fields of each, rows from slurmdbd, tables."""

from __future__ import annotations

import sys
import time

from .sacctmgr_words import Word, find, is_set, is_where, names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from .sreport import Session

    Row = dict[str, Any]

#: a field: (name, header, width, key of the row); the width grows for shares ("share" of `_AMOUNTS`)
Field = tuple[str, str, int, str]

_CLUSTER = ("Cluster", "Cluster", 9, "cluster")
_ACCOUNT = ("Account", "Account", 15, "account")
_LOGIN = ("Login", "Login", 9, "user")
_PROPER = ("Proper", "Proper Name", 15, "proper")
_USED = ("Used", "Used", 8, "used")
_ENERGY = ("Energy", "Energy", 8, "energy")
_TRES = ("TresName", "TRES Name", 14, "tres")
_WCKEY = ("WCKey", "WCKey", 15, "wckey")

#: keys of amounts: their columns are wider where a share stands beside the amount
_AMOUNTS = ("used", "energy", "allocated", "down", "planned_down", "idle", "planned", "reported", "over")

FIELDS: dict[str, tuple[Field, ...]] = {
    "AccountUtilizationByUser": (_CLUSTER, _ACCOUNT, _LOGIN, _PROPER, _TRES, _USED, _ENERGY),
    "AccountUtilizationByQOS": (_CLUSTER, _ACCOUNT, ("QOS", "QOS", 9, "qos"), _TRES, _USED, _ENERGY),
    "UserUtilizationByAccount": (_CLUSTER, _LOGIN, _PROPER, _ACCOUNT, _TRES, _USED, _ENERGY),
    "UserUtilizationByWckey": (_CLUSTER, _LOGIN, _PROPER, _WCKEY, _TRES, _USED),
    "WCKeyUtilizationByUser": (_CLUSTER, _WCKEY, _LOGIN, _PROPER, _TRES, _USED),
    "TopUsage": (_CLUSTER, _LOGIN, _PROPER, _ACCOUNT, _TRES, _USED, _ENERGY),
    "cluster Utilization": (
        _CLUSTER,
        _TRES,
        ("Allocated", "Allocated", 8, "allocated"),
        ("Down", "Down", 8, "down"),
        ("PlannedDown", "Planned", 8, "planned_down"),
        ("Idle", "Idle", 8, "idle"),
        ("Planned", "Planned", 8, "planned"),
        ("Reported", "Reported", 8, "reported"),
        ("OverCommited", "Over", 9, "over"),
        ("TresCount", "TRES Count", 10, "count"),
    ),
    "reservation Utilization": (
        _CLUSTER,
        ("Name", "Name", 9, "name"),
        ("Start", "Start", 19, "start"),
        ("End", "End", 19, "end"),
        _TRES,
        ("Allocated", "Allocated", 20, "allocated"),
        ("Idle", "Idle", 20, "idle"),
        ("Associations", "Associations", 15, "associations"),
        ("Flags", "Flags", 20, "flags"),
        ("Nodes", "Nodes", 15, "nodes"),
        ("ReservationId", "Id", 8, "id"),
    ),
}
#: fields that are not printed unless asked for
_HIDDEN = ("OverCommited", "TresCount", "Associations", "Flags", "Nodes", "ReservationId")

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

#: keyword: (filter, whether a list of names)
_CONDITIONS = {
    "Accounts": "accounts",
    "Clusters": "clusters",
    "End": "end",
    "Format": "format",
    "GID": "groups",
    "Grouping": "grouping",
    "Jobs": "jobs",
    "Names": "names",
    "Nodes": "nodes",
    "Partitions": "partitions",
    "QOS": "qos",
    "Start": "start",
    "TopCount": "top",
    "Users": "users",
    "WCKeys": "wckeys",
}
_FLAGS = ("All_Clusters", "AcctAsParent", "FlatView", "Group", "PrintJobCount", "Tree")


class Request:
    """SPECS of a report: the stretch of time in full hours, filters, fields."""

    def __init__(self, session: Session, argv: Sequence[str]) -> None:
        self.session = session
        self.where: dict[str, tuple[Any, ...]] = {}
        self.format = ""
        self.flags: set[str] = set()
        self.top = 10
        self.grouping: list[int] | None = [50, 250, 500, 1000]
        self.failed = False
        start = end = None
        for text in argv:
            if is_where(text) or is_set(text):
                continue
            word = Word(text)
            if not word.key:
                flag = find(_FLAGS, word.value)
                if flag is None:
                    self._unknown(text)
                else:
                    self.flags.add(flag)
                continue
            name = _CONDITIONS.get(find(_CONDITIONS, word.key) or "")
            if name is None:
                self._unknown(text)
            elif name in ("start", "end"):
                moment = self._time(word.value)
                start, end = (moment, end) if name == "start" else (start, moment)
            elif name == "format":
                self.format = word.value
            elif name == "top":
                self.top = int(word.value) if word.value.isdecimal() else 10
            elif name == "grouping":
                self.grouping = self._groups(word.value)
            elif name in ("groups", "jobs"):
                self.where[name] = tuple(int(one) for one in names(word.value) if one.isdecimal())
            else:
                self.where[name] = names(word.value)
        self.start, self.end = self._full_hours(start, end)
        if "clusters" not in self.where:
            named = session.parsed.get("cluster")
            if named:
                self.where["clusters"] = names(named)
            elif "All_Clusters" not in self.flags and "all_clusters" not in session.parsed:
                self.where["clusters"] = (str(session.cluster.conf.ClusterName).lower(),)

    def _unknown(self, text: str) -> None:
        sys.stdout.flush()
        sys.stderr.write(f" Unknown condition: {text}\nUse keyword set to modify value\n")
        self.failed = True

    def _time(self, text: str) -> int | None:
        from ..core.times import parse_time

        try:
            return parse_time(text, self.session.now, past=True)
        except ValueError as error:
            sys.stderr.write(f"{error}\n")
            return None

    @staticmethod
    def _groups(text: str) -> list[int] | None:
        if text.lower().startswith("ind"):
            return None
        return sorted({int(one) for one in names(text) if one.isdecimal() and int(one) > 0}) or [50, 250, 500, 1000]

    def _full_hours(self, start: int | None, end: int | None) -> tuple[int, int]:
        """As Slurm rolls up by the hour: yesterday, or the times given cut down to full hours."""
        local = time.localtime(self.session.now)
        midnight = int(time.mktime((*local[:3], 0, 0, 0, 0, 0, -1)))
        yesterday = int(time.mktime((local[0], local[1], local[2] - 1, 0, 0, 0, 0, 0, -1)))
        first = yesterday if start is None else _hour(start)
        last = midnight if end is None else _hour(min(end, self.session.now))
        return first, last if last > first else first + 3600

    def args(self) -> Row:
        found = {name: value for name, value in self.where.items() if name not in ("accounts", "names", "nodes", "qos")}
        return {**found, "start": self.start, "end": self.end}


def _hour(moment: int) -> int:
    local = time.localtime(moment)
    return int(time.mktime((*local[:4], 0, 0, 0, 0, -1)))


def show(session: Session, kind: str, report: str, argv: Sequence[str]) -> int:
    """Prints a report; returns the exit code."""
    request = Request(session, argv)
    key = f"{kind} {report}" if report == "Utilization" else report
    if kind == "job":
        from .sreport_sizes import show as show_sizes

        return show_sizes(session, report, request)
    title = TITLES.get(key) or f"Top {request.top} Users"
    of_time = key not in ("cluster Utilization", "reservation Utilization")
    what = "TRES " if session.tres_given or kind == "reservation" else "CPU "
    heading(session, request, title, f"Usage reported in {session.usage_title(what)}", of_time)
    try:
        fields = _fields(session, key, request)
    except ValueError as error:
        session.write("\n\n" if session.separator is None else "\n")
        sys.stdout.flush()
        sys.stderr.write(f" Unknown field '{error}'\n")
        return 1
    if not session.noheader or session.separator is not None:
        header(session, fields)
    for row in _ROWS[key](session, request):
        print_row(session, fields, row)
    return 1 if request.failed else 0


def heading(session: Session, request: Request, title: str, unit: str, with_seconds: bool) -> None:
    if session.noheader:
        return
    from ..core.times import format_time

    rule = "-" * 80
    stretch = f"{format_time(request.start)} - {format_time(request.end - 1)}"
    seconds = f" ({request.end - request.start} secs)" if with_seconds else ""
    session.write(f"{rule}\n{title} {stretch}{seconds}\n{unit}\n{rule}\n")


def _fields(session: Session, key: str, request: Request) -> list[Field]:
    table = FIELDS[key]
    if request.format:
        chosen = []
        for part in request.format.split(","):
            name, percent, width = part.strip().partition("%")
            if not name:
                continue
            field = next((one for one in table if one[0].lower().startswith(name.lower())), None)
            if field is None:
                raise ValueError(name)
            size = int(width) if percent and width.lstrip("-").isdecimal() else field[2]
            chosen.append((field[0], field[1], size, field[3]))
        return chosen
    chosen = [field for field in table if field[0] not in _HIDDEN]
    if key.startswith("reservation"):
        pass
    elif session.tres_given:
        chosen = [field for field in chosen if field[3] != "energy"]
    else:
        chosen = [field for field in chosen if field[3] != "tres"]
    if "Tree" in request.flags:
        chosen = [(f[0], f[1], -20, f[3]) if f[3] == "account" else f for f in chosen]
    if session.share:
        chosen = [(f[0], f[1], f[2] + 9, f[3]) if f[3] in _AMOUNTS else f for f in chosen]
    return chosen


def header(session: Session, fields: Sequence[Field]) -> None:
    if session.noheader:
        return
    if session.separator is not None:
        names_ = [field[1] for field in fields]
        session.write(session.separator.join(names_) + (session.separator if session.trailing else "") + "\n")
        return
    session.write("".join(_cell(field[1][: abs(field[2])], field[2]) for field in fields) + "\n")
    session.write("".join("-" * abs(field[2]) + " " for field in fields) + "\n")


def _cell(text: str, width: int) -> str:
    return (text.ljust(-width) if width < 0 else text.rjust(width)) + " "


def print_row(session: Session, fields: Sequence[Field], row: Row) -> None:
    values = [str(row.get(field[3], "")) for field in fields]
    if session.separator is not None:
        session.write(session.separator.join(values) + (session.separator if session.trailing else "") + "\n")
        return
    cells = []
    for field, value in zip(fields, values, strict=True):
        width = abs(field[2])
        cells.append(_cell(value[: width - 1] + "+" if len(value) > width else value, field[2]))
    session.write("".join(cells) + "\n")


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
        if tres == "energy" and tres not in sums:
            continue
        yield {
            **columns,
            "tres": tres,
            "used": session.amount(sums.get(tres, 0), totals.get((cluster, tres), 0)),
            "energy": session.amount(sums.get("energy", 0), totals.get((cluster, "energy"), 0)),
        }


def proper_name(user: str) -> str:
    import pwd

    try:
        return pwd.getpwnam(user).pw_gecos.partition(",")[0]
    except KeyError:
        return ""


def _account_by_user(session: Session, request: Request) -> Iterable[Row]:
    answer = session.call("usage", request.args())
    totals = _totals(answer)
    own: dict[tuple[str, str], dict[str, dict[str, int]]] = {}
    for cluster, account, user, _, _, sums in answer["used"]:
        _add(own.setdefault((cluster, account), {}).setdefault(user, {}), sums)
    clusters = request.where.get("clusters", ())
    tree = session.query("associations", {"clusters": clusters, "no_users": True} if clusters else {"no_users": True})
    wanted = request.where.get("accounts")
    users_wanted = request.where.get("users")
    for assoc in tree.dicts():
        cluster, account, lineage = assoc["cluster"], assoc["account"], assoc["lineage"]
        if wanted and account not in wanted:
            continue
        below = {row["account"] for row in tree.dicts() if row["cluster"] == cluster and
                 (row["lineage"].startswith(lineage) or account == "root")}  # fmt: skip
        total: dict[str, int] = {}
        for (where, name), users in own.items():
            if where == cluster and name in below:
                for sums in users.values():
                    _add(total, sums)
        if not any(total.values()):
            continue
        depth = len([part for part in lineage.split("/") if part])
        shown = " " * depth + account if "Tree" in request.flags else account
        if not users_wanted:
            yield from _usage_rows(session, totals, total, cluster=cluster, account=shown, user="", proper="")
        for user, sums in sorted(own.get((cluster, account), {}).items()):
            if users_wanted and user not in users_wanted:
                continue
            inner = " " * (depth + 1) + account if "Tree" in request.flags else account
            yield from _usage_rows(
                session, totals, sums, cluster=cluster, account=inner, user=user, proper=proper_name(user)
            )


def _grouped(*keys: int) -> Callable[[Session, Request], Iterable[Row]]:
    """Rows of usage summed by the given columns of (cluster, account, user, wckey, qos)."""
    labels = ("cluster", "account", "user", "wckey", "qos")

    def rows(session: Session, request: Request) -> Iterable[Row]:
        answer = session.call("usage", request.args())
        totals = _totals(answer)
        found: dict[tuple[str, ...], dict[str, int]] = {}
        for *who, sums in answer["used"]:
            if _left_out(request, who):
                continue
            _add(found.setdefault(tuple(who[key] for key in keys), {}), sums)
        for who_, sums in sorted(found.items()):
            columns = {labels[key]: value for key, value in zip(keys, who_, strict=True)}
            if "user" in columns:
                columns["proper"] = proper_name(columns["user"])
            yield from _usage_rows(session, totals, sums, **columns)

    return rows


def _left_out(request: Request, who: Sequence[str]) -> bool:
    return any(
        request.where.get(name) and who[index] not in request.where[name]
        for name, index in (("accounts", 1), ("users", 2), ("wckeys", 3), ("qos", 4))
    )


def _top(session: Session, request: Request) -> Iterable[Row]:
    answer = session.call("usage", request.args())
    totals = _totals(answer)
    found: dict[tuple[str, str], dict[str, int]] = {}
    accounts: dict[tuple[str, str], dict[str, dict[str, int]]] = {}
    for *who, sums in answer["used"]:
        if _left_out(request, who):
            continue
        key = (who[0], who[2])
        _add(found.setdefault(key, {}), sums)
        _add(accounts.setdefault(key, {}).setdefault(who[1], {}), sums)
    by_usage = sorted(found, key=lambda key: -found[key].get(session.tres[0], 0))[: request.top]
    for key in by_usage:
        cluster, user = key
        if "Group" in request.flags:
            groups = {",".join(sorted(accounts[key])): found[key]}
        else:
            groups = dict(sorted(accounts[key].items()))
        for account, sums in groups.items():
            yield from _usage_rows(
                session, totals, sums, cluster=cluster, user=user, proper=proper_name(user), account=account
            )


def _utilization(session: Session, request: Request) -> Iterable[Row]:
    for row in session.call("usage", request.args())["utilization"]:
        if row["tres"] not in session.tres:
            continue
        total = row["reported"]
        shown = {name: session.amount(row[name], total) for name in _AMOUNTS if name in row}
        seconds = max(1, request.end - request.start)
        yield {"cluster": row["cluster"], "tres": row["tres"], "count": total // seconds, **shown}


def _reservations(session: Session, request: Request) -> Iterable[Row]:
    from ..core import tres
    from ..core.times import format_time

    where: Row = {"start": request.start, "end": request.end}
    for name in ("clusters", "names"):
        if request.where.get(name):
            where[name] = request.where[name]
    for row in session.query("reservations", where).dicts():
        first = max(row["start_time"], request.start)
        last = min(row["end_time"] or request.end, request.end)
        counts = tres.parse(row["tres"])
        idle = min(int(row["unused_wall"]), max(0, last - first))
        for name in session.tres:
            total = counts.get(name, 0) * max(0, last - first)
            unused = counts.get(name, 0) * idle
            yield {
                "cluster": row["cluster"],
                "name": row["name"],
                "start": format_time(row["start_time"]),
                "end": format_time(row["end_time"]),
                "tres": name,
                "allocated": session.amount(total - unused, total),
                "idle": session.amount(unused, total),
                "associations": row["associations"],
                "flags": ",".join(row["flags"]),
                "nodes": row["nodes"],
                "id": row["id"],
            }


_ROWS: dict[str, Callable[[Session, Request], Iterable[Row]]] = {
    "AccountUtilizationByUser": _account_by_user,
    "AccountUtilizationByQOS": _grouped(0, 1, 4),
    "UserUtilizationByAccount": _grouped(0, 2, 1),
    "UserUtilizationByWckey": _grouped(0, 2, 3),
    "WCKeyUtilizationByUser": _grouped(0, 3, 2),
    "TopUsage": _top,
    "cluster Utilization": _utilization,
    "reservation Utilization": _reservations,
}
