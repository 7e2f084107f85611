"""sinfo's columns (-o letters, -O names), and which of them tell nodes apart."""

from __future__ import annotations

from ..core.records.base import INFINITE
from ..core.times import format_elapsed_short, format_time
from . import sinfo_state
from .registry import View
from .table import Cell, Column, Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..core.records.cluster import NodeInfo, PartitionInfo
    from .sinfo_rows import Row


class NodeColumn(Column):
    """A column of a `Row`.

    nodes, partitions: the raw fields of these records that it needs; by_node, by_partition: what must agree within a
    row where it is shown; exact: what must besides, with --exact.
    """

    __slots__ = ("by_node", "by_partition", "exact", "nodes", "partitions")

    def __init__(
        self,
        key: str,
        header: str,
        render: Callable[..., str],
        *,
        nodes: str = "",
        partitions: str = "",
        letter: str = "",
        by_node: Callable[[NodeInfo], Any] | None = None,
        by_partition: Callable[[PartitionInfo], Any] | None = None,
        exact: Callable[[NodeInfo], Any] | None = None,
        tail: str = "",
    ) -> None:
        super().__init__(key, header, "row", render, letter=letter, tail=tail)
        self.nodes = tuple(nodes.split())
        self.partitions = tuple(partitions.split())
        self.by_node = by_node
        self.by_partition = by_partition
        self.exact = exact


# ---- of partitions


def _partition(context: Context, row: Row) -> str:
    if row.partition is None:
        return "n/a"
    return row.partition.name + ("*" if row.partition.default else "")


def _partition_name(context: Context, row: Row) -> str:
    return row.partition.name if row.partition else "n/a"


def _of_partition(text: Callable[[PartitionInfo], str]) -> Callable[[Context, Row], str]:
    def render(context: Context, row: Row) -> str:
        return text(row.partition) if row.partition else "n/a"

    return render


def _limit(minutes: int | None) -> str:
    if minutes is None:
        return "n/a"
    return "infinite" if minutes == INFINITE else format_elapsed_short(minutes * 60)


def _job_size(partition: PartitionInfo) -> str:
    least = max(1, partition.min_nodes)
    if partition.max_nodes == INFINITE:
        return f"{least}-infinite"
    return str(least) if partition.max_nodes == least else f"{least}-{partition.max_nodes}"


def _unlimited(number: int) -> str:
    return "UNLIMITED" if number == INFINITE else str(number)


# ---- of nodes


def _nodes(context: Context, row: Row) -> str:
    if len(row.nodes) == 1:
        return row.nodes[0].name
    from ..core import hostlist

    return hostlist.compress([node.name for node in row.nodes]) if row.nodes else ""


def _host_list(field: str) -> Callable[[Context, Row], str]:
    def render(context: Context, row: Row) -> str:
        from ..core import hostlist

        found = dict.fromkeys(getattr(node, field) or node.name for node in row.nodes)
        return hostlist.compress(list(found)) if found else ""

    return render


def _of_node(text: Callable[[NodeInfo], str], none: str = "n/a") -> Callable[[Context, Row], str]:
    def render(context: Context, row: Row) -> str:
        return text(row.nodes[0]) if row.nodes else none

    return render


def _at_least(*fields: str) -> Callable[[Context, Row], str]:
    """The smallest value, with a + if there are larger ones; several fields with colons between."""

    def render(context: Context, row: Row) -> str:
        spans = [row.span(field) for field in fields]
        return ":".join([f"{low}+" if high > low else str(low) for low, high in spans])

    return render


def _counts(which: str, *parts: int) -> Callable[[Context, Row], str]:
    def render(context: Context, row: Row) -> str:
        counts = row.node_counts() if which == "nodes" else row.cpu_counts()
        return "/".join([str(counts[part]) for part in parts])

    return render


def _range(field: str, text: Callable[[Any], str]) -> Callable[[Context, Row], str]:
    def render(context: Context, row: Row) -> str:
        low, high = row.span(field)
        return text(low) if low == high else f"{text(low)}-{text(high)}"

    return render


def _load(value: int | None) -> str:
    """A node that never registered has a load of 0."""
    return f"{(value or 0) / 100:.2f}"


def _free(value: int | None) -> str:
    return "N/A" if value is None else str(value)


def _timestamp(context: Context, row: Row) -> str:
    changed = row.nodes[0].reason_changed_at if row.nodes else 0
    return format_time(changed, context.time_format, context.now) if changed else "Unknown"


def _user(context: Context, row: Row) -> str:
    return _set_by(row, False)


def _user_long(context: Context, row: Row) -> str:
    return _set_by(row, True)


