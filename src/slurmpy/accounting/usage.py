"""Who used how much of the cluster in a stretch of time: what slurmdbd answers sreport with.

Hours that have been rolled up are read (`rollup`), the rest is counted from the records (`tally`); both give the same.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slurmpy.core.errors import SlurmError
from slurmpy.rpc.log import log

from . import tres_text
from .tally import Reservation, Tally, Who, overlap, rows, waiting_tasks

if TYPE_CHECKING:
    from slurmpy.auth.peer import Peer

    from .service import Service


def _jobs(connection: Any, start: int, end: int, where: Mapping[str, Any]) -> Iterator[Any]:
    import sqlalchemy as sa

    from . import schema

    job = schema.jobs.c
    columns = (
        job.db_index, job.cluster, job.account, job.user_name, job.wckey, job.qos, job.eligible_time, job.start_time,
        job.end_time, job.tres_allocated, job.required_cpus, job.alloc_cpus, job.nodes, job.array_task_id,
        job.array_task_string, job.reservation_id, job.reservation_name,
    )  # fmt: skip
    statement = sa.select(*columns).where(job.eligible_time < end, sa.or_(job.end_time == 0, job.end_time > start))
    for name, column in (
        ("clusters", job.cluster),
        ("partitions", job.partition),
        ("users", job.user_name),
        ("groups", job.group_id),
        ("wckeys", job.wckey),
        ("jobs", job.job_id),
    ):
        if where.get(name):
            statement = statement.where(column.in_(list(where[name])))
    yield from connection.execute(statement.execution_options(yield_per=1000))


def _suspensions(connection: Any, start: int, end: int) -> dict[int, list[tuple[int, int]]]:
    import sqlalchemy as sa

    from . import schema

    table = schema.suspensions.c
    found: dict[int, list[tuple[int, int]]] = {}
    query = sa.select(table.job_index, table.time_start, table.time_end).where(
        table.time_start < end, sa.or_(table.time_end == 0, table.time_end > start)
    )
    for index, first, last in connection.execute(query):
        found.setdefault(index, []).append((first, last))
    return found


def _reservations(connection: Any, start: int, end: int, clusters: Sequence[str]) -> Iterator[tuple[str, Reservation]]:
    """The stretches of reservations, with those who pay for what is not used of them."""
    import sqlalchemy as sa

    from . import schema

    table, assoc, qos = schema.reservations.c, schema.associations.c, schema.qos.c
    query = sa.select(schema.reservations).where(
        table.start_time < end, sa.or_(table.end_time == 0, table.end_time > start)
    )
    if clusters:
        query = query.where(table.cluster.in_(list(clusters)))
    found = connection.execute(query.order_by(table.cluster, table.start_time, table.id)).all()
    numbers = {row: _numbers(row.associations) for row in found}
    wanted = sorted({number for some in numbers.values() for number in some})
    default = connection.execute(sa.select(qos.name).where(qos.id == 1)).scalar() or ""
    members: dict[tuple[str, int], Who] = {}
    for at in range(0, len(wanted), 500):
        names = sa.select(assoc.cluster, assoc.id, assoc.account, assoc.user, assoc.default_qos).where(
            assoc.id.in_(wanted[at : at + 500])
        )
        for one in connection.execute(names):
            members[one.cluster, one.id] = (one.cluster, one.account, one.user, "", one.default_qos or default)
    for row, some in numbers.items():
        payers = [members[row.cluster, number] for number in some if (row.cluster, number) in members]
        flags = [word for word in row.flags.split(",") if word]
        end_time = row.end_time or end
        yield row.cluster, Reservation(row.id, row.name, row.start_time, end_time, row.tres, flags, payers)


def _numbers(text: str) -> tuple[int, ...]:
    """Of the associations that a reservation is for; those that it is not for (``-7``) are left out."""
    return tuple(dict.fromkeys(int(one) for one in text.split(",") if one.isdecimal() and len(one) < 19))


def collect(connection: Any, bounds: Sequence[int], now: int, where: Mapping[str, Any]) -> Tally:
    """What the records say of the slots between `bounds`; `where` has filters of jobs, by their columns."""
    import sqlalchemy as sa

    from slurmpy.core.states import NodeState

    from . import schema

    start, end = bounds[0], bounds[-1]
    tally = Tally(bounds, now)
    event, clusters = schema.events.c, list(where.get("clusters") or ())
    query = sa.select(event.cluster, event.node, event.start_time, event.end_time, event.tres, event.state).where(
        event.start_time < end, sa.or_(event.end_time == 0, event.end_time > start)
    )
    if clusters:
        query = query.where(event.cluster.in_(clusters))
    nodes = []
    for row in connection.execute(query):
        if row.node:
            nodes.append(row)
        elif row.state:
            tally.cluster_down(row.cluster, row.start_time, row.end_time, row.tres)
        else:
            tally.cluster_size(row.cluster, row.start_time, row.end_time, row.tres)
    for row in nodes:
        tally.node_down(row.cluster, row.start_time, row.end_time, row.tres, row.state or NodeState.DOWN)
    for cluster, one in _reservations(connection, start, end, clusters):
        tally.reservation(cluster, one)
    suspended = _suspensions(connection, start, end)
    for row in _jobs(connection, start, end, where):
        who = (row.cluster, row.account, row.user_name, row.wckey, row.qos)
        cpus = row.required_cpus or row.alloc_cpus
        if row.array_task_string and row.array_task_id is None:
            cpus *= waiting_tasks(row.array_task_string)
        tally.job(
            who, row.eligible_time, row.start_time, row.end_time, row.tres_allocated, cpus,
            suspended.get(row.db_index, ()), (row.reservation_id, row.reservation_name),
        )  # fmt: skip
    tally.finish()
    return tally


_LARGEST = (1 << 63) - 1  # of what an answer can hold
#: filters of ``usage``, and which part of a row's name they ask for
_FILTERS = {"clusters": 0, "accounts": 1, "users": 2, "wckeys": 3, "qos": 4}


async def usage(service: Service, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    """``start``, ``end``, and names of ``clusters``, ``accounts``, ``users``, ``wckeys`` and ``qos`` ->
    ``used`` rows and ``utilization`` rows.

    ``used``: (cluster, account, user, wckey, qos, {TRES: seconds}). With PrivateData=usage others' are left out.
    Raises SlurmError for any other filter.
    """
    from .rollup_reading import totals

    start, end, now = int(args["start"]), int(args["end"]), int(time.time())
    wanted = {name: frozenset(value) for name, value in args.items() if name not in ("start", "end") and value}
    if unknown := sorted(set(wanted) - set(_FILTERS)):
        raise SlurmError("SLURM_ERROR", f"usage: no such filter: {unknown[0]}")
    if end <= start:
        return {"used": (), "utilization": (), "now": now}
    clusters = tuple(wanted.get("clusters", ()))
    found, whole = await service.database.read(lambda connection: totals(connection, start, end, now, clusters))
    used = [
        (*who, {name: min(seconds, _LARGEST) for name, seconds in sums.items()})
        for who, sums in sorted(found.items())
        if any(sums.values()) and all(who[_FILTERS[name]] in names for name, names in wanted.items())
    ]
    seen = service.permissions.usage_filter(peer)
    if seen is not None:
        used = [row for row in used if seen(row[1], row[2])]
    return {"used": tuple(used), "utilization": tuple(rows(whole)), "now": now}


async def job_sizes(service: Service, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    """The same filters, and ``nodes`` (names) of which a job had one -> ``jobs``: (cluster, account, wckey,
    {TRES allocated}, seconds in the stretch)."""
    start, end, now = int(args["start"]), int(args["end"]), int(time.time())
    where = {name: value for name, value in args.items() if name not in ("start", "end")}
    nodes = frozenset(str(name) for name in where.get("nodes") or ())

    def work(connection: Any) -> list[tuple[Any, ...]]:
        from slurmpy.core import hostlist

        suspended = _suspensions(connection, start, end)
        found = []
        for row in _jobs(connection, start, end, where):
            if not row.start_time or (nodes and nodes.isdisjoint(hostlist.expand(row.nodes))):
                continue
            last = row.end_time or now
            seconds = overlap(row.start_time, last, start, end)
            for first, until in suspended.get(row.db_index, ()):
                seconds -= overlap(first, min(until or now, last), start, end)
            if seconds > 0 or row.start_time < end:
                found.append(
                    (row.cluster, row.account, row.wckey, dict(tres_text.parse(row.tres_allocated)),
                     max(0, seconds))
                )  # fmt: skip
        return found

    return {"jobs": tuple(await service.database.read(work)), "now": now}


async def roll_up(service: Service, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    """Rolls up what is missing or has changed, and once more the hours between ``start`` and ``end`` (each may be left
    out); answers when it is done."""
    from .periods import HOUR, ceiling, hour_of

    roller = service.roller
    assert roller is not None
    start, end, now = args.get("start"), args.get("end"), int(time.time())
    again = None
    if start is not None or end is not None:
        low = max(0, min(int(start or 0), now))
        high = max(0, min(int(end if end is not None else now), now))
        again = (hour_of(low), ceiling(HOUR, high))
    log.info(f"usage is rolled up for {peer.name}")
    await roller.run("user", again)
    return {}
