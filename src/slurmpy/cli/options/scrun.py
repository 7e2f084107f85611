"""scrun's command line: global options, operations, and the variables and annotations that stand for job options."""

from __future__ import annotations

from ... import SLURM_VERSION
from ..command import Command, Option
from ..errors import Stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

#: release of the OCI runtime specification that scrun says it follows, as real Slurm's does
OCI_VERSION = "1.0.0"

GLOBAL, CREATE, KILL, DELETE = "Global options", "Options of create", "Options of kill", "Options of delete"
NO_EFFECT = "Taken, as in Slurm, and without effect: "

OPTIONS = (
    Option("--root", None, "required", "DIRECTORY", "Where the containers' states and sockets are; /run/user/UID/scrun "
           "unless given. It is made, mode 0700, and must belong to you.", group=GLOBAL, complete="directory"),
    Option("--conf", "-f", "required", "FILE", "The slurm.conf of the cluster to talk to.", group=GLOBAL,
           complete="file"),
    Option("--log", None, "required", "FILE", "Append messages to this file.", group=GLOBAL, complete="file"),
    Option("--log-format", None, "required", "FORMAT", "How lines of the file are written: text, or json (one object "
           "with level, msg and time).", group=GLOBAL, complete=("text", "json")),
    Option("--debug", help="Log all that is done.", group=GLOBAL),
    Option("--verbose", "-v", count=True, help="Say more; -vv still more.", group=GLOBAL),
    Option("--cgroup-manager", None, "required", "NAME", NO_EFFECT + "the node's slurmd makes the control groups.",
           group=GLOBAL),
    Option("--systemd-cgroup", help=NO_EFFECT + "the node's slurmd makes the control groups.", group=GLOBAL),
    Option("--rootless", None, "optional", "BOOL", NO_EFFECT + "scrun never needs root.", group=GLOBAL),
    Option("--criu", None, "required", "PATH", group=GLOBAL, reject="containers are not checkpointed"),
    Option("--bundle", "-b", "required", "DIRECTORY", "The bundle, a directory with a config.json; the present "
           "directory unless given.", group=CREATE, complete="directory"),
    Option("--console-socket", None, "required", "SOCKET", "Unix socket that gets the descriptor of the container's "
           "terminal (process.terminal in config.json).", group=CREATE, complete="file"),
    Option("--pid-file", None, "required", "FILE", "Write the number of the process that stands for the container here "
           "to this file.", group=CREATE, complete="file"),
    Option("--no-pivot", help=NO_EFFECT + "oci.conf of the node says how its runtime is called.", group=CREATE),
    Option("--no-new-keyring", help=NO_EFFECT + "oci.conf of the node says how its runtime is called.", group=CREATE),
    Option("--preserve-fds", None, "required", "N", "Only 0 can be had: descriptors do not travel to the node.",
           group=CREATE),
    Option("--all", "-a", help="All processes of the container get the signal, which they do anyhow.", group=KILL),
    Option("--force", help="End the container if it has not ended yet; a container that is not there is no error.",
           group=DELETE),
)  # fmt: skip

#: operation: (groups of the table, operands, what it does)
OPERATIONS = {
    "create": ((CREATE,), ("ID",), "Get an allocation, stage the bundle in, and wait for start."),
    "start": ((), ("ID",), "Run the container's program as a step of the job."),
    "state": ((), ("ID",), "Print the container's state as JSON."),
    "kill": ((KILL,), ("ID", "[SIGNAL]"), "Send a signal, by name or number (TERM unless given), to the container."),
    "delete": ((DELETE,), ("ID",), "Remove what is left of a stopped container."),
    "version": ((), (), "Print the release, and that of the OCI specification."),
}  # fmt: skip

#: operations of runc and crun that scrun has not: why
REFUSED = {
    "checkpoint": "containers are not checkpointed",
    "events": "usage is told by sstat",
    "exec": "use srun --jobid to run something else in the job",
    "features": "they are those of the node's runtime",
    "list": "use squeue",
    "pause": "use scontrol suspend",
    "ps": "use scontrol listpids on the node",
    "restore": "containers are not checkpointed",
    "resume": "use scontrol resume",
    "run": "use create and start, or srun --container",
    "spec": "use the node's runtime",
    "update": "use scontrol update",
}

