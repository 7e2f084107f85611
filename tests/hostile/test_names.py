"""Names and conditions that hold anything: they are data, exactly, or one clear error that changes nothing."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from slurmpy.cli import sacct, sacctmgr, sreport
from slurmpy.core.errors import SlurmError
from tests.accounting import dbd
from tests.accounting.servers import DATABASES

from .values import CORE, NUL, VALUES


@pytest.fixture(scope="module", params=DATABASES)
def books(request: pytest.FixtureRequest) -> Iterator[dbd.Slurmdbd]:
    with tempfile.TemporaryDirectory(prefix="hostile-") as base, dbd.running(Path(base), request.param) as daemon:
        daemon.register()
        for words in (("account", "plain", "parent=root"), ("qos", "plainqos"), ("user", "plainuser", "account=plain")):
            code, _, err = daemon.run(sacctmgr, ("-i", "add", *words))
            assert code == 0, err
        daemon.call("records", cluster="ref", first_seq=1, items=dbd.start_and_end(1, name="plain", account="plain",
                                                                                   wckey="plain"))  # fmt: skip
        daemon.hostile = VALUES if request.param == "sqlite" else {label: VALUES[label] for label in CORE}
        yield daemon


LISTS = ("accounts", "users", "qos", "clusters", "coordinators", "wckeys", "resources", "federations", "associations")


def key_of(what: str) -> str:
    return "federation" if what == "federations" else "name"


def picture(books: dbd.Slurmdbd) -> dict[str, Any]:
    named = ("resources", "federations", "users", "accounts", "qos", "clusters")
    names = {what: {row[0] for row in books.rows(what, (key_of(what),))} for what in named}
    return {what: books.rows(what, ()) for what in LISTS} | {
        "names": names,
        "jobs": books.rows("jobs", ("job_id", "name", "comment", "wckey")),
    }


def clean(code: int, err: str, out: str) -> None:
    """What holds of every command: no traceback, no empty refusal, few lines."""
    for text in (err, out):
        assert "Traceback" not in text
        assert "sqlalchemy" not in text.lower()
        assert "syntax error" not in text.lower()
    if code:
        assert (err or out).strip()


#: place: (words that add it, kind of list, field that holds it)
ADDED: dict[str, tuple[Callable[[str], tuple[str, ...]], str, str]] = {
    "account": (lambda v: ("account", f"name={v}"), "accounts", "name"),
    "user": (lambda v: ("user", f"name={v}", "account=plain"), "users", "name"),
    "qos": (lambda v: ("qos", f"name={v}"), "qos", "name"),
    "cluster": (lambda v: ("cluster", f"name={v}"), "clusters", "name"),
    "federation": (lambda v: ("federation", f"name={v}"), "federations", "federation"),
    "resource": (lambda v: ("resource", f"name={v}", "server=s", "count=1", "type=license"), "resources", "name"),
    "server": (lambda v: ("resource", "name=r", f"server={v}", "count=1", "type=license"), "resources", "server"),
    "wckey": (lambda v: ("user", "name=plainuser", f"wckeys={v}"), "wckeys", "name"),
    "description": (lambda v: ("account", "name=new", f"description={v}"), "accounts", "description"),
    "organization": (lambda v: ("account", "name=new", f"organization={v}"), "accounts", "organization"),
}
REMOVE = {
    "federations": "federation",
    "resources": "resource",
    "accounts": "account",
    "users": "user",
    "qos": "qos",
    "clusters": "cluster",
}


#: what sacctmgr makes of a value's text before it is a name
def read_as(value: str) -> set[str]:
    # as real sacctmgr: `add account "o'neill"` makes the account o`neill
    ticks = value.replace("'", "`").replace('"', "`")
    bare = value.strip("\"'")
    forms = {value, value.lower(), bare, bare.lower(), value.strip(), value.replace('"', ""), value.replace("'", "")}
    for part in (
        *value.replace('"', "").replace("'", "").split(","),
        *ticks.split(","),
        *bare.replace("'", "`").split(","),
    ):
        forms |= {part, part.lower(), part.strip(), part.strip().lower(), part.lstrip("+-")}
    return forms


def field(books: dbd.Slurmdbd, what: str, name: str) -> list[str]:
    return sorted(row[0] for row in books.rows(what, (name,)))


@pytest.mark.parametrize("place", ADDED)
def test_added(books: dbd.Slurmdbd, place: str) -> None:
    words, what, name = ADDED[place]
    before, had = picture(books), field(books, what, name)
    for label, value in books.hostile.items():
        code, out, err = books.run(sacctmgr, ("-i", "add", *words(value)))
        clean(code, err, out)
        if code:
            assert picture(books) == before, (label, err)
            continue
        new = list(field(books, what, name))
        for one in had:
            new.remove(one)
        assert set(new) <= read_as(value) | {"new", "slurmdb", "", *(v for v in (value.lower(),))}, (label, new, out)
        code, text, err = books.run(sacctmgr, ("--json", "show", "account" if what == "accounts" else "qos"))
        json.loads(text)
        restore(books, before)
        assert field(books, what, name) == had, label
        before = picture(books)  # what is deleted may have left a trace


def restore(books: dbd.Slurmdbd, before: dict[str, Any]) -> None:
    """Takes away what was added, by exactly its name."""
    for what, had in before["names"].items():
        gone = {row[0] for row in books.rows(what, (key_of(what),))} - had
        for one in gone:
            if what == "federations":
                books.call("delete_federations", names=(one,))
            else:
                books.call(f"delete_{what}", where={"names": (one,)})
    new = [row[:2] for row in books.rows("wckeys", ("cluster", "id", "name")) if row[2] not in ("", "plain")]
    if new:
        books.call("delete_wckeys", ids=tuple(new))


#: conditions of lists: none of these values names anything, so nothing, or everything that the condition cannot narrow
WHERE = (
    ("show", "account", "where", "name={}"),
    ("show", "user", "where", "name={}"),
    ("show", "qos", "where", "name={}"),
    ("show", "cluster", "where", "name={}"),
    ("show", "assoc", "where", "account={}"),
    ("show", "assoc", "where", "user={}"),
    ("show", "wckey", "where", "name={}"),
    ("show", "resource", "where", "name={}"),
    ("show", "event", "where", "node={}"),
    ("show", "reservation", "where", "name={}"),
    ("show", "transaction", "where", "actor={}"),
    ("delete", "account", "where", "name={}"),
    ("delete", "user", "where", "name={}"),
    ("delete", "qos", "where", "name={}"),
    ("delete", "cluster", "where", "name={}"),
    ("modify", "account", "where", "name={}", "set", "description=evil"),
    ("modify", "user", "where", "name={}", "set", "maxjobs=1"),
    ("modify", "qos", "where", "name={}", "set", "priority=9"),
    ("delete", "coordinator", "account={}"),
    ("modify", "job", "where", "jobid={}", "set", "comment=evil"),
)
#: to sacctmgr these are no name at all, or stand for all
NOTHING = ("empty", "spaces", "only comma", "both quotes")


@pytest.mark.parametrize("words", WHERE, ids=" ".join)
def test_conditions(books: dbd.Slurmdbd, words: tuple[str, ...]) -> None:
    before = picture(books)
    for label, value in books.hostile.items():
        if label in NOTHING and words[0] != "show":
            continue
        code, out, err = books.run(sacctmgr, ("-i", "-n", "-P", *(word.replace("{}", value) for word in words)))
        clean(code, err, out)
        assert picture(books) == before, label
        if words[0] == "show" and label not in (*NOTHING, "number", "negative"):
            assert "plain" not in out, (label, out)


JOBS = ("name", "comment", "admin_comment", "wckey", "account", "extra", "reservation_name", "licenses", "constraints",
        "submit_line", "current_working_directory", "partition", "container", "qosreq")  # fmt: skip


@pytest.mark.parametrize("where", ["name", "comment", "wckey", "account", "extra", "submit_line", "admin_comment"])
def test_jobs_of_any_name_are_recorded(books: dbd.Slurmdbd, where: str) -> None:
    """Nothing that a job may be called keeps slurmctld's records from the books; what is stored is exact."""
    values = list({**books.hostile, **NUL}.items())
    first, seq = 1000 * (1 + JOBS.index(where)), 1000 * (1 + JOBS.index(where))
    submit = 1_700_000_000 + first
    for at, (label, value) in enumerate(values):
        items = dbd.start_and_end(first + at, submit, **{"name": "other", where: value})
        answer = books.call("records", cluster="ref", first_seq=seq + 10 * at, items=items)
        assert answer["confirmed"] == seq + 10 * at + len(items) - 1, label
    found = dict(books.rows("jobs", ("job_id", where), {"jobs": tuple((first + at, None, None, None) for at in
                                                                      range(len(values)))}))  # fmt: skip
    for at, (label, value) in enumerate(values):
        assert stored(found[first + at]) == stored(value), (label, found[first + at][:100])
    code, out, err = books.run(sacct, ("--json", "-a", "-S", "2023-01-01", "-E", "now", "-j", f"{first}"))
    clean(code, err, out)
    assert json.loads(out)["jobs"][0]["job_id"] == first


