"""What one cluster's slurmrestd tells of its database can be given to another's: list by list, and as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.site import Site

from .conftest import Rest, serving

pytestmark = pytest.mark.xdist_group("rest")

#: list in a configuration: the path that takes it, what stands for a record there
LISTS = {
    "clusters": ("clusters", ("name",)),
    "qos": ("qos", ("name",)),
    "accounts": ("accounts", ("name",)),
    "users": ("users", ("name",)),
    "associations": ("associations", ("cluster", "account", "user", "partition")),
    "wckeys": ("wckeys", ("cluster", "user", "name")),
}


@pytest.fixture(scope="module")
def filled(rest: Rest) -> Iterator[str]:
    """The first cluster's name; its books hold something of everything."""
    site = rest.site
    for words in (
        "add qos lowq description=low priority=3 grptres=cpu=16 maxwall=60 flags=DenyOnLimit usagefactor=0.5",
        "add qos highq description=high priority=30 preempt=lowq preemptmode=cancel maxjobspu=4 gracetime=9",
        "add qos aboveq preempt=highq,lowq",
        "modify qos lowq set preempt=normal",
        "add account top description=d1 organization=o1 fairshare=5 grpjobs=50 qos=lowq,highq",
        "add account below parent=top description=d2 organization=o2 maxtresperjob=cpu=4,mem=100",
        "add user loadone account=below,top defaultaccount=below fairshare=7 maxjobs=3 adminlevel=operator",
        "add user loadtwo account=top partition=debug maxwall=30",
        "add coordinator account=top names=loadone",
        "modify user where name=loadone account=top set defaultqos=highq",
        "add user loadone wckey=keyone",
    ):
        site.ok("sacctmgr", "-i", *words.split())
    clusters = rest("GET", "/slurmdb/v0.0.42/clusters").document["clusters"]
    yield str(clusters[0]["name"])
    site.ok("sacctmgr", "-i", "delete", "user", "name=loadone,loadtwo")
    site.ok("sacctmgr", "-i", "delete", "account", "name=below,top")
    site.ok("sacctmgr", "-i", "delete", "qos", "name=aboveq,highq,lowq")


@pytest.fixture
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rest]:
    """Another cluster with books of its own."""
    with serving(Site(tmp_path_factory.mktemp("other"))) as daemon:
        yield daemon


def _key(version: str, name: str) -> str:
    return "QOS" if version < "v0.0.40" and name == "qos" else name


#: numbers that each database gives out
OWN = ("id", "lineage")


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _bare(item) for key, item in value.items() if key not in OWN}
    return [_bare(item) for item in value] if isinstance(value, list) else value


def _by_name(version: str, name: str, document: dict[str, Any], cluster: str) -> dict[Any, Any]:
    """The records of a list that concern the cluster, by what stands for each."""
    keys = LISTS[name][1]
    found = {}
    for record in document[_key(version, name)]:
        if record.get("cluster", cluster) != cluster or (name == "clusters" and record["name"] != cluster):
            continue
        for part in ("associations", "wckeys"):
            if isinstance(record.get(part), list):
                mine = [_bare(one) for one in record[part] if one["cluster"] == cluster]
                record[part] = sorted(mine, key=lambda one: sorted(map(str, one.values())))
        found[tuple(record[key] for key in keys)] = _bare(record)
    return found


def _compare(version: str, cluster: str, told: dict[str, Any], loaded: dict[str, Any]) -> None:
    for name in LISTS:
        ours, theirs = (_by_name(version, name, one, cluster) for one in (told, loaded))
        assert set(ours) <= set(theirs), name
        for key, record in ours.items():
            if key in (("root",), ("normal",)) or name == "clusters":
                continue  # there before; of a cluster the rest is what its slurmctld registers
            assert theirs[key] == record, (name, key)


