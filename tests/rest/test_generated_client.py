"""A client that openapi-generator makes of the document that slurmrestd serves, at work against that slurmrestd.

Its models are pydantic's: an answer that the document does not permit (a type, a word, a property that is missing)
raises.
"""

from __future__ import annotations

import importlib
import inspect
import shutil
import subprocess
import sys
import time
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from slurmpy.data_parser import registry

from .conftest import Rest

pytestmark = pytest.mark.xdist_group("generated client")

VERSIONS = [version for version in registry.VERSIONS if version >= "v0.0.40"]

#: sources alone: neither prose nor the tests that it would write
WANTED = "apiDocs=false,modelDocs=false,apiTests=false,modelTests=false,models,apis,supportingFiles"


class Client:
    """``used`` has the names of the operations that were asked for."""

    def __init__(self, package: Any, rest: Rest) -> None:
        self.models = package
        self.rest = rest
        self.used: set[str] = set()
        self.tests = 0
        self._apis = self.apis(api_key={"user": "root", "token": rest.token()})

    def apis(self, **credentials: Any) -> list[Any]:
        configuration = self.models.Configuration(host=f"http://127.0.0.1:{self.rest.port}")
        for name, value in credentials.items():
            setattr(configuration, name, value)
        client = self.models.ApiClient(configuration)
        return [make(client) for make in (self.models.SlurmApi, self.models.SlurmdbApi, self.models.UtilApi)]

    def operations(self, version: str) -> dict[str, Callable[..., Any]]:
        """Name as in the document -> method."""
        word = f"_{version.replace('.', '')}_"
        return {
            name: method
            for api in self._apis
            for name, method in inspect.getmembers(api, inspect.ismethod)
            if word in name and not name.startswith("_") and not name.endswith(("_info", "_content"))
        }

    def __call__(self, operation: str, *path: str, body: Any = None, **query: Any) -> Any:
        """The answer as a model. A body that is a document becomes the operation's model, which checks it."""
        version = operation.split("_")[1]
        method = self.operations(f"{version[:2]}.{version[2]}.{version[3:]}")[operation]
        if isinstance(body, dict):
            body = model_of(method).from_dict(body)
        if body is not None:
            query[body_of(method)] = body
        self.used.add(operation)
        answer = method(*path, **query)
        assert not getattr(answer, "errors", None), f"{operation}: {answer.errors}"
        return answer


def body_of(method: Callable[..., Any]) -> str:
    """The name of the parameter that is a model: the body."""
    return next(name for name, hint in typing.get_type_hints(method).items() if _model(hint) and name != "return")


def model_of(method: Callable[..., Any]) -> Any:
    return _model(typing.get_type_hints(method)[body_of(method)])


def _model(hint: Any) -> Any:
    """The generated class in an annotation, None without one."""
    return next((part for part in (hint, *typing.get_args(hint)) if hasattr(part, "from_dict")), None)


