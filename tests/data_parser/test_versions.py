"""The versions that are told from their neighbours by tables of differences: older ones and newer ones."""

from __future__ import annotations

import pytest

from slurmpy.core.errors import SlurmError
from slurmpy.core.records.cluster import NodeInfo
from slurmpy.data_parser import json_text, registry

from .reference import RELEASES, document, needs_reference

#: kind of document, capture
READS = [
    ("jobs", "slurm_{}_jobs"),
    ("nodes", "slurm_{}_nodes"),
    ("partitions", "slurm_{}_partitions"),
    ("reservations", "slurm_{}_reservations"),
    ("licenses", "slurm_{}_licenses"),
    ("pings", "slurm_{}_ping"),
    ("diag", "slurm_{}_diag"),
    ("shares", "slurm_{}_shares"),
    ("accounts", "slurmdb_{}_accounts"),
    ("users", "slurmdb_{}_users"),
    ("associations", "slurmdb_{}_associations"),
    ("qos", "slurmdb_{}_qos"),
    ("clusters", "slurmdb_{}_clusters"),
    ("wckeys", "slurmdb_{}_wckeys"),
    ("tres", "slurmdb_{}_tres"),
    ("slurmdb_diag", "slurmdb_{}_diag"),
]


@needs_reference
@pytest.mark.parametrize("version", [one for one in registry.VERSIONS if one >= "v0.0.40" and one != "v0.0.42"])
@pytest.mark.parametrize(("kind", "name"), READS)
def test_answers_of_other_versions(version: str, kind: str, name: str) -> None:
    plugin = registry.get(version)
    field = plugin.envelopes[kind].fields[0]
    golden = document("rest-get/get/" + name.format(version), RELEASES.get(version, "24.11"))[field.path]
    if version == "v0.0.40" and kind == "jobs":
        # that version does not tell how many cores a node has, so its records are read from the newer one's answer
        newer = registry.get("v0.0.42")
        answer = document("rest-get/get/" + name.format("v0.0.42"))["jobs"]
        jobs = {job["job_id"]: newer.parse("job_info", job) for job in answer}
        for job in golden:
            ours = plugin.dump("job_info", jobs[job["job_id"]])
            if ours["job_state"] == job["job_state"] and ours["priority"] == job["priority"]:
                assert json_text.write(ours["job_resources"]) == json_text.write(job["job_resources"])
                assert list(ours) == list(job)
        return
    record = plugin.parse(field.type.name, golden)
    assert json_text.write(plugin.dump(field.type.name, record)) == json_text.write(golden)
    assert plugin.json_writer(field.type.name, 2)(record) == json_text.write(golden, 2)


#: what the commands of the newer release print, which is v0.0.45: kind of document, capture
PRINTED = [
    ("jobs", "squeue/json"),
    ("steps", "squeue/json-s"),
    ("steps", "scontrol/json-show-step"),
    ("nodes", "scontrol/json-show-node"),
    ("partitions", "scontrol/json-show-partition"),
    ("reservations", "scontrol/json-show-reservation"),
    ("licenses", "scontrol/json-show-licenses"),
    ("pings", "scontrol/ping-json"),
    ("sinfo", "sinfo/json"),
    ("sinfo", "sinfo/json-n"),
    ("diag", "sdiag/json"),
    ("shares", "sshare/json"),
    ("accounts", "sacctmgr/json-show-account"),
    ("users", "sacctmgr/json-show-user"),
    ("associations", "sacctmgr/json-show-assoc"),
    ("qos", "sacctmgr/json-show-qos"),
    ("clusters", "sacctmgr/json-show-cluster"),
    ("tres", "sacctmgr/json-show-tres"),
    ("wckeys", "sacctmgr/json-show-wckey"),
    ("slurmdb_pings", "sacctmgr/ping-json"),
    ("slurmdb_diag", "sacctmgr/json-show-stats"),
]


@needs_reference
@pytest.mark.parametrize(("kind", "name"), PRINTED, ids=lambda value: str(value).replace("/", "-"))
def test_what_the_newer_commands_print_comes_back(kind: str, name: str) -> None:
    golden = document(name, "26.05")
    assert golden["meta"]["plugin"]["data_parser"] == "data_parser/v0.0.45"
    plugin = registry.get("v0.0.45")
    field = plugin.envelopes[kind].fields[0]
    record = plugin.parse(field.type.name, golden[field.path])
    assert json_text.write(plugin.dump(field.type.name, record)) == json_text.write(golden[field.path])


def test_versions_do_not_disturb_each_other() -> None:
    node = NodeInfo(name="n1", gpu_spec="x")
    before = registry.get("v0.0.42").dump("node", node)
    assert "gpu_spec" not in registry.get("v0.0.40").dump("node", node)
    assert registry.get("v0.0.42").dump("node", node) == before
    assert registry.get("data_parser/v0.0.41").dump("node", node) == before
    assert registry.get() is registry.get("v0.0.42")


def test_an_unknown_version() -> None:
    with pytest.raises(SlurmError, match=r"data_parser/v9\.9\.9"):
        registry.get("v9.9.9")
