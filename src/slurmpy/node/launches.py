"""What slurmd hands to slurmstepd: one dictionary that has all a step needs on this node. Pure.

Keys: ``kind`` ("batch" or "tasks"), ``job_id``, ``step_id``, ``restart_cnt``, ``user_id``, ``group_id``,
``user_name``, ``group_name``, ``job`` (JobInfo's wire form), ``request`` (JobDescriptor's, batch only), ``node``,
``node_index`` (in the step), ``nodes`` (the step's host list), ``cpus_per_node`` (the job's, (cpus, repetitions)
pairs), ``tasks_per_node``, ``tasks`` (global ids of this node's), ``cpus``, ``core_ids``, ``memory`` (MiB, 0: no
limit), ``gres`` (the step's on this node), ``job_gres``, ``environment`` ("NAME=value" strings), ``arguments``,
``directory``, ``umask``, ``limits``, ``append``, ``stdin``/``stdout``/``stderr``; for tasks also ``programs``
(arguments per task with --multi-prog), ``io`` (where srun listens), ``pty`` (rows, columns) or None, ``unbuffered``,
``task_prolog``, ``task_epilog``, ``container_directory`` (of --chdir, for a container); for both
``container`` (its bundle, or "") and ``oci`` (`OciConf.settings`, None where there is no oci.conf); from slurm.conf
``cluster_name``, ``conf_path``, ``spool``, ``kill_wait``,
``frequency`` (seconds between samples, 0: none), ``gather`` (see `gather_of`), ``unkillable_timeout``,
``site_task_prolog``, ``site_task_epilog``.

``stdin``, ``stdout`` and ``stderr`` are one of ("relay", None), ("relay", task id), ("none",), ("file", pattern); for
stderr also ("stdout",).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slurmpy.core.errors import SlurmError
from slurmpy.core.hostlist import expand
from slurmpy.core.ids import STEP_BATCH

DEFAULT_OUTPUT = "slurm-%j.out"
DEFAULT_ARRAY_OUTPUT = "slurm-%A_%a.out"


def frequency_of(text: str | None) -> int:
    """Seconds between samples of JobAcctGatherFrequency ("30", "task=10,network=30"); 0 switches sampling off."""
    wanted = _task_frequency(text or "")
    return 30 if wanted is None else wanted


def _task_frequency(text: str) -> int | None:
    seconds = None
    for word in text.split(","):
        name, equals, value = word.strip().rpartition("=")
        if (not equals or name.lower() == "task") and value.isdecimal():
            seconds = int(value[:9])
    return seconds


def _frequency(asked: str | None, configured: int) -> int:
    """--acctg-freq of a job or step, which may only be finer than the cluster's. Raises SlurmError."""
    wanted = _task_frequency(str(asked or ""))
    if wanted is None:
        return configured
    if wanted > configured > 0:
        raise SlurmError("ESLURMD_INVALID_ACCT_FREQ")
    return wanted


def gather_of(conf: Any) -> dict[str, Any]:
    """How a step is measured: ``on`` (a JobAcctGatherType is set), ``memory`` ("", "pss" or "unshared"), ``kill``
    (OverMemoryKill)."""
    kind = str(conf.JobAcctGatherType or "none").rpartition("/")[2]
    words = conf.words("JobAcctGatherParams")
    memory = "pss" if "usepss" in words else "unshared" if "noshared" in words else ""
    return {
        "on": kind != "none",
        "memory": memory if kind == "linux" else "",  # the others do not read what tells of shared pages
        "kill": kind != "none" and "overmemorykill" in words,
    }


def from_conf(conf: Any, spool: str) -> dict[str, Any]:
    """The part that is the same for all launches on a node."""
    return {
        "cluster_name": conf.ClusterName,
        "conf_path": conf.path,
        "spool": spool,
        "kill_wait": int(conf.KillWait),
        "frequency": frequency_of(conf.JobAcctGatherFrequency),
        "gather": gather_of(conf),
        "unkillable_timeout": int(getattr(conf, "UnkillableStepTimeout", None) or 60),
        "site_task_prolog": getattr(conf, "TaskProlog", None) or "",
        "site_task_epilog": getattr(conf, "TaskEpilog", None) or "",
    }


def _file(path: str | None, empty: tuple[str, ...]) -> tuple[str, ...]:
    if not path:
        return empty
    return ("none",) if path == "/dev/null" else ("file", path)


