"""slurmd: what runs on this node. Launches steps through the spawner, ends them, and tells slurmctld how they ended.

Whatever slurmctld must come to know lies in the spool directory until slurmctld has confirmed it
(`slurmpy.node.spool`), so this process may be killed at any time: its successor finds the live slurmstepds by their
sockets, and the ends of the others.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgpack

from slurmpy.core.errors import SlurmError
from slurmpy.core.ids import STEP_BATCH, step_name
from slurmpy.rpc.log import log

from . import control, measure, processes, programs, spool
from .allegiance import Allegiance
from .jobs import Job, Step
from .link import RETRY_FIRST, Link
from .oci import leftovers as containers
from .refusals import Refusals
from .removals import Removals
from .spawner import Spawner

LAUNCH_TIMEOUT = 60.0
#: So many seconds after its confirmed end a job may still be launched by a message that was on its way.
REMEMBER = 120.0
VERSION = "24.11.5"


class Slurmd:
    """The daemon of node `name`. `start()` first, then `handlers()` may be served; `close()` leaves the steps alone."""

    def __init__(
        self, conf: Any, name: str, spool_directory: str, spawner: Spawner, hardware: Mapping[str, Any]
    ) -> None:
        self.conf, self.name, self.spool = conf, name, spool_directory
        self.hardware = dict(hardware)  # what register_node says of CPUs, memory, gres; and "hostname", "port"
        self.started_at = int(time.time())
        self.jobs: dict[int, Job] = {}
        self.ends: dict[tuple[int, int, int], dict[str, Any]] = {}
        self.link = Link(conf, name)
        self.cgroup: dict[str, Any] | None = None
        self.oci: dict[str, Any] | None = None  # of oci.conf, for the slurmstepds
        self._spawner = spawner
        self._unpacker = msgpack.Unpacker(use_list=False, strict_map_key=False)
        self._launches: dict[int, asyncio.Future[tuple[int, str | None]]] = {}
        self._next_launch = 0
        self._running: dict[int, Step] = {}  # by number of launch
        self._over: set[int] = set()
        self._spawner_handle = -1
        self._transport: asyncio.WriteTransport | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._held: dict[int, int] = {}  # how many ends of each job slurmctld has not confirmed
        self._refusals = Refusals()
        self._allegiance = Allegiance(spool_directory)
        self._foreign: set[tuple[int, int, int]] = set()  # steps of a former state of slurmctld's
        self._turning: asyncio.Task[None] | None = None  # until they have ended
        self._removals = Removals(spool_directory, self._keep)
        self.on_spawner_lost: Callable[[], None] = lambda: None
        self._done: dict[tuple[int, int, int], float] = {}

    # ---------------------------------------------------------------- beginning and end

    async def start(self) -> None:
        """Connects to the spawner and takes up what a former slurmd of this node has left."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_connection(asyncio.Protocol, sock=self._spawner.socket)
        loop.add_reader(self._spawner.reader, self._heard)
        self._spawner_handle = os.pidfd_open(self._spawner.pid)
        loop.add_reader(self._spawner_handle, self._spawner_lost)
        for when, key in spool.confirmed(self.spool, time.time()):
            self._remember(key, when)
        for job_id, step_id, restart_cnt in spool.sockets(self.spool):
            await self._adopt(job_id, step_id, restart_cnt)
        for key in containers.noted(self.spool):
            if control.process_of(spool.socket_path(self.spool, *key)) is None:
                self._removals.containers(*key)
        for end in spool.ends(self.spool):
            self._take_end(end)
        for job_id, restart_cnt, request in spool.endings(self.spool):
            self._end_job(job_id, restart_cnt, request)

    async def _adopt(self, job_id: int, step_id: int, restart_cnt: int) -> None:
        path = spool.socket_path(self.spool, job_id, step_id, restart_cnt)
        if control.process_of(path) is None:
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass
            killed = processes.kill_step(job_id, step_id, self.name, self.conf.ClusterName)
            if spool.read_end(self.spool, job_id, step_id, restart_cnt) is None:
                log.error(f"slurmstepd of {job_id}.{step_name(step_id)} was killed, {killed} processes were left")
                self._died(Step(job_id, step_id, restart_cnt, 0, 0))
            return
        pid = control.process_of(path)
        if pid is None:
            return  # it has just ended
        step = Step(job_id, step_id, restart_cnt, 0, pid)
        try:
            status = await control.ask(path, {"what": "status"})
        except (OSError, SlurmError) as error:
            log.debug(f"status of {job_id}.{step_name(step_id)}: {error}")  # busy, or just ending: its end will tell
        else:
            step.user_id, step.started_at = status["user_id"], status["started_at"]
        log.info(f"Adopting {job_id}.{step_name(step_id)}, slurmstepd {step.pid}")
        self._job(job_id, step.restart_cnt, step.user_id).prologued = True
        self._watch(step)

    def _remember(self, key: tuple[int, int, int], when: float) -> None:
        """A confirmed end, and forgets those that are old enough."""
        self._done[key] = when
        limit = time.time() - REMEMBER
        while self._done:
            oldest = next(iter(self._done))
            if self._done[oldest] > limit:
                break
            del self._done[oldest]
            spool.forget(self.spool, *oldest)

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._spawner.reader)
        loop.remove_reader(self._spawner_handle)
        os.close(self._spawner_handle)
        for job in self.jobs.values():
            for step in job.steps.values():
                loop.remove_reader(step.handle)
                os.close(step.handle)
        if self._transport is not None:
            self._transport.close()
        self.link.close()

    def _keep(self, coroutine: Any) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, SlurmError):
            log.exception("defect", error)

    # ---------------------------------------------------------------- slurmctld

    def facts(self) -> dict[str, Any]:
        """What register_node says."""
        live = [
            (step.job_id, step.step_id, step.restart_cnt) for job in self.jobs.values() for step in job.steps.values()
        ]
        steps = set(live) | set(self.ends)
        for job_id, job in self.jobs.items():
            steps.update((job_id, step_id, job.restart_cnt) for step_id in job.launching)
        return {
            "name": self.name,
            "version": VERSION,
            "slurmd_start_time": self.started_at,
            "steps": tuple(sorted(steps)),
            **measure.system(),
            **measure.load(),
            **self.hardware,
        }

    def register(self) -> None:
        """Tells slurmctld what this node is now."""
        self._keep(self._register())

    async def _register(self) -> None:
        delay = RETRY_FIRST
        while True:
            try:
                answer = await self.link.tell("register_node", self.facts())
            except SlurmError as error:
                log.error(f"registration: {error.message}")
                await asyncio.sleep(delay)
                delay = min(delay * 2, 30.0)
                continue
            log.info(f"registered with slurmctld as {self.name}")
            self._follow((answer or {}).get("state"))
            self._kill_unwanted(answer)
            return

    def _follow(self, state: Any) -> None:
        """slurmctld has told the name of its state. If it is a new one, its jobs have the numbers of others that were
        here: those end, and nothing that is remembered of them stands in the way."""
        if not self._allegiance.turns_to(state):
            return
        log.info("slurmctld has a new state: what was here for the former one ends")
        self._refusals = Refusals()
        for key in self._done:
            spool.forget(self.spool, *key)
        self._done.clear()
        for key in self.ends:
            spool.confirm_end(self.spool, *key)
            spool.forget(self.spool, *key)
        self._foreign.update(self.ends)
        for job_id, job in list(self.jobs.items()):
            self._foreign.update((job_id, step_id, job.restart_cnt) for step_id in (*job.steps, *job.launching))
            job.foreign = True
            self._end_job(job_id, job.restart_cnt, {"reason": "cancelled"})
        self._turning = self._keep(self._turn([job.ending for job in self.jobs.values() if job.ending is not None]))

    async def _turn(self, endings: list[asyncio.Task[None]]) -> None:
        """Nothing begins before what was here has ended and the new name is noted: else a slurmd that comes after a
        kill could not tell the ones from the others."""
        if endings:
            await asyncio.wait(endings)
        self._foreign &= self.ends.keys()  # the others never came to an end of their own
        self._allegiance.note()
        self._turning = None

    def _kill_unwanted(self, answer: Any) -> None:
        for item in (answer or {}).get("kill", ()):
            job_id = item[0] if isinstance(item, tuple) else item
            job = self.jobs.get(job_id)
            if job is not None:
                self._end_job(job_id, job.restart_cnt, {"reason": "cancelled"})

    # ---------------------------------------------------------------- steps begin

    def _job(self, job_id: int, restart_cnt: int, user_id: int) -> Job:
        job = self.jobs.get(job_id)
        if job is None:
            job = self.jobs[job_id] = Job(restart_cnt, user_id)
        return job

    def _heard(self) -> None:
        """The spawner, or a slurmstepd that it forked, says how a launch went."""
        try:
            data = os.read(self._spawner.reader, 65536)
        except BlockingIOError:
            return
        self._unpacker.feed(data)
        for number, pid, text, done in self._unpacker:
            if done:
                step = self._running.pop(number, None)
                if step is None:
                    self._over.add(number)  # so quick that its launch has not been noted yet
                elif step.handle >= 0:
                    self._ended(step)
                continue
            future = self._launches.pop(number, None)
            if future is not None and not future.done():
                future.set_result((pid, text))

    def _spawner_lost(self) -> None:
        asyncio.get_running_loop().remove_reader(self._spawner_handle)
        log.error("the spawner has gone: starting anew")
        self.on_spawner_lost()

    async def _launch(self, job: Job, launch: dict[str, Any]) -> None:
        """Starts a slurmstepd; returns once it answers. Raises SlurmError."""
        job_id, step_id = launch["job_id"], launch["step_id"]
        if os.geteuid() != 0 and launch["user_id"] != os.geteuid():
            raise SlurmError(
                "ESLURMD_SET_UID_OR_GID_ERROR", "slurmd runs as an ordinary user, and only that user's jobs"
            )
        on_host = bool(launch.get("container")) and launch.get("oci") is None
        if on_host and self.conf.OCIRequired:
            raise SlurmError("ESLURM_CONTAINER_NOT_CONFIGURED")
        launch["cgroup"] = self.cgroup
        if removals := self._removals.of_step(job_id, step_id):
            await asyncio.wait(removals)
        if not job.prologued and self.conf.Prolog:
            await self._prolog(job_id, launch)
        job.prologued = True
        self._next_launch += 1
        number = self._next_launch
        future: asyncio.Future[tuple[int, str | None]] = asyncio.get_running_loop().create_future()
        self._launches[number] = future
        assert self._transport is not None
        self._transport.write(Spawner.encode(number, launch))
        try:
            pid, failure = await asyncio.wait_for(future, LAUNCH_TIMEOUT)
        except TimeoutError as error:
            raise SlurmError("ESLURMD_SETUP_ENVIRONMENT_ERROR", "slurmstepd did not answer in time") from error
        finally:
            self._launches.pop(number, None)
        if failure is not None:
            log.error(f"launch of {job_id}.{step_name(step_id)}: {failure}")
            if pid:
                self._watch(Step(job_id, step_id, launch["restart_cnt"], launch["user_id"], pid))
            raise SlurmError("ESLURMD_IO_ERROR" if launch["kind"] == "tasks" else "ESLURMD_SETUP_ENVIRONMENT_ERROR")
        said = f"launched {job_id}.{step_name(step_id)} for UID {launch['user_id']}"
        if launch.get("container"):
            where = " on the host: there is no oci.conf" if on_host else ""
            log.info(f"{said}, container={launch['container']}{where}")
        else:
            log.verbose(said)
        step = Step(job_id, step_id, launch["restart_cnt"], launch["user_id"], pid)
        step.number = number
        over = number in self._over
        if over:
            self._over.discard(number)
        else:
            self._running[number] = step
        self._watch(step, over)

    async def _prolog(self, job_id: int, launch: dict[str, Any]) -> None:
        try:
            await programs.run("prolog", self.conf.Prolog, programs.environment(launch, self.conf))
        except programs.Failed as error:
            log.error(f"prolog of job {job_id}: {error}")
            raise SlurmError("ESLURMD_PROLOG_FAILED", str(error)) from error

    def _watch(self, step: Step, over: bool = False) -> None:
        job = self._job(step.job_id, step.restart_cnt, step.user_id)
        job.steps[step.step_id] = step
        if over:
            self._ended(step)
            return
        try:
            step.handle = os.pidfd_open(step.pid)
        except ProcessLookupError:
            self._ended(step)
            return
        asyncio.get_running_loop().add_reader(step.handle, self._ended, step)

    async def begin(self, launch: dict[str, Any]) -> None:
        """Starts a step unless it is running, or has run already. Raises SlurmError.

        A launch that has begun goes on to its end, though whoever asked for it may have gone: else it would be started
        a second time by the next who asks.
        """
        await asyncio.shield(self._keep(self._begin(launch)))

    async def _begin(self, launch: dict[str, Any]) -> None:
        job_id, step_id, restart_cnt = launch["job_id"], launch["step_id"], launch["restart_cnt"]
        key = (job_id, step_id, restart_cnt)
        self._follow(launch["job"].get("controller_state"))
        if self._turning is not None:
            await asyncio.shield(self._turning)
        if self._refusals.has(job_id, step_id, restart_cnt):
            raise SlurmError("ESLURMD_CREDENTIAL_REVOKED")
        if key in self.ends or key in self._done:
            if launch["kind"] == "tasks":
                raise SlurmError("ESLURMD_CREDENTIAL_REPLAYED")
            return
        job = self.jobs.get(job_id)
        if job is not None and job.restart_cnt != restart_cnt:
            if job.steps or job.launching or job.ending is not None:
                raise SlurmError("ESLURMD_STEP_EXISTS", "a former life of the job has not ended yet")
            del self.jobs[job_id]
        job = self._job(job_id, restart_cnt, launch["user_id"])
        if job.ending is not None:
            raise SlurmError("ESLURMD_CREDENTIAL_REVOKED")
        if step_id in job.steps:
            if launch["kind"] == "tasks":
                raise SlurmError("ESLURMD_STEP_EXISTS")
            return
        if step_id in job.launching:
            await asyncio.shield(job.launching[step_id])
            return
        future = job.launching[step_id] = asyncio.get_running_loop().create_future()
        try:
            await self._launch(job, launch)
        except SlurmError as error:
            future.set_exception(error)
            future.exception()  # nobody else may be waiting for it
            raise
        else:
            future.set_result(None)
        finally:
            job.launching.pop(step_id, None)
            self._changed(job_id, job)

    # ---------------------------------------------------------------- steps end

    def _ended(self, step: Step) -> None:
        """slurmstepd has done with the step, or has ended: what it has written goes to slurmctld."""
        self._running.pop(step.number, None)
        if step.handle >= 0:
            asyncio.get_running_loop().remove_reader(step.handle)
            os.close(step.handle)
            step.handle = -1
        end = spool.read_end(self.spool, step.job_id, step.step_id, step.restart_cnt)
        if end is None and control.process_of(self._socket(step)) is not None:
            log.error(f"a second slurmstepd of {step.job_id}.{step_name(step.step_id)} has refused to run")
            self._keep(self._adopt(step.job_id, step.step_id, step.restart_cnt))
            return
        if end is None:
            log.error(f"slurmstepd of {step.job_id}.{step_name(step.step_id)} ended without a word")
            processes.kill_step(step.job_id, step.step_id, self.name, self.conf.ClusterName)
            if (step.job_id, step.step_id, step.restart_cnt) in containers.noted(self.spool):
                self._removals.containers(step.job_id, step.step_id, step.restart_cnt)
            self._died(step)
        else:
            self._take_end(end)
        job = self.jobs.get(step.job_id)
        if job is not None and job.steps.get(step.step_id) is step:
            del job.steps[step.step_id]
            self._changed(step.job_id, job)

    def _take_end(self, end: dict[str, Any]) -> None:
        key = (end["job_id"], end["step_id"], end["restart_cnt"])
        if key not in self.ends:
            self.ends[key] = end
            self._held[end["job_id"]] = self._held.get(end["job_id"], 0) + 1
            self._keep(self._deliver(end))

    def _died(self, step: Step) -> None:
        """Makes the end that a killed slurmstepd could not write."""
        try:
            os.unlink(self._socket(step))
        except FileNotFoundError:
            pass
        if step.step_id == STEP_BATCH:
            spool.remove_script(self.spool, step.job_id)
        if self.cgroup is not None:
            self._removals.cgroups(self.cgroup, step.job_id, step.step_id)
        end = step.killed()
        try:
            spool.write_end(self.spool, end)
        except OSError as error:
            log.error(f"cannot note the end of {step.job_id}.{step_name(step.step_id)}: {error.strerror}")
        self._take_end(end)

    def _changed(self, job_id: int, job: Job) -> None:
        job.changed.set()
        job.changed = asyncio.Event()
        if not job.steps and not job.launching and job.ending is None and self.jobs.get(job_id) is job:
            if self._held.get(job_id):
                return  # its batch script's end is under way, and the Epilog with it
            if job.prologued and self.conf.Epilog:
                return  # the job itself may live on between two steps; its epilog comes with its end
            del self.jobs[job_id]

    async def _deliver(self, end: dict[str, Any]) -> None:
        """Tells slurmctld of an end until it is confirmed."""
        job_id, step_id, _ = key = (end["job_id"], end["step_id"], end["restart_cnt"])
        told = ("job_id", "restart_cnt", "exit_code", "reason", "message", "usage", "start_time", "end_time")
        message = {"node": self.name, **{name: end[name] for name in told}}
        method = "complete_batch_job"
        if step_id == STEP_BATCH:
            await asyncio.sleep(0)  # lets the step be taken from its job
            job = self.jobs.get(job_id)
            alone = job is None or (not job.steps and not job.launching and job.ending is None)
            if alone and job is not None and self.conf.Epilog:
                await self._epilog(job_id, job)
            message["epilog_complete"] = alone
        else:
            method = "step_complete"
            message.update(step_id=step_id, exit_codes=tuple(end["exit_codes"]))
        try:
            if key not in self._foreign:
                await self.link.tell(method, message)
        except SlurmError as error:
            log.error(f"{method} of {job_id}.{step_name(step_id)}: {error.message}")
        spool.confirm_end(self.spool, *key)
        if key in self._foreign:
            self._foreign.discard(key)
            spool.forget(self.spool, *key)
        else:
            self._remember(key, time.time())
        del self.ends[key]
        self._held[job_id] -= 1
        if not self._held[job_id]:
            del self._held[job_id]
        job = self.jobs.get(job_id)
        if job is not None:
            if (
                step_id == STEP_BATCH
                and message["epilog_complete"]
                and not job.steps
                and not job.launching
                and job.ending is None
            ):
                del self.jobs[job_id]
            else:
                self._changed(job_id, job)

    # ---------------------------------------------------------------- jobs end

    def _end_job(self, job_id: int, restart_cnt: int, request: Mapping[str, Any]) -> None:
        job = self._job(job_id, restart_cnt, int(request.get("user_id", 0)))
        if job.ending is None:
            job.ending = self._keep(self._ending(job_id, job, dict(request)))
        else:
            self._keep(self._tell_steps(job, request))  # a sterner request than the first

    async def _tell_steps(self, job: Job, request: Mapping[str, Any]) -> None:
        question = {
            "what": "terminate",
            "reason": request.get("reason") or "cancelled",
            "kill_wait": request.get("kill_wait"),
        }

        async def tell(step: Step) -> None:
            try:
                await control.ask(self._socket(step), question)
            except (OSError, SlurmError) as error:
                log.debug(f"terminate {step.job_id}.{step_name(step.step_id)}: {error}")

        # the script last: its end takes its sruns along, whose steps should hear from us first why they end
        steps = sorted(job.steps.values(), key=lambda step: step.step_id == STEP_BATCH)
        await asyncio.gather(*map(tell, steps))

    async def _ending(self, job_id: int, job: Job, request: dict[str, Any]) -> None:
        """Ends all steps, waits for them, runs the Epilog and says so."""
        while job.launching:
            await asyncio.wait([asyncio.shield(future) for future in job.launching.values()])
        await self._tell_steps(job, request)
        while job.steps:
            await job.changed.wait()
        while self._held.get(job_id):  # first how it ended, then that it is gone
            await job.changed.wait()
        if self.conf.Epilog:
            await self._epilog(job_id, job)
        try:
            if not job.foreign:
                message = {"job_id": job_id, "restart_cnt": job.restart_cnt, "node": self.name}
                await self.link.tell("epilog_complete", message)
        except SlurmError as error:
            log.error(f"epilog_complete of job {job_id}: {error.message}")
        spool.remove_ending(self.spool, job_id, job.restart_cnt)
        if self.jobs.get(job_id) is job:
            del self.jobs[job_id]

    async def _epilog(self, job_id: int, job: Job) -> None:
        launch = {"job_id": job_id, "user_id": job.user_id, "restart_cnt": job.restart_cnt, "node": self.name}
        try:
            await programs.run("epilog", self.conf.Epilog, programs.environment(launch, self.conf))
        except programs.Failed as error:
            log.error(f"epilog of job {job_id}: {error}")

    def terminate(self, request: Mapping[str, Any]) -> None:
        """terminate_job. Raises SlurmError if it cannot be noted."""
        job_id, restart_cnt = int(request["job_id"]), int(request.get("restart_cnt", 0))
        self._refusals.life(job_id, restart_cnt)
        job = self.jobs.get(job_id)
        if job is not None and job.restart_cnt != restart_cnt:
            job = None  # a message about a former life
        if job is None:
            if self.jobs.get(job_id) is None and self._held.get(job_id):
                job = self._job(job_id, restart_cnt, int(request.get("user_id", 0)))
            else:
                message = {"job_id": job_id, "restart_cnt": restart_cnt, "node": self.name}
                self._keep(self._say("epilog_complete", message))
                return
        try:
            spool.write_ending(self.spool, job_id, restart_cnt, dict(request))
        except OSError as error:
            log.error(f"cannot note that job {job_id} is to end: {error.strerror}")
        self._end_job(job_id, restart_cnt, request)

    async def _say(self, method: str, message: dict[str, Any]) -> None:
        try:
            await self.link.tell(method, message)
        except SlurmError as error:
            log.error(f"{method} of job {message['job_id']}: {error.message}")

    # ---------------------------------------------------------------- asking steps

    def step(self, job_id: int, step_id: int) -> Step:
        """A live step. Raises SlurmError ESLURMD_STEP_NOTRUNNING."""
        job = self.jobs.get(job_id)
        found = job.steps.get(step_id) if job is not None else None
        if found is None:
            raise SlurmError("ESLURMD_STEP_NOTRUNNING")
        return found

    def has_step(self, job_id: int, step_id: int) -> bool:
        """Whether it runs here, is being launched, or slurmctld has yet to hear of its end."""
        job = self.jobs.get(job_id)
        here = job is not None and (step_id in job.steps or step_id in job.launching)
        return here or any(key[:2] == (job_id, step_id) for key in self.ends)

    def revoke_step(self, job_id: int, step_id: int) -> None:
        """A step that was never launched here, and now must not be: tells slurmctld that it is over."""
        self._refusals.step(job_id, step_id)
        now = int(time.time())
        message = {
            "job_id": job_id, "step_id": step_id, "node": self.name, "exit_code": int(signal.SIGKILL), "exit_codes": (),
            "usage": None, "reason": "", "message": "never launched", "start_time": now, "end_time": now,
        }  # fmt: skip
        self._keep(self._say("step_complete", message))

    def _socket(self, step: Step) -> str:
        return spool.socket_path(self.spool, step.job_id, step.step_id, step.restart_cnt)

    async def ask(self, step: Step, request: Mapping[str, Any]) -> dict[str, Any]:
        """A question to a slurmstepd. Raises SlurmError."""
        try:
            return await control.ask(self._socket(step), request)
        except OSError as error:
            raise SlurmError("ESLURMD_STEP_NOTRUNNING") from error

    async def ask_all(self, job_id: int, request: Mapping[str, Any], batch: bool = True, steps: bool = True) -> int:
        """The same question to the steps of a job that are there; returns how many answered."""
        job = self.jobs.get(job_id)
        if job is None:
            return 0
        while job.launching:
            await asyncio.wait([asyncio.shield(future) for future in job.launching.values()])
        count = 0
        for step in list(job.steps.values()):
            if batch if step.step_id == STEP_BATCH else steps:
                try:
                    await self.ask(step, request)
                    count += 1
                except SlurmError as error:
                    log.debug(f"{request.get('what')} {step.job_id}.{step_name(step.step_id)}: {error.message}")
        return count
