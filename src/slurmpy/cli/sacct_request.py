"""What sacct asks slurmdbd: its options turned into the filters of a query."""

from __future__ import annotations

import os
import time

from ..core.states import JobState
from .errors import Stop, line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..rpc.cluster import Cluster
    from .command import Parsed

NAME = "sacct"

_STATE_FLAGS = {
    "REQUEUED": JobState.REQUEUED,
    "RQ": JobState.REQUEUED,
    "RESIZING": JobState.RESIZING,
    "RS": JobState.RESIZING,
    "REVOKED": JobState.REVOKED,
    "RV": JobState.REVOKED,
}
_JOB_FLAGS = {
    "schedsubmit": "STARTED_ON_SUBMIT",
    "schedmain": "STARTED_ON_SCHEDULE",
    "schedbackfill": "STARTED_ON_BACKFILL",
    "startreceived": "START_RECEIVED",
}
#: step numbers by name
_STEPS = {"batch": 0xFFFFFFFB, "extern": 0xFFFFFFFC, "interactive": 0xFFFFFFFA, "TBD": 0xFFFFFFFD}


def fatal(text: str, *before: str) -> Stop:
    """The end of sacct with its `fatal` line, after lines that are errors only."""
    return Stop(1, err="".join(line(NAME, one) for one in before) + line(NAME, text, "fatal"))


def failed(text: str) -> Stop:
    return Stop(1, err=line(NAME, text))


def words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def state_number(word: str) -> int:
    """A base state or a flag. Raises Stop."""
    wanted = word.upper()
    for number, names in JobState.NAMES.items():
        if wanted in names:
            return number
    if wanted in _STATE_FLAGS:
        return _STATE_FLAGS[wanted]
    # the beginning of a name will do, as getopt has it
    for number, names in JobState.NAMES.items():
        if len(wanted) > 2 and names[0].startswith(wanted):
            return number
    if any(wanted in names for names in JobState.FLAG_NAMES.values()):
        raise fatal(f"job state {word} is not supported / accounted")
    raise fatal(f"unrecognized job state value '{word}'")


def job_key(text: str) -> tuple[int, int | None, int | None, int | None]:
    """(job, array task, part, step) of ``12``, ``12_3``, ``12+1``, ``12.0``, ``12_3.batch``. Raises Stop."""
    whole, dot, step = text.partition(".")
    number, line, task = whole.partition("_")
    number, plus, part = number.partition("+")
    if not number.isdecimal():
        raise fatal(f"Bad job/step specified: {text}")
    if line and not task.isdecimal():
        raise fatal(f"Bad job array element specified: {number}")
    if plus and not part.isdecimal():
        raise fatal(f"Bad hetjob offset specified: {number}")
    step_id: int | None = None
    if dot:
        name = step.partition("+")[0]
        if name in _STEPS:
            step_id = _STEPS[name]
        elif name.isdecimal():
            step_id = int(name)
        else:
            raise fatal(f"Bad step specified: {number}")
    return int(number), int(task) if task else None, int(part) if plus else None, step_id


def _bounds(text: str, what: str) -> tuple[int, int | None]:
    low, dash, high = text.partition("-")
    if not low.isdecimal() or (dash and not high.isdecimal()):
        raise failed(f'Invalid numeric value "{text}" for requested {what} range.')
    if dash and int(high) < int(low):
        raise failed(f'Invalid numeric value "{text}" for requested {what} range.')
    return int(low), int(high) if dash else int(low)


def _reason(word: str) -> str:
    from ..core.reasons import REASONS

    for name in REASONS:
        if name.lower() == word.lower():
            return name
    raise fatal(f"unrecognized job reason value '{word}'")


def _user_ids(text: str) -> tuple[int, ...]:
    import pwd

    numbers = []
    for word in words(text) or [text]:
        try:
            numbers.append(pwd.getpwuid(int(word)).pw_uid if word.isdecimal() else pwd.getpwnam(word).pw_uid)
        except (KeyError, OverflowError):
            raise failed(f"Invalid user id: {word}") from None
    return tuple(numbers)


def _group_ids(text: str) -> tuple[int, ...]:
    import grp

    numbers = []
    for word in words(text) or [text]:
        try:
            numbers.append(grp.getgrgid(int(word)).gr_gid if word.isdecimal() else grp.getgrnam(word).gr_gid)
        except (KeyError, OverflowError):
            raise failed(f"Invalid group id: {word}") from None
    return tuple(numbers)


def _time(text: str, now: int) -> int:
    from ..core.times import parse_time

    try:
        return parse_time(text, now, past=True)
    except ValueError as error:
        raise Stop(1, err=f"{error}\n") from None


def _midnight(now: int) -> int:
    local = time.localtime(now)
    return int(time.mktime((*local[:3], 0, 0, 0, 0, 0, -1)))