def of_batch(message: Mapping[str, Any], node: str, common: Mapping[str, Any], append: bool) -> dict[str, Any]:
    """The launch of a batch job out of slurmctld's ``launch_batch_job``. Raises SlurmError if it makes no sense.

    `append`: JobFileAppend of slurm.conf, for jobs that asked for no open mode.
    """
    job, request, allocation = message["job"], message.get("request") or {}, message["allocation"]
    if node not in allocation:
        raise SlurmError("ESLURMD_INVALID_JOB_CREDENTIAL", f"job {job['job_id']} has no allocation on {node}")
    here = allocation[node]
    names = expand(job["nodes"]) if job.get("nodes") else list(allocation)
    default = DEFAULT_ARRAY_OUTPUT if job.get("array_job_id") else DEFAULT_OUTPUT
    stdout = _file(job.get("standard_output") or request.get("standard_output"), ("file", default))
    mode = request.get("open_mode")
    return {
        **common,
        "kind": "batch",
        "job_id": job["job_id"],
        "step_id": STEP_BATCH,
        "restart_cnt": job.get("restart_cnt", 0),
        "user_id": job.get("user_id", 0),
        "group_id": job.get("group_id", 0),
        "user_name": job.get("user_name", ""),
        "group_name": job.get("group_name", ""),
        "job": job,
        "request": request,
        "node": node,
        "node_index": names.index(node) if node in names else 0,
        "nodes": job.get("nodes", node),
        "cpus_per_node": message["cpus_per_node"],
        "tasks_per_node": message.get("tasks_per_node") or (1,),
        "tasks": (0,),
        "cpus": here["cpus"],
        "core_ids": tuple(here.get("core_ids", ())),
        "memory": here.get("memory", 0),
        "gres": tuple(here.get("gres", ())),
        "job_gres": tuple(here.get("gres", ())),
        "environment": message.get("environment") or (),
        "container": job.get("container") or "",
        "script": message["script"],
        "arguments": tuple((request.get("argv") or ())[1:]),
        "directory": job.get("current_working_directory") or request.get("current_working_directory") or "/",
        "umask": 0o022 if request.get("umask") is None else request["umask"],
        "limits": request.get("rlimits") or {},
        "append": append if mode is None else mode == "a",
        "frequency": _frequency(request.get("account_gather_frequency"), common["frequency"]),
        "stdin": _file(job.get("standard_input") or request.get("standard_input"), ("none",)),
        "stdout": stdout,
        "stderr": _file(job.get("standard_error") or request.get("standard_error"), ("stdout",)),
    }


def of_tasks(
    credential: Mapping[str, Any], wish: Mapping[str, Any], io: Mapping[str, Any], node: str, common: Mapping[str, Any]
) -> dict[str, Any]:
    """The launch of a step's tasks on this node. What may be done is the credential's, signed by slurmctld; `wish` and
    `io` are srun's: program, environment, files. Raises SlurmError if the credential is for other nodes."""
    names = expand(credential["nodes"])
    if node not in names:
        raise SlurmError("ESLURMD_INVALID_JOB_CREDENTIAL", f"the step has no tasks on {node}")
    index = names.index(node)
    job = credential["job"]
    here = credential["allocation"][node]
    of_job = (credential.get("job_allocation") or credential["allocation"])[node]
    tasks: Sequence[int] = credential["global_task_ids"][index]
    programs = wish.get("programs")
    if programs is not None and not all(programs.get(task) for task in tasks):
        raise SlurmError("ESLURMD_INVALID_JOB_CREDENTIAL", "a task without a program")
    if programs is None and not wish.get("arguments"):
        raise SlurmError("ESLURMD_INVALID_JOB_CREDENTIAL", "no program")
    return {
        **common,
        "kind": "tasks",
        "job_id": credential["job_id"],
        "step_id": credential["step_id"],
        "restart_cnt": credential.get("restart_cnt", 0),
        "user_id": credential["user_id"],
        "group_id": credential["group_id"],
        "user_name": credential.get("user_name", ""),
        "group_name": credential.get("group_name", ""),
        "job": job,
        "request": {},
        "node": node,
        "node_index": index,
        "nodes": credential["nodes"],
        "cpus_per_node": credential["cpus_per_node"],
        "tasks_per_node": credential["tasks_per_node"],
        "tasks": tuple(tasks),
        "cpus": here["cpus"],
        "core_ids": tuple(here.get("core_ids", ())),
        "memory": here.get("memory", 0),
        "gres": tuple(here.get("gres", ())),
        "job_gres": tuple(of_job.get("gres", ())),
        "environment": wish.get("environment") or (),
        "arguments": tuple(wish.get("arguments") or ()),
        "programs": {task: programs[task] for task in tasks} if programs else None,
        "container": credential.get("container") or "",
        "container_id": credential.get("container_id") or "",
        "container_directory": wish.get("container_directory") or "",
        "directory": wish.get("directory") or "/",
        "umask": wish.get("umask", 0o022),
        "limits": wish.get("limits") or {},
        "append": bool(wish.get("append")),
        "stdin": wish.get("stdin") or ("relay", None),
        "stdout": wish.get("stdout") or ("relay", None),
        "stderr": wish.get("stderr") or ("relay", None),
        "pty": wish.get("pty"),
        "unbuffered": bool(wish.get("unbuffered")),
        "task_prolog": wish.get("task_prolog") or "",
        "task_epilog": wish.get("task_epilog") or "",
        "frequency": _frequency(wish.get("account_gather_frequency"), common["frequency"]),
        "io": {"unix": io.get("unix"), "tcp": io.get("tcp"), "key": io["key"]},
    }
