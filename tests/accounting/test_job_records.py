"""Records of slurmctld become rows: repeats do no harm, and a job's end may come before its start."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmpy.accounting import job_records, merging, tres_text
from slurmpy.accounting.database import SCHEMA_VERSION
from slurmpy.accounting.schema import SCHEMA_VERSION as TABLES_VERSION
from slurmpy.core.errors import SlurmError
from slurmpy.core.records.job import JobInfo, StepInfo
from slurmpy.rpc import dbd_messages

from .dbd import start_and_end


def merged(items: list[dict[str, Any]]) -> dict[str, Any] | None:
    row = None
    for item in items:
        row = merging.merge_job(row, item, "ref")
    return row


def of_job(items: Any) -> list[dict[str, Any]]:
    return [item for item in items if item["kind"].startswith("job_")]


@given(st.lists(st.sampled_from([0, 1]), min_size=1, max_size=8))
def test_whatever_the_order_and_the_repeats(order: list[int]) -> None:
    start, end = of_job(start_and_end(7))
    both = [start, end]
    row = merged([both[index] for index in order] + both)
    assert row == merged([start, end])
    assert row is not None
    assert row["job_state"] == 3
    assert row["end_time"] == 1_700_000_011
    assert row["name"] == "job7"
    assert row["alloc_cpus"] == 1


@given(st.permutations([0, 1, 2]), st.integers(0, 2))
def test_steps_too(order: list[int], repeated: int) -> None:
    items = [item for item in start_and_end(7) if item["kind"].startswith("step_")]
    items.append({**items[1]})
    row = None
    for index in [*order, repeated]:
        row = merging.merge_step(row, items[index])
    assert row is not None
    assert (row["job_state"], row["end_time"], row["name"], row["user_cpu_usec"]) == (3, 1_700_000_011, "batch", 2000)


def test_a_change_while_it_waits_is_taken_and_a_late_one_is_not() -> None:
    start, end = of_job(start_and_end(7))
    waiting = {**start, "job_state": 0, "start_time": 0, "priority": 5}
    row = merged([waiting, {**waiting, "priority": 9, "comment": "x"}])
    assert row is not None
    assert (row["priority"], row["comment"], row["job_state"]) == (9, "x", 0)
    row = merged([start, end, {**start, "job_state": 1, "exit_code": 256}])
    assert row is not None
    assert (row["job_state"], row["exit_code"]) == (3, 0)


@pytest.mark.parametrize("item", [None, {}, {"kind": "nonsense"}, {"kind": "job_start", "job_id": 1}])
def test_what_is_no_item_is_refused(item: Any) -> None:
    with pytest.raises(SlurmError):
        job_records.check_item(item)


def test_units_of_tres_are_resolved() -> None:
    assert tres_text.canonical("billing=2,mem=62.50G,cpu=2,node=1") == "cpu=2,mem=64000,node=1,billing=2"
    assert tres_text.canonical("cpu=1,energy=18446744073709551614") == "cpu=1,energy=18446744073709551614"
    assert tres_text.combine(["cpu=1,mem=10", "cpu=2"]) == "cpu=3,mem=10"
    with pytest.raises(ValueError, match="x"):
        tres_text.canonical("cpu=x")


def test_items_come_from_the_controllers_records() -> None:
    job = JobInfo(job_id=5, submit_time=10, start_time=12, job_state=0, user_id=3, name="n", tres_req_str="cpu=1")
    waiting = dbd_messages.job_record(job, "job_start", qosreq="high")
    assert waiting["start_time"] == 0, "of a waiting job the start is only expected"
    assert (waiting["name"], waiting["qosreq"], waiting["tres_requested"]) == ("n", "high", "cpu=1")
    ended = dbd_messages.job_record(job.copy(job_state=3, end_time=20), "job_complete")
    assert (ended["start_time"], ended["end_time"]) == (12, 20)
    step = StepInfo(job_id=5, step_id=0, name="s", start_time=12, state=1, tres_alloc_str="cpu=1")
    item = dbd_messages.step_record(step, 10, "step_start")
    for one in (waiting, ended, item):
        job_records.check_item(one)
    assert (item["submit_time"], item["tres_allocated"]) == (10, "cpu=1")


def test_usage_of_several_nodes_is_summed() -> None:
    first = dbd_messages.task_usage("n1", 0, 100, 10, {"mem": 500, "cpu": 1}, {"fs/disk": 7})
    second = dbd_messages.task_usage("n2", 1, 300, 0, {"mem": 900, "cpu": 3}, {"fs/disk": 2})
    fields = dbd_messages.usage_fields(dbd_messages.merge_usage(dbd_messages.merge_usage(None, first), second))
    assert fields["user_cpu_usec"] == 400
    assert fields["tres_usage_in_tot"] == "cpu=4,mem=1400"
    assert fields["tres_usage_in_ave"] == "cpu=2,mem=700"
    assert fields["tres_usage_in_max"] == "cpu=3,mem=900"
    assert fields["tres_usage_in_max_node"] == "cpu=n2,mem=n2"
    assert fields["tres_usage_in_min_task"] == "cpu=0,mem=0"
    assert fields["tres_usage_out_max"] == "fs/disk=7"
    assert dbd_messages.usage_fields(None) == {}


def test_the_two_places_that_name_the_schema_agree() -> None:
    assert SCHEMA_VERSION == TABLES_VERSION
