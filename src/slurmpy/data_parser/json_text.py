"""JSON text in the layout of Slurm's own serialiser: two spaces a level, ``"key": value``, ``/`` escaped."""

from __future__ import annotations

from typing import Any

try:
    from _json import encode_basestring as _quote
except ImportError:  # an interpreter without the C accelerator
    from json.encoder import encode_basestring as _quote


def string(value: str) -> str:
    """A JSON string; text outside ASCII stays as it is."""
    text = _quote(value)
    return text.replace("/", "\\/") if "/" in text else text


def number(value: float) -> str:
    """A floating-point number with every digit that a double holds, and always with a point or an exponent."""
    text = f"{value:.17g}"
    if "." in text or "e" in text:
        return text
    if text in ("inf", "-inf", "nan"):
        return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}[text]
    return text + ".0"


def write(value: Any, indent: int = 0) -> str:
    """Any document (dict, list, tuple, str, bool, int, float, None) as text.

    ``indent`` is the number of spaces before the line that the value begins on; the text itself starts without any.
    """
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, str):
        return string(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return number(value)
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        if not value:
            return "{}"
        body = f",\n{inner}".join([f"{string(key)}: {write(item, indent + 2)}" for key, item in value.items()])
        return f"{{\n{inner}{body}\n{inner[2:]}}}"
    if not value:
        return "[]"
    body = f",\n{inner}".join([write(item, indent + 2) for item in value])
    return f"[\n{inner}{body}\n{inner[2:]}]"


def compact(value: Any) -> str:
    """The same document on one line, as messages quote it."""
    if isinstance(value, dict):
        return "{" + ",".join([f"{string(key)}:{compact(item)}" for key, item in value.items()]) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join([compact(item) for item in value]) + "]"
    return write(value)
