"""Who may do what in slurmdbd, beyond the role that `dbd_messages.METHODS` demands of a method: the one place for
it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from slurmpy.core.errors import SlurmError
from slurmpy.rpc.dbd_messages import METHODS

from . import assoc_changes, user_changes

if TYPE_CHECKING:
    from slurmpy.auth.peer import Peer

    from .books import Books

_LEVELS = {"None": 0, "Operator": 1, "Administrator": 2}
#: the level that a role demands
_ROLES = {"any": 0, "operator": 1, "admin": 2}


class Permissions:
    """What a peer may do, by the books and slurmdbd.conf (SlurmUser, PrivateData)."""

    def __init__(
        self, books: Books, slurm_user: int, private_data: Iterable[str], without_coordinators: bool = False
    ) -> None:
        self.books, self.slurm_user = books, slurm_user
        self.configure(private_data, without_coordinators)

    def configure(self, private_data: Iterable[str], without_coordinators: bool) -> None:
        """PrivateData and DisableCoordDBD of slurmdbd.conf."""
        self.private = frozenset(word.lower() for word in private_data)
        self.without_coordinators = without_coordinators

    def level(self, peer: Peer) -> int:
        """0 None, 1 Operator, 2 Administrator."""
        if peer.uid in (0, self.slurm_user):
            return 2
        return _LEVELS.get(self.books.admin_level(peer.name), 0)

    def is_operator(self, peer: Peer) -> bool:
        return self.level(peer) >= 1

    def coordinates(self, peer: Peer) -> frozenset[str]:
        """Accounts that the peer coordinates, directly or from above; none with DisableCoordDBD."""
        if self.without_coordinators:
            return frozenset()
        return frozenset(self.books.coordinates(peer.name)) if peer.name else frozenset()

    def allowed(self, peer: Peer, method: str, args: dict[str, Any]) -> dict[str, Any]:
        """The arguments that a method goes on with: `args`, with what is none of a coordinator's left out of ``where``.

        Called before anything is done. Raises SlurmError ESLURM_ACCESS_DENIED; its data["reason"], if any, is in
        Slurm's words.
        """
        check = _CHECKS.get(method)
        return args if check is None else check(self, peer, args)

    def allowed_alone(self, peer: Peer, method: str, args: dict[str, Any]) -> dict[str, Any]:
        """The same for a request within another one, whose role nobody has looked at yet."""
        if self.level(peer) < _ROLES[METHODS[method]]:
            raise SlurmError("ESLURM_ACCESS_DENIED")
        return self.allowed(peer, method, args)

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
        """Who adds or removes a user with an AdminLevel has as much himself."""
        if self.level(peer) < max(1, _LEVELS.get(level, 2)):
            raise SlurmError("ESLURM_ACCESS_DENIED")

    # -- what a peer sees ----------------------------------------------------------------------------------------

    def restricted(self, peer: Peer, what: str) -> bool:
        """Whether PrivateData hides others' `what` ("jobs", "users", "accounts", ...) from the peer."""
        return what in self.private and not self.is_operator(peer)

    def jobs_filter(self, peer: Peer, where: dict[str, Any], fields: Iterable[str] = ()) -> dict[str, Any]:
        """`where` of a job query with what the peer must not see left out.

        Scripts and environments may hold secrets: they are their owner's, coordinators' and operators', whatever
        PrivateData says.
        """
        cleaned = {name: value for name, value in where.items() if name != "visible"}
        secret = bool({"script", "environment"} & set(fields)) and not self.is_operator(peer)
        if secret or self.restricted(peer, "jobs"):
            cleaned["visible"] = (peer.uid, tuple(self.coordinates(peer)))
        return cleaned

    def usage_filter(self, peer: Peer) -> Callable[[str, str], bool] | None:
        """What tells (account, user) whose usage the peer may see; None if he may see all."""
        if not self.restricted(peer, "usage"):
            return None
        own = self.coordinates(peer)
        return lambda account, user: user == peer.name or account in own

    def may_change_jobs_of(self, peer: Peer, owners: Iterable[int]) -> bool:
        """Whether the peer may change jobs of these users (numbers) that are over: operators anybody's, others their
        own. Which fields is asked before (`_modify_jobs`); whose jobs they are is known in the transaction only."""
        return self.is_operator(peer) or all(owner == peer.uid for owner in owners)

    def may_see_user(self, peer: Peer, name: str) -> bool:
        return not self.restricted(peer, "users") or name == peer.name

    def may_see_assoc(self, peer: Peer, account: str, user: str) -> bool:
        if not (self.restricted(peer, "accounts") or self.restricted(peer, "users")):
            return True
        if user == peer.name or account in self.coordinates(peer):
            return True
        own = {assoc.account for assoc in self.books.assocs_of_user(peer.name)}
        return not user and account in own and not self.restricted(peer, "accounts")


