"""The public keys of an identity provider: the file of ``AuthAltParameters=jwks=FILE`` (RFC 7517).

Keys that sign nothing we take (symmetric ones, keys for encryption, other curves, broken entries) are passed over: a
provider publishes them all in one set. The file is read again when it has changed, so keys rotate without a restart;
while a new text of it cannot be read, tokens are refused.
"""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple

from slurmpy.core.errors import SlurmError

#: (kind of key, curve) -> the one algorithm that such a key may have signed with. None of them takes a secret, so no
#: public key can pass for one.
ALGORITHMS = {("RSA", ""): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}
#: the members of a key that make its public half (RFC 7518, 6.2.1 and 6.3.1; RFC 8037, 2)
PUBLIC = ("kty", "n", "e", "crv", "x", "y")
#: bits; what is shorter can be forged
SMALLEST_RSA = 2048


class Key(NamedTuple):
    """``id`` is the key's "kid", "" without one; ``algorithm`` its JWA name; ``public`` is cryptography's object."""

    id: str
    algorithm: str
    public: Any


def _key(entry: Any) -> Key | None:
    """The key of one entry of the set; None if it is none of ours."""
    import jwt

    if not isinstance(entry, dict) or not all(isinstance(entry.get(name, ""), str) for name in (*PUBLIC, "alg", "kid")):
        return None
    kind = entry.get("kty", "")
    algorithm = ALGORITHMS.get((kind, "" if kind == "RSA" else entry.get("crv", "")))
    operations = entry.get("key_ops", ["verify"])
    if (
        algorithm is None
        or entry.get("alg", algorithm) != algorithm
        or entry.get("use", "sig") != "sig"
        or not isinstance(operations, list)
        or "verify" not in operations
    ):
        return None
    try:
        public = jwt.PyJWK({name: entry[name] for name in PUBLIC if name in entry}, algorithm=algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
        return None
    if kind == "RSA" and public.key_size < SMALLEST_RSA:
        return None
    return Key(entry.get("kid", ""), algorithm, public)


def parse(data: bytes) -> list[Key]:
    """The keys of a set that verify tokens; the others are left out. Raises ValueError if it is no set at all."""
    try:
        document = json.loads(data)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError("no list of keys")
    return [key for key in map(_key, entries) if key is not None]


#: path -> (what the file was when it was read, its keys)
_read: dict[str, tuple[tuple[int, int, int], list[Key]]] = {}


def load(path: str) -> list[Key]:
    """The keys of the file as it is now. Raises SlurmError."""
    from .token import read

    try:
        status = os.stat(path)
    except OSError as error:
        raise SlurmError("ESLURM_AUTH_CRED_INVALID", f"cannot read {path}: {error.strerror}") from error
    seen = (status.st_ctime_ns, status.st_size, status.st_ino)  # chmod counts, too
    known = _read.get(path)
    if known is not None and known[0] == seen:
        return known[1]
    try:
        keys = parse(read(path, secret=False))
    except ValueError as error:
        raise SlurmError("ESLURM_AUTH_CRED_INVALID", f"auth/jwt: {path} is no JSON web key set: {error}") from error
    _read[path] = (seen, keys)
    return keys


def candidates(path: str, header: dict[str, Any]) -> list[Key]:
    """The keys that may have signed a token with this header: by its "alg", and by its "kid" if it names one."""
    algorithm, kid = header.get("alg"), header.get("kid")
    return [key for key in load(path) if key.algorithm == algorithm and kid in (None, key.id)]