ENVIRONMENT = (
    ("SCRUN_DEBUG", "Level of messages: quiet, fatal, error, info, verbose, debug, debug2 to debug5."),
    ("SCRUN_STDERR_DEBUG", "The same for standard error alone (error unless given)."),
    ("SCRUN_FILE_DEBUG", "The same for the file of --log alone (error unless given)."),
    ("SCRUN_SYSLOG_DEBUG", "The same for syslog alone (quiet unless given)."),
    ("SCRUN_STAGING", "Who stages bundles in and out: none, the name of an entry point of the group "
     "slurmpy.scrun_staging, or a Python file; scrun.py beside slurm.conf, where there is one, unless given."),
)  # fmt: skip

#: job option of srun: variable without SCRUN_ (scrun(1) of release 24.11, JOB INPUT ENVIRONMENT VARIABLES)
JOB_VARIABLES = {
    "account": "ACCOUNT", "acctg-freq": "ACCTG_FREQ", "bb": "BURST_BUFFER", "clusters": "CLUSTERS",
    "cluster-constraint": "CLUSTER_CONSTRAINT", "constraint": "CONSTRAINT", "cpu-bind": "CPU_BIND",
    "cpu-freq": "CPU_FREQ_REQ", "cpus-per-gpu": "CPUS_PER_GPU", "cpus-per-task": "CPUS_PER_TASK",
    "delay-boot": "DELAY_BOOT", "dependency": "DEPENDENCY", "distribution": "DISTRIBUTION", "epilog": "EPILOG",
    "exact": "EXACT", "exclusive": "EXCLUSIVE", "gpu-bind": "GPU_BIND", "gpu-freq": "GPU_FREQ", "gpus": "GPUS",
    "gpus-per-node": "GPUS_PER_NODE", "gpus-per-socket": "GPUS_PER_SOCKET", "gpus-per-task": "GPUS_PER_TASK",
    "gres": "GRES", "gres-flags": "GRES_FLAGS", "hint": "HINT", "job-name": "JOB_NAME", "nodelist": "JOB_NODELIST",
    "nodes": "JOB_NUM_NODES", "label": "LABELIO", "mem-bind": "MEM_BIND", "mem-per-cpu": "MEM_PER_CPU",
    "mem-per-gpu": "MEM_PER_GPU", "mem": "MEM_PER_NODE", "mpi": "MPI_TYPE", "cores-per-socket": "NCORES_PER_SOCKET",
    "network": "NETWORK", "sockets-per-node": "NSOCKETS_PER_NODE", "ntasks": "NTASKS",
    "ntasks-per-core": "NTASKS_PER_CORE", "ntasks-per-gpu": "NTASKS_PER_GPU", "ntasks-per-node": "NTASKS_PER_NODE",
    "ntasks-per-tres": "NTASKS_PER_TRES", "open-mode": "OPEN_MODE", "overcommit": "OVERCOMMIT", "overlap": "OVERLAP",
    "partition": "PARTITION", "profile": "PROFILE", "prolog": "PROLOG", "qos": "QOS", "chdir": "REMOTE_CWD",
    "switches": "REQ_SWITCH", "reservation": "RESERVATION", "signal": "SIGNAL", "slurmd-debug": "SLURMD_DEBUG",
    "spread-job": "SPREAD_JOB", "task-epilog": "TASK_EPILOG", "task-prolog": "TASK_PROLOG",
    "thread-spec": "THREAD_SPEC", "threads-per-core": "THREADS_PER_CORE", "threads": "THREADS", "time": "TIMELIMIT",
    "tres-bind": "TRES_BIND", "tres-per-task": "TRES_PER_TASK", "unbuffered": "UNBUFFEREDIO",
    "use-min-nodes": "USE_MIN_NODES", "wckey": "WCKEY",
}  # fmt: skip
#: variables of that list that stand beside another, are named otherwise, or have no option
MORE_VARIABLES = {"SCRUN_WORKING_DIR": "chdir", "SLURM_CORE_SPEC": "core-spec"}
SWITCHES_WAIT = "SCRUN_WAIT4SWITCH"
NO_VARIABLES = {"SCRUN_POWER": "there is no power management of single jobs"}
#: annotations of a bundle that begin so are job options: slurm.partition
ANNOTATION = "slurm."


