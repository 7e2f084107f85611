"""sreport: the reports of the reference's captures, and usage of a job that was just recorded."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from slurmpy.cli import sreport

from .dbd import Slurmdbd, running, start_and_end
from .golden import GOLDEN, captures, needs_golden
from .servers import DATABASES
from .test_sacctmgr_golden import words
from .zones import zone


@pytest.fixture(scope="module", params=DATABASES)
def dbd(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurmdbd]:
    with zone("UTC"), running(tmp_path_factory.mktemp("dbd"), request.param) as daemon:
        daemon.register()
        yield daemon


def _reports() -> list[tuple[str, str]]:
    if not GOLDEN.is_dir():
        return []
    found = [("sreport", name) for name in captures("sreport") if name != "help"]
    return found + [("errors", name) for name in captures("errors") if name.startswith("sreport")]


@needs_golden
@pytest.mark.xdist_group("sreport-golden")
@pytest.mark.parametrize(("group", "name"), _reports())
def test_report(dbd: Slurmdbd, monkeypatch: pytest.MonkeyPatch, group: str, name: str) -> None:
    capture = captures(group)[name]
    # some time within the hour of the captures: what they tell of are the full hours before
    monkeypatch.setattr(sreport.time, "time", lambda: 1795342942)
    argv, stdin = words(capture["cmd"].rpartition("\n")[2])
    code, out, err = dbd.run(sreport, argv, stdin)
    assert (out, err, code) == (capture["out"], capture["err"], int(capture["rc"]))


def test_usage_of_a_user(dbd: Slurmdbd) -> None:
    hour = int(time.time()) // 3600 * 3600
    dbd.call("records", cluster="ref", first_seq=1, items=start_and_end(1, hour - 3000, wckey="*"))
    stretch = (f"start=uts{hour - 3600}", f"end=uts{hour}")
    code, out, err = dbd.run(sreport, ("-n", "-P", "-t", "seconds", "user", "top", *stretch))
    assert (code, err) == (0, "")
    assert out.startswith("ref|root|")
    assert out.endswith("|root|10|0\n")
    out = dbd.run(
        sreport,
        ("-n", "-P", "-t", "seconds", "cluster", "accountutilizationbyuser", *stretch, "format=account,login,used"),
    )[1]
    assert out == "root||10\nroot|root|10\n"
    out = dbd.run(sreport, ("-n", "-P", "-t", "seconds", "job", "sizesbyaccount", *stretch, "grouping=1,2"))[1]
    assert out == "ref|root|0|10|0|10|100.00%\n"
