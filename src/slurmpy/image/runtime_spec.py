"""The config.json of a bundle: what ``runc spec`` makes, filled in from the image.

Sources: runtime-spec 1.0.2 (config.md, config-linux.md), image-spec 1.1 (conversion.md), and what ``runc spec`` and
``runc spec --rootless`` of runc 1.1 print. Differences from these, all for jobs: no network namespace (a job uses its
node's network), no limit of open files and no host name of its own (the step's and the node's hold), no terminal (who
runs it decides), and the root is read-only, since all who use the image share it: /tmp, /run, /var/tmp and the image's
volumes are memory.
"""

from __future__ import annotations

import os
import stat

from .errors import ImageError, expect
from .users import user_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CAPABILITIES = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
MASKED = [
    "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
    "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi",
]  # fmt: skip
READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
#: directories that are memory, and their modes
SCRATCH = (("/tmp", "1777"), ("/run", "755"), ("/var/tmp", "1777"))  # noqa: S108 - the container's
#: files of the node that name its network
NETWORK_FILES = ("/etc/resolv.conf", "/etc/hosts")
#: what must be there to be mounted upon
MOUNT_POINTS = ("/proc", "/dev", "/sys", *(path for path, _ in SCRATCH))
_VOLUMES = 64
#: annotations by which crun, runc with systemd, podman and scrun are told what to do: not for an image to say
_COMMANDS = ("run.oci.", "org.systemd.", "io.podman.", "io.kubernetes.", "slurm.")


def runtime_spec(
    image_config: dict[str, Any] | None,
    rootfs: str,
    *,
    uid: int,
    gid: int,
    rootless: bool,
    passwd: bytes | None = None,
    group: bytes | None = None,
    path: str | None = None,
) -> dict[str, Any]:
    """config.json, for runc as root or (`rootless`) as the ordinary user `uid`, `gid`.

    image_config: the image's configuration document, or None for a bare root file system, which gets /bin/sh. rootfs:
    the directory as it is now; path: what config.json calls it (rootfs itself unless given). passwd, group: the image's
    /etc/passwd and /etc/group. As an ordinary user the process is the container's root, which is `uid` outside: no
    other id can be had without help from root, so User is not followed. Raises ImageError.
    """
    config = inner(image_config or {})
    user: dict[str, Any] = {"uid": 0, "gid": 0}
    if not rootless:
        user["uid"], user["gid"], more = user_of(_text(config, "User"), passwd, group)
        if more:
            user["additionalGids"] = more
    linux: dict[str, Any] = {
        "namespaces": [{"type": name} for name in ("pid", "ipc", "uts", "mount", *(("user",) if rootless else ()))],
        "maskedPaths": list(MASKED),
        "readonlyPaths": list(READ_ONLY),
    }
    if rootless:
        linux["uidMappings"] = [{"containerID": 0, "hostID": uid, "size": 1}]
        linux["gidMappings"] = [{"containerID": 0, "hostID": gid, "size": 1}]
    else:
        linux["resources"] = {"devices": [{"allow": False, "access": "rwm"}]}
    spec: dict[str, Any] = {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": user,
            "args": [*_texts(config, "Entrypoint"), *_texts(config, "Cmd")] or ["/bin/sh"],
            "env": _environment(config),
            "cwd": working_directory(config),
            "capabilities": {name: list(CAPABILITIES) for name in ("bounding", "effective", "permitted", "ambient")},
            "noNewPrivileges": True,
        },
        "root": {"path": path or rootfs, "readonly": True},
        "mounts": _mounts(config, rootfs, rootless),
        "linux": linux,
    }
    annotations = _annotations(image_config, config)
    if annotations:
        spec["annotations"] = annotations
    return spec


def _text(config: dict[str, Any], name: str) -> str:
    return str(expect(config.get(name) or "", str, f"{name} of the image's configuration"))


def _texts(config: dict[str, Any], name: str) -> list[str]:
    found: list[str] = expect(config.get(name) or [], list, f"{name} of the image's configuration")
    for one in found:
        if "\0" in expect(one, str, f"{name} of the image's configuration"):
            raise ImageError(f"{name} of the image's configuration has a zero byte")
    return found


def _environment(config: dict[str, Any]) -> list[str]:
    """The image's variables; the last of several of one name counts, as for a shell."""
    found: dict[str, str] = {}
    for word in _texts(config, "Env"):
        name, equals, _ = word.partition("=")
        if name and equals:
            found[name] = word
    return list(found.values()) if "PATH" in found else [PATH, *found.values()]


