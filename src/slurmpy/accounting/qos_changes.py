"""QOS, resources and federations in the books: adding, changing and removing them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slurmpy.core.errors import SlurmError
from slurmpy.core.records.accounting import Cluster, Federation, Qos, Resource

from . import limits
from .assoc_changes import check_name, inheriting, log_assocs, told, told_with_below, tres_columns
from .books import Books, collate

#: fields of a QOS that a change may set
_SETTABLE = frozenset(Qos.FIELDS) - {"id", "name", "creation_time"}
_RESOURCE_FIELDS = frozenset(("type", "server_type", "description", "count", "flags", "last_consumed"))
CLUSTER_FIELDS = frozenset(("classification", "federation", "features", "fed_id", "fed_state"))
_TRES = frozenset(name for name in Qos.FIELDS if "_tres" in name)


def _applied(books: Books, qos: Qos, changes: Mapping[str, Any]) -> Qos:
    found: dict[str, Any] = {}
    for name, value in changes.items():
        if name not in _SETTABLE:
            raise SlurmError("SLURM_ERROR", f"a QOS has no {name}")
        if name in _TRES:
            limits.check_tres(books, value)
            found[name] = limits.merged_tres(getattr(qos, name), value)
        elif name == "preempt":
            sign, names = value
            limits.check_qos_names(books, names)
            old = [one for one in qos.preempt if one not in names]
            new = list(names) if sign == "=" else [*old, *names] if sign == "+" else old
            if qos.name in new:
                raise SlurmError("ESLURM_QOS_PREEMPTION_LOOP", "A QOS cannot preempt itself")
            found[name] = tuple(sorted(new, key=lambda one: books.qos_ids[one]))
        elif name == "flags":
            sign, words = value
            old = [one for one in qos.flags if one not in words]
            new = list(words) if sign == "=" else [*old, *words] if sign == "+" else old
            found[name] = tuple(sorted(new, key=QOS_FLAGS.index))
        else:
            found[name] = value
    return qos.copy(**found)


#: in the order in which they are told
QOS_FLAGS = (
    "DenyOnLimit", "EnforceUsageThreshold", "NoReserve", "PartitionMaxNodes", "PartitionMinNodes", "OverPartQOS",
    "PartitionTimeLimit", "RequiresReservation", "NoDecay", "Relative", "UsageFactorSafe",
)  # fmt: skip


def only(kind: str, values: Mapping[str, Any], allowed: frozenset[str]) -> dict[str, Any]:
    """`values` if all of them may be set; raises SlurmError otherwise."""
    for name in values:
        if name not in allowed:
            raise SlurmError("SLURM_ERROR", f"a {kind} has no {name} to be set")
    return dict(values)


def _loops(books: Books) -> bool:
    """Whether some QOS preempts itself by way of others."""
    by_name = {qos.name: qos.preempt for qos in books.qos.values()}
    for start in by_name:
        waiting, seen = list(by_name[start]), set()
        while waiting:
            name = waiting.pop()
            if name == start:
                return True
            if name not in seen:
                seen.add(name)
                waiting.extend(by_name.get(name, ()))
    return False


def add_qos(books: Books, args: Mapping[str, Any], actor: str, now: int) -> dict[str, Any]:
    """``names`` and ``set`` -> ``added`` names (those that were there already are left alone)."""
    changes = dict(args.get("set") or {})
    added = []
    for name in [check_name("QOS", str(name)) for name in args.get("names") or ()]:
        if name in books.qos_ids:
            continue
        number, born = books.identity("qos", "", (name,), now)
        qos = Qos(id=number, name=name, creation_time=born)
        books.put("qos", _applied(books, qos, {"description": name, **changes}))
        books.log("Add QOS", actor, name, _qos_info(books, books.qos[qos.id], now), now)
        added.append(name)
    if _loops(books):
        raise SlurmError("ESLURM_QOS_PREEMPTION_LOOP", "QOS Preemption loop detected")
    return {"added": tuple(added)}


_QOS_COLUMNS = (
    ("grp_jobs", "grp_jobs"),
    ("grp_jobs_accrue", "grp_jobs_accrue"),
    ("grp_submit_jobs", "grp_submit_jobs"),
    ("grp_wall", "grp_wall"),
    ("max_jobs_pa", "max_jobs_per_account"),
    ("max_jobs_per_user", "max_jobs_per_user"),
    ("max_jobs_accrue_pa", "max_jobs_accrue_per_account"),
    ("max_jobs_accrue_pu", "max_jobs_accrue_per_user"),
    ("min_prio_thresh", "min_prio_threshold"),
    ("max_submit_jobs_pa", "max_submit_jobs_per_account"),
    ("max_submit_jobs_per_user", "max_submit_jobs_per_user"),
    ("max_wall_duration_per_job", "max_wall_duration_per_job"),
)


def _qos_info(books: Books, qos: Qos, now: int) -> str:
    parts = [f"mod_time={now}", f"description='{qos.description}'", f"flags={_flag_bits(qos.flags)}"]
    parts.append(f"grace_time={qos.grace_time}")
    for column, field in _QOS_COLUMNS:
        value = getattr(qos, field)
        parts.append(f"{column}={'NULL' if value is None else value}")
    if qos.preempt:
        parts.append("preempt='," + "".join(f"{books.qos_ids[name]}," for name in qos.preempt) + "'")
    modes = {"": 0, "OFF": 0, "SUSPEND": 1, "REQUEUE": 2, "CANCEL": 8, "WITHIN": 0x4000, "GANG": 0x8000}
    parts += [
        f"preempt_exempt_time={'NULL' if qos.preempt_exempt_time is None else qos.preempt_exempt_time}",
        f"preempt_mode={sum(modes.get(word, 0) for word in qos.preempt_mode.split(','))}",
        f"priority={qos.priority}",
        f"usage_factor={qos.usage_factor:f}",
        f"usage_thres={'NULL' if qos.usage_threshold is None else format(qos.usage_threshold, 'f')}",
        f"limit_factor={'NULL' if qos.limit_factor is None else format(qos.limit_factor, 'f')}",
    ]
    return ", ".join([*parts, *tres_columns(books, qos)])


_BITS = {
    "PartitionMinNodes": 0x1, "PartitionMaxNodes": 0x2, "PartitionTimeLimit": 0x4, "EnforceUsageThreshold": 0x8,
    "NoReserve": 0x10, "RequiresReservation": 0x20, "DenyOnLimit": 0x40, "OverPartQOS": 0x80, "NoDecay": 0x100,
    "UsageFactorSafe": 0x200, "Relative": 0x400,
}  # fmt: skip


def _flag_bits(flags: tuple[str, ...]) -> int:
    return sum(_BITS[flag] for flag in flags)


def _matching_qos(books: Books, where: Mapping[str, Any]) -> list[Qos]:
    return [
        qos
        for qos in sorted(books.qos.values(), key=lambda one: one.id)
        if (not where.get("names") or qos.name in where["names"])
        and (not where.get("ids") or qos.id in where["ids"])
        and (not where.get("descriptions") or qos.description in where["descriptions"])
    ]


def modify_qos(books: Books, args: Mapping[str, Any], actor: str, now: int) -> dict[str, Any]:
    """``where`` and ``set`` -> ``names`` that changed."""
    changes = args.get("set") or {}
    matching = _matching_qos(books, args.get("where") or {})
    for qos in matching:
        books.put("qos", _applied(books, qos, changes))
        if _loops(books):
            raise SlurmError("ESLURM_QOS_PREEMPTION_LOOP", "QOS Preemption loop detected")
        parts = []
        for name in changes:
            value = getattr(books.qos[qos.id], name)
            if name == "preempt":
                parts.append("preempt='," + "".join(f"{books.qos_ids[one]}," for one in value) + "'")
            elif name == "flags":
                parts.append(f"flags={_flag_bits(value)}")
            else:
                shown = "NULL" if value is None else value
                parts.append(f"{name}={value!r}" if isinstance(value, str) else f"{name}={shown}")
        books.log("Modify QOS", actor, f"(name='{qos.name}')", ", ".join(parts), now)
    return {"names": tuple(qos.name for qos in matching)}


def delete_qos(books: Books, args: Mapping[str, Any], actor: str, now: int) -> dict[str, Any]:
    """``where`` -> ``names`` that are gone, from every list of QOS too. ``used``: they have had jobs.

    Raises SlurmError ESLURM_NO_REMOVE_DEFAULT_QOS with data ``assocs`` for one that is somebody's default.
    """
    matching = _matching_qos(books, args.get("where") or {})
    names = {qos.name for qos in matching}
    defaults = sorted((one for one in books.associations.values() if one.default_qos in names), key=books.order)
    if defaults:
        listed = tuple((one.default_qos, *told(one)) for one in defaults)
        raise SlurmError("ESLURM_NO_REMOVE_DEFAULT_QOS", data={"assocs": listed})
    for qos in matching:
        books.delete("qos", qos, now, bool(args.get("used")))
    if names:
        for other in list(books.qos.values()):
            if names & set(other.preempt):
                books.put("qos", other.copy(preempt=tuple(name for name in other.preempt if name not in names)))
        for assoc in list(books.associations.values()):
            deltas = tuple(delta for delta in assoc.delta_qos if delta[1:] not in names)
            own = tuple(name for name in assoc.qos_own if name not in names)
            default = "" if assoc.default_qos in names else assoc.default_qos
            if (deltas, own, default) != (assoc.delta_qos, assoc.qos_own, assoc.default_qos):
                books.put("associations", assoc.copy(delta_qos=deltas, qos_own=own, default_qos=default))
        books.log("Remove QOS", actor, " || ".join(f"id='{qos.id}'" for qos in matching), "", now)
    gone = tuple(qos.name for qos in matching)
    return {"names": gone, "qos": gone}


# ---- resources


def add_resources(books: Books, args: Mapping[str, Any], actor: str, now: int) -> dict[str, Any]:
    """``names``, ``server``, ``set`` (type, server_type, description, count, flags), ``clusters``, ``allowed``.

    -> ``added`` ((name, server, ((cluster, allowed), ...)), ...)
    """
    server, values = str(args.get("server") or "slurmdb"), only("resource", args.get("set") or {}, _RESOURCE_FIELDS)
    clusters = [str(name) for name in args.get("clusters") or ()]
    allowed = int(args.get("allowed") or 0)
    for name in clusters:
        if name not in books.clusters:
            raise SlurmError("SLURM_ERROR", f"The cluster '{name}' doesn't exist. Please add it first.")
    added = []
    for name in [check_name("resource", str(name)) for name in args.get("names") or ()]:
        old = next((one for one in books.resources.values() if (one.name, one.server) == (name, server)), None)
        known = {cluster for cluster, _ in old.clusters} if old is not None else set()
        new = tuple((cluster, allowed) for cluster in clusters if cluster not in known)
        if old is not None and not new:
            continue
        if old is None:
            number, born = books.identity("resources", "", (name, server), now)
            old = Resource(id=number, name=name, server=server, description=name, creation_time=born)
            old = old.copy(**values)
            info = [f"mod_time={now}", f"count={old.count}", f"description='{old.description}'"]
            if old.server_type:
                info.append(f"manager='{old.server_type}'")
            books.log("Add Resources", actor, str(old.id), ", ".join([*info, "type=1"]), now)
        for cluster, share in new:
            books.log("Add Resources", actor, f"{old.id}@{cluster}", f"mod_time={now}, allowed={share}", now)
        resource = old.copy(clusters=old.clusters + new)
        _check_allowed(resource)
        books.put("resources", resource.copy(allocated=sum(share for _, share in resource.clusters)))
        added.append((name, server, new))
    return {"added": tuple(added)}


def _check_allowed(resource: Resource) -> None:
    absolute = "Absolute" in resource.flags
    if sum(share for _, share in resource.clusters) > (resource.count if absolute else 100):
        raise SlurmError(
            "ESLURM_OVER_ALLOCATE",
            "You can not allocate more than 100% of a resource",
            data={
                "name": resource.name,
                "server": resource.server,
                "clusters": resource.clusters,
                "unit": "" if absolute else "%",
            },
        )


def _matching_resources(books: Books, where: Mapping[str, Any]) -> list[Resource]:
    return [
        one
        for one in sorted(books.resources.values(), key=lambda one: (collate(one.name), collate(one.server)))
        if (not where.get("names") or one.name in where["names"])
        and (not where.get("servers") or one.server in where["servers"])
        and (not where.get("ids") or one.id in where["ids"])
    ]


def modify_resources(books: Books, args: Mapping[str, Any], actor: str, now: int) -> dict[str, Any]:
    """``where`` (names, servers, clusters), ``set``, ``allowed`` -> ``changed``."""
    where, allowed = args.get("where") or {}, args.get("allowed")
    values = only("resource", args.get("set") or {}, _RESOURCE_FIELDS)
    changed = []
    for one in _matching_resources(books, where):
        altered = one.copy(**values) if values else one
        if allowed is not None:
            wanted = where.get("clusters")
            shares = tuple(
                (cluster, int(allowed) if not wanted or cluster in wanted else share) for cluster, share in one.clusters
            )
            altered = altered.copy(clusters=shares)
        _check_allowed(altered)
        altered = altered.copy(allocated=sum(share for _, share in altered.clusters))
        if altered != one:
            books.put("resources", altered)
            told = [
                f"{name}={value!r}" if isinstance(value, str) else f"{name}={value}" for name, value in values.items()
            ]
            if allowed is not None:
                told.append(f"allowed={allowed}")
            books.log("Modify Resources", actor, f"id='{one.id}'", ", ".join(told), now)
        changed.append((one.name, one.server, altered.clusters))
    return {"changed": tuple(changed)}


def delete_resources(books: Books, args: Mapping[str, Any], actor: str, now: int) -> dict[str, Any]:
    """``where``: with ``clusters`` only these clusters' shares -> ``removed``."""
    where = args.get("where") or {}
    wanted = where.get("clusters")
    removed = []
    for one in _matching_resources(books, where):
        if wanted:
            gone = tuple((cluster, share) for cluster, share in one.clusters if cluster in wanted)
            if not gone:
                continue
            kept = tuple((cluster, share) for cluster, share in one.clusters if cluster not in wanted)
            books.put("resources", one.copy(clusters=kept, allocated=sum(share for _, share in kept)))
            removed += [(one.name, one.server, cluster) for cluster, _ in gone]
        else:
            books.delete("resources", one, now, used=False)
            removed += [(one.name, one.server, ""), *((one.name, one.server, cluster) for cluster, _ in one.clusters)]
        books.log("Remove Resources", actor, f"id='{one.id}'", "", now)
    return {"removed": tuple(removed)}


