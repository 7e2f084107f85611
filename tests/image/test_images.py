"""Finding an image in a layout or archive, and what is wrong with it: documents, digests, platforms, compression."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmpy.image import manifest
from slurmpy.image.cache import Cache
from slurmpy.image.errors import ImageError
from slurmpy.image.limits import Limits
from slurmpy.image.reference import parse

from .images import OCI, add, digest, docker_archive, layer, layout, member, need, put

ONE = layer(member("one", data=b"1"))


def files(cache: Cache, text: str) -> list[str]:
    with cache.use(parse(text)) as lease:
        return sorted(set(os.listdir(Path(lease.path) / "rootfs")) - {"dev", "etc", "proc", "run", "sys", "tmp", "var"})


def said(cache: Cache, text: str) -> str:
    """The error, without the directory of the test."""
    with pytest.raises(ImageError) as caught:
        cache.use(parse(text))
    assert not os.listdir(cache["images"])
    assert not os.listdir(cache["tmp"])
    return str(caught.value).replace(os.path.dirname(cache.directory) + "/", "")


# ---- choosing


def test_tags(cache: Cache, tmp_path: Path) -> None:
    where = layout(tmp_path / "l", [ONE], tag="a")
    assert files(cache, f"oci:{where}") == ["one"]
    layout(where, [layer(member("two"))], tag="b")
    assert files(cache, f"oci:{where}:b") == ["two"]
    cache = Cache(str(tmp_path / "other"), Limits())
    assert said(cache, f"oci:{where}") == "oci:l: there are several images; there are a, b"
    assert said(cache, f"oci:{where}:c") == "oci:l:c: no image is called c; there are a, b"


def machines() -> tuple[str, str]:
    """(this machine's architecture, one that is not)."""
    own = manifest.machine()[0]
    return own, "s390x" if own != "s390x" else "amd64"


def index(where: Path, *rows: tuple[str, list[bytes], dict[str, Any]], depth: int = 1, **more: Any) -> None:
    """An index of images for several architectures, within `depth` indexes, in the layout's own."""
    descriptors = []
    for architecture, layers, platform in rows:
        scratch = where.parent / "scratch"
        layout(scratch, layers, tag="", architecture=architecture)
        (row,) = json.loads((scratch / "index.json").read_text())["manifests"]
        shutil.copytree(scratch / "blobs", where / "blobs", dirs_exist_ok=True)
        shutil.rmtree(scratch)
        descriptors.append({**row, "platform": {"os": "linux", "architecture": architecture, **platform}})
    for _ in range(depth):
        text = json.dumps({"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": descriptors}).encode()
        descriptors = [put(where, text, OCI + "index.v1+json", **more)]
    add(where, *descriptors)


@pytest.mark.parametrize("depth", [0, 1, 4])
def test_the_image_of_this_machine_is_taken(cache: Cache, tmp_path: Path, depth: int) -> None:
    own, other = machines()
    where = tmp_path / "l"
    where.mkdir()
    index(where, (other, [layer(member("wrong"))], {}), (own, [ONE], {}), (own, [ONE], {"os": "windows"}), depth=depth)
    assert files(cache, f"oci:{where}") == ["one"]


def test_the_best_variant_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def rows(*pairs: tuple[str, str]) -> list[dict[str, Any]]:
        return [{"platform": {"architecture": one, "variant": two, "os": "linux"}} for one, two in pairs]

    def best(machine: str, *pairs: tuple[str, str]) -> list[tuple[str, str]]:
        monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "h", "r", "v", machine)))
        found = manifest.by_platform(rows(*pairs))
        return [(row["platform"]["architecture"], row["platform"]["variant"]) for row in found]

    arms = (("arm", "v6"), ("arm", "v7"), ("arm64", "v8"), ("amd64", ""), ("386", ""))
    assert best("aarch64", *arms) == [("arm64", "v8")]
    assert best("armv7l", *arms) == [("arm", "v7")]
    assert best("armv6l", *arms) == [("arm", "v6")]
    assert best("x86_64", *arms) == [("amd64", "")]
    assert best("x86_64", *arms[:3], arms[4]) == [("386", "")]
    assert best("x86_64", ("amd64", "v3")) == [("amd64", "v3")]
    assert best("armv6l", ("arm", "v7")) == []
    assert best("riscv64", *arms) == []


