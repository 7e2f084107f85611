"""sinfo: partitions and nodes."""

from __future__ import annotations

import os

from ..core.errors import SlurmError
from ..core.states import NodeState
from ..format import sinfo_columns, sinfo_state, table
from ..format.sinfo_rows import Grouping, Row
from ..format.sinfo_sort import BY_NODE, DEFAULT, Order
from ..format.table import Context
from .errors import Stop, entry, fail, report
from .options.sinfo import COMMAND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, NoReturn

    from ..core.records.cluster import NodeInfo
    from ..format.sinfo_columns import NodeColumn
    from ..rpc.cluster import Cluster
    from .command import Parsed

    Write = Callable[[bytes], object]

NAME = "sinfo"


def main() -> NoReturn:
    import gc

    gc.disable()  # nothing of ours goes in circles, and looking for that costs a third of the time
    entry(NAME, run)


def run(argv: Sequence[str], env: Mapping[str, str], cluster: Cluster | None = None, write: Write | None = None) -> int:
    """The command: `argv` without the program's name. With a `cluster` it asks that one; `write` takes the output."""
    parsed = COMMAND.parse(argv, env)
    write = write or _to_stdout
    if "helpFormat" in parsed:
        write(sinfo_columns.VIEW.help_names().encode())
        return 0
    if "helpstate" in parsed:
        write(("\n".join(sinfo_state.HELP) + "\n").encode())
        return 0
    request = Request(parsed, env)
    if request.encoding:
        from . import json_output

        refused = json_output.check(NAME, request.encoding, request.parser)
        if refused is not None:
            return refused
    if request.verbose:
        write(request.describe().encode())
    if cluster is None:
        from . import connect

        cluster = connect.cluster(NAME)
    if request.clusters is not None:
        from .clusters import check

        request.heading = check(NAME, request.clusters, cluster)
    while True:
        try:
            _once(request, cluster, write, argv)
        except SlurmError as error:
            what = "slurm_load_reservations error" if request.reservations else "slurm_load_partitions"
            raise Stop(1, err=f"{what}: {error.message}\n") from None
        if not request.iterate:
            return 0
        import time

        time.sleep(request.iterate)


def _once(request: Request, cluster: Cluster, write: Write, argv: Sequence[str]) -> None:
    if request.heading and not request.encoding:
        write(f"CLUSTER: {request.heading}\n".encode())
    if not request.encoding and (request.verbose or request.long or request.iterate):
        import time

        write((time.ctime() + "\n").encode())
    if request.reservations:
        _reservations(request, cluster, write)
    elif request.encoding:
        _document(request, cluster, write, argv)
    else:
        _table(request, cluster, write)


# ---- nodes


def _table(request: Request, cluster: Cluster, write: Write) -> None:
    layout, order = request.layout, request.order
    columns: list[NodeColumn] = [cell.column for cell in layout.cells if cell.column is not None]  # type: ignore[misc]
    node_fields = dict.fromkeys(("name", "state", "reason"))
    partition_fields = dict.fromkeys(("name", "nodes", "default"))
    for column in columns:
        node_fields.update(dict.fromkeys(column.nodes))
        partition_fields.update(dict.fromkeys(column.partitions))
    node_fields.update(dict.fromkeys(order.nodes))
    partition_fields.update(dict.fromkeys(order.partitions))
    by_node = [column.by_node for column in columns if column.by_node is not None]
    if request.exact:
        by_node += [column.exact for column in columns if column.exact is not None]
    grouping = Grouping(
        [column.by_partition for column in columns if column.by_partition is not None],
        by_node,
        request.per_node,
        not request.per_node and layout.uses("Partition", "PartitionName"),
    )
    rows, now = _rows(request, cluster, tuple(node_fields), tuple(partition_fields), grouping)
    request.fit(rows)
    context = Context(
        now=now,
        time_format=request.env.get("SLURM_TIME_FORMAT"),
        cluster=request.heading,
        noconvert=request.noconvert,
        more={"preempt_mode": getattr(cluster.conf, "PreemptMode", "")},
    )
    if not request.noheader:
        write(layout.header())
    for piece in layout.rows(("row",), [(row,) for row in order.sort(rows)], context):
        write(piece)


