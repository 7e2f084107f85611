"""What an image says of itself: indexes, manifests and configurations of OCI, and of docker's v2s2.

Sources of the rules: the OCI image specification 1.1 (image-layout.md, image-index.md, manifest.md, config.md), and
docker's "Image Manifest Version 2, Schema 2".
"""

from __future__ import annotations

import os

from .blobs import ArchiveSource, DirectorySource, Source, blob_name, check_digest, document, sha256_of
from .errors import ImageError, expect, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .limits import Limits
    from .reference import Reference

_OCI = "application/vnd.oci.image."
_DOCKER = "application/vnd.docker."
INDEXES = frozenset((_OCI + "index.v1+json", _DOCKER + "distribution.manifest.list.v2+json"))
MANIFESTS = frozenset((_OCI + "manifest.v1+json", _DOCKER + "distribution.manifest.v2+json"))
CONFIGS = frozenset((_OCI + "config.v1+json", _DOCKER + "container.image.v1+json"))
LAYERS = frozenset(
    [f"{_OCI}layer.{kind}v1.tar{how}" for kind in ("", "nondistributable.") for how in ("", "+gzip", "+zstd")]
    + [f"{_DOCKER}image.rootfs.{kind}.tar{how}" for kind in ("diff", "foreign.diff") for how in ("", ".gzip", ".zstd")]
)
REF_NAME = "org.opencontainers.image.ref.name"
#: what uname calls a machine: (architecture, variants that run on it, the best first) as Go calls them
MACHINES = {
    "x86_64": ("amd64", ("",)), "amd64": ("amd64", ("",)), "aarch64": ("arm64", ("v8", "")), "i686": ("386", ("",)),
    "i386": ("386", ("",)), "armv7l": ("arm", ("v7", "v6", "v5", "")), "armv6l": ("arm", ("v6", "v5", "")),
    "ppc64le": ("ppc64le", ("",)), "s390x": ("s390x", ("",)), "riscv64": ("riscv64", ("",)),
    "loongarch64": ("loong64", ("",)), "mips64": ("mips64le", ("",)),
}  # fmt: skip
#: what a machine runs besides its own
_ALSO = {"amd64": ("386",), "arm64": ("arm",)}


class Layer:
    """One layer: where its blob is, what its bytes must be, and the digest of the tar stream in it."""

    __slots__ = ("diff_id", "digest", "name", "size")

    def __init__(self, name: str, digest: str, size: int, diff_id: str) -> None:
        self.name, self.digest, self.size, self.diff_id = name, digest, size, diff_id


class Image:
    """An image that was found. config: its configuration; config_digest: of that document; layers: the lowest first.
    `close` it: a source may be an open file."""

    def __init__(self, source: Source, config: dict[str, Any], config_digest: str, layers: list[Layer]) -> None:
        self.source, self.config, self.config_digest, self.layers = source, config, config_digest, layers

    @property
    def size(self) -> int:
        """Bytes of all layers as they are stored."""
        return sum(layer.size for layer in self.layers)

    def close(self) -> None:
        self.source.close()


def machine() -> tuple[str, tuple[str, ...]]:
    """This machine's (architecture, variants)."""
    name = os.uname().machine
    return MACHINES.get(name, (name, ("",)))


def open_image(reference: Reference, limits: Limits, scratch: str | None = None) -> Image:
    """The image that an oci:, oci-archive: or docker-archive: reference names. Raises ImageError that names it."""
    source: Source = DirectorySource(reference.path)
    try:
        if reference.kind != "oci":
            source = ArchiveSource(reference.path, limits, scratch)
        if reference.kind == "docker-archive":
            from .docker_archive import find
        else:
            from .layout import find
        return find(source, reference.tag, limits)
    except ImageError as error:
        source.close()
        raise ImageError(f"{reference}: {error}") from None
    except BaseException:
        source.close()
        raise


