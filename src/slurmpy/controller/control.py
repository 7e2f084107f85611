"""The turn of slurmctld's loop: requests change the state, the scheduler looks, one commit, then answers and launches.

Everything runs in one thread. A handler changes the state at once and answers after the turn's commit; work that must
not be seen before the commit (replies, launches, signals) is given to `Controller.after_commit`.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from slurmpy.controller import permissions
from slurmpy.controller.agent import Agent
from slurmpy.controller.events import Events
from slurmpy.controller.state import Job, State
from slurmpy.controller.store import Store
from slurmpy.controller.timers import Timers
from slurmpy.core.errors import SlurmError
from slurmpy.data_parser.stream import FragmentCache
from slurmpy.rpc import methods
from slurmpy.rpc.log import log
from slurmpy.rpc.server import Peer

#: how long a turn waits for more when nobody but nodes waits for its commit, seconds: so many times what the last
#: commits took, so that a slow disk gets fewer and larger ones, within these bounds
GATHER_FACTOR = 4
GATHER_LEAST, GATHER_MOST = 0.002, 0.025

#: after a commit failed (a full disk), how long until the next try, seconds
COMMIT_RETRY = 1.0


class Statistics:
    """sdiag's counters; those of the scheduler are microseconds."""

    def __init__(self, now: int) -> None:
        # these outlive a reset: what the last cycle did, and all since slurmctld started
        self.cycle_last = self.bf_last = self.bf_when = self.bf_queue_length = 0
        self.bf_backfilled_total = 0
        self.reset(now)

    def reset(self, now: int) -> None:
        self.since = now
        self.jobs_submitted = self.jobs_started = self.jobs_completed = 0
        self.jobs_canceled = self.jobs_failed = 0
        self.cycles = self.cycle_max = self.cycle_total = self.cycle_depth = 0
        self.bf_cycles = self.bf_max = self.bf_total = 0
        self.bf_backfilled = self.bf_depth = self.bf_depth_total = 0
        self.rpc_count: dict[str, int] = {}
        self.rpc_time: dict[str, int] = {}
        self.rpc_user_count: dict[int, int] = {}
        self.rpc_user_time: dict[int, int] = {}


