"""What slurmctld reports about jobs, steps, nodes and reservations: merged into rows, a batch a transaction.

`Recorder` fetches the rows that a batch concerns, merges (`merging`), and writes back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from slurmpy.rpc.dbd_messages import KINDS
from slurmpy.rpc.log import log

from . import numbering, rollup_marks, schema, tres_text
from .bulk import BulkWriter
from .merging import FINISHED, NO_HET, Item, Row, column_value, merge_job, merge_step
from .refused import RefusedRecord
from .rollup_marks import FOREVER, Marks, Stretch

JobKey = tuple[str, int, int]  # cluster, job, time of submission
StepKey = tuple[int, int, int]  # db_index of the job, step, component

#: jobs, and steps, under way that are remembered
CACHE_ROWS = 10_000
#: values in one IN (...): what every database takes
_AT_ONCE = 500

_CANCELLED = 4
#: parts of keys
_KEYS = ("job_id", "submit_time", "step_id")


def check_item(item: Any) -> None:
    """Raises RefusedRecord for an item that no slurmctld of ours sends."""
    if not isinstance(item, dict) or (item.get("kind") not in KINDS and item.get("kind") not in _SINGLE):
        raise RefusedRecord("records: an item of unknown kind")
    for name in KINDS[item["kind"]][0] if item["kind"] in KINDS else ():
        if name not in item:
            raise RefusedRecord(f"records: {item['kind']} without {name}")
        if name in _KEYS and type(item[name]) is not int:
            raise RefusedRecord(f"records: {name} of a {item['kind']} is no number")


class _Remembered:
    """Rows that have not ended yet, by key: what ends them need not be read back. Rows are kept as tuples, in a fifth
    of the room of dictionaries."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names, self._pick = names, itemgetter(*names)
        self._rows: dict[Any, tuple[Any, ...]] = {}

    def get(self, key: Any) -> Row | None:
        found = self._rows.get(key)
        return None if found is None else dict(zip(self.names, found, strict=True))

    def take(self, rows: Iterable[tuple[Any, Row]]) -> None:
        for key, row in rows:
            if row["end_time"]:
                self._rows.pop(key, None)
            else:
                self._rows[key] = self._pick(row)
        if len(self._rows) > CACHE_ROWS:
            self._rows.clear()

    def clear(self) -> None:
        self._rows.clear()


class Recorder:
    """Writes batches of items; used in the writer's thread only.

    `wckey_id(connection, cluster, user, wckey)` gives the id of a job's WCKey (0: none), making it if it is new.
    `marks` are told of what changes in hours that are rolled up.
    """

    def __init__(self, wckey_id: Callable[[sa.Connection, str, str, str], int], marks: Marks | None = None) -> None:
        self._wckey_id = wckey_id
        self.marks = marks or Marks()
        self.jobs = _Remembered(tuple(schema.jobs.c.keys()))
        self.steps = _Remembered(tuple(schema.steps.c.keys()))
        self._next: dict[str, int] = {}
        self._top: int | None = None
        self._bulk: dict[str, BulkWriter] = {}
        job, step = schema.jobs.c, schema.steps.c
        self.find_jobs = sa.select(schema.jobs).where(job.job_id.in_(sa.bindparam("ids", expanding=True)))
        self.find_steps = sa.select(schema.steps).where(
            step.job_index.in_(sa.bindparam("jobs", expanding=True)),
            step.step_id.in_(sa.bindparam("ids", expanding=True)),
        )

    def write(self, connection: sa.Connection, cluster: str, items: Sequence[Item]) -> None:
        """All of `items`, in the caller's transaction. Raises SlurmError; then nothing of the batch stays."""
        for item in items:
            check_item(item)
        try:
            began = 0
            for at, item in enumerate(items):
                if item["kind"] == "flush_jobs":  # what comes after it must not find what it ends
                    _Batch(self, connection, cluster).run(items[began:at])
                    end_open_jobs(connection, cluster, int(item["time"]))
                    self.marks.note(connection, [(int(item["time"]), FOREVER)])
                    self.forget()
                    began = at + 1
            _Batch(self, connection, cluster).run(items[began:])
        except BaseException:
            self.forget()
            raise

    def forget(self) -> None:
        """Drops what is remembered of the database (after a transaction that was rolled back)."""
        self.jobs.clear()
        self.steps.clear()
        self._next.clear()
        self._top = None

    # -- for _Batch ----------------------------------------------------------------------------------------------

    def new_index(self, connection: sa.Connection, table: sa.Table) -> int:
        if table.name not in self._next:
            self._next[table.name] = numbering.highest(connection, table)
        self._next[table.name] += 1
        return self._next[table.name]

    def top(self, connection: sa.Connection) -> int:
        """The highest job id of all clusters in the database: those above it need not be looked for there."""
        if self._top is None:
            self._top = int(connection.execute(sa.select(sa.func.max(schema.jobs.c.job_id))).scalar() or 0)
        return self._top

    def put_jobs(self, numbers: Sequence[int]) -> None:
        """Jobs of these ids have been written."""
        if self._top is not None:
            self._top = max((self._top, *numbers))

    def bulk(self, connection: sa.Connection, table: sa.Table) -> BulkWriter:
        if table.name not in self._bulk:
            self._bulk[table.name] = BulkWriter(table, connection.dialect)
        return self._bulk[table.name]


