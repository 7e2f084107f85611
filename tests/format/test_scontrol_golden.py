"""scontrol show over the golden records prints the golden texts.

The JSON of a record leaves a few things out (the session of a job, its scheduler, a partition's flags); those are taken
from the text itself, and so cannot be compared.
"""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from slurmpy.core.records.base import INFINITE
from slurmpy.core.times import parse_duration, parse_time
from slurmpy.format import scontrol_job, scontrol_node, scontrol_partition, scontrol_views

from . import golden

pytestmark = pytest.mark.skipif(bool(golden.MISSING), reason=golden.MISSING or "-")

#: what cannot come from these records, and why
LEFT_OUT = {
    "getent": "not a view of a record",
    "show-job-uid": "taken at another moment",
    "show-licenses": "the time of the update is not in the JSON",
}


@pytest.fixture(autouse=True)
def utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def texts(start: str) -> list[str]:
    if golden.MISSING:
        return []
    return [
        name
        for name, one in golden.captures("scontrol").items()
        if one["out"].startswith(start) and str(one["rc"]) == "0" and name not in LEFT_OUT
    ]


def view(capture: dict[str, Any], now: int = 0) -> scontrol_job.View:
    words = capture["cmd"].split()
    detail = 2 if "-dd" in words else int("-d" in words)
    return scontrol_job.View(now, detail, "-o" in words)


@pytest.mark.parametrize("name", texts("JobId="))
def test_jobs(name: str) -> None:
    capture = golden.captures("scontrol")[name]
    jobs = {
        one["job_id"]: golden.parser().parse("job_info", one)
        for one in golden.document("scontrol", "show-job-json")["jobs"]
    }
    wanted = capture["out"]
    pattern = r"JobId=(\d+) [\s\S]*? LastSchedEval=(\S+)(?: Scheduler=(\w+))?[\s\S]*?AllocNode:Sid=\S+?:(\d+)"
    order = []
    for number, looked, scheduler, session in re.findall(pattern, wanted):
        job = jobs[int(number)]
        job.alloc_sid, job.scheduler = int(session), scheduler
        job.last_sched_evaluation = parse_time(looked, 0) if looked != "Unknown" else 0
        for node in (job.job_resources or {}).get("allocation", ()):
            node["threads"] = 2 if node["name"] in ("n3", "n4") else 1
        order.append(job)
    running = re.search(r"JobState=RUNNING[\s\S]*?RunTime=(\S+)[\s\S]*?[^t]StartTime=(\S+)", wanted)
    now = parse_time(running[2], 0) + parse_duration(running[1]) if running else golden.now()
    found = "".join(scontrol_job.show(job, view(capture, now)) for job in order)
    assert found == wanted


@pytest.mark.parametrize("name", texts("NodeName="))
def test_nodes(name: str) -> None:
    capture = golden.captures("scontrol")[name]
    nodes = {node.name: node for node in golden.nodes()}
    order = re.findall(r"^NodeName=(\S+)", capture["out"], re.M)
    assert "".join(scontrol_node.show(nodes[one], view(capture)) for one in order) == capture["out"]


@pytest.mark.parametrize("name", texts("PartitionName="))
def test_partitions(name: str) -> None:
    capture = golden.captures("scontrol")[name]
    partitions = {one.name: one for one in golden.partitions()}
    found = []
    for block in re.split(r"(?=^PartitionName=)", capture["out"], flags=re.M)[1:]:
        text = dict(re.findall(r"(\w+)=(\S*)", block))
        partition = partitions[text["PartitionName"]].copy(
            lln=text["LLN"] == "YES",
            req_resv=text["ReqResv"] == "YES",
            disable_root_jobs=text["DisableRootJobs"] == "YES",
            exclusive_user=text["ExclusiveUser"] == "YES",
        )
        found.append(scontrol_partition.show(partition, view(capture), "CANCEL"))
    assert "".join(found) == capture["out"]