@pytest.fixture(scope="module")
def client(rest: Rest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    generator = pytest.importorskip("openapi_generator_cli", reason="pip install openapi-generator-cli")
    for needed in ("pydantic", "dateutil", "urllib3"):
        pytest.importorskip(needed, reason="what a generated client needs: pip install 'slurmpy-suite[clients]'")
    if shutil.which("java") is None:
        pytest.skip("openapi-generator runs on Java, and there is none")
    base = tmp_path_factory.mktemp("client")
    answer = rest("GET", "/openapi/v3")
    assert answer.status == 200
    (base / "openapi.json").write_bytes(answer.body)
    jar = Path(generator.__file__).with_name("openapi-generator.jar")
    argv = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-jar", str(jar), "generate", "-g", "python"]
    argv += ["-i", str(base / "openapi.json"), "-o", str(base / "made"), "--package-name", "slurm_client"]
    made = subprocess.run([*argv, "--global-property", WANTED], capture_output=True, text=True, timeout=300)
    assert made.returncode == 0, made.stdout[-2000:] + made.stderr[-2000:]
    sys.path.insert(0, str(base / "made"))
    try:
        yield Client(importlib.import_module("slurm_client"), rest)
    finally:
        sys.path.remove(str(base / "made"))
        for name in [name for name in sys.modules if name.partition(".")[0] == "slurm_client"]:
            del sys.modules[name]


@pytest.fixture(autouse=True)
def counted(client: Client) -> None:
    """pytest-xdist may give some of these tests to another worker, which has a client of its own."""
    client.tests += 1


@pytest.fixture(scope="module")
def reserved(rest: Rest) -> Iterator[str]:
    rest.site.ok("scontrol", "create", "reservation", "ReservationName=generated", "StartTime=now+1day",
                 "Duration=60", "Users=root", "Nodes=n2")  # fmt: skip
    yield "generated"
    rest.site.ok("scontrol", "delete", "ReservationName=generated")


def word(version: str, family: str, name: str) -> str:
    return f"{family}_{version.replace('.', '')}_{name}"


def submit(client: Client, version: str, script: str = "sleep 300", **more: Any) -> str:
    job = {
        "name": "generated",
        "current_working_directory": "/tmp",
        "environment": ["PATH=/usr/bin:/bin"],
        "standard_output": "/dev/null",
        "time_limit": {"set": True, "number": 5},
        **more,
    }
    answer = client(word(version, "slurm", "post_job_submit"), body={"script": f"#!/bin/sh\n{script}\n", "job": job})
    assert answer.job_id
    return str(answer.job_id)


def until(ask: Callable[[], Any], done: Callable[[Any], bool]) -> Any:
    """What ``ask`` says once ``done`` takes it."""
    for _ in range(300):
        if done(said := ask()):
            return said
        time.sleep(0.1)
    raise AssertionError(f"it stays {said}")


def ended(client: Client, version: str, number: str, state: str) -> Any:
    """The job in the database."""
    return until(
        lambda: client(word(version, "slurmdb", "get_job"), number).jobs,
        lambda jobs: bool(jobs) and jobs[0].state.current == [state] and jobs[0].time.end,
    )[0]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_job_is_submitted_watched_updated_and_cancelled(client: Client, version: str) -> None:
    number = submit(client, version, account="root")
    get = word(version, "slurm", "get_job")
    job = until(lambda: client(get, number).jobs[0], lambda job: job.job_state == ["RUNNING"])
    assert (job.name, job.account, job.time_limit.number) == ("generated", "root", 5)
    assert number in [str(one.job_id) for one in client(word(version, "slurm", "get_jobs")).jobs]
    states = client(word(version, "slurm", "get_jobs_state")).jobs
    assert [one.state for one in states if one.job_id == number] == [["RUNNING"]]
    wish = {"comment": "seen", "time_limit": {"set": True, "number": 7}}
    client(word(version, "slurm", "post_job"), number, body=wish)
    job = client(get, number).jobs[0]
    assert (job.comment, job.time_limit.number) == ("seen", 7)
    if version >= "v0.0.44":
        assert client(word(version, "slurm", "get_resources"), number) is not None
    client(word(version, "slurm", "delete_job"), number)
    past = ended(client, version, number, "CANCELLED")
    assert (past.name, past.comment.job, past.association.account) == ("generated", "seen", "root")


#: required parameter of a path -> what there is
PLACES = {
    "job_id": "", "node_name": "n1", "partition_name": "debug", "reservation_name": "generated", "account_name": "root",
    "cluster_name": "", "qos": "normal", "name": "root", "id": "1",
}  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS)
def test_whatever_can_be_read_is_as_the_document_says(client: Client, reserved: str, version: str) -> None:
    number = submit(client, version, "srun true; exit 3")
    ended(client, version, number, "FAILED")
    running = submit(client, version)
    until(lambda: client(word(version, "slurm", "get_job"), running).jobs[0].job_state, lambda is_: is_ == ["RUNNING"])
    places = PLACES | {
        "job_id": running,
        "cluster_name": client(word(version, "slurmdb", "get_clusters")).clusters[0].name,
    }
    read = 0
    for name, method in client.operations(version).items():
        if "_get_" not in name or name.endswith(("_get_job_requeue", "_get_wckey")):  # one is no reading, one has none
            continue
        needed = [one.name for one in inspect.signature(method).parameters.values() if one.default is one.empty]
        query = {"user": "root", "account": "root"} if name.endswith("get_association") else {}
        answer = client(name, *(places[one] for one in needed), **query)
        assert answer.meta.plugin.data_parser == f"data_parser/{version}", name
        read += 1
    assert read >= 31
    client(word(version, "slurm", "delete_job"), running)


