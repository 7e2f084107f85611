"""When the times of a crontab come round."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmpy.core.cron import SHORTCUTS, CronTime


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def at(text: str) -> int:
    import calendar

    return calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M"))


@pytest.mark.parametrize(
    ("spec", "now", "next_time"),
    [
        ("@daily", "2026-11-22 10:21", "2026-11-23 00:00"),
        ("@hourly", "2026-11-22 10:21", "2026-11-22 11:00"),
        ("@teatime", "2026-11-22 16:00", "2026-11-23 16:00"),
        ("*/20 * * * *", "2026-11-22 10:21", "2026-11-22 10:40"),
        ("5,35 8-10 * * *", "2026-11-22 10:36", "2026-11-23 08:05"),
        ("0 3 * * mon", "2026-11-22 10:21", "2026-11-23 03:00"),
        ("0 3 * * 7", "2026-11-23 10:21", "2026-11-29 03:00"),
        ("0 0 29 feb *", "2026-11-22 10:21", "2028-02-29 00:00"),
        ("0 0 1 * 2", "2026-11-22 10:21", "2026-11-24 00:00"),  # the first of the month, or a Tuesday
        ("59 23 31 12 *", "2026-12-31 23:59", "2027-12-31 23:59"),
    ],
)
def test_next(spec: str, now: str, next_time: str) -> None:
    assert CronTime(spec).next(at(now)) == at(next_time)


WRONG = ["", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * foo *", "5-1 * * * *", "@nosuch"]


@pytest.mark.parametrize("spec", WRONG)
def test_refused(spec: str) -> None:
    with pytest.raises(ValueError, match="crontab"):
        CronTime(spec)


def test_never() -> None:
    with pytest.raises(ValueError, match="no such time"):
        CronTime("0 0 31 2 *").next(at("2026-11-22 10:21"))


@given(st.sampled_from([*SHORTCUTS, "*/7 * * * *", "3 4 */5 * *", "1 2 3 4 *", "0 12 * * 1-5"]), st.integers(0, 2**32))
def test_next_is_later_and_again(spec: str, now: int) -> None:
    when = CronTime(spec)
    first = when.next(now)
    assert first > now
    assert first % 60 == 0
    assert when.next(first - 1) == first
    assert when.next(first) > first
