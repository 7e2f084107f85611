"""Plays srun: `python step_runner.py slurm.conf SPEC`, SPEC being JSON {"job_id", "step_id", "nodes": {name: [task
ids]}, "options": {...}, "user": uid}. Run as root it signs the credential itself, as slurmctld would."""

from __future__ import annotations

import json
import os
import pwd
import sys
import time

from slurmpy.auth import credential
from slurmpy.cli.launch import LaunchOptions, run_step
from slurmpy.conf import run_dir, slurm_conf
from slurmpy.core.errors import SlurmError
from slurmpy.core.hostlist import compress
from slurmpy.rpc.cluster import Cluster


def main() -> int:
    conf = slurm_conf.load(sys.argv[1])
    spec = json.loads(sys.argv[2])
    uid = spec.get("user", os.geteuid())
    user = pwd.getpwuid(uid)
    nodes = spec["nodes"]
    holding = {name: {"cpus": len(tasks), "core_ids": [], "memory": 0, "gres": []} for name, tasks in nodes.items()}
    fields = {
        "job_id": spec["job_id"],
        "step_id": spec.get("step_id", 0),
        "restart_cnt": 0,
        "user_id": uid,
        "group_id": user.pw_gid,
        "user_name": user.pw_name,
        "group_name": "group",
        "nodes": compress(list(nodes)),
        "tasks_per_node": [len(tasks) for tasks in nodes.values()],
        "global_task_ids": list(nodes.values()),
        "allocation": holding,
        "job_allocation": holding,
        "job": {"job_id": spec["job_id"], "name": "test", "nodes": compress(list(nodes)), "node_count": len(nodes),
                "partition": "debug", "start_time": int(time.time()), "user_name": user.pw_name},
        "cpus_per_node": [[len(tasks), 1] for tasks in nodes.values()],
        "distribution": "cyclic",
    }  # fmt: skip
    fields.update(spec.get("forged", {}))
    signed = credential.sign(conf, fields)
    if spec.get("spoil"):
        signed = signed[:-1] + bytes([signed[-1] ^ 1])
    addresses = spec.get("addresses") or {
        name: {"unix": run_dir.slurmd_socket(conf, name), "host": "localhost", "port": 0} for name in nodes
    }
    reply = {**fields, "credential": signed, "node_addresses": addresses}
    if spec.get("become"):
        os.setgroups([user.pw_gid])
        os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
        os.setresuid(uid, uid, uid)
    options = {"cwd": os.getcwd(), "environment": {"PATH": "/usr/bin:/bin"}, **spec["options"]}
    try:
        return run_step(Cluster(conf), reply, LaunchOptions(**options))
    except SlurmError as error:
        for line in error.message.split("\n"):
            sys.stderr.write(f"srun: error: {line}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
