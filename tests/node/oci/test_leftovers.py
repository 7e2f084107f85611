"""The note of what is to be cleaned up: kept, torn, used twice; and directories that were made to be hard to remove."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmpy.node.oci import leftovers
from slurmpy.node.oci.leftovers import Note
from slurmpy.node.tasks import Identity
from tests.node.conftest import processes_with, wait_for

ME = Identity(os.geteuid(), os.getegid(), "")


def launch(spool, job_id=5, step_id=0, restart_cnt=2) -> dict:
    return {"job_id": job_id, "step_id": step_id, "restart_cnt": restart_cnt, "spool": str(spool),
            "user_id": os.geteuid(), "group_id": os.getegid(), "user_name": "me"}  # fmt: skip


def clean_by_program(spool, job_id=5, step_id=0, restart_cnt=2) -> subprocess.CompletedProcess[str]:
    command = leftovers.command(str(spool), job_id, step_id, restart_cnt)
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def clean(note: Note) -> list[str]:
    """In a process of its own: all that is below the one that cleans is killed, and below ours are the daemons of other
    tests."""
    context = multiprocessing.get_context("fork")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=lambda: writer.send(note.clean(ME)))
    process.start()
    writer.close()
    problems = reader.recv()
    process.join()
    return problems


TEXTS = st.text(st.characters(max_codepoint=0x2FF) | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF),
                max_size=6)  # fmt: skip


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=3), st.dictionaries(TEXTS, TEXTS, max_size=3), TEXTS,
       st.lists(TEXTS, max_size=2), st.booleans(), st.floats(0, 100))  # fmt: skip
def test_what_is_written_is_read(tmp_path_factory, tasks, environment, base, made, keep, seconds):
    spool = tmp_path_factory.mktemp("spool")
    note = Note(launch(spool))
    note.tasks, note.environment, note.base, note.made, note.files = tasks, environment, base, made, made
    note.keep, note.seconds, note.cgroup = keep, seconds, base
    note.write()
    assert leftovers.noted(str(spool)) == [(5, 0, 2)]
    read = Note.read(str(spool), 5, 0, 2)
    assert read is not None
    assert [tuple(task) for task in read.tasks] == tasks
    for name in Note.FIELDS:
        if name != "tasks":
            assert getattr(read, name) == getattr(note, name), name
    assert read.aborted is True, "who finds a note knows nothing of how it came to be left"
    assert os.stat(note.path).st_mode & 0o777 == 0o600
    assert os.stat(os.path.dirname(note.path)).st_mode & 0o777 == 0o700


def test_no_notes(tmp_path):
    assert leftovers.noted(str(tmp_path)) == []
    assert Note.read(str(tmp_path), 5, 0, 2) is None
    assert clean_by_program(tmp_path).returncode == 0


@pytest.mark.parametrize("left", [b"", b"\x80", b"\xc1", b"\x81\xa4base", b"garbage"])
@pytest.mark.parametrize("suffix", ["", ".new"])
def test_half_a_note(tmp_path, left, suffix):
    """It is forgotten, and with it what is known to be its step's."""
    (tmp_path / "containers").mkdir()
    (tmp_path / "containers" / f"5.0.2{suffix}").write_bytes(left)
    (tmp_path / "containers" / "other").write_bytes(b"")
    (tmp_path / "oci-job5-0" / "task-0").mkdir(parents=True)
    assert leftovers.noted(str(tmp_path)) == [(5, 0, 2)]
    assert Note.read(str(tmp_path), 5, 0, 2) is None
    done = clean_by_program(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(os.listdir(tmp_path)) == ["containers"]
    assert os.listdir(tmp_path / "containers") == ["other"]


def full(tmp_path) -> Note:
    """A note of a step with one container, whose runtime keeps it in a file."""
    note = Note(launch(tmp_path))
    note.base = str(tmp_path / "oci-job5-0")
    state = tmp_path / "state"
    state.write_text('{"status": "running"}')
    note.tasks = [(f"cat {state}", f"echo '{{}}' > {state}", f"rm {state}; echo $A >> {tmp_path}/deleted")]
    note.environment = {"PATH": "/usr/bin:/bin", "A": "mine"}
    os.makedirs(f"{note.base}/task-0")
    (tmp_path / "oci-job5-0" / "task-0" / "config.json").write_text("{}")
    note.write()
    return note


def test_cleaning_twice_is_as_good(tmp_path):
    note = full(tmp_path)
    assert clean(note) == []
    assert sorted(os.listdir(tmp_path)) == ["containers", "deleted"]
    assert os.listdir(tmp_path / "containers") == []
    assert clean(note) == []
    assert (tmp_path / "deleted").read_text() == "mine\n" * 2


def test_cleaning_by_the_note_alone(tmp_path):
    full(tmp_path)
    done = clean_by_program(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(os.listdir(tmp_path)) == ["containers", "deleted"]
    assert (tmp_path / "deleted").read_text() == "mine\n", "with the environment of the step"


def test_what_cannot_be_removed_is_told(tmp_path):
    note = full(tmp_path)
    note.tasks = [("echo '{}'", "true", "echo busy; exit 3")]
    note.write()
    done = clean_by_program(tmp_path)
    assert (done.returncode, done.stderr) == (1, "RunTimeDelete failed with exit code 3: busy\n")
    assert leftovers.noted(str(tmp_path)) == []


def test_files_are_kept_if_that_is_wanted(tmp_path):
    note = full(tmp_path)
    note.keep = True
    assert clean(note) == []
    assert (tmp_path / "oci-job5-0" / "task-0" / "config.json").exists()
    assert not (tmp_path / "state").exists()


def test_with_container_path_only_what_is_ours_goes(tmp_path):
    note = full(tmp_path)
    place = tmp_path / "a" / "b"
    place.mkdir(parents=True)
    for name in ("config.json", "environment", "mine"):
        (place / name).write_text("x")
    note.base, note.files, note.made = "", [str(place / "environment")], [str(place), str(tmp_path / "a")]
    assert clean(note) == []
    assert sorted(os.listdir(place)) == ["config.json", "mine"]


def test_nothing_that_a_command_started_stays(tmp_path):
    """A daemon that has left its session, its parent and its process group, too."""
    note = full(tmp_path)
    note.tasks = [("(setsid sh -c 'sleep 87101 & exec sleep 87102' &) ; exit 1", "true", "true")]
    note.write()
    assert clean_by_program(tmp_path).returncode == 0
    assert wait_for(lambda: not processes_with("sleep\x0087101") and not processes_with("sleep\x0087102"))


def test_many_that_hang_do_not_add_up(tmp_path, monkeypatch):
    monkeypatch.setattr(leftovers, "LONGEST", 0.5)
    note = full(tmp_path)
    note.seconds = 0.5
    note.tasks = [("sleep 87103", "true", "true")] * 3
    began = time.monotonic()
    assert len(note._with_the_users_rights()) == 3
    assert time.monotonic() - began < 6


# ---------------------------------------------------------------- trees


def deep(top, depth: int) -> None:
    at = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=at))
    os.close(at)


