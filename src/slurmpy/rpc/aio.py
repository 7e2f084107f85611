"""The daemons' side of a connection to another daemon: asynchronous, many requests at once on one connection."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from typing import Any

from slurmpy.auth import hello as hello_messages
from slurmpy.auth.peer import of_unix_socket
from slurmpy.conf.run_dir import slurm_user_id
from slurmpy.core.errors import SlurmError

from . import codec
from .address import Address, connect_unix

CONNECT_TIMEOUT = 5.0


def lost(reason: str = "Connection reset by peer") -> SlurmError:
    return SlurmError("SLURM_COMMUNICATIONS_RECEIVE_ERROR", data={"reason": reason})


class AsyncClient(asyncio.Protocol):
    """A connection to `address`, made at the first call and again at the next call after it was lost.

    `node` names the daemon that asks. Calls under way when the connection goes raise SlurmError (…RECEIVE_ERROR):
    whether the peer acted on them is not known, so what is sent must be harmless twice.
    """

    def __init__(self, address: Address, conf: object, node: str = "") -> None:
        self.address, self.conf, self.node = address, conf, node
        self._transport: asyncio.Transport | None = None
        self._seal: hello_messages.Seal | None = None
        self._secret: bytes | None = None
        self._buffer = bytearray()
        self._next = 0
        self._greeted = False
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._streams: dict[int, asyncio.Queue[Any]] = {}
        self._welcome: asyncio.Future[None] | None = None
        self._connecting: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        return self._transport is not None and self._greeted

    @property
    def busy(self) -> bool:
        """Whether somebody waits for an answer of it."""
        connecting = self._connecting is not None and not self._connecting.done()
        return connecting or bool(self._waiting) or bool(self._streams)

    async def connect(self) -> None:
        """Raises SlurmError (…CONNECTION_ERROR) if nobody answers."""
        if self.connected:
            return
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.get_running_loop().create_task(self._connect())
        await asyncio.shield(self._connecting)

    async def _connect(self) -> None:
        try:
            await asyncio.wait_for(self._open(), CONNECT_TIMEOUT)
        except (OSError, TimeoutError) as error:
            self.close()
            reason = getattr(error, "strerror", None) or str(error) or "Connection timed out"
            raise SlurmError("SLURM_COMMUNICATIONS_CONNECTION_ERROR", data={"reason": reason}) from error
        except SlurmError:
            self.close()
            raise

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        self._welcome = loop.create_future()
        auth = None
        self._secret = None  # of an earlier attempt over TCP: a unix socket's frames are not sealed
        connection = None
        if self.address.unix:
            try:
                connection = socket.socket(fileno=connect_unix(self.address.unix, 1.0).detach())
            except OSError:
                if not self.address.port:
                    raise
        if connection is not None:
            if of_unix_socket(connection).uid not in (0, os.geteuid(), slurm_user_id(self.conf)):
                connection.close()
                raise SlurmError("ESLURM_AUTH_CRED_INVALID", f"{self.address.unix} is answered by somebody else")
            connection.setblocking(False)
            await loop.create_connection(lambda: self, sock=connection)
        else:
            auth, self._secret = hello_messages.propose(self.conf, None, self.node, slurm_user_id(self.conf))
            await loop.create_connection(lambda: self, self.address.host or "localhost", self.address.port or 0)
            assert self._transport is not None
            raw: socket.socket = self._transport.get_extra_info("socket")
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._transport is not None:
            self._transport.write(
                codec.frame((codec.HELLO, {"protocols": codec.PROTOCOLS, "name": self.node, "auth": auth}))
            )
        await self._welcome

    # -- the transport's calls -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        while len(buffer) >= 4:
            (size,) = codec.LENGTH.unpack_from(buffer)
            if size > codec.MAX_REPLY:
                self._fail(SlurmError("SLURM_COMMUNICATIONS_RECEIVE_ERROR", "oversized message"))
                return
            if len(buffer) < size + 4:
                return
            body = bytes(memoryview(buffer)[4 : size + 4])
            del buffer[: size + 4]
            try:
                self._message(codec.unpack(self._seal.open(body) if self._seal else body))
            except SlurmError as error:
                self._fail(error)
                return

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._fail(lost(str(exc) if exc else "Connection reset by peer"))

    def _message(self, message: Any) -> None:
        if not self._greeted:
            message = codec.expect(message, codec.HELLO, codec.ERROR)
            if message[0] == codec.ERROR:
                raise SlurmError.from_number(message[2], message[3], message[4])
            if self._secret is not None:
                self._seal = hello_messages.Seal(self._secret, message[1]["nonce"], is_server=False)
            self._greeted = True
            if self._welcome and not self._welcome.done():
                self._welcome.set_result(None)
            return
        message = codec.expect(message, codec.PART, codec.DONE, codec.ERROR)
        number = message[1]
        queue = self._streams.get(number)
        if queue is not None:
            queue.put_nowait(message)
            return
        future = self._waiting.pop(number, None)
        if future is None or future.done():
            return
        if message[0] == codec.ERROR:
            future.set_exception(SlurmError.from_number(message[2], message[3], message[4]))
        elif message[0] == codec.DONE:
            future.set_result(message[2])

    def _fail(self, error: SlurmError) -> None:
        waiting, streams = self._waiting, self._streams
        self._waiting, self._streams = {}, {}
        if self._welcome and not self._welcome.done():
            self._welcome.set_exception(error)
        for future in waiting.values():
            if not future.done():
                future.set_exception(error)
        for queue in streams.values():
            queue.put_nowait(error)
        self.close()

    # -- calls ---------------------------------------------------------------------------------------------------

    def _send(self, method: str, args: dict[str, Any]) -> int:
        if self._transport is None:
            raise lost()
        self._next += 1
        body = codec.pack((codec.REQUEST, self._next, method, args))
        if self._seal:
            body = self._seal.seal(body)
        self._transport.write(codec.LENGTH.pack(len(body)) + body)
        return self._next

    async def call(self, method: str, args: dict[str, Any] | None = None, timeout: float | None = 60.0) -> Any:
        """One request, one answer. Raises SlurmError."""
        if not self.connected:
            await self.connect()
        number = self._send(method, args or {})
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            if timeout is None:
                return await future
            async with asyncio.timeout(timeout):
                return await future
        except TimeoutError as error:
            raise SlurmError("SLURM_COMMUNICATIONS_RECEIVE_ERROR", "Socket timed out on send/recv operation") from error
        finally:
            self._waiting.pop(number, None)

    async def stream(self, method: str, args: dict[str, Any] | None = None) -> AsyncIterator[Any]:
        """The parts of a stream as they come. Raises SlurmError."""
        if not self.connected:
            await self.connect()
        number = self._send(method, args or {})
        queue: asyncio.Queue[Any] = asyncio.Queue()
        self._streams[number] = queue
        try:
            while True:
                message = await queue.get()
                if isinstance(message, SlurmError):
                    raise message
                if message[0] == codec.ERROR:
                    raise SlurmError.from_number(message[2], message[3], message[4])
                if message[0] == codec.DONE:
                    return
                yield message[2]
        finally:
            self._streams.pop(number, None)

    def close(self) -> None:
        """Ends the connection; calls under way raise."""
        transport, self._transport = self._transport, None
        self._greeted, self._seal, self._buffer = False, None, bytearray()
        if transport is not None:
            transport.abort()
