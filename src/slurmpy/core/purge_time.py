"""How old records are when they are purged: ``12`` (months), ``12hours``, ``30days`` of slurmdbd.conf and sacctmgr."""

from __future__ import annotations

import time
from typing import NamedTuple

UNITS = ("hours", "days", "months")

#: days or months before which nothing has ended
_LONG = 100_000


class PurgeTime(NamedTuple):
    """An age in units; a purge takes place at the start of each such unit."""

    number: int
    unit: str

    def __str__(self) -> str:
        return f"{self.number} {self.unit}"

    def until(self, now: int) -> int:
        """What ended before this time is old enough (seconds since 1970; 0 if nothing is), counted from the start of
        the unit that `now` lies in, in local time.
        """
        first = unit_start(self.unit, now)
        if self.unit == "hours":
            return max(0, first - 3600 * self.number)
        if self.number > _LONG:  # what the C library counts in has an end
            return 0
        year, month, day = time.localtime(first)[:3]
        if self.unit == "days":
            return _midnight(year, month, day - self.number)
        return _midnight(year, month - self.number, 1)


def parse(text: str) -> PurgeTime:
    """Raises ValueError with Slurm's words."""
    digits = len(text) - len(text.lstrip("0123456789"))
    if not digits:
        raise ValueError(f"Invalid purge string '{text}'")
    word = text[digits:]
    if not word:
        unit = "months"
    else:
        found = next((one for one in UNITS if one.startswith(word.lower())), None)
        if found is None:
            raise ValueError(f"Invalid purge unit '{word}', valid options are hours, days, or months")
        unit = found
    return PurgeTime(int(text[:digits]) if digits < 20 else 10**20, unit)


def unit_start(unit: str, now: int) -> int:
    """When the hour, day or month began that `now` lies in, by local time."""
    year, month, day, _, minute, second = time.localtime(now)[:6]
    if unit == "hours":
        return now - 60 * minute - second
    return _midnight(year, month, day if unit == "days" else 1)


def next_month(moment: int) -> int:
    """The first month's start after `moment`."""
    year, month = time.localtime(moment)[:2]
    return _midnight(year, month + 1, 1)


def _midnight(year: int, month: int, day: int) -> int:
    try:
        return max(0, int(time.mktime((year, month, day, 0, 0, 0, 0, 0, -1))))
    except OverflowError:  # before the C library's first year
        return 0
