"""Rolling usage up: hours out of the records, days out of hours, months out of days.

`Roller` does it in the background, right after every full hour and at the start for what is missing. Hours are written
some at a time, in one transaction with the days and months that they change and the note how far it has come: whatever
is killed, and however often it runs, the rows are those that the records give.

What is changed in hours that are rolled up already (a job's end that arrives late, a runaway job) leaves a mark, in the
transaction of the change; marked hours are rolled up again, and until then counted from the records. Hours whose jobs
have been purged stay as they are.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from slurmpy.core.errors import SlurmError
from slurmpy.rpc.log import log

from . import notes, schema
from .periods import (
    CALENDAR,
    DAY,
    HOUR,
    MONTH,
    NAMES,
    Stretch,
    ceiling,
    cut,
    day_of,
    hour_of,
    merged,
    next_day,
    next_hour,
    touching,
    zone,
)
from .rollup_marks import Marks
from .tally import PARTS, Tally
from .usage import collect

if TYPE_CHECKING:
    from .database import Database

_STATE = "rollup"
#: nothing is rolled up from before the year 2000: what is said to be that old comes from a clock that was not set
_OLDEST = 946_684_800
#: rows a statement
_AT_ONCE = 500
#: seconds after the full hour at which it is rolled up: what ended in it has mostly been reported by then
_AFTER = 5
#: seconds without a further change until marks are seen to before the hour is full
_QUIET = 5
#: days that are rolled up in one transaction: as many as take about so many seconds
_MOST_DAYS, _SHORT = 31, 0.2
#: seconds until it is tried again when the database does not take it
_RETRY = 30


class State:
    """How far it has come. `until`: hours before it are rolled up, but for marks; `kept`: there are no records of jobs
    from before it (purged), so what was rolled up is all there is; `zone`: whose days and months they are."""

    def __init__(self, until: int = 0, kept: int = _OLDEST, zone: str = "") -> None:
        self.until, self.kept, self.zone = until, kept, zone

    @classmethod
    def load(cls, connection: sa.Connection) -> State:
        found = json.loads(notes.get(connection, _STATE) or "{}")
        return cls(int(found.get("until", 0)), max(int(found.get("kept", 0)), _OLDEST), str(found.get("zone", "")))

    def save(self, connection: sa.Connection) -> None:
        notes.put(connection, _STATE, json.dumps(vars(self)))


def purged(connection: sa.Connection, before: int) -> None:
    """Notes, in the transaction that purges them, that jobs which ended before a moment are gone: their hours are not
    rolled up again."""
    state = State.load(connection)
    before = ceiling(HOUR, before)
    if before > state.kept:
        state.kept = before
        state.save(connection)


def first_record(connection: sa.Connection, after: int) -> int | None:
    """When the first thing began that ended after a moment, or goes on."""
    job, event, reservation = schema.jobs.c, schema.events.c, schema.reservations.c
    began = []
    for table, column in (
        (job, job.eligible_time), (job, job.start_time), (event, event.start_time),
        (reservation, reservation.start_time),
    ):  # fmt: skip
        query = sa.select(sa.func.min(column)).where(column > 0, sa.or_(table.end_time == 0, table.end_time > after))
        found = connection.execute(query).scalar()
        if found is not None:
            began.append(int(found))
    return max(after, min(began)) if began else None


class Names:
    """The numbers of those whose usage it is; in the writer's thread only."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], int] | None = None

    def forget(self) -> None:
        self._known = None

    def numbers(self, connection: sa.Connection, wanted: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], int]:
        table = schema.usage_names
        if self._known is None:
            self._known = {
                (row.cluster, row.account, row.user_name, row.wckey, row.qos): row.id
                for row in connection.execute(sa.select(table))
            }
        new = [who for who in wanted if who not in self._known]
        last = max(self._known.values(), default=0) if new else 0
        for at, who in enumerate(new, last + 1):
            self._known[who] = at
        _insert(
            connection, table,
            [
                {"id": self._known[who], "cluster": who[0], "account": who[1], "user_name": who[2], "wckey": who[3],
                 "qos": who[4]}
                for who in new
            ],
        )  # fmt: skip
        return self._known


