"""sreport: usage of clusters, accounts, users, WCKeys and reservations, out of the accounting database."""

from __future__ import annotations

import sys
import time

from ..core.errors import SlurmError
from .errors import Stop, entry, line
from .options.sreport import COMMAND, REPORTS
from .sacctmgr_words import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, NoReturn

    from ..rpc.cluster import Cluster
    from .command import Parsed
    from .sreport_table import Report

NAME = "sreport"

#: name: (seconds a unit, the unit's word, whether the share of the whole stands beside it); the one that wins first
TIME_FORMATS: dict[str, tuple[int, str, bool]] = {
    "Seconds": (1, "Seconds", False),
    "SecPer": (1, "Seconds", True),
    "Minutes": (60, "Minutes", False),
    "MinPer": (60, "Minutes", True),
    "Hours": (3600, "Hours", False),
    "HourPer": (3600, "Hours", True),
    "Percent": (0, "", False),
}


def main() -> NoReturn:
    entry(NAME, run)


class Session:
    """How sreport was called."""

    def __init__(self, parsed: Parsed, cluster: Cluster | None, write: Callable[[str], object]) -> None:
        self.parsed, self.write, self._cluster = parsed, write, cluster
        self.now = int(time.time())
        self.separator: str | None = None
        self.trailing = False
        self.noheader = "noheader" in parsed
        self.unit, self.unit_name, self.share = TIME_FORMATS["Minutes"]
        self.tres: list[str] = []
        self.tres_given = self.tres_all = False
        self.tres_counts: dict[tuple[str, str], int] | None = None
        self.verbosity = parsed.count("verbose")

    @property
    def cluster(self) -> Cluster:
        if self._cluster is None:
            from . import connect

            self._cluster = connect.cluster(NAME)
        return self._cluster

    def call(self, method: str, args: Mapping[str, Any]) -> Any:
        began = time.monotonic()
        answer = self.cluster.slurmdbd.call(method, dict(args))
        self._tell(method, args, began)
        return answer

    def _tell(self, what: str, args: Mapping[str, Any], began: float) -> None:
        if self.verbosity:
            spent = f"{1000 * (time.monotonic() - began):.0f} ms"
            sys.stderr.write(line(NAME, f"{what} {dict(args)}: {spent}", "debug"))

    def query(self, what: str, where: Mapping[str, Any] | None = None, fields: Sequence[str] = ()) -> Any:
        began = time.monotonic()
        answer = self.cluster.slurmdbd.query(what, fields, dict(where or {}))
        self._tell(what, where or {}, began)
        return answer

    def clusters(self) -> tuple[str, ...] | None:
        """The clusters that the options choose: their names, () for all of them."""
        parsed = self.parsed
        own = str(self.cluster.conf.ClusterName).lower()
        named = parsed.get("cluster")
        if named:
            return names(named)
        if "all_clusters" in parsed:
            return ()
        if "federation" in parsed and "local" not in parsed:
            rows = self.query("clusters", {}, ("name", "federation")).rows
            federation = next((row[1] for row in rows if row[0] == own), "")
            if federation:
                return tuple(row[0] for row in rows if row[1] == federation)
        return (own,)

    def set_time_format(self, text: str) -> bool:
        for name, found in TIME_FORMATS.items():
            if text and name.lower().startswith(text.lower()):
                self.unit, self.unit_name, self.share = found
                return True
        return False

    def usage_title(self, what: str) -> str:
        """``CPU Minutes``, ``TRES Hours/Percentage of Total``"""
        if not self.unit:
            return "Percentage of Total"
        return f"{what}{self.unit_name}" + ("/Percentage of Total" if self.share else "")

    def amount(self, seconds: int, total: int) -> str:
        """Usage in the unit asked for, with its share of `total`."""
        percent = f"{100 * seconds / total:.2f}%" if total else "0.00%"
        if not self.unit:
            return percent
        number = str(round(seconds / self.unit)) if self.unit > 1 else str(seconds)
        return f"{number}({percent})" if self.share else number


def run(
    argv: Sequence[str],
    env: Mapping[str, str],
    cluster: Cluster | None = None,
    write: Callable[[str], object] | None = None,
) -> int:
    """The command: `argv` without the program's name."""
    parsed = COMMAND.parse(argv, env)
    session = Session(parsed, cluster, write or sys.stdout.write)
    if sum(name in parsed for name in ("all_clusters", "cluster", "local")) > 1:
        raise Stop(1, err="Only one cluster option can be used (--all_clusters OR --cluster OR --local)\n")
    for one in parsed:
        if one.option.name in ("parsable", "parsable2"):
            session.separator, session.trailing = "|", one.option.name == "parsable"
        elif one.option.name == "time" and not session.set_time_format(one.value or ""):
            sys.stderr.write(f"unknown time format {one.value}")
    if parsed.operands:
        return guarded(session, parsed.operands)[0]
    return _interactive(session)


def guarded(session: Session, words: Sequence[str]) -> tuple[int, bool]:
    """(exit code, whether the session ends) of one command."""
    from .sacct import unreachable

    try:
        return command(session, words)
    except SlurmError as error:
        raise unreachable(NAME, session.cluster, error) from None


