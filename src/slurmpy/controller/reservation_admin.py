"""Creating, changing, deleting and repeating reservations: scontrol's requests, checked as Slurm checks them.

A request has the names of `ReservationInfo`, and ``duration`` (minutes, or INFINITE). ``flags`` is a sequence of names
as in data_parser (``NO_DAILY`` takes DAILY away); ``node_list`` may be ``ALL``; ``node_count`` and ``core_count`` may
be sequences (one number for each group); ``users`` and ``accounts`` of an update may begin with ``+`` or ``-``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from slurmpy.controller import constraints
from slurmpy.controller.partition_access import words
from slurmpy.controller.reservations import is_active
from slurmpy.controller.state import Reservation
from slurmpy.core import hostlist, tres
from slurmpy.core.errors import SlurmError
from slurmpy.core.records.base import INFINITE
from slurmpy.core.states import NodeState

if TYPE_CHECKING:
    from slurmpy.controller.state import Node, Partition, State
    from slurmpy.rpc.server import Peer

DAY = 86400
#: seconds after which a reservation that repeats comes again
PERIODS = {"HOURLY": 3600, "DAILY": DAY, "WEEKLY": 7 * DAY, "WEEKDAY": DAY, "WEEKEND": DAY}
#: the longest duration: a year
YEAR = 365 * DAY
#: seconds of idleness after which PURGE_COMP ends a reservation, unless it says otherwise
PURGE_COMP = 300

#: the order in which flags are shown
FLAG_ORDER = (
    "MAINT", "FLEX", "OVERLAP", "IGNORE_JOBS", "HOURLY", "DAILY", "WEEKDAY", "WEEKEND", "WEEKLY", "SPEC_NODES",
    "ALL_NODES", "ANY_NODES", "STATIC", "PART_NODES", "TIME_FLOAT", "REPLACE", "REPLACE_DOWN", "PURGE_COMP",
    "NO_HOLD_JOBS_AFTER_END", "MAGNETIC", "SKIP", "USER_DELETE", "REOCCURRING",
)  # fmt: skip
_RANK = {name: rank for rank, name in enumerate(FLAG_ORDER)}


def order_flags(flags: Sequence[str] | set[str]) -> tuple[str, ...]:
    return tuple(sorted(set(flags), key=lambda name: _RANK.get(name, 99)))


def create(state: State, wishes: dict[str, Any], peer: Peer, now: int) -> Reservation:
    """Make a reservation; raises Slurm's error for what is wrong or impossible."""
    _check_types(wishes)
    name = str(wishes.get("name") or "")
    start = int(wishes.get("start_time") or now)
    end = _end(wishes, start)
    if start < now - 60 and end <= now:
        raise SlurmError("ESLURM_INVALID_TIME_VALUE")
    if start < now - DAY or end <= start:
        raise SlurmError("ESLURM_INVALID_TIME_VALUE")
    _check_people(state, wishes)
    if name and name in state.reservations:
        raise SlurmError("ESLURM_RESERVATION_NAME_DUP")
    if not any(wishes.get(field) for field in ("users", "accounts", "groups", "qos")):
        raise SlurmError("ESLURM_RESERVATION_EMPTY")
    if wishes.get("users") and wishes.get("groups"):
        raise SlurmError("ESLURM_RESERVATION_USER_GROUP")
    made = Reservation(start_time=start, end_time=end)
    made.flags = order_flags(_flags(wishes.get("flags")))
    _copy(made, wishes)
    if made.licenses:
        _check_licenses(state, made.licenses)
    number = 1 + max((int(one._notes.get("id", 0)) for one in state.reservations.values()), default=0)
    number = max(number, state.__dict__.get("_last_reservation", 0) + 1)
    choose_nodes(state, made, wishes, now)
    state.__dict__["_last_reservation"] = number
    made._notes = {"id": number, **({"float": start - now} if "TIME_FLOAT" in made.flags else {})}
    made.name = name or _invent(state, wishes, number)
    state.reservations[made.name] = made
    state.touch_reservation(made)
    mark_nodes(state, now)
    return made


