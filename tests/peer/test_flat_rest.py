"""The same requests of the oldest versions to a real slurmrestd of 22.05 and to ours: status, type, shape and errors.

``SLURMPY_PEER_REST`` is the URL of the real one, ``SLURMPY_PEER_TOKEN`` a token of root for it.
"""

from __future__ import annotations

import http.client
import json
import os
import re
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.rest.conftest import Answer, Rest, rest
from tests.rest.test_golden_shapes import _differences, _shape

PEER = os.environ.get("SLURMPY_PEER_REST", "")
TOKEN = os.environ.get("SLURMPY_PEER_TOKEN", "")
pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(not (PEER and TOKEN), reason="SLURMPY_PEER_REST and _TOKEN name no real slurmrestd of 22.05"),
    pytest.mark.xdist_group("peer"),
]
__all__ = ["rest"]

JOB = {"environment": {"PATH": "/bin:/usr/bin"}, "current_working_directory": "/tmp", "hold": True}
SCRIPT = "#!/bin/sh\ntrue\n"


def _job(**more: Any) -> dict[str, Any]:
    return {"script": SCRIPT, "job": {**JOB, **more}}


#: method, path (V for the version, in braces what each has its own name for), body
REQUESTS: tuple[tuple[str, str, Any], ...] = (
    *(
        ("GET", f"/slurm/V/{path}", None)
        for path in (
            "ping", "diag", "nodes", "node/{node}", "node/nosuch", "partitions", "partition/debug", "partition/nosuch",
            "reservations", "reservation/nosuch", "licenses", "job/99999", "job/abc", "job/0", "jobs?update_time=x",
            "jobs?update_time=4000000000", "nodes?update_time=4000000000", "partitions?update_time=x", "nosuch",
            "node/{node}?update_time=x", "job/1_x",
        )
    ),
    *(
        ("GET", f"/slurmdb/V/{path}", None)
        for path in (
            "accounts", "accounts?nosuch=1", "account/root", "account/nosuch", "users", "users?nosuch=1", "user/root",
            "user/nosuch", "user/root?x=1", "associations", "associations?account=nosuch", "associations?nosuch=1",
            "association?account=nosuch", "association?account=root&user=root", "association", "qos", "qos?x=1",
            "qos/normal", "qos/nosuch", "qos/1", "clusters", "cluster/nosuch", "wckey/nosuch", "tres", "diag",
            "job/99999", "jobs?cpus_max=x", "jobs?nosuch=1", "jobs?group=root", "jobs?state=NOSUCH",
            "jobs?start_time=whenever", "jobs?account=nosuch", "jobs?cluster=nosuch", "nosuch",
        )
    ),
    *(
        ("POST", "/slurm/V/job/submit", body)
        for body in (
            None, {}, {"script": SCRIPT}, {"script": SCRIPT, "job": {}}, {"script": SCRIPT, "jobs": []}, [1],
            _job(tasks="many"), _job(tasks=0), _job(tasks=1.5), _job(time_limit="abc"), _job(time_limit=-5),
            _job(priority=0), _job(priority="x"), _job(begin_time=3), _job(begin_time="now+1hour"), _job(deadline="x"),
            _job(exclusive="abc"), _job(exclusive="user"), _job(mail_type="X"), _job(nodes="abc"), _job(nodes=[1]),
            _job(memory_per_node="x"), _job(memory_per_cpu={}), _job(environment={}), _job(environment="x"),
            _job(nosuch=1), _job(cpu_binding="x"), _job(distribution="x"), _job(signal="abc"), _job(wait_all_nodes=3),
            _job(gpu_binding="abc"), _job(gres_flags="x"), _job(open_mode="x"), _job(cpu_frequency="abc"),
            _job(thread_specification=0), _job(cpus_per_task=0), _job(nice="x"), _job(partition=None), _job(account={}),
            _job(partition="nosuch"), _job(array="abc"), _job(name=5), _job(no_kill=3), _job(delay_boot="x"),
            _job(container="/x"), _job(prefer=None), _job(oversubscribe=True), _job(memory_binding="x"),
            {"script": SCRIPT, "jobs": [JOB, {**JOB, "tasks": "x"}]},
        )
    ),
    ("POST", "/slurm/V/job/99999", {"comment": "x"}),
    ("POST", "/slurm/V/job/99999", {"nosuch": 1}),
    ("POST", "/slurm/V/job/99999", {"time_limit": "abc"}),
    ("DELETE", "/slurm/V/job/99999", None),
    ("DELETE", "/slurm/V/job/99999?signal=NOSUCH", None),
    ("DELETE", "/slurm/V/job/99999?signal=99", None),
    ("DELETE", "/slurm/V/nodes", None),
    ("PUT", "/slurmdb/V/users", None),
    *(
        ("POST", f"/slurmdb/V/{path}", {key: value} if key else {})
        for path, name in (
            ("accounts", "accounts"), ("users", "users"), ("wckeys", "wckeys"), ("clusters", "clusters"),
        )
        for key, value in (("", None), (name, 5), (name, [5]), (name, []), (name, [{}]))
    ),
    ("POST", "/slurmdb/V/associations", {}),
    ("POST", "/slurmdb/V/associations", {"associations": 5}),
    ("POST", "/slurmdb/V/users", {"users": [{"name": "peer1", "administrator_level": "Boss"}]}),
    ("POST", "/slurmdb/V/tres", {}),
    ("POST", "/slurmdb/V/config", {}),
    ("POST", "/slurmdb/V/accounts", {"accounts": [{"name": "peer", "description": "d", "organization": "o"}]}),
    ("GET", "/slurmdb/V/account/peer", None),
    ("POST", "/slurmdb/V/users", {"users": [{"name": "peer1"}]}),
    ("GET", "/slurmdb/V/user/peer1", None),
    ("DELETE", "/slurmdb/V/user/peer1", None),
    ("DELETE", "/slurmdb/V/user/peer1", None),
    ("DELETE", "/slurmdb/V/account/peer", None),
    ("DELETE", "/slurmdb/V/account/peer", None),
    ("DELETE", "/slurmdb/V/cluster/nosuch", None),
    ("DELETE", "/slurmdb/V/wckey/nosuch", None),
    ("DELETE", "/slurmdb/V/association?account=nosuch&user=nosuch", None),
)  # fmt: skip
#: those of v0.0.38 alone
NEWER: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/slurmdb/V/qos", {}),
    ("POST", "/slurmdb/V/qos", {"QOS": [5]}),
    ("POST", "/slurmdb/V/qos", {"QOS": [{}]}),
    ("POST", "/slurmdb/V/qos", {"QOS": [{"name": "peerq", "flags": ["NOSUCH"]}]}),
    ("POST", "/slurmdb/V/qos", {"QOS": [{"name": "peerq", "priority": "abc"}]}),
    ("POST", "/slurmdb/V/qos", {"QOS": [{"name": "peerq", "priority": 5, "flags": ["DENY_LIMIT"]}]}),
    ("GET", "/slurmdb/V/qos/peerq", None),
    ("DELETE", "/slurmdb/V/qos/peerq", None),
    ("DELETE", "/slurmdb/V/qos/peerq", None),
    ("POST", "/slurmdb/V/associations", {"associations": [5]}),
    ("POST", "/slurmdb/V/associations", {"associations": [{"user": "root"}]}),
)


