"""A table: the fields of one object of the documents, where each stands in the JSON and in the record."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .errors import Context, ParseFailed, slurm_kind
from .types import UNSET, Reference, Type

if TYPE_CHECKING:
    from .compiler import Compiler


class Field:
    """One line of a table.

    ``path`` is the place in the document ("time/limit"); ``attr`` the record's attribute, "" for a field that the
    record does not have (then the type writes its constant or zero). ``get(record)`` (or ``get(record, now)`` when
    ``timed``) computes a value instead, ``put(values, value)`` takes a parsed one apart; a field with ``get`` alone is
    not read back (``put`` raises ValueError for a value that makes no sense). A request that says something in an
    ``unsupported`` field is refused.
    """

    __slots__ = ("attr", "deprecated", "get", "path", "put", "required", "timed", "type", "unsupported")

    def __init__(
        self,
        path: str,
        type: Type,
        attr: str | None = None,
        *,
        get: Callable[..., Any] | None = None,
        put: Callable[[dict[str, Any], Any], None] | None = None,
        timed: bool = False,
        required: bool = False,
        deprecated: bool = False,
        unsupported: bool = False,
    ) -> None:
        self.path = path
        self.type = type
        self.attr = path if attr is None else attr
        self.get = get
        self.put = put
        self.timed = timed
        self.required = required
        self.deprecated = deprecated or type.deprecated
        self.unsupported = unsupported

    def changed(self, **changes: Any) -> Field:
        """A copy with other properties, for a table of differences."""
        values = {name: getattr(self, name) for name in self.__slots__} | changes
        return Field(**values)


def _as_declared(item: tuple[str, Any]) -> str:
    """v0.0.40 goes by the names of the fields in Slurm's structures, the others by the document's order."""
    return "num_tasks" if item[0] == "tasks" else item[0]


class Table(Type):
    """An object type. ``record`` is the class that `parse` makes: a Record subclass, ``dict`` or ``tuple``. A Record
    has in ``_given`` the names of the fields that the document says something of, be it what they are by default."""

    def __init__(
        self,
        name: str,
        record: Callable[..., Any],
        fields: tuple[Field, ...],
        *,
        label: str = "",
        sparse: bool = False,
    ) -> None:
        self.name = name
        self.record = record
        self.fields = fields
        self.label = label or name.upper()
        self.sparse = sparse  # a request: what is None in the record is left out of the document
        self.access = "attr" if record not in (dict, tuple) else "key" if record is dict else "index"
        self.fields_by_path = {field.path: field for field in fields}
        self._branches = {
            "/".join(field.path.split("/")[:depth]) for field in fields for depth in range(1, field.path.count("/") + 1)
        }
        self._defaults: dict[str, Any] = {}
        if self.access == "attr":
            self._defaults = {f.attr: getattr(record, f.attr, None) for f in fields if f.attr}

    def changed(
        self,
        *,
        drop: tuple[str, ...] = (),
        change: dict[str, dict[str, Any]] | None = None,
        add: tuple[tuple[str, Field], ...] = (),
        name: str | None = None,
        record: Callable[..., Any] | None = None,
    ) -> Table:
        """The neighbouring version's table: without the paths ``drop``, with ``change`` {path: properties of the
        field}, and with each ``add`` = (path to stand behind, or "" for the front; field)."""
        fields = [
            field.changed(**change[field.path]) if change and field.path in change else field
            for field in self.fields
            if field.path not in drop
        ]
        for behind, field in add:
            places = [index for index, other in enumerate(fields) if other.path == behind]
            fields.insert(places[0] + 1 if places else 0, field)
        return type(self)(name or self.name, record or self.record, tuple(fields), label=self.label, sparse=self.sparse)

    def parts(self) -> tuple[Type, ...]:
        return tuple(field.type for field in self.fields)

    def schema(self, reference: Reference) -> dict[str, Any]:
        root: dict[str, Any] = {"type": "object", "properties": {}}
        for field in self.fields:
            properties = root["properties"]
            *groups, last = field.path.split("/")
            for group in groups:
                properties = properties.setdefault(group, {"type": "object", "properties": {}})["properties"]
            schema = reference(field.type)
            if field.deprecated:
                schema = schema | {"deprecated": True}
            properties[last] = schema
        root["required"] = [field.path for field in self.fields if field.required]
        return root

    def value(self, field: Field, record: Any, now: float) -> Any:
        if field.get is not None:
            return field.get(record, now) if field.timed else field.get(record)
        if not field.attr:
            return None
        if self.access == "attr":
            return getattr(record, field.attr)
        if self.access == "key":
            return record.get(field.attr)
        return record[int(field.attr)]

    def source(self, c: Compiler, field: Field) -> str:
        """The expression of the field's value in a function of ``r`` and ``now``."""
        if field.get is not None:
            return f"{c.bind(field.get)}(r, now)" if field.timed else f"{c.bind(field.get)}(r)"
        if not field.attr:
            return "None"
        if self.access == "attr":
            return f"r.{field.attr}"
        return f"r.get({field.attr!r})" if self.access == "key" else f"r[{int(field.attr)}]"

    def dump(self, value: Any) -> dict[str, Any] | None:
        return self.dump_at(value, 0)

    def dump_at(self, value: Any, now: float) -> dict[str, Any] | None:
        if value is None:
            return None
        root: dict[str, Any] = {}
        for field in self.fields:
            content = self.value(field, value, now)
            if self.sparse and content is None:
                continue
            *groups, last = field.path.split("/")
            here = root
            for group in groups:
                here = here.setdefault(group, {})
            here[last] = field.type.dump_at(content, now)
        return root

    def parse(self, document: Any, at: str, context: Context) -> Any:
        if document is None:
            return UNSET
        if not isinstance(document, dict):
            context.error("ESLURM_DATA_EXPECTED_DICT", f"Rejecting {slurm_kind(document)} when dictionary expected", at)
            raise ParseFailed
        values: dict[str, Any] = {}
        self._parse_group(document, "", at, context, values)
        if self.access == "index":
            return tuple(values.get(str(index)) for index in range(len(self.fields)))
        if self.access == "key":
            return values
        defaults = self._defaults
        own = {k: v for k, v in values.items() if k[0] != "_" and (k not in defaults or v != defaults[k])}
        record = self.record(**own)
        record.__dict__["_given"] = frozenset(
            field.attr
            for field in self.fields
            if field.attr in values and (values[field.attr] is not None or field.type.resets)
        )
        record.__dict__.update((k, v) for k, v in values.items() if k[0] == "_" and v)
        return record

    def _parse_group(
        self, document: dict[str, Any], prefix: str, at: str, context: Context, values: dict[str, Any]
    ) -> None:
        for key, entry in sorted(document.items(), key=_as_declared) if context.strict else document.items():
            path = prefix + key
            here = f"{at}{key}/"
            field = self.fields_by_path.get(path)
            if field is None:
                if path in self._branches and isinstance(entry, dict):
                    self._parse_group(entry, path + "/", here, context, values)
                else:
                    context.warn(
                        f'Ignoring unknown field "{key}" of type {slurm_kind(entry)} in DATA_PARSER_{self.label}', here
                    )
                continue
            value = field.type.parse(entry, here, context)
            if value is UNSET:
                continue
            if field.unsupported:
                if value:
                    context.error("ESLURM_DATA_PATH_NOT_FOUND", f'Field "{key}" is not supported', here)
            elif field.put is not None:
                try:
                    field.put(values, value)
                except ValueError as error:
                    context.error("ESLURM_DATA_CONV_FAILED", str(error), here)
            elif field.get is None and field.attr:
                values[field.attr] = value

    def json_code(self, c: Compiler, value: str, indent: int) -> str:
        if self.sparse:  # which properties there are differs from record to record
            return super().json_code(c, value, indent)
        return f"{c.json_table(self, indent)}({value}, now)"

    def yaml_code(self, c: Compiler, value: str, indent: int, column: int) -> str:
        if self.sparse:
            return super().yaml_code(c, value, indent, column)
        return f"{c.yaml_table(self, indent + 2)}({value}, now)"
