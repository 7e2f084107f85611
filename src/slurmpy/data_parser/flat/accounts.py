"""Accounts, users, associations, QOS, clusters, WCKeys and TRES of the database; its own statistics."""

from __future__ import annotations

from typing import Any

from slurmpy.core.records import accounting as records

from ..lists import ListOf
from ..slurmdb_accounts import QOS_FLAGS as NEWER_QOS_FLAGS
from ..slurmdb_accounts import _attached, _keep, _short
from ..tables import Field as F
from .documented import array, ref
from .types import (
    INT,
    INT_OR_NULL,
    NUMBER,
    TEXT,
    TEXT_OR_NULL,
    TEXTS,
    TRES,
    ZERO_ONE,
    Constant,
    FlatTable,
    Names,
)

ASSOCIATION_SHORT = FlatTable(
    "assoc_short",
    dict,
    (
        F("account", TEXT_OR_NULL),
        F("cluster", TEXT_OR_NULL),
        F("partition", TEXT_OR_NULL),
        F("user", TEXT_OR_NULL),
    ),
)


class _Shorts(ListOf):
    def values(self, value: Any) -> Any:
        return [_short(association) for association in value or ()]

    def collect(self, items: tuple[Any, ...]) -> Any:
        return tuple(records.Association(**item) for item in items)


SHORTS = _Shorts(ASSOCIATION_SHORT)
COORDINATOR = FlatTable("coord", tuple, (F("name", TEXT, "0"), F("direct", ZERO_ONE, "1")))
COORDINATORS = ListOf(COORDINATOR)
_ATTACHED = (
    F("associations", SHORTS, get=_attached("_associations"), put=_keep("_associations")),
    F("coordinators", COORDINATORS, get=_attached("_coordinators"), put=_keep("_coordinators")),
)
DELETED = Names("deleted", ("DELETED",))

ACCOUNT = FlatTable(
    "account",
    records.Account,
    (*_ATTACHED, F("description", TEXT), F("name", TEXT), F("organization", TEXT), F("flags", DELETED)),
)
USER = FlatTable(
    "user",
    records.User,
    (
        F("administrator_level", TEXT),
        *_ATTACHED,
        F("default/account", TEXT, "default_account"),
        F("default/wckey", TEXT, "default_wckey"),
        F("flags", DELETED),
        F("name", TEXT),
    ),
)

ASSOCIATION_FLAGS = Names("assoc_flags", ("DELETED", "DEFAULT"), ordered=True)


def _flags(association: records.Association) -> tuple[str, ...]:
    return (*association.flags, *(("DEFAULT",) if association.is_default else ()))


def _put_flags(values: dict[str, Any], names: tuple[str, ...]) -> None:
    values["flags"] = tuple(name for name in names if name != "DEFAULT")
    values["is_default"] = "DEFAULT" in names


