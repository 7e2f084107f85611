"""What a query may ask for of each kind of record, and the tables that are made on demand (configuration,
statistics)."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from slurmpy.controller import limits, permissions
from slurmpy.core.errors import SlurmError
from slurmpy.core.records.cluster import LicenseInfo, NodeInfo, PartitionInfo, ReservationInfo
from slurmpy.core.records.job import JobInfo, StepInfo

if TYPE_CHECKING:
    from slurmpy.controller.control import Controller
    from slurmpy.rpc.server import Peer

FIELDS: dict[str, tuple[str, ...]] = {
    "jobs": JobInfo.FIELDS,
    "steps": StepInfo.FIELDS,
    "nodes": NodeInfo.FIELDS,
    "partitions": PartitionInfo.FIELDS,
    "reservations": ReservationInfo.FIELDS,
    "licenses": LicenseInfo.FIELDS,
}
KNOWN = {what: frozenset(fields) for what, fields in FIELDS.items()}


def getter(what: str, fields: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """A function from a record to the tuple of its `fields`. Raises SlurmError for a field that there is not."""
    unknown = [name for name in fields if name not in KNOWN[what]]
    if unknown:
        raise SlurmError("ESLURM_NOT_SUPPORTED", f"{what} have no field {unknown[0]}")
    plain = attrgetter(*fields)
    if len(fields) == 1:
        return lambda record: (plain(record),)
    return plain


# ---------------------------------------------------------------------------------------------- tables on demand

Rows = tuple[tuple[str, ...], list[tuple[Any, ...]]]


def config(ctl: Controller, peer: Peer, where: dict[str, Any]) -> Rows:
    """slurm.conf as it is in force, with what only the running controller knows."""
    from slurmpy.core.times import format_time

    ours = {
        "BOOT_TIME": format_time(ctl.started_at),
        "NEXT_JOB_ID": str(ctl.state.next_id),
        "HASH_VAL": "Match",
    }
    return ("name", "value"), [(name, ours.get(name, value)) for name, value in ctl.conf.show()]


def stats(ctl: Controller, peer: Peer, where: dict[str, Any]) -> Rows:
    """sdiag's figures, by the names of data_parser's stats_msg."""
    return ("name", "value"), list(statistics(ctl).items())


def statistics(ctl: Controller) -> dict[str, Any]:
    import asyncio

    s = ctl.statistics
    now = ctl.state.now
    minutes = max(1, (now - s.since) // 60)
    rpc_types = tuple(
        {
            "type_id": 0, "message_type": name, "count": count, "queued": 0, "dropped": 0, "cycle_last": 0, "cycle_max":
            0, "total_time": s.rpc_time[name], "average_time": s.rpc_time[name] // count,
        }
        for name, count in sorted(s.rpc_count.items(), key=lambda item: -item[1])
    )  # fmt: skip
    rpc_users = tuple(
        {
            "user_id": uid, "user": _user_name(uid), "count": count, "total_time": s.rpc_user_time[uid],
            "average_time": s.rpc_user_time[uid] // count,
        }
        for uid, count in sorted(s.rpc_user_count.items(), key=lambda item: -item[1])
    )  # fmt: skip
    return {
        "parts_packed": 1,
        "req_time": now,
        "req_time_start": s.since,
        "server_thread_count": len(asyncio.all_tasks()),
        "agent_queue_size": ctl.agent.queued(),
        "agent_count": ctl.agent.threads(),
        "agent_thread_count": ctl.agent.threads(),
        "dbd_agent_queue_size": ctl.store.spool_size() if ctl.accounting is not None else 0,
        "gettimeofday_latency": 0,
        "schedule_cycle_max": s.cycle_max,
        "schedule_cycle_last": s.cycle_last,
        "schedule_cycle_sum": s.cycle_total,
        "schedule_cycle_total": s.cycles,
        "schedule_cycle_counter": s.cycles,
        "schedule_cycle_mean": s.cycle_total // s.cycles if s.cycles else 0,
        "schedule_cycle_mean_depth": 0,
        "schedule_cycle_per_minute": s.cycles // minutes,
        "schedule_cycle_depth": s.cycle_depth,
        "schedule_exit": {},
        "schedule_queue_length": len(ctl.state.pending),
        "jobs_submitted": s.jobs_submitted,
        "jobs_started": s.jobs_started,
        "jobs_completed": s.jobs_completed,
        "jobs_canceled": s.jobs_canceled,
        "jobs_failed": s.jobs_failed,
        "jobs_pending": sum(
            len(job._array_tasks) if job._array_tasks is not None else 1 for job in ctl.state.pending.values()
        ),
        "jobs_running": len(ctl.state.running),
        "job_states_ts": now,
        "bf_backfilled_jobs": s.bf_backfilled_total,
        "bf_last_backfilled_jobs": s.bf_backfilled,
        "bf_backfilled_het_jobs": 0,
        "bf_cycle_counter": s.bf_cycles,
        "bf_cycle_mean": s.bf_total // s.bf_cycles if s.bf_cycles else 0,
        "bf_depth_mean": 0,
        "bf_depth_mean_try": 0,
        "bf_cycle_last": s.bf_last,
        "bf_cycle_max": s.bf_max,
        "bf_cycle_sum": s.bf_total,
        "bf_exit": {},
        "bf_last_depth": s.bf_depth,
        "bf_last_depth_try": s.bf_depth,
        "bf_depth_sum": s.bf_depth_total,
        "bf_depth_try_sum": s.bf_depth_total,
        "bf_queue_len": s.bf_queue_length,
        "bf_queue_len_mean": s.bf_queue_length,
        "bf_queue_len_sum": s.bf_queue_length,
        "bf_table_size": 0,
        "bf_table_size_sum": 0,
        "bf_table_size_mean": 0,
        "bf_when_last_cycle": s.bf_when,
        "bf_active": False,
        "rpcs_by_message_type": rpc_types,
        "rpcs_by_user": rpc_users,
        "pending_rpcs": (),
        "pending_rpcs_by_hostlist": (),
    }


def _user_name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def daemons(ctl: Controller, peer: Peer, where: dict[str, Any]) -> Rows:
    return ("name",), [("slurmctld",), *((f"slurmd:{name}",) for name in ctl.state.nodes)]


def assoc_mgr(ctl: Controller, peer: Peer, where: dict[str, Any]) -> Rows:
    """Associations, QOS and users as slurmctld holds them, with what is in use of their limits."""
    cache = ctl.state.assocs
    limits.count_accruing(ctl.state)
    seen = permissions.assoc_filter(ctl, peer)
    rows: list[tuple[Any, ...]] = []
    users, accounts = frozenset(where.get("users") or ()), frozenset(where.get("accounts") or ())
    qos_names = frozenset(where.get("qos") or ())
    for assoc in cache.assocs.values():
        if (users and assoc.user not in users) or (accounts and assoc.account not in accounts):
            continue
        if seen is not None and not seen(assoc):
            continue
        rows.append(("association", assoc.to_wire(), _plain(assoc._usage)))
    for qos in cache.qos_by_id.values():
        if not qos_names or qos.name in qos_names:
            rows.append(("qos", qos.to_wire(), _plain(qos._usage)))
    for user in cache.users.values():
        if (not users or user.name in users) and permissions.sees_user(ctl, peer, user.name):
            rows.append(("user", user.to_wire(), {}))
    rows.append(("tres", dict(cache.tres), {}))
    return ("kind", "record", "usage"), rows


def _plain(usage: Any) -> Any:
    """What msgpack can carry of a usage; which nodes it is on nobody asks."""
    if isinstance(usage, dict):
        return {
            key if isinstance(key, (str, int)) else str(key): _plain(value)
            for key, value in usage.items()
            if key != "nodes"
        }
    if isinstance(usage, (set, frozenset, list, tuple)):
        return tuple(_plain(value) for value in usage)
    return usage if isinstance(usage, (str, int, float, bool, type(None))) else str(usage)


#: reasons of jobs whose priority does not count yet
NO_PRIORITY_YET = ("BeginTime", "Dependency", "JobArrayTaskLimit", "Reservation")


def priorities(ctl: Controller, peer: Peer, where: dict[str, Any]) -> Rows:
    """sprio: one row of factors for each waiting job and partition."""
    from slurmpy.controller import priority, query

    jobs = [job for job in query.select_jobs(ctl, peer, where) if job.is_pending and not job.hold and job.priority]
    jobs = [job for job in jobs if not job.state_reason.startswith(NO_PRIORITY_YET)]
    jobs.sort(key=lambda job: job.job_id)
    columns = priority.FACTOR_COLUMNS
    rows = [row for job in jobs for row in priority.factor_rows(ctl.state, job, ctl.state.now)]
    return columns, rows


def shares(ctl: Controller, peer: Peer, where: dict[str, Any]) -> Rows:
    """sshare: one row for each association, in the order of the tree."""
    from slurmpy.controller import fairshare

    rows, seen = fairshare.rows(ctl.state), permissions.assoc_filter(ctl, peer)
    if seen is not None:
        assocs = ctl.state.assocs.assocs
        rows = [row for row in rows if seen(assocs[row[0]])]
    return fairshare.COLUMNS, rows


TABLES: dict[str, Callable[..., Rows]] = {
    "config": config,
    "stats": stats,
    "daemons": daemons,
    "assoc_mgr": assoc_mgr,
    "priority": priorities,
    "shares": shares,
}
