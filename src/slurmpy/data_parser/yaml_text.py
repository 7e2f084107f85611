"""YAML text in the layout of Slurm's serialiser: block style, every node with its tag, lines folded after column 80.

A library's emitter needs about a millisecond a job, so the little that a Slurm document consists of is written here:
strings that a plain scalar can carry (nearly all) cost one match of a regular expression.
"""

from __future__ import annotations

import re
from typing import Any

WIDTH = 80

#: surely a plain scalar: no space to fold at, nothing that YAML gives a meaning to
_simple = re.compile(
    r"[A-Za-z0-9_/.(~^+=<$][A-Za-z0-9_/.,()=+%@;|<>\[\]{}^~$&*!?\"-]*(?::[A-Za-z0-9_/.,()=+%@*-]+)*"
).fullmatch

_ESCAPES = {
    0x00: "0", 0x07: "a", 0x08: "b", 0x09: "t", 0x0A: "n", 0x0B: "v", 0x0C: "f", 0x0D: "r", 0x1B: "e",
    0x22: '"', 0x5C: "\\", 0x85: "N", 0xA0: "_", 0x2028: "L", 0x2029: "P",
}  # fmt: skip


def string(value: str, indent: int, column: int) -> str:
    """What follows a key's colon for a string: `` !!str text``.

    ``indent`` is the column at which a folded line goes on, ``column`` the one at which the text itself begins.
    """
    if _simple(value):
        return " !!str " + value
    if not value:
        return " !!str"
    style = _style(value)
    if style == "plain":
        return " !!str " + _fold(value, indent, column)
    if style == "single":
        return " !!str " + _single(value, indent, column)
    return " !!str " + _double(value, indent, column)


def number(value: float) -> str:
    return f"{value:f}"


def _style(value: str) -> str:
    special = any(not (" " <= char <= "~") and char != "\n" for char in value)
    if special or " \n" in value:
        return "double"
    if value[0] == " " or value[-1] == " ":
        return "single"
    if "\n" in value or value[0] in "#,[]{}&*!|>'\"%@`" or value.startswith(("---", "...")):
        return "single"
    if value[0] in "-?:" and value[1:2] in ("", " "):
        return "single"
    if ": " in value or value[-1] == ":" or " #" in value:
        return "single"
    return "plain"


def _fold(value: str, indent: int, column: int) -> str:
    """Break at a single space once the line is longer than `WIDTH`."""
    if column + len(value) <= WIDTH or " " not in value:
        return value
    out: list[str] = []
    spaces = False
    for position, char in enumerate(value):
        if char == " ":
            if not spaces and column > WIDTH and value[position + 1 : position + 2] != " ":
                out.append("\n" + " " * indent)
                column = indent
            else:
                out.append(char)
                column += 1
            spaces = True
        else:
            out.append(char)
            column += 1
            spaces = False
    return "".join(out)


def _single(value: str, indent: int, column: int) -> str:
    out = ["'"]
    column += 1
    spaces = breaks = False
    for position, char in enumerate(value):
        if char == " ":
            inner = 0 < position < len(value) - 1
            if not spaces and column > WIDTH and inner and value[position + 1] != " ":
                out.append("\n" + " " * indent)
                column = indent
            else:
                out.append(char)
                column += 1
            spaces = True
            continue
        if char == "\n":
            out.append("\n" if breaks else "\n\n")
            column = 0
            breaks = True
            spaces = False
            continue
        if breaks:
            out.append(" " * indent)
            column = indent
        out.append("''" if char == "'" else char)
        column += 1 + (char == "'")
        spaces = breaks = False
    if breaks:
        out.append(" " * indent)
    out.append("'")
    return "".join(out)


def _double(value: str, indent: int, column: int) -> str:
    out = ['"']
    column += 1
    spaces = False
    for position, char in enumerate(value):
        code = ord(char)
        if not (" " <= char <= "~") or char in '"\\':
            if code in _ESCAPES:
                text = "\\" + _ESCAPES[code]
            elif code <= 0xFF:
                text = f"\\x{code:02X}"
            elif 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8
                text = f"\\x{code - 0xDC00:02X}"
            else:
                text = f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"
            out.append(text)
            column += len(text)
            spaces = False
        elif char == " ":
            if not spaces and column > WIDTH and 0 < position < len(value) - 1:
                out.append("\n" + " " * indent)
                column = indent
                if value[position + 1] == " ":
                    out.append("\\")
                    column += 1
            else:
                out.append(char)
                column += 1
            spaces = True
        else:
            out.append(char)
            column += 1
            spaces = False
    out.append('"')
    return "".join(out)


def _key(name: str) -> str:
    text = string(name, 0, 0)[1:]
    return text if "\n" not in text else "!!str " + _double(name, 0, -(10**9))


def write(value: Any, indent: int = 0, column: int = 0) -> str:
    """What follows a key's colon, or a sequence's dash, for any document; it begins with a space.

    ``indent`` is the column of the key's (the dash's) own block, ``column`` that of the colon or dash.
    """
    if isinstance(value, str):
        return string(value, indent + 2, column + 7)
    if value is None:
        return " !!null null"
    if value is True:
        return " !!bool true"
    if value is False:
        return " !!bool false"
    if isinstance(value, int):
        return f" !!int {value}"
    if isinstance(value, float):
        return " !!float " + number(value)
    if isinstance(value, dict):
        return mapping(value, indent + 2) if value else " !!map {}"
    if not value:
        return " !!seq []"
    pad = "\n" + " " * indent + "-"
    return " !!seq" + "".join([pad + write(item, indent, indent + 1) for item in value])


def mapping(value: dict[str, Any], indent: int) -> str:
    """The tag and the lines of a mapping whose keys stand at column ``indent``."""
    lines = [" !!map"]
    pad = "\n" + " " * indent
    for name, item in value.items():
        key = _key(name) + ":"
        lines.append(pad + key + write(item, indent, indent + len(key)))
    return "".join(lines)
