"""Books of another slurmdbd taken over: associations and jobs as its sacctmgr and sacct printed them.

Both methods are for administrators (`slurmpy.rpc.dbd_messages.METHODS`), write one transaction a call, and may be
repeated: what the books have already stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from slurmpy.core.errors import SlurmError

from . import assoc_changes, changing, cluster_changes, qos_changes, schema, tres_text, user_changes
from .job_records import check_item
from .rollup_marks import FOREVER

if TYPE_CHECKING:
    from slurmpy.auth.peer import Peer

    from .books import Books
    from .service import Service

#: what `import_associations` may ask for, in the order in which it is carried out
CHANGES = {
    "add_qos": qos_changes.add_qos,
    "add_clusters": changing.add_clusters,
    "add_accounts": assoc_changes.add_accounts,
    "add_users": user_changes.add_users,
    "add_coordinators": user_changes.add_coordinators,
}
KINDS = ("job_start", "job_complete", "step_start", "step_complete")


async def import_associations(service: Service, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    """``requests`` ((method of `CHANGES`, arguments), ...), ``tres`` names that limits speak of, ``cluster``,
    ``dry_run`` -> ``text`` of what was added, ``added``, how many requests added something, and ``texts``, what each of
    these was told: (method, text).

    All of it or, with an error (SlurmError), nothing.
    """
    requests = tuple(args.get("requests") or ())
    for request in requests:
        if len(request) != 2 or request[0] not in CHANGES or not isinstance(request[1], Mapping):
            raise SlurmError("SLURM_ERROR", "import_associations: a request of unknown kind")
    tres = [str(name) for name in args.get("tres") or ()]
    cluster = str(args.get("cluster") or "")

    def work(books: Books, now: int) -> dict[str, Any]:
        texts: list[tuple[str, str]] = []
        cluster_changes.ensure_tres(books, tres, peer.name, now, cluster)
        for method, given in requests:
            result = CHANGES[method](books, given, peer.name, now)
            if result["added"]:
                texts.append((method, str(result.get("text") or "")))
        return {"added": len(texts), "text": "".join(text for _, text in texts), "texts": tuple(texts)}

    result: dict[str, Any] = await service.change(work, commit=not args.get("dry_run"))
    return result


async def import_jobs(service: Service, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    """``cluster`` and ``items`` as slurmctld sends them (`KINDS`; a job's may have ``suspended``, seconds in all) ->
    how many ``new_jobs`` and ``new_steps`` that made.

    A cluster that the books do not know is added. Jobs belong to the association here that fits their account, user
    and partition, whatever its number was there.
    """
    cluster = assoc_changes.check_name("cluster", str(args["cluster"]).lower())
    items = tuple(args["items"])
    for item in items:
        check_item(item)
        if item["kind"] not in KINDS:
            raise SlurmError("SLURM_ERROR", f"import_jobs: {item['kind']} is no item of a job")

    labels = {
        name
        for item in items
        for field in ("tres_requested", "tres_allocated")
        if item.get(field)
        for name in _parsed(str(item[field]))
    }

    def known(books: Books, now: int) -> None:
        if cluster not in books.clusters:
            cluster_changes.add_cluster(books, cluster, peer.name, now)
        cluster_changes.ensure_tres(books, sorted(labels), peer.name, now, cluster)

    await service.change(known)
    await service.new_wckeys(cluster, items)
    items = tuple(_placed(service.books, cluster, item) for item in items)
    recorder = service.recorder
    assert recorder is not None

    def work(connection: sa.Connection) -> dict[str, Any]:
        before = _counts(connection, cluster, items)
        recorder.write(connection, cluster, [*items, *_suspensions(connection, cluster, items)])
        # also of tasks of an array whose record, in which they waited, is not here
        recorder.marks.note(
            connection,
            [(int(one.get("eligible_time") or 0) or FOREVER, int(one.get("start_time") or 0) or FOREVER)
             for one in items if one.get("array_task_id") is not None],
        )  # fmt: skip
        after = _counts(connection, cluster, items)
        return {"new_jobs": after[0] - before[0], "new_steps": after[1] - before[1]}

    result: dict[str, Any] = await service.database.write(work, recorder.forget)
    if service.roller is not None:
        service.roller.wake.set()
    return result


def _parsed(text: str) -> Mapping[str, int]:
    try:
        return tres_text.parse(text)
    except ValueError as error:
        raise SlurmError("SLURM_ERROR", f"import_jobs: no TRES: {text}") from error


def _placed(books: Books, cluster: str, item: dict[str, Any]) -> dict[str, Any]:
    """The item of a job with the association that it has here."""
    if not item["kind"].startswith("job_"):
        return item
    account, user = str(item.get("account") or ""), str(item.get("user_name") or "")
    found = books.assoc(cluster, account, user, str(item.get("partition") or "")) or books.assoc(cluster, account, user)
    return {**item, "association_id": found.id if found is not None else 0}


def _keys(connection: sa.Connection, cluster: str, items: Iterable[Mapping[str, Any]]) -> dict[tuple[int, int], int]:
    """(job id, submit time): number in the database, of those jobs that are there."""
    wanted = {(int(item["job_id"]), int(item["submit_time"])) for item in items}
    job = schema.jobs.c
    rows = connection.execute(
        sa.select(job.job_id, job.submit_time, job.db_index).where(
            job.cluster == cluster, job.job_id.in_([number for number, _ in wanted])
        )
    )
    return {(row[0], row[1]): row[2] for row in rows if (row[0], row[1]) in wanted}


def _counts(connection: sa.Connection, cluster: str, items: Iterable[Mapping[str, Any]]) -> tuple[int, int]:
    """How many of the jobs are there, and how many steps they have."""
    indexes = list(_keys(connection, cluster, items).values())
    step = schema.steps.c
    steps = sa.select(sa.func.count()).where(step.job_index.in_(indexes))
    return len(indexes), int(connection.execute(steps).scalar() or 0)


def _suspensions(connection: sa.Connection, cluster: str, items: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """sacct tells how long a job was suspended in all, not when: one stretch that long, from its start on.

    Where the books have stretches of the job already, the true ones or those of an earlier import, these stay unless
    they are shorter.
    """
    told = [item for item in items if item.get("suspended") and item.get("start_time")]
    if not told:
        return []
    indexes = _keys(connection, cluster, told)
    table = schema.suspensions.c
    query = sa.select(table.job_index, table.time_start, table.time_end).where(
        table.job_index.in_(list(indexes.values()))
    )
    sums: dict[int, int] = {}
    for index, first, last in connection.execute(query):
        sums[index] = sums.get(index, 0) + max(0, last - first)
    found = []
    for item in told:
        key = {"job_id": item["job_id"], "submit_time": item["submit_time"]}
        index = indexes.get((item["job_id"], item["submit_time"]))
        missing = int(item["suspended"]) - (sums.get(index, 0) if index is not None else 0)
        if missing > 0:
            start = int(item["start_time"])
            found.append({"kind": "suspend", **key, "start": start, "end": start + int(item["suspended"])})
    return found


METHODS = {"import_associations": import_associations, "import_jobs": import_jobs}