def test_what_else_slurmctld_takes(client: Client) -> None:
    m = client.models
    first, second = (submit(client, "v0.0.42", name=f"many{at}") for at in (1, 2))
    client("slurm_v0042_delete_jobs", body=m.V0042KillJobsMsg(job_name="many1", user_name="root"))
    ended(client, "v0.0.42", first, "CANCELLED")
    assert client("slurm_v0042_get_job", second).jobs[0].job_state != ["CANCELLED"]
    array = submit(client, "v0.0.42", array="1-2", hold=True)
    answer = client("slurm_v0042_post_job", array, body=m.V0042JobDescMsg(comment="both"))
    assert answer.results is None or [one.error_code for one in answer.results] == [0]
    answer = client("slurm_v0042_delete_job", array, flags="FULL_JOB")
    assert not [one for one in answer.status if one.error.code]
    described = {"current_working_directory": "/tmp", "environment": ["A=B"], "name": "alloc"}
    waiting = str(client("slurm_v0042_post_job_allocate", body={"job": described}).job_id)
    for number in (second, waiting):
        client("slurm_v0042_delete_job", number)
    client("slurm_v0042_post_node", "n2", body=m.V0042UpdateNodeMsg(comment="one"))
    client("slurm_v0042_post_nodes", body=m.V0042UpdateNodeMsg(name=["n1", "n2"], extra="each"))
    (node,) = client("slurm_v0042_get_node", "n2").nodes
    assert (node.comment, node.extra) == ("one", "each")


def test_what_is_refused_says_why(client: Client) -> None:
    m, errors = client.models, client.models.exceptions
    with pytest.raises(ValueError, match="NOSUCH"):  # before it is sent
        m.V0042JobDescMsg(flags=["NOSUCH"])
    with pytest.raises(ValueError, match="number"):
        m.V0042Uint32NoValStruct(set=True, number="many")
    job = {"current_working_directory": "/tmp", "environment": ["A=B"], "partition": "nosuch"}
    with pytest.raises(errors.ServiceException) as refused:
        client("slurm_v0042_post_job_submit", body={"script": "#!/bin/sh", "job": job})
    (error,) = refused.value.data.errors
    assert (refused.value.status, error.error_number, error.source) == (500, 2000, "slurm_submit_batch_job()")
    with pytest.raises(errors.UnprocessableEntityException) as refused:
        client("slurm_v0045_post_job_submit", body={"script": "#!/bin/sh", "job": job})
    assert refused.value.data.errors[0].error_number == 2000
    with pytest.raises(errors.NotFoundException):
        client("slurm_v0042_get_job", "99999999")
    for name in ("slurmdb_v0042_post_tres", "slurm_v0042_delete_node"):  # slurmctld registers both by itself
        body = {"body": {"TRES": [{"type": "gres", "name": "gengpu"}]}} if name.endswith("tres") else {}
        with pytest.raises(errors.ApiException) as refused:
            client(name, *([] if body else ["n1"]), **body)
        assert refused.value.data.errors[0].error_number


