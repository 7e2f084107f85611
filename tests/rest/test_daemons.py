"""Connections to the daemons: which are kept, and that no request loses its own to another."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import jwt
import pytest

from slurmpy.rest import daemons


class Client:
    def __init__(self, connected: bool) -> None:
        self.connected = connected
        self.busy = False
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Kept(daemons.Daemons):
    def __init__(self) -> None:
        super().__init__(None)
        self.made: dict[str | None, Client] = {}

    def _connect(self, which: str, token: str | None, user: str) -> Any:
        self.made[token] = client = Client(bool(token) and str(token).startswith("good"))
        return client


def test_bad_tokens_push_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemons, "RETIRING", 0.01)

    async def body() -> None:
        kept = Kept()
        for number in range(daemons.KEPT // 2):
            kept.slurmctld(f"good{number}", "")
        for number in range(daemons.KEPT * 3):
            kept.slurmctld(f"bad{number}", "")
        await asyncio.sleep(0.1)
        assert len(kept._clients) == daemons.KEPT
        assert not any(client.closed for token, client in kept.made.items() if str(token).startswith("good"))
        assert sum(client.closed for client in kept.made.values()) == daemons.KEPT * 5 // 2

    asyncio.run(body())


def test_what_is_in_use_is_not_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemons, "RETIRING", 0.01)

    async def body() -> None:
        kept = Kept()
        first: Any = kept.slurmctld("good0", "")
        first.busy = True
        for number in range(1, daemons.KEPT + 2):
            kept.slurmctld(f"good{number}", "")
        await asyncio.sleep(0.1)
        assert not first.closed
        assert ("slurmctld", "good0", "") not in kept._clients
        assert kept.made["good1"].closed
        first.busy = False
        await asyncio.sleep(0.1)
        assert first.closed

    asyncio.run(body())


def test_an_expired_token_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemons, "RETIRING", 0.01)

    async def body() -> None:
        kept = Kept()
        old, new = (jwt.encode({"exp": int(time.time()) + seconds}, "k" * 32) for seconds in (-1, 60))
        first: Any = kept.slurmctld(old, "")
        first.busy = True
        assert kept.slurmctld(old, "") is not first
        assert kept.slurmctld(new, "") is kept.slurmctld(new, "")
        assert kept.slurmctld(new, "") is not kept.slurmctld(new, "other")
        await asyncio.sleep(0.1)
        assert not first.closed

    asyncio.run(body())
