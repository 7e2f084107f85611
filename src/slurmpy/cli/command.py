"""A command's table of options, and Slurm's getopt behaviour over it.

    OPTIONS = (
        Option("--partition", "-p", argument="required", metavar="NAMES", help="...", env="SQUEUE_PARTITION"),
        Option("--json", argument="optional", metavar="DATA_PARSER", help="..."),
    )
    COMMAND = Command("squeue", OPTIONS, usage="[OPTIONS]", about="...")
    parsed = COMMAND.parse(argv, env)          # Parsed: .get("partition"), .values(...), .operands
    "json" in parsed, parsed.get("json")       # given without a value: True; else the text

`Command.parse` is pure: it raises `errors.Stop` with the text and exit code for a wrong option, ``--help``,
``--usage``, ``--version`` and ``--autocomplete``. Everything else about a command's options (help, man page,
completions, the Click command for programs that embed one: `slurmpy.cli.click_command`) derives from the same table.
Click itself costs 25 ms to import, half of what a command may take in all, so only `Command.click` imports it.
"""

from __future__ import annotations

from .. import SLURM_VERSION
from .errors import Stop, line

TYPE_CHECKING = False  # checkers know the name; importing `typing` for it would cost milliseconds
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any


class Option:
    """One row of an option table.

    long: ``--name``; short: ``-x`` or None; argument: "no", "required" or "optional" (``--name=V`` only).
    env: the variable (or several, the later ones win) that gives the option when the command line does not; an option
    without argument is given by the variable's mere presence, except `count` options, for which it is a number.
    alias: the long name (without dashes) of the option that this one is another spelling of.
    reject: why slurmpy does not support the option; giving it is an error of that text. hidden: not in --help.
    complete: what the shell completes as its value: "job", "partition", "node", "user", "account", "qos",
    "reservation", "file", "directory", "signal", "state", or a tuple of words.
    """

    __slots__ = (
        "alias", "argument", "complete", "count", "env", "group", "help", "hidden", "long", "metavar", "name",
        "reject", "short",
    )  # fmt: skip

    def __init__(
        self,
        long: str,
        short: str | None = None,
        argument: str = "no",
        metavar: str | None = None,
        help: str = "",
        env: str | tuple[str, ...] = (),
        group: str = "Options",
        alias: str | None = None,
        reject: str | None = None,
        hidden: bool = False,
        count: bool = False,
        complete: str | tuple[str, ...] | None = None,
    ) -> None:
        self.long = long
        self.short = short
        self.argument = argument
        self.metavar = metavar or (None if argument == "no" else "VALUE")
        self.help = help
        self.env = (env,) if isinstance(env, str) else env
        self.group = group
        self.alias = alias
        self.reject = reject
        self.hidden = hidden
        self.count = count
        self.complete = complete
        self.name = alias or long[2:]

    def __repr__(self) -> str:
        return f"Option({self.long})"


class Given:
    """One occurrence of an option: its text (None: none) and origin ("environment", "script", "command line")."""

    __slots__ = ("option", "origin", "value")

    def __init__(self, option: Option, value: str | None, origin: str) -> None:
        self.option = option
        self.value = value
        self.origin = origin


class Parsed:
    """What was given: occurrences in the order of their precedence (the last one wins), and the operands."""

    def __init__(self, given: list[Given], operands: list[str]) -> None:
        self.given = given
        self.operands = operands
        self._last: dict[str, Given] = {one.option.name: one for one in given}

    def __contains__(self, name: str) -> bool:
        return name in self._last

    def __iter__(self) -> Iterator[Given]:
        return iter(self.given)

    def get(self, name: str, default: Any = None) -> Any:
        """The value that won: its text, or True where the option was given without one; else `default`."""
        one = self._last.get(name)
        if one is None:
            return default
        return True if one.value is None else one.value

    def flag(self, name: str) -> bool:
        return name in self._last

    def count(self, name: str) -> int:
        """How often an option like ``-v`` was given; the environment's number stands only where the line has none."""
        line = sum(1 for one in self.given if one.option.name == name and one.origin != "environment")
        if line:
            return line
        one = self._last.get(name)
        if one is None:
            return 0
        return int(one.value) if one.value and one.value.isdigit() else 1

    def values(self, name: str) -> list[str]:
        """Every value of an option that may be repeated, in the order given."""
        return [one.value or "" for one in self.given if one.option.name == name]

    def origin(self, name: str) -> str | None:
        one = self._last.get(name)
        return one.origin if one else None


