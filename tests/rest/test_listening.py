"""Other ways to slurmrestd than a plain socket: TLS, and what inetd hands over."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Rest
from .wire import PING, request, run

pytestmark = pytest.mark.xdist_group("rest")


# ---- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("tls")
    done = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", base / "restd_cert_key.pem", "-out", base / "restd_cert.pem"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (base / "restd_cert_key.pem").chmod(0o600)
    return base


@pytest.fixture
def secure(rest: Rest, certificate: Path) -> Iterator[tuple[Rest, Path]]:
    conf = certificate / "slurm.conf"
    names = f"restd_cert_file={certificate}/restd_cert.pem,restd_cert_key_file={certificate}/restd_cert_key.pem"
    conf.write_text(Path(rest.site.conf).read_text() + f"\nTLSParameters={names}\n")
    daemon = Rest(rest.site, "-f", str(conf), prefix="https://")
    yield daemon, certificate
    if daemon.process.poll() is None:
        assert daemon.stop() == 0


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_tls(secure: tuple[Rest, Path]) -> None:
    daemon, base = secure
    context = ssl.create_default_context(cafile=str(base / "restd_cert.pem"))
    for _ in range(2):
        connection = http.client.HTTPSConnection("127.0.0.1", daemon.port, timeout=20, context=context)
        for _ in range(3):
            connection.request("GET", PING, headers={"X-SLURM-USER-TOKEN": daemon.token()})
            answer = connection.getresponse()
            assert (answer.status, "pings" in json.loads(answer.read())) == (200, True)
        connection.close()
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=20) as plain:
        plain.sendall(request(daemon))
        assert b"200" not in plain.recv(100)
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", daemon.port), timeout=20) as raw,
        pytest.raises((ssl.SSLError, OSError)),
    ):
        old.wrap_socket(raw)
    assert daemon("GET", PING, unix=True).status == 200
    assert daemon.stop() == 0
    assert "Traceback" not in daemon.log


def test_certificates_that_will_not_do(rest: Rest, certificate: Path, tmp_path: Path) -> None:
    key, other = tmp_path / "key.pem", tmp_path / "other.pem"
    key.write_bytes((certificate / "restd_cert_key.pem").read_bytes())
    other.write_text("nothing")
    for cert, mode, said in (
        (certificate / "restd_cert.pem", 0o644, "insecure"),
        (other, 0o600, "no certificate"),
        (tmp_path / "nosuch", 0o600, "cannot read"),
    ):
        key.chmod(mode)
        conf = tmp_path / "slurm.conf"
        names = f"TLSParameters=restd_cert_file={cert},restd_cert_key_file={key}"
        conf.write_text(Path(rest.site.conf).read_text() + f"\n{names}\n")
        done = run(rest, "-f", str(conf), "127.0.0.1:0")
        assert done.returncode == 1
        assert said in done.stderr.decode()
        assert "Traceback" not in done.stderr.decode()


# ---- inetd


def test_requests_on_standard_input(rest: Rest, tmp_path: Path) -> None:
    data = b"GET http://ignored/slurm/v0.0.42/node/n1 HTTP/1.1\r\n\n"  # what the manual page shows
    done = run(rest, data=data)
    assert done.returncode == 0, done.stderr
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    document = json.loads(body)
    assert document["nodes"][0]["name"] == "n1"
    assert document["meta"]["client"]["source"].startswith("pipe:[")
    done = run(rest, data=f"GET {PING} HTTP/1.1\r\n\r\n".encode() * 3 + b"GET /nosuch HTTP/1.1\r\n\r\n")
    assert (done.stdout.count(b"HTTP/1.1 200 OK"), done.stdout.count(b"HTTP/1.1 404 NOT FOUND")) == (3, 1)
    (tmp_path / "request").write_bytes(data)
    with (tmp_path / "request").open("rb") as file:
        assert run(rest, stdin=file).stdout.startswith(b"HTTP/1.1 200 OK")
    assert run(rest, "-a", "jwt", data=data).stdout.startswith(b"HTTP/1.1 401 UNAUTHORIZED")
    token = f"GET {PING} HTTP/1.1\r\nX-SLURM-USER-TOKEN: {rest.token()}\r\n\r\n".encode()
    assert run(rest, "-a", "jwt", data=token).stdout.startswith(b"HTTP/1.1 200 OK")
    assert run(rest, data=b"").stdout == b""
    assert run(rest, data=b"nonsense\r\n\r\n").stdout == b"HTTP/1.1 400 BAD REQUEST\r\nConnection: Close\r\n\r\n"


def test_a_socket_as_standard_input(rest: Rest) -> None:
    ours, theirs = socket.socketpair()
    code = "from slurmpy.rest.main import main; main()"
    env = rest.site.environment | {"SLURMRESTD_SECURITY": "disable_user_check"}
    # inetd gives the same socket for all three
    process = subprocess.Popen(
        [sys.executable, "-c", code, "-vvv"], env=env, stdin=theirs, stdout=theirs, stderr=theirs
    )
    theirs.close()
    ours.settimeout(20)
    ours.sendall(f"GET {PING} HTTP/1.1\r\n\r\nGET {PING} HTTP/1.1\r\nConnection: close\r\n\r\n".encode())
    seen = b""
    while piece := ours.recv(65536):
        seen += piece
    ours.close()
    assert process.wait(20) == 0
    assert seen.count(b"HTTP/1.1 200 OK") == 2
    assert b"slurmrestd:" not in seen


def test_a_listening_socket_as_standard_input(rest: Rest) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        code = "from slurmpy.rest.main import main; main()"
        env = rest.site.environment | {"SLURMRESTD_SECURITY": "disable_user_check"}
        process = subprocess.Popen([sys.executable, "-c", code], env=env, stdin=listener, stderr=subprocess.DEVNULL)
        try:
            for _ in range(2):
                connection = http.client.HTTPConnection(*listener.getsockname(), timeout=20)
                connection.request("GET", PING, headers={"X-SLURM-USER-TOKEN": rest.token()})
                assert connection.getresponse().status == 200
                connection.close()
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
