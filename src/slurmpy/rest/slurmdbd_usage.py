"""What associations and WCKeys have used, for the queries that ask for it: ``with_usage`` and ``Include usage``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from slurmpy.core.records import accounting as records
from slurmpy.data_parser import tres

from .call import Call

#: usage of one owner: (start of the period, TRES, seconds)
Used = list[tuple[int, str, int]]
#: by cluster and owner: (account, user) or (user, WCKey)
Usage = dict[tuple[str, tuple[str, str]], Used]


def wanted(asked: Mapping[str, Any]) -> bool:
    return bool(asked.get("with_usage") or asked.get("Include usage"))


async def _read(call: Call, kind: str, asked: Mapping[str, Any], **where: Iterable[str]) -> Usage:
    """Between ``usage_start`` and ``usage_end``; slurmdbd knows what they mean when they are not given."""
    start, end = asked.get("usage_start") or 0, asked.get("usage_end") or 0
    chosen = {"kind": kind, "start": start, "end": end, **{name: tuple(words) for name, words in where.items()}}
    found: Usage = {}
    async for part in call.slurmdbd.stream("query", {"what": "usage", "fields": (), "where": chosen}):
        for cluster, owner, moment, name, seconds in part.get("rows", ()):
            found.setdefault((cluster, tuple(owner)), []).append((moment, name, seconds))
    return found


def _told(number: int, used: Iterable[tuple[int, str, int]]) -> tuple[dict[str, Any], ...]:
    """The entries of a document, by time and TRES; ``number`` is that of the association or WCKey they are told of."""
    entries = [
        {"id": number, "id_alt": 0, "start": moment, "seconds": seconds, "tres": _tres(name)}
        for moment, name, seconds in used
    ]
    return tuple(sorted(entries, key=lambda entry: (entry["start"], entry["tres"].id)))


def _tres(label: str) -> records.Tres:
    type, _, name = label.partition("/")
    return records.Tres(id=tres.number(label), type=type, name=name)


async def of_wckeys(call: Call, found: Iterable[records.Wckey], asked: Mapping[str, Any]) -> None:
    """Hangs their usage on the keys. Raises SlurmError."""
    keys = list(found)
    if not keys or not wanted(asked):
        return
    used = await _read(call, "wckeys", asked, users={key.user for key in keys})
    for key in keys:
        own = used.get((key.cluster, (key.user, key.name)), ())
        key.__dict__["_accounting"] = _told(key.id, own)


async def of_associations(call: Call, found: Iterable[records.Association], asked: Mapping[str, Any]) -> None:
    """Hangs their usage on the associations: a user's own, an account's that of everybody below it, row by row, as with
    Slurm. Raises SlurmError.

    Usage is kept by account and user. A user's associations by partition have it together: it is told of the one
    without a partition, or of the first.
    """
    chosen = list(found)
    if not chosen or not wanted(asked):
        return
    tree = [one async for one in _tree(call)]
    below = _below(tree)
    accounts: set[str] = set()
    for assoc in chosen:
        accounts |= {assoc.account} if assoc.user else below.get((assoc.cluster, assoc.account), {assoc.account})
    used = await _read(call, "associations", asked, accounts=accounts)
    of_account: dict[tuple[str, str], Used] = {}
    for (cluster, (account, _)), rows in used.items():
        of_account.setdefault((cluster, account), []).extend(rows)
    firsts: dict[tuple[str, str, str], str] = {}
    for cluster, account, user, partition, _ in sorted(tree):
        firsts.setdefault((cluster, account, user), partition)
    for assoc in chosen:
        own: Used = []
        if not assoc.user:
            for account in sorted(below.get((assoc.cluster, assoc.account), (assoc.account,))):
                own += of_account.get((assoc.cluster, account), ())
        elif firsts.get((assoc.cluster, assoc.account, assoc.user), assoc.partition) == assoc.partition:
            own = used.get((assoc.cluster, (assoc.account, assoc.user)), [])
        assoc.__dict__["_accounting"] = _told(assoc.id, own)


_BRANCH = ("cluster", "account", "user", "partition", "parent_account")


async def _tree(call: Call) -> Any:
    async for part in call.slurmdbd.stream("query", {"what": "associations", "fields": _BRANCH, "where": {}}):
        for row in part.get("rows", ()):
            yield tuple(row)


def _below(tree: Iterable[tuple[str, ...]]) -> dict[tuple[str, str], set[str]]:
    """(cluster, account) -> that account and all below it."""
    above = {(cluster, account): parent for cluster, account, user, _, parent in tree if not user}
    found: dict[tuple[str, str], set[str]] = {}
    for cluster, account in above:
        name = account
        for _ in range(len(above)):  # whatever the list says, it ends
            found.setdefault((cluster, name), set()).add(account)
            name = above.get((cluster, name), "")
            if not name:
                break
    return found
