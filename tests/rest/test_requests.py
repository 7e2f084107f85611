"""slurmrestd beside real daemons: what it answers to reads, to submissions and changes, and to what is wrong."""

from __future__ import annotations

import functools
import time
from typing import Any

import jsonschema
import pytest
import yaml

from slurmpy.auth.token import LEEWAY
from slurmpy.data_parser import registry
from slurmpy.rest import openapi
from slurmpy.rest.endpoints import ENDPOINTS
from slurmpy.rest.flat import VERSIONS as FLAT

from .conftest import EVERYBODYS, Answer, Rest, as_others, finish

V = "/slurm/v0.0.42"
DB = "/slurmdb/v0.0.42"
#: what a submission needs
JOB = {"current_working_directory": "/tmp", "environment": ["PATH=/usr/bin:/bin"]}

pytestmark = pytest.mark.xdist_group("rest")


def _submit(rest: Rest, script: str = "#!/bin/sh\ntrue\n", version: str = "v0.0.42", **job: Any) -> Answer:
    return rest("POST", f"/slurm/{version}/job/submit", {"script": script, "job": {**JOB, **job}})


@functools.cache
def _schemas(version: str) -> dict[str, Any]:
    found: dict[str, Any] = openapi.document([registry.get(version)])["components"]["schemas"]
    return found


READS = [
    endpoint
    for endpoint in ENDPOINTS
    if endpoint.method == "GET" and "{" not in endpoint.path and endpoint.path != "/reconfigure/"
]
VALIDATED = [version for version in registry.VERSIONS if version >= "v0.0.42"]


@pytest.mark.parametrize("version", VALIDATED)
@pytest.mark.parametrize("endpoint", READS, ids=lambda endpoint: endpoint.family + endpoint.path)
def test_reads_validate(rest: Rest, endpoint: Any, version: str) -> None:
    if not endpoint.serves(version):
        assert rest("GET", f"/{endpoint.family}/{version}{endpoint.path}").status == 404
        return
    query = "?user=nobody" if endpoint.path == "/association/" else ""
    answer = rest("GET", f"/{endpoint.family}/{version}{endpoint.path}{query}")
    assert answer.status == 200, answer.body
    document = answer.document
    assert document["errors"] == []
    plugin = {"slurm": "openapi/slurmctld", "slurmdb": "openapi/slurmdbd"}[endpoint.family]
    assert document["meta"]["plugin"]["type"] == plugin
    if "state" in endpoint.path or "instance" in endpoint.path:
        return  # their answers are other than the document says, as the real daemon's are
    component = registry.get(version).envelopes[endpoint.answer].name
    schema = {"$ref": f"#/components/schemas/{version}_{component}", "components": {"schemas": _schemas(version)}}
    errors = [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(document)]
    assert [error for error in errors if not error.startswith("None is not of type")] == []


@pytest.mark.parametrize("version", registry.VERSIONS)
def test_every_version_answers(rest: Rest, version: str) -> None:
    for path in ("ping", "nodes", "partitions", "jobs", "diag"):
        answer = rest("GET", f"/slurm/{version}/{path}")
        assert answer.status == 200
        plugin = answer.document["meta"]["plugin"]
        assert version in FLAT or plugin["data_parser"] == f"data_parser/{version}"
        assert version not in FLAT or plugin["type"] == f"openapi/{version}"
    assert ("primary" in rest("GET", f"/slurm/{version}/ping").document["pings"][0]) == (version >= "v0.0.42")


