"""Whose jobs are these? slurmctld's state has a name, which a new state (another StateSaveLocation, or one that was
emptied) has not. Then job numbers begin anew, and what a node remembers of the old ones is about other jobs."""

from __future__ import annotations

import os

from slurmpy.rpc.log import log

#: a name has 16 characters
LONGEST = 100


class Allegiance:
    """The name of the state that this node's jobs are of, kept in the spool directory."""

    def __init__(self, spool: str) -> None:
        self._path = os.path.join(spool, "slurmctld")
        self.state = ""  # not known yet
        try:
            with open(self._path, encoding="utf-8", errors="replace") as file:
                self.state = file.read(LONGEST).strip()
        except OSError:
            pass

    def turns_to(self, state: object) -> bool:
        """Whether slurmctld has told another name than before; the first one is noted at once, another one by `note`,
        when nothing is left of the former state: a slurmd that is killed meanwhile leaves that to the next."""
        if not isinstance(state, str) or not state or state == self.state:
            return False
        before, self.state = self.state, state
        if not before:
            self.note()
        return bool(before)

    def note(self) -> None:
        """Keeps the name for the slurmds to come."""
        draft = f"{self._path}.new"
        try:
            with open(draft, "w", encoding="utf-8", opener=_private) as file:
                file.write(f"{self.state}\n")
            os.rename(draft, self._path)
        except OSError as error:  # the next slurmd of this node will not know that anything has changed
            log.error(f"cannot note whose jobs these are: {error.strerror}")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
