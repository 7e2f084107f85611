"""``scontrol show``: the entities, and what is said where there is nothing to show."""

from __future__ import annotations

import os

from ..core.errors import SlurmError
from .scontrol import NAME, matches, too_few, too_many

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ..core.records.base import Record
    from ..format.scontrol_job import View
    from ..rpc.cluster import Answer
    from .scontrol import Session


def show(session: Session, words: list[str]) -> None:
    """``show ENTITY [NAME]`` or ``show ENTITY=NAME``."""
    if len(words) < 2:
        too_few(session, words[0])
        return
    entity, equals, value = words[1].partition("=")
    arguments = ([value] if equals else []) + words[2:]
    row = next((row for row in ENTITIES if matches(entity, row[0], row[1])), None)
    if row is None:
        session.failed(f"invalid entity:{words[1]} for keyword:{words[0]} ")
    elif len(arguments) > 1 and not row[2]:
        too_many(session, words[0])
    else:
        row[3](session, arguments)


def view_of(session: Session, now: int) -> View:
    """The settings of the session as the formatters want them."""
    from ..core.intervals import text_length
    from ..format.scontrol_job import View

    conf = session.cluster.conf
    return View(
        now,
        session.detail,
        session.one_line,
        session.env.get("SLURM_TIME_FORMAT"),
        text_length(session.env.get("SLURM_BITSTR_LEN")),
        wckeys=bool(conf.TrackWCKey),
        preemption=conf.PreemptType not in (None, "preempt/none"),
    )


def records(answer: Answer, kind: type[Record]) -> Iterator[Any]:
    """The rows of a query as records."""
    columns = answer.columns
    for row in answer.rows:
        record = kind.__new__(kind)
        record.__dict__.update(zip(columns, row, strict=True))
        yield record


def document(session: Session, what: str, where: dict[str, Any]) -> None:
    """The JSON or YAML document of what would be shown."""
    from . import json_output

    assert session.encoding is not None
    json_output.write(
        json_output.dump(session.cluster, NAME, session.words, what, where, session.encoding, session.parser)
    )


# ---- jobs and steps


def parse_job_id(text: str) -> tuple[int, int | None, int | None] | None:
    """(job, array task, component) of ``12``, ``12_3``, ``12+1``; None if it is none."""
    job, plus, component = text.partition("+")
    job, under, task = job.partition("_")
    parts = (job, *((task,) if under else ()), *((component,) if plus else ()))
    if not all(part.isdecimal() and part.isascii() for part in parts) or int(job) == 0:
        return None
    return int(job), int(task) if under else None, int(component) if plus else None


def jobs(session: Session, words: list[str]) -> None:
    from ..core.records.job import JobInfo
    from ..format import scontrol_job

    text = words[0] if words else ""
    where: dict[str, Any] = {"all": session.all}
    if text:
        found = parse_job_id(text)
        if found is None:
            session.failed("scontrol_print_job error: Invalid job id specified")
            return
        where = {"all": True, "job_ids": (found,)}
    try:
        if session.encoding:
            document(session, "jobs", where)
            return
        fields = scontrol_job.FIELDS + (scontrol_job.DETAIL_FIELDS if session.detail else ())
        answer = session.cluster.query("jobs", fields, where)
    except SlurmError as error:
        if error.name == "ESLURM_INVALID_JOB_ID" and "_" in text:
            session.code = 1
            if not session.quiet:
                session.out(f"Job {text} not found\n")
            return
        session.failed(f"slurm_load_jobs error: {error.message}")
        return
    if not answer.rows:
        if text and "_" not in text:
            session.failed(f"slurm_load_jobs error: {SlurmError('ESLURM_INVALID_JOB_ID').message}")
            return
        if not session.quiet:
            session.out(f"Job {text} not found\n" if text else "No jobs in the system\n")
        session.code = 1 if text else session.code
        return
    view = view_of(session, answer.meta["now"])
    jobs_found = list(records(answer, JobInfo))
    if text and any(job.array_job_id for job in jobs_found):
        # an array as slurmctld keeps it: what waits, then its tasks, the newest first
        jobs_found.sort(key=lambda job: (job.job_id != job.array_job_id, -job.job_id))
    session.out("".join(scontrol_job.show(job, view) for job in jobs_found))


