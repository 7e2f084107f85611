"""One data parser version: tables in, documents, text and schemas out."""

from __future__ import annotations

import builtins
import copy
from collections.abc import Iterable, Iterator
from typing import Any

from . import json_text, parser_flags, yaml_text
from .compiler import Compiler, Writer
from .errors import Context, ParseFailed
from .lists import Flags, ListOf
from .tables import Table
from .types import UNSET, Type

#: what has a component where references are few: the answers that several endpoints give, and one body
MINIMAL = frozenset(
    {
        *(
            f"openapi_{name}_resp"
            for name in (
                "accounts", "assocs", "assocs_removed", "clusters", "instances", "job_info", "nodes", "partition",
                "reservation", "reservation_mod", "shares", "slurmdbd_config", "slurmdbd_jobs", "slurmdbd_qos", "tres",
                "users", "wckey",
            )
        ),
        "openapi_resp",
        "update_node_msg",
    }
)  # fmt: skip


class Plugin:
    """``types`` holds every named type of the version, ``envelopes`` the document around each kind of answer;
    types that are ``unpublished`` have no part in the OpenAPI components: they are for commands only, or written where
    they are used. With ``named`` only those types have a component, and those of a class in ``inline`` have none; the
    schemas of others are written where they are used."""

    #: which of an envelope's fields holds the records that may be streamed
    records_at = 0

    def __init__(
        self,
        version: str,
        types: Iterable[Type],
        envelopes: dict[str, Table],
        unpublished: frozenset[str] = frozenset(),
        *,
        named: frozenset[str] | None = None,
        inline: tuple[builtins.type[Type], ...] = (),
    ) -> None:
        self.version = version
        self.name = f"{parser_flags.PREFIX}{version}"
        #: what `parser_flags` stand behind the version, of those that change something
        self.flags: frozenset[str] = frozenset()
        self.envelopes = envelopes
        self._unpublished = unpublished
        self._names = named
        self._inline = inline
        self.types: dict[str, Type] = {type.name: type for type in types}
        for envelope in envelopes.values():
            self.types[envelope.name] = envelope
            for field in envelope.fields[:-3]:  # without meta, errors and warnings
                self.types.setdefault(field.type.name, field.type)
                for part in field.type.parts() if isinstance(field.type, ListOf) else ():
                    self.types.setdefault(part.name, part)
        self._compiler = Compiler()
        self._json: dict[tuple[str, int], Writer] = {}
        self._yaml: dict[tuple[str, int, int], Writer] = {}

    def flagged(self, flags: frozenset[str], name: str) -> Plugin:
        """The same version with ``flags`` as well, called ``name`` in documents."""
        other = copy.copy(self)
        other.name, other.flags = name, self.flags | flags
        if parser_flags.PREFER_REFS in flags:
            other._names = None
        if parser_flags.MINIMIZE_REFS in flags:
            other._names = MINIMAL
        if parser_flags.INLINE_ENUMS in flags:
            other._inline = (Flags,)
        if parser_flags.COMPLEX in flags:
            from .complex_form import ComplexForm

            form = ComplexForm(self.version)
            other.types = {name: form.of(type) for name, type in self.types.items()}
            other.envelopes = {kind: form.envelope(table) for kind, table in self.envelopes.items()}
            other._compiler, other._json, other._yaml = Compiler(), {}, {}
        return other

    def called(self, name: str) -> Plugin:
        """The same under another name: what a document was asked for with is what it tells."""
        other = copy.copy(self)
        other.name = name
        return other

    def outline(self, kind: str) -> dict[str, Any] | None:
        """The schema that is told instead of a document of ``kind``, all of it in one; None if the document is."""
        if parser_flags.SPEC_ONLY not in self.flags:
            return None
        return self._whole(self.envelopes[kind])

    def _whole(self, type: Type) -> dict[str, Any]:
        return type.schema(self._whole)

    @property
    def form(self) -> str:
        """By which texts of records may be kept: what writes them in another way has another one."""
        return f"{self.version}+{parser_flags.COMPLEX}" if parser_flags.COMPLEX in self.flags else self.version

    @property
    def asked(self) -> str:
        """How a daemon is asked for the same documents."""
        return self.name.removeprefix(parser_flags.PREFIX)

    def type(self, name: str) -> Type:
        """The type called ``name``; KeyError if this version has none."""
        return self.types[name]

    def dump(self, name: str, value: Any, now: float = 0) -> Any:
        """The document (dicts, lists, plain values) of a record. ``now`` (epoch) is for what grows by itself."""
        return self.types[name].dump_at(value, now)

    def parse(self, name: str, document: Any, context: Context | None = None, at: str = "#/") -> Any:
        """The record that a document describes.

        Without a ``context`` the first error is raised as SlurmError. With one, errors and warnings are left in it, and
        ParseFailed is raised if there is nothing to go on with.
        """
        own = context or Context(flags=self.flags)
        try:
            value = self.types[name].parse(document, at, own)
        except ParseFailed:
            if context is not None:
                raise
            if not own.errors:
                own.error("ESLURM_DATA_CONV_FAILED", own.warnings[-1]["description"] if own.warnings else "", at)
            value = UNSET
        if context is None:
            own.raise_first()
        if value is UNSET:
            own.error("ESLURM_DATA_PARSE_NOTHING", "Nothing to parse", at)
            if context is not None:
                raise ParseFailed
            own.raise_first()
        return value

    def json_writer(self, name: str, indent: int = 4) -> Writer:
        """``write(record, now)`` -> the JSON text of a record, to stand on a line indented by ``indent``."""
        writer = self._json.get((name, indent))
        if writer is None:
            writer = self._json[name, indent] = self._compiler.json_writer(self.types[name], indent)
        return writer

    def yaml_writer(self, name: str, indent: int = 0, column: int = 1) -> Writer:
        """The same for YAML: what follows a dash at column ``indent``."""
        writer = self._yaml.get((name, indent, column))
        if writer is None:
            writer = self._yaml[name, indent, column] = self._compiler.yaml_writer(self.types[name], indent, column)
        return writer

    def encode(self, name: str, value: Any, now: float = 0, indent: int = 4) -> bytes:
        """A record as a JSON fragment. Bytes in paths and the like that are no UTF-8 stay what they were."""
        return self.json_writer(name, indent)(value, now).encode("utf-8", "surrogateescape")

    def encode_yaml(self, name: str, value: Any, now: float = 0) -> bytes:
        """A record as a YAML fragment, as the item of a sequence at the left margin (``-`` included)."""
        return ("-" + self.yaml_writer(name)(value, now)).encode()

    def schemas(self) -> dict[str, Any]:
        """All components that the types of the version imply, by name (``v0.0.42_job_info``)."""
        found: dict[str, Any] = {}
        waiting = list(self.types.values())
        seen: set[int] = set()
        while waiting:
            type = waiting.pop()
            if id(type) in seen:
                continue
            seen.add(id(type))
            waiting.extend(type.parts())
            if self._named(type):
                found[f"{self.version}_{type.name}"] = type.schema(self.reference)
        return dict(sorted(found.items()))

    def _named(self, type: Type) -> bool:
        named = bool(type.name) and (self._names is None or type.name in self._names)
        return named and type.name not in self._unpublished and not isinstance(type, self._inline)

    def reference(self, type: Type) -> dict[str, Any]:
        """How a schema refers to a type: by name if it has one."""
        if self._named(type):
            return {"$ref": f"#/components/schemas/{self.version}_{type.name}"}
        return type.schema(self.reference)

    def document(self, value: dict[str, Any], encoding: str = "json") -> Iterator[bytes]:
        """A whole small document that is at hand as plain values."""
        if encoding == "yaml":
            yield ("%YAML 1.1\n---" + yaml_text.mapping(value, 0) + "\n...\n").encode()
        else:
            yield json_text.write(value).encode("utf-8", "surrogateescape")

    def __repr__(self) -> str:
        return f"<{self.name}>"


def chunks(parts: Iterable[bytes], size: int = 65536) -> Iterator[bytes]:
    """The same bytes in pieces of about ``size``."""
    held: list[bytes] = []
    length = 0
    for part in parts:
        held.append(part)
        length += len(part)
        if length >= size:
            yield b"".join(held)
            held.clear()
            length = 0
    if held:
        yield b"".join(held)
