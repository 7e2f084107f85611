"""The orders that squeue -S knows.

A sort text is a list of letters, the most important first, each with ``-`` for the opposite order. Jobs are put in the
order of their start times before, as Slurm does, so that this decides between equals. A job without a start time
(without nodes) comes last in that order (in that of nodes) whichever the direction, and those then turn their order
round: what Slurm's comparison amounts to.
"""

from __future__ import annotations

from ..core.records.base import INFINITE
from . import squeue_text as text
from .order import natural
from .table import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

_RUN = "job_state start_time end_time suspend_time pre_sus_time"


class SortKey:
    """How one letter sorts: by `fields` of the record through `key(context, *values)` (or the only field itself).

    last: a function of the fields that tells of a record without a value.
    """

    def __init__(
        self, fields: str, key: Callable[..., Any] | None = None, last: Callable[..., bool] | None = None
    ) -> None:
        self.fields = tuple(fields.split())
        self.key = key
        self.last = last


def _plain(context: Context, *values: Any) -> Any:
    return tuple((value is None, 0 if value is None else value) for value in values)


def _id(context: Context, number: int, array_job: int, task: int | None, tasks: str, het_job: int, offset: int) -> Any:
    if array_job:
        return (array_job, INFINITE if tasks or task is None else task, number)
    return (het_job or number, offset if het_job else 0, number)


def _state(context: Context, value: int) -> str:
    return text.state(context, value)


def _compact(context: Context, value: int) -> str:
    return text.state_compact(context, value)


def _limit(context: Context, value: int | None) -> int:
    return INFINITE + 1 if value is None else value


def _memory(context: Context, per_cpu: int | None, per_node: int | None) -> int:
    return per_cpu if per_cpu is not None else per_node or 0


def _end(context: Context, end: int, start: int, limit: int | None) -> int:
    return end or (start + limit * 60 if start and limit is not None and limit != INFINITE else 0)


def _left(context: Context, limit: int | None, *run: int) -> int:
    if limit is None or limit == INFINITE:
        return INFINITE * 60
    return limit * 60 - text.time_used(context, *run)


def _nodes(context: Context, nodes: str) -> Any:
    return natural(nodes)


def _without(value: Any) -> bool:
    return not value


_START = SortKey("start_time", last=_without)

JOBS = {
    "b": SortKey("tres_per_node"),
    "c": SortKey("minimum_cpus_per_node"),
    "d": SortKey("minimum_tmp_disk_per_node"),
    "e": SortKey("end_time start_time time_limit", _end),
    "f": SortKey("features"),
    "g": SortKey("group_name"),
    "h": SortKey("shared"),
    "i": SortKey("job_id array_job_id array_task_id array_task_string het_job_id het_job_offset", _id),
    "j": SortKey("name"),
    "l": SortKey("time_limit", _limit),
    "m": SortKey("memory_per_cpu memory_per_node", _memory),
    "n": SortKey("restart_cnt", lambda context, value: 0),  # Slurm takes the letter and leaves the order as it is
    "p": SortKey("priority"),
    "Q": SortKey("priority"),
    "t": SortKey("job_state", _compact),
    "T": SortKey("job_state", _state),
    "u": SortKey("user_name"),
    "v": SortKey("resv_name"),
    "z": SortKey("sockets_per_node cores_per_socket threads_per_core", _plain),
    "B": SortKey("batch_host"),
    "C": SortKey("cpus"),
    "D": SortKey("node_count"),
    "G": SortKey("group_id"),
    "H": SortKey("sockets_per_node", _plain),
    "I": SortKey("cores_per_socket", _plain),
    "J": SortKey("threads_per_core", _plain),
    "L": SortKey(f"time_limit {_RUN}", _left),
    "M": SortKey(_RUN, text.time_used),
    "N": SortKey("nodes", _nodes, _without),
    "O": SortKey("contiguous"),
    "P": SortKey("partition"),
    "S": _START,
    "U": SortKey("user_id"),
    "V": SortKey("submit_time"),
}

STEPS = {
    "i": SortKey("job_id step_id", _plain),
    "j": SortKey("name"),
    "l": SortKey("time_limit"),
    "N": SortKey("nodes", _nodes, _without),
    "P": SortKey("partition"),
    "S": SortKey("start_time"),
    "u": SortKey("user_name"),
    "U": SortKey("user_id"),
    "M": SortKey("start_time"),
}

DEFAULT_JOBS = "P,t,-p"
DEFAULT_STEPS = "P,i"
START = "S"


class Order:
    """A parsed sort text: which fields it needs, and `sort`."""

    def __init__(self, keys: list[tuple[SortKey, bool]]) -> None:
        self.keys = keys

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for key, _ in self.keys for name in key.fields))

    def sort(self, columns: Sequence[str], rows: list[Any], context: Context) -> list[Any]:
        """The rows in order."""
        index = {name: position for position, name in enumerate(columns)}
        for key, reverse in reversed(self.keys):
            rows = _pass(rows, key, reverse, [index[name] for name in key.fields], context)
        return rows


def _pass(rows: list[Any], sort_key: SortKey, reverse: bool, places: list[int], context: Context) -> list[Any]:
    missing: list[Any] = []
    last, key = sort_key.last, sort_key.key
    first = places[0]
    if last is not None:
        missing = [row for row in rows if last(row[first])]
        missing.reverse()
        rows = [row for row in rows if not last(row[first])]
    if key is None:
        rows = sorted(rows, key=lambda row: row[first], reverse=reverse)
    elif len(places) == 1:
        known = {value: key(context, value) for value in {row[first] for row in rows}}
        rows = sorted(rows, key=lambda row: known[row[first]], reverse=reverse)
    else:
        rows = sorted(rows, key=lambda row: key(context, *[row[place] for place in places]), reverse=reverse)
    return rows + missing


def parse(spec: str, table: dict[str, SortKey], base: bool) -> tuple[Order, str]:
    """The order that a text means, and the last letter in it that is not known ("" if all are).

    It is the last because squeue sorts by the last key first, and gives up there.

    With `base`, start times decide between equals.
    """
    keys: list[tuple[SortKey, bool]] = []
    reverse, wrong = False, ""
    for letter in spec:
        if letter in ",+":
            continue
        if letter == "-":
            reverse = True
            continue
        found = table.get(letter)
        if found is None:
            wrong = letter
            continue
        keys.append((found, reverse))
        reverse = False
    if base:
        keys.append((_START, True))
    return Order(keys), wrong
