"""``sacctmgr show``: conditions and formats of each list, rows from slurmdbd, lines."""

from __future__ import annotations

import time

from ..core.errors import SlurmError
from .errors import Stop, line
from .sacctmgr_words import NAME, Fatal, Specs, Word, admin_level, bad_value, find, is_set, is_where, names, values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from .sacctmgr import Session

    Row = dict[str, Any]

SYSTEM_CONF = "/etc/slurm/slurm.conf"

#: entity: keyword of a condition -> (filter, kind of its value)
CONDITIONS: dict[str, dict[str, tuple[str, str]]] = {
    "account": {
        "Accounts": ("names", "names"),
        "Names": ("names", "names"),
        "Clusters": ("clusters", "names"),
        "Descriptions": ("descriptions", "values"),
        "Organizations": ("organizations", "values"),
        "Parents": ("parents", "names"),
        "Flags": ("flags", "values"),
    },
    "association": {
        "Accounts": ("accounts", "names"),
        "Clusters": ("clusters", "names"),
        "DefaultQOS": ("default_qos", "qos"),
        "IDs": ("ids", "ids"),
        "Associations": ("ids", "ids"),
        "Names": ("users", "names"),
        "Users": ("users", "names"),
        "Parents": ("parents", "names"),
        "Partitions": ("partitions", "names"),
        "QosLevel": ("qos", "qos"),
        "Flags": ("flags", "values"),
    },
    "cluster": {
        "Names": ("names", "names"),
        "Clusters": ("names", "names"),
        "Classification": ("classifications", "values"),
        "Federations": ("federations", "names"),
        "Flags": ("flags", "values"),
        "RPCVersions": ("rpc_versions", "ids"),
    },
    "event": {
        "Clusters": ("clusters", "names"),
        "CondFlags": ("condition_flags", "values"),
        "End": ("end", "time"),
        "Events": ("events", "values"),
        "Nodes": ("nodes", "nodes"),
        "Reason": ("reasons", "values"),
        "Start": ("start", "time"),
        "States": ("states", "states"),
        "Users": ("users", "uids"),
    },
    "federation": {"Names": ("names", "names"), "Federations": ("names", "names"), "Clusters": ("clusters", "names")},
    "instance": {
        "Clusters": ("clusters", "names"),
        "End": ("end", "time"),
        "Extra": ("extras", "values"),
        "InstanceId": ("instance_ids", "values"),
        "InstanceType": ("instance_types", "values"),
        "Nodes": ("nodes", "nodes"),
        "Start": ("start", "time"),
    },
    "problem": {"Accounts": ("accounts", "names"), "Clusters": ("clusters", "names"), "Users": ("users", "names")},
    "qos": {
        "Names": ("names", "names"),
        "QOSLevel": ("names", "names"),
        "Descriptions": ("descriptions", "values"),
        "IDs": ("ids", "ids"),
        "PreemptMode": ("preempt_modes", "values"),
    },
    "reservation": {
        "Clusters": ("clusters", "names"),
        "End": ("end", "time"),
        "IDs": ("ids", "ids"),
        "Names": ("names", "values"),
        "Nodes": ("nodes", "nodes"),
        "Start": ("start", "time"),
    },
    "resource": {
        "Names": ("names", "names"),
        "Clusters": ("clusters", "names"),
        "Descriptions": ("descriptions", "values"),
        "Flags": ("flags", "values"),
        "IDs": ("ids", "ids"),
        "Servers": ("servers", "names"),
        "ServerType": ("server_types", "values"),
        "Type": ("types", "values"),
    },
    "runawayjobs": {"Clusters": ("clusters", "names")},
    "transaction": {
        "Accounts": ("accounts", "names"),
        "Action": ("actions", "actions"),
        "Actors": ("actors", "names"),
        "Clusters": ("clusters", "names"),
        "End": ("end", "time"),
        "IDs": ("ids", "ids"),
        "Info": ("infos", "values"),
        "Start": ("start", "time"),
        "Users": ("users", "names"),
        "Where": ("wheres", "values"),
    },
    "tres": {"IDs": ("ids", "ids"), "Names": ("names", "names"), "Type": ("types", "names")},
    "user": {
        "Names": ("names", "names"),
        "Users": ("names", "names"),
        "Accounts": ("accounts", "names"),
        "AdminLevel": ("admin_levels", "admin"),
        "Clusters": ("clusters", "names"),
        "DefaultAccount": ("default_accounts", "names"),
        "DefaultWCKey": ("default_wckeys", "names"),
        "Partitions": ("partitions", "names"),
        "QosLevel": ("qos", "qos"),
        "Flags": ("flags", "values"),
    },
    "wckey": {
        "Names": ("names", "names"),
        "WCKeys": ("names", "names"),
        "Clusters": ("clusters", "names"),
        "End": ("end", "time"),
        "IDs": ("ids", "ids"),
        "Start": ("start", "time"),
        "Users": ("users", "names"),
    },
}
#: entity: words without a value that change the list
FLAGS: dict[str, tuple[str, ...]] = {
    "account": ("WithAssoc", "WithCoordinators", "WithDeleted", "WithRawQOS", "WOPInfo", "WOPLimits"),
    "association": (
        "OnlyDefaults", "Tree", "WithDeleted", "WithRawQOSLevel", "WithSubAccounts", "WOLimits", "WOPInfo", "WOPLimits",
    ),
    "cluster": ("WithDeleted", "WithFed", "WOLimits"),
    "event": ("All_Clusters", "All_Time"),
    "federation": ("Tree", "WithDeleted"),
    "instance": (),
    "problem": (),
    "qos": ("WithDeleted",),
    "reservation": (),
    "resource": ("WithClusters", "WithDeleted"),
    "runawayjobs": (),
    "transaction": ("WithAssoc",),
    "tres": ("WithDeleted",),
    "user": ("WithAssoc", "WithCoordinators", "WithDeleted", "WithRawQOS", "WOPInfo", "WOPLimits"),
    "wckey": ("WithDeleted",),
}  # fmt: skip
#: where a bare word goes: the filter; entities that are not here have none
BARE: dict[str, tuple[str, str]] = {
    "account": ("names", "names"),
    "association": ("ids", "ids"),
    "cluster": ("names", "names"),
    "event": ("events", "values"),
    "federation": ("names", "names"),
    "problem": ("accounts", "names"),
    "qos": ("names", "names"),
    "resource": ("names", "names"),
    "runawayjobs": ("clusters", "names"),
    "transaction": ("ids", "ids"),
    "tres": ("names", "names"),
    "user": ("names", "names"),
    "wckey": ("names", "names"),
}
#: lists of records that JSON and YAML have, as documents of that kind
DOCUMENTS = {
    "account": "accounts",
    "association": "associations",
    "cluster": "clusters",
    "instance": "instances",
    "qos": "qos",
    "tres": "tres",
    "user": "users",
    "wckey": "wckeys",
}
#: entity: slurmdbd's list
LISTS = {
    "account": "accounts",
    "association": "associations",
    "cluster": "clusters",
    "event": "events",
    "federation": "federations",
    "instance": "instances",
    "problem": "problems",
    "qos": "qos",
    "reservation": "reservations",
    "resource": "resources",
    "transaction": "transactions",
    "tres": "tres",
    "user": "users",
    "wckey": "wckeys",
}