def test_a_job_from_submission_to_accounting(rest: Rest) -> None:
    answer = _submit(rest, "#!/bin/sh\nsleep 0.2; exit 3\n", name="rest", tasks=1, comment="via REST")
    assert answer.status == 200, answer.body
    assert answer.document["warnings"] == []
    number = answer.document["job_id"]
    job = finish(rest, number, frozenset({"FAILED"}))
    assert (job["name"], job["comment"], job["exit_code"]["return_code"]["number"]) == ("rest", "via REST", 3)
    for _ in range(50):
        found = rest("GET", f"{DB}/job/{number}").document["jobs"]
        if found and found[0]["state"]["current"] == ["FAILED"]:
            break
        time.sleep(0.1)
    assert found[0]["exit_code"]["return_code"]["number"] == 3
    assert found[0]["name"] == "rest"
    states = rest("GET", f"{V}/jobs/state").document["jobs"]
    assert {"job_id": str(number), "state": ["FAILED"]} in states


def test_hold_update_and_cancel(rest: Rest) -> None:
    answer = _submit(rest, hold=True, time_limit={"set": True, "number": 5})
    number = answer.document["job_id"]
    assert [warning["source"] for warning in answer.document["warnings"]] == ["slurm_submit_batch_job()"] * 2
    answer = rest("POST", f"{V}/job/{number}", {"comment": "updated", "time_limit": {"set": True, "number": 7}})
    assert (answer.status, answer.document["results"]) == (200, None)
    (job,) = rest("GET", f"{V}/job/{number}").document["jobs"]
    assert (job["comment"], job["time_limit"]["number"], job["hold"]) == ("updated", 7, True)
    bad = rest("POST", f"{V}/job/{number}", {"partition": "nosuch"})
    assert (bad.status, bad.errors) == (500, [(2000, "slurm_update_job2()")])
    unknown = rest("POST", f"{V}/job/{number}", {"nosuch": 1}).document["warnings"]
    assert unknown == [
        {
            "description": 'Ignoring unknown field "nosuch" of type 64 bit integer in DATA_PARSER_JOB_DESC_MSG',
            "source": "#/nosuch/",
        }
    ]
    assert rest("DELETE", f"{V}/job/{number}").document["status"] == []
    again = rest("DELETE", f"{V}/job/{number}").document["status"]
    assert [(entry["error"]["code"], entry["step_id"]) for entry in again] == [(2021, str(number))]
    assert rest("DELETE", f"{V}/job/99999").document["status"][0]["error"]["code"] == 2017
    assert "status" not in rest("DELETE", f"/slurm/v0.0.41/job/{number}").document


def test_an_allocation_lasts_until_it_is_cancelled(rest: Rest) -> None:
    answer = rest("POST", f"{V}/job/allocate", {"job": {**JOB, "name": "held", "time_limit": 5}})
    assert answer.status == 200, answer.body
    number = answer.document["job_id"]
    job = finish(rest, number, frozenset({"RUNNING"}))
    assert (job["name"], job["batch_flag"]) == ("held", False)
    assert rest("DELETE", f"{V}/job/{number}").document["status"] == []
    assert finish(rest, number)["job_state"] == ["CANCELLED"]
    refused = rest("POST", f"{V}/job/allocate", {"job": {**JOB, "partition": "nosuch"}})
    assert refused.errors == [(2000, "slurm_allocate_resources()")]
    assert rest("POST", f"{V}/job/allocate", {}).errors == [(9000, "_job_post_alloc")]


def test_older_versions_tell_the_result_of_a_submission(rest: Rest) -> None:
    answer = _submit(rest, version="v0.0.41", hold=True)
    result = answer.document["result"]
    assert result == {
        "job_id": answer.document["job_id"],
        "step_id": "batch",
        "error_code": 2042,
        "error": "Job is in held state, pending scheduler release",
        "job_submit_user_msg": "",
    }
    rest("DELETE", f"{V}/job/{result['job_id']}")


@pytest.mark.parametrize(
    ("job", "number"),
    [
        ({"partition": "nosuch"}, 2000),
        ({"array": "abc"}, 2081),
        ({"dependency": "nonsense"}, 2038),
        ({"current_working_directory": None}, 2063),
        ({"nodes": "99"}, 2014),
    ],
)
def test_submissions_that_slurmctld_refuses(rest: Rest, job: dict[str, Any], number: int) -> None:
    answer = _submit(rest, **job)
    assert answer.status == 500, answer.body
    assert answer.errors == [(number, "slurm_submit_batch_job()")]
    assert answer.reason == "INTERNAL ERROR"


