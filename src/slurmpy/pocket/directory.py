"""The pocket cluster's directory: one per user, private."""

from __future__ import annotations

import os
import stat

from slurmpy.core.errors import SlurmError

#: Names another directory than the user's own (tests, several pockets side by side).
VARIABLE = "SLURMPY_POCKET"


def path() -> str:
    """``$SLURMPY_POCKET``, else ``slurmpy/pocket`` in the user's state directory (XDG base directory specification)."""
    named = os.environ.get(VARIABLE)
    if named:
        return os.path.abspath(named)
    state = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):
        home = os.path.expanduser("~")
        if not os.path.isabs(home):
            raise SlurmError(
                "SLURM_ERROR", "no home directory for the pocket cluster; set SLURMPY_POCKET to a directory"
            )
        state = os.path.join(home, ".local", "state")
    return os.path.join(state, "slurmpy", "pocket")


class Directory:
    """Paths below `root`. `make()` creates them; raises SlurmError with the system's reason."""

    def __init__(self, root: str | None = None) -> None:
        self.root = root or path()

    def __getitem__(self, name: str) -> str:
        return os.path.join(self.root, name)

    @property
    def conf(self) -> str:
        return self["slurm.conf"]

    @property
    def socket(self) -> str:
        return self["run/slurmctld.sock"]

    def make(self) -> None:
        try:
            os.makedirs(self.root, mode=0o700, exist_ok=True)
            seen = os.stat(self.root)
            if seen.st_uid != os.geteuid():
                raise SlurmError("SLURM_ERROR", f"the pocket cluster's directory {self.root} belongs to somebody else")
            if stat.S_IMODE(seen.st_mode) & 0o077:
                os.chmod(self.root, 0o700)
            for name in ("state", "spool", "log", "run"):
                os.makedirs(self[name], mode=0o700, exist_ok=True)
        except OSError as error:
            raise SlurmError(
                "SLURM_ERROR",
                f"cannot make the pocket cluster's directory {error.filename or self.root}: {error.strerror}"
                " (SLURMPY_POCKET names another place)",
            ) from error

    def write(self, name: str, text: str) -> None:
        """Replaces a file whole, or leaves it as it was. Raises SlurmError."""
        draft = self[f"{name}.new"]
        try:
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                os.write(handle, text.encode())
                os.fsync(handle)
            finally:
                os.close(handle)
            os.replace(draft, self[name])
        except OSError as error:
            raise SlurmError("SLURM_ERROR", f"cannot write {self[name]}: {error.strerror}") from error
