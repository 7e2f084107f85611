"""Calls of the image room and of ``slurmpy bundle`` by an ordinary user, in a process of his own.

Everything is imported before the user changes: what is tested may be where he cannot read.

    python -m tests.image.ordinary UID GID CODE     runs CODE with the names below; its output is the answer
"""

from __future__ import annotations

import hashlib  # noqa: F401 - before the user changes
import importlib
import json
import os
import pkgutil
import shutil
import subprocess
import sys
import tempfile
import zlib  # noqa: F401 - before the user changes
from pathlib import Path

import slurmpy.image
from slurmpy.cli import bundle as bundle_command  # noqa: F401 - a name for CODE
from slurmpy.cli.slurmpy import cli  # noqa: F401 - a name for CODE
from slurmpy.image.cache import Cache
from slurmpy.image.reference import parse

REPO = Path(__file__).parents[2]
for module in pkgutil.iter_modules(slurmpy.image.__path__):
    importlib.import_module(f"slurmpy.image.{module.name}")


def run_in(bundle: str, *argv: str, user: int | None = None) -> str:
    """The output of a command that runc runs in a bundle, whose config.json is copied and edited for that."""
    state = tempfile.mkdtemp(prefix="runc-")
    try:
        spec = json.loads(Path(bundle, "config.json").read_text())
        if argv:
            spec["process"]["args"] = list(argv)
        spec["root"]["path"] = os.path.join(bundle, spec["root"]["path"])
        os.mkdir(f"{state}/bundle")
        Path(f"{state}/bundle/config.json").write_text(json.dumps(spec))
        done = subprocess.run(
            ["runc", "--root", f"{state}/state", "run", "--bundle", f"{state}/bundle", f"t{os.path.basename(state)}"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
            env={**os.environ, "XDG_RUNTIME_DIR": state},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout
    finally:
        shutil.rmtree(state)


def make(directory: str, text: str) -> str:
    """A bundle's path; nobody holds it any more."""
    with Cache(directory).use(parse(text)) as lease:
        return lease.path


def ask(uid: int, gid: int, code: str, check: bool = True) -> str:
    """What `code` prints when it runs as this user."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.image.ordinary", str(uid), str(gid), code],
        capture_output=True, text=True, cwd=REPO, timeout=120, check=False,
    )  # fmt: skip
    assert not check or done.returncode == 0, done.stderr
    return done.stdout + ("" if check else done.stderr)


def main(uid: int, gid: int, code: str) -> None:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    os.chdir("/")
    os.environ["HOME"] = "/nonexistent"
    exec(code, globals())


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
