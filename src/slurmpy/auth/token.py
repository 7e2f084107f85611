"""auth/jwt: JSON web tokens (RFC 7519) signed HS256 with the key of ``AuthAltParameters=jwt_key=FILE``, or RS256 with
one of the public keys of ``jwks=FILE`` (RFC 7517), as an identity provider publishes them.

slurmctld reads these of slurm.conf and slurmdbd of slurmdbd.conf, so each may have a key of its own. A key file that
others can reach is refused. ``userclaimfield=NAME`` names the claim that holds the user.
"""

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


def _read(path: str, secret: bool) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise SlurmError("ESLURM_AUTH_CRED_INVALID", f"cannot read {path}: {error.strerror}") from error
    with open(handle, "rb") as file:
        mode = os.fstat(handle).st_mode & 0o7777
        if mode & (0o007 if secret else 0o002):
            raise SlurmError("ESLURM_AUTH_CRED_INVALID", f"auth/jwt: key file is insecure: '{path}' mode={mode:04o}")
        return file.read(1 << 20)


def _key(conf: object) -> bytes:
    path = _parameter(conf, "jwt_key")
    if path is None:
        path = os.path.join(getattr(conf, "StateSaveLocation", ""), "jwt_hs256.key")
    data = _read(path, secret=True)
    if len(data) < 16:
        raise SlurmError("ESLURM_AUTH_CRED_INVALID", f"{path} holds fewer than 16 bytes")
    return data


def _public_key(path: str, token: str) -> Any:
    """The key of a JSON web key set that a token's header names (``kid``). Raises SlurmError."""
    import json

    import jwt

    data = _read(path, secret=False)
    try:
        wanted = jwt.get_unverified_header(token).get("kid")
        for key in json.loads(data)["keys"]:
            if key.get("kty") == "RSA" and (wanted is None or key.get("kid") == wanted):
                return jwt.PyJWK(key, algorithm="RS256").key
    except (ValueError, KeyError, TypeError, AttributeError, jwt.PyJWTError) as error:
        raise SlurmError("ESLURM_AUTH_CRED_INVALID") from error
    raise SlurmError("ESLURM_AUTH_CRED_INVALID")


def check(conf: object) -> None:
    """Raises SlurmError if tokens are asked for with a key that must not be used, when a daemon starts."""
    if "auth/jwt" not in str(getattr(conf, "AuthAltTypes", "") or ""):
        return
    path, keys = _parameter(conf, "jwt_key"), _parameter(conf, "jwks")
    if keys is not None:
        from importlib.util import find_spec

        if find_spec("cryptography") is None:
            raise SlurmError("ESLURM_AUTH_CRED_INVALID", "auth/jwt: jwks= needs the Python package cryptography")
        _read(keys, secret=False)
    if path is not None and os.path.exists(path):
        _key(conf)


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

    options: Any = {"require": ["exp"], "verify_aud": False}
    keys = _parameter(conf, "jwks")
    try:
        if keys is not None and (
            _parameter(conf, "jwt_key") is None or jwt.get_unverified_header(token).get("alg") == "RS256"
        ):
            return jwt.decode(token, _public_key(keys, token), algorithms=["RS256"], options=options)
        return jwt.decode(token, _key(conf), algorithms=["HS256"], options=options)
    except (jwt.InvalidTokenError, UnicodeError) as error:
        raise SlurmError("ESLURM_AUTH_CRED_INVALID") from error


def peer_of(conf: object, token: str, claimed: str = "") -> Peer:
    """Who a token speaks for: its ``sun`` (or ``username``); root and SlurmUser may speak for `claimed` instead."""
    import pwd

    found = claims(conf, token)
    field = _parameter(conf, "userclaimfield")
    name = found.get(field) if field else found.get("sun") or found.get("username")
    if not isinstance(name, str) or not name:
        raise SlurmError("ESLURM_AUTH_CRED_INVALID")
    if claimed and claimed != name:
        if name not in ("root", str(getattr(conf, "SlurmUser", "root")).split("(")[0]):
            raise SlurmError("ESLURM_AUTH_CRED_INVALID")
        name = claimed
    try:
        entry = pwd.getpwnam(name)
    except (KeyError, ValueError) as error:
        raise SlurmError("ESLURM_AUTH_CRED_INVALID") from error
    return Peer(entry.pw_uid, entry.pw_gid, "jwt", name=name)
