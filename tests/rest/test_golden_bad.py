"""Bad requests get the very answer of the real daemon: status line, headers, errors and warnings."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.data_parser.reference import GOLDEN, needs_reference

from .conftest import Rest

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


def _captures() -> list[dict[str, Any]]:
    if not GOLDEN.is_dir():
        return []
    with (GOLDEN / "rest-bad.jsonl").open() as lines:
        found = [json.loads(line) for line in lines]
    return [record for record in found if not record["name"].endswith(SCENARIO)]


def _request(rest: Rest, cmd: str) -> tuple[str, str, dict[str, str], str | None]:
    head, _, body = cmd.partition("\n\n")
    first, *lines = head.split("\n")
    method, _, path = first.partition(" ")
    headers = dict(line.split(": ", 1) for line in lines)
    if "X-SLURM-USER-NAME" in headers:
        headers["X-SLURM-USER-NAME"] = "root"
    headers = {name: value.replace("<JWT>", rest.token()) for name, value in headers.items()}
    return method, path, headers, body.rstrip("\n") if body else None


def _mask(text: str) -> str:
    return re.sub(r"\(0x[0-9a-f]+\)", "(0x)", re.sub(r"Content-Length: \d+", "Content-Length: N", text))


@pytest.mark.parametrize("record", _captures(), ids=lambda record: record["name"].partition("/")[2])
def test_answers_are_equal(rest: Rest, record: dict[str, Any]) -> None:
    method, path, headers, body = _request(rest, record["cmd"])
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
