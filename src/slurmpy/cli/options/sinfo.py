"""sinfo's options."""

from __future__ import annotations

from ..command import Command, Option

_FILTER, _OUTPUT = "Which nodes", "What is printed"

OPTIONS = (
    Option("--all", "-a", help="Also hidden partitions and those that your group may not use.", env="SINFO_ALL",
           group=_FILTER),
    Option("--clusters", "-M", "required", "CLUSTERS", "Only this cluster, if it is named among CLUSTERS.",
           env="SLURM_CLUSTERS", group=_FILTER),
    Option("--cluster", None, "required", "CLUSTERS", "Same as --clusters.", alias="clusters", hidden=True,
           group=_FILTER),
    Option("--dead", "-d", help="Only nodes that do not respond.", group=_FILTER),
    Option("--exact", "-e", help="Put nodes together only if all that is shown of them agrees.", group=_OUTPUT),
    Option("--federation", help="All clusters of the federation, if the cluster is in one.", env="SINFO_FEDERATION",
           group=_FILTER),
    Option("--future", "-F", help="Also nodes in state FUTURE.", env="SCONTROL_FUTURE", group=_FILTER),
    Option("--format", "-o", "required", "FORMAT",
           "What a line holds: text with %[[.]WIDTH]LETTER fields; a dot justifies to the right.",
           env="SINFO_FORMAT", group=_OUTPUT),
    Option("--Format", "-O", "required", "FORMAT",
           "What a line holds: NAME[:[.][WIDTH][SUFFIX]] of fields, comma-separated (see --helpFormat).",
           group=_OUTPUT),
    Option("--helpFormat", help="List the names of fields for --Format.", group=_OUTPUT),
    Option("--helpformat", help="Same as --helpFormat.", alias="helpFormat", hidden=True, group=_OUTPUT),
    Option("--helpstate", help="List the node states for --states.", group=_OUTPUT),
    Option("--hide", help="No hidden partitions (the default).", group=_FILTER),
    Option("--iterate", "-i", "required", "SECONDS", "Print again and again, at this interval.", group=_OUTPUT),
    Option("--json", None, "optional", "DATA_PARSER", "Print JSON, by this version of the data parser.", group=_OUTPUT),
    Option("--list-reasons", "-R", help="Why nodes are down, drained, failing or failed.", group=_OUTPUT),
    Option("--local", help="Only this cluster, even if it is in a federation.", env="SINFO_LOCAL", group=_FILTER),
    Option("--long", "-l", help="More columns.", group=_OUTPUT),
    Option("--Node", "-N", help="A line for every node and partition.", group=_OUTPUT),
    Option("--noconvert", help="Leave sizes in their own unit.", group=_OUTPUT),
    Option("--nodes", "-n", "required", "NODES", "Only these nodes.", group=_FILTER, complete="node"),
    Option("--noheader", "-h", help="No header line.", group=_OUTPUT),
    Option("--partition", "-p", "required", "PARTITIONS", "Only these partitions (comma-separated).",
           env="SINFO_PARTITION", group=_FILTER, complete="partition"),
    Option("--reservation", "-T", help="The reservations instead of nodes.", group=_OUTPUT),
    Option("--responding", "-r", help="Only nodes that respond.", group=_FILTER),
    Option("--sort", "-S", "required", "KEYS",
           "Order by these letters of --format, the most important first; '-' turns one round, '#P' is the order of "
           "the configuration. Default: #P,-t; with --Node: N.", env="SINFO_SORT", group=_OUTPUT),
    Option("--states", "-t", "required", "STATES",
           "Only nodes in one of these states (comma-separated), or in all of those joined by '&'.",
           group=_FILTER, complete="state"),
    Option("--summarize", "-s", help="A line for every partition.", group=_OUTPUT),
    Option("--verbose", "-v", help="Say what was asked for.", count=True, group=_OUTPUT),
    Option("--yaml", None, "optional", "DATA_PARSER", "Print YAML, by this version of the data parser.", group=_OUTPUT),
)  # fmt: skip

COMMAND = Command(
    "sinfo",
    OPTIONS,
    usage="[OPTIONS]",
    about="Shows partitions and their nodes.",
    examples=(
        ("sinfo", "the nodes of every partition by state"),
        ("sinfo -N -l", "every node with its CPUs, memory and features"),
        ("sinfo -R", "why nodes are out of use"),
        ("sinfo -p gpu -t idle -o '%N %G'", "idle nodes of partition gpu, and their resources"),
    ),
    environment=(("SLURM_TIME_FORMAT", "How times are written: standard, relative, or a format of strftime."),),
)
