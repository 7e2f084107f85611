"""slurmctld begins anew with an empty StateSaveLocation while the slurmds go on: numbers of jobs come a second time."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from .site import Site
from .test_main_job import until


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    try:
        yield site.up()
    finally:
        site.down()


def without_state(site: Site) -> None:
    pid = site.pid("slurmctld")
    os.kill(pid, signal.SIGTERM)
    assert until(lambda: not os.path.exists(f"/proc/{pid}"), bool)
    shutil.rmtree(site.base / "state")
    (site.base / "state").mkdir()
    site.ok("slurmctld")


def test_numbers_that_come_again_are_other_jobs(site: Site) -> None:
    """Jobs that had ended (their launches would be repeats), one that was cancelled, and one that runs."""
    out = site.base / "out"
    for _ in range(2):
        site.ok("sbatch", "-W", "-w", "n1", "-o", "/dev/null", "--wrap", "true")
    site.ok("scancel", site.ok("sbatch", "--parsable", "-w", "n1", "-o", "/dev/null", "--wrap", "sleep 877").strip())
    old = site.ok("sbatch", "--parsable", "-w", "n1", "-o", f"{out}-old", "--wrap", "echo $$; exec sleep 878").strip()
    assert until(lambda: Path(f"{out}-old").exists() and Path(f"{out}-old").read_text(), bool)
    pid = int(Path(f"{out}-old").read_text())
    without_state(site)
    script = "#!/bin/sh\necho $SLURM_JOB_ID\nsrun echo step $SLURM_JOB_ID\n"
    numbers = [site.ok("sbatch", "--parsable", "-w", "n1", "-o", f"{out}-%j", stdin=script).strip() for _ in range(5)]
    assert old in numbers
    assert until(lambda: site.ok("squeue", "-h"), lambda rows: not rows, 30) == ""
    for number in numbers:
        assert Path(f"{out}-{number}").read_text() == f"{number}\nstep {number}\n"
    assert not os.path.exists(f"/proc/{pid}"), "nobody knows this job any more"
    states = until(lambda: site.ok("sacct", "-n", "-X", "-P", "-o", "State", "-j", ",".join(numbers)).split(),
                   lambda rows: set(rows) == {"COMPLETED"})  # fmt: skip
    assert states == ["COMPLETED"] * 5
    # the slurmd that comes after knows whose jobs these are
    pid = site.pid("slurmd-n1")
    os.kill(pid, signal.SIGKILL)
    site.ok("slurmd", "-N", "n1")
    site.ok("srun", "-w", "n1", "true")
    assert (site.base / "slurmd-n1.log").read_text().count("slurmctld has a new state") == 1


def test_the_same_state_goes_on(site: Site) -> None:
    """A slurmctld that is only started anew, with -c too, changes nothing for what runs or has run."""
    job = site.ok("sbatch", "--parsable", "-w", "n1", "-o", "/dev/null", "--wrap", "sleep 879").strip()
    assert until(lambda: site.ok("squeue", "-h", "-o", "%t"), lambda rows: rows == "R\n") == "R\n"
    pid = site.pid("slurmctld")
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: not os.path.exists(f"/proc/{pid}"), bool)
    site.ok("slurmctld")
    assert until(lambda: site.ok("scontrol", "ping"), lambda said: "UP" in said)
    assert site.ok("squeue", "-h", "-o", "%A %t") == f"{job} R\n"
    site.ok("scancel", job)
    assert until(lambda: site.ok("squeue", "-h"), lambda rows: not rows, 30) == ""
    for node in ("n1", "n2"):
        assert "slurmctld has a new state" not in (site.base / f"slurmd-{node}.log").read_text()
