"""A step whose node is reached over TCP, in both directions."""

from __future__ import annotations

import socket
from pathlib import Path

from .conftest import Cluster
from .test_steps import Srun


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def test_a_step_over_tcp(cluster: Cluster) -> None:
    conf, port = Path(cluster.conf.path), free_port()
    text = (
        conf.read_text()
        .replace(",no_tcp", "")
        .replace("NodeName=n[1-2]", f"NodeName=n1 NodeAddr=127.0.0.1 Port={port}")
    )
    conf.write_text(text.replace("Nodes=n[1-2]", "Nodes=n1"))
    there = {"addresses": {"n1": {"unix": None, "host": "127.0.0.1", "port": port}}}
    srun = Srun(cluster)
    code, out, err = srun.run("sh", "-c", "cat; echo $SLURM_SRUN_COMM_HOST >&2; exit 5", stdin=b"in\n", spec=there)
    assert (code, out) == (5, "in\n")
    assert err == "127.0.0.1\nsrun: error: n1: task 0: Exited with exit code 5\n"
    assert cluster.controller.heard("step_complete", job_id=5)["exit_code"] == 5 << 8
