"""Clusters in the books: registered by their slurmctld or by hand, with root's association; TRES; WCKeys that jobs
name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from slurmpy.core.records.accounting import Account, Association, Cluster, Tres, User, Wckey

from . import tres_text
from .books import Books


def ensure_tres(books: Books, labels: Iterable[str], actor: str, now: int, cluster: str = "") -> None:
    """TRES that are new ("gres/gpu:a100", "license/matlab") get the next ids."""
    for label in labels:
        if not label or label in books.tres_ids:
            continue
        kind, _, name = label.partition("/")
        number = books.next_id("tres")
        books.put("tres", Tres(id=number, type=kind, name=name))
        books.log("Add TRES", actor, f"id={number}", f"type='{kind}', name='{name}'", now, cluster)


def add_cluster(books: Books, name: str, actor: str, now: int, **limits: Any) -> Cluster:
    """A cluster that the books did not have: its root account and root user with the QOS normal."""
    cluster = Cluster(name=name, id=max((c.id for c in books.clusters.values()), default=0) + 1, creation_time=now)
    books.put("clusters", cluster)
    if "root" not in books.accounts:
        books.put("accounts", Account(name="root", description="default root account", organization="root"))
    if "root" not in books.users:
        books.put("users", User(name="root", administrator_level="Administrator", creation_time=now))
    normal = tuple(qos.name for qos in books.qos.values() if qos.id == 1)
    root = Association(
        id=books.next_id("associations", name), cluster=name, account="root", qos_own=normal, creation_time=now
    )
    books.put("associations", root.copy(**limits))
    books.log("Add Clusters", actor, name, f"mod_time={now}, shares=1, qos=',1,', federation='', features=''", now)
    user = Association(
        id=books.next_id("associations", name),
        cluster=name,
        account="root",
        user="root",
        is_default=True,
        creation_time=now,
    )
    books.put("associations", user)
    books.log(
        "Add Associations",
        actor,
        f"id_assoc={user.id}",
        f"mod_time={now}, acct='root', user='root', `partition`='', lineage='/0-root/', shares=1, is_def=1",
        now,
        name,
    )
    return cluster


def register(books: Books, name: str, args: Mapping[str, Any], actor: str, now: int) -> int:
    """What a slurmctld says of its cluster when it starts; returns the cluster's id."""
    cluster = books.clusters.get(name) or add_cluster(books, name, actor, now)
    labels = [str(label) for label in args.get("tres_types") or ()]
    tres = str(args.get("tres") or "")
    counts = dict(tres_text.parse(tres)) if tres else {}
    ensure_tres(books, [*labels, *counts], actor, now, name)
    changes: dict[str, Any] = {}
    wanted = {
        "control_host": str(args.get("host") or ""),
        "control_port": int(args.get("port") or 0),
        "rpc_version": int(args.get("rpc_version") or 10752),
        "nodes": str(args.get("nodes") or ""),
        "node_count": counts.get("node", 0),
        "tres": tres_text.render(counts),
        "flags": tuple(args.get("flags") or ()),
    }
    for field, value in wanted.items():
        if getattr(cluster, field) != value:
            changes[field] = value
    if changes:
        books.put("clusters", cluster.copy(**changes))
        said = {"control_host", "control_port", "rpc_version"} & set(changes)
        if said:
            info = (
                f"control_host='{wanted['control_host']}', control_port={wanted['control_port']}, "
                f"last_port={wanted['control_port']}, rpc_version={wanted['rpc_version']}"
            )
            books.log("Modify Clusters", actor, f"name='{name}'", info, now)
    return cluster.id


def wckey_id(books: Books, cluster: str, user: str, name: str) -> int:
    """0 if there is no such WCKey."""
    return books.wckey_ids.get((cluster, user, name), 0)


def add_wckey(books: Books, cluster: str, user: str, name: str, actor: str, now: int, default: bool) -> Wckey:
    key = Wckey(
        id=books.next_id("wckeys", cluster),
        cluster=cluster,
        user=user,
        name=name,
        is_default=default,
        creation_time=now,
    )
    books.put("wckeys", key)
    info = f"mod_time={now}, wckey_name='{name}', user='{user}', is_def={int(default)}"
    books.log("Add WCKeys", actor, f"id_wckey={key.id}", info, now, cluster)
    return key


def add_wckeys_of_jobs(books: Books, cluster: str, wanted: Iterable[tuple[str, str]], now: int) -> None:
    """``*name`` is what a job has that named none: the user's default, or none at all for users without."""
    for user, name in wanted:
        if name == "*" and not wckey_id(books, cluster, user, ""):
            add_wckey(books, cluster, user, "", "root", now, default=True)
        if not wckey_id(books, cluster, user, name):
            add_wckey(books, cluster, user, name, "root", now, default=False)
