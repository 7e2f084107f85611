"""Rows about fair shares as documents."""

from __future__ import annotations

import math
from typing import Any

from slurmpy.core.records.accounting import SHARES_PARENT
from slurmpy.data_parser import fair_shares, registry


def _row(**values: Any) -> dict[str, Any]:
    row = {
        "id": 1, "account": "root", "user": "", "partition": "", "parent_account": "", "level": 0, "shares_raw": 1,
        "shares_norm": 1.0, "usage_raw": 10, "usage_norm": 0.5, "usage_effective": 0.25, "fairshare": None,
        "level_fs": None,
    }  # fmt: skip
    return row | values


def test_root_accounts_and_users() -> None:
    rows = [
        _row(),
        _row(id=2, account="chem", parent_account="root", level=1, shares_raw=50, shares_norm=0.3, level_fs=2.5),
        _row(id=3, account="chem", user="carol", parent_account="chem", level=2, shares_raw=SHARES_PARENT,
             shares_norm=None, fairshare=0.8, level_fs=math.inf, grp_tres_mins="cpu=2000", tres_run_secs={"mem": 7}),
    ]  # fmt: skip
    root, account, user = (
        registry.get("v0.0.42").dump("assoc_shares_obj_wrap", one)
        for one in fair_shares.documents(rows, "ref", ("cpu", "mem"))
    )
    assert (root["name"], root["parent"], root["shares"]["set"], root["usage_normalized"]["set"]) == (
        "root", "", False, False,
    )  # fmt: skip
    assert root["fairshare"]["level"] == {"set": False, "infinite": False, "number": 0.0}
    assert (account["name"], account["parent"], account["type"]) == ("chem", "root", ["ASSOCIATION"])
    assert account["fairshare"]["level"]["number"] == 2.5
    assert (user["name"], user["parent"], user["type"]) == ("carol", "chem", ["USER"])
    assert user["shares_normalized"]["number"] == 0.3
    assert user["fairshare"]["level"]["infinite"]
    assert [entry["value"]["number"] for entry in user["tres"]["group_minutes"]] == [2000, 0]
    assert [entry["value"]["infinite"] for entry in user["tres"]["group_minutes"]] == [False, True]
    assert [entry["value"]["number"] for entry in user["tres"]["run_seconds"]] == [0, 7]
    assert user["tres"]["usage"] == [{"name": "cpu", "value": 0.0}, {"name": "mem", "value": 0.0}]
