"""A pocket cluster of its own for a test, with real processes, and a look for what it left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

BIN = Path(sys.executable).parent


def foreign(name: str) -> bool:
    return name.startswith(("SLURM", "SBATCH", "SQUEUE", "SINFO", "SACCT", "SALLOC", "SRUN"))


class Pocket:
    """Commands run with `self.run`, in `self.home`; `down()` ends the cluster and says what it left."""

    def __init__(self, base: Path) -> None:
        self.home = base / "home"
        self.home.mkdir(parents=True)
        self.directory = base / "pocket"
        self.environment = {k: v for k, v in os.environ.items() if not foreign(k)}
        self.environment |= {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "SLURMPY_POCKET": str(self.directory),
            "TZ": "UTC",
            "LC_ALL": "C.UTF-8",
        }

    def start(self, *options: str) -> Pocket:
        self.ok("slurmpy", "up", *options)
        return self

    def popen(self, *command: str, **options: object) -> subprocess.Popen[str]:
        more = {"env": self.environment, "cwd": self.home, "text": True, "stdin": subprocess.DEVNULL, **options}
        return subprocess.Popen(command, **more)  # type: ignore[call-overload,no-any-return]

    def run(self, *command: str, env: dict[str, str] | None = None, stdin: str | None = None, timeout: float = 60):
        """The finished process, with its output as text."""
        return subprocess.run(
            command,
            env=self.environment | (env or {}),
            cwd=self.home,
            text=True,
            input=stdin or "",
            capture_output=True,
            timeout=timeout,
            errors="replace",
        )

    def ok(self, *command: str, **options) -> str:
        """Standard output of a command that must succeed."""
        done = self.run(*command, **options)
        assert done.returncode == 0, f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def submit(self, *options: str, script: str | None = None) -> str:
        """The id of a batch job."""
        return self.ok("sbatch", "--parsable", *options, stdin=script).strip()

    def wait(self, *jobs: str, timeout: float = 60) -> None:
        """Returns when the jobs have ended (by an event of slurmctld, not by looking again and again)."""
        for job in jobs:
            self.run("srun", "--quiet", f"--dependency=afterany:{job}", "-n1", "--mem=1", "true", timeout=timeout)

    def job(self, job: str) -> dict:
        """One job as squeue or scontrol shows it in JSON."""
        found = json.loads(self.ok("scontrol", "show", "job", job, "--json"))["jobs"]
        assert len(found) == 1
        return found[0]

    def state(self, job: str) -> str:
        return self.job(job)["job_state"][0]

    def pid(self, daemon: str) -> int:
        return int((self.directory / "run" / f"{daemon}.pid").read_text())

    # -- what is left --------------------------------------------------------------------------------------------

    def processes(self) -> dict[int, str]:
        """Every process that carries this pocket in its environment."""
        marks = (f"SLURMPY_POCKET={self.directory}".encode(), f"SLURM_CONF={self.directory}/slurm.conf".encode())
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                environment = (entry / "environ").read_bytes().split(b"\0")
                if any(mark in environment for mark in marks):
                    text = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    found[int(entry.name)] = text
            except OSError:
                continue
        return found

    def down(self) -> None:
        """Ends the cluster; fails if a process or socket stays."""
        self.run("slurmpy", "down", "--force")
        end = time.monotonic() + 10
        while (left := self.processes()) and time.monotonic() < end:
            time.sleep(0.05)
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        assert not left, f"processes left behind: {left}"
        sockets = [str(p) for p in self.directory.rglob("*.sock")] if self.directory.exists() else []
        assert not sockets, f"sockets left behind: {sockets}"
