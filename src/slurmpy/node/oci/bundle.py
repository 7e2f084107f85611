"""A bundle's config.json: read, checked, and made into the configuration of one task. The bundle itself is not touched.

What is changed, and why, stands at each function; the rules are the OCI runtime specification's (config.md,
config-linux.md) and, for containers without privileges, what `runc spec --rootless` makes.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping, Sequence
from typing import Any

from slurmpy.image.errors import is_text

from . import schema
from .errors import ContainerError

Config = dict[str, Any]

MAX_BYTES = 4 << 20
#: Where a batch script is seen in its container.
STARTUP = "/tmp/slurm/startup"  # noqa: S108 - a path inside the container, and Slurm's
STARTUP_ELSEWHERE = "/dev/slurm/startup"
SPOOL = "/var/run/slurm/"


def read(directory: str) -> Config:
    """The checked config.json of a bundle. To be called with the rights of the job's user. Raises ContainerError."""
    path = os.path.join(directory, "config.json")
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):  # a pipe, say, that its owner never fills
                raise ContainerError(f"{path}: not a regular file")
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ContainerError(f"{_first_missing(directory, path)}: {error.strerror}") from None
    if len(text) > MAX_BYTES:
        raise ContainerError(f"{path}: larger than {MAX_BYTES >> 20} MiB")
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ContainerError(f"{path}: not JSON: {str(error) or 'nested too deeply'}") from None
    problem = schema.wrong(config) if config is not None else "the document: an object is wanted"
    if problem is None and not isinstance(config.get("root"), dict):
        problem = "root: is missing"
    if problem is None and not _is_path(config["root"]["path"]):
        problem = "root.path: no path can be so"
    if problem is not None:
        raise ContainerError(f"{path}: {problem}")
    rootfs = rootfs_of(config, directory)
    if not is_text(rootfs):
        raise ContainerError(f"{rootfs}: not UTF-8, and config.json can name nothing else")
    if not os.path.isdir(rootfs):
        raise ContainerError(f"{rootfs}: no such directory (root.path of {path})")
    result: Config = config
    return result


def _is_path(text: str) -> bool:
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:  # half of a pair of surrogates, which JSON may have
        return False


def _first_missing(directory: str, path: str) -> str:
    """What is to be named where config.json cannot be opened: the bundle, if that is not there at all."""
    return path if os.path.isdir(directory) else directory


def rootfs_of(config: Mapping[str, Any], directory: str) -> str:
    """The absolute path of the root file system; a relative one is below the bundle (config.md, "Root")."""
    return os.path.normpath(os.path.join(directory, config["root"]["path"]))


class Wish:
    """What a task wants of its container.

    `arguments`, `environment` (whole, of the task); `terminal`: rows and columns, if the runtime has a terminal as
    standard input and is to make one inside; `directory`: process.cwd, or "" for the bundle's own; `node`: name for
    containers that have none; `cgroup`: path for the runtime's control groups, or ""; `hooks_off`: kinds of hooks that
    are left out; `mounts`: (source on the node, place inside, whether read-only); `user_id`, `group_id`: who runs the
    runtime; `rootless`: without privileges.
    """

    __slots__ = (
        "arguments", "cgroup", "directory", "environment", "group_id", "hooks_off", "mounts", "node", "rootless",
        "terminal", "user_id",
    )  # fmt: skip

    def __init__(
        self, user_id: int, group_id: int, rootless: bool, node: str = "", hooks_off: Sequence[str] = ()
    ) -> None:
        self.user_id, self.group_id, self.rootless, self.node = user_id, group_id, rootless, node
        self.hooks_off = hooks_off
        self.arguments: Sequence[str] = ()
        self.environment: Mapping[str, str] = {}
        self.terminal: tuple[int, int] | None = None
        self.directory = self.cgroup = ""
        self.mounts: Sequence[tuple[str, str, bool]] = ()


def task_config(config: Mapping[str, Any], directory: str, wish: Wish) -> Config:
    """The configuration of one task; `config` (of the bundle in `directory`) stays as it is."""
    result: Config = json.loads(json.dumps(config))  # a copy, faster than copy.deepcopy
    result["root"]["path"] = rootfs_of(config, directory)
    process = result["process"] = result.get("process") or {"cwd": "/"}
    process["args"] = list(wish.arguments)
    process["env"] = merged_environment(process.get("env") or (), wish.environment)
    process["terminal"] = wish.terminal is not None
    process.pop("consoleSize", None)
    if wish.terminal is not None and all(wish.terminal):  # else a program may see it before the runtime gives it a size
        rows, columns = wish.terminal
        process["consoleSize"] = {"height": rows, "width": columns}
    if wish.directory:
        process["cwd"] = wish.directory
    linux = result["linux"] = result.get("linux") or {}
    kinds = {namespace["type"] for namespace in linux.get("namespaces") or ()}
    if wish.node and not result.get("hostname") and "uts" in kinds:
        result["hostname"] = wish.node
    if wish.cgroup and not linux.get("cgroupsPath"):
        linux["cgroupsPath"] = wish.cgroup
    hooks = result.get("hooks")
    if hooks:
        for kind in wish.hooks_off:
            hooks.pop(kind, None)
    if wish.rootless:
        without_privileges(result, wish.user_id, wish.group_id)
    mounts = result["mounts"] = list(result.get("mounts") or ())
    for source, place, read_only in wish.mounts:
        options = ["rbind", "ro"] if read_only else ["rbind"]
        mounts.append({"destination": place, "type": "none", "source": source, "options": options})
    return result


