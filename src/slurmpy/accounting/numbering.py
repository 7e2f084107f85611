"""Numbers of jobs and steps in the database, which are never given twice, also when the last rows were purged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from . import notes

if TYPE_CHECKING:
    from collections.abc import Iterable


def highest(connection: sa.Connection, table: sa.Table) -> int:
    """The highest number that `table` has or ever had; 0 if none."""
    there = connection.execute(sa.select(sa.func.max(table.c.db_index))).scalar() or 0
    return max(int(there), _noted(connection, table))


def note_removed(connection: sa.Connection, table: sa.Table, numbers: Iterable[int]) -> None:
    """Rows go, in the caller's transaction: their numbers stay theirs."""
    top = max(numbers, default=0)
    if top > _noted(connection, table):
        notes.put(connection, _name(table), str(top))


def _noted(connection: sa.Connection, table: sa.Table) -> int:
    return int(notes.get(connection, _name(table)) or 0)


def _name(table: sa.Table) -> str:
    return f"highest {table.name}"
