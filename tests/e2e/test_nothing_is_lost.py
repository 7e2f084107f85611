"""Daemons are killed at random moments under load: every acknowledged job runs once, and its end is known."""

import json
import os
import random
import signal
import time
from pathlib import Path

import pytest

from .test_main_job import until

JOBS, KILLS = 200, 20


@pytest.mark.slow
@pytest.mark.xdist_group("under-fire")
def test_random_kills_under_load(own_pocket):
    own_pocket.start("--cpus=16", "--memory=16000M")
    seed = int(os.environ.get("SLURMPY_CHAOS_SEED", time.time_ns() % 100000))
    print("seed", seed)
    chance = random.Random(seed)
    jobs: dict[str, int] = {}
    kills = 0
    while len(jobs) < JOBS or kills < KILLS:
        if len(jobs) < JOBS:
            code = chance.choice((0, 0, 1, 5))
            script = f"#!/bin/sh\necho $SLURM_JOB_ID >> marks\nsleep 0.{chance.randrange(5)}\nexit {code}\n"
            done = own_pocket.run("sbatch", "--parsable", "--mem=10", "-o", "/dev/null", stdin=script)
            if done.returncode == 0:  # acknowledged: from now on it may not be lost
                jobs[done.stdout.strip()] = code
            else:
                assert "Traceback" not in done.stderr
        if kills < KILLS and (len(jobs) >= JOBS or chance.random() < KILLS / JOBS):
            kill(
                own_pocket,
                chance.choice(("slurmctld", "slurmctld", "slurmd-n1", "slurmd-n1", "slurmdbd", "supervisor")),
            )
            kills += 1
    settle(own_pocket)
    states = until(
        lambda: shown(own_pocket), lambda s: all(j in s and s[j][0] not in ("PENDING", "RUNNING") for j in jobs), 90
    )
    wrong = {job: states.get(job) for job, code in jobs.items() if states.get(job) != expected(code)}
    assert not wrong, f"seed {seed}: {wrong}"
    ran = (own_pocket.home / "marks").read_text().split()
    twice = {job for job in jobs if ran.count(job) != 1}
    assert not twice, f"seed {seed}: not run exactly once: { {job: ran.count(job) for job in twice} }"
    books = until(lambda: booked(own_pocket), lambda b: all(b.get(j) == expected(c) for j, c in jobs.items()), 60)
    wrong = {job: books.get(job) for job, code in jobs.items() if books.get(job) != expected(code)}
    assert not wrong, f"seed {seed}: the books say {wrong}"


def expected(code: int) -> tuple[str, int]:
    return ("COMPLETED" if code == 0 else "FAILED", code)


def kill(pocket, victim: str) -> None:
    """kill -9, whatever it is doing; the supervisor brings daemons back, the next command the supervisor."""
    try:
        if victim == "supervisor":
            pid = int((pocket.directory / "supervisor.lock").read_text())
        else:
            pid = pocket.pid(victim)
        os.kill(pid, signal.SIGKILL)
    except (OSError, ValueError):
        return  # it is dead already, from the kill before


def settle(pocket) -> None:
    until(lambda: pocket.run("sinfo", "-h", "-o", "%T").returncode, lambda code: code == 0, 30)


def shown(pocket) -> dict[str, tuple[str, int]]:
    done = pocket.run("scontrol", "show", "job", "--json")
    if done.returncode:
        return {}
    found = {}
    for job in json.loads(done.stdout)["jobs"]:
        found[str(job["job_id"])] = (job["job_state"][0], job["exit_code"]["return_code"]["number"])
    return found


def booked(pocket) -> dict[str, tuple[str, int]]:
    done = pocket.run("sacct", "-X", "-n", "-P", "-S", "00:00", "-o", "jobid,state,exitcode")
    rows = (line.split("|") for line in done.stdout.splitlines())
    return {row[0]: (row[1], int(row[2].split(":")[0])) for row in rows}


@pytest.mark.slow
def test_all_daemons_killed_at_once_while_a_step_runs(own_pocket):
    own_pocket.start()
    job = own_pocket.submit(
        "-o", "out", "--wrap=touch begun; while [ ! -e go ]; do sleep 0.05; done; echo done; exit 9"
    )
    until(lambda: (own_pocket.home / "begun").exists(), bool)
    # slurmdbd may still be starting: jobs run without
    until(lambda: (own_pocket.directory / "run" / "slurmdbd.pid").exists(), bool)
    supervisor = int((own_pocket.directory / "supervisor.lock").read_text())
    for pid in (supervisor, *(own_pocket.pid(d) for d in ("slurmctld", "slurmd-n1", "slurmdbd"))):
        os.kill(pid, signal.SIGKILL)
    Path(own_pocket.home / "go").touch()
    until(lambda: (own_pocket.home / "out").read_text(), lambda text: text == "done\n")
    assert until(lambda: own_pocket.run("squeue", "-h").returncode, lambda code: code == 0) == 0
    assert until(lambda: own_pocket.state(job), lambda state: state == "FAILED") == "FAILED"
    assert own_pocket.job(job)["exit_code"]["return_code"]["number"] == 9
