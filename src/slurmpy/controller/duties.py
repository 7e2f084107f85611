"""What slurmctld does from time to time: usage and priorities, reservations that begin and end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slurmpy.controller import admin, fairshare, jobs, priority, reservation_admin
from slurmpy.rpc.log import log

if TYPE_CHECKING:
    from slurmpy.controller.control import Controller

#: the name under which the store keeps usage
USAGE = "usage"


def start(ctl: Controller) -> None:
    """Takes up usage as it was saved, counts what has been used since, and sets the clocks.

    Without saved usage everybody begins with none, but for the jobs that run: as real slurmctld has it, which does not
    ask the database either.
    """
    saved = ctl.store.meta(USAGE) or {}
    for key, record in (("assocs", ctl.state.assocs.assocs), ("qos", ctl.state.assocs.qos_by_id)):
        for number, usage in (saved.get(key) or {}).items():
            known = record.get(number)
            if known is not None:
                # a release that kept no more than the sum has left a number
                known._usage |= usage if isinstance(usage, dict) else {"raw": usage}
    for name in ("_usage_at", "_usage_reset"):
        if saved.get(name):
            ctl.state.__dict__[name] = int(saved[name])
    count_usage(ctl)
    arm_priority(ctl)
    arm_reservations(ctl)
    reservation_admin.mark_nodes(ctl.state, ctl.state.now)


def arm_priority(ctl: Controller) -> None:
    ctl.at("priority", 0, ctl.state.now + max(1, int(ctl.conf.PriorityCalcPeriod or 300)))


def count_usage(ctl: Controller) -> None:
    """At the start and when slurm.conf is read anew."""
    if str(ctl.conf.PriorityUsageResetPeriod or "") == "NOW":
        fairshare.clear(ctl.state)
        ctl.state.__dict__.update(_usage_at=ctl.state.now, _usage_reset=ctl.state.now)
    priority.recompute(ctl.state, ctl.state.now)
    save_usage(ctl)


def on_priority(ctl: Controller, _key: Any) -> None:
    """Counts usage, lets it decay, and makes new priorities of it (every PriorityCalcPeriod)."""
    state = ctl.state
    priority.recompute(state, state.now)
    save_usage(ctl)
    jobs.end_used_up(ctl)
    arm_priority(ctl)
    ctl.schedule()


def save_usage(ctl: Controller) -> None:
    """What has been used, and until when that was counted, goes out with the next commit."""
    cache, state = ctl.state.assocs, ctl.state.__dict__
    found: dict[str, Any] = {name: state.get(name, 0) for name in ("_usage_at", "_usage_reset")}
    for key, known in (("assocs", cache.assocs), ("qos", cache.qos_by_id)):
        found[key] = {
            one.id: {name: one._usage[name] for name in fairshare.KEPT if one._usage.get(name)}
            for one in known.values()
            if one._usage.get("raw")
        }
    if found["assocs"] or found["qos"] or found["_usage_at"] or ctl.store.meta(USAGE):
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