def update(state: State, wishes: dict[str, Any], peer: Peer, now: int) -> Reservation:
    """Change a reservation; nothing changes if any part of the request is refused."""
    old = state.reservations.get(str(wishes.get("name") or ""))
    if old is None:
        raise SlurmError("ESLURM_RESERVATION_INVALID")
    _check_types(wishes)
    _check_people(state, wishes)
    new = old.copy()
    flags = set(old.flags)
    for flag in _flags(wishes.get("flags")):
        if flag.startswith("NO_") and flag[3:] in flags:
            flags.discard(flag[3:])
        elif not (flag.startswith("NO_") and flag != "NO_HOLD_JOBS_AFTER_END"):
            flags.add(flag)
    new.flags = order_flags(flags)
    for field in ("users", "accounts", "groups", "qos"):
        if wishes.get(field) is not None:
            setattr(new, field, _changed_list(getattr(old, field), str(wishes[field])))
    if not (new.users or new.accounts or new.groups or new.qos):
        raise SlurmError("ESLURM_RESERVATION_EMPTY")
    _copy(new, {key: value for key, value in wishes.items() if key not in ("users", "accounts", "groups", "qos")})
    if wishes.get("start_time"):
        if is_active(old, now):
            raise SlurmError("ESLURM_INVALID_TIME_VALUE")
        new.start_time = int(wishes["start_time"])
        new.end_time = new.start_time + (old.end_time - old.start_time)
    if wishes.get("end_time") or wishes.get("duration"):
        new.end_time = _end(wishes, new.start_time)
    if new.end_time <= now or new.end_time <= new.start_time:
        raise SlurmError("ESLURM_INVALID_TIME_VALUE")
    if wishes.get("licenses"):
        _check_licenses(state, new.licenses)
    if any(wishes.get(field) for field in ("node_list", "node_count", "core_count", "partition", "features", "tres")):
        if old._cores:
            raise SlurmError("ESLURM_CORE_RESERVATION_UPDATE")
        choose_nodes(state, new, {"partition": old.partition, **wishes}, now)
    elif _shared_flags(new) & {"MAINT", "OVERLAP"} == set():
        _refuse_overlap(state, new, new._node_names)
    state.reservations[old.name] = new
    state.touch_reservation(new)
    mark_nodes(state, now)
    return new


def _check_types(wishes: dict[str, Any]) -> None:
    own = ("flags", "node_count", "core_count")  # may be sequences, and are read on their own
    Reservation.check_types({name: value for name, value in wishes.items() if value is not None and name not in own})


def delete(state: State, name: str, peer: Peer, now: int) -> None:
    """Delete a reservation that no job uses or asks for (ESLURM_RESERVATION_BUSY)."""
    known = state.reservations.get(name)
    if known is None:
        raise SlurmError("ESLURM_RESERVATION_INVALID")
    for job in state.running.values():
        if name in words(job.resv_name):
            raise SlurmError("ESLURM_RESERVATION_BUSY")
    state.remove_reservation(name)
    mark_nodes(state, now)
    for job in list(state.pending.values()):
        if name in words(job.resv_name):
            job.hold, job.priority = True, 0
            job._hold_admin = True
            job.state_reason = "ReservationDeleted"
            state.touch_job(job)


def advance(state: State, now: int) -> list[Reservation]:
    """Let time pass: repeating reservations move on, floating ones stay ahead, others end. Returns those gone."""
    gone = []
    for one in list(state.reservations.values()):
        if "TIME_FLOAT" in one.flags:
            ahead = int(one._notes.get("float", 0))
            if one.start_time < now + ahead:
                length = one.end_time - one.start_time
                one.start_time, one.end_time = now + ahead, now + ahead + length
                state.reservations_update = now
            continue
        if one.end_time > now:
            continue
        period = next((PERIODS[flag] for flag in one.flags if flag in PERIODS), 0)
        if period:
            _move_on(one, period, now)
            state.touch_reservation(one)
        elif not any(one.name in words(job.resv_name) for job in state.running.values()):
            state.remove_reservation(one.name)
            gone.append(one)
    mark_nodes(state, now)
    return gone


