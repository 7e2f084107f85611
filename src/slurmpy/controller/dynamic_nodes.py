"""Nodes that scontrol makes and removes while slurmctld runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slurmpy.conf.node_lines import NodeLine
from slurmpy.controller import cluster
from slurmpy.core.errors import SlurmError
from slurmpy.core.states import NodeState

if TYPE_CHECKING:
    from slurmpy.controller.control import Controller
    from slurmpy.rpc.server import Peer


def create_node(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    """`line` is a NodeName line of slurm.conf; its State must be FUTURE or CLOUD. They last until the next restart."""
    pairs = []
    for word in str(args.get("line", "")).split():
        key, equals, value = word.partition("=")
        if not equals:
            raise SlurmError("ESLURM_INVALID_NODE_NAME")
        pairs.append((key, value))
    if not pairs or pairs[0][0].lower() != "nodename":
        raise SlurmError("ESLURM_INVALID_NODE_NAME")
    try:
        line = NodeLine(pairs)
    except KeyError as error:
        raise SlurmError("SLURM_ERROR", f"a node has no {error.args[0]}") from None
    problems: list[str] = []
    line.complete({}, problems)
    if line.State.split("+")[0] not in ("FUTURE", "CLOUD"):
        raise SlurmError("ESLURM_INVALID_NODE_STATE")
    state = ctl.state
    names = line.names()
    for name in names:
        if name in state.nodes:
            raise SlurmError("ESLURM_NODE_ALREADY_EXISTS")
    if problems:
        raise SlurmError("SLURM_ERROR", problems[0])
    for node in cluster.nodes_of_line(ctl.conf, line):
        node.state |= NodeState.DYNAMIC_NORM
        state.nodes[node.name] = node
        state.touch_node(node, stored=False)
    cluster.link_nodes(state)
    ctl.schedule()
    return {}


def delete_node(ctl: Controller, peer: Peer, args: dict[str, Any]) -> dict[str, Any]:
    """Removes nodes that `create_node` made and that are idle."""
    from slurmpy.core import hostlist

    state = ctl.state
    names = args.get("names") or args.get("name")
    names = hostlist.expand(names) if isinstance(names, str) else list(names or ())
    for name in names:
        node = state.nodes.get(name)
        if node is None:
            raise SlurmError("ESLURM_INVALID_NODE_NAME")
        if not node.state & NodeState.DYNAMIC_NORM:
            raise SlurmError("ESLURM_INVALID_NODE_STATE")
        if node._jobs:
            raise SlurmError("ESLURM_NODES_BUSY")
    for name in names:
        del state.nodes[name]
        ctl.agent.forget(name)
        for partition in state.partitions.values():
            if name in partition._node_set:
                cluster.set_members(state, partition, [one for one in partition._node_names if one != name])
    cluster.link_nodes(state)
    state.nodes_update = state.now
    return {}


METHODS = {"create_node": create_node, "delete_node": delete_node}
