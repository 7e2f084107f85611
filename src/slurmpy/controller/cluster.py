"""From slurm.conf to nodes, partitions and licenses; recovery of what the store holds; reconfiguration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slurmpy.controller import licenses, limits, scheduler, select
from slurmpy.controller.state import Job, Node, Partition, State
from slurmpy.core import hostlist, tres
from slurmpy.core.errors import SlurmError
from slurmpy.core.records.cluster import LicenseInfo
from slurmpy.core.sizes import format_mem
from slurmpy.core.states import NodeState
from slurmpy.rpc.log import log

if TYPE_CHECKING:
    from slurmpy.conf.slurm_conf import SlurmConf
    from slurmpy.controller.store import Store

#: State= of a NodeName line: (base state, flags)
NODE_STATES = {
    "UNKNOWN": (NodeState.UNKNOWN, 0),
    "IDLE": (NodeState.UNKNOWN, 0),
    "DOWN": (NodeState.DOWN, 0),
    "DRAIN": (NodeState.UNKNOWN, NodeState.DRAIN),
    "FAIL": (NodeState.UNKNOWN, NodeState.FAIL),
    "FUTURE": (NodeState.FUTURE, 0),
    "CLOUD": (NodeState.IDLE, NodeState.CLOUD | NodeState.POWERED_DOWN),
}

#: what an administrator has set on a node outlives a restart; the rest comes from slurm.conf and the registration
KEPT = (
    "reason", "reason_changed_at", "reason_set_by_user", "comment", "extra", "instance_id", "instance_type",
    "boot_time", "slurmd_start_time", "last_busy", "version", "architecture", "operating_system", "free_mem",
    "cpu_load",
    "resume_after",
)  # fmt: skip
KEPT_FLAGS = NodeState.DRAIN | NodeState.FAIL | NodeState.REBOOT_REQUESTED | NodeState.POWERED_DOWN
#: changed by scontrol; -R (recover everything) and a plain restart bring them back, reconfiguring does not
KEPT_SETTINGS = ("features", "active_features", "weight")

PARTITION_FIELDS = {
    "State": "state", "Alternate": "alternate", "AllowAccounts": "allow_accounts", "DenyAccounts": "deny_accounts",
    "AllowGroups": "allow_groups", "AllowQos": "allow_qos", "DenyQos": "deny_qos", "QOS": "qos", "Default": "default",
    "DisableRootJobs": "disable_root_jobs", "ExclusiveUser": "exclusive_user", "ExclusiveTopo": "exclusive_topo",
    "Hidden": "hidden", "LLN": "lln", "ReqResv": "req_resv", "RootOnly": "root_only",
    "PowerDownOnIdle": "power_down_on_idle", "DefaultTime": "default_time", "MaxTime": "max_time",
    "OverTimeLimit": "over_time_limit", "GraceTime": "grace_time", "MinNodes": "min_nodes", "MaxNodes": "max_nodes",
    "MaxCPUsPerNode": "max_cpus_per_node", "MaxCPUsPerSocket": "max_cpus_per_socket",
    "DefMemPerCPU": "def_mem_per_cpu", "DefMemPerNode": "def_mem_per_node", "MaxMemPerCPU": "max_mem_per_cpu",
    "MaxMemPerNode": "max_mem_per_node", "OverSubscribe": "oversubscribe", "PreemptMode": "preempt_mode",
    "PriorityJobFactor": "priority_job_factor", "PriorityTier": "priority_tier",
    "TRESBillingWeights": "billing_weights", "ResumeTimeout": "resume_timeout", "SuspendTimeout": "suspend_timeout",
    "SuspendTime": "suspend_time", "AllocNodes": "allow_alloc_nodes",
}  # fmt: skip


# ---------------------------------------------------------------------------------------------- from the configuration


def build_nodes(conf: SlurmConf) -> dict[str, Node]:
    """A record for every configured node. Raises SlurmError for a line that makes no sense."""
    files = _gres_files(conf)
    nodes: dict[str, Node] = {}
    for line in conf.nodes:
        for name, hostname, address, port in line.hosts(int(conf.SlurmdPort)):
            if name in nodes:
                raise SlurmError("ESLURM_INVALID_NODE_NAME", f"Duplicated NodeName {name} in the config file")
            nodes[name] = _node(conf, line, name, hostname, address, port, files)
    for entry in conf.down_nodes:
        for name in hostlist.expand(entry.get("downnodes", "")):
            if name in nodes:
                base, flags = NODE_STATES.get(entry.get("state", "DOWN").upper(), (NodeState.DOWN, 0))
                nodes[name].state = base | flags | NodeState.NOT_RESPONDING
                nodes[name].reason = entry.get("reason", "")
    return nodes


def nodes_of_line(conf: SlurmConf, line: Any) -> list[Node]:
    """The nodes of one NodeName line."""
    files = _gres_files(conf)
    hosts = line.hosts(int(conf.SlurmdPort))
    return [_node(conf, line, name, hostname, address, port, files) for name, hostname, address, port in hosts]


def _node(
    conf: SlurmConf, line: Any, name: str, hostname: str, address: str, port: int, files: dict[str, list[Any]]
) -> Node:
    node = Node(
        name=name, hostname=hostname, address=address, port=port, boards=line.Boards,
        sockets=line.Sockets // max(1, line.Boards), cores=line.CoresPerSocket, threads=line.ThreadsPerCore,
        cpus=line.CPUs, effective_cpus=line.CPUs, real_memory=line.RealMemory, temporary_disk=line.TmpDisk,
        weight=line.Weight, features=tuple(line.Features), active_features=tuple(line.Features), gres=line.Gres or "",
        specialized_cores=line.CoreSpecCount, specialized_memory=line.MemSpecLimit,
        res_cores_per_gpu=line.RestrictedCoresPerGPU,
    )  # fmt: skip
    node._conf = line
    base, flags = NODE_STATES.get(line.State.split("+")[0], (NodeState.UNKNOWN, 0))
    node.state = base | flags
    if base not in (NodeState.FUTURE,) and not flags & NodeState.CLOUD:
        node.state |= NodeState.NOT_RESPONDING
    if line.Reason:
        node.reason, node.reason_set_by_user = line.Reason, "root"
    node._core_count = line.Sockets * line.CoresPerSocket
    if line.CoreSpecCount:
        count = min(line.CoreSpecCount, node._core_count - 1)
        node._cores_reserved = ((1 << count) - 1) << (node._core_count - count)
        node.effective_cpus = line.CPUs - count * max(1, line.CPUs // node._core_count)
        node.specialized_cpus = ",".join(
            str(i) for i in range((node._core_count - count) * max(1, line.CPUs // node._core_count), line.CPUs)
        )
    node._gres = _gres(line.Gres or "", files.get(name, []))
    return node


def _gres_files(conf: SlurmConf) -> dict[str, list[Any]]:
    """gres.conf's lines by node name, where there is one beside slurm.conf."""
    try:
        from slurmpy.conf import gres_conf
    except ImportError:
        return {}
    return gres_conf.by_node(conf)


