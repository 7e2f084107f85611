"""squeue over the golden records prints the golden tables."""

from __future__ import annotations

import io
import shlex
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import pytest

from slurmpy.cli import squeue
from slurmpy.cli.errors import guarded

from . import golden

pytestmark = pytest.mark.skipif(bool(golden.MISSING), reason=golden.MISSING or "-")

#: what cannot come from these records, and why
LEFT_OUT = {
    "array": "Slurm forgets the last task of an array with a step; so would nobody else",
    "O-STDIN": "a job of scrontab has no standard input, which the JSON does not tell",
    "array-l": "as array",
    "env-SQUEUE_ARRAY": "as array",
    "h": "without a header nothing tells which column is a duration",
    "v": "the number of records depends on where the filter runs",
}


def names() -> list[str]:
    if golden.MISSING:
        return []
    return [
        name
        for name, record in golden.captures("squeue").items()
        if "json" not in name.lower() and "yaml" not in name and "--json" not in record["cmd"]
    ]


def play(record: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> tuple[int, str, str]:
    """Exit code, output and errors of a capture's command over the golden records."""
    import os
    import pwd

    user, env, text = golden.command(record)
    monkeypatch.setattr(os, "getuid", lambda: golden.USERS[user])
    real = pwd.getpwnam

    def getpwnam(name: str) -> Any:
        if name in golden.USERS:
            return pwd.struct_passwd((name, "x", golden.USERS[name], 5000, "", "/", "/bin/sh"))
        return real(name)

    monkeypatch.setattr(pwd, "getpwnam", getpwnam)
    argv = shlex.split(text)
    pieces: list[bytes] = []
    out, err = io.StringIO(), io.StringIO()
    cluster = golden.GoldenCluster(root=user == "root")
    with redirect_stdout(out), redirect_stderr(err):
        code = guarded("squeue", lambda a, e: squeue.run(a, e, cluster, pieces.append), argv[1:], env)  # type: ignore[arg-type]
    return code, b"".join(pieces).decode() + out.getvalue(), err.getvalue()


@pytest.mark.parametrize("name", names())
def test_capture(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name in LEFT_OUT:
        pytest.skip(LEFT_OUT[name])
    record = golden.captures("squeue")[name]
    code, out, err = play(record, monkeypatch)
    assert code == int(record["rc"]), err
    assert err == record["err"]
    found, wanted = golden.normal(out), golden.normal(record["out"])
    if sorted(found.split("\n")) != sorted(wanted.split("\n")):
        assert found == wanted
