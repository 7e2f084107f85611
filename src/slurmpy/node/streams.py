"""A step's input and output between its tasks and srun, as slurmstepd carries them (`slurmpy.rpc.stepio`)."""

from __future__ import annotations

import errno
import os
import socket
from collections import deque
from collections.abc import Callable

from slurmpy.auth.peer import of_unix_socket
from slurmpy.rpc import stepio

from .loop import READ, WRITE, Loop

#: Above so many bytes on their way to srun, no more is read from the tasks; below a quarter, reading goes on.
HIGH_WATER = 1 << 20
LOW_WATER = HIGH_WATER // 4
CONNECT_TIMEOUT = 10.0


class Connection:
    """The connection to srun. `on_frame(kind, task, body)`; `on_lost()` when srun has gone."""

    def __init__(
        self,
        loop: Loop,
        link: socket.socket,
        on_frame: Callable[[int, int, bytes], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._loop, self._link = loop, link
        self._on_frame, self._on_lost = on_frame, on_lost
        self._decoder = stepio.Decoder()
        self._pending: deque[bytes] = deque()
        self._offset = 0
        self.queued = 0
        self.alive = True
        self._stopped_readers: list[Callable[[], None]] = []
        self._on_empty: Callable[[], None] | None = None
        link.setblocking(False)
        loop.watch(link.fileno(), READ, self._ready)

    @property
    def congested(self) -> bool:
        return self.queued > HIGH_WATER

    def when_drained(self, callback: Callable[[], None]) -> None:
        """Calls once when there is room again."""
        self._stopped_readers.append(callback)

    def send(self, kind: int, task: int = stepio.ALL, body: bytes = b"") -> None:
        """Queues a frame and sends what can be sent now. Silently nothing once srun has gone."""
        if not self.alive:
            return
        data = stepio.frame(kind, task, body)
        self._pending.append(data)
        self.queued += len(data)
        if len(self._pending) == 1:
            self._write()

    def _write(self) -> None:
        try:
            while self._pending:
                head = self._pending[0]
                view = memoryview(head)[self._offset :]
                sent = self._link.send(view)
                self.queued -= sent
                if sent == len(view):
                    self._pending.popleft()
                    self._offset = 0
                else:
                    self._offset += sent
        except BlockingIOError:
            pass
        except OSError:
            self.lost()
            return
        self._loop.watch(self._link.fileno(), READ | (WRITE if self._pending else 0), self._ready)
        if self.queued <= LOW_WATER and self._stopped_readers:
            waiting, self._stopped_readers = self._stopped_readers, []
            for callback in waiting:
                callback()

    def _ready(self, events: int) -> None:
        if self._loop.readable(events):
            try:
                data = self._link.recv(262144)
            except BlockingIOError:
                data = None
            except OSError:
                data = b""
            if data == b"":
                self.lost()
                return
            if data:
                self._decoder.feed(data)
                try:
                    for kind, task, body in self._decoder:
                        self._on_frame(kind, task, body)
                        if not self.alive:
                            return
                except stepio.ProtocolError:
                    self.lost()
                    return
        if events & WRITE and self.alive:
            self._write()

    def lost(self) -> None:
        """srun has gone: what was queued is dropped, tasks that wait to be read go on being read."""
        if not self.alive:
            return
        self.alive = False
        self._loop.unwatch(self._link.fileno())
        self._link.close()
        self._pending.clear()
        self.queued = 0
        waiting, self._stopped_readers = self._stopped_readers, []
        for callback in waiting:
            callback()
        self._on_lost()

    def close(self) -> None:
        """Sends what is queued, as long as srun takes it, and closes."""
        if not self.alive:
            return
        self.alive = False
        self._loop.unwatch(self._link.fileno())
        try:
            self._link.settimeout(CONNECT_TIMEOUT)
            while self._pending:
                self._link.sendall(memoryview(self._pending.popleft())[self._offset :])
                self._offset = 0
        except OSError:
            pass
        self._link.close()


def connect(
    unix: str | bytes | None, tcp: tuple[str, int] | None, key: bytes, node_index: int, user_id: int
) -> socket.socket:
    """A connection to srun that has said who it is. Raises OSError.

    To be called with the rights of the step's user: the address is that user's word, and a socket that they may not
    open themselves, or that is somebody else's, is not for them to have opened.
    """
    link: socket.socket | None = None
    failure: OSError | None = None
    if unix:
        try:
            link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            link.settimeout(CONNECT_TIMEOUT)
            link.connect(unix)
            if of_unix_socket(link).uid not in (0, user_id):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except OSError as error:
            failure = error
            if link is not None:
                link.close()
            link = None
    if link is None and tcp:
        link = socket.create_connection(tcp, CONNECT_TIMEOUT)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if link is None:
        raise failure or OSError("no address of srun")
    link.sendall(stepio.frame(stepio.HELLO, stepio.ALL, stepio.HELLO_BODY.pack(key, node_index)))
    return link


def read_piece(descriptor: int) -> bytes:
    """What is there to read, b"" at the end. Raises BlockingIOError if there is nothing yet.

    A pseudo terminal whose last user has gone says EIO. Linux looks whether there is text before it looks whether the
    user has gone: who wrote and went between these two looks is noticed by his going alone, and his text by the next
    read.
    """
    for _ in range(2):
        try:
            return os.read(descriptor, 65536)
        except BlockingIOError:
            raise
        except OSError:
            continue
    return b""


class Output:
    """One task's standard output or error on its way to srun, line by line unless `immediate`."""

    def __init__(
        self,
        loop: Loop,
        link: Connection,
        descriptor: int,
        kind: int,
        task: int,
        immediate: bool,
        done: Callable[[], None],
    ) -> None:
        self._loop, self._link, self._descriptor = loop, link, descriptor
        self._kind, self._task, self._immediate, self._done = kind, task, immediate, done
        self._partial = b""
        self.open = True
        os.set_blocking(descriptor, False)
        loop.watch(descriptor, READ, self._ready)

    def _ready(self, events: int) -> None:
        if self._link.congested:
            self._loop.unwatch(self._descriptor)
            self._link.when_drained(self._resume)
            return
        self.read_once()

    def _resume(self) -> None:
        if self.open:
            self._loop.watch(self._descriptor, READ, self._ready)

    def read_once(self) -> bool:
        """Reads what is there; False if there was nothing."""
        try:
            data = read_piece(self._descriptor)
        except BlockingIOError:
            return False
        if not data:
            self.close()
            return False
        if self._immediate:
            self._send(data)
            return True
        end = data.rfind(b"\n")
        if end >= 0:
            self._send(self._partial + data[: end + 1])
            self._partial = data[end + 1 :]
        else:
            self._partial += data
        if len(self._partial) >= stepio.MAX_BODY:
            self._send(self._partial)
            self._partial = b""
        return True

    def _send(self, data: bytes) -> None:
        if len(data) <= stepio.MAX_BODY:
            self._link.send(self._kind, self._task, data)
            return
        at = 0
        while at < len(data):
            end = min(at + stepio.MAX_BODY, len(data))
            if end < len(data):
                newline = data.rfind(b"\n", at, end)
                if newline > at:
                    end = newline + 1
            self._link.send(self._kind, self._task, data[at:end])
            at = end

    def drain(self) -> None:
        """Reads on while something is there and srun takes it."""
        while self.open and not self._link.congested and self.read_once():
            pass

    def close(self) -> None:
        """The end of the stream: what is left of a line goes out, then the end itself."""
        if not self.open:
            return
        self.open = False
        self._loop.unwatch(self._descriptor)
        os.close(self._descriptor)
        if self._partial:
            self._send(self._partial)
            self._partial = b""
        self._link.send(self._kind, self._task)
        self._done()


class Piece:
    """A piece of standard input and how many tasks have not yet taken it."""

    __slots__ = ("data", "waiting")

    def __init__(self, data: bytes, waiting: int) -> None:
        self.data, self.waiting = data, waiting


class Input:
    """One task's standard input. Whoever does not read keeps only its own pieces waiting."""

    def __init__(self, loop: Loop, descriptor: int, taken: Callable[[Piece], None]) -> None:
        self._loop, self._descriptor, self._taken = loop, descriptor, taken
        self._pieces: deque[Piece] = deque()
        self._offset = 0
        self._ending = False
        self.open = True
        os.set_blocking(descriptor, False)

    def put(self, piece: Piece) -> None:
        if not self.open:
            self._taken(piece)
            return
        self._pieces.append(piece)
        if len(self._pieces) == 1:
            self._write()

    def end(self) -> None:
        """No more will come."""
        self._ending = True
        if self.open and not self._pieces:
            self.close()

    def _ready(self, events: int) -> None:
        self._write()

    def _write(self) -> None:
        try:
            while self._pieces:
                piece = self._pieces[0]
                view = memoryview(piece.data)[self._offset :]
                written = os.write(self._descriptor, view)
                if written < len(view):
                    self._offset += written
                    continue
                self._pieces.popleft()
                self._offset = 0
                self._taken(piece)
        except BlockingIOError:
            self._loop.watch(self._descriptor, WRITE, self._ready)
            return
        except OSError:
            self.close()
            return
        self._loop.unwatch(self._descriptor)
        if self._ending:
            self.close()

    def close(self) -> None:
        if not self.open:
            return
        self.open = False
        self._loop.unwatch(self._descriptor)
        os.close(self._descriptor)
        while self._pieces:
            self._taken(self._pieces.popleft())
