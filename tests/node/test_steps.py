"""Steps: srun's engine and slurmstepd with real processes. Messages are those of 24.11."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from .conftest import Cluster, wait_for

RUNNER = Path(__file__).parent / "step_runner.py"


class Srun:
    """Starts steps with step_runner.py."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._step = 0

    def command(self, *argv: str, nodes: dict[str, list[int]] | None = None, spec: dict[str, Any] | None = None,
                **options: Any) -> list[str]:  # fmt: skip
        nodes = nodes or {"n1": [0]}
        for name in nodes:
            self._cluster.node(name)
        whole = {"job_id": 5, "step_id": self._step, "nodes": nodes, "options": {"argv": argv, **options}}
        whole.update(spec or {})
        self._step += 1
        return [sys.executable, str(RUNNER), self._cluster.conf.path, json.dumps(whole)]

    def run(self, *argv: str, stdin: bytes | None = None, **more: Any) -> tuple[int, str, str]:
        """(exit code, standard output, standard error)."""
        command = self.command(*argv, **more)
        source = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
        done = subprocess.run(command, capture_output=True, timeout=30, cwd=self._cluster.directory, **source)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def start(self, *argv: str, **more: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.command(*argv, **more),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self._cluster.directory,
        )


def test_output_and_success(cluster: Cluster) -> None:
    assert Srun(cluster).run("sh", "-c", "echo out; echo err >&2") == (0, "out\n", "err\n")
    end = cluster.controller.heard("step_complete", job_id=5, step_id=0)
    assert end["exit_code"] == 0
    assert end["node"] == "n1"


def test_exit_codes(cluster: Cluster) -> None:
    srun = Srun(cluster)
    script = "exit $((SLURM_PROCID*3+1))"
    code, _, err = srun.run("sh", "-c", script, nodes={"n1": [0, 1]})
    assert code == 4
    assert sorted(err.splitlines()) == [
        "srun: error: n1: task 0: Exited with exit code 1",
        "srun: error: n1: task 1: Exited with exit code 4",
    ]
    assert srun.run("sh", "-c", "kill -TERM $$") == (
        143,
        "",
        "srun: error: n1: task 0: Terminated\nsrun: Force Terminated StepId=5.1\n",
    )
    assert srun.run("/no/such/program") == (
        2,
        "",
        "slurmstepd-n1: error: execve(): /no/such/program: No such file or directory\n"
        "srun: error: n1: task 0: Exited with exit code 2\n",
    )


def test_labels_and_several_nodes(cluster: Cluster) -> None:
    srun = Srun(cluster)
    script = 'echo $SLURM_PROCID; printf "x$SLURM_NODEID"'
    code, out, err = srun.run("sh", "-c", script, nodes={"n1": [0, 1], "n2": [2]}, label=True)
    assert (code, err) == (0, "")
    assert sorted(out.splitlines()) == ["0: 0", "0: x0", "1: 1", "1: x0", "2: 2", "2: x1"]


def test_input_goes_to_all_or_to_one(cluster: Cluster) -> None:
    srun = Srun(cluster)
    code, out, _ = srun.run("cat", nodes={"n1": [0, 1], "n2": [2]}, label=True, stdin=b"hello\n")
    assert (code, sorted(out.splitlines())) == (0, ["0: hello", "1: hello", "2: hello"])
    assert srun.run("cat", nodes={"n1": [0, 1]}, label=True, stdin=b"hello\n", input="1")[:2] == (0, "1: hello\n")
    assert srun.run("cat", nodes={"n1": [0, 1]}, stdin=b"hello\n", input="none")[:2] == (0, "")


def test_megabytes_pass_whole(cluster: Cluster) -> None:
    """Lines of several tasks are not mixed and nothing is lost, though the reader is slow to begin."""
    srun = Srun(cluster)
    script = "for i in $(seq 40000); do echo $SLURM_PROCID:$i:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done"
    process = srun.start("sh", "-c", script, nodes={"n1": [0, 1], "n2": [2]})
    assert process.stdout is not None
    time.sleep(0.5)
    out = process.stdout.read()
    assert process.wait(30) == 0
    for task in range(3):
        own = [line for line in out.decode().splitlines() if line.startswith(f"{task}:")]
        assert own == [f"{task}:{i}:{'x' * 40}" for i in range(1, 40001)]
    process.communicate()


