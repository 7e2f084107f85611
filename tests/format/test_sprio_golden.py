"""sprio over the golden records prints the golden tables."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from slurmpy.cli import sprio
from slurmpy.cli.errors import Stop
from slurmpy.core.errors import SlurmError
from slurmpy.format.sprio import WEIGHTS

from . import golden

pytestmark = pytest.mark.skipif(bool(golden.MISSING), reason=golden.MISSING or "-")

#: what cannot come from these records, and why
LEFT_OUT = {"o-y": "the factors of the captures are rounded"}


def names() -> list[str]:
    return [] if golden.MISSING else list(golden.captures("sprio"))


def test_without_a_controller_it_fails_as_the_capture_does(monkeypatch: pytest.MonkeyPatch) -> None:
    record = golden.captures("down")["sprio"]

    class Gone:
        conf = SimpleNamespace(PriorityType="priority/multifactor", **dict.fromkeys(WEIGHTS.values(), 0))

        def query(self, *_: object) -> None:
            raise SlurmError("SLURMCTLD_COMMUNICATIONS_CONNECTION_ERROR")

    with pytest.raises(Stop) as stopped:
        sprio.run([], {}, Gone())  # type: ignore[arg-type]
    assert (stopped.value.code, stopped.value.err) == (int(record["rc"]), record["err"])


@pytest.mark.parametrize("name", names())
def test_capture(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name in LEFT_OUT:
        pytest.skip(LEFT_OUT[name])
    record = golden.captures("sprio")[name]
    code, out, err = golden.play(sprio, record, monkeypatch)
    assert code == int(record["rc"]), err
    assert err == record["err"]
    found, wanted = golden.normal(out), golden.normal(record["out"])
    if sorted(found.split("\n")) != sorted(wanted.split("\n")):
        assert found == wanted