@pytest.mark.parametrize("name", texts("ReservationName="))
def test_reservations(name: str) -> None:
    capture = golden.captures("scontrol")[name]
    reservations = {one.name: one for one in golden.reservations()}
    found = []
    for block in re.split(r"(?=^ReservationName=)", capture["out"], flags=re.M)[1:]:
        text = dict(re.findall(r"(\w+)=(\S*)", block))
        moved = {"start_time": parse_time(text["StartTime"], 0), "end_time": parse_time(text["EndTime"], 0)}
        resv = reservations[text["ReservationName"]]
        assert resv.end_time - resv.start_time == moved["end_time"] - moved["start_time"]
        found.append(scontrol_views.reservation(resv.copy(**moved), view(capture)))
    assert "".join(found) == capture["out"]


@pytest.mark.parametrize("name", texts("StepId="))
def test_steps(name: str) -> None:
    capture = golden.captures("scontrol")[name]
    steps = {scontrol_views.step_id(step): step for step in golden.steps()}
    found = []
    for block in re.split(r"(?=^StepId=)", capture["out"], flags=re.M)[1:]:
        step = steps[re.match(r"StepId=(\S+)", block)[1]]
        count = int(re.search(r" Nodes=(\d+)", block)[1]) if "-o" in capture["cmd"].split() else 1
        found.append(scontrol_views.step(step.copy(node_count=count), view(capture)))
    assert "".join(found) == capture["out"]


def test_licenses() -> None:
    licenses = [
        golden.parser().parse("license", one) for one in golden.document("scontrol", "json-show-licenses")["licenses"]
    ]
    for name in ("show-licenses", "show-licenses-o", "show-licenses-one"):
        capture = golden.captures("scontrol")[name]
        order = re.findall(r"^LicenseName=(\S+)", capture["out"], re.M)
        by_name = {one.name: one for one in licenses}
        assert "".join(scontrol_views.license(by_name[one], view(capture)) for one in order) == capture["out"]


def test_what_a_cluster_does_not_have_is_not_shown() -> None:
    job = golden.jobs()[0].copy(preemptable_time=1)
    bare = scontrol_job.View(golden.now(), wckeys=False, preemption=False)
    assert "WCKey" not in scontrol_job.show(job, bare)
    assert "Preempt" not in scontrol_job.show(job, bare)


def test_odd_partitions() -> None:
    from slurmpy.core.records.cluster import PartitionInfo

    text = scontrol_partition.show(
        PartitionInfo(name="p", alternate="q", deny_qos="x", over_time_limit=INFINITE, suspend_time=5),
        view({"cmd": ""}),
    )
    assert "AllowAccounts=ALL DenyQos=x" in text
    assert "\n   Alternate=q\n" in text
    assert "OverTimeLimit=UNLIMITED PreemptMode=OFF" in text
    assert "ResumeTimeout=GLOBAL SuspendTimeout=GLOBAL SuspendTime=5 PowerDownOnIdle=NO" in text
    assert "Nodes=(null)" in text
    assert "TRES=(null)" in text


@pytest.mark.parametrize("values", [{}, {"array_job_id": 7, "array_task_id": 3}, {"array_job_id": 7}])
@pytest.mark.parametrize("pattern", ["", "x.out", "/tmp/%j_%x", "a\\%j"])
def test_paths_are_those_of_the_json(values: dict[str, int], pattern: str) -> None:
    from slurmpy.core.records.job import JobInfo
    from slurmpy.data_parser import job_paths

    job = JobInfo(
        job_id=8, name="n", batch_flag=True, current_working_directory="/d", standard_output=pattern,
        standard_error=pattern, **values,
    )  # fmt: skip
    text = scontrol_job.show(job, scontrol_job.View(1))
    for name, path in (
        ("StdOut", job_paths.standard_output(job)),
        ("StdErr", job_paths.standard_error(job)),
        ("StdIn", job_paths.standard_input(job)),
    ):
        assert f"\n   {name}={path}\n" in text
