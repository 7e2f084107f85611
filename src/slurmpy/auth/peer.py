"""Who is asking."""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket


#: socket(7): taken as numbers, because the import of `socket` would cost every command five milliseconds
SOL_SOCKET, SO_PEERCRED = 1, 17


class Peer:
    """A caller whose identity has been checked. `source` says how: "unix", "key" (auth/slurm), "munge" or "jwt"."""

    __slots__ = ("_name", "gid", "host", "node", "pid", "source", "uid")

    def __init__(
        self,
        uid: int,
        gid: int,
        source: str,
        pid: int | None = None,
        host: str = "",
        node: str = "",
        name: str | None = None,
    ) -> None:
        self.uid, self.gid, self.source, self.pid, self.host, self.node = uid, gid, source, pid, host, node
        self._name = name

    @property
    def is_root(self) -> bool:
        return self.uid == 0

    @property
    def name(self) -> str:
        """The user's name, or the number where the system knows none."""
        if self._name is None:
            import pwd

            try:
                self._name = pwd.getpwuid(self.uid).pw_name
            except KeyError:
                self._name = str(self.uid)
        return self._name

    def __repr__(self) -> str:
        return f"{self.name}({self.uid}) by {self.source}"


def of_unix_socket(connection: socket) -> Peer:
    """The process at the other end of a connected unix socket, as the kernel knows it (SO_PEERCRED, unix(7))."""
    raw = connection.getsockopt(SOL_SOCKET, SO_PEERCRED, 12)
    pid, uid, gid = struct.unpack("iII", raw)
    return Peer(uid, gid, "unix", pid)
