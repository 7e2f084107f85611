"""squeue's texts and orders where the golden captures do not reach."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmpy.core.records.base import INFINITE
from slurmpy.core.states import JobState
from slurmpy.format import squeue_sort, squeue_text
from slurmpy.format.table import Context

NOW = Context(now=1000)


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ((7, 0, None, "", 0, 0, 0), "7"),
        ((50, 46, 3, "", 0, 0, 0), "46_3"),
        ((46, 46, None, "4-9", 2, 0, 0), "46_[4-9%2]"),
        ((46, 46, None, "4-9", 0, 0, 0), "46_[4-9]"),
        ((45, 0, None, "", 0, 44, 1), "44+1"),
        ((5, 5, None, "1,3,7,10,14,21-22,25,28,33,35,40,44", 5, 0, 0), "5_[1,3,7,10,14,21-22,25,28,33,3"),
    ],
)
def test_job_id(record: tuple, text: str) -> None:
    assert squeue_text.job_id(NOW, *record) == text


@pytest.mark.parametrize(
    ("width", "text"),
    [(0, "1,3,7,10,14,21-22,25%5"), (8, "1,3,...%5"), (20, "1,3,7,10,14,21-2...%5"), (100, "1,3,7,10,14,21-22,25%5")],
)
def test_bitstr_len(width: int, text: str) -> None:
    context = Context(array_width=width, more={"array_width": True})
    assert squeue_text.array_tasks(context, "1,3,7,10,14,21-22,25", 5) == text


@pytest.mark.parametrize(
    ("record", "seconds"),
    [
        ((JobState.PENDING, 0, 0, 0, 0), 0),
        ((JobState.PENDING, 2000, 0, 0, 0), 0),
        ((JobState.RUNNING, 900, 0, 0, 0), 100),
        ((JobState.RUNNING, 500, 0, 900, 30), 130),
        ((JobState.SUSPENDED, 500, 0, 900, 30), 30),
        ((JobState.COMPLETED, 500, 600, 0, 0), 100),
        ((JobState.COMPLETED | JobState.COMPLETING, 500, 600, 0, 0), 500),
    ],
)
def test_time_used(record: tuple, seconds: int) -> None:
    assert squeue_text.time_used(NOW, *record) == seconds


def test_time_left() -> None:
    running = (JobState.RUNNING, 900, 0, 0, 0)
    assert squeue_text.time_left(NOW, 5, *running) == "3:20"
    assert squeue_text.time_left(NOW, 1, *running) == "INVALID"
    assert squeue_text.time_left(NOW, INFINITE, *running) == "UNLIMITED"
    assert squeue_text.time_left(NOW, None, *running) == "NOT_SET"


SIZES = [(0, "0"), (16000, "16000M"), (10240, "10G"), (2560, "2.50G"), (1500, "1500M")]


@pytest.mark.parametrize(("mib", "text"), SIZES)
def test_size(mib: int, text: str) -> None:
    assert squeue_text.size(NOW, mib) == text
    assert squeue_text.size(Context(noconvert=True), mib) == (f"{mib}M" if mib else "0")


@given(st.lists(st.tuples(st.integers(1, 10**6), st.integers(0, 5)), max_size=40, unique_by=lambda row: row[0]))
def test_start_times_decide_between_equals(rows: list[tuple[int, int]]) -> None:
    """Without another key: the latest start first, jobs without one last, in the opposite order."""
    order, wrong = squeue_sort.parse("", squeue_sort.JOBS, True)
    assert not wrong
    found = order.sort(("job_id", "start_time"), rows, NOW)
    started = [row for row in rows if row[1]]
    assert found[: len(started)] == sorted(started, key=lambda row: -row[1])
    assert found[len(started) :] == [row for row in reversed(rows) if not row[1]]


@given(st.permutations(["n1", "n2", "n9", "n10", "m3", "n[1-3]"]))
def test_nodes_sort_by_number(names: list[str]) -> None:
    order, _ = squeue_sort.parse("N", squeue_sort.JOBS, False)
    found = [row[0] for row in order.sort(("nodes",), [(name,) for name in names], NOW)]
    assert [name for name in found if "[" not in name] == ["m3", "n1", "n2", "n9", "n10"]


def test_unknown_key() -> None:
    assert squeue_sort.parse("P,a", squeue_sort.JOBS, True)[1] == "a"
    assert squeue_sort.parse("P,-t,+i", squeue_sort.JOBS, True)[1] == ""
