"""A slurmctld and its slurmds in one loop: the real controller and store, and nodes that only pretend to run jobs."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from slurmpy.conf import run_dir, slurm_conf
from slurmpy.controller import main
from slurmpy.core.errors import SlurmError
from slurmpy.rpc import methods
from slurmpy.rpc.address import Address
from slurmpy.rpc.aio import AsyncClient
from slurmpy.rpc.server import Server

CONF = """
ClusterName=unit
SlurmctldHost=localhost
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/spool-%n
SlurmctldPidFile={directory}/slurmctld.pid
CommunicationParameters=socket_dir={directory}/run,no_tcp
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
ReturnToService=2
KillWait=1
SlurmdTimeout=30
SchedulerParameters=bf_interval=1
{more}
NodeName=n[1-2] CPUs=4 RealMemory=4000
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE
PartitionName=other Nodes=n2 MaxTime=30
"""


class FakeDaemon:
    """What Program.main needs of a daemon."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.end = asyncio.Event()

    def serving(self) -> None:
        self.ready.set()

    def stop(self) -> None:
        self.end.set()

    def fail(self) -> None:
        self.stop()

    async def stopped(self) -> None:
        await self.end.wait()


class FakeSlurmd:
    """Keeps what it is told; ends batch jobs by itself if `auto` is an exit status."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster, self.name = cluster, name
        self.auto: int | None = 0
        self.launches: list[dict[str, Any]] = []
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.running: dict[int, dict[str, Any]] = {}
        self.seen: set[tuple[int, int]] = set()
        self.arrived = asyncio.Event()
        self.server: Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        handlers = {
            "launch_batch_job": self._launch, "terminate_job": self._terminate, "signal_job": self._note("signal_job"),
            "signal_step": self._note("signal_step"), "terminate_step": self._terminate_step,
            "suspend_job": self._note("suspend_job"), "resume_job": self._note("resume_job"),
            "notify_job": self._note("notify_job"), "ping": lambda peer, args: {"cpu_load": 1, "free_mem": 100},
            "node_status": lambda peer, args: self.registration(), "many": self._many,
        }  # fmt: skip
        self.server = Server(handlers, methods.SLURMD, self.cluster.conf, "slurmd")
        path = run_dir.slurmd_socket(self.cluster.conf, self.name)
        run_dir.make(os.path.dirname(path))
        await self.server.listen(unix_path=path)
        await self.cluster.call("register_node", self.registration())

    async def stop(self) -> None:
        assert self.server is not None
        await self.server.close()
        for task in self._tasks:
            task.cancel()

    def registration(self) -> dict[str, Any]:
        steps = tuple((job_id, 0xFFFFFFFB, job["restart_cnt"]) for job_id, job in self.running.items())
        return {
            "name": self.name, "hostname": "localhost", "version": "24.11.5", "architecture": "x86_64",
            "operating_system": "Linux", "boot_time": 1000, "slurmd_start_time": 2000, "cpus": 4, "real_memory": 4000,
            "free_mem": 3000, "cpu_load": 10, "steps": steps,
        }  # fmt: skip

    def _note(self, method: str) -> Any:
        def handler(peer: Any, args: dict[str, Any]) -> dict[str, Any]:
            self.calls.append((method, args))
            self.arrived.set()
            return {}

        return handler

    def _many(self, peer: Any, args: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        assert self.server is not None
        answers = []
        for method, inner in args["calls"]:
            try:
                answers.append({"ok": self.server.handlers[method](peer, inner)})
            except SlurmError as error:
                answers.append({"error": (error.number, error.message)})
        return tuple(answers)

    def _launch(self, peer: Any, args: dict[str, Any]) -> dict[str, Any]:
        job = args["job"]
        key = (job["job_id"], job.get("restart_cnt", 0))
        self.launches.append(args)
        self.arrived.set()
        if key in self.seen:
            return {}
        self.seen.add(key)
        self.running[key[0]] = {"restart_cnt": key[1]}
        if self.auto is not None:
            self._later(self.complete(key[0], self.auto))
        return {}

    def _later(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def complete(self, job_id: int, status: int = 0, **more: Any) -> None:
        job = self.running.pop(job_id)
        message = {
            "job_id": job_id, "restart_cnt": job["restart_cnt"], "node": self.name, "exit_code": status,
            "epilog_complete": True, **more,
        }  # fmt: skip
        await self.cluster.call("complete_batch_job", message)

    def _terminate(self, peer: Any, args: dict[str, Any]) -> dict[str, Any]:
        self.calls.append(("terminate_job", args))
        self.arrived.set()
        self._later(self._terminated(args))
        return {}

    async def _terminated(self, args: dict[str, Any]) -> None:
        job = self.running.pop(args["job_id"], None)
        base = {"job_id": args["job_id"], "restart_cnt": args["restart_cnt"], "node": self.name}
        if job is not None:
            await self.cluster.call("complete_batch_job", {**base, "exit_code": 15, "epilog_complete": False})
        await self.cluster.call("epilog_complete", base)

    def _terminate_step(self, peer: Any, args: dict[str, Any]) -> dict[str, Any]:
        self.calls.append(("terminate_step", args))
        self.arrived.set()
        base = {"job_id": args["job_id"], "step_id": args["step_id"], "node": self.name, "exit_code": 9}
        self._later(self.cluster.call("step_complete", base))
        return {}


class Cluster:
    """Use as ``async with Cluster(tmp_path) as cluster``; `restart()` as after a kill -9 (nothing is flushed)."""

    def __init__(self, directory: Any, more: str = "", nodes: tuple[str, ...] = ("n1", "n2"), argv: Any = ()) -> None:
        self.directory = str(directory)
        self.path = os.path.join(self.directory, "slurm.conf")
        import pwd

        user = pwd.getpwuid(os.geteuid()).pw_name
        with open(self.path, "w") as file:
            file.write(CONF.format(directory=self.directory, user=user, more=more))
        self.conf = slurm_conf.load(self.path)
        self.slurmd = {name: FakeSlurmd(self, name) for name in nodes}
        self.argv = list(argv)

    async def __aenter__(self) -> Cluster:
        await self.start()
        for slurmd in self.slurmd.values():
            await slurmd.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for slurmd in self.slurmd.values():
            await slurmd.stop()
        await self.stop()

    async def start(self) -> None:
        options = main.parse(["-D", *self.argv])
        assert not isinstance(options, int)
        self.daemon = FakeDaemon()
        self.program = main.Program(slurm_conf.load(self.path), options)
        self.task = asyncio.get_running_loop().create_task(self.program.main(self.daemon))
        ready = asyncio.get_running_loop().create_task(self.daemon.ready.wait())
        await asyncio.wait((self.task, ready), return_when=asyncio.FIRST_COMPLETED)
        if self.task.done():
            ready.cancel()
            await self.task
        self.client = AsyncClient(Address(run_dir.controller_socket(self.conf)), self.conf)
        assert self.program.ctl is not None
        self.ctl = self.program.ctl
        self.state = self.ctl.state

    async def stop(self) -> None:
        self.daemon.stop()
        await self.task
        self.client.close()

    async def kill(self) -> None:
        """Ends slurmctld without letting it write anything more, as kill -9 does."""
        ctl = self.ctl
        assert self.program.server is not None
        for connection in list(self.program.server.connections):
            if connection._transport is not None:
                connection._transport.abort()
        ctl.store.commit = lambda state: None  # type: ignore[method-assign]
        for changed in (ctl.state.dirty_jobs, ctl.state.dirty_steps, ctl.state.dirty_nodes):
            changed.clear()
        await self.stop()

    async def call(self, method: str, args: dict[str, Any] | None = None) -> Any:
        while True:
            try:
                return await self.client.call(method, args)
            except SlurmError as error:
                if "COMMUNICATIONS" not in error.name:
                    raise
                await asyncio.sleep(0.02)

    async def submit(self, script: str = "#!/bin/sh\ntrue\n", **fields: Any) -> int:
        description = {
            "name": "job", "script": script, "environment": ("PATH=/bin",), "current_working_directory": "/tmp",
            "minimum_nodes": None, **fields,
        }  # fmt: skip
        description = {key: value for key, value in description.items() if value is not None}
        answer = await self.call("submit_batch_job", {"description": description})
        return int(answer["job_id"])

    async def until(self, test: Any, seconds: float = 10.0) -> None:
        """Waits until `test()` is true (the state is here, in the same process)."""
        async with asyncio.timeout(seconds):
            while not test():
                await asyncio.sleep(0.005)

    async def finished(self, job_id: int) -> dict[str, Any]:
        last: dict[str, Any] = {}
        async for part in self.client.stream("wait_job", {"job_id": job_id}):
            last = part
        return last
