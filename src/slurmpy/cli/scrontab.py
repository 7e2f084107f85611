"""scrontab: a crontab whose entries are batch jobs."""

from __future__ import annotations

import os
import sys

from ..core.cron import CronTime
from ..core.errors import SlurmError
from .errors import Stop, entry, fail, line, report, write
from .options.scrontab import COMMAND, USAGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn

    from ..core.records.description import JobDescriptor
    from ..rpc.cluster import Cluster

NAME = "scrontab"
DIRECTIVE = "#SCRON"
#: the session of a job that nobody's session has submitted
_NO_SESSION = 0xFFFFFFFE


class BadLine(Exception):
    """A line that is none of a crontab's; the text is what is said of it."""


class Entry:
    """A time, a command with its variables filled in, and the words of the #SCRON lines before it."""

    def __init__(self, when: CronTime, command: str, words: list[str]) -> None:
        self.when = when
        self.command = command
        self.words = words


def main() -> NoReturn:
    entry(NAME, run)


def run(argv: Sequence[str], env: Mapping[str, str], cluster: Cluster | None = None) -> int:
    try:
        parsed = COMMAND.parse(argv, env)
    except Stop:
        raise Stop(1, err=USAGE) from None
    if len(parsed.operands) > 1:
        raise Stop(1, err=USAGE)
    uid, user = _user(parsed.get("user"))
    if cluster is None:
        from . import connect

        cluster = connect.cluster(NAME)
    if "list" in parsed:
        text = _get(cluster, uid)
        if text is None:
            write(sys.stdout, f"no crontab for {user}\n")
            return 1
        write(sys.stdout, text)
        return 0
    if "remove" in parsed:
        _call(cluster, "delete_crontab", {"user_id": uid}, "slurm_remove_crontab")
        return 0
    if "edit" in parsed or (not parsed.operands and sys.stdin.isatty()):
        return _edit(cluster, uid, user, env)
    return _install(cluster, uid, _read(parsed.operands[0] if parsed.operands else "-"))


def _user(name: str | None) -> tuple[int, str]:
    import pwd

    try:
        found = pwd.getpwnam(name) if name else pwd.getpwuid(os.getuid())
    except KeyError:
        fail(NAME, f"Couldn't find user {name or os.getuid()}.", level="fatal")
    return found.pw_uid, found.pw_name


def _read(path: str) -> str:
    if path == "-":
        return sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError as error:
        fail(NAME, f"could not read {path}: {error.strerror}", level="fatal")


def _call(cluster: Cluster, method: str, args: dict[str, object], shown: str) -> dict[str, object]:
    try:
        answer: dict[str, object] = cluster.call(method, args)
    except SlurmError as error:
        fail(NAME, f"{shown} failed: {error.message}", level="fatal")
    return answer


def _get(cluster: Cluster, uid: int) -> str | None:
    text = _call(cluster, "crontab", {"user_id": uid}, "slurm_request_crontab")["crontab"]
    return None if text is None else str(text)


def _install(cluster: Cluster, uid: int, text: str) -> int:
    try:
        jobs = [describe(one, uid) for one in parse(text)]
    except BadLine as error:
        report(NAME, str(error))
        write(sys.stdout, "There are errors in your crontab.\n")
        return 1
    wires = tuple(job.to_wire() for job in jobs)
    try:
        cluster.call("update_crontab", {"user_id": uid, "crontab": text, "descriptions": wires})
    except SlurmError as error:
        report(NAME, error.message)
        write(sys.stdout, "There are errors in your crontab.\n")
        return 1
    return 0


