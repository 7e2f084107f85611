"""Records out of the golden captures of Slurm 24.11, a cluster that answers from them, and the comparison.

The JSON captures were taken within seconds of the tables, so formatting their records must give those tables, but for
times.
"""

from __future__ import annotations

import functools
import importlib.util
import io
import json
import os
import pathlib
import pwd
import re
import shlex
import sys
from contextlib import redirect_stderr, redirect_stdout
from types import ModuleType
from typing import Any

import pytest

from slurmpy.cli.errors import guarded
from slurmpy.core import hostlist
from slurmpy.core.records.base import Record
from slurmpy.core.records.cluster import NodeInfo, PartitionInfo, ReservationInfo
from slurmpy.core.records.job import JobInfo, StepInfo
from slurmpy.core.states import JobState
from slurmpy.rpc.cluster import Answer

SHARED = pathlib.Path(__file__).parents[3] / "shared"
GOLDEN = SHARED / "reference/golden/slurm-24.11"
MISSING = "" if GOLDEN.is_dir() else f"the reference outputs are not at {GOLDEN}"

USERS = {"root": 0, "anna": 5001, "bob": 5002, "carol": 5003, "dave": 5004, "eve": 5005}


@functools.cache
def captures(group: str) -> dict[str, dict[str, Any]]:
    with (GOLDEN / f"{group}.jsonl").open(encoding="utf-8") as lines:
        return {record["name"]: record for record in map(json.loads, lines)}


@functools.cache
def document(group: str, name: str) -> Any:
    return json.loads(captures(group)[name]["out"])


