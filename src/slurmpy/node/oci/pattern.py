"""OCI patterns: the commands and paths of oci.conf with everything after "%" replaced (oci.conf(5), "OCI Pattern").
Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

#: %p as long as there is no process
NO_PID = "4294967295"
#: What makes a command one for the shell, if it is not within quotes.
_FOR_SHELL = frozenset("$`\\;&|<>(){}*?[]~#!\n\r\"'")
#: Quotes that `shlex` understands as the shell does: '...', "..." with nothing to expand in it, and \'.
_QUOTED = re.compile(r"""'[^']*'|"[^"\\$`]*"|\\'""")


def expand(pattern: str, values: Mapping[str, str]) -> str:
    """`pattern` with each "%x" replaced by `values`["x"]; a "%" that means nothing stays (oci_conf refuses it)."""
    pieces = pattern.split("%")
    result = [pieces[0]]
    at = 1
    while at < len(pieces):
        piece = pieces[at]
        if not piece:  # "%%", or a "%" at the end
            result.append("%")
            at += 1
            if at < len(pieces):
                result.append(pieces[at])
        else:
            result.append(values.get(piece[0], f"%{piece[0]}") + piece[1:])
        at += 1
    return "".join(result)


def quoted(arguments: Sequence[str]) -> str:
    """%@: each argument in single quotes, for the shell."""
    return " ".join("'" + argument.replace("'", "'\\''") + "'" for argument in arguments)


def command(text: str) -> list[str]:
    """The words to execute for a pattern that was expanded: by the shell, or without one where it would have nothing
    to do but to start the program (which then has our signals, and ends with its own status)."""
    if not _FOR_SHELL & set(_QUOTED.sub("", text)):
        words = shlex.split(text)
        if words and "=" not in words[0]:
            return words
    return ["/bin/sh", "-c", text]
