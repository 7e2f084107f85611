"""scontrol: one command of its own little language, or an interactive session of them.

Keywords and entities may be shortened as Slurm allows: each has a least number of letters, and the first of the table
that a word begins wins. Failures are told on standard error and remembered for the exit code.
"""

from __future__ import annotations

import sys

from ..core.errors import SlurmError
from .errors import entry, line, write
from .options.scontrol import COMMAND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import NoReturn

    from ..rpc.cluster import Cluster
    from .command import Parsed

NAME = "scontrol"
VERSION = "slurm 24.11.5"


class Session:
    """What a run of scontrol knows: its options, its cluster, how it has gone."""

    def __init__(self, parsed: Parsed, env: Mapping[str, str]) -> None:
        self.env = env
        self.all = "all" in parsed and "hide" not in parsed
        self.detail = parsed.count("details")
        self.future = "future" in parsed
        self.one_line = "oneliner" in parsed
        self.quiet = "quiet" in parsed
        self.verbose = parsed.count("verbose")
        self.uid = parsed.get("uid")
        self.encoding = next((name for name in ("json", "yaml") if name in parsed), None)
        given = parsed.get(self.encoding) if self.encoding else None
        self.parser = given if isinstance(given, str) else ""
        self.words: list[str] = list(parsed.operands)
        self.code = 0
        self.done = False
        self._cluster: Cluster | None = None
        self._acting: Cluster | None = None

    @property
    def cluster(self) -> Cluster:
        """The cluster; connected to when first needed. Raises SlurmError."""
        if self._cluster is None:
            from . import connect

            self._cluster = cluster = connect.cluster(NAME)
            if self.verbose > 1:
                self.say(f"cluster {cluster.conf.ClusterName} of {cluster.conf.path}", "debug")
        return self._cluster

    @property
    def acting(self) -> Cluster:
        """The cluster as --uid's user, if given: for updates of jobs, and for nothing else. Raises SlurmError."""
        if self.uid is None:
            return self.cluster
        if self._acting is None:
            from . import connect

            acting = connect.cluster(NAME)
            _connect_as(self.uid, acting)
            self._acting = acting
        return self._acting

    def out(self, text: str) -> None:
        write(sys.stdout, text)

    def failed(self, text: str = "") -> None:
        """A failure: its text as it is on standard error unless -Q, and exit code 1."""
        self.code = 1
        if text and not self.quiet:
            sys.stdout.flush()
            write(sys.stderr, text + "\n")

    def error(self, text: str) -> None:
        """A failure in the form ``scontrol: error: text``."""
        self.code = 1
        self.say(text)

    def say(self, text: str, level: str = "error") -> None:
        if not self.quiet:
            sys.stdout.flush()
            write(sys.stderr, line(NAME, text, level))


def too_few(session: Session, word: str) -> None:
    session.failed(f"too few arguments for keyword:{word}")


def too_many(session: Session, word: str) -> None:
    session.failed(f"too many arguments for keyword:{word}")


# ---- keywords that are little more than a setting


def _setting(name: str, value: object) -> Callable[[Session, list[str]], None]:
    def act(session: Session, words: list[str]) -> None:
        if len(words) > 1:
            too_many(session, words[0])
            return
        setattr(session, name, value)

    return act


def _all(session: Session, words: list[str]) -> None:
    session.all = True


def _version(session: Session, words: list[str]) -> None:
    if len(words) > 1:
        session.failed(f"too many arguments for {words[0]} keyword")
    session.out(VERSION + "\n")


def _help(session: Session, words: list[str]) -> None:
    if len(words) > 1:
        too_many(session, words[0])
    session.out(COMMAND.help())


def _errnumstr(session: Session, words: list[str]) -> None:
    from ..core.errors import message_of

    if len(words) != 2:
        session.failed(f"one arguments required for keyword:{words[0]}")
        return
    text = words[1]
    if not text.isdecimal():
        session.failed(f"numeric arguments required for keyword:{words[0]}")
        return
    session.out(message_of(int(text)) + "\n")


def _lazy(module: str, function: str) -> Callable[[Session, list[str]], None]:
    """A keyword whose code is imported when it is used."""

    def act(session: Session, words: list[str]) -> None:
        from importlib import import_module

        getattr(import_module(f"slurmpy.cli.{module}"), function)(session, words)

    return act


