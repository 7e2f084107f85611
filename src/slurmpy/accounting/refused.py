"""Records that the database does not take whatever is tried: set aside one by one, so that the others go on.

A record is set aside in the transaction that writes its neighbours and their progress, so that it stands either there
or in slurmctld's spool. Only what the record itself is the reason of counts: a server that is away, a full disk or a
table that is missing is nobody's record's fault, and everything waits.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from slurmpy.core.errors import SlurmError

from . import schema, storage

#: records that are set aside at most; then nothing is, and slurmctld keeps what comes (nothing is thrown away)
MOST = 10_000
#: characters of a record that are kept; of a longer one its long texts are cut
ITEM_TEXT, CUT_TEXT, REASON_TEXT = 4_000_000, 10_000, 500
#: lines of the log for one batch
LINES = 20

Numbered = tuple[int, Any]  # a record's number in its source, and the record

#: MariaDB's errors about values that its driver counts among the server's own: wrong text for the character set, a
#: packet or a row that is too large, a value cut or out of range
_MYSQL_VALUES = frozenset((1118, 1153, 1264, 1265, 1292, 1366, 1406))
#: PostgreSQL's, of a value of the wrong type for its column: datatype_mismatch, undefined_function
_POSTGRESQL_TYPES = frozenset((None, "42804", "42883"))
#: what Python says of a value that is not what it should be
_PYTHON = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError)


class RefusedRecord(SlurmError):
    """A record that cannot be written as it is, now or later."""

    def __init__(self, message: str) -> None:
        super().__init__("SLURM_ERROR", message)


def is_of_the_data(error: BaseException) -> bool:
    """Whether what was to be written is the reason, not the state that the database or its server is in."""
    if not isinstance(error, sa.exc.DBAPIError):
        return isinstance(error, (RefusedRecord, sa.exc.StatementError, *_PYTHON))
    if error.connection_invalidated:
        return False
    if isinstance(error, (sa.exc.DataError, sa.exc.IntegrityError)):
        return True
    seen: Any = error.orig
    driver = type(seen).__module__.partition(".")[0]
    if driver == "pymysql":
        return bool(seen.args) and seen.args[0] in _MYSQL_VALUES
    if not isinstance(error, (sa.exc.ProgrammingError, sa.exc.InterfaceError)):
        return False
    if driver == "psycopg":
        return getattr(seen, "sqlstate", "") in _POSTGRESQL_TYPES
    return driver == "sqlite3" and "binding parameter" in str(seen)


def reason_of(error: BaseException) -> str:
    """One bounded line."""
    if isinstance(error, sa.exc.DBAPIError):
        text = storage.one_line(error)
    elif isinstance(error, SlurmError):
        text = error.message
    else:
        text = f"{type(error).__name__}: {error}"
    return schema.storable(" ".join(text.split()))[:REASON_TEXT]


def write_apart(
    connection: sa.Connection,
    items: Sequence[Numbered],
    write: Callable[[Sequence[Any]], None],
    refuse: Callable[[Numbered, str], None],
) -> None:
    """`write`s all items in their order, halving what fails until single ones are left, which are `refuse`d.

    In the caller's transaction. Raises what `write` raised if that was no item's fault.
    """
    if not items:
        return
    try:
        with connection.begin_nested():
            write([item for _, item in items])
    except Exception as error:
        if not is_of_the_data(error):
            raise
        reason = reason_of(error)
    else:
        return
    if len(items) == 1:
        refuse(items[0], reason)
        return
    middle = len(items) // 2
    write_apart(connection, items[:middle], write, refuse)
    write_apart(connection, items[middle:], write, refuse)


class SetAside:
    """What one transaction sets aside; `lines()` are for the log once it is committed."""

    def __init__(self, connection: sa.Connection, cluster: str, source: str) -> None:
        self._connection, self._cluster, self._source = connection, cluster, source
        self._lines: list[str] = []
        table = schema.refused_records
        self._room = MOST - int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar() or 0)

    def __call__(self, numbered: Numbered, reason: str) -> None:
        """Raises SlurmError when there is no room for another one: then nothing may be confirmed."""
        number, item = numbered
        if self._room <= 0:
            raise SlurmError(
                "SLURM_ERROR",
                f"{MOST} records stand in the table {schema.refused_records.name} already: look at them and remove "
                f"them; until then nothing more is taken (the next: {describe(item)}: {reason})",
            )
        self._room -= 1
        row = {
            "cluster": self._cluster, "source": self._source, "number": number, "time": int(time.time()),
            "reason": reason, "item": text_of(item),
        }  # fmt: skip
        self._connection.execute(schema.refused_records.insert().values(**row))
        self._lines.append(
            f"cluster {self._cluster}: {describe(item)} is refused and set aside as number {number} of "
            f"{self._source} in the table {schema.refused_records.name}: {reason}"
        )

    def lines(self) -> list[str]:
        """At most `LINES` and one."""
        more = len(self._lines) - LINES
        rest = [f"cluster {self._cluster}: {more} more records are refused and set aside"] if more > 0 else []
        return self._lines[:LINES] + rest


def describe(item: Any) -> str:
    """A record in a few words."""
    if not isinstance(item, Mapping):
        return f"a record that is a {type(item).__name__}"
    words = [str(item.get("kind"))[:40]]
    for name in ("job_id", "step_id", "submit_time", "node", "id"):
        if name in item:
            words.append(f"{name}={str(item[name])[:40]}")
    return " ".join(" ".join(words).split())


def text_of(item: Any) -> str:
    """The record as JSON in ASCII; what JSON does not know is told in Python's words."""
    text = _json(item)
    if len(text) > ITEM_TEXT and isinstance(item, Mapping):
        text = _json({name: _cut(value) for name, value in item.items()})
    return text[:ITEM_TEXT]


def _json(item: Any) -> str:
    try:
        return json.dumps(item, default=repr)
    except (TypeError, ValueError):
        return ascii(item)


def _cut(value: Any) -> Any:
    if isinstance(value, str) and len(value) > CUT_TEXT:
        return f"{value[:CUT_TEXT]}... ({len(value)} characters)"
    return value
