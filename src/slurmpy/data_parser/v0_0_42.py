"""data_parser/v0.0.42, the newest that Slurm 24.11 serves: which types there are."""

from __future__ import annotations

from . import (
    controller_info,
    jobs,
    nodes,
    partitions,
    requests,
    reservations,
    slurmdb_accounts,
    slurmdb_jobs,
    steps,
    submissions,
    tres,
)
from .envelopes import ENVELOPES
from .plugin import Plugin
from .tables import Field, Table
from .types import Type

VERSION = "v0.0.42"

#: the types that callers ask for by name; all others are reached from these and from the envelopes
TYPES: tuple[Type, ...] = (
    jobs.JOB_INFO,
    nodes.NODE,
    partitions.PARTITION_INFO,
    reservations.RESERVATION_INFO,
    steps.STEP_INFO,
    slurmdb_jobs.JOB,
    slurmdb_jobs.STEP,
    slurmdb_accounts.ACCOUNT,
    slurmdb_accounts.USER,
    slurmdb_accounts.ASSOC,
    slurmdb_accounts.QOS,
    slurmdb_accounts.CLUSTER_REC,
    slurmdb_accounts.WCKEY,
    slurmdb_accounts.INSTANCE,
    tres.TRES,
    controller_info.SHARES_OBJ,
    submissions.JOB_DESC_MSG,
    submissions.JOB_SUBMIT_REQ,
    submissions.JOB_ALLOC_REQ,
    requests.KILL_JOBS_MSG,
    requests.UPDATE_NODE_MSG,
    requests.ACCOUNTS_ADD,
    requests.USERS_ADD,
)


#: what only commands print, or what the real document describes as something else
UNPUBLISHED = frozenset(
    {
        "step_info",
        "step_info_msg",
        "openapi_step_info_resp",
        "sinfo",
        "sinfo_rows",
        "openapi_sinfo_resp",
        "openapi_slurmdbd_stats_denied",
        "openapi_users_removed_resp",
    }
)


def field(table: str, path: str) -> Field:
    """A field by the name of its table and its path, for versions that have it at another place."""
    for type in TYPES:
        for part in (type, *(entry.type for envelope in ENVELOPES.values() for entry in envelope.fields)):
            if isinstance(part, Table) and part.name == table:
                return part.fields_by_path[path]
    raise KeyError(table)


def plugin() -> Plugin:
    return Plugin(VERSION, TYPES, ENVELOPES, UNPUBLISHED)
