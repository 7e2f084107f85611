"""Bundles made of images, kept per user and shared by all his tasks and jobs.

    CACHE/                  mode 0700, of the user
      images/KEY/           a bundle: config.json, rootfs; image.json (what it is), lease (locked by who uses it)
      names/NAME            symbolic link to ../images/KEY
      notes/HASH            KEY of what a docker:// reference or a tar file became
      locks/KEY             locked by who makes KEY
      tmp/KEY.RANDOM        what is being made, or removed

KEY tells the content and for whom it was made (`manifest.key_of`). Whoever makes an image holds the lock of its key,
works in tmp and renames the finished bundle to its place: it is there as a whole or not at all. The kernel drops the
locks of a process that dies, so whatever is in tmp without a lock is nobody's, and the next one to come removes it. Who
uses a bundle holds a shared lock on its lease; who removes it needs that lock alone, and moves the bundle to tmp first.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat

from .errors import ImageError, reason
from .reference import Reference, directory_kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from .limits import Limits

VARIABLE = "SLURMPY_IMAGE_CACHE"
_FORMAT = 1
_FOLDERS = ("images", "names", "notes", "locks", "tmp")


def default_directory(home: str, environ: Mapping[str, str]) -> str:
    """``$SLURMPY_IMAGE_CACHE``, else ``$XDG_CACHE_HOME/slurmpy/images``, else ``~/.cache/slurmpy/images``.

    Raises ImageError if there is no home directory either.
    """
    named = environ.get(VARIABLE)
    if named:
        return os.path.abspath(named)
    cache = environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(cache):
        if not os.path.isabs(home):
            raise ImageError(f"no home directory for the cache of images; set {VARIABLE} to a directory")
        cache = os.path.join(home, ".cache")
    return os.path.join(cache, "slurmpy", "images")


class Lease:
    """A bundle in use. path: its directory; descriptor: of the shared lock that keeps it (-1 for a bundle that is not
    in the cache: it is its owner's). A child that inherits the descriptor keeps the bundle too; `close` closes only
    ours."""

    __slots__ = ("descriptor", "path")

    def __init__(self, path: str, descriptor: int = -1) -> None:
        self.path, self.descriptor = path, descriptor

    def fileno(self) -> int:
        return self.descriptor

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *what: object) -> None:
        self.close()


class Cache:
    """The cache in `directory`, which is made when it is needed. limits: those of the environment unless given."""

    def __init__(self, directory: str, limits: Limits | None = None) -> None:
        self.directory = os.path.abspath(directory)
        self._limits = limits

    def __getitem__(self, name: str) -> str:
        return os.path.join(self.directory, name)

    @property
    def limits(self) -> Limits:
        if self._limits is None:
            from .limits import read

            self._limits = read(os.environ)
        return self._limits

    # ---- the directory

    def make(self) -> None:
        """Makes the directory, or checks it: nobody else may be able to put anything into it. Raises ImageError."""
        try:
            os.makedirs(self.directory, mode=0o700, exist_ok=True)
            self._check()
            for name in _FOLDERS:
                try:
                    os.mkdir(self[name], 0o700)
                except FileExistsError:
                    seen = os.lstat(self[name])
                    if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.geteuid() or seen.st_mode & 0o022:
                        raise ImageError(f"{self[name]}: not a directory that only you can write to") from None
        except OSError as error:
            raise ImageError(
                f"cannot make the cache of images {error.filename or self.directory}: {error.strerror}"
                f" ({VARIABLE} names another place)"
            ) from None

    def _check(self) -> None:
        seen = os.stat(self.directory)
        if seen.st_uid != os.geteuid():
            raise ImageError(f"the cache of images {self.directory} belongs to somebody else")
        if seen.st_mode & 0o022:
            raise ImageError(
                f"the cache of images {self.directory} can be written to by others (chmod 700, and empty it)"
            )
        if seen.st_mode & 0o077:
            os.chmod(self.directory, 0o700)
        above = os.path.dirname(os.path.realpath(self.directory))
        while above != "/":
            mode = os.stat(above).st_mode
            if mode & 0o002 and not mode & stat.S_ISVTX:
                raise ImageError(
                    f"the cache of images {self.directory} can be replaced by others, who can write to {above}"
                )
            above = os.path.dirname(above)

    # ---- using

    def use(
        self,
        reference: Reference,
        *,
        uid: int | None = None,
        gid: int | None = None,
        progress: Callable[[int, int], object] | None = None,
        fetch: bool = False,
    ) -> Lease:
        """A bundle of what `reference` names, made if it is not there yet; whoever comes meanwhile waits for the one
        who makes it.

        uid, gid: whose processes run in it, who must be the user of this process (and is, unless given). progress:
        hears (bytes so far, bytes in all) while it is made. fetch: ask the registry again, for a docker:// reference
        that was fetched before. Raises ImageError.
        """
        uid = os.geteuid() if uid is None else uid
        gid = os.getegid() if gid is None else gid
        if uid != os.geteuid():
            raise ImageError(f"the cache of images is for user {os.geteuid()}, not {uid}")
        reference = reference.absolute(os.getcwd()) if not os.path.isabs(reference.path) else reference
        try:
            if reference.kind == "directory":
                if directory_kind(reference.path) == "bundle":
                    return self._own(reference.path)
                self.make()
                from .making import RootFileSystem

                return self._made(RootFileSystem(reference, uid, gid), progress)
            self.make()
            if reference.kind == "docker":
                return self._fetched(reference, uid, gid, progress, fetch)
            if reference.kind != "oci":
                return self._archive(reference, uid, gid, progress)
            return self._image(reference, uid, gid, progress)
        except OSError as error:
            raise reason(error, error.filename or self.directory) from None

    def _own(self, path: str) -> Lease:
        """A bundle that the user made, or named by its place in a cache."""
        if not in_cache(path):
            return Lease(path)
        images, key = os.path.split(os.path.realpath(path))
        lease = Cache(os.path.dirname(images)).lease(key)
        if lease is None:
            raise ImageError(f"{path}: No such file or directory")
        return lease

    def _image(
        self, reference: Reference, uid: int, gid: int, progress: Callable[[int, int], object] | None,
        called: Reference | None = None,
    ) -> Lease:  # fmt: skip
        from .making import ImageBundle
        from .manifest import open_image

        image = open_image(reference, self.limits, self["tmp"])
        try:
            return self._made(ImageBundle(image, called or reference, uid, gid, self.limits), progress)
        finally:
            image.close()

    def _fetched(
        self, reference: Reference, uid: int, gid: int, progress: Callable[[int, int], object] | None, fetch: bool
    ) -> Lease:
        from .registry import fetched

        def make(note: str) -> Lease:
            with fetched(reference, self["tmp"], note, self.limits) as layout:
                return self._image(Reference("oci", layout, "image"), uid, gid, progress, reference)

        return self._noted(f"{uid} {gid} {reference}", make, fetch)

    def _archive(
        self, reference: Reference, uid: int, gid: int, progress: Callable[[int, int], object] | None
    ) -> Lease:
        """An image in a tar file. Which bundle it became is noted by the file's identity and times, so that a large one
        that is compressed as a whole is read once only."""
        try:
            seen = os.stat(reference.path)
        except OSError as error:
            raise ImageError(f"{reference}: {error.strerror}") from None
        state = f"{seen.st_dev} {seen.st_ino} {seen.st_size} {seen.st_mtime_ns} {seen.st_ctime_ns}"
        return self._noted(
            f"{uid} {gid} {reference} {state}", lambda note: self._image(reference, uid, gid, progress), False
        )

    def _noted(self, what: str, make: Callable[[str], Lease], anew: bool) -> Lease:
        """The lease of the bundle that was noted for `what`; without one, or `anew`, of what `make` makes, which
        is then noted. make: called with the note's key, whose lock is held."""
        import hashlib

        key = hashlib.sha256(what.encode("utf-8", "surrogateescape")).hexdigest()
        note = self[f"notes/{key}"]
        if not anew and (lease := self._by_note(note)):
            return lease
        lock = self._lock(key)
        try:
            if not anew and (lease := self._by_note(note)):
                return lease
            self.sweep(key)  # also what was left with this very lock, which nobody else can have now
            lease = make(key)
            write_file(note, os.path.basename(lease.path), self[f"tmp/{key}.{os.urandom(8).hex()}"])
            return lease
        finally:
            os.close(lock)

    def _by_note(self, note: str) -> Lease | None:
        try:
            with open(note, encoding="ascii", errors="replace") as file:
                return self.lease(file.read(64))
        except FileNotFoundError:
            return None

    def lease(self, key: str) -> Lease | None:
        """A lease of what is in the cache under `key`; None if nothing is."""
        if not is_key(key):
            return None
        path = self[f"images/{key}"]
        while True:
            try:
                handle = os.open(os.path.join(path, "lease"), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            except (FileNotFoundError, NotADirectoryError):
                return None
            fcntl.flock(handle, fcntl.LOCK_SH)
            if _is_at(handle, os.path.join(path, "lease")):
                os.utime(handle)  # it was used just now, which gc goes by
                return Lease(path, handle)
            os.close(handle)  # it was removed while we waited

    def _made(self, making: Any, progress: Callable[[int, int], object] | None) -> Lease:
        """The lease of what `making` (see `making`) makes, made if it is not there."""
        lease = self.lease(making.key)
        if lease is not None:
            return lease
        lock = self._lock(making.key)
        try:
            lease = self.lease(making.key)  # by who had the lock before
            if lease is not None:
                return lease
            self.sweep(making.key)
            place = self[f"tmp/{making.key}.{os.urandom(8).hex()}"]
            os.mkdir(place, 0o700)
            try:
                return self._make_in(place, making, progress)
            except BaseException:
                self._remove_place(place)
                raise
        finally:
            os.close(lock)

    def _make_in(self, place: str, making: Any, progress: Callable[[int, int], object] | None) -> Lease:
        import json

        handle = os.open(os.path.join(place, "lease"), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_SH)  # before anybody can see it, so that it is never without its user
            about = making.make(place, progress)
            text = json.dumps({"format": _FORMAT, "key": making.key, **about})
            write_file(os.path.join(place, "image.json"), text, os.path.join(place, "image.json.new"))
            path = self[f"images/{making.key}"]
            if os.path.isdir(path) and not os.path.exists(os.path.join(path, "lease")):
                self._remove_place(path)  # damaged by hand
            os.rename(place, path)
        except BaseException:
            os.close(handle)
            raise
        if self.limits.cache:
            self.collect(max_size=self.limits.cache)
        return Lease(path, handle)

    # ---- locks and leftovers

    def _lock(self, key: str, wait: bool = True) -> int:
        """The lock on making `key`; without `wait` -1 if somebody has it."""
        path = self[f"locks/{key}"]
        while True:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except OSError as error:
                os.close(handle)
                if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                    return -1
                raise
            if _is_at(handle, path):
                return handle
            os.close(handle)

    def sweep(self, held: str = "") -> int:
        """Removes what killed processes left in tmp; how much that was. held: the key whose lock we have."""
        count = 0
        for name in os.listdir(self["tmp"]):
            key = name.partition(".")[0]
            lock = -1 if key == held or not is_key(key) else self._lock(key, wait=False)
            if lock >= 0 or key == held or not is_key(key):
                count += 1
                self._remove_place(self[f"tmp/{name}"])
            if lock >= 0:
                self._drop(key, lock)
        return count

    def _drop(self, key: str, lock: int) -> None:
        """Removes the file of a lock that we have; who waits for it notices and makes it anew."""
        os.unlink(self[f"locks/{key}"])
        os.close(lock)

    def drop_lock(self, key: str) -> None:
        """Removes the file of a lock that nobody has."""
        lock = self._lock(key, wait=False)
        if lock >= 0:
            self._drop(key, lock)

    def _remove_place(self, path: str) -> None:
        from .tree import remove_tree

        above = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            remove_tree(above, os.path.basename(path))
        finally:
            os.close(above)

    # ---- what there is

    def entries(self) -> Iterator[Any]:
        """An `inventory.Bundle` of each that is there."""
        from .inventory import bundles

        return bundles(self)

    def remove(self, key: str) -> bool:
        """Removes a bundle; False if it is in use. Raises OSError."""
        path = self[f"images/{key}"]
        try:
            handle = os.open(os.path.join(path, "lease"), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:  # damaged: nobody can hold it
            handle = -1
        except NotADirectoryError:
            os.unlink(path)
            return True
        try:
            if handle >= 0:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError as error:
                    if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                        return False
                    raise
                if not _is_at(handle, os.path.join(path, "lease")):
                    return True  # somebody else removed it meanwhile
            place = self[f"tmp/{key}.{os.urandom(8).hex()}"]
            try:
                os.rename(path, place)
            except FileNotFoundError:
                return True
            self._remove_place(place)
        finally:
            if handle >= 0:
                os.close(handle)
        return True

    def collect(self, max_size: int | None = None, max_age: float | None = None) -> Any:
        """Removes leftovers, then what was not used for `max_age` seconds, then what was not used for longest until all
        is at most `max_size` bytes; never what is in use. An `inventory.Collected`. Raises ImageError."""
        from .inventory import collect

        return collect(self, max_size, max_age)


def in_cache(path: str) -> bool:
    """Whether a path names a bundle in a cache, perhaps through links: such a one must be leased to be used."""
    real = os.path.realpath(path)
    above, key = os.path.split(real)
    return is_key(key) and os.path.basename(above) == "images" and os.path.lexists(os.path.join(real, "lease"))


def load() -> None:
    """Imports all that making a bundle may need: for who is about to become a user that cannot read this package."""
    import hashlib
    import importlib
    import json
    import resource
    import shutil
    import subprocess
    import tempfile
    import threading

    del hashlib, json, resource, shutil, subprocess, tempfile, threading
    for name in ("docker_archive", "inventory", "layers", "layout", "limits", "making", "registry", "tree"):
        importlib.import_module(f"slurmpy.image.{name}")


def is_key(text: str) -> bool:
    return len(text) == 64 and not text.strip("0123456789abcdef")


def _is_at(handle: int, path: str) -> bool:
    """Whether the open file is the one that the path names now."""
    try:
        seen = os.stat(path, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return os.path.samestat(os.fstat(handle), seen)


def write_file(path: str, text: str, draft: str) -> None:
    """A file as a whole or not at all, written as `draft` first."""
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(draft, path)
