"""--json and --yaml of the commands: versions, the meta block, and where the bytes go."""

from __future__ import annotations

import json
import os
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from slurmpy.cli import json_output
from slurmpy.core.records.accounting import DbJob
from slurmpy.data_parser import registry

from .reference import capture, needs_reference

CONF: Any = SimpleNamespace(ClusterName="ref", AccountingStorageType="accounting_storage/slurmdbd")


class _Cluster:
    conf = CONF

    def __init__(self) -> None:
        self.asked: tuple[Any, ...] = ()

    def dump(self, what: str, where: dict[str, Any], **more: Any) -> Any:
        self.asked = (what, where, more)
        yield b"{"
        yield b"}"


def test_list_names_every_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert json_output.check("squeue", "json", "list") == 0
    captured = capsys.readouterr()
    assert captured.err == "Possible data_parser plugins:\n"
    assert captured.out.splitlines() == [f"data_parser/{version}" for version in registry.VERSIONS]


@needs_reference
@pytest.mark.parametrize(
    ("name", "command", "encoding", "parser"),
    [
        ("errors/squeue-bad-json", "squeue", "json", "nosuch"),
        ("errors/squeue-bad-yaml", "squeue", "yaml", "v9.9.9"),
        ("errors/sacct-bad-json", "sacct", "json", "nosuch"),
    ],
)
def test_check_is_as_the_real_commands(
    name: str, command: str, encoding: str, parser: str, capsys: pytest.CaptureFixture[str]
) -> None:
    golden = capture(name)
    assert json_output.check(command, encoding, parser) == int(golden["rc"])
    captured = capsys.readouterr()
    if parser == "list":  # ours are more
        assert set(golden["out"].splitlines()) <= set(captured.out.splitlines())
        captured = captured._replace(out=golden["out"])
    assert (captured.out, captured.err) == (golden["out"], golden["err"])


@needs_reference
def test_the_list_begins_as_that_of_the_release(capsys: pytest.CaptureFixture[str]) -> None:
    """Its versions in its order; those of newer releases follow."""
    golden = capture("squeue/json-list")
    assert json_output.check("squeue", "json", "list") == int(golden["rc"])
    captured = capsys.readouterr()
    assert captured.err == golden["err"]
    assert captured.out.startswith(golden["out"])


def test_a_known_version_goes_on() -> None:
    assert json_output.check("squeue", "json", "") is None
    assert json_output.check("squeue", "json", "v0.0.42") is None
    assert json_output.check("squeue", "json", "data_parser/v0.0.42") is None


@pytest.mark.parametrize(
    ("command", "words", "told"),
    [
        ("squeue", ["--json", "-j", "40"], ["squeue", "--json", "-j"]),
        ("sinfo", ["-N", "--json"], ["sinfo", "-N"]),
        ("scontrol", ["show", "job", "40"], ["show", "job"]),
        ("scontrol", ["ping"], []),
        ("sacctmgr", ["show", "qos"], []),
    ],
)
def test_the_command_in_meta(command: str, words: list[str], told: list[str]) -> None:
    meta = json_output.meta(CONF, command, words)
    assert meta["command"] == told
    assert meta["cluster"] == "ref"
    assert meta["user"]


def test_dump_asks_the_daemon_and_ends_the_line() -> None:
    cluster = _Cluster()
    pieces = list(json_output.dump(cluster, "squeue", ["--json"], "jobs", {"users": (5,)}, "json", ""))
    assert b"".join(pieces) == b"{}\n"
    what, where, more = cluster.asked
    assert (what, where, more["parser"], more["encoding"]) == ("jobs", {"users": (5,)}, "v0.0.42", "json")
    assert more["meta"]["when_empty"] == "Zero jobs to dump"
    other = _Cluster()
    list(json_output.dump(cluster, "sacct", [], "jobs", None, "yaml", "", service=other))  # type: ignore[arg-type]
    assert other.asked[2]["encoding"] == "yaml"


def test_records_of_the_command_go_to_descriptor_1(tmp_path: Any) -> None:
    jobs = (DbJob(job_id=number, start_time=10, eligible_time=5) for number in range(100))
    pieces = json_output.records(CONF, "sacct", ["-a", "--json"], "slurmdb_jobs", jobs, "json", "v0.0.42", now=70)
    kept = os.dup(1)
    sys.stdout.flush()
    try:
        with (tmp_path / "out").open("wb") as file:
            os.dup2(file.fileno(), 1)
            assert json_output.write(pieces) == 0
    finally:
        os.dup2(kept, 1)
        os.close(kept)
    text = (tmp_path / "out").read_text()
    document = json.loads(text)
    assert text.endswith("}\n")
    assert [job["job_id"] for job in document["jobs"]] == list(range(100))
    assert document["jobs"][0]["time"]["elapsed"] == 60
    assert document["meta"]["command"] == ["sacct", "-a"]


def test_single() -> None:
    (piece,) = json_output.single(CONF, "sdiag", ["--json"], "diag", "json", statistics={"jobs_running": 3})
    assert json.loads(piece)["statistics"]["jobs_running"] == 3
