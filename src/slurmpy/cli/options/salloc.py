"""salloc's command line."""

from __future__ import annotations

from .job import JobCommand, rows

COMMAND = JobCommand(
    "salloc",
    rows("salloc"),
    usage="[OPTIONS] [ : [OPTIONS]]... [COMMAND [ARGUMENTS]]",
    about="""Waits for resources, runs a command (your shell, unless you name one) while they are yours, and gives them
    back when it ends, however it ends.

The command runs here, not on the allocated nodes; srun within it starts tasks on them.""",
    permute=False,
    usage_code=255,
    help_short="-h",
    operands=(
        ("COMMAND", "What to run; a shell, or SallocDefaultCommand of slurm.conf, unless given."),
        ("ARGUMENTS", "Passed on to the command."),
    ),
    examples=(
        ("salloc -n4 --mem=2G", "A shell in which srun can start four tasks."),
        ("salloc -N2 -t 10 sh run.sh", "Run a script with two nodes for ten minutes."),
        ("salloc --no-shell -n1", "Leave the allocation standing; srun --jobid uses it, scancel ends it."),
    ),
    environment=(
        ("SLURM_CONF", "The configuration file of the cluster to talk to."),
        ("SLURM_EXIT_ERROR", "Exit code for errors of salloc itself, in place of 1."),
        ("SLURM_EXIT_IMMEDIATE", "Exit code when --immediate fails."),
        ("SALLOC_WAIT4SWITCH", "How long to wait for the switches of SALLOC_REQ_SWITCH."),
    ),
)  # fmt: skip
