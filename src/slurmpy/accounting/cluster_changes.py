"""Clusters in the books: registered by their slurmctld or by hand, with root's association; TRES; WCKeys that jobs
name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from slurmpy.core.records.accounting import STANDARD_TRES, Account, Association, Cluster, Tres, User, Wckey

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


def limit_columns(assoc: Association) -> list[str]:
    """Shares and limits as the log of transactions has them."""
    parts = [f"shares={assoc.shares_raw}"]
    for column, field in (
        ("grp_jobs", "grp_jobs"),
        ("grp_jobs_accrue", "grp_jobs_accrue"),
        ("grp_submit_jobs", "grp_submit_jobs"),
        ("grp_wall", "grp_wall"),
        ("max_jobs", "max_jobs"),
        ("max_jobs_accrue", "max_jobs_accrue"),
        ("min_prio_thresh", "min_prio_threshold"),
        ("max_submit_jobs", "max_submit_jobs"),
        ("max_wall_pj", "max_wall_duration_per_job"),
        ("priority", "priority"),
    ):
        value = getattr(assoc, field)
        parts.append(f"{column}={'NULL' if value is None else value}")
    return parts


def add_cluster(books: Books, name: str, actor: str, now: int, registers: bool = False) -> Cluster:
    """A cluster that the books did not have: its root account and root user with the QOS normal."""
    was = books.deleted.find("clusters", name)
    number = max((c.id for c in (*books.clusters.values(), *books.deleted.of("clusters"))), default=0) + 1
    cluster = Cluster(name=name, id=number, creation_time=now) if was is None else was
    books.put("clusters", cluster)
    if "root" not in books.accounts:
        books.put("accounts", Account(name="root", description="default root account", organization="root"))
    if "root" not in books.users:
        books.put("users", User(name="root", administrator_level="Administrator", creation_time=now))
    normal = tuple(qos.name for qos in books.qos.values() if qos.id == 1)
    number, born = books.identity("associations", name, (name, "root", "", ""), now)
    root = Association(id=number, cluster=name, account="root", qos_own=normal, creation_time=born)
    books.put("associations", root)
    info = [f"mod_time={now}", *limit_columns(root), "def_qos_id=NULL", "qos=',1,'", "federation=''", "fed_id=0"]
    books.log("Add Clusters", actor, name, ", ".join([*info, "fed_state=0", "features=''"]), now)
    number, born = books.identity("associations", name, (name, "root", "root", ""), now)
    user = Association(id=number, cluster=name, account="root", user="root", is_default=True, creation_time=born)
    books.put("associations", user)
    columns = limit_columns(user)
    columns.insert(5, "is_def=1")
    info = [f"mod_time={now}", "acct='root'", "user='root'", "`partition`=''", "id_parent='1'", "lineage='/0-root/'"]
    flags = ["flags=0"] if registers else []
    text = ", ".join([*info, *columns, "def_qos_id=NULL", *flags, "qos=''", "delta_qos=''"])
    for _ in range(2):  # told when it is made and when the cluster first says so
        books.log("Add Associations", actor, f"id_assoc={user.id}", text, now, name)
    return cluster


def all_labels(labels: Iterable[str]) -> list[str]:
    """The TRES that AccountingStorageTRES means: with gres/gpu come the GPUs' memory and utilization."""
    found = list(dict.fromkeys(label.strip() for label in labels if label.strip()))
    gpus = [index for index, label in enumerate(found) if label == "gres/gpu" or label.startswith("gres/gpu:")]
    if gpus:
        at = gpus[-1] + 1
        found[at:at] = [label for label in ("gres/gpumem", "gres/gpuutil") if label not in found]
    return found


def all_counts(tres: str, labels: Iterable[str]) -> dict[str, int]:
    """The counts of `tres`, with nothing of every other TRES that is known or asked for."""
    counts = dict(tres_text.parse(tres)) if tres else {}
    for label in (*(f"{kind}/{own}" if own else kind for _, kind, own in STANDARD_TRES), *labels):
        counts.setdefault(label, 0)
    return counts


def resized(books: Books, name: str, tres: str, nodes: str) -> None:
    """A cluster's size as its slurmctld tells of it while it runs."""
    cluster = books.clusters[name]
    if (cluster.tres, cluster.nodes) != (tres, nodes):
        count = tres_text.parse(tres).get("node", 0)
        books.put("clusters", cluster.copy(tres=tres, nodes=nodes, node_count=count))


def register(books: Books, name: str, args: Mapping[str, Any], actor: str, now: int) -> int:
    """What a slurmctld says of its cluster when it starts; returns the cluster's id."""
    first = name not in books.clusters
    cluster = books.clusters.get(name) or add_cluster(books, name, actor, now, registers=True)
    labels = all_labels(str(label) for label in args.get("tres_types") or ())
    tres = str(args.get("tres") or "")
    counts = all_counts(tres, labels)
    changes: dict[str, Any] = {}
    wanted = {
        "control_host": str(args.get("host") or ""),
        "control_port": int(args.get("port") or 0),
        "rpc_version": int(args.get("rpc_version") or 10752),
        "nodes": str(args.get("nodes") or ""),
        "node_count": counts.get("node", 0),
        "tres": tres_text.render(counts),
        # several slurmd's on one host are normal here
        "flags": tuple(args.get("flags") or ("MULTIPLE_SLURMD",)),
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
                f"last_port={wanted['control_port']}, rpc_version={wanted['rpc_version']}, dimensions=1, "
                f"flags={129 if first else 128}"
            )
            books.log("Modify Clusters", actor, f"name='{name}'", info, now)
    ensure_tres(books, [*labels, *counts], actor, now, name)
    return cluster.id


def without_controller(books: Books, name: str) -> None:
    """The cluster's slurmctld is gone: it has no address until one registers again."""
    cluster = books.clusters.get(name)
    if cluster is not None and cluster.control_port:
        books.put("clusters", cluster.copy(control_host="", control_port=0))


def wckey_id(books: Books, cluster: str, user: str, name: str) -> int:
    """0 if there is no such WCKey."""
    return books.wckey_ids.get((cluster, user, name), 0)


def add_wckey(books: Books, cluster: str, user: str, name: str, actor: str, now: int, default: bool) -> Wckey:
    number, born = books.identity("wckeys", cluster, (cluster, user, name), now)
    key = Wckey(id=number, cluster=cluster, user=user, name=name, is_default=default, creation_time=born)
    books.put("wckeys", key)
    info = f"mod_time={now}, wckey_name='{name}', user='{user}', is_def={int(default)}"
    books.log("Add WCKeys", actor, f"id_wckey={key.id}", info, now, cluster)
    return key


def add_wckeys_of_jobs(books: Books, cluster: str, wanted: Iterable[tuple[str, str]], now: int) -> None:
    """``*name`` is what a job has that named none: the user's default, or none at all for users without."""
    for user, asked in wanted:
        for name in ("", asked) if asked == "*" else (asked,):
            if wckey_id(books, cluster, user, name):
                continue
            number, born = books.identity("wckeys", cluster, (cluster, user, name), now)
            key = Wckey(id=number, cluster=cluster, user=user, name=name, creation_time=born)
            books.put("wckeys", key)
            info = f"mod_time={now}, user='{user}', wckey_name='{name}', is_def=0"
            books.log("Add WCKeys", "root", f"id_wckey={key.id}", info, now, cluster)
