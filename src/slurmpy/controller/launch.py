"""What a slurmd is sent to start a batch job, and how an allocation is described to srun and salloc."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slurmpy.controller import containers
from slurmpy.controller.state import Job, NodeAlloc
from slurmpy.core.errors import SlurmError
from slurmpy.core.states import JobState
from slurmpy.rpc.log import log

if TYPE_CHECKING:
    from slurmpy.controller.control import Controller


def holding(alloc: NodeAlloc) -> dict[str, Any]:
    """What a job or step has on a node, as slurmd and srun are told."""
    return {"cpus": alloc.cpus, "core_ids": tuple(alloc.core_ids()), "memory": alloc.memory, "gres": alloc.gres}


def repeats(values: list[int]) -> tuple[tuple[int, int], ...]:
    """[4, 4, 2] -> ((4, 2), (2, 1)), the form of SLURM_JOB_CPUS_PER_NODE."""
    found: list[list[int]] = []
    for value in values:
        if found and found[-1][0] == value:
            found[-1][1] += 1
        else:
            found.append([value, 1])
    return tuple((value, count) for value, count in found)


def tasks_per_node(job: Job) -> tuple[int, ...]:
    """How the job's tasks spread over its nodes, for SLURM_TASKS_PER_NODE of the batch script."""
    allocs = list(job._allocation.values())
    cpus_per_task = job.cpus_per_task or 1
    room = [max(1, alloc.cpus // cpus_per_task) for alloc in allocs]
    if job.tasks_per_node:
        room = [job.tasks_per_node] * len(allocs)
    tasks = job.tasks if job._request is not None and job._request.tasks else 0
    if not tasks:
        return tuple(room)
    given = [0] * len(allocs)
    left = max(tasks, len(allocs))
    for i in range(len(allocs)):  # one each first, as every node must have a task
        given[i] = 1
        left -= 1
    for i, most in enumerate(room):
        more = min(left, most - given[i])
        if more > 0:
            given[i] += more
            left -= more
    i = 0
    while left > 0:  # overcommitted
        given[i % len(given)] += 1
        left -= 1
        i += 1
    return tuple(given)


def array_facts(ctl: Controller, job: Job) -> dict[str, Any]:
    """SLURM_ARRAY_TASK_COUNT and its like, of the array as it was submitted."""
    if not job.array_job_id or job.array_task_id is None:
        return {}
    facts = job._limits.get("array")
    if facts is None:
        return {}
    count, low, high, step = facts
    return {"array_task_count": count, "array_task_min": low, "array_task_max": high, "array_task_step": step}


def addresses(ctl: Controller, names: Any) -> dict[str, dict[str, object]]:
    from slurmpy.controller import nodes

    return {name: nodes.address(ctl, name).to_wire() for name in names}


def job_wire(ctl: Controller, job: Job) -> dict[str, Any]:
    wire = job.to_wire()
    wire.pop("job_resources", None)  # "allocation" says it
    wire.update(array_facts(ctl, job))
    wire["containers"] = containers.configured(ctl)
    wire["controller_state"] = ctl.store.identity
    return wire


def _repeated(values: tuple[tuple[int, int], ...]) -> str:
    """((4, 2), (2, 1)) -> ``4(x2),2``"""
    return ",".join(f"{value}(x{count})" if count > 1 else str(value) for value, count in values)


def het_variables(ctl: Controller, job: Job) -> list[str]:
    """What the batch script of a heterogeneous job learns of each component, as NAME=value."""
    from slurmpy.controller import ends

    found: list[str] = []
    for one in ends.het_components(ctl, job):
        cpus = repeats([alloc.cpus for alloc in one._allocation.values()])
        values = {
            "SLURM_JOB_ID": one.job_id,
            "SLURM_JOBID": one.job_id,
            "SLURM_JOB_ACCOUNT": one.account,
            "SLURM_JOB_CPUS_PER_NODE": _repeated(cpus),
            "SLURM_JOB_NODELIST": one.nodes,
            "SLURM_NODELIST": one.nodes,
            "SLURM_JOB_NUM_NODES": one.node_count,
            "SLURM_NNODES": one.node_count,
            "SLURM_JOB_PARTITION": one.partition,
            "SLURM_JOB_QOS": one.qos,
            "SLURM_JOB_RESERVATION": one.resv_name,
            "SLURM_TASKS_PER_NODE": _repeated(repeats(list(tasks_per_node(one)))),
            "SLURM_MEM_PER_NODE": one.memory_per_node,
            "SLURM_MEM_PER_CPU": one.memory_per_cpu,
        }
        group = f"_HET_GROUP_{one.het_job_offset}"
        found.extend(f"{name}{group}={value}" for name, value in values.items() if value not in ("", None))
    return found


def batch(ctl: Controller, job: Job) -> None:
    """Sends a batch job that has started (and whose start is committed) to its first node."""
    from slurmpy.auth import credential
    from slurmpy.controller import ends

    if not job.is_running or job._launched or job._requeue is not None or job.job_state & JobState.CONFIGURING:
        return
    node = job.batch_host
    both = ctl.store.script(job._script_id)
    if both is None:
        log.error(f"JobId={job.job_id} has no script")
        ends.hold_after_failure(ctl, job, {"node": node, "reason": "launch_failed"})
        return
    script, environment = both
    request = job._request.to_wire() if job._request is not None else {}
    message: dict[str, Any] = {
        "job": job_wire(ctl, job),
        "request": request,
        "script": script,
        "environment": environment,
        "allocation": {name: holding(alloc) for name, alloc in job._allocation.items()},
        "cpus_per_node": repeats([alloc.cpus for alloc in job._allocation.values()]),
        "tasks_per_node": tasks_per_node(job),
        "credential": b"",
    }
    if len(job._allocation) > 1:
        message["node_addresses"] = addresses(ctl, job._allocation)
    if job.het_job_id:
        message["job"]["het_size"] = len(ends.het_components(ctl, job))
        message["environment"] = (*environment, *het_variables(ctl, job))
        message["het_components"] = tuple(
            {
                "job": component.to_wire(),
                "allocation": {name: holding(alloc) for name, alloc in component._allocation.items()},
                "cpus_per_node": repeats([alloc.cpus for alloc in component._allocation.values()]),
                "tasks_per_node": tasks_per_node(component),
            }
            for component in ends.het_components(ctl, job)
        )
    message["credential"] = credential.sign(ctl.conf, {"job_id": job.job_id, "user_id": job.user_id, "node": node})
    restart = job.restart_cnt

    def reply(answer: Any) -> None:
        if job.restart_cnt != restart or not job.is_running:
            return
        if isinstance(answer, SlurmError):
            ctl.now()
            log.error(f"launch of JobId={job.job_id} on {node}: {answer.message}")
            ends.hold_after_failure(ctl, job, {"node": node, "reason": "launch_failed", "message": answer.message})
            ctl.changed()
        else:
            job._launched = True

    def valid() -> bool:
        # a repeat that comes after the end could start the job a second time
        return job.is_running and job.restart_cnt == restart and not job._launched

    ctl.agent.send(node, "launch_batch_job", message, reply, valid)


def allocation_reply(ctl: Controller, job: Job) -> dict[str, Any]:
    """An allocation as srun and salloc need it (AllocationReply)."""
    from slurmpy.controller.ends import het_components

    reply: dict[str, Any] = {
        "job_id": job.job_id,
        "account": job.account,
        "qos": job.qos,
        "partition": job.partition,
        "name": job.name,
        "nodes": job.nodes,
        "node_count": job.node_count,
        "cpus_per_node": repeats([alloc.cpus for alloc in job._allocation.values()]),
        "tasks_per_node": tasks_per_node(job),
        "tasks": job.tasks,
        "cpus_per_task": job._request.cpus_per_task if job._request is not None else None,
        "memory_per_node": job.memory_per_node,
        "memory_per_cpu": job.memory_per_cpu,
        "tres": job.tres_alloc_str,
        "job": job_wire(ctl, job),
        "request": job._request.to_wire() if job._request is not None else {},
        "allocation": {name: holding(alloc) for name, alloc in job._allocation.items()},
        "node_addresses": addresses(ctl, job._allocation),
        "resv_name": job.resv_name,
        "start_time": job.start_time,
        "end_time": job.end_time,
        "time_limit": job.time_limit,
        "uid": job.user_id,
        "gid": job.group_id,
        "user_name": job.user_name,
        "group_name": job.group_name,
        "batch_host": job.batch_host,
        "het_job_id": job.het_job_id,
        "het_job_offset": job.het_job_offset,
    }
    if job.het_job_id and job.het_job_offset == 0:
        reply["het_components"] = tuple(
            allocation_reply(ctl, component) for component in het_components(ctl, job) if component is not job
        )
    return reply
