"""sprio's options."""

from __future__ import annotations

from ..command import Command, Option

OPTIONS = (
    Option("--cluster", "-M", "required", "CLUSTERS", "Only this cluster's jobs, if it is named among CLUSTERS.",
           env="SLURM_CLUSTERS"),
    Option("--clusters", None, "required", "CLUSTERS", "Same as --cluster.", alias="cluster", hidden=True),
    Option("--federation", help="Jobs of all clusters of the federation, if the cluster is in one.",
           env="SPRIO_FEDERATION"),
    Option("--format", "-o", "required", "FORMAT",
           "What a line holds: text with %[[.]WIDTH]LETTER fields; a dot justifies to the right.", env="SPRIO_FORMAT"),
    Option("--helpformat", help="List the letters for --format."),
    Option("--jobs", "-j", "optional", "JOBS", "Only these jobs (comma-separated).", complete="job"),
    Option("--local", help="Only jobs of this cluster, even if it is in a federation.", env="SPRIO_LOCAL"),
    Option("--long", "-l", help="All columns."),
    Option("--noheader", "-h", help="No header line."),
    Option("--norm", "-n", help="Factors between 0 and 1 instead of parts of the priority."),
    Option("--partition", "-p", "required", "PARTITIONS", "Only jobs in these partitions.", complete="partition"),
    Option("--sibling", help="Jobs of a federation once for every cluster.", env="SPRIO_SIBLING"),
    Option("--sib", help="Same as --sibling.", alias="sibling", hidden=True),
    Option("--sort", "-S", "required", "KEYS",
           "Order by these letters of --format, the most important first; '-' turns one round."),
    Option("--user", "-u", "required", "USERS", "Only jobs of these users (names or ids).", complete="user"),
    Option("--users", None, "required", "USERS", "Same as --user.", alias="user", hidden=True),
    Option("--verbose", "-v", help="Say what was asked for.", count=True),
    Option("--weights", "-w", help="The weights of the factors, as configured."),
)  # fmt: skip

COMMAND = Command(
    "sprio",
    OPTIONS,
    usage="[OPTIONS]",
    about="Shows what the priorities of waiting jobs are made of.",
    examples=(
        ("sprio -l", "every part of every waiting job's priority"),
        ("sprio -w", "the configured weights"),
        ("sprio -S -y", "the job of the highest priority first"),
    ),
)
