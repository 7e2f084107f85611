"""sshare's options."""

from __future__ import annotations

from ..command import Command, Option

OPTIONS = (
    Option("--accounts", "-A", "required", "ACCOUNTS", "Only these accounts (comma-separated).", complete="account"),
    Option("--all", "-a", help="The associations of all users."),
    Option("--cluster", "-M", "required", "CLUSTERS", "Only this cluster, if it is named among CLUSTERS.",
           env="SLURM_CLUSTERS"),
    Option("--clusters", None, "required", "CLUSTERS", "Same as --cluster.", alias="cluster", hidden=True),
    Option("--format", "-o", "required", "FIELDS",
           "The fields to print, comma-separated, each with %[-]WIDTH if you like (see --helpformat)."),
    Option("--helpformat", "-e", help="List the fields for --format."),
    Option("--json", None, "optional", "DATA_PARSER", "Print JSON, by this version of the data parser."),
    Option("--long", "-l", help="Also normalised usage and the rank among siblings."),
    Option("--noheader", "-n", help="No header."),
    Option("--parsable", "-p", help="Bars between the fields and behind the last."),
    Option("--parsable2", "-P", help="Bars between the fields."),
    Option("--partition", "-m", help="The partition of an association, if it has one."),
    Option("--Users", "-U", help="Only associations of users, not the accounts' own."),
    Option("--users", "-u", "required", "USERS", "The associations of these users (comma-separated).",
           complete="user"),
    Option("--verbose", "-v", help="Say what was asked for.", count=True),
    Option("--yaml", None, "optional", "DATA_PARSER", "Print YAML, by this version of the data parser."),
)  # fmt: skip

COMMAND = Command(
    "sshare",
    OPTIONS,
    usage="[OPTIONS]",
    about="Shows the shares of accounts and users, what they have used, and their fair-share factors.",
    examples=(("sshare -a -l", "all associations with their usage"), ("sshare -U", "your own associations")),
)
