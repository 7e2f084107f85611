"""Hours, days and months of the local calendar: the periods that usage is kept by. Days on which the clocks change have
23 or 25 hours; an hour that such a change cuts, in zones that shift by half of one, lasts until the next full hour.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

HOUR, DAY, MONTH = 0, 1, 2
NAMES = {HOUR: "hour", DAY: "day", MONTH: "month"}

#: stretches of time, from (first second, second after the last)
Stretch = tuple[int, int]

#: what the calendar is asked for: from some time before 1970, as the search for a day's first moment looks before it,
#: until the year 9999
_BOUNDS = (-(10**9), 253_402_300_799)


def _local(moment: int) -> time.struct_time:
    return time.localtime(min(max(moment, _BOUNDS[0]), _BOUNDS[1]))


def _moment(year: int, month: int, day: int) -> int:
    """The first moment of a day: not midnight where the clocks skip that, the first one where it comes twice."""
    found = int(time.mktime((year, month, day, 0, 0, 0, 0, 0, -1)))
    wanted = time.localtime(int(time.mktime((year, month, day, 12, 0, 0, 0, 0, -1))))[:3]
    while _local(found)[:3] < wanted:
        found += 1800
    while _local(found - 1)[:3] >= wanted:
        found -= 1800
    return found


def hour_of(moment: int) -> int:
    """The start of the hour in which a moment lies."""
    local = _local(moment)
    start = moment - local.tm_min * 60 - local.tm_sec
    # a change of the clocks by half an hour lies in between: the hour began before it
    return start if not _local(start).tm_min else start - _local(start).tm_min * 60


def next_hour(start: int) -> int:
    minutes = _local(start + 3600).tm_min
    return start + 3600 + (60 - minutes) * 60 if minutes else start + 3600


def day_of(moment: int) -> int:
    local = _local(moment)
    return _moment(local.tm_year, local.tm_mon, local.tm_mday)


def next_day(start: int) -> int:
    local = _local(start)
    return _moment(local.tm_year, local.tm_mon, local.tm_mday + 1)


def month_of(moment: int) -> int:
    local = _local(moment)
    return _moment(local.tm_year, local.tm_mon, 1)


def next_month(start: int) -> int:
    local = _local(start)
    return _moment(local.tm_year, local.tm_mon + 1, 1)


#: period: (the start of the one in which a moment lies, the start of the next)
CALENDAR: dict[int, tuple[Callable[[int], int], Callable[[int], int]]] = {
    HOUR: (hour_of, next_hour),
    DAY: (day_of, next_day),
    MONTH: (month_of, next_month),
}


def within(period: int, start: int, end: int) -> Iterator[Stretch]:
    """The whole periods between two moments."""
    first, following = CALENDAR[period]
    at = ceiling(period, start)
    while (after := following(at)) <= end:
        yield at, after
        at = after
    assert first(at) == at


def ceiling(period: int, moment: int) -> int:
    """The moment itself where a period begins, else the start of the next one."""
    first, following = CALENDAR[period]
    start = first(moment)
    return start if start == moment else following(start)


def touching(period: int, start: int, end: int) -> Iterator[Stretch]:
    """The periods of which some part lies between two moments."""
    first, following = CALENDAR[period]
    at = first(start)
    while at < end:
        after = following(at)
        yield at, after
        at = after


def cut(start: int, end: int) -> list[int]:
    """A stretch cut at every full hour: its start, the hours in between, its end."""
    bounds, at = [start], ceiling(HOUR, start + 1)
    while at < end:
        bounds.append(at)
        at = next_hour(at)
    return [*bounds, end]


def spans(start: int, end: int) -> list[tuple[int, int, int]]:
    """(period, start, end) of stretches that cover full hours with the longest periods that fit in."""
    found: list[tuple[int, int, int]] = []

    def add(period: int, low: int, high: int) -> None:
        if low < high:
            found.append((period, low, high))

    def fill(period: int, low: int, high: int) -> None:
        if low >= high:
            return
        if period == HOUR:
            add(HOUR, low, high)
            return
        first, last = ceiling(period, low), CALENDAR[period][0](high)
        if first >= last:
            fill(period - 1, low, high)
            return
        fill(period - 1, low, first)
        add(period, first, last)
        fill(period - 1, last, high)

    fill(MONTH, start, end)
    return found


# ---- sets of stretches


def merged(stretches: Iterable[Stretch]) -> list[Stretch]:
    """The same moments, in order, none twice."""
    found: list[Stretch] = []
    for start, end in sorted(one for one in stretches if one[0] < one[1]):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def without(start: int, end: int, holes: Iterable[Stretch]) -> list[Stretch]:
    """What of a stretch lies in none of `holes`."""
    found, at = [], start
    for low, high in merged(holes):
        if low > at:
            found.append((at, min(low, end)))
        at = max(at, high)
        if at >= end:
            break
    if at < end:
        found.append((at, end))
    return [one for one in found if one[0] < one[1]]


def zone() -> str:
    """A text that is another one where the local calendar is: of what it makes of the days of some years."""
    import hashlib

    offsets = [_local(at).tm_gmtoff for at in range(946_684_800, 2_145_916_800, 7 * 86400)]
    return hashlib.sha256(repr(offsets).encode()).hexdigest()[:16]