def mark_nodes(state: State, now: int) -> None:
    """Show on the nodes which reservation holds them: RESERVED, and MAINTENANCE for one with MAINT.

    A floating reservation never begins, but Slurm shows its nodes so all the same.
    """
    shown = NodeState.RESERVED | NodeState.MAINTENANCE
    marks: dict[str, tuple[int, str]] = {}
    for one in state.reservations.values():
        if "TIME_FLOAT" in one.flags or is_active(one, now):
            flags = shown if "MAINT" in one.flags else NodeState.RESERVED
            for name in one._node_names:
                marks[name] = (flags, one.name)
    before: frozenset[str] = state.__dict__.get("_reserved_nodes", frozenset())
    for name in before.union(marks):
        node = state.nodes.get(name)
        if node is None:
            continue
        flags, label = marks.get(name, (0, ""))
        wanted = node.state & ~shown | flags
        if (node.state, node.reservation) != (wanted, label):
            node.state, node.reservation = wanted, label
            state.touch_node(node, stored=False)
    state.__dict__["_reserved_nodes"] = frozenset(marks)


def next_change(state: State, now: int) -> int:
    """When the next reservation begins or ends; 0: none."""
    moments = [
        moment
        for one in state.reservations.values()
        if "TIME_FLOAT" not in one.flags
        for moment in (one.start_time, one.end_time)
        if moment > now
    ]
    return min(moments, default=0)


def _move_on(one: Reservation, period: int, now: int) -> None:
    import time

    while one.end_time <= now or not _on_its_day(one, time.localtime(one.start_time).tm_wday):
        one.start_time += period
        one.end_time += period


def _on_its_day(one: Reservation, weekday: int) -> bool:
    if "WEEKDAY" in one.flags:
        return weekday < 5
    if "WEEKEND" in one.flags:
        return weekday >= 5
    return True


# ------------------------------------------------------------------------------------------------ pieces


def _end(wishes: dict[str, Any], start: int) -> int:
    if wishes.get("end_time"):
        return int(wishes["end_time"])
    duration = wishes.get("duration")
    if not duration or duration == INFINITE:
        return start + YEAR
    return start + int(duration) * 60


def _flags(given: Any) -> list[str]:
    if not given:
        return []
    found = given.split(",") if isinstance(given, str) else list(given)
    names = [str(flag).strip().upper() for flag in found if str(flag).strip()]
    return ["ANY_NODES" if name == "LICENSE_ONLY" else name for name in names]


def _copy(made: Reservation, wishes: dict[str, Any]) -> None:
    for field in (
        "users", "accounts", "groups", "qos", "burst_buffer", "comment", "features", "licenses", "allowed_parts",
        "partition",
    ):  # fmt: skip
        if wishes.get(field) is not None:
            setattr(made, field, str(wishes[field]))
    if wishes.get("max_start_delay") is not None:
        made.max_start_delay = int(wishes["max_start_delay"])
    if wishes.get("purge_comp_time") is not None:
        made.purge_comp_time = int(wishes["purge_comp_time"])
    elif made.purge_comp_time is None:
        made.purge_comp_time = PURGE_COMP


def _changed_list(old: str, wish: str) -> str:
    items = [item.strip() for item in wish.split(",") if item.strip()]
    if items and all(item[0] in "+-" for item in items) and old:
        found = [item for item in old.split(",") if item]
        for item in items:
            name = item[1:].lstrip("=")
            if item[0] == "+" and name not in found:
                found.append(name)
            elif item[0] == "-":
                if name not in found:
                    raise SlurmError("ESLURM_USER_ID_MISSING")
                found.remove(name)
        return ",".join(found)
    return ",".join(item.lstrip("+") for item in items)


def _check_people(state: State, wishes: dict[str, Any]) -> None:
    known_accounts = {assoc.account for assoc in state.assocs.assocs.values()} | set(state.assocs.accounts)
    for name in words(str(wishes.get("accounts") or "")):
        if state.assocs.filled and name.lstrip("+-") not in known_accounts:
            raise SlurmError("ESLURM_INVALID_ACCOUNT")
    for name in words(str(wishes.get("users") or "")):
        if not _user_exists(name.lstrip("+-=")):
            # somebody unknown to be added is taken for an account, as Slurm does
            raise SlurmError("ESLURM_INVALID_ACCOUNT" if name[0] == "+" else "ESLURM_USER_ID_MISSING")
    for name in words(str(wishes.get("qos") or "")):
        if state.assocs.filled and name.lstrip("+-") not in state.assocs.qos:
            raise SlurmError("ESLURM_INVALID_QOS")


