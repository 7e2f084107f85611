"""Feature expressions of --constraint and --prefer: ``a&b``, ``a|b``, ``a&(b|c)``, ``a*2``, ``[a|b]``, ``[a*1&b*2]``.

Parsed once per job. An expression answers whether one node satisfies it; the square brackets (all nodes of the job
alike, ``[a|b]``) and counts (``a*2``: so many of the nodes) give alternatives that `select` tries one after another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from slurmpy.core.errors import SlurmError

_TOKEN = re.compile(r"\s*(?:([\[\]()&|])|([^\[\]()&|*\s]+)(?:\*(\d+))?)")

#: An expression in nested tuples: ("name", feature, count), ("and", terms), ("or", terms), ("xor", terms) for [a|b].
Expression = tuple


class Constraint:
    """A parsed feature expression.

    `alternatives` are sets of requirements of which one is to hold for the whole allocation; each is
    ``(expression for every node, ((expression, count), ...))``.
    """

    __slots__ = ("alternatives", "names", "text")

    def __init__(self, text: str, expression: Expression) -> None:
        self.text = text
        self.names = frozenset(_names(expression))
        self.alternatives = tuple(_alternatives(expression))

    @property
    def simple(self) -> bool:
        """One expression that every node has to satisfy."""
        return len(self.alternatives) == 1 and not self.alternatives[0][1]

    def any_node(self, features: Iterable[str]) -> bool:
        """May a node with these features be in the allocation at all?"""
        known = features if isinstance(features, (set, frozenset)) else frozenset(features)
        for every, counted in self.alternatives:
            if not holds(every, known):
                continue
            if not counted or any(holds(part, known) for part, _ in counted):
                return True
        return False


@lru_cache(maxsize=1024)
def parse(text: str) -> Constraint:
    """Parse an expression; raises ESLURM_INVALID_FEATURE where it is none."""
    tokens: list[tuple[str, str, int]] = []
    position = 0
    stripped = text.strip()
    while position < len(stripped):
        match = _TOKEN.match(stripped, position)
        if match is None:
            raise SlurmError("ESLURM_INVALID_FEATURE")
        position = match.end()
        if match[1]:
            tokens.append((match[1], "", 0))
        else:
            tokens.append(("name", match[2], int(match[3] or 0)))
    tokens.append(("end", "", 0))
    parser = _Parser(tokens)
    expression = parser.expression()
    if parser.tokens[parser.at][0] != "end":
        raise SlurmError("ESLURM_INVALID_FEATURE")
    if _loose_counts(expression) > 1:
        raise SlurmError("ESLURM_INVALID_FEATURE")  # several counts have to be within brackets
    return Constraint(text, expression)


def holds(expression: Expression, features: frozenset[str] | set[str]) -> bool:
    """Does one node with these features satisfy the expression (counts and brackets left aside)?"""
    kind = expression[0]
    if kind == "name":
        return expression[1] in features
    if kind == "and":
        return all(holds(term, features) for term in expression[1])
    return any(holds(term, features) for term in expression[1])


class _Parser:
    def __init__(self, tokens: list[tuple[str, str, int]]) -> None:
        self.tokens = tokens
        self.at = 0

    def take(self, kind: str) -> bool:
        if self.tokens[self.at][0] == kind:
            self.at += 1
            return True
        return False

    def expression(self) -> Expression:
        """Terms joined by ``&`` and ``|``; as in Slurm, ``&`` binds tighter."""
        either = [self.conjunction()]
        while self.take("|"):
            either.append(self.conjunction())
        return either[0] if len(either) == 1 else ("or", tuple(either))

    def conjunction(self) -> Expression:
        terms = [self.term()]
        while self.take("&"):
            terms.append(self.term())
        return terms[0] if len(terms) == 1 else ("and", tuple(terms))

    def term(self) -> Expression:
        if self.take("("):
            inner = self.expression()
            if not self.take(")"):
                raise SlurmError("ESLURM_INVALID_FEATURE")
            return inner
        if self.take("["):
            inner = self.expression()
            if not self.take("]"):
                raise SlurmError("ESLURM_INVALID_FEATURE")
            return ("xor", inner[1]) if inner[0] == "or" else ("mor", inner)
        kind, name, count = self.tokens[self.at]
        if kind != "name":
            raise SlurmError("ESLURM_INVALID_FEATURE")
        self.at += 1
        return ("name", name, count)


def _names(expression: Expression) -> Iterable[str]:
    kind = expression[0]
    if kind == "name":
        yield expression[1]
    elif kind == "mor":
        yield from _names(expression[1])
    else:
        for term in expression[1]:
            yield from _names(term)


def _alternatives(expression: Expression) -> Iterable[tuple[Expression, tuple[tuple[Expression, int], ...]]]:
    """Split into what every node must have and what a counted number of nodes must have."""
    everything: Expression = ("and", ())
    kind = expression[0]
    if kind == "xor":
        for term in expression[1]:
            yield from _alternatives(term)
        return
    terms = expression[1] if kind == "and" else (expression,)
    every: list[Expression] = []
    counted: list[tuple[Expression, int]] = []
    choices: tuple[Expression, ...] = ()
    for term in terms:
        if term[0] == "mor":
            inner = term[1]
            for part in inner[1] if inner[0] == "and" else (inner,):
                counted.append((_plain(part), _count(part)))
        elif term[0] == "xor":
            choices = term[1]
        elif term[0] == "name" and term[2]:
            counted.append((_plain(term), term[2]))
        else:
            every.append(_plain(term))
    base = ("and", tuple(every)) if every else everything
    if choices:
        for choice in choices:
            yield ("and", (*every, _plain(choice))), tuple(counted)
    else:
        yield base, tuple(counted)


def _plain(expression: Expression) -> Expression:
    kind = expression[0]
    if kind == "name":
        return ("name", expression[1], 0)
    if kind == "mor":
        return _plain(expression[1])
    return ("and" if kind == "and" else "or", tuple(_plain(term) for term in expression[1]))


def _loose_counts(expression: Expression) -> int:
    """How many counted features stand outside of brackets."""
    if expression[0] == "name":
        return 1 if expression[2] else 0
    if expression[0] in ("and", "or"):
        return sum(_loose_counts(term) for term in expression[1])
    return 0


def _count(expression: Expression) -> int:
    return expression[2] if expression[0] == "name" and expression[2] else 1
