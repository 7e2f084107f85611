"""sacctmgr's fields: for each kind of list the names, headers, widths and how a cell comes from a row (a dictionary).

A field with a negative width is aligned to the left. A width is that of the column; `NAME%WIDTH` changes it.
"""

from __future__ import annotations

from ..core import times
from ..core.records.accounting import SHARES_PARENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    Row = Mapping[str, Any]
    Cell = Callable[[Row], str]


class Column:
    __slots__ = ("cell", "header", "name", "width")

    def __init__(self, name: str, header: str, width: int, cell: Cell) -> None:
        self.name, self.header, self.width, self.cell = name, header, width, cell


class UnknownField(ValueError):
    """No field of that name."""


# ---- cells


def text(key: str) -> Cell:
    return lambda row: str(row.get(key) or "")


def number(key: str) -> Cell:
    """Empty where it is not set."""

    def cell(row: Row) -> str:
        value = row.get(key)
        return "" if value is None else str(value)

    return cell


def minutes(key: str) -> Cell:
    def cell(row: Row) -> str:
        value = row.get(key)
        return "" if value is None else times.format_time_limit(value)

    return cell


def seconds(key: str) -> Cell:
    def cell(row: Row) -> str:
        value = row.get(key)
        return "" if value is None else times.format_duration(value)

    return cell


def real(key: str) -> Cell:
    def cell(row: Row) -> str:
        value = row.get(key)
        return "" if value is None else f"{value:f}"

    return cell


def words(key: str) -> Cell:
    return lambda row: ",".join(row.get(key) or ())


def sorted_words(key: str) -> Cell:
    return lambda row: ",".join(sorted(row.get(key) or (), key=str.upper))


def flags(key: str) -> Cell:
    return lambda row: ",".join("Deleted" if one == "DELETED" else one for one in row.get(key) or ()) or "None"


def moment(key: str) -> Cell:
    def cell(row: Row) -> str:
        value = row.get(key)
        return times.format_time(value, time_format()) if value else "Unknown"

    return cell


def time_format() -> str | None:
    import os

    return os.environ.get("SLURM_TIME_FORMAT")


def tres(key: str) -> Cell:
    """TRES limits in the order of their ids."""

    def cell(row: Row) -> str:
        value = row.get(key)
        if not value:
            return ""
        from ..core import tres as counts

        return counts.format(counts.parse(value), zeros=True)

    return cell


def sorted_tres(key: str) -> Cell:
    """TRES counts by name."""

    def cell(row: Row) -> str:
        value = row.get(key)
        if not value:
            return ""
        from ..core import tres as counts

        return ",".join(sorted(counts.format(counts.parse(value), zeros=True).split(",")))

    return cell


def one_tres(key: str, name: str) -> Cell:
    """One TRES of a limit, as the columns of old times have it."""

    def cell(row: Row) -> str:
        for part in (row.get(key) or "").split(","):
            label, _, count = part.partition("=")
            if label == name:
                return str(count)
        return ""

    return cell


def _shares(row: Row) -> str:
    value = row.get("shares_raw")
    return "" if value is None else "parent" if value == SHARES_PARENT else str(value)


def _qos_raw(row: Row) -> str:
    return ",".join((*(row.get("qos_raw") or ()), *(str(one) for one in sorted(row.get("qos_ids") or ()))))


def _coordinators(row: Row) -> str:
    return ",".join(one[0] for one in row.get("coordinators") or ())


def _tree_account(row: Row) -> str:
    return " " * int(row.get("depth") or 0) + str(row.get("account") or "")


def _nothing(row: Row) -> str:
    return ""


_CLUSTER_FLAGS = {
    "REGISTERING": "Registering",
    "MULTIPLE_SLURMD": "MultipleSlurmd",
    "FRONT_END": "FrontEnd",
    "FEDERATION": "Federation",
    "EXTERNAL": "External",
}


