"""What is to happen at a time: one heap, one timer of the loop."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable, Hashable
from typing import Any


class Timers:
    """Named deadlines. Setting one again moves it; what was moved or dropped stays in the heap as a stale entry."""

    def __init__(self, fire: Callable[[Any], None]) -> None:
        """`fire` gets the key of a deadline that has come."""
        self._fire = fire
        self._when: dict[Hashable, float] = {}
        self._heap: list[tuple[float, int, Hashable]] = []
        self._count = 0
        self._handle: asyncio.TimerHandle | None = None
        self._armed = 0.0

    def set(self, key: Hashable, when: float) -> None:
        """`key` at `when` (seconds since 1970); replaces an earlier time of the same key."""
        if self._when.get(key) == when:
            return
        self._when[key] = when
        self._count += 1
        heapq.heappush(self._heap, (when, self._count, key))
        if len(self._heap) > 64 and len(self._heap) > 4 * len(self._when):
            self._heap = [entry for entry in self._heap if self._when.get(entry[2]) == entry[0]]
            heapq.heapify(self._heap)
        self._arm()

    def pending(self, key: Hashable) -> bool:
        return key in self._when

    def drop(self, key: Hashable) -> None:
        self._when.pop(key, None)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._when.clear()
        self._heap.clear()

    def _arm(self) -> None:
        while self._heap and self._when.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        if not self._heap:
            return
        when = self._heap[0][0]
        if self._handle is not None:
            if self._armed == when:
                return
            self._handle.cancel()
        self._armed = when
        # the loop's clock is monotonic, ours is the wall's: never sleep long on the assumption that both run alike
        delay = min(max(0.0, when - time.time()), 60.0)
        self._handle = asyncio.get_running_loop().call_later(delay, self._due)

    def _due(self) -> None:
        self._handle = None
        now = time.time()
        while self._heap and self._heap[0][0] <= now:
            when, _, key = heapq.heappop(self._heap)
            if self._when.get(key) == when:
                del self._when[key]
                self._fire(key)
        self._arm()