def _job_exists(session: Session, ids: tuple[Any, ...]) -> bool:
    return bool(session.cluster.query("jobs", ("job_id",), {"all": True, "job_ids": ids}).rows)


def steps(session: Session, words: list[str]) -> None:
    from ..core.ids import STEP_NAMES
    from ..core.records.job import StepInfo
    from ..format import scontrol_views

    text = words[0] if words else ""
    where: dict[str, Any] = {}
    key, equals, container_id = text.partition("=")
    if equals and key.lower() == "containerid":
        where = {"container_id": container_id}
    elif text:
        job_text, dot, step_text = text.partition(".")
        job = parse_job_id(job_text)
        names = {name: number for number, name in STEP_NAMES.items()}
        step = names.get(step_text.lower()) if not step_text.isdecimal() else int(step_text)
        if job is None or (dot and step is None):
            word = "JobID can not be zero" if job is None else "StepID includes unexpected non-numeric characters"
            session.error(f"scontrol_print_step: slurm_get_job_steps({text}) failed: {word}")
            return
        where = {"job_ids": (job,)} if not dot else {"step": ((job[0], step),), "job_ids": (job,)}
    try:
        if session.encoding:
            document(session, "steps", where)
            return
        answer = session.cluster.query("steps", StepInfo.FIELDS, where)
        if not answer.rows and "job_ids" in where and not _job_exists(session, where["job_ids"]):
            raise SlurmError("ESLURM_INVALID_JOB_ID")
    except SlurmError as error:
        session.error(f"scontrol_print_step: slurm_get_job_steps({text}) failed: {error.message}")
        return
    if not answer.rows:
        if text:
            session.code = 1
        if "container_id" in where:
            session.out("No job steps found\n")
        elif not session.quiet:
            dotted = text if "." in text else f"{text}."
            session.out(f"Job step {dotted} not found\n" if text else "No job steps in the system\n")
        return
    view = view_of(session, answer.meta["now"])
    found = list(records(answer, StepInfo))
    if "container_id" in where:
        del found[1:]  # scontrol(1): the first that has it
    session.out("".join(scontrol_views.step(step, view) for step in found))


# ---- nodes, partitions, reservations, licenses


def nodes(session: Session, words: list[str]) -> None:
    from ..core.hostlist import HostlistError, expand
    from ..core.records.cluster import NodeInfo
    from ..core.states import NodeState
    from ..format import scontrol_node

    names: list[str] = []
    if words and words[0]:
        try:
            names = expand(words[0])
        except HostlistError as error:
            if error.detail:
                session.say(error.detail)
            session.failed(f"Invalid hostlist: {words[0]}" if not error.detail else "")
            return
    where: dict[str, Any] = {"future": session.future}
    if names:
        where["names"] = tuple(names)
    try:
        if session.encoding:
            document(session, "nodes", where)
            return
        answer = session.cluster.query("nodes", NodeInfo.FIELDS, {"future": session.future})
    except SlurmError as error:
        session.failed(f"slurm_load_node error: {error.message}")
        return
    view = view_of(session, answer.meta["now"])
    known = {node.name: node for node in records(answer, NodeInfo)}
    if not names:
        chosen = [node for node in known.values() if session.future or node.state & NodeState.BASE != NodeState.FUTURE]
        session.out("".join(scontrol_node.show(node, view) for node in chosen) or "No nodes in the system\n")
        return
    for name in names:
        node = known.get(name)
        if node is not None:
            session.out(scontrol_node.show(node, view))
        else:
            session.code = 1
            if not session.quiet:
                session.out(f"Node {name} not found\n")


def partitions(session: Session, words: list[str]) -> None:
    from ..core.records.cluster import PartitionInfo
    from ..format import scontrol_partition

    _named(
        session,
        words,
        "partitions",
        PartitionInfo,
        "Partition",
        "slurm_load_partitions error",
        lambda one, view: scontrol_partition.show(one, view, session.cluster.conf.PreemptMode),
    )


def reservations(session: Session, words: list[str]) -> None:
    from ..core.records.cluster import ReservationInfo
    from ..format import scontrol_views

    _named(
        session,
        words,
        "reservations",
        ReservationInfo,
        "Reservation",
        "slurm_load_reservations error",
        scontrol_views.reservation,
    )


