"""How far the books have each slurmctld's records, kept in the same transaction as the records themselves.

slurmctld sends again whatever it was not told the fate of. Merging a row twice is harmless only as long as nothing has
changed it in between (a later record, sacctmgr), so what the books have is left out, exactly, by its number. Numbers
count within a source, a random name that slurmctld takes at every start: one that comes back with an old copy of its
StateSaveLocation counts anew instead of reusing numbers that are known here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from . import notes

#: sources remembered of a cluster, the latest last. What an older one has in its spool was confirmed long ago.
SOURCES = 32


class Progress:
    """Used in the writer's thread only."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, int]] = {}  # cluster: {source: number of the last record}

    def forget(self) -> None:
        """Drops what is remembered of the database (after a transaction that was rolled back)."""
        self._known.clear()

    def _of(self, connection: sa.Connection, cluster: str) -> dict[str, int]:
        found = self._known.get(cluster)
        if found is None:
            found = self._known[cluster] = dict(json.loads(notes.get(connection, _name(cluster)) or "{}"))
        return found

    def new(
        self, connection: sa.Connection, cluster: str, source: str, numbers: Sequence[int], items: Sequence[Any]
    ) -> list[tuple[int, Any]]:
        """Those of `items` that the books do not have yet, each with its number; the `numbers` are ascending."""
        last = self._of(connection, cluster).get(source, 0)
        return [(number, item) for number, item in zip(numbers, items, strict=True) if number > last]

    def note(self, connection: sa.Connection, cluster: str, source: str, number: int) -> None:
        """All records up to `number` are in the books once this transaction is committed."""
        known = self._of(connection, cluster)
        if known.get(source, 0) >= number:
            return
        fresh = {name: last for name, last in known.items() if name != source}
        for name in list(fresh)[: max(0, len(fresh) + 1 - SOURCES)]:
            del fresh[name]
        fresh[source] = number
        notes.put(connection, _name(cluster), json.dumps(fresh))
        self._known[cluster] = fresh


def _name(cluster: str) -> str:
    return f"records {cluster}"
