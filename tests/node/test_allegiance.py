"""The name of slurmctld's state, as a node keeps it."""

import os
from pathlib import Path

import pytest

from slurmpy.node.allegiance import Allegiance


def test_a_new_name_is_told_once(tmp_path: Path) -> None:
    one = Allegiance(str(tmp_path))
    assert not one.turns_to("a1"), "the first name is no change"
    assert not one.turns_to("a1")
    assert one.turns_to("b2")
    assert not one.turns_to("b2")
    assert Allegiance(str(tmp_path)).turns_to("b2"), "who comes after a kill in between begins again"
    one.note()
    assert not Allegiance(str(tmp_path)).turns_to("b2"), "who comes after knows it"
    assert Allegiance(str(tmp_path)).turns_to("c3")
    assert os.stat(tmp_path / "slurmctld").st_mode & 0o777 == 0o600


@pytest.mark.parametrize("told", [None, "", 7, b"a1", ()])
def test_who_tells_no_name_changes_nothing(tmp_path: Path, told: object) -> None:
    one = Allegiance(str(tmp_path))
    one.turns_to("a1")
    assert not one.turns_to(told)
    assert one.state == "a1"


def test_a_full_disk_is_no_reason_to_stop(tmp_path: Path) -> None:
    one = Allegiance(str(tmp_path / "missing"))
    assert not one.turns_to("a1")
    assert one.turns_to("b2")
