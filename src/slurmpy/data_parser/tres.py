"""Trackable resources: text in the records ("cpu=2,mem=1000,gres/gpu=2"), lists with ids in the slurmdb documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from slurmpy.core.records.accounting import STANDARD_TRES, Tres

from . import json_text, yaml_text
from .errors import Context
from .kinds import INT32, INT64
from .lists import ListOf
from .tables import Field as F
from .tables import Table
from .types import STRING, UNSET, Reference, Type

if TYPE_CHECKING:
    from .compiler import Compiler

#: «type/name» (or the type alone) -> id. The database numbers GRES and licenses as they appear, so who reads its table
#: tells `learn`; a document that is read teaches too.
_ids: dict[str, int] = {f"{type}/{name}" if name else type: id for id, type, name in STANDARD_TRES}
_generation = [0]


def generation() -> int:
    """Another number whenever a TRES got to be known: texts that were made before may name fewer."""
    return _generation[0]


_UNSIGNED = 2**64
_SIGNED = 2**63


def learn(known: Iterable[tuple[int, str, str]]) -> None:
    """Take note of TRES as the database numbers them: (id, type, name)."""
    for id, type, name in known:
        label = f"{type}/{name}" if name else type
        if _ids.get(label) != id:
            _ids[label] = id
            _generation[0] += 1


def number(label: str) -> int:
    """The id of a TRES ("cpu", "gres/gpu"); 0 of one that nobody has told of."""
    return _ids.get(label, 0)


def split(text: str) -> list[tuple[str, str]]:
    """(label, value) of each part of the text."""
    return [(label, value) for label, _, value in (part.partition("=") for part in text.split(",")) if label]


def _count(value: str) -> int:
    try:
        number = int(value)
    except ValueError:
        return 0
    return number - _UNSIGNED if number >= _SIGNED else number


def _entry(label: str, count: str) -> dict[str, Any]:
    type, _, name = label.partition("/")
    return {"type": type, "name": name, "id": _ids.get(label, 0), "count": _count(count)}


def _label(entry: dict[str, Any]) -> str:
    type, name = entry.get("type") or "", entry.get("name") or ""
    label = f"{type}/{name}" if name else type
    if entry.get("id"):
        learn(((entry["id"], type, name),))
    elif not type:
        label = next((known for known, id in _ids.items() if id == entry.get("id")), "")
    return label


TRES = Table(
    "tres",
    Tres,
    (F("type", STRING, required=True), F("name", STRING), F("id", INT32), F("count", INT64)),
)
#: records of the database's own table
TRES_LIST = ListOf(TRES, "tres_list")
_ENTRY = Table(
    "tres",
    dict,
    (
        F("type", STRING, required=True),
        F("name", STRING),
        F("id", INT32),
        F("count", INT64),
        F("task", INT32),
        F("node", STRING),
    ),
)


class _EntryText:
    """The JSON text of entries: what is before the count is the same for every entry of a TRES, and kept."""

    def __init__(self, indent: int) -> None:
        self.indent = indent
        self._leads: dict[tuple[Any, ...], str] = {}

    def __call__(self, entry: dict[str, Any]) -> str:
        pad = "\n" + " " * (self.indent + 2)
        key = (entry["type"], entry["name"], entry["id"])
        lead = self._leads.get(key)
        if lead is None:
            if len(self._leads) > 4096:
                self._leads.clear()
            words = [
                f"{pad}{json_text.string(name)}: {json_text.write(entry[name])}," for name in ("type", "name", "id")
            ]
            lead = self._leads[key] = "{" + "".join(words) + f'{pad}"count": '
        rest = ""
        if "node" in entry:
            rest = f',{pad}"task": {entry["task"]},{pad}"node": {json_text.write(entry["node"])}'
        return f"{lead}{entry['count']}{rest}{pad[:-2]}}}"


class TresText(Type):
    """One text in the record."""

    name = "tres_list"

    def schema(self, reference: Reference) -> dict[str, Any]:
        return {"type": "array", "items": reference(TRES)}

    def parts(self) -> tuple[Type, ...]:
        return (TRES,)

    def dump(self, value: Any) -> list[dict[str, Any]]:
        return [self._entry(label, count) for label, count in split(value)] if value else []

    def _entry(self, label: str, count: str) -> dict[str, Any]:
        entry = _entry(label, count)
        return {**entry, "name": entry["name"] or None} if self.nullable else entry

    def parse(self, document: Any, at: str, context: Context) -> Any:
        if isinstance(document, str):
            return document
        entries = ListOf(_ENTRY).parse(document, at, context)
        if entries is UNSET:
            return UNSET
        return ",".join(f"{_label(entry)}={_unsigned(entry)}" for entry in entries)

    def json_code(self, c: Compiler, value: str, indent: int) -> str:
        head, between, tail = (text.replace("\n", "\n" + " " * indent) for text in ("[\n  ", ",\n  ", "\n]"))
        entry_text = _EntryText(indent + 2)

        def render(value: Any) -> str:
            entries = self.dump(value)
            return head + between.join([entry_text(entry) for entry in entries]) + tail if entries else "[]"

        return self._cached(c, value, render)

    def yaml_code(self, c: Compiler, value: str, indent: int, column: int) -> str:
        return self._cached(c, value, lambda text: yaml_text.write(self.dump(text), indent, column))

    def _cached(self, c: Compiler, value: str, render: Callable[[Any], str]) -> str:
        texts: dict[Any, str] = {}
        generation = [_generation[0]]

        def write(value: Any) -> str:
            if generation[0] != _generation[0] or len(texts) > 4096:
                texts.clear()
                generation[0] = _generation[0]
            text = texts.get(value)
            if text is None:
                text = texts[value] = render(value)
            return text

        return f"{c.bind(write)}({value})"


def _unsigned(entry: dict[str, Any]) -> int:
    count: int = entry.get("count", 0)
    return count + _UNSIGNED if count < 0 else count


class TresExtremes(TresText):
    """Three texts of a step: the counts, and of which node and task each is; a tuple in the record's place."""

    def __init__(self, name: str) -> None:
        self.name = name

    def dump(self, value: Any) -> list[dict[str, Any]]:
        counts, nodes, tasks = value
        if not counts:
            return []
        of_node, of_task = dict(split(nodes)), dict(split(tasks))
        return [
            {
                **self._entry(label, count),
                "task": _count(of_task.get(label, "0")),
                "node": of_node.get(label) or (None if self.nullable else ""),
            }
            for label, count in split(counts)
        ]

    def parse(self, document: Any, at: str, context: Context) -> Any:
        entries = ListOf(_ENTRY).parse(document, at, context)
        if entries is UNSET:
            return UNSET
        labels = [_label(entry) for entry in entries]
        return (
            ",".join(f"{label}={_unsigned(entry)}" for label, entry in zip(labels, entries, strict=True)),
            ",".join(f"{label}={entry.get('node', '')}" for label, entry in zip(labels, entries, strict=True)),
            ",".join(f"{label}={entry.get('task', 0)}" for label, entry in zip(labels, entries, strict=True)),
        )


TRES_TEXT = TresText()
