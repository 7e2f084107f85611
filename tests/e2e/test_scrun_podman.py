"""podman with scrun as its runtime. Needs podman, conmon, busybox and root (its storage mounts)."""

import json
import os
import shlex
import shutil
import subprocess
import tempfile

import pytest

from .cluster import Pocket
from .oci import Oci, missing, root_file_system, with_runc

MISSING = missing("podman", "conmon", "busybox", "runc")
pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
    pytest.mark.skipif(os.getuid() != 0, reason="podman's storage for a test needs root"),
    pytest.mark.xdist_group("podman"),
]

CONF = """
[containers]
netns = "host"
cgroups = "disabled"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "scrun"
runtime_supports_json = ["scrun"]
runtime_supports_nocgroups = ["scrun"]
runtime_supports_nocgroup = ["scrun"]
[engine.runtimes]
scrun = [{runtime}]
"""


class Podman:
    """podman with storage, configuration and runtime of its own; `run` gives the finished process."""

    def __init__(self, pocket, base):
        self.oci = Oci(pocket, base)
        rootfs = root_file_system(base / "rootfs")
        wrapper = base / "scrun"
        command = shlex.join(["scrun", f"--root={self.oci.root}"])
        wrapper.write_text(
            "#!/bin/sh\n"  # podman passes hardly any variable on
            f"export PATH={shlex.quote(pocket.environment['PATH'])}\n"
            f"export SLURM_CONF={shlex.quote(str(pocket.directory / 'slurm.conf'))}\n"
            f"export SLURMPY_POCKET={shlex.quote(str(pocket.directory))} SCRUN_STAGING=local\n"
            f'exec {command} "$@"\n'
        )
        wrapper.chmod(0o755)
        (base / "containers.conf").write_text(CONF.format(runtime=json.dumps(str(wrapper))))
        self.pocket, self.rootfs = pocket, rootfs
        self.environment = pocket.environment | {"CONTAINERS_CONF": str(base / "containers.conf")}
        self.short = tempfile.mkdtemp(prefix="podman-")  # podman takes no longer name than 50 characters for this
        self.words = ["podman", "--root", str(base / "store"), "--runroot", self.short]
        self.words += ["--storage-driver", "vfs", "--runtime", "scrun"]

    def run(self, *words, stdin=""):
        return subprocess.run(
            [*self.words, *words], env=self.environment, input=stdin, capture_output=True, text=True, timeout=120
        )

    def container(self, *options):
        return ("run", "--network=host", *options, "--rootfs", str(self.rootfs))


@pytest.fixture(scope="module")
def pocket(tmp_path_factory):
    pocket = Pocket(tmp_path_factory.mktemp("podman"))
    with_runc(pocket)
    pocket.start("--nodes=2", "--cpus=8", "--memory=8000M")
    yield pocket
    pocket.down()


@pytest.fixture
def podman(pocket, tmp_path):
    podman = Podman(pocket, tmp_path)
    try:
        info = podman.run("info")
        if info.returncode:
            pytest.skip(f"podman does not work here: {info.stderr.strip()}")
        yield podman
        podman.run("rm", "--all", "--force", "-t", "0")
        assert podman.oci.left() == []
        with open("/proc/mounts") as stream:
            mounts = [line.split()[1] for line in stream]
        left = [mount for mount in mounts if mount.startswith((str(tmp_path), podman.short))]
        for mount in left:
            subprocess.run(["umount", "-l", mount], check=False)
        assert left == []
    finally:
        shutil.rmtree(podman.short)


def test_output_input_and_exit_code(podman):
    done = podman.run(*podman.container("--rm"), "sh", "-c", "echo out; ls -d /*; echo err >&2; exit 4")
    assert (done.returncode, done.stderr) == (4, "err\n")
    assert done.stdout.split() == ["out", *(f"/{name}" for name in ("bin", "dev", "etc", "proc", "run", "sys", "tmp"))]
    done = podman.run(*podman.container("--rm", "-i"), "/bin/cat", stdin="words\n")
    assert (done.returncode, done.stdout) == (0, "words\n")


def test_a_detached_container_is_a_job_and_is_stopped(podman, pocket):
    done = podman.run(
        *podman.container("-d", "--name=sleeper", "--annotation=slurm.job-name=sleeper"), "/bin/sleep", "99"
    )
    assert done.returncode == 0, done.stderr
    (job,) = pocket.ok("squeue", "-h", "-n", "sleeper", "-o", "%i").split()
    assert podman.run("inspect", "--format={{.State.Status}}", "sleeper").stdout == "running\n"
    assert podman.run("stop", "-t", "1", "sleeper").returncode == 0
    pocket.wait(job)
    status = podman.run("inspect", "--format={{.State.Status}} {{.State.ExitCode}}", "sleeper").stdout.split()
    assert status[0] == "exited"
    assert status[1] in ("137", "143")  # a first process without a handler does not get TERM
    assert podman.run("rm", "sleeper").returncode == 0


def test_a_terminal(podman):
    done = podman.run(*podman.container("--rm", "-t"), "/bin/sh", "-c", "test -t 0 && test -t 1; exit $?")
    assert done.returncode == 0, done.stderr


def test_what_slurmctld_refuses_podman_tells(podman):
    done = podman.run(*podman.container("--rm", "--annotation=slurm.partition=nosuch"), "/bin/echo")
    assert done.returncode != 0
    assert "Invalid partition name specified" in done.stderr
