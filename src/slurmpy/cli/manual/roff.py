"""Man pages as text in man(7)'s language."""

from __future__ import annotations

import inspect

from ... import SLURM_VERSION, __version__


class Page:
    """A page under construction."""

    def __init__(self, name: str, section: int, summary: str) -> None:
        self.lines = [
            '.\\" Made from the tables in the source by "python -m slurmpy.cli.generate"; do not edit.',
            f'.TH "{name.upper()}" "{section}" "" "slurmpy {__version__}" "slurmpy, as Slurm {SLURM_VERSION}"',
            ".nh",
            ".ad l",
            ".SH NAME",
            f"{escape(name)} \\- {escape(summary)}",
        ]

    def section(self, title: str) -> None:
        self.lines.append(f".SH {title.upper()}")

    def subsection(self, title: str) -> None:
        self.lines.append(f".SS {escape(title)}")

    def text(self, prose: str) -> None:
        """Paragraphs, separated by empty lines in `prose`."""
        for number, paragraph in enumerate(prose.split("\n\n")):
            if number:
                self.lines.append(".PP")
            self.lines.append(escape(" ".join(paragraph.split())))

    def prose(self, help_text: str) -> None:
        """As `text`; a paragraph that begins with Click's mark for it keeps its lines."""
        for number, paragraph in enumerate(inspect.cleandoc(help_text).split("\n\n")):
            if number:
                self.lines.append(".PP")
            mark, kept, lines = paragraph.partition("\b\n")
            if kept and not mark:
                self.lines += [".nf", *map(escape, lines.split("\n")), ".fi"]
            else:
                self.lines.append(escape(" ".join(paragraph.split())))

    def raw(self, line: str) -> None:
        self.lines.append(line)

    def item(self, head: str, prose: str) -> None:
        """A paragraph with `head` (already marked up) hanging out."""
        self.lines += [".TP", head, escape(" ".join(prose.split())) or "\\&"]

    def example(self, command: str, meaning: str) -> None:
        self.lines += [".TP", f"\\fB{escape(command)}\\fR", escape(meaning)]

    def render(self) -> str:
        return "\n".join(self.lines) + "\n"


def escape(text: str) -> str:
    """Text in which nothing is taken for a command or an escape, and hyphens of options stay hyphens."""
    safe = text.replace("\\", "\\e").replace("-", "\\-").replace("«", '"').replace("»", '"')
    return "\\&" + safe if safe[:1] in (".", "'") else safe


def bold(text: str) -> str:
    return f"\\fB{escape(text)}\\fR"


def italic(text: str) -> str:
    return f"\\fI{escape(text)}\\fR"
