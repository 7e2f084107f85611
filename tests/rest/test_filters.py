"""Filters of the database's lists: what they choose, and what they leave out."""

from __future__ import annotations

import time

import pytest

from .conftest import Rest, finish

pytestmark = pytest.mark.xdist_group("rest")


@pytest.fixture(scope="module")
def ended(rest: Rest) -> tuple[int, str]:
    """A job that is over, with exit code 3, and the node that it ran on."""
    job = {"current_working_directory": "/tmp", "environment": ["PATH=/usr/bin:/bin"], "name": "three"}
    answer = rest("POST", "/slurm/v0.0.42/job/submit", {"script": "#!/bin/sh\nexit 3\n", "job": job})
    number = answer.document["job_id"]
    node = finish(rest, number)["nodes"]
    for _ in range(200):
        found = rest("GET", f"/slurmdb/v0.0.42/job/{number}").document["jobs"]
        if found and found[0]["time"]["end"]:
            break
        time.sleep(0.1)
    return number, node


def _chosen(rest: Rest, number: int, query: str, version: str = "v0.0.42") -> bool:
    answer = rest("GET", f"/slurmdb/{version}/jobs/?job_name=three&{query}")
    assert answer.status == 200, answer.body
    return number in [job["job_id"] for job in answer.document["jobs"]]


def test_a_wckey_that_is_added_is_no_new_default(rest: Rest) -> None:
    """As with slurmrestd 24.11: it is one where the user has none yet, and no user is made for it."""
    site = rest.site
    name = rest("GET", "/slurmdb/v0.0.42/clusters").document["clusters"][0]["name"]
    site.ok("sacctmgr", "-i", "add", "account", "keya")
    site.ok("sacctmgr", "-i", "add", "user", "keyu", "account=keya", "wckey=first")
    site.ok("sacctmgr", "-i", "add", "user", "keyv", "account=keya")
    try:
        for version in ("v0.0.38", "v0.0.42"):
            for user in ("keyu", "keyv"):
                entry = {"id": 0, "name": f"more{version[-2:]}", "user": user, "cluster": name}
                assert rest("POST", f"/slurmdb/{version}/wckeys", {"wckeys": [entry]}).document["errors"] == []
        found = site.ok("sacctmgr", "-nP", "show", "user", "keyu,keyv", "format=user,defaultwckey")
        assert found.split() == ["keyu|first", "keyv|more38"]
        entry = {"name": "more42", "user": "keynobody", "cluster": name}
        assert rest("POST", "/slurmdb/v0.0.42/wckeys", {"wckeys": [entry]}).document["errors"] == []
        assert site.ok("sacctmgr", "-nP", "show", "user", "keynobody") == ""
        keys = rest("GET", "/slurmdb/v0.0.42/wckeys/?name=more42").document["wckeys"]
        assert {key["user"] for key in keys} == {"keyu", "keyv", "keynobody"}
        for key in keys:
            assert rest("DELETE", f"/slurmdb/v0.0.42/wckey/{key['id']}").status == 200
    finally:
        site.ok("sacctmgr", "-i", "delete", "user", "name=keyu,keyv")
        site.ok("sacctmgr", "-i", "delete", "account", "name=keya")


def test_jobs(rest: Rest, ended: tuple[int, str]) -> None:
    number, node = ended
    cases = {
        "": True,
        "exit_code=3": True,
        "exit_code=0": False,
        f"node={node}": True,
        f"node={node}&exit_code=4": False,
        "node=nosuch[1-3]": False,
        "groups=root": True,
        "groups=0": True,
        "groups=nosuch": False,
        "reservation_id=77": False,
        "usage_time_as_submit_time&start_time=2020-01-01": True,
        "usage_time_as_submit_time&start_time=2020-01-01&end_time=2020-01-02": False,
        "disable_wait_for_result": True,
    }
    assert {query: _chosen(rest, number, query) for query in cases} == cases
    assert _chosen(rest, number, "submit_time=2020-01-01", "v0.0.40")
    assert not _chosen(rest, number, "submit_time=2090-01-01", "v0.0.40")
    answer = rest("GET", "/slurmdb/v0.0.42/jobs/?node=n[1-")
    assert answer.status == 422
    assert answer.document["errors"][0]["description"] == "Unable to read the host list n[1-"
    assert rest("GET", "/slurmdb/v0.0.40/jobs/?submit_time=whenever").status == 422


def test_lists(rest: Rest) -> None:
    site = rest.site
    site.ok("sacctmgr", "-i", "add", "qos", "filterq", "preemptmode=cancel")
    site.ok("sacctmgr", "-i", "add", "account", "filtera")
    site.ok("sacctmgr", "-i", "add", "user", "filteru", "account=filtera", "wckey=filterk")
    try:

        def names(what: str, query: str, kind: str = "") -> set[str]:
            return {one["name"] for one in rest("GET", f"/slurmdb/v0.0.42/{what}/?{query}").document[kind or what]}

        assert names("qos", "preempt_mode=CANCEL") == {"filterq"}
        assert "filterq" not in names("qos", "preempt_mode=REQUEUE")
        assert names("users", "default_wckey=filterk") == {"filteru"}
        assert names("users", "default_wckey=nosuch") == set()
        (key,) = rest("GET", "/slurmdb/v0.0.42/wckeys/?name=filterk,x&only_defaults").document["wckeys"] or [{}]
        assert key.get("user", "filteru") == "filteru"
        (key,) = rest("GET", "/slurmdb/v0.0.42/wckeys/?name=filterk").document["wckeys"]
        assert names("wckeys", f"id={key['id']}") == {key["name"]}
        assert names("wckeys", "id=999999") == set()
        cluster = rest("GET", "/slurmdb/v0.0.42/clusters").document["clusters"][0]
        for query, there in (
            (f"rpc_version={cluster['rpc_version']}", True),
            ("rpc_version=1", False),
            ("federation=nosuch", False),
            ("classification=CAPACITY", False),
        ):
            assert bool(names(f"cluster/{cluster['name']}", query, "clusters")) is there
    finally:
        site.ok("sacctmgr", "-i", "delete", "user", "name=filteru")
        site.ok("sacctmgr", "-i", "delete", "account", "name=filtera")
        site.ok("sacctmgr", "-i", "delete", "qos", "name=filterq")


def test_what_is_said_of_a_truth_value_in_words(rest: Rest) -> None:
    """As a real slurmrestd of 24.11: nothing where a parameter is one of a set of flags."""
    said = {
        path: bool(rest("GET", f"/slurmdb/{path}=true").document["warnings"])
        for path in (
            "v0.0.42/accounts/?WithAssociations", "v0.0.40/accounts/?with_assocs", "v0.0.42/account/root?with_assocs",
            "v0.0.42/users/?with_assocs", "v0.0.42/associations/?Filter%20to%20only%20defaults",
            "v0.0.41/associations/?only_defaults",
            "v0.0.41/qos/?with_deleted", "v0.0.42/qos/normal?with_deleted",
        )
    }  # fmt: skip
    assert [path for path, there in said.items() if not there] == [
        "v0.0.42/accounts/?WithAssociations", "v0.0.42/associations/?Filter%20to%20only%20defaults",
        "v0.0.41/qos/?with_deleted",
    ]  # fmt: skip
