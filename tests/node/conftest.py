"""A slurmd in a process of its own, and slurmctld's part played by the test: what it is told is recorded."""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from slurmpy.conf import run_dir, slurm_conf
from slurmpy.core.ids import STEP_BATCH
from slurmpy.rpc import methods
from slurmpy.rpc.address import Address
from slurmpy.rpc.client import Client
from slurmpy.rpc.server import Server

CONF = """
ClusterName=test
SlurmctldHost=localhost
SlurmctldPort={port}
SlurmUser={user}
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/spool-%n
SlurmdPidFile={directory}/slurmd-%n.pid
SlurmdLogFile={directory}/slurmd-%n.log
SlurmdDebug=debug
CommunicationParameters=socket_dir={directory}/run,no_tcp
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SlurmdParameters=config_overrides
KillWait=1
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
{more}
NodeName=n[1-2] CPUs=8 RealMemory=4000 State=UNKNOWN
PartitionName=debug Nodes=n[1-2] Default=YES
"""


def wait_for(what: Callable[[], Any], seconds: float = 10.0) -> Any:
    """The first true value of `what`, for what has no event to wait for: another process's files and messages."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value or time.monotonic() > end:
            return value
        time.sleep(0.005)


class FakeController:
    """Answers on slurmctld's socket and keeps what it is told. `refuse` (a set of methods) is not answered to."""

    def __init__(self, conf: slurm_conf.SlurmConf) -> None:
        self.conf = conf
        self.said: list[tuple[str, dict[str, Any]]] = []
        self.kills: list[tuple[int, int, int]] = []
        self._changed = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()
        self._server: Server | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready.clear()
        self._loop = asyncio.new_event_loop()
        self._thread.start()
        assert self._ready.wait(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._ready.set()
        self._loop.run_forever()
        self._loop.close()

    async def _listen(self) -> None:
        def handler(method: str) -> Callable[[Any, dict[str, Any]], Any]:
            def handle(peer: Any, args: dict[str, Any]) -> dict[str, Any]:
                with self._changed:
                    self.said.append((method, args))
                    if method == "kill_step":
                        self.kills.append((args["job_id"], args["step_id"], args.get("signal", 9)))
                    self._changed.notify_all()
                return {}

            return handle

        names = ("register_node", "complete_batch_job", "step_complete", "epilog_complete", "kill_step")
        self._server = Server({name: handler(name) for name in names}, methods.SLURMCTLD, self.conf, "slurmctld")
        path = run_dir.controller_socket(self.conf)
        run_dir.make(os.path.dirname(path))
        await self._server.listen(path)

    def stop(self) -> None:
        async def close() -> None:
            assert self._server is not None
            await self._server.close()
            await asyncio.sleep(0.02)
            self._loop.stop()

        asyncio.run_coroutine_threadsafe(close(), self._loop)
        self._thread.join(10)

    def heard(self, method: str, seconds: float = 10.0, count: int = 1, **wanted: Any) -> dict[str, Any]:
        """The `count`th message of that method with those arguments; fails the test if it does not come."""

        def found() -> list[dict[str, Any]]:
            return [
                args
                for name, args in self.said
                if name == method and all(args.get(key) == value for key, value in wanted.items())
            ]

        with self._changed:
            came = self._changed.wait_for(lambda: len(found()) >= count, seconds)
        assert came, f"no {method} {wanted} in {self.said}"
        return found()[count - 1]


class Node:
    """One slurmd and what a test says to it."""

    def __init__(self, directory: Path, conf: slurm_conf.SlurmConf, name: str) -> None:
        self.directory, self.conf, self.name = directory, conf, name
        self.spool = directory / f"spool-{name}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        command = [sys.executable, "-m", "slurmpy.node.main", "-D", "-N", self.name, "-f", self.conf.path, *options]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        address = Path(run_dir.slurmd_socket(self.conf, self.name))
        assert wait_for(lambda: address.exists() and self._answers()), self.log()

    def _answers(self) -> bool:
        try:
            self.call("ping")
        except Exception:
            return False
        return True

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(10)

    def log(self) -> str:
        path = self.directory / f"slurmd-{self.name}.log"
        return path.read_text() if path.exists() else ""

    def call(self, method: str, **args: Any) -> Any:
        client = Client(Address(run_dir.slurmd_socket(self.conf, self.name), what="slurmd"), self.conf, 20.0)
        try:
            return client.call(method, args)
        finally:
            client.close()

    def live(self) -> list[str]:
        return sorted(path.name for path in self.spool.glob("*.sock"))


class Cluster:
    """A fake slurmctld and two nodes' worth of configuration."""

    def __init__(self, directory: Path, more: str = "") -> None:
        self.directory = directory
        path = directory / "slurm.conf"
        user = pwd.getpwuid(os.geteuid()).pw_name
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        path.write_text(CONF.format(directory=directory, port=port, user=user, more=more))
        self.conf = slurm_conf.load(str(path))
        self.controller = FakeController(self.conf)
        self.nodes: dict[str, Node] = {}

    def node(self, name: str = "n1") -> Node:
        if name not in self.nodes:
            self.nodes[name] = Node(self.directory, self.conf, name)
            self.nodes[name].start()
        return self.nodes[name]

    def close(self) -> None:
        pids = []
        for node in self.nodes.values():
            if node.process is not None and node.process.poll() is not None:
                node.start()  # it was killed by the test: its steps must be ended all the same
            for sock in node.live():
                job = int(sock.split(".")[0])
                node.call("terminate_job", job_id=job, restart_cnt=0, reason="cancelled", kill_wait=0)
            assert wait_for(lambda node=node: not node.live()), f"steps that do not end: {node.live()}\n{node.log()}"
            pids += [node.process.pid] if node.process else []
            assert node.stop() == 0, node.log()
            assert "defect" not in node.log(), node.log()
        self.controller.stop()


def batch(job_id: int = 1, script: str = "true", uid: int | None = None, **more: Any) -> dict[str, Any]:
    """What slurmctld sends to launch a batch job. Keys of the job, of the request, or `environment`."""
    uid = os.geteuid() if uid is None else uid
    user = pwd.getpwuid(uid)
    node = more.pop("node", "n1")
    job = {
        "job_id": job_id,
        "name": "test",
        "user_id": uid,
        "group_id": user.pw_gid,
        "user_name": user.pw_name,
        "partition": "debug",
        "nodes": node,
        "node_count": 1,
        "tasks": 1,
        "batch_host": node,
        "start_time": int(time.time()),
        "current_working_directory": more.pop("cwd", "/tmp"),
    }
    request: dict[str, Any] = {}
    environment = more.pop("environment", ("PATH=/usr/bin:/bin", "HOME=/"))
    for name in ("argv", "open_mode", "umask", "rlimits", "cpus_per_task", "memory_per_node", "memory_per_cpu"):
        if name in more:
            request[name] = more.pop(name)
    job.update(more)
    holding = {"cpus": 1, "core_ids": (0,), "cores": 1, "memory": 0, "gres": job.pop("gres", ())}
    if not script.startswith("#!"):
        script = f"#!/bin/sh\n{script}\n"
    return {
        "job": job,
        "request": request,
        "script": script,
        "environment": environment,
        "allocation": {node: holding},
        "cpus_per_node": ((1, 1),),
        "tasks_per_node": (1,),
        "credential": b"",
    }


@pytest.fixture
def cluster(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """`@pytest.mark.parametrize("cluster", ["Parameter=value"], indirect=True)` adds lines to slurm.conf."""
    tmp_path.chmod(0o755)
    for parent in list(tmp_path.parents)[:3]:  # other users' scripts and files lie below
        if parent.owner() == pwd.getpwuid(os.geteuid()).pw_name and str(parent) != "/tmp":
            parent.chmod(0o755)
    made = Cluster(tmp_path, getattr(request, "param", ""))
    made.controller.start()
    try:
        yield made
    finally:
        made.close()


def processes_with(marker: str) -> list[int]:
    """Live processes whose environment or command line has `marker`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                text = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if marker.encode() in text and state != "Z":
                found.append(int(entry.name))
    return found


__all__ = ["STEP_BATCH", "Cluster", "Node", "batch", "processes_with", "signal", "wait_for"]
