"""Accounts, users, associations, QOS, clusters and the like, as ``sacctmgr --json`` prints them.

What hangs on a record without being part of it (an account's associations, a user's coordinated accounts) is taken from
private attributes that the caller sets on it: ``_associations`` (Association records), ``_coordinators`` ((name,
direct) pairs), ``_wckeys`` (Wckey records), ``_accounting`` (dicts).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slurmpy.core.records import accounting as records

from .errors import Context
from .kinds import BOOLEAN, FLOAT64, INT32, INT64, UINT32, first_name
from .lists import Flags, ListOf
from .tables import Field as F
from .tables import Table
from .tres import TRES, TRES_TEXT
from .types import INFINITE, STRING, UNSET, OptionalNumber, Reference, Type


class Limit(OptionalNumber):
    """A limit that is not set has no end: ``None`` in the record, «infinite» in the document."""

    resets = True

    def dump(self, value: Any) -> Any:
        return super().dump(INFINITE if value is None else value)

    def parse(self, document: Any, at: str, context: Context) -> Any:
        value = super().parse(document, at, context)
        return UNSET if value is None else None if value == INFINITE else value

    def json_code(self, c: Any, value: str, indent: int) -> str:
        return super().json_code(c, f"{INFINITE} if (_x := {value}) is None else _x", indent)

    def yaml_code(self, c: Any, value: str, indent: int, column: int) -> str:
        return super().yaml_code(c, f"{INFINITE} if (_x := {value}) is None else _x", indent, column)


LIMIT = Limit(UINT32.name, "int32")
LIMIT_FACTOR = Limit(FLOAT64.name, "double", real=True)


def _attached(name: str) -> Callable[[Any], Any]:
    def attached(record: Any) -> Any:
        return getattr(record, name, ())

    return attached


def _keep(name: str) -> Callable[[dict[str, Any], Any], None]:
    def keep(values: dict[str, Any], value: Any) -> None:
        values[name] = value

    return keep


ASSOC_SHORT = Table(
    "assoc_short",
    dict,
    (
        F("account", STRING),
        F("cluster", STRING),
        F("partition", STRING),
        F("user", STRING, required=True),
        F("id", INT32),
    ),
)


def _short(association: records.Association) -> dict[str, Any]:
    return {name: getattr(association, name) for name in ("account", "cluster", "partition", "user", "id")}


class _AssocShorts(ListOf):
    def values(self, value: Any) -> Any:
        return [_short(association) for association in value or ()]

    def collect(self, items: tuple[Any, ...]) -> Any:
        return tuple(records.Association(**item) for item in items)


ASSOC_SHORT_LIST = _AssocShorts(ASSOC_SHORT, "assoc_short_list")

COORD = Table("coord", tuple, (F("name", STRING, "0", required=True), F("direct", BOOLEAN, "1")))
COORD_LIST = ListOf(COORD, "coord_list")

ACCOUNTING = Table(
    "accounting",
    dict,
    (
        F("allocated/seconds", INT64, "seconds"),
        F("id", INT32),
        F("id_alt", INT32),
        F("start", INT64),
        F("TRES", TRES, "tres"),
    ),
)
ACCOUNTING_LIST = ListOf(ACCOUNTING, "accounting_list")

ACCOUNT_FLAGS = Flags(
    "account_flags", ("DELETED", "WithAssociations", "WithCoordinators", "NoUsersAreCoords", "UsersAreCoords")
)
ACCOUNT = Table(
    "account",
    records.Account,
    (
        F("associations", ASSOC_SHORT_LIST, get=_attached("_associations"), put=_keep("_associations")),
        F("coordinators", COORD_LIST, get=_attached("_coordinators"), put=_keep("_coordinators")),
        F("description", STRING, required=True),
        F("name", STRING, required=True),
        F("organization", STRING, required=True),
        F("flags", ACCOUNT_FLAGS),
    ),
)
ACCOUNT_LIST = ListOf(ACCOUNT, "account_list")

WCKEY_FLAGS = Flags("wckey_flags", ("DELETED",))
WCKEY = Table(
    "wckey",
    records.Wckey,
    (
        F("accounting", ACCOUNTING_LIST, get=_attached("_accounting"), put=_keep("_accounting")),
        F("cluster", STRING, required=True),
        F("id", INT32),
        F("name", STRING, required=True),
        F("user", STRING, required=True),
        F("flags", WCKEY_FLAGS, get=_attached("_flags"), put=_keep("_flags")),
    ),
)
WCKEY_LIST = ListOf(WCKEY, "wckey_list")

ADMIN_LVL = Flags(
    "admin_lvl", ("Not Set", "None", "Operator", "Administrator"), lambda value: (value or "Not Set",), first_name
)
USER_FLAGS = Flags(
    "user_flags",
    ("NONE", "DELETED"),
    lambda value: value or ("NONE",),
    lambda names: () if names == ("NONE",) else names,
)
USER = Table(
    "user",
    records.User,
    (
        F("administrator_level", ADMIN_LVL),
        F("associations", ASSOC_SHORT_LIST, get=_attached("_associations"), put=_keep("_associations")),
        F("coordinators", COORD_LIST, get=_attached("_coordinators"), put=_keep("_coordinators")),
        F("default/account", STRING, "default_account"),
        F("default/wckey", STRING, "default_wckey"),
        F("flags", USER_FLAGS),
        F("name", STRING, required=True),
        F("old_name", STRING, get=_attached("_old_name"), put=_keep("_old_name")),
        F("wckeys", WCKEY_LIST, get=_attached("_wckeys"), put=_keep("_wckeys")),
    ),
)
USER_LIST = ListOf(USER, "user_list")

QOS_STRING_ID_LIST = ListOf(STRING, "qos_string_id_list")
ASSOC_FLAGS = Flags("assoc_flags", ("DELETED", "NoUpdate", "Exact", "NoUsersAreCoords", "UsersAreCoords"))


def _named_qos(association: records.Association) -> Any:
    """Without what is added to a parent's list or taken from it ("+high", "-low"): a document has names alone."""
    return [name for name in association.qos or () if name[:1] not in ("+", "-")]


