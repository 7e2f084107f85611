"""The database's layout from one release to the next: one revision a change, applied in order by Alembic.

Revision ``0007`` leaves schema 7: `slurmpy_meta` has that number beside Alembic's own mark, so that an up-to-date
database is opened without Alembic, and that a release which is older than the database refuses it. A revision is never
changed once it has been released; it says all that it needs itself and does not look at `schema`, which has moved on.

SQLite and PostgreSQL take a whole upgrade in one transaction. MariaDB commits after every statement, so each step of a
revision looks first whether it has been done (`steps`): an upgrade that was interrupted goes on when it is started
again.
"""

from __future__ import annotations

import os
from typing import Any

import sqlalchemy as sa

#: of a database of the first release, which Alembic has not marked yet
FIRST = "0001"

marks = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), primary_key=True),
    mysql_engine="InnoDB",
)
meta = sa.table("slurmpy_meta", sa.column("name"), sa.column("value"))


def revision_of(schema_version: int) -> str:
    return f"{schema_version:04}"


def mark(connection: sa.Connection, schema_version: int) -> None:
    """Notes the schema that the tables have now, for both readers of it."""
    marks.create(connection, checkfirst=True)
    connection.execute(marks.delete())
    connection.execute(marks.insert().values(version_num=revision_of(schema_version)))
    connection.execute(meta.delete().where(meta.c.name == "schema"))
    connection.execute(meta.insert().values(name="schema", value=str(schema_version)))


def upgrade(connection: sa.Connection, target: str = "head") -> None:
    """Brings the database from the revision that it has to `target`, in the caller's transaction."""
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", os.path.dirname(__file__).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)

    tables = sa.inspect(connection).get_table_names()
    if marks.name not in tables and meta.name in tables and _schema(connection):
        mark(connection, int(FIRST))

    def steps(revision: Any, context: Any) -> Any:
        return scripts._upgrade_revs(target, revision)

    def applied(ctx: Any, step: Any, heads: Any, run_args: Any) -> None:
        connection.execute(meta.delete().where(meta.c.name == "schema"))
        connection.execute(meta.insert().values(name="schema", value=str(int(step.up_revision_id))))

    with EnvironmentContext(config, scripts, fn=steps, destination_rev=target) as environment:
        environment.configure(connection=connection, transactional_ddl=True, on_version_apply=applied)
        environment.run_migrations()


def _schema(connection: sa.Connection) -> int:
    """The number in `slurmpy_meta`; 0 while the tables are being made."""
    found = connection.execute(sa.select(meta.c.value).where(meta.c.name == "schema")).scalar()
    return int(found or 0)
