"""What only versions from v0.0.43 on can ask for."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import pytest
import yaml

from slurmpy.data_parser import registry

from .conftest import Rest, finish

pytestmark = pytest.mark.xdist_group("rest")

NEWER = [version for version in registry.VERSIONS if version >= "v0.0.43"]
NEWEST = [version for version in NEWER if version >= "v0.0.44"]


def _job(rest: Rest, version: str, script: str, **more: Any) -> int:
    job = {"current_working_directory": "/tmp", "environment": ["PATH=/usr/bin:/bin"], "tasks": 1, **more}
    answer = rest("POST", f"/slurm/{version}/job/submit", {"script": f"#!/bin/sh\n{script}\n", "job": job})
    assert answer.status == 200, answer.body
    return int(answer.document["job_id"])


@pytest.mark.parametrize("version", NEWER)
def test_a_reservation_from_making_to_deleting(rest: Rest, version: str) -> None:
    base = f"/slurm/{version}"
    start = int(time.time()) + 86400
    wishes = {
        "name": "rest_resv",
        "users": ["root"],
        "node_count": {"set": True, "number": 1},
        "start_time": {"set": True, "number": start},
        "duration": {"set": True, "number": 30},
        "flags": ["MAINT"],
        "comment": "by REST",
    }
    answer = rest("POST", f"{base}/reservation", wishes)
    assert (answer.status, answer.document["errors"]) == (200, []), answer.body
    assert [one["name"] for one in answer.document["reservations"]] == ["rest_resv"]
    try:
        (made,) = rest("GET", f"{base}/reservation/rest_resv").document["reservations"]
        assert (made["users"], made["node_count"], made["start_time"]["number"]) == ("root", 1, start)
        assert made["end_time"]["number"] == start + 1800
        assert "MAINT" in made["flags"]
        # the same name again is a change; the second of the list is refused, and the first stays changed
        other = {"name": "rest_other", "users": ["nosuchuser"]}
        body = {"reservations": [{"name": "rest_resv", "duration": 60}, other]}
        answer = rest("POST", f"{base}/reservations", body)
        assert answer.status == 422, answer.body
        assert [one["name"] for one in answer.document["reservations"]] == ["rest_resv"]
        assert answer.errors[0][1] == "slurm_create_reservation()"
        (made,) = rest("GET", f"{base}/reservation/rest_resv").document["reservations"]
        assert made["end_time"]["number"] == start + 3600
        assert rest("POST", f"{base}/reservations", {}).status == 422
        assert rest("DELETE", f"{base}/reservation/rest_resv", user="nobody").status == 422
    finally:
        answer = rest("DELETE", f"{base}/reservation/rest_resv")
    assert (answer.status, answer.document["errors"]) == (200, [])
    again = rest("DELETE", f"{base}/reservation/rest_resv")
    assert (again.status, again.errors) == (422, [(2053, "slurm_delete_reservation()")])


@pytest.mark.parametrize("version", NEWER)
def test_the_older_versions_have_none_of_it(rest: Rest, version: str) -> None:
    assert rest("POST", "/slurm/v0.0.42/reservation", {}).status == 404
    assert rest("DELETE", "/slurm/v0.0.42/reservation/x").status == 404
    assert rest("POST", "/util/v0.0.43/hostlist", {}).status == 404
    assert rest("GET", f"/slurm/{version}/reservation/nosuch").errors == [(9000, "_get_single_reservation")]


@pytest.mark.parametrize("version", NEWER)
def test_errors_have_their_status(rest: Rest, version: str) -> None:
    number = _job(rest, version, "true", hold=True)
    bad = rest("POST", f"/slurm/{version}/job/{number}", {"partition": "nosuch"})
    assert (bad.status, bad.errors) == (422, [(2000, "slurm_update_job2()")])
    assert rest("DELETE", f"/slurm/{version}/job/{number}").status == 200


@pytest.mark.parametrize("version", NEWER)
def test_streams_are_told_as_asked_for_and_as_they_became(rest: Rest, version: str) -> None:
    number = _job(rest, version, "true", hold=True, standard_output="o_%j.txt", standard_error="/tmp/e_%x", name="n")
    (job,) = rest("GET", f"/slurm/{version}/job/{number}").document["jobs"]
    assert (job["standard_output"], job["stdout_expanded"]) == ("o_%j.txt", f"/tmp/o_{number}.txt")
    assert (job["standard_error"], job["stderr_expanded"]) == ("/tmp/e_%x", "/tmp/e_n")
    assert (job["standard_input"], job["stdin_expanded"]) == ("/dev/null", "/dev/null")
    rest("DELETE", f"/slurm/{version}/job/{number}")


@pytest.mark.parametrize("version", NEWEST)
def test_what_a_job_holds(rest: Rest, version: str) -> None:
    number = _job(rest, version, "sleep 60")
    finish(rest, number, frozenset({"RUNNING"}))
    answer = rest("GET", f"/slurm/{version}/resources/{number}")
    assert answer.status == 200, answer.body
    (node,) = answer.document["nodes"]
    (job,) = rest("GET", f"/slurm/{version}/job/{number}").document["jobs"]
    assert node["node"] == job["nodes"]
    assert node["core_bitmap"]
    assert (node["channel"]["set"], node["gres"]) == (False, [])
    assert job["step_id"]["job_id"]["number"] == number
    rest("DELETE", f"/slurm/{version}/job/{number}")
    finish(rest, number)
    over = rest("GET", f"/slurm/{version}/resources/{number}")
    assert (over.status, over.errors, over.document["nodes"]) == (422, [(2085, "_handle_get")], [])
    assert rest("GET", f"/slurm/{version}/resources/99999999").status == 404
    assert rest("GET", f"/slurm/{version}/resources/x").errors == [(9000, "op_handler_resources")]


@pytest.mark.parametrize("version", NEWEST)
def test_jobs_of_the_past_are_changed(rest: Rest, version: str) -> None:
    number = _job(rest, version, "true")
    finish(rest, number)
    base = f"/slurmdb/{version}"
    for _ in range(100):
        answer = rest("POST", f"{base}/job/{number}", {"comment": {"job": "seen"}, "extra": "x"})
        if answer.document["results"]:
            break
        time.sleep(0.1)
    assert (answer.status, answer.document["results"]) == (200, [str(number)])
    body = {"job_id_list": [str(number)], "job_rec": {"derived_exit_code": {"return_code": {"set": True, "number": 4}}}}
    answer = rest("POST", f"{base}/jobs", body)
    assert (answer.status, answer.document["results"]) == (200, [str(number)]), answer.body
    (job,) = rest("GET", f"{base}/job/{number}").document["jobs"]
    assert (job["comment"]["job"], job["extra"]) == ("seen", "x")
    assert job["derived_exit_code"]["return_code"]["number"] == 4
    for wrong in (
        {"job_rec": {"extra": "y"}},
        {"job_id_list": ["x"], "job_rec": {"extra": "y"}},
        {"job_id_list": ["1"]},
    ):
        assert rest("POST", f"{base}/jobs", wrong).status == 422
    refused = rest("POST", f"{base}/job/{number}", {"tres": {"allocated": [{"type": "cpu", "count": 3}]}})
    assert (refused.status, refused.errors) == (500, [(9200, "#/tres/allocated/")])
    denied = rest("POST", f"{base}/job/{number}", {"comment": {"system": "z"}}, user="nobody")
    assert (denied.status, denied.errors[0][0]) == (422, 2002)


@pytest.mark.parametrize("version", NEWEST)
def test_a_new_node(rest: Rest, version: str) -> None:
    base = f"/slurm/{version}"
    answer = rest("POST", f"{base}/new/node", {"node_conf": "NodeName=fresh1 CPUs=2 RealMemory=100 State=CLOUD"})
    assert (answer.status, answer.document["errors"]) == (200, []), answer.body
    (node,) = rest("GET", f"{base}/node/fresh1").document["nodes"]
    assert (node["cpus"], "DYNAMIC_NORM" in node["state"]) == (2, True)
    again = rest("POST", f"{base}/new/node", {"node_conf": "NodeName=fresh1 CPUs=2 State=CLOUD"})
    assert (again.status, again.errors[0][1]) == (422, "slurm_create_node()")
    assert rest("POST", f"{base}/new/node", {}).status == 422
    assert rest("POST", f"{base}/new/node", {"node_conf": "NodeName=fresh2 State=CLOUD"}, user="nobody").status == 422
    assert rest("DELETE", f"{base}/node/fresh1").status == 200


@pytest.mark.parametrize("version", NEWEST)
def test_host_lists(rest: Rest, version: str) -> None:
    answer = rest("POST", f"/util/{version}/hostnames", {"hostlist": "n[1-3],x7"})
    assert (answer.status, answer.document["hostnames"]) == (200, ["n1", "n2", "n3", "x7"])
    assert answer.document["meta"]["plugin"]["type"] == "openapi/util"
    answer = rest("POST", f"/util/{version}/hostlist", {"hostnames": ["n1", "n2", "n3", "x7"]})
    assert (answer.status, answer.document["hostlist"]) == (200, "n[1-3],x7")
    for path, body in (("hostnames", {}), ("hostnames", {"hostlist": "n[1-"}), ("hostlist", {})):
        assert rest("POST", f"/util/{version}/{path}", body).status == 422


NEWEST_ONLY = "v0.0.45"


def test_a_partition_from_making_to_deleting(rest: Rest) -> None:
    base = f"/slurm/{NEWEST_ONLY}"
    nodes = rest("GET", f"{base}/nodes").document["nodes"]
    wishes = {
        "name": "rest_part",
        "nodes": {"configured": nodes[0]["name"]},
        "maximums": {"time": {"set": True, "number": 90}},
        "partition": {"exclusive": "NODE"},
        "flags": ["HIDDEN"],
        "preempt_mode": ["CANCEL"],
        "qos": {"deny": "nosuch"},
    }
    answer = rest("POST", f"{base}/partitions", {"partitions": [wishes]})
    assert (answer.status, answer.document["errors"]) == (200, []), answer.body
    try:
        (made,) = rest("GET", f"{base}/partition/rest_part").document["partitions"]
        assert (made["nodes"]["configured"], made["maximums"]["time"]["number"]) == (nodes[0]["name"], 90)
        assert (made["partition"]["exclusive"], made["partition"]["oversubscribe"]) == ("NODE", "NO")
        assert (made["flags"], made["preempt_mode"], made["minimums"]["nodes"]) == (["HIDDEN"], ["CANCEL"], 1)
        # what is said changes, also to what a new one would have; the rest stays
        change = {
            "name": "rest_part",
            "flags": ["HIDDEN_CLEAR"],
            "partition": {"exclusive": "USER", "oversubscribe": "FORCE:3", "state": ["DOWN"]},
        }
        assert rest("POST", f"{base}/partitions", {"partitions": [change]}).status == 200
        (made,) = rest("GET", f"{base}/partition/rest_part").document["partitions"]
        assert made["partition"] == {"exclusive": "USER", "oversubscribe": "FORCE:3", "state": ["DOWN"]}
        assert (made["flags"], made["maximums"]["time"]["number"]) == ([], 90)
        # what was served can be sent back
        made["partition"]["state"] = ["UP"]
        answer = rest("POST", f"{base}/partitions", {"partitions": [made]})
        assert (answer.status, answer.document["errors"]) == (200, []), answer.body
        (again,) = rest("GET", f"{base}/partition/rest_part").document["partitions"]
        assert again == made
        for wrong in (
            {},
            {"partitions": [{"name": ""}]},
            {"partitions": [{"name": "rest_part", "nodes": {"configured": "nosuch1"}}]},
            {"partitions": [{"name": "rest_part", "partition": {"exclusive": "MAYBE"}}]},
            {"partitions": [{"name": "rest_part", "partition": {"oversubscribe": "FORCE:x"}}]},
        ):
            assert rest("POST", f"{base}/partitions", wrong).status in (422, 500), wrong
        assert rest("POST", f"{base}/partitions", {"partitions": [change]}, user="nobody").status == 422
        assert rest("GET", f"{base}/partition/rest_part").document["partitions"] == [made]
    finally:
        answer = rest("DELETE", f"{base}/partition/rest_part")
    assert (answer.status, answer.document["errors"]) == (200, [])
    again = rest("DELETE", f"{base}/partition/rest_part")
    assert (again.status, again.errors) == (422, [(2000, "slurm_delete_partition()")])


def test_jobs_start_again(rest: Rest) -> None:
    base = f"/slurm/{NEWEST_ONLY}"
    number = _job(rest, NEWEST_ONLY, "sleep 60", requeue=True)
    finish(rest, number, frozenset({"RUNNING"}))
    answer = rest("GET", f"{base}/job/{number}/requeue?Hold=true")
    assert (answer.status, answer.document["errors"], answer.document["status"]) == (200, [], []), answer.body
    for _ in range(200):  # its first life is to end
        (job,) = rest("GET", f"{base}/job/{number}").document["jobs"]
        if job["hold"]:
            break
        time.sleep(0.1)
    assert (job["hold"], job["restart_cnt"], job["job_state"]) == (True, 1, ["PENDING"])
    rest("DELETE", f"{base}/job/{number}")
    finish(rest, number)
    other = _job(rest, NEWEST_ONLY, "true")
    finish(rest, other)
    answer = rest("POST", f"{base}/jobs/requeue", {"jobs": [str(other), "99999999"], "flags": ["SpecialExit"]})
    assert answer.status == 404, answer.body
    assert [[one["job_id"] for one in of_job] for of_job in answer.document["status"]] == [[], [99999999]]
    assert "SPECIAL_EXIT" in finish(rest, other, frozenset({"SPECIAL_EXIT"}))["job_state"]
    rest("DELETE", f"{base}/job/{other}")
    for wrong in ({}, {"jobs": ["x"]}, {"jobs": []}):
        assert rest("POST", f"{base}/jobs/requeue", wrong).status == 422
    assert rest("GET", f"{base}/job/{number}/requeue", user="nobody").status == 422
    assert rest("GET", f"{base}/job/x/requeue").errors == [(9000, "op_handler_job_requeue")]


def test_configurations(rest: Rest) -> None:
    answer = rest("GET", f"/slurm/{NEWEST_ONLY}/conf")
    conf, meta = answer.document["slurm_conf"], answer.document["slurm_conf_meta"]
    assert conf["ClusterName"] == answer.document["meta"]["slurm"]["cluster"]
    assert conf["controllers"]
    assert meta["BOOT_TIME"] > 1_700_000_000
    assert rest("GET", f"/slurm/{NEWEST_ONLY}/conf?update_time={meta['LastUpdate']}").status == 304
    assert rest("GET", f"/slurm/{NEWEST_ONLY}/conf?update_time=1").status == 200
    answer = rest("GET", f"/slurmdb/{NEWEST_ONLY}/conf")
    assert answer.document["slurmdbd_conf"]["DbdPort"] > 0
    assert b"jwt.key" not in answer.body


def test_filters_of_jobs_of_the_past(rest: Rest) -> None:
    limited = {"time_limit": {"set": True, "number": 17}, "name": "filtered"}
    number = _job(rest, NEWEST_ONLY, "true", **limited)
    finish(rest, number)
    path = "jobs?job_name=filtered&start_time=2020-01-01"
    for _ in range(100):
        if rest("GET", f"/slurmdb/v0.0.40/{path}&state=COMPLETED&end_time=now").document["jobs"]:
            break
        time.sleep(0.1)

    def found(version: str, more: str) -> list[int]:
        answer = rest("GET", f"/slurmdb/{version}/{path}&{more}")
        assert answer.status == 200, answer.body
        return [job["job_id"] for job in answer.document["jobs"]]

    assert found("v0.0.40", "timelimit_min=17&timelimit_max=17") == [number]
    assert found("v0.0.40", "timelimit_min=18") == []
    assert found("v0.0.40", "cpus_min=1&nodes_max=1") == [number]
    assert found("v0.0.40", "nodes_min=2") == []
    starts = [found(version, f"{word}=true") for version in ("v0.0.42", NEWEST_ONLY) for word in STARTS]
    assert sorted(starts) == [[]] * 4 + [[number]] * 2  # one of the three, in each version
    assert found("v0.0.40", "submit_time=2020-01-01") == [number]
    assert found("v0.0.40", "submit_time=2090-01-01") == []
    refused = rest("GET", f"/slurmdb/{NEWEST_ONLY}/{path}&job_altered=true")
    assert refused.errors == [(9000, "op_handler_jobs")]
    assert "is not supported" in refused.document["errors"][0]["description"]


STARTS = ("scheduled_on_submit", "scheduled_by_main", "scheduled_by_backfill")


@pytest.mark.parametrize("version", [version for version in registry.VERSIONS if version >= "v0.0.40"])
def test_the_configuration_goes_back_in(rest: Rest, version: str) -> None:
    """What slurmdbd holds can be loaded as it was dumped, and is then what it was."""
    base = f"/slurmdb/{version}"
    body = {
        "qos": [{"name": "conf_qos", "description": "q", "priority": {"set": True, "number": 7}}],
        "accounts": [{"name": "conf_acct", "description": "d", "organization": "o"}],
    }
    assert rest("POST", f"{base}/config", body).status == 200
    cluster = rest("GET", f"{base}/clusters").document["clusters"][0]["name"]
    association = {"account": "conf_acct", "cluster": cluster, "user": "", "parent_account": "root"}
    limits = {"jobs": {"per": {"count": {"set": True, "number": 3}}}}
    body = {"associations": [association | {"max": limits, "default": {"qos": "conf_qos"}, "qos": ["conf_qos"]}]}
    answer = rest("POST", f"{base}/config", body)
    assert answer.status == 200, answer.body
    try:
        kept = ("clusters", "tres", "accounts", "users", "qos", "wckeys", "associations")
        before = rest("GET", f"{base}/config").document
        answer = rest("POST", f"{base}/config", {name: before[name] for name in kept})
        assert (answer.status, answer.document["errors"]) == (200, []), answer.body
        after = rest("GET", f"{base}/config").document
        for name in kept:
            assert after[name] == before[name], name
        (mine,) = [one for one in after["associations"] if one["account"] == "conf_acct" and not one["user"]]
        assert mine["max"]["jobs"]["per"]["count"]["number"] == 3
        assert mine["default"]["qos"] == "conf_qos"
        # what is there already is changed by what a body says of it
        body = {"accounts": [{"name": "conf_acct", "description": "other", "organization": "o"}]}
        assert rest("POST", f"{base}/accounts", body).status == 200
        (account,) = rest("GET", f"{base}/account/conf_acct").document["accounts"]
        assert (account["description"], account["organization"]) == ("other", "o")
        limits = {"jobs": {"active": {"set": True, "number": 4}}}
        body = {"associations": [association | {"max": limits}]}
        assert rest("POST", f"{base}/associations", body).status == 200
        found = rest("GET", f"{base}/associations?account=conf_acct").document["associations"]
        jobs = [one["max"]["jobs"] for one in found if not one["user"]]
        assert [(one["active"]["number"], one["per"]["count"]["number"]) for one in jobs] == [(4, 3)]
        body = {"qos": [{"name": "conf_qos", "priority": {"set": True, "number": 8}, "flags": ["NO_DECAY"]}]}
        assert rest("POST", f"{base}/qos", body).status == 200
        (qos,) = rest("GET", f"{base}/qos/conf_qos").document["qos"]
        assert (qos["priority"]["number"], qos["flags"], qos["description"]) == (8, ["NO_DECAY"], "q")
        refused = rest("POST", f"{base}/qos", {"qos": [{"name": "conf_qos", "flags": ["NOT_SET"]}]})
        assert (refused.status, refused.errors) == (422, [(9000, "_foreach_update_qos")])
        assert rest("POST", f"{base}/accounts", {"accounts": [account]}, user="nobody").status == 200  # nothing to do
        account["description"] = "third"
        assert rest("POST", f"{base}/accounts", {"accounts": [account]}, user="nobody").errors[0][0] == 2002
    finally:
        assert rest("DELETE", f"{base}/account/conf_acct").status == 200
        assert rest("DELETE", f"{base}/qos/conf_qos").status == 200


COMMANDS: tuple[tuple[str, ...], ...] = (
    ("squeue",),
    ("squeue", "-s"),
    ("sinfo",),
    ("sdiag",),
    ("sshare",),
    ("sacct",),
    ("scontrol", "show", "node"),
    ("scontrol", "show", "partition"),
    ("scontrol", "ping"),
    ("sacctmgr", "show", "qos"),
    ("sacctmgr", "show", "user"),
    ("sacctmgr", "show", "assoc"),
    ("sacctmgr", "show", "cluster"),
)


@pytest.mark.parametrize("version", NEWER)
def test_the_commands_print_it(rest: Rest, version: str) -> None:
    """The same plugins, asked for by name."""
    for command in COMMANDS:
        program, *words = command
        code = f"import sys; from slurmpy.cli.{program} import main; sys.exit(main())"
        for encoding in ("json", "yaml"):
            argv = [sys.executable, "-c", code, f"--{encoding}={version}", *words]
            run = subprocess.run(argv, env=rest.site.environment, capture_output=True, text=True, timeout=60)
            assert run.returncode == 0, (command, run.stderr)
            document = json.loads(run.stdout) if encoding == "json" else yaml.load(run.stdout, yaml.CSafeLoader)
            assert document["meta"]["plugin"]["data_parser"] == f"data_parser/{version}", command
            assert document["errors"] == []


@pytest.mark.parametrize("version", NEWEST)
def test_states_that_nothing_here_has(rest: Rest, version: str) -> None:
    """No job expedites, so none is cancelled; a node cannot be made what it cannot be."""
    base = f"/slurm/{version}"
    number = _job(rest, version, "true", hold=True)
    answer = rest("DELETE", f"{base}/jobs", {"job_state": ["EXPEDITING"]})
    assert (answer.status, answer.document["status"]) == (200, []), answer.body
    (job,) = rest("GET", f"{base}/job/{number}").document["jobs"]
    assert job["job_state"] == ["PENDING"]
    rest("DELETE", f"{base}/job/{number}")
    (node, *_) = rest("GET", f"{base}/nodes").document["nodes"]
    for state in ("BLOCKED", "EXTERNAL"):
        refused = rest("POST", f"{base}/node/{node['name']}", {"state": [state]})
        assert (refused.status, refused.errors[0][1]) == (422, "slurm_update_node()"), refused.body
    refused = rest("POST", f"{base}/node/{node['name']}", {"topology_str": "x", "comment": "y"})
    assert refused.errors == [(9200, "#/topology_str/")]
    (after,) = rest("GET", f"{base}/node/{node['name']}").document["nodes"]
    assert (after["state"], after["comment"]) == (node["state"], node["comment"])
    for refused in ({"memory_update_delay": 5, "container_type": "x"}, {"nodes": "x-y"}, {"step_id": {"sluid": "s1"}}):
        job = {"current_working_directory": "/tmp", "environment": ["PATH=/bin"], "name": "never", **refused}
        answer = rest("POST", "/slurm/v0.0.45/job/submit", {"script": "#!/bin/sh\ntrue\n", "job": job})
        assert (answer.status, "job_id" in answer.document) == (500, False)
    assert "never" not in {job["name"] for job in rest("GET", f"{base}/jobs").document["jobs"]}
