"""srun's step: what it asks slurmctld for, and what its tasks find."""

from __future__ import annotations

import os
import sys

from ..core.errors import SlurmError
from ..core.records.description import StepDescriptor
from . import description, job_environment
from .description import task_tres
from .errors import Stop, line, write
from .options.words import as_tres

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ..rpc.cluster import Cluster
    from .job_options import JobOptions
    from .request import Messages

#: option: field of the step's descriptor
DIRECT = {
    "constraint": "constraints",
    "container": "container",
    "container-id": "container_id",
    "cpu-freq": "cpu_frequency",
    "cpus-per-task": "cpus_per_task",
    "error": "standard_error",
    "exclude": "excluded_nodes",
    "immediate": "immediate",
    "input": "standard_input",
    "mem": "memory_per_node",
    "mem-per-cpu": "memory_per_cpu",
    "network": "network",
    "no-kill": "no_kill",
    "nodefile": "required_nodes",
    "nodelist": "required_nodes",
    "ntasks-per-core": "tasks_per_core",
    "ntasks-per-node": "tasks_per_node",
    "ntasks-per-socket": "tasks_per_socket",
    "output": "standard_output",
    "overcommit": "overcommit",
    "relative": "relative",
    "threads-per-core": "threads_per_core",
    "time": "time_limit",
    "tres-bind": "tres_bind",
    "exact": "exact",
    "whole": "whole",
    "overlap": "overlap",
    "interactive": "interactive",
}


def describe(
    options: JobOptions, reply: Mapping[str, Any], command: Sequence[str], env: Mapping[str, str], own: bool
) -> StepDescriptor:
    """What `options` ask of the allocation `reply`; with `own` it was made for this step alone. Raises Stop."""
    if "het-group" in options or reply.get("het_job_offset"):
        _of_component(options, reply)
    fields: dict[str, Any] = {field: options.get(name) for name, field in DIRECT.items() if name in options}
    fields["job_id"] = int(reply["job_id"])
    fields["name"] = options.get("job-name") or os.path.basename(command[0])
    if not own and options.origins.get("job-name") == "environment":
        # the variable is the job's name; a step is called after its command
        fields["name"] = os.path.basename(command[0])
    _nodes(options, reply, fields, own)
    _tasks(options, fields)
    _resources(options, env, fields)
    if own:
        fields.pop("immediate", None)
        fields.pop("constraints", None)
        fields.pop("time_limit", None)
    if "distribution" in options:
        text, plane = options.get("distribution")
        fields["distribution"] = "plane" if plane else text
        if plane:
            fields["distribution_plane_size"] = plane
    if "kill-on-bad-exit" in options:
        fields["kill_on_bad_exit"] = bool(options.get("kill-on-bad-exit"))
    if not own and ("exclusive" in options or _sizes_tasks(options, env)):
        fields["exact"] = True
    fields["submit_line"] = " ".join(["srun", *sys.argv[1:]])
    fields["srun_host"] = os.uname().nodename.partition(".")[0]
    fields["srun_pid"] = os.getpid()
    fields["current_working_directory"] = options.get("chdir") or options.at.cwd
    return StepDescriptor(**{name: value for name, value in fields.items() if value is not None})


def _sizes_tasks(options: JobOptions, env: Mapping[str, str]) -> bool:
    """Whether srun is told of each task's CPUs, by itself or with the job; SRUN_CPUS_PER_TASK does not count."""
    if options.origins.get("cpus-per-task") not in (None, "environment"):
        return True
    words = (options.get("tres-per-task") or "").split(",")
    return any(word.startswith("cpu") for word in (*words, *_inherited(env)))


def _inherited(env: Mapping[str, str]) -> list[str]:
    """What the job was told of each task."""
    return env.get("SLURM_TRES_PER_TASK", "").split(",")


def _of_component(options: JobOptions, reply: Mapping[str, Any]) -> None:
    """The sizes that the environment tells are those of the job's first component: takes the component's own."""
    for name in ("nodes", "ntasks", "cpus-per-task", "ntasks-per-node", "mem", "mem-per-cpu"):
        if options.origins.get(name) == "environment":
            options.drop(name)
    if "ntasks" not in options and reply.get("tasks"):
        options.values["ntasks"] = int(reply["tasks"])
    if "cpus-per-task" not in options and reply.get("cpus_per_task"):
        options.values["cpus-per-task"] = int(reply["cpus_per_task"])


