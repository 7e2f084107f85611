"""``sreport --html FILE``: a report as one page that needs nothing else: charts as inline SVG, the table, light and
dark colours. Every text is escaped, and the page's own policy lets no script run."""

from __future__ import annotations

import html
import os
import stat
import sys
import tempfile

from .errors import Stop, line
from .sreport_chart import charts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .sreport_chart import Bar, Chart
    from .sreport_table import Report

#: columns that a chart over time may have
COLUMNS = 120
_WIDTH = 920
_CLASSES = {"Allocated": 0, "Used": 0, "Planned": 1, "Planned down": 2, "Down": 3, "Idle": 4}
_STYLE = """\
:root{color-scheme:light dark;--page:#f5f6f8;--card:#fff;--text:#1a1f27;--soft:#59616d;--line:#d9dde3;--head:#eef0f4;
--c0:#2f6fd0;--c1:#d79a00;--c2:#8659c7;--c3:#cf4436;--c4:#dfe3e9;--c5:#12908e;--c6:#4f8f2f;--c7:#b35c00}
@media (prefers-color-scheme:dark){:root{--page:#12151a;--card:#1b2027;--text:#e7eaef;--soft:#a0a9b5;--line:#333b46;
--head:#242b34;--c0:#6aa3f5;--c1:#e8b94a;--c2:#b392e6;--c3:#ef7d70;--c4:#39424d;--c5:#4bc1be;--c6:#8cc76c;--c7:#e09a52}}
*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--text);font:15px/1.5 system-ui,sans-serif}
main{max-width:1000px;margin:0 auto;padding:28px 16px 48px}h1{font-size:1.6rem;line-height:1.25;margin:0 0 4px}
h2{font-size:1.05rem;margin:0 0 12px}p{margin:0;color:var(--soft)}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:18px 20px;margin-top:20px}
svg{display:block;width:100%;height:auto;overflow:visible}svg text{fill:var(--text);font:13px system-ui,sans-serif}
svg text.soft{fill:var(--soft)}svg line{stroke:var(--line)}
.c0{fill:var(--c0);background:var(--c0)}.c1{fill:var(--c1);background:var(--c1)}.c2{fill:var(--c2);background:var(--c2)}
.c3{fill:var(--c3);background:var(--c3)}.c4{fill:var(--c4);background:var(--c4)}.c5{fill:var(--c5);background:var(--c5)}
.c6{fill:var(--c6);background:var(--c6)}.c7{fill:var(--c7);background:var(--c7)}
ul{list-style:none;display:flex;flex-wrap:wrap;gap:6px 18px;padding:0;margin:12px 0 0;color:var(--soft);font-size:.9rem}
li i{display:inline-block;width:.8em;height:.8em;border-radius:3px;margin-right:.45em}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;padding-bottom:10px}th,td{padding:6px 12px;border-bottom:1px solid var(--line)}
thead th{background:var(--head);white-space:nowrap}th,td{text-align:left}.n{text-align:right}
tbody tr:last-child>*{border-bottom:0}tbody th{font-weight:500}td.tree{white-space:pre}
@media print{body{background:#fff}section{break-inside:avoid}}
"""


def escape(text: object) -> str:
    """Text for a page; control characters, which no page may hold, as question marks."""
    shown = "".join(letter if letter.isprintable() or letter == " " else "?" for letter in str(text))
    return html.escape(shown, quote=True)


def write(report: Report, path: str) -> None:
    """Writes the page, as a whole or not at all. Raises Stop if it cannot."""
    text = page(report)
    if path == "-":
        report.session.write(text)
        return
    try:
        _replace(path, text.encode("utf-8", "replace"))
    except OSError as error:
        raise Stop(1, err=line("sreport", f"{path}: {error.strerror}")) from None


def _replace(path: str, data: bytes) -> None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        found = None
    if found is not None and not stat.S_ISREG(found.st_mode):
        what = "is a directory" if stat.S_ISDIR(found.st_mode) else "is no regular file"
        raise Stop(1, err=line("sreport", f"{path}: {what}"))
    path = os.path.realpath(path)
    mask = os.umask(0)
    os.umask(mask)
    handle, name = tempfile.mkstemp(prefix=".sreport-", dir=os.path.dirname(path) or ".")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), stat.S_IMODE(found.st_mode) if found is not None else 0o666 & ~mask)
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def page(report: Report) -> str:
    """The whole page."""
    fields = report.fields()
    sys.stdout.flush()
    drawn = [chart for chart in charts(report, COLUMNS) if chart.bars]
    title = f"{report.title} {report.stretch}"
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style></head>",
        "<body><main>",
        f"<header><h1>{escape(report.title)}</h1><p>{escape(report.stretch)}</p>",
        *(f"<p>{escape(text)}</p>" for text in report.lines),
        "</header>",
    ]
    for chart in drawn:
        svg = _columns(chart) if chart.over_time else _bars(chart)
        parts.append(f"<section><h2>{escape(chart.title)}</h2>{svg}{_legend(chart)}</section>")
    if not drawn:
        parts.append("<section><p>Nothing was used in this time.</p></section>")
    parts.append(_table(report, fields))
    parts.append("</main></body></html>\n")
    return "\n".join(parts)


