"""What slurmstepd answers on its socket: to slurmd, about one step."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import processes

if TYPE_CHECKING:
    from .stepd import Step


def answer(step: Step, request: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to one request; {"error": text} for what is none."""
    what = request.get("what")
    if what == "status":
        return _status(step)
    if what == "signal":
        return {"count": step.signal(int(request["signal"]), bool(request.get("only_tasks")))}
    if what == "terminate":
        step.terminate(str(request.get("reason") or "cancelled"), request.get("kill_wait"))
        return {}
    if what == "kill":
        step.announce(str(request.get("reason") or "cancelled"))
        if not step.is_batch:
            step.io.aborting(step.launch["kill_wait"])
        step.kill()
        return {}
    if what == "announce":
        step.announce(str(request.get("reason") or "cancelled"))
        return {}
    if what == "suspend":
        step.suspend()
        return {}
    if what == "resume":
        step.resume()
        return {}
    if what == "notify":
        step.say(str(request.get("message", "")), "")
        return {}
    if what == "stat":
        step.sample()
        return {"usage": step.usage(), "pids": processes.descendants(os.getpid()), "tasks": len(step.tasks)}
    if what == "pids":
        return {
            "pids": processes.descendants(os.getpid()),
            "tasks": [(task.number, task.local, task.pid) for task in step.tasks],
        }
    return {"error": f"unknown request {what!r}"}


def _status(step: Step) -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "job_id": step.job_id,
        "step_id": step.step_id,
        "restart_cnt": step.launch["restart_cnt"],
        "user_id": step.launch["user_id"],
        "started_at": step.started_at,
        "suspended": step.suspended,
        "tasks": [(task.number, task.pid, task.status) for task in step.tasks],
    }
