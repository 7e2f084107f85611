"""Batch scripts on a real slurmd."""

from __future__ import annotations

import os
import pwd
import re
import signal
import time
from pathlib import Path

import pytest

from .conftest import STEP_BATCH, Cluster, batch, processes_with, wait_for

ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not ROOT, reason="changing users needs root")


def run(cluster: Cluster, job_id: int, script: str, **more: object) -> tuple[dict[str, object], str]:
    """(complete_batch_job's arguments, what the job wrote)."""
    out = cluster.directory / f"out{job_id}"
    cluster.node().call("launch_batch_job", **batch(job_id, script, standard_output=str(out), **more))
    end = cluster.controller.heard("complete_batch_job", job_id=job_id)
    return end, out.read_text() if out.exists() else ""


def test_a_job_runs_and_its_end_is_told(cluster: Cluster) -> None:
    end, out = run(cluster, 7, "echo hello; echo problem >&2; exit 3", argv=("script", "a", "b"))
    assert cluster.controller.heard("register_node")["name"] == "n1"
    assert end["exit_code"] == 3 << 8
    assert end["epilog_complete"] is True
    assert out == "hello\nproblem\n"
    assert end["usage"]["tasks"] == 1  # type: ignore[index]
    assert not (cluster.node().spool / "job00007").exists()
    end, out = run(cluster, 8, 'echo "$0 $@"; kill -9 $$', argv=("script", "a b", "c"))
    assert end["exit_code"] == 9
    assert out == f"{cluster.directory}/spool-n1/job00008/slurm_script a b c\n"


def test_a_launch_is_harmless_twice(cluster: Cluster) -> None:
    node = cluster.node()
    count = cluster.directory / "count"
    message = batch(3, f"echo run >> {count}; sleep 0.3")
    node.call("launch_batch_job", **message)
    node.call("launch_batch_job", **message)
    cluster.controller.heard("complete_batch_job", job_id=3)
    wait_for(lambda: not list((node.spool / "ends").iterdir()))
    node.call("launch_batch_job", **message)  # belated: its end is confirmed already
    answer = node.call("many", calls=(("launch_batch_job", message), ("nonsense", {})))
    assert answer[0] == {"ok": {}}
    assert "error" in answer[1]
    assert count.read_text() == "run\n"
    message["job"]["restart_cnt"] = 1  # requeued: a new life
    node.call("launch_batch_job", **message)
    cluster.controller.heard("complete_batch_job", job_id=3, restart_cnt=1)
    assert count.read_text() == "run\nrun\n"


def test_file_names_and_open_modes(cluster: Cluster) -> None:
    node, place = cluster.node(), cluster.directory
    pattern = "o.%j-%J-%t-%n-%N-%s-%4j-%u-%x-%%-%b-%A-%a-%5a.x"
    user = pwd.getpwuid(os.geteuid()).pw_name
    node.call("launch_batch_job", **batch(42, "hostname", cwd=str(place), standard_output=pattern,
              array_job_id=40, array_task_id=11))  # fmt: skip
    cluster.controller.heard("complete_batch_job", job_id=42)
    assert (place / f"o.42-42-0-0-n1-batch-0042-{user}-test-%-1-40-11-00011.x").exists()
    (place / "kept").write_text("old\n")
    for number, mode in ((43, "a"), (44, "t")):
        node.call("launch_batch_job", **batch(number, "echo new; echo e >&2", cwd=str(place), standard_output="kept",
                  standard_error="err", open_mode=mode))  # fmt: skip
        cluster.controller.heard("complete_batch_job", job_id=number)
        assert (place / "kept").read_text() == ("old\nnew\n" if mode == "a" else "new\n")
    node.call("launch_batch_job", **batch(45, "true", cwd=str(place)))
    cluster.controller.heard("complete_batch_job", job_id=45)
    assert (place / "slurm-45.out").exists()
    node.call("launch_batch_job", **batch(47, "echo made", cwd=str(place), standard_output="new/place/%j"))
    cluster.controller.heard("complete_batch_job", job_id=47)
    assert (place / "new/place/47").read_text() == "made\n"
    (place / "in").write_text("input\n")
    node.call("launch_batch_job", **batch(46, "cat", cwd=str(place), standard_input="in"))
    cluster.controller.heard("complete_batch_job", job_id=46)
    assert (place / "slurm-46.out").read_text() == "input\n"


