"""data_parser/v0.0.43, as Slurm 26.05 serves it: its differences from v0.0.42 as Slurm 24.11 has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slurmpy.core.ids import step_name
from slurmpy.core.records.accounting import DbJob, DbStep
from slurmpy.core.records.job import JobInfo, StepInfo
from slurmpy.core.states import JobState

from . import envelopes as documents
from . import job_paths, v0_0_42
from .kinds import INT32, INT64, SET64, UINT64
from .lists import Flags
from .plugin import Plugin
from .reservation_requests import RESERVATION_DESC_MSG, RESERVATION_DESC_MSG_LIST, RESERVATION_MOD_REQ
from .slurmdb_accounts import LIMIT, QOS_FLAG_NAMES, qos_flags
from .tables import Field as F
from .tables import Table
from .types import STRING, Type
from .versions import Derivation, flags

VERSION = "v0.0.43"

CERT_FLAGS = Flags("cert_flags", ("TOKEN_SET",))


def _put(name: str) -> Callable[[dict[str, Any], Any], None]:
    def put(values: dict[str, Any], value: Any) -> None:
        values[name] = value

    return put


def _held_licenses(job: JobInfo) -> str:
    """Those that it has or had; nothing of one that never started."""
    return job.licenses if job.nodes and job.job_state & JobState.BASE != JobState.PENDING else ""


def _requested(job: DbJob) -> str:
    return getattr(job, "_requested", "") or job.reservation_name


def _expanded_error(job: JobInfo) -> str:
    """Nothing where errors go with the output."""
    return job_paths.standard_error(job) if job.standard_error else ""


def _expanded_input(job: JobInfo) -> str:
    return job_paths.standard_input(job) if job_paths.input_pattern(job) else ""


def _steps(job: DbJob) -> tuple[DbStep, ...]:
    for step in job.steps:
        step.__dict__.update(_job_id=job.job_id, _job=job)  # its document names the job's id, and fills in its paths
    return job.steps


def _step_path(name: str) -> Callable[[DbStep], str]:
    def expanded(step: DbStep) -> str:
        pattern: str = getattr(step, name)
        if "%" not in pattern and "\\" not in pattern:
            return pattern
        job = getattr(step, "_job", None) or DbJob()
        return job_paths.fill(job, pattern, step=step_name(step.step_id))

    return expanded


def _average(entry: dict[str, Any]) -> int | None:
    return entry.get("average_time") or None


def _put_average(values: dict[str, Any], value: int | None) -> None:
    values["average_time"] = value or 0


#: not set where there is nothing to make an average of
AVERAGE = {"type": UINT64, "get": _average, "put": _put_average}


def _job_path(name: str) -> Callable[[DbJob], str]:
    """Absolute, where older versions leave it as it was asked for."""

    def expanded(job: DbJob) -> str:
        pattern: str = getattr(job, name)
        path = job_paths.fill(job, pattern) if "%" in pattern or "\\" in pattern else pattern
        return path if path[:1] in ("", "/") else f"{job.current_working_directory}/{path}"

    return expanded


def _running_step_path(name: str) -> Callable[[StepInfo], str]:
    def expanded(step: StepInfo) -> str:
        pattern: str = getattr(step, name)
        if "%" not in pattern and "\\" not in pattern:
            return pattern
        return job_paths.fill(step, pattern, step=step_name(step.step_id))

    return expanded


#: what the document calls a stream -> the record's field
_STREAMS = {"stderr": "standard_error", "stdin": "standard_input", "stdout": "standard_output"}

_QOS_NAMES = dict(QOS_FLAG_NAMES)
QOS_FLAGS = qos_flags(
    {
        **{name: _QOS_NAMES.pop(name) for name in ("NOT_SET", "ADD", "REMOVE")},
        "DELETED": "Deleted",
        **{name: _QOS_NAMES.pop(name) for name in tuple(_QOS_NAMES)[:8]},
        "PARTITION_QOS": "PartitionQOS",
        **_QOS_NAMES,
    }
)

TABLES: dict[str, dict[str, Any]] = {
    "job_info": {
        "drop": ("standard_error", "standard_input", "standard_output"),
        "add": (
            ("licenses", F("licenses_allocated", STRING, get=_held_licenses)),
            ("scheduled_nodes", F("segment_size", INT32)),
            # the patterns as they were asked for, and what became of them
            ("state_reason", F("stderr_expanded", STRING, get=_expanded_error)),
            ("state_reason", F("stdout_expanded", STRING, get=job_paths.standard_output)),
            ("state_reason", F("stdin_expanded", STRING, get=_expanded_input)),
            ("state_reason", F("standard_error", STRING)),
            ("state_reason", F("standard_output", STRING, get=job_paths.output_pattern, put=_put("standard_output"))),
            ("state_reason", F("standard_input", STRING, get=job_paths.input_pattern, put=_put("standard_input"))),
        ),
    },
    "job": {
        "change": {
            "steps": {"get": _steps},
            **{f"{name}_expanded": {"get": _job_path(field)} for name, field in _STREAMS.items()},
        },
        "add": (
            ("reservation/name", F("reservation/requested", STRING, get=_requested, put=_put("_requested"))),
            ("script", F("segment_size", INT32, "")),  # not among what slurmdbd keeps of a job
        ),
    },
    "step_info": {
        "add": (
            *(
                ("id", F(f"{name}_expanded", STRING, get=_running_step_path(_STREAMS[name])))
                for name in ("stderr", "stdout", "stdin")
            ),
            *(("id", F(name, STRING, _STREAMS[name])) for name in ("stdout", "stdin", "stderr")),
        )
    },
    "step": {
        "add": (
            ("time/system/microseconds", F("time/limit", LIMIT, "time_limit")),
            *(
                ("step/name", F(f"step/{name}_expanded", STRING, get=_step_path(field)))
                for name, field in reversed(_STREAMS.items())
            ),
            *(("step/name", F(f"step/{name}", STRING, field)) for name, field in reversed(_STREAMS.items())),
        )
    },
    "assoc": {"change": {"id": {"type": INT32}}},
    # without both, and a warning, where the one partition that was asked for is none
    "openapi_partition_resp": {"change": {"partitions": {"required": False}, "last_update": {"required": False}}},
    "node": {
        "change": {"tres_weighted": {"deprecated": True}},
        "add": (
            ("boot_time", F("cert_flags", CERT_FLAGS, "")),
            ("boot_time", F("tls_cert_last_renewal", SET64, "")),
            ("weight", F("topology", STRING, "")),
        ),
    },
    "partition_info": {"add": (("timeouts/suspend", F("topology", STRING, "")),)},
    "update_node_msg": {
        "change": {"reason_uid": {"deprecated": True}},
        "add": (("state", F("topology_str", STRING, "", unsupported=True)),),
    },
    "stats_msg_rpc_type": {"change": {"average_time": AVERAGE}},
    "stats_msg_rpc_user": {"change": {"average_time": AVERAGE}},
    "stats_msg": {"change": {"parts_packed": {"deprecated": True}, "schedule_cycle_sum": {"type": INT64}}},
    "job_submit_req": {"change": {"script": {"deprecated": False}}},
    "openapi_slurmdbd_config_resp": {"change": {"instances": {"deprecated": True}}},
}


TYPE_CHANGES: dict[str, Callable[[Type], Type]] = {
    "job_flags": flags(add=(("EXACT_MEMORY_REQUESTED", "EXTERNAL_JOB"),)),
    "cluster_rec_flags": flags(drop=("FRONT_END",), add=(("", "DELETED"),)),
    "qos_flags": lambda type: QOS_FLAGS,
}

DERIVATION = Derivation(TABLES, TYPE_CHANGES)

TYPES: tuple[Type, ...] = (
    *(DERIVATION.of(type) for type in v0_0_42.TYPES),
    RESERVATION_DESC_MSG,
    RESERVATION_MOD_REQ,
)
ENVELOPES: dict[str, Table] = {
    **{kind: DERIVATION.table(table) for kind, table in documents.ENVELOPES.items()},
    "reservations_changed": documents.listing(
        "openapi_reservation_mod_resp", "reservations", RESERVATION_DESC_MSG_LIST
    ),
}

#: from this version on flags have no component of their own
INLINE = (Flags,)


def plugin() -> Plugin:
    return Plugin(VERSION, TYPES, ENVELOPES, v0_0_42.UNPUBLISHED, inline=INLINE)
