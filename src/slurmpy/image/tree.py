"""A directory tree that is written as an image says, and never outside of its top.

Every step on the way to a name is opened from the directory above it, without following links. A symbolic link on the
way is followed as the image's own root would have it: an absolute target begins at the top, ``..`` ends there. Nobody
else writes in the tree meanwhile (it is below a private directory), so what was looked at stays what it was.
"""

from __future__ import annotations

import os
import stat

from .errors import ImageError, printable, reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: directories within directories, and links on the way to one name (as the kernel has it)
DEPTH = 256
LINKS = 40
#: so deep `remove_tree` goes with a descriptor open for each directory on the way
STEPS = 100


class Missing(ImageError):
    """There is no such directory in the tree."""


class NotDirectory(ImageError):
    """Something else stands where a directory should be on the way."""


def parts_of(name: bytes) -> list[bytes]:
    """The steps of a member's name; leading slashes and ``.`` count nothing. Raises ImageError for ``..``."""
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    if b".." in parts:
        raise ImageError(f"{printable(name)}: a name with .. in it")
    if b"\0" in name or len(name) > 4095 or any(len(part) > 255 for part in parts):
        raise ImageError(f"{printable(name)[:100]}: not a name for a file")
    return parts


class Tree:
    """The tree below the directory `top`.

    made: hears of the path of each directory that is made on the way; removed: of each path that is removed. Paths are
    bytes from the top, of real names: links are resolved in them.
    """

    def __init__(
        self,
        top: str,
        made: Callable[[bytes], object] = lambda path: None,
        removed: Callable[[bytes], object] = lambda path: None,
    ) -> None:
        self.top = os.open(top, _DIRECTORY)
        self._made, self._removed = made, removed
        self._kept: tuple[tuple[bytes, ...], int, bytes] | None = None

    def close(self) -> None:
        self.forget()
        os.close(self.top)

    def forget(self) -> None:
        """Closes the directory that is kept open for the next name."""
        if self._kept is not None:
            os.close(self._kept[1])
            self._kept = None

    def changed(self) -> None:
        """Something was removed, perhaps a link on the way to the directory that is kept open: it stays open for now,
        but is looked up again by the next call."""
        if self._kept is not None:
            self._kept = ((b"..",), *self._kept[1:])

    def directory(self, parts: list[bytes], make: bool) -> tuple[int, bytes]:
        """(descriptor, path) of a directory, which is closed by the next call. Missing steps are made with mode 0755 if
        `make`. Raises Missing, NotDirectory, ImageError."""
        wanted = tuple(parts)
        if self._kept is not None and self._kept[0] == wanted:
            return self._kept[1], self._kept[2]
        self.forget()
        handle, names = self._walk(parts, make)
        self._kept = (wanted, handle, b"/".join(names))
        return handle, self._kept[2]

    def _walk(self, parts: list[bytes], make: bool) -> tuple[int, list[bytes]]:
        pending, links = parts[::-1], 0
        names: list[bytes] = []
        handle = os.dup(self.top)
        try:
            while pending:
                part = pending.pop()
                if part in (b"", b"."):
                    continue
                if part == b"..":  # of a link's target; the names so far are real, so the one above is the last but one
                    names = names[:-1]
                    os.close(handle)
                    handle = -1
                    handle = self._reopen(names)
                    continue
                if len(names) >= DEPTH:
                    raise ImageError(f"more than {DEPTH} directories within one another")
                target = self._step(handle, part, make, names)
                if isinstance(target, int):
                    os.close(handle)
                    handle = target
                    names.append(part)
                    continue
                links += 1
                if links > LINKS:
                    raise ImageError(f"{printable(b'/'.join((*names, part)))}: links without end")
                pending += target.split(b"/")[::-1]
                if target.startswith(b"/"):
                    names = []
                    os.close(handle)
                    handle = -1
                    handle = os.dup(self.top)
            return handle, names
        except BaseException:
            if handle >= 0:
                os.close(handle)
            raise

    def _reopen(self, names: list[bytes]) -> int:
        handle = os.dup(self.top)
        for name in names:
            above, handle = handle, -1
            try:
                handle = os.open(name, _DIRECTORY, dir_fd=above)
            finally:
                os.close(above)
        return handle

    def _step(self, handle: int, part: bytes, make: bool, names: list[bytes]) -> int | bytes:
        """The descriptor of a directory within `handle`, or the target of the link that it is."""
        for _ in range(2):
            try:
                return os.open(part, _DIRECTORY, dir_fd=handle)
            except FileNotFoundError:
                path = b"/".join((*names, part))
                if not make:
                    raise Missing(f"{printable(path)}: there is no such directory") from None
                os.mkdir(part, 0o755, dir_fd=handle)
                os.chmod(part, 0o755, dir_fd=handle)  # noqa: S103 - whatever the umask
                self._made(path)
            except OSError as error:
                path = b"/".join((*names, part))
                seen = os.stat(part, dir_fd=handle, follow_symlinks=False)
                if stat.S_ISLNK(seen.st_mode):
                    return os.readlink(part, dir_fd=handle)
                if not stat.S_ISDIR(seen.st_mode):
                    raise NotDirectory(
                        f"{printable(path)}: not a directory, but something is said to be in it"
                    ) from None
                raise reason(error, path) from None
        raise ImageError(f"{printable(part)}: cannot be opened")

    # ---- removing

    def remove(self, handle: int, name: bytes, path: bytes, keep: Callable[[bytes], bool] = lambda path: False) -> None:
        """Removes what is called `name` in the directory `handle`, with all that is in it. Of a directory for whose
        path `keep` is true only what is in it, and so on; anything else that is kept stays."""
        try:
            inner = os.open(name, _DIRECTORY, dir_fd=handle)
        except FileNotFoundError:
            return
        except OSError:
            if not keep(path):
                os.unlink(name, dir_fd=handle)
                self._removed(path)
            return
        try:
            self.empty(inner, path, keep)
        finally:
            os.close(inner)
        if not keep(path):
            os.rmdir(name, dir_fd=handle)
            self._removed(path)

    def empty(self, handle: int, path: bytes, keep: Callable[[bytes], bool] = lambda path: False) -> None:
        """Removes all in the directory `handle` but what is kept."""
        for name in os.listdir(handle):
            raw = os.fsencode(name)
            self.remove(handle, raw, path + b"/" + raw if path else raw, keep)

    # ---- reading

    def read_file(self, name: str, most: int) -> bytes | None:
        """The first `most` bytes of a file as the image's root finds it, through links; None if there is none."""
        parts = [part for part in os.fsencode(name).split(b"/") if part]
        for _ in range(LINKS):
            try:
                handle, path = self.directory(parts[:-1], make=False)
                last = parts[-1]
                if last in (b"..", b"."):
                    return None
                seen = os.stat(last, dir_fd=handle, follow_symlinks=False)
                if stat.S_ISREG(seen.st_mode):
                    with open(os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=handle), "rb") as file:
                        return file.read(most)
                if not stat.S_ISLNK(seen.st_mode):
                    return None
                target = os.readlink(last, dir_fd=handle)
            except (Missing, NotDirectory, OSError):
                return None
            parts = target.split(b"/") if target.startswith(b"/") else [*path.split(b"/"), *target.split(b"/")]
            parts = [part for part in parts if part not in (b"", b".")]
            if not parts:
                return None
        return None


