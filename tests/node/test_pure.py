"""The parts that decide without touching anything: names of files, environments, frames, lines, programs."""

from __future__ import annotations

import errno
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmpy.cli import launch_words as words
from slurmpy.cli import multi_prog
from slurmpy.cli.launch_output import Lines, Sink, label
from slurmpy.core.errors import SlurmError
from slurmpy.node import environment, filenames, launches, streams, usage
from slurmpy.node.stepd import worst
from slurmpy.rpc import stepio

REFERENCE = Path(__file__).parents[2] / "../shared/reference"
needs_reference = pytest.mark.skipif(not REFERENCE.exists(), reason="the reference data are not beside the repository")

# ---------------------------------------------------------------- file names

VALUES = filenames.values_of(job_id=128, step_id="0", array_job_id=120, array_task_id=17, user_name="anna",
                             job_name="name", host="n3.example.org", node=2, task=5)  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("job%J.out", "job128.0.out"),
        ("job%4j.out", "job0128.out"),
        ("job%2j-%2t.out", "job128-05.out"),
        ("%A_%a-%b", "120_17-7"),
        ("%u@%N:%n %x %s", "anna@n3:2 name 0"),
        ("%%j %q %", "%j %q %"),
        ("a\\%j", "a%j"),
        ("%99j", "0000000128"),
        ("%3x%03u", "nameanna"),
        ("%5", "%5"),
    ],
)
def test_file_names(pattern: str, name: str) -> None:
    assert filenames.expand(pattern, VALUES) == name


def test_file_names_of_batch_scripts_and_outside_arrays() -> None:
    values = filenames.values_of(job_id=7, step_id="batch")
    assert filenames.expand("%J %s %A %a", values) == "7 batch 7 4294967294"
    assert filenames.letters("a%4t%%b%N") == {"t", "%", "N"}
    assert filenames.letters("a\\%t") == set()


@given(st.text(alphabet="%0123456789\\jJtaAnNsuxb q/", max_size=30))
def test_any_pattern_gives_a_name(pattern: str) -> None:
    name = filenames.expand(pattern, VALUES)
    if "%" not in pattern and "\\" not in pattern:
        assert name == pattern
    assert "\\" not in name


# ---------------------------------------------------------------- environment

CONF = {"cluster_name": "ref", "conf_path": "/var/lib/slurm-ref/slurm.conf", "spool": "/s", "kill_wait": 2,
        "frequency": 30, "unkillable_timeout": 60, "site_task_prolog": "", "site_task_epilog": ""}  # fmt: skip


def golden(group: str, name: str) -> dict[str, str]:
    path = REFERENCE / "golden/slurm-24.11" / f"{group}.jsonl"
    for line in path.read_text().splitlines():
        record = json.loads(line)
        if record["name"].rpartition("/")[2] == name:
            return dict(re.findall(r"^([A-Z_]+)=(.*)$", record["out"], re.MULTILINE))
    raise AssertionError(name)


def job_of(found: dict[str, str], **more: Any) -> dict[str, Any]:
    return {
        "job_id": int(found["SLURM_JOB_ID"]), "name": found["SLURM_JOB_NAME"], "user_id": 5001, "group_id": 5000,
        "user_name": "anna", "group_name": "science", "account": "physics", "partition": "debug", "qos": "normal",
        "nodes": "n1", "node_count": 1, "start_time": int(found["SLURM_JOB_START_TIME"]),
        "end_time": int(found["SLURM_JOB_END_TIME"]), "time_limit": 60, "allocating_node": "ctl",
        "current_working_directory": "/home/anna", **more,
    }  # fmt: skip


CLIENT = ("SLURM_SUBMIT_DIR=/home/anna", "SLURM_SUBMIT_HOST=ctl", "SLURM_PRIO_PROCESS=0", "USER=anna")


@needs_reference
@pytest.mark.parametrize(("name", "tasks", "gres"), [("env", 2, ()), ("env-array", 1, (("gpu", "a100", 1, ()),))])
def test_a_batch_scripts_environment_is_slurms(name: str, tasks: int, gres: tuple[Any, ...]) -> None:
    found = golden("sbatch", name)
    job = job_of(found, tasks=tasks)
    if name == "env-array":
        job.update(array_job_id=30, array_task_id=3, array_task_count=1, array_task_min=3, array_task_max=3,
                   array_task_step=1)  # fmt: skip
    message = {
        "job": job, "request": {"tasks": tasks, "memory_per_node": 50}, "script": "", "environment": CLIENT,
        "allocation": {"n1": {"cpus": tasks, "core_ids": (), "memory": 50, "gres": gres}},
        "cpus_per_node": ((tasks, 1),), "tasks_per_node": (tasks,),
    }  # fmt: skip
    launch = launches.of_batch(message, "n1", CONF, append=False)
    whole = environment.of_task(environment.of_batch(launch), 0, 0, int(found["SLURM_TASK_PID"]))
    assert {key: value for key, value in whole.items() if key.startswith(("SLURM", "CUDA"))} == found


