"""The daemons' side: listens on a unix socket and TCP, knows who asks, checks that they may, and calls handlers.

What comes from the network is bounded: the size of a frame, the time to say hello, requests under way and bytes unread
per connection, and connections in all. A peer that breaks the rules loses its own connection and nothing else.
"""

from __future__ import annotations

import asyncio
import errno
import inspect
import os
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any

from slurmpy.auth import hello as hello_messages
from slurmpy.auth import key as key_file
from slurmpy.auth.peer import Peer, of_unix_socket
from slurmpy.conf.run_dir import slurm_user_id
from slurmpy.core.errors import SlurmError

from . import codec, methods
from .address import bind_unix
from .log import log

__all__ = ["Peer", "Server"]

Handler = Callable[[Peer, dict[str, Any]], Any]

HELLO_TIMEOUT = 10.0
#: A peer that does not read its answers for so long is cut off.
READ_TIMEOUT = 120.0
IN_FLIGHT = 256
CONNECTIONS = 8192
HIGH_WATER = 1 << 20


class Server:
    """Serves `handlers` (method name: function of peer and arguments, plain, async, or an async generator whose values
    are streamed). `table` gives the role that each method demands (`methods`); `level` tells a user's AdminLevel
    ("None", "Operator", "Administrator"); `refusals` the (error, text) of those that do not just deny access."""

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        table: Mapping[str, str],
        conf: object,
        name: str,
        level: Callable[[Peer], str] | None = None,
        refusals: Mapping[str, tuple[str, str | None]] = methods.REFUSALS,
    ) -> None:
        unknown = set(handlers) - set(table)
        if unknown:
            raise ValueError(f"methods without a role: {', '.join(sorted(unknown))}")
        self.table = dict(table)
        self.conf, self.name, self.level, self.refusals = conf, name, level, refusals
        #: done once `level` can tell; until then only roles that need no AdminLevel are decided
        self.levels_known: asyncio.Future[None] | None = None
        self.handlers = {"sign_hello": self._sign_hello, **handlers}
        self.verifier = hello_messages.Verifier(conf)
        self.connections: set[Connection] = set()
        self.slurm_user = slurm_user_id(conf)
        self._listeners: list[asyncio.Server] = []
        self._paths: list[tuple[str, int]] = []

    def set_conf(self, conf: object) -> None:
        """Takes a configuration that was read anew; connections go on."""
        self.conf, self.verifier.conf, self.slurm_user = conf, conf, slurm_user_id(conf)

    # -- who may -------------------------------------------------------------------------------------------------

    def needs_level(self, peer: Peer, method: str) -> bool:
        """Whether the peer's AdminLevel decides."""
        return self.table[method] in (methods.OPERATOR, methods.ADMIN) and peer.uid not in (0, self.slurm_user)

    def may(self, peer: Peer, method: str) -> bool:
        role = self.table[method]
        if role == methods.ANY or peer.uid in (0, self.slurm_user):
            return True
        if role in (methods.OPERATOR, methods.ADMIN) and self.level is not None:
            level = self.level(peer)
            return level == "Administrator" or (role == methods.OPERATOR and level == "Operator")
        return False

    def _sign_hello(self, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
        key = key_file.load(self.conf)
        if key is None:
            raise SlurmError("ESLURM_AUTH_CRED_INVALID")
        return hello_messages.sign_for(key, peer, args)

    # -- listening -----------------------------------------------------------------------------------------------

    async def listen(
        self, unix_path: str | None = None, tcp: tuple[str, int] | None = None, unix_mode: int = 0o666
    ) -> None:
        """Listens; raises OSError if the address is taken (also by a live daemon on the socket)."""
        loop = asyncio.get_running_loop()
        if unix_path:
            listener = bind_unix(unix_path, unix_mode)
            self._paths.append((unix_path, os.stat(unix_path).st_ino))
            listener.setblocking(False)
            self._listeners.append(await loop.create_unix_server(lambda: Connection(self), sock=listener, backlog=1024))
        if tcp:
            self._listeners.append(
                await loop.create_server(
                    lambda: Connection(self), tcp[0] or None, tcp[1], backlog=1024, reuse_address=True
                )
            )

    async def close(self) -> None:
        """Stops listening and ends every connection; the socket's file goes if it still is ours."""
        for listener in self._listeners:
            listener.close()
        for path, inode in self._paths:
            try:
                if os.stat(path).st_ino == inode:
                    os.unlink(path)
            except OSError as error:
                if error.errno != errno.ENOENT:
                    log.error(f"unlink({path}): {error.strerror}")
        for connection in list(self.connections):
            connection.finish()
        self._listeners, self._paths = [], []


class Connection(asyncio.Protocol):
    """One peer's connection."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.peer: Peer | None = None
        self._transport: asyncio.Transport | None = None
        self._unix_peer: Peer | None = None
        self._seal: hello_messages.Seal | None = None
        self._buffer = bytearray()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._writable: asyncio.Event | None = None
        self._loop = asyncio.get_running_loop()

    # -- the transport's calls -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if len(self.server.connections) >= CONNECTIONS:
            log.error(f"{self.server.name}: too many connections, closing one")
            transport.abort()
            return
        self.server.connections.add(self)
        transport.set_write_buffer_limits(high=HIGH_WATER)
        connection: socket.socket = transport.get_extra_info("socket")
        if connection.family == socket.AF_UNIX:
            self._unix_peer = of_unix_socket(connection)
        else:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._timer = self._loop.call_later(HELLO_TIMEOUT, self._drop, "no hello in time")

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.connections.discard(self)
        if self._timer:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        if self._writable:
            self._writable.set()
        self._transport = None

    def pause_writing(self) -> None:
        self._writable = asyncio.Event()
        self._timer = self._loop.call_later(READ_TIMEOUT, self._drop, "does not read its answers")

    def resume_writing(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._writable:
            self._writable.set()
            self._writable = None

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        while len(buffer) >= 4 and self._transport is not None:
            (size,) = codec.LENGTH.unpack_from(buffer)
            if size > (codec.MAX_REQUEST if self.peer else codec.MAX_HELLO):
                self._drop("oversized message")
                return
            if len(buffer) < size + 4:
                return
            body = bytes(memoryview(buffer)[4 : size + 4])
            del buffer[: size + 4]
            try:
                self._message(codec.unpack(self._seal.open(body) if self._seal else body))
            except SlurmError as error:
                self._drop(error.message)
                return

    def _drop(self, why: str) -> None:
        if self._transport is not None:
            log.verbose(f"{self.server.name}: closing a connection of {self.peer or 'an unknown peer'}: {why}")
            self._transport.abort()

    def finish(self) -> None:
        """Ends the connection after what has been written to it."""
        if self._transport is not None:
            self._transport.close()

    # -- messages ------------------------------------------------------------------------------------------------

    def _send(self, value: Any) -> None:
        if self._transport is None:
            return
        body = codec.pack(value)
        if self._seal:
            body = self._seal.seal(body)
        self._transport.write(codec.LENGTH.pack(len(body)) + body)

    def _send_part(self, number: int, part: Any) -> None:
        if type(part) is not bytes or self._seal or self._transport is None:
            self._send((codec.PART, number, part))
            return
        self._transport.write(codec.head_of_part(number, len(part)))
        self._transport.write(part)

    def _error(self, number: int, error: SlurmError) -> None:
        self._send((codec.ERROR, number, error.number, error.message, error.data))

    def _message(self, message: Any) -> None:
        if self.peer is None:
            self._hello(codec.expect(message, codec.HELLO))
            return
        kind = codec.expect(message, codec.REQUEST)
        if len(kind) != 4 or type(kind[1]) is not int or not isinstance(kind[2], str) or not isinstance(kind[3], dict):
            raise SlurmError("SLURM_COMMUNICATIONS_RECEIVE_ERROR", "unexpected message")
        self._request(kind[1], kind[2], kind[3])

    def _hello(self, message: tuple[Any, ...]) -> None:
        said = message[1] if len(message) == 2 and isinstance(message[1], dict) else {}
        protocols = said.get("protocols")
        try:
            if not isinstance(protocols, tuple) or not set(codec.PROTOCOLS) & {p for p in protocols if type(p) is int}:
                raise SlurmError("SLURM_PROTOCOL_VERSION_ERROR")
            secret = None
            if self._unix_peer is not None and not isinstance(said.get("auth"), dict):
                self.peer = self._unix_peer
            else:
                auth = said.get("auth")
                if not isinstance(auth, dict):
                    raise SlurmError("ESLURM_AUTH_CRED_INVALID")
                self.peer, secret = self.server.verifier.accept(auth)
        except SlurmError as error:
            self._error(0, error)
            log.error(f"{self.server.name}: refused a connection: {error.message}")
            self.finish()
            return
        if self._timer:
            self._timer.cancel()
            self._timer = None
        nonce = os.urandom(24) if secret else b""
        self._send((codec.HELLO, {"protocol": max(codec.PROTOCOLS), "name": self.server.name, "nonce": nonce}))
        if secret:
            self._seal = hello_messages.Seal(secret, nonce, is_server=True)

    def _request(self, number: int, method: str, args: dict[str, Any]) -> None:
        handler = self.server.handlers.get(method)
        assert self.peer is not None
        if handler is None:
            self._error(number, SlurmError("ESLURM_NOT_SUPPORTED"))
            return
        known = self.server.levels_known
        if known is not None and not known.done() and self.server.needs_level(self.peer, method):
            self._start(self._when_known(known, number, method, args))
            return
        if not self.server.may(self.peer, method):
            log.error(f"{self.server.name}: {method}: refused to uid={self.peer.uid}")
            self._error(number, SlurmError(*self.server.refusals.get(method, ("ESLURM_ACCESS_DENIED", None))))
            return
        if len(self._tasks) >= IN_FLIGHT:
            self._error(number, SlurmError("SLURM_ERROR", "too many requests at once"))
            return
        try:
            result = handler(self.peer, args)
        except Exception as error:
            self._failed(number, method, error)
            return
        if inspect.isawaitable(result) or isinstance(result, AsyncIterator):
            self._start(self._finish(number, method, result))
        else:
            self._send((codec.DONE, number, result))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _when_known(self, known: asyncio.Future[None], number: int, method: str, args: dict[str, Any]) -> None:
        await asyncio.wait((known,))  # whether it came to an error is the handler's to tell
        if self._transport is not None:
            self._request(number, method, args)

    async def _finish(self, number: int, method: str, result: Any) -> None:
        try:
            value = None
            if isinstance(result, AsyncIterator):
                try:
                    async for part in result:
                        self._send_part(number, part)
                        if self._writable is not None:
                            await self._writable.wait()
                        if self._transport is None:
                            return
                finally:
                    close = getattr(result, "aclose", None)
                    if close:
                        await close()
            else:
                value = await result
            self._send((codec.DONE, number, value))
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self._failed(number, method, error)

    def _failed(self, number: int, method: str, error: Exception) -> None:
        if isinstance(error, SlurmError):
            self._error(number, error)
            return
        if isinstance(error, (KeyError, TypeError, ValueError, AttributeError, OverflowError)):
            trace = error.__traceback__
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            at = f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else "?"
            # one line, and nothing of what was sent: anybody can cause it
            log.error(f"{self.server.name}: {method}: bad arguments (or a defect): {type(error).__name__} at {at}")
        else:
            log.exception(f"{self.server.name}: {method}", error)
        self._error(number, SlurmError("SLURM_ERROR"))
