"""What man pages say beyond the tables: one line for each page, the variables of jobs, exit codes, files."""

from __future__ import annotations

from . import oci

#: command: what it does, in a line
SUMMARY = {
    "sacct": "show accounting records of jobs and steps",
    "sacctmgr": "show and change accounts, users, associations and QOS",
    "salloc": "run a command with an allocation of resources",
    "sbatch": "submit a batch script",
    "scancel": "cancel or signal jobs and steps",
    "scontrol": "show and change the state of a cluster",
    "scrun": "run OCI containers as jobs",
    "sinfo": "show partitions and nodes",
    "slurmctld": "the controller daemon",
    "slurmd": "the daemon of a node",
    "slurmdbd": "the accounting daemon",
    "slurmrestd": "the REST daemon",
    "slurmpy": "the pocket cluster by hand",
    "squeue": "show jobs and steps",
    "srun": "run parallel tasks",
}

ABOUT = {
    "slurmctld": """Keeps the queue, chooses which jobs run where, and starts them. All other
programs ask it.

Its state is in StateSaveLocation; killed at any moment, it comes back with every job it has acknowledged. Started
without
-D it goes to the background and exits with 0 as soon as it serves. SIGTERM ends it, SIGHUP makes it read its
configuration again.""",
    "slurmd": """Starts the steps of jobs on its node, one slurmstepd for each, and reports their ends. Several may run
    on one host, one for each node name (-N). Steps outlive it: started again, it finds them.""",
    "slurmdbd": """Keeps the accounts of a cluster in a database: users, associations, QOS, jobs and steps. Without
    another configuration the database is an SQLite file.""",
    "slurmrestd": """Answers HTTP requests about jobs, nodes, accounts and the rest of a cluster, and changes them,
by the OpenAPI document that it serves at /openapi/v3; a browser shows it at /docs. It listens on a unix socket
or a port and keeps nothing itself.""",
}

#: what each daemon reads
FILES = {
    "slurmctld": ("slurm.conf", "gres.conf"),
    "slurmd": ("slurm.conf", "gres.conf", "cgroup.conf", "oci.conf"),
    "slurmdbd": ("slurmdbd.conf",),
    "slurmrestd": ("slurm.conf",),
}

