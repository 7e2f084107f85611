"""What parameters of slurmdb's queries ask for beyond the usual: jobs' scripts, usage, associations as they are set."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from slurmpy.conf import slurm_conf
from slurmpy.rpc.cluster import Cluster
from tests.accounting.dbd import TRES, start_and_end
from tests.e2e.site import Site

from .conftest import Rest, finish, serving

pytestmark = pytest.mark.xdist_group("told")

VERSIONS = ("v0.0.40", "v0.0.41", "v0.0.42", "v0.0.43", "v0.0.44", "v0.0.45")
SCRIPT = "#!/bin/sh\nexit 0\n"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rest]:
    site = Site(tmp_path_factory.mktemp("told"), "AccountingStoreFlags=job_script,job_env")
    with serving(site) as daemon:
        past = {
            "cluster": "past",
            "host": "127.0.0.1",
            "port": 7117,
            "tres": TRES,
            "nodes": "n1",
            "time": int(time.time()),
        }
        Cluster(slurm_conf.load(site.conf)).slurmdbd.call("register_controller", past | {"time": int(time.time())})
        site.ok("sacctmgr", "-i", "add", "account", "told")
        site.ok("sacctmgr", "-i", "add", "user", "daemon", "account=told")
        site.ok("sacctmgr", "-i", "add", "user", "root", "account=told", "wckey=toldkey")
        yield daemon


@pytest.fixture(scope="module")
def number(told: Rest) -> int:
    """A job of root's in account told, once slurmdbd knows that it is over."""
    job = {"current_working_directory": "/tmp", "environment": ["PATH=/usr/bin:/bin", "COLOUR=red"], "name": "told",
           "account": "told"}  # fmt: skip
    answer = told("POST", "/slurm/v0.0.42/job/submit", {"script": SCRIPT, "job": job})
    number = int(answer.document["job_id"])
    finish(told, number)
    for _ in range(200):
        found = told("GET", f"/slurmdb/v0.0.42/job/{number}").document["jobs"]
        # sacct's window ends with this second, and leaves out what was submitted in it
        if found and found[0]["time"]["end"] and found[0]["time"]["submission"] < int(time.time()):
            break
        time.sleep(0.1)
    return number


# ---- scripts and environments


@pytest.mark.parametrize("version", VERSIONS)
def test_scripts(told: Rest, number: int, version: str) -> None:
    """As a real slurmrestd of 24.11: the script in place, no warning, and only for jobs that are named."""

    def found(query: str, user: str = "root") -> list[str]:
        answer = told("GET", f"/slurmdb/{version}/jobs/?{query}", user=user)
        assert answer.status == 200, answer.body
        jobs = answer.document["jobs"]
        assert jobs or "found nothing" in answer.document["warnings"][0]["description"]
        assert not jobs or not answer.document["warnings"]
        return [job["script"] for job in jobs]

    assert found(f"step={number}") == [""]
    assert found(f"show_batch_script&step={number}") == [SCRIPT]
    assert found(f"show_batch_script=true&step={number}.batch&start_time=2020-01-01") == [SCRIPT]
    assert found(f"show_batch_script=false&step={number}") == [""]
    assert found(f"show_job_environment=true&step={number}") == [""]
    assert found("show_batch_script=true") == found("show_job_environment=true&job_name=told") == []
    assert told("GET", f"/slurmdb/{version}/job/{number}").document["jobs"][0]["script"] == ""


@pytest.mark.parametrize("version", VERSIONS)
def test_scripts_and_environments_at_once_are_refused(told: Rest, number: int, version: str) -> None:
    answer = told("GET", f"/slurmdb/{version}/jobs/?show_batch_script=true&show_job_environment=true&step={number}")
    assert answer.status == 500
    assert answer.errors == [(1054, "_dump_jobs")]
    assert "jobs" not in answer.document


