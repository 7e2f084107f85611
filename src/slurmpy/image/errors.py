"""What is wrong with an image, in one line."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class ImageError(Exception):
    """``str()`` is one line that names the thing; what an image says of itself is made harmless in it."""

    def __init__(self, text: str) -> None:
        super().__init__(printable(text))


def printable(text: str | bytes) -> str:
    """A name out of an image as it may stand in a message: one line, no sequences for terminals, not without end."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    text = "".join(letter if letter.isprintable() else "?" for letter in text[:4200])
    return text if len(text) <= 1000 else text[:997] + "..."


def is_text(path: str) -> bool:
    """Whether a path is UTF-8: JSON can name no other."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def reason(error: OSError, name: str | bytes = "") -> ImageError:
    """An `OSError` as an `ImageError`: ``name: No space left on device``."""
    what = name or error.filename or ""
    text = error.strerror or str(error)
    return ImageError(f"{printable(what)}: {text}" if what else text)


def expect(value: Any, kind: type, what: str) -> Any:
    """`value` if it is a `kind`; else ImageError: documents in images are anybody's."""
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        names = {dict: "an object", list: "a list", str: "a text", int: "a number"}
        raise ImageError(f"{what} is not {names[kind]}")
    return value
