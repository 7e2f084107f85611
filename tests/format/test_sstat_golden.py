"""sstat: the golden headers, and rows out of a step's usage."""

from __future__ import annotations

from typing import Any

import pytest

from slurmpy.cli import sstat
from slurmpy.rpc.dbd_messages import merge_usage, task_usage

from . import golden

pytestmark = pytest.mark.skipif(bool(golden.MISSING), reason=golden.MISSING or "-")


class Node:
    def call(self, method: str, args: dict[str, Any]) -> Any:
        assert method == "step_stat"
        taken = {"cpu": 2500, "mem": 1024 * 1824, "vmem": 1024 * 3020, "pages": 0, "fs/disk": 4149, "energy": 0}
        less = {**taken, "mem": 1024 * 1812}
        usage = merge_usage(
            task_usage("n1", 0, 0, 0, less, {"fs/disk": 1, "energy": 0}),
            task_usage("n1", 1, 0, 0, taken, {"fs/disk": 1, "energy": 0}),
        )
        return {"usage": usage, "pids": (980, 981), "tasks": 2}


class Cluster(golden.GoldenCluster):
    def call(self, method: str, args: dict[str, Any]) -> dict[str, Any]:
        assert method == "step_layout"
        return {"node_addresses": (("n1", {}),)}

    def node(self, name: str, address: dict[str, Any]) -> Node:
        assert name == "n1"
        return Node()


def play(text: str) -> str:
    pieces: list[bytes] = []
    sstat.run(text.split()[1:], {}, Cluster(), pieces.append)  # type: ignore[arg-type]
    return b"".join(pieces).decode()


@pytest.mark.parametrize("name", [] if golden.MISSING else list(golden.captures("sstat")))
def test_header(name: str) -> None:
    record = golden.captures("sstat")[name]
    found, wanted = play(record["cmd"]).split("\n"), record["out"].split("\n")
    assert len(found) == len(wanted)
    if " -n" not in record["cmd"]:
        lines = 1 if "|" in wanted[0] else 2
        assert found[:lines] == wanted[:lines]
    # and every row has the columns of the golden one
    assert [len(line.split("|")) for line in found] == [len(line.split("|")) for line in wanted]
    if "-e" in record["cmd"]:
        assert found == wanted


def test_row() -> None:
    text = play("sstat -P -j 40.0 -o JobID,NTasks,MaxRSS,AveRSS,MaxRSSTask,AveCPU,Pids,Nodelist,TRESUsageInMin")
    assert text.split("\n")[1] == (
        "40.0|2|1824K|1818K|1|00:00:02|980,981|n1|cpu=00:00:02,energy=0,fs/disk=4149,mem=1812K,pages=0,vmem=3020K"
    )
