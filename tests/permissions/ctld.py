"""A cluster of real daemons whose books and jobs the tables slurmctld.tsv and slurmd.tsv speak of."""

from __future__ import annotations

import os
import pwd
import time
from pathlib import Path
from typing import Any

from slurmpy.auth import token
from slurmpy.conf import slurm_conf
from slurmpy.core.records.description import JobDescriptor
from slurmpy.core.states import NodeState
from slurmpy.rpc.cluster import Cluster
from tests.e2e.site import Site
from tests.e2e.test_main_job import until

from . import people

#: "away" is a user of another cluster only
KINDS = (*people.KINDS[:-1], "away", "none")
COLUMNS = (*KINDS, "unknown")
PRIVATE = "accounts,events,jobs,nodes,partitions,reservations,usage,users"
PRIVATE_BOOKS = "accounts,events,jobs,reservations,usage,users"
MORE = """\
AccountingStorageEnforce=associations
ScronParameters=enable
TrackWCKey=yes
PriorityType=priority/multifactor
PriorityWeightAge=1000
MessageTimeout=30
SlurmdTimeout=0
"""
# SlurmdTimeout: n2 has no slurmd, and what time does to it would count as a change that was made


class Permitted(Site):
    """slurmdbd, slurmctld as SlurmUser, a slurmd as root; `asked(...)` asks as any kind of user."""

    def __init__(self, base: Path, users: people.People) -> None:
        self.users, self.names = users, users.names
        super().__init__(base, MORE)
        slurm = pwd.getpwnam(self.names["slurm"])
        for name in ("slurm.conf", "slurmdbd.conf"):
            path = base / name
            path.write_text(path.read_text().replace("SlurmUser=root", f"SlurmUser={slurm.pw_name}"))
        for path in (base, base / "state", base / "jwt.key"):
            os.chown(path, slurm.pw_uid, slurm.pw_gid)
        self.client: Cluster | None = None
        self.setting = ""
        self.plain = Path(self.conf).read_text()
        (base / "tcp").mkdir()
        self.tcp = str(base / "tcp" / "slurm.conf")
        Path(self.tcp).write_text(f"{self.plain}CommunicationParameters=socket_dir={base}/nothing\n")

    def up(self) -> Permitted:
        self.ok("slurmdbd")
        self.start_slurmctld()
        self.fill()
        self.ok("slurmd", "-N", "n1")
        until(lambda: self.run("sinfo", "-h", "-n", "n1", "-o", "%t").stdout, lambda out: "idle" in out)
        self.users.start(self.conf, self.tcp)
        self.jobs()
        return self

    def start_slurmctld(self) -> None:
        self.ok("slurmctld", user=self.names["slurm"])  # who may read this environment, wherever it is

    def fill(self) -> None:
        names = self.names

        def change(*words: str) -> None:
            self.ok("sacctmgr", "-i", *words)

        change("add", "cluster", "away")
        for account, parent in (("top", "root"), ("acct", "top"), ("sub", "acct"), ("far", "root")):
            change("add", "account", account, f"parent={parent}", f"cluster=site{self.port}")
        change("add", "account", "far", "cluster=away")
        accounts = {
            "admin": "far", "operator": "far", "coord": "acct", "parent": "top", "elsewhere": "far",
            "owner": "acct,sub", "mate": "acct", "other": "far", "slurm": "far", "root": "far",
        }  # fmt: skip
        for kind, account in accounts.items():
            change("add", "user", names[kind], f"account={account}", f"cluster=site{self.port}")
        change("add", "user", names["away"], "account=far", "cluster=away")
        change("modify", "user", names["admin"], "set", "adminlevel=Administrator")
        change("modify", "user", names["operator"], "set", "adminlevel=Operator")
        for kind, account in (("coord", "acct"), ("parent", "top"), ("elsewhere", "far")):
            change("add", "coordinator", f"account={account}", f"names={names[kind]}")
        until(lambda: self.run("scontrol", "show", "assoc_mgr").stdout, lambda out: names["other"] in out)

    # -- jobs ----------------------------------------------------------------------------------------------------

    def submit(self, **fields: Any) -> int:
        description = JobDescriptor(
            name="j", account="acct", script="#!/bin/sh\nsleep 900\n", environment=("PATH=/usr/bin:/bin",),
            current_working_directory="/tmp", standard_output="/dev/null", memory_per_node=10, **fields,
        )  # fmt: skip
        answer = self.asked("owner", "submit_batch_job", {"descriptions": (description.to_wire(),)})
        assert answer[0] == "y", answer
        return int(answer[1]["job_id"])

    def jobs(self) -> None:
        """`running`, `waiting` (for its time), `held` (by an operator) and `done`, all of owner in acct."""
        self.running = self.submit(time_limit=60)
        self.waiting = self.submit(begin_time=int(time.time()) + 86400)
        self.held = self.submit(hold=True, begin_time=int(time.time()) + 86400)
        self.hold()
        self.done = self.submit(hold=True)
        self.cancel(self.done)
        until(
            lambda: self.run("squeue", "-h", "-o", "%T", "-j", str(self.running)).stdout, lambda out: "RUNNING" in out
        )
        for name, who in (
            ("owners", f"users={self.names['owner']}"),
            ("accts", "accounts=acct"),
            ("roots", "users=root"),
        ):
            self.ok("scontrol", "create", f"reservationname={name}", who, "nodes=n2", "duration=5", "flags=overlap",
                    "starttime=now+5days")  # fmt: skip

    def hold(self) -> None:
        self.cluster().call("release", {"job_id": str(self.held)})
        self.cluster().call("hold", {"job_id": str(self.held)})

    def set(self, setting: str) -> None:
        """ "" , "private" or "enable_user_top"."""
        if setting == self.setting:
            return
        text = self.plain
        if setting == "private":
            text += f"PrivateData={PRIVATE}\n"
        elif setting:
            text = text.replace("SchedulerParameters=", f"SchedulerParameters={setting},")
        Path(self.conf).write_text(text)
        self.cluster().call("reconfigure")
        dbd = self.base / "slurmdbd.conf"
        lines = [line for line in dbd.read_text().splitlines() if not line.startswith("PrivateData=")]
        dbd.write_text("\n".join([*lines, f"PrivateData={PRIVATE_BOOKS}"] if setting == "private" else lines) + "\n")
        self.cluster().slurmdbd.call("reconfigure")
        self.setting = setting

    # -- asking --------------------------------------------------------------------------------------------------

    def asked(
        self, kind: str, method: str, args: dict[str, Any], stream: bool = False, way: str = "unix",
        daemon: str = "slurmctld", jwt: str = "",
    ) -> tuple[str, Any]:  # fmt: skip
        """(error's name or "y", message or answer); by `way` "jwt" over TCP with the kind's token."""
        if way == "unix":
            return self.users.askers[kind].ask(self.conf, daemon, method, args, stream, jwt)
        name = self.names.get(kind, f"nobody-{os.getpid()}")
        jwt = jwt or token.create(slurm_conf.load(self.conf), name)
        return self.users.askers["none" if kind != "root" else "root"].ask(self.tcp, daemon, method, args, stream, jwt)

    def state(self) -> list[Any]:
        """All that a refused request must not have changed."""
        fields = (
            "job_id", "job_state", "state_reason", "priority", "nice", "comment", "admin_comment", "account", "qos",
            "partition", "name", "time_limit", "wckey", "extra", "hold",
        )  # fmt: skip
        asked = (("jobs", fields), ("reservations", ()), ("partitions", ()))
        found = [self.cluster().query(what, of, {"all": True}).rows for what, of in asked]
        nodes = self.cluster().query("nodes", ("name", "state", "reason")).rows
        # whether a node responds is nobody's request: it shows a moment after a reconfiguration that was allowed
        return [*found, [(name, state & ~NodeState.NOT_RESPONDING, reason) for name, state, reason in nodes]]

    def cluster(self) -> Cluster:
        """slurmctld as root asks it, without a command's start each time."""
        if self.client is None:
            self.client = Cluster(slurm_conf.load(self.conf), "test")
        return self.client

    def cancel(self, job: int) -> None:
        self.cluster().call("kill_job", {"job_id": str(job)})

    def end_jobs(self) -> None:
        self.set("")
        self.run("scancel", "-u", self.names["owner"])
        until(lambda: self.run("squeue", "-h", "-o", "%i").stdout, lambda out: not out, 30)

    def down(self) -> None:
        if self.client is not None:
            self.client.close()
        super().down()