# ---- what each method asks for beyond its role

Args = dict[str, Any]

_NOTHING = ("\0",)  # names nothing
_NO_PRIVILEGE = "Your user doesn't have privilege to perform this action"
_REVOKED = "Coordinator privilege revoked with DisableCoordDBD, only admins/operators can add accounts."
#: what of their own users may change, coordinators of the account or not
_OWN_SETTINGS, _OWN_LIMITS = {"default_account", "default_wckey"}, {"default_qos"}
#: of a job that is over, what its owner may not change
_JOB_FIELDS_OF_OPERATORS = {"admin_comment", "system_comment", "wckey"}


def _only(args: Args, **where: Any) -> Args:
    return {**args, "where": {**(args.get("where") or {}), **where}}


def _only_own_qos(may: Permissions, peer: Peer, limits: Args) -> None:
    """A coordinator sets a list of QOS that he has himself, and changes none by += and -=."""
    if "qos" not in limits:
        return
    sign, names = limits["qos"]
    own = {name for assoc in may.books.assocs_of_user(peer.name) for name in may.books.effective(assoc).qos}
    if sign in ("+", "-") or not set(names) <= own:
        raise SlurmError("ESLURM_ACCESS_DENIED")


def _add_accounts(may: Permissions, peer: Peer, args: Args) -> Args:
    """Operators anywhere; coordinators below accounts of theirs."""
    if may.is_operator(peer):
        return args
    own = may.coordinates(peer)
    if may.without_coordinators:
        raise SlurmError("ESLURM_ACCESS_DENIED", _REVOKED)
    if not own:
        raise SlurmError("ESLURM_ACCESS_DENIED", "Only admins/operators/coordinators can add accounts")
    if args.get("bare") or str(args.get("parent") or "root") not in own:
        raise SlurmError("ESLURM_ACCESS_DENIED", _NO_PRIVILEGE)
    _only_own_qos(may, peer, args.get("limits") or {})
    return args


def _modify_accounts(may: Permissions, peer: Peer, args: Args) -> Args:
    """Operators; limits and the parent also coordinators of the account above: none changes his own account's."""
    if may.is_operator(peer):
        return args
    changes = args.get("set") or {}
    if set(changes) - {"parent"}:
        raise SlurmError("ESLURM_ACCESS_DENIED")
    _only_own_qos(may, peer, args.get("limits") or {})
    matching = assoc_changes.matching_accounts(may.books, args.get("where") or {})
    above = {assoc.parent_account or "root" for assoc in matching}
    if "parent" in changes:
        above.add(str(changes["parent"]))
    may.need_accounts(peer, above)
    return args


def _delete_accounts(may: Permissions, peer: Peer, args: Args) -> Args:
    """Operators; coordinators take away associations of accounts of theirs, and find no others."""
    if may.is_operator(peer):
        return args
    where, own = args.get("where") or {}, may.coordinates(peer)
    if not own or not (args.get("only_associations") or where.get("clusters") or where.get("parents")):
        raise SlurmError("ESLURM_ACCESS_DENIED")
    matching = assoc_changes.matching_accounts(may.books, where)
    return _only(args, names=tuple({assoc.account for assoc in matching if assoc.account in own}) or _NOTHING)


def _add_users(may: Permissions, peer: Peer, args: Args) -> Args:
    """Operators; to accounts of theirs coordinators. An AdminLevel is given by those who have as much."""
    try:
        if args.get("admin_level"):
            may.need_level_for(peer, str(args["admin_level"]))
        if args.get("bare") or args.get("wckeys") or args.get("default_wckey"):
            may.need_operator(peer)
        accounts = [str(name) for name in args.get("accounts") or ()]
        if args.get("default_account"):  # it becomes one of them
            accounts.append(str(args["default_account"]))
        may.need_accounts(peer, accounts)
        if not may.is_operator(peer):
            _only_own_qos(may, peer, args.get("limits") or {})
    except SlurmError as error:
        raise SlurmError(error.name, f"Problem adding user associations: {error.message}") from error
    return args