@pytest.mark.parametrize("version", ["v0.0.38", "v0.0.42"])
def test_a_whole_configuration(rest: Rest, other: Rest, filled: str, version: str) -> None:
    told = rest("GET", f"/slurmdb/{version}/config")
    assert told.status == 200
    for _ in range(2):  # what is there already stays as it is
        answer = other("POST", f"/slurmdb/{version}/config", told.document)
        assert (answer.status, answer.document["errors"]) == (200, []), answer.body.decode()
        loaded = other("GET", f"/slurmdb/{version}/config")
        _compare(version, filled, told.document, loaded.document)


@pytest.mark.parametrize("version", ["v0.0.38", "v0.0.42"])
def test_list_by_list(rest: Rest, other: Rest, filled: str, version: str) -> None:
    told = rest("GET", f"/slurmdb/{version}/config").document
    for name, (path, _) in LISTS.items():
        answer = other("POST", f"/slurmdb/{version}/{path}", {_key(version, name): told[_key(version, name)]})
        assert (answer.status, answer.document["errors"]) == (200, []), (name, answer.body.decode())
    loaded = other("GET", f"/slurmdb/{version}/config").document
    for one in (told, loaded):  # coordinators go with a whole configuration only, as they need accounts and users
        for record in (*one["accounts"], *one["users"]):
            record["coordinators"] = []
    _compare(version, filled, told, loaded)


def _names(rest: Rest) -> dict[str, list[str]]:
    document = rest("GET", "/slurmdb/v0.0.42/config").document
    return {kind: sorted(one["name"] for one in document[kind]) for kind in ("accounts", "users", "qos")}


def test_a_configuration_is_loaded_whole_or_not_at_all(rest: Rest) -> None:
    """What is wrong comes last, after much that could be done."""
    cluster = rest("GET", "/slurmdb/v0.0.42/clusters").document["clusters"][0]["name"]
    before = _names(rest)

    def place(**more: Any) -> dict[str, Any]:
        return {"cluster": cluster, "partition": "", "user": "", **more}

    body: dict[str, Any] = {
        "qos": [{"name": "wholeq", "description": "w"}],
        "accounts": [{"name": "whole", "description": "w", "organization": "o"}],
        "users": [{"name": "wholeone"}],
        "associations": [place(account="whole"), place(account="whole", user="wholeone", is_default=True)],
        "wckeys": [],
    }
    wrong = {**body, "associations": [*body["associations"], place(account="wholetwo", parent_account="nosuch")]}
    answer = rest("POST", "/slurmdb/v0.0.42/config", wrong)
    (error,) = answer.document["errors"]
    assert answer.status == 500
    assert error["source"] == "_foreach_update_assoc"
    assert _names(rest) == before

    def oldest(one: dict[str, Any]) -> dict[str, Any]:
        return {"clusters": [], **one, "QOS": one["qos"]}

    assert rest("POST", "/slurmdb/v0.0.38/config", oldest(wrong)).status in (400, 500)
    assert _names(rest) == before
    try:
        for load in (("v0.0.42", body), ("v0.0.38", oldest(body)), ("v0.0.42", body)):  # and again, to no effect
            answer = rest("POST", f"/slurmdb/{load[0]}/config", load[1])
            assert (answer.status, answer.document["errors"]) == (200, []), answer.body
        found = rest("GET", "/slurmdb/v0.0.42/association/?account=whole&user=wholeone").document["associations"]
        assert [one["account"] for one in found] == ["whole"]
    finally:
        for path in ("user/wholeone", "account/whole", "qos/wholeq"):
            rest("DELETE", f"/slurmdb/v0.0.42/{path}")
    assert _names(rest) == before


def test_together_is_no_way_around_what_one_may(rest: Rest) -> None:
    body = {"qos": [{"name": "sly"}], "accounts": [], "users": [{"name": "sly", "administrator_level": ["Operator"]}]}
    for part in ("qos", "users"):
        answer = rest("POST", "/slurmdb/v0.0.42/config", {part: body[part]}, user="nobody")
        assert [error["error_number"] for error in answer.document["errors"]] == [2002]
    assert "sly" not in str(_names(rest))