class Command:
    """A command: its name, options and how its command line is read.

    name: the program; usage: what follows the name in the usage line; about: what the command is for, a few sentences.
    permute: options may stand behind operands, as glibc's getopt does unless a program forbids it; without, the first
    operand ends the options. usage_code: the exit code of a wrong option. try_help: whether the hint
    ``Try "NAME --help"...`` follows. help_short/version_short: the short letters of --help and --version.
    examples: (command line, what it does) pairs for --help and the man page. operands: (name, meaning) pairs.
    """

    def __init__(
        self,
        name: str,
        options: Iterable[Option],
        usage: str = "[OPTIONS]",
        about: str = "",
        *,
        permute: bool = True,
        usage_code: int = 1,
        try_help: bool = True,
        help_short: str | None = None,
        version_short: str | None = "-V",
        examples: Sequence[tuple[str, str]] = (),
        operands: Sequence[tuple[str, str]] = (),
        environment: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.name = name
        self.usage = usage
        self.about = about
        self.permute = permute
        self.usage_code = usage_code
        self.try_help = try_help
        self.examples = examples
        self.operands = operands
        self.environment = environment
        rows = list(options)
        known = {row.long for row in rows}
        standard = (
            Option("--help", help_short, help="Show this help and exit.", group="Help"),
            Option("--usage", help="Show the short usage message and exit.", group="Help"),
            Option("--version", version_short, help="Show the release of Slurm and exit.", group="Help"),
            Option("--autocomplete", argument="required", metavar="PREFIX", hidden=True, group="Help",
                   help="Print the long options that begin with PREFIX, for the shell's completion."),
        )  # fmt: skip
        rows += [row for row in standard if row.long not in known]
        self.options: tuple[Option, ...] = tuple(rows)
        self._long = {row.long[2:]: row for row in rows}
        self._short = {row.short[1:]: row for row in rows if row.short}

    # ---- parsing

    def parse(self, argv: Sequence[str], env: Mapping[str, str] | None = None, *, act: bool = True) -> Parsed:
        """Options and operands of `argv` (without the program's name), with those of the environment before them.

        Raises Stop (see the module). With act=False, --help and its like are returned like any other option.
        """
        given = self.from_environment(env) if env else []
        found, operands = self.getopt(argv, act=act)
        return Parsed(given + found, operands)

    def from_environment(self, env: Mapping[str, str]) -> list[Given]:
        """What the variables named in the table give, in table order."""
        result = []
        for row in self.options:
            if row.reject is not None:
                continue
            for variable in row.env:
                value = env.get(variable)
                if value is None:
                    continue
                if row.argument == "no":
                    result.append(Given(row, value if row.count else None, "environment"))
                else:
                    result.append(Given(row, value if value or row.argument == "required" else None, "environment"))
        return result

    def getopt(
        self, argv: Sequence[str], origin: str = "command line", *, act: bool = True
    ) -> tuple[list[Given], list[str]]:
        """glibc's getopt_long over the table. Returns occurrences and operands."""
        given: list[Given] = []
        operands: list[str] = []
        position, end = 0, len(argv)
        while position < end:
            word = argv[position]
            position += 1
            if word == "--":
                operands.extend(argv[position:])
                break
            if word[:1] != "-" or word == "-":
                if not self.permute:
                    operands.extend(argv[position - 1 :])
                    break
                operands.append(word)
                continue
            if word[:2] == "--":
                position = self._long_option(word, argv, position, given, origin, act)
            else:
                position = self._short_options(word, argv, position, given, origin, act)
        return given, operands

    def find_long(self, typed: str) -> Option:
        """The option that `typed` (``--name`` or an unambiguous beginning, ``=value`` allowed) means; raises Stop."""
        name = typed[2:].partition("=")[0]
        row = self._long.get(name)
        if row is not None:
            return row
        found = [candidate for key, candidate in self._long.items() if key.startswith(name)]
        if len({candidate.name for candidate in found}) == 1:
            return found[0]
        if not found:
            raise self.wrong(f"unrecognized option '{typed}'")
        options = "".join(f" '{candidate.long}'" for candidate in found)
        raise self.wrong(f"option '{typed}' is ambiguous; possibilities:{options}")

    def _long_option(
        self, word: str, argv: Sequence[str], position: int, given: list[Given], origin: str, act: bool
    ) -> int:
        row = self.find_long(word)
        _, equals, text = word.partition("=")
        value: str | None = text if equals else None
        if row.argument == "no" and equals:
            raise self.wrong(f"option '{row.long}' doesn't allow an argument")
        if row.argument == "required" and not equals:
            if position >= len(argv):
                raise self.wrong(f"option '{row.long}' requires an argument")
            value = argv[position]
            position += 1
        self._take(row, value, given, origin, act)
        return position

    def _short_options(
        self, word: str, argv: Sequence[str], position: int, given: list[Given], origin: str, act: bool
    ) -> int:
        index = 1
        while index < len(word):
            letter = word[index]
            index += 1
            row = self._short.get(letter)
            if row is None:
                raise self.wrong(f"invalid option -- '{letter}'")
            if row.argument == "no":
                self._take(row, None, given, origin, act)
                continue
            rest = word[index:]
            if row.argument == "required" and not rest:
                if position >= len(argv):
                    raise self.wrong(f"option requires an argument -- '{letter}'")
                rest = argv[position]
                position += 1
                self._take(row, rest, given, origin, act)
            else:
                self._take(row, rest or None, given, origin, act)
            break
        return position

    def _take(self, row: Option, value: str | None, given: list[Given], origin: str, act: bool) -> None:
        if row.reject is not None:
            raise Stop(self.usage_code, err=line(self.name, f"{row.long} is not supported: {row.reject}"))
        if act and row.group == "Help":
            self.act(row, value)
        given.append(Given(row, value, origin))

    def act(self, row: Option, value: str | None) -> None:
        """Ends the command for --help and the like; returns for an option that only looks so."""
        if row.long == "--help":
            raise Stop(0, out=self.help())
        if row.long == "--usage":
            raise Stop(0, out=self.usage_text())
        if row.long == "--version":
            raise Stop(0, out=version_text())
        if row.long == "--autocomplete":
            if (value or "")[:1] == ":":
                from .candidates import candidates

                raise Stop(0, out="".join(f"{word}\n" for word in candidates(self.name, value or "")))
            wanted = (value or "").lstrip("-")
            names = sorted(row.long for row in self.options if not row.hidden and row.long[2:].startswith(wanted))
            raise Stop(0, out="".join(f"{name}\n" for name in names))

    def wrong(self, text: str) -> Stop:
        """The Stop for a command line that getopt refuses."""
        hint = f'Try "{self.name} --help" for more information\n' if self.try_help else ""
        return Stop(self.usage_code, err=f"{self.name}: {text}\n{hint}")

    # ---- texts

    def help(self) -> str:
        from .help import help_text

        return help_text(self)

    def usage_text(self) -> str:
        from .help import usage_text

        return usage_text(self)

    def click(self, run: Any) -> Any:
        """A `click.Command` that parses with this table and calls `run(argv, env)`; see `slurmpy.cli.click_command`."""
        from .click_command import SlurmCommand

        return SlurmCommand(self, run)


def version_text() -> str:
    return f"slurm {SLURM_VERSION}\n"
