"""v0.0.37 and v0.0.38 answer as Slurm 22.05: statuses, the shape of bodies, errors."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.data_parser.reference import SHARED, needs_reference

from .conftest import Rest, golden_request
from .test_golden_shapes import WITHOUT, _differences, _path, _shape, names

pytestmark = [needs_reference, pytest.mark.xdist_group("rest")]
__all__ = ["names"]

GOLDEN = SHARED / "golden" / "slurm-22.05"
VERSIONS = ("v0.0.37", "v0.0.38")


def _captures(group: str) -> list[dict[str, Any]]:
    if not GOLDEN.is_dir():
        return []
    with (GOLDEN / f"{group}.jsonl").open() as lines:
        found = [json.loads(line) for line in lines]
    return [record for record in found if any(version in record["name"] for version in VERSIONS)]


def _gets() -> list[dict[str, Any]]:
    """Without those of things that this cluster has none of; the reads of a single association are refused there."""
    return [record for record in _captures("rest-get") if not _path(record).endswith(WITHOUT[1:])]


@pytest.mark.parametrize("record", _gets(), ids=lambda record: record["name"].partition("/")[2])
def test_shapes_are_equal(rest: Rest, names: dict[str, str], record: dict[str, Any]) -> None:
    path = (
        _path(record).replace("/cluster/ref", f"/cluster/{names['cluster']}").replace("/job/40", f"/job/{names['job']}")
    )
    answer = rest("GET", path)
    if path.endswith(("wckeys", "reservations")) and answer.status == 500:
        assert "Nothing found" in answer.body.decode()
        return
    assert answer.status == int(record["rc"]), answer.body
    golden = json.loads(record["out"])
    ours = answer.document
    assert list(ours) == list(golden)
    if path.endswith("/jobs"):  # other tests' jobs may be over, and hold nothing; the real one's first job was running
        ours["jobs"] = [job for job in ours["jobs"] if str(job["job_id"]) == names["job"]]
    found = _differences(_shape(ours), _shape(golden))
    assert [one for one in found if not one.endswith("/exit_code: ['signal']")] == []  # only where there was one
    assert ours["meta"] == golden["meta"]


#: these hang on what else is in the real one's scenario
SCENARIO = (
    "submit-bad-account", "submit-bad-qos", "altered-token", "wrong-user-token", "get/openapi",
    "submit-toomany",  # more nodes than there are: slurmctld refuses them as 24.11 does, 22.05 lets the job wait
)  # fmt: skip


def _mask(entry: Any) -> str:
    return re.sub(r"\]:\d+", "]:1", re.sub(r"(job_id\": )\d+", r"\1 1", json.dumps(entry)))


@pytest.mark.parametrize(
    "record",
    [one for one in _captures("rest-bad") if not one["name"].endswith(SCENARIO)],
    ids=lambda record: record["name"].partition("/")[2],
)
def test_bad_requests_are_answered_equally(rest: Rest, record: dict[str, Any]) -> None:
    method, path, headers, body = golden_request(rest, record["cmd"])
    answer = rest(method, path, body, headers=headers)
    lines = [f"{answer.status} {answer.reason}", *(f"{name}: {value}" for name, value in answer.headers)]
    length = re.compile(r"Content-Length: \d+")
    assert length.sub("", "\n".join(lines) + "\n") == length.sub("", record["err"])
    try:
        golden = json.loads(record["out"])
    except ValueError:
        if not record["out"].startswith("%YAML"):
            assert answer.body.decode() == record["out"]
        return
    ours = answer.document
    assert list(ours) == list(golden)
    assert _mask(ours["errors"]) == _mask(golden["errors"])
    if "job_id" in ours:
        assert rest("DELETE", f"/slurm/v0.0.38/job/{ours['job_id']}").status == 200


#: these ask for what the real one's scenario has and this cluster has not
ABSENT = (
    "-job-done", "-job-array", "-job-array-task", "-job-het", "-dbjob", "-dbjob-array", "-dbjob-het",
    "-dbjobs-account", "-dbjobs-step", "-node-n4", "-partition-small", "-assoc", "-assocs-user", "-qos-one",
)  # fmt: skip
KEPT = ("-accounts-assoc", "-users-assoc")


@pytest.mark.parametrize(
    "record",
    [one for one in _captures("rest-query") if one["name"].endswith(KEPT) or not one["name"].endswith(ABSENT)],
    ids=lambda record: record["name"].partition("/")[2],
)
def test_queries_are_answered_equally(rest: Rest, record: dict[str, Any]) -> None:
    path = re.sub(r"update_time=\d+", "update_time=4000000000", _path(record))  # nothing will have changed since
    answer = rest("GET", path)
    assert answer.status == int(record["rc"]), answer.body
    if not record["out"]:
        assert answer.body == b""
        return
    golden = json.loads(record["out"])
    assert list(answer.document) == list(golden)
    assert answer.document["errors"] == golden["errors"]


def _submit(rest: Rest, version: str, **job: Any) -> int:
    job = {"current_working_directory": "/tmp", "environment": {"PATH": "/usr/bin:/bin"}, **job}
    answer = rest("POST", f"/slurm/{version}/job/submit", {"script": "#!/bin/sh\nsleep 60\n", "job": job})
    assert answer.status == 200, answer.body
    found: int = answer.document["job_id"]
    assert list(answer.document) == ["meta", "errors", "job_id", "step_id", "job_submit_user_msg"]
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_a_job_is_submitted_changed_and_cancelled(rest: Rest, version: str) -> None:
    path = f"/slurm/{version}/job"
    number = _submit(
        rest, version, name="flat", hold=True, time_limit="1:30:00", tasks="2", nodes=[1, 2], comment="a, b",
        mail_type="BEGIN,END", exclusive="true", signal="B:USR1@90", nice=7, memory_per_node="1G",
    )  # fmt: skip
    (job,) = rest("GET", f"{path}/{number}").document["jobs"]
    told = ("name", "job_state", "time_limit", "tasks", "node_count", "comment", "shared", "nice", "memory_per_node")
    assert [job[name] for name in told] == ["flat", "PENDING", 90, 2, 1, "a, b", "none", 7, 1024]
    assert rest("POST", f"{path}/{number}", {"comment": "changed", "time_limit": 5}).status == 200
    refused = rest("POST", f"{path}/{number}", {"partition": "nosuch"})
    assert refused.status == 500
    assert refused.document["errors"][0]["error_number"] == 2000
    unknown = rest("POST", f"{path}/{number}", {"comment": "no", "nosuch": 1})
    assert unknown.status == 200
    assert unknown.document["errors"][0] == {"description": 'Unknown key "nosuch"', "source": "hsearch_r"}
    (job,) = rest("GET", f"{path}/{number}").document["jobs"]
    assert (job["comment"], job["time_limit"]) == ("changed", 5)
    assert rest("DELETE", f"{path}/{number}?signal=NOSUCH").status == 400
    assert rest("DELETE", f"{path}/{number}").document["errors"] == []
    assert rest("DELETE", f"{path}/{number}").document["errors"] == []
    assert rest("GET", f"{path}/{number}").document["jobs"][0]["job_state"] == "CANCELLED"
    missing = rest("DELETE", f"{path}/99999")
    assert (missing.status, missing.document["errors"][0]["error_number"]) == (500, 2017)


def test_a_heterogeneous_job(rest: Rest) -> None:
    part = {"current_working_directory": "/tmp", "environment": {"PATH": "/usr/bin:/bin"}, "hold": True}
    body = {"script": "#!/bin/sh\ntrue\n", "jobs": [part, {**part, "tasks": 2}]}
    answer = rest("POST", "/slurm/v0.0.38/job/submit", body)
    assert answer.status == 200, answer.body
    number = answer.document["job_id"]
    jobs = rest("GET", f"/slurm/v0.0.38/job/{number}").document["jobs"]
    assert [(job["het_job_id"], job["het_job_offset"]) for job in jobs] == [(number, 0), (number, 1)]
    assert rest("DELETE", f"/slurm/v0.0.38/job/{number}").status == 200
    bad = rest("POST", "/slurm/v0.0.38/job/submit", {**body, "jobs": [part, {**part, "tasks": "many"}]})
    assert bad.status == 400
    assert bad.document["errors"][-2]["description"] == "unexpected failure parsing het job: 1"


def _error(answer: Any) -> tuple[int, int | None, str]:
    """(status, number of the last error, its description or text)"""
    last = answer.document["errors"][-1]
    return answer.status, last.get("error_number"), last.get("description", last.get("error"))


@pytest.mark.parametrize("version", VERSIONS)
def test_accounts_users_and_associations(rest: Rest, names: dict[str, str], version: str) -> None:
    db, cluster = f"/slurmdb/{version}", names["cluster"]

    def post(what: str, *entries: Any) -> Any:
        return rest("POST", f"{db}/{what}", {what: list(entries)})

    assert post("accounts", {"name": "flatacct", "description": "d", "organization": "o"}).document["errors"] == []
    assert post("associations", {"account": "flatacct", "user": None, "cluster": cluster}).status == 200
    assert post("users", {"name": "flatuser", "administrator_level": "Operator"}).status == 200
    limits = {"jobs": {"active": 5, "per": {"wall_clock": 60}}, "tres": {"per": {"job": [{"type": "cpu", "count": 4}]}}}
    assoc = {"account": "flatacct", "user": "flatuser", "cluster": cluster, "is_default": 1}
    assert post("associations", {**assoc, "max": limits, "shares_raw": 7}).document["errors"] == []
    (found,) = rest("GET", f"{db}/association?user=flatuser").document["associations"]
    assert (found["max"]["jobs"]["active"], found["max"]["jobs"]["per"]["wall_clock"], found["shares_raw"]) == (
        5,
        60,
        7,
    )
    assert found["max"]["tres"]["per"]["job"] == [{"type": "cpu", "name": None, "id": 1, "count": 4}]
    assert (found["flags"], found["is_default"]) == (["DEFAULT"], 1)
    post("associations", {**assoc, "shares_raw": 9})  # one that is there is changed
    assert rest("GET", f"{db}/association?user=flatuser").document["associations"][0]["shares_raw"] == 9
    (user,) = rest("GET", f"{db}/user/flatuser").document["users"]
    assert (user["administrator_level"], user["default"]["account"]) == ("Operator", "flatacct")
    gone = rest("DELETE", f"{db}/association?user=flatuser&account=flatacct&cluster={cluster}")
    assert gone.document["removed_associations"] == [f"C = {cluster:<10} A = flatacct   U = flatuser "]
    assert rest("DELETE", f"{db}/user/flatuser").document["removed_users"] == ["flatuser"]
    assert rest("DELETE", f"{db}/user/flatuser").status == 304
    assert rest("DELETE", f"{db}/account/flatacct").document["removed_associations"] == ["flatacct"]
    again = rest("DELETE", f"{db}/account/flatacct")
    assert _error(again) == (200, 1900, "Data has not changed since time specified")
    missing = (500, 9003, "Nothing found")
    assert [_error(rest("GET", f"{db}/{one}/nosuch")) for one in ("account", "user", "cluster")] == [missing] * 3


def test_what_cannot_be_read_changes_nothing(rest: Rest) -> None:
    db = "/slurmdb/v0.0.38"
    lacking = "Query parameter not found"
    assert _error(rest("POST", f"{db}/accounts", {})) == (200, 9200, lacking)
    assert _error(rest("POST", f"{db}/users", {})) == (400, 9200, lacking)
    assert _error(rest("POST", f"{db}/qos", {"qos": [{"name": "x"}]})) == (400, 9200, lacking)
    assert _error(rest("POST", f"{db}/users", {"users": 5})) == (400, 9200, "Query parameter must be a list")
    assert _error(rest("POST", f"{db}/users", {"users": [5]}))[:2] == (400, 2036)
    level = {"users": [{"name": "u9"}, {"name": "u8", "administrator_level": "Boss"}]}
    assert _error(rest("POST", f"{db}/users", level)) == (400, 9001, "Failed to parse field 'administrator_level'")
    assert _error(rest("GET", f"{db}/user/u9"))[:2] == (500, 9003)
    flags = rest("POST", f"{db}/qos", {"QOS": [{"name": "q9", "flags": ["NOSUCH"]}]})
    assert _error(flags) == (400, 9001, "Failed to parse field 'flags'")
    number = rest("POST", f"{db}/qos", {"QOS": [{"name": "q9", "priority": "abc"}]})
    assert _error(number) == (400, 9202, "Failed to parse field 'priority'")
    assert _error(rest("POST", f"{db}/qos", {"QOS": [{}]})) == (400, 9000, "Cannot create a QOS without a name")
    assert rest("GET", f"{db}/qos/q9").document["QOS"] == []
    assert _error(rest("POST", f"{db}/wckeys", {"wckeys": [{"name": "w", "user": "u", "cluster": "c"}]}))[:2] == (
        500,
        -1,
    )
    assert _error(rest("POST", f"{db}/tres", {}))[:2] == (500, 2036)
    assert _error(rest("POST", f"{db}/config", {})) == (400, 9000, "refusing to commit after error")
    assert _error(rest("DELETE", f"{db}/associations"))[:2] == (500, 9000)
    assert _error(rest("DELETE", f"{db}/qos/nosuch")) == (500, 9003, "Nothing found")


def test_qos_and_wckeys(rest: Rest, names: dict[str, str]) -> None:
    db, cluster = "/slurmdb/v0.0.38", names["cluster"]
    wanted = {
        "name": "flatqos", "description": "dd", "priority": 5, "flags": ["DENY_LIMIT"],
        "preempt": {"mode": ["CANCEL"], "list": ["normal"]}, "limits": {"max": {"wall_clock": {"per": {"job": 60}}}},
    }  # fmt: skip
    assert rest("POST", f"{db}/qos", {"QOS": [wanted]}).document["errors"] == []
    assert rest("POST", f"{db}/qos", {"QOS": [{"name": "flatqos", "priority": 7}]}).document["errors"] == []
    (qos,) = rest("GET", f"{db}/qos/flatqos").document["QOS"]
    assert (qos["priority"], qos["flags"], qos["limits"]["max"]["wall_clock"]["per"]["job"]) == (7, ["DENY_LIMIT"], 60)
    assert (qos["preempt"]["mode"], qos["preempt"]["list"]) == (["CANCEL"], ["normal"])
    assert rest("DELETE", f"{db}/qos/flatqos").document["removed_qos"] == ["flatqos"]
    entry = {"id": 0, "name": "flatkey", "user": "root", "cluster": cluster}
    assert rest("POST", f"{db}/wckeys", {"wckeys": [entry]}).document["errors"] == []
    (key,) = rest("GET", f"{db}/wckey/flatkey").document["wckeys"]
    assert (key["user"], key["cluster"]) == ("root", cluster)
    assert rest("DELETE", f"{db}/wckey/flatkey").document["deleted_wckeys"]
    assert _error(rest("DELETE", f"{db}/wckey/flatkey")) == (500, 9003, "Nothing found")


#: command with its arguments: path of the same document
COMMANDS = {
    ("squeue", "--states=all"): "slurm/{}/jobs",
    ("sinfo",): "slurm/{}/nodes",
    ("scontrol", "show", "partition"): "slurm/{}/partitions",
    ("scontrol", "show", "reservation"): "slurm/{}/reservations",
    ("sacctmgr", "show", "qos"): "slurmdb/{}/qos",
    ("sacctmgr", "show", "tres"): "slurmdb/{}/tres",
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: "-".join(command))
def test_commands_print_the_same_documents(rest: Rest, version: str, command: tuple[str, ...]) -> None:
    path = COMMANDS[command].format(version)
    printed = json.loads(rest.site.ok(command[0], f"--json={version}", *command[1:]))
    served = rest("GET", f"/{path}").document
    assert list(printed) == list(served)
    assert printed["meta"] == served["meta"]
    assert _differences(_shape(printed), _shape(served)) == []


def test_what_the_oldest_have_no_document_of(rest: Rest) -> None:
    for command in ("sshare", "sacctmgr ping"):
        program, *words = command.split()
        run = rest.site.run(program, "--json=v0.0.38", *words)
        assert (run.returncode, run.stdout) == (1, "")
        assert run.stderr == f"{program}: error: v0.0.38 has no document of this\n"
