"""What a request looks like on the wire, apart from any daemon."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmpy.data_parser import json_text
from slurmpy.data_parser.errors import Context, ParseFailed
from slurmpy.rest import conditions
from slurmpy.rest.compact import squeeze, squeezed
from slurmpy.rest.http import Response, text
from slurmpy.rest.negotiation import Unreadable, accepted, compressed, pairs, parse_body, segments, split_target
from slurmpy.rest.routes import Routes

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


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
        ("application/yaml,application/json", "application/yaml"),
        ("application/yaml;q=0.3, */*;q=0.2", "application/yaml"),
        ("*/*, application/json;q=0", "application/x-yaml"),
        ("application/json;q=nan", None),
        ("application/json;q=1e9", None),
        ("", "application/json"),
    ],
)
def test_accept(header: str | None, media: str | None) -> None:
    assert accepted(header) == media


def test_heads_are_spelt_as_slurms() -> None:
    assert text(404, "abc").head() == (
        b"HTTP/1.1 404 NOT FOUND\r\nConnection: Close\r\nContent-Length: 3\r\nContent-Type: text/plain\r\n\r\n"
    )
    assert Response(304, close=False).head() == b"HTTP/1.1 304 NOT MODIFIED\r\n\r\n"
    assert Response(200, b"ab", "x/y").head("1.0", close=True) == (
        b"HTTP/1.0 200 OK\r\nConnection: Close\r\nContent-Length: 2\r\nContent-Type: x/y\r\n\r\n"
    )
    assert b"Content-Encoding: gzip\r\n" in Response(200, b"ab", "x/y", encoding="gzip").head()


@pytest.mark.parametrize(
    ("header", "whether"),
    [
        (None, False),
        ("", False),
        ("gzip", True),
        ("gzip, deflate, br", True),
        ("deflate", False),
        ("gzip;q=0", False),
        ("*", True),
        ("*;q=0", False),
        ("identity, gzip;q=0.5", False),
        ("identity;q=0.5, gzip;q=0.5", True),
        ("GZIP", True),
        ("gzip;q=x", False),
    ],
)
def test_compression(header: str | None, whether: bool) -> None:
    assert compressed(header) == whether


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/a/b?c=d", "/a/b", "c=d"),
        (b"http://host/a", "/a", ""),
        (b"HTTPS://user@host:80/a?b#c", "/a", "b"),
        (b"http://host", "/", ""),
        (b"http://host?x=http://y/z", "", "x=http://y/z"),
        (b"/a#b?c", "/a", ""),
        (b"*", "*", ""),
    ],
)
def test_targets(target: bytes, path: str, query: str) -> None:
    assert split_target(target) == (path, query)


def test_paths() -> None:
    assert segments("//slurm///v0.0.42/%70ing/") == ["slurm", "v0.0.42", "ping"]
    assert segments("/account/a%2Fb%20%C3%A9") == ["account", "a/b é"]
    for bad in ("", "*", "a", "/%zz", "/%2", "/a%00", "/%ff", "/a/../b", "/%2e%2e", "/é", "/a b", '/"', "/<"):
        with pytest.raises(Unreadable):
            segments(bad)


def test_pairs() -> None:
    assert pairs("") == {}
    assert pairs("&&a=1&b&a=2&c=&a=3&") == {"a": ["1", "2", "3"], "b": True, "c": ""}
    assert pairs("a+b=c+d%2B") == {"a b": "c d+"}
    for bad in ("=x", "a=%zz", "%=1", "a=%ff", "a=%00", "&=&"):
        with pytest.raises(Unreadable):
            pairs(bad)


#: nine names for ten of the one before: more than there is room for, were they all written out
BOMB = (
    rb"a0: &a0 \ud"
    + b"\n"
    + b"".join(b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 10)) for n in range(1, 10))
)


@pytest.mark.parametrize(
    ("kind", "body", "document"),
    [
        ("application/json", b'{"a": [1]}', {"a": [1]}),
        ("application/json; charset=utf-8", b'{"a": 1}', {"a": 1}),
        (
            "application/json",
            b'{"\\ud83d\\ude00": ["\\udcff", {"a": "\\ud800b"}]}',
            {"\U0001f600": ["\ufffd", {"a": "\ufffdb"}]},
        ),
        (
            "application/json",
            b'{"a\\u0000b": ["c\\u0000d", 1, -1e3]}',
            {"a": ["c", 1, -1e3]},
        ),
        ("application/x-yaml", rb'a: "b\0c"', {"a": "b"}),
        ("application/x-yaml", b'a: "*"\nb: 2 * 3', {"a": "*", "b": "2 * 3"}),
        ("application/x-yaml", b"a: 1\nb: [x]\n", {"a": "1", "b": ["x"]}),
        ("application/x-www-form-urlencoded", b"a=b&c=\n", {"a": "b", "c": ""}),
        ("application/x-yaml", b"a: !!python/object/apply:os.system [id]", {"a": ["id"]}),
        ("application/json", b"  ", None),
        ("", b"", None),
    ],
)
def test_bodies(kind: str, body: bytes, document: Any) -> None:
    assert parse_body(kind, body) == document


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b'{"a":'),
        ("application/json", b"[" * 100_000),
        ("application/json", b"\xff"),
        ("application/json", b"null"),
        ("application/x-yaml", b"a: [1"),
        ("application/x-yaml", b"\0"),
        ("application/x-yaml", b"[" * 50_000),
        ("application/x-yaml", BOMB),
        ("application/x-yaml", rb'a: "\ud800"'),
        ("application/x-yaml", b"a: &one [1]\nb: *one\n"),
        ("application/json", b"[" * 900 + b'"\\ud800"' + b"]" * 900),
        ("application/x-www-form-urlencoded", b"a=%zz"),
        ("application/x-www-form-urlencoded", b"\xff=1"),
        ("text/plain", b"{}"),
        ("", b"{}"),
    ],
)
def test_bodies_that_cannot_be_read(kind: str, body: bytes) -> None:
    with pytest.raises(Unreadable):
        parse_body(kind, body)


@settings(max_examples=300, deadline=None)
@given(
    data=st.binary(max_size=200) | st.text("[]{}:,\"'&*!a1- \n#%|>?=", max_size=60).map(str.encode),
    kind=st.sampled_from(["application/json", "application/yaml", "application/x-www-form-urlencoded"]),
    word=st.text(max_size=60),
)
def test_nonsense(data: bytes, kind: str, word: str) -> None:
    """Whatever is sent, the reader has a document or says that there is none."""
    with contextlib.suppress(Unreadable):
        parse_body(kind, data)
    path, query = split_target(data)
    with contextlib.suppress(Unreadable):
        segments(path)
    with contextlib.suppress(Unreadable):
        pairs(query)
    accepted(word)
    compressed(word)


@settings(max_examples=200, deadline=None)
@given(document=JSON, cuts=st.lists(st.integers(0, 4000), max_size=6))
def test_compact(document: Any, cuts: list[int]) -> None:
    written = json_text.write({"x": document}).encode()
    small = squeeze(written)
    assert json.loads(small) == json.loads(written)
    assert b"\n" not in small
    edges = sorted({0, len(written), *(cut % (len(written) + 1) for cut in cuts)})

    async def whole() -> bytes:
        async def pieces() -> Any:
            for start, end in itertools.pairwise(edges):
                yield written[start:end]

        return b"".join([piece async for piece in squeezed(pieces())])

    assert asyncio.run(whole()) == small


def test_routes() -> None:
    routes: Routes[str] = Routes()
    for method, path in (("POST", "/job/submit"), ("GET", "/job/{id}"), ("GET", "/jobs/"), ("GET", "/a/{b}/c/{d}")):
        routes.add(method, path, f"{method} {path}")
    assert routes.find("GET", ["job", "submit"]) == ("GET /job/{id}", {"id": "submit"})
    assert routes.find("POST", ["job", "submit"]) == ("POST /job/submit", {})
    assert routes.find("POST", ["job", "5"]) is None
    assert routes.find("GET", ["a", "1", "c", "2"]) == ("GET /a/{b}/c/{d}", {"b": "1", "d": "2"})
    for parts in ([], ["a"], ["a", "1", "c"], ["job", "5", "6"], ["nosuch"]):
        assert routes.find("GET", parts) is None
        assert not routes.known(parts)
    assert routes.known(["job", "5"])


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
