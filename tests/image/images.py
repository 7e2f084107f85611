"""Images made for tests: by hand, byte by byte, so that they can be wrong in any way, and by umoci and skopeo."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

OCI = "application/vnd.oci.image."


def need(*programs: str) -> None:
    """Skips the test unless these are installed."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def member(name: str, kind: str = "file", data: bytes = b"", **more: Any) -> tuple[tarfile.TarInfo, bytes]:
    """One entry of a layer."""
    info = tarfile.TarInfo(name)
    info.type = {
        "file": tarfile.REGTYPE, "dir": tarfile.DIRTYPE, "symlink": tarfile.SYMTYPE, "link": tarfile.LNKTYPE,
        "fifo": tarfile.FIFOTYPE, "char": tarfile.CHRTYPE, "block": tarfile.BLKTYPE,
    }[kind]  # fmt: skip
    info.mode = 0o755 if kind == "dir" else 0o644
    info.size = len(data)
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


def layer(*members: tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    """A layer's tar stream."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def put(layout: Path, data: bytes, media_type: str = "", **more: Any) -> dict[str, Any]:
    """A blob in a layout; its descriptor."""
    name = digest(data)
    path = layout / "blobs/sha256" / name[7:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return {"mediaType": media_type, "digest": name, "size": len(data), **more}


def layout(
    path: Path, layers: list[bytes], config: dict[str, Any] | None = None, tag: str = "t", how: str = "gzip",
    **top: Any,
) -> Path:  # fmt: skip
    """An OCI layout with one image, beside what it has. how: "gzip", "" or "zstd"; top: of the configuration."""
    path.mkdir(exist_ok=True)
    rows = []
    for data in layers:
        if how == "gzip":
            packed = gzip.compress(data, 1)
        elif how == "zstd":
            packed = subprocess.run(["zstd", "-qc"], input=data, stdout=subprocess.PIPE, check=True).stdout
        else:
            packed = data
        rows.append(put(path, packed, f"{OCI}layer.v1.tar" + (f"+{how}" if how else "")))
    document = {
        "os": "linux", "architecture": "amd64" if os.uname().machine == "x86_64" else "",
        "rootfs": {"type": "layers", "diff_ids": [digest(data) for data in layers]}, "config": config or {}, **top,
    }  # fmt: skip
    manifest = {
        "schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
        "config": put(path, json.dumps(document).encode(), OCI + "config.v1+json"), "layers": rows,
    }  # fmt: skip
    name = {"annotations": {"org.opencontainers.image.ref.name": tag}} if tag else {}
    add(path, put(path, json.dumps(manifest).encode(), OCI + "manifest.v1+json", **name))
    return path


def add(path: Path, *rows: dict[str, Any]) -> None:
    """Adds descriptors to a layout's index."""
    (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    index = path / "index.json"
    before = json.loads(index.read_text())["manifests"] if index.exists() else []
    index.write_text(json.dumps({"schemaVersion": 2, "manifests": [*before, *rows]}))


def docker_archive(path: Path, layers: list[bytes], config: dict[str, Any] | None = None, *tags: str) -> Path:
    """What docker save writes."""
    document = json.dumps(
        {"os": "linux", "rootfs": {"diff_ids": [digest(data) for data in layers]}, "config": config or {}}
    ).encode()
    name = digest(document)[7:] + ".json"
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    manifest = json.dumps([{"Config": name, "RepoTags": list(tags) or None, "Layers": names}]).encode()
    members = [member("manifest.json", data=manifest), member(name, data=document)]
    path.write_bytes(layer(*members, *(member(one, data=data) for one, data in zip(names, layers, strict=True))))
    return path


BUSYBOX = ("/usr/bin/busybox", "/bin/busybox")


def busybox() -> bytes:
    """A busybox that needs no libraries; skips the test if there is none."""
    for path in BUSYBOX:
        if os.path.exists(path):
            data = Path(path).read_bytes()
            if b"ld-linux" not in data[:4096]:
                return data
    pytest.skip("busybox-static is not installed")


def small_root(*more: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A layer with busybox and a few of its commands."""
    names = ("sh", "cat", "id", "ls", "echo", "env", "pwd", "touch", "sleep", "stat", "mount")
    return layer(
        member("bin", "dir"), member("bin/busybox", data=busybox(), mode=0o755),
        *(member(f"bin/{name}", "symlink", linkname="busybox") for name in names),
        member("etc", "dir"),
        member("etc/passwd", data=b"root:x:0:0::/root:/bin/sh\napp:x:1234:55::/home/app:/bin/sh\n"),
        member("etc/group", data=b"root:x:0:\nstaff:x:50:app\nplugdev:x:46:app,other\n"),
        *more,
    )  # fmt: skip
