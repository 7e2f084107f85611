"""The table slurmdbd.tsv, cell by cell, asked by real users' processes over the unix socket and by token over TCP."""

from __future__ import annotations

import os
import pwd
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slurmpy.accounting import archive_files
from slurmpy.auth import token
from slurmpy.conf import slurm_conf, slurmdbd_conf
from slurmpy.core.errors import SlurmError
from slurmpy.rpc.cluster import Cluster
from slurmpy.rpc.dbd_messages import METHODS
from tests.accounting.dbd import TRES, start_and_end
from tests.e2e.site import free_ports

from .people import COLUMNS, KINDS, People, possible, read_table

TABLE = read_table(Path(__file__).with_name("slurmdbd.tsv"))
pytestmark = pytest.mark.skipif(bool(possible()), reason=possible())

SLURM = """\
ClusterName=ref
SlurmctldHost=ctl(127.0.0.1)
StateSaveLocation={place}/state
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key={place}/jwt.key
CommunicationParameters=socket_dir={run}
SlurmUser={user}
TrackWCKey=yes
NodeName=n[1-5] CPUs=8
PartitionName=debug Nodes=n[1-5] Default=YES
"""
DBD = """\
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={port}
StorageLoc={place}/accounting.db
LogFile={place}/slurmdbd.log
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key={place}/jwt.key
CommunicationParameters=socket_dir={place}/run
SlurmUser={user}
TrackWCKey=yes
{more}
"""
#: rows of these are asked of a slurmdbd that has this set as well
SETTINGS = {
    "private": "PrivateData=accounts,events,jobs,reservations,usage,users",
    "DisableCoordDBD": "DisableCoordDBD=yes",
}


def setting_of(row: str) -> str:
    return next((name for name in SETTINGS if row.startswith(name + ": ")), "")


