"""scancel: cancels or signals jobs and steps."""

from __future__ import annotations

import os
import sys

from ..core.errors import SlurmError
from . import clusters, job_ids, request
from .errors import Stop, entry, line, write
from .options.scancel import COMMAND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, NoReturn

    from ..rpc.cluster import Cluster
    from .command import Parsed
    from .job_ids import JobId

SIGKILL = 9
#: errors that scancel keeps to itself unless -v asks
GONE = frozenset({"ESLURM_ALREADY_DONE", "ESLURM_INVALID_JOB_ID"})
#: states a job can be cancelled in: (long, short name, number)
STATES = (("PENDING", "PD", 0), ("RUNNING", "R", 1), ("SUSPENDED", "S", 2))
FIELDS = (
    "job_id", "array_job_id", "array_task_id", "array_task_string", "array_max_tasks", "het_job_id", "het_job_offset",
    "user_id", "partition", "name", "account", "qos", "resv_name", "wckey", "nodes", "job_state",
)  # fmt: skip


def main() -> NoReturn:
    entry("scancel", run)


def run(argv: Sequence[str], env: Mapping[str, str]) -> int:
    parsed = COMMAND.parse(argv, env)
    wanted = Request(parsed)
    if wanted.verbose > 2:
        write(sys.stderr, wanted.listing())
    if not wanted.ids and not wanted.filters:
        raise Stop(1, err=line("scancel", "No job identification provided"))
    cluster = request.open_cluster("scancel")
    if "clusters" in parsed:
        clusters.check("scancel", parsed.get("clusters"), cluster)
    if "ctld" in parsed:
        return wanted.at_controller(cluster)
    if wanted.must_look():
        return wanted.filtered(cluster)
    code = 0
    for one in wanted.ids:
        code = wanted.kill(cluster, one.text, one.text) or code
    return code


