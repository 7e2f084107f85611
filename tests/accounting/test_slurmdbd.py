"""slurmdbd as a process: what it confirms it keeps, whoever asks sees what they may, and bad input hurts nobody."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slurmpy.cli import sacct, sacctmgr
from slurmpy.core.errors import SlurmError

from .dbd import Slurmdbd, job, running, start_and_end
from .servers import DATABASES


@pytest.fixture(scope="module", params=DATABASES)
def dbd(request: pytest.FixtureRequest) -> Iterator[Slurmdbd]:
    # not below pytest's own directory, which every run of pytest closes to other users again
    with tempfile.TemporaryDirectory(prefix="slurmdbd-") as place:
        os.chmod(place, 0o755)
        with running(Path(place), request.param) as daemon:
            daemon.register()
            yield daemon


def send(daemon: Slurmdbd, items: Any, first: int = 1) -> int:
    return int(daemon.call("records", cluster="ref", first_seq=first, items=tuple(items))["confirmed"])


def test_records_and_their_repeats(dbd: Slurmdbd) -> None:
    items = [item for number in range(100, 150) for item in start_and_end(number)]
    assert send(dbd, items, 10) == 10 + len(items) - 1
    send(dbd, reversed(items), 10)
    where = {"jobs": tuple((number, None, None, None) for number in range(100, 150))}
    rows = dbd.rows("jobs", ("job_id", "job_state", "end_time", "user_cpu_usec"), where, step_fields=("name",))
    assert rows == [(number, 3, 1_700_000_011, 2000, (("batch",),)) for number in range(100, 150)]


def test_a_requeued_job_has_a_record_for_each_run(dbd: Slurmdbd) -> None:
    first, second = start_and_end(200), start_and_end(200, 1_700_000_100)
    send(dbd, (*first[:3], {**first[3], "job_state": 0x400, "end_time": 1_700_000_011}, *second))
    where: dict[str, Any] = {"jobs": ((200, None, None, None),)}
    assert dbd.rows("jobs", ("submit_time",), where) == [(1_700_000_100,)]
    where["duplicates"] = True
    assert dbd.rows("jobs", ("submit_time", "job_state"), where) == [(1_700_000_000, 0x400), (1_700_000_100, 3)]


def test_time_selection(dbd: Slurmdbd) -> None:
    base = 1_710_000_000
    send(dbd, start_and_end(300, base))
    send(dbd, ({"kind": "job_start", **job(301, base + 50), "job_state": 1, "start_time": base + 60},))
    send(dbd, ({"kind": "job_start", **job(302, base + 50), "job_state": 0, "start_time": 0},))

    def found(**where: Any) -> list[int]:
        return [row[0] for row in dbd.rows("jobs", ("job_id",), {"names": ("job300", "job301", "job302"), **where})]

    assert found(start=base, end=base + 5) == [300]
    assert found(start=base + 12, end=base + 200) == [301, 302]
    assert found(start=base + 70, end=base + 70, states=(1,)) == [301]
    assert found(start=base + 70, end=base + 70, states=(0,)) == [302]
    assert found(start=base, end=base + 100, states=(3,)) == [300]
    assert found(start=base + 50, end=base + 100, states=(3,)) == []
    send(dbd, ({"kind": "suspend", "job_id": 301, "submit_time": base + 50, "start": base + 70, "end": base + 80},))
    send(dbd, ({"kind": "suspend", "job_id": 301, "submit_time": base + 50, "start": base + 70, "end": base + 80},))
    ended = {"kind": "job_complete", "job_id": 301, "submit_time": base + 50, "job_state": 3, "end_time": base + 90}
    send(dbd, (ended,))
    assert dbd.rows("jobs", ("suspended",), {"names": ("job301",)}) == [(10,)]
    assert found(start=base + 75, end=base + 75, states=(2,)) == [301]


def test_events_of_nodes(dbd: Slurmdbd) -> None:
    down = {"kind": "node_down", "node": "n4", "start": 1000, "state": 1, "reason": "bad disk", "user_id": 0}
    send(dbd, (down, down, {**down, "start": 1500, "reason": "worse"}, {"kind": "node_up", "node": "n4", "end": 2000}))
    send(dbd, (down,))
    rows = dbd.rows("events", ("start_time", "end_time", "reason"), {"nodes": ("n4",)})
    assert rows == [(1000, 1500, "bad disk"), (1500, 2000, "worse")]


def test_associations_are_announced(dbd: Slurmdbd) -> None:
    stream = dbd.cluster.slurmdbd.client.subscribe("assoc_updates", {"cluster": "ref"})
    snapshot = next(stream)
    assert snapshot["event"] == "snapshot"
    assert any(wire.get("user") == "root" for wire in snapshot["associations"])
    other = Slurmdbd.__new__(Slurmdbd)
    other.place, other._cluster, other.process = dbd.place, None, None
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(other.call("add_accounts", names=("announced",))))
    thread.start()
    update = next(stream)
    thread.join()
    assert answers[0]["added"]
    assert update["event"] == "update"
    assert [wire["account"] for wire in update["changed"]["associations"]] == ["announced"]
    dbd.cluster.slurmdbd.close()


def test_kill_at_any_moment_keeps_what_was_confirmed(tmp_path: Path) -> None:
    daemon = Slurmdbd(tmp_path)
    daemon.start()
    daemon.register()
    confirmed = 0
    items = [item for number in range(1, 1201) for item in start_and_end(number)]
    chance = random.Random(7)
    try:
        for _ in range(4):
            timer = threading.Timer(chance.uniform(0, 0.03), daemon.kill)
            batches = chance.randint(1, 4)
            try:
                while confirmed < len(items):
                    batch = tuple(items[confirmed : confirmed + 40])
                    answer = daemon.call("records", cluster="ref", first_seq=confirmed, items=batch)
                    confirmed = int(answer["confirmed"]) + 1
                    batches -= 1
                    if not batches:
                        timer.start()
            except SlurmError:
                pass
            timer.join()
            daemon.start()
        rows = daemon.rows("jobs", ("job_id", "job_state"), {}, step_fields=("end_time",))
        whole = confirmed // 4
        assert whole > 0
        assert [row[:2] for row in rows[:whole]] == [(number, 3) for number in range(1, whole + 1)]
        assert all(row[2] == ((1_700_000_011,),) for row in rows[:whole])
        while confirmed < len(items):
            batch = tuple(items[confirmed : confirmed + 400])
            confirmed = int(daemon.call("records", cluster="ref", first_seq=confirmed, items=batch)["confirmed"] + 1)
        assert len(daemon.rows("jobs", ("job_id",))) == 1200
    finally:
        daemon.stop()


def test_a_newer_database_is_left_untouched(tmp_path: Path) -> None:
    daemon = Slurmdbd(tmp_path)
    path = tmp_path / "accounting.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE slurmpy_meta (name TEXT, value TEXT)")
        connection.execute("INSERT INTO slurmpy_meta VALUES ('schema', '999')")
    connection.close()
    before = path.read_bytes()
    result = run_slurmdbd(daemon, "-D")
    assert result.returncode == 1
    assert "newer" in result.stderr
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("accounting.db-*"))


@pytest.mark.parametrize(
    "content", [b"this is no database, but long enough to be taken for one" * 20, b"SQLite format 3\0"]
)
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    daemon = Slurmdbd(tmp_path)
    (tmp_path / "accounting.db").write_bytes(content)
    result = run_slurmdbd(daemon, "-D")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("slurmdbd: fatal: ")
    assert "Traceback" not in result.stderr
    assert (tmp_path / "accounting.db").read_bytes() == content


def run_slurmdbd(daemon: Slurmdbd, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from slurmpy.accounting.main import run; sys.exit(run(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=daemon.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_check_and_options(tmp_path: Path) -> None:
    daemon = Slurmdbd(tmp_path)
    assert run_slurmdbd(daemon, "-u").returncode == 0
    assert not (tmp_path / "accounting.db").exists()  # it only looks
    daemon.start()
    daemon.stop()
    assert (tmp_path / "accounting.db").stat().st_mode & 0o077 == 0
    assert run_slurmdbd(daemon, "-V").stdout == "slurm 24.11.5\n"
    assert run_slurmdbd(daemon, "-x").returncode == 1
    assert run_slurmdbd(daemon, "-f", "/no/such/file").returncode == 1


@pytest.mark.parametrize(
    "arguments",
    [
        {"what": "nonsense"},
        {"what": "jobs", "fields": ("nosuch",)},
        {"what": "jobs", "fields": ("job_id; DROP TABLE jobs",)},
        {"what": "users", "fields": ("nosuch",)},
        {},
    ],
)
def test_bad_queries_are_errors(dbd: Slurmdbd, arguments: dict[str, Any]) -> None:
    with pytest.raises(SlurmError):
        list(dbd.cluster.slurmdbd.client.stream("query", arguments))
    assert dbd.call("ping")["version"] == "24.11.5"


def test_sql_in_names_is_data(dbd: Slurmdbd) -> None:
    evil = "x'); DROP TABLE jobs; --"
    send(dbd, (item | {"name": evil} if item["kind"] == "job_start" else item for item in start_and_end(400)))
    assert dbd.rows("jobs", ("job_id",), {"names": (evil,)}) == [(400,)]
    assert dbd.rows("jobs", ("job_id",), {"names": ("%",)}) == []
    assert dbd.rows("jobs", ("job_id",), {"constraints": ("%",)}) == []


@pytest.mark.parametrize("items", [({"kind": "nonsense"},), ({"kind": "job_start"},), (5,), "text"])
def test_bad_records_change_nothing(dbd: Slurmdbd, items: Any) -> None:
    count = len(dbd.rows("jobs", ("job_id",)))
    with pytest.raises(SlurmError):
        send(dbd, (*start_and_end(999), *items))
    assert len(dbd.rows("jobs", ("job_id",))) == count


def test_records_of_an_unknown_cluster_are_refused(dbd: Slurmdbd) -> None:
    with pytest.raises(SlurmError):
        dbd.call("records", cluster="nosuch", first_seq=1, items=start_and_end(1))


def test_sacct_prints_jobs_and_steps(dbd: Slurmdbd) -> None:
    send(dbd, start_and_end(500, array_job_id=500, array_task_id=3))
    code, out, err = dbd.run(sacct, ("-j", "500_3", "-o", "jobid%-14,jobname,state,elapsed,totalcpu"))
    assert (code, err) == (0, "")
    assert out == (
        "JobID             JobName      State    Elapsed   TotalCPU \n"
        "-------------- ---------- ---------- ---------- ---------- \n"
        "500_3              job500  COMPLETED   00:00:10  00:00.002 \n"
        "500_3.batch         batch  COMPLETED   00:00:10  00:00.002 \n"
    )
    assert dbd.run(sacct, ("-j", "500.batch", "-n", "-P", "-o", "jobid"))[1] == "500_3.batch\n"
    assert dbd.run(sacct, ("-j", "500", "-X", "-n", "-p", "-o", "jobidraw,account"))[1] == "500|root|\n"


def test_sacct_json_is_a_document(dbd: Slurmdbd) -> None:
    import json

    send(dbd, start_and_end(510))
    code, out, err = dbd.run(sacct, ("-j", "510", "--json"))
    assert (code, err) == (0, "")
    document = json.loads(out)
    (found,) = document["jobs"]
    assert found["job_id"] == 510
    assert found["state"]["current"] == ["COMPLETED"]
    assert found["steps"][0]["step"] == {"id": "510.batch", "name": "batch"}
    assert (document["errors"], document["warnings"]) == ([], [])


@pytest.mark.skipif(os.geteuid() != 0, reason="takes another user's identity")
def test_others_may_read_and_not_change(dbd: Slurmdbd) -> None:
    send(dbd, start_and_end(600, script="secret"))
    assert ("secret",) in dbd.rows("jobs", ("script",))
    # everything is imported before: the interpreter itself may be root's alone
    code = """
