"""The options of sbatch, salloc and srun: one table, of which each command has its rows.

A `JobOption` says besides an `Option`'s fields which programs have it (b: sbatch, a: salloc, r: srun), how its value is
read and how the -v listing shows it. `env` is written ``"bar:NAME"`` for SBATCH_NAME, SALLOC_NAME and SLURM_NAME
(srun's), with further variables after blanks; ``b:=SLURM_X`` names one in full.
"""

from __future__ import annotations

from ..command import Command, Given, Option
from . import values, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

PREFIX = {"b": "SBATCH_", "a": "SALLOC_", "r": "SLURM_"}
PROGRAMS = {"sbatch": "b", "salloc": "a", "srun": "r"}

NOT_FEDERATED = "slurmpy clusters form no federation"
NO_BCAST = "programs are not copied to nodes"
NO_PORTS = "no communication ports are reserved"


class JobOption(Option):
    """A row of the table; `read` and `show` as in `slurmpy.cli.options.values`."""

    __slots__ = ("env_rows", "programs", "read", "show")

    def __init__(
        self,
        long: str,
        short: str | None = None,
        metavar: str | None = None,
        programs: str = "bar",
        read: Any = values.text,
        show: Callable[[Any], str] = str,
        env: str = "",
        argument: str | None = None,
        **more: Any,
    ) -> None:
        self.programs = programs
        self.read = read
        self.show = show
        self.env_rows = env
        super().__init__(long, short, argument or ("required" if metavar else "no"), metavar, **more)

    def variables(self, program: str) -> tuple[str, ...]:
        """The environment variables of this row for sbatch ("b"), salloc ("a") or srun ("r")."""
        found = []
        for word in self.env_rows.split():
            programs, _, name = word.partition(":")
            if program in programs:
                found.append(name[1:] if name[0] == "=" else PREFIX[program] + name)
        return tuple(found)

    def for_program(self, program: str) -> JobOption:
        """The row as `program` has it."""
        twin = JobOption.__new__(JobOption)
        for cls in (Option, JobOption):
            for slot in cls.__slots__:
                setattr(twin, slot, getattr(self, slot))
        twin.env = self.variables(program)
        return twin


class JobCommand(Command):
    """sbatch, salloc or srun. A variable gives an option without argument only if it says yes."""

    def from_environment(self, env: Mapping[str, str]) -> list[Given]:
        given = super().from_environment(env)
        kept = []
        for one in given:
            if one.option.argument == "no" and not one.option.count:
                values_ = [env[name] for name in one.option.env if name in env]
                if not says_yes(values_[-1]):
                    continue
            if one.option.name == "switches":
                wait = env.get(one.option.env[-1].replace("REQ_SWITCH", "WAIT4SWITCH"))
                if wait is not None and "@" not in (one.value or ""):
                    one = Given(one.option, f"{one.value}@{wait}", one.origin)
            elif one.option.name == "distribution" and (one.value or "").lower() == "plane":
                one = Given(one.option, f"plane={env.get('SLURM_DIST_PLANESIZE', '')}", one.origin)
            kept.append(one)
        return kept


def says_yes(word: str) -> bool:
    if not word:
        return True
    if word.lstrip("+-").isdigit():
        return int(word) != 0
    return word.lower() in ("y", "yes", "t", "true", "on")


def rows(program: str) -> tuple[JobOption, ...]:
    """The rows that sbatch, salloc or srun has, sorted by name as Slurm's are."""
    letter = PROGRAMS[program]
    found = [row.for_program(letter) for row in TABLE if letter in row.programs]
    return tuple(sorted(found, key=lambda row: row.long))


def flag(long: str, short: str | None = None, programs: str = "bar", env: str = "", **more: Any) -> JobOption:
    return JobOption(long, short, None, programs, values.flag, lambda _: "set", env, "no", **more)


_count = values.number(1)
_any = values.number(0)
R = JobOption

