"""The environment of a batch script and of a step's tasks (OUTPUT ENVIRONMENT VARIABLES of sbatch(1) and srun(1)).

Pure: what slurmctld and the user said goes in, names and values come out. `launch` is what slurmd hands to slurmstepd;
its shape is described in `slurmpy.node.launches`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from slurmpy.core.records.base import INFINITE
from slurmpy.core.times import NO_LIMIT_SECONDS

#: What programs look at to find the GPUs that are theirs.
GPU_DEVICE_VARIABLES = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK", "GPU_DEVICE_ORDINAL")


def repeated(counts: Iterable[int]) -> str:
    """Slurm's form of one number a node: (2, 2, 1) -> "2(x2),1"."""
    runs: list[list[int]] = []
    for count in counts:
        if runs and runs[-1][0] == count:
            runs[-1][1] += 1
        else:
            runs.append([count, 1])
    return ",".join(str(n) if times == 1 else f"{n}(x{times})" for n, times in runs)


def repeated_pairs(pairs: Iterable[Sequence[int]]) -> str:
    """The same from (number, repetitions) pairs."""
    return ",".join(str(n) if times == 1 else f"{n}(x{times})" for n, times in pairs)


def from_strings(strings: Iterable[str]) -> dict[str, str]:
    """{"NAME": "value"} of "NAME=value" strings; what has no "=" is left out, the last of a name wins."""
    result = {}
    for text in strings:
        name, equals, value = text.partition("=")
        if equals and name:
            result[name] = value
    return result


def _gpus(gres: Iterable[Sequence[Any]]) -> tuple[int, list[int]]:
    count, indices = 0, []
    for name, _kind, number, places in gres:
        if name == "gpu":
            count += number
            indices += list(places)
    return count, sorted(indices)


def _shards(gres: Iterable[Sequence[Any]]) -> int:
    return sum(number for name, _kind, number, _places in gres if name == "shard")


def of_job(launch: Mapping[str, Any]) -> dict[str, str]:
    """The variables that tell about the job as a whole."""
    job: Mapping[str, Any] = launch["job"]
    job_id = launch["job_id"]
    start = job.get("start_time") or 0
    end = job.get("end_time") or 0
    if not end or job.get("time_limit") in (None, INFINITE):
        end = start + NO_LIMIT_SECONDS
    nodes = job.get("nodes", launch["nodes"])
    count = str(job.get("node_count", 1))
    result = {
        "SLURM_CLUSTER_NAME": launch["cluster_name"],
        "SLURM_CONF": launch["conf_path"],
        "SLURM_JOBID": str(job_id),
        "SLURM_JOB_ID": str(job_id),
        "SLURM_JOB_NAME": job.get("name", ""),
        "SLURM_JOB_NODELIST": nodes,
        "SLURM_JOB_NUM_NODES": count,
        "SLURM_JOB_PARTITION": job.get("partition", ""),
        "SLURM_JOB_CPUS_PER_NODE": repeated_pairs(launch["cpus_per_node"]),
        "SLURM_JOB_START_TIME": str(start),
        "SLURM_JOB_END_TIME": str(end),
        "SLURM_JOB_UID": str(launch["user_id"]),
        "SLURM_JOB_GID": str(launch["group_id"]),
        "SLURM_JOB_USER": launch["user_name"],
        "SLURMD_NODENAME": launch["node"],
        "SLURM_TOPOLOGY_ADDR": launch["node"],
        "SLURM_TOPOLOGY_ADDR_PATTERN": "node",
        "SLURM_OOM_KILL_STEP": "0",
    }
    for name, field in (
        ("SLURM_JOB_ACCOUNT", "account"),
        ("SLURM_JOB_QOS", "qos"),
        ("SLURM_JOB_RESERVATION", "resv_name"),
        ("SLURM_JOB_LICENSES", "licenses"),
        ("SLURM_JOB_DEPENDENCY", "dependency"),
        ("SLURM_CONTAINER", "container"),
        ("SLURM_CONTAINER_ID", "container_id"),
    ):
        if job.get(field):
            result[name] = str(job[field])
    if job.get("restart_cnt"):
        result["SLURM_RESTART_COUNT"] = str(job["restart_cnt"])
    if job.get("array_job_id"):
        result["SLURM_ARRAY_JOB_ID"] = str(job["array_job_id"])
        for name, field in (
            ("SLURM_ARRAY_TASK_ID", "array_task_id"),
            ("SLURM_ARRAY_TASK_COUNT", "array_task_count"),
            ("SLURM_ARRAY_TASK_MIN", "array_task_min"),
            ("SLURM_ARRAY_TASK_MAX", "array_task_max"),
            ("SLURM_ARRAY_TASK_STEP", "array_task_step"),
        ):
            if job.get(field) is not None:
                result[name] = str(job[field])
    if job.get("het_size"):
        result["SLURM_HET_SIZE"] = str(job["het_size"])
    return result


