"""sacct's fields: header, width, and how a job's and a step's cell come from the database's columns.

A field names the columns it needs (`job`, `step`; in a step's needs ``job.NAME`` is its job's), so that nothing else
travels; its function gets the `Style` and those values. A field without a `step` is empty on a step's line, and the
other way round.
"""

from __future__ import annotations

from . import sacct_cells as cells

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any


class Field:
    """One field. A negative `width` aligns to the left. `job` and `step`: the columns needed and the cell's
    function."""

    __slots__ = ("header", "job", "job_needs", "name", "step", "step_needs", "width")

    def __init__(
        self,
        name: str,
        width: int,
        job: tuple[Sequence[str], Callable[..., str]] | None,
        step: tuple[Sequence[str], Callable[..., str]] | None = None,
        header: str = "",
    ) -> None:
        self.name, self.width, self.header = name, width, header or name
        self.job_needs: Sequence[str] = job[0] if job else ()
        self.job: Callable[..., str] | None = job[1] if job else None
        self.step_needs: Sequence[str] = step[0] if step else ()
        self.step: Callable[..., str] | None = step[1] if step else None


# ---- the table


def _both(needs: Sequence[str], cell: Callable[..., str]) -> dict[str, Any]:
    return {"job": (needs, cell), "step": (needs, cell)}


def _of_job(needs: Sequence[str], cell: Callable[..., str]) -> dict[str, Any]:
    """The job's value on its steps' lines too."""
    return {"job": (needs, cell), "step": (tuple(f"job.{name}" for name in needs), cell)}


def _of_step(needs: Sequence[str], cell: Callable[..., str]) -> dict[str, Any]:
    return {"job": None, "step": (needs, cell)}


def _one_usage(column: str, name: str) -> dict[str, Any]:
    return _of_step((f"tres_usage_{column}",), cells.one(name))


def _one_place(column: str, name: str) -> dict[str, Any]:
    return _of_step((f"tres_usage_{column}",), cells.place(name))


_RUN = ("start_time", "end_time", "suspended")
_STEP_JOB_ID = ("step_id", "step_het_comp", *(f"job.{name}" for name in cells.JOB_ID))
_PATH = tuple(cells.PATH_NEEDS)


def _files(name: str) -> dict[str, Any]:
    return {"job": ((name, *_PATH), cells.path)}  # steps show none


