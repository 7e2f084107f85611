"""Bad command lines that need no daemon: text, stream and exit code as the reference's captures have them."""

import io
import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from slurmpy.cli import request, salloc, sbatch, scancel, srun
from slurmpy.cli.errors import guarded

CAPTURES = Path(__file__).parents[3] / "shared/reference/golden/slurm-24.11/errors.jsonl"
pytestmark = pytest.mark.skipif(not CAPTURES.exists(), reason=f"no reference beside the repository: {CAPTURES}")

PROGRAMS = {"sbatch": sbatch.run, "srun": srun.run, "salloc": salloc.run, "scancel": scancel.run}
#: captures of which slurmpy says something else on purpose
OTHERWISE = {
    "srun-mpi-list": "only the types that slurmpy has are listed",
    "srun-bad-bcast": "--bcast is refused by name",
    "sbatch-dir": "the directory of the capture is not here",
    "scancel-verbose-user": "the user of the capture is not here",
    "root-sbatch-uid": "the user of the capture is not here",
}


class NeedsClusterError(Exception):
    """The command line is in order as far as the command itself can tell."""


def captures():
    if not CAPTURES.exists():
        return
    for row in CAPTURES.open():
        record = json.loads(row)
        *directives, command = record["cmd"].split("\n")
        if record["name"] not in OTHERWISE and any(name in command.split() for name in PROGRAMS):
            yield record, directives, command


def play(directives, command, monkeypatch, capsys, tmp_path):
    """(exit code, stdout, stderr) of one captured command line, run in this process as its user's number."""
    feed, _, last = command.rpartition(" | ")
    data = subprocess.run(["sh", "-c", feed], capture_output=True, check=True).stdout if feed else b""
    program, *argv = shlex.split(last)
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    env.update(word[5:].split("=", 1) for word in directives if word.startswith("#env "))
    uid = 0 if not any(word.startswith("#user ") for word in directives) else 5001
    monkeypatch.setattr(os, "getuid", lambda: uid)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    monkeypatch.chdir(tmp_path)

    def unreachable(name):
        raise NeedsClusterError

    monkeypatch.setattr(request, "open_cluster", unreachable)
    env["SLURMPY_TRACEBACK"] = "1"
    code = guarded(program, PROGRAMS[program], argv, env)
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def decided(monkeypatch, capsys, tmp_path):
    for record, directives, command in captures():
        try:
            yield record, play(directives, command, monkeypatch, capsys, tmp_path)
        except NeedsClusterError:
            capsys.readouterr()


def test_errors_are_slurms(monkeypatch, capsys, tmp_path):
    wrong, seen = [], []
    for record, found in decided(monkeypatch, capsys, tmp_path):
        seen.append(record["name"])
        if found != (int(record["rc"]), record["out"], record["err"]):
            wrong.append((record["name"], found, (record["rc"], record["out"], record["err"])))
    assert wrong == []
    assert len(seen) >= 65  # so many are decided before a daemon is asked
