"""Whatever a record holds, its document, its JSON and its YAML say the same and lead back to it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmpy.core.records.base import INFINITE
from slurmpy.core.records.job import JobInfo
from slurmpy.core.states import JobState
from slurmpy.data_parser import json_text, registry, yaml_text

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=120)
LONG = st.lists(
    st.sampled_from(["--wrap", "sleep", "a:b", "#x", "it's", '"q"', "é", "-", "x: y", "", "\\n"]), max_size=40
).map(" ".join)
NUMBER = st.one_of(st.none(), st.just(INFINITE), st.integers(0, 2**31 - 1))

jobs = st.builds(
    JobInfo,
    job_id=st.integers(1, 2**26),
    name=TEXT,
    comment=LONG,
    submit_line=LONG,
    job_state=st.sampled_from(sorted(JobState.NAMES)).flatmap(
        lambda base: st.sampled_from([0, JobState.COMPLETING, JobState.REQUEUED | JobState.SPECIAL_EXIT]).map(
            lambda flags: base | flags
        )
    ),
    time_limit=NUMBER,
    memory_per_node=NUMBER,
    cpus_per_task=NUMBER,
    exit_code=st.one_of(st.none(), st.integers(0, 255).map(lambda code: code << 8), st.integers(1, 64)),
    billable_tres=st.one_of(st.none(), st.floats(0, 1e6)),
    array_task_id=st.one_of(st.none(), st.integers(0, 10**6)),
    shared=st.sampled_from(["OK", "NO", "YES", "USER"]),
    priority_by_partition=st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 99)), max_size=2).map(tuple),
    core_spec=st.one_of(st.none(), st.integers(0, 8)),
    hold=st.booleans(),
)


@given(jobs)
@settings(max_examples=150, deadline=None)
def test_a_job_comes_back(job: JobInfo) -> None:
    plugin = registry.get()
    document = plugin.dump("job_info", job)
    back = plugin.parse("job_info", document)
    lost = {"submit_line"}  # the document has no place for it
    for name in JobInfo.FIELDS:
        if name not in lost:
            assert getattr(back, name) == getattr(job, name), name
    assert json.loads(plugin.encode("job_info", job)) == document
    assert plugin.encode("job_info", job).decode() == json_text.write(document, 4)
    text = plugin.encode_yaml("job_info", job).decode()
    assert text == "-" + yaml_text.write(document, 0, 1)
    assert yaml.load(text, yaml.CSafeLoader) == [_as_yaml(document)]


def _as_yaml(document: Any) -> Any:
    """Slurm's YAML has six digits after the point, and no way to write an empty string but nothing."""
    if isinstance(document, dict):
        return {key: _as_yaml(value) for key, value in document.items()}
    if isinstance(document, list):
        return [_as_yaml(value) for value in document]
    return float(f"{document:f}") if isinstance(document, float) else document


@given(st.one_of(TEXT, LONG))
@settings(max_examples=400, deadline=None)
def test_yaml_strings_are_those_of_the_library(value: str) -> None:
    """The emitter that Slurm uses is the one behind PyYAML's CDumper."""
    ours = "--- !!map\n!!str key:" + yaml_text.string(value, 2, 17) + "\n"
    events = [
        yaml.StreamStartEvent(),
        yaml.DocumentStartEvent(explicit=True),
        yaml.MappingStartEvent(None, "tag:yaml.org,2002:map", False, flow_style=False),
        yaml.ScalarEvent(None, "tag:yaml.org,2002:str", (False, False), "key"),
        yaml.ScalarEvent(None, "tag:yaml.org,2002:str", (False, False), value),
        yaml.MappingEndEvent(),
        yaml.DocumentEndEvent(explicit=False),
        yaml.StreamEndEvent(),
    ]
    theirs = yaml.emit(events, Dumper=yaml.CSafeDumper)
    assert ours.split("\n") == theirs.split("\n")


@given(st.one_of(TEXT, LONG))
def test_strings_survive_both_encodings(value: str) -> None:
    assert json.loads(json_text.write(value)) == value
    text = yaml_text.mapping({"k": {"n": [value]}}, 0)[1:]
    assert yaml.load(text, yaml.CSafeLoader) == {"k": {"n": [value]}}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_exact(value: float) -> None:
    assert json.loads(json_text.number(value)) == value


def test_slashes_and_bytes_that_are_no_text() -> None:
    assert json_text.write({"path": "/a/b"}) == '{\n  "path": "\\/a\\/b"\n}'
    job = JobInfo(job_id=1, command=b"/x/\xff".decode("utf-8", "surrogateescape"))
    assert b'"command": "\\/x\\/\xff"' in registry.get().encode("job_info", job)


@pytest.mark.parametrize(
    ("value", "text"),
    [("", " !!str"), ("a b", " !!str a b"), ("#x", " !!str '#x'"), ("a: b", " !!str 'a: b'"), ("é", ' !!str "\\xE9"'),
     ("it's", " !!str it's"), ("'", " !!str ''''"), ("- x", " !!str '- x'"), ("x ", " !!str 'x '"),
     ("---", " !!str '---'"),
     ("a\nb", " !!str 'a\n\n  b'")],
)  # fmt: skip
def test_yaml_styles(value: str, text: str) -> None:
    assert yaml_text.string(value, 2, 10) == text