def descriptor(value: Any, what: str) -> tuple[str, str, int]:
    """(media type, digest, size) of a descriptor. Raises ImageError."""
    expect(value, dict, what)
    size = expect(value.get("size"), int, f"{what}: size")
    if size < 0:
        raise ImageError(f"{what}: a negative size")
    return str(value.get("mediaType") or ""), check_digest(value.get("digest"), what), size


def by_platform(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those descriptors of an index that fit this machine best; those that tell no platform, if none does."""
    architecture, variants = machine()
    wanted = [(architecture, variant) for variant in variants]
    for other in _ALSO.get(architecture, ()):
        wanted += [(other, variant) for variant in ("v7", "v6", "")]
    told: list[tuple[int, dict[str, Any]]] = []
    untold = []
    for row in rows:
        platform = row.get("platform")
        if not isinstance(platform, dict) or not platform.get("architecture"):
            untold.append(row)
        elif platform.get("os", "linux") == "linux":
            pair = (platform["architecture"], platform.get("variant") or "")
            if pair in wanted:
                told.append((wanted.index(pair), row))
            elif pair[0] == architecture and architecture != "arm":  # amd64 v2 and the like: better than nothing
                told.append((len(wanted), row))
    if not told:
        return untold
    best = min(rank for rank, _ in told)
    return [row for rank, row in told if rank == best]


def platforms(rows: list[dict[str, Any]]) -> str:
    """What an index has, for a message."""
    found = []
    for row in rows:
        platform = row.get("platform")
        if isinstance(platform, dict):
            words = (platform.get("os"), platform.get("architecture"), platform.get("variant"))
            found.append("/".join(printable(str(word)) for word in words if word))
    return ", ".join(found[:20])


def from_manifest(source: Source, manifest: dict[str, Any], limits: Limits) -> Image:
    """The image of a manifest. Raises ImageError."""
    kind, digest, size = descriptor(manifest.get("config"), "config of the manifest")
    if kind and kind not in CONFIGS:
        raise ImageError(f"not a container image but {printable(kind)}")
    config, _ = document(source, blob_name(digest), digest, size)
    expect(config, dict, "the image's configuration")
    assert isinstance(config, dict)
    rows = expect(manifest.get("layers"), list, "layers of the manifest")
    diffs = diff_ids(config, len(rows), limits)
    layers = []
    for number, row in enumerate(rows):
        kind, layer_digest, size = descriptor(row, f"layer {number + 1}")
        if kind not in LAYERS:
            raise ImageError(f"layer {number + 1}: media type {printable(kind) or 'missing'} is not one of a layer")
        layers.append(Layer(blob_name(layer_digest), layer_digest, size, diffs[number]))
    return Image(source, config, digest, layers)


def diff_ids(config: dict[str, Any], count: int, limits: Limits) -> list[str]:
    """The digests of the layers' tar streams, which the configuration tells. Raises ImageError unless there are
    `count`.

    Checks besides that the image is for this machine.
    """
    if count > limits.layers:
        raise ImageError(f"{count} layers (SLURMPY_IMAGE_LIMITS=layers=N allows more)")
    rootfs = expect(config.get("rootfs"), dict, "rootfs of the image's configuration")
    found = expect(rootfs.get("diff_ids") or [], list, "diff_ids of the image's configuration")
    if len(found) != count:
        raise ImageError(f"{count} layers, but {len(found)} diff_ids in the image's configuration")
    system, architecture = config.get("os") or "linux", config.get("architecture")
    own = machine()[0]
    known = {name for name, _ in MACHINES.values()}
    if system != "linux" or (
        isinstance(architecture, str) and architecture in known and architecture not in (own, *_ALSO.get(own, ()))
    ):
        raise ImageError(f"is for {printable(str(system))}/{printable(str(architecture))}, this machine is linux/{own}")
    return [check_digest(one, f"diff_id {number + 1}") for number, one in enumerate(found)]


def key_of(image: Image, owner: str) -> str:
    """What an extraction is called: 64 hexadecimal digits that tell the image's content and for whom it was made."""
    words = ["slurmpy image 1", owner, image.config_digest, *(layer.diff_id for layer in image.layers)]
    return sha256_of("\n".join(words).encode())[7:]
