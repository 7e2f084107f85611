"""sreport: sums over jobs by hand, and the reports of the reference's captures."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmpy.accounting.usage import Tally, overlap
from slurmpy.cli import sreport

from .dbd import Slurmdbd, running, start_and_end
from .golden import GOLDEN, captures, needs_golden
from .servers import DATABASES
from .test_sacctmgr_golden import words

WHO = ("ref", "physics", "anna", "", "normal")


@given(*[st.integers(0, 50)] * 4)
def test_overlap_is_the_seconds_in_common(a: int, b: int, c: int, d: int) -> None:
    assert overlap(a, b, c, d) == len(set(range(a, b)) & set(range(c, d)))


def test_sums() -> None:
    tally = Tally(1000, 2000, now=5000)
    tally.job(WHO, 900, 950, 1100, "cpu=2,mem=10", 2)  # 100 seconds of it
    tally.job(WHO, 1500, 1900, 0, "cpu=1", 1, [(1950, 1960)])  # 100 - 10; it waited for 400
    tally.job(WHO, 1500, 0, 0, "", 4)  # waits for 500
    tally.job(("ref", "chem", "bob", "", "normal"), 0, 0, 1500, "", 1)  # was cancelled before it was eligible
    tally.cluster_size("ref", 0, 0, "cpu=10,mem=100")
    tally.node_down("ref", 1900, 0, "cpu=4")
    assert tally.used == {WHO: {"cpu": 290, "mem": 1000}}
    cpu = tally.utilization()[0]
    assert cpu["reported"] == 10_000
    assert (cpu["allocated"], cpu["down"], cpu["planned"]) == (290, 400, 400 + 2000)
    assert cpu["idle"] == 10_000 - 290 - 400 - 2400


@given(
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 3000), st.integers(1, 8)), max_size=12), st.integers(1, 16)
)
def test_the_whole_is_never_less_than_its_parts(jobs: list[tuple[int, int, int]], cpus: int) -> None:
    tally = Tally(1000, 2000, now=2500)
    tally.cluster_size("ref", 500, 0, f"cpu={cpus}")
    for start, seconds, wanted in jobs:
        tally.job(WHO, start, start + 1, start + 1 + seconds, f"cpu={wanted}", wanted)
    for row in tally.utilization():
        parts = [row[name] for name in ("allocated", "down", "planned_down", "idle", "planned")]
        assert min(parts) >= 0
        assert sum(parts) == row["reported"]


@pytest.fixture(scope="module", params=DATABASES)
def dbd(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurmdbd]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    with running(tmp_path_factory.mktemp("dbd"), request.param) as daemon:
        daemon.register()
        yield daemon
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


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
