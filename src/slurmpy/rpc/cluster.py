"""The one interface that the commands know, and its native transport."""

from __future__ import annotations

import os

from slurmpy.conf import run_dir
from slurmpy.core.errors import SlurmError

from .address import Address
from .client import Client

TYPE_CHECKING = False  # as typing's, whose import would cost every command some milliseconds
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from slurmpy.conf.slurm_conf import SlurmConf


class Answer:
    """What a query answers: `rows` of values in the order of `columns`, and `meta` (``now``: the server's time,
    ...)."""

    __slots__ = ("columns", "meta", "rows")

    def __init__(self, columns: tuple[str, ...], rows: list[tuple[Any, ...]], meta: dict[str, Any]) -> None:
        self.columns, self.rows, self.meta = columns, rows, meta

    def dicts(self) -> Iterator[dict[str, Any]]:
        for row in self.rows:
            yield dict(zip(self.columns, row, strict=True))


class Service:
    """A daemon behind one `Client`."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def query(self, what: str, fields: Iterable[str] = (), where: dict[str, Any] | None = None, **more: Any) -> Answer:
        """The `fields` of every record of kind `what` that `where` selects (the filters run in the daemon)."""
        columns: tuple[str, ...] = tuple(fields)
        rows: list[tuple[Any, ...]] = []
        meta: dict[str, Any] = {}
        args = {"what": what, "fields": columns, "where": where or {}, **more}
        for part in self.client.stream("query", args):
            if "columns" in part:
                columns = part["columns"]
            rows.extend(part.get("rows", ()))
            meta.update(part.get("meta", {}))
        return Answer(columns, rows, meta)

    def dump(self, what: str, where: dict[str, Any] | None = None, **more: Any) -> Iterator[bytes]:
        """A whole JSON or YAML document in pieces: `parser` (version), `encoding`, `meta` of the caller."""
        return self.client.stream("dump", {"what": what, "where": where or {}, **more})

    def call(self, method: str, args: dict[str, Any] | None = None) -> Any:
        """One typed request. Raises SlurmError."""
        return self.client.call(method, args)

    def events(self, method: str, args: dict[str, Any] | None = None) -> Iterator[Any]:
        """A subscription: what the daemon tells, whenever it does, until it ends."""
        return self.client.subscribe(method, args)

    def close(self) -> None:
        self.client.close()


class Cluster(Service):
    """slurmctld, and the daemons that its slurm.conf names."""

    def __init__(self, conf: SlurmConf, name: str = "") -> None:
        self.conf = conf
        self.name = name
        super().__init__(Client(controller_address(conf), conf, float(conf.MessageTimeout or 10) * 6, name, self.vouch))
        self._slurmdbd: Service | None = None

    @property
    def slurmdbd(self) -> Service:
        """The accounting daemon; calls raise SlurmError if it cannot be reached."""
        if self._slurmdbd is None:
            self._slurmdbd = Service(
                Client(
                    slurmdbd_address(self.conf),
                    self.conf,
                    float(self.conf.MessageTimeout or 10) * 60,
                    self.name,
                    self.vouch,
                )
            )
        return self._slurmdbd

    def node(self, name: str, address: dict[str, Any]) -> Service:
        """The slurmd of a node, by an address that slurmctld gave."""
        unix = run_dir.find(self.conf, run_dir.slurmd_name(name)) if address.get("unix") else None
        target = Address(unix, address.get("host"), address.get("port"), "slurmd")
        return Service(Client(target, self.conf, 60.0, self.name, self.vouch))

    def vouch(self, host: str, stamp: float, nonce: bytes) -> dict[str, Any] | None:
        """Lets a daemon on this host sign for us, who cannot read the cluster's key."""
        directory = run_dir.directory(self.conf) if os.geteuid() == 0 else None
        places = (directory,) if directory else run_dir._candidates(self.conf)
        for place in places:
            if not run_dir.trusted(place, run_dir.slurm_user_id(self.conf)):
                continue
            for name in sorted(os.listdir(place)):
                if not name.endswith(".sock"):
                    continue
                client = Client(Address(os.path.join(place, name), what="slurmd"), self.conf, 10.0)
                try:
                    answer: dict[str, Any] = client.call("sign_hello", {"host": host, "time": stamp, "nonce": nonce})
                    return answer
                except SlurmError:
                    continue
                finally:
                    client.close()
        return None


def controller_address(conf: SlurmConf) -> Address:
    """slurmctld's socket if it is on this host, and its TCP address unless there is none."""
    unix = run_dir.find(conf, run_dir.CONTROLLER)
    if run_dir.without_tcp(conf):
        return Address(unix or run_dir.controller_socket(conf), what="slurmctld")
    host = conf.controller_address()
    return Address(unix, host, int(conf.SlurmctldPort), "slurmctld")


def slurmdbd_address(conf: SlurmConf) -> Address:
    unix = run_dir.find_slurmdbd(conf, conf.path)
    if run_dir.without_tcp(conf):
        return Address(unix or os.path.join(run_dir.directory(conf), run_dir.SLURMDBD), what="slurmdbd")
    return Address(unix, str(conf.AccountingStorageHost or "localhost"), int(conf.AccountingStoragePort), "slurmdbd")
