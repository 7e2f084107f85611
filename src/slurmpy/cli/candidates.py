"""Words that the shell may complete because the cluster knows them: ``COMMAND --autocomplete=:KIND:PREFIX``.

Asks a running cluster only; without one, or with any error, there are no words. A pocket cluster is never started.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..rpc.cluster import Cluster

#: at most so many words are offered
LIMIT = 2000

#: kind: (what to query, the field with the word)
KINDS = {
    "node": ("nodes", "name"),
    "partition": ("partitions", "name"),
    "reservation": ("reservations", "name"),
    "license": ("licenses", "name"),
}
STATES = (
    "PENDING", "RUNNING", "SUSPENDED", "COMPLETING", "COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL",
    "PREEMPTED", "BOOT_FAIL", "DEADLINE", "OUT_OF_MEMORY", "CONFIGURING", "REQUEUED", "SPECIAL_EXIT",
)  # fmt: skip


def candidates(program: str, request: str) -> list[str]:
    """The words for ``:KIND:PREFIX``, sorted, without repetition."""
    _, kind, prefix = [*request.split(":", 2), "", ""][:3]
    if kind == "signal":
        from ..core import signals

        found: Iterable[str] = signals.NUMBERS
    elif kind == "state":
        found = STATES
    else:
        found = from_cluster(program, kind)
    words = dict.fromkeys(word for word in found if word.startswith(prefix))
    return list(words)[:LIMIT]


def from_cluster(program: str, kind: str) -> list[str]:
    from . import connect

    try:
        cluster = connect.cluster(program, start=False)
        cluster.client.timeout = 2.0
        if kind == "job":
            return jobs(cluster)
        if kind in ("account", "qos"):
            return accounting(cluster, kind)
        what, field = KINDS[kind]
        return [str(row[0]) for row in cluster.query(what, (field,), {"all": True}).rows]
    except Exception:
        return []  # a shell that completes has no use for an error


def jobs(cluster: Cluster) -> list[str]:
    """Jobs that wait or run, the caller's own first."""
    import os

    fields = ("job_id", "array_job_id", "array_task_id", "user_id")
    rows = cluster.query("jobs", fields, {"states": (0, 1, 2), "all": True}).rows
    rows.sort(key=lambda row: (row[3] != os.getuid(), row[0]))
    found = []
    for job_id, array, task, _ in rows:
        if array:
            found.append(str(array))
            if task is not None:
                found.append(f"{array}_{task}")
        else:
            found.append(str(job_id))
    return found


def accounting(cluster: Cluster, kind: str) -> list[str]:
    """Accounts or QOS that slurmctld knows of."""
    what = {"account": "accounts", "qos": "qos"}[kind]
    return sorted({str(row[0]) for row in cluster.slurmdbd.query(what, ("name",), {}).rows if row[0]})
