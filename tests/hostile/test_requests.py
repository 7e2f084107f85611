"""Requests of any shape to slurmdbd and slurmctld: an answer or an error, no traceback, no end, no growth."""

from __future__ import annotations

import math
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slurmpy.conf import slurm_conf
from slurmpy.core.errors import SlurmError
from slurmpy.core.records.cluster import NodeInfo, PartitionInfo, ReservationInfo
from slurmpy.core.records.description import JobDescriptor, StepDescriptor
from slurmpy.rpc import methods
from slurmpy.rpc.cluster import Cluster
from slurmpy.rpc.dbd_messages import JOB_FIELDS, KINDS
from slurmpy.rpc.dbd_messages import METHODS as DBD
from tests.accounting import dbd

from .values import NUL, VALUES

#: these end the daemon or what it has read, wait for what does not come, or are asked by a name of their own
LEFT_OUT = ("shutdown", "reconfigure", "takeover", "sign_hello", "assoc_updates")
#: what the requests may make the daemons hold, in kB; thousands of them go through
GROWTH = 150_000

KEYS = (
    "job_id",
    "step_id",
    "what",
    "where",
    "fields",
    "set",
    "limits",
    "names",
    "name",
    "accounts",
    "users",
    "clusters",
    "cluster",
    "jobs",
    "job_ids",
    "start",
    "end",
    "changes",
    "description",
    "descriptions",
    "step",
    "node",
    "nodes",
    "node_list",
    "items",
    "first_seq",
    "seqs",
    "source",
    "kind",
    "signal",
    "flags",
    "states",
    "tasks",
    "commit",
    "parent",
    "qos",
    "wckeys",
    "user_id",
    "username",
    "lifespan",
    "message",
    "level",
    "factor",
    "since",
    "constants",
    "parser",
    "encoding",
    "meta",
    "duration",
    "start_time",
    "end_time",
    "crontab",
    "ids",
    "tres",
    "requests",
    "db_indexes",
    "count",
    "partitions",
    "partition",
    "state",
    "exit_code",
    "restart_cnt",
    "usage",
    "host",
    "port",
    "time",
    "plus",
    "minus",
)
WORDS = (
    *VALUES.values(),
    *NUL.values(),
    "jobs",
    "nodes",
    "steps",
    "partitions",
    "reservations",
    "accounts",
    "users",
    "qos",
    "associations",
    "tres",
    "events",
    "transactions",
    "wckeys",
    "config",
    "1",
    "n1",
    "ref",
    "root",
    "v0.0.42",
    "json",
    "yaml",
    "stats",
    "assoc_mgr",
    "shares",
    "priority",
    "debug",
    "normal",
)
NUMBERS = (0, 1, -1, 9, 4294967295, 1 << 31, 1 << 32, (1 << 63) - 1, -(1 << 63), (1 << 64) - 1)

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(NUMBERS),
    st.integers(-10, 10),
    st.sampled_from((math.nan, math.inf, -math.inf, 1e300, 0.5)),
    st.sampled_from(WORDS),
    st.text(max_size=5),
    st.binary(max_size=5),
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
        st.dictionaries(leaves.filter(lambda one: one == one and not isinstance(one, float)), inner, max_size=2),
    ),
    max_leaves=8,
)
job_fields = st.dictionaries(st.sampled_from(JobDescriptor.FIELDS), values, max_size=6).map(
    lambda given: {"script": "#!/bin/sh\n", "environment": ("A=1",), "current_working_directory": "/", **given}
)
records = st.builds(
    lambda kind, more: {"kind": kind, **more},
    st.sampled_from([*KINDS, "nosuch"]),
    st.dictionaries(
        st.sampled_from([*JOB_FIELDS, "step_id", "node", "start", "end", "time", "tres", "id"]), values, max_size=8
    ),
)
bodies = st.dictionaries(st.sampled_from(KEYS), values, max_size=6) | st.dictionaries(
    st.text(max_size=3), values, max_size=2
)


def resident(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def ask(service: Any, method: str, body: dict[str, Any]) -> None:
    """Any answer will do, any SlurmError too; nothing else, and the daemon goes on."""
    try:
        if method in ("query", "dump", "wait_job", "allocate_resources", "create_step"):
            for count, _ in enumerate(service.client.stream(method, body)):
                if method not in ("query", "dump") or count > 50:
                    break
            service.close()
        else:
            service.client.call(method, body)
    except SlurmError as error:
        if error.name == "SLURM_COMMUNICATIONS_CONNECTION_ERROR":
            raise AssertionError(f"{method} {body}: {error.message}") from error
    except (UnicodeEncodeError, OverflowError):
        pass  # the client itself cannot say it


SETTINGS = settings(max_examples=60, deadline=None, database=None,
                    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])  # fmt: skip


# ---- slurmdbd


@pytest.fixture(scope="module")
def books() -> Iterator[dbd.Slurmdbd]:
    with tempfile.TemporaryDirectory(prefix="fuzz-") as base, dbd.running(Path(base)) as daemon:
        daemon.register()
        daemon.call("add_accounts", names=("plain",))
        daemon.call("records", cluster="ref", first_seq=1, items=dbd.start_and_end(1))
        yield daemon


