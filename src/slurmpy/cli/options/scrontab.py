"""scrontab's options."""

from __future__ import annotations

from ..command import Command, Option

OPTIONS = (
    Option("--edit", "-e", help="Edit the crontab with $VISUAL or $EDITOR."),
    Option("--list", "-l", help="Print the crontab."),
    Option("--remove", "-r", help="Remove the crontab: its jobs are cancelled, those that run do not come back."),
    Option("--user", "-u", "required", "USER", "That user's crontab. Listing is for operators, the rest for root.",
           complete="user"),
    Option("--verbose", "-v", help="Say more.", count=True),
)  # fmt: skip

COMMAND = Command(
    "scrontab",
    OPTIONS,
    usage="[OPTIONS] [FILE]",
    about="Installs, shows, edits or removes a crontab whose entries are run as batch jobs.\n\n"
    "An entry is a line of five fields (minute, hour, day of the month, month, day of the week) or a short name "
    "(@daily, @hourly, ...) and a command. A line '#SCRON OPTIONS' before it holds options of sbatch for its job. "
    "NAME=VALUE lines define variables that commands may use. The next job of an entry is not before the last one has "
    "ended.",
    version_short=None,
    operands=(("FILE", "The new crontab; - is standard input."),),
    examples=(("scrontab jobs.txt", "install a crontab"), ("scrontab -l", "print it")),
    environment=(("VISUAL, EDITOR", "The editor of --edit."),),
)

#: what is said of a wrong option
USAGE = (
    "usage:\tscrontab [-u user] file\n"
    "\tscrontab [-u user] [ -e | -l | -r | -v]\n"
    "\t-e\tEdit user's crontab (default action if stdin is a TTY)\n"
    "\t-l\tList user's crontab\n"
    "\t-r\tDelete user's crontab\n"
    "\t-u\tUser to edit crontab for\n"
)
