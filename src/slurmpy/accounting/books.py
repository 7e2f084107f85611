"""Who may use what, in memory: clusters, accounts, users, associations, QOS, TRES, WCKeys, coordinators, resources.

Records are never changed in place: a change works on a `fork()`, which remembers what it touched; after the database
has committed that, the fork takes the old one's place. So a change can be tried (to show what it would do) and thrown
away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from slurmpy.core.records.accounting import (
    STANDARD_TRES,
    Account,
    Association,
    Cluster,
    Coordinator,
    Federation,
    Qos,
    Resource,
    Transaction,
    Tres,
    User,
    Wckey,
)
from slurmpy.core.records.base import Record

from .deleted import FLAGGED, Deleted, marked, outlives, remains

if TYPE_CHECKING:
    import sqlalchemy as sa

#: kind: how a record is found
KINDS: dict[str, tuple[type[Record], tuple[str, ...]]] = {
    "tres": (Tres, ("id",)),
    "clusters": (Cluster, ("name",)),
    "qos": (Qos, ("id",)),
    "accounts": (Account, ("name",)),
    "users": (User, ("name",)),
    "coordinators": (Coordinator, ("account", "user")),
    "associations": (Association, ("cluster", "id")),
    "wckeys": (Wckey, ("cluster", "id")),
    "resources": (Resource, ("id",)),
    "federations": (Federation, ("name",)),
}

#: limits that an association takes from the ones above it where it has none of its own
INHERITED_NUMBERS = (
    "max_jobs",
    "max_jobs_accrue",
    "max_submit_jobs",
    "max_wall_duration_per_job",
    "min_prio_threshold",
    "priority",
)
INHERITED_TRES = ("max_tres_per_job", "max_tres_per_node", "max_tres_mins_per_job")

_NOT_FOR_SLURMCTLD = ("clusters", "federations")

AssocKey = tuple[str, str, str, str]  # cluster, account, user, partition


def collate(name: str) -> str:
    """The order of names in every list."""
    return name.upper()


class Books:
    def __init__(self) -> None:
        self.tres: dict[int, Tres] = {}
        self.clusters: dict[str, Cluster] = {}
        self.qos: dict[int, Qos] = {}
        self.accounts: dict[str, Account] = {}
        self.users: dict[str, User] = {}
        self.coordinators: dict[tuple[str, str], Coordinator] = {}
        self.associations: dict[tuple[str, int], Association] = {}
        self.wckeys: dict[tuple[str, int], Wckey] = {}
        self.resources: dict[int, Resource] = {}
        self.federations: dict[str, Federation] = {}
        # indexes
        self.by_name: dict[AssocKey, Association] = {}
        self.by_user: dict[str, tuple[tuple[str, int], ...]] = {}
        self.by_account: dict[tuple[str, str], tuple[tuple[str, int], ...]] = {}  # (cluster, account)
        self.below: dict[tuple[str, str], tuple[str, ...]] = {}  # (cluster, account): accounts under it
        self.tres_ids: dict[str, int] = {}
        self.qos_ids: dict[str, int] = {}
        self.wckey_ids: dict[tuple[str, str, str], int] = {}  # (cluster, user, name)
        self.wckeys_by_user: dict[str, tuple[tuple[str, int], ...]] = {}
        self.last_ids: dict[str, int] = {}
        self.deleted = Deleted()
        # what a fork has touched
        self.touched: dict[str, dict[Any, Record | None]] = {}
        self.transactions: list[Transaction] = []

    # -- making, forking -----------------------------------------------------------------------------------------

    @classmethod
    def fresh(cls, now: int) -> Books:
        """What a new database holds: the standard TRES, the QOS normal, the account and user root."""
        books = cls()
        for number, kind, name in STANDARD_TRES:
            books.put("tres", Tres(id=number, type=kind, name=name))
        books.put("qos", Qos(id=1, name="normal", description="Normal QOS default", creation_time=now))
        books.put(
            "accounts",
            Account(name="root", description="default root account", organization="root", creation_time=now),
        )
        books.put("users", User(name="root", administrator_level="Administrator", creation_time=now))
        return books

    @classmethod
    def load(cls, connection: sa.Connection) -> Books:
        from . import schema

        books = cls()
        for kind, mapper in schema.MAPPERS.items():
            mark = mapper.table.c.get("deleted")
            for row in connection.execute(mapper.select() if mark is None else mapper.select().where(~mark)):
                books.put(kind, mapper.load(row))
            for row in connection.execute(mapper.select().where(mark)) if mark is not None else ():
                record = mapper.load(row)
                books.deleted.add(kind, cls.key(kind, record), record)
        for row in connection.execute(schema.meta.select().where(schema.meta.c.name.like("last\\_%", escape="\\"))):
            books.last_ids[row.name[5:]] = int(row.value)
        books.touched.clear()
        return books

    def fork(self) -> Books:
        twin = Books()
        for name, value in self.__dict__.items():
            if name not in ("touched", "transactions", "deleted"):
                setattr(twin, name, dict(value))
        twin.deleted = self.deleted.copy()
        return twin

    # -- changing ------------------------------------------------------------------------------------------------

    @staticmethod
    def key(kind: str, record: Record) -> Any:
        names = KINDS[kind][1]
        return getattr(record, names[0]) if len(names) == 1 else tuple(getattr(record, name) for name in names)

    def put(self, kind: str, record: Any) -> None:
        """Adds the record, or replaces the one of the same key."""
        key = self.key(kind, record)
        table: dict[Any, Any] = getattr(self, kind)
        old = table.get(key)
        if old is not None:
            self._unindex(kind, key, old)
        table[key] = record
        self.deleted.forget(kind, key)
        self._index(kind, key, record)
        self.touched.setdefault(kind, {})[key] = record

    def remove(self, kind: str, record: Any) -> None:
        key = self.key(kind, record)
        old = getattr(self, kind).pop(key, None)
        if old is not None:
            self._unindex(kind, key, old)
            self.touched.setdefault(kind, {})[key] = None

    def delete(self, kind: str, record: Any, now: int, used: bool = True) -> None:
        """Removes the record; unless it is young and was not `used` by jobs it is kept among the deleted."""
        key = self.key(kind, record)
        old = getattr(self, kind).get(key)
        self.remove(kind, record)
        if old is not None and outlives(old, now, used):
            self.deleted.add(kind, key, remains(kind, old))

    def identity(self, kind: str, scope: str, names: tuple[str, ...], now: int) -> tuple[int, int]:
        """(id, creation time) of a record that is to be added: what the deleted one of that name had, or new ones."""
        old = self.deleted.find(kind, *names)
        if old is not None:
            return old.id, old.creation_time
        return self.next_id(kind, scope), now

    def born(self, kind: str, names: tuple[str, ...], now: int) -> int:
        """The creation time of a record that is to be added and has no number."""
        old = self.deleted.find(kind, *names)
        return old.creation_time if old is not None else now

    def with_deleted(self, kind: str, wanted: Any) -> list[Any]:
        """All records of a kind; if `wanted` the deleted ones too, with the flag DELETED where Slurm shows it."""
        found = list(getattr(self, kind).values())
        if not wanted:
            return found
        gone = self.deleted.of(kind)
        return found + ([marked(record) for record in gone] if kind in FLAGGED else gone)

    def _index(self, kind: str, key: Any, record: Any) -> None:
        if kind == "associations":
            self.by_name[record.cluster, record.account, record.user, record.partition] = record
            if record.user:
                self.by_user[record.user] = (*self.by_user.get(record.user, ()), key)
            else:
                above = (record.cluster, record.parent_account)
                if record.account != "root":
                    self.below[above] = (*self.below.get(above, ()), record.account)
            place = (record.cluster, record.account)
            self.by_account[place] = (*self.by_account.get(place, ()), key)
        elif kind == "tres":
            self.tres_ids[record.label] = record.id
        elif kind == "qos":
            self.qos_ids[record.name] = record.id
        elif kind == "wckeys":
            self.wckey_ids[record.cluster, record.user, record.name] = record.id
            self.wckeys_by_user[record.user] = (*self.wckeys_by_user.get(record.user, ()), key)

    def _unindex(self, kind: str, key: Any, record: Any) -> None:
        if kind == "associations":
            self.by_name.pop((record.cluster, record.account, record.user, record.partition), None)
            if record.user:
                self.by_user[record.user] = tuple(k for k in self.by_user.get(record.user, ()) if k != key)
            else:
                above = (record.cluster, record.parent_account)
                self.below[above] = tuple(name for name in self.below.get(above, ()) if name != record.account)
            place = (record.cluster, record.account)
            self.by_account[place] = tuple(k for k in self.by_account.get(place, ()) if k != key)
        elif kind == "tres":
            self.tres_ids.pop(record.label, None)
        elif kind == "qos":
            self.qos_ids.pop(record.name, None)
        elif kind == "wckeys":
            self.wckey_ids.pop((record.cluster, record.user, record.name), None)
            self.wckeys_by_user[record.user] = tuple(k for k in self.wckeys_by_user.get(record.user, ()) if k != key)

    def next_id(self, kind: str, scope: str = "") -> int:
        """An id that was never used before, for an association or WCKey of a cluster, a QOS, a TRES, a resource."""
        name = f"{kind}/{scope}" if scope else kind
        last = self.last_ids.get(name)
        if last is None:
            table: dict[Any, Any] = getattr(self, kind)
            used = (key[1] for key in table if key[0] == scope) if scope else iter(table)
            last = max(used, default=0)
            if kind == "tres":
                last = max(last, 1000)
        self.last_ids[name] = last + 1
        return last + 1

    def log(self, action: str, actor: str, where: str, info: str, now: int, cluster: str = "") -> None:
        self.transactions.append(
            Transaction(time=now, action=action, actor=actor, where=where, info=info, cluster=cluster)
        )

    @property
    def changed(self) -> bool:
        return bool(self.touched or self.transactions)

    def save(self, connection: sa.Connection) -> None:
        """Writes what this fork has touched, in the caller's transaction."""
        import sqlalchemy as sa

        from . import schema

        for kind, records in self.touched.items():
            mapper = schema.MAPPERS[kind]
            names = KINDS[kind][1]
            condition = sa.and_(*(mapper.table.c[name] == sa.bindparam(f"k_{name}") for name in names))
            keys = [key if isinstance(key, tuple) else (key,) for key in records]
            connection.execute(
                mapper.table.delete().where(condition),
                [{f"k_{name}": part for name, part in zip(names, key, strict=True)} for key in keys],
            )
            rows = [mapper.row(record) for record in records.values() if record is not None]
            if rows:
                connection.execute(mapper.table.insert(), rows)
            gone = (self.deleted.records.get((kind, key)) for key, record in records.items() if record is None)
            rows = [{**mapper.row(record), "deleted": True} for record in gone if record is not None]
            if rows:
                connection.execute(mapper.table.insert(), rows)
        if self.touched:
            connection.execute(schema.meta.delete().where(schema.meta.c.name.like("last\\_%", escape="\\")))
            if self.last_ids:
                connection.execute(
                    schema.meta.insert(),
                    [{"name": f"last_{name}", "value": str(number)} for name, number in self.last_ids.items()],
                )
        if self.transactions:
            connection.execute(
                schema.transactions.insert(),
                [
                    {name: getattr(one, name) for name in Transaction.FIELDS if name != "id"}
                    for one in self.transactions
                ],
            )

    def settle(self) -> None:
        """Forgets what was touched: it is in the database now."""
        self.touched, self.transactions = {}, []

    # -- looking up ----------------------------------------------------------------------------------------------

    def assoc(self, cluster: str, account: str, user: str = "", partition: str = "") -> Association | None:
        return self.by_name.get((cluster, account, user, partition))

    def _above(self, assoc: Association) -> Association | None:
        """`parent`, be it deleted."""
        if assoc.account == "root" and not assoc.user:
            return None
        account = assoc.account if assoc.user else assoc.parent_account or "root"
        found: Association | None = self.deleted.find("associations", assoc.cluster, account, "", "")
        return self.assoc(assoc.cluster, account) or found

    def assocs_of_user(self, user: str) -> list[Association]:
        return [self.associations[key] for key in self.by_user.get(user, ())]

    def assocs_of_account(self, cluster: str, account: str) -> list[Association]:
        """The account's own association and those of its users (not of the accounts below)."""
        return [self.associations[key] for key in self.by_account.get((cluster, account), ())]

    def parent(self, assoc: Association) -> Association | None:
        if assoc.user:
            return self.assoc(assoc.cluster, assoc.account)
        if assoc.account == "root":
            return None
        return self.assoc(assoc.cluster, assoc.parent_account or "root")

    def chain(self, assoc: Association) -> Iterator[Association]:
        """The association and those above it; ends even in a broken tree."""
        current: Association | None = assoc
        for _ in range(1000):
            if current is None:
                return
            yield current
            current = self._above(current) if "DELETED" in assoc.flags else self.parent(current)

    def subtree(self, cluster: str, account: str) -> Iterator[Association]:
        """Everything at and below an account, the account's own association first."""
        waiting = [account]
        seen = set()
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            own = self.assocs_of_account(cluster, name)
            yield from (assoc for assoc in own if not assoc.user)
            yield from (assoc for assoc in own if assoc.user)
            waiting.extend(self.below.get((cluster, name), ()))

    def accounts_below(self, cluster: str, account: str) -> set[str]:
        """The account and all under it."""
        return {assoc.account for assoc in self.subtree(cluster, account)} | {account}

    def lineage(self, assoc: Association) -> str:
        names = [one.account for one in self.chain(assoc) if not one.user and one.account != "root"]
        text = "/" + "".join(f"{name}/" for name in reversed(names))
        if assoc.user:
            text += f"0-{assoc.user}/"
            if assoc.partition:
                text += f"{assoc.partition}/"
        return text

    def order(self, assoc: Association) -> tuple[str, str]:
        """How associations are sorted in every list: by cluster, then down the tree, users before accounts."""
        return collate(assoc.cluster), collate(self.lineage(assoc)).replace("/", "\x01")

    # -- what is in force ----------------------------------------------------------------------------------------

    def qos_names(self, assoc: Association) -> tuple[str, ...]:
        """The QOS that an association may use: its own list, or its parent's with its own additions."""
        steps = []
        base: tuple[str, ...] = ()
        for one in self.chain(assoc):
            if one.qos_own:
                base = one.qos_own
                break
            if one.delta_qos:
                steps.append(one.delta_qos)
        names = list(base)
        for deltas in reversed(steps):
            for delta in deltas:
                if delta[0] == "+" and delta[1:] not in names:
                    names.append(delta[1:])
                elif delta[0] == "-" and delta[1:] in names:
                    names.remove(delta[1:])
        return tuple(name for name in names if name in self.qos_ids)

    def default_qos(self, assoc: Association) -> str:
        return next((one.default_qos for one in self.chain(assoc) if one.default_qos), "")

    def effective(self, assoc: Association, limits: bool = True) -> Association:
        """The association with what it has from those above it; without `limits` only QOS, lineage and parent id."""
        changes: dict[str, Any] = {
            "qos": self.qos_names(assoc),
            "default_qos": self.default_qos(assoc),
            "lineage": self.lineage(assoc),
        }
        above = self.parent(assoc)
        changes["parent_id"] = above.id if above is not None else 0
        changes["default_qos_id"] = self.qos_ids.get(changes["default_qos"], 0)
        if limits:
            line = list(self.chain(assoc))
            for name in INHERITED_NUMBERS:
                changes[name] = next((v for one in line if (v := getattr(one, name)) is not None), None)
            for name in INHERITED_TRES:
                changes[name] = _inherit_tres([getattr(one, name) for one in line])
        return assoc.copy(**changes)

    def default_account(self, user: str, cluster: str) -> str:
        for assoc in self.assocs_of_user(user):
            if assoc.cluster == cluster and assoc.is_default:
                return assoc.account
        return ""

    def default_wckey(self, user: str, cluster: str) -> str:
        for key in self.wckeys_of_user(user):
            if key.cluster == cluster and key.is_default:
                return key.name
        return ""

    def wckeys_of_user(self, user: str) -> list[Wckey]:
        return [self.wckeys[key] for key in self.wckeys_by_user.get(user, ())]

    def coordinates(self, user: str) -> dict[str, bool]:
        """Accounts that a user coordinates: True where directly, False where an account above is meant."""
        found: dict[str, bool] = {}
        direct = [account for account, name in self.coordinators if name == user]
        for account in self.accounts.values():
            if "UsersAreCoords" in account.flags and any(a.account == account.name for a in self.assocs_of_user(user)):
                direct.append(account.name)
        for account_name in direct:
            for cluster in self.clusters:
                for below in self.accounts_below(cluster, account_name):
                    found.setdefault(below, False)
            found[account_name] = True
        return found

    def admin_level(self, user: str) -> str:
        known = self.users.get(user)
        return known.administrator_level if known is not None else "None"

    def cluster_names(self) -> list[str]:
        return sorted(self.clusters, key=collate)

    # -- for slurmctld -------------------------------------------------------------------------------------------

    def wire(self, kind: str, record: Any, cluster: str) -> dict[str, Any] | None:
        """A record as slurmctld of `cluster` sees it; None if it is none of that cluster's business."""
        if kind == "associations":
            if record.cluster != cluster:
                return None
            return self.effective(record, limits=False).to_wire()
        if kind == "wckeys" and record.cluster != cluster:
            return None
        if kind == "users":
            return record.copy(
                default_account=self.default_account(record.name, cluster),
                default_wckey=self.default_wckey(record.name, cluster),
            ).to_wire()
        return dict(record.to_wire())

    def snapshot(self, cluster: str) -> dict[str, Any]:
        picture: dict[str, Any] = {"event": "snapshot", "usage": ()}
        for kind in KINDS:
            if kind not in _NOT_FOR_SLURMCTLD:
                wires = (self.wire(kind, record, cluster) for record in getattr(self, kind).values())
                picture[kind] = tuple(wire for wire in wires if wire is not None)
        return picture

    def update(self, cluster: str) -> dict[str, Any] | None:
        """What this fork's changes mean to slurmctld of `cluster`; None if nothing."""
        changed: dict[str, tuple[Any, ...]] = {}
        removed: dict[str, tuple[Any, ...]] = {}
        concerned: dict[str, dict[Any, Record | None]] = {
            kind: dict(records) for kind, records in self.touched.items() if kind not in _NOT_FOR_SLURMCTLD
        }
        # what an account hands down changes everything below it; a user's defaults live in associations and WCKeys
        assocs = concerned.setdefault("associations", {})
        for key, record in list(assocs.items()):
            if isinstance(record, Association) and not record.user and key[0] == cluster:
                for below in self.subtree(cluster, record.account):
                    assocs.setdefault((below.cluster, below.id), below)
        users = concerned.setdefault("users", {})
        for kind in ("associations", "wckeys"):
            for record in concerned.get(kind, {}).values():
                name = getattr(record, "user", "")
                if name and name in self.users:
                    users.setdefault(name, self.users[name])
        for kind, records in concerned.items():
            wires = (self.wire(kind, record, cluster) for record in records.values() if record is not None)
            present = tuple(wire for wire in wires if wire is not None)
            gone = tuple(key for key, record in records.items() if record is None)
            if kind in ("associations", "wckeys"):
                gone = tuple(key[1] for key in gone if key[0] == cluster)
            if present:
                changed[kind] = present
            if gone:
                removed[kind] = gone
        if not changed and not removed:
            return None
        return {"event": "update", "changed": changed, "removed": removed}


def _inherit_tres(texts: Iterable[str]) -> str:
    """TRES by TRES the nearest limit."""
    from . import tres_text

    found: dict[str, int] = {}
    for text in texts:
        if text:
            for name, count in tres_text.parse(text).items():
                found.setdefault(name, count)
    return tres_text.render(found) if found else ""
