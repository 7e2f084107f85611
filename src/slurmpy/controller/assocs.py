"""slurmctld's copy of what slurmdbd knows: associations, QOS, users, TRES, WCKeys. Fed by slurmdbd, kept by the store.

The records are those of `slurmpy.core.records.accounting`; here they also carry the usage that limits.py counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from slurmpy.core import tres
from slurmpy.core.records import accounting

#: administrator levels as slurmdbd writes them, in rising order
ADMIN_LEVELS = ("None", "Operator", "Administrator")


class _WithUsage:
    """TRES limits parsed once, and what is in use of them."""

    _parsed: dict[str, dict[str, int]]
    _usage: dict[str, Any]

    def limit(self, field: str) -> dict[str, int]:
        """A TRES field (``grp_tres``, ...) as a dictionary: {"cpu": 10, "gres/gpu": 2}; empty where there is no
        limit."""
        found = self._parsed.get(field)
        if found is None:
            found = self._parsed[field] = dict(tres.parse(getattr(self, field) or ""))
        return found


class Association(accounting.Association, _WithUsage):
    pass


class Qos(accounting.Qos, _WithUsage):
    pass


class AssocCache:
    """Associations and QOS by id and by name. Empty as long as slurmdbd was never heard of."""

    def __init__(self) -> None:
        self.filled = False  # slurmdbd, or the store, has given us its view
        self.version = 0  # grows with every change
        self.assocs: dict[int, Association] = {}
        self.qos: dict[str, Qos] = {}
        self.qos_by_id: dict[int, Qos] = {}
        self.users: dict[str, accounting.User] = {}
        self.accounts: dict[str, accounting.Account] = {}
        self.coordinators: set[tuple[str, str]] = set()  # (account, user)
        self.tres: dict[str, int] = {}  # label -> id
        self.wckeys: dict[int, accounting.Wckey] = {}
        self.wckey_ids: dict[tuple[str, str], int] = {}  # (user, name) -> id
        self.resources: dict[int, accounting.Resource] = {}
        self._by_name: dict[tuple[str, str, str], Association] = {}  # (account, user, partition)

    def find(self, account: str, user: str, partition: str = "") -> Association | None:
        """The association of a user in an account, one for the partition before the general one."""
        if partition:
            found = self._by_name.get((account, user, partition))
            if found is not None:
                return found
        return self._by_name.get((account, user, ""))

    def default_account(self, user: str) -> str:
        known = self.users.get(user)
        return known.default_account if known is not None else ""

    def chain(self, assoc: Association) -> Iterator[Association]:
        """The association and those above it, up to the root."""
        current: Association | None = assoc
        while current is not None:
            yield current
            current = self.assocs.get(current.parent_id) if current.parent_id else None

    def admin_level(self, user: str) -> int:
        """0 none, 1 operator, 2 administrator."""
        known = self.users.get(user)
        level = known.administrator_level if known is not None else "None"
        return ADMIN_LEVELS.index(level) if level in ADMIN_LEVELS else 0

    def is_coordinator(self, user: str, account: str) -> bool:
        """Of the account, or of one above it."""
        if not self.coordinators:
            return False
        assoc = self._by_name.get((account, "", ""))
        if assoc is None:
            return (account, user) in self.coordinators
        return any((above.account, user) in self.coordinators for above in self.chain(assoc))

    # ---------------------------------------------------------------- slurmdbd's stream

    def load_snapshot(self, message: dict[str, Any]) -> None:
        """Replaces everything by a ``snapshot`` of slurmdbd's (see rpc/dbd_messages.py); usage is kept by id."""
        old_assocs, old_qos = self.assocs, self.qos_by_id
        self.assocs, self.qos_by_id, self.qos, self._by_name = {}, {}, {}, {}
        self.users, self.accounts, self.coordinators, self.tres = {}, {}, set(), {}
        self.wckeys, self.wckey_ids, self.resources = {}, {}, {}
        self._put(message, old_assocs, old_qos)
        self.filled = True

    def apply_update(self, message: dict[str, Any]) -> None:
        """Applies an ``update`` of slurmdbd's."""
        removed = message.get("removed") or {}
        for assoc_id in removed.get("associations", ()):
            self._drop_assoc(assoc_id)
        for qos_id in removed.get("qos", ()):
            old = self.qos_by_id.pop(qos_id, None)
            if old is not None:
                self.qos.pop(old.name, None)
        for name in removed.get("users", ()):
            self.users.pop(name, None)
        for name in removed.get("accounts", ()):
            self.accounts.pop(name, None)
        for account, user in removed.get("coordinators", ()):
            self.coordinators.discard((account, user))
        for wckey_id in removed.get("wckeys", ()):
            key = self.wckeys.pop(wckey_id, None)
            if key is not None:
                self.wckey_ids.pop((key.user, key.name), None)
        for resource_id in removed.get("resources", ()):
            self.resources.pop(resource_id, None)
        self._put(message.get("changed") or {}, self.assocs, self.qos_by_id)

    def to_snapshot(self) -> dict[str, Any]:
        """What `load_snapshot` takes, for the store."""
        return {
            "associations": tuple(a.to_wire() for a in self.assocs.values()),
            "qos": tuple(q.to_wire() for q in self.qos_by_id.values()),
            "users": tuple(u.to_wire() for u in self.users.values()),
            "accounts": tuple(a.to_wire() for a in self.accounts.values()),
            "wckeys": tuple(w.to_wire() for w in self.wckeys.values()),
            "coordinators": tuple({"account": a, "user": u} for a, u in sorted(self.coordinators)),
            "resources": tuple(r.to_wire() for r in self.resources.values()),
            "tres": tuple(
                {"id": number, "type": label.partition("/")[0], "name": label.partition("/")[2]}
                for label, number in self.tres.items()
            ),
        }

    def _put(self, message: dict[str, Any], old_assocs: dict[int, Association], old_qos: dict[int, Qos]) -> None:
        self.version += 1
        for wire in message.get("associations", ()):
            assoc = Association.from_wire(wire)
            old = old_assocs.get(assoc.id)
            assoc._parsed, assoc._usage = {}, old._usage if old is not None else {}
            if old_assocs is self.assocs:
                self._drop_assoc(assoc.id)
            self.assocs[assoc.id] = assoc
            self._by_name[assoc.account, assoc.user, assoc.partition] = assoc
        for wire in message.get("qos", ()):
            qos = Qos.from_wire(wire)
            before = old_qos.get(qos.id)
            qos._parsed, qos._usage = {}, before._usage if before is not None else {}
            if before is not None and old_qos is self.qos_by_id:
                self.qos.pop(before.name, None)
            self.qos_by_id[qos.id] = qos
            self.qos[qos.name] = qos
        for wire in message.get("users", ()):
            user = accounting.User.from_wire(wire)
            self.users[user.name] = user
        for wire in message.get("accounts", ()):
            account = accounting.Account.from_wire(wire)
            self.accounts[account.name] = account
        for wire in message.get("coordinators", ()):
            self.coordinators.add((wire["account"], wire["user"]))
        for wire in message.get("wckeys", ()):
            key = accounting.Wckey.from_wire(wire)
            self.wckeys[key.id] = key
            self.wckey_ids[key.user, key.name] = key.id
        for wire in message.get("tres", ()):
            one = accounting.Tres.from_wire(wire)
            self.tres[one.label] = one.id
        for wire in message.get("resources", ()):
            resource = accounting.Resource.from_wire(wire)
            self.resources[resource.id] = resource

    def _drop_assoc(self, assoc_id: int) -> None:
        old = self.assocs.pop(assoc_id, None)
        if old is not None:
            self._by_name.pop((old.account, old.user, old.partition), None)