@functools.cache
def normaliser() -> ModuleType:
    folder = str(SHARED / "fidelity")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location("normalise", f"{folder}/normalise.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def normal(text: str) -> str:
    """A text without what two runs print differently."""
    return str(normaliser().output(text))


@functools.cache
def parser() -> Any:
    from slurmpy.data_parser import registry

    return registry.get("v0.0.42")


@functools.cache
def now() -> int:
    """When the records were taken."""
    steps = document("squeue", "json-s")["steps"]
    step = next(one for one in steps if one["id"] == "40.batch")
    return int(step["time"]["start"]["number"] + step["time"]["running"]["number"])


@functools.cache
def jobs() -> list[JobInfo]:
    """All jobs of the scenario, in the controller's order; those that live as `squeue --json` shows them."""
    live = {one["job_id"]: one for one in document("squeue", "json")["jobs"]}
    every = document("scontrol", "show-job-json")["jobs"]
    return [as_asked(parser().parse("job_info", live.get(one["job_id"], one))) for one in every]


def as_asked(job: JobInfo) -> JobInfo:
    """The job with the patterns of its files, which the JSON shows filled in."""
    if not job.batch_flag:
        return job.copy(standard_output="", standard_error="", standard_input="")
    pattern = {"arr": "arr_%A_%a.out", "out": "out_%x_%j.txt", "err": "err_%j.txt"}
    values = {}
    for name in ("standard_output", "standard_error"):
        first = pathlib.PurePath(getattr(job, name)).name.split("_")[0]
        values[name] = pattern.get(first, "") if name == "standard_output" or first == "err" else ""
    return job.copy(standard_input="", **values)


@functools.cache
def steps() -> list[StepInfo]:
    found = []
    owners = {job.job_id: job for job in jobs()}
    for one in document("squeue", "json-s")["steps"]:
        step = parser().parse("step_info", one)
        owner = owners[step.job_id]
        found.append(step.copy(user_id=owner.user_id, user_name=owner.user_name))
    return found


@functools.cache
def nodes() -> list[NodeInfo]:
    return [parser().parse("node", one) for one in document("scontrol", "json-show-node")["nodes"]]


@functools.cache
def partitions() -> list[PartitionInfo]:
    """What the JSON of a partition leaves out is in the text of the same moment."""
    texts = dict(
        (match[1], dict(re.findall(r"(\w+)=(\S*)", block)))
        for block in captures("scontrol")["show-partition"]["out"].split("\n\n")
        if (match := re.match(r"PartitionName=(\S+)", block))
    )
    found = []
    for one in document("scontrol", "json-show-partition")["partitions"]:
        partition = parser().parse("partition_info", one)
        text = texts[partition.name]
        found.append(
            partition.copy(
                default=text["Default"] == "YES",
                hidden=text["Hidden"] == "YES",
                root_only=text["RootOnly"] == "YES",
                oversubscribe=text["OverSubscribe"],
                preempt_mode=text["PreemptMode"],
                nodes=text["Nodes"] if text["Nodes"] != "(null)" else "",
            )
        )
    return found


@functools.cache
def reservations() -> list[ReservationInfo]:
    read = document("scontrol", "json-show-reservation")["reservations"]
    found = [parser().parse("reservation_info", one) for one in read]
    return [one.copy(state="ACTIVE" if one.start_time <= now() < one.end_time else "INACTIVE") for one in found]


@functools.cache
def priorities() -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """The rows of sprio, out of its captures of single columns."""

    def column(letter: str) -> list[str]:
        name = f"o-{letter}_" if letter.isupper() else f"o-{letter}"
        return captures("sprio")[name]["out"].split("\n")[1:-1]

    factors = {"age": "a", "assoc": "b", "fairshare": "f", "jobsize": "j", "partition": "p", "qos": "q"}
    weights = {"age": 1000, "assoc": 0, "fairshare": 10000, "jobsize": 1000, "partition": 2000, "qos": 5000}
    columns = (
        "job_id", "partition", "user_name", "user_id", "account", "qos", "cluster", "nice", "site", "priority", "tres",
        *factors, *(f"{name}_weighted" for name in factors),
    )  # fmt: skip
    texts = {letter: column(letter) for letter in "iruonNSY" + "".join(factors.values())}
    rows = []
    for place, number in enumerate(texts["i"]):
        values = [float(texts[letter][place]) for letter in factors.values()]
        user = texts["u"][place]
        rows.append((
            int(number), texts["r"][place], user, USERS[user], texts["o"][place], texts["n"][place], "ref",
            int(texts["N"][place]), int(texts["S"][place]), int(texts["Y"][place]), "",
            *values, *(value * weight for value, weight in zip(values, weights.values(), strict=True)),
        ))  # fmt: skip
    return columns, rows


class Conf:
    ClusterName = "ref"
    PriorityType = "priority/multifactor"
    PriorityWeightAge = 1000
    PriorityWeightAssoc = 0
    PriorityWeightFairShare = 10000
    PriorityWeightJobSize = 1000
    PriorityWeightPartition = 2000
    PriorityWeightQOS = 5000
    PriorityWeightTRES = ""
    AccountingStorageType = "accounting_storage/slurmdbd"
    path = "/dev/null"


class GoldenCluster:
    """Answers queries from the golden records, with the controller's filters."""

    conf = Conf()

    def __init__(self, root: bool = True, users: tuple[str, ...] = ()) -> None:
        self.root = root
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    def query(self, what: str, fields: Any = (), where: dict[str, Any] | None = None, **more: Any) -> Answer:
        where = where or {}
        if what == "priority":
            columns, found = priorities()
            jobs_asked = {one[0] for one in where["job_ids"]} if "job_ids" in where else None
            rows = [
                row for row in found
                if (jobs_asked is None or row[0] in jobs_asked) and ("users" not in where or row[3] in where["users"])
            ]  # fmt: skip
            return Answer(columns, rows, {"now": now()})
        source: dict[str, Any] = {
            "jobs": jobs, "steps": steps, "nodes": nodes, "partitions": partitions, "reservations": reservations,
        }  # fmt: skip
        records = [record for record in source[what]() if getattr(self, f"_{what}")(record, where)]
        self.asked.append((what, tuple(fields)))
        meta = {"now": now(), "last_update": now()}
        columns = tuple(fields)
        rows = [tuple(getattr(one, name) for name in columns) for one in records]
        if more.get("constants") and rows:
            # as slurmctld: what is the same in all rows is told once
            same = {name: rows[0][at] for at, name in enumerate(columns) if len({row[at] for row in rows}) == 1}
            meta["constants"] = same  # type: ignore[assignment]
            columns = tuple(name for name in columns if name not in same)
            rows = [tuple(getattr(one, name) for name in columns) for one in records]
        return Answer(columns, rows, meta)

    def _hidden(self, partition: str, where: dict[str, Any]) -> bool:
        return not self.root and not where.get("all") and partition == "hidden"

    def _jobs(self, job: JobInfo, where: dict[str, Any]) -> bool:
        if self._hidden(job.partition, where):
            return False
        if "job_ids" in where and not any(self._is(job, one) for one in where["job_ids"]):
            return False
        if "states" in where:
            base, flags = job.job_state & JobState.BASE, job.job_state & ~JobState.BASE
            if where.get("exact"):
                base = job.job_state
            if not any(base == state or flags & state for state in where["states"]):
                return False
        checks = {
            "users": lambda: job.user_id in where["users"],
            "partitions": lambda: not set(job.partition.split(",")).isdisjoint(where["partitions"]),
            "accounts": lambda: job.account in where["accounts"],
            "qos": lambda: job.qos in where["qos"],
            "names": lambda: job.name in where["names"],
            "reservations": lambda: job.resv_name in where["reservations"],
            "licenses": lambda: bool({one.split(":")[0] for one in job.licenses.split(",")} & set(where["licenses"])),
            "nodes": lambda: bool(set(hostlist.expand(job.nodes) if job.nodes else ()) & set(where["nodes"])),
        }
        return all(check() for name, check in checks.items() if name in where)

    @staticmethod
    def _is(job: JobInfo, wanted: tuple[int, int | None, int | None]) -> bool:
        number, task, _ = wanted
        if task is None:
            return number in (job.job_id, job.array_job_id, job.het_job_id)
        if job.array_job_id != number:
            return False
        from slurmpy.core.intervals import IntervalSet

        waiting = job.array_task_string
        return job.array_task_id == task or bool(waiting and task in IntervalSet.parse(waiting))

    def _steps(self, step: StepInfo, where: dict[str, Any]) -> bool:
        if "job_ids" in where and step.job_id not in {one[0] for one in where["job_ids"]}:
            return False
        return "step" not in where or (step.job_id, step.step_id) in where["step"]

    def _nodes(self, node: NodeInfo, where: dict[str, Any]) -> bool:
        return "names" not in where or node.name in where["names"]

    def _partitions(self, partition: PartitionInfo, where: dict[str, Any]) -> bool:
        if "names" in where and partition.name not in where["names"]:
            return False
        return self.root or where.get("all") or not partition.hidden

    def _reservations(self, reservation: Record, where: dict[str, Any]) -> bool:
        return True


def command(record: dict[str, Any]) -> tuple[str, dict[str, str], str]:
    """User, environment and command line of a capture."""
    user, env, lines = "root", {}, []
    for line in record["cmd"].split("\n"):
        if line.startswith("#user "):
            user = line.split()[1]
        elif line.startswith("#env "):
            name, _, value = line[5:].partition("=")
            env[name] = value
        else:
            lines.append(line)
    return user, env, "\n".join(lines)


def play(module: Any, record: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> tuple[int, str, str]:
    """Exit code, output and errors of a capture's command over the golden records."""
    user, env, text = command(record)
    monkeypatch.setattr(os, "getuid", lambda: USERS[user])
    real = pwd.getpwnam

    def getpwnam(name: str) -> Any:
        if name in USERS:
            return pwd.struct_passwd((name, "x", USERS[name], 5000, "", "/", "/bin/sh"))
        return real(name)

    monkeypatch.setattr(pwd, "getpwnam", getpwnam)
    argv = shlex.split(text)
    pieces: list[bytes] = []
    out, err = io.StringIO(), io.StringIO()
    cluster = GoldenCluster(root=user == "root")
    with redirect_stdout(out), redirect_stderr(err):
        code = guarded(argv[0], lambda a, e: module.run(a, e, cluster, pieces.append), argv[1:], env)
    return code, b"".join(pieces).decode() + out.getvalue(), err.getvalue()
