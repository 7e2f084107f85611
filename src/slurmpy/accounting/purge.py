"""What can be purged of the database, when it is old enough, and its removal: portions, a transaction each.

Rows are looked for in a reader's transaction and removed in one of the writer's, which asks again whether they may go:
between two portions slurmctld's records are written. Nothing goes that a record to come may still speak of: a job goes
when it and all its steps are over, a step or a stretch of suspension when its job is over too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from . import numbering, rollup, schema

if TYPE_CHECKING:
    from slurmpy.core.purge_time import PurgeTime

#: rows that are removed in one transaction
PORTION = 500

Key = tuple[Any, ...]

_job, _step, _pause = schema.jobs, schema.steps, schema.suspensions
_event, _resv, _txn = schema.events, schema.reservations, schema.transactions
_usage, _name, _of_cluster = schema.usage_by_name, schema.usage_names, schema.usage_of_cluster
#: what usage is rolled up from
_COUNTED = (_job, _pause, _event, _resv)


@dataclass(frozen=True)
class Kind:
    """Records that are purged together.

    `parameter` of slurmdbd.conf says when (which other one says whether they are archived: slurmdbd_conf.ARCHIVES);
    `word` sacctmgr's; `object` in the names of files; `begin` the column that a file's first time is of, `end` the one
    that their age counts from; `cluster` the column of the cluster; `over` what must hold besides; `joined` tables that
    these speak of; `remove(connection, keys)` takes rows away.
    """

    parameter: str
    word: str
    object: str
    table: sa.Table
    key: tuple[sa.Column[Any], ...]
    begin: sa.Column[Any]
    end: sa.Column[Any]
    cluster: sa.Column[Any]
    over: tuple[Any, ...]
    remove: Callable[[sa.Connection, Sequence[Key]], None]
    joined: tuple[tuple[sa.Table, Any], ...] = ()

    @property
    def name(self) -> str:
        """Its parameter; usage has two tables."""
        return self.parameter if self.table is not _of_cluster else f"{self.parameter} of clusters"

    def condition(self, cluster: str, until: int) -> Any:
        """Rows of `cluster` that ended before `until`."""
        return sa.and_(self.cluster == cluster, self.end < until, *self.over)

    def source(self) -> Any:
        found: Any = self.table
        for table, on in self.joined:
            found = found.join(table, on)
        return found

    def of_keys(self, keys: Sequence[Key]) -> Any:
        if len(self.key) == 1:
            return self.key[0].in_([key[0] for key in keys])
        return sa.tuple_(*self.key).in_(list(keys))


def _remove_jobs(connection: sa.Connection, keys: Sequence[Key]) -> None:
    """Jobs and what belongs to them: nobody could find it without them."""
    numbers = [key[0] for key in keys]
    steps = [row[0] for row in connection.execute(sa.select(_step.c.db_index).where(_step.c.job_index.in_(numbers)))]
    numbering.note_removed(connection, _step, steps)
    numbering.note_removed(connection, _job, numbers)
    connection.execute(_step.delete().where(_step.c.job_index.in_(numbers)))
    connection.execute(_pause.delete().where(_pause.c.job_index.in_(numbers)))
    connection.execute(schema.job_files.delete().where(schema.job_files.c.job_index.in_(numbers)))
    connection.execute(_job.delete().where(_job.c.db_index.in_(numbers)))


def _remove_steps(connection: sa.Connection, keys: Sequence[Key]) -> None:
    numbers = [key[0] for key in keys]
    numbering.note_removed(connection, _step, numbers)
    connection.execute(_step.delete().where(_step.c.db_index.in_(numbers)))


def _remove_suspensions(connection: sa.Connection, keys: Sequence[Key]) -> None:
    """Stretches of suspension; their jobs keep the sum."""
    numbers = sorted({key[0] for key in keys})
    sums = (
        sa.select(_pause.c.job_index, sa.func.sum(_pause.c.time_end - _pause.c.time_start))
        .where(_pause.c.job_index.in_(numbers), _pause.c.time_end > 0)
        .group_by(_pause.c.job_index)
    )
    for number, seconds in connection.execute(sums).all():
        # the first removal sums up all of them; of what is left later the sum is less
        connection.execute(
            _job.update()
            .where(_job.c.db_index == number, _job.c.time_suspended < int(seconds))
            .values(time_suspended=int(seconds))
        )
    connection.execute(_pause.delete().where(sa.tuple_(*_pause.primary_key).in_(list(keys))))


def _remove_by_key(table: sa.Table) -> Callable[[sa.Connection, Sequence[Key]], None]:
    keys = tuple(table.primary_key)

    def remove(connection: sa.Connection, gone: Sequence[Key]) -> None:
        chosen = keys[0].in_([key[0] for key in gone]) if len(keys) == 1 else sa.tuple_(*keys).in_(list(gone))
        connection.execute(table.delete().where(chosen))

    return remove


def _without(table: sa.Table) -> Any:
    """No row of a job's that has not ended."""
    end = table.c.end_time if table is _step else table.c.time_end
    return ~sa.exists().where(table.c.job_index == _job.c.db_index, end == 0)


_JOB_OVER = (_job.c.end_time > 0,)