def _rows(
    request: Request, cluster: Cluster, node_fields: Sequence[str], partition_fields: Sequence[str], grouping: Grouping
) -> tuple[list[Row], float]:
    """The rows, and the server's time."""
    from ..core.records.cluster import NodeInfo, PartitionInfo

    where: dict[str, Any] = {}
    if request.partitions is not None:
        where["names"] = request.partitions
    if request.all or request.partitions is not None:
        where["all"] = True
    answer = cluster.query("partitions", partition_fields, where)
    partitions = [PartitionInfo.from_wire(one) for one in answer.dicts()]
    now = float(answer.meta.get("now", 0))
    where = {"future": True} if request.future or request.wants_future else {}
    if request.nodes is not None:
        where["names"] = request.nodes
    answer = cluster.query("nodes", node_fields, where)
    nodes = {}
    for one in answer.dicts():
        nodes[one["name"]] = NodeInfo.from_wire(one)
    return grouping.rows(partitions, nodes, request.shows), now


def _document(request: Request, cluster: Cluster, write: Write, argv: Sequence[str]) -> None:
    from ..core.records.cluster import NodeInfo, PartitionInfo
    from ..format.sinfo_rows import record
    from . import json_output

    if not json_output.has(request.parser, "sinfo"):  # as in 22.05: the nodes
        where = {"names": request.nodes} if request.nodes is not None else {}
        pieces = json_output.dump(cluster, NAME, argv, "nodes", where, request.encoding, request.parser)
        for piece in pieces:
            write(piece)
        return
    columns = sinfo_columns.COLUMNS
    grouping = Grouping(
        [column.by_partition for column in columns if column.by_partition is not None],
        [key for column in columns for key in (column.by_node, column.exact) if key is not None],
        request.per_node,
        not request.per_node,
    )
    rows, now = _rows(request, cluster, NodeInfo.FIELDS, PartitionInfo.FIELDS, grouping)
    records = [record(row) for row in request.order.sort(rows)]
    pieces = json_output.records(cluster.conf, NAME, argv, "sinfo", records, request.encoding, request.parser, now=now)
    for piece in pieces:
        write(piece)


# ---- reservations


def _reservations(request: Request, cluster: Cluster, write: Write) -> None:
    from ..core.times import format_duration, format_time

    fields = ("name", "state", "start_time", "end_time", "node_list")
    answer = cluster.query("reservations", fields, {})
    if not answer.rows:
        write(b"No reservations in the system\n")
        return
    style = request.env.get("SLURM_TIME_FORMAT")
    now = int(answer.meta.get("now", 0))
    width = max(9, *(len(row[0]) for row in answer.rows))
    line = f"%-{width}.{width}s  %8.8s  %19s  %19s  %11s  %s\n"
    lines = []
    if not request.noheader:
        lines.append(line % ("RESV_NAME", "STATE", "START_TIME", "END_TIME", "DURATION", "NODELIST"))
    for name, state, start, end, nodes in answer.rows:
        times = (format_time(start, style, now), format_time(end, style, now), format_duration(end - start))
        lines.append(line % (name, state, *times, nodes or "(null)"))
    write("".join(lines).encode("utf-8", "surrogateescape"))


# ---- what was asked for


