import asyncio
import threading
from types import SimpleNamespace

import pytest

from slurmpy.auth import key
from slurmpy.core.errors import SlurmError
from slurmpy.rpc import methods
from slurmpy.rpc.server import Server


@pytest.fixture
def conf(tmp_path):
    values = SimpleNamespace(
        path=str(tmp_path / "slurm.conf"),
        AuthType="auth/slurm",
        AuthInfo="",
        SlurmUser="root",
        AuthAltTypes="auth/jwt",
        AuthAltParameters=f"jwt_key={tmp_path}/jwt.key",
    )
    (tmp_path / "jwt.key").write_bytes(b"k" * 32)
    (tmp_path / "jwt.key").chmod(0o600)
    key.load(values, create=True)
    return values


async def parts(peer, args):
    for number in range(args["count"]):
        yield {"rows": ((number, "x" * args.get("size", 1)),)}


async def later(peer, args):
    await asyncio.sleep(0)
    return {"who": (peer.uid, peer.source), "args": args}


def refuse(peer, args):
    raise SlurmError("ESLURM_INVALID_JOB_ID", data={"a": 1})


def defect(peer, args):
    return args["missing"]


HANDLERS = {
    "ping": lambda peer, args: {"pong": args},
    "query": parts,
    "will_run": later,
    "kill_job": refuse,
    "update_job": defect,
    "reboot_nodes": lambda peer, args: "operator's",
    "create_partition": lambda peer, args: "admin's",
}


class Running:
    """A server in a thread of its own."""

    def __init__(self, conf, directory):
        self.conf, self.path = conf, str(directory / "s.sock")
        self.level = "None"
        ready = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self._main(ready)), daemon=True)
        self.thread.start()
        assert ready.wait(10)

    async def _main(self, ready):
        self.loop = asyncio.get_running_loop()
        self.over = asyncio.Event()
        self.server = Server(HANDLERS, methods.SLURMCTLD, self.conf, "slurmctld", lambda peer: self.level)
        await self.server.listen(self.path, ("127.0.0.1", 0))
        self.port = self.server._listeners[1].sockets[0].getsockname()[1]
        ready.set()
        await self.over.wait()
        await self.server.close()

    def stop(self):
        self.loop.call_soon_threadsafe(self.over.set)
        self.thread.join(10)


@pytest.fixture
def running(conf, tmp_path):
    server = Running(conf, tmp_path)
    yield server
    server.stop()
