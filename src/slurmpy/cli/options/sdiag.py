"""sdiag's options."""

from __future__ import annotations

from ..command import Command, Option

OPTIONS = (
    Option("--all", "-a", help="All statistics (the default)."),
    Option("--cluster", "-M", "required", "CLUSTERS", "Only this cluster, if it is named among CLUSTERS.",
           env="SLURM_CLUSTERS"),
    Option("--clusters", None, "required", "CLUSTERS", "Same as --cluster.", alias="cluster", hidden=True),
    Option("--json", None, "optional", "DATA_PARSER", "Print JSON, by this version of the data parser."),
    Option("--reset", "-r", help="Set the counters to zero. For operators."),
    Option("--sort-by-id", "-i", help="Calls in the order of their numbers."),
    Option("--sort-by-time", "-t", help="The calls that took longest in all first."),
    Option("--sort-by-time2", "-T", help="The calls that take longest on average first."),
    Option("--yaml", None, "optional", "DATA_PARSER", "Print YAML, by this version of the data parser."),
)  # fmt: skip

COMMAND = Command(
    "sdiag",
    OPTIONS,
    usage="[OPTIONS]",
    about="Shows what slurmctld has done since its counters were last set to zero: jobs, scheduling cycles, calls.",
    help_short="-h",
    examples=(("sdiag -t", "the calls that took most time"), ("sdiag --reset", "start counting anew")),
)
