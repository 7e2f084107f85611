"""The base of every record that travels between commands and daemons."""

from __future__ import annotations

TYPE_CHECKING = False  # as typing's, whose import would cost every command some milliseconds
if TYPE_CHECKING:
    from typing import Any, ClassVar, Self

#: «Without limit», in any unit (minutes, nodes, CPUs): Slurm's own 32-bit INFINITE. «Not set» (NO_VAL) is ``None``.
INFINITE = 0xFFFFFFFF
#: greater numbers are refused: seconds and bytes that are made of them must still fit into 64 bits
HUGE = 1 << 53
_TYPES: dict[str, Any] = {
    "int": int, "str": str, "bool": bool, "float": (int, float), "tuple": (tuple, list), "dict": dict,
}  # fmt: skip
_INSIDE = {"tuple[str, ...]": str, "tuple[int, ...]": int, "dict[str, int]": int}


def _fits(annotation: str, value: Any) -> bool:
    """Whether a field with that annotation may hold `value`."""
    text = annotation.removesuffix(" | None")
    if value is None:
        return text != annotation
    if not isinstance(value, _TYPES.get(text.partition("[")[0], object)):
        return False
    inside = _INSIDE.get(text)
    if isinstance(value, str):
        return "\0" not in value
    if inside is None:
        return not isinstance(value, int) or -HUGE <= value <= HUGE
    if isinstance(value, dict):
        return all(isinstance(name, str) and isinstance(one, inside) for name, one in value.items())
    return all(isinstance(one, inside) and not (isinstance(one, str) and "\0" in one) for one in value)


class Record:
    """A set of named values with defaults.

    A subclass annotates its fields and gives each an immutable default. An instance holds only what differs from the
    default, so it is small, quick to make, and its ``to_wire()`` is the very dictionary that goes onto the wire.
    Names that begin with ``_`` are the owner's own and never travel.
    """

    FIELDS: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        own = [name for name in cls.__annotations__ if name[0] != "_" and name != "FIELDS" and name not in cls.FIELDS]
        cls.FIELDS = (*cls.FIELDS, *own)

    def __init__(self, **values: Any) -> None:
        for name in values:
            if not hasattr(type(self), name):
                raise TypeError(f"{type(self).__name__} has no field {name!r}")
        self.__dict__.update(values)

    @classmethod
    def from_wire(cls, values: dict[str, Any]) -> Self:
        """A record from a peer's dictionary; names that this release does not know are left out."""
        record = cls.__new__(cls)
        known = cls.__dict__.get("_known_fields")
        if known is None:
            known = frozenset(cls.FIELDS)
            cls._known_fields = known  # type: ignore[attr-defined]
        record.__dict__.update((k, v) for k, v in values.items() if k in known)
        return record

    @classmethod
    def received(cls, values: dict[str, Any]) -> Self:
        """`from_wire` of what somebody sent who may be anybody. Raises TypeError as `check_types` does."""
        record = cls.from_wire(values)
        cls.check_types(record.__dict__)
        return record

    @classmethod
    def check_types(cls, values: dict[str, Any]) -> None:
        """Raises TypeError if a field of this record does not hold what its annotation says: a number that is too
        great for any of Slurm's, or a text with a NUL, which no program can be handed. Names that are no fields are let
        through."""
        written = cls.__dict__.get("_written")
        if written is None:
            written = {
                name: text
                for one in reversed(cls.__mro__)
                for name, text in vars(one).get("__annotations__", {}).items()
            }
            cls._written = written  # type: ignore[attr-defined]
        for name, value in values.items():
            if name in written and not _fits(written[name], value):
                raise TypeError(f"{name} cannot be {type(value).__name__}")

    def to_wire(self) -> dict[str, Any]:
        """What differs from the defaults, by field name, as msgpack and JSON can carry it."""
        return {name: value for name, value in self.__dict__.items() if name[0] != "_"}

    def copy(self, **changes: Any) -> Self:
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin.__dict__.update(changes)
        return twin

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.FIELDS)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        inner = ", ".join(f"{name}={value!r}" for name, value in self.to_wire().items())
        return f"{type(self).__name__}({inner})"
