"""Whether a slurmstepd is still what it was before its step, so that it may take another user's.

Nothing that a step does should change the process that looks after it. Where root's tasks, or those of slurmd's own
user, have reached for it all the same (renice, taskset, prlimit), or something was not given back, the process ends
with its step, and the next step gets a fresh one.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
from typing import Any

from . import usage

#: A process that has grown by more than so many bytes goes: a task cannot be measured below its parent's size.
GROWTH = 16 << 20
_LIMITS = tuple(getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_"))


def descriptors() -> frozenset[int]:
    """All that are open."""
    names = os.listdir("/proc/self/fd")
    found = set()
    for number in map(int, names):
        try:
            os.fstat(number)
        except OSError:
            continue  # the listing's own
        found.add(number)
    return frozenset(found)


def has_children() -> bool:
    """Whether there are any, zombies too."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _what_it_is() -> dict[str, Any]:
    mask = os.umask(0o077)
    os.umask(mask)
    return {
        "users": os.getresuid(),
        "groups": (os.getresgid(), os.getgroups()),
        "umask": mask,
        "working directory": os.getcwd(),
        # a slurmstepd sets its own soft limit of core files (stepd.main)
        "limits": [
            resource.getrlimit(limit)[1:] if limit == resource.RLIMIT_CORE else resource.getrlimit(limit)
            for limit in _LIMITS
        ],
        "priority": (os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0), os.sched_getparam(0).sched_priority),
        "affinity": os.sched_getaffinity(0),
        "blocked signals": signal.pthread_sigmask(signal.SIG_BLOCK, ()),
    }


class Fitness:
    """What a process was when this was made; `kept` are descriptors that do not count because they are handed on."""

    def __init__(self, kept: int) -> None:
        self._peak = usage.own_peak()
        self._state = _what_it_is()
        self._descriptors = descriptors() - {kept}

    def lost(self) -> str:
        """What is not as it was, "" if all is."""
        if has_children():
            return "children"
        if usage.own_peak() > self._peak + GROWTH:
            return "size"
        try:
            now = _what_it_is()
        except OSError as error:
            return str(error)
        for what, value in self._state.items():
            if now[what] != value:
                return what
        if not descriptors() <= self._descriptors:
            gc.collect()  # what is in a cycle closes its descriptors only now
            if not descriptors() <= self._descriptors:
                return "descriptors"
        return ""