class Dbd:
    """slurmdbd as root with another SlurmUser, with the books that the table speaks of."""

    def __init__(self, place: Path, people: People, more: str) -> None:
        self.place, self.people, self.people_names = place, people, people.names
        self.port = free_ports(1)[0]
        place.chmod(0o755)
        (place / "state").mkdir()
        names = {"place": place, "port": self.port, "user": people.names["slurm"], "more": more}
        self.unix, self.tcp = str(place / "slurm.conf"), str(place / "tcp" / "slurm.conf")
        (place / "tcp").mkdir()
        Path(self.unix).write_text(SLURM.format(run=place / "run", **names))
        Path(self.tcp).write_text(SLURM.format(run=place / "nothing", **names))
        (place / "slurmdbd.conf").write_text(DBD.format(**names))
        (place / "slurmdbd.conf").chmod(0o600)
        (place / "jwt.key").write_bytes(os.urandom(32))
        (place / "jwt.key").chmod(0o600)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        reader, writer = os.pipe()
        code = "import sys; from slurmpy.accounting.main import run; sys.exit(run(['-D']))"
        environment = {**os.environ, "SLURM_CONF": self.unix, "SLURMPY_READY_FD": str(writer)}
        self.process = subprocess.Popen([sys.executable, "-c", code], env=environment, pass_fds=(writer,))
        os.close(writer)
        assert select.select([reader], [], [], 30)[0]
        assert os.read(reader, 100)
        os.close(reader)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None

    def call(self, method: str, **args: Any) -> Any:
        cluster = Cluster(slurm_conf.load(self.unix), "test")
        try:
            return cluster.slurmdbd.call(method, args)
        finally:
            cluster.slurmdbd.close()

    def fill(self) -> None:
        names = self.people_names
        now = int(time.time())
        self.call("register_controller", cluster="ref", host="127.0.0.1", port=1, tres=TRES, nodes="n[1-5]",
                  tres_types=("gres/gpu",), time=now)  # fmt: skip
        self.call("add_clusters", names=("away",))
        for account, parent in (("top", "root"), ("acct", "top"), ("sub", "acct"), ("far", "root")):
            self.call("add_accounts", names=(account,), parent=parent)
        where = {
            "admin": ("far",), "operator": ("far",), "coord": ("acct",), "parent": ("top",), "elsewhere": ("far",),
            "owner": ("acct", "sub"), "mate": ("acct",), "other": ("far",),
        }  # fmt: skip
        for kind, accounts in where.items():
            wckeys = ("key1", "key2") if kind == "owner" else ()
            self.call("add_users", names=(names[kind],), accounts=accounts, wckeys=wckeys)
        self.call("add_users", names=("both",), accounts=("acct", "far"))
        self.call("modify_users", where={"names": (names["owner"],)}, set={"default_account": "acct"})
        for kind, level in (("admin", "Administrator"), ("operator", "Operator")):
            self.call("modify_users", where={"names": (names[kind],)}, set={"admin_level": level})
        for kind, account in (("coord", "acct"), ("parent", "top"), ("elsewhere", "far")):
            self.call("add_coordinators", accounts=(account,), users=(names[kind],))
        self.call("add_qos", names=("q1",))
        self.call("add_resources", names=("res",), server="s", set={"count": 5})
        self.call("add_federations", names=("fed",))
        owner = pwd.getpwnam(names["owner"])
        associations = self.rows("associations", ("id", "account", "user"))
        own = next(row[0] for row in associations if row[1:] == ("acct", owner.pw_name))
        job = start_and_end(1, now - 600, user_id=owner.pw_uid, user_name=owner.pw_name, account="acct",
                            association_id=own, script="#!/bin/sh\n", environment="A=1\n")  # fmt: skip
        down = {"kind": "node_down", "node": "n1", "start": now - 500, "state": 1, "reason": "r", "user_id": 0}
        self.call("records", cluster="ref", first_seq=1, items=(*job, down))

        empty = archive_files.Writer(
            str(self.place / "empty"), "job_table", "ref", ("db_index", "job_id", "submit_time")
        )
        empty.finish()

    def rows(self, what: str, fields: tuple[str, ...], **where: Any) -> list[Any]:
        cluster = Cluster(slurm_conf.load(self.unix), "test")
        try:
            return cluster.slurmdbd.query(what, fields, where).rows
        finally:
            cluster.slurmdbd.close()

    def state(self) -> Any:
        """All that a refused request must not have changed."""
        cluster = Cluster(slurm_conf.load(self.unix), "test")
        try:
            pictures = []
            for name in ("ref", "away"):
                stream = cluster.slurmdbd.client.stream("assoc_updates", {"cluster": name})
                pictures.append(next(stream))
                stream.close()
                cluster.slurmdbd.close()
            while any(row[0] for row in cluster.slurmdbd.query("clusters", ("control_host",)).rows):
                time.sleep(0.01)  # it learns that the subscriber was no controller that stays
            fields = ("job_id", "comment", "admin_comment", "derived_exit_code", "extra", "wckey", "end_time")
            kinds = ("clusters", "resources", "federations", "events", "transactions")
            return pictures, cluster.slurmdbd.query("jobs", fields, {}).rows, [
                cluster.slurmdbd.query(kind).rows for kind in kinds
            ]  # fmt: skip
        finally:
            cluster.slurmdbd.close()


