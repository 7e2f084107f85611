"""The quick way from a TRES text to JSON writes what the slow way through a document does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slurmpy.data_parser import json_text, tres
from slurmpy.data_parser.compiler import Compiler

NAMES = st.sampled_from(("cpu", "mem", "energy", "gres/gpu", "gres/gpu:a100", "bb/x/y", 'odd"name', "")) | st.text(
    st.characters(exclude_characters=",="), max_size=6
)
COUNTS = st.integers(0, 2**64).map(str) | st.text(st.characters(exclude_characters=","), max_size=4)
TEXTS = st.lists(st.tuples(NAMES, COUNTS).map("=".join), max_size=4).map(",".join)


@given(TEXTS, st.sampled_from((0, 4, 10)))
def test_one_text(text: str, indent: int) -> None:
    write = Compiler().json_writer(tres.TRES_TEXT, indent)
    wanted = json_text.write(tres.TRES_TEXT.dump(text), indent)
    assert [write(text), write(text)] == [wanted, wanted]


@given(TEXTS, TEXTS, TEXTS, st.sampled_from((0, 4, 10)))
def test_three_texts(counts: str, nodes: str, tasks: str, indent: int) -> None:
    kind = tres.TresExtremes("extremes")
    value = (counts, nodes, tasks)
    assert Compiler().json_writer(kind, indent)(value) == json_text.write(kind.dump(value), indent)
