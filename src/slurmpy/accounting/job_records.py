"""What slurmctld reports about jobs, steps, nodes and reservations: merged into rows, a batch a transaction.

Merging is pure (`merge_job`, `merge_step`): a row as it was and an item give the row as it is, whatever was repeated
and in whatever order a job's start and end arrive. `Recorder` fetches the rows that a batch concerns, merges, and
writes back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from slurmpy.core.errors import SlurmError
from slurmpy.rpc.dbd_messages import JOB_FIELDS, KINDS, STEP_FIELDS

from . import schema, tres_text

Row = dict[str, Any]
Item = Mapping[str, Any]

#: rows of jobs that were touched lately, so that a job's end need not read its start back
CACHE_ROWS = 20_000

_FINISHED = 3  # the first base state that is an end
_CANCELLED = 4
_NO_HET = -1

_JOB = schema.Mapper(schema.records.DbJob, schema.jobs)
_STEP = schema.Mapper(schema.records.DbStep, schema.steps)
_JOB_NAMES = tuple(name for name in _JOB.columns if name != "db_index")
_JOB_DEFAULTS = {name: _JOB.defaults[name] for name in _JOB_NAMES} | {"flags": "", "alloc_cpus": 0}
_STEP_DEFAULTS = dict(_STEP.defaults)
_JOB_COLUMNS = frozenset(JOB_FIELDS) & frozenset(_JOB.columns) - {"job_id", "submit_time"}
_STEP_COLUMNS = frozenset(STEP_FIELDS) & frozenset(_STEP.columns) - {"step_id", "step_het_comp"}
_TRES_COLUMNS = ("tres_requested", "tres_allocated")

#: what a job's end decides: a start that arrives after it does not change these
_END_DECIDES = frozenset(
    (
        "job_state",
        "end_time",
        "exit_code",
        "derived_exit_code",
        "failed_node",
        "kill_request_user",
        "kill_request_user_id",
    )
)


def check_item(item: Any) -> None:
    """Raises SlurmError for an item that no slurmctld of ours sends."""
    if not isinstance(item, dict) or (item.get("kind") not in KINDS and item.get("kind") not in _SINGLE):
        raise SlurmError("SLURM_ERROR", "records: an item of unknown kind")
    for name in KINDS[item["kind"]][0] if item["kind"] in KINDS else ():
        if name not in item:
            raise SlurmError("SLURM_ERROR", f"records: {item['kind']} without {name}")


def _value(name: str, value: Any) -> Any:
    if isinstance(value, tuple):
        value = ",".join(value)
    if isinstance(value, str):
        value = schema.storable(value)
    if name in _TRES_COLUMNS and value:
        try:
            return tres_text.canonical(value)
        except ValueError:
            return ""
    return value


def merge_job(row: Row | None, item: Item, cluster: str) -> Row:
    """The row of a job after a job_start or job_complete."""
    if row is None:
        merged: Row = {
            **_JOB_DEFAULTS,
            "cluster": cluster,
            "job_id": item["job_id"],
            "submit_time": item["submit_time"],
        }
        ended = False
    else:
        merged = dict(row)
        ended = merged["job_state"] & 0xFF >= _FINISHED or merged["end_time"] > 0
    late_start = ended and item["kind"] == "job_start"
    for name, value in item.items():
        if name not in _JOB_COLUMNS:
            continue
        if late_start and (name in _END_DECIDES or merged[name] != _JOB_DEFAULTS[name]):
            continue
        if value is None and _JOB_DEFAULTS[name] is not None:
            continue
        merged[name] = _value(name, value)
    merged["alloc_cpus"] = tres_text.parse(merged["tres_allocated"]).get("cpu", 0)
    return merged


def merge_step(row: Row | None, item: Item) -> Row:
    """The row of a step after a step_start or step_complete."""
    if row is None:
        merged: Row = {
            **_STEP_DEFAULTS,
            "step_id": item["step_id"],
            "step_het_comp": _NO_HET if item.get("step_het_comp") is None else item["step_het_comp"],
        }
        ended = False
    else:
        merged = dict(row)
        ended = merged["end_time"] > 0
    late_start = ended and item["kind"] == "step_start"
    for name, value in item.items():
        if name not in _STEP_COLUMNS:
            continue
        if late_start and (name in _END_DECIDES or merged[name] != _STEP_DEFAULTS[name]):
            continue
        if value is None and _STEP_DEFAULTS[name] is not None:
            continue
        merged[name] = _value(name, value)
    return merged


class Recorder:
    """Writes batches of items; used in the writer's thread only.

    `wckey_id(connection, cluster, user, wckey)` gives the id of a job's WCKey (0: none), making it if it is new.
    """

    def __init__(self, wckey_id: Callable[[sa.Connection, str, str, str], int]) -> None:
        self._wckey_id = wckey_id
        self._jobs: dict[tuple[str, int, int], Row] = {}
        self._next_job = self._next_step = 0
        job, step = schema.jobs, schema.steps
        self._find_job = sa.select(*(job.c[name] for name in ("db_index", "alloc_cpus", *_JOB_NAMES))).where(
            job.c.cluster == sa.bindparam("k_cluster"),
            job.c.job_id == sa.bindparam("k_job"),
            job.c.submit_time == sa.bindparam("k_submit"),
        )
        self._find_step = sa.select(*(step.c[n] for n in ("db_index", "job_index", *_STEP.columns))).where(
            step.c.job_index == sa.bindparam("k_job"),
            step.c.step_id == sa.bindparam("k_step"),
            step.c.step_het_comp == sa.bindparam("k_het"),
        )
        self._update_job = sa.update(job).where(job.c.db_index == sa.bindparam("k_index"))
        self._update_step = sa.update(step).where(step.c.db_index == sa.bindparam("k_index"))

    def write(self, connection: sa.Connection, cluster: str, items: Sequence[Item]) -> None:
        """All of `items`, in the caller's transaction. Raises SlurmError; then nothing of the batch stays."""
        for item in items:
            check_item(item)
        try:
            _Batch(self, connection, cluster).run(items)
        except BaseException:
            self.forget()
            raise

    def forget(self) -> None:
        """Drops what is remembered of the database (after a transaction that was rolled back)."""
        self._jobs.clear()
        self._next_job = self._next_step = 0

    # -- for _Batch ----------------------------------------------------------------------------------------------

    def new_job_index(self, connection: sa.Connection) -> int:
        if not self._next_job:
            self._next_job = (connection.execute(sa.select(sa.func.max(schema.jobs.c.db_index))).scalar() or 0) + 1
        self._next_job += 1
        return self._next_job - 1

    def new_step_index(self, connection: sa.Connection) -> int:
        if not self._next_step:
            self._next_step = (connection.execute(sa.select(sa.func.max(schema.steps.c.db_index))).scalar() or 0) + 1
        self._next_step += 1
        return self._next_step - 1

    def cached(self, key: tuple[str, int, int]) -> Row | None:
        return self._jobs.get(key)

    def remember(self, rows: Mapping[tuple[str, int, int], Row]) -> None:
        if len(self._jobs) + len(rows) > CACHE_ROWS:
            self._jobs.clear()
        for key, row in rows.items():
            if row["end_time"]:
                self._jobs.pop(key, None)
            else:
                self._jobs[key] = row


