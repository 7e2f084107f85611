"""Marks of hours that have been rolled up and whose records have changed since.

A mark is written in the transaction of the change. Which hours a change concerns is decided here: a job that ends
changes the hours from its end on, which as a rule have not been rolled up yet, and leaves no mark.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from itertools import compress
from operator import itemgetter, ne
from typing import Any

import sqlalchemy as sa

from . import schema
from .periods import HOUR, Stretch, ceiling, hour_of, merged
from .tally import counts

__all__ = ["FOREVER", "Marks", "Stretch", "of_job", "of_stretch"]

#: later than anything
FOREVER = 1 << 62

#: columns of a job that change what is counted in all of its time
_WHOLE = (
    "account", "user_name", "wckey", "qos", "eligible_time", "required_cpus", "alloc_cpus", "tres_allocated",
    "reservation_id", "reservation_name",
)  # fmt: skip
_pick = itemgetter(*_WHOLE)
#: what a job gets when it starts
_OF_START = frozenset(("alloc_cpus", "tres_allocated"))


def _earlier(one: int, other: int) -> int:
    """The earlier of two ends, of which 0 is none."""
    return min(one or FOREVER, other or FOREVER)


def _begin(row: Mapping[str, Any]) -> int:
    return _earlier(row["eligible_time"], row["start_time"] or row["end_time"])


def _rates(text: str) -> dict[str, int]:
    return {name: count for name, count in counts(text) if name != "energy"}


def of_job(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> Stretch | None:
    """The time in which a job counts otherwise than it did."""
    last = new["end_time"] or FOREVER
    if old is None:
        # a task of an array has waited in the array's own record so far
        task = new["array_task_id"] is not None and new["array_job_id"] and new["array_job_id"] != new["job_id"]
        start = (new["start_time"] or new["end_time"] or FOREVER) if task else _begin(new)
        return (start, last) if start < last else None
    differing = list(compress(_WHOLE, map(ne, _pick(old), _pick(new))))
    changed = []
    if "tres_allocated" in differing and _rates(old["tres_allocated"]) == _rates(new["tres_allocated"]):
        differing.remove("tres_allocated")  # energy alone, which counts where the job ends
        changed.append(min(old["end_time"] or FOREVER, last) - 1)
    if differing and not (old["start_time"] == 0 != new["start_time"] and _OF_START.issuperset(differing)):
        return min(_begin(old), _begin(new)), max(old["end_time"] or FOREVER, last)
    if old["start_time"] != new["start_time"]:
        changed.append(_earlier(old["start_time"], new["start_time"]))
    if old["end_time"] != new["end_time"]:
        changed.append(_earlier(old["end_time"], new["end_time"]))
    return (min(changed), FOREVER) if changed else None


def of_stretch(old: Stretch | None, new: Stretch, same: bool) -> Stretch | None:
    """The time in which an event or a reservation counts otherwise; `same`: its end apart it is as it was."""
    if old is None:
        return new[0], new[1] or FOREVER
    if not same or old[0] != new[0]:
        return min(old[0], new[0]), max(old[1] or FOREVER, new[1] or FOREVER)
    if old[1] == new[1]:
        return None
    return _earlier(old[1], new[1]), max(old[1] or FOREVER, new[1] or FOREVER)


class Marks:
    """In the writer's thread only. `horizon`: what lies before it has been rolled up, or is being."""

    def __init__(self) -> None:
        self.horizon = 0
        self._last = 0

    def note(self, connection: sa.Connection, stretches: Iterable[Stretch | None]) -> None:
        """Marks the full hours of what has changed before the horizon."""
        horizon = self.horizon
        late = [(max(one[0], 0), min(one[1], horizon)) for one in stretches if one is not None and one[0] < horizon]
        self.add(connection, merged(late))  # first as they are: the calendar is slow to ask

    def add(self, connection: sa.Connection, stretches: Iterable[Stretch]) -> None:
        rows = []
        for start, end in merged((hour_of(low), ceiling(HOUR, high)) for low, high in stretches if low < high):
            # numbers never come again, so that what is noted while a roll-up runs is not taken for what it has done
            self._last = max(self._last + 1, time.time_ns())
            rows.append({"id": self._last, "time_start": start, "time_end": end})
        if rows:
            connection.execute(schema.rollup_marks.insert(), rows)

    @staticmethod
    def load(connection: sa.Connection) -> list[tuple[int, int, int]]:
        """(id, start, end) of all."""
        of = schema.rollup_marks.c
        return [tuple(row) for row in connection.execute(sa.select(of.id, of.time_start, of.time_end).order_by(of.id))]

    @staticmethod
    def done(connection: sa.Connection, upto: int, end: int) -> None:
        """Takes away those up to a number, as far as they lie before a moment."""
        table, of = schema.rollup_marks, schema.rollup_marks.c
        mine = (of.id <= upto) & (of.time_start < end)
        connection.execute(table.delete().where(mine, of.time_end <= end))
        connection.execute(table.update().where(mine, of.time_end > end).values(time_start=end))
