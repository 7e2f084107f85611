"""The OpenAPI document that follows from the table of endpoints is the real daemon's."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator

from slurmpy.data_parser import registry
from slurmpy.rest import openapi
from slurmpy.rest.flat_endpoints import ALL


@pytest.mark.parametrize("version", registry.VERSIONS)
def test_the_document_is_valid(version: str) -> None:
    validator = OpenAPIV30SpecValidator(openapi.document([registry.get(version)]))
    assert [str(error.message)[:200] for error in validator.iter_errors()] == []


def test_every_type_that_the_table_names_exists() -> None:
    for version in registry.VERSIONS:
        plugin = registry.get(version)
        for endpoint in ALL:
            if endpoint.serves(version):
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
        (["-t", "x"], 1, "", "Invalid thread count: x"),
        (["-t", "0"], 1, "", "Invalid thread count: 0"),
        (["--max-connections", "0"], 1, "", "Invalid max connection count: 0"),
        (["--max-connections", "9999999999"], 1, "", "Invalid max connection count: 9999999999"),
        (["--autocomplete=x"], 1, "", "--autocomplete is not supported"),
        (["-d", "v0.0.42+nosuch,v9"], 1, "", "Unable to find plugin: data_parser/v9"),
        (["-d", "v0.0.42+nosuch", "-V"], 0, "", "warning: data_parser/v0.0.42 ignoring unknown flag nosuch"),
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
