"""Writes what is derived from the tables: man pages, shell completions, and tables within pages of docs/.

    python -m slurmpy.cli.generate [--check] [DIRECTORY]

DIRECTORY is the repository (the present directory unless given). With --check nothing is written; the exit code is 1 if
a file in it differs from what the tables say, is missing, or is there without a table.
"""

from __future__ import annotations

import os
import sys

from .errors import write
from .manual import completions, inserted, pages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def derived() -> dict[str, str]:
    """Path below the repository: text, of every derived file."""
    found = {f"man/{name}": text for name, text in pages.all_pages().items()}
    found.update({f"completions/{name}": text for name, text in completions.all_scripts().items()})
    return found


def present(root: str) -> set[str]:
    """The files that are there now, below man/ and completions/."""
    found: set[str] = set()
    for top in ("man", "completions"):
        for directory, _, names in os.walk(os.path.join(root, top)):
            found.update(os.path.relpath(os.path.join(directory, name), root) for name in names if name[0] != ".")
    return found


def differences(root: str) -> list[str]:
    """What --check complains about."""
    wanted = {**derived(), **inserted.all_pages(root)}
    found = [f"{path}: no table knows it" for path in sorted(present(root) - set(wanted))]
    for path, text in sorted(wanted.items()):
        try:
            with open(os.path.join(root, path), encoding="utf-8") as stream:
                if stream.read() != text:
                    found.append(f"{path}: differs from the tables")
        except FileNotFoundError:
            found.append(f"{path}: missing")
    return found


def run(argv: Sequence[str]) -> int:
    check = "--check" in argv
    rest = [word for word in argv if word != "--check"]
    if len(rest) > 1 or any(word.startswith("-") for word in rest):
        write(sys.stderr, "usage: python -m slurmpy.cli.generate [--check] [DIRECTORY]\n")
        return 2
    root = rest[0] if rest else "."
    if check:
        found = differences(root)
        if found:
            write(sys.stderr, "".join(f"{one}\n" for one in found))
            write(sys.stderr, "run: python -m slurmpy.cli.generate\n")
        return 1 if found else 0
    wanted = {**derived(), **inserted.all_pages(root)}
    for path in present(root) - set(wanted):
        os.unlink(os.path.join(root, path))
    for path, text in wanted.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as stream:
            stream.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
