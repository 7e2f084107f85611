"""A State for tests of pure decisions: from a slurm.conf's text, with nodes up, and the golden scenario's users."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from slurmpy.cli import description, request, sbatch
from slurmpy.cli.options.sbatch import COMMAND
from slurmpy.conf import slurm_conf
from slurmpy.controller import cluster, dependencies, limits, scheduler, select, submission
from slurmpy.controller.state import Job, State
from slurmpy.core.records.base import INFINITE
from slurmpy.core.records.description import JobDescriptor
from slurmpy.core.states import JobState, NodeState

REFERENCE = Path(__file__).parents[3] / "shared" / "reference"
GOLDEN = REFERENCE / "golden" / "slurm-24.11"
NOW = 1795342893

UIDS = {"root": 0, "anna": 5001, "bob": 5002, "carol": 5003, "dave": 5004, "eve": 5005}

SIMPLE = """
ClusterName=unit
SlurmctldHost=localhost
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=100
GresTypes=gpu
Licenses=matlab:4,ansys:2
MaxArraySize=100001
{more}
NodeName=DEFAULT RealMemory=16000 {node_more}
NodeName=n[1-{nodes}] CPUs={cpus} Sockets={sockets} CoresPerSocket={cores} ThreadsPerCore={threads}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=60
{partitions}
"""


def state_of(text: str, directory: Path, gres: str = "") -> State:
    """A State of a configuration, all nodes that are not DOWN registered and idle."""
    path = directory / "slurm.conf"
    path.write_text(text)
    if gres:
        (directory / "gres.conf").write_text(gres)
    conf = slurm_conf.load(str(path))
    state = State(conf)
    cluster.fill(state, conf)
    for node in state.nodes.values():
        if node.state & NodeState.BASE == NodeState.UNKNOWN:
            node.state = NodeState.IDLE
    state.now = NOW
    return state


def simple(directory: Path, nodes: int = 4, sockets: int = 2, cores: int = 4, threads: int = 1, **more: str) -> State:
    cpus = sockets * cores * threads
    fields = {"more": "", "node_more": "", "partitions": "", **more}
    text = SIMPLE.format(nodes=nodes, sockets=sockets, cores=cores, threads=threads, cpus=cpus, **fields)
    return state_of(text, directory)


def describe(command: str) -> list[JobDescriptor]:
    """The descriptions that `sbatch ...` sends (one for each component)."""
    argv = shlex.split(command)
    lines = request.component_lines(COMMAND, argv)
    script, name = "#!/bin/sh\ntrue\n", "wrap"
    at = request.reading("sbatch")
    jobs = []
    for one in lines:
        options = request.options_of(COMMAND, at, ([], [], one.given))
        warnings: list[tuple[str, str]] = []
        job = sbatch.describe(options, script, name, one.operands, argv, warnings)
        job.script = script
        job.argv = (name,)
        jobs.append(job)
    return jobs


def submit(state: State, command: str, user: str = "root", now: int = 0) -> Job:
    """Build a job as slurmctld does and put it into the state."""
    now = now or state.now
    uid = UIDS[user]
    gid = 5000 if uid else 0
    desc = describe(command)[0]
    group = "science" if uid else "root"
    job = submission.build_job(state, desc, (uid, gid, user), now, groups=lambda: frozenset({group}), group_name=group)
    return enter(state, job)


def enter(state: State, job: Job) -> Job:
    job.job_id = state.take_job_id()
    if job._array_tasks is not None:
        job.array_job_id = job.job_id
    state.add_job(job)
    limits.on_submit(state, job, state.now)
    dependencies.watch(state, job)
    return job


def run(state: State, now: int = 0) -> list[Job]:
    """A pass of the scheduler; what it started runs."""
    now = now or state.now
    started = scheduler.run(state, now)
    for job in started:
        began(state, job, now)
    return started


def began(state: State, job: Job, now: int) -> None:
    job.start_time = now
    job._end_limit = now + job.time_limit * 60 if job.time_limit not in (None, INFINITE) else 0
    job.end_time = job._end_limit
    state.set_job_state(job, JobState.RUNNING)


def end(state: State, job: Job, base: int = JobState.COMPLETED, now: int = 0) -> None:
    """A running (or waiting) job ends at once."""
    job.end_time = now or state.now
    state.set_job_state(job, base)
    select.release(state, job)
    limits.on_end(state, job, job.end_time)
    dependencies.unwatch(state, job)
    for other in dependencies.on_job_end(state, job):
        state.requeue_look(other)


def captures(group: str) -> list[dict[str, Any]]:
    with open(GOLDEN / f"{group}.jsonl", encoding="utf-8") as stream:
        return [json.loads(row) for row in stream]


def golden_jobs() -> dict[int, dict[str, Any]]:
    for row in captures("scontrol"):
        if row["name"].endswith("show-job-json"):
            return {job["job_id"]: job for job in json.loads(row["out"])["jobs"]}
    raise AssertionError("no capture of scontrol show job --json")


def golden_state(directory: Path, enforce: bool = False) -> State:
    text = (GOLDEN / "slurm.conf").read_text()
    if enforce:
        text += "EnforcePartLimits=ALL\n"
    state = state_of(text, directory, (GOLDEN / "gres.conf").read_text())
    state.assocs.load_snapshot(associations())
    return state


def associations() -> dict[str, Any]:
    """What the scenario's sacctmgr commands leave behind."""
    names = ("normal", "low", "high", "limited", "partqos", "allflags")
    qos: list[dict[str, Any]] = [{"id": number, "name": name} for number, name in enumerate(names, 1)]
    qos[1].update(priority=10, preempt_mode="CANCEL", usage_factor=0.5)
    qos[2].update(priority=1000, preempt=("low",), flags=("DENY_LIMIT",), max_wall_duration_per_job=2880)
    qos[3].update(
        max_jobs_per_user=1, max_tres_per_user="cpu=2,mem=4096", max_submit_jobs_per_user=3,
        grp_tres="cpu=16,gres/gpu=2", grp_wall=14400,
    )  # fmt: skip
    qos[4].update(max_tres_per_job="gres/gpu=4", flags=("OVERRIDE_PARTITION_QOS",))
    four = ("normal", "high", "low", "limited")
    rows: list[dict[str, Any]] = [
        {"id": 1, "account": "root", "qos": ("normal",)},
        {"id": 2, "account": "root", "user": "root", "parent_id": 1, "qos": ("normal", "high"), "is_default": True},
        {"id": 3, "account": "physics", "parent_id": 1, "shares_raw": 100, "qos": ("normal",)},
        {"id": 4, "account": "phys_a", "parent_id": 3, "shares_raw": 30, "grp_tres": "cpu=100", "qos": ("normal",)},
        {"id": 5, "account": "phys_b", "parent_id": 3, "shares_raw": 70, "qos": ("normal",)},
        {"id": 6, "account": "chem", "parent_id": 1, "shares_raw": 50, "grp_jobs": 50, "max_submit_jobs": 60,
         "max_wall_duration_per_job": 7200, "qos": ("normal",)},
        {"id": 7, "account": "bio", "parent_id": 1, "shares_raw": 10, "qos": ("normal", "limited"),
         "default_qos": "normal"},
        {"id": 8, "account": "physics", "user": "anna", "parent_id": 3, "shares_raw": 10, "qos": four,
         "default_qos": "normal"},
        {"id": 9, "account": "chem", "user": "anna", "parent_id": 6, "shares_raw": 5, "qos": four,
         "default_qos": "normal"},
        {"id": 10, "account": "phys_a", "user": "bob", "parent_id": 4, "shares_raw": 7, "max_jobs": 20,
         "max_submit_jobs": 100, "qos": four},
        {"id": 11, "account": "chem", "user": "carol", "parent_id": 6, "shares_raw": 0x7FFFFFFF, "qos": four},
        {"id": 12, "account": "bio", "user": "dave", "parent_id": 7, "max_jobs": 1, "qos": ("normal", "limited")},
        {"id": 13, "account": "chem", "user": "carol", "partition": "long", "parent_id": 6, "qos": four,
         "max_tres_per_job": "cpu=4", "max_tres_mins_per_job": "cpu=600", "grp_tres_mins": "cpu=2000"},
    ]  # fmt: skip
    users = [
        {"name": "root", "administrator_level": "Administrator", "default_account": "root"},
        {"name": "anna", "default_account": "physics", "default_wckey": "proj1"},
        {"name": "bob", "default_account": "phys_a"},
        {"name": "carol", "default_account": "chem"},
        {"name": "dave", "default_account": "bio", "administrator_level": "Operator"},
    ]
    labels = ("cpu", "mem", "energy", "node", "billing", "fs/disk", "vmem", "pages", "gres/gpu", "gres/gpu:a100",
              "license/matlab")  # fmt: skip
    return {
        "associations": rows,
        "qos": qos,
        "users": users,
        "accounts": [],
        "wckeys": [],
        "coordinators": [{"account": "chem", "user": "carol"}],
        "tres": [
            {"id": number, "type": label.partition("/")[0], "name": label.partition("/")[2]}
            for number, label in enumerate(labels, 1)
        ],
    }


__all__ = ["description"]