def _insert(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    for at in range(0, len(rows), _AT_ONCE):
        connection.execute(table.insert(), rows[at : at + _AT_ONCE])


def write_hours(connection: sa.Connection, names: Names, tally: Tally) -> None:
    """The rows of a tally's slots instead of those that were there."""
    start, end = tally.bounds[0], tally.bounds[-1]
    by_name, of_cluster = schema.usage_by_name, schema.usage_of_cluster
    for table in (by_name, of_cluster):
        connection.execute(
            table.delete().where(table.c.period == HOUR, table.c.time_start >= start, table.c.time_start < end)
        )
    numbers = names.numbers(connection, dict.fromkeys(who for slot in tally.slots for who in slot.used))
    used: list[dict[str, Any]] = []
    clusters: list[dict[str, Any]] = []
    for slot in tally.slots:
        key = {"period": HOUR, "time_start": slot.start}
        for who, sums in slot.used.items():
            used += [
                {**key, "name": numbers[who], "tres": name, "seconds": float(seconds)}
                for name, seconds in sums.items()
                if seconds
            ]
        for (cluster, name), sums in slot.utilization().items():
            clusters.append({**key, "cluster": cluster, "tres": name, **{part: float(sums[part]) for part in PARTS}})
    _insert(connection, by_name, used)
    _insert(connection, of_cluster, clusters)
    _write_unused(connection, tally)


def _write_unused(connection: sa.Connection, tally: Tally) -> None:
    table, reservation = schema.usage_of_reservation, schema.reservations
    connection.execute(
        table.delete().where(table.c.time_start >= tally.bounds[0], table.c.time_start < tally.bounds[-1])
    )
    for cluster, one in tally.reservations():
        _insert(
            connection, table,
            [
                {"time_start": slot.start, "cluster": cluster, "id": one.number, "reservation_start": one.start,
                 "unused": unused}
                for slot, unused in tally.unused_wall(cluster, one)
            ],
        )  # fmt: skip
        mine = (table.c.cluster == cluster) & (table.c.id == one.number) & (table.c.reservation_start == one.start)
        unused = connection.execute(sa.select(sa.func.sum(table.c.unused)).where(mine)).scalar() or 0.0
        of = reservation.c
        connection.execute(
            reservation.update()
            .where(of.cluster == cluster, of.id == one.number, of.start_time == one.start)
            .values(unused_wall=float(unused))
        )


def write_longer(connection: sa.Connection, period: int, start: int, end: int) -> None:
    """The rows of a day out of its hours, or of a month out of its days."""
    for table, keys, sums in (
        (schema.usage_by_name, ("name", "tres"), ("seconds",)),
        (schema.usage_of_cluster, ("cluster", "tres"), PARTS),
    ):
        of = table.c
        connection.execute(table.delete().where(of.period == period, of.time_start >= start, of.time_start < end))
        parts = (
            sa.select(
                sa.literal(period),
                sa.literal(start, sa.BigInteger()),
                *(of[key] for key in keys),
                *(sa.func.sum(of[name]) for name in sums),
            )
            .where(of.period == period - 1, of.time_start >= start, of.time_start < end)
            .group_by(*(of[key] for key in keys))
        )
        connection.execute(table.insert().from_select(["period", "time_start", *keys, *sums], parts))


def write(connection: sa.Connection, names: Names, tally: Tally, upto: int, spent: dict[int, float]) -> None:
    """A tally of full hours: its rows, the days and months that are whole with them, and that it has been done.

    `upto`: the last mark that was there when the records were read. The seconds that each period took are added to
    `spent`.
    """
    start, end, began = tally.bounds[0], tally.bounds[-1], time.monotonic()
    write_hours(connection, names, tally)
    state = State.load(connection)
    if start <= state.until < end:
        state.until = end
        state.save(connection)
    spent[HOUR] += time.monotonic() - began
    for period in (DAY, MONTH):
        for low, high in touching(period, start, end):
            if high <= state.until:
                began = time.monotonic()
                write_longer(connection, period, low, high)
                spent[period] += time.monotonic() - began
    Marks.done(connection, upto, end)


class Roller:
    """The background work of rolling up, and rolling up on demand; one at a time.

    `figures`: what has been done since the start or `clear`: name: [last run, cycles, last, longest, total
    microseconds], the names being those of `periods.NAMES`, "internal" and "user".
    """

    def __init__(self, database: Database, marks: Marks) -> None:
        self.database, self.marks = database, marks
        self.wake = asyncio.Event()
        self.figures: dict[str, list[int]] = {}
        self._names = Names()
        self._lock = asyncio.Lock()

    async def open(self) -> None:
        """Before the first record is written: what has been rolled up so far. Another calendar makes it all anew."""
        await self.database.write(self._prepare)

    def _prepare(self, connection: sa.Connection) -> None:
        state, here = State.load(connection), zone()
        self.marks.horizon = state.until
        if state.zone == here:
            return
        if state.zone:
            log.info("the local calendar has changed: usage is rolled up anew")
            self.marks.add(connection, [(first_record(connection, state.kept) or state.until, state.until)])
        state.zone = here
        state.save(connection)

    async def forever(self) -> None:
        """At once, then after every full hour, and whenever `wake` is set."""
        while True:
            self.wake.clear()
            delay = 0.0
            try:
                await self.run("internal")
            except SlurmError as error:
                log.error(f"usage is not rolled up: {error.message}: trying again")
                delay = _RETRY
            now = time.time()
            due = now + delay if delay else next_hour(hour_of(int(now))) + _AFTER
            while (left := due - time.time()) > 0:
                # a clock that is set is noticed within the minute
                if await self._woken(min(left, 60.0)):
                    while await self._woken(_QUIET):
                        pass
                    break

    async def _woken(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self.wake.wait(), seconds)
        except TimeoutError:
            return False
        self.wake.clear()
        return True

    def note(self, name: str, seconds: float, last_run: int | None = None) -> None:
        spent = int(seconds * 1_000_000)
        row = self.figures.setdefault(name, [0, 0, 0, 0, 0])
        row[:] = [last_run or int(time.time()), row[1] + 1, spent, max(row[3], spent), row[4] + spent]

    async def run(self, by: str = "internal", again: Stretch | None = None) -> None:
        """Rolls up what is missing or marked, and the full hours of `again` once more. Raises SlurmError."""
        async with self._lock:
            began = time.monotonic()
            target = hour_of(int(time.time()))
            upto, todo = await self.database.write(lambda connection: self._begin(connection, target, again))
            spent = {HOUR: 0.0, DAY: 0.0, MONTH: 0.0}
            for start, end in todo:
                days = 1
                while start < end:
                    took, after = time.monotonic(), start
                    for _ in range(days):  # cut where days end, so that each is made of its hours once
                        after = min(next_day(day_of(after)), end)
                    await self._hours(start, after, upto, spent)
                    took = time.monotonic() - took
                    days = min(2 * days, _MOST_DAYS) if took < _SHORT else max(days // 2, 1)
                    start = after
            self.note(by, time.monotonic() - began)
            for period, seconds in spent.items():
                if seconds:
                    self.note(NAMES[period], seconds, CALENDAR[period][0](target))

    def _begin(self, connection: sa.Connection, target: int, again: Stretch | None) -> tuple[int, list[Stretch]]:
        """The last mark, and the stretches of hours that are to be rolled up; from now on changes of them are marked.

        In the writer's thread: what was changed before is committed, and is seen by whoever reads afterwards.
        """
        state = State.load(connection)
        self.marks.horizon = max(self.marks.horizon, target)
        first = first_record(connection, max(state.until, state.kept))
        until = target if first is None else min(target, hour_of(first))
        if until > state.until:
            state.until = until
            state.save(connection)
        if again is not None:
            low, high = max(again[0], state.kept), min(again[1], state.until)
            earliest = first_record(connection, low) if low < high else None
            if earliest is not None:
                self.marks.add(connection, [(earliest, high)])
        table = schema.rollup_marks
        connection.execute(table.delete().where(table.c.time_end <= state.kept))
        found = Marks.load(connection)
        stretches = [(max(start, state.kept), min(end, target)) for _, start, end in found]
        return max((one[0] for one in found), default=0), merged([*stretches, (state.until, target)])

    async def _hours(self, start: int, end: int, upto: int, spent: dict[int, float]) -> None:
        now, began = int(time.time()), time.monotonic()
        tally = await self.database.read(lambda connection: collect(connection, cut(start, end), now, {}))
        spent[HOUR] += time.monotonic() - began
        await self.database.write(
            lambda connection: write(connection, self._names, tally, upto, spent), self._names.forget
        )
