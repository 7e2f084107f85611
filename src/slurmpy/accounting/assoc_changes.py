"""Accounts, users, coordinators and their associations: adding, changing and removing them in the books.

Functions work on a fork of the books and say what they did; whoever calls decides whether that becomes true. Adding
answers with the text that sacctmgr (and the REST interface) hands on; the others with associations as
``(cluster, account, parent account, user, partition)``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from slurmpy.core.errors import SlurmError
from slurmpy.core.records.accounting import Account, Association

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
    error = _NO_SUCH.get(kind, "SLURM_ERROR")
    if not name or len(name) > MAX_NAME:
        raise SlurmError(error, f"Invalid {kind} name: it must have 1 to {MAX_NAME} characters")
    if not name.isprintable() or any(letter in name for letter in ",'\"/|\\"):
        raise SlurmError(error, f"Invalid {kind} name '{name}'")
    return name


#: what is called by a name -> the error of one that nothing can have
_NO_SUCH = {
    "account": "ESLURM_INVALID_ACCOUNT",
    "cluster": "ESLURM_INVALID_CLUSTER_NAME",
    "QOS": "ESLURM_INVALID_QOS",
    "user": "ESLURM_USER_ID_MISSING",
}


def chosen_clusters(books: Books, names: Sequence[str], what: str = "") -> list[str]:
    """Those named, as they are named, or all. Raises SlurmError for one that nobody has added."""
    for name in names:
        if name not in books.clusters:
            raise SlurmError(
                "ESLURM_INVALID_CLUSTER_NAME",
                f"Cluster '{name}' has not been added yet, please contact your admin before adding {what} to it"
                if what
                else f"This cluster '{name}' doesn't exist.\n        Contact your admin to add it to accounting.",
            )
    return list(dict.fromkeys(names)) if names else books.cluster_names()


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


def new_assoc(books: Books, now: int, cluster: str, account: str, user: str = "", **more: Any) -> Association:
    """An association to be added: one that was deleted comes back with the id that it had."""
    names = (cluster, account, user, str(more.get("partition", "")))
    number, born = books.identity("associations", cluster, names, now)
    return Association(id=number, cluster=cluster, account=account, user=user, creation_time=born, **more)


def add_assoc(books: Books, assoc: Association, actor: str, now: int) -> Association:
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
    clusters = chosen_clusters(books, args.get("clusters") or (), "accounts")
    description, organization = str(args.get("description") or ""), str(args.get("organization") or "")
    bare = bool(args.get("bare"))
    if bare:
        clusters = []
    for cluster in clusters:
        if books.assoc(cluster, parent) is None:
            raise SlurmError("ESLURM_INVALID_PARENT_ACCOUNT", f"No parent account '{parent}' on cluster '{cluster}'")
    new, assocs = [], []
    rows: list[str] = []
    for name in names:
        if name not in books.accounts:
            account = Account(
                name=name,
                description=description if args.get("bare") else description or name,
                organization=organization
                if args.get("bare")
                else organization or (parent if parent != "root" else name),
                flags=tuple(args.get("flags") or ()),
                creation_time=books.born("accounts", (name,), now),
            )
            books.put("accounts", account)
            info = f"description='{account.description}', organization='{account.organization}', flags='0'"
            books.log("Add Accounts", actor, name, info, now)
            new.append(name)
    for cluster in clusters:
        for name in names:
            if books.assoc(cluster, name) is not None:
                rows.append(f"Already existing account {name} on cluster {cluster}\n")
                continue
            blank = new_assoc(books, now, cluster=cluster, account=name, parent_account=parent)
            assocs.append(add_assoc(books, limits.apply(books, blank, own_limits), actor, now))
            # the title stands only where nothing has been told before, as in Slurm
            rows.extend([line(assocs[-1])] if rows else [" Associations =\n", line(assocs[-1])])
    text = ""
    if new:
        text += " Adding Account(s)\n" + "".join(f"  {name}\n" for name in new) + " Settings\n"
        text += f"  Description     = {description or 'Account Name'}\n"
        text += f"  Organization    = {organization or 'Parent/Account Name'}\n"
    text += "".join(rows)
    if assocs:
        shown = dict(own_limits)
        if args.get("parent"):
            shown["parent_account"] = parent
        settings = limits.settings(shown)
        if settings or description or organization or args.get("settings"):
            text += " Settings\n" + "".join(f"{row}\n" for row in settings)
    return {"text": text, "added": bool(new or assocs)}


def matching_accounts(books: Books, where: Mapping[str, Any]) -> list[Association]:
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
    matching = matching_accounts(books, where)
    found = {assoc.account for assoc in matching}
    if not {name for name, values in where.items() if values} - {"names"}:  # accounts without an association as well
        found |= {name for name in where.get("names") or () if name in books.accounts}
    names = sorted(found, key=collate)
    record: dict[str, Any] = {name: str(changes[name]) for name in ("description", "organization") if name in changes}
    if changes.get("flags") is not None:
        record["flags"] = tuple(str(flag) for flag in changes["flags"])
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
        below = inheriting(books, assocs, own_limits)
        if assocs:
            log_assocs(books, assocs, own_limits, actor, now)
    else:
        below = []
    return {"accounts": tuple(changed_accounts), "assocs": told_with_below(books, assocs, below)}


def told_with_below(
    books: Books, changed: Sequence[Association], below: Sequence[Association]
) -> tuple[tuple[str, str, str | None, str, str], ...]:
    """Associations that changed and those that inherit of them (which are told without a parent), as in the tree."""
    inherited = {(assoc.cluster, assoc.id) for assoc in below}
    return tuple(
        (assoc.cluster, assoc.account, None, assoc.user, assoc.partition)
        if (assoc.cluster, assoc.id) in inherited
        else told(assoc)
        for assoc in sorted([*changed, *below], key=books.order)
    )


def _moved(books: Books, assoc: Association, parent: str) -> Association:
    if assoc.account == "root":
        raise SlurmError("ESLURM_INVALID_PARENT_ACCOUNT", "The root account has no parent")
    above = books.assoc(assoc.cluster, parent)
    if above is None:
        raise SlurmError("ESLURM_INVALID_PARENT_ACCOUNT", f"No parent account '{parent}' on cluster '{assoc.cluster}'")
    if parent == assoc.account:
        raise SlurmError("ESLURM_INVALID_PARENT_ACCOUNT", "An account cannot stand below itself")
    if parent in books.accounts_below(assoc.cluster, assoc.account):
        # what is to stand above comes up to where the account has stood
        books.put("associations", above.copy(parent_account=assoc.parent_account))
    return assoc.copy(parent_account=parent)


def inheriting(books: Books, changed: Sequence[Association], own_limits: Mapping[str, Any]) -> list[Association]:
    """Those right below that take one of the changed limits from above (Slurm tells of no others)."""
    fields = [field for field in own_limits if field in limits.HANDED_DOWN]
    if not fields:
        return []
    keys = {(assoc.cluster, assoc.id) for assoc in changed}
    found: dict[tuple[str, int], Association] = {}
    for top in changed:
        if top.user:
            continue
        users = [assoc for assoc in books.assocs_of_account(top.cluster, top.account) if assoc.user]
        accounts = [books.assoc(top.cluster, name) for name in books.below.get((top.cluster, top.account), ())]
        for assoc in (*users, *(one for one in accounts if one is not None)):
            key = (assoc.cluster, assoc.id)
            if key in keys:
                continue
            for field in fields:
                own = assoc.qos_own if field == "qos" else getattr(assoc, field)
                if own in ((), "", None):
                    found[key] = assoc
    return list(found.values())


def log_assocs(
    books: Books, assocs: Sequence[Association], own_limits: Mapping[str, Any], actor: str, now: int
) -> None:
    condition = " || ".join(f"id_assoc={assoc.id}" for assoc in assocs)
    parts = []
    # the log has them in another order than the answers: comments and the default QOS come first
    for word, field, kind in sorted(limits.ASSOC_LIMITS, key=lambda row: row[1] not in ("comment", "default_qos")):
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

    Everything below an account goes with it. ``only_associations``: the accounts themselves stay. ``used``: the
    associations have had jobs.
    """
    used = bool(args.get("used"))
    where, keep = args.get("where") or {}, bool(args.get("only_associations"))
    matching = [assoc for assoc in matching_accounts(books, where) if assoc.account != "root"]
    if any(name == "root" for name in where.get("names") or ()):
        raise SlurmError("SLURM_ERROR", "The root account cannot be removed")
    gone: dict[tuple[str, int], Association] = {}
    for top in matching:
        for assoc in books.subtree(top.cluster, top.account):
            gone[assoc.cluster, assoc.id] = assoc
    orphaned = losing_default(books, gone.values(), set(gone))
    if orphaned:
        raise default_removed(orphaned)
    names = sorted({assoc.account for assoc in matching}, key=collate)
    removed = sorted(gone.values(), key=books.order)
    remove_assocs(books, removed, now, used)
    bare = [name for name in where.get("names") or () if name in books.accounts and name not in names]
    names += [name for name in bare if not any(books.assoc(cluster, name) for cluster in books.clusters)]
    whole = (
        [] if keep else [name for name in names if not any(books.assoc(cluster, name) for cluster in books.clusters)]
    )
    for name in () if keep else {*(assoc.account for assoc in removed), *whole}:
        if name in books.accounts and not any(books.assoc(cluster, name) for cluster in books.clusters):
            books.delete("accounts", books.accounts[name], now, used)
            for key in [key for key in books.coordinators if key[0] == name]:
                books.remove("coordinators", books.coordinators[key])
    if removed or whole:
        for account in names:
            books.log("Remove Account Coords", actor, f"(acct='{account}')", "", now)
        condition = ",".join(f"'{name}'" for name in names)
        books.log("Remove Accounts", actor, f"name in({condition})", "", now)
    return {"accounts": tuple(whole), "assocs": tuple(told(assoc) for assoc in removed), "ids": ids_of(removed)}


def losing_default(books: Books, removed: Iterable[Association], keys: set[tuple[str, int]]) -> list[Association]:
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


def ids_of(assocs: Iterable[Association]) -> tuple[tuple[str, int], ...]:
    return tuple((assoc.cluster, assoc.id) for assoc in assocs)


def remove_assocs(books: Books, assocs: Sequence[Association], now: int, used: bool) -> None:
    for assoc in assocs:
        books.delete("associations", assoc, now, used)


def default_removed(assocs: Sequence[Association]) -> SlurmError:
    return SlurmError("ESLURM_NO_REMOVE_DEFAULT_ACCOUNT", data={"assocs": tuple(told(assoc) for assoc in assocs)})


# ---- users


# ---- coordinators
