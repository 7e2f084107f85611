"""Batch scripts: how they are read and checked, and the #SBATCH lines in them."""

from __future__ import annotations

import os

from .errors import Stop, line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

#: what slurm.conf's max_script_size says unless it says otherwise
MAX_SCRIPT = 4 * 1024 * 1024
#: no more than this is read of a file that may never end
MAX_READ = 1 << 28
PREFIX = "#SBATCH"
#: options that mean something on the command line only
LINE_ONLY = frozenset({"help", "usage", "version", "autocomplete", "verbose", "quiet", "wrap", "test-only"})

NO_INTERPRETER = (
    "This does not look like a batch script.  The first\n"
    "line must start with #! followed by the path to an interpreter.\n"
    "For instance: #!/bin/sh"
)
DOS = "Batch script contains DOS line breaks (\\r\\n)\ninstead of expected UNIX line breaks (\\n)."


def load(name: str | None, stdin: IO[bytes]) -> str:
    """The script's text, from the file `name` or from standard input. Raises Stop.

    Bytes that are no UTF-8 come out as surrogate escapes.
    """
    if name is None:
        data = stdin.read(MAX_READ)
    else:
        try:
            with open(name, "rb") as stream:
                data = stream.read(MAX_READ)
        except IsADirectoryError:
            data = b""
        except OSError:
            raise refuse(f"Unable to open file {name}") from None
    return check(data)


def check(data: bytes) -> str:
    """The text of a script that looks like one; raises Stop with Slurm's words if it does not."""
    if not data:
        raise refuse("Batch script is empty!")
    if not data.strip():
        raise refuse("Batch script contains only whitespace!")
    if not data.startswith(b"#!"):
        raise refuse(NO_INTERPRETER)
    if b"\0" in data:
        raise refuse("The Slurm controller does not allow scripts that\ncontain a NULL character '\\0'.")
    if b"\r\n" in data:
        raise refuse(DOS)
    return data.decode("utf-8", "surrogateescape")


def refuse(message: str) -> Stop:
    return Stop(1, err=line("sbatch", message))


def wrapped(command: str) -> str:
    """The script that --wrap makes of a command line."""
    return f"#!/bin/sh\n# This script was created by sbatch --wrap.\n\n{command}\n"


def find(name: str, env_path: str) -> str:
    """The file that `name` means: itself if it has a slash or lies here, else the one found in PATH."""
    if "/" in name or os.path.exists(name):
        return name
    for directory in env_path.split(":"):
        candidate = os.path.join(directory or ".", name)
        if os.path.isfile(candidate):
            return candidate
    return name


def components(script: str, name: str = "stdin", prefix: str = PREFIX) -> list[list[str]]:
    """The words of the #SBATCH lines, one list a component; ``#SBATCH hetjob`` begins the next. Raises Stop.

    Lines are read up to the first one that is neither empty nor a comment.
    """
    found: list[list[str]] = [[]]
    for number, text in directives(script, prefix):
        words = split(text, name, number)
        if words in (["hetjob"], ["packjob"]):
            found.append([])
        else:
            found[-1].extend(words)
    return found


def directives(script: str, prefix: str) -> Iterator[tuple[int, str]]:
    """(line number, what follows the prefix) of each directive before the first command."""
    for number, row in enumerate(script.split("\n"), 1):
        if row.startswith(prefix):
            yield number, row[len(prefix) :]
        elif row.strip() and not row.lstrip().startswith("#"):
            return


def split(text: str, name: str, number: int) -> list[str]:
    """The words of a directive: blanks separate, quotes and backslashes protect, an unprotected # ends it. Raises
    Stop."""
    words: list[str] = []
    word: str | None = None
    quote = ""
    opened = 0
    position = 0
    while position < len(text):
        letter = text[position]
        position += 1
        if quote:
            if letter == quote:
                quote = ""
            elif letter == "\\" and quote == '"' and position < len(text):
                word = (word or "") + text[position]
                position += 1
            else:
                word = (word or "") + letter
        elif letter in "\"'":
            quote, opened = letter, position - 1
            word = word or ""
        elif letter == "\\" and position < len(text):
            word = (word or "") + text[position]
            position += 1
        elif letter in " \t\r":
            if word is not None:
                words.append(word)
                word = None
        elif letter == "#" and word is None:
            break
        else:
            word = (word or "") + letter
    if quote:
        message = f"{name}: line {number}: Unmatched `{quote}` in [{_shown(text, opened)}]"
        raise Stop(1, err=line("sbatch", message, "fatal"))
    if word is not None:
        words.append(word)
    return words


def _shown(text: str, opened: int) -> str:
    """The part of a directive that Slurm shows: from the blank before the word in which the quote opened."""
    start = opened
    while start > 0 and text[start - 1] not in " \t":
        start -= 1
    return text[max(0, start - 1) :]