def test_bodies_that_make_no_job(rest: Rest) -> None:
    for body in (None, {}, {"job": JOB}):
        answer = rest("POST", f"{V}/job/submit", body)
        assert (answer.status, answer.errors) == (422, [(9000, "_job_post")])
    assert _submit(rest, time_limit="abc").errors == [(9202, "#/job/time_limit/")]
    assert rest("POST", f"{V}/job/submit", "[1,2]", headers=_typed(rest)).errors == [(9209, "#/")]
    malformed = rest("POST", f"{V}/job/submit", '{"job":', headers=_typed(rest))
    assert (malformed.status, malformed.body) == (400, b"Unable to parse query.")
    many = _submit(rest, tasks="many")
    assert (many.status, many.document["errors"]) == (200, [])
    assert many.document["warnings"][0]["source"] == "#/job/tasks/"


def _typed(rest: Rest, kind: str = "application/json") -> dict[str, str]:
    return {"X-SLURM-USER-NAME": "root", "X-SLURM-USER-TOKEN": rest.token(), "Content-Type": kind}


@pytest.mark.parametrize(
    ("path", "status", "errors"),
    [
        ("/job/99999", 404, [(2017, "_handle_job_get")]),
        ("/job/abc", 422, [(9000, "op_handler_job")]),
        ("/job/0", 422, [(9000, "op_handler_job")]),
        ("/node/nosuch", 200, [(0, "_dump_nodes")]),
        ("/partition/nosuch", 422, [(9000, "op_handler_partition")]),
        ("/reservation/nosuch", 422, [(9000, "op_handler_reservation")]),
        ("/jobs?update_time=abc", 422, [(9202, "#/update_time/"), (9000, "op_handler_jobs")]),
    ],
)
def test_what_there_is_not(rest: Rest, path: str, status: int, errors: list[tuple[int, str]]) -> None:
    answer = rest("GET", V + path)
    assert (answer.status, answer.errors) == (status, errors)


def test_paths_methods_and_headers(rest: Rest) -> None:
    for method, path, status, body in (
        ("GET", f"{V}/nosuch", 404, b"Unable find requested URL"),
        ("GET", "/", 404, b"Unable find"),
        ("GET", "/slurm/v9.9.99/jobs", 404, b"Unable find"),
        ("PATCH", f"{V}/ping", 404, b"Unable find"),
        ("GET", f"{V}/node/n%ZZ", 400, b"Unable to parse URL path."),
        ("HEAD", f"{V}/ping", 411, b""),
    ):
        answer = rest(method, path)
        assert answer.status == status
        assert answer.body.startswith(body)
        assert ("Connection", "Close") in answer.headers
    assert rest("GET", "/slurm//v0.0.42/ping/").status == 200
    assert rest("GET", f"{V}/node/n%31").document["nodes"][0]["name"] == "n1"
    headers = {"X-SLURM-USER-NAME": "root", "X-SLURM-USER-TOKEN": rest.token()}
    xml = rest("GET", f"{V}/ping", headers={**headers, "Accept": "application/xml"})
    assert (xml.status, xml.body) == (415, b"Accept content type is unknown")
    answer = rest("GET", f"{V}/ping", headers={**headers, "Accept": "application/yaml"})
    assert dict(answer.headers)["Content-Type"] == "application/yaml"
    assert yaml.safe_load(answer.body)["pings"][0]["pinged"] == "UP"