def test_who_asks_is_told_by_a_token(client: Client, rest: Rest) -> None:
    errors = client.models.exceptions
    ask = "slurm_v0042_get_partitions"
    for credentials in ({"api_key": {"token": rest.token()}}, {"access_token": rest.token()}):
        assert getattr(client.apis(**credentials)[0], ask)().partitions[0].name == "debug"
    with pytest.raises(errors.UnauthorizedException) as refused:
        getattr(client.apis()[0], ask)()
    assert refused.value.status == 401
    with pytest.raises(errors.ServiceException) as refused:
        getattr(client.apis(api_key={"user": "root", "token": "a.b.c"})[0], ask)()
    assert (refused.value.status, refused.value.data.errors[0].error_number) == (511, 1007)


def test_accounting_is_written_and_read(client: Client) -> None:
    cluster = client("slurmdb_v0042_get_clusters").clusters[0].name
    m = client.models
    account = m.V0042Account(name="gen", description="made", organization="by a client")
    client("slurmdb_v0042_post_accounts", body=m.V0042OpenapiAccountsResp(accounts=[account]))
    assoc = {"account": "gen", "cluster": cluster, "user": "", "parent_account": "root"}
    client("slurmdb_v0042_post_associations", body={"associations": [assoc]})
    answer = client(
        "slurmdb_v0042_post_accounts_association",
        body={"association_condition": {"accounts": ["genbelow"], "association": {"parent": "gen"}}, "account": {}},
    )
    assert "genbelow" in answer.added_accounts
    qos = m.V0042Qos(name="genqos", description="made", priority=m.V0042Uint32NoValStruct(set=True, number=9))
    client("slurmdb_v0042_post_qos", body=m.V0042OpenapiSlurmdbdQosResp(qos=[qos]))
    client("slurmdb_v0042_post_users", body={"users": [{"name": "genuser", "administrator_level": ["Operator"]}]})
    answer = client(
        "slurmdb_v0042_post_users_association",
        body={"association_condition": {"users": ["genuser"], "accounts": ["gen"]}, "user": {}},
    )
    assert "genuser" in answer.added_users
    client("slurmdb_v0042_post_wckeys", body={"wckeys": [{"name": "genkey", "user": "genuser", "cluster": cluster}]})
    client("slurmdb_v0042_post_clusters", body={"clusters": [{"name": "gencluster"}]})

    assert client("slurmdb_v0042_get_account", "gen").accounts[0].organization == "by a client"
    assert client("slurmdb_v0042_get_single_qos", "genqos").qos[0].priority.number == 9
    (user,) = client("slurmdb_v0042_get_user", "genuser", with_assocs="true").users
    assert (user.administrator_level, [one.account for one in user.associations]) == (["Operator"], ["gen"])
    assert [one.user for one in client("slurmdb_v0042_get_association", user="genuser").associations] == ["genuser"]
    (key,) = client("slurmdb_v0042_get_wckeys", name="genkey").wckeys
    assert client("slurmdb_v0042_get_wckey", str(key.id)).wckeys[0].user == "genuser"
    client("slurmdb_v0042_post_config", body=client("slurmdb_v0042_get_config"))  # what it tells it also takes
    assert client("slurmdb_v0042_get_account", "gen").accounts[0].organization == "by a client"

    assert client("slurmdb_v0042_delete_wckey", str(key.id)).deleted_wckeys
    assert client("slurmdb_v0042_delete_association", user="genuser", account="gen").removed_associations
    assert client("slurmdb_v0042_delete_user", "genuser") is not None
    assert client("slurmdb_v0042_delete_associations", account="genbelow").removed_associations
    for name in ("genbelow", "gen"):
        assert client("slurmdb_v0042_delete_account", name).removed_accounts == [name]
    assert client("slurmdb_v0042_delete_single_qos", "genqos").removed_qos == ["genqos"]
    assert client("slurmdb_v0042_delete_cluster", "gencluster").deleted_clusters == ["gencluster"]
    assert client("slurmdb_v0042_get_account", "gen").accounts == []


def test_every_operation_of_v0_0_42_was_used(client: Client, request: pytest.FixtureRequest) -> None:
    if client.tests < 2 * len(VERSIONS) + 5:
        pytest.skip("the whole file has to run, in one process")
    assert {*client.operations("v0.0.42")} == {name for name in client.used if "_v0042_" in name}
