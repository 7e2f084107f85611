"""Raw bytes to slurmrestd: framing, several requests on a connection, bounds, slow and broken clients."""

from __future__ import annotations

import gzip
import json
import os
import pwd
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slurmpy.rest.http import MAX_BODY, MAX_HEAD

from .conftest import EVERYBODYS, Rest, as_others
from .wire import PING, Wire, request, run

pytestmark = pytest.mark.xdist_group("rest")


def test_a_connection_is_kept(rest: Rest) -> None:
    with Wire(rest) as wire:
        for _ in range(5):
            status, headers, body = wire.send(request(rest)).answer()
            assert (status, "Connection" in headers) == (200, False)
            assert json.loads(body)["pings"]
        assert wire.send(request(rest, "/nosuch")).status() == 404
        assert wire.status() == 0  # Slurm's daemon ends the connection after a request that failed


def test_pipelining(rest: Rest) -> None:
    paths = [PING, "/slurm/v0.0.42/nodes/", PING, "/slurm/v0.0.42/partitions/"] * 20
    with Wire(rest) as wire:
        wire.send(b"".join(request(rest, path) for path in paths))
        kinds = {"ping": "pings", "nodes": "nodes", "partitions": "partitions"}
        for path in paths:
            status, _, body = wire.answer()
            assert status == 200
            assert kinds[path.split("/")[3]] in json.loads(body)
        assert wire.send(request(rest, more="Connection: close\r\n") + request(rest)).status() == 200
        assert wire.status() == 0


def test_what_comes_a_byte_at_a_time(rest: Rest) -> None:
    with Wire(rest) as wire:
        body = b'{"comment": "x"}'
        for byte in request(rest, "/slurm/v0.0.42/job/999999", "POST", body=body):
            wire.send(bytes([byte]))
        assert wire.status() == 404


def test_the_end_of_what_a_client_says(rest: Rest) -> None:
    """Who shuts his side down after the last request still has all the answers."""
    with Wire(rest) as wire:
        wire.send(request(rest) * 3)
        wire.socket.shutdown(socket.SHUT_WR)
        assert [wire.status() for _ in range(4)] == [200, 200, 200, 0]
    with Wire(rest) as wire:
        wire.send(request(rest)[:40])
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.status() == 0


def test_versions(rest: Rest) -> None:
    with Wire(rest) as wire:
        wire.send(request(rest, version="1.0", more="Connection: keep-alive\r\n"))
        assert wire.socket.recv(12) == b"HTTP/1.0 200"
    for version in ("0.9", "1.2", "2.0", "x"):
        with Wire(rest) as wire:
            assert wire.send(request(rest, version=version)).status() == 400
            assert wire.status() == 0


def test_addresses_in_a_request(rest: Rest) -> None:
    for path, status in (
        ("http://ignored" + PING, 200), ("https://ignored:99" + PING, 200), (PING + "#x", 200), ("*", 400),
        ("//slurm///v0.0.42//ping", 200), ("/slurm/v0.0.42/%70ing", 200), ("/slurm/v0.0.42/ping%2f", 404),
        ("/slurm/v0.0.42/%zz", 400), ("/slurm/v0.0.42/ping%00", 400), ("/slurm/../slurm/v0.0.42/ping", 400),
        ("/slurmdb/v0.0.42/account/a%2fb", 200), ("/slurm/v0.0.42/jobs/?a=%zz", 400), ("/slurm/v0.0.42/jobs/?=x", 400),
        ("/slurm/v0.0.42/jobs/?update_time", 422), ("/slurm/v0.0.42/jobs/?update_time=1&update_time=2", 422),
    ):  # fmt: skip
        with Wire(rest) as wire:
            assert wire.send(request(rest, path)).status() == status, path


def test_methods(rest: Rest) -> None:
    for method, status in (
        ("HEAD", 411), ("OPTIONS", 404), ("PUT", 404), ("PATCH", 404), ("TRACE", 404), ("FOO", 400), ("get", 400),
        ("CONNECT", 400), ("PRI", 400),
    ):  # fmt: skip
        with Wire(rest) as wire:
            assert wire.send(request(rest, method=method)).status() == status, method
            assert wire.status() == 0