def _nodes(options: JobOptions, reply: Mapping[str, Any], fields: dict[str, Any], own: bool) -> None:
    have = int(reply["node_count"])
    if "nodes" in options and not own:
        least, most, _ = options.get("nodes")
        tasks = options.get("ntasks")
        if tasks is not None and least > tasks:
            least, most = tasks, min(most, tasks)
        if "relative" in options and options.origins.get("nodes") == "environment":
            least = most = min(least, max(1, tasks or 1))
        if least > have and "relative" not in options:
            raise options.stop(f"Only allocated {have} nodes asked for {least}", 1)
        fields["minimum_nodes"], fields["maximum_nodes"] = least, most
    elif own:
        tasks = options.get("ntasks")
        fields["minimum_nodes"] = fields["maximum_nodes"] = have if tasks is None else min(have, tasks)
        fields.pop("required_nodes", None)
        fields.pop("excluded_nodes", None)
    if "relative" in options:
        first, wanted = options.get("relative"), fields.get("minimum_nodes") or 1
        if first + wanted > have:
            raise options.stop(
                "--relative and SLURM_JOB_NUM_NODES option incompatible with count of allocated nodes "
                f"({first}+{wanted}>{have})",
                1,
            )


def _tasks(options: JobOptions, fields: dict[str, Any]) -> None:
    if "ntasks" in options:
        fields["tasks"] = options.get("ntasks")
    elif "ntasks-per-node" in options and fields.get("minimum_nodes"):
        fields["tasks"] = options.get("ntasks-per-node") * fields["minimum_nodes"]
    elif "interactive" in options or ("pty" in options and not fields.get("minimum_nodes")):
        fields["tasks"] = 1
    if "cpus-per-task" in options and fields.get("tasks"):
        fields["cpu_count"] = options.get("cpus-per-task") * fields["tasks"]


def _resources(options: JobOptions, env: Mapping[str, str], fields: dict[str, Any]) -> None:
    if "gres" in options:
        fields["tres_per_node"] = options.get("gres")
    if "gpus" in options:
        fields["tres_per_step"] = as_tres(options.get("gpus"))
    if "gpus-per-node" in options:
        fields["tres_per_node"] = as_tres(options.get("gpus-per-node"))
    if "gpus-per-socket" in options:
        fields["tres_per_socket"] = as_tres(options.get("gpus-per-socket"))
    if "cpus-per-gpu" in options:
        fields["cpus_per_tres"] = f"gres/gpu:{options.get('cpus-per-gpu')}"
    if "mem-per-gpu" in options:
        fields["memory_per_tres"] = f"gres/gpu:{options.get('mem-per-gpu')}"
    per_task = task_tres(options, cpus=any(word.startswith("cpu") for word in _inherited(env)))
    if per_task:
        fields["tres_per_task"] = per_task
    if "gpu-bind" in options:
        fields["tres_bind"] = f"gres/gpu:{options.get('gpu-bind')}"
    if "gpu-freq" in options:
        fields["tres_freq"] = f"gpu:{options.get('gpu-freq')}"


def create(cluster: Cluster, asked: StepDescriptor, messages: Messages) -> Mapping[str, Any]:
    """The step, once slurmctld has room for it. Raises SlurmError."""
    import _signal as signal

    waited = False
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for part in cluster.events("create_step", {"step": asked.to_wire()}):
            if "step" in part:
                if waited:
                    messages.info(f"Step created for StepId={part['step']['job_id']}.{part['step']['step_id']}")
                step: Mapping[str, Any] = part["step"]
                if step.get("user_message"):
                    messages.info(step["user_message"])
                return step
            if "pending" in part:
                if not waited:
                    text = f"Job {asked.job_id} step creation temporarily disabled, retrying ({part['pending']})"
                    messages.say("verbose", text)
                waited = True
                limit = asked.immediate
                if limit is not None and limit > 1:
                    signal.signal(signal.SIGALRM, signal.default_int_handler)
                    signal.alarm(limit)
    except KeyboardInterrupt:
        # the stream's end takes the request back
        cluster.close()
        messages.info("Cancelled pending job step with signal 2")
        raise SlurmError("ESLURM_INTERCONNECT_BUSY", "Requested nodes are busy") from None
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGINT, before)
    raise SlurmError("ESLURM_ALREADY_DONE")


