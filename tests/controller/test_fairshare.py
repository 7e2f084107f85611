"""Usage: how it decays, when it is cleared, what is left of it after a restart."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmpy.controller import duties, fairshare
from slurmpy.controller.assocs import AssocCache

WEEK = 7 * 86400
seconds = st.integers(min_value=0, max_value=10 * WEEK)
moments = st.integers(min_value=1_000_000_000, max_value=2_000_000_000)
periods = st.sampled_from(("DAILY", "WEEKLY", "MONTHLY", "QUARTERLY", "YEARLY"))


@given(seconds, seconds, st.integers(min_value=1, max_value=4 * WEEK))
def test_decay_in_two_steps_is_decay_in_one(first: int, second: int, half_life: int) -> None:
    both = fairshare.decay_factor(first, half_life) * fairshare.decay_factor(second, half_life)
    assert both == pytest.approx(fairshare.decay_factor(first + second, half_life), rel=1e-9, abs=1e-300)


@given(seconds, st.integers(min_value=1, max_value=4 * WEEK))
def test_half_is_left_after_the_half_life(passed: int, half_life: int) -> None:
    assert fairshare.decay_factor(half_life, half_life) == 0.5
    factor = fairshare.decay_factor(passed, half_life)
    assert 0.0 <= factor <= 1.0
    assert fairshare.decay_factor(passed + 1, half_life) <= factor
    assert fairshare.decay_factor(passed, 0) == 1.0
    assert fairshare.decay_factor(-passed, half_life) == 1.0


@given(periods, moments)
def test_usage_is_cleared_at_midnight_of_the_first_day_of_the_next_period(period: str, last: int) -> None:
    due = fairshare.next_reset(period, last)
    assert due is not None
    assert due > last
    local = time.localtime(due)
    assert (local.tm_hour, local.tm_min, local.tm_sec) == (0, 0, 0)
    if period == "WEEKLY":
        assert local.tm_wday == 6  # a Sunday
        assert due - last <= WEEK + 3600
    elif period != "DAILY":
        assert local.tm_mday == 1
        months = {"MONTHLY": range(1, 13), "QUARTERLY": (1, 4, 7, 10), "YEARLY": (1,)}
        assert local.tm_mon in months[period]
    # nothing is due again before that period is over
    following = fairshare.next_reset(period, due)
    assert following is not None
    assert following > due
    assert fairshare.next_reset(period, due - 1) == due


@given(moments)
def test_without_a_period_usage_is_never_cleared(last: int) -> None:
    assert fairshare.next_reset("NONE", last) is None
    assert fairshare.next_reset("NOW", last) is None
    assert fairshare.next_reset("", last) is None


def state_of(half_life: int = 0, reset: str = "NONE", **more: Any) -> Any:
    conf = SimpleNamespace(
        PriorityDecayHalfLife=half_life, PriorityUsageResetPeriod=reset, PriorityType="priority/multifactor", **more
    )
    cache = AssocCache()
    cache.load_snapshot(
        {
            "associations": (
                {"id": 1, "cluster": "unit", "account": "root", "lineage": "/"},
                {"id": 2, "cluster": "unit", "account": "root", "user": "anna", "parent_id": 1, "lineage": "/0-anna/"},
            ),
            "qos": ({"id": 1, "name": "normal"}, {"id": 2, "name": "kept", "flags": ("NoDecay",)}),
        }
    )
    return SimpleNamespace(conf=conf, assocs=cache, running={}, pending={}, now=0)


def job_of(start: int, cpus: int = 2, qos: str = "normal") -> Any:
    return SimpleNamespace(
        job_id=1, start_time=start, is_running=True, qos=qos, billable_tres=None, cpus=cpus, association_id=2,
        _tres_alloc={"cpu": cpus}, _end_limit=0,
    )  # fmt: skip


@given(st.lists(st.integers(min_value=1, max_value=4000), min_size=1, max_size=8))
def test_how_often_it_is_counted_does_not_change_the_sum(steps: list[int]) -> None:
    state = state_of()
    now = 1_700_000_000
    fairshare.advance(state, now)
    state.running = {1: job_of(now)}
    for step in steps:
        now += step
        fairshare.advance(state, now)
    for number in (1, 2):
        usage = state.assocs.assocs[number]._usage
        assert usage["raw"] == pytest.approx(2 * sum(steps))
        assert usage["spent"]["cpu"] == pytest.approx(2 * sum(steps))
        assert usage["wall"] == pytest.approx(sum(steps))


def test_a_qos_with_nodecay_keeps_what_it_has() -> None:
    state = state_of(half_life=1000)
    now = 1_700_000_000
    fairshare.advance(state, now)
    for one in (*state.assocs.qos.values(), *state.assocs.assocs.values()):
        one._usage["raw"] = 800.0
    fairshare.advance(state, now + 2000)
    assert state.assocs.qos["normal"]._usage["raw"] == pytest.approx(200)
    assert state.assocs.qos["kept"]._usage["raw"] == pytest.approx(800)
    assert state.assocs.assocs[2]._usage["raw"] == pytest.approx(200)


def test_a_new_day_begins_with_nothing_but_what_it_has_seen_itself() -> None:
    state = state_of(reset="DAILY")
    midnight = fairshare.next_reset("DAILY", 1_700_000_000)
    assert midnight is not None
    fairshare.advance(state, midnight - 100)
    state.running = {1: job_of(midnight - 500)}
    state.assocs.assocs[2]._usage["raw"] = 5000.0
    fairshare.advance(state, midnight - 1)
    assert state.assocs.assocs[2]._usage["raw"] == pytest.approx(5198)
    fairshare.advance(state, midnight + 10)
    assert state.assocs.assocs[2]._usage["raw"] == pytest.approx(20)
    fairshare.advance(state, midnight + 20)
    assert state.assocs.assocs[2]._usage["raw"] == pytest.approx(40)


class Store:
    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    def meta(self, name: str) -> Any:
        return self.kept.get(name)

    def put_meta(self, name: str, value: Any) -> None:
        from slurmpy.controller.store import pack, unpack

        self.kept[name] = unpack(pack(value))


def started(store: Store, now: int, monkeypatch: pytest.MonkeyPatch, running: Any = None, **conf: Any) -> Any:
    state = state_of(**conf)
    state.now, state.running = now, {1: running} if running is not None else {}
    monkeypatch.setattr(duties.priority, "recompute", fairshare.advance)
    for name in ("arm_priority", "arm_reservations"):
        monkeypatch.setattr(duties, name, lambda ctl: None)
    monkeypatch.setattr(duties.reservation_admin, "mark_nodes", lambda state, now: None)
    ctl: Any = SimpleNamespace(state=state, conf=state.conf, store=store)
    duties.start(ctl)
    return ctl


def test_a_restart_counts_on_from_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    now, store = 1_700_000_000, Store()
    ctl = started(store, now, monkeypatch, half_life=1000)
    ctl.state.assocs.assocs[2]._usage |= {"raw": 400.0, "wall": 40.0, "spent": {"cpu": 400.0}}
    duties.save_usage(ctl)
    # down for one half life, while a job runs on
    again = started(store, now + 1000, monkeypatch, job_of(now - 50), half_life=1000)
    usage = again.state.assocs.assocs[2]._usage
    assert usage["raw"] == pytest.approx(200 + 2000)
    assert usage["wall"] == pytest.approx(20 + 1000)
    assert usage["spent"] == {"cpu": pytest.approx(200 + 2000)}
    # and that is kept too: nothing is counted twice
    third = started(store, now + 1000, monkeypatch, job_of(now - 50), half_life=1000)
    assert third.state.assocs.assocs[2]._usage["raw"] == pytest.approx(2200)


def test_without_saved_usage_only_running_jobs_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real slurmctld without its state file: no usage, but running jobs from their start."""
    ctl = started(Store(), 1_700_000_000, monkeypatch, job_of(1_700_000_000 - 95, cpus=1))
    assert ctl.state.assocs.assocs[2]._usage["raw"] == pytest.approx(95)


def test_usage_that_an_earlier_release_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    store.kept["usage"] = {"assocs": {2: 70.0}, "qos": {}}
    ctl = started(store, 1_700_000_000, monkeypatch)
    assert ctl.state.assocs.assocs[2]._usage["raw"] == pytest.approx(70)


def test_now_clears_at_every_start(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    store.kept["usage"] = {"assocs": {2: {"raw": 70.0}}, "qos": {1: {"raw": 7.0}}, "_usage_at": 1_699_999_000}
    ctl = started(store, 1_700_000_000, monkeypatch, job_of(1_699_999_000), reset="NOW")
    assert ctl.state.assocs.assocs[2]._usage["raw"] == 0
    assert ctl.state.assocs.qos["normal"]._usage["raw"] == 0


def test_reading_slurm_conf_anew_counts_usage(tmp_path: Path) -> None:
    from .harness import Cluster

    async def go() -> None:
        async with Cluster(tmp_path, "PriorityType=priority/multifactor\n") as cluster:
            state = cluster.state
            before = state.__dict__["_usage_at"]
            state.__dict__["_usage_at"] = before - 500
            await cluster.call("reconfigure", {})
            assert state.__dict__["_usage_at"] >= before

    asyncio.run(go())
