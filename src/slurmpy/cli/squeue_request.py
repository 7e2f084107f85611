"""What squeue was asked for: its options, read and checked."""

from __future__ import annotations

import os
import sys

from ..core.states import JobState
from ..format import table
from ..format.table import Context
from .errors import Stop, fail, line, report, write
from .options.squeue import COMMAND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..format.registry import View
    from ..rpc.cluster import Cluster
    from .command import Parsed

NAME = "squeue"
#: what is shown without -t: what has not ended, or is about to
UNFINISHED: tuple[int, ...] = (
    JobState.PENDING, JobState.RUNNING, JobState.SUSPENDED, JobState.COMPLETING, JobState.STAGE_OUT,
)  # fmt: skip
_ENDING = JobState.COMPLETING | JobState.STAGE_OUT


class Request:
    """The options, read. Raises Stop for those that Slurm refuses."""

    def __init__(self, parsed: Parsed, env: Mapping[str, str]) -> None:
        operands = list(parsed.operands)
        self.array = parsed.flag("array")
        self.priority = parsed.flag("priority")
        self.long = parsed.flag("long")
        self.start = parsed.flag("start")
        self.only_state = parsed.flag("only-job-state")
        self.noheader = parsed.flag("noheader")
        self.notme = parsed.flag("notme")
        self.verbose = parsed.count("verbose")
        self.env = env
        self.parsed = parsed
        self._read_format(parsed)
        self.encoding, self.parser = "", ""
        for given in parsed:
            if given.option.name in ("json", "yaml"):
                self.encoding, self.parser = given.option.name, given.value or ""
        self.jobs_text = self._optional(parsed, "jobs", operands)
        self.jobs, self.tasks = _read_jobs(self.jobs_text)
        self.steps_text = self._optional(parsed, "steps", operands)
        self.steps = _read_steps(self.steps_text) if "steps" in parsed else None
        if operands:
            raise Stop(1, out=COMMAND.usage_text(), err=line(NAME, f"Unrecognized option: {operands[0]}"))
        iterate = parsed.get("iterate")
        self.iterate = 0
        if iterate is not None:
            if not iterate.isdigit() or int(iterate) == 0:
                raise Stop(1, err=f"squeue: error: --iterate={iterate}\n\n")
            self.iterate = int(iterate)
        self.sort = parsed.get("sort")
        self.partitions = _words(parsed.get("partitions"))
        self.all = not parsed.flag("hide") and (parsed.flag("all") or self.partitions is not None)
        self.accounts = _words(parsed.get("accounts"))
        self.names = _words(parsed.get("name"))
        self.qos = _words(parsed.get("qos"))
        self.licenses = _words(parsed.get("licenses"))
        self.reservation = parsed.get("reservation")
        self.nodes = parsed.get("nodelist")
        self.states = _read_states(parsed.get("states"))
        self.users = self._read_users(parsed)
        #: no record can be meant: nothing needs to be asked
        self.nobody = self.users == () or self.jobs == ()
        self.cluster_heading = ""

    def _read_format(self, parsed: Parsed) -> None:
        self.format: tuple[str, str] | None = None
        typed = ""
        for given in parsed:
            name = given.option.name
            if name not in ("format", "Format"):
                continue
            if given.origin == "command line":
                letter = "o" if name == "format" else "O"
                if typed and typed != name:
                    other = "O" if letter == "o" else "o"
                    fail(NAME, f"-{letter} (--{name}) is incompatible with -{other} (--{typed})")
                typed = name
            self.format = (name, given.value or "")
        if self.long and typed:
            option = "-o(--format)" if typed == "format" else "-O(--Format)"
            text = f"Options {option} and -l(--long) are mutually exclusive. Please remove one and retry."
            fail(NAME, text, level="fatal")
        if self.long:
            self.format = None

    @staticmethod
    def _optional(parsed: Parsed, name: str, operands: list[str]) -> str | None:
        """The value of an option whose argument may stand apart; None where it was given without, or not at all."""
        if name not in parsed:
            return None
        value = parsed.get(name)
        if value is not True:
            return str(value)
        return operands.pop(0) if operands else None

    def _read_users(self, parsed: Parsed) -> tuple[int, ...] | None:
        if parsed.flag("me"):
            return (os.getuid(),)
        text = parsed.get("users")
        if text is None:
            return None
        found = []
        for word in text.split(","):
            if not word:
                continue
            if word.isdigit():
                found.append(int(word))
                continue
            import pwd

            try:
                found.append(pwd.getpwnam(word).pw_uid)
            except KeyError:
                write(sys.stderr, line(NAME, f"Invalid user: {word}") + "\n")
        return tuple(found)

    def layout(self, view: View, default: str) -> table.Layout:
        """The columns asked for; what is wrong with them is told on standard error."""

        def complain(message: str) -> None:
            report(NAME, message)

        if self.format is None:
            return table.parse_letters(default, view, complain)
        kind, text = self.format
        if kind == "format":
            return table.parse_letters(text, view, complain)
        return table.parse_names(text, view, complain)

    def context(self, meta: dict[str, Any], cluster: Cluster) -> Context:
        import time

        width = self.env.get("SLURM_BITSTR_LEN", "")
        return Context(
            now=meta.get("now") or time.time(),
            time_format=self.env.get("SLURM_TIME_FORMAT"),
            array_width=int(width) if width.isdigit() else 64,
            noconvert=self.parsed.flag("noconvert"),
            expand=self.parsed.flag("expand-patterns"),
            more={"array_width": True} if width.isdigit() else None,
        )

    # ---- filters

    def where(self, cluster: Cluster) -> dict[str, Any]:
        """The filters that run in the controller."""
        where: dict[str, Any] = {}
        if self.all:
            where["all"] = True
        if self.jobs is not None:
            where["job_ids"] = self.jobs
        if self.users is not None:
            where["users"] = self.users
        if self.states is None or self.start:
            states = (JobState.PENDING,) if self.start else UNFINISHED
        else:
            states = self.states
        # a single job is always asked for, so that it is known whether there is one of that number; so are all with -v,
        # which tells how many there are; but not for a document, which is the controller's
        everything = self.verbose or (self.jobs is not None and len(self.jobs) == 1)
        if states and (self.encoding or not everything):
            where["states"] = states
            if self.start or self.states is not None:
                where["exact"] = True  # a state with a flag (SPECIAL_EXIT, for instance) is another one
        for name, values in (
            ("partitions", self.partitions), ("accounts", self.accounts), ("qos", self.qos), ("names", self.names),
            ("licenses", self.licenses), ("reservations", None if self.reservation is None else (self.reservation,)),
        ):  # fmt: skip
            if values is not None:
                where[name] = values
        if self.nodes is not None:
            where["nodes"] = self._known_nodes(cluster)
        return where

    def where_steps(self) -> dict[str, Any]:
        where: dict[str, Any] = {"all": True} if self.all else {}
        if self.steps:
            where["step"] = self.steps
        if self.jobs is not None:
            where["job_ids"] = self.jobs
        return where

    def _known_nodes(self, cluster: Cluster) -> tuple[str, ...]:
        from ..core import hostlist

        answer = cluster.query("nodes", ("name", "hostname"), {})
        known: dict[str, list[str]] = {}
        for name, hostname in answer.rows:
            known.setdefault(name, []).append(name)
            if hostname != name:
                known.setdefault(hostname, []).append(name)
        found: list[str] = []
        for name in hostlist.expand(self.nodes or ""):
            if name == "localhost":
                name = os.uname().nodename.partition(".")[0]
            if name not in known:
                fail(NAME, f"Invalid node name {name}")
            found.extend(known[name])
        return tuple(dict.fromkeys(found))

    def select(self, rows: list[Any], index: dict[str, int]) -> list[Any]:
        """The filters that are finer than the controller's."""
        state = index["job_state"]
        if self.start:
            rows = [row for row in rows if row[state] == JobState.PENDING]
        elif self.states is None:
            rows = [row for row in rows if row[state] & JobState.BASE <= JobState.SUSPENDED or row[state] & _ENDING]
        elif self.states:
            exact = {number for number in self.states if number <= JobState.BASE}
            flags = 0
            for number in self.states:
                flags |= number & ~JobState.BASE
            rows = [row for row in rows if row[state] in exact or row[state] & flags]
        if self.notme:
            user, own = index["user_id"], os.getuid()
            rows = [row for row in rows if row[user] != own]
        return rows

    def select_steps(self, rows: list[Any], index: dict[str, int], cluster: Cluster) -> list[Any]:
        if self.users is not None:
            user = index["user_id"]
            rows = [row for row in rows if row[user] in self.users]
        if self.notme:
            user, own = index["user_id"], os.getuid()
            rows = [row for row in rows if row[user] != own]
        if self.partitions is not None:
            partition = index["partition"]
            rows = [row for row in rows if row[partition] in self.partitions]
        if self.names is not None:
            name = index["name"]
            rows = [row for row in rows if row[name] in self.names]
        if self.nodes is not None:
            from ..core import hostlist

            wanted, nodes = set(self._known_nodes(cluster)), index["nodes"]
            rows = [row for row in rows if wanted.intersection(hostlist.expand(row[nodes]))]
        return rows

    # ---- clusters

    def settle_clusters(self, cluster: Cluster) -> None:
        """Checks -M: only the own cluster can be reached; heads the output with its name."""
        text = self.parsed.get("clusters")
        if text is None:
            return
        from .clusters import check

        own = check(NAME, text, cluster)
        if not self.encoding:
            self.cluster_heading = own

    def describe(self) -> str:
        """What -v says first."""

        def shown(value: Any) -> str:
            return "(null)" if value is None else str(value)

        def truth(value: Any) -> str:
            return "true" if value else "false"

        get = self.parsed.get
        lines = (
            f"all         = {truth(self.all)}",
            f"array       = {truth(self.array)}",
            f"federation  = {truth('federation' in self.parsed)}",
            f"format      = {shown(self.format[1] if self.format and self.format[0] == 'format' else None)}",
            f"iterate     = {self.iterate}",
            f"job_flag    = {int('jobs' in self.parsed)}",
            f"jobs        = {shown(self.jobs_text)}",
            f"licenses    = {shown(get('licenses'))}",
            f"local       = {truth('local' in self.parsed)}",
            f"names       = {shown(get('name'))}",
            f"nodes       = {get('nodelist') or ''}",
            f"only_job_state = {truth(self.only_state)}",
            f"partitions  = {shown(get('partitions'))}",
            f"priority    = {truth(self.priority)}",
            f"reservation = {shown(self.reservation)}",
            f"sibling      = {truth('sibling' in self.parsed)}",
            f"sort        = {shown(self.sort)}",
            f"start_flag  = {int(self.start)}",
            f"states      = {shown(get('states'))}",
            f"step_flag   = {int(self.steps is not None)}",
            f"steps       = {shown(self.steps_text)}",
            f"users       = {shown(get('users'))}",
            f"verbose     = {self.verbose}",
        )
        jobs = []
        if self.verbose > 1:
            jobs = [f"job_list[{number}] = {one[0]}" for number, one in enumerate(self.jobs or ())]
        rule = "-" * 29
        return "\n".join((rule, *lines, *jobs, rule)) + "\n\n"


