"""srun's command line."""

from __future__ import annotations

from .job import JobCommand, rows

COMMAND = JobCommand(
    "srun",
    rows("srun"),
    usage="[OPTIONS] [ : [OPTIONS]]... COMMAND [ARGUMENTS]",
    about="""Runs a command as parallel tasks. Within a job (of sbatch or salloc) the tasks become a step of it;
    elsewhere srun asks for an allocation of its own first and gives it back at the end.

Output of the tasks arrives here as it is written, input goes to all of them. Ctrl-C shows what the tasks are doing, a
second one within a second ends them. The exit code is the highest of the tasks'.""",
    permute=False,
    usage_code=255,
    help_short="-h",
    operands=(
        ("COMMAND", "The program to run, one copy a task; found in PATH."),
        ("ARGUMENTS", "Passed on to the command."),
    ),
    examples=(
        ("srun hostname", "One task, where the cluster sees fit."),
        ("srun -n8 -l ./simulate", "Eight tasks, each line with its task's number before it."),
        ("srun --pty bash -i", "A shell on a node."),
        ("srun --jobid=123 --overlap --pty top", "Look into a running job."),
    ),
    environment=(
        ("SLURM_CONF", "The configuration file of the cluster to talk to."),
        ("SLURM_EXIT_ERROR", "Exit code for errors of srun itself, in place of 1."),
        ("SLURM_EXIT_IMMEDIATE", "Exit code when --immediate fails."),
        ("SLURM_UMASK", "The umask of the tasks, in octal; srun's own unless set."),
        ("SLURM_WAIT4SWITCH", "How long to wait for the switches of SLURM_REQ_SWITCH."),
    ),
)  # fmt: skip
