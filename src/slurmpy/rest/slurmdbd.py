"""The endpoints under /slurmdb/: accounts, users, associations, QOS, jobs of the past, and slurmdbd itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from slurmpy.core.errors import SlurmError
from slurmpy.core.records import accounting as records
from slurmpy.data_parser import tres

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


async def _associations_of(call: Call, field: str) -> dict[str, list[records.Association]]:
    found: dict[str, list[records.Association]] = {}
    for row in await rows(call, "associations"):
        if field == "user" and not row["user"]:
            continue
        found.setdefault(row[field], []).append(records.Association.from_wire(row))
    return found


async def _accounts(call: Call, where: Where, assocs: bool = False, coords: bool = False) -> list[Any]:
    below = await _associations_of(call, "account") if assocs else {}
    below.pop("root", None)  # its own are never told
    return [
        _record(
            records.Account,
            row,
            _associations=tuple(below.get(row["name"], ())),
            _coordinators=row.get("coordinators", ()) if coords else (),
        )
        for row in await rows(call, "accounts", where)
    ]


async def _users(
    call: Call, where: Where, assocs: bool = False, coords: bool = False, wckeys: bool = False
) -> list[Any]:
    below = await _associations_of(call, "user") if assocs else {}
    keys: dict[str, list[Any]] = {}
    if wckeys:
        for row in await rows(call, "wckeys"):
            keys.setdefault(row["user"], []).append(records.Wckey.from_wire(row))
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


def _listed(call: Call, kind: str, found: list[Any], function: str, source: str, empty: str = "") -> Reply:
    """The list; a warning when it is empty, as the daemon's own library gives it."""
    if not found:
        call.warn(f"{function}({id(call):#x}) found nothing", source)
        if empty:
            return call.reply(empty)
    return call.records(kind, found)


def failed(call: Call, error: SlurmError, function: str, source: str, kind: str = "none") -> Reply:
    call.slurm_error(error, f"{function}({id(call):#x}) failed", source)
    return call.failed() if kind == "none" else call.records(kind, ())


# ---- accounts, users


async def get_accounts(call: Call) -> Reply:
    asked = call.query()
    where: Where = {"descriptions": tuple(asked["description"])} if asked.get("description") else {}
    try:
        found = await _accounts(
            call,
            where,
            assocs=bool(asked.get("WithAssociations") or asked.get("with_assocs")),
            coords=bool(asked.get("WithCoordinators") or asked.get("with_coords")),
        )
    except SlurmError as error:
        return failed(call, error, "slurmdb_accounts_get", "_dump_accounts")
    return _listed(call, "accounts", found, "slurmdb_accounts_get", "_dump_accounts")


async def get_account(call: Call) -> Reply:
    asked = call.query()
    try:
        found = await _accounts(
            call,
            {"names": (call.path["account_name"],)},
            assocs=bool(asked.get("with_assocs")),
            coords=bool(asked.get("with_coords")),
        )
    except SlurmError as error:
        return failed(call, error, "slurmdb_accounts_get", "_dump_accounts")
    return _listed(call, "accounts", found, "slurmdb_accounts_get", "_dump_accounts")


async def get_users(call: Call) -> Reply:
    asked = call.query()
    where: Where = {}
    if asked.get("default_account"):
        where["default_accounts"] = tuple(asked["default_account"])
    if asked.get("admin_level"):
        where["admin_levels"] = (asked["admin_level"],)
    try:
        found = await _users(call, where, *(bool(asked.get(f"with_{name}")) for name in ("assocs", "coords", "wckeys")))
    except SlurmError as error:
        return failed(call, error, "slurmdb_users_get", "_dump_users")
    return _listed(call, "users", found, "slurmdb_users_get", "_dump_users")


async def get_user(call: Call) -> Reply:
    asked = call.query()
    where = {"names": (call.path["name"],)}
    try:
        found = await _users(call, where, *(bool(asked.get(f"with_{name}")) for name in ("assocs", "coords", "wckeys")))
    except SlurmError as error:
        return failed(call, error, "slurmdb_users_get", "_dump_users")
    return _listed(call, "users", found, "slurmdb_users_get", "_dump_users")


# ---- associations, QOS, clusters, WCKeys, TRES, instances

_ASSOC_WORDS = {
    "account": "accounts", "cluster": "clusters", "default_qos": "default_qos", "parent_account": "parents",
    "partition": "partitions", "qos": "qos", "user": "users",
}  # fmt: skip


def assoc_where(asked: dict[str, Any]) -> Where:
    where: Where = {theirs: tuple(asked[name]) for name, theirs in _ASSOC_WORDS.items() if asked.get(name)}
    if asked.get("id"):
        where["ids"] = tuple(int(word) for word in asked["id"] if word.isdecimal())
    if asked.get("Filter to only defaults"):
        where["only_defaults"] = True
    if asked.get("Exclude limits from parents"):
        where["own_only"] = True
    if asked.get("Include sub acct information"):
        where["with_sub_accounts"] = True
    return where


