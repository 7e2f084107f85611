"""What stands in sacct's cells: functions of a Style and the columns that a field needs."""

from __future__ import annotations

from ..core import exitcode, sizes, times
from ..core.ids import STEP_NAMES
from ..core.records.base import INFINITE
from ..core.states import JobState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
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
            return f"{plain(number)}{self.units}" if number else "0"
        if self.noconvert:
            return f"{plain(number)}{unit}" if number else "0"
        return sizes.convert_num_unit(number, unit)


def plain(number: float) -> str:
    return str(int(number)) if number == int(number) else f"{number:.2f}"


def text(style: Style, value: Any) -> str:
    return str(value)


def number(style: Style, value: int | None) -> str:
    return "" if value is None else str(value)


def nonzero(style: Style, value: int | None) -> str:
    return str(value) if value else ""


def tres(text: str) -> dict[str, int]:
    return {name: int(count) for name, _, count in (part.partition("=") for part in text.split(",") if part)}


def count(text: str, name: str) -> int:
    start = text.find(f"{name}=")
    if start < 0:
        return 0
    digits = text[start + len(name) + 1 :].partition(",")[0]
    return int(digits)


def tres_text(style: Style, text: str) -> str:
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


def alloc_cpus(style: Style, allocated: str) -> str:
    return str(count(allocated, "cpu"))


def req_cpus(style: Style, requested: str, cpus: int) -> str:
    return str(count(requested, "cpu") or cpus)


def req_mem(style: Style, requested: str) -> str:
    mem = count(requested, "mem")
    return style.amount(mem, "M") if mem else ""


def req_nodes(style: Style, requested: str, nodes: int) -> str:
    return str(count(requested, "node") or nodes)


def nnodes(style: Style, nodes: int, allocated: str, requested: str) -> str:
    return str(count(allocated, "node") or (nodes if allocated else 0) or count(requested, "node") or nodes)


def alloc_nodes(style: Style, nodes: int, allocated: str) -> str:
    return str(nodes if allocated else 0)


def step_nodes(style: Style, nodes: int, allocated: str) -> str:
    return str(nodes or count(allocated, "node"))


def node_list(style: Style, nodes: str) -> str:
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


def step_suffix(step_id: int, component: int | None) -> str:
    name = STEP_NAMES.get(step_id) or str(step_id)
    return f"{name}+{component}" if component is not None and component >= 0 else name


def step_job_id(style: Style, step_id: int, component: int | None, *job: Any) -> str:
    return f"{job_id(style, *job)}.{step_suffix(step_id, component)}"


def step_raw_id(style: Style, step_id: int, component: int | None, number: int) -> str:
    return f"{number}.{step_suffix(step_id, component)}"


def state_name(state: int) -> str:
    """sacct's word for a state: the flags that it shows, else the base state."""
    for flag, word in FLAG_WORDS:
        if state & flag:
            return word
    return JobState.NAMES.get(state & 0xFF, ("INVALID",))[0]


FLAG_WORDS = (
    (JobState.REQUEUED, "REQUEUED"),
    (JobState.REVOKED, "REVOKED"),
    (JobState.RESIZING, "RESIZING"),
)


def state(style: Style, state: int, by: int | None) -> str:
    word = state_name(state)
    return f"{word} by {by}" if word == "CANCELLED" and by is not None else word


def exit_code(style: Style, status: int | None) -> str:
    """``code:signal``; a code that tells of a signal (128 and more) is told without the 128, as Slurm does."""
    if status is None:
        return ""
    code = exitcode.code_of(status)
    return f"{code - 128 if code > 128 else code}:{exitcode.signal_of(status)}"


def derived_exit_code(style: Style, status: int | None) -> str:
    return exit_code(style, status or 0)


def elapsed(style: Style, start: int, end: int, suspended: int) -> str:
    return times.format_duration(style.span(start, end, suspended))


def elapsed_raw(style: Style, start: int, end: int, suspended: int) -> str:
    return str(style.span(start, end, suspended))


def cpu_time(style: Style, start: int, end: int, suspended: int, allocated: str) -> str:
    return times.format_duration(style.span(start, end, suspended) * count(allocated, "cpu"))


def cpu_time_raw(style: Style, start: int, end: int, suspended: int, allocated: str) -> str:
    return str(style.span(start, end, suspended) * count(allocated, "cpu"))


def start(style: Style, start: int, end: int) -> str:
    if style.window and start:
        start = max(start, style.window[0])
    elif style.window:
        return style.time(min(end or style.window[1], style.window[1]))
    return style.time(start, "None" if end else "Unknown")


def end(style: Style, end: int) -> str:
    if style.window:
        return style.time(min(end or style.window[1], style.window[1]))
    return style.time(end)


def time(style: Style, epoch: int) -> str:
    return style.time(epoch)


def duration(style: Style, seconds: int) -> str:
    return times.format_duration(seconds)


def planned(style: Style, eligible: int, start: int, end: int) -> int:
    return max(0, (start or end or style.now) - eligible) if eligible else 0


