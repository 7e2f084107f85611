"""``sacctmgr add|modify|delete`` of resources, and of what is recorded of jobs."""

from __future__ import annotations

import sys

from ..core.errors import SlurmError
from .errors import Stop, line
from .sacctmgr_dialogue import (
    ask_first,
    bare_names,
    commit,
    denied,
    lists,
    need_changes,
    need_conditions,
    nothing_changed,
    read_specs,
    say_list,
)
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
    names,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .sacctmgr import Session


_RESOURCE_LISTS = lists({"Names": "names", "Clusters": "clusters"})


def _resource_words(word: Word, specs: Specs) -> bool:
    keyword = find(
        ("Allowed", "PercentAllowed", "Count", "Descriptions", "LastConsumed", "Server", "ServerType", "Type"), word.key
    )
    if keyword in ("Allowed", "PercentAllowed", "Count", "LastConsumed"):
        if not word.value.isdecimal():
            # the word is passed over, as in Slurm
            label = {"Count": "count", "PercentAllowed": "Allowed"}.get(keyword, keyword)
            bad_value(BadValue(f"Invalid value for {label} ({word.value})"), word)
            return True
        field = {"Count": "count", "LastConsumed": "last_consumed"}.get(keyword, "allowed")
        specs.set[field] = int(word.value)
    elif keyword == "Descriptions":
        specs.set["description"] = word.value.lower()
    elif keyword == "Server":
        specs.where["servers"] = names(word.value)
    elif keyword == "ServerType":
        specs.set["server_type"] = word.value.lower()
    elif keyword == "Type":
        if not "license".startswith(word.value.lower()) or not word.value:
            raise Fatal(f" Unknown resource type: '{word.value}'  Valid resources is License.")
        specs.set["type"] = "License"
    elif find(("Flags",), word.key):
        if word.value.lower() != "absolute":
            raise Fatal(
                f" Unknown Server Resource flag used in:\n  '{word.value}'\n"
                " Valid Server Resource flags are\n 'Absolute'"
            )
        specs.set["flags"] = () if word.sign == "-" else ("Absolute",)
    else:
        return _RESOURCE_LISTS(word, specs, specs.where)
    return True


def add_resource(session: Session, argv: Sequence[str]) -> int:
    specs = read_specs(argv, None, _resource_words, bare_names)
    if specs.failed:
        return 1
    wanted = specs.where.get("names", ())
    if not wanted:
        raise Stop(1, err=" Need name of resource to add.\n")
    if "count" not in specs.set:
        raise Stop(1, err=f" Need to designate a resource count to initially add '{wanted[0]}'.\n")
    known = {row[0] for row in session.query("clusters", {}, ("name",)).rows}
    for name in specs.where.get("clusters", ()):
        if name not in known:
            text = f" This cluster '{name}' doesn't exist.\n        Contact your admin to add it to accounting.\n"
            raise Stop(1, err=text + " Need a valid cluster name to add a cluster resource.\n")
    values = {name: value for name, value in specs.set.items() if name != "allowed"}
    server = (specs.where.get("servers") or ("slurmdb",))[0]
    args = {
        "names": wanted,
        "server": server,
        "set": values,
        "clusters": specs.where.get("clusters", ()),
        "allowed": specs.set.get("allowed", 0),
    }
    refused: SlurmError | None = None
    try:
        result = session.call("add_resources", {**args, "commit": False})
    except SlurmError as error:
        if not error.data.get("clusters"):
            raise denied(error, " ") from None
        refused = error
        shares = tuple((cluster, args["allowed"]) for cluster in args["clusters"])
        result = {"added": tuple((name, server, shares) for name in wanted)}
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
    if "flags" in values:
        text += f"  Flags          = {','.join(values['flags'])}\n"
    if "last_consumed" in values:
        text += f"  LastConsumed   = {values['last_consumed']}\n"
    text += f"  Type           = {values.get('type', 'Unknown')}\n"
    session.say(text)
    if refused is not None:
        sys.stdout.flush()
        raise Stop(1, err=f" Problem adding system resource: {refused.message}\n")
    return commit(session, "add_resources", args)


def _too_much(session: Session, error: SlurmError) -> int:
    clusters: Any = error.data["clusters"]
    sys.stdout.flush()
    sys.stderr.write(line(NAME, error.message) + " If change was accepted it would look like this...\n")
    sys.stderr.write(f"  {error.data['name']}@{error.data['server']}\n")
    sys.stderr.write("".join(f"   Cluster - {cluster}\t {share}{error.data['unit']}\n" for cluster, share in clusters))
    sys.stderr.write(f"   total\t\t{sum(share for _, share in clusters)}{error.data['unit']}\n")
    return 1


def modify_resource(session: Session, argv: Sequence[str]) -> int:
    def where(word: Word, specs: Specs) -> bool:
        if find(("Server",), word.key) == "Server" and word.key.lower() != "servertype":
            specs.where["servers"] = names(word.value)
            return True
        return _RESOURCE_LISTS(word, specs, specs.where)

    specs = read_specs(argv, where, _resource_words, bare_names)
    need_changes(specs)
    values = {name: value for name, value in specs.set.items() if name != "allowed"}
    args = {"where": specs.where, "set": values, "allowed": specs.set.get("allowed")}
    try:
        result = ask_first(session, "modify_resources", args)
    except SlurmError as error:
        if error.data.get("clusters"):
            return _too_much(session, error)
        raise
    if not result["changed"]:
        session.say(" Nothing modified\n")
        return 1
    session.say(" Modified server resource ...\n")
    for name, server, clusters in result["changed"]:
        if not specs.where.get("clusters"):
            session.say(f"  {name}@{server}\n")
        else:
            clusters = [one for one in clusters if one[0] in specs.where["clusters"]]
        session.say("".join(f"  Cluster - {cluster}\t- {name}@{server}\n" for cluster, _ in clusters))
    return commit(session, "modify_resources", args)


def delete_resource(session: Session, argv: Sequence[str]) -> int:
    specs = read_specs(argv, _resource_words, _resource_words, bare_names)
    need_conditions(specs)
    args = {"where": specs.where}
    result = ask_first(session, "delete_resources", args)
    if not result["removed"]:
        session.say(" Nothing deleted\n")
        return 1
    session.say(" Deleting resource(s)...\n")
    for name, server, cluster in result["removed"]:
        session.say(f"  Cluster - {cluster}\t- {name}@{server}\n" if cluster else f"  {name}@{server}\n")
    return commit(session, "delete_resources", args)


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
            from .sacctmgr_conditions import user_id_of

            specs.where["users"] = tuple(user_id_of(one) for one in names(word.value))
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
    result = ask_first(session, "modify_jobs", args)
    nothing_changed(result, "jobs")
    from ..core.times import format_time

    rows = (f"  {number} submitted at {format_time(submit)}\n" for number, submit in result["jobs"])
    say_list(session, " Modified jobs...\n", rows)
    return commit(session, "modify_jobs", args)
