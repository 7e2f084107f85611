"""Tokens for slurmdbd and slurmctld: each has a key of its own, and nothing but a good token is believed."""

from __future__ import annotations

import base64
import hmac
import json
import os
import pwd
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest

from tests.e2e.cluster import BIN, foreign

from .people import People, possible
from .test_slurmdbd import Dbd

pytestmark = pytest.mark.skipif(bool(possible()), reason=possible())


@pytest.fixture(scope="module")
def dbd() -> Iterator[Dbd]:
    with tempfile.TemporaryDirectory(prefix="tokens-") as base, People() as people:
        os.chmod(base, 0o755)
        daemon = Dbd(Path(base), people, "")
        # slurmctld's key differs from slurmdbd's
        for path in (daemon.unix, daemon.tcp):
            Path(path).write_text(Path(path).read_text().replace("jwt.key", "slurmctld.key"))
        (daemon.place / "slurmctld.key").write_bytes(os.urandom(32))
        (daemon.place / "slurmctld.key").chmod(0o600)
        daemon.start()
        try:
            daemon.fill()
            yield daemon
        finally:
            daemon.stop()


def run(daemon: Dbd, token: str, *command: str, way: str = "tcp") -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not foreign(k)}
    environment |= {"PATH": f"{BIN}:{os.environ['PATH']}", "TZ": "UTC", "SLURM_JWT": token}
    environment["SLURM_CONF"] = daemon.tcp if way == "tcp" else daemon.unix
    return subprocess.run(command, env=environment, text=True, capture_output=True, timeout=60)


def claims(user: str, **more: object) -> dict[str, object]:
    now = int(time.time())
    return {"exp": now + 600, "iat": now, "sun": user, **more}


@pytest.mark.parametrize("way", ["tcp", "unix"])
def test_a_token_makes_the_caller(dbd: Dbd, way: str) -> None:
    key = (dbd.place / "jwt.key").read_bytes()
    assert pwd.getpwuid(os.geteuid()).pw_name == "root"
    for kind, code in (("admin", 0), ("operator", 1), ("owner", 1)):
        token = jwt.encode(claims(dbd.people.names[kind]), key, algorithm="HS256")
        done = run(dbd, token, "sacctmgr", "-i", "modify", "qos", "q1", "set", f"priority={os.getpid() % 1000 + 1}",
                   way=way)  # fmt: skip
        assert (done.returncode, "privilege" in done.stderr) == (code, bool(code)), done.stderr
        run(dbd, token, "sacctmgr", "-i", "modify", "qos", "q1", "set", "priority=0", way=way)
    token = jwt.encode(claims(dbd.people.names["owner"]), key, algorithm="HS256")
    assert run(dbd, token, "sacct", "-B", "-j", "1", "-S", "now-1day", way=way).stdout.startswith("Batch Script for 1")
    token = jwt.encode(claims(dbd.people.names["mate"]), key, algorithm="HS256")
    assert run(dbd, token, "sacct", "-B", "-j", "1", "-S", "now-1day", way=way).stdout == ""
    assert run(dbd, "daemon", "sacctmgr", "-n", "show", "stats", way="unix").returncode == 0


def bad_tokens(daemon: Dbd) -> dict[str, str]:
    key, other = ((daemon.place / name).read_bytes() for name in ("jwt.key", "slurmctld.key"))
    now = int(time.time())
    good = jwt.encode(claims("root"), key, algorithm="HS256")
    head, body, mac = good.split(".")
    changed = base64.urlsafe_b64encode(json.dumps(claims("root", exp=now + 99999)).encode()).rstrip(b"=").decode()
    return {
        "expired": jwt.encode(claims("root", exp=now - 10), key, algorithm="HS256"),
        "not yet": jwt.encode(claims("root", nbf=now + 500), key, algorithm="HS256"),
        "slurmctld's key": jwt.encode(claims("root"), other, algorithm="HS256"),
        "tampered": f"{head}.{changed}.{mac}",
        "cut": f"{head}.{body}.",
        "none": jwt.encode(claims("root"), None, algorithm="none"),
        "HS512": jwt.encode(claims("root"), key + key, algorithm="HS512"),
        "unknown user": jwt.encode(claims(f"nobody-{os.getpid()}"), key, algorithm="HS256"),
        "no user": jwt.encode({"exp": now + 100}, key, algorithm="HS256"),
        "user is a number": jwt.encode({"exp": now + 100, "sun": 0}, key, algorithm="HS256"),
        "no end": jwt.encode({"sun": "root"}, key, algorithm="HS256"),
        "NUL": jwt.encode(claims("root\0x"), key, algorithm="HS256"),
        "garbage": "abc",
        "not ASCII": "é.é.é",
    }


