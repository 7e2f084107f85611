"""The query parameters of the endpoints: each set is one table, read as a document is, and named in the OpenAPI
document."""

from __future__ import annotations

import json
import time
from typing import Any

from slurmpy.core import times
from slurmpy.data_parser.errors import Context, ParseFailed, quote, slurm_kind
from slurmpy.data_parser.kinds import INT32, JOB_STATE, UINT32, WARN_FLAGS
from slurmpy.data_parser.lists import Flags, ListOf
from slurmpy.data_parser.slurmdb_accounts import ADMIN_LVL, CLUSTER_REC_FLAGS, QOS_PREEMPT_MODES
from slurmpy.data_parser.tables import Field as F
from slurmpy.data_parser.tables import Table
from slurmpy.data_parser.types import BOOLEAN, STRING, UNSET, Boolean, Integer, Reference, Type, to_integer


class Timestamp(Type):
    """Seconds since 1970, or a time as the commands take them."""

    def schema(self, reference: Reference) -> dict[str, Any]:
        return {"type": "string"}

    def dump(self, value: Any) -> str:
        return str(value or 0)

    def parse(self, document: Any, at: str, context: Context) -> Any:
        if document is None:
            return UNSET
        if not isinstance(document, str):  # a parameter without a value, or one that is there twice
            got = json.dumps(document, separators=(",", ":"))
            context.error("ESLURM_DATA_CONV_FAILED", f"Expected integer but got {got}", at)
            raise ParseFailed
        text = document
        if text.isdecimal() and context.epochs:
            return int(text)
        try:
            return times.parse_time(text, int(time.time()), True)
        except ValueError:
            context.error("ESLURM_DATA_CONV_FAILED", f"Parsing of {text} for timestamp failed", at)
            raise ParseFailed from None


class Code(Integer):
    """A number of which a text that is none is told, and one that is too large is not."""

    def parse(self, document: Any, at: str, context: Context) -> Any:
        if document is None:
            return UNSET
        if type(document) is not int:
            self._mismatch(document, at, context)
        number = to_integer(document)
        if number is None:
            got = slurm_kind(document) if context.strict else quote(document)
            context.error("ESLURM_DATA_CONV_FAILED", f"Expected integer but got {got}", at)
        if number is None or abs(number) > self.most:
            raise ParseFailed
        return number


class Bit(Boolean):
    """One of a set of flags: a text is as good as a truth value, and nothing is said of it."""

    def _mismatch(self, document: Any, at: str, context: Context) -> None:
        pass


TIMESTAMP = Timestamp()
BIT = Bit()
WORDS = ListOf(STRING)  # separated by commas
STATES = ListOf(JOB_STATE)
SHOW_FLAGS = Flags("", ("ALL", "DETAIL", "MIXED", "LOCAL", "SIBLING", "FEDERATION", "FUTURE"))
CLASSIFICATION = Flags("", ("UNCLASSIFIED", "CAPABILITY", "CAPACITY", "CAPAPACITY"))


def _condition(label: str, *fields: F) -> Table:
    return Table("", dict, fields, label=label, sparse=True)


def _flags(*names: str) -> tuple[F, ...]:
    return tuple(F(name, BOOLEAN) for name in names)


def _bits(*names: str) -> tuple[F, ...]:
    return tuple(F(name, BIT) for name in names)


UPDATE_TIME = F("update_time", TIMESTAMP)
JOB_INFO = _condition("OPENAPI_JOB_INFO_QUERY", UPDATE_TIME, F("flags", SHOW_FLAGS))
NODES = _condition("OPENAPI_NODES_QUERY", UPDATE_TIME, F("flags", SHOW_FLAGS))
PARTITIONS = _condition("OPENAPI_PARTITIONS_QUERY", UPDATE_TIME, F("flags", SHOW_FLAGS))
RESERVATIONS = _condition("OPENAPI_RESERVATION_QUERY", UPDATE_TIME)
SHARES = _condition("SHARES_REQ_MSG", F("accounts", WORDS), F("users", WORDS))
JOB_STATES = _condition("OPENAPI_JOB_STATE_QUERY", F("job_id", WORDS))
REQUEUE = _condition("OPENAPI_JOB_REQUEUE_QUERY", *_flags("Incomplete", "Hold", "SpecialExit"))
CONF = _condition("OPENAPI_CONF_QUERY", UPDATE_TIME)
KILL_JOB = _condition("OPENAPI_KILL_JOB_QUERY", F("signal", STRING), F("flags", WARN_FLAGS))

