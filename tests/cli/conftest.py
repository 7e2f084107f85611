"""A pocket cluster for the commands of this folder, one for each worker."""

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

BIN = Path(sysconfig.get_path("scripts"))


class Pocket:
    """Runs commands against the cluster; `sh` is a shell's line, `start` a process that goes on."""

    def __init__(self, directory):
        self.directory = directory
        self.env = {
            "PATH": f"{BIN}:/usr/bin:/bin",
            "HOME": str(directory),
            "SLURMPY_POCKET": str(directory / "pocket"),
            "USER": "tester",
        }

    def sh(self, line, **env):
        """(exit code, stdout, stderr) of a line run by /bin/sh in the test's directory."""
        done = subprocess.run(
            ["/bin/sh", "-c", line],
            capture_output=True,
            text=True,
            cwd=self.directory,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            timeout=40,
        )
        return done.returncode, done.stdout, done.stderr

    def start(self, *argv):
        return subprocess.Popen(
            argv,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.directory,
            env=self.env,
            stdin=subprocess.DEVNULL,
        )


@pytest.fixture(scope="session")
def pocket(tmp_path_factory):
    if not (BIN / "slurmpy").exists():
        pytest.skip(f"the package's commands are not in {BIN}")
    found = Pocket(tmp_path_factory.mktemp("pocket"))
    os.chmod(found.directory, 0o755)
    code, _, err = found.sh("slurmpy up --nodes 2 --cpus 4 --memory 4G")
    assert code == 0, err
    yield found
    found.sh("scancel -u $(id -un); slurmpy down")