def test_a_directory_that_is_deeper_than_recursion(tmp_path):
    base = tmp_path / "base"
    (base / "task-0").mkdir(parents=True)
    deep(base / "task-0", 3 * sys.getrecursionlimit())
    leftovers.remove_tree(str(base))
    assert os.listdir(tmp_path) == []


def test_links_are_removed_not_followed(tmp_path):
    base, other = tmp_path / "base", tmp_path / "other"
    (base / "task-0" / "x").mkdir(parents=True)
    other.mkdir()
    (other / "kept").write_text("x")
    other.chmod(0o755)
    for place in (base, base / "task-0", base / "task-0" / "x"):
        (place / "link").symlink_to(other)
        (place / "lost").symlink_to("/nonexistent")
    leftovers.remove_tree(str(base))
    assert os.listdir(tmp_path) == ["other"]
    assert os.listdir(other) == ["kept"]
    assert other.stat().st_mode & 0o777 == 0o755
    link = tmp_path / "link"
    link.symlink_to(other)
    leftovers.remove_tree(str(link))
    assert not link.is_symlink()
    assert os.listdir(other) == ["kept"]


def test_modes_and_names(tmp_path):
    base = tmp_path / "base"
    inner = base / "task-0" / ".moved.1" / "closed"
    inner.mkdir(parents=True)
    (base / ".moved.2").mkdir()
    (inner / "file").write_text("x")
    os.mkfifo(base / "task-0" / "pipe")
    inner.chmod(0)
    (base / "task-0").chmod(0)
    leftovers.remove_tree(str(base))
    assert os.listdir(tmp_path) == []
    leftovers.remove_tree(str(base))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_directory_of_the_users_becomes_ours_first(tmp_path, monkeypatch):
    """Else its owner could put a link in the place of what is about to get another mode."""
    base = tmp_path / "base"
    (base / "d" / "e").mkdir(parents=True)
    os.chown(base, 1234, 1234)
    seen = []
    real = os.chmod

    def chmod(path, mode, **more):
        seen.append(os.fstat(more["dir_fd"]))
        real(path, mode, **more)

    monkeypatch.setattr(os, "chmod", chmod)
    leftovers.remove_tree(str(base))
    assert os.listdir(tmp_path) == []
    assert seen
    assert all(one.st_uid == 0 and one.st_mode & 0o777 == 0o700 for one in seen)
