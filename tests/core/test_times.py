import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmpy.core import times
from slurmpy.core.records.base import INFINITE

NOW = 1795418586  # 2026-11-23T07:23:06 UTC


@pytest.fixture(autouse=True)
def utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("5", 5), ("0", 0), ("5:30", 6), ("0:30", 1), ("1:2:3", 63), ("1-2", 1560), ("1-2:3", 1563), ("1-2:3:4", 1564),
        ("25:00:00", 1500), ("61:61", 63), ("1-", 1440), ("-1", INFINITE), ("infinite", INFINITE),
        ("UNLIMITED", INFINITE),
        ("0-0:0:1", 1), ("1-25", 2940), ("4294967295", INFINITE),
    ],
)  # fmt: skip
def test_time_limits(text, minutes):
    assert times.parse_time_limit(text) == minutes


@pytest.mark.parametrize("text", ["1-:", ":", "", "unlim", "abc", "1.5", "+5", "1:2:3:4", "1-2-3", " 5", "1h", "٣"])
def test_bad_time_limits(text):
    with pytest.raises(ValueError, match="Invalid time limit"):
        times.parse_time_limit(text)


@given(st.integers(0, 40_000_000))
def test_durations_read_back(seconds):
    text = times.format_duration(seconds)
    assert times.parse_duration(text) == seconds
    short = times.format_elapsed_short(seconds)
    assert times.parse_duration(short) == seconds
    assert text.endswith(short[-5:].rjust(5, "0"))


def test_limits_in_words():
    assert times.format_time_limit(1440) == "1-00:00:00"
    assert times.format_time_limit(INFINITE) == "UNLIMITED"
    assert times.format_time_limit(None) == "Partition_Limit"
    assert times.format_elapsed_short(19) == "0:19"
    assert times.format_elapsed_short(-1) == "INVALID"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("now", "2026-11-23T07:23:06"), ("now+1hour", "2026-11-23T08:23:06"), ("now+60", "2026-11-23T07:24:06"),
        ("now+2days", "2026-11-25T07:23:06"), ("now+1week", "2026-11-30T07:23:06"),
        ("now-1hour", "2026-11-23T06:23:06"),
        ("today", "2026-11-23T00:00:00"), ("tomorrow", "2026-11-24T00:00:00"), ("midnight", "2026-11-24T00:00:00"),
        ("noon", "2026-11-23T12:00:00"), ("fika", "2026-11-23T15:00:00"), ("teatime", "2026-11-23T16:00:00"),
        ("elevenses", "2026-11-23T11:00:00"), ("16:00", "2026-11-23T16:00:00"), ("06:00", "2026-11-24T06:00:00"),
        ("16:00:30", "2026-11-23T16:00:30"), ("4:30pm", "2026-11-23T16:30:00"), ("2030-01-01", "2030-01-01T00:00:00"),
        ("2030-01-01T12:34:56", "2030-01-01T12:34:56"), ("0101", "2027-01-01T00:00:00"),
        ("010130", "2030-01-01T00:00:00"), ("01/01", "2027-01-01T00:00:00"), ("12/25", "2026-12-25T00:00:00"),
        ("1/2/30", "2030-01-02T00:00:00"), ("01.01.30", "2030-01-01T00:00:00"),
        ("010131-12:00", "2031-01-01T12:00:00"), ("16:00:00-01/01", "2027-01-01T16:00:00"),
        ("noon-12/25", "2026-12-25T12:00:00"), ("12/25T12:00", "2026-12-25T12:00:00"),
        ("tomorrow-noon", "2026-11-24T12:00:00"), ("noontomorrow", "2026-11-24T12:00:00"),
        ("noon tomorrow", "2026-11-24T12:00:00"), ("tomorrow 16:00", "2026-11-24T16:00:00"),
        ("todayT16:00", "2026-11-23T16:00:00"), ("2030-01-01T", "2030-01-01T00:00:00"),
        ("2029-02-30", "2029-03-02T00:00:00"), ("uts1900000000", "2030-03-17T17:46:40"),
    ],
)  # fmt: skip
def test_times(text, shown):
    assert times.format_time(times.parse_time(text, NOW)) == shown


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("now+5min", 4), ("now+10s", 5), ("now+", 3), ("now+abc", 3), ("4pm", 1), ("12am", 2), ("13pm", 0),
        ("2030-1-1", 0), ("01/01/2030", 8), ("2029-13-01", 5), ("25:00", 0), ("4:60", 2), ("1900000000", 0),
        ("20300101", 0), ("12312030", 6), ("whenever", 0),
    ],
)  # fmt: skip
def test_bad_times_say_where(text, position):
    with pytest.raises(ValueError, match="Invalid time") as caught:
        times.parse_time(text, NOW)
    assert str(caught.value) == f"Invalid time specification (pos={position}): {text}"


def test_the_past_is_not_moved():
    assert times.format_time(times.parse_time("06:00", NOW, past=True)) == "2026-11-23T06:00:00"
    assert times.format_time(times.parse_time("01/01", NOW, past=True)) == "2026-01-01T00:00:00"


@pytest.mark.parametrize(
    ("offset", "shown"),
    [
        (3600, "08:23:06"), (86400, "Tomorr 07:23"), (-86400, "Ystday 07:23"), (2 * 86400, "Wed 07:23"),
        (8 * 86400, "1 Dec 07:23"), (100 * 86400, "3 Mar 2027"),
    ],
)  # fmt: skip
def test_relative_times(offset, shown):
    assert times.format_time(NOW + offset, "relative", NOW) == shown
    assert times.format_time(NOW, "%s") == str(NOW)


@given(st.integers(0, 2**32))
def test_times_read_back(epoch):
    assert times.parse_time(times.format_time(epoch), NOW) == epoch
