"""sacct's text read back: what is printed of the items is the text that they were read from."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmpy.accounting.merging import merge_job, merge_step
from slurmpy.cli import import_sacct, import_slurmdbd, sacct
from slurmpy.core.ids import STEP_BATCH, STEP_EXTERN, STEP_INTERACTIVE
from slurmpy.core.records.base import INFINITE
from slurmpy.core.states import JobState
from slurmpy.format.sacct_cells import Style
from slurmpy.format.sacct_fields import FIELDS

from .dbd import Slurmdbd, running
from .golden import captures, needs_golden

#: numbers of rows of the other database, and what only it can compute
NOT_RESTORED = {"AssocID", "BlockID", "DBIndex", "SLUID", "QOSRAW", "WCKeyID"}
NOW = 1_800_000_000


@pytest.fixture(autouse=True)
def _utc() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


def line(row: dict[str, Any], job: dict[str, Any] | None = None, delimiter: str = "|") -> str:
    """A job's line, or a step's of `job`, of sacct -P --format=ALL."""
    style, cells = Style(NOW), []
    for field in FIELDS:
        made, needs = (field.job, field.job_needs) if job is None else (field.step, field.step_needs)
        values = [job[name[4:]] if job and name.startswith("job.") else row[name] for name in needs]
        cells.append(made(style, *values) if made else "")
    return delimiter.join(cells)


HEADER = [field.header for field in FIELDS]
words = st.text("abcXYZ0189 _-./=%'\"()$;é", max_size=12)
moments = st.integers(1_500_000_000, 1_700_000_000)
tres = st.builds(
    lambda cpu, mem, gpu: f"cpu={cpu},mem={mem},node=1,billing={cpu}" + (f",gres/gpu={gpu}" if gpu else ""),
    st.integers(1, 5000), st.integers(0, 10**7), st.integers(0, 8),
)  # fmt: skip


@st.composite
def jobs(draw: st.DrawFn) -> dict[str, Any]:
    submit = draw(moments)
    begun = draw(st.booleans())
    start = submit + draw(st.integers(1, 90_000)) if begun else 0
    suspended = draw(st.integers(0, 500)) if begun else 0
    end = start + suspended + draw(st.integers(0, 900_000)) if begun else draw(st.sampled_from((0, submit + 5)))
    number = draw(st.integers(1, 10**8))
    kind = draw(st.sampled_from(("plain", "task", "waiting", "het")))
    state = draw(st.sampled_from(sorted(JobState.NAMES)))
    row: dict[str, Any] = dict.fromkeys(
        ("association_id", "db_index", "qos_id", "wckey_id", "consumed_energy", "user_cpu_usec", "system_cpu_usec"), 0
    )
    row.update(
        cluster="ref", job_id=number, submit_time=submit, eligible_time=submit, start_time=start, end_time=end,
        suspended=suspended, block="", job_state=state, exit_code=draw(st.integers(0, 128)) << 8,
        derived_exit_code=draw(st.integers(0, 128)), required_cpus=4, allocation_nodes=draw(st.integers(1, 4)),
        kill_request_user_id=draw(st.none() | st.integers(0, 70000)) if state == JobState.CANCELLED else None,
        array_job_id=0, array_task_id=None, array_task_string="", array_max_tasks=0, het_job_id=0,
        het_job_offset=None, user_id=draw(st.integers(0, 2**31)), user_name=draw(st.sampled_from(("anna", "bob"))),
        group_id=7, group_name="g", partition="debug", qos="normal", qosreq="", wckey=draw(st.sampled_from(("", "*w"))),
        account="physics", mcs_label="", failed_node="", state_reason="None", nodes="n[1-3]" if begun else "",
        priority=draw(st.none() | st.integers(0, 2**32 - 2)), reservation_id=0, reservation_name="", restart_cnt=2,
        time_limit=draw(st.sampled_from((None, INFINITE, 1, 1441))),
        flags=draw(st.sampled_from(("", "STARTED_ON_SCHEDULE,START_RECEIVED"))),
        tres_requested=draw(tres), tres_allocated=draw(tres) if begun else "",
    )  # fmt: skip
    for name in (
        "admin_comment", "comment", "constraints", "container", "extra", "name", "licenses", "standard_error",
        "standard_input", "standard_output", "submit_line", "system_comment", "current_working_directory",
    ):  # fmt: skip
        row[name] = draw(words)
    if kind == "task":
        row.update(array_job_id=number - 1 or 5, array_task_id=draw(st.integers(0, 4000)))
    elif kind == "waiting":
        row.update(array_job_id=number, array_task_string="4-7,9", array_max_tasks=draw(st.integers(0, 3)))
    elif kind == "het":
        row.update(het_job_id=max(1, number - 1), het_job_offset=draw(st.integers(0, 3)))
    return row


@st.composite
def steps(draw: st.DrawFn) -> dict[str, Any]:
    start = draw(moments)
    row: dict[str, Any] = {
        "step_id": draw(st.sampled_from((STEP_BATCH, STEP_EXTERN, STEP_INTERACTIVE, 0, 17))),
        "step_het_comp": draw(st.sampled_from((-1, 0, 2))), "name": draw(words), "job_state": JobState.FAILED,
        "exit_code": draw(st.integers(0, 15)), "kill_request_user_id": None, "start_time": start, "suspended": 0,
        "end_time": start + draw(st.integers(0, 10**6)), "nodes": "n1", "node_count": 1, "number_tasks": 3,
        "distribution": "Block", "container": "", "submit_line": draw(words), "tres_allocated": draw(tres),
        "cpu_frequency_minimum": draw(st.sampled_from((None, 0, 2_000_000))), "cpu_frequency_maximum": None,
        "cpu_frequency_governor": draw(st.sampled_from((None, 0, 0x80000008))),
        "actual_cpu_frequency": draw(st.integers(0, 999)), "consumed_energy": draw(st.integers(0, 10**9)),
        "user_cpu_usec": draw(st.integers(0, 3000)) * 1000, "system_cpu_usec": draw(st.integers(0, 10**5)) * 10**6,
    }  # fmt: skip
    for side in ("in", "out"):
        for part in ("ave", "max", "min", "tot"):
            cpu, mem, disk = draw(st.integers(0, 10**5)), draw(st.integers(0, 2**45)), draw(st.integers(0, 2**50))
            row[f"tres_usage_{side}_{part}"] = draw(st.sampled_from(("", f"cpu={cpu * 1000},mem={mem},fs/disk={disk}")))
        for part in ("max_node", "max_task", "min_node", "min_task"):
            row[f"tres_usage_{side}_{part}"] = draw(st.sampled_from(("", "cpu=n1,mem=n2")))
    return row


def again(rows: list[dict[str, Any]], text: str, delimiter: str = "|") -> str:
    """The text printed of what was read from `text`."""
    lines, job = [delimiter.join(HEADER)], {}
    for found in import_sacct.read(text.splitlines(True), delimiter):
        assert not isinstance(found, import_sacct.BadRow), str(found)
        _, cluster, item = found
        before = rows[len(lines) - 1]
        if item["kind"].startswith("job_"):
            made = merge_job(None, item, cluster)
            job = {**before, **{name: value for name, value in made.items() if name not in ("db_index", "wckey_id")}}
            job["suspended"] = item["suspended"]
            lines.append(line(job, None, delimiter))
        else:
            lines.append(line({**before, **merge_step(None, item)}, job, delimiter))
    return "\n".join(lines) + "\n"


@settings(max_examples=150)
@given(jobs(), st.lists(steps(), max_size=3))
def test_what_is_read_prints_the_same(job: dict[str, Any], below: list[dict[str, Any]]) -> None:
    lines = [HEADER, *[one.split("\x01") for one in (line(job, None, "\x01"), *(line(s, job, "\x01") for s in below))]]
    text = "\n".join("\x01".join(cells) for cells in lines) + "\n"
    assert again([job, *below], text, "\x01") == text


@settings(max_examples=60)
@given(jobs())
def test_delimiters_in_texts_are_found_out(job: dict[str, Any]) -> None:
    job["submit_line"] = "sbatch --wrap cat a | sort | uniq"
    job["comment"] = "first\nsecond | third"
    job["constraints"] = job["container"] = ""  # or it could be either's
    text = "|".join(HEADER) + "\n" + line(job) + "\n"
    found = list(import_sacct.read(text.splitlines(True)))
    assert len(found) == 1
    assert not isinstance(found[0], import_sacct.BadRow), str(found[0])
    assert (found[0][2]["submit_line"], found[0][2]["comment"]) == (job["submit_line"], job["comment"])


@given(st.text(max_size=400), st.booleans())
def test_any_text_is_read_or_told_of(text: str, header: bool) -> None:
    lines = (("|".join(HEADER) + "\n") if header else "") + text
    rows = import_sacct.read(lines.splitlines(True))
    if not header:
        with pytest.raises(import_sacct.BadRow) as error:
            next(rows, None)
        assert error.value.line == 1
        return
    for found in rows:
        assert isinstance(found, import_sacct.BadRow)
        assert found.line > 1


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("Start", "yesterday", "Start: no time: yesterday"),
        ("AllocTRES", "cpu", "AllocTRES: no TRES: cpu"),
        ("State", "DANCING", "no state: DANCING"),
        ("UID", "-1", "UID: no number: -1"),
        ("JobIDRaw", "x", "JobIDRaw: no job: x"),
        ("Submit", "Unknown", "Submit: no time"),
        ("Timelimit", "soon", "Timelimit: "),
    ],
)
def test_a_wrong_cell_is_named(column: str, value: str, said: str) -> None:
    cells = dict.fromkeys(import_sacct.NEEDED, "") | {
        "Cluster": "ref", "JobID": "1", "JobIDRaw": "1", "UID": "0", "Submit": "2026-01-01T00:00:00",
        "Eligible": "Unknown", "Start": "Unknown", "End": "Unknown", "State": "PENDING", "AllocTRES": "",
        "Timelimit": "",
    }  # fmt: skip
    cells[column] = value
    text = "|".join(cells) + "\n" + "|".join(cells.values()) + "\n"
    (found,) = import_sacct.read(text.splitlines(True))
    assert isinstance(found, import_sacct.BadRow)
    assert found.line == 2
    assert str(found).startswith(said)


def test_figures_without_usage_texts_come_from_their_columns() -> None:
    head = [*import_sacct.NEEDED, "Cluster", "MaxRSS", "MaxRSSNode", "MaxRSSTask", "AveCPU", "MaxDiskWrite"]
    times = "2026-01-01T00:00:00|2026-01-01T00:00:00|2026-01-01T00:00:01|2026-01-01T00:00:02"
    text = (
        "|".join(head)
        + f"\n1|1|u|0|{times}|COMPLETED|ref|||||\n1.0|1.0|||{times}|COMPLETED|ref|3.5M|n2|4|00:00:02|4K\n"
    )
    _, (_, _, step) = import_sacct.read(text.splitlines(True))
    assert step["tres_usage_in_max"] == f"mem={int(3.5 * 1048576)}"
    assert (step["tres_usage_in_max_node"], step["tres_usage_in_max_task"]) == ("mem=n2", "mem=4")
    assert (step["tres_usage_in_ave"], step["tres_usage_out_max"]) == ("cpu=2000", "fs/disk=4096")


def test_a_step_alone_is_no_row() -> None:
    text = "|".join([*import_sacct.NEEDED, "Cluster"]) + "\n5.0|5.0|||Unknown|Unknown|Unknown|Unknown|RUNNING|ref\n"
    (found,) = import_sacct.read(text.splitlines(True))
    assert str(found) == "step 5.0 is not below its job"


# ---- a slurmdbd in between


def restored(place: Path, text: str, dump: str = "") -> str:
    """What sacct prints after an import of `text` (and of a dump) into a new slurmdbd."""
    (place / "books").mkdir()
    source, assocs = place / "sacct.txt", place / "ref.cfg"
    source.write_text(text)
    assocs.write_text(dump or "Cluster - 'ref'\n")
    with running(place / "books") as daemon:
        said: list[str] = []
        import_slurmdbd.run([str(source), str(assocs)], daemon.cluster, write=said.append)
        assert "(0 new)" not in said[1].partition("steps")[0]
        return printed(daemon)


def printed(daemon: Slurmdbd, *chosen: str) -> str:
    code, out, err = daemon.run(sacct, ["-a", "-D", "-P", "--format=ALL", *(chosen or ("-S", "2020-01-01"))])
    assert (code, err) == (0, "")
    return out


def differences(before: str, after: str, but: set[str]) -> dict[str, list[tuple[str, str, str]]]:
    """Columns that differ: (raw id, before, after) of each cell."""
    tables = []
    for text in (before, after):
        reader = import_sacct.Reader(text.partition("\n")[0])
        rows = [
            cells for _, cells in reader.rows(text.splitlines(True)[1:]) if not isinstance(cells, import_sacct.BadRow)
        ]
        keyed = {(row[reader.at["JobIDRaw"]], row[reader.at["Submit"]]): row for row in rows}
        tables.append((reader.columns, keyed))
    (columns, old), (same, new) = tables
    assert columns == same
    assert set(old) == set(new)
    found: dict[str, list[tuple[str, str, str]]] = {}
    for key, row in old.items():
        for at, name in enumerate(columns):
            if row[at] != new[key][at] and name not in but:
                found.setdefault(name, []).append((key[0], row[at], new[key][at]))
    return found


#: sums of processor time that the other database knew below the millisecond
ROUNDED = {"TotalCPU", "UserCPU", "SystemCPU"}
#: what goes on until now
RUNNING = {"Elapsed", "ElapsedRaw", "CPUTime", "CPUTimeRAW", "Planned", "PlannedCPU", "PlannedCPURAW"}


@needs_golden
def test_the_captures_of_a_real_cluster(tmp_path: Path) -> None:
    text = captures("sacct")["all-P"]["out"]
    found = differences(text, restored(tmp_path, text), NOT_RESTORED | ROUNDED | RUNNING)
    assert found == {  # the job whose node died: a step that left no exit code, energy that nobody reported
        "ConsumedEnergy": [("11", "0", "")],
        "ConsumedEnergyRaw": [("11", "0", "")],
        "ExitCode": [("11.batch", "", "0:0")],
    }


def test_a_text_that_could_be_two_columns_is_refused() -> None:
    cells = dict.fromkeys(import_sacct.NEEDED, "") | {
        "Cluster": "ref", "JobID": "1", "JobIDRaw": "1", "UID": "0", "Submit": "2026-01-01T00:00:00",
        "Eligible": "Unknown", "Start": "Unknown", "End": "Unknown", "State": "PENDING", "Comment": "a|b",
        "Constraints": "c",
    }  # fmt: skip
    (found,) = import_sacct.read(["|".join(cells) + "\n", "|".join(cells.values()) + "\n"])
    assert isinstance(found, import_sacct.BadRow)
    assert "a text in it has a '|'" in str(found)
