"""sshare's and sprio's tables where the golden captures have nothing to say."""

from __future__ import annotations

from slurmpy.format import sprio, sshare
from slurmpy.format.table import Context


def row(**more: object) -> dict[str, object]:
    return {"account": "chem", "user": "", "shares_norm": 0.5, **more}


def test_minutes_of_tres_are_whole_and_name_every_tres() -> None:
    used = row(tres_run_secs={"cpu": 3599, "gres/gpu": 60}, tres_usage={"cpu": 120})
    (made,) = sshare.complete([used], "ref", ("cpu", "mem", "gres/gpu"))
    assert made["tres_run_mins"] == "cpu=59,mem=0,gres/gpu=1"
    assert made["grp_tres_raw"] == "cpu=2,mem=0,gres/gpu=0"
    # slurmdbd does not answer: what has been used is told all the same
    (made,) = sshare.complete([used], "ref", ())
    assert made["tres_run_mins"] == "cpu=59,gres/gpu=1"
    (made,) = sshare.complete([used], "ref")
    assert made["tres_run_mins"] == ""


def test_who_was_added_a_moment_ago_has_no_fair_share_yet() -> None:
    context = Context()
    assert sshare._fair_share(context, None, "anna") == "0.000000"
    assert sshare._fair_share(context, 0.25, "anna") == "0.250000"
    assert sshare._fair_share(context, None, "") == ""
    assert sshare._level(context, None, 1, 1) == "0.000000"
    assert sshare._level(context, None, 1, 0) == ""
    assert sshare._level(context, float("inf"), 1, 2) == "inf"


def test_the_letters_of_sprio_as_slurm_lists_them() -> None:
    lines = sprio.help_text().splitlines()
    assert lines[0] == "%a    %A    %b    %B    %c    %f    %F    %i    "
    assert lines[2] == "%S    %q    %Q    %u    %y    %Y    %t    %T    "
    assert sorted("".join(lines).split()) == sorted(f"%{column.letter}" for column in sprio.COLUMNS)
