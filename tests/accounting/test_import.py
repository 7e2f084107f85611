"""slurmpy import-slurmdbd: what sacctmgr dump and sacct printed of one cluster, taken over by another slurmdbd."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slurmpy.cli import import_sacct, import_slurmdbd, sacct, sacctmgr
from slurmpy.cli.errors import Stop
from tests.terminals import read_to_end

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


# ---- cut off


def many(path: Path, copies: int) -> int:
    """Makes a text of sacct's with more jobs out of one with a job and its step; returns the number of jobs."""
    head, job, step = path.read_text().splitlines()[:3]
    at = head.split("|").index("JobIDRaw"), head.split("|").index("JobID")
    lines = [head]
    for number in range(1, copies + 1):
        for text, below in ((job, ""), (step, ".batch")):
            cells = text.split("|")
            for column in at:
                cells[column] = f"{number}{below}"
            lines.append("|".join(cells))
    path.write_text("\n".join(lines) + "\n")
    return copies


KILLED = """
import os, signal, sys
from slurmpy.cli import import_slurmdbd
from slurmpy.conf import slurm_conf
from slurmpy.rpc.cluster import Cluster
cluster = Cluster(slurm_conf.load(os.environ["SLURM_CONF"]), "test")
call, left = cluster.slurmdbd.call, [int(sys.argv[2])]
def counted(method, *args):
    answer = call(method, *args)
    left[0] -= method == "import_jobs"
    if not left[0]:
        os.kill(int(sys.argv[3]) or os.getpid(), signal.SIGKILL)
    return answer
cluster.slurmdbd.call = counted
import_slurmdbd.PORTION = 20
try:
    import_slurmdbd.run([sys.argv[1]], cluster)
except import_slurmdbd.Stop as stop:
    sys.stderr.write(stop.err)
"""


