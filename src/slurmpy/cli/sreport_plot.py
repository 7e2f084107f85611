"""``sreport --plot``: a report drawn in the terminal, as wide as that is; with colours on a terminal that has them."""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata

from .sreport_chart import charts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .sreport_chart import Bar, Chart
    from .sreport_table import Report

HEIGHT = 10  # lines of a chart over time
#: what fills the parts: by name of the part, else by number
_FILLS = {"Allocated": 0, "Used": 0, "Planned": 1, "Planned down": 2, "Down": 3, "Idle": 4}
_UNICODE, _ASCII = "█▓▚▒·", "#+%x."
_EIGHTHS = " ▏▎▍▌▋▊▉"
#: colours of a terminal, by fill: blue, yellow, magenta, red, grey; then cyan and green for more sizes of jobs
_COLOURS = ("34", "33", "35", "31", "90", "36", "32")


class Canvas:
    """How it is drawn: width, whether in colours, and which characters the output can take."""

    def __init__(self, width: int, colours: bool, blocks: bool) -> None:
        self.width, self.colours, self.blocks = max(width, 30), colours, blocks

    def fill(self, chart: Chart, index: int, count: int) -> str:
        """`count` characters of a part."""
        at = _FILLS.get(chart.series[index], index)
        letters = _UNICODE if self.blocks else _ASCII
        if self.colours:
            letter = "·" if at == 4 and chart.whole else "█"
            return self.colour(at, letter * count)
        return letters[at % len(letters)] * count

    def colour(self, at: int, text: str) -> str:
        return f"\033[{_COLOURS[at % len(_COLOURS)]}m{text}\033[0m" if self.colours and text else text


def canvas() -> Canvas:
    """For standard output as it is."""
    environ = os.environ
    colours = sys.stdout.isatty() and not environ.get("NO_COLOR") and environ.get("TERM", "dumb") != "dumb"
    try:
        _UNICODE.encode(sys.stdout.encoding or "ascii")
        blocks = True
    except (UnicodeEncodeError, LookupError):
        blocks = False
    return Canvas(shutil.get_terminal_size().columns, colours and blocks, blocks)


def draw(report: Report, on: Canvas | None = None) -> int:
    """Draws a report; returns the exit code."""
    on = on or canvas()
    write = report.session.write
    if not report.session.noheader:
        write(f"{report.title} {report.stretch}\n" + "".join(f"{text}\n" for text in report.lines))
    report.fields()  # tells of what the format names and is none
    drawn = charts(report, max(1, on.width - 6))
    for chart in drawn:
        write("\n" + clean(chart.title) + "\n")
        write("".join(f"{line}\n" for line in (_columns(chart, on) if chart.over_time else _bars(chart, on))))
        if len(chart.series) > 1:
            write("".join(f"{line}\n" for line in _legend(chart, on)))
    if not any(chart.bars for chart in drawn):
        write("\nNothing was used in this time.\n")
    return 1 if report.request.failed else 0


def clean(text: str) -> str:
    """Names may hold anything: what a terminal would take as an order is shown as a question mark."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def wide(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def cut(text: str, width: int) -> str:
    """`text` in exactly `width` columns; a plus at its end says that it was longer."""
    if wide(text) > width:
        while text and wide(text) > width - 1:
            text = text[:-1]
        text += "+"
    return text + " " * (width - wide(text))


def _label(bar: Bar) -> str:
    return "  " * bar.depth + clean(bar.label)


def _bars(chart: Chart, on: Canvas) -> list[str]:
    labels = min(max((wide(_label(bar)) for bar in chart.bars), default=0), max(8, on.width // 3))
    texts = max((len(bar.text) for bar in chart.bars), default=0)
    room = max(4, on.width - labels - texts - 2)
    longest = chart.longest
    lines = []
    for bar in chart.bars:
        whole = sum(bar.values) if chart.whole else longest
        lines.append(f"{cut(_label(bar), labels)} {_one(chart, bar, whole, room, on)} {bar.text.rjust(texts)}")
    return lines


def _one(chart: Chart, bar: Bar, whole: int, room: int, on: Canvas) -> str:
    """The bar itself, `room` columns with what is empty of it."""
    if not whole:
        return " " * room
    if len(chart.series) == 1 and on.blocks:
        eighths = round(8 * room * bar.values[0] / whole)
        if bar.values[0] and not eighths:
            eighths = 1  # what is there is seen
        text = "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")
        return on.colour(0, text) + " " * (room - len(text))
    text, done, sum_ = "", 0, 0
    for index, value in enumerate(bar.values):
        sum_ += value
        until = round(room * sum_ / whole)
        if value and until == done and done < room:
            until += 1
        text += on.fill(chart, index, until - done)
        done = until
    return text + " " * (room - done)


def _columns(chart: Chart, on: Canvas) -> list[str]:
    """Columns over time, each the same height; what is idle is left empty."""
    each = max(1, min(8, (on.width - 6) // max(1, len(chart.bars))))
    gap = 1 if each > 2 else 0
    lines = []
    for level in range(HEIGHT, 0, -1):
        mark = f"{100 * level // HEIGHT:>3}%" if level in (HEIGHT, HEIGHT // 2) else "    "
        cells = []
        for bar in chart.bars:
            index = _part_at(bar.values, (level - 0.5) / HEIGHT, level == 1)
            idle = index is None or chart.series[index] == "Idle"
            cells.append(" " * each if idle else on.fill(chart, index or 0, each - gap) + " " * gap)
        lines.append(f"{mark} {'│' if on.blocks else '|'}" + "".join(cells).rstrip(" "))
    length = each * len(chart.bars)
    lines.append("  0% " + ("└" + "─" * length if on.blocks else "+" + "-" * length))
    first, last = chart.bars[0].label, chart.bars[-1].label
    between = length - len(first) - len(last)
    lines.append("      " + (first + " " * between + last if between > 0 else first))
    return lines


def _part_at(values: list[int], height: float, bottom: bool) -> int | None:
    """The part that a stack has at a height (0 to 1); at the bottom the lowest one that there is at all."""
    whole, sum_ = sum(values), 0
    if not whole:
        return None
    if bottom and values[0] and values[0] / whole < height:
        return 0
    for index, value in enumerate(values):
        sum_ += value
        if value and sum_ / whole >= height:
            return index
    return None


def _legend(chart: Chart, on: Canvas) -> list[str]:
    present = [index for index in range(len(chart.series)) if any(bar.values[index] for bar in chart.bars)]
    lines, line, length = [], "", 0
    for index in present:
        text = clean(chart.series[index])
        if chart.over_time and text == "Idle":
            continue
        if length and length + len(text) + 5 > on.width:
            lines.append(line)
            line, length = "", 0
        line += ("   " if length else "") + on.fill(chart, index, 2) + " " + text
        length += len(text) + 3 + (3 if length else 0)
    return [*lines, line] if line else lines
