"""Documents that are wrong: what is reported, where, and what is made of the rest."""

from __future__ import annotations

import json
from typing import Any

import pytest

from slurmpy.core.errors import SlurmError
from slurmpy.core.records.base import INFINITE
from slurmpy.core.records.description import JobDescriptor
from slurmpy.data_parser import registry
from slurmpy.data_parser.errors import Context, ParseFailed

from .reference import GOLDEN, needs_reference


def _parse(document: Any, type: str = "job_submit_req") -> tuple[Any, Context]:
    context = Context()
    try:
        return registry.get("v0.0.42").parse(type, document, context), context
    except ParseFailed:
        return None, context


def _golden() -> list[tuple[str, Any, dict[str, Any]]]:
    """The submissions and updates whose answer names a place in the body."""
    found = []
    for group in ("rest-bad", "rest-write") if GOLDEN.is_dir() else ():
        with (GOLDEN / f"{group}.jsonl").open() as lines:
            for record in map(json.loads, lines):
                if "v0.0.42" not in record["name"] or "\n\n" not in record["cmd"]:
                    continue
                first, body = record["cmd"].split("\n", 1)[0], record["cmd"].split("\n\n", 1)[1]
                if not first.startswith("POST /slurm/"):
                    continue
                try:
                    found.append((first, json.loads(body), json.loads(record["out"])))
                except ValueError:
                    continue
    return [entry for entry in found if any(e["source"].startswith("#/") for e in _told(entry[2]))]


def _told(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [*answer["errors"], *answer["warnings"]]


@needs_reference
def test_messages_are_those_of_the_real_daemon() -> None:
    cases = _golden()
    assert len(cases) >= 6
    for first, body, answer in cases:
        type = "job_submit_req" if "submit" in first else "job_desc_msg"
        _, context = _parse(body, type)
        ours = [{k: v for k, v in error.items() if k != "name"} for error in context.errors]
        assert ours == [error for error in answer["errors"] if error["source"].startswith("#/")], body
        theirs = [warning for warning in answer["warnings"] if warning["source"].startswith("#/")]
        assert context.warnings == theirs, body


def test_every_error_is_collected_with_its_place() -> None:
    request, context = _parse({"job": {"mail_type": ["END", "NOSUCH"], "nosuch": {}, "name": "x", "nodes": "2-x"}})
    assert request["job"] == JobDescriptor(name="x", mail_type=("END",))
    assert [(error["error_number"], error["source"]) for error in context.errors] == [
        (9207, "#/job/mail_type[1]/"),
        (9202, "#/job/nodes/"),
    ]
    assert context.warnings[0]["source"] == "#/job/nosuch/"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"time_limit": {"set": True, "number": 5}}, {"time_limit": 5}),
        ({"time_limit": {"infinite": True}}, {"time_limit": INFINITE}),
        ({"time_limit": {"set": False, "number": 7}}, {}),
        ({"time_limit": "INFINITE"}, {"time_limit": INFINITE}),
        ({"time_limit": 30}, {"time_limit": 30}),
        ({"tasks": "2"}, {"tasks": 2}),
        ({"contiguous": "yes"}, {"contiguous": True}),
        ({"partition": None}, {}),
        ({"environment": {"A": "1,2"}}, {"environment": ("A=1,2",)}),
        ({"environment": "A=1,2"}, {"environment": ("A=1,2",)}),
        ({"required_nodes": ["n1", "n3"]}, {"required_nodes": "n1,n3"}),
        ({"required_nodes": "n1,n3"}, {"required_nodes": "n1,n3"}),
        ({"nodes": "2-4"}, {"minimum_nodes": 2, "maximum_nodes": 4}),
        ({"user_id": "0"}, {"user_id": 0}),
        ({"user_id": "root"}, {"user_id": 0}),
        ({"rlimits": {"nofile": 1024}}, {"rlimits": {"RLIMIT_NOFILE": 1024}}),
        ({"flags": ["SPREAD_JOB"]}, {"spread_job": True}),
        ({"open_mode": ["APPEND"]}, {"open_mode": "a"}),
        ({"shared": ["user"]}, {"shared": "user"}),
    ],
)
def test_values_as_clients_write_them(given: dict[str, Any], expected: dict[str, Any]) -> None:
    request, context = _parse({"job": given})
    assert context.errors == []
    assert request["job"].to_wire() == expected


@pytest.mark.parametrize(
    "given",
    [{"x11_target_port": 1}, {"crontab": {"minute": "1"}}, {"flags": ["TEST_NOW_ONLY"]}, {"user_id": "no such user"},
     {"time_limit": "abc"}, {"time_limit": []}, {"environment": 5}, {"mail_type": 3}],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_by_name(given: dict[str, Any]) -> None:
    _, context = _parse({"job": given})
    assert [error["source"] for error in context.errors] == [f"#/job/{next(iter(given))}/"]


@pytest.mark.parametrize("document", [[1, 2], "text", 5, 1.5, True])
def test_something_else_than_an_object(document: Any) -> None:
    request, context = _parse(document)
    assert request is None
    assert context.errors[0]["error_number"] == 9209
    assert context.errors[0]["source"] == "#/"


def test_without_a_context_the_first_error_is_raised() -> None:
    with pytest.raises(SlurmError) as caught:
        registry.get().parse("job_info", {"time_limit": "abc"})
    assert caught.value.number == 9202
    assert caught.value.data["errors"][0]["source"] == "#/time_limit/"
    with pytest.raises(SlurmError):
        registry.get().parse("node", None)
    with pytest.raises(SlurmError):
        registry.get().parse("job_info", {"nice": "many"})
