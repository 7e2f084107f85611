"""What --container names, and what a directory is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmpy.image import limits
from slurmpy.image.errors import ImageError
from slurmpy.image.reference import FORMS, Reference, directory_kind, parse, resolve


@pytest.mark.parametrize(
    ("text", "kind", "path", "tag"),
    [
        ("oci:/images/alpine", "oci", "/images/alpine", ""),
        ("oci:alpine:3.20", "oci", "alpine", "3.20"),
        ("oci:dir:docker.io/library/alpine:3", "oci", "dir", "docker.io/library/alpine:3"),
        ("oci-archive:a.tar:x", "oci-archive", "a.tar", "x"),
        ("docker-archive:/tmp/a.tar", "docker-archive", "/tmp/a.tar", ""),
        ("docker-archive:a.tar:me/it:2", "docker-archive", "a.tar", "me/it:2"),
        ("docker-archive:a.tar:@1", "docker-archive", "a.tar", "@1"),
        ("docker://quay.io/me/it:2", "docker", "//quay.io/me/it:2", ""),
        ("/a/bundle", "directory", "/a/bundle", ""),
        ("a:b", "directory", "a:b", ""),
        ("./oci:x", "directory", "./oci:x", ""),
        ("a/oci:x", "directory", "a/oci:x", ""),
    ],
)
def test_forms(text: str, kind: str, path: str, tag: str) -> None:
    found = parse(text)
    assert (found.kind, found.path, found.tag) == (kind, path, tag)
    assert str(found) == text
    assert parse(str(found)) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no image or directory is named"),
        ("oci:", "oci:: should be oci:DIR[:TAG]"),
        ("oci::t", "oci::t: should be oci:DIR[:TAG]"),
        ("oci:a:", "oci:a:: should be oci:DIR[:TAG]"),
        ("docker:alpine", "docker:alpine: should be docker://HOST/NAME[:TAG]"),
        ("docker://", "docker://: should be docker://HOST/NAME[:TAG]"),
        ("docker://--help", "docker://--help: should be docker://HOST/NAME[:TAG]"),
        ("docker://a b", "docker://a b: should be docker://HOST/NAME[:TAG]"),
        ("containers-storage:x", "containers-storage:x: containers-storage: is not supported; oci:, oci-archive:, "
         "docker-archive:, docker: are"),
        ("a\nb", "a?b: not a name"),
    ],
)  # fmt: skip
def test_what_is_none(text: str, said: str) -> None:
    with pytest.raises(ImageError) as caught:
        parse(text)
    assert str(caught.value) == said


@given(st.text(), st.sampled_from(("", *(f"{form}:" for form in FORMS), "sif:")))
def test_any_text_is_a_reference_or_an_error(text: str, prefix: str) -> None:
    try:
        found = parse(prefix + text)
    except ImageError as error:
        said = str(error)
    else:
        said = ""
        assert parse(str(found)) == found
    assert "\n" not in said


def test_relative_paths() -> None:
    assert resolve("oci:a/../b:t", "/home/me") == "oci:/home/me/b:t"
    assert resolve("bundle", "/home/me") == "/home/me/bundle"
    assert resolve("/x", "/home/me") == "/x"
    assert resolve("docker://a/b", "/home/me") == "docker://a/b"
    assert parse("oci:a").absolute("/b") == Reference("oci", "/b/a")


def test_directories(tmp_path: Path) -> None:
    def said(path: Path) -> str:
        with pytest.raises(ImageError) as caught:
            directory_kind(str(path))
        return str(caught.value).replace(str(tmp_path), "")

    assert said(tmp_path / "none") == "/none: No such file or directory"
    (tmp_path / "a.tar").write_bytes(b"")
    assert said(tmp_path / "a.tar") == "/a.tar: Not a directory (should it be oci-archive:/a.tar?)"
    top = tmp_path / "top"
    (top / "rootfs").mkdir(parents=True)
    assert said(top) == "/top: no config.json beside rootfs; name /top/rootfs for a bundle of it"
    (top / "config.json").write_text("{}")
    assert directory_kind(str(top)) == "bundle"
    assert said(top / "rootfs").startswith("/top/rootfs: neither an OCI bundle (no config.json) nor a root file")
    (top / "rootfs/etc").mkdir()
    assert directory_kind(str(top / "rootfs")) == "rootfs"
    layout = tmp_path / "layout"
    layout.mkdir()
    for name in ("oci-layout", "index.json"):
        (layout / name).write_text("{}")
    assert said(layout) == "/layout: is an OCI image layout; name it as oci:/layout"


def test_limits() -> None:
    found = limits.read({"SLURMPY_IMAGE_LIMITS": "bytes=2G,entries=5k, ratio=10"})
    assert (found.bytes, found.entries, found.ratio, found.layers) == (2 << 30, 5 << 10, 10, 500)
    assert limits.read({}).bytes == 64 << 30
    for text in ("size=2", "bytes", "bytes=-1", "bytes=x", "bytes=1e9"):
        with pytest.raises(ImageError, match="SLURMPY_IMAGE_LIMITS"):
            limits.read({"SLURMPY_IMAGE_LIMITS": text})
    assert [limits.age(text) for text in ("90m", "12h", "3d", "2w", "3")] == [5400, 43200, 259200, 1209600, 259200]
    for text in ("", "d", "-1d", "1y"):
        with pytest.raises(ValueError, match="Invalid age"):
            limits.age(text)


def test_the_names_of_directories_are_as_they_are(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    os.mkdir(path)
    with pytest.raises(ImageError) as caught:
        directory_kind(path)
    assert str(caught.value).isprintable()
