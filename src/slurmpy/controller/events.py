"""Who waits for what: subscriptions to the life of single jobs (srun, salloc, sbatch --wait)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from slurmpy.controller.state import Job

Queue = asyncio.Queue[dict[str, Any]]


class Events:
    """Queues by job id. Who listens to an array hears of all its tasks. Every event has the job's id in ``job_id``."""

    def __init__(self) -> None:
        self._queues: dict[int, set[Queue]] = {}

    def publish(self, job: Job, event: dict[str, Any]) -> None:
        if not self._queues:
            return
        event = {"job_id": job.job_id, **event}
        for queue in self._queues.get(job.job_id, ()):
            queue.put_nowait(event)
        if job.array_job_id and job.array_job_id != job.job_id:
            for queue in self._queues.get(job.array_job_id, ()):
                queue.put_nowait(event)

    def listening(self, job: Job) -> bool:
        return job.job_id in self._queues or (job.array_job_id != 0 and job.array_job_id in self._queues)

    @contextmanager
    def subscribe(self, *job_ids: int) -> Iterator[Queue]:
        queue: Queue = asyncio.Queue()
        for job_id in job_ids:
            self._queues.setdefault(job_id, set()).add(queue)
        try:
            yield queue
        finally:
            for job_id in job_ids:
                queues = self._queues.get(job_id)
                if queues is not None:
                    queues.discard(queue)
                    if not queues:
                        del self._queues[job_id]
