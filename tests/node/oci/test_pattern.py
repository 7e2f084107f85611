"""OCI patterns: against a naive model, and against the shell itself."""

from __future__ import annotations

import re
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmpy.conf.oci_conf import REPLACEMENTS
from slurmpy.node.oci import pattern

VALUES = {letter: f"<{letter}%{letter}>" for letter in REPLACEMENTS[1:]}


def naive(text: str) -> str:
    return re.sub(r"%(.)", lambda found: "%" if found[1] == "%" else VALUES.get(found[1], found[0]), text, flags=re.S)


@given(st.text("%@bejmnprstuUxX \n'", max_size=20))
def test_expand_against_a_model(text):
    assert pattern.expand(text, VALUES) == naive(text)


@given(st.text(max_size=20))
def test_what_was_put_in_is_not_expanded_again(text):
    assert pattern.expand("a%@b", {"@": text}) == f"a{text}b"


WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)


def shell_words(text: str) -> list[str]:
    """The words that /bin/sh makes of `text`."""
    done = subprocess.run(["/bin/sh", "-c", f"printf '%s\\0' x {text}"], capture_output=True, cwd="/", check=True)
    return done.stdout.decode("utf-8", "surrogateescape").split("\0")[1:-1]


@settings(max_examples=50)
@given(st.lists(WORDS, max_size=5))
def test_arguments_go_through_the_shell(arguments):
    assert shell_words(pattern.quoted(arguments)) == arguments


@settings(max_examples=50)
@given(st.lists(WORDS, max_size=5))
def test_arguments_need_no_shell(arguments):
    """A runtime that is given %@ is executed itself: it has our signals."""
    assert pattern.command(f"runc run {pattern.quoted(arguments)}") == ["runc", "run", *arguments]


@settings(max_examples=150)
@given(st.lists(st.sampled_from(
    ["a", "b", " ", "\t", "'", '"', "\\", "$x", "''", "'q r'", '"d e"', "=", "-", "\r", "*", "~", "#", "\\'", "%", "{"]
), max_size=8).map("".join))  # fmt: skip
def test_a_command_has_the_shells_words(rest):
    words = pattern.command(f"program {rest}")
    if words[:2] != ["/bin/sh", "-c"]:
        assert words[0].startswith("program")
        assert shell_words(f"program {rest}") == words
    else:
        assert words[2:] == [f"program {rest}"]


@pytest.mark.parametrize("text", [
    "a | b", "a; b", "A=1 b", "'A=1' b", "a > b", "$HOME/a", "`a`", "a 'b", 'a "b', "~/a", "(a)", "{ a; }", "a\nb", "",
    "a *", 'a "$b"', "a\\ b",
])  # fmt: skip
def test_what_is_the_shells(text):
    assert pattern.command(text) == ["/bin/sh", "-c", text]
