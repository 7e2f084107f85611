"""sreport's tables: the fields of each kind of report, and how a report is printed as Slurm prints it."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from .sreport import Session
    from .sreport_request import Request

    Row = dict[str, Any]

#: a field: (name, letters that do, header, width, key of the row). A negative width aligns to the left.
Field = tuple[str, int, str, int, str]


class Amount:
    """Usage: `seconds` of a TRES, out of `total` (0: unknown); `plain` is a number that is printed as it is."""

    __slots__ = ("plain", "seconds", "total")

    def __init__(self, seconds: int, total: int, plain: bool = False) -> None:
        self.seconds, self.total, self.plain = seconds, total, plain


_CLUSTER: Field = ("Cluster", 2, "Cluster", 9, "cluster")
_ACCOUNT: Field = ("Accounts", 2, "Account", 15, "account")
_LOGIN: Field = ("Login", 1, "Login", 9, "user")
_PROPER: Field = ("Proper", 2, "Proper Name", 15, "proper")
_USED: Field = ("Used", 1, "Used", 8, "used")
_ENERGY: Field = ("Energy", 1, "Energy", 8, "energy")
_TRES: Field = ("TresName", 5, "TRES Name", 14, "tres")
_WCKEY: Field = ("WCKey", 1, "WCKey", 15, "wckey")
_QOS: Field = ("QOS", 1, "QOS", 12, "qos")

#: all that can be asked for in each kind of report, the one that wins first
FIELDS: dict[str, tuple[Field, ...]] = {
    "cluster": (
        _ACCOUNT,
        ("Allocated", 2, "Allocated", 8, "allocated"),
        _CLUSTER,
        ("Count", 2, "TRES Count", 10, "count"),
        ("Down", 1, "Down", 8, "down"),
        _ENERGY,
        ("Idle", 1, "Idle", 8, "idle"),
        _LOGIN,
        ("OverCommitted", 1, "Over Comm", 8, "over"),
        ("Planned", 2, "Planned", 8, "planned"),
        ("PlannedDown", 8, "PLND Down", 8, "planned_down"),
        _PROPER,
        _QOS,
        ("Reported", 2, "Reported", 8, "reported"),
        ("TresCount", 5, "TRES Count", 10, "count"),
        _TRES,
        _USED,
        _WCKEY,
    ),
    "user": (_ACCOUNT, _CLUSTER, _ENERGY, _LOGIN, _PROPER, _TRES, _USED),
    "reservation": (
        ("Allocated", 2, "Allocated", 20, "allocated"),
        ("Associations", 2, "Associations", 15, "associations"),
        _CLUSTER,
        ("Count", 2, "TRES count", 10, "count"),
        ("CPUTime", 2, "TRES Time", 9, "time"),
        ("End", 1, "End", 19, "end"),
        ("Flags", 1, "Flags", 20, "flags"),
        ("Idle", 1, "Idle", 20, "idle"),
        ("Name", 1, "Name", 9, "name"),
        ("Nodes", 2, "Nodes", 15, "nodes"),
        ("ReservationId", 1, "Id", 8, "id"),
        ("Start", 1, "Start", 19, "start"),
        ("TotalTime", 2, "TotalTime", 9, "wall"),
        ("TresTime", 1, "TRES Time", 9, "time"),
        _TRES,
    ),
    "job": (("Accounts", 1, "Account", 9, "account"), _CLUSTER),
}

#: what is printed if no format is given ("tres?" with -T, "energy?" without)
DEFAULTS = {
    "AccountUtilizationByUser": "Cluster,Accounts,Login,Proper,tres?,Used,energy?",
    "AccountUtilizationByQOS": "Cluster,Accounts,QOS,tres?,Used,energy?",
    "UserUtilizationByAccount": "Cluster,Login,Proper,Accounts,tres?,Used,energy?",
    "UserUtilizationByWckey": "Cluster,Login,Proper,WCKey,tres?,Used",
    "WCKeyUtilizationByUser": "Cluster,WCKey,Login,Proper,tres?,Used",
    "TopUsage": "Cluster,Login,Proper,Accounts,tres?,Used,energy?",
    "cluster Utilization": "Cluster,tres?,Allocated,Down,Planned,Idle,Planned,Reported",
    "reservation Utilization": "Cluster,Name,Start,End,TresName,Allocated,Idle",
    "job": "Cluster,Accounts",
}


class Report:
    """A report as it was asked for: its heading, its columns and rows. `sizes` are further columns of job reports."""

    def __init__(self, session: Session, request: Request, key: str, title: str, lines: Sequence[str]) -> None:
        self.session, self.request, self.key, self.title, self.lines = session, request, key, title, tuple(lines)
        self.rows: list[Row] = []
        self.sizes: list[Field] = []
        self.with_seconds = key not in ("cluster Utilization", "reservation Utilization")

    @property
    def stretch(self) -> str:
        from ..core.times import format_time

        request = self.request
        text = f"{format_time(request.start)} - {format_time(request.end - 1)}"
        return text + (f" ({request.end - request.start} secs)" if self.with_seconds else "")

    def fields(self, complain: bool = True) -> list[Field]:
        """The columns; what the format names and is none is told of, and makes the command fail."""
        request, session = self.request, self.session
        table = FIELDS[request.kind]
        if not request.format_given:
            default = DEFAULTS["job" if request.kind == "job" else self.key]
            default = default.replace("tres?,", "TresName," if session.tres_given else "")
            default = default.replace(",energy?", "" if session.tres_given else ",Energy")
            by_name = {field[0]: field for field in table}
            chosen = [by_name[name] for name in default.split(",")]
            if "Tree" in request.flags:
                chosen = [(*field[:3], -20, field[4]) if field[4] == "account" else field for field in chosen]
            return [*self._named(chosen), *self.sizes]
        chosen = []
        for part in (
            dict.fromkeys(request.format)
            if len(request.format) == 1
            else [one for one in dict.fromkeys(request.format) if one]
        ):
            typed, percent, width = part.strip().partition("%")
            field = next(
                (one for one in table if len(typed) >= one[1] and one[0].lower().startswith(typed.lower())), None
            )
            if field is None:
                if complain:
                    sys.stdout.flush()
                    sys.stderr.write(f" Unknown field '{typed}'\n")
                    request.failed = True
                continue
            size = int(width) if percent and width.lstrip("-").isdecimal() and len(width) < 6 else 0
            if size and not self._amounts(field[4]):
                field = (*field[:3], size, field[4])
            chosen.append(field)
        return [*self._named(chosen), *self.sizes]

    def _named(self, fields: list[Field]) -> list[Field]:
        """The column of job reports by WCKey is headed so, and left of what it counts by account and WCKey."""
        if self.key == "SizesByWckey" and not self.request.format_given:
            return [("Wckey", 1, "Wckey", field[3], field[4]) if field[4] == "account" else field for field in fields]
        if self.key == "SizesByAccountAndWcKey" and not self.request.format_given:
            return [(*field[:3], -20, field[4]) if field[4] == "account" else field for field in fields]
        return fields

    def _amounts(self, key: str) -> bool:
        return key in ("allocated", "down", "idle", "over", "planned", "planned_down", "reported", "used", "energy")

    def text(self, value: Any) -> str:
        if isinstance(value, Amount):
            return str(value.seconds) if value.plain else self.session.amount(value.seconds, value.total)
        return str(value)

    # -- printing ------------------------------------------------------------------------------------------------

    def print(self) -> int:
        """Prints it as Slurm does; returns the exit code."""
        session = self.session
        if not session.noheader:
            rule = "-" * 80
            head = "".join(f"{text}\n" for text in self.lines)
            session.write(f"{rule}\n{self.title} {self.stretch}\n{head}{rule}\n")
        fields = [self._wide(field) for field in self.fields()]
        if not session.noheader:
            self._header(fields)
        for row in self.rows:
            self._row(fields, row)
        return 1 if self.request.failed else 0

    def _wide(self, field: Field) -> Field:
        """An amount's column is as wide as its greatest number of seconds, and a share's width more where that stands
        beside it."""
        if not self._amounts(field[4]) or field in self.sizes:
            return field
        most = max((row[field[4]].seconds for row in self.rows if isinstance(row.get(field[4]), Amount)), default=0)
        width = max(field[3], len(str(most))) + (9 if self.session.share else 0)
        return (*field[:3], width, field[4])

    def _header(self, fields: Sequence[Field]) -> None:
        session = self.session
        if session.separator is not None:
            tail = session.separator if session.trailing else ""
            session.write(session.separator.join(field[2] for field in fields) + tail + "\n")
            return
        session.write("".join(_cell(field[2][: abs(field[3])], field[3]) for field in fields) + "\n")
        session.write("".join("-" * abs(field[3]) + " " for field in fields) + "\n")

    def _row(self, fields: Sequence[Field], row: Mapping[str, Any]) -> None:
        session = self.session
        values = [self.text(row.get(field[4], "")) for field in fields]
        if session.separator is not None:
            tail = session.separator if session.trailing else ""
            session.write(session.separator.join(values) + tail + "\n")
            return
        cells = []
        for field, value in zip(fields, values, strict=True):
            width = abs(field[3])
            if len(value) > width and field[4] not in ("time", "wall"):  # Slurm lets durations run over
                value = value[: width - 1] + "+"
            cells.append(_cell(value, field[3]))
        session.write("".join(cells) + "\n")


def _cell(text: str, width: int) -> str:
    return (text.ljust(-width) if width < 0 else text.rjust(width)) + " "
