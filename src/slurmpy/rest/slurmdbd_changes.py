"""The endpoints under /slurmdb/ that change something: accounts, users, associations, QOS, clusters, WCKeys."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from slurmpy.core.errors import SlurmError
from slurmpy.core.records import accounting as records
from slurmpy.core.records.base import INFINITE

from . import loading
from .call import Call, Reply
from .slurmdbd import AMBIGUOUS, Where, assoc_where, failed, rows, with_named_qos

# ---- changes


async def _there(call: Call, what: str, kind: type[Any], key: Callable[[Any], Any]) -> dict[Any, Any]:
    """What there is already, by what it is known by: a body changes that, and adds the rest."""
    return {key(record): record for record in map(kind.from_wire, await rows(call, what))}


def _differing(record: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if getattr(record, name) != value}


#: what the fields that cannot be without a value are set back to
_DEFAULTS: dict[str, Any] = {"priority": 0, "usage_factor": 1.0}
#: how -1 reads in a TRES count
_NONE = f"={2**64 - 1}"


def _given(record: records.Association | records.Qos) -> dict[str, Any]:
    """What a body says of a record that is there, with None for what is to be without limit. What is not set, or null,
    says nothing; so does an empty list of QOS, as in Slurm. A TRES of -1 is one whose limit is taken away."""
    found: dict[str, Any] = {}
    for name in record.__dict__.get("_given", ()):
        value = getattr(record, name)
        if name in ("qos", "preempt") and not value:
            continue
        if name == "shares_raw" and value == -1:
            continue
        if value == INFINITE and isinstance(record, records.Qos):
            value = _DEFAULTS.get(name)
        found[name] = value.replace(_NONE, "=-1") if isinstance(value, str) else value
    return found


async def post_accounts(call: Call) -> Reply:
    body = call.body("openapi_accounts_resp")
    there = await _there_or_refused(call, "accounts", records.Account, lambda one: one.name)
    for account in body.get("accounts", ()) if there is not None else ():
        texts = {"description": account.description, "organization": account.organization}
        known = there.get(account.name) if there else None
        if known is None:
            args = {"names": (account.name,), **texts, "flags": account.flags, "bare": True}
            if not await _change(call, "add_accounts", args, "slurmdb_accounts_add", "_foreach_update_acct"):
                break
            continue
        changes = _differing(known, {name: texts[name] for name in account.__dict__.get("_given", ()) if name in texts})
        args = {"where": {"names": (account.name,)}, "set": changes}
        if (
            changes
            and await _change(call, "modify_accounts", args, "slurmdb_accounts_modify", "_foreach_update_acct") is None
        ):
            break
    return call.failed()


#: a user's field -> slurmdbd's word for changing it
_USER_SETTINGS = {
    "administrator_level": "admin_level",
    "default_account": "default_account",
    "default_wckey": "default_wckey",
}


async def post_users(call: Call) -> Reply:
    body = call.body("openapi_users_resp")
    there = await _there_or_refused(call, "users", records.User, lambda one: one.name)
    for user in body.get("users", ()) if there is not None else ():
        if getattr(user, "_default_qos", 0) and call.endpoint.operation == "post_users":
            call.warn(f"The default QOS of user {user.name} is set with its associations", "_foreach_update_user")
        known = there.get(user.name) if there else None
        if known is None:
            args = {"names": (user.name,), "admin_level": user.administrator_level, "bare": True}
            if user.default_account:
                args["default_account"] = user.default_account
            if not await _change(call, "add_users", args, "slurmdb_users_add", "_foreach_update_user"):
                break
            continue
        given = {name: getattr(user, name) for name in user.__dict__.get("_given", ()) if name in _USER_SETTINGS}
        given = {name: value for name, value in given.items() if value not in ("", "Not Set")}
        changes = {_USER_SETTINGS[name]: value for name, value in _differing(known, given).items()}
        args = {"where": {"names": (user.name,)}, "set": changes}
        if (
            changes
            and await _change(call, "modify_users", args, "slurmdb_users_modify", "_foreach_update_user") is None
        ):
            break
    return call.failed()


async def _there_or_refused(call: Call, what: str, kind: type[Any], key: Callable[[Any], Any]) -> dict[Any, Any] | None:
    try:
        return await _there(call, what, kind, key)
    except SlurmError as error:
        call.slurm_error(error, f"{call.function(f'slurmdb_{what}_get')} failed", call.endpoint.source)
        return None


#: fields of an association that are no limits
_PLACE = {"id", "cluster", "account", "user", "partition", "parent_account", "parent_id", "lineage", "creation_time"}
_NO_LIMITS = _PLACE | {"is_default", "flags"}


def _limits(values: Mapping[str, Any]) -> dict[str, Any]:
    """Limits as slurmdbd's methods take them: a list of QOS is one of its own."""
    return {name: ("=", tuple(value)) if name == "qos" else value for name, value in values.items()}