#: keyword, its least letters, what it does; the first row that a word matches wins
KEYWORDS: tuple[tuple[str, int, Callable[[Session, list[str]], None]], ...] = (
    ("all", 2, _all),
    ("cancel_reboot", 3, _lazy("scontrol_admin", "cancel_reboot")),
    ("cluster", 2, _lazy("scontrol_admin", "cluster")),
    ("completing", 2, _lazy("scontrol_show", "completing")),
    ("create", 2, _lazy("scontrol_create", "create")),
    ("details", 1, _setting("detail", 1)),
    ("delete", 3, _lazy("scontrol_create", "delete")),
    ("errnumstr", 2, _errnumstr),
    ("exit", 2, _setting("done", True)),
    ("fsdampeningfactor", 3, _lazy("scontrol_admin", "fs_dampening_factor")),
    ("getaddrs", 8, _lazy("scontrol_node_tools", "getaddrs")),
    ("getent", 6, _lazy("scontrol_node_tools", "getent")),
    ("help", 2, _help),
    ("hide", 2, _setting("all", False)),
    ("hold", 4, _lazy("scontrol_jobs", "hold")),
    ("holdu", 5, _lazy("scontrol_jobs", "user_hold")),
    ("uhold", 2, _lazy("scontrol_jobs", "user_hold")),
    ("listpids", 1, _lazy("scontrol_node_tools", "listpids")),
    ("listjobs", 5, _lazy("scontrol_node_tools", "listjobs")),
    ("liststeps", 5, _lazy("scontrol_node_tools", "liststeps")),
    ("notify", 1, _lazy("scontrol_jobs", "notify")),
    ("oneliner", 1, _setting("one_line", True)),
    ("pidinfo", 3, _lazy("scontrol_node_tools", "pidinfo")),
    ("ping", 3, _lazy("scontrol_admin", "ping")),
    ("power", 2, _lazy("scontrol_admin", "power")),
    ("quiet", 4, _setting("quiet", True)),
    ("quit", 4, _setting("done", True)),
    ("reboot", 3, _lazy("scontrol_admin", "reboot")),
    ("reconfigure", 3, _lazy("scontrol_admin", "reconfigure")),
    ("release", 3, _lazy("scontrol_jobs", "release")),
    ("requeue", 3, _lazy("scontrol_jobs", "requeue")),
    ("requeuehold", 8, _lazy("scontrol_jobs", "requeue_hold")),
    ("resume", 3, _lazy("scontrol_jobs", "resume")),
    ("schedloglevel", 3, _lazy("scontrol_admin", "schedloglevel")),
    ("setdebug", 2, _lazy("scontrol_admin", "setdebug")),
    ("setdebugflags", 9, _lazy("scontrol_admin", "setdebugflags")),
    ("show", 3, _lazy("scontrol_show", "show")),
    ("shutdown", 8, _lazy("scontrol_admin", "shutdown")),
    ("suspend", 2, _lazy("scontrol_jobs", "suspend")),
    ("takeover", 8, _lazy("scontrol_admin", "takeover")),
    ("token", 3, _lazy("scontrol_admin", "token")),
    ("top", 3, _lazy("scontrol_jobs", "top")),
    ("update", 1, _lazy("scontrol_update", "update")),
    ("verbose", 4, _setting("verbose", 2)),
    ("version", 4, _version),
    ("wait_job", 2, _lazy("scontrol_jobs", "wait_job")),
    ("write", 5, _lazy("scontrol_jobs", "write")),
)


def matches(word: str, name: str, least: int) -> bool:
    """Whether `word` is `name` or a long enough beginning of it, in any case."""
    return len(word) >= least and name.startswith(word.lower())


def act(session: Session, words: list[str]) -> None:
    """Does one command. What a daemon or file refuses becomes a message and the exit code."""
    if not words or not words[0]:
        return
    for name, least, handler in KEYWORDS:
        if matches(words[0], name, least):
            handler(session, words)
            return
    session.failed(f"invalid keyword: {words[0]}")


def interactive(session: Session) -> None:
    """Commands from standard input until its end, ``exit`` or ``quit``."""
    import shlex

    terminal = sys.stdin.isatty()
    if terminal:
        try:
            import readline  # noqa: F401 - gives input() its history and editing
        except ImportError:
            pass
    last = ""
    while not session.done:
        try:
            text = input("scontrol: ")
        except (EOFError, KeyboardInterrupt):
            session.out("\n" if terminal else "")
            return
        if not terminal:
            session.out(text + "\n")
        if text.strip() == "!!":
            text = last
        last = text
        try:
            words = shlex.split(text)
        except ValueError as error:
            session.failed(f"{error}")
            continue
        session.words = words
        try:
            act(session, words)
        except SlurmError as error:
            session.error(error.message)


def _flags_behind(argv: list[str]) -> list[str]:
    """The arguments with a ``--`` before those of setdebugflags, whose minus signs begin no option."""
    for at, word in enumerate(argv):
        if matches(word, "setdebugflags", 9):
            return [*argv[: at + 1], "--", *argv[at + 1 :]]
    return argv


def user_id(user: str) -> tuple[int, int]:
    """The numbers of a user, by name or number, and of its group. Raises SlurmError."""
    import pwd

    try:
        found = pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)
    except KeyError:
        raise SlurmError("ESLURM_USER_ID_INVALID", f"Invalid user id: {user}") from None
    return found.pw_uid, found.pw_gid


def _connect_as(user: str, cluster: Cluster) -> None:
    """Connects to slurmctld as another user, whom it then takes for the one who asks. Raises SlurmError."""
    import os

    uid, gid = user_id(user)
    own = os.geteuid(), os.getegid()
    if uid == own[0]:
        return
    try:
        os.setegid(gid)
        os.seteuid(uid)
    except PermissionError:
        raise SlurmError("ESLURM_ACCESS_DENIED", f"only root may act as {user}") from None
    try:
        cluster.call("ping")  # who we are is settled when the connection is made
    finally:
        os.seteuid(own[0])
        os.setegid(own[1])


def run(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """The command with its arguments; returns its exit code."""
    parsed = COMMAND.parse(_flags_behind(list(argv)), env)
    session = Session(parsed, env)
    if session.encoding:
        from .json_output import check

        ended = check(NAME, session.encoding, session.parser)
        if ended is not None:
            return ended
    if "cluster" in parsed:
        from .scontrol_admin import check_cluster

        check_cluster(session, parsed.get("cluster"))
    if session.uid is not None:
        try:
            user_id(session.uid)
        except SlurmError:
            session.error(f'--uid="{session.uid}" invalid')
            return session.code
    words = list(parsed.operands)
    if not words:
        interactive(session)
        return session.code
    if matches(words[0], "all", 2) and len(words) > 1:
        session.all = True
        return session.code
    act(session, words)
    return session.code


def main() -> NoReturn:
    entry(NAME, run)