def _user_exists(name: str) -> bool:
    import pwd

    try:
        if name.isdigit():
            pwd.getpwuid(int(name))
        else:
            pwd.getpwnam(name)
    except (KeyError, ValueError, OverflowError):  # a NUL is no part of a name
        return False
    return True


def _check_licenses(state: State, text: str) -> None:
    from slurmpy.controller import licenses

    licenses.check(state, text)


def _invent(state: State, wishes: dict[str, Any], number: int) -> str:
    for field in ("accounts", "users", "groups", "qos"):
        names = [item.strip().lstrip("-+") for item in str(wishes.get(field) or "").split(",") if item.strip()]
        if names:
            name = f"{names[0]}_{number}"
            while name in state.reservations:
                number += 1
                name = f"{names[0]}_{number}"
            return name
    return f"resv_{number}"


def _numbers(value: Any) -> int:
    if not value:
        return 0
    if isinstance(value, (list, tuple)):
        return sum(int(one) for one in value)
    return int(value)


# ------------------------------------------------------------------------------------------------ nodes


def choose_nodes(state: State, made: Reservation, wishes: dict[str, Any], now: int) -> None:
    """Fill the nodes (and cores) of a reservation; raises ESLURM_NODES_BUSY and the like where there are not enough."""
    partition = _partition(state, wishes)
    flags = set(made.flags)
    text = str(wishes.get("node_list") or "")
    cores = _numbers(wishes.get("core_count"))
    count = _numbers(wishes.get("node_count"))
    wanted = tres.parse(str(wishes["tres"])) if wishes.get("tres") else {}
    cores = cores or wanted.get("cpu", 0)
    count = count or wanted.get("node", 0)
    if "ANY_NODES" in flags and not (text or count or cores):
        _show(state, made, (), {})
        return
    if text:
        names = _named(state, text, partition, flags)
        flags.add("SPEC_NODES")
        if text.upper() == "ALL" and "PART_NODES" not in flags:
            flags.add("ALL_NODES")
        if cores and not made.partition:
            made.partition = state.default_partition
        made.flags = order_flags(flags)
        _refuse_busy(state, made, names, now, bool(cores))
        if not flags & {"MAINT", "OVERLAP"}:
            _refuse_overlap(state, made, tuple(names))
        masks = _cores_of(state, made, names, cores, now) if cores else {}
        _show(state, made, tuple(name for name in names if not cores or name in masks), masks)
        return
    if partition is None:
        partition = state.partitions.get(state.default_partition)
        if partition is None:
            raise SlurmError("ESLURM_DEFAULT_PARTITION_NOT_SET")
    made.partition = partition.name
    names = [name for name in partition._node_names if name in state.nodes]
    names = [name for name in names if _has_features(state.nodes[name], made.features)]
    names = [name for name in names if _usable(state, made, state.nodes[name], now, bool(cores))]
    names.sort(key=lambda name: state.nodes[name].weight)
    order = {name: at for at, name in enumerate(state.nodes)}
    if cores and not count:
        masks = _cores_of(state, made, names, cores, now)
        _show(state, made, tuple(sorted(masks, key=order.__getitem__)), masks)
        return
    if not count or count > len(names):
        raise SlurmError("ESLURM_NODES_BUSY")
    names = names[:count]
    masks = _cores_of(state, made, names, cores, now) if cores else {}
    _show(state, made, tuple(sorted(names, key=order.__getitem__)), masks)


def _partition(state: State, wishes: dict[str, Any]) -> Partition | None:
    name = wishes.get("partition")
    if not name:
        return None
    found = state.partitions.get(str(name))
    if found is None:
        raise SlurmError("ESLURM_INVALID_PARTITION_NAME")
    return found


def _named(state: State, text: str, partition: Partition | None, flags: set[str]) -> list[str]:
    if text.upper() == "ALL":
        return list(partition._node_names) if partition is not None else list(state.nodes)
    names = list(dict.fromkeys(hostlist.expand(text)))
    for name in names:
        if name not in state.nodes:
            raise SlurmError("ESLURM_INVALID_NODE_NAME")
    order = {name: at for at, name in enumerate(state.nodes)}
    return sorted(names, key=order.__getitem__)