ACCOUNT = _condition("OPENAPI_ACCOUNT_QUERY", *_flags("with_assocs", "with_coords", "with_deleted"))
ACCOUNTS = _condition(
    "ACCOUNT_CONDITION",
    F("description", WORDS),
    *_bits("DELETED", "WithAssociations", "WithCoordinators", "NoUsersAreCoords", "UsersAreCoords"),
)
USER = _condition("OPENAPI_USER_QUERY", *_flags("with_deleted", "with_assocs", "with_coords", "with_wckeys"))
USERS = _condition(
    "USER_CONDITION",
    F("admin_level", ADMIN_LVL),
    F("default_account", WORDS),
    F("default_wckey", WORDS),
    *_flags("with_assocs", "with_coords", "with_deleted", "with_wckeys", "without_defaults"),
)
ASSOCIATIONS = _condition(
    "ASSOC_CONDITION",
    F("account", WORDS),
    F("cluster", WORDS),
    F("default_qos", WORDS),
    *_bits(
        "Include deleted associations",
        "Include usage",
        "Filter to only defaults",
        "Include the raw QOS or delta_qos",
        "Include sub acct information",
        "Exclude parent id/name",
        "Exclude limits from parents",
    ),
    F("format", WORDS),
    F("id", WORDS),
    F("parent_account", WORDS),
    F("partition", WORDS),
    F("qos", WORDS),
    F("usage_end", TIMESTAMP),
    F("usage_start", TIMESTAMP),
    F("user", WORDS),
)
CLUSTER = _condition(
    "CLUSTER_CONDITION",
    F("classification", CLASSIFICATION),
    F("cluster", WORDS),
    F("federation", WORDS),
    F("flags", CLUSTER_REC_FLAGS),
    F("format", WORDS),
    F("rpc_version", WORDS),
    F("usage_end", TIMESTAMP),
    F("usage_start", TIMESTAMP),
    *_flags("with_deleted", "with_usage"),
)
CLUSTERS = _condition("OPENAPI_CLUSTERS_QUERY", UPDATE_TIME)
#: what slurmrestd of 24.11 looks at there: its list is chosen by what the document has at a single cluster
CLUSTERS_READ = CLUSTER.changed()
_OF_CLUSTERS = (CLUSTER, CLUSTERS_READ)
INSTANCES = _condition(
    "INSTANCE_CONDITION",
    F("cluster", WORDS),
    F("extra", WORDS),
    F("format", WORDS),
    F("instance_id", WORDS),
    F("instance_type", WORDS),
    F("node_list", STRING),
    F("time_end", TIMESTAMP),
    F("time_start", TIMESTAMP),
)
JOBS = _condition(
    "JOB_CONDITION",
    F("account", WORDS),
    F("association", WORDS),
    F("cluster", WORDS),
    F("constraints", WORDS),
    *_bits(
        "scheduler_unset", "scheduled_on_submit", "scheduled_by_main", "scheduled_by_backfill", "job_started",
    ),
    F("exit_code", Code("int32")),
    *_bits(
        "show_duplicates", "skip_steps", "disable_truncate_usage_time", "whole_hetjob", "disable_whole_hetjob",
        "disable_wait_for_result", "usage_time_as_submit_time", "show_batch_script", "show_job_environment",
    ),
    F("format", WORDS),
    F("groups", WORDS),
    F("job_name", WORDS),
    F("partition", WORDS),
    F("qos", WORDS),
    F("reason", WORDS),
    F("reservation", WORDS),
    F("reservation_id", WORDS),
    F("state", STATES),
    F("step", WORDS),
    F("end_time", TIMESTAMP),
    F("start_time", TIMESTAMP),
    F("node", STRING),
    F("users", WORDS),
    F("wckey", WORDS),
)  # fmt: skip
#: limits that one side of may be given, in the oldest version that has them
JOB_RANGES = ("cpus", "nodes", "timelimit")
#: 24.11 looks at these in each version; the documents of the later ones do not name them
JOBS_READ = JOBS.changed(
    add=(
        *(("exit_code", F(f"{name}_{end}", UINT32)) for name in JOB_RANGES for end in ("min", "max")),
        ("start_time", F("submit_time", TIMESTAMP)),
    )
)
_UNNAMED = ("submit_time", *(f"{name}_{end}" for name in JOB_RANGES for end in ("min", "max")))
ONE_QOS = _condition("OPENAPI_QOS_QUERY", F("with_deleted", BOOLEAN))
QOS = _condition(
    "QOS_CONDITION",
    F("description", WORDS),
    F("Include deleted QOS", BIT),
    F("id", WORDS),
    F("format", WORDS),
    F("name", WORDS),
    F("preempt_mode", QOS_PREEMPT_MODES),
)
WCKEYS = _condition(
    "WCKEY_CONDITION",
    F("cluster", WORDS),
    F("format", WORDS),
    F("id", WORDS),
    F("name", WORDS),
    F("only_defaults", BOOLEAN),
    F("usage_end", TIMESTAMP),
    F("usage_start", TIMESTAMP),
    F("user", WORDS),
    *_flags("with_usage", "with_deleted"),
)

