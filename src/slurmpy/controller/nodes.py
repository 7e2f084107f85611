"""Nodes: registration, health, and what administrators do to them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from slurmpy.controller import records
from slurmpy.controller.agent import node_address
from slurmpy.controller.state import Job, Node
from slurmpy.core import tres
from slurmpy.core.errors import SlurmError
from slurmpy.core.states import JobState, NodeState
from slurmpy.rpc.address import Address
from slurmpy.rpc.log import log

if TYPE_CHECKING:
    from slurmpy.controller.control import Controller
    from slurmpy.rpc.server import Peer

FLAGS = ~NodeState.BASE


def address(ctl: Controller, name: str) -> Address:
    node = ctl.state.nodes.get(name)
    return node_address(ctl.conf, name, node.address if node else name, node.port if node else 0)


def is_gone(node: Node) -> bool:
    """Down and not answering: nobody there to clean up."""
    return node.base_state == NodeState.DOWN and bool(node.state & NodeState.NOT_RESPONDING)


def set_state(ctl: Controller, node: Node, state: int, stored: bool = True) -> None:
    if node.state == state:
        return
    node.state = state
    ctl.state.touch_node(node, stored)


def refresh(ctl: Controller, node: Node) -> None:
    """IDLE, MIXED or ALLOCATED and COMPLETING as its jobs make it, unless it is down or unknown."""
    state = node.state & ~NodeState.COMPLETING
    for job in node._jobs.values():
        if job.is_completing and node.name in job._completing:
            state |= NodeState.COMPLETING
            break
    if state & NodeState.BASE in (NodeState.IDLE, NodeState.ALLOCATED, NodeState.MIXED):
        full = node.alloc_cpus >= (node.effective_cpus or node.cpus) or node._exclusive
        running = len(node._jobs) > len(node._suspended)
        base = NodeState.IDLE if not node._jobs else NodeState.ALLOCATED if full and running else NodeState.MIXED
        state = state & FLAGS | base
    # what a node is busy with is not stored: the jobs say it
    set_state(ctl, node, state, stored=False)


# ---------------------------------------------------------------------------------------------- registration


def register_node(ctl: Controller, peer: Peer | None, args: dict[str, Any]) -> dict[str, Any]:
    """A slurmd has started, or tells how it stands after slurmctld has."""
    name = str(args.get("name", ""))
    node = ctl.state.nodes.get(name)
    if node is None:
        raise SlurmError("ESLURM_INVALID_NODE_NAME")
    now = ctl.state.now
    first = not node._registered
    same = not first and node.slurmd_start_time == args.get("slurmd_start_time")
    rebooted = bool(node.boot_time and args.get("boot_time") and int(args["boot_time"]) > node.boot_time + 2)
    node._last_response = now
    node._registered = True
    for field in (
        "version", "architecture", "operating_system", "boot_time", "slurmd_start_time", "free_mem", "cpu_load",
        "instance_id", "instance_type",
    ):  # fmt: skip
        if args.get(field) is not None:
            setattr(node, field, args[field])
    _check_hardware(ctl, node, args)
    if not same:  # else it may be about to answer what we have just asked it
        ctl.agent.reset(name)
    state = node.state & ~NodeState.NOT_RESPONDING
    base = state & NodeState.BASE
    if state & NodeState.INVALID_REG:
        pass
    elif base == NodeState.UNKNOWN:
        state = state & FLAGS | NodeState.IDLE
    elif base == NodeState.DOWN and _may_return(ctl, node):
        state = state & FLAGS | NodeState.IDLE
        log.info(f"Node {name} now responding")
        node.reason, node.reason_changed_at, node.reason_set_by_user = "", 0, ""
        records.node_up(ctl, node)
    if not node.last_busy:
        node.last_busy = now
    set_state(ctl, node, state & ~NodeState.REBOOT_ISSUED)
    refresh(ctl, node)
    ctl.state.touch_node(node)
    kill = _reconcile(ctl, node, tuple(args.get("steps") or ()), rebooted, first)
    if first:
        log.verbose(f"Node {name} registered")
    ctl.state.freed_nodes.add(name)
    ctl.schedule()
    return {"now": now, "ping_interval": _ping_interval(ctl), "kill": tuple(kill), "state": ctl.store.identity}


def _may_return(ctl: Controller, node: Node) -> bool:
    """ReturnToService: 0 never by itself, 1 if it was down for not responding, 2 whenever it registers properly."""
    rule = int(ctl.conf.ReturnToService or 0)
    return rule == 2 or (rule == 1 and node.reason.startswith("Not responding"))


def _check_hardware(ctl: Controller, node: Node, args: dict[str, Any]) -> None:
    """Compares what slurmd found with the configuration; a node that has less is not usable, unless overridden."""
    if "config_overrides" in str(ctl.conf.SlurmdParameters or ""):
        return
    short = ""
    for field, label in (("cpus", "CPUs"), ("real_memory", "RealMemory")):
        found = args.get(field)
        configured = getattr(node, field)
        if found is not None and int(found) < configured:
            short = f"Low {label}"
    have: dict[str, int] = {}
    for name, _kind, count, *_ in args.get("gres") or ():
        have[name] = have.get(name, 0) + count
    wanted: dict[str, int] = {}
    for name, _kind, count, _ in node._gres:
        wanted[name] = wanted.get(name, 0) + count
    for name, count in wanted.items():
        if have.get(name, 0) < count and args.get("gres") is not None:
            short = f"gres/{name} count reported lower than configured ({have.get(name, 0)} < {count})"
    if short:
        if not node.state & NodeState.INVALID_REG:
            log.error(f"Node {node.name} has {short.lower()}; it is not used")
            node.state |= NodeState.INVALID_REG | NodeState.DRAIN
            _reason(ctl, node, short, "slurm")
    elif node.state & NodeState.INVALID_REG:
        node.state &= ~(NodeState.INVALID_REG | NodeState.DRAIN)
        node.reason = ""


def _reconcile(
    ctl: Controller, node: Node, steps: tuple[tuple[Any, ...], ...], rebooted: bool, first: bool
) -> list[int]:
    """Compares the steps that a slurmd has (alive, or ended but not yet reported) with ours. Returns jobs to be
    killed."""
    from slurmpy.controller import ends, launch

    there: dict[int, set[int]] = {}
    restarts: dict[int, int] = {}
    for entry in steps:
        there.setdefault(int(entry[0]), set()).add(int(entry[1]))
        if len(entry) > 2:
            restarts[int(entry[0])] = int(entry[2])
    kill = []
    for job_id in there:
        job = ctl.state.jobs.get(job_id)
        stale = job is not None and restarts.get(job_id, job.restart_cnt) != job.restart_cnt
        holds = job is not None and (job.is_running or job.is_suspended or job.is_completing)
        if job is None or stale or not holds or node.name not in job._allocation:
            kill.append(job_id)
            message = {
                "job_id": job_id, "restart_cnt": restarts.get(job_id, 0), "reason": "cancelled", "user_id": 0,
                "kill_wait": ctl.conf.KillWait,
            }  # fmt: skip
            ctl.agent.send(node.name, "terminate_job", message)
    for job in list(node._jobs.values()):
        if job.is_completing and node.name in job._completing:
            message = {
                "job_id": job.job_id, "restart_cnt": job.restart_cnt, "reason": "cancelled", "user_id": job.user_id,
                "kill_wait": ctl.conf.KillWait,
            }  # fmt: skip
            ctl.agent.send(node.name, "terminate_job", message)
        elif job.job_state & JobState.CONFIGURING:
            continue
        elif job.is_running and job.batch_flag and job.batch_host == node.name and job.job_id not in there:
            if rebooted and node.boot_time > job.start_time:
                log.info(f"Node {node.name} rebooted, JobId={job.job_id} is lost")
                lose_job(ctl, job, node)
            elif not (job.het_job_id and job.het_job_offset):
                # either never arrived, or slurmd has it on record as ended and says so: both ways it runs once
                job._launched = False
                ctl.after_commit(functools.partial(launch.batch, ctl, job))
        elif job.is_running and not job.batch_flag and rebooted and node.boot_time > job.start_time:
            lose_job(ctl, job, node)
        for step in list(job._steps.values()):
            if (
                node.name in step._running_on
                and step.step_id not in there.get(job.job_id, ())
                and step.start_time < ctl.state.now - 60
                and step.step_id < 0xFFFFFFF0
            ):
                step._running_on -= {node.name}
                if not step._running_on:
                    ends.end_step(ctl, job, step, step._exit_code or 9, {})
    return kill


# ---------------------------------------------------------------------------------------------- health


def _ping_interval(ctl: Controller) -> int:
    timeout = int(ctl.conf.SlurmdTimeout or 0)
    return max(1, min(100, timeout // 3)) if timeout else 100


def on_answer(ctl: Controller, name: str) -> None:
    """A slurmd has answered us."""
    node = ctl.state.nodes.get(name)
    if node is None:
        return
    node._last_response = ctl.now()
    if not node._registered:
        _ask_registration(ctl, name)
    elif node.state & NodeState.NOT_RESPONDING and node.base_state != NodeState.DOWN:
        set_state(ctl, node, node.state & ~NodeState.NOT_RESPONDING)
        ctl.state.freed_nodes.add(name)
        ctl.schedule()


def _ask_registration(ctl: Controller, name: str) -> None:
    if not ctl.timers.pending(("asked", name)):
        ctl.at("asked", name, ctl.state.now + 5)
        ctl.agent.send(name, "node_status", {"register": True}, functools.partial(_registration, ctl, name))


def on_asked(ctl: Controller, name: str) -> None:
    """Asks a node that is down to register again. (The entry also keeps us from asking a node too often.)"""
    node = ctl.state.nodes.get(name)
    if node is not None and node.base_state == NodeState.DOWN and not node.state & NodeState.NOT_RESPONDING:
        node._registered = False
        ctl.agent.send(name, "node_status", {"register": True}, functools.partial(_registration, ctl, name))


def _registration(ctl: Controller, name: str, answer: Any) -> None:
    node = ctl.state.nodes.get(name)
    if isinstance(answer, SlurmError) or node is None or node._registered:
        return
    ctl.now()
    register_node(ctl, None, answer)
    ctl.changed()


def on_silence(ctl: Controller, name: str) -> None:
    """A slurmd does not answer. It is down when it has been silent for SlurmdTimeout."""
    node = ctl.state.nodes.get(name)
    if node is None:
        return
    now = ctl.now()
    timeout = int(ctl.conf.SlurmdTimeout or 0)
    if node._last_response and timeout and now - node._last_response < min(timeout, _ping_interval(ctl)):
        return
    if not node.state & NodeState.NOT_RESPONDING:
        set_state(ctl, node, node.state | NodeState.NOT_RESPONDING, stored=False)
        ctl.changed()


def on_ping(ctl: Controller, _key: Any = None) -> None:
    """Asks every slurmd how it is, and judges those that have been silent for too long."""
    now = ctl.state.now
    interval = _ping_interval(ctl)
    timeout = int(ctl.conf.SlurmdTimeout or 0)
    for node in list(ctl.state.nodes.values()):
        if node.base_state == NodeState.FUTURE:
            continue
        since = node._last_response or ctl.started_at
        if timeout and now - since >= timeout and not is_gone(node):
            _silent_too_long(ctl, node)
        if not ctl.agent.busy(node.name):
            ctl.agent.send(node.name, "ping", {}, functools.partial(_pong, ctl, node))
    ctl.at("ping", 0, now + min(interval, max(1, timeout // 2) if timeout else interval))


def _pong(ctl: Controller, node: Node, answer: Any) -> None:
    if isinstance(answer, dict):
        changed = False
        for field in ("cpu_load", "free_mem"):
            if answer.get(field) is not None and answer[field] != getattr(node, field):
                setattr(node, field, answer[field])
                changed = True
        if changed:
            ctl.state.touch_node(node, stored=False)


def _silent_too_long(ctl: Controller, node: Node) -> None:
    log.error(f"Nodes {node.name} not responding, setting DOWN")
    was_down = node.base_state == NodeState.DOWN
    if not was_down:
        _reason(ctl, node, "Not responding", "slurm")
    set_state(ctl, node, node.state & FLAGS | NodeState.DOWN | NodeState.NOT_RESPONDING)
    if not was_down:
        records.node_down(ctl, node, 0, "slurm")
    node._registered = False
    ctl.agent.forget(node.name)
    lose_jobs(ctl, node)
    ctl.schedule()


def lose_jobs(ctl: Controller, node: Node) -> None:
    """The node is down: its jobs are requeued, or end as NODE_FAIL."""
    for job in list(node._jobs.values()):
        lose_job(ctl, job, node)


def lose_job(ctl: Controller, job: Job, node: Node) -> None:
    from slurmpy.controller import ends, requeue

    if job.is_completing:
        if node.name in job._completing:
            ends.node_cleaned(ctl, job, node.name)
        return
    if not (job.is_running or job.is_suspended):
        return
    if not job.kill_on_node_fail and len(job._allocation) > 1 and not (job.batch_flag and job.batch_host == node.name):
        log.info(f"JobId={job.job_id} goes on without node {node.name}")
        return
    job.failed_node = node.name
    if job.requeue and job.batch_flag and not job.het_job_id:
        log.info(f"requeue JobId={job.job_id} due to failure of node {node.name}")
        requeue.requeue(ctl, job, 0, "node_fail")
    else:
        log.info(f"Killing JobId={job.job_id} on failed node {node.name}")
        for component in ends.het_components(ctl, job):
            if component.is_running or component.is_suspended:
                ends.tell_to_end(ctl, component, "node_fail", node.name)


# ---------------------------------------------------------------------------------------------- administration


def _reason(ctl: Controller, node: Node, reason: str, user: str) -> None:
    node.reason = reason
    node.reason_changed_at = ctl.state.now
    node.reason_set_by_user = user


def drain(ctl: Controller, node: Node, reason: str, user: str) -> None:
    _reason(ctl, node, reason, user)
    set_state(ctl, node, node.state | NodeState.DRAIN)
    records.node_down(ctl, node, 0, user)


def update_node(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    """scontrol update node. `changes`: state (a word), reason, comment, extra, weight, features, active_features, gres,
    address, hostname, resume_after, cpu_binding, instance_id, instance_type."""
    changes = dict(args.get("changes") or {})
    found = _named(ctl, args.get("names"))
    word = changes.pop("state", None)
    reason = changes.pop("reason", None)
    _check_fields(found, changes)
    if not isinstance(reason, str | None):
        raise TypeError("reason is no text")
    errors: list[str] = []
    for node in found:
        _set_fields(ctl, node, changes)
        if reason is not None:
            _reason(ctl, node, reason, peer.name)
            ctl.state.touch_node(node)
        if word is not None:
            _set_word(ctl, node, str(word), reason, peer)
    ctl.schedule()
    return {"errors": tuple(errors)}


def _named(ctl: Controller, names: Any) -> list[Node]:
    from slurmpy.core import hostlist

    if isinstance(names, str):
        names = [node for node in ctl.state.nodes] if names == "ALL" else hostlist.expand(names)
    if not names:
        raise SlurmError("ESLURM_INVALID_NODE_NAME")
    found = []
    for name in names:
        if name not in ctl.state.nodes:
            raise SlurmError("ESLURM_INVALID_NODE_NAME")
        found.append(ctl.state.nodes[name])
    return found


def _check_features(node: Node, changes: dict[str, Any]) -> None:
    """Active features must be among the available ones."""
    known = changes.get("features", node.features)
    if any(feature not in known for feature in changes.get("active_features") or ()):
        raise SlurmError("ESLURM_ACTIVE_FEATURE_NOT_SUBSET")


def _check_gres(ctl: Controller, node: Node, text: str) -> None:
    """A node whose devices change while jobs use them is not valid any more, until it registers with other ones."""
    counts: dict[str, int] = {}
    for name, _, count in tres.parse_gres(text) if text else ():
        counts[name] = counts.get(name, 0) + count
    for name in {entry[0] for entry in node._gres}:
        before = sum(entry[2] for entry in node._gres if entry[0] == name)
        if counts.get(name, 0) != before and any(used[0] == name for used in node._gres_used):
            _reason(
                ctl,
                node,
                f"gres/{name} count changed and jobs are using them ({before} != {counts.get(name, 0)})",
                "root",
            )
            node.state |= NodeState.DRAIN | NodeState.INVALID_REG
            node._gres = ()
            node.gres_used = ""


FIELDS = (
    "comment", "extra", "weight", "features", "active_features", "gres", "address", "hostname", "resume_after",
    "cpu_binding", "instance_id", "instance_type",
)  # fmt: skip


def _check_fields(found: list[Node], changes: dict[str, Any]) -> None:
    """Raises before anything of any node is changed. Features become tuples."""
    for field, value in changes.items():
        if field not in FIELDS:
            raise SlurmError("ESLURM_NOT_SUPPORTED", f"{field} of a node cannot be changed")
        if field in ("features", "active_features") and isinstance(value, str):
            changes[field] = tuple(piece for piece in value.split(",") if piece)
    Node.check_types(changes)
    if changes.get("gres"):
        tres.parse_gres(changes["gres"])
    for node in found:
        _check_features(node, changes)


def _set_fields(ctl: Controller, node: Node, changes: dict[str, Any]) -> None:
    for field, value in changes.items():
        if field == "features" and "active_features" not in changes:
            node.active_features = tuple(value)
        setattr(node, field, value)
    if "gres" in changes:
        _check_gres(ctl, node, str(changes["gres"] or ""))
    if changes:
        ctl.state.touch_node(node)
        if "address" in changes:
            ctl.agent.reset(node.name)


def _set_word(ctl: Controller, node: Node, word: str, reason: str | None, peer: Peer) -> None:
    """One of the words of ``scontrol update nodename=... state=``."""
    word = word.upper()
    state = node.state
    base = state & NodeState.BASE
    if word in ("DOWN", "FAIL"):
        if not reason and not node.reason:
            raise SlurmError("ESLURM_INVALID_NODE_STATE", "You must specify a reason when DOWNING a node")
        flag = NodeState.DRAIN if word == "FAIL" else 0
        new = state & FLAGS & ~NodeState.DRAIN | NodeState.DOWN
        if word == "FAIL":
            new = state | NodeState.FAIL | flag
        set_state(ctl, node, new)
        records.node_down(ctl, node, peer.uid, peer.name)
        if word == "DOWN":
            lose_jobs(ctl, node)
            if int(ctl.conf.ReturnToService or 0) == 2:
                ctl.at("asked", node.name, ctl.state.now + 1)  # a slurmd that is well brings it back
    elif word == "DRAIN":
        if not reason and not node.reason:
            raise SlurmError("ESLURM_INVALID_NODE_STATE", "You must specify a reason when DRAINING a node")
        if base in (NodeState.UNKNOWN, NodeState.FUTURE):
            raise SlurmError("ESLURM_INVALID_NODE_STATE")
        set_state(ctl, node, state | NodeState.DRAIN)
        records.node_down(ctl, node, peer.uid, peer.name)
    elif word == "UNDRAIN":
        set_state(ctl, node, state & ~NodeState.DRAIN)
        _clear_reason(node)
        records.node_up(ctl, node)
    elif word in ("RESUME", "IDLE"):
        resumable = state & (NodeState.DRAIN | NodeState.FAIL | NodeState.INVALID_REG) or base in (
            NodeState.DOWN, NodeState.ERROR,
        )  # fmt: skip
        if not resumable and base != NodeState.UNKNOWN:
            raise SlurmError("ESLURM_INVALID_NODE_STATE")
        if base == NodeState.FUTURE:
            raise SlurmError("ESLURM_INVALID_NODE_STATE")
        new = state & FLAGS & ~(NodeState.DRAIN | NodeState.FAIL | NodeState.INVALID_REG)
        new |= NodeState.IDLE if base in (NodeState.DOWN, NodeState.ERROR, NodeState.UNKNOWN) else base
        if base == NodeState.DOWN and not node._registered:
            new |= NodeState.NOT_RESPONDING
            node._last_response = ctl.state.now
        set_state(ctl, node, new)
        _clear_reason(node)
        records.node_up(ctl, node)
    elif word == "NORESP":
        set_state(ctl, node, state | NodeState.NOT_RESPONDING)
    elif word == "FUTURE":
        if node._jobs:
            raise SlurmError("ESLURM_INVALID_NODE_STATE")
        set_state(ctl, node, NodeState.FUTURE)
    else:
        raise SlurmError("ESLURM_INVALID_NODE_STATE")
    refresh(ctl, node)
    ctl.state.touch_node(node)
    ctl.state.freed_nodes.add(node.name)


def _clear_reason(node: Node) -> None:
    node.reason, node.reason_changed_at, node.reason_set_by_user = "", 0, ""


def node_ping(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    node = ctl.state.nodes.get(str(args.get("name", "")))
    if node is not None:
        node._last_response = ctl.state.now
        _pong(ctl, node, args)
    return {}


def reboot_nodes(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    program = ctl.conf.RebootProgram
    if not program:
        raise SlurmError("ESLURM_NOT_SUPPORTED", "RebootProgram isn't defined")
    for node in _named(ctl, args.get("names")):
        if args.get("reason"):
            _reason(ctl, node, args["reason"], peer.name)
        set_state(ctl, node, node.state | NodeState.REBOOT_REQUESTED)
        ctl.agent.send(node.name, "reboot", {})
    return {}


TIMERS = {"ping": on_ping, "asked": on_asked}
METHODS = {
    "register_node": register_node,
    "node_ping": node_ping,
    "update_node": update_node,
    "reboot_nodes": reboot_nodes,
}
