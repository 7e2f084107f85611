"""Preemption by QOS (preempt/qos) or partition (preempt/partition_prio): whose jobs go so that another may start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slurmpy.controller import select

if TYPE_CHECKING:
    from slurmpy.controller.reservations import Barriers
    from slurmpy.controller.state import Job, Partition, State

MODES = ("CANCEL", "REQUEUE", "SUSPEND")


def enabled(state: State) -> str:
    """ "qos", "partition_prio" or "" (PreemptType)."""
    kind = str(state.conf.PreemptType or "").rpartition("/")[2]
    return kind if kind in ("qos", "partition_prio") else ""


def mode_for(state: State, victim: Job) -> str:
    """What happens to a job that is preempted: CANCEL, REQUEUE or SUSPEND ("" if it may not be)."""
    kind = enabled(state)
    mode = ""
    if kind == "qos":
        qos = state.assocs.qos.get(victim.qos)
        mode = _word(qos.preempt_mode) if qos is not None else ""
    elif kind == "partition_prio":
        partition = state.partitions.get(victim.partition)
        mode = _word(partition.preempt_mode) if partition is not None else ""
    mode = mode or _word(str(state.conf.PreemptMode or ""))
    if mode == "REQUEUE" and not (victim.requeue and victim.batch_flag):
        mode = "CANCEL"
    return mode if mode in MODES else ""


def _word(text: str) -> str:
    for item in text.replace(";", ",").split(","):
        word = item.strip().upper()
        if word in ("CANCEL", "REQUEUE", "SUSPEND", "OFF"):
            return word
    return ""


def may_preempt(state: State, job: Job, partition: Partition, victim: Job) -> bool:
    kind = enabled(state)
    if kind == "qos":
        qos = state.assocs.qos.get(job.qos)
        return qos is not None and victim.qos in qos.preempt
    if kind == "partition_prio":
        theirs = state.partitions.get(victim.partition)
        return theirs is not None and partition.priority_tier > theirs.priority_tier
    return False


def _exempt(state: State, victim: Job, now: int) -> bool:
    qos = state.assocs.qos.get(victim.qos)
    seconds = qos.preempt_exempt_time if qos is not None and qos.preempt_exempt_time is not None else None
    if seconds is None:
        configured = state.conf.PreemptExemptTime
        seconds = configured if isinstance(configured, int) and configured > 0 else 0
    return now < victim.start_time + seconds


def find(
    state: State, job: Job, partition: Partition, now: int, fence: Barriers, closed: set[str] | frozenset[str]
) -> list[tuple[Job, str]]:
    """The fewest running jobs, lowest rank and youngest first, without which the job would fit; [] if none help."""
    if not enabled(state):
        return []
    victims: dict[int, Job] = {}
    for name in partition._node_names:
        node = state.nodes.get(name)
        if node is None or name in closed:
            continue
        for other in node._jobs.values():
            if not (other.is_running or other.is_suspended) or not may_preempt(state, job, partition, other):
                continue
            if mode_for(state, other) and not _exempt(state, other, now):
                victims[other.job_id] = other
    if not victims:
        return []
    pending = [victim for victim in victims.values() if victim._kill_time or victim.preempt_time]
    ordered = sorted(victims.values(), key=lambda victim: (victim.priority, -victim.start_time))
    shadows = {name: select.shadow(node) for name, node in state.nodes.items()}
    chosen: list[Job] = []
    for victim in [*pending, *(one for one in ordered if one not in pending)]:
        _remove(shadows, victim)
        chosen.append(victim)
        found = select.place(
            state, job, partition, now, nodes=shadows, closed=closed, blocked=fence.blocked, within=fence.within
        )
        if not isinstance(found, str):
            needed = set(found.allocation)
            return [
                (one, mode_for(state, one)) for one in chosen if needed & set(one._allocation) and one not in pending
            ]
    return []


def _remove(shadows: dict[str, select.Node], victim: Job) -> None:
    """Take a job off the shadow nodes."""
    for name in victim._allocation:
        node = shadows.get(name)
        if node is not None:
            select.release_shadow(node, victim)