#: in the order in which they are purged: what belongs to a job before the job
KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "PurgeEventAfter", "events", "event_table", _event, tuple(_event.primary_key),
            _event.c.start_time, _event.c.end_time, _event.c.cluster, (_event.c.end_time > 0,), _remove_by_key(_event),
        ),
        Kind(
            "PurgeSuspendAfter", "suspend", "suspend_table", _pause, tuple(_pause.primary_key),
            _pause.c.time_start, _pause.c.time_end, _job.c.cluster, (_pause.c.time_end > 0, *_JOB_OVER),
            _remove_suspensions, ((_job, _job.c.db_index == _pause.c.job_index),),
        ),
        Kind(
            "PurgeStepAfter", "steps", "step_table", _step, (_step.c.db_index,),
            _step.c.start_time, _step.c.end_time, _job.c.cluster, (_step.c.end_time > 0, *_JOB_OVER),
            _remove_steps, ((_job, _job.c.db_index == _step.c.job_index),),
        ),
        Kind(
            "PurgeJobAfter", "jobs", "job_table", _job, (_job.c.db_index,),
            _job.c.submit_time, _job.c.end_time, _job.c.cluster, (*_JOB_OVER, _without(_step), _without(_pause)),
            _remove_jobs,
        ),
        Kind(
            "PurgeResvAfter", "reservations", "resv_table", _resv, tuple(_resv.primary_key),
            _resv.c.start_time, _resv.c.end_time, _resv.c.cluster, (_resv.c.end_time > 0,), _remove_by_key(_resv),
        ),
        Kind(
            "PurgeTXNAfter", "txn", "txn_table", _txn, (_txn.c.id,),
            _txn.c.time, _txn.c.time, _txn.c.cluster, (), _remove_by_key(_txn),
        ),
        Kind(
            "PurgeUsageAfter", "usage", "usage_table", _usage, tuple(_usage.primary_key),
            _usage.c.time_start, _usage.c.time_start, _name.c.cluster, (), _remove_by_key(_usage),
            ((_name, _name.c.id == _usage.c.name),),
        ),
        Kind(
            "PurgeUsageAfter", "usage", "cluster_usage_table", _of_cluster,
            tuple(_of_cluster.primary_key), _of_cluster.c.time_start, _of_cluster.c.time_start,
            _of_cluster.c.cluster, (), _remove_by_key(_of_cluster),
        ),
    )
}  # fmt: skip


def old_rows(
    kind: Kind, connection: sa.Connection, cluster: str, until: int, after: Key | None, limit: int = PORTION
) -> list[Key]:
    """Keys of at most `limit` rows that may go, in the order of keys, from behind `after` on."""
    query = sa.select(*kind.key).select_from(kind.source()).where(kind.condition(cluster, until))
    if after is not None:
        query = query.where(_behind(kind.key, after))
    return [tuple(row) for row in connection.execute(query.order_by(*kind.key).limit(limit))]


def _behind(key: Sequence[Any], after: Key) -> Any:
    """``key > after``, written out for databases that find no index for a comparison of rows."""
    found: Any = key[-1] > after[-1]
    for column, value in zip(key[-2::-1], after[-2::-1], strict=True):
        found = sa.or_(column > value, sa.and_(column == value, found))
    return sa.and_(key[0] >= after[0], found) if len(key) > 1 else found


def remove(kind: Kind, connection: sa.Connection, cluster: str, until: int, keys: Sequence[Key]) -> int:
    """Takes away those of `keys` that still may go; how many."""
    query = sa.select(*kind.key).select_from(kind.source()).where(kind.of_keys(keys), kind.condition(cluster, until))
    gone = [tuple(row) for row in connection.execute(query)]
    if gone:
        kind.remove(connection, gone)
        if kind.table in _COUNTED:
            rollup.purged(connection, until)
    return len(gone)


def clusters(kind: Kind, connection: sa.Connection) -> list[str]:
    """The clusters that have such records, also those that the books no longer know."""
    return sorted(row[0] for row in connection.execute(sa.select(kind.cluster).distinct()))


# ---- scripts and environments of jobs, which have ages of their own


def old_files(column: str, connection: sa.Connection, until: int, after: int, limit: int = PORTION) -> list[int]:
    """Jobs (their numbers) over before `until` that have a `column`, ``script`` or ``environment``."""
    files = schema.job_files
    query = (
        sa.select(files.c.job_index)
        .join(_job, _job.c.db_index == files.c.job_index)
        .where(files.c[column] != "", files.c.job_index > after, _job.c.end_time < until, *_JOB_OVER)
        .order_by(files.c.job_index)
        .limit(limit)
    )
    return [row[0] for row in connection.execute(query)]


def remove_files(column: str, connection: sa.Connection, numbers: Sequence[int]) -> None:
    files = schema.job_files
    mine = files.c.job_index.in_(list(numbers))
    connection.execute(files.update().where(mine).values({column: ""}))
    connection.execute(files.delete().where(mine, files.c.script == "", files.c.environment == ""))


#: parameter: column
FILES = {"PurgeJobScriptAfter": "script", "PurgeJobEnvAfter": "environment"}


def due(ages: Mapping[str, PurgeTime | None], marks: Mapping[str, int], starts: Mapping[str, int]) -> Iterator[str]:
    """Parameters of `ages` whose unit has begun since it was last looked at; `starts` are the units' latest starts."""
    for name, age in ages.items():
        if age is not None and marks.get(age.unit, 0) < starts[age.unit]:
            yield name