BODY = b'{"comment": "x"}'
JOB = "/slurm/v0.0.42/job/999999"


def test_bodies(rest: Rest) -> None:
    with Wire(rest) as wire:
        chunks = b'5\r\n{"com\r\n5;ext=1\r\nment"\r\n6\r\n: "x"}\r\n0\r\nX-SLURM-USER-NAME: nobody\r\n\r\n'
        more = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
        assert wire.send(request(rest, JOB, "POST", more) + chunks).status() == 404
    with Wire(rest) as wire:
        wire.send(request(rest, JOB, "POST", "Expect: 100-continue\r\n", BODY)[: -len(BODY)])
        assert wire.answer() == (100, {}, b"")
        assert wire.send(BODY).status() == 404
    for more, status in (
        ("Content-Length: abc\r\n", 400), ("Content-Length: -1\r\n", 400), ("Content-Length: 3\r\n" * 2, 400),
        ("Content-Length: 99999999999999999999\r\n", 400), (f"Content-Length: {MAX_BODY + 1}\r\n", 413),
        ("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", 400), ("Transfer-Encoding: gzip\r\n", 400),
        ("Content-Length: 3\r\nContent-Encoding: gzip\r\n", 406), ("Expect: miracles\r\n", 417),
        ("Connection: Upgrade\r\nUpgrade: websocket\r\n", 405), ("Connection: Upgrade\r\nUpgrade: h2c\r\n", 405),
    ):  # fmt: skip
        with Wire(rest) as wire:
            assert wire.send(request(rest, JOB, "POST", more)).status() == status, more
            assert wire.status() == 0


