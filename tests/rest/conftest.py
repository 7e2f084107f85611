"""A cluster with a slurmrestd on a TCP port (tokens) and on a unix socket (the caller's own user)."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.site import Site, free_ports


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

    def __init__(self, site: Site, *options: str, **environment: str) -> None:
        self.site = site
        self.port = free_ports(8)[7]
        self.path = str(site.base / f"restd-{self.port}.sock")
        self._tokens: dict[str, str] = {}
        log = (site.base / "slurmrestd.log").open("wb")
        code = "from slurmpy.rest.main import main; main()"
        argv = [sys.executable, "-c", code, *options, f"127.0.0.1:{self.port}", f"unix:{self.path}"]
        env = site.environment | environment
        self.process = subprocess.Popen(argv, env=env, stdout=log, stderr=subprocess.PIPE, text=True)
        log.close()
        assert self.process.stderr is not None
        self.greeting = self.process.stderr.readline()  # it says when it listens

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
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code


def finish(rest: Rest, number: int, states: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The job once it is in one of ``states``; without any, once nothing of it waits, runs or completes."""
    for _ in range(200):
        (job,) = rest("GET", f"/slurm/v0.0.42/job/{number}").document["jobs"]
        found = set(job["job_state"])
        if found & states if states else not found & {"PENDING", "RUNNING", "SUSPENDED", "COMPLETING"}:
            return dict(job)
        time.sleep(0.1)
    raise AssertionError(f"job {number} is {job['job_state']} because of {job['state_reason']}")


@pytest.fixture(scope="session")
def rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rest]:
    base: Path = tmp_path_factory.mktemp("rest")
    site = Site(base)
    configuration = base / "slurmdbd.conf"
    if "jwt" not in configuration.read_text():
        with configuration.open("a") as file:
            file.write(f"AuthAltTypes=auth/jwt\nAuthAltParameters=jwt_key={base}/jwt.key\n")
    daemon = None
    try:
        site.up()
        daemon = Rest(site)
        assert "listens" in daemon.greeting
        yield daemon
        assert daemon.stop() == 0
        assert not os.path.exists(daemon.path)
    finally:
        if daemon is not None and daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.wait()
        site.down()
