"""Session keyrings (keyrings(7), session-keyring(7)): a task's is its own.

A process has its parent's, whoever it becomes, and who has a keyring may read what others put into it: tickets of
Kerberos, passwords of network file systems. slurmd has one wherever systemd or a login has made it, so without this all
users' tasks of a node would share it. The C library knows nothing of keyctl(2), so it is called by number.
"""

from __future__ import annotations

import ctypes
import errno
import os

_NUMBERS = {"x86_64": 250, "aarch64": 219, "riscv64": 219, "loongarch64": 219, "ppc64le": 271, "s390x": 280}
_NUMBER = _NUMBERS.get(os.uname().machine, 0) if ctypes.sizeof(ctypes.c_void_p) == 8 else 0
JOIN_SESSION_KEYRING, LINK = 1, 8
SESSION_KEYRING, USER_KEYRING = -3, -4
#: There are no keyrings here, for nobody: not in the kernel, or a filter of system calls is before it.
_NONE = (errno.ENOSYS, errno.EPERM, errno.EACCES, errno.EOPNOTSUPP)

_libc = ctypes.CDLL(None, use_errno=True)


def _keyctl(operation: int, *arguments: int) -> None:
    """Raises OSError, but not where there are no keyrings at all."""
    given = [ctypes.c_long(argument) for argument in (*arguments, 0, 0, 0, 0)[:4]]
    if _NUMBER and _libc.syscall(ctypes.c_long(_NUMBER), ctypes.c_long(operation), *given) == -1:
        number = ctypes.get_errno()
        if number not in _NONE:
            raise OSError(number, f"keyctl: {os.strerror(number)}")


def leave() -> None:
    """A new session keyring for this process, empty. While it is still root: what users have of keyrings is little."""
    _keyctl(JOIN_SESSION_KEYRING, 0)


def take_users() -> None:
    """Once it is the user: the keyring that all processes of his share is found through the session's, as logins do
    it (pam_keyinit(8))."""
    try:
        _keyctl(LINK, USER_KEYRING, SESSION_KEYRING)
    except OSError:
        pass  # he has used up what he may have; nothing of anybody else's is found
