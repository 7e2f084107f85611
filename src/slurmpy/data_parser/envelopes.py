"""The documents around the records: what is in them, in which order; meta, errors and warnings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import controller_info, jobs, nodes, partitions, reservations, sinfo_rows, slurmdb_accounts, slurmdb_jobs, steps
from .kinds import INT32, JOB_STATE, SET64, STRING_ARRAY, STRING_LIST, UINT32
from .lists import ListOf
from .tables import Field as F
from .tables import Table
from .tres import TRES_LIST
from .types import STRING, Empty, Reference, Type

if TYPE_CHECKING:
    from .compiler import Compiler

#: the release whose documents these are
RELEASE = "24.11.5"
MAJOR, MINOR, MICRO = RELEASE.split(".")

META = Table(
    "openapi_meta",
    dict,
    (
        F("plugin/type", STRING, "plugin_type"),
        F("plugin/name", STRING, "plugin_name"),
        F("plugin/data_parser", STRING, "data_parser"),
        F("plugin/accounting_storage", STRING, "accounting_storage"),
        F("client/source", STRING, "source"),
        F("client/user", STRING, "user"),
        F("client/group", STRING, "group"),
        F("command", STRING_ARRAY),
        F("slurm/version/major", STRING, get=lambda meta: MAJOR),
        F("slurm/version/micro", STRING, get=lambda meta: MICRO),
        F("slurm/version/minor", STRING, get=lambda meta: MINOR),
        F("slurm/release", STRING, get=lambda meta: RELEASE),
        F("slurm/cluster", STRING, "cluster"),
    ),
)
ERROR = Table(
    "openapi_error",
    dict,
    (F("description", STRING), F("error_number", INT32), F("error", STRING), F("source", STRING)),
)
ERRORS = ListOf(ERROR, "openapi_errors")
WARNING = Table("openapi_warning", dict, (F("description", STRING), F("source", STRING)))
WARNINGS = ListOf(WARNING, "openapi_warnings")

_TAIL = (F("meta", META), F("errors", ERRORS), F("warnings", WARNINGS))
_UPDATE = (F("last_update", SET64, required=True),)


def envelope(name: str, *fields: F) -> Table:
    """The document of that name: its own fields, then meta, errors and warnings."""
    return Table(name, dict, (*fields, *_TAIL))


def listing(name: str, key: str, type: Type, *more: F) -> Table:
    """One whose first field, always there, holds the records."""
    return envelope(name, F(key, type, required=True), *more)


KILL_JOBS_RESP = ListOf(
    Table(
        "kill_jobs_resp_job",
        dict,
        (
            F("error/string", STRING, "error_string", required=True),
            F("error/code", INT32, "error_code", required=True),
            F("error/message", STRING, "error_message", required=True),
            F("step_id", STRING, required=True),
            F("job_id", UINT32, required=True),
            F("federation/sibling", STRING, "sibling", required=True),
        ),
    ),
    "kill_jobs_resp_msg",
)


class _Results(ListOf):
    """Null rather than an empty list when there is nothing to tell."""

    def schema(self, reference: Reference) -> dict[str, Any]:
        return {**super().schema(reference), "nullable": True}

    def dump_at(self, value: Any, now: float) -> Any:
        return super().dump_at(value, now) if value else None

    def json_code(self, c: Compiler, value: str, indent: int) -> str:
        return Type.json_code(self, c, value, indent)

    def yaml_code(self, c: Compiler, value: str, indent: int, column: int) -> str:
        return Type.yaml_code(self, c, value, indent, column)


JOB_ARRAY_RESPONSE = _Results(
    Table(
        "job_array_response_msg_entry",
        dict,
        (
            F("job_id", INT32),
            F("step_id", STRING),
            F("error", STRING),
            F("error_code", INT32),
            F("why", STRING),
        ),
    ),
    "job_array_response_array",
)

#: kind of answer -> its document; the first field holds the records that may be streamed
ENVELOPES: dict[str, Table] = {
    "jobs": listing(
        "openapi_job_info_resp", "jobs", jobs.JOB_INFO_MSG, F("last_backfill", SET64, required=True), *_UPDATE
    ),
    "steps": listing("openapi_step_info_resp", "steps", steps.STEP_INFO_MSG, *_UPDATE),
    # without both where the one node that was asked for is none
    "nodes": envelope("openapi_nodes_resp", F("nodes", nodes.NODES), F("last_update", SET64)),
    "partitions": listing("openapi_partition_resp", "partitions", partitions.PARTITION_INFO_MSG, *_UPDATE),
    "reservations": listing("openapi_reservation_resp", "reservations", reservations.RESERVATION_INFO_MSG, *_UPDATE),
    "licenses": listing("openapi_licenses_resp", "licenses", controller_info.LICENSES, *_UPDATE),
    "sinfo": listing("openapi_sinfo_resp", "sinfo", sinfo_rows.SINFO_ROWS),
    "pings": listing("openapi_ping_array_resp", "pings", controller_info.CONTROLLER_PINGS),
    "diag": listing("openapi_diag_resp", "statistics", controller_info.STATS_MSG),
    "shares": listing("openapi_shares_resp", "shares", controller_info.SHARES_RESP),
    "job_states": listing(
        "openapi_job_states_resp",
        "jobs",
        ListOf(Table("job_state_entry", dict, (F("job_id", STRING), F("state", JOB_STATE))), "job_state_entries"),
    ),
    "none": Table("openapi_resp", dict, (F("errors", ERRORS), F("warnings", WARNINGS), F("meta", META))),
    "submit": envelope(
        "openapi_job_submit_response", F("job_id", INT32), F("step_id", STRING), F("job_submit_user_msg", STRING)
    ),
    "allocate": envelope("openapi_job_alloc_resp", F("job_id", INT32), F("job_submit_user_msg", STRING)),
    "update": envelope("openapi_job_post_response", F("results", JOB_ARRAY_RESPONSE)),
    "kill_job": listing("openapi_kill_job_resp", "status", KILL_JOBS_RESP),
    "kill_jobs": listing("openapi_kill_jobs_resp", "status", KILL_JOBS_RESP),
    "slurmdb_jobs": listing("openapi_slurmdbd_jobs_resp", "jobs", slurmdb_jobs.JOB_LIST),
    "slurmdb_pings": listing("openapi_slurmdbd_ping_resp", "pings", controller_info.SLURMDBD_PINGS),
    # for those who may not see it
    "slurmdb_diag_denied": envelope("openapi_slurmdbd_stats_denied", F("statistics", Empty({"type": "object"}, {}))),
    "slurmdb_diag": listing("openapi_slurmdbd_stats_resp", "statistics", controller_info.STATS_REC),
    "accounts": listing("openapi_accounts_resp", "accounts", slurmdb_accounts.ACCOUNT_LIST),
    "users": listing("openapi_users_resp", "users", slurmdb_accounts.USER_LIST),
    "associations": listing("openapi_assocs_resp", "associations", slurmdb_accounts.ASSOC_LIST),
    "qos": listing("openapi_slurmdbd_qos_resp", "qos", slurmdb_accounts.QOS_LIST),
    "clusters": listing("openapi_clusters_resp", "clusters", slurmdb_accounts.CLUSTER_REC_LIST),
    "wckeys": listing("openapi_wckey_resp", "wckeys", slurmdb_accounts.WCKEY_LIST),
    # without them where there are none
    "instances": envelope("openapi_instances_resp", F("instances", slurmdb_accounts.INSTANCE_LIST)),
    "tres": listing("openapi_tres_resp", "TRES", TRES_LIST),
    "config": envelope(
        "openapi_slurmdbd_config_resp",
        F("clusters", slurmdb_accounts.CLUSTER_REC_LIST),
        F("tres", TRES_LIST),
        F("accounts", slurmdb_accounts.ACCOUNT_LIST),
        F("users", slurmdb_accounts.USER_LIST),
        F("qos", slurmdb_accounts.QOS_LIST),
        F("wckeys", slurmdb_accounts.WCKEY_LIST),
        F("associations", slurmdb_accounts.ASSOC_LIST),
        F("instances", slurmdb_accounts.INSTANCE_LIST),
    ),
    "accounts_removed": listing("openapi_accounts_removed_resp", "removed_accounts", STRING_LIST),
    "users_removed": listing("openapi_users_removed_resp", "removed_users", STRING_LIST),
    "users_added": listing("openapi_users_add_cond_resp_str", "added_users", STRING),
    "accounts_added": listing("openapi_accounts_add_cond_resp_str", "added_accounts", STRING),
    "associations_removed": listing("openapi_assocs_removed_resp", "removed_associations", STRING_LIST),
    "clusters_removed": listing("openapi_clusters_removed_resp", "deleted_clusters", STRING_LIST),
    "qos_removed": listing("openapi_slurmdbd_qos_removed_resp", "removed_qos", STRING_LIST),
    "wckeys_removed": listing("openapi_wckey_removed_resp", "deleted_wckeys", STRING_LIST),
}
