"""slurmd's way to slurmctld: what has to be told is told until it has been heard."""

from __future__ import annotations

import asyncio
from typing import Any

from slurmpy.core.errors import SlurmError
from slurmpy.rpc.aio import AsyncClient
from slurmpy.rpc.cluster import controller_address
from slurmpy.rpc.log import log

#: answers that say nothing about the message, only about the way
LOST = frozenset(("SLURM_COMMUNICATIONS_CONNECTION_ERROR", "SLURM_COMMUNICATIONS_RECEIVE_ERROR"))
#: seconds until the next attempt
RETRY_FIRST, RETRY_MOST = 0.1, 5.0
TIMEOUT = 30.0


class Link:
    def __init__(self, conf: Any, node: str) -> None:
        self._client = AsyncClient(controller_address(conf), conf, node)
        self._reachable = asyncio.Event()

    async def tell(self, method: str, args: dict[str, Any]) -> Any:
        """Says something to slurmctld until it has been heard. Raises SlurmError if slurmctld refuses it."""
        delay = RETRY_FIRST
        while True:
            try:
                return await self._client.call(method, args, TIMEOUT)
            except SlurmError as error:
                if error.name not in LOST:
                    raise
                log.debug(f"{method}: {error.message}; trying again in {delay} s")
            self._reachable.clear()
            try:
                await asyncio.wait_for(self._reachable.wait(), delay)
            except TimeoutError:
                delay = min(delay * 2, RETRY_MOST)

    def is_there(self) -> None:
        """slurmctld has spoken to us: what waits to be told need not wait on."""
        self._reachable.set()

    def close(self) -> None:
        self._client.close()