def test_no_image_for_this_machine(cache: Cache, tmp_path: Path) -> None:
    own, other = machines()
    where = tmp_path / "l"
    where.mkdir()
    index(where, (other, [ONE], {}))
    assert said(cache, f"oci:{where}") == f"oci:l: there is no image for this machine; there are linux/{other}"
    where = layout(tmp_path / "m", [ONE], architecture=other)
    assert said(cache, f"oci:{where}") == f"oci:m: is for linux/{other}, this machine is linux/{own}"


def test_indexes_without_end(cache: Cache, tmp_path: Path) -> None:
    where = tmp_path / "l"
    where.mkdir()
    index(where, (machines()[0], [ONE], {}), depth=5)
    assert said(cache, f"oci:{where}") == "oci:l: indexes within indexes without end"


def test_docker_archives(cache: Cache, tmp_path: Path) -> None:
    path = docker_archive(tmp_path / "a.tar", [ONE], {}, "me/it:1", "busy:latest")
    for name in ("", ":me/it:1", ":docker.io/me/it:1", ":busy", ":docker.io/library/busy:latest", ":@0"):
        assert files(cache, f"docker-archive:{path}{name}") == ["one"]
    cache = Cache(str(tmp_path / "other"), Limits())
    for name in ("busy:2", "@1", "@x", "me/it"):
        assert said(cache, f"docker-archive:{path}:{name}").startswith(f"docker-archive:a.tar:{name}: ")
    assert said(cache, f"docker-archive:{path}:busy:2").endswith(
        "no image is called busy:2; there are me/it:1, busy:latest"
    )


def test_layers_that_an_archive_links_to(cache: Cache, tmp_path: Path) -> None:
    document = json.dumps({"rootfs": {"diff_ids": [digest(ONE)] * 2}}).encode()
    rows = [{"Config": "c.json", "RepoTags": None, "Layers": ["a/layer.tar", "b/layer.tar"]}]
    (tmp_path / "a.tar").write_bytes(layer(
        member("./manifest.json", data=json.dumps(rows).encode()), member("c.json", data=document),
        member("a/layer.tar", data=ONE), member("b/layer.tar", "symlink", linkname="../a/layer.tar"),
    ))  # fmt: skip
    assert files(cache, f"docker-archive:{tmp_path}/a.tar") == ["one"]


def test_an_archive_of_a_layout(cache: Cache, tmp_path: Path) -> None:
    where = layout(tmp_path / "l", [ONE])
    with tarfile.open(tmp_path / "l.tar", "w") as tar:
        tar.add(where, ".")
    assert files(cache, f"oci-archive:{tmp_path}/l.tar:t") == ["one"]
    data = gzip.compress((tmp_path / "l.tar").read_bytes())
    (tmp_path / "l.tar.gz").write_bytes(data)
    assert files(cache, f"oci-archive:{tmp_path}/l.tar.gz") == ["one"]
    (tmp_path / "l.tar.gz").write_bytes(data[:-100])
    cache = Cache(str(tmp_path / "other"), Limits())
    assert said(cache, f"oci-archive:{tmp_path}/l.tar.gz") == "oci-archive:l.tar.gz: gzip data end in the middle"
    (tmp_path / "l.tar").write_bytes((tmp_path / "l.tar").read_bytes()[:3000])
    assert "the tar stream ends within a header" in said(cache, f"oci-archive:{tmp_path}/l.tar")


# ---- compression


