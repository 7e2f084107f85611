"""gres.conf, read. It is beside slurm.conf, and need not be there."""

from __future__ import annotations

import os

from ..core.hostlist import expand
from ..core.tres import parse_count
from .errors import ConfError
from .syntax import lines, pairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .slurm_conf import SlurmConf

#: key: whether slurmpy uses it
KEYS = {
    "AutoDetect": False,
    "Cores": False,
    "Count": True,
    "CPUs": False,
    "File": True,
    "Flags": False,
    "Links": False,
    "MultipleFiles": False,
    "Name": True,
    "NodeName": True,
    "Type": True,
}
_KNOWN = {name.lower(): name for name in KEYS}


class GresLine:
    """One line: ``count`` devices of a name and a type ("" for none) on some nodes (None: on all).

    `files` are their device files, as many as `count`, or none; `cores` is the text of the cores near them.
    """

    __slots__ = ("cores", "count", "files", "flags", "links", "name", "nodes", "type")

    def __init__(self, given: dict[str, str]) -> None:
        """Raises `ConfError`, HostlistError."""
        self.nodes = frozenset(expand(given["NodeName"])) if "NodeName" in given else None
        self.name = given.get("Name", "")
        self.type = given.get("Type", "")
        self.files = tuple(expand(given.get("File") or given.get("MultipleFiles") or ""))
        self.cores = given.get("Cores") or given.get("CPUs") or ""
        self.links = given.get("Links", "")
        self.flags = tuple(word.strip().lower() for word in given.get("Flags", "").split(",") if word.strip())
        try:
            self.count = parse_count(given["Count"]) if "Count" in given else max(len(self.files), 1)
        except ValueError:
            raise ConfError(f"Invalid gres count {given['Count']} of {self.name}") from None


class GresConf:
    """`lines` in order; `auto_detect` the word of AutoDetect; `warnings` keys that slurmpy does not use."""

    def __init__(self) -> None:
        self.lines: list[GresLine] = []
        self.auto_detect = ""
        self.warnings: list[str] = []

    def of_node(self, node: str) -> list[GresLine]:
        """The lines that hold for a node."""
        return [line for line in self.lines if line.name and (line.nodes is None or node in line.nodes)]


def by_node(conf: SlurmConf) -> dict[str, list[GresLine]]:
    """The lines of the gres.conf beside a slurm.conf, by the names of its nodes. Raises `ConfError`, HostlistError."""
    gres = load(os.path.join(conf.directory, "gres.conf"))
    return {name: gres.of_node(name) for line in conf.nodes for name in line.names()} if gres.lines else {}


def load(path: str) -> GresConf:
    """Reads gres.conf; nothing where there is none. Raises `ConfError`, HostlistError."""
    conf = GresConf()
    if not os.path.exists(path):
        return conf
    defaults: dict[str, str] = {}
    for where, number, line in lines(path):
        given: dict[str, str] = {}
        for key, value in pairs(line, where, number):
            name = _KNOWN.get(key.lower())
            if name is None:
                raise ConfError(
                    f"Parsing error at unrecognized key: {key}", f'Parse error in file {where} line {number}: "{line}"'
                )
            if not KEYS[name] and name not in conf.warnings:
                conf.warnings.append(name)
            given[name] = value
        if given.get("Name", "").upper() == "DEFAULT":
            defaults |= given
            del defaults["Name"]
            continue
        if "AutoDetect" in given and "Name" not in given:
            conf.auto_detect = given["AutoDetect"]
            continue
        conf.lines.append(GresLine({**defaults, **given}))
    return conf