def test_whose_scripts_are_told(told: Rest, number: int) -> None:
    """The jobs of others are not found: but coordinators and operators see them, as with sacct -B."""
    site = told.site

    def seen() -> list[bool]:
        queries = ("", "show_batch_script&", "show_job_environment&")
        return [
            bool(told("GET", f"/slurmdb/v0.0.42/jobs/?{query}step={number}", user="daemon").document["jobs"])
            for query in queries
        ]

    assert seen() == [True, False, False]
    site.ok("sacctmgr", "-i", "add", "coordinator", "daemon", "account=told")
    assert seen() == [True, True, True]
    site.ok("sacctmgr", "-i", "delete", "coordinator", "daemon", "account=told")
    assert seen() == [True, False, False]
    site.ok("sacctmgr", "-i", "modify", "user", "daemon", "set", "adminlevel=operator")
    assert seen() == [True, True, True]
    site.ok("sacctmgr", "-i", "modify", "user", "daemon", "set", "adminlevel=none")


def test_sacct(told: Rest, number: int) -> None:
    site = told.site
    with_script = site.ok("sacct", "-j", str(number), "-B", "--json")
    assert "exit 0" in with_script
    assert "exit 0" not in site.ok("sacct", "-j", str(number), "--env-vars", "--json")
    assert site.ok("sacct", "-j", str(number), "-B").endswith(f"{'-' * 80}\n{SCRIPT}")
    assert "COLOUR=red\n" in site.ok("sacct", "-j", str(number), "--env-vars")
    for options, said in (
        (("-B", "--json"), "When requesting job scripts you must also request specific jobs with the '-j' option."),
        (("--env-vars",), "When requesting job environment you must also request specific jobs with the '-j' option."),
        (("-B", "--env-vars", "-j1"), "Options --batch-script and --env-vars are mutually exclusive"),
    ):
        done = site.run("sacct", *options)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", f"sacct: fatal: {said}\n")


# ---- usage


@pytest.fixture(scope="module")
def used(told: Rest) -> int:
    """The start of an hour (seconds since 1970) in which root had a CPU of cluster past for ten seconds."""
    hour = int(time.time()) // 3600 * 3600 - 3600
    call = Cluster(slurm_conf.load(told.site.conf)).slurmdbd.call
    items = start_and_end(4711, hour + 60, account="told", user_name="root", wckey="toldkey")
    call("records", {"cluster": "past", "first_seq": 1, "items": items})
    told.site.ok("sacctmgr", "-i", "rollup")
    return hour


def _accounting(told: Rest, path: str, kind: str = "associations") -> dict[tuple[str, str], list[dict[str, Any]]]:
    answer = told("GET", f"/slurmdb/{path}")
    assert answer.status == 200, answer.body
    assert answer.document["warnings"] == []
    return {(one.get("account", one.get("name")), one["user"]): one["accounting"] for one in answer.document[kind]}


@pytest.mark.parametrize("version", VERSIONS)
def test_usage_of_associations(told: Rest, used: int, version: str) -> None:
    word = "with_usage" if version < "v0.0.42" else "Include%20usage"
    found = _accounting(told, f"{version}/associations/?cluster=past&{word}&usage_start=uts{used}")
    own = found["told", "root"]
    assert [(row["start"], row["allocated"]["seconds"], row["TRES"]) for row in own] == [
        (used, seconds, {"type": type, "name": "", "id": number, "count": 0})
        for type, number, seconds in (("cpu", 1, 10), ("mem", 2, 1000), ("node", 4, 10), ("billing", 5, 10))
    ]
    assert all(("id_alt" in row) == (version >= "v0.0.42") for row in own)
    assert found["told", "daemon"] == []
    for account in ("told", "root"):  # those of all below, each with the number of the association it is told of
        rows = found[account, ""]
        assert [{**row, "id": 0} for row in rows] == [{**row, "id": 0} for row in own]
        assert len({row["id"] for row in rows} - {own[0]["id"]}) == 1
    # without the word nothing is told, and nothing of other times
    assert not any(_accounting(told, f"{version}/associations/?cluster=past&usage_start=uts{used}").values())
    early = "usage_start=2020-01-01&usage_end=2020-01-02"
    assert not any(_accounting(told, f"{version}/associations/?cluster=past&{word}&{early}").values())
    (alone,) = _accounting(
        told, f"{version}/association/?cluster=past&{word}&user=root&account=told&usage_start=uts{used}"
    )
    assert alone == ("told", "root")


