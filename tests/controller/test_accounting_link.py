"""The spool of records while slurmdbd is away: its bound, what is said of it, and its end."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from slurmpy.controller import accounting_link
from slurmpy.controller.accounting_link import LEAST_MESSAGES, AccountingLink
from slurmpy.controller.control import Controller
from slurmpy.controller.store import Store

from .world import simple


class Conf(SimpleNamespace):
    def words(self, name: str) -> dict[str, str]:
        return dict(word.split("=") for word in str(getattr(self, name) or "").split(",") if word)


def link(size: int, **conf: Any) -> tuple[AccountingLink, list[str]]:
    ended: list[str] = []
    given = {"MaxDBDMsgs": None, "MaxJobCount": 10, "nodes": (), "SlurmctldParameters": None, **conf}
    store = SimpleNamespace(last_seq=size, spool_size=lambda: size)
    ctl: Any = SimpleNamespace(conf=Conf(**given), store=store, stopping=False, failed=lambda: ended.append("exit"))
    made = AccountingLink(ctl)
    made.tried = True  # and slurmdbd was not there
    return made, ended


@pytest.mark.parametrize(
    ("conf", "expected"),
    [
        ({}, LEAST_MESSAGES),
        ({"MaxJobCount": 20_000}, 40_000),
        ({"MaxDBDMsgs": 12_345}, 12_345),
        ({"MaxDBDMsgs": 5}, LEAST_MESSAGES),
    ],
)
def test_how_many_records_may_wait(conf: dict[str, Any], expected: int) -> None:
    made, _ = link(0, **conf)
    assert made._limit == expected


@pytest.mark.parametrize(
    ("size", "action", "told", "ends"),
    [
        (100, None, False, False),
        (6_000, None, True, False),
        (10_000, None, True, False),
        (10_000, "max_dbd_msg_action=discard", True, False),
        (6_000, "max_dbd_msg_action=exit", True, False),
        (10_000, "max_dbd_msg_action=exit", True, True),
    ],
)
def test_a_filling_spool(
    size: int, action: str | None, told: bool, ends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(accounting_link.log, "error", said.append)
    monkeypatch.setattr(accounting_link.log, "fatal", said.append)
    made, ended = link(size, SlurmctldParameters=action)
    made.wake()
    assert [text for text in said if "filling" in text] == (
        [f"slurmdbd: agent queue filling ({size} of 10000), RESTART SLURMDBD NOW"] if told else []
    )
    assert ended == (["exit"] if ends else [])
    made.wake()
    assert len([text for text in said if "filling" in text]) == int(told), "it is not said again for every record"


def test_what_the_spool_is_tidied_with_goes_out_at_once(tmp_path: Path) -> None:
    """A record that a turn is still gathering is written by that commit; the turn's own then finds nothing to write."""
    store = Store(str(tmp_path))
    conf: Any = Conf(MaxDBDMsgs=None, MaxJobCount=10, nodes=(), SlurmctldParameters=None)
    ctl: Any = SimpleNamespace(conf=conf, store=store, stopping=False, failing=False, state=simple(tmp_path))
    ctl.accounting = AccountingLink(ctl)
    store.add_record({"kind": "one"})
    store.commit(ctl.state)
    ctl.accounting._confirmed = store.last_seq
    store.confirm(store.last_seq)
    store.add_record({"kind": "two"})
    Controller.tidy(ctl)
    assert ctl.accounting._more.is_set()
    assert store.spooled(ctl.accounting._confirmed, 10)[2] == [{"kind": "two"}]