def _modify_users(may: Permissions, peer: Peer, args: Args) -> Args:
    """Operators; AdminLevel administrators alone. Users their own defaults, coordinators limits in their accounts."""
    where, changes, limits = args.get("where") or {}, args.get("set") or {}, args.get("limits") or {}
    level = may.level(peer)
    if "admin_level" in changes and level == 1:
        raise SlurmError(
            "ESLURM_ACCESS_DENIED", data={"reason": "You must be a super user to modify a users admin level"}
        )
    if level:
        return args
    own = set(where.get("names") or ()) == {peer.name}
    if set(changes) - (_OWN_SETTINGS if own else set()):
        raise SlurmError(
            "ESLURM_ACCESS_DENIED",
            data={"reason": "You can only change your own default account, default wckey nothing else"}
            if own
            else None,
        )
    if own and set(limits) <= _OWN_LIMITS:
        return args
    matching = user_changes.matching_users(may.books, where)
    coordinated = may.coordinates(peer)
    if own and not any(assoc.account in coordinated for assoc in matching):
        raise SlurmError("SLURM_NO_CHANGE_IN_DATA")
    if not coordinated or any(assoc.account not in coordinated for assoc in matching):
        raise SlurmError("ESLURM_ACCESS_DENIED")
    _only_own_qos(may, peer, limits)
    return args


def _delete_users(may: Permissions, peer: Peer, args: Args) -> Args:
    """Operators; users of accounts of theirs coordinators. Nobody removes a user of a higher AdminLevel than his."""
    where = args.get("where") or {}
    matching = user_changes.matching_users(may.books, where)
    for name in {assoc.user for assoc in matching} | set(where.get("names") or ()):
        if may.books.admin_level(name) != "None":
            may.need_level_for(peer, may.books.admin_level(name))
    if may.is_operator(peer):
        return args
    own = may.coordinates(peer)
    if not own or where.get("wckeys"):
        raise SlurmError("ESLURM_ACCESS_DENIED")
    accounts = {assoc.account for assoc in matching}
    if where.get("accounts") or where.get("clusters") or where.get("partitions"):
        return _only(args, accounts=tuple(accounts & own) or _NOTHING)
    may.need_accounts(peer, accounts)
    return args


def _add_coordinators(may: Permissions, peer: Peer, args: Args) -> Args:
    """Operators; coordinators of the accounts."""
    may.need_accounts(peer, [str(name) for name in args.get("accounts") or ()])
    return args


def _delete_coordinators(may: Permissions, peer: Peer, args: Args) -> Args:
    """Operators; coordinators of the accounts; and whoever wants to coordinate no longer."""
    if may.is_operator(peer):
        return args
    accounts, users = set(args.get("accounts") or ()), set(args.get("users") or ())
    own = may.coordinates(peer)
    found = [
        key for key in may.books.coordinators if (not accounts or key[0] in accounts) and (not users or key[1] in users)
    ]
    if not found and not own:
        raise SlurmError("ESLURM_ACCESS_DENIED")
    if any(account not in own and user != peer.name for account, user in found):
        raise SlurmError("ESLURM_ACCESS_DENIED")
    return args


def _modify_jobs(may: Permissions, peer: Peer, args: Args) -> Args:
    """The owner what his job says; the rest operators. Whose job it is, is asked in the transaction that changes it."""
    if not may.is_operator(peer) and set(args.get("set") or {}) & _JOB_FIELDS_OF_OPERATORS:
        raise SlurmError("ESLURM_ACCESS_DENIED")
    return args


def _query(may: Permissions, peer: Peer, args: Args) -> Args:
    """Everybody, but for lists that are operators' and lists that PrivateData closes as a whole."""
    what = str(args.get("what"))
    if what == "problems":
        may.need_operator(peer)
    if what == "accounts" and may.restricted(peer, what) and not may.coordinates(peer):
        raise SlurmError("ESLURM_ACCESS_DENIED")
    if what in ("events", "reservations") and may.restricted(peer, what):
        raise SlurmError("ESLURM_ACCESS_DENIED")
    return args


def _private_usage(may: Permissions, peer: Peer, args: Args) -> Args:
    if may.restricted(peer, "usage"):
        may.need_operator(peer)
    return args


_CHECKS: dict[str, Callable[[Permissions, Peer, Args], Args]] = {
    "add_accounts": _add_accounts,
    "modify_accounts": _modify_accounts,
    "delete_accounts": _delete_accounts,
    "add_users": _add_users,
    "modify_users": _modify_users,
    "delete_users": _delete_users,
    "add_coordinators": _add_coordinators,
    "delete_coordinators": _delete_coordinators,
    "modify_jobs": _modify_jobs,
    "query": _query,
    "job_sizes": _private_usage,
}
