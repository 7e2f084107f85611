"""The parser versions that there are, each loaded when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slurmpy.core.errors import SlurmError

from . import parser_flags

if TYPE_CHECKING:
    from .plugin import Plugin

#: version: module, in the order in which `--json=list` tells them: first those of the release that the commands are, in
#: its own order, then those of other releases
VERSIONS = {
    "v0.0.42": "v0_0_42",
    "v0.0.40": "v0_0_40",
    "v0.0.41": "v0_0_41",
    "v0.0.43": "v0_0_43",
    "v0.0.44": "v0_0_44",
    "v0.0.45": "v0_0_45",
    "v0.0.38": "v0_0_38",
    "v0.0.37": "v0_0_37",
}

#: what a command uses when it is not told: the newest of its release, though there are newer ones
DEFAULT = "v0.0.42"

#: the name for the newest of all
LATEST = "latest"
#: characters of a name with its flags
MAX_NAME = 256

_loaded: dict[tuple[str, frozenset[str]], Plugin] = {}


def version_of(text: str) -> str:
    """The version that a name with or without prefix and flags means, "" being the default; it need not be there."""
    version = parser_flags.split(text)[0] or DEFAULT
    return max(VERSIONS, key=_order) if version == LATEST else version


def _order(version: str) -> list[int]:
    return [int(part) for part in version[1:].split(".")]


def get(text: str = "") -> Plugin:
    """The plugin of a version, written "v0.0.42", "data_parser/v0.0.42" or "" for the default; flags may follow, as in
    "v0.0.42+fast" (`parser_flags`; those that it does not know are left out of account, but told in its documents).

    Raises SlurmError if there is no such plugin.
    """
    version, words = version_of(text), parser_flags.split(text)[1]
    if version not in VERSIONS or len(text) > MAX_NAME:
        raise SlurmError("SLURM_ERROR", f"unable to find plugin: data_parser/{version[:MAX_NAME]}")
    flags = parser_flags.known(version, words)
    plugin = _loaded.get((version, flags))
    if plugin is None:
        plugin = _loaded[version, flags] = _load(version, flags)
    _, plus, written = text.partition("+")
    name = f"{parser_flags.PREFIX}{version}{plus}{written}"
    return plugin if plugin.name == name else plugin.called(name)


def _load(version: str, flags: frozenset[str]) -> Plugin:
    from importlib import import_module

    if not flags:
        plugin: Plugin = import_module(f"{__package__}.{VERSIONS[version]}").plugin()
        return plugin
    whole = flags == {parser_flags.COMPLEX} or parser_flags.COMPLEX not in flags
    base = get(version if whole else f"{version}+{parser_flags.COMPLEX}")  # whose compiled text is good for both
    return base.flagged(flags - base.flags, f"{parser_flags.PREFIX}{version}+{'+'.join(sorted(flags))}")
