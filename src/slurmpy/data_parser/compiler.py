"""Turns a table into Python functions that write the text of a record.

A job has some 150 properties and 11 kB of JSON. Walking the table for each of them costs a millisecond; a function
with the keys as constants between the expressions of the values costs a twentieth of that. The source is generated
from the table when a version is first asked for a type, never from input.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import json_text, yaml_text

if TYPE_CHECKING:
    from .tables import Table
    from .types import Type

Writer = Callable[..., str]


class Compiler:
    """The functions of one parser version, made as they are asked for."""

    def __init__(self) -> None:
        self._names: dict[str, Any] = {}
        self._bound: dict[int, str] = {}
        self._tables: dict[tuple[str, int, int], str] = {}
        self._writers: dict[tuple[str, int, int, int], Writer] = {}

    def bind(self, thing: Any, hint: str = "") -> str:
        """A name by which the generated source may use ``thing``."""
        known = self._bound.get(id(thing))
        if known is None or self._names[known] is not thing:
            known = f"_{len(self._names)}_{hint}"
            self._names[known] = thing
            self._bound[id(thing)] = known
        return known

    def json_writer(self, type: Type, indent: int) -> Writer:
        """``write(value, now=0)`` -> the JSON text of a value of that type, on a line indented by ``indent``."""
        return self._writer("json", type, indent, 0)

    def yaml_writer(self, type: Type, indent: int, column: int) -> Writer:
        """The same for what follows a key's colon at ``column`` (or a dash) in a block at ``indent``."""
        return self._writer("yaml", type, indent, column)

    def _writer(self, encoding: str, type: Type, indent: int, column: int) -> Writer:
        key = (encoding, id(type), indent, column)
        writer = self._writers.get(key)
        if writer is None:
            code = (
                type.json_code(self, "v", indent) if encoding == "json" else type.yaml_code(self, "v", indent, column)
            )
            writer = self._writers[key] = self._define(f"def write(v, now=0):\n    return {code}", "write")
        return writer

    def _define(self, source: str, name: str) -> Any:
        space: dict[str, Any] = {}
        exec(compile(source, "<data_parser>", "exec"), self._names, space)  # noqa: S102 - generated from our own tables
        return space[name]

    def json_table(self, table: Table, indent: int) -> str:
        key = ("json", id(table), indent)
        if key not in self._tables:
            pieces: list[str] = []
            self._json_pieces(table, _tree(table), indent, pieces)
            self._tables[key] = self._table(pieces, "null")
        return self._tables[key]

    def yaml_table(self, table: Table, indent: int) -> str:
        key = ("yaml", id(table), indent)
        if key not in self._tables:
            pieces: list[str] = []
            self._yaml_pieces(table, _tree(table), indent, pieces)
            self._tables[key] = self._table(pieces, " !!null null")
        return self._tables[key]

    def _table(self, pieces: list[str], null: str) -> str:
        """A function from alternating literals (as repr) and expressions; neighbouring literals become one."""
        parts: list[str] = []
        literal = ""
        for piece in pieces:
            if piece[:1] == "=":
                if literal:
                    parts.append(repr(literal))
                    literal = ""
                parts.append(piece[1:])
            else:
                literal += piece
        parts.append(repr(literal))
        body = ",\n".join(parts)
        source = f"def table(r, now):\n    if r is None:\n        return {null!r}\n    return ''.join((\n{body}\n))"
        return self.bind(self._define(source, "table"))

    def _json_pieces(self, table: Table, tree: dict[str, Any], indent: int, pieces: list[str]) -> None:
        if not tree:
            pieces.append("{}")
            return
        pad = " " * (indent + 2)
        lead = "{\n"
        for key, entry in tree.items():
            pieces.append(f"{lead}{pad}{json_text.string(key)}: ")
            lead = ",\n"
            if isinstance(entry, dict):
                self._json_pieces(table, entry, indent + 2, pieces)
            else:
                pieces.append("=" + entry.type.json_code(self, table.source(self, entry), indent + 2))
        pieces.append(f"\n{' ' * indent}}}")

    def _yaml_pieces(self, table: Table, tree: dict[str, Any], indent: int, pieces: list[str]) -> None:
        pieces.append(" !!map" if tree else " !!map {}")
        pad = "\n" + " " * indent
        for key, entry in tree.items():
            text = yaml_text._key(key) + ":"
            pieces.append(pad + text)
            if isinstance(entry, dict):
                self._yaml_pieces(table, entry, indent + 2, pieces)
            else:
                source = table.source(self, entry)
                pieces.append("=" + entry.type.yaml_code(self, source, indent, indent + len(text)))


def _tree(table: Table) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for field in table.fields:
        *groups, last = field.path.split("/")
        here = root
        for group in groups:
            here = here.setdefault(group, {})
        here[last] = field
    return root