class _Batch:
    """One transaction: rows by key, as they were found and as they become."""

    def __init__(self, recorder: Recorder, connection: sa.Connection, cluster: str) -> None:
        self.recorder, self.connection, self.cluster = recorder, connection, cluster
        #: as they are in the database
        self.old_jobs: dict[JobKey, Row] = {}
        self.old_steps: dict[StepKey, Row] = {}
        #: as they are to be; only what is new or changed
        self.jobs: dict[JobKey, Row] = {}
        self.steps: dict[StepKey, Row] = {}
        self.files: dict[int, Row] = {}
        #: when something but a job's own row changed
        self.changed: list[Stretch | None] = []

    def run(self, items: Sequence[Item]) -> None:
        self._find_jobs(items)
        self._find_steps(items)
        for item in items:
            kind = item["kind"]
            if kind.startswith("job_"):
                self._job(item)
            elif kind.startswith("step_"):
                self._step(item)
            elif kind == "suspend":
                self._suspend(item)
            else:
                self.changed.append(_SINGLE[kind](self.connection, self.cluster, item))
        self._flush()

    # -- what is there already -----------------------------------------------------------------------------------

    def _key(self, item: Item) -> JobKey:
        return self.cluster, item["job_id"], item["submit_time"]

    def _find_jobs(self, items: Sequence[Item]) -> None:
        """The rows of all jobs that the batch speaks of, in one go."""
        remembered, unknown = self.recorder.jobs, set()
        for key in {self._key(item) for item in items if "job_id" in item}:
            row = remembered.get(key)
            if row is not None:
                self.old_jobs[key] = row
            else:
                unknown.add(key)
        top = self.recorder.top(self.connection) if unknown else 0
        numbers = sorted({key[1] for key in unknown if key[1] <= top})
        for start in range(0, len(numbers), _AT_ONCE):
            found = self.connection.execute(self.recorder.find_jobs, {"ids": numbers[start : start + _AT_ONCE]})
            for values in found:
                row = dict(zip(remembered.names, values, strict=True))
                key = (row["cluster"], row["job_id"], row["submit_time"])
                if key in unknown:
                    self.old_jobs[key] = row

    def _find_steps(self, items: Sequence[Item]) -> None:
        remembered, unknown = self.recorder.steps, set()
        for item in items:
            if item["kind"].startswith("step_") and (job := self.old_jobs.get(self._key(item))) is not None:
                key = _step_key(job["db_index"], item)
                row = remembered.get(key)
                if row is not None:
                    self.old_steps[key] = row
                else:
                    unknown.add(key)
        jobs = sorted({key[0] for key in unknown})
        for start in range(0, len(jobs), _AT_ONCE):
            some = set(jobs[start : start + _AT_ONCE])
            numbers = sorted({key[1] for key in unknown if key[0] in some})
            for at in range(0, len(numbers), _AT_ONCE):
                bounds = {"jobs": sorted(some), "ids": numbers[at : at + _AT_ONCE]}
                for values in self.connection.execute(self.recorder.find_steps, bounds):
                    row = dict(zip(remembered.names, values, strict=True))
                    self.old_steps[(row["job_index"], row["step_id"], row["step_het_comp"])] = row

    # -- jobs ----------------------------------------------------------------------------------------------------

    def _put_job(self, key: JobKey, row: Row) -> Row:
        if "db_index" not in row:
            row["db_index"] = self.recorder.new_index(self.connection, schema.jobs)
        self.jobs[key] = row
        return row

    def _job(self, item: Item) -> None:
        key = self._key(item)
        before = self.jobs.get(key) or self.old_jobs.get(key)
        row = merge_job(before, item, self.cluster)
        if row["wckey"] and not row["wckey_id"]:
            row["wckey_id"] = self.recorder._wckey_id(self.connection, self.cluster, row["user_name"], row["wckey"])
        if before is None or row != before:
            row = self._put_job(key, row)
            if row["container"] and (before is None or not before["container"]):
                log.info(f"{self.cluster}: JobId={row['job_id']} container={row['container']}")
        if item.get("script") or item.get("environment"):
            self.files[row["db_index"]] = {
                "job_index": row["db_index"],
                "script": _text(item.get("script")),
                "environment": _text(item.get("environment")),
            }

    def _job_of(self, item: Item) -> Row:
        key = self._key(item)
        row = self.jobs.get(key) or self.old_jobs.get(key)
        if row is None:
            # its start is still to come (or was lost with an older life of slurmctld): keep what we are told
            start = {"kind": "job_start", "job_id": key[1], "submit_time": key[2], "job_state": 1}
            row = self._put_job(key, merge_job(None, start, self.cluster))
        return row

    def _suspend(self, item: Item) -> None:
        job = self._job_of(item)
        table = schema.suspensions
        start = int(item["start"])
        mine = (table.c.job_index == job["db_index"]) & (table.c.time_start == start)
        end = int(item.get("end") or 0)
        before = self.connection.execute(sa.select(table.c.time_end).where(mine)).scalar()
        if before is None:
            self.connection.execute(table.insert().values(job_index=job["db_index"], time_start=start, time_end=end))
            self.changed.append((start, end or FOREVER))
        elif (not before and end) or end > before or (before == start and not end):
            # one of no length may go on: resumed and suspended again within the second
            self.connection.execute(table.update().where(mine).values(time_end=end))
            self.changed.append((min(before or FOREVER, end or FOREVER), FOREVER))
        state = column_value("job_state", item.get("job_state"), int)
        if state is not None and not job["end_time"] and job["job_state"] != state:
            self._put_job(self._key(item), {**job, "job_state": state})

    # -- steps ---------------------------------------------------------------------------------------------------

    def _step(self, item: Item) -> None:
        job = self._job_of(item)
        key = _step_key(job["db_index"], item)
        row = self.steps.get(key) or self.old_steps.get(key)
        merged = merge_step(row, item)
        if "db_index" not in merged:
            merged["db_index"] = self.recorder.new_index(self.connection, schema.steps)
            merged["job_index"] = job["db_index"]
        elif merged == row:
            return
        self.steps[key] = merged

    # -- writing -------------------------------------------------------------------------------------------------

    def _flush(self) -> None:
        bulk = self.recorder.bulk
        bulk(self.connection, schema.jobs).write(self.connection, _pairs(self.old_jobs, self.jobs))
        bulk(self.connection, schema.steps).write(self.connection, _pairs(self.old_steps, self.steps))
        if self.files:
            kept = schema.job_files
            self.connection.execute(kept.delete().where(kept.c.job_index.in_(list(self.files))))
            self.connection.execute(kept.insert(), list(self.files.values()))
        self.changed += [rollup_marks.of_job(self.old_jobs.get(key), row) for key, row in self.jobs.items()]
        self.recorder.marks.note(self.connection, self.changed)
        self.recorder.put_jobs([key[1] for key in self.jobs])
        self.recorder.jobs.take(self.jobs.items())
        self.recorder.steps.take(self.steps.items())


