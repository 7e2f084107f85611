"""The parser types that the tables of fields are written in.

A type knows four things: how a record's value becomes a document (`dump`), how a document becomes the value
(`parse`), the OpenAPI schema, and how to write JSON or YAML text straight from the value. For the last a type gives
Python source (`json_code`, `yaml_code`) that `compiler` puts into one function per table; the default goes through
`dump`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from slurmpy.core.records.base import HUGE, INFINITE

from . import json_text, yaml_text
from .errors import Context, ParseFailed, openapi_kind, quote, slurm_kind

if TYPE_CHECKING:
    from .compiler import Compiler

#: what `parse` gives for «not said»: the record keeps its default
UNSET: Any = object()

Reference = Callable[["Type"], dict[str, Any]]


class Type:
    """Base of all types; ``name`` is the schema's component name, or empty for one that is written inline."""

    name = ""
    label = ""  # the type in messages, when it differs from the component's name
    deprecated = False
    resets = False  # whether None, when it is read, says something: that there is to be none
    nullable = False  # whether it is null, rather than empty, where the record has nothing

    def schema(self, reference: Reference) -> dict[str, Any]:
        """The schema itself; ``reference(other)`` gives the schema to write where ``other`` is used."""
        raise NotImplementedError

    def parts(self) -> tuple[Type, ...]:
        """The types that this one refers to."""
        return ()

    def dump(self, value: Any) -> Any:
        raise NotImplementedError

    def dump_at(self, value: Any, now: float) -> Any:
        """The document at a given time; only objects and lists of objects have something that grows with it."""
        return self.dump(value)

    def parse(self, document: Any, at: str, context: Context) -> Any:
        """The value, or `UNSET`. Reports into ``context``; raises ParseFailed when nothing can come of it."""
        raise NotImplementedError

    def json_code(self, c: Compiler, value: str, indent: int) -> str:
        return f"{c.bind(json_text.write)}({c.bind(self.dump)}({value}), {indent})"

    def yaml_code(self, c: Compiler, value: str, indent: int, column: int) -> str:
        return f"{c.bind(yaml_text.write)}({c.bind(self.dump)}({value}), {indent}, {column})"

    def _mismatch(self, document: Any, at: str, context: Context) -> None:
        if context.complex:
            return
        schema = self.schema(lambda other: {})
        kind = f"type={schema.get('type', 'object')}"
        if "format" in schema:
            kind += f" format={schema['format']}"
        context.warn(
            f"Expected OpenAPI {kind} (Slurm type={_SLURM_TYPES.get(schema.get('type', ''), 'dictionary')}) "
            f"but got {openapi_kind(document)}{'' if context.strict else ': ' + quote(document)}",
            at,
        )


_SLURM_TYPES = {
    "string": "string",
    "integer": "64 bit integer",
    "number": "floating point number",
    "boolean": "boolean",
    "array": "list",
}

_TRUE = {"true", "yes", "on", "y", "t", "1"}
_FALSE = {"false", "no", "off", "n", "f", "0"}


class String(Type):
    def schema(self, reference: Reference) -> dict[str, Any]:
        return {"type": "string"}

    def dump(self, value: Any) -> str | None:
        return value or (None if self.nullable else "")

    def parse(self, document: Any, at: str, context: Context) -> Any:
        if document is None:
            return UNSET
        if isinstance(document, str):
            return document
        self._mismatch(document, at, context)
        if isinstance(document, (dict, list)):
            raise ParseFailed
        return quote(document)

    def json_code(self, c: Compiler, value: str, indent: int) -> str:
        written = f"{c.bind(_json_nullable if self.nullable else _json_string, 'q')}({value})"
        # most texts of a record are empty: no call for these
        empty = "null" if self.nullable else '""'
        return f"({written} if {value} else '{empty}')" if _is_plain(value) else written

    def yaml_code(self, c: Compiler, value: str, indent: int, column: int) -> str:
        return f"{c.bind(_yaml_nullable if self.nullable else _yaml_string, 'y')}({value}, {indent + 2}, {column + 7})"


#: an attribute of the record, which may be looked at twice
_is_plain = re.compile(r"\w+\.\w+").fullmatch

