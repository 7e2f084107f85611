"""The tables of the database, derived from the records that they hold.

A field of a record is a column of the same name: numbers as they are, text as text, tuples of words joined by commas
(none of these words has a comma), other tuples as JSON. `SCHEMA_VERSION` counts every change of this layout; each has
its revision in `migrations`, and a test holds both ways to the newest layout together.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from slurmpy.core.errors import SlurmError
from slurmpy.core.records import accounting as records
from slurmpy.core.records.base import Record

from .deleted import NAMES

SCHEMA_VERSION = 6

metadata = sa.MetaData()

#: text that is part of a key needs a bound in some databases
KEY_TEXT = 190

#: MariaDB's own words: transactions, all of Unicode, names told apart by case
_MYSQL: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def _text() -> sa.types.TypeEngine[Any]:
    return sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")


def _long_text() -> sa.types.TypeEngine[Any]:
    return sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")


def _table(name: str, *parts: sa.schema.SchemaItem, **more: Any) -> sa.Table:
    made: sa.Table = sa.Table(name, metadata, *parts, **{**_MYSQL, **more})
    return made


def _annotations(record: type[Record]) -> dict[str, str]:
    return {name: kind for name, kind in record.__annotations__.items() if name in record.FIELDS}


def _column(name: str, kind: str, key: bool, default: Any) -> sa.Column[Any]:
    sql: Any
    if kind.startswith("int"):
        sql = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    elif kind.startswith("float"):
        sql = sa.Float(53)
    elif kind == "bool":
        sql = sa.Boolean()
    else:
        sql = sa.String(KEY_TEXT) if key else _text()
    return sa.Column(name, sql, nullable="None" in kind, primary_key=False)


def _columns(record: type[Record], keys: Iterable[str], without: Iterable[str] = ()) -> list[sa.Column[Any]]:
    left_out = set(without)
    return [
        _column(name, kind, name in set(keys), getattr(record, name))
        for name, kind in _annotations(record).items()
        if name not in left_out
    ]


def _number() -> sa.Column[Any]:
    return sa.Column(
        "db_index", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True
    )


# what a query of jobs joins in, or what has a place of its own
_JOB_ELSEWHERE = (
    "db_index", "steps", "association_user", "association_account", "association_partition", "user_cpu_usec",
    "system_cpu_usec", "suspended", "script", "environment", "hold",
)  # fmt: skip

meta = _table("slurmpy_meta", sa.Column("name", sa.String(KEY_TEXT), primary_key=True), sa.Column("value", _text()))

jobs = _table(
    "jobs",
    _number(),
    *_columns(records.DbJob, ("cluster",), _JOB_ELSEWHERE),
    sa.Column("alloc_cpus", sa.Integer(), nullable=False),  # of tres_allocated, to be searched for
    # seconds in all, once stretches of suspension have been purged
    sa.Column(
        "time_suspended", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, server_default="0"
    ),
    # the cluster comes last: nearly all rows are of one, and an index that begins with it would be taken for any query
    sa.UniqueConstraint("job_id", "submit_time", "cluster"),
    sa.Index("jobs_by_stretch", "end_time", "eligible_time"),
    sa.Index("jobs_by_user_and_end", "user_id", "end_time"),
    sa.Index("jobs_by_array", "array_job_id"),
    sa.Index("jobs_by_het", "het_job_id"),
    sqlite_autoincrement=True,
)

job_files = _table(
    "job_files",
    sa.Column("job_index", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("script", _long_text(), nullable=False),
    sa.Column("environment", _long_text(), nullable=False),
)

steps = _table(
    "steps",
    _number(),
    sa.Column("job_index", sa.BigInteger(), nullable=False),
    *_columns(records.DbStep, (), ("suspended", "step_het_comp")),
    sa.Column("step_het_comp", sa.BigInteger(), nullable=False),
    sa.UniqueConstraint("job_index", "step_id", "step_het_comp"),
)

#: stretches of suspension; end 0 while it lasts
suspensions = _table(
    "suspensions",
    sa.Column("job_index", sa.BigInteger(), primary_key=True, autoincrement=False),
    sa.Column("time_start", sa.BigInteger(), primary_key=True, autoincrement=False),
    sa.Column("time_end", sa.BigInteger(), nullable=False),
    sa.Index("suspensions_by_end", "time_end"),
)


def _entity(
    name: str,
    record: type[Record],
    keys: tuple[str, ...],
    without: Iterable[str] = (),
    indexes: Iterable[sa.Index] = (),
) -> sa.Table:
    mark: list[sa.Column[Any]] = []
    if name in NAMES:
        mark.append(sa.Column("deleted", sa.Boolean(), nullable=False, server_default=sa.false()))
    return _table(
        name,
        *_columns(record, keys, without),
        *mark,
        sa.PrimaryKeyConstraint(*keys),
        *indexes,
    )


#: computed from the tree when it is loaded
ASSOC_DERIVED = ("user_id", "parent_id", "lineage", "qos", "default_qos_id")

clusters = _entity("clusters", records.Cluster, ("name",))
accounts = _entity("accounts", records.Account, ("name",))
users = _entity("users", records.User, ("name",), ("default_account", "default_wckey"))
coordinators = _entity("coordinators", records.Coordinator, ("account", "user"), ("direct",))
associations = _entity("associations", records.Association, ("cluster", "id"), ASSOC_DERIVED)
qos = _entity("qos", records.Qos, ("id",))
tres = _entity("tres", records.Tres, ("id",), ("count",))
wckeys = _entity("wckeys", records.Wckey, ("cluster", "id"))
resources = _entity("resources", records.Resource, ("id",))
federations = _entity("federations", records.Federation, ("name",))

events = _entity(
    "events",
    records.Event,
    ("cluster", "node", "start_time", "state"),
    indexes=(sa.Index("events_by_end", "end_time", "start_time"),),
)
reservations = _entity("reservations", records.Reservation, ("cluster", "id", "start_time"))
transactions = _table(
    "transactions",
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
    *_columns(records.Transaction, ("cluster",), ("id",)),
    sa.Index("transactions_by_time", "time"),
)


def _seconds(name: str) -> sa.Column[Any]:
    # seconds times bytes outgrow every whole number that all databases have; below 2^53 these are exact
    return sa.Column(name, sa.Float(53), nullable=False)


#: whose usage it is: what the rows of `usage_by_name` refer to
usage_names = _table(
    "usage_names",
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("cluster", sa.String(KEY_TEXT), nullable=False),
    *(sa.Column(name, _text(), nullable=False) for name in ("account", "user_name", "wckey", "qos")),
)

#: TRES seconds in an hour, a day or a month (`periods`)
usage_by_name = _table(
    "usage_by_name",
    sa.Column("period", sa.Integer(), primary_key=True, autoincrement=False),
    sa.Column("time_start", sa.BigInteger(), primary_key=True, autoincrement=False),
    sa.Column("name", sa.BigInteger(), primary_key=True, autoincrement=False),
    sa.Column("tres", sa.String(KEY_TEXT), primary_key=True),
    _seconds("seconds"),
)

#: what became of a cluster's time in an hour, a day or a month
usage_of_cluster = _table(
    "usage_of_cluster",
    sa.Column("period", sa.Integer(), primary_key=True, autoincrement=False),
    sa.Column("time_start", sa.BigInteger(), primary_key=True, autoincrement=False),
    sa.Column("cluster", sa.String(KEY_TEXT), primary_key=True),
    sa.Column("tres", sa.String(KEY_TEXT), primary_key=True),
    *(_seconds(name) for name in ("allocated", "down", "planned_down", "idle", "planned", "over", "reported")),
)

#: seconds of a reservation that its jobs left unused, by the hour: their sum is its `unused_wall`
usage_of_reservation = _table(
    "usage_of_reservation",
    sa.Column("time_start", sa.BigInteger(), primary_key=True, autoincrement=False),
    sa.Column("cluster", sa.String(KEY_TEXT), primary_key=True),
    sa.Column("id", sa.BigInteger(), primary_key=True, autoincrement=False),
    sa.Column("reservation_start", sa.BigInteger(), primary_key=True, autoincrement=False),
    _seconds("unused"),
)

#: stretches of full hours that have been rolled up, and changed since
rollup_marks = _table(
    "rollup_marks",
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("time_start", sa.BigInteger(), nullable=False),
    sa.Column("time_end", sa.BigInteger(), nullable=False),
)

#: records of a slurmctld that the database did not take, with the reason (`refused`)
refused_records = _table(
    "refused_records",
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("cluster", _text(), nullable=False),
    sa.Column("source", _text(), nullable=False),
    sa.Column("number", sa.BigInteger(), nullable=False),  # of the record, within its source
    sa.Column("time", sa.BigInteger(), nullable=False),
    sa.Column("reason", _text(), nullable=False),
    sa.Column("item", _long_text(), nullable=False),  # JSON
)


# ---- records <-> rows


def storable(text: str) -> str:
    """Text as every database takes it: PostgreSQL knows no NUL, and none of them half a surrogate pair."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\0", "\ufffd")


