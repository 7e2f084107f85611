"""Images of registries, which skopeo fetches: names, TLS, credentials and mirrors are its matter."""

from __future__ import annotations

import contextlib
import os

from .errors import ImageError, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .limits import Limits
    from .reference import Reference

#: how long skopeo may take
TIMEOUT = 3600


@contextlib.contextmanager
def fetched(reference: Reference, scratch: str, key: str, limits: Limits) -> Iterator[str]:
    """An OCI layout with the image of a docker:// reference, called "image"; it is removed afterwards.

    scratch: the directory that it is made in, as KEY.RANDOM, so that who holds the lock of `key` removes what a killed
    process leaves. Raises ImageError with what skopeo says.
    """
    import shutil

    program = shutil.which("skopeo")
    if program is None:
        raise ImageError(f"{reference}: skopeo is not installed; it fetches images of registries")
    place = os.path.join(scratch, f"{key}.{os.urandom(8).hex()}")
    os.mkdir(place, 0o700)
    try:
        layout = os.path.join(place, "layout")
        _copy([program, "--command-timeout", f"{TIMEOUT}s", "--tmpdir", place, "copy", "--quiet", str(reference),
               f"oci:{layout}:image"], reference, limits)  # fmt: skip
        yield layout
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _copy(argv: list[str], reference: Reference, limits: Limits) -> None:
    import resource
    import subprocess

    def bound() -> None:
        """No file of the image may be larger than all of it."""
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        most = limits.bytes if hard == resource.RLIM_INFINITY else min(limits.bytes, hard)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False,
            preexec_fn=bound, timeout=TIMEOUT + 60,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ImageError(f"{reference}: skopeo: {error}") from None
    if done.returncode:
        lines = done.stderr[-4000:].decode("utf-8", "replace").strip().splitlines()
        said = lines[-1] if lines else f"exit code {done.returncode}"
        if 'msg="' in said:  # its log's form
            said = said.partition('msg="')[2].rstrip('"')
        raise ImageError(f"{reference}: skopeo: {printable(said)}")
