"""The table slurmctld.tsv, cell by cell, asked by real users' processes over the unix socket and by token over TCP."""

from __future__ import annotations

import itertools
import os
import time
from pathlib import Path
from typing import Any

import pytest

from slurmpy.controller import main, permissions
from slurmpy.core.ids import STEP_BATCH
from slurmpy.core.records.description import JobDescriptor, StepDescriptor
from slurmpy.rpc import methods
from tests.e2e.test_main_job import until

from .ctld import COLUMNS, KINDS, Permitted
from .people import possible, read_table

HERE = Path(__file__).parent
TABLE = read_table(HERE / "slurmctld.tsv", COLUMNS)
pytestmark = [pytest.mark.skipif(bool(possible()), reason=possible()), pytest.mark.xdist_group("slurmctld.tsv")]

SETTINGS = ("private", "enable_user_top")
RISING = itertools.count(1)
STREAMS = ("query", "dump", "wait_job", "allocate_resources", "create_step")
LETTERS = {
    "ESLURM_ACCESS_DENIED": "D", "ESLURM_USER_ID_MISSING": "U", "SLURM_PROTOCOL_AUTHENTICATION_ERROR": "A",
    "ESLURM_INVALID_ACCOUNT": "I", "ESLURM_INVALID_NICE": "N", "ESLURM_GROUP_ID_MISSING": "G",
    "ESLURM_INVALID_JOB_ID": "H",
}  # fmt: skip
#: how a request is answered that may be asked, where it was made so that it changes nothing
HARMLESS = {
    "takeover": "ESLURM_NOT_SUPPORTED", "lookup_allocation": "ESLURM_JOB_PENDING", "create_step": "ESLURM_JOB_PENDING",
    "kill_job": "ESLURM_TRANSITION_STATE_NO_UPDATE", "suspend": "ESLURM_JOB_PENDING", "resume": "ESLURM_JOB_PENDING",
    "requeue": "ESLURM_JOB_PENDING", "notify_job": "ESLURM_JOB_PENDING", "delete_node": "ESLURM_INVALID_NODE_NAME",
    "create_node": "ESLURM_INVALID_NODE_NAME", "create_partition": "ESLURM_INVALID_PARTITION_NAME",
    "delete_partition": "ESLURM_INVALID_PARTITION_NAME", "create_reservation": "ESLURM_RESERVATION_EMPTY",
    "update_reservation": "ESLURM_RESERVATION_INVALID", "delete_reservation": "ESLURM_RESERVATION_INVALID",
    "reboot_nodes": "ESLURM_NOT_SUPPORTED", "set_schedlog_level": "ESLURM_DISABLED", "reset_usage": "SLURM_ERROR",
    "register_node": "ESLURM_INVALID_NODE_NAME", "node_ping": "ESLURM_INVALID_NODE_NAME",
}  # fmt: skip


def setting_of(row: str) -> str:
    return next((name for name in SETTINGS if row.startswith(name + ": ")), "")


def uid(site: Permitted, kind: str) -> int:
    import pwd

    return pwd.getpwnam(site.names[kind]).pw_uid


def description(kind: str, site: Permitted | None, **more: Any) -> dict[str, Any]:
    fields = {
        "name": "new", "script": "#!/bin/sh\n", "environment": ("A=1",), "current_working_directory": "/tmp",
        "standard_output": "/dev/null", "hold": True, **more,
    }  # fmt: skip
    return {"descriptions": (JobDescriptor(**fields).to_wire(),)}


CHANGES: dict[str, dict[str, Any]] = {
    "comment": {"comment": "x"}, "extra": {"extra": "x"}, "name": {"name": "x"}, "nice 10": {"nice": 10},
    "time limit": {"time_limit": 50}, "wckey": {"wckey": "w"}, "partition": {"partition": "debug"},
    "account": {"account": "acct"}, "admin comment": {"admin_comment": "x"}, "system comment": {"system_comment": "x"},
    "site factor": {"site_factor": 5}, "nice -10": {"nice": -10}, "priority": {},
    "more time": {},
}  # fmt: skip


