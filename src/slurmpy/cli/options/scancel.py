"""scancel's command line."""

from __future__ import annotations

from ..command import Command, Option

ACT = "Which jobs"
HOW = "What is done"

OPTIONS = (
    Option("--account", "-A", "required", "ACCOUNT", "Only jobs of this account.", "SCANCEL_ACCOUNT", ACT,
           complete="account"),
    Option("--batch", "-b", help="Signal the batch shell only.", env="SCANCEL_BATCH", group=HOW),
    Option("--cluster", "-M", "required", "NAMES", "Another spelling of --clusters.", group=ACT, alias="clusters",
           hidden=True),
    Option("--clusters", "-M", "required", "NAMES", "Clusters whose jobs are meant.", "SLURM_CLUSTERS", ACT),
    Option("--cron", "-c", help="Cancel a job of scrontab.", group=HOW,
           reject="jobs of scrontab are not part of slurmpy"),
    Option("--ctld", help="Let slurmctld choose the jobs and signal them, in one request.", env="SCANCEL_CTLD",
           group=HOW),
    Option("--full", "-f", help="Signal the batch shell and all steps.", env="SCANCEL_FULL", group=HOW),
    Option("--hurry", "-H", help="Do not stage burst buffer files out.", env="SCANCEL_HURRY", group=HOW),
    Option("--interactive", "-i", help="Ask before each job.", env="SCANCEL_INTERACTIVE", group=HOW),
    Option("--jobname", "-n", "required", "NAME", "Another spelling of --name.", group=ACT, alias="name", hidden=True),
    Option("--me", help="Only your own jobs.", group=ACT, hidden=True),
    Option("--name", "-n", "required", "NAME", "Only jobs of this name.", "SCANCEL_NAME", ACT),
    Option("--nodelist", "-w", "required", "HOSTS", "Only jobs on these nodes.", group=ACT, complete="node"),
    Option("--partition", "-p", "required", "NAME", "Only jobs of this partition.", "SCANCEL_PARTITION", ACT,
           complete="partition"),
    Option("--qos", "-q", "required", "NAME", "Only jobs of this quality of service.", "SCANCEL_QOS", ACT,
           complete="qos"),
    Option("--quiet", "-Q", help="Say nothing of jobs that are gone already.", group=HOW),
    Option("--reservation", "-R", "required", "NAME", "Only jobs of this reservation.", group=ACT,
           complete="reservation"),
    Option("--sibling", None, "required", "CLUSTER", "Remove a sibling of a federated job.", group=HOW,
           reject="slurmpy clusters form no federation"),
    Option("--signal", "-s", "required", "SIGNAL", "Send this signal, by name or number, instead of ending the job.",
           group=HOW, complete="signal"),
    Option("--state", "-t", "required", "STATE", "Only jobs in this state: PENDING, RUNNING or SUSPENDED.",
           "SCANCEL_STATE", ACT, complete=("PENDING", "RUNNING", "SUSPENDED")),
    Option("--user", "-u", "required", "USER", "Only jobs of this user.", "SCANCEL_USER", ACT, complete="user"),
    Option("--verbose", "-v", help="Say what is done; more so if repeated.", env="SCANCEL_VERBOSE", group=HOW,
           count=True),
    Option("--wckey", None, "required", "KEY", "Only jobs with this workload key.", "SCANCEL_WCKEY", ACT),
)  # fmt: skip

COMMAND = Command(
    "scancel",
    OPTIONS,
    usage="[OPTIONS] [JOB[_TASK][.STEP]]...",
    about="""Cancels jobs, array tasks and steps, or sends them a signal.

Filters select among the jobs named, or among all jobs if none is. Without -b and -f a signal goes to the steps, not to
the batch shell.""",
    operands=(("JOB", "123, a task of an array 123_4, tasks 123_[1-5,9], a component 123+1, a step 123.0."),),
    examples=(
        ("scancel 123", "Cancel job 123."),
        ("scancel -t PENDING -u $USER", "Cancel all of your jobs that wait."),
        ("scancel -s USR1 -b 123", "Send SIGUSR1 to the batch shell of job 123."),
        ("scancel 45_[3-5]", "Cancel three tasks of an array."),
    ),
    environment=(("SLURM_CONF", "The configuration file of the cluster to talk to."),),
)  # fmt: skip
