"""What revisions are made of. Each step looks first whether it has been done: see the package's text on MariaDB."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

KEY_TEXT = 190

#: how every table is made on MariaDB and MySQL: transactions, all of Unicode, names told apart by case
MYSQL: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}

_KINDS: dict[str, Callable[[], Any]] = {
    "number": lambda: sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
    "big": sa.BigInteger,
    "small": sa.Integer,
    "real": lambda: sa.Float(53),
    "flag": sa.Boolean,
    "key": lambda: sa.String(KEY_TEXT),
    "word": lambda: sa.String(8),
    "text": lambda: sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"),
    "long": lambda: sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb"),
}


def column(text: str, counted: bool = False) -> sa.Column[object]:
    """The column that ``name:kind`` or ``name:kind?`` describes."""
    name, _, kind = text.partition(":")
    return sa.Column(name, _KINDS[kind.rstrip("?")](), nullable=kind.endswith("?"), autoincrement=counted)


def add_table(name: str, columns: str, key: Sequence[str], unique: Sequence[str] = (), counted: bool = False) -> None:
    """A table; `columns` are words ``name:kind``, `counted`: the database gives its key."""
    if sa.inspect(op.get_bind()).has_table(name):
        return
    constraints: list[sa.schema.SchemaItem] = [sa.PrimaryKeyConstraint(*key)]
    if unique:
        constraints.append(sa.UniqueConstraint(*unique))
    made = [column(text, counted and text.partition(":")[0] in key) for text in columns.split()]
    op.create_table(name, *made, *constraints, sqlite_autoincrement=name == "jobs", **MYSQL)


def add_index(name: str, table: str, columns: Sequence[str]) -> None:
    if all(one["name"] != name for one in sa.inspect(op.get_bind()).get_indexes(table)):
        op.create_index(name, table, list(columns))


def drop_index(name: str, table: str) -> None:
    if any(one["name"] == name for one in sa.inspect(op.get_bind()).get_indexes(table)):
        op.drop_index(name, table)


def add_column(table: str, text: str, default: str | None = None) -> None:
    """Adds ``name:kind`` to a table; `default` is the SQL value of the rows that are there."""
    name = text.partition(":")[0]
    if all(one["name"] != name for one in sa.inspect(op.get_bind()).get_columns(table)):
        made = column(text)
        if default is not None:
            made.server_default = sa.DefaultClause(sa.text(default))
        op.add_column(table, made)


def drop_table(name: str) -> None:
    if sa.inspect(op.get_bind()).has_table(name):
        op.drop_table(name)
