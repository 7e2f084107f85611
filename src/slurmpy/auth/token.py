"""auth/jwt: JSON web tokens (RFC 7519) signed HS256 with the key of ``AuthAltParameters=jwt_key=FILE``, or RS256, ES256
or EdDSA with one of the public keys of ``jwks=FILE`` (see `jwks`), as an identity provider publishes them.

slurmctld reads these of slurm.conf and slurmdbd of slurmdbd.conf, so each may have a key of its own. A key file that
others can reach is refused. ``userclaimfield=NAME`` names the claim that holds the user, ``audience=NAME`` (ours) whom
tokens must be meant for ("aud"); without it "aud" is not looked at, as in Slurm.
"""

from __future__ import annotations

import os
import time
from typing import Any

from slurmpy.core.errors import SlurmError

from .peer import Peer

LIFESPAN = 1800
#: of a token that is to last for ever
INFINITE = 0x7FFFFFFE
#: seconds that two hosts' clocks may be apart: "exp", "nbf" and "iat" are taken with it
LEEWAY = 5
#: what is longer is no token
LONGEST = 16384


def _parameter(conf: object, name: str) -> str | None:
    for word in str(getattr(conf, "AuthAltParameters", "") or "").split(","):
        key, _, value = word.partition("=")
        if key.strip().lower() == name:
            return value
    return None


def read(path: str, secret: bool) -> bytes:
    """A file of keys; ``secret``: nobody else may reach it, otherwise change it. Raises SlurmError."""
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
    data = read(path, secret=True)
    if len(data) < 16:
        raise SlurmError("ESLURM_AUTH_CRED_INVALID", f"{path} holds fewer than 16 bytes")
    return data


def check(conf: object) -> None:
    """Raises SlurmError if tokens are asked for with a key that must not be used, when a daemon starts."""
    if "auth/jwt" not in str(getattr(conf, "AuthAltTypes", "") or ""):
        return
    path, keys = _parameter(conf, "jwt_key"), _parameter(conf, "jwks")
    if keys is not None:
        from importlib.util import find_spec

        if find_spec("cryptography") is None:
            raise SlurmError("ESLURM_AUTH_CRED_INVALID", "auth/jwt: jwks= needs the Python package cryptography")
        from . import jwks

        jwks.load(keys)
    longest_lifespan(conf)
    if path is not None and os.path.exists(path):
        _key(conf)


def create(conf: object, user: str, lifespan: int = LIFESPAN, now: float | None = None) -> str:
    """A token for `user` that ends in `lifespan` seconds."""
    import jwt

    stamp = int(time.time() if now is None else now)
    return jwt.encode({"exp": stamp + lifespan, "iat": stamp, "sun": user}, _key(conf), algorithm="HS256")


def may_create(conf: object) -> bool:
    """Whether there is a key to sign tokens with: one of an identity provider's alone is none."""
    return _parameter(conf, "jwks") is None or _parameter(conf, "jwt_key") is not None


def creation_disabled(conf: object) -> bool:
    """Whether tokens are for root and SlurmUser alone to make."""
    return _parameter(conf, "disable_token_creation") is not None


def longest_lifespan(conf: object) -> int | None:
    """In seconds, of tokens that others than root and SlurmUser ask for; None: any. Raises SlurmError."""
    text = _parameter(conf, "max_token_lifespan")
    if text is None:
        return None
    if not text.isdecimal() or not 0 < int(text) <= INFINITE:
        raise SlurmError("ESLURM_AUTH_CRED_INVALID", f"auth/jwt: invalid max_token_lifespan={text}")
    return int(text)


def _header(token: str) -> dict[str, Any]:
    import jwt

    found = jwt.get_unverified_header(token)
    if "crit" in found:  # RFC 7515, 4.1.11: what must be understood and is not makes it invalid
        raise jwt.InvalidTokenError
    return found


def claims(conf: object, token: str) -> dict[str, Any]:
    """The claims of a token that this cluster's key signed and that has not expired. Raises SlurmError."""
    import jwt

    keys, audience = _parameter(conf, "jwks"), _parameter(conf, "audience")
    options: Any = {"require": ["exp", "aud"] if audience else ["exp"], "verify_aud": bool(audience)}
    #: neither has a meaning for Slurm, and PyJWT would insist on their types
    options |= {"verify_sub": False, "verify_jti": False}
    try:
        if len(token) > LONGEST:
            raise jwt.InvalidTokenError
        header = _header(token)
        tried: list[tuple[Any, str]] = []
        if header.get("alg") == "HS256":
            if may_create(conf):
                tried.append((_key(conf), "HS256"))
        elif keys is not None:
            from . import jwks

            tried += [(key.public, key.algorithm) for key in jwks.candidates(keys, header)]
        for key, algorithm in tried:
            try:
                found: dict[str, Any] = jwt.decode(
                    token, key, algorithms=[algorithm], options=options, audience=audience or None, leeway=LEEWAY
                )
                return found
            except jwt.InvalidSignatureError:
                continue
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise SlurmError("ESLURM_AUTH_CRED_INVALID") from error
    raise SlurmError("ESLURM_AUTH_CRED_INVALID")


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
