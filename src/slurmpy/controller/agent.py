"""slurmctld's connections to the slurmds: one each, kept open, with a queue before it.

What is queued for a node is sent in order. While a message is under way the next ones gather and then go together
(``many``), so a crowd of small jobs costs a frame a batch. A message whose fate is unknown is sent again after
reconnecting: slurmd takes every one of them twice without harm.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from slurmpy.conf import run_dir
from slurmpy.core.errors import SlurmError
from slurmpy.rpc.address import Address
from slurmpy.rpc.aio import AsyncClient
from slurmpy.rpc.log import log

#: answers that say nothing about the request, only about the way to the node
LOST = frozenset(("SLURM_COMMUNICATIONS_CONNECTION_ERROR", "SLURM_COMMUNICATIONS_RECEIVE_ERROR"))
BATCH = 64

Reply = Callable[[Any], None]  # gets the value, or the SlurmError
Valid = Callable[[], bool]  # whether the message still makes sense; asked before it is sent, and sent again


class Message:
    __slots__ = ("args", "method", "reply", "valid")

    def __init__(self, method: str, args: dict[str, Any], reply: Reply | None, valid: Valid | None) -> None:
        self.method, self.args, self.reply, self.valid = method, args, reply, valid


class Link:
    """One node's queue and connection."""

    def __init__(self, agent: Agent, node: str) -> None:
        self.agent = agent
        self.node = node
        self.queue: deque[Message] = deque()
        self.client: AsyncClient | None = None
        self._wake = asyncio.Event()
        self._retry_now = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._run())

    def send(self, message: Message) -> None:
        self.queue.append(message)
        self._wake.set()

    def retry(self) -> None:
        """The node has just been heard of: no use in waiting on."""
        self._retry_now.set()

    def close(self) -> None:
        self._task.cancel()
        if self.client is not None:
            self.client.close()

    async def _run(self) -> None:
        delay = 0.1
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self.queue:
                batch = self._next()
                if not batch:
                    break
                try:
                    answers = await self._call(batch)
                except SlurmError as error:
                    if error.name not in LOST:
                        log.error(f"{self.node}: {error.message}")
                        answers = [error] * len(batch)
                    else:
                        self.agent.on_silence(self.node)
                        self._retry_now.clear()
                        try:
                            await asyncio.wait_for(self._retry_now.wait(), delay)
                        except TimeoutError:
                            delay = min(delay * 2, 10.0)
                        continue
                delay = 0.1
                for _ in batch:
                    self.queue.popleft()
                self._told(batch, answers)

    def _told(self, batch: list[Message], answers: list[Any]) -> None:
        try:
            self.agent.on_answer(self.node)
            for message, answer in zip(batch, answers, strict=True):
                if message.reply is not None:
                    message.reply(answer)
        except Exception as error:  # the queue must go on, whatever an answer leads to
            log.exception(f"answers of {self.node}", error)

    def _next(self) -> list[Message]:
        """The messages at the head of the queue, without those that have become pointless meanwhile."""
        batch: list[Message] = []
        while self.queue and len(batch) < BATCH:
            message = self.queue.popleft()
            if message.valid is None or message.valid():
                batch.append(message)
        self.queue.extendleft(reversed(batch))
        return batch

    async def _call(self, batch: list[Message]) -> list[Any]:
        """The answers, SlurmErrors among them. Raises SlurmError if the whole call failed."""
        if self.client is None or not self.client.connected:
            if self.client is not None:
                self.client.close()
            self.client = AsyncClient(self.agent.address(self.node), self.agent.conf, "slurmctld")
            await self.client.connect()
        timeout = float(self.agent.conf.MessageTimeout or 10)
        if len(batch) == 1:
            try:
                return [await self.client.call(batch[0].method, batch[0].args, timeout)]
            except SlurmError as error:
                if error.name in LOST:
                    raise
                return [error]
        calls = tuple((message.method, message.args) for message in batch)
        answers = []
        for answer in await self.client.call("many", {"calls": calls}, timeout * 2):
            if "error" in answer:
                number, message = answer["error"]
                answers.append(SlurmError.from_number(number, message))
            else:
                answers.append(answer.get("ok"))
        return answers


class Agent:
    """All links. `on_silence(node)` and `on_answer(node)` tell the node's health to nodes.py."""

    def __init__(
        self,
        conf: Any,
        address: Callable[[str], Address],
        on_silence: Callable[[str], None],
        on_answer: Callable[[str], None],
    ) -> None:
        self.conf = conf
        self.address = address
        self.on_silence = on_silence
        self.on_answer = on_answer
        self._links: dict[str, Link] = {}

    def send(
        self, node: str, method: str, args: dict[str, Any], reply: Reply | None = None, valid: Valid | None = None
    ) -> None:
        """Queues a message; it is delivered whenever the node answers, in order, unless it is `valid` no more."""
        link = self._links.get(node)
        if link is None:
            link = self._links[node] = Link(self, node)
        link.send(Message(method, args, reply, valid))

    def heard(self, node: str) -> None:
        """The node's slurmd has called us."""
        link = self._links.get(node)
        if link is not None:
            link.retry()

    def forget(self, node: str) -> None:
        """Drops what is queued for a node: it is down."""
        link = self._links.pop(node, None)
        if link is not None:
            link.close()

    def reset(self, node: str) -> None:
        """The node's address has changed, or its slurmd is a new one."""
        link = self._links.get(node)
        if link is not None and link.client is not None:
            link.client.close()
            link.retry()

    def busy(self, node: str) -> bool:
        link = self._links.get(node)
        return link is not None and bool(link.queue)

    def queued(self) -> int:
        return sum(len(link.queue) for link in self._links.values())

    def threads(self) -> int:
        return sum(1 for link in self._links.values() if link.queue)

    def close(self) -> None:
        for link in self._links.values():
            link.close()
        self._links.clear()


def node_address(conf: Any, name: str, host: str, port: int) -> Address:
    """Where a node's slurmd answers: its unix socket if it is on this host, and TCP unless there is none."""
    unix = run_dir.find(conf, run_dir.slurmd_name(name))
    if run_dir.without_tcp(conf):
        return Address(unix or run_dir.slurmd_socket(conf, name), what="slurmd")
    return Address(unix, host or name, port or int(conf.SlurmdPort), "slurmd")
