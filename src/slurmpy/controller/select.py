"""Which nodes, cores, memory and devices a job gets (Slurm's select/cons_tres), and the counters of what is in use.

`place` only looks; `allocate` and `release` change the counters of the nodes. Cores are bit masks over a node's cores.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from slurmpy.controller import constraints, gres_request, job_request, licenses
from slurmpy.controller.state import Node, NodeAlloc
from slurmpy.core.records.base import INFINITE
from slurmpy.core.states import NodeState

if TYPE_CHECKING:
    from slurmpy.controller.constraints import Expression
    from slurmpy.controller.gres_request import Gres
    from slurmpy.controller.job_request import Request
    from slurmpy.controller.state import Job, Partition, State


class Placement:
    """Where a job would run: `allocation` by node name, in the order of slurm.conf."""

    __slots__ = ("allocation", "cpus", "partition")

    def __init__(self, partition: str, allocation: dict[str, NodeAlloc]) -> None:
        self.partition = partition
        self.allocation = allocation
        self.cpus = sum(alloc.cpus for alloc in allocation.values())

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(self.allocation)

    def __repr__(self) -> str:
        return f"Placement({self.partition!r}, {self.allocation!r})"


class Room:
    """What one node has for one request."""

    __slots__ = ("cores", "cpus", "node", "per_core", "request", "whole")

    def __init__(self, node: Node, request: Request, cores: int, per_core: int, cpus: int, whole: bool) -> None:
        self.node = node
        self.request = request
        self.cores = cores  # mask of usable cores
        self.per_core = per_core  # CPUs that each of them counts for
        self.cpus = cpus  # how many CPUs the request could use here, a multiple of its CPUs per task
        self.whole = whole


class Rules:
    """How slurm.conf has cores and memory counted (SelectTypeParameters)."""

    __slots__ = ("by_core", "least_loaded", "memory", "one_thread")

    def __init__(self, parameters: str, select_type: str) -> None:
        words = {word.strip().upper() for word in parameters.split(",")}
        self.memory = any(word.endswith("_MEMORY") for word in words)
        self.by_core = any(word.startswith(("CR_CORE", "CR_SOCKET")) for word in words)
        self.one_thread = "CR_ONE_TASK_PER_CORE" in words
        self.least_loaded = "CR_LLN" in words
        if select_type.endswith("linear"):
            self.by_core = True


def rules(state: State) -> Rules:
    known = state.__dict__.get("_select_rules")
    if known is None or known[0] is not state.conf:
        made = Rules(str(state.conf.SelectTypeParameters or ""), str(state.conf.SelectType or ""))
        known = (state.conf, made)
        state.__dict__["_select_rules"] = known
    result: Rules = known[1]
    return result


def share_limit(partition: Partition, oversubscribe: bool) -> int:
    """How many jobs may hold one core in this partition (1: nobody shares)."""
    mode, _, number = partition.oversubscribe.partition(":")
    if mode == "FORCE" or (mode == "YES" and oversubscribe):
        return int(number) if number.isdigit() else 4
    return 1


# ------------------------------------------------------------------------------------------------ what a node has


def cpus_per_core(node: Node) -> int:
    """CPUs that a whole core counts for: its threads, or 1 where slurm.conf counts cores as CPUs."""
    return max(1, node.cpus // node._core_count) if node._core_count else 1


def fits_ever(node: Node, request: Request, counts_memory: bool = True) -> str:
    """"" if the empty node satisfies the request's demands on each node, else what is wrong: cpus, memory, ..."""
    threads = cpus_per_core(node)
    usable = min(threads, request.threads) if request.threads else threads
    if request.tasks_per_core:
        usable = min(usable, max(1, request.tasks_per_core * request.cpus_per_task))
    cpus = node._core_count * usable - (node.cpus - (node.effective_cpus or node.cpus))
    if max(request.node_cpus, 1 if request.overcommit else request.cpus_per_task) > cpus:
        return "cpus"
    if counts_memory and request.mem_per_node > node.real_memory - node.specialized_memory:
        return "memory"
    if counts_memory and request.mem_per_cpu * max(request.node_cpus, request.cpus_per_task) > node.real_memory:
        return "memory"
    if request.tmp_disk > node.temporary_disk:
        return "disk"
    if request.sockets > node.boards * node.sockets or request.cores_per_socket > node.cores:
        return "topology"
    if request.threads > node.threads:
        return "topology"
    for name, kind, count in request.gres_per_node:
        if gres_request.node_total(node, name, kind) < count:
            return "gres"
    for name, kind, count in request.gres_per_task:
        if gres_request.node_total(node, name, kind) < count:
            return "gres"
    if request.constraint is not None and not request.constraint.any_node(node.active_features or node.features):
        return "features"
    return ""


