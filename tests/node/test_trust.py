"""What a user says to slurmd is a user's word: it opens nothing that the user could not open."""

from __future__ import annotations

import os
import pwd
import resource
import socket
from typing import Any

import pytest

from slurmpy.auth import credential
from slurmpy.core.errors import SlurmError
from slurmpy.node import spool

from .conftest import STEP_BATCH, Cluster, batch, wait_for

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="rights of another user need root")


def launch(cluster: Cluster, uid: int, io: dict[str, Any], signed: bytes | None = None, **wish: Any) -> Any:
    user = pwd.getpwuid(uid)
    holding = {"n1": {"cpus": 1, "core_ids": (), "memory": 0, "gres": ()}}
    fields = {
        "job_id": 9, "step_id": 0, "restart_cnt": 0, "user_id": uid, "group_id": user.pw_gid, "user_name": user.pw_name,
        "nodes": "n1", "tasks_per_node": (1,), "global_task_ids": ((0,),), "allocation": holding, "job": {"job_id": 9},
        "cpus_per_node": ((1, 1),),
    }  # fmt: skip
    signed = credential.sign(cluster.conf, fields) if signed is None else signed
    step = {"arguments": ("true",), "environment": ("PATH=/usr/bin:/bin",), **wish}
    return cluster.node().call("launch_tasks", step=step, credential=signed, io=io)


@as_root
def test_a_socket_of_roots_is_not_opened_for_a_user(cluster: Cluster) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    path = str(cluster.directory / "private.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        listener.setblocking(False)
        os.chmod(path, 0o600)
        with pytest.raises(SlurmError, match="could not connect IO"):
            launch(cluster, nobody, {"unix": path, "tcp": None, "key": b"k" * 32})
        with pytest.raises(BlockingIOError):
            listener.accept()
    end = cluster.controller.heard("step_complete", job_id=9)
    assert end["exit_code"] == 1 << 8


@pytest.mark.parametrize("signed", [b"", b"x" * 100, 5])
def test_credentials_that_are_none(cluster: Cluster, signed: Any) -> None:
    with pytest.raises(SlurmError):
        launch(cluster, os.geteuid(), {"unix": None, "tcp": None, "key": b""}, signed)
    batch_credential = credential.sign(cluster.conf, {"job_id": 9, "user_id": os.geteuid(), "node": "n1"})
    with pytest.raises(SlurmError, match="credential"):
        launch(cluster, os.geteuid(), {"unix": None, "tcp": None, "key": b""}, batch_credential)


def test_hard_limits_are_not_raised(cluster: Cluster) -> None:
    out = cluster.directory / "out"
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    cluster.node().call("launch_batch_job", **batch(5, "ulimit -Hn; ulimit -Sn", standard_output=str(out),
                        rlimits={"RLIMIT_NOFILE": 1 << 40, "RUSAGE_SELF": 0}))  # fmt: skip
    cluster.controller.heard("complete_batch_job", job_id=5)
    assert out.read_text() == f"{hard}\n{hard}\n"


def test_a_pipe_that_nobody_reads_blocks_nothing(cluster: Cluster) -> None:
    pipe = cluster.directory / "pipe"
    os.mkfifo(pipe)
    cluster.node().call("launch_batch_job", **batch(5, "echo x", standard_output=str(pipe)))
    assert cluster.controller.heard("complete_batch_job", job_id=5)["exit_code"] == 53


def test_the_spool_directory_is_closed(cluster: Cluster) -> None:
    node = cluster.node()
    node.call("launch_batch_job", **batch(5, "sleep 20"))
    path = spool.socket_path(str(node.spool), 5, STEP_BATCH, 0)
    assert wait_for(lambda: os.path.exists(path))
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert os.stat(node.spool / "ends").st_mode & 0o777 == 0o700
    assert os.stat(node.spool / "job00005").st_mode & 0o777 == 0o700
    node.call("terminate_job", job_id=5, restart_cnt=0, reason="cancelled", kill_wait=1)
    cluster.controller.heard("epilog_complete", job_id=5)
