"""The OpenAPI document that follows from the table of endpoints is the real daemon's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from slurmpy.data_parser import registry
from slurmpy.rest import openapi
from slurmpy.rest.endpoints import ENDPOINTS
from tests.data_parser.reference import needs_reference
from tests.data_parser.reference import openapi as reference


def _operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(path, method): one for path, methods in document["paths"].items() for method, one in methods.items()}


@needs_reference
def test_operations_of_v0_0_42_are_equal() -> None:
    ours = _operations(openapi.document([registry.get("v0.0.42")]))
    theirs = _operations(reference("v0.0.42"))
    assert set(ours) == set(theirs)
    for key, operation in ours.items():
        expected = theirs[key]
        order = lambda parameter: (parameter["in"], parameter["name"])  # noqa: E731
        assert sorted(operation.get("parameters", ()), key=order) == sorted(expected.get("parameters", ()), key=order)
        for name in ("operationId", "tags", "responses", "requestBody"):
            assert operation.get(name) == expected.get(name), (key, name)


@needs_reference
@pytest.mark.parametrize("version", ["v0.0.40", "v0.0.41"])
def test_paths_of_older_versions(version: str) -> None:
    ours = _operations(openapi.document([registry.get(version)]))
    theirs = _operations(reference(version))
    assert set(ours) == set(theirs)


def test_every_type_that_the_table_names_exists() -> None:
    for version in registry.VERSIONS:
        plugin = registry.get(version)
        for endpoint in ENDPOINTS:
            assert endpoint.answer in plugin.envelopes
            assert not endpoint.body or plugin.type(endpoint.body)


def test_the_command_prints_it() -> None:
    code = "from slurmpy.rest.main import main; main()"
    argv = [sys.executable, "-c", code, "-d", "v0.0.42", "-s", "slurmctld", "--generate-openapi-spec"]
    run = subprocess.run(argv, capture_output=True, text=True, env={**os.environ, "SLURM_CONF": "/nonexistent"})
    assert run.returncode == 0, run.stderr
    paths = json.loads(run.stdout)["paths"]
    assert "/slurm/v0.0.42/jobs/" in paths
    assert not [path for path in paths if path.startswith("/slurmdb") or "v0.0.41" in path]


@pytest.mark.parametrize(
    ("argv", "code", "out", "err"),
    [
        (["-V"], 0, "slurm 24.11.5\n", ""),
        (["-d", "list"], 0, "v0.0.40", ""),
        (["-a", "list"], 0, "rest_auth/local", ""),
        (["-s", "list"], 0, "openapi/slurmdbd", ""),
        (["--help"], 0, "unix:PATH", ""),
        (["-d", "v9"], 1, "", "v9"),
        (["-a", "nosuch"], 1, "", "nosuch"),
        (["--nosuch"], 1, "", "nosuch"),
        (["-t", "4"], 1, "", "-t is not supported"),
        (["--max-connections", "0"], 1, "", "number of connections"),
        ([], 1, "", "fatal"),
        (["-f", "/nonexistent/slurm.conf", "127.0.0.1:0"], 1, "", "slurm.conf"),
    ],
)
def test_the_command_line(argv: list[str], code: int, out: str, err: str) -> None:
    program = "from slurmpy.rest.main import main; main()"
    run = subprocess.run([sys.executable, "-c", program, *argv], capture_output=True, text=True, timeout=30)
    assert run.returncode == code, run.stderr
    assert out in run.stdout
    assert err in run.stderr
    assert "Traceback" not in run.stderr
