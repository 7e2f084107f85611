"""The words of scontrol's update, create and delete: ``Key=Value``, and tables of keys with the fields they set.

A reader turns a value into the changes of a request, `Changes`: field names of the record and Python values. It raises
`Refused` with the lines that scontrol prints instead of sending a request.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Changes = dict[str, Any]
    Reader = Callable[["Given"], Changes]

INFINITE = 0xFFFFFFFF


class Refused(Exception):
    """A word that scontrol does not take; `lines` go to standard error as they are (``program: error:`` included)."""

    def __init__(self, *lines: str) -> None:
        super().__init__(*lines)
        self.lines = lines


def logged(text: str) -> str:
    """The line of a message in scontrol's error form."""
    return f"scontrol: error: {text}"


class Given:
    """One word: `key`, `operator` ("", "+" or "-" before the ``=``), `value`, and the `word` as it was typed.

    `name` is the key's full name, once it is known.
    """

    __slots__ = ("key", "name", "operator", "value", "word")

    def __init__(self, word: str) -> None:
        self.word = word
        key, equals, self.value = word.partition("=")
        self.operator = key[-1] if equals and key[-1:] in ("+", "-") else ""
        self.key = key.removesuffix(self.operator) if self.operator else key
        self.name = self.key


class Row:
    """A key: its name, the letters that suffice, what reads its value, whether it takes ``+=`` and ``-=``."""

    __slots__ = ("least", "name", "reader", "sums")

    def __init__(self, name: str, least: int, reader: Reader, sums: bool = False) -> None:
        self.name = name
        self.least = least
        self.reader = reader
        self.sums = sums


def find(rows: tuple[Row, ...], given: Given) -> Row | None:
    """The first row that the key is a long enough beginning of."""
    key = given.key.lower()
    for row in rows:
        if len(key) >= row.least and row.name.lower().startswith(key):
            given.name = row.name
            return row
    return None


# ---- readers


def text(field: str) -> Reader:
    return lambda given: {field: given.value}


def number(field: str, message: str = "Invalid {name} value: {value}", limitless: bool = False) -> Reader:
    """A count; with `limitless`, ``unlimited`` and ``infinite`` are INFINITE."""

    def read(given: Given) -> Changes:
        if limitless and given.value.lower() in ("unlimited", "infinite"):
            return {field: INFINITE}
        if not (given.value.isdecimal() and given.value.isascii()):
            raise Refused(logged(message.format(name=given.name, value=given.value)))
        return {field: int(given.value)}

    return read


NUMERIC = 'Invalid numeric value "{value}" for {name}.'


def minutes(field: str, message: str = "Invalid {name} value") -> Reader:
    def read(given: Given) -> Changes:
        from ..core.times import parse_time_limit

        try:
            return {field: parse_time_limit(given.value)}
        except ValueError:
            raise Refused(logged(message.format(name=given.name, word=given.word))) from None

    return read


def moment(field: str) -> Reader:
    """A time. One that cannot be read is told of and changes nothing, as in Slurm."""

    def read(given: Given) -> Changes:
        return {field: read_time(given.value)}

    return read


def read_time(value: str) -> int:
    """Raises `Refused`."""
    import time

    from ..core.times import parse_time

    try:
        return parse_time(value, int(time.time()))
    except ValueError as error:
        raise Refused(str(error)) from None


def yes_no(field: str, message: tuple[str, ...]) -> Reader:
    def read(given: Given) -> Changes:
        word = given.value.lower()
        if word in ("yes", "1"):
            return {field: True}
        if word in ("no", "0"):
            return {field: False}
        raise Refused(*(logged(line.format(name=given.name, value=given.value, word=given.word)) for line in message))

    return read
