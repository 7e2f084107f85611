"""Control groups of a step, version 1, 2 or both, where slurm.conf asks for them and the kernel lets us (cgroups(7)).

slurmd finds out once what is there (`find`); a slurmstepd makes a group for its step, puts each task into it before the
program starts, and reads from it whether the kernel ran out of the step's memory.
"""

from __future__ import annotations

import os
import signal
import zlib
from collections.abc import Mapping
from typing import Any

from . import processes

MOUNT = "/sys/fs/cgroup"
MIB = 1 << 20


def _mounts() -> list[tuple[str, str, set[str]]]:
    """(mount point, "cgroup" or "cgroup2", options) of every hierarchy."""
    found = []
    for line in processes.read("/proc/self/mounts").decode(errors="replace").splitlines():
        _, point, kind, options, *_ = line.split(" ")
        if kind in ("cgroup", "cgroup2"):
            found.append((point, kind, set(options.split(","))))
    return found


def _own_group(controller: str) -> str:
    """The path of this process's group in the hierarchy of `controller` ("" for version 2)."""
    for line in processes.read("/proc/self/cgroup").decode(errors="replace").splitlines():
        _, names, path = line.split(":", 2)
        if controller in names.split(",") or (not controller and not names):
            return path
    return "/"


def find(node: str, cluster: str, constrain_memory: bool) -> dict[str, Any] | None:
    """What slurmstepds may use: {"memory": directory, "version": 1|2, "constrain": bool}; None if there is nothing.

    Makes the directory above all steps of this node's, so it tells at once whether that is allowed.
    """
    for point, kind, options in _mounts():
        if kind == "cgroup" and "memory" in options:
            base, version = point, 1
            break
        if kind == "cgroup2" and "memory" in processes.read(f"{point}/cgroup.controllers").decode().split():
            base, version = point, 2
            break
    else:
        return None
    directory = os.path.join(base, f"slurmpy_{cluster}_{node}")
    try:
        os.makedirs(directory, exist_ok=True)
        if version == 2:
            for place in (base, directory):
                with open(os.path.join(place, "cgroup.subtree_control"), "w") as file:
                    file.write("+memory")
        elif not os.access(os.path.join(directory, "cgroup.procs"), os.W_OK):
            return None
    except OSError:
        return None
    return {"memory": directory, "version": version, "constrain": constrain_memory}


def remove_everywhere(path: str) -> None:
    """A step's group, with all below it, in every hierarchy: a runtime makes one in each. Who is in use stays, and so
    does the directory of this node's groups where `find` has made it."""
    for point, _, options in _mounts():
        top = os.path.join(point, path.lstrip("/"))
        for directory, _, _ in os.walk(top, topdown=False):
            _try_to_remove(directory)
        if not _has_memory(point, options):
            _try_to_remove(os.path.dirname(top))


def _has_memory(point: str, options: set[str]) -> bool:
    return "memory" in options or b"memory" in processes.read(f"{point}/cgroup.controllers").split()


def _try_to_remove(directory: str) -> None:
    try:
        os.rmdir(directory)
    except OSError:
        pass


def spare_path(launch: Mapping[str, Any]) -> str:
    """Below every hierarchy's mount point, for the groups of a container of root's whose step has none of its own; ""
    where they cannot be made, or are systemd's. A runtime that is killed while it makes the container leaves them
    behind, and only who has named them finds them."""
    settings = launch["oci"]
    if any("--systemd-cgroup" in str(settings[name] or "") for name in ("RunTimeRun", "RunTimeCreate")):
        return ""
    points = [point for point, _, _ in _mounts()]
    if not points or not all(os.access(point, os.W_OK) for point in points):
        return ""
    # pocket clusters have the same names, and jobs of the same numbers
    tag = f"{zlib.crc32(os.fsencode(launch['spool'])):08x}"
    return f"/slurmpy_{launch['cluster_name']}_{launch['node']}_{tag}_job_{launch['job_id']}_step_{launch['step_id']}"


def leave(found: dict[str, Any] | None) -> None:
    """Takes away the directory that `find` has made, unless steps are still in it."""
    if found is not None:
        try:
            os.rmdir(found["memory"])
        except OSError:
            pass


