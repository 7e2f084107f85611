"""slurm.conf, read: ``load(path)`` gives a `SlurmConf` whose attributes have Slurm's parameter names."""

from __future__ import annotations

import os

from . import slurm_parameters as table
from .errors import ConfError
from .node_lines import NodeLine, NodeSetLine, PartitionLine
from .syntax import boolean, lines, number, pairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["ConfError", "NodeLine", "NodeSetLine", "PartitionLine", "SlurmConf", "load"]

_KNOWN = {name.lower(): name for name in table.TABLE}
_LINES = ("nodename", "partitionname", "nodeset", "downnodes")


class SlurmConf:
    """What slurm.conf says. A parameter that it does not set has the default of `slurm_parameters.TABLE`."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self.directory = os.path.dirname(self.path)
        self.nodes: list[NodeLine] = []
        self.partitions: list[PartitionLine] = []
        self.nodesets: list[NodeSetLine] = []
        self.down_nodes: list[dict[str, str]] = []
        #: names of parameters that are set, that Slurm knows and slurmpy does not use
        self.warnings: list[str] = []
        #: what is wrong without being fatal: lines for the log of slurmctld, as errors
        self.errors: list[str] = []
        #: names of the parameters that the file sets
        self.given: list[str] = []

    def __getattr__(self, name: str) -> Any:
        try:
            return table.TABLE[name][1]
        except KeyError:
            raise AttributeError(f"slurm.conf has no parameter {name}") from None

    def controller_address(self) -> str:
        """The name or address at which the first controller is to be reached."""
        if self.SlurmctldAddr:
            return str(self.SlurmctldAddr)
        for host, address in self.SlurmctldHost:
            return address or host
        return "localhost"

    def words(self, name: str) -> dict[str, str]:
        """A parameter like SchedulerParameters as a dict: ``a=1,b`` is {"a": "1", "b": ""}; keys in lower case."""
        found = {}
        for word in str(getattr(self, name) or "").split(","):
            key, _, value = word.strip().partition("=")
            if key:
                found[key.lower()] = value
        return found

    def show(self) -> list[tuple[str, str | None]]:
        """The rows of ``scontrol show config``; see `config_view`."""
        from .config_view import rows

        return rows(self)

    def number_of(self, name: str, word: str, default: int) -> int:
        """The number of a word of a parameter like SchedulerParameters, `default` where it is not there or none."""
        value = self.words(name).get(word.lower(), "")
        try:
            return int(value)
        except ValueError:
            return default


def load(path: str) -> SlurmConf:
    """Reads slurm.conf and what it includes. Raises `ConfError`."""
    conf = SlurmConf(path)
    if not os.path.exists(path):
        raise ConfError(
            f"s_p_parse_file: cannot stat file {path}: No such file or directory, retrying in 1sec up to 60sec",
            "ClusterName needs to be specified",
        )
    for where, line_number, line in lines(path, _cluster_name(path)):
        key, equals, value = line.partition("=")
        key = key.strip()
        lower = key.lower()
        if not equals or not key or " " in key:
            raise ConfError(f'Parse error in file {where} line {line_number}: "{line}"')
        if lower in _LINES:
            _add_line(conf, lower, pairs(line, where, line_number), (where, line_number, line))
        else:
            _set(conf, key, lower, _plain(value, where, line_number))
    _finish(conf)
    return conf


def _cluster_name(path: str) -> str | None:
    """ClusterName, if the file wants to put it into the name of an included one."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            text = stream.read()
    except OSError:
        return None
    if "%c" not in text:
        return None
    for line in text.split("\n"):
        if line.strip().lower().startswith("clustername"):
            return line.partition("=")[2].split("#")[0].strip().lower()
    return None


def _plain(value: str, where: str, line_number: int) -> str:
    """The one value of a line, unquoted."""
    value = value.strip()
    if value[:1] == '"' and (close := value.find('"', 1)) > 0:
        rest = value[close + 1 :]
        value = value[1:close]
    else:
        value, blank, rest = value.partition(" ") if "\t" not in value else (*value.split(None, 1), "")[:3]
        rest = blank + rest if blank == " " else rest or blank
    if rest.strip():
        rest = rest if rest[:1].isspace() else " " + rest
        raise ConfError(f'Parse error in file {where} line {line_number}: "{rest}"')
    return value


def _set(conf: SlurmConf, key: str, lower: str, value: str) -> None:
    name = _KNOWN.get(lower)
    if name is None:
        if lower in table.REMOVED:
            raise ConfError(message=table.REMOVED[lower])
        raise ConfError(f"_parse_next_key: Parsing error at unrecognized key: {key}")
    kind, _, used = table.TABLE[name]
    if not used and name not in conf.warnings:
        conf.warnings.append(name)
    if name not in conf.given:
        conf.given.append(name)
    held = conf.__dict__
    if kind == "list":
        held[name] = (*held.get(name, ()), value)
    elif kind == "hosts":
        host, _, address = value.partition("(")
        held[name] = (*held.get(name, ()), (host.strip(), address.rstrip(") ") or None))
    else:
        held[name] = convert(name, kind, value)


def convert(name: str, kind: str, value: str) -> Any:
    """The Python value of a parameter's text. Raises `ConfError`."""
    if kind in ("str", "user"):
        return value
    if kind in table.BITS:
        return number(name, value, table.BITS[kind])
    if kind == "bool":
        return boolean(name, value)
    if kind == "level":
        return level(value)
    if kind == "ports":
        return number(name, value.partition("-")[0], 32)
    if kind == "limit_sec":
        return table.INFINITE if value.lower() in ("infinite", "unlimited", "-1") else number(name, value, 32)
    from ..core.times import parse_duration, parse_time_limit

    try:
        if kind == "minutes":
            return parse_time_limit(value)
        seconds = parse_duration(value)
    except ValueError:
        raise ConfError(f'Bad value "{value}" for {name}') from None
    if kind == "time" and value.isdecimal():
        return seconds // 60  # a bare number counts seconds here
    return seconds


