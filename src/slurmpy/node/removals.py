"""What killed slurmstepds have left, taken away beside slurmd's own work: containers and control groups."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from slurmpy.core.ids import step_name
from slurmpy.rpc.log import log

from . import cgroup
from .oci import leftovers

#: A control group that is still in use after so many seconds is left.
LONGEST_PAUSE = 10.0


class Removals:
    """Of one node. Nobody waits for them but the next life of the same step, whose containers and control groups have
    the same names: a runtime may take its time. `keep(coroutine)` starts a task that slurmd looks after."""

    def __init__(self, spool: str, keep: Callable[[Any], asyncio.Task[Any]]) -> None:
        self._spool, self._keep = spool, keep
        self._under_way: dict[tuple[int, int], set[asyncio.Task[Any]]] = {}

    def of_step(self, job_id: int, step_id: int) -> set[asyncio.Task[Any]]:
        """Those that the next life of a step has to wait for."""
        return set(self._under_way.get((job_id, step_id), ()))

    def containers(self, job_id: int, step_id: int, restart_cnt: int) -> None:
        """What is left with the runtime and in the spool directory."""
        self._begin((job_id, step_id), self._remove_containers(job_id, step_id, restart_cnt))

    def cgroups(self, place: Mapping[str, Any], job_id: int, step_id: int) -> None:
        """The step's control groups, with whoever is still in them."""
        self._begin((job_id, step_id), self._remove_cgroups(place, job_id, step_id))

    def _begin(self, key: tuple[int, int], coroutine: Any) -> None:
        task = self._keep(coroutine)
        self._under_way.setdefault(key, set()).add(task)
        task.add_done_callback(lambda done: self._ended(key, done))

    def _ended(self, key: tuple[int, int], task: asyncio.Task[Any]) -> None:
        self._under_way[key].discard(task)
        if not self._under_way[key]:
            del self._under_way[key]

    async def _remove_containers(self, job_id: int, step_id: int, restart_cnt: int) -> None:
        command = leftovers.command(self._spool, job_id, step_id, restart_cnt)
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        _, said = await process.communicate()
        log.info(f"Removed what the containers of {job_id}.{step_name(step_id)} had left")
        for line in said.decode(errors="replace").splitlines():
            log.error(f"containers of {job_id}.{step_name(step_id)}: {line}")

    async def _remove_cgroups(self, place: Mapping[str, Any], job_id: int, step_id: int) -> None:
        delay = 0.01
        while not cgroup.remove_of(place, job_id, step_id):
            if delay > LONGEST_PAUSE:
                log.error(f"control groups of {job_id}.{step_name(step_id)} cannot be removed")
                return
            await asyncio.sleep(delay)
            delay *= 2
