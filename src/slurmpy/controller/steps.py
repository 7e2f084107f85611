"""Steps: created for srun, ended by their nodes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from slurmpy.auth import credential
from slurmpy.controller import containers, ends, launch, permissions, records
from slurmpy.controller.cancel import find_step
from slurmpy.controller.state import Job, Step
from slurmpy.core import hostlist
from slurmpy.core.errors import SlurmError
from slurmpy.core.ids import STEP_BATCH, STEP_INTERACTIVE, step_name
from slurmpy.core.records.base import INFINITE
from slurmpy.core.records.description import StepDescriptor
from slurmpy.core.states import JobState
from slurmpy.rpc import dbd_messages
from slurmpy.rpc.log import log

if TYPE_CHECKING:
    from slurmpy.controller.control import Controller
    from slurmpy.rpc.server import Peer


def _usable_job(ctl: Controller, peer: Peer, desc: StepDescriptor) -> Job:
    job = ctl.state.jobs.get(desc.job_id)
    if job is None:
        raise SlurmError("ESLURM_INVALID_JOB_ID")
    if desc.step_het_comp is not None and job.het_job_id:
        for part in ctl.state.by_het[job.het_job_id].values():
            if part.het_job_offset == desc.step_het_comp:
                job = part
                break
        else:
            raise SlurmError("ESLURM_INVALID_JOB_ID")
    permissions.check(ctl, peer, "create_step", job)
    if job.is_pending:
        raise SlurmError("ESLURM_JOB_PENDING")
    if job.is_finished or job.is_completing:
        raise SlurmError("ESLURM_ALREADY_DONE")
    if job.is_suspended:
        raise SlurmError("ESLURM_JOB_SUSPENDED")
    limit = int(ctl.conf.MaxStepCount or 40000)
    if job._next_step >= limit:
        raise SlurmError("ESLURM_STEP_LIMIT")
    return job


async def create_step(ctl: Controller, peer: Peer, args: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """A stream: {"pending": reason} whenever the step has to wait for others, then {"step": {...}} and its end."""
    from slurmpy.controller import steps_layout

    desc = StepDescriptor.received(args["step"])
    job = _usable_job(ctl, peer, desc)
    said = containers.remark(ctl, desc.container or (job.container if desc.interactive else ""), "step")
    with ctl.events.subscribe(job.job_id) as queue:
        told = ""
        while True:
            ctl.now()
            job = _usable_job(ctl, peer, desc)
            try:
                layout = steps_layout.place(ctl.state, job, desc)
                break
            except SlurmError as error:
                if error.name not in ("ESLURM_NODES_BUSY", "ESLURM_PORTS_BUSY", "ESLURM_INTERCONNECT_BUSY"):
                    raise
                if desc.immediate is not None and desc.immediate <= 1:
                    raise
                if told != error.message:
                    told = error.message
                    yield {"pending": error.message, "error": error.number}
            await queue.get()
    step = _new_step(ctl, job, desc, layout)
    await ctl.committed()
    yield {"step": {**description(ctl, job, step, desc, layout), "user_message": said}}


def _new_step(ctl: Controller, job: Job, desc: StepDescriptor, layout: Any) -> Step:
    if desc.step_id is not None:
        if desc.step_id in job._steps:
            raise SlurmError("ESLURM_DUPLICATE_STEP_ID")
        step_id = desc.step_id
    elif desc.interactive:
        step_id = STEP_INTERACTIVE
        if step_id in job._steps:
            raise SlurmError("ESLURM_DUPLICATE_STEP_ID")
    else:
        step_id = job._next_step
        job._next_step += 1
    allocation = layout.allocation
    step = Step(
        job_id=job.job_id, step_id=step_id, name=desc.name or "", user_id=job.user_id, user_name=job.user_name,
        cluster=job.cluster, partition=job.partition, state=JobState.RUNNING, nodes=hostlist.compress(layout.nodes),
        node_count=len(layout.nodes), number_cpus=sum(alloc.cpus for alloc in allocation.values()),
        number_tasks=layout.tasks, tasks_per_node=tuple(layout.tasks_per_node), start_time=ctl.state.now,
        distribution=layout.distribution, tres_alloc_str=step_tres(allocation),
    )  # fmt: skip
    if desc.time_limit is not None:
        step.time_limit = desc.time_limit
    for field in (
        "network", "srun_host", "srun_pid", "container", "container_id", "submit_line", "current_working_directory",
        "standard_input", "standard_output", "standard_error", "tres_bind", "tres_freq", "tres_per_step",
        "tres_per_node", "tres_per_socket", "tres_per_task", "cpus_per_tres", "memory_per_tres", "step_het_comp",
    ):  # fmt: skip
        value = getattr(desc, field)
        if value:
            setattr(step, field, value)
    if desc.interactive and not step.container:  # the only step of srun's that is in the job's own container
        step.container, step.container_id = job.container, job.container_id
    if desc.tasks is not None and desc.tres_per_node and not step.tres_per_step:  # shown beside devices only
        step.tres_per_step = f"cpu:{step.number_cpus}"
    if job.array_job_id:
        step.array_job_id, step.array_task_id = job.array_job_id, job.array_task_id
    if job.het_job_id:
        step.het_job_id, step.het_job_offset = job.het_job_id, job.het_job_offset
    step._allocation = allocation
    step._task_ids = tuple(tuple(ids) for ids in layout.task_ids)
    step._running_on = frozenset(layout.nodes)
    step._exclusive = not (desc.overlap or desc.interactive)
    job._steps[step_id] = step
    containers.note(f"StepId={job.job_id}.{step_name(step_id)}", step.container, step.container_id)
    show_use(job)
    ctl.state.touch_step(step)
    ctl.state.touch_job(job)
    records.step_start(ctl, job, step)
    if step.time_limit != INFINITE:
        ctl.at("step_limit", (job.job_id, step_id), step.start_time + step.time_limit * 60)
    return step


def show_use(job: Job) -> None:
    """What srun's steps use now, in the job's `job_resources`."""
    resources = job.job_resources
    if resources is None:
        return
    shown = []
    for entry in resources["allocation"]:
        held = [
            step._allocation[entry["name"]]
            for step in job._steps.values()
            if step.step_id != STEP_BATCH and step._exclusive and entry["name"] in step._allocation
        ]
        cpus = sum(alloc.cpus for alloc in held)
        shown.append({**entry, "cpus_used": cpus, "memory_used": sum(alloc.memory for alloc in held)})
    job.job_resources = {**resources, "allocation": tuple(shown)}


def step_tres(allocation: dict[str, Any]) -> str:
    """``cpu=2,mem=400M,node=1,gres/gpu=1`` of what a step holds."""
    from slurmpy.core.sizes import format_mem

    cpus = sum(alloc.cpus for alloc in allocation.values())
    memory = sum(alloc.memory for alloc in allocation.values())
    gres: dict[str, int] = {}
    for alloc in allocation.values():
        for name, kind, count, _ in alloc.gres:
            gres[f"gres/{name}"] = gres.get(f"gres/{name}", 0) + count
            if kind:
                gres[f"gres/{name}:{kind}"] = gres.get(f"gres/{name}:{kind}", 0) + count
    parts = [f"cpu={cpus}", f"node={len(allocation)}", *(f"{name}={count}" for name, count in gres.items())]
    if memory:
        parts.append(f"mem={format_mem(memory)}")
    return ",".join(sorted(parts))


def description(ctl: Controller, job: Job, step: Step, desc: StepDescriptor, layout: Any) -> dict[str, Any]:
    """What srun and, signed, the step's slurmds are told."""
    allocation = {name: launch.holding(alloc) for name, alloc in step._allocation.items()}
    fields: dict[str, Any] = {
        "job_id": job.job_id,
        "step_id": step.step_id,
        "restart_cnt": job.restart_cnt,
        "user_id": job.user_id,
        "group_id": job.group_id,
        "user_name": job.user_name,
        "group_name": job.group_name,
        "nodes": step.nodes,
        "node_names": tuple(step._allocation),
        "tasks": step.number_tasks,
        "tasks_per_node": step.tasks_per_node,
        "global_task_ids": step._task_ids,
        "allocation": allocation,
        "job_allocation": {name: launch.holding(alloc) for name, alloc in job._allocation.items()},
        "job": launch.job_wire(ctl, job),
        "cpus_per_node": launch.repeats([alloc.cpus for alloc in job._allocation.values()]),
        "cpus_per_task": layout.cpus_per_task,
        "distribution": step.distribution,
        "time_limit": step.time_limit,
        "nodes_job": job.nodes,
        "step_name": step.name,
        "container": step.container,
        "container_id": step.container_id,
        "overcommit": desc.overcommit,
        "kill_wait": ctl.conf.KillWait,
    }
    signed = credential.sign(ctl.conf, fields)
    return {**fields, "credential": signed, "node_addresses": launch.addresses(ctl, step._allocation)}


