"""The endpoints under /slurmdb/ that change something: accounts, users, associations, QOS, clusters, WCKeys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slurmpy.core.errors import SlurmError

from .call import Call, Reply
from .slurmdbd import AMBIGUOUS, Where, assoc_where, failed, rows

# ---- changes


async def post_accounts(call: Call) -> Reply:
    body = call.body("openapi_accounts_resp")
    for account in body.get("accounts", ()):
        args = {
            "names": (account.name,),
            "description": account.description,
            "organization": account.organization,
            "flags": account.flags,
            "bare": True,
        }
        if not await _change(call, "add_accounts", args, "slurmdb_accounts_add", "_foreach_update_acct"):
            break
    return call.failed()


async def post_users(call: Call) -> Reply:
    body = call.body("openapi_users_resp")
    for user in body.get("users", ()):
        args = {"names": (user.name,), "admin_level": user.administrator_level, "bare": True}
        if user.default_account:
            args["default_account"] = user.default_account
        if not await _change(call, "add_users", args, "slurmdb_users_add", "_foreach_update_user"):
            break
    return call.failed()


#: fields of an association that are no limits
_PLACE = {"id", "cluster", "account", "user", "partition", "parent_account", "parent_id", "lineage", "creation_time"}


async def post_associations(call: Call) -> Reply:
    body = call.body("openapi_assocs_resp")
    for assoc in body.get("associations", ()):
        limits = {name: value for name, value in assoc.to_wire().items() if name not in _PLACE | {"is_default"}}
        args: dict[str, Any] = {"limits": limits}
        if assoc.cluster:
            args["clusters"] = (assoc.cluster,)
        if assoc.user:
            method = "add_users"
            args |= {"names": (assoc.user,), "accounts": (assoc.account,)}
            if assoc.partition:
                args["partitions"] = (assoc.partition,)
            if assoc.is_default:
                args["default_account"] = assoc.account
            else:
                args["no_default"] = True
        else:
            method = "add_accounts"
            args |= {"names": (assoc.account,), "parent": assoc.parent_account}
        if not await _change(call, method, args, "slurmdb_associations_add", "_foreach_update_assoc"):
            break
    return call.failed()


async def post_qos(call: Call) -> Reply:
    body = call.body("openapi_slurmdbd_qos_resp")
    for qos in body.get("qos", ()):
        changes = {name: value for name, value in qos.to_wire().items() if name not in ("id", "name", "creation_time")}
        for name in ("flags", "preempt"):
            if name in changes:
                changes[name] = ("=", changes[name])
        args = {"names": (qos.name,), "set": changes}
        if not await _change(call, "add_qos", args, "slurmdb_qos_add", "_foreach_update_qos"):
            break
    return call.failed()


async def post_wckeys(call: Call) -> Reply:
    body = call.body("openapi_wckey_resp")
    for wckey in body.get("wckeys", ()):
        args = {"names": (wckey.user,), "wckeys": (wckey.name,), "clusters": (wckey.cluster,)}
        if not await _change(call, "add_users", args, "slurmdb_wckeys_add", "_foreach_update_wckey"):
            break
    return call.failed()


async def post_clusters(call: Call) -> Reply:
    body = call.body("openapi_clusters_resp")
    for cluster in body.get("clusters", ()):
        args = {"names": (cluster.name,)}
        if not await _change(call, "add_clusters", args, "slurmdb_clusters_add", "_foreach_cluster"):
            break
    return call.failed()


async def post_accounts_association(call: Call) -> Reply:
    body = call.body("openapi_accounts_add_cond_resp")
    condition, short = body.get("association_condition") or {}, body.get("account") or {}
    limits = dict(condition.get("association") or {})
    args = {
        "names": tuple(condition.get("accounts", ())),
        "clusters": tuple(condition.get("clusters", ())),
        "parent": limits.pop("parent_account", ""),
        "limits": limits,
        **short,
    }
    answer = await _change(call, "add_accounts", args, "slurmdb_accounts_add_cond", "op_handler_accounts_association")
    if answer is None:
        return call.failed()
    return call.reply("accounts_added", added_accounts=answer.get("text", ""))


async def post_users_association(call: Call) -> Reply:
    body = call.body("openapi_users_add_cond_resp")
    condition, short = body.get("association_condition") or {}, body.get("user") or {}
    args = {
        "names": tuple(condition.get("users", ())),
        **{name: tuple(condition.get(name, ())) for name in ("accounts", "clusters", "partitions", "wckeys")},
        "limits": dict(condition.get("association") or {}),
        "admin_level": short.get("administrator_level", ""),
        "default_account": short.get("default_account", ""),
        "default_wckey": short.get("default_wckey", ""),
    }
    answer = await _change(call, "add_users", args, "slurmdb_users_add_cond", "op_handler_users_association")
    if answer is None:
        return call.failed()
    return call.reply("users_added", added_users=answer.get("text", ""))


async def post_config(call: Call) -> Reply:
    """All kinds of objects in one body, in the order in which they need each other."""
    for post in (post_clusters, post_qos, post_accounts, post_users, post_associations, post_wckeys):
        await _within_config(call, post)
        if call.context.errors:
            break
    return call.failed()


async def _within_config(call: Call, post: Callable[[Call], Any]) -> None:
    """One part of the body; what is not of that part is no unknown field here."""
    whole = call.raw_body
    part = _PARTS[post.__name__]
    if isinstance(whole, dict) and whole.get(part):
        call.raw_body = {part: whole[part]}
        await post(call)
        call.raw_body = whole


_PARTS = {f"post_{part}": part for part in ("clusters", "qos", "accounts", "users", "associations", "wckeys")}


async def _change(call: Call, method: str, args: dict[str, Any], function: str, source: str) -> Any:
    """The daemon's answer, or None with the error noted."""
    try:
        return await call.slurmdbd.call(method, {"commit": True, **args}) or {}
    except SlurmError as error:
        call.slurm_error(error, f"{function}({id(call):#x}) failed", source)
        return None