class _NoId(Type):
    """This release writes no association's id in its list (only with jobs and users): always 0."""

    def schema(self, reference: Reference) -> dict[str, Any]:
        return INT32.schema(reference)

    def dump(self, value: Any) -> int:
        return 0

    def parse(self, document: Any, at: str, context: Context) -> Any:
        return INT32.parse(document, at, context)


ASSOC = Table(
    "assoc",
    records.Association,
    (
        F("accounting", ACCOUNTING_LIST, get=_attached("_accounting"), put=_keep("_accounting")),
        F("account", STRING),
        F("cluster", STRING),
        F("comment", STRING),
        F("default/qos", STRING, "default_qos"),
        F("flags", ASSOC_FLAGS),
        F("max/jobs/per/count", LIMIT, "grp_jobs"),
        F("max/jobs/per/accruing", LIMIT, "grp_jobs_accrue"),
        F("max/jobs/per/submitted", LIMIT, "grp_submit_jobs"),
        F("max/jobs/per/wall_clock", LIMIT, "max_wall_duration_per_job"),
        F("max/jobs/active", LIMIT, "max_jobs"),
        F("max/jobs/accruing", LIMIT, "max_jobs_accrue"),
        F("max/jobs/total", LIMIT, "max_submit_jobs"),
        F("max/tres/total", TRES_TEXT, "grp_tres"),
        F("max/tres/group/minutes", TRES_TEXT, "grp_tres_mins"),
        F("max/tres/group/active", TRES_TEXT, "grp_tres_run_mins"),
        F("max/tres/minutes/total", TRES_TEXT, ""),
        F("max/tres/minutes/per/job", TRES_TEXT, "max_tres_mins_per_job"),
        F("max/tres/per/job", TRES_TEXT, "max_tres_per_job"),
        F("max/tres/per/node", TRES_TEXT, "max_tres_per_node"),
        F("max/per/account/wall_clock", LIMIT, "grp_wall"),
        F("id", _NoId()),
        F("is_default", BOOLEAN),
        F("lineage", STRING),
        F("min/priority_threshold", LIMIT, "min_prio_threshold"),
        F("parent_account", STRING),
        F("partition", STRING),
        F("priority", LIMIT),
        F("qos", QOS_STRING_ID_LIST, get=_named_qos, put=_keep("qos")),
        F("shares_raw", INT32),
        F("user", STRING, required=True),
    ),
)
ASSOC_LIST = ListOf(ASSOC, "assoc_list")

#: name in the documents: sacctmgr's
QOS_FLAG_NAMES = {
    "NOT_SET": "NotSet",
    "ADD": "Add",
    "REMOVE": "Remove",
    "PARTITION_MINIMUM_NODE": "PartitionMinNodes",
    "PARTITION_MAXIMUM_NODE": "PartitionMaxNodes",
    "PARTITION_TIME_LIMIT": "PartitionTimeLimit",
    "ENFORCE_USAGE_THRESHOLD": "EnforceUsageThreshold",
    "NO_RESERVE": "NoReserve",
    "REQUIRED_RESERVATION": "RequiresReservation",
    "DENY_LIMIT": "DenyOnLimit",
    "OVERRIDE_PARTITION_QOS": "OverPartQOS",
    "NO_DECAY": "NoDecay",
    "USAGE_FACTOR_SAFE": "UsageFactorSafe",
    "RELATIVE": "Relative",
}


def qos_flags(names: dict[str, str]) -> Flags:
    """The flags of a QOS: name in the documents -> sacctmgr's, which is the record's."""
    ours = {theirs.casefold(): name for name, theirs in names.items()}

    def told(value: tuple[str, ...] | None) -> tuple[str, ...]:
        found = {ours.get(flag.casefold()) for flag in value or ()}
        return tuple(name for name in names if name in found)

    return Flags("qos_flags", tuple(names), told, lambda given: tuple(names[name] for name in given))


