"""Who sends a request: by a token in its headers (rest_auth/jwt) or by the socket's other end (rest_auth/local)."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, NamedTuple

from slurmpy.auth.peer import of_unix_socket

if TYPE_CHECKING:
    from .http import Request


class Identity(NamedTuple):
    """``token`` is shown to the daemons, which judge it, together with the ``user`` whom its owner claims to act for;
    a token of None stands for this process's own user. It is ``named`` if the token came in Slurm's own two headers."""

    token: str | None
    user: str
    named: bool = False

    @staticmethod
    def of(request: Request, auth: tuple[str, ...]) -> Identity | None:
        """None: not let in. Two tokens, or a header twice, leave open who asks, so they are none."""
        headers = request.headers
        if request.repeated & {"authorization", "x-slurm-user-name", "x-slurm-user-token"}:
            return None
        if "rest_auth/jwt" in auth:
            scheme, _, bearer = headers.get("authorization", "").partition(" ")
            held = [headers["x-slurm-user-token"]] if "x-slurm-user-token" in headers else []
            if scheme.lower() == "bearer" and bearer.strip():
                held.append(bearer.strip())
            if held:
                named = "x-slurm-user-name" in headers and "x-slurm-user-token" in headers
                found = Identity(held[0], headers.get("x-slurm-user-name", ""), named)
                return found if len(held) == 1 else None
        if "rest_auth/local" in auth and local(request):
            return Identity(None, "")
        return None


def local(request: Request) -> bool:
    """Whether the request comes from this process's own user or root: over a unix socket, or a pipe of theirs."""
    connection = request.connection.socket
    if connection is None:
        return True
    return connection.family == socket.AF_UNIX and of_unix_socket(connection).uid in (0, os.geteuid())
