"""The options of scontrol, its keywords and the entities that ``show`` knows: the tables behind its help."""

from __future__ import annotations

from ..command import Command, Option

OPTIONS = (
    Option("--all", "-a", help="Show hidden partitions too.", env="SCONTROL_ALL"),
    Option("--details", "-d", count=True, help="Show more of jobs, nodes and steps; -dd shows the most."),
    Option("--federation", help="Accepted for clusters in a federation; others have only their own jobs.",
           reject="slurmpy has no federations"),
    Option("--future", "-F", help="Show nodes in the state FUTURE too.", env="SCONTROL_FUTURE"),
    Option("--hide", help="Leave hidden partitions and their jobs out, which is the default."),
    Option("--json", argument="optional", metavar="DATA_PARSER", help="Print JSON; =list names the data parsers."),
    Option("--local", help="Only this cluster's jobs, which is the default.", env="SCONTROL_LOCAL"),
    Option("--cluster", "-M", argument="required", metavar="NAME", help="The cluster to talk to.",
           env="SLURM_CLUSTERS"),
    Option("--clusters", argument="required", metavar="NAME", alias="cluster", hidden=True),
    Option("--oneliner", "-o", help="One line for each record."),
    Option("--quiet", "-Q", help="Print no messages about what went wrong; the exit code tells."),
    Option("--sibling", help="Show the siblings of federated jobs.", reject="slurmpy has no federations"),
    Option("--uid", "-u", argument="required", metavar="USER", complete="user",
           help="Update jobs as this user (root only)."),
    Option("--verbose", "-v", count=True, help="Given twice: tell which cluster and configuration are used."),
    Option("--yaml", argument="optional", metavar="DATA_PARSER", help="Print YAML; =list names the data parsers."),
)  # fmt: skip

#: keyword: what it does. Arguments stand behind the keyword
KEYWORDS = {
    "all": "from now on show hidden partitions too (interactive)",
    "cancel_reboot <nodelist>": "take back a reboot that nodes wait for",
    "cluster <name>": "talk to another cluster",
    "completing": "show jobs that are completing, and the nodes they wait for",
    "create <entity> <key=value>...": "create a partition or reservation",
    "delete <entity>=<name>": "delete a partition or reservation",
    "details": "from now on show more (interactive)",
    "errnumstr <number>": "the text of one of Slurm's error numbers",
    "exit, quit": "leave",
    "getaddrs <nodelist>": "addresses and ports of nodes",
    "help": "this text",
    "hide": "from now on leave hidden partitions out (interactive)",
    "hold <jobs>": "keep waiting jobs from starting; jobname=NAME names them by name",
    "holdu, uhold <jobs>": "the same, as the user would: the user may release them",
    "listjobs": "jobs on this host",
    "listpids [job[.step] [node]]": "processes of the steps on this host",
    "liststeps": "steps on this host",
    "notify <job> <message>": "write a message to the standard error of a job",
    "oneliner": "from now on show one line for each record (interactive)",
    "pidinfo <pid>": "the job that a process belongs to, and its end",
    "ping": "whether slurmctld answers",
    "quiet": "from now on print no messages about failures (interactive)",
    "reconfigure": "let the daemons read their configuration again",
    "release <jobs>": "let held jobs start",
    "requeue <jobs>": "end running batch jobs and let them wait again",
    "requeuehold [State=SpecialExit] <jobs>": "requeue and hold",
    "resume <jobs>": "let suspended jobs run on",
    "schedloglevel <level>": "the level of the scheduler's log",
    "setdebug <level>": "the level of slurmctld's log: a number, or info, debug, ...",
    "setdebugflags {+|-}<flag>...": "turn flags of slurmctld's log on and off",
    "show <entity> [<name>]": "show one or all of: " + "ENTITIES",
    "shutdown [slurmctld|controller]": "stop slurmctld, and without an argument the slurmds too",
    "suspend <jobs>": "stop running jobs for a time",
    "takeover": "let a backup controller take over",
    "token [username=<user>] [lifespan=<seconds>]": "a token for authentication with auth/jwt",
    "top <jobs>": "move jobs before the other ones of their user",
    "update <key=value>...": "change a job, step, node, partition or reservation",
    "verbose": "tell which cluster and configuration are used (interactive)",
    "version": "the release of Slurm",
    "wait_job <job>": "wait until the nodes of a job are ready",
    "write batch_script <job> [<file>|-]": "the script of a batch job",
    "write config [<file>]": "the configuration in force",
    "!!": "the last command again (interactive)",
}

ENTITIES = (
    *("aliases", "assoc_mgr", "bbstat", "burstbuffer", "config", "daemons", "dwstat", "federation", "frontend"),
    *("hostlist", "hostlistsorted", "hostnames", "job", "licenses", "node", "partition", "reservation", "slurmd"),
    *("step", "topology"),
)

COMMAND = Command(
    "scontrol",
    OPTIONS,
    usage="[OPTIONS] [KEYWORD [ARGUMENTS]]",
    about="Shows and changes the state of a cluster: jobs, steps, nodes, partitions, reservations, the daemons. "
    "Without a keyword it reads commands, one a line, from standard input.",
    help_short="-h",
    operands=tuple((keyword, text.replace("ENTITIES", ", ".join(ENTITIES))) for keyword, text in KEYWORDS.items()),
    environment=(
        ("SLURM_BITSTR_LEN", "How much of a job array's task numbers is printed; 0 prints all, 64 is the default."),
        ("SLURM_TIME_FORMAT", "The form of times: standard, relative, or a format of strftime."),
    ),
    examples=(
        ("scontrol show job 42", "everything about job 42"),
        ("scontrol -o show node n[1-3]", "three nodes, one line each"),
        ("scontrol update jobid=42 timelimit+=30", "half an hour more"),
        ("scontrol update nodename=n1 state=drain reason='bad disk'", "no new jobs on n1"),
        ("scontrol hold 42 43", "keep two jobs from starting"),
    ),
)
