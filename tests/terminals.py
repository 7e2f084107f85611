"""What was written to a pseudo terminal."""

from __future__ import annotations

from slurmpy.node.streams import read_piece


def read_to_end(leader: int) -> bytes:
    """All that is written there until its last user has gone."""
    said = b""
    while piece := read_piece(leader):
        said += piece
    return said
