"""Database servers of the tests' own: on a private socket, with a private data folder, no TCP.

`DATABASES` are the parameters of a fixture that is to run on every kind of database; `storage_lines(kind, place)` the
lines of slurmdbd.conf for one of them. A server is started when the first test asks for it, in the one worker that runs
the tests of its kind, and ends with that worker's session.
"""

from __future__ import annotations

import atexit
import glob
import os
import secrets
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from slurmpy.accounting.database import Database
from slurmpy.conf import slurmdbd_conf

#: not root, which PostgreSQL refuses to run as
OWNER = "nobody"
PASSWORD = secrets.token_hex(8)


def _path() -> str:
    return os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin:/usr/libexec"


class Server:
    """A server's life: `start` returns when it answers, `kill` is a crash, `stop` an orderly end."""

    kind = ""
    ready = b""
    stop_signal = signal.SIGTERM

    def __init__(self) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="slurmpy-db-"))
        self.process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            shutil.chown(self.place, OWNER)
        self.place.chmod(0o755)
        self.make()

    @classmethod
    def missing(cls) -> str:
        """Why it cannot run here; nothing if it can."""
        raise NotImplementedError

    def make(self) -> None:
        raise NotImplementedError

    def command(self) -> list[str]:
        raise NotImplementedError

    def _run(self, *argv: str, stdin: str = "") -> None:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, cwd=self.place, user=self._user())
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"

    @staticmethod
    def _user() -> str | None:
        return OWNER if os.geteuid() == 0 else None

    def start(self) -> None:
        assert self.process is None
        log = self.place / "server.log"
        with log.open("ab") as out:
            begin = out.tell()
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.place, user=self._user()
            )
        said = b""
        with log.open("rb") as lines:
            lines.seek(begin)
            while self.ready not in said:
                assert self.process.poll() is None, (said + lines.read()).decode()
                line = lines.readline()
                said += line
                if not line:
                    time.sleep(0.01)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
            self.after_kill()

    def after_kill(self) -> None:
        """What outlives the process that was killed."""

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(self.stop_signal)
            self.process.wait(60)
            self.process = None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.place, ignore_errors=True)


# What both have committed is with the kernel, not yet on the disk: it is processes that tests kill, not machines.


class MariaDb(Server):
    kind = "mysql"
    ready = b"ready for connections"

    @classmethod
    def missing(cls) -> str:
        return "" if shutil.which("mariadbd", path=_path()) else "mariadbd (Debian's mariadb-server) is not installed"

    def make(self) -> None:
        install = shutil.which("mariadb-install-db", path=_path())
        assert install is not None
        self._run(
            install, "--no-defaults", f"--datadir={self.place}/data", "--skip-test-db", "--skip-name-resolve",
            "--auth-root-authentication-method=normal", "--innodb-use-native-aio=0", f"--tmpdir={self.place}",
        )  # fmt: skip
        (self.place / "first.sql").write_text(
            f"CREATE USER slurm@localhost IDENTIFIED BY '{PASSWORD}';\nGRANT ALL ON *.* TO slurm@localhost;\n"
        )

    def command(self) -> list[str]:
        daemon = shutil.which("mariadbd", path=_path())
        assert daemon is not None
        first = self.place / "first.sql"
        once = [f"--init-file={first}"] if first.exists() and not (self.place / "made").exists() else []
        (self.place / "made").touch()
        return [
            daemon, "--no-defaults", f"--datadir={self.place}/data", f"--socket={self.place}/mysql.sock",
            f"--pid-file={self.place}/pid", "--skip-networking", "--innodb-buffer-pool-size=64M",
            "--innodb-log-file-size=32M", "--performance-schema=OFF", f"--tmpdir={self.place}",
            "--innodb-use-native-aio=0", "--innodb-flush-log-at-trx-commit=2", *once,
        ]  # fmt: skip

    def lines(self, database: str) -> str:
        return (
            f"StorageType=accounting_storage/mysql\nStorageHost={self.place}/mysql.sock\nStorageUser=slurm\n"
            f"StoragePass={PASSWORD}\nStorageLoc={database}\n"
        )


class PostgreSql(Server):
    kind = "postgresql"
    ready = b"ready to accept connections"
    stop_signal = signal.SIGINT  # without waiting for those who are connected

    @classmethod
    def _bin(cls) -> str:
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[4].split(".")[0]))
        return found[-1] if found else os.path.dirname(shutil.which("postgres") or "")

    @classmethod
    def missing(cls) -> str:
        return "" if cls._bin() else "postgres (Debian's postgresql) is not installed"

    def make(self) -> None:
        word = self.place / "word"
        word.write_text(PASSWORD + "\n")
        if os.geteuid() == 0:
            shutil.chown(word, OWNER)
        self._run(
            f"{self._bin()}/initdb", "-D", f"{self.place}/data", "-U", "slurm", "-A", "scram-sha-256",
            f"--pwfile={word}", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
        )  # fmt: skip

    def command(self) -> list[str]:
        return [
            f"{self._bin()}/postgres", "-D", f"{self.place}/data", "-k", str(self.place),
            "-c", "listen_addresses=", "-c", "shared_buffers=32MB", "-c", "max_connections=40", "-c", "fsync=off",
        ]  # fmt: skip

    def after_kill(self) -> None:
        # its children hold on to its memory until they notice, and a new server would not start over them
        for path in glob.glob("/proc/[0-9]*/cwd"):
            try:
                if os.readlink(path) == f"{self.place}/data":
                    pid = os.pidfd_open(int(path.split("/")[2]))
                    signal.pidfd_send_signal(pid, signal.SIGKILL)
                    select.select([pid], [], [], 10)
                    os.close(pid)
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue

    def lines(self, database: str) -> str:
        return (
            f"StorageType=accounting_storage/postgresql\nStorageHost={self.place}\nStorageUser=slurm\n"
            f"StoragePass={PASSWORD}\nStorageLoc={database}\n"
        )


KINDS: dict[str, type[MariaDb] | type[PostgreSql]] = {"mysql": MariaDb, "postgresql": PostgreSql}

DATABASES = [
    pytest.param("sqlite"),
    *(
        pytest.param(
            kind,
            marks=[
                pytest.mark.xdist_group(kind),
                pytest.mark.skipif(bool(KINDS[kind].missing()), reason=KINDS[kind].missing() or "it is there"),
            ],
        )
        for kind in KINDS
    ),
]

_shared: dict[str, MariaDb | PostgreSql] = {}


def own(kind: str) -> MariaDb | PostgreSql:
    """A server for a test that stops or kills it; the test closes it."""
    made = KINDS[kind]()
    atexit.register(made.close)
    made.start()
    return made


def shared(kind: str) -> MariaDb | PostgreSql:
    found = _shared.get(kind)
    if found is None:
        found = _shared[kind] = own(kind)
    return found


def opened(kind: str, place: Path) -> Database:
    """A database that nobody has used yet, without a daemon."""
    path = place / "slurmdbd.conf"
    path.write_text(f"DbdHost=localhost\n{storage_lines(kind, place)}")
    path.chmod(0o600)
    database = Database(slurmdbd_conf.load(str(path)))
    database.open()
    return database


def storage_lines(kind: str, place: Path, server: MariaDb | PostgreSql | None = None) -> str:
    """The lines of slurmdbd.conf for a database that nobody has used yet."""
    if kind == "sqlite":
        return f"StorageLoc={place}/accounting.db\n"
    return (server or shared(kind)).lines(f"slurm_{secrets.token_hex(6)}")
