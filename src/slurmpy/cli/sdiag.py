"""sdiag: what slurmctld has been doing."""

from __future__ import annotations

import os

from ..core.errors import SlurmError
from .errors import Stop, entry
from .options.sdiag import COMMAND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import NoReturn

    from ..rpc.cluster import Cluster

    Write = Callable[[bytes], object]

NAME = "sdiag"
_SORTS = {"sort-by-id": "id", "sort-by-time": "time", "sort-by-time2": "average"}


def main() -> NoReturn:
    entry(NAME, run)


def run(argv: Sequence[str], env: Mapping[str, str], cluster: Cluster | None = None, write: Write | None = None) -> int:
    """The command: `argv` without the program's name. With a `cluster` it asks that one; `write` takes the output."""
    parsed = COMMAND.parse(argv, env)
    out = write or _to_stdout
    encoding, parser = "", ""
    for given in parsed:
        if given.option.name in ("json", "yaml"):
            encoding, parser = given.option.name, given.value or ""
    if encoding:
        from . import json_output

        refused = json_output.check(NAME, encoding, parser)
        if refused is not None:
            return refused
    if cluster is None:
        from . import connect

        cluster = connect.cluster(NAME)
    clusters = parsed.get("cluster")
    if clusters is not None:
        from .clusters import check

        check(NAME, clusters, cluster)
    if "reset" in parsed:
        try:
            cluster.call("reset_stats")
        except SlurmError as error:
            raise Stop(255, err=f"slurm_reset_statistics: {error.message}\n") from None
        out(b"Reset scheduling statistics\n")
        return 0
    try:
        if encoding:
            from . import json_output

            for piece in json_output.dump(cluster, NAME, argv, "stats", None, encoding, parser):
                out(piece)
            return 0
        figures = dict(cluster.query("stats").rows)
    except SlurmError as error:
        raise Stop(255, err=f"slurm_get_statistics: {error.message}\n") from None
    from ..format import sdiag

    sort = next((_SORTS[given.option.name] for given in reversed(parsed.given) if given.option.name in _SORTS), "count")
    out(sdiag.report(figures, sort).encode())
    return 0


def _to_stdout(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]
