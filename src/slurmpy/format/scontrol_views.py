"""``scontrol show`` reservation, step and licenses."""

from __future__ import annotations

from ..core.ids import step_name
from ..core.states import JobState
from ..core.times import format_duration, format_time_limit
from .scontrol_job import View, null

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.records.cluster import LicenseInfo, ReservationInfo
    from ..core.records.job import StepInfo

#: flags of reservations in the order in which they are written
RESERVATION_FLAGS = (
    *("MAINT", "FLEX", "NO_HOLD_JOBS_AFTER_END", "OVERLAP", "IGNORE_JOBS", "HOURLY", "DAILY", "WEEKDAY", "WEEKEND"),
    *("WEEKLY", "SPEC_NODES", "ALL_NODES", "ANY_NODES", "STATIC", "PART_NODES", "REPLACE", "REPLACE_DOWN"),
    *("PURGE_COMP", "FIRST_CORES", "TIME_FLOAT", "USER_DELETE", "MAGNETIC", "FORCE_START"),
)


def reservation(resv: ReservationInfo, view: View) -> str:
    """The text of one reservation, with its final newlines."""
    order = {flag: at for at, flag in enumerate(RESERVATION_FLAGS)}
    words = {flag: flag for flag in resv.flags}
    if "PURGE_COMP" in words and resv.purge_comp_time is not None:
        words["PURGE_COMP"] = f"PURGE_COMP={format_duration(resv.purge_comp_time)}"
    text = ",".join(words[flag] for flag in sorted(words, key=lambda flag: order.get(flag, 99)))
    lines = [
        f"ReservationName={resv.name} StartTime={view.time(resv.start_time)} EndTime={view.time(resv.end_time)} "
        f"Duration={format_duration(resv.end_time - resv.start_time)}",
        f"Nodes={null(resv.node_list)} NodeCnt={resv.node_count} CoreCnt={resv.core_count} "
        f"Features={null(resv.features)} PartitionName={null(resv.partition)} Flags={text}",
        *(f"  NodeName={node} CoreIDs={cores}" for node, cores in resv.core_specializations),
        f"TRES={null(resv.tres)}",
        f"Users={null(resv.users)} Groups={null(resv.groups)} Accounts={null(resv.accounts)} "
        f"Licenses={null(resv.licenses)} State={resv.state} BurstBuffer={null(resv.burst_buffer)}",
        f"MaxStartDelay={format_duration(resv.max_start_delay) if resv.max_start_delay else '(null)'}",
    ]
    if resv.comment:
        lines.append(f"Comment={resv.comment}")
    return view.block(lines) + ("\n" if view.one_line else "\n\n")


def step_id(step: StepInfo) -> str:
    """``46_2.batch``, ``40.0``, ``40.0+1``"""
    job = (
        f"{step.array_job_id}_{step.array_task_id}"
        if step.array_job_id and step.array_task_id is not None
        else str(step.job_id)
    )
    component = "" if step.step_het_comp is None else f"+{step.step_het_comp}"
    return f"{job}.{step_name(step.step_id)}{component}"


def step(step: StepInfo, view: View) -> str:
    """The text of one step, with its final newlines."""
    state = JobState.NAMES.get(step.state & JobState.BASE, ("?", "?"))[0]
    dist = f" Dist={step.distribution}" if step.distribution not in ("", "Unknown") else ""
    lines = [
        f"StepId={step_id(step)} UserId={step.user_id} StartTime={view.time(step.start_time)} "
        f"TimeLimit={format_time_limit(step.time_limit)}",
        f"State={state} Partition={null(step.partition)} NodeList={null(step.nodes)}",
        f"Nodes={step.node_count} CPUs={step.number_cpus} Tasks={step.number_tasks} Name={null(step.name)} "
        f"Network={null(step.network)}",
        f"TRES={null(step.tres_alloc_str)}",
        f"ResvPorts={null(step.reserved_ports)}",
        f"CPUFreqReq=Default{dist}",
        f"SrunHost:Pid={null(step.srun_host)}:{step.srun_pid}",
    ]
    for name, text in (
        ("CpusPerTres", step.cpus_per_tres),
        ("MemPerTres", step.memory_per_tres),
        ("TresBind", step.tres_bind),
        ("TresFreq", step.tres_freq),
        ("TresPerStep", step.tres_per_step),
        ("TresPerNode", step.tres_per_node),
        ("TresPerSocket", step.tres_per_socket),
        ("TresPerTask", step.tres_per_task),
    ):
        if text:
            lines.append(f"{name}={text}")
    if step.container or step.container_id:
        lines.append(f"Container={null(step.container)} ContainerID={null(step.container_id)}")
    return view.block(lines) + ("\n" if view.one_line else "\n\n")


def license(one: LicenseInfo, view: View) -> str:
    """The text of one license, with its final newline."""
    lines = [
        f"LicenseName={one.name}",
        f"Total={one.total} Used={one.used} Free={one.free} Reserved={one.reserved} "
        f"Remote={'yes' if one.remote else 'no'}",
    ]
    if one.remote:
        lines.append(
            f"LastConsumed={one.last_consumed} LastDeficit={one.last_deficit} LastUpdate={view.time(one.last_update)}"
        )
    return (" " if view.one_line else "\n    ").join(lines) + "\n"
