"""Every read of every version has the shape of the real daemon's answer: the same properties, of the same types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.data_parser.reference import needs_reference, rest_captures

from .conftest import Rest, finish

pytestmark = [needs_reference, pytest.mark.xdist_group("rest")]

#: what this cluster has nothing of, so that there is no shape to compare: path's end
WITHOUT = (
    "association",
    "reservation/user_resv",
    "account/physics",
    "qos/high",
    "user/anna",
    "wckey/proj1",
    "resources/40",
    "40/requeue",
)
#: the names that stand for those of the scenario
NAMES = {"/cluster/ref": "/cluster/{cluster}", "/job/40": "/job/{job}"}


def _captures() -> list[dict[str, Any]]:
    found = rest_captures("rest-get")
    return [record for record in found if not _path(record).rstrip("/").endswith(WITHOUT)]


def _path(record: dict[str, Any]) -> str:
    return str(record["cmd"].split("\n", 1)[0].partition(" ")[2])


def _shape(value: Any) -> Any:
    """Names and types; of a list the first item that is not empty, None for nothing known; of sockets and cores one."""
    if isinstance(value, dict):
        return {"0" if name.isdigit() else name: _shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return next((["list", shape] for shape in map(_shape, value) if shape), ["list", None])
    if isinstance(value, bool) or value is None:
        return type(value).__name__
    return "number" if isinstance(value, (int, float)) else "string"


def _differences(ours: Any, real: Any, at: str = "") -> list[str]:
    if isinstance(ours, dict) and isinstance(real, dict):
        if not ours or not real:
            return []
        found = [f"{at}: {sorted(set(ours) ^ set(real))}"] if set(ours) != set(real) else []
        for name in set(ours) & set(real):
            found += _differences(ours[name], real[name], f"{at}/{name}")
        return found
    if isinstance(ours, list) and isinstance(real, list):
        return _differences(ours[1], real[1], at + "[]") if ours[1] and real[1] else []
    if "NoneType" in (ours, real) or ours == real:
        return []
    return [f"{at}: {ours} instead of {real}"]


@pytest.fixture(scope="module")
def names(rest: Rest) -> Iterator[dict[str, str]]:
    """A cluster and a job to ask for."""
    cluster = rest("GET", "/slurmdb/v0.0.42/clusters").document["clusters"][0]["name"]
    job = {"current_working_directory": "/tmp", "environment": ["PATH=/usr/bin:/bin"], "tasks": 1}
    answer = rest("POST", "/slurm/v0.0.42/job/submit", {"script": "#!/bin/sh\nsleep 60\n", "job": job})
    number = answer.document["job_id"]
    finish(rest, number, frozenset(("RUNNING",)))  # one that waits holds nothing yet
    yield {"cluster": cluster, "job": str(number)}
    rest("DELETE", f"/slurm/v0.0.42/job/{number}")
    finish(rest, number)


@pytest.mark.parametrize("record", _captures(), ids=lambda record: record["name"].partition("/")[2])
def test_shapes_are_equal(rest: Rest, names: dict[str, str], record: dict[str, Any]) -> None:
    path = _path(record)
    for theirs, own in NAMES.items():
        path = path.replace(theirs, own.format(**names))
    answer = rest("GET", path)
    assert answer.status == int(record["rc"]), answer.body
    golden = json.loads(record["out"])
    assert _differences(_shape(answer.document), _shape(golden)) == []
    kept = ("plugin", "command", "slurm")
    ours, real = answer.document["meta"], golden["meta"]
    assert set(ours["slurm"]) == set(real["slurm"])
    real["slurm"] = ours["slurm"]  # the cluster, and the release that the whole suite is
    assert {name: ours[name] for name in kept} == {name: real[name] for name in kept}
