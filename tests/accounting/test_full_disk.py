"""A full disk: nothing that was confirmed is lost, slurmdbd says what is wrong, and goes on when there is room."""

from __future__ import annotations

import os
import re
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from slurmpy.core.errors import SlurmError

from .dbd import Slurmdbd, running, start_and_end

ROOM = 3_000_000


class Limit:
    """Files of slurmdbd may not grow beyond `ROOM` (RLIMIT_FSIZE): the kernel refuses to write."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def fill(self, dbd: Slurmdbd) -> None:
        assert dbd.process is not None
        self.before = resource.prlimit(dbd.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(dbd.process.pid, resource.RLIMIT_FSIZE, (ROOM, self.before[1]))

    def free(self, dbd: Slurmdbd) -> None:
        assert dbd.process is not None
        resource.prlimit(dbd.process.pid, resource.RLIMIT_FSIZE, self.before)

    def close(self) -> None:
        pass


class Tmpfs(Limit):
    """A file system of its own, with something large on it until there is to be room."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        options = f"size={8 * ROOM},mode=700"
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"no file system can be mounted here: {done.stderr.decode().strip()}")

    def fill(self, dbd: Slurmdbd) -> None:
        free = os.statvfs(self.place)
        with (self.place / "ballast").open("wb") as file:
            file.write(bytes(free.f_bavail * free.f_bsize - ROOM))

    def free(self, dbd: Slurmdbd) -> None:
        (self.place / "ballast").unlink()

    def close(self) -> None:
        subprocess.run(["umount", "--lazy", self.place], check=True)


@pytest.fixture(params=[Limit, Tmpfs])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Limit]:
    made: Callable[[Path], Limit] = request.param
    found = made(tmp_path)
    yield found
    found.close()


def batch(number: int) -> tuple[Any, ...]:
    """Ten jobs, a few hundred kilobytes."""
    items: list[Any] = []
    for job in range(number * 10, number * 10 + 10):
        start, *rest = start_and_end(job)
        items += [{**start, "script": f"{job} " * 4000}, *rest]
    return tuple(items)


def send(dbd: Slurmdbd, number: int) -> int:
    return int(
        dbd.call("records", cluster="ref", source="s", first_seq=1 + 40 * number, items=batch(number))["confirmed"]
    )


def until_refused(dbd: Slurmdbd) -> tuple[int, str]:
    """How many batches were confirmed, and what was said of the next."""
    for number in range(200):
        try:
            assert send(dbd, number) == 40 * (number + 1)
        except SlurmError as error:
            return number, error.message
    raise AssertionError("the disk is never full")


def complete(dbd: Slurmdbd, batches: int) -> None:
    rows = dbd.rows("jobs", ("job_id", "job_state", "end_time", "script"), {"duplicates": True})
    wanted = [(job, 3, 1_700_000_011, f"{job} " * 4000) for job in range(10 * batches)]
    assert sorted(tuple(row) for row in rows) == wanted


def test_what_was_confirmed_is_there_and_the_rest_follows(disk: Limit, tmp_path: Path) -> None:
    with running(tmp_path) as dbd:
        dbd.register()
        disk.fill(dbd)
        confirmed, said = until_refused(dbd)
        assert confirmed > 0
        assert re.match(r"database: .*(full|disk)", said)
        for _ in range(3):
            with pytest.raises(SlurmError):
                send(dbd, confirmed)
        complete(dbd, confirmed)  # whoever asks is answered
        disk.free(dbd)
        assert send(dbd, confirmed) == 40 * (confirmed + 1)
        complete(dbd, confirmed + 1)
        log = (tmp_path / "slurmdbd.log").read_text()
        assert log.count("nothing can be stored, what comes is refused until it can") == 1
        assert log.count("the database takes what comes again") == 1
        assert "set aside" not in log
        assert "Traceback" not in log


def test_killed_while_the_disk_is_full(disk: Limit, tmp_path: Path) -> None:
    with running(tmp_path) as dbd:
        dbd.register()
        disk.fill(dbd)
        confirmed, _ = until_refused(dbd)
        dbd.kill()
        if isinstance(disk, Tmpfs):
            disk.free(dbd)
        dbd.start()
        complete(dbd, confirmed)
        for number in range(confirmed + 1):  # all of it again: each job is there once
            send(dbd, number)
        complete(dbd, confirmed + 1)
