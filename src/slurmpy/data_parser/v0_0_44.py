"""data_parser/v0.0.44, as Slurm 26.05 serves it: its differences from v0.0.43."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slurmpy.core.records.accounting import User

from . import job_changes, v0_0_42, v0_0_43
from .kinds import INT32
from .plugin import Plugin
from .tables import Field as F
from .tables import Table
from .types import STRING, Type
from .versions import Derivation, flags

VERSION = "v0.0.44"


def _nothing(record: Any) -> None:
    return None


def _default_qos(user: User) -> int:
    """The number of the QOS that the default association has, where associations come along."""
    found: int | None = getattr(user, "_default_qos", None)
    if found is not None:
        return found
    associations = getattr(user, "_associations", ())
    return next((one.default_qos_id for one in associations if one.is_default), 0)


def _put_default_qos(values: dict[str, Any], value: int) -> None:
    values["_default_qos"] = value


TABLES: dict[str, dict[str, Any]] = {
    "job_info": {
        "add": (
            ("shared", F("step_id", job_changes.SLURM_STEP_ID, get=job_changes.step_of, put=job_changes.put_sluid)),
            ("submit_time", F("submit_line", STRING)),
        )
    },
    "job_desc_msg": {
        "add": (("standard_output", F("step_id", job_changes.SLURM_STEP_ID, get=_nothing, put=job_changes.put_step)),)
    },
    "license": {"add": (("LastUpdate", F("Nodes", STRING, "")),)},
    "step_info": {"add": (("state", job_changes.attached("sluid")),)},
    "user": {"add": (("coordinators", F("default/qos", INT32, get=_default_qos, put=_put_default_qos)),)},
    "user_short": {"add": (("defaultaccount", F("defaultqos", INT32, "default_qos_id")),)},
    "openapi_accounts_add_cond_resp": {"change": {"association_condition": {"required": True}}},
}

TYPE_CHANGES: dict[str, Callable[[Type], Type]] = {
    "job_state": flags(add=(("STAGE_OUT", "EXPEDITING"),)),
    "node_states": flags(add=(("FUTURE", "EXTERNAL"), ("DYNAMIC_NORM", "BLOCKED"))),
    "job_flags": flags(
        add=(
            ("STEPMGR_ENABLED", "SPREAD_SEGMENTS"),
            ("SPREAD_SEGMENTS", "CONSOLIDATE_SEGMENTS"),
            ("CONSOLIDATE_SEGMENTS", "EXPEDITED_REQUEUE"),
        )
    ),
    "slurmdb_job_flags": flags(add=(("START_RECEIVED", "JOB_ALTERED"),)),
    "reservation_flags": flags(
        add=(
            ("ANY_NODES", "NO_ANY_NODES"),
            ("NO_HOLD_JOBS_AFTER_END", "REPLACE_DOWN"),
            ("MAGNETIC", "NO_MAGNETIC"),
            ("USER_DELETE", "FORCE_START"),
            ("REOCCURRING", "TRES_PER_NODE"),
        )
    ),
    "memory_binding_type": flags(drop=("SORT",)),
}

DERIVATION = Derivation(TABLES, TYPE_CHANGES)

TYPES: tuple[Type, ...] = (
    *(DERIVATION.of(type) for type in v0_0_43.TYPES),
    job_changes.JOB_MODIFY,
    job_changes.JOB_MODIFY_REQ,
    job_changes.CREATE_NODE_REQ,
)
ENVELOPES: dict[str, Table] = {
    **{kind: DERIVATION.table(table) for kind, table in v0_0_43.ENVELOPES.items()},
    "jobs_modified": job_changes.JOB_MODIFY_RESP,
    "resources": job_changes.RESOURCE_LAYOUT_RESP,
    "hostlist": job_changes.HOSTLIST,
    "hostnames": job_changes.HOSTNAMES,
}


def plugin() -> Plugin:
    return Plugin(VERSION, TYPES, ENVELOPES, v0_0_42.UNPUBLISHED, inline=v0_0_43.INLINE)
