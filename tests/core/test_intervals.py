import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmpy.core import intervals
from slurmpy.core.intervals import IntervalSet


@pytest.mark.parametrize(
    ("text", "shown", "limit"),
    [
        ("0-3,7,9-15:2%3", "0-3,7,9,11,13,15", 3),
        ("1-10:3", "1,4,7,10", 0),
        ("3,1,2", "1-3", 0),
        ("1,1,2", "1-2", 0),
        ("0-99:7", "0-98:7", 0),
        ("0-100000:1000", "0-100000:1000", 0),
        ("1,5,9,13,17", "1,5,9,13,17", 0),
        ("1,5,9,13,17,21", "1-21:4", 0),
        ("1-5:9", "1", 0),
        ("1-3,", "1-3", 0),
        ("[1-3]%", "1-3", 0),
        ("%2", "0", 2),
        ("1-3%5x", "1-3", 5),
        ("0-10:2,1-11:2", "0-11", 0),
    ],
)
def test_arrays(text, shown, limit):
    tasks, most = intervals.parse_array(text)
    assert (tasks.format(), most) == (shown, limit)


@pytest.mark.parametrize("text", ["3-1", "1-5:0", "a", "1-a", "1--3", "-1", "1;2"])
def test_bad_arrays(text):
    with pytest.raises(ValueError, match="not a"):
        intervals.parse_array(text)


def test_long_texts_are_cut():
    whole = "1,13,15,100-200,300,4000"
    tasks = IntervalSet.parse(whole)
    assert [tasks.format(n) for n in (3, 5, 9, 26, 0)] == ["..", "1...", "1,13,...", whole, whole]
    assert tasks.format(22) == "1,13,15,100-200,30..."
    assert intervals.format_array(whole, 5, 16) == "1,13,15,100-...%5"
    assert intervals.text_length(None) == 64
    assert intervals.text_length("9999") == 4096


NUMBERS = st.sets(st.integers(0, 60))


@given(NUMBERS)
def test_the_text_reads_back(numbers):
    if numbers:
        assert set(IntervalSet.parse(IntervalSet(numbers).format())) == numbers


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 20), st.integers(1, 9)), min_size=1), st.data())
def test_like_a_set(ranges, data):
    tasks = IntervalSet.parse(",".join(f"{a}-{a + n}:{s}" for a, n, s in ranges))
    model = {number for a, n, s in ranges for number in range(a, a + n + 1, s)}
    for number, add in data.draw(st.lists(st.tuples(st.integers(0, 65), st.booleans()), max_size=20)):
        if add:
            tasks.add(number)
            model.add(number)
        else:
            assert tasks.discard(number) == (number in model)
            model.discard(number)
        assert list(tasks) == sorted(model)
        assert len(tasks) == len(model)
        assert all((number in tasks) == (number in model) for number in range(66))
    if model:
        assert (tasks.first(), tasks.last()) == (min(model), max(model))
        assert tasks.pop() == min(model)
        assert list(tasks) == sorted(model)[1:]


def test_a_hundred_thousand_cost_nothing():
    tasks = IntervalSet.parse("0-99999")
    assert len(tasks) == 100_000
    for number in range(1000):
        assert tasks.pop() == number
    assert len(tasks._ranges) == 1
