"""sreport's options and reports."""

from __future__ import annotations

from ..command import Command, Option

OPTIONS = (
    Option("--all_clusters", "-a", help="All clusters of the database instead of this one."),
    Option("--cluster", "-M", "required", "CLUSTERS", "These clusters (comma-separated)."),
    Option("--federation", help="The clusters of the federation, if the cluster is in one."),
    Option("--immediate", hidden=True, help="Nothing: reports change nothing.", reject="reports change nothing"),
    Option("--local", help="This cluster only, even if it is in a federation."),
    Option("--noheader", "-n", help="No headers."),
    Option("--parsable", "-p", help="Fields between bars, one at the end of the line too."),
    Option("--parsable2", "-P", help="Fields between bars, none at the end of the line."),
    Option("--quiet", "-Q", help="Nothing but reports and errors."),
    Option("--sort", "-s", hidden=True, help="Sort users by usage (t) or name.", argument="required", metavar="KEY"),
    Option("--time", "-t", "required", "FORMAT",
           "Unit of usage: Seconds, Minutes, Hours, Percent, SecPer, MinPer, HourPer (minutes)."),
    Option("--tres", "-T", "required", "TRES", "These TRES instead of CPUs, or ALL."),
    Option("--verbose", "-v", count=True, help="Say more."),
)  # fmt: skip

#: kind of report: (report's name, what it tells)
REPORTS: dict[str, tuple[tuple[str, str], ...]] = {
    "cluster": (
        ("AccountUtilizationByUser", "usage of accounts, and of the users in each"),
        ("AccountUtilizationByQOS", "usage of accounts by QOS"),
        ("UserUtilizationByAccount", "usage of users by account"),
        ("UserUtilizationByWckey", "usage of users by WCKey"),
        ("Utilization", "how much of the cluster was allocated, down, planned and idle"),
        ("WCKeyUtilizationByUser", "usage of WCKeys by user"),
    ),
    "job": (
        ("SizesByAccount", "usage by size of job, for each account"),
        ("SizesByAccountAndWcKey", "the same by account and WCKey"),
        ("SizesByWckey", "the same by WCKey"),
    ),
    "reservation": (("Utilization", "how much of each reservation was used"),),
    "user": (("TopUsage", "who used the most"),),
}

COMMAND = Command(
    "sreport",
    OPTIONS,
    usage="[OPTIONS] [TYPE REPORT [SPECS]]",
    about=(
        "Reports usage out of the accounting database, in full hours: of clusters, accounts, users, WCKeys, job sizes "
        "and reservations. Without a report it reads commands from standard input."
    ),
    help_short="-h",
    operands=tuple((f"{kind} {name}", meaning) for kind, reports in REPORTS.items() for name, meaning in reports),
    examples=(
        ("sreport cluster utilization start=2030-01-01 end=now", "how busy the cluster was"),
        ("sreport -t hours user top start=now-7days", "last week's heaviest users"),
    ),
    environment=(("SLURM_CONF", "the slurm.conf to use"),),
)
