"""What holds for every test."""

import compileall
import os
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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The file that SLURMPY_FAILED names gets a line for each test that failed."""
    path = os.environ.get("SLURMPY_FAILED")
    if path:
        reports = [*terminalreporter.getreports("failed"), *terminalreporter.getreports("error")]
        Path(path).write_text("".join(f"{name}\n" for name in dict.fromkeys(report.nodeid for report in reports)))