def _of_devices(launch: Mapping[str, Any]) -> dict[str, str]:
    result = {}
    count, indices = _gpus(launch["gres"])
    if count:
        result["SLURM_GPUS_ON_NODE"] = str(count)
    if indices:
        text = ",".join(map(str, indices))
        result.update(dict.fromkeys(GPU_DEVICE_VARIABLES, text))
        if launch["kind"] == "tasks":
            result["SLURM_STEP_GPUS"] = text
    shards = _shards(launch["gres"])
    if shards:
        result["SLURM_SHARDS_ON_NODE"] = str(shards)
    return result


def of_batch(launch: Mapping[str, Any]) -> dict[str, str]:
    """The whole environment of a batch script, but for SLURM_TASK_PID."""
    result = from_strings(launch["environment"])
    request: Mapping[str, Any] = launch["request"]
    job: Mapping[str, Any] = launch["job"]
    result.update(of_job(launch))
    result.update(
        {
            "SLURM_NNODES": str(job.get("node_count", 1)),
            "SLURM_NODELIST": launch["nodes"],
            "SLURM_TASKS_PER_NODE": repeated(launch["tasks_per_node"]),
            "SLURM_CPUS_ON_NODE": str(launch["cpus"]),
            "SLURM_GTIDS": "0",
            "SLURM_LOCALID": "0",
            "SLURM_NODEID": "0",
            "SLURM_PROCID": "0",
            "ENVIRONMENT": "BATCH",
            "HOSTNAME": launch["node"],
        }
    )
    result.setdefault("SLURM_PRIO_PROCESS", "0")
    result.setdefault("TMPDIR", "/tmp")  # noqa: S108 - where Slurm tells scripts to put theirs
    if request.get("current_working_directory"):
        result.setdefault("SLURM_SUBMIT_DIR", request["current_working_directory"])
    if job.get("allocating_node"):
        result.setdefault("SLURM_SUBMIT_HOST", job["allocating_node"])
    if request.get("tasks") is not None:
        result["SLURM_NTASKS"] = result["SLURM_NPROCS"] = str(job.get("tasks", request["tasks"]))
    for name, field in (
        ("SLURM_CPUS_PER_TASK", "cpus_per_task"),
        ("SLURM_MEM_PER_NODE", "memory_per_node"),
        ("SLURM_MEM_PER_CPU", "memory_per_cpu"),
        ("SLURM_THREADS_PER_CORE", "threads_per_core"),
    ):
        if request.get(field) is not None:
            result[name] = str(request[field])
    _, indices = _gpus(launch["job_gres"])
    if indices:
        result["SLURM_JOB_GPUS"] = ",".join(map(str, indices))
    if request.get("overcommit"):
        result["SLURM_OVERCOMMIT"] = "1"
    result.update(_of_devices(launch))
    return result


def of_step(launch: Mapping[str, Any]) -> dict[str, str]:
    """The environment that all tasks of a step have in common on this node."""
    result = from_strings(launch["environment"])
    tasks_per_node: Sequence[int] = launch["tasks_per_node"]
    tasks = str(sum(tasks_per_node))
    layout = repeated(tasks_per_node)
    nodes, count = launch["nodes"], str(len(tasks_per_node))
    named = result.get("SLURM_JOB_NAME")  # srun's -J names the step, and its tasks are told that name
    result.update(of_job(launch))
    if named:
        result["SLURM_JOB_NAME"] = named
    for name, field in (("SLURM_CONTAINER", "container"), ("SLURM_CONTAINER_ID", "container_id")):
        if launch.get(field):
            result[name] = launch[field]
    result.update(
        {
            "SLURM_NNODES": count,
            "SLURM_JOB_NUM_NODES": str(launch["job"].get("node_count", 1)),
            "SLURM_NODELIST": nodes,
            "SLURM_NTASKS": tasks,
            "SLURM_NPROCS": tasks,
            "SLURM_TASKS_PER_NODE": layout,
            "SLURM_STEPID": str(launch["step_id"]),
            "SLURM_STEP_ID": str(launch["step_id"]),
            "SLURM_STEP_NODELIST": nodes,
            "SLURM_STEP_NUM_NODES": count,
            "SLURM_STEP_NUM_TASKS": tasks,
            "SLURM_STEP_TASKS_PER_NODE": layout,
            "SLURM_CPUS_ON_NODE": str(launch["cpus"]),
            "SLURM_NODEID": str(launch["node_index"]),
            "SLURM_GTIDS": ",".join(str(task) for task in launch["tasks"]),
        }
    )
    result.setdefault("SLURM_PRIO_PROCESS", "0")
    # what the batch script's environment says of its devices is not true of this step's
    for name in ("SLURM_GPUS_ON_NODE", "SLURM_SHARDS_ON_NODE", "SLURM_STEP_GPUS", *GPU_DEVICE_VARIABLES):
        result.pop(name, None)
    result.update(_of_devices(launch))
    return result


def of_task(common: Mapping[str, str], task: int, local: int, pid: int) -> dict[str, str]:
    """One task's environment: global task id, id on this node, process id."""
    result = dict(common)
    result["SLURM_PROCID"] = str(task)
    result["SLURM_LOCALID"] = str(local)
    result["SLURM_TASK_PID"] = str(pid)
    return result
