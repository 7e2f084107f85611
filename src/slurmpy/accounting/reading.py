"""Queries of slurmdbd: jobs from the database, the rest from the books and the smaller tables."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from slurmpy.core.errors import SlurmError

from .books import Books, collate

if TYPE_CHECKING:
    from slurmpy.auth.peer import Peer

    from .service import Service

Where = Mapping[str, Any]
Rows = list[tuple[Any, ...]]


async def query(service: Service, peer: Peer, args: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """``what``, ``fields``, ``where`` (``step_fields`` for jobs) -> columns, then rows in parts."""
    what = str(args.get("what"))
    fields = tuple(str(name) for name in args.get("fields") or ())
    where = args.get("where") or {}
    now = int(time.time())
    if what == "jobs":
        from . import job_queries

        step_fields = args.get("step_fields")
        job_queries.check_fields(fields, step_fields)
        visible = service.permissions.jobs_filter(peer, where, fields)
        books = service.books
        yield {"columns": fields, "meta": {"now": now}}
        async for part in service.database.parts(
            lambda connection: job_queries.rows(connection, books, fields, step_fields, visible, now)
        ):
            yield {"rows": part}
        return
    if what == "usage":
        from . import usage_rows

        async for piece in usage_rows.query(service, peer, where):
            yield piece
        return
    lister = _LISTS.get(what)
    if lister is not None:
        records = lister(service, peer, where)
    elif what in _TABLES:
        records = await service.database.read(lambda connection: _TABLES[what](connection, where))
    else:
        raise SlurmError("SLURM_ERROR", f"slurmdbd has no list of {what}")
    found = list(records)
    columns = fields or _columns(found)
    try:
        rows = [tuple(_value(record, name) for name in columns) for record in found]
    except (AttributeError, KeyError) as error:
        raise SlurmError("SLURM_ERROR", f"{what} have no such field: {error}") from error
    yield {"columns": columns, "rows": rows, "meta": {"now": now}}


def _columns(found: list[Any]) -> tuple[str, ...]:
    if not found:
        return ()
    return tuple(found[0]) if isinstance(found[0], dict) else tuple(type(found[0]).FIELDS)


def _value(record: Any, name: str) -> Any:
    return record[name] if isinstance(record, dict) else getattr(record, name)


async def dump(service: Service, peer: Peer, args: dict[str, Any]) -> AsyncIterator[bytes]:
    """A whole JSON or YAML document of one of the lists."""
    from . import documents

    async for part in documents.dump(service, peer, args):
        yield part


# ---- lists from the books


def _chosen(where: Where, name: str, value: str) -> bool:
    wanted = where.get(name)
    return not wanted or value in wanted


def _accounts(service: Service, peer: Peer, where: Where) -> Iterable[Any]:
    books = service.books
    clusters = where.get("clusters")
    known = books.with_deleted("accounts", where.get("with_deleted"))
    for account in sorted(known, key=lambda record: collate(record.name)):
        if not (
            _chosen(where, "names", account.name)
            and _chosen(where, "descriptions", account.description)
            and _chosen(where, "organizations", account.organization)
        ):
            continue
        if where.get("flags") and not _flags(where["flags"]) & _flags(account.flags):
            continue
        if clusters and not any(_has_assoc(books, where, cluster, account.name) for cluster in clusters):
            continue
        if not service.permissions.may_see_assoc(peer, account.name, ""):
            continue
        wire = {name: getattr(account, name) for name in account.FIELDS}
        wire["coordinators"] = coordinators_of(books, account.name)
        yield wire


def _has_assoc(books: Books, where: Where, cluster: str, account: str) -> bool:
    if books.assoc(cluster, account) is not None:
        return True
    return bool(where.get("with_deleted")) and bool(books.deleted.find("associations", cluster, account, "", ""))


def _assocs_of_user(books: Books, where: Where, user: str) -> list[Any]:
    gone = [one for one in books.deleted.of("associations") if one.user == user] if where.get("with_deleted") else []
    return books.assocs_of_user(user) + gone


def coordinators_of(books: Books, account: str) -> tuple[tuple[str, bool], ...]:
    """(user, whether directly) of those who coordinate an account."""
    found: dict[str, bool] = {}
    above: dict[str, None] = {}
    for cluster in books.clusters:
        own = books.assoc(cluster, account)
        if own is not None:
            for one in books.chain(own):
                above.setdefault(one.account)
    above.setdefault(account)
    for name in above:
        for coordinated, user in books.coordinators:
            if coordinated == name:
                found[user] = found.get(user, False) or name == account
        known = books.accounts.get(name)
        if known is not None and "UsersAreCoords" in known.flags:
            for cluster in books.clusters:
                for assoc in books.assocs_of_account(cluster, name):
                    if assoc.user:
                        found[assoc.user] = found.get(assoc.user, False) or name == account
    return tuple(sorted(found.items()))


def _users(service: Service, peer: Peer, where: Where) -> Iterable[Any]:
    books = service.books
    clusters = where.get("clusters") or books.cluster_names()
    for user in sorted(books.with_deleted("users", where.get("with_deleted")), key=lambda record: collate(record.name)):
        if not _chosen(where, "names", user.name) or not service.permissions.may_see_user(peer, user.name):
            continue
        if where.get("admin_levels") and user.administrator_level not in where["admin_levels"]:
            continue
        if where.get("accounts") or where.get("clusters"):
            assocs = _assocs_of_user(books, where, user.name)
            if not any(_chosen(where, "accounts", a.account) and _chosen(where, "clusters", a.cluster) for a in assocs):
                continue
        default = next((name for cluster in clusters if (name := books.default_account(user.name, cluster))), "")
        wckey = next((name for cluster in clusters if (name := books.default_wckey(user.name, cluster))), "")
        if where.get("default_accounts") and default not in where["default_accounts"]:
            continue
        if where.get("default_wckeys") and wckey not in where["default_wckeys"]:
            continue
        wire = {name: getattr(user, name) for name in user.FIELDS}
        wire |= {"default_account": default, "default_wckey": wckey}
        wire["coordinators"] = tuple(sorted(books.coordinates(user.name).items()))
        wire["wckeys"] = tuple(sorted({key.name for key in books.wckeys_of_user(user.name) if key.name[:1] != "*"}))
        yield wire


_ASSOC_FILTERS = (
    ("clusters", "cluster"),
    ("users", "user"),
    ("partitions", "partition"),
    ("parents", "parent_account"),
    ("ids", "id"),
)


def associations(service: Service, peer: Peer, where: Where) -> list[Any]:
    """Effective associations (``own_only``: just what is set on each; ``raw_qos``: QOS as they are set, with signs), in
    the order of the tree."""
    books = service.books
    accounts = where.get("accounts")
    below: set[tuple[str, str]] | None = None
    if accounts:
        below = set()
        for cluster in books.clusters:
            for account in accounts:
                names = books.accounts_below(cluster, account) if where.get("with_sub_accounts") else (account,)
                below |= {(cluster, name) for name in names}
    found = []
    for assoc in books.with_deleted("associations", where.get("with_deleted")):
        if below is not None and (assoc.cluster, assoc.account) not in below:
            continue
        if any(where.get(name) and getattr(assoc, field) not in where[name] for name, field in _ASSOC_FILTERS):
            continue
        if where.get("only_defaults") and not assoc.is_default:
            continue
        if where.get("no_users") and assoc.user:
            continue
        if not service.permissions.may_see_assoc(peer, assoc.account, assoc.user):
            continue
        found.append(assoc)
    found.sort(key=books.order)
    seen = []
    for assoc in found:
        record = books.effective(assoc, limits="DELETED" not in assoc.flags)
        if where.get("own_only"):
            record = assoc.copy(
                qos=_own_qos(books, assoc, bool(where.get("raw_qos"))),
                lineage=record.lineage,
                parent_id=record.parent_id,
            )
        if not record.user and record.account != "root":
            record = record.copy(is_default=True)
        if where.get("qos") and not set(record.qos) & set(where["qos"]):
            continue
        if where.get("default_qos") and assoc.default_qos not in where["default_qos"]:
            continue
        if where.get("flags") and not _flags(where["flags"]) & _flags(record.flags):
            continue
        if where.get("raw_qos") and not where.get("own_only"):
            record = record.copy(qos=_raw_qos(books, assoc))
        if where.get("without_parent"):
            record = record.copy(parent_account="")
        seen.append(record)
    return seen


def _own_qos(books: Books, assoc: Any, raw: bool) -> tuple[str, ...]:
    """The list that is set on the association itself, or what it adds to its parent's; ``raw``: that with what it takes
    away, each with its sign."""
    if assoc.qos_own:
        return tuple(sorted(assoc.qos_own, key=lambda name: books.qos_ids.get(name, 0)))
    deltas = sorted(assoc.delta_qos)
    return tuple(deltas) if raw else tuple(delta[1:] for delta in deltas if delta[0] == "+")


def _raw_qos(books: Books, assoc: Any) -> tuple[str, ...]:
    """All that is added and taken away on the way down to the association, then the list that it is done to."""
    deltas: set[str] = set()
    for one in books.chain(assoc):
        if one.qos_own:
            return (*sorted(deltas), *_own_qos(books, one, True))
        deltas |= set(one.delta_qos)
    return tuple(sorted(deltas))


def _simple(kind: str, order: Callable[[Any], Any], *filters: tuple[str, str]) -> Callable[..., Iterable[Any]]:
    def lister(service: Service, peer: Peer, where: Where) -> Iterable[Any]:
        for record in sorted(service.books.with_deleted(kind, where.get("with_deleted")), key=order):
            if all(not where.get(name) or getattr(record, field) in where[name] for name, field in filters):
                yield record

    return lister


def _flags(names: Iterable[Any]) -> set[str]:
    """Flags as they can be compared, however they are written."""
    return {str(name).replace("_", "").lower() for name in names}


def _qos(service: Service, peer: Peer, where: Where) -> Iterable[Any]:
    lister = _simple("qos", lambda record: record.id, ("names", "name"), ("ids", "id"), ("descriptions", "description"))
    modes = {
        "" if str(one).lower() in ("", "cluster") else str(one).upper() for one in where.get("preempt_modes") or ()
    }
    for record in lister(service, peer, where):
        if not modes or modes & set(record.preempt_mode.split(",")):
            yield record


def _wckeys(service: Service, peer: Peer, where: Where) -> Iterable[Any]:
    order: Callable[[Any], Any] = lambda record: (record.name, record.cluster, record.user)  # noqa: E731
    for record in _simple(
        "wckeys", order, ("names", "name"), ("users", "user"), ("clusters", "cluster"), ("ids", "id")
    )(service, peer, where):
        if service.permissions.may_see_user(peer, record.user):
            wire = {name: getattr(record, name) for name in record.FIELDS}
            yield wire | {"flags": () if (record.cluster, record.id) in service.books.wckeys else ("DELETED",)}


def _clusters(service: Service, peer: Peer, where: Where) -> Iterable[Any]:
    books = service.books
    known = {cluster.name: cluster for cluster in books.clusters.values()}
    if where.get("with_deleted"):
        known |= {cluster.name: cluster for cluster in books.deleted.of("clusters")}
    for name in sorted(known, key=collate):
        cluster = known[name]
        if (
            _chosen(where, "names", name)
            and _chosen(where, "federations", cluster.federation)
            and (not where.get("rpc_versions") or cluster.rpc_version in where["rpc_versions"])
            and (
                not where.get("classifications")
                or cluster.classification.lower() in {str(one).lower() for one in where["classifications"]}
            )
            and (not where.get("flags") or _flags(where["flags"]) & _flags(cluster.flags))
        ):
            wire = {field: getattr(cluster, field) for field in cluster.FIELDS}
            root = books.assoc(name, "root")
            wire["root"] = books.effective(root).to_wire() if root is not None else {}
            yield wire


def _coordinators(service: Service, peer: Peer, where: Where) -> Iterable[Any]:
    return [
        record
        for key, record in sorted(service.books.coordinators.items())
        if _chosen(where, "accounts", key[0]) and _chosen(where, "users", key[1])
    ]


def _resources(service: Service, peer: Peer, where: Where) -> Iterable[Any]:
    found = list(service.books.resources.values())
    if where.get("with_deleted"):
        found += service.books.deleted.of("resources")
    for record in sorted(found, key=lambda one: one.id):
        if not (_chosen(where, "names", record.name) and _chosen(where, "servers", record.server)):
            continue
        wanted = where.get("clusters")
        if wanted and not any(cluster in wanted for cluster, _ in record.clusters):
            continue
        if not (
            _chosen(where, "server_types", record.server_type)
            and _chosen(where, "descriptions", record.description)
            and (not where.get("ids") or record.id in where["ids"])
            and (not where.get("types") or record.type.lower() in {str(one).lower() for one in where["types"]})
            and (not where.get("flags") or _flags(where["flags"]) & _flags(record.flags))
        ):
            continue
        if wanted:
            record = record.copy(clusters=tuple(one for one in record.clusters if one[0] in wanted))
        yield record


def _problems(service: Service, peer: Peer, where: Where) -> Iterable[Any]:
    """Accounts without users, users without an account that they could charge."""
    books = service.books
    for cluster in books.cluster_names():
        if not _chosen(where, "clusters", cluster):
            continue
        own = [a for a in books.associations.values() if a.cluster == cluster and not a.user and a.account != "root"]
        for assoc in sorted(own, key=books.order):
            users = any(below.user for below in books.assocs_of_account(cluster, assoc.account))
            if not users and not books.below.get((cluster, assoc.account)):
                yield {"cluster": cluster, "account": assoc.account, "user": "", "problem": "Account has no users"}
    for user in sorted(books.users.values(), key=lambda one: collate(one.name)):
        if not _chosen(where, "users", user.name):
            continue
        if not _has_uid(user.name):
            yield {"cluster": "", "account": "", "user": user.name, "problem": "User does not have a uid"}
        if not books.assocs_of_user(user.name):
            yield {"cluster": "", "account": "", "user": user.name, "problem": "User has no associations"}


def _has_uid(name: str) -> bool:
    import pwd

    try:
        pwd.getpwnam(name)
    except (KeyError, ValueError):  # a NUL is no part of a name
        return False
    return True


def _federations(service: Service, peer: Peer, where: Where) -> Iterable[Any]:
    books = service.books
    names = {c.federation for c in books.clusters.values() if c.federation} | set(books.federations)
    if where.get("with_deleted"):
        names |= {one.name for one in books.deleted.of("federations")}
    for name in sorted(names, key=collate):
        if _chosen(where, "names", name):
            members = [
                c for c in books.clusters.values() if c.federation == name and _chosen(where, "clusters", c.name)
            ]
            for cluster in sorted(members, key=lambda one: collate(one.name)):
                yield {
                    "federation": name, "cluster": cluster.name, "fed_id": cluster.fed_id,
                    "features": cluster.features, "fed_state": cluster.fed_state,
                }  # fmt: skip
            if not members and not where.get("clusters"):
                yield {"federation": name, "cluster": "", "fed_id": 0, "features": "", "fed_state": ""}


_LISTS: dict[str, Callable[[Any, Any, Where], Iterable[Any]]] = {
    "accounts": _accounts,
    "users": _users,
    "associations": associations,
    "qos": _qos,
    "tres": _simple("tres", lambda record: record.id, ("ids", "id"), ("types", "type"), ("names", "name")),
    "wckeys": _wckeys,
    "clusters": _clusters,
    "coordinators": _coordinators,
    "resources": _resources,
    "problems": _problems,
    "federations": _federations,
}


# ---- lists from tables of their own


def _events(connection: Any, where: Where) -> list[Any]:
    import sqlalchemy as sa

    from slurmpy.core.records.accounting import Event

    from . import schema

    table = schema.events.c
    statement = sa.select(schema.events)
    start, end = int(where.get("start") or 0), int(where.get("end") or 0)
    if start:
        statement = statement.where(sa.or_(table.end_time == 0, table.end_time >= start))
    if end:
        statement = statement.where(table.start_time < end)
    if where.get("open"):
        statement = statement.where(table.end_time == 0)
    for name, column in (("clusters", table.cluster), ("nodes", table.node), ("users", table.user_id)):
        if where.get(name):
            statement = statement.where(column.in_(list(where[name])))
    if where.get("cluster_events"):
        statement = statement.where(table.node == "")
    if where.get("node_events"):
        statement = statement.where(table.node != "")
    if where.get("reasons"):
        statement = statement.where(sa.or_(*(table.reason.contains(r, autoescape=True) for r in where["reasons"])))
    if where.get("states"):
        flags = [state for state in where["states"] if state > 0xF]
        bases = [state for state in where["states"] if state <= 0xF]
        found = [table.state.op("&")(flag) != 0 for flag in flags]
        if bases:
            found.append(sa.and_(table.node != "", table.state.op("&")(0xF).in_(bases)))
        statement = statement.where(sa.or_(*found))
    statement = statement.order_by(table.cluster, table.node, table.start_time)
    return [Event(**row._mapping) for row in connection.execute(statement)]


def _reservations(connection: Any, where: Where) -> list[Any]:
    import sqlalchemy as sa

    from . import schema

    table = schema.reservations.c
    mapper = schema.Mapper(schema.records.Reservation, schema.reservations)
    statement = mapper.select()
    start, end = int(where.get("start") or 0), int(where.get("end") or 0)
    if start:
        statement = statement.where(sa.or_(table.end_time == 0, table.end_time >= start))
    if end:
        statement = statement.where(table.start_time < end)
    for name, column in (("clusters", table.cluster), ("names", table.name), ("ids", table.id)):
        if where.get(name):
            statement = statement.where(column.in_(list(where[name])))
    statement = statement.order_by(table.cluster, table.start_time, table.name)
    return [mapper.load(row) for row in connection.execute(statement)]


def _transactions(connection: Any, where: Where) -> list[Any]:
    import sqlalchemy as sa

    from . import schema

    table = schema.transactions.c
    mapper = schema.Mapper(schema.records.Transaction, schema.transactions)
    statement = mapper.select()
    start, end = int(where.get("start") or 0), int(where.get("end") or 0)
    if start:
        statement = statement.where(table.time >= start)
    if end:
        statement = statement.where(table.time < end)
    for name, column in (
        ("actors", table.actor),
        ("actions", table.action),
        ("clusters", table.cluster),
        ("ids", table.id),
    ):
        if where.get(name):
            statement = statement.where(column.in_(list(where[name])))
    for name in ("infos", "wheres"):
        for text in where.get(name) or ():
            column = table.info if name == "infos" else table["where"]
            statement = statement.where(column.contains(text, autoescape=True))
    for text in where.get("mentions") or ():
        statement = statement.where(
            sa.or_(table.info.contains(text, autoescape=True), table["where"].contains(text, autoescape=True))
        )
    return [mapper.load(row) for row in connection.execute(statement.order_by(table.time, table.id))]


_TABLES: dict[str, Callable[[Any, Where], list[Any]]] = {
    "events": _events,
    "reservations": _reservations,
    "transactions": _transactions,
    "instances": lambda connection, where: [],
}


# ---- about slurmdbd itself


def config(service: Service, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    """slurmdbd.conf as it is in force: names and values (no password)."""
    from slurmpy.conf import slurmdbd_conf

    return {"rows": tuple(slurmdbd_conf.shown(service.conf, service.boot_time))}


def stats(service: Service, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    """Counters since the start or the last `clear_stats`: (name, calls, microseconds) of methods and users."""
    return {
        "since": service.started,
        "now": int(time.time()),
        "methods": tuple((name, *row) for name, row in service.counts.items()),
        "users": tuple((name, *row) for name, row in service.user_counts.items()),
        "roll_ups": {name: tuple(row) for name, row in service.roller.figures.items()} if service.roller else {},
    }


def clear_stats(service: Service, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    service.counts.clear()
    service.user_counts.clear()
    if service.roller is not None:
        service.roller.figures.clear()
    service.started = int(time.time())
    return {}
