"""The loop that serves: listening sockets until a signal, or one connection on standard input and output."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import threading
from typing import TYPE_CHECKING, Any

from slurmpy.rpc.log import log

from .connection import Connection
from .limits import Limits
from .sockets import Listener

if TYPE_CHECKING:
    from .app import Application
    from .options import Settings

#: seconds that answers under way have once the daemon is told to end
GRACE = 10.0
HANDSHAKE = 10.0


def _descriptors() -> int:
    """How many this process may have, after it has been let have all it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (OSError, ValueError):
            pass
    return soft


class Server:
    def __init__(self, application: Application, settings: Settings) -> None:
        self.application = application
        self.settings = settings
        self.limits = Limits(settings.connections, settings.threads, _descriptors())

    def _connection(self) -> Connection:
        return Connection(self.application, self.limits)

    # -- listening -------------------------------------------------------------------------------------------------

    def listen(self, listeners: list[Listener]) -> None:
        """Until SIGTERM or SIGINT."""
        paths = [one.socket.getsockname() for one in listeners if one.socket.family == socket.AF_UNIX]
        asyncio.run(self._listen(listeners))
        for path in paths:
            if isinstance(path, str) and path:
                try:
                    os.unlink(path)
                except OSError as error:
                    log.error(f"unlink({path}): {error.strerror}")

    async def _listen(self, listeners: list[Listener]) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_unhandled)
        told = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, told.set)
        servers = []
        for one in listeners:
            more: dict[str, Any] = {"ssl": one.tls, "ssl_handshake_timeout": HANDSHAKE} if one.tls else {}
            servers.append(await loop.create_server(self._connection, sock=one.socket, backlog=4096, **more))
        log.info(f"server listens on {', '.join(one.name for one in listeners)}")
        await told.wait()
        for server in servers:
            server.close()
        for number in (signal.SIGTERM, signal.SIGINT):  # the second one does not wait
            loop.add_signal_handler(number, self._abort)
        await self._end()

    async def _end(self) -> None:
        for connection in list(self.limits.open):
            connection.stop()
        tasks = [one.task for one in self.limits.open if one.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=GRACE)
        self._abort()
        self.application.daemons.close()

    def _abort(self) -> None:
        for connection in list(self.limits.open):
            connection.abort()

    # -- inetd -----------------------------------------------------------------------------------------------------

    def inetd(self, connection: socket.socket | None) -> None:
        """One connection: the socket that is our standard input, or what comes by there and leaves by our output."""
        asyncio.run(self._socket(connection) if connection is not None else self._pipes())

    async def _socket(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_unhandled)
        over = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, over.set)
        _, protocol = await loop.connect_accepted_socket(self._connection, connection)
        protocol.on_end = over.set
        if not self.limits.open:
            over.set()
        await over.wait()
        await self._end()

    async def _pipes(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_unhandled)
        over = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, over.set)
        protocol = self._connection()
        protocol.on_end = over.set
        Pipes(protocol, loop).start()
        await over.wait()
        await self._end()


class Pipes:
    """Standard input and output as a transport. They may be files or terminals, which no loop can wait for: a thread
    reads, and as there is nobody else to serve, what is written may take its time."""

    def __init__(self, protocol: Connection, loop: asyncio.AbstractEventLoop) -> None:
        self.protocol = protocol
        self.loop = loop
        self._closed = False
        self._reading = threading.Event()
        self._reading.set()

    def start(self) -> None:
        self.protocol.connection_made(self)
        threading.Thread(target=self._read, daemon=True, name="stdin").start()

    def _read(self) -> None:
        while not self._closed:
            self._reading.wait()
            try:
                data = os.read(0, 65536)
            except OSError:
                data = b""
            try:
                if not data:
                    self.loop.call_soon_threadsafe(self._eof)
                    return
                self.loop.call_soon_threadsafe(self.protocol.data_received, data)
            except RuntimeError:  # the loop has ended
                return

    def _eof(self) -> None:
        if not self._closed:
            self.protocol.eof_received()

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while len(view) and not self._closed:
            try:
                view = view[os.write(1, view) :]
            except OSError:
                self.abort()

    def pause_reading(self) -> None:
        self._reading.clear()

    def resume_reading(self) -> None:
        self._reading.set()

    def can_write_eof(self) -> bool:
        return False

    def is_closing(self) -> bool:
        return self._closed

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._reading.set()
            self.loop.call_soon(self.protocol.connection_lost, None)

    abort = close

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "slurm_source":
            ends = []
            for number in (0, 1):
                try:
                    ends.append(f"{os.readlink(f'/proc/self/fd/{number}')}(fd:{number})")
                except OSError:
                    ends.append(f"(fd:{number})")
            return "->".join(ends)
        return default


def _unhandled(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What asyncio has to tell of connections that broke; a defect is told with its place."""
    error = context.get("exception")
    if error is None or isinstance(error, OSError):
        log.debug(f"{context.get('message')}: {error}")
    else:
        log.exception(str(context.get("message")), error)
