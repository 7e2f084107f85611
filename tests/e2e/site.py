"""A cluster from a slurm.conf, with daemons of its own on TCP and unix sockets, and commands as several users."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from .cluster import BIN, foreign

CONF = """\
ClusterName=site{port}
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmdPort={slurmd}
SlurmUser={user}
SlurmdUser={user}
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key={base}/jwt.key
StateSaveLocation={base}/state
SlurmdSpoolDir={base}/spool-%n
SlurmctldPidFile={base}/slurmctld.pid
SlurmdPidFile={base}/slurmd-%n.pid
SlurmctldLogFile={base}/slurmctld.log
SlurmdLogFile={base}/slurmd-%n.log
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=100
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0
ReturnToService=2
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={dbd}
KillWait=2
SlurmdTimeout=6
{more}
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={n1} CPUs=4 RealMemory=4000 Features=a
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={n2} CPUs=4 RealMemory=4000 Features=b
PartitionName=DEFAULT MaxTime=INFINITE \\
  State=UP
PartitionName=debug Nodes=n[1-2] Default=YES
PartitionName=one Nodes=n1 MaxNodes=1
"""

DBD = """\
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={dbd}
SlurmUser={user}
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key={base}/jwt.key
StorageType=accounting_storage/sqlite
StorageLoc={base}/accounting.db
LogFile={base}/slurmdbd.log
PidFile={base}/slurmdbd.pid
"""


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, from below the range that outgoing connections take."""
    held, ports = [], []
    first = 20000 + os.getpid() * 37 % 9000
    for port in range(first, 32000):
        probe = socket.socket()
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            probe.close()
            continue
        held.append(probe)
        ports.append(port)
        if len(ports) == count:
            break
    for probe in held:
        probe.close()
    return ports


def as_user(name: str) -> list[str]:
    """What starts a program as `name`; it may still read the files of this test's environment, which may be root's
    alone."""
    entry = pwd.getpwnam(name)
    caps = "+dac_read_search"
    return ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--init-groups",
            f"--inh-caps={caps}", f"--ambient-caps={caps}"]  # fmt: skip


class Site:
    """`up()` starts the daemons, `run(..., user=NAME)` runs commands, `down()` ends all and says what was left."""

    def __init__(self, base: Path, more: str = "") -> None:
        self.base, self.more = base, more
        self.port, self.slurmd, self.dbd, self.n1, self.n2 = free_ports(5)
        names = {
            "base": base, "host": os.uname().nodename, "user": pwd.getpwuid(os.geteuid()).pw_name, "port": self.port,
            "slurmd": self.slurmd, "dbd": self.dbd, "n1": self.n1, "n2": self.n2, "more": more,
        }  # fmt: skip
        base.chmod(0o755)
        (base / "state").mkdir()
        (base / "slurm.conf").write_text(CONF.format(**names))
        (base / "slurmdbd.conf").write_text(DBD.format(**names))
        (base / "slurmdbd.conf").chmod(0o600)
        (base / "jwt.key").write_bytes(os.urandom(32))
        (base / "jwt.key").chmod(0o600)
        self.conf = str(base / "slurm.conf")
        self.environment = {k: v for k, v in os.environ.items() if not foreign(k)}
        self.environment |= {"PATH": f"{BIN}:{os.environ['PATH']}", "SLURM_CONF": self.conf, "TZ": "UTC"}
        self.environment |= {"LC_ALL": "C.UTF-8"}

    def run(
        self, *command: str, user: str = "", env: dict[str, str] | None = None, stdin: str = "", timeout: float = 60
    ):
        argv = [*(as_user(user) if user else []), *command]
        return subprocess.run(argv, env=self.environment | (env or {}), cwd="/tmp" if user else self.base, text=True,
                              input=stdin, capture_output=True, timeout=timeout)  # fmt: skip

    def ok(self, *command: str, **options) -> str:
        done = self.run(*command, **options)
        assert done.returncode == 0, f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def up(self) -> Site:
        self.ok("slurmdbd")
        self.ok("slurmctld")
        self.ok("slurmd", "-N", "n1")
        self.ok("slurmd", "-N", "n2")
        return self

    def pid(self, daemon: str) -> int:
        return int((self.base / f"{daemon}.pid").read_text())

    def processes(self) -> dict[int, str]:
        mark = f"SLURM_CONF={self.conf}".encode()
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    if mark in (entry / "environ").read_bytes().split(b"\0"):
                        found[int(entry.name)] = (entry / "cmdline").read_bytes().decode(errors="replace")
                except OSError:
                    continue
        return found

    def down(self) -> None:
        from .test_main_job import until

        for daemon in ("slurmctld", "slurmd-n1", "slurmd-n2", "slurmdbd"):
            try:
                os.kill(self.pid(daemon), signal.SIGTERM)
            except (OSError, ValueError):
                continue
        left = until(self.processes, lambda left: not left, 10)
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for place in (f"/run/slurmpy/site{self.port}-{self.port}", f"/run/slurmpy/slurmdbd-{self.dbd}"):
            shutil.rmtree(place, ignore_errors=True)
        assert not left, f"processes left behind: {left}"
