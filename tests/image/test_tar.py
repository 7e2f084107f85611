"""The reader of tar streams: what the standard library, GNU tar and hand-made headers give it."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmpy.image.errors import ImageError
from slurmpy.image.tar import Reader

from .images import layer, member, need

NAMES = st.lists(st.text("ab\u00e9 ", min_size=1, max_size=90), min_size=1, max_size=4).map("/".join)
FORMATS = (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT)


def read(data: bytes) -> list[tuple]:
    reader = Reader(io.BytesIO(data))
    return [(one, reader.read(1 << 20)) for one in reader]


@given(
    st.lists(
        st.tuples(
            NAMES, st.sampled_from(("file", "dir", "symlink", "link", "char", "fifo")), st.binary(max_size=1200),
            st.integers(0, 0o7777), st.integers(0, 1 << 31), st.integers(0, 1 << 40), NAMES,
        ),
        max_size=6,
    ),
    st.sampled_from(FORMATS),
)  # fmt: skip
def test_what_the_standard_library_writes(rows: list, format: int) -> None:
    members = []
    for name, kind, data, mode, owner, mtime, link in rows:
        more = {"linkname": link} if kind in ("symlink", "link") else {}
        more |= {"devmajor": 1, "devminor": 5} if kind == "char" else {}
        members.append(
            member(name, kind, data if kind == "file" else b"", mode=mode, uid=owner, gid=owner, mtime=mtime, **more)
        )
    found = read(layer(*members, format=format))
    assert len(found) == len(members)
    for (entry, got), (info, data) in zip(found, members, strict=True):
        assert entry.name.rstrip(b"/") == info.name.encode().rstrip(b"/")
        assert got == data
        assert (entry.mode, entry.uid, entry.gid, entry.mtime) == (info.mode, info.uid, info.gid, info.mtime * 10**9)
        assert entry.link == info.linkname.encode()


def test_pax_headers() -> None:
    info, data = member("short", data=b"x")
    info.pax_headers = {"path": "l\u00f6ng", "mtime": "12.25", "SCHILY.xattr.user.a": "v", "comment": "c", "uid": "77"}
    (entry, got), *rest = read(layer((info, data)))
    assert not rest
    assert (entry.name, entry.mtime, entry.xattrs, entry.uid, got) == (
        "l\u00f6ng".encode(), 12_250_000_000, {b"user.a": b"v"}, 77, b"x",
    )  # fmt: skip


def test_global_headers_hold_until_they_are_overruled() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"uid": "5"}) as tar:
        tar.addfile(member("a")[0])
        info = member("b")[0]
        info.pax_headers = {"uid": "6"}
        tar.addfile(info)
    assert [entry.uid for entry, _ in read(out.getvalue())] == [5, 6]


@pytest.mark.parametrize("format", ["gnu", "pax", "oldgnu"])
@pytest.mark.parametrize("pieces", [3, 60])
def test_sparse_files_of_gnu_tar(tmp_path: Path, format: str, pieces: int) -> None:
    need("tar")
    path = tmp_path / "sparse"
    with open(path, "wb") as file:
        for number in range(pieces):
            file.seek(number * 300_000 + 4096)
            file.write(b"%d" % number)
        file.truncate(pieces * 300_000 + 12345)
    versions = ["0.0", "0.1", "1.0"] if format == "pax" else ["1.0"]
    for version in versions:
        how = ["--sparse-version", version] if format == "pax" else []
        argv = ["tar", "-cS", f"--format={format}", *how, "-C", tmp_path, "sparse"]
        packed = subprocess.run(argv, check=True, stdout=subprocess.PIPE).stdout
        assert len(packed) < 2_000_000
        reader = Reader(io.BytesIO(packed))
        whole = bytearray(path.stat().st_size)
        for entry in reader:
            assert entry.name == b"sparse"
            assert entry.full_size == len(whole)
            assert entry.pieces is not None
            for offset, length in entry.pieces:
                whole[offset : offset + length] = reader.read(length)
            assert reader.read(1) == b""
        assert bytes(whole) == path.read_bytes()


def header(name: str = "a", kind: bytes = b"0", size: int = 0, **fields: bytes) -> bytes:
    """A ustar header with fields as they are given, and a checksum that is right."""
    places = {"mode": (100, 8), "uid": (108, 8), "length": (124, 12), "mtime": (136, 12), "link": (157, 100)}
    block = bytearray(512)
    block[: len(name)] = name.encode()
    block[124:135] = b"%011o" % size
    block[156:157] = kind
    block[257:265] = b"ustar\x0000"
    for field, value in fields.items():
        at, most = places[field]
        block[at : at + most] = value.ljust(most, b"\0")
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (header()[:300], "ends within a header"),
        (header(size=10) + b"abc", "ends within a file"),
        (header(kind=b"x", size=1 << 30), "an extended header of 1073741824 bytes"),
        (header(kind=b"L", size=1 << 21), "an extended header of 2097152 bytes"),
        (header(kind=b"x", size=9) + b"9 size=-1".ljust(512, b"\0") + header(), "a pax header is damaged"),
        (header(kind=b"x", size=11) + b"11 size=-1\n".ljust(512, b"\0") + header(), "size of a tar entry is no number"),
        (header(kind=b"x", size=11) + b"99999999999".ljust(512, b"\0") + header(), "a pax header is damaged"),
        (header(kind=b"x", size=11) + b"11 uid=1e5\n".ljust(512, b"\0") + header(), "uid of a tar entry is no number"),
        (header(kind=b"x", size=11) + b"11 path=a\0\n".ljust(512, b"\0") + header(), "a zero byte in path"),
        (header(kind=b"M"), "type M of tar entries is not known"),
        (header(kind=b"9"), "type 9 of tar entries is not known"),
        (header(size=0)[:148] + b"0000000\0" + header()[156:], "a wrong checksum"),
        (header(uid=b"12x"), "uid of a tar entry is no number"),
        (header(uid=b"1_0"), "uid of a tar entry is no number"),
        (header(length=b"\xff" * 12), "a negative size"),
        (b"\x7fELF" + bytes(600), "a wrong checksum"),
    ],
)  # fmt: skip
def test_damaged_streams(data: bytes, said: str) -> None:
    with pytest.raises(ImageError) as caught:
        read(data)
    assert said in str(caught.value)


def test_an_extended_header_at_the_end() -> None:
    with pytest.raises(ImageError, match="ends after an extended header"):
        read(header(kind=b"x", size=9) + b"9 uid=55\n".ljust(512, b"\0"))


def test_global_headers_have_an_end() -> None:
    value = b"x" * 900_000
    record = b"%d a%d=" + value + b"\n"
    data = b""
    for number in range(3):
        text = record % (len(record % (900_007, number)), number)
        data += header(kind=b"g", size=len(text)) + text + bytes(-len(text) % 512)
    with pytest.raises(ImageError, match="global pax headers are too long"):
        read(data + header())


@given(st.binary(max_size=3000), st.integers(0, 2000), st.integers(0, 7))
def test_any_bytes_are_entries_or_an_error(noise: bytes, at: int, which: int) -> None:
    info, data = member("n" * 120, data=b"x" * 700)
    info.pax_headers = {"SCHILY.xattr.user.a": "v" * 30}
    good = layer((info, data), member("b", "symlink", linkname="l" * 150), format=FORMATS[which % 2])
    for stream in (noise, good[:at] + noise[:which] + good[at + which :], good[:at]):
        try:
            read(stream)
        except ImageError as error:
            said = str(error)
        else:
            said = ""
        assert not said or said.isprintable()


@pytest.mark.parametrize("pairs", [[(0, 5), (3, 5)], [(5, 1), (0, 1)], [(0, 2000)]])
def test_pieces_that_overlap(pairs: list[tuple[int, int]]) -> None:
    info, data = member("a", data=b"x" * sum(length for _, length in pairs))
    text = ",".join(f"{offset},{length}" for offset, length in pairs)
    info.pax_headers = {"GNU.sparse.map": text, "GNU.sparse.size": "100", "GNU.sparse.name": "a"}
    with pytest.raises(ImageError, match="pieces of the sparse file"):
        read(layer((info, data)))


def test_names_are_bytes() -> None:
    name = os.fsdecode(b"\xff\xfe")
    for format in FORMATS:
        ((entry, _),) = read(layer(member(name), format=format))
        assert entry.name == b"\xff\xfe"
