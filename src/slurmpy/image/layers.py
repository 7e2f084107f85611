"""Applies the layers of an image to a directory, as the OCI image specification says (layer.md).

In short: entries replace what was there, directories stay and get new attributes, ``.wh.NAME`` hides NAME of the layers
below and ``.wh..wh..opq`` hides everything of them in its directory, wherever it stands in its layer. Nothing is
written outside of the directory (`tree`), and nothing without bounds (`limits`).

What is kept: see the table in docs/images.md. root keeps owners, device files, set-user-id bits, user.* attributes and
security.capability. Anybody else owns all of it himself, cannot make device files, and gets no set-user-id bits, which
would be his; his directories are at least rwx for himself, so that he can remove them again.
"""

from __future__ import annotations

import errno
import io
import os
import stat

from .blobs import Verified, decompressed
from .errors import ImageError, printable, reason
from .tar import Entry, Reader
from .tree import Missing, NotDirectory, Tree, parts_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

    from .limits import Limits
    from .manifest import Image

WHITEOUT = b".wh."
OPAQUE = b".wh..wh..opq"
#: of aufs itself: not whiteouts, and nothing for us
_AUFS = b".wh..wh."
_ID_MAX = 0xFFFFFFFE
_CHUNK = 1 << 20
#: errors of file systems that have no extended attributes, or not these
_NO_XATTRS = frozenset((errno.ENOTSUP, errno.EPERM))


