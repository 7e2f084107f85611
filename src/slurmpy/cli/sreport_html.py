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
_CLASSES = {"Allocated": 0, "Used": 0, "Planned": 1, "Planned down": 2, "Down": 3, "Idle": 4}
_STYLE = """\
:root{color-scheme:light dark;--page:#f5f6f8;--card:#fff;--text:#1a1f27;--soft:#59616d;--line:#d9dde3;--head:#eef0f4;
--c0:#2f6fd0;--c1:#d79a00;--c2:#8659c7;--c3:#cf4436;--c4:#dfe3e9;--c5:#12908e;--c6:#4f8f2f;--c7:#b35c00}
@media (prefers-color-scheme:dark){:root{--page:#12151a;--card:#1b2027;--text:#e7eaef;--soft:#a0a9b5;--line:#333b46;
--head:#242b34;--c0:#6aa3f5;--c1:#e8b94a;--c2:#b392e6;--c3:#ef7d70;--c4:#39424d;--c5:#4bc1be;--c6:#8cc76c;--c7:#e09a52}}
*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--text);font:15px/1.5 system-ui,sans-serif}
main{max-width:1080px;margin:0 auto;padding:28px 16px 48px}h1{font-size:1.6rem;line-height:1.25;margin:0 0 4px}
h2{font-size:1.05rem;margin:0 0 12px}p{margin:0;color:var(--soft)}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:18px 20px;margin-top:20px}
svg{display:block;width:100%}svg line{stroke:var(--line);vector-effect:non-scaling-stroke}
.bars{display:grid;grid-template-columns:minmax(5em,15em) minmax(40%,1fr) auto;gap:9px 14px;align-items:center}
.bar{display:contents}.bar svg{height:18px;border-radius:3px;background:var(--head)}
.label{font-size:.9rem;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.much{font-size:.9rem;color:var(--soft);white-space:nowrap;text-align:right;font-variant-numeric:tabular-nums}
.plot{display:grid;grid-template-columns:3.2em 1fr;font-size:.8rem;color:var(--soft);padding-top:6px}
.plot svg{height:200px}.shares,.dates{position:relative}
.shares span{position:absolute;right:8px;white-space:nowrap;transform:translateY(50%)}
.dates{grid-column:2;height:1.9em}.dates span{position:absolute;top:4px;white-space:nowrap}
@media (max-width:640px){.bars{display:block}
.bar{display:grid;grid-template-columns:1fr auto;gap:3px 14px;margin-bottom:9px}
.label,.much{grid-row:1}.bar svg{grid-row:2;grid-column:1/3;height:14px}.plot svg{height:140px}.odd{display:none}}
.c0{fill:var(--c0);background:var(--c0)}.c1{fill:var(--c1);background:var(--c1)}.c2{fill:var(--c2);background:var(--c2)}
.c3{fill:var(--c3);background:var(--c3)}.c4{fill:var(--c4);background:var(--c4)}.c5{fill:var(--c5);background:var(--c5)}
.c6{fill:var(--c6);background:var(--c6)}.c7{fill:var(--c7);background:var(--c7)}
ul{list-style:none;display:flex;flex-wrap:wrap;gap:6px 18px;padding:0;margin:16px 0 0;color:var(--soft);font-size:.9rem}
li i{display:inline-block;width:.8em;height:.8em;border-radius:3px;margin-right:.45em}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;padding-bottom:10px}th,td{padding:6px 10px;border-bottom:1px solid var(--line)}
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
    out = [f'<div class="bars" role="img" aria-label="{_told(chart)}">']
    for bar in chart.bars:
        whole = sum(bar.values) if chart.whole else chart.longest
        left, rects = 0.0, []
        for index, value in enumerate(bar.values):
            length = 1000 * value / whole if whole else 0.0
            if value:
                rects.append(
                    f'<rect class="c{_class(chart, index)}" x="{left:.1f}" y="0" width="{max(length, 2.0):.1f}" '
                    f'height="1">{_tip(chart, bar, index)}</rect>'
                )
            left += length
        out.append(
            f'<div class="bar"><span class="label" style="padding-left:{min(bar.depth, 8)}em" '
            f'title="{escape(bar.label)}">{escape(bar.label)}</span>'
            f'<svg viewBox="0 0 1000 1" preserveAspectRatio="none">{"".join(rects)}</svg>'
            f'<span class="much">{escape(bar.text)}</span></div>'
        )
    return "".join(out) + "</div>"


def _columns(chart: Chart) -> str:
    count = len(chart.bars)
    gap = 0.2 if count < 60 else 0.1
    out = [f'<div class="plot" role="img" aria-label="{_told(chart)}"><div class="shares">']
    out += [f'<span style="bottom:{share}%">{share} %</span>' for share in (0, 25, 50, 75, 100)]
    out.append(f'</div><svg viewBox="0 0 {count} 100" preserveAspectRatio="none">')
    out += [f'<line x1="0" x2="{count}" y1="{y}" y2="{y}"/>' for y in (0, 25, 50, 75, 100)]
    for number, bar in enumerate(chart.bars):
        top, whole = 100.0, sum(bar.values)
        for index, value in enumerate(bar.values):
            tall = 100 * value / whole if whole else 0.0
            top -= tall
            if value:
                out.append(
                    f'<rect class="c{_class(chart, index)}" x="{number + gap / 2:.2f}" y="{max(top, 0.0):.2f}" '
                    f'width="{1 - gap:.2f}" height="{tall:.2f}">{_tip(chart, bar, index)}</rect>'
                )
    out.append('</svg><div class="dates">')
    every = max(1, -(-count // 8))
    for at, number in enumerate(range(0, count, every)):
        kind = ' class="odd"' if at % 2 else ""
        place = 100 * (number + gap / 2) / count
        if place <= 92:  # or it would stand out on the right
            out.append(f'<span{kind} style="left:{place:.1f}%">{escape(chart.bars[number].label[5:])}</span>')
    return "".join(out) + "</div></div>"


def _told(chart: Chart) -> str:
    return escape(f"{chart.title}: " + "; ".join(f"{bar.label} {bar.text}" for bar in chart.bars[:40]))


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
            text = report.text(row.get(field[4], ""))
            if report.sizes and field[4] == "total":  # its share is Slurm's, and none
                text = text.partition("(")[0]
            cells.append(f"<td{kind}>{escape(text)}</td>")
        body.append(f"<tr>{''.join(cells)}</tr>")
    caption = f"<caption>{escape(report.title)}, {escape(report.stretch)}</caption>"
    rows = "\n".join(body)
    table = f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table>"
    return f'<section><div class="scroll" tabindex="0">{table}</div></section>'
