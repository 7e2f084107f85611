"""sacct's fields: header, width, and how a job's and a step's cell come from the database's columns.

A field names the columns it needs (`job`, `step`; in a step's needs ``job.NAME`` is its job's), so that nothing else
travels; its function gets the `Style` and those values. A field without a `step` is empty on a step's line, and the
other way round.
"""

from __future__ import annotations

from ..core import exitcode, sizes, times
from ..core.ids import STEP_NAMES
from ..core.records.base import INFINITE
from ..core.states import JobState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any


class Style:
    """How values are printed: `now`, SLURM_TIME_FORMAT, ``--units`` (one letter), ``--noconvert``, -T's window, ..."""

    def __init__(
        self,
        now: int,
        time_format: str | None = None,
        units: str = "",
        noconvert: bool = False,
        expand: bool = False,
        window: tuple[int, int] | None = None,
        bitstr_len: int = 64,
        uid_names: bool = False,
    ) -> None:
        self.now, self.time_format, self.units, self.noconvert = now, time_format, units, noconvert
        self.expand, self.window, self.bitstr_len, self.uid_names = expand, window, bitstr_len, uid_names

    # -- times

    def time(self, epoch: int, missing: str = "Unknown") -> str:
        return times.format_time(epoch, self.time_format, self.now) if epoch else missing

    def span(self, start: int, end: int, suspended: int) -> int:
        """Seconds that it ran, within -T's window."""
        if not start:
            return 0
        last = end or self.now
        if self.window:
            start, last = max(start, self.window[0]), min(last, self.window[1])
        return max(0, last - start - suspended)

    # -- amounts

    def amount(self, number: float, unit: str) -> str:
        """An amount in `unit` ("": ones, "M": MiB) in the unit asked for, or the largest that fits."""
        if self.units:
            number = number * 1024 ** (" KMGTPE".index(unit or " ") - " KMGTPE".index(self.units))
            return f"{_plain(number)}{self.units}" if number else "0"
        if self.noconvert:
            return f"{_plain(number)}{unit}" if number else "0"
        return sizes.convert_num_unit(number, unit)


def _plain(number: float) -> str:
    return str(int(number)) if number == int(number) else f"{number:.2f}"


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


# ---- functions of cells


def _text(style: Style, value: Any) -> str:
    return str(value)


def _number(style: Style, value: int | None) -> str:
    return "" if value is None else str(value)


def _nonzero(style: Style, value: int | None) -> str:
    return str(value) if value else ""


def tres(text: str) -> dict[str, int]:
    return {name: int(count) for name, _, count in (part.partition("=") for part in text.split(",") if part)}


def _count(text: str, name: str) -> int:
    start = text.find(f"{name}=")
    if start < 0:
        return 0
    digits = text[start + len(name) + 1 :].partition(",")[0]
    return int(digits)


def _tres_text(style: Style, text: str) -> str:
    parts = []
    for name, count in tres(text).items():
        if name == "energy" and count in (0, 0xFFFFFFFFFFFFFFFE):
            continue
        if name == "mem":
            parts.append(f"mem={style.amount(count, 'M')}")
        elif name.startswith("bb/"):
            parts.append(f"{name}={style.amount(count, 'M')}")
        else:
            parts.append(f"{name}={count}")
    return ",".join(sorted(parts))


def _alloc_cpus(style: Style, allocated: str) -> str:
    return str(_count(allocated, "cpu"))


def _req_cpus(style: Style, requested: str, cpus: int) -> str:
    return str(_count(requested, "cpu") or cpus)


def _req_mem(style: Style, requested: str) -> str:
    mem = _count(requested, "mem")
    return style.amount(mem, "M") if mem else ""


def _req_nodes(style: Style, requested: str, nodes: int) -> str:
    return str(_count(requested, "node") or nodes)


def _nnodes(style: Style, nodes: int, allocated: str, requested: str) -> str:
    return str(_count(allocated, "node") or (nodes if allocated else 0) or _count(requested, "node") or nodes)


def _alloc_nodes(style: Style, nodes: int, allocated: str) -> str:
    return str(nodes if allocated else 0)


def _step_nodes(style: Style, nodes: int, allocated: str) -> str:
    return str(nodes or _count(allocated, "node"))


def _node_list(style: Style, nodes: str) -> str:
    return nodes or "None assigned"


def job_id(
    style: Style, number: int, array: int, task: int | None, waiting: str, at_once: int, het: int, offset: int | None
) -> str:
    if array:
        if task is not None:
            return f"{array}_{task}"
        if waiting:
            limit = f"%{at_once}" if at_once else ""
            text = f"{waiting}{limit}"
            if style.bitstr_len and len(text) > style.bitstr_len:
                text = text[: max(0, style.bitstr_len - 3)].rpartition(",")[0] + ",..."
            return f"{array}_[{text}]"
    if het:
        return f"{het}+{offset or 0}"
    return str(number)


