"""sacctmgr's options, commands and entities."""

from __future__ import annotations

from ..command import Command, Option

OPTIONS = (
    Option("--associations", "-s", help="With show: list the associations of accounts and users as well."),
    Option("--immediate", "-i", help="Make changes at once, without asking."),
    Option("--json", None, "optional", "DATA_PARSER", "Print JSON, by this version of the data parser (where it is)."),
    Option("--noheader", "-n", help="No header."),
    Option("--oneliner", "-o", help="One record a line (lists are so anyway)."),
    Option("--parsable", "-p", help="Fields between bars, one at the end of the line too."),
    Option("--parsable2", "-P", help="Fields between bars, none at the end of the line."),
    Option("--quiet", "-Q", help="Nothing but errors."),
    Option("--readonly", "-r", help="Refuse to change anything."),
    Option("--verbose", "-v", help="Say more.", count=True),
    Option("--yaml", None, "optional", "DATA_PARSER", "Print YAML, by this version of the data parser (where it is)."),
)

#: command: what it does
COMMANDS: dict[str, str] = {
    "add": "ENTITY SPECS: add something (create is the same)",
    "archive": "dump SPECS: write old records to a file; load: read them back",
    "associations": "in the interactive mode: as -s",
    "clear": "stats: set slurmdbd's counters to nothing",
    "create": "the same as add",
    "delete": "ENTITY SPECS: remove what SPECS select (remove is the same)",
    "dump": "CLUSTER [file=FILE]: write a cluster's associations to a file (CLUSTER.cfg)",
    "exit": "end the interactive mode (quit is the same)",
    "help": "this list",
    "list": "ENTITY [SPECS]: print what is there (show is the same)",
    "load": "FILE [cluster=NAME] [clean]: read such a file back",
    "modify": "ENTITY [where] SPECS set SPECS: change what is there (update is the same)",
    "oneliner": "in the interactive mode: as -o",
    "parsable": "in the interactive mode: as -p",
    "parsable2": "in the interactive mode: as -P",
    "ping": "say whether slurmdbd answers",
    "quiet": "in the interactive mode: as -Q",
    "quit": "the same as exit",
    "readonly": "in the interactive mode: as -r",
    "reconfigure": "let slurmdbd read its slurmdbd.conf again",
    "remove": "the same as delete",
    "show": "the same as list",
    "shutdown": "end slurmdbd",
    "update": "the same as modify",
    "verbose": "in the interactive mode: as -v",
    "version": "print the release of Slurm",
    "!!": "in the interactive mode: the last command again",
}

COMMAND = Command(
    "sacctmgr",
    OPTIONS,
    usage="[OPTIONS] [COMMAND [ENTITY [SPECS]]]",
    about=(
        "Shows and changes what the accounting database knows: accounts, users, associations, QOS, clusters and more. "
        "Without a command it reads commands from standard input."
    ),
    help_short="-h",
    operands=tuple(COMMANDS.items()),
    examples=(
        ("sacctmgr add account physics description='physics dept' organization=science", "an account"),
        ("sacctmgr add user anna account=physics", "a user in it"),
        ("sacctmgr modify user where name=anna set maxjobs=10 qos+=high", "what she may do"),
        ("sacctmgr show assoc tree format=account,user,share", "the tree of associations"),
    ),
    environment=(("SLURM_CONF", "the slurm.conf to use"), ("SLURM_TIME_FORMAT", "how times are printed")),
)
