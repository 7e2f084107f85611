"""Who ``User`` of an image is, by the image's own /etc/passwd and /etc/group (image-spec 1.1, config.md)."""

from __future__ import annotations

from .errors import ImageError, printable

#: bytes of a passwd or group file that are read
MOST = 4 << 20
_ID_MAX = 0xFFFFFFFE
_GROUPS = 1024


def rows(data: bytes | None) -> list[list[bytes]]:
    """The lines of passwd(5) or group(5), split at colons."""
    lines = (data or b"").split(b"\n")
    return [line.split(b":") for line in lines if b":" in line and not line.startswith((b"#", b"+", b"-"))]


def _number(text: bytes) -> int | None:
    if not text.isdigit() or len(text) > 10 or int(text) > _ID_MAX:
        return None
    return int(text)


def user_of(text: str, passwd: bytes | None, group: bytes | None) -> tuple[int, int, list[int]]:
    """(uid, gid, additional groups) of an image's User. Pure. Raises ImageError for a name that the image does not
    have.

    A name or number with no group gets the group that passwd tells (0 if it does not), and those groups that list him.
    """
    name, colon, group_name = text.partition(":")
    raw = name.encode("utf-8", "surrogateescape")
    uid = _number(raw) if raw else 0
    gid, known = 0, b""
    for row in rows(passwd):
        if len(row) < 4:
            continue
        row_uid, row_gid = _number(row[2]), _number(row[3])
        if row_uid is None or row_gid is None:
            continue
        if (row[0] == raw and raw) if uid is None else row_uid == uid:
            uid, gid, known = row_uid, row_gid, row[0]
            break
    if uid is None:
        raise ImageError(f"User is {printable(text)}, and the image's /etc/passwd has no such user")
    if colon and group_name:
        wanted = group_name.encode("utf-8", "surrogateescape")
        found = _number(wanted)
        for row in rows(group):
            if found is None and len(row) > 2 and row[0] == wanted:
                found = _number(row[2])
        if found is None:
            raise ImageError(f"User is {printable(text)}, and the image's /etc/group has no such group")
        return uid, found, []
    more = []
    for row in rows(group):
        if (
            known
            and len(row) > 3
            and known in row[3].split(b",")
            and (one := _number(row[2])) is not None
            and one != gid
        ):
            more.append(one)
    return uid, gid, sorted(set(more))[:_GROUPS]
