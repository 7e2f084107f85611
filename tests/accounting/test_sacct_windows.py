"""Which jobs sacct shows: by number, by time, by state. Held against what real sacct 24.11 shows of such jobs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slurmpy.cli import sacct
from slurmpy.core.states import JobState

from .dbd import Slurmdbd

BASE = int(time.time()) - 3600


def job(number: int, submit: int, eligible: int, start: int, end: int, state: int, **more: Any) -> dict[str, Any]:
    return {
        "kind": "job_complete" if end else "job_start", "job_id": number, "submit_time": BASE + submit, "user_id": 0,
        "user_name": "root", "partition": "debug", "name": f"j{number}", "job_state": state, "nodes": "n1",
        "eligible_time": BASE + eligible if eligible else 0, "start_time": BASE + start if start else 0,
        "end_time": BASE + end if end else 0, "tres_allocated": "cpu=1,node=1" if start else "", **more,
    }  # fmt: skip


JOBS = (
    job(1, 10, 10, 20, 30, JobState.COMPLETED),
    job(2, 40, 0, 0, 50, JobState.CANCELLED),  # held
    job(3, 40, 3000, 0, 50, JobState.CANCELLED),  # to begin later
    job(4, 41, 41, 0, 60, JobState.CANCELLED),  # had to wait
    job(5, 42, 42, 43, 0, JobState.RUNNING),
    job(6, 12, 12, 15, 25, JobState.REQUEUED),
    job(6, 25, 4200, 0, 0, JobState.PENDING, restart_cnt=1),
)


@pytest.fixture(scope="module")
def dbd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurmdbd]:
    place: Path = tmp_path_factory.mktemp("dbd")
    made = Slurmdbd(place)
    made.start()
    made.register()
    for number, item in enumerate(JOBS, start=1):
        starts = {**item, "kind": "job_start", "job_state": 0, "start_time": 0, "end_time": 0}
        made.call("records", cluster="ref", first_seq=2 * number, items=(starts, item))
    yield made
    made.stop()


def moment(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(BASE + seconds))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        # asked for by number: eligible or not, from the submission on
        ("-j 1,2,3,4,5,6", "1 2 3 4 5 6"),
        ("-j 2,3 -S {0}", "2 3"),
        ("-j 1,2,3,4,5,6 -S {55}", "4 5 6"),
        ("-j 1,2,3,4,5,6 -E {41}", "1 2 3 6"),
        ("-j 1,2,3,4,5,6 -S {45} -E {50}", "2 3 4 5 6"),
        # all: eligible in the window
        ("-S {0} -E {100}", "1 4 5 6"),
        ("-S {35} -E {100}", "4 5"),
        ("-S {0} -E {4300}", "1 3 4 5 6"),
        # a start without an end is a moment, once there are states
        ("-s CA -S {55}", ""),
        ("-s CA -S {0} -E {100}", "2 3 4"),
        ("-s CA -j 4", "4"),
        ("-s R -S {45}", "5"),
        ("-s R -S {22}", "1 6"),
        ("-s PD -S {0} -E {100}", "1 4 5 6"),
        ("-s RQ -S {0} -E {100}", "6"),
    ],
)
def test_which_jobs(dbd: Slurmdbd, words: str, expected: str) -> None:
    import re

    argv = re.sub(r"\{(\d+)\}", lambda found: moment(int(found[1])), words).split()
    code, out, err = dbd.run(sacct, ["-anPX", "-o", "jobid", *argv])
    assert (code, err) == (0, "")
    assert sorted(set(out.split())) == expected.split()


def test_what_never_started_has_no_start(dbd: Slurmdbd) -> None:
    _, out, _ = dbd.run(sacct, ["-anPXD", "-j", "4,6", "-o", "jobid,state,start,restarts,timelimit"])
    assert out.splitlines() == [
        f"6|REQUEUED|{moment(15)}|0|Partition_Limit",
        "6|PENDING|Unknown|1|Partition_Limit",
        "4|CANCELLED|None|0|Partition_Limit",
    ]
