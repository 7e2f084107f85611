"""Requests and responses as the application knows them, and how a response is written: in Slurm's words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .connection import Connection

#: bytes of the request line and headers together; what real slurmrestd takes
MAX_HEAD = 80 << 10
#: bytes of one body
MAX_BODY = 64 << 20
#: bytes of all bodies that are being received or worked on
ALL_BODIES = 256 << 20

#: status: its words
REASONS = {
    100: "CONTINUE",
    200: "OK",
    304: "NOT MODIFIED",
    400: "BAD REQUEST",
    401: "UNAUTHORIZED",
    404: "NOT FOUND",
    405: "NOT ALLOWED",
    406: "NOT ACCEPTABLE",
    408: "REQUEST TIMEOUT",
    411: "LENGTH REQUIRED",
    413: "CONTENT TOO LARGE",
    415: "UNSUPPORTED MEDIA TYPE",
    417: "EXPECTATION FAILED",
    422: "UNPROCESSABLE CONTENT",
    500: "INTERNAL ERROR",
    503: "SERVICE UNAVAILABLE",
    511: "Network Authentication Required",
}
#: headers whose second appearance would leave open which one counts
SINGLE = frozenset({"authorization", "content-type", "x-slurm-user-name", "x-slurm-user-token"})


class Request:
    """``target`` is the request line's second word as it came; ``headers`` are by lower-case name, repeated ones
    joined by commas, those of `SINGLE` in ``repeated`` as well."""

    __slots__ = ("body", "connection", "headers", "method", "repeated", "target", "version")

    def __init__(self, connection: Connection, method: str, target: bytes, version: str) -> None:
        self.connection = connection
        self.method = method
        self.target = target
        self.version = version
        self.headers: dict[str, str] = {}
        self.repeated: set[str] = set()
        self.body = bytearray()

    def add_header(self, name: bytes, value: bytes) -> None:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip()
        if key in self.headers:
            if key in SINGLE:
                self.repeated.add(key)
            text = f"{self.headers[key]}, {text}"
        self.headers[key] = text


class Response:
    """``content`` is bytes, a stream of bytes, or None for a status alone. With ``close`` the connection ends: Slurm's
    daemon does so after every request that failed. A ``hollow`` one tells of its content and leaves it out (HEAD).
    ``more`` are headers as lines."""

    __slots__ = ("close", "content", "encoding", "hollow", "media", "more", "status")

    def __init__(
        self,
        status: int,
        content: bytes | AsyncIterator[bytes] | None = None,
        media: str = "",
        *,
        close: bool | None = None,
        encoding: str = "",
        hollow: bool = False,
        more: tuple[str, ...] = (),
    ) -> None:
        self.status = status
        self.content = content
        self.media = media
        self.close = status != 200 if close is None else close
        self.encoding = encoding
        self.hollow = hollow
        self.more = more

    def head(self, version: str = "1.1", close: bool = False) -> bytes:
        """The status line and the headers, in Slurm's spelling and order; ``version`` is the request's."""
        lines = [f"HTTP/{version} {self.status} {REASONS[self.status]}"]
        if close or self.close:
            lines.append("Connection: Close")
        if self.encoding:
            lines.append(f"Content-Encoding: {self.encoding}")
        if isinstance(self.content, bytes):
            lines.append(f"Content-Length: {len(self.content)}")
        elif self.content is None and self.status == 200:
            lines.append("Content-Length: 0")
        if self.media:
            lines.append(f"Content-Type: {self.media}")
        if self.chunked(version):
            lines.append("Transfer-Encoding: chunked")
        if self.encoding:
            lines.append("Vary: Accept-Encoding")
        return "\r\n".join([*lines, *self.more, "", ""]).encode("latin-1")

    def chunked(self, version: str) -> bool:
        """Whether the content goes in pieces that tell their lengths. HTTP/1.0 knows none: there, it ends with the
        connection."""
        return version != "1.0" and self.content is not None and not isinstance(self.content, bytes)


def text(status: int, message: str, *, close: bool | None = None, hollow: bool = False) -> Response:
    """What is wrong with a request that no endpoint has seen."""
    return Response(status, message.encode() or None, "text/plain" if message else "", close=close, hollow=hollow)
