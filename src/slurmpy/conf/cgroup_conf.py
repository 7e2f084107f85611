"""cgroup.conf, read. It is beside slurm.conf, and need not be there."""

from __future__ import annotations

import os

from .plain import PlainConf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar


class CgroupConf(PlainConf):
    TABLE: ClassVar[dict[str, tuple[str, object, bool]]] = {
        "AllowedRAMSpace": ("str", "100", False),
        "AllowedSwapSpace": ("str", "0", False),
        "CgroupAutomount": ("bool", False, False),
        "CgroupMountpoint": ("str", "/sys/fs/cgroup", False),
        "CgroupPlugin": ("str", "autodetect", False),
        "ConstrainCores": ("bool", False, False),
        "ConstrainDevices": ("bool", False, False),
        "ConstrainRAMSpace": ("bool", False, True),
        "ConstrainSwapSpace": ("bool", False, False),
        "EnableControllers": ("bool", False, False),
        "EnableExtraControllers": ("str", None, False),
        "IgnoreSystemd": ("bool", False, False),
        "IgnoreSystemdOnFailure": ("bool", False, False),
        "MaxRAMPercent": ("str", "100", False),
        "MaxSwapPercent": ("str", "100", False),
        "MemorySwappiness": ("u64", None, False),
        "MinRAMSpace": ("u64", 30, False),
        "SignalChildrenProcesses": ("bool", False, False),
        "SystemdTimeout": ("u64", 1000, False),
    }


def load(path: str) -> CgroupConf:
    """Reads cgroup.conf; its defaults where there is none. Raises `ConfError`."""
    conf = CgroupConf(path)
    if os.path.exists(path):
        conf.read()
    return conf