def level(value: str) -> str:
    """The name of a log level, which may be given as its number. Unknown ones are ``info``, as Slurm takes them."""
    word = value.lower()
    if word.isdecimal() and int(word) < len(table.LEVELS):
        return table.LEVELS[int(word)]
    return word if word in table.LEVELS else "info"


def _add_line(conf: SlurmConf, lower: str, found: list[tuple[str, str]], at: tuple[str, int, str]) -> None:
    try:
        if lower == "nodename":
            conf.nodes.append(NodeLine(found))
        elif lower == "partitionname":
            conf.partitions.append(PartitionLine(found))
        elif lower == "nodeset":
            conf.nodesets.append(NodeSetLine(found))
        else:
            conf.down_nodes.append({key.lower(): value for key, value in found})
    except KeyError as error:
        key = str(error.args[0])
        rest = at[2].find(f" {key}")
        raise ConfError(
            f"Parsing error at unrecognized key: {key}",
            f'Parse error in file {at[0]} line {at[1]}: "{at[2][rest:] if rest >= 0 else at[2]}"',
        ) from None


def _finish(conf: SlurmConf) -> None:
    """Applies DEFAULT lines and what hangs together, and checks what a cluster cannot be without."""
    if not conf.ClusterName:
        raise ConfError("ClusterName needs to be specified")
    conf.__dict__["ClusterName"] = conf.ClusterName.lower()
    if not conf.SlurmctldHost:
        if conf.ControlMachine:
            hosts = [(conf.ControlMachine, conf.ControlAddr)]
            if conf.BackupController:
                hosts.append((conf.BackupController, conf.BackupAddr))
            conf.__dict__["SlurmctldHost"] = tuple(hosts)
        else:
            raise ConfError("SlurmctldHost needs to be specified")
    _check_words(conf)
    node_defaults: dict[str, object] = {}
    nodes = []
    for node in conf.nodes:
        if node.name == "DEFAULT":
            node_defaults |= node.given
            continue
        node.complete(node_defaults, conf.errors)
        nodes.append(node)
    conf.nodes = nodes
    partition_defaults: dict[str, object] = {}
    partitions = []
    for partition in conf.partitions:
        if partition.name == "DEFAULT":
            partition_defaults |= partition.given
            continue
        partition.complete(partition_defaults)
        partitions.append(partition)
    conf.partitions = partitions


def debug_flags(text: str) -> str:
    """The flags of DebugFlags, in Slurm's spelling. Raises ConfError."""
    known = {flag.lower(): flag for flag in table.DEBUG_FLAGS}
    given = [word.strip() for word in text.split(",") if word.strip()]
    for word in given:
        if word.lower() not in known:
            raise ConfError(f"Invalid DebugFlag: {word}", f"DebugFlags invalid: {text}")
    return ",".join(known[word.lower()] for word in given)


def _check_words(conf: SlurmConf) -> None:
    """Parameters that take words of a list; they are kept in the spelling in which Slurm shows them."""
    held = conf.__dict__
    if "PreemptMode" in held:
        words = held["PreemptMode"].upper().split(",")
        if not set(words) <= set(table.PREEMPT_MODES):
            raise ConfError(f"PreemptMode={held['PreemptMode']} invalid")
        held["PreemptMode"] = ",".join(words)
    if "SelectTypeParameters" in held:
        words = held["SelectTypeParameters"].upper().split(",")
        for word in words:
            if word not in table.SELECT_TYPE_PARAMETERS:
                raise ConfError(f"Bad SelectTypeParameter: {held['SelectTypeParameters']}")
        held["SelectTypeParameters"] = ",".join(words)
    if "DebugFlags" in held:
        held["DebugFlags"] = debug_flags(held["DebugFlags"])
    if "PriorityUsageResetPeriod" in held:
        word = held["PriorityUsageResetPeriod"].upper()
        if word not in ("NONE", "NOW", "DAILY", "WEEKLY", "MONTHLY", "QUARTERLY", "YEARLY"):
            raise ConfError(f'Bad value "{held["PriorityUsageResetPeriod"]}" for PriorityUsageResetPeriod')
        held["PriorityUsageResetPeriod"] = word
    gather = str(conf.JobAcctGatherType or "none").rpartition("/")[2]
    if gather not in ("none", "linux", "cgroup"):
        raise ConfError(f"cannot find jobacct_gather plugin for {conf.JobAcctGatherType}")
    how = conf.words("JobAcctGatherParams")
    if {"usepss", "noshared"} <= set(how):
        raise ConfError("JobAcctGatherParams UsePss and NoShared are mutually exclusive.")
    for word in how:
        if word not in table.GATHER_PARAMETERS:
            conf.warnings.append(f"JobAcctGatherParams={word}")
    for word, value in conf.words("SlurmctldParameters").items():
        if word != "max_dbd_msg_action":
            conf.warnings.append(f"SlurmctldParameters={word}")
        elif value not in ("discard", "exit"):
            raise ConfError(f"SlurmctldParameters max_dbd_msg_action={value} invalid")
    if conf.MaxArraySize > 4000001:
        conf.errors.append(f"MaxArraySize value ({conf.MaxArraySize}) is greater than 4000001")
        held["MaxArraySize"] = 4000001
