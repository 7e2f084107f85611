"""Reading times; `times` has the functions that the rest of the house calls."""

from __future__ import annotations

import re
import time as _time

#: words for a time of day: (hour, minute)
DAY_TIMES = {"midnight": (0, 0), "elevenses": (11, 0), "noon": (12, 0), "fika": (15, 0), "teatime": (16, 0)}
UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}

_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.A)
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?\s*([ap]m)?", re.A | re.I)
_MONTH_DAY = re.compile(r"(\d{1,2})([/.])(\d{1,2})(?:\2(\d{2}))?", re.A)
_DIGITS = re.compile(r"(\d{2})(\d{2})(\d{2})?", re.A)
_OFFSET = re.compile(r"now\s*([+-])\s*(\d*)", re.A | re.I)


class TimeError(ValueError):
    """A time that cannot be read; the text is the line Slurm prints, `position` where reading stopped."""

    def __init__(self, text: str, position: int) -> None:
        super().__init__(f"Invalid time specification (pos={position}): {text}")
        self.position = position


def moment(text: str, now: int, past: bool = False) -> int:
    """See `times.parse_time`."""
    source = text.strip()
    lead = len(text) - len(text.lstrip())
    lower = source.lower()
    if lower.startswith("uts") and lower[3:].isdecimal():
        return int(lower[3:])
    if (match := _OFFSET.match(source)) is not None:
        return now + _offset(source, match, lead, text)
    if lower == "now":
        return now
    today = _time.localtime(now)
    date: tuple[int, int, int] | None = None  # a year of 0: not given
    clock: tuple[int, int, int] | None = None
    at = 0
    while at < len(source):
        if source[at] in " \t-,Tt" and (at and source[at : at + 2].lower() not in ("to", "te")):
            at += 1
            continue
        word = next((w for w in (*DAY_TIMES, "today", "tomorrow") if lower.startswith(w, at)), None)
        if word in DAY_TIMES and clock is None:
            clock = (*DAY_TIMES[word], 0)
            at += len(word)
        elif word in ("today", "tomorrow") and date is None:
            shifted = _time.localtime(_time.mktime((*today[:2], today[2] + (word == "tomorrow"), 12, 0, 0, 0, 0, -1)))
            date = (shifted.tm_year, shifted.tm_mon, shifted.tm_mday)
            at += len(word)
        elif clock is None and (match := _CLOCK.match(source, at)) is not None:
            clock = _clock(match, text, lead)
            at = match.end()
        elif date is None and (match := _DATE.match(source, at)) is not None:
            date = _checked(int(match[1]), match, 2, 3, text, lead)
            at = match.end()
        elif date is None and (match := _MONTH_DAY.match(source, at)) is not None:
            date = _checked(2000 + int(match[4]) if match[4] else 0, match, 1, 3, text, lead)
            at = match.end()
        elif date is None and (match := _DIGITS.match(source, at)) is not None:
            date = _checked(2000 + int(match[3]) if match[3] else 0, match, 1, 2, text, lead)
            at = match.end()
        else:
            digits = re.match(r"(?:0?\d|1[0-2])(?=[^\d-])", source[at:])
            raise TimeError(text, lead + at + (digits.end() if digits else 0))
        if at < len(source) and source[at].isdigit():
            raise TimeError(text, lead + at)
    if date is None and clock is None:
        raise TimeError(text, 0)
    return _resolve(date, clock, today, now, past)


def _offset(source: str, match: re.Match[str], lead: int, text: str) -> int:
    """The seconds of ``+5minutes``."""
    last_read = lead + match.end() - 1
    if not match[2]:
        raise TimeError(text, last_read)
    unit = source[match.end() :].strip().lower()
    size = 1 if not unit else UNITS.get(unit) or UNITS.get(unit.removesuffix("s"))
    if size is None:
        raise TimeError(text, last_read)
    amount = int(match[2]) * size
    return amount if match[1] == "+" else -amount


def _clock(match: re.Match[str], text: str, lead: int) -> tuple[int, int, int]:
    hour, minute, second = int(match[1]), int(match[2]), int(match[3] or 0)
    if match[4]:
        if not 1 <= hour <= 12:
            raise TimeError(text, lead + match.start(1))
        hour = hour % 12 + (12 if match[4].lower() == "pm" else 0)
    if hour > 23:
        raise TimeError(text, lead + match.start(1))
    if minute > 59:
        raise TimeError(text, lead + match.start(2))
    if second > 59:
        raise TimeError(text, lead + match.start(3))
    return hour, minute, second


def _checked(year: int, match: re.Match[str], month: int, day: int, text: str, lead: int) -> tuple[int, int, int]:
    """The date, if its parts can be; a 30 February is taken as 2 March, as Slurm does."""
    if not 1 <= int(match[month]) <= 12:
        raise TimeError(text, lead + match.start(month))
    if not 1 <= int(match[day]) <= 31:
        raise TimeError(text, lead + match.start(day))
    return year, int(match[month]), int(match[day])


def _resolve(
    date: tuple[int, int, int] | None,
    clock: tuple[int, int, int] | None,
    today: _time.struct_time,
    now: int,
    past: bool,
) -> int:
    hour, minute, second = clock or (0, 0, 0)
    if date is None:
        epoch = int(_time.mktime((*today[:3], hour, minute, second, 0, 0, -1)))
        if epoch < now and not past:
            epoch = int(_time.mktime((*today[:2], today[2] + 1, hour, minute, second, 0, 0, -1)))
        return epoch
    year, month, day = date
    if not year:
        over = (month, day) < (today.tm_mon, today.tm_mday)
        year = today.tm_year + (over and not past)
    return int(_time.mktime((year, month, day, hour, minute, second, 0, 0, -1)))
