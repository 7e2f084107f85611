"""What adding, modifying and deleting share: reading SPECS, the question, the sentences, errors."""

from __future__ import annotations

import sys

from ..core.errors import SlurmError
from .errors import Stop, line
from .sacctmgr_words import (
    NAME,
    BadValue,
    Fatal,
    Specs,
    Word,
    bad_value,
    find,
    is_set,
    is_where,
    joined,
    names,
    stop,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from .sacctmgr import Session

    Reader = Callable[[Word, Specs], bool]


def told(assoc: Sequence[Any], width: int = 20) -> str:
    """``C = ref        A = physics              U = anna      P = long``; an account's own tells its parent.

    No parent at all (None): an account that takes a changed limit from above.
    """
    cluster, account, parent, user, partition = assoc
    if not user and parent is None:
        return f"  C = {cluster:<10} A = {account:<{width}}\n"
    if not user:
        return f"  C = {cluster:<10} A = {account}" + (f" of {parent}" if parent else "") + "\n"
    text = f"  C = {cluster:<10} A = {account:<{width}} U = {user:<9}"
    return text + (f" P = {partition}\n" if partition else "\n")


def read_specs(
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
            bad_value(error, word)
            known = False
        except Fatal as error:
            raise stop(error, word, out="Unknown QOS flag" in str(error)) from None
        if not known:
            hint = "where" if setting else "set"
            specs.unknown(word, "option" if setting else "condition", hint, out=out and setting)
    return specs


def lists(table: Mapping[str, str]) -> Callable[[Word, Specs, dict[str, Any]], bool]:
    """A reader of conditions that are lists of names."""

    def read(word: Word, specs: Specs, into: dict[str, Any]) -> bool:
        keyword = find(table, word.key)
        if keyword is None:
            return False
        name = table[keyword]
        into[name] = joined(into.get(name, ()), names(word.value))
        return True

    return read


def bare_names(word: Word, specs: Specs) -> bool:
    specs.where["names"] = joined(specs.where.get("names", ()), names(word.value))
    return True


#: errors of the connection, not of what was asked
NO_ANSWER = ("SLURM_COMMUNICATIONS_CONNECTION_ERROR", "SLURM_PROTOCOL_AUTHENTICATION_ERROR")


def add_with_text(session: Session, method: str, args: dict[str, Any]) -> int:
    """Adding that slurmdbd tells of in its own words."""
    try:
        result = session.call(method, {**args, "commit": session.immediate})
    except SlurmError as error:
        if error.name in NO_ANSWER:
            raise
        text = error.message
        raise Stop(1, err=f" error: {text}\n") from None
    text = result["text"]
    before, existing, rest = text.partition("Already existing")
    if existing and "Associations =" not in before:
        text = f"{before} {existing}{rest}"  # the blank stands before the first line of a text, as in Slurm
    if not result["added"]:
        session.say(text or " Nothing new added.\n")
        return 1
    session.say(text)
    if not session.immediate:
        if not session.confirm():
            return 0
        session.call(method, {**args, "commit": True})
    return 0


def bare_words(argv: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for text in argv if "=" not in text for name in names(text))


def delete_names(session: Session, method: str, args: dict[str, Any], result: Mapping[str, Any], title: str) -> int:
    if not result["names"]:
        session.say(" Nothing deleted\n")
        return 1
    say_list(session, title, (f"  {name}\n" for name in result["names"]))
    return commit(session, method, args)


def read_raw_usage(word: Word, specs: Specs) -> bool:
    """RawUsage, which can only be set to nothing. Raises Fatal for any other value."""
    if not (len(word.key) > 3 and "rawusage".startswith(word.key.lower())):
        return False
    if word.value != "0":
        raise Fatal("Raw usage can only be set to 0 (zero)", program=True)
    specs.set["raw_usage"] = 0
    return True


def reset_usage(session: Session, specs: Specs, need_account: bool, kind: str = "assoc") -> int:
    """Sets the used resources, as fair share and the limits of groups count them, to nothing: at the cluster's
    slurmctld, at once."""
    if specs.failed:
        raise Stop(1)
    own = str(session.cluster.conf.ClusterName).lower()
    where = dict(specs.where)
    if need_account and not where.get("accounts"):
        raise Stop(1, err=line(NAME, "An account must be specified"))
    if not where.get("clusters"):
        session.say(f"No cluster specified, resetting on local cluster {own}\n")
    for cluster in where.get("clusters") or (own,):
        if cluster != own:
            raise Stop(1, err=line(NAME, f"raw usage can only be reset on this cluster ({own}), not on {cluster}"))
    if kind == "qos":
        args: dict[str, Any] = {"qos": where.get("names", ())}
    elif need_account:
        args = {
            "accounts": where["accounts"],
            "users": where.get("names", ()),
            "partitions": where.get("partitions", ()),
        }
    else:
        args = {"accounts": where.get("names", ()), "users": where.get("users", ())}
    if not session.immediate and not session.confirm("Would you like to reset usage?"):
        return 0
    try:
        session.cluster.call("reset_usage", args)
    except SlurmError as error:
        raise denied(error, " Error with request: ") from None
    return 0


def need_changes(specs: Specs) -> None:
    if specs.failed:
        raise Stop(1)
    if not specs.set and not specs.limits:
        raise Stop(1, err=" You didn't give me anything to set\n")


def need_conditions(specs: Specs) -> None:
    if specs.failed:
        raise Stop(1)
    if not any(specs.where.values()):
        raise Stop(1, err=" No conditions given to remove, not executing.\n")


def say_list(session: Session, title: str, rows: Iterable[str]) -> None:
    text = "".join(rows)
    if text:
        session.say(title + text)


def ask_first(session: Session, method: str, args: dict[str, Any]) -> Any:
    """What a change would do. An error ends the command in Slurm's words."""
    try:
        return session.call(method, {**args, "commit": False})
    except SlurmError as error:
        if (error.data and "reason" not in error.data) or error.name in NO_ANSWER:
            raise
        raise denied(error, " Error with request: ") from None


def denied(error: SlurmError, lead: str) -> Stop:
    if error.name in NO_ANSWER:
        raise error
    before = ""
    if error.name == "ESLURM_ACCESS_DENIED" and lead != " ":
        why = (error.data or {}).get("reason") or "Your user doesn't have privilege to perform this action"
        before = line(NAME, str(why))
    if error.name == "SLURM_NO_CHANGE_IN_DATA" and lead != " ":
        before = line(NAME, "Request didn't affect anything")
    return Stop(1, err=f"{before}{lead}{error.message}\n")


def nothing_changed(result: Mapping[str, Any], *lists: str) -> None:
    if not any(result[name] for name in lists):
        from ..core.errors import TABLE

        text = TABLE["SLURM_NO_CHANGE_IN_DATA"][1]
        raise Stop(1, err=line(NAME, "Request didn't affect anything") + f" Error with request: {text}\n")


def try_delete(session: Session, method: str, args: dict[str, Any], what: str) -> Any:
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
        if error.name == "ESLURM_NO_REMOVE_DEFAULT_QOS" and error.data:
            text = " Associations listed below have these as their Default QOS.\n"
            refused: Any = error.data["assocs"]
            for name, cluster, account, _, user, partition in refused:
                text += f"  DefQOS = {name:<10} C = {cluster:<10} A = {account:<20}"
                text += (f" U = {user:<9}" if user else "") + (f" P = {partition}" if partition else "") + "\n"
            text += " Please either remove the qos' listed above from list and resubmit,\n"
            text += " or change the default qos to remove the qos.\n"
            raise Stop(1, err=text + " Changes Discarded\n") from None
        raise denied(error, " Error with request: ") from None


def commit(session: Session, method: str, args: dict[str, Any], lead: str = " Error with request: ") -> int:
    """Asks, unless told not to, and makes the change."""
    if not session.immediate and not session.confirm():
        return 0
    try:
        session.call(method, {**args, "commit": True})
    except SlurmError as error:
        if error.name in NO_ANSWER:
            raise
        report_lead = lead if lead.strip() else " Error with request: "
        raise Stop(1, err=f"{report_lead}{error.message}\n") from None
    return 0