def _cluster_flags(row: Row) -> str:
    return ",".join(_CLUSTER_FLAGS.get(flag, flag) for flag in row.get("flags") or ()) or "None"


def _fed_state(row: Row) -> str:
    return str(row.get("fed_state") or "NA")


def _fed_state_raw(row: Row) -> str:
    return str({"ACTIVE": 1, "INACTIVE": 2}.get(str(row.get("fed_state") or ""), 0))


def _event_state(row: Row) -> str:
    from ..core.states import NodeState

    if not row.get("node"):
        return ""
    state = int(row.get("state") or 0)
    base = state & NodeState.BASE
    if state & NodeState.DRAIN:
        return "DRAIN"
    if state & NodeState.FAIL:
        return "FAIL"
    suffix = "*" if state & NodeState.NOT_RESPONDING else ""
    return NodeState.NAMES.get(base, "?") + suffix


def _event_duration(row: Row) -> str:
    end = row.get("end_time") or row.get("now") or 0
    return times.format_duration(max(0, end - (row.get("start_time") or 0)))


def _event_user(row: Row) -> str:
    if row.get("user_id") is None or not row.get("node"):
        return ""
    return f"{row.get('user_name') or ''}({row['user_id']})"


def _preempt_mode(row: Row) -> str:
    return str(row.get("preempt_mode") or "cluster").lower()


def _allowed(row: Row) -> str:
    return number("allowed")(row)


def _resource_type(row: Row) -> str:
    value = str(row.get("type") or "")
    return "" if value == "Unknown" and not row.get("type_given") else value


def _wckey(row: Row) -> str:
    name = str(row.get("name") or "")
    return name


# ---- the tables


def _columns(*rows: tuple[str, str, int, Cell]) -> tuple[Column, ...]:
    return tuple(Column(*row) for row in rows)


_ASSOC_LIMITS = (
    ("DefaultQOS", "Def QOS", 9, text("default_qos")),
    ("DefQOS", "Def QOS", 9, text("default_qos")),
    ("Fairshare", "Share", 9, _shares),
    ("Share", "Share", 9, _shares),
    ("GrpCPUMins", "GrpCPUMins", 11, one_tres("grp_tres_mins", "cpu")),
    ("GrpCPURunMins", "GrpCPURunMins", 13, one_tres("grp_tres_run_mins", "cpu")),
    ("GrpCPUs", "GrpCPUs", 8, one_tres("grp_tres", "cpu")),
    ("GrpJobs", "GrpJobs", 7, number("grp_jobs")),
    ("GrpJobsAccrue", "GrpJobsAccrue", 13, number("grp_jobs_accrue")),
    ("GrpMem", "GrpMem", 7, one_tres("grp_tres", "mem")),
    ("GrpNodes", "GrpNodes", 8, one_tres("grp_tres", "node")),
    ("GrpSubmit", "GrpSubmit", 9, number("grp_submit_jobs")),
    ("GrpSubmitJobs", "GrpSubmit", 9, number("grp_submit_jobs")),
    ("GrpTRES", "GrpTRES", 13, tres("grp_tres")),
    ("GrpTRESMins", "GrpTRESMins", 13, tres("grp_tres_mins")),
    ("GrpTRESRunMins", "GrpTRESRunMins", 13, tres("grp_tres_run_mins")),
    ("GrpWall", "GrpWall", 11, minutes("grp_wall")),
    ("MaxCPUMins", "MaxCPUMins", 11, one_tres("max_tres_mins_per_job", "cpu")),
    ("MaxCPUs", "MaxCPUs", 8, one_tres("max_tres_per_job", "cpu")),
    ("MaxJobs", "MaxJobs", 7, number("max_jobs")),
    ("MaxJobsAccrue", "MaxJobsAccrue", 13, number("max_jobs_accrue")),
    ("MaxNodes", "MaxNodes", 8, one_tres("max_tres_per_job", "node")),
    ("MaxSubmit", "MaxSubmit", 9, number("max_submit_jobs")),
    ("MaxSubmitJobs", "MaxSubmit", 9, number("max_submit_jobs")),
    ("MaxTRES", "MaxTRES", 13, tres("max_tres_per_job")),
    ("MaxTRESPJ", "MaxTRES", 13, tres("max_tres_per_job")),
    ("MaxTRESPerJob", "MaxTRES", 13, tres("max_tres_per_job")),
    ("MaxTRESMins", "MaxTRESMins", 13, tres("max_tres_mins_per_job")),
    ("MaxTRESMinsPJ", "MaxTRESMins", 13, tres("max_tres_mins_per_job")),
    ("MaxTRESMinsPerJob", "MaxTRESMins", 13, tres("max_tres_mins_per_job")),
    ("MaxTRESPN", "MaxTRESPerNode", 14, tres("max_tres_per_node")),
    ("MaxTRESPerNode", "MaxTRESPerNode", 14, tres("max_tres_per_node")),
    ("MaxWall", "MaxWall", 11, minutes("max_wall_duration_per_job")),
    ("MaxWallDurationPerJob", "MaxWall", 11, minutes("max_wall_duration_per_job")),
    ("MinPrioThreshold", "MinPrioThres", 12, number("min_prio_threshold")),
    ("Priority", "Priority", 10, number("priority")),
    ("Qos", "QOS", 20, sorted_words("qos")),
    ("QosRaw", "QOS_RAW", 10, _qos_raw),
)

