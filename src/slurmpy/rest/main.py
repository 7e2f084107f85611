"""slurmrestd: Slurm's REST daemon."""

from __future__ import annotations

import getopt
import os
import sys
from typing import Any

from slurmpy.core.errors import SlurmError
from slurmpy.data_parser import registry
from slurmpy.data_parser.envelopes import RELEASE

NAME = "slurmrestd"
AUTH = ("rest_auth/jwt", "rest_auth/local")
FAMILIES = {"openapi/slurmctld": "slurm", "openapi/slurmdbd": "slurmdb", "slurmctld": "slurm", "slurmdbd": "slurmdb"}

#: (letter, long option, argument, what it does); the order is that of the help
OPTIONS: tuple[tuple[str, str, str, str], ...] = (
    ("a", "", "AUTH", "Ways to authenticate: rest_auth/jwt, rest_auth/local, or both with a comma; 'list' shows them."),
    ("d", "", "DATA_PARSER", "Parser versions to serve, separated by commas; 'list' shows them."),
    ("f", "", "FILE", "Read this slurm.conf."),
    ("g", "", "GROUP", "Run as this group (a name or number) once the sockets are open."),
    ("", "generate-openapi-spec", "", "Print the OpenAPI document and exit."),
    ("h", "help", "", "Print this text."),
    ("", "max-connections", "COUNT", "Connections to serve at a time; more are told to come again."),
    ("s", "", "OPENAPI", "Families of endpoints: slurmctld, slurmdbd, or both with a comma; 'list' shows them."),
    ("u", "", "USER", "Run as this user (a name or number) once the sockets are open."),
    ("v", "", "", "Say more; may be repeated."),
    ("V", "version", "", "Print the version."),
)


def usage() -> str:
    lines = [f"Usage: {NAME} [OPTIONS...] [HOST]:PORT|unix:PATH...", ""]
    for letter, long, argument, about in OPTIONS:
        names = ", ".join(([f"-{letter}"] if letter else []) + ([f"--{long}"] if long else []))
        lines.append(f"  {names + (' ' + argument if argument else ''):28}{about}")
    return "\n".join(lines) + "\n"


#: options of the original that have no meaning here -> why
UNSUPPORTED = {
    "-t": "one thread serves all connections",
    "--autocomplete": "the shells' completions come with the package",
}
#: variable -> the option that it stands for
ENVIRONMENT = {
    "SLURMRESTD_AUTH_TYPES": "-a",
    "SLURMRESTD_DATA_PARSER_PLUGINS": "-d",
    "SLURMRESTD_MAX_CONNECTIONS": "--max-connections",
    "SLURMRESTD_OPENAPI_PLUGINS": "-s",
}
#: what serves at a time unless told otherwise
CONNECTIONS = 124


class Fatal(Exception):
    """What keeps the daemon from starting."""


class Settings:
    def __init__(self, argv: list[str]) -> None:
        letters = "".join(letter + (":" if argument else "") for letter, _, argument, _ in OPTIONS if letter) + "t:"
        longs = [long + ("=" if argument else "") for _, long, argument, _ in OPTIONS if long]
        try:
            given, self.listen = getopt.gnu_getopt(argv, letters, [*longs, "autocomplete="])
        except getopt.GetoptError as error:
            raise Fatal(f"{error.msg}\n{usage()}") from None
        self.auth: tuple[str, ...] = AUTH
        self.versions = tuple(registry.VERSIONS)
        self.families: tuple[str, ...] = ("slurm", "slurmdb")
        self.conf = ""
        self.verbose = 0
        self.show = ""
        self.user = self.group = ""
        self.connections = CONNECTIONS
        inherited = [(name, os.environ[variable]) for variable, name in ENVIRONMENT.items() if os.environ.get(variable)]
        for name, value in (*inherited, *given):
            self._take(name, value)

    def _take(self, name: str, value: str) -> None:
        if name == "-a":
            self.auth = self._chosen(value, AUTH, "rest_auth/")
        elif name == "-d":
            self.versions = self._chosen(value, tuple(registry.VERSIONS), "", "data_parser/")
        elif name == "-s":
            self.families = tuple(FAMILIES[one] for one in self._chosen(value, tuple(FAMILIES), ""))
        elif name == "-f":
            self.conf = value
        elif name == "-u":
            self.user = value
        elif name == "-g":
            self.group = value
        elif name == "--max-connections":
            if not value.isdecimal() or not int(value):
                raise Fatal(f"Invalid number of connections: {value}")
            self.connections = int(value)
        elif name in UNSUPPORTED:
            raise Fatal(f"{name} is not supported: {UNSUPPORTED[name]}")
        elif name == "-v":
            self.verbose += 1
        elif name in ("-h", "--help"):
            self.show = usage()
        elif name in ("-V", "--version"):
            self.show = f"slurm {RELEASE}\n"
        else:
            self.show = "openapi"

    def _chosen(self, value: str, known: tuple[str, ...], prefix: str, drop: str = "") -> tuple[str, ...]:
        if value == "list":
            self.show = "".join(f"{drop}{name}\n" for name in known)
            return known
        found = []
        for word in value.split(","):
            name = word.strip().removeprefix(drop) if drop else word.strip()
            if name not in known and prefix + name in known:
                name = prefix + name
            if name not in known:
                raise Fatal(f"Unable to find plugin: {word}")
            found.append(name)
        return tuple(found)


