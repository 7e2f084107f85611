"""``scontrol show node``."""

from __future__ import annotations

from ..core.states import NodeState
from .scontrol_job import View, null

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.records.cluster import NodeInfo

#: flags in the order in which they follow the base state
FLAGS = (
    (NodeState.BLOCKED, "BLOCKED"),
    (NodeState.CLOUD, "CLOUD"),
    (NodeState.COMPLETING, "COMPLETING"),
    (NodeState.DRAIN, "DRAIN"),
    (NodeState.DYNAMIC_FUTURE, "DYNAMIC_FUTURE"),
    (NodeState.DYNAMIC_NORM, "DYNAMIC_NORM"),
    (NodeState.INVALID_REG, "INVALID_REG"),
    (NodeState.FAIL, "FAIL"),
    (NodeState.MAINTENANCE, "MAINTENANCE"),
    (NodeState.POWER_DOWN, "POWER_DOWN"),
    (NodeState.POWER_UP, "POWER_UP"),
    (NodeState.POWERING_DOWN, "POWERING_DOWN"),
    (NodeState.POWERED_DOWN, "POWERED_DOWN"),
    (NodeState.POWER_DRAIN, "POWER_DRAIN"),
    (NodeState.REBOOT_REQUESTED, "REBOOT_REQUESTED"),
    (NodeState.REBOOT_ISSUED, "REBOOT_ISSUED"),
    (NodeState.RESERVED, "RESERVED"),
    (NodeState.RESUME, "RESUME"),
    (NodeState.NOT_RESPONDING, "NOT_RESPONDING"),
    (NodeState.POWERING_UP, "POWERING_UP"),
    (NodeState.PLANNED, "PLANNED"),
)


def state_text(state: int) -> str:
    """``IDLE+DRAIN``"""
    return NodeState.NAMES.get(state & NodeState.BASE, "INVALID") + "".join(
        f"+{name}" for flag, name in FLAGS if state & flag
    )


def show(node: NodeInfo, view: View) -> str:
    """The text of one node, with its final newlines."""
    first = f"NodeName={node.name} "
    if node.architecture:
        first += f"Arch={node.architecture} "
    if node.cpu_binding:
        first += f"CpuBind={node.cpu_binding} "
    load = "N/A" if node.cpu_load is None else f"{node.cpu_load / 100:.2f}"
    lines = [
        f"{first}CoresPerSocket={node.cores} ",
        f"CPUAlloc={node.alloc_cpus} CPUEfctv={node.effective_cpus} CPUTot={node.cpus} CPULoad={load}",
        f"AvailableFeatures={null(','.join(node.features))}",
        f"ActiveFeatures={null(','.join(node.active_features))}",
        f"Gres={null(node.gres)}",
    ]
    if view.detail:
        lines.append(f"GresDrain={node.gres_drained or 'N/A'}")
        lines.append(f"GresUsed={null(node.gres_used)}")
    address = f"NodeAddr={node.address} NodeHostName={node.hostname} "
    if node.port:
        address += f"Port={node.port} "
    lines.append(address + f"Version={node.version}" if node.version else address)
    if node.operating_system:
        lines.append(f"OS={node.operating_system} ")
    free = "N/A" if node.free_mem is None else str(node.free_mem)
    lines.append(
        f"RealMemory={node.real_memory} AllocMem={node.alloc_memory} FreeMem={free} "
        f"Sockets={node.sockets * node.boards} Boards={node.boards}"
    )
    lines += _special(node)
    after = "" if node.next_state_after_reboot is None else f" NextState={state_text(node.next_state_after_reboot)}"
    lines.append(
        f"State={state_text(node.state)}{after} ThreadsPerCore={node.threads} TmpDisk={node.temporary_disk} "
        f"Weight={node.weight} Owner={node.owner or 'N/A'} MCS_label={node.mcs_label or 'N/A'}"
    )
    if node.partitions:
        lines.append(f"Partitions={','.join(node.partitions)} ")
    lines.append(
        f"BootTime={view.time(node.boot_time, 'None')} SlurmdStartTime={view.time(node.slurmd_start_time, 'None')}"
    )
    lines.append(f"LastBusyTime={view.time(node.last_busy)} ResumeAfterTime={view.time(node.resume_after, 'None')}")
    lines.append(f"CfgTRES={null(node.tres)}")
    lines.append(f"AllocTRES={node.tres_used}")
    lines.append("CurrentWatts=0 AveWatts=0")
    lines.append("")
    lines += _notes(node, view)
    return view.block(lines) + ("\n" if view.one_line else "\n\n")


def _special(node: NodeInfo) -> list[str]:
    """What is set aside for the system."""
    parts = []
    if node.specialized_cores:
        parts.append(f"CoreSpecCount={node.specialized_cores} ")
    if node.specialized_cpus:
        parts.append(f"CPUSpecList={node.specialized_cpus} ")
    if node.specialized_memory:
        parts.append(f"MemSpecLimit={node.specialized_memory}")
    return ["".join(parts)] if parts else []


def _notes(node: NodeInfo, view: View) -> list[str]:
    lines = []
    if node.reason:
        when = f" [{node.reason_set_by_user}@{view.time(node.reason_changed_at)}]" if node.reason_changed_at else ""
        lines.append(f"Reason={node.reason}{when}")
    for name, text in (
        ("Comment", node.comment),
        ("Extra", node.extra),
        ("InstanceId", node.instance_id),
        ("InstanceType", node.instance_type),
        ("ReservationName", node.reservation),
    ):
        if text:
            lines.append(f"{name}={text}")
    return lines
