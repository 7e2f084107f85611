"""Daemons from a slurm.conf: several users, TCP, tokens, shutdown, dead nodes."""

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess

import pytest

from .site import Site
from .test_main_job import until

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="several users need root")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    base = tmp_path_factory.mktemp("site")
    for place in (base, *base.parents):
        if place.owner() == pwd.getpwuid(os.geteuid()).pw_name and str(place) != "/":
            place.chmod(place.stat().st_mode | 0o011)
    site = Site(base)
    try:
        site.up()
        until(lambda: site.run("sinfo", "-h", "-o", "%t %D").stdout, lambda out: out == "idle 2\n")
        yield site
    finally:
        site.down()


def wait(site, job):
    site.run("srun", "--quiet", f"--dependency=afterany:{job}", "-n1", "--mem=1", "true")


def test_the_daemons_answer_on_their_ports(site):
    for port in (site.port, site.dbd, site.n1, site.n2):
        socket.create_connection(("127.0.0.1", port), 5).close()


@needs_root
def test_a_users_job_runs_as_that_user_with_all_groups_and_nothing_more(site):
    code = "id -u; id -g; id -G; grep -E '^(CapEff|NoNewPrivs)' /proc/self/status | tr -s '\\t ' ' '"
    done = site.run("srun", "-D", "/tmp", "sh", "-c", code, user="games")
    lines = done.stdout.splitlines()
    games = pwd.getpwnam("games")
    assert lines[:2] == [str(games.pw_uid), str(games.pw_gid)], done.stderr
    assert set(map(int, lines[2].split())) == set(os.getgrouplist("games", games.pw_gid))
    assert lines[3] == "CapEff: 0000000000000000"


@needs_root
def test_nobody_may_touch_anothers_job(site):
    job = site.ok("sbatch", "--parsable", "--hold", "-o", "/dev/null", "--wrap=true", user="games").strip()
    for command in (
        ("scancel", job),
        ("scontrol", "release", job),
        ("scontrol", "update", f"jobid={job}", "comment=x"),
    ):
        done = site.run(*command, user="news")
        assert done.returncode != 0, command
        assert "Access/permission denied" in done.stderr or "Invalid user id" in done.stderr, (command, done.stderr)
    assert site.run("scontrol", "update", "nodename=n1", "state=drain", "reason=x", user="news").returncode != 0
    assert site.run("scontrol", "shutdown", user="news").returncode != 0
    assert json.loads(site.ok("scontrol", "show", "job", job, "--json"))["jobs"][0]["job_state"] == ["PENDING"]
    site.ok("scancel", job, user="games")


@needs_root
def test_a_user_without_the_key_and_without_a_socket_is_vouched_for_over_tcp(site, tmp_path):
    """As on a login node: slurmctld is reached over TCP, a daemon of this host signs."""
    conf = (site.base / "slurm.conf").read_text()
    key = site.base / "slurm.key"
    assert key.stat().st_mode & 0o777 == 0o600
    link = f"/run/slurmpy/site{site.port}-{site.port}/slurmctld.sock"
    os.rename(link, link + ".away")
    try:
        done = site.run("squeue", "-h", user="games")
        assert (done.returncode, done.stderr) == (0, "")
        root = site.run("squeue", "-h")
        assert (root.returncode, root.stderr) == (0, "")
    finally:
        os.rename(link + ".away", link)
    assert conf


def test_a_token_speaks_for_its_user(site):
    token = site.ok("scontrol", "token", "lifespan=60").strip().partition("=")[2]
    assert token.count(".") == 2
    me = pwd.getpwuid(os.geteuid()).pw_name
    done = site.run("squeue", "-h", "--me", env={"SLURM_JWT": token})
    assert (done.returncode, done.stderr) == (0, ""), me


def test_a_dead_slurmd_takes_its_node_down_and_comes_back(site):
    job = site.ok("sbatch", "--parsable", "-w", "n2", "--no-requeue", "-o", "/dev/null", "--wrap=sleep 300").strip()
    until(lambda: site.ok("squeue", "-h", "-j", job, "-o", "%t"), lambda out: out == "R\n")
    os.kill(site.pid("slurmd-n2"), signal.SIGKILL)
    for pid, text in site.processes().items():
        if "sleep" in text or "slurmstepd" in text:
            os.kill(pid, signal.SIGKILL)  # the machine is gone, not just its daemon
    assert until(lambda: site.ok("sinfo", "-h", "-n", "n2", "-o", "%t"), lambda out: out == "down*\n", 30) == "down*\n"
    assert until(lambda: site.ok("scontrol", "show", "job", job), lambda out: "NODE_FAIL" in out, 30)
    site.ok("slurmd", "-N", "n2")
    assert until(lambda: site.ok("sinfo", "-h", "-n", "n2", "-o", "%t"), lambda out: out == "idle\n", 15) == "idle\n"


