"""What ``--container`` names: a bundle, a root file system, or an image as containers-transports(5) has it."""

from __future__ import annotations

import os

from .errors import ImageError

#: prefix: (what follows it, what it is)
FORMS: dict[str, tuple[str, str]] = {
    "oci": ("DIR[:TAG]", "an OCI image layout, as skopeo, umoci and buildah write it"),
    "oci-archive": ("FILE[:TAG]", "an OCI image layout in a tar file (podman save --format oci-archive)"),
    "docker-archive": ("FILE[:NAME]", "what docker save and podman save write"),
    "docker": ("//HOST/NAME[:TAG]", "an image of a registry; skopeo, which must be installed, fetches it"),
}
#: forms of containers-transports(5) that are not taken: they name another program's store
_OTHERS = frozenset(("containers-storage", "docker-daemon", "dir", "ostree", "sif", "tarball", "atomic"))


class Reference:
    """What a text names. kind: one of `FORMS`, or "directory" (a bundle or a root file system, which `Cache.use` finds
    out); path: the directory or file (for docker: what follows the colon); tag: the TAG or NAME, "" without."""

    __slots__ = ("kind", "path", "tag")

    def __init__(self, kind: str, path: str, tag: str = "") -> None:
        self.kind, self.path, self.tag = kind, path, tag

    def __str__(self) -> str:
        if self.kind == "directory":
            return self.path
        return f"{self.kind}:{self.path}" + (f":{self.tag}" if self.tag else "")

    def __repr__(self) -> str:
        return f"Reference({self.kind!r}, {self.path!r}, {self.tag!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reference) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    @property
    def is_image(self) -> bool:
        return self.kind != "directory"

    def absolute(self, directory: str) -> Reference:
        """The same with its path taken from `directory` if it is relative."""
        if self.kind == "docker":
            return self
        return Reference(self.kind, os.path.normpath(os.path.join(directory, self.path)), self.tag)


def parse(text: str) -> Reference:
    """The reference that `text` is; pure, nothing is looked up. Raises ImageError.

    As in containers-transports(5), the first colon after the prefix begins the tag, so a path has none. What has no
    prefix of `FORMS` is a directory; one that looks like a prefix is written ``./NAME``.
    """
    if not text or "\0" in text or "\n" in text:
        raise ImageError("no image or directory is named" if not text else f"{text}: not a name")
    prefix, colon, rest = text.partition(":")
    if not colon or "/" in prefix or (prefix not in FORMS and prefix not in _OTHERS):
        return Reference("directory", text)
    if prefix in _OTHERS:
        raise ImageError(f"{text}: {prefix}: is not supported; {', '.join(f'{name}:' for name in FORMS)} are")
    if prefix == "docker":
        if not rest.startswith("//") or not rest.strip("/") or rest[2:3] == "-" or any(c.isspace() for c in rest):
            raise ImageError(f"{text}: should be docker:{FORMS['docker'][0]}")
        return Reference("docker", rest)
    path, colon, tag = rest.partition(":")
    if not path or (colon and not tag):
        raise ImageError(f"{text}: should be {prefix}:{FORMS[prefix][0]}")
    return Reference(prefix, path, tag)


def resolve(text: str, directory: str) -> str:
    """`text` with its path made absolute from `directory`. Raises ImageError."""
    return str(parse(text).absolute(directory))


def directory_kind(path: str) -> str:
    """ "bundle" (it has a config.json) or "rootfs" (it looks like a root). Raises ImageError for anything else."""
    try:
        names = set(os.listdir(path))
    except NotADirectoryError:
        hint = next((f" (should it be {form}:{path}?)" for form in ("oci-archive", "docker-archive")
                     if path.endswith((".tar", ".tar.gz", ".tgz"))), "")  # fmt: skip
        raise ImageError(f"{path}: Not a directory{hint}") from None
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror}") from None
    if "config.json" in names:
        return "bundle"
    if {"oci-layout", "index.json"} <= names:
        raise ImageError(f"{path}: is an OCI image layout; name it as oci:{path}")
    if "rootfs" in names and not names & {"bin", "usr"}:
        raise ImageError(
            f"{path}: no config.json beside rootfs; name {os.path.join(path, 'rootfs')} for a bundle of it"
        )
    if names & {"bin", "usr", "etc"}:
        return "rootfs"
    raise ImageError(f"{path}: neither an OCI bundle (no config.json) nor a root file system (no bin, usr or etc)")
