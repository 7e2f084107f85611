"""Usage by the hour, the day or the month, as the documents of associations and WCKeys tell it: what has been rolled up
of it, and nothing more. (sreport's sums are `usage`'s.)"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from slurmpy.core.errors import SlurmError

from .periods import DAY, HOUR, MONTH, day_of, hour_of, month_of

if TYPE_CHECKING:
    from slurmpy.auth.peer import Peer

    from .service import Service

#: whose usage: which parts of the name that usage is kept by (cluster, account, user, WCKey, QOS)
KINDS = {"associations": ("account", "user_name"), "wckeys": ("user_name", "wckey")}
COLUMNS = ("cluster", "owner", "time_start", "tres", "seconds")
#: rows that go at a time
CHUNK = 2000
#: names that are asked for one by one; of more than these all are read
_SOME_NAMES = 200
_LARGEST = (1 << 63) - 1  # of what a document can hold


def stretch(start: int, end: int, now: int) -> tuple[int, int, int]:
    """(period, start, end): the rows that are told for a start and an end (seconds since 1970; 0 where none is given).

    As slurmdbd of 24.11 does it: from yesterday's midnight to today's, or to the full hour if a start is given; both at
    full hours, the end after the start; by months or days where both are the first moment of one, else by hours.
    """
    if end and start > end:
        start, end = end, start
    end = end or (hour_of(now) if start else day_of(now))
    end = hour_of(end) if end <= now else now
    start = hour_of(start) if start else day_of(day_of(now) - 1)
    if end <= start:
        end = start + 3600
    if start == month_of(start) and end == month_of(end):
        return MONTH, start, end
    if start == day_of(start) and end == day_of(end):
        return DAY, start, end
    return HOUR, start, end


async def query(service: Service, peer: Peer, where: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """``kind`` (of `KINDS`), ``start``, ``end``, and ``clusters``, ``accounts``, ``users``, ``wckeys`` (each may be
    left out) -> `COLUMNS`: ``owner`` is (account, user) or (user, WCKey); by time, then by owner.

    With PrivateData=usage that of others is left out. Raises SlurmError for another kind.
    """
    kind, now = str(where.get("kind")), int(time.time())
    if kind not in KINDS:
        raise SlurmError("SLURM_ERROR", f"slurmdbd keeps no usage of {kind}")
    chosen = stretch(int(where.get("start") or 0), int(where.get("end") or 0), now)
    seen = service.permissions.usage_filter(peer)
    yield {"columns": COLUMNS, "meta": {"now": now}}

    def work(connection: Any) -> Iterator[list[tuple[Any, ...]]]:
        yield from _rows(connection, _owners(connection, kind, where, seen), *chosen)

    async for part in service.database.parts(work):
        yield {"rows": part}


_FILTERS = {"clusters": "cluster", "accounts": "account", "users": "user_name", "wckeys": "wckey"}


def _owners(connection: Any, kind: str, where: Mapping[str, Any], seen: Any) -> dict[int, tuple[str, tuple[str, str]]]:
    """Number of a name -> (cluster, owner), of those that are asked for and may be seen."""
    import sqlalchemy as sa

    from . import schema

    wanted = {column: frozenset(where[name]) for name, column in _FILTERS.items() if where.get(name)}
    first, second = KINDS[kind]
    return {
        row.id: (row.cluster, (getattr(row, first), getattr(row, second)))
        for row in connection.execute(sa.select(schema.usage_names))
        if all(getattr(row, column) in names for column, names in wanted.items())
        and (seen is None or seen(row.account, row.user_name))
    }


def _rows(
    connection: Any, owners: Mapping[int, tuple[str, tuple[str, str]]], period: int, start: int, end: int
) -> Iterator[list[tuple[Any, ...]]]:
    """Lists of rows. Names with one owner (they differ in QOS, say) are summed up."""
    import sqlalchemy as sa

    from . import schema

    of = schema.usage_by_name.c
    statement = sa.select(of.time_start, of.name, of.tres, of.seconds).where(
        of.period == period, of.time_start >= start, of.time_start < end
    )
    if len(owners) <= _SOME_NAMES:
        statement = statement.where(of.name.in_(list(owners)))
    found = connection.execute(statement.order_by(of.time_start).execution_options(yield_per=CHUNK))
    sums: dict[tuple[Any, ...], float] = {}
    at = 0
    for moment, name, tres, seconds in found:
        if moment != at:
            yield from _parts(sums, at)
            sums, at = {}, moment
        owner = owners.get(name)
        if owner is not None and seconds:
            sums[*owner, tres] = sums.get((*owner, tres), 0) + seconds
    yield from _parts(sums, at)


def _parts(sums: Mapping[tuple[Any, ...], float], moment: int) -> Iterator[list[tuple[Any, ...]]]:
    told = [
        (cluster, owner, moment, tres, min(round(seconds), _LARGEST))
        for (cluster, owner, tres), seconds in sorted(sums.items())
    ]
    for first in range(0, len(told), CHUNK):
        yield told[first : first + CHUNK]
