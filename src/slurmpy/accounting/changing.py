"""Methods that change what slurmdbd keeps. Who may was asked before (`permissions.allowed`).

All take ``commit``: without it the answer tells what would change, and nothing does (sacctmgr asks its user then).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from slurmpy.core.errors import SlurmError

from . import assoc_changes, cluster_changes, limits, qos_changes, user_changes
from .books import Books

if TYPE_CHECKING:
    from slurmpy.auth.peer import Peer

    from .service import Service

Work = Callable[[Books, Mapping[str, Any], str, int], Any]

#: how many running jobs an error lists
_MAX_LISTED = 1000


async def _run(service: Service, peer: Peer, args: dict[str, Any], work: Work) -> Any:
    return await service.change(
        lambda books, now: work(books, args, peer.name, now), commit=bool(args.get("commit", True))
    )


def _open(work: Work) -> Callable[[Service, Peer, dict[str, Any]], Any]:
    """A method that is one change of the books."""

    async def method(service: Service, peer: Peer, args: dict[str, Any]) -> Any:
        return await _run(service, peer, args, work)

    return method


def check_shape(method: str, args: Mapping[str, Any]) -> None:
    """Raises SlurmError for a request whose condition is none: what selects nothing in particular selects everything.

    A change says ``where``, be it empty; a removal names one condition at least. A condition is a list of values: a
    single text would be looked through letter by letter.
    """
    for part in ("where", "set", "limits"):
        given = args.get(part)
        if given is not None and not isinstance(given, Mapping):
            raise SlurmError("SLURM_ERROR", f"{method}: {part} is no table")
    if method not in _CONDITIONAL:
        return
    where = args.get("where")
    if where is None:
        raise SlurmError("SLURM_ERROR", f"{method}: where is missing")
    for name, values in where.items():
        if name in _LISTS and not isinstance(values, tuple | list):
            raise SlurmError("SLURM_ERROR", f"{method}: {name} of where is no list")
    if method.startswith("delete_") and not any(where.values()):
        raise SlurmError("SLURM_ERROR", f"{method}: no condition is given")


#: methods that act on what their ``where`` selects
_CONDITIONAL = frozenset(
    f"{action}_{kind}"
    for action in ("modify", "delete")
    for kind in ("accounts", "users", "clusters", "qos", "resources")
)
_LISTS = frozenset(
    (
        "names", "accounts", "clusters", "partitions", "parents", "descriptions", "organizations", "admin_levels",
        "default_accounts", "default_wckeys", "users", "wckeys", "qos", "servers", "ids",
    )
)  # fmt: skip


# ---- what is deleted: refused while jobs run, kept where jobs have run


def _deleting(work: Work) -> Callable[[Service, Peer, dict[str, Any]], Any]:
    """A method that deletes what jobs may have used: whether they have is asked of the database first."""

    async def method(service: Service, peer: Peer, args: dict[str, Any]) -> Any:
        args = {**args, "used": False}
        result = await service.change(lambda books, now: work(books, args, peer.name, now), commit=False)
        await _no_running_jobs(service, result.get("ids") or ())
        if not args.get("commit", True):
            return result
        args["used"] = await service.database.read(lambda connection: _have_had_jobs(connection, result))
        return await _run(service, peer, args, work)

    return method


def _have_had_jobs(connection: Any, result: Mapping[str, Any]) -> bool:
    """Whether there is a job of one of ``ids`` (associations), ``wckey_ids``, ``qos`` or ``clusters``."""
    import sqlalchemy as sa

    from . import schema

    job = schema.jobs.c

    def numbered(pairs: Iterable[tuple[str, int]], column: Any) -> Iterable[Any]:
        by_cluster: dict[str, list[int]] = {}
        for cluster, number in pairs:
            by_cluster.setdefault(cluster, []).append(number)
        for cluster, numbers in by_cluster.items():
            for at in range(0, len(numbers), _MAX_LISTED):
                yield sa.and_(job.cluster == cluster, column.in_(numbers[at : at + _MAX_LISTED]))

    found = [
        *numbered(result.get("ids") or (), job.association_id),
        *numbered(result.get("wckey_ids") or (), job.wckey_id),
    ]
    for field, column in (("qos", job.qos), ("clusters", job.cluster)):
        if result.get(field):
            found.append(column.in_(list(result[field])))
    return any(
        connection.execute(sa.select(job.db_index).where(condition).limit(1)).first() is not None for condition in found
    )


async def _no_running_jobs(service: Service, ids: Iterable[tuple[str, int]]) -> None:
    """Raises SlurmError ESLURM_JOBS_RUNNING_ON_ASSOC if one of the associations has jobs that are not over."""
    books = service.books
    if not ids:
        return

    def running(connection: Any) -> list[tuple[int, str, int]]:
        import sqlalchemy as sa

        from . import schema

        job = schema.jobs.c
        found: list[tuple[int, str, int]] = []
        clusters = {cluster for cluster, _ in ids}
        for cluster in clusters:
            numbers = [number for name, number in ids if name == cluster]
            query = (
                sa.select(job.job_id, job.cluster, job.association_id)
                .where(job.cluster == cluster, job.end_time == 0, job.association_id.in_(numbers))
                .order_by(job.db_index)
                .limit(_MAX_LISTED)
            )
            found += [(row[0], row[1], row[2]) for row in connection.execute(query)]
        return found

    open_jobs = await service.database.read(running)
    if open_jobs:
        listed = []
        for number, cluster, assoc_id in open_jobs:
            assoc = books.associations[cluster, assoc_id]
            listed.append((number, *assoc_changes.told(assoc)))
        raise SlurmError("ESLURM_JOBS_RUNNING_ON_ASSOC", data={"jobs": tuple(listed)})


# ---- clusters, WCKeys


def add_clusters(books: Books, args: Mapping[str, Any], actor: str, now: int) -> dict[str, Any]:
    """``names``, ``set``, ``limits`` -> ``added``."""
    added = []
    for name in [assoc_changes.check_name("cluster", str(name).lower()) for name in args.get("names") or ()]:
        if name in books.clusters:
            continue
        cluster_changes.add_cluster(books, name, actor, now)
        if args.get("set"):
            qos_changes.modify_clusters(books, {"where": {"names": (name,)}, "set": args["set"]}, actor, now)
        root = books.assoc(name, "root")
        if root is not None and args.get("limits"):
            books.put("associations", limits.apply(books, root, args["limits"]))
        added.append(name)
    return {"added": tuple(added)}


def delete_wckeys(books: Books, args: Mapping[str, Any], actor: str, now: int) -> dict[str, Any]:
    """``ids`` ((cluster, id), ...) -> ``removed``. ``used``: they have had jobs."""
    wanted: Iterable[Any] = args.get("ids") or ()
    gone = [books.wckeys[key] for key in (tuple(one) for one in wanted) if key in books.wckeys]
    for key in gone:
        books.delete("wckeys", key, now, bool(args.get("used")))
    return {
        "removed": tuple((key.cluster, key.name, key.user) for key in gone),
        "wckey_ids": tuple((key.cluster, key.id) for key in gone),
    }


# ---- jobs


#: what sacctmgr may change of a job that is over
_JOB_FIELDS = {
    "derived_exit_code": int,
    "comment": str,
    "admin_comment": str,
    "system_comment": str,
    "extra": str,
    "wckey": str,
}


def _told(changes: Mapping[str, Any]) -> str:
    """Changes of a job as the log of transactions has them."""
    from .schema import storable

    parts = []
    for name, value in changes.items():
        if name == "derived_exit_code":
            parts.append(f"derived_ec={value >> 8}")
        else:
            parts.append(f"{'derived_es' if name == 'comment' else name}='{value}'")
    return storable(", ".join(parts))


async def modify_jobs(service: Service, peer: Peer, args: dict[str, Any]) -> Any:
    """``where`` as in a query of jobs, ``set`` -> ``jobs`` ((job id, submit time), ...)."""
    changes = {name: kind(args["set"][name]) for name, kind in _JOB_FIELDS.items() if name in (args.get("set") or {})}
    if not changes or len(changes) != len(args["set"]):
        raise SlurmError(
            "SLURM_ERROR", "only the comments, the derived exit code and the WCKey of a job can be changed"
        )
    may = service.permissions.may_change_jobs_of
    where = {**(args.get("where") or {}), "duplicates": True}
    recorder, commit = service.recorder, bool(args.get("commit", True))

    def work(connection: Any) -> list[tuple[int, int, int]]:
        from . import job_queries, schema
        from .rollup_marks import FOREVER

        fields = ("job_id", "submit_time", "user_id", "db_index", "eligible_time", "start_time", "end_time", "cluster")
        found = [tuple(row) for row in connection.execute(job_queries.select(fields, where))]
        if commit and found and may(peer, [row[2] for row in found]):
            job = schema.jobs
            connection.execute(job.update().where(job.c.db_index.in_([row[3] for row in found])).values(**changes))
            common = {"time": int(time.time()), "action": "Modify Job", "actor": peer.name, "info": _told(changes)}
            rows = [{**common, "where": f"job_db_inx={row[3]}", "cluster": row[7]} for row in found]
            connection.execute(schema.transactions.insert(), rows)
            if recorder is not None:
                recorder.forget()
                if "wckey" in changes:
                    recorder.marks.note(connection, [(row[4] or row[5], row[6] or FOREVER) for row in found])
        return [(row[0], row[1], row[2]) for row in found]

    found = await service.database.write(work)
    if not may(peer, [owner for _, _, owner in found]):
        raise SlurmError("ESLURM_ACCESS_DENIED")
    return {"jobs": tuple((number, submit) for number, submit, _ in found)}


async def fix_runaway_jobs(service: Service, peer: Peer, args: dict[str, Any]) -> Any:
    """Ends the jobs ``db_indexes`` of ``cluster`` that slurmctld knows nothing of."""
    from . import job_records
    from .rollup_marks import FOREVER

    recorder = service.recorder
    assert recorder is not None

    def work(connection: Any) -> None:
        earliest = job_records.close_open_jobs(
            connection, str(args["cluster"]), [int(one) for one in args["db_indexes"]]
        )
        recorder.forget()
        if earliest is not None:
            recorder.marks.note(connection, [(earliest, FOREVER)])

    await service.database.write(work)
    if service.roller is not None:
        service.roller.wake.set()
    return {}


#: what `change_together` may ask for
TOGETHER: dict[str, Work] = {
    "add_accounts": assoc_changes.add_accounts,
    "modify_accounts": assoc_changes.modify_accounts,
    "add_users": user_changes.add_users,
    "modify_users": user_changes.modify_users,
    "add_coordinators": user_changes.add_coordinators,
    "add_clusters": add_clusters,
    "add_qos": qos_changes.add_qos,
    "modify_qos": qos_changes.modify_qos,
}


async def change_together(service: Service, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    """``requests`` ((method of `TOGETHER`, arguments, method if that adds nothing or "", its arguments), ...), carried
    out one after the other; each sees what those before it have done.

    All of them or, with an error (SlurmError, whose data["at"] is the index of the request), nothing. Each demands of
    the peer what it does by itself.
    """
    wanted: list[tuple[tuple[str, dict[str, Any]], ...]] = []
    for at, request in enumerate(tuple(args.get("requests") or ())):
        if not isinstance(request, tuple | list) or len(request) != 4:
            raise SlurmError("SLURM_ERROR", "change_together: a request of unknown shape")
        method, given, other, more = request
        pairs = [(str(method), given), *([(str(other), more)] if other else [])]
        with _at(at):
            for name, values in pairs:
                if name not in TOGETHER or not isinstance(values, dict):
                    raise SlurmError("SLURM_ERROR", "change_together: a request of unknown kind")
                check_shape(name, values)
            wanted.append(
                tuple((name, service.permissions.allowed_alone(peer, name, values)) for name, values in pairs)
            )

    def work(books: Books, now: int) -> int:
        for at, pairs in enumerate(wanted):
            with _at(at):
                for name, values in pairs:
                    if TOGETHER[name](books, values, peer.name, now).get("added"):
                        break
        return len(wanted)

    return {"done": await service.change(work, commit=bool(args.get("commit", True)))}


@contextmanager
def _at(index: int) -> Iterator[None]:
    """Errors tell which request they are of."""
    try:
        yield
    except SlurmError as error:
        error.data["at"] = index
        raise


METHODS: dict[str, Callable[..., Any]] = {
    "add_accounts": _open(assoc_changes.add_accounts),
    "modify_accounts": _open(assoc_changes.modify_accounts),
    "delete_accounts": _deleting(assoc_changes.delete_accounts),
    "add_users": _open(user_changes.add_users),
    "modify_users": _open(user_changes.modify_users),
    "delete_users": _deleting(user_changes.delete_users),
    "add_coordinators": _open(user_changes.add_coordinators),
    "delete_coordinators": _open(user_changes.delete_coordinators),
    "add_clusters": _open(add_clusters),
    "modify_clusters": _open(qos_changes.modify_clusters),
    "delete_clusters": _deleting(qos_changes.delete_clusters),
    "add_qos": _open(qos_changes.add_qos),
    "modify_qos": _open(qos_changes.modify_qos),
    "delete_qos": _deleting(qos_changes.delete_qos),
    "add_resources": _open(qos_changes.add_resources),
    "modify_resources": _open(qos_changes.modify_resources),
    "delete_resources": _open(qos_changes.delete_resources),
    "add_federations": _open(qos_changes.add_federations),
    "modify_federations": _open(qos_changes.modify_federations),
    "delete_federations": _open(qos_changes.delete_federations),
    "delete_wckeys": _deleting(delete_wckeys),
    "modify_jobs": modify_jobs,
    "fix_runaway_jobs": fix_runaway_jobs,
    "change_together": change_together,
}
