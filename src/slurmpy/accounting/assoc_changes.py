"""Accounts, users, coordinators and their associations: adding, changing and removing them in the books.

Functions work on a fork of the books and say what they did; whoever calls decides whether that becomes true. Adding
answers with the text that sacctmgr (and the REST interface) hands on; the others with associations as
``(cluster, account, parent account, user, partition)``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from slurmpy.core.errors import SlurmError
from slurmpy.core.records.accounting import Account, Association, Coordinator, User

from . import cluster_changes, limits
from .books import Books, collate

#: what tells a wildcard name from a mistake
MAX_NAME = 255


def told(assoc: Association) -> tuple[str, str, str, str, str]:
    return assoc.cluster, assoc.account, assoc.parent_account, assoc.user, assoc.partition


def line(assoc: Association) -> str:
    """``  C = ref        A = physics              U = anna      P = long``"""
    text = f"  C = {assoc.cluster:<10} A = {assoc.account:<20}"
    if assoc.user:
        text += f" U = {assoc.user:<9}"
    if assoc.partition:
        text += f" P = {assoc.partition}"
    return text + "\n"


def check_name(kind: str, name: str) -> str:
    """A name for an account or user. Raises SlurmError for one that could not be written in a list."""
    if not name or len(name) > MAX_NAME:
        raise SlurmError("SLURM_ERROR", f"Invalid {kind} name: it must have 1 to {MAX_NAME} characters")
    if not name.isprintable() or any(letter in name for letter in ",'\"/|\\"):
        raise SlurmError("SLURM_ERROR", f"Invalid {kind} name '{name}'")
    return name


def chosen_clusters(books: Books, names: Sequence[str]) -> list[str]:
    """Those named, or all. Raises SlurmError for one that nobody has added."""
    for name in names:
        if name not in books.clusters:
            raise SlurmError(
                "SLURM_ERROR",
                f"This cluster '{name}' doesn't exist.\n        Contact your admin to add it to accounting.",
            )
    return sorted(set(names), key=collate) if names else books.cluster_names()


def _assoc_info(books: Books, assoc: Association, now: int) -> str:
    parts = [f"mod_time={now}", f"acct='{assoc.account}'"]
    if assoc.user:
        parts += [f"is_def={int(assoc.is_default)}", f"user='{assoc.user}'", f"`partition`='{assoc.partition}'"]
    else:
        parts += ["is_def=65534", f"parent_acct='{assoc.parent_account}'", "user=''"]
    parts += [f"id_parent='{assoc.parent_id}'", f"lineage='{assoc.lineage}'"]
    return ", ".join([*parts, *cluster_changes.limit_columns(assoc), "def_qos_id=NULL", *tres_columns(books, assoc),
                      "qos=''", "delta_qos=''"])  # fmt: skip


#: TRES limits: (column, field)
_TRES_COLUMNS = (
    ("grp_tres", "grp_tres"),
    ("grp_tres_mins", "grp_tres_mins"),
    ("grp_tres_run_mins", "grp_tres_run_mins"),
    ("max_tres_pj", "max_tres_per_job"),
    ("max_tres_pn", "max_tres_per_node"),
    ("max_tres_pa", "max_tres_per_account"),
    ("max_tres_pu", "max_tres_per_user"),
    ("max_tres_mins_pj", "max_tres_mins_per_job"),
    ("max_tres_run_mins_pa", "max_tres_run_mins_per_account"),
    ("max_tres_run_mins_pu", "max_tres_run_mins_per_user"),
    ("min_tres_pj", "min_tres_per_job"),
)


def tres_columns(books: Books, record: Any) -> list[str]:
    """TRES limits by id, as the log of transactions has them."""
    parts = []
    for column, field in _TRES_COLUMNS:
        text = getattr(record, field, "")
        if text:
            counts = (part.partition("=") for part in text.split(","))
            ids = ",".join(f"{books.tres_ids.get(name, 0)}={count}" for name, _, count in counts)
            parts.append(f"{column}='{ids}'")
    return parts


def _add(books: Books, assoc: Association, actor: str, now: int) -> Association:
    books.put("associations", assoc)
    info = _assoc_info(books, books.effective(assoc, limits=False), now)
    books.log("Add Associations", actor, f"id_assoc={assoc.id}", info, now, assoc.cluster)
    return assoc


# ---- accounts


def add_accounts(books: Books, args: Mapping[str, Any], actor: str, now: int) -> dict[str, Any]:
    """``names``, ``clusters``, ``parent``, ``description``, ``organization``, ``limits`` -> ``text`` and ``added``.

    ``bare``: the accounts themselves, without associations and with no other texts than those given.
    """
    names = [check_name("account", str(name)) for name in args.get("names") or ()]
    parent = str(args.get("parent") or "root")
    own_limits = dict(args.get("limits") or {})
    clusters = chosen_clusters(books, args.get("clusters") or ())
    description, organization = str(args.get("description") or ""), str(args.get("organization") or "")
    bare = bool(args.get("bare"))
    if bare:
        clusters = []
    for cluster in clusters:
        if books.assoc(cluster, parent) is None:
            raise SlurmError("SLURM_ERROR", f"No parent account '{parent}' on cluster '{cluster}'")
    new, assocs, existing = [], [], []
    for name in names:
        if name not in books.accounts:
            account = Account(
                name=name,
                description=description if args.get("bare") else description or name,
                organization=organization
                if args.get("bare")
                else organization or (parent if parent != "root" else name),
                flags=tuple(args.get("flags") or ()),
                creation_time=now,
            )
            books.put("accounts", account)
            info = f"description='{account.description}', organization='{account.organization}', flags='0'"
            books.log("Add Accounts", actor, name, info, now)
            new.append(name)
        for cluster in clusters:
            if books.assoc(cluster, name) is not None:
                existing.append(f"Already existing account {name} on cluster {cluster}\n")
                continue
            blank = Association(
                id=books.next_id("associations", cluster),
                cluster=cluster,
                account=name,
                parent_account=parent,
                creation_time=now,
            )
            assocs.append(_add(books, limits.apply(books, blank, own_limits), actor, now))
    text = ""
    if new:
        text += " Adding Account(s)\n" + "".join(f"  {name}\n" for name in new) + " Settings\n"
        text += f"  Description     = {description or 'Account Name'}\n"
        text += f"  Organization    = {organization or 'Parent/Account Name'}\n"
    if assocs:
        text += " Associations =\n" + "".join(line(assoc) for assoc in assocs)
        shown = dict(own_limits)
        if args.get("parent"):
            shown["parent_account"] = parent
        rows = limits.settings(shown)
        if rows:
            text += " Settings\n" + "".join(f"{row}\n" for row in rows)
    return {"text": text + "".join(existing), "added": bool(new or assocs)}


def _matching_accounts(books: Books, where: Mapping[str, Any]) -> list[Association]:
    """The accounts' own associations that a ``where`` selects, in the order of the tree."""
    found = []
    for assoc in books.associations.values():
        if assoc.user:
            continue
        account = books.accounts.get(assoc.account)
        if account is None or (where.get("names") and assoc.account not in where["names"]):
            continue
        if where.get("clusters") and assoc.cluster not in where["clusters"]:
            continue
        if where.get("descriptions") and account.description not in where["descriptions"]:
            continue
        if where.get("organizations") and account.organization not in where["organizations"]:
            continue
        if where.get("parents") and assoc.parent_account not in where["parents"]:
            continue
        found.append(assoc)
    return sorted(found, key=books.order)


