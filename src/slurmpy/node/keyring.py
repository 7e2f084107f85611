"""Session keyrings (keyrings(7), session-keyring(7)): each step has its own.

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

#: bound once: in a fork the first call by name costs many page faults
_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.argtypes = [ctypes.c_long] * 6
_syscall.restype = ctypes.c_long


def _keyctl(operation: int, first: int, second: int = 0) -> None:
    """Raises OSError, but not where there are no keyrings at all."""
    if _NUMBER and _syscall(_NUMBER, operation, first, second, 0, 0) == -1:
        number = ctypes.get_errno()
        if number not in _NONE:
            raise OSError(number, f"keyctl: {os.strerror(number)}")


def leave() -> None:
    """A new session keyring, empty, for this process and those that it starts. For root: users may have but few."""
    _keyctl(JOIN_SESSION_KEYRING, 0)


def take_users() -> None:
    """Once it is the user: the keyring that all processes of his share is found through the session's, as logins do
    it (pam_keyinit(8))."""
    try:
        _keyctl(LINK, USER_KEYRING, SESSION_KEYRING)
    except OSError:
        pass  # he has used up what he may have; nothing of anybody else's is found
