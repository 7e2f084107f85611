"""scrun over the real runc: containers that are ones."""

import json
import os
import signal
import subprocess
import time
import zlib
from pathlib import Path

import pytest

from .cluster import Pocket
from .oci import Oci, missing, root_file_system, with_runc
from .test_main_job import until

MISSING = missing("runc", "busybox")
pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
    pytest.mark.xdist_group("scrun-runc"),
]

#: a program that says when it can be signalled, and how it is
TRAPS = "trap 'echo usr1' USR1; trap 'echo term; exit 9' TERM; echo ready; while :; do sleep 0.05; done"


@pytest.fixture(scope="module", params=["run", "create"])
def pocket(request, tmp_path_factory):
    pocket = Pocket(tmp_path_factory.mktemp("runc"))
    with_runc(pocket, request.param)
    pocket.start("--nodes=2", "--cpus=8", "--memory=8000M")
    yield pocket
    pocket.down()


class Containers(Oci):
    """Bundles as `runc spec` makes them, with a root file system of busybox."""

    def bundle(self, name, *args, **changes):
        path = self.base / f"bundle-{name}"
        root_file_system(path / "rootfs")
        options = () if os.getuid() == 0 else ("--rootless",)
        subprocess.run(["runc", "spec", *options], cwd=path, check=True, capture_output=True)
        config = json.loads((path / "config.json").read_text())
        config["process"] |= {"args": list(args), "terminal": False} | changes.pop("process", {})
        config |= changes
        (path / "config.json").write_text(json.dumps(config))
        return path

    def runtime_state(self):
        """What runc still knows of."""
        state = self.pocket.home / "runc"
        return sorted(os.listdir(state)) if state.exists() else []

    def control_groups(self):
        """Those of the containers of this cluster."""
        spools = self.pocket.directory.glob("spool/*")
        tags = tuple(f"_{zlib.crc32(os.fsencode(spool)):08x}_job_" for spool in spools)
        return [str(path) for path in Path("/sys/fs/cgroup").glob("*/*") if any(tag in path.name for tag in tags)]


@pytest.fixture
def oci(pocket, tmp_path):
    oci = Containers(pocket, tmp_path)
    yield oci
    left = oci.left()
    for name in left:
        oci.scrun("delete", "--force", name)
    oci.close()
    assert left == []
    assert until(oci.runtime_state, lambda state: not state) == []
    assert until(oci.control_groups, lambda groups: not groups) == []
    with open("/proc/mounts") as stream:
        assert not [line for line in stream if str(tmp_path) in line]


LOCAL = {"SCRUN_STAGING": "local"}


@pytest.mark.parametrize("staging", [{}, LOCAL], ids=["none", "local"])
def test_the_whole_life(oci, pocket, staging):
    script = "cat; hostname; ls -d /*; echo $SLURM_JOB_NAME $SLURM_CONTAINER_ID $SCRUN_CONTAINER_ID; echo $$; exit 3"
    driver = oci.create("life", "sh", "-c", script, stdin=subprocess.PIPE, env=staging, hostname="inside")
    job = oci.job("life")
    assert oci.status("life") == "created"
    assert oci.runtime_state() == []
    oci.ok("start", "life")
    assert os.getuid() or until(oci.control_groups, bool)
    (name,) = until(oci.runtime_state, bool)
    assert name.endswith(f".{job}.0.0")
    driver.process.stdin.write("words\n")
    driver.process.stdin.close()
    assert driver.exit() == 3
    lines = driver.out().split()
    assert lines[:2] == ["words", "inside"]
    assert "/bin" in lines
    assert "/usr" not in lines
    assert lines[-4:] == ["scrun", "life", "life", "1"]
    assert driver.err() == ""
    assert oci.status("life") == "stopped"
    oci.ok("delete", "life")
    pocket.wait(job)
    assert pocket.state(job) == "FAILED"


def test_signals(oci):
    driver = oci.start("signals", "sh", "-c", TRAPS)
    until(driver.out, lambda out: "ready" in out)
    oci.ok("kill", "signals", "USR1")
    until(driver.out, lambda out: "usr1" in out)
    oci.ok("kill", "signals")
    assert driver.exit() == 9
    oci.ok("delete", "signals")
    driver = oci.start("stubborn", "sleep", "1000")
    oci.ok("kill", "stubborn", "KILL")
    assert driver.exit() == 137
    oci.ok("delete", "stubborn")


def test_a_terminal(oci):
    # runc gives its terminal a size a moment after the program has started
    wait = 'while test "$(stty size)" != "33 111"; do sleep 0.01; done'
    script = f"test -t 0 && test -t 1 && {wait} && stty size; read line; echo got $line; exit 5"
    driver = oci.start("tty", "sh", "-c", script, window=[33, 111], stdin=subprocess.PIPE, process={"terminal": True})
    assert "33 111" in until(driver.out, lambda out: "33 111" in out)
    driver.process.stdin.write("hello\n")
    driver.process.stdin.flush()
    assert driver.exit() == 5
    assert "got hello\r\n" in driver.out()
    oci.ok("delete", "tty")


@pytest.mark.parametrize("how", ["anchor", "scancel", "delete"])
def test_however_it_ends_nothing_is_left(oci, pocket, how):
    driver = oci.start("ended", "sh", "-c", "sleep 1000 & echo ready; wait")
    until(driver.out, lambda out: "ready" in out)
    job = oci.job("ended")
    if how == "anchor":
        os.kill(driver.pid, signal.SIGKILL)
        assert driver.exit() == -9
    elif how == "scancel":
        pocket.ok("scancel", job)
        assert driver.exit() in (0, 137, 143)  # the first process of a container is not told of TERM
    else:
        oci.ok("delete", "--force", "ended")
        assert driver.exit() == 137
    if how != "delete":
        assert oci.status("ended") == "stopped"
        oci.ok("delete", "ended")
    pocket.wait(job)
    assert pocket.state(job) in ("CANCELLED", "FAILED")


def test_a_killed_anchors_container_goes_at_once(oci, pocket):
    """Its first process knows nothing of SIGTERM; the job is not to wait for KillWait."""
    driver = oci.start("orphan", "sleep", "1000")
    job = oci.job("orphan")
    until(oci.runtime_state, bool)
    began = time.monotonic()
    os.kill(driver.pid, signal.SIGKILL)
    assert driver.exit() == -9
    oci.ok("delete", "orphan")
    pocket.wait(job)
    assert time.monotonic() - began < 20
    assert pocket.state(job) == "CANCELLED"


def test_a_program_that_the_container_has_not(oci):
    driver = oci.create("absent", "/no/such/program")
    oci.scrun("start", "absent")
    assert driver.exit() != 0
    assert "/no/such/program" in driver.err()
    oci.ok("delete", "absent")


def test_one_container_a_task(oci):
    script = "echo $SLURM_PROCID; id -u; hostname"
    driver = oci.start("many", "sh", "-c", script, annotations={"slurm.ntasks": "3", "slurm.nodes": "2"})
    assert driver.exit() == 0
    assert sorted(driver.out().split())[:3] == ["0", "0", "0"]
    oci.ok("delete", "many")


def test_a_container_that_is_killed_while_it_is_made(oci):
    """The runtime is in the middle of it, and will not clean up by itself."""
    for turn in range(8):
        name = f"early{turn}"
        driver = oci.start(name, "sleep", "1000")
        oci.ok("delete", "--force", name)
        assert driver.exit() == 137
