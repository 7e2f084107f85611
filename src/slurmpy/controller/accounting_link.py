"""slurmctld's connection to slurmdbd: our records go there, associations and QOS come from there.

Records wait in the store until slurmdbd has confirmed them. Without slurmdbd everything runs on with the associations
that were known last.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from slurmpy.controller import cluster, early_jobs, fairshare, limits, records
from slurmpy.controller.agent import LOST
from slurmpy.core.errors import SlurmError
from slurmpy.rpc.aio import AsyncClient
from slurmpy.rpc.cluster import slurmdbd_address
from slurmpy.rpc.log import log

if TYPE_CHECKING:
    from slurmpy.controller.control import Controller

BATCH = 500
#: "The value can not be less", slurm.conf(5) of MaxDBDMsgs
LEAST_MESSAGES = 10000
#: after slurmdbd refused our records (its database is full, ...), seconds until they are sent again
REFUSED_RETRY = 10.0
SHORTEST_RETRY = 0.05
#: seconds for slurmdbd's commit of a batch
ANSWER_TIMEOUT = 120.0
#: confirmed records leave the spool with the next commit; if there is no other, with one of their own after so long
TIDY = 2.0


def max_messages(conf: Any) -> int:
    """MaxDBDMsgs: how many records may wait for slurmdbd (slurm.conf(5))."""
    if conf.MaxDBDMsgs:
        return max(LEAST_MESSAGES, int(conf.MaxDBDMsgs))
    nodes = sum(len(line.names()) for line in conf.nodes)
    return int(max(LEAST_MESSAGES, conf.MaxJobCount * 2 + nodes * 4))


def exits_when_full(conf: Any) -> bool:
    """SlurmctldParameters=max_dbd_msg_action=exit."""
    return bool(conf.words("SlurmctldParameters").get("max_dbd_msg_action") == "exit")


def _address(ctl: Controller) -> str:
    """This controller's address as SlurmctldHost gives it."""
    for host, address in ctl.conf.SlurmctldHost:
        return str(address or host)
    return ctl.hostname


class AccountingLink:
    def __init__(self, ctl: Controller) -> None:
        self.ctl = ctl
        self.connected = False
        self.tried = False  # whether it is known if slurmdbd is there
        self._confirmed = 0
        self._warned = 0
        self._limit = max_messages(ctl.conf)
        self._ranked = False
        self._more = asyncio.Event()
        self._client: AsyncClient | None = None

    def start(self) -> None:
        self.ctl.task(self._run())

    def restart(self) -> None:
        """Leaves slurmdbd and comes back, as a slurmctld does that takes a new configuration."""
        self._limit = max_messages(self.ctl.conf)
        if self._client is not None:
            self._client.close()

    def wake(self) -> None:
        """Something has been committed to the spool."""
        if self.ctl.store.last_seq > self._confirmed:
            self._more.set()
        if not self.connected:
            self.check_room()

    def check_room(self) -> None:
        """While slurmdbd is away, the spool grows towards MaxDBDMsgs: that is said, and at its end
        max_dbd_msg_action=exit ends slurmctld (without it, the store discards)."""
        if self.connected or not self.tried or self.ctl.stopping:
            return
        limit, size = self._limit, self.ctl.store.spool_size()
        if size < limit // 2:
            self._warned = 0
        elif size - self._warned >= limit // 10:
            self._warned = size
            log.error(f"slurmdbd: agent queue filling ({size} of {limit}), RESTART SLURMDBD NOW")
        if size >= limit and exits_when_full(self.ctl.conf):
            log.fatal(f"slurmdbd: agent queue is full ({size}), exiting as max_dbd_msg_action says")
            self.ctl.failed()

    async def _run(self) -> None:
        delay = SHORTEST_RETRY
        told = False
        while not self.ctl.stopping:
            self._client = AsyncClient(slurmdbd_address(self.ctl.conf), self.ctl.conf, "slurmctld")
            try:
                await self._register()
                delay, told = SHORTEST_RETRY, False
                log.info("slurmdbd: connected")
                self.connected = self.tried = True
                sender = self.ctl.task(self._send())
                # a sender that has ended, for whatever reason, must not leave us with a connection that only listens
                sender.add_done_callback(self._sender_over)
                try:
                    await self._updates()
                finally:
                    sender.cancel()
            except SlurmError as error:
                if not told:
                    log.error(f"slurmdbd: {error.message}")
                    told = True
            finally:
                self.connected = False
                self._client.close()
            self.tried = True
            self.check_room()
            await asyncio.sleep(delay)  # slurmdbd has no way to tell us that it is back
            delay = min(delay * 2, 10.0)

    def _sender_over(self, _: asyncio.Task[None]) -> None:
        if self._client is not None:
            self._client.close()

    async def _register(self) -> None:
        ctl = self.ctl
        assert self._client is not None
        await self._client.call(
            "register_controller",
            {
                "cluster": ctl.conf.ClusterName,
                "host": _address(ctl),
                "port": int(ctl.conf.SlurmctldPort),
                "tres": records.tres_of(ctl),
                "nodes": records.node_list(ctl),
                "tres_types": tuple(
                    piece.strip() for piece in str(ctl.conf.AccountingStorageTRES or "").split(",") if piece.strip()
                ),
                "time": ctl.now(),
                # what is in the spool tells of every change of the cluster's size, with its own time
                "sizes_follow": ctl.store.spool_size() > 0,
            },
        )

    async def _updates(self) -> None:
        """Follows slurmdbd's stream; ends by SlurmError when the connection is gone."""
        ctl = self.ctl
        assert self._client is not None
        async for part in self._client.stream("assoc_updates", {"cluster": ctl.conf.ClusterName}):
            ctl.now()
            if part.get("event") == "snapshot":
                first = not ctl.state.assocs.filled
                ctl.state.assocs.load_snapshot(part)
                if first:
                    early_jobs.adopt(ctl)
                limits.recount(ctl.state)
                if not self._ranked:
                    self._ranked = True  # who exists now has a fair share at once, later ones in time
                    fairshare.rank(ctl.state)
            else:
                ctl.state.assocs.apply_update(part)
            cluster.remote_licenses(ctl.state)
            ctl.store.put_meta("assocs", ctl.state.assocs.to_snapshot())
            for job in ctl.state.pending.values():
                ctl.state.requeue_look(job)
            ctl.schedule()

    async def _send(self) -> None:
        ctl = self.ctl
        assert self._client is not None
        while True:
            source, numbers, items = ctl.store.spooled(self._confirmed, BATCH)
            if not items:
                self._more.clear()
                await self._more.wait()
                continue
            message: dict[str, Any] = {
                "cluster": ctl.conf.ClusterName, "source": source, "first_seq": numbers[0], "seqs": tuple(numbers),
                "items": tuple(items),
            }  # fmt: skip
            try:
                answer = await self._client.call("records", message, ANSWER_TIMEOUT)
            except SlurmError as error:
                if error.name in LOST:
                    return  # all begins anew, also when slurmdbd merely does not answer in time
                log.error(f"slurmdbd does not take our records: {error.message}")
                await asyncio.sleep(REFUSED_RETRY)
                continue
            self._confirmed = int(answer["confirmed"])
            ctl.store.confirm(self._confirmed)
            if not ctl.store.spool_size():
                ctl.later(TIDY, ctl.tidy)
