"""What slurmd knows of the jobs on its node."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import Any

from slurmpy.core.ids import STEP_BATCH


class Step:
    """A live slurmstepd: its process, and a descriptor that tells when it ends."""

    __slots__ = ("handle", "job_id", "number", "pid", "restart_cnt", "started_at", "step_id", "user_id")

    def __init__(self, job_id: int, step_id: int, restart_cnt: int, user_id: int, pid: int) -> None:
        self.job_id, self.step_id, self.restart_cnt = job_id, step_id, restart_cnt
        self.user_id, self.pid = user_id, pid
        self.handle = -1
        self.number = 0  # of its launch by this slurmd
        self.started_at = time.time()

    def killed(self) -> dict[str, Any]:
        """The end that a slurmstepd could not write, which was killed just now."""
        return {
            "kind": "batch" if self.step_id == STEP_BATCH else "tasks",
            "job_id": self.job_id,
            "step_id": self.step_id,
            "restart_cnt": self.restart_cnt,
            "user_id": self.user_id,
            "exit_code": int(signal.SIGKILL),
            "exit_codes": (int(signal.SIGKILL),),
            "reason": "stepd_died",
            "message": "slurmstepd was killed",
            "usage": None,
            "start_time": int(self.started_at),
            "end_time": int(time.time()),
        }


class Job:
    """What is known here of a job: its live steps, and whether it is being ended. `foreign`: of a former state of
    slurmctld's, which must not be told of it, as the number is another job's there."""

    __slots__ = ("changed", "ending", "foreign", "launching", "prologued", "restart_cnt", "steps", "user_id")

    def __init__(self, restart_cnt: int, user_id: int) -> None:
        self.restart_cnt, self.user_id = restart_cnt, user_id
        self.steps: dict[int, Step] = {}
        self.launching: dict[int, asyncio.Future[None]] = {}
        self.ending: asyncio.Task[None] | None = None
        self.prologued = self.foreign = False
        self.changed = asyncio.Event()