def show(session: Session, entity: str, argv: Sequence[str]) -> int:
    """Prints a list; returns the exit code."""
    if entity == "stats":
        return _stats(session)
    if entity == "configuration":
        return _configuration(session)
    specs = read(session, entity, argv)
    if specs.failed:
        return 1
    if session.associations and entity in ("account", "user"):
        specs.flags.add("WithAssoc")
    from ..format import sacctmgr_fields

    try:
        columns = sacctmgr_fields.parse(entity, specs.format or _default_format(entity, specs))
    except sacctmgr_fields.UnknownField as error:
        raise Stop(1, err=f"Unknown field '{str(error).lower()}'\n") from None
    if entity == "runawayjobs":
        return _runaway(session, specs, columns)
    if session.encoding and entity in DOCUMENTS:
        return _document(session, entity, specs)
    rows = _rows(session, entity, specs)
    if "Tree" in specs.flags and entity == "association":
        columns = [
            sacctmgr_fields.Column(one.name, one.header, -20, sacctmgr_fields._tree_account)
            if one.name == "Account"
            else one
            for one in columns
        ]
    session.write(
        "".join(sacctmgr_fields.render(columns, rows, session.separator, session.trailing, header=not session.noheader))
    )
    return 0


def _default_format(entity: str, specs: Specs) -> str:
    from ..format.sacctmgr_fields import DEFAULTS, WITH_ASSOC, WITH_FEDERATION

    if entity == "association" and "WOLimits" in specs.flags:
        return DEFAULTS["association wolimits"]
    if entity == "resource" and "WithClusters" in specs.flags:
        return DEFAULTS["resource clusters"]
    text = DEFAULTS[entity]
    if "WithCoordinators" in specs.flags:
        text += ",Coordinators"
    if "WithAssoc" in specs.flags:
        text += WITH_ASSOC[entity]
    if "WithFed" in specs.flags:
        text += WITH_FEDERATION
    return text


