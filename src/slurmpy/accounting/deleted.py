"""What was deleted from the books and is kept, to be listed with WithDeleted and to come back when it is added again.

As real slurmdbd has it: what is a day old, or has had jobs, is marked as deleted and keeps its id; what was made by
mistake a moment ago just goes. An association that comes back has none of its old limits.
"""

from __future__ import annotations

from typing import Any

from slurmpy.core.records.accounting import Association
from slurmpy.core.records.base import Record

#: seconds after which a record is kept in any case
YOUNG = 86400

#: kind: the words that a record is added by, and so comes back by
NAMES: dict[str, tuple[str, ...]] = {
    "accounts": ("name",),
    "users": ("name",),
    "associations": ("cluster", "account", "user", "partition"),
    "qos": ("name",),
    "wckeys": ("cluster", "user", "name"),
    "clusters": ("name",),
    "resources": ("name", "server"),
    "federations": ("name",),
}


#: kinds whose flags say so in a list
FLAGGED = ("accounts", "users", "associations")


def name_of(kind: str, record: Any) -> tuple[str, ...]:
    return tuple(getattr(record, word) for word in NAMES[kind])


def outlives(record: Any, now: int, used: bool) -> bool:
    """Whether a record is kept when it is deleted; `used`: jobs have been run by it."""
    return used or now - int(record.creation_time) >= YOUNG


def remains(kind: str, record: Any) -> Any:
    """What is left of a record that is deleted."""
    if kind == "associations":
        return Association(
            id=record.id,
            cluster=record.cluster,
            account=record.account,
            user=record.user,
            partition=record.partition,
            parent_account=record.parent_account,
            creation_time=record.creation_time,
        )
    if kind == "clusters":
        return record.copy(control_host="", control_port=0, federation="", fed_id=0, fed_state="")
    return record


def marked(record: Any) -> Any:
    """A deleted record as lists tell of it."""
    return record.copy(flags=(*record.flags, "DELETED"))


class Deleted:
    """The deleted records, by kind and key and by kind and name. A fork of the books has a `copy()`."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, Any], Record] = {}
        self.keys: dict[tuple[str, tuple[str, ...]], Any] = {}

    def copy(self) -> Deleted:
        twin = Deleted()
        twin.records, twin.keys = dict(self.records), dict(self.keys)
        return twin

    def add(self, kind: str, key: Any, record: Any) -> None:
        self.records[kind, key] = record
        self.keys[kind, name_of(kind, record)] = key

    def forget(self, kind: str, key: Any) -> None:
        record = self.records.pop((kind, key), None)
        if record is not None:
            self.keys.pop((kind, name_of(kind, record)), None)

    def of(self, kind: str) -> list[Any]:
        return [record for (one, _), record in self.records.items() if one == kind]

    def find(self, kind: str, *names: str) -> Any:
        """The deleted record of that name, or None."""
        key = self.keys.get((kind, names))
        return self.records[kind, key] if key is not None else None
