"""The C library's own regular expressions are the model."""

from __future__ import annotations

import ctypes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmpy.conf import posix_regex

_libc = ctypes.CDLL(None)
REG_EXTENDED, REG_NOSUB = 1, 8


def by_the_c_library(expression: str, texts: list[str]) -> list[bool] | None:
    """Whether each text matches; None where the expression is refused."""
    place = ctypes.create_string_buffer(256)  # a regex_t, and room
    if _libc.regcomp(place, expression.encode(), REG_EXTENDED | REG_NOSUB):
        return None
    try:
        return [_libc.regexec(place, text.encode(), 0, None, 0) == 0 for text in texts]
    finally:
        _libc.regfree(place)


CLASSES = ["alpha", "digit", "alnum", "upper", "lower", "space", "blank", "punct", "print", "graph", "cntrl", "xdigit"]


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_has_the_c_librarys_characters(name):
    texts = [chr(code) for code in range(1, 127)]
    compiled = posix_regex.compile(f"^[[:{name}:]]$")
    assert [compiled.search(text) is not None for text in texts] == by_the_c_library(f"^[[:{name}:]]$", texts)


def test_what_python_would_read_otherwise():
    def found(expression: str, text: str) -> bool:
        mine = posix_regex.compile(expression).search(text) is not None
        assert [mine] == by_the_c_library(expression, [text]), (expression, text)
        return mine

    assert found("^A=.*secret", "A=first\nsecret")
    assert not found("first$", "first\n")
    assert found(r"[\w]", "\\")
    assert not found(r"^[\d]$", "7")
    assert found("[]x]", "]")
    assert found("[^]x]", "a")
    assert found("a**b", "aab")
    assert found(r"(a)\1", "aa")
    assert found("[[.-.]]", "-")
    assert found("^(SLURM_CONF|SLURM_CONF_SERVER)=", "SLURM_CONF=/etc")
    assert not found("^(SLURM_CONF|SLURM_CONF_SERVER)=", "SLURM_CONFX=/etc")
    assert found("[[:alpha:]_]+[0-9]{2,3}", "ab12")


@pytest.mark.parametrize(
    "text", ["(", "a)", "[a", "[[:foo:]]", "[b-a]", "a{2", "a{3,2}", "a{99999}", "*a", "(?:a)", "\\"]
)
def test_what_is_refused(text):
    with pytest.raises(ValueError, match=r"[a-z]"):
        posix_regex.compile(text)


PIECES = st.sampled_from(
    ["a", "b", "1", " ", "-", "=", ".", "^", "$", "|", "(", ")", "*", "+", "?", "{1}", "{1,2}", "{,2}", "{2,}", "[ab]",
     "[^a]", "[]a]", "[a-b]", "[[:alpha:]]", "[^[:digit:]b]", "[\\]", "[&&~~a]", "\\.", "\\(", "\\w"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=7).map("".join), st.lists(st.text("ab1-=. \n(\\&]", max_size=5), max_size=8))
def test_any_expression(expression, texts):
    try:
        compiled = posix_regex.compile(expression)
    except ValueError:
        return
    mine = [compiled.search(text) is not None for text in texts]
    theirs = by_the_c_library(expression, texts)
    assert theirs is not None
    assert mine == theirs


@given(st.text(max_size=30))
def test_any_text_compiles_or_is_refused(text):
    try:
        posix_regex.compile(text)
    except ValueError:
        pass
