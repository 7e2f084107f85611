"""Lists of host names: ``n[1-3,5],m[08-10],x`` and back.

A name is a prefix and, at its end, digits; digits with leading zeros keep their width. `expand` keeps order and
repetitions. The names of several bracketed parts multiply: ``r[1-2]n[1-2]`` is four hosts.
"""

from __future__ import annotations

from .errors import SlurmError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: how many hosts one range may name, and a whole list: some kilobytes of ranges would otherwise name more than fits
MAX_RANGE = 65536
MAX_HOSTS = 4 * MAX_RANGE

_DIGITS = "0123456789"


class HostlistError(SlurmError):
    """A host list that cannot be read. `detail` is the first line Slurm prints about it, or None."""

    def __init__(self, text: str, detail: str | None = None) -> None:
        super().__init__("ESLURM_INVALID_NODE_NAME", f"Invalid hostlist: {text}")
        self.detail = detail


def split(text: str) -> list[str]:
    """The items of a host list, cut at commas and blanks outside brackets, still unexpanded."""
    if "[" not in text:
        return text.replace(",", " ").split()
    items, start, depth = [], 0, 0
    for at, char in enumerate(text):
        if char == "[":
            depth += 1
        elif char == "]":
            depth -= depth > 0
        elif not depth and (char == "," or char.isspace()):
            if at > start:
                items.append(text[start:at])
            start = at + 1
    if start < len(text):
        items.append(text[start:])
    return items


def _ranges(inside: str, whole: str) -> Iterator[tuple[int, int, int]]:
    """(first, last, width) of each part of a bracket's inside."""
    for part in inside.split(","):
        low, dash, high = part.partition("-")
        if not (low.isdecimal() and low.isascii()) or (dash and not (high.isdecimal() and high.isascii())):
            raise HostlistError(whole, f"_parse_single_range: Invalid range: `{part}'")
        first, last = int(low), int(high) if dash else int(low)
        if last < first:
            raise HostlistError(whole, f"_parse_single_range: Invalid range: `{part}'")
        if last - first >= MAX_RANGE:
            raise HostlistError(whole, f"_parse_single_range: Too many hosts in range `{part}'")
        yield first, last, len(low)


def _item(item: str, whole: str) -> list[str]:
    names = [""]
    at = 0
    while True:
        start = item.find("[", at)
        if start < 0:
            rest = item[at:]
            return [name + rest for name in names] if rest else names
        end = item.find("]", start)
        if end < 0:
            raise HostlistError(whole)
        ranges = list(_ranges(item[start + 1 : end], whole))
        if len(names) * sum(last - first + 1 for first, last, _ in ranges) > MAX_RANGE:
            raise HostlistError(whole, f"_parse_single_range: Too many hosts in range `{item}'")
        middle = [f"{number:0{width}d}" for first, last, width in ranges for number in range(first, last + 1)]
        before = item[at:start]
        names = [name + before + number for name in names for number in middle]
        at = end + 1


def expand(text: str) -> list[str]:
    """The names in `text`, in order, repetitions kept. Raises `HostlistError` (a `SlurmError`)."""
    if "[" not in text:
        return text.replace(",", " ").split()
    names: list[str] = []
    for item in split(text):
        if "[" in item:
            names += _item(item, text)
        else:
            names.append(item)
        if len(names) > MAX_HOSTS:
            raise HostlistError(text)
    return names


def count(text: str) -> int:
    """How many hosts `text` names, repetitions counted. Raises `HostlistError`."""
    if "[" not in text:
        return len(text.replace(",", " ").split())
    total = 0
    for item in split(text):
        if item.count("[") == 1 and "]" in item:
            inside = item[item.index("[") + 1 : item.index("]", item.index("["))]
            total += sum(last - first + 1 for first, last, _ in _ranges(inside, text))
        else:
            total += len(_item(item, text))
    return total


def natural_key(name: str) -> tuple[str, int, int]:
    """Sorts names as Slurm does: by prefix, then width of the number, then the number; ``n2`` before ``n10``."""
    prefix = name.rstrip(_DIGITS)
    digits = name[len(prefix) :]
    return (prefix, len(digits), int(digits)) if digits else (name, 0, 0)


def compress_keep_order(names: Iterable[str]) -> str:
    """The shortest list that expands to just these names in this order: neighbours of one prefix share a bracket."""
    groups: list[tuple[str, list[list[int]] | None]] = []
    for name in names:
        prefix = name.rstrip(_DIGITS)
        digits = name[len(prefix) :]
        if not digits:
            groups.append((name, None))
            continue
        number, width = int(digits), len(digits)
        if groups and groups[-1][0] == prefix and (ranges := groups[-1][1]) is not None:
            last = ranges[-1]
            if number == last[1] + 1 and digits == f"{number:0{last[2]}d}":
                last[1] = number
            else:
                ranges.append([number, number, width])
        else:
            groups.append((prefix, [[number, number, width]]))
    return ",".join(_group(prefix, ranges) for prefix, ranges in groups)


def _group(prefix: str, ranges: list[list[int]] | None) -> str:
    if ranges is None:
        return prefix
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return f"{prefix}{ranges[0][0]:0{ranges[0][2]}d}"
    parts = [
        f"{first:0{width}d}" if first == last else f"{first:0{width}d}-{last:0{width}d}"
        for first, last, width in ranges
    ]
    return f"{prefix}[{','.join(parts)}]"


def compress(names: Iterable[str]) -> str:
    """The names sorted and grouped, as Slurm prints the nodes of a job: ``m08,n[1-3,5]``. Repetitions stay."""
    return compress_keep_order(sorted(names, key=natural_key))
