"""Where scrun keeps a container: its directory below --root, the record in it, and who holds its lock.

    ROOT/ID/state.json      the record, replaced as a whole
    ROOT/ID/lock            locked (flock) by the anchor as long as it lives: however that ends, the lock goes with it
    ROOT/ID/anchor.sock     where the anchor answers
    ROOT/ID/spool/          for the staging's files

A container's directory is made under another name and renamed: there is none without a record.
"""

from __future__ import annotations

import os

from .errors import Stop, line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

RECORD, LOCK, SOCKET, SPOOL = "state.json", "lock", "anchor.sock", "spool"
#: a directory under construction begins so; no container can be called that
NEW = ".new-"
#: what an ID is made of, as with runc
_ID_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.")
#: a record is read up to this size, bytes
MAX_RECORD = 4 << 20


def default_root() -> str:
    """``/run/user/UID/scrun`` (scrun(1))."""
    return f"/run/user/{os.getuid()}/scrun"


def check_id(container: str) -> str:
    """The ID itself. Raises Stop if it could be no file's name."""
    if (
        not container
        or len(os.fsencode(container)) > 255
        or container.startswith(".")
        or not set(container) <= _ID_LETTERS
    ):
        raise Stop(1, err=line("scrun", f'invalid container-id "{container}"', "fatal"))
    return container


def open_root(path: str | None, make: bool) -> str:
    """The absolute path of the root directory; with `make` it is made. Raises Stop if others could write to it.

    Without `make` a directory that is not there is no error: there are no containers then.
    """
    root = os.path.abspath(path or default_root())
    try:
        if make:
            os.makedirs(root, mode=0o700, exist_ok=True)
        seen = os.stat(root)
    except FileNotFoundError:
        if not make:
            return root
        _refuse(f"unable to make {root}: No such file or directory")
    except OSError as error:
        _refuse(f"unable to make {root}: {error.strerror}")
    if not os.path.isdir(root):
        _refuse(f"{root} is not a directory")
    if seen.st_uid != os.geteuid():
        _refuse(f"{root} belongs to somebody else")
    if seen.st_mode & 0o022:
        _refuse(f"{root} may be written by others than you")
    return root


class Place:
    """A container's directory."""

    def __init__(self, root: str, container: str) -> None:
        self.root, self.container = root, container
        self.path = os.path.join(root, container)

    def file(self, name: str) -> str:
        return os.path.join(self.path, name)

    @property
    def socket(self) -> str:
        return self.file(SOCKET)

    def make(self, record: dict[str, Any]) -> int:
        """Makes the directory with its record; the descriptor of the lock, held. Raises Stop if it is there."""
        import fcntl

        _sweep(self.root)
        if os.path.lexists(self.path):
            _refuse(f"container {self.container} already exists")
        building = os.path.join(self.root, f"{NEW}{os.getpid()}-{os.urandom(6).hex()}")
        os.mkdir(building, 0o700)
        try:
            descriptor = os.open(os.path.join(building, LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.mkdir(os.path.join(building, SPOOL), 0o700)
            _write(os.path.join(building, RECORD), record)
            os.rename(building, self.path)  # fails where a directory with something in it stands already
        except OSError as error:
            _remove(building)
            if os.path.lexists(self.path):
                _refuse(f"container {self.container} already exists")
            _refuse(f"unable to make {self.path}: {error.strerror}")
        return descriptor

    def read(self) -> dict[str, Any] | None:
        """The record; None if there is no such container. Raises Stop if it cannot be read."""
        import json

        try:
            with open(self.file(RECORD), "rb") as stream:
                found = json.loads(stream.read(MAX_RECORD))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            _refuse(f"unable to read {self.file(RECORD)}: {error.strerror}")
        except ValueError:
            _refuse(f"unable to parse {self.file(RECORD)}")
        if not isinstance(found, dict) or not isinstance(found.get("id"), str):
            _refuse(f"unable to parse {self.file(RECORD)}")
        return found

    def write(self, record: dict[str, Any]) -> None:
        _write(self.file(RECORD), record)

    def is_held(self) -> bool:
        """Whether the anchor (or the create that starts it) lives."""
        import fcntl

        try:
            descriptor = os.open(self.file(LOCK), os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # who looks is in nobody's way
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def hold(self) -> int:
        """Waits until nobody else has the lock and takes it; its descriptor, -1 if the container is gone."""
        import fcntl

        try:
            descriptor = os.open(self.file(LOCK), os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return -1
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return descriptor

    def wait_free(self, seconds: float) -> bool:
        """Waits for the anchor's end. False if it lives still after `seconds`."""
        import fcntl
        import signal

        def late(number: int, frame: object) -> NoReturn:
            raise TimeoutError

        try:
            descriptor = os.open(self.file(LOCK), os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return True
        before = signal.signal(signal.SIGALRM, late)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            return True
        except TimeoutError:
            return False
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            os.close(descriptor)

    def remove(self) -> None:
        """Removes the directory with all that is in it; first it gets a name under which nobody looks for it."""
        gone = os.path.join(self.root, f"{NEW}{os.getpid()}-{os.urandom(6).hex()}")
        try:
            os.rename(self.path, gone)
        except FileNotFoundError:
            return
        _remove(gone)


def _sweep(root: str) -> None:
    """Removes what a create or delete that was killed has left half done."""
    import fcntl

    for name in os.listdir(root):
        if not name.startswith(NEW):
            continue
        left = os.path.join(root, name)
        maker = name[len(NEW) :].partition("-")[0]
        if maker.isdigit() and os.path.exists(f"/proc/{maker}"):
            continue
        try:
            descriptor = os.open(os.path.join(left, LOCK), os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            _remove(left)
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            _remove(left)
        except BlockingIOError:
            pass
        finally:
            os.close(descriptor)


def _remove(path: str) -> None:
    import shutil

    shutil.rmtree(path, ignore_errors=True)


def _write(path: str, record: dict[str, Any]) -> None:
    import json

    new = f"{path}.{os.getpid()}"
    with open(new, "w", encoding="utf-8", errors="surrogateescape") as stream:
        json.dump(record, stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.rename(new, path)


def _refuse(message: str) -> NoReturn:
    raise Stop(1, err=line("scrun", message, "fatal"))