def test_a_requeued_job_of_a_dead_node_runs_elsewhere(site):
    job = site.ok(
        "sbatch", "--parsable", "-C", "a|b", "-w", "n2", "--requeue", "-o", "/dev/null", "--wrap=sleep 300"
    ).strip()
    until(lambda: site.ok("squeue", "-h", "-j", job, "-o", "%t"), lambda out: out == "R\n")
    site.ok("scontrol", "update", "nodename=n2", "state=down", "reason=test")
    until(lambda: site.ok("squeue", "-h", "-j", job, "-o", "%t"), lambda out: out == "PD\n")
    assert "Restarts=1" in site.ok("scontrol", "show", "job", job)
    site.ok("scancel", job)
    site.run("scontrol", "update", "nodename=n2", "state=resume")  # refused if it has come back by itself
    assert (
        until(lambda: site.ok("sinfo", "-h", "-n", "n2", "-p", "debug", "-o", "%t"), lambda out: out == "idle\n")
        == "idle\n"
    )


def test_slurmctld_restarts_with_everything_and_running_jobs_run_on(site):
    flag = site.base / "flag"
    running = site.ok(
        "sbatch", "--parsable", "-o", "/dev/null", f"--wrap=while [ ! -e {flag} ]; do sleep 0.1; done; exit 6"
    ).strip()
    held = site.ok("sbatch", "--parsable", "--hold", "--comment=kept", "--wrap=true").strip()
    until(lambda: site.ok("squeue", "-h", "-j", running, "-o", "%t"), lambda out: out == "R\n")
    site.ok("scontrol", "shutdown", "slurmctld")
    until(lambda: (site.base / "slurmctld.pid").exists(), lambda there: not there)
    refused = site.run("sbatch", "--wrap=true")
    assert refused.returncode == 1
    assert "Unable to contact slurm controller (connect failure)" in refused.stderr
    flag.touch()
    site.ok("slurmctld")
    wait(site, running)
    shown = json.loads(site.ok("scontrol", "show", "job", running, "--json"))["jobs"][0]
    assert (shown["job_state"], shown["exit_code"]["return_code"]["number"]) == (["FAILED"], 6)
    assert "Comment=kept" in site.ok("scontrol", "show", "job", held)
    site.ok("scancel", held)


def test_a_second_daemon_does_not_start_beside_the_first(site):
    for command in (("slurmctld",), ("slurmd", "-N", "n1"), ("slurmdbd",)):
        done = site.run(*command)
        assert done.returncode == 1, command
        assert "fatal" in done.stderr
    assert site.run("squeue").returncode == 0


def _munge_works() -> bool:
    return shutil.which("munge") is not None and subprocess.run(["munge", "-n"], capture_output=True).returncode == 0


@needs_root
@pytest.mark.skipif(not _munge_works(), reason="munged does not run here")
def test_munge_vouches_over_tcp(tmp_path_factory):
    base = tmp_path_factory.mktemp("munge")
    for place in (base, *base.parents[:3]):
        place.chmod(place.stat().st_mode | 0o011)
    site = Site(base, "AuthType=auth/munge")
    with (base / "slurmdbd.conf").open("a") as file:
        file.write("AuthType=auth/munge\n")
    try:
        site.up()
        os.rename(socket_of(site), socket_of(site) + ".away")
        done = site.run("sbatch", "--hold", "-o", "/dev/null", "--wrap=true", user="games")
        assert (done.returncode, done.stdout, done.stderr) == (0, "Submitted batch job 1\n", "")
        os.rename(socket_of(site) + ".away", socket_of(site))
        assert "UserId=games(" in site.ok("scontrol", "show", "job", "1")
    finally:
        site.down()


def socket_of(site: Site) -> str:
    return f"/run/slurmpy/site{site.port}-{site.port}/slurmctld.sock"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("NoSuchThing=1", "NoSuchThing"),
        ("NodeName=n[1-", "n[1-"),
        ("KillWait=soon", "KillWait"),
        ("PartitionName=x Nodes=nosuch", "nosuch"),
    ],
)
def test_a_wrong_slurm_conf_is_named_and_nothing_starts(tmp_path, line, said):
    site = Site(tmp_path, line)
    done = site.run("slurmctld")
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert until(site.processes, lambda left: left == {}, 5) == {}