async def _found_associations(call: Call) -> list[Any]:
    await _learn(call)
    return await _simple(call, "associations", records.Association, assoc_where(call.query()))


async def get_associations(call: Call) -> Reply:
    try:
        found = await _found_associations(call)
    except SlurmError as error:
        return failed(call, error, "slurmdb_associations_get", "_dump_assoc_cond")
    return _listed(call, "associations", found, "slurmdb_associations_get", "_dump_assoc_cond")


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
    return _listed(call, "associations", found, "slurmdb_associations_get", "_dump_assoc_cond")


AMBIGUOUS = "Request matched more than one object to query. Request is limited to query of a single matching object."


async def get_qos(call: Call) -> Reply:
    asked = call.query()
    where: Where = {}
    for name, theirs in (("name", "names"), ("description", "descriptions")):
        if asked.get(name):
            where[theirs] = tuple(asked[name])
    if asked.get("id"):
        where["ids"] = tuple(int(word) for word in asked["id"] if word.isdecimal())
    return await _qos(call, where)


async def get_single_qos(call: Call) -> Reply:
    call.query()
    name = call.path["qos"]
    return await _qos(call, {"ids": (int(name),)} if name.isdecimal() else {"names": (name,)})


async def _qos(call: Call, where: Where) -> Reply:
    try:
        await _learn(call)
        found = await _simple(call, "qos", records.Qos, where)
    except SlurmError as error:
        return failed(call, error, "slurmdb_qos_get", "_op_handler_qos")
    return _listed(call, "qos", found, "slurmdb_qos_get", "_op_handler_qos")


async def get_clusters(call: Call) -> Reply:
    call.query()
    try:
        found = await _clusters(call, {})
    except SlurmError as error:
        return failed(call, error, "slurmdb_clusters_get", "_dump_clusters")
    return _listed(call, "clusters", found, "slurmdb_clusters_get", "_dump_clusters")


async def get_cluster(call: Call) -> Reply:
    call.query()
    try:
        found = await _clusters(call, {"names": (call.path["cluster_name"],)})
    except SlurmError as error:
        return failed(call, error, "slurmdb_clusters_get", "_dump_clusters")
    return _listed(call, "clusters", found, "slurmdb_clusters_get", "_dump_clusters")


async def get_wckeys(call: Call) -> Reply:
    asked = call.query()
    where: Where = {}
    for name, theirs in (("name", "names"), ("user", "users"), ("cluster", "clusters")):
        if asked.get(name):
            where[theirs] = tuple(asked[name])
    return await _wckeys(call, where)


async def get_wckey(call: Call) -> Reply:
    key = call.path["id"]
    return await _wckeys(call, {"ids": (int(key),)} if key.isdecimal() else {"names": (key,)})


async def _all_wckeys(call: Call, where: Where) -> list[Any]:
    """Raises SlurmError for users who administer nothing: slurmdbd tells them only their own, and never as a list."""
    if call.user not in ("root", str(call.daemons.conf.SlurmUser or "root")):
        users = await rows(call, "users", {"names": (call.user,)})
        if not any(user["administrator_level"] in ("Operator", "Administrator") for user in users):
            raise SlurmError("ESLURM_ACCESS_DENIED")
    return await _simple(call, "wckeys", records.Wckey, where)


async def _wckeys(call: Call, where: Where) -> Reply:
    try:
        found = await _all_wckeys(call, where)
    except SlurmError as error:
        return failed(call, error, "slurmdb_wckeys_get", "_dump_wckeys")
    return _listed(call, "wckeys", found, "slurmdb_wckeys_get", "_dump_wckeys")


async def get_tres(call: Call) -> Reply:
    try:
        found = await _tres(call)
    except SlurmError as error:
        return failed(call, error, "slurmdb_tres_get", "_dump_tres")
    return _listed(call, "tres", found, "slurmdb_tres_get", "_dump_tres")


async def post_tres(call: Call) -> Reply:
    call.refuse("Adding TRES is not supported: slurmctld registers them", "op_handler_tres")
    return call.failed()


async def get_instances(call: Call) -> Reply:
    call.query()
    try:
        found = await _simple(call, "instances", records.Instance)
    except SlurmError as error:
        return failed(call, error, "slurmdb_instances_get", "_dump_instance_cond")
    return _listed(call, "instances", found, "slurmdb_instances_get", "_dump_instance_cond", "none")


async def get_config(call: Call) -> Reply:
    source = "_dump"
    try:
        clusters = await _clusters(call, {})
        found: dict[str, Any] = {
            "clusters": clusters,
            "tres": await _tres(call),
            "accounts": await _accounts(call, {}, assocs=True, coords=True),
            "users": await _users(call, {}, assocs=True, coords=True),
            "qos": await _simple(call, "qos", records.Qos),
            "wckeys": await _all_wckeys(call, {}),
            "associations": await _simple(call, "associations", records.Association),
            "instances": await _simple(call, "instances", records.Instance),
        }
    except SlurmError as error:
        return failed(call, error, "slurmdb_config_get", source)
    return call.reply("config", **found)


