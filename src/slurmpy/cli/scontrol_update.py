"""``scontrol update``: of a job, a step, a node, a partition or a reservation.

The requests: ``update_job {job_id, changes}`` with `JobDescriptor`'s names (and array_max_tasks), ``update_step
{job_id, step_id, changes}``, ``update_node {names, changes}`` with `NodeInfo`'s names (state: the word),
``update_partition {name, changes}`` with `PartitionInfo`'s, ``update_reservation {name, changes}`` with
`ReservationInfo`'s and ``duration`` (minutes).
"""

from __future__ import annotations

from ..core.errors import SlurmError
from .scontrol_jobs import by_name, is_job_id, job_ids, tell
from .scontrol_words import INFINITE, NUMERIC, Given, Refused, Row, find, logged, minutes, moment, number, text, yes_no

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .scontrol import Session
    from .scontrol_words import Changes, Reader


def update(session: Session, words: list[str]) -> None:
    """Finds out what is to be updated: the first key that names an entity decides."""
    if len(words) < 2:
        session.failed("too few arguments for update keyword")
        return
    given = [Given(word) for word in words[1:]]
    for one in given:
        for name, least, handler in ENTITIES:
            if len(one.key) >= least and name.startswith(one.key.lower()):
                handler(session, one, given)
                return
    session.failed(
        "No valid entity in update command\n"
        'Input line must include "NodeName", "PartitionName", "Reservation", "JobId", or "SlurmctldDebug"'
    )


def collect(
    session: Session, rows: tuple[Row, ...], given: list[Given], unknown: Callable[[Given], Refused]
) -> Changes:
    """The changes that the words ask for. Raises `Refused`."""
    changes: Changes = {}
    for one in given:
        row = find(rows, one)
        if row is None:
            raise unknown(one)
        if one.operator and row.name == "AdminComment":
            raise Refused(logged("Invalid syntax, AdminComment can not be added/subtracted from."))
        if one.operator and not row.sums:
            raise Refused(logged(f"Option {one.word} does not accept [+|-]= syntax"))
        changes.update(row.reader(one))
    return changes


def _unknown(one: Given) -> Refused:
    if "=" not in one.word:
        return Refused(f"Invalid input: {one.word}\nRequest aborted")
    return Refused(f"Update of this parameter is not supported: {one.word}\nRequest aborted")


def refuse(session: Session, refused: Refused) -> None:
    for line in refused.lines:
        session.failed(line)
    session.code = 1


# ---- jobs


def _nodes(given: Given) -> Changes:
    low, dash, high = given.value.partition("-")
    if not low.isdecimal() or (dash and not high.isdecimal()):
        raise Refused(logged(f'"{given.value}" is not a valid node count'))
    return {"minimum_nodes": int(low), "maximum_nodes": int(high) if dash else int(low)}


def _cpus(given: Given) -> Changes:
    low, dash, high = given.value.partition("-")
    if not low.isdecimal() or (dash and not high.isdecimal()):
        raise Refused(logged(NUMERIC.format(value=given.value, name=given.name)))
    return {"minimum_cpus": int(low), **({"maximum_cpus": int(high)} if dash else {})}


def _priority(given: Given) -> Changes:
    word = given.value.lower()
    if word in ("-1", "infinite", "unlimited"):
        return {"priority": INFINITE}
    if not word.isdecimal() or int(word) > INFINITE:
        raise Refused(logged(f"Invalid Priority value: {given.value}"))
    return {"priority": int(word)}


def _nice(given: Given) -> Changes:
    word = given.value
    if "=" not in given.word:
        return {"nice": 100}
    if not word.lstrip("-+").isdecimal():
        raise Refused("Invalid nice value, must be between -2147483645 and 2147483645")
    return {"nice": int(word)}


def _gres(given: Given) -> Changes:
    from ..core.tres import canonical_gres

    return {"tres_per_node": canonical_gres(given.value)}


def _gres_of(field: str) -> Reader:
    return lambda given: {field: given.value}


def _shared(given: Given) -> Changes:
    word = given.value.lower()
    for name, value in (("yes", "oversubscribe"), ("no", "none"), ("exclusive", "none"), ("user", "user")):
        if word and name.startswith(word):
            return {"shared": value}
    raise Refused(logged(f"Invalid OverSubscribe value: {given.value}"))


def _switches(given: Given) -> Changes:
    from ..core.times import parse_duration

    count, at, wait = given.value.partition("@")
    if not count.isdecimal():
        return {"required_switches": 0}
    changes: Changes = {"required_switches": int(count)}
    if at:
        try:
            changes["wait_for_switch"] = parse_duration(wait)
        except ValueError:
            raise Refused(logged(f"Invalid wait-for-switch value: {wait}")) from None
    return changes