def _set_by(row: Row, with_id: bool) -> str:
    node = row.node
    if node is None or not node.reason:
        return "Unknown"
    name = node.reason_set_by_user or "root"
    if not with_id:
        return name
    if name.isdigit():
        return f"{name}({name})"
    import pwd

    try:
        return f"{name}({pwd.getpwnam(name).pw_uid})"
    except KeyError:
        return name


def _cluster(context: Context, row: Row) -> str:
    return context.cluster or "N/A"


def _preempt_mode(context: Context, row: Row) -> str:
    """The partition's own, else the cluster's."""
    own = row.partition.preempt_mode if row.partition else ""
    return own or str(context.more.get("preempt_mode") or "OFF")


def _get(field: str) -> Callable[[Any], Any]:
    def value(record: Any) -> Any:
        return getattr(record, field)

    return value


def _state(text: Callable[[int], str]) -> Callable[[NodeInfo], str]:
    known: dict[int, str] = {}

    def render(node: NodeInfo) -> str:
        found = known.get(node.state)
        if found is None:
            found = known[node.state] = text(node.state)
        return found

    return render


_SHORT, _LONG, _COMPLETE = _state(sinfo_state.short), _state(sinfo_state.long), _state(sinfo_state.complete)
_C = NodeColumn

#: in the order of --helpFormat
COLUMNS = (
    _C("AllocMem", "ALLOCMEM", _of_node(lambda n: str(n.alloc_memory), "0"), nodes="alloc_memory",
       by_node=_get("alloc_memory")),
    _C("AllocNodes", "ALLOCNODES", _of_partition(lambda p: p.allow_alloc_nodes or "all"),
       partitions="allow_alloc_nodes", letter="S"),
    _C("Available", "AVAIL", _of_partition(lambda p: p.state.lower()), partitions="state", letter="a",
       by_partition=_get("state")),
    _C("Cluster", "CLUSTER", _cluster, letter="V"),
    _C("Comment", "COMMENT", _of_node(lambda n: n.comment or "(null)"), nodes="comment", by_node=_get("comment")),
    _C("Cores", "CORES", _at_least("cores"), nodes="cores", letter="Y", exact=_get("cores")),
    _C("CPUs", "CPUS", _at_least("cpus"), nodes="cpus", letter="c", exact=_get("cpus")),
    _C("CPUsLoad", "CPU_LOAD", _range("cpu_load", _load), nodes="cpu_load", letter="O"),
    _C("CPUsState", "CPUS(A/I/O/T)", _counts("cpus", 0, 1, 2, 3), nodes="state cpus alloc_cpus", letter="C",
       exact=_get("cpus")),
    _C("DefaultTime", "DEFAULTTIME", _of_partition(lambda p: _limit(p.default_time)), partitions="default_time",
       letter="L", by_partition=_get("default_time")),
    _C("Disk", "TMP_DISK", _at_least("temporary_disk"), nodes="temporary_disk", letter="d",
       exact=_get("temporary_disk")),
    _C("Extra", "EXTRA", _of_node(lambda n: n.extra or "(null)"), nodes="extra", by_node=_get("extra")),
    _C("Features", "AVAIL_FEATURES", _of_node(lambda n: ",".join(n.features) or "(null)", ""), nodes="features",
       letter="f", by_node=_get("features")),
    _C("features_act", "ACTIVE_FEATURES", _of_node(lambda n: ",".join(n.active_features) or "(null)", ""),
       nodes="active_features", letter="b", by_node=_get("active_features")),
    _C("FreeMem", "FREE_MEM", _range("free_mem", _free), nodes="free_mem", letter="e"),
    _C("Gres", "GRES", _of_node(lambda n: n.gres or "(null)", ""), nodes="gres", letter="G", by_node=_get("gres")),
    _C("GresUsed", "GRES_USED", _of_node(lambda n: n.gres_used or "(null)", ""), nodes="gres_used",
       by_node=_get("gres_used")),
    _C("Groups", "GROUPS", _of_partition(lambda p: p.allow_groups or "all"), partitions="allow_groups", letter="g",
       by_partition=_get("allow_groups")),
    _C("MaxCPUsPerNode", "MAX_CPUS_PER_NODE", _of_partition(lambda p: _unlimited(p.max_cpus_per_node)),
       partitions="max_cpus_per_node", letter="B", by_partition=_get("max_cpus_per_node")),
    _C("Memory", "MEMORY", _at_least("real_memory"), nodes="real_memory", letter="m", exact=_get("real_memory")),
    _C("NodeAddr", "NODE_ADDR", _host_list("address"), nodes="address", letter="o"),
    _C("NodeAI", "NODES(A/I)", _counts("nodes", 0, 1), nodes="state", letter="A"),
    _C("NodeAIOT", "NODES(A/I/O/T)", _counts("nodes", 0, 1, 2, 3), nodes="state", letter="F"),
    _C("NodeHost", "HOSTNAMES", _host_list("hostname"), nodes="hostname", letter="n"),
    _C("NodeList", "NODELIST", _nodes, letter="N"),
    _C("Nodes", "NODES", _counts("nodes", 3), nodes="state", letter="D"),
    _C("OverSubscribe", "OVERSUBSCRIBE", _of_partition(lambda p: p.oversubscribe), partitions="oversubscribe",
       letter="h"),
    _C("Partition", "PARTITION", _partition, partitions="default", letter="P", by_partition=_get("name"),
       tail="*"),
    _C("PartitionName", "PARTITION", _partition_name, letter="R", by_partition=_get("name")),
    _C("Port", "PORT", _of_node(lambda n: str(n.port), "0"), nodes="port", exact=_get("port")),
    _C("PreemptMode", "PREEMPT_MODE", _preempt_mode, partitions="preempt_mode", letter="M"),
    _C("PriorityJobFactor", "PRIO_JOB_FACTOR", _of_partition(lambda p: str(p.priority_job_factor)),
       partitions="priority_job_factor", letter="I", by_partition=_get("priority_job_factor")),
    _C("PriorityTier", "PRIO_TIER", _of_partition(lambda p: str(p.priority_tier)), partitions="priority_tier",
       letter="p", by_partition=_get("priority_tier")),
    _C("Reason", "REASON", _of_node(lambda n: n.reason or "none", "none"), nodes="reason", letter="E",
       by_node=_get("reason")),
    _C("Reservation", "RESERVATION", _of_node(lambda n: n.reservation, ""), nodes="reservation", letter="i",
       by_node=_get("reservation")),
    _C("Root", "ROOT", _of_partition(lambda p: "yes" if p.root_only else "no"), partitions="root_only", letter="r",
       by_partition=_get("root_only")),
    _C("Size", "JOB_SIZE", _of_partition(_job_size), partitions="min_nodes max_nodes", letter="s",
       by_partition=lambda p: (p.min_nodes, p.max_nodes)),
    _C("Sockets", "SOCKETS", _at_least("sockets"), nodes="sockets", letter="X", exact=_get("sockets")),
    _C("SocketCoreThread", "S:C:T", _at_least("sockets", "cores", "threads"), nodes="sockets cores threads",
       letter="z", exact=lambda n: (n.sockets, n.cores, n.threads)),
    _C("StateCompact", "STATE", _of_node(_SHORT), nodes="state", letter="t", by_node=_SHORT),
    _C("StateComplete", "STATECOMPLETE", _of_node(_COMPLETE), nodes="state", by_node=_COMPLETE),
    _C("StateLong", "STATE", _of_node(_LONG), nodes="state", letter="T", by_node=_LONG),
    _C("Threads", "THREADS", _at_least("threads"), nodes="threads", letter="Z", exact=_get("threads")),
    _C("Time", "TIMELIMIT", _of_partition(lambda p: _limit(p.max_time)), partitions="max_time", letter="l",
       by_partition=_get("max_time")),
    _C("TimeStamp", "TIMESTAMP", _timestamp, nodes="reason reason_changed_at", letter="H",
       by_node=_get("reason_changed_at")),
    _C("User", "USER", _user, nodes="reason reason_set_by_user", letter="u", by_node=_get("reason_set_by_user")),
    _C("UserLong", "USER", _user_long, nodes="reason reason_set_by_user", letter="U",
       by_node=_get("reason_set_by_user")),
    _C("Version", "VERSION", _of_node(lambda n: n.version or "N/A", "N/A"), nodes="version", letter="v"),
    _C("Weight", "WEIGHT", _at_least("weight"), nodes="weight", letter="w", exact=_get("weight")),
)  # fmt: skip


def _all_for_all(view: View, name: str) -> list[Cell]:
    """Slurm complains about the name «All» and prints all columns nevertheless."""
    return view.all_letters() if name.lower() == "all" else []


VIEW = View(
    "sinfo",
    COLUMNS,
    unknown_letter="Invalid node format specification: {}",
    separators=("|", " |", " "),
    instead=_all_for_all,
)

#: #P, #N: as wide as the longest name
DEFAULT = "%#P %.5a %.10l %.6D %.6t %N"
SUMMARY = "%#P %.5a %.10l %.16F %N"
LONG = "%#P %.5a %.10l %.10s %.4r %.8h %.10g %.6D %.11T %.11i %N"
NODE = "%#N %.6D %.#P %6t"
NODE_LONG = "%#N %.6D %.#P %.11T %4c %.8z %.6m %.8d %.6w %.8f %20E"
REASONS = "%20E %9u %19H %N"
REASONS_LONG = "%20E %12U %19H %6t %N"