def _step_key(job_index: int, item: Item) -> StepKey:
    het = item.get("step_het_comp")
    return job_index, item["step_id"], NO_HET if het is None else int(het)


def _pairs(old: Mapping[Any, Row], new: Mapping[Any, Row]) -> Iterator[tuple[Row | None, Row]]:
    return ((old.get(key), row) for key, row in new.items())


# ---- nodes, the cluster's size, reservations


def _text(value: Any) -> str:
    return schema.storable(str(value or ""))


def _node_down(connection: sa.Connection, cluster: str, item: Item) -> Stretch | None:
    table = schema.events
    name = _text(item["node"])
    node = (table.c.cluster == cluster) & (table.c.node == name)
    start, end = int(item["start"]), int(item.get("end") or 0)
    values = {
        "end_time": end,
        "state": int(item.get("state") or 0),
        "reason": _text(item.get("reason")),
        "user_id": column_value("user_id", item.get("user_id"), int),
        "user_name": _text(item.get("user_name")),
        "tres": column_value("tres_allocated", item.get("tres") or "", str),
    }
    event = sa.select(table.c.end_time, table.c.state, table.c.tres).where(node & (table.c.start_time == start))
    row = connection.execute(event).first()
    if row is None:
        # one stretch at a time: a change of state or reason ends the one before, at its start if the clock went back
        connection.execute(
            table.update().where(node & (table.c.end_time == 0)).values(end_time=_not_before(table.c.start_time, start))
        )
        connection.execute(
            table.insert().values(cluster=cluster, node=name, cluster_nodes="", start_time=start, **values)
        )
        return start, FOREVER
    before = row.end_time
    if before and not (before == start and not end):  # up and down again within the second: it goes on
        return None
    connection.execute(table.update().where(node & (table.c.start_time == start)).values(**values))
    same = (row.state, row.tres) == (values["state"], values["tres"])
    return rollup_marks.of_stretch((start, before), (start, end), same)