JOB_ID = (
    "job_id",
    "array_job_id",
    "array_task_id",
    "array_task_string",
    "array_max_tasks",
    "het_job_id",
    "het_job_offset",
)


def _step_suffix(step_id: int, component: int | None) -> str:
    name = STEP_NAMES.get(step_id) or str(step_id)
    return f"{name}+{component}" if component is not None and component >= 0 else name


def _step_job_id(style: Style, step_id: int, component: int | None, *job: Any) -> str:
    return f"{job_id(style, *job)}.{_step_suffix(step_id, component)}"


def _step_raw_id(style: Style, step_id: int, component: int | None, number: int) -> str:
    return f"{number}.{_step_suffix(step_id, component)}"


def state_name(state: int) -> str:
    """sacct's word for a state: the flags that it shows, else the base state."""
    for flag, word in _FLAG_WORDS:
        if state & flag:
            return word
    return JobState.NAMES.get(state & 0xFF, ("INVALID",))[0]


_FLAG_WORDS = (
    (JobState.REQUEUED, "REQUEUED"),
    (JobState.REVOKED, "REVOKED"),
    (JobState.RESIZING, "RESIZING"),
)


def _state(style: Style, state: int, by: int | None) -> str:
    word = state_name(state)
    return f"{word} by {by}" if word == "CANCELLED" and by is not None else word


def _exit_code(style: Style, status: int | None) -> str:
    """``code:signal``; a code that tells of a signal (128 and more) is told without the 128, as Slurm does."""
    if status is None:
        return ""
    code = exitcode.code_of(status)
    return f"{code - 128 if code > 128 else code}:{exitcode.signal_of(status)}"


def _derived_exit_code(style: Style, status: int | None) -> str:
    return _exit_code(style, status or 0)


def _elapsed(style: Style, start: int, end: int, suspended: int) -> str:
    return times.format_duration(style.span(start, end, suspended))


def _elapsed_raw(style: Style, start: int, end: int, suspended: int) -> str:
    return str(style.span(start, end, suspended))


def _cpu_time(style: Style, start: int, end: int, suspended: int, allocated: str) -> str:
    return times.format_duration(style.span(start, end, suspended) * _count(allocated, "cpu"))


def _cpu_time_raw(style: Style, start: int, end: int, suspended: int, allocated: str) -> str:
    return str(style.span(start, end, suspended) * _count(allocated, "cpu"))


def _start(style: Style, start: int, end: int) -> str:
    if style.window and start:
        start = max(start, style.window[0])
    elif style.window:
        return style.time(min(end or style.window[1], style.window[1]))
    return style.time(start, "None" if end else "Unknown")


def _end(style: Style, end: int) -> str:
    if style.window:
        return style.time(min(end or style.window[1], style.window[1]))
    return style.time(end)


def _time(style: Style, epoch: int) -> str:
    return style.time(epoch)


def _duration(style: Style, seconds: int) -> str:
    return times.format_duration(seconds)


def planned(style: Style, eligible: int, start: int, end: int) -> int:
    return max(0, (start or end or style.now) - eligible) if eligible else 0


def _planned(style: Style, eligible: int, start: int, end: int) -> str:
    return times.format_duration(planned(style, eligible, start, end))


def _planned_cpu(style: Style, eligible: int, start: int, end: int, requested: str, cpus: int) -> str:
    return times.format_duration(planned(style, eligible, start, end) * (_count(requested, "cpu") or cpus))


def _planned_cpu_raw(style: Style, eligible: int, start: int, end: int, requested: str, cpus: int) -> str:
    return str(planned(style, eligible, start, end) * (_count(requested, "cpu") or cpus))


def _time_limit(style: Style, minutes: int | None) -> str:
    return times.format_time_limit(minutes)


def _time_limit_raw(style: Style, minutes: int | None) -> str:
    return times.format_time_limit(minutes) if minutes is None or minutes == INFINITE else str(minutes)


def cpu_seconds(usec: int) -> str:
    """Processor time: ``[DD-[HH:]]MM:SS[.mmm]``."""
    seconds, rest = divmod(usec, 1_000_000)
    millis = rest // 1000
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}-{hour:02d}:{minute:02d}:{second:02d}"
    if hour:
        return f"{hour:02d}:{minute:02d}:{second:02d}"
    if millis:
        return f"{minute:02d}:{second:02d}.{millis:03d}"
    return f"00:{minute:02d}:{second:02d}"


