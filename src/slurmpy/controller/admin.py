"""The cluster's own requests: ping, shutdown, reconfigure, debug levels, partitions, reservations, tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slurmpy.controller import cluster, permissions, records, reservations, scheduler
from slurmpy.controller.state import Partition
from slurmpy.core import hostlist
from slurmpy.core.errors import SlurmError
from slurmpy.core.records.cluster import PartitionInfo
from slurmpy.rpc.log import LEVELS, log

if TYPE_CHECKING:
    from slurmpy.controller.control import Controller
    from slurmpy.rpc.server import Peer


def ping(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    return {
        "hostname": ctl.hostname,
        "mode": "primary",
        "pinged": "UP",
        "responding": True,
        "primary": True,
        "version": "24.11.5",
        "cluster": ctl.conf.ClusterName,
        "started": ctl.started_at,
        "jobs": len(ctl.state.jobs),
        "accounting": ctl.accounting is not None and ctl.accounting.connected,
    }


def shutdown(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    """Ends slurmctld; with `slurmd` true the slurmds too."""
    log.info(f"shutdown requested by {peer.name}")
    if args.get("slurmd"):
        for name, node in ctl.state.nodes.items():
            if node._registered:
                ctl.agent.send(name, "shutdown", {})
    ctl.task(_stop_soon(ctl, 0.3 if args.get("slurmd") else 0.02))
    return {}


async def _stop_soon(ctl: Controller, delay: float) -> None:
    """The answer must go out first."""
    import asyncio

    await asyncio.sleep(delay)
    ctl.stop()


def reconfigure(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    """Reads slurm.conf anew. Raises SlurmError and changes nothing if it has errors."""
    ctl.reconfigure()
    return {}


def takeover(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    raise SlurmError("ESLURM_NOT_SUPPORTED", "there is one slurmctld, which is in control already")


def set_debug_level(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    level = args.get("level")
    try:
        log.set_level(level if isinstance(level, int) else str(level))
    except ValueError as error:
        raise SlurmError("SLURM_ERROR", str(error)) from error
    ctl.conf.SlurmctldDebug = LEVELS[log.level]
    return {}


def set_debug_flags(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    flags = {piece for piece in str(ctl.conf.DebugFlags or "").split(",") if piece}
    flags |= {str(one) for one in args.get("plus") or ()}
    flags -= {str(one) for one in args.get("minus") or ()}
    ctl.conf.DebugFlags = ",".join(sorted(flags))
    return {}


def set_schedlog_level(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    if not ctl.conf.SlurmSchedLogFile:
        raise SlurmError("ESLURM_DISABLED")
    ctl.conf.SlurmSchedLogLevel = 1 if int(args.get("level") or 0) else 0
    return {}


def set_fs_dampening_factor(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    factor = int(args.get("factor") or 0)
    if not 0 < factor <= 0xFFFF:
        raise SlurmError("SLURM_ERROR", "the factor is a number from 1 to 65535")
    ctl.conf.FairShareDampeningFactor = factor
    return {}


def reset_stats(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    ctl.statistics.reset(ctl.state.now)
    return {}


def reset_usage(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    """``accounts`` (and ``users``, ``partitions`` of them) or ``qos``: their usage begins anew with nothing."""
    from slurmpy.controller import duties, fairshare

    cache = ctl.state.assocs
    wanted = {name: {str(one) for one in args.get(name) or ()} for name in ("accounts", "users", "partitions", "qos")}
    if not wanted["accounts"] and not wanted["qos"]:
        raise SlurmError("SLURM_ERROR", "no account and no QOS is named")
    chosen = [
        assoc
        for assoc in cache.assocs.values()
        if assoc.account in wanted["accounts"]
        and (assoc.user in wanted["users"] if wanted["users"] else not assoc.user)
        and (not wanted["partitions"] or assoc.partition in wanted["partitions"])
    ]
    qos = [cache.qos[name] for name in sorted(wanted["qos"]) if name in cache.qos]
    if not chosen and not qos:
        raise SlurmError("SLURM_NO_CHANGE_IN_DATA")
    fairshare.reset(ctl.state, chosen, qos)
    duties.save_usage(ctl)
    return {}


def token(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    """A token of auth/jwt: for oneself, or for anybody by root and SlurmUser. `lifespan` in seconds."""
    from slurmpy.auth import token as tokens

    user, lifespan = str(args.get("username") or peer.name), int(args.get("lifespan") or 0)
    if "auth/jwt" not in str(ctl.conf.AuthAltTypes or ""):
        raise SlurmError("ESLURM_NOT_SUPPORTED")
    if not tokens.may_create(ctl.conf):
        raise SlurmError("ESLURM_AUTH_UNABLE_TO_GENERATE_TOKEN")
    if not 0 <= lifespan <= tokens.INFINITE:
        raise SlurmError("ESLURM_INVALID_TIME_LIMIT")
    longest = None if permissions.is_slurm_user(ctl.state, peer.uid) else tokens.longest_lifespan(ctl.conf)
    if longest is not None:
        if lifespan > longest:
            raise SlurmError("ESLURM_INVALID_TIME_LIMIT")
        lifespan = lifespan or min(longest, tokens.LIFESPAN)
    return {"token": tokens.create(ctl.conf, user, lifespan or tokens.LIFESPAN)}


# ---------------------------------------------------------------------------------------------- partitions


def _partition_name(args: dict[str, Any]) -> str:
    return str(args.get("name") or (args.get("changes") or {}).get("name") or "")


def create_partition(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    name = _partition_name(args)
    if not name or name in ctl.state.partitions:
        raise SlurmError("ESLURM_INVALID_PARTITION_NAME")
    partition = Partition(name=name)
    _change_partition(ctl, partition, dict(args.get("changes") or {}))
    ctl.state.partitions[name] = partition
    ctl.state.touch_partition(partition)
    cluster.link_nodes(ctl.state)
    ctl.schedule()
    return {"name": name}


def update_partition(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    partition = ctl.state.partitions.get(_partition_name(args))
    if partition is None:
        raise SlurmError("ESLURM_INVALID_PARTITION_NAME")
    draft = partition.copy()
    _change_partition(ctl, draft, dict(args.get("changes") or {}))
    partition.__dict__.update(draft.__dict__)
    ctl.state.touch_partition(partition)
    cluster.link_nodes(ctl.state)
    scheduler.partition_changed(ctl.state, partition.name)
    ctl.schedule()
    return {}


def _change_partition(ctl: Controller, partition: Partition, changes: dict[str, Any]) -> None:
    """Sets fields of a partition that is not (yet) in the state. Raises SlurmError."""
    state = ctl.state
    PartitionInfo.check_types(changes)
    known = frozenset(PartitionInfo.FIELDS)
    for field, value in changes.items():
        if field not in known:
            raise SlurmError("ESLURM_NOT_SUPPORTED", f"{field} of a partition cannot be changed")
        if field == "name":
            continue
        if field in ("nodes", "configured_nodes"):
            _set_nodes(ctl, partition, str(value or ""))
            continue
        if field == "qos" and value and state.assocs.filled and value not in state.assocs.qos:
            raise SlurmError("ESLURM_INVALID_QOS")
        if field == "allow_accounts" and value and state.assocs.filled and state.assocs.accounts:
            for account in str(value).split(","):
                if account not in state.assocs.accounts:
                    raise SlurmError("ESLURM_INVALID_PARTITION_NAME")
        if field == "state" and value not in ("UP", "DOWN", "DRAIN", "INACTIVE"):
            raise SlurmError("ESLURM_INVALID_PARTITION_NAME")
        if field == "default" and value:
            for other in state.partitions.values():
                if other.default and other.name != partition.name:
                    other.default = False
                    state.touch_partition(other)
            state.default_partition = partition.name
        setattr(partition, field, value)


def _set_nodes(ctl: Controller, partition: Partition, text: str) -> None:
    state = ctl.state
    names = list(state.nodes) if text.upper() == "ALL" else hostlist.expand(text)
    sets = getattr(ctl.conf, "nodesets", None) or {}
    if text in sets:
        names = cluster.nodes_of_set(state, ctl.conf, text)
    for name in names:
        if name not in state.nodes:
            raise SlurmError("ESLURM_INVALID_NODE_NAME")
    partition.configured_nodes = text
    cluster.set_members(state, partition, names)


def delete_partition(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    name = _partition_name(args)
    if name not in ctl.state.partitions:
        raise SlurmError("ESLURM_INVALID_PARTITION_NAME")
    for job in ctl.state.by_partition.get(name, {}).values():
        if job.is_running or job.is_suspended or job.is_completing or job.is_pending:
            raise SlurmError("ESLURM_PARTITION_IN_USE")
    if any(reservation.partition == name for reservation in ctl.state.reservations.values()):
        raise SlurmError("ESLURM_PARTITION_IN_USE")
    del ctl.state.partitions[name]
    ctl.state.dirty_partitions[name] = None
    ctl.state.partitions_update = ctl.state.now
    cluster.link_nodes(ctl.state)
    return {}


# ---------------------------------------------------------------------------------------------- reservations


def create_reservation(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    reservation = reservations.create(ctl.state, _wishes(args), peer, ctl.state.now)
    reservation_record(ctl, reservation)
    _reservations_changed(ctl)
    return {"name": reservation.name}


def update_reservation(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    wishes = _wishes(args)
    if wishes.get("name") not in ctl.state.reservations:
        raise SlurmError("ESLURM_RESERVATION_INVALID")
    reservation = reservations.update(ctl.state, wishes, peer, ctl.state.now)
    reservation_record(ctl, reservation)
    _reservations_changed(ctl)
    return {"name": reservation.name}


def delete_reservation(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    name = str(args.get("name", ""))
    reservation = ctl.state.reservations.get(name)
    if reservation is None:
        raise SlurmError("ESLURM_RESERVATION_INVALID")
    reservations.delete(ctl.state, name, peer, ctl.state.now)
    reservation_record(ctl, reservation, removed=True)
    _reservations_changed(ctl)
    return {}


def _reservations_changed(ctl: Controller) -> None:
    from slurmpy.controller import duties

    duties.arm_reservations(ctl)
    for job in ctl.state.pending.values():
        if job.resv_name:
            ctl.state.requeue_look(job)
    ctl.state.freed_nodes.update(ctl.state.nodes)
    ctl.schedule()


def _wishes(args: dict[str, Any]) -> dict[str, Any]:
    return {**dict(args.get("changes") or {}), **{key: value for key, value in args.items() if key != "changes"}}


def _associations(ctl: Controller, reservation: Any) -> str:
    """The ids of the associations that a reservation is for, name by name and down the tree, as Slurm records them."""
    users = [name for name in reservation.users.split(",") if name and name[0] != "-"]
    accounts = [name for name in reservation.accounts.split(",") if name and name[0] != "-"]
    tree = sorted(ctl.state.assocs.assocs.values(), key=lambda one: one.lineage.upper().replace("/", "\x01"))
    if users:
        chosen = (
            one for name in users for one in tree if one.user == name and (not accounts or one.account in accounts)
        )
    else:
        chosen = (one for name in accounts for one in tree if not one.user and one.account == name)
    return ",".join(str(one.id) for one in chosen)


def reservation_record(ctl: Controller, reservation: Any, removed: bool = False) -> None:
    if not records.wanted(ctl):
        return
    number = reservation._notes.get("id")
    floats = "TIME_FLOAT" in reservation.flags  # accounting hears of it when it has begun, which it never does
    if not number or floats:
        return
    ctl.store.add_record(
        {
            "kind": "reservation", "id": number, "name": reservation.name, "start_time": reservation.start_time,
            "end_time": reservation.end_time, "nodes": reservation.node_list, "tres": reservation.tres,
            "flags": reservation.flags, "associations": _associations(ctl, reservation), "comment": reservation.comment,
            "removed_at": ctl.state.now if removed else 0,
        }
    )  # fmt: skip


METHODS = {
    "ping": ping,
    "shutdown": shutdown,
    "reconfigure": reconfigure,
    "takeover": takeover,
    "set_debug_level": set_debug_level,
    "set_debug_flags": set_debug_flags,
    "set_schedlog_level": set_schedlog_level,
    "set_fs_dampening_factor": set_fs_dampening_factor,
    "reset_stats": reset_stats,
    "reset_usage": reset_usage,
    "token": token,
    "create_partition": create_partition,
    "update_partition": update_partition,
    "delete_partition": delete_partition,
    "create_reservation": create_reservation,
    "update_reservation": update_reservation,
    "delete_reservation": delete_reservation,
}