# ---- clusters and federations


def modify_clusters(books: Books, args: Mapping[str, Any], actor: str, now: int) -> dict[str, Any]:
    """``where``, ``set`` (classification, federation, features, fed_state), ``limits`` (of the root association)."""
    where = args.get("where") or {}
    names = _matching_clusters(books, where)
    assocs: list[Any] = []
    for name in names:
        cluster: Cluster = books.clusters[name]
        values = only("cluster", args.get("set") or {}, CLUSTER_FIELDS)
        if isinstance(values.get("features"), tuple):
            values["features"] = changed_features(cluster.features, values["features"])
        if values:
            federation = values.get("federation")
            if federation and federation not in books.federations:
                raise SlurmError("SLURM_ERROR", f"The federation '{federation}' doesn't exist.")
            if federation and cluster.federation != federation:
                values |= _place_in(books, federation)
                values["fed_state"] = (args.get("set") or {}).get("fed_state", "ACTIVE")
            elif federation == "":
                values |= {"fed_id": 0, "fed_state": ""}
            books.put("clusters", cluster.copy(**values))
        if args.get("limits"):
            root = books.assoc(name, "root")
            if root is not None:
                altered = limits.apply(books, root, args["limits"])
                books.put("associations", altered)
                log_assocs(books, [altered], args["limits"], actor, now)
                assocs += [told(altered), *told_with_below(books, [], inheriting(books, [altered], args["limits"]))]
        if values:
            info = ", ".join(f"{k}='{v}'" for k, v in values.items())
            books.log("Modify Clusters", actor, f"name='{name}'", info, now)
    return {"names": tuple(names), "assocs": tuple(assocs)}