@pytest.mark.parametrize("version", VERSIONS)
def test_usage_of_wckeys(told: Rest, used: int, version: str) -> None:
    found = _accounting(told, f"{version}/wckeys/?cluster=past&with_usage&usage_start=uts{used}", "wckeys")
    assert {row["TRES"]["type"]: row["allocated"]["seconds"] for row in found["toldkey", "root"]} == {
        "cpu": 10, "mem": 1000, "node": 10, "billing": 10,
    }  # fmt: skip
    assert not any(_accounting(told, f"{version}/wckeys/?cluster=past&usage_start=uts{used}", "wckeys").values())


def test_usage_elsewhere(told: Rest, used: int) -> None:
    """Without PrivateData everybody is told of everybody's; a cluster's record has no place for it."""
    word = f"Include%20usage&usage_start=uts{used}"
    answer = told("GET", f"/slurmdb/v0.0.42/associations/?cluster=past&{word}&user=root", user="daemon")
    assert any(one["accounting"] for one in answer.document["associations"])
    (cluster,) = told("GET", "/slurmdb/v0.0.42/cluster/past").document["clusters"]
    answer = told("GET", f"/slurmdb/v0.0.42/cluster/{cluster['name']}?with_usage&usage_start=uts{used}")
    assert answer.document["clusters"] == [cluster]
    assert answer.document["warnings"] == []


# ---- associations as they are set


@pytest.fixture(scope="module")
def inherited(told: Rest) -> Rest:
    """Accounts up and down, QOS lists with additions, limits: as they were set up beside a real 24.11."""
    for words in (
        "add qos high", "add qos a", "add qos b", "add qos c",
        "add account up cluster=past GrpTRES=cpu=100 MaxJobs=50", "modify account up cluster=past set qos=normal,high",
        "add account mid cluster=past parent=up", "modify account mid cluster=past set qos+=normal",
        "add account down cluster=past parent=mid", "modify account down cluster=past set qos+=a,b",
        "add user nobody account=down cluster=past", "modify user nobody account=down set qos+=c",
        "modify user nobody account=down set qos-=a", "modify user nobody account=down set maxjobs=3",
    ):  # fmt: skip
        told.site.ok("sacctmgr", "-i", *words.split())
    return told


_NEWER_WORDS = {
    "without_parent_limits": "Exclude%20limits%20from%20parents",
    "without_parent_info": "Exclude%20parent%20id%2Fname",
    "with_raw_qos": "Include%20the%20raw%20QOS%20or%20delta_qos",
}
_NAMED, _NAMELESS = ["root", "up", "mid", ""], ["", "", "", ""]
_ALL, _OWN = [50, 50, 50, 3], [50, None, None, 3]
_IN_FORCE = ["normal high", "normal high", "normal high a b", "normal high b c"]
_SET = ["normal high", "normal", "a b", "c"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("words", "parents", "jobs", "qos"),
    [
        ("", _NAMED, _ALL, _IN_FORCE),
        ("without_parent_limits", _NAMED, _OWN, _SET),
        ("without_parent_info", _NAMELESS, _OWN, _SET),
        ("with_raw_qos", _NAMED, _ALL, ["normal high"] * 4),
        ("with_raw_qos without_parent_limits", _NAMED, _OWN, ["normal high", "", "", ""]),
    ],
)
def test_associations_as_they_are_set(
    inherited: Rest, version: str, words: str, parents: list[str], jobs: list[int | None], qos: list[str]
) -> None:
    """What slurmrestd of 24.11 answers to the same set-up in v0.0.41."""
    names = [_NEWER_WORDS[word] if version >= "v0.0.42" else word for word in words.split()]
    query = "&".join(("account=up,mid,down", "cluster=past", *names))
    answer = inherited("GET", f"/slurmdb/{version}/associations/?{query}")
    assert answer.document["warnings"] == []
    found = answer.document["associations"]
    assert [(one["account"], one["user"]) for one in found] == [
        ("up", ""),
        ("mid", ""),
        ("down", ""),
        ("down", "nobody"),
    ]
    assert [one["parent_account"] for one in found] == parents
    assert [one["max"]["jobs"]["active"]["number"] or None for one in found] == jobs
    assert [sorted(one["qos"]) for one in found] == [sorted(names.split()) for names in qos]


