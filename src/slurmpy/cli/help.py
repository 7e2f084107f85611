"""--help and --usage, made from a command's option table (imported only when one of them is asked for)."""

from __future__ import annotations

TYPE_CHECKING = False  # checkers know the name; importing `typing` for it would cost milliseconds
if TYPE_CHECKING:
    from .command import Command, Option

WIDTH = 80
COLUMN = 34


def spelling(row: Option) -> str:
    """``-p, --partition=NAMES`` as it stands in help and man pages."""
    head = f"{row.short}, " if row.short else "    "
    value = {"no": "", "required": f"={row.metavar}", "optional": f"[={row.metavar}]"}[row.argument]
    return head + row.long + value


def wrap(text: str, width: int) -> list[str]:
    """Words filled into lines of at most `width` characters; a longer word stands alone."""
    lines: list[str] = []
    current = ""
    for word in text.split():
        if current and len(current) + 1 + len(word) > width:
            lines.append(current)
            current = word
        else:
            current = f"{current} {word}" if current else word
    return [*lines, current] if current else lines


def groups(command: Command) -> dict[str, list[Option]]:
    """Rows of the table by group, in the order in which the groups first appear, help last."""
    found: dict[str, list[Option]] = {}
    for row in command.options:
        found.setdefault(row.group, []).append(row)
    if "Help" in found:
        found["Help"] = found.pop("Help")
    return found


def help_text(command: Command) -> str:
    out = [f"Usage: {command.name} {command.usage}".rstrip()]
    for paragraph in command.about.split("\n\n"):
        if paragraph.strip():
            out += ["", *wrap(paragraph, WIDTH)]
    if command.operands:
        out += ["", "Arguments:"]
        for name, meaning in command.operands:
            out += row_lines(name, meaning)
    refused = [row.long for row in command.options if row.reject]
    for group, rows in groups(command).items():
        shown = [row for row in rows if not row.hidden and not row.reject]
        if not shown:
            continue
        out += ["", f"{group}:"]
        for row in shown:
            text = row.help
            if row.env:
                text += f" [{', '.join(row.env)}]"
            out += row_lines(spelling(row), text)
    if command.examples:
        out += ["", "Examples:"]
        for line, meaning in command.examples:
            out += [f"  {line}", *(f"      {part}" for part in wrap(meaning, WIDTH - 6))]
    if refused:
        text = "Options of Slurm that are refused here: " + ", ".join(sorted(refused)) + "."
        out += ["", *wrap(text, WIDTH)]
    return "\n".join(out) + "\n"


def row_lines(head: str, text: str) -> list[str]:
    lines = wrap(text, WIDTH - COLUMN)
    first = f"  {head}"
    if len(first) + 2 > COLUMN:
        return [first, *(" " * COLUMN + one for one in lines)]
    return [first.ljust(COLUMN) + (lines[0] if lines else ""), *(" " * COLUMN + one for one in lines[1:])]


def usage_text(command: Command) -> str:
    """The short form: bundled letters, then one bracket for each option that takes a value, then the operands."""
    rows = [row for row in command.options if not row.hidden and not row.reject and row.alias is None]
    letters = "".join(sorted((row.short[1:] for row in rows if row.short and row.argument == "no"), key=str.swapcase))
    words = [f"[-{letters}]"] if letters else []
    for row in rows:
        if row.argument == "no":
            if not row.short:
                words.append(f"[{row.long}]")
        elif row.short and row.argument == "required":
            words.append(f"[{row.short}\0{row.metavar}]")
        else:
            words.append(f"[{spelling(row).strip().split(', ')[-1]}]")
    words += [word for word in command.usage.split() if word != "[OPTIONS]"]
    head = f"Usage: {command.name} "
    lines = wrap(" ".join(words), WIDTH - len(head))
    return (head + ("\n" + " " * len(head)).join(lines)).replace("\0", " ") + "\n"
