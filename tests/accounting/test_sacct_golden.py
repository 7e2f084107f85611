"""sacct's fields against real Slurm: the jobs of one `sacct --json` capture, printed field by field."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest

from slurmpy.data_parser import registry
from slurmpy.format import sacct_table
from slurmpy.format.sacct_cells import Style
from slurmpy.format.sacct_fields import FIELDS

from .golden import captures, needs_golden

pytestmark = needs_golden

#: what the JSON does not tell: the figures of tasks that are only in usage texts are there, these are not
_UNKNOWN_TO_JSON = {
    "DBIndex", "SLUID", "QOSRAW", "WCKeyID", "GID", "UID", "ConsumedEnergy", "ConsumedEnergyRaw", "AveCPUFreq",
    "SubmitLine",
}  # fmt: skip
#: values that real Slurm prints from memory it never set
_NOT_TO_BE_HAD = {"PlannedCPU", "PlannedCPURAW"}


@functools.cache
def records() -> list[Any]:
    document = json.loads(captures("sacct")["json"]["out"])
    plugin = registry.get("v0.0.42")
    return [plugin.parse("job", job) for job in document["jobs"]]


def rows(table: sacct_table.Table) -> list[tuple[Any, ...]]:
    found = []
    uids = {"anna": 5001, "bob": 5002, "carol": 5003, "dave": 5004, "eve": 5005, "root": 0}
    for job in records():
        values = dict.fromkeys(("qos_id", "consumed_energy"), 0)
        values["kill_request_user_id"] = uids.get(job.kill_request_user)

        def value(record: Any, name: str, values: dict[str, Any] = values) -> Any:
            if name in values:
                return uids.get(record.kill_request_user) if name == "kill_request_user_id" else values[name]
            found = getattr(record, name)
            if name.startswith("tres_usage") and name.endswith("_task"):
                # the JSON says 0 where no task was noted
                found = found.replace("energy=0,", "")
            return found

        steps = tuple(tuple(value(step, name) for name in table.step_columns) for step in job.steps)
        found.append((*(value(job, name) for name in table.job_columns), steps))
    return found


def lines(out: str) -> list[str]:
    return out.splitlines()


_FIELD_CAPTURES = [field.name for field in FIELDS if field.name not in _UNKNOWN_TO_JSON | _NOT_TO_BE_HAD]


@pytest.mark.parametrize("name", _FIELD_CAPTURES)
def test_field(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    capture = captures("sacct").get(f"f-{name}")
    if capture is None:
        pytest.skip(f"there is no capture of {name}")
    monkeypatch.setenv("TZ", "UTC")
    table = sacct_table.Table([sacct_table.find(name)], Style(now=0))
    expected = lines(capture["out"])
    own = lines(table.header() + "".join(table.lines(rows(table), steps=True)))
    assert own[:2] == expected[:2]
    assert len(own) == len(expected)
    ended = [job.end_time > 0 for job in records() for _ in range(1 + len(job.steps))]
    for real, ours, over in zip(expected[2:], own[2:], ended, strict=True):
        # what still runs has grown between one capture and the next
        if over:
            assert ours == real