def merged_environment(own: Sequence[str], given: Mapping[str, str]) -> list[str]:
    """The image's variables and the job's. The image knows where its programs are, so its own stay (as in Slurm),
    but for those that tell of the job."""
    found: dict[str, str] = {}
    for item in own:
        name, _, value = item.partition("=")
        found[name] = value
    for name, value in given.items():
        if name not in found or name.startswith(("SLURM_", "SLURMD_", "SRUN_")):
            found[name] = value
    return [f"{name}={value}" for name, value in found.items()]


def without_privileges(config: Config, user_id: int, group_id: int) -> None:
    """Makes a configuration one that a runtime without privileges can carry out, whoever the bundle was made for.

    There is a user namespace. Where the bundle maps several ids to it, the task is who the bundle says; else the job's
    user is its one id, and that is root: runc makes no namespace without one. Left out is what only root can do: limits
    of control groups, other groups, devices, file systems of namespaces that are not ours.
    """
    linux, process = config["linux"], config["process"]
    namespaces = linux["namespaces"] = list(linux.get("namespaces") or ({"type": "pid"}, {"type": "mount"}))
    if not any(namespace["type"] == "user" for namespace in namespaces):
        namespaces.append({"type": "user"})
        linux.pop("uidMappings", None)
        linux.pop("gidMappings", None)
    user = process["user"] = process.get("user") or {}
    ids = {}
    for key, name, host in (("uidMappings", "uid", user_id), ("gidMappings", "gid", group_id)):
        mappings = linux.get(key) or []
        if len(mappings) < 2 and sum(mapping["size"] for mapping in mappings) < 2:
            mappings = [{"containerID": 0, "hostID": host, "size": 1}]
            user[name] = 0
        linux[key] = mappings
        ids[key] = mappings
    user.pop("additionalGids", None)
    for name in ("resources", "devices", "cgroupsPath"):
        linux.pop(name, None)
    if (process.get("oomScoreAdj") or 0) < 0:
        del process["oomScoreAdj"]
    own_network = any(one["type"] == "network" and not one.get("path") for one in namespaces)
    mounts = []
    for mount in config.get("mounts") or ():
        mount = dict(mount)
        if mount.get("type") == "sysfs" and not own_network:
            # sysfs shows a network namespace, and may be mounted by its owner alone
            mount.update(type="none", source="/sys", options=["rbind", "nosuid", "noexec", "nodev", "ro"])
        options = mount.get("options")
        if options:
            mount["options"] = [option for option in options if _may_be(option, ids)]
        mounts.append(mount)
    config["mounts"] = mounts


def _may_be(option: str, ids: Mapping[str, list[dict[str, int]]]) -> bool:
    """Whether an owner that a mount wants is somebody within the container."""
    name, equals, value = option.partition("=")
    if not equals or name not in ("uid", "gid") or not value.isdecimal():
        return True
    number = int(value)
    return any(one["containerID"] <= number < one["containerID"] + one["size"] for one in ids[f"{name}Mappings"])


def place_of_script(config: Mapping[str, Any], rootfs: str) -> str:
    """Where a batch script is bound to: where Slurm has it, unless that would have to be made in the bundle's own file
    system while there is a /dev that goes with the container."""
    if _needs_no_making(config, rootfs, STARTUP) or not _is_passing(config, "/dev"):
        return STARTUP
    return STARTUP_ELSEWHERE


def _needs_no_making(config: Mapping[str, Any], rootfs: str, place: str) -> bool:
    """Whether a mount at `place` can be made without a new entry in the root file system."""
    parents = [place]
    while len(parents[-1]) > 1:
        parents.append(os.path.dirname(parents[-1]))
    return os.path.lexists(rootfs + place) or any(_is_passing(config, parent) for parent in parents)


def _is_passing(config: Mapping[str, Any], place: str) -> bool:
    """Whether something that lives with the container alone is mounted at `place`."""
    kinds = {mount.get("destination", "").rstrip("/"): mount.get("type") for mount in config.get("mounts") or ()}
    return kinds.get(place) == "tmpfs"


def spool_is_mounted(config: Mapping[str, Any], rootfs: str, wanted: str | None) -> bool:
    """Whether the task's spool directory is seen inside: where MountSpoolDir says so, or where its usual place can be
    had without touching the bundle."""
    return wanted is not None or _needs_no_making(config, rootfs, SPOOL.rstrip("/"))
