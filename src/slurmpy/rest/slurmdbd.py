"""The endpoints under /slurmdb/: accounts, users, associations, QOS, jobs of the past, and slurmdbd itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from slurmpy.core import hostlist
from slurmpy.core.errors import SlurmError
from slurmpy.core.records import accounting as records
from slurmpy.data_parser import tres

from . import slurmdbd_usage
from .call import Call, Reply

Where = dict[str, Any]


async def rows(call: Call, what: str, where: Where | None = None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    columns: tuple[str, ...] = ()
    async for part in call.slurmdbd.stream("query", {"what": what, "fields": (), "where": where or {}}):
        columns = part.get("columns", columns)
        found.extend(dict(zip(columns, row, strict=True)) for row in part.get("rows", ()))
    return found


async def _learn(call: Call) -> None:
    """The numbers of the TRES, which the documents tell."""
    tres.learn((row["id"], row["type"], row["name"]) for row in await rows(call, "tres"))


def _record(kind: Callable[..., Any], row: dict[str, Any], **attached: Any) -> Any:
    made = kind.from_wire(row)  # type: ignore[attr-defined]
    made.__dict__.update(attached)
    return made


#: what the versions call a query for what was deleted too
_DELETED_WORDS = ("with_deleted", "DELETED", "Include deleted associations", "Include deleted QOS")


def deleted_too(asked: Where) -> Where:
    return {"with_deleted": True} if any(asked.get(word) for word in _DELETED_WORDS) else {}


async def _associations_of(call: Call, field: str, where: Where) -> dict[str, list[records.Association]]:
    """By account or user, as far as `where` wants those that were deleted."""
    found: dict[str, list[records.Association]] = {}
    for row in await rows(call, "associations", deleted_too(where)):
        if field == "user" and not row["user"]:
            continue
        found.setdefault(row[field], []).append(records.Association.from_wire(row))
    return found


async def _accounts(call: Call, where: Where, assocs: bool = False, coords: bool = False) -> list[Any]:
    below = await _associations_of(call, "account", where) if assocs else {}
    return [
        _record(
            records.Account,
            row,
            _associations=tuple(below.get(row["name"], ())),
            _coordinators=row.get("coordinators", ()) if coords else (),
        )
        for row in await rows(call, "accounts", where)
    ]


async def _accounts_dumped(call: Call) -> list[Any]:
    """In the dump the root account goes without its own associations, which every cluster has."""
    found = await _accounts(call, {}, assocs=True, coords=True)
    for account in found:
        if account.name == "root":
            account._associations = ()
    return found


async def _users(
    call: Call, where: Where, assocs: bool = False, coords: bool = False, wckeys: bool = False
) -> list[Any]:
    below = await _associations_of(call, "user", where) if assocs else {}
    keys: dict[str, list[Any]] = {}
    if wckeys:
        for row in await rows(call, "wckeys", deleted_too(where)):
            keys.setdefault(row["user"], []).append(_record(records.Wckey, row, _flags=row["flags"]))
    return [
        _record(
            records.User,
            row
            | {
                # known by the associations and keys that come along
                "default_account": row["default_account"] if assocs else "",
                "default_wckey": row["default_wckey"] if wckeys else "",
            },
            _associations=tuple(below.get(row["name"], ())),
            _coordinators=row.get("coordinators", ()) if coords else (),
            _wckeys=tuple(keys.get(row["name"], ())),
        )
        for row in await rows(call, "users", where)
    ]


async def _simple(call: Call, what: str, kind: Callable[..., Any], where: Where | None = None) -> list[Any]:
    return [_record(kind, row) for row in await rows(call, what, where)]


async def _tres(call: Call) -> list[Any]:
    """All kinds, and the place holder from which on numbers are given out."""
    found = await _simple(call, "tres", records.Tres)
    at = next((index for index, one in enumerate(found) if one.id > _DYNAMIC), len(found))
    return [*found[:at], records.Tres(id=_DYNAMIC, type="dynamic_offset"), *found[at:]]


_DYNAMIC = 1000


async def _clusters(call: Call, where: Where) -> list[Any]:
    await _learn(call)
    return await _simple(call, "clusters", records.Cluster, where)


def listed(call: Call, kind: str, found: list[Any], function: str, source: str, empty: str = "") -> Reply:
    """The list; a warning when it is empty, as the daemon's own library gives it."""
    if not found:
        call.warn(f"{call.function(function)} found nothing", source)
        if empty:
            return call.reply(empty)
    return call.records(kind, found)


