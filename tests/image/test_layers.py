"""Layers applied to real directories: against a model, and by those who mean harm."""

from __future__ import annotations

import io
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from slurmpy.image.errors import ImageError
from slurmpy.image.layers import Layers
from slurmpy.image.limits import Limits

from .conftest import Person
from .images import layer, member
from .ordinary import ask

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can")


def unpack(top: Path, *layers: bytes, owner: bool | None = None, **limits: int) -> Layers:
    made = Layers(str(top), Limits(**limits), os.geteuid() == 0 if owner is None else owner)
    try:
        for number, data in enumerate(layers):
            made.apply(io.BytesIO(data), lowest=not number)
        made.finish()
    finally:
        made.close()
    return made


def look(top: Path) -> dict[str, Any]:
    """Names to what is there: a nested dictionary, a link's target in a tuple, or a file's bytes."""
    found: dict[str, Any] = {}
    for one in os.scandir(top):
        if one.is_symlink():
            found[one.name] = (os.readlink(one.path),)
        elif one.is_dir():
            found[one.name] = look(Path(one.path))
        else:
            found[one.name] = Path(one.path).read_bytes()
    return found


# ---- against a model


PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=4)
ENTRY = st.one_of(
    st.tuples(st.just("file"), PATHS, st.binary(max_size=3)),
    st.tuples(st.just("dir"), PATHS, st.just(b"")),
    st.tuples(st.just("hide"), PATHS, st.just(b"")),
    st.tuples(st.just("opaque"), st.lists(st.sampled_from("abc"), max_size=3), st.just(b"")),
)
LINKED = st.one_of(
    st.tuples(st.just("file"), PATHS, st.binary(max_size=3)),
    st.tuples(st.just("dir"), PATHS, st.just(b"")),
    st.tuples(
        st.just("symlink"), PATHS,
        st.sampled_from((b"a", b"b/c", b"..", b"/", b"/a", b"../../../b", b"./c", b"a/..")),
    ),
)  # fmt: skip


def written(rows: list[tuple[str, list[str], bytes]]) -> bytes:
    members = []
    for kind, parts, data in rows:
        if kind == "hide":
            members.append(member("/".join([*parts[:-1], f".wh.{parts[-1]}"])))
        elif kind == "opaque":
            members.append(member("/".join([*parts, ".wh..wh..opq"])))
        elif kind == "symlink":
            members.append(member("/".join(parts), kind, linkname=data.decode()))
        else:
            members.append(member("/".join(parts), kind, data))
    return layer(*members)


class Clash(Exception):
    """A directory is needed where something else stands."""


def model_hide(tree: dict, rows: list) -> None:
    """What a layer's whiteouts take away from the layers below."""
    for kind, parts, _ in rows:
        if kind not in ("hide", "opaque"):
            continue
        at: Any = tree
        for part in parts[:-1] if kind == "hide" else parts:
            at = at.get(part) if isinstance(at, dict) else None
        if not isinstance(at, dict):
            continue
        if kind == "hide":
            at.pop(parts[-1], None)
        else:
            at.clear()


def model_add(tree: dict, rows: list) -> None:
    for kind, parts, data in rows:
        if kind in ("hide", "opaque"):
            continue
        at = tree
        for part in parts[:-1]:
            at = at.setdefault(part, {})
            if not isinstance(at, dict):
                raise Clash
        if kind == "dir":
            if not isinstance(at.get(parts[-1]), dict):
                at[parts[-1]] = {}
        else:
            at[parts[-1]] = data


@settings(max_examples=150)
@given(st.lists(st.lists(ENTRY, max_size=8), min_size=1, max_size=4))
def test_whiteouts_against_a_model(layers: list[list[tuple[str, list[str], bytes]]]) -> None:
    """Wherever a whiteout stands in its layer, it hides what is below, and nothing of its own layer."""
    tree: dict = {}
    for number, rows in enumerate(layers):
        if number:
            model_hide(tree, rows)
        try:
            model_add(tree, rows)
        except Clash:
            assume(False)
    with tempfile.TemporaryDirectory() as top:
        try:
            unpack(Path(top), *map(written, layers))
        except ImageError as error:
            # a whiteout after what it makes room for: the layer needs it before
            said = str(error)
        else:
            assert look(Path(top)) == tree
            return
    assert "not a directory" in said
    assume(False)