def request(row: str, site: Permitted, kind: str) -> tuple[str, dict[str, Any]]:
    """(method, arguments) of a row, as that kind of user asks."""
    text = row.removeprefix(setting_of(row) + ": ")
    method, _, rest = text.partition(": ")
    method, _, what = method.partition(" ")
    names = site.names
    waiting, running, done = site.waiting, site.running, site.done
    owner = uid(site, "owner")
    if method == "query":
        where = {"all": True, **({"users": (owner,)} if rest == "owner's" and what in ("jobs", "steps") else {})}
        return method, {"what": what, "where": where, "fields": ("job_id",) if what in ("jobs", "steps") else ()}
    if method == "dump":
        where = {"all": True, **({"users": (owner,)} if rest == "owner's" and what == "jobs" else {})}
        return method, {"what": what, "where": where, "parser": "v0.0.42", "encoding": "json", "meta": {}}
    if method == "update_job":
        job = running if rest == "more time" else waiting
        rising = 1000 * next(RISING)  # more than the time before
        changes = {"more time": {"time_limit": rising}, "priority": {"priority": (1 << 30) + rising}}.get(rest)
        return method, {"job_id": str(job), "changes": changes or CHANGES[rest]}
    of_job: dict[str, Any] = {"job_id": waiting}
    known: dict[str, dict[str, Any]] = {
        "batch_script": of_job, "job_environment": of_job, "job_ready": {"job_id": running},
        "wait_job": {"job_id": done}, "wait_job: events": {"job_id": done, "events": True},
        "will_run": description(kind, site, hold=False),
        "will_run: owner's": {"description": JobDescriptor(job_id=waiting).to_wire()},
        "lookup_allocation": of_job, "step_layout": {"job_id": str(running), "step_id": STEP_BATCH},
        "submit_batch_job": description(kind, site),
        "submit_batch_job: in acct": description(kind, site, account="acct"),
        "submit_batch_job: as owner": description(kind, site, user_id=owner),
        "submit_batch_job: group root": description(kind, site, group_id=0),
        "submit_batch_job: nice -5": description(kind, site, nice=-5),
        "submit_batch_job: admin comment": description(kind, site, admin_comment="x"),
        "submit_batch_job: reboot": description(kind, site, reboot=True),
        "allocate_resources": description(kind, site), "complete_allocation": {"job_id": done},
        "allocate_resources: as owner": description(kind, site, user_id=owner),
        "create_step": {"step": StepDescriptor(job_id=waiting).to_wire()},
        "update_step": {"job_id": str(running), "step_id": STEP_BATCH, "changes": {"time_limit": 1000}},
        "kill_job": {"job_id": str(waiting), "signal": 23}, "kill_jobs": {"job_ids": (str(waiting),), "signal": 23},
        "kill_step": {"job_id": str(running), "step_id": STEP_BATCH, "signal": 23},
        "hold": {"job_id": str(running)}, "release": {"job_id": str(running)},
        "release: held by an operator": {"job_id": str(site.held)},
        **{name: {"job_id": str(waiting)} for name in ("suspend", "resume", "requeue", "top_job")},
        "notify_job": {"job_id": str(waiting), "message": "m"},
        "crontab": {}, "crontab: owner's": {"user_id": owner}, "delete_crontab: owner's": {"user_id": owner},
        "update_crontab: owner's": {"user_id": owner, "crontab": "", "descriptions": ()},
        "token": {}, "token: owner's": {"username": names["owner"]},
        "update_node": {"nodes": "n2", "node_list": "n2", "names": "n2", "changes": {"extra": "x"}},
        "create_node": {"nodes": "n1"}, "delete_node": {"nodes": "nosuch", "names": "nosuch"},
        "create_partition": {"name": "debug"}, "delete_partition": {"name": "nosuch"},
        "update_partition": {"name": "debug", "changes": {}},
        "create_reservation": {"start_time": int(time.time()) + 60, "duration": 5},
        "update_reservation": {"name": "nosuch"}, "delete_reservation": {"name": "nosuch"},
        "reboot_nodes": {"nodes": "nosuch"}, "set_debug_level": {"level": "info"}, "set_debug_flags": {},
        "set_schedlog_level": {"level": 0}, "set_fs_dampening_factor": {"factor": 1},
        "register_node": {"name": "nosuch"}, "node_ping": {"name": "nosuch"},
        **{
            name: {"job_id": 99999, "step_id": 0}
            for name in ("complete_batch_job", "step_complete", "epilog_complete")
        },
    }  # fmt: skip
    return method, known.get(text, {})


def seen(row: str, answer: Any, site: Permitted) -> str:
    """ "y", or "0" if what the row asks for is not in the answer."""
    text = row.removeprefix(setting_of(row) + ": ")
    method, _, rest = text.partition(": ")
    method, _, what = method.partition(" ")
    if method == "kill_jobs":
        return LETTERS.get({2002: "ESLURM_ACCESS_DENIED"}.get(answer["jobs"][0]["error"], ""), "y")
    if method == "dump" and rest:
        body = b"".join(answer)
        return "y" if {"jobs": b'"job_id":', "reservations": b'"owners"'}[what] in body else "0"
    if method != "query" or not rest:
        return "y"
    columns = answer[0]["columns"]
    constants = answer[0]["meta"].get("constants", {})
    rows = [{**constants, **dict(zip(columns, row, strict=True))} for part in answer for row in part.get("rows", ())]
    owner = site.names["owner"]
    tests = {
        "shares: acct/owner": lambda row: (row["account"], row["user"]) == ("acct", owner),
        "shares: acct": lambda row: (row["account"], row["user"]) == ("acct", ""),
        "assoc_mgr: association acct/owner": lambda row: (
            row["kind"] == "association"
            and (row["record"].get("account"), row["record"].get("user")) == ("acct", owner)
        ),
        "assoc_mgr: user owner": lambda row: row["kind"] == "user" and row["record"]["name"] == owner,
        "reservations: owner's": lambda row: row["name"] == "owners",
        "reservations: acct's": lambda row: row["name"] == "accts",
        "reservations: root's": lambda row: row["name"] == "roots",
        "priority: owner's": lambda row: row["job_id"] == site.looked,
    }
    test = tests.get(f"{what}: {rest}", lambda row: True)
    return "y" if any(test(row) for row in rows) else "0"


