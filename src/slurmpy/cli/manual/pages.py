"""One man page for each command, daemon and configuration file."""

from __future__ import annotations

import importlib
import pkgutil

from .. import options
from ..help import groups
from . import oci, parameters, prose
from .roff import Page, bold, escape, italic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from ..command import Command, Option


def _commands() -> tuple[str, ...]:
    """The commands that have a table: the modules of `slurmpy.cli.options` with a COMMAND."""
    names = sorted(module.name for module in pkgutil.iter_modules(options.__path__))
    return tuple(name for name in names if hasattr(importlib.import_module(f"{options.__name__}.{name}"), "COMMAND"))


COMMANDS = _commands()
LETTERS = {"sbatch": "b", "salloc": "a", "srun": "r"}


def table(name: str) -> Command:
    """A command's table."""
    command: Command = importlib.import_module(f"slurmpy.cli.options.{name}").COMMAND
    return command


def all_pages() -> dict[str, str]:
    """File name: text, of every page."""
    found = {f"{name}.1": command_page(table(name)) for name in COMMANDS}
    found["slurmpy.1"] = slurmpy_page()
    for name, rows in daemon_options().items():
        found[f"{name}.8"] = daemon_page(name, rows)
    for name in prose.CONFIGURATION:
        found[f"{name}.5"] = configuration_page(name)
    return found


def see_also(page: Page, name: str) -> None:
    page.section("See also")
    page.text(", ".join(other for other in prose.SEE_ALSO if other.partition("(")[0] != name))


# ---- commands


def option_head(row: Option) -> str:
    value = {"no": "", "required": f"={italic(row.metavar or '')}", "optional": f"[={italic(row.metavar or '')}]"}
    short = f"{bold(row.short)}, " if row.short else ""
    return f"{short}{bold(row.long)}{value[row.argument]}"


def summary(about: str) -> str:
    """The first sentence of a text, as the line of a NAME section."""
    first = " ".join(about.split()).partition(". ")[0].rstrip(".")
    return first[:1].lower() + first[1:]


def command_page(command: Command) -> str:
    name = command.name
    page = Page(name, 1, prose.SUMMARY.get(name) or summary(command.about))
    page.section("Synopsis")
    page.raw(f"{bold(name)} {escape(command.usage)}")
    page.section("Description")
    page.text(command.about)
    for operand, meaning in command.operands:
        page.item(bold(operand), meaning)
    page.section("Options")
    for group, rows in groups(command).items():
        shown = [row for row in rows if row.reject is None]
        if shown:
            page.subsection(group)
        for row in shown:
            page.item(option_head(row), row.help)
    refused = [row for row in command.options if row.reject is not None]
    if refused:
        page.subsection("Options that are refused")
        page.text("Slurm has these options; slurmpy refuses them, so that nobody relies on what does not happen.")
        for row in refused:
            page.item(option_head(row), f"{(row.reject or '')[:1].upper()}{(row.reject or '')[1:]}.")
    environment(page, command)
    page.section("Exit status")
    page.text(prose.EXIT.get(name, prose.DEFAULT_EXIT))
    if command.examples:
        page.section("Examples")
        for line, meaning in command.examples:
            page.example(line, meaning[:1].upper() + meaning[1:].rstrip(".") + ".")
    see_also(page, name)
    return page.render()


def environment(page: Page, command: Command) -> None:
    """The variables that a command reads, and those that its jobs find."""
    read = [(variable, row) for row in command.options if row.reject is None for variable in row.env]
    page.section("Environment")
    page.text("An option on the command line wins over its variable. These variables are read:")
    entries: Mapping[str, str] = {
        **{variable: f"As {row.long}." for variable, row in read},
        **dict(command.environment),
        "SLURM_CONF": "The configuration file of the cluster to talk to.",
        "SLURMPY_POCKET": "Directory of the pocket cluster, in place of the one in the user's state directory.",
    }
    for variable in sorted(entries):
        page.item(bold(variable), entries[variable])
    letter = LETTERS.get(command.name)
    if letter:
        page.subsection("Variables that jobs find")
        for variable, meaning, programs in prose.JOB_VARIABLES:
            if letter in programs:
                page.item(bold(variable), meaning)
    if command.name == "scrun":
        from ..options.scrun import CONTAINER_VARIABLES

        page.subsection("Variables that containers find")
        page.text("Beside those of their job, as a task of srun finds them:")
        for variable, meaning in CONTAINER_VARIABLES:
            page.item(bold(variable), meaning)


