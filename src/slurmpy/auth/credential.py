"""Credentials: what slurmctld lets a user do on a node, signed so that slurmd believes it (Slurm's cred/slurm)."""

from __future__ import annotations

import time
from typing import Any

import msgpack

from slurmpy.core.errors import SlurmError

from . import key as key_file

LIFE = 120


def sign(conf: object, payload: dict[str, Any]) -> bytes:
    """`payload` (what msgpack can carry) with the time, signed with the cluster's key."""
    key = key_file.load(conf, create=True)
    if key is None:
        raise SlurmError("ESLURM_AUTH_CRED_INVALID", f"cannot read {key_file.path(conf)}")
    data = msgpack.packb({"issued": int(time.time()), "payload": payload}, unicode_errors="surrogateescape")
    return key_file.sign(key, "credential", data) + data


def verify(conf: object, credential: bytes, life: int = LIFE) -> dict[str, Any]:
    """The payload of a credential that this cluster's slurmctld signed within `life` seconds. Raises SlurmError."""
    key = key_file.load(conf)
    if key is None:
        raise SlurmError("ESLURM_AUTH_CRED_INVALID", f"cannot read {key_file.path(conf)}")
    if not isinstance(credential, bytes) or not key_file.check(key, "credential", credential[32:], credential[:32]):
        raise SlurmError("ESLURMD_INVALID_JOB_CREDENTIAL")
    value = msgpack.unpackb(credential[32:], use_list=False, strict_map_key=False, unicode_errors="surrogateescape")
    if not value["issued"] - life <= time.time() <= value["issued"] + life:
        raise SlurmError("ESLURMD_CREDENTIAL_EXPIRED")
    payload: dict[str, Any] = value["payload"]
    return payload
