"""slurmdbd is killed again and again while thousands of jobs run through: the books have each of them exactly once."""

import os
import random
import signal
import time
from collections import Counter

import pytest

from .test_main_job import until

JOBS, ARRAY = 5000, 1000
FIELDS = "JobID,State,ExitCode,Submit,Eligible,Start,End,ElapsedRaw"


def kill(pocket, victim: str) -> None:
    try:
        os.kill(pocket.pid(victim), signal.SIGKILL)
    except (OSError, ValueError):
        return  # it is dead already, from the kill before


@pytest.mark.slow
@pytest.mark.xdist_group("under-fire")  # not beside the other one: a machine has only so much
def test_five_thousand_jobs_while_slurmdbd_dies(own_pocket):
    own_pocket.start("--cpus=32", "--memory=32000M")
    seed = int(os.environ.get("SLURMPY_CHAOS_SEED", time.time_ns() % 100000))
    print("seed", seed)
    chance = random.Random(seed)
    began = int(time.time())
    arrays = []
    for _ in range(JOBS // ARRAY):
        done = own_pocket.run(
            "sbatch", "--parsable", f"--array=0-{ARRAY - 1}", "--mem=10", "-o", "/dev/null",
            "--wrap", "exit $((SLURM_ARRAY_TASK_ID % 3))",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        arrays.append(done.stdout.strip())

    def waiting() -> str:
        victims = chance.choices(("", "slurmdbd", "slurmctld"), (2, 5, 1))
        if victims[0]:
            kill(own_pocket, victims[0])
        done = own_pocket.run("squeue", "-h", "-o", "%i")
        return done.stdout if done.returncode == 0 else "no answer"

    assert until(waiting, lambda text: not text, 600) == "", f"seed {seed}"
    ended = int(time.time()) + 1
    wanted = {f"{array}_{task}": task % 3 for array in arrays for task in range(ARRAY)}

    def booked() -> list[list[str]]:
        done = own_pocket.run("sacct", "-a", "-D", "-n", "-P", "--array", "-S", "now-1hour", "-o", FIELDS)
        return [line.split("|") for line in done.stdout.splitlines()] if done.returncode == 0 else []

    def complete(rows: list[list[str]]) -> bool:
        return len(rows) >= 2 * JOBS and all(row[6] != "Unknown" for row in rows)

    rows = until(booked, complete, 90)
    counts = Counter(row[0] for row in rows)
    assert not {name: count for name, count in counts.items() if count != 1}, f"seed {seed}"
    assert set(counts) == set(wanted) | {f"{name}.batch" for name in wanted}, f"seed {seed}"
    wrong = []
    for name, state, code, *times, elapsed in rows:
        task = name.removesuffix(".batch")
        expected = ("COMPLETED" if not wanted[task] else "FAILED", f"{wanted[task]}:0")
        moments = [time.mktime(time.strptime(one, "%Y-%m-%dT%H:%M:%S")) for one in times if one]
        right = moments == sorted(moments) and began <= moments[0] and moments[-1] <= ended
        if (state, code) != expected or not right or int(elapsed) != moments[-1] - moments[-2]:
            wrong.append((name, state, code, times, elapsed))
    assert not wrong, f"seed {seed}: {wrong[:10]}"
