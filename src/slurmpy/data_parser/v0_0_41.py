"""data_parser/v0.0.41, as Slurm 24.11 still serves it: its differences from v0.0.42."""

from __future__ import annotations

from typing import Any

from slurmpy.core.records.base import INFINITE
from slurmpy.core.records.job import JobInfo

from . import v0_0_42
from .envelopes import ENVELOPES
from .kinds import BOOLEAN, DOUBLE, INT32
from .lists import Flags
from .plugin import MINIMAL, Plugin
from .tables import Field as F
from .tables import Table
from .types import STRING, Number
from .versions import Derivation

VERSION = "v0.0.41"

#: OverSubscribe as the record has it -> the older flags
_EXCLUSIVE = {"NO": "true", "YES": "false", "USER": "user", "MCS": "mcs", "TOPO": "topo"}
EXCLUSIVE = Flags(
    "job_exclusive_flags",
    ("true", "false", "user", "mcs", "topo"),
    lambda value: (_EXCLUSIVE[value],) if value in _EXCLUSIVE else (),
)
SHOW_FLAGS = Flags(
    "job_show_flags", ("ALL", "DETAIL", "MIXED", "LOCAL", "SIBLING", "FEDERATION", "FUTURE")
)  # never told with a job


def _oversubscribe(job: JobInfo) -> bool:
    return job.shared != "NO"


def _level(row: dict[str, Any]) -> float:
    level = row.get("fairshare_level")
    return 4294967294.0 if level is None else float("inf") if level == INFINITE else level


def _put_level(values: dict[str, Any], level: float) -> None:
    values["fairshare_level"] = None if level == 4294967294.0 else INFINITE if level == float("inf") else level


def _put_exclusive(values: dict[str, Any], names: tuple[str, ...]) -> None:
    values["shared"] = {"true": "none", "false": "oversubscribe"}.get(names[0], names[0]) if names else None


def _nothing(record: Any) -> None:
    return None


def _put_oversubscribe(values: dict[str, Any], value: bool) -> None:
    values.setdefault("shared", "oversubscribe" if value else "none")


_SUBMIT_RESULT = Table(
    "job_submit_response_msg",
    dict,
    (
        F("job_id", INT32),
        F("step_id", STRING),
        F("error_code", INT32),
        F("error", STRING),
        F("job_submit_user_msg", STRING),
    ),
)


def _result(values: dict[str, Any]) -> dict[str, Any]:
    return {name: values.get(name) for name in ("job_id", "step_id", "error_code", "error", "job_submit_user_msg")}


TABLES: dict[str, dict[str, Any]] = {
    "job_info": {
        "drop": ("priority_by_partition", "required_switches"),
        "add": (
            ("required_nodes", F("minimum_switches", INT32, "required_switches")),
            ("shared", F("show_flags", SHOW_FLAGS, "", deprecated=True)),
            ("shared", F("oversubscribe", BOOLEAN, get=_oversubscribe, deprecated=True)),
            ("shared", F("exclusive", EXCLUSIVE, get=lambda job: job.shared, deprecated=True)),
        ),
    },
    "job_desc_msg": {
        "drop": ("oom_kill_step",),
        "add": (
            ("excluded_nodes", F("exclusive", EXCLUSIVE, get=_nothing, put=_put_exclusive, deprecated=True)),
            ("overcommit", F("oversubscribe", BOOLEAN, get=_nothing, put=_put_oversubscribe, deprecated=True)),
            ("reservation", F("resv_mpi_ports", INT32, "", unsupported=True)),
        ),
    },
    "controller_ping": {
        "drop": ("responding", "primary"),
        "change": {"pinged": {"deprecated": False}, "mode": {"deprecated": False}},
    },
    "assoc_shares_obj_wrap": {
        "change": {
            "effective_usage": {"type": DOUBLE},
            "fairshare/factor": {"type": DOUBLE},
            "fairshare/level": {"type": Number("double", endless=True), "get": _level, "put": _put_level},
        }
    },
    "step": {"change": {"pid": {"deprecated": False}}},
    "job": {"drop": ("qosreq", "restart_cnt")},
    "accounting": {"drop": ("id_alt",)},
    "qos": {
        "drop": (
            "limits/max/jobs/count",
            "limits/max/tres/minutes/total",
            "limits/max/jobs/active_jobs/per/account",
            "limits/max/jobs/active_jobs/per/user",
            "limits/max/jobs/per/account",
            "limits/max/jobs/per/user",
        ),
        "add": tuple(
            ("limits/max/wall_clock/per/job", v0_0_42.field("qos", path))
            for path in (
                "limits/max/jobs/per/user",
                "limits/max/jobs/per/account",
                "limits/max/jobs/active_jobs/per/user",
                "limits/max/jobs/active_jobs/per/account",
            )
        ),
    },
    "openapi_kill_job_resp": {"drop": ("status",)},
    "openapi_job_submit_response": {"add": (("", F("result", _SUBMIT_RESULT, get=_result, deprecated=True)),)},
    "openapi_job_post_response": {
        "add": (
            ("results", F("job_submit_user_msg", STRING, deprecated=True)),
            ("results", F("step_id", STRING, deprecated=True)),
            ("results", F("job_id", STRING, deprecated=True)),
        )
    },
}


#: what no path of this version leads to, or is written in place however many references there are
UNPUBLISHED = v0_0_42.UNPUBLISHED | {
    "openapi_kill_job_resp",
    "openapi_slurmdbd_ping_resp",
    "slurmdbd_ping",
    "slurmdbd_ping_array",
}


def plugin() -> Plugin:
    derivation = Derivation(TABLES)
    return Plugin(
        VERSION,
        tuple(derivation.of(type) for type in v0_0_42.TYPES),
        {kind: derivation.table(table) for kind, table in ENVELOPES.items()},
        UNPUBLISHED,
        named=MINIMAL,
    )
