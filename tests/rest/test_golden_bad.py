"""Bad requests get the very answer of the real daemon: status line, headers, errors and warnings."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.data_parser.reference import RELEASES, needs_reference, rest_captures, version_of

from .conftest import Rest, golden_request

pytestmark = [needs_reference, pytest.mark.xdist_group("rest")]

#: these hang on what else is in the real one's scenario (or on the moment)
SCENARIO = (
    "submit-bad-account",
    "submit-bad-qos",
    "altered-token",
    "wrong-user-token",
    "submit-float",
    "submit-bad-type",
)

#: the newer slurmctld lets a job wait that this one refuses; and once it told an error that was none
NEWER = ("submit-toomany", "v0.0.44-submit-two-versions")


def _captures() -> list[dict[str, Any]]:
    return [
        record
        for record in rest_captures("rest-bad")
        if not record["name"].endswith(SCENARIO)
        and not (version_of(record) in RELEASES and record["name"].endswith(NEWER))
    ]


def _mask(text: str) -> str:
    return re.sub(r"\(0x[0-9a-f]+\)", "(0x)", re.sub(r"Content-Length: \d+", "Content-Length: N", text))


@pytest.mark.parametrize("record", _captures(), ids=lambda record: record["name"].partition("/")[2])
def test_answers_are_equal(rest: Rest, record: dict[str, Any]) -> None:
    method, path, headers, body = golden_request(rest, record["cmd"])
    answer = rest(method, path, body, headers=headers)
    lines = [f"{answer.status} {answer.reason}", *(f"{name}: {value}" for name, value in answer.headers)]
    assert _mask("\n".join(lines) + "\n") == _mask(record["err"])
    try:
        golden = json.loads(record["out"])
    except ValueError:
        if not record["out"].startswith("%YAML"):
            assert answer.body.decode() == record["out"]
        return
    ours = answer.document
    assert set(ours) == set(golden)
    for name in ("errors", "warnings"):
        assert [_mask(json.dumps(one, sort_keys=True)) for one in ours[name]] == [
            _mask(json.dumps(one, sort_keys=True)) for one in golden[name]
        ]
