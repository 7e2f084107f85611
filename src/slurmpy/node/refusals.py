"""What slurmd must not begin any more: messages about it may still be on their way."""

from __future__ import annotations

#: So many are remembered of each kind; a message is on its way for seconds.
MOST = 1000


class Refusals:
    """Steps that slurmctld has taken back before they came here, and lives of jobs that it has ended."""

    def __init__(self) -> None:
        self._steps: dict[tuple[int, int], None] = {}
        self._lives: dict[tuple[int, int], None] = {}

    def step(self, job_id: int, step_id: int) -> None:
        _note(self._steps, (job_id, step_id))

    def life(self, job_id: int, restart_cnt: int) -> None:
        _note(self._lives, (job_id, restart_cnt))

    def has(self, job_id: int, step_id: int, restart_cnt: int) -> bool:
        """Whether a launch comes too late."""
        return (job_id, step_id) in self._steps or (job_id, restart_cnt) in self._lives


def _note(where: dict[tuple[int, int], None], key: tuple[int, int]) -> None:
    where.pop(key, None)  # what is noted again becomes the newest
    where[key] = None
    while len(where) > MOST:
        del where[next(iter(where))]
