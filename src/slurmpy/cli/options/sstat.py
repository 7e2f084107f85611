"""sstat's options."""

from __future__ import annotations

from ..command import Command, Option

OPTIONS = (
    Option("--allsteps", "-a", help="All steps of a job that is given without a step."),
    Option("--format", "-o", "required", "FIELDS",
           "The fields to print, comma-separated, each with %[-]WIDTH if you like (see --helpformat)."),
    Option("--fields", None, "required", "FIELDS", "Same as --format.", alias="format", hidden=True),
    Option("--helpformat", "-e", help="List the fields for --format."),
    Option("--jobs", "-j", "required", "JOBS", "The jobs or steps (12, 12.0, 12.batch; comma-separated).",
           complete="job"),
    Option("--noconvert", help="Leave sizes in their own unit."),
    Option("--noheader", "-n", help="No header."),
    Option("--parsable", "-p", help="Bars between the fields and behind the last."),
    Option("--parsable2", "-P", help="Bars between the fields."),
    Option("--pidformat", "-i", help="The processes of each step."),
    Option("--verbose", "-v", help="Say more.", count=True),
)  # fmt: skip

COMMAND = Command(
    "sstat",
    OPTIONS,
    usage="[OPTIONS] -j JOBS",
    about="Shows what running steps have used so far.",
    help_short="-h",
    examples=(
        ("sstat -j 12.batch -o JobID,MaxRSS,AveCPU", "memory and processor time of a job's script"),
        ("sstat -a -i -j 12", "the processes of all steps of a job"),
    ),
)
