"""sinfo over the golden records prints the golden tables."""

from __future__ import annotations

import pytest

from slurmpy.cli import sinfo

from . import golden

pytestmark = pytest.mark.skipif(bool(golden.MISSING), reason=golden.MISSING or "-")

#: what cannot come from these records, and why
LEFT_OUT = {
    "i": "runs for ever",
    "json-list": "there are more versions than 24.11 has",
    "json-n": "a row without nodes has other defaults",
    "v": "Slurm tells of its plugins on standard error",
}


def names() -> list[str]:
    return [] if golden.MISSING else list(golden.captures("sinfo"))


@pytest.mark.parametrize("name", names())
def test_capture(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name in LEFT_OUT:
        pytest.skip(LEFT_OUT[name])
    record = golden.captures("sinfo")[name]
    code, out, err = golden.play(sinfo, record, monkeypatch)
    assert code == int(record["rc"]), err
    assert err == record["err"]
    found, wanted = golden.normal(out), golden.normal(record["out"])
    if sorted(found.split("\n")) != sorted(wanted.split("\n")):
        assert found == wanted
