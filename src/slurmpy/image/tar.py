"""Reading tar streams that anybody may have made.

POSIX ustar and pax, GNU (long names, sparse files) and v7, which is what writers of layers use. Not `tarfile`: it keeps
headers of any size in memory, reads their lines with regular expressions that take quadratic time, and follows chains
of them by recursion. Here every header is bounded and read once; what is not understood is an error, never a guess.

Formats: pax(1) of POSIX.1-2017 ("ustar Interchange Format", "pax Extended Header"), and the chapter "Tar Internals" of
GNU tar's manual.
"""

from __future__ import annotations

from .errors import ImageError, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

BLOCK = 512
#: bytes of one extended header, and of all global ones together
HEADER = 1 << 20
#: pieces of one sparse file
PIECES = 100_000
_KINDS = {
    b"0": "file", b"\0": "file", b"7": "file", b"1": "link", b"2": "symlink", b"3": "char", b"4": "block", b"5": "dir",
    b"6": "fifo", b"S": "file",
}  # fmt: skip
_XATTR = b"SCHILY.xattr."


class Entry:
    """One member. name, link: bytes as they are written; kind: "file", "link" (hard), "symlink", "char", "block",
    "dir", "fifo"; size: of a file's data in the stream; mtime: nanoseconds; xattrs: name to value; pieces: None, or
    (offset, length) of a sparse file's data; full_size: what the file is long in the end."""

    __slots__ = (
        "full_size", "gid", "kind", "link", "major", "minor", "mode", "mtime", "name", "pieces", "size", "uid",
        "xattrs",
    )  # fmt: skip

    def __init__(self, name: bytes, kind: str, size: int = 0, mode: int = 0o644) -> None:
        self.name, self.kind, self.size, self.mode = name, kind, size, mode
        self.uid = self.gid = self.mtime = self.major = self.minor = 0
        self.link = b""
        self.xattrs: dict[bytes, bytes] = {}
        self.pieces: list[tuple[int, int]] | None = None
        self.full_size = size


