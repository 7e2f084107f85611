"""OCI image layouts: oci-layout, index.json, indexes within it (image-layout.md and image-index.md)."""

from __future__ import annotations

from .blobs import Source, blob_name, document
from .errors import ImageError, expect, printable
from .limits import INDEX_DEPTH, MANIFESTS, Limits
from .manifest import INDEXES, REF_NAME, Image, by_platform, descriptor, from_manifest, platforms
from .manifest import MANIFESTS as MANIFEST_TYPES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def find(source: Source, tag: str, limits: Limits) -> Image:
    """The image of `tag` in a layout; without, the only one, or the only one for this machine. Raises ImageError."""
    head, _ = document(source, "oci-layout")
    version = head.get("imageLayoutVersion") if isinstance(head, dict) else None
    if not isinstance(version, str) or version.split(".")[0] != "1":
        raise ImageError(f"imageLayoutVersion {printable(str(version))} is not 1.x")
    index, _ = document(source, "index.json")
    rows = _rows(index, "index.json")
    if tag:
        named = [row for row in rows if _name(row) == tag]
        if not named:
            raise ImageError(f"no image is called {tag}; {_names(rows)}")
        rows = named
    return _follow(source, rows, limits, tag, 0)


def _rows(index: Any, what: str) -> list[dict[str, Any]]:
    expect(index, dict, what)
    rows = expect(index.get("manifests"), list, f"manifests of {what}")
    if len(rows) > MANIFESTS:
        raise ImageError(f"{what}: {len(rows)} manifests")
    return [expect(row, dict, f"manifest of {what}") for row in rows]


def _name(row: dict[str, Any]) -> str:
    annotations = row.get("annotations")
    name = annotations.get(REF_NAME) if isinstance(annotations, dict) else None
    return name if isinstance(name, str) else ""


def _names(rows: list[dict[str, Any]]) -> str:
    names = [printable(name) for row in rows if (name := _name(row))]
    return f"there are {', '.join(names[:20])}" if names else "none has a name"


def _follow(source: Source, rows: list[dict[str, Any]], limits: Limits, tag: str, depth: int) -> Image:
    """One image of these descriptors."""
    rows = [row for row in rows if str(row.get("mediaType") or "") in INDEXES | MANIFEST_TYPES | {""}]
    if not rows:
        raise ImageError("there is no image in it")
    fitting = by_platform(rows) if len(rows) > 1 or depth else rows
    if not fitting:
        raise ImageError(f"there is no image for this machine; there are {platforms(rows)}")
    digests = {str(row.get("digest")) for row in fitting}
    if len(digests) > 1 and not depth:
        raise ImageError(f"{'this name is of several' if tag else 'there are several'} images; {_names(fitting)}")
    kind, digest, size = descriptor(fitting[0], "manifest")
    found, _ = document(source, blob_name(digest), digest, size)
    expect(found, dict, "the manifest")
    assert isinstance(found, dict)
    kind = str(found.get("mediaType") or kind)
    if kind in INDEXES or (not kind and "manifests" in found):
        if depth + 1 > INDEX_DEPTH:
            raise ImageError("indexes within indexes without end")
        return _follow(source, _rows(found, "an index"), limits, tag, depth + 1)
    if kind and kind not in MANIFEST_TYPES:
        raise ImageError(f"not an image but {printable(kind)}")
    return from_manifest(source, found, limits)