def failed(call: Call, error: SlurmError, function: str, source: str, kind: str = "none") -> Reply:
    call.slurm_error(error, f"{call.function(function)} failed", source)
    return call.failed() if kind == "none" else call.records(kind, ())


# ---- accounts, users


async def get_accounts(call: Call) -> Reply:
    asked = call.query()
    where = deleted_too(asked)
    if asked.get("description"):
        where["descriptions"] = tuple(asked["description"])
    coordinated = None if not asked.get("UsersAreCoords") else True
    if asked.get("NoUsersAreCoords"):  # which goes before the other
        coordinated = False
    try:
        found = await _accounts(
            call,
            where,
            assocs=bool(asked.get("WithAssociations") or asked.get("with_assocs")),
            coords=bool(asked.get("WithCoordinators") or asked.get("with_coords")),
        )
        found = [one for one in found if coordinated is None or ("UsersAreCoords" in one.flags) is coordinated]
    except SlurmError as error:
        return failed(call, error, "slurmdb_accounts_get", "_dump_accounts")
    return listed(call, "accounts", found, "slurmdb_accounts_get", "_dump_accounts")


async def get_account(call: Call) -> Reply:
    asked = call.query()
    try:
        found = await _accounts(
            call,
            {"names": (call.path["account_name"],), **deleted_too(asked)},
            assocs=bool(asked.get("with_assocs")),
            coords=bool(asked.get("with_coords")),
        )
    except SlurmError as error:
        return failed(call, error, "slurmdb_accounts_get", "_dump_accounts")
    return listed(call, "accounts", found, "slurmdb_accounts_get", "_dump_accounts")


async def get_users(call: Call) -> Reply:
    asked = call.query()
    where = deleted_too(asked)
    if asked.get("default_account"):
        where["default_accounts"] = tuple(asked["default_account"])
    if asked.get("admin_level") not in (None, "", "Not Set"):
        where["admin_levels"] = (asked["admin_level"],)
    try:
        keys = asked.get("default_wckey")
        wanted = (
            {row["name"] for row in await rows(call, "users", where) if row["default_wckey"] in keys} if keys else ()
        )
        found = await _users(call, where, *(bool(asked.get(f"with_{name}")) for name in ("assocs", "coords", "wckeys")))
        found = [one for one in found if not keys or one.name in wanted]
    except SlurmError as error:
        return failed(call, error, "slurmdb_users_get", "_dump_users")
    if asked.get("without_defaults"):
        for one in found:
            one.default_account = one.default_wckey = ""
    return listed(call, "users", found, "slurmdb_users_get", "_dump_users")


async def get_user(call: Call) -> Reply:
    asked = call.query()
    where = {"names": (call.path["name"],), **deleted_too(asked)}
    try:
        found = await _users(call, where, *(bool(asked.get(f"with_{name}")) for name in ("assocs", "coords", "wckeys")))
    except SlurmError as error:
        return failed(call, error, "slurmdb_users_get", "_dump_users")
    return listed(call, "users", found, "slurmdb_users_get", "_dump_users")


# ---- associations, QOS, clusters, WCKeys, TRES, instances

_ASSOC_WORDS = {
    "account": "accounts", "cluster": "clusters", "default_qos": "default_qos", "parent_account": "parents",
    "partition": "partitions", "qos": "qos", "user": "users",
}  # fmt: skip


def numbers(words: Iterable[str]) -> tuple[int, ...]:
    """Ids as they are asked for; -1, which nothing has, for a word that is none (they have 32 bits)."""
    return tuple(int(word) if word.isdecimal() and len(word) <= _DIGITS else -1 for word in words)


_DIGITS = 10


def assoc_where(asked: dict[str, Any]) -> Where:
    where: Where = {theirs: tuple(asked[name]) for name, theirs in _ASSOC_WORDS.items() if asked.get(name)}
    if asked.get("id"):
        where["ids"] = numbers(asked["id"])
    if asked.get("Filter to only defaults"):
        where["only_defaults"] = True
    if asked.get("Exclude limits from parents") or asked.get("Exclude parent id/name"):
        where["own_only"] = True  # who does not want to hear of the parents hears of their limits neither
    if asked.get("Exclude parent id/name"):
        where["without_parent"] = True
    if asked.get("Include the raw QOS or delta_qos"):
        where["raw_qos"] = True
    if asked.get("Include sub acct information"):
        where["with_sub_accounts"] = True
    return where | deleted_too(asked)


