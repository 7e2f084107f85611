"""What accounting is told of jobs, steps and nodes. Every record goes into the commit of the change it speaks of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slurmpy.controller.state import Job, Node, NodeAlloc, Step
from slurmpy.core import tres
from slurmpy.core.records.job import NOT_YET
from slurmpy.core.states import JobState, NodeState
from slurmpy.rpc import dbd_messages

if TYPE_CHECKING:
    from slurmpy.controller.control import Controller


def wanted(ctl: Controller) -> bool:
    return ctl.accounting is not None


def job_start(ctl: Controller, job: Job, **extra: Any) -> None:
    """A job waits, starts, or has been changed."""
    if not wanted(ctl):
        return
    flags = str(ctl.conf.AccountingStoreFlags or "").lower()
    # once, with the first record: of a job that starts at once that is the one of its start
    untold = job.batch_flag and not job.restart_cnt and job._limits.get("script_told") != job.job_id
    if untold and ("job_script" in flags or "job_env" in flags):
        both = ctl.store.script(job._script_id)
        if both is not None:
            job._limits = {**job._limits, "script_told": job.job_id}
            if "job_script" in flags:
                extra["script"] = both[0]
            if "job_env" in flags:
                limits = (job._request.rlimits if job._request is not None else None) or {}
                told = (f"SLURM_{name}={value}" for name, value in limits.items())
                extra["environment"] = "\n".join([*both[1], *told])
    if job.qos and "USING_DEFAULT_QOS" not in job.flags:
        extra.setdefault("qosreq", job.qos)
    if job.resv_name and (reservation := ctl.state.reservations.get(job.resv_name)) is not None:
        extra.setdefault("reservation_id", int(reservation._notes.get("id", 0)))
    if job.is_running:
        if job.scheduler == "Backfill":
            by = "STARTED_ON_BACKFILL"
        else:
            at_once = job.start_time == job.submit_time and not job.array_job_id
            by = "STARTED_ON_SUBMIT" if at_once else "STARTED_ON_SCHEDULE"
        extra["flags"] = (by, "START_RECEIVED")
        item = dbd_messages.job_record(job, "job_start", **extra)
        del item["state_reason"]  # the database keeps why it last waited
        ctl.store.add_record(item)
        return
    extra["flags"] = ("START_RECEIVED",)
    partition = ctl.state.partitions.get(job.partition.partition(",")[0])
    if not job._time_limit_set and (partition is None or partition.default_time is None):
        extra.setdefault("time_limit", None)  # what the partition allows, which is known when it starts
    item = dbd_messages.job_record(job, "job_start", **extra)
    if item["state_reason"] in ("Priority", "Resources"):
        del item["state_reason"]  # sacct(1): the last reason that it waited for other than these
    ctl.store.add_record(item)


def job_complete(ctl: Controller, job: Job, **extra: Any) -> None:
    """A job, or its present life, has ended. What has not changed since its start is left out."""
    if not wanted(ctl):
        return
    if ctl.unrecorded.pop(job.job_id, None) is not None:
        # cancelled in the very turn in which it was submitted: an end alone does not say whose job it was
        job_start(ctl, job)
    base = job.job_state & JobState.BASE
    killed = base in (JobState.CANCELLED, JobState.TIMEOUT, JobState.PREEMPTED)
    exit_code = 0 if killed else job.exit_code
    if base in (JobState.NODE_FAIL, JobState.DEADLINE):
        exit_code = 1 << 8  # what the database has for these, where the job itself shows 0:1
    item: dict[str, Any] = {
        "kind": "job_complete",
        "job_id": job.job_id,
        "submit_time": job.submit_time,
        "job_state": job.job_state & ~0x8000,
        "start_time": job.start_time,
        "end_time": job.end_time,
        # of a job that was killed it is not known yet when its end is recorded
        "exit_code": exit_code,
        "derived_exit_code": 0 if killed else job.derived_exit_code,
    }
    for name in ("failed_node", "admin_comment", "comment", "system_comment", "extra"):
        if job.__dict__.get(name):
            item[name] = job.__dict__[name]
    who = job._limits.get("killed_by")
    if who is not None:
        item["kill_request_user_id"], item["kill_request_user"] = who
    if job.array_job_id and job.array_task_id is None:
        item["array_task_string"] = job.array_task_string
    item.update(extra)
    ctl.store.add_record(item)


def step_start(ctl: Controller, job: Job, step: Step, **extra: Any) -> None:
    if wanted(ctl):
        ctl.store.add_record(dbd_messages.step_record(step, job.submit_time, "step_start", **extra))


def step_complete(
    ctl: Controller, job: Job, step: Step, base: int, status: int, usage: dict[str, Any], report: dict[str, Any]
) -> None:
    if not wanted(ctl):
        return
    item: dict[str, Any] = {
        "kind": "step_complete",
        "job_id": step.job_id,
        "submit_time": job.submit_time,
        "step_id": step.step_id,
        "job_state": base,
        "exit_code": status,
        "start_time": int(report.get("start_time") or step.start_time),
        "end_time": int(report.get("end_time") or ctl.state.now),
        "kill_request_user_id": None,
        "kill_request_user": "",
    }
    who = job._limits.get("step_killed_by")
    if who is not None and base == JobState.CANCELLED and step.step_id < 0xFFFFFFF0:
        item["kill_request_user_id"], item["kill_request_user"] = who
    if step._over_memory and base == JobState.CANCELLED:
        item["kill_request_user_id"], item["kill_request_user"] = 0, "root"
    if usage:
        item.update(dbd_messages.usage_fields(usage))
    ctl.store.add_record(item)


def _steps_state(ctl: Controller, job: Job, state: int) -> None:
    """What the books say of its steps; slurmctld shows them as running all the while."""
    for step in job._steps.values():
        ctl.store.add_record(
            {
                "kind": "step_start", "job_id": job.job_id, "submit_time": job.submit_time, "step_id": step.step_id,
                "start_time": step.start_time, "job_state": state,
            }
        )  # fmt: skip


def suspended(ctl: Controller, job: Job, start: int) -> None:
    for step in job._steps.values():
        step.run_time += max(0, start - (step.resume_time or step.start_time))
        step.resume_time = NOT_YET
        ctl.state.touch_step(step)
    if wanted(ctl):
        ctl.store.add_record(_stretch(job, start, 0))
        _steps_state(ctl, job, JobState.SUSPENDED)


def resumed(ctl: Controller, job: Job, start: int, end: int) -> None:
    for step in job._steps.values():
        step.resume_time = end
        ctl.state.touch_step(step)
    if wanted(ctl):
        ctl.store.add_record(_stretch(job, start, end))
        _steps_state(ctl, job, JobState.RUNNING)


def _stretch(job: Job, start: int, end: int) -> dict[str, Any]:
    return {
        "kind": "suspend", "job_id": job.job_id, "submit_time": job.submit_time, "start": start, "end": end,
        "job_state": job.job_state,
    }  # fmt: skip


def node_down(ctl: Controller, node: Node, user_id: int, user_name: str, at_start: bool = False) -> None:
    """`at_start`: by slurm.conf, before any node has been asked; that it has not answered is no part of it."""
    if wanted(ctl):
        state = node.state & ~NodeState.NOT_RESPONDING if at_start else node.state
        ctl.store.add_record(
            {
                "kind": "node_down", "node": node.name, "start": ctl.state.now, "end": 0, "state": state,
                "reason": node.reason, "user_id": user_id, "user_name": user_name, "tres": node.tres,
            }
        )  # fmt: skip


def node_up(ctl: Controller, node: Node) -> None:
    if wanted(ctl):
        ctl.store.add_record({"kind": "node_up", "node": node.name, "end": ctl.state.now})


def cluster_tres(ctl: Controller) -> None:
    if wanted(ctl):
        ctl.store.add_record(
            {"kind": "cluster_tres", "time": ctl.state.now, "tres": tres_of(ctl), "nodes": node_list(ctl)}
        )


def flush_jobs(ctl: Controller) -> None:
    """After a start without a state (option -c, a new StateSaveLocation): of what the books still have waiting or
    running nobody will ever tell the end."""
    when = ctl.store.take_loss()
    if when:
        ctl.store.add_record({"kind": "flush_jobs", "time": when})


def tres_of(ctl: Controller) -> str:
    """The whole cluster's TRES, ``cpu=44,mem=144000,...``."""
    totals: dict[str, int] = {"cpu": 0, "mem": 0, "node": 0, "billing": 0}
    for node in ctl.state.nodes.values():
        totals["cpu"] += node.cpus
        totals["mem"] += node.real_memory
        totals["node"] += 1
        for name, kind, count, _ in node._gres:
            key = f"gres/{name}"
            totals[key] = totals.get(key, 0) + count
            if kind:
                totals[f"{key}:{kind}"] = totals.get(f"{key}:{kind}", 0) + count
    totals["billing"] = sum(tres.parse(node.tres).get("billing", 0) for node in ctl.state.nodes.values())
    for lic in ctl.state.licenses.values():
        totals[f"license/{lic.name}"] = lic.total
    known = {"cpu", "mem", "node", "billing"} | {
        piece.strip().lower() for piece in str(ctl.conf.AccountingStorageTRES or "").split(",")
    }
    return ",".join(f"{name}={count}" for name, count in totals.items() if name.lower() in known)


def node_list(ctl: Controller) -> str:
    from slurmpy.core import hostlist

    return hostlist.compress(list(ctl.state.nodes))


def batch_tres(held: NodeAlloc) -> str:
    """The TRES of a step that has all that its job has on one node."""
    parts = [f"cpu={held.cpus}"]
    if held.memory:
        parts.append(f"mem={held.memory}M")
    parts.append("node=1")
    gres: dict[str, int] = {}
    for name, kind, count, _ in held.gres:
        gres[f"gres/{name}"] = gres.get(f"gres/{name}", 0) + count
        if kind:
            gres[f"gres/{name}:{kind}"] = gres.get(f"gres/{name}:{kind}", 0) + count
    parts.extend(f"{name}={count}" for name, count in gres.items())
    return ",".join(parts)
