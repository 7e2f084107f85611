"""Where the daemons of one cluster meet: the directory of their unix sockets.

``CommunicationParameters=socket_dir=DIR`` (ours, in slurm.conf and slurmdbd.conf) names it. Without it, root's daemons
use ``/run/slurmpy/CLUSTER-PORT`` (slurmdbd ``/run/slurmpy/slurmdbd-PORT``), others ``run`` in StateSaveLocation
(slurmdbd: beside its slurmdbd.conf). Commands look in each and take only a directory that root, SlurmUser or the caller
owns and nobody else may write to, so nobody else can stand in for a daemon.
"""

from __future__ import annotations

import os

SYSTEM = "/run/slurmpy"
CONTROLLER = "slurmctld.sock"
SLURMDBD = "slurmdbd.sock"


def communication_parameter(conf: object, name: str) -> str | None:
    """The value of one of CommunicationParameters' words ("" for a bare word); None if it is not there."""
    for word in str(getattr(conf, "CommunicationParameters", "") or "").split(","):
        key, _, value = word.strip().partition("=")
        if key.lower() == name:
            return value
    return None


def without_tcp(conf: object) -> bool:
    """Whether the daemons listen on unix sockets only (``CommunicationParameters=no_tcp``, ours)."""
    return communication_parameter(conf, "no_tcp") is not None


def slurm_user_id(conf: object) -> int:
    """SlurmUser of slurm.conf or slurmdbd.conf as a number; root where the system does not know the name."""
    user = str(getattr(conf, "SlurmUser", "") or "root").split("(")[0]
    if user == "root":
        return 0
    if user.isdigit():
        return int(user)
    import pwd

    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        return 0


def trusted(directory: str, owner: int) -> bool:
    """Whether only root, `owner` or the caller can have put something into `directory`."""
    try:
        seen = os.stat(directory)
    except OSError:
        return False
    return seen.st_uid in (0, owner, os.geteuid()) and not (seen.st_mode & 0o022)


def _candidates(conf: object) -> tuple[str, str]:
    """(the system's directory, the one of an ordinary user's daemons)."""
    system = os.path.join(SYSTEM, f"{conf.ClusterName}-{conf.SlurmctldPort}")  # type: ignore[attr-defined]
    return system, os.path.join(conf.StateSaveLocation, "run")  # type: ignore[attr-defined]


def _system_is_ours(conf: object) -> bool:
    return os.geteuid() == 0 or (os.geteuid() == slurm_user_id(conf) and os.access(SYSTEM, os.W_OK))


def directory(conf: object) -> str:
    """Where slurmctld and slurmd of this process's user make their sockets."""
    named = communication_parameter(conf, "socket_dir")
    if named:
        return named
    system, own = _candidates(conf)
    return system if _system_is_ours(conf) else own


def find(conf: object, name: str) -> str | None:
    """The path of slurmctld's or a slurmd's socket `name` in a directory that can be trusted, if it is there."""
    named = communication_parameter(conf, "socket_dir")
    owner = slurm_user_id(conf)
    for place in (named,) if named else _candidates(conf):
        path = os.path.join(place, name)
        if os.path.exists(path) and trusted(place, owner):
            return path
    return None


def make(path: str) -> None:
    """Makes a directory for sockets: searchable by all (each socket has its own mode), writable by its owner only.

    Raises PermissionError if it belongs to somebody else.
    """
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    try:
        os.mkdir(path, 0o755)
    except FileExistsError:
        pass
    seen = os.stat(path)
    if seen.st_uid not in (0, os.geteuid()):
        raise PermissionError(f"{path} belongs to somebody else")
    if seen.st_mode & 0o022 and seen.st_uid == os.geteuid():
        os.chmod(path, seen.st_mode & ~0o022)


def controller_socket(conf: object) -> str:
    return os.path.join(directory(conf), CONTROLLER)


def slurmd_name(node: str) -> str:
    return f"slurmd-{node}.sock"


def slurmd_socket(conf: object, node: str) -> str:
    return os.path.join(directory(conf), slurmd_name(node))


def slurmdbd_socket(dbd_conf: object, path: str) -> str:
    """Where slurmdbd makes its socket; `path` is that of its slurmdbd.conf."""
    named = communication_parameter(dbd_conf, "socket_dir")
    if not named:
        port = dbd_conf.DbdPort  # type: ignore[attr-defined]
        if _system_is_ours(dbd_conf):
            named = os.path.join(SYSTEM, f"slurmdbd-{port}")
        else:
            named = os.path.join(os.path.dirname(os.path.abspath(path)), "run")
    return os.path.join(named, SLURMDBD)


def find_slurmdbd(conf: object, path: str) -> str | None:
    """slurmdbd's socket as slurmctld and the commands find it by slurm.conf, which is the file `path`."""
    named = communication_parameter(conf, "socket_dir")
    port = conf.AccountingStoragePort  # type: ignore[attr-defined]
    beside = os.path.join(os.path.dirname(os.path.abspath(path)), "run")
    owner = slurm_user_id(conf)
    for place in (named,) if named else (os.path.join(SYSTEM, f"slurmdbd-{port}"), beside):
        socket = os.path.join(place, SLURMDBD)
        if os.path.exists(socket) and trusted(place, owner):
            return socket
    return None
