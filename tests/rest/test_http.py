"""What a request looks like on the wire, apart from any daemon."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from slurmpy.data_parser.errors import Context, ParseFailed
from slurmpy.rest import conditions
from slurmpy.rest.app import Unreadable, accepted, read_body
from slurmpy.rest.http import head


@pytest.mark.parametrize(
    ("header", "media"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/yaml", "application/yaml"),
        ("application/x-yaml", "application/x-yaml"),
        ("text/html,application/json;q=0.5", "application/json"),
        ("application/json;q=0.2, application/yaml;q=0.9", "application/yaml"),
        ("application/*", "application/json"),
        ("application/xml", None),
        ("application/json;q=0", None),
        ("application/json;q=x", None),
        ("", "application/json"),
    ],
)
def test_accept(header: str | None, media: str | None) -> None:
    assert accepted(header) == media


def test_heads_are_spelt_as_slurms() -> None:
    given = b"HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc"
    assert head(given) == (
        b"HTTP/1.1 404 NOT FOUND\r\nConnection: Close\r\nContent-Length: 3\r\nContent-Type: text/plain\r\n\r\nabc"
    )
    assert head(b"HTTP/1.1 304 Not Modified\r\ncontent-length: 0\r\n\r\n") == b"HTTP/1.1 304 NOT MODIFIED\r\n\r\n"
    assert head(b"HTTP/1.1 is what this text is about") == b"HTTP/1.1 is what this text is about"


class _Request:
    def __init__(self, kind: str, body: bytes) -> None:
        self.headers = {"content-type": kind} if kind else {}
        self._body = body

    async def stream(self) -> Any:
        yield self._body


@pytest.mark.parametrize(
    ("kind", "body", "document"),
    [
        ("application/json", b'{"a": [1]}', {"a": [1]}),
        ("application/json; charset=utf-8", b'{"a": 1}', {"a": 1}),
        ("application/x-yaml", b"a: 1\nb: [x]\n", {"a": "1", "b": ["x"]}),
        ("application/x-www-form-urlencoded", b"a=b&c=\n", {"a": "b", "c": ""}),
        ("application/json", b"  ", None),
        ("", b"", None),
    ],
)
def test_bodies(kind: str, body: bytes, document: Any) -> None:
    assert asyncio.run(read_body(_Request(kind, body))) == document  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b'{"a":'),
        ("application/json", b"[" * 100_000),
        ("application/json", b"\xff"),
        ("application/x-yaml", b"a: [1"),
        ("application/x-yaml", b"a: !!python/object/apply:os.system [id]"),
        ("text/plain", b"{}"),
        ("", b"{}"),
    ],
)
def test_bodies_that_cannot_be_read(kind: str, body: bytes) -> None:
    if b"python" in body:
        assert asyncio.run(read_body(_Request(kind, body))) == {"a": ["id"]}  # type: ignore[arg-type]
        return
    with pytest.raises(Unreadable):
        asyncio.run(read_body(_Request(kind, body)))  # type: ignore[arg-type]


def test_query_parameters() -> None:
    context = Context()
    found = conditions.JOBS.parse(
        {"users": "a,b", "start_time": "12", "state": "FAILED,TIMEOUT", "x": "1"}, "#/", context
    )
    assert found == {"users": ("a", "b"), "start_time": 12, "state": (5, 6)}
    assert context.warnings == [
        {"description": 'Ignoring unknown field "x" of type string in DATA_PARSER_JOB_CONDITION', "source": "#/x/"}
    ]
    with pytest.raises(ParseFailed):
        conditions.JOB_INFO.parse({"update_time": "abc"}, "#/", context)
    assert context.errors[0]["description"] == "Parsing of abc for timestamp failed"
    older = Context("v0.0.40")
    assert conditions.USERS.parse({"with_assocs": "true"}, "#/", older) == {"with_assocs": True}
    assert older.warnings[0]["description"].endswith("OpenAPI type=string (Slurm type=string)")
    with pytest.raises(ParseFailed):
        conditions.JOB_INFO.parse({"update_time": "1795343323"}, "#/", older)
