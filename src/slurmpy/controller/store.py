"""What slurmctld must not forget: SQLite in StateSaveLocation, written once per turn of the loop.

One transaction holds all that changed in a turn: jobs, steps, nodes, reservations, the id counter, and the accounting
records that slurmdbd has not confirmed. A reply or a launch goes out only after the commit of what it speaks of, so
whatever anybody has been told survives a kill at any instant. Rows are msgpack of the records' own dictionaries.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
import time
from collections.abc import Iterable
from typing import Any

import msgpack

from slurmpy.controller.state import Job, Node, NodeAlloc, Partition, Reservation, State, Step
from slurmpy.core.errors import SlurmError
from slurmpy.core.intervals import IntervalSet
from slurmpy.core.records.description import JobDescriptor
from slurmpy.rpc.log import log

FILE = "slurmctld.sqlite"
SCHEMA_VERSION = 1
SCHEMA = """
create table if not exists meta (name text primary key, value blob) without rowid;
create table if not exists jobs (job_id integer primary key, row blob not null);
create table if not exists scripts (job_id integer primary key, script text, environment blob);
create table if not exists steps (job_id integer, step_id integer, row blob not null, primary key (job_id, step_id))
  without rowid;
create table if not exists nodes (name text primary key, row blob not null) without rowid;
create table if not exists partitions (name text primary key, row blob not null) without rowid;
create table if not exists reservations (name text primary key, row blob not null) without rowid;
create table if not exists spool (seq integer primary key autoincrement, item blob not null, kind integer default 0);
"""
#: made once the spool has its column `kind`: what MaxDBDMsgs gives up first is found without reading the rest
SPOOL_INDEXES = """
create index if not exists spool_steps on spool (seq) where kind = 1;
create index if not exists spool_starts on spool (seq) where kind = 2;
"""
STEPS, STARTS = 1, 2


def pack(value: Any) -> bytes:
    data: bytes = msgpack.packb(value, unicode_errors="surrogateescape")
    return data


def unpack(data: bytes) -> Any:
    return msgpack.unpackb(data, use_list=False, strict_map_key=False, unicode_errors="surrogateescape")


def pack_job(job: Job) -> bytes:
    have = job.__dict__
    private = {name: have[name] for name in Job.STORED if name in have}
    if job._allocation:
        private["alloc"] = [(name, alloc.to_wire()) for name, alloc in job._allocation.items()]
    if job._completing:
        private["completing"] = tuple(job._completing)
    if job._array_tasks is not None:
        private["tasks"] = job._array_tasks.format()
    if job._request is not None:
        private["request"] = job._request.to_wire()
    # what the allocation implies is made anew when the row is read
    return pack(({k: v for k, v in have.items() if k[0] != "_" and k != "job_resources"}, private))


def unpack_job(data: bytes) -> Job:
    wire, private = unpack(data)
    job = Job.from_wire(wire)
    job._steps = {}
    job._allocation = {name: NodeAlloc.from_wire(alloc) for name, alloc in private.pop("alloc", ())}
    job._completing = frozenset(private.pop("completing", ()))
    tasks = private.pop("tasks", None)
    job._array_tasks = IntervalSet.parse(tasks) if tasks is not None else None
    request = private.pop("request", None)
    job._request = JobDescriptor.from_wire(request) if request is not None else None
    job.__dict__.update((name, value) for name, value in private.items() if name in Job.STORED)
    return job


def pack_step(step: Step) -> bytes:
    have = step.__dict__
    private = {name: have[name] for name in Step.STORED if name in have}
    if step._allocation:
        private["alloc"] = [(name, alloc.to_wire()) for name, alloc in step._allocation.items()]
    private["running"] = tuple(step._running_on)
    return pack((step.to_wire(), private))


def unpack_step(data: bytes) -> Step:
    wire, private = unpack(data)
    step = Step.from_wire(wire)
    step._allocation = {name: NodeAlloc.from_wire(alloc) for name, alloc in private.pop("alloc", ())}
    step._running_on = frozenset(private.pop("running", ()))
    step.__dict__.update((name, value) for name, value in private.items() if name in Step.STORED)
    return step


class Store:
    """The database. Raises SlurmError with a text for the administrator when it cannot be opened."""

    def __init__(self, directory: str, fresh: bool = False) -> None:
        """`fresh`: forget everything that an earlier slurmctld left (option -c), but the counter of job ids."""
        self.path = os.path.join(directory, FILE)
        self._lock = -1
        lost = 0  # when what this directory knew of jobs came to its end, if it did
        try:
            os.makedirs(directory, mode=0o700, exist_ok=True)
            lock = os.path.join(directory, "slurmctld.lock")
            self._lock = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise SlurmError("SLURM_ERROR", f"another slurmctld already uses {directory}") from None
            lost = _last_written(self.path) if fresh else 0 if os.path.exists(self.path) else int(time.time())
            before = os.umask(0o077)
            try:
                self._db = sqlite3.connect(self.path, isolation_level=None)
                self._db.execute("pragma journal_mode = wal")
                self._db.execute("pragma synchronous = full")
                self._db.execute("pragma wal_autocheckpoint = 4000")
                self._db.executescript(SCHEMA)
                if "kind" not in {row[1] for row in self._db.execute("pragma table_info(spool)")}:
                    self._db.execute("alter table spool add column kind integer default 0")  # of an earlier release
                self._db.executescript(SPOOL_INDEXES)
            finally:
                os.umask(before)
            version = self.meta("schema")
            if version is None:
                self._db.execute(
                    "insert into meta values ('schema', ?), ('lost', ?)", (pack(SCHEMA_VERSION), pack(lost))
                )
            elif version != SCHEMA_VERSION:
                raise SlurmError("SLURM_ERROR", f"{self.path} was written by another release (layout {version})")
            self._db.execute("insert or ignore into meta values ('identity', ?)", (pack(secrets.token_hex(8)),))
            if fresh:
                self._db.execute("begin")
                for table in ("jobs", "scripts", "steps", "nodes", "partitions", "reservations"):
                    self._db.execute(f"delete from {table}")  # noqa: S608 - the names above
                self._db.execute("insert or replace into meta values ('lost', ?)", (pack(lost),))
                self._db.execute("commit")
        except (sqlite3.Error, OSError) as error:
            raise SlurmError("SLURM_ERROR", f"cannot use StateSaveLocation {directory}: {error}") from error
        #: the name of this state; another one, whose jobs have the same numbers, has another name
        self.identity = str(self.meta("identity"))
        self._scripts: dict[int, tuple[str, bytes] | None] = {}  # to be written; None: to be deleted
        self._cache: dict[int, tuple[str, tuple[str, ...]]] = {}  # the last scripts read
        self._spool: list[dict[str, Any]] = []  # to be written
        self._meta: dict[str, Any] = {}
        self._confirmed = 0
        self._written_id = -1
        found = self._db.execute("select seq from sqlite_sequence where name = 'spool'").fetchone()
        self.last_seq = int(found[0]) if found else 0
        self._queued = int(self._db.execute("select count(*) from spool").fetchone()[0])
        self.spool_limit = 0  # MaxDBDMsgs, where what is beyond it is discarded; 0: no limit
        self._dropped = 0
        self._sources = self._next_source()

    def close(self) -> None:
        self._db.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def take_loss(self) -> int:
        """When the jobs of an earlier life were lost, if they were and accounting has not been told (0: it has). The
        next commit takes note that it is told; a kill before that leaves it to the next start."""
        lost = int(self.meta("lost") or 0)
        if lost:
            self.put_meta("lost", 0)
        return lost

    def _next_source(self) -> list[tuple[int, str]]:
        """The (first number, name) of every source that has records in the spool, and of a new one for this start.

        The numbers of records count within a source. A copy of this directory that is put back is started anew, too,
        so its new records cannot be taken for those that slurmdbd has had under the same numbers.
        """
        row = self._db.execute("select min(seq) from spool").fetchone()
        oldest = self.last_seq + 1 if row[0] is None else int(row[0])
        known = [(int(first), str(name)) for first, name in self.meta("sources") or ()]
        kept = [one for at, one in enumerate(known) if at + 1 == len(known) or known[at + 1][0] > oldest]
        kept = [one for one in kept if one[0] <= self.last_seq]
        kept.append((self.last_seq + 1, secrets.token_hex(8)))
        self._db.execute("insert or replace into meta values ('sources', ?)", (pack(kept),))
        return kept

    # ---------------------------------------------------------------- small things

    def meta(self, name: str) -> Any:
        row = self._db.execute("select value from meta where name = ?", (name,)).fetchone()
        return unpack(row[0]) if row else None

    def put_meta(self, name: str, value: Any) -> None:
        """A named value that goes out with the next commit."""
        self._meta[name] = value

    def put_script(self, job_id: int, script: str, environment: tuple[str, ...]) -> None:
        self._scripts[job_id] = (script, pack(environment))
        self._remember(job_id, script, environment)

    def drop_script(self, job_id: int) -> None:
        self._scripts[job_id] = None
        self._cache.pop(job_id, None)

    def script(self, job_id: int) -> tuple[str, tuple[str, ...]] | None:
        """(script, environment as "NAME=value") of a batch job."""
        found = self._cache.get(job_id)
        if found is not None:
            return found
        row = self._db.execute("select script, environment from scripts where job_id = ?", (job_id,)).fetchone()
        if row is None:
            return None
        script = bytes(row[0]).decode("utf-8", "surrogateescape")
        environment = tuple(unpack(row[1]))
        self._remember(job_id, script, environment)
        return script, environment

    def _remember(self, job_id: int, script: str, environment: tuple[str, ...]) -> None:
        if len(self._cache) >= 64:
            del self._cache[next(iter(self._cache))]
        self._cache[job_id] = (script, environment)

    # ---------------------------------------------------------------- one turn

    def dirty(self, state: State) -> bool:
        return bool(
            state.dirty_jobs or state.dirty_steps or state.dirty_nodes or state.dirty_partitions
            or state.dirty_reservations or self._spool or self._scripts or self._meta
        )  # fmt: skip

    @property
    def untidy(self) -> bool:
        """There are confirmed records in the spool."""
        return bool(self._confirmed)

    def commit(self, state: State) -> None:
        """Writes all that changed. Raises SlurmError if it cannot; then everything stays to be written."""
        jobs, steps, nodes = state.dirty_jobs, state.dirty_steps, state.dirty_nodes
        partitions, reservations = state.dirty_partitions, state.dirty_reservations
        db = self._db
        last_seq, queued, purge = self.last_seq, self._queued, None
        try:
            db.execute("begin immediate")
            try:
                if jobs:
                    gone = [(job_id,) for job_id, job in jobs.items() if job is None]
                    if gone:
                        db.executemany("delete from jobs where job_id = ?", gone)
                    db.executemany(
                        "insert or replace into jobs values (?, ?)",
                        [(job_id, pack_job(job)) for job_id, job in jobs.items() if job is not None],
                    )
                for key, step in steps.items():
                    if step is None:
                        db.execute("delete from steps where job_id = ? and step_id = ?", key)
                    else:
                        db.execute("insert or replace into steps values (?, ?, ?)", (*key, pack_step(step)))
                if self._scripts:
                    for job_id, both in self._scripts.items():
                        if both is None:
                            db.execute("delete from scripts where job_id = ?", (job_id,))
                        else:
                            text = both[0].encode("utf-8", "surrogateescape")
                            db.execute("insert or replace into scripts values (?, ?, ?)", (job_id, text, both[1]))
                for node in nodes.values():
                    db.execute("insert or replace into nodes values (?, ?)", (node.name, pack(node.to_wire())))
                for name, partition in partitions.items():
                    self._put("partitions", name, None if partition is None else pack(partition.to_wire()))
                for name, reservation in reservations.items():
                    self._put("reservations", name, None if reservation is None else _pack_reservation(reservation))
                if self._confirmed:
                    db.execute("delete from spool where seq <= ?", (self._confirmed,))
                if self._spool:
                    items: Iterable[dict[str, Any]] = self._spool
                    if self.spool_limit and queued + len(self._spool) > self.spool_limit:
                        purge = self._make_room()
                        queued -= purge
                        items = self._spool[: max(0, self.spool_limit - queued)]
                    rows = []
                    for item in items:
                        last_seq += 1
                        rows.append((last_seq, pack(item), _spool_kind(item)))
                    db.executemany("insert into spool values (?, ?, ?)", rows)
                    queued += len(rows)
                if state.next_id != self._written_id:
                    db.execute("insert or replace into meta values ('next_id', ?)", (pack(state.next_id),))
                for name, value in self._meta.items():
                    db.execute("insert or replace into meta values (?, ?)", (name, pack(value)))
                db.execute("commit")
            except BaseException:
                if db.in_transaction:
                    db.execute("rollback")
                raise
        except sqlite3.Error as error:
            raise SlurmError("SLURM_ERROR", f"cannot write {self.path}: {error}") from error
        if purge is not None:
            self._told_of_loss(purge, len(self._spool) - (last_seq - self.last_seq))
        self.last_seq, self._queued = last_seq, queued
        self._written_id = state.next_id
        self._confirmed = 0
        self._spool.clear()
        self._scripts.clear()
        self._meta.clear()
        for changed in (jobs, steps, nodes, partitions, reservations):
            changed.clear()

    def _put(self, table: str, name: str, row: bytes | None) -> None:
        if row is None:
            self._db.execute(f"delete from {table} where name = ?", (name,))  # noqa: S608
        else:
            self._db.execute(f"insert or replace into {table} values (?, ?)", (name, row))  # noqa: S608

    # ---------------------------------------------------------------- slurmdbd's spool

    def add_record(self, item: dict[str, Any]) -> None:
        """An accounting record that goes into the next commit."""
        self._spool.append(item)

    def spooled(self, after: int, limit: int) -> tuple[str, list[int], list[dict[str, Any]]]:
        """(source, numbers, records) of the oldest committed records with numbers above `after`, all of one source."""
        after = max(after, self._confirmed)
        rows = self._db.execute("select seq, item from spool where seq > ? order by seq limit ?", (after, limit))
        found = rows.fetchall()
        if not found:
            return "", [], []
        source, end = "", None
        for first, name in self._sources:
            if first > found[0][0]:
                end = first
                break
            source = name
        if end is not None:
            found = [row for row in found if row[0] < end]
        return source, [row[0] for row in found], [unpack(row[1]) for row in found]

    def confirm(self, seq: int) -> None:
        """slurmdbd has all records up to this number; they go with the next commit (sent twice they do no harm)."""
        if seq > self._confirmed:
            sql = "select count(*) from spool where seq > ? and seq <= ?"
            self._queued -= int(self._db.execute(sql, (self._confirmed, seq)).fetchone()[0])
            self._confirmed = seq
            if self._dropped and not self._queued:
                log.info(f"slurmdbd has caught up; {self._dropped} records had been discarded")
                self._dropped = 0

    def spool_size(self) -> int:
        """Committed records that slurmdbd has not confirmed."""
        return self._queued

    def _make_room(self) -> int:
        """MaxDBDMsgs is reached: drops what steps did, and where there is none of that, the starts of jobs
        (slurm.conf(5), max_dbd_msg_action=discard). Returns how many went. Within a transaction."""
        for kind in (STEPS, STARTS):
            gone = self._db.execute(f"delete from spool where kind = {kind} and seq > {self._confirmed}").rowcount  # noqa: S608
            if gone:
                return int(gone)
        return 0

    def _told_of_loss(self, purged: int, refused: int) -> None:
        if purged or (refused and not self._dropped):
            log.error(
                f"slurmdbd: agent queue is full ({self.spool_limit}): {purged + refused} records discarded, "
                "RESTART SLURMDBD NOW"
            )
        self._dropped += purged + refused

    # ---------------------------------------------------------------- recovery

    def load_next_id(self) -> int:
        return int(self.meta("next_id") or 1)

    def load_jobs(self) -> list[Job]:
        """All jobs, with their steps, by job id."""
        jobs = {}
        for job_id, row in self._db.execute("select job_id, row from jobs order by job_id"):
            jobs[job_id] = unpack_job(row)
        for job_id, step_id, row in self._db.execute("select job_id, step_id, row from steps"):
            if job_id in jobs:
                jobs[job_id]._steps[step_id] = unpack_step(row)
        return list(jobs.values())

    def load_nodes(self) -> dict[str, Node]:
        return {name: Node.from_wire(unpack(row)) for name, row in self._db.execute("select name, row from nodes")}

    def load_partitions(self) -> dict[str, Partition]:
        rows = self._db.execute("select name, row from partitions")
        return {name: Partition.from_wire(unpack(row)) for name, row in rows}

    def load_reservations(self) -> list[Reservation]:
        return [_unpack_reservation(row) for (row,) in self._db.execute("select row from reservations order by name")]


def _spool_kind(item: dict[str, Any]) -> int:
    kind = str(item.get("kind"))
    return STEPS if kind.startswith("step_") else STARTS if kind == "job_start" else 0


def _last_written(path: str) -> int:
    """When an earlier slurmctld last wrote its state; now, if it never did."""
    times = [os.stat(name).st_mtime for name in (path, f"{path}-wal") if os.path.exists(name)]
    return int(min(time.time(), max(times, default=time.time())))


def _pack_reservation(reservation: Reservation) -> bytes:
    private = {name: reservation.__dict__[name] for name in Reservation.STORED if name in reservation.__dict__}
    if "_cores" in private:
        private["_cores"] = {
            node: mask.to_bytes((mask.bit_length() + 7) // 8, "little") for node, mask in private["_cores"].items()
        }
    return pack((reservation.to_wire(), private))


def _unpack_reservation(data: bytes) -> Reservation:
    wire, private = unpack(data)
    reservation = Reservation.from_wire(wire)
    if "_cores" in private:
        private["_cores"] = {node: int.from_bytes(mask, "little") for node, mask in private["_cores"].items()}
    reservation.__dict__.update(private)
    return reservation
