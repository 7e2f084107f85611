"""sacctmgr: what the accounting database knows, shown and changed; one command, or many read from standard input."""

from __future__ import annotations

import os
import sys
import time

from ..core.errors import SlurmError
from .errors import Stop, entry, line
from .options.sacctmgr import COMMAND, COMMANDS
from .sacctmgr_words import NAME, Known

#: lists that PrivateData may close, by how their names begin
CLOSED = ("acc", "res", "eve")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, NoReturn

    from ..rpc.cluster import Answer, Cluster

#: how long the question before a change waits for its answer
PATIENCE = 30

_SHOW = (
    "Account", "Association", "Cluster", "Configuration", "Event", "Federation", "Instance", "Problem", "QOS",
    "Resource", "Reservation", "RunAwayJobs", "Stats", "Transaction", "TRES", "User", "WCKey",
)  # fmt: skip
#: how short the entity of a list may be cut, where that is not one letter
_SHORTEST_ENTITY = {
    "Account": 2, "Association": 2, "Cluster": 2, "Configuration": 2, "Resource": 4, "Reservation": 4,
    "RunAwayJobs": 2, "TRES": 3,
}  # fmt: skip
_SHOW_ALIASES = {"txn": "transaction", "assoc": "association", "acct": "account", "conf": "configuration"}


def main() -> NoReturn:
    entry(NAME, run)