def _edit(cluster: Cluster, uid: int, user: str, env: Mapping[str, str]) -> int:
    import subprocess
    import tempfile

    text = _get(cluster, uid)
    with tempfile.NamedTemporaryFile("w", prefix="scrontab-", errors="surrogateescape", delete=False) as file:
        hint = f"# crontab of {user}; lines '{DIRECTIVE} OPTIONS' hold options of sbatch\n"
        file.write(hint if text is None else text)
    try:
        editor = env.get("VISUAL") or env.get("EDITOR") or "vi"
        if subprocess.call(["/bin/sh", "-c", f'{editor} "$1"', "sh", file.name]):
            fail(NAME, f"{editor} exited with an error, crontab unchanged", level="fatal")
        return _install(cluster, uid, _read(file.name))
    finally:
        os.unlink(file.name)


# ---- the crontab


def parse(text: str) -> list[Entry]:
    """The entries of a crontab. Raises BadLine."""
    from . import batch_script

    entries: list[Entry] = []
    variables: dict[str, str] = {}
    words: list[str] = []
    for number, row in enumerate(text.split("\n"), 1):
        stripped = row.strip()
        if not stripped:
            continue
        if stripped.startswith(DIRECTIVE):
            found = batch_script.split(stripped[len(DIRECTIVE) :], "crontab", number)
            _check(found, stripped[len(DIRECTIVE) :].strip())
            words += found
            continue
        if stripped[0] == "#":
            continue
        name, equals, value = stripped.partition("=")
        if equals and name.strip().isidentifier():
            variables[name.strip()] = value.strip().strip("\"'")
            continue
        count = 1 if stripped[0] == "@" else 5
        parts = stripped.split(None, count)
        if len(parts) <= count:
            raise BadLine("something is broken")
        try:
            when = CronTime(" ".join(parts[:count]))
        except ValueError as error:
            raise BadLine(str(error)) from None
        entries.append(Entry(when, expand(parts[count], variables), words))
        words = []
    return entries


def _check(words: list[str], shown: str) -> None:
    from .options.sbatch import COMMAND as SBATCH

    try:
        _, operands = SBATCH.getopt(words, "script", act=False)
    except Stop:
        operands = words
    if operands:
        raise BadLine(f"Invalid option found in {DIRECTIVE} line: {shown}")


def expand(command: str, variables: Mapping[str, str]) -> str:
    """The command with ``$NAME`` replaced where the crontab defines NAME."""
    out, rest = "", command
    while True:
        before, dollar, rest = rest.partition("$")
        out += before
        if not dollar:
            return out
        end = 0
        while end < len(rest) and (rest[end].isalnum() or rest[end] == "_"):
            end += 1
        name, rest = rest[:end], rest[end:]
        out += variables.get(name, f"${name}")


def describe(one: Entry, uid: int) -> JobDescriptor:
    """The job of an entry. Raises BadLine for options that do not go together."""
    import pwd

    from . import description, job_environment, request, sbatch
    from .options.sbatch import COMMAND as SBATCH

    user = pwd.getpwuid(uid)
    at = request.reading(NAME)
    at.cwd = user.pw_dir
    given, _ = SBATCH.getopt(one.words, "script", act=False)
    warnings: list[tuple[str, str]] = []
    try:
        options = request.options_of(SBATCH, at, (given,))
        script = f"#!/bin/sh\n{one.command}\n"
        name = one.command.split()[0]
        job = sbatch.describe(options, script, name, [], [], warnings)
        description.complete(options, job)
    except Stop as stop:
        raise BadLine(stop.err.rstrip("\n").rpartition("error: ")[2]) from None
    for level, message in warnings:
        write(sys.stderr, line(NAME, message, level))
    job.script = script
    job.argv = (name,)
    job.crontab = one.when.text
    job.begin_time = None
    job.allocation_sid = _NO_SESSION
    job.submit_line = None
    environment = {
        "HOME": user.pw_dir, "LOGNAME": user.pw_name, "USER": user.pw_name, "SHELL": user.pw_shell,
        "PATH": "/usr/local/bin:/usr/bin:/bin", "SLURM_GET_USER_ENV": "1",
    }  # fmt: skip
    job.environment = job_environment.as_entries(environment)
    return job
