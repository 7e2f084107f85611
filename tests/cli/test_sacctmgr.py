"""sacctmgr's words, its question before a change, and the lines it remembers."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from slurmpy.cli import sacctmgr, sacctmgr_words
from slurmpy.cli.sacctmgr_dump import parse_line
from slurmpy.cli.sacctmgr_words import BadTime, BadValue, Known

KNOWN = Known(lambda what, fields: [(1, "normal"), (2, "high")] if what == "qos" else [("cpu", ""), ("mem", "")])


class Input(io.StringIO):
    """Standard input that select() takes, with the answers in it."""

    def __init__(self, text: str, descriptor: int) -> None:
        super().__init__(text)
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor


@pytest.mark.parametrize(
    ("answers", "yes", "asked"),
    [("y\n", True, 1), ("Yes\n", True, 1), ("n\n", False, 1), ("\n", False, 1), ("what\ny\n", True, 2), ("", False, 1)],
)
def test_the_question_takes_y_or_n_and_asks_again_for_anything_else(
    monkeypatch: pytest.MonkeyPatch, answers: str, yes: bool, asked: int
) -> None:
    with open(os.devnull) as null:
        monkeypatch.setattr(sys, "stdin", Input(answers, null.fileno()))
        said: list[str] = []
        session = sacctmgr.Session((), None, said.append)
        assert session.ask("Would you?") is yes
    text = "".join(said)
    assert text.startswith("Would you? (You have 30 seconds to decide)\n(N/y): ")
    assert text.count("(N/y): ") == asked


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("sho", "show"),
        ("sh", None),
        ("mo", "modify"),
        ("lo", "load"),
        ("pin", None),
        ("ping", "ping"),
        ("del", "delete"),
    ],
)
def test_commands_are_cut_no_shorter_than_slurm_lets_them(typed: str, meant: str | None) -> None:
    assert sacctmgr._keyword(typed, tuple(sacctmgr.COMMANDS)) == meant


def test_a_name_that_comes_again_stands_where_it_came_last() -> None:
    assert sacctmgr_words.names("chem,Chem,bio,chem") == ("bio", "chem")
    assert sacctmgr_words.joined(("a", "b"), ("a",)) == ("b", "a")


def test_values_that_cannot_be() -> None:
    with pytest.raises(BadValue, match="no TRES id found for cpu"):
        sacctmgr_words.tres("cpu", KNOWN)
    with pytest.raises(BadValue, match="no TRES known by type foo"):
        sacctmgr_words.tres("foo=1", KNOWN)
    with pytest.raises(BadTime):
        sacctmgr_words.minutes("MaxWall")("x", KNOWN)
    assert sacctmgr_words.exempt_time("5", KNOWN) == 300
    assert sacctmgr_words.preempt_mode("requeue,within") == "WITHIN,REQUEUE"


def test_a_line_of_a_dump_with_an_option_that_there_is_not() -> None:
    with pytest.raises(ValueError, match=r"^foo=3$"):
        parse_line("Cluster - 'n2':foo=3")
    found = parse_line("Account - 'a':Description='x: y':GrpTRES=cpu=4,gres/gpu:a100=2")
    assert found is not None
    kind, name, words = found
    assert (kind, name, [word.key for word in words]) == ("Account", "a", ["Description", "GrpTRES"])
    assert words[1].value == "cpu=4,gres/gpu:a100=2"


def test_lines_are_remembered_by_the_next_session_and_read_by_nobody_else(tmp_path: Path) -> None:
    pytest.importorskip("readline")
    program = (
        "from slurmpy.cli import sacctmgr_history as h; import readline, sys; h.use()\n"
        "print([readline.get_history_item(n + 1) for n in range(readline.get_current_history_length())])\n"
        "[h.keep(line) for line in ('show user', 'show user', '  ', 'show account')]"
    )
    env = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}
    runs = [subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True) for _ in range(2)]
    assert [run.stdout for run in runs] == ["[]\n", "['show user', 'show account']\n"]
    file = tmp_path / "slurmpy" / "sacctmgr_history"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
