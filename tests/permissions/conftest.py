from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .ctld import KINDS, Permitted
from .people import People


@pytest.fixture(scope="session")
def site() -> Iterator[Permitted]:
    """One cluster for all tests of the xdist group "slurmctld.tsv"."""
    with tempfile.TemporaryDirectory(prefix="permitted-") as base, People(KINDS) as users:
        os.chmod(base, 0o755)
        (Path(base) / "site").mkdir()
        site = Permitted(Path(base) / "site", users)
        try:
            yield site.up()
        finally:
            site.end_jobs()
            site.down()
