"""Tables of text out of records: what squeue, sinfo, sprio, sacct and their like print.

A *column* says which raw fields of a record it shows and how (`Column`); a *view* is the set of columns that a command
knows (`registry.View`); a *layout* is one line's worth of placed columns, read from a format text:

    layout = parse_letters("%.18i %.9P|%j", view, complain)        # squeue -o
    layout = parse_names("JobID:20,Name:.12", view, complain)      # squeue -O
    layout = parse_fields("jobid%20,name%-10", view, complain)     # sacct --format
    answer = cluster.query("jobs", layout.fields, where)
    for piece in layout.rows(answer.columns, answer.rows, Context(now=answer.meta["now"])):
        os.write(1, piece)

Work is done a column at a time and once for each distinct value, so that a few thousand rows cost milliseconds. Widths
and truncation count bytes, as Slurm's do.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from .registry import View

    Render = Callable[..., str]
    Complain = Callable[[str], None]

#: what stands for a text that a record does not have
NULL = "(null)"
#: rows that are formatted at a time
CHUNK = 4096


class Context:
    """What a column may need besides its record.

    now: the server's time; time_format: SLURM_TIME_FORMAT or None; cluster: the cluster's name; array_width:
    SLURM_BITSTR_LEN; noconvert: sizes stay in their own unit; expand: %-patterns of file names are filled in.
    """

    __slots__ = ("array_width", "cluster", "expand", "more", "noconvert", "now", "time_format")

    def __init__(
        self,
        now: float = 0,
        time_format: str | None = None,
        cluster: str = "",
        array_width: int = 64,
        noconvert: bool = False,
        expand: bool = False,
        more: dict[str, Any] | None = None,
    ) -> None:
        self.now = int(now)
        self.time_format = time_format
        self.cluster = cluster
        self.array_width = array_width
        self.noconvert = noconvert
        self.expand = expand
        self.more = more or {}


class Column:
    """One column that a view knows.

    key: its long name as Slurm spells it; letter: its letter for -o, if it has one; header: the text above it; fields:
    names of the raw record fields; render(context, *values): its text, by default the only field as it is; width: the
    default width in -O and --format, negative for left-justified in the latter; hidden: not listed by --helpFormat;
    uncut: it is not truncated where it stands at the right; tail: a last character that stays where the rest is cut.
    """

    __slots__ = ("fields", "header", "hidden", "key", "letter", "render", "tail", "uncut", "width")

    def __init__(
        self,
        key: str,
        header: str,
        fields: str = "",
        render: Render | None = None,
        *,
        letter: str = "",
        width: int = 20,
        hidden: bool = False,
        uncut: bool = False,
        tail: str = "",
    ) -> None:
        self.key = key
        self.header = header
        self.fields = tuple(fields.split())
        self.render = render
        self.letter = letter
        self.width = width
        self.hidden = hidden
        self.uncut = uncut
        self.tail = tail

    def __repr__(self) -> str:
        return f"Column({self.key})"

    def cells(self, values: Sequence[Sequence[Any]], context: Context) -> list[str]:
        """The texts of one column for the values of its fields (one sequence each)."""
        render = self.render
        source: Any = values[0] if len(values) == 1 else list(zip(*values, strict=True))
        distinct = set(source)
        many = 2 * len(distinct) > len(source)  # then looking each up costs more than it saves
        if render is None:
            if many:
                return [str(value) for value in source]
            table = {value: str(value) for value in distinct}
        elif len(values) == 1:
            if many:
                return [render(context, value) for value in source]
            table = {value: render(context, value) for value in distinct}
        else:
            if many:
                return [render(context, *row) for row in source]
            table = {row: render(context, *row) for row in distinct}
        return [table[value] for value in source]


class Cell:
    """A column at its place: width 0 is as wide as it needs; `right` justifies; `text` stands for an unknown column."""

    __slots__ = ("column", "right", "suffix", "text", "width")

    def __init__(
        self, column: Column | None, width: int = 0, right: bool = False, suffix: str = "", text: str = ""
    ) -> None:
        self.column = column
        self.width = width
        self.right = right
        self.suffix = suffix
        self.text = text

    def template(self, header: bool = False) -> str:
        """The printf conversion of this place, with what follows it."""
        if self.column is None:
            return (self.text + self.suffix).replace("%", "%%")
        width = self.width
        if not width:
            conversion = "%s"
        elif self.right and self.column.uncut and not header:
            conversion = f"%{width}s"
        else:
            conversion = f"%{'' if self.right else '-'}{width}.{width}s"
        return conversion + self.suffix.replace("%", "%%")

    def keep_tail(self, text: str, tail: str) -> str:
        return text[: self.width - 1] + tail if len(text) > self.width and text.endswith(tail) else text

    @property
    def hides_null(self) -> bool:
        """Whether ``(null)`` becomes nothing: printf, which cuts what stands at the left, has no short form of it."""
        return 0 < self.width < len(NULL) and not self.right


class Layout:
    """One line's worth of cells.

    mark: what replaces the last character of a text that was cut ("" for none, "+" in sacct).
    """

    def __init__(self, cells: list[Cell], prefix: str = "", mark: str = "") -> None:
        self.cells = cells
        self.prefix = prefix
        self.mark = mark

    @property
    def fields(self) -> tuple[str, ...]:
        """The raw fields that the columns need, each once."""
        found: dict[str, None] = {}
        for cell in self.cells:
            if cell.column is not None:
                found.update(dict.fromkeys(cell.column.fields))
        return tuple(found)

    def uses(self, *keys: str) -> bool:
        """Whether a column of one of these keys is placed."""
        return any(cell.column is not None and cell.column.key in keys for cell in self.cells)

    def template(self, header: bool = False) -> str:
        """A printf format of the whole line: one conversion for each known column."""
        return self.prefix.replace("%", "%%") + "".join([cell.template(header) for cell in self.cells]) + "\n"

    def header(self) -> bytes:
        texts = [cell.column.header for cell in self.cells if cell.column is not None]
        return self._lines([[text] for text in texts], 1, True)

    def ruler(self, line: str = "-") -> bytes:
        """The line of dashes under a header, as sacct has it."""
        texts = [line * (cell.width or len(cell.column.header)) for cell in self.cells if cell.column is not None]
        return self._lines([[text] for text in texts], 1)

    def rows(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
        context: Context,
        constants: dict[str, Any] | None = None,
    ) -> Iterator[bytes]:
        """The formatted lines of `rows`, whose values are in the order of `columns`, in pieces of some thousand.

        constants: fields that no row holds because all have this value.
        """
        index = {name: position for position, name in enumerate(columns)}
        same = constants or {}
        placed = [(cell, cell.column) for cell in self.cells if cell.column is not None]
        for start in range(0, len(rows), CHUNK):
            part = rows[start : start + CHUNK]
            values = list(zip(*part, strict=True)) if columns else []
            cells: list[list[str]] = []
            for cell, column in placed:
                if column.fields:
                    own = [values[index[name]] if name in index else [same[name]] * len(part) for name in column.fields]
                    texts = column.cells(own, context)
                    if cell.hides_null:
                        texts = ["" if text == NULL else text for text in texts]
                    if column.tail and cell.width:
                        texts = [cell.keep_tail(text, column.tail) for text in texts]
                else:
                    texts = [column.render(context) if column.render else ""] * len(part)
                cells.append(texts)
            yield self._lines(cells, len(part))

    def _lines(self, cells: list[list[str]], count: int, header: bool = False) -> bytes:
        """Fills the template; bytes that are no ASCII are each one character while widths are counted."""
        template = self.template(header)
        if not cells:
            return (template % () * count).encode("utf-8", "surrogateescape")
        text = self._fill(template, cells)
        # what is cut off does not matter: before the cut all was ASCII, so the cut is where it would be among bytes
        if text.isascii():
            return text.encode("ascii")
        cells = [[_bytewise(text) for text in texts] for texts in cells]
        return self._fill(_bytewise(template), cells).encode("latin-1")

    def _fill(self, template: str, cells: list[list[str]]) -> str:
        if self.mark:
            placed = [cell for cell in self.cells if cell.column is not None]
            cells = [
                [self._cut(text, cell.width) for text in texts] if cell.width else texts
                for cell, texts in zip(placed, cells, strict=True)
            ]
        return "".join(map(template.__mod__, zip(*cells, strict=True)))

    def _cut(self, text: str, width: int) -> str:
        return text if len(text) <= width else text[: width - 1] + self.mark


def _bytewise(text: str) -> str:
    """A string with one character for each byte of the UTF-8 form of `text`."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("latin-1")