class Request:
    """The options, read. Raises Stop for those that Slurm refuses."""

    def __init__(self, parsed: Parsed, env: Mapping[str, str]) -> None:
        self.parsed = parsed
        self.env = env
        self.long = parsed.flag("long")
        self.per_node = parsed.flag("Node")
        self.exact = parsed.flag("exact")
        self.summarize = parsed.flag("summarize")
        self.reasons = parsed.flag("list-reasons")
        self.reservations = parsed.flag("reservation")
        self.noheader = parsed.flag("noheader")
        self.noconvert = parsed.flag("noconvert")
        self.dead = parsed.flag("dead")
        self.responding = parsed.flag("responding")
        self.future = parsed.flag("future")
        self.verbose = parsed.count("verbose")
        self.all = parsed.flag("all") and not parsed.flag("hide")
        self.encoding, self.parser = "", ""
        for given in parsed:
            if given.option.name in ("json", "yaml"):
                self.encoding, self.parser = given.option.name, given.value or ""
        self.clusters = parsed.get("clusters")
        self.heading = ""
        self.iterate = self._read_iterate(parsed.get("iterate"))
        partition = parsed.get("partition")
        self.partitions = None if partition is None else tuple(filter(None, partition.split(",")))
        self.nodes = self._read_nodes(parsed.get("nodes"))
        self.states = self._read_states(parsed.get("states"))
        self.layout = self._read_layout()
        self.order = Order(parsed.get("sort") or (BY_NODE if self.per_node else DEFAULT))

    @staticmethod
    def _read_iterate(text: str | None) -> int:
        if text is None:
            return 0
        if not text.isdigit() or int(text) == 0:
            fail(NAME, f"Error: invalid entry for --iterate={text}")
        return int(text)

    @staticmethod
    def _read_nodes(text: str | None) -> tuple[str, ...] | None:
        if text is None:
            return None
        from ..core import hostlist

        try:
            names = hostlist.expand(text)
        except SlurmError:
            fail(NAME, f"'{text}' invalid entry for --nodes")
        own = os.uname().nodename.partition(".")[0]
        return tuple(dict.fromkeys(own if name == "localhost" else name for name in names))

    @staticmethod
    def _read_states(text: str | None) -> tuple[tuple[str, ...], ...] | None:
        """Alternatives, each a list of states that must all hold; None for any."""
        if text is None:
            return None
        found = []
        for word in text.split(","):
            names = tuple(filter(None, word.split("&")))
            for name in names:
                if not sinfo_state.known(name):
                    report(NAME, f'Bad state string: "{name}"')
                    fail(NAME, f"valid states: {','.join(sinfo_state.HELP)}")
            if names:
                found.append(names)
        return tuple(found)

    def _read_layout(self) -> table.Layout:
        chosen: tuple[str, str] | None = None
        typed = ""
        for given in self.parsed:
            name = given.option.name
            if name in ("format", "Format"):
                if given.origin == "command line":
                    if typed and typed != name:
                        letters = {"format": "o", "Format": "O"}
                        fail(NAME, f"-{letters[name]} (--{name}) is incompatible with -{letters[typed]} (--{typed})")
                    typed = name
                chosen = (name, given.value or "")
        if self.long and typed:
            text = "Options -o(--format) and -l(--long) are mutually exclusive. Please remove one and retry."
            fail(NAME, text, level="fatal")
        view = sinfo_columns.VIEW
        plain = self.summarize or self.per_node or self.reasons or self.long
        if chosen is not None and (typed or not plain):
            if chosen[0] == "Format":
                return table.parse_names(chosen[1], view, self._complain_name)
            return table.parse_letters(chosen[1], view, self._complain_letter)
        if self.summarize:
            spec = sinfo_columns.SUMMARY
        elif self.per_node:
            spec = sinfo_columns.NODE_LONG if self.long else sinfo_columns.NODE
        elif self.reasons:
            spec = sinfo_columns.REASONS_LONG if self.long else sinfo_columns.REASONS
        else:
            spec = sinfo_columns.LONG if self.long else sinfo_columns.DEFAULT
        return table.parse_letters(spec.replace("#P", "9P").replace("#N", "9N"), view, self._complain_letter)

    @staticmethod
    def _complain_letter(message: str) -> None:
        import sys

        sys.stderr.write(message + "\n")

    @staticmethod
    def _complain_name(message: str) -> None:
        report(NAME, message)

    @property
    def own_format(self) -> bool:
        return not ("format" in self.parsed or "Format" in self.parsed)

    def fit(self, rows: list[Row]) -> None:
        """Makes the first column of names as wide as they are, in the tables that are Slurm's own."""
        if not self.own_format:
            return
        for cell in self.layout.cells:
            if cell.column is None or not cell.width:
                continue
            if cell.column.letter == "P":
                names = {row.partition.name + "*" * row.partition.default for row in rows if row.partition}
                cell.width = max(9, *map(len, names)) if names else 9
            elif cell.column.letter == "N":
                cell.width = max([9, *(len(node.name) for row in rows for node in row.nodes)])

    def shows(self, node: NodeInfo) -> bool:
        """The filters over nodes."""
        state = node.state
        if state & NodeState.BASE == NodeState.FUTURE and not self.future and not self.wants_future:
            return False
        if self.dead and not state & NodeState.NOT_RESPONDING:
            return False
        if self.responding and state & NodeState.NOT_RESPONDING:
            return False
        if self.reasons and not node.reason:
            return False
        if self.states is None:
            return True
        return any(all(sinfo_state.matches(state, name) for name in names) for names in self.states)

    @property
    def wants_future(self) -> bool:
        return any(name.upper() in ("FUTURE", "FUTR") for names in self.states or () for name in names)

    def describe(self) -> str:
        """What -v says first."""

        def truth(value: object) -> str:
            return "true" if value else "false"

        get, uses = self.parsed.get, self.layout.uses
        shown = ",".join(
            f"{cell.column.key.lower()}:{'.' if cell.right else ''}{cell.width}{cell.suffix}"
            for cell in self.layout.cells
            if cell.column is not None
        )
        lines = [
            "-" * 29,
            f"dead        = {truth(self.dead)}",
            f"exact       = {int(self.exact)}",
            f"filtering   = {truth(self.dead or self.responding or self.nodes or self.states or self.partitions)}",
            f"format      = {shown}",
            f"iterate     = {self.iterate}",
            f"long        = {truth(self.long)}",
            f"no_header   = {truth(self.noheader)}",
            f"node_field  = {truth(self.per_node)}",
            f"node_format = {truth(self.per_node)}",
            f"nodes       = {get('nodes') or 'n/a'}",
            f"part_field  = {truth(uses('Partition', 'PartitionName'))}",
            f"partition   = {get('partition') or 'n/a'}",
            f"responding  = {truth(self.responding)}",
            f"states      = {get('states') or '(null)'}",
            f"sort        = {get('sort') or '(null)'}",
            f"summarize   = {truth(self.summarize)}",
            f"verbose     = {self.verbose}",
            "-" * 29,
            f"all_flag        = {truth(self.all)}",
            *(f"{label}{truth(uses(*keys))}" for label, keys in _FLAGS),
            "-" * 29,
            "",
        ]
        return "\n".join(lines) + "\n"


