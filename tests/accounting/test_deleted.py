"""What is deleted: what is kept of it, how it is listed, how it comes back."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from slurmpy.accounting import assoc_changes, cluster_changes, qos_changes, schema, user_changes
from slurmpy.accounting.books import Books
from slurmpy.accounting.deleted import YOUNG
from slurmpy.cli import sacct, sacctmgr
from slurmpy.core.errors import SlurmError

from .dbd import Slurmdbd

NOW = 1_800_000_000
LATER = NOW + YOUNG


def books() -> Books:
    found = Books.fresh(NOW)
    cluster_changes.register(found, "ref", {"tres": "cpu=4,mem=100,node=1"}, "root", NOW)
    assoc_changes.add_accounts(found, {"names": ("chem",), "limits": {"max_jobs": 7}}, "root", NOW)
    user_changes.add_users(found, {"names": ("bob",), "accounts": ("chem",), "limits": {"max_jobs": 3}}, "root", NOW)
    return found


def saved(found: Books) -> Books:
    """The books as another slurmdbd would read them."""
    engine = sa.create_engine("sqlite://")
    schema.metadata.create_all(engine)
    with engine.begin() as connection:
        found.save(connection)
        return Books.load(connection)


@given(st.integers(min_value=0, max_value=3 * YOUNG), st.booleans())
def test_what_is_young_and_unused_goes_and_all_else_is_kept(age: int, used: bool) -> None:
    found = books()
    assoc_changes.delete_accounts(found, {"where": {"names": ("chem",)}, "used": used}, "root", NOW + age)
    kept = {(one.account, one.user) for one in found.deleted.of("associations")}
    assert kept == ({("chem", ""), ("chem", "bob")} if used or age >= YOUNG else set())
    assert bool(found.deleted.of("accounts")) == bool(kept)
    assert found.assoc("ref", "chem") is None
    assert "bob" in found.users


def test_a_deleted_association_keeps_its_id_and_loses_its_limits() -> None:
    found = books()
    before = found.assoc("ref", "chem", "bob")
    assert before is not None
    assoc_changes.delete_accounts(found, {"where": {"names": ("chem",)}}, "root", LATER)
    found = saved(found)
    gone = found.deleted.find("associations", "ref", "chem", "bob", "")
    assert (gone.id, gone.max_jobs, gone.creation_time) == (before.id, None, NOW)
    assert [one.flags for one in found.with_deleted("accounts", True) if one.name == "chem"] == [("DELETED",)]
    assert all(one.name != "chem" for one in found.with_deleted("accounts", False))

    assoc_changes.add_accounts(found, {"names": ("chem",)}, "root", LATER)
    user_changes.add_users(found, {"names": ("bob",), "accounts": ("chem",)}, "root", LATER)
    found = saved(found)
    again = found.assoc("ref", "chem", "bob")
    assert again is not None
    assert (again.id, again.max_jobs, again.creation_time, again.is_default) == (before.id, None, NOW, True)
    assert found.accounts["chem"].creation_time == NOW
    assert found.deleted.records == {}
    assert found.deleted.keys == {}


def test_a_fork_that_is_thrown_away_deletes_nothing() -> None:
    found = books()
    fork = found.fork()
    assoc_changes.delete_accounts(fork, {"where": {"names": ("chem",)}}, "root", LATER)
    assert fork.deleted.of("accounts")
    assert found.deleted.of("accounts") == []
    assert "chem" in found.accounts


def test_qos_and_wckeys_and_clusters_come_back_with_their_numbers() -> None:
    found = books()
    qos_changes.add_qos(found, {"names": ("high",), "set": {"priority": 9}}, "root", NOW)
    user_changes.add_users(found, {"names": ("bob",), "wckeys": ("k1",)}, "root", NOW)
    number, key = found.qos_ids["high"], found.wckey_ids["ref", "bob", "k1"]
    qos_changes.delete_qos(found, {"where": {"names": ("high",)}}, "root", LATER)
    user_changes.delete_users(found, {"where": {"wckeys": ("k1",)}}, "root", LATER)
    qos_changes.add_qos(found, {"names": ("other",)}, "root", LATER)
    user_changes.add_users(found, {"names": ("bob",), "wckeys": ("k2",)}, "root", LATER)
    qos_changes.add_qos(found, {"names": ("high",)}, "root", LATER)
    user_changes.add_users(found, {"names": ("bob",), "wckeys": ("k1",)}, "root", LATER)
    assert found.qos_ids["high"] == number
    assert found.qos[number].priority == 0
    assert found.wckey_ids["ref", "bob", "k1"] == key
    assert len(set(found.qos_ids.values())) == 3

    was = found.clusters["ref"].id
    qos_changes.delete_clusters(found, {"where": {"names": ("ref",)}}, "root", LATER)
    assert {one.name for one in found.deleted.of("clusters")} == {"ref"}
    cluster_changes.add_cluster(found, "c2", "root", LATER)
    cluster_changes.add_cluster(found, "ref", "root", LATER)
    assert found.clusters["ref"].id == was
    assert found.clusters["c2"].id != was
    root = found.assoc("ref", "root")
    assert root is not None
    assert root.id == 1
    assert found.assoc("ref", "chem") is None


def test_the_default_qos_of_somebody_stays() -> None:
    found = books()
    qos_changes.add_qos(found, {"names": ("high",)}, "root", NOW)
    assoc_changes.modify_accounts(
        found, {"where": {"names": ("chem",)}, "limits": {"default_qos": "high", "qos": ("+", ("high",))}}, "root", NOW
    )
    with pytest.raises(SlurmError) as caught:
        qos_changes.delete_qos(found, {"where": {"names": ("high",)}}, "root", LATER)
    assert caught.value.name == "ESLURM_NO_REMOVE_DEFAULT_QOS"
    assert "high" in found.qos_ids


@pytest.fixture
def dbd(tmp_path: Path) -> Any:
    made = Slurmdbd(tmp_path)
    made.start()
    made.register()
    yield made
    made.stop()


def table(dbd: Slurmdbd, text: str) -> list[str]:
    code, out, err = dbd.run(sacctmgr, ["-nP", *text.split()])
    assert (code, err) == (0, "")
    return out.splitlines()


def job(number: int, association: int, **more: Any) -> dict[str, Any]:
    now = int(time.time())
    return {
        "kind": "job_start", "job_id": number, "submit_time": now - 10, "eligible_time": now - 10, "account": "chem",
        "user_id": 0, "user_name": "root", "association_id": association, "partition": "debug", "qos": "high",
        "job_state": 1, "start_time": now - 5, "name": "j", "tres_allocated": "cpu=1,node=1", "nodes": "n1", **more,
    }  # fmt: skip


def test_lists_with_what_was_deleted(dbd: Slurmdbd) -> None:
    for text in ("add account chem", "add user root account=chem", "add qos high", "add account other"):
        assert dbd.run(sacctmgr, ["-i", *text.split()])[0] == 0
    number = dbd.rows("associations", ("id",), {"accounts": ("chem",), "users": ("root",)})[0][0]
    start = job(7, number)
    dbd.call("records", cluster="ref", first_seq=1, items=(start,))
    for words in (("account", "chem"), ("user", "root", "account=chem"), ("cluster", "ref")):
        code, out, err = dbd.run(sacctmgr, ["-i", "delete", *words])
        assert code == 1
        assert "Job(s) active, cancel job(s) before remove" in err
        assert f"  JobID = {7:<10} C = ref        A = chem       U = root" in err
        assert out == ""
    assert table(dbd, "show account chem format=account,flags") == ["chem|None"]

    ended = {**start, "kind": "job_complete", "end_time": int(time.time()), "job_state": 3}
    dbd.call("records", cluster="ref", first_seq=2, items=(ended,))
    for words in (("account", "chem"), ("account", "other"), ("qos", "high")):
        assert dbd.run(sacctmgr, ["-i", "delete", *words])[0] == 0

    dbd.stop()
    dbd.start()
    assert table(dbd, "show account format=account") == ["root"]
    # "other" has had no job and no day
    assert table(dbd, "show account withdeleted format=account,flags") == ["chem|Deleted", "root|None"]
    assert table(dbd, "show assoc withdeleted account=chem format=account,user,lineage,flags") == [
        "chem||/chem/|Deleted",
        "chem|root|/chem/0-root/|Deleted",
    ]
    assert table(dbd, "show assoc account=chem") == []
    assert [row.split("|")[0] for row in table(dbd, "show qos withdeleted")] == ["normal", "high"]
    document = json.loads(dbd.run(sacctmgr, ["--json", "show", "account", "withdeleted"])[1])
    assert [(one["name"], one["flags"]) for one in document["accounts"]] == [("chem", ["DELETED"]), ("root", [])]

    code, out, _ = dbd.run(sacct, ["-aj7", "--json"])
    association = json.loads(out)["jobs"][0]["association"]
    assert (code, association["account"], association["user"], association["id"]) == (0, "chem", "root", number)

    assert dbd.run(sacctmgr, ["-i", "add", "account", "chem"])[0] == 0
    assert table(dbd, "show account withdeleted format=account,flags") == ["chem|None", "root|None"]
    assert table(dbd, "show assoc account=chem format=account,user,flags") == ["chem||None"]


def test_the_log_tells_of_each_removal_in_its_cluster(dbd: Slurmdbd) -> None:
    for text in (
        "add cluster other", "add account chem", "add user bob account=chem", "add user bob wckey=w1",
        "add coordinator account=chem names=bob", "delete coordinator account=chem names=bob", "delete user bob",
    ):  # fmt: skip
        assert dbd.run(sacctmgr, ["-i", *text.split()])[0] == 0, text
    rows = [row.split("|") for row in table(dbd, "show transaction format=action,actor,where,cluster")]
    log = [(action, where, cluster) for action, _, where, cluster in rows if action.startswith("Remove")]
    assert ("Remove Account Coords", "(user='bob') && (acct='chem')", "") in log
    assert ("Remove Account Coords", "(user='bob')", "") in log
    assert ("Remove Users", "name in('bob')", "") in log
    for kind in ("Associations", "WCKeys"):
        assert sorted(cluster for action, _, cluster in log if action == f"Remove {kind}") == ["other", "ref"]


def test_the_log_tells_of_changed_jobs(dbd: Slurmdbd) -> None:
    dbd.call("records", cluster="ref", first_seq=1, items=(job(8, 2),))
    words = ["-i", "modify", "job", "where", "jobid=8", "set", "derivedexitcode=5", "comment=seen"]
    assert dbd.run(sacctmgr, words)[0] == 0
    row = [one for one in table(dbd, "show transaction format=action,where,info,cluster") if "Modify Job" in one]
    index = dbd.rows("jobs", ("db_index",), {"jobs": ((8, None, None),)})[0][0]
    assert row == [f"Modify Job|job_db_inx={index}|derived_ec=5, derived_es='seen'|ref"]
