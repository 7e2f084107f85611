"""Times and durations as Slurm writes and reads them. Seconds since 1970, minutes for limits; no clock in here.

Reading is in `time_parse`, which is imported when something is to be read: most commands only print.
"""

from __future__ import annotations

import time as _time

from .records.base import INFINITE

UNLIMITED_WORDS = ("infinite", "unlimited", "-1")
#: a running job without time limit ends, for whoever asks, a year after its start, as in Slurm
NO_LIMIT_SECONDS = 365 * 86400


def format_duration(seconds: int) -> str:
    """``00:01:21``, ``1-02:03:04``; what cannot be is ``INVALID``."""
    if seconds < 0:
        return "INVALID"
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    clock = f"{hour:02d}:{minute:02d}:{second:02d}"
    return f"{days}-{clock}" if days else clock


def format_elapsed_short(seconds: int) -> str:
    """As squeue's columns: ``0:19``, ``1:00:00``, ``1-02:03:04``."""
    if seconds < 0:
        return "INVALID"
    minutes, second = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{second:02d}"
    hours, minute = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}:{minute:02d}:{second:02d}"
    days, hour = divmod(hours, 24)
    return f"{days}-{hour:02d}:{minute:02d}:{second:02d}"


def format_time_limit(minutes: int | None) -> str:
    """``1-00:00:00``; `INFINITE` is ``UNLIMITED``, None (the partition's) ``Partition_Limit``."""
    if minutes is None:
        return "Partition_Limit"
    if minutes == INFINITE:
        return "UNLIMITED"
    return format_duration(minutes * 60)


def format_time(epoch: int, fmt: str | None = None, now: int | None = None) -> str:
    """Local time, ``2026-11-22T10:19:09``.

    `fmt` is the value of SLURM_TIME_FORMAT: None or ``standard``, ``relative`` (needs `now`), else a strftime format.
    """
    local = _time.localtime(epoch)
    if not fmt or fmt == "standard":
        return "%d-%02d-%02dT%02d:%02d:%02d" % local[:6]  # noqa: UP031 - three times as fast as strftime
    if fmt == "relative":
        return _relative(local, _time.localtime(epoch if now is None else now))
    return _time.strftime(fmt, local) or "Invalid"


def _relative(local: _time.struct_time, today: _time.struct_time) -> str:
    days = _day_number(local) - _day_number(today)
    if days == 0:
        return _time.strftime("%H:%M:%S", local)
    if days == -1:
        return _time.strftime("Ystday %H:%M", local)
    if days == 1:
        return _time.strftime("Tomorr %H:%M", local)
    if 1 < days < 7:
        return _time.strftime("%a %H:%M", local)
    if local.tm_year == today.tm_year:
        return f"{local.tm_mday} " + _time.strftime("%b %H:%M", local)
    return f"{local.tm_mday} " + _time.strftime("%b %Y", local)


def _day_number(local: _time.struct_time) -> int:
    """Days since a fixed one, of the local calendar."""
    year = local.tm_year - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + local.tm_yday


def parse_duration(text: str) -> int:
    """Seconds of a time limit in any of Slurm's forms, or `INFINITE`. Raises ValueError.

    ``minutes``, ``minutes:seconds``, ``hours:minutes:seconds``, ``days-hours``, ``days-hours:minutes``,
    ``days-hours:minutes:seconds``, ``infinite``, ``unlimited``, ``-1``.
    """
    if text.lower() in UNLIMITED_WORDS:
        return INFINITE
    days, dash, clock = text.partition("-")
    parts = (clock if dash else text).split(":")
    if dash and clock == "":
        parts = ["0"]
    if len(parts) > 3 or not all(part.isdecimal() and part.isascii() for part in (*parts, days if dash else "0")):
        raise ValueError(f"Invalid time limit: {text}")
    numbers = [int(part) for part in parts]
    if dash:
        numbers += [0] * (3 - len(numbers))
        return int(days) * 86400 + numbers[0] * 3600 + numbers[1] * 60 + numbers[2]
    if len(numbers) == 3:
        return numbers[0] * 3600 + numbers[1] * 60 + numbers[2]
    return numbers[0] * 60 + (numbers[1] if len(numbers) == 2 else 0)


def parse_time_limit(text: str) -> int:
    """Minutes, begun ones counted whole, or `INFINITE`. Raises ValueError."""
    seconds = parse_duration(text)
    if seconds == INFINITE:
        return INFINITE
    return min((seconds + 59) // 60, INFINITE)


def parse_time(text: str, now: int, past: bool = False) -> int:
    """Seconds since 1970 of a time as ``--begin`` takes it. Raises `time_parse.TimeError` (a ValueError).

    ``now[+-]N[unit]``, ``today``, ``tomorrow``, ``midnight``, ``noon``, ``fika``, ``teatime``, ``elevenses``,
    ``HH:MM[:SS][AM|PM]``, ``MMDD[YY]``, ``MM/DD[/YY]``, ``MM.DD[.YY]``, ``YYYY-MM-DD[THH:MM[:SS]]``, ``utsSECONDS``,
    and a date and a time of day in either order. A time of day that is over today means tomorrow's, a day
    of the year that is over the next year's, unless `past`.
    """
    from .time_parse import moment

    return moment(text, now, past)
