"""What slurmd must not begin any more is remembered, the newest longest."""

from hypothesis import given
from hypothesis import strategies as st

from slurmpy.node import refusals
from slurmpy.node.refusals import Refusals


def test_steps_and_lives_are_kept_apart():
    refused = Refusals()
    refused.step(7, 2)
    refused.life(9, 0)
    assert refused.has(7, 2, 5), "whatever life asks for it"
    assert not refused.has(7, 0, 2)
    assert refused.has(9, 33, 0), "whatever step it is"
    assert not refused.has(9, 0, 1), "a job that was requeued has a new life"


@given(st.lists(st.integers(0, 6), max_size=40))
def test_the_newest_are_kept(numbers):
    most, refusals.MOST = refusals.MOST, 3
    try:
        refused = Refusals()
        for number in numbers:
            refused.life(number, 0)
        newest = list(dict.fromkeys(reversed(numbers)))[:3]
        assert {number for number in range(7) if refused.has(number, 0, 0)} == set(newest)
    finally:
        refusals.MOST = most