def _interactive(session: Session) -> int:
    worst, last, over = 0, "", False
    while not over:
        text = _line()
        if text is None:
            return worst
        words = text.split()
        if not words:
            continue
        if words == ["!!"]:
            if not last:
                worst = 1
                continue
            words = last.split()
        else:
            last = text
        try:
            code, over = guarded(session, words)
        except Stop as stop:
            session.write(stop.out)
            sys.stdout.flush()
            sys.stderr.write(stop.err)
            code, over = stop.code, _word(words[0]) in ("exit", "quit")
        worst = worst or code
    return worst


def _line() -> str | None:
    """The next line; on a terminal with a prompt, and editing as other commands' have it. None at the end."""
    if not sys.stdin.isatty():
        return sys.stdin.readline() or None
    try:
        import readline  # noqa: F401 - gives input() its editing
    except ImportError:
        pass
    try:
        return input(f"{NAME}: ") + "\n"
    except EOFError:
        sys.stdout.write("\n")
        return None


#: commands: how many letters do, and how many words may follow (None: any number)
COMMANDS: dict[str, tuple[int, int | None]] = {
    "cluster": (2, None),
    "exit": (1, 0),
    "help": (2, 0),
    "job": (1, None),
    "nonparsable": (4, 0),
    "parsable": (8, 0),
    "parsable2": (9, 0),
    "quiet": (4, 0),
    "quit": (4, 0),
    "reservation": (2, None),
    "time": (1, None),
    "user": (1, None),
    "verbose": (4, 0),
    "version": (4, 0),
}


def _word(typed: str) -> str | None:
    wanted = typed.lower()
    return next(
        (name for name, (least, _) in COMMANDS.items() if len(wanted) >= least and name.startswith(wanted)), None
    )


def command(session: Session, words: Sequence[str]) -> tuple[int, bool]:
    """(exit code, whether the session ends) of one command. Raises Stop and SlurmError."""
    name = _word(words[0])
    if name is None:
        raise Stop(1, err=f"invalid keyword: {words[0]}\n")
    most = COMMANDS[name][1]
    if most is not None and len(words) - 1 > most:
        raise Stop(1, err=f"too many arguments for keyword:{words[0]}\n")
    if name in REPORTS:
        return _report(session, name, words), False
    if name == "help":
        session.write(COMMAND.help())
    elif name == "version":
        from .. import SLURM_VERSION

        session.write(f"slurm {SLURM_VERSION}\n")
    elif name in ("parsable", "parsable2", "nonparsable"):
        session.separator = None if name == "nonparsable" else "|"
        session.trailing = name == "parsable"
    elif name in ("quiet", "verbose"):
        session.verbosity = 0 if name == "quiet" else session.verbosity + 1
    elif name == "time":
        if len(words) < 2:
            raise Stop(1, err=f"too few arguments for keyword:{words[0]}\n")
        if not session.set_time_format(words[1]):
            sys.stderr.write(f"unknown time format {words[1]}")
    return 0, name in ("exit", "quit")


#: reports: how many letters of their names do, where one does not
_LEAST = {
    "AccountUtilizationByUser": 21,
    "AccountUtilizationByQOS": 21,
    "UserUtilizationByAccount": 18,
    "UserUtilizationByWckey": 18,
    "Utilization": 2,
}


def _report(session: Session, kind: str, words: Sequence[str]) -> int:
    if len(words) < 2:
        raise Stop(1, err=f"too few arguments for keyword:{words[0]}\n")
    typed = words[1].lower()
    known = [name for name, _ in REPORTS[kind]]
    least = _LEAST if kind == "cluster" else {}
    report = next((name for name in known if len(typed) >= least.get(name, 1) and name.lower().startswith(typed)), None)
    if report is None:
        raise Stop(1, err=f"Not valid report {words[1]}\nValid {kind} reports are, {_VALID[kind]}\n")
    _choose_tres(session)
    from .sreport_reports import make

    made = make(session, kind, report, words[2:])
    return _show(session, made)


_VALID = {
    "cluster": '"AccountUtilizationByUser", "AccountUtilizationByQOS", "UserUtilizationByAccount", '
    '"UserUtilizationByWckey", "Utilization", and "WCKeyUtilizationByUser"',
    "job": '"SizesByAccount, SizesByAccountAndWcKey, and  SizesByWckey"',
    "reservation": '"Utilization"',
    "user": '"Top"',
}


def _show(session: Session, report: Report) -> int:
    parsed = session.parsed
    if "html" in parsed:
        from .sreport_html import write

        write(report, str(parsed.get("html")))
    if "plot" in parsed:
        from .sreport_plot import draw

        return draw(report)
    if "html" in parsed:
        return 1 if report.request.failed else 0
    return report.print()


def _choose_tres(session: Session) -> None:
    text = session.parsed.get("tres")
    if text is None:
        session.tres = ["cpu"]
        return
    known = [
        f"{row[0]}/{row[1]}" if row[1] else row[0] for row in session.query("tres", {}, ("type", "name", "id")).rows
    ]
    session.tres_given = True
    wanted = list(dict.fromkeys(word.strip().lower() for word in str(text).split(",")))
    session.tres_all = "all" in wanted
    session.tres = known if session.tres_all else [name for name in wanted if name in known]
    if not session.tres:
        raise Stop(1, err=line(NAME, "No valid TRES given", "fatal"))
