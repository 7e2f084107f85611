"""``slurmpy import-slurmdbd``: the books of a real cluster, out of what its sacctmgr and sacct printed.

A file is one or the other, which its first line tells. It is read as a whole before anything of it is sent: a line that
cannot be means that nothing is taken. Associations are then one transaction; jobs go in portions, each of which counts
once however often it is sent, so that an import that was cut off is completed by running it again.
"""

from __future__ import annotations

import io
import sys
import tempfile

from ..core.errors import SlurmError
from . import import_dump, import_sacct
from .errors import Stop, line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import IO, Any

    from ..rpc.cluster import Cluster

NAME = "slurmpy"
#: rows of jobs and steps a request
PORTION = 500
#: lines that are told one by one when they cannot be
TOLD = 20


class File:
    """One file to import; `-` is standard input, which is kept in a temporary file to be read twice."""

    def __init__(self, path: str) -> None:
        self.path, self.name = path, "standard input" if path == "-" else path
        try:
            self._file: IO[bytes] = self._spooled() if path == "-" else open(path, "rb")  # noqa: SIM115
            self._file.seek(0, io.SEEK_END)
            self.size = self._file.tell()
        except OSError as error:
            raise Stop(1, err=line(NAME, f"{path}: {error.strerror}")) from None

    @staticmethod
    def _spooled() -> IO[bytes]:
        import shutil

        spool = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the process ends
        shutil.copyfileobj(sys.stdin.buffer, spool)
        return spool

    def lines(self, passed: Callable[[int], object] = lambda read: None) -> Iterator[str]:
        """Its lines; `passed` hears of the bytes read so far, now and then."""
        self._file.seek(0)
        done = 0
        try:
            for number, raw in enumerate(self._file):
                done += len(raw)
                if number % 1000 == 0:
                    passed(done)
                yield raw.decode("utf-8", "replace")
        except OSError as error:
            raise Stop(1, err=line(NAME, f"{self.path}: {error.strerror}")) from None
        passed(self.size)

    def is_dump(self) -> bool:
        """Whether it is sacctmgr's; sacct's begins with the names of its columns."""
        for text in self.lines():
            if text.strip():
                return text.lstrip().startswith(("#", "Cluster"))
        raise Stop(1, err=line(NAME, f"{self.name}: is empty"))


