from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from slurmpy.image.cache import Cache
from slurmpy.image.limits import Limits
from tests.permissions.people import People, possible


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(str(tmp_path / "cache"), Limits())


class Person:
    """An ordinary user and a directory of his."""

    def __init__(self, uid: int, gid: int, home: Path) -> None:
        self.uid, self.gid, self.home = uid, gid, home


@pytest.fixture(scope="module")
def person() -> Iterator[Person]:
    """A user made for the test if root runs it, else who runs it."""
    home = Path(tempfile.mkdtemp(prefix="images-"))
    try:
        if os.geteuid() != 0:
            yield Person(os.getuid(), os.getgid(), home)
            return
        if possible():
            pytest.skip(possible())
        with People(("root", "owner")) as users:
            entry = pwd.getpwnam(users.names["owner"])
            os.chown(home, entry.pw_uid, entry.pw_gid)
            yield Person(entry.pw_uid, entry.pw_gid, home)
    finally:
        shutil.rmtree(home)
