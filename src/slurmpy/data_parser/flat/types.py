"""The parser types of the flat documents, and their tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from slurmpy.core.records.base import INFINITE

from .. import json_text, yaml_text
from ..errors import Context
from ..lists import Flags, ListOf
from ..tables import Field, Table
from ..tres import TresText
from ..types import UNSET, Boolean, Integer, Number, Reference, String, Type

if TYPE_CHECKING:
    from ..compiler import Compiler

#: stands for a property that is left out while a text is made; no text of ours has it unescaped
_OMITTED = "\x00"
_JSON_OMITTED = re.compile(r',\n *"[^"]*": \x00')
_YAML_OMITTED = re.compile(r"\n *!!str [^\n]*:\x00")


def _null_or(write: Callable[[Any], str], null: str) -> Callable[[Any], str]:
    return lambda value: null if value is None else write(value)


class Text(String):
    """A string, with ``null`` for an empty one where the document has it so."""

    def __init__(self, *, null: bool = False) -> None:
        self.null = null

    def dump(self, value: Any) -> Any:
        return value or (None if self.null else "")

    def parse(self, document: Any, at: str, context: Context) -> Any:
        return "" if document is None and self.null else super().parse(document, at, context)

    def json_code(self, c: Compiler, value: str, indent: int) -> str:
        return (
            f"({super().json_code(c, value, indent)} if {value} else 'null')"
            if self.null
            else super().json_code(c, value, indent)
        )

    def yaml_code(self, c: Compiler, value: str, indent: int, column: int) -> str:
        code = super().yaml_code(c, value, indent, column)
        return f"({code} if {value} else {yaml_text.write(None, 0, 0)!r})" if self.null else code


class Whole(Integer):
    """An integer; ``None`` and INFINITE are ``null``, or what ``none`` and ``infinite`` say. ``null`` read is
    ``empty``."""

    def __init__(
        self, form: str = "", *, none: int | None = None, infinite: int | None = None, empty: Any = None
    ) -> None:
        super().__init__(form)
        self.none = none
        self.infinite = infinite
        self.empty = empty

    def schema(self, reference: Reference) -> dict[str, Any]:
        return {"type": "integer", "format": self.form} if self.form else {"type": "integer"}

    def dump(self, value: Any) -> Any:
        if value is None:
            return self.none
        return self.infinite if value == INFINITE else int(value)

    def parse(self, document: Any, at: str, context: Context) -> Any:
        if document is None:
            return self.empty
        value = super().parse(document, at, context)
        if value == self.none and self.none is not None and value:
            return None
        return INFINITE if value == self.infinite and self.infinite is not None else value

    def json_code(self, c: Compiler, value: str, indent: int) -> str:
        return f"{c.bind(self._write)}({value})"

    def _write(self, value: Any) -> str:
        if value is None:
            value = self.none
        elif value == INFINITE:
            value = self.infinite
        return "null" if value is None else str(int(value))

    def yaml_code(self, c: Compiler, value: str, indent: int, column: int) -> str:
        return Type.yaml_code(self, c, value, indent, column)


class Real(Number):
    """A floating-point number or ``null``."""

    def __init__(self, form: str = "") -> None:
        super().__init__(form)

    def dump(self, value: Any) -> Any:
        return None if value is None or value == INFINITE else float(value)

    def parse(self, document: Any, at: str, context: Context) -> Any:
        return None if document is None else super().parse(document, at, context)


class Choice(Type):
    """One word out of a set; ``names`` maps the record's value to it. A word that is not known reads as ``default``."""

    def __init__(self, names: Mapping[Any, str | None], default: Any, *, fallback: str | None = None) -> None:
        self.by_value = names
        self.by_name = {name: value for value, name in reversed(list(names.items()))}
        self.default = default
        self.fallback = fallback

    def schema(self, reference: Reference) -> dict[str, Any]:
        return {"type": "string"}

    def dump(self, value: Any) -> Any:
        return self.by_value.get(value, self.fallback)

    def parse(self, document: Any, at: str, context: Context) -> Any:
        return self.by_name.get(document, self.default)


class Names(Flags):
    """Flags whose choices no document tells."""

    def schema(self, reference: Reference) -> dict[str, Any]:
        return {"type": "array", "items": {"type": "string"}}

    def parse(self, document: Any, at: str, context: Context) -> Any:
        return UNSET if document is None else super().parse(document, at, context)


class ZeroOne(Type):
    """A boolean that is written as 1 or 0."""

    def schema(self, reference: Reference) -> dict[str, Any]:
        return {"type": "integer"}

    def dump(self, value: Any) -> int:
        return int(bool(value))

    def parse(self, document: Any, at: str, context: Context) -> Any:
        return UNSET if document is None else bool(document)


class Constant(Type):
    """A property that always says the same."""

    def __init__(self, document: Any, schema: dict[str, Any] | None = None) -> None:
        self.document = document
        self._schema = schema or {"type": "string"}

    def schema(self, reference: Reference) -> dict[str, Any]:
        return dict(self._schema)

    def dump(self, value: Any) -> Any:
        return self.document

    def parse(self, document: Any, at: str, context: Context) -> Any:
        return UNSET