def _gres(text: str, lines: list[Any]) -> tuple[tuple[str, str, int, tuple[int, ...]], ...]:
    """Gres=gpu:a100:4 as (name, type, count, indices); devices are numbered through all types of a name."""
    found = []
    next_index: dict[str, int] = {}
    with_files = {(one.name, one.type or "") for one in lines if getattr(one, "files", ())}
    for name, kind, count in tres.parse_gres(text) if text else ():
        indices: tuple[int, ...] = ()
        if (name, kind) in with_files or (name, "") in with_files or (name == "gpu" and not lines):
            first = next_index.get(name, 0)
            indices = tuple(range(first, first + count))
            next_index[name] = first + count
        found.append((name, kind, count, indices))
    return tuple(found)


def build_partitions(conf: SlurmConf, nodes: dict[str, Node]) -> dict[str, Partition]:
    partitions: dict[str, Partition] = {}
    for line in conf.partitions:
        partition = Partition(name=line.PartitionName)
        for key, field in PARTITION_FIELDS.items():
            value = getattr(line, key)
            if value is not None and value != getattr(partition, field):
                setattr(partition, field, value)
        for field in ("allow_accounts", "allow_groups", "allow_qos", "allow_alloc_nodes"):
            if str(getattr(partition, field)).upper() == "ALL":
                setattr(partition, field, "")
        partition.configured_nodes = line.Nodes or ""
        _put_members(partition, nodes, members(conf, nodes, line.Nodes or ""))
        partitions[partition.name] = partition
    return partitions


