"""Query parameters are taken and refused as by the real daemon, in every version."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.data_parser.reference import needs_reference, rest_captures

from .conftest import Rest

pytestmark = [needs_reference, pytest.mark.xdist_group("rest")]

#: these ask for what the real one's scenario has and this cluster has not
SCENARIO = (
    "-job-done", "-job-array", "-job-array-task", "-job-het", "-dbjob", "-dbjob-array", "-dbjob-het", "-dbjobs-user",
    "-dbjobs-account", "-dbjobs-step", "-node-n4", "-partition-small", "-assoc", "-assocs-user", "-qos-one",
)  # fmt: skip
KEPT = ("-accounts-assoc", "-users-assoc")


def _captures() -> list[dict[str, Any]]:
    found = rest_captures("rest-query")
    return [record for record in found if record["name"].endswith(KEPT) or not record["name"].endswith(SCENARIO)]


def _mask(entries: list[dict[str, Any]]) -> list[str]:
    texts = [json.dumps(entry, sort_keys=True) for entry in entries]
    texts = [re.sub(r"\(0x[0-9a-f]+\)", "(0x)", text) for text in texts]
    texts = [re.sub(r"Parsing of \d+ for", "Parsing of 0 for", text) for text in texts]
    return [re.sub(r"update_time\[\d+\]=[-0-9T:]+", "update_time[]", text) for text in texts]


@pytest.mark.parametrize("record", _captures(), ids=lambda record: record["name"].partition("/")[2])
def test_answers_are_equal(rest: Rest, record: dict[str, Any]) -> None:
    path = record["cmd"].split("\n", 1)[0].partition(" ")[2]
    path = re.sub(r"update_time=\d+", "update_time=4000000000", path)  # nothing will have changed since
    answer = rest("GET", path)
    assert answer.status == int(record["rc"]), answer.body
    if not record["out"]:
        assert answer.body == b""
        return
    golden = json.loads(record["out"])
    assert set(answer.document) == set(golden)
    for name in ("errors", "warnings"):
        assert _mask(answer.document[name]) == _mask(golden[name])