def _mail_type(given: Given) -> Changes:
    from .options.words import mail_type

    try:
        return {"mail_type": mail_type(given.value, None)}  # type: ignore[arg-type]
    except Exception:
        raise Refused(f"Invalid MailType: {given.value}") from None


def _user(given: Given) -> Changes:
    import pwd

    if given.value.isdecimal():
        return {"user_id": int(given.value)}
    try:
        return {"user_id": pwd.getpwnam(given.value).pw_uid}
    except KeyError:
        raise Refused(f"Invalid UserID: {given.value}") from None


def _seconds(field: str) -> Reader:
    def read(given: Given) -> Changes:
        from ..core.times import parse_duration

        try:
            return {field: parse_duration(given.value)}
        except ValueError:
            raise Refused(logged(f"Invalid {given.name} value")) from None

    return read


def _time_limit(given: Given) -> Changes:
    read = minutes("time_limit")(given)
    return {"time_limit" + given.operator: read["time_limit"]} if given.operator else read


_BOOLEAN = ("Invalid {name} value: {value}",)

#: the keys of a job in the order in which Slurm looks: shortened ones may fit several
JOB: tuple[Row, ...] = (
    Row("AdminComment", 6, text("admin_comment")),
    Row("ArrayTaskThrottle", 10, number("array_max_tasks")),
    Row("Comment", 3, text("comment")),
    Row("Clusters", 8, text("clusters")),
    Row("ClusterFeatures", 8, text("cluster_constraint")),
    Row("TimeLimit", 5, _time_limit, sums=True),
    Row("TimeMin", 5, minutes("time_minimum")),
    Row("Priority", 2, _priority),
    Row("Prefer", 3, text("prefer")),
    Row("Nice", 2, _nice),
    Row("CPUsPerTask", 9, number("cpus_per_task")),
    Row("CpusPerTres", 9, text("cpus_per_tres")),
    Row("NumCPUs", 6, _cpus),
    Row("NumTasks", 8, number("tasks")),
    Row("ReqProcs", 8, number("tasks")),
    Row("Requeue", 4, number("requeue")),
    Row("NumNodes", 8, _nodes),
    Row("ReqNodes", 8, _nodes),
    Row("ReqSockets", 4, number("sockets_per_node")),
    Row("ReqCores", 4, number("cores_per_socket")),
    Row("ReqThreads", 4, number("threads_per_core")),
    Row("TasksPerNode", 2, number("tasks_per_node")),
    Row("Partition", 2, text("partition")),
    Row("QOS", 2, text("qos")),
    Row("ReservationName", 3, text("reservation")),
    Row("Name", 2, text("name")),
    Row("JobName", 4, text("name")),
    Row("WCKey", 2, text("wckey")),
    Row("StdOut", 6, text("standard_output")),
    Row("StdErr", 6, text("standard_error")),
    Row("StdIn", 5, text("standard_input")),
    Row("Switches", 5, _switches),
    Row("wait-for-switch", 5, _seconds("wait_for_switch")),
    Row("OverSubscribe", 2, _shared),
    Row("Shared", 2, _shared),
    Row("Contiguous", 3, yes_no("contiguous", _BOOLEAN)),
    Row("CoreSpec", 4, number("core_specification")),
    Row("ThreadSpec", 4, number("thread_specification")),
    Row("MemPerTres", 5, text("memory_per_tres")),
    Row("MinMemoryNode", 10, number("memory_per_node")),
    Row("MinMemoryCPU", 10, number("memory_per_cpu")),
    Row("MinTmpDiskNode", 5, number("temporary_disk_per_node")),
    Row("MinCPUsNode", 4, number("minimum_cpus_per_node")),
    Row("MailType", 5, _mail_type),
    Row("MailUser", 5, text("mail_user")),
    Row("TresPerJob", 8, _gres_of("tres_per_job")),
    Row("TresPerNode", 8, _gres_of("tres_per_node")),
    Row("TresPerSocket", 8, _gres_of("tres_per_socket")),
    Row("TresPerTask", 8, _gres_of("tres_per_task")),
    Row("TresBind", 5, text("tres_bind")),
    Row("TresFreq", 5, text("tres_freq")),
    Row("ExcNodeList", 3, text("excluded_nodes")),
    Row("NodeList", 8, text("required_nodes")),
    Row("ReqNodeList", 8, text("required_nodes")),
    Row("Features", 1, text("constraints")),
    Row("Gres", 1, _gres),
    Row("Account", 2, text("account")),
    Row("BurstBuffer", 1, text("burst_buffer")),
    Row("Dependency", 2, text("dependency")),
    Row("Licenses", 1, text("licenses")),
    Row("StartTime", 2, moment("begin_time")),
    Row("EligibleTime", 2, moment("begin_time")),
    Row("EndTime", 2, moment("end_time")),
    Row("Extra", 3, text("extra")),
    Row("Reboot", 3, number("reboot")),
    Row("Deadline", 3, moment("deadline")),
    Row("DelayBoot", 5, _seconds("delay_boot")),
    Row("SiteFactor", 5, number("site_factor")),
    Row("UserID", 3, _user),
    Row("WorkDir", 2, text("current_working_directory")),
)