# ---- jobs

_JOB_WORDS = {
    "account": "accounts", "cluster": "clusters", "constraints": "constraints", "job_name": "names",
    "partition": "partitions", "qos": "qos", "reason": "reasons", "reservation": "reservations", "wckey": "wckeys",
}  # fmt: skip


def _job_id(text: str) -> tuple[int, int | None, int | None] | None:
    number, _, task = text.partition("_")
    number, _, offset = number.partition("+")
    if not number.isdecimal() or (task and not task.isdecimal()) or (offset and not offset.isdecimal()):
        return None
    return int(number), int(task) if task else None, int(offset) if offset else None


async def get_job(call: Call) -> Reply:
    chosen = _job_id(call.path["job_id"])
    if chosen is None:
        call.refuse("Rejecting request. Failure parsing parameters", "op_handler_job")
    return await _jobs(call, {"jobs": (chosen,)})


async def get_jobs(call: Call) -> Reply:
    asked = call.query("op_handler_jobs", "query parameters")
    where: Where = {theirs: tuple(asked[name]) for name, theirs in _JOB_WORDS.items() if asked.get(name)}
    if asked.get("users"):
        where["users"] = tuple(_user_ids(asked["users"]))
    if asked.get("association"):
        where["associations"] = tuple(int(word) for word in asked["association"] if word.isdecimal())
    if asked.get("step"):
        chosen = [_job_id(word.partition(".")[0]) for word in asked["step"]]
        where["jobs"] = tuple(one for one in chosen if one is not None)
    if asked.get("state"):
        where["states"] = tuple(asked["state"])
    now = int(time.time())
    if asked.get("start_time"):
        where["start"] = asked["start_time"]
    elif "jobs" not in where:
        where["start"] = now - now % 86400  # as sacct: since midnight
    if asked.get("end_time"):
        where["end"] = asked["end_time"]
    elif asked.get("state"):
        where["end"] = where.get("start", now)  # as with sacct, a state is that of one moment unless an end is given
    if asked.get("skip_steps"):
        where["allocations"] = True
    return await _jobs(call, where)


def _user_ids(names: tuple[str, ...]) -> list[int]:
    import pwd

    found = []
    for name in names:
        try:
            found.append(int(name) if name.isdecimal() else pwd.getpwnam(name).pw_uid)
        except KeyError:
            found.append(-1)  # somebody who has no jobs
    return found


async def _jobs(call: Call, where: Where) -> Reply:
    try:
        reply = await call.dump(call.slurmdbd, "jobs", {**where, "order": "job_id"})
    except SlurmError as error:
        return failed(call, error, "slurmdb_jobs_get", "_dump_jobs", "slurmdb_jobs")
    if isinstance(reply.content, bytes) and b'"jobs": []' in reply.content[:40]:
        return _listed(call, "slurmdb_jobs", [], "slurmdb_jobs_get", "_dump_jobs")
    return reply


# ---- slurmdbd itself


async def get_ping(call: Call) -> Reply:
    began = time.monotonic()
    try:
        await call.slurmdbd.call("ping", {}, timeout=float(call.daemons.conf.MessageTimeout or 10))
        up = True
    except SlurmError:
        up = False
    host = str(call.daemons.conf.AccountingStorageHost or "localhost")
    latency = int((time.monotonic() - began) * 1_000_000)
    ping = {"hostname": host, "responding": up, "latency": latency, "primary": True}
    return call.reply("slurmdb_pings", pings=(ping,))


#: what slurmdbd calls its methods -> what the document calls them
_PERIODS = {"hour": "hourly", "day": "daily", "month": "monthly", "hourly": "hourly", "daily": "daily"}


def statistics(answer: dict[str, Any]) -> dict[str, Any]:
    """slurmdbd's counters as the document's dictionary."""
    rollups: dict[str, int] = {}
    for period, row in answer.get("roll_ups", {}).items():
        name = _PERIODS.get(period, "monthly")
        for key, value in zip(("last_run", "count", "last", "max", "time"), row, strict=False):
            rollups[f"{name}_{key}"] = value

    def entries(key: str, rows: Any) -> tuple[dict[str, Any], ...]:
        return tuple(
            {key: name, "count": count, "average": spent // max(1, count), "total": spent}
            for name, count, spent in rows
        )

    return {
        "time_start": answer.get("since", 0),
        "rollups": rollups,
        "rpcs": entries("rpc", answer.get("methods", ())),
        "users": entries("user", answer.get("users", ())),
    }


async def get_diag(call: Call) -> Reply:
    try:
        answer = await call.slurmdbd.call("stats", {})
    except SlurmError as error:
        call.slurm_error(error, "stats query failed", "slurmdb_get_stats")
        return call.reply("slurmdb_diag_denied")
    return call.reply("slurmdb_diag", statistics=statistics(answer))