def test_who_is_let_in(rest: Rest) -> None:
    assert rest("GET", f"{V}/ping", headers={}).status == 401
    assert rest("GET", f"{V}/ping", headers={"X-SLURM-USER-NAME": "root"}).status == 401
    bearer = {"Authorization": f"Bearer {rest.token()}"}
    assert rest("GET", f"{V}/ping", headers=bearer).document["pings"][0]["responding"]
    bad = {"X-SLURM-USER-NAME": "root", "X-SLURM-USER-TOKEN": "bad"}
    answer = rest("GET", f"{V}/jobs", headers=bad)
    assert (answer.status, answer.reason) == (511, "Network Authentication Required")
    assert answer.errors == [(1007, "slurm_load_jobs()")]
    assert not rest("GET", f"{V}/ping", headers=bad).document["pings"][0]["responding"]
    assert rest("GET", f"{V}/ping", unix=True).document["pings"][0]["responding"]
    assert rest("GET", "/openapi/v3", headers={}).status == 401


def test_a_token_ends_even_on_a_connection_that_is_kept(rest: Rest) -> None:
    headers = {"X-SLURM-USER-NAME": "root", "X-SLURM-USER-TOKEN": rest.new_token("root", 2 - LEEWAY)}
    assert rest("GET", f"{V}/partitions", headers=headers).status == 200
    time.sleep(2.1)
    answer = rest("GET", f"{V}/partitions", headers=headers)
    assert (answer.status, answer.errors[0][0]) == (511, 1007)


@as_others
def test_settings_of_the_daemon(rest: Rest) -> None:
    assert EVERYBODYS is not None
    more = {"SLURMRESTD_AUTH_TYPES": "rest_auth/jwt", **EVERYBODYS[1]}
    daemon = Rest(rest.site, "-s", "slurmctld", "-d", "v0.0.42", "-u", "nobody", program=EVERYBODYS[0], **more)
    try:
        answer = daemon("GET", f"{V}/ping")
        assert answer.document["meta"]["client"]["user"] == "nobody"
        assert answer.document["pings"][0]["responding"]
        for path in (f"{DB}/accounts", "/slurm/v0.0.41/ping"):
            assert daemon("GET", path).status == 404
        assert daemon("GET", f"{V}/ping", unix=True).status == 401
    finally:
        assert daemon.stop() == 0


def test_nothing_has_changed(rest: Rest) -> None:
    later = int(time.time()) + 1000
    answer = rest("GET", f"{V}/partitions?update_time={later}")
    assert (answer.status, answer.headers, answer.body) == (304, [], b"")
    answer = rest("GET", f"{V}/jobs?update_time={later}")
    assert answer.document["jobs"] == []
    assert answer.document["warnings"][0]["description"].startswith(f"No job changes since update_time[{later}]=")


def test_the_openapi_document(rest: Rest) -> None:
    document = rest("GET", "/openapi/v3").document
    assert "/slurm/v0.0.40/jobs/" in document["paths"]
    assert "v0.0.41_openapi_job_info_resp" in document["components"]["schemas"]


def test_accounts_and_users(rest: Rest) -> None:
    account = {"name": "restacct", "description": "rest", "organization": "org"}
    assert rest("POST", f"{DB}/accounts", {"accounts": [account]}).errors == []
    (found,) = rest("GET", f"{DB}/account/restacct").document["accounts"]
    assert {name: found[name] for name in account} == account
    assert rest("GET", f"{DB}/account/nosuch").document["warnings"][0]["source"] == "_dump_accounts"
    cluster = rest("GET", f"{DB}/clusters").document["clusters"][0]["name"]
    place = {"account": "restacct", "cluster": cluster}
    theirs = {**place, "user": "restuser", "is_default": True}
    added = rest("POST", f"{DB}/associations", {"associations": [{**place, "user": ""}, theirs]})
    assert added.errors == [], added.body
    (assoc,) = rest("GET", f"{DB}/association?user=restuser&account=restacct&cluster={cluster}").document[
        "associations"
    ]
    assert (assoc["user"], assoc["is_default"]) == ("restuser", True)
    assert rest("GET", f"{DB}/association/").errors == [(9211, "_dump_assoc_cond")]
    (user,) = rest("GET", f"{DB}/user/restuser").document["users"]
    assert (user["default"]["account"], user["associations"]) == ("", [])
    (user,) = rest("GET", f"{DB}/user/restuser?with_assocs=true").document["users"]
    assert (user["default"]["account"], len(user["associations"])) == ("restacct", 1)
    qos = {"name": "restqos", "description": "rest", "priority": {"set": True, "number": 5}}
    assert rest("POST", f"{DB}/qos", {"qos": [qos]}).errors == []
    (found,) = rest("GET", f"{DB}/qos/restqos").document["qos"]
    assert found["priority"]["number"] == 5
    assert rest("DELETE", f"{DB}/qos/restqos").document["removed_qos"] == ["restqos"]
    assert rest("DELETE", f"{DB}/user/restuser").document["removed_users"] == ["restuser"]
    assert rest("DELETE", f"{DB}/account/restacct").document["removed_accounts"] == ["restacct"]
    gone = rest("DELETE", f"{DB}/account/restacct")
    assert (gone.status, gone.body) == (304, b"")