def run(argv: list[str]) -> int:
    """The daemon in the foreground until SIGTERM or SIGINT; the exit code."""
    try:
        settings = Settings(argv)
        if settings.show == "openapi":
            from slurmpy.data_parser import json_text

            from . import openapi

            plugins = [registry.get(version) for version in settings.versions]
            sys.stdout.write(json_text.write(openapi.document(plugins, settings.families)) + "\n")
            return 0
        if settings.show:
            sys.stdout.write(settings.show)
            return 0
        return _serve(settings)
    except (Fatal, SlurmError) as error:
        for detail in getattr(error, "details", ()):
            sys.stderr.write(f"{NAME}: error: {detail}\n")
        sys.stderr.write(f"{NAME}: fatal: {error}\n")
        return 1


def _configuration(path: str) -> Any:
    from slurmpy.conf import locate, slurm_conf

    found = path or locate.find()
    if not found:
        raise Fatal("no slurm.conf: give one with -f or SLURM_CONF")
    return slurm_conf.load(found)


def _sockets(settings: Settings) -> list[Any]:
    """Listening sockets for the operands (or SLURMRESTD_LISTEN's). Raises Fatal."""
    import socket

    wanted = settings.listen or [
        word for word in os.environ.get("SLURMRESTD_LISTEN", "").split(",") if word.strip()
    ]  # fmt: skip
    if not wanted:
        raise Fatal("nothing to listen on: give [HOST]:PORT or unix:PATH")
    found = []
    for word in wanted:
        try:
            if word.startswith("unix:"):
                path = word[5:]
                listener = socket.socket(socket.AF_UNIX)
                if os.path.exists(path):
                    _remove_stale(path)
                mask = os.umask(0o177 if "rest_auth/jwt" not in settings.auth else 0o111)
                try:
                    listener.bind(path)
                finally:
                    os.umask(mask)
            else:
                host, colon, port = word.rpartition(":")
                if not colon or not port.isdecimal():
                    raise Fatal(f"Unable to parse {word}: [HOST]:PORT or unix:PATH")
                if "rest_auth/jwt" not in settings.auth:
                    raise Fatal("rest_auth/local is for unix sockets only")
                family, kind, _, _, address = socket.getaddrinfo(
                    host.strip("[]") or None, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
                )[0]
                listener = socket.socket(family, kind)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(address)
            listener.listen(1024)
            listener.setblocking(False)
        except OSError as error:
            raise Fatal(f"unable to listen on {word}: {error.strerror or error}") from error
        found.append(listener)
    return found


def _remove_stale(path: str) -> None:
    import socket

    probe = socket.socket(socket.AF_UNIX)
    try:
        probe.connect(path)
    except OSError:
        os.unlink(path)
        return
    finally:
        probe.close()
    raise Fatal(f"{path}: another daemon listens there")


def _serve(settings: Settings) -> int:
    import asyncio
    import logging
    import signal

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until the loop listens to it

    import uvicorn

    from slurmpy.rpc.log import log

    from .app import Application
    from .http import Protocol

    conf = _configuration(settings.conf)
    log.name = NAME
    log.set_level(("info", "verbose", "debug", "debug2")[min(settings.verbose, 3)])
    log.open(None, to_stderr=True)
    logging.getLogger("uvicorn").addHandler(logging.NullHandler())  # what is worth telling, the application tells
    sockets = _sockets(settings)
    _become(settings)
    application = Application(conf, settings, _own())
    config = uvicorn.Config(
        application,
        http=Protocol,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=60,
        limit_concurrency=settings.connections,
    )
    paths = [listener.getsockname() for listener in sockets]
    asyncio.run(_until_told(uvicorn.Server(config), sockets))
    for path in paths:
        if isinstance(path, str) and path:
            try:
                os.unlink(path)
            except OSError as error:
                log.error(f"unlink({path}): {error.strerror}")
    return 0


async def _until_told(server: Any, sockets: list[Any]) -> None:
    """Serves until SIGTERM or SIGINT, which end the daemon with code 0."""
    import asyncio
    import signal

    from slurmpy.rpc.log import log

    def stop() -> None:
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    log.info("server listens")
    await server._serve(sockets)
    server.config.app.daemons.close()


def _become(settings: Settings) -> None:
    """Gives up this process's group and user for those that were asked for. Raises Fatal."""
    import grp
    import pwd

    try:
        if settings.group:
            entry = grp.getgrgid(int(settings.group)) if settings.group.isdecimal() else grp.getgrnam(settings.group)
            os.setgroups([])
            os.setgid(entry.gr_gid)
        if settings.user:
            own = pwd.getpwuid(int(settings.user)) if settings.user.isdecimal() else pwd.getpwnam(settings.user)
            if not settings.group:
                os.setgroups([])
                os.setgid(own.pw_gid)
            os.setuid(own.pw_uid)
    except KeyError as error:
        raise Fatal(f"Unable to resolve {error}") from error
    except OSError as error:
        raise Fatal(f"unable to run as {settings.user or 'this user'}: {error.strerror}") from error


def _own() -> tuple[str, str]:
    import grp
    import pwd

    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = str(os.geteuid())
    try:
        group = grp.getgrgid(os.getegid()).gr_name
    except KeyError:
        group = str(os.getegid())
    return user, group


def main() -> None:
    sys.exit(run(sys.argv[1:]))