@needs_reference
def test_a_tasks_environment_is_slurms() -> None:
    found = golden("srun", "env")
    from_srun = ("SLURMD_DEBUG", "SLURM_DISTRIBUTION", "SLURM_UMASK", "SLURM_MEM_PER_NODE", "SLURM_JOB_GROUP",
                 "SLURM_SRUN_COMM_HOST", "SLURM_SRUN_COMM_PORT", "SLURM_STEP_LAUNCHER_PORT",
                 "SLURM_LAUNCH_NODE_IPADDR")  # fmt: skip
    credential = {
        "job_id": 28, "step_id": 0, "user_id": 5001, "group_id": 5000, "user_name": "anna", "group_name": "science",
        "nodes": "n1", "tasks_per_node": (1,), "global_task_ids": ((0,),), "job": job_of(found),
        "cpus_per_node": ((1, 1),),
        "allocation": {"n1": {"cpus": 1, "core_ids": (), "memory": 50, "gres": ()}},
    }  # fmt: skip
    wish = {"arguments": ("env",), "environment": (*CLIENT, *(f"{name}={found[name]}" for name in from_srun))}
    launch = launches.of_tasks(credential, wish, {"key": b""}, "n1", CONF)
    whole = environment.of_task(environment.of_step(launch), 0, 0, int(found["SLURM_TASK_PID"]))
    assert {key: value for key, value in whole.items() if key.startswith("SLURM")} == found


def test_devices() -> None:
    gres = (("gpu", "a100", 2, (0, 3)), ("shard", "", 4, ()))
    message = {
        "job": {"job_id": 1, "nodes": "n1"}, "request": {}, "script": "", "environment": (),
        "allocation": {"n1": {"cpus": 1, "gres": gres}}, "cpus_per_node": ((1, 1),),
    }  # fmt: skip
    found = environment.of_batch(launches.of_batch(message, "n1", CONF, append=False))
    assert found["CUDA_VISIBLE_DEVICES"] == found["SLURM_JOB_GPUS"] == "0,3"
    assert found["SLURM_GPUS_ON_NODE"] == "2"
    assert found["SLURM_SHARDS_ON_NODE"] == "4"
    with pytest.raises(SlurmError):
        launches.of_batch(message, "n2", CONF, append=False)


def test_numbers_per_node() -> None:
    assert environment.repeated((2, 2, 1, 2)) == "2(x2),1,2"
    assert environment.repeated_pairs(((4, 3), (1, 1))) == "4(x3),1"
    assert launches.frequency_of("30") == 30
    assert launches.frequency_of("network=5,task=7") == 7
    assert launches.frequency_of("task=0") == 0
    assert worst([0, 1 << 8, 9, 200 << 8]) == 200 << 8
    assert worst([1 << 8, 9]) == 9
    assert worst([]) == 0


def test_samples_come_soon_and_then_seldom() -> None:
    delays = iter(usage.sample_delays(30))
    assert [next(delays) for _ in range(3)] == [30.0, 30.0, 30.0]
    often = iter(usage.sample_delays(1))
    first = [next(often) for _ in range(6)]
    assert first[0] < 0.1
    assert sum(first[:4]) == pytest.approx(1)
    assert first[4:] == [1.0, 1.0]
    assert list(usage.sample_delays(0)) == []
    coarse = usage.TaskUsage(0, 30)
    assert coarse.figures("n1", 0)["in"] == {"energy": (0, 0, "n1", 0, 0, "n1", 0)}
    coarse.sampled({})
    assert "mem" in coarse.figures("n1", 0)["in"]
    assert "mem" in usage.TaskUsage(0, 1).figures("n1", 0)["in"]


# ---------------------------------------------------------------- frames

FRAMES = st.tuples(st.sampled_from(sorted(stepio.KINDS)), st.integers(0, 0xFFFFFFFF), st.binary(max_size=200))


@given(st.lists(FRAMES, max_size=8), st.lists(st.integers(1, 300), max_size=20))
def test_frames_survive_any_cutting(frames: list[tuple[int, int, bytes]], cuts: list[int]) -> None:
    stream = b"".join(stepio.frame(*one) for one in frames)
    decoder, seen, at = stepio.Decoder(), [], 0
    for cut in [*cuts, len(stream)]:
        decoder.feed(stream[at : at + cut])
        at += cut
        seen += list(decoder)
    decoder.feed(stream[at:])
    seen += list(decoder)
    assert seen == frames