def model_walk(tree: dict, parts: list[str]) -> dict:
    """The directory that a path means, made if it is missing; links as the tree's own root has them."""
    above: list[dict] = [tree]
    pending, links = parts[::-1], 0
    while pending:
        part = pending.pop()
        if part in ("", "."):
            continue
        if part == "..":
            above = above[:-1] or [tree]
            continue
        found = above[-1].setdefault(part, {})
        if isinstance(found, tuple):
            links += 1
            if links > 40:
                raise Clash
            if found[0].startswith("/"):
                above = [tree]
            pending += found[0].split("/")[::-1]
        elif isinstance(found, dict):
            above.append(found)
        else:
            raise Clash
    return above[-1]


@settings(max_examples=150)
@given(st.lists(st.lists(LINKED, max_size=10), min_size=1, max_size=2))
def test_links_on_the_way_against_a_model(layers: list[list[tuple[str, list[str], bytes]]]) -> None:
    tree: dict = {}
    clash = False
    try:
        for kind, parts, data in (row for rows in layers for row in rows):
            at = model_walk(tree, parts[:-1])
            if kind == "dir":
                if not isinstance(at.get(parts[-1]), dict):
                    at[parts[-1]] = {}
            else:
                at[parts[-1]] = data if kind == "file" else (data.decode(),)
    except Clash:
        clash = True
    with tempfile.TemporaryDirectory() as outer:
        top = Path(outer) / "top"
        top.mkdir()
        try:
            unpack(top, *map(written, layers))
        except ImageError:
            assert clash
        else:
            assert not clash
            assert look(top) == tree
        assert os.listdir(outer) == ["top"]


# ---- harm


EVIL = st.sampled_from(
    ("..", ".", "", "a", "b", "x", "out", "/", "../out", "../../out/a", ".wh.a", ".wh..", ".wh...", ".wh.",
     ".wh..wh..opq", ".wh..wh.plnk", "a\n", "\x1b[2J", "\u00e9")
)  # fmt: skip
EVIL_NAME = st.lists(EVIL, min_size=1, max_size=5).map("/".join)


@settings(max_examples=300)
@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from(("file", "dir", "symlink", "link", "fifo")), EVIL_NAME,
                      st.one_of(EVIL_NAME, st.sampled_from(("OUT", "OUT/secret", "/etc/passwd")))),
            max_size=8,
        ),
        min_size=1, max_size=3,
    )
)  # fmt: skip
def test_nothing_outside_is_touched(layers: list[list[tuple[str, str, str]]]) -> None:
    with tempfile.TemporaryDirectory() as outer:
        out, top = Path(outer) / "out", Path(outer) / "in/top"
        out.mkdir()
        top.mkdir(parents=True)
        (out / "secret").write_bytes(b"secret")
        (out / "a").mkdir()
        os.utime(out / "a", ns=(5, 5))
        os.utime(out / "secret", ns=(5, 5))
        os.utime(out, ns=(5, 5))
        before = _everything(out)
        data = [
            layer(*(
                member(name, kind, b"evil" if kind == "file" else b"", linkname=link.replace("OUT", str(out)))
                if kind in ("symlink", "link") else member(name, kind, b"evil" if kind == "file" else b"")
                for kind, name, link in rows
            ))
            for rows in layers
        ]  # fmt: skip
        try:
            unpack(top, *data)
        except ImageError as error:
            said = str(error)
        else:
            said = ""
        assert not said or said.isprintable()
        assert _everything(out) == before
        assert sorted(os.listdir(outer)) == ["in", "out"]
        assert os.listdir(Path(outer) / "in") == ["top"]
        # nor did anything of it come in by a hard link
        secret = (out / "secret").stat()
        assert secret.st_nlink == 1


