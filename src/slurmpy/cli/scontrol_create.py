"""``scontrol create`` and ``delete``, and the keys of partitions and reservations, which ``update`` takes as well."""

from __future__ import annotations

from ..core.errors import SlurmError
from .scontrol_words import (
    INFINITE,
    NUMERIC,
    Given,
    Refused,
    Row,
    find,
    logged,
    minutes,
    number,
    read_time,
    text,
    yes_no,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .scontrol import Session
    from .scontrol_words import Changes, Reader

# ---- partitions

_YES_NO = ("Invalid input: {word}", "Acceptable {name} values are YES and NO")


def _flag(field: str) -> Reader:
    return yes_no(field, _YES_NO)


def _list(field: str) -> Reader:
    """Names; ALL is none in particular."""
    return lambda given: {field: "" if given.value.upper() == "ALL" else given.value}


def _count(field: str) -> Reader:
    return number(field, NUMERIC, limitless=True)


def _state(given: Given) -> Changes:
    word = given.value.upper()
    for name in ("INACTIVE", "DOWN", "UP", "DRAIN"):
        if word and name.startswith(word):
            return {"state": name}
    raise Refused(
        logged(f"Invalid input: {given.word}"), logged("Acceptable State values are UP, DOWN, DRAIN and INACTIVE")
    )


def _share(given: Given) -> Changes:
    word, colon, count = given.value.upper().partition(":")
    if word in ("NO", "EXCLUSIVE") and not colon:
        return {"oversubscribe": word}
    if word in ("YES", "FORCE") and (not colon or count.isdecimal()):
        return {"oversubscribe": f"{word}:{int(count) if colon else 4}"}
    raise Refused(
        logged(f"Invalid input: {given.word}"),
        logged("Acceptable OverSubscribe values are NO, EXCLUSIVE, YES:#, and FORCE:#"),
    )


def _preempt_mode(given: Given) -> Changes:
    from ..conf.slurm_parameters import PREEMPT_MODES

    if given.value.upper() not in PREEMPT_MODES:
        raise Refused(logged(f"Invalid input: {given.word}"))
    return {"preempt_mode": given.value.upper()}


def _over_time(given: Given) -> Changes:
    if given.value.upper() in ("UNLIMITED", "INFINITE"):
        return {"over_time_limit": INFINITE}
    return number("over_time_limit", "Invalid OverTimeLimit value: {value}")(given)


def _memory(kind: str, by: str) -> Reader:
    """A limit by CPU or by node; each puts the other out of force."""

    def read(given: Given) -> Changes:
        changes = number(f"{kind}_mem_per_{by}", NUMERIC, limitless=True)(given)
        if changes[f"{kind}_mem_per_{by}"] == INFINITE:
            changes = {f"{kind}_mem_per_{by}": None}
        return {**changes, f"{kind}_mem_per_{'node' if by == 'cpu' else 'cpu'}": None}

    return read


def _priority(given: Given) -> Changes:
    value = number("priority_tier", NUMERIC)(given)["priority_tier"]
    return {"priority_tier": value, "priority_job_factor": value}


_TIME = "Invalid input {word}"

PARTITION: tuple[Row, ...] = (
    Row("AllocNodes", 3, _list("allow_alloc_nodes")),
    Row("AllowAccounts", 8, _list("allow_accounts")),
    Row("AllowGroups", 6, _list("allow_groups")),
    Row("AllowQos", 6, _list("allow_qos")),
    Row("Alternate", 3, text("alternate")),
    Row("Default", 7, _flag("default")),
    Row("DefaultTime", 8, minutes("default_time", _TIME)),
    Row("DefMemPerCPU", 10, _memory("def", "cpu")),
    Row("DefMemPerNode", 10, _memory("def", "node")),
    Row("DenyAccounts", 5, text("deny_accounts")),
    Row("DenyQos", 5, text("deny_qos")),
    Row("DisableRootJobs", 2, _flag("disable_root_jobs")),
    Row("ExclusiveTopo", 10, _flag("exclusive_topo")),
    Row("ExclusiveUser", 2, _flag("exclusive_user")),
    Row("GraceTime", 2, number("grace_time", "Invalid GraceTime value: {value}")),
    Row("Hidden", 2, _flag("hidden")),
    Row("JobDefaults", 3, text("job_defaults")),
    Row("LLN", 2, _flag("lln")),
    Row("MaxCPUsPerNode", 4, _count("max_cpus_per_node")),
    Row("MaxCPUsPerSocket", 12, _count("max_cpus_per_socket")),
    Row("MaxMemPerCPU", 10, _memory("max", "cpu")),
    Row("MaxMemPerNode", 10, _memory("max", "node")),
    Row("MaxNodes", 4, _count("max_nodes")),
    Row("MaxTime", 4, minutes("max_time", _TIME)),
    Row("MinNodes", 2, number("min_nodes", NUMERIC)),
    Row("Nodes", 1, text("nodes")),
    Row("OverSubscribe", 5, _share),
    Row("OverTimeLimit", 5, _over_time),
    Row("PowerDownOnIdle", 3, _flag("power_down_on_idle")),
    Row("PreemptMode", 3, _preempt_mode),
    Row("PriorityJobFactor", 9, number("priority_job_factor", NUMERIC)),
    Row("PriorityTier", 9, number("priority_tier", NUMERIC)),
    Row("Priority", 3, _priority),
    Row("QoS", 3, text("qos")),
    Row("ReqResv", 3, _flag("req_resv")),
    Row("RootOnly", 3, _flag("root_only")),
    Row("Shared", 2, _share),
    Row("State", 2, _state),
    Row("TRESBillingWeights", 1, text("billing_weights")),
)


def partition_changes(given: list[Given]) -> Changes:
    """Raises `Refused`."""
    changes: Changes = {}
    for one in given:
        if "=" not in one.word:
            raise Refused(logged(f"Invalid input: {one.word}  Request aborted"))
        row = find(PARTITION, one)
        if row is None:
            raise Refused(logged(f"Update of this parameter is not supported: {one.word}\n"), logged("Request aborted"))
        changes.update(row.reader(one))
    return changes


# ---- reservations

#: words of Flags=, the letters that suffice, the flag
FLAGS = (
    ("MAINTENANCE", 2, "MAINT"),
    ("OVERLAP", 1, "OVERLAP"),
    ("FLEX", 1, "FLEX"),
    ("IGNORE_JOBS", 1, "IGNORE_JOBS"),
    ("HOURLY", 1, "HOURLY"),
    ("DAILY", 1, "DAILY"),
    ("WEEKDAY", 5, "WEEKDAY"),
    ("WEEKEND", 5, "WEEKEND"),
    ("WEEKLY", 5, "WEEKLY"),
    ("ANY_NODES", 1, "ANY_NODES"),
    ("LICENSE_ONLY", 1, "ANY_NODES"),
    ("STATIC_ALLOC", 1, "STATIC"),
    ("PART_NODES", 2, "PART_NODES"),
    ("PURGE_COMP", 2, "PURGE_COMP"),
    ("SPEC_NODES", 2, "SPEC_NODES"),
    ("FIRST_CORES", 2, "FIRST_CORES"),
    ("TIME_FLOAT", 1, "TIME_FLOAT"),
    ("REPLACE_DOWN", 8, "REPLACE_DOWN"),
    ("REPLACE", 1, "REPLACE"),
    ("NO_HOLD_JOBS_AFTER_END", 6, "NO_HOLD_JOBS_AFTER_END"),
    ("MAGNETIC", 3, "MAGNETIC"),
    ("USER_DELETE", 1, "USER_DELETE"),
    ("FORCE_START", 2, "FORCE_START"),
)


def _flags(given: Given) -> Changes:
    """``maint,purge_comp=5``; -= takes flags away."""
    from ..core.times import parse_duration

    found = []
    changes: Changes = {}
    for item in given.value.split(","):
        word, equals, value = item.strip().upper().lstrip("+").partition("=")
        minus = given.operator == "-" or word.startswith("-")
        word = word.lstrip("-")
        flag = next((name for full, least, name in FLAGS if len(word) >= least and full.startswith(word)), None)
        if flag is None:
            raise Refused(given.value)
        if equals and flag == "PURGE_COMP":
            try:
                changes["purge_comp_time"] = parse_duration(value)
            except ValueError:
                raise Refused(given.value) from None
        found.append(f"NO_{flag}" if minus else flag)
    return {**changes, "flags": tuple(found)}


def _names(field: str) -> Reader:
    """A list; += and -= put their sign before each name."""

    def read(given: Given) -> Changes:
        names = [name.strip() for name in given.value.split(",") if name.strip()]
        return {field: ",".join(given.operator + name for name in names)}

    return read


def _node_count(given: Given) -> Changes:
    from .options.values import scaled

    counts = []
    for word in given.value.split(","):
        try:
            counts.append(int(word) if word.isdecimal() else scaled(word, word))
        except Exception:
            raise Refused(logged(f'"{given.value}" is not a valid node count')) from None
    return {"node_count": counts[0] if len(counts) == 1 else tuple(counts)}


def _core_count(given: Given) -> Changes:
    words = given.value.split(",")
    if not all(word.isdecimal() for word in words):
        raise Refused("Invalid core count " + given.word)
    counts = tuple(map(int, words))
    return {"core_count": counts[0] if len(counts) == 1 else counts}


def _delay(given: Given) -> Changes:
    from ..core.times import parse_duration

    try:
        return {"max_start_delay": parse_duration(given.value)}
    except ValueError:
        raise Refused("Invalid MaxStartDelay " + given.word) from None


RESERVATION: tuple[Row, ...] = (
    Row("Accounts", 1, _names("accounts"), sums=True),
    Row("AllowedPartition", 2, text("allowed_parts")),
    Row("BurstBuffer", 2, text("burst_buffer")),
    Row("Comment", 3, text("comment")),
    Row("CoreCnt", 5, _core_count),
    Row("Duration", 1, minutes("duration")),
    Row("EndTime", 1, lambda given: {"end_time": read_time(given.value)}),
    Row("Features", 2, text("features")),
    Row("Flags", 2, _flags, sums=True),
    Row("Groups", 1, _names("groups"), sums=True),
    Row("Licenses", 1, text("licenses")),
    Row("MaxStartDelay", 2, _delay),
    Row("NodeCnt", 5, _node_count),
    Row("Nodes", 5, _names("node_list"), sums=True),
    Row("PartitionName", 1, text("partition")),
    Row("QOS", 1, _names("qos"), sums=True),
    Row("StartTime", 1, lambda given: {"start_time": read_time(given.value)}),
    Row("TRES", 1, text("tres")),
    Row("Users", 1, _names("users"), sums=True),
)

#: what is said of a value that cannot be read, before what becomes of the request
_WRONG = {
    "StartTime": "Invalid start time {word}.",
    "EndTime": "Invalid end time {word}.",
    "Duration": "Invalid duration {word}.",
    "Flags": "Error parsing flags {value}.",
    "CoreCnt": "Invalid core count {word}.",
    "MaxStartDelay": "Invalid MaxStartDelay {word}.",
}


def reservation_changes(given: list[Given], outcome: str) -> Changes:
    """`outcome` is the last sentence of what is said of a wrong word. Raises `Refused`."""
    changes: Changes = {}
    for one in given:
        row = find(RESERVATION, one) if "=" in one.word else None
        if row is None:
            raise Refused(logged(f"Unknown parameter {one.word}.  {outcome}"))
        if one.operator and not row.sums:
            raise Refused(logged(f"Unknown parameter {one.word}.  {outcome}"))
        try:
            changes.update(row.reader(one))
        except Refused as refused:
            wrong = _WRONG.get(row.name)
            if wrong is None:
                raise
            told = [line for line in refused.lines if line.startswith("Invalid time specification")]
            raise Refused(*told, logged(f"{wrong.format(word=one.word, value=one.value)}  {outcome}")) from None
    return changes


# ---- create and delete


def create(session: Session, words: list[str]) -> None:
    if len(words) < 2:
        session.failed("too few arguments for create keyword")
        return
    key, equals, value = words[1].partition("=")
    lower = key.lower()
    if len(lower) >= 3 and "reservationname".startswith(lower):
        named = [Given(words[1])] if equals else []
        _create_reservation(session, named + [Given(word) for word in words[2:]])
    elif len(lower) >= 2 and "partitionname".startswith(lower):
        _create_partition(session, [Given(word) for word in words[1:]])
    elif len(lower) >= 4 and "nodename".startswith(lower):
        _create_node(session, value, [Given(word) for word in words[2:]])
    else:
        session.error(f"Invalid creation entity: {words[1]}")


def _create_partition(session: Session, given: list[Given]) -> None:
    from .scontrol_update import refuse

    name = ""
    rest = []
    for one in given:
        if "=" in one.word and len(one.key) >= 2 and "partitionname".startswith(one.key.lower()):
            name = one.value
        else:
            rest.append(one)
    try:
        changes = partition_changes(rest)
    except Refused as refused:
        refuse(session, refused)
        return
    if not name:
        session.error("PartitionName must be given.")
        return
    try:
        session.cluster.call("create_partition", {"name": name, "changes": {"min_nodes": 1, **changes}})
    except SlurmError as error:
        session.failed(f"Error creating the partition: {error.message}")


def _create_node(session: Session, name: str, given: list[Given]) -> None:
    state = next((one.value.upper() for one in given if one.key.lower() == "state"), "")
    try:
        if state not in ("FUTURE", "CLOUD"):
            session.error("Only State=FUTURE and State=CLOUD allowed for nodes created by scontrol")
            raise SlurmError("ESLURM_INVALID_NODE_STATE")
        line = " ".join([f"NodeName={name}", *(one.word for one in given)])
        session.cluster.call("create_node", {"line": line})
    except SlurmError as error:
        session.failed(f"Error creating node(s): {error.message}")


def _create_reservation(session: Session, given: list[Given]) -> None:
    from .scontrol_update import refuse

    outcome = "No reservation created."
    name = ""
    rest = []
    for one in given:
        if len(one.key) >= 3 and "reservationname".startswith(one.key.lower()):
            name = one.value
        else:
            rest.append(one)
    try:
        changes = reservation_changes(rest, outcome)
        _check(changes, outcome)
    except Refused as refused:
        refuse(session, refused)
        return
    try:
        reply = session.cluster.call("create_reservation", {"name": name, "changes": changes})
    except SlurmError as error:
        if error.name == "ESLURM_NODES_BUSY" and not changes.get("partition") and not changes.get("node_list"):
            session.out(
                "Note, unless nodes are directly requested a reservation must exist in a single partition.\n"
                "If no partition is requested the default partition is assumed.\n"
            )
        session.failed(f"Error creating the reservation: {error.message}")
        return
    if not session.quiet:
        session.out(f"Reservation created: {reply['name']}\n")


def _check(changes: Changes, outcome: str) -> None:
    """What every reservation must say. Raises `Refused`."""
    flags = changes.get("flags") or ()
    if "start_time" not in changes:
        raise Refused(logged(f"A start time must be given.  {outcome}"))
    if "duration" not in changes and "end_time" not in changes:
        raise Refused(logged(f"An end time or duration must be given.  {outcome}"))
    wants_nodes = any(changes.get(field) for field in ("core_count", "node_list", "node_count", "tres"))
    if not wants_nodes and not (changes.get("licenses") and "ANY_NODES" in flags) and "PART_NODES" not in flags:
        raise Refused(logged(f"CoreCnt, Nodes, NodeCnt, TRES or Watts must be specified.  {outcome}"))
    if not any(changes.get(field) for field in ("users", "groups", "accounts", "qos", "allowed_parts")):
        raise Refused(logged(f"Either Users/Groups and/or Accounts must be specified.  {outcome}"))


def delete(session: Session, words: list[str]) -> None:
    """``delete ENTITY=NAME`` or ``delete ENTITY NAME``."""
    if len(words) < 2:
        session.failed("too few arguments for delete keyword")
        return
    key, equals, name = words[1].partition("=")
    if not equals and len(words) == 3:
        name = words[2]
    elif not equals or len(words) > 2:
        session.error("Proper format is 'delete <ENTITY>=<ID>' or 'delete <ENTITY> <ID>'")
        return
    shown = " ".join(words[1:])
    lower = key.lower()
    for full, least, method in (
        ("partitionname", 3, "delete_partition"),
        ("reservationname", 3, "delete_reservation"),
        ("nodename", 4, "delete_node"),
    ):
        if len(lower) >= least and full.startswith(lower):
            _delete(session, method, name, shown)
            return
    session.failed(f"Invalid deletion entity: {shown}")


def _delete(session: Session, method: str, name: str, shown: str) -> None:
    try:
        session.cluster.call(method, {"name": name})
    except SlurmError as error:
        if method == "delete_node":
            session.error(f"failed to delete nodes {name}")
        session.failed(f"{method} {shown}: {error.message}")