def modify_accounts(books: Books, args: Mapping[str, Any], actor: str, now: int) -> dict[str, Any]:
    """``where``, ``set`` (description, organization, parent, flags), ``limits`` -> ``accounts`` and ``assocs``."""
    where, changes, own_limits = args.get("where") or {}, args.get("set") or {}, args.get("limits") or {}
    matching = _matching_accounts(books, where)
    names = sorted({assoc.account for assoc in matching}, key=collate)
    record = {name: str(changes[name]) for name in ("description", "organization") if name in changes}
    changed_accounts = []
    if record:
        for name in names:
            books.put("accounts", books.accounts[name].copy(**record))
            changed_accounts.append(name)
        if changed_accounts:
            condition = " || ".join(f"name='{name}'" for name in changed_accounts)
            info = ", ".join(f"{key}='{value}'" for key, value in record.items())
            books.log("Modify Accounts", actor, f"({condition})", info, now)
    assocs: list[Association] = []
    if own_limits or "parent" in changes:
        for assoc in matching:
            altered = limits.apply(books, assoc, own_limits)
            if "parent" in changes:
                altered = _moved(books, altered, str(changes["parent"]))
            books.put("associations", altered)
            assocs.append(altered)
        below = _inheriting(books, assocs, own_limits)
        if assocs:
            _log_assocs(books, assocs, own_limits, actor, now)
        assocs = sorted([*assocs, *below], key=books.order)
    return {"accounts": tuple(changed_accounts), "assocs": tuple(told(assoc) for assoc in assocs)}


