"""What a request says of itself and of its answer: path, query, body and media types. All pure."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote, unquote_plus

MEDIA = ("application/json", "application/x-yaml", "application/yaml")
_FORM = "application/x-www-form-urlencoded"

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
#: what a path may consist of (RFC 3986, 3.3)
_PATH = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*")
_ABSOLUTE = re.compile(r"https?://[^/?#]*", re.IGNORECASE)


class Unreadable(Exception):
    """The query or body is no document, or the path is none."""


class UnknownType(Unreadable):
    """The body is of a type that nothing here reads."""


def split_target(target: bytes) -> tuple[str, str]:
    """(path, query) of a request's target, which may be a whole URL; what follows a "#" is the client's own."""
    word = target.decode("latin-1").partition("#")[0]
    match = _ABSOLUTE.match(word)
    if match is not None:
        word = word[match.end() :] or "/"
    path, _, query = word.partition("?")
    return path, query


def segments(path: str) -> list[str]:
    """The parts of a path, decoded. Raises Unreadable."""
    if not path.startswith("/") or not _PATH.fullmatch(path):
        raise Unreadable
    try:
        found = [unquote(part, errors="strict") for part in path.split("/") if part]
    except UnicodeDecodeError as error:
        raise Unreadable from error
    if any(part == ".." or "\0" in part for part in found):
        raise Unreadable
    return found


def pairs(text: str) -> dict[str, Any]:
    """URL-encoded pairs: a repeated key has a list of its values, one without a "=" is true. Raises Unreadable."""
    found: dict[str, Any] = {}
    if _BAD_ESCAPE.search(text):
        raise Unreadable
    for word in text.split("&"):
        if not word:
            continue
        key, equals, value = word.partition("=")
        try:
            name = unquote_plus(key, errors="strict")
            held: Any = unquote_plus(value, errors="strict") if equals else True
        except UnicodeDecodeError as error:
            raise Unreadable from error
        if not name or "\0" in name or (equals and "\0" in held):
            raise Unreadable
        if name not in found:
            found[name] = held
        elif isinstance(found[name], list):
            found[name].append(held)
        else:
            found[name] = [found[name], held]
    return found


def _weights(header: str) -> list[tuple[str, float]]:
    """The words of an Accept or Accept-Encoding header with their q (RFC 9110, 12.4.2); a q that is none counts 0."""
    found = []
    for entry in header.split(","):
        name, *parameters = (part.strip().lower() for part in entry.split(";"))
        weight = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                weight = float(parameter[2:]) if re.fullmatch(r"[01](\.\d{0,3})?", parameter[2:]) else 0.0
        found.append((name, min(weight, 1.0)))
    return found


def accepted(header: str | None, offered: tuple[str, ...] = MEDIA) -> str | None:
    """The media type to answer in, of the ``offered`` that an Accept header lets; None if there is none."""
    weights = _weights(header or "*/*")
    best: tuple[float, int, str] | None = None
    for media in offered:
        # the most exact word decides about a type; among equals, what the client names first
        ranks = {media: 3, media.partition("/")[0] + "/*": 2, "*/*": 1}
        found = max(
            ((ranks[name], -at, weight) for at, (name, weight) in enumerate(weights) if name in ranks), default=None
        )
        if found is not None and found[2] > 0 and (best is None or (found[2], found[1]) > best[:2]):
            best = (found[2], found[1], media)
    return best[2] if best else None


def compressed(header: str | None) -> bool:
    """Whether an Accept-Encoding header lets the answer be compressed by gzip, and does not prefer it plain."""
    if not header:
        return False
    weights = dict(reversed(_weights(header)))
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def parse_body(kind: str, data: bytes) -> Any:
    """The body as a document by its Content-Type; None if there is none. Raises Unreadable, UnknownType."""
    if not data.strip():
        return None
    kind = kind.partition(";")[0].strip().lower()
    document: Any = None
    try:
        if kind == "application/json":
            import json

            document = json.loads(data.decode())
        elif kind in MEDIA:
            document = _yaml(data)
        elif kind == _FORM:
            document = pairs(data.decode().strip())
        else:
            raise UnknownType
        if _ODD(data):
            document = _usual(document)
    except Unreadable:
        raise
    except (ValueError, RecursionError, MemoryError) as error:
        raise Unreadable from error
    except Exception as error:  # yaml has its own
        raise Unreadable from error
    if document is None:
        raise Unreadable
    return document


def _yaml(data: bytes) -> Any:
    """Strings, lists and dicts. Aliases are refused: a few hundred bytes of them can stand for more than fits."""
    import yaml

    loader = yaml.CBaseLoader
    if b"*" in data and any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(data, loader)):
        raise Unreadable
    return yaml.load(data, loader)  # noqa: S506 - a base loader makes no objects


#: what may stand for half of a surrogate pair, or for a NUL
_ODD = re.compile(rb"\\(?:[uU][dD]|u0000|x00|U0000|0)").search


def _usual(value: Any) -> Any:
    """`value` as real slurmrestd has it: U+FFFD for each half of a surrogate pair (no text that is sent holds one, RFC
    8259 section 8.2, and one in a job's name would spoil everybody's list of jobs), and a text as far as its first
    NUL."""
    if isinstance(value, str):
        return value.partition("\0")[0].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_usual(one) for one in value]
    if isinstance(value, dict):
        return {_usual(name): _usual(one) for name, one in value.items()}
    return value
