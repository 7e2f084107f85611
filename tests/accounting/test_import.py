"""slurmpy import-slurmdbd: what sacctmgr dump and sacct printed of one cluster, taken over by another slurmdbd."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slurmpy.cli import import_slurmdbd, sacct, sacctmgr
from slurmpy.cli.errors import Stop

from .dbd import Slurmdbd, running, start_and_end

FORMAT = (
    "JobID,JobIDRaw,JobName,Account,User,UID,GID,Partition,QOS,State,ExitCode,DerivedExitCode,Submit,Eligible,Start,End,"
    "Elapsed,Suspended,Timelimit,NNodes,NCPUS,AllocTRES,ReqTRES,NodeList,Comment,WCKey,WorkDir,UserCPU,SystemCPU,TotalCPU"
)


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Slurmdbd, Path, Path]]:
    """A slurmdbd with accounts and jobs of several kinds, and what the commands print of them."""
    place = tmp_path_factory.mktemp("real")
    with running(place) as daemon:
        daemon.register()
        for words in (
            "-i add account physics description=d organization=o",
            "-i add account phys_a parent=physics fairshare=7 grptres=cpu=9",
            "-i add qos high priority=5",
            "-i add user anna account=phys_a maxjobs=3 qos=high,normal",
            "-i add coordinator account=physics names=anna",
        ):
            assert daemon.run(sacctmgr, words.split())[0] == 0, words
        items: list[Any] = []
        for number in range(1, 6):
            items += start_and_end(number, user_name="anna", account="phys_a", comment=f"it's a 'job' {number}")
        items += start_and_end(8, array_job_id=7, array_task_id=3)
        daemon.call("records", cluster="ref", first_seq=1, items=tuple(items))
        dump, jobs = place / "ref.cfg", place / "sacct.txt"
        assert daemon.run(sacctmgr, ["dump", "ref", f"file={dump}"])[0] == 0
        code, out, err = daemon.run(sacct, ["-a", "-D", "-P", "-S", "2020-01-01", "--format=ALL"])
        assert (code, err) == (0, "")
        jobs.write_text(out)
        yield daemon, dump, jobs


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Slurmdbd]:
    with running(tmp_path) as daemon:
        daemon.register()
        yield daemon


def imported(daemon: Slurmdbd, *paths: Path, **options: Any) -> list[str]:
    said: list[str] = []
    import_slurmdbd.run([str(path) for path in paths], daemon.cluster, write=said.append, **options)
    return said


def printed(daemon: Slurmdbd) -> str:
    return daemon.run(sacct, ["-a", "-D", "-P", "-S", "2020-01-01", f"--format={FORMAT}"])[1]


def associations(daemon: Slurmdbd) -> str:
    words = "-nP show assoc tree format=cluster,account,user,partition,share,grptres,maxjobs,qos"
    return daemon.run(sacctmgr, words.split())[1]


def test_the_other_slurmdbd_tells_the_same(books: tuple[Slurmdbd, Path, Path], other: Slurmdbd) -> None:
    first, dump, jobs = books
    said = imported(other, jobs, dump)  # in whatever order they are given
    assert said[1] == f"{jobs}: 6 jobs (6 new), 6 steps (6 new)"
    assert printed(other) == printed(first)
    assert printed(first).count("\n") == 13
    assert associations(other) == associations(first)
    assert "anna" in associations(first)
    coordinators = "-nP show account physics withcoord format=account,coordinators"
    assert other.run(sacctmgr, coordinators.split())[1] == "physics|anna\n"


def test_once_more_changes_nothing(books: tuple[Slurmdbd, Path, Path], other: Slurmdbd) -> None:
    _, dump, jobs = books
    imported(other, dump, jobs)
    before = printed(other), associations(other)
    assert imported(other, dump, jobs) == [
        f"{dump}: cluster ref: nothing new",
        f"{jobs}: 6 jobs (0 new), 6 steps (0 new)",
    ]
    assert (printed(other), associations(other)) == before


def test_a_dry_run_changes_nothing(books: tuple[Slurmdbd, Path, Path], other: Slurmdbd) -> None:
    _, dump, jobs = books
    before = printed(other), associations(other)
    said = imported(other, dump, jobs, dry_run=True)
    assert "would be added" in said[0]
    assert said[1] == f"{jobs}: 6 jobs and 6 steps would be sent"
    assert (printed(other), associations(other)) == before


def test_another_name(books: tuple[Slurmdbd, Path, Path], other: Slurmdbd) -> None:
    _, dump, jobs = books
    imported(other, dump, jobs, name="old")
    assert printed(other).count("\n") == 1  # the header: nothing of this cluster
    out = other.run(sacct, ["-M", "old", "-a", "-X", "-n", "-P", "-S", "2020-01-01", "--format=JobID,Account"])[1]
    assert sorted(out.split()) == [*(f"{number}|phys_a" for number in range(1, 6)), "7_3|root"]


@pytest.mark.parametrize("column", ["State", "Submit", "Start", "ExitCode", "JobIDRaw", "AllocTRES"])
def test_a_bad_line_is_told_and_nothing_is_imported(
    column: str, books: tuple[Slurmdbd, Path, Path], other: Slurmdbd, tmp_path: Path
) -> None:
    _, _, jobs = books
    lines = jobs.read_text().splitlines()
    at = lines[0].split("|").index(column)
    cells = lines[3].split("|")
    cells[at] = "'; DROP TABLE jobs; --"
    lines[3] = "|".join(cells)
    bad = tmp_path / "bad.txt"
    bad.write_text("\n".join(lines) + "\n")
    with pytest.raises(Stop) as stop:
        imported(other, bad)
    assert stop.value.code == 1
    assert f"slurmpy: error: {bad}: line 4: " in stop.value.err
    assert "nothing of it was imported" in stop.value.err
    assert printed(other).count("\n") == 1


@pytest.mark.parametrize("text", ["", "\n", "a|b|c\n1|2|3\n", "# nothing\n", "Cluster - x\nUser - \n", "\x00\xff|\n"])
def test_files_of_something_else(text: str, other: Slurmdbd, tmp_path: Path) -> None:
    path = tmp_path / "odd"
    path.write_text(text)
    before = associations(other)
    with pytest.raises(Stop) as stop:
        imported(other, path)
    assert stop.value.code == 1
    assert str(path) in stop.value.err
    assert associations(other) == before


def test_a_file_that_is_not_there(other: Slurmdbd, tmp_path: Path) -> None:
    with pytest.raises(Stop) as stop:
        imported(other, tmp_path / "none")
    assert stop.value.err == f"slurmpy: error: {tmp_path}/none: No such file or directory\n"
