"""``sacctmgr archive`` as one types it: in Slurm's words, and there and back with nothing changed."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slurmpy.accounting import archive_files
from slurmpy.cli import sacct, sacctmgr

from .dbd import Slurmdbd, running, start_and_end
from .servers import DATABASES

DUMPED = "sacctmgr: accounting_storage/slurmdbd: jobacct_storage_p_archive: SUCCESS\n"
LOADED = "sacctmgr: accounting_storage/slurmdbd: jobacct_storage_p_archive_load: SUCCESS\n"
NOTHING_DUMPED = "sacctmgr: error: Error with request.\n Problem dumping archive: Unspecified error\n"
NOTHING_LOADED = "sacctmgr: error: Error with request.\n Problem loading archive file: Unspecified error\n"
NO_ENTITY = 'No valid entity in archive command\nInput line must include, "Dump", or "load"\n'


@pytest.fixture(scope="module", params=DATABASES)
def dbd(request: pytest.FixtureRequest) -> Iterator[Slurmdbd]:
    with tempfile.TemporaryDirectory(prefix="slurmdbd-") as place:
        os.chmod(place, 0o755)
        with running(Path(place), request.param) as daemon:
            daemon.register()
            yield daemon


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path


def archive(dbd: Slurmdbd, *words: str) -> tuple[int, str, str]:
    return dbd.run(sacctmgr, ["-i", "archive", *words])


def send(dbd: Slurmdbd, items: Any) -> None:
    dbd.call("records", cluster="ref", first_seq=1, items=tuple(items))


def printed(dbd: Slurmdbd) -> str:
    words = ["-a", "-D", "-P", "-S", "2000-01-01", "-E", "now", "-s", "CD", "--format=ALL"]
    code, out, err = dbd.run(sacct, words)
    assert (code, err) == (0, "")
    document = dbd.run(sacct, ["-a", "-D", "-S", "2000-01-01", "-E", "now", "-s", "CD", "--json"])[1]
    return out + json.dumps(json.loads(document)["jobs"], sort_keys=True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), NO_ENTITY),
        (("foo",), NO_ENTITY),
        (("dump", "foo=bar"), " Unknown condition: foo=bar\n"),
        (("dump", "d=/no"), " Unknown condition: d=/no\n"),
        (("dump", "purgejobenvafter=1hours"), " Unknown condition: purgejobenvafter=1hours\n"),
        (("dump", "jobs"), NOTHING_DUMPED),
        (("dump", "j"), NOTHING_DUMPED),
        (("dump", "foo", "purgejobafter=1000"), NOTHING_DUMPED),
        (("dump", "cluster=nope", "purgejobafter=1000"), NOTHING_DUMPED),
        (("dump", "purgejobafter=-1hours"), "sacctmgr: error: Invalid purge string '-1hours'\n"),
        (("dump", "purgejobafter="), "sacctmgr: error: Invalid purge string ''\n"),
        (
            ("dump", "purgejobafter=5weeks"),
            "sacctmgr: error: Invalid purge unit 'weeks', valid options are hours, days, or months\n",
        ),
        (
            ("dump", "dir=/no"),
            " dump: Failed to stat /no: No such file or directory\n"
            " Note: For archive dump, the directory must be on the calling host.\n",
        ),
        (("dump", "directory=/etc/passwd", "jobs"), " dump: archive dir /etc/passwd isn't a directory\n"),
        (
            ("dump", "script=/no"),
            " dump: Failed to stat /no: No such file or directory\n"
            " Note: For archive dump, the script must be on the calling host.\n",
        ),
        (("dump", "script=/tmp"), " dump: archive script /tmp isn't a regular file\n"),
        (("dump", "script=/etc/passwd"), " dump: archive script /etc/passwd is not executable\n"),
        (("load",), NOTHING_LOADED),
        (("load", "file="), NOTHING_LOADED),
        (("load", "foo=bar"), " Unknown option: foo=bar\n"),
        (
            ("load", "file=/nonexist"),
            "sacctmgr: error: No archive file given to recover.\n"
            " Problem loading archive file: No such file or directory\n"
            " Note: For archive load, the file must be accessible on the slurmdbd host.\n",
        ),
        (
            ("load", "file=/etc/passwd"),
            "sacctmgr: error: /etc/passwd: this is no archive file of slurmpy's slurmdbd\n"
            " Problem loading archive file: Unspecified error\n",
        ),
        (
            ("load", "/"),
            "sacctmgr: error: /: not a regular file\n Problem loading archive file: Unspecified error\n",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(dbd: Slurmdbd, words: tuple[str, ...], said: str) -> None:
    """As observed of 24.11.5, but for the reasons why a file is none."""
    assert archive(dbd, *words) == (1, "", said)


@pytest.mark.parametrize("words", [("dump",), ("d",), ("dum", "foo"), ("dump", "jo", "purgej=1000")])
def test_nothing_to_do(dbd: Slurmdbd, words: tuple[str, ...]) -> None:
    assert archive(dbd, *words) == (0, "", DUMPED)


def test_it_is_asked_first(dbd: Slurmdbd) -> None:
    code, out, err = dbd.run(sacctmgr, ["archive", "dump", "jobs", "purgejobafter=1000"], "n\n")
    assert (code, err) == (0, "")
    assert out == (
        "This may result in loss of accounting database records (if Purge* options enabled).\n"
        "Are you sure you want to continue? (You have 30 seconds to decide)\n(N/y): \n Changes Discarded\n"
    )
    read_only = dbd.run(sacctmgr, ["-r", "archive", "load", "file=/no"])
    assert read_only == (1, "", "Can't run this command in readonly mode.\n")


def test_there_and_back(dbd: Slurmdbd, place: Path) -> None:
    old = int(time.time()) - 50 * 86400
    texts = {"script": "#!/bin/sh\necho 'ä😀' \\\"\n", "environment": "A=1\nB='x'\n", "comment": "a|b\\n'\"%\n"}
    for number in range(1, 8):
        send(dbd, start_and_end(number, old + number, **texts))
    stretch = {"kind": "suspend", "job_id": 3, "submit_time": old + 3, "start": old + 5, "end": old + 8}
    send(dbd, (stretch,))
    running_job = start_and_end(50, old)[0]
    send(dbd, (running_job,))
    before = printed(dbd)
    words = (f"directory={place}", "jobs", "steps", "suspend", "purgejobafter=1days", "purgestepafter=1days")
    words = (*words, "purgesuspendafter=1days")
    assert archive(dbd, "dump", *words) == (0, "", DUMPED)
    left = dbd.rows("jobs", ("job_id",), {})
    assert left == [(50,)]
    files = {name.split("_")[1]: f"file={place / name}" for name in sorted(os.listdir(place))}
    assert sorted(files) == ["job", "step", "suspend"]
    code, out, err = archive(dbd, "load", files["step"])
    assert (code, out) == (1, "")
    assert "is not in the database: load the file with it first" in err
    for kind in ("job", "step", "suspend"):
        assert archive(dbd, "load", files[kind]) == (0, "", LOADED)
        loaded = printed(dbd)
        code, out, err = archive(dbd, "load", files[kind])
        assert (code, out) == (1, "")
        assert "is in the database already, nothing is loaded\n Problem loading archive file" in err
        assert printed(dbd) == loaded
    assert loaded == before
    assert archive(dbd, "dump", *words) == (0, "", DUMPED)  # and out again
    send(dbd, ({"kind": "job_complete", "job_id": 50, "submit_time": old, "job_state": 3, "end_time": old + 9},))


def test_events_and_reservations_there_and_back(dbd: Slurmdbd, place: Path) -> None:
    old = int(time.time()) - 50 * 86400
    send(dbd, [
        {"kind": "node_down", "node": "n1", "start": old, "end": old + 5, "state": 1, "reason": "it's \"ä\""},
        {"kind": "reservation", "id": 1, "start_time": old, "name": "r1", "end_time": old + 5, "nodes": "n1"},
    ])  # fmt: skip

    def shown() -> list[str]:
        found = []
        for words in (("event", "Start=2000-01-01"), ("reservation", "Start=2000-01-01", "format=Cluster,Name,TRES")):
            code, out, err = dbd.run(sacctmgr, ["-P", "show", *words])
            assert (code, err) == (0, "")
            found.append(out)
        return found

    before = shown()
    ages = ("purgeeventafter=1days", "purgeresvafter=1days")
    words = (f"directory={place}", "events", "reservations")
    assert archive(dbd, "dump", *words, *ages) == (0, "", DUMPED)
    assert "n1" not in shown()[0]
    assert len(os.listdir(place)) == 2
    for name in os.listdir(place):
        assert archive(dbd, "load", str(place / name)) == (0, "", LOADED)
        assert archive(dbd, "load", str(place / name))[0] == 1
    assert shown() == before


def test_a_file_that_is_changed_changes_nothing(dbd: Slurmdbd, place: Path) -> None:
    old = int(time.time()) - 40 * 86400
    for number in range(70, 75):
        send(dbd, start_and_end(number, old + number))
    assert archive(dbd, "dump", f"directory={place}", "jobs", "purgejobafter=1days") == (0, "", DUMPED)
    (name,) = os.listdir(place)
    reader = archive_files.Reader(str(place / name))
    header, rows = reader.header, [reader.decode(line) for line in reader.lines()]
    reader.close()
    before = printed(dbd)
    columns = header["columns"]

    def with_value(column: str, value: Any) -> list[list[Any]]:
        return [[value if one == column and row is rows[-1] else old for one, old in zip(columns, row, strict=True)]
                for row in rows]  # fmt: skip

    cases = [
        ("ref", columns, with_value("job_id", "1; DROP TABLE jobs"), "the value of job_id is none that it can have"),
        ("ref", columns, with_value("job_id", 1 << 70), "the value of job_id is none that it can have"),
        ("ref", columns, with_value("name", None), "the value of name is none that it can have"),
        ("ref", columns, with_value("cluster", "x" * 500), "the value of cluster is too long"),
        ("ref", columns, with_value("cluster", "other"), "a record is of another cluster than the file"),
        ("ref", columns, with_value("steps", 5), "the steps of a job are no list of records"),
        ("ref", columns, with_value("steps", [{}]), "a record has no db_index"),
        ("ref", columns, [row[:-1] for row in rows], "a record is not as its columns say"),
        ("nope", columns, rows, "its cluster 'nope' is not known here"),
        ("ref", [*columns[:-1], "new"], rows, "it has columns of another release: new"),
        ("ref", columns, [*rows, rows[0]], "is in the database already, nothing is loaded"),
    ]
    for at, (cluster, names, changed, why) in enumerate(cases):
        path = place / f"case{at}"
        writer = archive_files.Writer(str(path), header["object"], cluster, names)
        for row in changed:
            try:
                writer.add(archive_files.encode(row))
            except TypeError:  # a number that this form cannot hold
                writer.add(json.dumps(row).encode())
        writer.finish()
        code, out, err = archive(dbd, "load", str(path))
        assert (code, out) == (1, ""), why
        assert why in err
        assert printed(dbd) == before
    assert archive(dbd, "load", str(place / name)) == (0, "", LOADED)


def test_insert_is_refused_by_name(dbd: Slurmdbd) -> None:
    code, out, err = archive(dbd, "load", "insert=delete from jobs")
    assert (code, out) == (1, "")
    assert err.startswith("sacctmgr: error: insert= is not supported")


def test_a_script_in_place_of_files(dbd: Slurmdbd, place: Path) -> None:
    old = int(time.time()) - 90 * 86400
    send(dbd, start_and_end(90, old))
    script, said = place / "script", place / "said"
    script.write_text(f"#!/bin/sh\nenv > {said}\nexit 3\n")
    script.chmod(0o755)
    words = ("dump", f"script={script}", "jobs", "purgejobafter=60days", "purgestepafter=60days")
    code, out, err = archive(dbd, *words)
    assert (code, out) == (1, "")
    assert f"sacctmgr: error: archive script {script} ended with 3, nothing is purged\n" in err
    assert dbd.rows("jobs", ("job_id",), {"names": ("job90",)}) == [(90,)]
    script.write_text(f"#!/bin/sh\nenv > {said}\n")
    assert archive(dbd, *words) == (0, "", DUMPED)
    assert dbd.rows("jobs", ("job_id",), {"names": ("job90",)}) == []
    told = dict(text.split("=", 1) for text in said.read_text().splitlines())
    assert (told["SLURM_ARCHIVE_JOBS"], told["SLURM_ARCHIVE_STEPS"], told["SLURM_ARCHIVE_EVENTS"]) == ("1", "0", "0")
    assert old < int(told["SLURM_ARCHIVE_LAST_JOB"]) < time.time() - 59 * 86400
    assert not [name for name in told if "PASS" in name or "JWT" in name]
    assert sorted(os.listdir(place)) == ["said", "script"]


def test_the_commands_can_be_disabled(tmp_path: Path) -> None:
    daemon = Slurmdbd(tmp_path)
    with (tmp_path / "slurmdbd.conf").open("a") as conf:
        conf.write("DisableArchiveCommands=yes\n")
    daemon.start()
    try:
        code, _, err = archive(daemon, "dump")
        assert code == 1
        assert err == (
            "sacctmgr: error: archive commands are disabled by DisableArchiveCommands of slurmdbd.conf\n"
            " Problem dumping archive: Requested operation is presently disabled\n"
        )
        assert archive(daemon, "load", "file=/no")[0] == 1
    finally:
        daemon.stop()
