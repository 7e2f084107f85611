"""srun: runs tasks, in the job around it or in an allocation of its own."""

from __future__ import annotations

import os
import sys

from ..core.errors import SlurmError
from . import allocation, components, description, request, step
from .errors import Stop, entry, exit_code, line, write
from .options.srun import COMMAND
from .options.words import CPU_BIND_HELP, RLIMITS, split_rlimits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, NoReturn

    from ..core.records.description import JobDescriptor
    from ..rpc.cluster import Cluster
    from .job_options import JobOptions
    from .request import Messages

#: what --mpi can be
MPI_TYPES = ("none",)
MPI_LIST = "MPI plugin types are...\n" + "".join(f"\t{name}\n" for name in MPI_TYPES)


def main() -> NoReturn:
    entry("srun", run, signals=False)


def run(argv: Sequence[str], env: Mapping[str, str]) -> int:
    lines = request.component_lines(COMMAND, argv, commands=True)
    if lines[-1].get("mpi") == "list":
        write(sys.stdout, MPI_LIST)
        return 0
    commands = [one.operands for one in lines if one.operands]
    at = request.reading("srun")
    options_ = request.components_of(COMMAND, at, lines, env)
    first = options_[0]
    if not commands or not lines[-1].operands:
        raise first.stop("No command given to execute.", 1, "fatal")
    command = commands[0]
    messages = request.Messages("srun", first.verbose, first.quiet)
    inside = first.get("jobid")
    check(options_, command, inside)
    cluster = request.early("srun", options_, messages)
    warnings: list[tuple[str, str]] = []
    jobs = [describe(options, command, argv, warnings) for options in options_]
    request.warn_all(messages, warnings)
    if first.verbose:
        for options in options_:
            write(sys.stderr, options.listing())
    for options, job in zip(options_, jobs, strict=True):
        description.complete(options, job)
    cluster = cluster or request.open_cluster("srun")
    request.own_cluster(first, cluster)
    if "test-only" in first:
        return test_only(cluster, jobs, env)
    if inside is not None:
        return within(cluster, str(inside), options_, commands, messages, env)
    return alone(cluster, options_, jobs, commands, messages, env)


def check(lines: Sequence[JobOptions], command: Sequence[str], inside: object) -> None:
    """Options that go together with nothing, before anybody is asked. Raises Stop."""
    for options in lines:
        if "exact" in options and "whole" in options:
            raise options.stop("--exact and --whole are mutually exclusive.", 1)
        if "pty" in options and any(name in options for name in ("input", "output", "error")):
            raise options.stop("--error/--input/--output are incompatible with --pty", 1)
        if inside is None and "relative" in options:
            raise options.stop("--relative option invalid for job allocation request", 1, "fatal")
        if "help" in options.get("cpu-bind", "").split(","):
            raise Stop(1, out=CPU_BIND_HELP)
        mpi = options.get("mpi")
        if mpi is not None and mpi not in MPI_TYPES:
            name = f"mpi/{mpi}"
            raise options.stop(
                f"Couldn't find the specified plugin name for {name} looking at all files\n"
                f"cannot find mpi plugin for {name}\n"
                f"MPI: Cannot create context for {name}\n"
                "MPI: Unable to load any plugin\n"
                f"Invalid MPI type '{mpi}', --mpi=list for acceptable types"
            )
        if "multi-prog" in options:
            step.check_multi_prog(command[0])


def describe(
    options: JobOptions, command: Sequence[str], argv: Sequence[str], warnings: list[tuple[str, str]]
) -> JobDescriptor:
    """The allocation that srun asks for when it has none."""
    job = description.describe(options, warnings)
    job.name = options.get("job-name") or os.path.basename(command[0])
    job.command = command[0]
    if job.current_working_directory is None:
        job.current_working_directory = options.at.cwd
    # files are those of the step; an allocation has none
    job.standard_input = job.standard_output = job.standard_error = job.open_mode = None
    for field, value in description.origin(argv, "srun").items():
        setattr(job, field, value)
    return job


def test_only(cluster: Cluster, jobs: Sequence[JobDescriptor], env: Mapping[str, str]) -> int:
    args: dict[str, Any] = {"description": jobs[0].to_wire()}
    if len(jobs) > 1:
        args = {"descriptions": tuple(job.to_wire() for job in jobs)}
    try:
        answer = cluster.call("will_run", args)
    except SlurmError as error:
        raise request.allocation_failure("srun", error, env) from None
    write(sys.stderr, line("srun", request.will_run_text(answer), ""))
    return 0