class Layers:
    """The tree of one image in the making, below `top`, which must be an empty private directory.

    owner: whether owners are kept, which only root can. Use: `apply` each layer, the lowest first, then `finish`, then
    `close`. `entries`: files, directories and links made so far; `written`: bytes of files.
    """

    def __init__(self, top: str, limits: Limits, owner: bool) -> None:
        self._limits, self._owner = limits, owner
        self.entries = self.written = self.decompressed = 0
        self._touched: set[bytes] | None = None  # by the present layer; None: the lowest
        self._hidden: set[bytes] = set()  # whiteouts of the present layer
        self._skipped: set[bytes] = set()  # device files that were not made
        self._last: dict[bytes, tuple[int, int | None]] = {}  # directory: (mode, mtime) that it gets in the end
        self.tree = Tree(top, self._made, self._gone)

    def close(self) -> None:
        self.tree.close()

    # ---- layers

    def apply(self, stream: IO[bytes], lowest: bool = False) -> None:
        """One layer's tar stream. Raises ImageError; the tree is then of no use."""
        self._touched, self._hidden = None if lowest else set(), set()
        reader = Reader(stream)
        for entry in reader:
            try:
                self._entry(entry, reader)
            except OSError as error:
                raise reason(error, entry.name) from None
        self.tree.forget()

    def _entry(self, entry: Entry, reader: Reader) -> None:
        parts = parts_of(entry.name)
        if not parts:
            if entry.kind != "dir":
                raise ImageError("the top of the image is no directory")
            self._attributes(self.tree.top, b"", entry)
            return
        for part in parts[:-1]:
            if part.startswith(WHITEOUT):
                if part.startswith(_AUFS):
                    return
                raise ImageError(f"{printable(entry.name)}: a whiteout with something in it")
        *above, name = parts
        if name.startswith(WHITEOUT):
            self._count()
            self._whiteout(above, name, entry)
            return
        handle, path = self.tree.directory(above, make=True)
        if self._touched is not None and path and path not in self._touched:
            self._touch(path)
        path = path + b"/" + name if path else name
        if self._touched is not None:
            self._touched.add(path)
        self._count()
        if entry.kind == "dir":
            self._directory(handle, name, path, entry)
            return
        if entry.kind == "link":
            self._link(name, path, entry, above)
            return
        self._clear(handle, name, path)
        if entry.kind == "file":
            self._file(handle, name, entry, reader)
        elif entry.kind == "symlink":
            if not entry.link or len(entry.link) > 4095 or b"\0" in entry.link:
                raise ImageError(f"{printable(entry.name)}: a symbolic link to nothing")
            os.symlink(entry.link, name, dir_fd=handle)
        elif entry.kind == "fifo":
            os.mkfifo(name, 0o600, dir_fd=handle)
        elif not self._device(handle, name, entry):
            self._skipped.add(path)
            return
        if entry.kind != "file":
            self._plain_attributes(handle, name, entry)

    def _touch(self, path: bytes) -> None:
        """Notes that this layer has something in a directory, and in those above it."""
        assert self._touched is not None
        while path and path not in self._touched:
            self._touched.add(path)
            path = path.rpartition(b"/")[0]

    def _count(self) -> None:
        self.entries += 1
        if self.entries > self._limits.entries:
            raise ImageError(f"more than {self._limits.entries} files (SLURMPY_IMAGE_LIMITS=entries=N allows more)")

    def _made(self, path: bytes) -> None:
        """A directory that no entry told of was made on the way to one."""
        self._count()
        self._last[path] = (0o755, None)

    def _gone(self, path: bytes) -> None:
        self._last.pop(path, None)

    # ---- whiteouts

    def _whiteout(self, above: list[bytes], name: bytes, entry: Entry) -> None:
        """Hides what layers below have; what this layer has itself stays, before the whiteout or after it."""
        hidden = name[len(WHITEOUT) :]
        if name != OPAQUE and hidden in (b"", b".", b".."):
            raise ImageError(f"{printable(entry.name)}: a whiteout of nothing")
        if self._touched is None or (name.startswith(_AUFS) and name != OPAQUE):
            return
        try:
            handle, path = self.tree.directory(above, make=False)
        except (Missing, NotDirectory):
            return
        whole = path + b"/" + name if path else name
        if whole in self._hidden:
            return  # hides nothing that the first one has not
        self._hidden.add(whole)
        if name == OPAQUE:
            self.tree.empty(handle, path, self._touched.__contains__)
        else:
            self.tree.remove(handle, hidden, path + b"/" + hidden if path else hidden, self._touched.__contains__)
        self.tree.changed()

    # ---- entries

    def _clear(self, handle: int, name: bytes, path: bytes) -> None:
        """Removes what an entry replaces, if there is something."""
        try:
            os.stat(name, dir_fd=handle, follow_symlinks=False)
        except FileNotFoundError:
            return
        self.tree.remove(handle, name, path)
        self.tree.changed()

    def _directory(self, handle: int, name: bytes, path: bytes, entry: Entry) -> None:
        try:
            os.mkdir(name, 0o700, dir_fd=handle)
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode):
                self._clear(handle, name, path)
                os.mkdir(name, 0o700, dir_fd=handle)
        inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=handle)
        try:
            self._attributes(inner, path, entry)
        finally:
            os.close(inner)

    def _attributes(self, handle: int, path: bytes, entry: Entry) -> None:
        """A directory's: owner and extended attributes now, mode and time when nothing more is put into it."""
        if self._owner:
            os.fchown(handle, *_ids(entry))
        try:
            for name in os.listxattr(handle):
                if self._kept(os.fsencode(name)) and os.fsencode(name) not in entry.xattrs:
                    os.removexattr(handle, name)
        except OSError as error:
            if error.errno not in _NO_XATTRS:
                raise
        self._xattrs(handle, entry)
        self._last[path] = (entry.mode if self._owner else entry.mode & 0o1777 | 0o700, entry.mtime)

    def _file(self, handle: int, name: bytes, entry: Entry, reader: Reader) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        if entry.full_size > self._limits.bytes:
            raise ImageError(
                f"{printable(entry.name)}: a file of {entry.full_size} bytes"
                " (SLURMPY_IMAGE_LIMITS=bytes=SIZE allows more)"
            )
        file = os.open(name, flags, 0o600, dir_fd=handle)
        try:
            if entry.pieces is None:
                self._copy(file, reader, entry.size)
            else:
                for offset, length in entry.pieces:
                    os.lseek(file, offset, os.SEEK_SET)
                    self._copy(file, reader, length)
                os.ftruncate(file, entry.full_size)
            if self._owner:
                os.fchown(file, *_ids(entry))
            os.fchmod(file, entry.mode if self._owner else entry.mode & 0o1777)
            self._xattrs(file, entry)
            _set_time(file, entry.mtime)
        finally:
            os.close(file)

    def _copy(self, file: int, reader: Reader, length: int) -> None:
        while length:
            data = memoryview(reader.read(min(length, _CHUNK)))
            if not data:
                raise ImageError("the tar stream ends within a file")
            length -= len(data)
            self.written += len(data)
            while data:
                data = data[os.write(file, data) :]

    def _link(self, name: bytes, path: bytes, entry: Entry, above: list[bytes]) -> None:
        """A hard link; both names share all attributes, so none are set. A link to itself changes nothing."""
        *target_above, target = parts_of(entry.link) or [b""]
        if not target or target.startswith(WHITEOUT):
            raise ImageError(f"{printable(entry.name)}: a link to nothing")
        try:
            from_handle, from_path = self.tree.directory(target_above, make=False)
            seen = os.stat(target, dir_fd=from_handle, follow_symlinks=False)
        except (Missing, NotDirectory, FileNotFoundError):
            if b"/".join((*target_above, target)) in self._skipped:
                self._skipped.add(path)
                return
            raise ImageError(
                f"{printable(entry.name)}: a link to {printable(entry.link)}, which is not there"
            ) from None
        if stat.S_ISDIR(seen.st_mode):
            raise ImageError(f"{printable(entry.name)}: a hard link to a directory")
        if (from_path + b"/" + target if from_path else target) == path:
            return
        from_handle = os.dup(from_handle)
        try:
            handle, _ = self.tree.directory(above, make=False)
            self._clear(handle, name, path)
            os.link(target, name, src_dir_fd=from_handle, dst_dir_fd=handle, follow_symlinks=False)
        finally:
            os.close(from_handle)

    def _device(self, handle: int, name: bytes, entry: Entry) -> bool:
        """Makes a device file; False if that is not allowed, as to all but root, and to root in most containers. Those
        that programs need a container's own /dev has."""
        if not (0 <= entry.major < 1 << 12 and 0 <= entry.minor < 1 << 20):
            raise ImageError(f"{printable(entry.name)}: a device of numbers that cannot be")
        if not self._owner:
            return False
        kind = stat.S_IFCHR if entry.kind == "char" else stat.S_IFBLK
        try:
            os.mknod(name, kind | 0o600, os.makedev(entry.major, entry.minor), dir_fd=handle)
        except PermissionError:
            return False
        return True

    def _plain_attributes(self, handle: int, name: bytes, entry: Entry) -> None:
        """Those of links, fifos and devices, by name: they were made just now, so nothing is followed."""
        if self._owner:
            os.chown(name, *_ids(entry), dir_fd=handle, follow_symlinks=False)
        if entry.kind != "symlink":
            os.chmod(name, entry.mode if self._owner else entry.mode & 0o1777, dir_fd=handle)
        _set_time(name, entry.mtime, dir_fd=handle)

    def _kept(self, name: bytes) -> bool:
        """Whether an extended attribute is kept. trusted.* and user.overlay.* speak to overlayfs, other security.* and
        system.* to the host's own policy."""
        if name.startswith(b"user."):
            return not name.startswith(b"user.overlay.")
        return name == b"security.capability" and self._owner

    def _xattrs(self, handle: int, entry: Entry) -> None:
        for name, value in entry.xattrs.items():
            if self._kept(name):
                try:
                    os.setxattr(handle, name, value)
                except OSError as error:
                    if error.errno not in _NO_XATTRS:
                        raise

    # ---- the end

    def directory_in(self, path: str, mode: int = 0o755) -> None:
        """Makes a directory as the image's root finds it, if it is missing: where something is to be mounted. Something
        else in its place stays."""
        try:
            _, real = self.tree.directory(parts_of(os.fsencode(path)), make=True)
        except NotDirectory:
            return
        if mode != 0o755 and self._last.get(real) == (0o755, None):
            self._last[real] = (mode, None)

    def file_in(self, path: str) -> None:
        """Makes an empty file in a directory of the image, if there is nothing of this name."""
        *above, name = parts_of(os.fsencode(path))
        try:
            handle, _ = self.tree.directory(above, make=True)
            os.close(
                os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=handle)
            )
        except (FileExistsError, NotDirectory):
            pass

    def finish(self) -> None:
        """Gives the directories their modes and times, the deepest first. Raises ImageError."""
        self._last.setdefault(b"", (0o755, None))
        for path in sorted(self._last, key=lambda path: path.count(b"/") + bool(path), reverse=True):
            mode, mtime = self._last[path]
            handle, _ = self.tree.directory(path.split(b"/") if path else [], make=False)
            try:
                os.fchmod(handle, mode)
                if mtime is not None:
                    _set_time(handle, mtime)
            except OSError as error:
                raise reason(error, path) from None
        self.tree.forget()


