"""The event loop of slurmstepd: epoll, timers and SIGCHLD, and nothing else, because there is one for every step."""

from __future__ import annotations

import heapq
import os
import select
import signal
import time
from collections.abc import Callable

READ, WRITE = select.EPOLLIN, select.EPOLLOUT
_HANGUP = select.EPOLLHUP | select.EPOLLERR


class Timer:
    """A call at a time to come; `cancel()` takes it back."""

    __slots__ = ("callback", "when")

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None

    def __lt__(self, other: Timer) -> bool:
        return self.when < other.when


class Loop:
    """Waits for descriptors, timers and ended children, and calls what is to be called. One thread, one loop."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._callbacks: dict[int, Callable[[int], None]] = {}
        self._masks: dict[int, int] = {}
        self._timers: list[Timer] = []
        self.on_child: Callable[[], None] | None = None
        self._child_read, self._child_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._child_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _nothing)
        self.watch(self._child_read, READ, self._woken)

    def watch(self, descriptor: int, mask: int, callback: Callable[[int], None]) -> None:
        """Calls `callback(events)` whenever `descriptor` is ready for `mask`, or hung up. Again to change the mask."""
        if descriptor in self._masks:
            if self._masks[descriptor] != mask:
                self._poll.modify(descriptor, mask)
        else:
            self._poll.register(descriptor, mask)
        self._masks[descriptor] = mask
        self._callbacks[descriptor] = callback

    def unwatch(self, descriptor: int) -> None:
        """Before a descriptor is closed, or while there is nothing to do for it."""
        if self._masks.pop(descriptor, None) is not None:
            del self._callbacks[descriptor]
            self._poll.unregister(descriptor)

    def after(self, seconds: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(time.monotonic() + seconds, callback)
        heapq.heappush(self._timers, timer)
        return timer

    def _woken(self, events: int) -> None:
        try:
            while os.read(self._child_read, 4096):
                pass
        except BlockingIOError:
            pass
        if self.on_child is not None:
            self.on_child()

    def turn(self) -> None:
        """Waits for the next thing to happen and does it."""
        timers = self._timers
        while timers and timers[0].callback is None:
            heapq.heappop(timers)
        timeout = -1.0
        if timers:
            timeout = max(0.0, timers[0].when - time.monotonic())
        # in the order of their making: what several tasks say at one time comes in the order of the tasks
        for descriptor, events in sorted(self._poll.poll(timeout)):
            callback = self._callbacks.get(descriptor)  # an earlier one of this turn may have taken it away
            if callback is not None:
                callback(events)
        now = time.monotonic()
        while timers and timers[0].when <= now:
            callback_now = heapq.heappop(timers).callback
            if callback_now is not None:
                callback_now()

    def wait_for(self, descriptor: int) -> None:
        """Until there is something to read; everything else goes on meanwhile."""
        seen: list[int] = []
        self.watch(descriptor, READ, seen.append)
        while not seen:
            self.turn()
        self.unwatch(descriptor)

    def close(self) -> None:
        """When all is done: another loop may follow in this process."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._poll.close()
        os.close(self._child_read)
        os.close(self._child_write)
        self._callbacks.clear()
        self._timers.clear()

    def readable(self, events: int) -> bool:
        return bool(events & (READ | _HANGUP))

    def writable(self, events: int) -> bool:
        return bool(events & (WRITE | _HANGUP))


def _nothing(number: int, frame: object) -> None:
    """A Python-level handler must exist for the wake-up descriptor to be written."""
