"""Which nodes, cores, memory and devices a job gets (Slurm's select/cons_tres).

`place` only looks; `allocate` and `release` (of `allocation`) change the counters of the nodes. Cores are bit masks
over a node's cores.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from slurmpy.controller import constraints, gres_request, job_request
from slurmpy.controller.allocation import (
    Placement,
    allocate,
    job_resources,
    release,
    release_node,
    release_shadow,
    resume,
    shadow,
    suspend,
)
from slurmpy.controller.node_room import Room, Rules, cpus_per_core, fits_ever, room_on, rules, share_limit
from slurmpy.controller.state import Node, NodeAlloc
from slurmpy.core.records.base import INFINITE

if TYPE_CHECKING:
    from slurmpy.controller.backfill import View
    from slurmpy.controller.constraints import Expression
    from slurmpy.controller.gres_request import Gres
    from slurmpy.controller.job_request import Request
    from slurmpy.controller.state import Job, Partition, State


__all__ = [
    "Placement", "Room", "Rules", "allocate", "cpus_per_core", "fits_ever", "job_resources", "place", "release",
    "release_node", "release_shadow", "resume", "rules", "shadow", "share_limit", "suspend",
]  # fmt: skip


# ------------------------------------------------------------------------------------------------ placement


def node_limits(request: Request, partition: Partition) -> tuple[int, int]:
    """(least, most) nodes that the request may have in the partition; most is 0 where nothing limits it."""
    most = request.max_nodes
    if partition.max_nodes != INFINITE and request.min_nodes <= partition.max_nodes:
        most = min(most or partition.max_nodes, partition.max_nodes)
    return max(request.min_nodes, partition.min_nodes), most


def ordered_nodes(state: State, partition: Partition) -> tuple[str, ...]:
    """The partition's nodes by weight, then in the order of slurm.conf; kept until a node or the partition changes."""
    cache: dict[str, tuple[Any, tuple[str, ...]]] = state.__dict__.setdefault("_weight_order", {})
    nodes = state.nodes
    names = partition._node_names
    # a few weights are looked at each time; many only when a node has changed
    changed = state.nodes_update if len(names) > 256 else sum(nodes[name].weight for name in names if name in nodes)
    stamp = (names, changed)
    known = cache.get(partition.name)
    if known is not None and known[0] == stamp:
        return known[1]
    ordered = tuple(sorted((name for name in names if name in nodes), key=lambda name: nodes[name].weight))
    cache[partition.name] = (stamp, ordered)
    return ordered


def place(
    state: State,
    job: Job,
    partition: Partition,
    now: int,
    *,
    nodes: Mapping[str, Node] | View | None = None,
    closed: frozenset[str] | set[str] = frozenset(),
    blocked: Mapping[str, int] | None = None,
    within: frozenset[str] | None = None,
    empty: bool = False,
    only_up: bool = False,
) -> Placement | str:
    """Find room for a job, or say why not: "Resources" (it may run later) or "ReqNodeNotAvail".

    `nodes` replaces the state's own (as `shadow` makes them), `closed` names nodes not to be used, `blocked` masks
    cores of nodes, `within` restricts to nodes (of a reservation). `empty` asks whether the job would fit if every
    node were up and idle, with `only_up` if those that are up were idle.
    """
    table = nodes if nodes is not None else state.nodes
    request = job_request.of(job)
    rule = rules(state)
    names = ordered_nodes(state, partition)
    if only_up:
        names = tuple(name for name in names if table[name].is_up)
    if partition.lln or rule.least_loaded:
        names = tuple(sorted(names, key=lambda name: table[name]._cpus_used / max(1, table[name].cpus)))
    if request.required:
        for name in request.required:
            node = table.get(name)
            if node is None or name not in partition._node_set:
                return "ReqNodeNotAvail"
            if not empty and (not node.is_up or (within is not None and name not in within)):
                return "ReqNodeNotAvail"
    # cores are shared only where there are none left to have alone
    sharing = not empty and share_limit(partition, request.oversubscribe) > 1
    wishes = (request.prefer, request.constraint) if request.prefer is not None and not empty else (request.constraint,)
    for overlap in (False, True) if sharing else (False,):
        for wish in wishes:
            found = _try(job, request, partition, rule, table, names, closed, blocked, within, empty, wish, overlap)
            if found is not None:
                return found
    return "Resources"