def _cpu(style: Style, *parts: int) -> str:
    return cpu_seconds(sum(parts))


def _energy(style: Style, energy: int | None) -> str:
    if energy is None:
        return ""
    return style.amount(energy, "")


def _job_energy(style: Style, energy: int | None, start: int, end: int) -> str:
    return "0" if not start else _energy(style, energy) if end else ""


def _energy_raw(style: Style, energy: int | None) -> str:
    return _number(style, energy)


def _job_energy_raw(style: Style, energy: int | None, start: int, end: int) -> str:
    return "0" if not start else _number(style, energy) if end else ""


def _frequency(style: Style, kilohertz: int | None) -> str:
    if kilohertz is None:
        return "Unknown"
    if not kilohertz:
        return "0"
    number, at = float(kilohertz), 1
    while number >= 1000 and at < 4:
        number, at = number / 1000, at + 1
    return f"{_plain(number)}{' KMGT'[at]}"


def _frequency_range(style: Style, low: int | None, high: int | None, governor: int | None) -> str:
    return _frequency(style, high if high is not None else low)


def _governor(style: Style, governor: int | None) -> str:
    if governor is None:
        return "Unknown"
    return _GOVERNORS.get(governor, "0" if not governor else str(governor))


_GOVERNORS = {
    0x80000000 | 0x2: "Conservative",
    0x80000000 | 0x4: "OnDemand",
    0x80000000 | 0x8: "Performance",
    0x80000000 | 0x10: "PowerSave",
    0x80000000 | 0x20: "UserSpace",
    0x80000000 | 0x40: "SchedUtil",
}

_FLAG_NAMES = {
    "STARTED_ON_SUBMIT": "SchedSubmit",
    "STARTED_ON_SCHEDULE": "SchedMain",
    "STARTED_ON_BACKFILL": "SchedBackfill",
    "START_RECEIVED": "StartReceived",
    "NOT_SET": "",
    "NONE": "",
}


def _flags(style: Style, flags: str | tuple[str, ...]) -> str:
    words = flags.split(",") if isinstance(flags, str) else flags
    return ",".join(name for word in words if word and (name := _FLAG_NAMES.get(word, word)))


