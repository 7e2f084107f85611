"""Makes the content of a bundle in a directory that `cache` gives it and brings to its place."""

from __future__ import annotations

import json
import os
import time

from . import runtime_spec
from .blobs import sha256_of
from .errors import ImageError, is_text
from .manifest import key_of
from .users import MOST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .limits import Limits
    from .manifest import Image
    from .reference import Reference


def _owner(uid: int, gid: int) -> str:
    return "root" if uid == 0 else f"user {uid} {gid}"


def _write_spec(place: str, spec: dict[str, Any]) -> None:
    with open(os.path.join(place, "config.json"), "w", encoding="utf-8") as file:
        json.dump(spec, file, indent=1)
    os.chmod(os.path.join(place, "config.json"), 0o600)


class ImageBundle:
    """A bundle of an image. key: what it is called in the cache."""

    def __init__(self, image: Image, reference: Reference, uid: int, gid: int, limits: Limits) -> None:
        self.image, self.reference, self.uid, self.gid, self.limits = image, reference, uid, gid, limits
        self.key = key_of(image, _owner(uid, gid))

    def make(self, place: str, progress: Callable[[int, int], object] | None) -> dict[str, Any]:
        """Fills the empty directory `place`; what image.json says of it. Raises ImageError that names the image."""
        from .layers import unpack

        try:
            rootfs = os.path.join(place, "rootfs")
            os.mkdir(rootfs, 0o700)
            layers = unpack(self.image, rootfs, self.limits, self.uid == 0, progress)
            try:
                config = runtime_spec.inner(self.image.config)
                for path in runtime_spec.MOUNT_POINTS:
                    layers.directory_in(path, 0o1777 if path.endswith("tmp") else 0o755)
                for path in (runtime_spec.working_directory(config), *runtime_spec.volumes(config)):
                    layers.directory_in(path)
                for path in runtime_spec.NETWORK_FILES:
                    layers.file_in(path)
                layers.finish()
                spec = runtime_spec.runtime_spec(
                    self.image.config, rootfs, uid=self.uid, gid=self.gid, rootless=self.uid != 0, path="rootfs",
                    passwd=layers.tree.read_file("etc/passwd", MOST),
                    group=layers.tree.read_file("etc/group", MOST),
                )  # fmt: skip
            finally:
                layers.close()
            _write_spec(place, spec)
        except ImageError as error:
            raise ImageError(f"{self.reference}: {error}") from None
        return {
            "reference": str(self.reference),
            "config_digest": self.image.config_digest,
            "layers": len(self.image.layers),
            "entries": layers.entries,
            "size": layers.written + 4096 * layers.entries,
            "created": int(time.time()),
        }


class RootFileSystem:
    """A bundle of a directory that is a root file system already: it stays where it is."""

    def __init__(self, reference: Reference, uid: int, gid: int) -> None:
        self.reference, self.uid, self.gid = reference, uid, gid
        self.rootfs = os.path.realpath(reference.path)
        if not is_text(self.rootfs):
            raise ImageError(f"{self.rootfs}: not UTF-8, and config.json can name nothing else")
        self.key = sha256_of(f"slurmpy rootfs 1\n{_owner(uid, gid)}\n{self.rootfs}\n{self._shape()}".encode())[7:]

    def _shape(self) -> str:
        """What config.json depends on: the directories and files to mount upon."""
        paths = (*(path for path, _ in runtime_spec.SCRATCH), *runtime_spec.NETWORK_FILES)
        return " ".join(str(runtime_spec.kind_in(self.rootfs, path)) for path in paths)

    def make(self, place: str, progress: Callable[[int, int], object] | None) -> dict[str, Any]:
        """As `ImageBundle.make`."""
        missing = [name for name in ("proc", "dev", "sys") if not os.path.isdir(os.path.join(self.rootfs, name))]
        if missing and not os.access(self.rootfs, os.W_OK):  # else the runtime makes them
            raise ImageError(f"{self.rootfs}: has no {' and no '.join(missing)} to mount upon, and you cannot make it")
        spec = runtime_spec.runtime_spec(None, self.rootfs, uid=self.uid, gid=self.gid, rootless=self.uid != 0)
        _write_spec(place, spec)
        return {
            "reference": self.rootfs, "config_digest": "", "layers": 0, "entries": 0, "size": 0,
            "created": int(time.time()),
        }  # fmt: skip