_ASSOC = _columns(
    ("Account", "Account", 10, text("account")),
    ("Cluster", "Cluster", 10, text("cluster")),
    ("Comment", "Comment", 20, text("comment")),
    ("Flags", "Flags", 20, flags("flags")),
    ("ID", "ID", 6, number("id")),
    ("Lineage", "Lineage", -20, text("lineage")),
    ("ParentID", "ParentID", 8, number("parent_id")),
    ("ParentName", "ParentName", 10, text("parent_account")),
    ("Partition", "Partition", 10, text("partition")),
    ("User", "User", 10, text("user")),
    *_ASSOC_LIMITS,
)

#: an account's or user's own columns are looked for before those of its associations
TABLES: dict[str, tuple[Column, ...]] = {
    "account": _columns(
        ("Account", "Account", 10, text("name")),
        ("Coordinators", "Coord Accounts", 20, _coordinators),
        ("Description", "Descr", 20, text("description")),
        ("Flags", "Flags", 20, flags("flags")),
        ("Organization", "Org", 20, text("organization")),
    ),
    "association": _ASSOC,
    "cluster": _columns(
        ("Classification", "Class", 9, text("classification")),
        ("Cluster", "Cluster", 10, text("name")),
        ("ControlHost", "ControlHost", 15, text("control_host")),
        ("ControlPort", "ControlPort", 12, number("control_port")),
        ("Features", "Features", 20, text("features")),
        ("FedState", "FedState", 12, _fed_state),
        ("FedStateRaw", "FedStateRaw", 11, _fed_state_raw),
        ("Federation", "Federation", 10, text("federation")),
        ("Flags", "Flags", 20, _cluster_flags),
        ("ID", "ID", 6, number("fed_id")),
        ("NodeCount", "NodeCount", 9, number("node_count")),
        ("NodeNames", "NodeName", -15, _nothing),  # Slurm has no value here either; see show event
        ("RPC", "RPC", 5, number("rpc_version")),
        ("TRES", "TRES", 20, sorted_tres("tres")),
        *_ASSOC_LIMITS,
    ),
    "event": _columns(
        ("Cluster", "Cluster", 10, text("cluster")),
        ("ClusterNodes", "Cluster Nodes", 20, text("cluster_nodes")),
        ("Duration", "Duration", 13, _event_duration),
        ("End", "TimeEnd", 19, moment("end_time")),
        ("TimeEnd", "TimeEnd", 19, moment("end_time")),
        ("Event", "Event", 7, lambda row: "Node" if row.get("node") else "Cluster"),
        ("EventRaw", "EventRaw", 8, lambda row: "2" if row.get("node") else "1"),
        ("NodeName", "NodeName", -15, text("node")),
        ("Reason", "Reason", 30, text("reason")),
        ("Start", "TimeStart", 19, moment("start_time")),
        ("TimeStart", "TimeStart", 19, moment("start_time")),
        ("State", "State", 6, _event_state),
        ("StateRaw", "StateRaw", 8, number("state")),
        ("TRES", "TRES", 20, sorted_tres("tres")),
        ("User", "User", 10, _event_user),
    ),
    "federation": _columns(
        ("Cluster", "Cluster", 10, text("cluster")),
        ("Features", "Features", 20, text("features")),
        ("FedState", "FedState", 12, text("fed_state")),
        ("FedStateRaw", "FedStateRaw", 11, _fed_state_raw),
        ("Federation", "Federation", 10, text("federation")),
        ("ID", "ID", 2, lambda row: str(row.get("fed_id") or "")),
    ),
    "instance": _columns(
        ("Cluster", "Cluster", 10, text("cluster")),
        ("End", "TimeEnd", 19, moment("time_end")),
        ("Extra", "Extra", 20, text("extra")),
        ("InstanceId", "InstanceId", 20, text("instance_id")),
        ("InstanceType", "InstanceType", 20, text("instance_type")),
        ("NodeName", "NodeName", -15, text("node_name")),
        ("Start", "TimeStart", 19, moment("time_start")),
    ),
    "problem": _columns(
        ("Account", "Account", 10, text("account")),
        ("Cluster", "Cluster", 10, text("cluster")),
        ("User", "User", 10, text("user")),
        ("Problem", "Problem", 40, text("problem")),
    ),
    "qos": _columns(
        ("Description", "Descr", 20, text("description")),
        ("Flags", "Flags", 20, words("flags")),
        ("GraceTime", "GraceTime", 10, seconds("grace_time")),
        ("GrpJobs", "GrpJobs", 7, number("grp_jobs")),
        ("GrpJobsAccrue", "GrpJobsAccrue", 13, number("grp_jobs_accrue")),
        ("GrpSubmit", "GrpSubmit", 9, number("grp_submit_jobs")),
        ("GrpSubmitJobs", "GrpSubmit", 9, number("grp_submit_jobs")),
        ("GrpTRES", "GrpTRES", 13, tres("grp_tres")),
        ("GrpTRESMins", "GrpTRESMins", 13, tres("grp_tres_mins")),
        ("GrpTRESRunMins", "GrpTRESRunMins", 13, tres("grp_tres_run_mins")),
        ("GrpWall", "GrpWall", 11, minutes("grp_wall")),
        ("ID", "ID", 6, number("id")),
        ("LimitFactor", "LimitFactor", 11, real("limit_factor")),
        ("MaxJobsAccruePA", "MaxJobsAccruePA", 15, number("max_jobs_accrue_per_account")),
        ("MaxJobsAccruePU", "MaxJobsAccruePU", 15, number("max_jobs_accrue_per_user")),
        ("MaxJobsAccruePerAccount", "MaxJobsAccruePA", 15, number("max_jobs_accrue_per_account")),
        ("MaxJobsAccruePerUser", "MaxJobsAccruePU", 15, number("max_jobs_accrue_per_user")),
        ("MaxJobsPA", "MaxJobsPA", 9, number("max_jobs_per_account")),
        ("MaxJobsPU", "MaxJobsPU", 9, number("max_jobs_per_user")),
        ("MaxJobsPerAccount", "MaxJobsPA", 9, number("max_jobs_per_account")),
        ("MaxJobsPerUser", "MaxJobsPU", 9, number("max_jobs_per_user")),
        ("MaxSubmitJobsPA", "MaxSubmitPA", 11, number("max_submit_jobs_per_account")),
        ("MaxSubmitJobsPU", "MaxSubmitPU", 11, number("max_submit_jobs_per_user")),
        ("MaxSubmitJobsPerAccount", "MaxSubmitPA", 11, number("max_submit_jobs_per_account")),
        ("MaxSubmitJobsPerUser", "MaxSubmitPU", 11, number("max_submit_jobs_per_user")),
        ("MaxTRES", "MaxTRES", 13, tres("max_tres_per_job")),
        ("MaxTRESPJ", "MaxTRES", 13, tres("max_tres_per_job")),
        ("MaxTRESPerJob", "MaxTRES", 13, tres("max_tres_per_job")),
        ("MaxTRESMins", "MaxTRESMins", 13, tres("max_tres_mins_per_job")),
        ("MaxTRESMinsPJ", "MaxTRESMins", 13, tres("max_tres_mins_per_job")),
        ("MaxTRESMinsPerJob", "MaxTRESMins", 13, tres("max_tres_mins_per_job")),
        ("MaxTRESPA", "MaxTRESPA", 13, tres("max_tres_per_account")),
        ("MaxTRESPerAccount", "MaxTRESPA", 13, tres("max_tres_per_account")),
        ("MaxTRESPN", "MaxTRESPerNode", 14, tres("max_tres_per_node")),
        ("MaxTRESPerNode", "MaxTRESPerNode", 14, tres("max_tres_per_node")),
        ("MaxTRESPU", "MaxTRESPU", 13, tres("max_tres_per_user")),
        ("MaxTRESPerUser", "MaxTRESPU", 13, tres("max_tres_per_user")),
        ("MaxTRESRunMinsPA", "MaxTRESRunMinsPA", 16, tres("max_tres_run_mins_per_account")),
        ("MaxTRESRunMinsPU", "MaxTRESRunMinsPU", 16, tres("max_tres_run_mins_per_user")),
        ("MaxTRESRunMinsPerAccount", "MaxTRESRunMinsPA", 16, tres("max_tres_run_mins_per_account")),
        ("MaxTRESRunMinsPerUser", "MaxTRESRunMinsPU", 16, tres("max_tres_run_mins_per_user")),
        ("MaxWall", "MaxWall", 11, minutes("max_wall_duration_per_job")),
        ("MaxWallDurationPerJob", "MaxWall", 11, minutes("max_wall_duration_per_job")),
        ("MinPrioThreshold", "MinPrioThres", 12, number("min_prio_threshold")),
        ("MinTRES", "MinTRES", 13, tres("min_tres_per_job")),
        ("MinTRESPerJob", "MinTRES", 13, tres("min_tres_per_job")),
        ("Name", "Name", 10, text("name")),
        ("Preempt", "Preempt", 10, words("preempt")),
        ("PreemptExemptTime", "PreemptExemptTime", 19, seconds("preempt_exempt_time")),
        ("PreemptMode", "PreemptMode", 11, _preempt_mode),
        ("Priority", "Priority", 10, number("priority")),
        ("UsageFactor", "UsageFactor", 11, real("usage_factor")),
        ("UsageThreshold", "UsageThres", 10, real("usage_threshold")),
    ),
    "reservation": _columns(
        ("Associations", "Assocs", 10, text("associations")),
        ("Cluster", "Cluster", 10, text("cluster")),
        ("End", "TimeEnd", 19, moment("end_time")),
        ("Flags", "Flags", 20, words("flags")),
        ("ID", "ID", 6, number("id")),
        ("Name", "Name", 10, text("name")),
        ("NodeNames", "NodeName", -15, text("nodes")),
        ("Start", "TimeStart", 19, moment("start_time")),
        ("TRES", "TRES", 20, sorted_tres("tres")),
        ("UnusedWall", "UnusedWall", 10, real("unused_wall")),
    ),
    "resource": _columns(
        ("Allocated", "Allocated", 9, number("allocated")),
        ("Allowed", "Allowed", 8, _allowed),
        ("Cluster", "Cluster", 10, text("cluster")),
        ("Count", "Count", 6, number("count")),
        ("Description", "Descr", 20, text("description")),
        ("Flags", "Flags", 20, words("flags")),
        ("LastConsumed", "LastConsumed", 12, number("last_consumed")),
        ("Name", "Name", 10, text("name")),
        ("Server", "Server", 10, text("server")),
        ("ServerType", "ServerType", 10, text("server_type")),
        ("Type", "Type", 8, text("type")),
    ),
    "runawayjobs": _columns(
        ("Cluster", "Cluster", 10, text("cluster")),
        ("ID", "ID", 6, number("job_id")),
        ("Name", "Name", 10, text("name")),
        ("Partition", "Partition", 10, text("partition")),
        ("State", "State", 6, text("state")),
        ("TimeEnd", "TimeEnd", 19, moment("end_time")),
        ("TimeStart", "TimeStart", 19, moment("start_time")),
        ("TimeSubmit", "TimeSubmit", 19, moment("submit_time")),
    ),
    "transaction": _columns(
        ("Action", "Action", 20, text("action")),
        ("Actor", "Actor", 10, text("actor")),
        ("Info", "Info", 20, text("info")),
        ("TimeStamp", "Time", 19, moment("time")),
        ("Where", "Where", 20, text("where")),
        ("Accounts", "Account", 10, text("account")),
        ("Clusters", "Cluster", 10, text("cluster")),
        ("Users", "User", 10, text("user")),
    ),
    "tres": _columns(
        ("ID", "ID", 6, number("id")),
        ("Name", "Name", 10, text("name")),
        ("Type", "Type", 8, text("type")),
    ),
    "user": _columns(
        ("AdminLevel", "Admin", 9, text("administrator_level")),
        ("Coordinators", "Coord Accounts", 20, _coordinators),
        ("DefaultAccount", "Def Acct", 10, text("default_account")),
        ("DefaultWCKey", "Def WCKey", 10, text("default_wckey")),
        ("User", "User", 10, text("name")),
        ("Name", "User", 10, text("name")),
    ),
    "wckey": _columns(
        ("Cluster", "Cluster", 10, text("cluster")),
        ("ID", "ID", 6, number("id")),
        ("User", "User", 10, text("user")),
        ("WCKey", "WCKey", 10, _wckey),
        ("Name", "WCKey", 10, _wckey),
    ),
}

