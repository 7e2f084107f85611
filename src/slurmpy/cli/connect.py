"""Which cluster a command talks to: the slurm.conf's, else the pocket cluster, which it starts if need be."""

from __future__ import annotations

import os
import sys

from slurmpy.conf import locate
from slurmpy.rpc.cluster import Cluster


def cluster(command: str = "", start: bool = True) -> Cluster:
    """The cluster of this command. With `start` false a pocket cluster that does not run is not started.

    Raises SlurmError if the configuration cannot be read or the pocket cluster does not start.
    """
    from slurmpy.conf import slurm_conf

    command = command or os.path.basename(sys.argv[0])
    path = locate.find()
    if path is None:
        from slurmpy.pocket import start as pocket

        path = pocket.ensure(command, start)
    return Cluster(slurm_conf.load(path), command)
