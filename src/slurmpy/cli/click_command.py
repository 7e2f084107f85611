"""A Slurm command as a Click command, for programs that compose Click commands and for Click's own test runner.

The option table stays the single truth: Click gets one parameter per row (so that its completion and introspection see
them), while the parsing is Slurm's (`slurmpy.cli.command`).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from .errors import guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .command import Command, Option


class SlurmCommand(click.Command):
    """``SlurmCommand(COMMAND, run)``: invoking it calls ``run(argv, env)`` and exits with its code."""

    def __init__(self, table: Command, run: Callable[[Sequence[str], Mapping[str, str]], int]) -> None:
        super().__init__(
            table.name,
            params=[parameter(row) for row in table.options if row.long != "--help"],
            help=table.about,
            context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
        )
        self.table = table
        self.run = run

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keeps the words: options are read by the table's own rules in `invoke`."""
        ctx.args = list(args)
        return ctx.args

    def invoke(self, ctx: click.Context) -> Any:
        ctx.exit(guarded(self.table.name, self.run, ctx.args, os.environ))

    def get_help(self, ctx: click.Context) -> str:
        return self.table.help()


def parameter(row: Option) -> click.Option:
    """One row of the table as Click's Option; an optional argument becomes a flag with a value."""
    names = [row.long, "_" + row.long[2:].replace("-", "_")]
    if row.short:
        names.insert(0, row.short)
    kind: dict[str, Any] = {"help": row.help, "hidden": row.hidden, "metavar": row.metavar}
    if row.argument == "no":
        kind |= {"is_flag": True, "metavar": None}
    elif row.argument == "optional":
        kind |= {"is_flag": False, "flag_value": ""}
    if isinstance(row.complete, tuple):
        words = row.complete
        kind["shell_complete"] = lambda ctx, param, typed: [word for word in words if word.startswith(typed)]
    return click.Option(names, **kind)
