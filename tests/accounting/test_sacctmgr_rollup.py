"""``sacctmgr rollup``, and what ``show stats`` tells of rolling up."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import pytest

from slurmpy.cli import sacctmgr, sreport

from .dbd import Slurmdbd, running, start_and_end

SUCCESS = "sacctmgr: accounting_storage/slurmdbd: acct_storage_p_roll_usage: SUCCESS\n"


@pytest.fixture
def dbd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurmdbd]:
    with running(tmp_path_factory.mktemp("dbd")) as daemon:
        daemon.register()
        yield daemon


def test_it_asks_first(dbd: Slurmdbd) -> None:
    asked = "Would you like to commit rollup? (You have 30 seconds to decide)\n(N/y): \n"
    assert dbd.run(sacctmgr, ("rollup",), "n\n") == (0, f"{asked} Rollup Discarded\n", "")
    assert dbd.run(sacctmgr, ("rollup",), "y\n") == (0, asked, SUCCESS)
    assert dbd.run(sacctmgr, ("-i", "roll")) == (0, "", SUCCESS)


def test_times(dbd: Slurmdbd) -> None:
    code, out, err = dbd.run(sacctmgr, ("-i", "rollup", "bogus"))
    assert (code, out, err) == (1, "", "Invalid time specification (pos=0): bogus\n")
    code, out, err = dbd.run(sacctmgr, ("-i", "rollup", "now", "now", "now"))
    assert (code, out, err) == (1, "", "too many arguments for keyword:rollup\n")
    assert dbd.run(sacctmgr, ("-i", "rollup", "2026-01-02", "2026-01-01")) == (0, "", SUCCESS)
    assert dbd.run(sacctmgr, ("-i", "rollup", "1970-01-01", "2100-01-01")) == (0, "", SUCCESS)


def test_what_is_late_is_rolled_up_and_read_at_once(dbd: Slurmdbd) -> None:
    hour = int(time.time()) // 3600 * 3600
    words = ("-n", "-P", "-t", "seconds", "user", "top", f"start=uts{hour - 7200}", f"end=uts{hour}")
    dbd.call("records", cluster="ref", first_seq=1, items=start_and_end(1, hour - 6000))
    before = dbd.run(sreport, words)
    assert before[1].endswith("|root|10|0\n")
    assert dbd.run(sacctmgr, ("-i", "rollup")) == (0, "", SUCCESS)
    assert dbd.run(sreport, words) == before
    dbd.call("records", cluster="ref", first_seq=9, items=start_and_end(2, hour - 5000))
    after = dbd.run(sreport, words)
    assert after[1].endswith("|root|20|0\n")
    dbd.kill()
    dbd.start()
    assert dbd.run(sreport, words) == after
    assert dbd.run(sacctmgr, ("-i", "rollup", f"uts{hour - 7200}")) == (0, "", SUCCESS)
    assert dbd.run(sreport, words) == after


def test_statistics(dbd: Slurmdbd) -> None:
    hour = int(time.time()) // 3600 * 3600
    dbd.call("records", cluster="ref", first_seq=1, items=start_and_end(1, hour - 90_000))
    assert dbd.run(sacctmgr, ("-i", "rollup"))[2] == SUCCESS
    out = dbd.run(sacctmgr, ("show", "stats"))[1]
    lines = (
        r"\n\tLast cycle:   \d+\n\tMax cycle:    \d+\n\tTotal time:   \d+\n\tTotal cycles: \d+\n\tMean cycle:   \d+\n"
    )
    stamp = r" last ran \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4} \(\d+\)"
    wanted = (
        rf"\n\nInternal DBD rollup{stamp}{lines}\nUser RPC rollup call{stamp}{lines}\n"
        rf"Cluster 'ref' rollup statistics\nHour {stamp}{lines}Day  {stamp}{lines}(Month{stamp}{lines})?\n"
    )
    assert re.search(wanted, out), out
    document = json.loads(dbd.run(sacctmgr, ("--json", "show", "stats"))[1])
    hourly = document["statistics"]["rollups"]["hourly"]
    assert hourly["count"] > 0
    assert hourly["last_run"] == hour
    assert 0 < hourly["duration"]["last"] <= hourly["duration"]["max"] <= hourly["duration"]["time"]


def test_an_idle_reservation_is_its_accounts(dbd: Slurmdbd) -> None:
    """It counts for the account and those above it, and is no user's."""
    hour = int(time.time()) // 3600 * 3600
    assert dbd.run(sacctmgr, ("-i", "add", "account", "a"))[0] == 0
    number = dbd.rows("associations", ("id", "account", "user"), {"accounts": ("a",)})[0][0]
    item = {
        "kind": "reservation", "id": 1, "name": "r", "start_time": hour - 3000, "end_time": hour - 1000,
        "tres": "cpu=4,node=1", "associations": str(number), "flags": (), "nodes": "n1",
    }  # fmt: skip
    dbd.call("records", cluster="ref", first_seq=1, items=(item, *start_and_end(1, hour - 600, wckey="w")))
    stretch = (f"start=uts{hour - 3600}", f"end=uts{hour}")
    wanted = {
        ("cluster", "accountutilizationbyuser", "format=account,login,used"): "root||8010\nroot|root|10\na||8000\n",
        ("cluster", "userutilizationbyaccount", "format=account,login,used"): "root|root|10\n",
        ("cluster", "userutilizationbywckey", "format=wckey,login,used"): "w|root|10\n",
        ("cluster", "wckeyutilizationbyuser", "format=wckey,login,used"): "w||10\nw|root|10\n",
        ("user", "top", "format=account,login,used"): "root|root|10\n",
    }
    for _ in range(2):
        for (kind, report, columns), out in wanted.items():
            words = ("-n", "-P", "-t", "seconds", kind, report, *stretch, columns)
            assert dbd.run(sreport, words) == (0, out, ""), report
        assert dbd.run(sacctmgr, ("-i", "rollup"))[2] == SUCCESS
    unused = dbd.rows("reservations", ("unused_wall",), {"start": hour - 3600, "end": hour})
    assert [row[0] for row in unused] == [2000.0]