FIELDS: tuple[Field, ...] = (
    Field("Account", 10, **_of_job(("account",), cells.text)),
    Field("AdminComment", 15, (("admin_comment",), cells.text)),
    Field("AllocCPUS", 10, **_both(("tres_allocated",), cells.alloc_cpus)),
    Field(
        "AllocNodes",
        10,
        job=(("allocation_nodes", "tres_allocated"), cells.alloc_nodes),
        step=(("node_count", "tres_allocated"), cells.step_nodes),
    ),
    Field("AllocTRES", 10, **_both(("tres_allocated",), cells.tres_text)),
    Field("AssocID", 7, **_of_job(("association_id",), cells.number)),
    Field("AveCPU", 10, **_one_usage("in_ave", "cpu")),
    Field("AveCPUFreq", 10, **_of_step(("actual_cpu_frequency",), cells.frequency)),
    Field("AveDiskRead", 14, **_one_usage("in_ave", "fs/disk")),
    Field("AveDiskWrite", 14, **_one_usage("out_ave", "fs/disk")),
    Field("AvePages", 10, **_one_usage("in_ave", "pages")),
    Field("AveRSS", 10, **_one_usage("in_ave", "mem")),
    Field("AveVMSize", 10, **_one_usage("in_ave", "vmem")),
    Field("BlockID", 16, (("block",), cells.text)),
    Field("Cluster", 10, **_of_job(("cluster",), cells.text)),
    Field("Comment", 14, (("comment",), cells.text)),
    Field("Constraints", 19, (("constraints",), cells.text)),
    Field(
        "ConsumedEnergy",
        14,
        job=(("consumed_energy", "start_time", "end_time"), cells.job_energy),
        step=(("consumed_energy",), cells.energy_used),
    ),
    Field(
        "ConsumedEnergyRaw",
        17,
        job=(("consumed_energy", "start_time", "end_time"), cells.job_energy_raw),
        step=(("consumed_energy",), cells.energy_raw),
    ),
    Field("Container", 19, **_both(("container",), cells.text)),
    Field("CPUTime", 10, **_both((*_RUN, "tres_allocated"), cells.cpu_time)),
    Field("CPUTimeRAW", 10, **_both((*_RUN, "tres_allocated"), cells.cpu_time_raw)),
    Field("DBIndex", -21, **_of_job(("db_index",), cells.number)),
    Field("DerivedExitCode", 15, (("derived_exit_code",), cells.derived_exit_code)),
    Field("Elapsed", 10, **_both(_RUN, cells.elapsed)),
    Field("ElapsedRaw", 10, **_both(_RUN, cells.elapsed_raw)),
    Field("Eligible", 19, job=(("eligible_time",), cells.time), step=(("start_time",), cells.time)),
    Field("End", 19, **_both(("end_time",), cells.end)),
    Field("ExitCode", 8, **_both(("exit_code",), cells.exit_code)),
    Field("Extra", 14, (("extra",), cells.text)),
    Field("FailedNode", 8, (("failed_node",), cells.text)),
    Field("Flags", 19, (("flags",), cells.flags)),
    Field("GID", 6, (("group_id",), cells.number)),
    Field("Group", 9, (("group_name",), cells.text)),
    Field("JobID", -12, job=(cells.JOB_ID, cells.job_id), step=(_STEP_JOB_ID, cells.step_job_id)),
    Field(
        "JobIDRaw",
        -12,
        job=(("job_id",), cells.number),
        step=(("step_id", "step_het_comp", "job.job_id"), cells.step_raw_id),
    ),
    Field("JobName", 10, **_both(("name",), cells.text)),
    Field("Layout", 9, **_of_step(("distribution",), cells.text)),
    Field("Licenses", 10, (("licenses",), cells.text)),
    Field("MaxDiskRead", 12, **_one_usage("in_max", "fs/disk")),
    Field("MaxDiskReadNode", 15, **_one_place("in_max_node", "fs/disk")),
    Field("MaxDiskReadTask", 15, **_one_place("in_max_task", "fs/disk")),
    Field("MaxDiskWrite", 12, **_one_usage("out_max", "fs/disk")),
    Field("MaxDiskWriteNode", 16, **_one_place("out_max_node", "fs/disk")),
    Field("MaxDiskWriteTask", 16, **_one_place("out_max_task", "fs/disk")),
    Field("MaxPages", 8, **_one_usage("in_max", "pages")),
    Field("MaxPagesNode", 12, **_one_place("in_max_node", "pages")),
    Field("MaxPagesTask", 14, **_one_place("in_max_task", "pages")),
    Field("MaxRSS", 10, **_one_usage("in_max", "mem")),
    Field("MaxRSSNode", 10, **_one_place("in_max_node", "mem")),
    Field("MaxRSSTask", 10, **_one_place("in_max_task", "mem")),
    Field("MaxVMSize", 10, **_one_usage("in_max", "vmem")),
    Field("MaxVMSizeNode", 14, **_one_place("in_max_node", "vmem")),
    Field("MaxVMSizeTask", 14, **_one_place("in_max_task", "vmem")),
    Field("McsLabel", 12, (("mcs_label",), cells.text)),
    Field("MinCPU", 10, **_one_usage("in_min", "cpu")),
    Field("MinCPUNode", 10, **_one_place("in_min_node", "cpu")),
    Field("MinCPUTask", 10, **_one_place("in_min_task", "cpu")),
    Field("NCPUS", 10, **_both(("tres_allocated",), cells.alloc_cpus)),
    Field(
        "NNodes",
        8,
        job=(("allocation_nodes", "tres_allocated", "tres_requested"), cells.nnodes),
        step=(("node_count", "tres_allocated"), cells.step_nodes),
    ),
    Field("NodeList", 15, **_both(("nodes",), cells.node_list)),
    Field("NTasks", 8, **_of_step(("number_tasks",), cells.number)),
    Field("Partition", 10, (("partition",), cells.text)),
    Field("Planned", 10, (("eligible_time", "start_time", "end_time"), cells.planned_time)),
    Field(
        "PlannedCPU",
        10,
        (("eligible_time", "start_time", "end_time", "tres_requested", "required_cpus"), cells.planned_cpu),
    ),
    Field(
        "PlannedCPURAW",
        13,
        (("eligible_time", "start_time", "end_time", "tres_requested", "required_cpus"), cells.planned_cpu_raw),
    ),
    Field("Priority", 10, (("priority",), cells.number)),
    Field("QOS", 10, (("qos",), cells.text)),
    Field("QOSRAW", 6, (("qos_id",), cells.nonzero)),
    Field("QOSREQ", 10, (("qosreq",), cells.text)),
    Field("Reason", 22, (("state_reason",), cells.text)),
    Field(
        "ReqCPUFreq",
        10,
        job=((), lambda style: "Unknown"),
        step=(("cpu_frequency_minimum", "cpu_frequency_maximum", "cpu_frequency_governor"), cells.frequency_range),
    ),
    Field("ReqCPUFreqGov", 13, job=((), lambda style: "Unknown"), step=(("cpu_frequency_governor",), cells.governor)),
    Field("ReqCPUFreqMax", 13, job=((), lambda style: "Unknown"), step=(("cpu_frequency_maximum",), cells.frequency)),
    Field("ReqCPUFreqMin", 13, job=((), lambda style: "Unknown"), step=(("cpu_frequency_minimum",), cells.frequency)),
    Field(
        "ReqCPUS",
        8,
        job=(("tres_requested", "required_cpus"), cells.req_cpus),
        step=(("tres_allocated",), cells.alloc_cpus),
    ),
    Field("ReqMem", 10, (("tres_requested",), cells.req_mem)),
    Field(
        "ReqNodes",
        8,
        job=(("tres_requested", "allocation_nodes"), cells.req_nodes),
        step=(("node_count", "tres_allocated"), cells.step_nodes),
    ),
    Field("ReqTRES", 10, (("tres_requested",), cells.tres_text)),
    Field("Reservation", 20, (("reservation_name",), cells.text)),
    Field("ReservationId", 8, (("reservation_id",), cells.nonzero)),
    Field("Restarts", 8, (("restart_cnt",), cells.number)),
    Field("SLUID", 14, **_of_job(("db_index",), cells.sluid)),
    Field("Start", 19, **_both(("start_time", "end_time"), cells.start)),
    Field("State", 10, **_both(("job_state", "kill_request_user_id"), cells.state)),
    Field("StdErr", 20, **_files("standard_error")),
    Field("StdIn", 20, **_files("standard_input")),
    Field("StdOut", 20, **_files("standard_output")),
    Field("Submit", 19, job=(("submit_time",), cells.time), step=(("start_time",), cells.time)),
    Field("SubmitLine", 20, **_both(("submit_line",), cells.text)),
    Field("Suspended", 10, **_both(("suspended",), cells.duration)),
    Field("SystemComment", 15, (("system_comment",), cells.text)),
    Field("SystemCPU", 10, **_both(("system_cpu_usec",), cells.cpu)),
    Field("Timelimit", 10, (("time_limit",), cells.time_limit)),
    Field("TimelimitRaw", 10, (("time_limit",), cells.time_limit_raw)),
    Field("TotalCPU", 10, **_both(("user_cpu_usec", "system_cpu_usec"), cells.cpu)),
    *(
        Field(
            f"TRESUsage{direction}{part}",
            width,
            **_of_step(
                (f"tres_usage_{direction.lower()}_{column}",), cells.usage("places" if "_" in column else "counts")
            ),
        )
        for direction, widths in (("In", (14, 14, 18, 18, 14, 18, 18, 14)), ("Out", (15, 15, 19, 19, 15, 19, 19, 15)))
        for (part, column), width in zip(
            (
                ("Ave", "ave"),
                ("Max", "max"),
                ("MaxNode", "max_node"),
                ("MaxTask", "max_task"),
                ("Min", "min"),
                ("MinNode", "min_node"),
                ("MinTask", "min_task"),
                ("Tot", "tot"),
            ),
            widths,
            strict=True,
        )
    ),
    Field("UID", 6, (("user_id",), cells.number)),
    Field("User", 9, (("user_name",), cells.text)),
    Field("UserCPU", 10, **_both(("user_cpu_usec",), cells.cpu)),
    Field("WCKey", 10, (("wckey",), cells.text)),
    Field("WCKeyID", 10, (("wckey_id",), cells.number)),
    Field("WorkDir", 20, (("current_working_directory",), cells.text)),
)

DEFAULT = "jobid,jobname,partition,account,alloccpus,state,exitcode"
BRIEF = "jobid,state,exitcode"
LONG = (
    "jobid,jobidraw,jobname,partition,maxvmsize,maxvmsizenode,maxvmsizetask,avevmsize,maxrss,maxrssnode,maxrsstask,"
    "averss,maxpages,maxpagesnode,maxpagestask,avepages,mincpu,mincpunode,mincputask,avecpu,ntasks,alloccpus,elapsed,"
    "state,exitcode,avecpufreq,reqcpufreqmin,reqcpufreqmax,reqcpufreqgov,reqmem,consumedenergy,maxdiskread,"
    "maxdiskreadnode,maxdiskreadtask,avediskread,maxdiskwrite,maxdiskwritenode,maxdiskwritetask,avediskwrite,reqtres,"
    "alloctres,tresusageinave,tresusageinmax,tresusageinmaxnode,tresusageinmaxtask,tresusageinmin,tresusageinminnode,"
    "tresusageinmintask,tresusageintot,tresusageoutmax,tresusageoutmaxnode,tresusageoutmaxtask,tresusageoutave,"
    "tresusageouttot"
)
