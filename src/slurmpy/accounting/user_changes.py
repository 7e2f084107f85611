"""Users and coordinators in the books: adding, changing and removing them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slurmpy.core.errors import SlurmError
from slurmpy.core.records.accounting import Association, Coordinator, User, Wckey

from . import cluster_changes, limits
from .assoc_changes import (
    add_assoc,
    check_name,
    chosen_clusters,
    default_removed,
    ids_of,
    line,
    log_assocs,
    losing_default,
    new_assoc,
    remove_assocs,
    told,
)
from .books import Books, collate


def add_users(books: Books, args: Mapping[str, Any], actor: str, now: int) -> dict[str, Any]:
    """``names``, ``clusters``, ``accounts``, ``partitions``, ``wckeys``, ``admin_level``, ``default_account``,
    ``default_wckey``, ``limits`` -> ``text`` and ``added``. ``bare``: the users themselves, with no association.
    ``plain_wckeys``: the WCKeys are nobody's new default, and no user is made for them (slurmrestd's way)."""
    names = [check_name("user", str(name)) for name in args.get("names") or ()]
    accounts = [str(name) for name in args.get("accounts") or ()]
    own_limits = dict(args.get("limits") or {})
    clusters = list(dict.fromkeys(args.get("clusters") or ())) or books.cluster_names()
    level, no_default = str(args.get("admin_level") or ""), bool(args.get("no_default"))
    plain_wckeys = bool(args.get("plain_wckeys"))
    default_account, default_wckey = str(args.get("default_account") or ""), str(args.get("default_wckey") or "")
    if default_account and default_account not in accounts:
        accounts.append(default_account)
    wckeys = [str(name) for name in args.get("wckeys") or ()]
    if default_wckey and default_wckey not in wckeys:
        wckeys.append(default_wckey)
    assocs: list[Association] = []
    new: list[str] = []
    keys: list[Wckey] = []
    rows: list[str] = []

    def need_user(name: str) -> None:
        if name not in books.users:
            born = books.born("users", (name,), now)
            books.put("users", User(name=name, administrator_level=level or "None", creation_time=born))
            books.log("Add Users", actor, name, f"admin_level={_LEVEL_NUMBERS.get(level, 1)}", now)
            new.append(name)

    def told_assoc(assoc: Association) -> None:
        # the title stands only where nothing has been told before, as in Slurm
        rows.extend([line(assoc)] if rows else [" Associations =\n", line(assoc)])
        assocs.append(assoc)

    for name in names if args.get("bare") else ():
        need_user(name)
    for cluster in clusters:
        for account in accounts:
            if books.assoc(cluster, account) is None:
                rows.append(f"No account {account} on cluster {cluster}, skipping.\n")
                continue
            for name in names:
                for partition in args.get("partitions") or ("",):
                    existing = books.assoc(cluster, account, name, partition)
                    if existing is not None and (account, name) != ("root", "root"):
                        continue
                    if existing is not None:
                        # root's own was there before anybody asked for it: the first request for it is told as one
                        altered = limits.apply(books, existing, own_limits)
                        add_assoc(books, altered.copy(is_default=False), actor, now)
                        books.put("associations", altered)
                        books.next_id("associations", cluster)  # which uses up an id in Slurm's database too
                        told_assoc(altered)
                        continue
                    has_default = bool(books.default_account(name, cluster))
                    is_default = account == default_account if default_account else not (has_default or no_default)
                    if is_default and has_default:
                        _clear_default(books, name, cluster)
                    blank = new_assoc(
                        books, now, cluster, account, user=name, partition=str(partition), is_default=is_default
                    )
                    need_user(name)
                    told_assoc(add_assoc(books, limits.apply(books, blank, own_limits), actor, now))
    _need_defaults(books, names, clusters, no_default)
    if accounts and not (assocs or new or rows) and not args.get("bare"):
        # who asks for associations that are all there gets nothing else either
        return {"text": "Request didn't affect anything\n" + _NOTHING_ADDED, "added": False}
    for cluster in clusters if not accounts or assocs else ():
        if cluster not in books.clusters:
            continue
        for wckey in wckeys:
            for name in names:
                if cluster_changes.wckey_id(books, cluster, name, wckey):
                    continue
                # the first one of a request becomes the default, also of a user who has one, as in Slurm
                first = not any((key.cluster, key.user) == (cluster, name) for key in keys)
                default = wckey == default_wckey if default_wckey else first
                if plain_wckeys:  # Slurm takes the first one for the default where there is none yet
                    default = not books.default_wckey(name, cluster)
                else:
                    need_user(name)
                if default and books.default_wckey(name, cluster):
                    _clear_default_wckey(books, name, cluster)
                keys.append(cluster_changes.add_wckey(books, cluster, name, wckey, actor, now, default))
    text = ""
    if new:
        text += " Adding User(s)\n" + "".join(f"  {name}\n" for name in new) + " Settings\n"
        if default_account:
            text += f"  Default Account = {default_account}\n"
        if default_wckey:
            text += f"  Default WCKey   = {default_wckey}\n"
        if level:
            text += f"  Admin Level     = {level}\n"
    text += "".join(rows)
    settings = limits.settings(own_limits) if assocs else []
    if settings:
        text += " Non Default Settings\n" + "".join(f"{row}\n" for row in settings)
    for number, key in enumerate(keys):
        text += " Wckey(s)\n" if not number else ""
        text += f"  C = {key.cluster:<10} W = {key.name:<10} U = {key.user:<9}\n"
    if not (new or assocs or keys):
        return {"text": text + _NOTHING_ADDED if rows else "", "added": False}
    return {"text": text, "added": True}


def _need_defaults(books: Books, names: Sequence[str], clusters: Sequence[str], no_default: bool) -> None:
    """Users whose wished default is no account of the cluster take the first association they have there."""
    for name in () if no_default else names:
        for cluster in clusters:
            own = [assoc for assoc in books.assocs_of_user(name) if assoc.cluster == cluster]
            if own and not any(assoc.is_default for assoc in own):
                books.put("associations", min(own, key=lambda assoc: assoc.id).copy(is_default=True))


_NOTHING_ADDED = (
    "Nothing added.\n"
    "Make sure the accounts requested here have been added to the system/cluster. (sacctmgr add account...)\n"
)
_LEVEL_NUMBERS = {"": 1, "None": 1, "Operator": 2, "Administrator": 3}


def _clear_default(books: Books, user: str, cluster: str) -> None:
    for assoc in books.assocs_of_user(user):
        if assoc.cluster == cluster and assoc.is_default:
            books.put("associations", assoc.copy(is_default=False))


def _clear_default_wckey(books: Books, user: str, cluster: str) -> None:
    for key in list(books.wckeys.values()):
        if key.user == user and key.cluster == cluster and key.is_default:
            books.put("wckeys", key.copy(is_default=False))


def matching_users(books: Books, where: Mapping[str, Any]) -> list[Association]:
    """The users' associations that a ``where`` selects, in the order of the tree."""
    found = []
    for assoc in books.associations.values():
        if not assoc.user:
            continue
        if any(
            where.get(name) and getattr(assoc, field) not in where[name]
            for name, field in (
                ("names", "user"),
                ("accounts", "account"),
                ("clusters", "cluster"),
                ("partitions", "partition"),
            )
        ):
            continue
        level = where.get("admin_levels")
        if level and books.admin_level(assoc.user) not in level:
            continue
        wanted = where.get("default_accounts")
        if wanted and books.default_account(assoc.user, assoc.cluster) not in wanted:
            continue
        found.append(assoc)
    return sorted(found, key=books.order)


