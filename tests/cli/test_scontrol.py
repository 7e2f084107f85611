"""scontrol's commands: texts, streams, exit codes and requests as the reference's captures have them."""

from __future__ import annotations

import io
import json
import shlex
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from slurmpy.cli import connect, scontrol, scontrol_show, scontrol_update
from slurmpy.cli.errors import guarded
from slurmpy.conf import slurm_conf
from slurmpy.core.errors import SlurmError
from slurmpy.core.records.base import INFINITE
from slurmpy.rpc.cluster import Answer

GOLDEN = Path(__file__).parents[3] / "shared/reference/golden/slurm-24.11"

#: capture: how slurmctld answers its request
REFUSED = {
    "bob-release": "ESLURM_USER_ID_MISSING",
    "bob-show-script": "ESLURM_USER_ID_MISSING",
    "dave-op-node": "ESLURM_USER_ID_MISSING",
    "dave-op-part": "ESLURM_USER_ID_MISSING",
    "root-node-badfeature": "ESLURM_ACTIVE_FEATURE_NOT_SUBSET",
    "root-node-none": "ESLURM_INVALID_NODE_NAME",
    "root-node-powerdown": "ESLURM_INVALID_NODE_STATE",
    "root-node-resume-idle": "ESLURM_INVALID_NODE_STATE",
    "root-node-delete": "ESLURM_INVALID_NODE_NAME",
    "root-part-badacct": "ESLURM_INVALID_PARTITION_NAME",
    "root-part-badnode": "ESLURM_INVALID_NODE_NAME",
    "root-part-badqos": "ESLURM_INVALID_QOS",
    "root-part-del-inuse": "ESLURM_PARTITION_IN_USE",
    "root-part-del-none": "ESLURM_INVALID_PARTITION_NAME",
    "root-part-dup": "ESLURM_INVALID_PARTITION_NAME",
    "root-part-none": "ESLURM_INVALID_PARTITION_NAME",
    "root-resv-badacct": "ESLURM_INVALID_ACCOUNT",
    "root-resv-badlic": "ESLURM_INVALID_LICENSES",
    "root-resv-badnode": "ESLURM_INVALID_NODE_NAME",
    "root-resv-badpart": "ESLURM_INVALID_PARTITION_NAME",
    "root-resv-baduser": "ESLURM_USER_ID_MISSING",
    "root-resv-busy": "ESLURM_NODES_BUSY",
    "root-resv-del-active": "ESLURM_RESERVATION_BUSY",
    "root-resv-del-none": "ESLURM_RESERVATION_INVALID",
    "root-resv-dup": "ESLURM_RESERVATION_NAME_DUP",
    "root-resv-past": "ESLURM_INVALID_TIME_VALUE",
    "root-resv-toomany": "ESLURM_NODES_BUSY",
    "root-resv-upd-none": "ESLURM_RESERVATION_INVALID",
    "scontrol-create-resv": "ESLURM_USER_ID_MISSING",
    "scontrol-delete-part": "ESLURM_USER_ID_MISSING",
    "scontrol-delete-resv": "ESLURM_USER_ID_MISSING",
    "scontrol-hold-nojob": "ESLURM_INVALID_JOB_ID",
    "scontrol-hold-other": "ESLURM_USER_ID_MISSING",
    "scontrol-notify-nojob": "ESLURM_INVALID_JOB_ID",
    "scontrol-notify-other": "ESLURM_USER_ID_MISSING",
    "scontrol-reconfigure": "ESLURM_USER_ID_MISSING",
    "scontrol-release-admin": "ESLURM_ACCESS_DENIED",
    "scontrol-release-nojob": "ESLURM_INVALID_JOB_ID",
    "scontrol-requeue-nojob": "ESLURM_INVALID_JOB_ID",
    "scontrol-requeue-other": "ESLURM_ACCESS_DENIED",
    "scontrol-requeue-pending": "ESLURM_JOB_PENDING",
    "scontrol-resume": "ESLURM_ACCESS_DENIED",
    "scontrol-show-nojob": "ESLURM_INVALID_JOB_ID",
    "scontrol-show-array-bad": "ESLURM_INVALID_JOB_ID",
    "scontrol-show-nostep": "ESLURM_INVALID_JOB_ID",
    "scontrol-shutdown": "ESLURM_USER_ID_MISSING",
    "scontrol-suspend": "ESLURM_ACCESS_DENIED",
    "scontrol-suspend-nojob": "SLURM_UNEXPECTED_MSG_ERROR",
    "scontrol-token-user": "ESLURM_USER_ID_MISSING",
    "scontrol-top-other": "ESLURM_ACCESS_DENIED",
    "scontrol-upd-admincomment": "ESLURM_ACCESS_DENIED",
    "scontrol-upd-badacct": "ESLURM_INVALID_ACCOUNT",
    "scontrol-upd-badpart": "ESLURM_INVALID_PARTITION_NAME",
    "scontrol-upd-badqos": "ESLURM_INVALID_QOS",
    "scontrol-upd-dep": "ESLURM_DEPENDENCY",
    "scontrol-upd-done": "ESLURM_JOB_FINISHED",
    "scontrol-upd-gres": "ESLURM_INVALID_GRES",
    "scontrol-upd-node": "ESLURM_USER_ID_MISSING",
    "scontrol-upd-nojob": "ESLURM_INVALID_JOB_ID",
    "scontrol-upd-other": "ESLURM_USER_ID_MISSING",
    "scontrol-upd-part": "ESLURM_USER_ID_MISSING",
    "scontrol-upd-prio": "ESLURM_JOB_HELD",
    "scontrol-upd-running-nodes": "ESLURM_JOB_NOT_PENDING",
    "scontrol-wait": "ESLURM_INVALID_JOB_ID",
    "scontrol-write-batch-nojob": "ESLURM_INVALID_JOB_ID",
    "scontrol-write-batch-other": "ESLURM_USER_ID_MISSING",
    "scontrol-setdebug-user": ("ESLURM_ACCESS_DENIED", "Permission denied"),
}
#: captures whose command never gets to slurmctld
ALONE = (
    *("root-node-badkey", "root-node-badlist", "root-node-badstate", "root-node-badweight", "root-node-create"),
    *("root-node-noreason", "root-part-badkey", "root-part-badstate", "root-part-badtime", "root-resv-badflag"),
    *("root-resv-badkey", "root-resv-badtime", "root-resv-nonode", "root-resv-notime", "root-resv-nouser"),
    *("scontrol-abort", "scontrol-bad-command", "scontrol-bad-flag", "scontrol-bad-hostlist", "scontrol-bad-hostlist2"),
    *("scontrol-cluster-bad", "scontrol-create-bad", "scontrol-create-none", "scontrol-delete-none"),
    *("scontrol-errnumstr-bad", "scontrol-hold-none", "scontrol-hostlist-badfile", "scontrol-listpids-bad"),
    *("scontrol-notify", "scontrol-reboot", "scontrol-setdebug", "scontrol-setdebugflags", "scontrol-show-bad"),
    *("scontrol-show-badjob", "scontrol-show-nothing", "scontrol-token-bad", "scontrol-toomany", "scontrol-upd-bad"),
    *("scontrol-upd-badjob", "scontrol-upd-badkey", "scontrol-upd-badval", "scontrol-upd-begin"),
    *("scontrol-upd-jobonly", "scontrol-upd-nothing"),
)
SHOW = (
    *("errnumstr", "quiet", "schedloglevel", "show-hostlist", "show-hostlist-dup", "show-hostlistsorted"),
    *("show-hostnames", "show-hostnames-env", "show-hostnames-env2", "show-topoconf", "hugepages"),
    *("show-bbstat", "show-burstbuffer", "show-dwstat", "show-federation", "show-frontend", "show-topology"),
)