# ---- format texts


def parse_letters(text: str, view: View, complain: Complain, echo: bool = True) -> Layout:
    """The layout of a -o text: ``%[[.]width]letter[suffix]``.

    An unknown letter is told to `complain` and stands for itself, as it was written (`echo`), or for nothing.
    """
    prefix, *words = text.split("%")
    cells: list[Cell] = []
    for word in words:
        if not word:
            continue
        if word[:3] == "all":
            cells.extend(view.all_letters())
            continue
        rest = word
        right = rest[0] == "."
        if right:
            rest = rest[1:]
        digits = len(rest) - len(rest.lstrip("0123456789"))
        width = int(rest[:digits] or 0)
        rest = rest[digits:]
        letter, suffix = rest[:1], rest[1:]
        column = view.letters.get(letter)
        if column is not None:
            cells.append(Cell(column, width, right, suffix))
            continue
        complain(view.unknown_letter.format(letter))
        if echo:
            cells.append(Cell(None, text="%" + word))
    return Layout(cells, prefix)


def parse_names(text: str, view: View, complain: Complain) -> Layout:
    """The layout of a -O text: ``name[:[.][width][suffix]],...``; names in any case.

    Without a colon a column is as wide as the view says (20); ``name:`` alone is as wide as it needs.
    """
    cells: list[Cell] = []
    for word in text.split(","):
        if not word:
            continue
        name, colon, rest = word.partition(":")
        column = view.named(name)
        if column is None:
            complain(view.unknown_name.format(name))
            cells.extend(view.instead(name))
            continue
        if not colon:
            cells.append(Cell(column, abs(column.width)))
            continue
        right = rest[:1] == "."
        rest = rest[right:].lstrip(" ")
        if rest[:1] == "-" and rest[1:2].isdigit():
            cells.append(view.negative(column, rest[1:].lstrip("0123456789")))
            continue
        digits = len(rest) - len(rest.lstrip("0123456789"))
        cells.append(Cell(column, int(rest[:digits] or 0), right, rest[digits:]))
    return Layout(cells)


def parse_fields(
    text: str, view: View, unknown: Complain, delimiter: str | None = None, trailing: bool = False
) -> Layout:
    """The layout of a --format text of sacct and its like: ``name[%[-]width],...``; a name may be shortened if it is
    unique.

    A negative width justifies to the left. With a `delimiter` (-P, -p) columns are as wide as their values, with it
    between them and, if `trailing`, behind the last.
    """
    cells: list[Cell] = []
    for word in text.split(","):
        word = word.strip()
        if not word:
            continue
        name, _, size = word.partition("%")
        column = view.shortened(name)
        if column is None:
            unknown(name)
            continue
        width, left = abs(column.width), column.width < 0
        if size:
            try:
                number = int(size)
            except ValueError:
                number = 0
            if number:
                width, left = abs(number), number < 0
        if delimiter is None:
            cells.append(Cell(column, width, not left, " "))
        else:
            cells.append(Cell(column, 0, False, delimiter))
    if delimiter is not None and cells and not trailing:
        cells[-1].suffix = ""
    return Layout(cells, mark="" if delimiter is not None else "+")
