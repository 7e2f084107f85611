"""What is in a cache, and which of it goes."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time

from .cache import is_key
from .errors import ImageError, reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .cache import Cache

#: seconds after which a name that is being given was left by a killed process
_DRAFT = 3600


class Bundle:
    """One bundle of a cache. reference: what it was made of; size: bytes on disk, about; created, used: seconds since
    1970; names: what the user calls it; damaged: it is not as it was made, and gc removes it."""

    def __init__(self, cache: Cache, key: str, names: list[str]) -> None:
        self.key, self.names, self.path = key, names, cache[f"images/{key}"]
        about: dict[str, Any] = {}
        try:
            with open(os.path.join(self.path, "image.json"), encoding="utf-8") as file:
                about = json.loads(file.read(1 << 20))
            self.used = int(os.stat(os.path.join(self.path, "lease")).st_mtime)
            self.damaged = not os.path.exists(os.path.join(self.path, "config.json"))
        except (OSError, ValueError):
            self.used, self.damaged = 0, True
        if not isinstance(about, dict):
            about, self.damaged = {}, True
        self.reference = str(about.get("reference", ""))
        self.digest = str(about.get("config_digest", ""))
        self.size = about["size"] if isinstance(about.get("size"), int) else 0
        self.layers = about["layers"] if isinstance(about.get("layers"), int) else 0
        self.created = about["created"] if isinstance(about.get("created"), int) else 0

    @property
    def in_use(self) -> bool:
        try:
            handle = os.open(os.path.join(self.path, "lease"), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                return True
            raise
        finally:
            os.close(handle)
        return False

    def record(self) -> dict[str, Any]:
        """For --json."""
        return {
            "key": self.key, "path": self.path, "names": self.names, "reference": self.reference,
            "config_digest": self.digest, "layers": self.layers, "size": self.size, "created": self.created,
            "last_used": self.used, "in_use": self.in_use, "damaged": self.damaged,
        }  # fmt: skip


def _names(cache: Cache) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in sorted(os.listdir(cache["names"])):
        try:
            found.setdefault(os.path.basename(os.readlink(cache[f"names/{name}"])), []).append(name)
        except OSError:
            continue
    return found


def bundles(cache: Cache) -> Iterator[Bundle]:
    """All bundles, those used last first. Raises ImageError."""
    if not os.path.isdir(cache.directory):
        return iter(())
    cache.make()
    try:
        names = _names(cache)
        found = [Bundle(cache, key, names.get(key, [])) for key in os.listdir(cache["images"]) if is_key(key)]
    except OSError as error:
        raise reason(error, cache.directory) from None
    return iter(sorted(found, key=lambda one: (-one.used, one.key)))


def check_name(name: str) -> None:
    """Raises ImageError unless a bundle can be called so."""
    if (
        not name
        or len(name) > 128
        or name[0] in ".-"
        or is_key(name)
        or any(not (letter.isascii() and letter.isalnum()) and letter not in "._-+@" for letter in name)
    ):
        raise ImageError(f"{name}: not a name for a bundle (letters, digits and ._-+@)")


def set_name(cache: Cache, name: str, key: str) -> None:
    """Calls a bundle `name`, which may have been another's. Raises ImageError."""
    check_name(name)
    draft = cache[f"names/.{os.urandom(8).hex()}"]
    os.symlink(f"../images/{key}", draft)
    os.replace(draft, cache[f"names/{name}"])


def find(cache: Cache, text: str) -> Bundle:
    """The bundle that is meant: by name, path, the begin of its key, or what it was made of. Raises ImageError."""
    found = list(bundles(cache))
    real = os.path.realpath(text)
    for test in (
        lambda one: text in one.names,
        lambda one: one.path == text or os.path.realpath(one.path) == real,
        lambda one: len(text) >= 4 and one.key.startswith(text),
        lambda one: one.reference and one.reference in (text, _absolute(text)),
    ):
        matching = [one for one in found if test(one)]
        if len(matching) == 1:
            return matching[0]
        if matching:
            raise ImageError(f"{text}: there are several: {', '.join(one.key[:12] for one in matching)}")
    raise ImageError(f"{text}: there is no such bundle in {cache.directory}")


def _absolute(text: str) -> str:
    from .reference import resolve

    try:
        return resolve(text, os.getcwd())
    except ImageError:
        return ""


class Collected:
    """What a collection did. removed: the bundles; leftovers: how many of killed processes; size: bytes that are left;
    in_use: how many bundles would have gone, but are in use."""

    def __init__(self) -> None:
        self.removed: list[Bundle] = []
        self.leftovers = self.size = self.in_use = 0


def collect(cache: Cache, max_size: int | None, max_age: float | None) -> Collected:
    """See `Cache.collect`."""
    result = Collected()
    if not os.path.isdir(cache.directory):
        return result
    cache.make()
    try:
        result.leftovers = cache.sweep()
        found = list(bundles(cache))
        result.size = sum(one.size for one in found)
        now = time.time()
        for one in reversed(found):
            old = max_age is not None and now - one.used > max_age
            if not (one.damaged or old or (max_size is not None and result.size > max_size)):
                continue
            if cache.remove(one.key):
                result.removed.append(one)
                result.size -= one.size
            else:
                result.in_use += 1
        tidy(cache)
    except OSError as error:
        raise reason(error, cache.directory) from None
    return result


def tidy(cache: Cache) -> None:
    """Removes names, notes and locks of bundles that are no more."""

    def gone(key: str) -> bool:
        return not is_key(key) or not os.path.lexists(cache[f"images/{key}"])

    for name in os.listdir(cache["names"]):
        path = cache[f"names/{name}"]
        draft = name.startswith(".") and time.time() - os.lstat(path).st_mtime > _DRAFT
        if draft or gone(os.path.basename(os.readlink(path))):
            os.unlink(path)
    for name in os.listdir(cache["notes"]):
        with open(cache[f"notes/{name}"], encoding="utf-8", errors="replace") as file:
            key = file.read(64)
        if gone(key):
            os.unlink(cache[f"notes/{name}"])
    for name in os.listdir(cache["locks"]):
        if gone(name):
            cache.drop_lock(name)
