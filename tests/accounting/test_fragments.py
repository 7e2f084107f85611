"""Texts of jobs that are over: the same as without them, whatever changes in between."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from slurmpy.accounting.fragments import EndedJobs


@given(st.lists(st.tuples(st.integers(0, 9), st.binary(max_size=40)), max_size=60), st.integers(0, 200))
def test_what_is_kept_fits_and_the_last_text_is_kept(puts: list[tuple[int, bytes]], budget: int) -> None:
    kept = EndedJobs(budget)
    keys = {key for key, _ in puts}
    for key, text in puts:
        kept.put(key, text)
        assert kept.used <= budget
        assert kept.get(key) == (text if len(text) <= budget else None)
        assert kept.used == sum(len(kept.get(one) or b"") for one in keys)


def test_what_is_asked_for_stays() -> None:
    kept = EndedJobs(3)
    for key in "abc":
        kept.put(key, b"x")
    assert kept.get("a") == b"x"
    kept.put("d", b"x")
    assert [key for key in "abcd" if kept.get(key)] == ["a", "c", "d"]


def documents(daemon: Any, encoding: str = "json") -> bytes:
    where = {"jobs": ((1, None, None, None), (2, None, None, None)), "duplicates": True}
    body = {"what": "jobs", "where": where, "encoding": encoding, "parser": "v0.0.42"}
    return b"".join(daemon.cluster.slurmdbd.client.stream("dump", body))


def fresh(daemon: Any, encoding: str = "json") -> bytes:
    """As a slurmdbd tells it that has kept nothing."""
    assert daemon.stop() == 0
    daemon.start()
    return documents(daemon, encoding)


def _daemon(tmp_path: Any) -> Iterator[Any]:
    from tests.accounting import dbd

    with dbd.running(tmp_path) as daemon:
        yield daemon


def test_a_job_that_changes_is_told_anew(tmp_path: Any) -> None:
    from tests.accounting import dbd

    for daemon in _daemon(tmp_path):
        daemon.register()
        items = [*dbd.start_and_end(1, name="one"), *dbd.start_and_end(2, name="two")]
        daemon.call("records", cluster="ref", first_seq=1, items=items)
        told = [documents(daemon)]
        assert documents(daemon) == told[0]
        daemon.call("modify_jobs", where={"jobs": ((1, None, None, None),)}, set={"comment": "new"})
        told.append(documents(daemon))
        assert b'"new"' in told[1]
        submitted = items[0]["submit_time"]
        step = {"job_id": 2, "submit_time": submitted, "step_id": 0, "name": "late", "nodes": "n1"}
        ends = {"kind": "step_complete", "start_time": submitted + 1, "end_time": submitted + 2, "job_state": 3}
        daemon.call("records", cluster="ref", first_seq=9, items=[{**step, **ends}])
        told.append(documents(daemon))
        assert b'"late"' in told[2]
        daemon.call("add_qos", names=("other",))
        assert documents(daemon) == told[2]
        assert documents(daemon, "yaml") == fresh(daemon, "yaml")
        assert fresh(daemon) == told[2]