def _job(session: Session, entity: Given, given: list[Given]) -> None:
    changes: Changes = {}
    try:
        for one in given:
            if one is entity:
                continue
            try:
                changes |= collect(session, JOB, [one], _unknown)
            except Refused as refused:
                row = find(JOB, one)
                if row is None or not refused.lines[0].startswith("Invalid time specification"):
                    raise
                session.failed(refused.lines[0])  # Slurm goes on with the rest
    except Refused as refused:
        refuse(session, refused)
        return
    for field in ("requeue", "reboot"):
        if field in changes:
            changes[field] = bool(changes[field])
    if not changes:
        session.failed("No changes specified")
        return
    named = by_name(session, [entity.word]) if entity.key.lower().startswith("jobn") else None
    for job in named if named is not None else job_ids([entity.value]) or [""]:
        try:
            if not is_job_id(job):
                raise SlurmError("ESLURM_INVALID_JOB_ID")
            own = _with_time_limit(session, job, changes)
            if own is not None:
                tell(session, job, session.acting.call("update_job", {"job_id": job, "changes": own}))
        except SlurmError as error:
            session.failed(f"{error.message} for job {job}")


def _with_time_limit(session: Session, job: str, changes: Changes) -> Changes | None:
    """The changes with ``TimeLimit+=`` added to the job's own limit; None if that cannot be done."""
    sign = next((key[-1] for key in changes if key in ("time_limit+", "time_limit-")), "")
    if not sign:
        return changes
    from .scontrol_show import parse_job_id

    number_of = parse_job_id(job.partition("_[")[0])
    answer = session.cluster.query("jobs", ("time_limit",), {"all": True, "job_ids": (number_of,)})
    limit = answer.rows[0][0] if answer.rows else None
    by = changes[f"time_limit{sign}"]
    if limit is None or limit == INFINITE:
        session.error("Cannot increment/decrement TimeLimit when set to UNLIMITED.")
        return None
    if sign == "-" and by > limit:
        session.error(f"TimeLimit decrement larger than current time limit ({by} > {limit})")
        return None
    rest = {key: value for key, value in changes.items() if key != f"time_limit{sign}"}
    return {**rest, "time_limit": limit + by if sign == "+" else limit - by}


STEP: tuple[Row, ...] = (Row("TimeLimit", 2, minutes("time_limit")),)


def _step(session: Session, entity: Given, given: list[Given]) -> None:
    try:
        changes = collect(session, STEP, [one for one in given if one is not entity], _unknown)
    except Refused as refused:
        refuse(session, refused)
        return
    if not changes:
        session.failed("No changes specified")
        return
    from ..core.ids import STEP_NAMES

    job, dot, step = entity.value.partition(".")
    names = {name: number_ for number_, name in STEP_NAMES.items()}
    try:
        if not is_job_id(job) or (dot and not step.isdecimal() and step not in names):
            raise SlurmError("ESLURM_INVALID_JOB_ID")
        args = {"job_id": job, "step_id": None if not dot else names[step] if step in names else int(step)}
        session.cluster.call("update_step", {**args, "changes": changes})
    except SlurmError as error:
        session.failed(f"slurm_update error: {error.message}")


# ---- nodes

NODE_STATES = (
    *("NoResp", "DRAIN", "FAIL", "FUTURE", "RESUME", "POWER_DOWN", "POWER_UP", "UNDRAIN", "DOWN", "IDLE"),
    *("ALLOCATED", "CANCEL_REBOOT", "POWER_DOWN_ASAP", "POWER_DOWN_FORCE", "RESUME_TIMEOUT"),
)


def _state(given: Given) -> Changes:
    word = given.value.upper()
    exact = next((name for name in NODE_STATES if name.upper() == word), None)
    found = exact or next((name for name in NODE_STATES if len(word) >= 3 and name.upper().startswith(word)), None)
    if found is None:
        raise Refused(
            f"Invalid input: {given.word}\nRequest aborted\n"
            "Valid states are: NoResp DRAIN FAIL FUTURE RESUME POWER_DOWN POWER_UP UNDRAIN\n"
            "Not all states are valid given a node's prior state"
        )
    return {"state": found.upper()}