class FakeCluster:
    """Remembers what it is asked, and refuses everything with `error`, or answers from `replies` and `tables`."""

    def __init__(self, error: Any = None, replies: dict[str, Any] | None = None, tables: Any = None) -> None:
        self.error = error
        self.replies = replies or {}
        self.tables = tables or {}
        self.calls: list[tuple[str, dict[str, Any]]] = []

    @property
    def conf(self) -> Any:
        if GOLDEN.exists():
            return slurm_conf.load(str(GOLDEN / "slurm.conf"))
        raise AssertionError("no configuration here")

    def refuse(self) -> None:
        if self.error:
            raise SlurmError(*(self.error if isinstance(self.error, tuple) else (self.error,)))

    def call(self, method: str, args: dict[str, Any] | None = None) -> Any:
        self.calls.append((method, args or {}))
        self.refuse()
        return self.replies.get(method, {})

    def query(self, what: str, fields: Any = (), where: Any = None, **more: Any) -> Answer:
        self.refuse()
        columns = tuple(fields)
        rows = [tuple(row.get(name) for name in columns) for row in self.tables.get(what, ())]
        return Answer(columns, rows, {"now": 1795343000})


@pytest.fixture
def run(monkeypatch):
    def play(argv, cluster=None, env=None, stdin=""):
        monkeypatch.setattr(connect, "cluster", lambda *_: cluster or FakeCluster())
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = guarded("scontrol", scontrol.run, argv, env or {})
        return code, out.getvalue(), err.getvalue()

    return play


