"""Hours, days and months of the local calendar, in zones whose clocks change in all ways there are."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slurmpy.accounting import periods
from slurmpy.accounting.periods import DAY, HOUR, MONTH

from .zones import zone

#: by the hour, by half of one, at midnight (skipped, and twice), quarters off UTC, none
ZONES = ("Europe/Berlin", "Australia/Lord_Howe", "America/Havana", "Asia/Beirut", "Asia/Kathmandu", "UTC")
MOMENTS = st.integers(1_500_000_000, 1_900_000_000)


@pytest.fixture(scope="module", params=ZONES, autouse=True)
def _zone(request: pytest.FixtureRequest) -> Iterator[None]:
    if not os.path.exists(f"/usr/share/zoneinfo/{request.param}"):
        pytest.skip(f"the system has no zone {request.param}")
    with zone(request.param):
        yield


@given(MOMENTS)
def test_every_moment_lies_in_one_period_of_each_length(moment: int) -> None:
    for period in (HOUR, DAY, MONTH):
        first, following = periods.CALENDAR[period]
        start = first(moment)
        assert start <= moment < following(start)
        assert first(start) == start
        assert first(following(start)) == following(start)
        assert first(following(start) - 1) == start


def test_the_first_day_has_a_start() -> None:
    for period in (HOUR, DAY, MONTH):
        assert periods.CALENDAR[period][0](0) <= 0 < periods.CALENDAR[period][1](0)


@given(MOMENTS)
def test_days_are_made_of_hours_and_months_of_days(moment: int) -> None:
    for period in (DAY, MONTH):
        first, following = periods.CALENDAR[period]
        start, end = first(moment), following(first(moment))
        parts = list(periods.touching(period - 1, start, end))
        assert parts[0][0] == start
        assert parts[-1][1] == end
        assert all(one[1] == other[0] for one, other in pairwise(parts))


@given(MOMENTS, st.integers(1, 100 * 86400))
def test_a_stretch_is_cut_at_full_hours(start: int, seconds: int) -> None:
    bounds = periods.cut(start, start + seconds)
    assert bounds == sorted(set(bounds))
    assert (bounds[0], bounds[-1]) == (start, start + seconds)
    assert all(periods.hour_of(one) == one for one in bounds[1:-1])
    assert all(periods.hour_of(low) == periods.hour_of(high - 1) for low, high in pairwise(bounds))


@given(MOMENTS, st.integers(1, 4000))
@example(1_680_357_600, 1)  # where the clocks go back by half of one, an hour has 90 minutes
def test_longer_periods_cover_hours_without_a_gap(moment: int, hours: int) -> None:
    start = periods.hour_of(moment)
    end = max(periods.hour_of(start + hours * 3600), periods.next_hour(start))
    spans = periods.spans(start, end)
    assert (spans[0][1], spans[-1][2]) == (start, end)
    assert all(one[2] == other[1] for one, other in pairwise(spans))
    for period, low, high in spans:
        first = periods.CALENDAR[period][0]
        assert (first(low), first(high)) == (low, high)
    assert len(spans) <= 5
    assert sum(high - low for period, low, high in spans if period == HOUR) <= 2 * 25 * 3600


STRETCHES = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=6)


@given(st.integers(0, 60), st.integers(0, 60), STRETCHES)
def test_stretches_are_sets_of_moments(start: int, end: int, holes: list[tuple[int, int]]) -> None:
    def moments(stretches: list[tuple[int, int]]) -> list[int]:
        return [moment for low, high in stretches for moment in range(low, high)]

    gone = moments(periods.merged(holes))
    assert gone == sorted(set(moments(holes)))
    assert moments(periods.without(start, end, holes)) == [one for one in range(start, end) if one not in gone]


def test_a_change_of_the_clocks_makes_days_of_23_and_25_hours() -> None:
    if os.environ["TZ"] != "Europe/Berlin":
        pytest.skip("of one zone")
    hours = {
        day: len(list(periods.within(HOUR, start, periods.next_day(start))))
        for day in ((2026, 3, 29), (2026, 10, 25), (2026, 7, 1))
        for start in [int(time.mktime((*day, 0, 0, 0, 0, 0, -1)))]
    }
    assert list(hours.values()) == [23, 25, 24]


def test_another_zone_has_another_mark() -> None:
    here, own = periods.zone(), os.environ["TZ"]
    os.environ["TZ"] = "Pacific/Auckland"
    time.tzset()
    assert periods.zone() != here
    os.environ["TZ"] = own
    time.tzset()
    assert periods.zone() == here