def test_every_method_is_in_the_table() -> None:
    named = {row.removeprefix(setting_of(row) + ": ").partition(": ")[0].partition(" ")[0] for row in TABLE}
    table = set(methods.SLURMCTLD) - {"sign_hello"}
    assert table == named, "add a row to slurmctld.tsv for each way to call a new method"
    served = {name for handlers in main.METHOD_TABLES for name in handlers}
    assert served == table, "a method has a role in rpc/methods.py or a handler, but not both"
    assert set(permissions.CHECKS) <= table
    assert {name.partition(":")[0] for name in permissions.JOBS} <= table
    assert sum(len(cells) for cells in TABLE.values()) >= 300


@pytest.mark.parametrize("way", ["unix", "jwt"])
@pytest.mark.parametrize("row", TABLE)
def test_row(site: Permitted, row: str, way: str) -> None:
    site.set(setting_of(row))
    if row == "private: query priority: owner's" and not hasattr(site, "looked"):
        site.looked = site.submit(tasks=4, required_nodes="n1")
    wanted, found = TABLE[row], {}
    before = site.state()
    for kind in (kind for kind in COLUMNS if wanted[kind] != "y"):
        found[kind] = cell(site, row, kind, way) if kind != "unknown" or way == "jwt" else wanted[kind]
    if setting_of(row) != "private":
        assert site.state() == before, "who was refused changed something"
    for kind in (kind for kind in COLUMNS if wanted[kind] == "y"):
        found[kind] = cell(site, row, kind, way)
        if row.startswith("release: held"):
            site.hold()
    assert {kind: found[kind] for kind in COLUMNS} == wanted


def cell(site: Permitted, row: str, kind: str, way: str) -> str:
    method, args = request(row, site, "owner" if kind == "unknown" else kind)
    if method == "shutdown" and TABLE[row][kind] == "y":
        return "y"  # test_shutdown
    error, answer = site.asked(kind, method, args, method in STREAMS, way)
    if error == "y":
        if isinstance(answer, dict) and method in ("submit_batch_job",):
            site.cancel(answer["job_id"])
        if isinstance(answer, list) and answer and method == "allocate_resources":
            site.cancel(answer[0]["job_id"])
        return seen(row, answer, site)
    if error == HARMLESS.get(method):
        return "y"
    return LETTERS.get(error, f"{error}: {answer}")


def forged_tokens(site: Permitted) -> dict[str, str]:
    import jwt

    key = (site.base / "jwt.key").read_bytes()
    now = int(time.time())
    said = {"iat": now, "sun": "root"}
    good = jwt.encode({**said, "exp": now + 600}, key, algorithm="HS256")
    return {
        "expired": jwt.encode({**said, "exp": now - 60}, key, algorithm="HS256"),
        "another key": jwt.encode({**said, "exp": now + 600}, os.urandom(32), algorithm="HS256"),
        "no signature": jwt.encode({**said, "exp": now + 600}, None, algorithm="none"),
        "no end": jwt.encode(said, key, algorithm="HS256"), "cut": good[:-10], "words": "not a token",
    }  # fmt: skip


@pytest.mark.parametrize("way", ["unix", "jwt"])
def test_forged_tokens_open_nothing(site: Permitted, way: str) -> None:
    site.set("")
    before = site.state()
    for what, forged in forged_tokens(site).items():
        for method in set(methods.SLURMCTLD) if what == "another key" else ("ping", "query", "submit_batch_job"):
            error, _ = site.asked("root", method, {}, method in STREAMS, way, jwt=forged)
            assert error == "SLURM_PROTOCOL_AUTHENTICATION_ERROR", (what, method)
    assert site.state() == before
    log = (site.base / "slurmctld.log").read_text()
    assert "Traceback" not in log
    assert not any(part in log for one in forged_tokens(site).values() for part in one.split(".") if len(part) > 15)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if TABLE["shutdown"][kind] == "y"])
def test_shutdown(site: Permitted, kind: str) -> None:
    site.set("")
    number = site.pid("slurmctld")
    assert site.asked(kind, "shutdown", {})[0] == "y"
    site.cluster().close()
    until(lambda: os.path.exists(f"/proc/{number}"), lambda there: not there)
    site.start_slurmctld()
    until(lambda: site.run("scontrol", "show", "assoc_mgr").stdout, lambda out: site.names["admin"] in out)


def test_nothing_was_a_defect(site: Permitted) -> None:
    log = (site.base / "slurmctld.log").read_text()
    assert "Traceback" not in log
    assert "bad arguments" not in log