def planned_time(style: Style, eligible: int, start: int, end: int) -> str:
    return times.format_duration(planned(style, eligible, start, end))


def planned_cpu(style: Style, eligible: int, start: int, end: int, requested: str, cpus: int) -> str:
    return times.format_duration(planned(style, eligible, start, end) * (count(requested, "cpu") or cpus))


def planned_cpu_raw(style: Style, eligible: int, start: int, end: int, requested: str, cpus: int) -> str:
    return str(planned(style, eligible, start, end) * (count(requested, "cpu") or cpus))


def time_limit(style: Style, minutes: int | None) -> str:
    return times.format_time_limit(minutes)


def time_limit_raw(style: Style, minutes: int | None) -> str:
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


def cpu(style: Style, *parts: int) -> str:
    return cpu_seconds(sum(parts))


def energy_used(style: Style, energy: int | None) -> str:
    if energy is None:
        return ""
    return style.amount(energy, "")


def job_energy(style: Style, energy: int | None, start: int, end: int) -> str:
    return "0" if not start else energy_used(style, energy) if end else ""


def energy_raw(style: Style, energy: int | None) -> str:
    return number(style, energy)


def job_energy_raw(style: Style, energy: int | None, start: int, end: int) -> str:
    return "0" if not start else number(style, energy) if end else ""


def frequency(style: Style, kilohertz: int | None) -> str:
    if kilohertz is None:
        return "Unknown"
    if not kilohertz:
        return "0"
    number, at = float(kilohertz), 1
    while number >= 1000 and at < 4:
        number, at = number / 1000, at + 1
    return f"{plain(number)}{' KMGT'[at]}"


def frequency_range(style: Style, low: int | None, high: int | None, governor: int | None) -> str:
    return frequency(style, high if high is not None else low)


def governor(style: Style, governor: int | None) -> str:
    if governor is None:
        return "Unknown"
    return GOVERNORS.get(governor, "0" if not governor else str(governor))


GOVERNORS = {
    0x80000000 | 0x2: "Conservative",
    0x80000000 | 0x4: "OnDemand",
    0x80000000 | 0x8: "Performance",
    0x80000000 | 0x10: "PowerSave",
    0x80000000 | 0x20: "UserSpace",
    0x80000000 | 0x40: "SchedUtil",
}


FLAG_NAMES = {
    "STARTED_ON_SUBMIT": "SchedSubmit",
    "STARTED_ON_SCHEDULE": "SchedMain",
    "STARTED_ON_BACKFILL": "SchedBackfill",
    "START_RECEIVED": "StartReceived",
    "NOT_SET": "",
    "NONE": "",
}


def flags(style: Style, flags: str | tuple[str, ...]) -> str:
    words = flags.split(",") if isinstance(flags, str) else flags
    return ",".join(name for word in words if word and (name := FLAG_NAMES.get(word, word)))


def sluid(style: Style, number: int) -> str:
    digits = []
    for _ in range(13):
        digits.append("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[number & 31])
        number >>= 5
    return "s" + "".join(reversed(digits))


def path(style: Style, pattern: str, *job: Any) -> str:
    if not style.expand or not ("%" in pattern or "\\" in pattern):
        return pattern
    from ..core.records.accounting import DbJob
    from ..data_parser import job_paths

    return job_paths.fill(DbJob(**dict(zip(PATH_NEEDS, job, strict=True))), pattern)


PATH_NEEDS = (
    "job_id",
    "array_job_id",
    "array_task_id",
    "name",
    "user_name",
    "user_id",
    "nodes",
    "current_working_directory",
)


def usage(kind: str) -> Callable[[Style, str], str]:
    """A whole usage text: cpu as time, mem and vmem in units."""

    def usage(style: Style, text: str) -> str:
        parts = []
        for part in text.split(",") if text else ():
            name, _, value = part.partition("=")
            if kind == "counts":
                value = usage_value(style, name, int(value))
            parts.append(f"{name}={value}")
        return ",".join(sorted(parts))

    return usage


def usage_value(style: Style, name: str, count: int) -> str:
    if name == "cpu":
        return times.format_duration(count // 1000)
    if name in ("mem", "vmem"):
        return style.amount(count, "")
    return str(count)


def find(text: str, name: str) -> str:
    for part in text.split(","):
        key, _, value = part.partition("=")
        if key == name:
            return value
    return ""


def one(name: str) -> Callable[[Style, str], str]:
    """One TRES of a usage text."""

    def one(style: Style, text: str) -> str:
        value = find(text, name) if text else ""
        if not value:
            return ""
        count = int(value)
        if name == "fs/disk":
            return f"{count / 1048576:.2f}M"
        if name == "pages":
            return sizes.convert_num_unit(count)
        return usage_value(style, name, count)

    return one


def place(name: str) -> Callable[[Style, str], str]:
    """The node or task of one TRES."""

    def place(style: Style, text: str) -> str:
        return find(text, name) if text else ""

    return place
