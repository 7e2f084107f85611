"""Containers of scrun, as a test drives them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

DRIVER = Path(__file__).with_name("oci_driver.py")

#: no container at all: the bundle's program as the child of a shell. For what scrun itself does
HOST_RUNTIME = """#!/bin/sh
trap : HUP INT TERM USR1 USR2
"$@"
exit $?
"""
OCI_CONF = """RunTimeQuery="false"
RunTimeKill="false"
RunTimeDelete="false"
RunTimeRun="{runtime} %@"
"""


RUNC_CONF = """EnvExclude="^(SLURM_CONF|SLURM_CONF_SERVER)="
RunTimeEnvExclude="^(SLURM_CONF|SLURM_CONF_SERVER)="
RunTimeQuery="runc --root={state} state {tag}.%n.%u.%j.%s.%t"
RunTimeKill="runc --root={state} kill -a {tag}.%n.%u.%j.%s.%t"
RunTimeDelete="runc --root={state} delete --force {tag}.%n.%u.%j.%s.%t"
"""
#: in which of both ways the runtime is called
RUNC_MODES = {
    "run": 'RunTimeRun="runc --root={state} run {tag}.%n.%u.%j.%s.%t -b %b"\n',
    "create": 'RunTimeCreate="runc --root={state} create {tag}.%n.%u.%j.%s.%t -b %b"\n'
    'RunTimeStart="runc --root={state} start {tag}.%n.%u.%j.%s.%t"\n',
}
PROGRAMS = ("sh", "cat", "echo", "env", "hostname", "id", "ls", "sleep", "stty", "tty", "true")


def missing(*programs: str) -> list[str]:
    """Those of `programs` that are not installed."""
    return [name for name in programs if shutil.which(name) is None]


def runc_conf(state: object, tag: str, mode: str = "run") -> str:
    """oci.conf for runc; the names of its containers, and so of their control groups, begin with `tag`."""
    return (RUNC_CONF + RUNC_MODES[mode]).format(state=state, tag=tag)


def with_runc(pocket, mode: str = "run") -> None:
    """Gives a pocket cluster that is still to be started an oci.conf for runc, whose state is in `pocket.home`."""
    pocket.directory.mkdir(mode=0o700)
    (pocket.directory / "oci.conf").write_text(runc_conf(pocket.home / "runc", os.urandom(4).hex(), mode))


def root_file_system(place: Path) -> Path:
    """One of busybox."""
    for name in ("bin", "dev", "etc", "proc", "run", "sys", "tmp"):
        (place / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(str(shutil.which("busybox")), place / "bin/busybox")
    for name in PROGRAMS:
        (place / "bin" / name).symlink_to("busybox")
    return place


def without_containers(pocket) -> None:
    """Gives a pocket cluster that is still to be started an oci.conf whose runtime runs programs on the host."""
    pocket.directory.mkdir(mode=0o700)
    runtime = pocket.home / "host-runtime"
    runtime.write_text(HOST_RUNTIME)
    runtime.chmod(0o755)
    (pocket.directory / "oci.conf").write_text(OCI_CONF.format(runtime=runtime))


class Oci:
    """scrun with a root directory of its own; `left()` is what is in it."""

    def __init__(self, pocket, base: Path) -> None:
        self.pocket, self.base = pocket, base
        self.root = base / "root"
        self.log = base / "log"
        self.runtime = ["scrun", f"--root={self.root}", f"--log={self.log}", "--log-format=json"]
        self.drivers: list[Driver] = []

    def scrun(self, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return self.pocket.run(*self.runtime, *words, env=env)

    def ok(self, *words: str) -> str:
        done = self.scrun(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, *words: str) -> str:
        """The message of an operation that must fail."""
        done = self.scrun(*words)
        assert done.returncode == 1, done.stdout
        assert done.stdout == ""
        lines = done.stderr.splitlines()
        assert len(lines) == 1, lines
        assert self.logged()[-1]["msg"] in lines[0]
        return lines[0].removeprefix("scrun: ")

    def logged(self) -> list[dict]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def state(self, name: str) -> dict:
        return json.loads(self.ok("state", name))

    def status(self, name: str) -> str:
        return self.state(name)["status"]

    def bundle(self, name: str, *args: str, **changes) -> Path:
        """A bundle that runs `args`; `changes` are further members of config.json ("process" is merged)."""
        path = self.base / f"bundle-{name}"
        (path / "rootfs").mkdir(parents=True)
        process = {
            "args": list(args),
            "cwd": "/",
            "env": ["PATH=/usr/bin:/bin", "COLOUR=blue"],
            "user": {"uid": 0, "gid": 0},
        }
        config = {"ociVersion": "1.0.2", "root": {"path": "rootfs"}, **changes}
        config["process"] = process | changes.get("process", {})
        (path / "config.json").write_text(json.dumps(config))
        return path

    def create(self, name: str, *args: str, stdin=subprocess.DEVNULL, env=None, window=None, **changes) -> Driver:
        """A container as conmon would create it; fails if it cannot be."""
        driver = Driver(self, name, self.bundle(name, *args, **changes), stdin, env or {}, window)
        assert driver.told("create") == 0, driver.err()
        return driver

    def start(self, name: str, *args: str, **more) -> Driver:
        driver = self.create(name, *args, **more)
        self.ok("start", name)
        return driver

    def job(self, name: str) -> str:
        """The number of the container's job."""
        return str(json.loads((self.root / name / "state.json").read_text())["job_id"])

    def left(self) -> list[str]:
        return sorted(path.name for path in self.root.iterdir()) if self.root.exists() else []

    def close(self) -> None:
        for driver in self.drivers:
            driver.process.kill()
            driver.process.wait()
            for pipe in (driver.process.stdin, driver.process.stdout):
                if pipe is not None:
                    pipe.close()


class Driver:
    """A `oci_driver` process with one container."""

    def __init__(self, oci: Oci, name: str, bundle: Path, stdin, env: dict[str, str], window) -> None:
        self.oci, self.name, self.bundle = oci, name, bundle
        self.pid_file = oci.base / f"{name}.pid"
        self.out_file, self.err_file = oci.base / f"{name}.out", oci.base / f"{name}.err"
        words = [*oci.runtime, "create", f"--bundle={bundle}", f"--pid-file={self.pid_file}"]
        socket = str(oci.base / f"{name}.sock") if window else None
        if socket:
            words.append(f"--console-socket={socket}")
        spec = {
            "create": [*words, name],
            "pid_file": str(self.pid_file),
            "out": str(self.out_file),
            "err": str(self.err_file),
            "socket": socket,
            "window": window,
        }
        self.process = oci.pocket.popen(
            sys.executable,
            str(DRIVER),
            json.dumps(spec),
            stdin=stdin,
            stdout=subprocess.PIPE,
            env=oci.pocket.environment | env,
        )
        oci.drivers.append(self)

    def told(self, what: str) -> int:
        line = self.process.stdout.readline()
        assert line, f"the driver has ended: {self.err()}"
        return json.loads(line)[what]

    def exit(self) -> int:
        """Waits for the container's end."""
        return self.told("exit")

    @property
    def pid(self) -> int:
        return int(self.pid_file.read_text())

    def out(self) -> str:
        return self.out_file.read_bytes().decode()

    def err(self) -> str:
        return self.err_file.read_text() if self.err_file.exists() else ""