def _everything(top: Path) -> list[Any]:
    found = []
    for path in (top, *sorted(top.rglob("*"))):
        seen = path.lstat()
        found.append((str(path), seen.st_ino, seen.st_mode, seen.st_mtime_ns, seen.st_uid, seen.st_nlink))
    return found


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([member("../x")], "../x: a name with .. in it"),
        ([member("a/../../x")], "a/../../x: a name with .. in it"),
        ([member("a", "link", linkname="../out")], "../out: a name with .. in it"),
        ([member("a", "link", linkname="/etc/passwd")], "a: a link to /etc/passwd, which is not there"),
        ([member("a", "link", linkname="none")], "a: a link to none, which is not there"),
        ([member("a", "dir"), member("b", "link", linkname="a")], "b: a hard link to a directory"),
        ([member("a", "symlink", linkname="/proc/self/root"), member("b", "link", linkname="a/etc/passwd")],
         "b: a link to a/etc/passwd, which is not there"),
        ([member("a", "symlink", linkname="a"), member("a/b")], "a: links without end"),
        ([member("a"), member("a/b")], "a: not a directory, but something is said to be in it"),
        ([member("/".join("x" * 300))], "more than 256 directories within one another"),
        ([member("n" * 256)], "n" * 100 + ": not a name for a file"),
        ([member(".wh.")], ".wh.: a whiteout of nothing"),
        ([member(".wh...")], ".wh...: a whiteout of nothing"),
        ([member(".wh.a/b")], ".wh.a/b: a whiteout with something in it"),
        ([member("./", "symlink", linkname="/")], "the top of the image is no directory"),
        ([member("a", uid=1 << 33)], "a: an owner that cannot be"),
        ([member("a", "char", devmajor=1 << 13)], "a: a device of numbers that cannot be"),
        ([member("a", "symlink", linkname="")], "a: a symbolic link to nothing"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path: Path, members: list, said: str) -> None:
    if "owner" in said and os.geteuid():
        pytest.skip("only root can")
    with pytest.raises(ImageError) as caught:
        unpack(tmp_path, layer(*members))
    assert said == str(caught.value)


def test_absolute_names_begin_at_the_top(tmp_path: Path) -> None:
    unpack(tmp_path, layer(member("/etc/x", data=b"1"), member("/y", "link", linkname="/etc/x")))
    assert look(tmp_path) == {"etc": {"x": b"1"}, "y": b"1"}
    assert (tmp_path / "y").stat().st_nlink == 2


def test_bounds(tmp_path: Path) -> None:
    def said(data: bytes, **limits: int) -> str:
        with tempfile.TemporaryDirectory(dir=tmp_path) as top, pytest.raises(ImageError) as caught:
            unpack(Path(top), data, **limits)
        return str(caught.value)

    many = layer(*(member(str(number)) for number in range(20)))
    assert said(many, entries=10) == "more than 10 files (SLURMPY_IMAGE_LIMITS=entries=N allows more)"
    # directories that no entry tells of count too
    assert said(layer(member("a/b/c/d/e/f")), entries=5).startswith("more than 5 files")
    assert said(layer(*[member(".wh.a")] * 20), entries=10).startswith("more than 10 files")
    info, data = member("holes", data=b"x")
    info.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(1 << 50), "GNU.sparse.name": "holes"}
    assert said(layer((info, data))).startswith(f"holes: a file of {1 << 50} bytes (")


# ---- attributes


@ROOT
def test_root_keeps_everything(tmp_path: Path) -> None:
    info, data = member("file", data=b"1", uid=12, gid=34, mode=0o4755, mtime=1000)
    info.pax_headers = {
        "SCHILY.xattr.user.a": "1", "SCHILY.xattr.user.overlay.opaque": "y", "SCHILY.xattr.trusted.overlay.opaque": "y",
        "SCHILY.xattr.security.selinux": "no", "mtime": "1000.5",
    }  # fmt: skip
    unpack(tmp_path, layer(
        member("dir", "dir", uid=1, gid=2, mode=0o2750, mtime=2000), member("dir/in"), (info, data),
        member("link", "symlink", linkname="/nowhere", uid=3, gid=4, mtime=3000),
        member("pipe", "fifo", uid=5, mode=0o620), member("null", "char", devmajor=1, devminor=3, mode=0o666),
        member("./", "dir", mode=0o711, mtime=4000),
    ))  # fmt: skip
    seen = (tmp_path / "file").stat()
    assert (seen.st_uid, seen.st_gid, stat.S_IMODE(seen.st_mode), seen.st_mtime_ns) == (
        12,
        34,
        0o4755,
        1_000_500_000_000,
    )
    assert os.listxattr(tmp_path / "file") == ["user.a"]
    seen = (tmp_path / "dir").stat()
    assert (seen.st_uid, seen.st_gid, stat.S_IMODE(seen.st_mode), seen.st_mtime) == (1, 2, 0o2750, 2000)
    seen = (tmp_path / "link").lstat()
    assert (seen.st_uid, seen.st_gid, seen.st_mtime) == (3, 4, 3000)
    assert (tmp_path / "pipe").stat().st_mode == stat.S_IFIFO | 0o620
    seen = (tmp_path / "null").stat()
    assert (seen.st_mode, seen.st_rdev) == (stat.S_IFCHR | 0o666, os.makedev(1, 3))
    assert (tmp_path.stat().st_mtime, stat.S_IMODE(tmp_path.stat().st_mode)) == (4000, 0o711)


