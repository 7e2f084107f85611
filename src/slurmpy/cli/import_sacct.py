"""What ``sacct -P`` prints, read back: rows of any of its columns become the items that slurmctld would have sent.

Pure: text in, items out. sacct rounds and leaves out: of processor time in usage texts the part below a second, of
exit codes above 128 the 128, of frequencies all but three digits. What it computes (Planned, CPUTime, ...) and what
only numbers a row of its database (DBIndex, SLUID, AssocID, QOSRAW, WCKeyID) is not taken; Elapsed must fit Start and
End.
"""

from __future__ import annotations

import re
import time
from functools import lru_cache

from ..core import exitcode, times
from ..core.ids import STEP_NAMES
from ..core.records.base import INFINITE
from ..core.states import JobState
from ..format import sacct_cells

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    Item = dict[str, Any]

NEEDED = ("JobID", "JobIDRaw", "User", "UID", "Submit", "Eligible", "Start", "End", "State")
#: a row's text, continued lines and all, may not be longer
ROW_BYTES = 4 * 1024 * 1024
#: ways to read a row with delimiters in its texts that are looked at
WAYS = 16
#: seconds by which, or by a multiple of which, a zone's clock is put forward or back
CLOCK_CHANGE = 1800
#: texts of TRES that are kept with what they mean: jobs of a kind have the same, as have a step's least, mean and most
_TEXTS = 4096


class BadRow(ValueError):
    """A row that cannot be: its line and what is wrong with it."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


# ---- values


def moment(text: str) -> int:
    """Seconds since 1970 of a time in the local zone, or of such seconds; 0 for Unknown and None."""
    if text in ("Unknown", "None", ""):
        return 0
    if text.isdecimal():
        return int(text)
    try:
        year, month, day = int(text[:4]), int(text[5:7]), int(text[8:10])
        hour, minute, second = int(text[11:13]), int(text[14:16]), int(text[17:19])
        if len(text) != 19 or text[10] != "T" or not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24):
            raise ValueError
        return int(time.mktime((year, month, day, hour, minute, second, 0, 0, -1)))
    except (ValueError, OverflowError):
        raise ValueError(f"no time: {text}") from None


def number(text: str) -> int | None:
    if text == "":
        return None
    if not text.isdecimal():
        raise ValueError(f"no number: {text}")
    return int(text)


def count(text: str) -> int:
    """A number that may have a unit: ``4K`` is 4096."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGTPE]?)", text)
    if found is None:
        raise ValueError(f"no number: {text}")
    return round(float(found[1]) * 1024 ** " KMGTPE".index(found[2] or " "))


def seconds(text: str) -> int:
    """Of ``[D-]HH:MM:SS``."""
    found = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d\d):(\d\d)", text)
    if found is None:
        raise ValueError(f"no duration: {text}")
    days, hours, minutes, rest = (int(part or 0) for part in found.groups())
    return days * 86400 + hours * 3600 + minutes * 60 + rest


def cpu_usec(text: str) -> int:
    """Of ``MM:SS.mmm``, ``HH:MM:SS`` or ``D-HH:MM:SS``."""
    if not text:
        return 0
    found = re.fullmatch(r"(\d+):(\d\d)\.(\d{3})", text)
    if found is not None:
        return (int(found[1]) * 60 + int(found[2])) * 1_000_000 + int(found[3]) * 1000
    return seconds(text) * 1_000_000


@lru_cache(_TEXTS)
def tres(text: str) -> str:
    """``billing=1,cpu=4,mem=16000M`` with plain counts (mem in MiB)."""
    parts = []
    for part in text.split(",") if text else ():
        name, equals, value = part.rpartition("=")
        if not (name and equals):
            raise ValueError(f"no TRES: {part}")
        amount = count(value)
        parts.append(f"{name}={amount // 1048576 if name == 'mem' or name.startswith('bb/') else amount}")
    return ",".join(parts)


_USAGE_ORDER = ("cpu", "mem", "energy", "fs/disk", "vmem", "pages")


