"""Where a daemon answers."""

from __future__ import annotations

# The module below `socket`, which wraps every constant into an enum: that costs each command five milliseconds.
import _socket
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket


class Address:
    """A unix socket's path, or a host and a port; `what` names the daemon in messages."""

    __slots__ = ("host", "port", "unix", "what")

    def __init__(
        self, unix: str | None = None, host: str | None = None, port: int | None = None, what: str = "slurmctld"
    ) -> None:
        self.unix, self.host, self.port, self.what = unix, host, port, what

    def __repr__(self) -> str:
        return self.unix or f"{self.host}:{self.port}"

    def to_wire(self) -> dict[str, object]:
        return {"unix": self.unix, "host": self.host, "port": self.port}

    @classmethod
    def from_wire(cls, value: dict[str, object], what: str = "slurmd") -> Address:
        unix, host, port = value.get("unix"), value.get("host"), value.get("port")
        return cls(
            unix if isinstance(unix, str) else None,
            host if isinstance(host, str) else None,
            port if isinstance(port, int) else None,
            what,
        )


def connect_unix(path: str, timeout: float | None) -> socket:
    """A connection to a unix socket, however long its path (sun_path holds 107 bytes: go by the directory then)."""
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    connection.settimeout(timeout)
    try:
        if len(os.fsencode(path)) <= 107:
            connection.connect(path)
        else:
            handle = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY)
            try:
                connection.connect(f"/proc/self/fd/{handle}/{os.path.basename(path)}")
            finally:
                os.close(handle)
    except BaseException:
        connection.close()
        raise
    return connection  # type: ignore[return-value]


def bind_unix(path: str, mode: int) -> socket:
    """A listening unix socket at `path`, which replaces a stale one; made under a restrictive umask, then `mode`.

    Raises OSError (EADDRINUSE) if somebody answers there.
    """
    import errno
    import socket

    try:
        connect_unix(path, 1.0).close()
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno not in (errno.ECONNREFUSED, errno.ENOENT):
            raise
        os.unlink(path)
    else:
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    handle = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY)
    before = os.umask(0o177)
    try:
        listener.bind(f"/proc/self/fd/{handle}/{os.path.basename(path)}")
        os.chmod(path, mode)
        listener.listen(1024)
    except BaseException:
        listener.close()
        raise
    finally:
        os.umask(before)
        os.close(handle)
    return listener
