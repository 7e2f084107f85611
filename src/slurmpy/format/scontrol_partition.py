"""``scontrol show partition``."""

from __future__ import annotations

from ..core.records.base import INFINITE
from ..core.times import format_time_limit
from .scontrol_job import View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.records.cluster import PartitionInfo


def yes(value: bool) -> str:
    return "YES" if value else "NO"


def limit(value: int | None) -> str:
    return "UNLIMITED" if value is None or value == INFINITE else str(value)


def show(part: PartitionInfo, view: View, preempt_mode: str = "OFF") -> str:
    """The text of one partition, with its final newlines; `preempt_mode` is the cluster's."""
    accounts = f"AllowAccounts={part.allow_accounts or 'ALL'}"
    if part.deny_accounts and not part.allow_accounts:
        accounts = f"DenyAccounts={part.deny_accounts}"
    qos = f"AllowQos={part.allow_qos or 'ALL'}"
    if part.deny_qos and not part.allow_qos:
        qos = f"DenyQos={part.deny_qos}"
    lines = [
        f"PartitionName={part.name}",
        f"AllowGroups={part.allow_groups or 'ALL'} {accounts} {qos}",
        f"AllocNodes={part.allow_alloc_nodes or 'ALL'} Default={yes(part.default)} QoS={part.qos or 'N/A'}",
    ]
    if part.alternate:
        lines.append(f"Alternate={part.alternate}")
    default_time = "NONE" if part.default_time is None else format_time_limit(part.default_time)
    lines.append(
        f"DefaultTime={default_time} DisableRootJobs={yes(part.disable_root_jobs)} "
        f"ExclusiveUser={yes(part.exclusive_user)} ExclusiveTopo={yes(part.exclusive_topo)} "
        f"GraceTime={part.grace_time} Hidden={yes(part.hidden)}"
    )
    lines.append(
        f"MaxNodes={limit(part.max_nodes)} MaxTime={format_time_limit(part.max_time)} MinNodes={part.min_nodes} "
        f"LLN={yes(part.lln)} MaxCPUsPerNode={limit(part.max_cpus_per_node)} "
        f"MaxCPUsPerSocket={limit(part.max_cpus_per_socket)}"
    )
    if part.node_sets:
        lines.append(f"NodeSets={part.node_sets}")
    lines.append(f"Nodes={part.nodes or '(null)'}")
    lines.append(
        f"PriorityJobFactor={part.priority_job_factor} PriorityTier={part.priority_tier} "
        f"RootOnly={yes(part.root_only)} ReqResv={yes(part.req_resv)} OverSubscribe={part.oversubscribe}"
    )
    over = "NONE" if part.over_time_limit is None else limit(part.over_time_limit)
    lines.append(f"OverTimeLimit={over} PreemptMode={part.preempt_mode or preempt_mode}")
    lines.append(
        f"State={part.state} TotalCPUs={part.total_cpus} TotalNodes={part.total_nodes} SelectTypeParameters=NONE"
    )
    power = _power(part)
    if power:
        lines.append(power)
    lines.append(f"JobDefaults={part.job_defaults or '(null)'}")
    lines.append(
        f"{_memory('Def', part.def_mem_per_cpu, part.def_mem_per_node)} "
        f"{_memory('Max', part.max_mem_per_cpu, part.max_mem_per_node)}"
    )
    lines.append(f"TRES={part.tres or '(null)'}")
    if part.billing_weights:
        lines.append(f"TRESBillingWeights={part.billing_weights}")
    return view.block(lines) + ("\n" if view.one_line else "\n\n")


def _memory(kind: str, by_cpu: int | None, by_node: int | None) -> str:
    if by_cpu:
        return f"{kind}MemPerCPU={limit(by_cpu)}"
    return f"{kind}MemPerNode={limit(by_node or None)}"


def _power(part: PartitionInfo) -> str:
    """Only where the partition has its own rules for saving power."""
    if part.resume_timeout is None and part.suspend_timeout is None and part.suspend_time is None:
        return "PowerDownOnIdle=YES" if part.power_down_on_idle else ""
    own = [
        "GLOBAL" if value is None else "INFINITE" if value == INFINITE else str(value)
        for value in (part.resume_timeout, part.suspend_timeout, part.suspend_time)
    ]
    return (
        f"ResumeTimeout={own[0]} SuspendTimeout={own[1]} SuspendTime={own[2]} "
        f"PowerDownOnIdle={yes(part.power_down_on_idle)}"
    )
