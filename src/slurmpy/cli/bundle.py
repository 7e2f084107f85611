"""``slurmpy bundle``: containers' bundles, made of images ahead of the jobs that use them."""

from __future__ import annotations

import os
import sys
import time

from slurmpy.image import inventory, limits
from slurmpy.image.cache import Cache, default_directory
from slurmpy.image.errors import ImageError, printable
from slurmpy.image.reference import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def cache() -> Cache:
    """The user's own. Raises ImageError."""
    return Cache(default_directory(os.path.expanduser("~"), os.environ))


class Bar:
    """How far the making of a bundle is, on a terminal; nothing anywhere else."""

    def __init__(self, label: str) -> None:
        self._label = printable(label)
        self._progress: Any = None
        self._task: Any = None
        self.wanted = sys.stderr.isatty()

    def __call__(self, done: int, total: int) -> None:
        if not self.wanted:
            return
        if self._progress is None:
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
            self._progress = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
            self._task = self._progress.add_task(self._label, total=total)
            self._progress.start()
        self._progress.update(self._task, completed=done)

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()


def create(text: str, name: str = "", fetch: bool = False) -> str:
    """Makes a bundle; its path. Raises ImageError."""
    reference, own = parse(text), cache()
    if name:
        inventory.check_name(name)
    bar = Bar(f"unpacking {os.path.basename(reference.path)[:30]}")
    if reference.kind == "docker" and bar.wanted:
        print(f"slurmpy: skopeo fetches {printable(text)}", file=sys.stderr)
    try:
        lease = own.use(reference, progress=bar, fetch=fetch)
    finally:
        bar.close()
    with lease:
        if name:
            if os.path.dirname(lease.path) != own["images"]:
                raise ImageError(f"{lease.path}: is a bundle of your own, which needs no name")
            inventory.set_name(own, name, os.path.basename(lease.path))
        return lease.path


def path(text: str) -> str:
    """Where a bundle is. Raises ImageError."""
    return inventory.find(cache(), text).path


def listing(as_json: bool = False) -> str:
    """The table of what is there. Raises ImageError."""
    found = list(cache().entries())
    if as_json:
        import json

        return json.dumps({"bundles": [one.record() for one in found]}, indent=1) + "\n"
    if not found:
        return "there are no bundles\n"
    rows = [("KEY", "NAME", "SIZE", "LAST USED", "STATE", "REFERENCE")]
    for one in found:
        used = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(one.used)) if one.used else ""
        state = "damaged" if one.damaged else "in use" if one.in_use else ""
        rows.append((one.key[:12], ",".join(one.names), in_units(one.size), used, state, printable(one.reference)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "".join(f"{line}\n" for line in lines)


def remove(names: Sequence[str]) -> str:
    """Removes bundles; what is told of it. Raises ImageError before anything is removed if there is no such bundle, and
    at the end if one is in use."""
    own = cache()
    wanted = {one.key: one for one in [inventory.find(own, name) for name in names]}
    used = [one for one in wanted.values() if not own.remove(one.key)]
    inventory.tidy(own)
    if used:
        raise ImageError(", ".join(_called(one) for one in used) + ": in use")
    return "".join(f"removed {_called(one)}\n" for one in wanted.values())


def collect(max_size: str | None, max_age: str | None) -> str:
    """Removes by size and age; what is told of it. Raises ImageError and ValueError."""
    size = limits.size(max_size) if max_size is not None else None
    age = limits.age(max_age) if max_age is not None else None
    own = cache()
    done = own.collect(size if size is not None else own.limits.cache or None, age)
    text = "".join(f"removed {_called(one)}\n" for one in done.removed)
    if done.leftovers:
        text += f"removed {done.leftovers} left by killed processes\n"
    kept = f", {done.in_use} more are in use" if done.in_use else ""
    return text + f"{len(done.removed)} removed, {in_units(done.size)} left{kept}\n"


def _called(one: inventory.Bundle) -> str:
    what = ",".join(one.names) or printable(one.reference)
    return f"{one.key[:12]} ({what})" if what else one.key[:12]


def in_units(size: int) -> str:
    """``512``, ``1.5K``, ``23.0M``: bytes in the largest unit of which there is one."""
    number, unit = float(size), ""
    for unit in ("", "K", "M", "G", "T"):
        if number < 1024 or unit == "T":
            break
        number /= 1024
    return f"{number:.1f}{unit}" if unit else str(size)