def test_megabytes_of_input_reach_tasks_that_read_late(cluster: Cluster) -> None:
    data = bytes(range(256)) * 8000
    code, out, _ = Srun(cluster).run(
        "sh", "-c", "[ $SLURM_PROCID = 1 ] && exit 0; sleep 0.3; md5sum", nodes={"n1": [0, 1, 2]}, stdin=data
    )
    import hashlib

    assert code == 0
    assert out == f"{hashlib.md5(data).hexdigest()}  -\n" * 2


def test_kill_on_bad_exit(cluster: Cluster) -> None:
    began = time.monotonic()
    code, _, err = Srun(cluster).run(
        "sh", "-c", "[ $SLURM_PROCID = 2 ] && exit 5; exec sleep 20",
        nodes={"n1": [0, 2], "n2": [1]}, kill_on_bad_exit=True,
    )  # fmt: skip
    assert time.monotonic() - began < 10
    assert code == 143
    lines = err.splitlines()
    assert lines[:2] == ["srun: error: n1: task 2: Exited with exit code 5", "srun: Terminating StepId=5.0"]
    # what the two nodes say of the end comes in any order
    assert any(line.startswith("slurmstepd-n1: error: *** STEP 5.0 ON n1 CANCELLED AT 20") for line in lines[2:])
    ends = ["srun: error: n1: task 0: Terminated", "srun: error: n2: task 1: Terminated"]
    assert sorted(line for line in lines[2:] if "task" in line) == ends
    assert "srun: Force Terminated StepId=5.0" in lines


def test_wait(cluster: Cluster) -> None:
    code, out, err = Srun(cluster).run(
        "sh", "-c", "[ $SLURM_PROCID = 1 ] && exit 0; sleep 20; echo done", nodes={"n1": [0, 1]}, wait=1
    )
    assert (code, out) == (137, "")
    lines = err.splitlines()
    assert lines[:4] == [
        "srun: First task exited 1s ago",
        "srun: StepId=5.0 task 0: running",
        "srun: StepId=5.0 task 1: exited",
        "srun: Terminating StepId=5.0",
    ]
    assert "srun: error: n1: task 0: Killed" in lines


def test_interrupts(cluster: Cluster) -> None:
    process = Srun(cluster).start("sh", "-c", "echo up; exec sleep 20", nodes={"n1": [0, 1]})
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == b"up\n"
    assert process.stdout.readline() == b"up\n"
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline() == b"srun: interrupt (one more within 1 sec to abort)\n"
    assert process.stderr.readline() == b"srun: StepId=5.0 tasks 0-1: running\n"
    process.send_signal(signal.SIGINT)
    err = process.stderr.read().decode()
    assert process.wait(10) == 130
    assert err.startswith("srun: sending Ctrl-C to StepId=5.0\nsrun: forcing job termination\nsrun: Job step aborted")
    process.communicate()


def test_signals_are_passed_on(cluster: Cluster) -> None:
    process = Srun(cluster).start("sh", "-c", "echo up; exec sleep 20", nodes={"n1": [0]})
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    process.send_signal(signal.SIGUSR1)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 138
    assert err == b"srun: error: n1: task 0: User defined signal 1\n"


def test_a_killed_srun_takes_its_step_along(cluster: Cluster) -> None:
    process = Srun(cluster).start("sh", "-c", "echo up; exec sleep 1000")
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    process.kill()
    process.communicate()
    assert cluster.controller.heard("step_complete", step_id=0)["exit_code"] == signal.SIGTERM
    assert wait_for(lambda: not cluster.node().live())


def test_a_step_that_is_terminated(cluster: Cluster) -> None:
    process = Srun(cluster).start("sh", "-c", "echo up; exec sleep 20", nodes={"n1": [0]})
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    cluster.node().call("terminate_step", job_id=5, step_id=0, reason="timeout")
    _, err = process.communicate(timeout=10)
    assert process.returncode == 143
    lines = err.decode().splitlines()
    assert lines[0].startswith("slurmstepd-n1: error: *** STEP 5.0 ON n1 CANCELLED AT 20")
    assert lines[0].endswith(" DUE TO TIME LIMIT ***")
    assert lines[1:] == [
        "srun: Job step aborted: Waiting up to 3 seconds for job step to finish.",
        "srun: error: n1: task 0: Terminated",
    ]


