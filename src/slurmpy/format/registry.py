"""The views of the commands: which columns each one knows, by letter and by name."""

from __future__ import annotations

from .table import Cell, Column

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class View:
    """The columns of one command's table (or of one kind of its tables).

    unknown_letter, unknown_name: what is said of a letter or name that is not in it.
    separators: for lower-case and upper-case letters and for the last, what ``%all`` puts behind them.
    """

    def __init__(
        self,
        name: str,
        columns: Iterable[Column],
        *,
        unknown_letter: str = "Invalid job format specification: {}",
        unknown_name: str = "Invalid job format specification: {}",
        separators: tuple[str, str, str] = ("|", "|", ""),
        instead: Callable[[View, str], list[Cell]] | None = None,
    ) -> None:
        self.name = name
        self.columns = tuple(columns)
        self.unknown_letter = unknown_letter
        self.unknown_name = unknown_name
        self.separators = separators
        self._instead = instead
        self.letters: dict[str, Column] = {}
        self._names: dict[str, Column] = {}
        for column in self.columns:
            # a % with nothing behind it is, to Slurm, the first column that has no letter
            self.letters.setdefault(column.letter, column)
            if column.key:
                self._names.setdefault(column.key.lower(), column)

    def named(self, name: str) -> Column | None:
        return self._names.get(name.lower())

    def shortened(self, name: str) -> Column | None:
        """The column that `name` is, or is the beginning of (the first in the view's order)."""
        wanted = name.lower()
        found = self._names.get(wanted)
        if found is None and wanted:
            for key, column in self._names.items():
                if key.startswith(wanted):
                    return column
        return found

    def instead(self, name: str) -> list[Cell]:
        """What stands for an unknown name."""
        return self._instead(self, name) if self._instead else []

    def negative(self, column: Column, suffix: str) -> Cell:
        """What a name with a negative width means: the bare text and a blank."""
        return Cell(column, suffix=" " + suffix)

    def all_letters(self) -> list[Cell]:
        """What ``%all`` means: every letter, the small ones first, with a bar between them."""
        lower, upper, last = self.separators
        order = sorted(filter(None, self.letters), key=lambda letter: (letter.isupper(), letter))
        cells = [Cell(self.letters[letter], suffix=upper if letter.isupper() else lower) for letter in order]
        if cells:
            cells[-1].suffix = last
        return cells

    def help_names(self, per_line: int = 4, width: int = 20) -> str:
        """The names that --helpFormat lists, in columns."""
        names = [column.key for column in self.columns if column.key and not column.hidden]
        lines = [names[start : start + per_line] for start in range(0, len(names), per_line)]
        return "".join("".join(f"{name:<{width}}" for name in line) + "\n" for line in lines)
