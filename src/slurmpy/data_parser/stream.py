"""Documents of any length at flat memory: fragments of records, joined into pieces of about 64 KiB.

A daemon keeps a `FragmentCache` and answers ``dump`` with `answer`; what it sends is the document as the command prints
it, except for the final newline.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Protocol

from slurmpy.core.errors import SlurmError

from . import json_text, registry, yaml_text
from .plugin import Plugin
from .tables import Field, Table

ENCODINGS = ("json", "yaml")
#: records that are joined at a time; a job has some 11 kB
BATCH = 16

#: query name -> kind of document, where they differ
KINDS = {"stats": "diag", "ping": "pings"}


class Cache(Protocol):
    """Gives the texts of records in their order, some of them as they were made before."""

    @property
    def timed(self) -> bool:
        """Whether it may be asked for records whose text depends on the time."""

    def fragments(
        self, plugin: Plugin, name: str, records: Iterable[Any], encoding: str = "json", now: float = 0
    ) -> Iterator[bytes]: ...


class FragmentCache:
    """The encoded text of records, until a record changes or goes away.

    A record takes part if it has a ``_version`` that grows with every change of it. Holds at most ``budget`` bytes;
    what does not fit is encoded anew each time.
    """

    timed = False

    def __init__(self, budget: int = 256 << 20) -> None:
        self.budget = budget
        self.used = 0
        #: (type, form, encoding) -> id of the record -> (reference to it, its version, fragment)
        self._entries: dict[tuple[str, str, str], dict[int, tuple[Any, int, bytes]]] = {}

    def fragments(
        self, plugin: Plugin, name: str, records: Iterable[Any], encoding: str = "json", now: float = 0
    ) -> Iterator[bytes]:
        """The fragments of records of the type ``name``, in their order."""
        encode = encoder(plugin, name, encoding)
        entries = self._entries.setdefault((name, plugin.form, encoding), {})
        find = entries.get
        for record in records:
            entry = find(id(record))
            # a waiting record may take the address of one that is gone, but never its reference
            if entry is not None and entry[1] == record._version and entry[0]() is record:
                yield entry[2]
                continue
            fragment = encode(record, now)
            version = getattr(record, "_version", None)
            if version is not None:
                self._keep(entries, record, version, fragment)
            yield fragment

    def _keep(self, entries: dict[int, tuple[Any, int, bytes]], record: Any, version: int, fragment: bytes) -> None:
        key = id(record)
        old = entries.get(key)
        if old is not None and old[0]() is record:
            self.used -= len(old[2])
            reference = old[0]
        elif self.used + len(fragment) > self.budget:
            return
        else:
            reference = weakref.ref(record, lambda gone: self._drop(entries, key, gone))
        entries[key] = (reference, version, fragment)
        self.used += len(fragment)

    def _drop(self, entries: dict[int, tuple[Any, int, bytes]], key: int, gone: Any) -> None:
        entry = entries.get(key)
        if entry is not None and entry[0] is gone:
            del entries[key]
            self.used -= len(entry[2])


def encoder(plugin: Plugin, name: str, encoding: str) -> Callable[[Any, float], bytes]:
    """`encode(record, now)` -> the record's text in a list."""
    if encoding == "json":
        write = plugin.json_writer(name, 4)

        def encode(record: Any, now: float) -> bytes:
            return write(record, now).encode("utf-8", "surrogateescape")

        return encode
    write_yaml = plugin.yaml_writer(name, 0, 1)

    def encode_yaml(record: Any, now: float) -> bytes:
        return ("-" + write_yaml(record, now)).encode()

    return encode_yaml


def document(
    plugin: Plugin,
    kind: str,
    records: Iterable[Any],
    *,
    encoding: str = "json",
    cache: Cache | None = None,
    now: float = 0,
    meta: dict[str, Any] | None = None,
    errors: Iterable[dict[str, Any]] = (),
    warnings: Iterable[dict[str, Any]] = (),
    when_empty: str = "",
    **values: Any,
) -> Iterator[bytes]:
    """The document of ``kind`` (see `envelopes.ENVELOPES`) around ``records``, in pieces.

    ``values`` are the envelope's further fields (last_update, ...). ``when_empty`` is a warning for the case that
    there are no records. Records whose time grows (steps) are never kept in the cache.
    """
    outline = plugin.outline(kind)
    if outline is not None:
        yield from plugin.document(outline, encoding)
        return
    envelope = plugin.envelopes[kind]
    before = envelope.fields[: plugin.records_at]
    first = envelope.fields[plugin.records_at]
    item = first.type.parts()[0]
    if cache is not None and (cache.timed or not timed(item)):
        fragments = cache.fragments(plugin, item.name, records, encoding, now)
    else:
        encode = encoder(plugin, item.name, encoding)
        fragments = (encode(record, now) for record in records)
    json = encoding == "json"
    found = list(warnings)
    values |= {"meta": {"data_parser": plugin.name, **(meta or {})}, "errors": tuple(errors), "warnings": found}
    head = _head(before, values, json)
    head += f"\n  {json_text.string(first.path)}: [" if json else f"\n!!str {first.path}: !!seq"
    between = b",\n    " if json else b"\n"
    lead = head.encode() + (b"\n    " if json else b"\n")
    empty = True
    while batch := list(islice(fragments, BATCH)):
        batch[0] = lead + batch[0]
        yield between.join(batch)
        lead = between
        empty = False
    if empty:
        if when_empty:
            found.append({"description": when_empty, "source": ""})
        yield (head + ("]" if json else " []")).encode()
    elif json:
        yield b"\n  ]"
    yield _rest(envelope.fields[plugin.records_at + 1 :], values, json).encode("utf-8", "surrogateescape")