_quote = json_text._quote
_simple = yaml_text._simple


def _json_string(value: str | None) -> str:
    if not value:
        return '""'
    text = _quote(value)
    return text.replace("/", "\\/") if "/" in text else text


def _json_nullable(value: str | None) -> str:
    return _json_string(value) if value else "null"


def _yaml_nullable(value: str | None, indent: int, column: int) -> str:
    return _yaml_string(value, indent, column) if value else " !!null null"


def _yaml_string(value: str | None, indent: int, column: int) -> str:
    if not value:
        return " !!str"
    if _simple(value):
        return " !!str " + value
    return yaml_text.string(value, indent, column)


class Boolean(Type):
    def schema(self, reference: Reference) -> dict[str, Any]:
        return {"type": "boolean"}

    def dump(self, value: Any) -> bool:
        return bool(value)

    def parse(self, document: Any, at: str, context: Context) -> Any:
        if document is None:
            return UNSET
        if isinstance(document, bool):
            return document
        self._mismatch(document, at, context)
        if isinstance(document, (int, float)):
            return bool(document)
        if isinstance(document, str):
            text = document.strip().lower()
            if text in _TRUE:
                return True
            if text in _FALSE:
                return False
        raise ParseFailed

    def json_code(self, c: Compiler, value: str, indent: int) -> str:
        return f"('true' if {value} else 'false')"

    def yaml_code(self, c: Compiler, value: str, indent: int, column: int) -> str:
        return f"(' !!bool true' if {value} else ' !!bool false')"


_integer = re.compile(r"\s*[+-]?[0-9]+\s*").fullmatch


#: what integers of a form are taken: unsigned ones are told as signed, and SQL has 64 bits with a sign
_LEAST, _MOST = -(2**63), {"int32": 2**32 - 1, "int64": 2**63 - 1, "": 2**63 - 1}


class Integer(Type):
    """A plain integer; ``None`` in a record is ``unset`` in the document (and the other way round)."""

    def __init__(self, form: str, unset: int = 0, *, most: int | None = None) -> None:
        self.form = form
        self.unset = unset
        self.most = _MOST[form] if most is None else most

    def schema(self, reference: Reference) -> dict[str, Any]:
        return {"type": "integer", "format": self.form}

    def dump(self, value: Any) -> int:
        return self.unset if value is None else value

    def parse(self, document: Any, at: str, context: Context) -> Any:
        if document is None:
            return UNSET
        if type(document) is int and _LEAST <= document <= self.most:
            return UNSET if self.unset and document == self.unset else document
        if type(document) is not int:
            self._mismatch(document, at, context)
        number = to_integer(document)
        if number is None or not _LEAST <= number <= self.most:
            if _is_number(document):  # one that there is no place for
                context.error("ESLURM_DATA_CONV_FAILED", f"Expected integer but got {quote(document)}", at)
            raise ParseFailed
        return number

    def json_code(self, c: Compiler, value: str, indent: int) -> str:
        return f"{c.bind(str, 's')}({self._number(value)})"

    def yaml_code(self, c: Compiler, value: str, indent: int, column: int) -> str:
        return f"(' !!int %d' % {self._number(value)})"

    def _number(self, value: str) -> str:
        return f"({value} or 0)" if not self.unset else f"({self.unset} if {value} is None else {value})"


def _is_number(document: Any) -> bool:
    """Whether it is one, or the text of one, however large; an infinite one, and none, are."""
    if isinstance(document, str):
        return bool(_integer(document))
    return isinstance(document, (int, float)) and not isinstance(document, bool)


def to_integer(document: Any) -> int | None:
    """An integer out of what a user may have sent instead: "12", 12.0. Halves are rounded up, as Slurm does."""
    if isinstance(document, bool):
        return None
    if isinstance(document, int):
        return document
    if isinstance(document, float):
        return math.floor(document + 0.5) if math.isfinite(document) and abs(document) < 2**63 else None
    if isinstance(document, str) and _integer(document) and len(document) < 64:
        return int(document)
    return None


