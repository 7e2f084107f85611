"""Types whose document is a list: flags, comma-separated strings, host lists, lists of objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import json_text, yaml_text
from .errors import Context, ParseFailed, quote, slurm_kind
from .types import STRING, UNSET, Reference, Type

if TYPE_CHECKING:
    from .compiler import Compiler


class ListOf(Type):
    """A list of values of one type; a tuple in the record."""

    def __init__(self, item: Type, name: str = "") -> None:
        self.item = item
        self.name = name

    def schema(self, reference: Reference) -> dict[str, Any]:
        return {"type": "array", "items": reference(self.item)}

    def parts(self) -> tuple[Type, ...]:
        return (self.item,)

    def values(self, value: Any) -> Any:
        """The items to write, from the record's value."""
        return value or ()

    def collect(self, items: tuple[Any, ...]) -> Any:
        """The record's value, from the items read."""
        return items

    def dump(self, value: Any) -> Any:
        return self.dump_at(value, 0)

    def dump_at(self, value: Any, now: float) -> Any:
        if value is None and self.nullable:
            return None
        return [self.item.dump_at(item, now) for item in self.values(value)]

    def parse(self, document: Any, at: str, context: Context) -> Any:
        if document is None:
            return UNSET
        if isinstance(document, str):
            document = [part for part in document.split(",") if part]
        elif isinstance(document, dict):
            document = list(document.values())
        if not isinstance(document, list):
            context.error("ESLURM_DATA_EXPECTED_LIST", f"Expected List but found a {slurm_kind(document)}", at)
            raise ParseFailed
        items = []
        for index, entry in enumerate(document):
            item = self.item.parse(entry, f"{at[:-1]}[{index}]/", context)
            if item is not UNSET:
                items.append(item)
        return self.collect(tuple(items))

    def json_code(self, c: Compiler, value: str, indent: int) -> str:
        writer = c.json_writer(self.item, indent + 2)
        pad = " " * (indent + 2)
        head, between, tail = f"[\n{pad}", f",\n{pad}", f"\n{pad[2:]}]"
        values = self.values

        def write(value: Any, now: float) -> str:
            items = values(value)
            return head + between.join([writer(item, now) for item in items]) + tail if items else "[]"

        return f"{c.bind(write)}({value}, now)"

    def yaml_code(self, c: Compiler, value: str, indent: int, column: int) -> str:
        writer = c.yaml_writer(self.item, indent, indent + 1)
        between = "\n" + " " * indent + "-"
        head = " !!seq" + between
        values = self.values

        def write(value: Any, now: float) -> str:
            items = values(value)
            return head + between.join([writer(item, now) for item in items]) if items else " !!seq []"

        return f"{c.bind(write)}({value}, now)"


class Commas(ListOf):
    """A list in the document, a comma-separated string in the record."""

    def values(self, value: Any) -> Any:
        return [part for part in value.split(",") if part] if value else ()

    def collect(self, items: tuple[Any, ...]) -> Any:
        return ",".join(items)


class Hosts(ListOf):
    """A list of host names in the document, a host list expression ("n[1-3]") in the record."""

    def values(self, value: Any) -> Any:
        if not value:
            return ()
        from slurmpy.core.hostlist import HostlistError, expand

        try:
            return expand(value)
        except HostlistError:  # whatever stands in an old record: the document is printed
            return [value]

    def collect(self, items: tuple[Any, ...]) -> Any:
        from slurmpy.core.hostlist import compress_keep_order

        return compress_keep_order(list(items)) if items else ""


class Flags(Type):
    """Names out of a fixed set. What the record holds instead is the business of ``names`` and ``value``.

    ``names(value)`` gives the names to write, ``value(names)`` the record's value. The default: a tuple of the names.
    """

    def __init__(
        self,
        name: str,
        choices: tuple[str, ...],
        names: Callable[[Any], tuple[str, ...]] | None = None,
        value: Callable[[tuple[str, ...]], Any] | None = None,
        *,
        ordered: bool = False,
    ) -> None:
        self.name = name
        self.choices = choices
        self._names = names
        self._value = value
        self._known = frozenset(choices)
        self._ordered = ordered  # whether the names come out in the order of ``choices``, whatever the record's
        self._dumped: dict[Any, tuple[str, ...]] = {}

    def changed(self, *, drop: tuple[str, ...] = (), add: tuple[tuple[str, str], ...] = (), name: str = "") -> Flags:
        """The neighbouring version's: without the names ``drop``, with each ``add`` = (name to stand behind, or "" for
        the front; name), perhaps with another name of its own."""
        choices = [choice for choice in self.choices if choice not in drop]
        for behind, choice in add:
            choices.insert(choices.index(behind) + 1 if behind else 0, choice)
        return Flags(name or self.name, tuple(choices), self._names, self._value, ordered=self._ordered)

    def schema(self, reference: Reference) -> dict[str, Any]:
        return {"type": "array", "items": {"type": "string", "enum": list(self.choices)}}

    def names(self, value: Any) -> tuple[str, ...]:
        known = self._dumped.get(value)
        if known is None:
            names = self._names(value) if self._names is not None else value or ()
            known = tuple(name for name in names if name in self._known)
            if self._ordered:
                known = tuple(name for name in self.choices if name in known)
            if len(self._dumped) < 4096:  # a bound for values that a peer could make up
                self._dumped[value] = known
        return known

    def dump(self, value: Any) -> list[str]:
        return list(self.names(value))

    def parse(self, document: Any, at: str, context: Context) -> Any:
        if document is None:
            return UNSET
        if isinstance(document, str):
            document = [part for part in document.split(",") if part]
        if not isinstance(document, list):
            context.error(
                "ESLURM_DATA_FLAGS_INVALID_TYPE", f"Expected flags as list or string but got {quote(document)}", at
            )
            raise ParseFailed
        names = []
        for index, entry in enumerate(document):
            text = entry if isinstance(entry, str) else quote(entry)
            match = text if text in self._known else self._match(text)
            if match is None:
                context.error("ESLURM_DATA_FLAGS_INVALID", f'Unknown flag "{text}"', f"{at[:-1]}[{index}]/")
                if context.strict:
                    context.error("ESLURM_DATA_FLAGS_INVALID", "Parsing flags failed", at)
                    raise ParseFailed
                continue
            names.append(match)
        return self._value(tuple(names)) if self._value is not None else tuple(names)

    def _match(self, text: str) -> str | None:
        folded = text.casefold()
        return next((choice for choice in self.choices if choice.casefold() == folded), None)

    def json_code(self, c: Compiler, value: str, indent: int) -> str:
        return self._cached(c, value, lambda names: json_text.write(names, indent))

    def yaml_code(self, c: Compiler, value: str, indent: int, column: int) -> str:
        return self._cached(c, value, lambda names: yaml_text.write(names, indent, column))

    def _cached(self, c: Compiler, value: str, render: Callable[[tuple[str, ...]], str]) -> str:
        texts: dict[Any, str] = {}

        def write(value: Any) -> str:
            text = texts.get(value)
            if text is None:
                text = render(self.names(value))
                if len(texts) < 4096:
                    texts[value] = text
            return text

        return f"{c.bind(write)}({value})"


STRINGS = ListOf(STRING)