# ---- slurmpy itself


def slurmpy_page() -> str:
    import click

    from ...image import limits
    from ..slurmpy import cli

    page = Page("slurmpy", 1, prose.SUMMARY["slurmpy"])
    page.section("Synopsis")
    page.raw(f"{bold('slurmpy')} {escape('COMMAND [OPTIONS]')}")
    page.section("Description")
    page.text(paragraphs(cli.help))
    page.section("Commands")
    for name, command in commands(cli):
        page.subsection(name)
        page.prose(command.help or "")
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                heads = ", ".join(bold(word) for word in parameter.opts)
                value = "" if parameter.is_flag else f"={italic(parameter.metavar or parameter.type.name.upper())}"
                page.item(heads + value, parameter.help or "")
    page.section("Environment")
    page.item(bold("SLURMPY_POCKET"), "Directory of the pocket cluster.")
    page.item(bold("SLURMPY_IMAGE_CACHE"), "Directory of the bundles that are made of images.")
    bounds = "; ".join(f"{word} ({limits.shown(word)}): {meaning}" for word, (_, _, meaning) in limits.TABLE.items())
    page.item(bold(limits.VARIABLE), f"Bounds of images, as bytes=200G,entries=5M. {bounds}.")
    see_also(page, "slurmpy")
    return page.render()


