"""The texts of jobs that are over, as documents have them: who asks again, as scripts do, gets what was made before.

A text is kept under what the database said of the job and its steps, so nothing has to be told that a job has changed:
it is another one then, and the old text is pushed out by and by.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from slurmpy.data_parser import stream, tres
from slurmpy.data_parser.plugin import Plugin

Row = tuple[Any, ...]


class EndedJobs:
    """Holds at most `budget` bytes; what was asked for last stays. Used by several threads."""

    def __init__(self, budget: int = 24 << 20) -> None:
        self.budget = budget
        self.used = 0
        self._texts: OrderedDict[Any, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Any) -> bytes | None:
        with self._lock:
            found = self._texts.get(key)
            if found is not None:
                self._texts.move_to_end(key)
            return found

    def put(self, key: Any, text: bytes) -> None:
        with self._lock:
            self.used += len(text) - len(self._texts.pop(key, b""))
            self._texts[key] = text
            while self.used > self.budget:
                self.used -= len(self._texts.popitem(last=False)[1])


class OfRows:
    """The fragments of one document, whose records are rows: `over(row)` gives a key of a job that is over, None of
    one that is not; `make(row)` the record."""

    timed = True  # what is over does not depend on the time any more

    def __init__(self, kept: EndedJobs, over: Callable[[Row], Any], make: Callable[[Row], Any]) -> None:
        self.kept, self.over, self.make = kept, over, make

    def fragments(
        self, plugin: Plugin, name: str, records: Iterable[Row], encoding: str = "json", now: float = 0
    ) -> Iterator[bytes]:
        encode = stream.encoder(plugin, name, encoding)
        kind = (plugin.form, encoding, tres.generation())
        for row in records:
            key = self.over(row)
            if key is None:
                yield encode(self.make(row), now)
                continue
            text = self.kept.get((kind, key))
            if text is None:
                text = encode(self.make(row), now)
                self.kept.put((kind, key), text)
            yield text
