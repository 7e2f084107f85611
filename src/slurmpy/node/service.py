"""The methods that slurmd answers, and who may call them for which job."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from slurmpy.auth import credential
from slurmpy.core.errors import SlurmError
from slurmpy.core.ids import STEP_BATCH, step_name
from slurmpy.rpc.log import log
from slurmpy.rpc.server import Peer

from . import launches, measure
from .jobs import Step
from .slurmd import Slurmd

Handler = Callable[[Peer, dict[str, Any]], Awaitable[Any]]


class Service:
    """Handlers for `slurmpy.rpc.server.Server` around a `Slurmd`. `stop` ends the daemon, `reconfigure` rereads."""

    def __init__(
        self, slurmd: Slurmd, slurm_user: int, stop: Callable[[], None], reconfigure: Callable[[], None]
    ) -> None:
        self._slurmd, self._slurm_user = slurmd, slurm_user
        self._stop, self._reconfigure = stop, reconfigure

    def handlers(self) -> dict[str, Handler]:
        return {
            "ping": self.ping,
            "node_status": self.node_status,
            "shutdown": self.shutdown,
            "reconfigure": self.reconfigure,
            "many": self.many,
            "launch_batch_job": self.launch_batch_job,
            "launch_tasks": self.launch_tasks,
            "signal_step": self.signal_step,
            "signal_job": self.signal_job,
            "terminate_step": self.terminate_step,
            "terminate_job": self.terminate_job,
            "suspend_job": self.suspend_job,
            "resume_job": self.resume_job,
            "notify_job": self.notify_job,
            "step_stat": self.step_stat,
            "list_pids": self.list_pids,
        }

    # ---------------------------------------------------------------- who may

    def _is_trusted(self, peer: Peer) -> bool:
        return peer.uid in (0, self._slurm_user)

    def _may_touch(self, peer: Peer, step: Step) -> None:
        if not self._is_trusted(peer) and peer.uid != step.user_id:
            raise SlurmError("ESLURM_USER_ID_MISSING")

    # ---------------------------------------------------------------- the daemon

    async def ping(self, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
        if self._is_trusted(peer):
            self._slurmd.link.is_there()
        return dict(measure.load())

    async def node_status(self, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
        """What register_node says; to anybody but slurmctld without other people's steps."""
        facts = self._slurmd.facts()
        if self._is_trusted(peer):
            self._slurmd.link.is_there()
        else:
            facts["steps"] = ()
        return facts

    async def shutdown(self, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
        asyncio.get_running_loop().call_soon(self._stop)
        return {}

    async def reconfigure(self, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
        self._reconfigure()
        return {}

    async def many(self, peer: Peer, args: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        """Several calls in one frame, begun in their order; {"ok": value} or {"error": (number, message)} for each."""
        handlers = self.handlers()

        async def one(method: str, inner: dict[str, Any]) -> dict[str, Any]:
            if method not in handlers or method == "many":
                return {"error": (SlurmError("ESLURM_NOT_SUPPORTED").number, f"no method {method}")}
            try:
                return {"ok": await handlers[method](peer, inner)}
            except SlurmError as error:
                return {"error": (error.number, error.message)}
            except (KeyError, TypeError, ValueError) as error:
                log.exception(method, error)
                return {"error": (-1, f"malformed {method}: {error}")}

        return tuple(await asyncio.gather(*(one(method, inner) for method, inner in args["calls"])))

    # ---------------------------------------------------------------- launching

    def _common(self) -> dict[str, Any]:
        return {**launches.from_conf(self._slurmd.conf, self._slurmd.spool), "oci": self._slurmd.oci}

    async def launch_batch_job(self, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
        slurmd = self._slurmd
        launch = launches.of_batch(args, slurmd.name, self._common(), bool(slurmd.conf.JobFileAppend))
        await slurmd.begin(launch)
        return {}

    async def launch_tasks(self, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
        """From srun. What it may start is the credential's, and it must be the credential's user (or root)."""
        slurmd = self._slurmd
        signed = credential.verify(slurmd.conf, args.get("credential", b""))
        if "step_id" not in signed or "allocation" not in signed:
            raise SlurmError("ESLURMD_INVALID_JOB_CREDENTIAL")
        if peer.uid != signed["user_id"] and not self._is_trusted(peer):
            log.error(f"uid {peer.uid} comes with a credential of uid {signed['user_id']}")
            raise SlurmError("ESLURMD_INVALID_JOB_CREDENTIAL")
        launch = launches.of_tasks(signed, args["step"], args["io"], slurmd.name, self._common())
        await slurmd.begin(launch)
        return {"tasks": launch["tasks"]}

    # ---------------------------------------------------------------- signalling and ending

    async def signal_step(self, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
        job_id, step_id, number = int(args["job_id"]), int(args["step_id"]), int(args["signal"])
        if number == 9 and self._is_trusted(peer) and not self._slurmd.has_step(job_id, step_id):
            self._slurmd.revoke_step(job_id, step_id)
            return {}
        step = self._slurmd.step(job_id, step_id)
        self._may_touch(peer, step)
        if number == 9:
            return await self._slurmd.ask(step, {"what": "kill", "reason": args.get("reason") or "cancelled"})
        return await self._slurmd.ask(step, {"what": "signal", "signal": number})

    async def signal_job(self, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
        """``batch_only``: the script's own process; ``steps_only``: not the script; ``full``: all processes of all."""
        job_id, batch_only = int(args["job_id"]), bool(args.get("batch_only"))
        request = {"what": "signal", "signal": int(args["signal"]), "only_tasks": batch_only}
        count = await self._slurmd.ask_all(job_id, request, batch=not args.get("steps_only"), steps=not batch_only)
        return {"steps": count}

    async def terminate_step(self, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
        job_id, step_id = int(args["job_id"]), int(args["step_id"])
        if not self._slurmd.has_step(job_id, step_id):
            self._slurmd.revoke_step(job_id, step_id)
            return {}
        step = self._slurmd.step(job_id, step_id)
        request = {"what": "terminate", "reason": args.get("reason"), "kill_wait": args.get("kill_wait")}
        return await self._slurmd.ask(step, request)

    async def terminate_job(self, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
        self._slurmd.terminate(args)
        return {}

    async def suspend_job(self, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
        return {"steps": await self._slurmd.ask_all(int(args["job_id"]), {"what": "suspend"})}

    async def resume_job(self, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
        return {"steps": await self._slurmd.ask_all(int(args["job_id"]), {"what": "resume"})}

    async def notify_job(self, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
        request = {"what": "notify", "message": str(args["message"])}
        return {"steps": await self._slurmd.ask_all(int(args["job_id"]), request, steps=False)}

    # ---------------------------------------------------------------- looking

    async def step_stat(self, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
        """{"usage" (`slurmpy.rpc.dbd_messages`), "pids", "tasks" (how many)} of a running step, for sstat."""
        step = self._slurmd.step(int(args["job_id"]), int(args["step_id"]))
        self._may_touch(peer, step)
        return await self._slurmd.ask(step, {"what": "stat"})

    async def list_pids(self, peer: Peer, args: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        """One dict a step of a job: {"step_id", "step", "pids", "tasks": ((global id, local id, pid), ...)}."""
        job = self._slurmd.jobs.get(int(args["job_id"]))
        if job is None:
            raise SlurmError("ESLURM_INVALID_JOB_ID")
        found = []
        for step in list(job.steps.values()):
            self._may_touch(peer, step)
            if args.get("step_id") in (None, step.step_id):
                answer = await self._slurmd.ask(step, {"what": "pids"})
                name = "batch" if step.step_id == STEP_BATCH else step_name(step.step_id)
                found.append({"step_id": step.step_id, "step": name, **answer})
        return tuple(found)
