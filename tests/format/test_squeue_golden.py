"""squeue over the golden records prints the golden tables."""

from __future__ import annotations

import pytest

from slurmpy.cli import squeue

from . import golden

pytestmark = pytest.mark.skipif(bool(golden.MISSING), reason=golden.MISSING or "-")

#: what cannot come from these records, and why
LEFT_OUT = {
    "array": "Slurm forgets the last task of an array with a step; so would nobody else",
    "array-l": "as array",
    "env-SQUEUE_ARRAY": "as array",
    "h": "without a header nothing tells which column is a duration",
}


def names() -> list[str]:
    if golden.MISSING:
        return []
    return [
        name
        for name, record in golden.captures("squeue").items()
        if "json" not in name.lower() and "yaml" not in name and "--json" not in record["cmd"]
    ]


@pytest.mark.parametrize("name", names())
def test_capture(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name in LEFT_OUT:
        pytest.skip(LEFT_OUT[name])
    record = golden.captures("squeue")[name]
    code, out, err = golden.play(squeue, record, monkeypatch)
    assert code == int(record["rc"]), err
    assert err == record["err"]
    found, wanted = golden.normal(out), golden.normal(record["out"])
    if sorted(found.split("\n")) != sorted(wanted.split("\n")):
        assert found == wanted