def step_complete(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    """A node says that its part of a step is over. What we do not know (any more) is confirmed, so it is not kept."""
    job = ctl.state.jobs.get(int(args["job_id"]))
    if job is None or int(args.get("restart_cnt", job.restart_cnt)) != job.restart_cnt:
        return {}
    step = job._steps.get(int(args["step_id"]))
    if step is None or step.step_id == STEP_BATCH:
        return {}
    _heard(ctl, args)
    if str(args.get("node", "")) not in step._running_on:
        return {}  # told before, and the confirmation was lost: its usage must not count twice
    status = int(args.get("exit_code", 0))
    if _rank(status) > _rank(step._exit_code):
        step._exit_code = status
    if args.get("usage"):
        step._usage = dbd_messages.merge_usage(step._usage, args["usage"])
    if args.get("reason") == "over_memory":
        step._over_memory = True
    step._running_on -= {str(args.get("node", ""))}
    if args.get("reason") == "oom":
        step._oom = True
        if not job._limits.get("oom"):
            job._limits = {**job._limits, "oom": True}
    if step._running_on:
        ctl.state.touch_step(step)
    else:
        finish(ctl, job, step, args)
    return {}


def _rank(status: int) -> int:
    return status >> 8 if status >> 8 else (status & 0x7F) + 128 if status & 0x7F else 0


def finish(ctl: Controller, job: Job, step: Step, report: dict[str, Any]) -> None:
    ctl.timers.drop(("step_limit", (job.job_id, step.step_id)))
    report = {**report, "usage": step._usage or report.get("usage")}
    ends.end_step(ctl, job, step, step._exit_code, report, out_of_memory=step._oom)
    show_use(job)
    ctl.state.touch_job(job)
    ctl.events.publish(job, {"event": "step_done", "step_id": step.step_id, "exit_code": step._exit_code})


def _heard(ctl: Controller, args: dict[str, Any]) -> None:
    node = ctl.state.nodes.get(str(args.get("node", "")))
    if node is not None:
        node._last_response = ctl.state.now


def complete_batch_job(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    job = ctl.state.jobs.get(int(args["job_id"]))
    if job is None or int(args.get("restart_cnt", job.restart_cnt)) != job.restart_cnt or job.is_pending:
        return {}
    _heard(ctl, args)
    if job.is_finished and not job.is_completing:
        return {}
    job._launched = True
    ends.batch_done(ctl, job, args)
    return {}


def epilog_complete(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    job = ctl.state.jobs.get(int(args["job_id"]))
    if job is None or int(args.get("restart_cnt", job.restart_cnt)) != job.restart_cnt:
        return {}
    _heard(ctl, args)
    name = str(args.get("node", ""))
    if args.get("error") and name in ctl.state.nodes:
        from slurmpy.controller import nodes

        log.error(f"epilog error on {name} for JobId={job.job_id}: {args['error']}")
        nodes.drain(ctl, ctl.state.nodes[name], "Epilog error", "slurm")
    if job.is_completing:
        ends.node_cleaned(ctl, job, name)
    return {}


def update_step(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    """scontrol update stepid: the time limit of a step."""
    changes = dict(args.get("changes") or {})
    StepDescriptor.check_types(changes)
    job, step = find_step(ctl, args)
    limit = changes.pop("time_limit", None)
    if changes:
        raise SlurmError("ESLURM_NOT_SUPPORTED", f"{next(iter(changes))} of a step cannot be changed")
    if limit is not None:
        step.time_limit = int(limit)
        ctl.state.touch_step(step)
        if step.time_limit == INFINITE:
            ctl.timers.drop(("step_limit", (job.job_id, step.step_id)))
        else:
            ctl.at("step_limit", (job.job_id, step.step_id), step.start_time + step.time_limit * 60)
    return {}


def on_step_limit(ctl: Controller, key: tuple[int, int]) -> None:
    job = ctl.state.jobs.get(key[0])
    step = job._steps.get(key[1]) if job is not None else None
    if job is None or step is None:
        return
    log.info(f"Time limit exhausted for StepId={key[0]}.{key[1]}")
    message = {"job_id": job.job_id, "step_id": step.step_id, "kill_wait": ctl.conf.KillWait, "reason": "timeout"}
    for name in step._running_on:
        ctl.agent.send(name, "terminate_step", message)
    ctl.events.publish(job, {"event": "step_timeout", "step_id": step.step_id})


def step_layout(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    _, step = find_step(ctl, args)
    return {
        "nodes": step.nodes,
        "node_names": tuple(step._allocation) or (step.nodes,),
        "tasks_per_node": step.tasks_per_node,
        "global_task_ids": step._task_ids,
        "node_addresses": launch.addresses(ctl, step._allocation or (step.nodes,)),
    }


TIMERS = {"step_limit": on_step_limit}
METHODS = {
    "create_step": create_step,
    "step_complete": step_complete,
    "complete_batch_job": complete_batch_job,
    "epilog_complete": epilog_complete,
    "update_step": update_step,
    "step_layout": step_layout,
}