class Request:
    """The filters (`where`) of the query, the steps that were named, and the window of time."""

    def __init__(self, parsed: Parsed, env: Mapping[str, str], now: int) -> None:
        self.parsed, self.env, self.now = parsed, env, now
        self.where: dict[str, Any] = {}
        self.steps: list[tuple[int, int | None, int | None, int]] = []
        self._names()
        self._numbers()
        self._times()
        self._who()

    def _names(self) -> None:
        get, where = self.parsed.get, self.where
        for option, name in (
            ("accounts", "accounts"),
            ("partition", "partitions"),
            ("wckeys", "wckeys"),
            ("name", "names"),
        ):
            if get(option):
                where[name] = tuple(words(get(option)))
        if get("constraints"):
            where["constraints"] = tuple(words(get("constraints")))
        if get("reason"):
            where["reasons"] = tuple(_reason(word) for word in words(get("reason")))
        if get("associations"):
            numbers = words(get("associations"))
            for word in numbers:
                if not word.isdecimal():
                    raise failed(f"Invalid association id: {word}")
            where["associations"] = tuple(int(word) for word in numbers)
        if get("flags"):
            found = []
            for word in words(get("flags")):
                if word.lower() not in _JOB_FLAGS:
                    raise failed(f"str_2_job_flags: Invalid job flag {word}")
                found.append(_JOB_FLAGS[word.lower()])
            where["flags"] = tuple(found)
        if get("jobs"):
            keys = [job_key(word) for word in words(get("jobs"))]
            where["jobs"] = tuple(keys)
            self.steps = [(job, task, part, step) for job, task, part, step in keys if step is not None]
        if get("state"):
            where["states"] = tuple(state_number(word) for word in words(get("state")))
            if set(where["states"]) == {JobState.PENDING}:
                where["allocations"] = True  # no step waits
        if "duplicates" in self.parsed:
            where["duplicates"] = True
        if "allocations" in self.parsed:
            where["allocations"] = True
        whole = get("whole-hetjob")
        if isinstance(whole, str) and whole.lower() not in ("yes", "no"):
            raise failed(f'Invalid --whole-hetjob value "{whole}". Valid values: [yes|no].')
        if whole is not None:
            where["whole_hetjob"] = str(whole).lower() != "no"

    def _numbers(self) -> None:
        get, where = self.parsed.get, self.where
        for option, name, what in (("nnodes", "node_counts", "node"), ("ncpus", "cpus", "cpu")):
            if get(option):
                bounds = _bounds(get(option), what)
                if bounds[0]:  # from none on is no condition
                    where[name] = bounds
        low, high = get("timelimit-min"), get("timelimit-max")
        if low:
            limits = []
            for text in (low, high or low):
                from ..core.times import parse_time_limit

                try:
                    limits.append(parse_time_limit(text))
                except ValueError:
                    raise fatal("Invalid time limit specification") from None
            where["time_limits"] = tuple(limits)

    def _times(self) -> None:
        get = self.parsed.get
        states, jobs = "states" in self.where, "jobs" in self.where
        start = _time(get("starttime"), self.now) if get("starttime") else None
        end = _time(get("endtime"), self.now) if get("endtime") else None
        if start is None:
            start = 0 if jobs else self.now if states else _midnight(self.now)
        if end is None:
            # with states, a start alone is a moment: who was in one of them then
            end = start if states and (get("starttime") or not jobs) else self.now
        if end < start:
            from ..core.times import format_time

            raise failed(f"Start time ({format_time(start)}) requested is after end time ({format_time(end)}).")
        self.start, self.end = start, end
        self.where["start"], self.where["end"] = start, end

    def _who(self) -> None:
        get = self.parsed.get
        if get("uid") is not None and get("uid") != "-1":
            self.where["users"] = _user_ids(get("uid"))
        if get("gid"):
            self.where["groups"] = _group_ids(get("gid"))
        everybody = "allusers" in self.parsed or os.geteuid() == 0 or get("uid") or get("gid")
        if not everybody and "jobs" not in self.where:
            self.where["users"] = (os.getuid(),)

    def settle(self, cluster: Cluster) -> None:
        """What needs slurmdbd or slurm.conf: clusters, QOS, nodes."""
        get, where = self.parsed.get, self.where
        named = get("clusters")
        if "allclusters" not in self.parsed and named not in ("-1", "all"):
            own = str(cluster.conf.ClusterName).lower()
            where["clusters"] = tuple(word.lower() for word in words(named)) if named else (own,)
        if get("qos"):
            known = cluster.slurmdbd.query("qos", ("id", "name")).rows
            by_id = {str(number): name for number, name in known}
            chosen = []
            for word in words(get("qos")):
                name = by_id.get(word, word)
                if name not in by_id.values():
                    valid = ",".join(name for _, name in known)
                    raise fatal("problem processing qos list", f"You gave a bad qos '{word}'. Valid QOS's are {valid}")
                chosen.append(name)
            where["qos"] = tuple(chosen)

    def nodes(self) -> frozenset[str] | None:
        """The nodes of -N. Raises Stop for a list that is none."""
        text = self.parsed.get("nodelist")
        if not text:
            return None
        from ..core import hostlist
        from ..core.errors import SlurmError

        try:
            return frozenset(hostlist.expand(text))
        except SlurmError:
            raise failed("Invalid argument") from None