def request(row: str, names: dict[str, str]) -> tuple[str, dict[str, Any], bool]:
    """(method, arguments, whether its answer is a stream) of a row."""
    owner, mate, coord = names["owner"], names["mate"], names["coord"]
    now = int(time.time())
    stretch = {"start": now - 3600, "end": now, "clusters": ("ref",)}
    setting = setting_of(row)
    text = row.removeprefix(setting + ": ") if setting else row
    method, _, rest = text.partition(" ")
    if setting == "private" and text not in ("usage", "job_sizes", "dump jobs"):
        method, rest = "query", text
    if method in ("query", "dump"):
        what, _, field = rest.partition(": ")
        fields = (field,) if field else ("job_id",) if what == "jobs" else ()
        args: dict[str, Any] = {"what": what, "where": {}}
        if method == "query":
            args["fields"] = fields
        else:
            args |= {"parser": "v0.0.42", "encoding": "json", "meta": {}}
        return method, args, True
    limits = {"max_jobs": 4}
    by_row: dict[str, dict[str, Any]] = {
        "register_controller": {"cluster": "ref", "host": "127.0.0.1", "port": 1, "tres": TRES, "nodes": "n[1-5]",
                                "tres_types": ("gres/gpu",), "time": now},
        "records": {"cluster": "ref", "first_seq": 9, "items": ()},
        "assoc_updates": {"cluster": "ref"},
        "usage": stretch,
        "job_sizes": stretch,
        "add_accounts below acct": {"names": ("x",), "parent": "acct"},
        "add_accounts below far": {"names": ("x",), "parent": "far"},
        "add_accounts at the root": {"names": ("x",)},
        "add_accounts bare": {"names": ("x",), "bare": True, "parent": "acct"},
        "modify_accounts acct: limits": {"where": {"names": ("acct",)}, "limits": limits},
        "modify_accounts sub: limits": {"where": {"names": ("sub",)}, "limits": limits},
        "modify_accounts acct: own QOS": {"where": {"names": ("acct",)}, "limits": {"qos": ("=", ("normal",))}},
        "modify_accounts acct: other QOS": {"where": {"names": ("acct",)}, "limits": {"qos": ("=", ("q1",))}},
        "modify_accounts acct: description": {"where": {"names": ("acct",)}, "set": {"description": "z"}},
        "modify_accounts sub: organization": {"where": {"names": ("sub",)}, "set": {"organization": "z"}},
        "modify_accounts sub: parent top": {"where": {"names": ("sub",)}, "set": {"parent": "top"}},
        "delete_accounts sub": {"where": {"names": ("sub",)}},
        "delete_accounts below acct: associations": {"where": {"parents": ("acct",)}},
        "add_users to acct": {"names": ("x",), "accounts": ("acct",)},
        "add_users to far": {"names": ("x",), "accounts": ("far",)},
        "add_users known user to sub": {"names": (mate,), "accounts": ("sub",)},
        "add_users Operator": {"names": ("x",), "accounts": ("acct",), "admin_level": "Operator"},
        "add_users Administrator": {"names": ("x",), "accounts": ("acct",), "admin_level": "Administrator"},
        "add_users with WCKey": {"names": ("x",), "accounts": ("acct",), "wckeys": ("k",)},
        "add_users to acct, by default far": {"names": ("x",), "accounts": ("acct",), "default_account": "far"},
        "add_users with default WCKey": {"names": ("x",), "accounts": ("acct",), "default_wckey": "k"},
        "add_users to acct: other QOS": {"names": ("x",), "accounts": ("acct",), "limits": {"qos": ("=", ("q1",))}},
        "add_users bare": {"names": ("x",), "bare": True},
        "modify_users mate: limits": {"where": {"names": (mate,), "accounts": ("acct",)}, "limits": limits},
        "modify_users coord: limits": {"where": {"names": (coord,), "accounts": ("acct",)}, "limits": limits},
        "modify_users owner: default account": {"where": {"names": (owner,)}, "set": {"default_account": "sub"}},
        "modify_users owner: default WCKey": {"where": {"names": (owner,)}, "set": {"default_wckey": "key2"}},
        "modify_users owner: default QOS": {"where": {"names": (owner,)}, "limits": {"default_qos": "normal"}},
        "modify_users owner: QOS added": {"where": {"names": (owner,)}, "limits": {"qos": ("+", ("q1",))}},
        "modify_users mate: Operator": {"where": {"names": (mate,)}, "set": {"admin_level": "Operator"}},
        "modify_users mate: Administrator": {"where": {"names": (mate,)}, "set": {"admin_level": "Administrator"}},
        "modify_users operator: None": {"where": {"names": (names["operator"],)}, "set": {"admin_level": "None"}},
        "modify_users in acct and far: limits": {"where": {"names": ("both",)}, "limits": limits},
        "delete_users owner: association": {"where": {"names": (owner,), "accounts": ("sub",)}},
        "delete_users mate": {"where": {"names": (mate,)}},
        "delete_users in acct and far": {"where": {"names": ("both",)}},
        "delete_users Administrator": {"where": {"names": (names["admin"],)}},
        "delete_users owner: WCKey": {"where": {"names": (owner,), "wckeys": ("key2",)}},
        "add_coordinators of sub": {"accounts": ("sub",), "users": (mate,)},
        "add_coordinators of far": {"accounts": ("far",), "users": (mate,)},
        "delete_coordinators of acct": {"accounts": ("acct",), "users": (coord,)},
        "delete_coordinators of top": {"accounts": ("top",), "users": (names["parent"],)},
        "add_clusters": {"names": ("x",)},
        "modify_clusters": {"where": {"names": ("ref",)}, "limits": limits},
        "delete_clusters": {"where": {"names": ("away",)}},
        "add_qos": {"names": ("x",)},
        "change_together a QOS": {"requests": (("add_qos", {"names": ("x",)}, "", {}),)},
        "change_together an account below acct": {
            "requests": (("add_accounts", {"names": ("x",), "parent": "acct"}, "", {}),)
        },
        "modify_qos": {"where": {"names": ("q1",)}, "set": {"priority": 9}},
        "delete_qos": {"where": {"names": ("q1",)}},
        "add_resources": {"names": ("x",), "server": "s", "set": {"count": 5}},
        "modify_resources": {"where": {"names": ("res",)}, "set": {"count": 7}},
        "delete_resources": {"where": {"names": ("res",)}},
        "add_federations": {"names": ("x",)},
        "modify_federations": {"name": "fed", "join": ("away",)},
        "delete_federations": {"names": ("fed",)},
        "delete_wckeys": {"ids": ()},
        "modify_jobs: comment": {"where": {"jobs": ((1, None, None, None),)}, "set": {"comment": "z"}},
        "modify_jobs: derived exit code": {"where": {"jobs": ((1, None, None, None),)},
                                           "set": {"derived_exit_code": 3}},
        "modify_jobs: extra": {"where": {"jobs": ((1, None, None, None),)}, "set": {"extra": "z"}},
        "modify_jobs: admin comment": {"where": {"jobs": ((1, None, None, None),)}, "set": {"admin_comment": "z"}},
        "modify_jobs: WCKey": {"where": {"jobs": ((1, None, None, None),)}, "set": {"wckey": "key1"}},
        "fix_runaway_jobs": {"cluster": "ref", "db_indexes": ()},
        "import_associations": {"cluster": "ref", "requests": (), "tres": ()},
        "import_jobs": {"cluster": "ref", "items": ()},
    }  # fmt: skip
    method = method.rstrip(":")
    return method, by_row.get(text, {}), method in ("assoc_updates", "archive_dump", "archive_load")


