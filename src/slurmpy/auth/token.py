"""auth/jwt: JSON web tokens (RFC 7519) signed HS256 with the key of ``AuthAltParameters=jwt_key=FILE``."""

from __future__ import annotations

import os
import time
from typing import Any

from slurmpy.core.errors import SlurmError

from .peer import Peer

LIFESPAN = 1800


def _parameter(conf: object, name: str) -> str | None:
    for word in str(getattr(conf, "AuthAltParameters", "") or "").split(","):
        key, _, value = word.partition("=")
        if key.strip().lower() == name:
            return value
    return None


def _key(conf: object) -> bytes:
    path = _parameter(conf, "jwt_key")
    if path is None:
        path = os.path.join(getattr(conf, "StateSaveLocation", ""), "jwt_hs256.key")
    try:
        with open(path, "rb") as file:
            data = file.read(65536)
    except OSError as error:
        raise SlurmError("ESLURM_AUTH_CRED_INVALID", f"cannot read {path}: {error.strerror}") from error
    if len(data) < 16:
        raise SlurmError("ESLURM_AUTH_CRED_INVALID", f"{path} holds fewer than 16 bytes")
    return data


def create(conf: object, user: str, lifespan: int = LIFESPAN, now: float | None = None) -> str:
    """A token for `user` that ends in `lifespan` seconds."""
    import jwt

    stamp = int(time.time() if now is None else now)
    return jwt.encode({"exp": stamp + lifespan, "iat": stamp, "sun": user}, _key(conf), algorithm="HS256")


def creation_disabled(conf: object) -> bool:
    return _parameter(conf, "disable_token_creation") is not None


def claims(conf: object, token: str) -> dict[str, Any]:
    """The claims of a token that this cluster's key signed and that has not expired. Raises SlurmError."""
    import jwt

    try:
        return jwt.decode(token, _key(conf), algorithms=["HS256"], options={"require": ["exp"], "verify_aud": False})
    except jwt.InvalidTokenError as error:
        raise SlurmError("ESLURM_AUTH_CRED_INVALID") from error


def peer_of(conf: object, token: str, claimed: str = "") -> Peer:
    """Who a token speaks for: its ``sun`` (or ``username``); root and SlurmUser may speak for `claimed` instead."""
    import pwd

    found = claims(conf, token)
    name = found.get("sun") or found.get("username")
    if not isinstance(name, str) or not name:
        raise SlurmError("ESLURM_AUTH_CRED_INVALID")
    if claimed and claimed != name:
        if name not in ("root", str(getattr(conf, "SlurmUser", "root")).split("(")[0]):
            raise SlurmError("ESLURM_AUTH_CRED_INVALID")
        name = claimed
    try:
        entry = pwd.getpwnam(name)
    except KeyError as error:
        raise SlurmError("ESLURM_AUTH_CRED_INVALID") from error
    return Peer(entry.pw_uid, entry.pw_gid, "jwt", name=name)
