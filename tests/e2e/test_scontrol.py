"""scontrol against living daemons."""

import json
import re
import time

import pytest


def field(text: str, name: str) -> str:
    found = re.search(rf"\b{name}=(\S*)", text)
    assert found is not None, f"no {name} in {text}"
    return found[1]


@pytest.fixture
def job(pocket):
    number = pocket.ok("sbatch", "--parsable", "-H", "--gres=gpu:1", "-t", "10", "--wrap", "sleep 60").strip()
    yield number
    pocket.run("scancel", number)


def until(pocket, job: str, state: str) -> str:
    for _ in range(100):
        text = pocket.ok("scontrol", "-d", "show", "job", job)
        if field(text, "JobState") == state:
            return text
        time.sleep(0.1)
    raise AssertionError(text)


def test_a_job_from_hold_to_requeue(pocket, job):
    pocket.ok("scontrol", "update", f"jobid={job}", "timelimit+=5", "comment=two words", "name=renamed")
    text = pocket.ok("scontrol", "show", "job", job)
    assert field(text, "TimeLimit") == "00:15:00"
    assert "JobName=renamed\n" in text
    assert "Comment=two words \n" in text
    assert field(text, "Reason").startswith("JobHeld")
    pocket.ok("scontrol", "release", job)
    text = until(pocket, job, "RUNNING")
    assert "JOB_GRES=gpu:1\n" in text
    assert re.search(r"Nodes=n\d CPU_IDs=\d+ Mem=\d+ GRES=gpu:1\b", text)
    assert pocket.run("scontrol", "wait_job", job).returncode == 0
    assert "sleep 60" in pocket.ok("scontrol", "write", "batch_script", job, "-")
    assert f"{job:<8} batch" in pocket.ok("scontrol", "liststeps", field(text, "BatchHost"))
    assert f"{job:<8} batch    0       0" in pocket.ok("scontrol", "listpids", job, field(text, "BatchHost"))
    pocket.ok("scontrol", "suspend", job)
    assert field(until(pocket, job, "SUSPENDED"), "SuspendTime") != "None"
    pocket.ok("scontrol", "resume", job)
    until(pocket, job, "RUNNING")
    pocket.ok("scontrol", "requeuehold", job)
    for _ in range(100):
        text = pocket.ok("scontrol", "show", "job", job)
        if field(text, "Restarts") == "1" and field(text, "JobState") == "PENDING":
            break
        time.sleep(0.1)
    assert field(text, "Reason") in ("job_requeued_in_held_state", "JobHeldAdmin", "JobHeldUser")


def test_a_job_without_time_limit_has_no_end(pocket):
    """Measured with a 24.11: NONE and Unknown, and numbers far away for programs."""

    def ends(number: str) -> tuple[int, int]:
        (shown,) = json.loads(pocket.ok("squeue", "--json", "-j", number))["jobs"]
        return shown["start_time"]["number"], shown["end_time"]["number"]

    jobs = []
    try:
        jobs.append(pocket.ok("sbatch", "--parsable", "-t", "unlimited", "--wrap", "sleep 60").strip())
        jobs.append(pocket.ok("sbatch", "--parsable", "-t", "unlimited", "-b", "2030-03-01", "--wrap", "true").strip())
        until(pocket, jobs[0], "RUNNING")
        for number, seconds in zip(jobs, (365 * 86400, 0xFFFFFFFF * 60 & 0xFFFFFFFF), strict=True):
            assert pocket.ok("squeue", "-h", "-j", number, "-o", "%e") == "NONE\n"
            start, end = ends(number)
            assert end == start + seconds
            assert field(pocket.ok("scontrol", "show", "job", number), "EndTime") == "Unknown"
            pocket.ok("scontrol", "update", f"jobid={number}", "timelimit=10")
            assert ends(number)[1] == start + 600
            pocket.ok("scontrol", "update", f"jobid={number}", "timelimit=unlimited")
            assert pocket.ok("squeue", "-h", "-j", number, "-o", "%e") == "NONE\n"
    finally:
        pocket.run("scancel", *jobs)


def test_nodes(pocket):
    try:
        pocket.ok("scontrol", "update", "nodename=n2", "state=drain", "reason=bad disk", "comment=c")
        text = pocket.ok("scontrol", "show", "node", "n2")
        assert "+DRAIN" in field(text, "State")
        assert re.search(r"Reason=bad disk \[\w+@20", text)
        refused = pocket.run("scontrol", "update", "nodename=n2", "state=nosuch")
        assert (refused.returncode, refused.stdout) == (1, "")
    finally:
        pocket.ok("scontrol", "update", "nodename=n2", "state=resume")
    assert "DRAIN" not in pocket.ok("scontrol", "-o", "show", "node", "n2")


def test_partitions_and_reservations(pocket):
    pocket.ok("scontrol", "create", "partitionname=made", "nodes=n1", "maxtime=60")
    try:
        pocket.ok("scontrol", "update", "partitionname=made", "state=drain", "maxnodes=1")
        text = pocket.ok("scontrol", "-o", "show", "part", "made")
        assert (field(text, "MaxTime"), field(text, "State"), field(text, "MaxNodes")) == ("01:00:00", "DRAIN", "1")
    finally:
        pocket.ok("scontrol", "delete", "partitionname=made")
    assert pocket.run("scontrol", "show", "part", "made").stdout == "Partition made not found\n"
    user = pocket.ok("id", "-un").strip()
    made = pocket.ok(
        "scontrol", "create", "res", "reservationname=r1", "starttime=now+1day", "duration=30", f"users={user}",
        "nodes=n1", "flags=daily",
    )  # fmt: skip
    assert made == "Reservation created: r1\n"
    try:
        assert pocket.ok("scontrol", "update", "res=r1", "duration=1:00:00") == "Reservation updated.\n"
        text = pocket.ok("scontrol", "show", "res", "r1")
        assert (field(text, "Duration"), field(text, "Flags")) == ("01:00:00", "DAILY,SPEC_NODES")
    finally:
        pocket.ok("scontrol", "delete", "res", "r1")
    assert pocket.ok("scontrol", "show", "res") == "No reservations in the system\n"


def test_the_configuration_in_force(pocket):
    text = pocket.ok("scontrol", "show", "config")
    assert re.search(r"^SlurmctldHost\[0\] +=", text, re.M)
    assert re.search(r"^BOOT_TIME +=\s20\d\d-", text, re.M)
    assert re.search(r"^NEXT_JOB_ID +=\s\d+$", text, re.M)
    assert text.endswith(" is UP\n")
    assert pocket.ok("scontrol", "token").startswith("SLURM_JWT=ey")
    assert "Association Records" in pocket.ok("scontrol", "show", "assoc_mgr")
