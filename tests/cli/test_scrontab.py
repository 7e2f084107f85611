"""scrontab: what a crontab says, and what is said of a wrong one."""

from __future__ import annotations

from typing import Any

import pytest

from slurmpy.cli import scrontab
from slurmpy.cli.errors import guarded
from slurmpy.core.errors import SlurmError


class Cluster:
    def __init__(self, text: str | None = None) -> None:
        self.text = text
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def call(self, method: str, args: dict[str, Any]) -> dict[str, Any]:
        self.calls.append((method, args))
        if args["user_id"] == 1:
            raise SlurmError("ESLURM_USER_ID_MISSING")
        return {"crontab": self.text}


def play(*argv: str, cluster: Cluster | None = None) -> int:
    return guarded("scrontab", lambda a, e: scrontab.run(a, e, cluster or Cluster()), argv, {})  # type: ignore[arg-type]


def test_install(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    text = "A=/opt/x\n#SCRON -J cronjob -t 5\n@daily true\n\n# a comment\n5 4 * * 1 $A/run $HOME '$B'\n"
    path = tmp_path / "cron.txt"
    path.write_text(text)
    cluster = Cluster()
    assert play(str(path), cluster=cluster) == 0
    assert capsys.readouterr() == ("", "")
    ((method, args),) = cluster.calls
    assert method == "update_crontab"
    assert args["crontab"] == text
    first, second = args["descriptions"]
    assert (first["name"], first["time_limit"], first["crontab"]) == ("cronjob", 5, "0 0 * * *")
    assert first["script"] == "#!/bin/sh\ntrue\n"
    assert (second["name"], second["crontab"]) == ("run", "5 4 * * 1")
    assert second["script"] == "#!/bin/sh\n/opt/x/run $HOME '$B'\n"
    assert "time_limit" not in second


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("#SCRON --bad\n99 * * * * true\n", "Invalid option found in #SCRON line: --bad"),
        ("nonsense\n", "something is broken"),
        ("@daily\n", "something is broken"),
        ("99 * * * * true\n", "not a value of a crontab: 99"),
    ],
)
def test_errors(text: str, message: str, tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "cron.txt"
    path.write_text(text)
    cluster = Cluster()
    assert play(str(path), cluster=cluster) == 1
    assert capsys.readouterr() == ("There are errors in your crontab.\n", f"scrontab: error: {message}\n")
    assert not cluster.calls


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert play("-l", cluster=Cluster("@daily true\n")) == 0
    assert capsys.readouterr().out == "@daily true\n"
    assert play("-u", "root", "-l") == 1
    assert capsys.readouterr().out == "no crontab for root\n"
    assert play("-u", "daemon", "-l") == 1
    assert capsys.readouterr().err == "scrontab: fatal: slurm_request_crontab failed: Invalid user id\n"


@pytest.mark.parametrize("argv", [("--nosuchflag",), ("--help",), ("--usage",), ("a", "b")])
def test_usage(argv: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert play(*argv) == 1
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("usage:\tscrontab [-u user] file\n")