def modify_users(books: Books, args: Mapping[str, Any], actor: str, now: int) -> dict[str, Any]:
    """``where``, ``set`` (admin_level, default_account, default_wckey, name), ``limits`` -> ``users``, ``assocs``.

    Raises SlurmError ESLURM_NO_... with data ``missing`` ((user, cluster), ...) for a default that a user has not.
    """
    where, changes, own_limits = args.get("where") or {}, args.get("set") or {}, args.get("limits") or {}
    clusters = chosen_clusters(books, where.get("clusters") or ())
    matching = matching_users(books, where)
    selective = any(where.get(name) for name in ("accounts", "partitions", "clusters"))
    names = sorted(
        {
            name
            for name in (where.get("names") or {assoc.user for assoc in matching})
            if name in books.users and (not selective or any(assoc.user == name for assoc in matching))
        },
        key=collate,
    )
    changed: list[str] = []
    if "admin_level" in changes:
        for name in names:
            books.put("users", books.users[name].copy(administrator_level=str(changes["admin_level"])))
            changed.append(name)
    if "default_account" in changes:
        changed += _set_default_account(books, names, clusters, str(changes["default_account"]))
    if "default_wckey" in changes:
        changed += _set_default_wckey(books, names, clusters, str(changes["default_wckey"]))
    if "name" in changes:
        changed += _rename(books, names, check_name("user", str(changes["name"])))
    changed = list(dict.fromkeys(changed))
    if changed and set(changes) == {"default_wckey"}:
        named = [k for k in books.wckeys.values() if k.user in changed and k.name == changes["default_wckey"]]
        for key in sorted(named, key=lambda one: (one.cluster, one.id)):
            books.log("MsgType=1456", actor, f"id_wckey='{key.id}'", "is_def=1", now, key.cluster)
    elif changed:
        condition = " || ".join(f"name='{name}'" for name in changed)
        info = ", ".join(f"{key}='{value}'" for key, value in changes.items())
        books.log("Modify Users", actor, f"({condition})", info, now)
    assocs = []
    if own_limits:
        for assoc in matching:
            altered = limits.apply(books, assoc, own_limits)
            books.put("associations", altered)
            assocs.append(altered)
        if assocs:
            log_assocs(books, assocs, own_limits, actor, now)
    return {"users": tuple(changed), "assocs": tuple(told(assoc) for assoc in assocs)}