#: what -v says of the columns that tell nodes apart
_FLAGS = (
    ("alloc_mem_flag  = ", ("AllocMem",)),
    ("avail_flag      = ", ("Available",)),
    ("comment_flag    = ", ("Comment",)),
    ("cpus_flag       = ", ("CPUs", "CPUsState")),
    ("default_time_flag =", ("DefaultTime",)),
    ("disk_flag       = ", ("Disk",)),
    ("extra_flag      = ", ("Extra",)),
    ("features_flag   = ", ("Features",)),
    ("features_flag_act = ", ("features_act",)),
    ("groups_flag     = ", ("Groups",)),
    ("gres_flag       = ", ("Gres",)),
    ("gres_used_flag  = ", ("GresUsed",)),
    ("job_size_flag   = ", ("Size",)),
    ("max_time_flag   = ", ("Time",)),
    ("memory_flag     = ", ("Memory",)),
    ("partition_flag  = ", ("Partition", "PartitionName")),
    ("port_flag       = ", ("Port",)),
    ("priority_job_factor_flag   = ", ("PriorityJobFactor",)),
    ("priority_tier_flag   = ", ("PriorityTier",)),
    ("reason_flag     = ", ("Reason",)),
    ("reason_timestamp_flag = ", ("TimeStamp",)),
    ("reason_user_flag = ", ("User", "UserLong")),
    ("reservation_flag = ", ()),
    ("resv_name_flag   = ", ("Reservation",)),
    ("root_flag       = ", ("Root",)),
    ("oversubscribe_flag      = ", ("OverSubscribe",)),
    ("state_flag      = ", ("StateCompact", "StateLong")),
    ("statecomplete_flag = ", ("StateComplete",)),
    ("weight_flag     = ", ("Weight",)),
)


def _to_stdout(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]
