"""Who runs the containers of a pocket cluster: oci.conf is written for what works, and never over a user's own."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import sys
import tempfile
from pathlib import Path

import pytest

from slurmpy.conf import oci_conf, oci_runtimes
from slurmpy.core.errors import SlurmError
from slurmpy.pocket import containers
from slurmpy.pocket.directory import Directory
from tests.e2e.cluster import Pocket
from tests.e2e.containers import root_file_system, why_not
from tests.e2e.site import as_user
from tests.e2e.test_main_job import until

needs_runc = pytest.mark.skipif(oci_runtimes.find("runc") is None, reason="runc is not installed")
REFUSED = "slurmpy: error: --container-runtime: "


@pytest.fixture
def fresh(tmp_path):
    pocket = Pocket(tmp_path)
    yield pocket
    pocket.down()
    assert not [path.name for path in (pocket.directory / "run").glob("oci-trial-*")]


@pytest.mark.parametrize("create_start", [False, True])
def test_what_is_printed_is_read(tmp_path, create_start):
    path = tmp_path / "oci.conf"
    path.write_text(oci_runtimes.text("/opt/bin/runc-1.2", create_start))
    conf = oci_conf.load(str(path))
    assert conf is not None
    assert bool(conf.RunTimeRun) is not create_start
    assert bool(conf.RunTimeCreate) is bool(conf.RunTimeStart) is create_start
    assert all("--root=%b/../runtime" in value for value in (conf.RunTimeQuery, conf.RunTimeKill, conf.RunTimeDelete))


@pytest.mark.parametrize("path", ["runc", "/opt/my runc", "/opt/%run", '/opt/"runc', "/opt/runc\n", "/opt/$(runc)", ""])
def test_a_path_that_a_line_cannot_have(path):
    with pytest.raises(SlurmError, match="path of a runtime"):
        oci_runtimes.text(path)


@needs_runc
def test_a_new_pocket_has_what_works(fresh):
    fresh.start()
    log = (fresh.directory / "log/supervisor.log").read_text()
    if "containers run by" not in log:  # where runc is installed, and may not do what it has to
        assert "no containers: " in log
        assert not (fresh.directory / "oci.conf").exists()
        return
    text = (fresh.directory / "oci.conf").read_text()
    assert text.startswith(containers.HEADER)
    assert stat.S_IMODE((fresh.directory / "oci.conf").stat().st_mode) == 0o600
    fresh.ok("slurmpy", "down")
    fresh.ok("slurmpy", "up", "--nodes=2")
    assert (fresh.directory / "oci.conf").read_text() == text
    fresh.ok("slurmpy", "down")
    fresh.ok("slurmpy", "up", "--container-runtime=none")
    assert not (fresh.directory / "oci.conf").exists()
    assert fresh.ok("sinfo", "-h", "-o", "%D") == "2\n"  # its slurm.conf is another matter
    done = fresh.run("srun", "--container=/nonexistent", "echo", "on the host")
    assert done.stdout == "on the host\n"
    assert "there is no oci.conf" in done.stderr


def test_none_in_a_new_pocket(fresh):
    fresh.start("--container-runtime=none")
    assert not (fresh.directory / "oci.conf").exists()
    running = fresh.run("slurmpy", "up", "--container-runtime=none")
    assert (running.returncode, running.stdout) == (1, "")
    assert running.stderr.startswith("slurmpy: error: the pocket cluster runs already")


def test_what_a_user_wrote_stays(fresh):
    fresh.directory.mkdir(mode=0o700)
    own = fresh.directory / "oci.conf"
    own.write_text("# mine\n")
    for word in ("runc", "none"):
        done = fresh.run("slurmpy", "up", f"--container-runtime={word}")
        assert done.returncode == 1
        assert done.stderr == f"{REFUSED}{own} was not written by slurmpy, so it stays as it is\n"
    assert own.read_text() == "# mine\n"
    assert not (fresh.directory / "slurm.conf").exists()


@pytest.mark.parametrize("word", ["no-such-runtime", "/nonexistent/runc", "/etc"])
def test_a_runtime_that_is_not_there(fresh, word):
    done = fresh.run("slurmpy", "up", f"--container-runtime={word}")
    where = "" if "/" in word else " in PATH"
    assert (done.returncode, done.stderr) == (1, f"{REFUSED}{word}: no such program{where}\n")
    assert not (fresh.directory / "oci.conf").exists()
    done = fresh.run("slurmpy", "oci-conf", word)
    assert done.returncode == 1
    assert done.stderr.startswith(f"slurmpy: error: {word}: no such program")
    assert done.stdout == ""


def test_a_runtime_that_does_not_work(fresh, tmp_path):
    runtime = tmp_path / "runtime"
    runtime.write_text(
        '#!/bin/sh\n[ "$2" = delete ] && echo "$@" >"$0.called"; echo first; echo no cgroups >&2; exit 3\n'
    )
    runtime.chmod(0o755)
    done = fresh.run("slurmpy", "up", f"--container-runtime={runtime}")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{REFUSED}{runtime} runs no container here: no cgroups\n"
    assert "delete --force slurmpy-trial-" in (tmp_path / "runtime.called").read_text()
    assert not (fresh.directory / "oci.conf").exists()


@pytest.fixture
def directory(tmp_path):
    directory = Directory(str(tmp_path / "pocket"))
    directory.make()
    yield directory
    assert os.listdir(directory["run"]) == []


def test_the_first_that_works_is_taken(directory, tmp_path, monkeypatch):
    for name, code in (("runc", 1), ("crun", 0)):
        (tmp_path / name).write_text(f"#!{sys.executable}\nraise SystemExit({code})\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert containers.Search(directory).end() == f"containers run by {tmp_path / 'crun'}"
    assert f'RunTimeRun="{tmp_path / "crun"} --root=' in Path(directory["oci.conf"]).read_text()
    Path(directory["oci.conf"]).write_text("# mine\n")
    containers.Search(directory).end()
    assert Path(directory["oci.conf"]).read_text() == "# mine\n"


def test_nothing_is_installed_or_works(directory, tmp_path, monkeypatch):
    monkeypatch.setattr(oci_runtimes, "SYSTEM_PATH", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert containers.Search(directory).end() == "no containers: neither runc nor crun is installed"
    (tmp_path / "crun").write_text("#!/nonexistent\n")
    (tmp_path / "crun").chmod(0o755)
    assert containers.Search(directory).end().startswith(f"no containers: {tmp_path / 'crun'} runs none here: ")
    monkeypatch.setattr(containers, "SECONDS", 0.2)
    (tmp_path / "crun").write_text("#!/bin/sh\nexec /bin/sleep 1000\n")
    assert "took longer" in containers.Search(directory).end()
    assert not os.path.exists(directory["oci.conf"])


CGROUP2_ALONE = 'umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && exec "$@"'
JOBS = """
srun -n2 -l --container rootfs echo hello; echo words | srun --container rootfs cat
printf '#!/bin/sh\\necho script; exit 5\\n' >job; sbatch -Q -W -o out --container rootfs job || echo $?; cat out
srun -Q --container rootfs sh -c 'exit 3' || echo $?
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else and mount")
@pytest.mark.skipif(oci_runtimes.find("crun") is None, reason="crun is not installed")
@pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")
def test_crun_of_an_ordinary_user():
    """It refuses nodes with both kinds of control groups, so the daemons see the second kind alone."""
    base = Path(tempfile.mkdtemp(prefix="crun-"))
    pocket = Pocket(base)
    try:
        if pocket.run("unshare", "-m", "sh", "-c", CGROUP2_ALONE, "sh", "true").returncode:
            pytest.skip("control groups cannot be mounted")
        root_file_system(pocket.home / "rootfs")
        for path in (base, *base.rglob("*")):
            os.lchown(path, pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("nobody").pw_gid)
        pocket.environment["HOME"] = str(pocket.home)
        up = ("slurmpy", "up", "--cpus=2", "--container-runtime=crun")
        pocket.ok("unshare", "-m", "sh", "-c", CGROUP2_ALONE, "sh", *as_user("nobody"), *up)
        for create_start in (False, True):
            text = oci_runtimes.text(str(oci_runtimes.find("crun")), create_start)
            (pocket.directory / "oci.conf").write_text(text)
            pocket.ok(*as_user("nobody"), "scontrol", "reconfigure")
            said = pocket.ok(*as_user("nobody"), "bash", "-c", JOBS).splitlines()
            assert (sorted(said[:2]), said[2:]) == (["0: hello", "1: hello"], ["words", "5", "script", "3"])
        spool = pocket.directory / "spool" / "n1"
        left = until(lambda: [*spool.glob("oci-*"), *spool.glob("containers/*")], lambda left: not left, 10)
        assert left == []
        pocket.run(*as_user("nobody"), "slurmpy", "down")
    finally:
        pocket.down()
        shutil.rmtree(base, ignore_errors=True)
