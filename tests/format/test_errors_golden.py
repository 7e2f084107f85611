"""Bad invocations of squeue, sinfo and their like: the same message on the same stream, the same exit code."""

from __future__ import annotations

from importlib import import_module

import pytest

from . import golden

pytestmark = pytest.mark.skipif(bool(golden.MISSING), reason=golden.MISSING or "-")

COMMANDS = ("squeue", "sinfo", "sprio", "sdiag", "sstat")
#: what needs the cluster itself
LEFT_OUT = {
    "env-jwt-bad": "the token is judged by the cluster",
    "sdiag-extra": "the figures are slurmctld's",
    "sdiag-reset": "slurmctld refuses it",
    "sstat-other": "the node's daemon refuses it",
    "squeue-noconf": "the configuration is read by the cluster's connection",
}


def names() -> list[str]:
    if golden.MISSING:
        return []
    found = []
    for name, record in golden.captures("errors").items():
        words = golden.command(record)[2].split()
        if words[0] in COMMANDS and name not in LEFT_OUT:
            found.append(name)
    return found


@pytest.mark.parametrize("name", names())
def test_capture(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    record = golden.captures("errors")[name]
    command = golden.command(record)[2].split()[0]
    code, out, err = golden.play(import_module(f"slurmpy.cli.{command}"), record, monkeypatch)
    assert err == record["err"]
    assert code == int(record["rc"])
    if out.startswith("Usage:"):
        assert record["out"].startswith("Usage:")
        return
    # jobs have come and gone since the records were taken: what counts is the header
    assert out.split("\n")[0] == record["out"].split("\n")[0]
