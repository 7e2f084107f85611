"""Times of a crontab: ``0 3 * * 1-5`` or ``@daily``, and when they come round next."""

from __future__ import annotations

import time as _time

#: short names, as five fields
SHORTCUTS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
    "@elevenses": "0 11 * * *",
    "@fika": "0 15 * * *",
    "@teatime": "0 16 * * *",
}

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
#: least and largest value of each field
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_DAY = 86400
#: leap days come round within so many days
_HORIZON = 366 * 9


class CronTime:
    """The minutes that a specification means. `text` is its five fields."""

    __slots__ = ("any_day", "any_weekday", "days", "hours", "minutes", "months", "text", "weekdays")

    def __init__(self, text: str) -> None:
        """Reads five fields or a short name. Raises ValueError."""
        words = SHORTCUTS.get(text.strip().lower(), text).split()
        if len(words) != 5:
            raise ValueError(f"not the five fields of a crontab: {text}")
        self.text = " ".join(words)
        self.minutes, self.hours, self.days, self.months, weekdays = (
            _field(word, place) for place, word in enumerate(words)
        )
        self.weekdays = frozenset(day % 7 for day in weekdays)
        self.any_day, self.any_weekday = words[2] == "*", words[4] == "*"

    def _is_day(self, local: _time.struct_time) -> bool:
        if local.tm_mon not in self.months:
            return False
        by_date = local.tm_mday in self.days
        by_weekday = (local.tm_wday + 1) % 7 in self.weekdays
        if self.any_day:
            return by_weekday
        return by_date if self.any_weekday else by_date or by_weekday

    def next(self, now: int) -> int:
        """The first such minute after `now`, local time. Raises ValueError if there is none (31 February)."""
        local = _time.localtime(now // 60 * 60 + 60)
        hour, minute = local.tm_hour, local.tm_min
        noon = int(_time.mktime((local.tm_year, local.tm_mon, local.tm_mday, 12, 0, 0, 0, 0, -1)))
        for _ in range(_HORIZON):
            day = _time.localtime(noon)
            if self._is_day(day):
                for one in sorted(self.hours):
                    if one < hour:
                        continue
                    for two in sorted(self.minutes):
                        if one == hour and two < minute:
                            continue
                        found = int(_time.mktime((day.tm_year, day.tm_mon, day.tm_mday, one, two, 0, 0, 0, -1)))
                        if found > now:
                            return found
            hour = minute = 0
            noon += _DAY
        raise ValueError(f"there is no such time: {self.text}")


def _field(word: str, place: int) -> frozenset[int]:
    low, high = _RANGES[place]
    names = {3: _MONTHS, 4: _DAYS}.get(place, ())
    found: set[int] = set()
    for part in word.split(","):
        span, slash, step = part.partition("/")
        every = _number(step, (), 1, high) if slash else 1
        if span == "*":
            first, last = low, high
        else:
            begin, dash, end = span.partition("-")
            first = _number(begin, names, low, high, int(place == 3))
            last = _number(end, names, low, high, int(place == 3)) if dash else (high if slash else first)
            if dash and last <= first:
                raise ValueError(f"not a range of a crontab: {part}")
        found.update(range(first, last + 1, every))
    return frozenset(found)


def _number(text: str, names: tuple[str, ...], low: int, high: int, first: int = 0) -> int:
    if text.lower() in names:
        return names.index(text.lower()) + first
    if not (text.isascii() and text.isdigit()) or not low <= int(text) <= high:
        raise ValueError(f"not a value of a crontab: {text}")
    return int(text)