def inner(image_config: dict[str, Any]) -> dict[str, Any]:
    """The part of an image's configuration that tells how to run it. Raises ImageError."""
    found: dict[str, Any] = expect(image_config.get("config") or {}, dict, "config of the image's configuration")
    return found


def working_directory(config: dict[str, Any]) -> str:
    """WorkingDir, absolute; "/" without. Raises ImageError."""
    text = _text(config, "WorkingDir")
    if "\0" in text:
        raise ImageError("WorkingDir of the image's configuration has a zero byte")
    return os.path.normpath("/" + text.strip("/"))


def volumes(config: dict[str, Any]) -> list[str]:
    """The directories that an image wants to be writable, without doubtful ones. Raises ImageError."""
    wanted = expect(config.get("Volumes") or {}, dict, "Volumes of the image's configuration")
    taken = {"/", *MOUNT_POINTS}
    clean = sorted(
        {os.path.normpath("/" + name.strip("/")) for name in wanted if name.startswith("/") and "\0" not in name}
    )
    return [name for name in clean if name not in taken and not name.startswith(("/proc/", "/sys/", "/dev/"))][
        :_VOLUMES
    ]


def _mount(destination: str, kind: str, source: str, *options: str) -> dict[str, Any]:
    mount: dict[str, Any] = {"destination": destination, "type": kind, "source": source}
    if options:
        mount["options"] = list(options)
    return mount


def _mounts(config: dict[str, Any], rootfs: str, rootless: bool) -> list[dict[str, Any]]:
    pts = ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", *(() if rootless else ("gid=5",)))
    strict = ("nosuid", "noexec", "nodev")
    found = [
        _mount("/proc", "proc", "proc"),
        _mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        _mount("/dev/pts", "devpts", "devpts", *pts),
        _mount("/dev/shm", "tmpfs", "shm", *strict, "mode=1777", "size=65536k"),  # noqa: S108
        _mount("/dev/mqueue", "mqueue", "mqueue", *strict),
        # without a network namespace of his own nobody but root may mount sysfs
        _mount("/sys", "none", "/sys", "rbind", *strict, "ro")
        if rootless
        else _mount("/sys", "sysfs", "sysfs", *strict, "ro"),
        _mount("/sys/fs/cgroup", "cgroup", "cgroup", *strict, "relatime", "ro"),
    ]
    for path, mode in SCRATCH:
        if kind_in(rootfs, path) == stat.S_IFDIR:
            found.append(_mount(path, "tmpfs", "tmpfs", "nosuid", "nodev", f"mode={mode}"))
    for path in volumes(config):
        if kind_in(rootfs, path) == stat.S_IFDIR:
            seen = os.lstat(os.path.join(rootfs, path[1:]))
            whose = () if rootless else (f"uid={seen.st_uid}", f"gid={seen.st_gid}")
            mode = f"mode={stat.S_IMODE(seen.st_mode):o}"
            found.append(_mount(path, "tmpfs", "tmpfs", "nosuid", "nodev", mode, *whose, "tmpcopyup"))
    for path in NETWORK_FILES:
        if os.path.isfile(path) and kind_in(rootfs, path) == stat.S_IFREG:
            found.append(_mount(path, "bind", path, "rbind", *(() if rootless else ("ro",))))
    return found


def kind_in(rootfs: str, path: str) -> int:
    """The kind of file that `path` is in the root file system, with no link on the way; 0 otherwise."""
    whole, mode = rootfs, 0
    for part in path.strip("/").split("/"):
        whole = os.path.join(whole, part)
        try:
            mode = stat.S_IFMT(os.lstat(whole).st_mode)
        except (OSError, ValueError):
            return 0
        if mode == stat.S_IFLNK:
            return 0
    return mode


def _annotations(image_config: dict[str, Any] | None, config: dict[str, Any]) -> dict[str, str]:
    """Labels, and what conversion.md tells of the image besides; a label of the same name wins."""
    if image_config is None:
        return {}
    prefix = "org.opencontainers.image."
    found = {
        f"{prefix}{name}": image_config[name]
        for name in ("os", "architecture", "variant", "author", "created")
        if isinstance(image_config.get(name), str) and image_config[name]
    }
    if _text(config, "StopSignal"):
        found[f"{prefix}stopSignal"] = _text(config, "StopSignal")
    ports = expect(config.get("ExposedPorts") or {}, dict, "ExposedPorts of the image's configuration")
    if ports:
        found[f"{prefix}exposedPorts"] = ",".join(sorted(ports))
    labels = expect(config.get("Labels") or {}, dict, "Labels of the image's configuration")
    for name, value in labels.items():
        if name and isinstance(value, str) and not name.startswith(_COMMANDS):
            found[name] = value
    return found