def sluid(style: Style, number: int) -> str:
    digits = []
    for _ in range(13):
        digits.append("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[number & 31])
        number >>= 5
    return "s" + "".join(reversed(digits))


def _path(style: Style, pattern: str, *job: Any) -> str:
    if not style.expand or not ("%" in pattern or "\\" in pattern):
        return pattern
    from ..core.records.accounting import DbJob
    from ..data_parser import job_paths

    return job_paths.fill(DbJob(**dict(zip(_PATH_NEEDS, job, strict=True))), pattern)


_PATH_NEEDS = (
    "job_id",
    "array_job_id",
    "array_task_id",
    "name",
    "user_name",
    "user_id",
    "nodes",
    "current_working_directory",
)


def _usage(kind: str) -> Callable[[Style, str], str]:
    """A whole usage text: cpu as time, mem and vmem in units."""

    def usage(style: Style, text: str) -> str:
        parts = []
        for part in text.split(",") if text else ():
            name, _, value = part.partition("=")
            if kind == "counts":
                value = _usage_value(style, name, int(value))
            parts.append(f"{name}={value}")
        return ",".join(sorted(parts))

    return usage


def _usage_value(style: Style, name: str, count: int) -> str:
    if name == "cpu":
        return times.format_duration(count // 1000)
    if name in ("mem", "vmem"):
        return style.amount(count, "")
    return str(count)


def _find(text: str, name: str) -> str:
    for part in text.split(","):
        key, _, value = part.partition("=")
        if key == name:
            return value
    return ""


def _one(name: str) -> Callable[[Style, str], str]:
    """One TRES of a usage text."""

    def one(style: Style, text: str) -> str:
        value = _find(text, name) if text else ""
        if not value:
            return ""
        count = int(value)
        if name == "fs/disk":
            return f"{count / 1048576:.2f}M"
        if name == "pages":
            return sizes.convert_num_unit(count)
        return _usage_value(style, name, count)

    return one


def _place(name: str) -> Callable[[Style, str], str]:
    """The node or task of one TRES."""

    def place(style: Style, text: str) -> str:
        return _find(text, name) if text else ""

    return place


# ---- the table


def _both(needs: Sequence[str], cell: Callable[..., str]) -> dict[str, Any]:
    return {"job": (needs, cell), "step": (needs, cell)}


def _of_job(needs: Sequence[str], cell: Callable[..., str]) -> dict[str, Any]:
    """The job's value on its steps' lines too."""
    return {"job": (needs, cell), "step": (tuple(f"job.{name}" for name in needs), cell)}


def _of_step(needs: Sequence[str], cell: Callable[..., str]) -> dict[str, Any]:
    return {"job": None, "step": (needs, cell)}


def _one_usage(column: str, name: str) -> dict[str, Any]:
    return _of_step((f"tres_usage_{column}",), _one(name))


def _one_place(column: str, name: str) -> dict[str, Any]:
    return _of_step((f"tres_usage_{column}",), _place(name))


_RUN = ("start_time", "end_time", "suspended")
_STEP_JOB_ID = ("step_id", "step_het_comp", *(f"job.{name}" for name in JOB_ID))
_PATH = tuple(_PATH_NEEDS)
_STEP_PATH = tuple(f"job.{name}" for name in _PATH_NEEDS)


def _files(name: str) -> dict[str, Any]:
    return {"job": ((name, *_PATH), _path), "step": ((name, *_STEP_PATH), _path)}


FIELDS: tuple[Field, ...] = (
    Field("Account", 10, **_of_job(("account",), _text)),
    Field("AdminComment", 15, (("admin_comment",), _text)),
    Field("AllocCPUS", 10, **_both(("tres_allocated",), _alloc_cpus)),
    Field(
        "AllocNodes",
        10,
        job=(("allocation_nodes", "tres_allocated"), _alloc_nodes),
        step=(("node_count", "tres_allocated"), _step_nodes),
    ),
    Field("AllocTRES", 10, **_both(("tres_allocated",), _tres_text)),
    Field("AssocID", 7, **_of_job(("association_id",), _number)),
    Field("AveCPU", 10, **_one_usage("in_ave", "cpu")),
    Field("AveCPUFreq", 10, **_of_step(("actual_cpu_frequency",), _frequency)),
    Field("AveDiskRead", 14, **_one_usage("in_ave", "fs/disk")),
    Field("AveDiskWrite", 14, **_one_usage("out_ave", "fs/disk")),
    Field("AvePages", 10, **_one_usage("in_ave", "pages")),
    Field("AveRSS", 10, **_one_usage("in_ave", "mem")),
    Field("AveVMSize", 10, **_one_usage("in_ave", "vmem")),
    Field("BlockID", 16, (("block",), _text)),
    Field("Cluster", 10, **_of_job(("cluster",), _text)),
    Field("Comment", 14, (("comment",), _text)),
    Field("Constraints", 19, (("constraints",), _text)),
    Field(
        "ConsumedEnergy",
        14,
        job=(("consumed_energy", "start_time", "end_time"), _job_energy),
        step=(("consumed_energy",), _energy),
    ),
    Field(
        "ConsumedEnergyRaw",
        17,
        job=(("consumed_energy", "start_time", "end_time"), _job_energy_raw),
        step=(("consumed_energy",), _energy_raw),
    ),
    Field("Container", 19, **_both(("container",), _text)),
    Field("CPUTime", 10, **_both((*_RUN, "tres_allocated"), _cpu_time)),
    Field("CPUTimeRAW", 10, **_both((*_RUN, "tres_allocated"), _cpu_time_raw)),
    Field("DBIndex", 21, **_of_job(("db_index",), _number)),
    Field("DerivedExitCode", 15, (("derived_exit_code",), _derived_exit_code)),
    Field("Elapsed", 10, **_both(_RUN, _elapsed)),
    Field("ElapsedRaw", 10, **_both(_RUN, _elapsed_raw)),
    Field("Eligible", 19, job=(("eligible_time",), _time), step=(("start_time",), _time)),
    Field("End", 19, **_both(("end_time",), _end)),
    Field("ExitCode", 8, **_both(("exit_code",), _exit_code)),
    Field("Extra", 14, (("extra",), _text)),
    Field("FailedNode", 8, (("failed_node",), _text)),
    Field("Flags", 19, (("flags",), _flags)),
    Field("GID", 6, (("group_id",), _number)),
    Field("Group", 9, (("group_name",), _text)),
    Field("JobID", -12, job=(JOB_ID, job_id), step=(_STEP_JOB_ID, _step_job_id)),
    Field("JobIDRaw", -12, job=(("job_id",), _number), step=(("step_id", "step_het_comp", "job.job_id"), _step_raw_id)),
    Field("JobName", 10, **_both(("name",), _text)),
    Field("Layout", 9, **_of_step(("distribution",), _text)),
    Field("Licenses", 10, (("licenses",), _text)),
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
    Field("McsLabel", 12, (("mcs_label",), _text)),
    Field("MinCPU", 10, **_one_usage("in_min", "cpu")),
    Field("MinCPUNode", 10, **_one_place("in_min_node", "cpu")),
    Field("MinCPUTask", 10, **_one_place("in_min_task", "cpu")),
    Field("NCPUS", 10, **_both(("tres_allocated",), _alloc_cpus)),
    Field(
        "NNodes",
        8,
        job=(("allocation_nodes", "tres_allocated", "tres_requested"), _nnodes),
        step=(("node_count", "tres_allocated"), _step_nodes),
    ),
    Field("NodeList", 15, **_both(("nodes",), _node_list)),
    Field("NTasks", 8, **_of_step(("number_tasks",), _number)),
    Field("Partition", 10, (("partition",), _text)),
    Field("Planned", 10, (("eligible_time", "start_time", "end_time"), _planned)),
    Field(
        "PlannedCPU",
        10,
        (("eligible_time", "start_time", "end_time", "tres_requested", "required_cpus"), _planned_cpu),
    ),
    Field(
        "PlannedCPURAW",
        13,
        (("eligible_time", "start_time", "end_time", "tres_requested", "required_cpus"), _planned_cpu_raw),
    ),
    Field("Priority", 10, (("priority",), _number)),
    Field("QOS", 10, (("qos",), _text)),
    Field("QOSRAW", 6, (("qos_id",), _nonzero)),
    Field("QOSREQ", 10, (("qosreq",), _text)),
    Field("Reason", 22, (("state_reason",), _text)),
    Field(
        "ReqCPUFreq",
        10,
        job=((), lambda style: "Unknown"),
        step=(("cpu_frequency_minimum", "cpu_frequency_maximum", "cpu_frequency_governor"), _frequency_range),
    ),
    Field("ReqCPUFreqGov", 13, job=((), lambda style: "Unknown"), step=(("cpu_frequency_governor",), _governor)),
    Field("ReqCPUFreqMax", 13, job=((), lambda style: "Unknown"), step=(("cpu_frequency_maximum",), _frequency)),
    Field("ReqCPUFreqMin", 13, job=((), lambda style: "Unknown"), step=(("cpu_frequency_minimum",), _frequency)),
    Field("ReqCPUS", 8, job=(("tres_requested", "required_cpus"), _req_cpus), step=(("tres_allocated",), _alloc_cpus)),
    Field("ReqMem", 10, (("tres_requested",), _req_mem)),
    Field(
        "ReqNodes",
        8,
        job=(("tres_requested", "allocation_nodes"), _req_nodes),
        step=(("node_count", "tres_allocated"), _step_nodes),
    ),
    Field("ReqTRES", 10, (("tres_requested",), _tres_text)),
    Field("Reservation", 20, (("reservation_name",), _text)),
    Field("ReservationId", 8, (("reservation_id",), _nonzero)),
    Field("Restarts", 8, (("restart_cnt",), _number)),
    Field("SLUID", 14, **_of_job(("db_index",), sluid)),
    Field("Start", 19, **_both(("start_time", "end_time"), _start)),
    Field("State", 10, **_both(("job_state", "kill_request_user_id"), _state)),
    Field("StdErr", 20, **_files("standard_error")),
    Field("StdIn", 20, **_files("standard_input")),
    Field("StdOut", 20, **_files("standard_output")),
    Field("Submit", 19, job=(("submit_time",), _time), step=(("start_time",), _time)),
    Field("SubmitLine", 20, **_both(("submit_line",), _text)),
    Field("Suspended", 10, **_both(("suspended",), _duration)),
    Field("SystemComment", 15, (("system_comment",), _text)),
    Field("SystemCPU", 10, **_both(("system_cpu_usec",), _cpu)),
    Field("Timelimit", 10, (("time_limit",), _time_limit)),
    Field("TimelimitRaw", 10, (("time_limit",), _time_limit_raw)),
    Field("TotalCPU", 10, **_both(("user_cpu_usec", "system_cpu_usec"), _cpu)),
    *(
        Field(
            f"TRESUsage{direction}{part}",
            width,
            **_of_step((f"tres_usage_{direction.lower()}_{column}",), _usage("places" if "_" in column else "counts")),
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
    Field("UID", 6, (("user_id",), _number)),
    Field("User", 9, (("user_name",), _text)),
    Field("UserCPU", 10, **_both(("user_cpu_usec",), _cpu)),
    Field("WCKey", 10, (("wckey",), _text)),
    Field("WCKeyID", 10, (("wckey_id",), _number)),
    Field("WorkDir", 20, (("current_working_directory",), _text)),
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
