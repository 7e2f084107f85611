"""What slurmctld does from time to time: usage and priorities, reservations that begin and end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slurmpy.controller import admin, fairshare, priority, reservation_admin
from slurmpy.rpc.log import log

if TYPE_CHECKING:
    from slurmpy.controller.control import Controller

#: the name under which the store keeps usage
USAGE = "usage"


def start(ctl: Controller) -> None:
    """Takes up usage as it was saved, and sets the clocks."""
    saved = ctl.store.meta(USAGE) or {}
    for key, record in (("assocs", ctl.state.assocs.assocs), ("qos", ctl.state.assocs.qos_by_id)):
        for number, raw in (saved.get(key) or {}).items():
            known = record.get(number)
            if known is not None:
                known._usage["raw"] = raw
    if saved:
        fairshare.rank(ctl.state)
    arm_priority(ctl)
    arm_reservations(ctl)
    reservation_admin.mark_nodes(ctl.state, ctl.state.now)


def arm_priority(ctl: Controller) -> None:
    ctl.at("priority", 0, ctl.state.now + max(1, int(ctl.conf.PriorityCalcPeriod or 300)))


def on_priority(ctl: Controller, _key: Any) -> None:
    """Counts usage, lets it decay, and makes new priorities of it (every PriorityCalcPeriod)."""
    state = ctl.state
    priority.recompute(state, state.now)
    save_usage(ctl)
    arm_priority(ctl)
    ctl.schedule()


def save_usage(ctl: Controller) -> None:
    cache = ctl.state.assocs
    found = {
        "assocs": {a.id: a._usage["raw"] for a in cache.assocs.values() if a._usage.get("raw")},
        "qos": {q.id: q._usage["raw"] for q in cache.qos_by_id.values() if q._usage.get("raw")},
    }
    if found["assocs"] or found["qos"] or ctl.store.meta(USAGE):
        ctl.store.put_meta(USAGE, found)


def arm_reservations(ctl: Controller) -> None:
    when = reservation_admin.next_change(ctl.state, ctl.state.now)
    if when:
        ctl.at("reservation", 0, when)


def on_reservation(ctl: Controller, _key: Any) -> None:
    """A reservation begins or ends: those that ended go or move on; who waits for one is looked at anew."""
    state = ctl.state
    for gone in reservation_admin.advance(state, state.now):
        log.info(f"reservation {gone.name} is over")
        admin.reservation_record(ctl, gone, removed=True)
    for job in state.pending.values():
        if job.resv_name:
            state.requeue_look(job)
    state.freed_nodes.update(state.nodes)  # what was kept free is free
    reservation_admin.mark_nodes(state, state.now)
    state.reservations_update = state.now
    ctl.schedule()
    arm_reservations(ctl)


TIMERS = {"priority": on_priority, "reservation": on_reservation}