def captured(group: str, name: str) -> dict[str, Any]:
    for line in (GOLDEN / f"{group}.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["name"].split("/")[-1] == name:
            return record
    raise LookupError(name)


def replay(run, group: str, name: str, cluster: FakeCluster) -> None:
    record = captured(group, name)
    *directives, command = record["cmd"].split("\n")
    env = dict(line[5:].split("=", 1) for line in directives if line.startswith("#env "))
    code, out, err = run(shlex.split(command)[1:], cluster, env)
    assert (out, err, code) == (record["out"], record["err"], int(record["rc"]))


needs_golden = pytest.mark.skipif(not GOLDEN.exists(), reason="the reference captures are not beside the repository")


@needs_golden
@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refusals(run, name):
    replay(run, "errors", name, FakeCluster(REFUSED[name]))


@needs_golden
@pytest.mark.parametrize("name", ALONE)
def test_without_a_request(run, name):
    cluster = FakeCluster()
    replay(run, "errors", name, cluster)
    assert cluster.calls == []


@needs_golden
@pytest.mark.parametrize("name", SHOW)
def test_without_a_daemon(run, name):
    replay(run, "scontrol", name, FakeCluster("ESLURM_INVALID_JOB_ID"))


@needs_golden
@pytest.mark.parametrize(
    ("group", "name", "method", "request_"),
    [
        ("setup", "create-part", "create_partition",
         {"name": "temp", "changes": {"min_nodes": 1, "nodes": "n[1-2]", "max_time": 60, "state": "UP"}}),
        ("setup", "hold", "hold", {"job_id": "67", "user_hold": False}),
        ("final", "uhold", "hold", {"job_id": "69", "user_hold": True}),
        ("setup", "node-down", "update_node",
         {"names": ("n4",), "changes": {"state": "DOWN", "reason": "power failure"}}),
        ("setup", "part-mod-qos", "update_partition", {"name": "gpu", "changes": {"qos": "partqos"}}),
        ("setup", "requeue", "requeue", {"job_id": "12", "incomplete": False}),
        ("setup", "requeuehold", "requeue", {"job_id": "55", "hold": True, "special_exit": True}),
        ("setup", "suspend", "suspend", {"job_id": "43"}),
        ("setup", "upd-comment", "update_job", {"job_id": "66", "changes": {"comment": "changed", "name": "held2"}}),
        ("setup", "upd-timelimit", "update_job", {"job_id": "66", "changes": {"time_limit": 90}}),
        ("setup", "upd-node-comment", "update_node",
         {"names": ("n2",), "changes": {"comment": "rack 3", "extra": "x=1"}}),
        ("setup", "upd-node-feature", "update_node",
         {"names": ("n2",), "changes": {"active_features": ("amd",), "features": ("amd", "slow")}}),
        ("setup", "upd-node-weight", "update_node", {"names": ("n2",), "changes": {"weight": 21}}),
        ("setup", "upd-part-state", "update_partition", {"name": "inact", "changes": {"max_time": 100}}),
        ("setup", "resv-update", "update_reservation", {"name": "acct_resv", "changes": {"duration": 180}}),
        ("final", "resv-delete", "delete_reservation", {"name": "weekly_resv"}),
        ("final", "resv-delete2", "delete_reservation", {"name": "part_resv"}),
        ("errors", "scontrol-update-step", "update_step",
         {"job_id": "40", "step_id": 0, "changes": {"time_limit": 5}}),
    ],
)  # fmt: skip
def test_requests(run, group, name, method, request_):
    cluster = FakeCluster()
    replay(run, group, name, cluster)
    assert cluster.calls == [(method, request_)]


@needs_golden
@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("resv-acct", {"accounts": "physics", "duration": 120, "node_list": "n2", "flags": ("DAILY",)}),
        ("resv-float", {"users": "root", "duration": 60, "node_list": "n2", "flags": ("TIME_FLOAT", "MAINT")}),
        ("resv-lic", {"users": "carol", "duration": 60, "licenses": "ansys:1", "flags": ("ANY_NODES",)}),
        ("resv-part", {"users": "root", "duration": 30, "partition": "long", "node_list": "ALL",
                       "flags": ("PART_NODES", "OVERLAP")}),
        ("resv-tres", {"users": "bob", "duration": 30, "tres": "cpu=4"}),
        ("resv-user", {"users": "anna", "duration": 1440, "node_list": "n3", "core_count": 2}),
    ],
)  # fmt: skip
def test_reservations(run, name, wanted):
    named = captured("setup", name)["out"].split(": ")[1].strip()
    cluster = FakeCluster(replies={"create_reservation": {"name": named}})
    replay(run, "setup", name, cluster)
    changes = cluster.calls[0][1]["changes"]
    assert changes.pop("start_time") > 0
    assert changes == wanted


