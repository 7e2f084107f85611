"""The pocket cluster's oci.conf: written for a runtime that has run a container here, never over one that a user wrote.

That a runtime is installed says little: crun, for one, refuses nodes on which control groups of version 1 and 2 are
mixed, and a kernel may have user namespaces forbidden. So it is tried: `true` of this machine, in a container like
those that are made of images. That takes runc 40 ms; a new pocket has it done while its daemons are loaded.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from typing import Any

from slurmpy.conf import oci_runtimes
from slurmpy.core.errors import SlurmError

from .directory import Directory

HEADER = "# The pocket cluster's oci.conf, written by `slurmpy up`"
REST = """\
 for a runtime that ran a container here.
# `slurmpy up --container-runtime` writes it anew or, with none, removes it; without this first line it is left alone.
"""
#: A trial that takes longer has failed.
SECONDS = 10.0
#: What the trial's root file system borrows of this machine, as far as it is there.
BORROWED = ("/bin", "/lib", "/lib32", "/lib64", "/usr", "/nix/store", "/gnu/store")


def choose(directory: Directory, word: str) -> None:
    """--container-runtime: a name, a path, or "none". Raises SlurmError; then nothing has changed."""
    existing = _existing(directory)
    if existing is not None and not existing.startswith(HEADER):
        raise SlurmError(
            "SLURM_ERROR",
            f"--container-runtime: {directory['oci.conf']} was not written by slurmpy, so it stays as it is",
        )
    if word == "none":
        if existing is not None:
            os.unlink(directory["oci.conf"])
        return
    program = oci_runtimes.find(word)
    if program is None:
        where = "" if "/" in word else " in PATH"
        raise SlurmError("SLURM_ERROR", f"--container-runtime: {word}: no such program{where}")
    text = oci_runtimes.text(program)
    problem = Trial(directory, program).problem()
    if problem:
        raise SlurmError("SLURM_ERROR", f"--container-runtime: {program} runs no container here: {problem}")
    directory.write("oci.conf", HEADER + REST + text)


def _existing(directory: Directory) -> str | None:
    try:
        with open(directory["oci.conf"], encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SlurmError("SLURM_ERROR", f"{directory['oci.conf']}: {error.strerror}") from error


class Search:
    """For a runtime that works, in a new pocket; begun at once, `end()` writes oci.conf if there is one."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._trial: Trial | None = None
        self._programs = [path for path in map(oci_runtimes.find, oci_runtimes.NAMES) if path]
        self._next()

    def _next(self) -> None:
        self._trial = Trial(self._directory, self._programs.pop(0)) if self._programs else None

    def end(self) -> str:
        """A line for the log. Raises SlurmError if oci.conf cannot be written."""
        told = []
        while self._trial is not None:
            trial = self._trial
            problem = trial.problem()
            if not problem:
                if _existing(self._directory) is None:
                    self._directory.write("oci.conf", HEADER + REST + oci_runtimes.text(trial.program))
                return f"containers run by {trial.program}"
            told.append(f"{trial.program} runs none here: {problem}")
            self._next()
        return f"no containers: {'; '.join(told) or 'neither ' + ' nor '.join(oci_runtimes.NAMES) + ' is installed'}"


class Trial:
    """One container of `program`, begun when this is made."""

    def __init__(self, directory: Directory, program: str) -> None:
        self.program = program
        self._why = ""
        self._process: subprocess.Popen[str] | None = None
        self._place = ""
        self._name = f"slurmpy-trial-{os.getpid()}"
        try:
            self._place = tempfile.mkdtemp(prefix="oci-trial-", dir=directory["run"])
            with open(os.path.join(self._place, "config.json"), "w", encoding="utf-8") as file:
                json.dump(self._config(), file)
            command = self._command("run", f"--bundle={self._place}", self._name)
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                errors="replace",
            )  # fmt: skip
        except OSError as error:
            self._why = f"{error.filename or program}: {error.strerror}"

    def _command(self, *words: str) -> list[str]:
        return [self.program, f"--root={self._place}/state", *words]

    def _config(self) -> dict[str, Any]:
        """As `slurmpy.image` makes it for a root file system, with this machine's programs in it."""
        from slurmpy.image.runtime_spec import MOUNT_POINTS, runtime_spec

        rootfs = os.path.join(self._place, "rootfs")
        os.mkdir(rootfs)
        borrowed = [path for path in BORROWED if os.path.isdir(path)]
        for path in (*MOUNT_POINTS, *borrowed):
            os.makedirs(rootfs + path, exist_ok=True)
        user, group = os.geteuid(), os.getegid()
        config = runtime_spec(None, rootfs, uid=user, gid=group, rootless=user != 0)
        config["process"]["args"] = [
            os.path.realpath(shutil.which("true", path=oci_runtimes.SYSTEM_PATH) or "/bin/true")
        ]
        for path in borrowed:
            config["mounts"].append({"destination": path, "type": "none", "source": path, "options": ["rbind"]})
        return config

    def problem(self) -> str:
        """Waits for the end: why there is no container, "" if there was one. Leaves nothing behind."""
        if self._process is not None:
            try:
                said, _ = self._process.communicate(timeout=SECONDS)
                if self._process.returncode:
                    last = " ".join((said.strip().splitlines() or [""])[-1].split())
                    self._why = last[:500] or f"exit code {self._process.returncode}"
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.communicate()
                self._why = f"it took longer than {SECONDS:.0f} seconds"
            if self._why:
                self._clean()
        if self._place:
            shutil.rmtree(self._place, ignore_errors=True)
        return self._why

    def _clean(self) -> None:
        try:
            subprocess.run(
                self._command("delete", "--force", self._name),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=SECONDS,
                check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            pass  # what there was to say has been said
