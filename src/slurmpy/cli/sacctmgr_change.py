"""``sacctmgr add``, ``modify`` and ``delete``: words into a request, the answer into Slurm's sentences."""

from __future__ import annotations

import sys

from ..core.errors import SlurmError
from .errors import Stop, line, report
from .sacctmgr_words import (
    NAME,
    BadValue,
    Fatal,
    Specs,
    Word,
    admin_level,
    bad_value,
    find,
    is_set,
    is_where,
    names,
    read_assoc_limit,
    read_qos_limit,
    stop,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from .sacctmgr import Session

    Reader = Callable[[Word, Specs], bool]

#: what ADD, MODIFY and DELETE know, in the order in which their errors name them
ENTITIES = {
    "add": ("Account", "Cluster", "Coordinator", "Federation", "QOS", "Resource", "User"),
    "modify": ("Account", "Cluster", "Federation", "Job", "QOS", "Resource", "User"),
    "delete": ("Account", "Cluster", "Coordinator", "Federation", "QOS", "Resource", "User"),
}

ADMIN_ONLY = "Only admins/operators/coordinators can add accounts"


def told(assoc: Sequence[str], width: int = 20) -> str:
    """``C = ref        A = physics              U = anna      P = long``; an account's own tells its parent."""
    cluster, account, parent, user, partition = assoc
    if not user:
        return f"  C = {cluster:<10} A = {account}" + (f" of {parent}" if parent else "") + "\n"
    text = f"  C = {cluster:<10} A = {account:<{width}} U = {user:<9}"
    return text + (f" P = {partition}\n" if partition else "\n")


# ---- reading


def _read(
    argv: Sequence[str], where: Reader | None, change: Reader, bare: Callable[[Word, Specs], bool], out: bool = False
) -> Specs:
    """Words behind ``where`` go to `where`, those behind ``set`` to `change`; what is behind neither goes to `where`
    if there is one. `out`: unknown words are told on standard output, as Slurm does for some entities."""
    specs = Specs()
    setting = where is None
    for text in argv:
        if is_where(text):
            setting = False
            continue
        if is_set(text):
            setting = True
            continue
        word = Word(text)
        reader = change if setting or where is None else where
        try:
            if word.key:
                known = reader(word, specs)
            else:
                known = bare(word, specs) if not setting or where is None else False
        except BadValue as error:
            bad_value(error)
            known = False
        except Fatal as error:
            raise stop(error, word, out="Unknown QOS flag" in str(error)) from None
        if not known:
            hint = "where" if setting else "set"
            specs.unknown(word, "option" if setting else "condition", hint, out=out and setting)
    return specs


def _lists(table: Mapping[str, str]) -> Callable[[Word, Specs, dict[str, Any]], bool]:
    """A reader of conditions that are lists of names."""

    def read(word: Word, specs: Specs, into: dict[str, Any]) -> bool:
        keyword = find(table, word.key)
        if keyword is None:
            return False
        name = table[keyword]
        found = names(word.value)
        into[name] = (*into.get(name, ()), *(one for one in found if one not in into.get(name, ())))
        return True

    return read


def _bare_names(word: Word, specs: Specs) -> bool:
    specs.where["names"] = (*specs.where.get("names", ()), *names(word.value))
    return True


# ---- accounts


_ACCOUNT_WHERE = _lists(
    {
        "Names": "names",
        "Accounts": "names",
        "Acct": "names",
        "Clusters": "clusters",
        "Descriptions": "descriptions",
        "Organizations": "organizations",
        "Parents": "parents",
        "Flags": "flags",
    }
)


def _account_text(word: Word, specs: Specs) -> bool:
    keyword = find(("Description", "Organization", "Parent"), word.key)
    if keyword is None:
        return False
    specs.set[keyword.lower()] = word.value.lower() if keyword == "Parent" else word.value
    return True


def add_account(session: Session, argv: Sequence[str]) -> int:
    def change(word: Word, specs: Specs) -> bool:
        if find(("Names", "Accounts", "Acct"), word.key):
            return _bare_names(word, specs)
        if find(("Clusters",), word.key):
            specs.where["clusters"] = (*specs.where.get("clusters", ()), *names(word.value))
            return True
        return _account_text(word, specs) or read_assoc_limit(word, specs, session.known)

    specs = _read(argv, None, change, _bare_names)
    if specs.failed:
        return 1
    if not specs.where.get("names"):
        raise Stop(1, err=" Need name of account to add.\n")
    args = {
        "names": specs.where["names"],
        "clusters": specs.where.get("clusters", ()),
        "limits": specs.limits,
        **{name: specs.set[name] for name in ("parent", "description", "organization") if name in specs.set},
    }
    return _add_with_text(session, "add_accounts", args)


def _add_with_text(session: Session, method: str, args: dict[str, Any]) -> int:
    """Adding that slurmdbd tells of in its own words."""
    try:
        result = session.call(method, {**args, "commit": session.immediate})
    except SlurmError as error:
        if error.name == "SLURM_COMMUNICATIONS_CONNECTION_ERROR":
            raise
        text = error.message
        if method == "add_accounts" and error.name == "ESLURM_ACCESS_DENIED":
            text = ADMIN_ONLY
        raise Stop(1, err=f" error: {text}\n") from None
    if not result["added"]:
        text = result["text"]
        if text.startswith("Already existing"):
            text = " " + text
        session.say(text or " Nothing new added.\n")
        return 1
    session.say(result["text"])
    if not session.immediate:
        if not session.confirm():
            return 0
        session.call(method, {**args, "commit": True})
    return 0


def modify_account(session: Session, argv: Sequence[str]) -> int:
    def where(word: Word, specs: Specs) -> bool:
        return _ACCOUNT_WHERE(word, specs, specs.where)

    def change(word: Word, specs: Specs) -> bool:
        return _account_text(word, specs) or read_assoc_limit(word, specs, session.known)

    specs = _read(argv, where, change, _bare_names)
    _need_changes(specs)
    args = {"where": specs.where, "set": specs.set, "limits": specs.limits}
    result = _ask_first(session, "modify_accounts", args)
    _nothing_changed(result, "accounts", "assocs")
    _say_list(session, " Modified accounts...\n", (f"  {name}\n" for name in result["accounts"]))
    _say_list(session, " Modified account associations...\n", (told(one) for one in result["assocs"]))
    return _commit(session, "modify_accounts", args)


def delete_account(session: Session, argv: Sequence[str]) -> int:
    def where(word: Word, specs: Specs) -> bool:
        return _ACCOUNT_WHERE(word, specs, specs.where)

    specs = _read(argv, where, where, _bare_names)
    _need_conditions(specs)
    args = {"where": specs.where}
    result = _delete(session, "delete_accounts", args, "account")
    if not result["accounts"] and not result["assocs"]:
        session.say(" Nothing deleted\n")
        return 1
    if result["accounts"]:
        _say_list(session, " Deleting accounts...\n", (f"  {name}\n" for name in result["accounts"]))
    else:
        _say_list(session, " Deleting account associations...\n", (told(one, 10) for one in result["assocs"]))
    return _commit(session, "delete_accounts", args)


# ---- users


_USER_WHERE = _lists(
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
            return True
        return _USER_WHERE(word, specs, specs.where) or read_assoc_limit(word, specs, session.known)

    specs = _read(argv, None, change, _bare_names)
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
            if not session.ask(f" There is no uid for user '{name}'\n Are you sure you want to continue?"):
                session.say(" Changes Discarded\n")
                return 0
    return _add_with_text(session, "add_users", args)


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
        return _user_set(word, specs) or read_assoc_limit(word, specs, session.known)

    specs = _read(argv, _user_where, change, _bare_names)
    _need_changes(specs)
    where = dict(specs.where)
    if specs.set.get("admin_level") == "":
        # Slurm takes an unknown level for «leave it as it is» and yet tells of the users
        specs.set["admin_level"] = None
    changes = {name: value for name, value in specs.set.items() if value is not None}
    args = {"where": where, "set": changes, "limits": specs.limits}
    try:
        result = _ask_first(session, "modify_users", args)
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
    _nothing_changed(result, "users", "assocs")
    _say_list(session, " Modified users...\n", (f"  {name}\n" for name in result["users"]))
    _say_list(session, " Modified user associations...\n", (told(one) for one in result["assocs"]))
    return _commit(session, "modify_users", args)


def delete_user(session: Session, argv: Sequence[str]) -> int:
    specs = _read(argv, _user_where, _user_where, _bare_names)
    _need_conditions(specs)
    args = {"where": specs.where}
    result = _delete(session, "delete_users", args, "user")
    if not (result["users"] or result["assocs"] or result["wckeys"]):
        session.say(" Nothing deleted\n")
        return 1
    if result["wckeys"]:
        rows = (f"  C = {cluster:<10} W = {key:<10} U = {user:<9}\n" for cluster, key, user in result["wckeys"])
        _say_list(session, " Deleting user wckeys...\n", rows)
    elif any(specs.where.get(name) for name in ("accounts", "clusters", "partitions")):
        _say_list(session, " Deleting user associations...\n", (told(one, 10) for one in result["assocs"]))
        _say_list(session, " Deleting users (No Associations)...\n", (f"  {name}\n" for name in result["users"]))
    else:
        _say_list(session, " Deleting users...\n", (f"  {name}\n" for name in result["users"]))
    return _commit(session, "delete_users", args)


# ---- coordinators


def _coordinator_words(argv: Sequence[str]) -> Specs:
    def change(word: Word, specs: Specs) -> bool:
        if find(("Accounts", "Acct"), word.key):
            specs.where["accounts"] = (*specs.where.get("accounts", ()), *names(word.value))
        elif find(("Names", "Users"), word.key):
            specs.where["users"] = (*specs.where.get("users", ()), *names(word.value))
        else:
            return False
        return True

    def bare(word: Word, specs: Specs) -> bool:
        specs.where["users"] = (*specs.where.get("users", ()), *names(word.value))
        return True

    return _read(argv, None, change, bare)


def add_coordinator(session: Session, argv: Sequence[str]) -> int:
    specs = _coordinator_words(argv)
    if specs.failed:
        return 1
    accounts, users = specs.where.get("accounts", ()), specs.where.get("users", ())
    if not users:
        raise Stop(1, err=" You need to specify a user list or account list.\n" if not accounts else
                   " You need to specify a user list here.\n")  # fmt: skip
    if not accounts:
        raise Stop(1, err=" You need to specify a account list here.\n")
    args = {"accounts": accounts, "users": users}
    try:
        session.call("add_coordinators", {**args, "commit": False})
    except SlurmError as error:
        raise _denied(error, " ") from None
    session.say(" Adding Coordinator User(s)\n" + "".join(f"  {name}\n" for name in users))
    session.say(" To Account(s) and all sub-accounts\n" + "".join(f"  {name}\n" for name in accounts))
    return _commit(session, "add_coordinators", args, always=True)


def delete_coordinator(session: Session, argv: Sequence[str]) -> int:
    specs = _coordinator_words(argv)
    if specs.failed:
        return 1
    accounts, users = specs.where.get("accounts", ()), specs.where.get("users", ())
    if not accounts and not users:
        raise Stop(1, err=" You need to specify a user list or account list.\n")
    args = {"accounts": accounts, "users": users}
    try:
        result = session.call("delete_coordinators", {**args, "commit": False})
    except SlurmError as error:
        raise _denied(error, " ") from None
    if not result["removed"]:
        session.say(" Nothing removed\n")
        return 1
    if users:
        session.say(" Removing Coordinators with user name\n" + "".join(f"  {name}\n" for name in users))
    if accounts:
        word = "From" if users else "Removing Coordinators from"
        session.say(f" {word} Account(s)\n" + "".join(f"  {name}\n" for name in accounts))
    session.say(" Removed Coordinators (sub accounts not listed)...\n")
    session.say("".join(f"  U = {user:<9} A = {account:<10}\n" for account, user in result["removed"]))
    return _commit(session, "delete_coordinators", args, always=True)


# ---- QOS


def add_qos(session: Session, argv: Sequence[str]) -> int:
    own = _bare_words(argv)

    def change(word: Word, specs: Specs) -> bool:
        if find(("Names", "QOSLevel"), word.key):
            return _bare_names(word, specs)
        return read_qos_limit(word, specs, session.known, own)

    specs = _read(argv, None, change, _bare_names, out=True)
    if specs.failed:
        return 1
    wanted = specs.where.get("names", ())
    if not wanted:
        raise Stop(1, err=" Need name of qos to add.\n")
    known = {name for _, name in session.known.qos()}
    new = [name for name in wanted if name not in known]
    if not new:
        session.say(" Nothing new added.\n")
        return 1
    session.say(" Adding QOS(s)\n" + "".join(f"  {name}\n" for name in new) + " Settings\n")
    session.say("".join(f"{row}\n" for row in qos_settings(specs.set, new[0])))
    return _commit(session, "add_qos", {"names": tuple(wanted), "set": specs.set}, " Problem adding QOS: ", always=True)


def _bare_words(argv: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for text in argv if "=" not in text for name in names(text))


def qos_settings(changes: Mapping[str, Any], name: str) -> list[str]:
    """What is told of a QOS that is added, in Slurm's order."""
    from ..core import times, tres

    rows = [f"  Description    = {changes.get('description') or name}"]
    for word, field, kind in _QOS_TOLD:
        if field not in changes:
            continue
        value = changes[field]
        if kind in ("words", "preempt"):
            text = ",".join(value[1]) if value[0] == "=" else ",".join(value[0] + one for one in value[1])
        elif value is None:
            text = "NONE"
        elif kind == "tres":
            text = tres.format(tres.parse(value), zeros=True)
        elif kind == "minutes":
            text = times.format_time_limit(value)
        elif kind == "real":
            text = f"{value:.4f}"
        else:
            text = str(value or "CLUSTER") if field == "preempt_mode" else str(value)
        rows.append(f"  {word:<14} = {text}" if kind == "short" else f"  {word:<24} = {text}")
    return rows


_QOS_TOLD = (
    ("Flags", "flags", "words"),
    ("GraceTime", "grace_time", "number"),
    ("GrpJobs", "grp_jobs", "number"),
    ("GrpJobsAccrue", "grp_jobs_accrue", "number"),
    ("GrpSubmitJobs", "grp_submit_jobs", "number"),
    ("GrpTRES", "grp_tres", "tres"),
    ("GrpTRESMins", "grp_tres_mins", "tres"),
    ("GrpTRESRunMins", "grp_tres_run_mins", "tres"),
    ("GrpWall", "grp_wall", "minutes"),
    ("LimitFactor", "limit_factor", "real"),
    ("MaxJobsPerAccount", "max_jobs_per_account", "number"),
    ("MaxJobsPerUser", "max_jobs_per_user", "short"),
    ("MaxJobsAccruePerAccount", "max_jobs_accrue_per_account", "number"),
    ("MaxJobsAccruePerUser", "max_jobs_accrue_per_user", "number"),
    ("MaxSubmitJobsPerAccount", "max_submit_jobs_per_account", "number"),
    ("MaxSubmitJobsPerUser", "max_submit_jobs_per_user", "number"),
    ("MaxTRESPerAccount", "max_tres_per_account", "tres"),
    ("MaxTRESPerJob", "max_tres_per_job", "tres"),
    ("MaxTRESPerNode", "max_tres_per_node", "tres"),
    ("MaxTRESPerUser", "max_tres_per_user", "tres"),
    ("MaxTRESMins", "max_tres_mins_per_job", "tres"),
    ("MaxTRESRunMinsPerAccount", "max_tres_run_mins_per_account", "tres"),
    ("MaxTRESRunMinsPerUser", "max_tres_run_mins_per_user", "tres"),
    ("MaxWall", "max_wall_duration_per_job", "minutes"),
    ("MinPrioThreshold", "min_prio_threshold", "number"),
    ("MinTRESPerJob", "min_tres_per_job", "tres"),
    ("Preempt", "preempt", "preempt"),
    ("PreemptExemptTime", "preempt_exempt_time", "number"),
    ("PreemptMode", "preempt_mode", "number"),
    ("Priority", "priority", "number"),
    ("UsageFactor", "usage_factor", "real"),
    ("UsageThreshold", "usage_threshold", "real"),
)


def _qos_where(word: Word, specs: Specs) -> bool:
    if find(("Names", "QOSLevel"), word.key):
        return _bare_names(word, specs)
    if find(("IDs",), word.key):
        specs.where["ids"] = tuple(int(one) for one in names(word.value) if one.isdecimal())
        return True
    if find(("Descriptions",), word.key):
        specs.where["descriptions"] = (word.value,)
        return True
    return False


def modify_qos(session: Session, argv: Sequence[str]) -> int:
    own = _bare_words(argv) + tuple(
        name for text in argv if text.lower().startswith("name=") for name in names(text[5:])
    )

    def change(word: Word, specs: Specs) -> bool:
        return read_qos_limit(word, specs, session.known, own)

    specs = _read(argv, _qos_where, change, _bare_names)
    _need_changes(specs)
    args = {"where": specs.where, "set": specs.set}
    result = _ask_first(session, "modify_qos", args)
    if not result["names"]:
        session.say(" Nothing modified\n")
        return 1
    _say_list(session, " Modified qos...\n", (f"  {name}\n" for name in result["names"]))
    return _commit(session, "modify_qos", args)


def delete_qos(session: Session, argv: Sequence[str]) -> int:
    specs = _read(argv, _qos_where, _qos_where, _bare_names)
    _need_conditions(specs)
    args = {"where": specs.where}
    result = _ask_first(session, "delete_qos", args)
    return _delete_names(session, "delete_qos", args, result, " Deleting QOS(s)...\n")


def _delete_names(session: Session, method: str, args: dict[str, Any], result: Mapping[str, Any], title: str) -> int:
    if not result["names"]:
        session.say(" Nothing deleted\n")
        return 1
    _say_list(session, title, (f"  {name}\n" for name in result["names"]))
    return _commit(session, method, args)


# ---- clusters and federations


def add_cluster(session: Session, argv: Sequence[str]) -> int:
    def change(word: Word, specs: Specs) -> bool:
        if find(("Names", "Clusters"), word.key):
            return _bare_names(word, specs)
        return _cluster_set(word, specs) or read_assoc_limit(word, specs, session.known)

    specs = _read(argv, None, change, _bare_names)
    if specs.failed:
        return 1
    wanted = specs.where.get("names", ())
    if not wanted:
        raise Stop(1, err=" Need name of cluster to add.\n")
    known = {row[0] for row in session.query("clusters", {}, ("name",)).rows}
    for name in wanted:
        if name in known:
            session.say(f" This cluster {name} already exists.  Not adding.\n")
    new = [name for name in wanted if name not in known]
    if not new:
        return 1
    session.say(" Adding Cluster(s)\n" + "".join(f"  Name           = {name}\n" for name in new))
    rows = _limit_settings(specs.limits)
    if rows:
        session.say(" Setting\n Default Limits\n" + "".join(f"{row}\n" for row in rows))
    args = {"names": tuple(new), "set": specs.set, "limits": specs.limits}
    return _commit(session, "add_clusters", args, " Problem adding clusters: ", always=True)


def _limit_settings(limits: Mapping[str, Any]) -> list[str]:
    from ..accounting.limits import settings

    return settings(limits)


def _cluster_set(word: Word, specs: Specs) -> bool:
    keyword = find(("Classification", "Federation", "Features", "FedState"), word.key)
    if keyword is None:
        return False
    value = word.value.lower() if keyword == "Federation" else word.value
    specs.set["fed_state" if keyword == "FedState" else keyword.lower()] = (
        value.upper() if keyword == "FedState" else value
    )
    return True


_CLUSTER_WHERE = _lists({"Names": "names", "Clusters": "names", "Federations": "federations"})


def _cluster_where(word: Word, specs: Specs) -> bool:
    return _CLUSTER_WHERE(word, specs, specs.where)


def modify_cluster(session: Session, argv: Sequence[str]) -> int:
    def change(word: Word, specs: Specs) -> bool:
        return _cluster_set(word, specs) or read_assoc_limit(word, specs, session.known)

    specs = _read(argv, _cluster_where, change, _bare_names)
    _need_changes(specs)
    args = {"where": specs.where, "set": specs.set, "limits": specs.limits}
    result = _ask_first(session, "modify_clusters", args)
    if not result["names"]:
        session.say(" Nothing modified\n")
        return 1
    if specs.set:
        session.say(" Setting\n" + "".join(f"  {name.title():<14} = {v}\n" for name, v in specs.set.items()))
    _say_list(session, " Modified cluster defaults for associations...\n" if specs.limits else " Modified cluster...\n",
              (f"  {name}\n" for name in result["names"]))  # fmt: skip
    return _commit(session, "modify_clusters", args)


def delete_cluster(session: Session, argv: Sequence[str]) -> int:
    specs = _read(argv, _cluster_where, _cluster_where, _bare_names)
    _need_conditions(specs)
    args = {"where": specs.where}
    result = _ask_first(session, "delete_clusters", args)
    return _delete_names(session, "delete_clusters", args, result, " Deleting clusters...\n")


_FEDERATION_WORDS = _lists({"Names": "names", "Federations": "names", "Clusters": "clusters"})


def _federation_where(word: Word, specs: Specs) -> bool:
    return _FEDERATION_WORDS(word, specs, specs.where)


def add_federation(session: Session, argv: Sequence[str]) -> int:
    specs = _read(argv, None, _federation_where, _bare_names)
    if specs.failed:
        return 1
    wanted = specs.where.get("names", ())
    if not wanted:
        raise Stop(1, err=" Need name of federation to add.\n")
    known = {row[0] for row in session.query("federations", {}, ("federation",)).rows}
    for name in wanted:
        if name in known:
            session.say(f" This federation {name} already exists.  Not adding.\n")
    new = [name for name in wanted if name not in known]
    if not new:
        return 1
    session.say(" Adding Federation(s)\n" + "".join(f"  {name}\n" for name in new))
    code = _commit(session, "add_federations", {"names": tuple(new)}, " Problem adding federation(s): ", always=True)
    clusters = specs.where.get("clusters", ())
    if not code and clusters:
        session.call("modify_clusters", {"where": {"names": clusters}, "set": {"federation": new[0]}})
    return code


def modify_federation(session: Session, argv: Sequence[str]) -> int:
    def change(word: Word, specs: Specs) -> bool:
        if not find(("Clusters",), word.key):
            return False
        specs.set["clusters"] = (word.sign or "=", names(word.value))
        return True

    specs = _read(argv, _federation_where, change, _bare_names)
    _need_changes(specs)
    wanted = specs.where.get("names", ())
    rows = list(session.query("federations", {"names": wanted}).dicts())
    if not rows or len(wanted) != 1:
        session.say(" Nothing modified\n")
        return 1
    sign, clusters = specs.set["clusters"]
    members = {row["cluster"] for row in rows if row["cluster"]}
    leaving = members - set(clusters) if sign == "=" else set(clusters) if sign == "-" else set()
    joining = () if sign == "-" else clusters
    _say_list(session, " Modified federation...\n", (f"  {name}\n" for name in wanted))
    if not session.immediate and not session.confirm():
        return 0
    none = {"federation": "", "fed_id": 0, "fed_state": ""}
    if leaving:
        session.call("modify_clusters", {"where": {"names": tuple(leaving)}, "set": none})
    if joining:
        session.call("modify_clusters", {"where": {"names": tuple(joining)}, "set": {"federation": wanted[0]}})
    return 0


def delete_federation(session: Session, argv: Sequence[str]) -> int:
    specs = _read(argv, _federation_where, _federation_where, _bare_names)
    _need_conditions(specs)
    args = {"names": specs.where.get("names", ())}
    result = _ask_first(session, "delete_federations", args)
    return _delete_names(session, "delete_federations", args, result, " Deleting federations...\n")


# ---- resources


_RESOURCE_LISTS = _lists({"Names": "names", "Clusters": "clusters"})


def _resource_words(word: Word, specs: Specs) -> bool:
    keyword = find(
        ("Allowed", "PercentAllowed", "Count", "Descriptions", "LastConsumed", "Server", "ServerType", "Type"), word.key
    )
    if keyword in ("Allowed", "PercentAllowed", "Count", "LastConsumed"):
        if not word.value.isdecimal():
            raise BadValue(f"Invalid value for {keyword} ({word.value})")
        field = {"Count": "count", "LastConsumed": "last_consumed"}.get(keyword, "allowed")
        specs.set[field] = int(word.value)
    elif keyword == "Descriptions":
        specs.set["description"] = word.value
    elif keyword == "Server":
        specs.where["servers"] = names(word.value)
    elif keyword == "ServerType":
        specs.set["server_type"] = word.value.lower()
    elif keyword == "Type":
        if not "license".startswith(word.value.lower()) or not word.value:
            raise BadValue(f"Unknown resource type: '{word.value}'  Valid resources is License.")
        specs.set["type"] = "License"
    elif find(("Flags",), word.key):
        if word.value.lower() not in ("absolute", "none"):
            raise BadValue(f"Invalid value for Flags ({word.value})")
        specs.set["flags"] = ("Absolute",) if word.value.lower() == "absolute" else ()
    else:
        return _RESOURCE_LISTS(word, specs, specs.where)
    return True


def add_resource(session: Session, argv: Sequence[str]) -> int:
    specs = _read(argv, None, _resource_words, _bare_names)
    if specs.failed:
        return 1
    wanted = specs.where.get("names", ())
    if not wanted:
        raise Stop(1, err=" Need name of resource to add.\n")
    values = {name: value for name, value in specs.set.items() if name != "allowed"}
    server = (specs.where.get("servers") or ("slurmdb",))[0]
    args = {
        "names": wanted,
        "server": server,
        "set": values,
        "clusters": specs.where.get("clusters", ()),
        "allowed": specs.set.get("allowed", 0),
    }
    try:
        result = session.call("add_resources", {**args, "commit": False})
    except SlurmError as error:
        if error.data.get("clusters"):
            return _too_much(session, error)
        raise _denied(error, " ") from None
    if not result["added"]:
        session.say(" Nothing new added.\n")
        return 1
    text = " Adding Resource(s)\n"
    for name, place, clusters in result["added"]:
        text += f"  {name}@{place}\n" + "".join(f"   Cluster - {cluster}\t{share}\n" for cluster, share in clusters)
    text += f" Settings\n  Name           = {wanted[0]}\n  Server         = {server}\n"
    text += f"  Description    = {values.get('description', wanted[0])}\n"
    if values.get("server_type"):
        text += f"  ServerType     = {values['server_type']}\n"
    if "count" in values:
        text += f"  Count          = {values['count']}\n"
    text += f"  Type           = {values.get('type', 'Unknown')}\n"
    session.say(text)
    return _commit(session, "add_resources", args, always=True)


def _too_much(session: Session, error: SlurmError) -> int:
    clusters: Any = error.data["clusters"]
    sys.stdout.flush()
    sys.stderr.write(line(NAME, error.message) + " If change was accepted it would look like this...\n")
    sys.stderr.write(f"  {error.data['name']}@{error.data['server']}\n")
    sys.stderr.write("".join(f"   Cluster - {cluster}\t {share}%\n" for cluster, share in clusters))
    sys.stderr.write(f"   total\t\t{sum(share for _, share in clusters)}%\n")
    return 1


def modify_resource(session: Session, argv: Sequence[str]) -> int:
    def where(word: Word, specs: Specs) -> bool:
        if find(("Server",), word.key) == "Server" and word.key.lower() != "servertype":
            specs.where["servers"] = names(word.value)
            return True
        return _RESOURCE_LISTS(word, specs, specs.where)

    specs = _read(argv, where, _resource_words, _bare_names)
    _need_changes(specs)
    values = {name: value for name, value in specs.set.items() if name != "allowed"}
    args = {"where": specs.where, "set": values, "allowed": specs.set.get("allowed")}
    try:
        result = _ask_first(session, "modify_resources", args)
    except SlurmError as error:
        if error.data.get("clusters"):
            return _too_much(session, error)
        raise
    if not result["changed"]:
        session.say(" Nothing modified\n")
        return 1
    session.say(" Modified server resource ...\n")
    for name, server, clusters in result["changed"]:
        session.say(f"  {name}@{server}\n")
        session.say("".join(f"  Cluster - {cluster}\t- {name}@{server}\n" for cluster, _ in clusters))
    return _commit(session, "modify_resources", args)


def delete_resource(session: Session, argv: Sequence[str]) -> int:
    specs = _read(argv, _resource_words, _resource_words, _bare_names)
    _need_conditions(specs)
    args = {"where": specs.where}
    result = _ask_first(session, "delete_resources", args)
    if not result["removed"]:
        session.say(" Nothing deleted\n")
        return 1
    session.say(" Deleting resource(s)...\n")
    for name, server, cluster in result["removed"]:
        session.say(f"  Cluster - {cluster}\t- {name}@{server}\n" if cluster else f"  {name}@{server}\n")
    return _commit(session, "delete_resources", args)


# ---- jobs


def modify_job(session: Session, argv: Sequence[str]) -> int:
    from .sacct_request import job_key

    def where(word: Word, specs: Specs) -> bool:
        keyword = find(("JobIDs", "Clusters", "EndTime", "StartTime", "Users", "WCKeys"), word.key)
        if keyword == "JobIDs":
            specs.where["jobs"] = tuple(job_key(one) for one in names(word.value))
        elif keyword == "Clusters":
            specs.where["clusters"] = names(word.value)
        elif keyword in ("EndTime", "StartTime"):
            from ..core.times import parse_time

            specs.where["end" if keyword == "EndTime" else "start"] = parse_time(word.value, session.now, past=True)
        elif keyword == "Users":
            from .sacctmgr_show import _uid

            specs.where["users"] = tuple(_uid(one) for one in names(word.value))
        elif keyword == "WCKeys":
            specs.where["wckeys"] = names(word.value)
        else:
            return False
        return True

    def change(word: Word, specs: Specs) -> bool:
        table = {
            "AdminComment": "admin_comment",
            "Comment": "comment",
            "DerivedExitCode": "derived_exit_code",
            "DerivedEC": "derived_exit_code",
            "Extra": "extra",
            "NewWCKey": "wckey",
            "SystemComment": "system_comment",
            "WCKey": "wckey",
        }
        keyword = find(table, word.key)
        if keyword is None:
            return False
        value: Any = word.value
        if table[keyword] == "derived_exit_code":
            if not word.value.isdecimal():
                raise BadValue(f"Invalid value for DerivedExitCode ({word.value})")
            value = (int(word.value) & 0xFF) << 8
        specs.set[table[keyword]] = value
        return True

    def bare(word: Word, specs: Specs) -> bool:
        specs.where["jobs"] = tuple(job_key(one) for one in names(word.value))
        return True

    # without «where» and «set» everything that can be a condition is one
    specs = Specs()
    setting = False
    for text in argv:
        if is_where(text) or is_set(text):
            setting = is_set(text)
            continue
        word = Word(text)
        known = (bool(word.key) and (change if setting else where)(word, specs)) or (not word.key and bare(word, specs))
        if not known:
            specs.unknown(word, "option" if setting else "condition", "where" if setting else "set", out=setting)
    if not specs.set:
        raise Stop(1, err=" You didn't give me anything to set\n")
    if specs.failed:
        return 1
    specs.where.setdefault("clusters", (str(session.cluster.conf.ClusterName).lower(),))
    args = {"where": specs.where, "set": specs.set}
    result = _ask_first(session, "modify_jobs", args)
    _nothing_changed(result, "jobs")
    from ..core.times import format_time

    rows = (f"  {number} submitted at {format_time(submit)}\n" for number, submit in result["jobs"])
    _say_list(session, " Modified jobs...\n", rows)
    return _commit(session, "modify_jobs", args)


# ---- what they share


def _need_changes(specs: Specs) -> None:
    if specs.failed:
        raise Stop(1)
    if not specs.set and not specs.limits:
        raise Stop(1, err=" You didn't give me anything to set\n")


def _need_conditions(specs: Specs) -> None:
    if specs.failed:
        raise Stop(1)
    if not any(specs.where.values()):
        raise Stop(1, err=" No conditions given to remove, not executing.\n")


def _say_list(session: Session, title: str, rows: Iterable[str]) -> None:
    text = "".join(rows)
    if text:
        session.say(title + text)


def _ask_first(session: Session, method: str, args: dict[str, Any]) -> Any:
    """What a change would do. An error ends the command in Slurm's words."""
    try:
        return session.call(method, {**args, "commit": False})
    except SlurmError as error:
        if error.data or error.name == "SLURM_COMMUNICATIONS_CONNECTION_ERROR":
            raise
        raise _denied(error, " Error with request: ") from None


def _denied(error: SlurmError, lead: str) -> Stop:
    if error.name == "SLURM_COMMUNICATIONS_CONNECTION_ERROR":
        raise error
    before = ""
    if error.name == "ESLURM_ACCESS_DENIED" and lead != " ":
        before = line(NAME, "Your user doesn't have privilege to perform this action")
    return Stop(1, err=f"{before}{lead}{error.message}\n")


def _nothing_changed(result: Mapping[str, Any], *lists: str) -> None:
    if not any(result[name] for name in lists):
        from ..core.errors import TABLE

        text = TABLE["SLURM_NO_CHANGE_IN_DATA"][1]
        raise Stop(1, err=line(NAME, "Request didn't affect anything") + f" Error with request: {text}\n")


def _delete(session: Session, method: str, args: dict[str, Any], what: str) -> Any:
    try:
        return session.call(method, {**args, "commit": False})
    except SlurmError as error:
        sys.stdout.flush()
        if error.name == "ESLURM_JOBS_RUNNING_ON_ASSOC" and error.data:
            text = f" Error with request: {error.standard}\n"
            jobs: Any = error.data["jobs"]
            for number, cluster, account, _, user, partition in jobs:
                text += f"  JobID = {number:<10} C = {cluster:<10} A = {account:<10}"
                text += (f" U = {user:<9}" if user else "") + (f" P = {partition}" if partition else "") + "\n"
            raise Stop(1, err=text) from None
        if error.name == "ESLURM_NO_REMOVE_DEFAULT_ACCOUNT" and error.data:
            text = f" Error with request: {error.standard}\n"
            assocs: Any = error.data["assocs"]
            text += "".join(f"  C = {one[0]:<15} A = {one[1]:<10} U = {one[3]:<9}\n" for one in assocs)
            if what == "account":
                text += " Please either remove the accounts listed above from list and resubmit,\n"
                text += " or change these users' default accounts to remove the account(s).\n"
            else:
                text += " You must change the default account of these users or remove the users completely from"
                text += " the affected clusters to allow these changes.\n"
            raise Stop(1, err=text + " Changes Discarded\n") from None
        raise _denied(error, " Error with request: ") from None


def _commit(
    session: Session, method: str, args: dict[str, Any], lead: str = " Error with request: ", always: bool = False
) -> int:
    """Asks, unless told not to, and makes the change. `always`: the request was not tried before."""
    if not session.immediate and not session.confirm():
        return 0
    try:
        session.call(method, {**args, "commit": True})
    except SlurmError as error:
        if error.name == "SLURM_COMMUNICATIONS_CONNECTION_ERROR":
            raise
        report_lead = lead if lead.strip() else " Error with request: "
        raise Stop(1, err=f"{report_lead}{error.message}\n") from None
    return 0


def tell(text: str) -> None:
    report(NAME, text)


ACTIONS: dict[tuple[str, str], Callable[[Session, Sequence[str]], int]] = {
    ("add", "Account"): add_account,
    ("add", "Cluster"): add_cluster,
    ("add", "Coordinator"): add_coordinator,
    ("add", "Federation"): add_federation,
    ("add", "QOS"): add_qos,
    ("add", "Resource"): add_resource,
    ("add", "User"): add_user,
    ("modify", "Account"): modify_account,
    ("modify", "Cluster"): modify_cluster,
    ("modify", "Federation"): modify_federation,
    ("modify", "Job"): modify_job,
    ("modify", "QOS"): modify_qos,
    ("modify", "Resource"): modify_resource,
    ("modify", "User"): modify_user,
    ("delete", "Account"): delete_account,
    ("delete", "Cluster"): delete_cluster,
    ("delete", "Coordinator"): delete_coordinator,
    ("delete", "Federation"): delete_federation,
    ("delete", "QOS"): delete_qos,
    ("delete", "Resource"): delete_resource,
    ("delete", "User"): delete_user,
}