class _Batch:
    """One transaction: rows by key, as they were found and as they become."""

    def __init__(self, recorder: Recorder, connection: sa.Connection, cluster: str) -> None:
        self.recorder, self.connection, self.cluster = recorder, connection, cluster
        self._begin()

    def _begin(self) -> None:
        self.jobs: dict[tuple[str, int, int], Row] = {}
        self.new_jobs: set[int] = set()
        self.changed_jobs: set[tuple[str, int, int]] = set()
        self.steps: dict[tuple[int, int, int], Row] = {}
        self.new_steps: set[int] = set()
        self.files: dict[int, Row] = {}

    def run(self, items: Sequence[Item]) -> None:
        for item in items:
            kind = item["kind"]
            if kind.startswith("job_"):
                self._job(item)
            elif kind.startswith("step_"):
                self._step(item)
            elif kind == "suspend":
                self._suspend(item)
            elif kind == "flush_jobs":
                self._end_all(int(item["time"]))
            else:
                _SINGLE[kind](self.connection, self.cluster, item)
        self._flush()

    # -- jobs ----------------------------------------------------------------------------------------------------

    def _existing_job(self, key: tuple[str, int, int]) -> Row | None:
        row = self.jobs.get(key) or self.recorder.cached(key)
        if row is None:
            found = self.connection.execute(
                self.recorder._find_job, {"k_cluster": key[0], "k_job": key[1], "k_submit": key[2]}
            ).first()
            row = dict(found._mapping) if found is not None else None
        return row

    def _put_job(self, key: tuple[str, int, int], row: Row) -> Row:
        if "db_index" not in row:
            row["db_index"] = self.recorder.new_job_index(self.connection)
            self.new_jobs.add(row["db_index"])
        self.jobs[key] = row
        self.changed_jobs.add(key)
        return row

    def _job(self, item: Item) -> None:
        key = (self.cluster, item["job_id"], item["submit_time"])
        before = self._existing_job(key)
        row = merge_job(before, item, self.cluster)
        if row["wckey"] and not row["wckey_id"]:
            row["wckey_id"] = self.recorder._wckey_id(self.connection, self.cluster, row["user_name"], row["wckey"])
        if before is None or row != before:
            row = self._put_job(key, row)
        if item.get("script") or item.get("environment"):
            self.files[row["db_index"]] = {
                "job_index": row["db_index"],
                "script": item.get("script") or "",
                "environment": item.get("environment") or "",
            }

    def _job_of(self, item: Item) -> Row:
        key = (self.cluster, item["job_id"], item["submit_time"])
        row = self._existing_job(key)
        if row is None:
            # its start is still to come (or was lost with an older life of slurmctld): keep what we are told
            start = {"kind": "job_start", "job_id": key[1], "submit_time": key[2], "job_state": 1}
            row = self._put_job(key, merge_job(None, start, self.cluster))
        else:
            self.jobs.setdefault(key, row)
        return row

    def _suspend(self, item: Item) -> None:
        job = self._job_of(item)
        table = schema.suspensions
        mine = (table.c.job_index == job["db_index"]) & (table.c.time_start == item["start"])
        end = int(item.get("end") or 0)
        before = self.connection.execute(sa.select(table.c.time_end).where(mine)).scalar()
        if before is None:
            self.connection.execute(
                table.insert().values(job_index=job["db_index"], time_start=item["start"], time_end=end)
            )
        elif (not before and end) or end > before or (before == item["start"] and not end):
            # one of no length may go on: resumed and suspended again within the second
            self.connection.execute(table.update().where(mine).values(time_end=end))
        state = item.get("job_state")
        if state is not None and not job["end_time"] and job["job_state"] != state:
            key = (self.cluster, item["job_id"], item["submit_time"])
            self._put_job(key, {**job, "job_state": state})

    def _end_all(self, when: int) -> None:
        """What is open ends as cancelled at `when`, or at its start if that was later: waiting jobs never started."""
        self._flush()
        end_open_jobs(self.connection, self.cluster, when)
        self.recorder.forget()  # what it remembers are open jobs only
        self._begin()

    # -- steps ---------------------------------------------------------------------------------------------------

    def _step(self, item: Item) -> None:
        job = self._job_of(item)
        het = item.get("step_het_comp")
        key = (job["db_index"], item["step_id"], _NO_HET if het is None else het)
        row = self.steps.get(key)
        if row is None and job["db_index"] not in self.new_jobs:
            found = self.connection.execute(
                self.recorder._find_step, {"k_job": key[0], "k_step": key[1], "k_het": key[2]}
            ).first()
            row = dict(found._mapping) if found is not None else None
        merged = merge_step(row, item)
        if "db_index" not in merged:
            merged["db_index"] = self.recorder.new_step_index(self.connection)
            merged["job_index"] = job["db_index"]
            self.new_steps.add(merged["db_index"])
        elif merged == row:
            return
        self.steps[key] = merged

    # -- writing -------------------------------------------------------------------------------------------------

    def _flush(self) -> None:
        execute = self.connection.execute
        fresh = [self.jobs[key] for key in self.changed_jobs if self.jobs[key]["db_index"] in self.new_jobs]
        if fresh:
            execute(schema.jobs.insert(), fresh)
        old = [self.jobs[key] for key in self.changed_jobs if self.jobs[key]["db_index"] not in self.new_jobs]
        if old:
            execute(self.recorder._update_job, [{**row, "k_index": row["db_index"]} for row in old])
        if self.files:
            execute(schema.job_files.delete().where(schema.job_files.c.job_index.in_(list(self.files))))
            execute(schema.job_files.insert(), list(self.files.values()))
        fresh = [row for row in self.steps.values() if row["db_index"] in self.new_steps]
        if fresh:
            execute(schema.steps.insert(), fresh)
        old = [row for row in self.steps.values() if row["db_index"] not in self.new_steps]
        if old:
            execute(self.recorder._update_step, [{**row, "k_index": row["db_index"]} for row in old])
        self.recorder.remember({key: self.jobs[key] for key in self.changed_jobs})


