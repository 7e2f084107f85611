"""Sets of array task numbers: ``0-3,7,9-15:2``. A range costs the same however many numbers it holds."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: how long a text of task numbers squeue and scontrol print before they cut it (SLURM_BITSTR_LEN)
DEFAULT_TEXT_LENGTH = 64
MAX_TEXT_LENGTH = 4096
#: from how many numbers on, a regular progression is written as ``first-last:step``
STEP_FROM = 6


def _number(text: str) -> int:
    if not (text.isdecimal() and text.isascii()):
        raise ValueError(f"not a number: {text!r}")
    return int(text)


def _start(values: range) -> int:
    return values.start


class IntervalSet:
    """Numbers from zero up, held as ascending ranges none of which reaches into the next one."""

    __slots__ = ("_ranges",)

    def __init__(self, numbers: Iterable[int] = ()) -> None:
        self._ranges = _grouped(sorted(set(numbers)))

    @classmethod
    def parse(cls, text: str) -> IntervalSet:
        """The set that `text` writes, without any ``%limit``. Raises ValueError."""
        ranges = []
        body = text.strip()
        if body.startswith("[") and body.endswith("]"):
            body = body[1:-1]
        for item in body.rstrip(",").split(","):
            low, dash, rest = item.partition("-")
            high, colon, stride = rest.partition(":")
            first = _number(low)
            last = _number(high) if dash else first
            step = _number(stride) if colon else 1
            if last < first or step < 1:
                raise ValueError(f"not a list of numbers: {text}")
            values = range(first, last + 1, step)
            ranges.append(range(first, values[-1] + 1, 1 if len(values) == 1 else step))
        ranges.sort(key=_start)
        self = cls()
        if all(left[-1] < right.start for left, right in pairwise(ranges)):
            self._ranges = ranges
        else:
            self._ranges = _grouped(sorted({number for values in ranges for number in values}))
        return self

    def __len__(self) -> int:
        return sum(map(len, self._ranges))

    def __bool__(self) -> bool:
        return bool(self._ranges)

    def __iter__(self) -> Iterator[int]:
        for values in self._ranges:
            yield from values

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._ranges, number, key=_start) - 1
        return at >= 0 and number in self._ranges[at]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, IntervalSet):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"IntervalSet.parse({self.format()!r})"

    def copy(self) -> IntervalSet:
        twin = IntervalSet()
        twin._ranges = list(self._ranges)
        return twin

    def first(self) -> int:
        """The lowest number. Raises IndexError if there is none."""
        return self._ranges[0].start

    def last(self) -> int:
        """The highest number. Raises IndexError if there is none."""
        return self._ranges[-1][-1]

    def pop(self) -> int:
        """Takes the lowest number out. Raises IndexError if there is none."""
        values = self._ranges[0]
        if len(values) > 1:
            self._ranges[0] = values[1:]
        else:
            del self._ranges[0]
        return values.start

    def discard(self, number: int) -> bool:
        """Takes `number` out; whether it was in."""
        at = bisect_right(self._ranges, number, key=_start) - 1
        if at < 0 or number not in self._ranges[at]:
            return False
        values = self._ranges[at]
        index = values.index(number)
        self._ranges[at : at + 1] = [part for part in (values[:index], values[index + 1 :]) if part]
        return True

    def add(self, number: int) -> None:
        if number in self:
            return
        at = bisect_right(self._ranges, number, key=_start)
        if at and self._ranges[at - 1][-1] > number:  # falls between the numbers of a stepped range
            values = self._ranges[at - 1]
            index = (number - values.start) // values.step + 1
            self._ranges[at - 1 : at] = [values[:index], range(number, number + 1), values[index:]]
        elif at and self._ranges[at - 1].step == 1 and self._ranges[at - 1].stop == number:
            self._ranges[at - 1] = range(self._ranges[at - 1].start, number + 1)
        else:
            self._ranges.insert(at, range(number, number + 1))

    def format(self, limit: int | None = None) -> str:
        """As Slurm writes it: ``0-3,7,9``, or ``1-197:7`` for a regular progression of `STEP_FROM` numbers or more.

        `limit` is the length of Slurm's buffer: longer texts end in ``...`` one character below it; None or 0: whole.
        """
        text = self._whole()
        if limit and len(text) >= limit:
            size = max(limit - 1, 0)
            text = text[: max(size - 3, 0)] + "..."[:size]
        return text

    def _whole(self) -> str:
        ranges = self._ranges
        if not ranges:
            return ""
        step = self._step()
        if step > 1 and len(self) >= STEP_FROM:
            return f"{self.first()}-{self.last()}:{step}"
        parts: list[str] = []
        low = high = -2
        for values in ranges:
            for first, last in ((values.start, values[-1]),) if values.step == 1 else ((n, n) for n in values):
                if first == high + 1:
                    high = last
                    continue
                if high >= 0:
                    parts.append(str(low) if low == high else f"{low}-{high}")
                low, high = first, last
        parts.append(str(low) if low == high else f"{low}-{high}")
        return ",".join(parts)

    def _step(self) -> int:
        """The distance of all neighbours, 0 if they differ or there is none."""
        step, before = 0, -1
        for values in self._ranges:
            if before >= 0:
                if step and values.start - before != step:
                    return 0
                step = values.start - before
            if len(values) > 1:
                if step and values.step != step:
                    return 0
                step = values.step
            before = values[-1]
        return step


def _grouped(numbers: list[int]) -> list[range]:
    """Ascending numbers as ranges of step 1."""
    ranges: list[range] = []
    start = before = -2
    for number in numbers:
        if number != before + 1:
            if start >= 0:
                ranges.append(range(start, before + 1))
            start = number
        before = number
    if start >= 0:
        ranges.append(range(start, before + 1))
    return ranges


def parse_array(text: str) -> tuple[IntervalSet, int]:
    """What ``--array`` takes: the task numbers, and how many may run at once (0: any number). Raises ValueError."""
    body, _, limit = text.strip().partition("%")
    digits = limit[: len(limit) - len(limit.lstrip("0123456789"))]
    return IntervalSet.parse(body or "0"), int(digits or 0)


def text_length(variable: str | None) -> int:
    """The limit for `IntervalSet.format` that a value of SLURM_BITSTR_LEN asks for."""
    if variable is None or not variable.strip().isdecimal():
        return DEFAULT_TEXT_LENGTH
    return min(int(variable), MAX_TEXT_LENGTH)


def format_array(text: str, max_tasks: int, limit: int | None = DEFAULT_TEXT_LENGTH) -> str:
    """A record's task text with its ``%limit``, cut as `IntervalSet.format` does: ``4-9%2``."""
    if limit and len(text) >= limit:
        size = max(limit - 1, 0)
        text = text[: max(size - 3, 0)] + "..."[:size]
    return f"{text}%{max_tasks}" if max_tasks else text
