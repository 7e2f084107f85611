"""Many rows of one table written at once: statements compiled once, of a row that is there only what has changed.

SQLAlchemy's own ``execute`` converts each of a row's sixty values anew; here its compiler writes the statement and the
driver's ``executemany`` gets the values as they are (numbers and text, which every driver takes).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import compress
from operator import itemgetter, ne
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine.interfaces import Dialect

Row = Mapping[str, Any]

#: name of the bound parameter that picks the row
_KEY = "k_key"


def values_of(keys: Sequence[Any]) -> Callable[[Any], tuple[Any, ...]]:
    """A function that picks the values at `keys`: always a tuple, as `itemgetter` gives one only for several."""
    if len(keys) > 1:
        return itemgetter(*keys)
    return lambda row: tuple([row[key] for key in keys])


class Statement:
    """A statement as the driver takes it, compiled once."""

    def __init__(self, statement: Any, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self.text = str(compiled)
        names = compiled.positiontup if compiled.positional else None
        #: a row's values as the driver wants them
        self.values: Callable[[Row], Any] = dict if names is None else values_of(names)


class BulkWriter:
    """Inserts rows of `table`, whose primary key is one number, and updates them."""

    def __init__(self, table: sa.Table, dialect: Dialect) -> None:
        self.table, self.dialect = table, dialect
        (self.key,) = (column.name for column in table.primary_key)
        self._names = tuple(table.c.keys())
        self._values = values_of(self._names)
        self._insert = Statement(table.insert().values({name: sa.bindparam(name) for name in self._names}), dialect)
        self._updates: dict[tuple[str, ...], Statement] = {}

    def write(self, connection: sa.Connection, rows: Iterable[tuple[Row | None, Row]]) -> None:
        """`rows` are pairs: a row as it is in the database (None: not yet), and as it is to be."""
        fresh: list[Any] = []
        changed: dict[tuple[str, ...], list[Row]] = {}
        pick = self._values
        for old, new in rows:
            if old is None:
                fresh.append(self._insert.values(new))
                continue
            names = tuple(compress(self._names, map(ne, pick(new), pick(old))))
            if names:
                changed.setdefault(names, []).append(new)
        if fresh:
            connection.exec_driver_sql(self._insert.text, fresh)
        for names, updates in changed.items():
            statement = self._update(names)
            given = updates if self._upserts else [{**row, _KEY: row[self.key]} for row in updates]
            connection.exec_driver_sql(statement.text, [statement.values(row) for row in given])

    @property
    def _upserts(self) -> bool:
        return self.dialect.name in ("mysql", "mariadb")

    def _update(self, names: tuple[str, ...]) -> Statement:
        found = self._updates.get(names)
        if found is None:
            statement: Any
            if self._upserts:
                # its driver sends many rows of an INSERT in one message, but each UPDATE in one of its own
                from sqlalchemy.dialects.mysql import insert

                statement = insert(self.table).values({name: sa.bindparam(name) for name in self._names})
                statement = statement.on_duplicate_key_update({name: statement.inserted[name] for name in names})
            else:
                statement = self.table.update().where(self.table.c[self.key] == sa.bindparam(_KEY))
                statement = statement.values({name: sa.bindparam(name) for name in names})
            found = self._updates[names] = Statement(statement, self.dialect)
        return found