class Request:
    """What the command line asks for; raises Stop for what cannot be meant."""

    def __init__(self, parsed: Parsed) -> None:
        self.parsed = parsed
        self.verbose = 0 if "quiet" in parsed else parsed.count("verbose")
        self.interactive = "interactive" in parsed
        self.signal = read_signal(parsed.get("signal"))
        self.state = read_state(parsed.get("state"))
        self.user = read_user(parsed)
        self.flags = tuple(name for name in ("batch", "full", "hurry") if name in parsed)
        self.ids = [one for text in parsed.operands for one in parse(text)]
        self.filters: dict[str, str] = {}  # by the word that messages use, in their order
        for word, option in (
            ("account", "account"),
            ("job_name", "name"),
            ("nodelist", "nodelist"),
            ("partition", "partition"),
            ("qos", "qos"),
            ("reservation", "reservation"),
        ):
            if option in parsed:
                self.filters[word] = parsed.get(option)
        if self.state is not None:
            self.filters["state"] = STATES[self.state][0]
        if self.user is not None:
            self.filters["user_name"] = self.user[1]
        if "wckey" in parsed:
            self.filters["wckey"] = parsed.get("wckey")

    def listing(self) -> str:
        """The options as -vvv shows them."""
        shown: dict[str, object] = {name: self.filters.get(name, "(null)") for name in ("account",)}
        shown.update({name: str(name in self.parsed).lower() for name in ("batch", "ctld", "cron", "full", "hurry")})
        shown["interactive"] = str(self.interactive).lower()
        for name in ("job_name", "nodelist", "partition", "qos", "reservation"):
            shown[name] = self.filters.get(name, "(null)")
        shown["sibling"] = "(null)"
        shown["state"] = self.filters.get("state", "?")
        if self.user is not None:
            shown["user_id"] = self.user[0]
        shown["user_name"] = self.filters.get("user_name", "(null)")
        shown["verbose"] = self.verbose
        shown["wckey"] = self.filters.get("wckey", "(null)")
        return "".join(line("scancel", f"{name:<15}: {value}", "") for name, value in shown.items())

    def must_look(self) -> bool:
        """Whether the jobs have to be seen before anything is sent."""
        picky = self.filters or self.interactive or self.signal != SIGKILL or "batch" in self.flags
        return bool(picky) or any(one.step is not None for one in self.ids)

    # ---- acting

    def say(self, text: str) -> None:
        if self.verbose:
            write(sys.stderr, line("scancel", text, ""))

    def complain(self, error: SlurmError, what: str) -> int:
        """Says what went wrong and returns the exit code for it."""
        if error.name in GONE:
            if self.verbose:
                write(sys.stderr, line("scancel", f"Kill job error on {what}: {error.message}"))
            return 0
        write(sys.stderr, line("scancel", f"Kill job error on {what}: {error.message}"))
        return error.number & 0xFF or 1

    def kill(self, cluster: Cluster, target: str, shown: str) -> int:
        """Cancels or signals one job, array or set of tasks; the exit code."""
        batch = "batch " if "batch" in self.flags else ""
        if self.signal == SIGKILL:
            self.say(f"Terminating {batch}job {shown}")
        else:
            self.say(f"Signal {self.signal} to {batch}job {shown}")
        try:
            cluster.call("kill_job", {"job_id": target, "signal": self.signal, "flags": self.flags})
        except SlurmError as error:
            return self.complain(error, f"job id {shown}")
        return 0

    def kill_step(self, cluster: Cluster, one: JobId) -> int:
        if self.signal == SIGKILL:
            self.say(f"Terminating step {one.text}")
        else:
            self.say(f"Signal {self.signal} to step {one.text}")
        args = {"job_id": one.job_text, "step_id": one.step, "signal": self.signal, "flags": self.flags}
        try:
            cluster.call("kill_step", args)
        except SlurmError as error:
            if error.name == "ESLURM_ALREADY_DONE":
                return self.complain(error, f"job step id {one.job_text}")
            text = line("scancel", f"Kill job error on job step id {one.job_text}: {error.message}")
            # the job is there, the step is not: Slurm asks for both and says so of both
            write(sys.stderr, text * (2 if error.name == "ESLURM_INVALID_JOB_ID" else 1))
            return error.number & 0xFF or 1
        return 0

    def at_controller(self, cluster: Cluster) -> int:
        """One request with all filters; slurmctld selects."""
        args: dict[str, Any] = {"signal": self.signal, "flags": (*self.flags, "ctld")}
        if self.ids:
            args["job_ids"] = tuple(one.text for one in self.ids)
        names = {"job_name": "name", "nodelist": "nodes"}
        for word, value in self.filters.items():
            if word not in ("state", "user_name"):
                args[names.get(word, word)] = value
        if self.state is not None:
            args["states"] = (STATES[self.state][2],)
        if self.user is not None:
            args["users"] = (self.user[0],)
        code = 0
        results = cluster.call("kill_jobs", args)["jobs"]
        if not results:
            self.say_none()
        for result in results:
            if result["error"]:
                error = SlurmError.from_number(result["error"], result["message"])
                code = self.complain(error, f"job id {result['job_id']}") or code
        return code

    def filtered(self, cluster: Cluster) -> int:
        """Looks at the jobs first: for filters, questions and steps."""
        where: dict[str, Any] = {"states": tuple(number for _, _, number in STATES), "all": True}
        if self.user is not None:
            where["users"] = (self.user[0],)
        if self.ids:
            where["job_ids"] = tuple((one.job_id, one.task, one.offset) for one in self.ids)
        jobs = list(cluster.query("jobs", FIELDS, where).dicts())
        code = 0
        for one in self.ids:
            if not any(belongs(job, one) for job in jobs):
                what = "job id" if one.step is None else "job step id"
                write(sys.stderr, line("scancel", f"Kill job error on {what} {one.text}: Invalid job id specified"))
                code = 1
        chosen = [job for job in jobs if self.matches(job)]
        if not chosen:
            self.say_none()
        for job in chosen:
            code = self.act_on(cluster, job) or code
        return code

    def say_none(self) -> None:
        if self.filters and self.verbose:
            given = "".join(f"{word}={value} " for word, value in self.filters.items())
            write(sys.stderr, line("scancel", f"No active jobs match ALL job filters, including: {given}"))

    def matches(self, job: Mapping[str, Any]) -> bool:
        """Whether a job passes every filter. The leader stands for a heterogeneous job."""
        if job["het_job_offset"] and not any(one.offset is not None for one in self.ids):
            return False
        if self.state is not None and job["job_state"] & 0xFF != STATES[self.state][2]:
            return False
        tests = {
            "account": job["account"],
            "job_name": job["name"],
            "qos": job["qos"],
            "reservation": job["resv_name"],
            "wckey": (job["wckey"] or "").lstrip("*"),
        }
        if any(self.filters[word] != value for word, value in tests.items() if word in self.filters):
            return False
        if "partition" in self.filters and self.filters["partition"] not in (job["partition"] or "").split(","):
            return False
        if "nodelist" in self.filters:
            from ..core import hostlist

            wanted = set(hostlist.expand(self.filters["nodelist"]))
            if not job["nodes"] or not wanted & set(hostlist.expand(job["nodes"])):
                return False
        return True

    def act_on(self, cluster: Cluster, job: Mapping[str, Any]) -> int:
        """Cancels what was asked for of one job: its steps, its tasks, or all of it."""
        named = [one for one in self.ids if belongs(job, one)]
        code = 0
        steps = [one for one in named if one.step is not None]
        for one in steps:
            if not self.interactive or confirmed(f"step_id={one.text}", job):
                code = self.kill_step(cluster, one) or code
        if steps and len(steps) == len(named):
            return code
        whole = [one for one in named if one.step is None]
        text = shown_id(job)
        # of an array's waiting tasks only those named
        targets = [one.text for one in whole if one.tasks is not None and job["array_task_string"]] or [text]
        for target in targets:
            if not self.interactive or confirmed(f"job_id={target}", job):
                code = self.kill(cluster, target, target) or code
        return code


