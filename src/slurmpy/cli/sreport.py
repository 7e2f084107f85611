"""sreport: usage of clusters, accounts, users, WCKeys and reservations, out of the accounting database."""

from __future__ import annotations

import sys
import time

from ..core.errors import SlurmError
from .errors import Stop, entry, line
from .options.sreport import COMMAND, REPORTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, NoReturn

    from ..rpc.cluster import Cluster
    from .command import Parsed

NAME = "sreport"

#: name: (seconds a unit, the unit's word, whether the share of the whole stands beside it)
TIME_FORMATS: dict[str, tuple[int, str, bool]] = {
    "SecPer": (1, "Seconds", True),
    "MinPer": (60, "Minutes", True),
    "HourPer": (3600, "Hours", True),
    "Seconds": (1, "Seconds", False),
    "Minutes": (60, "Minutes", False),
    "Hours": (3600, "Hours", False),
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
        self.tres_given = False

    @property
    def cluster(self) -> Cluster:
        if self._cluster is None:
            from . import connect

            self._cluster = connect.cluster(NAME)
        return self._cluster

    def call(self, method: str, args: Mapping[str, Any]) -> Any:
        return self.cluster.slurmdbd.call(method, dict(args))

    def query(self, what: str, where: Mapping[str, Any] | None = None, fields: Sequence[str] = ()) -> Any:
        return self.cluster.slurmdbd.query(what, fields, dict(where or {}))

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
        number = str(seconds // self.unit if self.unit > 1 else seconds)
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
    for one in parsed:
        if one.option.name in ("parsable", "parsable2"):
            session.separator, session.trailing = "|", one.option.name == "parsable"
        elif one.option.name == "time" and not session.set_time_format(one.value or ""):
            sys.stderr.write(f"unknown time format {one.value}")
    if parsed.operands:
        return guarded(session, parsed.operands)
    return _interactive(session)


def guarded(session: Session, words: Sequence[str]) -> int:
    from .sacct import unreachable

    try:
        return command(session, words)
    except SlurmError as error:
        raise unreachable(NAME, session.cluster, error) from None


def _interactive(session: Session) -> int:
    worst = 0
    while True:
        if sys.stdin.isatty():
            session.write(f"{NAME}: ")
            sys.stdout.flush()
        text = sys.stdin.readline()
        words = text.split()
        if not text or (words and words[0].lower() in ("exit", "quit")):
            return worst
        if not words:
            continue
        try:
            code = guarded(session, words)
        except Stop as stop:
            session.write(stop.out)
            sys.stdout.flush()
            sys.stderr.write(stop.err)
            code = stop.code
        worst = worst or code


def command(session: Session, words: Sequence[str]) -> int:
    """One command. Raises Stop and SlurmError."""
    typed = words[0].lower()
    kind = next((one for one in REPORTS if len(typed) > 1 and one.startswith(typed)), None)
    if kind is not None:
        return _report(session, kind, words)
    if typed == "help":
        session.write(COMMAND.help())
    elif typed == "version":
        from .. import SLURM_VERSION

        session.write(f"slurm {SLURM_VERSION}\n")
    elif typed in ("parsable", "parsable2", "nonparsable"):
        session.separator = None if typed == "nonparsable" else "|"
        session.trailing = typed == "parsable"
    elif typed == "time" and len(words) > 1:
        if not session.set_time_format(words[1]):
            sys.stderr.write(f"unknown time format {words[1]}")
    elif typed not in ("quiet", "verbose"):
        raise Stop(1, err=f"invalid keyword: {words[0]}\n")
    return 0


def _report(session: Session, kind: str, words: Sequence[str]) -> int:
    if len(words) < 2:
        raise Stop(1, err=f"too few arguments for keyword:{words[0]}\n")
    names = [name for name, _ in REPORTS[kind]]
    typed = words[1].lower()
    report = next((name for name in names if name.lower().startswith(typed)), None)
    if report is None:
        shown = ", ".join(f'"{name}"' for name in names[:-1])
        valid = f'{shown}, and "{names[-1]}"' if len(names) > 1 else f'"{names[0]}"'
        raise Stop(1, err=f"Not valid report {words[1]}\nValid {kind} reports are, {valid}\n")
    _choose_tres(session)
    from .sreport_reports import show

    return show(session, kind, report, words[2:])


def _choose_tres(session: Session) -> None:
    text = session.parsed.get("tres")
    if not text:
        session.tres = ["cpu"]
        return
    known = [
        f"{row[0]}/{row[1]}" if row[1] else row[0] for row in session.query("tres", {}, ("type", "name", "id")).rows
    ]
    session.tres_given = True
    wanted = {word.strip().lower() for word in text.split(",")}
    session.tres = known if "all" in wanted else [name for name in known if name in wanted]
    if not session.tres:
        raise Stop(1, err=line(NAME, "No valid TRES given", "fatal"))