def test_what_cannot_be_started(cluster: Cluster) -> None:
    node = cluster.node()
    node.call("launch_batch_job", **batch(1, "true", standard_output="/dev/null/out"))
    assert cluster.controller.heard("complete_batch_job", job_id=1)["exit_code"] == 53
    end, out = run(cluster, 2, "#!/no/interp\necho")
    assert end["exit_code"] == 2 << 8
    assert out == "slurmstepd-n1: error: execve(): bad interpreter(/no/interp): No such file or directory\n"


def test_ending_a_job(cluster: Cluster) -> None:
    node, out = cluster.node(), cluster.directory / "out"
    script = "trap '' TERM; (setsid sleep 987 & ) ; sleep 986 & wait; sleep 985"
    node.call("launch_batch_job", **batch(5, script, standard_output=str(out)))
    assert wait_for(lambda: len(processes_with("sleep\x00987")) and processes_with("sleep\x00986"))
    began = time.monotonic()
    node.call("terminate_job", job_id=5, restart_cnt=0, reason="timeout", kill_wait=1, user_id=os.geteuid())
    end = cluster.controller.heard("complete_batch_job", job_id=5)
    cluster.controller.heard("epilog_complete", job_id=5)
    assert 0.9 < time.monotonic() - began < 6
    assert end["exit_code"] == signal.SIGKILL
    assert re.fullmatch(
        r"slurmstepd-n1: error: \*{3} JOB 5 ON n1 CANCELLED AT \d{4}-\d\d-\d\dT[\d:]{8} DUE TO TIME LIMIT \*{3}\n",
        out.read_text(),
    )
    assert not [pid for number in (985, 986, 987) for pid in processes_with(f"sleep\x00{number}")]
    node.call("terminate_job", job_id=99, restart_cnt=0, reason="cancelled")  # never heard of: gone at once
    cluster.controller.heard("epilog_complete", job_id=99)


def test_what_a_script_leaves_behind_ends_with_it(cluster: Cluster) -> None:
    began = time.monotonic()
    end, _ = run(cluster, 6, "nohup setsid sleep 977 >/dev/null 2>&1 & sleep 0.1")
    assert end["exit_code"] == 0
    assert time.monotonic() - began < 5
    assert not processes_with("sleep\x00977")


def test_signals_to_the_script_or_to_all(cluster: Cluster) -> None:
    node, out = cluster.node(), cluster.directory / "out"
    child = 'trap "echo child" USR1; echo up; while :; do sleep 0.05; done'
    script = f"trap 'echo script' USR1; sh -c '{child}' & while :; do wait; done"
    node.call("launch_batch_job", **batch(5, script, standard_output=str(out)))
    assert wait_for(lambda: out.exists() and out.read_text() == "up\n")
    node.call("signal_job", job_id=5, signal=10, batch_only=True)
    assert wait_for(lambda: out.read_text() == "up\nscript\n")
    node.call("signal_job", job_id=5, signal=10, steps_only=True)
    node.call("signal_job", job_id=5, signal=10, full=True)
    assert wait_for(lambda: "child" in out.read_text()), out.read_text()


def test_suspended_processes_stand_still(cluster: Cluster) -> None:
    node, out = cluster.node(), cluster.directory / "out"
    node.call("launch_batch_job", **batch(5, "echo up; exec sleep 966", standard_output=str(out)))
    assert wait_for(lambda: processes_with("sleep\x00966"))
    (pid,) = processes_with("sleep\x00966")
    state = lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]  # noqa: E731
    assert node.call("suspend_job", job_id=5) == {"steps": 1}
    assert wait_for(lambda: state() == "T")
    node.call("resume_job", job_id=5)
    assert wait_for(lambda: state() == "S")