def test_plain_users_may_not_change_accounts(rest: Rest) -> None:
    answer = rest("POST", f"{DB}/accounts", {"accounts": [{"name": "x", "description": "", "organization": ""}]},
                  user="nobody")  # fmt: skip
    assert answer.status == 500
    assert answer.document["errors"][0]["error_number"] == 2002
    assert answer.document["errors"][0]["error"] == "Access/permission denied"
    denied = rest("GET", f"{DB}/diag", user="nobody")
    assert (denied.status, denied.errors) == (500, [(2002, "slurmdb_get_stats")])


def test_wckeys_are_not_told_to_everybody(rest: Rest) -> None:
    assert rest("GET", f"{DB}/wckeys").errors == []
    assert rest("GET", f"{DB}/wckeys", user="nobody").errors == [(2002, "_dump_wckeys")]
    assert rest("GET", f"{DB}/config", user="nobody").errors == [(2002, "_dump")]
    assert rest("GET", f"{DB}/diag", user="nobody").document["statistics"] == {}


@pytest.mark.parametrize(
    "path", ["v0.0.37/accounts", "v0.0.40/accounts?with_assocs=true", "v0.0.42/account/root?with_assocs=true"]
)
def test_the_root_account_has_associations_but_in_the_dump(rest: Rest, path: str) -> None:
    def users(where: str) -> set[str | None]:
        (root,) = [one for one in rest("GET", f"/slurmdb/{where}").document["accounts"] if one["name"] == "root"]
        return {one["user"] or None for one in root["associations"]}

    assert users(path) == {None, "root"}
    assert users("v0.0.42/config") == set()


def test_the_books_tell_of_jobs_once_they_may_start(rest: Rest) -> None:
    later = {"set": True, "number": int(time.time()) + 10000}
    answer = _submit(rest, "#!/bin/sh\n", name="tomorrow", begin_time=later)
    number = answer.document["job_id"]
    assert rest("DELETE", f"{V}/job/{number}").status == 200

    def told(query: str) -> list[int]:
        return [one["job_id"] for one in rest("GET", f"{DB}/jobs?job_name=tomorrow{query}").document["jobs"]]

    for _ in range(100):
        if told(f"&end_time={int(time.time()) + 20000}"):
            break
        time.sleep(0.1)
    assert told(f"&end_time={int(time.time()) + 20000}") == [number]
    assert told("") == []
    assert [one["job_id"] for one in rest("GET", f"{DB}/job/{number}").document["jobs"]] == [number]


def test_texts_end_at_a_nul(rest: Rest) -> None:
    """As with Slurm's daemon."""
    answer = _submit(rest, name="one\0two", comment="a\0", hold=True)
    assert answer.status == 200, answer.body
    number = answer.document["job_id"]
    (job,) = rest("GET", f"{V}/job/{number}").document["jobs"]
    assert (job["name"], job["comment"]) == ("one", "a")
    assert rest("DELETE", f"{V}/job/{number}").status == 200
