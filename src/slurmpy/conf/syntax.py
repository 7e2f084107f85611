"""The syntax that slurm.conf and its siblings share: comments, continued lines, quotes, Include, case-blind keys."""

from __future__ import annotations

import os

from .errors import ConfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DEPTH = 16


def lines(path: str, cluster: str | None = None, depth: int = 0) -> Iterator[tuple[str, int, str]]:
    """(file, number of its last line, text) of each logical line with something on it, included files in their place.

    `cluster` stands for ``%c`` in Include's file names. Raises `ConfError`.
    """
    try:
        with open(path, "rb") as stream:
            text = stream.read().decode("utf-8", "surrogateescape")
    except OSError as error:
        raise ConfError(f"s_p_parse_file: cannot stat file {path}: {error.strerror}") from None
    pending = ""
    for number, line in enumerate(text.split("\n"), 1):
        if "#" in line:
            line = _without_comment(line)
        if line.endswith("\\"):
            pending += line[:-1]
            continue
        line = (pending + line).strip()
        pending = ""
        if not line:
            continue
        if line[:7].lower() == "include" and line[7:8].isspace():
            name = line[8:].strip().strip('"')
            if cluster is not None:
                name = name.replace("%c", cluster)
            try:
                if depth >= MAX_DEPTH:
                    raise ConfError(f"Include nested deeper than {MAX_DEPTH} files")
                yield from lines(os.path.join(os.path.dirname(path), name), cluster, depth + 1)
            except ConfError as error:
                raise ConfError(*error.details, f'"Include" failed in file {path} line {number}') from None
            continue
        yield path, number, line
    if pending.strip():
        yield path, number, pending.strip()


def _without_comment(line: str) -> str:
    """The line up to an unescaped ``#``; an escaped one loses its backslash."""
    at = -1
    while (at := line.find("#", at + 1)) >= 0:
        if at and line[at - 1] == "\\":
            line = line[: at - 1] + line[at:]
            at -= 1
            continue
        return line[:at]
    return line


def pairs(line: str, path: str, number: int) -> list[tuple[str, str]]:
    """The ``key=value`` pairs of one line, values in double quotes unwrapped. Raises `ConfError`."""
    if '"' not in line and " =" not in line and "= " not in line and "\t" not in line:
        found = []
        for word in line.split(" "):
            if word:
                key, equals, value = word.partition("=")
                if not (equals and key):
                    rest = line[max(line.index(word) - 1, 0) :]
                    raise ConfError(f'Parse error in file {path} line {number}: "{rest}"')
                found.append((key, value))
        return found
    return list(_scan(line, path, number))


def _scan(line: str, path: str, number: int) -> Iterator[tuple[str, str]]:
    at, end = 0, len(line)
    while True:
        start = at
        while at < end and line[at].isspace():
            at += 1
        if at == end:
            return
        equals = line.find("=", at)
        key = line[at:equals].strip() if equals > 0 else ""
        if not key or any(char.isspace() for char in key):
            raise ConfError(f'Parse error in file {path} line {number}: "{line[start:]}"')
        operator = key[-1:] in "+-*/" and key[-1:]
        key = key[:-1].rstrip() if operator else key
        at = equals + 1
        while at < end and line[at] in " \t":
            at += 1
        if at < end and line[at] == '"' and (close := line.find('"', at + 1)) >= 0:
            value = line[at + 1 : close]
            at = close + 1
        else:
            begin = at
            while at < end and not line[at].isspace():
                at += 1
            value = line[begin:at]
        yield key, value


def boolean(name: str, value: str) -> bool:
    """``yes/no``, ``up/down``, ``true/false``, ``1/0``. Raises `ConfError`."""
    word = value.lower()
    if word in ("yes", "up", "true", "1"):
        return True
    if word in ("no", "down", "false", "0"):
        return False
    raise ConfError(f'"{value}" is not a valid option for "{name}"')


def number(name: str, value: str, bits: int) -> int:
    """A number from zero to what `bits` hold; ``unlimited``, ``infinite`` and -1 are the highest less nothing.

    Raises `ConfError`.
    """
    word = value.lower()
    top = (1 << bits) - 1
    if word in ("unlimited", "infinite"):
        return top
    try:
        result = int(value, 0) if word.startswith("0x") else int(value)
    except ValueError:
        raise ConfError(f'{name} value "{value}" is not a valid number') from None
    if result < 0:
        raise ConfError(f"{name} value ({value}) is less than zero")
    if result > top:
        raise ConfError(f"{name} value ({value}) is greater than {top}")
    return result
