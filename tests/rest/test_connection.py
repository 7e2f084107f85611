"""A connection by itself, with an application that a test makes up: answers in pieces, bounds that are small, and books
that are even afterwards."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from slurmpy.rest import app, connection
from slurmpy.rest.connection import Connection
from slurmpy.rest.http import Request, Response
from slurmpy.rest.limits import SPARE, Limits

PIECES = [b"a" * 10, b"", b"b" * 300_000, b"c"]


class Application:
    def __init__(self, answer: Callable[[Request], Awaitable[Response]]) -> None:
        self.answer = answer

    def admit(self, request: Request) -> Response | None:
        return Response(401) if "x-stranger" in request.headers else None


def serve(
    answer: Callable[[Request], Awaitable[Response]],
    client: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[Any]],
    limits: Limits | None = None,
) -> Any:
    """What the client returns; afterwards nothing is held for anybody."""
    limits = limits or Limits(100, 20, 1024)

    async def body() -> Any:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(Application(answer), limits), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), limit=1 << 24)
        try:
            return await asyncio.wait_for(client(reader, writer), 20)
        finally:
            writer.close()
            for _ in range(500):
                if not limits.open:
                    break
                await asyncio.sleep(0.01)
            assert not limits.open
            assert limits.bodies == 0
            server.close()

    return asyncio.run(body())


async def pieces() -> AsyncIterator[bytes]:
    for piece in PIECES:
        await asyncio.sleep(0)
        yield piece


async def streamed(request: Request) -> Response:
    return Response(200, pieces(), "text/x")


def asks(text: bytes) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bytes]]:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(text)
        writer.write_eof()
        return await reader.read()

    return client


def unchunked(data: bytes) -> tuple[bytes, bytes]:
    """(body, what comes after it)."""
    found = b""
    while True:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        found += data[:length]
        data = data[length + 2 :]
        if not length:
            return found, data


def test_pieces_and_their_lengths() -> None:
    said = serve(streamed, asks(b"GET / HTTP/1.1\r\n\r\n" * 2))
    for last in (False, True):
        head, _, rest = said.partition(b"\r\n\r\n")
        assert b"Transfer-Encoding: chunked" in head
        assert (b"Connection: Close" in head) == last
        assert b"Content-Length" not in head
        body, said = unchunked(rest)
        assert body == b"".join(PIECES)
    assert said == b""


def test_pieces_until_the_connection_ends() -> None:
    head, _, body = serve(streamed, asks(b"GET / HTTP/1.0\r\n\r\n")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 200 OK\r\nConnection: Close")
    assert b"Transfer" not in head
    assert body == b"".join(PIECES)


def test_compressed_pieces() -> None:
    async def answer(request: Request) -> Response:
        response = Response(200, pieces(), "text/x")
        await app._compress(response)
        return response

    head, _, rest = serve(answer, asks(b"GET / HTTP/1.1\r\n\r\n")).partition(b"\r\n\r\n")
    assert b"Content-Encoding: gzip" in head
    assert gzip.decompress(unchunked(rest)[0]) == b"".join(PIECES)


def test_an_answer_that_breaks_off() -> None:
    """The client can tell: the last chunk is missing."""

    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 100
        raise ConnectionError

    async def answer(request: Request) -> Response:
        return Response(200, broken(), "text/x")

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        seen = b""
        try:
            while piece := await reader.read(1000):
                seen += piece
        except ConnectionError:
            pass
        return seen

    assert b"0\r\n\r\n" not in serve(answer, client).partition(b"\r\n\r\n")[2]


def test_a_defect_ends_the_connection() -> None:
    async def answer(request: Request) -> Response:
        raise ValueError("defect")

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        try:
            return await reader.read()
        except ConnectionError:
            return b""

    assert serve(answer, client) == b""


def test_all_bodies_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "ALL_BODIES", 1000)
    limits = Limits(100, 20, 1024)

    async def answer(request: Request) -> Response:
        return Response(200, b"%d" % len(request.body), "text/x")

    post = b"POST / HTTP/1.1\r\nContent-Length: 900\r\n\r\n" + b"x" * 900
    said = serve(answer, asks(post * 3), limits)
    statuses = [int(one) for one in re.findall(rb"HTTP/1\.1 (\d+)", said)]
    assert statuses[0] == 200
    assert statuses[-1] in (200, 503)

    async def two(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(post[:-1])
        while limits.bodies < 899:
            await asyncio.sleep(0.01)
        host, port = writer.get_extra_info("peername")
        other, its = await asyncio.open_connection(host, port)
        its.write(post)
        refused = await other.read()
        assert refused.startswith(b"HTTP/1.1 503 SERVICE UNAVAILABLE\r\nConnection: Close")
        its.close()
        writer.write(b"x")
        writer.write_eof()
        return await reader.read()

    assert serve(answer, two, limits).startswith(b"HTTP/1.1 200 OK")


def test_the_longest_idle_goes_when_descriptors_are_few() -> None:
    limits = Limits(100, 20, SPARE + 16)

    async def answer(request: Request) -> Response:
        return Response(200, b"x", "text/x")

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = writer.get_extra_info("peername")
        others = [await asyncio.open_connection(host, port) for _ in range(20)]
        while len(limits.open) > 16:
            await asyncio.sleep(0.01)
        for _, its in others[-5:]:
            its.write(b"GET / HTTP/1.1\r\n\r\n")
        for theirs, _ in others[-5:]:
            assert (await theirs.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        for _, its in others:
            its.close()

    serve(answer, client, limits)


def test_a_strangers_body_is_not_read() -> None:
    async def answer(request: Request) -> Response:
        raise AssertionError("it is let in")

    said = serve(answer, asks(b"POST / HTTP/1.1\r\nX-Stranger: yes\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100000))
    assert said == b"HTTP/1.1 401 UNAUTHORIZED\r\nConnection: Close\r\n\r\n"