#: what stands in the lists when no format is given
DEFAULTS: dict[str, str] = {
    "account": "Account,Description,Organization",
    "association": (
        "Cluster,Account,User,Partition,Share,Priority,GrpJobs,GrpTRES,GrpSubmit,GrpWall,GrpTRESMins,MaxJobs,MaxTRES,"
        "MaxTRESPerNode,MaxSubmit,MaxWall,MaxTRESMins,Qos,DefaultQOS,GrpTRESRunMins"
    ),
    "association wolimits": "Cluster,Account,User,Partition",
    "cluster": (
        "Cluster,ControlHost,ControlPort,RPC,Share,GrpJobs,GrpTRES,GrpSubmit,MaxJobs,MaxTRES,MaxSubmit,MaxWall,Qos,"
        "DefaultQOS"
    ),
    "event": "Cluster,NodeName,TimeStart,TimeEnd,State,Reason%30,User",
    "federation": "Federation,Cluster,ID,Features,FedState",
    "instance": "Cluster,NodeName,Start,End,InstanceId,InstanceType,Extra",
    "problem": "Cluster,Account,User,Problem",
    "qos": (
        "Name,Priority,GraceTime,Preempt,PreemptExemptTime,PreemptMode,Flags%40,UsageThreshold,UsageFactor,GrpTRES,"
        "GrpTRESMins,GrpTRESRunMins,GrpJobs,GrpSubmit,GrpWall,MaxTRES,MaxTRESPerNode,MaxTRESMins,MaxWall,MaxTRESPU,"
        "MaxJobsPU,MaxSubmitJobsPU,MaxTRESPA,MaxTRESRunMinsPA%22,MaxTRESRunMinsPU%22,MaxJobsPA,MaxSubmitJobsPA,MinTRES"
    ),
    "reservation": "Cluster,Name%15,TRES%30,Start,End,UnusedWall",
    "resource": "Name,Server,Type,Count,LastConsumed,Allocated,ServerType,Flags",
    "resource clusters": "Name,Server,Type,Count,LastConsumed,Allocated,ServerType,Cluster,Allowed,Flags",
    "runawayjobs": "ID%-12,Name,Partition,Cluster,State%10,TimeSubmit,TimeStart,TimeEnd",
    "transaction": "TimeStamp,Action,Actor,Where,Info",
    "tres": "Type,Name%15,ID",
    "user": "User,DefaultAccount,DefaultWCKey,AdminLevel",
    "wckey": "WCKey,Cluster,User",
}
#: columns of associations behind those of users and accounts (WithAssoc)
WITH_ASSOC = {
    "account": (
        ",Cluster,ParentName,User,Share,Priority,GrpJobs,GrpNodes,GrpCPUs,GrpMem,GrpSubmit,GrpWall,GrpCPUMins,MaxJobs,"
        "MaxNodes,MaxCPUs,MaxSubmit,MaxWall,MaxCPUMins,Qos,DefaultQOS"
    ),
    "user": (
        ",Cluster,Account,Partition,Share,Priority,MaxJobs,MaxNodes,MaxCPUs,MaxSubmit,MaxWall,MaxCPUMins,Qos,DefaultQOS"
    ),
    "transaction": ",Users,Accounts,Clusters",
}
WITH_FEDERATION = ",Federation,ID,Features,FedState"


