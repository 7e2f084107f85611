"""Ages of records: what may be written, and what is old by them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmpy.core import purge_time
from slurmpy.core.purge_time import PurgeTime, parse


@pytest.fixture(autouse=True, scope="module")
def zone() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


def at(text: str) -> int:
    return int(time.mktime(time.strptime(text, "%Y-%m-%d %H:%M:%S")))


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("12", (12, "months")), ("12hours", (12, "hours")), ("1hour", (1, "hours")), ("1h", (1, "hours")),
        ("30days", (30, "days")), ("2d", (2, "days")), ("1month", (1, "months")), ("3M", (3, "months")),
        ("0", (0, "months")),
    ],
)  # fmt: skip
def test_ages(text: str, age: tuple[int, str]) -> None:
    assert parse(text) == age


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("5weeks", "Invalid purge unit 'weeks', valid options are hours, days, or months"),
        ("1 hours", "Invalid purge unit ' hours', valid options are hours, days, or months"),
        ("abc", "Invalid purge string 'abc'"),
        ("-1", "Invalid purge string '-1'"),
        ("", "Invalid purge string ''"),
        ("hours", "Invalid purge string 'hours'"),
    ],
)
def test_what_is_no_age(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse(text)


@pytest.mark.parametrize(
    ("age", "until"),
    [
        ("1hours", "2026-11-28 06:00:00"),
        ("0hours", "2026-11-28 07:00:00"),
        ("30hours", "2026-11-27 01:00:00"),
        ("1days", "2026-11-27 00:00:00"),
        ("28days", "2026-10-31 00:00:00"),
        ("40days", "2026-10-19 00:00:00"),  # summer time, whose days begin an hour earlier
        ("1", "2026-10-01 00:00:00"),
        ("12", "2025-11-01 00:00:00"),
        ("11months", "2025-12-01 00:00:00"),
    ],
)
def test_what_is_old(age: str, until: str) -> None:
    assert parse(age).until(at("2026-11-28 07:13:05")) == at(until)


@given(st.integers(0, 10**30), st.sampled_from(purge_time.UNITS), st.integers(10**9, 3 * 10**9))
def test_nothing_is_older_than_time(number: int, unit: str, now: int) -> None:
    age = parse(f"{number}{unit}")
    assert 0 <= age.until(now) <= purge_time.unit_start(unit, now) <= now
    assert PurgeTime(age.number + 1, unit).until(now) <= age.until(now)
