"""What ``docker save`` and ``podman save`` write: a tar file of manifest.json, configurations, and layers.

Described in docker's image specification 1.2 ("Combined Image JSON + Filesystem Changeset Format").
"""

from __future__ import annotations

from .blobs import Source, document, sha256_of
from .errors import ImageError, expect, printable
from .limits import MANIFESTS, Limits
from .manifest import Image, Layer, diff_ids

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def find(source: Source, tag: str, limits: Limits) -> Image:
    """The image that is called `tag` (``NAME[:TAG]``, or ``@N`` for the Nth from 0); without, the only one.

    Raises ImageError.
    """
    rows, _ = document(source, "manifest.json")
    expect(rows, list, "manifest.json")
    if not rows or len(rows) > MANIFESTS:
        raise ImageError(f"manifest.json: {len(rows)} images")
    row = expect(_choose([expect(one, dict, "image of manifest.json") for one in rows], tag), dict, "image")
    config_name = expect(row.get("Config"), str, "Config of manifest.json")
    config, data = document(source, config_name)
    expect(config, dict, "the image's configuration")
    assert isinstance(config, dict)
    names = expect(row.get("Layers") or [], list, "Layers of manifest.json")
    diffs = diff_ids(config, len(names), limits)
    layers = []
    for number, (layer, diff_id) in enumerate(zip(names, diffs, strict=True)):
        file, size = source.open(expect(layer, str, f"layer {number + 1}"))
        file.close()
        layers.append(Layer(layer, "", size, diff_id))  # no digest of its own: the diff_id tells what is in it
    return Image(source, config, sha256_of(data), layers)


def _choose(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    if name.startswith("@"):
        if name[1:].isascii() and name[1:].isdecimal() and len(name) < 8 and int(name[1:]) < len(rows):
            return rows[int(name[1:])]
        raise ImageError(f"there is no image {name}; there are {len(rows)}")
    if not name:
        if len(rows) > 1:
            raise ImageError(f"there are several images; {_names(rows)}")
        return rows[0]
    wanted = _full(name)
    for row in rows:
        if wanted in map(_full, _tags(row)):
            return row
    raise ImageError(f"no image is called {name}; {_names(rows)}")


def _tags(row: dict[str, Any]) -> list[str]:
    found = row.get("RepoTags")
    return [tag for tag in found if isinstance(tag, str)] if isinstance(found, list) else []


def _full(name: str) -> str:
    """docker.io/library/NAME:latest of NAME, as docker completes names."""
    host, slash, rest = name.partition("/")
    if not slash:
        name = f"docker.io/library/{name}"
    elif "." not in host and ":" not in host and host != "localhost":
        name = f"docker.io/{host}/{rest}"
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _names(rows: list[dict[str, Any]]) -> str:
    names = [printable(tag) for row in rows for tag in _tags(row)]
    return f"there are {', '.join(names[:20])}" if names else "none has a name"
