"""The parser versions that there are, each loaded when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slurmpy.core.errors import SlurmError

if TYPE_CHECKING:
    from .plugin import Plugin

#: version: module, in the order in which `--json=list` tells them
VERSIONS = {"v0.0.42": "v0_0_42", "v0.0.40": "v0_0_40", "v0.0.41": "v0_0_41"}

#: what a command uses when it is not told
DEFAULT = "v0.0.42"

_loaded: dict[str, Plugin] = {}


def get(version: str = "") -> Plugin:
    """The plugin of a version, written "v0.0.42", "data_parser/v0.0.42" or "" for the default.

    Raises SlurmError if there is no such plugin.
    """
    name = version.removeprefix("data_parser/") or DEFAULT
    plugin = _loaded.get(name)
    if plugin is None:
        if name not in VERSIONS:
            raise SlurmError("SLURM_ERROR", f"unable to find plugin: data_parser/{name}")
        from importlib import import_module

        plugin = _loaded[name] = import_module(f"{__package__}.{VERSIONS[name]}").plugin()
    return plugin
