"""Why a container cannot be run."""

from __future__ import annotations


class ContainerError(Exception):
    """One line that names what is wrong: a file, a field of it, or a command with what it said.

    What a bundle brings (names in config.json, paths) stands in it, so whatever could not be printed, or would move the
    reader's cursor, is shown by its code instead.
    """

    def __str__(self) -> str:
        return shown(super().__str__())


def shown(text: str) -> str:
    """`text` as one line of characters that can be printed; bytes that are no UTF-8 stay what they are."""
    if text.isprintable():
        return text
    return "".join(map(_shown, text))


def _shown(char: str) -> str:
    if char.isprintable() or "\udc80" <= char <= "\udcff":
        return char
    return char.encode("unicode_escape").decode()
