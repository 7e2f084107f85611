"""slurmdbd.conf, read."""

from __future__ import annotations

import os

from .errors import ConfError
from .plain import PlainConf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar


class SlurmdbdConf(PlainConf):
    TABLE: ClassVar[dict[str, tuple[str, object, bool]]] = {
        "AllowNoDefAcct": ("bool", False, False),
        "AllResourcesAbsolute": ("bool", False, False),
        "ArchiveDir": ("str", "/tmp", True),  # noqa: S108 - Slurm's default
        "ArchiveEvents": ("bool", False, True),
        "ArchiveJobs": ("bool", False, True),
        "ArchiveResvs": ("bool", False, True),
        "ArchiveScript": ("str", None, True),
        "ArchiveSteps": ("bool", False, True),
        "ArchiveSuspend": ("bool", False, True),
        "ArchiveTXN": ("bool", False, True),
        "ArchiveUsage": ("bool", False, True),
        "AuthAltParameters": ("str", None, True),
        "AuthAltTypes": ("str", None, True),
        "AuthInfo": ("str", None, True),
        "AuthType": ("str", "auth/slurm", True),
        "CommitDelay": ("sec", 0, False),
        "CommunicationParameters": ("str", None, True),
        "DbdAddr": ("str", None, True),
        "DbdBackupHost": ("str", None, True),
        "DbdHost": ("str", "localhost", True),
        "DbdPort": ("u32", 6819, True),
        "DebugFlags": ("str", None, False),
        "DebugLevel": ("level", "info", True),
        "DebugLevelSyslog": ("level", None, False),
        "DefaultQOS": ("str", None, False),
        "DisableArchiveCommands": ("bool", False, True),
        "DisableCoordDBD": ("bool", False, True),
        "HashPlugin": ("str", "hash/k12", False),
        "LogFile": ("str", None, True),
        "LogTimeFormat": ("str", "iso8601_ms", False),
        "MaxQueryTimeRange": ("seconds", 0xFFFFFFFF, False),
        "MessageTimeout": ("sec", 10, True),
        "Parameters": ("str", None, False),
        "PidFile": ("str", None, True),
        "PluginDir": ("str", "/usr/lib/x86_64-linux-gnu/slurm-wlm", False),
        "PrivateData": ("str", "none", True),
        "PurgeEventAfter": ("purge", None, True),
        "PurgeJobAfter": ("purge", None, True),
        "PurgeJobEnvAfter": ("purge", None, True),
        "PurgeJobScriptAfter": ("purge", None, True),
        "PurgeResvAfter": ("purge", None, True),
        "PurgeStepAfter": ("purge", None, True),
        "PurgeSuspendAfter": ("purge", None, True),
        "PurgeTXNAfter": ("purge", None, True),
        "PurgeUsageAfter": ("purge", None, True),
        "SlurmUser": ("user", "root", True),
        "StorageBackupHost": ("str", None, True),
        "StorageHost": ("str", "localhost", True),
        "StorageLoc": ("str", None, True),
        "StorageParameters": ("str", None, True),
        "StoragePass": ("str", None, True),
        "StoragePassScript": ("str", None, True),
        "StoragePort": ("u32", 0, True),
        "StorageType": ("str", "accounting_storage/sqlite", True),
        "StorageUser": ("str", None, True),
        "TCPTimeout": ("sec", 2, False),
        "TLSParameters": ("str", None, False),
        "TLSType": ("str", "tls/none", False),
        "TrackSlurmctldDown": ("bool", False, True),
        "TrackWCKey": ("bool", False, True),
    }


def load(path: str) -> SlurmdbdConf:
    """Reads slurmdbd.conf. A file with a password in it must be readable by its owner only. Raises `ConfError`."""
    conf = SlurmdbdConf(path)
    conf.read()
    if conf.StoragePass:
        mode = os.stat(conf.path).st_mode & 0o777
        if mode & 0o077:
            raise ConfError(
                message=f"slurmdbd.conf file {conf.path} should be 600 is {mode:o} accessible for group or others"
            )
    return conf


#: of 25.05; shown where they are set
_LATER = ("PurgeJobEnvAfter", "PurgeJobScriptAfter")
#: what is purged: what says whether it is archived
ARCHIVES = {
    "PurgeEventAfter": "ArchiveEvents",
    "PurgeJobAfter": "ArchiveJobs",
    "PurgeResvAfter": "ArchiveResvs",
    "PurgeStepAfter": "ArchiveSteps",
    "PurgeSuspendAfter": "ArchiveSuspend",
    "PurgeTXNAfter": "ArchiveTXN",
    "PurgeUsageAfter": "ArchiveUsage",
}
#: what is read but not shown
_SECRET = frozenset(
    ("StoragePass", "StoragePassScript", "AllResourcesAbsolute", "DisableArchiveCommands", "LogTimeFormat")
)
#: shown at the end, in this order
_LAST = ("TLSParameters", "TLSType", "TrackWCKey", "TrackSlurmctldDown")
#: the port that each kind of database listens at, where StoragePort is not set
_DATABASE_PORTS = {"accounting_storage/mysql": 3306, "accounting_storage/postgresql": 5432}


def shown(conf: SlurmdbdConf, boot_time: int = 0) -> list[tuple[str, str]]:
    """(name, text) in the order of ``sacctmgr show configuration``, without the password."""
    from ..core.times import format_time
    from .config_view import user_with_id

    rows: dict[str, str] = {}
    for name, (kind, _, _) in conf.TABLE.items():
        if name in _SECRET:
            continue
        value = getattr(conf, name)
        if name == "SlurmUser":
            rows["SLURMDBD_CONF"] = conf.path
            rows["SLURMDBD_VERSION"] = "24.11.5"
            text = user_with_id(value)
        elif name == "CommitDelay":
            if boot_time:
                rows["BOOT_TIME"] = format_time(boot_time)
            text = f"{value} secs" if value else "no"
        elif name == "MaxQueryTimeRange":
            text = "UNLIMITED" if value == 0xFFFFFFFF else str(value)
        elif name == "StoragePort":
            text = str(value or _DATABASE_PORTS.get(conf.StorageType, 0))
        elif kind == "purge":
            if value is None and name in _LATER:
                continue
            archived = name in ARCHIVES and getattr(conf, ARCHIVES[name])
            text = f"{value}{'*' if archived else ''}" if value is not None else "NONE"
        elif kind == "sec":
            text = f"{value} secs"
        elif kind == "bool":
            text = "yes" if value else "no"
        else:
            text = "(null)" if value is None else str(value)
        rows[name] = text
    first, second = rows.pop("AuthAltParameters"), rows.pop("AuthAltTypes")
    ordered: list[tuple[str, str]] = []
    for name, text in rows.items():
        if name == "AuthInfo":
            ordered += [("AuthAltTypes", second), ("AuthAltParameters", first)]
        if name not in _LAST:
            ordered.append((name, text))
    return ordered + [(name, rows[name]) for name in _LAST]