def _matching_clusters(books: Books, where: Mapping[str, Any]) -> list[str]:
    return [
        name
        for name in books.cluster_names()
        if (not where.get("names") or name in where["names"])
        and (not where.get("federations") or books.clusters[name].federation in where["federations"])
        and (
            not where.get("classifications") or books.clusters[name].classification.lower() in where["classifications"]
        )
    ]


def changed_features(old: str, change: tuple[str, tuple[str, ...]]) -> str:
    """``("+", ("a", "b"))`` on a list as text; "=" is the whole list."""
    sign, names = change
    have = [] if sign == "=" else [name for name in old.split(",") if name and name not in names]
    return ",".join(have if sign == "-" else [*have, *names])


def _place_in(books: Books, federation: str) -> dict[str, Any]:
    """What a cluster that joins a federation gets: the first free number, and that it takes part."""
    used = {one.fed_id for one in books.clusters.values() if one.federation == federation}
    number = next((number for number in range(1, 64) if number not in used), None)
    if number is None:
        raise SlurmError("ESLURM_FED_CLUSTER_MAX_CNT")
    return {"federation": federation, "fed_id": number, "fed_state": "ACTIVE"}


_ALONE = {"federation": "", "fed_id": 0, "fed_state": "", "features": ""}


def modify_federations(books: Books, args: Mapping[str, Any], actor: str, now: int) -> dict[str, Any]:
    """``name``, clusters that ``join`` and ``leave`` it -> ``names``. All or nothing."""
    name = str(args.get("name") or "")
    if name not in books.federations:
        raise SlurmError("SLURM_ERROR", f"The federation '{name}' doesn't exist.")
    for cluster in (*(args.get("join") or ()), *(args.get("leave") or ())):
        if cluster not in books.clusters:
            raise SlurmError("SLURM_ERROR", f"The cluster '{cluster}' doesn't exist.")
    for cluster in args.get("leave") or ():
        if books.clusters[cluster].federation == name:
            books.put("clusters", books.clusters[cluster].copy(**_ALONE))
            books.log("Modify Federations", actor, f"(name='{name}')", f"cluster-={cluster}", now)
    for cluster in args.get("join") or ():
        if books.clusters[cluster].federation != name:
            books.put("clusters", books.clusters[cluster].copy(**_place_in(books, name)))
            books.log("Modify Federations", actor, f"(name='{name}')", f"cluster+={cluster}", now)
    return {"names": (name,)}


