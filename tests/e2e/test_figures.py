"""Steps of a known consumption: what sstat says while they run and sacct afterwards, within bounds."""

import re

import pytest

from .test_main_job import until

HELD, WRITTEN, READ = 200 << 20, 30 << 20, 20 << 20
PROGRAM = f"""
import os, time
from pathlib import Path
task = int(os.environ["SLURM_PROCID"])
if task == 1:
    held = b"x" * {HELD}
    with open("data", "wb") as file:
        for _ in range({WRITTEN >> 20}):
            file.write(held[: 1 << 20])
    with open("data", "rb", buffering=0) as file:
        for _ in range({READ >> 20}):
            file.read(1 << 20)
    while os.times().user < 0.5:
        sum(range(100000))
Path(f"ready-{{task}}").touch()
while not os.path.exists("go"):
    time.sleep(0.05)
"""
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def count(text: str) -> float:
    """``204.50M`` in bytes."""
    found = re.fullmatch(r"([\d.]+)([KMG]?)", text)
    assert found, text
    return float(found[1]) * UNITS[found[2]]


def seconds(text: str) -> float:
    total = 0.0
    for part in re.split("[:-]", text):
        total = total * 60 + float(part)
    return total


def tres(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.split(","))


def check(figures: dict[str, str]) -> None:
    """What both commands know."""
    assert HELD <= count(figures["MaxRSS"]) <= 1.25 * HELD
    assert (figures["MaxRSSNode"], figures["MaxRSSTask"]) == ("n2", "1")
    assert HELD / 2 <= count(figures["AveRSS"]) <= 0.7 * HELD
    assert READ <= count(figures["MaxDiskRead"]) <= READ + (8 << 20)
    assert (figures["MaxDiskReadNode"], figures["MaxDiskReadTask"]) == ("n2", "1")
    assert 0.99 * WRITTEN <= count(figures["MaxDiskWrite"]) <= WRITTEN + (1 << 20)
    assert (figures["MaxDiskWriteNode"], figures["MaxDiskWriteTask"]) == ("n2", "1")
    assert WRITTEN / 2 * 0.99 <= count(figures["AveDiskWrite"]) <= WRITTEN / 2 + (1 << 20)
    taken, given = tres(figures["TRESUsageInTot"]), tres(figures["TRESUsageOutTot"])
    assert 0 <= seconds(taken["cpu"]) <= 5
    assert HELD <= count(taken["mem"]) <= 1.4 * HELD
    assert READ <= count(taken["fs/disk"]) <= READ + (16 << 20)
    assert 0.99 * WRITTEN <= count(given["fs/disk"]) <= WRITTEN + (2 << 20)
    assert HELD <= count(tres(figures["TRESUsageInMax"])["mem"]) <= 1.25 * HELD
    assert tres(figures["TRESUsageInMaxNode"])["mem"] == "n2"
    assert tres(figures["TRESUsageInMaxTask"])["mem"] == "1"
    assert tres(figures["TRESUsageInMinTask"])["mem"] == "0"
    assert tres(figures["TRESUsageOutMaxNode"])["fs/disk"] == "n2"


@pytest.mark.slow
def test_what_a_step_uses_is_shown_while_it_runs_and_afterwards(own_pocket):
    pocket = own_pocket.start("--nodes=2", "--cpus=4", "--memory=2000M")
    (pocket.home / "program.py").write_text(PROGRAM)
    names = [
        "MaxRSS", "MaxRSSNode", "MaxRSSTask", "AveRSS", "MaxDiskRead", "MaxDiskReadNode", "MaxDiskReadTask",
        "MaxDiskWrite", "MaxDiskWriteNode", "MaxDiskWriteTask", "AveDiskWrite", "TRESUsageInTot", "TRESUsageInMax",
        "TRESUsageInMaxNode", "TRESUsageInMaxTask", "TRESUsageInMinTask", "TRESUsageOutTot", "TRESUsageOutMaxNode",
    ]  # fmt: skip
    job = pocket.submit("-N2", "-n2", "-o", "out", script="#!/bin/sh\nexec srun -N2 -n2 python3 program.py\n")
    until(lambda: all((pocket.home / f"ready-{task}").exists() for task in range(2)), bool, 60)
    out = pocket.ok("sstat", "-a", "-n", "-P", "-j", job, "-o", ",".join(["JobID", *names]))
    shown = {row[0]: dict(zip(names, row[1:], strict=True)) for row in (line.split("|") for line in out.splitlines())}
    check(shown[f"{job}.0"])
    (pocket.home / "go").touch()
    pocket.wait(job)
    wanted = [*names, "TotalCPU", "UserCPU", "SystemCPU", "NTasks"]

    def booked() -> list[str]:
        return pocket.ok("sacct", "-n", "-P", "-j", f"{job}.0", "-o", ",".join(["State", *wanted])).strip().split("|")

    row = until(booked, lambda row: row[0] == "COMPLETED")
    figures = dict(zip(wanted, row[1:], strict=True))
    check(figures)
    assert 0.5 <= seconds(figures["TotalCPU"]) <= 5
    assert 0.49 <= seconds(figures["UserCPU"]) <= seconds(figures["TotalCPU"])
    parts = seconds(figures["UserCPU"]) + seconds(figures["SystemCPU"])
    assert parts == pytest.approx(seconds(figures["TotalCPU"]), abs=0.01)
    assert figures["NTasks"] == "2"
    # the job's time is that of all its steps
    out = pocket.ok("sacct", "-n", "-P", "-j", job, "-o", "JobID,TotalCPU")
    times = {name: seconds(time) for name, time in (line.split("|") for line in out.splitlines())}
    assert times.pop(job) == pytest.approx(sum(times.values()), abs=0.01)
    assert {f"{job}.batch", f"{job}.0"} <= set(times)


@pytest.mark.slow
def test_acctg_freq_of_srun_reaches_its_step(own_pocket):
    pocket = own_pocket.start("--cpus=4", "--memory=2000M")
    (pocket.home / "program.py").write_text(PROGRAM)
    script = "#!/bin/sh\nsrun python3 program.py\nsrun --acctg-freq=task=0 python3 program.py\n"
    job = pocket.submit("-o", "out", script=script)
    sampled = ("sstat", "-n", "-P", "-j", f"{job}.0", "-o", "MaxRSS")
    until(lambda: pocket.run(*sampled).stdout.strip(), lambda text: bool(text) and count(text) > 1 << 20)
    (pocket.home / "go").touch()
    pocket.wait(job)

    def booked() -> dict[str, tuple[str, str]]:
        out = pocket.ok("sacct", "-n", "-P", "-j", job, "-o", "JobID,State,MaxRSS")
        return {name: (state, rss) for name, state, rss in (line.split("|") for line in out.splitlines())}

    rows = until(booked, lambda rows: rows.get(f"{job}.1", ("",))[0] == "COMPLETED")
    assert count(rows[f"{job}.0"][1]) > 1 << 20
    assert rows[f"{job}.1"] == ("COMPLETED", "")
    done = pocket.run("srun", "--acctg-freq=30", "true")
    assert done.returncode == 1
    assert "accounting frequency" in done.stderr