def commands(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(name, command) of a group's commands, each followed by its own, if it has some."""
    for name, command in sorted(group.commands.items()):
        if not command.hidden:
            yield prefix + name, command
            yield from commands(command, f"{prefix}{name} ") if hasattr(command, "commands") else ()


def paragraphs(text: str | None) -> str:
    return (text or "").replace("\b", "").strip()


# ---- daemons


def daemon_options() -> dict[str, list[tuple[str, str, str]]]:
    """Daemon: (names of the option, metavar, help) rows, from the daemons' own tables."""
    from ...accounting import main as slurmdbd
    from ...controller import main as slurmctld
    from ...node import main as slurmd

    controller = [
        (", ".join([f"-{short}", *([f"--{long}"] if long else [])]), argument, text)
        for short, long, argument, text in slurmctld.OPTIONS
    ]
    node = [(row.name, row.metavar, row.help) for row in slurmd.OPTIONS if row.help]
    accounting = []
    for line in slurmdbd.USAGE.splitlines()[1:]:
        head, _, text = line.strip().partition("  ")
        names, _, argument = head.partition(" ")
        accounting.append((names, argument, text.strip()))
    found = {"slurmctld": controller, "slurmd": node, "slurmdbd": accounting}
    from ...rest import options as slurmrestd

    found["slurmrestd"] = [
        (", ".join(word for word in (f"-{letter}" if letter else "", f"--{long}" if long else "") if word), value, text)
        for letter, long, value, text in slurmrestd.OPTIONS
    ]
    return found


def daemon_variables(name: str) -> list[tuple[str, str]]:
    if name != "slurmrestd":
        return []
    from ...rest import options as slurmrestd

    found = {variable: f"As {option}." for variable, option in slurmrestd.ENVIRONMENT.items()} | slurmrestd.VARIABLES
    return sorted(found.items())


def daemon_page(name: str, rows: list[tuple[str, str, str]]) -> str:
    page = Page(name, 8, prose.SUMMARY[name])
    page.section("Synopsis")
    page.raw(f"{bold(name)} {escape('[OPTIONS]')}")
    page.section("Description")
    page.text(prose.ABOUT[name])
    page.section("Options")
    for names, argument, text in rows:
        heads = ", ".join(bold(word.strip()) for word in names.split(","))
        page.item(heads + (f" {italic(argument)}" if argument else ""), sentence(text))
    variables = daemon_variables(name)
    if variables:
        page.section("Environment")
        for variable, meaning in variables:
            page.item(bold(variable), sentence(meaning))
    page.section("Files")
    for file in prose.FILES[name]:
        page.item(bold(file), first_sentence(prose.CONFIGURATION[file]))
    page.section("Exit status")
    page.text("0 if it was told to end, or serves in the background; 1 if it could not start.")
    see_also(page, name)
    return page.render()


def sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


def first_sentence(text: str) -> str:
    return text.partition(". ")[0].rstrip(".") + "."


# ---- configuration files


def configuration_page(name: str) -> str:
    page = Page(name, 5, first_sentence(prose.CONFIGURATION[name])[:-1].lower())
    page.section("Description")
    page.text(prose.CONFIGURATION[name])
    page.section("Syntax")
    page.text(prose.SYNTAX)
    page.section("Parameters")
    tables(page, name)
    see_also(page, name)
    return page.render()


def tables(page: Page, name: str) -> None:
    from ...conf import cgroup_conf, gres_conf, oci_conf, slurm_parameters, slurmdbd_conf

    if name == "slurm.conf":
        settings(page, slurm_parameters.TABLE, parameters.SLURM_CONF)
        page.section("Nodes")
        page.text("A line «NodeName=LIST ...» describes nodes; «NodeName=DEFAULT» gives values for the lines below it.")
        keys(page, slurm_parameters.NODE_KEYS, parameters.NODE)
        page.section("Partitions")
        page.text("A line «PartitionName=NAME ...» describes a partition; «PartitionName=DEFAULT» as with nodes.")
        keys(page, slurm_parameters.PARTITION_KEYS, parameters.PARTITION)
        page.section("Node sets")
        page.text("«NodeSet=NAME Feature=WORD» or «NodeSet=NAME Nodes=LIST» names nodes for partitions.")
    elif name == "gres.conf":
        settings(page, {key: ("str", None, used) for key, used in gres_conf.KEYS.items()}, parameters.GRES_CONF)
    elif name == "slurmdbd.conf":
        settings(page, slurmdbd_conf.SlurmdbdConf.TABLE, parameters.SLURMDBD_CONF)
    elif name == "oci.conf":
        settings(page, oci_conf.OciConf.TABLE, oci.OCI_CONF)
        page.raw(".PP")
        page.text(oci.NEEDED)
        page.section("Patterns")
        page.text("In a pattern these stand for something; any other % is an error.")
        for sign, text in oci.PATTERNS.items():
            page.item(bold(sign), text)
        page.section("Example")
        page.text("runc, as root and without privileges:")
        page.prose("\b\n" + "\n".join(oci.EXAMPLE))
    else:
        settings(page, cgroup_conf.CgroupConf.TABLE, parameters.CGROUP_CONF)


def settings(page: Page, rows: Mapping[str, tuple[str, Any, bool]], texts: Mapping[str, str]) -> None:
    """The parameters in use with their defaults, then the names of those that are known and have no effect."""
    for key in sorted((key for key, row in rows.items() if row[2]), key=str.lower):
        page.item(bold(key), texts[key] + default_text(rows[key][1]))
    idle = sorted((key for key, row in rows.items() if not row[2]), key=str.lower)
    if idle:
        page.subsection("Parameters without effect")
        page.text("These are Slurm's; slurmpy knows them, names each once in the log, and does not use them.")
        page.raw(".PP")
        page.text(", ".join(idle) + ".")


def keys(page: Page, rows: Mapping[str, Any], texts: Mapping[str, str]) -> None:
    for key in sorted(rows, key=str.lower):
        row = rows[key]
        page.item(bold(key), texts[key] + (default_text(row[1]) if isinstance(row, tuple) else ""))


def default_text(value: object) -> str:
    """What a parameter is unless it is given, as the configuration file would say it."""
    if value is None or value == () or value == "":
        return ""
    if value is True or value is False:
        return f" The default is {'YES' if value else 'NO'}."
    if value == 0xFFFFFFFF:
        return " There is no limit by default."
    return f" The default is {value}."