QOS_FLAGS = qos_flags(QOS_FLAG_NAMES)
QOS_PREEMPT_MODES = Flags(
    "qos_preempt_modes",
    ("DISABLED", "SUSPEND", "REQUEUE", "CANCEL", "GANG"),
    lambda value: tuple(part.upper() for part in (value or "DISABLED").split(",")),
    lambda names: "" if names in ((), ("DISABLED",)) else ",".join(name.lower() for name in names),
)
QOS_PREEMPT_LIST = ListOf(STRING, "qos_preempt_list")

QOS = Table(
    "qos",
    records.Qos,
    (
        F("description", STRING),
        F("flags", QOS_FLAGS),
        F("id", INT32),
        F("limits/grace_time", INT32, "grace_time"),
        F("limits/max/active_jobs/accruing", LIMIT, "grp_jobs_accrue"),
        F("limits/max/active_jobs/count", LIMIT, "grp_jobs"),
        F("limits/max/jobs/count", LIMIT, "grp_submit_jobs"),
        F("limits/max/jobs/active_jobs/per/account", LIMIT, "max_jobs_per_account"),
        F("limits/max/jobs/active_jobs/per/user", LIMIT, "max_jobs_per_user"),
        F("limits/max/jobs/per/account", LIMIT, "max_submit_jobs_per_account"),
        F("limits/max/jobs/per/user", LIMIT, "max_submit_jobs_per_user"),
        F("limits/max/tres/total", TRES_TEXT, "grp_tres"),
        F("limits/max/tres/minutes/total", TRES_TEXT, "grp_tres_mins"),
        F("limits/max/tres/minutes/per/qos", TRES_TEXT, "grp_tres_run_mins"),
        F("limits/max/tres/minutes/per/job", TRES_TEXT, "max_tres_mins_per_job"),
        F("limits/max/tres/minutes/per/account", TRES_TEXT, "max_tres_run_mins_per_account"),
        F("limits/max/tres/minutes/per/user", TRES_TEXT, "max_tres_run_mins_per_user"),
        F("limits/max/tres/per/account", TRES_TEXT, "max_tres_per_account"),
        F("limits/max/tres/per/job", TRES_TEXT, "max_tres_per_job"),
        F("limits/max/tres/per/node", TRES_TEXT, "max_tres_per_node"),
        F("limits/max/tres/per/user", TRES_TEXT, "max_tres_per_user"),
        F("limits/max/wall_clock/per/qos", LIMIT, "grp_wall"),
        F("limits/max/wall_clock/per/job", LIMIT, "max_wall_duration_per_job"),
        F("limits/max/accruing/per/account", LIMIT, "max_jobs_accrue_per_account"),
        F("limits/max/accruing/per/user", LIMIT, "max_jobs_accrue_per_user"),
        F("limits/factor", LIMIT_FACTOR, "limit_factor"),
        F("limits/min/priority_threshold", LIMIT, "min_prio_threshold"),
        F("limits/min/tres/per/job", TRES_TEXT, "min_tres_per_job"),
        F("name", STRING),
        F("preempt/list", QOS_PREEMPT_LIST, "preempt"),
        F("preempt/mode", QOS_PREEMPT_MODES, "preempt_mode"),
        F("preempt/exempt_time", LIMIT, "preempt_exempt_time"),
        F("priority", UINT32),
        F("usage_factor", FLOAT64),
        F("usage_threshold", LIMIT_FACTOR),
    ),
)
QOS_LIST = ListOf(QOS, "qos_list")


def _root(cluster: records.Cluster) -> dict[str, Any]:
    return {"account": "root", "cluster": cluster.name, "id": getattr(cluster, "_root_id", 1)}


CLUSTER_REC_FLAGS = Flags(
    "cluster_rec_flags", ("REGISTERING", "MULTIPLE_SLURMD", "FRONT_END", "FEDERATION", "EXTERNAL")
)
CLUSTER_REC = Table(
    "cluster_rec",
    records.Cluster,
    (
        F("controller/host", STRING, "control_host"),
        F("controller/port", INT32, "control_port"),
        F("flags", CLUSTER_REC_FLAGS),
        F("name", STRING),
        F("nodes", STRING),
        F("select_plugin", STRING, deprecated=True),
        F("associations/root", ASSOC_SHORT, get=_root),
        F("rpc_version", INT32),
        F("tres", TRES_TEXT),
    ),
)
CLUSTER_REC_LIST = ListOf(CLUSTER_REC, "cluster_rec_list")

INSTANCE = Table(
    "instance",
    records.Instance,
    (
        F("cluster", STRING),
        F("extra", STRING),
        F("instance_id", STRING),
        F("instance_type", STRING),
        F("node_name", STRING),
        F("time/time_end", INT64, "time_end"),
        F("time/time_start", INT64, "time_start"),
    ),
)
INSTANCE_LIST = ListOf(INSTANCE, "instance_list")
