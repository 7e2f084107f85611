"""What nobody expects in what slurmrestd is sent: kept as it is, or refused; never a 5xx, never a trace."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.rest.conftest import Rest, rest  # noqa: F401 - a fixture

from .values import CORE, NUL, VALUES

EVERY = VALUES | NUL
SLURM, DB = "/slurm/v0.0.42", "/slurmdb/v0.0.42"
JOB = {"current_working_directory": "/tmp", "environment": ["A=1"]}


@pytest.fixture
def ask(rest: Rest) -> Any:  # noqa: F811
    """As `Rest`, with what holds of every answer and of the daemons' logs afterwards."""
    logs = [path for path in rest.site.base.rglob("*.log")]
    sizes = {path: path.stat().st_size for path in logs}

    def asked(method: str, path: str, body: Any = None) -> Any:
        answer = rest(method, path, body)
        assert b"Traceback" not in answer.body
        assert answer.status in (200, 304, 400, 404, 422, 500), (method, path, answer.body)
        if answer.status == 304:  # nothing was there to change
            assert not answer.body
        elif answer.status not in (400, 404) or answer.body[:1] == b"{":
            document = json.loads(answer.body)
            assert answer.status == 200 or document["errors"]  # Slurm's own errors come as 500, too
        return answer

    yield asked
    for path in logs:
        assert b"Traceback" not in path.read_bytes()[sizes[path] :], path
    assert rest.process.poll() is None
    assert rest("GET", f"{SLURM}/ping").status == 200


def jobs(ask: Any) -> dict[int, Any]:
    return {job["job_id"]: job for job in ask("GET", f"{SLURM}/jobs").document["jobs"]}


def kept(value: str) -> str:
    """A NUL ends a text, as in Slurm."""
    return value.partition("\0")[0]


JOB_FIELDS = ("name", "comment", "constraints", "account", "licenses", "dependency", "mail_user", "partition",
              "reservation", "tres_per_node", "wckey", "container")  # fmt: skip


@pytest.mark.parametrize("label", EVERY)
def test_a_job(ask: Any, label: str) -> None:
    value = EVERY[label]
    for field in JOB_FIELDS if label in CORE or label in NUL else JOB_FIELDS[:3]:
        before = jobs(ask)
        job = {**JOB, "name": "hostile", "hold": True, field: value}
        answer = ask("POST", f"{SLURM}/job/submit", {"script": "#!/bin/sh\ntrue\n", "job": job})
        if answer.status != 200:
            assert jobs(ask) == before
            continue
        number = answer.document["job_id"]
        (found,) = ask("GET", f"{SLURM}/job/{number}").document["jobs"]
        if field in ("name", "comment") and value:
            assert found[field] == kept(value).replace("\udcff", "\ufffd")
        assert ask("DELETE", f"{SLURM}/job/{number}").status == 200


@pytest.mark.parametrize("label", EVERY)
def test_a_job_that_is_changed(ask: Any, label: str) -> None:
    job = {**JOB, "name": "hostile", "hold": True}
    number = ask("POST", f"{SLURM}/job/submit", {"script": "#!/bin/sh\ntrue\n", "job": job}).document["job_id"]
    for field in ("comment", "name", "partition", "qos", "account"):
        (before,) = ask("GET", f"{SLURM}/job/{number}").document["jobs"]
        answer = ask("POST", f"{SLURM}/job/{number}", {field: EVERY[label]})
        (after,) = ask("GET", f"{SLURM}/job/{number}").document["jobs"]
        if answer.status != 200:
            assert after == before
    assert ask("DELETE", f"{SLURM}/job/{number}").status == 200


@pytest.mark.parametrize("label", EVERY)
def test_a_node(ask: Any, label: str) -> None:
    value = EVERY[label]
    name = ask("GET", f"{SLURM}/nodes").document["nodes"][0]["name"]
    for field in ("comment", "extra", "reason", "features"):
        body = {field: [value]} if field == "features" else {field: value}
        answer = ask("POST", f"{SLURM}/node/{name}", body)
        (found,) = ask("GET", f"{SLURM}/node/{name}").document["nodes"]
        if answer.status == 200 and field in ("comment", "extra") and value and "\udcff" not in value:
            assert found[field] == kept(value)
    assert ask("POST", f"{SLURM}/node/{name}", {"features": []}).status == 200


#: kind: (path of the list, body that adds one of a name, path of one)
OBJECTS: dict[str, Any] = {
    "accounts": (lambda name: {"accounts": [{"name": name, "description": name, "organization": name}]}, "account"),
    "users": (lambda name: {"users": [{"name": name, "default": {"account": name}}]}, "user"),
    "qos": (lambda name: {"qos": [{"name": name, "description": name}]}, "qos"),
    "wckeys": (lambda name: {"wckeys": [{"name": name, "user": "root", "cluster": "none"}]}, "wckey"),
    "clusters": (lambda name: {"clusters": [{"name": name}]}, "cluster"),
    "associations": (lambda name: {"associations": [{"account": name, "cluster": name, "user": name}]}, ""),
}


@pytest.mark.parametrize("label", [*CORE, *NUL])
@pytest.mark.parametrize("kind", OBJECTS)
def test_books(ask: Any, kind: str, label: str) -> None:
    body, one = OBJECTS[kind]
    value = EVERY[label]
    before = ask("GET", f"{DB}/{kind}").document[kind]
    answer = ask("POST", f"{DB}/{kind}/", body(value))
    after = ask("GET", f"{DB}/{kind}").document[kind]
    if answer.status != 200:
        assert after == before
    if not one or not value or "\udcff" in value:
        return
    path = f"{DB}/{one}/{quote(value, safe='')}"
    ask("GET", path)
    ask("DELETE", path)
    left = ask("GET", f"{DB}/{kind}").document[kind]
    assert [entry for entry in before if entry not in left and entry.get("name") != value] == []


@pytest.mark.parametrize("label", EVERY)
def test_queries(ask: Any, label: str) -> None:
    value = quote(EVERY[label].encode("utf-8", "surrogateescape"), safe="")
    for name in ("account", "users", "job_name", "step", "partition", "constraints", "start_time", "state", "qos"):
        ask("GET", f"{DB}/jobs?{name}={value}")
    for name in ("update_time", "flags", value):
        ask("GET", f"{SLURM}/jobs?{name}={value}")
    for name in ("name", "description", "with_deleted", "DELETED"):
        ask("GET", f"{DB}/accounts?{name}={value}")
    for path in ("job", "node", "partition", "reservation"):
        ask("GET", f"{SLURM}/{path}/{value or '%20'}")
