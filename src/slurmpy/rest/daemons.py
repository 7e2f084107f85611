"""Connections to slurmctld and slurmdbd on behalf of those who ask: one per user and token, kept while in use."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections import OrderedDict
from typing import Any

from slurmpy.auth.peer import of_unix_socket
from slurmpy.conf import run_dir
from slurmpy.core.errors import SlurmError
from slurmpy.rpc import codec
from slurmpy.rpc.address import Address, connect_unix
from slurmpy.rpc.aio import AsyncClient
from slurmpy.rpc.cluster import controller_address, slurmdbd_address

#: connections that stay open; those that were refused go first, then the longest unused ones
KEPT = 64
#: seconds after which a connection that is not to be used again is looked at whether somebody still is about to
RETIRING = 5.0


class TokenClient(AsyncClient):
    """A connection whose peer is who the token speaks for, not this process. The daemon checks the token."""

    def __init__(self, address: Address, conf: object, token: str, user: str) -> None:
        super().__init__(address, conf, "")
        self._auth = {"kind": "jwt", "token": token, "user": user}

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        self._welcome = loop.create_future()
        connection = None
        if self.address.unix:
            try:
                connection = socket.socket(fileno=connect_unix(self.address.unix, 1.0).detach())
            except OSError:
                if not self.address.port:
                    raise
        if connection is not None:
            if of_unix_socket(connection).uid not in (0, os.geteuid(), run_dir.slurm_user_id(self.conf)):
                connection.close()
                raise SlurmError("ESLURM_AUTH_CRED_INVALID", f"{self.address.unix} is answered by somebody else")
            connection.setblocking(False)
            await loop.create_connection(lambda: self, sock=connection)
        else:
            await loop.create_connection(lambda: self, self.address.host or "localhost", self.address.port or 0)
        if self._transport is not None:
            self._transport.write(
                codec.frame((codec.HELLO, {"protocols": codec.PROTOCOLS, "name": "slurmrestd", "auth": self._auth}))
            )
        await self._welcome


def _expired(token: str) -> bool:
    """Whether the token's own word is that its time is over. It is not verified here, as it can only cost trust."""
    import base64
    import json

    try:
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return bool(claims["exp"] <= time.time())
    except (LookupError, TypeError, ValueError):
        return False


class Daemons:
    def __init__(self, conf: Any) -> None:
        self.conf = conf
        self._clients: OrderedDict[tuple[str, str | None, str], AsyncClient] = OrderedDict()

    def slurmctld(self, token: str | None, user: str) -> AsyncClient:
        """For a token, or (None) for this process's own user."""
        return self._client("slurmctld", token, user)

    def slurmdbd(self, token: str | None, user: str) -> AsyncClient:
        return self._client("slurmdbd", token, user)

    def own_slurmctld(self, token: str | None, user: str) -> AsyncClient:
        """One that nobody shares; the caller closes it."""
        return self._connect("slurmctld", token, user)

    def origin(self) -> str:
        """Where slurmctld is told that requests come from: by its own name for a machine that is also its own."""
        address = controller_address(self.conf)
        return "localhost" if address.unix and os.path.exists(address.unix) else os.uname().nodename.partition(".")[0]

    def _client(self, which: str, token: str | None, user: str) -> AsyncClient:
        key = (which, token, user)
        client = self._clients.get(key)
        if client is not None and token is not None and _expired(token):
            # the daemon has seen the token when the connection was made; now it is to look again
            self._retire(self._clients.pop(key))
            client = None
        if client is None:
            client = self._clients[key] = self._connect(which, token, user)
            self._make_room(key)
        self._clients.move_to_end(key)
        return client

    def _make_room(self, newest: tuple[str, str | None, str]) -> None:
        """Tokens that are none, however many, cost nobody else his connection."""
        while len(self._clients) > KEPT:
            useless = (key for key, client in self._clients.items() if not client.connected and not client.busy)
            key = next((key for key in useless if key != newest), None) or next(iter(self._clients))
            self._retire(self._clients.pop(key))

    def _retire(self, client: AsyncClient) -> None:
        """Closes it as soon as all that was asked by it is answered."""
        asyncio.get_running_loop().call_later(RETIRING, self._close_unless_busy, client)

    def _close_unless_busy(self, client: AsyncClient) -> None:
        if client.busy:
            self._retire(client)
        else:
            client.close()

    def _connect(self, which: str, token: str | None, user: str) -> AsyncClient:
        address = controller_address(self.conf) if which == "slurmctld" else slurmdbd_address(self.conf)
        if token is None:
            return AsyncClient(address, self.conf)
        return TokenClient(address, self.conf, token, user)

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
        self._clients.clear()
