"""The spawner: a small process, forked from slurmd before it grows, out of which every slurmstepd is forked.

slurmd writes launches (length, kind, msgpack) into its socket; the spawner forks. A slurmstepd says on a pipe to slurmd
that it answers (or why it cannot), a few bytes of msgpack. The spawner ends when slurmd does; the slurmstepds stay. All
hold `spawner.lock` until a started slurmstepd has its socket, so whoever gets the lock afterwards sees every step that
was started.

A slurmstepd that has done with its step waits a moment for another one: a process that has just run has its
memory in place, where a fresh fork spends most of its time on page faults.
"""

from __future__ import annotations

import fcntl
import gc
import os
import select
import signal
import socket
from collections.abc import Mapping
from typing import Any

import msgpack

from slurmpy.rpc import codec

from . import processes, stepd
from .fitness import Fitness

#: what a worker says to the spawner
VISIBLE, IDLE = b"v", b"i"
#: So many idle slurmstepds are kept, each for so many seconds and steps.
MAX_IDLE, IDLE_SECONDS, MAX_STEPS = 16, 3.0, 200
COLLECT_EVERY = 20


class Spawner:
    """slurmd's hold on its spawner. `socket`: launches go in; `reader`: descriptor from which the sayings come."""

    def __init__(self, pid: int, link: socket.socket, reader: int) -> None:
        self.pid, self.socket, self.reader = pid, link, reader

    @staticmethod
    def encode(number: int, launch: Mapping[str, Any]) -> bytes:
        """A launch as it goes into the socket."""
        body = codec.pack((number, dict(launch)))
        return codec.LENGTH.pack(len(body)) + body