@pytest.mark.parametrize("method", sorted(set(DBD) - set(LEFT_OUT)))
def test_slurmdbd(books: dbd.Slurmdbd, method: str) -> None:
    assert books.process is not None
    before, log = resident(books.process.pid), books.place / "slurmdbd.log"
    told = log.stat().st_size

    @SETTINGS
    @given(st.data())
    def run(data: st.DataObject) -> None:
        body = data.draw(bodies)
        if method in ("records", "import_jobs"):
            items = tuple(data.draw(st.lists(records, max_size=3)))
            body = {"cluster": "ref", "first_seq": 1, **({} if data.draw(st.booleans()) else body), "items": items}
        elif method in ("query", "dump"):
            body = {**body, "what": data.draw(st.sampled_from(WORDS))}
        ask(books.cluster.slurmdbd, method, body)

    run()
    assert books.process.poll() is None
    assert books.call("ping")["version"]
    assert resident(books.process.pid) - before < GROWTH
    assert b"Traceback" not in log.read_bytes()[told:]


# ---- slurmctld

CONF = """\
ClusterName=fuzz
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
StateSaveLocation={place}/state
SlurmctldLogFile={place}/slurmctld.log
SlurmctldPidFile={place}/slurmctld.pid
CommunicationParameters=socket_dir={place}/run,no_tcp
ScronParameters=enable
NodeName=n[1-3] CPUs=4 RealMemory=1000
PartitionName=debug Nodes=ALL Default=YES
"""


_WINDOW = ("duration", "node_list", *ReservationInfo.FIELDS)
#: what has a name: its fields, and which one is meant
OF_NAMED: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "update_node": (NodeInfo.FIELDS, {"names": "n[1-2]"}),
    "update_partition": (PartitionInfo.FIELDS, {"name": "debug"}),
    "create_partition": (PartitionInfo.FIELDS, {}),
    "update_reservation": (_WINDOW, {"name": "resv"}),
    "create_reservation": (_WINDOW, {"users": "root", "duration": 60, "node_count": 1}),
}


class Ctld:
    def __init__(self, place: Path) -> None:
        import pwd

        self.place = place
        (place / "state").mkdir()
        conf = place / "slurm.conf"
        conf.write_text(CONF.format(host=os.uname().nodename, user=pwd.getpwuid(os.geteuid()).pw_name, place=place))
        reader, writer = os.pipe()
        code = "import sys; from slurmpy.controller.main import run; sys.exit(run(['-D']))"
        environment = {**os.environ, "SLURM_CONF": str(conf), "SLURMPY_READY_FD": str(writer)}
        self.process = subprocess.Popen([sys.executable, "-c", code], env=environment, pass_fds=(writer,))
        os.close(writer)
        assert select.select([reader], [], [], 60)[0]
        assert os.read(reader, 100)
        os.close(reader)
        self.cluster = Cluster(slurm_conf.load(str(conf)), "test")

    def log(self) -> str:
        return (self.place / "slurmctld.log").read_text(errors="replace")


@pytest.fixture(scope="module")
def ctld() -> Iterator[Ctld]:
    with tempfile.TemporaryDirectory(prefix="fuzz-") as base:
        daemon = Ctld(Path(base))
        window = {"users": "root", "duration": 60, "node_list": "n3", "flags": ("MAINT",)}
        daemon.cluster.call("create_reservation", {"name": "resv", "changes": window})
        try:
            yield daemon
        finally:
            daemon.cluster.close()
            daemon.process.terminate()
            daemon.process.wait(30)


@pytest.mark.parametrize("method", sorted(set(methods.SLURMCTLD) - set(LEFT_OUT)))
def test_slurmctld(ctld: Ctld, method: str) -> None:
    before, told = resident(ctld.process.pid), len(ctld.log())

    @SETTINGS
    @given(st.data())
    def run(data: st.DataObject) -> None:
        body = data.draw(bodies)
        if method in ("submit_batch_job", "allocate_resources", "will_run", "update_crontab"):
            body = {**body, "descriptions": tuple(data.draw(st.lists(job_fields, min_size=1, max_size=2)))}
        elif method == "create_step":
            body = {"step": data.draw(st.dictionaries(st.sampled_from(StepDescriptor.FIELDS), values, max_size=5))}
        elif method == "update_job":
            changes = data.draw(st.dictionaries(st.sampled_from(JobDescriptor.FIELDS), values, max_size=3))
            body = {"job_id": data.draw(st.sampled_from(("1", 1, "2_1", "1+0", "x"))), "changes": changes}
        elif method in OF_NAMED:
            fields, names = OF_NAMED[method]
            changes = data.draw(st.dictionaries(st.sampled_from(fields), values, max_size=3))
            body = {**names, "changes": changes}
        elif method in ("query", "dump"):
            body = {**body, "what": data.draw(st.sampled_from(WORDS))}
        ask(ctld.cluster, method, body)

    run()
    assert ctld.process.poll() is None
    assert ctld.cluster.call("ping")["mode"] == "primary"
    assert resident(ctld.process.pid) - before < GROWTH
    assert "Traceback" not in ctld.log()[told:]
