"""Launching a step's tasks as srun does: what goes in (`LaunchOptions`) and what comes out (an exit code)."""

from __future__ import annotations

from slurmpy.core.errors import SlurmError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from slurmpy.rpc.cluster import Cluster


class LaunchOptions:
    """What srun was asked for, as far as the launch is concerned. Every field is a keyword of the constructor.

    `argv`: program and arguments (with `multi_prog` the configuration file's path and what follows). `environment`: the
    tasks' base environment, with what srun itself sets from its options (SLURM_NTASKS, SLURM_CPUS_PER_TASK,
    SLURM_SUBMIT_DIR, SLURM_DISTRIBUTION, SLURM_UMASK...); the variables of the step, the node and the task are added
    by the launch and by slurmstepd. `input`, `output`, `error`: as given to -i, -o, -e: None or "all", "none", a task
    number, or a file pattern. `wait`: seconds after the first task's end (0: for ever, None: WaitTime of slurm.conf).
    `kill_on_bad_exit`: None is KillOnBadExit of slurm.conf. `rlimits`: {"RLIMIT_NOFILE": soft limit}.
    """

    argv: Sequence[str] = ()
    environment: Mapping[str, str] = {}
    cwd: str = "/"
    container_cwd: str = ""
    umask: int = 0o022
    rlimits: Mapping[str, int] = {}
    job_name: str = ""
    input: str | None = None
    output: str | None = None
    error: str | None = None
    open_mode: str | None = None  # "a" or "t" (None: JobFileAppend)
    label: bool = False
    unbuffered: bool = False
    pty: bool = False
    multi_prog: bool = False
    kill_on_bad_exit: bool | None = None
    wait: int | None = None
    no_kill: bool = False
    quiet: int = 0
    verbose: int = 0
    disable_status: bool = False  # -X: the first Ctrl-C goes to the tasks
    quit_on_interrupt: bool = False  # the first Ctrl-C ends the step
    task_prolog: str = ""
    task_epilog: str = ""
    slurmd_debug: int | None = None
    account_gather_frequency: str = ""  # "task=5": seconds between samples (empty: JobAcctGatherFrequency)

    def __init__(self, **values: Any) -> None:
        for name, value in values.items():
            if not hasattr(type(self), name):
                raise TypeError(f"LaunchOptions has no field {name!r}")
            setattr(self, name, value)


def run_step(cluster: Cluster, step_reply: Mapping[str, Any], options: LaunchOptions) -> int:
    """Runs the tasks of a step that slurmctld has created; returns srun's exit code (the highest of the tasks').

    `step_reply` is what `create_step` answers: {"job_id", "step_id", "nodes" (hostlist), "tasks_per_node" (one number a
    node, in the order of the hostlist), "global_task_ids" (one tuple a node), "credential" (bytes), "node_addresses"
    {name: {"unix", "host", "port"}}, "cpus_per_task", ...}. Standard input, output and error of this process are those
    of the step; SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1/2, SIGALRM, SIGPIPE, SIGCONT, SIGTSTP and SIGWINCH are
    handled while it runs and given back to their former handlers afterwards. Messages go to standard error as
    ``srun: ...``. To be called with the allocation at hand; it neither completes nor cancels the job, but asks
    slurmctld to end the step (`kill_step`) when it could not be launched or a node does not answer any more. What goes
    wrong is told on standard error; nothing is raised.
    """
    from .launch_engine import Launch, give_back

    try:
        launch = Launch(cluster, step_reply, options)
    except SlurmError as error:
        from .errors import report

        report("srun", error.message)
        give_back(cluster, step_reply)
        return 1
    return launch.run()
