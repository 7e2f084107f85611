"""auth/munge through libmunge, where it is installed (munge(3))."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

from slurmpy.core.errors import SlurmError

UID_RESTRICTION = 11  # MUNGE_OPT_UID_RESTRICTION
SOCKET = 9  # MUNGE_OPT_SOCKET


@functools.cache
def _library() -> Any:
    try:
        library = ctypes.CDLL("libmunge.so.2", use_errno=True)
    except OSError as error:
        raise SlurmError("ESLURM_AUTH_CRED_INVALID", "auth/munge: libmunge is not installed") from error
    library.munge_ctx_create.restype = ctypes.c_void_p
    library.munge_strerror.restype = ctypes.c_char_p
    return library


def _fail(code: int) -> SlurmError:
    text = _library().munge_strerror(code).decode(errors="replace")
    return SlurmError("ESLURM_AUTH_CRED_INVALID", f"munge: {text}")


def encode(payload: bytes, for_uid: int) -> bytes:
    """A credential of the caller's with `payload`, which only `for_uid` (and root) can decode."""
    library = _library()
    context = ctypes.c_void_p(library.munge_ctx_create())
    try:
        library.munge_ctx_set(context, UID_RESTRICTION, ctypes.c_int(for_uid))
        out = ctypes.c_char_p()
        code = library.munge_encode(ctypes.byref(out), context, payload, len(payload))
        if code:
            raise _fail(code)
        return out.value or b""
    finally:
        library.munge_ctx_destroy(context)


def decode(credential: bytes) -> tuple[int, int, bytes]:
    """(user, group, payload) of a credential that this host's munged accepts, once. Raises SlurmError."""
    library = _library()
    data, size = ctypes.c_void_p(), ctypes.c_int()
    uid, gid = ctypes.c_uint32(), ctypes.c_uint32()
    code = library.munge_decode(
        credential + b"\0", None, ctypes.byref(data), ctypes.byref(size), ctypes.byref(uid), ctypes.byref(gid)
    )
    if code:
        raise _fail(code)
    payload = ctypes.string_at(data, size.value) if data else b""
    return uid.value, gid.value, payload
