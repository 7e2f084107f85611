"""sbatch's command line."""

from __future__ import annotations

from .job import JobCommand, rows

COMMAND = JobCommand(
    "sbatch",
    rows("sbatch"),
    usage="[OPTIONS] [ : [OPTIONS]]... [SCRIPT [ARGUMENTS]]",
    about="""Hands a script to the cluster, which runs it on the first of the job's nodes when the job's turn has come,
    and prints the job's number. Without SCRIPT the script is read from standard input.

Options can stand in the script too, in lines that begin with #SBATCH before the first command. The command line wins
over the environment, and that over the script. A colon between options, or a line "#SBATCH hetjob", begins the next
component of a heterogeneous job.""",
    permute=False,
    usage_code=255,
    help_short="-h",
    operands=(
        ("SCRIPT", "File that begins with #! and an interpreter; looked for in PATH unless it lies here."),
        ("ARGUMENTS", "Passed on to the script."),
    ),
    examples=(
        ("sbatch -n4 -t 30 train.sh data", "Submit train.sh with one argument, four tasks and half an hour."),
        ("sbatch --wrap 'make test' -c 8", "Submit a single command line."),
        ("sbatch -a 0-99%10 sweep.sh", "A hundred tasks, at most ten at a time."),
        ("sbatch -d afterok:123 next.sh", "Run when job 123 has ended well."),
    ),
    environment=(
        ("SLURM_CONF", "The configuration file of the cluster to talk to."),
        ("SLURM_EXIT_ERROR", "Exit code for errors of sbatch itself, in place of 1."),
        ("SLURM_UMASK", "The umask of the job, in octal; sbatch's own unless set."),
        ("SBATCH_WAIT4SWITCH", "How long to wait for the switches of SBATCH_REQ_SWITCH."),
    ),
)  # fmt: skip
