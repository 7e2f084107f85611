"""The same raw HTTP requests to a real slurmrestd and to ours: status, headers, and the shape of what is answered.

``SLURMPY_PEER_REST`` is HOST:PORT of the real one, which takes the tokens that ``SLURMPY_PEER``'s scontrol makes (see
`test_side_by_side`), for instance ``127.0.0.1:6820``.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import socket
import subprocess
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.e2e.site import Site
from tests.rest.conftest import Rest

PEER, REST = os.environ.get("SLURMPY_PEER", ""), os.environ.get("SLURMPY_PEER_REST", "")
pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(not PEER or not REST, reason="SLURMPY_PEER and SLURMPY_PEER_REST do not name a real slurmrestd"),
    pytest.mark.xdist_group("peer"),
]

PING, JOBS, JOB = "/slurm/v0.0.42/ping/", "/slurm/v0.0.42/jobs/", "/slurm/v0.0.42/job/999999"
AUTH = "X-SLURM-USER-TOKEN: @T@\r\nX-SLURM-USER-NAME: root\r\n"


def get(path: str = PING, more: str = "", method: str = "GET", auth: str = AUTH, version: str = "HTTP/1.1") -> bytes:
    return f"{method} {path} {version}\r\nHost: x\r\n{auth}{more}\r\n".encode("latin-1")


def post(body: bytes, kind: str = "application/json", more: str = "") -> bytes:
    return get(JOB, f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}", "POST") + body


BODY = b'{"comment": "x"}'
CASES: dict[str, bytes] = {
    "plain": get(),
    "without a host": get().replace(b"Host: x\r\n", b""),
    "a bare line feed ends the head": f"GET http://ignored{PING} HTTP/1.1\r\n".encode() + AUTH.encode() + b"\n",
    "a whole URL": get("http://ignored:99" + PING),
    "slashes": get("//slurm//v0.0.42///ping"),
    "fragment": get(PING + "#x"),
    "escaped letter": get("/slurm/v0.0.42/%70ing/"),
    "escaped slash": get("/slurm/v0.0.42/ping%2f"),
    "escaped slash in a name": get("/slurmdb/v0.0.42/account/a%2fb"),
    "bad escape": get("/slurm/v0.0.42/%zz"),
    "NUL": get("/slurm/v0.0.42/ping%00"),
    "no UTF-8": get("/slurmdb/v0.0.42/account/%ff"),
    "UTF-8": get("/slurmdb/v0.0.42/account/%c3%a9"),
    "dots": get("/slurm/../slurm/v0.0.42/ping/"),
    "escaped dots": get("/slurmdb/v0.0.42/account/%2e%2e"),
    "one dot": get("/slurm/v0.0.42/./ping"),
    "star": get("*", method="OPTIONS"),
    "root": get("/"),
    "nosuch": get("/nosuch"),
    "nosuch in YAML": get("/nosuch", "Accept: application/yaml\r\n"),
    "nosuch in XML": get("/nosuch", "Accept: application/xml\r\n"),
    **{method: get(method=method) for method in ("OPTIONS", "TRACE", "PATCH", "PUT", "DELETE", "POST")},
    "several": get() + get(JOBS) + get(),
    "after an error": get() + get("/nosuch"),
    "keep-alive": get(more="Connection: keep-alive\r\n"),
    "nobody": get(auth=""),
    "nobody asks for nothing": get("/nosuch", auth=""),
    "nobody asks badly": get("/slurm/%zz", auth=""),
    "nobody asks for the document": get("/openapi/v3", auth=""),
    "name alone": get(auth="X-SLURM-USER-NAME: root\r\n"),
    "token alone": get(auth="X-SLURM-USER-TOKEN: @T@\r\n"),
    "bearer": get(auth="Authorization: Bearer @T@\r\n"),
    "bearer and name": get(auth="Authorization: Bearer @T@\r\nX-SLURM-USER-NAME: root\r\n"),
    "bearer and token": get(auth=AUTH + "Authorization: Bearer @T@\r\n"),
    "basic": get(auth="Authorization: Basic cm9vdDp4\r\n"),
    "bad token": get(JOBS, auth="X-SLURM-USER-TOKEN: abc\r\nX-SLURM-USER-NAME: root\r\n"),
    "bad token, ping": get(auth="X-SLURM-USER-TOKEN: abc\r\nX-SLURM-USER-NAME: root\r\n"),
    "for another": get(JOBS, auth="X-SLURM-USER-TOKEN: @T@\r\nX-SLURM-USER-NAME: daemon\r\n"),
    **{
        f"accept {value}": get(more=f"Accept: {value}\r\n")
        for value in (
            "application/yaml", "application/x-yaml", "APPLICATION/YAML", "application/xml", "text/html, */*;q=0.1",
            "application/yaml, application/json", "text/html, application/yaml", "application/msgpack",
        )
    },
    "accept twice": get(more="Accept: application/xml\r\nAccept: application/json\r\n"),
    "compressed": get(more="Accept-Encoding: gzip, deflate\r\n"),
    "JSON": post(BODY),
    "JSON in capitals": post(BODY, "Application/JSON"),
    "YAML": post(b"comment: x\n", "application/yaml"),
    "x-yaml": post(b"comment: x\n", "application/x-yaml"),
    "pairs": post(b"comment=x", "application/x-www-form-urlencoded"),
    "text": post(BODY, "text/plain"),
    "no type": get(JOB, f"Content-Length: {len(BODY)}\r\n", "POST") + BODY,
    "bad JSON": post(b"{"),
    "bad YAML": post(b"a: [1", "application/yaml"),
    "list": post(b"[]"),
    "null": post(b"null"),
    "string": post(b'"x"'),
    "wrong type": post(b'{"priority": "abc"}'),
    "twice": post(b'{"comment": "a", "comment": "b"}'),
    "deep": post(b"[" * 5000 + b"]" * 5000),
    "bad JSON to a GET": get(more="Content-Type: application/json\r\nContent-Length: 1\r\n") + b"{",
    "text to a GET": get(more="Content-Type: text/plain\r\nContent-Length: 1\r\n") + b"{",
    "JSON to a GET": get(more="Content-Type: application/json\r\nContent-Length: 2\r\n") + b"{}",
    "bad body, bad answer": post(b"{", more="Accept: application/xml\r\n"),
    "expect": post(BODY, more="Expect: 100-continue\r\n"),
    "a large body": post(b'{"comment": "' + b"a" * 2_000_000 + b'"}'),
    "long header": get(more="X: " + "a" * 60000 + "\r\n"),
    "many headers": get(more="".join(f"X{i}: a\r\n" for i in range(5000))),
    "odd header": get(more="X: \xff\r\n"),
    "long query": get(PING + "?x=" + "a" * 60000),
    "query: bad escape": get(JOBS + "?a=%zz"),
    "query: no key": get(JOBS + "?=x"),
    "query: twice": get(JOBS + "?update_time=1&update_time=2"),
    "query: no value": get(JOBS + "?update_time"),
    "query: empty words": get(JOBS + "?&&update_time=1&"),
    "query: unknown": get(JOBS + "?nosuch=1"),
    "query: bad, and bad answer": get(JOBS + "?a=%zz", "Accept: application/xml\r\n"),
    "query: bad, and nowhere": get("/nosuch?a=%zz"),
    "the document": get("/openapi"),
    "the document, .json": get("/openapi.json"),
    "the document, .yaml": get("/openapi.yaml"),
    "the document, v3": get("/openapi/v3"),
    "the document in YAML": get("/openapi/v3", "Accept: application/yaml\r\n"),
    "the document in XML": get("/openapi/v3", "Accept: application/xml\r\n"),
    "the document, posted": get("/openapi/v3", method="POST"),
}  # fmt: skip

#: what the real one refuses with a status and no text, followed by a second refusal of what it has not parsed. The
#: version in its status line is 0.9 where it has not come to read one. Only the first status is compared.
BROKEN: dict[str, bytes] = {
    "HTTP/2.0": get(version="HTTP/2.0"),
    "no version": b"GET /slurm/v0.0.42/ping/\r\n\r\n",
    "HEAD": get(method="HEAD"),
    "CONNECT": get("x:80", method="CONNECT"),
    "FOO": get(method="FOO"),
    "get": get(method="get"),
    "garbage": b"\x00\x01\x02\x03\r\n\r\n",
    "TLS": bytes.fromhex("16030100a5010000a1") + bytes(160),
    "a blank in the path": get("/slurm/v0.0.42/pi ng"),
    "no colon": get(more="X\r\n"),
    "NUL in a header": get(more="X: a\0b\r\n"),
    "a folded header": get(more="X: a\r\n b\r\n"),
    "a header too long": get(more="X: " + "a" * 100000 + "\r\n"),
    "a path too long": get(PING + "?x=" + "a" * 100000),
    "length: a word": get(JOB, "Content-Length: abc\r\n", "POST"),
    "length: negative": get(JOB, "Content-Length: -1\r\n", "POST"),
    "length: twice": get(JOB, "Content-Length: 15\r\nContent-Length: 16\r\n", "POST"),
    "length: overflow": get(JOB, "Content-Length: 99999999999999999999999999\r\n", "POST"),
    "a packed body": post(BODY, more="Content-Encoding: gzip\r\n"),
    "miracles": get(more="Expect: miracles\r\n"),
    "upgrade": get(more="Connection: Upgrade\r\nUpgrade: websocket\r\n"),
}

#: requests where ours is meant to answer otherwise: (its status, why)
AGREED: dict[str, tuple[bytes, int, int, str]] = {
    "unknown user": (
        get(JOBS, auth="X-SLURM-USER-TOKEN: @T@\r\nX-SLURM-USER-NAME: nosuchuser\r\n"), 200, 511,
        "the real one makes a nobody of a user whom the system does not know",
    ),
    "token twice": (get(auth=AUTH + "X-SLURM-USER-TOKEN: @T@\r\n"), 200, 401, "which of them counts is a guess"),
    "bearer in small letters": (get(auth="Authorization: bearer @T@\r\n"), 401, 200, "RFC 9110: the case is free"),
    "q=0": (get(more="Accept: application/json;q=0\r\n"), 200, 415, "RFC 9110: not acceptable"),
    "accept nothing": (get(more="Accept:\r\n"), 415, 200, "as if it were not there"),
    "accept a group": (get(more="Accept: application/*\r\n"), 415, 200, "RFC 9110"),
    "accept pairs": (
        get(more="Accept: application/x-www-form-urlencoded\r\n"), 500, 415, "no document can be written as pairs",
    ),
    "charset": (post(BODY, "application/json; charset=utf-8"), 400, 404, "what most clients send"),
    "no UTF-8 in JSON": (post(b'{"comment":"\xff"}'), 404, 400, "no JSON"),
    "chunks": (
        get(JOB, "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n", "POST")
        + b"10\r\n" + BODY + b"\r\n0\r\n\r\n", 406, 404, "HTTP/1.1 demands that they are taken",
    ),
    "both lengths": (
        get(JOB, "Content-Length: 15\r\nTransfer-Encoding: chunked\r\n", "POST"), 406, 400, "request smuggling",
    ),
    "a blank before the colon": (get(more="X : a\r\n"), 200, 400, "RFC 9112, 5.1"),
    "bare line feeds": (get().replace(b"\r\n", b"\n"), 200, 400, "the parser takes them within a head only"),
    "trailing dots of a URL": (
        get("/slurmdb/v0.0.42/account/a~b!$'()*,;:@"), 400, 200, "RFC 3986 lets them stand in a path",
    ),
}  # fmt: skip


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Target(NamedTuple):
    host: str
    port: int
    token: str

    def ask(self, data: bytes) -> list[Answer]:
        """All answers, after which the client says no more."""
        with socket.create_connection((self.host, self.port), timeout=30) as wire:
            seen = b""
            try:
                wire.sendall(data.replace(b"@T@", self.token.encode()))
                wire.shutdown(socket.SHUT_WR)
                while piece := wire.recv(1 << 20):
                    seen += piece
            except ConnectionError:
                pass
        found = []
        while seen.startswith(b"HTTP/"):
            head, _, seen = seen.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            # a broken request's answer has no empty line, so that another status line may follow among its headers
            lines = list(itertools.takewhile(lambda line: line and not line.startswith("HTTP/"), lines))
            headers = dict(line.split(": ", 1) for line in lines)
            length = int(headers.pop("Content-Length", 0))
            found.append(Answer(int(first.split()[1]), headers, seen[:length]))
            seen = seen[length:]
        return found


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Target, Target]]:
    done = subprocess.run([*shlex.split(PEER), "scontrol", "token", "lifespan=3600"], capture_output=True, text=True)
    host, _, port = REST.rpartition(":")
    real = Target(host, int(port), done.stdout.strip().partition("=")[2])
    site = Site(tmp_path_factory.mktemp("peer-rest"))
    with (site.base / "slurmdbd.conf").open("a") as file:
        file.write(f"AuthAltTypes=auth/jwt\nAuthAltParameters=jwt_key={site.base}/jwt.key\n")
    try:
        site.up()
        daemon = Rest(site)
        try:
            yield Target("127.0.0.1", daemon.port, daemon.token()), real
        finally:
            daemon.stop()
    finally:
        site.down()


def shape(body: bytes) -> Any:
    """The keys of a document and the types below them, and what its errors and warnings say."""
    try:
        document = json.loads(body)
    except ValueError:
        return re.sub(rb"(?s)^%YAML.*", b"%YAML", body)
    if not isinstance(document, dict) or "openapi" in document:
        return sorted(document)
    said = [
        [
            {**entry, "description": re.sub(r"\(0x[0-9a-f]+\)", "()", entry.get("description", ""))}
            for entry in document[name]
        ]
        for name in ("errors", "warnings")
    ]
    return {name: type(value).__name__ for name, value in document.items()}, said


@pytest.mark.parametrize("name", CASES)
def test_answers_are_equal(both: tuple[Target, Target], name: str) -> None:
    ours, real = (target.ask(CASES[name]) for target in both)
    if real and real[-1] == (400, {"Connection": "Close"}, b"") and len(real) > 1:
        real = real[:-1]  # it parses the end of what is sent as one more request
    assert [answer.status for answer in ours] == [answer.status for answer in real]
    for mine, theirs in zip(ours, real, strict=True):
        kept = {key: value for key, value in mine.headers.items() if key not in ("Content-Encoding", "Vary")}
        assert kept == theirs.headers or (kept == {**theirs.headers, "Connection": "Close"} and mine is ours[-1])
        listed = "/jobs" in CASES[name].decode("latin-1") and mine.status == 200  # which jobs there are is no matter
        if "Content-Encoding" not in mine.headers and not listed:
            assert shape(mine.body) == shape(theirs.body)


@pytest.mark.parametrize("name", BROKEN)
def test_broken_requests_are_refused_equally(both: tuple[Target, Target], name: str) -> None:
    ours, real = (target.ask(BROKEN[name]) for target in both)
    assert (ours[0].status, ours[0].body, ours[0].headers) == (real[0].status, b"", {"Connection": "Close"})


@pytest.mark.parametrize("name", AGREED)
def test_agreed_differences(both: tuple[Target, Target], name: str) -> None:
    data, theirs, mine, why = AGREED[name]
    assert why
    assert [target.ask(data)[0].status for target in both] == [mine, theirs]
