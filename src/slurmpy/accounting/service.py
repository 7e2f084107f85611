"""slurmdbd's answers: records from slurmctld, queries, changes; one lock orders the changes, subscribers hear of
each."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any

from slurmpy.core.errors import SlurmError
from slurmpy.rpc.log import log

from . import ownership
from .books import Books
from .database import Database
from .permissions import Permissions

if TYPE_CHECKING:
    from slurmpy.auth.peer import Peer

    from . import refused
    from .fragments import EndedJobs
    from .job_records import Recorder
    from .progress import Progress
    from .purging import Purging
    from .rollup import Roller

#: longest name of the source of a cluster's records
SOURCE_TEXT = 64
#: records that slurmdbd makes itself
OWN_KINDS = ("cluster_down", "cluster_up")

#: what a subscriber may lag behind before it is cut off (it asks anew and gets the whole picture)
SUBSCRIBER_QUEUE = 1000

#: seconds between attempts to reach the database's server at the start
FIRST_RETRY, LONGEST_RETRY = 0.1, 5.0


class Subscriber:
    def __init__(self, cluster: str) -> None:
        self.cluster = cluster
        self.since = time.monotonic()
        self.queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(SUBSCRIBER_QUEUE)


class Service:
    """`conf` is slurmdbd.conf; `stop` ends the daemon. `open()` runs in the background after the daemon listens."""

    def __init__(self, conf: Any, stop: Callable[[], None], fail: Callable[[], None] | None = None) -> None:
        from slurmpy.conf.run_dir import slurm_user_id

        self.conf, self._stop, self._fail = conf, stop, fail or stop
        self.on_conf: Callable[[Any], None] = lambda conf: None  # told of a configuration that was read anew
        self.database = Database(conf)
        loop = asyncio.get_running_loop()
        self.database.on_taken = lambda: (loop.call_soon_threadsafe(self._taken), None)[1]
        self.books = Books()
        self.permissions = Permissions(
            self.books, slurm_user_id(conf), _words(conf.PrivateData), bool(conf.DisableCoordDBD)
        )
        self.recorder: Recorder | None = None
        self.progress: Progress | None = None
        self.purging: Purging | None = None
        self.unreachable: SlurmError | None = None  # while a server that we have never reached does not answer
        self._tried = asyncio.Event()  # to reach it, once at least
        self.lock = asyncio.Lock()
        self._recording: dict[str, asyncio.Lock] = {}  # by cluster
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.subscribers: set[Subscriber] = set()
        self.registered: dict[str, float] = {}  # cluster: when its slurmctld last registered (monotonic)
        self.closing = False
        self.boot_time = self.started = int(time.time())
        self.fragments: EndedJobs | None = None  # made with the first document
        self.counts: dict[str, list[int]] = {}  # method: [calls, microseconds]
        self.user_counts: dict[str, list[int]] = {}
        self.roller: Roller | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    # -- starting and ending -------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Opens the database; requests wait for it. Raises SlurmError, which then also answers every request."""
        try:
            await self._connect()
            self._take_books(await self.database.write(_load))
            from .job_records import Recorder
            from .progress import Progress
            from .purging import Purging
            from .rollup import Roller
            from .rollup_marks import Marks

            marks = Marks()
            self.recorder = Recorder(self._wckey_id, marks)
            self.progress = Progress()
            self.roller = Roller(self.database, marks)
            await self.roller.open()
            self.purging = Purging(self, self.roller.run)
        except Exception as error:
            self.ready.set_exception(error)
            self._tried.set()
            self.ready.exception()  # it is reported by the caller, and to whoever asks
            raise
        self.ready.set_result(None)
        self.run(self.purging.watch())
        self.run(self.database.show_life())
        self.run(self.roller.forever())

    def _taken(self) -> None:
        if not self.closing:
            log.fatal("another slurmdbd has had the database meanwhile: what this one knows of it is old, exiting")
            self._fail()

    async def _connect(self) -> None:
        """Opens the database; one whose server does not answer is tried again until it does, and so is one that another
        slurmdbd has if there is a backup (DbdBackupHost). Raises SlurmError."""
        delay, began = FIRST_RETRY, time.monotonic()
        while True:
            try:
                await self.database.write_opening()
            except SlurmError as error:
                if error.name != "ESLURM_DB_CONNECTION":
                    raise
                in_use = isinstance(error, ownership.InUse)
                if in_use and not self.conf.DbdBackupHost and time.monotonic() - began > ownership.ENDING:
                    raise SlurmError("SLURM_ERROR", error.message) from error
                if in_use:
                    delay = FIRST_RETRY
                if in_use and (self.unreachable is None or not isinstance(self.unreachable, ownership.InUse)):
                    log.info(f"{error.message}: {'standing by' if self.conf.DbdBackupHost else 'waiting for its end'}")
                elif self.unreachable is None:
                    log.error(f"{error.message}: trying again until it answers")
                self.unreachable = error
                self._tried.set()
            else:
                if self.unreachable is not None:
                    log.info("the database answers")
                self.unreachable = None
                self._tried.set()
                return
            await asyncio.sleep(delay)
            delay = min(delay * 2, LONGEST_RETRY)

    async def _opened(self) -> None:
        """Returns when the database is there. Raises SlurmError if it cannot be opened, or does not answer yet."""
        await self._tried.wait()
        if self.unreachable is not None:
            raise SlurmError("ESLURM_DB_CONNECTION")
        await asyncio.shield(self.ready)

    async def close(self) -> None:
        self.closing = True
        for subscriber in self.subscribers:
            subscriber.queue.put_nowait(None)
        for task in self._tasks:
            task.cancel()
        await asyncio.get_running_loop().run_in_executor(None, self.database.close)

    def _take_books(self, books: Books) -> None:
        self.books = self.permissions.books = books

    # -- dispatching ---------------------------------------------------------------------------------------------

    def handlers(self) -> dict[str, Callable[[Peer, dict[str, Any]], Any]]:
        from . import changing, importing, purging, reading, usage

        plain: dict[str, Callable[..., Any]] = {
            "ping": self._ping,
            "shutdown": self._shutdown,
            "reconfigure": self._reconfigure,
            "register_controller": self._register_controller,
            "records": self._records,
            "stats": reading.stats,
            "clear_stats": reading.clear_stats,
            "config": reading.config,
            "usage": usage.usage,
            "job_sizes": usage.job_sizes,
            "roll_up": usage.roll_up,
            **changing.METHODS,
            **importing.METHODS,
        }
        streams: dict[str, Callable[..., AsyncIterator[Any]]] = {
            "assoc_updates": self._assoc_updates,
            "query": reading.query,
            "dump": reading.dump,
            **purging.STREAMS,
        }
        found: dict[str, Callable[[Peer, dict[str, Any]], Any]] = {
            name: self._counted(name, handler) for name, handler in plain.items()
        }
        for name, handler in streams.items():
            found[name] = self._streamed(name, handler)
        return found

    def level(self, peer: Peer) -> str:
        """The peer's AdminLevel, for the server's check of roles."""
        return self.books.admin_level(peer.name)

    def _count(self, name: str, peer: Peer, began: float) -> None:
        spent = int((time.monotonic() - began) * 1_000_000)
        for table, key in ((self.counts, name), (self.user_counts, peer.name)):
            row = table.setdefault(key, [0, 0])
            row[0] += 1
            row[1] += spent

    def _counted(self, name: str, handler: Callable[..., Any]) -> Callable[[Peer, dict[str, Any]], Any]:
        from . import changing

        bound, changes = hasattr(handler, "__self__"), name in changing.METHODS

        async def answer(peer: Peer, args: dict[str, Any]) -> Any:
            began = time.monotonic()
            if name not in ("ping", "shutdown"):
                await self._opened()
            try:
                if changes:
                    changing.check_shape(name, args)
                args = self.permissions.allowed(peer, name, args)
                result = handler(peer, args) if bound else handler(self, peer, args)
                return await result if asyncio.iscoroutine(result) else result
            finally:
                self._count(name, peer, began)

        return answer

    def _streamed(self, name: str, handler: Callable[..., AsyncIterator[Any]]) -> Callable[[Peer, dict[str, Any]], Any]:
        bound = hasattr(handler, "__self__")

        async def answer(peer: Peer, args: dict[str, Any]) -> AsyncIterator[Any]:
            began = time.monotonic()
            await self._opened()
            args = self.permissions.allowed(peer, name, args)
            parts: Any = handler(peer, args) if bound else handler(self, peer, args)
            try:
                async for part in parts:
                    yield part
            finally:
                await parts.aclose()
                self._count(name, peer, began)

        return answer

    # -- changing the books --------------------------------------------------------------------------------------

    async def change(self, work: Callable[[Books, int], Any], commit: bool = True) -> Any:
        """`work(fork of the books, now)`; with `commit` what it changed is written, announced, and in force."""
        async with self.lock:
            fork = self.books.fork()
            result = work(fork, int(time.time()))
            if not commit or not fork.changed:
                return result
            await self.database.write(fork.save)
            self._announce(fork)
            fork.settle()
            self._take_books(fork)
            return result

    def _announce(self, fork: Books) -> None:
        messages: dict[str, dict[str, Any] | None] = {}
        for subscriber in list(self.subscribers):
            if subscriber.cluster not in messages:
                messages[subscriber.cluster] = fork.update(subscriber.cluster)
            message = messages[subscriber.cluster]
            if message is None:
                continue
            try:
                subscriber.queue.put_nowait(message)
            except asyncio.QueueFull:
                log.error(f"cluster {subscriber.cluster} does not read its updates, cutting it off")
                self.subscribers.discard(subscriber)
                subscriber.queue.get_nowait()
                subscriber.queue.put_nowait(None)

    def run(self, work: Any) -> None:
        """Runs a coroutine in the background for as long as the daemon lives."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- slurmctld -----------------------------------------------------------------------------------------------

    def _ping(self, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
        from slurmpy import SLURM_VERSION

        return {"hostname": str(self.conf.DbdHost or "localhost"), "version": SLURM_VERSION, "pid": os.getpid()}

    def _shutdown(self, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
        log.info(f"shutdown by {peer.name}")
        asyncio.get_running_loop().call_soon(self._stop)
        return {}

    def _reconfigure(self, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
        log.info(f"reconfigured by {peer.name}")
        self.reconfigure()
        return {}

    def reconfigure(self) -> None:
        """Reads slurmdbd.conf again (also on SIGHUP); a file that cannot be read changes nothing. Raises SlurmError.

        What is bound to the start stays: the database, the addresses, SlurmUser.
        """
        from slurmpy.conf import slurmdbd_conf

        conf = slurmdbd_conf.load(self.conf.path)
        self.permissions.configure(_words(conf.PrivateData), bool(conf.DisableCoordDBD))
        self.conf = conf
        self.on_conf(conf)

    async def _register_controller(self, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
        from . import cluster_changes

        name = str(args["cluster"]).lower()
        self.registered[name] = time.monotonic()
        number = await self.change(lambda books, now: cluster_changes.register(books, name, args, peer.name, now))
        now, cluster = int(args.get("time") or time.time()), self.books.clusters[name]
        items: list[dict[str, Any]] = [{"kind": "cluster_up", "end": now}]
        if args.get("tres") and not args.get("sizes_follow"):
            items.append({"kind": "cluster_tres", "time": now, "tres": cluster.tres, "nodes": cluster.nodes})
        await self._write_records(name, tuple(items))
        log.info(f"cluster {name} registered from {args.get('host')}:{args.get('port')}")
        return {"cluster_id": number}

    async def _records(self, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
        items = args["items"]
        if not isinstance(items, (tuple, list)):
            raise SlurmError("SLURM_ERROR", "records: the items are no list")
        if any(isinstance(item, dict) and item.get("kind") in OWN_KINDS for item in items):
            raise SlurmError("SLURM_ERROR", "records: an item of unknown kind")
        cluster = str(args["cluster"]).lower()
        if cluster not in self.books.clusters:
            raise SlurmError("SLURM_ERROR", f"cluster {cluster} is not registered")
        first = int(args["first_seq"])
        numbers = tuple(int(one) for one in args.get("seqs") or range(first, first + len(items)))
        if len(numbers) != len(items) or any(a >= b for a, b in itertools.pairwise(numbers)):
            raise SlurmError("SLURM_ERROR", "records: the numbers do not fit the items")
        await self._write_records(cluster, items, str(args.get("source") or "")[:SOURCE_TEXT], numbers)
        return {"confirmed": numbers[-1] if numbers else first - 1}

    async def _write_records(
        self, cluster: str, items: Sequence[Any], source: str = "", numbers: tuple[int, ...] = ()
    ) -> None:
        """Raises SlurmError; then nothing of it is in the books.

        Of a `source`, what they have already is left out, and what the database never takes is set aside (`refused`).
        """
        recorder, progress = self.recorder, self.progress
        assert recorder is not None
        assert progress is not None

        def new(connection: Any) -> list[refused.Numbered]:
            if source:
                return progress.new(connection, cluster, source, numbers, items)
            return list(enumerate(items))

        def failed() -> None:
            recorder.forget()
            progress.forget()

        def note(connection: Any) -> None:
            if source and numbers:
                progress.note(connection, cluster, source, numbers[-1])

        def together(connection: Any) -> None:
            recorder.write(connection, cluster, [item for _, item in new(connection)])
            note(connection)

        def apart(connection: Any) -> list[str]:
            aside = refused.SetAside(connection, cluster, source)
            refused.write_apart(
                connection, new(connection), lambda some: recorder.write(connection, cluster, some), aside
            )
            note(connection)
            return aside.lines()

        from . import refused

        async with self._recording.setdefault(cluster, asyncio.Lock()):  # the books' own part is in order, too
            if any(_concerns_books(item) for item in items):
                fresh = {number for number, _ in await self.database.write(new, failed)}
                known = numbers if source else range(len(items))
                items = await self._for_the_books(
                    cluster, [item for number, item in zip(known, items, strict=True) if number in fresh]
                )
                numbers = tuple(number for number in numbers if number in fresh)
            try:
                await self.database.write(together, failed)
            except Exception as error:
                if not source or not refused.is_of_the_data(error):
                    raise
                for line in await self.database.write(apart, failed):
                    log.error(line)

    async def _for_the_books(self, cluster: str, items: list[Any]) -> list[Any]:
        """What records say of clusters and WCKeys is taken into the books first. The items, sizes with every TRES."""
        from . import refused

        await self.new_wckeys(cluster, items)
        found = []
        for item in items:
            try:
                found.append(await self._cluster_size(cluster, item))
            except Exception as error:
                if not refused.is_of_the_data(error):
                    raise
                found.append(item)  # its turn to be refused comes
        return found

    async def _cluster_size(self, name: str, item: Any) -> Any:
        """An item of the cluster's size with every TRES in it, taken into the books; other items as they are."""
        if not isinstance(item, dict) or item.get("kind") != "cluster_tres":
            return item
        from . import cluster_changes, job_records, tres_text

        job_records.check_item(item)
        known = tres_text.parse(self.books.clusters[name].tres)
        tres = tres_text.render(cluster_changes.all_counts(str(item["tres"]), known))
        await self.change(lambda books, now: cluster_changes.resized(books, name, tres, str(item["nodes"])))
        return {**item, "tres": tres}

    async def new_wckeys(self, cluster: str, items: Sequence[Any]) -> None:
        """WCKeys that jobs name and nobody has added yet (TrackWCKey)."""
        from . import cluster_changes, refused

        wanted = {
            (str(item.get("user_name") or ""), str(item["wckey"]))
            for item in items
            if isinstance(item, dict) and item.get("wckey")
        }
        left = sorted(key for key in wanted if not cluster_changes.wckey_id(self.books, cluster, *key))

        async def add(keys: list[tuple[str, str]]) -> None:
            try:
                await self.change(lambda books, now: cluster_changes.add_wckeys_of_jobs(books, cluster, keys, now))
            except Exception as error:
                if not refused.is_of_the_data(error):
                    raise
                if len(keys) == 1:  # the job itself is written, without
                    log.error(f"cluster {cluster}: no WCKey is made of what a job names: {refused.reason_of(error)}")
                    return
                for key in keys:
                    await add([key])

        if left:
            await add(left)

    def _wckey_id(self, connection: Any, cluster: str, user: str, name: str) -> int:
        from . import cluster_changes

        return cluster_changes.wckey_id(self.books, cluster, user, name)

    async def _assoc_updates(self, peer: Peer, args: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        subscriber = Subscriber(str(args["cluster"]).lower())
        self.subscribers.add(subscriber)
        try:
            yield self.books.snapshot(subscriber.cluster)
            while True:
                message = await subscriber.queue.get()
                if message is None:
                    return
                yield message
        finally:
            self.subscribers.discard(subscriber)
            if not self.closing:
                self.run(self._controller_gone(subscriber))

    async def _controller_gone(self, subscriber: Subscriber) -> None:
        """A slurmctld has ended its subscription and not come back: the cluster has no controller."""
        from . import cluster_changes

        name = subscriber.cluster
        cluster = self.books.clusters.get(name)
        if cluster is None or self.registered.get(name, 0.0) > subscriber.since:
            return
        if self.conf.TrackSlurmctldDown:
            item = {"kind": "cluster_down", "start": int(time.time()), "tres": cluster.tres}
            await self._write_records(name, (item,))
        if self.registered.get(name, 0.0) <= subscriber.since:
            await self.change(lambda books, now: cluster_changes.without_controller(books, name))


def _concerns_books(item: Any) -> bool:
    return isinstance(item, dict) and (item.get("kind") == "cluster_tres" or bool(item.get("wckey")))


def _words(value: Any) -> list[str]:
    if not value:
        return []
    return [word.strip() for word in value.split(",")] if isinstance(value, str) else list(value)


def _load(connection: Any) -> Books:
    books = Books.load(connection)
    if not books.qos:
        books = Books.fresh(int(time.time()))
        books.save(connection)
    books.settle()
    return books
