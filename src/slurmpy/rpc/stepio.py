"""The stream between srun and a slurmstepd: a step's input and output, its tasks' starts and ends, signals, window.

slurmstepd connects to srun (a unix socket or TCP) and sends `HELLO` with the key that srun chose for this step and
passed on with the launch; srun drops whoever does not know it. After that both sides send frames: a kind, a task id
(global number in the step, or `ALL`) and a length in nine bytes, then that many bytes. Empty `STDOUT`, `STDERR` and
`STDIN` frames are ends of files.

Flow control: output is held back by the transport (a slurmstepd stops reading from its tasks while srun does not read).
Input has a window: srun sends at most `WINDOW` bytes of `STDIN` beyond what `CREDIT` frames have given back, so a task
that does not read its input blocks neither signals nor window sizes, and memory stays bounded.
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER = struct.Struct(">BII")
HELLO_BODY = struct.Struct(">32sI")
COUNT = struct.Struct(">I")
WINDOW_SIZE = struct.Struct(">HHHH")
STATUS = struct.Struct(">II")

#: every task, or none in particular
ALL = 0xFFFFFFFF
KEY_BYTES = 32
#: A frame's body is at most that long; a longer line is sent in pieces.
MAX_BODY = 65536
#: Bytes of standard input on their way to one node.
WINDOW = 262144

# slurmstepd -> srun
HELLO = 1  # body: key and node index
STARTED = 2  # body: (task id, pid) pairs
STDOUT = 3
STDERR = 4
EXITED = 5  # body: (task id, wait status) pairs that came at one time
CREDIT = 6  # body: bytes of standard input that were taken
MESSAGE = 7  # a line of slurmstepd's own, for srun's standard error
ABORTING = 8  # the step is being ended from outside: body is the number of seconds until SIGKILL
OOM = 9  # the kernel killed a process of the step for want of memory
# srun -> slurmstepd
STDIN = 32
SIGNAL = 33  # body: its number
RESIZE = 34  # body: rows, columns, x pixels, y pixels
ABORT = 35  # the step is to end: SIGKILL at once, or SIGTERM first (body: 9 or 15)
KINDS = frozenset(
    (HELLO, STARTED, STDOUT, STDERR, EXITED, CREDIT, MESSAGE, ABORTING, OOM, STDIN, SIGNAL, RESIZE, ABORT)
)


class ProtocolError(Exception):
    """The peer does not speak this protocol."""


def frame(kind: int, task: int = ALL, body: bytes = b"") -> bytes:
    """One frame as bytes."""
    return HEADER.pack(kind, task, len(body)) + body


def pairs(body: bytes) -> list[tuple[int, int]]:
    """What `STARTED` and `EXITED` carry. Raises ProtocolError."""
    if len(body) % STATUS.size:
        raise ProtocolError("odd length")
    return [(first, second) for first, second in STATUS.iter_unpack(body)]


class Decoder:
    """Makes frames of a byte stream: `feed` what came in, then iterate."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def __iter__(self) -> Iterator[tuple[int, int, bytes]]:
        """(kind, task, body) of every complete frame. Raises ProtocolError on an unknown kind or an oversized body."""
        buffer, at, have = self._buffer, 0, len(self._buffer)
        try:
            while have - at >= 9:
                kind, task, size = HEADER.unpack_from(buffer, at)
                if kind not in KINDS or size > MAX_BODY:
                    raise ProtocolError(f"frame of kind {kind} and {size} bytes")
                if have - at < 9 + size:
                    return
                body = bytes(memoryview(buffer)[at + 9 : at + 9 + size])
                at += 9 + size
                yield kind, task, body
        finally:
            if at:
                del buffer[:at]