class Plain(Type):
    """Plain values as they are: errors, of which each has properties of its own."""

    def __init__(self, name: str, schema: dict[str, Any]) -> None:
        self.name = name
        self._schema = schema

    def schema(self, reference: Reference) -> dict[str, Any]:
        return dict(self._schema)

    def dump(self, value: Any) -> Any:
        return value

    def parse(self, document: Any, at: str, context: Context) -> Any:
        return UNSET if document is None else document


class Tres(TresText):
    """TRES as a list; what has no name has ``null``, what has no count too."""

    name = "tres_list"

    def schema(self, reference: Reference) -> dict[str, Any]:
        properties = {"type": "string", "name": "string", "id": "integer", "count": "integer"}
        return {
            "type": "array",
            "items": {"type": "object", "properties": {name: {"type": kind} for name, kind in properties.items()}},
        }

    def parts(self) -> tuple[Type, ...]:
        return ()

    def dump(self, value: Any) -> Any:
        return [_flat(entry) for entry in super().dump(value)]

    def parse(self, document: Any, at: str, context: Context) -> Any:
        return super().parse(_counted(document), at, context)

    def json_code(self, c: Compiler, value: str, indent: int) -> str:
        return self._cached(c, value, lambda text: json_text.write(self.dump(text), indent))


#: the database's «not set» for a count, as signed numbers have it
_NO_COUNT = -2


def _flat(entry: dict[str, Any]) -> dict[str, Any]:
    count = entry["count"]
    return entry | {"name": entry["name"] or None, "count": None if count == _NO_COUNT else count}


def _counted(document: Any) -> Any:
    if not isinstance(document, list):
        return document
    return [
        entry | {"count": _NO_COUNT} if isinstance(entry, dict) and entry.get("count", 0) is None else entry
        for entry in document
    ]


class FlatTable(Table):
    """A table whose fields in ``omit`` are left out while they have nothing to say. ``documented`` tells {path: schema}
    of properties that the release's OpenAPI document describes otherwise than they are served, None for those that it
    does not mention; paths that are no field are mentioned there and never served."""

    def __init__(
        self,
        name: str,
        record: Callable[..., Any],
        fields: tuple[Field, ...],
        *,
        label: str = "",
        sparse: bool = False,
        omit: tuple[str, ...] = (),
        documented: Mapping[str, dict[str, Any] | None] | None = None,
    ) -> None:
        super().__init__(name, record, fields, label=label, sparse=sparse)
        self.omit = frozenset(omit)
        self.documented = dict(documented or {})

    def changed(self, *, documented: Mapping[str, dict[str, Any] | None] | None = None, **changes: Any) -> FlatTable:
        made = super().changed(**changes)
        assert isinstance(made, FlatTable)
        made.omit = self.omit
        made.documented = self.documented | dict(documented or {})
        return made

    def schema(self, reference: Reference) -> dict[str, Any]:
        root: dict[str, Any] = {"type": "object", "properties": {}}
        known = {field.path: reference(field.type) for field in self.fields if field.path not in self.documented}
        for path, schema in (known | self.documented).items():
            if schema is None:
                continue
            properties = root["properties"]
            *groups, last = path.split("/")
            for group in groups:
                properties = properties.setdefault(group, {"type": "object", "properties": {}})["properties"]
            properties[last] = schema
        return root

    def dump_at(self, value: Any, now: float) -> dict[str, Any] | None:
        document = super().dump_at(value, now)
        if document is not None:
            for path in self.omit:
                if document.get(path, "") is None:
                    del document[path]
        return document

    def json_code(self, c: Compiler, value: str, indent: int) -> str:
        code = super().json_code(c, value, indent)
        return f"{c.bind(_without_json)}({code})" if self.omit else code

    def yaml_code(self, c: Compiler, value: str, indent: int, column: int) -> str:
        code = super().yaml_code(c, value, indent, column)
        return f"{c.bind(_without_yaml)}({code})" if self.omit else code


def _without_json(text: str) -> str:
    return _JSON_OMITTED.sub("", text) if _OMITTED in text else text


def _without_yaml(text: str) -> str:
    return _YAML_OMITTED.sub("", text) if _OMITTED in text else text


class Omitted(Type):
    """``type`` in a field that `FlatTable` leaves out when the record has nothing."""

    def __init__(self, type: Type) -> None:
        self.type = type

    def schema(self, reference: Reference) -> dict[str, Any]:
        return reference(self.type)

    def parts(self) -> tuple[Type, ...]:
        return (self.type,)

    def dump(self, value: Any) -> Any:
        return self.dump_at(value, 0)

    def dump_at(self, value: Any, now: float) -> Any:
        return None if value is None else self.type.dump_at(value, now)

    def parse(self, document: Any, at: str, context: Context) -> Any:
        return self.type.parse(document, at, context)

    def json_code(self, c: Compiler, value: str, indent: int) -> str:
        write = c.json_writer(self.type, indent)
        return f"{c.bind(_null_or(write, _OMITTED))}({value})"

    def yaml_code(self, c: Compiler, value: str, indent: int, column: int) -> str:
        write = c.yaml_writer(self.type, indent, column)
        return f"{c.bind(_null_or(write, _OMITTED))}({value})"


TEXT = Text()
TEXT_OR_NULL = Text(null=True)
BOOL = Boolean()
INT = Whole(empty=UNSET, none=0)
LONG = Whole("int64", empty=UNSET, none=0)
INT_OR_NULL = Whole()
NUMBER = Real()
ZERO_ONE = ZeroOne()
TRES = Tres()
TEXTS = ListOf(TEXT)