def _words(value: tuple[str, ...]) -> str:
    return ",".join(value)


def _unwords(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()


def _tuples(text: str) -> tuple[Any, ...]:
    return tuple(tuple(item) if isinstance(item, list) else item for item in json.loads(text)) if text else ()


class Mapper:
    """Between one record class and the columns of its table."""

    def __init__(self, record: type[Record], table: sa.Table) -> None:
        self.record, self.table = record, table
        self.columns = tuple(name for name in record.FIELDS if name in table.c)
        kinds = _annotations(record)
        self._pack: dict[str, Callable[[Any], Any]] = {}
        self._unpack: dict[str, Callable[[Any], Any]] = {}
        for name in self.columns:
            if kinds[name] == "tuple[str, ...]":
                self._pack[name], self._unpack[name] = _words, _unwords
            elif kinds[name].startswith("tuple"):
                self._pack[name], self._unpack[name] = json.dumps, _tuples
        self.defaults = {name: getattr(record, name) for name in self.columns}
        self._keys = tuple(name for name in self.columns if getattr(table.c[name].type, "length", None))

    def row(self, record: Record) -> dict[str, Any]:
        values = {name: getattr(record, name) for name in self.columns}
        for name, pack in self._pack.items():
            values[name] = pack(values[name])
        for name in self._keys:
            if len(values[name]) > KEY_TEXT:
                raise SlurmError("SLURM_ERROR", f"a name of {len(values[name])} characters is too long ({KEY_TEXT})")
        return {name: storable(value) if isinstance(value, str) else value for name, value in values.items()}

    def load(self, row: Iterable[Any]) -> Record:
        """The record of a row whose values stand in the order of `columns`."""
        record = self.record.__new__(self.record)
        fields = record.__dict__
        for name, value in zip(self.columns, row, strict=True):
            unpack = self._unpack.get(name)
            if unpack is not None:
                value = unpack(value)
            if value != self.defaults[name]:
                fields[name] = value
        return record

    def select(self) -> sa.Select[Any]:
        return sa.select(*(self.table.c[name] for name in self.columns))


MAPPERS: dict[str, Mapper] = {
    "clusters": Mapper(records.Cluster, clusters),
    "accounts": Mapper(records.Account, accounts),
    "users": Mapper(records.User, users),
    "coordinators": Mapper(records.Coordinator, coordinators),
    "associations": Mapper(records.Association, associations),
    "qos": Mapper(records.Qos, qos),
    "tres": Mapper(records.Tres, tres),
    "wckeys": Mapper(records.Wckey, wckeys),
    "resources": Mapper(records.Resource, resources),
    "federations": Mapper(records.Federation, federations),
}