def _words(text: str | None) -> tuple[str, ...] | None:
    """The words of a comma-separated list, None for none."""
    return None if text is None else tuple(filter(None, text.split(",")))


def _number(text: str) -> int | None:
    """The number at the beginning of a text."""
    text = text.strip()
    digits = len(text) - len(text.lstrip("0123456789"))
    return int(text[:digits]) if digits else None


def _read_jobs(text: str | None) -> tuple[tuple[tuple[int, int | None, int | None], ...] | None, dict[int, set[int]]]:
    """Jobs of -j as the controller takes them, and the tasks asked for by array job.

    A component of a heterogeneous job stands for the whole of it.
    """
    if text is None:
        return None, {}
    found: list[tuple[int, int | None, int | None]] = []
    tasks: dict[int, set[int]] = {}
    for word in text.split(","):
        if not word:
            continue
        number = _number(word)
        if not number:
            fail(NAME, f"Invalid job id: {word}")
        _, underscore, rest = word.partition("_")
        if underscore:
            task = _number(rest) or 0
            tasks.setdefault(number, set()).add(task)
            found.append((number, task, None))
        else:
            found.append((number, None, None))
    return tuple(found), tasks


def _read_steps(text: str | None) -> tuple[tuple[int, int], ...]:
    """Steps of -s; the step of ``12.batch`` is read as a number, so it is 0."""
    found = []
    for word in (text or "").split(","):
        if not word:
            continue
        first, dot, second = word.partition(".")
        number = _number(first)
        if not number or not dot:
            fail(NAME, f"Invalid job_step id: {word}{'' if dot else '.??'}")
        found.append((number, _number(second) or 0))
    return tuple(found)


def state_names() -> list[str]:
    """The states that --states takes, as --helpstate lists them."""
    base = [names[0] for names in JobState.NAMES.values()]
    flags = (
        "COMPLETING", "CONFIGURING", "RESIZING", "RESV_DEL_HOLD", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "REVOKED",
        "SIGNALING", "SPECIAL_EXIT", "STAGE_OUT", "STOPPED",
    )  # fmt: skip
    return [name.lower() for name in (*base, *flags)]


def _read_states(text: str | None) -> tuple[int, ...] | None:
    """States by number: () for all, None for what is shown by default."""
    if text is None:
        return None
    known = (*JobState.NAMES.items(), *JobState.FLAG_NAMES.items())
    numbers = {name: number for number, names in known for name in names}
    found = []
    for word in text.split(","):
        if word.upper() == "ALL":
            return ()
        if not word:
            continue
        number = numbers.get(word.upper())
        if number is None:
            valid = ",".join(state_names())
            text = f"Invalid job state specified: {word}\nValid job states include: {valid}"
            raise Stop(1, err=line(NAME, text) + "\n")
        found.append(number)
    return tuple(found)
