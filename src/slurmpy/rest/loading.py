"""Records that a client sends into the database: what is not there is added, what is there is changed.

So what one cluster's daemon tells of its accounts, users, associations, QOS and WCKeys can be given to another's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from slurmpy.core.errors import SlurmError
from slurmpy.core.records import accounting as records

if TYPE_CHECKING:
    from .call import Call

Args = dict[str, Any]

#: fields of an association that are no limits
PLACE = {
    "id", "cluster", "account", "user", "user_id", "partition", "parent_account", "parent_id", "lineage", "is_default",
    "creation_time", "default_qos_id", "flags",
}  # fmt: skip


class Together:
    """Changes that are gathered instead of made, until `commit` makes all of them or none. ``label`` is what they are
    known by from now on."""

    def __init__(self) -> None:
        self.label: Any = None
        self._requests: list[tuple[str, Args, str, Args]] = []
        self._labels: list[Any] = []

    def add(self, method: str, args: Args, otherwise: tuple[str, Args] | None = None) -> None:
        self._requests.append((method, args, *(otherwise or ("", {}))))
        self._labels.append(self.label)

    async def commit(self, call: Call) -> None:
        """Raises SlurmError; ``label`` is then that of the change which was refused."""
        try:
            if self._requests:
                await call.slurmdbd.call("change_together", {"requests": tuple(self._requests)})
        except SlurmError as error:
            at = error.data.get("at")
            self.label = self._labels[at if isinstance(at, int) and at < len(self._labels) else -1]
            raise


async def _put(call: Call, method: str, args: Args, otherwise: tuple[str, Args] | None = None) -> None:
    """Makes a change, or the other one if it adds nothing; or notes it down where changes are made together."""
    if call.together is not None:
        call.together.add(method, args, otherwise)
    elif not (await _ask(call, method, args)).get("added") and otherwise is not None:
        await _ask(call, *otherwise)


async def _ask(call: Call, method: str, args: Args) -> Args:
    answer: Args = await call.slurmdbd.call(method, {"commit": True, **args}) or {}
    return answer


async def account(call: Call, record: records.Account) -> None:
    """Raises SlurmError, as all of these."""
    texts = {"description": record.description, "organization": record.organization}
    args = {"names": (record.name,), **texts, "flags": record.flags, "bare": True}
    given = {name: value for name, value in texts.items() if value}
    change = {"where": {"names": (record.name,)}, "set": given}
    await _put(call, "add_accounts", args, ("modify_accounts", change) if given else None)


async def user(call: Call, record: records.User) -> None:
    """Without associations yet, so that a default account has to wait for those."""
    level = record.administrator_level
    change = {"where": {"names": (record.name,)}, "set": {"admin_level": level}}
    otherwise = ("modify_users", change) if "administrator_level" in record.__dict__ else None
    await _put(call, "add_users", {"names": (record.name,), "admin_level": level, "bare": True}, otherwise)


async def association(call: Call, record: records.Association) -> None:
    limits = {name: value for name, value in record.to_wire().items() if name not in PLACE}
    if "qos" in limits:
        limits["qos"] = ("=", limits["qos"])
    args: Args = {"limits": limits}
    where: Args = {}
    if record.cluster:
        args["clusters"] = where["clusters"] = (record.cluster,)
    if record.user:
        kind = "users"
        args |= {"names": (record.user,), "accounts": (record.account,)}
        where |= {"names": (record.user,), "accounts": (record.account,)}
        if record.partition:
            args["partitions"] = where["partitions"] = (record.partition,)
        if record.is_default:
            args["default_account"] = record.account
        elif "is_default" in record.__dict__.get("_given", ()):  # else the first one is the default
            args["no_default"] = True
    else:
        kind = "accounts"
        args |= {"names": (record.account,), "parent": record.parent_account}
        where["names"] = (record.account,)
    await _put(call, f"add_{kind}", args, (f"modify_{kind}", {"where": where, "limits": limits}) if limits else None)


async def qos(call: Call, found: Sequence[records.Qos]) -> None:
    """All of a list: what one may preempt is set when all are there."""
    for record in found:
        changes = {name: value for name, value in record.to_wire().items() if name not in ("id", "name", "preempt")}
        changes.pop("creation_time", None)
        if "flags" in changes:
            changes["flags"] = ("=", changes["flags"])
        change = {"where": {"names": (record.name,)}, "set": changes}
        await _put(
            call, "add_qos", {"names": (record.name,), "set": changes}, ("modify_qos", change) if changes else None
        )
    for record in found:
        if record.preempt:
            changes = {"preempt": ("=", record.preempt)}
            await _put(call, "modify_qos", {"where": {"names": (record.name,)}, "set": changes})


async def wckey(call: Call, record: records.Wckey) -> None:
    name = record.name.removeprefix("*")  # how a default is told
    if not name:
        return  # every user has that one
    args: Args = {"names": (record.user,), "wckeys": (name,), "clusters": (record.cluster,)}
    if record.is_default:
        args["default_wckey"] = name
    else:
        args["plain_wckeys"] = True
    await _put(call, "add_users", args)


async def cluster(call: Call, record: records.Cluster) -> None:
    await _put(call, "add_clusters", {"names": (record.name,)})


async def coordinators(call: Call, accounts: Sequence[records.Account]) -> None:
    """Who the accounts name as their own coordinators, once the users are there."""
    for record in accounts:
        names = tuple(name for name, direct in getattr(record, "_coordinators", ()) if direct)
        if names:
            await _put(call, "add_coordinators", {"users": names, "accounts": (record.name,)})
