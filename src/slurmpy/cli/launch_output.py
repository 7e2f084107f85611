"""Where srun writes what its tasks write: labels, whole lines, and readers that take their time."""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: A descriptor that is ready for writing takes at least so much without blocking (PIPE_BUF, pipe(7)).
ATOM = 4096
#: A line of a task is kept together up to this length.
LONGEST_LINE = 1 << 20


class Sink:
    """A descriptor that is written to without ever blocking, though it is not set non-blocking: it may be shared with
    the shell. `pending` bytes wait for it to become ready. `on_broken` is called once when its reader has gone."""

    def __init__(self, descriptor: int, on_broken: Callable[[], None]) -> None:
        self.descriptor = descriptor
        self._on_broken = on_broken
        self._queue: list[bytes] = []
        self._offset = 0
        self.pending = 0
        self.broken = False
        try:
            self._is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        except OSError:
            self.broken = self._is_file = True

    def put(self, data: bytes) -> None:
        if self.broken or not data:
            return
        if self._is_file and not self._queue:
            self._write_all(data)
            return
        self._queue.append(data)
        self.pending += len(data)

    def _write_all(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self.descriptor, view) :]
        except OSError:
            self._break()

    def write_once(self) -> None:
        """When it is ready: writes as much as cannot block."""
        while self._queue and not self.broken:
            head = memoryview(self._queue[0])[self._offset : self._offset + ATOM]
            if len(head) < ATOM and len(self._queue) > 1 and self._offset + len(head) == len(self._queue[0]):
                head = memoryview(bytes(head) + b"".join(self._take(ATOM - len(head))))[:ATOM]
            try:
                written = os.write(self.descriptor, head)
            except BlockingIOError:
                return
            except OSError:
                self._break()
                return
            self._advance(written)
            return

    def _take(self, room: int) -> list[bytes]:
        """Following pieces, as far as there is room."""
        found: list[bytes] = []
        for piece in self._queue[1:]:
            if room <= 0:
                break
            found.append(piece[:room])
            room -= len(piece)
        return found

    def _advance(self, written: int) -> None:
        self.pending -= written
        done = 0
        while written:
            left = len(self._queue[done]) - self._offset
            if written < left:
                self._offset += written
                break
            written -= left
            self._offset = 0
            done += 1
        if done:
            del self._queue[:done]

    def _break(self) -> None:
        self.broken = True
        self._queue.clear()
        self.pending = 0
        self._on_broken()

    def finish(self) -> None:
        """At the end: writes what is left, however long it takes."""
        while self._queue and not self.broken:
            self._write_all(self._queue.pop(0)[self._offset :])
            self._offset = 0
        self.pending = 0


class Lines:
    """One stream of one task into a sink: whole lines, with the task's label if wanted."""

    def __init__(self, sink: Sink, label: bytes, immediate: bool) -> None:
        self._sink, self._label, self._immediate = sink, label, immediate
        self._partial = b""

    def put(self, data: bytes) -> None:
        if self._immediate and not self._label:
            self._sink.put(data)
            return
        end = data.rfind(b"\n")
        if end < 0:
            self._partial += data
            if len(self._partial) > LONGEST_LINE:
                self._out(self._partial)
                self._partial = b""
            return
        self._out(self._partial + data[: end + 1])
        self._partial = data[end + 1 :]

    def end(self) -> None:
        """The stream is over: a line without its end is a line too."""
        if self._partial:
            self._out(self._partial + b"\n" if self._label else self._partial)
            self._partial = b""

    def _out(self, data: bytes) -> None:
        if not self._label:
            self._sink.put(data)
            return
        whole = data.endswith(b"\n")
        text = self._label + (data[:-1] if whole else data).replace(b"\n", b"\n" + self._label)
        self._sink.put(text + b"\n" if whole else text)


def label(task: int, tasks: int) -> bytes:
    """ "7: ", as wide as the highest number needs."""
    return b"%*d: " % (len(str(tasks - 1)), task)