def test_bounds(rest: Rest) -> None:
    for data in (
        request(rest, more="X: " + "a" * MAX_HEAD + "\r\n"),
        request(rest, more="".join(f"X{i}: a\r\n" for i in range(20000))),
        request(rest, PING + "?x=" + "a" * MAX_HEAD),
        b"GET /" + b"a" * (MAX_HEAD + 10),
        b"a" * (MAX_HEAD * 2),
        b"\r\n" * MAX_HEAD,
    ):
        with Wire(rest) as wire:
            assert wire.send(data).status() == 400
            assert wire.status() == 0
    with Wire(rest) as wire:
        assert wire.send(request(rest, more="X: " + "a" * (MAX_HEAD // 2) + "\r\n")).status() == 200
    with Wire(rest) as wire:  # nobody sends a body without credentials
        wire.send(f"POST {JOB} HTTP/1.1\r\nContent-Length: {MAX_BODY}\r\n\r\n".encode())
        assert wire.status() == 401
        assert wire.status() == 0
    with Wire(rest) as wire:  # chunks of a byte each, and no end
        more = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
        wire.send(request(rest, JOB, "POST", more))
        piece = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
        for _ in range(MAX_BODY // 0x100000 + 2):
            wire.send(piece)
        assert wire.status() == 413


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\x02\r\n\r\n",
        bytes.fromhex("16030100a5010000a1") + bytes(160),
        b"GET\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\nX\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: a\0b\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n",
        b"GET / HTTP/1.1\r\nX : a\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
)
def test_garbage(rest: Rest, data: bytes) -> None:
    with Wire(rest) as wire:
        assert wire.send(data).status() in (400, 401)
        assert wire.status() == 0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_broken_requests(rest: Rest, data: st.DataObject) -> None:
    """A good request with a piece cut out, doubled or replaced: never a 500, and the daemon goes on."""
    good = request(rest, JOB, "POST", "Accept: application/json\r\n", BODY)
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(len(good), start + 40)))
    filling = data.draw(st.binary(max_size=20) | st.just(good[start:end] * 2))
    with Wire(rest) as wire:
        wire.send(good[:start] + filling + good[end:])
        wire.socket.shutdown(socket.SHUT_WR)
        seen = []
        while (status := wire.status()) != 0:
            seen.append(status)
        assert not {500, 503} & set(seen)
    assert rest("GET", PING).status == 200


def test_credentials(rest: Rest) -> None:
    token = rest.token()
    good = [
        {"X-SLURM-USER-TOKEN": token},
        {"Authorization": f"Bearer {token}"},
        {"Authorization": f"bearer  {token} ", "X-SLURM-USER-NAME": "root"},
        {"x-slurm-user-token": token, "Authorization": "Basic cm9vdDp4"},
    ]
    for headers in good:
        assert rest("GET", "/slurm/v0.0.42/jobs", headers=headers).status == 200
    bad = [{}, {"X-SLURM-USER-NAME": "root"}, {"Authorization": "Basic cm9vdDp4"}, {"Authorization": "Bearer"},
           {"Authorization": f"Bearer {token}", "X-SLURM-USER-TOKEN": token}]  # fmt: skip
    for headers in bad:
        assert rest("GET", "/slurm/v0.0.42/jobs", headers=headers).status == 401, headers
        assert rest("GET", "/nosuch", headers=headers).status == 401
    with Wire(rest) as wire:  # which of the two names counts would depend on who reads it
        wire.send(request(rest, more="X-SLURM-USER-NAME: nobody\r\n"))
        assert wire.status() == 401


def test_a_proxy_acts_for_others(rest: Rest) -> None:
    """A trusted user's token with X-SLURM-USER-NAME; an ordinary user's counts for himself alone."""
    job = {
        "script": "#!/bin/sh\ntrue\n",
        "job": {"current_working_directory": "/tmp", "environment": ["A=b"], "hold": True},
    }
    submitted = rest("POST", "/slurm/v0.0.42/job/submit", job,
                     headers={"X-SLURM-USER-TOKEN": rest.token("root"), "X-SLURM-USER-NAME": "nobody"})  # fmt: skip
    assert submitted.status == 200, submitted.body
    number = submitted.document["job_id"]
    (found,) = rest("GET", f"/slurm/v0.0.42/job/{number}").document["jobs"]
    assert found["user_name"] == "nobody"
    own = {"X-SLURM-USER-TOKEN": rest.token("nobody"), "X-SLURM-USER-NAME": "nobody"}
    for name in ("root", "daemon", "no-such-user"):
        for method, path in (("GET", "/slurm/v0.0.42/jobs"), ("DELETE", f"/slurm/v0.0.42/job/{number}")):
            answer = rest(method, path, headers={**own, "X-SLURM-USER-NAME": name})
            assert (answer.status, answer.errors[0][0]) == (511, 1007), name
    other = {"X-SLURM-USER-TOKEN": rest.token("root"), "X-SLURM-USER-NAME": "daemon"}
    refused = rest("DELETE", f"/slurm/v0.0.42/job/{number}", headers=other).document["status"]
    assert [one["error"]["code"] for one in refused] == [2002]
    assert rest("DELETE", f"/slurm/v0.0.42/job/{number}", headers=own).document["status"] == []
    (found,) = rest("GET", f"/slurm/v0.0.42/job/{number}").document["jobs"]
    assert found["job_state"] == ["CANCELLED"]


def test_compression(rest: Rest) -> None:
    plain = rest("GET", "/openapi/v3")
    assert "Content-Encoding" not in dict(plain.headers)
    headers = {"X-SLURM-USER-TOKEN": rest.token(), "Accept-Encoding": "deflate, gzip;q=0.9"}
    packed = rest("GET", "/openapi/v3", headers=headers)
    assert dict(packed.headers)["Content-Encoding"] == "gzip"
    assert dict(packed.headers)["Vary"] == "Accept-Encoding"
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) * 4 < len(plain.body)
    small = rest("GET", "/nosuch", headers=headers)
    assert (small.status, dict(small.headers).get("Content-Encoding")) == (404, None)


def test_the_document_in_yaml(rest: Rest) -> None:
    import yaml

    headers = {"X-SLURM-USER-TOKEN": rest.token(), "Accept": "application/yaml"}
    answer = rest("GET", "/openapi/v3", headers=headers)
    assert dict(answer.headers)["Content-Type"] == "application/yaml"
    assert yaml.load(answer.body, yaml.CSafeLoader) == rest("GET", "/openapi/v3").document
    assert rest("GET", "/openapi/v3", headers={**headers, "Accept": "text/xml"}).status == 415