#: variables that a job or task finds: (name, meaning, which programs' man pages list it: b sbatch, a salloc, r srun)
JOB_VARIABLES = (
    ("SLURMD_NODENAME", "Name of the node.", "br"),
    ("SLURM_ARRAY_JOB_ID", "Number of the job array.", "b"),
    ("SLURM_ARRAY_TASK_COUNT", "How many tasks the array has.", "b"),
    ("SLURM_ARRAY_TASK_ID", "Index of this task of the array.", "b"),
    ("SLURM_ARRAY_TASK_MAX", "Highest index of the array.", "b"),
    ("SLURM_ARRAY_TASK_MIN", "Lowest index of the array.", "b"),
    ("SLURM_ARRAY_TASK_STEP", "Step between the indexes.", "b"),
    ("SLURM_CLUSTER_NAME", "Name of the cluster.", "bar"),
    ("SLURM_CPUS_ON_NODE", "CPUs of the job on this node.", "br"),
    ("SLURM_CPUS_PER_GPU", "As --cpus-per-gpu.", "bar"),
    ("SLURM_CPUS_PER_TASK", "As --cpus-per-task.", "bar"),
    ("SLURM_CPU_BIND", "As --cpu-bind; _LIST, _TYPE and _VERBOSE are its parts.", "r"),
    ("SLURM_CPU_FREQ_REQ", "As --cpu-freq.", "r"),
    ("SLURM_CONTAINER", "As --container.", "bar"),
    ("SLURM_CONTAINER_ID", "As --container-id.", "bar"),
    ("SLURM_DISTRIBUTION", "How the tasks are spread.", "bar"),
    ("SLURM_DIST_PLANESIZE", "Size of the planes of --distribution=plane.", "bar"),
    ("SLURM_EXPORT_ENV", "As --export.", "b"),
    ("SLURM_GPUS", "As --gpus.", "bar"),
    ("SLURM_GPUS_ON_NODE", "GPUs of the job on this node.", "br"),
    ("SLURM_GPUS_PER_NODE", "As --gpus-per-node.", "bar"),
    ("SLURM_GPUS_PER_SOCKET", "As --gpus-per-socket.", "bar"),
    ("SLURM_TRES_BIND", "As --tres-bind and --gpu-bind.", "bar"),
    ("SLURM_GPU_FREQ", "As --gpu-freq.", "bar"),
    ("SLURM_GTIDS", "Numbers of the tasks on this node.", "br"),
    ("SLURM_HET_SIZE", "How many components the heterogeneous job has.", "bar"),
    ("SLURM_JOB_ACCOUNT", "Account of the job.", "bar"),
    ("SLURM_JOB_CPUS_PER_NODE", "CPUs on each node: 4(x2),2.", "bar"),
    ("SLURM_JOB_DEPENDENCY", "As --dependency.", "br"),
    ("SLURM_JOB_END_TIME", "When the job's time limit ends, in seconds since 1970.", "br"),
    ("SLURM_JOB_ID", "Number of the job; SLURM_JOBID is the same.", "bar"),
    ("SLURM_JOB_NAME", "Name of the job (of the step, within srun).", "bar"),
    ("SLURM_JOB_NODELIST", "Nodes of the job; SLURM_NODELIST is the same.", "bar"),
    ("SLURM_JOB_NUM_NODES", "How many they are; SLURM_NNODES is the same.", "bar"),
    ("SLURM_JOB_PARTITION", "Partition of the job.", "bar"),
    ("SLURM_JOB_QOS", "QOS of the job.", "bar"),
    ("SLURM_JOB_RESERVATION", "Reservation of the job.", "bar"),
    ("SLURM_JOB_START_TIME", "When the job began, in seconds since 1970.", "br"),
    ("SLURM_LAUNCH_NODE_IPADDR", "Address of the host on which srun runs.", "r"),
    ("SLURM_LOCALID", "Number of the task on its node, from 0.", "br"),
    ("SLURM_MEM_BIND", "As --mem-bind; _LIST, _PREFER, _SORT, _TYPE and _VERBOSE are its parts.", "ar"),
    ("SLURM_MEM_PER_CPU", "As --mem-per-cpu.", "bar"),
    ("SLURM_MEM_PER_GPU", "As --mem-per-gpu.", "bar"),
    ("SLURM_MEM_PER_NODE", "As --mem.", "bar"),
    ("SLURM_NODEID", "Number of the node within the job, from 0.", "br"),
    ("SLURM_NTASKS", "Number of tasks; SLURM_NPROCS is the same.", "bar"),
    ("SLURM_NTASKS_PER_CORE", "As --ntasks-per-core.", "bar"),
    ("SLURM_NTASKS_PER_GPU", "As --ntasks-per-gpu.", "ba"),
    ("SLURM_NTASKS_PER_NODE", "As --ntasks-per-node.", "bar"),
    ("SLURM_NTASKS_PER_SOCKET", "As --ntasks-per-socket.", "bar"),
    ("SLURM_OOM_KILL_STEP", "As --oom-kill-step.", "br"),
    ("SLURM_OVERCOMMIT", "1 with --overcommit.", "bar"),
    ("SLURM_PRIO_PROCESS", "Nice value of the shell that submitted the job.", "br"),
    ("SLURM_PROCID", "Number of the task, from 0.", "br"),
    ("SLURM_PROFILE", "As --profile.", "ba"),
    ("SLURM_RESTART_COUNT", "How often the job was requeued.", "b"),
    ("SLURM_SRUN_COMM_HOST", "Address at which srun can be reached.", "r"),
    ("SLURM_SRUN_COMM_PORT", "Port at which srun can be reached.", "r"),
    ("SLURM_STEP_ID", "Number of the step; SLURM_STEPID is the same.", "r"),
    ("SLURM_STEP_NODELIST", "Nodes of the step.", "r"),
    ("SLURM_STEP_NUM_NODES", "How many they are.", "r"),
    ("SLURM_STEP_NUM_TASKS", "Number of tasks of the step.", "r"),
    ("SLURM_STEP_TASKS_PER_NODE", "Tasks on each of its nodes.", "r"),
    ("SLURM_STEP_LAUNCHER_PORT", "Port of the srun of the step.", "r"),
    ("SLURM_SUBMIT_DIR", "Directory from which the job was submitted.", "bar"),
    ("SLURM_SUBMIT_HOST", "Host from which it was submitted.", "bar"),
    ("SLURM_TASKS_PER_NODE", "Tasks on each node: 2(x3),1.", "bar"),
    ("SLURM_TASK_PID", "Process number of the task.", "br"),
    ("SLURM_THREADS_PER_CORE", "As --threads-per-core.", "ba"),
    ("SLURM_TOPOLOGY_ADDR", "The node's place in the topology.", "br"),
    ("SLURM_TOPOLOGY_ADDR_PATTERN", "What the parts of that place are.", "br"),
    ("SLURM_TRES_PER_TASK", "As --tres-per-task and --cpus-per-task.", "bar"),
    ("SLURM_UMASK", "The umask of the tasks.", "r"),
)