def _in_order(parts: dict[str, str]) -> str:
    names = sorted(parts, key=lambda name: (_USAGE_ORDER.index(name) if name in _USAGE_ORDER else 9, name))
    return ",".join(f"{name}={parts[name]}" for name in names)


def _parts(text: str) -> dict[str, str]:
    found = {}
    for part in text.split(",") if text else ():
        name, equals, value = part.partition("=")
        if not (name and equals):
            raise ValueError(f"no usage: {part}")
        found[name] = value
    return found


@lru_cache(_TEXTS)
def usage(text: str) -> str:
    """``cpu=00:00:02,mem=3416K`` as counts: cpu in milliseconds, mem in bytes."""
    return _in_order(
        {name: str(seconds(value) * 1000 if name == "cpu" else count(value)) for name, value in _parts(text).items()}
    )


@lru_cache(_TEXTS)
def places(text: str) -> str:
    return _in_order(_parts(text))


_STATES = {name: state for state, (name, _) in JobState.NAMES.items()} | {
    word: state for state, word in sacct_cells.FLAG_WORDS
}


def state(text: str) -> tuple[int, int | None]:
    """The state, and the user that cancelled it: of ``CANCELLED by 1001``."""
    word, by, user = text.partition(" by ")
    if word.rstrip("+") not in _STATES or (by and not user.isdecimal()):
        raise ValueError(f"no state: {text}")
    return _STATES[word.rstrip("+")], int(user) if by else None


def time_limit(text: str) -> int | None:
    if text in ("", "Partition_Limit"):
        return None
    if text == "UNLIMITED":
        return INFINITE
    return int(text) if text.isdecimal() else times.parse_time_limit(text)


