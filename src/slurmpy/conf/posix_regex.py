"""POSIX's extended regular expressions (regex(7), without REG_NEWLINE), made into Python's. Pure.

The two read the same text differently: in a bracket expression a backslash is a backslash for POSIX, "$" is the end and
never the place before a last newline, "." is any character, and what Python has after "(?" is nothing at all.
"""

from __future__ import annotations

import re

_CLASSES = {
    "alpha": "a-zA-Z", "digit": "0-9", "alnum": "a-zA-Z0-9", "upper": "A-Z", "lower": "a-z", "space": r" \t\n\r\f\v",
    "blank": r" \t", "punct": r"!-/:-@\[-`{-\~", "print": r" -\~", "graph": r"!-\~", "cntrl": r"\x00-\x1f\x7f",
    "xdigit": "0-9A-Fa-f",
}  # fmt: skip
#: What the C library has beyond POSIX.
_ESCAPES = {
    "w": r"\w", "W": r"\W", "s": r"\s", "S": r"\S", "b": r"\b", "B": r"\B", "<": r"\b(?=\w)", ">": r"\b(?<=\w)",
    "`": r"\A", "'": r"\Z",
}  # fmt: skip
_INTERVAL = re.compile(r"\{(\d*)(,?)(\d*)\}")
#: RE_DUP_MAX (limits.h)
MOST_TIMES = 32767


def compile(text: str) -> re.Pattern[str]:
    """Raises ValueError with what is wrong, in the C library's words."""
    try:
        return re.compile(translated(text), re.DOTALL | re.ASCII)
    except re.error as error:
        raise ValueError(error.msg) from None
    except (OverflowError, RecursionError):
        raise ValueError("Regular expression too big") from None


def translated(text: str) -> str:
    """The same expression as Python has it. Raises ValueError."""
    # of each open group: what is finished of it, and the atom that a repetition would be of
    groups: list[tuple[str, str]] = []
    done, atom, at = "", "", 0
    while at < len(text):
        char = text[at]
        at += 1
        if char in "*+?{":
            if char == "{":
                found = _INTERVAL.match(text, at - 1)
                if found is None or not (found[1] or found[2]):
                    raise ValueError("Invalid content of \\{\\}")
                at = found.end()
                char = _interval(found)
            if not atom:
                raise ValueError("Invalid preceding regular expression")
            atom = f"(?:{atom}){char}"
            continue
        if char == ")":
            if not groups:
                raise ValueError("Unmatched ) or \\)")
            inner = done + atom
            done, atom = groups.pop()
            atom = f"({inner})"
            continue
        done, atom = done + atom, ""
        if char == "(":
            groups.append((done, ""))
            done = ""
        elif char == "|":
            done += "|"
        elif char == "^":
            done += r"\A"
        elif char == "$":
            done += r"\Z"
        elif char == ".":
            atom = "."
        elif char == "[":
            atom, at = _bracket(text, at)
        elif char == "\\":
            if at == len(text):
                raise ValueError("Trailing backslash")
            escaped = text[at]
            at += 1
            if escaped in "123456789":
                atom = f"(?:\\{escaped})"
            else:
                atom = _ESCAPES.get(escaped) or re.escape(escaped)
        else:
            atom = re.escape(char)
    if groups:
        raise ValueError("Unmatched ( or \\(")
    return done + atom


def _interval(found: re.Match[str]) -> str:
    least = int(found[1] or "0") if len(found[1]) < 6 else MOST_TIMES + 1
    most = (int(found[3]) if len(found[3]) < 6 else MOST_TIMES + 1) if found[3] else None
    if not found[2]:
        most = least
    if max(least, most or 0) > MOST_TIMES:
        raise ValueError("Regular expression too big")
    if most is not None and most < least:
        raise ValueError("Invalid content of \\{\\}")
    return f"{{{least},{'' if most is None else most}}}"


def _bracket(text: str, at: int) -> tuple[str, int]:
    """The bracket expression whose "[" is before `at`, and where it ends."""
    negated = text[at : at + 1] == "^"
    at += negated
    items: list[str] = []
    first = True
    while True:
        if at >= len(text):
            raise ValueError("Unmatched [, [^, [:, [., or [=")
        if text[at] == "]" and not first:
            return f"[{'^' if negated else ''}{''.join(items)}]", at + 1
        first = False
        if text.startswith("[:", at):
            end = text.find(":]", at + 2)
            if end < 0:
                raise ValueError("Unmatched [, [^, [:, [., or [=")
            if text[at + 2 : end] not in _CLASSES:
                raise ValueError("Invalid character class name")
            items.append(_CLASSES[text[at + 2 : end]])
            at = end + 2
            continue
        low, at = _element(text, at)
        if text[at : at + 1] == "-" and text[at + 1 : at + 2] not in ("]", ""):
            high, at = _element(text, at + 1)
            if high < low:
                raise ValueError("Invalid range end")
            items.append(f"{_literal(low)}-{_literal(high)}")
        else:
            items.append(_literal(low))


def _element(text: str, at: int) -> tuple[str, int]:
    """A character of a bracket expression, which may be written [.x.] or [=x=]; and where it ends."""
    for mark in ".=":
        if text.startswith(f"[{mark}", at):
            end = text.find(f"{mark}]", at + 2)
            if end != at + 3:
                raise ValueError("Invalid collation character")
            return text[at + 2], end + 2
    return text[at], at + 1


def _literal(char: str) -> str:
    return f"\\{char}" if char in "\\[]^-&~|" else char