# ---- reading SPECS


def read(session: Session, entity: str, argv: Sequence[str]) -> Specs:
    """The conditions, flags and format of a list. Words that are none are told of (``failed``)."""
    specs = Specs()
    for text in argv:
        if is_where(text) or is_set(text):
            continue
        word = Word(text)
        try:
            _read_word(session, entity, word, specs)
        except Fatal as error:
            from .sacctmgr_words import stop

            raise stop(error, word) from None
    return specs


def _read_word(session: Session, entity: str, word: Word, specs: Specs) -> None:
    from .sacctmgr_words import BadValue

    if not word.key:
        flag = _flag(entity, word.value)
        if flag is not None:
            specs.flags.add(flag)
            return
        if entity not in BARE:
            hint = "" if entity == "instance" else "set"
            specs.unknown(word, "condition", hint)
            return
        name, kind = BARE[entity]
    else:
        if word.key.lower() in ("format", "fields") or (len(word.key) > 2 and "format".startswith(word.key.lower())):
            specs.format = f"{specs.format},{word.value}".strip(",")
            return
        keyword = find(CONDITIONS[entity], word.key)
        if keyword is None:
            specs.unknown(word, "condition", "set")
            return
        name, kind = CONDITIONS[entity][keyword]
    try:
        value = _value(session, kind, word, entity)
    except BadValue as error:
        bad_value(error)
        specs.failed = True
        return
    if isinstance(value, tuple):
        specs.where[name] = (*specs.where.get(name, ()), *value)
    else:
        specs.where[name] = value
    specs.conditions += 1


def _flag(entity: str, text: str) -> str | None:
    wanted = text.lower()
    for flag in FLAGS[entity]:
        if flag.lower() == wanted or (len(wanted) > 4 and flag.lower().startswith(wanted)):
            return flag
    return "Tree" if wanted == "tree" and "Tree" in FLAGS[entity] else None


def _value(session: Session, kind: str, word: Word, entity: str) -> Any:
    from .sacctmgr_words import BadValue, qos_names

    text = word.value
    if kind == "names":
        return names(text)
    if kind == "values":
        found = values(text)
        if (entity == "event" and word.key == "") or word.key.lower().startswith("event"):
            for one in found:
                if one.lower() not in ("cluster", "node"):
                    raise Fatal(f" Unknown event type: '{one}'  Valid events are Cluster and Node.")
        return found
    if kind == "ids":
        numbers = []
        for one in values(text):
            if not one.isdecimal():
                label = {"association": "AssocId", "qos": "QOS id"}.get(entity, "ID")
                raise BadValue(f"Invalid value for {label} ({one})")
            numbers.append(int(one))
        return tuple(numbers)
    if kind == "qos":
        return qos_names(text, session.known)
    if kind == "admin":
        level = admin_level(text)
        return (level,) if level else ()
    if kind == "time":
        from ..core.times import parse_time

        try:
            return parse_time(text, session.now, past=True)
        except ValueError as error:
            raise Fatal(str(error)) from None
    if kind == "nodes":
        from ..core import hostlist

        try:
            return tuple(hostlist.expand(text))
        except SlurmError as error:
            raise BadValue(error.message) from None
    if kind == "uids":
        return tuple(_uid(one) for one in values(text))
    if kind == "states":
        return tuple(_node_state(one) for one in values(text))
    return values(text)  # actions


def _uid(text: str) -> int:
    import pwd

    from .sacctmgr_words import BadValue

    if text.isdecimal():
        return int(text)
    try:
        return pwd.getpwnam(text).pw_uid
    except KeyError:
        raise BadValue(f"Invalid user id: {text}") from None


def _node_state(text: str) -> int:
    from ..core.states import NodeState
    from .sacctmgr_words import BadValue

    wanted = text.upper()
    for number, name in NodeState.NAMES.items():
        if name.startswith(wanted):
            return number
    if "DRAIN".startswith(wanted):
        return NodeState.DRAIN
    if "FAIL".startswith(wanted):
        return NodeState.FAIL
    raise BadValue(f"Invalid node state: {text}")


# ---- rows


