"""A whole slurmd of a user who is not root: run by test_site.py."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from slurmpy.core.errors import SlurmError
from tests.node.conftest import Cluster, batch
from tests.node.test_steps import Srun

cluster = Cluster(Path(sys.argv[1]))
cluster.controller.start()
node = cluster.node()
out = cluster.directory / "out"
node.call("launch_batch_job", **batch(5, "id -u; (setsid sleep 933 &); exit 3", standard_output=str(out)))
end = cluster.controller.heard("complete_batch_job", job_id=5)
assert end["exit_code"] == 3 << 8, end
assert out.read_text() == f"{os.geteuid()}\n"
with pytest.raises(SlurmError, match="only that user's jobs"):
    node.call("launch_batch_job", **batch(6, "true", uid=0))
assert Srun(cluster).run("sh", "-c", "echo hello") == (0, "hello\n", "")
cluster.close()
