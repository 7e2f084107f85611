"""The rows of ``sinfo --json``: groups of nodes of a partition that look alike (`SinfoRow`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slurmpy.core.records.cluster import NodeInfo
from slurmpy.core.records.sinfo import SinfoRow

from .kinds import CSV, INT32, INT64, NODE_STATES, UINT32, UINT64
from .lists import ListOf
from .partitions import PARTITION_INFO
from .tables import Field as F
from .tables import Table
from .types import STRING, Type


def _range(path: str, type: Type, attr: str) -> tuple[F, F]:
    """The fields ``path``/minimum and ``path``/maximum of a pair of the record."""

    def put_lowest(values: dict[str, Any], value: Any) -> None:
        values[attr] = (value, values.get(attr, (value, value))[1])

    def put_highest(values: dict[str, Any], value: Any) -> None:
        values[attr] = (values.get(attr, (value, value))[0], value)

    return (
        F(f"{path}/minimum", type, get=lambda row: getattr(row, attr)[0], put=put_lowest),
        F(f"{path}/maximum", type, get=lambda row: getattr(row, attr)[1], put=put_highest),
    )


def _node(path: str, type: Type, attr: str) -> F:
    """A field of the row's first node."""

    def put(values: dict[str, Any], value: Any) -> None:
        values["node"] = values.get("node", NodeInfo()).copy(**{attr: value})

    return F(path, type, get=lambda row: getattr(row.node, attr), put=put)


def _features(attr: str) -> tuple[Callable[[SinfoRow], str], Callable[[dict[str, Any], str], None]]:
    def get(row: SinfoRow) -> str:
        return ",".join(getattr(row.node, attr))

    def put(values: dict[str, Any], value: str) -> None:
        names = tuple(value.split(",")) if value else ()
        values["node"] = values.get("node", NodeInfo()).copy(**{attr: names})

    return get, put


def _per_node(row: SinfoRow) -> int:
    """The partition's limit; a row without nodes has none to tell and says 0."""
    return row.partition.max_cpus_per_node if row.nodes_total else 0


_all, _put_all = _features("features")
_active, _put_active = _features("active_features")

#: where newer versions tell who set the reason
REASON_USER = _node("reason_set_by_user", STRING, "reason_set_by_user")

SINFO = Table(
    "sinfo",
    SinfoRow,
    (
        _node("port", INT32, "port"),
        _node("node/state", NODE_STATES, "state"),
        F("nodes/allocated", INT32, "nodes_allocated"),
        F("nodes/idle", INT32, "nodes_idle"),
        F("nodes/other", INT32, "nodes_other"),
        F("nodes/total", INT32, "nodes_total"),
        F("nodes/hostnames", CSV, "hostnames"),
        F("nodes/addresses", CSV, "addresses"),
        F("nodes/nodes", CSV, "node_names"),
        F("cpus/allocated", INT32, "cpus_allocated"),
        F("cpus/idle", INT32, "cpus_idle"),
        F("cpus/other", INT32, "cpus_other"),
        F("cpus/total", INT32, "cpus_total"),
        *_range("cpus", INT32, "cpus"),
        *_range("cpus/load", INT32, "cpu_load"),
        F("cpus/per_node/max", UINT32, get=_per_node),
        *_range("sockets", INT32, "sockets"),
        *_range("cores", INT32, "cores"),
        *_range("threads", INT32, "threads"),
        *_range("disk", INT32, "disk"),
        *_range("memory", INT64, "memory"),
        *_range("memory/free", UINT64, "free_mem"),
        F("memory/allocated", INT64, "alloc_memory"),
        *_range("weight", INT32, "weight"),
        F("features/total", STRING, get=_all, put=_put_all),
        F("features/active", STRING, get=_active, put=_put_active),
        _node("gres/total", STRING, "gres"),
        _node("gres/used", STRING, "gres_used"),
        _node("cluster", STRING, "cluster_name"),
        _node("comment", STRING, "comment"),
        _node("extra", STRING, "extra"),
        _node("reason/description", STRING, "reason"),
        _node("reason/time", INT64, "reason_changed_at"),
        _node("reason/user", STRING, "reason_set_by_user"),
        _node("reservation", STRING, "reservation"),
        _node("resource_spec/cpus", STRING, "specialized_cpus"),
        _node("resource_spec/memory", INT64, "specialized_memory"),
        F("partition", PARTITION_INFO),
    ),
)
SINFO_ROWS = ListOf(SINFO, "sinfo_rows")