def _rows(session: Session, entity: str, specs: Specs) -> Iterable[Row]:
    where = dict(specs.where)
    if entity == "event":
        _event_conditions(where, specs)
    if entity == "association":
        where |= _assoc_flags(specs)
    if entity == "reservation" and not specs.format:
        # what is there now; a list with a format of its own is one of everything, as in Slurm
        where.setdefault("start", session.now)
        where.setdefault("end", session.now)
    if entity == "transaction":
        mentions = [*where.pop("users", ()), *where.pop("accounts", ())]
        if mentions:
            where["mentions"] = tuple(f"'{name}'" for name in mentions)
    answer = session.query(LISTS[entity], where)
    rows = list(answer.dicts())
    if entity == "association":
        _complete_assocs(session, rows, tree="Tree" in specs.flags)
    elif entity in ("account", "user"):
        if "WithCoordinators" not in specs.flags:
            for row in rows:
                row["coordinators"] = ()
        if "WithAssoc" in specs.flags:
            return _with_assocs(session, entity, rows, specs)
    elif entity == "cluster":
        for row in rows:
            root = row.pop("root", {})
            row.update({name: value for name, value in root.items() if name not in row})
            row["qos"] = root.get("qos", ())
            row.setdefault("shares_raw", 1)
        _qos_ids(session, rows)
    elif entity == "resource" and "WithClusters" in specs.flags:
        return [{**row, "cluster": cluster, "allowed": share} for row in rows for cluster, share in row["clusters"]]
    elif entity == "resource":
        for row in rows:
            row["type"] = row["type"] if row["type"] != "Unknown" else "License"
    elif entity == "event":
        for row in rows:
            row["now"] = session.now
    elif entity == "transaction" and "WithAssoc" in specs.flags:
        _transaction_assocs(session, rows)
    return rows


def _event_conditions(where: Row, specs: Specs) -> None:
    events = {one.lower() for one in where.pop("events", ())}
    if events == {"cluster"}:
        where["cluster_events"] = True
    elif events == {"node"}:
        where["node_events"] = True
    flags = {one.lower() for one in where.pop("condition_flags", ())}
    if "open" in flags:
        where["open"] = True
    if "start" not in where and "All_Time" not in specs.flags:
        local = time.localtime()
        midnight = int(time.mktime((*local[:3], 0, 0, 0, 0, 0, -1)))
        where["start"] = midnight - 86400 if not where.get("nodes") else midnight


def _assoc_flags(specs: Specs) -> Row:
    found: Row = {}
    if "OnlyDefaults" in specs.flags:
        found["only_defaults"] = True
    if "WithSubAccounts" in specs.flags:
        found["with_sub_accounts"] = True
    if specs.flags & {"WOPInfo", "WOPLimits"}:
        found["own_only"] = True
    return found


def _qos_ids(session: Session, rows: Iterable[Row]) -> None:
    ids = {name: number for number, name in session.known.qos()}
    for row in rows:
        row["qos_ids"] = tuple(ids[name] for name in row.get("qos") or () if name in ids)


def _complete_assocs(session: Session, rows: list[Row], tree: bool) -> None:
    _qos_ids(session, rows)
    if tree:
        for row in rows:
            path = [part for part in row["lineage"].split("/") if part]
            depth = len([part for part in path if not part.startswith("0-")])
            if row["partition"] and path:
                depth -= 1
            row["depth"] = depth + (1 if row["user"] else 0)


def _with_assocs(session: Session, entity: str, rows: list[Row], specs: Specs) -> list[Row]:
    """A row for every association of each account or user."""
    where: Row = {name: specs.where[name] for name in ("clusters", "partitions", "qos") if name in specs.where}
    where |= _assoc_flags(specs)
    if entity == "user":
        where["users"] = tuple(row["name"] for row in rows)
        if "accounts" in specs.where:
            where["accounts"] = specs.where["accounts"]
    else:
        where["accounts"] = tuple(row["name"] for row in rows)
    assocs: dict[str, list[Row]] = {}
    if rows:
        found = list(session.query("associations", where).dicts())
        _qos_ids(session, found)
        for row in found:
            assocs.setdefault(row[entity], []).append(row)
    joined = []
    for row in rows:
        own = assocs.get(row["name"])
        if not own:
            joined.append(row)
            continue
        joined += [{**assoc, **row, "id": assoc["id"], "flags": assoc["flags"]} for assoc in own]
    return joined


