"""How much slurmrestd takes on at a time, over all its connections."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .connection import Connection

#: descriptors that are kept for the daemons' connections, files and the listening sockets
SPARE = 192


class Limits:
    """``connections`` are worked on at a time (--max-connections), ``threads`` requests of them (-t): the others wait
    for their turn. ``bodies`` are the bytes of all that is being received. Of the connections that are open, the ones
    that have been idle longest go once descriptors become few."""

    def __init__(self, connections: int, threads: int, descriptors: int) -> None:
        self.connections = asyncio.Semaphore(connections)
        self.threads = asyncio.Semaphore(threads)
        self.bodies = 0
        self.most = max(descriptors - SPARE, 16)
        self.open: dict[Connection, None] = {}  # in the order in which they came

    def opened(self, connection: Connection) -> None:
        self.open[connection] = None
        if len(self.open) > self.most:
            idle = next((other for other in self.open if other.idle and other is not connection), connection)
            self.open.pop(idle)
            idle.abort()

    def closed(self, connection: Connection) -> None:
        self.open.pop(connection, None)