def members(conf: SlurmConf, nodes: dict[str, Node], text: str) -> list[str]:
    """The nodes of a partition's Nodes=: ALL, node sets and host lists. Raises SlurmError for unknown nodes."""
    if text.upper() == "ALL":
        return [name for name, node in nodes.items() if node.state & NodeState.BASE != NodeState.FUTURE]
    sets = {one.name: one for one in conf.nodesets}
    found: dict[str, None] = {}
    for piece in hostlist.split(text) if text else ():
        if piece in sets:
            one = sets[piece]
            if one.Nodes:
                found.update(dict.fromkeys(hostlist.expand(one.Nodes)))
            if one.Feature:
                found.update(dict.fromkeys(name for name, node in nodes.items() if one.Feature in node.features))
            continue
        for name in hostlist.expand(piece):
            if name not in nodes:
                raise SlurmError("ESLURM_INVALID_NODE_NAME", f"node {name} is not configured")
            found[name] = None
    order = {name: at for at, name in enumerate(nodes)}
    return sorted(found, key=lambda name: order[name])


def set_members(state: State, partition: Partition, names: list[str]) -> None:
    _put_members(partition, state.nodes, names)
    describe_partition(state, partition)


def _put_members(partition: Partition, nodes: dict[str, Node], names: list[str]) -> None:
    partition._node_names = tuple(names)
    partition._node_set = frozenset(names)
    partition.nodes = hostlist.compress(names)
    partition.total_nodes = len(names)
    partition.total_cpus = sum(nodes[name].cpus for name in names)


def link_nodes(state: State) -> None:
    """Tells every node its partitions, and describes both in TRES."""
    of: dict[str, list[str]] = {name: [] for name in state.nodes}
    for partition in state.partitions.values():
        for name in partition._node_names:
            of[name].append(partition.name)
    for name, node in state.nodes.items():
        node.partitions = tuple(of[name])
        _describe_node(state, node)
        state.touch_node(node, stored=False)
    for partition in state.partitions.values():
        describe_partition(state, partition)


def _tracked(state: State) -> frozenset[str]:
    words = str(state.conf.AccountingStorageTRES or "").split(",")
    return frozenset(word.strip().lower() for word in words if word.strip())


def _weights(text: str) -> dict[str, float]:
    """TRESBillingWeights; memory's factor is per MiB here."""
    from slurmpy.controller.job_sizes import billing_weights

    return dict(billing_weights(text))


def _billing(counts: dict[str, int], weights: dict[str, float]) -> int:
    if not weights:
        return counts.get("cpu", 0)
    return int(sum(counts.get(name, 0) * factor for name, factor in weights.items()))


def _add_gres(counts: dict[str, int], node: Node, tracked: frozenset[str]) -> None:
    for name, kind, count, _ in node._gres:
        for label in (f"gres/{name}", f"gres/{name}:{kind}" if kind else ""):
            if label and label.lower() in tracked:
                counts[label] = counts.get(label, 0) + count


def _describe_node(state: State, node: Node) -> None:
    tracked = _tracked(state)
    counts = {"cpu": node.effective_cpus, "mem": node.real_memory}
    gres: dict[str, int] = {}
    _add_gres(gres, node, tracked)
    weighed = [
        _billing({**counts, **gres}, _weights(state.partitions[name].billing_weights)) for name in node.partitions
    ]
    billing = max(weighed, default=node.effective_cpus)
    node.tres = _show(node.effective_cpus, node.real_memory, None, billing, gres)


