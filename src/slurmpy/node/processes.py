"""Processes of a step: who they are, what they use, how they are ended. Everything comes from /proc (proc(5))."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterable

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")
PR_SET_PDEATHSIG, PR_SET_NAME, PR_SET_CHILD_SUBREAPER = 1, 15, 36

_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, argument: int | bytes) -> None:
    if _libc.prctl(option, argument, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def become_subreaper() -> None:
    """Orphans among this process's descendants become its children (prctl(2))."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def set_name(name: str) -> None:
    """What ps and top call this process; at most 15 bytes."""
    _prctl(PR_SET_NAME, name.encode()[:15])


def read(path: str) -> bytes:
    """A file of /proc, or nothing if its process has gone or is not ours to look at."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        pieces: list[bytes] = []
        while True:
            piece = os.read(handle, 65536)
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)
    except OSError:
        return b""
    finally:
        os.close(handle)


def children(pid: int) -> list[int]:
    """The children of all threads of `pid`."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    found: list[int] = []
    for thread in threads:
        found += map(int, read(f"/proc/{pid}/task/{thread}/children").split())
    return found


def descendants(pid: int) -> list[int]:
    """Everybody below `pid`, parents before their children. A snapshot: who forks meanwhile may be missing."""
    found: list[int] = []
    level = children(pid)
    while level:
        found += level
        level = [child for parent in level for child in children(parent)]
    return found


def send(pids: Iterable[int], number: int) -> int:
    """Sends a signal to each; returns how many were there."""
    count = 0
    for pid in pids:
        try:
            os.kill(pid, number)
            count += 1
        except (ProcessLookupError, PermissionError):
            pass
    return count


class Figures:
    """What one process uses: ticks of CPU, bytes of memory now and at its peak, major faults, bytes in and out.

    Of the children that it has waited for it has the ticks, faults and bytes, too.
    """

    __slots__ = ("faults", "given", "group", "hwm", "parent", "rss", "system", "taken", "user", "vsize")

    def __init__(self) -> None:
        self.parent = self.group = self.user = self.system = self.faults = self.vsize = self.rss = self.hwm = 0
        self.taken = self.given = 0


def figures(pid: int, memory: str = "") -> Figures | None:
    """Of a process, zombies too; None once it is reaped.

    `memory`: "pss" counts pages that are shared by their part, "unshared" not at all (and then there is no peak).
    """
    stat = read(f"/proc/{pid}/stat")
    if not stat:
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()
    seen = Figures()
    seen.parent, seen.group, seen.faults = int(fields[1]), int(fields[2]), int(fields[9]) + int(fields[10])
    seen.user, seen.system = int(fields[11]) + int(fields[13]), int(fields[12]) + int(fields[14])
    seen.vsize, seen.rss = int(fields[20]), int(fields[21]) * PAGE
    seen.taken, seen.given = transferred(pid)
    if memory == "pss":
        rollup = read(f"/proc/{pid}/smaps_rollup")
        at = rollup.find(b"\nPss:")
        if at >= 0:
            seen.rss = int(rollup[at + 5 : rollup.index(b"kB", at)]) * 1024
    elif memory == "unshared":
        pages = read(f"/proc/{pid}/statm").split()
        if len(pages) > 2:
            seen.rss = max(0, int(pages[1]) - int(pages[2])) * PAGE
    seen.hwm = seen.rss
    if memory:
        return seen
    status = read(f"/proc/{pid}/status")
    at = status.find(b"VmHWM:")
    if at >= 0:
        seen.hwm = int(status[at + 6 : status.index(b"kB", at)]) * 1024
    return seen


def transferred(pid: int) -> tuple[int, int]:
    """Bytes read and written by `pid`, by its threads and by the children it has waited for."""
    taken = given = 0
    for line in read(f"/proc/{pid}/io").splitlines():
        if line.startswith(b"rchar:"):
            taken = int(line[6:])
        elif line.startswith(b"wchar:"):
            given = int(line[6:])
    return taken, given


def variable(pid: int, name: str) -> str:
    """A variable of the environment with which a process was started; "" where there is none, or it is not for us."""
    mark = name.encode() + b"="
    for item in read(f"/proc/{pid}/environ").split(b"\0"):
        if item.startswith(mark):
            return item[len(mark) :].decode(errors="replace")
    return ""


def of_step(job_id: int, step_id: int, node: str, cluster: str) -> list[int]:
    """Processes whose environment says that they belong to a step on this node, wherever they are in the process tree.

    For what is left over when a slurmstepd was killed. Only processes that may be looked at are found. A batch script's
    processes are those that know of no step.
    """
    from slurmpy.core.ids import STEP_BATCH

    wanted = b"SLURM_JOB_ID=%d" % job_id
    place = b"SLURMD_NODENAME=" + node.encode()
    whose = b"SLURM_CLUSTER_NAME=" + cluster.encode()
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        raw = read(f"/proc/{name}/environ")
        if wanted not in raw:
            continue
        items = set(raw.split(b"\0"))
        if not {wanted, place, whose} <= items:
            continue
        if step_id == STEP_BATCH:
            mine = not any(item.startswith(b"SLURM_STEP_ID=") for item in items)
        else:
            mine = b"SLURM_STEP_ID=%d" % step_id in items
        if mine:
            found.append(int(name))
    return found


def kill_step(job_id: int, step_id: int, node: str, cluster: str) -> int:
    """SIGKILL to all of `of_step`, until none is found any more; returns how many there were."""
    count = 0
    for _ in range(20):
        pids = of_step(job_id, step_id, node, cluster)
        if not send(pids, signal.SIGKILL):
            break
        count += len(pids)
    return count