def _peer(method: str, path: str, body: Any, node: str) -> Answer:
    place = urlsplit(PEER)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=20)
    headers = {"X-SLURM-USER-NAME": "root", "X-SLURM-USER-TOKEN": TOKEN}
    if body is not None:
        headers["Content-Type"] = "application/json"
    try:
        text = None if body is None else json.dumps(body)
        connection.request(method, path.replace("{node}", node), body=text, headers=headers)
        answer = connection.getresponse()
        return Answer(answer.status, answer.reason, answer.getheaders(), answer.read())
    finally:
        connection.close()


@pytest.fixture(scope="module")
def node() -> str:
    """The first node of the real one."""
    return str(json.loads(_peer("GET", "/slurm/v0.0.38/nodes", None, "").body)["nodes"][0]["name"])


def _told(answer: Answer) -> Any:
    """What must be equal: line, type, keys; errors without numbers of ports."""
    kind = next((value for name, value in answer.headers if name == "Content-Type"), "")
    if kind != "application/json":
        return answer.status, answer.reason, kind, answer.body
    document = answer.document
    errors = re.sub(r"\]:\d+", "]:1", json.dumps(document["errors"]))
    return answer.status, answer.reason, kind, list(document), document["meta"]["plugin"]["type"], json.loads(errors)


def _name(request: tuple[str, str, Any]) -> str:
    method, path, body = request
    return f"{method} {path}" + ("" if body is None else " " + json.dumps(body).replace(json.dumps(JOB)[1:-1], "")[:70])


@pytest.mark.parametrize("version", ["v0.0.37", "v0.0.38"])
def test_both_answer_alike(rest: Rest, node: str, version: str) -> None:
    different = []
    for request in REQUESTS + (NEWER if version == "v0.0.38" else ()):
        method, path, body = request
        path = path.replace("/V/", f"/{version}/")
        real = _peer(method, path, body, node)
        ours = rest(method, path.replace("{node}", "n1"), body)
        if _told(real) != _told(ours):
            different.append((_name(request), _told(real), _told(ours)))
            continue
        if ours.body and real.headers and ours.body[:1] == b"{":
            found = _differences(_shape(ours.document), _shape(real.document))
            found = [one for one in found if not one.endswith("/exit_code: ['signal']")]
            if found:
                different.append((_name(request), found, []))
        for answer, cancel in ((real, lambda p: _peer("DELETE", p, None, node)), (ours, lambda p: rest("DELETE", p))):
            if answer.body[:1] == b"{" and "job_id" in answer.document:
                cancel(f"/slurm/{version}/job/{answer.document['job_id']}")
    assert different == []
