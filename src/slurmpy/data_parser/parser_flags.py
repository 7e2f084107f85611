"""What stands behind a version, ``v0.0.42+fast+complex``: which flags each version knows, and what it says of others.

- fast: requests are taken as they are, without a word of what is left out of account; errors do not tell where.
- complex: numbers as such (null if unset, "Infinity"), and null for texts that are not there.
- spec_only: instead of an answer its schema.
- prefer_refs, minimize_refs, inline_enums: how the OpenAPI document names or repeats its schemas.
"""

from __future__ import annotations

FAST, COMPLEX, SPEC_ONLY = "fast", "complex", "spec_only"
PREFER_REFS, MINIMIZE_REFS, INLINE_ENUMS = "prefer_refs", "minimize_refs", "inline_enums"

#: version: the flags that change something in it
KNOWN: dict[str, tuple[str, ...]] = {
    "v0.0.37": (),
    "v0.0.38": (),
    "v0.0.40": (FAST, COMPLEX),
    "v0.0.41": (FAST, COMPLEX, PREFER_REFS),
    "v0.0.42": (FAST, COMPLEX, SPEC_ONLY, MINIMIZE_REFS, INLINE_ENUMS),
    "v0.0.43": (FAST, COMPLEX, SPEC_ONLY, MINIMIZE_REFS),
    "v0.0.44": (FAST, COMPLEX, SPEC_ONLY, MINIMIZE_REFS),
    "v0.0.45": (FAST, COMPLEX, SPEC_ONLY, MINIMIZE_REFS),
}
#: versions that pass over other flags without a word
QUIET = ("v0.0.40", "v0.0.41")
#: flags that are what a version does anyway
STANDARD: dict[str, tuple[str, ...]] = dict.fromkeys(("v0.0.42", "v0.0.43", "v0.0.44", "v0.0.45"), (PREFER_REFS,))

PREFIX = "data_parser/"


def split(text: str) -> tuple[str, tuple[str, ...]]:
    """The version and the words behind it, as they are written; the prefix may be there or not."""
    version, *words = text.removeprefix(PREFIX).split("+")
    return version, tuple(word for word in words if word)


def known(version: str, words: tuple[str, ...]) -> frozenset[str]:
    """Those of ``words`` that change something. Upper and lower case are the same."""
    return frozenset(word.lower() for word in words).intersection(KNOWN.get(version, ()))


def notes(version: str, words: tuple[str, ...]) -> list[str]:
    """What there is to say of the other words, as it follows the program's name."""
    said = []
    for word in words:
        if word.lower() in KNOWN.get(version, ()) or version in QUIET:
            continue
        if word.lower() in STANDARD.get(version, ()):
            said.append(f"{PREFIX}{version} ignoring default flag FLAG_{word.upper()}")
        else:
            said.append(f"warning: {PREFIX}{version} ignoring unknown flag {word}")
    return said
