"""Batch scripts on a real slurmd."""

from __future__ import annotations

from pathlib import Path

from .conftest import Cluster, batch


def test_a_job_runs_and_its_end_is_told(cluster: Cluster, tmp_path: Path) -> None:
    node = cluster.node()
    assert cluster.controller.heard("register_node")["name"] == "n1"
    node.call("launch_batch_job", **batch(7, "echo hello; echo problem >&2; exit 3", standard_output=f"{tmp_path}/out"))
    end = cluster.controller.heard("complete_batch_job", job_id=7)
    assert end["exit_code"] == 3 << 8
    assert end["epilog_complete"] is True
    assert (tmp_path / "out").read_text() == "hello\nproblem\n"
    assert end["usage"]["tasks"] == 1