async def with_named_qos(call: Call, where: Where) -> Where:
    """QOS by their names, for a query that has their numbers (24.11 knows those alone) or names. Raises SlurmError."""
    asked = {word for name in ("qos", "default_qos") for word in where.get(name, ()) if word.isdecimal()}
    if not asked:
        return where
    known = [(row["id"], row["name"]) for row in await rows(call, "qos", {"ids": numbers(asked)})]
    return where | {
        name: (*where[name], *(qos for number, qos in known if str(number) in where[name]))
        for name in ("qos", "default_qos")
        if name in where
    }


async def _found_associations(call: Call) -> list[Any]:
    asked = call.query()
    await _learn(call)
    where = await with_named_qos(call, assoc_where(asked))
    found = await _simple(call, "associations", records.Association, where)
    await slurmdbd_usage.of_associations(call, found, asked)
    return found


async def get_associations(call: Call) -> Reply:
    try:
        found = await _found_associations(call)
    except SlurmError as error:
        return failed(call, error, "slurmdb_associations_get", "_dump_assoc_cond")
    return listed(call, "associations", found, "slurmdb_associations_get", "_dump_assoc_cond")


async def get_association(call: Call) -> Reply:
    try:
        found = await _found_associations(call)
    except SlurmError as error:
        return failed(call, error, "slurmdb_associations_get", "_dump_assoc_cond")
    if len(found) > 1:
        call.error(
            9211,
            AMBIGUOUS,
            "Ambiguous request: More than 1 association would have been dumped.",
            "_dump_assoc_cond",
        )
        return call.records("associations", ())
    return listed(call, "associations", found, "slurmdb_associations_get", "_dump_assoc_cond")


AMBIGUOUS = "Request matched more than one object to query. Request is limited to query of a single matching object."


async def get_qos(call: Call) -> Reply:
    asked = call.query()
    where = deleted_too(asked)
    for name, theirs in (("name", "names"), ("description", "descriptions")):
        if asked.get(name):
            where[theirs] = tuple(asked[name])
    if asked.get("id"):
        where["ids"] = numbers(asked["id"])
    return await _qos(call, where, asked.get("preempt_mode", ""))


async def get_single_qos(call: Call) -> Reply:
    where = deleted_too(call.query())
    name = call.path["qos"]
    return await _qos(call, where | ({"ids": numbers((name,))} if name.isdecimal() else {"names": (name,)}))


async def _qos(call: Call, where: Where, modes: str = "") -> Reply:
    try:
        await _learn(call)
        found = await _simple(call, "qos", records.Qos, where)
        if modes:
            wanted = set(modes.lower().split(","))
            found = [one for one in found if wanted & set(one.preempt_mode.lower().split(","))]
    except SlurmError as error:
        return failed(call, error, "slurmdb_qos_get", "_op_handler_qos")
    return listed(call, "qos", found, "slurmdb_qos_get", "_op_handler_qos")


async def get_clusters(call: Call) -> Reply:
    asked = call.query()
    try:
        found = [one for one in await _clusters(call, deleted_too(asked)) if _is_such(one, asked)]
    except SlurmError as error:
        return failed(call, error, "slurmdb_clusters_get", "_dump_clusters")
    return listed(call, "clusters", found, "slurmdb_clusters_get", "_dump_clusters")


async def get_cluster(call: Call) -> Reply:
    asked = call.query()
    try:
        found = await _clusters(call, {"names": (call.path["cluster_name"],), **deleted_too(asked)})
        found = [one for one in found if _is_such(one, asked)]
    except SlurmError as error:
        return failed(call, error, "slurmdb_clusters_get", "_dump_clusters")
    return listed(call, "clusters", found, "slurmdb_clusters_get", "_dump_clusters")


def _is_such(one: records.Cluster, asked: dict[str, Any]) -> bool:
    versions = numbers(asked.get("rpc_version", ()))
    kind = (asked.get("classification") or ("",))[0]
    return (
        (not asked.get("cluster") or one.name in asked["cluster"])
        and (not asked.get("federation") or one.federation in asked["federation"])
        and (not asked.get("rpc_version") or one.rpc_version in versions)
        and (not kind or one.classification.upper() == kind.upper())
        and set(asked.get("flags") or ()) <= set(one.flags)
    )


