"""The flags behind a data parser's version, with the real programs of 24.11 and with ours.

``SLURMPY_PEER`` says how a command of the real one is started (see `test_side_by_side`).
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from slurmpy.cli import json_output
from slurmpy.data_parser import registry
from slurmpy.rest import openapi
from tests.e2e.site import Site
from tests.rest.conftest import Rest
from tests.rest.openapi_difference import between

PEER = os.environ.get("SLURMPY_PEER", "")
pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(not PEER, reason="SLURMPY_PEER does not say how a real Slurm's commands are started"),
    pytest.mark.xdist_group("peer"),
]
VERSIONS = ("v0.0.40", "v0.0.41", "v0.0.42")
WORDS = (
    "fast", "complex", "spec_only", "prefer_refs", "minimize_refs", "inline_enums", "nosuch", "FAST", "Complex+fast",
    "spec-only", "minimal_refs", "", "+fast", "nosuch+other", " fast",
)  # fmt: skip
#: what makes its daemon one that root may run
FREE = "SLURMRESTD_SECURITY=disable_user_check,disable_unshare_sysv,disable_unshare_files"


def _real(*command: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*shlex.split(PEER), *command], input=text, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("words", WORDS)
def test_the_openapi_document(version: str, words: str) -> None:
    text = f"{version}+{words}"
    real = _real("env", FREE, "slurmrestd", "--generate-openapi-spec", "-s", "slurmctld,slurmdbd", "-d", text)
    assert between(openapi.document([registry.get(text)]), json.loads(real.stdout), version) == []


@pytest.mark.parametrize(
    "text",
    [*(f"{version}+{words}" for version in VERSIONS for words in WORDS), "v9+fast", "+fast", "v0.0.42+a,b", "latest+x"],
)
def test_what_a_command_says(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    real = _real("squeue", f"--json={text}")
    if text.startswith("latest"):  # there is a newer one of ours
        real.stderr = real.stderr.replace("v0.0.42", registry.version_of(text))
    assert (json_output.check("squeue", "json", text) or 0) == real.returncode
    assert capsys.readouterr().err == real.stderr
    if real.returncode == 0 and not text.startswith("latest") and "spec_only" not in text:
        assert json.loads(real.stdout)["meta"]["plugin"]["data_parser"] == registry.get(text).name


PATHS = (
    *(f"/slurm/V/{path}" for path in ("jobs", "nodes", "partitions", "reservations", "ping", "diag", "shares")),
    *(f"/slurmdb/V/{path}" for path in ("accounts", "associations", "users", "qos", "tres", "jobs", "diag")),
    "/slurm/V/job/999999",
)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Rest]]:
    site = Site(tmp_path_factory.mktemp("peer-flags"))
    with (site.base / "slurmdbd.conf").open("a") as file:
        file.write(f"AuthAltTypes=auth/jwt\nAuthAltParameters=jwt_key={site.base}/jwt.key\n")
    running: dict[str, Rest] = {}
    try:
        site.up()
        for flag in ("", "+complex", "+fast"):
            running[flag] = Rest(site, "-d", ",".join(version + flag for version in VERSIONS))
        running[""]("POST", "/slurm/v0.0.42/job/submit", SUBMITTED)
        yield running
    finally:
        for daemon in running.values():
            daemon.stop()
        site.down()


SUBMITTED = {
    "script": "#!/bin/sh\ntrue\n",
    "job": {"hold": True, "environment": ["A=b"], "current_working_directory": "/tmp", "time_limit": 5},
}


def _ask(flag: str, method: str, path: str, body: Any = None) -> Any:
    """The real daemon's answer, from a process of its own that reads one request."""
    token = _real("scontrol", "token").stdout.strip().partition("=")[2]
    content = "" if body is None else json.dumps(body)
    more = f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n" if content else ""
    head = f"{method} {path} HTTP/1.1\r\nX-SLURM-USER-TOKEN: {token}\r\nX-SLURM-USER-NAME: root\r\n{more}\r\n"
    parsers = ",".join(version + flag for version in VERSIONS)
    command = ("env", FREE, "SLURM_JWT=daemon", "slurmrestd", "-a", "rest_auth/jwt", "-d", parsers)
    return json.loads(_real(*command, text=head + content).stdout.partition("\n\n")[2])


def _kinds(value: Any, at: str, found: dict[str, set[str]]) -> None:
    """What stands at each place: "null", "empty" ... ; numbers that may be unset with how they are."""
    if isinstance(value, dict) and set(value) == {"set", "infinite", "number"}:
        kind = "unset" if not value["set"] and not value["infinite"] else "infinite" if value["infinite"] else "number"
    elif isinstance(value, dict) and value:
        for name, item in value.items():
            _kinds(item, f"{at}/{name}", found)
        return
    elif isinstance(value, list) and value:
        for item in value:
            _kinds(item, f"{at}[]", found)
        return
    else:
        kind = "null" if value is None else "text" if isinstance(value, str) and value else type(value).__name__
    found.setdefault(at, set()).add(kind)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", PATHS)
def test_what_complex_makes_of_records(ours: dict[str, Rest], version: str, path: str) -> None:
    """Where both have the same kind of value without the flag, they have the same with it."""
    path = path.replace("V", version, 1)
    if path.endswith("/jobs") and path.startswith("/slurm/"):
        _ask("", "POST", f"/slurm/{version}/job/submit", SUBMITTED)
    seen: list[dict[str, set[str]]] = []
    for flag in ("", "+complex"):
        for document in (ours[flag]("GET", path).document, _ask(flag, "GET", path)):
            seen.append({})
            _kinds({name: part for name, part in document.items() if name != "meta"}, "", seen[-1])
    plain, real_plain, changed, real_changed = seen
    different = {
        at: (sorted(changed.get(at, ())), sorted(real_changed.get(at, ())))
        for at in plain
        if len(plain[at]) == len(real_changed.get(at, ())) == 1  # some texts of the real one are empty, others null
        and plain[at] == real_plain.get(at)
        and changed.get(at) != real_changed.get(at)
    }
    assert different == {}


BODIES: tuple[dict[str, Any], ...] = (
    {"nosuch": 1}, {"name": 5}, {"name": {}}, {"tasks": "1"}, {"tasks": "x"}, {"hold": 1}, {"environment": {"A": "b"}},
    {"flags": ["NOSUCH"]}, {"time_limit": "nosuch"}, {"time_limit": None}, {"time_limit": {"infinite": True}},
)  # fmt: skip


@pytest.mark.parametrize("flag", ["+fast", "+complex"])
@pytest.mark.parametrize("body", BODIES, ids=json.dumps)
def test_what_is_said_of_a_request(ours: dict[str, Rest], flag: str, body: dict[str, Any]) -> None:
    for version in VERSIONS:
        request = {**SUBMITTED, "job": {**SUBMITTED["job"], **body}}  # type: ignore[dict-item]
        answers = (
            ours[flag]("POST", f"/slurm/{version}/job/submit", request).document,
            _ask(flag, "POST", f"/slurm/{version}/job/submit", request),
        )
        for told in ("errors", "warnings"):
            mine, real = ([(one["description"], one["source"]) for one in answer[told]] for answer in answers)
            assert mine == real, (version, told)