def test_purge_and_signs(run):
    cluster = FakeCluster()
    run(["update", "reservationname=r", "flags-=maint,daily", "users+=a,b", "flags+=purge_comp=1:00"], cluster)
    assert cluster.calls[0][1]["changes"] == {"users": "+a,+b", "flags": ("PURGE_COMP",), "purge_comp_time": 60}
    cluster = FakeCluster()
    run(["update", "res=r", "flags-=maint,daily"], cluster)
    assert cluster.calls[0][1]["changes"] == {"flags": ("NO_MAINT", "NO_DAILY")}


@pytest.mark.parametrize(
    ("limit", "words", "sent", "told"),
    [
        (60, "timelimit+=30", 90, ""),
        (60, "timelimit-=30", 30, ""),
        (60, "timelimit-=90", None, "scontrol: error: TimeLimit decrement larger than current time limit (90 > 60)\n"),
        (INFINITE, "timelimit+=1", None,
         "scontrol: error: Cannot increment/decrement TimeLimit when set to UNLIMITED.\n"),
    ],
)  # fmt: skip
def test_adding_to_a_limit(run, limit, words, sent, told):
    cluster = FakeCluster(tables={"jobs": [{"time_limit": limit}]})
    code, _, err = run(["update", "jobid=5", words], cluster)
    assert err == told
    assert code == (sent is None)
    assert [args["changes"] for _, args in cluster.calls] == ([{"time_limit": sent}] if sent is not None else [])


@pytest.mark.parametrize(
    ("word", "changes"),
    [
        ("numnodes=1-2", {"minimum_nodes": 1, "maximum_nodes": 2}),
        ("numcpus=2", {"minimum_cpus": 2}),
        ("nice", {"nice": 100}),
        ("nice=-5", {"nice": -5}),
        ("prio=-1", {"priority": INFINITE}),
        ("requeue=0", {"requeue": False}),
        ("gres=gpu:2", {"tres_per_node": "gres/gpu:2"}),
        ("switches=1@5", {"required_switches": 1, "wait_for_switch": 300}),
        ("oversubscribe=yes", {"shared": "oversubscribe"}),
        ("feat=a&b", {"constraints": "a&b"}),
        ("timel=1-0", {"time_limit": 1440}),
        ("stdout=x", {"standard_output": "x"}),
        ("starttime=2030-01-01", None),
    ],
)
def test_values_of_jobs(run, word, changes):
    cluster = FakeCluster()
    code, _, err = run(["update", "jobid=5", word], cluster)
    assert (code, err) == (0, "")
    sent = cluster.calls[0][1]["changes"]
    assert sent == changes if changes else sent["begin_time"] > 1_800_000_000


def test_results_of_arrays(run):
    results = (("62_0", 2084, "Job has already finished"), ("62_[1-2]", 0, "No error"))
    code, _, err = run(["hold", "62"], FakeCluster(replies={"hold": {"results": results}}))
    assert (code, err) == (1, "62_0: Job has already finished\n62_1-2: No error\n")


def test_several_jobs(run):
    cluster = FakeCluster()
    run(["release", "5,6_[1-3,5]", "7+1"], cluster)
    assert [args["job_id"] for _, args in cluster.calls] == ["5", "6_[1-3,5]", "7+1"]


def test_jobs_by_name(run):
    rows = [
        {"job_id": 4, "array_job_id": 0, "array_task_id": None},
        {"job_id": 6, "array_job_id": 5, "array_task_id": 1},
    ]
    cluster = FakeCluster(tables={"jobs": rows})
    assert run(["hold", "jobname=x"], cluster)[0] == 0
    assert [args["job_id"] for _, args in cluster.calls] == ["4", "5_1"]
    assert run(["hold", "jobname=x"], FakeCluster()) == (0, "", "")


@needs_golden
def test_a_session_of_commands(run):
    text = "version\nbogus\n\nerrnumstr 2017\n!!\nexit\nversion\n"
    code, out, err = run([], stdin=text)
    assert code == 1
    assert err == "invalid keyword: bogus\n"
    assert out == (
        "scontrol: version\nslurm 24.11.5\nscontrol: bogus\nscontrol: \nscontrol: errnumstr 2017\n"
        "Invalid job id specified\nscontrol: !!\nInvalid job id specified\nscontrol: exit\n"
    )


