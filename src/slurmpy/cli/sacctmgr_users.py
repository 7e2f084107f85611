"""``sacctmgr add|modify|delete`` of accounts, users and coordinators."""

from __future__ import annotations

from ..core.errors import TABLE, SlurmError
from .errors import Stop, line
from .sacctmgr_dialogue import (
    add_with_text,
    ask_first,
    bare_names,
    commit,
    denied,
    lists,
    need_changes,
    need_conditions,
    nothing_changed,
    read_raw_usage,
    read_specs,
    reset_usage,
    say_list,
    told,
    try_delete,
)
from .sacctmgr_words import (
    NAME,
    Specs,
    Word,
    admin_level,
    find,
    joined,
    names,
    read_assoc_limit,
    values,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .sacctmgr import Session


_ACCOUNT_WHERE = lists(
    {
        "Names": "names",
        "Accounts": "names",
        "Acct": "names",
        "Clusters": "clusters",
        "Descriptions": "descriptions",
        "Organizations": "organizations",
        "Parents": "parents",
        "Users": "users",
        "Partitions": "partitions",
    }
)


def _account_text(word: Word, specs: Specs) -> bool:
    keyword = find(("Description", "Organization", "Parent", "Flags"), word.key)
    if keyword is None:
        return False
    if keyword != "Flags":
        specs.set[keyword.lower()] = word.value.lower()
        return True
    # Slurm knows one flag (and its opposite) and passes over all other words
    wanted = {flag.lower() for flag in values(word.value)}
    off = word.sign == "-" or "nousersarecoords" in wanted
    if wanted & {"usersarecoords", "nousersarecoords"}:
        specs.set["flags"] = () if off else ("UsersAreCoords",)
    else:
        specs.set.setdefault("flags", None)
    return True


def add_account(session: Session, argv: Sequence[str]) -> int:
    def change(word: Word, specs: Specs) -> bool:
        if find(("Names", "Accounts", "Acct"), word.key):
            return bare_names(word, specs)
        if find(("Clusters",), word.key):
            specs.where["clusters"] = joined(specs.where.get("clusters", ()), names(word.value))
            return True
        return _account_text(word, specs) or read_assoc_limit(word, specs, session.known)

    specs = read_specs(argv, None, change, bare_names)
    if specs.failed:
        return 1
    if not specs.where.get("names"):
        raise Stop(1, err=" Need name of account to add.\n")
    args: dict[str, Any] = {
        "names": specs.where["names"],
        "clusters": specs.where.get("clusters", ()),
        "limits": specs.limits,
        **{name: specs.set[name] for name in ("parent", "description", "organization") if name in specs.set},
    }
    if "flags" in specs.set:
        args |= {"flags": specs.set["flags"] or (), "settings": True}
    return add_with_text(session, "add_accounts", args)


def modify_account(session: Session, argv: Sequence[str]) -> int:
    def where(word: Word, specs: Specs) -> bool:
        return _ACCOUNT_WHERE(word, specs, specs.where)

    def change(word: Word, specs: Specs) -> bool:
        return _account_text(word, specs) or read_raw_usage(word, specs) or read_assoc_limit(word, specs, session.known)

    specs = read_specs(argv, where, change, bare_names)
    if "raw_usage" in specs.set:
        return reset_usage(session, specs, need_account=False)
    need_changes(specs)
    changes = {name: value for name, value in specs.set.items() if value is not None}
    args = {"where": specs.where, "set": changes, "limits": specs.limits}
    result = ask_first(session, "modify_accounts", args)
    nothing_changed(result, "accounts", "assocs")
    say_list(session, " Modified accounts...\n", (f"  {name}\n" for name in result["accounts"]))
    say_list(session, " Modified account associations...\n", (told(one) for one in result["assocs"]))
    return commit(session, "modify_accounts", args)


def delete_account(session: Session, argv: Sequence[str]) -> int:
    def where(word: Word, specs: Specs) -> bool:
        return _ACCOUNT_WHERE(word, specs, specs.where)

    specs = read_specs(argv, where, where, bare_names)
    need_conditions(specs)
    if "root" in specs.where.get("names", ()):
        raise Stop(1, err=" You are not allowed to remove the root account.\n Use remove cluster instead.\n")
    if specs.where.get("users"):
        # a user among the conditions: only his associations are meant
        own = {**specs.where, "accounts": specs.where.get("names", ()), "names": specs.where["users"]}
        args = {"where": {name: own.get(name, ()) for name in ("names", "accounts", "clusters", "partitions")}}
        result = try_delete(session, "delete_users", args, "user")
        if not result["assocs"]:
            session.say(" Nothing deleted\n")
            return 1
        say_list(session, " Deleting account associations...\n", (told(one, 10) for one in result["assocs"]))
        return commit(session, "delete_users", args)
    args = {"where": specs.where}
    result = try_delete(session, "delete_accounts", args, "account")
    if not result["accounts"] and not result["assocs"]:
        session.say(" Nothing deleted\n")
        return 1
    if result["accounts"] and not specs.where.get("parents"):
        say_list(session, " Deleting accounts...\n", (f"  {name}\n" for name in result["accounts"]))
    else:
        say_list(session, " Deleting account associations...\n", (told(one, 10) for one in result["assocs"]))
    return commit(session, "delete_accounts", args)


_USER_WHERE = lists(
    {
        "Names": "names",
        "Users": "names",
        "Accounts": "accounts",
        "Acct": "accounts",
        "Clusters": "clusters",
        "Partitions": "partitions",
        "DefaultAccount": "default_accounts",
        "DefaultWCKey": "default_wckeys",
        "WCKeys": "wckeys",
    }
)


def _user_where(word: Word, specs: Specs) -> bool:
    if find(("AdminLevel",), word.key):
        specs.where["admin_levels"] = (admin_level(word.value),)
        return True
    return _USER_WHERE(word, specs, specs.where)


def _user_set(word: Word, specs: Specs) -> bool:
    keyword = find(("AdminLevel", "DefaultAccount", "DefaultWCKey", "NewName"), word.key)
    if keyword == "AdminLevel":
        specs.set["admin_level"] = admin_level(word.value)
    elif keyword == "DefaultAccount":
        specs.set["default_account"] = word.value.lower()
    elif keyword == "DefaultWCKey":
        specs.set["default_wckey"] = word.value.lower()
    elif keyword == "NewName":
        specs.set["name"] = word.value.lower()
    else:
        return False
    return True


def add_user(session: Session, argv: Sequence[str]) -> int:
    def change(word: Word, specs: Specs) -> bool:
        if read_assoc_limit_first(word):
            return read_assoc_limit(word, specs, session.known)
        if _user_set(word, specs):
            # a default is one of the user's, at the place where it is named
            for field, into in (("default_account", "accounts"), ("default_wckey", "wckeys")):
                if find(("DefaultAccount", "DefaultWCKey"), word.key) and specs.set.get(field) == word.value.lower():
                    specs.where[into] = joined(specs.where.get(into, ()), (specs.set[field],))
            return True
        return _USER_WHERE(word, specs, specs.where) or read_assoc_limit(word, specs, session.known)

    specs = read_specs(argv, None, change, bare_names)
    if specs.failed:
        return 1
    where = specs.where
    if not where.get("names"):
        raise Stop(1, err=" Need name of user to add.\n")
    if not (where.get("accounts") or where.get("wckeys") or specs.set.get("default_account")):
        raise Stop(1, err=" Need name of account or wckey to add.\n")
    args = {
        "names": where["names"],
        "limits": specs.limits,
        **{name: where.get(name, ()) for name in ("clusters", "accounts", "partitions", "wckeys")},
        **{name: specs.set.get(name, "") for name in ("admin_level", "default_account", "default_wckey")},
    }
    strangers = [name for name in args["names"] if not _is_user(name)]
    if strangers and not session.immediate:
        for name in strangers:
            if not session.ask(f"There is no uid for user '{name}'\nAre you sure you want to continue?"):
                return 1
    return add_with_text(session, "add_users", args)


def read_assoc_limit_first(word: Word) -> bool:
    """DefaultQOS and its beginnings are a limit; DefaultAccount and DefaultWCKey are the user's."""
    return word.key.lower().startswith("defaultq") or word.key.lower() == "defqos"


def _is_user(name: str) -> bool:
    import pwd

    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def modify_user(session: Session, argv: Sequence[str]) -> int:
    def change(word: Word, specs: Specs) -> bool:
        if read_assoc_limit_first(word):
            return read_assoc_limit(word, specs, session.known)
        return _user_set(word, specs) or read_raw_usage(word, specs) or read_assoc_limit(word, specs, session.known)

    specs = read_specs(argv, _user_where, change, bare_names)
    if "raw_usage" in specs.set:
        return reset_usage(session, specs, need_account=True)
    need_changes(specs)
    where = dict(specs.where)
    if specs.set.get("admin_level") == "":
        # Slurm takes an unknown level for «leave it as it is» and yet tells of the users
        specs.set["admin_level"] = None
    changes = {name: value for name, value in specs.set.items() if value is not None}
    args = {"where": where, "set": changes, "limits": specs.limits}
    if "name" in specs.set and len(where.get("names", ())) > 1:
        text = TABLE["ESLURM_ONE_CHANGE"][1]
        raise Stop(1, err=line(NAME, text) + f" Error with request: {text}\n"
                   " If you are changing a users name you can only specify 1 user at a time.\n")  # fmt: skip
    try:
        result = ask_first(session, "modify_users", args)
    except SlurmError as error:
        missing = error.data.get("missing")
        if not isinstance(missing, tuple):
            raise
        kind, name = ("account", error.data.get("account")) if "account" in error.data else (
            "wckey", error.data.get("wckey"),
        )  # fmt: skip
        session.say(f" Can't modify because these users aren't associated with new default {kind} '{name}'...\n")
        session.say("".join(f"  U = {user} C = {cluster}\n" for user, cluster in missing))
        return 1
    if "admin_level" in specs.set and specs.set["admin_level"] is None and not changes and not specs.limits:
        known = [row[0] for row in session.query("users", {"names": where.get("names", ())}, ("name",)).rows]
        result = {"users": tuple(known), "assocs": ()}
    nothing_changed(result, "users", "assocs")
    say_list(session, " Modified users...\n", (f"  {name}\n" for name in result["users"]))
    say_list(session, " Modified user associations...\n", (told(one) for one in result["assocs"]))
    return commit(session, "modify_users", args)


def delete_user(session: Session, argv: Sequence[str]) -> int:
    specs = read_specs(argv, _user_where, _user_where, bare_names)
    need_conditions(specs)
    args = {"where": specs.where}
    result = try_delete(session, "delete_users", args, "user")
    if not (result["users"] or result["assocs"] or result["wckeys"]):
        session.say(" Nothing deleted\n")
        return 1
    if result["wckeys"]:
        rows = (f"  C = {cluster:<10} W = {key:<20} U = {user:<9}\n" for cluster, key, user in result["wckeys"])
        say_list(session, " Deleting user WCKeys...\n", rows)
    elif any(specs.where.get(name) for name in ("accounts", "clusters", "partitions")):
        say_list(session, " Deleting user associations...\n", (told(one, 10) for one in result["assocs"]))
        say_list(session, " Deleting users (No Associations)...\n", (f"  {name}\n" for name in result["users"]))
    else:
        say_list(session, " Deleting users...\n", (f"  {name}\n" for name in result["users"]))
    return commit(session, "delete_users", args)


def _coordinator_words(argv: Sequence[str]) -> Specs:
    def change(word: Word, specs: Specs) -> bool:
        if find(("Accounts", "Acct"), word.key):
            specs.where["accounts"] = joined(specs.where.get("accounts", ()), names(word.value))
        elif find(("Names", "Users"), word.key):
            specs.where["users"] = joined(specs.where.get("users", ()), names(word.value))
        else:
            return False
        return True

    def bare(word: Word, specs: Specs) -> bool:
        specs.where["users"] = joined(specs.where.get("users", ()), names(word.value))
        return True

    return read_specs(argv, None, change, bare)


def add_coordinator(session: Session, argv: Sequence[str]) -> int:
    specs = _coordinator_words(argv)
    if specs.failed:
        return 1
    accounts, users = specs.where.get("accounts", ()), specs.where.get("users", ())
    if not users:
        text = "You need to specify a user list here." if accounts else (
            "You need to specify conditions to to add the coordinator."
        )  # fmt: skip
        raise Stop(1, err=f" {text}\n")
    if not accounts:
        raise Stop(1, err=" You need to specify an account list here.\n")
    args = {"accounts": accounts, "users": users}
    try:
        session.call("add_coordinators", {**args, "commit": False})
    except SlurmError as error:
        raise denied(error, " ") from None
    session.say(" Adding Coordinator User(s)\n" + "".join(f"  {name}\n" for name in users))
    session.say(" To Account(s) and all sub-accounts\n" + "".join(f"  {name}\n" for name in accounts))
    return commit(session, "add_coordinators", args)


def delete_coordinator(session: Session, argv: Sequence[str]) -> int:
    specs = _coordinator_words(argv)
    if specs.failed:
        return 1
    accounts, users = specs.where.get("accounts", ()), specs.where.get("users", ())
    if not accounts and not users:
        raise Stop(1, err=" You need to specify a user list or account list here.\n")
    args = {"accounts": accounts, "users": users}
    try:
        result = session.call("delete_coordinators", {**args, "commit": False})
    except SlurmError as error:
        raise denied(error, " ") from None
    if users:
        session.say(" Removing Coordinators with user name\n" + "".join(f"  {name}\n" for name in users))
    if accounts:
        title = " From Account(s)" if users else " Removing all users from Accounts"
        session.say(f"{title}\n" + "".join(f"  {name}\n" for name in accounts))
    if not result["removed"]:
        session.say(" Nothing removed\n")
        return 1
    session.say(" Removed Coordinators (sub accounts not listed)...\n")
    session.say("".join(f"  U = {user:<9} A = {account:<10}\n" for account, user in result["removed"]))
    return commit(session, "delete_coordinators", args)