class Number(Type):
    def __init__(self, form: str = "double", *, endless: bool = False) -> None:
        self.form = form
        self.endless = endless  # whether it may be infinite

    def schema(self, reference: Reference) -> dict[str, Any]:
        return {"type": "number", "format": self.form} if self.form else {"type": "number"}

    def dump(self, value: Any) -> float:
        return float(value or 0.0)

    def parse(self, document: Any, at: str, context: Context) -> Any:
        if document is None:
            return UNSET
        if not isinstance(document, (int, float)) or isinstance(document, bool):
            self._mismatch(document, at, context)
        return document if self.endless and document == math.inf else _finite(document, at, context)


def _finite(document: Any, at: str, context: Context) -> float:
    """Raises ParseFailed, with an error for a number that a float cannot be."""
    try:
        number = float(document)
    except OverflowError:
        number = math.inf
    except (TypeError, ValueError):
        raise ParseFailed from None
    if not math.isfinite(number):
        context.error("ESLURM_DATA_CONV_FAILED", f"Expected number but got {quote(document)}", at)
        raise ParseFailed
    return number


class OptionalNumber(Type):
    """Slurm's {"set", "infinite", "number"}: ``None`` is not set, `INFINITE` without limit."""

    def __init__(self, name: str, form: str, *, real: bool = False) -> None:
        self.name = name
        self.form = form
        self.real = real
        self._top = 2**64 - 1 if name.startswith("uint64") else 2**32 - 1
        self.defaults = False  # whether the schema names defaults, as older versions did
        self.plain = False  # whether a number as such is as good where others have to be told so
        self.complex = False  # whether it is written as a number, "Infinity" or null
        self.told = False  # whether the schema says so

    def schema(self, reference: Reference) -> dict[str, Any]:
        number: dict[str, Any] = {"type": "number" if self.real else "integer", "format": self.form}
        if self.told:
            return {"type": "number"} if self.real else number
        switch: dict[str, Any] = {"type": "boolean"}
        if self.defaults:
            switch["default"] = False
        return {
            "type": "object",
            "properties": {"set": switch, "infinite": switch, "number": number},
            "required": [],
        }

    def dump(self, value: Any) -> Any:
        if self.complex:
            return value if value is None else INFINITY if value == INFINITE else float(value) if self.real else value
        if value is None or value == INFINITE:
            return {"set": False, "infinite": value is not None, "number": 0.0 if self.real else 0}
        return {"set": True, "infinite": False, "number": float(value) if self.real else value}

    def parse(self, document: Any, at: str, context: Context) -> Any:
        if document is None:
            return None
        if isinstance(document, dict):
            if document.get("infinite"):
                return INFINITE
            if not document.get("set"):
                return None
            document = document.get("number", 0)
        else:
            if context.strict and not self.plain:
                self._mismatch(document, at, context)
            if isinstance(document, float) and math.isfinite(document) and not self.real:
                document = int(document)  # as Slurm, which rounds in the other form
        if isinstance(document, str) and (
            document.strip().lower() in _INFINITE or (self.complex and document == INFINITY)
        ):
            return INFINITE
        if self.real and isinstance(document, (int, float)) and not isinstance(document, bool):
            return INFINITE if document == -1 else _finite(document, at, context)
        number = self._whole(to_integer(document))
        if number is UNSET:
            if context.strict:
                context.error("ESLURM_DATA_EXPECTED_DICT", f"Expected dictionary but got {slurm_kind(document)}", at)
            else:
                context.error("ESLURM_DATA_CONV_FAILED", f"Expected integer but got {quote(document)}", at)
            raise ParseFailed
        return float(number) if self.real and number not in (None, INFINITE) else number

    def _whole(self, number: int | None) -> Any:
        """With what Slurm's numbers of that size mean: the greatest has no end, the one before is not set. UNSET for
        one that there is no place for."""
        if number == -1 or number == self._top:
            return INFINITE
        if number == self._top - 1:
            return None
        return UNSET if number is None or not 0 <= number <= min(self._top, HUGE) else number

    def json_code(self, c: Compiler, value: str, indent: int) -> str:
        writer = _JSON_NUMBERS[self.real] if self.complex else _json_optional(indent, self.real)
        return f"{c.bind(writer, f'n{indent}')}({value})"

    def yaml_code(self, c: Compiler, value: str, indent: int, column: int) -> str:
        writer = _YAML_NUMBERS[self.real] if self.complex else _yaml_optional(indent, self.real)
        return f"{c.bind(writer, f'n{indent}')}({value})"