def _try(
    job: Job,
    request: Request,
    partition: Partition,
    rule: Rules,
    table: Mapping[str, Node] | View,
    names: tuple[str, ...],
    closed: frozenset[str] | set[str],
    blocked: Mapping[str, int] | None,
    within: frozenset[str] | None,
    empty: bool,
    constraint: constraints.Constraint | None,
    overlap: bool,
) -> Placement | None:
    alternatives: tuple[tuple[Expression | None, tuple[tuple[Expression, int], ...]], ...] = ((None, ()),)
    if constraint is not None:
        alternatives = constraint.alternatives
    for every, counted in alternatives:
        rooms = _rooms(
            job, request, partition, rule, table, names, closed, blocked, within, empty, every, counted, overlap
        )
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
    table: Mapping[str, Node] | View,
    names: tuple[str, ...],
    closed: frozenset[str] | set[str],
    blocked: Mapping[str, int] | None,
    within: frozenset[str] | None,
    empty: bool,
    every: Expression | None,
    counted: tuple[tuple[Expression, int], ...],
    overlap: bool,
) -> list[Room]:
    """What each usable node has to give. Stops early where the first node that fits is the answer."""
    least, limit = node_limits(request, partition)
    simple = (
        least == 1
        and not request.required
        and not counted
        and not request.contiguous
        and not request.spread
        and not request.use_min_nodes
        and not request.gres_per_job
    )
    enough = max(request.cpus, 1)
    total = 0
    rooms: list[Room] = []
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
        room = room_on(node, job, request, partition, rule, blocked.get(name, 0) if blocked else 0, empty, overlap)
        if room is None:
            continue
        if simple:
            if room.cpus >= enough:
                if not rooms or limit == 1:
                    return [room]
                rooms.append(room)
                return rooms
            total += room.cpus
            rooms.append(room)
            if total >= enough and not limit:
                return rooms
            continue
        rooms.append(room)
    return rooms


def _choose(
    rooms: list[Room],
    request: Request,
    partition: Partition,
    counted: tuple[tuple[Expression, int], ...],
    table: Mapping[str, Node] | View,
) -> list[tuple[Room, int]] | None:
    """Pick nodes and CPUs of each; None if the request cannot be met."""
    if not rooms:
        return None
    least, limit = node_limits(request, partition)
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
    if request.spread or request.use_min_nodes:
        rooms = sorted(rooms, key=lambda room: -room.cpus)
    wanted_nodes = max(least, len(must))
    most = limit or len(must) + len(rooms)
    if request.spread:
        wanted_nodes = max(wanted_nodes, min(most, len(must) + len(rooms), request.tasks))
    taken = _fill(must, rooms, request, wanted_nodes, most)
    if taken is None and (limit or least > 1):
        biggest = sorted(rooms, key=lambda room: -room.cpus)
        taken = _fill(must, biggest, request, wanted_nodes, most)
    if taken is None and request.spread:
        taken = _fill(must, rooms, request, max(least, len(must)), most)
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
    takes: list[int] = []
    left = need
    for position, room in enumerate(chosen):
        coming = len(chosen) - position - 1
        take = min(room.cpus, max(least, left - coming * max(least, room.per_core)))
        if request.spread:
            take = min(room.cpus, max(least, -(-left // (coming + 1) // least) * least))
        takes.append(take)
        left -= take
    if left > 0:  # nodes with more room than their share take the rest
        for position, room in enumerate(chosen):
            more = min(left, room.cpus - takes[position])
            takes[position] += more
            left -= more
        if left > 0:
            return None
    return list(zip(chosen, takes, strict=True))


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
    least, limit = node_limits(request, partition)
    most = limit or len(ordered)
    for run in sorted(runs, key=len):
        for start in range(len(run)):
            window = run[start:]
            names = {room.node.name for room in window}
            if not names.issuperset(request.required):
                continue
            taken = _fill([], window, request, least, most)
            if taken is not None and {room.node.name for room, _ in taken}.issuperset(request.required):
                return taken
    return None


# ------------------------------------------------------------------------------------------------ concrete cores


def _assign(
    chosen: list[tuple[Room, int]],
    request: Request,
    partition: Partition,
    rule: Rules,
    table: Mapping[str, Node] | View,
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
    """`count` cores of the free ones: of the fullest socket that has as many, else of the emptiest ones first.

    Of the free cores only the lowest count that whole tasks can use: five for tasks of two CPUs are four.
    """
    size = max(1, node.cores)
    if node._core_count <= size:
        return _lowest(free, count)
    mask = (1 << size) - 1
    if request.tasks_per_socket:
        sockets = [(free >> base & mask, base) for base in range(0, node._core_count, size)]
        return _spread_cores(sockets, count, -(-request.tasks_per_socket * request.cpus_per_task // per_core))
    if request.cpus_per_task > 1:
        usable = free.bit_count() * per_core // request.cpus_per_task * request.cpus_per_task
        free = _lowest(free, max(count, -(-usable // per_core)))
    sockets = [(free >> base & mask, base) for base in range(0, node._core_count, size)]
    fitting = [entry for entry in sockets if entry[0].bit_count() >= count]
    if fitting:
        # devices without known cores hang on no socket: such small jobs start at the far one, as Slurm places them
        far = with_gres and count <= 2 and request.exact_tasks
        cores, base = fitting[-1] if far else min(fitting, key=lambda entry: entry[0].bit_count())
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
