"""query and dump: filters and projection where the data is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from slurmpy.controller import permissions, views
from slurmpy.controller.state import Job, Step
from slurmpy.core.errors import SlurmError
from slurmpy.core.states import JobState
from slurmpy.data_parser import stream

if TYPE_CHECKING:
    from slurmpy.controller.control import Controller
    from slurmpy.rpc.server import Peer

#: rows that go out in one part, so that other requests get their turn between two
CHUNK = 4000


# ---------------------------------------------------------------------------------------------- selection


def select_jobs(ctl: Controller, peer: Peer, where: dict[str, Any]) -> list[Job]:
    """The jobs that a caller may see and asks for, by index where there is one."""
    state = ctl.state
    ids = where.get("job_ids")
    users = frozenset(where.get("users") or ())
    pool: Iterable[Job]
    if ids:
        pool = _by_id(ctl, ids)
    elif users and len(users) <= 4:
        pool = [job for uid in users for job in state.by_user.get(uid, {}).values()]
    else:
        pool = state.jobs.values()
    tests = list(_job_tests(ctl, peer, where, users))
    found = [job for job in pool if all(test(job) for test in tests)] if tests else list(pool)
    if state.by_array and (not ids or len(ids) > 1):
        found.sort(key=_place)
    return found


def _place(job: Job) -> tuple[int, bool, int]:
    """Where a job stands in Slurm's list: an array's tasks before the record with the array's own id."""
    return job.array_job_id or job.job_id, job.array_job_id == job.job_id, job.job_id


def _by_id(ctl: Controller, ids: Any) -> list[Job]:
    state = ctl.state
    found: dict[int, Job] = {}
    for entry in ids:
        job_id, task, offset = (*entry, None, None)[:3] if isinstance(entry, (tuple, list)) else (entry, None, None)
        if task is not None:
            one = state.find_task(job_id, task)
            if one is not None:
                found[one.job_id] = one
            continue
        job = state.jobs.get(job_id)
        if offset is not None:
            for part in state.by_het.get(job_id, {}).values():
                if part.het_job_offset == offset:
                    found[part.job_id] = part
            continue
        if job is not None:
            found[job.job_id] = job
        if job is None or job.array_job_id == job_id:
            # Slurm finds them by hash chains: the last one first
            for one in sorted(state.by_array.get(job_id, {}).values(), key=lambda one: -one.job_id):
                found[one.job_id] = one
        if job is not None and job.het_job_id == job_id:
            for one in state.by_het[job_id].values():
                found[one.job_id] = one
    return list(found.values())


def _job_tests(
    ctl: Controller, peer: Peer, where: dict[str, Any], users: frozenset[int]
) -> Iterator[Callable[[Job], bool]]:
    state = ctl.state
    if users:
        yield lambda job: job.user_id in users
    states = where.get("states")
    if states is not None:
        bases = frozenset(one for one in states if one <= JobState.BASE)
        flags = 0
        for one in states:
            flags |= one if one > JobState.BASE else 0
        if where.get("exact"):
            yield lambda job: job.job_state in bases or bool(job.job_state & flags)
        else:
            yield lambda job: job.job_state & JobState.BASE in bases or bool(job.job_state & flags)
    for key, field in (("accounts", "account"), ("names", "name"), ("reservations", "resv_name")):
        if where.get(key):
            wanted = frozenset(where[key])
            yield lambda job, field=field, wanted=wanted: getattr(job, field) in wanted  # type: ignore[misc]
    if where.get("qos"):
        qos = frozenset(where["qos"])
        yield lambda job: job.qos in qos
    if where.get("partitions"):
        partitions = frozenset(where["partitions"])
        yield lambda job: not partitions.isdisjoint(job.partition.split(","))
    if where.get("nodes"):
        names = frozenset(where["nodes"])
        yield lambda job: not names.isdisjoint(job._allocation)
    if where.get("licenses"):
        licenses = frozenset(where["licenses"])
        yield lambda job: not licenses.isdisjoint(name for name, _ in job._licenses)
    if permissions.may_operate(ctl, peer):
        return
    seen = permissions.job_filter(ctl, peer)
    if seen is not None:
        yield seen
    hidden = frozenset() if where.get("all") else frozenset(p.name for p in state.partitions.values() if p.hidden)
    if hidden:
        yield lambda job: job.user_id == peer.uid or not hidden.issuperset(job.partition.split(","))


def select_steps(ctl: Controller, peer: Peer, where: dict[str, Any]) -> list[Step]:
    jobs = list({**ctl.state.running, **ctl.state.completing}.values())
    wanted_steps = {tuple(one) for one in where.get("step") or ()}
    if where.get("job_ids"):
        picked = {job.job_id for job in _by_id(ctl, where["job_ids"])}
        jobs = [job for job in jobs if job.job_id in picked]
    if wanted_steps:
        picked = {job.job_id for job in _by_id(ctl, [(job_id,) for job_id, _ in wanted_steps])}
        jobs = [job for job in jobs if job.job_id in picked]
    rest = {key: value for key, value in where.items() if key in ("users", "partitions", "nodes", "all")}
    tests = list(_job_tests(ctl, peer, rest, frozenset(rest.get("users") or ())))
    container_id = where.get("container_id")
    found = []
    for job in jobs:
        if all(test(job) for test in tests):
            for step in job._steps.values():
                if container_id is not None and step.container_id != container_id:
                    continue
                if not wanted_steps or any(
                    step.step_id == number and (step.job_id == job_id or step.array_job_id == job_id)
                    for job_id, number in wanted_steps
                ):
                    found.append(step)
    return found


