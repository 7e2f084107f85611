"""sshare over the associations of the golden JSON prints the golden tables."""

from __future__ import annotations

import pwd
from typing import Any

import pytest

from slurmpy.cli import sshare
from slurmpy.rpc.cluster import Answer

from . import golden

pytestmark = pytest.mark.skipif(bool(golden.MISSING), reason=golden.MISSING or "-")

LEFT_OUT = {"json": "the counts per TRES are not told", "yaml": "as json"}
COLUMNS = (
    "id", "account", "user", "partition", "parent_account", "level", "shares_raw", "shares_norm", "usage_raw",
    "usage_norm", "usage_effective", "fairshare", "level_fs", "grp_tres_mins", "tres_run_secs",
)  # fmt: skip


def number(value: dict[str, Any]) -> float | None:
    if value["infinite"]:
        return float("inf")
    return value["number"] if value["set"] else None


def rows() -> list[tuple[Any, ...]]:
    levels = {"": -1}
    found = []
    lines = golden.captures("sshare")["l-P"]["out"].split("\n")[1:]
    for one, line in zip(golden.document("sshare", "json")["shares"]["shares"], lines, strict=False):
        user = "USER" in one["type"]
        account = one["parent"] if user else one["name"]
        level = levels[one["parent"]] + 1
        if not user:
            levels[account] = level
        raw = one["shares"]["number"]
        *_, group, _ = line.split("|")
        running = {each["name"]: each["value"]["number"] for each in one["tres"]["run_seconds"]}
        found.append((
            one["id"], account, one["name"] if user else "", one["partition"], "" if user else one["parent"], level,
            raw, None if raw == 0x7FFFFFFF else one["shares_normalized"]["number"], one["usage"],
            number(one["usage_normalized"]), number(one["effective_usage"]),
            number(one["fairshare"]["factor"]) if user else None, number(one["fairshare"]["level"]), group, running,
        ))  # fmt: skip
    return found


class Cluster(golden.GoldenCluster):
    def query(self, what: str, fields: Any = (), where: dict[str, Any] | None = None, **more: Any) -> Answer:
        if what == "tres":
            return Answer(("type", "name"), [("cpu", ""), ("gres", "gpu")], {})
        assert what == "shares"
        return Answer(COLUMNS, rows(), {})

    @property
    def slurmdbd(self) -> Cluster:
        return self


@pytest.mark.parametrize("name", [] if golden.MISSING else [n for n in golden.captures("sshare") if n not in LEFT_OUT])
def test_capture(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    record = golden.captures("sshare")[name]
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: pwd.struct_passwd(("root", "x", 0, 0, "", "/", "/bin/sh")))
    pieces: list[bytes] = []
    assert sshare.run(record["cmd"].split()[1:], {}, Cluster(), pieces.append) == 0  # type: ignore[arg-type]
    assert golden.normal(b"".join(pieces).decode()) == golden.normal(record["out"])
    assert capsys.readouterr().err == record["err"]


def test_document() -> None:
    import json

    pieces: list[bytes] = []
    assert sshare.run(["-a", "--json"], {}, Cluster(), pieces.append) == 0  # type: ignore[arg-type]
    found = json.loads(b"".join(pieces))
    wanted = golden.document("sshare", "json")
    assert [one["name"] for one in found["shares"]["shares"][0]["tres"]["usage"]] == ["cpu", "gres/gpu"]
    for ours, theirs in zip(found["shares"]["shares"], wanted["shares"]["shares"], strict=True):
        assert {**ours, "tres": 0, "shares_normalized": 0} == {**theirs, "tres": 0, "shares_normalized": 0}
        assert ours["shares_normalized"]["number"] == pytest.approx(theirs["shares_normalized"]["number"])
