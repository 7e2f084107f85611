"""sreport's SPECS: the stretch of time, conditions, fields and flags that each report takes."""

from __future__ import annotations

import sys
import time

from .errors import line
from .sacctmgr_words import Word, names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .sreport import Session

    Row = dict[str, Any]

#: conditions of every report, and of each kind: keyword: (letters that do, filter)
_COMMON = {
    "Clusters": (1, "clusters"),
    "End": (1, "end"),
    "Format": (1, "format"),
    "Start": (1, "start"),
}
_CONDITIONS: dict[str, dict[str, tuple[int, str]]] = {
    "accounts": {"Accounts": (2, "accounts"), "QOS": (1, "qos"), "Users": (1, "users")},
    "qos": {"Accounts": (2, "accounts"), "QOS": (1, "qos"), "Users": (1, "users")},
    "wckeys": {"WCKeys": (1, "wckeys")},
    "cluster": {},
    "user": {"Accounts": (2, "accounts"), "TopCount": (1, "top"), "Users": (1, "users")},
    "job": {
        "Accounts": (2, "accounts"),
        "GID": (2, "groups"),
        "Grouping": (2, "grouping"),
        "Jobs": (1, "jobs"),
        "Nodes": (1, "nodes"),
        "Partitions": (2, "partitions"),
        "Users": (1, "users"),
        "WCKeys": (1, "wckeys"),
    },
    "reservation": {"Names": (1, "names"), "Nodes": (1, "nodes")},
}
#: words without a value: (letters that do, flag); any other such word is the name of a cluster, as in Slurm
_FLAGS: dict[str, dict[str, int]] = {
    "accounts": {"Tree": 1},
    "qos": {"Tree": 1},
    "user": {"Group": 1},
    "job": {"AcctAsParent": 2, "FlatView": 2, "PrintJobCount": 2},
}
GROUPING = (50, 250, 500, 1000)


def family(kind: str, report: str) -> str:
    """Which conditions a report takes: a key of `_CONDITIONS`."""
    if kind != "cluster":
        return kind
    if "WCKey" in report or "Wckey" in report:
        return "wckeys"
    if report.endswith("QOS"):
        return "qos"
    return "cluster" if report == "Utilization" else "accounts"