def parse(text: str) -> list[JobId]:
    """The ids of a comma-separated list; raises Stop that shows the list from the wrong one on, as Slurm does."""
    found: list[JobId] = []
    rest = text
    while True:
        word = first_word(rest)
        try:
            one = job_ids.parse(word)
            if one.job_id == 0 or (one.step is not None and one.step > 0x7FFFFFFF):
                raise ValueError(word)
        except ValueError:
            raise Stop(1, err=line("scancel", f"Invalid job id {rest}")) from None
        found.append(one)
        if len(word) == len(rest):
            return found
        rest = rest[len(word) + 1 :]


def first_word(text: str) -> str:
    """Up to the first comma outside brackets."""
    depth = 0
    for position, letter in enumerate(text):
        depth += {"[": 1, "]": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            return text[:position]
    return text


def read_signal(text: str | None) -> int:
    if text is None:
        return SIGKILL
    from ..core import signals

    if text.isascii() and text.isdigit() and int(text) <= 0xFFFF:
        return int(text)
    try:
        return signals.parse(text)
    except ValueError:
        raise Stop(1, err=f"Unknown job signal: {text}\n") from None


def read_state(text: str | None) -> int | None:
    if text is None:
        return None
    for number, names in enumerate(STATES):
        if text.upper() in names[:2]:
            return number
    raise Stop(1, err=f"Invalid job state specified: {text}\nValid job states are PENDING, RUNNING, and SUSPENDED\n")


def read_user(parsed: Parsed) -> tuple[int, str] | None:
    """(number, name as given) of the user meant."""
    if "user" not in parsed:
        if "me" not in parsed:
            return None
        return os.getuid(), str(os.getuid())
    import pwd

    name = parsed.get("user")
    try:
        found = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except (KeyError, OverflowError):
        raise Stop(1, err=line("scancel", f"Invalid user name: {name}")) from None
    return found.pw_uid, name


def shown_id(job: Mapping[str, Any]) -> str:
    """``12``, ``12_3`` or ``12_[4-9%2]``"""
    if not job["array_job_id"]:
        return str(job["job_id"])
    if job["array_task_string"]:
        limit = f"%{job['array_max_tasks']}" if job["array_max_tasks"] else ""
        return f"{job['array_job_id']}_[{job['array_task_string']}{limit}]"
    return f"{job['array_job_id']}_{job['array_task_id']}"


def belongs(job: Mapping[str, Any], one: JobId) -> bool:
    """Whether a record is (part of) what `one` names."""
    if one.job_id not in (job["job_id"], job["array_job_id"], job["het_job_id"]):
        return False
    if one.offset is not None:
        return bool(job["het_job_offset"] == one.offset)
    if one.tasks is None or one.tasks == "*":
        return True
    from ..core.intervals import IntervalSet

    wanted = IntervalSet.parse(one.tasks.partition("%")[0])
    if job["array_task_string"]:
        return any(task in wanted for task in IntervalSet.parse(job["array_task_string"].partition("%")[0]))
    return job["array_task_id"] in wanted


def confirmed(what: str, job: Mapping[str, Any]) -> bool:
    """Asks on standard output; the end of the input is a no."""
    while True:
        write(sys.stdout, f"Cancel {what} name={job['name']} partition={job['partition']} [y/n]? ")
        answer = sys.stdin.readline()
        if not answer:
            return False
        if answer.strip().lower() in ("y", "yes"):
            return True
        if answer.strip().lower() in ("n", "no"):
            return False
