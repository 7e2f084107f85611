"""What a body sets back to what it is without anybody's word, as Slurm 24.11 does it; and what says nothing."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Rest

pytestmark = pytest.mark.xdist_group("rest")

UNSET: tuple[Any, ...] = ({"set": False, "number": 5}, None)
ENDLESS: tuple[Any, ...] = ({"infinite": True}, -1)
INFINITE = {"set": False, "infinite": True, "number": 0}


def _number(value: Any) -> dict[str, Any]:
    return {"set": True, "infinite": False, "number": value}


def _post(rest: Rest, what: str, record: dict[str, Any]) -> None:
    answer = rest("POST", f"/slurmdb/v0.0.42/{what}/", {what: [record]})
    assert (answer.status, answer.document["errors"]) == (200, []), answer.body


def test_qos(rest: Rest) -> None:
    def change(**more: Any) -> dict[str, Any]:
        _post(rest, "qos", {"name": "backq", **more})
        (found,) = rest("GET", "/slurmdb/v0.0.42/qos/backq").document["qos"]
        return dict(found)

    def per_user(value: Any) -> dict[str, Any]:
        return {"limits": {"max": {"jobs": {"active_jobs": {"per": {"user": value}}}}}}

    def told(found: dict[str, Any]) -> tuple[Any, ...]:
        jobs = found["limits"]["max"]["jobs"]["active_jobs"]["per"]["user"]
        return jobs, found["priority"]["number"], found["usage_factor"]["number"], found["usage_threshold"]

    def all(value: Any) -> dict[str, Any]:
        return {**per_user(value), "priority": value, "usage_factor": value, "usage_threshold": value}

    given = {"priority": _number(7), "usage_factor": _number(0.5), "usage_threshold": _number(0.25)}
    try:
        for value in UNSET:
            assert told(change(**per_user(_number(3)), **given)) == (_number(3), 7, 0.5, _number(0.25))
            assert told(change(**all(value))) == (_number(3), 7, 0.5, _number(0.25))
        for value in ENDLESS:
            assert told(change(**per_user(_number(3)), **given)) == (_number(3), 7, 0.5, _number(0.25))
            assert told(change(**all(value)))[:3] == (INFINITE, 0, 1.0)
        assert told(change(**all(_number(0))))[:3] == (_number(0), 0, 0.0)
        grown = change(limits={"grace_time": 5, "max": {"tres": {"total": [{"type": "cpu", "count": 7}]}}})
        assert (grown["limits"]["grace_time"], grown["limits"]["max"]["tres"]["total"][0]["count"]) == (5, 7)
        assert change(limits={"grace_time": 0})["limits"]["grace_time"] == 0
        assert change(limits={"max": {"tres": {"total": []}}})["limits"]["max"]["tres"]["total"]
        gone = change(limits={"max": {"tres": {"total": [{"type": "cpu", "count": -1}]}}})
        assert gone["limits"]["max"]["tres"]["total"] == []
        found = change(flags=["NO_DECAY"], description="d", preempt={"mode": ["CANCEL"], "exempt_time": _number(9)})
        assert (found["flags"], found["preempt"]["mode"]) == (["NO_DECAY"], ["CANCEL"])
        found = change(flags=[], description="", preempt={"mode": ["DISABLED"], "exempt_time": {"infinite": True}})
        assert (found["flags"], found["preempt"]["mode"], found["description"]) == ([], ["DISABLED"], "")
        assert found["preempt"]["exempt_time"] == INFINITE
    finally:
        rest("DELETE", "/slurmdb/v0.0.42/qos/backq")


def test_accounts_users_and_their_associations(rest: Rest) -> None:
    cluster = rest("GET", "/slurmdb/v0.0.42/clusters").document["clusters"][0]["name"]

    def change(**more: Any) -> dict[str, Any]:
        _post(rest, "associations", {"cluster": cluster, "account": "backa", "user": "", "partition": "", **more})
        found = rest("GET", "/slurmdb/v0.0.42/association/?account=backa").document["associations"]
        return dict(found[0])

    def jobs(value: Any) -> Any:
        return change(max={"jobs": {"active": value}}, priority=value)["max"]["jobs"]["active"]

    def account() -> tuple[str, str]:
        (found,) = rest("GET", "/slurmdb/v0.0.42/account/backa").document["accounts"]
        return found["description"], found["organization"]

    try:
        _post(rest, "accounts", {"name": "backa", "description": "d", "organization": "o"})
        _post(rest, "accounts", {"name": "backa", "description": "x", "organization": "y"})
        assert account() == ("x", "y")  # though it has no association yet
        _post(rest, "accounts", {"name": "backa", "description": "", "organization": "y"})
        assert account() == ("", "y")
        for value in UNSET:
            assert jobs(_number(3)) == _number(3)
            assert jobs(value) == _number(3)
        for value in ENDLESS:
            assert jobs(_number(3)) == _number(3)
            assert jobs(value) == INFINITE
        assert [change(shares_raw=number)["shares_raw"] for number in (5, -1, 1)] == [5, 5, 1]
        assert change(max={"tres": {"total": [{"type": "cpu", "count": 7}]}})["max"]["tres"]["total"][0]["count"] == 7
        assert change(max={"tres": {"total": []}})["max"]["tres"]["total"] == []
        assert [change(default={"qos": name})["default"]["qos"] for name in ("normal", "")] == ["normal", ""]
        for level, then in (("Operator", "Operator"), ("Not Set", "Operator"), ("None", "None")):
            _post(rest, "users", {"name": "backu", "administrator_level": [level]})
            (user,) = rest("GET", "/slurmdb/v0.0.42/user/backu").document["users"]
            assert user["administrator_level"] == [then]
    finally:
        rest("DELETE", "/slurmdb/v0.0.42/user/backu")
        rest("DELETE", "/slurmdb/v0.0.42/account/backa")
