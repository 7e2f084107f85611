"""v0.0.38 and v0.0.37: what Slurm 22.05 served goes in and comes out as it was."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmpy.core.records.description import JobDescriptor
from slurmpy.data_parser import json_text, registry, yaml_text
from slurmpy.data_parser.errors import Context, ParseFailed

from .reference import document, needs_reference

#: kind of document, capture
READS = [
    ("jobs", "rest-get/get/slurm_{}_jobs"),
    ("jobs", "rest-get/get/slurm_{}_job_job_id"),
    ("nodes", "rest-get/get/slurm_{}_nodes"),
    ("partitions", "rest-get/get/slurm_{}_partitions"),
    ("reservations", "rest-get/get/slurm_{}_reservations"),
    ("licenses", "rest-get/get/slurm_{}_licenses"),
    ("pings", "rest-get/get/slurm_{}_ping"),
    ("diag", "rest-get/get/slurm_{}_diag"),
    ("accounts", "rest-get/get/slurmdb_{}_accounts"),
    ("users", "rest-get/get/slurmdb_{}_users"),
    ("associations", "rest-get/get/slurmdb_{}_associations"),
    ("qos", "rest-get/get/slurmdb_{}_qos"),
    ("clusters", "rest-get/get/slurmdb_{}_clusters"),
    ("wckeys", "rest-get/get/slurmdb_{}_wckeys"),
    ("tres", "rest-get/get/slurmdb_{}_tres"),
    ("slurmdb_diag", "rest-get/get/slurmdb_{}_diag"),
    ("slurmdb_jobs", "rest-get/get/slurmdb_{}_jobs"),
]
#: what a document tells and a record does not know: worked out from other things, or lost in the document
DERIVED = {
    "allocated_cpus", "idle_cpus", "core_spec_cnt", "total", "elapsed", "rollups", "reservation", "status",
}  # fmt: skip
VERSIONS = ["v0.0.37", "v0.0.38"]


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(item) for key, item in value.items() if key not in DERIVED}
    return [_without(item) for item in value] if isinstance(value, list) else value


@needs_reference
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("kind", "name"), READS)
def test_what_was_served_comes_back(version: str, kind: str, name: str) -> None:
    plugin = registry.get(version)
    if version == "v0.0.37" and kind == "licenses":
        assert kind not in plugin.envelopes
        return
    field = plugin.envelopes[kind].fields[plugin.records_at]
    golden = document(name.format(version), "22.05")[field.path]
    for one in golden if isinstance(golden, list) else [golden]:
        item = field.type.parts()[0] if isinstance(golden, list) else field.type
        record = plugin.parse(item.name, one)
        dumped = plugin.dump(item.name, record)
        assert json_text.write(_without(dumped)) == json_text.write(_without(one))
        assert plugin.encode(item.name, record).decode() == json_text.write(dumped, 4)
        assert plugin.encode_yaml(item.name, record).decode() == "-" + yaml_text.write(dumped, 0, 1)


words = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
counts = st.integers(1, 10**6)
descriptions = st.fixed_dictionaries(
    {"environment": st.just(("PATH=/bin:/usr/bin", "A=b=c"))},
    optional={
        "account": words, "name": words, "comment": words, "partition": words, "licenses": words, "array": words,
        "tasks": counts, "cpus_per_task": counts, "time_limit": counts, "time_minimum": counts,
        "memory_per_node": counts, "memory_per_cpu": counts, "priority": counts, "nice": st.integers(-10000, 10000),
        "hold": st.booleans(), "requeue": st.booleans(), "wait_all_nodes": st.booleans(), "spread_job": st.booleans(),
        "gres_enforce_binding": st.booleans(), "open_mode": st.sampled_from("at"), "tasks_per_node": counts,
        "delay_boot": counts.map(lambda n: n * 60),
        "shared": st.sampled_from(["none", "user", "mcs", "oversubscribe"]), "tres_per_node": st.just("gres/gpu:2"),
        "mail_type": st.sampled_from([(), ("BEGIN", "END"), ("TIME=80%",)]),
        "argv": st.lists(words, max_size=3).map(tuple), "standard_output": words,
        "distribution": st.sampled_from(["block", "cyclic:block", "arbitrary"]), "use_min_nodes": st.booleans(),
        "deadline": st.just(1893456000), "begin_time": st.just(1893456000),
    },
)  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS)
@given(descriptions, st.one_of(st.none(), st.tuples(counts, counts)))
@settings(max_examples=60, deadline=None)
def test_a_description_comes_back(version: str, values: dict[str, Any], nodes: tuple[int, int] | None) -> None:
    if nodes is not None:
        values |= {"minimum_nodes": nodes[0], "maximum_nodes": nodes[1]}
    job = JobDescriptor(**values)
    plugin = registry.get(version)
    document = plugin.dump("job_properties", job)
    assert plugin.parse("job_properties", document).to_wire() == job.to_wire()
    assert plugin.dump("job_properties", plugin.parse("job_properties", document)) == document


@pytest.mark.parametrize("version", VERSIONS)
def test_a_description_is_read_as_options_are(version: str) -> None:
    plugin = registry.get(version)

    def errors(**document: Any) -> list[dict[str, Any]]:
        context = Context(version)
        with pytest.raises(ParseFailed):
            plugin.parse("job_properties", document, context)
        return context.errors

    began = {"v0.0.37": "Unknown key", "v0.0.38": "Unable to process key"}[version]
    first, second = errors(name="x", tasks="many")
    assert first == {"error": "Unable to read integer value", "error_code": 9202}
    assert second["description"] == f'{began} "tasks"'
    assert errors(nosuch=1) == [{"description": 'Unknown key "nosuch"', "source": "hsearch_r"}]
    assert errors(cpu_binding="x")[0]["error_number"] == 1
    assert errors(environment={}) == [{"error": "environment must be set", "error_code": 2127}]
    job = plugin.parse("job_properties", {"tasks": "3", "nodes": "2-4", "time_limit": "1:00:00", "partition": None})
    assert (job.tasks, job.minimum_nodes, job.maximum_nodes, job.time_limit) == (3, 2, 4, 60)
    assert job.partition == ""  # which slurmctld refuses, as of 22.05


@pytest.mark.parametrize("version", ["v0.0.37", "v0.0.38"])
@pytest.mark.parametrize("field", ["priority", "nice", "tasks", "cpus_per_task", "memory_per_node"])
def test_numbers_that_no_record_holds(version: str, field: str) -> None:
    for number in (10**26, str(10**19), str(10**26), float("nan"), float("inf"), 1e30):
        context = Context()
        try:
            registry.get(version).parse("job_properties", {field: number}, context)
        except ParseFailed:
            pass
        assert context.errors, number
