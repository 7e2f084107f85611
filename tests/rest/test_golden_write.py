"""Submissions, changes and deletions get the real daemon's answers in every version: statuses, errors, results."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from slurmpy.data_parser import registry
from tests.data_parser.reference import captures, needs_reference, rest_captures

from .conftest import Rest

pytestmark = [needs_reference, pytest.mark.xdist_group("rest")]

VERSIONS = list(registry.VERSIONS)
#: the captures in the order in which they make sense; jobs of the reference's own scenario are not among them
STEPS = (
    "submit", "get", "update", "update-bad", "update-unknown", "delete", "delete-again", "delete-nosuch",
    "submit-string-number", "submit-array", "submit-het", "db-account-add", "db-account-get", "db-denied",
    "db-user-add", "db-user-get", "db-assoc-add", "db-assoc-del", "db-user-del", "db-qos-add", "db-qos-get",
    "db-qos-del", "db-wckey-add", "db-account-del", "db-account-del-again",
)  # fmt: skip
#: 22.05 was asked for the user once he had an association
OLDEST_STEPS = tuple(step for step in STEPS if step != "db-user-get")
OLDEST_STEPS = (*OLDEST_STEPS[:16], "db-user-get", *OLDEST_STEPS[16:])
#: what is nothing but a number of this or that cluster, and what is there only when a record was read
NUMBERS = ("id", "job_id", "last_update", "last_backfill")
#: whole records are compared elsewhere
RECORDS = ("jobs", "qos")


def _captures(version: str) -> dict[str, dict[str, Any]]:
    found = rest_captures("rest-write") if version >= "v0.0.40" else captures("rest-write", "22.05")
    return {record["name"]: record for record in found}


@pytest.fixture(scope="module")
def cluster(rest: Rest) -> Iterator[str]:
    """Its name, once it has the accounts that the requests name."""
    name: str = rest("GET", "/slurmdb/v0.0.42/clusters").document["clusters"][0]["name"]
    for account in ("physics", "chem"):
        condition = {"accounts": [account], "clusters": [name]}
        body = {"association_condition": condition, "account": {"description": account}}
        assert rest("POST", "/slurmdb/v0.0.42/accounts_association", body).status == 200
    body = {"association_condition": {"accounts": ["physics"], "users": ["root"], "clusters": [name]}, "user": {}}
    assert rest("POST", "/slurmdb/v0.0.42/users_association", body).status == 200
    yield name
    query = f"account=physics&user=root&cluster={name}"
    assert rest("DELETE", f"/slurmdb/v0.0.42/associations?{query}").status == 200
    for account in ("physics", "chem"):
        assert rest("DELETE", f"/slurmdb/v0.0.42/account/{account}").status == 200


def _same(key: str) -> bool:
    return key not in ("meta", *RECORDS)


def _number(key: str, value: Any) -> bool:
    return key in NUMBERS or (key == "step_id" and str(value).isdecimal())


def _mask(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: 0 if _number(key, item) else _mask(item) for key, item in value.items() if _same(key)}
    if isinstance(value, list):
        return [_mask(item) for item in value]
    return re.sub(r"\(0x[0-9a-f]+\)|\]:\d+", "(0x)", value) if isinstance(value, str) else value


def _over(rest: Rest, number: int) -> None:
    """Once nothing of the job, its tasks or components waits or runs."""
    for _ in range(200):
        jobs = rest("GET", f"/slurm/v0.0.42/job/{number}").document["jobs"]
        if not any({"PENDING", "RUNNING", "COMPLETING"} & set(job["job_state"]) for job in jobs):
            return
        time.sleep(0.1)
    raise AssertionError(f"job {number} does not end")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_day_of_writing(rest: Rest, cluster: str, version: str) -> None:
    found = _captures(version)
    theirs, ours = "", ""  # the job's number there and here
    made = []
    for step in STEPS if version >= "v0.0.40" else OLDEST_STEPS:
        record = found[f"write/{version}-{step}"]
        if record["rc"] == "error":  # it ended there, which ours does not
            continue
        head, _, body = record["cmd"].partition("\n\n")
        method, _, path = head.split("\n")[0].partition(" ")
        body = body.replace('"partition": "debug", ', "").replace('"ref"', f'"{cluster}"').replace("anna", "root")
        if theirs:
            path = path.replace(f"/job/{theirs}", f"/job/{ours}")
        answer = rest(
            method,
            path.replace("cluster=ref", f"cluster={cluster}"),
            json.loads(body) if body else None,
            user="nobody" if step == "db-denied" else "root",
        )
        assert answer.status == int(record["rc"]), (step, answer.body)
        if answer.status == 304:
            assert answer.body == b"", step
            continue
        if not record["out"].startswith("{"):
            assert answer.body.decode() == record["out"].strip(), step
            continue
        told = record["out"].replace("C = ref       ", f"C = {cluster:10}").replace('"ref"', f'"{cluster}"')
        golden = json.loads(told)
        document = answer.document
        if step == "submit":
            theirs, ours = str(golden["job_id"]), str(document["job_id"])
        if step.startswith("submit") and document.get("job_id"):
            made.append(document["job_id"])
        assert list(document) == list(golden), step
        assert _mask(document) == _mask(golden), step
    for number in made[1:]:
        rest("DELETE", f"/slurm/{version}/job/{number}")
    for number in made:
        _over(rest, number)