ASSOCIATION = FlatTable(
    "assoc",
    records.Association,
    (
        F("account", TEXT_OR_NULL),
        F("cluster", TEXT_OR_NULL),
        F("default/qos", TEXT_OR_NULL, "default_qos"),
        F("flags", ASSOCIATION_FLAGS, get=_flags, put=_put_flags),
        F("max/jobs/per/count", INT_OR_NULL, "grp_jobs"),
        F("max/jobs/per/accruing", INT_OR_NULL, "grp_jobs_accrue"),
        F("max/jobs/per/submitted", INT_OR_NULL, "grp_submit_jobs"),
        F("max/jobs/per/wall_clock", INT_OR_NULL, "max_wall_duration_per_job"),
        F("max/jobs/active", INT_OR_NULL, "max_jobs"),
        F("max/jobs/accruing", INT_OR_NULL, "max_jobs_accrue"),
        F("max/jobs/total", INT_OR_NULL, "max_submit_jobs"),
        F("max/tres/total", TRES, "grp_tres"),
        F("max/tres/minutes/per/job", TRES, "max_tres_mins_per_job"),
        F("max/tres/minutes/total", TRES, ""),
        F("max/tres/group/minutes", TRES, "grp_tres_mins"),
        F("max/tres/group/active", TRES, "grp_tres_run_mins"),
        F("max/tres/per/job", TRES, "max_tres_per_job"),
        F("max/tres/per/node", TRES, "max_tres_per_node"),
        F("max/per/account/wall_clock", INT_OR_NULL, "grp_wall"),
        F("is_default", ZERO_ONE),
        F("min/priority_threshold", INT_OR_NULL, "min_prio_threshold"),
        F("parent_account", TEXT_OR_NULL),
        F("partition", TEXT_OR_NULL),
        F("priority", INT_OR_NULL),
        F("qos", TEXTS),
        F("shares_raw", INT),
        F("usage", Constant(None), ""),
        F("user", TEXT_OR_NULL),
    ),
    documented={
        "max/jobs/per/count": None,
        "max/jobs/per/accruing": None,
        "max/jobs/per/submitted": None,
        "max/jobs/active": None,
        "max/jobs/accruing": None,
        "max/jobs/total": None,
        "max/tres/group/minutes": None,
        "max/tres/group/active": None,
        "is_default": None,
        "qos": None,
        "QOS": {"type": "array", "items": {"type": "string"}},
        "usage": {
            "type": "object",
            "properties": {
                "accrue_job_count": {"type": "integer"},
                "effective_normalized_usage": {"type": "number"},
                "fairshare_factor": {"type": "number"},
                "fairshare_level": {"type": "number"},
                "fairshare_shares": {"type": "integer"},
                "group_used_wallclock": {"type": "number"},
                "job_count": {"type": "integer"},
                "normalized_priority": {"type": "integer"},
                "normalized_shares": {"type": "number"},
                "raw_usage": {"type": "integer"},
            },
        },
    },
)

QOS_FLAGS = Names("qos_flags", NEWER_QOS_FLAGS.choices, NEWER_QOS_FLAGS._names, NEWER_QOS_FLAGS._value)
PREEMPT_MODES = Names(
    "qos_preempt_modes",
    ("SUSPEND", "REQUEUE", "CANCEL", "GANG"),
    lambda value: tuple(part.upper() for part in (value or "").split(",")),
    lambda names: ",".join(name.lower() for name in names),
)

QOS = FlatTable(
    "qos",
    records.Qos,
    (
        F("description", TEXT),
        F("flags", QOS_FLAGS),
        F("id", INT),
        F("limits/grace_time", INT, "grace_time"),
        F("limits/max/active_jobs/accruing", INT_OR_NULL, "grp_jobs_accrue"),
        F("limits/max/active_jobs/count", INT_OR_NULL, "grp_jobs"),
        F("limits/max/tres/total", TRES, "grp_tres"),
        F("limits/max/tres/minutes/per/qos", TRES, "grp_tres_mins"),
        F("limits/max/tres/minutes/per/job", TRES, "max_tres_mins_per_job"),
        F("limits/max/tres/minutes/per/account", TRES, "max_tres_run_mins_per_account"),
        F("limits/max/tres/minutes/per/user", TRES, "max_tres_run_mins_per_user"),
        F("limits/max/tres/per/account", TRES, "max_tres_per_account"),
        F("limits/max/tres/per/job", TRES, "max_tres_per_job"),
        F("limits/max/tres/per/node", TRES, "max_tres_per_node"),
        F("limits/max/tres/per/user", TRES, "max_tres_per_user"),
        F("limits/max/wall_clock/per/qos", INT_OR_NULL, "grp_wall"),
        F("limits/max/wall_clock/per/job", INT_OR_NULL, "max_wall_duration_per_job"),
        F("limits/max/jobs/active_jobs/per/account", INT_OR_NULL, "max_jobs_per_account"),
        F("limits/max/jobs/active_jobs/per/user", INT_OR_NULL, "max_jobs_per_user"),
        F("limits/max/jobs/per/account", INT_OR_NULL, "max_submit_jobs_per_account"),
        F("limits/max/jobs/per/user", INT_OR_NULL, "max_submit_jobs_per_user"),
        F("limits/max/accruing/per/account", INT_OR_NULL, "max_jobs_accrue_per_account"),
        F("limits/max/accruing/per/user", INT_OR_NULL, "max_jobs_accrue_per_user"),
        F("limits/factor", NUMBER, "limit_factor"),
        F("limits/min/priority_threshold", INT_OR_NULL, "min_prio_threshold"),
        F("limits/min/tres/per/job", TRES, "min_tres_per_job"),
        F("name", TEXT),
        F("preempt/list", TEXTS, "preempt"),
        F("preempt/mode", PREEMPT_MODES, "preempt_mode"),
        F("preempt/exempt_time", INT_OR_NULL, "preempt_exempt_time"),
        F("priority", INT),
        F("usage_factor", NUMBER),
        F("usage_threshold", NUMBER),
    ),
    documented={
        "id": {"type": "string"},
        "limits/grace_time": None,
        "limits/max/active_jobs/accruing": None,
        "limits/max/active_jobs/count": None,
        "limits/max/tres/total": None,
        "limits/max/jobs/per/account": None,
        "limits/max/jobs/per/user": None,
    },
)

