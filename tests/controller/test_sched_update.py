"""scontrol update job: who may change what, and that a refused request changes nothing."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from slurmpy.controller import fairshare, job_update, limits, permissions, scheduler
from slurmpy.controller.state import Job, State
from slurmpy.core.errors import SlurmError
from slurmpy.core.records.base import INFINITE

from . import world


class Caller:
    def __init__(self, name: str) -> None:
        self.name = name
        self.uid = world.UIDS[name]


@pytest.fixture
def golden(tmp_path: Path) -> State:
    if not world.GOLDEN.is_dir():
        pytest.skip("no golden captures beside the repository")
    return world.golden_state(tmp_path)


def update(state: State, job: Job, by: str, **changes: Any) -> None:
    ctl = SimpleNamespace(state=state, conf=state.conf)
    permissions.check(ctl, Caller(by), "update_job", job)  # type: ignore[arg-type]
    job_update.apply_update(state, job, changes, Caller(by), state.now)  # type: ignore[arg-type]


#: as the golden scenario's users tried them on a held job of anna's: changes, caller, Slurm's answer
REFUSED = (
    ({"account": "nosuch"}, "anna", "Invalid account or account/partition combination specified"),
    ({"partition": "nosuch"}, "anna", "Invalid partition name specified"),
    ({"qos": "nosuch"}, "anna", "Invalid qos specification"),
    ({"dependency": "bad:1"}, "anna", "Job dependency problem"),
    ({"constraints": "nosuch"}, "anna", "Invalid feature specification"),
    ({"tres_per_node": "nosuch:1"}, "anna", "Invalid generic resource (gres) specification"),
    ({"admin_comment": "x"}, "anna", "Access/permission denied"),
    ({"priority": 100000}, "anna", "Job is in held state, pending scheduler release"),
    ({"comment": "x"}, "bob", "Invalid user id"),
    ({"required_nodes": "nosuch"}, "anna", "Invalid node name specified"),
    ({"licenses": "nosuch"}, "anna", "Invalid license specification"),
    ({"reservation": "nosuch"}, "anna", "Requested reservation is invalid"),
    ({"nice": -5}, "anna", "Access/permission denied"),
    ({"frobnicate": 1}, "anna", "Requested operation not supported on this system"),
    ({"comment": "kept back", "qos": "nosuch"}, "anna", "Invalid qos specification"),
)


@pytest.mark.parametrize(("changes", "by", "message"), REFUSED)
def test_refused(golden: State, changes: dict[str, Any], by: str, message: str) -> None:
    job = world.submit(golden, "-H --wrap true", "anna")
    before = {name: value for name, value in job.__dict__.items() if name not in ("_version", "_sched")}
    with pytest.raises(SlurmError) as caught:
        update(golden, job, by, **changes)
    assert caught.value.message == message
    assert {name: value for name, value in job.__dict__.items() if name not in ("_version", "_sched")} == before


def test_running_jobs(golden: State) -> None:
    job = world.submit(golden, "-t 60 --wrap true", "anna")
    world.run(golden)
    with pytest.raises(SlurmError, match="no longer pending"):
        update(golden, job, "anna", tasks=5)
    with pytest.raises(SlurmError, match="denied"):
        update(golden, job, "anna", time_limit=600)
    update(golden, job, "anna", time_limit=30, comment="shorter")
    assert (job.time_limit, job.comment) == (30, "shorter")
    update(golden, job, "dave", time_limit=600)  # an operator
    assert job.time_limit == 600


def test_sizes_are_worked_out_anew(golden: State) -> None:
    job = world.submit(golden, "-H -n2 --mem=100 --wrap true", "anna")
    update(golden, job, "anna", tasks=4, cpus_per_task=2, minimum_cpus=8, memory_per_node=200)
    assert (job.tasks, job.cpus_per_task, job.cpus, job.tres_req_str) == (4, 2, 8, "cpu=8,mem=200M,node=1,billing=8")
    update(golden, job, "anna", constraints="intel", required_nodes="n3")
    assert (job.features, job.required_nodes) == ("intel", "n3")
    update(golden, job, "anna", hold=False)
    assert world.run(golden) == [job]
    assert job.nodes == "n3"
    assert job.cpus == 8


def test_moving_to_another_partition(golden: State) -> None:
    job = world.submit(golden, "-H --wrap true", "anna")
    update(golden, job, "anna", partition="long,debug")
    assert job.partition == "long,debug"
    assert "USING_DEFAULT_PARTITION" not in job.flags
    assert job.job_id in golden.by_partition["long"]
    with pytest.raises(SlurmError, match="inactive or drain"):
        update(golden, job, "anna", partition="drained")
    update(golden, job, "anna", partition="small")
    assert job.job_id not in golden.by_partition.get("long", {})


def test_a_qos_that_is_removed_under_a_job(golden: State) -> None:
    job = world.submit(golden, "--qos=high --begin=now+1hour --wrap true", "anna")
    number = golden.assocs.qos["high"].id
    wire = golden.assocs.qos["high"].to_wire()
    golden.assocs.apply_update({"removed": {"qos": [number]}})
    golden.requeue_look(job)
    assert world.run(golden) == []
    assert (job.state_reason, job.eligible_time) == ("InvalidQOS", 0)
    golden.assocs.apply_update({"changed": {"qos": [wire]}})
    golden.requeue_look(job)
    world.run(golden)
    assert job.state_reason == "BeginTime"


def test_hold_and_release(golden: State) -> None:
    job = world.submit(golden, "--wrap true", "anna")
    update(golden, job, "dave", priority=0)
    golden.requeue_look(job)
    assert world.run(golden) == []
    assert job.state_reason == "JobHeldAdmin"
    with pytest.raises(SlurmError, match="denied"):
        update(golden, job, "anna", priority=INFINITE)
    update(golden, job, "root", priority=INFINITE)
    assert job.priority == 310
    golden.requeue_look(job)
    assert world.run(golden) == [job]


def test_priority_by_hand(golden: State) -> None:
    job = world.submit(golden, "-w n1 --wrap true", "anna")
    with pytest.raises(SlurmError, match="denied"):
        update(golden, job, "anna", priority=5000)
    update(golden, job, "anna", priority=5)
    assert job.priority == 5
    update(golden, job, "root", priority=5000)
    assert job.priority == 5000
    update(golden, job, "anna", nice=10)
    assert job.priority == 5000  # what was set by hand stays


def test_another_qos_counts_there(golden: State) -> None:
    job = world.submit(golden, "-H --wrap true", "anna")
    normal, limited = golden.assocs.qos["normal"], golden.assocs.qos["limited"]
    assert normal._usage["submit"] == 1
    update(golden, job, "anna", qos="limited")
    assert (normal._usage["submit"], limited._usage["submit"]) == (0, 1)
    limits.on_end(golden, job, golden.now)
    assert limited._usage["submit"] == 0


def test_array_throttle(golden: State) -> None:
    meta = world.submit(golden, "--array=0-5%1 --mem=10 --wrap true", "anna")
    assert len(world.run(golden)) == 1
    update(golden, meta, "anna", array_max_tasks=3)
    golden.requeue_look(meta)
    assert len(world.run(golden)) == 2
    single = world.submit(golden, "--wrap true", "anna")
    with pytest.raises(SlurmError):
        update(golden, single, "anna", array_max_tasks=3)


def test_begin_time(golden: State) -> None:
    job = world.submit(golden, "--begin=2030-01-01 --wrap true", "anna")
    world.run(golden)
    update(golden, job, "anna", begin_time=golden.now)
    golden.requeue_look(job)
    assert world.run(golden) == [job]
    assert scheduler.next_wakeup(golden) != golden.now


def test_fair_shares_are_the_real_ones(golden: State) -> None:
    """sshare -a -l of the scenario, from the raw usage that it shows."""
    usage = {1: 1758, 7: 75, 12: 75, 6: 235, 11: 235, 3: 1446, 8: 929, 4: 516, 10: 516}
    for assoc_id, raw in usage.items():
        golden.assocs.assocs[assoc_id]._usage["raw"] = float(raw)
    fairshare.rank(golden)
    real = {2: 1.0, 12: 0.428571, 9: 0.857143, 11: 0.857143, 13: 0.857143, 8: 0.142857, 10: 0.285714}
    for assoc_id, factor in real.items():
        assert golden.assocs.assocs[assoc_id]._usage["fairshare"] == pytest.approx(factor, abs=1e-6), assoc_id
    shown = {row[0]: row for row in fairshare.rows(golden)}
    assert shown[4][7] == pytest.approx(0.272727, abs=1e-6)
    assert shown[11][7] is None


def test_usage_counts_and_decays(golden: State) -> None:
    now = golden.now
    fairshare.advance(golden, now)
    job = world.submit(golden, "-n4 --qos=low --wrap true", "bob")
    world.run(golden)
    fairshare.advance(golden, now + 100)
    usage = golden.assocs.assocs[10]._usage
    assert usage["raw"] == pytest.approx(200)  # 4 CPUs for 100 s; the QOS counts half
    job_update.apply_update(golden, job, {"comment": "x"}, Caller("bob"), now)  # type: ignore[arg-type]
    world.end(golden, job, now=now + 150)
    assert usage["raw"] == pytest.approx(300)
    assert golden.assocs.assocs[1]._usage["raw"] == pytest.approx(300)
    fairshare.advance(golden, now + 100 + 7 * 86400)
    assert usage["raw"] == pytest.approx(150, rel=0.01)