@pytest.mark.parametrize("whose", ["import-slurmdbd", "slurmdbd"])
def test_cut_off_and_run_again(whose: str, books: tuple[Slurmdbd, Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "sacct.txt"
    path.write_text(books[2].read_text())
    count = many(path, 100)
    (tmp_path / "books").mkdir()
    with running(tmp_path / "books") as daemon:
        daemon.register()
        process = daemon.process
        assert process is not None
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(path), "3", str(process.pid if whose == "slurmdbd" else 0)],
            env=daemon.environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        if whose == "slurmdbd":
            assert "what was sent before stays, run it again to go on" in done.stderr
            daemon.kill()
            daemon.start()
        else:
            assert done.returncode == -signal.SIGKILL
        sent = len(printed(daemon).splitlines()) - 1
        assert 60 <= sent < 2 * count
        said = imported(daemon, path)
        assert said == [f"{path}: {count} jobs ({count - sent // 2} new), {count} steps ({count - sent // 2} new)"]
        ids = [text.split("|")[1] for text in printed(daemon).splitlines()[1:]]
        assert sorted(ids) == sorted(f"{number}{below}" for number in range(1, count + 1) for below in ("", ".batch"))


def test_a_bar_on_a_terminal_only(books: tuple[Slurmdbd, Path, Path], other: Slurmdbd, tmp_path: Path) -> None:
    code = "import sys; from slurmpy.cli.slurmpy import main; sys.exit(main())"
    words = [sys.executable, "-c", code, "import-slurmdbd", "--dry-run", str(books[2])]
    plain = subprocess.run(words, env=other.environment, capture_output=True, timeout=60, check=True)
    assert plain.stderr == b""
    here, there = os.openpty()
    shown = subprocess.run(words, env={**other.environment, "TERM": "xterm"}, stdout=subprocess.PIPE, stderr=there,
                           timeout=60, check=True)  # fmt: skip
    os.close(there)
    text = read_to_end(here)
    os.close(here)
    assert b"reading" in text
    assert b"100%" in text
    assert shown.stdout == plain.stdout


def test_memory_does_not_grow_with_the_file(books: tuple[Slurmdbd, Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "sacct.txt"
    peaks = []
    for count in (600, 3000):
        path.write_text(books[2].read_text())
        many(path, count)
        file = import_slurmdbd.File(str(path))
        tracemalloc.start()
        portions = import_slurmdbd._portions(file, "", "|", import_slurmdbd.Bar("", 0))
        assert sum(len(items) for _, items in portions) == 2 * count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.1


@pytest.mark.parametrize(("elapsed", "fits"), [("00:00:10", True), ("00:30:10", True), ("00:00:11", False)])
def test_elapsed_is_held_against_start_and_end(elapsed: str, fits: bool) -> None:
    head = "JobID|JobIDRaw|User|UID|Submit|Eligible|Start|End|State|Cluster|Elapsed|Suspended"
    start = "|".join(f"2026-01-01T00:00:{second}" for second in ("00", "00", "01", "16"))
    (found,) = import_sacct.read([head + "\n", f"1|1|u|0|{start}|COMPLETED|ref|{elapsed}|00:00:05\n"])
    assert isinstance(found, import_sacct.BadRow) != fits
    assert fits or str(found) == "Elapsed: 00:00:11 is not the time from Start to End without Suspended"


def test_hostile_texts_do_not_break_out_of_a_dump(other: Slurmdbd, tmp_path: Path) -> None:
    bad = "x':GrpJobs=1:Organization='y\nUser - 'eve':AdminLevel='Administrator'"
    other.call("add_accounts", names=("plain",), description=bad, organization="o", clusters=(), commit=True)
    assert other.run(sacctmgr, ["-i", "add", "account", "o'ha", "description='it's \"so\"'", "organization=o"])[0] == 0
    assert other.run(sacctmgr, ["-nP", "show", "account", "o'ha", "format=account,descr"])[1] == "o`ha|it`s `so`\n"
    dump = tmp_path / "ref.cfg"
    assert other.run(sacctmgr, ["dump", "ref", f"file={dump}"])[0] == 0
    lines = [line for line in dump.read_text().splitlines() if not line.startswith("#")]
    assert {line.partition(" ")[0] for line in lines} == {"Cluster", "Parent", "User", "Account"}
    assert not any(line.startswith("User - 'eve'") for line in lines)
    (tmp_path / "again").mkdir()
    with running(tmp_path / "again") as daemon:
        imported(daemon, dump)
        rows = {name: (told, limit) for name, told, limit in (
            line.split("|") for line in daemon.run(
                sacctmgr, ["-nP", "show", "account", "withassoc", "format=account,descr,grpjobs"]
            )[1].splitlines())}  # fmt: skip
        assert rows["o`ha"] == ("it`s `so`", "")
        assert rows["plain"] == (bad.replace("'", "`").replace("\n", " "), "")
        assert daemon.run(sacctmgr, ["-nP", "show", "user", "eve"])[1] == ""


def test_a_file_that_cannot_be_loaded_changes_nothing(other: Slurmdbd, tmp_path: Path) -> None:
    path = tmp_path / "new.cfg"
    path.write_text(
        "Cluster - 'new'\nParent - 'root'\nAccount - 'one':Description='d':Organization='o'\nParent - 'one'\n"
        "User - 'anna'\nParent - 'nosuch'\nAccount - 'two':Description='d':Organization='o'\n"
    )
    code, _, err = other.run(sacctmgr, ["-i", "load", f"file={path}"])
    assert code == 1
    assert "nosuch" in err
    assert other.run(sacctmgr, ["-nP", "show", "cluster", "format=cluster"])[1] == "ref\n"
    assert other.run(sacctmgr, ["-nP", "show", "account", "one"])[1] == ""
    path.write_text(path.read_text().partition("Parent - 'nosuch'")[0])
    code, out, err = other.run(sacctmgr, ["-i", "load", f"file={path}"])
    assert (code, err) == (0, "")
    assert "U = anna" in out
    again = other.run(sacctmgr, ["-i", "load", f"file={path}"])
    assert again == (0, "For cluster new\n Nothing new added.\n", "")
