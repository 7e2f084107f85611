"""The table slurmd.tsv: who may launch, signal and look at steps; and slurmstepd's socket, which is slurmd's alone."""

from __future__ import annotations

import os
import pwd
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from slurmpy.auth import credential
from slurmpy.conf import slurm_conf
from slurmpy.core.ids import STEP_BATCH
from slurmpy.rpc import methods

from .ctld import COLUMNS, Permitted
from .people import possible, read_table

TABLE = read_table(Path(__file__).with_name("slurmd.tsv"), COLUMNS)
pytestmark = [pytest.mark.skipif(bool(possible()), reason=possible()), pytest.mark.xdist_group("slurmctld.tsv")]

LETTERS = {
    "ESLURM_ACCESS_DENIED": "D", "ESLURM_USER_ID_MISSING": "U", "SLURM_PROTOCOL_AUTHENTICATION_ERROR": "A",
    "ESLURMD_INVALID_JOB_CREDENTIAL": "C",
}  # fmt: skip
#: what a launch or a signal that names nothing comes to
HARMLESS = ("SLURM_ERROR", "ESLURM_INVALID_JOB_ID")


def request(row: str, site: Permitted) -> tuple[str, dict[str, Any]]:
    method, _, rest = row.partition(": ")
    step = {"job_id": site.running, "step_id": STEP_BATCH}
    owner = pwd.getpwnam(site.names["owner"])
    signed = credential.sign(
        slurm_conf.load(site.conf), {"step_id": 0, "job_id": site.running, "allocation": {}, "user_id": owner.pw_uid}
    )
    forged = signed[:40] + bytes([signed[40] ^ 1]) + signed[41:]
    if method == "launch_tasks":
        return method, {"credential": {"": b"", "credential of owner's": signed}.get(rest, forged)}
    return method, {"signal_step": {**step, "signal": 23}, "step_stat": step, "list_pids": step,
                    "many": {"calls": ()}}.get(method, {})  # fmt: skip


def test_every_method_is_in_the_table() -> None:
    from slurmpy.node.service import Service

    served = set(Service(None, 0, lambda: None, lambda: None).handlers())  # type: ignore[arg-type]
    assert served == {row.partition(":")[0] for row in TABLE}, "add a row to slurmd.tsv for a new method"
    assert served | {"sign_hello"} == set(methods.SLURMD), "a method has a role or a handler, but not both"


@pytest.mark.parametrize("way", ["unix", "jwt"])
@pytest.mark.parametrize("row", TABLE)
def test_row(site: Permitted, row: str, way: str) -> None:
    wanted, found = TABLE[row], {}
    for kind in COLUMNS:
        method, args = request(row, site)
        if (kind == "unknown" and way == "unix") or (method == "shutdown" and wanted[kind] == "y"):
            found[kind] = wanted[kind]
            continue
        error, answer = site.asked(kind, method, args, way=way, daemon=f"n1:{site.n1}")
        found[kind] = "y" if error == "y" or error in HARMLESS else LETTERS.get(error, f"{error}: {answer}")
    assert found == wanted
    assert site.state()[0]


def test_a_step_listens_to_slurmd_alone(site: Permitted) -> None:
    steps = [path for path in (site.base / "spool-n1").rglob("*.sock") if path.is_socket()]
    assert steps
    for path in steps:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
        for kind in ("mate", "coord", "admin", "none"):
            assert refused(str(path), pwd.getpwnam(site.names[kind]).pw_uid)
        assert not refused(str(path), 0)


def refused(path: str, uid: int) -> bool:
    """Whether a user may not connect to a socket."""
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setresuid(uid, uid, uid)
        try:
            socket.socket(socket.AF_UNIX).connect(path)
        except PermissionError:
            os._exit(13)
        except BaseException:
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 13)
    return code == 13
