"""A runtime that fails or hangs at each of its operations, in both modes; daemons that are killed meanwhile."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from .fake_runtime import SECONDS, fake_site
from .started import Started, all_ended
from .test_main_job import until

pytestmark = pytest.mark.xdist_group("fake-runtime")


@pytest.fixture(scope="module", params=["run", "create"])
def whole_site(request):
    with fake_site(request.param) as site:
        yield site


@pytest.fixture
def site(whole_site):
    whole_site.does()
    whole_site.forget()
    with all_ended():
        yield whole_site
        whole_site.does()
    assert whole_site.is_clean() == []
    assert until(whole_site.node_state, lambda state: state == "idle") == "idle"


def srun(site, *command, options=(), **more):
    return site.run("srun", "-w", "n1", *options, "--container", str(site.bundle), *command, **more)


def test_the_order_of_operations(site):
    done = srun(site, "sh", "-c", "echo $OWN $SLURM_PROCID; exit 3")
    assert (done.returncode, done.stdout) == (3, "image 0\n")
    assert site.is_clean() == []
    begun = ["run"] if site.mode == "run" else ["create", "state", "start"]
    assert [call["operation"] for call in site.calls()][: len(begun)] == begun
    rest = [call["operation"] for call in site.calls()][len(begun) :]
    assert rest in (["state"], ["state", "delete"]), rest
    for call in site.calls():
        assert call["files"] == ["0", "1", "2"], "nothing of slurmstepd's is open in the runtime"


#: mode, operation, how: what the error output has
BREAKS = [
    ("run", "run", "fail", "fake: run will not"),
    ("create", "create", "fail", "RunTimeCreate failed with exit code 1"),
    ("create", "create", "hang", f"RunTimeCreate failed with signal 9: it took longer than {SECONDS} s"),
    ("create", "state", "fail", "RunTimeQuery failed with exit code 1: fake: state will not"),
    ("create", "state", "hang", f"RunTimeQuery failed with signal 9: it took longer than {SECONDS} s"),
    ("create", "state", "lie", "RunTimeQuery knows of no process after RunTimeCreate: exit code 0: all is well"),
    ("create", "create", "lie", "RunTimeQuery failed with exit code 1: fake: container"),
    ("create", "start", "fail", "RunTimeStart failed with exit code 1: fake: start will not"),
    ("create", "start", "hang", f"RunTimeStart failed with signal 9: it took longer than {SECONDS} s"),
]


@pytest.mark.parametrize("batch", [False, True], ids=["step", "batch"])
@pytest.mark.parametrize(("mode", "operation", "how", "why"), BREAKS)
def test_an_operation_that_begins_a_container(site, mode, operation, how, why, batch):
    if mode != site.mode:
        pytest.skip(f"not an operation of RunTime{site.mode.title()}")
    site.does(**{operation: how})
    if batch:
        out = site.base / "out"
        done = site.run("sbatch", "-W", "-w", "n1", "-o", str(out), "--container", str(site.bundle),
                        stdin="#!/bin/sh\ntrue\n")  # fmt: skip
        said = out.read_text()
    else:
        done = srun(site, "true")
        said = done.stderr
    assert done.returncode == 1, (done, said)
    assert why in said
    assert "Traceback" not in said
    if operation == "state":  # the container is killed as a process of the step, and deleted with the runtime
        site.does()
    assert_next_runs(site)


def assert_next_runs(site) -> None:
    site.does()
    done = srun(site, "echo", "next")
    assert (done.returncode, done.stdout, done.stderr) == (0, "next\n", "")


def test_a_run_that_hangs_is_cancelled(site):
    if site.mode != "run":
        pytest.skip("RunTimeRun is not called")
    site.does(run="hang")
    process = start(site, "true")
    assert until(lambda: site.calls("run"), bool)
    site.ok("scancel", process.job)
    process.communicate(timeout=30)
    assert process.returncode != 0
    assert site.is_clean() == []
    assert_next_runs(site)


@pytest.mark.parametrize("how", ["fail", "hang"])
@pytest.mark.parametrize("operation", ["state", "kill", "delete"])
def test_an_operation_that_ends_a_container(site, operation, how):
    """The step has ended as its program did; that its container could not be taken away is in the log."""
    process = start(site, "sh", "-c", "echo up; trap 'exit 6' USR1; while :; do sleep 0.02; done")
    assert process.stdout.readline() == "up\n"
    site.does(**{operation: how})
    os.kill(task_of(site, process.job), signal.SIGKILL)  # so that it takes nothing away itself
    process.communicate(timeout=30)
    assert process.returncode != 0
    name = {"state": "RunTimeQuery", "kill": "RunTimeKill", "delete": "RunTimeDelete"}[operation]
    refused = operation == "state" and how == "fail"  # that is how a runtime says that there is none
    wanted = r"failed with (exit code 1|signal 9: it took longer)"
    if operation != "kill" and not refused:
        log = until(lambda: stepd_log(site), lambda text: re.search(f"{name} {wanted}", text), 10)
        assert re.search(f"{name} {wanted}", log), log[-2000:]
    assert until(site.node_state, lambda state: state == "idle") == "idle"
    assert until(lambda: [left for left in site.leftovers() if "process" in left or "spool" in left],
                 lambda left: not left) == []  # fmt: skip
    clear(site)
    assert_next_runs(site)


def start(site, *command) -> Started:
    return Started(site, "", *command, options=("-w", "n1"))


def clear(site) -> None:
    """What a runtime that would not delete has kept."""
    for path in site.runtime.glob("*.json*"):
        path.unlink()


def stepd_log(site) -> str:
    return "".join(path.read_text() for path in (*site.base.glob("*.log"), *site.base.glob("spool-*/*.log")))


def test_a_signal_while_the_container_is_being_made(site):
    """It reaches the program, or ends what is being made; it is not forgotten."""
    if site.mode != "create":
        pytest.skip("RunTimeCreate is not called")
    site.does(create="hang")
    process = start(site, "true")
    assert until(lambda: site.calls("create"), bool)
    site.ok("scancel", process.job)
    process.communicate(timeout=30)
    assert process.returncode != 0
    assert_next_runs(site)


def task_of(site, job: str) -> int:
    """The process of the one task, which is the runtime, or waits for the container."""
    lines = site.ok("scontrol", "listpids", job).splitlines()
    return next(int(line.split()[0]) for line in lines[1:] if line.split()[3] == "0")


def stepd_of(site, job: str) -> int:
    return int(re.search(r"PPid:\s+(\d+)", Path(f"/proc/{task_of(site, job)}/status").read_text())[1])


@pytest.mark.parametrize("slurmd", ["lives", "dies"])
@pytest.mark.parametrize("hanging", ["", "state", "kill", "delete"])
def test_slurmstepd_killed(site, slurmd, hanging):
    """What it leaves goes, though the runtime takes its time, and nobody waits for that."""
    process = start(site, "sh", "-c", "echo up; while :; do sleep 0.02; done")
    assert process.stdout.readline() == "up\n"
    stepd = stepd_of(site, process.job)
    if hanging:
        site.does(**{hanging: "hang"})
    if slurmd == "dies":
        os.kill(site.pid("slurmd-n1"), signal.SIGKILL)
    os.kill(stepd, signal.SIGKILL)
    if slurmd == "dies":
        assert site.leftovers()
        site.ok("slurmd", "-N", "n1")
    process.communicate(timeout=40)
    assert process.returncode != 0
    assert until(lambda: [left for left in site.leftovers() if "spool" in left or "process" in left],
                 lambda left: not left, 20) == []  # fmt: skip
    if hanging:
        assert until(lambda: f"it took longer than {SECONDS} s" in site.log(), bool, 10)
        clear(site)
    assert_next_runs(site)


@pytest.mark.parametrize("how", ["running", "killed"])
def test_a_job_that_is_requeued(site, how):
    """The containers of its next life have the same names: they wait until those of the former have been removed."""
    out, go = site.base / "lives", site.base / "go"
    for path in (out, go):
        path.unlink(missing_ok=True)
    script = f"#!/bin/sh\necho life $SLURM_RESTART_COUNT >> {out}; while [ ! -e {go} ]; do sleep 0.02; done\n"
    job = site.ok("sbatch", "--parsable", "--requeue", "-w", "n1", "-o", "/dev/null", "--container", str(site.bundle),
                  stdin=script).strip()  # fmt: skip
    assert until(lambda: out.exists() and out.read_text(), bool) == "life\n"
    if how == "killed":
        site.does(state="hang")  # its containers' removal takes a while
        os.kill(stepd_of(site, job), signal.SIGKILL)
        assert until(lambda: site.ok("squeue", "-h", "-j", job, "-t", "R"), lambda text: not text) == ""
    site.ok("scontrol", "requeue", job)
    until(lambda: site.ok("squeue", "-h", "-j", job, "-t", "PD"), bool)
    site.ok("scontrol", "update", f"JobId={job}", "StartTime=now")
    if how == "killed":
        assert until(lambda: site.calls("state"), bool)
        assert until(lambda: site.calls("delete"), bool)
        site.does()
    assert until(out.read_text, lambda text: "life 1" in text, 30) == "life\nlife 1\n"
    if how == "killed":
        begun = ["run"] if site.mode == "run" else ["create", "state", "start"]
        operations = [call["operation"] for call in site.calls()]
        assert operations == [*begun, "state", "kill", "delete", *begun], operations
    go.touch()
    assert until(lambda: site.ok("squeue", "-h", "-j", job), lambda text: not text, 20) == ""
    assert site.is_clean() == []
