"""What slurmdbd notes by name in its database (the table ``slurmpy_meta``), in the caller's transaction."""

from __future__ import annotations

import sqlalchemy as sa

from . import schema


def get(connection: sa.Connection, name: str) -> str:
    """The value of a note; empty if there is none."""
    meta = schema.meta.c
    return str(connection.execute(sa.select(meta.value).where(meta.name == name)).scalar() or "")


def put(connection: sa.Connection, name: str, value: str) -> None:
    meta = schema.meta
    if not connection.execute(meta.update().where(meta.c.name == name).values(value=value)).rowcount:
        connection.execute(meta.insert().values(name=name, value=value))


def drop(connection: sa.Connection, name: str) -> None:
    connection.execute(schema.meta.delete().where(schema.meta.c.name == name))