def seen(method: str, answer: Any) -> str:
    """ "y", or "0" if nothing is in the answer."""
    if method == "query":
        return "y" if any(part.get("rows") for part in answer) else "0"
    if method == "dump":
        return "y" if b'"job_id"' in b"".join(answer) else "0"
    if method == "usage":
        return "y" if answer["used"] else "0"
    if method.startswith("delete_") and isinstance(answer, dict):
        return "y" if any(answer.values()) or "ids" not in answer else "0"
    return "y"


ERRORS = {"ESLURM_ACCESS_DENIED": "D", "SLURM_NO_CHANGE_IN_DATA": "N", "SLURM_PROTOCOL_AUTHENTICATION_ERROR": "A"}
#: lists that are empty in these books
EMPTY = ("query reservations", "query instances", "private: reservations")


@pytest.fixture(scope="module")
def daemons() -> Iterator[tuple[People, dict[str, Dbd]]]:
    started: list[Dbd] = []
    with tempfile.TemporaryDirectory(prefix="permissions-") as base, People() as people:
        os.chmod(base, 0o755)
        try:
            daemons = {}
            for setting in ("", *SETTINGS):
                place = Path(base, setting or "plain")
                place.mkdir()
                daemon = daemons[setting] = Dbd(place, people, SETTINGS.get(setting, ""))
                started.append(daemon)
                daemon.start()
                daemon.fill()
            people.start(*(path for daemon in started for path in (daemon.unix, daemon.tcp)))
            yield people, daemons
        finally:
            for daemon in started:
                daemon.stop()