# ---- nodes, the cluster's size, reservations


def _node_down(connection: sa.Connection, cluster: str, item: Item) -> None:
    table = schema.events
    node = (table.c.cluster == cluster) & (table.c.node == item["node"])
    start, end = int(item["start"]), int(item.get("end") or 0)
    values = {
        "end_time": end,
        "state": int(item.get("state") or 0),
        "reason": str(item.get("reason") or ""),
        "user_id": item.get("user_id"),
        "user_name": str(item.get("user_name") or ""),
        "tres": _value("tres_allocated", item.get("tres") or ""),
    }
    before = connection.execute(sa.select(table.c.end_time).where(node & (table.c.start_time == start))).scalar()
    if before is None:
        # one stretch at a time: a change of state or reason ends the one before, at its start if the clock went back
        connection.execute(
            table.update().where(node & (table.c.end_time == 0)).values(end_time=_not_before(table.c.start_time, start))
        )
        connection.execute(
            table.insert().values(cluster=cluster, node=item["node"], cluster_nodes="", start_time=start, **values)
        )
    elif not before or (before == start and not end):  # up and down again within the second: it goes on
        connection.execute(table.update().where(node & (table.c.start_time == start)).values(**values))


def _node_up(connection: sa.Connection, cluster: str, item: Item) -> None:
    table = schema.events
    connection.execute(
        table.update()
        .where(
            table.c.cluster == cluster,
            table.c.node == item["node"],
            table.c.end_time == 0,
        )
        .values(end_time=_not_before(table.c.start_time, int(item["end"])))
    )


