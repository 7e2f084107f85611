"""slurmrestd: as `slurmpy.rest.main`, and of the pocket cluster, which it starts if need be, where no slurm.conf is."""

from __future__ import annotations

import sys

from slurmpy.rest import main as rest


def _pocket() -> str:
    from slurmpy.pocket import start

    return start.ensure(rest.NAME)


def main() -> None:
    sys.exit(rest.run(sys.argv[1:], _pocket))