CLUSTER = FlatTable(
    "cluster_rec",
    records.Cluster,
    (
        F("controller/host", TEXT, "control_host"),
        F("controller/port", INT, "control_port"),
        F("flags", Names("cluster_flags", ("MULTIPLE_SLURMD", "FRONT_END", "EXTERNAL", "FEDERATION"))),
        F("name", TEXT),
        F("nodes", TEXT_OR_NULL),
        F("select_plugin", TEXT_OR_NULL),
        F("associations/root", Constant(None, ref("dbV_association_short_info")), ""),
        F("rpc_version", INT),
        F("tres", TRES),
    ),
    documented={"tres": array("dbV_response_tres")},
)

WCKEY_FLAGS = Names("wckey_flags", ("DELETED", "DEFAULT"))


def _wckey_flags(wckey: records.Wckey) -> tuple[str, ...]:
    return (*getattr(wckey, "_flags", ()), *(("DEFAULT",) if wckey.is_default else ()))


def _put_wckey_flags(values: dict[str, Any], names: tuple[str, ...]) -> None:
    values["is_default"] = "DEFAULT" in names
    values["_flags"] = tuple(name for name in names if name != "DEFAULT")


WCKEY = FlatTable(
    "wckey",
    records.Wckey,
    (
        F("accounts", Constant([]), ""),
        F("cluster", TEXT),
        F("id", INT),
        F("name", TEXT),
        F("user", TEXT),
        F("flags", WCKEY_FLAGS, get=_wckey_flags, put=_put_wckey_flags),
    ),
    documented={"accounts": None, "accounting": array("dbV_accounting")},
)

TRES_RECORD = FlatTable(
    "tres",
    records.Tres,
    (F("type", TEXT_OR_NULL), F("name", TEXT_OR_NULL), F("id", INT), F("count", INT)),
)

_TIME = (F("time/average", INT, "average"), F("time/total", INT, "total"))
ROLLUP = FlatTable(
    "",
    dict,
    (
        F("type", TEXT),
        F("last_run", INT),
        F("last_cycle", INT),
        F("max_cycle", INT),
        F("total_time", INT),
        F("total_cycles", INT),
        F("mean_cycles", INT),
    ),
    documented={"total_cycles": None},
)


def _rollups(statistics: dict[str, Any]) -> list[dict[str, Any]]:
    """One for each period that has been rolled up; the document knows them under one name only."""
    found = statistics.get("rollups") or {}
    rows = []
    for period in ("hourly", "daily", "monthly"):
        count = found.get(f"{period}_count", 0)
        if count:
            total = found.get(f"{period}_time", 0)
            rows.append(
                {
                    "type": "internal" if period == "hourly" else "unknown",
                    "last_run": found.get(f"{period}_last_run", 0),
                    "last_cycle": found.get(f"{period}_last", 0),
                    "max_cycle": found.get(f"{period}_max", 0),
                    "total_time": total,
                    "total_cycles": count,
                    "mean_cycles": total // count,
                }
            )
    return rows


STATISTICS = FlatTable(
    "stats_rec",
    dict,
    (
        F("time_start", INT),
        F("rollups", ListOf(ROLLUP), get=_rollups),
        F("RPCs", ListOf(FlatTable("", dict, (F("rpc", TEXT), F("count", INT), *_TIME))), "rpcs"),
        F("users", ListOf(FlatTable("", dict, (F("user", TEXT), F("count", INT), *_TIME)))),
    ),
)