@pytest.mark.parametrize("how", ["", "gzip", "zstd", "zstd by zstandard"])
def test_compressed_layers(cache: Cache, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    how, _, package = how.partition(" by ")
    if how == "zstd":
        need("zstd")
    if package:
        pytest.importorskip(package)
    else:
        monkeypatch.setitem(sys.modules, "zstandard", None)
    data = os.urandom(1 << 20) + bytes(1 << 20)
    where = layout(tmp_path / "l", [layer(member("big", data=data))], how=how)
    with cache.use(parse(f"oci:{where}")) as lease:
        assert (Path(lease.path) / "rootfs/big").read_bytes() == data


def test_zstd_without_zstd(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need("zstd")
    where = layout(tmp_path / "l", [ONE], how="zstd")
    monkeypatch.setitem(sys.modules, "zstandard", None)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert said(cache, f"oci:{where}") == (
        "oci:l: layer 1: a layer is compressed by zstd; install the program zstd or the Python package zstandard"
    )


def test_gzip_of_several_members_and_padding(cache: Cache, tmp_path: Path) -> None:
    data = layer(member("a", data=os.urandom(5000)))
    packed = b"".join(gzip.compress(data[at : at + 1000]) for at in range(0, len(data), 1000)) + bytes(300)
    where = layout(tmp_path / "l", [data])
    swap(where, gzip.compress(data, 1), packed)
    assert files(cache, f"oci:{where}") == ["a"]


def swap(where: Path, before: bytes, after: bytes, size: int | None = None) -> None:
    """Replaces the layer `before` by `after` in all documents of a layout of one image."""
    put(where, after)
    manifest = edit(where, lambda document: document["layers"][0].update(
        digest=digest(after), size=len(after) if size is None else size
    ))  # fmt: skip
    assert manifest["layers"][0]["digest"] == digest(after) != digest(before)


def edit(where: Path, change: Any) -> Any:
    """Changes the manifest of a layout of one image."""
    index = json.loads((where / "index.json").read_text())
    path = where / "blobs/sha256" / index["manifests"][-1]["digest"][7:]
    document = json.loads(path.read_text())
    change(document)
    index["manifests"][-1].update(put(where, json.dumps(document).encode(), index["manifests"][-1]["mediaType"]))
    (where / "index.json").write_text(json.dumps(index))
    return document


def edit_config(where: Path, change: Any) -> None:
    def inner(document: Any) -> None:
        path = where / "blobs/sha256" / document["config"]["digest"][7:]
        config = json.loads(path.read_text())
        change(config)
        document["config"] = put(where, json.dumps(config).encode(), document["config"]["mediaType"])

    edit(where, inner)


# ---- bombs


def test_a_bomb_of_bytes(tmp_path: Path) -> None:
    where = layout(tmp_path / "l", [layer(*(member(str(one), data=bytes(4 << 20)) for one in range(4)))])
    cache = Cache(str(tmp_path / "cache"), Limits(bytes=10 << 20))
    assert said(cache, f"oci:{where}") == (
        "oci:l: layer 1: more than 10485760 bytes, decompressed (SLURMPY_IMAGE_LIMITS=bytes=SIZE allows more)"
    )
    # all layers count, not each
    where = layout(tmp_path / "m", [layer(member(str(number), data=bytes(4 << 20))) for number in range(3)])
    assert "layer 3: more than 10485760 bytes" in said(cache, f"oci:{where}")


@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_a_bomb_of_ratio(tmp_path: Path, how: str) -> None:
    """300 MB of zeros, which never are in one piece."""
    if how == "zstd":
        need("zstd")
    info, _ = member("zeros")
    info.size = 300 << 20
    where = layout(tmp_path / "l", [info.tobuf() + bytes(info.size + 1024)], how=how)
    cache = Cache(str(tmp_path / "cache"), Limits(ratio=100))
    assert said(cache, f"oci:{where}") == (
        "oci:l: layer 1: more than 100 bytes for each byte of a layer (SLURMPY_IMAGE_LIMITS=ratio=N allows more)"
    )


def test_a_compressed_archive_is_bounded_too(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(layer(member("x", data=bytes(20 << 20)))))
    cache = Cache(str(tmp_path / "cache"), Limits(bytes=10 << 20))
    assert "more than 10485760 bytes" in said(cache, f"docker-archive:{tmp_path}/a.tar.gz")


def test_too_many_layers(tmp_path: Path) -> None:
    where = layout(tmp_path / "l", [layer(member(str(number))) for number in range(4)])
    cache = Cache(str(tmp_path / "cache"), Limits(layers=3))
    assert said(cache, f"oci:{where}") == "oci:l: 4 layers (SLURMPY_IMAGE_LIMITS=layers=N allows more)"


def test_large_documents(cache: Cache, tmp_path: Path) -> None:
    where = layout(tmp_path / "l", [ONE])
    (where / "index.json").write_bytes(b" " * (9 << 20))
    assert said(cache, f"oci:{where}") == f"oci:l: index.json: a document of {9 << 20} bytes"
    (where / "index.json").write_bytes(b"[" * 100_000)
    assert said(cache, f"oci:{where}") == "oci:l: index.json: is not JSON"


# ---- damage


def blob(where: Path, which: str) -> Path:
    index = json.loads((where / "index.json").read_text())
    path = where / "blobs/sha256" / index["manifests"][0]["digest"][7:]
    document = json.loads(path.read_text())
    found = {"manifest": index["manifests"][0], "config": document["config"], "layer": document["layers"][0]}
    return where / "blobs/sha256" / found[which]["digest"][7:]


@pytest.mark.parametrize("which", ["manifest", "config", "layer"])
@pytest.mark.parametrize("how", ["", "gzip"])
def test_bytes_that_are_not_those_of_the_digest(cache: Cache, tmp_path: Path, which: str, how: str) -> None:
    where = layout(tmp_path / "l", [ONE], how=how)
    path = blob(where, which)
    data = bytearray(path.read_bytes())
    data[-1 if which == "layer" else 5] ^= 1
    path.write_bytes(data)
    text = said(cache, f"oci:{where}")
    assert "digest" in text or "damaged gzip data" in text
    path.write_bytes(data[:-1])
    assert "bytes long, not" in said(cache, f"oci:{where}")
    path.write_bytes(data + b"x")
    assert "bytes long, not" in said(cache, f"oci:{where}")
    path.unlink()
    assert said(cache, f"oci:{where}").endswith(f"{path.name}: No such file or directory")
    path.mkdir()
    assert said(cache, f"oci:{where}").endswith(f"{path.name}: not a file")
    path.rmdir()
    os.mkfifo(path)
    assert said(cache, f"oci:{where}").endswith(f"{path.name}: not a file")


def test_content_that_is_not_that_of_the_configuration(cache: Cache, tmp_path: Path) -> None:
    where = layout(tmp_path / "l", [ONE])
    other = layer(member("other"))
    swap(where, gzip.compress(ONE, 1), gzip.compress(other))
    assert said(cache, f"oci:{where}") == (
        "oci:l: layer 1: its content does not have the diff_id that the image's configuration has"
    )
    path = docker_archive(tmp_path / "a.tar", [layer(member("a", data=b"right"))])
    path.write_bytes(path.read_bytes().replace(b"right", b"wrong"))
    assert "diff_id" in said(cache, f"docker-archive:{path}")


@pytest.mark.parametrize("cut", [1, 9, 40, 100])
def test_layers_that_end_early(cache: Cache, tmp_path: Path, cut: int) -> None:
    data = layer(member("a", data=os.urandom(5000)))
    where = layout(tmp_path / "l", [data])
    swap(where, gzip.compress(data, 1), gzip.compress(data, 1)[:-cut])
    assert said(cache, f"oci:{where}") == "oci:l: layer 1: gzip data end in the middle"


def test_garbage_after_gzip(cache: Cache, tmp_path: Path) -> None:
    where = layout(tmp_path / "l", [ONE])
    swap(where, gzip.compress(ONE, 1), gzip.compress(ONE, 1) + b"garbage")
    assert "damaged gzip data" in said(cache, f"oci:{where}")


def test_damaged_zstd(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need("zstd")
    where = layout(tmp_path / "l", [ONE], how="zstd")
    before = blob(where, "layer").read_bytes()
    swap(where, before, before[:-3])
    monkeypatch.setitem(sys.modules, "zstandard", None)  # which leaves it to the diff_id to tell
    assert "damaged zstd data" in said(cache, f"oci:{where}")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda d: d.pop("layers"), "layers of the manifest is not a list"),
        (lambda d: d.update(layers=[5]), "layer 1 is not an object"),
        (lambda d: d["layers"][0].update(digest="sha256:../../etc"), "layer 1: not a digest: sha256:../../etc"),
        (lambda d: d["layers"][0].update(digest="md5:" + "0" * 32), f"layer 1: not a digest: md5:{'0' * 32}"),
        (lambda d: d["layers"][0].update(digest=5), "layer 1: not a digest: 5"),
        (lambda d: d["layers"][0].update(size=-1), "layer 1: a negative size"),
        (lambda d: d["layers"][0].update(size="5"), "layer 1: size is not a number"),
        (lambda d: d["layers"][0].update(size=True), "layer 1: size is not a number"),
        (lambda d: d["layers"][0].update(mediaType="x/y"), "layer 1: media type x/y is not one of a layer"),
        (lambda d: d.update(layers=[]), "0 layers, but 1 diff_ids in the image's configuration"),
        (lambda d: d.pop("config"), "config of the manifest is not an object"),
        (lambda d: d["config"].update(mediaType="application/x"), "not a container image but application/x"),
        (lambda d: d.update(mediaType="text/x"), "not an image but text/x"),
    ],
)  # fmt: skip
def test_manifests_that_cannot_be(cache: Cache, tmp_path: Path, change: Any, text: str) -> None:
    where = layout(tmp_path / "l", [ONE])
    edit(where, change)
    assert said(cache, f"oci:{where}") == f"oci:l: {text}"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda d: d.pop("rootfs"), "rootfs of the image's configuration is not an object"),
        (lambda d: d["rootfs"].update(diff_ids="x"), "diff_ids of the image's configuration is not a list"),
        (lambda d: d["rootfs"].update(diff_ids=["x"]), "diff_id 1: not a digest: x"),
        (lambda d: d.update(config=[1]), "config of the image's configuration is not an object"),
        (lambda d: d["config"].update(Env="x"), "Env of the image's configuration is not a list"),
        (lambda d: d["config"].update(Cmd=[1]), "Cmd of the image's configuration is not a text"),
        (lambda d: d["config"].update(Cmd=["a\0b"]), "Cmd of the image's configuration has a zero byte"),
        (lambda d: d["config"].update(WorkingDir="/a\0"), "WorkingDir of the image's configuration has a zero byte"),
        (lambda d: d["config"].update(Volumes=["/a"]), "Volumes of the image's configuration is not an object"),
        (lambda d: d["config"].update(Labels=3), "Labels of the image's configuration is not an object"),
        (lambda d: d.update(os="plan9"), f"is for plan9/amd64, this machine is linux/{machines()[0]}"),
    ],
)  # fmt: skip
def test_configurations_that_cannot_be(cache: Cache, tmp_path: Path, change: Any, text: str) -> None:
    where = layout(tmp_path / "l", [ONE])
    edit_config(where, change)
    assert said(cache, f"oci:{where}") == f"oci:l: {text}"


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("oci-layout", '{"imageLayoutVersion": "2.0.0"}', "imageLayoutVersion 2.0.0 is not 1.x"),
        ("oci-layout", "[]", "imageLayoutVersion None is not 1.x"),
        ("oci-layout", "", "oci-layout: is not JSON"),
        ("index.json", "[]", "index.json is not an object"),
        ("index.json", "{}", "manifests of index.json is not a list"),
        ("index.json", '{"manifests": []}', "there is no image in it"),
        ("index.json", '{"manifests": [1]}', "manifest of index.json is not an object"),
        ("index.json", '{"manifests": [{"mediaType": "x"}]}', "there is no image in it"),
        ("index.json", '{"manifests": [{"mediaType": [1]}]}', "there is no image in it"),
        ("index.json", '{"manifests": [{}]}', "manifest: size is not a number"),
        ("index.json", '"x"', "index.json: is not JSON of an object or a list"),
    ],
)
def test_layouts_that_cannot_be(cache: Cache, tmp_path: Path, name: str, content: str, text: str) -> None:
    where = layout(tmp_path / "l", [ONE])
    (where / name).write_text(content)
    assert said(cache, f"oci:{where}") == f"oci:l: {text}"


