"""The option --clusters, where commands reach no cluster but their own."""

from __future__ import annotations

from .errors import Stop, line, report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..rpc.cluster import Cluster


def check(program: str, text: str, cluster: Cluster) -> str:
    """The own cluster's name, if `text` (names, or ``all``) names it; tells of the names that nobody knows.

    Raises Stop with Slurm's messages if it is not among them.
    """
    own = str(cluster.conf.ClusterName)
    found = False
    for name in filter(None, text.split(",")):
        if name in (own, "all"):
            found = True
        else:
            report(program, f"No cluster '{name}' known by database.")
    if not found:
        reach = (
            f"'{text}' can't be reached now, or it is an invalid entry for --cluster.  "
            "Use 'sacctmgr list clusters' to see available clusters."
        )
        raise Stop(1, err=line(program, reach) + line(program, "Could not get cluster information", "fatal"))
    return own