class SetNumber(OptionalNumber):
    """The same with 0 for ``None``: a time that was never reached is 0, and «set»."""

    def dump(self, value: Any) -> Any:
        return super().dump(value or 0)

    def json_code(self, c: Compiler, value: str, indent: int) -> str:
        return super().json_code(c, f"{value} or 0", indent)

    def yaml_code(self, c: Compiler, value: str, indent: int, column: int) -> str:
        return super().yaml_code(c, f"{value} or 0", indent, column)


#: what stands for a number without limit where there is no property to say so
INFINITY = "Infinity"
_INFINITE = ("infinite", "inf", "unlimited")

_writers: dict[tuple[str, int, bool], Callable[[Any], str]] = {}


def _number(unset: str, infinite: str, written: Callable[[Any], str]) -> Callable[[Any], str]:
    """What writes a number as such."""

    def write(value: Any) -> str:
        return unset if value is None else infinite if value == INFINITE else written(value)

    return write


#: of real numbers, and of whole ones
_JSON_NUMBERS = {
    real: _number("null", f'"{INFINITY}"', written) for real, written in ((True, json_text.number), (False, str))
}
_YAML_NUMBERS = {
    real: _number(" !!null null", f" !!str {INFINITY}", written)
    for real, written in ((True, " !!float {:f}".format), (False, " !!int {}".format))
}


def _json_optional(indent: int, real: bool) -> Callable[[Any], str]:
    found = _writers.get(("json", indent, real))
    if found is not None:
        return found
    zero = 0.0 if real else 0
    unset = json_text.write({"set": False, "infinite": False, "number": zero}, indent)
    infinite = json_text.write({"set": False, "infinite": True, "number": zero}, indent)
    head, tail = json_text.write({"set": True, "infinite": False, "number": 0}, indent).split("0")
    number = json_text.number

    def write(value: Any) -> str:
        if value is None:
            return unset
        if value == INFINITE:
            return infinite
        return f"{head}{value}{tail}"

    def write_real(value: Any) -> str:
        if value is None:
            return unset
        if value == INFINITE:
            return infinite
        return head + number(value) + tail

    _writers["json", indent, real] = write_real if real else write
    return _writers["json", indent, real]


def _yaml_optional(indent: int, real: bool) -> Callable[[Any], str]:
    found = _writers.get(("yaml", indent, real))
    if found is not None:
        return found
    zero = 0.0 if real else 0
    unset = yaml_text.write({"set": False, "infinite": False, "number": zero}, indent)
    infinite = yaml_text.write({"set": False, "infinite": True, "number": zero}, indent)
    head = yaml_text.write({"set": True, "infinite": False, "number": 0}, indent)[:-1]
    head_real = head.replace("!!int", "!!float")

    def write(value: Any) -> str:
        if value is None:
            return unset
        if value == INFINITE:
            return infinite
        return f"{head}{value}"

    def write_real(value: Any) -> str:
        if value is None:
            return unset
        if value == INFINITE:
            return infinite
        return f"{head_real}{value:f}"

    _writers["yaml", indent, real] = write_real if real else write
    return _writers["yaml", indent, real]


class Empty(Type):
    """A property that the release still names but fills no more: always ``{}`` (or ``[]``)."""

    deprecated = True

    def __init__(self, schema: dict[str, Any], document: Any) -> None:
        self._schema = schema
        self._document = document

    def schema(self, reference: Reference) -> dict[str, Any]:
        return dict(self._schema)

    def dump(self, value: Any) -> Any:
        return self._document

    def parse(self, document: Any, at: str, context: Context) -> Any:
        return UNSET

    def json_code(self, c: Compiler, value: str, indent: int) -> str:
        return repr(json_text.write(self._document, indent))

    def yaml_code(self, c: Compiler, value: str, indent: int, column: int) -> str:
        return repr(yaml_text.write(self._document, indent, column))


STRING = String()
BOOLEAN = Boolean()
