"""slurmstepd's socket in the spool directory: one question and one answer a connection, as length and msgpack."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Mapping
from typing import Any

from slurmpy.core.errors import SlurmError
from slurmpy.rpc import codec
from slurmpy.rpc.address import connect_unix

from .loop import READ, Loop

LIMIT = 1 << 20


def listen(path: str) -> socket.socket:
    """slurmstepd's listening socket, for its user (and root) alone. Raises OSError (EADDRINUSE) if somebody answers
    there: no step may run twice."""
    if os.path.exists(path):
        if process_of(path) is not None:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), path)
        os.unlink(path)
    directory = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(f"/proc/self/fd/{directory}/{os.path.basename(path)}")  # sun_path holds 107 bytes only
        listener.listen(128)
    finally:
        os.umask(before)
        os.close(directory)
    return listener


class Server:
    """slurmstepd's side. `answer(request) -> reply` is called for whoever may open the socket (its user and root)."""

    def __init__(
        self, loop: Loop, listener: socket.socket, answer: Callable[[Mapping[str, Any]], dict[str, Any]]
    ) -> None:
        self._loop, self._listener, self._answer = loop, listener, answer
        self._callers: dict[int, tuple[socket.socket, bytearray]] = {}
        listener.setblocking(False)
        loop.watch(listener.fileno(), READ, self._accept)

    def _accept(self, events: int) -> None:
        try:
            caller, _ = self._listener.accept()
        except OSError:
            return
        caller.setblocking(False)
        self._callers[caller.fileno()] = (caller, bytearray())
        number = caller.fileno()
        self._loop.watch(number, READ, lambda _events: self._read(number))

    def _read(self, number: int) -> None:
        caller, buffer = self._callers[number]
        try:
            data = caller.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        buffer += data
        if not data or len(buffer) > LIMIT:
            self._drop(number)
            return
        if len(buffer) < 4 or len(buffer) < codec.LENGTH.unpack_from(buffer)[0] + 4:
            return
        try:
            reply = self._answer(codec.unpack(bytes(buffer[4:])))
        except (SlurmError, KeyError, TypeError, ValueError, OSError) as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        try:
            caller.setblocking(True)
            caller.settimeout(5.0)
            caller.sendall(codec.frame(reply))
        except OSError:
            pass
        self._drop(number)

    def _drop(self, number: int) -> None:
        caller, _ = self._callers.pop(number)
        self._loop.unwatch(number)
        caller.close()

    def close(self) -> None:
        for number in list(self._callers):
            self._drop(number)
        self._loop.unwatch(self._listener.fileno())
        self._listener.close()


async def ask(path: str, request: Mapping[str, Any], timeout: float = 10.0) -> dict[str, Any]:
    """slurmd's side. Raises OSError if no slurmstepd answers there, SlurmError if it answers that it cannot."""
    import asyncio  # slurmstepd does without

    loop = asyncio.get_running_loop()
    connection = connect_unix(path, 2.0)
    try:
        connection.setblocking(False)
        async with asyncio.timeout(timeout):
            await loop.sock_sendall(connection, codec.frame(dict(request)))
            buffer = b""
            while len(buffer) < 4 or len(buffer) < codec.LENGTH.unpack_from(buffer)[0] + 4:
                data = await loop.sock_recv(connection, 65536)
                if not data:
                    raise ConnectionResetError(104, os.strerror(104))
                buffer += data
    except TimeoutError as error:
        raise OSError(110, os.strerror(110)) from error
    finally:
        connection.close()
    reply: dict[str, Any] = codec.unpack(buffer[4:])
    if "error" in reply:
        raise SlurmError("SLURM_ERROR", str(reply["error"]))
    return reply


def process_of(path: str) -> int | None:
    """The process id of the slurmstepd that listens there; None if nobody does (the file is left over)."""
    from slurmpy.auth.peer import of_unix_socket

    try:
        connection = connect_unix(path, 2.0)
    except OSError:
        return None
    try:
        return of_unix_socket(connection).pid
    finally:
        connection.close()