import os
from slurmpy.conf import slurm_conf
from slurmpy.core.errors import SlurmError
from slurmpy.rpc.cluster import Cluster
conf = slurm_conf.load(os.environ["SLURM_CONF"])
Cluster(conf, "x").slurmdbd.query("accounts", ("name",))
os.setgid(65534)
os.setuid(65534)
dbd = Cluster(conf, "x").slurmdbd
print(len(dbd.query("accounts", ("name",)).rows) > 0)
for method, args in (
    ("add_accounts", {"names": ("evil",)}),
    ("records", {}),
    ("add_qos", {"names": ("evil",)}),
    ("add_users", {"names": ("nobody",), "accounts": ("root",), "admin_level": "Administrator"}),
    ("add_users", {"names": ("evil",), "bare": True}),
    ("add_users", {"names": ("evil",), "wckeys": ("evil",)}),
    ("modify_users", {"where": {"names": ("root",)}, "set": {"admin_level": "None"}}),
    ("delete_users", {"where": {"names": ("root",)}}),
    ("shutdown", {}),
    ("assoc_updates", {}),
    ("delete_accounts", {"where": {"names": ("root",)}}),
    ("modify_qos", {"set": {"priority": 9}}),
    ("add_coordinators", {"accounts": ("root",), "users": ("root",)}),
    ("delete_clusters", {}),
    ("fix_runaway_jobs", {"cluster": "ref", "db_indexes": ()}),
    ("clear_stats", {}),
    ("stats", {}),
    ("modify_users", {"where": {"names": ("root",)}, "limits": {"max_jobs": 1}}),
):
    try:
        dbd.call(method, args)
        print(method, "was allowed")
    except SlurmError as error:
        if error.number not in (2002, 2010):
            print(method, error.number, error.message)
