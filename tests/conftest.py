"""What holds for every test."""

import compileall
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import slurmpy

# a busy machine makes examples slow to draw; that says nothing about what is tested
settings.register_profile("slurmpy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("slurmpy")


def pytest_sessionstart(session: pytest.Session) -> None:
    """The thousands of commands and daemons that are started find their modules compiled, as pip leaves them, also
    where Python is told to write none (PYTHONDONTWRITEBYTECODE)."""
    if not hasattr(session.config, "workerinput"):
        compileall.compile_dir(Path(slurmpy.__file__).parent, quiet=2)
