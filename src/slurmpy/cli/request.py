"""What sbatch, salloc and srun do alike: component command lines, option passes, the connection, refusals."""

from __future__ import annotations

import os
import sys

from ..core.errors import SlurmError
from .command import Parsed
from .errors import Stop, exit_code, line, write
from .job_options import JobOptions
from .options.values import Reading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from ..rpc.cluster import Cluster
    from .command import Command, Given

#: messages by level: printed if so many -v were given
LEVELS = {"fatal": -9, "error": -9, "warning": -1, "info": 0, "verbose": 1, "debug": 2, "debug2": 3}


class Messages:
    """The command's messages on standard error, as loud as -v and -Q say."""

    def __init__(self, program: str, verbose: int = 0, quiet: int = 0) -> None:
        self.program = program
        self.loudness = verbose - quiet

    def say(self, level: str, message: str) -> None:
        if LEVELS[level] > self.loudness:
            return
        prefix = {"info": "", "verbose": "", "debug": "debug: ", "debug2": "debug2"}.get(level, level)
        text = f"{self.program}: debug:  {message}\n" if level == "debug" else line(self.program, message, prefix)
        try:
            write(sys.stderr, text)
        except OSError:
            pass  # the terminal is gone: what has to be done is done without telling

    def info(self, message: str) -> None:
        self.say("info", message)


def component_lines(command: Command, argv: Sequence[str], *, commands: bool = False) -> list[Parsed]:
    """The command line, cut at each ``:`` that stands where a new component's options begin. Raises Stop.

    Operands (script or command with its arguments) may follow the options of the last component only, except that
    with `commands` (srun) each component may have a command of its own.
    """
    parts: list[Parsed] = []
    rest = list(argv)
    while True:
        given, operands = command.getopt(rest)
        if ":" in operands[: None if commands else 1] and operands[-1] != ":":
            end = operands.index(":")
            parts.append(Parsed(given, operands[:end]))
            rest = operands[end + 1 :]
            continue
        parts.append(Parsed(given, operands))
        return parts


def reading(program: str) -> Reading:
    """Clock, directory and user as of now."""
    import time

    try:
        cwd = os.getcwd()
    except OSError:
        write(sys.stderr, line(program, "getcwd failed: No such file or directory", "error"))
        raise Stop(1) from None
    return Reading(program, time.time(), cwd, os.getuid())


def options_of(
    command: Command, at: Reading, passes: Iterable[Iterable[Given]], before: JobOptions | None = None
) -> JobOptions:
    """Options from several origins, the weakest first; checked. `before` is the component in front, if there is one."""
    options = JobOptions(command, at)
    if before is not None:
        options.inherit(before)
    settled = frozenset(options.values)
    for given in passes:
        # what a variable says has been weighed against the line already where it was inherited
        options.apply(one for one in given if one.origin != "environment" or one.option.name not in settled)
    for level, message in at.notes:
        write(sys.stderr, line(at.program, message, level))
    at.notes.clear()
    options.check()
    return options


def components_of(
    command: Command, at: Reading, lines: Sequence[Parsed], env: Mapping[str, str], script: Sequence[list[Given]] = ()
) -> list[JobOptions]:
    """The options of every component: of the script, the environment and the command line, in this order."""
    from_env = command.from_environment(env)
    found: list[JobOptions] = []
    for number in range(max(len(lines), len(script))):
        own = script[number] if number < len(script) else []
        typed = lines[number].given if number < len(lines) else []
        found.append(options_of(command, at, (own, from_env, typed), found[-1] if found else None))
        found[-1].number = number
    return found


def warn_all(messages: Messages, warnings: Iterable[tuple[str, str]]) -> None:
    for level, message in warnings:
        messages.say(level, message)


def open_cluster(program: str) -> Cluster:
    from . import connect

    return connect.cluster(program)


#: options for which the configuration must be known before anything is said of them
EARLY = ("core-spec", "thread-spec", "gres", "clusters")


def early(program: str, components: Sequence[JobOptions], messages: Messages) -> Cluster | None:
    """The cluster, if an option's very meaning depends on its configuration. Raises Stop for --gres=help."""
    if not any(name in options for options in components for name in EARLY):
        return None
    if any(options.get("gres") == "gres/help" for options in components):
        conf = open_cluster(program).conf
        kinds = str(getattr(conf, "GresTypes", "") or "").split(",")
        lines = "".join(f"{kind}[[:type]:count]\n" for kind in kinds if kind)
        raise Stop(0, out=f"Valid gres options are:\n{lines}")
    if not any(name in options for options in components for name in EARLY[:2]):
        return None
    cluster = open_cluster(program)
    for options in components:
        specialised(options, cluster, messages)
    return cluster


def own_cluster(options: JobOptions, cluster: Cluster) -> None:
    """--clusters must name this cluster, as there is no other to go to. Raises Stop."""
    if "clusters" not in options:
        return
    own = str(cluster.conf.ClusterName)
    wanted = str(options.get("clusters"))
    unknown = [name for name in wanted.split(",") if name not in (own, "all")]
    if unknown:
        text = "".join(line(cluster.name, f"No cluster '{name}' known by database.") for name in unknown)
        text += line(
            cluster.name,
            f"'{wanted}' can't be reached now, or it is an invalid entry for --cluster.  "
            "Use 'sacctmgr list clusters' to see available clusters.",
        )
        raise Stop(1, err=text)


def specialised(options: JobOptions, cluster: Cluster, messages: Messages) -> None:
    """--core-spec and --thread-spec count only where the configuration lets users say them."""
    if getattr(cluster.conf, "AllowSpecResourcesUsage", False):
        return
    for option, shown in (("core-spec", "-S"), ("thread-spec", "--thread-spec")):
        if option in options:
            text = f"Ignoring {shown} since it's not allowed by configuration (AllowSpecResourcesUsage = No)"
            messages.say("error", text)
            options.unwanted.add(option)


#: errors of which the client says only what went wrong, without what it was doing
BARE = frozenset({"ESLURM_INVALID_GRES"})


def refused(program: str, doing: str, error: SlurmError, env: Mapping[str, str]) -> Stop:
    """The end of the command after slurmctld has refused: its own remarks, then ``doing: message``."""
    text = ""
    for remark in remarks(error):
        text += line(program, remark)
    if error.name in BARE:
        text += line(program, error.standard)
    else:
        text += line(program, f"{doing}: {error.standard if remarks(error) else error.message}")
    return Stop(exit_code(env), err=text)


def remarks(error: SlurmError) -> list[str]:
    """The lines that slurmctld adds to an error for the user (``job_submit_user_msg``)."""
    found = error.data.get("user_message") if error.data else None
    if not found:
        return []
    return [part for part in str(found).split("\n") if part]


def allocation_failure(program: str, error: SlurmError, env: Mapping[str, str]) -> Stop:
    """The end of --test-only when the job could never run."""
    # what no node could satisfy is said at a submission only
    told = [remark for remark in remarks(error) if not remark.endswith("can not be satisfied")]
    text = "".join(line(program, remark) for remark in told)
    if error.name in BARE:
        text += line(program, error.standard)
    else:
        text += f"allocation failure: {error.standard if remarks(error) else error.message}\n"
    return Stop(exit_code(env), err=text)


def will_run_text(answer: Mapping[str, Any]) -> str:
    from .options.values import show_moment

    start = show_moment(answer["start_time"])
    text = f"Job {answer['job_id']} to start at {start} using {answer['processors']} processors on "
    partition = answer.get("partition")
    return text + (f"nodes {answer['nodes']} in partition {partition}" if partition else str(answer["nodes"]))
