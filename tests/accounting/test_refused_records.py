"""A record that the database never takes is set aside alone, once, and the others go on; on every database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from slurmpy.accounting import refused, schema, storage
from slurmpy.conf import slurmdbd_conf
from slurmpy.core.errors import SlurmError

from .dbd import Slurmdbd, running, start_and_end
from .servers import DATABASES

TABLE = schema.refused_records


@pytest.fixture(params=DATABASES)
def dbd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Slurmdbd]:
    with running(tmp_path, request.param) as daemon:
        daemon.register()
        yield daemon


def engine(dbd: Slurmdbd) -> sa.Engine:
    return storage.connectable(slurmdbd_conf.load(str(dbd.place / "slurmdbd.conf")))


def set_aside(dbd: Slurmdbd) -> list[tuple[int, Any, str]]:
    with engine(dbd).connect() as connection:
        rows = connection.execute(sa.select(TABLE.c.number, TABLE.c.item, TABLE.c.reason).order_by(TABLE.c.id))
        return [(row.number, json.loads(row.item), row.reason) for row in rows]


def send(dbd: Slurmdbd, items: Any, first: int = 1, source: str = "s") -> int:
    return int(dbd.call("records", cluster="ref", source=source, first_seq=first, items=tuple(items))["confirmed"])


def jobs(dbd: Slurmdbd) -> list[tuple[int, int, int]]:
    return sorted(tuple(row) for row in dbd.rows("jobs", ("job_id", "job_state", "end_time"), {"duplicates": True}))


def key(number: int, **more: Any) -> dict[str, Any]:
    return {"job_id": number, "submit_time": 1_700_000_000, **more}


HUGE = 2**63 + 5  # no database's integer, and yet a number of the messages
BAD: list[Any] = [
    {"kind": "job_start", **key(50), "user_id": HUGE},
    {"kind": "job_start", **key(51), "user_id": "root"},
    {"kind": "job_start", "job_id": HUGE, "submit_time": 5, "user_id": 0},
    {"kind": "job_complete", **key(52), "job_state": 3, "end_time": 7, "name": {"a": 1}, "flags": (1, 2)},
    {"kind": "step_complete", **key(1), "step_id": 0, "job_state": 3, "end_time": 7, "user_cpu_usec": HUGE},
    {"kind": "step_complete", **key(1), "step_id": "batch", "job_state": 3, "end_time": 7},
    {"kind": "suspend", **key(1), "start": HUGE},
    {"kind": "node_down", "node": "n" * 300, "start": "soon"},
    {"kind": "node_down", "node": "n1", "start": HUGE},
    {"kind": "reservation", "id": "x", "start_time": 1},
    {"kind": "cluster_tres", "time": 2_000_000_000, "tres": "cpu=many", "nodes": "n1"},
    {"kind": "cluster_tres", "time": 2_000_000_000, "tres": 5, "nodes": "n1"},
    {"kind": "of the future", "job_id": 5},
    {"kind": "job_start"},
    {"kind": ["job_start"]},
    5,
    None,
]  # fmt: skip


def test_a_bad_record_does_not_hold_up_the_others(dbd: Slurmdbd) -> None:
    items: list[Any] = []
    for number, bad in enumerate(BAD, 1):
        items += [*start_and_end(number), bad]
    assert send(dbd, items) == len(items)
    good = [(number, 3, 1_700_000_011) for number in range(1, len(BAD) + 1)]
    assert jobs(dbd) == good
    found = set_aside(dbd)
    assert [(number, item) for number, item, _ in found] == [
        (5 * number, json.loads(json.dumps(bad))) for number, bad in enumerate(BAD, 1)
    ]
    assert all(reason for _, _, reason in found)
    # sent again, as by a slurmctld that had no answer: nothing is written twice
    assert send(dbd, items) == len(items)
    dbd.kill()
    dbd.start()
    assert send(dbd, [*items, *start_and_end(40)]) == len(items) + 4
    assert len(set_aside(dbd)) == len(BAD)
    assert jobs(dbd) == [*good, (40, 3, 1_700_000_011)]
    log = (dbd.place / "slurmdbd.log").read_text()
    assert log.count("is refused and set aside as number") == len(BAD)
    assert "Traceback" not in log
    dbd.rows("events", ("node", "start_time", "tres"), {})
    with engine(dbd).connect() as connection:
        for column in (schema.steps.c.step_id, schema.jobs.c.job_id, schema.jobs.c.user_id):
            assert all(isinstance(value, int) for value in connection.execute(sa.select(column)).scalars())


def test_whoever_can_read_the_database_only_can_read_what_was_set_aside(tmp_path: Path) -> None:
    with running(tmp_path) as dbd:
        dbd.register()
        send(dbd, BAD[:1])
        for path in tmp_path.glob("accounting.db*"):
            assert path.stat().st_mode & 0o077 == 0, path


def test_a_database_that_takes_nothing_has_nothing_set_aside(dbd: Slurmdbd) -> None:
    """A table is missing: that is no record's fault."""
    with engine(dbd).begin() as connection:
        connection.execute(sa.text("ALTER TABLE steps RENAME TO steps_away"))
    items = [*start_and_end(1), *start_and_end(2)]
    for _ in range(2):
        with pytest.raises(SlurmError):
            send(dbd, items)
    assert set_aside(dbd) == []
    with engine(dbd).begin() as connection:
        connection.execute(sa.text("ALTER TABLE steps_away RENAME TO steps"))
    assert send(dbd, items) == 8
    assert jobs(dbd) == [(1, 3, 1_700_000_011), (2, 3, 1_700_000_011)]