def _cluster_tres(connection: sa.Connection, cluster: str, item: Item) -> None:
    table = schema.events
    mine = (table.c.cluster == cluster) & (table.c.node == "")
    now, tres, nodes = int(item["time"]), _value("tres_allocated", item["tres"]), str(item["nodes"])
    last = connection.execute(
        sa.select(table.c.start_time, table.c.end_time, table.c.tres, table.c.cluster_nodes)
        .where(mine & (table.c.state == 0))
        .order_by(table.c.start_time.desc())
        .limit(1)
    ).first()
    if last is not None:
        if last.start_time >= now or (not last.end_time and (last.tres, last.cluster_nodes) == (tres, nodes)):
            return
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


def _cluster_down(connection: sa.Connection, cluster: str, item: Item) -> None:
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
                tres=_value("tres_allocated", item["tres"]),
            )
        )


def _cluster_up(connection: sa.Connection, cluster: str, item: Item) -> None:
    table = schema.events
    mine = (table.c.cluster == cluster) & (table.c.node == "") & (table.c.state != 0) & (table.c.end_time == 0)
    connection.execute(table.update().where(mine).values(end_time=item["end"]))


def _reservation(connection: sa.Connection, cluster: str, item: Item) -> None:
    table = schema.reservations
    mine = (table.c.cluster == cluster) & (table.c.id == item["id"]) & (table.c.start_time == item["start_time"])
    values: Row = {}
    for name in ("name", "nodes", "comment"):
        if name in item:
            values[name] = str(item[name] or "")
    if "associations" in item:
        given = item["associations"]
        values["associations"] = given if isinstance(given, str) else ",".join(str(number) for number in given)
    if "tres" in item:
        values["tres"] = _value("tres_allocated", item["tres"] or "")
    if "flags" in item:
        values["flags"] = ",".join(item["flags"])
    if "end_time" in item:
        values["end_time"] = int(item["end_time"])
    if item.get("removed_at"):
        values["end_time"] = int(item["removed_at"])
    if connection.execute(sa.select(table.c.id).where(mine)).scalar() is not None:
        connection.execute(table.update().where(mine).values(**values))
        return
    blank = {"name": "", "nodes": "", "comment": "", "associations": "", "tres": "", "flags": "", "end_time": 0}
    connection.execute(
        table.insert().values(
            cluster=cluster, id=item["id"], start_time=item["start_time"], unused_wall=0.0, **{**blank, **values}
        )
    )


#: kinds that concern neither jobs nor steps
_SINGLE: dict[str, Callable[[sa.Connection, str, Item], None]] = {
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


def close_open_jobs(connection: sa.Connection, cluster: str, indexes: Sequence[int], now: int | None = None) -> None:
    """Ends runaway jobs: those that the database holds open and the cluster does not know (`sacctmgr show runaway`)."""
    when = int(now if now is not None else time.time())
    job = schema.jobs
    # the latest of the start, the eligible and the submit time, as Slurm has it
    latest = sa.case((job.c.eligible_time > job.c.submit_time, job.c.eligible_time), else_=job.c.submit_time)
    end = sa.case((job.c.start_time > latest, job.c.start_time), (latest > 0, latest), else_=when)
    connection.execute(
        job.update()
        .where(job.c.cluster == cluster, job.c.db_index.in_(list(indexes)), job.c.end_time == 0)
        .values(job_state=_FINISHED, end_time=end)
    )