def test_what_is_not_there(cache: Cache, tmp_path: Path) -> None:
    assert said(cache, f"oci:{tmp_path}/none") == "oci:none: none/oci-layout: No such file or directory"
    assert said(cache, f"oci-archive:{tmp_path}/none") == "oci-archive:none: No such file or directory"
    assert said(cache, f"oci-archive:{tmp_path}") == f"oci-archive:{tmp_path}: Is a directory"
    (tmp_path / "a.tar").write_bytes(b"not a tar file" * 100)
    assert "not a tar file, or damaged" in said(cache, f"docker-archive:{tmp_path}/a.tar")
    (tmp_path / "a.tar").write_bytes(layer(member("x")))
    assert said(cache, f"docker-archive:{tmp_path}/a.tar").endswith("a.tar: there is no manifest.json in it")
    (tmp_path / "a.tar").write_bytes(layer(member("../manifest.json", data=b"[]")))
    assert said(cache, f"docker-archive:{tmp_path}/a.tar").endswith("a.tar: names outside of the archive")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 1 << 40) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.data())
def test_any_documents_are_an_image_or_an_error(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Something anywhere in the documents is something else."""
    top = tmp_path_factory.mktemp("any")
    where = layout(top / "l", [ONE], {"Env": ["A=b"], "User": "0", "Labels": {"a": "b"}, "Volumes": {"/v": {}}})

    def change(document: Any) -> None:
        at = document
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            key = data.draw(st.sampled_from(keys))
            if isinstance(at[key], dict | list) and at[key] and data.draw(st.booleans()):
                at = at[key]
                continue
            at[key] = data.draw(JSON)
            return

    which = data.draw(st.sampled_from(("index", "manifest", "config", "docker")))
    text = f"oci:{where}"
    if which == "index":
        index = json.loads((where / "index.json").read_text())
        change(index)
        (where / "index.json").write_text(json.dumps(index))
    elif which == "docker":
        path = docker_archive(top / "a.tar", [ONE], {}, "a:b")
        with tarfile.open(path) as tar:
            (_, first), *rest = [(info, tar.extractfile(info).read()) for info in tar]  # type: ignore[union-attr]
        manifest = json.loads(first)
        change(manifest)
        path.write_bytes(layer(member("manifest.json", data=json.dumps(manifest).encode()), *rest))
        text = f"docker-archive:{path}:a:b"
    else:
        {"manifest": edit, "config": edit_config}[which](where, change)
    try:
        Cache(str(top / "cache"), Limits()).use(parse(text)).close()
    except ImageError as error:
        said = str(error)
    else:
        said = ""
    assert not said or said.isprintable()
    shutil.rmtree(top)


def test_nothing_is_read_twice() -> None:
    """What is unpacked is what was hashed: a blob is never opened again after its check."""
    from slurmpy.image.blobs import Verified

    file = io.BytesIO(b"abc")
    blob = Verified(file, "x", digest(b"abc"), 3)
    assert blob.read() == b"abc"
    blob.finish()
    with pytest.raises(ImageError, match="x: is 3 bytes long, not 4"):
        Verified(io.BytesIO(b"abc"), "x", digest(b"abc"), 4).finish()
    with pytest.raises(ImageError, match="x: is longer than 2 bytes"):
        Verified(io.BytesIO(b"abc"), "x", digest(b"abc"), 2).finish()
    with pytest.raises(ImageError, match="do not have the digest"):
        Verified(io.BytesIO(b"abd"), "x", digest(b"abc"), 3).finish()