JOB, SIZE, NODES, GPU, FILES, WHEN, STEP, SAY = (
    "The job", "Size", "Which nodes", "GPUs and generic resources", "Files and environment", "When and how long",
    "Tasks and steps", "Messages",
)  # fmt: skip

TABLE: tuple[JobOption, ...] = (
    # ---- the job
    R("--account", "-A", "ACCOUNT", env="bar:ACCOUNT", group=JOB, complete="account",
      help="Charge the job to this account instead of your default one."),
    R("--job-name", "-J", "NAME", env="b:JOB_NAME r:JOB_NAME", group=JOB,
      help="The name under which the job is listed; the script's or command's name unless given."),
    R("--comment", None, "TEXT", group=JOB, help="A remark that is kept with the job."),
    R("--partition", "-p", "NAMES", env="bar:PARTITION", group=JOB, complete="partition",
      help="Partitions in which the job may run, separated by commas; the first one free takes it."),
    R("--qos", "-q", "NAME", env="bar:QOS", group=JOB, complete="qos", help="Quality of service of the job."),
    R("--reservation", None, "NAMES", env="bar:RESERVATION", group=JOB, complete="reservation",
      help="Run in a reservation (or the first of several that can take the job)."),
    R("--licenses", "-L", "NAME[:N],...", group=JOB, help="Licenses to hold while the job runs."),
    R("--wckey", None, "KEY", env="bar:WCKEY", group=JOB, help="Workload key for the accounts."),
    R("--mcs-label", None, "LABEL", group=JOB, help="Multi-category security label."),
    R("--extra", None, "TEXT", group=JOB, hidden=True, help="Free text kept with the job for other programs."),
    R("--mail-type", None, "EVENTS", read=words.mail_type, group=JOB,
      show=lambda v: ",".join(v) or "NONE", complete=("NONE", "ALL", *(word for word, _ in words.MAIL_TYPES)),
      help="Send mail on these events: BEGIN, END, FAIL, REQUEUE, INVALID_DEPEND, STAGE_OUT, ALL, TIME_LIMIT, "
           "TIME_LIMIT_90, TIME_LIMIT_80, TIME_LIMIT_50, ARRAY_TASKS (one mail a task) or NONE."),
    R("--mail-user", None, "ADDRESS", group=JOB, help="Who gets the mail; you, unless given."),
    R("--array", "-a", "INDEXES", "b", env="b:ARRAY_INX", group=JOB,
      help="Run one task per index: 0-15, 1,3,5, 0-31:4 (a step of 4), 0-99%5 (at most 5 at a time)."),
    R("--dependency", "-d", "LIST", env="r:DEPENDENCY", group=JOB,
      help="Start only when other jobs allow it: after:ID[+minutes], afterany:ID, afterok:ID, afternotok:ID, "
           "aftercorr:ID, afterburstbuffer:ID, singleton; joined by commas (all) or question marks (any)."),
    R("--kill-on-invalid-dep", None, "yes|no", read=values.yes_no, group=JOB, hidden=True,
      show=lambda v: "yes" if v else "no", programs="b", complete=("yes", "no"),
      help="Whether a job whose dependency can never be fulfilled is cancelled."),
    flag("--hold", "-H", group=JOB, help="Submit in held state; scontrol release lets it go."),
    R("--priority", None, "N|TOP", read=values.priority, show=values.show_priority, group=JOB,
      help="Priority of the job (operators only)."),
    R("--nice", None, "N", argument="optional", read=values.nice, group=JOB,
      help="Lower the priority by N (100 unless given); only operators may give a negative N."),
    R("--requeue", programs="b", env="b:REQUEUE", read=values.flag, show=lambda _: "requeue", group=JOB,
      help="The job may start again after a node failure or preemption."),
    R("--no-requeue", programs="b", env="b:NO_REQUEUE", read=values.flag, show=lambda _: "no-requeue", group=JOB,
      help="The job never starts a second time."),
    R("--no-kill", "-k", "off", argument="optional", env="bar:NO_KILL", read=words.no_kill,
      show=words.show_no_kill, group=JOB, complete=("off",), help="Let the job live on when one of its nodes fails."),
    flag("--reboot", group=JOB, help="Reboot the nodes before the job starts (operators only)."),
    R("--delay-boot", None, "MINUTES", env="bar:DELAY_BOOT", read=values.minutes, show=values.show_minutes, group=JOB,
      help="Wait so long for nodes with the wanted features before others are rebooted into them."),
    R("--uid", None, "USER", "b", read=values.user, group=JOB, complete="user",
      help="Submit for this user (root only)."),
    R("--gid", None, "GROUP", "b", read=values.group, group=JOB, help="Submit with this primary group (root only)."),
    R("--bb", None, "SPEC", env="a:BURST_BUFFER r:BURST_BUFFER", group=JOB, help="Burst buffer specification."),
    R("--bbf", None, "FILE", group=JOB, complete="file", help="File with the burst buffer specification."),
    R("--profile", None, "KINDS", env="bar:PROFILE", read=words.profile, show=words.numeric_list, group=JOB,
      complete=("all", "none", "energy", "lustre", "network", "task"),
      help="Detailed measurements to take: all, none, or energy, lustre, network, task."),
    R("--acctg-freq", None, "KIND=SECONDS,...", env="bar:ACCTG_FREQ", read=words.account_frequency, group=JOB,
      hidden=True, help="How often usage is sampled: task=10, energy=30, network=..., filesystem=...; 0 turns it off."),
    R("--context", None, "CONTEXT", group=JOB, hidden=True, help="SELinux context of the job."),
    flag("--stepmgr", group=JOB, hidden=True, help="Let the job's first node manage its steps."),
    R("--clusters", "-M", "NAMES", env="b:CLUSTERS a:CLUSTERS bar:=SLURM_CLUSTERS", group=JOB,
      help="Clusters to submit to, the one that starts the job first wins."),
    R("--cluster", None, "NAMES", group=JOB, hidden=True, help="Another spelling of --clusters.",
      alias="clusters"),
    R("--cluster-constraint", None, "LIST", group=JOB, reject=NOT_FEDERATED,
      help="Features that a sibling cluster of a federation must have."),
    # ---- when
    R("--begin", "-b", "TIME", read=values.moment, show=values.show_moment, group=WHEN,
      help="Not before this time: now+1hour, 16:00, teatime, 2030-12-31T08:00, 12/31."),
    R("--deadline", None, "TIME", read=values.moment, show=values.show_moment, group=WHEN,
      help="Remove the job when it can no longer end before this time."),
    R("--time", "-t", "LIMIT", env="bar:TIMELIMIT", read=values.minutes, show=values.show_minutes, group=WHEN,
      help="Time limit: minutes, minutes:seconds, hours:minutes:seconds, days-hours[:minutes[:seconds]]; 0: none."),
    R("--time-min", None, "LIMIT", read=values.minutes, show=values.show_minutes, group=WHEN,
      help="A shorter limit is as good if the job can start sooner, but not below this one."),
    R("--signal", None, "[R][B:]SIG[@SECONDS]", env="bar:SIGNAL", read=values.warning_signal,
      show=values.show_warning_signal, group=WHEN, complete="signal",
      help="Send a signal so many seconds (60) before the time limit, to the steps or (B:) the batch shell only."),
    R("--immediate", "-I", "SECONDS", "ar", argument="optional", env="a:IMMEDIATE r:IMMEDIATE", read=words.immediate,
      group=WHEN, help="Give up if the resources are not free within so many seconds (1)."),
    flag("--wait", "-W", "b", env="b:WAIT", group=WHEN, help="Wait for the job's end and exit with its code."),
    flag("--test-only", None, "br", group=WHEN, hidden=True,
         help="Submit nothing; say when and where the job would start."),
    # ---- size
    R("--nodes", "-N", "MIN[-MAX]", env="r:=SLURM_JOB_NUM_NODES", read=values.nodes, show=values.show_nodes,
      group=SIZE, help="Number of nodes: 4, 2-8, or a list of counts that will do: 1,2,4 or 2-16:2."),
    R("--ntasks", "-n", "N", env="r:NPROCS r:NTASKS", read=_count, group=SIZE,
      help="Number of tasks the job will start."),
    R("--cpus-per-task", "-c", "N", env="r:CPUS_PER_TASK", read=_count, group=SIZE, help="CPUs for each task."),
    R("--ntasks-per-node", None, "N", env="r:NTASKS_PER_NODE", read=_count, group=SIZE,
      help="Tasks on each node (with --ntasks: at most so many)."),
    R("--tasks-per-node", None, "N", read=_count, group=SIZE, hidden=True, alias="ntasks-per-node",
      help="Another spelling of --ntasks-per-node."),
    R("--ntasks-per-socket", None, "N", env="r:NTASKS_PER_SOCKET", read=_count, group=SIZE,
      help="At most so many tasks on a socket."),
    R("--ntasks-per-core", None, "N", env="r:NTASKS_PER_CORE", read=_count, group=SIZE,
      help="At most so many tasks on a core."),
    R("--ntasks-per-gpu", None, "N", env="r:NTASKS_PER_GPU", read=_count, group=SIZE, hidden=True,
      help="So many tasks for each GPU."),
    R("--ntasks-per-tres", None, "N", read=_count, group=SIZE, hidden=True, help="So many tasks for each GPU."),
    R("--mem", None, "SIZE[K|M|G|T]", env="b:MEM_PER_NODE a:MEM_PER_NODE r:MEM_PER_NODE", read=values.memory,
      show=values.show_memory, group=SIZE, help="Memory per node, in MiB unless a unit is given; 0: all of it."),
    R("--mem-per-cpu", None, "SIZE[K|M|G|T]", env="bar:MEM_PER_CPU", read=values.memory, show=values.show_memory,
      group=SIZE, help="Memory for each allocated CPU."),
    R("--tmp", None, "SIZE[K|M|G|T]", read=values.memory, show=values.show_memory, group=SIZE,
      help="Temporary disk space each node must have."),
    R("--mincpus", None, "N", read=_count, group=SIZE, help="CPUs each node must have at least."),
    R("--exclusive", None, "user|mcs|topo", argument="optional", env="bar:EXCLUSIVE", read=words.exclusive,
      show=words.show_exclusive, group=SIZE, complete=("user", "mcs", "topo"),
      help="Share the nodes with no other job, or only with those of the same user, MCS label, or topology block. "
           "For a step in srun: CPUs of its own."),
    R("--oversubscribe", "-s", read=values.flag, show=lambda _: "oversubscribe", group=SIZE,
       help="The job may share its CPUs with others."),
    flag("--overcommit", "-O", env="bar:OVERCOMMIT", group=SIZE, help="One CPU per node will do for all tasks."),
    R("--core-spec", "-S", "N", env="bar:CORE_SPEC", read=_any, group=SIZE,
      help="Cores of each node left to the system."),
    R("--thread-spec", None, "N", env="bar:THREAD_SPEC", read=_any, group=SIZE,
      help="Threads of each node left to the system."),
    R("--extra-node-info", "-B", "S[:C[:T]]", read=values.socket_core_thread, show=values.show_sct, group=SIZE,
      help="Sockets per node, cores per socket and threads per core the nodes must have."),
    R("--sockets-per-node", None, "N", read=_count, group=SIZE, help="Sockets the nodes must have."),
    R("--cores-per-socket", None, "N", read=_count, group=SIZE, help="Cores per socket the nodes must have."),
    R("--threads-per-core", None, "N", env="bar:THREADS_PER_CORE", read=_count, group=SIZE,
      help="Threads of each core the job uses."),
    R("--hint", None, "HINT", env="bar:HINT b:=SLURM_HINT", read=words.hint, group=SIZE, hidden=True,
      complete=("compute_bound", "memory_bound", "multithread", "nomultithread", "help"),
      help="What kind of program it is: compute_bound, memory_bound, multithread, nomultithread."),
    # ---- which nodes
    R("--nodelist", "-w", "HOSTS|FILE", read=values.host_list, group=NODES, complete="node",
      help="Nodes that must be among the job's: n[1-3,7], or a file (with a slash in its name)."),
    R("--nodefile", "-F", "FILE", read=values.hosts_of_file, group=NODES, complete="file",
      help="File with the names of the nodes that must be among the job's."),
    R("--exclude", "-x", "HOSTS|FILE", read=values.host_list, group=NODES, complete="node",
      help="Nodes that the job must not get."),
    R("--constraint", "-C", "FEATURES", env="b:CONSTRAINT a:CONSTRAINT r:CONSTRAINT", group=NODES,
      help="Features the nodes must have: fast&ib, fast|slow, [rack1|rack2], fast*2&slow*1."),
    R("--prefer", None, "FEATURES", group=NODES, hidden=True, help="Features that would be good to have."),
    R("--batch", None, "FEATURES", "b", env="b:BATCH", group=NODES, hidden=True,
      help="Features that the node of the batch script must have."),
    flag("--contiguous", group=NODES, help="Nodes must follow one another."),
    flag("--spread-job", env="bar:SPREAD_JOB", group=NODES, help="Spread the job over as many nodes as possible."),
    flag("--use-min-nodes", env="bar:USE_MIN_NODES", group=NODES, help="Of a range of nodes prefer the smaller count."),
    R("--switches", None, "N[@WAIT]", env="bar:REQ_SWITCH", read=words.switches, group=NODES,
      show=words.show_switches,
      help="At most so many switches between the nodes, and how long to wait for such nodes."),
    R("--segment", None, "N", read=words.segment, group=NODES, hidden=True,
      help="Size of the segments of a block topology."),
    R("--network", None, "TYPE", env="bar:NETWORK", group=NODES, hidden=True, help="Network resources."),
    # ---- GPUs and gres
    R("--gres", None, "LIST", env="bar:GRES", read=words.gres, group=GPU,
      help="Generic resources of each node: gpu:2, gpu:a100:1, shard:4."),
    R("--gres-flags", None, "FLAGS", env="bar:GRES_FLAGS", read=words.gres_flags, show=words.numeric_list,
      group=GPU, complete=("disable-binding", "enforce-binding", "allow-task-sharing"),
      help="enforce-binding, disable-binding, allow-task-sharing."),
    R("--gpus", "-G", "[TYPE:]N", env="bar:GPUS", read=words.gpus, group=GPU, help="GPUs of the whole job."),
    R("--gpus-per-node", None, "[TYPE:]N", env="bar:GPUS_PER_NODE", read=words.gpus, group=GPU,
      help="GPUs of each node."),
    R("--gpus-per-socket", None, "[TYPE:]N", read=words.gpus, group=GPU, help="GPUs of each socket."),
    R("--gpus-per-task", None, "[TYPE:]N", env="bar:GPUS_PER_TASK", read=words.gpus, group=GPU,
      help="GPUs of each task."),
    R("--cpus-per-gpu", None, "N", env="bar:CPUS_PER_GPU", read=_count, group=GPU, help="CPUs for each GPU."),
    R("--mem-per-gpu", None, "SIZE[K|M|G|T]", env="bar:MEM_PER_GPU", read=values.memory, show=values.show_memory,
      group=GPU, help="Memory for each GPU."),
    R("--gpu-bind", None, "HOW", env="bar:GPU_BIND", read=words.gpu_bind, group=GPU,
      help="Which GPUs a task sees: closest, none, single:N, per_task:N, map_gpu:..., mask_gpu:..."),
    R("--gpu-freq", None, "FREQ", env="bar:GPU_FREQ", read=words.gpu_frequency, group=GPU,
      help="Frequency of the GPUs: low, medium, high, highm1, MHz; memory=...; verbose."),
    R("--tres-bind", None, "SPEC", env="bar:TRES_BIND", group=GPU,
      help="Binding of tasks to resources: gres/gpu:closest."),
    R("--tres-per-task", None, "LIST", env="bar:TRES_PER_TASK", read=words.task_tres, group=GPU,
      help="Resources for each task: cpu=2,gres/gpu=1."),
    # ---- files, environment
    R("--chdir", "-D", "DIRECTORY", env="r:WORKING_DIR r:REMOTE_CWD", read=values.path, group=FILES,
      complete="directory", help="Working directory; the present one unless given."),
    R("--input", "-i", "FILE", "br", env="b:INPUT r:=SRUN_INPUT", read=values.path, group=FILES, complete="file",
      help="Standard input of the batch script; /dev/null unless given."),
    R("--output", "-o", "FILE", "br", env="b:OUTPUT r:=SRUN_OUTPUT", read=values.path, group=FILES, complete="file",
      help="Standard output; slurm-%%j.out (arrays: slurm-%%A_%%a.out) unless given. %%j job, %%x name, %%u user, %%N "
           "node, %%A array job, %%a array task, %%%% a percent sign.".replace("%%", "%")),
    R("--error", "-e", "FILE", "br", env="b:ERROR r:=SRUN_ERROR", read=values.path, group=FILES, complete="file",
      help="Standard error; where standard output goes unless given."),
    R("--open-mode", None, "append|truncate", "br", env="b:OPEN_MODE r:OPEN_MODE", read=words.open_mode, group=FILES,
      hidden=True, complete=("append", "truncate"), help="Append to output files or overwrite them."),
    R("--export", None, "WHAT", "br", env="b:EXPORT r:EXPORT_ENV r:=SRUN_EXPORT_ENV", group=FILES,
      help="Which variables the job gets: ALL, NONE, NIL, or names and NAME=value, separated by commas."),
    R("--export-file", None, "FILE|FD", "b", group=FILES, complete="file",
      help="File or descriptor with NAME=value entries, each ended by a zero byte."),
    R("--get-user-env", None, "SECONDS", "b", argument="optional", env="b:GET_USER_ENV", read=words.get_user_env,
      group=FILES, help="Give the job the environment of a login of the user."),
    R("--propagate", None, "LIMITS", "br", argument="optional", read=words.propagate, group=FILES,
      complete=("ALL", "NONE", *words.RLIMITS),
      help="Resource limits (ulimit) that the job inherits: ALL, NONE, names."),
    R("--container", None, "BUNDLE", env="b:CONTAINER a:CONTAINER r:=SRUN_CONTAINER", group=FILES,
      complete="directory", help="OCI bundle to run in."),
    R("--container-id", None, "ID", env="b:CONTAINER_ID a:CONTAINER_ID r:=SRUN_CONTAINER_ID", group=FILES,
      help="OCI name of the container."),
    flag("--ignore-pbs", None, "b", env="b:IGNORE_PBS", group=FILES, help="Ignore #PBS and #BSUB lines of the script."),
    R("--wrap", None, "COMMAND", "b", group=FILES, help="Submit this command line, wrapped into a shell script."),
    # ---- tasks
    R("--distribution", "-m", "HOW", env="b:DISTRIBUTION r:DISTRIBUTION", read=words.distribution,
      show=lambda v: v[0], group=STEP,
      help="How tasks spread over nodes, sockets and cores: block, cyclic, plane=N, arbitrary; block:cyclic:block."),
    R("--mem-bind", None, "HOW", env="bar:MEM_BIND", read=words.memory_bind, group=STEP, hidden=True,
      help="How tasks are bound to memory; --mem-bind=help tells."),
    R("--cpu-freq", None, "FREQ", env="r:CPU_FREQ_REQ", read=words.cpu_frequency, group=STEP,
      help="CPU frequency in kHz, low, medium, high, highm1, or a governor."),
    R("--resv-ports", None, "N", "ba", argument="optional", read=words.resv_ports, group=STEP, hidden=True,
      help="Always refused, as no ports are reserved without Slurm's step management."),
    R("--resv-ports", None, "N", "r", argument="optional", env="r:RESV_PORTS", group=STEP, reject=NO_PORTS),
    R("--oom-kill-step", None, "0|1", argument="optional", env="r:OOMKILLSTEP", read=words.zero_or_one, group=STEP,
      complete=("0", "1"), help="Kill the whole step when one of its tasks runs out of memory."),
    R("--wait-all-nodes", None, "0|1", "ba", env="ba:WAIT_ALL_NODES", read=words.wait_all_nodes, group=STEP,
      hidden=True, complete=("0", "1"), help="Start only when all nodes are up (1) or the first one (0)."),
    # ---- salloc's own
    R("--bell", programs="a", env="a:BELL", read=values.flag, show=lambda _: "bell-always", group=SAY,
      help="Ring the terminal's bell when the allocation is granted."),
    R("--no-bell", programs="a", env="a:NO_BELL", read=values.flag, show=lambda _: "bell-never", group=SAY,
      help="Never ring the terminal's bell."),
    R("--kill-command", "-K", "SIGNAL", "a", argument="optional", env="a:KILL_CMD", read=values.kill_signal,
      group=STEP, complete="signal", help="Signal (TERM) for the command when the allocation is revoked."),
    flag("--no-shell", None, "a", group=STEP, hidden=True, help="Leave the allocation standing and run nothing."),
    R("--x11", None, "WHERE", "ar", argument="optional", hidden=True, group=STEP,
      reject="X11 forwarding is not part of slurmpy"),
    # ---- srun's own
    R("--jobid", None, "ID", "r", env="r:=SLURM_JOB_ID r:=SLURM_JOBID", read=values.text, group=STEP, complete="job",
      help="Start a step in this job instead of a new one."),
    flag("--exact", None, "r", env="r:EXACT", group=STEP, help="The step gets only the CPUs it asks for."),
    flag("--whole", None, "r", group=STEP, hidden=True, help="The step gets all of the job's resources."),
    R("--overlap", None, "force", "r", argument="optional", env="r:OVERLAP", read=values.flag, show=lambda _: "set",
      group=STEP, help="The step shares its resources with the job's other steps."),
    flag("--label", "-l", "r", env="r:LABELIO", group=STEP, help="Begin each line with the number of its task."),
    flag("--unbuffered", "-u", "r", env="r:UNBUFFEREDIO", group=STEP, help="Pass output on at once, not by lines."),
    R("--pty", None, "FD", "r", argument="optional", group=STEP, read=values.text, show=lambda v: v or "set",
      help="Give task 0 a terminal."),
    R("--kill-on-bad-exit", "-K", "0|1", "r", argument="optional", env="r:KILL_BAD_EXIT", read=words.kill_on_bad_exit,
      group=STEP, complete=("0", "1"), help="End the step when a task exits with a code other than 0."),
    R("--wait", "-W", "SECONDS", "r", env="r:WAIT", read=_any, group=STEP,
      help="Seconds to wait for the other tasks after the first one has ended before they are killed."),
    flag("--disable-status", "-X", "r", env="r:DISABLE_STATUS", group=STEP,
         help="Pass every Ctrl-C to the tasks instead of showing their state first."),
    flag("--quit-on-interrupt", None, "r", group=STEP, help="Quit at the first Ctrl-C."),
    flag("--multi-prog", None, "r", group=STEP, help="The command is a file that names a program per task."),
    R("--mpi", None, "TYPE", "r", env="r:MPI_TYPE", group=STEP, complete=("none", "list"),
      help="MPI start-up: none, or list to see the types."),
    R("--relative", "-r", "N", "r", read=_any, group=STEP, help="Start at the Nth node of the job."),
    R("--threads", "-T", "N", "r", env="r:THREADS", read=values.number(1), group=STEP,
      reject="one srun process serves all its nodes without threads", help="Threads of srun."),
    R("--cpu-bind", None, "HOW", "r", env="r:CPU_BIND", read=words.cpu_bind, group=STEP, hidden=True,
      help="How tasks are bound to CPUs: none, rank, map_cpu:..., mask_cpu:..., sockets, cores, threads; verbose."),
    R("--cpu_bind", None, "HOW", "r", read=words.cpu_bind, group=STEP, hidden=True, alias="cpu-bind",
      help="Another spelling of --cpu-bind."),
    R("--accel-bind", None, "FLAGS", "r", group=STEP, hidden=True,
      reject="binding of GPUs and network interfaces by srun is Cray's; use --gpu-bind"),
    R("--prolog", None, "PROGRAM", "r", env="r:PROLOG", group=STEP, complete="file",
      help="Run by srun before the step starts."),
    R("--epilog", None, "PROGRAM", "r", env="r:EPILOG", group=STEP, complete="file",
      help="Run by srun after the step has ended."),
    R("--task-prolog", None, "PROGRAM", "r", env="r:TASK_PROLOG", group=STEP, complete="file",
      help="Run by each task's node before the task."),
    R("--task-epilog", None, "PROGRAM", "r", env="r:TASK_EPILOG", group=STEP, complete="file",
      help="Run by each task's node after the task."),
    flag("--preserve-env", "-E", "r", group=STEP, help="Keep SLURM_NNODES and SLURM_NTASKS as they are."),
    R("--het-group", None, "GROUPS", "r", group=STEP, help="Components of a heterogeneous job to start the step in."),
    R("--pack-group", None, "GROUPS", "r", group=STEP, hidden=True, alias="het-group",
      help="Another spelling of --het-group."),
    R("--bcast", None, "FILE", "r", argument="optional", env="r:BCAST", group=STEP,
      reject=NO_BCAST,
      help="Copy the program to this path of each node first."),
    R("--bcast-exclude", None, "PATHS", "r", env="r:BCAST_EXCLUDE", group=STEP,
      reject=NO_BCAST,
      help="Directories of which no libraries are copied along."),
    R("--send-libs", None, "yes|no", "r", argument="optional", env="r:SEND_LIBS", read=values.yes_no, group=STEP,
      show=lambda v: "set" if v else "(null)", complete=("yes", "no"), reject=NO_BCAST,
      help="Copy the program's libraries along."),
    R("--compress", None, "LIBRARY", "r", argument="optional", env="r:COMPRESS", read=words.compress, group=STEP,
      complete=words.COMPRESSION, reject=NO_BCAST,
      help="Compress what --bcast copies."),
    R("--slurmd-debug", None, "LEVEL", "r", env="r:=SLURMD_DEBUG", read=words.slurmd_debug, group=SAY,
      complete=words.LEVELS, help="How much the step's daemon logs (root only)."),
    R("--msg-timeout", None, "SECONDS", "r", read=_count, group=STEP, hidden=True,
      help="Seconds to wait for an answer of the nodes."),
    R("--treewidth", None, "N", "r", group=STEP, hidden=True,
      reject="srun speaks to every node of a step itself"),
    R("--interactive", programs="r", read=values.flag, show=lambda _: "set", group=STEP, hidden=True,
      help="The step is the interactive step of salloc."),
    flag("--debugger-test", None, "r", group=STEP, hidden=True, reject="there is no tracer interface to test"),
    R("--external-launcher", None, "TYPE", "r", argument="optional", group=STEP, hidden=True,
      reject="steps of external launchers are not managed here"),
    flag("--no-allocate", "-Z", "r", group=STEP,
         reject="tasks run only within an allocation of slurmctld"),
    # ---- messages
    JobOption("--verbose", "-v", programs="bar", env="bar:DEBUG", read=values.flag, group=SAY, count=True,
              help="Say more; -vv and -vvv still more."),
    flag("--quiet", "-Q", group=SAY, help="Say only what went wrong."),
    flag("--parsable", None, "b", group=SAY, help="Print only the job's number (and ;cluster where one was named)."),
)  # fmt: skip
