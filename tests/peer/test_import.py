"""The books of a real cluster taken over: sacct says the same of each job afterwards, field by field.

``SLURMPY_PEER`` says how a command of the real one is started, for instance ``chroot DIR env SLURM_CONF=...``. The
real cluster needs the accounts' root user and a node that runs jobs.
"""

import os
import shlex
import subprocess
import time

import pytest

from slurmpy.cli import import_slurmdbd, sacctmgr
from tests.accounting.dbd import running
from tests.accounting.test_import_text import NOT_RESTORED, ROUNDED, differences, printed

PEER = os.environ.get("SLURMPY_PEER", "")
pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(not PEER, reason="SLURMPY_PEER does not say how a real Slurm's commands are started"),
    pytest.mark.xdist_group("peer"),
]
#: of a step that was suspended: sacct tells only how long, and the stretch is put at the job's start
STRETCHES = {"Suspended"}
JOBS = (
    ["-J", "plain", "--wrap", "srun true; exit 3"],
    ["-J", "tab|bar", "--comment", "it's | a\nlong one", "--wrap", "srun -n1 cat /dev/null | sort"],
    ["-J", "array", "--array", "1,3-4%2", "--wrap", "exit $SLURM_ARRAY_TASK_ID"],
    ["-J", "waiting", "--array", "5-9", "--hold", "--wrap", "true"],
    ["-J", "parts", "--hold", "-n1", ":", "--hold", "-n1", "--wrap", "true"],
)
#: those of `JOBS` that run
RUN = 3


def real(*words: str, check: bool = True) -> str:
    done = subprocess.run(
        [*shlex.split(PEER), *words], capture_output=True, text=True, timeout=60, cwd="/", check=check
    )
    return done.stdout


def unfinished(ids: list[str]) -> str:
    """Jobs whose end slurmctld or the books do not know yet."""
    queue = real("squeue", "-h", "-r", "-o", "%i %T", "-j", ",".join(ids), check=False)
    rows = real("sacct", "-n", "-P", "-X", "-D", "-o", "jobid,state,end", "-j", ",".join(ids))
    return queue + "".join(f"{row}\n" for row in rows.splitlines() if row.endswith("|Unknown"))


def test_what_a_real_cluster_told_is_told_again(tmp_path, monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    ids = [
        real("sbatch", "--parsable", "--mem=50", "-D", "/tmp", "-o", "/dev/null", *job).strip().split(";")[0]
        for job in JOBS
    ]
    try:
        deadline = time.monotonic() + 120
        while states := unfinished(ids[:RUN]):
            assert time.monotonic() < deadline, f"the real cluster does not run its jobs: {states}"
            time.sleep(0.5)
    finally:
        real("scancel", *ids[RUN:], check=False)
    text = real("env", "TZ=UTC", "sacct", "-a", "-D", "-P", "-S", "2020-01-01", "--format=ALL", "-j", ",".join(ids))
    jobs, dump = tmp_path / "sacct.txt", tmp_path / "ref.cfg"
    jobs.write_text(text)
    dump.write_text(real("sh", "-c", "f=$(mktemp -u) && sacctmgr dump ref file=$f >/dev/null 2>&1; cat $f; rm -f $f"))
    (tmp_path / "books").mkdir()
    with running(tmp_path / "books") as daemon:
        import_slurmdbd.run([str(dump), str(jobs)], daemon.cluster, write=lambda said: None)
        found = differences(text, printed(daemon, "-j", ",".join(ids)), NOT_RESTORED | ROUNDED | STRETCHES)
        assert found == {}
        again = tmp_path / "again.cfg"
        assert daemon.run(sacctmgr, ["dump", "ref", f"file={again}"])[0] == 0
        assert again.read_text() == dump.read_text()