def test_when_there_is_no_room_for_more_nothing_is_confirmed(dbd: Slurmdbd) -> None:
    row = {"cluster": "ref", "source": "old", "number": 1, "time": 1, "reason": "", "item": "{}"}
    with engine(dbd).begin() as connection:
        connection.execute(TABLE.insert(), [{**row, "number": number} for number in range(refused.MOST - 1)])
    items = [*start_and_end(1), BAD[0], BAD[1]]
    with pytest.raises(SlurmError, match=r"stand in the table refused_records.*job_start job_id=51"):
        send(dbd, items)
    assert jobs(dbd) == []
    with engine(dbd).begin() as connection:
        connection.execute(TABLE.delete().where(TABLE.c.number == 5))
    assert send(dbd, items) == 6
    assert jobs(dbd) == [(1, 3, 1_700_000_011)]


def test_sizes_and_wckeys_of_records_that_are_known_are_left_alone(dbd: Slurmdbd) -> None:
    small, large = ({"kind": "cluster_tres", "time": 2_000_000_000 + count, "tres": f"cpu={count},mem=10,node=1",
                     "nodes": f"n[1-{count}]"} for count in (2, 3))  # fmt: skip
    keyed = {**start_and_end(1)[0], "wckey": "mine"}
    assert send(dbd, [small, keyed]) == 2
    assert send(dbd, [large], 3) == 3
    dbd.call("delete_users", where={"wckeys": ("mine",), "names": ("root",)})
    assert [row for row in dbd.rows("wckeys", ("name",)) if row[0] == "mine"] == []
    assert send(dbd, [small, keyed, large]) == 3
    assert [row[0] for row in dbd.rows("clusters", ("nodes",))] == ["n[1-3]"]
    assert [row for row in dbd.rows("wckeys", ("name",)) if row[0] == "mine"] == []


@given(st.lists(st.booleans(), max_size=40))
def test_halving_keeps_the_order_and_finds_each(bad: list[bool]) -> None:
    memory = sa.create_engine("sqlite://")
    table = sa.Table("t", sa.MetaData(), sa.Column("number", sa.Integer, primary_key=True))
    written: list[int] = []
    aside: list[int] = []

    def write(items: Any) -> None:
        for number in items:
            connection.execute(table.insert().values(number=number))
            if bad[number]:
                raise ValueError(number)
        written.extend(items)

    with memory.connect() as connection:
        connection.connection.isolation_level = None  # type: ignore[attr-defined]
        connection.exec_driver_sql("BEGIN")
        table.create(connection)
        refused.write_apart(
            connection, list(enumerate(range(len(bad)))), write, lambda numbered, _: aside.append(numbered[0])
        )
        kept = list(connection.execute(sa.select(table.c.number)).scalars())
    assert written == kept == [number for number, wrong in enumerate(bad) if not wrong]
    assert aside == [number for number, wrong in enumerate(bad) if wrong]


def test_an_error_that_is_no_records_fault_goes_up() -> None:
    memory = sa.create_engine("sqlite://")

    def write(_: Any) -> None:
        raise sa.exc.OperationalError("", {}, Exception("database or disk is full"))

    with memory.connect() as connection, pytest.raises(sa.exc.OperationalError):
        refused.write_apart(connection, [(1, 1), (2, 2)], write, lambda *_: pytest.fail("set aside"))


@pytest.mark.parametrize("item", [{"a": (1, b"\xff")}, {(1, 2): 3}, "\udcff\0", {"script": "x" * 5_000_000}])
def test_every_record_has_a_text(item: Any) -> None:
    text = refused.text_of(item)
    assert text.isascii()
    assert len(text) <= refused.ITEM_TEXT
    assert "\n" not in refused.describe(item)
