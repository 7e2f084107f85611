"""The lines typed in sacctmgr's interactive mode: editing and history on a terminal, kept between sessions.

The file is the user's own (mode 0600) in a folder that nobody else may read. Where it cannot be written there is a
history of this session alone.
"""

from __future__ import annotations

import os

#: lines that are kept
LENGTH = 1000

_used = False


def path() -> str:
    """``$XDG_STATE_HOME/slurmpy/sacctmgr_history`` (``~/.local/state`` where the variable is not set)."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "slurmpy", "sacctmgr_history")


def use() -> None:
    """Gives input() line editing, and the lines of earlier sessions."""
    global _used
    if _used:
        return
    _used = True
    try:
        import readline
    except ImportError:  # a Python without it: plain input
        return
    readline.set_auto_history(False)
    readline.set_history_length(LENGTH)
    try:
        readline.read_history_file(path())
    except OSError:
        pass


def keep(text: str) -> None:
    """Adds a line at once, so that a session that is killed has lost nothing; not what is blank or said twice."""
    try:
        import readline
    except ImportError:
        return
    line, count = text.strip(), readline.get_current_history_length()
    if not line or (count and readline.get_history_item(count) == line):
        return
    readline.add_history(line)
    where = path()
    try:
        os.makedirs(os.path.dirname(where), mode=0o700, exist_ok=True)
        os.close(os.open(where, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600))
        os.chmod(where, 0o600)
        readline.append_history_file(1, where)  # which also cuts the file to its length
    except OSError:
        pass