class Controller:
    """What the parts of slurmctld share. The parts (jobs, nodes, ...) are functions that take it first."""

    def __init__(self, conf: Any, state: State, store: Store) -> None:
        # imported here: these modules name Controller in their signatures
        from slurmpy.controller import nodes

        self.conf = conf
        self.state = state
        self.store = store
        self.events = Events()
        self.timers = Timers(self._timer_fired)
        self.agent = Agent(
            conf, lambda name: nodes.address(self, name), lambda n: nodes.on_silence(self, n),
            lambda n: nodes.on_answer(self, n),
        )  # fmt: skip
        self.fragments = FragmentCache()
        self.stop: Callable[[], None] = lambda: None
        self.failed: Callable[[], None] = lambda: self.stop()  # ends slurmctld with exit code 1
        self.reconfigure: Callable[[], None] = lambda: None
        self.timer_handlers: dict[str, Callable[[Controller, Any], None]] = {}
        self.statistics = Statistics(int(time.time()))
        self.started_at = int(time.time())
        self.stopping = False
        self.accounting: Any = None  # accounting_link.AccountingLink
        self._loop = asyncio.get_running_loop()
        self._flush_handle: asyncio.Handle | None = None
        self._gather = GATHER_LEAST
        self._gathering = False  # the handle is a timer that nobody is in a hurry for
        self._waiters: list[asyncio.Future[None]] = []
        self._after: list[Callable[[], None]] = []
        self._schedule_wanted = False
        self._schedule_earliest = 0.0
        self._later: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self.unrecorded: dict[int, Job] = {}  # new jobs that accounting has not been told of
        self.failing = False  # the last commit failed

    # ---------------------------------------------------------------- time

    def now(self) -> int:
        """The time, also noted as that of the state's changes."""
        now = int(time.time())
        self.state.now = now
        return now

    def at(self, kind: str, key: Any, when: float) -> None:
        """Calls the handler of `kind` (registered in `timer_handlers`) with `key` at a time; a new time replaces an old
        one."""
        self.timers.set((kind, key), when)

    def _timer_fired(self, key: tuple[str, Any]) -> None:
        self.now()
        try:
            self.timer_handlers[key[0]](self, key[1])
        except SlurmError as error:
            log.error(f"{key[0]} {key[1]}: {error.message}")
        except Exception as error:  # one job's defect must not stop the clock of all others
            log.exception(f"{key[0]} {key[1]}", error)
        self.changed()

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Calls something once, if slurmctld lives that long."""
        self._loop.call_later(seconds, call)

    # ---------------------------------------------------------------- turns

    def changed(self, hurry: bool = True) -> None:
        """Something may have changed: the turn's end is due, or, if there is no hurry, a little later with others."""
        if self._flush_handle is None:
            self._gathering = not hurry
            if hurry:
                self._flush_handle = self._loop.call_soon(self._flush)
            else:
                self._flush_handle = self._loop.call_later(self._gather, self._flush)
        elif hurry and self._gathering:
            self._gathering = False
            self._flush_handle.cancel()
            self._flush_handle = self._loop.call_soon(self._flush)

    def schedule(self) -> None:
        """The scheduler is to look at the queue at the end of this turn, or as soon as it may again."""
        self._schedule_wanted = True
        self.changed(hurry=False)

    def after_commit(self, call: Callable[[], None]) -> None:
        self._after.append(call)
        self.changed(hurry=False)

    def committed(self, hurry: bool = True) -> asyncio.Future[None]:
        """Done when all that has been changed so far is in the store; raises SlurmError if it cannot be written."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiters.append(future)
        self.changed(hurry)
        return future

    def _flush(self) -> None:
        self._flush_handle = None
        if self._schedule_wanted and not self.failing:
            wait = self._schedule_earliest - self._loop.time()
            if wait > 0:
                if self._later is None:
                    self._later = self._loop.call_later(wait, self._schedule_now)
            else:
                self._run_scheduler()
        if self.unrecorded:
            self._record_new()
        try:
            if self.store.dirty(self.state):
                began = self._loop.time()
                self.store.commit(self.state)
                mean = (3 * self._gather + GATHER_FACTOR * (self._loop.time() - began)) / 4
                self._gather = min(GATHER_MOST, max(GATHER_LEAST, mean))
                if self.accounting is not None:
                    self.accounting.wake()
        except SlurmError as error:
            if not self.failing:
                log.error(error.message)
            self.failing = True
            self._loop.call_later(COMMIT_RETRY, self.changed)
            waiters, self._waiters = self._waiters, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_exception(SlurmError("ESLURM_WRITING_TO_FILE", error.message))
            return  # what waits for the commit keeps waiting
        if self.failing:
            self.failing = False
            log.info(f"{self.store.path} can be written again")
            self.schedule()
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
        after, self._after = self._after, []
        for call in after:
            try:
                call()
            except Exception as error:  # the others must still go out
                log.exception("after commit", error)

    def tidy(self) -> None:
        """Takes what slurmdbd has confirmed out of the spool, if nothing else has led to a commit."""
        if not self.stopping and not self.failing and self.store.untidy:
            try:
                self.store.commit(self.state)
            except SlurmError as error:
                log.error(error.message)
            else:
                if self.accounting is not None:
                    self.accounting.wake()  # what a turn was still gathering is in the spool now

    def _record_new(self) -> None:
        """Tells accounting of new jobs that still wait; the others have been recorded as they started."""
        from slurmpy.controller import records

        new, self.unrecorded = self.unrecorded, {}
        for job in new.values():
            if job.is_pending and job.job_id in self.state.jobs:
                records.job_start(self, job)

    def _schedule_now(self) -> None:
        self._later = None
        self.changed()

    def _run_scheduler(self) -> None:
        from slurmpy.controller import jobs

        self._schedule_wanted = False
        began = time.perf_counter()
        try:
            jobs.schedule(self)
        except Exception as error:  # a defect there must not stop queries, cancels and ends of jobs
            log.exception("scheduler", error)
        took = time.perf_counter() - began
        statistics = self.statistics
        statistics.cycles += 1
        statistics.cycle_last = int(took * 1e6)
        statistics.cycle_max = max(statistics.cycle_max, statistics.cycle_last)
        statistics.cycle_total += statistics.cycle_last
        # a pass that takes long is not repeated at once, so that requests get at least half of the time
        self._schedule_earliest = self._loop.time() + (took if took > 0.01 else 0.0)

    # ---------------------------------------------------------------- requests

    def task(self, coroutine: Any) -> asyncio.Task[Any]:
        """A background task that is kept and whose defects are logged."""
        task: asyncio.Task[Any] = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            error = task.exception()
            assert error is not None
            log.exception("task", error)

    def wrap(self, table: Mapping[str, Callable[..., Any]]) -> dict[str, Callable[[Peer, dict[str, Any]], Any]]:
        """Handlers for the server: a plain function's answer waits for the commit of what it changed."""
        import inspect

        wrapped: dict[str, Callable[[Peer, dict[str, Any]], Any]] = {}
        for name, function in table.items():
            if inspect.isasyncgenfunction(function):
                wrapped[name] = self._wrap_stream(name, function)
            elif inspect.iscoroutinefunction(function):
                wrapped[name] = self._wrap_async(name, function)
            else:
                wrapped[name] = self._wrap_plain(name, function)
        return wrapped

    def _count(self, name: str, peer: Peer, began: float) -> None:
        took = int((time.perf_counter() - began) * 1e6)
        statistics = self.statistics
        statistics.rpc_count[name] = statistics.rpc_count.get(name, 0) + 1
        statistics.rpc_time[name] = statistics.rpc_time.get(name, 0) + took
        uid = peer.uid
        statistics.rpc_user_count[uid] = statistics.rpc_user_count.get(uid, 0) + 1
        statistics.rpc_user_time[uid] = statistics.rpc_user_time.get(uid, 0) + took

    def _wrap_plain(self, name: str, function: Callable[..., Any]) -> Callable[[Peer, dict[str, Any]], Any]:
        hurry = methods.SLURMCTLD[name] != methods.NODE

        def handler(peer: Peer, args: dict[str, Any]) -> Any:
            began = time.perf_counter()
            self.now()
            version = self.state.version
            try:
                permissions.allowed(self, peer, name, args)
                value = function(self, peer, args)
            finally:
                if self.state.version != version or self.store.dirty(self.state):
                    self.changed(hurry)
                self._count(name, peer, began)
            if self.store.dirty(self.state):
                return self._answer_after_commit(value, hurry)
            return value

        return handler

    async def _answer_after_commit(self, value: Any, hurry: bool) -> Any:
        await self.committed(hurry)
        return value

    def _wrap_async(self, name: str, function: Callable[..., Any]) -> Callable[[Peer, dict[str, Any]], Any]:
        async def handler(peer: Peer, args: dict[str, Any]) -> Any:
            began = time.perf_counter()
            self.now()
            try:
                permissions.allowed(self, peer, name, args)
                return await function(self, peer, args)
            finally:
                self.changed()
                self._count(name, peer, began)

        return handler

    def _wrap_stream(self, name: str, function: Callable[..., Any]) -> Callable[[Peer, dict[str, Any]], Any]:
        async def handler(peer: Peer, args: dict[str, Any]) -> AsyncIterator[Any]:
            began = time.perf_counter()
            self.now()
            permissions.allowed(self, peer, name, args)
            parts = function(self, peer, args)
            try:
                async for part in parts:
                    if began:
                        self._count(name, peer, began)
                        began = 0.0
                    yield part
            finally:
                await parts.aclose()

        return handler

    def close(self) -> None:
        """Ends all that runs, after a last commit."""
        self.stopping = True
        if self.store.dirty(self.state):
            try:
                self.store.commit(self.state)
            except SlurmError as error:
                log.error(error.message)
        self.timers.close()
        self.agent.close()
        for task in list(self._tasks):
            task.cancel()
        if self._flush_handle is not None:
            self._flush_handle.cancel()
        if self._later is not None:
            self._later.cancel()

    @property
    def hostname(self) -> str:
        return os.uname().nodename.split(".")[0]