class ScrunCommand(Command):
    """scrun's table, or that of one operation: help is always the whole one, and --version names two releases."""

    def __init__(self, options: Iterable[Option], **more: Any) -> None:
        super().__init__("scrun", options, **more)

    def act(self, row: Option, value: str | None) -> None:
        if row.long == "--version":
            raise Stop(0, out=version_text())
        super().act(row, value)

    def help(self) -> str:
        return super().help() if self is COMMAND else COMMAND.help()


def version_text() -> str:
    return f"scrun version {SLURM_VERSION}\nspec: {OCI_VERSION}\n"


#: what a container finds beside the variables of its job, and a staging in its job_env
CONTAINER_VARIABLES = (
    ("SCRUN_ANNOTATION_NAME", "The annotation NAME of the bundle, one variable for each."),
    ("SCRUN_BUNDLE", "The bundle, as staging has left it."),
    ("SCRUN_CONTAINER_ID", "The container's ID."),
    ("SCRUN_GROUP", "Primary group of the user who called create."),
    ("SCRUN_GROUP_ID", "Its number."),
    ("SCRUN_LOG_FILE", "The file of --log."),
    ("SCRUN_LOG_FORMAT", "As --log-format."),
    ("SCRUN_OCI_VERSION", "Version of the OCI runtime specification that the bundle follows."),
    ("SCRUN_PID", "Number of the process that stands for the container on the host where create was called."),
    ("SCRUN_PID_FILE", "The file of --pid-file."),
    ("SCRUN_ROOT", "The directory of --root."),
    ("SCRUN_ROOTFS_PATH", "The container's root file system, as staging has left it."),
    ("SCRUN_SOCKET", "Where that process answers."),
    ("SCRUN_SPOOL_DIR", "Directory for temporary files of staging; delete removes it."),
    ("SCRUN_SUBMISSION_BUNDLE", "The bundle that create was given."),
    ("SCRUN_SUBMISSION_CONFIG_FILE", "Its config.json."),
    ("SCRUN_SUBMISSION_ROOTFS_PATH", "Its root file system."),
    ("SCRUN_USER", "The user who called create."),
    ("SCRUN_USER_ID", "The user's number."),
)  # fmt: skip

COMMAND = ScrunCommand(
    OPTIONS,
    usage="[GLOBAL OPTIONS] OPERATION [OPTIONS] [ID [SIGNAL]]",
    about="""Is an OCI runtime whose containers are jobs of the cluster. Podman, or whatever else calls an OCI runtime,
    calls scrun in place of runc or crun; the container runs on the node that slurmctld chooses.

Options of the job are taken from variables SCRUN_..., and from the bundle's annotations: slurm.partition=debug is
--partition=debug of srun, and wins over the variable. An ID is made of letters, digits, and _ + - . within.""",
    permute=False,
    operands=tuple((" ".join((name, *words)), meaning) for name, (_, words, meaning) in OPERATIONS.items()),
    examples=(
        ("scrun create --bundle=/data/job --pid-file=pid job1", "Gets an allocation for a bundle."),
        ("scrun start job1", "Runs its program."),
        ("scrun state job1", "Shows how it is."),
        ("scrun delete job1", "Removes what is left of it."),
        ("podman --runtime=/usr/bin/scrun run --network=host --cgroups=disabled alpine hostname",
         "Runs an image on the cluster."),
    ),
    environment=(
        *ENVIRONMENT,
        *((f"SCRUN_{variable}", f"As --{option} of srun.") for option, variable in JOB_VARIABLES.items()),
        *((variable, f"As --{option} of srun.") for variable, option in MORE_VARIABLES.items()),
        (SWITCHES_WAIT, "How long to wait for the switches of SCRUN_REQ_SWITCH."),
    ),
)  # fmt: skip


#: what stands before the operation, and what behind it
BEFORE = ScrunCommand([row for row in OPTIONS if row.group == GLOBAL], permute=False)


def behind(operation: str) -> ScrunCommand:
    """The table of an operation's own options."""
    groups = OPERATIONS[operation][0]
    return ScrunCommand([row for row in OPTIONS if row.group in groups])
