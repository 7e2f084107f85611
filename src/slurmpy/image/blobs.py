"""The bytes of an image: blobs checked by size and digest while they are read, decompressed within bounds.

A blob's bytes go through `Verified` exactly once, so what is unpacked is what was hashed, even if the file changes.
Sources are a directory or a tar file (`DirectorySource`, `ArchiveSource`): both give files by their name within.
"""

from __future__ import annotations

import io
import os
import re
import stat
import zlib

from .errors import ImageError, printable, reason
from .limits import DOCUMENT, RATIO_FROM, Limits
from .tar import Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO, Any

_DIGEST = re.compile(r"(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})\Z")
_CHUNK = 1 << 18
#: members of an archive that are remembered
_MEMBERS = 100_000


def check_digest(text: Any, what: str) -> str:
    """`text` if it is ``sha256:...`` or ``sha512:...`` as the image specification writes it. Raises ImageError."""
    if not isinstance(text, str) or not _DIGEST.match(text):
        raise ImageError(f"{what}: not a digest: {printable(str(text))}")
    return text


def blob_name(digest: str) -> str:
    """Where an OCI layout has a blob."""
    algorithm, _, digits = digest.partition(":")
    return f"blobs/{algorithm}/{digits}"


def sha256_of(data: bytes) -> str:
    import hashlib

    return "sha256:" + hashlib.sha256(data).hexdigest()


# ---- where blobs are


