"""The flag ``complex``: a version's tables with numbers as such and null for what is not there."""

from __future__ import annotations

import copy
from typing import Any

from .exit_code import ExitCode
from .lists import ListOf
from .tables import Table
from .tres import TresText
from .types import Empty, OptionalNumber, String, Type
from .versions import Derivation

#: table: texts that are empty rather than null
TEXTS: dict[str, tuple[str, ...]] = {
    "node": ("owner", "reason_set_by_user", "tres_used"),
    "job": ("constraints", "kill_request_user", "mcs/label", "script", "stderr", "wckey/wckey"),
    "step": ("kill_request_user",),
    "openapi_meta": ("client/user",),
}
#: table: fields that are no longer filled but of a type that others still are -> whether the OpenAPI document tells it
REMOVED: dict[str, dict[str, bool]] = {
    "job_info": {"show_flags": True},
    "assoc": {"id": True},
    "cluster_rec": {"select_plugin": False},
}


class _Removed(Type):
    """null. ``of`` is the field's type; ``told`` whether the OpenAPI document still tells it."""

    def __init__(self, of: Type, told: bool) -> None:
        self.of = of
        self.told = told
        self.name = of.name if told else ""
        self.deprecated = told and of.deprecated

    def schema(self, reference: Any) -> dict[str, Any]:
        return self.of.schema(reference) if self.told else {}

    def parts(self) -> tuple[Type, ...]:
        return self.of.parts() if self.told else ()

    def dump(self, value: Any) -> None:
        return None

    def parse(self, document: Any, at: str, context: Any) -> Any:
        return self.of.parse(document, at, context)


class ComplexForm(Derivation):
    """Makes of each type of ``version`` the one with the flag. The oldest with flags is the only one whose OpenAPI
    document follows: in others it goes on to describe three properties; and it fills what the others have removed."""

    def __init__(self, version: str) -> None:
        super().__init__({})
        self.oldest = version == "v0.0.40"
        self.kept = ("show_flags", "select_plugin") if self.oldest else ()
        self.removed = version in ("v0.0.40", "v0.0.41", "v0.0.42")

    def _make(self, type: Type) -> Type:
        if isinstance(type, String):
            return self._nullable(type)
        if isinstance(type, OptionalNumber):
            number = copy.copy(type)
            number.complex, number.told = True, self.oldest
            return number
        if isinstance(type, TresText):
            return self._nullable(type)
        if isinstance(type, Empty):
            return type if self.oldest else _Removed(type, bool(type.name))
        made = super()._make(type)
        return self._nullable(made) if isinstance(made, ExitCode) else made

    def envelope(self, table: Table) -> Table:
        """An answer's: null for records that are not even looked for, as the request has failed."""
        made = self.table(table)
        lists = {field.path: self._nullable(field.type) for field in made.fields[:1] if isinstance(field.type, ListOf)}
        return made.changed(change={path: {"type": type} for path, type in lists.items()}) if lists else made

    @staticmethod
    def _nullable(type: Any) -> Any:
        made = copy.copy(type)
        made.nullable = True
        return made

    def _make_table(self, table: Table) -> Table:
        made = super()._make_table(table)
        fields = table.fields_by_path
        changes: dict[str, dict[str, Any]] = {
            path: {"type": fields[path].type} for path in TEXTS.get(table.name, ()) if path in fields
        }
        for path, told in REMOVED.get(table.name, {}).items() if self.removed else ():
            if path in fields:
                changes[path] = {"type": fields[path].type if path in self.kept else _Removed(fields[path].type, told)}
        if changes:
            made = made.changed(change=changes)
        untold = [field.path for field in made.fields if isinstance(field.type, _Removed) and not field.type.told]
        if untold:
            made = made.changed(change={path: {"deprecated": False} for path in untold})
        if made is not table:
            made.nullable = True
        return made
