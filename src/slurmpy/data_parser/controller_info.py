"""What slurmctld and slurmdbd tell about themselves: pings, statistics, licenses, fair shares."""

from __future__ import annotations

from typing import Any

from slurmpy.core.records.cluster import LicenseInfo

from .kinds import BOOLEAN, FLOAT64, FLOAT128, INT32, INT64, SET64, UINT32, UINT64
from .lists import Flags, Hosts, ListOf
from .tables import Field as F
from .tables import Table
from .types import STRING

LICENSE = Table(
    "license",
    LicenseInfo,
    (
        F("LicenseName", STRING, "name"),
        F("Total", INT32, "total"),
        F("Used", INT32, "used"),
        F("Free", INT32, "free"),
        F("Remote", BOOLEAN, "remote"),
        F("Reserved", INT32, "reserved"),
        F("LastConsumed", INT32, "last_consumed"),
        F("LastDeficit", INT32, "last_deficit"),
        F("LastUpdate", INT64, "last_update"),
    ),
)
LICENSES = ListOf(LICENSE, "licenses")

#: {"hostname", "mode" ("primary", "backup"), "responding", "latency" (microseconds), "primary"}


def _pinged(ping: dict[str, Any]) -> str:
    return "UP" if ping.get("responding") else "DOWN"


def _put_pinged(values: dict[str, Any], value: str) -> None:
    values["responding"] = value == "UP"


CONTROLLER_PING = Table(
    "controller_ping",
    dict,
    (
        F("hostname", STRING),
        F("pinged", STRING, get=_pinged, put=_put_pinged, deprecated=True),
        F("responding", BOOLEAN, required=True),
        F("latency", INT64),
        F("mode", STRING, deprecated=True),
        F("primary", BOOLEAN, required=True),
    ),
)
CONTROLLER_PINGS = ListOf(CONTROLLER_PING, "controller_ping_array")

SLURMDBD_PING = Table(
    "slurmdbd_ping",
    dict,
    (
        F("hostname", STRING, required=True),
        F("responding", BOOLEAN, required=True),
        F("latency", INT64, required=True),
        F("primary", BOOLEAN, required=True),
    ),
)
SLURMDBD_PINGS = ListOf(SLURMDBD_PING, "slurmdbd_ping_array")

SCHEDULE_EXIT = Table(
    "schedule_exit_fields",
    dict,
    (
        F("end_job_queue", INT32),
        F("default_queue_depth", INT32),
        F("max_job_start", INT32),
        F("max_rpc_cnt", INT32),
        F("max_sched_time", INT32),
        F("licenses", INT32),
    ),
)
BF_EXIT = Table(
    "bf_exit_fields",
    dict,
    (
        F("end_job_queue", INT32),
        F("bf_max_job_start", INT32),
        F("bf_max_job_test", INT32),
        F("bf_max_time", INT32),
        F("bf_node_space_size", INT32),
        F("state_changed", INT32),
    ),
)
RPC_TYPE = Table(
    "stats_msg_rpc_type",
    dict,
    (
        F("type_id", INT32, required=True),
        F("message_type", STRING, required=True),
        F("count", INT32, required=True),
        F("queued", INT32, required=True),
        F("dropped", INT64, required=True),
        F("cycle_last", INT32, required=True),
        F("cycle_max", INT32, required=True),
        F("total_time", INT64, required=True),
        F("average_time", SET64, required=True),
    ),
)
RPC_USER = Table(
    "stats_msg_rpc_user",
    dict,
    (
        F("user_id", INT32, required=True),
        F("user", STRING, required=True),
        F("count", INT32, required=True),
        F("total_time", INT64, required=True),
        F("average_time", SET64, required=True),
    ),
)
RPC_QUEUE = Table(
    "stats_msg_rpc_queue",
    dict,
    (
        F("type_id", INT32, required=True),
        F("message_type", STRING, required=True),
        F("count", INT32, required=True),
    ),
)
HOSTLIST_STRING = Hosts(STRING, "hostlist_string")
RPC_DUMP = Table(
    "stats_msg_rpc_dump",
    dict,
    (
        F("type_id", INT32, required=True),
        F("message_type", STRING, required=True),
        F("count", HOSTLIST_STRING, required=True),
    ),
)


def _exits(name: str) -> Any:
    def exits(stats: dict[str, Any]) -> dict[str, int]:
        found: dict[str, int] = stats.get(name) or {}
        return found

    return exits


def _keep(name: str) -> Any:
    def keep(values: dict[str, Any], value: Any) -> None:
        values[name] = value

    return keep