@pytest.mark.parametrize(
    "data", [stepio.HEADER.pack(77, 0, 0), stepio.HEADER.pack(stepio.STDIN, 0, stepio.MAX_BODY + 1)]
)
def test_frames_that_are_none(data: bytes) -> None:
    decoder = stepio.Decoder()
    decoder.feed(data)
    with pytest.raises(stepio.ProtocolError):
        list(decoder)
    with pytest.raises(stepio.ProtocolError):
        stepio.pairs(b"123")


# ---------------------------------------------------------------- output of srun


@given(st.binary(max_size=300), st.lists(st.integers(1, 50), max_size=20), st.booleans())
def test_lines_are_whole_however_they_come(data: bytes, cuts: list[int], labelled: bool) -> None:
    reader, writer = os.pipe()
    try:
        sink = Sink(writer, lambda: None)
        lines = Lines(sink, label(3, 12) if labelled else b"", immediate=False)
        at = 0
        for cut in cuts:
            lines.put(data[at : at + cut])
            at += cut
        lines.put(data[at:])
        lines.end()
        while sink.pending:
            sink.write_once()
        os.set_blocking(reader, False)
        seen = b""
        try:
            while piece := os.read(reader, 65536):
                seen += piece
        except BlockingIOError:
            pass
    finally:
        os.close(reader)
        os.close(writer)
    if labelled:
        pieces = data.split(b"\n")
        expected = b"".join(b" 3: " + piece + b"\n" for piece in (pieces if pieces[-1] else pieces[:-1]))
        assert seen == expected
    else:
        assert seen == data


def test_a_reader_that_has_gone_is_noticed_once() -> None:
    gone = []
    reader, writer = os.pipe()
    os.close(reader)
    sink = Sink(writer, lambda: gone.append(1))
    for _ in range(3):
        sink.put(b"x")
        sink.write_once()
    sink.finish()
    os.close(writer)
    assert gone == [1]
    assert sink.pending == 0


# ---------------------------------------------------------------- --multi-prog


def test_programs_by_task() -> None:
    text = "# comment\n0 hostname\n3-4,7 echo 'task  %t' offset:%o a\\\n b\n* other %t %o\n"
    found = multi_prog.parse(text, "conf", 8)
    assert found[0] == ("hostname",)
    assert found[4] == ("echo", "task  4", "offset:1", "a", "b")
    assert found[7] == ("echo", "task  7", "offset:2", "a", "b")
    assert found[6] == ("other", "6", "6")
    assert multi_prog.parse('* echo "a b"\n', "conf", 1)[0] == ("echo", '"a', 'b"')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 hostname\n", "Configuration file mp invalid, no record for task id 1"),
        ("x y z\n", "Invalid task range specification (x)\nLine 1 of configuration file mp invalid"),
        ("\n0\n", "No program specified\nLine 2 of configuration file mp invalid"),
    ],
)
def test_faulty_programs(text: str, message: str) -> None:
    with pytest.raises(SlurmError) as caught:
        multi_prog.parse(text, "mp", 2)
    assert caught.value.message == message


# ---------------------------------------------------------------- what srun says


def test_words_for_tasks() -> None:
    assert words.ranges((5, 0, 1, 2)) == "0-2,5"
    assert (words.named([3]), words.named([3, 4])) == ("task 3", "tasks 3-4")
    assert (words.bracketed([3]), words.bracketed([3, 5])) == ("3", "[3,5]")
    assert words.ended(7 << 8, False) == "Exited with exit code 7"
    assert words.ended(11, False) == "Segmentation fault"
    assert (words.ended(9, False), words.ended(9, True), words.ended(15, True)) == (
        "Killed",
        "Out Of Memory",
        "Terminated",
    )
    assert list(words.states(5, {0, 1, 2, 3}, {1: 0, 2: 9})) == [
        "task 4: unknown", "tasks 0,3: running", "task 2: exited abnormally", "task 1: exited",
    ]  # fmt: skip
    assert words.exit_code([0, 3 << 8, 9]) == 137
    assert words.exit_code([]) == 0
    assert words.was_killed([0, 15])
    assert not words.was_killed([0, 11, 15 << 8])


def test_text_that_came_while_the_end_was_noticed_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Linux does it to a pseudo terminal's reader between two looks: EIO first, the text after it, EIO again."""
    gone = OSError(errno.EIO, os.strerror(errno.EIO))
    said: list[bytes | OSError] = [gone, b"last words\n", gone, gone]

    def read(descriptor: int, size: int) -> bytes:
        if isinstance(piece := said.pop(0), OSError):
            raise piece
        return piece

    monkeypatch.setattr(streams.os, "read", read)
    assert [streams.read_piece(9), streams.read_piece(9)] == [b"last words\n", b""]
