"""What a site sets up around jobs: Prolog, Epilog, TaskProlog, TaskEpilog, memory limits; an ordinary user's slurmd."""

from __future__ import annotations

import os
import pwd
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import CONF, Cluster, Node, batch, processes_with, wait_for
from .test_steps import Srun

ROOT = os.geteuid() == 0


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def site(cluster: Cluster, **more: str) -> None:
    """Adds lines to slurm.conf before the first slurmd is started."""
    path = Path(cluster.conf.path)
    path.write_text(path.read_text() + "".join(f"{name}={value}\n" for name, value in more.items()))


def test_prolog_and_epilog(cluster: Cluster) -> None:
    place = cluster.directory
    site(cluster, Prolog=f"{place}/prolog", Epilog=f"{place}/epilog")
    program(place / "prolog", f"echo prolog $SLURM_JOB_ID $SLURM_JOB_UID >> {place}/log; [ $SLURM_JOB_ID != 6 ]")
    program(place / "epilog", f"echo epilog $SLURM_JOB_ID $SLURM_SCRIPT_CONTEXT >> {place}/log")
    node = cluster.node()
    node.call("launch_batch_job", **batch(5, f"echo job >> {place}/log"))
    assert cluster.controller.heard("complete_batch_job", job_id=5)["epilog_complete"] is True
    me = os.geteuid()
    assert (place / "log").read_text() == f"prolog 5 {me}\njob\nepilog 5 epilog_slurmd\n"
    with pytest.raises(Exception, match="prolog: exit status 1"):
        node.call("launch_batch_job", **batch(6, f"echo job >> {place}/log"))
    assert "job" not in (place / "log").read_text().split("epilog_slurmd\n")[1]
    srun = Srun(cluster)
    assert srun.run("true", spec={"job_id": 7})[0] == 0
    assert srun.run("true", spec={"job_id": 7})[0] == 0
    node.call("terminate_job", job_id=7, restart_cnt=0, reason="ended", kill_wait=1, user_id=me)
    cluster.controller.heard("epilog_complete", job_id=7)
    lines = (place / "log").read_text().splitlines()
    assert lines.count(f"prolog 7 {me}") == lines.count("epilog 7 epilog_slurmd") == 1


def test_task_prolog_and_epilog(cluster: Cluster) -> None:
    place = cluster.directory
    site(cluster, TaskProlog=f"{place}/prolog", TaskEpilog=f"{place}/epilog")
    program(place / "prolog", "echo export ADDED=new value; echo unset GONE; echo print words of it; echo noise")
    program(place / "epilog", f"echo epilog $SLURM_PROCID >> {place}/log")
    given = {"PATH": "/usr/bin:/bin", "GONE": "x"}
    code, out, err = Srun(cluster).run("sh", "-c", 'echo "$ADDED:$GONE"', environment=given)
    assert (code, out, err) == (0, "words of it\nnew value:\n", "")
    assert (place / "log").read_text() == "epilog 0\n"


def python_for_others() -> str | None:
    """A Python like ours that every user may run: a virtual environment's may lie in somebody's home."""
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info[1]}"):
        if not os.path.exists(python):
            continue
        try:
            probe = subprocess.run([python, "-c", "import msgpack"], user="nobody", capture_output=True,
                                   env={"PYTHONPATH": os.pathsep.join(sys.path)}, cwd="/")  # fmt: skip
        except PermissionError:
            continue
        if probe.returncode == 0:
            return python
    return None


def memory_cgroup() -> str:
    """Why no memory limit can be set here; "" if it can."""
    from slurmpy.node import cgroup

    found = cgroup.find("probe", "test", True)
    if found is None:
        return "no writable memory cgroup"
    os.rmdir(found["memory"])
    return ""


