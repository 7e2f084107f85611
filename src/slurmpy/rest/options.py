"""slurmrestd's options and variables, as tables, and what they come to."""

from __future__ import annotations

import getopt
import os
from collections.abc import Mapping

from slurmpy.data_parser import parser_flags, registry
from slurmpy.data_parser.envelopes import RELEASE
from slurmpy.rpc.log import LEVELS

NAME = "slurmrestd"
AUTH = ("rest_auth/local", "rest_auth/jwt")
FAMILIES = {"openapi/slurmctld": "slurm", "openapi/slurmdbd": "slurmdb", "openapi/util": "util"}

#: (letter, long option, argument, what it does); the order is that of the help
OPTIONS: tuple[tuple[str, str, str, str], ...] = (
    ("a", "", "AUTH", "Ways to authenticate: rest_auth/jwt, rest_auth/local, or both with a comma; 'list' shows them."),
    (
        "d",
        "",
        "DATA_PARSER",
        "Parser versions to serve, with commas between, flags behind (+fast); or 'list', 'latest'.",
    ),
    ("f", "", "FILE", "Read this slurm.conf."),
    ("g", "", "GROUP", "Run as this group (a name or number) once the sockets are open."),
    ("", "generate-openapi-spec", "", "Print the OpenAPI document and exit."),
    ("h", "help", "", "Print this text."),
    ("", "max-connections", "COUNT", "Connections to work on at a time (124); the others wait for their turn."),
    ("s", "", "OPENAPI", "Families of endpoints: slurmctld, slurmdbd, util, with commas between; 'list' shows them."),
    ("t", "", "COUNT", "Requests to work on at a time (20); all are served by one thread."),
    ("u", "", "USER", "Run as this user (a name or number) once the sockets are open."),
    ("v", "", "", "Say more; may be repeated."),
    ("V", "version", "", "Print the version."),
)

#: options of the original that have no meaning here -> why
UNSUPPORTED = {"--autocomplete": "the shells' completions come with the package"}
#: variable -> the option that it stands for
ENVIRONMENT = {
    "SLURMRESTD_AUTH_TYPES": "-a",
    "SLURMRESTD_DATA_PARSER_PLUGINS": "-d",
    "SLURMRESTD_MAX_CONNECTIONS": "--max-connections",
    "SLURMRESTD_OPENAPI_PLUGINS": "-s",
}
#: variable -> what it does, of those that stand for no option
VARIABLES = {
    "ABORT_ON_FATAL": "When set, what keeps the daemon from starting ends it by abort(3), not exit(3).",
    "SLURM_CONF": "The slurm.conf to read.",
    "SLURM_DEBUG_FLAGS": "DebugFlags, instead of those in slurm.conf; with Network each request is told.",
    "SLURMRESTD_DEBUG": "How much to say, 0 to 9 or by name (info, verbose, debug ...), unless -v is given.",
    "SLURMRESTD_JSON": "compact: answers in JSON without a blank; pretty (the default): indented.",
    "SLURMRESTD_LISTEN": "Where to listen, separated by commas, unless operands tell.",
    "SLURMRESTD_SECURITY": "Words, separated by commas: become_user, disable_unshare_files, disable_unshare_sysv, "
    "disable_user_check.",
    "SLURMRESTD_RESPONSE_STATUS_CODES": "The statuses of which the OpenAPI document tells, separated by commas "
    "(200,default).",
    "SLURMRESTD_YAML": "compact or pretty (the default), which are the same, as in Slurm.",
}
SECURITY = ("become_user", "disable_unshare_files", "disable_unshare_sysv", "disable_user_check")

CONNECTIONS, THREADS = 124, 20
STATUSES = "200,default"
MOST = 0x7FFFFFFF


class Fatal(Exception):
    """What keeps the daemon from starting."""


def _status(word: str) -> str:
    if word != "default" and not (word.isascii() and word.isdecimal() and 100 <= int(word) <= 999):
        raise Fatal(f"Unable to parse {word} as HTTP status code")
    return word


def usage() -> str:
    lines = [f"Usage: {NAME} [OPTIONS...] [https://][HOST]:PORT|unix:PATH...", ""]
    for letter, long, argument, about in OPTIONS:
        names = ", ".join(([f"-{letter}"] if letter else []) + ([f"--{long}"] if long else []))
        lines.append(f"  {names + (' ' + argument if argument else ''):28}{about}")
    return "\n".join(lines) + "\n"