def test_quiet_says_nothing(run):
    assert run(["-Q", "show", "job", "5"], FakeCluster("ESLURM_INVALID_JOB_ID")) == (1, "", "")
    assert run(["-Q", "hold", "5"], FakeCluster("ESLURM_INVALID_JOB_ID")) == (1, "", "")


def test_write_batch_script(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cluster = FakeCluster(replies={"batch_script": {"script": "#!/bin/sh\ntrue\n"}})
    assert run(["write", "batch_script", "7", "-"], cluster) == (0, "#!/bin/sh\ntrue\n", "")
    assert run(["write", "batch_script", "7"], cluster)[1] == "batch script for job 7 written to slurm-7.sh\n"
    assert (tmp_path / "slurm-7.sh").read_text() == "#!/bin/sh\ntrue\n"


@pytest.mark.parametrize(
    ("word", "name"),
    [("al", "all"), ("de", "details"), ("del", "delete"), ("u", "update"), ("uh", "uhold"), ("req", "requeue"),
     ("requeueh", "requeuehold"), ("setdebugf", "setdebugflags"), ("se", "setdebug"), ("l", "listpids"),
     ("listj", "listjobs"), ("ping", "ping"), ("SHO", "show"), ("holdu", "holdu"), ("wa", "wait_job")],
)  # fmt: skip
def test_shortened_keywords(word, name):
    found = next(row[0] for row in scontrol.KEYWORDS if scontrol.matches(word, row[0], row[1]))
    assert found == name


@pytest.mark.parametrize(
    ("word", "name"),
    [("j", "jobs"), ("jobid", "jobid"), ("par", "partitions"), ("res", "reservations"), ("lic", "licenses"),
     ("hostl", "hostlist"), ("hostlistsorted", "hostlistsorted"), ("c", "config"), ("st", "steps"), ("no", "nodes")],
)  # fmt: skip
def test_shortened_entities(word, name):
    found = next(row[0] for row in scontrol_show.ENTITIES if scontrol.matches(word, row[0], row[1]))
    assert found == name


def test_every_key_finds_its_own_row():
    from slurmpy.cli.scontrol_create import PARTITION, RESERVATION
    from slurmpy.cli.scontrol_words import Given, find

    for rows in (scontrol_update.JOB, scontrol_update.NODE, PARTITION, RESERVATION):
        for row in rows:
            assert find(rows, Given(f"{row.name}=1")) is row
            assert 1 <= row.least <= len(row.name)


def test_help_names_every_keyword(run):
    code, out, err = run(["--help"])
    assert (code, err) == (0, "")
    for keyword, _, _ in scontrol.KEYWORDS:
        if keyword not in ("fsdampeningfactor", "getent", "power"):
            assert keyword in out


def test_nothing_of_that_name(run):
    assert run(["show", "job", "5"])[1:] == ("", "slurm_load_jobs error: Invalid job id specified\n")
    assert run(["show", "job", "5_1"])[:2] == (1, "Job 5_1 not found\n")
    assert "failed: Invalid job id specified" in run(["show", "step", "5.0"])[2]
    known = FakeCluster(tables={"jobs": [{"job_id": 5}]})
    assert run(["show", "step", "5.0"], known)[:2] == (1, "Job step 5.0 not found\n")
    assert run(["show", "step"])[:2] == (0, "No job steps in the system\n")


def test_another_user(run, monkeypatch):
    import os
    import pwd

    now = [4000]
    connected = []

    class Cluster(FakeCluster):
        def call(self, method, args=None):
            connected.append((method, now[0]))

    monkeypatch.setattr(os, "geteuid", lambda: now[0])
    monkeypatch.setattr(os, "setegid", lambda gid: None)
    monkeypatch.setattr(os, "seteuid", lambda uid: now.__setitem__(0, uid))
    root = pwd.getpwuid(0).pw_name
    update = ["update", "jobid=5", "comment=c"]
    assert run(["-u", root, *update], Cluster()) == (0, "", "")
    assert (connected, now) == ([("ping", 0), ("update_job", 4000)], [4000])
    assert run(["-u", root, "hold", "5"], Cluster()) == (0, "", "")  # only updates of jobs are that user's
    assert (connected[2:], now) == ([("hold", 4000)], [4000])
    told = 'scontrol: error: --uid="no-such-user" invalid\n'
    for words in (update, ["show", "job"]):
        assert run(["-u", "no-such-user", *words], Cluster()) == (1, "", told)

    def refuse(uid):
        raise PermissionError

    monkeypatch.setattr(os, "seteuid", refuse)
    assert "only root may act as 0" in run(["-u", "0", *update], Cluster())[2]
    assert len(connected) == 3