def describe_partition(state: State, partition: Partition) -> None:
    tracked = _tracked(state)
    cpus = sum(state.nodes[name].effective_cpus for name in partition._node_names)
    memory = sum(state.nodes[name].real_memory for name in partition._node_names)
    more: dict[str, int] = {}
    for name in partition._node_names:
        _add_gres(more, state.nodes[name], tracked)
    for lic in state.licenses.values():
        if f"license/{lic.name}" in tracked:
            more[f"license/{lic.name}"] = lic.total
    billing = _billing({"cpu": cpus, "mem": memory, **more}, _weights(partition.billing_weights))
    partition.tres = _show(cpus, memory, len(partition._node_names), billing, more)


def _show(cpus: int, memory: int, nodes: int | None, billing: int, more: dict[str, int]) -> str:
    parts = [f"cpu={cpus}"]
    if memory:
        parts.append(f"mem={format_mem(memory)}")
    if nodes is not None:
        parts.append(f"node={nodes}")
    parts.append(f"billing={billing}")
    parts.extend(f"{name}={count}" for name, count in more.items())
    return ",".join(parts)


def nodes_of_set(state: State, conf: SlurmConf, name: str) -> list[str]:
    return members(conf, state.nodes, name)


def fill(state: State, conf: SlurmConf) -> None:
    """Nodes, partitions and licenses of a fresh state."""
    state.nodes.update(build_nodes(conf))
    state.partitions.update(build_partitions(conf, state.nodes))
    _default(state)
    state.licenses.update(licenses.from_configuration(conf.Licenses or ""))
    link_nodes(state)


def remote_licenses(state: State) -> None:
    """This cluster's share of what slurmdbd counts (sacctmgr add resource), as licenses NAME@SERVER."""
    cluster = str(state.conf.ClusterName)
    found = {}
    for resource in state.assocs.resources.values():
        if resource.type.lower() not in ("license", "notset", ""):
            continue
        for name, allowed in resource.clusters:
            if name == cluster:
                absolute = "Absolute" in resource.flags
                total = allowed if absolute else resource.count * allowed // 100
                found[f"{resource.name}@{resource.server}"] = total
    for name in [one for one, lic in state.licenses.items() if lic.remote and one not in found]:
        del state.licenses[name]
    for name, total in found.items():
        lic = state.licenses.get(name)
        if lic is None:
            lic = state.licenses[name] = LicenseInfo(name=name, remote=True)
        if lic.total != total:
            lic.total, lic.last_update = total, state.now
            lic.free = max(0, total - lic.used)


def _default(state: State) -> None:
    defaults = [name for name, partition in state.partitions.items() if partition.default]
    state.default_partition = defaults[-1] if defaults else ""
    for name in defaults[:-1]:
        state.partitions[name].default = False


# ---------------------------------------------------------------------------------------------- recovery


def recover(state: State, store: Store, everything: bool) -> None:
    """Brings back what the store holds; `everything` (option -R): partitions' settings too."""
    state.next_id = max(store.load_next_id(), int(state.conf.FirstJobId))
    saved = store.meta("assocs")
    if saved is not None:
        state.assocs.load_snapshot(saved)
        remote_licenses(state)
    for name, old in store.load_nodes().items():
        node = state.nodes.get(name)
        if node is not None:
            _recover_node(node, old)
    for name, kept in store.load_partitions().items():
        _recover_partition(state, name, kept, everything)
    _default(state)
    link_nodes(state)
    for reservation in store.load_reservations():
        reservation._node_names = tuple(name for name in reservation._node_names if name in state.nodes)
        state.reservations[reservation.name] = reservation
    count = 0
    for job in store.load_jobs():
        _recover_job(state, job)
        count += 1
    for changed in (state.dirty_jobs, state.dirty_steps, state.dirty_nodes, state.dirty_partitions):
        changed.clear()
    state.dirty_reservations.clear()
    if count:
        log.info(f"Recovered information about {count} jobs")


