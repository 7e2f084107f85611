"""``slurmdbd``: the daemon of the accounting database."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from slurmpy.core.errors import SlurmError

if TYPE_CHECKING:
    from slurmpy.rpc.daemon import Daemon

USAGE = """\
Usage: slurmdbd [OPTIONS]
  -D         stay in the foreground, log to standard error as well
  -f FILE    read this slurmdbd.conf
  -h         show this help
  -n VALUE   run at this nice value
  -s         change to the directory of the log file (or /var/tmp) when in the background
  -u         say whether the database is in order or would be upgraded (exit code 1), then exit
  -v         log more; several times for more
  -V         show the release of Slurm
"""


class _Options:
    def __init__(self) -> None:
        self.foreground = False
        self.check = False
        self.change_directory = False
        self.path = ""
        self.nice = 0
        self.verbose = 0


def parse(argv: list[str]) -> _Options | int:
    """The options, or the exit code when there is nothing left to do."""
    import getopt

    from slurmpy import SLURM_VERSION

    options = _Options()
    try:
        given, rest = getopt.getopt(argv, "Df:hn:suvV", ["help", "version"])
    except getopt.GetoptError as error:
        sys.stderr.write(f"slurmdbd: {error.msg}\n{USAGE}")
        return 1
    if rest:
        sys.stderr.write(USAGE)
        return 1
    for name, value in given:
        if name in ("-V", "--version"):
            sys.stdout.write(f"slurm {SLURM_VERSION}\n")
            return 0
        if name in ("-h", "--help"):
            sys.stderr.write(USAGE)
            return 1
        if name == "-D":
            options.foreground = True
        elif name == "-f":
            options.path = value
        elif name == "-n":
            try:
                options.nice = int(value)
            except ValueError:
                sys.stderr.write(f"slurmdbd: error: Invalid option for -n option (nice value), ignored: {value}\n")
                return 1
        elif name == "-s":
            options.change_directory = True
        elif name == "-u":
            options.check = True
        elif name == "-v":
            options.verbose += 1
    return options


def conf_path() -> str:
    """slurmdbd.conf beside the slurm.conf that SLURM_CONF names, else the system's."""
    beside = os.environ.get("SLURM_CONF")
    return os.path.join(os.path.dirname(beside) if beside else "/etc/slurm", "slurmdbd.conf")


def _level(conf: Any, verbose: int) -> int:
    from slurmpy.rpc.log import LEVELS

    text = str(getattr(conf, "DebugLevel", "") or "info").lower()
    number = int(text) if text.isdigit() else LEVELS.index(text) if text in LEVELS else LEVELS.index("info")
    return min(max(number, LEVELS.index("info") if verbose else 0) + verbose, len(LEVELS) - 1)


async def serve(daemon: Daemon, conf: Any, verbose: int = 0) -> None:
    """Listens, opens the database behind that, and serves until the daemon is stopped."""
    import asyncio

    from slurmpy import SLURM_VERSION
    from slurmpy.auth import key
    from slurmpy.conf import run_dir
    from slurmpy.rpc import dbd_messages
    from slurmpy.rpc.log import log
    from slurmpy.rpc.server import Server

    from .service import Service

    key.load(conf, create=True)
    service = Service(conf, daemon.stop, daemon.fail)
    server = Server(service.handlers(), dbd_messages.METHODS, conf, "slurmdbd", service.level, refusals={})
    server.levels_known = service.ready

    def take(fresh: Any) -> None:
        server.set_conf(fresh)
        log.set_level(_level(fresh, verbose))

    def hangup() -> None:
        try:
            service.reconfigure()
        except SlurmError as error:
            log.error(f"{conf.path}: {error.message}")

    service.on_conf = take
    daemon.on_hangup = hangup
    for name in conf.warnings:
        log.info(f"{conf.path}: {name} is not used")
    path = run_dir.slurmdbd_socket(conf, conf.path)
    run_dir.make(os.path.dirname(path))
    host = str(getattr(conf, "DbdAddr", "") or "")
    tcp = None if run_dir.without_tcp(conf) else (host, int(conf.DbdPort))
    await server.listen(unix_path=path, tcp=tcp)
    log.info(f"slurmdbd version {SLURM_VERSION} started")
    daemon.serving()
    stopping = asyncio.ensure_future(daemon.stopped())
    opening = asyncio.ensure_future(service.open())
    try:
        await asyncio.wait((stopping, opening), return_when=asyncio.FIRST_COMPLETED)
        if opening.done():
            opening.result()
        await stopping
    finally:
        stopping.cancel()
        await server.close()
        if not opening.done():
            opening.cancel()
        await service.close()


def _check(conf: Any) -> int:
    """``slurmdbd -u``: nothing is changed. 0: in order or still to be made, 1: an upgrade is due, or an error."""
    from .database import SCHEMA_VERSION, Database

    database = Database(conf)
    database.check()
    found = database.version() if database.path is None or os.path.exists(database.path) else 0
    if found is None:
        raise SlurmError("SLURM_ERROR", "the database is none of slurmdbd's")
    if found > SCHEMA_VERSION:
        raise SlurmError("SLURM_ERROR", f"the database has schema {found}, newer than this release's {SCHEMA_VERSION}")
    if found == 0:
        sys.stdout.write("slurmdbd: the database has no tables yet; they are made at the start\n")
    elif found < SCHEMA_VERSION:
        sys.stdout.write(f"slurmdbd: the start brings the database from schema {found} to {SCHEMA_VERSION}\n")
        return 1
    else:
        sys.stdout.write("slurmdbd: the database is in order\n")
    return 0


def run(argv: list[str]) -> int:
    options = parse(argv)
    if isinstance(options, int):
        return options
    from slurmpy.auth import token
    from slurmpy.conf import slurmdbd_conf
    from slurmpy.rpc.daemon import Daemon, refuse

    from . import archive_files
    from .database import Database

    try:
        conf = slurmdbd_conf.load(options.path or conf_path())
        token.check(conf)
        archive_files.check_settings(conf)
        if options.check:
            return _check(conf)
        Database(conf).check()
    except (SlurmError, OSError) as error:
        return refuse("slurmdbd", error)
    if options.nice:
        os.nice(options.nice)
    daemon = Daemon(
        "slurmdbd",
        log_file=str(conf.LogFile or "") or None,
        pid_file=str(conf.PidFile or "") or None,
        foreground=options.foreground,
        level=_level(conf, options.verbose),
    )

    async def main_task(running: Daemon) -> None:
        if options.change_directory and not options.foreground:
            os.chdir(os.path.dirname(conf.LogFile) if conf.LogFile else "/var/tmp")  # noqa: S108 - Slurm's place
        await serve(running, conf, options.verbose)

    return daemon.run(main_task)


def main() -> None:
    sys.exit(run(sys.argv[1:]))
