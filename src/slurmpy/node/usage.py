"""What a step's tasks use, sampled from /proc while they run and exact at their end (jobacct_gather of Slurm).

As in Slurm, a task that ends before its first sample (JobAcctGatherFrequency) has a CPU time and no other figures. With
a frequency of a second or two, though, the first samples come within a fraction of it, and what the kernel says of a
process at its end counts even without a sample: then every task has its figures.
"""

from __future__ import annotations

import resource
from collections.abc import Iterable
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
    """The figures of one task and all below it."""

    __slots__ = ("faults", "floor", "given", "known", "live_ticks", "rss", "system", "taken", "user", "vsize")

    def __init__(self, floor: int, frequency: int) -> None:
        self.known = 0 < frequency <= FINE
        #: the peak (bytes) that a forked slurmstepd passes on to its child's rusage: below it rusage says nothing
        self.floor = floor
        self.user = self.system = 0  # microseconds, of what has ended
        self.live_ticks = 0
        self.rss = self.vsize = self.faults = self.taken = self.given = 0

    def sampled(self, group: Iterable[processes.Figures]) -> None:
        """Takes in one sample of the task's live processes."""
        self.known = True
        rss = vsize = ticks = faults = taken = given = peak = 0
        for one in group:
            rss += one.rss
            vsize += one.vsize
            ticks += one.ticks
            faults += one.faults
            taken += one.taken
            given += one.given
            peak = max(peak, one.hwm)
        self.rss = max(self.rss, rss, peak)
        self.vsize = max(self.vsize, vsize)
        self.live_ticks = ticks
        self.faults = max(self.faults, faults)
        self.taken = max(self.taken, taken)
        self.given = max(self.given, given)

    def ended(self, usage: resource.struct_rusage, transferred: tuple[int, int], last: bool) -> None:
        """Takes in what wait4 says of one ended process; `last`: it was the task itself."""
        self.user += round(usage.ru_utime * 1e6)
        self.system += round(usage.ru_stime * 1e6)
        peak = usage.ru_maxrss * 1024
        if peak > self.floor:
            self.rss = max(self.rss, peak)
        self.faults = max(self.faults, usage.ru_majflt)
        self.taken = max(self.taken, transferred[0])
        self.given = max(self.given, transferred[1])
        if last:
            self.live_ticks = 0

    def figures(self, node: str, task: int) -> dict[str, Any]:
        """As `slurmpy.rpc.dbd_messages.task_usage` wants it."""
        if not self.known:
            return task_usage(node, task, self.user, self.system, {"energy": 0}, {"energy": 0})
        live = self.live_ticks * 1_000_000 // processes.TICKS
        user = max(self.user, live) if live else self.user
        cpu = (user + self.system) // 1000
        taken = {"cpu": cpu, "mem": self.rss, "vmem": self.vsize, "pages": self.faults, "fs/disk": self.taken}
        return task_usage(node, task, user, self.system, {**taken, "energy": 0}, {"fs/disk": self.given, "energy": 0})


def own_peak() -> int:
    """The peak memory of this process, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def total(node: str, tasks: Iterable[tuple[int, TaskUsage]]) -> dict[str, Any]:
    """The usage of all tasks of this node."""
    merged: dict[str, Any] | None = None
    for task, usage in tasks:
        merged = merge_usage(merged, usage.figures(node, task))
    return merged or merge_usage(None, None)
