"""What a step's tasks use, sampled from /proc while they run and exact at their end (jobacct_gather of Slurm).

As in Slurm, a task that ends before its first sample (JobAcctGatherFrequency) has a CPU time and no other figures. With
a frequency of a second or two, though, the first samples come within a fraction of it, and what the kernel says of a
process at its end counts even without a sample: then every task has its figures.
"""

from __future__ import annotations

import resource
from collections.abc import Iterable, Mapping
from typing import Any

from slurmpy.rpc.dbd_messages import merge_usage, task_usage

from . import processes

#: JobAcctGatherFrequency, in seconds, up to which even the shortest task is measured
FINE = 2
#: Seconds after the start of the first samples then.
FIRST_SAMPLES = (0.03, 0.2, 0.5)


def sample_delays(frequency: int) -> Iterable[float]:
    """Seconds between samples: one every `frequency` seconds, and some soon after the start if that is `FINE`."""
    past = 0.0
    if 0 < frequency <= FINE:
        for moment in FIRST_SAMPLES:
            yield moment - past
            past = moment
        yield frequency - past
    while frequency:
        yield float(frequency)


class TaskUsage:
    """The figures of one task and all below it: what has ended is known exactly, what lives as of the last sample.

    CPU times, transfers and faults of a process include those of the children that it has waited for, in /proc as in
    wait4, so the sum over those who live and those whom slurmstepd itself has waited for counts everything once.
    """

    __slots__ = ("_live", "faults", "floor", "given", "known", "rss", "system", "taken", "user", "vsize")

    def __init__(self, floor: int, frequency: int) -> None:
        self.known = 0 < frequency <= FINE
        #: the peak (bytes) that a forked slurmstepd passes on to its child's rusage: below it rusage says nothing
        self.floor = floor
        self.user = self.system = 0  # microseconds, of what has ended, like the next three
        self.faults = self.taken = self.given = 0
        self.rss = self.vsize = 0  # the highest so far
        self._live: dict[int, processes.Figures] = {}

    def sampled(self, group: Mapping[int, processes.Figures]) -> int:
        """Takes in one sample of the task's live processes, by process id; returns their memory now, in bytes."""
        self.known = True
        rss = sum(one.rss for one in group.values())
        self.rss = max(self.rss, rss, max((one.hwm for one in group.values()), default=0))
        self.vsize = max(self.vsize, sum(one.vsize for one in group.values()))
        self._live = dict(group)
        return rss

    def ended(self, pid: int, usage: resource.struct_rusage, transferred: tuple[int, int]) -> None:
        """Takes in what wait4 says of one ended process."""
        self._live.pop(pid, None)
        self.user += round(usage.ru_utime * 1e6)
        self.system += round(usage.ru_stime * 1e6)
        peak = usage.ru_maxrss * 1024
        if peak > self.floor:
            self.rss = max(self.rss, peak)
        self.faults += usage.ru_majflt
        self.taken += transferred[0]
        self.given += transferred[1]

    def figures(self, node: str, task: int, over: bool = False) -> dict[str, Any]:
        """As `slurmpy.rpc.dbd_messages.task_usage` wants it. `over`: nothing of the task lives any more."""
        # who has vanished without our waiting for him was waited for by one who has ended since, and counts there
        live = () if over else tuple(self._live.values())
        user = self.user + sum(one.user for one in live) * 1_000_000 // processes.TICKS
        system = self.system + sum(one.system for one in live) * 1_000_000 // processes.TICKS
        if not self.known:
            return task_usage(node, task, user, system, {"energy": 0}, {"energy": 0})
        taken = {
            "cpu": (user + system) // 1000,
            "mem": self.rss,
            "vmem": self.vsize,
            "pages": self.faults + sum(one.faults for one in live),
            "fs/disk": self.taken + sum(one.taken for one in live),
        }
        given = {"fs/disk": self.given + sum(one.given for one in live)}
        return task_usage(node, task, user, system, {**taken, "energy": 0}, {**given, "energy": 0})


def own_peak() -> int:
    """The peak memory of this process, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def total(node: str, tasks: Iterable[tuple[int, TaskUsage]], over: bool = False) -> dict[str, Any]:
    """The usage of all tasks of this node; `over` when nothing of them lives any more."""
    merged: dict[str, Any] | None = None
    for task, usage in tasks:
        merged = merge_usage(merged, usage.figures(node, task, over))
    return merged or merge_usage(None, None)
