"""What of a report is drawn, whether in a terminal or on a page: bars of its rows, and a cluster's use over time."""

from __future__ import annotations

import time

from .sreport_reports import utilization
from .sreport_table import Amount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .sreport_table import Report

#: parts of a cluster's time, in the order in which they are stacked: (key, word)
PARTS = (
    ("allocated", "Allocated"),
    ("planned", "Planned"),
    ("planned_down", "Planned down"),
    ("down", "Down"),
    ("idle", "Idle"),
)
_RESERVATION = (("allocated", "Allocated"), ("idle", "Idle"))


class Bar:
    """A bar: its label, how deep it stands in a tree, the numbers of its parts, and what is written beside it."""

    def __init__(self, label: str, values: list[int], text: str, depth: int = 0) -> None:
        self.label, self.values, self.text, self.depth = label, values, text, depth


class Chart:
    """Bars over one another, or (`over_time`) columns beside one another. `whole`: each is 100 % as long as any."""

    def __init__(self, title: str, series: list[str], bars: list[Bar], whole: bool, over_time: bool = False) -> None:
        self.title, self.series, self.bars, self.whole, self.over_time = title, series, bars, whole, over_time

    @property
    def longest(self) -> int:
        return max((sum(bar.values) for bar in self.bars), default=0)


def charts(report: Report, columns: int) -> list[Chart]:
    """The charts of a report; one over time has at most `columns` columns."""
    if report.key == "cluster Utilization":
        return _cluster(report, columns)
    if report.sizes:
        return _sizes(report)
    if report.key == "reservation Utilization":
        return [
            _parts(f"{cluster}: {tres}", rows, _RESERVATION, lambda row: f"{row['name']} {row['start']}")
            for (cluster, tres), rows in _grouped(report.rows).items()
        ]
    return [
        Chart(f"{cluster}: {tres}", ["Used"], [_used(report, row) for row in rows], False)
        for (cluster, tres), rows in _grouped(report.rows).items()
    ]


def _grouped(rows: list[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault((row["cluster"], row["tres"]), []).append(row)
    return found


def _used(report: Report, row: dict[str, Any]) -> Bar:
    account, user = str(row.get("account", "")), str(row.get("user", ""))
    wckey = row.get("wckey")
    label, depth = " ".join(part for part in (user, account) if part), 0
    if report.key == "AccountUtilizationByUser":
        depth = len(account) - len(account.lstrip()) if "Tree" in report.request.flags else int(bool(user))
        label = user or account.lstrip()
    elif report.key == "AccountUtilizationByQOS":
        label = f"{account.lstrip()} {row['qos']}"
    elif wckey is not None:
        wckey = wckey or "(none)"
        depth = int(bool(user) and report.key == "WCKeyUtilizationByUser")
        label = user if depth else f"{user} {wckey}".strip()
    amount = row["used"]
    return Bar(label, [amount.seconds], report.text(amount), depth)


def _parts(title: str, rows: list[dict[str, Any]], parts: Any, label: Any) -> Chart:
    bars = []
    for row in rows:
        values = [row[key].seconds for key, _ in parts]
        share = 100 * values[0] / sum(values) if sum(values) else 0.0
        bars.append(Bar(label(row), values, f"{share:.1f} %"))
    return Chart(title, [word for _, word in parts], bars, True)


def _sizes(report: Report) -> list[Chart]:
    sizes = [field for field in report.sizes if field[4].startswith("size")]
    found: dict[str, list[Bar]] = {}
    for row in report.rows:
        total = Amount(row["total"].seconds, 0, row["total"].plain)
        text = str(total.seconds) if total.plain or not report.session.unit else report.text(total).partition("(")[0]
        values = [row[field[4]].seconds for field in sizes]
        found.setdefault(row["cluster"], []).append(Bar(str(row["account"]), values, f"{text} ({row['share']})"))
    return [Chart(cluster, [field[2] for field in sizes], bars, False) for cluster, bars in found.items()]


def _cluster(report: Report, columns: int) -> list[Chart]:
    request, session = report.request, report.session
    found = [
        _parts(str(cluster), rows, PARTS, lambda row: str(row["tres"]))
        for cluster, rows in _by_cluster(report.rows).items()
    ]
    if request.end - request.start <= 3600:
        return found
    periods = request.periods(columns)
    series: dict[tuple[str, str], list[Bar]] = {}
    keys = [(row["cluster"], row["tres"]) for row in report.rows if row["reported"].seconds]
    for start, end in periods:
        rows = {(row["cluster"], row["tres"]): row for row in utilization(session, request, start, end)}
        for key in keys:
            row = rows.get(key)
            values = [row[part].seconds if row else 0 for part, _ in PARTS]
            share = f"{100 * values[0] / sum(values):.1f} %" if sum(values) else "no data"
            series.setdefault(key, []).append(Bar(_when(start, end), values, share))
    words = [word for _, word in PARTS]
    each = _length(periods)
    found += [
        Chart(f"{cluster}: {tres} by {each}", words, bars, True, over_time=True)
        for (cluster, tres), bars in series.items()
    ]
    return found


def _by_cluster(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row["reported"].seconds:
            found.setdefault(row["cluster"], []).append(row)
    return found


def _when(start: int, end: int) -> str:
    local = time.localtime(start)
    return time.strftime("%Y-%m-%d %H:00" if end - start <= 3600 else "%Y-%m-%d", local)


def _length(periods: list[tuple[int, int]]) -> str:
    longest = max(end - start for start, end in periods)
    days = round(longest / 86400)
    return "hour" if longest <= 3600 else "day" if days <= 1 else f"{days} days"
