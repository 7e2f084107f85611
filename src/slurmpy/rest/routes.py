"""From a method and a path to what answers it, by a tree of the paths' parts: the cost does not grow with the table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Routes(Generic[T]):
    def __init__(self) -> None:
        self._targets: dict[str, tuple[T, tuple[str, ...]]] = {}
        self._below: dict[str, Routes[T]] = {}
        self._parameter: Routes[T] | None = None

    def add(self, method: str, path: str, target: T) -> None:
        """``path`` has parts in braces, whose values `find` tells by the names in them."""
        node, names = self, []
        for part in path.split("/"):
            if part.startswith("{"):
                names.append(part.strip("{}"))
                if node._parameter is None:
                    node._parameter = Routes()
                node = node._parameter
            elif part:
                node = node._below.setdefault(part, Routes())
        node._targets[method] = (target, tuple(names))

    def find(self, method: str, parts: Sequence[str]) -> tuple[T, dict[str, str]] | None:
        """The target and the values of the path's parameters. A part that is named goes before one in braces."""
        return self._find(method, parts, 0, ())

    def known(self, parts: Sequence[str]) -> bool:
        """Whether a path has a target by any method."""
        if not parts:
            return bool(self._targets)
        below = self._below.get(parts[0])
        return (below is not None and below.known(parts[1:])) or (
            self._parameter is not None and self._parameter.known(parts[1:])
        )

    def _find(
        self, method: str, parts: Sequence[str], at: int, values: tuple[str, ...]
    ) -> tuple[T, dict[str, str]] | None:
        if at == len(parts):
            found = self._targets.get(method)
            return None if found is None else (found[0], dict(zip(found[1], values, strict=True)))
        part = parts[at]
        below = self._below.get(part)
        if below is not None:
            deeper = below._find(method, parts, at + 1, values)
            if deeper is not None:
                return deeper
        return None if self._parameter is None else self._parameter._find(method, parts, at + 1, (*values, part))
