"""Options -> JobDescriptor, the same for sbatch, salloc and srun. Reads nothing but the options it is given."""

from __future__ import annotations

import os

from ..core.records.base import INFINITE
from ..core.records.description import JobDescriptor
from .options.values import NO_VAL
from .options.words import MAIL_TYPES, as_tres

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .job_options import JobOptions

#: option: field of the descriptor that takes its value as it was read
DIRECT = {
    "account": "account",
    "acctg-freq": "account_gather_frequency",
    "array": "array",
    "batch": "batch_features",
    "bb": "burst_buffer",
    "begin": "begin_time",
    "chdir": "current_working_directory",
    "clusters": "clusters",
    "comment": "comment",
    "constraint": "constraints",
    "container": "container",
    "container-id": "container_id",
    "context": "selinux_context",
    "contiguous": "contiguous",
    "core-spec": "core_specification",
    "cores-per-socket": "cores_per_socket",
    "cpu-freq": "cpu_frequency",
    "cpus-per-task": "cpus_per_task",
    "deadline": "deadline",
    "dependency": "dependency",
    "error": "standard_error",
    "exclude": "excluded_nodes",
    "extra": "extra",
    "get-user-env": "get_user_env",
    "gid": "group_id",
    "gres": "tres_per_node",
    "hold": "hold",
    "immediate": "immediate",
    "input": "standard_input",
    "licenses": "licenses",
    "mail-user": "mail_user",
    "mcs-label": "mcs_label",
    "mem": "memory_per_node",
    "mem-bind": "memory_binding",
    "mem-per-cpu": "memory_per_cpu",
    "mincpus": "minimum_cpus_per_node",
    "network": "network",
    "nice": "nice",
    "nodefile": "required_nodes",
    "nodelist": "required_nodes",
    "ntasks": "tasks",
    "ntasks-per-core": "tasks_per_core",
    "ntasks-per-gpu": "ntasks_per_tres",
    "ntasks-per-node": "tasks_per_node",
    "ntasks-per-socket": "tasks_per_socket",
    "ntasks-per-tres": "ntasks_per_tres",
    "oom-kill-step": "oom_kill_step",
    "open-mode": "open_mode",
    "output": "standard_output",
    "overcommit": "overcommit",
    "partition": "partition",
    "prefer": "prefer",
    "qos": "qos",
    "reboot": "reboot",
    "reservation": "reservation",
    "segment": "segment_size",
    "sockets-per-node": "sockets_per_node",
    "spread-job": "spread_job",
    "stepmgr": "stepmgr",
    "thread-spec": "thread_specification",
    "threads-per-core": "threads_per_core",
    "time": "time_limit",
    "time-min": "time_minimum",
    "tmp": "temporary_disk_per_node",
    "uid": "user_id",
    "use-min-nodes": "use_min_nodes",
    "wait-all-nodes": "wait_all_nodes",
    "wckey": "wckey",
}


def describe(options: JobOptions, warn: list[tuple[str, str]]) -> JobDescriptor:
    """What `options` ask for. `warn` collects (level, message) pairs for standard error. Raises Stop."""
    fields: dict[str, Any] = {}
    for option, value in options.values.items():
        field = DIRECT.get(option)
        if field is not None and option not in options.unwanted:
            fields[field] = value
    _size(options, fields, warn)
    _sharing(options, fields)
    _gpus(options, fields)
    _rest(options, fields)
    return JobDescriptor(**fields)