def _named(records: dict[str, Any], where: dict[str, Any]) -> list[Any]:
    names = where.get("names")
    if names is None:
        return list(records.values())
    return [records[name] for name in names if name in records]


def select_nodes(ctl: Controller, peer: Peer, where: dict[str, Any]) -> list[Any]:
    from slurmpy.core.states import NodeState

    found = _named(ctl.state.nodes, where)
    if where.get("future") or where.get("names") is not None:
        return found
    return [node for node in found if node.state & NodeState.BASE != NodeState.FUTURE]


def select_partitions(ctl: Controller, peer: Peer, where: dict[str, Any]) -> list[Any]:
    found = _named(ctl.state.partitions, where)
    if where.get("all") or permissions.may_operate(ctl, peer):
        return found
    return [partition for partition in found if not partition.hidden]


def select_reservations(ctl: Controller, peer: Peer, where: dict[str, Any]) -> list[Any]:
    from slurmpy.controller import reservation_admin, reservations

    reservation_admin.advance(ctl.state, ctl.state.now)
    found = _named(ctl.state.reservations, where)
    for one in found:
        one.state = "ACTIVE" if reservations.is_active(one, ctl.state.now) else "INACTIVE"
    seen = permissions.reservation_filter(ctl, peer)
    return found if seen is None else list(filter(seen, found))


def select_licenses(ctl: Controller, peer: Peer, where: dict[str, Any]) -> list[Any]:
    return sorted(_named(ctl.state.licenses, where), key=lambda one: one.name)


SELECT: dict[str, Callable[..., list[Any]]] = {
    "jobs": select_jobs,
    "steps": select_steps,
    "nodes": select_nodes,
    "partitions": select_partitions,
    "reservations": select_reservations,
    "licenses": select_licenses,
}


# ---------------------------------------------------------------------------------------------- query


def _meta(ctl: Controller, what: str) -> dict[str, Any]:
    state = ctl.state
    update = {
        "jobs": state.jobs_update,
        "steps": state.jobs_update,
        "nodes": state.nodes_update,
        "partitions": state.partitions_update,
        "reservations": state.reservations_update,
    }.get(what, state.now)
    return {
        "now": state.now,
        "last_update": update or ctl.started_at,
        "last_backfill": ctl.statistics.bf_when,
        "cluster": ctl.conf.ClusterName,
    }


async def query(ctl: Controller, peer: Peer, args: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """Parts: {"columns", "meta", "rows"}, then {"rows"} as often as it takes. With `constants` true, what is the same
    in all rows goes into meta["constants"] and is in neither columns nor rows."""
    what = str(args.get("what", ""))
    where = dict(args.get("where") or {})
    if what in views.TABLES:
        columns, rows = views.TABLES[what](ctl, peer, where)
        yield {"columns": columns, "meta": _meta(ctl, what), "rows": rows}
        return
    if what not in SELECT:
        raise SlurmError("ESLURM_NOT_SUPPORTED", f"no such thing to ask for: {what}")
    fields = tuple(args.get("fields") or views.FIELDS[what])
    getter = views.getter(what, fields)
    since = args.get("since")
    meta = _meta(ctl, what)
    if since and meta["last_update"] <= since:
        yield {"columns": fields, "meta": {**meta, "unchanged": True}}
        return
    records = SELECT[what](ctl, peer, where)
    rows = list(map(getter, records[:CHUNK]))
    if args.get("constants") and 0 < len(records) <= CHUNK and len(fields) > 1:
        held = list(zip(*rows, strict=True))
        same = {
            name: column[0] for name, column in zip(fields, held, strict=True) if column.count(column[0]) == len(column)
        }
        meta["constants"] = same
        kept = [column for name, column in zip(fields, held, strict=True) if name not in same]
        fields = tuple(name for name in fields if name not in same)
        rows = list(zip(*kept, strict=True)) if kept else [()] * len(records)
    yield {"columns": fields, "meta": meta, "rows": rows}
    for start in range(CHUNK, len(records), CHUNK):
        await asyncio.sleep(0)
        yield {"rows": list(map(getter, records[start : start + CHUNK]))}


# ---------------------------------------------------------------------------------------------- dump


async def dump(ctl: Controller, peer: Peer, args: dict[str, Any]) -> AsyncIterator[bytes]:
    """A whole JSON or YAML document in pieces. What has not changed since it was last encoded is copied, not
    encoded."""
    what = str(args.get("what", ""))
    where = dict(args.get("where") or {})
    meta = _meta(ctl, what)
    values = {"last_update": meta["last_update"]}
    records: Any
    if what == "stats":
        records = views.statistics(ctl)
        values = {}
    elif what == "ping":
        from slurmpy.controller import admin

        records = [{**admin.ping(ctl, peer, {}), "latency": 0}]
        values = {}
    elif what in SELECT:
        records = SELECT[what](ctl, peer, where)
        if what == "jobs":
            values["last_backfill"] = meta["last_backfill"]
    else:
        raise SlurmError("ESLURM_NOT_SUPPORTED", f"no such thing to dump: {what}")
    cache = ctl.fragments
    for count, piece in enumerate(stream.answer(args, records, cache=cache, now=ctl.state.now, **values)):
        if count % 16 == 15:
            await asyncio.sleep(0)
        yield piece


METHODS = {"query": query, "dump": dump}
__all__ = ["METHODS", "SELECT", "query"]