def remove_tree(parent: int, name: str) -> None:
    """Removes a file or a directory with all in it from the directory `parent`, also where modes forbid its owner to
    look, and however deep it is; others may be removing it at the same time. Raises OSError for what cannot be removed.
    """
    waiting = [name]
    while waiting:
        _remove_below(parent, waiting.pop(), 0, parent, waiting)


def _remove_below(parent: int, name: str, depth: int, top: int, waiting: list[str]) -> None:
    """As `remove_tree`; what lies deeper than `STEPS` is moved to `top`, under a name that is added to `waiting`."""
    try:
        inner = os.open(name, _DIRECTORY, dir_fd=parent)
    except FileNotFoundError:
        return
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=parent)  # not a link: those are never a matter of permission
        inner = os.open(name, _DIRECTORY, dir_fd=parent)
    except OSError:
        try:
            os.unlink(name, dir_fd=parent)
        except FileNotFoundError:
            pass
        return
    try:
        seen = os.fstat(inner)
        if seen.st_mode & 0o700 != 0o700 and seen.st_uid == os.geteuid():
            os.fchmod(inner, 0o700)
        if depth > STEPS:
            new = f".deep-{os.urandom(8).hex()}"
            try:
                os.rename(name, new, src_dir_fd=parent, dst_dir_fd=top)
            except FileNotFoundError:
                return
            waiting.append(new)
            return
        for one in list(os.scandir(inner)):
            if one.is_dir(follow_symlinks=False):
                _remove_below(inner, one.name, depth + 1, top, waiting)
            else:
                try:
                    os.unlink(one.name, dir_fd=inner)
                except FileNotFoundError:
                    pass
    finally:
        os.close(inner)
    try:
        os.rmdir(name, dir_fd=parent)
    except FileNotFoundError:
        pass
