"""Who used how much of the cluster in a stretch of time: TRES seconds by account, user, WCKey and QOS, and of the
whole.

`Tally` is pure: jobs, node events and reservations go in, sums come out. Times count in full seconds; a suspended job
uses no CPUs while it is suspended, but keeps everything else, as real slurmdbd has it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from . import tres_text

if TYPE_CHECKING:
    from slurmpy.auth.peer import Peer

    from .service import Service


def overlap(start: int, end: int, low: int, high: int) -> int:
    """Seconds that two stretches have in common."""
    return max(0, min(end, high) - max(start, low))


class Tally:
    """Sums over jobs between `start` and `end`; `now` ends what is still going on."""

    def __init__(self, start: int, end: int, now: int) -> None:
        self.start, self.end, self.now = start, end, now
        #: (cluster, account, user, wckey, qos): TRES: seconds
        self.used: dict[tuple[str, str, str, str, str], dict[str, int]] = {}
        self.planned: dict[str, int] = {}  # cluster: CPU seconds that jobs waited for
        self.down: dict[tuple[str, str], int] = {}  # (cluster, TRES): seconds
        self.capacity: dict[tuple[str, str], int] = {}

    def job(
        self,
        who: tuple[str, str, str, str, str],
        eligible: int,
        start: int,
        end: int,
        allocated: str,
        cpus: int,
        suspended: Iterable[tuple[int, int]] = (),
    ) -> None:
        """One job: `who` is (cluster, account, user, wckey, qos)."""
        if start:
            last = end or self.now
            seconds = running = overlap(start, last, self.start, self.end)
            for first, until in suspended:
                running -= overlap(first, min(until or self.now, last), self.start, self.end)
            if seconds > 0:
                sums = self.used.setdefault(who, {})
                for name, count in tres_text.parse(allocated).items():
                    sums[name] = sums.get(name, 0) + count * (running if name == "cpu" else seconds)
        if eligible:
            waited = overlap(eligible, start or end or self.now, self.start, self.end)
            self.planned[who[0]] = self.planned.get(who[0], 0) + waited * cpus

    def cluster_size(self, cluster: str, start: int, end: int, tres: str) -> None:
        """The cluster had `tres` from `start` to `end` (0: until now)."""
        self._add(self.capacity, cluster, start, end, tres)

    def node_down(self, cluster: str, start: int, end: int, tres: str) -> None:
        self._add(self.down, cluster, start, end, tres)

    def _add(self, sums: dict[tuple[str, str], int], cluster: str, start: int, end: int, tres: str) -> None:
        seconds = overlap(start, end or self.now, self.start, self.end)
        for name, count in tres_text.parse(tres).items() if seconds else ():
            sums[cluster, name] = sums.get((cluster, name), 0) + count * seconds

    def utilization(self) -> list[dict[str, Any]]:
        """A row for each cluster and TRES: allocated, down, planned, idle, over and reported seconds."""
        allocated: dict[tuple[str, str], int] = {}
        for (cluster, *_), sums in self.used.items():
            for name, seconds in sums.items():
                allocated[cluster, name] = allocated.get((cluster, name), 0) + seconds
        rows = []
        for (cluster, name), total in sorted(self.capacity.items(), key=lambda item: (item[0][0], _rank(item[0][1]))):
            used = min(allocated.get((cluster, name), 0), total)
            down = min(self.down.get((cluster, name), 0), total - used)
            planned = min(self.planned.get(cluster, 0), total - used - down) if name == "cpu" else 0
            rows.append(
                {
                    "cluster": cluster,
                    "tres": name,
                    "allocated": used,
                    "down": down,
                    "planned_down": 0,
                    "idle": total - used - down - planned,
                    "planned": planned,
                    "over": max(0, allocated.get((cluster, name), 0) - total),
                    "reported": total,
                }
            )
        return rows


def _rank(name: str) -> tuple[int, str]:
    from slurmpy.core.tres import order_key

    return order_key(name)


def _jobs(connection: Any, start: int, end: int, where: Mapping[str, Any]) -> Iterator[Any]:
    import sqlalchemy as sa

    from . import schema

    job = schema.jobs.c
    columns = (
        job.db_index, job.cluster, job.account, job.user_name, job.wckey, job.qos, job.eligible_time, job.start_time,
        job.end_time, job.tres_allocated, job.required_cpus, job.alloc_cpus, job.nodes,
    )  # fmt: skip
    statement = sa.select(*columns).where(
        job.eligible_time < end, job.eligible_time > 0, sa.or_(job.end_time == 0, job.end_time > start)
    )
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


def collect(connection: Any, start: int, end: int, now: int, where: Mapping[str, Any]) -> Tally:
    """The tally of everything in the database between two times."""
    import sqlalchemy as sa

    from . import schema

    tally = Tally(start, end, now)
    suspended = _suspensions(connection, start, end)
    for row in _jobs(connection, start, end, where):
        who = (row.cluster, row.account, row.user_name, row.wckey, row.qos)
        cpus = row.alloc_cpus or row.required_cpus
        stretches = suspended.get(row.db_index, ())
        tally.job(who, row.eligible_time, row.start_time, row.end_time, row.tres_allocated, cpus, stretches)
    event = schema.events.c
    query = sa.select(event.cluster, event.node, event.start_time, event.end_time, event.tres, event.state).where(
        event.start_time < end, sa.or_(event.end_time == 0, event.end_time > start)
    )
    if where.get("clusters"):
        query = query.where(event.cluster.in_(list(where["clusters"])))
    for row in connection.execute(query):
        if row.node or row.state:
            tally.node_down(row.cluster, row.start_time, row.end_time, row.tres)
        else:
            tally.cluster_size(row.cluster, row.start_time, row.end_time, row.tres)
    return tally


async def usage(service: Service, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    """``start``, ``end``, ``clusters`` and further filters of jobs -> ``used`` rows and ``utilization`` rows.

    ``used``: (cluster, account, user, wckey, qos, {TRES: seconds}). With PrivateData=usage others' are left out.
    """
    start, end, now = int(args["start"]), int(args["end"]), int(time.time())
    where = {name: value for name, value in args.items() if name not in ("start", "end")}
    tally = await service.database.read(lambda connection: collect(connection, start, end, now, where))
    rows = [(*who, sums) for who, sums in sorted(tally.used.items())]
    if service.permissions.restricted(peer, "usage"):
        own = service.permissions.coordinates(peer)
        rows = [row for row in rows if row[2] == peer.name or row[1] in own]
    return {"used": tuple(rows), "utilization": tuple(tally.utilization()), "now": now}


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
