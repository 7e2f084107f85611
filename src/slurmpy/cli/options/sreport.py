"""sreport's options and reports."""

from __future__ import annotations

from ..command import Command, Option

_FOR_PEOPLE = "For people"

OPTIONS = (
    Option("--all_clusters", "-a", help="All clusters of the database instead of this one."),
    Option("--cluster", "-M", "required", "CLUSTERS", "These clusters (comma-separated).",
           env="SREPORT_CLUSTER"),
    Option("--federation", help="The clusters of the federation, if the cluster is in one.", env="SREPORT_FEDERATION"),
    Option("--immediate", hidden=True, help="Nothing: reports change nothing.", reject="reports change nothing"),
    Option("--local", help="This cluster only, even if it is in a federation.", env="SREPORT_LOCAL"),
    Option("--noheader", "-n", help="No headers."),
    Option("--parsable", "-p", help="Fields between bars, one at the end of the line too."),
    Option("--parsable2", "-P", help="Fields between bars, none at the end of the line."),
    Option("--quiet", "-Q", help="Nothing but reports and errors; there is nothing else without -v either."),
    Option("--sort", "-s", hidden=True, help="Nothing: reports have an order of their own.",
           reject="reports have an order of their own"),
    Option("--time", "-t", "required", "FORMAT",
           "Unit of usage: Seconds, Minutes, Hours, Percent, SecPer, MinPer, HourPer (minutes).",
           complete=("Seconds", "Minutes", "Hours", "Percent", "SecPer", "MinPer", "HourPer")),
    Option("--tres", "-T", "required", "TRES", "These TRES instead of CPUs, or ALL.", env="SREPORT_TRES"),
    Option("--verbose", "-v", count=True, help="Tell on standard error what slurmdbd is asked, and how long it took."),
    Option("--html", None, "required", "FILE", "Write the report as a page with charts and the table, which needs "
           "nothing from the network.", group=_FOR_PEOPLE, complete="file"),
    Option("--plot", help="Draw the report in the terminal instead of printing the table.", group=_FOR_PEOPLE),
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
        ("sreport --plot cluster utilization start=now-30days end=now", "a month, day by day, in the terminal"),
        ("sreport --html week.html cluster accountutilizationbyuser start=now-7days", "a page to send round"),
    ),
    environment=(
        ("SLURM_CONF", "the slurm.conf to use"),
        ("NO_COLOR", "--plot draws without colours if it is set"),
    ),
)
