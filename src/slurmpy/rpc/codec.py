"""Frames: a length of four bytes, big endian, then one msgpack array.

The first element says what it is: ``HELLO`` (both sides, once), ``REQUEST`` (id, method, arguments), ``PART`` (id,
value: one of a stream), ``DONE`` (id, value) and ``ERROR`` (id, number, message, data). A frame from an unsigned peer
is bounded; nesting and sizes are bounded by msgpack's own limits below.
"""

from __future__ import annotations

import struct

import msgpack

from slurmpy.core.errors import SlurmError

TYPE_CHECKING = False  # as typing's, whose import would cost every command some milliseconds
if TYPE_CHECKING:
    from typing import Any

#: The versions of this protocol that this release speaks.
PROTOCOLS = (1,)

HELLO, REQUEST, PART, DONE, ERROR = 0, 1, 2, 3, 4

LENGTH = struct.Struct(">I")
#: A request may hold a batch script (MaxScriptSize is 4 MiB) and an environment beside it.
MAX_REQUEST = 32 * 1024 * 1024
#: A reply's part may be larger: a whole query comes as one.
MAX_REPLY = 1024 * 1024 * 1024
#: Before a peer has said who it is it may not send more than this.
MAX_HELLO = 64 * 1024


def pack(value: Any) -> bytes:
    """`value` as msgpack. Text may hold surrogate escapes (bytes of the user's that are no UTF-8)."""
    return msgpack.packb(value, unicode_errors="surrogateescape")


def unpack(data: bytes | memoryview) -> Any:
    """The value of a frame's bytes; arrays become tuples. Raises SlurmError if they are no msgpack."""
    try:
        return msgpack.unpackb(data, use_list=False, strict_map_key=False, unicode_errors="surrogateescape")
    except (ValueError, msgpack.exceptions.UnpackException, RecursionError, TypeError) as error:
        raise SlurmError("SLURM_COMMUNICATIONS_RECEIVE_ERROR", "malformed message") from error


def frame(value: Any) -> bytes:
    body = pack(value)
    return LENGTH.pack(len(body)) + body


def head_of_part(number: int, size: int) -> bytes:
    """What stands on the wire before the `size` bytes of a part that is nothing but bytes: they need not be copied."""
    lead = b"\x93" + pack(PART) + pack(number) + b"\xc6" + LENGTH.pack(size)  # an array of three, the last a bin 32
    return LENGTH.pack(len(lead) + size) + lead


def expect(value: Any, *kinds: int) -> tuple[Any, ...]:
    """`value` if it is a message of one of `kinds`; raises SlurmError otherwise."""
    if not isinstance(value, tuple) or not value or value[0] not in kinds or type(value[0]) is not int:
        raise SlurmError("SLURM_COMMUNICATIONS_RECEIVE_ERROR", "unexpected message")
    return value