def delete_clusters(books: Books, args: Mapping[str, Any], actor: str, now: int) -> dict[str, Any]:
    """``where`` -> ``names`` that are gone with their associations and WCKeys (their jobs stay in the database)."""
    names, used = _matching_clusters(books, args.get("where") or {}), bool(args.get("used"))
    ids = tuple(key for key in books.associations if key[0] in names)
    for name in names:
        for assoc in [one for one in books.associations.values() if one.cluster == name]:
            books.delete("associations", assoc, now, used)
        for key in [one for one in books.wckeys.values() if one.cluster == name]:
            books.delete("wckeys", key, now, used)
        books.delete("clusters", books.clusters[name], now, used)
        books.log("Remove Clusters", actor, f"name='{name}'", "", now)
    return {"names": tuple(names), "clusters": tuple(names), "ids": ids}


def add_federations(books: Books, args: Mapping[str, Any], actor: str, now: int) -> dict[str, Any]:
    """``names`` -> ``added``."""
    added = []
    for name in [check_name("federation", str(name)) for name in args.get("names") or ()]:
        if name not in books.federations:
            books.put("federations", Federation(name=name, creation_time=books.born("federations", (name,), now)))
            books.log("Add Federations", actor, name, f"mod_time={now}, flags=0", now)
            added.append(name)
    if added and args.get("clusters"):
        modify_federations(books, {"name": added[0], "join": args["clusters"]}, actor, now)
    return {"added": tuple(added)}


def delete_federations(books: Books, args: Mapping[str, Any], actor: str, now: int) -> dict[str, Any]:
    """``names`` -> ``names`` that are gone; their clusters stand alone again."""
    gone = [name for name in args.get("names") or () if name in books.federations]
    for name in gone:
        books.delete("federations", books.federations[name], now, used=False)
        for cluster in [one for one in books.clusters.values() if one.federation == name]:
            books.put("clusters", cluster.copy(**_ALONE))
        books.log("Remove Federations", actor, f"name='{name}'", "", now)
    return {"names": tuple(gone)}