_OLDER_ASSOCIATIONS = {
    "with_deleted": "Include deleted associations",
    "with_usage": "Include usage",
    "only_defaults": "Filter to only defaults",
    "with_raw_qos": "Include the raw QOS or delta_qos",
    "with_sub_accts": "Include sub acct information",
    "without_parent_info": "Exclude parent id/name",
    "without_parent_limits": "Exclude limits from parents",
}


def _renamed(names: dict[str, str], type: Type = BOOLEAN) -> dict[str, Any]:
    """Older words for what the handlers know by the newer ones."""
    return {
        "drop": tuple(names.values()),
        "add": tuple(("", F(older, type, newer)) for older, newer in reversed(names.items())),
    }


_WITH_FORMAT = (ASSOCIATIONS, *_OF_CLUSTERS, INSTANCES, JOBS, JOBS_READ, QOS, WCKEYS)

#: (first version, last version, table, what is different in these: keywords of `Table.changed`)
DIFFERENCES: tuple[tuple[str, str, Table, dict[str, Any]], ...] = (
    (
        "v0.0.40", "v0.0.40", ACCOUNTS,
        {
            "drop": ("DELETED", "WithAssociations", "WithCoordinators", "NoUsersAreCoords", "UsersAreCoords"),
            "add": tuple(
                ("description", F(name, BOOLEAN)) for name in ("with_deleted", "with_coords", "with_assocs")
            ),
        },
    ),
    (
        "v0.0.40", "v0.0.40", JOBS,
        {
            "add": (
                *(("exit_code", F(f"{name}_{end}", INT32)) for name in JOB_RANGES for end in ("min", "max")),
                ("start_time", F("submit_time", TIMESTAMP)),
            )
        },
    ),
    (
        "v0.0.40", "v0.0.40", KILL_JOB,
        {"change": {"flags": {"type": WARN_FLAGS.changed(add=(("RESERVATION_JOB", "NO_CRON_JOBS"),))}}},
    ),
    ("v0.0.40", "v0.0.41", ASSOCIATIONS, _renamed(_OLDER_ASSOCIATIONS)),
    ("v0.0.40", "v0.0.41", QOS, _renamed({"with_deleted": "Include deleted QOS"}, BIT)),
    *(
        (
            "v0.0.40", "v0.0.41", table,
            {
                "change": {
                    "classification": {
                        "type": CLASSIFICATION.changed(
                            drop=("CAPAPACITY",), add=(("CAPACITY", "CAPAPACITY (both CAPABILITY and CAPACITY)"),)
                        )
                    }
                }
            },
        )
        for table in _OF_CLUSTERS
    ),
    *(
        (
            "v0.0.43", "v0.0.45", table,
            {"change": {"flags": {"type": CLUSTER_REC_FLAGS.changed(drop=("FRONT_END",), add=(("", "DELETED"),))}}},
        )
        for table in _OF_CLUSTERS
    ),
    ("v0.0.43", "v0.0.45", CLUSTERS_READ, {"add": (("", UPDATE_TIME),)}),
    *(("v0.0.43", "v0.0.44", table, {"change": {"format": {"deprecated": True}}}) for table in _WITH_FORMAT),
    ("v0.0.43", "v0.0.45", JOBS_READ, {"drop": _UNNAMED}),
    *(("v0.0.44", "v0.0.45", table, {"add": (("job_started", F("job_altered", BIT)),)}) for table in (JOBS, JOBS_READ)),
    *(("v0.0.45", "v0.0.45", table, {"drop": ("format",)}) for table in _WITH_FORMAT),
)  # fmt: skip

_tables: dict[tuple[int, str], Table] = {}


def of(table: Table, version: str) -> Table:
    """A set of parameters as a version has it."""
    key = (id(table), version)
    found = _tables.get(key)
    if found is None:
        found = table
        for first, last, changed, how in DIFFERENCES:
            if changed is table and first <= version <= last:
                found = found.changed(**how)
        _tables[key] = found
    return found
