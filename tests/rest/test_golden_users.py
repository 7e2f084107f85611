"""What users who administer nothing may read, and with what words they are refused, is as with the real daemon."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.data_parser.reference import needs_reference, rest_captures

from .conftest import Rest

pytestmark = [needs_reference, pytest.mark.xdist_group("rest")]


def _told(entry: dict[str, Any]) -> tuple[int, str, str]:
    return entry["error_number"], re.sub(r"\(0x[0-9a-f]+\)", "(0x)", entry["description"]), entry["source"]


@pytest.mark.parametrize("record", rest_captures("rest-get-anna"), ids=lambda record: record["name"].partition("/")[2])
def test_reads_of_a_plain_user(rest: Rest, record: dict[str, Any]) -> None:
    path = record["cmd"].split("\n", 1)[0].partition(" ")[2]
    answer = rest("GET", path, user="nobody")
    assert answer.status == int(record["rc"]), answer.body
    if record["out"].startswith("{"):  # the longer ones are not kept
        golden = json.loads(record["out"])
        assert [_told(entry) for entry in answer.document["errors"]] == [_told(entry) for entry in golden["errors"]]