def test_sacctmgr_shows_them_with_their_signs(inherited: Rest) -> None:
    """As sacctmgr of 24.11."""

    def shown(*words: str) -> list[str]:
        names = ("show", "assoc", *words, "cluster=past", "account=up,mid,down", "format=qos%40")
        return inherited.site.ok("sacctmgr", "-nP", *names).split("\n")[:-1]

    assert shown() == ["high,normal", "high,normal", "a,b,high,normal", "b,c,high,normal"]
    assert shown("WithRawQ") == [
        "high,normal", "+normal,high,normal", "+a,+b,+normal,high,normal", "+a,+b,+c,+normal,-a,high,normal",
    ]  # fmt: skip
    assert shown("WOPL") == ["high,normal", "normal", "a,b", "c"]
    assert shown("WOPL", "WithRawQ") == ["high,normal", "+normal", "+a,+b", "+c,-a"]


def test_what_is_no_filter_deletes_nothing(inherited: Rest) -> None:
    for query in ("without_parent_limits", "without_parent_info&with_raw_qos", "with_sub_accts"):
        answer = inherited("DELETE", f"/slurmdb/v0.0.41/associations/?{query}")
        assert answer.errors == [(9000, "op_handler_association")]
    assert inherited("GET", "/slurmdb/v0.0.41/associations/?account=down").document["associations"]


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_accounts_whose_users_are_coordinators(inherited: Rest, version: str) -> None:
    inherited.site.run("sacctmgr", "-i", "modify", "account", "mid", "set", "flags=usersarecoords")

    def found(query: str) -> set[str]:
        document = inherited("GET", f"/slurmdb/{version}/accounts/?{query}").document
        return {one["name"] for one in document["accounts"]}

    assert found("UsersAreCoords") == {"mid"}
    others = {"root", "told", "up", "down"}
    assert found("NoUsersAreCoords=true") == found("UsersAreCoords&NoUsersAreCoords") == others
    assert found("UsersAreCoords=false") == others | {"mid"}


# ---- het jobs


def test_whole_het_jobs(told: Rest) -> None:
    """As slurmrestd and sacct of 24.11 chose two parts of a het job."""
    begin = int(time.time()) // 3600 * 3600 - 7200
    items = [
        item
        for offset in (0, 1)
        for item in start_and_end(8007 + offset, begin, account="told", het_job_id=8007, het_job_offset=offset)
    ]
    Cluster(slurm_conf.load(told.site.conf)).slurmdbd.call(
        "records", {"cluster": "past", "first_seq": 50, "items": items}
    )
    cases = {
        "": {"8007": [8007, 8008], "8008": [8008], "8007%2B1": [8008], "8007%2B0": [8007]},
        "whole_hetjob&": {one: [8007, 8008] for one in ("8007", "8008", "8007%2B1", "8007%2B0")},
        "disable_whole_hetjob&": {"8007": [8007], "8008": [8008], "8007%2B1": [8008], "8007%2B0": [8007]},
    }
    for version in VERSIONS:
        for word, chosen in cases.items():
            for job, expected in chosen.items():
                document = told("GET", f"/slurmdb/{version}/jobs/?cluster=past&{word}step={job}").document
                assert [one["job_id"] for one in document["jobs"]] == expected, (version, word, job)
    for option, word in (
        ((), ""),
        (("--whole-hetjob=yes",), "whole_hetjob&"),
        (("--whole-hetjob=no",), "disable_whole_hetjob&"),
    ):
        for job, expected in cases[word].items():
            words = ("-M", "past", "-X", "-n", "-P", "-o", "jobidraw", *option, "-j", job.replace("%2B", "+"))
            assert told.site.ok("sacct", *words).split() == [str(number) for number in expected], (option, job)


