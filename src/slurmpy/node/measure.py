"""What a node is and how it fares: the figures that slurmd registers with (scontrol show node)."""

from __future__ import annotations

import os
import platform

from . import processes

MIB = 1 << 20


def _number(path: str) -> int | None:
    text = processes.read(path).strip()
    return int(text) if text.lstrip(b"-").isdigit() else None


def topology() -> dict[str, int]:
    """{"cpus", "boards", "sockets", "cores" (a socket), "threads" (a core)} as the kernel shows them."""
    base = "/sys/devices/system/cpu"
    packages: dict[int, set[int]] = {}
    cpus = 0
    try:
        names = os.listdir(base)
    except OSError:
        names = []
    for name in names:
        if name[:3] == "cpu" and name[3:].isdigit():
            package = _number(f"{base}/{name}/topology/physical_package_id")
            core = _number(f"{base}/{name}/topology/core_id")
            if package is not None and core is not None:
                cpus += 1
                packages.setdefault(package, set()).add(core)
    if not packages:
        cpus = os.cpu_count() or 1
        return {"cpus": cpus, "boards": 1, "sockets": 1, "cores": cpus, "threads": 1}
    cores = max(len(found) for found in packages.values())
    threads = max(1, cpus // sum(len(found) for found in packages.values()))
    return {"cpus": cpus, "boards": 1, "sockets": len(packages), "cores": cores, "threads": threads}


def _meminfo() -> dict[bytes, int]:
    """kB by name."""
    found = {}
    for line in processes.read("/proc/meminfo").splitlines():
        name, _, rest = line.partition(b":")
        value = rest.split()
        if value and value[0].isdigit():
            found[name] = int(value[0])
    return found


def real_memory() -> int:
    """MiB."""
    return _meminfo().get(b"MemTotal", 0) // 1024


def load() -> dict[str, int]:
    """{"cpu_load": hundredths, "free_mem": MiB}: what changes from minute to minute."""
    return {"cpu_load": round(os.getloadavg()[0] * 100), "free_mem": _meminfo().get(b"MemFree", 0) // 1024}


def boot_time() -> int:
    """Seconds since 1970."""
    for line in processes.read("/proc/stat").splitlines():
        if line.startswith(b"btime "):
            return int(line[6:])
    return 0


def temporary_disk(directory: str) -> int:
    """MiB of the file system that holds `directory`; 0 if there is none."""
    try:
        seen = os.statvfs(directory)
    except OSError:
        return 0
    return seen.f_blocks * seen.f_frsize // MIB


def system() -> dict[str, object]:
    """{"architecture", "operating_system", "boot_time"}."""
    seen = platform.uname()
    return {
        "architecture": seen.machine,
        "operating_system": f"{seen.system} {seen.release} {seen.version}",
        "boot_time": boot_time(),
    }
