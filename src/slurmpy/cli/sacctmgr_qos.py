"""``sacctmgr add|modify|delete`` of QOS, clusters and federations."""

from __future__ import annotations

from .errors import Stop
from .sacctmgr_dialogue import (
    ask_first,
    bare_names,
    bare_words,
    commit,
    delete_names,
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
    Fatal,
    Specs,
    Word,
    find,
    names,
    read_assoc_limit,
    read_qos_limit,
    values,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from .sacctmgr import Session


def add_qos(session: Session, argv: Sequence[str]) -> int:
    own = bare_words(argv)

    def change(word: Word, specs: Specs) -> bool:
        if find(("Names", "QOSLevel"), word.key):
            return bare_names(word, specs)
        return read_qos_limit(word, specs, session.known, own)

    specs = read_specs(argv, None, change, bare_names, out=True)
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
    return commit(session, "add_qos", {"names": tuple(wanted), "set": specs.set}, " Problem adding QOS: ")


def qos_settings(changes: Mapping[str, Any], name: str) -> list[str]:
    """What is told of a QOS that is added, in Slurm's order."""
    from ..accounting.limits import tres_limits
    from ..core import times

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
            text = tres_limits(value)
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
        return bare_names(word, specs)
    if find(("IDs",), word.key):
        specs.where["ids"] = tuple(int(one) for one in names(word.value) if one.isdecimal())
        return True
    if find(("Descriptions",), word.key):
        specs.where["descriptions"] = (word.value.lower(),)
        return True
    return False


def modify_qos(session: Session, argv: Sequence[str]) -> int:
    own = bare_words(argv) + tuple(
        name for text in argv if text.lower().startswith("name=") for name in names(text[5:])
    )

    def change(word: Word, specs: Specs) -> bool:
        return read_raw_usage(word, specs) or read_qos_limit(word, specs, session.known, own)

    specs = read_specs(argv, _qos_where, change, bare_names)
    if "raw_usage" in specs.set:
        return reset_usage(session, specs, need_account=False, kind="qos")
    need_changes(specs)
    args = {"where": specs.where, "set": specs.set}
    result = ask_first(session, "modify_qos", args)
    if not result["names"]:
        session.say(" Nothing modified\n")
        return 1
    say_list(session, " Modified qos...\n", (f"  {name}\n" for name in result["names"]))
    return commit(session, "modify_qos", args)


def delete_qos(session: Session, argv: Sequence[str]) -> int:
    specs = read_specs(argv, _qos_where, _qos_where, bare_names)
    need_conditions(specs)
    args = {"where": specs.where}
    result = try_delete(session, "delete_qos", args, "qos")
    return delete_names(session, "delete_qos", args, result, " Deleting QOS(s)...\n")


def add_cluster(session: Session, argv: Sequence[str]) -> int:
    def change(word: Word, specs: Specs) -> bool:
        if find(("Names", "Clusters"), word.key):
            return bare_names(word, specs)
        return _cluster_set(word, specs) or read_assoc_limit(word, specs, session.known)

    specs = read_specs(argv, None, change, bare_names)
    if specs.failed:
        return 1
    wanted = specs.where.get("names", ())
    if not wanted:
        raise Stop(1, err=" Need name of cluster to add.\n")
    _known_federation(session, specs)
    known = {row[0] for row in session.query("clusters", {}, ("name",)).rows}
    for name in wanted:
        if name in known:
            session.say(f" This cluster {name} already exists.  Not adding.\n")
    new = [name for name in wanted if name not in known]
    if not new:
        return 1
    session.say(" Adding Cluster(s)\n" + "".join(f"  Name           = {name}\n" for name in new))
    session.say(_cluster_settings(specs))
    args = {"names": tuple(new), "set": specs.set, "limits": specs.limits}
    return commit(session, "add_clusters", args, " Problem adding clusters: ")


def _limit_settings(limits: Mapping[str, Any]) -> list[str]:
    from ..accounting.limits import settings

    return settings(limits)


#: what a cluster is for
_CLASSIFICATIONS = ("Capability", "Capacity", "Capapacity")
FED_STATES = ("ACTIVE", "INACTIVE", "DRAIN", "DRAIN+REMOVE")


def _cluster_set(word: Word, specs: Specs) -> bool:
    keyword = find(("Classification", "Federation", "Features", "FedState"), word.key)
    if keyword is None:
        return False
    if keyword == "Classification":
        # what is no class is passed over, as in Slurm
        if word.value and (found := find(_CLASSIFICATIONS, word.value)):
            specs.set["classification"] = found
    elif keyword == "Federation":
        specs.set["federation"] = word.value.lower()
    elif keyword == "Features":
        specs.set["features"] = (word.sign or "=", values(word.value))
    else:
        state = word.value.upper()
        if state not in FED_STATES:
            raise Fatal(f"Invalid FedState {word.value}.")
        specs.set["fed_state"] = state
    return True


def _cluster_settings(specs: Specs) -> str:
    """What is told of a cluster's changes, in Slurm's order."""
    text = ""
    if "classification" in specs.set:
        text += f"  Classification = {specs.set['classification']}\n"
    if "features" in specs.set:
        sign, features = specs.set["features"]
        operator = sign if sign == "=" else f"{sign}="
        if features:
            blanks = "       " if sign == "=" else "     "
            text += "".join(f"  Feature{blanks}{operator} {name}\n" for name in features)
        else:
            text += f"  Feature     {operator} \n"
    if "federation" in specs.set:
        text += f"  Federation     = {specs.set['federation']}\n"
    if "fed_state" in specs.set:
        text += f"  FedState       = {specs.set['fed_state']}\n"
    rows = _limit_settings(specs.limits)
    if rows:
        text += "  Default Limits:\n" + "".join(f"{row}\n" for row in rows)
    return f" Setting\n{text}" if text else ""


def _known_federation(session: Session, specs: Specs, code: int = 1) -> None:
    """Raises Stop for a federation that there is not."""
    name = specs.set.get("federation")
    if name and not session.query("federations", {"names": (name,)}, ("federation",)).rows:
        raise Stop(code, err=f" The federation {name} doesn't exist.\n")


_CLUSTER_WHERE = lists(
    {"Names": "names", "Clusters": "names", "Federations": "federations", "Classification": "classifications"}
)


def _cluster_where(word: Word, specs: Specs) -> bool:
    return _CLUSTER_WHERE(word, specs, specs.where)


def modify_cluster(session: Session, argv: Sequence[str]) -> int:
    def change(word: Word, specs: Specs) -> bool:
        return _cluster_set(word, specs) or read_assoc_limit(word, specs, session.known)

    specs = read_specs(argv, _cluster_where, change, bare_names)
    need_changes(specs)
    args = {"where": specs.where, "set": specs.set, "limits": specs.limits}
    _known_federation(session, specs, code=0)
    result = ask_first(session, "modify_clusters", args)
    session.say(_cluster_settings(specs))
    nothing_changed(result, "names")
    if specs.set:
        say_list(session, " Modified cluster...\n", (f"  {name}\n" for name in result["names"]))
    title = " Modified cluster defaults for associations...\n"
    say_list(session, title, (told(one) for one in result["assocs"]))
    return commit(session, "modify_clusters", args)


def delete_cluster(session: Session, argv: Sequence[str]) -> int:
    specs = read_specs(argv, _cluster_where, _cluster_where, bare_names)
    need_conditions(specs)
    args = {"where": specs.where}
    result = try_delete(session, "delete_clusters", args, "cluster")
    return delete_names(session, "delete_clusters", args, result, " Deleting clusters...\n")


_FEDERATION_WORDS = lists({"Names": "names", "Federations": "names", "Clusters": "clusters"})


def _federation_where(word: Word, specs: Specs) -> bool:
    return _FEDERATION_WORDS(word, specs, specs.where)


def _clusters_of(session: Session, wanted: Sequence[str]) -> dict[str, str]:
    """The federation of each cluster. Raises Stop for a cluster that there is not."""
    known = dict(session.query("clusters", {}, ("name", "federation")).rows)
    for name in wanted:
        if name not in known:
            raise Stop(1, err=f" The cluster {name} doesn't exist. Please add first.\n")
    return known


def _federation_change(word: Word, specs: Specs) -> bool:
    if not find(("Clusters",), word.key):
        return False
    specs.set["clusters"] = (word.sign or "=", names(word.value))
    return True


def _clusters_told(sign: str, clusters: Sequence[str]) -> str:
    head = "  Cluster       =" if sign == "=" else f"  Cluster      {sign}="
    return "".join(f"{head} {name}\n" for name in clusters)


def add_federation(session: Session, argv: Sequence[str]) -> int:
    def change(word: Word, specs: Specs) -> bool:
        if find(("Names", "Federations"), word.key):
            return bare_names(word, specs)
        return _federation_change(word, specs)

    specs = read_specs(argv, None, change, bare_names)
    if specs.failed:
        return 1
    wanted = specs.where.get("names", ())
    if not wanted:
        raise Stop(1, err=" Need name of federation to add.\n")
    sign, clusters = specs.set.get("clusters", ("=", ()))
    joined_to = _clusters_of(session, clusters)
    for name in clusters:
        if joined_to[name]:
            session.say(f" The cluster {name} is assigned to federation {joined_to[name]}\n")
    known = {row[0] for row in session.query("federations", {}, ("federation",)).rows}
    for name in wanted:
        if name in known:
            session.say(f" This federation {name} already exists.  Not adding.\n")
    new = [name for name in wanted if name not in known]
    if not new:
        return 1
    session.say(" Adding Federation(s)\n" + "".join(f"  {name}\n" for name in new))
    if clusters:
        session.say(" Settings\n" + _clusters_told(sign, clusters))
    args = {"names": tuple(new), "clusters": clusters}
    return commit(session, "add_federations", args, " Problem adding federation(s): ")


def modify_federation(session: Session, argv: Sequence[str]) -> int:
    specs = read_specs(argv, _federation_where, _federation_change, bare_names)
    need_changes(specs)
    wanted = specs.where.get("names", ())
    known = {row[0] for row in session.query("federations", {}, ("federation",)).rows}
    for name in wanted:
        if name not in known:
            raise Stop(1, err=f" The federation {name} doesn't exist.\n")
    if len(wanted) != 1:
        raise Stop(1, err=" One federation has to be named: a cluster is in no more than one.\n")
    sign, clusters = specs.set["clusters"]
    joined_to = _clusters_of(session, clusters)
    members = {name for name, federation in joined_to.items() if federation == wanted[0]}
    changing = []
    for name in clusters:
        if sign == "-" and name not in members:
            session.say(f" The cluster {name} isn't assigned to federation {wanted[0]}\n")
        elif sign == "+" and name in members:
            session.say(f" The cluster {name} is already assigned to federation {wanted[0]}\n")
        else:
            if sign != "-" and joined_to[name] and joined_to[name] != wanted[0]:
                session.say(f" The cluster {name} is assigned to federation {joined_to[name]}\n")
            changing.append(name)
    leaving = members - set(clusters) if sign == "=" else set(changing) if sign == "-" else set()
    joining = [] if sign == "-" else [name for name in changing if name not in members]
    if not leaving and not joining:
        raise Stop(1, err="Nothing to change\n")
    session.say(" Setting\n" + _clusters_told(sign, changing))
    session.say(f" Modified federation...\n  {wanted[0]}\n")
    args = {"name": wanted[0], "leave": tuple(sorted(leaving)), "join": tuple(joining)}
    return commit(session, "modify_federations", args)


def delete_federation(session: Session, argv: Sequence[str]) -> int:
    specs = read_specs(argv, _federation_where, _federation_where, bare_names)
    need_conditions(specs)
    if not specs.where.get("names"):
        raise Stop(1, err="problem with delete request.  Nothing given to delete.\n")
    args = {"names": specs.where["names"]}
    result = ask_first(session, "delete_federations", args)
    return delete_names(session, "delete_federations", args, result, " Deleting federations...\n")