def _moved(books: Books, assoc: Association, parent: str) -> Association:
    if assoc.account == "root":
        raise SlurmError("ESLURM_INVALID_PARENT_ACCOUNT", "The root account has no parent")
    if books.assoc(assoc.cluster, parent) is None:
        raise SlurmError("ESLURM_INVALID_PARENT_ACCOUNT", f"No parent account '{parent}' on cluster '{assoc.cluster}'")
    if parent in books.accounts_below(assoc.cluster, assoc.account):
        raise SlurmError("ESLURM_INVALID_PARENT_ACCOUNT", "An account cannot stand below itself")
    return assoc.copy(parent_account=parent)


def _inheriting(books: Books, changed: Sequence[Association], own_limits: Mapping[str, Any]) -> list[Association]:
    """Those below that take one of the changed limits from above."""
    fields = [field for field in own_limits if field in limits.HANDED_DOWN]
    if not fields:
        return []
    keys = {(assoc.cluster, assoc.id) for assoc in changed}
    found: dict[tuple[str, int], Association] = {}
    for top in changed:
        for assoc in books.subtree(top.cluster, top.account):
            key = (assoc.cluster, assoc.id)
            if key in keys:
                continue
            for field in fields:
                own = assoc.qos_own if field == "qos" else getattr(assoc, field)
                if own in ((), "", None):
                    found[key] = assoc
    return list(found.values())


def _log_assocs(
    books: Books, assocs: Sequence[Association], own_limits: Mapping[str, Any], actor: str, now: int
) -> None:
    condition = " || ".join(f"id_assoc={assoc.id}" for assoc in assocs)
    parts = []
    for word, field, kind in limits.ASSOC_LIMITS:
        if field not in own_limits:
            continue
        value = own_limits[field]
        if kind == "qos":
            parts.append(_qos_info(books, value))
        elif field == "default_qos":
            parts.append(f"def_qos_id={books.qos_ids.get(value, 0)}")
        elif kind in ("number", "minutes", "shares"):
            parts.append(f"{'shares' if kind == 'shares' else field}={'NULL' if value is None else value}")
        else:
            parts.append(f"{word.lower()}='{limits.value_text(kind, value)}'")
    books.log("Modify Associations", actor, f"({condition})", ", ".join(parts), now, assocs[0].cluster)


def _qos_info(books: Books, change: tuple[str, tuple[str, ...]]) -> str:
    """A change of a list of QOS as Slurm's log of transactions has it: for "+" and "-" the expression over columns."""
    sign, names = change
    numbers = [books.qos_ids.get(name, 0) for name in names]
    if sign == "=":
        return f"qos='{''.join(f',{number}' for number in numbers)},', delta_qos=''"
    parts = []
    for number in numbers:
        delta = (
            f"delta_qos=if (qos='', replace(concat(replace(replace(delta_qos, ',+{number},', ','), ',-{number},', ','),"
            f" ',{sign}{number},'), ',,', ','), '')"
        )
        if sign == "+":
            parts.append(
                f"qos=if (qos='', '', replace(concat(replace(qos, ',{number},', ','), ',{number},'), ',,', ','))"
            )
        else:
            parts.append(
                f"qos=if (qos='', '', replace(replace(qos, ',{number},', ','), ',,', ',')), qos=if (qos=',', '', qos)"
            )
        parts.append(delta)
    return ", ".join(parts)


def delete_accounts(books: Books, args: Mapping[str, Any], actor: str, now: int) -> dict[str, Any]:
    """``where`` (names, clusters, ...) -> ``accounts`` removed as a whole, ``assocs``; or who has one as the default.

    Everything below an account goes with it.
    """
    where = args.get("where") or {}
    matching = [assoc for assoc in _matching_accounts(books, where) if assoc.account != "root"]
    if any(name == "root" for name in where.get("names") or ()):
        raise SlurmError("SLURM_ERROR", "The root account cannot be removed")
    gone: dict[tuple[str, int], Association] = {}
    for top in matching:
        for assoc in books.subtree(top.cluster, top.account):
            gone[assoc.cluster, assoc.id] = assoc
    orphaned = _losing_default(books, gone.values(), set(gone))
    if orphaned:
        raise _default_removed(orphaned)
    names = sorted({assoc.account for assoc in matching}, key=collate)
    removed = sorted(gone.values(), key=books.order)
    _remove(books, removed)
    whole = [name for name in names if not any(books.assoc(cluster, name) for cluster in books.clusters)]
    for name in {assoc.account for assoc in removed}:
        if not any(books.assoc(cluster, name) for cluster in books.clusters):
            books.remove("accounts", books.accounts[name])
            for key in [key for key in books.coordinators if key[0] == name]:
                books.remove("coordinators", books.coordinators[key])
    if removed:
        for account in names:
            books.log("Remove Account Coords", actor, f"(acct='{account}')", "", now)
        condition = ",".join(f"'{name}'" for name in names)
        books.log("Remove Accounts", actor, f"name in({condition})", "", now)
    return {"accounts": tuple(whole), "assocs": tuple(told(assoc) for assoc in removed), "ids": _ids(removed)}