print(dbd.query("jobs", ("script",), {}).rows)
"""
    result = subprocess.run(
        [sys.executable, "-c", code], env=dbd.environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.stderr == ""
    assert result.stdout == "True\n[]\n"


def test_reconfigure_and_hangup(tmp_path: Path) -> None:
    with running(tmp_path) as daemon:
        conf = tmp_path / "slurmdbd.conf"
        conf.write_text(conf.read_text() + "PrivateData=jobs\nDebugLevel=debug\nArchiveEvents=yes\n")
        assert daemon.run(sacctmgr, ("reconfigure",)) == (0, "", "")
        shown = dict(daemon.call("config")["rows"])
        assert (shown["PrivateData"], shown["DebugLevel"]) == ("jobs", "debug")
        conf.write_text(conf.read_text() + "NoSuchThing=1\n")
        with pytest.raises(SlurmError):
            daemon.call("reconfigure")
        assert dict(daemon.call("config")["rows"])["PrivateData"] == "jobs"
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGHUP)
        assert daemon.call("ping")["version"] == "24.11.5"


def test_shutdown_by_sacctmgr(tmp_path: Path) -> None:
    with running(tmp_path) as daemon:
        assert daemon.run(sacctmgr, ("ping",)) == (0, "slurmdbd(primary) at 127.0.0.1 is UP\n", "")
        assert daemon.run(sacctmgr, ("shutdown",)) == (0, "", "")
        assert daemon.process is not None
        assert daemon.process.wait(30) == 0
        daemon.cluster.slurmdbd.close()
        code, out, err = daemon.run(sacctmgr, ("ping",))
        assert (code, out) == (1, "slurmdbd(primary) at 127.0.0.1 is DOWN\n")
        assert "failed to open persistent connection to host:127.0.0.1:6819" in err
        code, out, err = daemon.run(sacct, ())
        assert (code, len(err.splitlines())) == (1, 3)
        assert "Problem talking to the database" in err


def test_dump_and_load(tmp_path: Path) -> None:
    with running(tmp_path) as daemon:
        daemon.register()
        for command in (
            "add account physics fairshare=5 grptres=cpu=7,gres/gpu:a100=1 description=d organization=o",
            "add account phys_a parent=physics maxwall=2:00:00",
            "add user root account=phys_a maxjobs=3 fairshare=parent",
        ):
            assert daemon.run(sacctmgr, ("-i", *command.split()))[0] == 0
        path = str(tmp_path / "ref.cfg")
        assert daemon.run(sacctmgr, ("dump", "ref", f"file={path}"))[0] == 0
        code, out, err = daemon.run(sacctmgr, ("-i", "load", path, "cluster=copy"))
        assert (code, err) == (0, "")
        assert out.startswith("For cluster copy\n")
        assert daemon.run(sacctmgr, ("dump", "copy", f"file={path}2"))[0] == 0
        assert (tmp_path / "ref.cfg2").read_text() == (tmp_path / "ref.cfg").read_text().replace("'ref'", "'copy'")
        assert daemon.run(sacctmgr, ("-i", "load", path)) == (0, "For cluster ref\n Nothing new added.\n", "")


def test_a_change_is_asked_for_and_a_no_discards_it(dbd: Slurmdbd) -> None:
    code, out, err = dbd.run(sacctmgr, ("add", "account", "asked"), "n\n")
    assert (code, err) == (0, "")
    assert out.endswith("(You have 30 seconds to decide)\n(N/y): \n Changes Discarded\n")
    assert dbd.rows("accounts", ("name",), {"names": ("asked",)}) == []
    assert dbd.run(sacctmgr, ("add", "account", "asked"), "y\n")[0] == 0
    assert dbd.rows("accounts", ("name",), {"names": ("asked",)}) == [("asked",)]


def test_a_slurmctld_that_goes_and_comes_back(tmp_path: Path) -> None:
    with running(tmp_path) as daemon:
        conf = tmp_path / "slurmdbd.conf"
        conf.write_text(conf.read_text() + "TrackSlurmctldDown=yes\n")
        daemon.call("reconfigure")
        daemon.register()
        other = Slurmdbd.__new__(Slurmdbd)
        other.place, other._cluster, other.process = daemon.place, None, None
        stream = other.cluster.slurmdbd.client.subscribe("assoc_updates", {"cluster": "ref"})
        next(stream)
        assert daemon.rows("clusters", ("control_host",)) == [("127.0.0.1",)]
        other.cluster.slurmdbd.close()
        down: list[Any] = []
        until = time.monotonic() + 10
        while time.monotonic() < until:
            down = daemon.rows("events", ("end_time", "reason"), {"open": True, "cluster_events": True})
            if len(down) == 2 and daemon.rows("clusters", ("control_port",)) == [(0,)]:
                break
        assert (0, "slurmctld disconnect") in down
        assert daemon.rows("clusters", ("control_host", "control_port")) == [("", 0)]
        daemon.register()
        assert daemon.rows("clusters", ("control_host", "control_port")) == [("127.0.0.1", 7117)]
        (left,) = daemon.rows("events", ("reason",), {"open": True})
        assert left == ("Cluster Registered TRES",)


def test_the_clusters_size_is_one_event_until_it_changes(tmp_path: Path) -> None:
    with running(tmp_path) as daemon:
        daemon.register()
        tres = "cpu=48,mem=144000,node=5,billing=66,gres/gpu=6,gres/gpu:a100=4,license/matlab=4"
        now = 2_000_000_000
        same = {"kind": "cluster_tres", "time": now, "tres": tres, "nodes": "n[1-5]"}
        send(daemon, (same,))
        assert len(daemon.rows("events", ("tres",))) == 1
        grown = {**same, "time": now + 10, "tres": tres.replace("cpu=48", "cpu=56"), "nodes": "n[1-6]"}
        send(daemon, (grown, grown))
        assert [row[0] for row in daemon.rows("events", ("end_time",))] == [now + 10, 0]
        ((total, nodes),) = daemon.rows("clusters", ("tres", "nodes"))
        assert total.startswith("cpu=56,mem=144000,energy=0,")
        assert nodes == "n[1-6]"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("extra",), "sacct: error: Unknown arguments:\nsacct: error:  extra\n"),
        (("-o", "nosuch"), 'sacct: error: Invalid field requested: "nosuch"\n'),
        (("-j", "x"), "sacct: fatal: Bad job/step specified: x\n"),
        (("-s", "x"), "sacct: fatal: unrecognized job state value 'x'\n"),
        (("-s", "CF"), "sacct: fatal: job state CF is not supported / accounted\n"),
        (("-j", "5_[1-2]"), "sacct: fatal: Bad job array element specified: 5\n"),
        (("-j", "5+x"), "sacct: fatal: Bad hetjob offset specified: 5\n"),
        (("-j", "5.x"), "sacct: fatal: Bad step specified: 5\n"),
        (("-i", "x"), 'sacct: error: Invalid numeric value "x" for requested node range.\n'),
        (("--units=X",), "sacct: error: Invalid unit type 'X'. Possible options are 'KMGTP'\n"
                         "sacct: fatal: Invalid unit type\n"),
        (("-f", "x"), "sacct: error: --file is not supported: there is no job completion file\n"),
        (("-c",), "Slurm job completion is disabled\n"),
        (("-q", "nosuch"), "sacct: error: You gave a bad qos 'nosuch'. Valid QOS's are normal\n"
                           "sacct: fatal: problem processing qos list\n"),
    ],
)  # fmt: skip
def test_bad_invocations_of_sacct(dbd: Slurmdbd, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = dbd.run(sacct, arguments)
    assert (code, out, err) == (1, "", message)


@pytest.mark.parametrize("kind", ["accounts", "users", "clusters", "qos", "resources"])
@pytest.mark.parametrize(
    "args", [{}, {"where": {}}, {"where": {"names": ()}}, {"where": None}, {"where": {"names": "normal"}}]
)
def test_a_removal_without_a_condition_removes_nothing(dbd: Slurmdbd, kind: str, args: dict[str, Any]) -> None:
    def state() -> list[Any]:
        return [dbd.rows(what, ("name",)) for what in ("accounts", "users", "clusters", "qos")]

    before = state()
    with pytest.raises(SlurmError, match=r"where|condition"):
        dbd.call(f"delete_{kind}", **args)
    if "where" not in args:
        with pytest.raises(SlurmError, match="where is missing"):
            dbd.call(f"modify_{kind}", set={"description": "x"})
    assert state() == before