def _free_cores(node: Node, partition: Partition, request: Request, blocked: int) -> int:
    """The cores that a job of this partition could get now (in the row that has most)."""
    usable = ((1 << node._core_count) - 1) & ~node._cores_reserved & ~blocked & ~node._cores_used
    limit = share_limit(partition, request.oversubscribe)
    if node._rows:
        for name, rows in node._rows.items():
            if name != partition.name or limit == 1:
                for row in rows:
                    usable &= ~row
        rows = node._rows.get(partition.name, []) if limit > 1 else []
        if rows:
            choices = [usable & ~row for row in rows]
            if len(rows) < limit:
                choices.append(usable)
            needed = -(-request.cpus_per_task // cpus_per_core(node))
            best = choices[0]
            wanted = max(needed, -(-request.cpus // cpus_per_core(node)) if request.min_nodes == 1 else needed)
            for choice in choices:
                if choice.bit_count() >= wanted:
                    return choice
                if choice.bit_count() > best.bit_count():
                    best = choice
            return best
    return usable


def _room(
    node: Node, job: Job, request: Request, partition: Partition, rule: Rules, blocked: int, empty: bool
) -> Room | None:
    """What the node could give to the job; `empty`: as if nobody used it."""
    whole = request.exclusive == "node" or partition.oversubscribe == "EXCLUSIVE"
    if empty:
        cores = ((1 << node._core_count) - 1) & ~node._cores_reserved
        memory = node.real_memory - node.specialized_memory
    else:
        if node._exclusive:
            return None
        if node._jobs:
            if whole:
                return None
            one_user = request.exclusive == "user" or partition.exclusive_user
            if (one_user or node.owner) and any(other.user_id != job.user_id for other in node._jobs.values()):
                return None
        cores = _free_cores(node, partition, request, blocked)
        if whole and cores.bit_count() < node._core_count - node._cores_reserved.bit_count():
            return None
        memory = node.real_memory - node.specialized_memory - node._memory_used
    if not cores:
        return None
    threads = cpus_per_core(node)
    per_core = min(threads, request.threads) if request.threads else threads
    if request.tasks_per_core:
        per_core = min(per_core, max(1, request.tasks_per_core * request.cpus_per_task))
    elif rule.one_thread:
        per_core = min(per_core, max(1, request.cpus_per_task))
    cpus = cores.bit_count() * per_core
    if node.effective_cpus and node.effective_cpus < cpus:
        cpus = node.effective_cpus
    limit = partition.max_cpus_per_node
    if limit != INFINITE and limit is not None:
        if not empty:
            limit -= sum(
                other._allocation[node.name].cpus
                for other in node._jobs.values()
                if other.partition == partition.name and node.name in other._allocation
            )
        cpus = min(cpus, limit)
    if rule.memory:
        if request.mem_per_node > memory or (request.whole_memory and node._memory_used and not empty):
            return None
        if request.mem_per_cpu:
            cpus = min(cpus, memory // request.mem_per_cpu)
    unit = request.cpus_per_task
    if request.overcommit:
        unit = 1
    tasks = cpus // unit
    if request.tasks_per_node:
        tasks = min(tasks, request.tasks_per_node)
    if request.tasks_per_socket:
        tasks = min(tasks, _socket_tasks(node, cores, per_core, request))
    if request.gres_per_node or request.gres_per_task or request.gres_per_job or request.gres_per_socket:
        tasks = _gres_tasks(node, request, tasks, empty)
    if tasks <= 0:
        return None
    cpus = tasks * unit
    if cpus < request.node_cpus:
        if tasks * unit + unit > request.node_cpus and cores.bit_count() * per_core >= request.node_cpus:
            cpus = request.node_cpus
        elif request.tasks_per_node and cores.bit_count() * per_core >= request.node_cpus:
            cpus = request.node_cpus
        else:
            return None
    return Room(node, request, cores, per_core, cpus, whole)


def _socket_tasks(node: Node, cores: int, per_core: int, request: Request) -> int:
    size = max(1, node.cores)
    mask = (1 << size) - 1
    total = 0
    while cores:
        total += min(request.tasks_per_socket, (cores & mask).bit_count() * per_core // request.cpus_per_task)
        cores >>= size
    return total


def _gres_tasks(node: Node, request: Request, tasks: int, empty: bool) -> int:
    """How many of the tasks the node's devices allow."""
    count_of = gres_request.node_total if empty else gres_request.node_free
    for name, kind, count in request.gres_per_node:
        if count_of(node, name, kind) < count:
            return 0
    for name, kind, count in request.gres_per_socket:
        if count_of(node, name, kind) < count * max(1, request.sockets):
            return 0
    for name, kind, count in request.gres_per_task:
        if count:
            tasks = min(tasks, count_of(node, name, kind) // count)
    for name, kind, _ in request.gres_per_job:
        if not request.gres_per_node and not count_of(node, name, kind):
            return 0
    return tasks


# ------------------------------------------------------------------------------------------------ placement


class Candidates:
    """The nodes that a pass of the scheduler may use, in the order in which it tries them, and what holds them back."""

    __slots__ = ("blocked", "closed", "nodes", "order")

    def __init__(self, nodes: Mapping[str, Node], order: Iterable[str]) -> None:
        self.nodes = nodes
        self.order = tuple(order)
        self.closed: frozenset[str] | set[str] = frozenset()  # nodes not to be used at all
        self.blocked: dict[str, int] = {}  # masks of cores that are not to be used


def ordered_nodes(state: State, partition: Partition) -> tuple[str, ...]:
    """The partition's nodes by weight, then in the order of slurm.conf; kept until a node or the partition changes."""
    cache: dict[str, tuple[Any, tuple[str, ...]]] = state.__dict__.setdefault("_weight_order", {})
    nodes = state.nodes
    stamp = (partition._node_names, sum(nodes[name].weight * 31 for name in partition._node_names if name in nodes))
    known = cache.get(partition.name)
    if known is not None and known[0] == stamp:
        return known[1]
    names = tuple(sorted((n for n in partition._node_names if n in nodes), key=lambda name: nodes[name].weight))
    cache[partition.name] = (stamp, names)
    return names


def place(
    state: State,
    job: Job,
    partition: Partition,
    now: int,
    *,
    nodes: Mapping[str, Node] | None = None,
    closed: frozenset[str] | set[str] = frozenset(),
    blocked: Mapping[str, int] | None = None,
    within: frozenset[str] | None = None,
    empty: bool = False,
) -> Placement | str:
    """Find room for a job, or say why not: "Resources" (it may run later) or "ReqNodeNotAvail".

    `nodes` replaces the state's own (as `shadow` makes them), `closed` names nodes not to be used, `blocked` masks
    cores of nodes, `within` restricts to nodes (of a reservation). `empty` asks whether the job would fit if every
    node were up and idle.
    """
    table = nodes if nodes is not None else state.nodes
    request = job_request.of(job)
    rule = rules(state)
    names = ordered_nodes(state, partition)
    if partition.lln or rule.least_loaded:
        names = tuple(sorted(names, key=lambda name: (table[name]._cpus_used / max(1, table[name].cpus))))
    if request.required:
        for name in request.required:
            node = table.get(name)
            if node is None or name not in partition._node_set:
                return "ReqNodeNotAvail"
            if not empty and (not node.is_up or (within is not None and name not in within)):
                return "ReqNodeNotAvail"
    if request.prefer is not None and not empty:
        preferred = _try(job, request, partition, rule, table, names, closed, blocked, within, empty, request.prefer)
        if preferred is not None:
            return preferred
    found = _try(job, request, partition, rule, table, names, closed, blocked, within, empty, request.constraint)
    return found if found is not None else "Resources"


def _try(
    job: Job,
    request: Request,
    partition: Partition,
    rule: Rules,
    table: Mapping[str, Node],
    names: tuple[str, ...],
    closed: frozenset[str] | set[str],
    blocked: Mapping[str, int] | None,
    within: frozenset[str] | None,
    empty: bool,
    constraint: constraints.Constraint | None,
) -> Placement | None:
    alternatives: tuple[tuple[Expression | None, tuple[tuple[Expression, int], ...]], ...] = ((None, ()),)
    if constraint is not None:
        alternatives = constraint.alternatives
    for every, counted in alternatives:
        rooms = _rooms(job, request, partition, rule, table, names, closed, blocked, within, empty, every, counted)
        chosen = _choose(rooms, request, partition, counted, table)
        if chosen is not None:
            allocation = _assign(chosen, request, partition, rule, table, empty)
            if allocation is not None:
                return Placement(partition.name, allocation)
    return None


def _rooms(
    job: Job,
    request: Request,
    partition: Partition,
    rule: Rules,
    table: Mapping[str, Node],
    names: tuple[str, ...],
    closed: frozenset[str] | set[str],
    blocked: Mapping[str, int] | None,
    within: frozenset[str] | None,
    empty: bool,
    every: Expression | None,
    counted: tuple[tuple[Expression, int], ...],
) -> list[Room]:
    """What each usable node has to give. Stops early where the first node that fits is the answer."""
    simple = (
        request.min_nodes == 1
        and not request.required
        and not counted
        and not request.contiguous
        and not request.spread
        and not request.use_min_nodes
        and not request.gres_per_job
    )
    enough = max(request.cpus, 1)
    total = 0
    rooms = []
    for name in names:
        if name in closed or name in request.excluded or (within is not None and name not in within):
            continue
        node = table[name]
        if not empty:
            if node._cpus_used >= node.cpus and not node._rows:
                continue
            if not node.is_up:
                continue
        if every is not None or counted:
            features = frozenset(node.active_features or node.features)
            if every is not None and not constraints.holds(every, features):
                continue
        if request.tmp_disk > node.temporary_disk or request.sockets > node.boards * node.sockets:
            continue
        if request.cores_per_socket > node.cores or request.threads > node.threads:
            continue
        room = _room(node, job, request, partition, rule, blocked.get(name, 0) if blocked else 0, empty)
        if room is None:
            continue
        if simple:
            if room.cpus >= enough:
                if not rooms or request.max_nodes == 1:
                    return [room]
                rooms.append(room)
                return rooms
            total += room.cpus
            rooms.append(room)
            if total >= enough and not request.max_nodes:
                return rooms
            continue
        rooms.append(room)
    return rooms


def _choose(
    rooms: list[Room],
    request: Request,
    partition: Partition,
    counted: tuple[tuple[Expression, int], ...],
    table: Mapping[str, Node],
) -> list[tuple[Room, int]] | None:
    """Pick nodes and CPUs of each; None if the request cannot be met."""
    if not rooms:
        return None
    if request.contiguous:
        return _choose_contiguous(rooms, request, partition)
    must: list[Room] = []
    if request.required:
        by_name = {room.node.name: room for room in rooms}
        for name in request.required:
            if name not in by_name:
                return None
            must.append(by_name.pop(name))
        rooms = list(by_name.values())
    for expression, count in counted:
        have = sum(1 for room in must if _has(room, expression))
        for room in list(rooms):
            if have >= count:
                break
            if _has(room, expression):
                must.append(room)
                rooms.remove(room)
                have += 1
        if have < count:
            return None
    if request.spread:
        rooms = sorted(rooms, key=lambda room: -room.cpus)
    elif request.use_min_nodes:
        rooms = sorted(rooms, key=lambda room: -room.cpus)
    wanted_nodes = max(request.min_nodes, len(must))
    most = request.max_nodes or len(must) + len(rooms)
    if request.spread:
        wanted_nodes = max(wanted_nodes, min(most, len(must) + len(rooms), request.tasks))
    taken = _fill(must, rooms, request, wanted_nodes, most)
    if taken is None and (request.max_nodes or request.min_nodes > 1):
        biggest = sorted(rooms, key=lambda room: -room.cpus)
        taken = _fill(must, biggest, request, wanted_nodes, most)
    if taken is None and request.spread:
        taken = _fill(must, rooms, request, max(request.min_nodes, len(must)), most)
    return taken


def _has(room: Room, expression: Expression) -> bool:
    return constraints.holds(expression, frozenset(room.node.active_features or room.node.features))


def _fill(
    must: list[Room], rooms: list[Room], request: Request, wanted_nodes: int, most: int
) -> list[tuple[Room, int]] | None:
    """Go through the nodes in order; each takes what it can, leaving one task for every node still to come."""
    need = _needed_cpus(request)
    need_gres = {(name, kind): count for name, kind, count in request.gres_per_job}
    least = max(1 if request.overcommit else request.cpus_per_task, request.node_cpus)
    chosen: list[Room] = list(must)
    capacity = sum(room.cpus for room in chosen)
    if len(chosen) > most:
        return None
    for room in rooms:
        enough = capacity >= need and len(chosen) >= wanted_nodes and _enough_gres(chosen, need_gres)
        if enough or len(chosen) >= most:
            break
        if most == 1 and room.cpus < need:
            continue
        chosen.append(room)
        capacity += room.cpus
    if capacity < need or len(chosen) < wanted_nodes or not _enough_gres(chosen, need_gres):
        return None
    result = []
    left = need
    for position, room in enumerate(chosen):
        coming = len(chosen) - position - 1
        take = min(room.cpus, max(least, left - coming * least))
        if request.spread:
            take = min(room.cpus, max(least, -(-left // (coming + 1) // least) * least))
        result.append([room, take])
        left -= take
    if left > 0:  # nodes with more room than their share take the rest
        for entry in result:
            more = min(left, entry[0].cpus - entry[1])
            entry[1] += more
            left -= more
        if left > 0:
            return None
    return [(room, take) for room, take in result]


def _needed_cpus(request: Request) -> int:
    if request.overcommit:
        return max(request.cpus, request.min_nodes)
    return max(request.cpus, request.tasks * request.cpus_per_task)


def _enough_gres(chosen: list[Room], need: dict[tuple[str, str], int]) -> bool:
    return all(
        sum(gres_request.node_free(room.node, name, kind) for room in chosen) >= count
        for (name, kind), count in need.items()
    )


def _choose_contiguous(rooms: list[Room], request: Request, partition: Partition) -> list[tuple[Room, int]] | None:
    index = {name: position for position, name in enumerate(partition._node_names)}
    ordered = sorted(rooms, key=lambda room: index[room.node.name])
    runs: list[list[Room]] = []
    for room in ordered:
        if runs and index[room.node.name] == index[runs[-1][-1].node.name] + 1:
            runs[-1].append(room)
        else:
            runs.append([room])
    most = request.max_nodes or len(ordered)
    for run in sorted(runs, key=len):
        for start in range(len(run)):
            window = run[start:]
            names = {room.node.name for room in window}
            if not names.issuperset(request.required):
                continue
            taken = _fill([], window, request, request.min_nodes, most)
            if taken is not None and {room.node.name for room, _ in taken}.issuperset(request.required):
                return taken
    return None


# ------------------------------------------------------------------------------------------------ concrete cores


def _assign(
    chosen: list[tuple[Room, int]],
    request: Request,
    partition: Partition,
    rule: Rules,
    table: Mapping[str, Node],
    empty: bool,
) -> dict[str, NodeAlloc] | None:
    left_gres = {(name, kind): count for name, kind, count in request.gres_per_job}
    made: dict[str, NodeAlloc] = {}
    for position, (room, cpus) in enumerate(chosen):
        node = room.node
        coming = len(chosen) - position - 1
        wanted = list(request.gres_per_node)
        tasks = max(1, cpus // request.cpus_per_task)
        wanted += [(name, kind, count * tasks) for name, kind, count in request.gres_per_task]
        wanted += [(name, kind, count * max(1, request.sockets)) for name, kind, count in request.gres_per_socket]
        if not request.gres_per_node and not request.gres_per_task:
            wanted += _share_of_job_gres(node, left_gres, coming, empty)
        if room.whole:
            gres = gres_request.all_of(node)
            cores = ((1 << node._core_count) - 1) & ~node._cores_reserved
            cpus = node.effective_cpus or node.cpus
        else:
            gres = ()
            if wanted and not empty:
                picked = gres_request.pick(node, _merged(wanted))
                if picked is None:
                    return None
                gres = picked
            count = -(-cpus // room.per_core)
            cores = _pick_cores(node, room.cores, count, room.per_core, request, bool(wanted))
            if rule.by_core:
                cpus = cores.bit_count() * cpus_per_core(node)
        memory = _memory(node, request, rule, cpus, wanted)
        if not empty and rule.memory and memory > node.real_memory - node.specialized_memory - node._memory_used:
            return None
        made[node.name] = NodeAlloc(cpus, cores, memory, gres)
    if len(made) == 1:
        return made
    order = {name: position for position, name in enumerate(table)}
    return {name: made[name] for name in sorted(made, key=lambda name: order[name])}


def _merged(wanted: list[Gres]) -> tuple[Gres, ...]:
    merged: dict[tuple[str, str], int] = {}
    for name, kind, count in wanted:
        merged[name, kind] = max(merged.get((name, kind), 0), count)
    return tuple((name, kind, count) for (name, kind), count in merged.items())


def _share_of_job_gres(node: Node, left: dict[tuple[str, str], int], coming: int, empty: bool) -> list[Gres]:
    """This node's part of --gpus: as many as it has, with at least one left for each node still to come."""
    share = []
    for (name, kind), count in left.items():
        has = (gres_request.node_total if empty else gres_request.node_free)(node, name, kind)
        take = min(has, max(count - coming, 1 if count else 0))
        if take > 0:
            share.append((name, kind, take))
            left[name, kind] = count - take
    return share


def _memory(node: Node, request: Request, rule: Rules, cpus: int, wanted: list[Gres]) -> int:
    if not rule.memory:
        return 0
    if request.whole_memory:
        return node.real_memory - node.specialized_memory
    if request.mem_per_gres:
        total = 0
        for name, kind, each in request.mem_per_gres:
            total += each * sum(count for n, k, count in wanted if n == name and (not kind or k == kind))
        return total
    if request.mem_per_node:
        return request.mem_per_node
    return request.mem_per_cpu * cpus


def _pick_cores(node: Node, free: int, count: int, per_core: int, request: Request, with_gres: bool) -> int:
    """`count` cores of the free ones, of as few sockets as possible; lowest numbers first."""
    size = max(1, node.cores)
    if node._core_count <= size:
        return _lowest(free, count)
    mask = (1 << size) - 1
    sockets = [(free >> base & mask, base) for base in range(0, node._core_count, size)]
    if request.tasks_per_socket:
        return _spread_cores(sockets, count, -(-request.tasks_per_socket * request.cpus_per_task // per_core))
    # devices without known cores hang on no socket: such small jobs start at the far one, as Slurm places them
    order = reversed(sockets) if with_gres and count <= 2 else sockets
    for cores, base in order:
        if cores.bit_count() >= count:
            return _lowest(cores, count) << base
    picked = 0
    for cores, base in sorted(sockets, key=lambda entry: -entry[0].bit_count()):
        take = min(count, cores.bit_count())
        picked |= _lowest(cores, take) << base
        count -= take
        if not count:
            break
    return picked


def _spread_cores(sockets: list[tuple[int, int]], count: int, each: int) -> int:
    picked = 0
    for cores, base in sockets:
        take = min(count, each, cores.bit_count())
        picked |= _lowest(cores, take) << base
        count -= take
    return picked


def _lowest(mask: int, count: int) -> int:
    picked = 0
    for _ in range(count):
        low = mask & -mask
        picked |= low
        mask ^= low
    return picked


# ------------------------------------------------------------------------------------------------ counters


def allocate(state: State, job: Job, placement: Placement | None = None) -> None:
    """Count a job's allocation (a new one, or that of a job read back from the store) on its nodes."""
    if placement is not None:
        job._allocation = placement.allocation
    partition = state.partitions.get(job.partition)
    sharing = partition is not None and share_limit(partition, job.shared == "YES") > 1
    whole = job.shared == "NO" or (partition is not None and partition.oversubscribe == "EXCLUSIVE")
    job._sched = {**job._sched, "rows": job.partition if sharing else "", "whole": whole}
    one_user = job.shared == "USER" or (partition is not None and partition.exclusive_user)
    for name, alloc in job._allocation.items():
        node = state.nodes.get(name)
        if node is None:
            continue
        node._jobs[job.job_id] = job
        _take(node, job, alloc, cores_too=not job.is_suspended)
        if whole:
            node._exclusive += 1
        if one_user:
            node.owner = job.user_name
        _describe(state, node)


def release(state: State, job: Job) -> None:
    """Give back what the job holds on all its nodes, and its licenses. `job._allocation` stays, for the record."""
    for name in job._allocation:
        release_node(state, job, name)
    if job._sched.get("started"):
        licenses.give_back(state, job)
        job._sched = {key: value for key, value in job._sched.items() if key != "started"}


def release_node(state: State, job: Job, name: str) -> None:
    """Give back what the job holds on one node (the others may still be at its end)."""
    node = state.nodes.get(name)
    if node is None or not release_shadow(node, job):
        return
    state.freed_nodes.add(name)
    _describe(state, node)


def release_shadow(node: Node, job: Job) -> bool:
    """Take a job off the counters of one node, which may be a `shadow`; False if it is not there."""
    name = node.name
    alloc = job._allocation.get(name)
    if alloc is None or job.job_id not in node._jobs:
        return False
    suspended = job.job_id in node._suspended
    del node._jobs[job.job_id]
    node._suspended.pop(job.job_id, None)
    if not suspended:
        _give_cores(node, job, alloc)
    node._memory_used -= alloc.memory
    for gres_name, kind, count, indices in alloc.gres:
        key = (gres_name, kind)
        if indices:
            node._gres_used[key] = node._gres_used.get(key, 0) & ~sum(1 << index for index in indices)
        else:
            node._gres_used[key] = node._gres_used.get(key, 0) - count
        if not node._gres_used[key]:
            del node._gres_used[key]
    if job._sched.get("whole"):
        node._exclusive -= 1
    if node.owner and not node._jobs:
        node.owner = ""
    return True


def suspend(state: State, job: Job) -> None:
    """The job's CPUs become free for others; memory and devices stay its own."""
    for name, alloc in job._allocation.items():
        node = state.nodes.get(name)
        if node is not None and job.job_id in node._jobs and job.job_id not in node._suspended:
            node._suspended[job.job_id] = job
            _give_cores(node, job, alloc)
            state.freed_nodes.add(name)
            _describe(state, node)


def resume(state: State, job: Job) -> None:
    """The job has its CPUs again (whoever got them meanwhile shares them with it until one of the two ends)."""
    for name, alloc in job._allocation.items():
        node = state.nodes.get(name)
        if node is not None and node._suspended.pop(job.job_id, None) is not None:
            _take_cores(node, job, alloc)
            _describe(state, node)


def _take(node: Node, job: Job, alloc: NodeAlloc, cores_too: bool) -> None:
    if cores_too:
        _take_cores(node, job, alloc)
    else:
        node._suspended[job.job_id] = job
    node._memory_used += alloc.memory
    for name, kind, count, indices in alloc.gres:
        key = (name, kind)
        if indices:
            node._gres_used[key] = node._gres_used.get(key, 0) | sum(1 << index for index in indices)
        else:
            node._gres_used[key] = node._gres_used.get(key, 0) + count


def _take_cores(node: Node, job: Job, alloc: NodeAlloc) -> None:
    node._cpus_used += alloc.cpus
    partition = job._sched.get("rows")
    if not partition:
        node._cores_used |= alloc.cores
        return
    rows = node._rows.setdefault(partition, [])
    for position, row in enumerate(rows):
        if not row & alloc.cores:
            rows[position] = row | alloc.cores
            return
    rows.append(alloc.cores)


def _give_cores(node: Node, job: Job, alloc: NodeAlloc) -> None:
    node._cpus_used -= alloc.cpus
    partition = job._sched.get("rows")
    others = [
        other
        for other in node._jobs.values()
        if other is not job and other.job_id not in node._suspended and node.name in other._allocation
    ]
    if not partition:
        left = ~alloc.cores
        if node._suspended or node._cpus_used > node.cpus:  # somebody else may have been put on the same cores
            for other in others:
                if not other._sched.get("rows"):
                    left |= other._allocation[node.name].cores
        node._cores_used &= left
        return
    rows: list[int] = []  # packed anew: a row is several jobs that do not touch
    for other in others:
        if other._sched.get("rows") == partition:
            cores = other._allocation[node.name].cores
            for position, row in enumerate(rows):
                if not row & cores:
                    rows[position] = row | cores
                    break
            else:
                rows.append(cores)
    if rows:
        node._rows[partition] = rows
    else:
        node._rows.pop(partition, None)


def _describe(state: State, node: Node) -> None:
    """Bring the shown fields of a node in line with its counters."""
    node.alloc_cpus = node._cpus_used
    node.alloc_memory = node._memory_used
    node.gres_used = gres_used_text(node)
    tracked = state.assocs.tres
    parts = []
    if node._cpus_used:
        parts.append(f"cpu={node._cpus_used}")
    if node._memory_used:
        from slurmpy.core.sizes import format_mem

        parts.append(f"mem={format_mem(node._memory_used)}")
    for (name, kind), used in node._gres_used.items():
        count = gres_used_count(node, name, kind, used)
        parts.append(f"gres/{name}={count}")
        if kind and f"gres/{name}:{kind}" in tracked:
            parts.append(f"gres/{name}:{kind}={count}")
    node.tres_used = ",".join(parts)
    base = node.state & NodeState.BASE
    if base in (NodeState.IDLE, NodeState.ALLOCATED, NodeState.MIXED):
        running = len(node._jobs) > len(node._suspended)
        full = node._cpus_used >= (node.effective_cpus or node.cpus) or node._exclusive
        new = NodeState.IDLE if not node._jobs else NodeState.ALLOCATED if full and running else NodeState.MIXED
        node.state = node.state & ~NodeState.BASE | new
    state.touch_node(node, stored=False)


def gres_used_count(node: Node, name: str, kind: str, used: int) -> int:
    with_files = any(entry[3] for entry in node._gres if entry[0] == name and entry[1] == kind)
    return used.bit_count() if with_files else used


def gres_used_text(node: Node) -> str:
    """``gpu:a100:2(IDX:0-1)``; nothing used is ``gpu:a100:0(IDX:N/A)``, as scontrol -d show node has it."""
    shown = []
    for name, kind, _, indices in node._gres:
        used = node._gres_used.get((name, kind), 0)
        label = f"{name}:{kind}" if kind else name
        if indices:
            held = tuple(index for index in indices if used >> index & 1)
            shown.append(f"{label}:{len(held)}(IDX:{gres_request.ranges(held) or 'N/A'})")
        else:
            shown.append(f"{label}:{used}")
    return ",".join(shown)


# ------------------------------------------------------------------------------------------------ what-if


def shadow(node: Node) -> Node:
    """A copy of a node whose counters may be changed without touching the real one."""
    twin = node.copy()
    twin._jobs = dict(node._jobs)
    twin._gres_used = dict(node._gres_used)
    twin._rows = {name: list(rows) for name, rows in node._rows.items()}
    twin._suspended = dict(node._suspended)
    return twin


def job_resources(state: State, job: Job) -> dict[str, Any]:
    """The public form of an allocation (`JobInfo.job_resources`)."""
    from slurmpy.core import hostlist

    allocation = []
    for name, alloc in job._allocation.items():
        node = state.nodes.get(name)
        allocation.append(
            {
                "name": name,
                "cpus": alloc.cpus,
                "cpus_used": 0,
                "memory": alloc.memory,
                "memory_used": 0,
                "sockets": node.boards * node.sockets if node is not None else 1,
                "cores_per_socket": node.cores if node is not None else 1,
                "threads": cpus_per_core(node) if node is not None else 1,
                "core_ids": tuple(alloc.core_ids()),
                "gres": tuple((n, kind, indices) for n, kind, _, indices in alloc.gres),
            }
        )
    return {
        "nodes": hostlist.compress(list(job._allocation)),
        "whole": bool(job._sched.get("whole")),
        "threads_per_core": job.threads_per_core,
        "allocation": tuple(allocation),
    }