def _place(one: records.Association) -> tuple[str, str, str, str]:
    return one.cluster, one.account, one.user, one.partition


async def post_associations(call: Call) -> Reply:
    body = call.body("openapi_assocs_resp")
    there = await _there_or_refused(call, "associations", records.Association, _place)
    own = str(call.daemons.conf.ClusterName or "").lower()
    for assoc in body.get("associations", ()) if there is not None else ():
        wanted = {name: value for name, value in assoc.to_wire().items() if name not in _NO_LIMITS}
        wanted = {name: value for name, value in wanted.items() if (name, value) != ("shares_raw", -1)}
        known = there.get(_place(assoc.copy(cluster=assoc.cluster or own))) if there else None
        if known is not None:
            given = {name: value for name, value in _given(assoc).items() if name not in _NO_LIMITS}
            for name, value in given.items():
                if value == "" and "tres" in name:  # an empty list takes all of them away
                    given[name] = re.sub(r"=\d+", "=-1", getattr(known, name))
            if not await _change_association(call, assoc, known, given):
                break
            continue
        args: dict[str, Any] = {"limits": _limits(wanted)}
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
        where = {name: args[name] for name in ("names", "clusters", "partitions", "accounts") if args.get(name)}
        otherwise = (method.replace("add", "modify"), {"where": where, "limits": args["limits"]})
        if not await _change(call, method, args, "slurmdb_associations_add", "_foreach_update_assoc", otherwise):
            break
    return call.failed()


async def _change_association(
    call: Call, assoc: records.Association, known: records.Association, wanted: dict[str, Any]
) -> bool:
    """Whether it went well; what is as it was asked for is left alone, so that it goes on being inherited."""
    changes: dict[str, Any] = {}
    if assoc.user:
        method = "modify_users"
        where = {"names": (assoc.user,), "accounts": (assoc.account,), "clusters": (known.cluster,)}
        if assoc.partition:
            where["partitions"] = (assoc.partition,)
        if assoc.is_default and not known.is_default:
            changes["default_account"] = assoc.account
    else:
        method = "modify_accounts"
        where = {"names": (assoc.account,), "clusters": (known.cluster,)}
        if assoc.parent_account and assoc.parent_account != known.parent_account:
            changes["parent"] = assoc.parent_account
    limits = _limits(_differing(known, wanted))
    if not limits and not changes:
        return True
    args = {"where": where, "set": changes, "limits": limits}
    done = await _change(call, method, args, "slurmdb_associations_modify", "_foreach_update_assoc")
    return done is not None


#: what Slurm tells of a QOS by its flags, or how they are to be changed
_NO_QOS_SETTINGS = ("id", "name", "creation_time")
_NO_QOS_FLAGS = {"NotSet", "Add", "Remove", "Deleted", "PartitionQOS"}


async def post_qos(call: Call) -> Reply:
    body = call.body("openapi_slurmdbd_qos_resp")
    there = await _there_or_refused(call, "qos", records.Qos, lambda one: one.name)
    for qos in body.get("qos", ()) if there is not None else ():
        changes = {name: value for name, value in qos.to_wire().items() if name not in _NO_QOS_SETTINGS}
        changes = {name: value for name, value in changes.items() if value is not None and value != INFINITE}
        unsettable = _NO_QOS_FLAGS & set(qos.flags)
        if unsettable:
            call.refuse(f"QOS {qos.name} cannot be given the flag {min(unsettable)}", "_foreach_update_qos")
        known = there.get(qos.name) if there else None
        if known is not None:
            given = {name: value for name, value in _given(qos).items() if name not in _NO_QOS_SETTINGS}
            changes = {
                name: value for name, value in _differing(known, given).items() if value != "" or "tres" not in name
            }
        for name in ("flags", "preempt"):
            if name in changes:
                changes[name] = ("=", changes[name])
        if known is not None:
            args: dict[str, Any] = {"where": {"names": (qos.name,)}, "set": changes}
            if changes and await _change(call, "modify_qos", args, "slurmdb_qos_modify", "_foreach_update_qos") is None:
                break
            continue
        args = {"names": (qos.name,), "set": changes}
        if not await _change(call, "add_qos", args, "slurmdb_qos_add", "_foreach_update_qos"):
            break
    return call.failed()


async def post_wckeys(call: Call) -> Reply:
    body = call.body("openapi_wckey_resp")
    for wckey in body.get("wckeys", ()):
        args = {"names": (wckey.user,), "wckeys": (wckey.name,), "clusters": (wckey.cluster,), "plain_wckeys": True}
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
    source = "_add_accounts_association"
    if not args["names"]:
        return _none_added(call, "accounts", SlurmError("ESLURM_EMPTY_LIST"), source)
    return await _added(call, "accounts", args, source)