def test_figures_are_measured(cluster: Cluster) -> None:
    script = (
        "#!/usr/bin/env python3\nimport time\nx = bytearray(80_000_000)\n"
        "end = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n"
        "open('/tmp/slurmpy-test-%d' % __import__('os').getpid(), 'wb').write(bytes(300_000))\n"
        "__import__('os').unlink('/tmp/slurmpy-test-%d' % __import__('os').getpid())\n"
    )
    cluster.node().call("launch_batch_job", **batch(5, script, environment=(f"PATH={os.environ['PATH']}",),
                        standard_output="/dev/null"))  # fmt: skip
    usage = cluster.controller.heard("complete_batch_job", job_id=5)["usage"]
    assert 250_000 < usage["user_cpu_usec"] + usage["system_cpu_usec"] < 3_000_000
    assert 75_000_000 < usage["in"]["mem"][0] < 150_000_000
    assert usage["in"]["vmem"][0] > 80_000_000
    assert 300_000 <= usage["out"]["fs/disk"][0] < 2_000_000


def test_figures_of_a_running_job(cluster: Cluster) -> None:
    node = cluster.node()
    node.call("launch_batch_job", **batch(5, "while :; do :; done", standard_output="/dev/null"))
    answer = wait_for(
        lambda: (found := node.call("step_stat", job_id=5, step_id=STEP_BATCH))["usage"]["in"]["cpu"][0] > 20 and found
    )
    assert answer["tasks"] == 1
    assert len(answer["pids"]) == 1
    assert answer["usage"]["in"]["mem"][0] > 100_000
    (entry,) = node.call("list_pids", job_id=5)
    assert entry["pids"] == answer["pids"]
    assert entry["step"] == "batch"


def test_limits_mask_and_environment(cluster: Cluster) -> None:
    _, out = run(
        cluster, 5, "ulimit -n; umask; echo $SLURM_JOB_ID $SLURM_RESTART_COUNT $MINE; touch made",
        rlimits={"RLIMIT_NOFILE": 77}, umask=0o027, environment=("PATH=/usr/bin:/bin", "MINE=is mine"),
        restart_cnt=2, cwd=str(cluster.directory),
    )  # fmt: skip
    assert out == "77\n0027\n5 2 is mine\n"
    assert (cluster.directory / "made").stat().st_mode & 0o777 == 0o640


@as_root
def test_jobs_run_as_their_user(cluster: Cluster) -> None:
    user = pwd.getpwnam("nobody")
    place = cluster.directory / "theirs"
    place.mkdir()
    os.chown(place, user.pw_uid, user.pw_gid)
    script = "id -u; id -g; id -G; grep -E '^(Uid|Gid|CapPrm|CapEff)' /proc/self/status; cat /etc/shadow; ls -ld $0"
    cluster.node().call("launch_batch_job", **batch(5, script, uid=user.pw_uid, cwd=str(place)))
    cluster.controller.heard("complete_batch_job", job_id=5)
    out = place / "slurm-5.out"
    assert out.stat().st_uid == user.pw_uid
    lines = out.read_text().splitlines()
    groups = os.getgrouplist("nobody", user.pw_gid)
    assert lines[:3] == [str(user.pw_uid), str(user.pw_gid), " ".join(map(str, groups))]
    assert lines[3].split()[1:] == [str(user.pw_uid)] * 4
    assert lines[4].split()[1:] == [str(user.pw_gid)] * 4
    assert [line.split()[1] for line in lines if line.startswith("Cap")] == ["0" * 16] * 2
    assert "Permission denied" in out.read_text()
    assert lines[-1].startswith("-rwx------ 1 nobody")
    cluster.node().call(
        "launch_batch_job", **batch(6, "true", uid=user.pw_uid, standard_output=str(cluster.directory / "root-only"))
    )
    assert cluster.controller.heard("complete_batch_job", job_id=6)["exit_code"] == 53
    assert not (cluster.directory / "root-only").exists()