def _head(fields: tuple[Field, ...], values: dict[str, Any], json: bool) -> str:
    """What older documents have before their records."""
    lines = _lines(fields, values, json)
    if json:
        return "{" + "".join(line[1:] + "," for line in lines)
    return "%YAML 1.1\n--- !!map" + "".join(lines)


def _rest(fields: tuple[Field, ...], values: dict[str, Any], json: bool) -> str:
    return "".join(_lines(fields, values, json)) + ("\n}" if json else "\n...\n")


def _lines(fields: tuple[Field, ...], values: dict[str, Any], json: bool) -> list[str]:
    lines = []
    for field in fields:
        content = field.type.dump(values.get(field.attr))
        if json:
            lines.append(f",\n  {json_text.string(field.path)}: {json_text.write(content, 2)}")
        else:
            lines.append(f"\n!!str {field.path}:{yaml_text.write(content, 0, 7 + len(field.path))}")
    return lines


def whole(
    plugin: Plugin,
    kind: str,
    *,
    encoding: str = "json",
    now: float = 0,
    meta: dict[str, Any] | None = None,
    errors: Iterable[dict[str, Any]] = (),
    warnings: Iterable[dict[str, Any]] = (),
    **values: Any,
) -> bytes:
    """A document whose content is one object or short lists, at once; ``values`` by the envelope's field names."""
    values |= {
        "meta": {"data_parser": plugin.name, **(meta or {})},
        "errors": tuple(errors),
        "warnings": tuple(warnings),
    }
    content = plugin.outline(kind) or plugin.envelopes[kind].dump_at(values, now) or {}
    if encoding == "json":
        return json_text.write(content).encode("utf-8", "surrogateescape")
    return ("%YAML 1.1\n---" + yaml_text.mapping(content, 0) + "\n...\n").encode()


def timed(type: Any) -> bool:
    """Whether something in the documents of a type grows with the time."""
    return isinstance(type, Table) and any(field.timed for field in type.fields)


def answer(
    args: dict[str, Any],
    records: Iterable[Any],
    *,
    kind: str = "",
    cache: Cache | None = None,
    now: float = 0,
    **values: Any,
) -> Iterator[bytes]:
    """What a daemon answers to ``dump``: ``args`` are the request's (what, parser, encoding, meta).

    For an answer that is no list (diag, shares) ``records`` is the object itself, a dictionary. Raises SlurmError
    for a version or encoding that there is not.
    """
    plugin = registry.get(str(args.get("parser") or ""))
    encoding = args.get("encoding") or "json"
    kind = kind or KINDS.get(str(args.get("what")), str(args.get("what")))
    if encoding not in ENCODINGS or kind not in plugin.envelopes:
        raise SlurmError("SLURM_ERROR", f"{kind} cannot be dumped as {encoding}")
    given = args.get("meta")
    given = given if isinstance(given, dict) else {}
    meta, when_empty = _meta(given)
    values |= {name: _told(given.get(name)) for name in ("errors", "warnings")}
    if isinstance(given.get("last_update"), int):
        values["last_update"] = given["last_update"]
    if isinstance(records, dict):
        key = plugin.envelopes[kind].fields[plugin.records_at].attr
        return iter((whole(plugin, kind, encoding=encoding, now=now, meta=meta, **{key: records}, **values),))
    return document(
        plugin, kind, records, encoding=encoding, cache=cache, now=now, meta=meta, when_empty=when_empty, **values
    )


def _told(given: Any) -> tuple[dict[str, Any], ...]:
    """The errors or warnings that the caller already has for its document."""
    if not isinstance(given, (list, tuple)):
        return ()
    return tuple(
        {key: value if key == "error_number" else str(value) for key, value in one.items() if isinstance(key, str)}
        for one in given
        if isinstance(one, dict) and isinstance(one.get("error_number", 0), int)
    )


_META_TEXTS = ("plugin_type", "plugin_name", "accounting_storage", "source", "user", "group", "cluster")


def _meta(given: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The caller's part of the meta block, of which only strings are taken over."""
    meta: dict[str, Any] = {name: str(given[name]) for name in _META_TEXTS if name in given}
    command = given.get("command")
    meta["command"] = tuple(str(word) for word in command) if isinstance(command, (list, tuple)) else ()
    return meta, str(given.get("when_empty") or "")
