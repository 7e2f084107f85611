"""The column engine: format texts, widths, truncation, and what it asks for."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmpy.format import registry, table
from slurmpy.format.table import Column, Context

VIEW = registry.View(
    "test",
    (
        Column("JobID", "JOBID", "job_id", letter="i", width=-12),
        Column("Name", "NAME", "name", lambda context, value: value or "(null)", letter="j"),
        Column("Time", "TIME", "start end", lambda context, start, end: str(end - start), letter="M", uncut=True),
        Column("Partition", "PARTITION", "partition", letter="P", tail="*"),
        Column("Now", "NOW", "", lambda context: str(context.now), letter="n"),
        Column("Extra", "EXTRA", "extra"),
    ),
)
COLUMNS = ("job_id", "name", "start", "end", "partition", "extra")
ROWS = [(1, "one", 10, 15, "debug*", "x"), (22, "", 0, 123456, "a", "y")]


def letters(text: str, rows: list[tuple[object, ...]] = ROWS) -> tuple[list[str], list[str]]:
    """Lines (header first) and complaints."""
    complaints: list[str] = []
    layout = table.parse_letters(text, VIEW, complaints.append)
    out = layout.header() + b"".join(layout.rows(COLUMNS, rows, Context(now=7)))
    return out.decode().split("\n")[:-1], complaints


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("%i", ["JOBID", "1", "22"]),
        ("%4i|%.4i|%2i|", ["JOBI|JOBI|JO|", "1   |   1|1 |", "22  |  22|22|"]),
        ("a%i%%b", ["aJOBID%b", "a1%b", "a22%b"]),
        ("%.3M", ["TIM", "  5", "123456"]),
        ("%3M", ["TIM", "5  ", "123"]),
        ("%4j|%.4j|%j", ["NAME|NAME|NAME", "one | one|one", "    |(nul|(null)"]),
        ("%5P|%.5P|", ["PARTI|PARTI|", "debu*|debu*|", "a    |    a|"]),
        ("%n", ["NOW", "7", "7"]),
        ("", ["", "", ""]),
        ("plain", ["plain", "plain", "plain"]),
        ("%all", ["JOBID|NAME|NOW|TIME|PARTITION", "1|one|7|5|debug*", "22|(null)|7|123456|a"]),
    ],
)  # fmt: skip
def test_letters(text: str, lines: list[str]) -> None:
    found, _ = letters(text)
    if text == "%all":
        assert sorted(found[0].split("|")) == sorted(lines[0].split("|"))
        assert [sorted(line.split("|")) for line in found[1:]] == [sorted(line.split("|")) for line in lines[1:]]
    else:
        assert found == lines


def test_unknown_letter_stands_for_itself() -> None:
    found, complaints = letters("%i %-5q|")
    assert found == ["JOBID %-5q|", "1 %-5q|", "22 %-5q|"]
    assert complaints == ["Invalid job format specification: -"]


def names(text: str) -> tuple[list[str], list[str]]:
    complaints: list[str] = []
    layout = table.parse_names(text, VIEW, complaints.append)
    out = layout.header() + b"".join(layout.rows(COLUMNS, ROWS, Context()))
    return out.decode().split("\n")[:-1], complaints


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("jobid", "1           "[:12]),
        ("JOBID:4,name:.5", "1     one"),
        ("jobid:x|,name:", "1x|one"),
        ("jobid: 3,name:-8+", "1  one +"),
    ],
)
def test_names(text: str, first: str) -> None:
    found, complaints = names(text)
    assert found[1].startswith(first)
    assert not complaints


def test_unknown_name() -> None:
    found, complaints = names("jobid:3,nosuch:5, name")
    assert found[1:] == ["1  ", "22 "]
    assert complaints == ["Invalid job format specification: nosuch", "Invalid job format specification:  name"]


def fields(text: str, delimiter: str | None = None, trailing: bool = False) -> list[str]:
    unknown: list[str] = []
    layout = table.parse_fields(text, VIEW, unknown.append, delimiter, trailing)
    assert not unknown
    out = layout.header() + layout.ruler() + b"".join(layout.rows(COLUMNS, ROWS, Context()))
    return out.decode().split("\n")[:-1]


def test_fields() -> None:
    assert fields("jobid,time%4,part%-3") == [
        "JobID        Time Par ".replace("JobID", "JOBID").replace("Time", "TIME").replace("Par", "PA+"),
        "------------ ---- --- ",
        "1               5 de* ",
        "22           123+ a   ",
    ]
    assert fields("jobid,name", "|")[2:] == ["1|one", "22|(null)"]
    assert fields("jobid,name", "|", True)[2:] == ["1|one|", "22|(null)|"]


def test_asks_only_for_what_it_shows() -> None:
    layout = table.parse_letters("%i %M %i", VIEW, print)
    assert layout.fields == ("job_id", "start", "end")
    assert layout.uses("Time")
    assert not layout.uses("Name")


texts = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\n"), max_size=12)


@given(st.lists(texts, min_size=1, max_size=5), st.integers(1, 15), st.booleans())
def test_widths_count_bytes(values: list[str], width: int, right: bool) -> None:
    """A cell of a width has exactly so many bytes, and is cut behind the bytes that fit."""
    spec = f"%{'.' if right else ''}{width}x"
    view = registry.View("t", [Column("X", "X", "x", letter="x")])
    layout = table.parse_letters(spec, view, print)
    lines = b"".join(layout.rows(("x",), [(value,) for value in values], Context()))[:-1].split(b"\n")
    assert [len(line) for line in lines] == [width] * len(values)
    for value, line in zip(values, lines, strict=True):
        whole = value.encode()
        assert line == (whole[:width].rjust(width) if right else whole[:width].ljust(width))


@given(st.text(string.printable, max_size=40))
def test_any_letters_text_is_read(text: str) -> None:
    found = table.parse_letters(text, VIEW, lambda message: None)
    assert found.header().endswith(b"\n")


@given(st.text(string.printable, max_size=40))
def test_any_names_text_is_read(text: str) -> None:
    found = table.parse_names(text, VIEW, lambda message: None)
    assert found.header().endswith(b"\n")


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=300))
def test_equal_values_look_equal(pairs: list[tuple[int, int]]) -> None:
    """Whether values are looked up or formatted one by one makes no difference."""
    view = registry.View("t", [Column("X", "X", "a b", lambda context, a, b: f"{a}-{b}", letter="x")])
    layout = table.parse_letters("%x", view, print)
    assert b"".join(layout.rows(("a", "b"), pairs, Context())).decode() == "".join(f"{a}-{b}\n" for a, b in pairs)
