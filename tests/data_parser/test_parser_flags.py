"""Flags behind a version: what each knows and says, and that documents with them lead back to their records."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings

from slurmpy.cli import json_output
from slurmpy.core.errors import SlurmError
from slurmpy.core.records.accounting import Association, DbJob, Qos
from slurmpy.core.records.base import INFINITE
from slurmpy.core.records.cluster import NodeInfo
from slurmpy.core.records.job import JobInfo
from slurmpy.data_parser import json_text, parser_flags, registry, stream, yaml_text
from slurmpy.data_parser.errors import Context, ParseFailed
from tests.data_parser.test_roundtrip import _as_yaml, jobs

FLAGGED = [version for version in registry.VERSIONS if parser_flags.KNOWN[version]]


def test_every_version_says_which_flags_it_knows() -> None:
    assert set(parser_flags.KNOWN) == set(registry.VERSIONS)
    for version in registry.VERSIONS:
        assert not set(parser_flags.KNOWN[version]) & set(parser_flags.STANDARD.get(version, ()))


@pytest.mark.parametrize(
    ("text", "name", "flags"),
    [
        ("v0.0.42", "v0.0.42", ()),
        ("data_parser/v0.0.42+fast", "v0.0.42+fast", ("fast",)),
        ("v0.0.42+FAST+complex", "v0.0.42+FAST+complex", ("complex", "fast")),
        ("v0.0.42++fast", "v0.0.42++fast", ("fast",)),
        ("v0.0.42+", "v0.0.42+", ()),
        ("v0.0.40+spec_only+nosuch", "v0.0.40+spec_only+nosuch", ()),
        ("latest+fast", "v0.0.45+fast", ("fast",)),
        ("v0.0.38+fast", "v0.0.38+fast", ()),
    ],
)
def test_names(text: str, name: str, flags: tuple[str, ...]) -> None:
    plugin = registry.get(text)
    assert (plugin.name, sorted(plugin.flags)) == (f"data_parser/{name}", list(flags))
    assert registry.get(plugin.asked).flags == plugin.flags


@pytest.mark.parametrize("text", ["v9", "v9+fast", "+fast", "v0.0.42+" + "x" * 300])
def test_what_is_no_plugin(text: str) -> None:
    if text == "+fast":  # a daemon is never asked so: the command has refused it
        assert json_output.check("squeue", "json", text) == 1
    else:
        with pytest.raises(SlurmError):
            registry.get(text)


NO_OUTPUT = "squeue: error: application/json output not supported by data_parser/v0.0.42\n"


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [  # as the real commands
        ("v0.0.42+fast", None, ""),
        ("v0.0.42+foo+bar", None, "squeue: warning: data_parser/v0.0.42 ignoring unknown flag foo\n"
         "squeue: warning: data_parser/v0.0.42 ignoring unknown flag bar\n"),
        ("v0.0.42+prefer_refs", None, "squeue: data_parser/v0.0.42 ignoring default flag FLAG_PREFER_REFS\n"),
        ("v0.0.42+minimal_refs", None, "squeue: warning: data_parser/v0.0.42 ignoring unknown flag minimal_refs\n"),
        ("v0.0.41+foo", None, ""),
        ("v0.0.40+foo", None, ""),
        ("latest+fast", None, ""),
        ("v0.0.42+a,b", 1, "squeue: error: data_parser_g_new: rejecting ambiguous plugin v0.0.42+a,b\n" + NO_OUTPUT),
        ("+fast", 1, "squeue: error: data_parser_g_new: unable to find plugin \n" + NO_OUTPUT),
        ("v0.0.99+fast", 1, "squeue: error: load_plugins: unable to find plugin: data_parser/v0.0.99\n"
         "squeue: error: data_parser_g_new: failure loading plugins: Plugin has invalid format or unable to be loaded\n"
         + NO_OUTPUT),
    ],
)  # fmt: skip
def test_what_a_command_says(text: str, code: int | None, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert json_output.check("squeue", "json", text) == code
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("version", FLAGGED)
@given(job=jobs)
@settings(max_examples=25, deadline=None)
def test_complex_comes_back(version: str, job: JobInfo) -> None:
    """As far as it does without the flag."""
    plain, plugin = registry.get(version), registry.get(f"{version}+complex")
    document = plugin.dump("job_info", job)
    assert json.loads(plugin.encode("job_info", job)) == document
    assert plugin.encode("job_info", job).decode() == json_text.write(document, 4)
    text = plugin.encode_yaml("job_info", job).decode()
    assert text == "-" + yaml_text.write(document, 0, 1)
    assert yaml.load(text, yaml.CSafeLoader) == [_as_yaml(document)]
    context = Context(version, plugin.flags)
    back = plugin.parse("job_info", document, context)
    assert context.errors == []
    assert back == plain.parse("job_info", plain.dump("job_info", job))


@pytest.mark.parametrize("version", FLAGGED)
def test_what_complex_changes(version: str) -> None:
    plugin = registry.get(f"{version}+complex")
    job = plugin.dump("job_info", JobInfo(job_id=7, time_limit=INFINITE, memory_per_node=0, name="x"))
    assert (job["job_id"], job["time_limit"], job["memory_per_node"], job["array_task_id"]) == (7, "Infinity", 0, None)
    assert (job["name"], job["comment"], job["job_resources"], job["flags"]) == ("x", None, None, [])
    assert job["exit_code"]["signal"] == {"id": None, "name": None}
    node = plugin.dump("node", NodeInfo(name="n"))
    assert (node["owner"], node["comment"]) == ("", None)
    past = plugin.dump("job", DbJob(job_id=1, tres_allocated="cpu=1"))
    assert past["tres"]["allocated"] == [{"type": "cpu", "name": None, "id": 1, "count": 1}]
    assert (past["constraints"], past["container"]) == ("", None)
    limits = plugin.dump("qos", Qos(name="q"))["limits"]["max"]
    assert limits["jobs"]["active_jobs"]["per"]["user"] == "Infinity"
    for qos in (Qos(name="q"), Qos(name="q", max_jobs_per_user=5, usage_factor=0.5)):
        assert plugin.parse("qos", plugin.dump("qos", qos)) == qos
    limited = Association(account="a", cluster="c", max_jobs=5, grp_jobs=0)
    assert plugin.parse("assoc", plugin.dump("assoc", limited)).max_jobs == 5


def test_texts_of_both_forms_are_kept_apart() -> None:
    cache = stream.FragmentCache()
    job = JobInfo(job_id=7)
    job._version = 1  # type: ignore[attr-defined]

    def limit(text: str) -> Any:
        pieces = stream.answer({"what": "jobs", "parser": text}, [job], cache=cache)
        document = json.loads(b"".join(pieces))
        assert document["meta"]["plugin"]["data_parser"] == f"data_parser/{text}"
        return document["jobs"][0]["time_limit"]

    unset = {"set": False, "infinite": False, "number": 0}
    for _ in range(2):
        assert limit("v0.0.42") == unset
        assert limit("v0.0.42+complex") is None
        assert limit("v0.0.42+fast+nosuch") == unset
        assert limit("v0.0.42+complex+fast") is None
    assert len(cache._entries) == 2


@pytest.mark.parametrize("encoding", ["json", "yaml"])
def test_spec_only_tells_the_schema(encoding: str) -> None:
    pieces = stream.answer({"what": "jobs", "parser": "v0.0.42+spec_only", "encoding": encoding}, [JobInfo(job_id=7)])
    text = b"".join(pieces).decode()
    schema = json.loads(text) if encoding == "json" else yaml.load(text, yaml.CSafeLoader)
    job = schema["properties"]["jobs"]["items"]["properties"]
    assert job["job_id"] == {"type": "integer", "format": "int32"}
    assert job["time_limit"]["properties"]["set"] == {"type": "boolean"}
    assert "$ref" not in text
    assert schema["required"][0] == "jobs"


@pytest.mark.parametrize("version", FLAGGED)
def test_fast_says_little(version: str) -> None:
    def told(flags: str, document: Any) -> tuple[list[Any], list[Any]]:
        plugin = registry.get(version + flags)
        context = Context(version, plugin.flags)
        try:
            plugin.parse("job_desc_msg", document, context)
        except ParseFailed:
            pass
        return context.errors, context.warnings

    for document in ({"nosuch": 1}, {"name": 5}, {"tasks": "2"}):
        assert told("", document)[1]
        assert told("+fast", document) == ([], [])
    assert told("+complex", {"name": 5}) == ([], [])
    assert told("+complex", {"nosuch": 5})[1]
    (first, *_), _ = told("", {"flags": ["NOSUCH"]})
    assert first["source"] == "#/flags[0]/"
    (first, *_), _ = told("+fast", {"flags": ["NOSUCH"]})
    assert (first["description"], first["source"]) == ('Unknown flag "NOSUCH"', "")