def _recover_node(node: Node, old: Node) -> None:
    for field in KEPT:
        setattr(node, field, getattr(old, field))
    if node.state & NodeState.BASE == NodeState.FUTURE or old.state & NodeState.BASE == NodeState.FUTURE:
        return
    flags = old.state & KEPT_FLAGS
    was_down = old.state & NodeState.BASE == NodeState.DOWN
    if was_down:
        base = NodeState.DOWN
    elif node.state & NodeState.BASE == NodeState.DOWN:
        base = NodeState.DOWN if not old.reason and old.state & NodeState.BASE == NodeState.UNKNOWN else NodeState.IDLE
    else:
        base = NodeState.IDLE if old.state & NodeState.BASE != NodeState.UNKNOWN else NodeState.UNKNOWN
    silent = NodeState.NOT_RESPONDING if base in (NodeState.DOWN, NodeState.UNKNOWN) else 0
    node.state = base | flags | silent
    for field in KEPT_SETTINGS:
        if old.__dict__.get(field) is not None:
            setattr(node, field, getattr(old, field))


def _recover_partition(state: State, name: str, kept: Partition, everything: bool) -> None:
    """A partition that scontrol changed or made. Without -R only its state outlives a restart, and made ones do."""
    partition = state.partitions.get(name)
    names = [one for one in (hostlist.expand(kept.nodes) if kept.nodes else ()) if one in state.nodes]
    if partition is None:
        if everything:
            _put_members(kept, state.nodes, names)
            state.partitions[name] = kept
        return
    if everything:
        own = {key: value for key, value in kept.__dict__.items() if key[0] != "_"}
        partition.__dict__.update(own)
        _put_members(partition, state.nodes, names)
    else:
        partition.state = kept.state


def _recover_job(state: State, job: Job) -> None:
    gone = [name for name in job._allocation if name not in state.nodes]
    if gone and (job.is_running or job.is_suspended or job.is_completing):
        log.error(f"JobId={job.job_id} ran on {','.join(gone)}, which slurm.conf has no more")
        job._completing -= frozenset(gone)
    state.add_job(job)
    if job._allocation:
        job.job_resources = select.job_resources(state, job)
    if job._allocation and not (job.is_running or job.is_suspended or job.is_completing):
        for name in job._allocation:
            if name in state.nodes:
                state.nodes[name]._jobs.pop(job.job_id, None)
    scheduler.restore(state, job)


# ---------------------------------------------------------------------------------------------- reconfiguration


def reconfigure(state: State, conf: SlurmConf) -> list[Job]:
    """Takes a configuration that was read anew; jobs and what administrators set on nodes stay. Returns the jobs whose
    nodes have been taken out of it. Raises SlurmError, and then nothing has changed."""
    fresh = build_nodes(conf)
    partitions = build_partitions(conf, fresh)
    old_nodes = dict(state.nodes)
    lost = []
    for job in list(state.running.values()):
        if any(name not in fresh for name in job._allocation):
            lost.append(job)
    for name, node in fresh.items():
        old = old_nodes.get(name)
        if old is None:
            continue
        for field in KEPT:
            setattr(node, field, getattr(old, field))
        future = NodeState.FUTURE in (node.state & NodeState.BASE, old.state & NodeState.BASE)
        if not future:
            node.state = old.state
        for field in ("_jobs", "_cpus_used", "_cores_used", "_memory_used", "_gres_used", "_rows", "_exclusive",
                      "_suspended", "_last_response", "_registered", "alloc_cpus", "alloc_memory", "gres_used",
                      "tres_used", "tres_weighted", "owner"):  # fmt: skip
            setattr(node, field, getattr(old, field))
    state.conf = conf
    state.nodes.clear()
    state.nodes.update(fresh)
    for name in list(state.partitions):
        if name not in partitions:
            state.dirty_partitions[name] = None
    state.partitions.clear()
    state.partitions.update(partitions)
    _default(state)
    state.licenses = licenses.from_configuration(conf.Licenses or "")
    remote_licenses(state)
    licenses.recount(state, state.running.values())
    link_nodes(state)
    for node in state.nodes.values():
        state.touch_node(node)
    for partition in state.partitions.values():
        state.touch_partition(partition)
        state.dirty_partitions.pop(partition.name, None)
    limits.recount(state)
    for job in state.pending.values():
        state.requeue_look(job)
    return lost
