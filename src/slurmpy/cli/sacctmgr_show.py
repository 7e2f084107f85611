"""``sacctmgr show``: conditions and formats of each list, rows from slurmdbd, lines."""

from __future__ import annotations

import time

from .errors import Stop
from .sacctmgr_about import configuration, runaway, statistics
from .sacctmgr_conditions import read
from .sacctmgr_words import NAME, Specs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from .sacctmgr import Session

    Row = dict[str, Any]


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
        return statistics(session)
    if entity == "configuration":
        return configuration(session)
    specs = read(session, entity, argv)
    if specs.failed:
        return 1
    if session.associations and entity in ("account", "user"):
        specs.flags.add("WithAssoc")
    from ..format import sacctmgr_fields

    try:
        columns = sacctmgr_fields.parse(entity, specs.format or _default_format(session, entity, specs))
    except sacctmgr_fields.UnknownField as error:
        raise Stop(1, err=f"Unknown field '{str(error).lower()}'\n") from None
    if entity == "runawayjobs":
        return runaway(session, specs, columns)
    if _needs_assoc(entity, specs) and not session.immediate:
        question = "You requested options that are only valid when querying with the withassoc option.\n"
        if not session.ask(f"{question}Are you sure you want to continue?"):
            session.write("Aborted\n")
            return 0
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


def _default_format(session: Session, entity: str, specs: Specs) -> str:
    from ..format.sacctmgr_fields import DEFAULTS, WITH_ASSOC, WITH_FEDERATION

    if entity == "association" and "WOLimits" in specs.flags:
        return DEFAULTS["association wolimits"]
    if entity == "resource" and "WithClusters" in specs.flags:
        return DEFAULTS["resource clusters"]
    text = DEFAULTS[entity]
    if entity == "cluster" and "WOLimits" in specs.flags:
        text = "Cluster,ControlHost,ControlPort,RPC"
    if entity == "user" and not session.cluster.conf.TrackWCKey:
        text = text.replace(",DefaultWCKey", "")
    if "WithCoordinators" in specs.flags:
        text += ",Coordinators"
    if "WithAssoc" in specs.flags:
        text += WITH_ASSOC[entity]
    if "WithFed" in specs.flags:
        text += WITH_FEDERATION
    return text


def _needs_assoc(entity: str, specs: Specs) -> bool:
    """Whether there are conditions that are those of associations, in a list without them."""
    if entity not in ("account", "user") or "WithAssoc" in specs.flags:
        return False
    words = ("clusters", "parents") if entity == "account" else ("accounts", "clusters", "partitions", "qos")
    return any(specs.where.get(word) for word in words) or "OnlyDefaults" in specs.flags


# ---- rows


def _rows(session: Session, entity: str, specs: Specs) -> Iterable[Row]:
    where = dict(specs.where) | _deleted_too(specs)
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
        return [
            {**row, "cluster": cluster, "allowed": share, "type": _resource_type(row)}
            for row in rows
            for cluster, share in sorted(row["clusters"])
        ]
    elif entity == "resource":
        for row in rows:
            row["type"] = _resource_type(row)
    elif entity == "federation" and "Tree" in specs.flags:
        return _federation_tree(rows)
    elif entity == "event":
        for row in rows:
            row["now"] = session.now
    elif entity == "transaction" and "WithAssoc" in specs.flags:
        _transaction_assocs(session, rows)
    return rows


def _resource_type(row: Row) -> str:
    return str(row["type"]) if row["type"] != "Unknown" else "License"


def _federation_tree(rows: Iterable[Row]) -> list[Row]:
    """A line for each federation and one for each of its clusters."""
    found: list[Row] = []
    for row in rows:
        if not found or row["federation"] != found[-1]["of"]:
            alone = {"federation": row["federation"], "cluster": "", "fed_id": 0, "features": "", "fed_state": ""}
            found.append({**alone, "of": row["federation"]})
        if row["cluster"]:
            found.append({**row, "federation": "", "of": row["federation"]})
    return found


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


def _deleted_too(specs: Specs) -> Row:
    return {"with_deleted": True} if "WithDeleted" in specs.flags else {}


def _assoc_flags(specs: Specs) -> Row:
    found = _deleted_too(specs)
    if "OnlyDefaults" in specs.flags:
        found["only_defaults"] = True
    if "WithSubAccounts" in specs.flags:
        found["with_sub_accounts"] = True
    if specs.flags & {"WOPInfo", "WOPLimits"}:
        found["own_only"] = True
    if "WOPInfo" in specs.flags:
        found["without_parent"] = True
    if specs.flags & {"WithRawQOSLevel", "WithRawQOS"}:
        found["raw_qos"] = True
    return found


def _qos_ids(session: Session, rows: Iterable[Row]) -> None:
    ids = {name: number for number, name in session.known.qos()}
    for row in rows:
        own = row.get("qos") or ()
        row["qos_ids"] = tuple(ids[name] for name in own if name in ids)
        row["qos_raw"] = tuple(f"{name[0]}{ids[name[1:]]}" for name in own if name[:1] in "+-" and name[1:] in ids)


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
        if "parents" in specs.where:
            where["parents"] = specs.where["parents"]
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
        numbers = (int(number) for number in pattern.findall(row["where"]))
        found = [assoc for number in numbers if (assoc := by_id.get((row["cluster"], number))) is not None]
        for kind in ("user", "account"):
            row[kind] = ",".join(sorted({assoc[kind] for assoc in found} - {""}))


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
    where = dict(specs.where) | _deleted_too(specs)
    if entity == "association":
        where |= _assoc_flags(specs)
    kind = kinds[entity]
    found = []
    for row in session.query(LISTS[entity], where).dicts():
        record = kind.from_wire(row)
        if "WithCoordinators" in specs.flags:
            record._coordinators = row.get("coordinators", ())
        found.append((row, record))
    if entity == "wckey":
        for row, record in found:
            record._flags = row["flags"]
    if entity == "cluster":
        for row, record in found:
            record._root = records.Association.from_wire(row.get("root", {}))
    if entity in ("account", "user") and "WithAssoc" in specs.flags:
        name = "accounts" if entity == "account" else "users"
        condition = {name: tuple(record.name for _, record in found)} | _deleted_too(specs)
        assocs = session.query("associations", condition)
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


# ---- about the daemon