def environment(
    options: JobOptions, asked: StepDescriptor, created: Mapping[str, Any], env: Mapping[str, str]
) -> dict[str, str]:
    """The base environment of the tasks: what --export lets through, and what the options say."""
    found = job_environment.exported(options.get("export"), env)
    found.update(job_environment.option_variables(options))
    tasks = sum(int(count) for count in created["tasks_per_node"])
    nodes = len(created["tasks_per_node"])
    if "preserve-env" not in options:
        found["SLURM_NTASKS"] = found["SLURM_NPROCS"] = str(tasks)
        found["SLURM_NNODES"] = found["SLURM_JOB_NUM_NODES"] = str(nodes)
    sized = any(name in options for name in ("nodes", "nodelist", "nodefile"))
    if "distribution" not in options and sized and tasks <= nodes:
        found["SLURM_DISTRIBUTION"] = "cyclic"
    if "mem" in options:
        found.pop("SLURM_MEM_PER_CPU", None)
    if "slurmd-debug" in options:
        found["SLURMD_DEBUG"] = str(LEVEL_NUMBERS.index(options.get("slurmd-debug")))
    found.setdefault("SLURMD_DEBUG", "2")
    found["SLURM_UMASK"] = f"{mask(env):04o}"
    found["SLURM_PRIO_PROCESS"] = str(os.getpriority(os.PRIO_PROCESS, 0))
    found["SLURM_SUBMIT_DIR"] = options.at.cwd
    found["SLURM_SUBMIT_HOST"] = str(asked.srun_host)
    if "jobid" not in options or options.origins.get("job-name") == "command line":
        found["SLURM_JOB_NAME"] = str(asked.name)
    if "cpu-bind" in options:
        found.update(cpu_binding(options.get("cpu-bind")))
    elif "threads-per-core" in options:
        found.update(cpu_binding("threads"))
    return found


LEVEL_NUMBERS = ("quiet", "fatal", "error", "info", "verbose", "debug", "debug2", "debug3", "debug4", "debug5")


def cpu_binding(text: str) -> dict[str, str]:
    """``verbose,map_cpu:0,1`` as SLURM_CPU_BIND and its parts."""
    words = text.split(",")
    loud = "verbose" if "verbose" in words else "quiet"
    rest = [word for word in words if word not in ("verbose", "quiet")]
    kind, mask_ = ",".join(rest), ""
    if ":" in kind:
        kind, _, mask_ = kind.partition(":")
        kind += ":"
    return {
        "SLURM_CPU_BIND": text if loud in words else f"{loud},{text}",
        "SLURM_CPU_BIND_LIST": mask_,
        "SLURM_CPU_BIND_TYPE": kind,
        "SLURM_CPU_BIND_VERBOSE": loud,
    }


def mask(env: Mapping[str, str]) -> int:
    word = env.get("SLURM_UMASK", "")
    if word and not word.strip("01234567"):
        return int(word, 8) & 0o777
    return description.current_umask()


def launch_fields(options: JobOptions) -> dict[str, Any]:
    """Keywords of `launch.LaunchOptions` that come straight from options."""
    raw = options.raw
    found: dict[str, Any] = {
        "input": raw.get("input"),
        "output": raw.get("output"),
        "error": raw.get("error"),
        "open_mode": options.get("open-mode"),
        "label": "label" in options,
        "unbuffered": "unbuffered" in options,
        "pty": "pty" in options,
        "multi_prog": "multi-prog" in options,
        "no_kill": bool(options.get("no-kill")),
        "quiet": options.quiet,
        "verbose": options.verbose,
        "disable_status": "disable-status" in options,
        "quit_on_interrupt": "quit-on-interrupt" in options,
        "task_prolog": options.get("task-prolog") or "",
        "task_epilog": options.get("task-epilog") or "",
        "wait": options.get("wait"),
        "account_gather_frequency": options.get("acctg-freq") or "",
    }
    if "kill-on-bad-exit" in options:
        found["kill_on_bad_exit"] = bool(options.get("kill-on-bad-exit"))
    if "slurmd-debug" in options:
        found["slurmd_debug"] = LEVEL_NUMBERS.index(options.get("slurmd-debug"))
    return found


def check_multi_prog(name: str) -> None:
    """The configuration file of --multi-prog must be readable before anything is asked for. Raises Stop."""
    try:
        with open(name, "rb"):
            return
    except OSError:
        raise Stop(1, err=line("srun", f"Could not open multi_prog config file {name}")) from None


def hook(program: str | None, env: Mapping[str, str], kind: str) -> None:
    """Runs srun's own prolog or epilog; a prolog that fails ends the step."""
    if not program or program.lower() == "none":
        return
    pid = os.fork()
    if pid == 0:
        try:
            os.execve("/bin/sh", ["/bin/sh", "-c", program], dict(env))
        finally:
            os._exit(127)
    _, status = os.waitpid(pid, 0)
    if not os.access(program.split()[0], os.X_OK):
        write(sys.stderr, line("srun", f"Access denied for {program}: No such file or directory", ""))
        return
    if status and kind == "prolog":
        code = os.waitstatus_to_exitcode(status)
        raise Stop(1, err=line("srun", f"srun prolog failed rc = {code}. Aborting step."))