def alone(
    cluster: Cluster,
    lines: Sequence[JobOptions],
    jobs: Sequence[JobDescriptor],
    commands: Sequence[Sequence[str]],
    messages: Messages,
    env: Mapping[str, str],
) -> int:
    """An allocation, one step in it (in each of its components), and its release."""
    granted = allocation.Waiter(cluster, "srun", messages, env).wait(jobs)
    control = allocation.another(cluster)
    code = 1
    try:
        say_granted(granted.reply, messages)
        code = run_steps(control, granted.reply, lines, commands, messages, env, own=True)
    except Stop as stop:
        code = stop.code
        raise
    finally:
        allocation.complete(control, granted.job_id, code << 8)
    return code


def say_granted(reply: Mapping[str, Any], messages: Messages) -> None:
    if messages.loudness < 1:
        return
    nodes = reply["nodes"]
    messages.say("verbose", f"Nodes {nodes} are ready for job")
    counts = ",".join(f"{amount}(x{times})" for amount, times in reply["cpus_per_node"])
    messages.say("verbose", f"jobid {reply['job_id']}: nodes({reply['node_count']}):`{nodes}', cpu counts: {counts}")


def within(
    cluster: Cluster,
    inside: str,
    lines: Sequence[JobOptions],
    commands: Sequence[Sequence[str]],
    messages: Messages,
    env: Mapping[str, str],
) -> int:
    """A step of the job that the environment or --jobid names."""
    job_id = find_job(cluster, inside)
    try:
        reply = cluster.call("lookup_allocation", {"job_id": job_id})
    except SlurmError as error:
        if error.name == "ESLURM_ACCESS_DENIED":
            raise unable(job_id, error, env) from None
        text = line("srun", f"Unable to confirm allocation for job {job_id}: {error.message}")
        if messages.loudness >= 0:
            text += line("srun", f"Check SLURM_JOB_ID environment variable. Expired or invalid job {job_id}", "")
        raise Stop(exit_code(env), err=text) from None
    return run_steps(cluster, reply, lines, commands, messages, env, own=False)


def run_steps(
    cluster: Cluster,
    reply: Mapping[str, Any],
    lines: Sequence[JobOptions],
    commands: Sequence[Sequence[str]],
    messages: Messages,
    env: Mapping[str, str],
    own: bool,
) -> int:
    """The step, or those of all components of a heterogeneous job that are asked for; the highest exit code."""
    parts = []
    for component, options in components.chosen(reply, lines):
        command = commands[options.number] if options.number < len(commands) else commands[-1]

        def part(
            component: Mapping[str, Any] = component, options: JobOptions = options, command: Sequence[str] = command
        ) -> int:
            link = cluster if component is reply else allocation.another(cluster)
            try:
                return run_step(link, component, options, command, messages, env, own)
            except SlurmError as error:
                raise unable(int(component["job_id"]), error, env) from None

        parts.append(part)
    return components.run_together("srun", parts)


def find_job(cluster: Cluster, text: str) -> int:
    """The number of a job given as ``12``, ``12_3`` (array task) or ``12+1`` (het component)."""
    if text.isdigit():
        return int(text)
    from . import job_ids

    try:
        wanted = job_ids.parse(text)
    except ValueError:
        return 0
    where = {"job_ids": ((wanted.job_id, wanted.task, wanted.offset),), "all": True}
    rows = cluster.query("jobs", ("job_id",), where).rows
    return int(rows[0][0]) if rows else wanted.job_id


def unable(job_id: int, error: SlurmError, env: Mapping[str, str]) -> Stop:
    return Stop(exit_code(env), err=line("srun", f"Unable to create step for job {job_id}: {error.message}"))


def run_step(
    cluster: Cluster,
    reply: Mapping[str, Any],
    options: JobOptions,
    command: Sequence[str],
    messages: Messages,
    env: Mapping[str, str],
    own: bool,
) -> int:
    """Creates a step in an allocation and runs it to its end; raises SlurmError if it cannot be created."""
    from . import launch

    asked = step.describe(options, reply, command, env, own)
    created = step.create(cluster, asked, messages)
    limits_wanted = options.get("propagate")
    names: Sequence[str] = RLIMITS
    if limits_wanted is not None:
        names, wrong = split_rlimits(limits_wanted)
        if wrong is not None:
            raise options.stop(f"Bad rlimit name: {wrong}\n--propagate={limits_wanted} is not valid.", 1)
    tasks = step.environment(options, asked, created, env)
    if own and reply.get("group_name"):
        tasks["SLURM_JOB_GROUP"] = str(reply["group_name"])
    launch_options = launch.LaunchOptions(
        argv=tuple(command),
        environment=tasks,
        cwd=options.get("chdir") or options.at.cwd,
        container_cwd=options.get("chdir") or "" if options.origins.get("chdir") == "command line" else "",
        umask=step.mask(env),
        rlimits=description.soft_limits(names),
        job_name=str(asked.name),
        **step.launch_fields(options),
    )
    step.hook(options.get("prolog"), tasks, "prolog")
    try:
        return launch.run_step(cluster, created, launch_options)
    finally:
        step.hook(options.get("epilog"), tasks, "epilog")