async def _added(call: Call, kind: str, args: dict[str, Any], source: str) -> Reply:
    try:
        answer = await call.slurmdbd.call(f"add_{kind}", {"commit": True, **args}) or {}
    except SlurmError as error:
        return _none_added(call, kind, error, source)
    if not answer.get("added"):
        return Reply(304, None)
    return call.reply(f"{kind}_added", **{f"added_{kind}": answer.get("text", "")})


def _none_added(call: Call, kind: str, error: SlurmError, source: str) -> Reply:
    """What went wrong in words stands where what was added would; the error has its own text."""
    words = error.message if error.number != -1 or error.message != error.standard else _WRONG
    call.slurm_error(SlurmError(error.name), f"slurmdb_{kind}_add_cond() failed", source)
    return call.reply(f"{kind}_added", **{f"added_{kind}": words})


_WRONG = "Something was wrong with your query\n"


async def post_users_association(call: Call) -> Reply:
    source = "_add_users_association"
    body = call.body("openapi_users_add_cond_resp")
    if "association_condition" not in body:
        at, number = "#/association_condition/", "ESLURM_DATA_PATH_NOT_FOUND"
        call.refuse("Missing required field 'association_condition' in dictionary", at, number)
    condition, short = body.get("association_condition") or {}, body.get("user") or {}
    args = {
        "names": tuple(condition.get("users", ())),
        **{name: tuple(condition.get(name, ())) for name in ("accounts", "clusters", "partitions", "wckeys")},
        "limits": dict(condition.get("association") or {}),
        "admin_level": short.get("administrator_level", ""),
        "default_account": short.get("default_account", ""),
        "default_wckey": short.get("default_wckey", ""),
    }
    qos = short.get("default_qos_id")
    if qos:
        found = await rows(call, "qos", {"ids": (qos,)})
        if not found:
            call.refuse(f"There is no QOS {qos}", source)
        args["limits"]["default_qos"] = found[0]["name"]
    if not args["accounts"] and not args["wckeys"]:
        call.error(9211, AMBIGUOUS, "Need name of account(s) or wckey(s) to add", source)
        return call.reply("users_added", added_users="")
    return await _added(call, "users", args, source)


async def post_config(call: Call) -> Reply:
    """All kinds of objects in one body, in the order in which they need each other: all of it, or nothing."""
    call.together = loading.Together()
    for post in (post_clusters, post_qos, post_accounts, post_users, post_associations, post_wckeys):
        await _within_config(call, post)
        if call.context.errors:
            return call.failed()
    accounts = call.raw_body.get("accounts") if isinstance(call.raw_body, dict) else None
    if accounts:
        # whom the accounts name as coordinators could not be one before the users were there
        call.raw_body = {"accounts": accounts}
        call.together.label = ("slurmdb_coord_add", "_foreach_update_acct")
        await loading.coordinators(call, call.body("openapi_accounts_resp").get("accounts", ()))
    try:
        await call.together.commit(call)
    except SlurmError as error:
        function, source = call.together.label
        call.slurm_error(error, f"{call.function(function)} failed", source)
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


async def _change(
    call: Call,
    method: str,
    args: dict[str, Any],
    function: str,
    source: str,
    otherwise: tuple[str, dict[str, Any]] | None = None,
) -> Any:
    """The daemon's answer, or None with the error noted. Where changes are made together, ``otherwise`` is made if this
    one adds nothing because of those before it."""
    if call.together is not None:
        call.together.label = (function, source)
        call.together.add(method, args, otherwise)
        return {"added": True}
    try:
        return await call.slurmdbd.call(method, {"commit": True, **args}) or {}
    except SlurmError as error:
        call.slurm_error(error, f"{call.function(function)} failed", source)
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


def wckeys_removed(answer: dict[str, Any]) -> tuple[str, ...]:
    """How the WCKeys that slurmdbd has removed are told."""
    return tuple(f"C = {cluster:<10} W = {name:<10} U = {user:<9}" for cluster, name, user in answer.get("removed", ()))


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
    gone = wckeys_removed(answer)
    return call.reply("wckeys_removed", deleted_wckeys=gone) if gone else Reply(304, None)


async def delete_association(call: Call) -> Reply:
    return await _delete_associations(call, True)


async def delete_associations(call: Call) -> Reply:
    return await _delete_associations(call, False)


async def _delete_associations(call: Call, one: bool) -> Reply:
    source = "op_handler_association"
    where = assoc_where(call.query())
    for name in ("with_deleted", "own_only", "without_parent", "raw_qos"):
        where.pop(name, None)  # what is deleted cannot be deleted again; the others choose nothing
    if not where or set(where) == {"with_sub_accounts"}:
        call.refuse("Refusing to remove every association: no filter was given", source)
    try:
        found = await rows(call, "associations", await with_named_qos(call, where))
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