def _has_features(node: Node, text: str) -> bool:
    return not text or constraints.parse(text).any_node(node.features)


def _overlapping(state: State, made: Reservation) -> list[Reservation]:
    found = []
    for other in state.reservations.values():
        if other.name == made.name and other.name:
            continue
        if other.start_time < made.end_time and other.end_time > made.start_time:
            found.append(other)
    return found


def _shared_flags(one: Reservation) -> set[str]:
    return set(one.flags)


def _refuse_overlap(state: State, made: Reservation, names: Sequence[str]) -> None:
    """Two reservations may hold the same nodes only if one of them is for maintenance or says OVERLAP."""
    wanted = set(names)
    for other in _overlapping(state, made):
        if _shared_flags(other) & {"MAINT", "OVERLAP"} or other._cores:
            continue
        if wanted & set(other._node_names):
            raise SlurmError("ESLURM_RESERVATION_OVERLAP")


def _refuse_busy(state: State, made: Reservation, names: Sequence[str], now: int, by_core: bool) -> None:
    if "IGNORE_JOBS" in made.flags or by_core:
        return
    if any(_busy(state.nodes[name], made, now) for name in names):
        raise SlurmError("ESLURM_NODES_BUSY")


def _busy(node: Node, made: Reservation, now: int) -> bool:
    """Does a job run on the node beyond the reservation's start?"""
    for job in node._jobs.values():
        if made.name and made.name in words(job.resv_name):
            continue
        end = job._end_limit or (1 << 62)
        if end > made.start_time:
            return True
    return False


def _usable(state: State, made: Reservation, node: Node, now: int, by_core: bool) -> bool:
    if not node.is_up and made.start_time <= now + 60:
        return False
    if not by_core and "IGNORE_JOBS" not in made.flags and _busy(node, made, now):
        return False
    if set(made.flags) & {"MAINT", "OVERLAP"}:
        return True
    return not any(
        node.name in other._node_names and not other._cores and not _shared_flags(other) & {"MAINT", "OVERLAP"}
        for other in _overlapping(state, made)
    )


def _cores_of(state: State, made: Reservation, names: Sequence[str], wanted: int, now: int) -> dict[str, int]:
    """Masks of so many free cores, in the order of the nodes."""
    masks: dict[str, int] = {}
    left = wanted
    for name in names:
        if left <= 0:
            break
        node = state.nodes[name]
        free = (1 << node._core_count) - 1
        if "IGNORE_JOBS" not in made.flags:
            for job in node._jobs.values():
                if name in job._allocation and (job._end_limit or (1 << 62)) > made.start_time:
                    free &= ~job._allocation[name].cores
        for other in _overlapping(state, made):
            if name in other._node_names and not set(made.flags) & {"OVERLAP", "MAINT"}:
                free &= ~other._cores.get(name, 0 if other._cores else -1)
        mask = 0
        while free and left > 0:
            low = free & -free
            mask |= low
            free ^= low
            left -= 1
        if mask:
            masks[name] = mask
    if left > 0:
        raise SlurmError("ESLURM_NODES_BUSY")
    return masks


def _show(state: State, made: Reservation, names: tuple[str, ...], masks: dict[str, int]) -> None:
    from slurmpy.controller import gres_request
    from slurmpy.controller.select import cpus_per_core

    made._node_names = names
    made._cores = masks
    made.node_list = hostlist.compress(list(names)) if names else ""
    made.node_count = len(names)
    cpus = cores = 0
    shown = []
    for name in names:
        node = state.nodes[name]
        if name in masks:
            number = masks[name].bit_count()
            ids = [at for at in range(node._core_count) if masks[name] >> at & 1]
            shown.append((name, gres_request.ranges(ids)))
        else:
            number = node._core_count
        cores += number
        cpus += number * (1 if name in masks else cpus_per_core(node))
    made.core_count = cores
    made.core_specializations = tuple(shown)
    made.tres = f"cpu={cpus}" if cpus else ""
