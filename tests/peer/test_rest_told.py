"""The same queries with slurmdb's parameters to a real slurmrestd of 24.11 and to ours, after the same changes: what is
chosen, what is told of it, warnings and errors.

``SLURMPY_PEER_REST`` is HOST:PORT of the real one, which takes the tokens that ``SLURMPY_PEER``'s scontrol makes (see
`test_side_by_side`); its slurm.conf has ``AccountingStoreFlags=job_script,job_env``.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.site import Site
from tests.rest.conftest import Rest, serving

PEER, REST = os.environ.get("SLURMPY_PEER", ""), os.environ.get("SLURMPY_PEER_REST", "")
pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(not PEER or not REST, reason="SLURMPY_PEER and SLURMPY_PEER_REST do not name a real slurmrestd"),
    pytest.mark.xdist_group("peer"),
]

VERSIONS = ("v0.0.40", "v0.0.41", "v0.0.42")
SETUP = (
    "add qos told_a,told_b,told_c",
    "add account told_up GrpTRES=cpu=100 MaxJobs=50", "modify account told_up set qos=normal,told_a",
    "add account told_mid parent=told_up", "modify account told_mid set qos+=normal",
    "modify account told_mid set flags=usersarecoords",
    "add account told_down parent=told_mid", "modify account told_down set qos+=told_b",
    "add user root account=told_down", "modify user root account=told_down set qos+=told_c",
    "modify user root account=told_down set qos-=told_b", "modify user root account=told_down set maxjobs=30",
)  # fmt: skip
CLEARING = ("delete user root account=told_down", "delete account told_down,told_mid,told_up",
            "delete qos told_a,told_b,told_c")  # fmt: skip
Run = Callable[..., str]
Get = Callable[[str], tuple[int, Any]]


class Both:
    """Two clusters: how their commands are run, and their slurmrestds asked."""

    def __init__(self, rest: Rest) -> None:
        site = rest.site
        token = self.real("scontrol", "token", "lifespan=3600").strip().partition("=")[2]
        self.sides: tuple[tuple[Run, Get], ...] = (
            (self.real, lambda path: _get(f"http://{REST}{path}", token)),
            (site.ok, lambda path: _get(f"http://127.0.0.1:{rest.port}{path}", rest.token())),
        )

    @staticmethod
    def real(*words: str) -> str:
        done = subprocess.run([*shlex.split(PEER), *words], text=True, capture_output=True, timeout=60)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def ask(self, path: str, told: Callable[[dict[str, Any]], Any]) -> list[tuple[Any, ...]]:
        found = []
        for _, get in self.sides:
            status, document = get(path)
            said = [
                [re.sub(r"\(0x[0-9a-f]+\)", "()", one["description"]) for one in document[kind]]
                for kind in ("warnings", "errors")
            ]
            said[0] = [text.replace("()", "") for text in said[0]]
            said[1] = [text.replace("()", "") for text in said[1]]
            found.append((status, *said, told(document)))
        return found


def _get(url: str, token: str) -> tuple[int, Any]:
    request = urllib.request.Request(url, headers={"X-SLURM-USER-TOKEN": token, "X-SLURM-USER-NAME": "root"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    with serving(Site(tmp_path_factory.mktemp("told"), "AccountingStoreFlags=job_script,job_env")) as rest:
        found = Both(rest)
        for run, _ in found.sides:
            for words in SETUP:
                run("sacctmgr", "-i", *words.split())
        try:
            yield found
        finally:
            for words in CLEARING:
                Both.real("sacctmgr", "-i", *words.split())


def _associations(document: dict[str, Any]) -> Any:
    return [
        (
            one["account"], one["user"], one["parent_account"], one["default"], one["max"], one["lineage"],
            one["is_default"], one["shares_raw"], one["accounting"], sorted(one["qos"]),
        )
        for one in document.get("associations", ())
    ]  # fmt: skip


WORDS = {
    "without_parent_limits": "Exclude%20limits%20from%20parents",
    "with_raw_qos": "Include%20the%20raw%20QOS%20or%20delta_qos",
    "with_usage": "Include%20usage",
    "without_parent_info": "",  # which v0.0.42 of the real one does not find
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "words",
    ["", *WORDS, "with_raw_qos without_parent_limits", "with_raw_qos without_parent_info", "with_usage with_raw_qos"],
)
def test_associations(both: Both, version: str, words: str) -> None:
    names = [WORDS[word] if version == "v0.0.42" else word for word in words.split()]
    if "" in names:
        return
    for account in ("told_up", "told_mid", "told_down"):
        query = "&".join((f"account={account}", *names))
        real, ours = both.ask(f"/slurmdb/{version}/associations/?{query}", _associations)
        assert ours == real


@pytest.mark.parametrize("version", VERSIONS)
def test_chosen(both: Both, version: str) -> None:
    def names(document: dict[str, Any]) -> Any:
        own = ("acct", "phys", "ref", "site", "root", "deep")  # of what each cluster has besides
        found = [*document.get("clusters", ()), *document.get("accounts", ())]
        return sorted(one["name"] for one in found if not one["name"].startswith(own))

    queries = ["cluster=nosuch", "federation=x", "rpc_version=1", "update_time=1", "flags=EXTERNAL", "format=x"]
    paths = [f"clusters/?{query}" for query in queries]
    if version != "v0.0.40":
        paths += [f"accounts/?{query}" for query in ("UsersAreCoords", "UsersAreCoords&NoUsersAreCoords")]
    for path in paths:
        real, ours = both.ask(f"/slurmdb/{version}/{path}", names)
        assert ours == real, path


def test_scripts(both: Both) -> None:
    numbers = []
    for run, get in both.sides:
        number = run("sbatch", "--parsable", "-A", "told_down", "-o/dev/null", "--mem=10", "--wrap", "true").strip()
        for _ in range(300):
            document = get(f"/slurmdb/v0.0.42/job/{number}")[1]
            if document["jobs"] and document["jobs"][0]["time"]["end"]:
                break
            time.sleep(0.1)
        numbers.append(number)

    def told(document: dict[str, Any]) -> Any:
        if "jobs" not in document:
            return None
        return [(one["script"], [step["step"]["name"] for step in one["steps"]]) for one in document["jobs"]]

    for version in VERSIONS:
        for query in (
            "step=N", "show_batch_script&step=N", "show_job_environment&step=N", "show_batch_script",
            "show_batch_script&show_job_environment&step=N", "show_batch_script&show_job_environment",
            "show_batch_script=true&skip_steps=true&step=N.batch", "step=N.batch", "step=N.7", "step=N_1", "step=abc",
            "step=0", "step=", "step=-1", "step=5000000000", "users=nosuchuser",
            "step=N&cpus_min=1", "step=N&cpus_min=2", "step=N&cpus_min=1&cpus_max=4", "step=N&cpus_max=4",
            "step=N&nodes_min=1", "step=N&nodes_min=2", "step=N&timelimit_min=5", "step=N&submit_time=2020-01-01",
            "cpus_min=abc", "exit_code=abc", "exit_code=99999999999", "exit_code",
        ):  # fmt: skip
            found = [
                both.ask(f"/slurmdb/{version}/jobs/?{re.sub('N', number, query)}", told)[side]
                for side, number in enumerate(numbers)
            ]
            assert found[0] == found[1], (version, query)