def _set_default_account(books: Books, names: Sequence[str], clusters: Sequence[str], account: str) -> list[str]:
    missing, changed = [], []
    for name in names:
        for cluster in clusters:
            own = [assoc for assoc in books.assocs_of_user(name) if assoc.cluster == cluster]
            if not any(assoc.account == account for assoc in own):
                missing.append((name, cluster))
                continue
            for assoc in own:
                is_default = assoc.account == account and not assoc.partition
                if assoc.account == account and not any(one.account == account and not one.partition for one in own):
                    is_default = True
                if is_default != assoc.is_default:
                    books.put("associations", assoc.copy(is_default=is_default))
            changed.append(name)
    if missing:
        raise SlurmError("SLURM_ERROR", "no association", data={"missing": tuple(missing), "account": account})
    return changed


def _set_default_wckey(books: Books, names: Sequence[str], clusters: Sequence[str], wckey: str) -> list[str]:
    missing, changed = [], []
    for name in names:
        for cluster in clusters:
            own = [key for key in books.wckeys.values() if key.user == name and key.cluster == cluster]
            if not own and len(clusters) > 1 and any(key.user == name for key in books.wckeys.values()):
                continue  # a cluster that the user has nothing to do with
            if not any(key.name == wckey for key in own):
                missing.append((name, cluster))
                continue
            for key in own:
                if key.is_default != (key.name == wckey):
                    books.put("wckeys", key.copy(is_default=key.name == wckey))
            changed.append(name)
    if missing:
        raise SlurmError("SLURM_ERROR", "no wckey", data={"missing": tuple(missing), "wckey": wckey})
    return changed


def _rename(books: Books, names: Sequence[str], new: str) -> list[str]:
    if len(names) > 1:
        raise SlurmError("ESLURM_ONE_CHANGE", "Can only change one at a time")
    if new in books.users:
        raise SlurmError("SLURM_ERROR", f"There is a user '{new}' already")
    for name in names:
        books.remove("users", books.users[name])
        books.put("users", (books.users.get(name) or User(name=name)).copy(name=new))
        for assoc in books.assocs_of_user(name):
            books.put("associations", assoc.copy(user=new))
        for key in [key for key in books.wckeys.values() if key.user == name]:
            books.put("wckeys", key.copy(user=new))
        for coordinator in [one for one in books.coordinators.values() if one.user == name]:
            books.remove("coordinators", coordinator)
            books.put("coordinators", coordinator.copy(user=new))
    return list(names)