def take_lock(spool_directory: str, name: str, wait: bool) -> int:
    """An exclusive lock on a file of the spool directory, as a descriptor. Raises BlockingIOError if it is held and
    not to be waited for."""
    handle = os.open(os.path.join(spool_directory, name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BaseException:
        os.close(handle)
        raise
    return handle


def start(spool_directory: str, log_file: str, level: str | int, close: tuple[int, ...] = ()) -> Spawner:
    """Forks the spawner; waits for a former one of this node (whose slurmd has gone) to end first.

    `log_file` is where slurmstepds write of defects; `close` are descriptors that the spawner must not keep.
    """
    lock = take_lock(spool_directory, "spawner.lock", wait=True)
    ours, theirs = socket.socketpair()
    reader, writer = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid:
        theirs.close()
        os.close(writer)
        os.close(lock)
        os.set_blocking(reader, False)
        ours.setblocking(False)
        return Spawner(pid, ours, reader)
    status = 1
    try:
        ours.close()
        os.close(reader)
        for descriptor in close:
            os.close(descriptor)
        _settle(log_file, level)
        _Forks(theirs, writer, lock).serve()
        status = 0
    except BaseException as error:
        _note(error)
    finally:
        os._exit(status)


def _settle(log_file: str, level: str | int) -> None:
    from slurmpy.rpc.log import log

    os.setsid()
    os.chdir("/")
    os.umask(0o022)
    null = os.open(os.devnull, os.O_RDWR)
    for target in (0, 1, 2):
        os.dup2(null, target)
    os.close(null)
    log.name = "slurmstepd"
    log.set_level(level)
    log.open(log_file, to_stderr=False)
    processes.set_name("slurmd-spawner")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the slurmstepds
    os.getgrouplist("root", 0)  # loads the name service once instead of once a step
    gc.collect()
    gc.freeze()
    gc.disable()


class _Worker:
    """A slurmstepd that may have another step after its present one. `pending`: the launch that it was sent and has not
    yet made visible."""

    __slots__ = ("channel", "pending")

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.pending: bytes | None = None


class _Forks:
    """The spawner's own loop: launches from slurmd go to idle workers, or to new processes."""

    def __init__(self, link: socket.socket, writer: int, lock: int) -> None:
        self._link, self._writer, self._lock = link, writer, lock
        self._poll = select.epoll()
        self._workers: dict[int, _Worker] = {}
        self._idle: list[_Worker] = []
        self._buffer = bytearray()

    def serve(self) -> None:
        """Until slurmd has gone."""
        self._poll.register(self._link.fileno(), select.EPOLLIN)
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor != self._link.fileno():
                    worker = self._workers.get(descriptor)
                    if worker is not None:
                        self._hear(worker)
                elif not self._launches():
                    return

    def _launches(self) -> bool:
        data = self._link.recv(1 << 20)
        buffer = self._buffer
        buffer += data
        while len(buffer) >= 4:
            (size,) = codec.LENGTH.unpack_from(buffer)
            if len(buffer) < size + 4:
                break
            body = bytes(memoryview(buffer)[4 : size + 4])
            del buffer[: size + 4]
            self._start(body)
        return bool(data)

    def _start(self, body: bytes) -> None:
        while self._idle:
            worker = self._idle.pop()  # the one that ran last: what it needs is still in the caches
            worker.pending = body
            try:
                # the lock goes along, so it is held until the worker has its socket, or has gone
                socket.send_fds(worker.channel, [codec.LENGTH.pack(len(body))], [self._lock])
                worker.channel.sendall(body)
                return
            except OSError:
                worker.pending = None
                self._drop(worker)
        self._fork(body)

    def _hear(self, worker: _Worker) -> None:
        try:
            words = worker.channel.recv(64)
        except OSError:
            words = b""
        if not words:
            self._drop(worker)
            if worker.pending is not None:
                self._fork(worker.pending)
        for word in words:
            if word == VISIBLE[0]:
                worker.pending = None
            elif len(self._idle) < MAX_IDLE:
                self._idle.append(worker)
            else:
                self._drop(worker)

    def _drop(self, worker: _Worker) -> None:
        if self._workers.pop(worker.channel.fileno(), None) is not None:
            self._poll.unregister(worker.channel.fileno())
            worker.channel.close()
        if worker in self._idle:
            self._idle.remove(worker)

    def _fork(self, body: bytes) -> None:
        ours, theirs = socket.socketpair()
        try:
            pid = os.fork()
        except OSError as error:
            number = codec.unpack(body)[0]
            ours.close()
            theirs.close()
            _say(self._writer, number, 0, f"fork: {error.strerror}", False)
            return
        if pid:
            theirs.close()
            worker = self._workers[ours.fileno()] = _Worker(ours)
            worker.pending = body
            self._poll.register(ours.fileno(), select.EPOLLIN)
            return
        status = 1
        try:
            self._leave(ours)
            _live(body, self._writer, self._lock, theirs)
            status = 0
        except BaseException as error:
            _note(error)
        finally:
            os._exit(status)

    def _leave(self, channel: socket.socket) -> None:
        """In a new slurmstepd: lets go of what is the spawner's, so that others see its end."""
        self._poll.close()
        self._link.close()
        for worker in self._workers.values():
            worker.channel.close()
        channel.close()


def _live(body: bytes, writer: int, lock: int, channel: socket.socket) -> None:
    """A slurmstepd's life: one step after the other, as long as they come soon enough."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD):
        signal.signal(name, signal.SIG_DFL)
    fitness = Fitness(lock)
    for turn in range(1, MAX_STEPS + 1):
        number, launch = codec.unpack(body)
        held = lock

        def visible(held: int = held) -> None:
            os.close(held)
            _tell(channel, VISIBLE)

        def ready(text: str | None, number: int = number) -> None:
            _say(writer, number, os.getpid(), text, False)

        clean = stepd.main(launch, visible, ready)
        if not clean or _has_changed(fitness) or not _say(writer, number, os.getpid(), None, True):
            return  # slurmd sees the end of this process; if it has gone, its successor does
        if turn % COLLECT_EVERY == 0:
            gc.collect()
        following = _next(channel) if _tell(channel, IDLE) else None
        if following is None:
            return
        body, lock = following


def _has_changed(fitness: Fitness) -> bool:
    """Whether the step has left something with this process that the next one must not find."""
    from slurmpy.rpc.log import log

    lost = fitness.lost()
    if lost:
        log.debug(f"takes no further step: its {lost} have changed")
    return bool(lost)


def _tell(channel: socket.socket, word: bytes) -> bool:
    """A word to the spawner; False if it has gone, which must not keep a step from running."""
    try:
        channel.send(word)
    except OSError:
        return False
    return True


def _next(channel: socket.socket) -> tuple[bytes, int] | None:
    """The next launch and the lock that came along; None if there is none for a while, or the spawner has gone."""
    channel.settimeout(IDLE_SECONDS)
    try:
        head, descriptors, _, _ = socket.recv_fds(channel, 4, 1)
        if len(head) < 4 or not descriptors:
            return None
        os.set_inheritable(descriptors[0], False)
        (size,) = codec.LENGTH.unpack(head)
        body = bytearray()
        while len(body) < size:
            piece = channel.recv(min(size - len(body), 1 << 20))
            if not piece:
                return None
            body += piece
    except OSError:
        return None
    finally:
        channel.settimeout(None)
    return bytes(body), descriptors[0]


def _say(writer: int, number: int, pid: int, text: str | None, done: bool) -> bool:
    """Tells slurmd how launch `number` went (`done`: that its step is over); False if slurmd has gone."""
    saying = msgpack.packb((number, pid, text and text[:1000], done), unicode_errors="surrogateescape")
    try:
        os.write(writer, saying)
    except OSError:
        return False  # its successor will find us
    return True


def _note(error: BaseException) -> None:
    """A defect of slurmstepd: into slurmd's log, which this process has inherited."""
    from slurmpy.rpc.log import log

    log.exception("slurmstepd", error)
