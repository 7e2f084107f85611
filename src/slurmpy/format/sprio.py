"""sprio's columns: the parts of the priorities of waiting jobs."""

from __future__ import annotations

from .registry import View
from .table import Column, Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: factor: parameter of slurm.conf with its weight
WEIGHTS = {
    "age": "PriorityWeightAge",
    "assoc": "PriorityWeightAssoc",
    "fairshare": "PriorityWeightFairShare",
    "jobsize": "PriorityWeightJobSize",
    "partition": "PriorityWeightPartition",
    "qos": "PriorityWeightQOS",
}

#: what the row of weights (-w) has for a job id
WEIGHTS_ROW = "Weights"


def _whole(context: Context, value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def _begun(context: Context, value: float | None) -> str:
    """The whole part of a priority; parts of it are rounded."""
    return "" if value is None else str(int(value))


def _normal(context: Context, value: float | None) -> str:
    return "" if value is None else f"{value:.7f}"


def _share(context: Context, priority: float | None, *parts: float) -> str:
    """The sum of the parts, before it becomes a whole number, as a share of the highest priority there is."""
    if priority is None:
        return ""
    site, nice, *weighted = parts
    return f"{max(0, sum(weighted) + site - nice) / 0xFFFFFFFF:.14f}"


def _text(context: Context, value: str | None) -> str:
    return "" if value is None else value


def _or_null(context: Context, value: str | None) -> str:
    return value or "(null)"


_PARTS = " ".join(f"{name}_weighted" for name in WEIGHTS)

COLUMNS = (
    Column("Account", "ACCOUNT", "account", _text, letter="o"),
    Column("Age", "AGE", "age_weighted", _whole, letter="A"),
    Column("AgeFactor", "AGE", "age_factor", _normal, letter="a"),
    Column("Assoc", "ASSOC", "assoc_weighted", _whole, letter="B"),
    Column("AssocFactor", "ASSOC", "assoc_factor", _normal, letter="b"),
    Column("Cluster", "CLUSTER", "cluster_name", _or_null, letter="c"),
    Column("FairShare", "FAIRSHARE", "fairshare_weighted", _whole, letter="F"),
    Column("FairShareFactor", "FAIRSHARE", "fairshare_factor", _normal, letter="f"),
    Column("JobId", "JOBID", "job_id", letter="i"),
    Column("JobSize", "JOBSIZE", "jobsize_weighted", _whole, letter="J"),
    Column("JobSizeFactor", "JOBSIZE", "jobsize_factor", _normal, letter="j"),
    Column("Nice", "NICE", "nice", _whole, letter="N"),
    Column("Partition", "PARTITION", "partition_weighted", _whole, letter="P"),
    Column("PartitionFactor", "PARTITION", "partition_factor", _normal, letter="p"),
    Column("PartitionName", "PARTITION", "partition", _text, letter="r"),
    Column("Priority", "PRIORITY", "priority", _begun, letter="Y"),
    Column("PriorityNormal", "PRIORITY", f"priority site nice {_PARTS}", _share, letter="y"),
    Column("QOS", "QOS", "qos_weighted", _whole, letter="Q"),
    Column("QOSFactor", "QOS", "qos_factor", _normal, letter="q"),
    Column("QOSName", "QOSNAME", "qos", _text, letter="n"),
    Column("Site", "SITE", "site", _whole, letter="S"),
    Column("TRES", "TRES", "tres", _text, letter="T"),
    Column("TRESFactor", "TRES", "tres", _text, letter="t"),
    Column("UserName", "USER", "user_name", _text, letter="u"),
)

VIEW = View("sprio", COLUMNS)

#: letter of a factor's column: the factor; those without weight are left out of the default tables
_OF_FACTOR = {"A": "age", "B": "assoc", "F": "fairshare", "J": "jobsize", "P": "partition", "Q": "qos"}

LONG = "%.15i %9r %.8u %.8o %.10Y %.10S %.10A %.10B %.10F %.10J %.10P %.10n %.10Q %.11N %.20T"
LONG_NORMAL = "%.15i %9r %.8u %.8o %10y %10a %10b %10f %10j %10p %10n %10q %20t"
_DEFAULT = ("%.10Y", "%.10S", "%.10A", "%.10B", "%.10F", "%.10J", "%.10P", "%.10Q", "%20T")
_NORMAL = ("%10y", "%10a", "%10b", "%10f", "%10j", "%10p", "%10q", "%20t")


def default(weights: dict[str, int], tres: bool, normal: bool, user: bool) -> str:
    """The default format: columns of factors that have a weight; the user where one was asked for."""
    words = ["%.15i", "%9r"] + (["%.8u"] if user else [])
    for word in _NORMAL if normal else _DEFAULT:
        letter = word[-1]
        if letter.upper() == "T":
            if tres:
                words.append(word)
            continue
        factor = _OF_FACTOR.get(letter.upper())
        if factor is None or weights[factor]:
            words.append(word)
    return " ".join(words)


def sort_key(letter: str) -> tuple[str, Callable[[Any], Any]] | None:
    """The field that a letter sorts by; None if there is no such letter."""
    column = VIEW.letters.get(letter) if letter else None
    if column is None:
        return None
    return column.fields[0], lambda value: (value is not None, value)


def column_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """The answer's columns with a name of their own for each: the plain factors behind ``tres`` become NAME_factor."""
    start = names.index("tres") + 1
    return tuple(f"{name}_factor" if place >= start and name in WEIGHTS else name for place, name in enumerate(names))


def help_text() -> str:
    """The letters as --helpformat lists them: eight a line, in Slurm's order."""
    order = "aAbBcfFijJnNopPrSqQuyYtT"
    letters = sorted((column.letter for column in COLUMNS), key=order.index)
    lines = [letters[start : start + 8] for start in range(0, len(letters), 8)]
    return "".join("".join(f"%{letter}    " for letter in line) + "\n" for line in lines)
