"""sbatch: submits a batch script."""

from __future__ import annotations

import os
import sys

from ..core.errors import SlurmError
from . import batch_script, description, job_environment, request
from .command import Given
from .errors import Stop, entry, line, write
from .job_options import JobOptions
from .options.sbatch import COMMAND
from .options.words import RLIMITS, split_rlimits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, NoReturn

    from ..core.records.description import JobDescriptor
    from ..rpc.cluster import Cluster
    from .request import Messages


def main() -> NoReturn:
    entry("sbatch", run)


def run(argv: Sequence[str], env: Mapping[str, str]) -> int:
    lines = request.component_lines(COMMAND, argv)
    operands = lines[-1].operands
    script, name = read_script(lines[-1].get("wrap"), operands, env)
    at = request.reading("sbatch")
    from_script = script_options(script, name, ignore_pbs=any("ignore-pbs" in one for one in lines))
    components = request.components_of(COMMAND, at, lines, env, from_script)
    first = components[0]
    messages = request.Messages("sbatch", first.verbose, first.quiet)
    cluster = request.early("sbatch", components, messages)
    jobs = []
    for options in components:
        warnings: list[tuple[str, str]] = []
        jobs.append(describe(options, script, name, operands, argv, warnings))
        request.warn_all(messages, warnings)
        if options.verbose:
            write(sys.stderr, options.listing())
    for options, job in zip(components, jobs, strict=True):
        description.complete(options, job)
    limits(first, jobs, messages)
    jobs[0].script = script
    jobs[0].argv = tuple(operands) if operands and "wrap" not in first else (name,)
    if "export-file" in first:
        messages.say("verbose", f"Getting environment variables from {first.get('export-file')}")
    jobs[0].environment = job_environment.as_entries(environment(first, jobs[0], env))
    cluster = cluster or request.open_cluster("sbatch")
    request.own_cluster(first, cluster)
    check_size(script, cluster)
    if "test-only" in first:
        return test_only(cluster, jobs, env)
    return submit(cluster, first, jobs, messages, env)


def read_script(wrap: str | None, operands: Sequence[str], env: Mapping[str, str]) -> tuple[str, str]:
    """(text of the script, its name): of --wrap, of the first operand or of standard input."""
    if wrap is not None:
        if operands:
            raise Stop(1, err=line("sbatch", "Script arguments not permitted with --wrap option"))
        return batch_script.wrapped(wrap), "wrap"
    if not operands:
        return batch_script.load(None, sys.stdin.buffer), "stdin"
    path = batch_script.find(operands[0], env.get("PATH", ""))
    return batch_script.load(path, sys.stdin.buffer), path


def script_options(script: str, name: str, ignore_pbs: bool) -> list[list[Given]]:
    """The occurrences in the #SBATCH lines, a list for each component."""
    shown = os.path.basename(name)
    found = []
    for words in batch_script.components(script, shown):
        given, operands = COMMAND.getopt(words, "script", act=False)
        if operands:
            raise Stop(1, err=line("sbatch", f"Invalid directive found in batch script: {operands[0]}"))
        found.append([one for one in given if one.option.name not in batch_script.LINE_ONLY])
    if not ignore_pbs and ("#PBS" in script or "#BSUB" in script):
        from . import pbs

        found[0] = [*pbs.given(script, shown, COMMAND), *found[0]]
    return found


def describe(
    options: JobOptions,
    script: str,
    name: str,
    operands: Sequence[str],
    argv: Sequence[str],
    warnings: list[tuple[str, str]],
) -> JobDescriptor:
    """The descriptor of one component."""
    job = description.describe(options, warnings)
    job.name = options.get("job-name")
    if job.name is None:
        job.name = "sbatch" if name == "stdin" else os.path.basename(name)
    if job.current_working_directory is None:
        job.current_working_directory = options.at.cwd
    if operands and "wrap" not in options:
        path = name if name.startswith("/") else os.path.normpath(os.path.join(options.at.cwd, name))
        job.command = " ".join([path, *operands[1:]])
    for field, value in description.origin(argv, "sbatch").items():
        setattr(job, field, value)
    job.umask = mask(options)
    return job


def mask(options: JobOptions) -> int:
    word = os.environ.get("SLURM_UMASK", "")
    if word and not word.strip("01234567"):
        return int(word, 8) & 0o777
    return description.current_umask()


def limits(options: JobOptions, jobs: Sequence[JobDescriptor], messages: Messages) -> None:
    """Resource limits to propagate; raises Stop for a name that is none."""
    wanted = options.get("propagate")
    names: Sequence[str] = RLIMITS
    if wanted is not None:
        names, wrong = split_rlimits(wanted)
        if wrong is not None:
            raise Stop(1, err=line("sbatch", f"Bad rlimit name: {wrong}\n--propagate={wanted} is not valid."))
    found = description.soft_limits(names)
    for limit, value in found.items():
        messages.say("debug", f"propagating {limit}={value}")
    messages.say("debug", f"propagating SLURM_PRIO_PROCESS={os.getpriority(os.PRIO_PROCESS, 0)}")
    messages.say("debug", f"propagating UMASK={jobs[0].umask or 0:04o}")
    for job in jobs:
        job.rlimits = found


