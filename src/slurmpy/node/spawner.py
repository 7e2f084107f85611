"""The spawner: a small process, forked from slurmd before it grows, out of which every slurmstepd is forked.

slurmd writes launches (length, msgpack) into its socket; the spawner forks. A slurmstepd says on a pipe to slurmd that
it answers (or why it cannot), one short line of msgpack. The spawner ends when slurmd does; the slurmstepds
stay. All hold `spawner.lock` until a started slurmstepd has its socket, so whoever gets the lock afterwards sees every
step that was started.
"""

from __future__ import annotations

import fcntl
import gc
import os
import signal
import socket
from collections.abc import Mapping
from typing import Any

import msgpack

from slurmpy.rpc import codec

from . import processes, stepd

#: One write of that size to a pipe is never mixed with another's (pipe(7)).
MAX_SAYING = 4096


class Spawner:
    """slurmd's hold on its spawner. `socket`: launches go in; `reader`: descriptor from which the sayings come."""

    def __init__(self, pid: int, link: socket.socket, reader: int) -> None:
        self.pid, self.socket, self.reader = pid, link, reader

    @staticmethod
    def encode(number: int, launch: Mapping[str, Any]) -> bytes:
        """A launch as it goes into the socket."""
        return codec.frame((number, dict(launch)))


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
        _serve(theirs, writer, lock)
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


def _serve(link: socket.socket, writer: int, lock: int) -> None:
    buffer = bytearray()
    while True:
        data = link.recv(1 << 20)
        if not data:
            return
        buffer += data
        while len(buffer) >= 4:
            (size,) = codec.LENGTH.unpack_from(buffer)
            if len(buffer) < size + 4:
                break
            body = bytes(memoryview(buffer)[4 : size + 4])
            del buffer[: size + 4]
            _fork(body, link, writer, lock)


def _fork(body: bytes, link: socket.socket, writer: int, lock: int) -> None:
    try:
        pid = os.fork()
    except OSError as error:
        number = msgpack.unpackb(body, use_list=False, strict_map_key=False, unicode_errors="surrogateescape")[0]
        _say(writer, number, 0, f"fork: {error.strerror}")
        return
    if pid:
        return
    status = 1
    try:
        link.close()
        number, launch = codec.unpack(body)

        def visible() -> None:
            os.close(lock)

        def ready(text: str | None) -> None:
            _say(writer, number, os.getpid(), text)
            os.close(writer)

        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD):
            signal.signal(name, signal.SIG_DFL)
        stepd.main(launch, visible, ready)
        status = 0
    except BaseException as error:
        _note(error)
    finally:
        os._exit(status)


def _say(writer: int, number: int, pid: int, text: str | None) -> None:
    saying = msgpack.packb((number, pid, text and text[:1000]), unicode_errors="surrogateescape")
    try:
        os.write(writer, saying)
    except OSError:
        pass  # slurmd has gone; its successor will find us


def _note(error: BaseException) -> None:
    """A defect of slurmstepd: into slurmd's log, which this process has inherited."""
    from slurmpy.rpc.log import log

    log.exception("slurmstepd", error)