def _named(
    session: Session,
    words: list[str],
    what: str,
    kind: type[Record],
    title: str,
    failure: str,
    formatter: Callable[[Any, View], str],
) -> None:
    """One or all of the records that have a name."""
    name = words[0] if words else ""
    where: dict[str, Any] = {"all": session.all or bool(name)}
    if name:
        where["names"] = (name,)
    try:
        if session.encoding:
            document(session, what, where)
            return
        answer = session.cluster.query(what, kind.FIELDS, where)
    except SlurmError as error:
        session.failed(f"{failure}: {error.message}")
        return
    view = view_of(session, answer.meta["now"])
    shown = [formatter(one, view) for one in records(answer, kind) if not name or one.name == name]
    if not shown and name:
        session.code = 1
    if shown:
        session.out("".join(shown))
    elif not session.quiet:
        session.out(f"{title} {name} not found\n" if name else f"No {what} in the system\n")


def licenses(session: Session, words: list[str]) -> None:
    from ..core.records.cluster import LicenseInfo
    from ..format import scontrol_views

    name = words[0] if words else ""
    where = {"names": (name,)} if name else {}
    try:
        if session.encoding:
            document(session, "licenses", where)
            return
        answer = session.cluster.query("licenses", LicenseInfo.FIELDS, {})
    except SlurmError as error:
        session.failed(f"slurm_load_licenses error: {error.message}")
        return
    if not answer.rows:
        session.out("No licenses configured in Slurm.\n")
        return
    view = view_of(session, answer.meta["now"])
    found = sorted(records(answer, LicenseInfo), key=lambda one: str(one.name))
    session.out("".join(scontrol_views.license(one, view) for one in found if not name or one.name == name))


# ---- the configuration and the daemons


def config_rows(session: Session) -> tuple[list[tuple[str, str]], int]:
    """The rows of the running slurmctld's configuration in their order, and its time. Raises SlurmError."""
    from ..core.times import format_time

    answer = session.cluster.query("config")
    found: dict[str, Any] = {}
    for name, value in answer.rows:
        found[name] = value
    boot = found.get("BOOT_TIME")
    if isinstance(boot, int | float):
        found["BOOT_TIME"] = format_time(int(boot), session.env.get("SLURM_TIME_FORMAT"), answer.meta["now"])
    rows = [(name, "(null)" if value is None else str(value)) for name, value in found.items()]
    return rows, int(answer.meta["now"])


def config_text(session: Session) -> str:
    from ..core.times import format_time

    rows, now = config_rows(session)
    head = f"Configuration data as of {format_time(now, session.env.get('SLURM_TIME_FORMAT'), now)}\n"
    return head + "".join(f"{name:<23} = {value}\n" for name, value in rows)


def config(session: Session, words: list[str]) -> None:
    from .scontrol_admin import ping_line

    try:
        text = config_text(session)
    except SlurmError as error:
        session.failed(f"slurm_load_ctl_conf error: {error.message}")
        return
    session.out(text + "\n" + ping_line(session) + "\n")


def daemons(session: Session, words: list[str]) -> None:
    """The daemons that this host should run."""
    conf = session.cluster.conf
    here = _host_names()
    found = []
    if any(host.split(".")[0] in here for host, _ in conf.SlurmctldHost):
        found.append("slurmctld")
    if any(hostname in here for line in conf.nodes for _, hostname, _, _ in line.hosts(conf.SlurmdPort)):
        found.append("slurmd")
    session.out(" ".join(found) + "\n")


def _host_names() -> set[str]:
    name = os.uname().nodename
    return {name, name.split(".")[0], "localhost"}


def aliases(session: Session, words: list[str]) -> None:
    """The NodeNames of a host name (this host's without an argument)."""
    wanted = {words[0]} if words else _host_names()
    conf = session.cluster.conf
    names = [name for line in conf.nodes for name, hostname, _, _ in line.hosts(conf.SlurmdPort) if hostname in wanted]
    if names:
        session.out(" ".join(names) + "\n")


def nothing(session: Session, words: list[str]) -> None:
    """Entities of plugins that a cluster need not have: nothing to show."""


def frontend(session: Session, words: list[str]) -> None:
    session.out("No nodes in the system\n")


def slurmd(session: Session, words: list[str]) -> None:
    from .scontrol_node_tools import slurmd_status

    slurmd_status(session, words)