async def _delete(
    call: Call, method: str, where: Where, kind: str, field: str, found: str, function: str, source: str
) -> Reply:
    answer = await _change(call, method, {"where": where}, function, source)
    if answer is None:
        return call.failed()
    gone = tuple(answer.get(found, ()))
    if not gone:
        return Reply(304, None)
    return call.reply(kind, **{field: gone})


async def delete_account(call: Call) -> Reply:
    where = {"names": (call.path["account_name"],)}
    return await _delete(
        call, "delete_accounts", where, "accounts_removed", "removed_accounts", "accounts", "slurmdb_accounts_remove",
        "_op_handler_account",
    )  # fmt: skip


async def delete_user(call: Call) -> Reply:
    where = {"names": (call.path["name"],)}
    return await _delete(
        call, "delete_users", where, "users_removed", "removed_users", "users", "slurmdb_users_remove",
        "_op_handler_user",
    )  # fmt: skip


async def delete_qos(call: Call) -> Reply:
    name = call.path["qos"]
    where: Where = {"ids": (int(name),)} if name.isdecimal() else {"names": (name,)}
    return await _delete(
        call, "delete_qos", where, "qos_removed", "removed_qos", "names", "slurmdb_qos_remove", "_op_handler_qos"
    )


async def delete_cluster(call: Call) -> Reply:
    call.query()
    where = {"names": (call.path["cluster_name"],)}
    return await _delete(
        call, "delete_clusters", where, "clusters_removed", "deleted_clusters", "names", "slurmdb_clusters_remove",
        "_op_handler_cluster",
    )  # fmt: skip


async def delete_wckey(call: Call) -> Reply:
    key = call.path["id"]
    where: Where = {"ids": (int(key),)} if key.isdecimal() else {"names": (key,)}
    source = "_op_handler_wckey"
    try:
        ids = tuple((row["cluster"], row["id"]) for row in await rows(call, "wckeys", where))
    except SlurmError as error:
        return failed(call, error, "slurmdb_wckeys_get", source)
    answer = await _change(call, "delete_wckeys", {"ids": ids}, "slurmdb_wckeys_remove", source)
    if answer is None:
        return call.failed()
    gone = tuple(f"C = {cluster:<10} W = {name:<10} U = {user:<9}" for cluster, name, user in answer.get("removed", ()))
    return call.reply("wckeys_removed", deleted_wckeys=gone) if gone else Reply(304, None)


async def delete_association(call: Call) -> Reply:
    return await _delete_associations(call, True)


async def delete_associations(call: Call) -> Reply:
    return await _delete_associations(call, False)


async def _delete_associations(call: Call, one: bool) -> Reply:
    source = "op_handler_association"
    where = assoc_where(call.query())
    if not where:
        call.refuse("Refusing to remove every association: no filter was given", source)
    try:
        found = await rows(call, "associations", where)
    except SlurmError as error:
        return failed(call, error, "slurmdb_associations_get", source)
    users = [row for row in found if row["user"]]
    if one and len(found) > 1:
        call.error(9211, AMBIGUOUS, "Ambiguous request: More than 1 association would have been deleted.", source)
        return call.reply("associations_removed", removed_associations=())
    method = "delete_users" if users else "delete_accounts"
    narrowed = {
        "names": tuple({row["user"] if users else row["account"] for row in found}),
        "clusters": tuple({row["cluster"] for row in found}),
    }
    if users:
        narrowed["accounts"] = tuple({row["account"] for row in users})
        partitions = tuple({row["partition"] for row in users if row["partition"]})
        if partitions:
            narrowed["partitions"] = partitions
    if not found:
        return Reply(304, None)
    args = {"where": narrowed, "only_associations": True}  # the user, or the account, stays
    answer = await _change(call, method, args, "slurmdb_associations_remove", source)
    if answer is None:
        return call.failed()
    gone = tuple(_line(one) for one in answer.get("assocs", ()))
    return call.reply("associations_removed", removed_associations=gone) if gone else Reply(304, None)


def _line(assoc: Any) -> str:
    cluster, account, _, user, partition = assoc
    text = f"C = {cluster:<10} A = {account:<10}"
    if user:
        text += f" U = {user:<9}"
    return text + (f" P = {partition}" if partition else "")
