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
    read_specs,
    say_list,
)
from .sacctmgr_words import (
    Specs,
    Word,
    find,
    names,
    read_assoc_limit,
    read_qos_limit,
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
    return commit(session, "add_qos", {"names": tuple(wanted), "set": specs.set}, " Problem adding QOS: ", always=True)


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
        return bare_names(word, specs)
    if find(("IDs",), word.key):
        specs.where["ids"] = tuple(int(one) for one in names(word.value) if one.isdecimal())
        return True
    if find(("Descriptions",), word.key):
        specs.where["descriptions"] = (word.value,)
        return True
    return False


def modify_qos(session: Session, argv: Sequence[str]) -> int:
    own = bare_words(argv) + tuple(
        name for text in argv if text.lower().startswith("name=") for name in names(text[5:])
    )

    def change(word: Word, specs: Specs) -> bool:
        return read_qos_limit(word, specs, session.known, own)

    specs = read_specs(argv, _qos_where, change, bare_names)
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
    result = ask_first(session, "delete_qos", args)
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
    return commit(session, "add_clusters", args, " Problem adding clusters: ", always=True)


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


_CLUSTER_WHERE = lists({"Names": "names", "Clusters": "names", "Federations": "federations"})


def _cluster_where(word: Word, specs: Specs) -> bool:
    return _CLUSTER_WHERE(word, specs, specs.where)


def modify_cluster(session: Session, argv: Sequence[str]) -> int:
    def change(word: Word, specs: Specs) -> bool:
        return _cluster_set(word, specs) or read_assoc_limit(word, specs, session.known)

    specs = read_specs(argv, _cluster_where, change, bare_names)
    need_changes(specs)
    args = {"where": specs.where, "set": specs.set, "limits": specs.limits}
    result = ask_first(session, "modify_clusters", args)
    if not result["names"]:
        session.say(" Nothing modified\n")
        return 1
    if specs.set:
        session.say(" Setting\n" + "".join(f"  {name.title():<14} = {v}\n" for name, v in specs.set.items()))
    say_list(session, " Modified cluster defaults for associations...\n" if specs.limits else " Modified cluster...\n",
              (f"  {name}\n" for name in result["names"]))  # fmt: skip
    return commit(session, "modify_clusters", args)


def delete_cluster(session: Session, argv: Sequence[str]) -> int:
    specs = read_specs(argv, _cluster_where, _cluster_where, bare_names)
    need_conditions(specs)
    args = {"where": specs.where}
    result = ask_first(session, "delete_clusters", args)
    return delete_names(session, "delete_clusters", args, result, " Deleting clusters...\n")


_FEDERATION_WORDS = lists({"Names": "names", "Federations": "names", "Clusters": "clusters"})


def _federation_where(word: Word, specs: Specs) -> bool:
    return _FEDERATION_WORDS(word, specs, specs.where)


def add_federation(session: Session, argv: Sequence[str]) -> int:
    specs = read_specs(argv, None, _federation_where, bare_names)
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
    code = commit(session, "add_federations", {"names": tuple(new)}, " Problem adding federation(s): ", always=True)
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

    specs = read_specs(argv, _federation_where, change, bare_names)
    need_changes(specs)
    wanted = specs.where.get("names", ())
    rows = list(session.query("federations", {"names": wanted}).dicts())
    if not rows or len(wanted) != 1:
        session.say(" Nothing modified\n")
        return 1
    sign, clusters = specs.set["clusters"]
    members = {row["cluster"] for row in rows if row["cluster"]}
    leaving = members - set(clusters) if sign == "=" else set(clusters) if sign == "-" else set()
    joining = () if sign == "-" else clusters
    say_list(session, " Modified federation...\n", (f"  {name}\n" for name in wanted))
    if not session.immediate and not session.confirm():
        return 0
    none = {"federation": "", "fed_id": 0, "fed_state": ""}
    if leaving:
        session.call("modify_clusters", {"where": {"names": tuple(leaving)}, "set": none})
    if joining:
        session.call("modify_clusters", {"where": {"names": tuple(joining)}, "set": {"federation": wanted[0]}})
    return 0


def delete_federation(session: Session, argv: Sequence[str]) -> int:
    specs = read_specs(argv, _federation_where, _federation_where, bare_names)
    need_conditions(specs)
    args = {"names": specs.where.get("names", ())}
    result = ask_first(session, "delete_federations", args)
    return delete_names(session, "delete_federations", args, result, " Deleting federations...\n")
