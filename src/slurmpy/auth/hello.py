"""The first message of a TCP connection: who is asking, proved; and the keys that sign what follows.

auth/slurm: the client's proof is a secret derived from the cluster's key over its user, group, host, time and nonce.
Who cannot read the key asks a daemon on its own host for that secret (method ``sign_hello``, by peer credentials), as
sackd does for Slurm. auth/munge: a random secret inside a munge credential. auth/jwt: a token, for clients; such a
connection carries no signatures. Both sides' nonces make the connection's key, so nothing of an earlier connection can
be sent again.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from collections.abc import Callable
from typing import Any

import msgpack

from slurmpy.core.errors import SlurmError

from . import key as key_file
from .peer import Peer

#: asks a daemon of this host to sign a hello of this process's user: (host, time, nonce) -> {"uid", "gid", "secret"}
Signer = Callable[[str, float, bytes], "dict[str, Any] | None"]


def _secret(key: bytes, uid: int, gid: int, host: str, node: str, stamp: float, nonce: bytes) -> bytes:
    return key_file.sign(key, "hello", msgpack.packb((uid, gid, host, node, stamp, nonce)))


def sign_for(key: bytes, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    """What a daemon answers to ``sign_hello``: the secret for the caller's own user and group, nobody else's."""
    host, stamp, nonce = str(args.get("host", "")), float(args.get("time", 0)), args.get("nonce")
    if peer.source != "unix" or not isinstance(nonce, bytes) or not 16 <= len(nonce) <= 64 or len(host) > 256:
        raise SlurmError("ESLURM_ACCESS_DENIED")
    return {"uid": peer.uid, "gid": peer.gid, "secret": _secret(key, peer.uid, peer.gid, host, "", stamp, nonce)}


def token_of_environment() -> dict[str, Any] | None:
    """The token that SLURM_JWT holds, as it goes into HELLO; None if there is none.

    The words "daemon" and "munge" are none: they say that the daemon's own means are to be used.
    """
    token = os.environ.get("SLURM_JWT")
    if not token or token in ("daemon", "munge"):
        return None
    return {"kind": "jwt", "token": token, "user": os.environ.get("SLURMRESTD_USER", "")}


def propose(
    conf: object, signer: Signer | None, node: str = "", slurm_user: int = 0
) -> tuple[dict[str, Any], bytes | None]:
    """The client's half: (what goes into HELLO, the secret that signs the connection or None with a token).

    `slurm_user` is who alone shall be able to read a munge credential.
    """
    token = token_of_environment()
    if token is not None:
        return token, None
    host, stamp, nonce = os.uname().nodename, time.time(), os.urandom(24)
    uid, gid = os.geteuid(), os.getegid()
    if str(getattr(conf, "AuthType", "") or "auth/slurm") == "auth/munge":
        from . import munge

        secret = os.urandom(32)
        return {"kind": "munge", "credential": munge.encode(secret, slurm_user), "nonce": nonce}, secret
    key = key_file.load(conf)
    if key is not None:
        found = _secret(key, uid, gid, host, node, stamp, nonce)
    else:
        answer = signer(host, stamp, nonce) if signer else None
        if answer is None:
            raise SlurmError(
                "ESLURM_AUTH_CRED_INVALID",
                f"cannot read {key_file.path(conf)} and no daemon of this cluster runs on this host to vouch for you; "
                "set SLURM_JWT to a token",
            )
        uid, gid, found, node = answer["uid"], answer["gid"], answer["secret"], ""
    proof = hmac.new(found, b"proof", hashlib.sha256).digest()
    return {
        "kind": "slurm", "uid": uid, "gid": gid, "host": host, "node": node,
        "time": stamp, "nonce": nonce, "proof": proof,
    }, found  # fmt: skip


class Verifier:
    """The server's half, with the memory of nonces that refuses replays."""

    def __init__(self, conf: object) -> None:
        self.conf = conf
        self.replays = key_file.Replays()

    def accept(self, hello: dict[str, Any]) -> tuple[Peer, bytes | None]:
        """(who it is, the secret or None). Raises SlurmError: what is wrong is not told to an unknown peer."""
        kind = hello.get("kind")
        try:
            if kind == "slurm":
                return self._slurm(hello)
            if kind == "munge":
                return self._munge(hello)
            if kind == "jwt":
                return self._jwt(hello)
        except (KeyError, TypeError, ValueError) as error:
            raise SlurmError("ESLURM_AUTH_CRED_INVALID") from error
        raise SlurmError("ESLURM_AUTH_CRED_INVALID")

    def _slurm(self, hello: dict[str, Any]) -> tuple[Peer, bytes]:
        key = key_file.load(self.conf)
        if key is None or str(getattr(self.conf, "AuthType", "") or "auth/slurm") == "auth/munge":
            raise SlurmError("ESLURM_AUTH_CRED_INVALID")
        uid, gid, host, node = int(hello["uid"]), int(hello["gid"]), str(hello["host"]), str(hello["node"])
        stamp, nonce = float(hello["time"]), bytes(hello["nonce"])
        secret = _secret(key, uid, gid, host, node, stamp, nonce)
        proof = hmac.new(secret, b"proof", hashlib.sha256).digest()
        if not hmac.compare_digest(proof, bytes(hello["proof"])) or not self.replays.accept(nonce, stamp):
            raise SlurmError("ESLURM_AUTH_CRED_INVALID")
        return Peer(uid, gid, "key", host=host, node=node), secret

    def _munge(self, hello: dict[str, Any]) -> tuple[Peer, bytes]:
        if str(getattr(self.conf, "AuthType", "")) != "auth/munge":
            raise SlurmError("ESLURM_AUTH_CRED_INVALID")
        from . import munge

        uid, gid, secret = munge.decode(bytes(hello["credential"]))  # munged itself refuses replays and old ones
        if len(secret) != 32:
            raise SlurmError("ESLURM_AUTH_CRED_INVALID")
        return Peer(uid, gid, "munge"), secret

    def _jwt(self, hello: dict[str, Any]) -> tuple[Peer, None]:
        if "auth/jwt" not in str(getattr(self.conf, "AuthAltTypes", "") or ""):
            raise SlurmError("SLURM_PROTOCOL_AUTHENTICATION_ERROR")
        from . import token

        try:
            return token.peer_of(self.conf, str(hello["token"]), str(hello.get("user") or "")), None
        except SlurmError as error:
            raise SlurmError("SLURM_PROTOCOL_AUTHENTICATION_ERROR") from error


class Seal:
    """Signs the frames of one direction and checks those of the other: HMAC-SHA256 over a running number and the
    body."""

    SIZE = 32

    def __init__(self, secret: bytes, server_nonce: bytes, is_server: bool) -> None:
        key = hmac.new(secret, b"connection" + server_nonce, hashlib.sha256).digest()
        ours, theirs = (b"server", b"client") if is_server else (b"client", b"server")
        self._out = hmac.new(key, ours, hashlib.sha256).digest()
        self._in = hmac.new(key, theirs, hashlib.sha256).digest()
        self._sent = self._received = 0

    def seal(self, body: bytes) -> bytes:
        mac = hmac.digest(self._out, self._sent.to_bytes(8, "big") + body, "sha256")
        self._sent += 1
        return mac + body

    def open(self, data: bytes | memoryview) -> bytes | memoryview:
        body = data[self.SIZE :]
        mac = hmac.digest(self._in, self._received.to_bytes(8, "big") + body, "sha256")
        if not hmac.compare_digest(mac, data[: self.SIZE]):
            raise SlurmError("ESLURM_AUTH_CRED_INVALID")
        self._received += 1
        return body
