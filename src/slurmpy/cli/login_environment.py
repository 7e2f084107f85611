"""The environment that a login of a user gives, for --get-user-env and --export=NONE (imported only for them)."""

from __future__ import annotations

import os
import pwd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

#: seconds to wait for the login, unless --get-user-env says it
TIMEOUT = 8
PATH = "/usr/local/bin:/usr/bin:/bin"
#: variables of the login itself
OWN = frozenset({"_", "SHLVL", "PWD", "OLDPWD", "TERM"})


def of(uid: int, asked: str) -> dict[str, str]:
    """The variables after a login of user number `uid`; {} if that is not possible in time.

    `asked` is the value of --get-user-env: seconds, and S for a shell that reads no login files.
    """
    import subprocess

    try:
        user = pwd.getpwuid(uid)
    except KeyError:
        return {}
    seconds = float(asked.rstrip("SLsl") or 0) or TIMEOUT
    base = {"HOME": user.pw_dir, "USER": user.pw_name, "LOGNAME": user.pw_name, "SHELL": user.pw_shell, "PATH": PATH}
    try:
        done = subprocess.run(
            command(user, login=not asked.upper().endswith("S")),
            env=base,
            cwd=user.pw_dir if os.path.isdir(user.pw_dir) else "/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return read(done.stdout, base)


def command(user: pwd.struct_passwd, login: bool) -> Sequence[str]:
    """What is run: the user's shell, by way of su for another user."""
    shown = "printf '\\n\\0\\0'; env -0"
    if os.geteuid() == 0 and user.pw_uid != 0:
        return ["su", *(["-"] if login else []), user.pw_name, "-c", shown]
    return [user.pw_shell or "/bin/sh", *(["-l"] if login else []), "-c", shown]


def read(data: bytes, base: dict[str, str]) -> dict[str, str]:
    """The variables behind the mark; what the login files printed stands before it."""
    _, mark, rest = data.partition(b"\n\0\0")
    if not mark:
        return {}
    found = dict(base)
    for entry in rest.decode("utf-8", "surrogateescape").split("\0"):
        name, equals, value = entry.partition("=")
        if equals and name and name not in OWN:
            found[name] = value
    return found