class Request:
    """SPECS of a report: the stretch of time in full hours, filters, fields."""

    def __init__(self, session: Session, kind: str, report: str, argv: Sequence[str]) -> None:
        self.session, self.kind, self.report = session, kind, report
        self.where: dict[str, tuple[Any, ...]] = {}
        self.format: list[str] = []
        self.format_given = False
        self.flags: set[str] = set()
        self.top = 10
        self.grouping: list[int] | None = list(GROUPING)
        self.failed = False
        self._family = family(kind, report)
        self._stretch: dict[str, int | None] = {"start": None, "end": None}
        for text in argv:
            self._word(Word(text))
        self.start, self.end = full_hours(self._stretch["start"], self._stretch["end"], session.now)
        if "clusters" not in self.where:
            chosen = session.clusters()
            if chosen is not None:
                self.where["clusters"] = chosen

    def _word(self, word: Word) -> None:
        if not word.key:
            self._bare(word.value)
            return
        table = {**_COMMON, **_CONDITIONS[self._family]}
        name = None if word.sign else _match({key: least for key, (least, _) in table.items()}, word.key)
        if name is None:
            self._unknown(word.text)
            return
        self._condition(table[name][1], word.value)

    def _bare(self, word: str) -> None:
        flag = _match({"All_Clusters": 1, **_FLAGS.get(self._family, {})}, word)
        if flag == "All_Clusters":
            self.where["clusters"] = ()
        elif flag is not None:
            self.flags.add(flag)
        elif word:
            self.where["clusters"] = (*self.where.get("clusters", ()), word.lower())

    def _condition(self, name: str, value: str) -> None:
        if name in self._stretch:
            if value:
                self._stretch[name] = self._time(value)
        elif name == "format":
            self.format += value.split(",") if not self.format_given else [part for part in value.split(",") if part]
            self.format_given = True
        elif name == "top":
            self._top(value)
        elif name == "grouping":
            individual = value.lower().startswith("ind")
            self.grouping = None if individual else [_digits(one) for one in value.split(",")]
        elif name == "groups":
            self.where[name] = tuple(self._group(one) for one in names(value))
        elif name == "jobs":
            numbers = tuple(int(one) for one in names(value) if one.isdecimal() and len(one) < 11)
            self.where[name] = numbers if len(numbers) == len(names(value)) else (*numbers, 0)
        elif name == "nodes":
            self.where[name] = tuple(self._nodes(value))
        elif name == "qos":
            self._qos(names(value))
        else:
            self.where[name] = (*self.where.get(name, ()), *names(value))

    def _group(self, text: str) -> int:
        import grp

        if text.isdecimal():
            return int(text)
        try:
            return grp.getgrnam(text).gr_gid
        except KeyError:
            self._fault(f"Invalid group id: {text}")
            return -1

    def _nodes(self, text: str) -> list[str]:
        from ..core import hostlist

        try:
            return list(hostlist.expand(text))
        except ValueError:
            self._fault(f"Invalid node list: {text}")
            return [text]

    def _qos(self, asked: Sequence[str]) -> None:
        """Adds QOS to the condition; with one that there is not, Slurm tells of it and drops the condition."""
        known = {name.lower(): name for name, _ in self.session.query("qos", {}, ("name", "id")).rows}
        bad = next((name for name in asked if name.lower() not in known), None)
        if bad is None:
            self.where["qos"] = (*self.where.get("qos", ()), *(known[name.lower()] for name in asked))
            return
        sys.stdout.flush()
        sys.stderr.write(line("sreport", f"You gave a bad qos '{bad}'. Valid QOS's are {','.join(known.values())}"))
        self.where["qos"] = ()

    def _top(self, value: str) -> None:
        digits = value[1:] if value[:1] in "+-" else value
        if value and not (digits.isdecimal() and len(digits) < 10):
            self._fault(f"Invalid value for TopCount ({value})")
        else:
            self.top = int(value or 0)

    def _fault(self, text: str) -> None:
        sys.stdout.flush()
        sys.stderr.write(line("sreport", text))
        self.failed = True

    def _unknown(self, text: str) -> None:
        sys.stdout.flush()
        hint = "" if self._family == "wckeys" else "Use keyword set to modify value\n"
        sys.stderr.write(f" Unknown condition: {text}\n{hint}")
        self.failed = True

    def _time(self, text: str) -> int | None:
        from ..core.times import parse_time

        try:
            return parse_time(text, self.session.now, past=True)
        except ValueError as error:
            sys.stderr.write(f"{error}\n")
            return None

    def args(self, start: int | None = None, end: int | None = None) -> Row:
        """What ``usage`` and ``job_sizes`` are asked with, for the whole stretch or a part of it."""
        left_out = ("accounts", "names", "nodes", "qos") if self.kind != "job" else ("accounts", "names", "qos")
        found = {name: value for name, value in self.where.items() if name not in left_out and value}
        return {
            **found,
            "start": self.start if start is None else start,
            "end": self.end if end is None else end,
        }

    def periods(self, columns: int) -> list[tuple[int, int]]:
        """The stretch in hours if that makes at most `columns`, else days, else weeks or more days at once."""
        hours = hourly(self.start, self.end)
        if len(hours) <= columns:
            return hours
        days = daily(self.start, self.end)
        together = -(-len(days) // max(1, columns))
        return [(days[at][0], days[min(at + together, len(days)) - 1][1]) for at in range(0, len(days), together)]


def _match(table: dict[str, int], typed: str) -> str | None:
    wanted = typed.lower()
    return next(
        (name for name, least in table.items() if len(wanted) >= least and name.lower().startswith(wanted)), None
    )


def _digits(text: str) -> int:
    """The number that a text begins with, 0 if it is none."""
    kept = ""
    for letter in text.strip():
        if not ("0" <= letter <= "9"):
            break
        kept += letter
    return min(int(kept or 0), 0xFFFFFFFF)


def hour_of(moment: int) -> int:
    local = time.localtime(moment)
    return moment - local.tm_min * 60 - local.tm_sec


def full_hours(start: int | None, end: int | None, now: int) -> tuple[int, int]:
    """The stretch that is reported, as Slurm rolls up by the hour: yesterday, or the times given: the start to the
    nearest hour, the end to the next one, or the last full hour if it is in the future."""
    local = time.localtime(now)
    midnight = int(time.mktime((*local[:3], 0, 0, 0, 0, 0, -1)))
    yesterday = int(time.mktime((local[0], local[1], local[2] - 1, 0, 0, 0, 0, 0, -1)))
    first = yesterday if start is None else hour_of(start + 1800)
    last = midnight if end is None else hour_of(now) if end >= now else hour_of(end + 3599)
    return first, last if last > first else first + 3600


def hourly(start: int, end: int) -> list[tuple[int, int]]:
    return [(at, min(at + 3600, end)) for at in range(start, end, 3600)]


def daily(start: int, end: int) -> list[tuple[int, int]]:
    """Days of the local calendar, which change of the clocks makes 23 or 25 hours long."""
    found, at = [], start
    while at < end:
        local = time.localtime(at)
        following = int(time.mktime((local[0], local[1], local[2] + 1, 0, 0, 0, 0, 0, -1)))
        found.append((at, min(following, end)))
        at = found[-1][1]
    return found