def _features(field: str) -> Reader:
    return lambda given: {field: tuple(word.strip() for word in given.value.split(",") if word.strip())}


def _resume_after(given: Given) -> Changes:
    import time

    if given.value.lower() in ("infinite", "unlimited", "-1"):
        return {"resume_after": 0}
    if not given.value.isdecimal():
        raise Refused(logged(f"Invalid value {given.word} for ResumeAfter"))
    return {"resume_after": int(time.time()) + int(given.value)}


NODE: tuple[Row, ...] = (
    Row("NodeAddr", 5, text("address")),
    Row("NodeHostName", 5, text("hostname")),
    Row("ActiveFeatures", 3, _features("active_features")),
    Row("AvailableFeatures", 3, _features("features")),
    Row("Features", 1, _features("features")),
    Row("Comment", 3, text("comment")),
    Row("Extra", 1, text("extra")),
    Row("Gres", 1, text("gres")),
    Row("InstanceId", 9, text("instance_id")),
    Row("InstanceType", 9, text("instance_type")),
    Row("Reason", 1, text("reason")),
    Row("ResumeAfter", 7, _resume_after),
    Row("State", 1, _state),
    Row("Weight", 1, number("weight", "Invalid value {name}={value} for {name}")),
)


def _weight_word(refused: Refused, given: list[Given]) -> Refused:
    """The key in the message about a wrong weight is the one that was typed."""
    for one in given:
        if one.name == "Weight" and refused.lines[0].endswith("for Weight"):
            return Refused(logged(f"Invalid value {one.word} for Weight"))
    return refused


def _node(session: Session, entity: Given, given: list[Given]) -> None:
    from ..core.hostlist import HostlistError, expand

    rest = [one for one in given if one is not entity]
    try:
        changes = collect(session, NODE, rest, _unknown)
    except Refused as refused:
        refuse(session, _weight_word(refused, rest))
        return
    if not changes:
        session.failed("No changes specified")
        return
    ending = changes.get("state") in ("DOWN", "DRAIN", "FAIL")
    if ending and not changes.get("reason"):
        session.failed("You must specify a reason when DOWNING or DRAINING a node. Request denied")
        return
    if changes.get("resume_after") and not ending:
        session.failed("You can only specify a resume time when DOWNING or DRAINING a node. Request denied")
        return
    try:
        names: str | tuple[str, ...] = "ALL" if entity.value == "ALL" else tuple(expand(entity.value))
        session.cluster.call("update_node", {"names": names, "changes": changes})
    except HostlistError as error:
        session.failed(f"slurm_update error: {error.standard}")
    except SlurmError as error:
        session.failed(f"slurm_update error: {error.message}")


# ---- partitions and reservations: their keys are those of create


def _partition(session: Session, entity: Given, given: list[Given]) -> None:
    from .scontrol_create import partition_changes

    try:
        changes = partition_changes([one for one in given if one is not entity])
    except Refused as refused:
        refuse(session, refused)
        return
    if not changes:
        session.error("No changes specified")
        return
    try:
        session.cluster.call("update_partition", {"name": entity.value, "changes": changes})
    except SlurmError as error:
        session.failed(f"slurm_update error: {error.message}")


def _reservation(session: Session, entity: Given, given: list[Given]) -> None:
    from .scontrol_create import reservation_changes

    try:
        changes = reservation_changes([one for one in given if one is not entity], "No reservation update.")
    except Refused as refused:
        refuse(session, refused)
        if refused.lines[0].startswith("Invalid time specification"):
            session.failed("slurm_update error: Invalid time specified")
        return
    try:
        session.cluster.call("update_reservation", {"name": entity.value, "changes": changes})
    except SlurmError as error:
        session.failed(f"slurm_update error: {error.message}")
        return
    if not session.quiet:
        session.out("Reservation updated.\n")


def _debug(session: Session, entity: Given, given: list[Given]) -> None:
    from .scontrol_admin import set_level

    set_level(session, entity.value)


#: key of an entity (in lower case), the letters that suffice, what updates it
ENTITIES: tuple[tuple[str, int, Callable[[Session, Given, list[Given]], None]], ...] = (
    ("nodename", 3, _node),
    ("partitionname", 3, _partition),
    ("jobid", 3, _job),
    ("jobname", 4, _job),
    ("stepid", 4, _step),
    ("reservationname", 3, _reservation),
    ("slurmctlddebug", 9, _debug),
)