@pytest.mark.skipif(not ROOT, reason="memory cgroups need root")
def test_out_of_memory(cluster: Cluster) -> None:
    why = memory_cgroup()
    if why:
        pytest.skip(why)
    text = Path(cluster.conf.path)
    text.write_text(text.read_text().replace("TaskPlugin=task/none", "TaskPlugin=task/cgroup"))
    (cluster.directory / "cgroup.conf").write_text("ConstrainRAMSpace=yes\n")
    node, out = cluster.node(), cluster.directory / "out"
    message = batch(5, "#!/usr/bin/env python3\nprint(len(bytearray(300_000_000)))\n",
                    environment=(f"PATH={os.environ['PATH']}",), standard_output=str(out))  # fmt: skip
    message["allocation"]["n1"]["memory"] = 50
    node.call("launch_batch_job", **message)
    end = cluster.controller.heard("complete_batch_job", job_id=5)
    assert (end["exit_code"], end["reason"]) == (9, "oom")
    assert "oom_kill event" in out.read_text()
    message = batch(6, "true")
    message["allocation"]["n1"]["memory"] = 50
    node.call("launch_batch_job", **message)
    end = cluster.controller.heard("complete_batch_job", job_id=6)
    assert (end["exit_code"], end["reason"]) == (0, "")


@pytest.mark.skipif(not ROOT, reason="needs root to become another user")
def test_an_ordinary_users_slurmd(tmp_path: Path) -> None:
    """As nobody: only nobody's jobs are run."""
    user = pwd.getpwnam("nobody")
    for parent in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        parent.chmod(0o755)
    place = tmp_path / "cluster"
    place.mkdir()
    os.chown(place, user.pw_uid, user.pw_gid)
    script = Path(__file__).parent / "ordinary_user.py"
    python = python_for_others()
    if python is None:
        pytest.skip("no Python of this version that other users may run")
    done = subprocess.run(
        [python, str(script), str(place)],
        user=user.pw_uid, group=user.pw_gid, extra_groups=[], capture_output=True, timeout=60, text=True,
        env={**os.environ, "HOME": str(place), "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert wait_for(lambda: not processes_with(str(place)))


def test_options(tmp_path: Path) -> None:
    from slurmpy.node.main import OPTIONS, UsageError, parse

    assert parse(["-D", "-vv", "-Nn1", "-f", "x", "-L", "y"]) == {"-D": True, "-v": 2, "-N": "n1", "-f": "x", "-L": "y"}
    for bad, text in (
        (["-Q"], "invalid option -- 'Q'"),
        (["-N"], "option requires an argument -- 'N'"),
        (["--help"], "unrecognized option '--help'"),
        (["-Z"], "option '-Z' is not supported by slurmpy"),
        (["x"], "unexpected argument 'x'"),
    ):
        with pytest.raises(UsageError) as caught:
            parse(bad)
        assert str(caught.value) == text
    table = Path(__file__).parents[2] / "../shared/reference/options/24.11/slurmd.tsv"
    if not table.exists():
        pytest.skip("no reference data")
    rows = [line.split("\t") for line in table.read_text().splitlines()[1:]]
    known = {long if long else short: argument for long, short, argument, _ in rows}
    mine = {option.name: option.argument for option in OPTIONS}
    assert {name: mine.get(name) for name in known} == known
    assert "NodeName=" in CONF


def test_into_the_background(cluster: Cluster) -> None:
    """Without -D the command returns when slurmd serves; SIGTERM ends it, and its files go."""
    command = [sys.executable, "-m", "slurmpy.node.main", "-N", "n1", "-f", cluster.conf.path]
    done = subprocess.run(command, capture_output=True, timeout=20)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    node = Node(cluster.directory, cluster.conf, "n1")
    pid_file = cluster.directory / "slurmd-n1.pid"
    pid = int(pid_file.read_text())
    handle = os.pidfd_open(pid)
    try:
        assert set(node.call("ping")) == {"cpu_load", "free_mem"}
        node.call("launch_batch_job", **batch(5, "exit 3"))
        assert cluster.controller.heard("complete_batch_job", job_id=5)["exit_code"] == 3 << 8
        again = subprocess.run(command, capture_output=True, timeout=20)
        assert again.returncode == 1
        assert again.stderr.startswith(b"slurmd: fatal: another slurmd of node n1 is running")
    finally:
        os.kill(pid, signal.SIGTERM)
        select.select([handle], [], [], 10)
        os.close(handle)
    assert not pid_file.exists()
    assert wait_for(lambda: not processes_with(cluster.conf.path))