def assoc_mgr(session: Session, words: list[str]) -> None:
    from .scontrol_assoc import show as show_assoc_mgr

    show_assoc_mgr(session, words)


def completing(session: Session, words: list[str]) -> None:
    """Jobs that are completing, with the nodes that have not finished."""
    from ..core.hostlist import compress
    from ..core.states import JobState, NodeState

    if len(words) > 1:
        too_many(session, words[0])
        return
    try:
        answer = session.cluster.query(
            "jobs", ("job_id", "end_time", "nodes"), {"all": True, "states": (JobState.COMPLETING,)}
        )
        if not answer.rows:
            return
        nodes_answer = session.cluster.query("nodes", ("name", "state"), {})
    except SlurmError as error:
        session.failed(f"slurm_load_jobs error: {error.message}")
        return
    from ..core.hostlist import expand
    from ..core.times import format_time

    states = dict(nodes_answer.rows)
    for job_id, end, names in answer.rows:
        held = expand(names)
        wait = [name for name in held if states.get(name, 0) & NodeState.COMPLETING]
        down = [name for name in held if states.get(name, 0) & NodeState.BASE == NodeState.DOWN]
        text = f"JobId={job_id} EndTime={format_time(end) if end else 'Unknown'} CompletingTime="
        from ..core.times import format_duration

        text += format_duration(max(0, answer.meta["now"] - end) if end else 0)
        text += f" Nodes(COMPLETING)={compress(wait)}" if wait else ""
        text += f" Nodes(DOWN)={compress(down)}" if down else ""
        session.out(text + "\n")


# ---- host lists


def hostnames(session: Session, words: list[str]) -> None:
    """The names of a host list, one a line."""
    from ..core.hostlist import HostlistError, expand

    text = words[0] if words else session.env.get("SLURM_NODELIST", "")
    if not words and not text:
        session.say("host list is empty")
        return
    try:
        session.out("".join(f"{name}\n" for name in expand(text)))
    except HostlistError as error:
        _bad_list(session, error)


def hostlist(session: Session, words: list[str], in_order: bool = False) -> None:
    """The short form of names, or of those of a file."""
    from ..core.hostlist import HostlistError, compress, compress_keep_order, expand

    if not words:
        from .scontrol import COMMAND

        session.failed("invalid encode argument")
        session.out(COMMAND.help())
        return
    text = words[0]
    if text.startswith("/"):
        try:
            with open(text, encoding="utf-8", errors="surrogateescape") as stream:
                text = stream.read().replace("\n", ",")
        except OSError:
            session.failed(f"Can not open {text}")
            return
    try:
        names = expand(text)
    except HostlistError as error:
        _bad_list(session, error)
        session.code = 1
        return
    session.out((compress if in_order else compress_keep_order)(names) + "\n")


def hostlist_sorted(session: Session, words: list[str]) -> None:
    hostlist(session, words, in_order=True)


def _bad_list(session: Session, error: Any) -> None:
    """A host list that cannot be read is told of, but is no failure of ``hostnames``."""
    from .errors import write

    if session.quiet:
        return
    if error.detail:
        session.say(error.detail)
    import sys

    sys.stdout.flush()
    write(sys.stderr, error.message + "\n")


#: entity, its least letters, whether it takes several arguments, what shows it; the first that a word matches wins
ENTITIES: tuple[tuple[str, int, bool, Callable[[Any, list[str]], None]], ...] = (
    ("aliases", 1, False, aliases),
    ("assoc_mgr", 2, True, assoc_mgr),
    ("bbstat", 2, True, nothing),
    ("burstbuffer", 2, False, nothing),
    ("config", 1, False, config),
    ("daemons", 1, False, daemons),
    ("dwstat", 2, True, nothing),
    ("federation", 1, False, nothing),
    ("frontend", 2, False, frontend),
    ("hostnames", 5, False, hostnames),
    ("hostlist", 5, False, hostlist),
    ("hostlistsorted", 9, False, hostlist_sorted),
    ("jobs", 1, False, jobs),
    ("jobid", 4, False, jobs),
    ("licenses", 2, False, licenses),
    ("nodes", 1, False, nodes),
    ("partitions", 2, False, partitions),
    ("reservations", 1, False, reservations),
    ("slurmd", 2, False, slurmd),
    ("steps", 2, False, steps),
    ("topology", 1, False, nothing),
)