#: slurmctld's figures (sdiag): a dictionary with these very names; what is missing is 0
STATS_MSG = Table(
    "stats_msg",
    dict,
    (
        F("parts_packed", INT32),
        F("req_time", SET64),
        F("req_time_start", SET64),
        F("server_thread_count", INT32),
        F("agent_queue_size", INT32),
        F("agent_count", INT32),
        F("agent_thread_count", INT32),
        F("dbd_agent_queue_size", INT32),
        F("gettimeofday_latency", INT32),
        F("schedule_cycle_max", INT32),
        F("schedule_cycle_last", INT32),
        F("schedule_cycle_sum", INT32),
        F("schedule_cycle_total", INT32),
        F("schedule_cycle_mean", INT64),
        F("schedule_cycle_mean_depth", INT64),
        F("schedule_cycle_per_minute", INT64),
        F("schedule_cycle_depth", INT32),
        F("schedule_exit", SCHEDULE_EXIT, get=_exits("schedule_exit"), put=_keep("schedule_exit")),
        F("schedule_queue_length", INT32),
        F("jobs_submitted", INT32),
        F("jobs_started", INT32),
        F("jobs_completed", INT32),
        F("jobs_canceled", INT32),
        F("jobs_failed", INT32),
        F("jobs_pending", INT32),
        F("jobs_running", INT32),
        F("job_states_ts", SET64),
        F("bf_backfilled_jobs", INT32),
        F("bf_last_backfilled_jobs", INT32),
        F("bf_backfilled_het_jobs", INT32),
        F("bf_cycle_counter", INT32),
        F("bf_cycle_mean", INT64),
        F("bf_depth_mean", INT64),
        F("bf_depth_mean_try", INT64),
        F("bf_cycle_sum", INT64),
        F("bf_cycle_last", INT32),
        F("bf_cycle_max", INT32),
        F("bf_exit", BF_EXIT, get=_exits("bf_exit"), put=_keep("bf_exit")),
        F("bf_last_depth", INT32),
        F("bf_last_depth_try", INT32),
        F("bf_depth_sum", INT32),
        F("bf_depth_try_sum", INT32),
        F("bf_queue_len", INT32),
        F("bf_queue_len_mean", INT64),
        F("bf_queue_len_sum", INT32),
        F("bf_table_size", INT32),
        F("bf_table_size_sum", INT32),
        F("bf_table_size_mean", INT64),
        F("bf_when_last_cycle", SET64),
        F("bf_active", BOOLEAN),
        F("rpcs_by_message_type", ListOf(RPC_TYPE, "stats_msg_rpcs_by_type")),
        F("rpcs_by_user", ListOf(RPC_USER, "stats_msg_rpcs_by_user")),
        F("pending_rpcs", ListOf(RPC_QUEUE, "stats_msg_rpcs_queue")),
        F("pending_rpcs_by_hostlist", ListOf(RPC_DUMP, "stats_msg_rpcs_dump")),
    ),
)


def _rollup(period: str) -> tuple[F, ...]:
    return (
        F(f"{period}/count", INT32, f"{period}_count", required=True),
        F(f"{period}/last_run", INT64, f"{period}_last_run", required=True),
        F(f"{period}/duration/last", INT64, f"{period}_last", required=True),
        F(f"{period}/duration/max", INT64, f"{period}_max", required=True),
        F(f"{period}/duration/time", INT64, f"{period}_time", required=True),
    )


#: {"hourly_count", "hourly_last_run", "hourly_last", "hourly_max", "hourly_time", "daily_...", "monthly_..."}
ROLLUP_STATS = Table("rollup_stats", dict, (*_rollup("hourly"), *_rollup("daily"), *_rollup("monthly")))

_TIMES = (F("time/average", INT64, "average"), F("time/total", INT64, "total"))
STATS_RPC = Table("stats_rpc", dict, (F("rpc", STRING), F("count", INT32), *_TIMES))
STATS_USER = Table("stats_user", dict, (F("user", STRING), F("count", INT32), *_TIMES))

#: slurmdbd's figures: {"time_start", "rollups": {...}, "rpcs": ({"rpc", "count", "average", "total"}, ...),
#: "users": ({"user", "count", "average", "total"}, ...)}
STATS_REC = Table(
    "stats_rec",
    dict,
    (
        F("time_start", INT64),
        F("rollups", ROLLUP_STATS, get=_exits("rollups"), put=_keep("rollups")),
        F("RPCs", ListOf(STATS_RPC, "stats_rpc_list"), "rpcs"),
        F("users", ListOf(STATS_USER, "stats_user_list")),
    ),
)

_UINT64_TRES = ListOf(
    Table("shares_uint64_tres", tuple, (F("name", STRING, "0"), F("value", UINT64, "1"))), "shares_uint64_tres_list"
)
_FLOAT_TRES = ListOf(
    Table("shares_float128_tres", tuple, (F("name", STRING, "0"), F("value", FLOAT128, "1"))),
    "shares_float128_tres_list",
)
SHARES_TYPE = Flags("assoc_shares_obj_wrap_type", ("USER", "ASSOCIATION"))

#: one row of sshare: a dictionary with these names, the TRES as (name, value) pairs
SHARES_OBJ = Table(
    "assoc_shares_obj_wrap",
    dict,
    (
        F("id", INT32),
        F("cluster", STRING),
        F("name", STRING),
        F("parent", STRING),
        F("partition", STRING),
        F("shares_normalized", FLOAT64),
        F("shares", UINT32),
        F("tres/run_seconds", _UINT64_TRES, "tres_run_seconds"),
        F("tres/group_minutes", _UINT64_TRES, "tres_group_minutes"),
        F("tres/usage", _FLOAT_TRES, "tres_usage"),
        F("effective_usage", FLOAT64),
        F("usage_normalized", FLOAT64),
        F("usage", INT64),
        F("fairshare/factor", FLOAT64, "fairshare_factor"),
        F("fairshare/level", FLOAT64, "fairshare_level"),
        F("type", SHARES_TYPE),
    ),
)
SHARES_RESP = Table(
    "shares_resp_msg",
    dict,
    (F("shares", ListOf(SHARES_OBJ, "assoc_shares_obj_list")), F("total_shares", INT64)),
)