def find(entity: str, name: str) -> Column:
    """The entity's field of that name, or the first that begins with it. Raises UnknownField."""
    wanted = name.lower()
    tables = [TABLES[entity]]
    if entity in ("account", "user"):
        tables.append(_ASSOC)
    for table in tables:
        for column in table:
            if column.name.lower() == wanted:
                return column
    if len(wanted) > 0:
        for table in tables:
            for column in table:
                if column.name.lower().startswith(wanted):
                    return column
    raise UnknownField(name)


def parse(entity: str, format: str) -> list[Column]:
    """The columns of ``user%5,defaultaccount%-20``. Raises UnknownField with the name that is none."""
    found = []
    for part in format.split(","):
        name, percent, width = part.strip().partition("%")
        if not name:
            continue
        column = find(entity, name)
        if percent:
            sign = -1 if width.startswith("-") else 1
            digits = width.lstrip("+-")
            if digits.isdecimal() and int(digits):  # anything else leaves the column as wide as it is
                column = Column(column.name, column.header, sign * int(digits), column.cell)
        found.append(column)
    return found


def _fit(column: Column, value: str) -> str:
    width = abs(column.width)
    if len(value) > width:
        value = value[: width - 1] + "+" if width else ""
    return (value.ljust(width) if column.width < 0 else value.rjust(width)) + " "


def render(
    columns: Sequence[Column], rows: Iterable[Row], separator: str | None, trailing: bool, header: bool
) -> Iterable[str]:
    """Lines of a list: columns of fixed width, or with `separator` values between it."""
    if separator is not None:
        end = separator + "\n" if trailing else "\n"
        if header:
            yield separator.join(_long_header(column) for column in columns) + end
        for row in rows:
            yield separator.join(column.cell(row) for column in columns) + end
        return
    if header:
        cells = []
        for column in columns:
            width = abs(column.width)
            word = column.header[:width]
            cells.append((word.ljust(width) if column.width < 0 else word.rjust(width)) + " ")
        yield "".join(cells) + "\n"
        yield "".join("-" * abs(column.width) + " " for column in columns) + "\n"
    for row in rows:
        yield "".join(_fit(column, column.cell(row)) for column in columns) + "\n"


def _long_header(column: Column) -> str:
    return column.header
