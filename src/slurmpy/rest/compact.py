"""JSON without a blank (SLURMRESTD_JSON=compact), from the indented text in which every document is written."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

#: a line's blanks: those before it, and the one after its key. Strings hold no line feeds, so no line begins in one
_LINE = re.compile(rb'^ *("(?:[^"\\]|\\.)*": )?')


def _line(line: bytes) -> bytes:
    match = _LINE.match(line)
    assert match is not None
    key = match[1]
    return (key[:-1] if key else b"") + line[match.end() :]


def squeeze(text: bytes) -> bytes:
    return b"".join(map(_line, text.split(b"\n")))


async def squeezed(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same for a text that comes in pieces, which may end anywhere."""
    rest = b""
    async for piece in pieces:
        head, feed, rest = (rest + piece).rpartition(b"\n")
        if feed:
            yield squeeze(head)
    yield squeeze(rest)