async def get_wckeys(call: Call) -> Reply:
    asked = call.query()
    where = deleted_too(asked)
    for name, theirs in (("name", "names"), ("user", "users"), ("cluster", "clusters")):
        if asked.get(name):
            where[theirs] = tuple(asked[name])
    if asked.get("id"):
        where["ids"] = numbers(asked["id"])
    return await _wckeys(call, where, asked)


async def get_wckey(call: Call) -> Reply:
    key = call.path["id"]
    return await _wckeys(call, {"ids": numbers((key,))} if key.isdecimal() else {"names": (key,)})


async def _all_wckeys(call: Call, where: Where) -> list[Any]:
    """Raises SlurmError for users who administer nothing: slurmdbd tells them only their own, and never as a list."""
    if call.user not in ("root", str(call.daemons.conf.SlurmUser or "root")):
        users = await rows(call, "users", {"names": (call.user,)})
        if not any(user["administrator_level"] in ("Operator", "Administrator") for user in users):
            raise SlurmError("ESLURM_ACCESS_DENIED")
    return [_record(records.Wckey, row, _flags=row["flags"]) for row in await rows(call, "wckeys", where)]


async def _wckeys(call: Call, where: Where, asked: Where | None = None) -> Reply:
    asked = asked or {}
    try:
        await _learn(call)
        found = [one for one in await _all_wckeys(call, where) if one.is_default or not asked.get("only_defaults")]
        await slurmdbd_usage.of_wckeys(call, found, asked)
    except SlurmError as error:
        return failed(call, error, "slurmdb_wckeys_get", "_dump_wckeys")
    return listed(call, "wckeys", found, "slurmdb_wckeys_get", "_dump_wckeys")


async def get_tres(call: Call) -> Reply:
    try:
        found = await _tres(call)
    except SlurmError as error:
        return failed(call, error, "slurmdb_tres_get", "_dump_tres")
    return listed(call, "tres", found, "slurmdb_tres_get", "_dump_tres")


async def post_tres(call: Call) -> Reply:
    call.refuse("Adding TRES is not supported: slurmctld registers them", "op_handler_tres")
    return call.failed()


async def get_instances(call: Call) -> Reply:
    asked = call.query()
    try:
        nodes = frozenset(expanded(asked.get("node_list", "")))
        found = [one for one in await _simple(call, "instances", records.Instance) if _is_wanted(one, asked, nodes)]
    except SlurmError as error:
        return failed(call, error, "slurmdb_instances_get", "_dump_instance_cond")
    return listed(call, "instances", found, "slurmdb_instances_get", "_dump_instance_cond", "none")


def expanded(nodes: str) -> list[str]:
    try:
        return hostlist.expand(nodes) if nodes else []
    except hostlist.HostlistError:
        return [nodes]


def _is_wanted(one: records.Instance, asked: dict[str, Any], nodes: frozenset[str]) -> bool:
    since, until = asked.get("time_start", 0), asked.get("time_end", 0)
    return (
        all(not asked.get(name) or getattr(one, name) in asked[name] for name in _INSTANCE_WORDS)
        and (not nodes or one.node_name in nodes)
        and (not since or not one.time_end or one.time_end >= since)
        and (not until or one.time_start <= until)
    )


_INSTANCE_WORDS = ("cluster", "extra", "instance_id", "instance_type")


async def get_config(call: Call) -> Reply:
    function = ""
    found: dict[str, Any] = {}
    try:
        for kind, name, load in _CONFIG:
            function = name
            found[kind] = await load(call)
    except SlurmError as error:
        call.slurm_error(error, f"{call.function(function).removesuffix('()')} failed", "_dump")
        return call.failed()
    return call.reply("config", **found)


#: what the document holds, the function of Slurm's library that errors are told of, and where it comes from
_CONFIG: tuple[tuple[str, str, Callable[[Call], Awaitable[list[Any]]]], ...] = (
    ("clusters", "slurmdb_clusters_get", lambda call: _clusters(call, {})),
    ("tres", "slurmdb_tres_get", _tres),
    ("accounts", "slurmdb_accounts_get", _accounts_dumped),
    ("users", "slurmdb_users_get", lambda call: _users(call, {}, assocs=True, coords=True)),
    ("qos", "slurmdb_qos_get", lambda call: _simple(call, "qos", records.Qos)),
    ("wckeys", "slurmdb_wckeys_get", lambda call: _all_wckeys(call, {})),
    ("associations", "slurmdb_associations_get", lambda call: _simple(call, "associations", records.Association)),
    ("instances", "slurmdb_instances_get", lambda call: _simple(call, "instances", records.Instance)),
)
