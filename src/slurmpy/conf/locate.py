"""Where the configuration is."""

from __future__ import annotations

import os

SYSTEM = "/etc/slurm/slurm.conf"


def find() -> str | None:
    """The path of slurm.conf: that of SLURM_CONF, which need not exist, or the system's; None if there is neither."""
    named = os.environ.get("SLURM_CONF")
    if named:
        return named
    return SYSTEM if os.path.exists(SYSTEM) else None
