"""The commands with a token in SLURM_JWT, and under PrivateData: what they print and how they end, as Slurm 24.11."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import jwt
import pytest

from tests.e2e.site import as_user, free_ports
from tests.e2e.test_main_job import until

from .ctld import Permitted
from .people import possible

pytestmark = [pytest.mark.skipif(bool(possible()), reason=possible()), pytest.mark.xdist_group("slurmctld.tsv")]


def token_of(site: Permitted, kind: str, key: str = "jwt.key", life: int = 600) -> str:
    now = int(time.time())
    said = {"exp": now + life, "iat": now - 1000, "sun": site.names[kind]}
    return jwt.encode(said, (site.base / key).read_bytes(), algorithm="HS256")


@pytest.fixture
def keys(site: Permitted) -> Iterator[Permitted]:
    """slurmdbd has a key of its own, as a site may wish; over TCP there is nothing but the token."""
    site.set("")
    dbd = site.base / "slurmdbd.conf"
    before = dbd.read_text()
    (site.base / "dbd.key").write_bytes(os.urandom(32))
    (site.base / "dbd.key").chmod(0o600)
    dbd.write_text(before.replace("jwt.key", "dbd.key"))
    site.cluster().slurmdbd.call("reconfigure")
    yield site
    dbd.write_text(before)
    site.cluster().slurmdbd.call("reconfigure")


def run(site: Permitted, token: str, *command: str, user: str = "none", stdin: str = ""):
    return site.run(*command, user=site.names[user], stdin=stdin,
                    env={"SLURM_JWT": token, "SLURM_CONF": site.tcp})  # fmt: skip


CTLD, DBD = "jwt.key", "dbd.key"
PROTOCOL = "Protocol authentication error"
BOOKS = f"error: Sending PersistInit msg: {PROTOCOL}\n"
#: command: (whose key it needs, what owner's token finds, how a bad token ends: exit code, the last line)
COMMANDS: dict[tuple[str, ...], tuple[str, str, int, str]] = {
    ("squeue", "-h", "-o", "%u"): (CTLD, "owner", 1, f"slurm_load_jobs error: {PROTOCOL}\n"),
    ("scontrol", "show", "job", "RUNNING"): (CTLD, "JobState=RUNNING", 1, f"slurm_load_jobs error: {PROTOCOL}\n"),
    ("scontrol", "update", "jobid=RUNNING", "comment=by token"): (
        CTLD, "", 1, f"{PROTOCOL} for job RUNNING\n"),
    ("scontrol", "token"): (CTLD, "SLURM_JWT=", 1,
                            f"scontrol: error: slurm_fetch_token: error with request: {PROTOCOL}\n"),
    ("sbatch", "-H", "-A", "acct", "-o", "/dev/null", "--wrap", "true"): (
        CTLD, "Submitted batch job", 1, f"sbatch: error: Batch job submission failed: {PROTOCOL}\n"),
    ("sinfo", "-h"): (CTLD, "debug", 1, f"slurm_load_partitions: {PROTOCOL}\n"),
    ("sdiag",): (CTLD, "Jobs submitted", 255, f"slurm_get_statistics: {PROTOCOL}\n"),
    ("sshare", "-a", "--noheader", "-P"): (
        CTLD, "acct|owner", 255, f"Couldn't get shares from controller: {PROTOCOL}\n"),
    ("sprio", "-h"): (CTLD, "", 239, f"Couldn't get priority factors from controller: {PROTOCOL}\n"),
    ("sstat", "-n", "-P", "-o", "jobid", "-j", "RUNNING.batch"): (CTLD, "RUNNING.batch", 0,
                                                                  "sstat: error: couldn't get steps for job RUNNING\n"),
    ("scancel", "DONE"): (CTLD, "", 239, f"scancel: error: Kill job error on job id DONE: {PROTOCOL}\n"),
    ("sacct", "-n", "-X", "-P", "-o", "user", "-j", "RUNNING"): (
        DBD, "owner", 1, f"sacct: error: Problem talking to the database: {PROTOCOL}\n"),
    ("sacctmgr", "-n", "-P", "show", "user", "format=user"): (DBD, "owner", 1, "sacctmgr: " + BOOKS),
    ("sreport", "-n", "-P", "cluster", "utilization"): (DBD, "", 1, "sreport: " + BOOKS),
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_commands_go_by_their_token(keys: Permitted, command: tuple[str, ...]) -> None:
    site = keys
    key, expected, code, words = COMMANDS[command]
    argv = [word.replace("RUNNING", str(site.running)).replace("DONE", str(site.done)) for word in command]
    done = run(site, token_of(site, "owner", key), *argv)
    assert done.returncode == 0, done
    said = done.stdout.replace(site.names["owner"], "owner").replace(str(site.running), "RUNNING")
    assert expected in said, done
    bad = {
        "expired": token_of(site, "owner", key, life=-60),
        "another key": token_of(site, "owner", DBD if key == CTLD else CTLD),
        "cut": token_of(site, "owner", key)[:-4], "words": "no token",
    }  # fmt: skip
    before = site.state()
    for what, token in bad.items():
        done = run(site, token, *argv)
        assert done.returncode == code, (what, done)
        assert done.stderr.endswith(words.replace("RUNNING", str(site.running)).replace("DONE", str(site.done))), (
            what,
            done,
        )
        assert "Traceback" not in done.stderr
    assert site.state() == before


def test_tokens_are_in_no_log(keys: Permitted) -> None:
    site = keys
    tokens = [token_of(site, "owner", key, life) for key in (CTLD, DBD) for life in (600, -60)]
    for token in tokens:
        for command in (("squeue",), ("sacct",)):
            run(site, token, *command)
    made = run(site, tokens[0], "scontrol", "token").stdout.partition("=")[2].strip()
    assert made.count(".") == 2
    for log in site.base.glob("*.log"):
        text = log.read_text()
        assert "Traceback" not in text, log
        assert not [part for one in (*tokens, made) for part in one.split(".")[1:] if part in text], log


# ---- slurmrestd


def get(port: int, path: str, token: str) -> tuple[int, dict]:
    ask = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"X-SLURM-USER-TOKEN": token})
    try:
        with urllib.request.urlopen(ask, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        body = error.read()
        return error.code, json.loads(body) if body[:1] == b"{" else {}


@pytest.fixture(scope="module")
def rest(site: Permitted) -> Iterator[int]:
    (port,) = free_ports(1)
    argv = [*as_user(site.names["none"]), "slurmrestd", "-a", "rest_auth/jwt", f"127.0.0.1:{port}"]
    environment = {**site.environment, "SLURM_CONF": site.tcp, "SLURMRESTD_SECURITY": "disable_user_check"}
    with (site.base / "slurmrestd.log").open("wb") as log:
        daemon = subprocess.Popen(argv, env=environment, cwd="/tmp", stdout=log, stderr=log)
    try:
        import socket

        def answers() -> bool:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                assert daemon.poll() is None, (site.base / "slurmrestd.log").read_text()
                return False
            return True

        until(answers, bool, 30)
        yield port
    finally:
        daemon.terminate()
        daemon.wait(30)


def test_slurmrestd_goes_by_the_token(site: Permitted, rest: int) -> None:
    site.set("")
    token = token_of(site, "owner")
    for path in ("/slurm/v0.0.42/ping/", "/slurm/v0.0.42/jobs/", "/slurmdb/v0.0.42/accounts/"):
        code, body = get(rest, path, token)
        assert (code, body["errors"]) == (200, [])
        for bad in (token_of(site, "owner", life=-60), token[:-4], "abc"):
            code, body = get(rest, path, bad)
            if "ping" not in path:
                assert code in (401, 500, 502, 503, 511), (path, code, body)
                assert not body.get("jobs")
                assert not body.get("accounts")
    text = (site.base / "slurmrestd.log").read_text()
    assert "Traceback" not in text
    assert token.split(".")[1] not in text


# ---- PrivateData

PERMISSION = "Access/permission denied"
#: command: {kind: what it prints without its numbers, or the last line of its error}
PRIVATE: dict[tuple[str, ...], dict[str, str]] = {
    ("squeue", "-h", "-o", "%u", "-j", "RUNNING"): {"owner": "owner\n", "coord": "owner\n", "operator": "owner\n"},
    ("squeue", "-h", "-t", "all", "-o", "%u", "-u", "OWNER"): {"other": "", "mate": "", "none": ""},
    ("squeue", "-s", "-h", "-o", "%u"): {"owner": "owner\n", "coord": "owner\n", "other": ""},
    ("scontrol", "show", "job", "RUNNING"): {"other": "slurm_load_jobs error: Invalid job id specified\n",
                                             "mate": "slurm_load_jobs error: Invalid job id specified\n"},
    ("sinfo", "-h"): {"owner": f"slurm_load_partitions: {PERMISSION}\n"},
    ("scontrol", "show", "node", "n1"): {"owner": f"slurm_load_node error: {PERMISSION}\n"},
    ("scontrol", "show", "partition"): {"owner": f"slurm_load_partitions error: {PERMISSION}\n"},
    ("sshare", "-a", "--noheader", "-P", "-o", "account,user"): {
        "mate": "acct|mate\n", "other": "far|other\n", "none": ""},
    ("sacct", "-n", "-X", "-P", "-o", "user", "-j", "RUNNING"): {"owner": "owner\n", "coord": "owner\n", "mate": "",
                                                                 "other": ""},
    ("sacctmgr", "-n", "-P", "show", "account", "format=account"): {
        "coord": "acct\nsub\n", "owner": f"sacctmgr: error: {PERMISSION}\n Problem with query.\n"},
    ("sacctmgr", "-n", "-P", "show", "user", "format=user"): {"owner": "owner\n", "coord": "coord\n", "none": ""},
    ("sacctmgr", "-n", "-P", "show", "reservation", "format=name", "start=now-1day"): {
        "owner": f"sacctmgr: error: {PERMISSION}\n Problem with query.\n"},
    ("scontrol", "show", "assoc_mgr"): {"none": "slurm_load_assoc_mgr_info error: Invalid user id\n"},
}  # fmt: skip


@pytest.mark.parametrize("command", PRIVATE, ids=" ".join)
def test_private_data(site: Permitted, command: tuple[str, ...]) -> None:
    site.set("private")
    argv = [word.replace("RUNNING", str(site.running)).replace("OWNER", site.names["owner"]) for word in command]
    for kind, expected in PRIVATE[command].items():
        done = site.run(*argv, user=site.names[kind])
        text = done.stderr if "rror" in expected or PERMISSION in expected else done.stdout
        for one, name in site.names.items():
            text = text.replace(name, one) if one != "root" else text
        lines = dict.fromkeys(line.strip(" ") if "sshare" in argv else line for line in text.splitlines(True))
        assert "".join(lines) == expected, (kind, done)
        assert (done.returncode != 0) == ((text is not done.stdout and "rror" in expected) or PERMISSION in expected), (
            done
        )


def test_private_data_over_rest(site: Permitted, rest: int) -> None:
    site.set("private")
    for kind, sees in (("owner", True), ("coord", True), ("operator", True), ("mate", False), ("other", False)):
        code, body = get(rest, "/slurm/v0.0.42/jobs/", token_of(site, kind))
        assert code == 200
        assert (site.running in {job["job_id"] for job in body["jobs"]}) == sees, kind
        # by state: one that other tests have held is not eligible, and then in no mere window of time, as with Slurm
        now = int(time.time())
        window = f"state=RUNNING&start_time={now - 86400}&end_time={now + 1}"
        code, body = get(rest, f"/slurmdb/v0.0.42/jobs/?{window}", token_of(site, kind))
        assert (site.running in {job["job_id"] for job in body["jobs"]}) == sees, (kind, body)
    for path, where in (("nodes", "nodes"), ("partitions", "partitions")):
        code, body = get(rest, f"/slurm/v0.0.42/{path}/", token_of(site, "owner"))
        assert not body.get(where)
        assert body["errors"], body
    names = {user["name"] for user in get(rest, "/slurmdb/v0.0.42/users/", token_of(site, "mate"))[1]["users"]}
    assert names == {site.names["mate"]}
