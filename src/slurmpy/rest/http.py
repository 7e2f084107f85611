"""The HTTP side: uvicorn speaks the protocol, and what Slurm's daemon words in its own way is put right here."""

from __future__ import annotations

import re
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

#: status: its words
REASONS = {
    200: "OK",
    304: "NOT MODIFIED",
    400: "BAD REQUEST",
    401: "UNAUTHORIZED",
    404: "NOT FOUND",
    411: "LENGTH REQUIRED",
    413: "CONTENT TOO LARGE",
    415: "UNSUPPORTED MEDIA TYPE",
    422: "UNPROCESSABLE CONTENT",
    500: "INTERNAL ERROR",
    511: "Network Authentication Required",
}
_HEAD = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r]*\r\n((?:[^\r\n]+\r\n)*)\r\n")
_DROPPED = {b"date", b"server"}


def head(data: bytes) -> bytes:
    """The head of a response with Slurm's reason phrases and spelling of headers; other data as it is."""
    match = _HEAD.match(data)
    if match is None:
        return data
    status = int(match[1])
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'INTERNAL ERROR')}".encode()]
    headers = []
    for line in match[2].split(b"\r\n")[:-1]:
        name, _, value = line.partition(b": ")
        if name.lower() in _DROPPED or (status in (304, 411) and name.lower().startswith(b"content")):
            continue
        if name.lower() == b"connection":
            lines.append(b"Connection: " + value.title())
            continue
        headers.append(name.title() + b": " + value)
    headers.sort()  # Content-Length before Content-Type
    return b"\r\n".join([*lines, *headers]) + b"\r\n\r\n" + data[match.end() :]


class _Transport:
    """The connection's transport; heads of responses pass through `head`."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def write(self, data: bytes) -> None:
        self._transport.write(head(data) if data.startswith(b"HTTP/1.1 ") else data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Protocol(H11Protocol):
    """uvicorn's own, telling the application whose connection it is."""

    def connection_made(self, transport: Any) -> None:
        self.app_state = {**self.app_state, "socket": transport.get_extra_info("socket")}
        super().connection_made(_Transport(transport))  # type: ignore[arg-type]