def _size(options: JobOptions, fields: dict[str, Any], warn: list[tuple[str, str]]) -> None:
    tasks = options.get("ntasks")
    if "nodes" in options:
        least, most, written = options.get("nodes")
        if tasks is not None and least > tasks:
            warn.append(("warning", f"can't run {tasks} processes on {least} nodes, setting nnodes to {tasks}"))
            least, most = tasks, min(most, tasks)
        fields["minimum_nodes"], fields["maximum_nodes"] = least, most
        if written:
            fields["job_size_str"] = written
    _sockets(options, fields, warn)
    required = fields.get("required_nodes")
    if required:
        from ..core import hostlist
        from ..core.errors import SlurmError

        try:
            names = dict.fromkeys(hostlist.expand(required))
        except SlurmError:
            raise options.stop("Invalid node list specified", 1, "fatal") from None
        if "nodes" not in options and tasks is None:
            fields["minimum_nodes"] = len(names)
        elif "nodes" not in options and tasks is not None and len(names) > tasks:
            message = f"can't run {tasks} processes on {len(names)} nodes, setting nnodes to {tasks}"
            warn.append(("warning", message))
        if tasks is not None and len(names) > tasks:
            # more nodes than tasks: the first of them will do
            fields["required_nodes"] = hostlist.compress_keep_order(list(names)[:tasks])
    per_task = options.get("cpus-per-task")
    if "ntasks" in options or per_task is not None:
        fields["minimum_cpus"] = (fields.get("tasks") or 1) * (per_task or 1)
        if options.get("overcommit"):
            fields["minimum_cpus"] = max(1, fields.get("minimum_nodes") or 1)


def _sockets(options: JobOptions, fields: dict[str, Any], warn: list[tuple[str, str]]) -> None:
    shape = options.get("extra-node-info")
    if shape is not None:
        for field, value in zip(("sockets_per_node", "cores_per_socket", "threads_per_core"), shape, strict=True):
            if value is not None:
                fields[field] = value
        if "ntasks" not in options:
            amount = 1
            for value in shape:
                amount *= 1 if value is None else value
            amount *= max(1, fields.get("minimum_nodes") or 1)
            fields["tasks"] = amount
            warn.append(("verbose", f"Number of tasks implicitly set to {amount}."))
    for hint in options.get("hint", "").split(","):
        if hint == "memory_bound":
            fields["cores_per_socket"] = 1
        elif hint == "nomultithread":
            fields.setdefault("threads_per_core", 1)
    if fields.get("threads_per_core") and "hint" not in options and shape is None:
        warn.append(("verbose", "Setting --cpu-bind=threads as a default of --threads-per-core use"))


def _sharing(options: JobOptions, fields: dict[str, Any]) -> None:
    if "exclusive" in options:
        fields["shared"] = options.get("exclusive")
    elif "oversubscribe" in options:
        fields["shared"] = "oversubscribe"
    flags = options.get("gres-flags", ())
    if "enforce-binding" in flags:
        fields["gres_enforce_binding"] = True
    elif "disable-binding" in flags:
        fields["gres_enforce_binding"] = False


def _gpus(options: JobOptions, fields: dict[str, Any]) -> None:
    if "gpus" in options:
        fields["tres_per_job"] = as_tres(options.get("gpus"))
    if "gpus-per-node" in options:
        before = fields.get("tres_per_node")
        own = as_tres(options.get("gpus-per-node"))
        fields["tres_per_node"] = f"{before},{own}" if before else own
    if "gpus-per-socket" in options:
        fields["tres_per_socket"] = as_tres(options.get("gpus-per-socket"))
    if "cpus-per-gpu" in options:
        fields["cpus_per_tres"] = f"gres/gpu:{options.get('cpus-per-gpu')}"
    if "mem-per-gpu" in options:
        fields["memory_per_tres"] = f"gres/gpu:{options.get('mem-per-gpu')}"
    per_task = task_tres(options)
    if per_task:
        fields["tres_per_task"] = per_task
        for part in per_task.split(","):
            name, _, amount = part.partition("=")
            if name == "cpu" and amount.isdigit() and "cpus_per_task" not in fields:
                fields["cpus_per_task"] = int(amount)
                fields["minimum_cpus"] = int(amount) * (fields.get("tasks") or 1)
    bindings = [options.get("tres-bind")] if "tres-bind" in options else []
    if "gpu-bind" in options:
        bindings.append(f"gres/gpu:{options.get('gpu-bind')}")
    elif "tres-bind" not in options:
        # tasks with GPUs of their own are bound to them
        for part in per_task.split(","):
            name, _, amount = part.partition("=")
            if name == "gres/gpu" or name.startswith("gres/gpu:"):
                bindings.append(f"gres/gpu:per_task:{amount}")
    if bindings:
        fields["tres_bind"] = "+".join(bindings)
    if "gpu-freq" in options:
        fields["tres_freq"] = f"gpu:{options.get('gpu-freq')}"


