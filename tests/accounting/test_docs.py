"""docs/accounting.md: what it has people type is what works."""

from __future__ import annotations

import re
import secrets
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest

from slurmpy.cli import sacctmgr
from slurmpy.conf import slurm_conf, slurmdbd_conf

from . import servers
from .dbd import Slurmdbd, start_and_end

TEXT = (Path(__file__).parents[2] / "docs/accounting.md").read_text()
SECTIONS = {part.partition("\n")[0]: part for part in re.split(r"^##+ ", TEXT, flags=re.MULTILINE)}


def blocks(section: str, language: str = "") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", SECTIONS[section], re.MULTILINE | re.DOTALL)


def _statements(kind: str, server: Any, statements: list[str]) -> None:
    if kind == "mysql":
        import pymysql

        link: Any = pymysql.connect(unix_socket=f"{server.place}/mysql.sock", user="root")
    else:
        import psycopg

        link = psycopg.connect(
            host=str(server.place), user="slurm", password=servers.PASSWORD, dbname="postgres", autocommit=True
        )
    with link.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    link.close()


@pytest.mark.parametrize("kind", [one for one in servers.DATABASES if one.values[0] != "sqlite"])
def test_a_user_made_as_it_says_is_enough(kind: str, tmp_path: Path) -> None:
    section = {"mysql": "MariaDB", "postgresql": "PostgreSQL"}[kind]
    (sql,), (lines,) = blocks(section, "sql"), blocks(section)
    user, name = f"slurm_{secrets.token_hex(4)}", f"books_{secrets.token_hex(4)}"
    sql = (
        sql.replace("'slurm'@", f"'{user}'@")
        .replace("ROLE slurm", f"ROLE {user}")
        .replace("OWNER slurm", f"OWNER {user}")
    )
    server = servers.shared(kind)
    _statements(kind, server, [one for one in sql.replace("slurm_acct_db", name).split(";") if one.strip()])
    place = f"{server.place}/mysql.sock" if kind == "mysql" else str(server.place)
    lines = (
        lines.replace("=slurm_acct_db", f"={name}").replace("User=slurm", f"User={user}").replace("=db1", f"={place}")
    )
    daemon = Slurmdbd(tmp_path)
    conf = tmp_path / "slurmdbd.conf"
    kept = [line for line in conf.read_text().splitlines(True) if not line.startswith("Storage")]
    conf.write_text("".join(kept) + re.sub(r"^Storage(BackupHost|Parameters)=.*\n", "", lines, flags=re.MULTILINE))
    conf.chmod(0o600)
    daemon.start()
    try:
        assert daemon.run(sacctmgr, ["-nP", "show", "qos", "format=name"])[1] == "normal\n"
    finally:
        daemon.stop()


def test_the_configurations_are_read(tmp_path: Path) -> None:
    first, second = blocks("In five minutes")
    (tmp_path / "slurm.conf").write_text(first + "SlurmctldHost=ctl\nNodeName=n1\nPartitionName=debug Nodes=n1\n")
    assert slurm_conf.load(str(tmp_path / "slurm.conf")).AccountingStorageHost == "db1"
    path = tmp_path / "slurmdbd.conf"
    for text in (second.replace("SlurmUser=slurm", "SlurmUser=root"), *blocks("MariaDB"), *blocks("PostgreSQL"),
                 *blocks("Tokens with a key of slurmdbd's own")):  # fmt: skip
        path.write_text(text)
        path.chmod(0o600)
        assert slurmdbd_conf.load(str(path)).warnings == []


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="sqlite3 is not installed")
def test_a_backup_of_a_running_slurmdbd_is_whole(tmp_path: Path) -> None:
    (command,) = re.findall(r"`(sqlite3 accounting.db [^`]*)`", TEXT)
    daemon = Slurmdbd(tmp_path)
    daemon.start()
    try:
        daemon.register()
        daemon.call("records", cluster="ref", first_seq=1, items=start_and_end(1))
        subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True)
        daemon.call("records", cluster="ref", first_seq=5, items=start_and_end(2))
    finally:
        daemon.stop()
    with sqlite3.connect(tmp_path / "copy.db") as link:
        assert link.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    (tmp_path / "copy.db").replace(tmp_path / "accounting.db")
    for rest in ("-wal", "-shm"):
        (tmp_path / f"accounting.db{rest}").unlink(missing_ok=True)
    daemon.start()
    try:
        assert [row[0] for row in daemon.rows("jobs", ("job_id",))] == [1]
        daemon.call("records", cluster="ref", first_seq=9, items=start_and_end(3))  # slurmctld goes on where it was
        assert sorted(row[0] for row in daemon.rows("jobs", ("job_id",))) == [1, 3]
    finally:
        daemon.stop()
