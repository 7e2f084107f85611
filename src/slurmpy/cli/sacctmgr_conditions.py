"""SPECS of ``sacctmgr show``: the conditions, flags and bare words of each list, read."""

from __future__ import annotations

from ..core.errors import SlurmError
from .sacctmgr_words import Fatal, Specs, Word, admin_level, bad_value, find, is_set, is_where, names, values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .sacctmgr import Session

    Row = dict[str, Any]


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


#: lists whose unknown conditions are told without, or with another, hint
_NO_HINT = ("association", "wckey", "event", "runawayjobs", "instance")
_NOUNS = {"qos": "SLURM_PRINT_VALUE", "resource": "SLURM_PRINT_VALUE"}


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
        if word.key.lower() == "format" or (len(word.key) > 2 and "format".startswith(word.key.lower())):
            specs.format = f"{specs.format},{word.value}".strip(",")
            return
        keyword = find(CONDITIONS[entity], word.key)
        if keyword is None:
            specs.unknown(word, "condition", "" if entity in _NO_HINT else "set", noun=_NOUNS.get(entity, ""))
            return
        name, kind = CONDITIONS[entity][keyword]
    try:
        value = _value(session, kind, word, entity)
    except BadValue as error:
        bad_value(error, word)
        specs.failed = True
        return
    if isinstance(value, tuple):
        specs.where[name] = (*specs.where.get(name, ()), *value)
    else:
        specs.where[name] = value
    specs.conditions += 1


#: letters that a flag's word has at least, by how it begins: "WOPL" is enough of WOPLimits
_SHORTEST = {"wop": 4, "onl": 3}


def _flag(entity: str, text: str) -> str | None:
    wanted = text.lower()
    for flag in FLAGS[entity]:
        # as far as another word begins in the same way: WITH..., WOP...
        if flag.lower() == wanted or (len(wanted) >= _SHORTEST.get(wanted[:3], 5) and flag.lower().startswith(wanted)):
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
        return tuple(user_id_of(one) for one in values(text))
    if kind == "states":
        return tuple(_node_state(one) for one in values(text))
    return values(text)  # actions


def user_id_of(text: str) -> int:
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
