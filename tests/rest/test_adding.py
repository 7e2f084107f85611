"""accounts_association and users_association: what is added, what is there already, and why nothing is added."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import Rest

pytestmark = pytest.mark.xdist_group("rest")

ACCOUNTS, USERS = "accounts_association", "users_association"


@pytest.fixture(scope="module")
def account(rest: Rest) -> Iterator[str]:
    rest.site.ok("sacctmgr", "-i", "add", "account", "addhere")
    yield "addhere"
    rest.site.ok("sacctmgr", "-i", "delete", "account", "name=addhere")


@pytest.mark.parametrize("version", ["v0.0.40", "v0.0.42", "v0.0.45"])
@pytest.mark.parametrize(
    ("path", "condition", "more", "family"),
    [
        (ACCOUNTS, {"accounts": ["addone"]}, {"account": {"description": "x"}}, "account"),
        (USERS, {"users": ["addtwo"], "accounts": ["addhere"]}, {"user": {}}, "user"),
    ],
)
def test_a_second_time_nothing_is_added(
    rest: Rest, account: str, version: str, path: str, condition: dict[str, Any], more: dict[str, Any], family: str
) -> None:
    base = f"/slurmdb/{version}"
    body = {"association_condition": condition, **more}
    (name,) = condition[f"{family}s"]
    try:
        answer = rest("POST", f"{base}/{path}", body)
        assert (answer.status, answer.document["errors"]) == (200, []), answer.body
        assert f"  {name}\n" in answer.document[f"added_{family}s"]
        answer = rest("POST", f"{base}/{path}", body)
        assert (answer.status, answer.body) == (304, b"")
    finally:
        assert rest("DELETE", f"{base}/{family}/{name}").status == 200


@pytest.mark.parametrize("version", ["v0.0.42", "v0.0.45"])
@pytest.mark.parametrize(
    ("path", "body", "number", "said"),
    [
        (ACCOUNTS, {}, 2162, "Empty list"),
        (
            ACCOUNTS,
            {"association_condition": {"accounts": ["q"], "clusters": ["nosuch"]}},
            7104,
            "Cluster 'nosuch' has not been added yet, please contact your admin before adding accounts to it",
        ),
        (
            ACCOUNTS,
            {"association_condition": {"accounts": ["q"], "association": {"parent": "nosuch"}}},
            2046,
            "No parent account 'nosuch' on cluster '{}'",
        ),
        (USERS, {"association_condition": {"users": ["q"], "accounts": []}, "user": {}}, 9211, ""),
    ],
)
def test_why_nothing_is_added(
    rest: Rest, version: str, path: str, body: dict[str, Any], number: int, said: str
) -> None:
    """The words stand where what was added would, the error has its own."""
    answer = rest("POST", f"/slurmdb/{version}/{path}", body)
    assert answer.errors == [(number, f"_add_{path}")], answer.body
    assert answer.status == (422 if version == "v0.0.45" and number < 9000 else 500)
    kind = path.partition("_")[0]
    assert answer.document[f"added_{kind}"] == said.format(f"site{rest.site.port}")


def test_the_condition_is_demanded(rest: Rest) -> None:
    answer = rest("POST", "/slurmdb/v0.0.42/users_association", {"user": {}})
    assert (answer.status, answer.errors) == (500, [(9200, "#/association_condition/")])


@pytest.mark.parametrize(
    ("path", "body", "number"),
    [
        ("accounts", {"accounts": [{"name": "a,b"}]}, 2045),
        ("users", {"users": [{"name": "a/b"}]}, 2010),
        ("qos", {"qos": [{"name": "a'b"}]}, 2066),
        ("clusters", {"clusters": [{"name": "a|b"}]}, 7104),
    ],
)
def test_names_that_nothing_can_have(rest: Rest, path: str, body: dict[str, Any], number: int) -> None:
    for version, status in (("v0.0.42", 500), ("v0.0.45", 422)):
        answer = rest("POST", f"/slurmdb/{version}/{path}", body)
        assert (answer.status, answer.errors[0][0]) == (status, number), answer.body