# ---- clusters


@pytest.mark.parametrize("version", VERSIONS)
def test_clusters(told: Rest, version: str) -> None:
    """The list is chosen by what the document has at a single cluster, as slurmrestd of 24.11 does it; and that does
    not know the list's own parameter."""

    def found(query: str) -> set[str]:
        answer = told("GET", f"/slurmdb/{version}/clusters/?{query}")
        assert answer.status == 200, answer.body
        return {one["name"] for one in answer.document["clusters"]}

    everything = found("")
    assert "past" in everything
    assert found("cluster=past") == found("cluster=past,nosuch&with_usage&usage_start=2020-01-01") == {"past"}
    assert (
        found("cluster=nosuch") == found("federation=x") == found("rpc_version=1") == found("flags=EXTERNAL") == set()
    )
    assert found("with_deleted") == everything
    warnings = told("GET", f"/slurmdb/{version}/clusters/?update_time=4000000000").document["warnings"]
    said = 'Ignoring unknown field "update_time" of type string in DATA_PARSER_CLUSTER_CONDITION'
    assert [one["description"] for one in warnings] == ([said] if version < "v0.0.43" else [])
    assert found("update_time=4000000000") == everything


# ---- jobs that are named, and words that name nothing


@pytest.mark.parametrize("version", VERSIONS)
def test_steps_that_are_named(told: Rest, number: int, version: str) -> None:
    """As slurmrestd of 24.11: the job with that step alone."""

    def found(query: str) -> list[list[str]]:
        document = told("GET", f"/slurmdb/{version}/jobs/?{query}").document
        return [[step["step"]["name"] for step in job["steps"]] for job in document["jobs"]]

    whole = found(f"step={number}")
    assert "batch" in whole[0]
    assert found(f"step={number}.batch") == [["batch"]]
    assert found(f"step={number}.7") == found(f"step={number}&skip_steps") == [[]]
    assert found(f"step={number}.7,{number}") == whole
    document = json.loads(told.site.ok("sacct", "-j", f"{number}.batch", "--json"))
    assert [[step["step"]["name"] for step in job["steps"]] for job in document["jobs"]] == [["batch"]]
    (job,) = told("GET", f"/slurmdb/{version}/job/{number}.batch").document["jobs"]
    assert [step["step"]["name"] for step in job["steps"]] == ["batch"]


@pytest.mark.parametrize("version", VERSIONS)
def test_what_names_nothing(told: Rest, number: int, version: str) -> None:
    """A word that is no job, number or user never means all of them."""
    refused, huge = (9000, "op_handler_jobs"), "9" * 5000
    for word in ("abc", "0", "", "-1", "5000000000", "1.x", "1_x", "1_[1-2]", "1,abc", "1_99999999999", f"1.{huge}"):
        answer = told("GET", f"/slurmdb/{version}/jobs/?step={word}")
        assert (answer.status, answer.errors) == (422, [refused]), word
    for word in ("abc", "0", "5000000000"):
        answer = told("GET", f"/slurmdb/{version}/job/{word}")
        assert (answer.status, answer.errors) == (422, [(9000, "op_handler_job")]), word
    answer = told("GET", f"/slurmdb/{version}/jobs/?users=nosuchuser")
    assert (answer.status, answer.errors) == (422, [(2166, "#/users[0]/"), refused])
    assert answer.document["errors"][0]["description"] == "Unable to resolve user: nosuchuser"
    words = ("association=abc", f"association={huge}", "users=99999", "reservation_id=abc", f"qos={huge}")
    for query in (*words, "groups=99999999999999999999"):
        assert told("GET", f"/slurmdb/{version}/jobs/?step={number}&{query}").document["jobs"] == [], query
    for kind in ("associations", "qos", "wckeys"):
        for word in ("abc", huge):
            assert told("GET", f"/slurmdb/{version}/{kind}/?id={word}").document[kind] == []
    for path in ("qos", "wckey"):
        assert told("GET", f"/slurmdb/{version}/{path}/{huge}").status in (200, 404)
    assert told("DELETE", f"/slurmdb/{version}/associations/?id=abc").status == 304
    everybody = told("GET", f"/slurmdb/{version}/users/").document["users"]
    assert told("GET", f"/slurmdb/{version}/users/?admin_level=Not%20Set").document["users"] == everybody