@pytest.mark.parametrize("way", ["tcp", "unix"])
def test_bad_tokens(dbd: Dbd, way: str) -> None:
    before = dbd.state()
    for what, token in bad_tokens(dbd).items():
        done = run(dbd, token, "sacctmgr", "-i", "add", "account", "evil", way=way)
        assert done.returncode == 1, (what, done)
        assert done.stderr.endswith("sacctmgr: error: Sending PersistInit msg: Protocol authentication error\n"), done
        done = run(dbd, token, "sacct", way=way)
        assert (done.returncode, done.stdout) == (1, ""), what
        assert done.stderr.endswith("sacct: error: Problem talking to the database: Protocol authentication error\n")
    assert dbd.state() == before


def test_tokens_are_in_no_log(dbd: Dbd) -> None:
    tokens = list(bad_tokens(dbd).values())
    for token in tokens:
        run(dbd, token, "sacctmgr", "show", "qos")
    text = (dbd.place / "slurmdbd.log").read_text()
    assert "refused a connection" in text
    assert "Traceback" not in text
    assert not any(part in text for token in tokens for part in token.split(".") if len(part) > 10)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path, dbd: Dbd) -> None:
    key = tmp_path / "open.key"
    key.write_bytes(os.urandom(32))
    key.chmod(0o644)
    conf = tmp_path / "slurmdbd.conf"
    text = (dbd.place / "slurmdbd.conf").read_text().replace(str(dbd.place / "jwt.key"), str(key))
    conf.write_text(text.replace(str(dbd.place), str(tmp_path)))
    conf.chmod(0o600)
    done = run(dbd, "", "slurmdbd", "-D", "-f", str(conf))
    assert (done.returncode, done.stderr) == (
        1, f"slurmdbd: fatal: auth/jwt: key file is insecure: '{key}' mode=0644\n",
    )  # fmt: skip


def signed_with_the_public_key(told: dict[str, object], secret: bytes) -> str:
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "kid": "one"}, told)]
    text = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    mac = base64.urlsafe_b64encode(hmac.digest(secret, text, "sha256")).rstrip(b"=")
    return (text + b"." + mac).decode()


def test_keys_of_an_identity_provider(tmp_path: Path) -> None:
    rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa", reason="cryptography is not installed")
    from types import SimpleNamespace

    from slurmpy.auth import token
    from slurmpy.core.errors import SlurmError

    private, stranger = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key()))
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [{**public, "kid": "one", "alg": "RS256"}]}))
    conf = SimpleNamespace(
        AuthAltTypes="auth/jwt", AuthAltParameters=f"jwks={tmp_path}/jwks.json,userclaimfield=login", SlurmUser="root"
    )
    token.check(conf)
    now = int(time.time())
    told = {"exp": now + 60, "login": "root"}
    good = jwt.encode(told, private, algorithm="RS256", headers={"kid": "one"})
    assert token.peer_of(conf, good).uid == 0
    secret = (tmp_path / "jwks.json").read_bytes()
    for bad in (
        jwt.encode(told, stranger, algorithm="RS256", headers={"kid": "one"}),
        jwt.encode(told, private, algorithm="RS256", headers={"kid": "two"}),
        signed_with_the_public_key(told, secret),
        jwt.encode({**told, "exp": now - 60}, private, algorithm="RS256", headers={"kid": "one"}),
        jwt.encode({"exp": now + 60, "sun": "root"}, private, algorithm="RS256", headers={"kid": "one"}),
    ):
        with pytest.raises(SlurmError):
            token.peer_of(conf, bad)
