"""sacctmgr against real Slurm: the scenario's set-up and the lists after it, compared byte for byte."""

from __future__ import annotations

import functools
import json
import pwd
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from slurmpy.cli import sacctmgr

from .dbd import Slurmdbd, running
from .golden import GOLDEN, captures, needs_golden
from .servers import DATABASES

pytestmark = [needs_golden, pytest.mark.xdist_group("sacctmgr-golden")]

SCENARIO = GOLDEN.parents[2] / "fidelity" / "tables" / "scenario.jsonl"

#: of the scenario, who all had an account on the machine of the captures
USERS = ("anna", "bob", "carol", "dave")
#: lists whose rows come from slurmctld or tell of the installation
_ELSEWHERE = re.compile(
    r"event|wckey|transaction|txn|reservation|conf|stats|help|ping|interactive|dump|clear|show-deleted|json-list"
)


@functools.cache
def set_up() -> list[dict[str, Any]]:
    """The captures of the scenario's sacctmgr commands, in their order."""
    found = []
    for text in SCENARIO.read_text().splitlines():
        name = json.loads(text).get("name") or ""
        if name.startswith("setup/") and "sacctmgr" in captures("setup")[name[6:]]["cmd"]:
            found.append(captures("setup")[name[6:]])
    return found


def words(cmd: str) -> tuple[list[str], str]:
    """The command's arguments and its standard input."""
    piped = re.match(r"echo (\w+) \| (.*)", cmd)
    if piped:
        return shlex.split(piped[2])[1:], piped[1] + "\n"
    return shlex.split(cmd)[1:], ""


@pytest.fixture(scope="module", params=DATABASES)
def dbd(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurmdbd]:
    with running(tmp_path_factory.mktemp("dbd"), request.param) as daemon:
        daemon.register()
        for capture in set_up():
            argv, stdin = words(capture["cmd"])
            code, out, err = daemon.run(sacctmgr, argv, stdin)
            assert (out, err, code) == (capture["out"], capture["err"], int(capture["rc"])), capture["cmd"]
        yield daemon


def _lists() -> list[str]:
    if not GOLDEN.is_dir():
        return []
    return [
        name
        for name, capture in captures("sacctmgr").items()
        if not _ELSEWHERE.search(name) and not capture["cmd"].startswith("#") and ";" not in capture["cmd"]
    ]


@pytest.mark.parametrize("name", _lists())
def test_list(dbd: Slurmdbd, name: str) -> None:
    capture = captures("sacctmgr")[name]
    argv, stdin = words(capture["cmd"])
    code, out, err = dbd.run(sacctmgr, argv, stdin)
    if "json" in name or "yaml" in name:
        # the parser versions that there are differ
        out = out.replace("data_parser/v0.0.40\n", "").replace("data_parser/v0.0.41\n", "")
        capture = {**capture, "out": capture["out"].replace("data_parser/v0.0.40\n", "")}
        capture["out"] = capture["out"].replace("data_parser/v0.0.41\n", "")
    if "problem" in name:  # of the users in question, those whom this machine does not have
        told = [line for line in out.splitlines(keepends=True) if "User does not have a uid" in line]
        missing = [user for user in USERS if not _has_uid(user)]
        assert [next(user for user in USERS if user in line) for line in told] == missing
        out = "".join(line for line in out.splitlines(keepends=True) if line not in told)
    assert (code, err) == (int(capture["rc"]), capture["err"])
    assert out == capture["out"]


def test_users_and_accounts_of_a_transaction_are_in_order(dbd: Slurmdbd) -> None:
    argv = ["-nP", "show", "transaction", "withassoc", "format=action,users,accounts"]
    code, out, err = dbd.run(sacctmgr, argv, "")
    assert (code, err) == (0, "")
    assert "Modify Associations|anna,bob,carol|chem,phys_a,physics" in out.splitlines()


def _has_uid(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
