"""sdiag over the figures of the golden JSON prints the golden report."""

from __future__ import annotations

from typing import Any

import pytest

from slurmpy.cli import sdiag
from slurmpy.rpc.cluster import Answer

from . import golden

pytestmark = pytest.mark.skipif(bool(golden.MISSING), reason=golden.MISSING or "-")


class Cluster(golden.GoldenCluster):
    def __init__(self, fresh: bool = False) -> None:
        super().__init__()
        self.fresh = fresh
        self.called: list[str] = []

    def query(self, what: str, fields: Any = (), where: dict[str, Any] | None = None, **more: Any) -> Answer:
        figures = _plain(golden.document("sdiag", "json")["statistics"])
        if self.fresh:
            for name, value in figures.items():
                if isinstance(value, int) and not name.startswith(("req_", "job_states_ts", "bf_when")):
                    figures[name] = 0
            figures["schedule_exit"] = figures["bf_exit"] = {}
        return Answer(("name", "value"), list(figures.items()), {})

    def call(self, method: str, args: dict[str, Any] | None = None) -> Any:
        self.called.append(method)


def _plain(value: Any) -> Any:
    """The document with Slurm's number objects as numbers."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return value["number"] if "number" in value else {name: _plain(one) for name, one in value.items()}
    return value


@pytest.mark.parametrize("name", ["default", "T", "i", "t", "M"])
def test_report(name: str) -> None:
    record = golden.captures("sdiag")[name] if not golden.MISSING else {}
    pieces: list[bytes] = []
    argv = record["cmd"].split()[1:]
    assert sdiag.run(argv, {}, Cluster(fresh=name == "M"), pieces.append) == 0  # type: ignore[arg-type]
    assert golden.normal(b"".join(pieces).decode()) == golden.normal(record["out"])


def test_reset() -> None:
    pieces: list[bytes] = []
    cluster = Cluster()
    assert sdiag.run(["-r"], {}, cluster, pieces.append) == 0  # type: ignore[arg-type]
    assert cluster.called == ["reset_stats"]
    assert b"".join(pieces).decode() == golden.captures("sdiag")["r"]["out"]
