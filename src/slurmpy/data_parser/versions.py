"""A version as a small table of differences from its neighbour."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from .exit_code import ExitCode
from .lists import Flags, ListOf
from .tables import Table
from .types import Type


def flags(**changes: Any) -> Callable[[Type], Type]:
    """For ``types``: flags with other names, by the keywords of `Flags.changed`."""

    def changed(type: Type) -> Type:
        assert isinstance(type, Flags)
        return type.changed(**changes)

    return changed


class Derivation:
    """Rebuilds types with what ``tables`` says, {name: keywords of `Table.changed`}, and with ``types``, {name: what
    makes of the neighbour's type the one in its place}. What no difference touches is shared with the neighbour,
    compiled text and all."""

    def __init__(
        self,
        tables: Mapping[str, Mapping[str, Any]],
        types: Mapping[str, Callable[[Type], Type]] | None = None,
    ) -> None:
        self.tables = tables
        self.types = types or {}
        self._made: dict[int, Type] = {}
        self._kept: list[Type] = []  # an id must not be given to another type meanwhile

    def of(self, type: Type) -> Type:
        made = self._made.get(id(type))
        if made is None:
            made = self._made[id(type)] = self._make(type)
            self._kept.append(type)
        return made

    def table(self, table: Table) -> Table:
        made = self.of(table)
        assert isinstance(made, Table)
        return made

    def _make(self, type: Type) -> Type:
        if type.name in self.types:
            return self.types[type.name](type)
        if isinstance(type, Table):
            return self._make_table(type)
        if isinstance(type, ListOf):
            item = self.of(type.item)
            if item is type.item:
                return type
            other = copy.copy(type)
            other.item = item
            return other
        if isinstance(type, ExitCode):
            parts = (self.of(type.code), self.of(type.signal), self.of(type.status))
            return type if parts == (type.code, type.signal, type.status) else ExitCode(*parts)  # type: ignore[arg-type]
        return type

    def _make_table(self, table: Table) -> Table:
        made = {field.path: self.of(field.type) for field in table.fields}
        inner = {path: {"type": type} for path, type in made.items() if type is not table.fields_by_path[path].type}
        result = table.changed(change=inner) if inner else table
        own = self.tables.get(table.name)
        return result.changed(**own) if own else result
