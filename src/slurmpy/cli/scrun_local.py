"""The staging "local": for nodes that see the file systems of the host where scrun is called.

The rootfs stays where it is. A bundle with a config.json of its own is made in the container's spool directory, in
which everything is changed or left out that a runtime on another host, or one without privileges, would stumble on, as
the example of scrun(1) does: rlimits, hooks, the path of the control group, numbers of users and groups among mount
options; and, for who is not root, additional groups are left out and there is a user namespace in which the process's
user is the caller. A directory ``SCRUN_STAGING_DIR`` that all nodes see takes the bundle in place of the spool
directory.

A site may take single functions from here into a scrun.py of its own.
"""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .scrun_staging import Container

DIRECTORY = "SCRUN_STAGING_DIR"


def stage_in(container: Container) -> None:
    """Makes the changed bundle. Raises OSError, ValueError."""
    with open(container.config_file, encoding="utf-8") as stream:
        config = json.load(stream)
    root = os.path.normpath(os.path.join(container.bundle, config["root"]["path"]))
    config["root"]["path"] = root
    portable(config, container.user_id, container.group_id)
    shared = os.environ.get(DIRECTORY)
    place = os.path.join(shared, container.id) if shared else os.path.join(container.spool_dir, "bundle")
    os.makedirs(place, mode=0o700)
    with open(os.path.join(place, "config.json"), "w", encoding="utf-8") as stream:
        json.dump(config, stream)
    container.set_bundle_path(place)
    container.set_root_path(root)


def stage_out(container: Container) -> None:
    """Removes the bundle that stage_in made; the rootfs is the caller's."""
    if container.bundle == container.orig_bundle:
        return
    try:
        os.unlink(container.config_file)
        os.rmdir(container.bundle)
    except FileNotFoundError:
        pass  # it was cleared away before, when the container's anchor was killed


def portable(config: dict[str, Any], user_id: int, group_id: int) -> None:
    """Changes a config.json in place so that a node's runtime can run it for `user_id` and `group_id`."""
    process = config["process"]
    process.pop("rlimits", None)
    process.pop("oomScoreAdj", None)
    config.pop("hooks", None)
    linux = config.setdefault("linux", {})
    linux.pop("cgroupsPath", None)
    linux.pop("resources", None)
    mounts = []
    for mount in config.get("mounts") or ():
        if mount.get("type") == "cgroup":
            continue  # the node's control groups are none of the container's business
        options = [word for word in mount.get("options") or () if not word.startswith(("uid=", "gid="))]
        mounts.append({**mount, "options": options} if options else {k: v for k, v in mount.items() if k != "options"})
    config["mounts"] = mounts
    if user_id != 0:
        _rootless(process, linux, user_id, group_id)


def _rootless(process: dict[str, Any], linux: dict[str, Any], user_id: int, group_id: int) -> None:
    user = process.setdefault("user", {"uid": 0, "gid": 0})
    user.pop("additionalGids", None)
    namespaces = linux.setdefault("namespaces", [])
    if not any(one.get("type") == "user" for one in namespaces):
        namespaces.append({"type": "user"})
    linux["uidMappings"] = [{"containerID": int(user.get("uid", 0)), "hostID": user_id, "size": 1}]
    linux["gidMappings"] = [{"containerID": int(user.get("gid", 0)), "hostID": group_id, "size": 1}]