def _transaction_assocs(session: Session, rows: list[Row]) -> None:
    import re

    pattern = re.compile(r"id_assoc='?(\d+)'?")
    by_id = {(row["cluster"], row["id"]): row for row in session.query("associations", {}).dicts()}
    for row in rows:
        users: dict[str, None] = {}
        accounts: dict[str, None] = {}
        for number in pattern.findall(row["where"]):
            assoc = by_id.get((row["cluster"], int(number)))
            if assoc is not None:
                users.setdefault(assoc["user"])
                accounts.setdefault(assoc["account"])
        row["user"], row["account"] = ",".join(filter(None, users)), ",".join(filter(None, accounts))


# ---- documents


def _document(session: Session, entity: str, specs: Specs) -> int:
    from ..core.records import accounting as records
    from . import json_output

    kinds: dict[str, type[Any]] = {
        "account": records.Account,
        "association": records.Association,
        "cluster": records.Cluster,
        "instance": records.Instance,
        "qos": records.Qos,
        "tres": records.Tres,
        "user": records.User,
        "wckey": records.Wckey,
    }
    where = dict(specs.where)
    if entity == "association":
        where |= _assoc_flags(specs)
    kind = kinds[entity]
    found = []
    for row in session.query(LISTS[entity], where).dicts():
        record = kind.from_wire(row)
        if "WithCoordinators" in specs.flags:
            record._coordinators = row.get("coordinators", ())
        found.append((row, record))
    if entity == "cluster":
        for row, record in found:
            record._root = records.Association.from_wire(row.get("root", {}))
    if entity in ("account", "user") and "WithAssoc" in specs.flags:
        name = "accounts" if entity == "account" else "users"
        assocs = session.query("associations", {name: tuple(record.name for _, record in found)})
        by_owner: dict[str, list[Any]] = {}
        for row in assocs.dicts():
            by_owner.setdefault(row[entity], []).append(records.Association.from_wire(row))
        for _, record in found:
            record._associations = tuple(by_owner.get(record.name, ()))
    from ..data_parser import tres

    tres.learn(session.query("tres", {}, ("id", "type", "name")).rows)
    pieces = json_output.records(
        session.cluster.conf,
        NAME,
        session.argv,
        DOCUMENTS[entity],
        (record for _, record in found),
        session.encoding,
        session.parser,
    )
    return json_output.write(pieces)


# ---- runaway jobs


def _runaway(session: Session, specs: Specs, columns: Sequence[Any]) -> int:
    """Jobs that slurmdbd holds open and slurmctld does not know; offers to end them."""
    from ..core.states import JobState
    from ..format import sacctmgr_fields

    own = str(session.cluster.conf.ClusterName).lower()
    clusters = specs.where.get("clusters") or (own,)
    if not session.is_operator():
        raise Stop(1, err=line(NAME, "You must have an AdminLevel>=Operator to fix runaway jobs"))
    for cluster in clusters:
        fields = ("db_index", "job_id", "name", "partition", "job_state", "start_time", "end_time")
        where = {
            "clusters": (cluster,),
            "states": (JobState.PENDING, JobState.RUNNING, JobState.SUSPENDED),
            "start": session.now,
            "end": session.now,
            "duplicates": True,
        }
        rows = [row for row in session.query("jobs", where, fields).dicts() if not row["end_time"]]
        known: set[int] = set()
        if rows and cluster == own:
            known = {row[0] for row in session.cluster.query("jobs", ("job_id",), {"all": True}).rows}
        gone = [row for row in rows if row["job_id"] not in known] if cluster == own else []
        if not gone:
            session.write(f"Runaway Jobs: No runaway jobs found on cluster {cluster}\n")
            continue
        session.write(
            "NOTE: Runaway jobs are jobs that don't exist in the controller but have a start time and no end time\n"
        )
        for row in gone:
            row["cluster"] = cluster
            row["state"] = JobState.NAMES.get(row["job_state"] & 0xFF, ("?",))[0]
        session.write(
            "".join(
                sacctmgr_fields.render(columns, gone, session.separator, session.trailing, header=not session.noheader)
            )
        )
        if session.readonly:
            return 0
        question = (
            "\nWould you like to fix these runaway jobs?\n"
            "(This will set the end time for each job to the latest out of the start, eligible, or submit times, and"
            " set the state to completed.\nOnce corrected, this will trigger the rollup to reroll usage from before the"
            " earliest submit time of all the runaway jobs.)\n"
        )
        if session.immediate or session.ask(question):
            session.call("fix_runaway_jobs", {"cluster": cluster, "db_indexes": tuple(row["db_index"] for row in gone)})
    return 0


# ---- about the daemon