def test_every_method_is_in_the_table() -> None:
    people = dict.fromkeys(KINDS, "somebody")
    named = {request(row, people)[0] for row in TABLE}
    assert set(METHODS) - {"sign_hello"} == named, "add a row to slurmdbd.tsv for each way to call a new method"
    assert sum(len(cells) for cells in TABLE.values()) >= 300


@pytest.mark.parametrize("way", ["unix", "jwt"])
@pytest.mark.parametrize("row", TABLE)
def test_row(daemons: tuple[People, dict[str, Dbd]], row: str, way: str) -> None:
    people, by_setting = daemons
    daemon = by_setting[setting_of(row)]
    method, args, stream = request(row, people.names)
    if method == "archive_load":
        args = {"file": str(daemon.place / "empty")}
    conf = daemon.unix if way == "unix" else daemon.tcp
    keys = slurmdbd_conf.load(str(daemon.place / "slurmdbd.conf"))
    before = daemon.state()
    found, wanted = {}, TABLE[row]
    for kind in COLUMNS:
        jwt = token.create(keys, people.names.get(kind, f"nobody-{os.getpid()}")) if way == "jwt" else ""
        if kind == "unknown":
            if way == "unix":
                found[kind] = wanted[kind]  # the kernel knows everybody
                continue
            asker = people.askers["none"]
        else:
            asker = people.askers["root" if way == "jwt" and kind != "root" else kind]
        if method == "shutdown" and wanted[kind] == "y":
            found[kind] = "y"  # test_shutdown
            continue
        # what is allowed is tried without doing it, so that every cell is asked of the same books
        one = args if wanted[kind] != "y" or method in UNCOMMITTED else {**args, "commit": False}
        error, answer = asker.ask(conf, "slurmdbd", method, one, stream, jwt)
        found[kind] = seen(method, answer) if error == "y" else ERRORS.get(error, f"{error}: {answer}")
        if row in EMPTY and found[kind] == "0":
            found[kind] = "y"
    assert found == wanted
    if method not in ("register_controller", "reconfigure"):
        assert daemon.state() == before


UNCOMMITTED = {name for name, role in METHODS.items() if not name.startswith(("add_", "modify_", "delete_", "change_"))}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if TABLE["shutdown"][kind] == "y"])
def test_shutdown(daemons: tuple[People, dict[str, Dbd]], kind: str) -> None:
    people, by_setting = daemons
    daemon = by_setting[""]
    assert people.askers[kind].ask(daemon.unix, "slurmdbd", "shutdown", {})[0] == "y"
    assert daemon.process is not None
    daemon.process.wait(30)
    daemon.start()


def test_only_a_socket_vouches(daemons: tuple[People, dict[str, Dbd]]) -> None:
    people, by_setting = daemons
    daemon = by_setting[""]
    ask = {"host": "h", "time": time.time(), "nonce": b"n" * 24}
    for kind in KINDS:
        error, answer = people.askers[kind].ask(daemon.unix, "slurmdbd", "sign_hello", ask)
        assert (error, answer["uid"]) == ("y", pwd.getpwnam(people.names[kind]).pw_uid)
        jwt = token.create(slurmdbd_conf.load(str(daemon.place / "slurmdbd.conf")), people.names[kind])
        assert people.askers["none"].ask(daemon.tcp, "slurmdbd", "sign_hello", ask, jwt=jwt)[0] == (
            "ESLURM_ACCESS_DENIED"
        )