class Settings:
    """Raises Fatal. ``listen`` is empty in inetd mode; ``show`` is what to print instead of serving: a text, or
    "openapi"; ``level`` is an index into `LEVELS`; ``notes`` are to be told once at the start."""

    def __init__(self, argv: list[str], environment: Mapping[str, str] | None = None) -> None:
        environment = os.environ if environment is None else environment
        letters = "".join(letter + (":" if argument else "") for letter, _, argument, _ in OPTIONS if letter)
        longs = [long + ("=" if argument else "") for _, long, argument, _ in OPTIONS if long]
        try:
            given, self.listen = getopt.gnu_getopt(argv, letters, [*longs, "autocomplete="])
        except getopt.GetoptError as error:
            raise Fatal(f"{error.msg}\n{usage()}") from None
        self.auth: tuple[str, ...] = AUTH
        self.versions = tuple(registry.VERSIONS)
        self.families: tuple[str, ...] = tuple(FAMILIES.values())
        self.conf = ""
        self.level = LEVELS.index("info")
        self.show = ""
        self.notes: list[str] = []
        self.user = self.group = ""
        self.connections, self.threads = CONNECTIONS, THREADS
        self._of_environment(environment)
        inherited = [
            (name, environment[variable]) for variable, name in ENVIRONMENT.items() if environment.get(variable)
        ]
        verbose = sum(name == "-v" for name, _ in given)
        for name, value in (*inherited, *given):
            self._take(name, value)
        if verbose:
            self.level = min(LEVELS.index("info") + verbose, len(LEVELS) - 1)

    def _of_environment(self, environment: Mapping[str, str]) -> None:
        self.security = tuple(word for word in environment.get("SLURMRESTD_SECURITY", "").split(",") if word)
        for word in self.security:
            if word not in SECURITY:
                raise Fatal(f"Unexpected value in SLURMRESTD_SECURITY={environment['SLURMRESTD_SECURITY']}")
        for variable in ("SLURMRESTD_JSON", "SLURMRESTD_YAML"):
            if environment.get(variable, "").lower() not in ("", "compact", "pretty"):
                raise Fatal(f"Unexpected value in {variable}={environment[variable]}")
        self.compact = environment.get("SLURMRESTD_JSON", "").lower() == "compact"
        self.debug_flags = environment.get("SLURM_DEBUG_FLAGS", "")
        self.statuses = tuple(
            map(_status, (environment.get("SLURMRESTD_RESPONSE_STATUS_CODES") or STATUSES).split(","))
        )
        debug = environment.get("SLURMRESTD_DEBUG", "").lower()
        if debug:
            if debug not in (*LEVELS, *map(str, range(len(LEVELS)))):
                raise Fatal(f"Invalid env SLURMRESTD_DEBUG: {debug}")
            self.level = int(debug) if debug.isdecimal() else LEVELS.index(debug)
        if not self.listen:
            self.listen = [word.strip() for word in environment.get("SLURMRESTD_LISTEN", "").split(",") if word.strip()]

    def _take(self, name: str, value: str) -> None:
        if name == "-a":
            self.auth = self._chosen(value, AUTH, "rest_auth/", "REST authentication")
        elif name == "-d":
            self.versions = self._parsers(value)
        elif name == "-s":
            chosen = self._chosen(value, tuple(FAMILIES), "openapi/", "OpenAPI")
            self.families = tuple(FAMILIES[one] for one in chosen)
        elif name == "-f":
            self.conf = value
        elif name == "-u":
            self.user = value
        elif name == "-g":
            self.group = value
        elif name == "--max-connections":
            self.connections = self._count(value, "Invalid max connection count")
        elif name == "-t":
            self.threads = self._count(value, "Invalid thread count")
        elif name in UNSUPPORTED:
            raise Fatal(f"{name} is not supported: {UNSUPPORTED[name]}")
        elif name in ("-h", "--help"):
            self.show = usage()
        elif name in ("-V", "--version"):
            self.show = f"slurm {RELEASE}\n"
        elif name == "--generate-openapi-spec":
            self.show = self.show or "openapi"

    @staticmethod
    def _count(value: str, complaint: str) -> int:
        if not value.isascii() or not value.isdecimal() or not 0 < int(value) <= MOST:
            raise Fatal(f"{complaint}: {value}")
        return int(value)

    def _parsers(self, value: str) -> tuple[str, ...]:
        """Versions with their flags; of several with the same version the first counts."""
        if parser_flags.split(value)[0] == "list":
            self._chosen(
                "list", tuple(parser_flags.PREFIX + version for version in registry.VERSIONS), "", "data_parser"
            )
            return self.versions
        found: dict[str, str] = {}
        for word in (word.strip() for word in value.split(",")):
            version, words = registry.version_of(word), parser_flags.split(word)[1]
            if not word or version not in registry.VERSIONS or len(word) > registry.MAX_NAME:
                raise Fatal(f"Unable to find plugin: {parser_flags.PREFIX}{version if word else word}")
            if version not in found:
                self.notes += parser_flags.notes(version, words)
                found[version] = "+".join((version, *words))
        return tuple(found.values())

    def _chosen(self, value: str, known: tuple[str, ...], prefix: str, kind: str) -> tuple[str, ...]:
        if value == "list":
            self.show = f"Possible {kind} plugins:\n" + "".join(f"{name}\n" for name in known)
            return known
        found: list[str] = []
        for word in value.split(","):
            name = word.strip() if word.strip().startswith(prefix) else prefix + word.strip()
            if name not in known:
                raise Fatal(f"Unable to find plugin: {name}")
            if name not in found:
                found.append(name)
        return tuple(found)