def _directory(place: Mapping[str, Any], job_id: int, step_id: int) -> str:
    return os.path.join(place["memory"], f"job_{job_id}_step_{step_id}")


def _below_mount(directory: str) -> str:
    """The path of a step's group in any hierarchy."""
    return "/" + "/".join(directory.split("/")[-2:])


def remove_of(found: Mapping[str, Any], job_id: int, step_id: int) -> bool:
    """The groups of a step whose slurmstepd could not take them away, with whoever is in them; False if they are not
    gone yet: whom a signal has killed is there for a moment longer."""
    directory = _directory(found, job_id, step_id)
    for place, _, _ in os.walk(directory):
        processes.send(map(int, processes.read(os.path.join(place, "cgroup.procs")).split()), signal.SIGKILL)
    remove_everywhere(_below_mount(directory))
    return not os.path.exists(directory)


class Cgroup:
    """The group of one step; does nothing where slurmd found no place for it."""

    def __init__(self, launch: Mapping[str, Any]) -> None:
        self._place: dict[str, Any] | None = launch.get("cgroup")
        self._directory = ""
        self._limit = launch["memory"] * MIB
        if self._place:
            self._directory = _directory(self._place, launch["job_id"], launch["step_id"])
        self._ooms = 0

    @property
    def active(self) -> bool:
        return self._place is not None

    def give_up(self) -> None:
        """It could not be made: the process tree alone has to do."""
        self._place = None

    def create(self) -> None:
        """Makes the group and sets its limit. Raises OSError."""
        if self._place is None:
            return
        os.makedirs(self._directory, exist_ok=True)
        if self._place["constrain"] and self._limit:
            version = self._place["version"]
            self._write("memory.limit_in_bytes" if version == 1 else "memory.max", str(self._limit))
            try:  # swap counts too, where it is counted
                self._write(
                    "memory.memsw.limit_in_bytes" if version == 1 else "memory.swap.max",
                    str(self._limit) if version == 1 else "0",
                )
            except OSError:
                pass
        self._ooms = self._oom_kills()

    def _write(self, name: str, text: str) -> None:
        with open(os.path.join(self._directory, name), "w") as file:
            file.write(text)

    def enter(self) -> None:
        """Puts the calling process into the group."""
        self._write("cgroup.procs", str(os.getpid()))

    @property
    def path(self) -> str:
        """Of the group below a hierarchy's mount point; "" if there is none that a container could be put below: in
        version 2 a group with processes of its own cannot hand limits down."""
        if self._place is None or self._place["version"] == 2:
            return ""
        return _below_mount(self._directory)

    def members(self) -> list[int]:
        if self._place is None:
            return []
        return [int(pid) for pid in processes.read(os.path.join(self._directory, "cgroup.procs")).split()]

    def kill(self) -> None:
        """SIGKILL to all who are in it."""
        if self._place is None:
            return
        try:
            self._write("cgroup.kill", "1")
        except OSError:
            processes.send(self.members(), signal.SIGKILL)

    def _oom_kills(self) -> int:
        name = "memory.oom_control" if self._place and self._place["version"] == 1 else "memory.events"
        for line in processes.read(os.path.join(self._directory, name)).splitlines():
            if line.startswith(b"oom_kill "):
                return int(line.split()[1])
        return 0

    def out_of_memory(self) -> bool:
        """Whether the kernel has killed somebody in it for want of memory."""
        return self._place is not None and self._oom_kills() > self._ooms

    def limit_was_hit(self) -> bool:
        """Whether the step wanted more than its limit. In version 1 a kill counts where it happens, and that may have
        been in a group below that its container's runtime has taken away since."""
        if self._place is None or self._place["version"] == 2:
            return False
        limit, most = (
            processes.read(os.path.join(self._directory, f"memory.{name}_in_bytes")).strip()
            for name in ("limit", "max_usage")
        )
        return limit.isdigit() and most.isdigit() and int(most) >= int(limit)

    def remove(self) -> None:
        """Takes the group away; members that cannot be killed keep it."""
        if self._place is None:
            return
        try:
            os.rmdir(self._directory)
        except OSError:
            pass
