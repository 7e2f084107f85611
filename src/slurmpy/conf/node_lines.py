"""The lines of slurm.conf that describe nodes, partitions and node sets. Attributes have the names of the keys."""

from __future__ import annotations

from . import slurm_parameters as table
from .errors import ConfError
from .syntax import boolean, number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NODE_KEYS = {name.lower(): name for name in table.NODE_KEYS}
_PARTITION_KEYS = {name.lower(): name for name in table.PARTITION_KEYS}
_ALIASES = {"Feature": "Features", "Procs": "CPUs", "Shared": "OverSubscribe"}
PARTITION_STATES = ("UP", "DOWN", "DRAIN", "INACTIVE")


class NodeLine:
    """One NodeName line, for one or many nodes.

    After loading, Boards, Sockets (of the whole node), CoresPerSocket, ThreadsPerCore and CPUs are complete and agree.
    RealMemory and TmpDisk are MiB. Features is a tuple. State is in capitals (``UNKNOWN``, ``DOWN``, ``CLOUD``...).
    """

    NodeHostname: str | None = None
    NodeAddr: str | None = None
    BcastAddr: str | None = None
    Port: str | None = None
    Boards = 1
    Sockets = 1
    SocketsPerBoard: int | None = None
    CoresPerSocket = 1
    ThreadsPerCore = 1
    CPUs = 1
    RealMemory = 1
    TmpDisk = 0
    Weight = 1
    Features: tuple[str, ...] = ()
    Gres: str | None = None
    State = "UNKNOWN"
    Reason: str | None = None
    CoreSpecCount = 0
    CpuSpecList: str | None = None
    MemSpecLimit = 0
    RestrictedCoresPerGPU = 0
    CPUBind: str | None = None
    TRESWeights: str | None = None

    def __init__(self, found: list[tuple[str, str]]) -> None:
        """Raises KeyError with an unknown key, `ConfError` for a value."""
        self.NodeName = self.name = found[0][1]
        self.given: dict[str, object] = {}
        for key, value in found[1:]:
            name = _NODE_KEYS.get(key.lower())
            if name is None:
                raise KeyError(key)
            kind = table.NODE_KEYS[name]
            converted: Any = value if kind == "str" else number(name, value, table.BITS[kind])
            name = _ALIASES.get(name, name)
            if name == "Features":
                converted = tuple(word.strip() for word in value.split(",") if word.strip())
            elif name == "State":
                converted = value.upper()
            self.given[name] = converted

    def complete(self, defaults: dict[str, object], errors: list[str]) -> None:
        """Takes what the line does not say from the DEFAULT lines before it, and works out the sizes."""
        given = {**defaults, **self.given}
        self.__dict__.update(given)
        self.Boards = max(self.Boards, 1)
        if self.SocketsPerBoard:
            self.Sockets = self.SocketsPerBoard * self.Boards
        elif "Sockets" not in given:
            per_socket = self.CoresPerSocket * self.ThreadsPerCore
            self.Sockets = max(self.CPUs // per_socket, 1) if "CPUs" in given else self.Boards
        cores = self.Sockets * self.CoresPerSocket
        total = cores * self.ThreadsPerCore
        if "CPUs" not in given:
            self.CPUs = total
        elif self.CPUs not in (self.Sockets, cores, total):
            errors.append(
                f"NodeNames={self.NodeName} CPUs={self.CPUs} match no Sockets, Sockets*CoresPerSocket or "
                "Sockets*CoresPerSocket*ThreadsPerCore. Resetting CPUs."
            )
            self.CPUs = total

    def names(self) -> list[str]:
        """The names of the nodes. Raises HostlistError."""
        from ..core.hostlist import expand

        return expand(self.NodeName)

    def hosts(self, default_port: int = 0) -> list[tuple[str, str, str, int]]:
        """(name, host name, address, port) of each node. Raises `ConfError`, HostlistError."""
        names = self.names()
        hostnames = self._beside(names, self.NodeHostname, "NodeHostName") if self.NodeHostname else names
        addresses = self._beside(names, self.NodeAddr, "NodeAddr") if self.NodeAddr else hostnames
        ports = [int(port) for port in self._beside(names, self.Port, "Port")] if self.Port else [default_port]
        if len(ports) == 1:
            ports *= len(names)
        return list(zip(names, hostnames, addresses, ports, strict=True))

    def _beside(self, names: list[str], text: str, key: str) -> list[str]:
        """The values of a list that goes with the names: one for all, or one each."""
        from ..core.hostlist import expand

        values = expand(text)
        if len(values) == 1:
            return values * len(names)
        if len(values) != len(names):
            raise ConfError(f"Invalid {key} {text} for NodeName {self.NodeName}: one for all or one for each")
        return values


class NodeSetLine:
    """One NodeSet line: the nodes of a list, or those with a feature."""

    Nodes: str | None = None
    Feature: str | None = None

    def __init__(self, found: list[tuple[str, str]]) -> None:
        """Raises KeyError with an unknown key."""
        self.NodeSet = self.name = found[0][1]
        for key, value in found[1:]:
            name = {"nodes": "Nodes", "feature": "Feature"}.get(key.lower())
            if name is None:
                raise KeyError(key)
            setattr(self, name, value)


class PartitionLine:
    """One PartitionName line. Values as `slurm_parameters.PARTITION_KEYS` says; OverSubscribe ``NO``, ``YES:4``,
    ``FORCE:2``, ``EXCLUSIVE``; State in capitals. Nodes is the text as written (``ALL``, node sets, host lists)."""

    def __init__(self, found: list[tuple[str, str]]) -> None:
        """Raises KeyError with an unknown key, `ConfError` for a value."""
        self.PartitionName = self.name = found[0][1]
        self.given: dict[str, object] = {}
        for key, value in found[1:]:
            name = _PARTITION_KEYS.get(key.lower())
            if name is None:
                raise KeyError(key)
            converted = convert(name, table.PARTITION_KEYS[name][0], value)
            if name == "Priority":
                self.given["PriorityJobFactor"] = self.given["PriorityTier"] = converted
            else:
                self.given[_ALIASES.get(name, name)] = converted

    def __getattr__(self, name: str) -> Any:
        try:
            return table.PARTITION_KEYS[name][1]
        except KeyError:
            raise AttributeError(f"a partition has no {name}") from None

    def complete(self, defaults: dict[str, object]) -> None:
        """Takes what the line does not say from the DEFAULT lines before it."""
        self.__dict__.update(defaults)
        self.__dict__.update(self.given)


def convert(name: str, kind: str, value: str) -> Any:
    """The value of a partition's key. Raises `ConfError`."""
    word = value.upper()
    if kind == "str":
        return value
    if kind == "bool":
        return boolean(name, value)
    if kind == "state":
        if word not in PARTITION_STATES:
            raise ConfError(f'Bad value "{value}" for State')
        return word
    if kind == "share":
        return _share(value)
    if kind in ("count", "limit_sec"):
        return table.INFINITE if word in ("UNLIMITED", "INFINITE") else number(name, value, 32)
    if kind == "minutes":
        if word == "NONE":
            return None
        from ..core.times import parse_time_limit

        try:
            return parse_time_limit(value)
        except ValueError:
            raise ConfError(f'Bad value "{value}" for {name}') from None
    if kind == "u64" and word == "UNLIMITED":
        return None
    return number(name, value, table.BITS[kind])


def _share(value: str) -> str:
    """OverSubscribe in the form in which scontrol shows it."""
    word, colon, count = value.upper().partition(":")
    if word in ("NO", "EXCLUSIVE") and not colon:
        return word
    if word in ("YES", "FORCE") and (not colon or (count.isdecimal() and 0 < int(count) < 0x8000)):
        return f"{word}:{int(count) if colon else 4}"
    raise ConfError(f'Bad value "{value}" for OverSubscribe')