def test_files_per_task_and_of_srun(cluster: Cluster) -> None:
    srun, place = Srun(cluster), cluster.directory
    nodes = {"n1": [0], "n2": [1]}
    pattern = "f-%j-%J-%t-%n-%N-%s-%4t-%x-%%"
    assert srun.run("sh", "-c", "echo $SLURM_PROCID", nodes=nodes, output=pattern) == (0, "", "")
    assert (place / "f-5-5.0-0-0-n1-0-0000-test-%").read_text() == "0\n"
    assert (place / "f-5-5.0-1-1-n2-0-0001-test-%").read_text() == "1\n"
    assert srun.run("sh", "-c", "echo $SLURM_PROCID; echo e >&2", nodes=nodes, output="g-%j", label=True) == (0, "", "")
    assert sorted((place / "g-5").read_text().splitlines()) == ["0: 0", "0: e", "1: 1", "1: e"]
    (place / "in").write_text("from a file\n")
    assert srun.run("cat", input="in") == (0, "from a file\n", "")
    assert srun.run("cat", nodes={"n1": [0, 1]}, stdin=b"x\n", output="1", label=True) == (0, "1: x\n", "")


def test_multi_prog(cluster: Cluster) -> None:
    (cluster.directory / "multi.conf").write_text("0 echo zero %t\n1-2 echo rest %o\n")
    srun = Srun(cluster)
    code, out, err = srun.run("multi.conf", nodes={"n1": [0, 1, 2]}, multi_prog=True, label=True)
    assert (code, sorted(out.splitlines()), err) == (0, ["0: zero 0", "1: rest 0", "2: rest 1"], "")


def test_a_forged_or_borrowed_credential_is_refused(cluster: Cluster) -> None:
    srun = Srun(cluster)
    code, _, err = srun.run("true", spec={"spoil": True})
    assert code == 1
    assert "Task launch for StepId=5.0 failed on node n1: Invalid job credential" in err
    assert not cluster.node().live()


def test_chdir_falls_back(cluster: Cluster) -> None:
    assert Srun(cluster).run("pwd", cwd="/nodir") == (
        0,
        "/tmp\n",
        "slurmstepd-n1: error: couldn't chdir to `/nodir': No such file or directory: going to /tmp instead\n" * 2,
    )


def test_left_over_processes_do_not_hold_the_step(cluster: Cluster) -> None:
    began = time.monotonic()
    assert Srun(cluster).run("sh", "-c", "setsid sleep 1000 & echo started") == (0, "started\n", "")
    assert time.monotonic() - began < 5


def test_files_that_cannot_be_opened(cluster: Cluster) -> None:
    srun = Srun(cluster)
    assert srun.run("true", output="/dev/null/x") == (
        1, "", "srun: error: Could not open stdout file: Not a directory\n"
    )  # fmt: skip
    assert cluster.controller.heard("kill_step", step_id=0)["signal"] == 9
    cluster.node().call("terminate_step", job_id=5, step_id=0)
    cluster.controller.heard("step_complete", step_id=0)
    assert srun.run("true", output="/dev/null/x%t") == (
        1,
        "",
        "slurmstepd-n1: error: Could not open output file /dev/null/x0: Not a directory\n"
        "srun: error: n1: task 0: Exited with exit code 1\n",
    )
    cluster.node().call("terminate_step", job_id=5, step_id=7)  # revoked before srun came with its launch
    code, _, err = srun.run("true", spec={"step_id": 7})
    assert code == 1
    assert "Task launch for StepId=5.7 failed on node n1: Job credential revoked" in err


LOOK = r"""
echo pid $PPID; echo files $(ls /proc/$PPID/fd | wc -l); echo group $(cut -d' ' -f5-8 /proc/$PPID/stat)
grep -E '^(Umask|Uid|Gid|Groups|SigBlk|SigIgn|NoNewPrivs|CapEff):' /proc/$PPID/status; readlink /proc/$PPID/cwd
cat /proc/$PPID/cgroup
"""


def test_a_slurmstepd_is_the_same_after_any_step(cluster: Cluster) -> None:
    """It takes the next step soon after, and nothing of the one before is to be seen in it."""
    srun = Srun(cluster)
    node = cluster.node()

    def idle() -> None:
        assert wait_for(lambda: not list((node.spool / "ends").iterdir()))
        assert wait_for(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S")

    def look() -> str:
        code, out, err = srun.run("sh", "-c", LOOK)
        assert (code, err) == (0, "")
        return out

    first = look()
    pid = int(first.split()[1])
    for argv, options in (
        (("sh", "-c", "umask 0; ulimit -c unlimited; cat; exit 3"), {"label": True}),
        (("sh", "-c", "echo $$; kill -9 $$"), {}),
        (("sh", "-c", "(trap '' HUP; sleep 8712 &) ; tty"), {"pty": True}),
        (("/no/such/program",), {"unbuffered": True}),
    ):
        idle()
        srun.run(*argv, stdin=b"some input\n", **options)
    idle()
    assert wait_for(lambda: look() == first)  # slurmd may ask it something just then, which is one file more