@pytest.mark.parametrize("version", VERSIONS)
def test_qos_by_number_and_by_name(inherited: Rest, version: str) -> None:
    """Numbers are what slurmrestd of 24.11 knows."""
    listed = inherited("GET", f"/slurmdb/{version}/qos/").document["qos"]
    ids = {one["name"]: one["id"] for one in listed}

    def found(query: str) -> list[str]:
        document = inherited("GET", f"/slurmdb/{version}/associations/?cluster=past&{query}").document
        return [f"{one['account']} {one['user']}" for one in document["associations"]]

    assert found(f"qos={ids['c']}") == found("qos=c") == ["down nobody"]
    assert found(f"qos={ids['a']}") == found("qos=a") == ["down "]
    assert found(f"qos={ids['a']},c") == ["down ", "down nobody"]
    assert found("qos=99") == found(f"default_qos={ids['c']}") == []

    def jobs(query: str) -> list[int]:
        document = inherited("GET", f"/slurmdb/{version}/jobs/?step=4711&{query}").document
        return [one["job_id"] for one in document["jobs"]]

    call = Cluster(slurm_conf.load(inherited.site.conf)).slurmdbd.call
    items = start_and_end(4711, int(time.time()) - 86400 * 3, account="told", user_name="root", qos="high")
    call("records", {"cluster": "past", "first_seq": 90, "items": items})
    assert jobs(f"qos={ids['high']}") == jobs("qos=high") == jobs("show_duplicates&qos=high")[:1] == [4711]
    assert jobs(f"qos={ids['a']}") == []


@pytest.mark.parametrize("version", VERSIONS)
def test_sizes_of_jobs(told: Rest, number: int, version: str) -> None:
    """24.11 looks at them in each of its versions, though the documents of the later ones do not name them; which those
    of 26.05 have, their documents say."""
    known = version < "v0.0.43"

    def found(query: str) -> bool:
        answer = told("GET", f"/slurmdb/{version}/jobs/?step={number}&{query}")
        assert answer.status == 200
        said = " ".join(one["description"] for one in answer.document["warnings"])
        assert ("Ignoring unknown field" in said) is not known
        if version == "v0.0.40" and "submit_time" not in query:
            assert "Expected OpenAPI type=object (Slurm type=dictionary) but got OpenAPI type=string" in said
        elif known:
            assert "Expected" not in said
        return bool(answer.document["jobs"])

    for query, there in (
        ("cpus_min=1", True), ("cpus_min=99", False), ("nodes_min=1&nodes_max=1", True), ("nodes_min=2", False),
        ("cpus_min=2&cpus_max=4", False), ("cpus_min=1&cpus_max=4", True), ("nodes_max=0", True), ("cpus_min=0", True),
        ("timelimit_min=5", False), ("submit_time=2020-01-01", True), ("submit_time=2090-01-01", False),
    ):  # fmt: skip
        assert found(query) is (there or not known), query
    answer = told("GET", f"/slurmdb/{version}/jobs/?exit_code=abc")
    got = "string" if version == "v0.0.40" else '"abc"'
    assert [(one["description"], one["error_number"]) for one in answer.document["errors"][:1]] == [
        (f"Expected integer but got {got}", 9202)
    ]
