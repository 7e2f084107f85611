"""kill -9 at the worst moments: nothing is lost, nothing runs twice, nothing is left."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

from slurmpy.conf import run_dir
from slurmpy.node import control, spool
from slurmpy.node.processes import children
from slurmpy.rpc.address import Address
from slurmpy.rpc.client import Client

from .conftest import STEP_BATCH, Cluster, batch, processes_with, wait_for


def test_a_step_outlives_slurmd(cluster: Cluster) -> None:
    node, out, go = cluster.node(), cluster.directory / "out", cluster.directory / "go"
    script = f"echo up; while [ ! -e {go} ]; do sleep 0.02; done; echo down; exit 4"
    node.call("launch_batch_job", **batch(5, script, standard_output=str(out)))
    assert wait_for(lambda: out.exists() and out.read_text() == "up\n")
    node.kill()
    node.start()
    assert cluster.controller.heard("register_node", count=2)["steps"] == ((5, STEP_BATCH, 0),)
    node.call("launch_batch_job", **batch(5, script, standard_output=str(out)))  # still known
    go.touch()
    assert cluster.controller.heard("complete_batch_job", job_id=5)["exit_code"] == 4 << 8
    assert out.read_text() == "up\ndown\n"


def test_an_end_while_slurmd_is_dead(cluster: Cluster) -> None:
    node, go = cluster.node(), cluster.directory / "go"
    node.call("launch_batch_job", **batch(5, f"while [ ! -e {go} ]; do sleep 0.02; done; exit 4"))
    node.kill()
    go.touch()
    assert wait_for(lambda: not node.live())
    assert [end["exit_code"] for end in spool.ends(str(node.spool))] == [4 << 8]
    node.start()
    assert cluster.controller.heard("complete_batch_job", job_id=5)["exit_code"] == 4 << 8


def test_an_end_while_slurmctld_is_dead(cluster: Cluster) -> None:
    node = cluster.node()
    cluster.controller.heard("register_node")
    cluster.controller.stop()
    node.call("launch_batch_job", **batch(5, "exit 4"))
    assert wait_for(lambda: spool.ends(str(node.spool)))
    node.kill()
    node.start()
    cluster.controller.start()
    assert cluster.controller.heard("complete_batch_job", 15.0, job_id=5)["exit_code"] == 4 << 8
    assert wait_for(lambda: not spool.ends(str(node.spool)))
    node.kill()
    node.start()  # and what was confirmed is not run again, though slurmd is a new one
    count = len(cluster.controller.said)
    node.call("launch_batch_job", **batch(5, "exit 4"))
    assert not node.live()
    assert [name for name, _ in cluster.controller.said[count:] if name == "complete_batch_job"] == []


def test_a_job_that_was_to_end_when_slurmd_died(cluster: Cluster) -> None:
    node = cluster.node()
    deaf = cluster.directory / "deaf"
    node.call("launch_batch_job", **batch(5, f"trap '' TERM; echo > {deaf}; while :; do sleep 1; done"))
    assert wait_for(deaf.exists)
    node.call("terminate_job", job_id=5, restart_cnt=0, reason="cancelled", kill_wait=1)
    node.kill()
    node.start()
    assert cluster.controller.heard("complete_batch_job", job_id=5)["exit_code"] == signal.SIGKILL
    cluster.controller.heard("epilog_complete", job_id=5)
    assert wait_for(lambda: not list((node.spool / "ending").iterdir()))


def test_a_killed_slurmstepd(cluster: Cluster) -> None:
    node = cluster.node()
    node.call("launch_batch_job", **batch(5, "(setsid sleep 954 &); sleep 955"))
    assert wait_for(lambda: processes_with("sleep\x00955") and processes_with("sleep\x00954"))
    pid = control.process_of(spool.socket_path(str(node.spool), 5, STEP_BATCH, 0))
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    end = cluster.controller.heard("complete_batch_job", job_id=5)
    assert (end["exit_code"], end["reason"]) == (signal.SIGKILL, "stepd_died")
    assert wait_for(lambda: not processes_with("sleep\x00955") and not processes_with("sleep\x00954"))
    node.call("launch_batch_job", **batch(6, "(setsid sleep 944 &); sleep 945"))
    assert wait_for(lambda: processes_with("sleep\x00945") and processes_with("sleep\x00944"))
    pid = control.process_of(spool.socket_path(str(node.spool), 6, STEP_BATCH, 0))
    assert pid is not None
    node.kill()  # both of them
    os.kill(pid, signal.SIGKILL)
    node.start()
    assert cluster.controller.heard("complete_batch_job", job_id=6)["exit_code"] == signal.SIGKILL
    assert wait_for(lambda: not processes_with("sleep\x00945") and not processes_with("sleep\x00944"))


def test_a_killed_spawner_is_replaced(cluster: Cluster) -> None:
    node = cluster.node()
    assert node.process is not None
    cluster.controller.heard("register_node")
    (spawner,) = children(node.process.pid)
    os.kill(spawner, signal.SIGKILL)
    cluster.controller.heard("register_node", count=2)
    assert wait_for(lambda: node._answers())
    node.call("launch_batch_job", **batch(5, "exit 4"))
    assert cluster.controller.heard("complete_batch_job", job_id=5)["exit_code"] == 4 << 8


def test_a_second_slurmd_of_the_node_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    import subprocess
    import sys

    cluster.node()
    command = [sys.executable, "-m", "slurmpy.node.main", "-D", "-N", "n1", "-f", cluster.conf.path]
    done = subprocess.run(command, capture_output=True, timeout=20)
    assert done.returncode == 1
    assert done.stderr.startswith(b"slurmd: fatal: another slurmd of node n1 is running")


def test_kills_at_random_moments(cluster: Cluster) -> None:
    """60 jobs, each of which must run exactly once and be told of exactly as it ended, under 8 kills of slurmd."""
    node, log = cluster.node(), cluster.directory / "runs"
    log.touch()
    chance = random.Random(7)
    waiting = {number: batch(number, f"echo {number} >> {log}; exit {number}") for number in range(1, 61)}
    kills = 0

    def done() -> set[int]:
        return {args["job_id"] for name, args in list(cluster.controller.said) if name == "complete_batch_job"}

    end = time.monotonic() + 40
    while len(done()) < 60 and time.monotonic() < end:
        for number in chance.sample(sorted(waiting), min(8, len(waiting))):
            try:  # slurmctld launches again whatever it does not know to be launched
                node.call("launch_batch_job", **waiting[number])
            except Exception:
                break
            del waiting[number]
            if chance.random() < 0.25 and kills < 8:
                time.sleep(chance.random() * 0.02)
                node.kill()
                kills += 1
                node.start()
        time.sleep(0.01)
    assert done() == set(range(1, 61))
    assert kills >= 5
    assert sorted(map(int, log.read_text().split())) == list(range(1, 61))
    for name, args in cluster.controller.said:
        if name == "complete_batch_job":
            assert args["exit_code"] == args["job_id"] << 8


def test_a_launch_whose_caller_has_gone(cluster: Cluster) -> None:
    """slurmctld dies while its launch is under way; the next one asks again."""
    program = cluster.directory / "prolog"
    program.write_text("#!/bin/sh\nsleep 0.3\n")
    program.chmod(0o755)
    conf = Path(cluster.conf.path)
    conf.write_text(conf.read_text() + f"Prolog={program}\n")
    node, runs = cluster.node(), cluster.directory / "runs"
    message = batch(5, f"echo x >> {runs}")
    client = Client(Address(run_dir.slurmd_socket(cluster.conf, "n1"), what="slurmd"), cluster.conf)
    client._send("launch_batch_job", message)
    time.sleep(0.1)
    client.close()
    node.call("launch_batch_job", **message)
    cluster.controller.heard("complete_batch_job", job_id=5)
    node.call("launch_batch_job", **message)
    assert runs.read_text() == "x\n"
    assert not node.live()


def test_starting_clean(cluster: Cluster) -> None:
    """-c: what a former slurmd has left is ended and forgotten."""
    node = cluster.node()
    cluster.controller.heard("register_node")
    cluster.controller.stop()
    node.call("launch_batch_job", **batch(5, "exit 3"))
    node.call("launch_batch_job", **batch(6, "exec sleep 923"))
    assert wait_for(lambda: processes_with("sleep\x00923") and spool.ends(str(node.spool)))
    node.kill()
    node.start("-c")
    cluster.controller.start()
    assert cluster.controller.heard("register_node", 15.0)["steps"] == ()
    assert not processes_with("sleep\x00923")
    assert not node.live()
    assert spool.ends(str(node.spool)) == []


def test_news_go_out_as_soon_as_slurmctld_is_back(cluster: Cluster) -> None:
    node = cluster.node()
    cluster.controller.heard("register_node")
    cluster.controller.stop()
    node.call("launch_batch_job", **batch(5, "exit 4"))
    assert wait_for(lambda: spool.ends(str(node.spool)))
    time.sleep(2.0)  # by now it tries only every few seconds
    cluster.controller.start()
    began = time.monotonic()
    node.call("node_status", register=True)  # as slurmctld does when it comes back
    cluster.controller.heard("complete_batch_job", job_id=5)
    assert time.monotonic() - began < 0.5


def test_slurmstepds_are_used_again(cluster: Cluster) -> None:
    """One script after the other runs under the same slurmstepd; if it is killed in between, a new one takes over."""
    node = cluster.node()
    seen = []
    for number in (1, 2, 3):
        out = cluster.directory / f"out{number}"
        node.call(
            "launch_batch_job", **batch(number, "echo $PPID; ls -l /proc/$PPID/fd | wc -l", standard_output=str(out))
        )
        cluster.controller.heard("complete_batch_job", job_id=number)
        seen.append(tuple(map(int, out.read_text().split())))
        assert wait_for(lambda: len(list((node.spool / "ends").iterdir())) == 0)
        # slurmd has heard of the end before the spawner hears of the idle slurmstepd: it sleeps once it has said both
        stat = Path(f"/proc/{seen[-1][0]}/stat")
        assert wait_for(lambda stat=stat: stat.read_text().rpartition(")")[2].split()[0] == "S")
    assert len(set(seen)) == 1, "the same process, with no more descriptors than before"
    pid = seen[0][0]
    assert wait_for(lambda: b"slurmstepd" in Path(f"/proc/{pid}/comm").read_bytes())
    os.kill(pid, signal.SIGKILL)
    node.call("launch_batch_job", **batch(4, "exit 4"))
    assert cluster.controller.heard("complete_batch_job", job_id=4)["exit_code"] == 4 << 8
    assert node.process is not None
    (spawner,) = children(node.process.pid)
    assert wait_for(lambda: not children(spawner), 10.0), "idle ones end after a while"


def test_slurmd_and_spawner_killed_before_a_launch_is_visible(cluster: Cluster) -> None:
    """The slurmstepd goes on alone, and is found."""
    node, go = cluster.node(), cluster.directory / "go"
    assert node.process is not None
    (spawner,) = children(node.process.pid)
    runs = cluster.directory / "runs"
    for number in range(1, 11):
        message = batch(number, f"echo {number} >> {runs}; while [ ! -e {go} ]; do sleep 0.02; done; exit 4")
        client = Client(Address(run_dir.slurmd_socket(cluster.conf, "n1"), what="slurmd"), cluster.conf)
        client._send("launch_batch_job", message)
        time.sleep(number * 0.0007)
        os.kill(node.process.pid, signal.SIGKILL)
        os.kill(spawner, signal.SIGKILL)
        client.close()
        node.process.wait()
        node.start()
        node.call("launch_batch_job", **message)
        (spawner,) = children(node.process.pid)
    go.touch()
    for number in range(1, 11):
        assert cluster.controller.heard("complete_batch_job", job_id=number)["exit_code"] == 4 << 8
    assert sorted(map(int, runs.read_text().split())) == list(range(1, 11))