class DirectorySource:
    """Files below a directory."""

    def __init__(self, path: str) -> None:
        self.path = path

    def open(self, name: str) -> tuple[IO[bytes], int]:
        """(file, its size). Raises ImageError."""
        full = os.path.join(self.path, name)
        try:
            handle = os.open(full, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a fifo does not make us wait
        except OSError as error:
            raise reason(error, full) from None
        seen = os.fstat(handle)
        if not stat.S_ISREG(seen.st_mode):
            os.close(handle)
            raise ImageError(f"{full}: not a file")
        return open(handle, "rb", buffering=0), seen.st_size

    def close(self) -> None:
        pass


class _Section(io.RawIOBase):
    """A part of an open file."""

    def __init__(self, handle: int, offset: int, size: int) -> None:
        self._handle, self._offset, self._left = handle, offset, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = os.pread(self._handle, min(len(buffer), self._left), self._offset)
        buffer[: len(data)] = data
        self._offset += len(data)
        self._left -= len(data)
        return len(data)


class ArchiveSource:
    """Files in a tar file, which stays where it is: what is read is read from its place in there. A compressed one is
    decompressed into an unnamed file of `scratch` first. Raises ImageError."""

    def __init__(self, path: str, limits: Limits, scratch: str | None = None) -> None:
        self._members: dict[str, tuple[int, int]] = {}
        self._links: dict[str, str] = {}
        try:
            self._file: IO[bytes] = open(path, "rb")  # noqa: SIM115 - closed by close()
        except OSError as error:
            raise ImageError(str(error.strerror)) from None
        try:
            if not stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
                raise ImageError("not a file")
            head = self._file.read(6)
            self._file.seek(0)
            if head[:2] == b"\x1f\x8b" or head[:4] == b"\x28\xb5\x2f\xfd":
                self._decompress(head, limits, scratch)
            self._read_index()
        except OSError as error:
            self.close()
            raise ImageError(str(error.strerror)) from None
        except BaseException:
            self.close()
            raise

    def _decompress(self, head: bytes, limits: Limits, scratch: str | None) -> None:
        import tempfile

        stream = decompressed(self._file, head, limits, limits.bytes)
        plain = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115 - closed by close()
        while data := stream.read(_CHUNK):
            plain.write(data)
        stream.close()
        self._file.close()
        plain.seek(0)
        self._file = plain

    def _read_index(self) -> None:
        reader = Reader(self._file, seekable=True)
        size = os.fstat(self._file.fileno()).st_size
        for entry in reader:
            name = _inside(entry.name)
            if name is None or len(self._members) + len(self._links) >= _MEMBERS:
                raise ImageError("names outside of the archive" if name is None else "too many members")
            if entry.kind == "file":
                if entry.pieces is not None or reader.offset + entry.size > size:
                    raise ImageError(f"{printable(entry.name)}: cut off, or sparse")
                self._members[name] = (reader.offset, entry.size)
            elif entry.kind == "symlink":  # docker save writes a layer once, and links to it
                target = _inside(os.path.normpath(os.path.join(os.path.dirname(entry.name), entry.link)))
                if target is not None:
                    self._links[name] = target
            elif entry.kind == "link" and (target := _inside(entry.link)) is not None:
                self._links[name] = target

    def has(self, name: str) -> bool:
        return name in self._members or name in self._links

    def open(self, name: str) -> tuple[IO[bytes], int]:
        """(file, its size). Raises ImageError."""
        found = os.path.normpath(name)
        for _ in range(8):
            if found in self._members:
                offset, size = self._members[found]
                return _Section(self._file.fileno(), offset, size), size  # type: ignore[return-value]
            found = self._links.get(found, "")
        raise ImageError(f"there is no {printable(name)} in it")

    def close(self) -> None:
        self._file.close()


def _inside(name: bytes) -> str | None:
    """A member's name without ``./`` and the like; None if it leads outside."""
    text = os.path.normpath(os.fsdecode(name).lstrip("/"))
    return None if text == ".." or text.startswith("../") else text


Source = DirectorySource | ArchiveSource


# ---- documents


def document(source: Source, name: str, digest: str = "", size: int = -1) -> tuple[dict[str, Any] | list[Any], bytes]:
    """A JSON document, and its bytes, checked by `digest` and `size` where they are given. Raises ImageError."""
    import hashlib
    import json

    file, real = source.open(name)
    with file:
        if real > DOCUMENT:
            raise ImageError(f"{name}: a document of {real} bytes")
        if size >= 0 and real != size:
            raise ImageError(f"{name}: is {real} bytes long, not {size}")
        data = b""
        try:
            while len(data) <= real and (more := file.read(real + 1 - len(data))):
                data += more
        except OSError as error:
            raise reason(error, name) from None
    if digest:
        algorithm, _, digits = digest.partition(":")
        if hashlib.new(algorithm, data).hexdigest() != digits:
            raise ImageError(f"{name}: does not have the digest {digest}")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise ImageError(f"{name}: is not JSON") from None
    if not isinstance(value, dict | list):
        raise ImageError(f"{name}: is not JSON of an object or a list")
    return value, data


# ---- streams


class Verified(io.RawIOBase):
    """A blob as it is read: `finish` raises ImageError unless all of it was read and is what its descriptor says.

    passed: hears of every portion's length.
    """

    def __init__(
        self, file: IO[bytes], name: str, digest: str, size: int, passed: Callable[[int], object] = lambda count: None
    ) -> None:
        import hashlib

        algorithm, _, self._digits = digest.partition(":")
        self._hash = hashlib.new(algorithm) if digest else None  # without: the diff_id alone tells
        self._file, self._name, self._size, self._passed = file, name, size, passed
        self.done = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            count = self._file.readinto(buffer)  # type: ignore[attr-defined]
        except OSError as error:
            raise reason(error, self._name) from None
        if self._hash is not None:
            self._hash.update(memoryview(buffer)[:count])
        self.done += count
        if self.done > self._size:
            raise ImageError(f"{self._name}: is longer than {self._size} bytes")
        self._passed(count)
        return int(count)

    def count(self) -> int:
        """How many bytes were read."""
        return self.done

    def finish(self) -> None:
        while self.read(_CHUNK):
            pass
        if self.done != self._size:
            raise ImageError(f"{self._name}: is {self.done} bytes long, not {self._size}")
        if self._hash is not None and self._hash.hexdigest() != self._digits:
            raise ImageError(f"{self._name}: its bytes do not have the digest that names them")

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


class Plain(io.RawIOBase):
    """A decompressed stream, hashed and counted; at most `most` bytes, and within the ratio. Raises ImageError."""

    def __init__(
        self, source: Callable[[int], bytes], compressed: Callable[[], int], limits: Limits, most: int
    ) -> None:
        import hashlib

        self._source, self._compressed, self._limits, self._most = source, compressed, limits, most
        self._hash = hashlib.sha256()
        self.done = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._source(len(buffer))
        count = len(data)
        buffer[:count] = data
        self._hash.update(data)
        self.done += count
        if self.done > self._most:
            raise ImageError(
                f"more than {self._limits.bytes} bytes, decompressed (SLURMPY_IMAGE_LIMITS=bytes=SIZE allows more)"
            )
        if self.done > RATIO_FROM and self.done > self._limits.ratio * self._compressed():
            raise ImageError(
                f"more than {self._limits.ratio} bytes for each byte of a layer"
                " (SLURMPY_IMAGE_LIMITS=ratio=N allows more)"
            )
        return count

    def digest(self) -> str:
        return "sha256:" + self._hash.hexdigest()


class _Stream(io.BufferedReader):
    """What `decompressed` gives: buffered, with the `Plain` below it, and what must be closed after it."""

    plain: Plain
    ending: Callable[[], object]

    def finish(self) -> str:
        """Reads what is left; the sha256 digest of all."""
        while self.read(_CHUNK):
            pass
        return self.plain.digest()

    def close(self) -> None:
        if not self.closed:
            self.ending()
        super().close()


def decompressed(
    file: IO[bytes], head: bytes, limits: Limits, most: int, done: Callable[[], int] | None = None
) -> _Stream:
    """`file` decompressed as its first bytes `head` (at least 4, still unread) tell: gzip, zstd or as it is.

    most: bytes that may come out; done: how many bytes of the file were read. Raises ImageError, also while reading.
    """
    counted = 0

    def read(size: int) -> bytes:
        nonlocal counted
        data = file.read(size) or b""
        counted += len(data)
        return data

    ending: Callable[[], object] = lambda: None  # noqa: E731
    if head[:2] == b"\x1f\x8b":
        source = _gunzip(read)
    elif head[:4] == b"\x28\xb5\x2f\xfd":
        source, ending = _unzstd(read)
    elif head[:3] == b"BZh" or head[:6] == b"\xfd7zXZ\0":
        raise ImageError("compressed by bzip2 or xz, which the image specification does not have")
    else:
        source = read
    plain = Plain(source, done or (lambda: counted), limits, most)
    stream = _Stream(plain, _CHUNK)
    stream.plain, stream.ending = plain, ending
    return stream


def _gunzip(read: Callable[[int], bytes]) -> Callable[[int], bytes]:
    """Reads gzip, also several members after one another; no call gives more than it is asked for."""
    engine = zlib.decompressobj(wbits=31)
    pending = b""

    def source(size: int) -> bytes:
        nonlocal engine, pending
        while True:
            if engine.eof:
                pending = engine.unused_data or read(_CHUNK)
                if not pending.strip(b"\0"):  # the end, or what fills up a last block
                    if not pending or not read(1):
                        return b""
                    raise ImageError("damaged gzip data")
                engine = zlib.decompressobj(wbits=31)
            data = pending or read(_CHUNK)
            if not data:
                raise ImageError("gzip data end in the middle")
            try:
                out = engine.decompress(data, size)
            except zlib.error as error:
                raise ImageError(f"damaged gzip data ({error})") from None
            pending = engine.unconsumed_tail
            if out:
                return out

    return source


class _Readable:
    """A file, as far as reading goes."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self.read = read


def _unzstd(read: Callable[[int], bytes]) -> tuple[Callable[[int], bytes], Callable[[], object]]:
    """Reads zstd by the module zstandard or the program zstd, and what ends them."""
    import importlib
    import shutil
    import subprocess
    import threading

    try:
        module = importlib.import_module("zstandard")
    except ImportError:
        module = None
    if module is not None:
        engine = module.ZstdDecompressor(max_window_size=1 << 27)
        reader = engine.stream_reader(_Readable(read), read_across_frames=True)

        def by_module(size: int) -> bytes:
            try:
                return bytes(reader.read(size))
            except module.ZstdError as error:
                raise ImageError(f"damaged zstd data ({error})") from None

        return by_module, lambda: None
    program = shutil.which("zstd")
    if program is None:
        raise ImageError("a layer is compressed by zstd; install the program zstd or the Python package zstandard")
    process = subprocess.Popen(
        [program, "-dcq", "--memory=128MB"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    failed: list[BaseException] = []

    def feed() -> None:
        assert process.stdin is not None
        try:
            while data := read(_CHUNK):
                process.stdin.write(data)
        except BrokenPipeError:
            pass
        except BaseException as error:
            failed.append(error)
        finally:
            try:
                process.stdin.close()
            except OSError:
                pass

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()

    def by_program(size: int) -> bytes:
        assert process.stdout is not None
        data = os.read(process.stdout.fileno(), size)
        if not data:
            feeder.join()
            if failed:
                raise failed[0]
            if process.wait():
                raise ImageError("damaged zstd data, or its window is larger than 128M")
        return data

    def end() -> None:
        process.kill()
        process.wait()
        feeder.join()
        assert process.stdout is not None
        process.stdout.close()

    return by_program, end
