"""Records of real Slurm go in and come out as they were: as documents, as JSON text and as YAML text."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from slurmpy.data_parser import json_text, registry, stream, yaml_text

from .reference import document, needs_reference, openapi, text

pytestmark = needs_reference

#: type of a record, key in the document, captures
RECORDS = [
    ("job_info", "jobs", "scontrol/show-job-json"),
    ("job_info", "jobs", "squeue/json"),
    ("job_info", "jobs", "squeue/json-array"),
    ("job_info", "jobs", "final/squeue-json"),
    ("job_info", "jobs", "rest-get/get/slurm_v0.0.42_jobs"),
    ("node", "nodes", "scontrol/json-show-node"),
    ("node", "nodes", "rest-get/get/slurm_v0.0.42_nodes"),
    ("partition_info", "partitions", "scontrol/json-show-partition"),
    ("reservation_info", "reservations", "scontrol/json-show-reservation"),
    ("step_info", "steps", "scontrol/json-show-step"),
    ("step_info", "steps", "squeue/json-s"),
    ("license", "licenses", "scontrol/json-show-licenses"),
    ("controller_ping", "pings", "scontrol/ping-json"),
    ("sinfo", "sinfo", "sinfo/json"),
    ("sinfo", "sinfo", "sinfo/json-n"),
    ("stats_msg", "statistics", "sdiag/json"),
    ("shares_resp_msg", "shares", "sshare/json"),
    ("job", "jobs", "sacct/json"),
    ("job", "jobs", "sacct/json-het"),
    ("job", "jobs", "final/sacct-json"),
    ("job", "jobs", "rest-get/get/slurmdb_v0.0.42_jobs"),
    ("account", "accounts", "sacctmgr/json-show-account"),
    ("user", "users", "sacctmgr/json-show-user"),
    ("user", "users", "rest-query/query/v0.0.42-users-assoc"),
    ("assoc", "associations", "sacctmgr/json-show-assoc"),
    ("qos", "qos", "sacctmgr/json-show-qos"),
    ("qos", "qos", "rest-get/get/slurmdb_v0.0.42_qos"),
    ("cluster_rec", "clusters", "sacctmgr/json-show-cluster"),
    ("tres", "TRES", "sacctmgr/json-show-tres"),
    ("wckey", "wckeys", "sacctmgr/json-show-wckey"),
    ("slurmdbd_ping", "pings", "sacctmgr/ping-json"),
    ("stats_rec", "statistics", "sacctmgr/json-show-stats"),
]


def _now(type: str, record: dict[str, Any]) -> int:
    """When the capture was taken, as far as a record tells: an accounting job that has not ended grows."""
    if type != "job" or record["time"]["end"]:
        return 0
    times = record["time"]
    if times["start"]:
        return int(times["start"] + times["elapsed"] + times["suspended"])
    return int(times["eligible"] + times["planned"]["number"])


def _records(key: str, name: str) -> list[dict[str, Any]]:
    found = document(name)[key]
    return found if isinstance(found, list) else [found]


@pytest.mark.parametrize(("type", "key", "name"), RECORDS, ids=lambda value: str(value).replace("/", "-"))
def test_parsing_and_dumping_gives_the_same_record(type: str, key: str, name: str) -> None:
    plugin = registry.get("v0.0.42")
    records = _records(key, name)
    assert records
    for golden in records:
        now = _now(type, golden)
        record = plugin.parse(type, golden)
        dumped = plugin.dump(type, record, now)
        assert json_text.write(dumped) == json_text.write(golden)  # order of keys included
        assert plugin.encode(type, record, now).decode() == json_text.write(golden, 4)
        assert plugin.encode_yaml(type, record, now).decode() == "-" + yaml_text.write(golden, 0, 1)


@pytest.mark.parametrize(("type", "key", "name"), RECORDS, ids=lambda value: str(value).replace("/", "-"))
def test_dumped_records_validate_against_the_reference_schemas(type: str, key: str, name: str) -> None:
    import jsonschema

    component = f"v0.0.42_{type}"
    schemas = openapi()["components"]["schemas"]
    if component not in schemas:
        assert type in ("step_info", "sinfo")  # only commands print these
        return
    plugin = registry.get("v0.0.42")
    validator = jsonschema.Draft202012Validator(
        {"$ref": f"#/components/schemas/{component}", "components": {"schemas": _plain(schemas)}}
    )
    for golden in _records(key, name):
        dumped = plugin.dump(type, plugin.parse(type, golden), _now(type, golden))
        errors = [error.message for error in validator.iter_errors(dumped)]
        assert [error for error in errors if not _known(error)] == []


def _known(message: str) -> bool:
    """What the real documents themselves get wrong: nothing held is null."""
    return message.startswith("None is not of type 'object'")


def _plain(schemas: dict[str, Any]) -> dict[str, Any]:
    """Without what the documents write as paths ("nodes/count") in `required`, which no validator knows."""
    found = {}
    for name, schema in schemas.items():
        required = [path for path in schema.get("required", ()) if "/" not in path]
        found[name] = {**schema, "required": required} if "required" in schema else schema
    return found


#: capture, kind of document, key, when there is nothing
DOCUMENTS = [
    ("squeue/json", "jobs", "jobs", ""),
    ("squeue/json-empty", "jobs", "jobs", "Zero jobs to dump"),
    ("squeue/json-s", "steps", "steps", ""),
    ("squeue/yaml", "jobs", "jobs", ""),
    ("scontrol/show-job-json", "jobs", "jobs", ""),
    ("scontrol/show-job-yaml-one", "jobs", "jobs", ""),
    ("scontrol/json-show-node", "nodes", "nodes", ""),
    ("scontrol/yaml-show-node-n1", "nodes", "nodes", ""),
    ("scontrol/json-show-partition", "partitions", "partitions", ""),
    ("scontrol/json-show-reservation", "reservations", "reservations", ""),
    ("scontrol/json-show-licenses", "licenses", "licenses", ""),
    ("scontrol/ping-json", "pings", "pings", ""),
    ("sinfo/json", "sinfo", "sinfo", ""),
    ("sinfo/yaml", "sinfo", "sinfo", ""),
    ("sdiag/json", "diag", "statistics", ""),
    ("sdiag/yaml", "diag", "statistics", ""),
    ("sshare/json", "shares", "shares", ""),
    ("sacct/json-j", "slurmdb_jobs", "jobs", ""),
    ("sacctmgr/json-show-qos", "qos", "qos", ""),
    ("sacctmgr/yaml-show-qos", "qos", "qos", ""),
    ("sacctmgr/yaml-show-assoc", "associations", "associations", ""),
    ("sacctmgr/yaml-show-instance", "instances", "instances", ""),
    ("sacctmgr/json-show-stats", "slurmdb_diag", "statistics", ""),
]


@pytest.mark.parametrize(("name", "kind", "key", "empty"), DOCUMENTS, ids=lambda value: str(value).replace("/", "-"))
def test_whole_documents_are_equal_byte_for_byte(name: str, kind: str, key: str, empty: str) -> None:
    plugin = registry.get("v0.0.42")
    expected = text(name)
    encoding = "yaml" if expected.startswith("%YAML") else "json"
    golden = yaml.load(expected, yaml.CSafeLoader) if encoding == "yaml" else document(name)
    type = plugin.envelopes[kind].fields[0].type
    content = golden[key]
    if isinstance(content, dict):
        records: Any = plugin.parse(type.name, content)
    else:
        records = [plugin.parse(type.parts()[0].name, record) for record in content]
    args = {
        "what": kind,
        "parser": "v0.0.42",
        "encoding": encoding,
        "meta": {
            "command": golden["meta"]["command"],
            "user": "root",
            "group": "root",
            "cluster": "ref",
            "accounting_storage": "accounting_storage/slurmdbd",
            "when_empty": empty,
        },
    }
    values = {key: golden[key]["number"] for key in ("last_update", "last_backfill") if key in golden}
    pieces = list(stream.answer(args, records, **values))
    assert b"".join(pieces).decode() + "\n" == expected