class Session:
    """How sacctmgr was called, its connection, and what it prints to."""

    def __init__(self, argv: Sequence[str], cluster: Cluster | None, write: Callable[[str], object]) -> None:
        self.argv, self.write, self._cluster = argv, write, cluster
        self.now = int(time.time())
        self.separator: str | None = None
        self.trailing = False
        self.immediate = self.noheader = self.quiet = self.readonly = self.associations = False
        self.encoding = self.parser = ""
        self.interactive = False
        self.known = Known(lambda what, fields: self.query(what, {}, fields).rows)

    @property
    def cluster(self) -> Cluster:
        if self._cluster is None:
            from . import connect

            self._cluster = connect.cluster(NAME)
        return self._cluster

    def query(self, what: str, where: Mapping[str, Any] | None = None, fields: Sequence[str] = ()) -> Answer:
        return self.cluster.slurmdbd.query(what, fields, dict(where or {}))

    def call(self, method: str, args: Mapping[str, Any]) -> Any:
        return self.cluster.slurmdbd.call(method, dict(args))

    def is_operator(self) -> bool:
        if os.geteuid() == 0:
            return True
        import pwd

        name = pwd.getpwuid(os.geteuid()).pw_name
        rows = self.query("users", {"names": (name,)}, ("administrator_level",)).rows
        return bool(rows) and rows[0][0] in ("Operator", "Administrator")

    def say(self, text: str) -> None:
        """Prints what is no list, unless -Q."""
        if not self.quiet:
            self.write(text)

    def ask(self, question: str) -> bool:
        """A yes to a question; no answer in time is a no."""
        import select

        self.write(f"{question} (You have {PATIENCE} seconds to decide)\n(N/y): ")
        until = time.monotonic() + PATIENCE
        while True:
            sys.stdout.flush()
            ready, _, _ = select.select([sys.stdin], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                self.write("timeout\n")
                return False
            answer = sys.stdin.readline()
            if not sys.stdin.isatty():
                self.write("\n")  # as a terminal shows the end of the answer's line
            if not answer:
                return False  # nobody there to answer (Slurm asks for ever then)
            if answer.strip()[:1].lower() in ("y", "n", ""):
                return answer.strip()[:1].lower() == "y"
            self.write("Y or N please\n(N/y): ")

    def confirm(self, question: str = "Would you like to commit changes?") -> bool:
        """Whether the change is to be made."""
        if self.ask(question):
            return True
        self.write(" Changes Discarded\n")
        return False


def run(
    argv: Sequence[str],
    env: Mapping[str, str],
    cluster: Cluster | None = None,
    write: Callable[[str], object] | None = None,
) -> int:
    """The command: `argv` without the program's name."""
    parsed = COMMAND.parse(argv, env)
    session = Session(argv, cluster, write or sys.stdout.write)
    for one in parsed:
        name = one.option.name
        if name in ("parsable", "parsable2"):
            session.separator, session.trailing = "|", name == "parsable"
        elif name in ("json", "yaml"):
            session.encoding, session.parser = name, one.value or ""
        elif hasattr(session, name):
            setattr(session, name, True)
    if session.encoding:
        from . import json_output

        refused = json_output.check(NAME, session.encoding, session.parser)
        if refused is not None:
            return refused
    if parsed.operands:
        return guarded(session, parsed.operands)
    return interactive(session)


def guarded(session: Session, words: Sequence[str]) -> int:
    """One command; a slurmdbd that is not there ends it in Slurm's words."""
    try:
        return command(session, words)
    except SlurmError as error:
        from .sacct import unreachable

        if error.name in ("SLURM_COMMUNICATIONS_CONNECTION_ERROR", "SLURM_PROTOCOL_AUTHENTICATION_ERROR"):
            if words[0].lower() == "ping":
                return _ping_down(session, error)
            raise unreachable(NAME, session.cluster, error) from None
        if error.name == "ESLURM_ACCESS_DENIED" and words[1:] and words[1].lower()[:3] in CLOSED:
            raise Stop(1, err=line(NAME, error.message) + " Problem with query.\n") from None
        raise Stop(1, err=f" Error with request: {error.message}\n") from None


def interactive(session: Session) -> int:
    """Commands from standard input until it ends; the exit code is that of the worst."""
    session.interactive = True
    worst = 0
    last: list[str] = []
    prompt = f"{NAME}: "
    while True:
        text = _next_line(session, prompt)
        if text is None:
            break
        words = _split(text)
        if words and words[0] == "!!":
            words = last
        if not words:
            continue
        last = words
        if words[0].lower() in ("exit", "exi", "ex", "e", "quit", "qui", "qu", "q"):
            break
        try:
            code = guarded(session, words)
        except Stop as stop:
            session.write(stop.out)
            sys.stdout.flush()
            sys.stderr.write(stop.err)
            code = stop.code
        worst = worst or code
    return worst


def _next_line(session: Session, prompt: str) -> str | None:
    if sys.stdin.isatty():
        from . import sacctmgr_history

        sacctmgr_history.use()
        try:
            text = input(prompt)
        except EOFError:
            session.write("\n")
            return None
        sacctmgr_history.keep(text)
        return text
    text = sys.stdin.readline()
    if not text:
        session.write(f"{prompt}\n")
        return None
    session.write(f"{prompt}{text.rstrip(chr(10))}\n")
    return text


def _split(text: str) -> list[str]:
    import shlex

    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


_MODES = {
    "associations": "associations",
    "immediate": "immediate",
    "quiet": "quiet",
    "readonly": "readonly",
}


def command(session: Session, words: Sequence[str]) -> int:
    """One command; returns its exit code. Raises Stop and SlurmError."""
    name = _keyword(words[0], (*COMMANDS, *_HIDDEN))
    rest = list(words[1:])
    name = {"create": "add", "remove": "delete", "update": "modify", "show": "list"}.get(name or "", name)
    if name in ("add", "modify", "delete", "archive", "load", "clear", "shutdown", "reconfigure") and session.readonly:
        raise Stop(1, err="Can't run this command in readonly mode.\n")
    if name in ("add", "modify", "delete"):
        return _change(session, name, rest)
    if name == "list":
        return _show(session, rest)
    if name == "dump":
        from .sacctmgr_dump import dump

        return dump(session, rest)
    if name == "load":
        from .sacctmgr_dump import load

        return load(session, rest)
    if name == "ping":
        return _ping(session)
    if name == "shutdown":
        session.call("shutdown", {})
        return 0
    if name == "reconfigure":
        session.call("reconfigure", {})
        return 0
    if name == "clear":
        if not rest or not "stats".startswith(rest[0].lower()):
            raise Stop(1, err='No valid entity in list command\nInput line must include "Stats"\n')
        session.call("clear_stats", {})
        return 0
    if name == "rollup":
        from .sacctmgr_about import rollup

        return rollup(session, rest)
    if name == "archive":
        from .sacctmgr_archive import archive

        return archive(session, rest)
    if name == "help":
        session.write(COMMAND.help())
        return 0
    if name == "version":
        from .. import SLURM_VERSION

        session.write(f"slurm {SLURM_VERSION}\n")
        return 0
    if name in ("parsable", "parsable2"):
        session.separator, session.trailing = "|", name == "parsable"
        return 0
    if name in _MODES:
        setattr(session, _MODES[name], True)
        return 0
    if name in ("oneliner", "verbose", "exit", "quit"):
        return 0
    raise Stop(1, err=f"invalid keyword: {words[0]}\n")


def _keyword(typed: str, table: Sequence[str]) -> str | None:
    wanted = typed.lower()
    if wanted in table:
        return wanted
    for word in table:
        if word.startswith(wanted) and len(wanted) >= _SHORTEST.get(word, 3):
            return word
    return None


#: commands that Slurm has and tells nobody of
_HIDDEN = ("rollup",)

#: how short a command may be cut, where that is not three letters
_SHORTEST = {
    "load": 2, "modify": 2, "rollup": 2, "update": 2, "ping": 4, "quiet": 4, "readonly": 4, "reconfigure": 4,
    "shutdown": 4, "verbose": 4, "version": 4,
}  # fmt: skip


def _change(session: Session, action: str, words: list[str]) -> int:
    from .sacctmgr_change import ACTIONS, ENTITIES

    entities = ENTITIES[action]
    typed = words[0].lower() if words else ""
    shortest = 2 if typed.startswith("c") else 1
    entity = next((one for one in entities if len(typed) >= shortest and one.lower().startswith(typed)), None)
    if entity is None and typed == "acct":
        entity = "Account"
    if entity is None:
        listed = ", ".join(f'"{one}"' for one in entities[:-1])
        raise Stop(
            1, err=f'No valid entity in {action} command\nInput line must include {listed}, or "{entities[-1]}"\n'
        )
    return ACTIONS[action, entity](session, words[1:])


def _show(session: Session, words: list[str]) -> int:
    typed = words[0].lower() if words else ""
    entity = _SHOW_ALIASES.get(typed) or next(
        (one.lower() for one in _SHOW if len(typed) >= _SHORTEST_ENTITY.get(one, 1) and one.lower().startswith(typed)),
        None,
    )
    if entity is None:
        raise Stop(
            1,
            err=(
                'No valid entity in list command\nInput line must include "Account", "Association", "Cluster",'
                ' "Configuration",\n"Event", "Federation", "Problem", "QOS", "Resource", "Reservation",\n'
                '"RunAwayJobs", "Stats", "Transaction", "TRES", "User", or "WCKey"\n'
            ),
        )
    from .sacctmgr_show import show

    return show(session, entity, words[1:])


def _place(session: Session) -> str:
    return str(session.cluster.conf.AccountingStorageHost or "localhost")


def _ping(session: Session) -> int:
    began = time.monotonic()
    session.call("ping", {})
    spent = int((time.monotonic() - began) * 1_000_000)
    return _told_ping(session, True, spent)


def _ping_down(session: Session, error: SlurmError) -> int:
    from .sacct import unreachable

    stop = unreachable(NAME, session.cluster, error)
    _told_ping(session, False, 0)
    sys.stdout.flush()
    sys.stderr.write(stop.err)
    return 1


def _told_ping(session: Session, up: bool, spent: int) -> int:
    if session.encoding:
        from . import json_output

        ping = {"hostname": _place(session), "responding": up, "latency": spent, "primary": True}
        pieces = json_output.records(
            session.cluster.conf, NAME, session.argv, "slurmdb_pings", (ping,), session.encoding, session.parser
        )
        return json_output.write(pieces)
    session.write(f"slurmdbd(primary) at {_place(session)} is {'UP' if up else 'DOWN'}\n")
    return 0 if up else 1
