"""auth/slurm: messages signed with a key that the cluster's hosts share.

The key is the file ``slurm.key`` beside slurm.conf (or `AuthInfo=use_client_ids,...,key=PATH`; ours: any path after
``key=``), readable by its owner alone; a daemon that finds none makes one, so a cluster on one host needs no set-up.
A signed message carries its sender's user, group and host, the time and a nonce: it is valid for `LIFE` seconds and
once.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import time

from slurmpy.core.errors import SlurmError

LIFE = 60
MINIMUM = 16


def path(conf: object) -> str:
    for word in str(getattr(conf, "AuthInfo", "") or "").split(","):
        name, _, value = word.partition("=")
        if name == "key" and value:
            return value
    return os.path.join(os.path.dirname(str(conf.path)), "slurm.key")  # type: ignore[attr-defined]


def load(conf: object, create: bool = False) -> bytes | None:
    """The shared key; None if this user cannot read it. Raises SlurmError if it is readable by others or too short."""
    place = path(conf)
    if create and not os.path.exists(place):
        _make(place)
    try:
        handle = os.open(place, os.O_RDONLY)
    except (FileNotFoundError, PermissionError):
        return None
    try:
        seen = os.fstat(handle)
        if seen.st_mode & 0o077:
            raise SlurmError("ESLURM_AUTH_CRED_INVALID", f"{place} is readable by others; chmod 600 it")
        data = os.read(handle, 65536)
    finally:
        os.close(handle)
    if len(data) < MINIMUM:
        raise SlurmError("ESLURM_AUTH_CRED_INVALID", f"{place} holds fewer than {MINIMUM} bytes")
    return data


def _make(place: str) -> None:
    """Makes a new key whole or not at all, also when two daemons start at once."""
    draft = f"{place}.{os.getpid()}"
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, os.urandom(64))
        os.fsync(handle)
    finally:
        os.close(handle)
    try:
        os.link(draft, place)
    except FileExistsError:
        pass
    finally:
        os.unlink(draft)


def sign(key: bytes, purpose: str, data: bytes) -> bytes:
    """The signature of `data` for one `purpose`: what was signed for one cannot be used for another."""
    return hmac.new(key, purpose.encode() + b"\0" + data, hashlib.sha256).digest()


def check(key: bytes, purpose: str, data: bytes, signature: bytes) -> bool:
    return hmac.compare_digest(sign(key, purpose, data), signature)


class Replays:
    """The nonces seen lately. A message older than `LIFE` is refused by its time, so they need not be kept longer."""

    def __init__(self, life: int = LIFE) -> None:
        self.life = life
        self._seen: dict[bytes, float] = {}

    def accept(self, nonce: bytes, stamp: float, now: float | None = None) -> bool:
        """Whether a message with this nonce and time is fresh; it is not, the second time."""
        now = time.time() if now is None else now
        if abs(now - stamp) > self.life or nonce in self._seen:
            return False
        if len(self._seen) > 10000:
            self._seen = {n: t for n, t in self._seen.items() if t > now}
        self._seen[nonce] = now + 2 * self.life
        return True
