"""Which rows of usage a start and an end ask for, as slurmdbd of 24.11 answers them; and what is in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from slurmpy.accounting import schema, usage_rows
from slurmpy.accounting.periods import DAY, HOUR, MONTH
from slurmpy.accounting.usage_rows import stretch

from .servers import DATABASES, opened
from .zones import zone

DAY0 = 1795824000  # 2026-11-28T00:00:00Z
NOW = DAY0 + 23 * 3600 + 646
H = 3600


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 0, (DAY, DAY0 - 86400, DAY0)),
        (NOW - 7200, 0, (HOUR, DAY0 + 21 * H, DAY0 + 23 * H)),
        (DAY0, 0, (HOUR, DAY0, DAY0 + 23 * H)),
        (0, DAY0, (DAY, DAY0 - 86400, DAY0)),
        (0, NOW, (HOUR, DAY0 - 86400, DAY0 + 23 * H)),
        (DAY0 - 3 * 86400, DAY0, (DAY, DAY0 - 3 * 86400, DAY0)),
        (DAY0 - 3 * 86400, DAY0 - H, (HOUR, DAY0 - 3 * 86400, DAY0 - H)),
        (DAY0 - 3 * H + 60, DAY0 - H + 60, (HOUR, DAY0 - 3 * H, DAY0 - H)),
        (1790812800, 1793491200, (MONTH, 1790812800, 1793491200)),  # October
        (1788220800, 1793491200, (MONTH, 1788220800, 1793491200)),
        (1790812800 + 86400, 1793491200, (DAY, 1790812800 + 86400, 1793491200)),
        (1790812800, DAY0 + 3 * 86400, (HOUR, 1790812800, NOW)),  # an end that is yet to come
        (NOW, NOW - 7200, (HOUR, DAY0 + 21 * H, DAY0 + 23 * H)),  # the wrong way round
        (NOW, 0, (HOUR, DAY0 + 23 * H, DAY0 + 24 * H)),
        (DAY0, DAY0, (HOUR, DAY0, DAY0 + H)),
        (0, DAY0 - 5 * 86400, (HOUR, DAY0 - 86400, DAY0 - 86400 + H)),
        (NOW + 7200, NOW + 14400, (HOUR, DAY0 + 25 * H, DAY0 + 26 * H)),
    ],
)
def test_stretch(start: int, end: int, expected: tuple[int, int, int]) -> None:
    with zone("UTC"):
        assert stretch(start, end, NOW) == expected


@pytest.fixture(params=DATABASES)
def connection(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Connection]:
    """With the usage of two users: anna's with two QOS, bob's in another account."""
    database = opened(request.param, tmp_path)
    found = database.connection()
    names = (("chem", "anna", "key", "normal"), ("chem", "anna", "key", "high"), ("bio", "bob", "", "normal"))
    for number, (account, user, wckey, qos) in enumerate(names, 1):
        values = {"id": number, "cluster": "c", "account": account, "user_name": user, "wckey": wckey, "qos": qos}
        found.execute(schema.usage_names.insert().values(values))
        for period, start in ((HOUR, DAY0), (HOUR, DAY0 + H), (DAY, DAY0)):
            for tres, seconds in (("cpu", 10 * number + period), ("mem", 1000)):
                row = {"period": period, "time_start": start, "name": number, "tres": tres, "seconds": seconds}
                found.execute(schema.usage_by_name.insert().values(row))
    yield found
    database.close()


def _told(connection: sa.Connection, kind: str, period: int, end: int, seen: Any = None, **where: Any) -> list[Any]:
    owners = usage_rows._owners(connection, kind, where, seen)
    return [row for part in usage_rows._rows(connection, owners, period, DAY0, end) for row in part]


@pytest.mark.parametrize("some_names", [0, 200])
def test_rows(connection: sa.Connection, monkeypatch: pytest.MonkeyPatch, some_names: int) -> None:
    monkeypatch.setattr(usage_rows, "_SOME_NAMES", some_names)  # whether SQL or the reader leaves the others out
    monkeypatch.setattr(usage_rows, "CHUNK", 3)
    anna, bob = ("chem", "anna"), ("bio", "bob")
    hour = [("c", bob, DAY0, "cpu", 30), ("c", bob, DAY0, "mem", 1000),
            ("c", anna, DAY0, "cpu", 30), ("c", anna, DAY0, "mem", 2000)]  # fmt: skip
    assert _told(connection, "associations", HOUR, DAY0 + H) == hour
    both = _told(connection, "associations", HOUR, DAY0 + 2 * H)
    assert both == hour + [(cluster, owner, DAY0 + H, *rest) for cluster, owner, _, *rest in hour]
    assert _told(connection, "associations", DAY, DAY0 + 86400, accounts=("bio",)) == [
        ("c", bob, DAY0, "cpu", 31), ("c", bob, DAY0, "mem", 1000),
    ]  # fmt: skip
    assert _told(connection, "associations", MONTH, DAY0 + 86400) == []
    assert _told(connection, "wckeys", HOUR, DAY0 + H, users=("anna",)) == [
        ("c", ("anna", "key"), DAY0, "cpu", 30), ("c", ("anna", "key"), DAY0, "mem", 2000),
    ]  # fmt: skip


def test_what_is_private_is_left_out(connection: sa.Connection) -> None:
    rows = _told(connection, "associations", HOUR, DAY0 + H, lambda account, user: user == "bob")
    assert {owner for _, owner, *_ in rows} == {("bio", "bob")}
    assert _told(connection, "associations", HOUR, DAY0 + H, lambda account, user: False) == []
