"""How much an image may be. ``SLURMPY_IMAGE_LIMITS=bytes=200G,entries=5M`` in the environment sets other bounds."""

from __future__ import annotations

from .errors import ImageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "SLURMPY_IMAGE_LIMITS"
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}

#: word: (default, unit, meaning); the table of docs/images.md and of ``slurmpy bundle create --help``
TABLE: dict[str, tuple[int, str, str]] = {
    "bytes": (64 << 30, "bytes", "of all layers of an image, decompressed"),
    "entries": (1_000_000, "", "files, directories and links that are made"),
    "ratio": (250, "", "decompressed bytes for each byte of a layer, counted above 256M of them"),
    "layers": (500, "", "layers of an image"),
    "cache": (
        0,
        "bytes",
        "of the whole cache; making a bundle removes what was not used for longest (0: no bound)",
    ),
}


def shown(word: str) -> str:
    """The default of a word of `TABLE` as one writes it."""
    number, kind, _ = TABLE[word]
    return f"{number >> 30}G" if kind and number else str(number)


#: of index.json, a manifest or a configuration. The OCI distribution specification lets registries refuse above 4 MiB
DOCUMENT = 8 << 20
#: indexes within indexes
INDEX_DEPTH = 4
#: manifests in an index
MANIFESTS = 2000
#: from here on the ratio counts: a small layer of zeros is harmless
RATIO_FROM = 256 << 20


def size(text: str) -> int:
    """Bytes of ``4096``, ``512M``, ``20G``. Raises ValueError."""
    digits = text.strip().upper().removesuffix("B").removesuffix("I")
    unit = _UNITS.get(digits[-1:], 0)
    digits = digits[:-1] if unit else digits
    if not (digits.isascii() and digits.isdecimal()) or len(digits) > 18:
        raise ValueError(f"Invalid size: {text}")
    return int(digits) * (unit or 1)


def age(text: str) -> int:
    """Seconds of ``90m``, ``12h``, ``30d``, ``2w``; a bare number is of days. Raises ValueError."""
    digits = text.strip().lower()
    unit = _SECONDS.get(digits[-1:], 0)
    digits = digits[:-1] if unit else digits
    if not (digits.isascii() and digits.isdecimal()) or len(digits) > 9:
        raise ValueError(f"Invalid age: {text}")
    return int(digits) * (unit or _SECONDS["d"])


class Limits:
    """The bounds of one extraction, as attributes of the names in `TABLE`."""

    bytes: int
    entries: int
    ratio: int
    layers: int
    cache: int

    def __init__(self, **given: int) -> None:
        for name, (default, _, _) in TABLE.items():
            setattr(self, name, given.get(name, default))


def read(environ: Mapping[str, str]) -> Limits:
    """The bounds that the environment sets. Raises ImageError for a word that is none, or a value that is no size."""
    given: dict[str, int] = {}
    for word in environ.get(VARIABLE, "").split(","):
        name, equals, value = word.strip().partition("=")
        if not name:
            continue
        if name not in TABLE or not equals:
            raise ImageError(f"{VARIABLE}: {word.strip()} is none of {', '.join(f'{one}=' for one in TABLE)}")
        try:
            given[name] = size(value)
        except ValueError:
            raise ImageError(f"{VARIABLE}: {word.strip()}: not a number or size") from None
    return Limits(**given)