def stored(value: str) -> str:
    """What no database and no document can hold is held as question marks or left out."""
    return "".join(letter for letter in value if letter not in "\0\ufffd?" and not 0xD800 <= ord(letter) < 0xE000)


CONDITIONS = (("-u",), ("-A",), ("--name",), ("-W",), ("-q",), ("-r",), ("-N",), ("-g",), ("-j",), ("-C",))


@pytest.mark.parametrize("option", [one[0] for one in CONDITIONS])
def test_sacct_conditions(books: dbd.Slurmdbd, option: str) -> None:
    for label, value in books.hostile.items():
        code, out, err = books.run(sacct, ("-a", "-n", "-P", "-X", "-S", "2023-01-01", "-o", "jobname", option, value))
        clean(code, err, out)
        if label not in (*NOTHING, *(("number", "negative") if option in ("-u", "-g") else ())):
            assert "plain" not in out.splitlines(), label


@pytest.mark.parametrize("words", [("cluster", "AccountUtilizationByUser", "accounts={}"), ("user", "top", "users={}"),
                                   ("job", "sizesbyaccount", "grouping={}"), ("cluster", "utilization", "clusters={}"),
                                   ("cluster", "wckeyutilizationbyuser", "wckeys={}")])  # fmt: skip
def test_sreport_conditions(books: dbd.Slurmdbd, words: tuple[str, ...]) -> None:
    for value in books.hostile.values():
        code, out, err = books.run(
            sreport, ("-n", "-P", *(word.replace("{}", value) for word in words), "start=2023-01-01")
        )
        clean(code, err, out)


@pytest.mark.parametrize("what", ["accounts", "users", "qos", "clusters", "federations", "resources"])
def test_names_of_the_rpc(books: dbd.Slurmdbd, what: str) -> None:
    """Who speaks to slurmdbd without sacctmgr gets no further."""
    more = {"users": {"accounts": ("plain",)}, "resources": {"server": "s", "set": {"count": 1}}}.get(what, {})
    before = picture(books)
    for label, value in {**books.hostile, **NUL}.items():
        try:
            books.call(f"add_{what}", names=(value,), **more)
        except SlurmError:
            assert picture(books) == before, label
            continue
        key = key_of(what)
        assert value.lower() in {row[0].lower() for row in books.rows(what, (key,))}, label
        restore(books, before)
        before = picture(books)


def test_the_log_is_quiet(books: dbd.Slurmdbd) -> None:
    text = (books.place / "slurmdbd.log").read_text(errors="replace")
    assert "Traceback" not in text
