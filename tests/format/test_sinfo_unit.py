"""sinfo's states and rows where the golden captures do not reach; the states were seen with Slurm 24.11."""

from __future__ import annotations

import pytest

from slurmpy.core.records.cluster import NodeInfo, PartitionInfo
from slurmpy.core.states import NodeState as S
from slurmpy.format import sinfo_state
from slurmpy.format.sinfo_rows import Grouping, Row


@pytest.mark.parametrize(
    ("state", "short", "long", "complete"),
    [
        (S.IDLE, "idle", "idle", "idle"),
        (S.IDLE | S.DRAIN, "drain", "drained", "idle+drain"),
        (S.MIXED | S.DRAIN, "drng", "draining", "mixed+drain"),
        (S.IDLE | S.FAIL, "fail", "fail", "idle+fail"),
        (S.MIXED | S.FAIL | S.NOT_RESPONDING, "fail*", "fail*", "mixed+fail+not_responding"),
        (S.IDLE | S.NOT_RESPONDING, "idle*", "idle*", "idle+not_responding"),
        (S.DOWN, "down", "down", "down"),
        (S.FUTURE, "futr", "future", "future"),
        (S.IDLE | S.MAINTENANCE | S.RESERVED, "maint", "maint", "idle+maintenance+reserved"),
        (S.MIXED | S.MAINTENANCE | S.RESERVED, "mix$", "mixed$", "mixed+maintenance+reserved"),
        (S.IDLE | S.DRAIN | S.MAINTENANCE | S.RESERVED, "drain$", "drained$", "idle+drain+maintenance+reserved"),
        (S.DOWN | S.MAINTENANCE | S.RESERVED, "down$", "down$", "down+maintenance+reserved"),
        (S.IDLE | S.FAIL | S.MAINTENANCE | S.RESERVED, "maint", "maint", "idle+fail+maintenance+reserved"),
        (S.IDLE | S.RESERVED, "resv", "reserved", "idle+reserved"),
        (S.IDLE | S.COMPLETING, "comp", "completing", "idle+completing"),
        (S.IDLE | S.PLANNED, "plnd", "planned", "idle+planned"),
        (S.MIXED | S.PLANNED, "mix-", "mixed-", "mixed+planned"),
    ],
)
def test_state(state: int, short: str, long: str, complete: str) -> None:
    assert sinfo_state.short(state) == short
    assert sinfo_state.long(state) == long
    assert sinfo_state.complete(state) == complete


def test_every_listed_state_is_known() -> None:
    assert all(sinfo_state.known(name) for name in sinfo_state.HELP)
    assert not sinfo_state.known("nosuch")


@pytest.mark.parametrize(
    ("state", "matching"),
    [
        (S.IDLE | S.DRAIN, {"idle", "drain", "drained"}),
        (S.MIXED | S.DRAIN, {"mixed", "drain", "draining"}),
        (S.DOWN | S.NOT_RESPONDING, {"down", "no_respond"}),
    ],
)
def test_filter(state: int, matching: set[str]) -> None:
    assert {name for name in sinfo_state.HELP if sinfo_state.matches(state, name)} == matching


def cluster() -> tuple[list[PartitionInfo], dict[str, NodeInfo]]:
    nodes = {f"n{number}": NodeInfo(name=f"n{number}", state=S.IDLE, cpus=8 * number) for number in range(1, 5)}
    members = {"a": "n[1-4]", "b": "n[3-4]", "c": ""}
    return [PartitionInfo(name=name, nodes=text) for name, text in members.items()], nodes


def names(rows: list[Row]) -> list[tuple[str, list[str]]]:
    return [(row.partition.name if row.partition else "", [node.name for node in row.nodes]) for row in rows]


def test_rows_by_partition() -> None:
    partitions, nodes = cluster()
    grouping = Grouping([lambda p: p.name], [lambda n: n.state], False, True)
    assert names(grouping.rows(partitions, nodes, lambda n: True)) == [
        ("a", ["n1", "n2", "n3", "n4"]), ("b", ["n3", "n4"]), ("c", []),
    ]  # fmt: skip
    assert names(grouping.rows(partitions, nodes, lambda n: n.name == "n1")) == [("a", ["n1"]), ("b", []), ("c", [])]


def test_a_node_counts_once() -> None:
    partitions, nodes = cluster()
    grouping = Grouping([], [lambda n: n.state], False, False)
    rows = grouping.rows(partitions, nodes, lambda n: True)
    assert names(rows) == [("a", ["n1", "n2", "n3", "n4"])]
    assert rows[0].node_counts() == (0, 4, 0, 4)
    assert rows[0].cpu_counts() == (0, 80, 0, 80)
    assert rows[0].span("cpus") == (8, 32)


def test_rows_by_node() -> None:
    partitions, nodes = cluster()
    grouping = Grouping([], [], True, False)
    found = names(grouping.rows(partitions, nodes, lambda n: n.name != "n2"))
    assert found == [("a", ["n1"]), ("a", ["n3"]), ("a", ["n4"]), ("b", ["n3"]), ("b", ["n4"])]


def test_exact_rows() -> None:
    partitions, nodes = cluster()
    grouping = Grouping([lambda p: p.name], [lambda n: n.cpus > 16], False, False)
    assert names(grouping.rows(partitions[:1], nodes, lambda n: True)) == [("a", ["n1", "n2"]), ("a", ["n3", "n4"])]