class Reader:
    """Iterating gives the entries in their order; `read` gives the present one's data. Raises ImageError.

    stream: has ``read(n)`` that gives n bytes unless it ends, as `io.BufferedReader` has; what it raises goes through.
    seekable: data that nobody reads is skipped by seeking. `offset` is where the present entry's data begin.
    """

    def __init__(self, stream: IO[bytes], seekable: bool = False) -> None:
        self._stream, self._seekable = stream, seekable
        self._global: dict[bytes, bytes] = {}
        self._left = self._padding = 0
        self.offset = 0

    def __iter__(self) -> Iterator[Entry]:
        pax: dict[bytes, bytes] = {}
        long_name = long_link = b""
        while True:
            self._skip()
            block = self._block()
            if block is None:
                if pax or long_name or long_link:
                    raise ImageError("the tar stream ends after an extended header")
                return
            kind = block[156:157]
            if kind in (b"x", b"X", b"g", b"L", b"K"):
                data = self._header_data(_number(block[124:136], "size"))
                if kind == b"L":
                    long_name = data.partition(b"\0")[0]
                elif kind == b"K":
                    long_link = data.partition(b"\0")[0]
                elif kind == b"g":
                    self._global.update(_records(data))
                    if sum(len(key) + len(value) for key, value in self._global.items()) > HEADER:
                        raise ImageError("global pax headers are too long")
                else:
                    pax.update(_records(data))
                continue
            if kind == b"V":
                self._data(_number(block[124:136], "size"))
                continue
            entry = self._entry(block, {**self._global, **pax} if self._global else pax, long_name, long_link)
            pax, long_name, long_link = {}, b"", b""
            yield entry

    def read(self, most: int) -> bytes:
        """At most `most` bytes of the present entry's data; b"" at their end."""
        wanted = min(most, self._left)
        if not wanted:
            return b""
        data = self._stream.read(wanted)
        self.offset += len(data)
        self._left -= len(data)
        if len(data) != wanted:
            raise ImageError("the tar stream ends within a file")
        return data

    # ---- blocks

    def _data(self, size: int) -> None:
        self._left, self._padding = size, -size % BLOCK

    def _skip(self) -> None:
        if self._seekable and self._left:
            self.offset += self._left
            self._stream.seek(self.offset)
            self._left = 0
        while self._left:
            self.read(1 << 18)
        if self._padding:
            self.offset += len(self._stream.read(self._padding))
            self._padding = 0

    def _block(self) -> bytes | None:
        """The next header; None at the end, which two blocks of zeros, or nothing more, tell."""
        block = self._stream.read(BLOCK)
        self.offset += len(block)
        if not block:
            return None
        if len(block) != BLOCK:
            raise ImageError("the tar stream ends within a header")
        if not any(block):
            return None
        digits = block[148:156].partition(b"\0")[0].strip()
        written = int(digits, 8) if digits and not digits.strip(b"01234567") else -1
        plain = block[:148] + b"        " + block[156:]
        if written != sum(plain) and written != sum(byte - 256 if byte > 127 else byte for byte in plain):
            raise ImageError("a header of the tar stream has a wrong checksum (not a tar file, or damaged)")
        return block

    def _header_data(self, size: int) -> bytes:
        if size > HEADER:
            raise ImageError(f"an extended header of {size} bytes in the tar stream")
        self._data(size)
        return self.read(size)

    # ---- one entry

    def _entry(self, block: bytes, pax: dict[bytes, bytes], long_name: bytes, long_link: bytes) -> Entry:
        kind = _KINDS.get(block[156:157])
        name = pax.get(b"GNU.sparse.name") or pax.get(b"path") or long_name or _name(block)
        if kind is None:
            raise ImageError(f"{printable(name)}: type {printable(block[156:157])} of tar entries is not known")
        size = _decimal(pax[b"size"], "size") if b"size" in pax else _number(block[124:136], "size")
        if size < 0:
            raise ImageError(f"{printable(name)}: a negative size")
        if kind == "file" and name.endswith(b"/") and block[156:157] in (b"\0", b"0") and not size:
            kind = "dir"  # as v7 writers tell a directory
        entry = Entry(name, kind, size if kind == "file" else 0, _number(block[100:108], "mode") & 0o7777)
        entry.uid = _decimal(pax[b"uid"], "uid") if b"uid" in pax else _number(block[108:116], "uid")
        entry.gid = _decimal(pax[b"gid"], "gid") if b"gid" in pax else _number(block[116:124], "gid")
        entry.mtime = _time(pax[b"mtime"]) if b"mtime" in pax else _number(block[136:148], "mtime") * 1_000_000_000
        if kind in ("link", "symlink"):
            entry.link = pax.get(b"linkpath") or long_link or block[157:257].partition(b"\0")[0]
        if kind in ("char", "block"):
            entry.major, entry.minor = _number(block[329:337], "device"), _number(block[337:345], "device")
        for key, value in pax.items():
            if key.startswith(_XATTR):
                entry.xattrs[key[len(_XATTR) :]] = value
        self._data(entry.size)
        self._sparse(entry, block, pax)
        return entry

    def _sparse(self, entry: Entry, block: bytes, pax: dict[bytes, bytes]) -> None:
        """Fills in pieces and full_size of a sparse file, in GNU's old form and in the pax forms 0.0, 0.1 and 1.0."""
        if entry.kind != "file":
            return
        if block[156:157] == b"S":
            entry.pieces, full = self._old_sparse(block), _number(block[483:495], "size")
        elif pax.get(b"GNU.sparse.major") == b"1":
            entry.pieces, full = self._sparse_map(), _decimal(pax.get(b"GNU.sparse.realsize", b""), "sparse size")
            entry.size = self._left
        elif b"GNU.sparse.map" in pax:
            numbers = [_decimal(one, "sparse map") for one in pax[b"GNU.sparse.map"].split(b",") if one]
            entry.pieces = list(zip(numbers[::2], numbers[1::2], strict=False))
            full = _decimal(pax.get(b"GNU.sparse.size", b""), "sparse size")
        elif any(key.startswith(b"GNU.sparse.") for key in pax):
            raise ImageError(f"{printable(entry.name)}: a sparse file in a form that is not known")
        else:
            entry.full_size = entry.size
            return
        end = 0
        for offset, length in entry.pieces:
            if offset < end or length < 0:
                raise ImageError(f"{printable(entry.name)}: the pieces of the sparse file overlap")
            end = offset + length
        if end > full or sum(length for _, length in entry.pieces) != entry.size:
            raise ImageError(f"{printable(entry.name)}: the pieces of the sparse file are not what it has")
        entry.full_size = full

    def _old_sparse(self, block: bytes) -> list[tuple[int, int]]:
        left, padding = self._left, self._padding
        at, count, more = 386, 4, block[482]
        pieces: list[tuple[int, int]] = []
        while True:
            for number in range(count):
                field = block[at + 24 * number : at + 24 * number + 24]
                if field[0]:
                    pieces.append((_number(field[:12], "sparse map"), _number(field[12:], "sparse map")))
            if not more:
                break
            if len(pieces) > PIECES:
                raise ImageError("a sparse file of too many pieces")
            block = self._stream.read(BLOCK)
            self.offset += len(block)
            if len(block) != BLOCK:
                raise ImageError("the tar stream ends within a header")
            at, count, more = 0, 21, block[504]
        self._left, self._padding = left, padding
        return pieces

    def _sparse_map(self) -> list[tuple[int, int]]:
        """The map that stands before the data in form 1.0: decimal numbers, a line each, filled up to a block."""
        buffer = b""

        def number() -> int:
            nonlocal buffer
            while b"\n" not in buffer:
                if len(buffer) > 32 or not self._left:
                    raise ImageError("the map of a sparse file is damaged")
                buffer += self.read(BLOCK)
            line, _, buffer = buffer.partition(b"\n")
            return _decimal(line, "sparse map")

        count = number()
        if count > PIECES:
            raise ImageError("a sparse file of too many pieces")
        return [(number(), number()) for _ in range(count)]


