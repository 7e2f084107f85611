"""A version of the flat documents, put together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..lists import ListOf
from ..plugin import Plugin
from ..types import Type
from .documented import versioned
from .types import FlatTable


class FlatPlugin(Plugin):
    """``components`` maps names of types to those of the OpenAPI components, in which V stands for the version; other
    types are written where they are used. ``described`` are the components that describe whole bodies."""

    records_at = 2  # behind meta and errors

    def __init__(
        self,
        version: str,
        types: Iterable[Type],
        envelopes: dict[str, FlatTable],
        components: dict[str, str],
    ) -> None:
        super().__init__(version, types, {})
        self.envelopes = dict(envelopes)
        self.components = components
        self.described: dict[str, Any] = {}
        waiting: list[Type] = list(self.envelopes.values())
        while waiting:
            type = waiting.pop()
            if type.name and type.name not in self.types:
                self.types[type.name] = type
            waiting += type.parts()

    def reference(self, type: Type) -> dict[str, Any]:
        name = self.components.get(type.name) if not isinstance(type, ListOf) else None
        return {"$ref": f"#/components/schemas/{name}"} if name else type.schema(self.reference)

    def schemas(self) -> dict[str, Any]:
        found = {
            component: self.types[name].schema(self.reference)
            for name, component in self.components.items()
            if name in self.types
        }
        return {
            name.replace("V", self.version, 1): versioned(schema, self.version)
            for name, schema in sorted((found | self.described).items())
        }