def test_idle_connections_harm_nobody(rest: Rest) -> None:
    """More of them than --max-connections lets be worked on at a time."""
    idle = [socket.create_connection(("127.0.0.1", rest.port), timeout=20) for _ in range(300)]
    try:
        for one in idle[::10]:
            one.sendall(request(rest)[:50])  # these have begun to ask
        for _ in range(5):
            assert rest("GET", PING).status == 200
    finally:
        for one in idle:
            one.close()


def test_one_at_a_time(rest: Rest) -> None:
    daemon = Rest(rest.site, "--max-connections", "1", "-t", "1")
    try:
        wires = [Wire(daemon) for _ in range(8)]
        for wire in wires:
            wire.send(request(daemon) * 3)
        assert [[wire.status() for _ in range(3)] for wire in wires] == [[200] * 3] * 8
        for wire in wires:
            wire.socket.close()
    finally:
        assert daemon.stop() == 0


def test_answers_without_a_blank(rest: Rest) -> None:
    daemon = Rest(rest.site, SLURMRESTD_JSON="compact")
    try:
        small = daemon("GET", "/slurm/v0.0.42/nodes")
        assert b"\n" not in small.body
        assert [node["name"] for node in small.document["nodes"]] == ["n1", "n2"]
        assert b"\n" not in daemon("GET", "/slurm/v0.0.42/job/999999").body
    finally:
        assert daemon.stop() == 0


def test_slow_clients(rest: Rest) -> None:
    """Time runs faster in this daemon, so that nobody waits for it."""
    code = ("import slurmpy.rest.connection as c; c.TIME, c.IDLE, c.SLOWEST = 0.6, 1.2, 100000; "
            "from slurmpy.rest.main import main; main()")  # fmt: skip
    daemon = Rest(rest.site, code=code)
    try:
        begun = time.monotonic()
        with Wire(daemon) as wire:  # a head that does not end, a byte at a time
            wire.socket.settimeout(0.05)
            data, seen = iter(b"GET / HTTP/1.1\r\n" + b"X: aaaaaaaaaaaa\r\n" * 100), b""
            while not seen:
                wire.send(bytes([next(data)]))
                try:
                    seen = wire.socket.recv(100)
                except TimeoutError:
                    continue
            assert seen.startswith(b"HTTP/1.1 408 REQUEST TIMEOUT\r\nConnection: Close")
            assert time.monotonic() - begun < 10
        with Wire(daemon) as wire:  # a body that does not come
            wire.send(request(daemon, JOB, "POST", body=BODY)[:-5])
            assert wire.status() == 408
            assert wire.status() == 0
        with Wire(daemon) as wire:  # nothing at all
            assert wire.status() == 0
        with Wire(daemon) as wire:  # nothing more
            assert wire.send(request(daemon)).status() == 200
            assert wire.status() == 0
        assert daemon("GET", PING).status == 200
    finally:
        assert daemon.stop() == 0


def test_a_client_that_does_not_read(rest: Rest) -> None:
    code = "import slurmpy.rest.connection as c; c.TIME = 0.5; from slurmpy.rest.main import main; main()"
    daemon = Rest(rest.site, "-v", code=code)
    try:
        with Wire(daemon) as wire:
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            wire.send(request(daemon, "/openapi/v3") * 12)
            assert daemon("GET", PING).status == 200
            deadline = time.monotonic() + 20
            while os.listdir(f"/proc/{daemon.process.pid}/fd") and time.monotonic() < deadline:
                try:
                    wire.socket.send(b" ")
                except OSError:
                    break
                time.sleep(0.05)
            else:
                raise AssertionError("it is waited for")
    finally:
        assert daemon.stop() == 0


# ---- other users