def _ids(entry: Entry) -> tuple[int, int]:
    if not (0 <= entry.uid <= _ID_MAX and 0 <= entry.gid <= _ID_MAX):
        raise ImageError(f"{printable(entry.name)}: an owner that cannot be")
    return entry.uid, entry.gid


def _set_time(what: int | bytes, mtime: int, dir_fd: int | None = None) -> None:
    """Sets the time, to the nearest that a file system can have."""
    mtime = min(max(mtime, 0), 0xFFFFFFFF * 1_000_000_000)
    if isinstance(what, int):
        os.utime(what, ns=(mtime, mtime))
    else:
        os.utime(what, ns=(mtime, mtime), dir_fd=dir_fd, follow_symlinks=False)


def unpack(
    image: Image, top: str, limits: Limits, owner: bool, progress: Callable[[int, int], object] | None
) -> Layers:
    """All layers of an image into the empty directory `top`, each checked by its digests. The caller finishes and
    closes.

    progress: hears (bytes read so far, bytes of all layers). Raises ImageError.
    """
    layers = Layers(top, limits, owner)
    total, before = image.size, 0
    try:
        for number, layer in enumerate(image.layers):
            try:
                file, size = image.source.open(layer.name)
                if size != layer.size:
                    file.close()
                    raise ImageError(f"{layer.name}: is {size} bytes long, not {layer.size}")
                done = before

                def passed(count: int) -> None:
                    nonlocal done
                    done += count
                    if progress is not None:
                        progress(done, total)

                with Verified(file, layer.name, layer.digest, layer.size, passed) as blob:
                    buffered = io.BufferedReader(blob, 1 << 18)
                    head = buffered.peek(6)[:6]
                    stream = decompressed(buffered, head, limits, limits.bytes - layers.decompressed, blob.count)
                    with stream:
                        layers.apply(stream, lowest=not number)
                        digest = stream.finish()
                        layers.decompressed += stream.plain.done
                    blob.finish()
                before += size
                if digest != layer.diff_id and layer.diff_id.startswith("sha256:"):
                    raise ImageError("its content does not have the diff_id that the image's configuration has")
            except ImageError as error:
                raise ImageError(f"layer {number + 1}: {error}") from None
    except BaseException:
        layers.close()
        raise
    return layers