def task_tres(options: JobOptions, cpus: bool = True) -> str:
    """``cpu=2,gres/gpu=1`` out of --tres-per-task, --gpus-per-task and, with ``cpus``, --cpus-per-task."""
    parts = []
    if cpus and "cpus-per-task" in options:
        parts.append(f"cpu={options.get('cpus-per-task')}")
    if "tres-per-task" in options:
        parts.append(options.get("tres-per-task"))
    if "gpus-per-task" in options:
        for word in options.get("gpus-per-task").split(","):
            kind, _, amount = word.rpartition(":")
            parts.append(f"gres/gpu:{kind}={amount}" if kind else f"gres/gpu={amount}")
    return ",".join(parts)


def _rest(options: JobOptions, fields: dict[str, Any]) -> None:
    if fields.get("immediate") == 0:
        del fields["immediate"]  # -I0 waits like any other job
    if "requeue" in options:
        fields["requeue"] = True
    elif "no-requeue" in options:
        fields["requeue"] = False
    if "no-kill" in options:
        fields["kill_on_node_fail"] = not options.get("no-kill")
    if "kill-on-invalid-dep" in options:
        fields["kill_on_invalid_dependency"] = options.get("kill-on-invalid-dep")
    if "mail-type" in options:
        words = options.get("mail-type")
        fields["mail_type"] = tuple(name for word, name in MAIL_TYPES if word in words)
    if "profile" in options:
        fields["profile"] = tuple(word.upper() for word in options.get("profile"))
    if "priority" in options:
        value = options.get("priority")
        fields["priority"] = INFINITE if value == NO_VAL - 1 else value
    if "delay-boot" in options:
        value = options.get("delay-boot")
        fields["delay_boot"] = INFINITE if value == INFINITE else value * 60
    if "switches" in options:
        fields["required_switches"], wait = options.get("switches")
        if wait is not None and wait >= 0:
            fields["wait_for_switch"] = INFINITE if wait == INFINITE else wait * 60
    if "signal" in options:
        name, delay, flags = options.get("signal")
        fields["kill_warning_signal"], fields["kill_warning_delay"] = name, delay
        if flags:
            fields["kill_warning_flags"] = flags
    if "distribution" in options:
        text, plane = options.get("distribution")
        fields["distribution"] = "plane" if plane else text
        if plane:
            fields["distribution_plane_size"] = plane


def complete(options: JobOptions, job: JobDescriptor) -> None:
    """What is looked at only after -v has listed the options. Raises Stop."""
    if "bbf" in options:
        from .options.values import file_content

        try:
            job.burst_buffer = file_content(options.get("bbf"), options.at)
        except ValueError:
            raise options.stop("Invalid --bbf specification", 1) from None
    if job.distribution == "arbitrary" and not job.required_nodes:
        raise options.stop(
            "With Arbitrary distribution you need to specify a nodelist or hostfile with the -w option", 1
        )


def origin(argv: Sequence[str], program: str) -> dict[str, Any]:
    """Where the request comes from: host, session and the command line."""
    return {
        "allocation_node_list": os.uname().nodename.partition(".")[0],
        "allocation_sid": os.getsid(0),
        "submit_line": " ".join([program, *argv]),
    }


def soft_limits(names: Sequence[str]) -> dict[str, int]:
    """The process's own soft limits by RLIMIT name; «unlimited» is 2**64-1."""
    import resource

    found = {}
    for name in names:
        number = getattr(resource, f"RLIMIT_{name}", None)
        if number is not None:
            soft, _ = resource.getrlimit(number)
            found[f"RLIMIT_{name}"] = 2**64 - 1 if soft == resource.RLIM_INFINITY else soft
    return found


def current_umask() -> int:
    """The umask of this process, without changing it."""
    with open("/proc/self/status", encoding="utf-8", errors="replace") as stream:
        for row in stream:
            if row.startswith("Umask:"):
                return int(row.split()[1], 8)
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