def _losing_default(books: Books, removed: Iterable[Association], keys: set[tuple[str, int]]) -> list[Association]:
    """Defaults among `removed` of users who keep other associations in that cluster."""
    found = [
        assoc
        for assoc in removed
        if assoc.user
        and assoc.is_default
        and any(
            other.cluster == assoc.cluster and (other.cluster, other.id) not in keys
            for other in books.assocs_of_user(assoc.user)
        )
    ]
    return sorted(found, key=books.order)


def _ids(assocs: Iterable[Association]) -> tuple[tuple[str, int], ...]:
    return tuple((assoc.cluster, assoc.id) for assoc in assocs)


def _remove(books: Books, assocs: Sequence[Association]) -> None:
    for assoc in assocs:
        books.remove("associations", assoc)


def _default_removed(assocs: Sequence[Association]) -> SlurmError:
    return SlurmError("ESLURM_NO_REMOVE_DEFAULT_ACCOUNT", data={"assocs": tuple(told(assoc) for assoc in assocs)})


# ---- users


def add_users(books: Books, args: Mapping[str, Any], actor: str, now: int) -> dict[str, Any]:
    """``names``, ``clusters``, ``accounts``, ``partitions``, ``wckeys``, ``admin_level``, ``default_account``,
    ``default_wckey``, ``limits`` -> ``text`` and ``added``. ``bare``: the users themselves, with no association."""
    names = [check_name("user", str(name)) for name in args.get("names") or ()]
    accounts = [str(name) for name in args.get("accounts") or ()]
    own_limits = dict(args.get("limits") or {})
    clusters = chosen_clusters(books, args.get("clusters") or ())
    level = str(args.get("admin_level") or "")
    default_account, default_wckey = str(args.get("default_account") or ""), str(args.get("default_wckey") or "")
    if default_account and default_account not in accounts:
        accounts.insert(0, default_account)
    wckeys = [str(name) for name in args.get("wckeys") or ()]
    if default_wckey and default_wckey not in wckeys:
        wckeys.insert(0, default_wckey)
    notes, assocs, new, keys = [], [], [], []
    named = bool(args.get("clusters"))
    targets: list[tuple[str, str]] = []
    for cluster in clusters:
        for account in accounts:
            if books.assoc(cluster, account) is not None:
                targets.append((cluster, account))
            else:
                notes.append(f"No account {account} on cluster {cluster}, skipping.\n")
    for name in names if args.get("bare") else ():
        if name not in books.users:
            books.put("users", User(name=name, administrator_level=level or "None", creation_time=now))
            books.log("Add Users", actor, name, f"admin_level={_LEVEL_NUMBERS.get(level, 1)}", now)
            new.append(name)
    for name in names:
        known = name in books.users
        user_assocs = []
        for cluster, account in targets:
            for partition in args.get("partitions") or ("",):
                existing = books.assoc(cluster, account, name, partition)
                if existing is not None and (account, name) != ("root", "root"):
                    continue
                if existing is not None:
                    # root's own was there before anybody asked for it: the first request for it is told as one
                    user_assocs.append(limits.apply(books, existing, own_limits))
                    _add(books, user_assocs[-1].copy(is_default=False), actor, now)
                    books.put("associations", user_assocs[-1])
                    books.next_id("associations", cluster)  # which uses up an id in Slurm's database too
                    continue
                has_default = bool(books.default_account(name, cluster))
                is_default = account == default_account if default_account else not has_default
                if is_default and has_default:
                    _clear_default(books, name, cluster)
                blank = Association(
                    id=books.next_id("associations", cluster),
                    cluster=cluster,
                    account=account,
                    user=name,
                    partition=str(partition),
                    is_default=is_default,
                    creation_time=now,
                )
                if not known and name not in books.users:
                    books.put("users", User(name=name, administrator_level=level or "None", creation_time=now))
                    books.log("Add Users", actor, name, f"admin_level={_LEVEL_NUMBERS.get(level, 1)}", now)
                    new.append(name)
                user_assocs.append(_add(books, limits.apply(books, blank, own_limits), actor, now))
        assocs += user_assocs
        for cluster in clusters if wckeys else ():
            for wckey in wckeys:
                if cluster_changes.wckey_id(books, cluster, name, wckey):
                    continue
                if not named and not any(assoc.cluster == cluster for assoc in books.assocs_of_user(name)) and known:
                    continue
                first = not books.default_wckey(name, cluster)
                default = wckey == default_wckey if default_wckey else first
                if name not in books.users:
                    books.put("users", User(name=name, administrator_level=level or "None", creation_time=now))
                    books.log("Add Users", actor, name, f"admin_level={_LEVEL_NUMBERS.get(level, 1)}", now)
                    new.append(name)
                if default and not first:
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
    if assocs:
        text += " Associations =\n" + "".join(line(assoc) for assoc in assocs)
        rows = limits.settings(own_limits)
        if rows:
            text += " Non Default Settings\n" + "".join(f"{row}\n" for row in rows)
    for number, key in enumerate(keys):
        text += " Wckey(s)\n" if not number else ""
        text += f"  C = {key.cluster:<10} W = {key.name:<10} U = {key.user:<9}\n"
    if not (new or assocs or keys):
        if notes:
            text = "".join(notes) + "Nothing added.\n"
            text += (
                "Make sure the accounts requested here have been added to the system/cluster."
                " (sacctmgr add account...)\n"
            )
        return {"text": text, "added": False}
    return {"text": text, "added": True}


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
            books.log("MsgType=1456", actor, f"id_wckey='{key.id}'", "is_def=1", now)
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
            _log_assocs(books, assocs, own_limits, actor, now)
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
        raise SlurmError("ESLURM_ONE_CHANGE", "Only one user can get a new name at a time")
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
    """``where`` (names, accounts, clusters, partitions, wckeys) -> ``users`` that are gone, ``assocs``, ``wckeys``."""
    where = args.get("where") or {}
    partial = any(where.get(name) for name in ("accounts", "clusters", "partitions"))
    if where.get("wckeys"):
        return _delete_wckeys_of_users(books, where, actor, now)
    matching = matching_users(books, where)
    gone = {(assoc.cluster, assoc.id) for assoc in matching}
    orphaned = _losing_default(books, matching, gone)
    if orphaned:
        raise _default_removed(orphaned)
    _remove(books, matching)
    names = {assoc.user for assoc in matching}
    if not partial:
        names |= {name for name in where.get("names") or () if name in books.users}
    whole = sorted((name for name in names if not books.assocs_of_user(name)), key=collate)
    for name in whole:
        books.remove("users", books.users[name])
        for key in [key for key in books.wckeys.values() if key.user == name]:
            books.remove("wckeys", key)
        for coordinator in [one for one in books.coordinators.values() if one.user == name]:
            books.remove("coordinators", coordinator)
    if matching:
        condition = " || ".join(f"id_assoc={assoc.id}" for assoc in matching)
        books.log("Remove Associations", actor, condition, "", now, matching[0].cluster)
    if whole:
        books.log("Remove Users", actor, "name in(" + ",".join(f"'{name}'" for name in whole) + ")", "", now)
    return {
        "users": tuple(whole),
        "assocs": tuple(told(assoc) for assoc in matching),
        "ids": _ids(matching),
        "wckeys": (),
    }


def _delete_wckeys_of_users(books: Books, where: Mapping[str, Any], actor: str, now: int) -> dict[str, Any]:
    found = [
        key
        for key in sorted(books.wckeys.values(), key=lambda key: (key.cluster, key.id))
        if key.name in where["wckeys"]
        and (not where.get("names") or key.user in where["names"])
        and (not where.get("clusters") or key.cluster in where["clusters"])
    ]
    for key in found:
        books.remove("wckeys", key)
    if found:
        books.log("Remove WCKeys", actor, "(" + " || ".join(f"id_wckey={key.id}" for key in found) + ")", "", now)
    return {
        "users": (),
        "assocs": (),
        "ids": (),
        "wckeys": tuple((key.cluster, key.name, key.user) for key in found),
    }


# ---- coordinators


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
        books.log("Remove Coordinator", actor, one.user, one.account, now)
    return {"removed": tuple((one.account, one.user) for one in gone)}
