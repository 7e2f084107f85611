"""A real slurmdbd in a directory of its own, and the commands against it within the test's process."""

from __future__ import annotations

import contextlib
import io
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from slurmpy.cli.errors import guarded
from slurmpy.conf import slurm_conf
from slurmpy.rpc.cluster import Cluster

from .servers import storage_lines

SLURM_CONF = """\
ClusterName=ref
SlurmctldHost=ctl(127.0.0.1)
StateSaveLocation={place}/state
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
CommunicationParameters=socket_dir={place}/run,no_tcp
TrackWCKey=yes
NodeName=n[1-5] CPUs=8
PartitionName=debug Nodes=n[1-5] Default=YES
"""
SLURMDBD_CONF = """\
DbdHost=localhost
{storage}LogFile={place}/slurmdbd.log
CommunicationParameters=socket_dir={place}/run,no_tcp
SlurmUser={user}
TrackWCKey=yes
"""

TRES = (
    "cpu=48,mem=144000,energy=0,node=5,billing=66,fs/disk=0,vmem=0,pages=0,gres/gpu=6,gres/gpu:a100=4,gres/gpumem=0,"
    "gres/gpuutil=0,license/matlab=4"
)


class Slurmdbd:
    """The daemon in `place`; `start`, `kill` and `stop` may follow one another."""

    def __init__(self, place: Path, kind: str = "sqlite", server: Any = None) -> None:
        import pwd

        self.place = place
        user = pwd.getpwuid(os.geteuid()).pw_name
        (place / "slurm.conf").write_text(SLURM_CONF.format(place=place))
        conf = place / "slurmdbd.conf"
        conf.write_text(SLURMDBD_CONF.format(place=place, user=user, storage=storage_lines(kind, place, server)))
        conf.chmod(0o600)
        self.process: subprocess.Popen[bytes] | None = None
        self._cluster: Cluster | None = None

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "SLURM_CONF": str(self.place / "slurm.conf"), "TZ": "UTC"}

    def start(self) -> None:
        """Returns when it answers."""
        reader, writer = os.pipe()
        code = "import sys; from slurmpy.accounting.main import run; sys.exit(run(['-D']))"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            env={**self.environment, "SLURMPY_READY_FD": str(writer)},
            pass_fds=(writer,),
            stderr=subprocess.PIPE,
        )
        os.close(writer)
        ready, _, _ = select.select([reader], [], [], 30)
        said = os.read(reader, 100) if ready else b""
        os.close(reader)
        if not said:
            self.process.kill()
            _, errors = self.process.communicate()
            raise RuntimeError(errors.decode())
        self._cluster = None

    def kill(self) -> None:
        """As a crash: nothing is written any more."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()
        self.process = None

    def stop(self) -> int:
        if self.process is None:
            return 0
        self.process.terminate()
        self.process.communicate(timeout=30)
        code = self.process.returncode
        self.process = None
        return code

    @property
    def cluster(self) -> Cluster:
        if self._cluster is None:
            self._cluster = Cluster(slurm_conf.load(str(self.place / "slurm.conf")), "test")
        return self._cluster

    def call(self, method: str, **args: Any) -> Any:
        return self.cluster.slurmdbd.call(method, args)

    def rows(self, what: str, fields: Sequence[str], where: Mapping[str, Any] | None = None, **more: Any) -> list[Any]:
        return self.cluster.slurmdbd.query(what, fields, dict(where or {}), **more).rows

    def register(self) -> None:
        self.call(
            "register_controller",
            cluster="ref",
            host="127.0.0.1",
            port=7117,
            tres=TRES,
            nodes="n[1-5]",
            tres_types=("gres/gpu", "gres/gpu:a100", "gres/gpumem", "gres/gpuutil", "license/matlab"),
            time=int(time.time()),
        )

    def run(self, module: Any, words: Sequence[str], stdin: str = "") -> tuple[int, str, str]:
        """(exit code, standard output, standard error) of a command within this process."""
        out, err = io.StringIO(), io.StringIO()
        saved, before = os.dup(1), sys.stdin
        with tempfile.TemporaryFile() as raw, tempfile.TemporaryFile("w+") as given:
            given.write(stdin)
            given.seek(0)
            sys.stdin = given  # type: ignore[assignment]
            os.dup2(raw.fileno(), 1)  # documents are written to the descriptor
            try:
                with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                    name = module.__name__.rpartition(".")[2]
                    code = guarded(
                        name, lambda argv, env: module.run(argv, env, cluster=self.cluster), words, self.environment
                    )
            finally:
                os.dup2(saved, 1)
                os.close(saved)
                sys.stdin = before
            raw.seek(0)
            return code, out.getvalue() + raw.read().decode(), err.getvalue()


@contextlib.contextmanager
def running(place: Path, kind: str = "sqlite", server: Any = None) -> Iterator[Slurmdbd]:
    daemon = Slurmdbd(place, kind, server)
    daemon.start()
    try:
        yield daemon
    finally:
        daemon.stop()


def job(number: int, submit: int = 1_700_000_000, **fields: Any) -> dict[str, Any]:
    """The items' common part for a small job."""
    return {
        "job_id": number,
        "submit_time": submit,
        "name": f"job{number}",
        "user_id": os.getuid(),
        "user_name": "root",
        "account": "root",
        "association_id": 2,
        "partition": "debug",
        "qos": "normal",
        "eligible_time": submit,
        "required_cpus": 1,
        "tres_requested": "cpu=1,mem=100M,node=1,billing=1",
        "time_limit": 60,
        **fields,
    }


def start_and_end(number: int, submit: int = 1_700_000_000, **fields: Any) -> tuple[dict[str, Any], ...]:
    """A job of ten seconds with a batch step: what slurmctld sends of it."""
    common = job(
        number, submit, nodes="n1", tres_allocated="cpu=1,mem=100M,node=1,billing=1", allocation_nodes=1, **fields
    )
    key = {"job_id": number, "submit_time": submit}
    return (
        {"kind": "job_start", **common, "job_state": 1, "start_time": submit + 1, "end_time": 0},
        {"kind": "step_start", **key, "step_id": 0xFFFFFFFB, "name": "batch", "start_time": submit + 1, "job_state": 1,
         "nodes": "n1", "node_count": 1, "number_tasks": 1, "tres_allocated": "cpu=1,mem=100M,node=1"},
        {"kind": "step_complete", **key, "step_id": 0xFFFFFFFB, "end_time": submit + 11, "job_state": 3,
         "user_cpu_usec": 2000, "system_cpu_usec": 500},
        {"kind": "job_complete", **key, "job_state": 3, "end_time": submit + 11, "exit_code": 0},
    )  # fmt: skip
