"""sacct's lines: which fields, how wide, and rows of the database compiled into text."""

from __future__ import annotations

from operator import itemgetter

from .sacct_cells import Style
from .sacct_fields import FIELDS, Field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

_LOWER = tuple((field.name.lower(), field) for field in FIELDS)


class UnknownField(ValueError):
    """No field begins with that name."""


def find(name: str) -> Field:
    """The first field that begins with `name`, whatever its case. Raises UnknownField."""
    wanted = name.lower()
    for lower, field in _LOWER:
        if lower.startswith(wanted):
            return field
    raise UnknownField(name)


def parse(text: str) -> list[Field]:
    """The fields of ``jobid%-20,state,ALL``. A width holds wherever the field stands. Raises UnknownField."""
    chosen: list[str] = []
    widths: dict[str, int] = {}
    for part in text.split(","):
        name, percent, width = part.strip().partition("%")
        if not name and not percent:
            continue
        if name.lower() == "all":
            chosen.extend(field.name for field in FIELDS)
            continue
        field = find(name)
        if percent:
            widths[field.name] = _leading_number(width)
        chosen.append(field.name)
    table = {field.name: field for field in FIELDS}
    return [_with_width(table[name], widths[name]) if name in widths else table[name] for name in chosen]


def _leading_number(text: str) -> int:
    """What C's atoi makes of it: 0 where there is no number."""
    sign, digits = (-1, text[1:]) if text[:1] == "-" else (1, text)
    end = 0
    while end < len(digits) and digits[end].isascii() and digits[end].isdigit():
        end += 1
    return sign * int(digits[:end] or 0)


def _with_width(field: Field, width: int) -> Field:
    job = (field.job_needs, field.job) if field.job else None
    step = (field.step_needs, field.step) if field.step else None
    return Field(field.name, width, job, step, field.header)


class Table:
    """Lines for chosen fields. `separator` None: columns of fixed width; else -p (`trailing`) or -P."""

    def __init__(
        self, fields: Sequence[Field], style: Style, separator: str | None = None, trailing: bool = False
    ) -> None:
        self.fields, self.style, self.separator, self.trailing = fields, style, separator, trailing
        job: dict[str, None] = {}
        step: dict[str, None] = {}
        for field in fields:
            for name in field.job_needs if field.job else ():
                job[name] = None
            for name in field.step_needs if field.step else ():
                if name.startswith("job."):
                    job[name[4:]] = None
                else:
                    step[name] = None
        #: columns of jobs and of steps that the lines need
        self.job_columns: tuple[str, ...] = tuple(job) or ("job_id",)
        self.step_columns: tuple[str, ...] = tuple(step) or ("step_id",)
        job_at = {name: index for index, name in enumerate(self.job_columns)}
        step_at = {name: index for index, name in enumerate(self.step_columns)}
        self._job_cells = [self._cell(field, field.job, field.job_needs, job_at, {}) for field in fields]
        self._step_cells = [self._cell(field, field.step, field.step_needs, job_at, step_at) for field in fields]

    def header(self) -> str:
        """The header's one or two lines."""
        if self.separator is not None:
            return self._join([field.name for field in self.fields])
        words = []
        rules = []
        for field in self.fields:
            width = abs(field.width)
            text = field.header[:width]
            words.append(text.ljust(width) if field.width < 0 else text.rjust(width))
            rules.append("-" * width)
        return "".join(word + " " for word in words) + "\n" + "".join(rule + " " for rule in rules) + "\n"

    def _join(self, cells: Sequence[str]) -> str:
        assert self.separator is not None
        return self.separator.join(cells) + (self.separator if self.trailing else "") + "\n"

    def _fit(self, field: Field, text: str) -> str:
        if self.separator is not None:
            return text
        width = abs(field.width)
        if len(text) > width:
            return text[: width - 1] + "+ " if width else " "
        return (text.ljust(width) if field.width < 0 else text.rjust(width)) + " "

    def _cell(
        self,
        field: Field,
        make: Callable[..., str] | None,
        needs: Sequence[str],
        job_at: dict[str, int],
        step_at: dict[str, int],
    ) -> Callable[[Any, Any], str]:
        """A function of (job row, step row) that gives the cell, cut and padded."""
        if make is None:
            empty = self._fit(field, "")
            return lambda job, step: empty
        style, fit = self.style, self._fit
        places: list[tuple[bool, int]] = []
        for name in needs:
            if name.startswith("job."):
                places.append((False, job_at[name[4:]]))
            elif step_at:
                places.append((True, step_at[name]))
            else:
                places.append((False, job_at[name]))
        memo: dict[Any, str] = {}
        if len(places) == 1:
            of_step, index = places[0]

            def single(job: Any, step: Any) -> str:
                value = (step if of_step else job)[index]
                found = memo.get(value)
                if found is None:
                    if len(memo) > 4096:
                        memo.clear()
                    found = memo[value] = fit(field, make(style, value))
                return found

            return single

        if len({of_step for of_step, _ in places}) == 1:
            of_step, pick = places[0][0], itemgetter(*(index for _, index in places))

            def together(job: Any, step: Any) -> str:
                values = pick(step if of_step else job)
                found = memo.get(values)
                if found is None:
                    if len(memo) > 4096:
                        memo.clear()
                    found = memo[values] = fit(field, make(style, *values))
                return found

            return together

        def several(job: Any, step: Any) -> str:
            values = tuple([(step if of_step else job)[index] for of_step, index in places])
            found = memo.get(values)
            if found is None:
                if len(memo) > 4096:
                    memo.clear()
                found = memo[values] = fit(field, make(style, *values))
            return found

        return several

    def lines(
        self, rows: Iterable[Sequence[Any]], steps: bool, named: Callable[[Any], set[int] | None] | None = None
    ) -> Iterator[str]:
        """The text of each row: its job's line, and its steps' (the row's last value) where wanted. `named(row)` tells
        which steps were asked for by name; None: the job as a whole, and only then it has its own line."""
        job_cells, step_cells = self._job_cells, self._step_cells
        separator, trailing = self.separator, self.trailing
        end = (separator or "") + "\n" if trailing and separator else "\n"
        glue = separator or ""
        for row in rows:
            if named is None or named(row) is None:
                yield glue.join([cell(row, row) for cell in job_cells]) + end
            if steps:
                for step in row[-1]:
                    yield glue.join([cell(row, step) for cell in step_cells]) + end