EXIT = {
    "sbatch": "0 if the job was accepted; with --wait the job's exit code; 1 if it was refused; 255 for a wrong option "
    "or value. SLURM_EXIT_ERROR replaces the 1.",
    "salloc": "The exit code of the command; 1 if there was no allocation (SLURM_EXIT_ERROR replaces it), 255 for a "
    "wrong "
    "option or value.",
    "srun": "The highest exit code of the tasks; 128 and the signal's number for a task that a signal ended; 1 if "
    "nothing "
    "was run (SLURM_EXIT_ERROR replaces it), 255 for a wrong option or value.",
    "scancel": "0 if all went well, also for jobs that had ended before; else the last error's number modulo 256.",
}
DEFAULT_EXIT = "0 if all went well, 1 or more if not."

#: file: (what it is, sections of (title, introduction, table name in `parameters`))
CONFIGURATION = {
    "slurm.conf": "The configuration of a cluster. Every host of the cluster has the same. It is the file that "
    "SLURM_CONF "
    "names, else /etc/slurm/slurm.conf. Without either, commands start a pocket cluster, whose slurm.conf is in the "
    "user's "
    "state directory.",
    "gres.conf": "Which generic resources (GPUs and others) nodes have. It is beside slurm.conf and may be absent; "
    "then the "
    "Gres of slurm.conf's node lines says it all.",
    "slurmdbd.conf": "The configuration of slurmdbd. It is beside slurm.conf. As it may hold a password, only "
    "SlurmUser should "
    "be able to read it.",
    "cgroup.conf": "How steps are confined by control groups. It is beside slurm.conf and may be absent.",
    "oci.conf": oci.INTRODUCTION.replace("\n", " "),
}
SYNTAX = """Lines are NAME=VALUE pairs; names are read without regard to case. A # begins a comment, a backslash at the
end of a line continues it, and «Include FILE» reads another file in place. Several nodes are written as a list:
n[1-4,7]."""

SEE_ALSO = (
    "sacct(1)", "sacctmgr(1)", "salloc(1)", "sbatch(1)", "scancel(1)", "scontrol(1)", "scrun(1)", "sinfo(1)",
    "slurmpy(1)", "squeue(1)", "srun(1)", "slurm.conf(5)", "gres.conf(5)", "slurmdbd.conf(5)", "cgroup.conf(5)",
    "oci.conf(5)",
    "slurmctld(8)", "slurmd(8)", "slurmdbd(8)", "slurmrestd(8)",
)  # fmt: skip