def test_private_lists_show_what_is_ones_own(daemons: tuple[People, dict[str, Dbd]]) -> None:
    people, by_setting = daemons
    daemon = by_setting["private"]

    def listed(kind: str, what: str, *fields: str) -> set[Any]:
        args = {"what": what, "fields": fields, "where": {}}
        error, answer = people.askers[kind].ask(daemon.unix, "slurmdbd", "query", args, True)
        assert error == "y", answer
        return {row if len(row) > 1 else row[0] for part in answer for row in part.get("rows", ())}

    for kind in ("coord", "parent", "elsewhere", "owner", "mate", "other"):
        assert listed(kind, "users", "name") == {people.names[kind]}
    assert listed("coord", "accounts", "name") == {"acct", "sub"}
    assert listed("parent", "accounts", "name") == {"top", "acct", "sub"}
    owner = people.names["owner"]
    assert listed("owner", "associations", "account", "user") == {("acct", owner), ("sub", owner)}
    below = {("acct", ""), ("sub", ""), ("sub", owner), *(("acct", people.names.get(k, k)) for k in
             ("coord", "owner", "mate", "both"))}  # fmt: skip
    assert listed("coord", "associations", "account", "user") == below
    assert listed("mate", "wckeys", "name") <= {""}


def test_wrong_types_are_errors_and_change_nothing(daemons: tuple[People, dict[str, Dbd]]) -> None:
    people, by_setting = daemons
    daemon = by_setting[""]
    before = daemon.state()
    for args in (
        {"names": 5},
        {"names": (), "where": 7},
        {"where": {"names": 3}, "set": 1},
        {"limits": "x", "set": 2},
        {"where": {"names": "acct"}},
    ):
        for method in METHODS:
            if method.startswith(("modify_", "delete_")):
                for kind in ("root", "coord", "other"):
                    if kind == "root" and method in ("delete_wckeys", "delete_federations", "delete_coordinators"):
                        continue  # they name what they remove: nothing is named here
                    assert people.askers[kind].ask(daemon.unix, "slurmdbd", method, args)[0] != "SLURM_SUCCESS"
    assert people.askers["root"].ask(daemon.unix, "slurmdbd", "ping", {})[0] == "y"
    assert daemon.state() == before
    assert "Traceback" not in (daemon.place / "slurmdbd.log").read_text()


def test_errors_of_the_fixture_are_slurm_errors() -> None:
    for name in ERRORS:
        assert SlurmError(name).number


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ("users: AdminLevel", "modify_users mate: Operator"),
        ("users: default account, default WCKey", "modify_users owner: default account"),
        ("WCKeys: add, remove", "add_users with WCKey"),
        ("clusters, resources: modify", "modify_clusters"),
        ("clusters, resources: modify", "modify_resources"),
        ("clusters, QOS, resources, federations: add, delete", "delete_qos"),
        ("QOS, federations: modify", "modify_qos"),
        ("jobs that are over: admin comment, WCKey", "modify_jobs: admin comment"),
        ("problems, runaway jobs", "fix_runaway_jobs"),
        ("statistics, reconfigure, shutdown", "stats"),
    ],
)
def test_the_page_for_people_says_the_same(line: str, row: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "permissions.md").read_text()
    said = next(text for text in page.splitlines() if text.startswith(f"| {line} |")).split("|")[2:6]
    cells = TABLE[row]
    for kind, text in zip(("admin", "operator", "coord", "owner"), said, strict=True):
        assert text.strip().startswith("yes" if cells[kind] == "y" else "no"), kind
