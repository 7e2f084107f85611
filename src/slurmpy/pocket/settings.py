"""What the pocket cluster looks like: its slurm.conf, slurmdbd.conf and gres.conf."""

from __future__ import annotations

import os
import pwd
import re

from slurmpy.core.errors import SlurmError

from .directory import Directory


class Settings:
    """How many simulated nodes, and what each has. ``None`` for CPUs and memory is what the machine has."""

    def __init__(
        self,
        nodes: int = 1,
        cpus: int | None = None,
        memory: int | None = None,
        gres: str = "",
        features: str = "",
        name: str = "pocket",
    ) -> None:
        self.nodes = nodes
        self.cpus = cpus or len(os.sched_getaffinity(0))
        self.memory = memory or machine_memory()
        self.gres, self.features, self.name = gres, features, name
        if not 1 <= nodes <= 10000:
            raise SlurmError("SLURM_ERROR", f"--nodes: from 1 to 10000, not {nodes}")
        if not 1 <= self.cpus <= 65533:
            raise SlurmError("SLURM_ERROR", f"--cpus: from 1 to 65533, not {self.cpus}")
        if self.memory < 1:
            raise SlurmError("SLURM_ERROR", f"--memory: at least 1M, not {self.memory}")
        if gres and not re.fullmatch(r"[\w.-]+(:[\w.-]+)?(:\d+)?(,[\w.-]+(:[\w.-]+)?(:\d+)?)*", gres):
            raise SlurmError("SLURM_ERROR", f"--gres: not a list of NAME[:TYPE][:COUNT]: {gres}")
        if features and not re.fullmatch(r"[\w.=-]+(,[\w.=-]+)*", features):
            raise SlurmError("SLURM_ERROR", f"--features: not a list of names: {features}")

    @property
    def node_names(self) -> str:
        return "n1" if self.nodes == 1 else f"n[1-{self.nodes}]"

    def write(self, directory: Directory) -> None:
        """Writes the files. Raises SlurmError."""
        directory.write("slurm.conf", self.slurm_conf(directory))
        directory.write("slurmdbd.conf", self.slurmdbd_conf(directory))
        directory.write("gres.conf", self.gres_conf())
        if not os.path.exists(directory["jwt_hs256.key"]):
            directory.write("jwt_hs256.key", os.urandom(32).hex())

    def gres_conf(self) -> str:
        lines = []
        for item in filter(None, self.gres.split(",")):
            name, *rest = item.split(":")
            count = rest.pop() if rest and rest[-1].isdigit() else "1"
            kind = f" Type={rest[0]}" if rest else ""
            lines.append(f"Name={name}{kind} Count={count}\n")
        return "".join(lines)

    def slurm_conf(self, directory: Directory) -> str:
        user = pwd.getpwuid(os.geteuid()).pw_name
        host = os.uname().nodename
        gres_types = ",".join(dict.fromkeys(g.split(":")[0] for g in self.gres.split(",") if g))
        node = f"NodeName={self.node_names} NodeHostname={host} NodeAddr=127.0.0.1 CPUs={self.cpus}"
        node += f" RealMemory={self.memory}"
        if self.gres:
            node += f" Gres={self.gres}"
        if self.features:
            node += f" Features={self.features}"
        return f"""\
# The pocket cluster's slurm.conf, written by `slurmpy up`. It is yours to edit: `slurmpy down`, then the next command
# starts the cluster with it; `slurmpy up` with options writes it anew.
ClusterName={self.name}
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
CommunicationParameters=socket_dir={directory["run"]},no_tcp
AuthType=auth/slurm
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key={directory["jwt_hs256.key"]}
StateSaveLocation={directory["state"]}
SlurmdSpoolDir={directory["spool"]}/%n
SlurmctldPidFile={directory["run/slurmctld.pid"]}
SlurmdPidFile={directory["run"]}/slurmd-%n.pid
SlurmctldLogFile={directory["log/slurmctld.log"]}
SlurmdLogFile={directory["log"]}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU={max(1, self.memory // self.cpus)}
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0
PriorityType=priority/basic
ReturnToService=2
SlurmdParameters=config_overrides
MaxJobCount=200000
MaxArraySize=100001
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
AccountingStorageType=accounting_storage/slurmdbd
AccountingStoreFlags=job_comment,job_script,job_env
{f"GresTypes={gres_types}" if gres_types else "# GresTypes="}
{node} State=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""

    def slurmdbd_conf(self, directory: Directory) -> str:
        user = pwd.getpwuid(os.geteuid()).pw_name
        return f"""\
DbdHost=localhost
SlurmUser={user}
CommunicationParameters=socket_dir={directory["run"]},no_tcp
AuthType=auth/slurm
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key={directory["jwt_hs256.key"]}
StorageType=accounting_storage/sqlite
StorageLoc={directory["accounting.db"]}
LogFile={directory["log/slurmdbd.log"]}
PidFile={directory["run/slurmdbd.pid"]}
"""


def machine_memory() -> int:
    """The machine's memory in MiB, or the control group's limit if that is less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            with open(limit) as file:
                text = file.read().strip()
        except OSError:
            continue
        if text.isdigit():
            total = min(total, int(text))
    return max(1, total >> 20)