def _node_up(connection: sa.Connection, cluster: str, item: Item) -> Stretch:
    table = schema.events
    connection.execute(
        table.update()
        .where(
            table.c.cluster == cluster,
            table.c.node == _text(item["node"]),
            table.c.end_time == 0,
        )
        .values(end_time=_not_before(table.c.start_time, int(item["end"])))
    )
    return int(item["end"]), FOREVER


def _cluster_tres(connection: sa.Connection, cluster: str, item: Item) -> Stretch | None:
    table = schema.events
    mine = (table.c.cluster == cluster) & (table.c.node == "")
    now, tres, nodes = int(item["time"]), tres_text.canonical(_text(item["tres"])), _text(item["nodes"])
    last = connection.execute(
        sa.select(table.c.start_time, table.c.end_time, table.c.tres, table.c.cluster_nodes)
        .where(mine & (table.c.state == 0))
        .order_by(table.c.start_time.desc())
        .limit(1)
    ).first()
    if last is not None:
        if last.start_time >= now or (not last.end_time and (last.tres, last.cluster_nodes) == (tres, nodes)):
            return None
        open_one = mine & (table.c.state == 0) & (table.c.end_time == 0)
        connection.execute(table.update().where(open_one).values(end_time=now))
    connection.execute(
        table.insert().values(
            cluster=cluster,
            node="",
            cluster_nodes=nodes,
            start_time=now,
            end_time=0,
            state=0,
            reason="Cluster Registered TRES",
            user_id=None,
            user_name="",
            tres=tres,
        )
    )
    return now, FOREVER


def _cluster_down(connection: sa.Connection, cluster: str, item: Item) -> Stretch:
    """slurmctld has gone (TrackSlurmctldDown)."""
    table = schema.events
    mine = (table.c.cluster == cluster) & (table.c.node == "")
    start = int(item["start"])
    taken = sa.select(table.c.start_time).where(
        mine & (table.c.state != 0) & ((table.c.start_time == start) | (table.c.end_time == 0))
    )
    if connection.execute(taken).first() is None:
        connection.execute(
            table.insert().values(
                cluster=cluster,
                node="",
                cluster_nodes="",
                start_time=start,
                end_time=0,
                state=1,
                reason="slurmctld disconnect",
                user_id=None,
                user_name="",
                tres=column_value("tres_allocated", item["tres"], str),
            )
        )
    return start, FOREVER


def _cluster_up(connection: sa.Connection, cluster: str, item: Item) -> Stretch | None:
    table = schema.events
    mine = (table.c.cluster == cluster) & (table.c.node == "") & (table.c.state != 0) & (table.c.end_time == 0)
    found = connection.execute(table.update().where(mine).values(end_time=item["end"]))
    return (int(item["end"]), FOREVER) if found.rowcount else None