def _configuration(session: Session) -> int:
    conf = session.cluster.conf
    now = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(session.now))
    rows: list[tuple[str, str]] = [
        ("AccountingStorageBackupHost", str(conf.AccountingStorageBackupHost or "(null)") + "\0"),
        ("AccountingStorageHost", str(conf.AccountingStorageHost or "localhost") + "\0"),
        ("AccountingStorageParameters", _null(conf.AccountingStorageParameters)),
        ("AccountingStoragePass", "(null)"),
        ("AccountingStoragePort", str(conf.AccountingStoragePort) + "\0"),
        ("AccountingStorageType", str(conf.AccountingStorageType) + "\0"),
        ("AccountingStorageUser", "N/A\0"),
        ("AuthType", str(conf.AuthType)),
        ("MessageTimeout", f"{conf.MessageTimeout} sec"),
        ("PluginDir", str(conf.PluginDir)),
        ("PrivateData", str(conf.PrivateData or "none")),
        ("SlurmUserId", _user(str(conf.SlurmUser or "root"))),
        ("SLURM_CONF", SYSTEM_CONF),  # as in Slurm: where it is by default, whatever the variable says
        ("SLURM_VERSION", _release()),
        ("TCPTimeout", f"{conf.TCPTimeout} sec"),
        ("TrackWCKey", "Yes" if conf.TrackWCKey else "No"),
    ]
    out = f"Configuration data as of {now}\n"
    for name, value in rows:
        # some lines of the original have a blank of their own before the sign
        out += f"{name}  = {value[:-1]}\n" if value.endswith("\0") else f"{name:<22} = {value}\n"
    out += "\nSlurmDBD configuration:\n"
    for name, value in session.call("config", {})["rows"]:
        out += f"{name:<22} = {value}\n"
    session.write(out)
    return 0


def _null(value: object) -> str:
    return str(value) if value else "(null)"


def _release() -> str:
    from .. import SLURM_VERSION

    return SLURM_VERSION


def _user(name: str) -> str:
    import pwd

    try:
        return f"{name}({pwd.getpwnam(name).pw_uid})"
    except KeyError:
        return name


def _stats(session: Session) -> int:
    found = session.call("stats", {})
    if session.encoding:
        from . import json_output

        def counters(rows: Iterable[Sequence[Any]], label: str) -> tuple[Row, ...]:
            return tuple(
                {label: name, "count": count, "average": total // count if count else 0, "total": total}
                for name, count, total in rows
            )

        statistics = {
            "time_start": found["since"],
            "rollups": found["roll_ups"],
            "RPCs": counters(found["methods"], "rpc"),
            "users": counters(found["users"], "user"),
        }
        pieces = json_output.single(
            session.cluster.conf, NAME, session.argv, "slurmdb_diag", session.encoding, session.parser,
            statistics=statistics,
        )  # fmt: skip
        return json_output.write(pieces)
    rule = "*" * 67

    def told(moment: int) -> str:
        return f"{time.strftime('%a %b %d %H:%M:%S %Y', time.localtime(moment))} ({moment})"

    out = f"{rule}\nsacctmgr show stats output at {told(found['now'])}\n"
    out += f"Data since                    {told(found['since'])}\nAll statistics are in microseconds\n{rule}\n\n"
    for label, period in (("Internal DBD", "hour"), ("Cluster 'hour'", "day"), ("Cluster 'month'", "month")):
        row = found["roll_ups"].get(period)
        if not row:
            continue
        last_run, cycles, last, longest, total = row
        out += f"{label} rollup last ran {told(last_run)}\n"
        out += f"\tLast cycle:   {last}\n\tMax cycle:    {longest}\n\tTotal time:   {total}\n"
        out += f"\tTotal cycles: {cycles}\n\tMean cycle:   {total // max(cycles, 1)}\n\n"
    out += "Remote Procedure Call statistics by message type\n"
    order: Callable[[Sequence[Any]], Any] = lambda row: -row[1]  # noqa: E731
    for name, count, total in sorted(found["methods"], key=order):
        out += f"\t{name:<25}        count:{count:<6} ave_time:{total // count:<6} total_time:{total}\n"
    out += "\nRemote Procedure Call statistics by user\n"
    for name, count, total in sorted(found["users"], key=order):
        uid = _uid_of(name)
        out += f"\t{name:<20}({uid:>10}) count:{count:<6} ave_time:{total // count:<6} total_time:{total}\n"
    session.write(out)
    return 0


def _uid_of(name: str) -> int:
    import pwd

    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return int(name) if name.isdecimal() else -1
