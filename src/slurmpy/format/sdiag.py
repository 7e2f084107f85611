"""sdiag's report out of slurmctld's figures (the names of data_parser's ``stats_msg``)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: one line each: label (with its blanks) and figure; a third word is a figure that must not be 0 for the line to stand
_DAEMON = (
    ("Server thread count:  ", "server_thread_count"),
    ("RPC queue enabled:    ", "rpc_queue_enabled"),
    ("Agent queue size:     ", "agent_queue_size"),
    ("Agent count:          ", "agent_count"),
    ("Agent thread count:   ", "agent_thread_count"),
    ("DBD Agent queue size: ", "dbd_agent_queue_size"),
)
_JOBS = (
    ("Jobs submitted: ", "jobs_submitted"),
    ("Jobs started:   ", "jobs_started"),
    ("Jobs completed: ", "jobs_completed"),
    ("Jobs canceled:  ", "jobs_canceled"),
    ("Jobs failed:    ", "jobs_failed"),
)
_MAIN = (
    ("Last cycle:   ", "schedule_cycle_last"),
    ("Max cycle:    ", "schedule_cycle_max"),
    ("Total cycles: ", "schedule_cycle_total"),
    ("Mean cycle:   ", "schedule_cycle_mean", "schedule_cycle_total"),
    ("Mean depth cycle:  ", "schedule_cycle_mean_depth", "schedule_cycle_total"),
    ("Cycles per minute: ", "schedule_cycle_per_minute", "schedule_cycle_total"),
    ("Last queue length: ", "schedule_queue_length"),
)
_MAIN_EXIT = (
    ("End of job queue:", "end_job_queue"),
    ("Hit default_queue_depth:", "default_queue_depth"),
    ("Hit sched_max_job_start:", "max_job_start"),
    ("Blocked on licenses:", "licenses"),
    ("Hit max_rpc_cnt:", "max_rpc_cnt"),
    ("Timeout (max_sched_time):", "max_sched_time"),
)
_BACKFILL = (
    ("Total backfilled jobs (since last slurm start): ", "bf_backfilled_jobs"),
    ("Total backfilled jobs (since last stats cycle start): ", "bf_last_backfilled_jobs"),
    ("Total backfilled heterogeneous job components: ", "bf_backfilled_het_jobs"),
    ("Total cycles: ", "bf_cycle_counter"),
    ("Last cycle when: ", "bf_when_last_cycle"),
    ("Last cycle: ", "bf_cycle_last"),
    ("Max cycle:  ", "bf_cycle_max"),
    ("Mean cycle: ", "bf_cycle_mean", "bf_cycle_counter"),
    ("Last depth cycle: ", "bf_last_depth"),
    ("Last depth cycle (try sched): ", "bf_last_depth_try"),
    ("Depth Mean: ", "bf_depth_mean", "bf_cycle_counter"),
    ("Depth Mean (try depth): ", "bf_depth_mean_try", "bf_cycle_counter"),
    ("Last queue length: ", "bf_queue_len"),
    ("Queue length mean: ", "bf_queue_len_mean", "bf_cycle_counter"),
    ("Last table size: ", "bf_table_size"),
    ("Mean table size: ", "bf_table_size_mean", "bf_cycle_counter"),
)
_BACKFILL_EXIT = (
    ("End of job queue:", "end_job_queue"),
    ("Hit bf_max_job_start:", "bf_max_job_start"),
    ("Hit bf_max_job_test:", "bf_max_job_test"),
    ("System state changed:", "state_changed"),
    ("Hit table size limit (bf_node_space_size):", "bf_node_space_size"),
    ("Timeout (bf_max_time):", "bf_max_time"),
)

#: how the calls are sorted: by (key, the largest first)
SORTS = {
    "count": ("count", True),
    "id": ("type_id", False),
    "time": ("total_time", True),
    "average": ("average_time", True),
}


def report(figures: dict[str, Any], sort: str = "count") -> str:
    """The whole text. `sort`: a key of SORTS."""

    def lines(rows: tuple[tuple[str, ...], ...], indent: str = "") -> list[str]:
        found = []
        for label, name, *needed in rows:
            if needed and not figures.get(needed[0]):
                continue
            value = figures.get(name, 0)
            found.append(f"{indent}{label}{_moment(value) if name == 'bf_when_last_cycle' else int(value or 0)}")
        return found

    def exits(rows: tuple[tuple[str, str], ...], name: str) -> list[str]:
        values = figures.get(name) or {}
        return [f"\t{label}{values.get(key, 0):2d}" for label, key in rows]

    rule = "*" * 55
    out = [
        rule,
        f"sdiag output at {_moment(figures.get('req_time', 0))}",
        f"Data since      {_moment(figures.get('req_time_start', 0))}",
        rule,
        *lines(_DAEMON),
        "",
        *lines(_JOBS),
        "",
        f"Job states ts:  {_moment(figures.get('job_states_ts', 0))}",
        f"Jobs pending:   {figures.get('jobs_pending', 0)}",
        f"Jobs running:   {figures.get('jobs_running', 0)}",
        "",
        "Main schedule statistics (microseconds):",
        *lines(_MAIN, "\t"),
        "",
        "Main scheduler exit:",
        *exits(_MAIN_EXIT, "schedule_exit"),
        "",
        "Backfilling stats",
        *lines(_BACKFILL, "\t"),
        "",
        "Backfill exit",
        *exits(_BACKFILL_EXIT, "bf_exit"),
        "",
        f"Latency for 1000 calls to gettimeofday(): {figures.get('gettimeofday_latency', 0)} microseconds",
        "",
        "Remote Procedure Call statistics by message type",
    ]
    key, reverse = SORTS[sort]
    types = sorted(figures.get("rpcs_by_message_type", ()), key=lambda one: one[key], reverse=reverse)
    out += [f"\t{one['message_type']:<40}({one['type_id']:5d}) {_counts(one)}" for one in types]
    out += ["", "Remote Procedure Call statistics by user"]
    key = "user_id" if sort == "id" else key
    users = sorted(figures.get("rpcs_by_user", ()), key=lambda one: one[key], reverse=reverse)
    out += [f"\t{one['user']:<16}({one['user_id']:8d}) {_counts(one)}" for one in users]
    out += ["", "Pending RPC statistics"]
    pending = figures.get("pending_rpcs") or ()
    if not pending:
        out.append("\tNo pending RPCs")
    out += [f"\t{one['message_type']:<40}({one['type_id']:5d}) count:{one['count']}" for one in pending]
    return "\n".join(out) + "\n"


def _counts(one: dict[str, Any]) -> str:
    return f"count:{one['count']:<6d} ave_time:{one['average_time']:<6d} total_time:{one['total_time']}"


def _moment(value: int) -> str:
    import time

    if not value:
        return "N/A"
    return f"{time.ctime(value)} ({int(value)})"