def frequency(text: str) -> int | None:
    """kHz of ``2.60M``, ``0`` or ``Unknown``."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)", text)
    if found is None:
        if text in ("", "Unknown"):
            return None
        raise ValueError(f"no frequency: {text}")
    return round(float(found[1]) * 1000 ** max(0, "KMGT".find(found[2])))


_GOVERNORS = {word: bits for bits, word in sacct_cells.GOVERNORS.items()}


def governor(text: str) -> int | None:
    if text in ("", "Unknown"):
        return None
    return _GOVERNORS[text] if text in _GOVERNORS else number(text)


_FLAGS = {word: name for name, word in sacct_cells.FLAG_NAMES.items() if word}


def flags(text: str) -> tuple[str, ...]:
    return tuple(_FLAGS.get(word, word) for word in text.split(",") if word)


def text_(text: str) -> str:
    return text


def exit_code(text: str) -> int:
    return exitcode.parse(text) if text else 0


def nodes(text: str) -> str:
    return "" if text == "None assigned" else text


def zero(text: str) -> int:
    return number(text) or 0


# ---- columns

#: sacct's column: (field of the item, reader), for jobs
JOB: dict[str, tuple[str, Callable[[str], Any]]] = {
    "Account": ("account", text_),
    "AdminComment": ("admin_comment", text_),
    "AllocTRES": ("tres_allocated", tres),
    "Comment": ("comment", text_),
    "Constraints": ("constraints", text_),
    "Container": ("container", text_),
    "DerivedExitCode": ("derived_exit_code", exit_code),
    "Eligible": ("eligible_time", moment),
    "End": ("end_time", moment),
    "ExitCode": ("exit_code", exit_code),
    "Extra": ("extra", text_),
    "FailedNode": ("failed_node", text_),
    "Flags": ("flags", flags),
    "GID": ("group_id", zero),
    "Group": ("group_name", text_),
    "JobName": ("name", text_),
    "Licenses": ("licenses", text_),
    "McsLabel": ("mcs_label", text_),
    "NodeList": ("nodes", nodes),
    "Partition": ("partition", text_),
    "Priority": ("priority", number),
    "QOS": ("qos", text_),
    "QOSREQ": ("qosreq", text_),
    "Reason": ("state_reason", text_),
    "ReqCPUS": ("required_cpus", zero),
    "ReqTRES": ("tres_requested", tres),
    "Reservation": ("reservation_name", text_),
    "ReservationId": ("reservation_id", zero),
    "Restarts": ("restart_cnt", zero),
    "Start": ("start_time", moment),
    "StdErr": ("standard_error", text_),
    "StdIn": ("standard_input", text_),
    "StdOut": ("standard_output", text_),
    "Submit": ("submit_time", moment),
    "SubmitLine": ("submit_line", text_),
    "Suspended": ("suspended", seconds),
    "SystemComment": ("system_comment", text_),
    "Timelimit": ("time_limit", time_limit),
    "TimelimitRaw": ("time_limit", time_limit),
    "UID": ("user_id", zero),
    "User": ("user_name", text_),
    "WCKey": ("wckey", text_),
    "WorkDir": ("current_working_directory", text_),
}
STEP: dict[str, tuple[str, Callable[[str], Any]]] = {
    "AllocTRES": ("tres_allocated", tres),
    "AveCPUFreq": ("actual_cpu_frequency", lambda text: frequency(text) or 0),
    "ConsumedEnergyRaw": ("consumed_energy", zero),
    "Container": ("container", text_),
    "End": ("end_time", moment),
    "ExitCode": ("exit_code", exit_code),
    "JobName": ("name", text_),
    "Layout": ("distribution", text_),
    "NNodes": ("node_count", zero),
    "NTasks": ("number_tasks", zero),
    "NodeList": ("nodes", nodes),
    "ReqCPUFreqGov": ("cpu_frequency_governor", governor),
    "ReqCPUFreqMax": ("cpu_frequency_maximum", frequency),
    "ReqCPUFreqMin": ("cpu_frequency_minimum", frequency),
    "Start": ("start_time", moment),
    "SubmitLine": ("submit_line", text_),
    "SystemCPU": ("system_cpu_usec", cpu_usec),
    "UserCPU": ("user_cpu_usec", cpu_usec),
    **{
        f"TRESUsage{side}{part}": (
            f"tres_usage_{side.lower()}_{column}",
            places if column.endswith(("_node", "_task")) else usage,
        )
        for side in ("In", "Out")
        for part, column in (
            ("Ave", "ave"), ("Max", "max"), ("MaxNode", "max_node"), ("MaxTask", "max_task"), ("Min", "min"),
            ("MinNode", "min_node"), ("MinTask", "min_task"), ("Tot", "tot"),
        )
    },
}  # fmt: skip
#: columns of one TRES, for texts that have no TRESUsage columns: (field, TRES, reader of a place or of an amount)
_SINGLE = {
    f"{prefix}{word}{place}": (f"tres_usage_{side}_{kind}{'_' + place.lower() if place else ''}", name)
    for word, side, name in (
        ("CPU", "in", "cpu"), ("RSS", "in", "mem"), ("VMSize", "in", "vmem"), ("Pages", "in", "pages"),
        ("DiskRead", "in", "fs/disk"), ("DiskWrite", "out", "fs/disk"),
    )
    for prefix, kind in (("Ave", "ave"), ("Max", "max"), ("Min", "min"))
    for place in (("",) if prefix == "Ave" else ("", "Node", "Task"))
    if (prefix == "Min") == (word == "CPU") or prefix == "Ave"
}  # fmt: skip

#: columns that may hold any text, the separator and line ends too
_FREE = frozenset(
    (
        "AdminComment", "Comment", "Constraints", "Container", "Extra", "JobName", "Licenses", "StdErr", "StdIn",
        "StdOut", "SubmitLine", "SystemComment", "WorkDir",
    )
)  # fmt: skip
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d|\d*|Unknown|None"
_DURATION = r"(\d+-)?(\d+:)?\d\d:\d\d(\.\d+)?|INVALID|"
_NUMBER = r"\d*"
_SHAPES: dict[str, re.Pattern[str]] = {
    name: re.compile(shape)
    for shape, names in (
        (_TIME, ("Eligible", "End", "Start", "Submit")),
        (_DURATION, ("AveCPU", "CPUTime", "Elapsed", "MinCPU", "Planned", "PlannedCPU", "Suspended", "SystemCPU",
                     "TotalCPU", "UserCPU")),
        (_NUMBER, ("AllocCPUS", "AllocNodes", "AssocID", "ConsumedEnergyRaw", "CPUTimeRAW", "DBIndex", "ElapsedRaw",
                   "GID", "NCPUS", "NNodes", "NTasks", "PlannedCPURAW", "Priority", "QOSRAW", "ReqCPUS", "ReqNodes",
                   "ReservationId", "Restarts", "UID", "WCKeyID", "MaxDiskReadTask", "MaxDiskWriteTask",
                   "MaxPagesTask", "MaxRSSTask", "MaxVMSizeTask", "MinCPUTask")),
        (r"(\d+:\d+)?", ("DerivedExitCode", "ExitCode")),
        (r"[\d.]*[KMGTPE]?\??", ("AveDiskRead", "AveDiskWrite", "AvePages", "AveRSS", "AveVMSize", "ConsumedEnergy",
                                 "MaxDiskRead", "MaxDiskWrite", "MaxPages", "MaxRSS", "MaxVMSize")),
        (r"[\d.]*[KMGT]?[nc]?|Unknown", ("AveCPUFreq", "ReqCPUFreq", "ReqCPUFreqMax", "ReqCPUFreqMin", "ReqMem")),
        (r"\d+(_\d+|_\[.*\]|\+\d+)?(\.(\d+|[a-zA-Z]+)(\+\d+)?)?", ("JobID", "JobIDRaw")),
        (r"[A-Z_]+( by \d+)?", ("State",)),
        (r"(\S+=[^,]+(,\S+=[^,]+)*)?", ("AllocTRES", "ReqTRES", *(name for name in STEP if name.startswith("TRES")))),
        (r"[\w:,\-*]*", ("Layout",)),
        (r"(\d+-)?\d+:\d\d:\d\d|UNLIMITED|Partition_Limit|\d*", ("Timelimit", "TimelimitRaw")),
        (r"(s[0-9A-Z]+)?", ("SLUID",)),
    )
    for name in names
}  # fmt: skip


class Reader:
    """Reads the rows under one header. `cluster` replaces what their Cluster column says, if it is given.

    Raises BadRow for a header that lacks a column of `NEEDED`, or names one twice.
    """

    def __init__(self, header: str, delimiter: str = "|", cluster: str = "") -> None:
        self.delimiter, self.cluster = delimiter, cluster
        self.trailing = header.endswith(delimiter)
        self.columns = tuple((header[: -len(delimiter)] if self.trailing else header).split(delimiter))
        by_name = {name: index for index, name in enumerate(self.columns)}
        missing = [name for name in NEEDED if name not in by_name]
        if missing:
            raise BadRow(1, f"no header of sacct -P with the columns {', '.join(missing)}; --format=ALL has them all")
        if len(by_name) != len(self.columns):
            raise BadRow(1, "the header names a column twice")
        if not cluster and "Cluster" not in by_name:
            raise BadRow(1, "no column Cluster: say which with --cluster")
        self.at = by_name
        self._job = [(by_name[name], field, read) for name, (field, read) in JOB.items() if name in by_name]
        self._step = [(by_name[name], field, read) for name, (field, read) in STEP.items() if name in by_name]
        self._single = (
            []
            if any(name.startswith("TRESUsage") for name in self.columns)
            else [(by_name[name], *what) for name, what in _SINGLE.items() if name in by_name]
        )
        self._shapes = [_SHAPES.get(name) for name in self.columns]
        self._free = [name in _FREE for name in self.columns]
        self._above: tuple[str, str, int] = ("", "", 0)  # cluster, raw id and submit time of the last job

    # -- rows ----------------------------------------------------------------------------------------------------

    def rows(self, lines: Iterable[str]) -> Iterator[tuple[int, list[str] | BadRow]]:
        """(line, cells, or what is wrong) of each row below the header; texts may go on over several lines."""
        wanted = len(self.columns) + self.trailing
        held, first, have = "", 0, 0
        for at, raw in enumerate(lines, 2):
            line = raw.rstrip("\n")
            cells = line.count(self.delimiter) + 1
            if held and cells >= wanted:  # a whole row: what was held is none
                yield first, BadRow(first, f"{have} columns where the header has {len(self.columns)}")
                held = ""
            if not held and not line:
                continue
            if held:
                held, have = f"{held}\n{line}", have + cells - 1
            else:
                held, first, have = line, at, cells
            if have >= wanted:
                yield first, self._cells(held, first)
                held = ""
            elif len(held) > ROW_BYTES:
                yield first, BadRow(first, "a row without end")
                held = ""
        if held:
            yield first, BadRow(first, f"{have} columns where the header has {len(self.columns)}")

    def _cells(self, text: str, line: int) -> list[str] | BadRow:
        cells = text.split(self.delimiter)
        if self.trailing and cells.pop():
            return BadRow(line, "no delimiter at its end, where the header has one")
        if len(cells) == len(self.columns):
            return cells
        found = [fitted for fitted in self._fit(cells) if self._agrees(fitted)]
        if len(found) == 1:
            return found[0]
        what = f"{len(cells)} columns where the header has {len(self.columns)}"
        return BadRow(line, f"{what}: a text in it has a '{self.delimiter}' (use sacct --delimiter)")

    def _agrees(self, cells: list[str]) -> bool:
        """Whether columns that tell of the same are both there or both not."""
        pairs = (("ConsumedEnergy", "ConsumedEnergyRaw"), ("Elapsed", "ElapsedRaw"), ("Planned", "PlannedCPU"))
        return all(
            bool(cells[self.at[one]]) == bool(cells[self.at[other]])
            for one, other in pairs
            if one in self.at and other in self.at
        )

    def _fit(self, cells: list[str]) -> list[list[str]]:
        """Ways (a few at most) to tell which delimiters belong to texts, by the shape of the other columns."""
        found: list[list[str]] = []
        dead: set[tuple[int, int]] = set()

        def fit(cell: int, column: int, chosen: list[str]) -> bool:
            if column == len(self.columns):
                if cell == len(cells):
                    found.append(list(chosen))
                    return True
                return False
            spare = (len(cells) - cell) - (len(self.columns) - column)
            if spare < 0 or (cell, column) in dead:
                return False
            any_way = False
            for taken in range(1, (spare if self._free[column] else 0) + 2):
                piece = cells[cell : cell + taken]
                if taken > 1 and not (piece[0].strip() and piece[-1].strip()):
                    continue
                value = self.delimiter.join(piece)
                shape = self._shapes[column]
                if shape is not None and shape.fullmatch(value) is None:
                    continue
                any_way |= fit(cell + taken, column + 1, [*chosen, value])
                if len(found) >= WAYS:
                    return True
            if not any_way:
                dead.add((cell, column))
            return any_way

        fit(0, 0, [])
        return found

    # -- items ---------------------------------------------------------------------------------------------------

    def item(self, line: int, cells: Sequence[str]) -> tuple[str, Item]:
        """(cluster, item) of a row. Raises BadRow."""
        try:
            shown, raw = cells[self.at["JobID"]], cells[self.at["JobIDRaw"]]
            cluster = self.cluster or cells[self.at["Cluster"]]
            if not cluster:
                raise ValueError("no cluster")
            if "." in raw:
                return cluster, self._step_item(cluster, raw, cells)
            return cluster, self._job_item(cluster, shown, raw, cells)
        except BadRow:
            raise
        except ValueError as error:
            raise BadRow(line, str(error)) from None

    def _read(self, table: Sequence[tuple[int, str, Callable[[str], Any]]], cells: Sequence[str]) -> Item:
        item: Item = {}
        for index, field, read in table:
            try:
                item[field] = read(cells[index])
            except ValueError as error:
                raise ValueError(f"{self.columns[index]}: {error}") from None
        return item

    def _job_item(self, cluster: str, shown: str, raw: str, cells: Sequence[str]) -> Item:
        if not raw.isdecimal():
            raise ValueError(f"JobIDRaw: no job: {raw}")
        item = self._read(self._job, cells)
        if not item["submit_time"]:
            raise ValueError("Submit: no time")
        item["job_id"] = int(raw)
        item["job_state"], by = state(cells[self.at["State"]])
        if by is not None:
            item["kill_request_user_id"] = by
        item.update(_of_id(shown, raw))
        wanted, given = self._value(cells, "NNodes"), self._value(cells, "AllocNodes")
        self._check_elapsed(cells, item)
        item["allocation_nodes"] = int((given if given.strip("0") else wanted) or 0)
        item["kind"] = "job_complete" if item["end_time"] else "job_start"
        self._above = (cluster, raw, item["submit_time"])
        return item

    def _step_item(self, cluster: str, raw: str, cells: Sequence[str]) -> Item:
        found = re.fullmatch(r"(\d+)\.(\d+|batch|extern|interactive|TBD)(?:\+(\d+))?", raw)
        if found is None:
            raise ValueError(f"JobIDRaw: no step: {raw}")
        if (cluster, found[1]) != self._above[:2]:
            raise ValueError(f"step {raw} is not below its job")
        item = self._read(self._step, cells)
        numbers = {name: number for number, name in STEP_NAMES.items()}
        item.update(
            job_id=int(found[1]),
            submit_time=self._above[2],
            step_id=numbers[found[2]] if found[2] in numbers else int(found[2]),
        )
        if found[3]:
            item["step_het_comp"] = int(found[3])
        item["job_state"], by = state(cells[self.at["State"]])
        if by is not None:
            item["kill_request_user_id"] = by
        self._check_elapsed(cells, item)
        if self._single:
            item.update(self._usage(cells))
        item["kind"] = "step_complete" if item["end_time"] else "step_start"
        return item

    def _check_elapsed(self, cells: Sequence[str], item: Item) -> None:
        """What went on from Start to End took as long as Elapsed says, but for the clock's change to summer time.

        Raises ValueError.
        """
        told = self._value(cells, "Elapsed")
        if not (told and item["start_time"] and item["end_time"] and "Suspended" in self.at) or told == "INVALID":
            return
        took = item["end_time"] - item["start_time"] - seconds(self._value(cells, "Suspended") or "00:00:00")
        if (max(took, 0) - seconds(told)) % CLOCK_CHANGE:
            raise ValueError(f"Elapsed: {told} is not the time from Start to End without Suspended")

    def _value(self, cells: Sequence[str], name: str) -> str:
        return cells[self.at[name]] if name in self.at else ""

    def _usage(self, cells: Sequence[str]) -> Item:
        fields: dict[str, dict[str, str]] = {}
        for index, field, name in self._single:
            text = cells[index]
            if not text:
                continue
            if not field.endswith(("_node", "_task")):
                text = str(cpu_usec(text) // 1000 if name == "cpu" else count(text))
            fields.setdefault(field, {})[name] = text
        return {field: _in_order(parts) for field, parts in fields.items()}


def _of_id(shown: str, raw: str) -> Item:
    """What JobID says beyond the number: the array or the heterogeneous job that it is of."""
    found = re.fullmatch(r"(\d+)(?:_(\d+)|_\[([^\]%]*)(?:%(\d+))?\]|\+(\d+))?", shown)
    if found is None:
        raise ValueError(f"JobID: no job: {shown}")
    item: Item = {}
    if found[2]:
        item.update(array_job_id=int(found[1]), array_task_id=int(found[2]))
    elif found[3] is not None:
        item.update(array_job_id=int(found[1]), array_task_string=found[3])
        if found[4]:
            item["array_max_tasks"] = int(found[4])
    elif found[5]:
        item.update(het_job_id=int(found[1]), het_job_offset=int(found[5]))
    elif found[1] != raw:
        raise ValueError(f"JobID {shown} is not JobIDRaw {raw}")
    return item


def read(lines: Iterable[str], delimiter: str = "|", cluster: str = "") -> Iterator[tuple[int, str, Item] | BadRow]:
    """(line, cluster, item) of each row of a text, the header first, or what is wrong with it.

    Raises BadRow if the header is none.
    """
    iterator = iter(lines)
    reader = Reader(next(iterator, "").rstrip("\n"), delimiter, cluster)
    for line, cells in reader.rows(iterator):
        if isinstance(cells, BadRow):
            yield cells
            continue
        try:
            where, item = reader.item(line, cells)
        except BadRow as error:
            yield error
            continue
        yield line, where, item
