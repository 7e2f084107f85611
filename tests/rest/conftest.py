"""A cluster with a slurmrestd on a TCP port (tokens) and on a unix socket (the caller's own user)."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httptools
import pytest

import slurmpy
from tests.e2e.site import Site, free_ports


def readable_by_all(path: str) -> bool:
    """Whether a user who owns nothing here can read a file: every directory above it lets others in."""
    place = Path(path).resolve()
    return place.stat().st_mode & 0o004 != 0 and all(one.stat().st_mode & 0o001 for one in place.parents)


def everybodys() -> tuple[str, dict[str, str]] | None:
    """A Python that every user may run, with our packages: (program, environment); None if there is none."""
    packages = [slurmpy.__file__, httptools.__file__]
    system = f"/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
    for program, more in ((sys.executable, [os.__file__]), (system, [])):
        if os.path.exists(program) and all(map(readable_by_all, (program, *packages, *more))):
            return program, {"PYTHONPATH": os.pathsep.join(str(Path(name).resolve().parents[1]) for name in packages)}
    return None


EVERYBODYS = everybodys() if os.geteuid() == 0 else None
as_others = pytest.mark.skipif(EVERYBODYS is None, reason="root, and a Python that others may run, are needed")

CODE = "from slurmpy.rest.main import main; main()"


class Answer:
    def __init__(self, status: int, reason: str, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status = status
        self.reason = reason
        self.headers = headers
        self.body = body

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def errors(self) -> list[tuple[int, str]]:
        return [(error["error_number"], error["source"]) for error in self.document["errors"]]


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=20)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(self._path)


class Rest:
    """slurmrestd as a process of its own."""

    def __init__(
        self,
        site: Site,
        *options: str,
        code: str = CODE,
        prefix: str = "",
        program: str = sys.executable,
        **environment: str,
    ) -> None:
        """``code`` is what ``program`` runs, ``prefix`` stands before the address of the TCP port."""
        self.site = site
        self.log = ""  # what it has said, once it is stopped
        self.port = free_ports(8)[7]
        self.path = str(site.base / f"restd-{self.port}.sock")
        self._tokens: dict[str, str] = {}
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 - `stop` closes it; a pipe would fill up
        argv = [program, "-c", code, *options, f"{prefix}127.0.0.1:{self.port}", f"unix:{self.path}"]
        env = site.environment | {"SLURMRESTD_SECURITY": "disable_user_check"} | environment
        self.process = subprocess.Popen(argv, env=env, stdout=self._said, stderr=self._said)
        while "listens" not in (said := self.said()) and self.process.poll() is None:
            time.sleep(0.02)
        self.greeting = said  # it says when it listens

    def said(self) -> str:
        return os.pread(self._said.fileno(), 1 << 24, 0).decode(errors="replace")

    def token(self, user: str = "root") -> str:
        if user not in self._tokens:
            self._tokens[user] = self.new_token(user, 3600)
        return self._tokens[user]

    def new_token(self, user: str, lifespan: int) -> str:
        from slurmpy.auth import token
        from slurmpy.conf import slurm_conf

        return token.create(slurm_conf.load(self.site.conf), user, lifespan)

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        user: str = "root",
        headers: dict[str, str] | None = None,
        unix: bool = False,
    ) -> Answer:
        """A request as ``user``; ``headers`` replace those of the token. A body that is no text goes as JSON."""
        connection = _Unix(self.path) if unix else http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        if headers is None:
            headers = {} if unix else {"X-SLURM-USER-NAME": user, "X-SLURM-USER-TOKEN": self.token(user)}
        if body is not None and not isinstance(body, str):
            body = json.dumps(body)
            headers = {"Content-Type": "application/json", **headers}
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.reason, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(10)
        self.log = self.said()
        self._said.close()
        return code


def golden_request(rest: Rest, cmd: str) -> tuple[str, str, dict[str, str], str | None]:
    """(method, path, headers, body) of a capture, with this cluster's root and his token."""
    head, _, body = cmd.partition("\n\n")
    first, *lines = head.split("\n")
    method, _, path = first.partition(" ")
    headers = dict(line.split(": ", 1) for line in lines)
    if "X-SLURM-USER-NAME" in headers:
        headers["X-SLURM-USER-NAME"] = "root"
    headers = {name: value.replace("<JWT>", rest.token()) for name, value in headers.items()}
    return method, path, headers, body.rstrip("\n") if body else None


def finish(rest: Rest, number: int, states: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The job once it is in one of ``states``; without any, once nothing of it waits, runs or completes."""
    for _ in range(200):
        (job,) = rest("GET", f"/slurm/v0.0.42/job/{number}").document["jobs"]
        found = set(job["job_state"])
        if found & states if states else not found & {"PENDING", "RUNNING", "SUSPENDED", "COMPLETING"}:
            return dict(job)
        time.sleep(0.1)
    raise AssertionError(f"job {number} is {job['job_state']} because of {job['state_reason']}")


@contextmanager
def serving(site: Site) -> Iterator[Rest]:
    """The cluster and its slurmrestd, from their start to an orderly end."""
    daemon = None
    try:
        site.up()
        daemon = Rest(site)
        assert "listens" in daemon.greeting
        yield daemon
        assert daemon.stop() == 0
        assert not os.path.exists(daemon.path), daemon.log
    finally:
        if daemon is not None and daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.wait()
        site.down()


@pytest.fixture(scope="session")
def rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rest]:
    with serving(Site(tmp_path_factory.mktemp("rest"))) as daemon:
        yield daemon