def environment(options: JobOptions, job: JobDescriptor, env: Mapping[str, str]) -> dict[str, str]:
    """What the script finds, but for what only the cluster knows."""
    if "export-file" in options:
        found = job_environment.from_file(options.get("export-file"), "sbatch")
    else:
        found = job_environment.exported(options.get("export"), env)
    for name in [key for key in found if key.startswith("SLURM_JOB") or key in LEFT_OUT]:
        del found[name]  # of the job that sbatch itself may run in
    found.update(job_environment.option_variables(options))
    asked = options.get("export", "ALL").upper()
    if asked not in ("ALL", "NIL"):
        # NONE and lists mean a login's environment; with ALL in the list there is nothing that it could add
        found["SLURM_GET_USER_ENV"] = "1"
        if "ALL" not in asked.split(",") and job.get_user_env is None:
            job.get_user_env = "0"
    if job.get_user_env is not None:
        found["SLURM_GET_USER_ENV"] = "1"
        found = {**user_environment(job), **found}
    found["SLURM_SUBMIT_DIR"] = options.at.cwd
    found["SLURM_SUBMIT_HOST"] = str(job.allocation_node_list)
    found["SLURM_JOB_NAME"] = str(job.name)
    found["SLURM_PRIO_PROCESS"] = str(os.getpriority(os.PRIO_PROCESS, 0))
    return found


def user_environment(job: JobDescriptor) -> dict[str, str]:
    """The environment of a login of the job's user; tells if there is none to be had."""
    from . import login_environment

    found = login_environment.of(os.getuid() if job.user_id is None else job.user_id, str(job.get_user_env))
    if not found:
        text = "Unable to get the environment of the user's login; the job runs with what is passed on"
        write(sys.stderr, line("sbatch", text, "warning"))
    return found


#: variables of the job or step around sbatch that are wrong for the new one
LEFT_OUT = frozenset(
    {
        "SLURM_NNODES", "SLURM_NODELIST", "SLURM_TASKS_PER_NODE", "SLURM_NODEID", "SLURM_PROCID", "SLURM_LOCALID",
        "SLURM_STEP_ID", "SLURM_STEPID", "SLURM_GTIDS", "SLURM_CPUS_ON_NODE", "SLURM_ARRAY_JOB_ID",
        "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MAX", "SLURM_ARRAY_TASK_MIN",
        "SLURM_ARRAY_TASK_STEP", "SLURM_RESTART_COUNT", "SLURM_NTASKS", "SLURM_NPROCS", "SLURM_CPUS_PER_TASK",
        "SLURM_TASK_PID", "SLURMD_NODENAME", "SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU", "SLURM_STEP_NODELIST",
        "SLURM_STEP_NUM_NODES", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_TASKS_PER_NODE", "SLURM_STEP_LAUNCHER_PORT",
        "SLURM_SRUN_COMM_HOST", "SLURM_SRUN_COMM_PORT", "SLURM_LAUNCH_NODE_IPADDR", "SLURM_GPUS_ON_NODE",
        "SLURM_TOPOLOGY_ADDR", "SLURM_TOPOLOGY_ADDR_PATTERN", "SLURM_HET_SIZE",
    }
)  # fmt: skip


def check_size(script: str, cluster: Cluster) -> None:
    """A script larger than SchedulerParameters' max_script_size is refused before it travels."""
    allowed = batch_script.MAX_SCRIPT
    for word in str(getattr(cluster.conf, "SchedulerParameters", "") or "").split(","):
        key, _, value = word.partition("=")
        if key == "max_script_size" and value.isdigit():
            allowed = int(value)
    if len(script) > allowed:
        error = SlurmError("ESLURM_PATHNAME_TOO_LONG")
        raise request.refused("sbatch", "Batch job submission failed", error, os.environ)


def wire(jobs: Sequence[JobDescriptor]) -> dict[str, Any]:
    if len(jobs) == 1:
        return {"description": jobs[0].to_wire()}
    return {"descriptions": tuple(job.to_wire() for job in jobs)}


def test_only(cluster: Cluster, jobs: Sequence[JobDescriptor], env: Mapping[str, str]) -> int:
    """Says when the job would start; slurmctld keeps nothing of it."""
    try:
        answer = cluster.call("will_run", wire(jobs))
    except SlurmError as error:
        raise request.allocation_failure("sbatch", error, env) from None
    write(sys.stderr, line("sbatch", request.will_run_text(answer), ""))
    return 0


def submit(
    cluster: Cluster,
    options: JobOptions,
    jobs: Sequence[JobDescriptor],
    messages: Messages,
    env: Mapping[str, str],
) -> int:
    try:
        answer = cluster.call("submit_batch_job", wire(jobs))
    except SlurmError as error:
        raise request.refused("sbatch", "Batch job submission failed", error, env) from None
    for remark in str(answer.get("user_message") or "").split("\n"):
        if remark:
            messages.info(remark)
    job_id = answer["job_id"]
    if "parsable" in options:
        named = f";{cluster.conf.ClusterName}" if "clusters" in options else ""
        write(sys.stdout, f"{job_id}{named}\n")
    elif not options.quiet:
        named = f" on cluster {cluster.conf.ClusterName}" if "clusters" in options else ""
        write(sys.stdout, f"Submitted batch job {job_id}{named}\n")
    if "wait" in options:
        return wait(cluster, job_id)
    return 0


def wait(cluster: Cluster, job_id: int) -> int:
    """The job's exit code, once it has ended (the highest of an array's tasks)."""
    code = 0
    for event in cluster.events("wait_job", {"job_id": job_id}):
        if "exit_code" in event:
            status = int(event["exit_code"])
            code = max(code, (status & 0x7F) + 128 if status & 0x7F else (status >> 8) & 0xFF)
    return code