class Bar:
    """How far it is, on a terminal; nothing anywhere else."""

    def __init__(self, label: str, total: int) -> None:
        self._progress: Any = None
        if sys.stderr.isatty() and total:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn())
            self._progress = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True))
            self._task = self._progress.add_task(label, total=total)

    def __enter__(self) -> Bar:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(self, *what: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def to(self, done: int) -> None:
        if self._progress is not None:
            self._progress.update(self._task, completed=done)


class Faults:
    """Counts what is wrong with a file and tells the first of it."""

    def __init__(self, file: File) -> None:
        self.file, self.count = file, 0
        self.told = ""

    def add(self, number: int, text: str) -> None:
        self.count += 1
        if self.count <= TOLD:
            self.told += line(NAME, f"{self.file.name}: line {number}: {text}")

    def stop(self) -> None:
        """Raises Stop if there was anything."""
        if self.count > TOLD:
            self.told += line(NAME, f"{self.file.name}: and {self.count - TOLD} more")
        if self.count:
            raise Stop(1, err=self.told + line(NAME, f"{self.file.name}: nothing of it was imported"))


def run(
    paths: Sequence[str],
    cluster: Cluster,
    name: str = "",
    delimiter: str = "|",
    dry_run: bool = False,
    write: Callable[[str], object] = print,
) -> None:
    """Imports the files, associations before jobs. Raises Stop and SlurmError."""
    files = [File(path) for path in paths]
    if not delimiter:
        raise Stop(1, err=line(NAME, "a delimiter of nothing"))
    dumps = [file.is_dump() for file in files]
    for file in (file for file, is_dump in zip(files, dumps, strict=True) if is_dump):
        write(_associations(file, cluster, name, dry_run))
    for file in (file for file, is_dump in zip(files, dumps, strict=True) if not is_dump):
        write(_jobs(file, cluster, name, delimiter, dry_run))


def _associations(file: File, cluster: Cluster, name: str, dry_run: bool) -> str:
    args, wrong = import_dump.request(file.lines(), cluster, name.lower())
    faults = Faults(file)
    for number, text in wrong:
        faults.add(number, text)
    faults.stop()
    try:
        result = cluster.slurmdbd.call("import_associations", {**args, "dry_run": dry_run})
    except SlurmError as error:
        raise Stop(1, err=line(NAME, f"{file.name}: {error.message}; nothing of it was imported")) from None
    verb = "would be added" if dry_run else "added"
    told = str(result["text"]).rstrip("\n")
    head = f"{file.name}: cluster {args['cluster']}: "
    return head + (f"{verb}:\n{told}" if told else f"{result['added']} {verb}" if result["added"] else "nothing new")


def _jobs(file: File, cluster: Cluster, name: str, delimiter: str, dry_run: bool) -> str:
    faults, jobs, steps, still_open = Faults(file), 0, 0, 0
    qos: set[str] = set()
    with Bar(f"reading {file.name}", file.size) as bar:
        try:
            for found in import_sacct.read(file.lines(bar.to), delimiter, name.lower()):
                if isinstance(found, import_sacct.BadRow):
                    faults.add(found.line, str(found))
                elif found[2]["kind"].startswith("job_"):
                    jobs += 1
                    still_open += found[2]["kind"] == "job_start"
                    qos.add(found[2].get("qos") or "")
                else:
                    steps += 1
        except import_sacct.BadRow as error:
            faults.add(error.line, str(error))
    faults.stop()
    note = f"; {still_open} jobs had not ended when sacct told of them" if still_open else ""
    note = _new_qos(cluster, qos - _NO_QOS, dry_run) + note
    if dry_run:
        return f"{file.name}: {jobs} jobs and {steps} steps would be sent{note}"
    new = {"new_jobs": 0, "new_steps": 0}
    with Bar(f"sending {file.name}", file.size) as bar:
        for where, items in _portions(file, name, delimiter, bar):
            try:
                result = cluster.slurmdbd.call("import_jobs", {"cluster": where, "items": tuple(items)})
            except SlurmError as error:
                what = f"{file.name}: {error.message}; what was sent before stays, run it again to go on"
                raise Stop(1, err=line(NAME, what)) from None
            for key in new:
                new[key] += result[key]
    return f"{file.name}: {jobs} jobs ({new['new_jobs']} new), {steps} steps ({new['new_steps']} new){note}"


#: what sacct prints of a job without one, or whose QOS is no more
_NO_QOS = frozenset(("", "Unknown"))


def _new_qos(cluster: Cluster, names: set[str], dry_run: bool) -> str:
    """Adds the QOS of jobs that the books do not have: no dump tells of them. What is said of it."""
    known = {row[0] for row in cluster.slurmdbd.query("qos", ("name",)).rows}
    new = tuple(sorted(name for name in names if name.lower() not in known))
    if not new:
        return ""
    if not dry_run:
        cluster.slurmdbd.call("add_qos", {"names": new})
    return f"; QOS {'that would be ' if dry_run else ''}added: {','.join(new)}"


def _portions(file: File, name: str, delimiter: str, bar: Bar) -> Iterator[tuple[str, list[Any]]]:
    """(cluster, items) to send together: a job and its steps are never parted."""
    where = ""
    items: list[Any] = []
    for found in import_sacct.read(file.lines(bar.to), delimiter, name.lower()):
        if isinstance(found, import_sacct.BadRow):
            raise Stop(1, err=line(NAME, f"{file.name}: it changed while it was read"))
        _, cluster, item = found
        is_job = item["kind"].startswith("job_")
        if items and (cluster != where or (is_job and len(items) >= PORTION)):
            yield where, items
            items = []
        where = cluster
        items.append(item)
    if items:
        yield where, items