@as_others
def test_it_becomes_who_asks(rest: Rest, tmp_path: Path) -> None:
    """Root's slurmrestd with a connection that inetd has accepted."""
    assert EVERYBODYS is not None
    program, paths = EVERYBODYS
    entry = pwd.getpwnam("nobody")
    name = f"\0slurmpy-inetd-{os.getpid()}"  # in no directory, where nobody may not look
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(name)
        listener.listen()
        code = (f"import os, socket; os.setgroups([]); os.setgid({entry.pw_gid}); os.setuid({entry.pw_uid}); "
                f"s = socket.socket(socket.AF_UNIX); s.connect({name!r}); "
                "s.sendall(b'GET /slurm/v0.0.42/ping/ HTTP/1.1\\r\\nConnection: close\\r\\n\\r\\n'); "
                "print(b''.join(iter(lambda: s.recv(65536), b'')).decode())")  # fmt: skip
        client = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        listener.settimeout(20)
        accepted, _ = listener.accept()
    env = rest.site.environment | paths | {"SLURMRESTD_SECURITY": "become_user"}
    argv = [program, "-c", "from slurmpy.rest.main import main; main()", "-a", "rest_auth/local"]
    with (tmp_path / "log").open("w") as log:
        daemon = subprocess.Popen(argv, env=env, stdin=accepted, stdout=accepted, stderr=log)
    accepted.close()
    said, _ = client.communicate(timeout=60)
    assert daemon.wait(20) == 0
    assert said.startswith("HTTP/1.1 200 OK"), said + (tmp_path / "log").read_text()
    told = json.loads(said.partition("\n\n")[2] or said.partition("\r\n\r\n")[2])
    assert told["meta"]["client"]["user"] == "nobody"


@as_others
def test_root_and_slurm_user_are_given_up(rest: Rest) -> None:
    assert EVERYBODYS is not None
    program, paths = EVERYBODYS
    done = run(rest, "-a", "jwt", "127.0.0.1:0", SLURMRESTD_SECURITY="")
    assert done.returncode == 1
    assert done.stderr == b"slurmrestd: fatal: slurmrestd should not be run as SlurmUser\n"
    daemon = Rest(rest.site, "-u", "nobody", "-a", "rest_auth/jwt", program=program, SLURMRESTD_SECURITY="", **paths)
    try:
        answer = daemon("GET", PING)
        assert answer.document["meta"]["client"]["user"] == "nobody"
        assert answer.document["pings"][0]["responding"]
        status = Path(f"/proc/{daemon.process.pid}/status").read_text()
        number = str(pwd.getpwnam("nobody").pw_uid)
        assert re.search(rf"^Uid:\t{number}\t{number}\t{number}\t{number}$", status, re.MULTILINE)
        assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE)
        assert re.search(r"^Groups:\t *$", status, re.MULTILINE)
    finally:
        assert daemon.stop() == 0


# ---- what is logged


def test_no_token_is_logged(rest: Rest) -> None:
    daemon = Rest(rest.site, "-vvvvvv")
    try:
        secrets = [daemon.token(), daemon.new_token("nobody", 600), "nonsense-that-is-secret"]
        for secret in secrets:
            for headers in (
                {"X-SLURM-USER-TOKEN": secret, "X-SLURM-USER-NAME": "root"},
                {"Authorization": f"Bearer {secret}"},
            ):
                daemon("GET", "/slurm/v0.0.42/jobs", headers=headers)
                daemon("GET", "/slurmdb/v0.0.42/accounts", headers=headers)
            with Wire(daemon) as wire:
                wire.send(f"GET {PING} HTTP/1.1\r\nX-SLURM-USER-TOKEN: {secret}\r\nBad\r\n\r\n".encode()).status()
        with Wire(daemon) as wire:
            wire.send(f"GET /x%0a\x1b[2J HTTP/1.1\r\nX-SLURM-USER-TOKEN: {secrets[0]}\r\n\r\n".encode()).status()
    finally:
        assert daemon.stop() == 0
    assert "GET '/slurm/v0.0.42/jobs' 200" in daemon.log
    assert "\x1b" not in daemon.log
    for secret in secrets:
        assert not any(part in daemon.log for part in secret.split(".") if len(part) > 10)
