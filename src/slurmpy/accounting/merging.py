"""One item of what slurmctld reports taken into the row of a job or a step: pure, a row as it was and an item give the
row as it is, whatever was repeated and in whatever order a job's start and end arrive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import compress
from operator import ne
from typing import Any

import sqlalchemy as sa

from slurmpy.rpc.dbd_messages import JOB_FIELDS, STEP_FIELDS

from . import schema, tres_text
from .bulk import values_of
from .refused import RefusedRecord

Row = dict[str, Any]
Item = Mapping[str, Any]

#: combinations of fields, of which slurmctld has a handful, that are remembered
_SHAPES = 200

FINISHED = 3  # the first base state that is an end
NO_HET = -1

_JOB = schema.Mapper(schema.records.DbJob, schema.jobs)
_STEP = schema.Mapper(schema.records.DbStep, schema.steps)
_JOB_NAMES = tuple(name for name in _JOB.columns if name != "db_index")
_JOB_DEFAULTS = {name: _JOB.defaults[name] for name in _JOB_NAMES} | {"flags": "", "alloc_cpus": 0, "time_suspended": 0}
_STEP_DEFAULTS = dict(_STEP.defaults)


def _settable(fields: Iterable[str], table: sa.Table, defaults: Row) -> dict[str, tuple[Any, type]]:
    """What items may set: name: (default, type of the column's values)."""
    return {name: (defaults[name], table.c[name].type.python_type) for name in fields if name in defaults}


_JOB_SET = _settable(JOB_FIELDS, schema.jobs, _JOB_DEFAULTS)
_STEP_SET = _settable(STEP_FIELDS, schema.steps, _STEP_DEFAULTS)
for _name in ("job_id", "submit_time"):
    del _JOB_SET[_name]
for _name in ("step_id", "step_het_comp"):
    _STEP_SET.pop(_name, None)
_TRES_COLUMNS = ("tres_requested", "tres_allocated")

#: what a job's end decides: a start that arrives after it does not change these
_END_DECIDES = frozenset(
    (
        "job_state",
        "end_time",
        "exit_code",
        "derived_exit_code",
        "failed_node",
        "kill_request_user",
        "kill_request_user_id",
    )
)


def column_value(name: str, value: Any, kind: type) -> Any:
    """`value` as a column of `kind` takes it. Raises RefusedRecord: SQLite would keep any value in any column."""
    if isinstance(value, (tuple, list)):
        value = ",".join(value)
    if kind is str and value is not None:
        value = schema.storable(value if isinstance(value, str) else str(value))
    elif value is not None and not isinstance(value, (int, float)):
        raise RefusedRecord(f"records: {name} is no number")
    if name in _TRES_COLUMNS and value:
        try:
            return tres_text.canonical(value)
        except ValueError:
            return ""
    return value


class _Fields:
    """What items of a kind set, picked out at once: most of what an end says its start has said, and what differs is
    found without a look at each of fifty fields."""

    def __init__(self, may_set: Mapping[str, tuple[Any, type]]) -> None:
        self._may_set = may_set
        self._picks: dict[tuple[str, ...], tuple[tuple[str, ...], Callable[[Item], tuple[Any, ...]]]] = {}

    def changed(self, merged: Row, item: Item) -> Iterator[tuple[str, Any, type]]:
        """(name, the field's default, its type) of the fields whose value in `item` is another one than in `merged`."""
        shape = tuple(item)
        known = self._picks.get(shape)
        if known is None:
            if len(self._picks) > _SHAPES:
                self._picks.clear()
            names = tuple([name for name in shape if name in self._may_set])
            known = self._picks[shape] = names, values_of(names)
        names, pick = known
        for name in compress(names, map(ne, pick(item), pick(merged))):
            yield name, *self._may_set[name]


def _merge(merged: Row, item: Item, fields: _Fields, late_start: bool) -> None:
    """Takes the fields of an item into a row; what a late start says of something that is known already is not."""
    for name, default, kind in fields.changed(merged, item):
        value = item[name]
        if value is None and default is not None:
            continue
        if late_start and (name in _END_DECIDES or merged[name] != default):
            continue
        merged[name] = value if kind is int and type(value) is int else column_value(name, value, kind)


_JOB_FIELDS, _STEP_FIELDS = _Fields(_JOB_SET), _Fields(_STEP_SET)


def merge_job(row: Row | None, item: Item, cluster: str) -> Row:
    """The row of a job after a job_start or job_complete."""
    if row is None:
        merged: Row = {
            **_JOB_DEFAULTS,
            "cluster": cluster,
            "job_id": item["job_id"],
            "submit_time": item["submit_time"],
        }
        ended = False
    else:
        merged = dict(row)
        ended = merged["job_state"] & 0xFF >= FINISHED or merged["end_time"] > 0
    _merge(merged, item, _JOB_FIELDS, ended and item["kind"] == "job_start")
    merged["alloc_cpus"] = tres_text.parse(merged["tres_allocated"]).get("cpu", 0)
    return merged


def merge_step(row: Row | None, item: Item) -> Row:
    """The row of a step after a step_start or step_complete."""
    if row is None:
        merged: Row = {
            **_STEP_DEFAULTS,
            "step_id": item["step_id"],
            "step_het_comp": NO_HET if item.get("step_het_comp") is None else int(item["step_het_comp"]),
        }
        ended = False
    else:
        merged = dict(row)
        ended = merged["end_time"] > 0
    _merge(merged, item, _STEP_FIELDS, ended and item["kind"] == "step_start")
    return merged
