"""Who may do what in slurmdbd, beyond the role that `dbd_messages.METHODS` demands of a method: the one place for
it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from slurmpy.core.errors import SlurmError

if TYPE_CHECKING:
    from slurmpy.auth.peer import Peer

    from .books import Books

_LEVELS = {"None": 0, "Operator": 1, "Administrator": 2}


class Permissions:
    """What a peer may do, by the books and slurmdbd.conf (SlurmUser, PrivateData)."""

    def __init__(self, books: Books, slurm_user: int, private_data: Iterable[str]) -> None:
        self.books, self.slurm_user = books, slurm_user
        self.private = frozenset(word.lower() for word in private_data)

    def level(self, peer: Peer) -> int:
        """0 None, 1 Operator, 2 Administrator."""
        if peer.uid in (0, self.slurm_user):
            return 2
        return _LEVELS.get(self.books.admin_level(peer.name), 0)

    def is_operator(self, peer: Peer) -> bool:
        return self.level(peer) >= 1

    def coordinates(self, peer: Peer) -> frozenset[str]:
        """Accounts that the peer coordinates, directly or from above."""
        return frozenset(self.books.coordinates(peer.name)) if peer.name else frozenset()

    def need_operator(self, peer: Peer) -> None:
        if not self.is_operator(peer):
            raise SlurmError("ESLURM_ACCESS_DENIED")

    def need_accounts(self, peer: Peer, accounts: Iterable[str]) -> None:
        """An operator, or a coordinator of every one of `accounts`; raises SlurmError ESLURM_ACCESS_DENIED."""
        if self.is_operator(peer):
            return
        wanted = list(accounts)
        own = self.coordinates(peer)
        if not wanted or not own or any(account not in own for account in wanted):
            raise SlurmError("ESLURM_ACCESS_DENIED")

    def need_level_for(self, peer: Peer, level: str) -> None:
        """AdminLevel is given by those who have as much themselves."""
        if self.level(peer) < max(1, _LEVELS.get(level, 2)):
            raise SlurmError("ESLURM_ACCESS_DENIED")

    # -- what a peer sees ----------------------------------------------------------------------------------------

    def restricted(self, peer: Peer, what: str) -> bool:
        """Whether PrivateData hides others' `what` ("jobs", "users", "accounts", ...) from the peer."""
        return what in self.private and not self.is_operator(peer)

    def jobs_filter(self, peer: Peer, where: dict[str, Any], fields: Iterable[str] = ()) -> dict[str, Any]:
        """`where` of a job query with what the peer must not see left out.

        Scripts and environments may hold secrets: they are their owner's and operators', whatever PrivateData says.
        """
        cleaned = {name: value for name, value in where.items() if name != "visible"}
        if {"script", "environment"} & set(fields) and not self.is_operator(peer):
            cleaned["visible"] = (peer.uid, ())
        elif self.restricted(peer, "jobs"):
            cleaned["visible"] = (peer.uid, tuple(self.coordinates(peer)))
        return cleaned

    def may_see_user(self, peer: Peer, name: str) -> bool:
        return not self.restricted(peer, "users") or name == peer.name

    def may_see_assoc(self, peer: Peer, account: str, user: str) -> bool:
        if not (self.restricted(peer, "accounts") or self.restricted(peer, "users")):
            return True
        if user == peer.name or account in self.coordinates(peer):
            return True
        own = {assoc.account for assoc in self.books.assocs_of_user(peer.name)}
        return not user and account in own and not self.restricted(peer, "accounts")
