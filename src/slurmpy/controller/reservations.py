"""Reservations as the scheduler sees them: who may use one, when it is active, and which nodes it keeps from whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slurmpy.controller.partition_access import words
from slurmpy.core.errors import SlurmError
from slurmpy.core.records.base import INFINITE

if TYPE_CHECKING:
    from slurmpy.controller.state import Job, Reservation, State
    from slurmpy.rpc.server import Peer

#: flags whose reservations hold no nodes
NODELESS = frozenset(("ANY_NODES",))


def requested(state: State, text: str | None) -> tuple[Reservation, ...]:
    """The reservations that --reservation names. Raises ESLURM_RESERVATION_INVALID."""
    if not text:
        return ()
    found = []
    for name in text.split(","):
        known = state.reservations.get(name.strip())
        if known is None:
            raise SlurmError("ESLURM_RESERVATION_INVALID")
        found.append(known)
    return tuple(found)


def _listed(text: str, *names: str) -> bool | None:
    """Is one of the names in a list like ``anna,bob`` or ``-eve``? None where there is no list."""
    entries = words(text)
    if not entries:
        return None
    excluded = {entry[1:] for entry in entries if entry.startswith("-")}
    if excluded:
        return not excluded & set(names)
    return bool(entries & set(names))


def may_use(state: State, reservation: Reservation, job: Job, groups: frozenset[str] = frozenset()) -> bool:
    """Is the job's user, account or QOS among those the reservation is for?"""
    by_user = _listed(reservation.users, job.user_name)
    accounts = [job.account]
    assoc = state.assocs.assocs.get(job.association_id)
    if assoc is not None:
        accounts = [one.account for one in state.assocs.chain(assoc)]
    by_account = _listed(reservation.accounts, *accounts)
    by_qos = _listed(reservation.qos, job.qos)
    by_group = _listed(reservation.groups, *groups, job.group_name)
    answers = [answer for answer in (by_user, by_account, by_qos, by_group) if answer is not None]
    return bool(answers) and all(answers)


def check_access(state: State, reservation: Reservation, job: Job) -> None:
    """Raise ESLURM_RESERVATION_ACCESS for a job that may not use the reservation."""
    if not may_use(state, reservation, job):
        raise SlurmError("ESLURM_RESERVATION_ACCESS")


def is_active(reservation: Reservation, now: int) -> bool:
    return reservation.start_time <= now < reservation.end_time


class Barriers:
    """What reservations keep from one job: whole nodes, cores of nodes, and all but the nodes of its own."""

    __slots__ = ("blocked", "closed", "licenses", "maintenance", "within")

    def __init__(self) -> None:
        self.closed: set[str] = set()
        self.blocked: dict[str, int] = {}
        self.maintenance: set[str] = set()  # those of the closed nodes that are for maintenance
        self.within: frozenset[str] | None = None
        self.licenses: dict[str, int] = {}


_NONE = Barriers()


def barriers(state: State, job: Job, start: int, minutes: int | None) -> Barriers:
    """What a job that starts at `start` and runs so many minutes (None, INFINITE: for ever) may not use."""
    if not state.reservations:
        return _NONE
    found = Barriers()
    own = words(job.resv_name)
    end = start + minutes * 60 if minutes is not None and minutes != INFINITE else 1 << 62
    own_cores: dict[str, int] = {}
    own_nodes: set[str] = set()
    for reservation in state.reservations.values():
        if reservation.name in own:
            own_nodes.update(reservation._node_names)
            for name in reservation._node_names:
                if name in reservation._cores:
                    own_cores[name] = own_cores.get(name, 0) | reservation._cores[name]
                else:
                    own_cores[name] = -1
            continue
        if reservation.start_time >= end or reservation.end_time <= start:
            continue
        if "FLEX" in reservation.flags and reservation.start_time > start:
            continue
        for item in reservation.licenses.split(",") if reservation.licenses else ():
            license_name, _, count = item.partition(":")
            found.licenses[license_name] = found.licenses.get(license_name, 0) + (int(count) if count.isdigit() else 1)
        for name in reservation._node_names:
            if reservation._cores:
                found.blocked[name] = found.blocked.get(name, 0) | reservation._cores.get(name, 0)
            else:
                found.closed.add(name)
                if "MAINT" in reservation.flags:
                    found.maintenance.add(name)
    if own:
        found.within = frozenset(own_nodes) if own_nodes else None
        for name, cores in own_cores.items():
            found.closed.discard(name)
            if cores >= 0 and name in state.nodes:
                everything = (1 << state.nodes[name]._core_count) - 1
                found.blocked[name] = found.blocked.get(name, 0) | everything & ~cores
    return found


def wait_reason(state: State, job: Job, now: int) -> tuple[str, int]:
    """Why a job's own reservation keeps it waiting ("" if it does not), and when to look again (0: unknown)."""
    if not job.resv_name:
        return "", 0
    starts = []
    for name in words(job.resv_name):
        reservation = state.reservations.get(name)
        if reservation is None:
            continue
        if is_active(reservation, now):
            return "", 0
        if reservation.start_time > now:
            starts.append(reservation.start_time)
    if not any(name in state.reservations for name in words(job.resv_name)):
        return "ReservationDeleted", 0
    return "Reservation", min(starts, default=0)


def create(state: State, wishes: dict[str, Any], peer: Peer, now: int) -> Reservation:
    """See `reservation_admin.create`."""
    from slurmpy.controller import reservation_admin

    return reservation_admin.create(state, wishes, peer, now)


def update(state: State, wishes: dict[str, Any], peer: Peer, now: int) -> Reservation:
    """See `reservation_admin.update`."""
    from slurmpy.controller import reservation_admin

    return reservation_admin.update(state, wishes, peer, now)


def delete(state: State, name: str, peer: Peer, now: int) -> None:
    """See `reservation_admin.delete`."""
    from slurmpy.controller import reservation_admin

    reservation_admin.delete(state, name, peer, now)
