"""Files of records that have been purged: their form, their names, and how they come to be whole or not at all.

A file is lines of JSON in UTF-8. The first says what it is::

    {"format": "slurmpy archive", "version": 1, "object": "job_table", "cluster": "ref", "columns": ["db_index", ...],
     "created": 1795849602, "slurmpy": "..."}

then each record is an array of the columns' values, and the last line has their number and the SHA-256 of all bytes
before it: ``{"records": 2, "sha256": "..."}``. Of a job the columns ``script`` and ``environment``, ``steps`` and
``suspensions`` (arrays of objects) are with it. Binary files of Slurm's own are another form.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
import time
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from slurmpy.conf.slurmdbd_conf import ARCHIVES
from slurmpy.core.errors import SlurmError

from . import archive_script

FORMAT, VERSION = "slurmpy archive", 1

#: records of a file
MOST_RECORDS = 50_000
#: bytes of a line
LONGEST_LINE = 64 * 1024 * 1024
#: files of one name
MOST_FILES = 100_000

#: a file reaches to the end of a month when its oldest record is this much older than what is to go, in seconds
LONG_AGO = 60 * 86400


def bad(path: str, why: str) -> SlurmError:
    return SlurmError("SLURM_ERROR", f"{path}: {why}")


def check_directory(path: str) -> None:
    """Raises SlurmError for a directory that no archive can be written to."""
    try:
        there = os.stat(path)
    except OSError as error:
        raise SlurmError("SLURM_ERROR", f"Failed to stat the archive directory {path}: {error.strerror}") from None
    if not stat.S_ISDIR(there.st_mode):
        raise SlurmError("SLURM_ERROR", f"archive directory {path} isn't a directory")
    if not os.path.isabs(path):
        raise SlurmError("SLURM_ERROR", f"archive directory {path} is no absolute path")
    if not os.access(path, os.W_OK | os.X_OK):
        raise SlurmError("SLURM_ERROR", f"archive directory {path} is not writable")


def check_settings(conf: Any) -> None:
    """ArchiveDir of slurmdbd.conf, if anything is archived, and ArchiveScript. Raises SlurmError."""
    if conf.ArchiveScript:
        archive_script.check(str(conf.ArchiveScript))
    if "ArchiveDir" in vars(conf) or any(getattr(conf, one) for one in ARCHIVES.values()):
        check_directory(str(conf.ArchiveDir))


def name(cluster: str, obj: str, begin: int, end: int) -> str:
    """``CLUSTER_OBJECT_archive_BEGIN_END``, in local time."""
    first, last = (time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(moment)) for moment in (begin, end))
    return f"{cluster.replace('/', '_')}_{obj}_archive_{first}_{last}"


def fsync_directory(path: str) -> None:
    number = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def temporary(directory: str) -> str:
    """A path in `directory` that nobody can have foreseen."""
    return os.path.join(directory, f".slurmdbd_archive_{secrets.token_hex(12)}")


class Writer:
    """Writes the file `path`, which must not exist; it is whole after `finish`."""

    def __init__(self, path: str, obj: str, cluster: str, columns: Sequence[str]) -> None:
        from slurmpy import __version__

        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        self._file = os.fdopen(number, "wb", 1 << 20)
        self.records = 0
        self._sum = hashlib.sha256()
        head = {
            "format": FORMAT, "version": VERSION, "object": obj, "cluster": cluster, "columns": list(columns),
            "created": int(time.time()), "slurmpy": __version__,
        }  # fmt: skip
        self._line(orjson.dumps(head))

    def _line(self, line: bytes) -> None:
        if len(line) >= LONGEST_LINE:
            raise SlurmError("SLURM_ERROR", f"a record of {len(line)} bytes is too long for an archive file")
        self._sum.update(line)
        self._sum.update(b"\n")
        self._file.write(line)
        self._file.write(b"\n")

    def add(self, line: bytes) -> None:
        """One record, as `encode` made it."""
        self._line(line)
        self.records += 1

    def finish(self) -> None:
        """The file's last line, and all of it on the disk."""
        self._file.write(orjson.dumps({"records": self.records, "sha256": self._sum.hexdigest()}) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def close(self) -> None:
        self._file.close()


def encode(values: Sequence[Any]) -> bytes:
    return orjson.dumps(list(values))


def place(temporary_path: str, path: str) -> str:
    """Gives a whole file its name: `path`, or `path` with .2, .3, ... if that is taken; nothing is overwritten.

    The temporary name stays, to know it by. Raises OSError.
    """
    directory = os.path.dirname(path)
    own = os.stat(temporary_path)
    for number in range(1, MOST_FILES):
        wanted = path if number == 1 else f"{path}.{number}"
        try:
            os.link(temporary_path, wanted, follow_symlinks=False)
        except FileExistsError:
            there = os.lstat(wanted)
            if (there.st_dev, there.st_ino) != (own.st_dev, own.st_ino):
                continue
        fsync_directory(directory)
        return wanted
    raise OSError(errno.EEXIST, os.strerror(errno.EEXIST), path)


class Reader:
    """A file of whatever origin, read line by line. Raises SlurmError for one that is no whole archive, and OSError.

    `header` is checked as far as its form goes; `lines()` yields the records undecoded, `decode` takes one apart.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        # a pipe must not make slurmdbd wait
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                raise bad(path, "not a regular file")
            self._file = os.fdopen(number, "rb", 1 << 20)
        except BaseException:
            os.close(number)
            raise
        try:
            self._sum = hashlib.sha256()
            self.header = self._header()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._file.close()

    def _next(self) -> bytes:
        line = self._file.readline(LONGEST_LINE + 1)
        if len(line) > LONGEST_LINE:
            raise bad(self.path, "a line is too long for an archive file")
        if not line.endswith(b"\n"):
            raise bad(self.path, "it is cut off" if line else "it has no end")
        return line

    def _header(self) -> dict[str, Any]:
        try:
            line = self._file.readline(1 << 16)
            found = orjson.loads(line)
        except ValueError:
            found = None
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise bad(self.path, "this is no archive file of slurmpy's slurmdbd")
        if found.get("version") != VERSION:
            raise bad(self.path, f"archive files of version {found.get('version')!r} are not known here")
        columns = found.get("columns")
        if (
            not isinstance(columns, list)
            or any(not isinstance(one, str) for one in columns)
            or len(set(columns)) != len(columns)
        ):
            raise bad(self.path, "its columns are no list of names")
        if not isinstance(found.get("object"), str) or not isinstance(found.get("cluster"), str):
            raise bad(self.path, "it does not say what is in it")
        self._sum.update(line)
        return found

    def lines(self) -> Iterator[bytes]:
        """The records, then the check of the last line against all that came before."""
        count = 0
        while True:
            line = self._next()
            if line.startswith(b"{"):
                break
            count += 1
            if count > MOST_RECORDS:
                raise bad(self.path, f"more than {MOST_RECORDS} records")
            self._sum.update(line)
            yield line[:-1]
        try:
            last = orjson.loads(line)
        except ValueError:
            last = {}
        if last.get("records") != count or last.get("sha256") != self._sum.hexdigest():
            raise bad(self.path, "its records are not those that were written")
        if self._file.read(1):
            raise bad(self.path, "something stands behind its end")

    def decode(self, line: bytes) -> list[Any]:
        try:
            found = orjson.loads(line)
        except ValueError:
            found = None
        if not isinstance(found, list) or len(found) != len(self.header["columns"]):
            raise bad(self.path, "a record is not as its columns say")
        return found


def portions(lines: Iterator[bytes], most: int, size: int = 8 * 1024 * 1024) -> Iterator[list[bytes]]:
    """Lists of at most `most` lines, and of about `size` bytes."""
    part: list[bytes] = []
    length = 0
    for line in lines:
        part.append(line)
        length += len(line)
        if len(part) >= most or length >= size:
            yield part
            part, length = [], 0
    if part:
        yield part
