"""The terminal of a container whose config.json wants one: made here, its master given to who asked for it.

The node's slurmstepd gives the container a pseudo terminal of its own; this one stands for it on the host where scrun
was called, as the terminal of a user stands for that of ``srun --pty``.
"""

from __future__ import annotations

import os

from .errors import Stop, line

#: what runc sends beside the descriptor: the name of the multiplexer
NAME = b"/dev/ptmx"


def attach(path: str) -> None:
    """Makes a pseudo terminal, sends its master to the unix socket `path`, and makes its other end this process's
    controlling terminal and descriptors 0, 1 and 2. The process must lead a session. Raises Stop."""
    import fcntl
    import socket
    import termios

    master, slave = os.openpty()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            _connect(connection, path)
            socket.send_fds(connection, [NAME], [master])
    except OSError as error:
        os.close(slave)
        text = f"unable to send the terminal to {path}: {error.strerror or error}"
        raise Stop(1, err=line("scrun", text, "fatal")) from None
    finally:
        os.close(master)
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for descriptor in (0, 1, 2):
        os.dup2(slave, descriptor)
    if slave > 2:
        os.close(slave)


def _connect(connection: object, path: str) -> None:
    """However long the path is: sun_path holds 107 bytes, so a longer one is reached by its directory."""
    if len(os.fsencode(path)) <= 107:
        connection.connect(path)  # type: ignore[attr-defined]
        return
    handle = os.open(os.path.dirname(os.path.abspath(path)), os.O_PATH | os.O_DIRECTORY)
    try:
        connection.connect(f"/proc/self/fd/{handle}/{os.path.basename(path)}")  # type: ignore[attr-defined]
    finally:
        os.close(handle)