def _name(block: bytes) -> bytes:
    name = block[:100].partition(b"\0")[0]
    if block[257:263] == b"ustar\0":
        prefix = block[345:500].partition(b"\0")[0]
        return prefix + b"/" + name if prefix else name
    return name


def _number(field: bytes, what: str) -> int:
    """Octal digits, or GNU's base 256."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big") & ((1 << (8 * len(field) - 1)) - 1)
        return value - (1 << (8 * len(field) - 1)) if field[0] & 0x40 else value
    text = field.partition(b"\0")[0].strip()
    if text.strip(b"01234567"):
        raise ImageError(f"{what} of a tar entry is no number: {printable(field)}")
    return int(text, 8) if text else 0


def _decimal(text: bytes, what: str) -> int:
    if not text.isdigit() or len(text) > 20:
        raise ImageError(f"{what} of a tar entry is no number: {printable(text[:40])}")
    return int(text)


def _time(text: bytes) -> int:
    """Nanoseconds of ``[-]SECONDS[.FRACTION]``."""
    sign = -1 if text[:1] == b"-" else 1
    whole, _, fraction = text.lstrip(b"-").partition(b".")
    if not whole.isdigit() or len(whole) > 18 or (fraction and not fraction.isdigit()):
        raise ImageError(f"mtime of a tar entry is no time: {printable(text[:40])}")
    return sign * (int(whole) * 1_000_000_000 + int((fraction[:9] or b"0").ljust(9, b"0")))


def _records(data: bytes) -> dict[bytes, bytes]:
    """``LENGTH KEY=VALUE\\n`` records of a pax header."""
    found: dict[bytes, bytes] = {}
    numbers: list[bytes] = []  # of form 0.0, which repeats two keys
    at = 0
    while at < len(data) and data[at]:
        space = data.find(b" ", at, at + 9)
        digits = data[at:space] if space > 0 else b""
        if not digits.isdigit():
            raise ImageError("a pax header is damaged")
        end = at + int(digits)
        if end <= space + 1 or end > len(data) or data[end - 1] != 10:
            raise ImageError("a pax header is damaged")
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if not equals or not key:
            raise ImageError("a pax header is damaged")
        if b"\0" in value and not key.startswith(_XATTR):
            raise ImageError(f"a pax header has a zero byte in {printable(key)}")
        if key in (b"GNU.sparse.offset", b"GNU.sparse.numbytes"):
            numbers.append(value)
            if len(numbers) > 2 * PIECES:
                raise ImageError("a sparse file of too many pieces")
        at = end
        if value or key.startswith(_XATTR):
            found[key] = value
        else:  # POSIX: as if the key were not there
            found.pop(key, None)
    if numbers:
        found[b"GNU.sparse.map"] = b",".join(numbers)
    return found
