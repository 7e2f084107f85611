"""slurm.conf as ``scontrol show config`` shows it: rows of a name and a text."""

from __future__ import annotations

from ..core.records.base import INFINITE
from ..core.times import format_duration
from . import slurm_parameters as table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .slurm_conf import SlurmConf

UNITS = {"sec": "sec", "sec32": "sec", "usec": "usec", "min": "min", "percent": "percent", "rate": "nodes/min"}
#: parameters that are read but not shown
HIDDEN = frozenset(
    (
        *("AccountingStoragePass", "AcctGatherInfinibandType", "BackupAddr", "BackupController", "ControlAddr"),
        *(
            "ControlMachine",
            "BurstBufferParameters",
            "CoreSpecPlugin",
            "CryptoType",
            "ExtSensorsFreq",
            "ExtSensorsType",
        ),
        *("FastSchedule", "JobCompPass", "JobCredentialPrivateKey", "JobCredentialPublicCertificate", "KeepAliveTime"),
        *(
            "LaunchType",
            "OCIRequired",
            "PowerParameters",
            "PowerPlugin",
            "RoutePlugin",
            "SbcastParameters",
            "DefMemPerCPU",
        ),
        *("MaxMemPerCPU", "DefCpuPerGPU", "DefMemPerGPU", "Prolog", "Epilog", "PrologSlurmctld", "EpilogSlurmctld"),
    )
)
#: rows that no parameter makes, by the parameter they come after; None where only the running controller knows
INSERTED: dict[str, tuple[tuple[str, str | None], ...]] = {
    "BcastParameters": (("BOOT_TIME", None),),
    "GroupUpdateTime": (("HASH_VAL", None),),
    "MpiParams": (("MULTIPLE_SLURMD", "yes"), ("NEXT_JOB_ID", None)),
    "SlurmctldPidFile": (("SLURM_CONF", None), ("SLURM_VERSION", "24.11.5")),
}
STATIC_TRES = "cpu,mem,energy,node,billing,fs/disk,vmem,pages"


def rows(conf: SlurmConf) -> list[tuple[str, str | None]]:
    """(name, text) in the order of show config; the text is None where only the controller can say it."""
    found: list[tuple[str, str | None]] = []
    for name, (kind, _, _) in table.TABLE.items():
        if name in HIDDEN:
            continue
        if name == "SlurmctldHost":
            for at, (host, address) in enumerate(conf.SlurmctldHost):
                found.append((f"SlurmctldHost[{at}]", f"{host}({address})" if address else host))
            continue
        if name in ("DefMemPerNode", "MaxMemPerNode"):
            found.append(_memory(conf, name))
        elif name == "EpilogMsgTime":
            found += _several(conf, "Epilog")
            found.append((name, text(conf, name, kind)))
            found += _several(conf, "EpilogSlurmctld")
        elif name == "PrologEpilogTimeout":
            found += _several(conf, "Prolog")
            found.append((name, text(conf, name, kind)))
            found += _several(conf, "PrologSlurmctld")
        else:
            found.append((name, text(conf, name, kind)))
        found += [(row, value if row != "SLURM_CONF" else conf.path) for row, value in INSERTED.get(name, ())]
    return found


def _several(conf: SlurmConf, name: str) -> list[tuple[str, str | None]]:
    return [(f"{name}[{at}]", value) for at, value in enumerate(getattr(conf, name))]


def _memory(conf: SlurmConf, name: str) -> tuple[str, str]:
    """The memory limit that is set, by CPU or by node."""
    by_cpu = name.replace("Node", "CPU")
    if getattr(conf, by_cpu):
        return by_cpu, str(getattr(conf, by_cpu))
    return name, str(getattr(conf, name) or "UNLIMITED")


def text(conf: SlurmConf, name: str, kind: str) -> str:
    """One parameter as it is shown."""
    value: Any = getattr(conf, name)
    special = SPECIAL.get(name)
    if special is not None:
        return special(conf, value)
    if kind in UNITS:
        return f"{value} {UNITS[kind]}"
    if kind == "bool":
        return "yes" if value else "no"
    if kind in ("seconds", "time"):
        return format_duration(value)
    if kind == "limit_sec":
        return "INFINITE" if value == INFINITE else f"{value} sec"
    return "(null)" if value is None else str(value)


def _tres(conf: SlurmConf, value: str | None) -> str:
    """The TRES that are accounted for: the static ones, those of the parameter, and what gres/gpu brings with it."""
    own = [word.strip() for word in (value or "").split(",") if word.strip()]
    if "gres/gpu" in own:
        own += [name for name in ("gres/gpumem", "gres/gpuutil") if name not in own]
    return ",".join([STATIC_TRES, *sorted(own)])


def user_with_id(value: str) -> str:
    """``root(0)`` of a name or a number; as it is where the system does not know it."""
    import pwd

    try:
        if value.isdecimal():
            return f"{pwd.getpwuid(int(value)).pw_name}({value})"
        return f"{value}({pwd.getpwnam(value).pw_uid})"
    except KeyError:
        return value


def _user(conf: SlurmConf, value: str) -> str:
    return user_with_id(value)


def _storage_user(conf: SlurmConf, value: str | None) -> str:
    return "N/A" if conf.AccountingStorageType == "accounting_storage/slurmdbd" else value or "root"


def _storage_port(conf: SlurmConf, value: int) -> str:
    return str(value if conf.AccountingStorageType or "AccountingStoragePort" in conf.given else 0)


def _dbd_messages(conf: SlurmConf, value: int) -> str:
    """Where it is not set: room for every job and step of the cluster."""
    if value or conf.AccountingStorageType != "accounting_storage/slurmdbd":
        return str(value)
    return str(max(10000, conf.MaxJobCount * 2 + len(node_names(conf)) * 4))


def node_names(conf: SlurmConf) -> list[str]:
    return [name for line in conf.nodes for name in line.names()]


def _node_count(conf: SlurmConf, value: int) -> str:
    return str(value or len(node_names(conf)))


#: parameters whose text is not just their value
SPECIAL: dict[str, Callable[[SlurmConf, Any], str]] = {
    "AccountingStorageTRES": _tres,
    "AccountingStorageUser": _storage_user,
    "AccountingStoragePort": _storage_port,
    "CpuFreqDef": lambda conf, value: value or "Unknown",
    "MaxDBDMsgs": _dbd_messages,
    "MaxNodeCount": _node_count,
    "SlurmUser": _user,
    "SlurmdUser": _user,
    "SrunPortRange": lambda conf, value: value or "0-0",
    "TaskPlugin": lambda conf, value: "(null)" if value in (None, "task/none") else value,
    "TaskPluginParam": lambda conf, value: value or "(null type)",
}