def _class(chart: Chart, index: int) -> int:
    # names of sizes are none of the parts: they go by number, with idle's grey left out
    at = _CLASSES.get(chart.series[index])
    return at if at is not None else (0, 5, 1, 3, 2, 6, 7)[index % 7]


def _legend(chart: Chart) -> str:
    if len(chart.series) < 2:
        return ""
    present = [index for index in range(len(chart.series)) if any(bar.values[index] for bar in chart.bars)]
    items = (f'<li><i class="c{_class(chart, index)}"></i>{escape(chart.series[index])}</li>' for index in present)
    return f"<ul>{''.join(items)}</ul>"


def _tip(chart: Chart, bar: Bar, index: int) -> str:
    whole = sum(bar.values)
    share = f"{100 * bar.values[index] / whole:.1f} %" if whole and len(chart.series) > 1 else bar.text
    return f"<title>{escape(f'{bar.label}: {chart.series[index]} {share}')}</title>"


def _bars(chart: Chart) -> str:
    step, labels, texts = 28, 210, 150
    room = _WIDTH - labels - texts
    height = step * len(chart.bars) + 4
    out = [_svg(chart, height)]
    for number, bar in enumerate(chart.bars):
        y = number * step
        whole = sum(bar.values) if chart.whole else chart.longest
        label = bar.label if len(bar.label) < 29 else bar.label[:27] + "…"
        out.append(
            f'<text x="{14 * min(bar.depth, 8)}" y="{y + 19}">{escape(label)}<title>{escape(bar.label)}</title></text>'
        )
        x = float(labels)
        for index, value in enumerate(bar.values):
            length = room * value / whole if whole else 0.0
            if value:
                out.append(
                    f'<rect class="c{_class(chart, index)}" x="{x:.1f}" y="{y + 5}" width="{max(length, 1.5):.1f}" '
                    f'height="18" rx="2">{_tip(chart, bar, index)}</rect>'
                )
            x += length
        at = x if not chart.whole and whole else float(labels + room)
        out.append(f'<text class="soft" x="{at + 8:.1f}" y="{y + 19}">{escape(bar.text)}</text>')
    return "".join(out) + "</svg>"


def _columns(chart: Chart) -> str:
    left, height, below = 44, 200, 30
    step = (_WIDTH - left) / max(1, len(chart.bars))
    gap = min(6.0, step * 0.2)
    out = [_svg(chart, height + below)]
    for share in (0, 25, 50, 75, 100):
        y = height - height * share / 100 + 6
        out.append(f'<line x1="{left}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        out.append(f'<text class="soft" x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{share} %</text>')
    every = max(1, -(-len(chart.bars) // 7))
    for number, bar in enumerate(chart.bars):
        x, y, whole = left + step * number, float(height + 6), sum(bar.values)
        for index, value in enumerate(bar.values):
            tall = height * value / whole if whole else 0.0
            y -= tall
            if value:
                out.append(
                    f'<rect class="c{_class(chart, index)}" x="{x + gap / 2:.1f}" y="{y:.1f}" '
                    f'width="{step - gap:.1f}" height="{tall:.1f}">{_tip(chart, bar, index)}</rect>'
                )
        if number % every == 0 and x + 60 < _WIDTH:
            out.append(f'<text class="soft" x="{x:.1f}" y="{height + below - 4}">{escape(bar.label[5:])}</text>')
    return "".join(out) + "</svg>"


def _svg(chart: Chart, height: int) -> str:
    told = "; ".join(f"{bar.label} {bar.text}" for bar in chart.bars[:40])
    return f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(f"{chart.title}: {told}")}">'


def _table(report: Report, fields: list[tuple[str, int, str, int, str]]) -> str:
    if not fields:
        return ""
    plain = ("account", "associations", "cluster", "end", "flags", "name", "nodes", "proper", "qos", "start", "tres",
             "user", "wckey")  # fmt: skip
    number = [field[4] not in plain for field in fields]
    head = "".join(
        f'<th scope="col"{" class=n" if right else ""}>{escape(field[2])}</th>'
        for field, right in zip(fields, number, strict=True)
    )
    body = []
    for row in report.rows:
        cells = []
        for field, right in zip(fields, number, strict=True):
            kind = ' class="n"' if right else ' class="tree"' if field[4] == "account" else ""
            cells.append(f"<td{kind}>{escape(report.text(row.get(field[4], '')))}</td>")
        body.append(f"<tr>{''.join(cells)}</tr>")
    caption = f"<caption>{escape(report.title)}, {escape(report.stretch)}</caption>"
    rows = "\n".join(body)
    table = f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table>"
    return f'<section><div class="scroll" tabindex="0">{table}</div></section>'
