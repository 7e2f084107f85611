"""Licenses: how --licenses is read, what is left, and what jobs take and give back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from slurmpy.core.errors import SlurmError
from slurmpy.core.records.cluster import LicenseInfo

if TYPE_CHECKING:
    from slurmpy.controller.state import Job, State

#: ((name, count), ...)
Wanted = tuple[tuple[str, int], ...]


def from_configuration(text: str) -> dict[str, LicenseInfo]:
    """The parameter Licenses (``matlab:4,ansys:2``) as records. Raises ESLURM_INVALID_LICENSES."""
    found = {}
    for name, count in parse(text):
        found[name] = LicenseInfo(name=name, total=count, free=count)
    return found


def parse(text: str | None) -> Wanted:
    """``matlab:2,ansys`` (or with ``*`` or ``=`` before the count) -> (name, count) each."""
    if not text:
        return ()
    wanted: dict[str, int] = {}
    for item in text.replace(";", ",").split(","):
        item = item.strip()
        if not item:
            continue
        for mark in ("*", "=", ":"):
            name, found, count = item.partition(mark)
            if found:
                break
        else:
            name, count = item, "1"
        if not name or not count.isdigit():
            raise SlurmError("ESLURM_INVALID_LICENSES")
        wanted[name] = wanted.get(name, 0) + int(count)
    return tuple(wanted.items())


def check(state: State, text: str | None) -> Wanted:
    """Read a request; raises ESLURM_INVALID_LICENSES for unknown names and for more than there are."""
    wanted = parse(text)
    for name, count in wanted:
        known = state.licenses.get(name)
        if known is None or count > known.total:
            raise SlurmError("ESLURM_INVALID_LICENSES")
    return wanted


def available(state: State, job: Job, reserved: dict[str, int] | None = None) -> bool:
    """Could the job have its licenses now? `reserved`: how many reservations of others keep."""
    for name, count in job._licenses:
        known = state.licenses.get(name)
        if known is None or count > known.total - known.used - (reserved or {}).get(name, 0):
            return False
    return True


def take(state: State, job: Job) -> None:
    for name, count in job._licenses:
        known = state.licenses.get(name)
        if known is not None:
            known.used += count
            known.free = max(0, known.total - known.used)


def give_back(state: State, job: Job) -> None:
    for name, count in job._licenses:
        known = state.licenses.get(name)
        if known is not None:
            known.used = max(0, known.used - count)
            known.free = max(0, known.total - known.used)


def recount(state: State, jobs: Iterable[Job]) -> None:
    """Count anew what running jobs hold, after a restart or a reconfiguration."""
    for known in state.licenses.values():
        known.used, known.free = 0, known.total
    for job in jobs:
        take(state, job)
