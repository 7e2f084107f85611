"""Real users of this machine, made for a test and removed after it, and processes of theirs that ask daemons."""

from __future__ import annotations

import itertools
import os
import pickle
import pwd
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

#: in the order of the tables' columns; "unknown" is nobody whom the cluster could know
KINDS = ("root", "slurm", "admin", "operator", "coord", "parent", "elsewhere", "owner", "mate", "other", "none")
COLUMNS = (*KINDS, "unknown")

REPO = Path(__file__).parents[2]


def possible() -> str:
    """Why there can be no such users; empty if they can."""
    if os.geteuid() != 0:
        return "only root can make users"
    if not any(os.access(f"{place}/useradd", os.X_OK) for place in ("/usr/sbin", "/sbin")):
        return "useradd is not installed"
    return ""


def _run(*argv: str) -> None:
    for _ in range(50):
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode == 0 or "lock" not in done.stderr:
            break
        time.sleep(0.2)  # somebody else changes the list of users
    assert done.returncode == 0, done.stderr


#: fixtures of several modules may be open in one process
_OPENED = itertools.count()


class People:
    """`names[kind]` of users that exist while this is open."""

    def __init__(self, kinds: tuple[str, ...] = KINDS) -> None:
        self.kinds = kinds
        self.names = {"root": "root"}
        self.askers: dict[str, Asker] = {}

    def __enter__(self) -> People:
        number = next(_OPENED)
        try:
            for kind in self.kinds[1:]:
                name = f"wm{os.getpid()}n{number}{kind[:5]}"
                _run("useradd", "-M", "-N", "-g", "nogroup", "-s", "/bin/sh", name)
                self.names[kind] = name
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *unused: object) -> None:
        for asker in self.askers.values():
            asker.close()
        for kind, name in self.names.items():
            if kind != "root":
                _run("userdel", name)

    def start(self, *confs: str) -> None:
        """A process of each, which has read these slurm.conf."""
        for kind in self.kinds:
            self.askers[kind] = Asker(self.names[kind], confs)


class Asker:
    def __init__(self, name: str, confs: tuple[str, ...]) -> None:
        entry = pwd.getpwnam(name)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.permissions.asker", str(entry.pw_uid), str(entry.pw_gid), *confs],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPO,
            env={k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "SBATCH"))},
        )  # fmt: skip

    def ask(
        self, conf: str, daemon: str, method: str, args: dict[str, Any], stream: bool = False, jwt: str = ""
    ) -> tuple[str, Any]:
        """("y", the answer) or (the error's name, its message)."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        pickle.dump((conf, jwt, daemon, method, args, stream), self.process.stdin)
        self.process.stdin.flush()
        return pickle.load(self.process.stdout)

    def close(self) -> None:
        self.process.communicate(timeout=30)


def read_table(path: Path, columns: tuple[str, ...] = COLUMNS) -> dict[str, dict[str, str]]:
    """Row name: {kind: expected} of a table of tab-separated values; lines with # are remarks."""
    lines = [line.split("\t") for line in path.read_text().splitlines() if line and not line.startswith("#")]
    head, *rows = lines
    assert tuple(head[1:]) == columns, head
    for row in rows:
        assert len(row) == len(head), row
    return {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}
