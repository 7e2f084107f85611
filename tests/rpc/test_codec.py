"""Frames as bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slurmpy.rpc import codec


@given(st.integers(0, (1 << 63) - 1), st.binary(max_size=300))
def test_a_part_of_bytes_is_a_frame_like_any_other(number: int, data: bytes) -> None:
    sent = codec.head_of_part(number, len(data)) + data
    assert codec.LENGTH.unpack_from(sent)[0] == len(sent) - 4
    assert codec.unpack(memoryview(sent)[4:]) == (codec.PART, number, data)
