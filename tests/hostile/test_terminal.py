"""What somebody named his job does nothing to the terminal of who looks at it; a pipe and a file get it exactly."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from tests.terminals import read_to_end

TEXT = "a\x1b[31mred\x1b]0;t\x07\r\x9b2Jb\u202ec\u2066\udcff\x7f \u00e9\U0001f600\tz"
CODE = """
import sys
from slurmpy.cli.errors import Stop, entry, write
def run(argv, env):
    write(sys.stdout, TEXT + chr(10))
    print(TEXT.replace(chr(0xdcff), ""))
    raise Stop(3, err=TEXT + chr(10))
TEXT = {!r}
entry("{}", run)
"""


def on_terminal(program: str) -> tuple[int, str]:
    master, slave = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-X", "utf8", "-c", CODE.format(TEXT, program)], stdout=slave, stderr=slave
    )
    os.close(slave)
    said = read_to_end(master)
    os.close(master)
    return child.wait(30), said.decode()


@pytest.mark.parametrize("program", ["squeue", "sacct", "sacctmgr", "scontrol", "sinfo"])
def test_a_terminal_is_shown_what_it_would_do(program: str) -> None:
    code, said = on_terminal(program)
    assert code == 3
    lines = said.replace("\r\n", "\n").splitlines()
    assert lines == [f"a?[31mred?]0;t???2Jb?c?{mark}? \u00e9\U0001f600\tz" for mark in ("?", "", "?")]


def test_a_pipe_gets_every_byte() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", CODE.format(TEXT, "squeue")], capture_output=True, check=False
    )
    assert done.stdout.split(b"\n")[0] == TEXT.encode("utf-8", "surrogateescape")
