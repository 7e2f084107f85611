"""Usage of a stretch of time: what has been rolled up of it, and the rest counted from the records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from . import schema
from .periods import HOUR, Stretch, ceiling, cut, hour_of, merged, spans, without
from .rollup import State
from .rollup_marks import Marks
from .tally import PARTS, Sums, Who, merge
from .usage import collect

#: of more holes in what has been rolled up than this, all from the first to the last is counted
_HOLES = 16


def parts(connection: sa.Connection, start: int, end: int) -> tuple[list[Stretch], list[Stretch]]:
    """What of a stretch is rolled up as the records are now, and what is to be counted."""
    state = State.load(connection)
    holes = merged((max(low, state.kept, start), min(high, end)) for _, low, high in Marks.load(connection))
    if len(holes) > _HOLES:
        holes = [(holes[0][0], holes[-1][1])]
    holes = [(hour_of(low), ceiling(HOUR, high)) for low, high in holes]
    low, high = ceiling(HOUR, start), hour_of(min(end, state.until))
    rolled = without(low, high, holes) if low < high else []
    return rolled, without(start, end, rolled)


def totals(
    connection: sa.Connection, start: int, end: int, now: int, clusters: Sequence[str] = ()
) -> tuple[dict[Who, Sums], dict[tuple[str, str], Sums]]:
    """(TRES seconds of everybody, (cluster, TRES): seconds of each of `PARTS`) between two moments; of all clusters,
    or of some."""
    rolled, rest = parts(connection, start, end)
    used: dict[Who, Sums] = {}
    whole: dict[tuple[str, str], Sums] = {}
    for low, high in rest:
        tally = collect(connection, cut(low, high), now, {"clusters": tuple(clusters)})
        for who, sums in tally.used.items():
            merge(used.setdefault(who, {}), sums)
        for key, sums in tally.utilization().items():
            merge(whole.setdefault(key, {}), sums)
    if rolled:
        _read(connection, rolled, clusters, used, whole)
    return used, whole


def _read(
    connection: sa.Connection,
    rolled: Sequence[Stretch],
    clusters: Sequence[str],
    used: dict[Who, Sums],
    whole: dict[tuple[str, str], Sums],
) -> None:
    names: dict[int, Who] = {}
    query: Any = sa.select(schema.usage_names)
    if clusters:
        query = query.where(schema.usage_names.c.cluster.in_(list(clusters)))
    for row in connection.execute(query):
        names[row.id] = (row.cluster, row.account, row.user_name, row.wckey, row.qos)
    for start, end in rolled:
        for period, low, high in spans(start, end):
            of = schema.usage_by_name.c
            query = (
                sa.select(of.name, of.tres, sa.func.sum(of.seconds))
                .where(of.period == period, of.time_start >= low, of.time_start < high)
                .group_by(of.name, of.tres)
            )
            for name, tres, seconds in connection.execute(query):
                if (who := names.get(name)) is not None:
                    merge(used.setdefault(who, {}), {tres: round(seconds)})
            of = schema.usage_of_cluster.c
            query = (
                sa.select(of.cluster, of.tres, *(sa.func.sum(of[part]) for part in PARTS))
                .where(of.period == period, of.time_start >= low, of.time_start < high)
                .group_by(of.cluster, of.tres)
            )
            if clusters:
                query = query.where(of.cluster.in_(list(clusters)))
            for cluster, tres, *sums in connection.execute(query):
                counted = {part: round(seconds) for part, seconds in zip(PARTS, sums, strict=True)}
                merge(whole.setdefault((cluster, tres), {}), counted)
