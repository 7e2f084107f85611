"""A bundle of an image, out of the cache of the job's user, held as long as the step lives (`slurmpy.image`)."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Mapping
from typing import Any

from slurmpy.image.cache import in_cache
from slurmpy.image.errors import ImageError
from slurmpy.image.reference import Reference, parse

from .. import environment
from ..tasks import Identity
from . import calls
from .errors import ContainerError

__all__ = ["in_cache", "reference_of", "take"]
MAX_TOLD = 16 << 10


def reference_of(text: str, directory: str) -> Reference:
    """What --container names, a relative path taken from `directory`. Raises ContainerError."""
    try:
        return parse(text).absolute(directory)
    except ImageError as error:
        raise ContainerError(str(error)) from None


def take(
    reference: Reference, launch: Mapping[str, Any], identity: Identity, wait: Callable[[int], None]
) -> tuple[str, int]:
    """(path of the bundle, descriptor that keeps it in the cache). Unpacks the image if nobody has yet, in a process
    with the user's rights. That may take long: `wait(descriptor)` comes back when there is something to read, and has
    the step answer meanwhile. Raises ContainerError."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        try:
            ours.close()
            _as_user(reference, launch, identity, theirs)
        finally:
            os._exit(1)
    theirs.close()
    with ours:
        wait(ours.fileno())
        told, descriptors, _, _ = socket.recv_fds(ours, MAX_TOLD, 1)
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass  # reaped while we waited
    text = told[1:].decode("utf-8", "surrogateescape")
    if told[:1] == b"+" and descriptors:
        os.set_inheritable(descriptors[0], False)  # recvmsg gives one that programs would get, too
        return text, descriptors[0]
    for descriptor in descriptors:
        os.close(descriptor)
    raise ContainerError(text or f"{reference}: the process that unpacks it has ended without a word")


def _as_user(reference: Reference, launch: Mapping[str, Any], identity: Identity, link: socket.socket) -> None:
    from slurmpy.image.cache import Cache, default_directory, load
    from slurmpy.image.limits import read

    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    kept = os.dup2(link.detach(), 3)
    calls.leave_only_standard_files(kept)
    link = socket.socket(fileno=kept)
    try:
        load()  # the user may not be able to read where we are installed
        identity.become()
        os.chdir("/")
        variables = environment.from_strings(launch["environment"])
        home = variables.get("HOME") or _home(identity)
        os.environ.clear()  # skopeo shall find the user's credentials, and nobody what is in slurmd's
        os.environ.update({**variables, "HOME": home})
        lease = Cache(default_directory(home, variables), read(variables)).use(reference)
    except ImageError as error:
        link.send(b"-" + str(error).encode("utf-8", "surrogateescape")[: MAX_TOLD - 1])
    except OSError as error:
        text = f"{error.filename or reference}: {error.strerror}"
        link.send(b"-" + text.encode("utf-8", "surrogateescape")[: MAX_TOLD - 1])
    except Exception as error:  # a defect: nobody else could tell of it
        text = f"{reference}: {type(error).__name__}: {error}"
        link.send(b"-" + text.encode("utf-8", "replace")[: MAX_TOLD - 1])
    else:
        descriptor = lease.fileno()
        if descriptor < 0:  # a bundle that needs no lease
            descriptor = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        socket.send_fds(link, [b"+" + lease.path.encode("utf-8", "surrogateescape")], [descriptor])
    os._exit(0)


def _home(identity: Identity) -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return f"/nonexistent/{identity.uid}"
