"""Numbers that none of Slurm's can be: refused where they stand, and nobody stumbles over them."""

from __future__ import annotations

from typing import Any

import pytest

from slurmpy.data_parser import registry

from .conftest import Rest

pytestmark = pytest.mark.xdist_group("rest")

VERSIONS = [version for version in registry.VERSIONS if version >= "v0.0.40"]
NUMBERS = (
    "NaN", "Infinity", "1e999", "-1e999", "1e30", "99999999999999999999999999", "18446744073709551613",
    "-9223372036854775809", '"99999999999999999999"', '"1e30"',
)  # fmt: skip
FIELDS = ("time_limit", "tasks", "begin_time", "cpus_per_task", "memory_per_node", "deadline", "priority")
SUBMIT = (
    '{"script": "#!/bin/sh\\n", "job": {"environment": ["A=b"], "current_working_directory": "/tmp", "hold": true, %s}}'
)


def _post(rest: Rest, path: str, body: str) -> Any:
    headers = {"X-SLURM-USER-NAME": "root", "X-SLURM-USER-TOKEN": rest.token(), "Content-Type": "application/json"}
    return rest("POST", path, body, headers=headers)


@pytest.mark.parametrize("version", VERSIONS)
def test_no_job_has_them(rest: Rest, version: str) -> None:
    newest = rest("GET", "/slurm/v0.0.42/jobs/").document["jobs"]
    for number in NUMBERS:
        for field in FIELDS:
            forms = [f'"{field}": {number}']
            if field not in ("tasks", "cpus_per_task", "deadline"):
                forms.append(f'"{field}": {{"set": true, "number": {number}}}')
            for form in forms:
                answer = _post(rest, f"/slurm/{version}/job/submit", SUBMIT % form)
                assert not answer.document.get("job_id"), (form, answer.body)
                told = answer.document["errors"] or answer.document["warnings"]
                assert told, form
                assert all(one.get("error_number") != -1 for one in told), answer.body
                if number[0] != '"' and answer.document["errors"]:
                    (error,) = answer.document["errors"]
                    assert error["error_number"] in (9202, 9209)
                    assert error["source"] == f"#/job/{field}/"
    assert len(rest("GET", "/slurm/v0.0.42/jobs/").document["jobs"]) == len(newest)
    assert "Internal" not in rest.said()


@pytest.mark.parametrize("version", VERSIONS)
def test_no_qos_has_them(rest: Rest, version: str) -> None:
    for number in NUMBERS:
        for form in (
            f'"priority": {{"set": true, "number": {number}}}',
            f'"usage_factor": {{"set": true, "number": {number if number[0] != "9" else "NaN"}}}',
            f'"limits": {{"grace_time": {number}}}',
        ):
            if "usage_factor" in form and number not in NUMBERS[:4]:
                continue  # a factor may be large
            _post(rest, f"/slurmdb/{version}/qos/", f'{{"qos": [{{"name": "numbers", {form}}}]}}')
    assert rest("GET", "/slurmdb/v0.0.42/qos/numbers").document["qos"] == []
    assert "Internal" not in rest.said()