def _reservation(connection: sa.Connection, cluster: str, item: Item) -> Stretch | None:
    table = schema.reservations
    number, start = int(item["id"]), int(item["start_time"])
    mine = (table.c.cluster == cluster) & (table.c.id == number) & (table.c.start_time == start)
    values: Row = {}
    for name in ("name", "nodes", "comment"):
        if name in item:
            values[name] = _text(item[name])
    if "associations" in item:
        given = item["associations"]
        values["associations"] = _text(given if isinstance(given, str) else ",".join(str(one) for one in given))
    if "tres" in item:
        values["tres"] = column_value("tres_allocated", item["tres"] or "", str)
    if "flags" in item:
        values["flags"] = _text(",".join(item["flags"]))
    if "end_time" in item:
        values["end_time"] = int(item["end_time"])
    if item.get("removed_at"):
        values["end_time"] = int(item["removed_at"])
    row = connection.execute(sa.select(table).where(mine)).first()
    start = int(item["start_time"])
    if row is not None:
        connection.execute(table.update().where(mine).values(**values))
        old, new = row._mapping, {**row._mapping, **values}
        same = all(old[name] == new[name] for name in ("name", "tres", "flags", "associations"))
        return rollup_marks.of_stretch((start, old["end_time"]), (start, new["end_time"]), same)
    blank = {"name": "", "nodes": "", "comment": "", "associations": "", "tres": "", "flags": "", "end_time": 0}
    connection.execute(
        table.insert().values(cluster=cluster, id=number, start_time=start, unused_wall=0.0, **{**blank, **values})
    )
    return rollup_marks.of_stretch(None, (start, int(values.get("end_time", 0))), True)


#: kinds that concern neither jobs nor steps; they return when the cluster's time counts otherwise than before
_SINGLE: dict[str, Callable[[sa.Connection, str, Item], Stretch | None]] = {
    "node_down": _node_down,
    "node_up": _node_up,
    "cluster_tres": _cluster_tres,
    "cluster_down": _cluster_down,
    "cluster_up": _cluster_up,
    "reservation": _reservation,
}


def end_open_jobs(connection: sa.Connection, cluster: str, when: int) -> None:
    """Ends all jobs and steps that are open, as real slurmdbd does for a slurmctld that starts without a state."""
    job, step, pause = schema.jobs, schema.steps, schema.suspensions
    open_jobs = sa.select(job.c.db_index).where(job.c.cluster == cluster, job.c.end_time == 0)
    pauses = pause.update().where(pause.c.job_index.in_(open_jobs), pause.c.time_end == 0)
    connection.execute(pauses.values(time_end=_not_before(pause.c.time_start, when)))
    steps = step.update().where(step.c.job_index.in_(open_jobs), step.c.end_time == 0)
    connection.execute(steps.values(job_state=_CANCELLED, end_time=_not_before(step.c.start_time, when)))
    jobs = job.update().where(job.c.cluster == cluster, job.c.end_time == 0)
    connection.execute(jobs.values(job_state=_CANCELLED, end_time=_not_before(job.c.start_time, when)))


def _not_before(start: Any, when: int) -> Any:
    return sa.case((start > when, start), else_=when)


def close_open_jobs(
    connection: sa.Connection, cluster: str, indexes: Sequence[int], now: int | None = None
) -> int | None:
    """Ends runaway jobs: those that the database holds open and the cluster does not know (`sacctmgr show runaway`).

    Returns the earliest of the ends, None if there was nothing to end."""
    when = int(now if now is not None else time.time())
    job = schema.jobs
    # the latest of the start, the eligible and the submit time, as Slurm has it
    latest = sa.case((job.c.eligible_time > job.c.submit_time, job.c.eligible_time), else_=job.c.submit_time)
    end = sa.case((job.c.start_time > latest, job.c.start_time), (latest > 0, latest), else_=when)
    mine = (job.c.cluster == cluster) & job.c.db_index.in_(list(indexes)) & (job.c.end_time == 0)
    earliest = connection.execute(sa.select(sa.func.min(end)).where(mine)).scalar()
    connection.execute(job.update().where(mine).values(job_state=FINISHED, end_time=end))
    return None if earliest is None else int(earliest)