def test_an_ordinary_user_owns_all(tmp_path: Path, person: Person) -> None:
    info, data = member("file", data=b"1", uid=0, gid=0, mode=0o6755)
    info.pax_headers = {"SCHILY.xattr.user.a": "1", "SCHILY.xattr.security.capability": "x"}
    (person.home / "layer.tar").write_bytes(layer(
        (info, data), member("null", "char", devmajor=1, devminor=3), member("null2", "link", linkname="null"),
        member("dir", "dir", mode=0o000), member("dir/in", data=b"2", mode=0o400), member("spool", "dir", mode=0o1777),
    ))  # fmt: skip
    out = ask(person.uid, person.gid, f"""
from slurmpy.image.layers import Layers
from slurmpy.image.limits import Limits
os.mkdir("{person.home}/top")
made = Layers("{person.home}/top", Limits(), False)
made.apply(open("{person.home}/layer.tar", "rb"), lowest=True)
made.finish()
for name in sorted(os.listdir("{person.home}/top")):
    seen = os.stat("{person.home}/top/" + name)
    print(name, seen.st_uid == os.getuid(), oct(seen.st_mode), os.listxattr("{person.home}/top/" + name))
""")  # fmt: skip
    assert out.splitlines() == [
        "dir True 0o40700 []", "file True 0o100755 ['user.a']", "spool True 0o41777 []",
    ]  # fmt: skip


def test_times_and_modes_of_directories_are_those_of_the_uppermost_entry(tmp_path: Path) -> None:
    unpack(
        tmp_path,
        layer(member("d", "dir", mtime=100, mode=0o755), member("d/a"), member("e", "dir", mtime=50), member("e/x")),
        layer(member("d", "dir", mtime=200, mode=0o700), member("d/b")),
        layer(member("d/c"), member("d/.wh.a"), member(".wh.e"), member("e/new")),
    )
    assert sorted(os.listdir(tmp_path / "d")) == ["b", "c"]
    assert ((tmp_path / "d").stat().st_mtime, (tmp_path / "d").stat().st_mode & 0o777) == (200, 0o700)
    assert (tmp_path / "e").stat().st_mtime != 50


def test_hard_links_across_layers(tmp_path: Path) -> None:
    unpack(
        tmp_path,
        layer(member("a", data=b"old"), member("b", "link", linkname="a"), member("s", "symlink", linkname="a"),
              member("t", "link", linkname="s")),
        layer(member("a", data=b"new"), member("c", "link", linkname="b"), member("c", "link", linkname="c")),
    )  # fmt: skip
    assert look(tmp_path) == {"a": b"new", "b": b"old", "c": b"old", "s": ("a",), "t": ("a",)}
    assert (tmp_path / "b").stat().st_ino == (tmp_path / "c").stat().st_ino


def test_special_names_of_aufs_are_nothing(tmp_path: Path) -> None:
    upper = layer(member(".wh..wh.plnk", "dir"), member(".wh..wh.plnk/1.2"), member(".wh..wh.aufs"))
    unpack(tmp_path, layer(member("a")), upper)
    assert os.listdir(tmp_path) == ["a"]


def test_sparse_files_have_holes(tmp_path: Path) -> None:
    info, data = member("holes", data=b"begin" + b"end")
    info.pax_headers = {"GNU.sparse.map": "0,5,50000000,3", "GNU.sparse.size": "50000003", "GNU.sparse.name": "holes"}
    unpack(tmp_path, layer((info, data)))
    seen = (tmp_path / "holes").stat()
    assert seen.st_size == 50_000_003
    assert seen.st_blocks * 512 < 1_000_000
    with open(tmp_path / "holes", "rb") as file:
        assert file.read(6) == b"begin\0"
        file.seek(50_000_000)
        assert file.read() == b"end"