def delete_users(books: Books, args: Mapping[str, Any], actor: str, now: int) -> dict[str, Any]:
    """``where`` (names, accounts, clusters, partitions, wckeys) -> ``users`` that are gone, ``assocs``, ``wckeys``.

    ``only_associations``: users that have no association left stay. ``used``: what would go has had jobs.
    """
    used = bool(args.get("used"))
    where = args.get("where") or {}
    partial = any(where.get(name) for name in ("accounts", "clusters", "partitions"))
    if where.get("wckeys"):
        return _delete_wckeys_of_users(books, where, actor, now, used)
    matching = matching_users(books, where)
    gone = {(assoc.cluster, assoc.id) for assoc in matching}
    orphaned = losing_default(books, matching, gone)
    if orphaned:
        raise default_removed(orphaned)
    remove_assocs(books, matching, now, used)
    names = {assoc.user for assoc in matching}
    if not partial:
        names |= {name for name in where.get("names") or () if name in books.users}
    if args.get("only_associations"):
        names = set()
    keys = [key for key in books.wckeys.values() if key.user in names and not books.assocs_of_user(key.user)]
    whole = sorted((name for name in names if not books.assocs_of_user(name)), key=collate)
    for name in whole:
        books.delete("users", books.users[name], now, used)
        for key in [key for key in books.wckeys.values() if key.user == name]:
            books.delete("wckeys", key, now, used)
        for coordinator in [one for one in books.coordinators.values() if one.user == name]:
            books.remove("coordinators", coordinator)
    by_cluster: dict[str, list[str]] = {}
    for assoc in matching:
        by_cluster.setdefault(assoc.cluster, []).append(f"id_assoc={assoc.id}")
    for cluster, ids in by_cluster.items():
        books.log("Remove Associations", actor, " || ".join(ids), "", now, cluster)
    if whole:
        books.log("Remove Account Coords", actor, "(" + " || ".join(f"user='{name}'" for name in whole) + ")", "", now)
        _log_wckeys(books, [key for key in keys if key.user in whole], actor, now)
        books.log("Remove Users", actor, "name in(" + ",".join(f"'{name}'" for name in whole) + ")", "", now)
    return {
        "users": tuple(whole),
        "assocs": tuple(told(assoc) for assoc in matching),
        "ids": ids_of(matching),
        "wckey_ids": tuple((key.cluster, key.id) for key in keys),
        "wckeys": (),
    }


def _log_wckeys(books: Books, keys: Sequence[Wckey], actor: str, now: int) -> None:
    by_cluster: dict[str, list[str]] = {}
    for key in keys:
        by_cluster.setdefault(key.cluster, []).append(f"id_wckey='{key.id}'")
    for cluster, ids in by_cluster.items():
        books.log("Remove WCKeys", actor, " || ".join(ids), "", now, cluster)


def _delete_wckeys_of_users(books: Books, where: Mapping[str, Any], actor: str, now: int, used: bool) -> dict[str, Any]:
    found = [
        key
        for key in sorted(books.wckeys.values(), key=lambda key: (key.cluster, key.id))
        if key.name in where["wckeys"]
        and (not where.get("names") or key.user in where["names"])
        and (not where.get("clusters") or key.cluster in where["clusters"])
    ]
    for key in found:
        books.delete("wckeys", key, now, used)
    _log_wckeys(books, found, actor, now)
    return {
        "users": (),
        "assocs": (),
        "ids": (),
        "wckey_ids": tuple((key.cluster, key.id) for key in found),
        "wckeys": tuple((key.cluster, key.name, key.user) for key in found),
    }


def add_coordinators(books: Books, args: Mapping[str, Any], actor: str, now: int) -> dict[str, Any]:
    """``accounts`` and ``users`` -> those that were there to be added. Raises SlurmError for unknown ones."""
    accounts, users = [str(name) for name in args["accounts"]], [str(name) for name in args["users"]]
    _check_known(books, accounts, users)
    new = []
    for account in accounts:
        for user in users:
            if (account, user) not in books.coordinators:
                books.put("coordinators", Coordinator(account=account, user=user))
                books.log("Add Account Coord", actor, user, account, now)
                new.append((account, user))
    return {"added": tuple(new)}


def _check_known(books: Books, accounts: Sequence[str], users: Sequence[str]) -> None:
    for account in accounts:
        if account not in books.accounts:
            raise SlurmError("SLURM_ERROR", f"You specified a non-existent account '{account}'.")
    for user in users:
        if user not in books.users:
            raise SlurmError("SLURM_ERROR", f"You specified a non-existent user '{user}'.")


def delete_coordinators(books: Books, args: Mapping[str, Any], actor: str, now: int) -> dict[str, Any]:
    """``accounts`` and/or ``users`` -> ``removed`` ((account, user), ...)."""
    accounts, users = tuple(args.get("accounts") or ()), tuple(args.get("users") or ())
    _check_known(books, accounts, users)
    gone = [
        one
        for key, one in sorted(books.coordinators.items())
        if (not accounts or key[0] in accounts) and (not users or key[1] in users)
    ]
    for one in gone:
        books.remove("coordinators", one)
        where = f"(user='{one.user}') && (acct='{one.account}')"
        books.log("Remove Account Coords", actor, where, "", now)
    return {"removed": tuple((one.account, one.user) for one in gone)}
